//! The decision for a call: features of its body, facts of the moment, one pure function. Everything that is needed
//! afterwards is taken out here, so that nothing borrows from the body across an await.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use sha2::{Digest as _, Sha256};

use crate::config::providers::Kind;
use crate::config::service::OnStoreFailure;
use crate::features::{Call as FeatureCall, Request};
use crate::lang::catalogue::{ModelId, Prices};
use crate::lang::eval::decision::{self, Attempt, Decision};
use crate::lang::eval::{self, Effective};
use crate::lang::input::{Facts, Feature, Features, Input};
use crate::lang::plan::Plan;
use crate::proxy::call::Call;
use crate::proxy::failure::Failure;
use crate::proxy::headers;
use crate::proxy::{Active, App};
use crate::state::ledger::Caller;
use crate::state::store::Seen;
use crate::tools::explain::Explanation;
use crate::tools::request::tokenizer_of;
use crate::wire::chat::BadBody;
use crate::wire::{patch, request};

/// What was decided, and all that the rest of the request needs to know.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) decision: Decision,
    /// Settings in effect, by attempt.
    pub(super) effective: Vec<Effective>,
    /// The explanation in words, where somebody reads it.
    pub(super) words: Option<String>,
    /// The explanation as JSON, where somebody reads it.
    pub(super) json: Option<serde_json::Value>,
    /// The model that was asked for.
    pub(super) asked: String,
    /// Where that stands in the body.
    pub(super) asked_at: Option<Range<usize>>,
    pub(super) stream: bool,
    pub(super) stream_usage: bool,
    /// The tools whose input is a text.
    pub(super) text_tools: Vec<String>,
    pub(super) session: Option<String>,
    pub(super) user: Option<String>,
    /// Input tokens at most, for the first event of a stream.
    pub(super) input_at_most: u64,
    /// The longest answer, by attempt; none where the request's own stays.
    pub(super) max_tokens: Vec<Option<u64>>,
    /// What each attempt is expected to cost, in nano-dollars; only where budgets ask.
    pub(super) costs: Vec<i64>,
    /// What each attempt costs at most, in nano-dollars; only where budgets ask.
    pub(super) worst: Vec<i64>,
    /// The longest answer that each attempt asks for, in tokens.
    pub(super) longest: Vec<u64>,
    /// The prompt, where the cache looks at it.
    pub(super) prompt: Option<String>,
    /// The moment that it was decided at.
    pub(super) facts: Facts,
    pub(super) rule: String,
    pub(super) microseconds: f64,
}

/// Which explanations are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    pub(super) words: bool,
    pub(super) json: bool,
}

/// What stands in the place of an explanation that the key of a call may not read.
const NOT_SHOWN: &str =
    "the request was decided, and no provider was called; this key has no permission to read the explanation";

/// What was learnt since a call was decided.
#[derive(Debug, Default)]
pub(super) struct News {
    /// What a shared store said.
    pub(super) seen: Seen,
    /// The number that chance gave the first decision.
    pub(super) spread: Option<u64>,
}

