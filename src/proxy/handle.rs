//! The life of a request: read, decide, try the targets in order, give the answer back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

use crate::config::providers::{Kind, Provider};
use crate::proxy::admin::json_answer;
use crate::proxy::admit::{self, Admission, Part};
use crate::proxy::cached::{self, Asking, Found};
use crate::proxy::call::{self, Call};
use crate::proxy::decide::{self, Decided, News, Wanted};
use crate::proxy::failure::{Blame, Failure};
use crate::proxy::keys::{self, Permission};
use crate::proxy::outgoing::Outgoing;
use crate::proxy::profile::Stage;
use crate::proxy::recording::Entry;
use crate::proxy::tally::Tally;
use crate::proxy::unread::Unread;
use crate::proxy::{Active, App, attempts, outgoing, upstream};
use crate::state::outside;
use crate::state::usage::Attempt;
use crate::wire::Client;

/// Bodies larger than this are decided on a thread of their own, in bytes: reading and counting them may take 200 µs.
pub(super) const LARGE_BODY: usize = 32 << 10;
/// The most of what a request lost that is told, in characters.
const WARNINGS_CHARS_MAX: usize = 1_000;

impl App {
    /// A stage that began then is over; when that was.
    pub(super) fn took(&self, stage: Stage, began: std::time::Duration) -> std::time::Duration {
        let now = self.clock.instant();
        self.profile.took(stage, now.saturating_sub(began));
        now
    }

    /// An id that no other call to a provider has, on any replica.
    pub(super) fn call_id(&self) -> String {
        format!("{:x}-{:x}", self.replica, self.calls.fetch_add(1, Ordering::Relaxed))
    }

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
    // It is large, and would be moved with each of the futures around it.
    let answer = Box::pin(answer(&app, client, Unread::new(request, &app.tasks), &id, &mut notes)).await;
    let (entry, tally) = (notes.entry.take(), notes.tally.take());
    let response = answer.unwrap_or_else(|failure| {
        if let Some(asking) = notes.asking.take() {
            asking.failed(&failure);
        }
        tracing::info!(request = %id, blame = failure.blame.word(), status = failure.status, "{}", failure.message);
        failure.answer(client, &id)
    });
    let status = response.status().as_u16();
    if let Some(entry) = entry {
        entry.status(status);
    }
    if let Some(tally) = tally {
        tally.status(status);
        notes.tried = tally.attempts();
    }
    notes.put(response, &id)
}

/// What the headers of the answer say about the decision.
#[derive(Debug, Default)]
pub(super) struct Notes {
    debug: bool,
    rule: String,
    pub(super) target: Option<(String, String)>,
    microseconds: f64,
    trace: Option<serde_json::Value>,
    /// What the request lost on its way to the target that answered.
    pub(super) lost: Vec<String>,
    pub(super) entry: Option<Entry>,
    pub(super) tally: Option<Tally>,
    /// The answer may be kept.
    pub(super) asking: Option<Asking>,
    /// The answer came to its good end.
    pub(super) whole: Arc<AtomicBool>,
    /// Calls that were made before the one that answered.
    tried: Vec<Attempt>,
}

impl Notes {
    fn decided(&mut self, call: &Call, decided: &Decided) {
        self.debug = call.debug;
        self.rule.clone_from(&decided.rule);
        self.microseconds = decided.microseconds;
        self.trace.clone_from(&decided.json);
    }

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
                trace["attempts"] = json!(self.tried);
                put("x-router-trace", &outside::hide_known(&header_json(trace)));
            }
        }
        put("x-router-warnings", &outside::hide_known(&warnings(&self.lost)));
        if !response.headers().contains_key("request-id")
            && let Ok(value) = HeaderValue::try_from(id)
        {
            response.headers_mut().insert("request-id", value);
        }
        response
    }
}

