//! The life of a request: read, decide, try the targets in order, give the answer back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

use crate::config::providers::Kind;
use crate::lang::eval::decision::{Action, Reason};
use crate::lang::ir::Setting;
use crate::proxy::admin::json_answer;
use crate::proxy::call::{self, Call};
use crate::proxy::decide::{self, Decided, Wanted};
use crate::proxy::failure::{Blame, Failure};
use crate::proxy::outgoing::{self, Making, Outgoing};
use crate::proxy::record::Recorder;
use crate::proxy::recording::Entry;
use crate::proxy::respond::{self, Reply};
use crate::proxy::upstream::{self, Refusal};
use crate::proxy::{Active, App, echo, headers};
use crate::state::ledger::Caller;
use crate::wire::overflow::Overflow;
use crate::wire::refused::lasting;
use crate::wire::reply::Head;
use crate::wire::{Api, Client, retry};

/// Bodies larger than this are decided on a thread of their own, in bytes.
const LARGE_BODY: usize = 64 << 10;
/// The most of what a request lost that is told, in characters.
const WARNINGS_CHARS_MAX: usize = 1_000;
/// The first pause before the same target is tried again; it doubles each time.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

impl App {
    /// An id that no other request has.
    pub(super) fn request_id(&self) -> String {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        // A bijection spreads the serial numbers (SplitMix64), so that ids of neighbours differ everywhere.
        let mut id = serial.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        id = (id ^ (id >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        format!("req_{id:016x}")
    }
}

/// `POST /v1/messages`.
pub(super) async fn messages(State(app): State<App>, request: Request) -> Response {
    serve(app, Client::Messages, request).await
}

/// `POST /v1/chat/completions`.
pub(super) async fn completions(State(app): State<App>, request: Request) -> Response {
    serve(app, Client::Completions, request).await
}

/// `POST /v1/responses`.
pub(super) async fn responses(State(app): State<App>, request: Request) -> Response {
    serve(app, Client::Responses, request).await
}

async fn serve(app: App, client: Client, request: Request) -> Response {
    let id = app.request_id();
    let mut notes = Notes::default();
    let answer = answer(&app, client, request, &id, &mut notes).await;
    let entry = notes.entry.take();
    let response = answer.unwrap_or_else(|failure| {
        tracing::info!(request = %id, blame = failure.blame.word(), status = failure.status, "{}", failure.message);
        failure.answer(client, &id)
    });
    if let Some(entry) = entry {
        entry.status(response.status().as_u16());
    }
    notes.put(response, &id)
}

/// What the headers of the answer say about the decision.
#[derive(Debug, Default)]
struct Notes {
    debug: bool,
    rule: String,
    target: Option<(String, String)>,
    microseconds: f64,
    trace: Option<serde_json::Value>,
    /// What the request lost on its way to the target that answered.
    lost: Vec<String>,
    entry: Option<Entry>,
}

impl Notes {
    fn put(self, mut response: Response, id: &str) -> Response {
        let headers = response.headers_mut();
        let mut put = |name: &'static str, value: &str| {
            if let Some(value) = HeaderValue::try_from(value).ok().filter(|value| !value.is_empty()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put("x-router-request-id", id);
        if self.debug {
            put("x-router-rule", &self.rule);
            put("x-router-decision-us", &format!("{:.1}", self.microseconds));
            if let Some((provider, model)) = &self.target {
                put("x-router-provider", provider);
                put("x-router-model", model);
            }
            if let Some(mut trace) = self.trace {
                trace["warnings"] = json!(self.lost);
                put("x-router-trace", &header_json(trace));
            }
        }
        put("x-router-warnings", &warnings(&self.lost));
        if !response.headers().contains_key("request-id")
            && let Ok(value) = HeaderValue::try_from(id)
        {
            response.headers_mut().insert("request-id", value);
        }
        response
    }
}

async fn answer(app: &App, client: Client, request: Request, id: &str, notes: &mut Notes) -> Result<Response, Failure> {
    let call = Arc::new(call::read(id.to_owned(), client, request).await?);
    let active = app.active();
    let wanted = Wanted { words: active.dry_run, json: call.debug };
    let decided = decided(app, &active, &call, wanted).await?;
    notes.debug = call.debug;
    notes.rule.clone_from(&decided.rule);
    notes.microseconds = decided.microseconds;
    notes.trace.clone_from(&decided.json);
    // Where nobody is called nothing is learnt.
    notes.entry = if active.dry_run { None } else { Entry::begin(app, &active, &call, &decided) };
    attempts(app, &active, &call, &decided, notes).await
}

/// The longest trace that a header holds, in bytes: clients refuse longer heads.
const TRACE_BYTES_MAX: usize = 8_000;

/// JSON as a header can hold it: on one line, ASCII alone, without the rules before the deciding one when it is too long.
fn header_json(mut value: serde_json::Value) -> String {
    if value.to_string().len() > TRACE_BYTES_MAX {
        value["trace"] = json!("too long for a header; ask /api/explain");
        value["fields"] = json!({});
    }
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            text.push(c);
        } else {
            let mut units = [0u16; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

/// Decides; a large body on a thread of its own, so that small requests do not wait behind it.
async fn decided(app: &App, active: &Arc<Active>, call: &Arc<Call>, wanted: Wanted) -> Result<Decided, Failure> {
    if call.body.len() < LARGE_BODY {
        return decide::decide(app, active, call, wanted);
    }
    let (app, active, call) = (app.clone(), Arc::clone(active), Arc::clone(call));
    let deciding = tokio::task::spawn_blocking(move || decide::decide(&app, &active, &call, wanted));
    deciding.await.map_err(|_| Failure::new(Blame::Rules, 500, "the decision failed"))?
}

/// Follows the chain until a target answers.
async fn attempts(
    app: &App,
    active: &Arc<Active>,
    call: &Call,
    decided: &Decided,
    notes: &mut Notes,
) -> Result<Response, Failure> {
    if let Some(rejection) = &decided.decision.rejection {
        let blame = if decided.decision.action == Action::Unservable { Blame::Client } else { Blame::Rules };
        let is_too_long = decided.decision.action == Action::Unservable
            && !decided.decision.skipped.is_empty()
            && decided.decision.skipped.iter().all(|skipped| skipped.reason == Reason::ContextWindow);
        let mut failure = if is_too_long {
            Failure::too_long(blame, &Overflow::known(rejection.message.clone()), call.client)
        } else {
            Failure::new(blame, rejection.status, rejection.message.clone())
        };
        if let Some(after) = rejection.retry_after_s {
            failure = failure.with_header("retry-after", after.to_string());
        }
        return Err(if rejection.status == 402 { failure.with_header("x-should-retry", "false") } else { failure });
    }
    for skipped in decided.decision.skipped.iter().filter(|skipped| skipped.reason == Reason::Unknown) {
        tracing::warn!(request = %call.id, model = %skipped.model, "passed over: {}", skipped.detail);
    }
    let mut last: Option<Failure> = None;
    // The largest window that the request did not fit into.
    let mut too_small: Option<u64> = None;
    let n = decided.decision.attempts.len();
    for index in 0..n {
        let attempt = &decided.decision.attempts[index];
        let card = active.plan.program.catalogue.card(attempt.model);
        if too_small.is_some_and(|window| card.window <= window) {
            continue;
        }
        notes.target = Some((card.provider.clone(), card.name.clone()));
        let tried = target(app, active, call, decided, index, notes.entry.as_ref()).await;
        match tried {
            Ok((response, lost)) => {
                notes.lost = lost;
                tracing::info!(request = %call.id, rule = %decided.rule, asked = %decided.asked, model = %card.full_name(), "answered");
                keep(app, active, decided, index);
                return Ok(response);
            }
            Err((failure, try_next)) => {
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

/// Remembers what a pool took.
fn keep(app: &App, active: &Active, decided: &Decided, index: usize) {
    let attempt = &decided.decision.attempts[index];
    let Some(pool) = attempt.pool.map(|pool| &active.plan.program.pools[pool.index()]) else { return };
    let caller = Caller { key: None, user: decided.user.as_deref(), session: decided.session.as_deref() };
    app.state.taken(pool, caller, &active.plan.program.catalogue.card(attempt.model).full_name());
}

/// Timeouts and attempts of one target, as the rules set them.
struct Patience {
    first_byte: Duration,
    total: Duration,
    retries: u32,
}

fn patience(decided: &Decided, index: usize) -> Patience {
    let mut patience = Patience { first_byte: upstream::FIRST_BYTE, total: upstream::TOTAL, retries: 0 };
    let micros = |value: i64| Duration::from_micros(u64::try_from(value).unwrap_or(0));
    for held in &decided.effective[index].settings {
        match held.setting {
            Setting::TimeoutFirst(value) => patience.first_byte = micros(value),
            Setting::TimeoutTotal(value) => patience.total = micros(value),
            Setting::Retry(n) => patience.retries = n,
            _ => {}
        }
    }
    patience
}

/// Tries one target, as often as the rules say: its answer, and what the request lost on its way. With a failure, whether
/// the next target may do better.
async fn target(
    app: &App,
    active: &Arc<Active>,
    call: &Call,
    decided: &Decided,
    index: usize,
    entry: Option<&Entry>,
) -> Result<(Response, Vec<String>), (Failure, bool)> {
    let attempt = &decided.decision.attempts[index];
    let card = active.plan.program.catalogue.card(attempt.model);
    let provider = active.configuration.provider(&card.provider);
    let provider = provider
        .ok_or_else(|| (Failure::new(Blame::Rules, 500, format!("nobody serves `{}`", card.full_name())), true))?;
    let patience = patience(decided, index);
    let head = Head {
        id: answer_id(call),
        model: card.name.clone(),
        created: app.clock.unix_seconds(),
        input_at_most: decided.input_at_most,
        stream_usage: decided.stream_usage,
        text_tools: decided.text_tools.clone(),
    };
    let reply = Reply { client: call.client, stream: decided.stream, head, total: patience.total };
    if active.dry_run || provider.kind == Kind::Echo {
        return Ok((echo::answer(&reply, decided.words.as_deref().unwrap_or_default()), Vec::new()));
    }
    let making = Making {
        effective: &decided.effective[index],
        max_tokens: decided.max_tokens[index],
        asked: &decided.asked,
        input_at_most: decided.input_at_most,
    };
    let making = || outgoing::make(call, provider, card, &making);
    // Translating a large body takes a while: what else runs on this thread does not wait for it.
    let made = if call.body.len() < LARGE_BODY { making() } else { tokio::task::block_in_place(making) };
    let mut outgoing = made.map_err(|failure| (failure, true))?;
    let name = card.full_name();
    outgoing.leave_out(&app.learnt.of(&name));
    if provider.strict && !outgoing.lost.is_empty() {
        let message = format!("strict: on its way to {name}, {}", outgoing.lost.join("; "));
        return Err((Failure::client(400, message), true));
    }
    let mut pause = RETRY_PAUSE;
    let mut retries = patience.retries;
    let mut may_leave_out = true;
    loop {
        let tried = once(app, active, call, decided, index, &outgoing, &reply, patience.first_byte, entry).await;
        match tried {
            Err((failure, _)) if may_leave_out && !failure.refused.is_empty() => {
                // Once: a provider that goes on refusing says the rest to the client.
                may_leave_out = false;
                app.learnt.add(&name, &lasting(&failure.message, &failure.refused));
                if !outgoing.leave_out(&failure.refused) {
                    return Err((failure, false));
                }
                tracing::info!(request = %call.id, model = %name, "once more without what it refused: {}", failure.message);
            }
            Err((_, true)) if retries > 0 => {
                retries -= 1;
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            other => return other.map(|response| (response, outgoing.lost)),
        }
    }
}

/// What a request lost, as a header can hold it: ASCII on one line, because what a client called a tool may be anything.
fn warnings(lost: &[String]) -> String {
    let told = lost.join("; ");
    let plain = told.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    plain.take(WARNINGS_CHARS_MAX).collect()
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

#[expect(clippy::too_many_arguments, reason = "each is one thing that a call is made of")]
async fn once(
    app: &App,
    active: &Active,
    call: &Call,
    decided: &Decided,
    index: usize,
    outgoing: &Outgoing,
    reply: &Reply,
    first_byte: Duration,
    entry: Option<&Entry>,
) -> Result<Response, (Failure, bool)> {
    let attempt = &decided.decision.attempts[index];
    let program = &active.plan.program;
    let card = program.catalogue.card(attempt.model);
    let caller = Caller { key: None, user: decided.user.as_deref(), session: decided.session.as_deref() };
    let reserved =
        app.state.ledger.reserve(&program.budgets, attempt.model.0, caller, &app.clock.zoned(), decided.costs[index]);
    let reservation = reserved.map_err(|budget| {
        let message = format!("the budget `{}` is spent", program.budgets[budget].name);
        (Failure::new(Blame::Rules, 402, message).with_header("x-should-retry", "false"), true)
    })?;
    let session = decided.session.clone();
    let mut recorder = Recorder::begin(app, card.full_name(), session, card.prices, Some(reservation), entry.cloned());
    let deadline = app.clock.moment(reply.total);
    let begun = match upstream::begin(app, outgoing, &card.provider, first_byte).await {
        Ok(begun) => begun,
        Err(refusal) => {
            if refusal.by_provider {
                recorder.failed();
            } else {
                recorder.refused();
            }
            let try_next = refusal.try_next;
            return Err((refused(refusal, outgoing.api, call.client, app.clock.unix_seconds()), try_next));
        }
    };
    let same_api = outgoing.api == call.client.api();
    if same_api && begun.is_stream == decided.stream {
        return Ok(respond::pass(begun, recorder, reply, deadline));
    }
    if decided.stream {
        return Ok(respond::translate(begun, recorder, outgoing.api, &outgoing.names, reply, deadline));
    }
    let collected = respond::collect(begun, &mut recorder, outgoing.api, &outgoing.names, reply, deadline).await;
    collected.map_err(|failure| {
        recorder.failed();
        (failure, true)
    })
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

// --- other questions about a request -----------------------------------------------------------------------------------

/// `POST /v1/messages/count_tokens`: decided like the message that it describes.
pub(super) async fn count_tokens(State(app): State<App>, request: Request) -> Response {
    let id = app.request_id();
    let counted = count(&app, request, &id).await;
    let response = counted.unwrap_or_else(|failure| failure.answer(Client::Messages, &id));
    Notes::default().put(response, &id)
}

async fn count(app: &App, request: Request, id: &str) -> Result<Response, Failure> {
    let call = Arc::new(call::read(id.to_owned(), Client::Messages, request).await?);
    let active = app.active();
    let decided = decided(app, &active, &call, Wanted::default()).await?;
    if let Some(attempt) = decided.decision.attempts.first().filter(|_| !active.dry_run) {
        let card = active.plan.program.catalogue.card(attempt.model);
        let provider =
            active.configuration.provider(&card.provider).filter(|provider| provider.kind == Kind::Anthropic);
        if let Some(provider) = provider {
            let outgoing = outgoing::count(&call, provider, card, &decided.asked)?;
            if let Ok(begun) = upstream::begin(app, &outgoing, &card.provider, upstream::FIRST_BYTE).await {
                let mut response = Response::new(Body::from(begun.first));
                response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
                return Ok(response);
            }
        }
    }
    let (app, body) = (app.clone(), Arc::clone(&call));
    let counting = tokio::task::spawn_blocking(move || own_count(&app, &active, &body));
    let tokens = counting.await.map_err(|_| Failure::new(Blame::Rules, 500, "counting failed"))??;
    let mut response = json_answer(StatusCode::OK, &json!({"input_tokens": tokens}));
    response.headers_mut().insert("x-router-tokens", HeaderValue::from_static("estimate"));
    Ok(response)
}

/// The router's own count.
fn own_count(app: &App, active: &Active, call: &Call) -> Result<u64, Failure> {
    let chat = crate::wire::request::decode(call.client, &call.body).map_err(|error| Failure::client(400, error.0))?;
    let tokenizer = crate::tools::request::tokenizer_of(&active.plan.program.catalogue, &chat.model);
    let feature_call = crate::features::Call { chat: &chat, body: &call.body, headers: &[], key: None, tokenizer };
    Ok(crate::features::Request::new(&feature_call, &app.counter).input_tokens())
}

/// `POST /api/explain`: the decision for a body, as `explain --json`.
pub(super) async fn explain(State(app): State<App>, request: Request) -> Response {
    let id = app.request_id();
    let explained = async {
        let mut call = call::read(id.clone(), Client::Messages, request).await?;
        let recorded = crate::tools::request::read(&call.body, None).map_err(|error| Failure::client(400, error.0))?;
        call.client = recorded.client;
        call.body = recorded.body.into();
        for (name, value) in recorded.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                call.headers.insert(name, value);
            }
        }
        let wanted = Wanted { words: false, json: true };
        decided(&app, &app.active(), &Arc::new(call), wanted).await
    };
    match explained.await {
        Ok(decided) => json_answer(StatusCode::OK, &decided.json.unwrap_or_default()),
        Err(failure) => failure.answer(Client::Messages, &id),
    }
}
