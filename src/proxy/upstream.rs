//! One call to a provider, up to its first byte: what failed before it can be given to the next target.

use std::time::Duration;

use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use serde_json::Value;

use crate::config::providers::Provider;
use crate::lang::diagnostic::secret;
use crate::proxy::App;
use crate::proxy::headers;
use crate::proxy::outgoing::Outgoing;
use crate::state::outside;
use crate::wire::event::{Decoder, Event, status_of};
use crate::wire::overflow::Overflow;
use crate::wire::refused::{self, Refused};
use crate::wire::retry;
use crate::wire::sse::EVENT_BYTES_MAX;
use crate::wire::{Api, Client};

/// How long the first byte may take when no rule says otherwise.
pub(super) const FIRST_BYTE: Duration = Duration::from_mins(5);
/// How long an answer may take altogether when no rule says otherwise.
pub(super) const TOTAL: Duration = Duration::from_hours(1);
/// The largest answer that is collected, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How much of a body that is no answer is read, in bytes.
const ERROR_BYTES_MAX: usize = 1 << 20;
/// How much of a provider's message is read, in characters.
const MESSAGE_CHARS_MAX: usize = 8_000;
/// How much of a message that is no JSON is shown, in characters.
const SHOWN_CHARS_MAX: usize = 300;

/// An answer that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// It is a stream of events, whatever was asked for.
    pub(super) is_stream: bool,
    /// What came first.
    pub(super) first: Bytes,
    pub(super) rest: reqwest::Response,
}

/// A call that failed before its first byte went to the client.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// What happened, in a word or two, for statistics.
    pub(super) what: String,
    /// The provider as a whole could not be reached.
    pub(super) unreachable: bool,
    pub(super) message: String,
    pub(super) headers: HeaderMap,
    /// The body as it came, where there is one.
    pub(super) body: Option<Bytes>,
    /// Another target may do better.
    pub(super) try_next: bool,
    /// The provider is to blame, not the request.
    pub(super) by_provider: bool,
    /// The request is too long for the model.
    pub(super) overflow: Option<Overflow>,
    /// What the request should not hold.
    pub(super) refused: Vec<Refused>,
    /// The router itself is short of something: files, ports, memory.
    pub(super) by_router: bool,
}

impl Refusal {
    fn of_connection(status: u16, what: &str, message: String) -> Self {
        Self {
            status,
            what: what.to_owned(),
            unreachable: false,
            message,
            headers: HeaderMap::new(),
            body: None,
            try_next: true,
            by_provider: true,
            overflow: None,
            refused: Vec::new(),
            by_router: false,
        }
    }

    /// Returns a failure of the router itself: no provider is blamed for it, and no other target is tried.
    fn of_router(message: String) -> Self {
        Self { by_router: true, try_next: false, by_provider: false, ..Self::of_connection(503, "router", message) }
    }
}

/// How long a stream that has begun is waited for to say something before its beginning is given on: an error that comes
/// so soon is still another target's chance.
const SETTLING: Duration = Duration::from_secs(1);