async fn answer(app: &App, client: Client, request: Unread, id: &str, notes: &mut Notes) -> Result<Response, Failure> {
    let active = app.active();
    let key = keys::authenticate(&active.configuration, request.headers(), Permission::Write)?;
    let key = key.map(|key| key.name.clone());
    // Where nobody is called nothing is learnt.
    let tally = (!active.dry_run).then(|| Tally::begin(app, id, key.clone()));
    notes.tally.clone_from(&tally);
    let gate = app.gate();
    let began = app.clock.instant();
    let place = gate.enter().await?;
    let mut places = vec![place];
    let limits = &active.configuration.limits;
    if let Some(n) = limits.per_key.and_then(|limit| limit.concurrency) {
        places.push(gate.enter_named(&format!("key {}", key.as_deref().unwrap_or("-")), n).await?);
    }
    if let Some(n) = limits.global.and_then(|limit| limit.concurrency) {
        places.push(gate.enter_named("the router", n).await?);
    }
    let began = app.took(Stage::Queue, began);
    let call = call::read(id.to_owned(), client, key, request, &gate).await?;
    let call = Arc::new(call.guarded(&active.configuration));
    app.took(Stage::Read, began);
    let wanted = Wanted { words: active.dry_run, json: call.debug };
    let began = app.clock.instant();
    let first = decided(app, &active, &call, wanted, None).await?;
    app.took(Stage::Decide, began);
    app.profile.took(Stage::Plan, std::time::Duration::from_secs_f64(first.microseconds / 1e6));
    let (decided, admission) = if active.dry_run {
        (first, None)
    } else {
        match cached::find(app, &active, &call, &first).await {
            Found::Answer(response, model) => return Ok(from_cache(response, &model, &call, &first, notes)),
            Found::Failed(failure) => return Err(failure),
            Found::Missing(asking) => notes.asking = Some(asking),
            Found::Off => {}
        }
        let (decided, admission) = admitted(app, &active, &call, wanted, first).await?;
        (decided, Some(admission))
    };
    notes.decided(&call, &decided);
    notes.entry = if active.dry_run { None } else { Entry::begin(app, &active, &call, &decided) };
    if let Some(tally) = &tally {
        tally.decided(&decided);
        places.into_iter().for_each(|place| tally.holds(place));
    }
    attempts::follow(app, &active, &call, &decided, admission, notes).await
}

/// An answer that was kept costs nothing, and takes nothing of limits.
fn from_cache(response: Response, model: &str, call: &Call, decided: &Decided, notes: &mut Notes) -> Response {
    notes.decided(call, decided);
    notes.target = model.split_once('/').map(|(provider, model)| (provider.to_owned(), model.to_owned()));
    if let Some(tally) = &notes.tally {
        tally.decided(decided);
        tally.cached(model);
    }
    response
}

