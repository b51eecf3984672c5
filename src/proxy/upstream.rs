//! One call to a provider, up to its first byte: what failed before it can be given to the next target.

use std::time::Duration;

use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use serde_json::Value;

use crate::proxy::App;
use crate::proxy::outgoing::Outgoing;
use crate::wire::event::{Decoder, Event, status_of};
use crate::wire::overflow::Overflow;
use crate::wire::refused::{self, Refused};
use crate::wire::{Api, Client};

/// How long the first byte may take when no rule says otherwise.
pub(super) const FIRST_BYTE: Duration = Duration::from_mins(5);
/// How long an answer may take altogether when no rule says otherwise.
pub(super) const TOTAL: Duration = Duration::from_hours(1);
/// The largest answer that is collected, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How much of a body that is no answer is read, in bytes.
const ERROR_BYTES_MAX: usize = 1 << 20;
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
}

impl Refusal {
    fn of_connection(status: u16, message: String) -> Self {
        Self {
            status,
            message,
            headers: HeaderMap::new(),
            body: None,
            try_next: true,
            by_provider: true,
            overflow: None,
            refused: Vec::new(),
        }
    }
}

/// Calls a provider, and waits for the first byte of its answer.
pub(super) async fn begin(app: &App, outgoing: &Outgoing, who: &str, first_byte: Duration) -> Result<Begun, Refusal> {
    let request = app.client.post(&outgoing.url).headers(outgoing.headers.clone()).body(outgoing.body.clone());
    let late = || Refusal::of_connection(504, format!("{who} sent nothing for {} s", first_byte.as_secs_f64()));
    let deadline = tokio::time::Instant::from_std(deadline(app, first_byte));
    let sent = tokio::time::timeout_at(deadline, request.send()).await.map_err(|_| late())?;
    let mut response =
        sent.map_err(|error| Refusal::of_connection(502, format!("{who} cannot be reached: {}", reason(&error))))?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    if !response.status().is_success() {
        return Err(refusal(who, status, headers, response, deadline).await);
    }
    let media =
        headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let is_stream = media.starts_with(outgoing.api.row().stream_type);
    if media.starts_with("text/html") {
        return Err(Refusal::of_connection(502, format!("{who} answered with a page, not with an answer of its API")));
    }
    let broke = |error: &reqwest::Error| Refusal::of_connection(502, format!("{who} broke off: {}", reason(error)));
    let first = match tokio::time::timeout_at(deadline, response.chunk()).await.map_err(|_| late())? {
        Ok(first) => first.unwrap_or_default(),
        Err(error) => return Err(broke(&error)),
    };
    if is_stream && let Some((kind, message)) = error_at_once(outgoing, &first) {
        if let Some(overflow) = Overflow::of(400, &message) {
            let told = format!("{who} answered with an error: {message}");
            return Err(Refusal {
                status: 400,
                try_next: false,
                by_provider: false,
                overflow: Some(overflow),
                ..Refusal::of_connection(400, told)
            });
        }
        let status = status_of(&kind);
        return Err(Refusal::of_connection(status, format!("{who}: {message}")));
    }
    Ok(Begun { status, headers, is_stream, first, rest: response })
}

/// The moment at which waiting ends.
fn deadline(app: &App, after: Duration) -> std::time::Instant {
    app.clock.moment(after)
}

/// An error that a stream begins with.
fn error_at_once(outgoing: &Outgoing, first: &[u8]) -> Option<(String, String)> {
    let mut decoder: Box<dyn Decoder> = outgoing.api.decoder(outgoing.names.clone());
    let mut events = Vec::new();
    decoder.push(first, &mut events);
    match events.iter().find(|event| !matches!(event, Event::Start { .. } | Event::Ping)) {
        Some(Event::Error { kind, message }) => Some((kind.clone(), message.clone())),
        _ => None,
    }
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
    Refusal { status, message, headers, body: Some(body), try_next, by_provider: try_next && !ours, overflow, refused }
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
        return message.to_owned();
    }
    let text = String::from_utf8_lossy(body);
    let is_page = text.trim_start().starts_with('<');
    if is_page || text.trim().is_empty() {
        return if is_page { "a page of HTML".to_owned() } else { "nothing".to_owned() };
    }
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// Why a call failed, without its URL: an address may hold a key.
pub(super) fn reason(error: &reqwest::Error) -> String {
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
