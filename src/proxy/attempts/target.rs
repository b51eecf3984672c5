//! One target of a request: the calls that are made to it, as often as the rules say, and what its answers become.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::response::Response;

use crate::config::providers::{Kind, Provider};
use crate::lang::catalogue::Card;
use crate::lang::ir::{Pool, Setting};
use crate::proxy::admit::{self, Part};
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
use crate::state::health::Fault;
use crate::state::store::Grant;
use crate::wire::refused::lasting;
use crate::wire::reply::Head;
use crate::wire::{Api, Client, retry};

/// The first pause before the same target is tried again; it doubles each time, and half of it is left to chance.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause; who asks for more is not tried again for this request.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Timeouts and attempts of one target, as the rules set them.
struct Patience {
    first_byte: Duration,
    total: Duration,
    retries: u32,
}

/// One target of a request.
#[derive(Clone, Copy)]
pub(super) struct Target<'t> {
    pub(super) app: &'t App,
    pub(super) active: &'t Arc<Active>,
    pub(super) call: &'t Call,
    pub(super) decided: &'t Decided,
    pub(super) index: usize,
}

/// A failure, and whether the next target may do better.
pub(super) type Tried<T> = Result<T, (Failure, bool)>;

/// An answer, and what the request lost on its way.
pub(super) type Answer = (Response, Vec<String>);

impl<'t> Target<'t> {
    pub(super) fn card(self) -> &'t Card {
        self.active.plan.program.catalogue.card(self.decided.decision.attempts[self.index].model)
    }

    /// The pool that the target is a member of.
    pub(super) fn pool(self) -> Option<&'t Pool> {
        let pool = self.decided.decision.attempts[self.index].pool?;
        Some(&self.active.plan.program.pools[pool.index()])
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
    pub(super) async fn answer(self, grant: Option<Grant>, notes: &Notes, overtaken: Arc<AtomicBool>) -> Tried<Answer> {
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
        Reply { client: call.client, stream: decided.stream, head, total: patience.total, cut: app.cut.clone() }
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
                let asked = upstream::asked_rest(&refusal, now);
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
            if !begun.is_stream {
                let streamed =
                    respond::stream_whole(begun, recorder, outgoing.api, &outgoing.names, reply, deadline).await;
                return streamed.or_else(|(failure, mut recorder)| broken(Err(failure), &mut recorder));
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
        if failure.blame == Blame::Router {
            recorder.refused("router".to_owned());
            return Box::new(Failed { failure, try_next: false, asked: None });
        }
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
        _ if refusal.by_router => Failure::new(Blame::Router, refusal.status, refusal.message),
        _ => Failure::new(Blame::Upstream, refusal.status, refusal.message),
    };
    let after = after.or(refusal.by_router.then_some(1));
    failure.is_too_long = refusal.overflow.is_some();
    failure.refused = refusal.refused;
    failure.body = own;
    failure.headers = headers::kept(&refusal.headers);
    failure.headers.retain(|(name, value)| match name.as_str() {
        "retry-after" => false,
        "retry-after-ms" => value.parse::<u64>().is_ok_and(|ms| ms <= retry::SECONDS_MAX * 1_000),
        _ => true,
    });
    if let Some(seconds) = after {
        failure.headers.push(("retry-after".to_owned(), seconds.to_string()));
    }
    failure
}