/// Asks for the first attempt of a decision. What the store knows better than the decision did is decided once more.
async fn admitted(
    app: &App,
    active: &Arc<Active>,
    call: &Arc<Call>,
    wanted: Wanted,
    first: Decided,
) -> Result<(Decided, Admission), Failure> {
    let began = app.clock.instant();
    let mut admission = admit::ask(app, active, call, &first, 0, Part::First).await;
    app.took(Stage::Admit, began);
    let Some(news) = first.news(active, admission.turn, admission.seen.take(), app, call) else {
        return Ok((first, admission));
    };
    let again = decided(app, active, call, wanted, Some(Arc::new(news))).await?;
    let model = |decided: &Decided| decided.decision.attempts.first().map(|attempt| attempt.model);
    if model(&first) == model(&again) && first.costs.first() == again.costs.first() {
        return Ok((again, admission));
    }
    // The request itself was counted, unless that is what was refused.
    if let Err(refused) = &admission.granted
        && refused.failure.status == 429
    {
        return Ok((again, admission));
    }
    if let Ok(Some(grant)) = admission.granted {
        grant.settle(0, None);
    }
    let admission = admit::ask(app, active, call, &again, 0, Part::FirstAgain).await;
    Ok((again, admission))
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
async fn decided(
    app: &App,
    active: &Arc<Active>,
    call: &Arc<Call>,
    wanted: Wanted,
    news: Option<Arc<News>>,
) -> Result<Decided, Failure> {
    if call.body.len() < LARGE_BODY {
        return decide::decide(app, active, call, wanted, news.as_deref(), None);
    }
    // Dropped with this future when the client goes, which the work notices.
    let client = Arc::new(());
    let watched = Arc::downgrade(&client);
    let place = Arc::clone(&app.large).acquire_owned().await;
    let (app, active, call) = (app.clone(), Arc::clone(active), Arc::clone(call));
    let deciding = tokio::task::spawn_blocking(move || {
        let (_place, _counted) = (place, app.computing.enter());
        decide::decide(&app, &active, &call, wanted, news.as_deref(), Some(watched))
    });
    deciding.await.map_err(|_| Failure::new(Blame::Rules, 500, "the decision failed"))?
}

/// What a request lost, as a header can hold it: ASCII on one line, because what a client called a tool may be anything.
fn warnings(lost: &[String]) -> String {
    let told = lost.join("; ");
    let plain = told.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    plain.take(WARNINGS_CHARS_MAX).collect()
}

// --- other questions about a request -----------------------------------------------------------------------------------

/// `POST /v1/messages/count_tokens`: decided like the message that it describes.
pub(super) async fn count_tokens(State(app): State<App>, request: Request) -> Response {
    let id = app.request_id();
    let counted = count(&app, Unread::new(request, &app.tasks), &id).await;
    let response = counted.unwrap_or_else(|failure| failure.answer(Client::Messages, &id));
    Notes::default().put(response, &id)
}

async fn count(app: &App, request: Unread, id: &str) -> Result<Response, Failure> {
    let active = app.active();
    let key = keys::authenticate(&active.configuration, request.headers(), Permission::Write)?;
    let gate = app.gate();
    let _place = gate.enter().await?;
    let key = key.map(|key| key.name.clone());
    let call = call::read(id.to_owned(), Client::Messages, key, request, &gate).await?;
    let call = Arc::new(call.guarded(&active.configuration));
    let decided = decided(app, &active, &call, Wanted::default(), None).await?;
    if let Some(attempt) = decided.decision.attempts.first().filter(|_| !active.dry_run) {
        let card = active.plan.program.catalogue.card(attempt.model);
        let provider =
            active.configuration.provider(&card.provider).filter(|provider| provider.kind == Kind::Anthropic);
        // It counts as a request, and takes nothing else of limits and budgets.
        match admit::ask(app, &active, &call, &decided, 0, Part::First).await.granted {
            Ok(grant) => drop(grant.map(|grant| grant.settle(0, Some(0)))),
            Err(refused) if refused.failure.status == 429 => return Err(refused.failure),
            Err(_) => {}
        }
        if let Some(provider) = provider {
            let outgoing = outgoing::count(&call, provider, card, &decided)?;
            if let Some(counted) = counted_by(app, &outgoing, provider).await {
                return Ok(counted);
            }
        }
    }
    let client = Arc::new(());
    let watched = Arc::downgrade(&client);
    let place = Arc::clone(&app.large).acquire_owned().await;
    let (on, body) = (app.clone(), Arc::clone(&call));
    let counting = tokio::task::spawn_blocking(move || {
        let (_place, _counted) = (place, on.computing.enter());
        own_count(&on, &active, &body, watched)
    });
    let tokens = counting.await.map_err(|_| Failure::new(Blame::Rules, 500, "counting failed"))??;
    let mut response = json_answer(StatusCode::OK, &json!({"input_tokens": tokens}));
    response.headers_mut().insert("x-router-tokens", HeaderValue::from_static("estimate"));
    Ok(response)
}

/// The longest that a provider may take to count.
const COUNTING: Duration = Duration::from_secs(30);

/// Returns a provider's own count, `None` where it gives none that is whole. A key that it refuses rests, and another one is
/// tried.
async fn counted_by(app: &App, outgoing: &Outgoing, provider: &Provider) -> Option<Response> {
    let n_keys = provider.keys.len();
    let deadline = app.clock.moment(COUNTING);
    let first_byte = provider.timeout.unwrap_or(COUNTING).min(COUNTING);
    for _ in 0..n_keys.max(1) {
        let key = app.keyring.take(&provider.name, n_keys, app.clock.instant());
        let refusal = match upstream::begin(app, outgoing, provider, key, first_byte).await {
            Ok(begun) => {
                let body = upstream::count_of(begun, deadline).await?;
                let mut response = Response::new(Body::from(body));
                response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
                return Some(response);
            }
            Err(refusal) => refusal,
        };
        let asked = upstream::asked_rest(&refusal, app.clock.unix_seconds());
        if !app.keyring.failed(&provider.name, n_keys, key, refusal.status, asked, app.clock.instant()) {
            return None;
        }
    }
    None
}

/// The router's own count.
fn own_count(app: &App, active: &Active, call: &Call, client: Weak<()>) -> Result<u64, Failure> {
    let chat = crate::wire::request::decode(call.client, &call.body).map_err(|error| Failure::client(400, error.0))?;
    let tokenizer = crate::tools::request::tokenizer_of(&active.plan.program.catalogue, &chat.model);
    let feature_call = crate::features::Call { chat: &chat, body: &call.body, headers: &[], key: None, tokenizer };
    Ok(crate::features::Request::new(&feature_call, &app.counter).watching(client).input_tokens())
}

/// `POST /api/explain`: the decision for a body, as `explain --json`.
pub(super) async fn explain(State(app): State<App>, request: Request) -> Response {
    let id = app.request_id();
    let request = Unread::new(request, &app.tasks);
    let explained = async {
        let active = app.active();
        let key = keys::authenticate(&active.configuration, request.headers(), Permission::Read)?;
        let gate = app.gate();
        let _place = gate.enter().await?;
        let key = key.map(|key| key.name.clone());
        let mut call = call::read(id.clone(), Client::Messages, key, request, &gate).await?;
        let recorded = crate::tools::request::read(&call.body, None).map_err(|error| Failure::client(400, error.0))?;
        call.client = recorded.client;
        call.body = recorded.body.into();
        for (name, value) in recorded.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                call.headers.insert(name, value);
            }
        }
        let call = call.guarded(&active.configuration);
        let wanted = Wanted { words: false, json: true };
        decided(&app, &active, &Arc::new(call), wanted, None).await
    };
    match explained.await {
        Ok(decided) => json_answer(StatusCode::OK, &decided.json.unwrap_or_default()),
        Err(failure) => failure.answer(Client::Messages, &id),
    }
}
