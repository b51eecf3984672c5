//! The targets of a decision, tried in order until one answers. What failed before its first byte is given to the next at
//! once; only the same target is waited for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::response::Response;

use crate::config::providers::{Kind, Provider};
use crate::lang::catalogue::Card;
use crate::lang::eval::decision::{Action, Reason};
use crate::lang::input::WHOLE;
use crate::lang::ir::{Pool, Setting};
use crate::proxy::admit::{self, Admission, Part};
use crate::proxy::call::Call;
use crate::proxy::decide::Decided;
use crate::proxy::failure::{Blame, Failure};
use crate::proxy::handle::{LARGE_BODY, Notes};
use crate::proxy::outgoing::{self, Making, Outgoing};
use crate::proxy::profile::Stage;
use crate::proxy::record::{Calling, Recorder};
use crate::proxy::respond::{self, Reply};
use crate::proxy::upstream::{self, Begun, Refusal};
use crate::proxy::{Active, App, echo, headers};
use crate::state::facts::sticky_id;
use crate::state::health::Fault;
use crate::state::store::{Grant, Note};
use crate::wire::overflow::Overflow;
use crate::wire::refused::lasting;
use crate::wire::reply::Head;
use crate::wire::{Api, Client, retry};

/// The first pause before the same target is tried again; it doubles each time, and half of it is left to chance.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause; who asks for more is not tried again for this request.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Follows the chain until a target answers.
pub(super) async fn follow(
    app: &App,
    active: &Arc<Active>,
    call: &Call,
    decided: &Decided,
    admission: Option<Admission>,
    notes: &mut Notes,
) -> Result<Response, Failure> {
    let mut first = match admission.map(|admission| admission.granted) {
        // Who is over a limit is told so, whatever the rules say.
        Some(Err(refused)) if decided.decision.attempts.is_empty() => return Err(refused.failure),
        granted => granted,
    };
    if decided.decision.rejection.is_some() {
        return Err(rejected(decided, call.client));
    }
    for skipped in decided.decision.skipped.iter().filter(|skipped| skipped.reason == Reason::Unknown) {
        tracing::warn!(request = %call.id, model = %skipped.model, "passed over: {}", skipped.detail);
    }
    let mut last: Option<Failure> = None;
    // The largest window that the request did not fit into.
    let mut too_small: Option<u64> = None;
    let n = decided.decision.attempts.len();
    let mut next = 0;
    while next < n {
        let index = next;
        next += 1;
        let attempt = &decided.decision.attempts[index];
        let card = active.plan.program.catalogue.card(attempt.model);
        if too_small.is_some_and(|window| card.window <= window) {
            continue;
        }
        let granted = match first.take() {
            Some(granted) => granted,
            None if active.dry_run => Ok(None),
            None => admit::ask(app, active, call, decided, index, Part::Later).await.granted,
        };
        let target = Target { app, active, call, decided, index };
        let tried = match (granted, target.hedged()) {
            (Ok(grant), Some(after)) => {
                let raced = Box::pin(race(target, grant, after, notes)).await;
                if raced.both {
                    next += 1;
                }
                raced.tried
            }
            (Ok(grant), None) => target.answer(grant, notes, Arc::default()).await.map(|answer| (answer, index)),
            (Err(refused), _) => Err((refused.failure, refused.try_next)),
        };
        match tried {
            Ok(((response, lost), index)) => {
                let card = active.plan.program.catalogue.card(decided.decision.attempts[index].model);
                notes.lost = lost;
                notes.target = Some((card.provider.clone(), card.name.clone()));
                tracing::info!(request = %call.id, rule = %decided.rule, asked = %decided.asked, model = %card.full_name(), "answered");
                keep(app, active, call, decided, index);
                // What is kept is what the first target of the decision answered.
                return Ok(match notes.asking.take().filter(|_| index == 0) {
                    Some(asking) => asking.copy(app, response, card.full_name(), Arc::clone(&notes.whole)),
                    None => response,
                });
            }
            Err((failure, try_next)) => {
                notes.target = Some((card.provider.clone(), card.name.clone()));
                tracing::warn!(request = %call.id, model = %card.full_name(), "{}", failure.message);
                if failure.is_too_long {
                    // Only a larger window can do better.
                    too_small = too_small.max(Some(card.window));
                } else if !try_next {
                    return Err(failure);
                }
                last = Some(failure);
            }
        }
    }
    let failure = last.unwrap_or_else(|| Failure::new(Blame::Rules, 500, "the rules name no target"));
    Err(failure)
}