/// Calls a provider with one of its keys, and waits for the first byte of its answer.
pub(super) async fn begin(
    app: &App,
    outgoing: &Outgoing,
    provider: &Provider,
    key: usize,
    first_byte: Duration,
) -> Result<Begun, Box<Refusal>> {
    let who = &provider.name;
    let headers = outgoing.headers_with_key(provider, key);
    let client =
        app.client_of(provider).map_err(|why| Refusal::of_connection(502, "proxy", format!("{who}: {why}")))?;
    let request = match app.url(&outgoing.url) {
        Some(url) => client.post(url),
        // What is wrong with it is told when it is sent.
        None => client.post(&outgoing.url),
    };
    let request = request.headers(headers).body(outgoing.body.clone());
    let late = || {
        let message = format!("{who} sent nothing for {} s", first_byte.as_secs_f64());
        Refusal::of_connection(504, "timeout", message)
    };
    let deadline = tokio::time::Instant::from_std(deadline(app, first_byte));
    let sent = tokio::time::timeout_at(deadline, request.send()).await.map_err(|_| late())?;
    let mut response = sent.map_err(|error| {
        if is_shortage(&error) {
            let message = format!("the router cannot open a connection to {who}: {}", reason(&error));
            return Refusal::of_router(message);
        }
        let message = format!("{who} cannot be reached: {}", reason(&error));
        Refusal { unreachable: error.is_connect(), ..Refusal::of_connection(502, "connection", message) }
    })?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    if response.status().is_redirection() || response.status().is_informational() || matches!(status, 204 | 205) {
        return Err(Box::new(unexpected(who, status, &headers)));
    }
    if !response.status().is_success() {
        return Err(Box::new(refusal(who, status, headers, response, deadline).await));
    }
    let media =
        headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let is_stream = media.starts_with(outgoing.api.row().stream_type);
    if let Some(encoding) = headers::text(&headers, "content-encoding").filter(|value| *value != "identity") {
        let message = format!("{who} sent a response with `content-encoding: {}`, not `identity`", shown(encoding));
        return Err(Box::new(Refusal::of_connection(502, "encoded", message)));
    }
    let broke = |why: &str| Refusal::of_connection(502, "broke off", format!("{who} broke off: {why}"));
    let first = match tokio::time::timeout_at(deadline, response.chunk()).await.map_err(|_| late())? {
        Ok(Some(first)) => first,
        Ok(None) if is_stream => return Err(Box::new(broke("it sent nothing"))),
        Ok(None) => return Err(Box::new(broke("its response is empty"))),
        Err(error) => return Err(Box::new(broke(&reason(&error)))),
    };
    if is_page(&media, &first) {
        let message = format!("{who} sent a page or a text, not a response of its API: {}", shown_bytes(&first));
        return Err(Box::new(Refusal::of_connection(502, "html", message)));
    }
    let first = if is_stream { settled(app, outgoing, who, first, &mut response, deadline).await? } else { first };
    Ok(Begun { status, headers, is_stream, first, rest: response })
}

/// The beginning of a stream, up to its first word: an error before it is a failure like any other.
async fn settled(
    app: &App,
    outgoing: &Outgoing,
    who: &str,
    first: Bytes,
    response: &mut reqwest::Response,
    deadline: tokio::time::Instant,
) -> Result<Bytes, Box<Refusal>> {
    let mut decoder: Box<dyn Decoder> = outgoing.api.decoder(outgoing.names.clone());
    let (mut events, mut seen) = (Vec::new(), BytesMut::new());
    let soon = tokio::time::Instant::from_std(app.clock.moment(SETTLING)).min(deadline);
    let mut piece = first;
    loop {
        decoder.push(&piece, &mut events);
        let said = events.iter().find(|event| !matches!(event, Event::Start { .. } | Event::Ping));
        match said {
            Some(Event::Error { kind, message }) => return Err(Box::new(error_at_once(who, kind, message))),
            // All that has come is given on as one piece; nearly always it is the first one alone.
            Some(_) if seen.is_empty() => return Ok(piece),
            _ => seen.extend_from_slice(&piece),
        }
        if said.is_some() {
            return Ok(seen.freeze());
        }
        if seen.len() > EVENT_BYTES_MAX {
            let message = format!("{who} sent {EVENT_BYTES_MAX} bytes that say nothing");
            return Err(Box::new(Refusal::of_connection(502, "too large", message)));
        }
        piece = match tokio::time::timeout_at(soon, response.chunk()).await {
            Ok(Ok(Some(piece))) => piece,
            // Nothing was said: whoever reads the rest finds out.
            Err(_) => return Ok(seen.freeze()),
            Ok(Ok(None)) => {
                // The last line of a stream of lines may have no end.
                let mut last = Vec::new();
                decoder.finish(&mut last);
                let ended = last.iter().find(|event| matches!(event, Event::End { .. } | Event::Error { .. }));
                if matches!(ended, Some(Event::End { .. })) {
                    return Ok(seen.freeze());
                }
                let message = format!("{who} broke off: its stream ended before it said anything");
                return Err(Box::new(Refusal::of_connection(502, "broke off", message)));
            }
            Ok(Err(error)) => {
                let message = format!("{who} broke off: {}", reason(&error));
                return Err(Box::new(Refusal::of_connection(502, "broke off", message)));
            }
        };
    }
}