/// Decides a call. The work stops early, and its result means nothing, when nobody holds what `client` points at.
pub(super) fn decide(
    app: &App,
    active: &Active,
    call: &Call,
    wanted: Wanted,
    news: Option<&News>,
    client: Option<Weak<()>>,
) -> Result<Decided, Failure> {
    if client.as_ref().is_some_and(|client| client.strong_count() == 0) {
        return Err(Failure::client(499, "the client has gone"));
    }
    let read = request::decode(call.client, &call.body).map_err(|BadBody(message)| Failure::client(400, message))?;
    let plan = &active.plan;
    let headers = headers::for_rules(&call.headers);
    let tokenizer = tokenizer_of(&plan.program.catalogue, &read.model);
    let feature_call =
        FeatureCall { chat: &read, body: &call.body, headers: &headers, key: call.key.as_deref(), tokenizer };
    let request = Request::new(&feature_call, &app.counter);
    let request = if let Some(client) = client { request.watching(client) } else { request };
    let text = |feature| request.text(feature, None).map(std::borrow::Cow::into_owned);
    let (session, user) = (text(Feature::Session).map(name_of), text(Feature::User).map(name_of));
    let caller = Caller { key: call.key.as_deref(), user: user.as_deref(), session: session.as_deref() };
    let facts = facts(app, active, caller, news);
    let input = Input { request: &request, facts: &facts };
    let started = app.clock.instant();
    let decision = eval::decide(plan, &input);
    let microseconds = app.clock.instant().saturating_sub(started).as_secs_f64() * 1e6;
    let (mut words, mut json) = (None, None);
    let echo = |attempt: &Attempt| {
        let provider = active.configuration.provider(&plan.program.catalogue.card(attempt.model).provider);
        provider.is_some_and(|provider| provider.kind == Kind::Echo)
    };
    let wanted = Wanted { words: wanted.words || decision.attempts.iter().any(echo), ..wanted };
    if wanted.words || wanted.json {
        let (_, trace) = eval::explain(plan, &input, false);
        let cost = decision.attempts.first().and_then(|attempt| eval::cost(plan, &input, attempt.model));
        let explanation = Explanation {
            request: "this request",
            plan,
            decision: &decision,
            trace: &trace,
            cost,
            microseconds: Some(microseconds),
        };
        words = wanted.words.then(|| if call.may_read { explanation.human(false) } else { NOT_SHOWN.to_owned() });
        json = wanted.json.then(|| explanation.json());
    }
    let effective: Vec<Effective> =
        (0..decision.attempts.len())
            .map(|attempt| {
                if attempt == 0 {
                    decision.effective.clone()
                } else {
                    eval::effective(plan, &input, &decision, attempt)
                }
            })
            .collect();
    let input_at_most = request.input_tokens_at_most();
    let max_tokens = decision
        .attempts
        .iter()
        .zip(&effective)
        .map(|(attempt, effective)| longest_answer(plan, &request, attempt.model, effective, read.max_tokens));
    let max_tokens = max_tokens.collect();
    let budgeted = !plan.program.budgets.is_empty();
    let costs = decision
        .attempts
        .iter()
        .map(|attempt| if budgeted { eval::cost(plan, &input, attempt.model).unwrap_or(0) } else { 0 });
    let costs = costs.collect();
    let max_tokens: Vec<Option<u64>> = max_tokens;
    let longest = decision.attempts.iter().zip(&max_tokens).map(|(attempt, set)| {
        let card = plan.program.catalogue.card(attempt.model);
        set.or(read.max_tokens).unwrap_or(card.output_max)
    });
    let longest: Vec<u64> = longest.collect();
    let worst = decision.attempts.iter().zip(&longest).map(|(attempt, longest)| {
        let prices = plan.program.catalogue.card(attempt.model).prices.filter(|_| budgeted);
        prices.map_or(0, |prices| most(prices, input_at_most, *longest))
    });
    let worst = worst.collect();
    let looks = active.configuration.cache.as_ref().is_some_and(|cache| !cache.rules.is_empty());
    Ok(Decided {
        prompt: if looks { text(Feature::Prompt) } else { None },
        worst,
        longest,
        rule: crate::tools::test::decided_name(plan, &decision),
        effective,
        words,
        json,
        asked_at: patch::place_of(&call.body, &read.model),
        asked: read.model.to_string(),
        stream: read.stream,
        stream_usage: read.stream_usage,
        text_tools: read.tools.iter().filter(|tool| tool.takes_text).map(|tool| tool.name.to_string()).collect(),
        input_at_most,
        max_tokens,
        costs,
        microseconds,
        decision,
        session,
        user,
        facts,
    })
}