/// What a client gets whom the rules send to nobody.
fn rejected(decided: &Decided, client: Client) -> Failure {
    let Some(rejection) = &decided.decision.rejection else {
        return Failure::new(Blame::Rules, 500, "the rules name no target");
    };
    let blame = if decided.decision.action == Action::Unservable { Blame::Client } else { Blame::Rules };
    let is_too_long = decided.decision.action == Action::Unservable
        && !decided.decision.skipped.is_empty()
        && decided.decision.skipped.iter().all(|skipped| skipped.reason == Reason::ContextWindow);
    let mut failure = if is_too_long {
        Failure::too_long(blame, &Overflow::known(rejection.message.clone()), client)
    } else {
        Failure::new(blame, rejection.status, rejection.message.clone())
    };
    if let Some(after) = rejection.retry_after_s {
        failure = failure.with_header("retry-after", after.to_string());
    }
    if rejection.status == 402 { failure.with_header("x-should-retry", "false") } else { failure }
}

/// Remembers whom a sticky pool took.
fn keep(app: &App, active: &Active, call: &Call, decided: &Decided, index: usize) {
    let attempt = &decided.decision.attempts[index];
    let Some(pool) = attempt.pool.map(|pool| &active.plan.program.pools[pool.index()]) else { return };
    let Some(id) = pool.sticky.and_then(|sticky| sticky_id(sticky, decided.caller(call))) else { return };
    let model = active.names.of(attempt.model);
    if app.state.sessions.kept(&pool.name, id).as_deref() != Some(model) {
        app.store.note(Note::Kept { pool: pool.name.clone(), id: id.to_owned(), model: model.to_owned() });
    }
}

/// Timeouts and attempts of one target, as the rules set them.
struct Patience {
    first_byte: Duration,
    total: Duration,
    retries: u32,
}

/// One target of a request.
#[derive(Clone, Copy)]
struct Target<'t> {
    app: &'t App,
    active: &'t Arc<Active>,
    call: &'t Call,
    decided: &'t Decided,
    index: usize,
}

/// A failure, and whether the next target may do better.
type Tried<T> = Result<T, (Failure, bool)>;

/// An answer, and what the request lost on its way.
type Answer = (Response, Vec<String>);

/// How a race of two members of a pool went.
struct Raced {
    /// The answer with the place of the attempt that gave it.
    tried: Tried<(Answer, usize)>,
    /// The second one was asked too.
    both: bool,
}

/// Asks the next member of the pool too when the first one is later than it usually is; the first answer wins, and the
/// other call is given up.
async fn race(first: Target<'_>, grant: Option<Grant>, after: Duration, notes: &Notes) -> Raced {
    let second = Target { index: first.index + 1, ..first };
    let (one_overtaken, other_overtaken) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let mut one = std::pin::pin!(first.answer(grant, notes, Arc::clone(&one_overtaken)));
    if let Ok(tried) = tokio::time::timeout(after, &mut one).await {
        return Raced { tried: tried.map(|answer| (answer, first.index)), both: false };
    }
    let may = first.app.hedges.may(first.pool_name(), first.hedge_share());
    let granted = if may {
        let Target { app, active, call, decided, .. } = first;
        admit::ask(app, active, call, decided, second.index, Part::Later).await.granted.ok()
    } else {
        None
    };
    let Some(grant) = granted else {
        return Raced { tried: one.await.map(|answer| (answer, first.index)), both: false };
    };
    tracing::info!(request = %first.call.id, model = %second.card().full_name(), "asked too, because the first is late");
    let mut other = std::pin::pin!(second.answer(grant, notes, Arc::clone(&other_overtaken)));
    let tried = tokio::select! {
        tried = &mut one => match tried {
            Ok(answer) => {
                other_overtaken.store(true, Ordering::Relaxed);
                Ok((answer, first.index))
            }
            Err(_) => other.await.map(|answer| (answer, second.index)),
        },
        tried = &mut other => match tried {
            Ok(answer) => {
                one_overtaken.store(true, Ordering::Relaxed);
                Ok((answer, second.index))
            }
            Err(_) => one.await.map(|answer| (answer, first.index)),
        },
    };
    Raced { tried, both: true }
}

/// How many calls each pool made, and how many of them twice.
#[derive(Debug, Clone, Default)]
pub(super) struct Hedges(Arc<Mutex<HashMap<String, (u64, u64)>>>);