/// The moment at which waiting ends.
fn deadline(app: &App, after: Duration) -> std::time::Instant {
    app.clock.moment(after)
}

/// An error that a stream begins with.
fn error_at_once(who: &str, kind: &str, message: &str) -> Refusal {
    if let Some(overflow) = Overflow::of(400, message) {
        let told = format!("{who} answered with an error: {message}");
        let refusal = Refusal::of_connection(400, "too long", told);
        return Refusal { try_next: false, by_provider: false, overflow: Some(overflow), ..refusal };
    }
    Refusal::of_connection(status_of(kind), word_of(kind), format!("{who}: {message}"))
}

/// The longest word of a provider that statistics show, in bytes.
const WORD_BYTES_MAX: usize = 64;

/// The kind of an error as statistics show it: a word of a provider, unless it is something else.
pub(super) fn word_of(kind: &str) -> &str {
    let plain = kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if plain && kind.len() <= WORD_BYTES_MAX && !outside::holds_secret(kind) { kind } else { "error" }
}

async fn refusal(
    who: &str,
    status: u16,
    headers: HeaderMap,
    mut response: reqwest::Response,
    deadline: tokio::time::Instant,
) -> Refusal {
    let mut body = BytesMut::new();
    while body.len() < ERROR_BYTES_MAX {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    let body = body.freeze();
    // 401, 403 and 404 are about the router's key and configuration, which the client cannot mend.
    let ours = matches!(status, 401 | 403 | 404);
    let said = message_of(&body);
    let overflow = Overflow::of(status, &said);
    let try_next = overflow.is_none() && (ours || matches!(status, 408 | 429) || status >= 500);
    let message = format!("{who} answered {status}: {said}");
    let refused = if overflow.is_none() { refused::named(status, &said) } else { Vec::new() };
    let what = if overflow.is_some() { "too long".to_owned() } else { status.to_string() };
    Refusal {
        status,
        what,
        unreachable: false,
        message,
        headers,
        body: Some(body),
        try_next,
        by_provider: try_next && !ours,
        overflow,
        refused,
        by_router: false,
    }
}

/// Returns the failure of a status that no API answers a request with: a redirect, which is never followed, or no content.
fn unexpected(who: &str, status: u16, headers: &HeaderMap) -> Refusal {
    let location = headers::text(headers, "location").and_then(|to| {
        // Credentials and queries may be secret.
        let mut url = reqwest::Url::parse(to).ok()?;
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        Some(shown(url.as_str()))
    });
    let message = match location {
        Some(to) if (300..400).contains(&status) => {
            format!("{who} answered {status}, a redirect to {to}: set the address of that server as `baseUrl`")
        }
        _ if (300..400).contains(&status) => {
            format!("{who} answered {status}, a redirect, which is not followed: correct its `baseUrl`")
        }
        _ => format!("{who} answered {status}, which has no content"),
    };
    Refusal::of_connection(502, "unexpected status", message)
}

/// Tells whether a successful response is a page or a text, and no response of an API.
fn is_page(media: &str, first: &[u8]) -> bool {
    let is_json = || matches!(first.trim_ascii_start().first(), Some(b'{' | b'['));
    media.starts_with("text/html")
        || first.trim_ascii_start().starts_with(b"<")
        || (media.starts_with("text/plain") && !is_json())
}

/// Returns how long a provider asks to be left alone.
pub(super) fn asked_rest(refusal: &Refusal, now: i64) -> Option<Duration> {
    let body = refusal.body.as_deref().unwrap_or_default();
    let seconds = retry::after(headers::text(&refusal.headers, "retry-after"), body, now)?;
    Some(retry::rest(seconds))
}

/// Returns the body of a response to `count_tokens`: `None` where it is cut, too large, or not `{"input_tokens": n}`.
pub(super) async fn count_of(mut begun: Begun, deadline: std::time::Instant) -> Option<Bytes> {
    let deadline = tokio::time::Instant::from_std(deadline);
    let mut body = BytesMut::from(&begun.first[..]);
    while let Some(more) = tokio::time::timeout_at(deadline, begun.rest.chunk()).await.ok()?.ok()? {
        if body.len() + more.len() > ERROR_BYTES_MAX {
            return None;
        }
        body.extend_from_slice(&more);
    }
    let value: Value = serde_json::from_slice(&body).ok()?;
    value["input_tokens"].as_u64()?;
    Some(body.freeze())
}

/// Errors of the system that say that this machine or process is short of something: `ENOMEM`, `ENFILE`, `EMFILE`, and
/// `EADDRNOTAVAIL` and `ENOBUFS`, whose numbers differ by system.
const SHORTAGES: [i32; 5] = if cfg!(target_os = "linux") { [12, 23, 24, 99, 105] } else { [12, 23, 24, 49, 55] };

/// Tells whether a connection failed because the router, not the provider, is short of something.
fn is_shortage(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .filter_map(|error| error.downcast_ref::<std::io::Error>()?.raw_os_error())
        .any(|code| SHORTAGES.contains(&code))
}

/// Returns a message with the first words of bytes that are not JSON. Half of a JSON text may be a conversation, and is not
/// shown.
pub(super) fn with_words(message: &str, bytes: &[u8]) -> String {
    let start = bytes.trim_ascii_start().first();
    if matches!(start, None | Some(b'{' | b'[')) {
        return message.to_owned();
    }
    format!("{message}: {}", shown_bytes(bytes))
}

fn shown_bytes(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes.get(..bytes.len().min(4_096)).unwrap_or_default()))
}

