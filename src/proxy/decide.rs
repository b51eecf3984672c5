//! The decision for a call: features of its body, facts of the moment, one pure function. Everything that is needed
//! afterwards is taken out here, so that nothing borrows from the body across an await.

use std::sync::atomic::Ordering;

use crate::config::providers::Kind;
use crate::features::{Call as FeatureCall, Request};
use crate::lang::catalogue::ModelId;
use crate::lang::eval::decision::{Attempt, Decision};
use crate::lang::eval::{self, Effective};
use crate::lang::input::{Facts, Feature, Features, Input};
use crate::lang::plan::Plan;
use crate::proxy::call::Call;
use crate::proxy::failure::Failure;
use crate::proxy::headers;
use crate::proxy::{Active, App};
use crate::state::ledger::Caller;
use crate::tools::explain::Explanation;
use crate::tools::request::tokenizer_of;
use crate::wire::chat::BadBody;
use crate::wire::request;

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
    pub(super) rule: String,
    pub(super) microseconds: f64,
}

/// Which explanations are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    pub(super) words: bool,
    pub(super) json: bool,
}

/// Decides a call.
pub(super) fn decide(app: &App, active: &Active, call: &Call, wanted: Wanted) -> Result<Decided, Failure> {
    let read = request::decode(call.client, &call.body).map_err(|BadBody(message)| Failure::client(400, message))?;
    let plan = &active.plan;
    let headers = headers::for_rules(&call.headers);
    let tokenizer = tokenizer_of(&plan.program.catalogue, &read.model);
    let feature_call = FeatureCall { chat: &read, body: &call.body, headers: &headers, key: None, tokenizer };
    let request = Request::new(&feature_call, &app.counter);
    let text = |feature| request.text(feature, None).map(std::borrow::Cow::into_owned);
    let (session, user) = (text(Feature::Session), text(Feature::User));
    let caller = Caller { key: None, user: user.as_deref(), session: session.as_deref() };
    let facts = facts(app, active, caller);
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
        words = wanted.words.then(|| explanation.human(false));
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
    Ok(Decided {
        rule: crate::tools::test::decided_name(plan, &decision),
        effective,
        words,
        json,
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
    })
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
fn facts(app: &App, active: &Active, caller: Caller<'_>) -> Facts {
    let mut facts = app.state.facts(&active.plan, &active.names, caller, &app.clock);
    for (model, not_ready) in facts.models.iter_mut().zip(&active.not_ready) {
        model.no_key.clone_from(not_ready);
    }
    facts.spread = app.spread.fetch_add(0x9E37_79B9, Ordering::Relaxed);
    facts
}