/// Nobody is late before this: what machines and networks do in passing is no reason to pay twice.
const HEDGE_AFTER_MIN: Duration = Duration::from_millis(50);
/// Calls that are counted before a pool hedges at all, so that its share means something.
const CALLS_MIN: u64 = 10;

impl Hedges {
    /// A pool makes a call.
    fn call(&self, pool: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = all.entry(pool.to_owned()).or_default();
        counts.0 += 1;
        // Long ago does not count for ever.
        if counts.0 > 10_000 {
            *counts = (counts.0 / 2, counts.1 / 2);
        }
    }

    /// Whether a pool may make one more call twice, with a share in millionths; if so, it does.
    fn may(&self, pool: &str, share: i64) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (calls, twice) = all.entry(pool.to_owned()).or_default();
        let most = u128::from(*calls) * u128::from(share.unsigned_abs());
        let may = *calls >= CALLS_MIN && u128::from(*twice + 1) * u128::from(WHOLE.unsigned_abs()) <= most;
        *twice += u64::from(may);
        may
    }
}

impl<'t> Target<'t> {
    fn card(self) -> &'t Card {
        self.active.plan.program.catalogue.card(self.decided.decision.attempts[self.index].model)
    }

    /// The pool that the target is a member of.
    fn pool(self) -> Option<&'t Pool> {
        let pool = self.decided.decision.attempts[self.index].pool?;
        Some(&self.active.plan.program.pools[pool.index()])
    }

    fn pool_name(self) -> &'t str {
        self.pool().map_or("", |pool| pool.name.as_str())
    }

    fn hedge_share(self) -> i64 {
        self.pool().and_then(|pool| pool.hedge).unwrap_or(0)
    }

    /// How long the target is waited for before the next member of its pool is asked too; none where that is not wanted, or
    /// not known yet.
    fn hedged(self) -> Option<Duration> {
        let pool = self.pool().filter(|pool| pool.hedge.is_some())?;
        if self.active.dry_run {
            return None;
        }
        self.app.hedges.call(&pool.name);
        let next = self.decided.decision.attempts.get(self.index + 1)?;
        if next.pool != self.decided.decision.attempts[self.index].pool {
            return None;
        }
        let usual = self.app.state.health.usual_at_most(&self.card().full_name())?;
        Some(usual.max(HEDGE_AFTER_MIN))
    }

    fn patience(self) -> Patience {
        let provider = self.active.configuration.provider(&self.card().provider);
        let first_byte = provider.and_then(|provider| provider.timeout).unwrap_or(upstream::FIRST_BYTE);
        let mut patience = Patience { first_byte, total: upstream::TOTAL, retries: 0 };
        let micros = |value: i64| Duration::from_micros(u64::try_from(value).unwrap_or(0));
        for held in &self.decided.effective[self.index].settings {
            match held.setting {
                Setting::TimeoutFirst(value) => patience.first_byte = micros(value),
                Setting::TimeoutTotal(value) => patience.total = micros(value),
                Setting::Retry(n) => patience.retries = n,
                _ => {}
            }
        }
        patience
    }

    /// Tries the target, as often as the rules say: its answer, and what the request lost on its way.
    async fn answer(self, grant: Option<Grant>, notes: &Notes, overtaken: Arc<AtomicBool>) -> Tried<Answer> {
        let Self { app, active, call, decided, index } = self;
        let card = self.card();
        let name = card.full_name();
        let provider = active.configuration.provider(&card.provider);
        let provider =
            provider.ok_or_else(|| (Failure::new(Blame::Rules, 500, format!("nobody serves `{name}`")), true))?;
        let patience = self.patience();
        let reply = self.reply(&patience);
        if active.dry_run || provider.kind == Kind::Echo {
            return Ok((echo::answer(&reply, decided.words.as_deref().unwrap_or_default()), Vec::new()));
        }
        let began = app.clock.instant();
        let mut outgoing = self.outgoing(provider)?;
        app.took(Stage::Translate, began);
        outgoing.leave_out(&app.learnt.of(&name));
        if provider.strict && !outgoing.lost.is_empty() {
            let message = format!("strict: on its way to {name}, {}", outgoing.lost.join("; "));
            return Err((Failure::client(400, message), true));
        }
        let mut grant = Some(grant);
        let mut pause = RETRY_PAUSE;
        let mut retries = patience.retries;
        let mut may_leave_out = true;
        // Each key may fail once.
        let mut other_keys = provider.keys.len().saturating_sub(1);
        loop {
            let key = app.keyring.take(&provider.name, provider.keys.len(), app.clock.instant());
            let granted = match grant.take() {
                Some(grant) => grant,
                None => {
                    let admission = admit::ask(app, active, call, decided, index, Part::Later).await;
                    admission.granted.map_err(|refused| (refused.failure, refused.try_next))?
                }
            };
            let tried =
                self.once(provider, key, &outgoing, &reply, patience.first_byte, granted, notes, &overtaken).await;
            let Failed { failure, try_next, asked } = match tried {
                Ok(response) => return Ok((response, outgoing.lost)),
                Err(failed) => *failed,
            };
            let now = app.clock.instant();
            if may_leave_out && !failure.refused.is_empty() {
                // Once: a provider that goes on refusing says the rest to the client.
                may_leave_out = false;
                app.learnt.add(&name, &lasting(&failure.message, &failure.refused));
                if !outgoing.leave_out(&failure.refused) {
                    return Err((failure, false));
                }
                tracing::info!(request = %call.id, model = %name, "once more without what it refused: {}", failure.message);
            } else if app.keyring.failed(&provider.name, provider.keys.len(), key, failure.status, asked, now)
                && other_keys > 0
            {
                other_keys -= 1;
                tracing::warn!(request = %call.id, model = %name, "once more with another key: {}", failure.message);
            } else if try_next && retries > 0 && asked.is_none_or(|asked| asked <= RETRY_PAUSE_MAX) {
                retries -= 1;
                let wait = asked.unwrap_or_default().max(pause / 2 + pause.mul_f64(app.chance() / 2.0));
                tokio::time::sleep(wait).await;
                pause = (pause * 2).min(RETRY_PAUSE_MAX);
            } else {
                return Err((failure, try_next));
            }
        }
    }

    fn reply(self, patience: &Patience) -> Reply {
        let Self { app, call, decided, .. } = self;
        let head = Head {
            id: answer_id(call),
            model: self.card().name.clone(),
            created: app.clock.unix_seconds(),
            input_at_most: decided.input_at_most,
            stream_usage: decided.stream_usage,
            text_tools: decided.text_tools.clone(),
        };
        Reply { client: call.client, stream: decided.stream, head, total: patience.total }
    }

    fn outgoing(self, provider: &Provider) -> Tried<Outgoing> {
        let Self { call, decided, index, .. } = self;
        let making = Making {
            effective: &decided.effective[index],
            max_tokens: decided.max_tokens[index],
            asked: &decided.asked,
            asked_at: decided.asked_at.as_ref(),
            input_at_most: decided.input_at_most,
        };
        let making = || outgoing::make(call, provider, self.card(), &making);
        // Translating a large body takes a while: what else runs on this thread does not wait for it.
        let made = if call.body.len() < LARGE_BODY { making() } else { tokio::task::block_in_place(making) };
        made.map_err(|failure| (failure, true))
    }

    #[expect(clippy::too_many_arguments, reason = "each is one thing that a call is made of")]
    async fn once(
        self,
        provider: &Provider,
        key: usize,
        outgoing: &Outgoing,
        reply: &Reply,
        first_byte: Duration,
        grant: Option<Grant>,
        notes: &Notes,
        overtaken: &Arc<AtomicBool>,
    ) -> Result<Response, Box<Failed>> {
        let Self { app, active, call, decided, index } = self;
        let card = self.card();
        let model = decided.decision.attempts[index].model;
        let limits = &active.configuration.limits.per_model;
        let places = limits.iter().find(|(known, _)| *known == model).and_then(|(_, limit)| limit.concurrency);
        let place = match places {
            Some(places) => {
                let entered = app.gate().enter_named(&format!("model {}", card.full_name()), places).await;
                Some(entered.map_err(|failure| Failed { failure, try_next: true, asked: None })?)
            }
            None => None,
        };
        let calling = Calling {
            model: card.full_name(),
            session: decided.session.clone(),
            prices: card.prices,
            input_at_most: decided.input_at_most,
            grant,
            entry: notes.entry.clone(),
            tally: notes.tally.clone(),
            overtaken: Arc::clone(overtaken),
            whole: Arc::clone(&notes.whole),
            _place: place,
        };
        let mut recorder = Recorder::begin(app, calling);
        let deadline = app.clock.moment(reply.total);
        let began = app.clock.instant();
        let begun = upstream::begin(app, outgoing, provider, key, first_byte.min(reply.total)).await;
        app.took(Stage::Upstream, began);
        match begun {
            Ok(begun) => self.respond(begun, recorder, outgoing, reply, deadline).await,
            Err(refusal) => {
                let now = app.clock.unix_seconds();
                let asked = asked_rest(&refusal, now);
                if refusal.by_provider {
                    let rest = asked.filter(|_| matches!(refusal.status, 429 | 503 | 529));
                    // A key that is limited says nothing of the model while there are others.
                    let rest = rest.filter(|_| provider.keys.len() < 2);
                    recorder.failed(Fault { what: refusal.what.clone(), unreachable: refusal.unreachable, rest });
                } else {
                    recorder.refused(refusal.what.clone());
                }
                let try_next = refusal.try_next;
                Err(Box::new(Failed { failure: refused(*refusal, outgoing.api, call.client, now), try_next, asked }))
            }
        }
    }

    async fn respond(
        self,
        begun: Begun,
        mut recorder: Recorder,
        outgoing: &Outgoing,
        reply: &Reply,
        deadline: std::time::Instant,
    ) -> Result<Response, Box<Failed>> {
        let same_api = outgoing.api == self.call.client.api();
        if same_api && begun.is_stream == self.decided.stream {
            if begun.is_stream {
                return Ok(respond::pass(begun, recorder, reply, deadline));
            }
            return broken(respond::pass_whole(begun, &mut recorder, reply, deadline).await, &mut recorder);
        }
        if self.decided.stream {
            if !begun.is_stream
                && let Some(failure) = respond::wrong(&begun, outgoing.api, &outgoing.names)
            {
                recorder.first_byte();
                return broken(Err(failure), &mut recorder);
            }
            return Ok(respond::translate(begun, recorder, outgoing.api, &outgoing.names, reply, deadline));
        }
        let collected = respond::collect(begun, &mut recorder, outgoing.api, &outgoing.names, reply, deadline).await;
        broken(collected, &mut recorder)
    }
}