/// Returns the first words of a text from outside: without tags and control characters, secrets hidden, bounded.
fn shown(text: &str) -> String {
    let mut words = String::new();
    let mut in_tag = false;
    for c in text.chars().take(4_096) {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                words.push(' ');
            }
            _ if in_tag => {}
            _ => words.push(if c.is_control() { ' ' } else { c }),
        }
    }
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    secret::hide(&words).chars().take(SHOWN_CHARS_MAX).collect()
}

/// The message in a body of an error, whatever its form.
fn message_of(body: &[u8]) -> String {
    let read = serde_json::from_slice::<Value>(body).ok();
    let read = match read {
        Some(Value::Array(mut list)) if !list.is_empty() => Some(list.remove(0)),
        other => other,
    };
    let found = read.as_ref().and_then(|value| {
        value["error"]["message"].as_str().or_else(|| value["error"].as_str()).or_else(|| value["message"].as_str())
    });
    if let Some(message) = found {
        return message.chars().take(MESSAGE_CHARS_MAX).collect();
    }
    let text = String::from_utf8_lossy(body);
    let is_page = text.trim_start().starts_with('<');
    if is_page || text.trim().is_empty() {
        return if is_page { "a page of HTML".to_owned() } else { "nothing".to_owned() };
    }
    shown(&text)
}

/// Why a call failed, without its URL: an address may hold a key.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Whether an upstream's error body can go to a client as it is.
pub(super) fn fits(upstream: Api, client: Client, body: &Bytes) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return false };
    let is_openai = |api: Api| matches!(api, Api::Completions | Api::Responses);
    let same = upstream == client.api() || (is_openai(upstream) && is_openai(client.api()));
    same && value["error"].is_object()
}