/// The longest name of a user or a conversation that state is kept under as it is, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// What state is kept under for a user or a conversation: clients name them, and a name of megabytes would be kept with
/// every budget, row and session.
fn name_of(text: String) -> String {
    if text.len() <= NAME_BYTES_MAX {
        return text;
    }
    let hash: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let begin: String = text.chars().take(32).collect();
    format!("{begin}...{hash}")
}

/// What a call costs at most, in nano-dollars: its input may all be written to a cache, and its answer be as long as it may.
fn most(prices: Prices, input: u64, output: u64) -> i64 {
    let dearest = prices.input.max(prices.cache_write).max(prices.cache_write_long);
    Prices { input: dearest, ..prices }.of([input, output, 0, 0, 0])
}

/// The longest answer of an attempt: as set or asked, cut to what the model writes at most and to the room in its window.
fn longest_answer(
    plan: &Plan,
    request: &Request<'_>,
    model: ModelId,
    effective: &Effective,
    asked: Option<u64>,
) -> Option<u64> {
    let card = plan.program.catalogue.card(model);
    let wanted = effective.max_tokens(asked)?;
    let mut most = wanted.min(card.output_max.max(1));
    if request.input_tokens_at_most().saturating_add(most) > card.window {
        most = most.min(card.window.saturating_sub(request.input_tokens()).max(1));
    }
    (Some(most) != asked).then_some(most)
}

/// The moment.
fn facts(app: &App, active: &Active, caller: Caller<'_>, news: Option<&News>) -> Facts {
    let plan = &active.plan;
    let mut facts = app.state.facts(plan, &active.names, caller, &app.clock, news.map(|news| &news.seen));
    facts.no_key = Some(Arc::clone(&active.not_ready));
    if app.store.is_shared() && app.store.down().is_some() {
        let policy = active.configuration.store.on_failure;
        for ((spent, set_aside), budget) in facts.spent.iter_mut().zip(&mut facts.set_aside).zip(&plan.program.budgets)
        {
            *set_aside = 0;
            *spent = spent.map(|_| if policy == OnStoreFailure::Deny { budget.amount } else { 0 });
        }
    }
    let chance = || app.spread.fetch_add(0x9E37_79B9, Ordering::Relaxed);
    facts.spread = Some(news.and_then(|news| news.spread).unwrap_or_else(chance));
    facts
}

impl Decided {
    /// What was learnt since, where it may change the decision.
    pub(super) fn news(
        &self,
        active: &Active,
        turn: Option<u64>,
        seen: Option<Seen>,
        app: &App,
        call: &Call,
    ) -> Option<News> {
        let program = &active.plan.program;
        let pool = self.decision.attempts.first().and_then(|attempt| attempt.pool);
        let guessed = pool.and_then(|pool| self.facts.turns.get(pool.index()).copied());
        let moved_on = turn.is_some() && turn != guessed;
        let is_shared = seen.is_some();
        let mut seen = seen.unwrap_or_default();
        if let (Some(turn), Some(pool)) = (turn, pool) {
            let name = &program.pools[pool.index()].name;
            seen.turns.retain(|(known, _)| known != name);
            seen.turns.push((name.clone(), turn));
        }
        let mut changed = moved_on;
        if is_shared && !changed {
            let now = app.state.facts(&active.plan, &active.names, self.caller(call), &app.clock, Some(&seen));
            let cached = |facts: &Facts| {
                facts
                    .models
                    .seen()
                    .map(|(model, seen)| (*model, seen.cached_tokens))
                    .filter(|(_, tokens)| *tokens > 0)
                    .collect::<Vec<(u32, u64)>>()
            };
            let refused = matches!(self.decision.decided, decision::Decided::Budget(_));
            let budgets = active.reads_budgets || refused;
            changed = now.session_model != self.facts.session_model
                || now.sticky != self.facts.sticky
                || (budgets && (&now.spent, &now.set_aside) != (&self.facts.spent, &self.facts.set_aside))
                || (active.reads_caches && cached(&now) != cached(&self.facts));
        }
        changed.then_some(News { seen, spread: self.facts.spread })
    }
}