/// An answer that broke is the provider's fault, and another target's chance.
fn broken(collected: Result<Response, Failure>, recorder: &mut Recorder) -> Result<Response, Box<Failed>> {
    collected.map_err(|failure| {
        recorder.failed(Fault { what: "broke off".to_owned(), ..Fault::default() });
        Box::new(Failed { failure, try_next: true, asked: None })
    })
}

/// A call that failed before its first byte.
struct Failed {
    failure: Failure,
    /// Another target may do better.
    try_next: bool,
    /// How long the provider asks to be left alone.
    asked: Option<Duration>,
}

fn asked_rest(refusal: &Refusal, now: i64) -> Option<Duration> {
    let body = refusal.body.as_deref().unwrap_or_default();
    let seconds = retry::after(headers::text(&refusal.headers, "retry-after"), body, now)?;
    Some(Duration::from_secs(seconds))
}

/// The id of an answer that the router writes: not in the form of Anthropic's own, which a client may refer to later.
fn answer_id(call: &Call) -> String {
    let rest = call.id.trim_start_matches("req_");
    match call.client {
        Client::Messages => format!("rtr_{rest}"),
        Client::Completions => format!("chatcmpl-{rest}"),
        Client::Responses => format!("resp_{rest}"),
    }
}

/// A provider's refusal as the client's failure: its own body where the client understands it, its message otherwise.
fn refused(refusal: Refusal, upstream: Api, client: Client, now: i64) -> Failure {
    let after =
        retry::after(headers::text(&refusal.headers, "retry-after"), refusal.body.as_deref().unwrap_or_default(), now);
    let own = refusal.body.filter(|body| upstream::fits(upstream, client, body));
    let mut failure = match &refusal.overflow {
        Some(overflow) if own.is_none() => Failure::too_long(Blame::Upstream, overflow, client),
        _ => Failure::new(Blame::Upstream, refusal.status, refusal.message),
    };
    failure.is_too_long = refusal.overflow.is_some();
    failure.refused = refusal.refused;
    failure.body = own;
    failure.headers = headers::kept(&refusal.headers);
    if let Some(seconds) = after {
        failure.headers.retain(|(name, _)| name != "retry-after");
        failure.headers.push(("retry-after".to_owned(), seconds.to_string()));
    }
    failure
}
