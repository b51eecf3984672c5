//! The answer on its way back: given on as it comes where the client speaks the provider's API, translated event by event
//! where it does not. A provider that breaks off ends the stream with an error, never as if it had succeeded.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use tokio_util::sync::CancellationToken;

use crate::proxy::failure::{Blame, Failure};
use crate::proxy::headers;
use crate::proxy::record::Recorder;
use crate::proxy::upstream::{ANSWER_BYTES_MAX, Begun, reason, with_words, word_of};
use crate::state::health::Fault;
use crate::state::outside;
use crate::wire::event::{Answer, Decoder, Event, Usage, assemble, status_of};
use crate::wire::ids::Names;
use crate::wire::overflow::Overflow;
use crate::wire::reply::{self, Head, Writer};
use crate::wire::sse::{EVENT_BYTES_MAX, end_of_events};
use crate::wire::{Api, Client};

/// How long a stream may be silent before the client is told that it is alive.
const PING: Duration = Duration::from_secs(15);

/// Whole responses up to this size take no room of all bodies, in bytes.
const SMALL_BYTES: usize = 64 << 10;

/// How an answer is written for the client.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) client: Client,
    pub(super) stream: bool,
    pub(super) head: Head,
    /// How long it may take altogether.
    pub(super) total: Duration,
    /// Cancelled when the router stops and does not wait for streams any more.
    pub(super) cut: CancellationToken,
}

/// What came next of a stream of an upstream.
enum Next {
    Bytes(Bytes),
    End,
    Broken(String),
    /// Nothing, for some time.
    Silence,
}

/// Waits for the next bytes of a stream.
async fn next_of(rest: &mut reqwest::Response, deadline: tokio::time::Instant, cut: &CancellationToken) -> Next {
    let chunk = tokio::time::timeout(PING, tokio::time::timeout_at(deadline, rest.chunk()));
    let waited = tokio::select! {
        biased;
        waited = chunk => waited,
        () = cut.cancelled() => return Next::Broken("the router is stopping".to_owned()),
    };
    match waited {
        Err(_) => Next::Silence,
        Ok(Err(_)) => Next::Broken("the upstream broke off: it took too long".to_owned()),
        Ok(Ok(Err(error))) => Next::Broken(format!("the upstream broke off: {}", reason(&error))),
        Ok(Ok(Ok(Some(bytes)))) => Next::Bytes(bytes),
        Ok(Ok(Ok(None))) => Next::End,
    }
}

/// A whole answer for the client.
pub(super) fn whole(reply: &Reply, answer: &Answer) -> Response {
    let body = reply::whole(reply.client, answer, &reply.head);
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

/// A streamed answer for the client.
pub(super) fn stream_of(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream; charset=utf-8"));
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-cache"));
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A stream that broke off or ended with an error.
fn fault(kind: &str) -> Fault {
    Fault { what: word_of(kind).to_owned(), ..Fault::default() }
}

// --- the same API: bytes as they come ----------------------------------------------------------------------------------

struct Passing {
    /// The beginning of an event whose end has not come: a client that got half of it could not read an error behind it.
    held: BytesMut,
    first: Option<Bytes>,
    rest: reqwest::Response,
    decoder: Box<dyn Decoder>,
    recorder: Recorder,
    client: Client,
    ended: bool,
    over: bool,
    deadline: tokio::time::Instant,
    cut: CancellationToken,
}

/// Gives a stream on, byte for byte, as it comes.
pub(super) fn pass(begun: Begun, recorder: Recorder, reply: &Reply, deadline: std::time::Instant) -> Response {
    let status = StatusCode::from_u16(begun.status).unwrap_or(StatusCode::OK);
    let headers = headers::to_client(&begun.headers, true);
    let passing = Passing {
        held: BytesMut::new(),
        first: Some(begun.first),
        rest: begun.rest,
        decoder: reply.client.api().decoder(Names::default()),
        recorder,
        client: reply.client,
        ended: false,
        over: false,
        deadline: tokio::time::Instant::from_std(deadline),
        cut: reply.cut.clone(),
    };
    let body = futures_util::stream::unfold(passing, |mut passing| async move {
        let piece = passing.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(piece), passing))
    });
    let mut response = Response::new(Body::from_stream(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Gives a whole answer on, byte for byte. Nobody can use half of it, so that it is waited for: what breaks off, or is no
/// answer, is a failure, which another target may mend.
pub(super) async fn pass_whole(
    begun: Begun,
    recorder: &mut Recorder,
    reply: &Reply,
    deadline: std::time::Instant,
) -> Result<Response, Failure> {
    let (status, headers) = (begun.status, headers::to_client(&begun.headers, false));
    let body = body_of(begun, recorder, deadline).await?;
    let api = reply.client.api();
    // Most answers are as they should be, and nothing but their usage is asked for.
    let read = match api.usage_of_whole(&body) {
        Some(usage) => Ok(usage),
        None => assemble(&api.decode_whole(&body, &Names::default())).map(|answer| answer.usage),
    };
    match read {
        Ok(usage) => recorder.done(usage),
        Err(_) if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() => {
            let message = with_words("the upstream answered with something that is no JSON", &body);
            return Err(Failure::new(Blame::Upstream, 502, message));
        }
        // An API may grow responses that are not known here: they have content, or say why they ended.
        Err((kind, message)) if !has_substance(reply.client, &body) => {
            return Err(Failure::new(Blame::Upstream, status_of(&kind), message));
        }
        Err(_) => recorder.done_somehow(),
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    *response.headers_mut() = headers;
    Ok(response)
}

/// Tells whether a whole response that is not read in full has content or says why it ended, and is no error.
fn has_substance(client: Client, body: &[u8]) -> bool {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    if value["type"] == "error" || !value["error"].is_null() {
        return false;
    }
    let has_items = |name: &str| value[name].as_array().is_some_and(|items| !items.is_empty());
    match client {
        Client::Messages => has_items("content") || value["stop_reason"].is_string(),
        Client::Completions => {
            let choice = &value["choices"][0];
            choice["message"].as_object().is_some_and(|message| !message.is_empty())
                || choice["finish_reason"].is_string()
        }
        // A response in the background has a status and no output yet.
        Client::Responses => has_items("output") || value["status"].is_string(),
    }
}

/// Streams a whole response that came where a stream was asked for. Half of one cannot be told from a finished one by the
/// client, so that all of it is waited for: what breaks off, or is no response, is a failure, which another target may mend.
pub(super) async fn stream_whole(
    begun: Begun,
    mut recorder: Recorder,
    upstream: Api,
    names: &Names,
    reply: &Reply,
    deadline: std::time::Instant,
) -> Result<Response, (Failure, Box<Recorder>)> {
    let body = match body_of(begun, &mut recorder, deadline).await {
        Ok(body) => body,
        Err(failure) => return Err((failure, Box::new(recorder))),
    };
    let events = upstream.decode_whole(&body, names);
    if let Err(wrong) = assemble(&events) {
        return Err((unreadable(wrong, &body), Box::new(recorder)));
    }
    let mut writing = Writing {
        client: reply.client,
        writer: Writer::new(reply.client, reply.head.clone()),
        recorder,
        ready: VecDeque::new(),
        over: false,
    };
    writing.write(&events);
    Ok(stream_of(Body::from_stream(futures_util::stream::iter(
        writing.ready.into_iter().map(Ok::<Bytes, std::convert::Infallible>),
    ))))
}

/// Returns the failure of a whole response that cannot be read: with its first words where it is not JSON.
fn unreadable((kind, message): (String, String), body: &[u8]) -> Failure {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    let message = if is_json { message } else { with_words(&message, body) };
    Failure::new(Blame::Upstream, status_of(&kind), message)
}

impl Passing {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let piece = self.piece().await?;
            if !piece.is_empty() {
                return Some(piece);
            }
        }
    }

    /// The next piece, empty where no event is whole yet.
    async fn piece(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let next = match self.first.take() {
            Some(first) if !first.is_empty() => Next::Bytes(first),
            Some(_) | None => match next_of(&mut self.rest, self.deadline, &self.cut).await {
                // Only whole events were sent, so that one fits in anywhere.
                Next::Silence => return Some(self.ping()),
                next => next,
            },
        };
        match next {
            Next::Bytes(bytes) => {
                let says_error = self.observe(&bytes);
                let whole =
                    if self.held.is_empty() && bytes.ends_with(b"\n\n") { bytes } else { self.whole_events(&bytes) };
                Some(if says_error { outside::hide_bytes(&whole).map_or(whole, Bytes::from) } else { whole })
            }
            Next::End | Next::Silence => {
                self.over = true;
                self.finish(None)
            }
            Next::Broken(why) => {
                self.over = true;
                self.finish(Some(&why))
            }
        }
    }

    /// Takes in bytes, and returns those up to the end of the last whole event: the rest is held. An event that is too large
    /// ends the stream with an error.
    fn whole_events(&mut self, bytes: &Bytes) -> Bytes {
        // The end of an event may be cut in two.
        let from = self.held.len().saturating_sub(2);
        self.held.extend_from_slice(bytes);
        let end = end_of_events(self.held.get(from..).unwrap_or_default()).map_or(0, |end| from + end);
        let whole = self.held.split_to(end).freeze();
        if self.held.len() <= EVENT_BYTES_MAX {
            return whole;
        }
        self.over = true;
        self.ended = true;
        self.held = BytesMut::new();
        self.recorder.failed(fault("too large"));
        self.recorder.not_to_be_kept();
        let message = format!("the upstream sent an event of more than {EVENT_BYTES_MAX} bytes");
        tracing::warn!("{message}");
        let mut last = BytesMut::from(&whole[..]);
        last.extend_from_slice(reply::stream_error(self.client, &message).as_bytes());
        last.freeze()
    }

    fn ping(&self) -> Bytes {
        let mut out = String::new();
        Writer::new(self.client, Head::default()).write(&[Event::Ping], &mut out);
        Bytes::from(out)
    }

    /// Reads along; returns whether an error is said.
    fn observe(&mut self, bytes: &Bytes) -> bool {
        let mut events = Vec::new();
        self.decoder.push(bytes, &mut events);
        self.take(&events);
        events.iter().any(|event| matches!(event, Event::Error { .. }))
    }

    fn take(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Start { usage, .. } => {
                    self.recorder.first_byte();
                    self.recorder.so_far(*usage);
                }
                Event::Delta(text) => self.recorder.produced(text.len()),
                Event::End { usage, .. } => {
                    self.recorder.done(*usage);
                    self.ended = true;
                }
                Event::Error { kind, .. } => {
                    self.recorder.failed(fault(kind));
                    self.ended = true;
                }
                Event::Open(_) | Event::Signature(_) | Event::Close | Event::Ping => {}
            }
        }
    }

    /// The connection is over: a stream that had not ended is ended with an error.
    fn finish(&mut self, why: Option<&str>) -> Option<Bytes> {
        let mut events = Vec::new();
        self.decoder.finish(&mut events);
        let rest = std::mem::take(&mut self.held).freeze();
        let rest = Some(rest).filter(|rest| !rest.is_empty());
        if self.ended {
            return rest.filter(|_| why.is_none());
        }
        self.take(&events);
        // What was given on lacks its last words, though clients take it for an end.
        self.recorder.not_to_be_kept();
        let message = events
            .iter()
            .rev()
            .find_map(|event| if let Event::Error { message, .. } = event { Some(message) } else { None });
        let Some(message) = message else { return rest };
        let message = why.unwrap_or(message).to_owned();
        tracing::warn!("{message}");
        let body = reply::stream_error(self.client, &outside::hide(&message));
        Some(Bytes::from(body))
    }
}

// --- another API: event by event ---------------------------------------------------------------------------------------

/// A whole answer, translated. An answer that broke is a failure, which another target may mend.
pub(super) async fn collect(
    begun: Begun,
    recorder: &mut Recorder,
    upstream: Api,
    names: &Names,
    reply: &Reply,
    deadline: std::time::Instant,
) -> Result<Response, Failure> {
    let is_stream = begun.is_stream;
    let body = body_of(begun, recorder, deadline).await?;
    let events = if is_stream {
        let mut decoder = upstream.decoder(names.clone());
        let mut events = Vec::new();
        decoder.push(&body, &mut events);
        decoder.finish(&mut events);
        events
    } else {
        upstream.decode_whole(&body, names)
    };
    let answer =
        assemble(&events).map_err(|wrong| if is_stream { failure_of(wrong) } else { unreadable(wrong, &body) })?;
    recorder.done(answer.usage);
    let answer = Answer { usage: counted(answer.usage, reply), ..answer };
    Ok(whole(reply, &answer))
}

fn failure_of((kind, message): (String, String)) -> Failure {
    Failure::new(Blame::Upstream, status_of(&kind), message)
}

/// All of an answer, within its limit and time.
async fn body_of(begun: Begun, recorder: &mut Recorder, deadline: std::time::Instant) -> Result<Bytes, Failure> {
    let deadline = tokio::time::Instant::from_std(deadline);
    let failed = |why: String| Failure::new(Blame::Upstream, 502, format!("the upstream broke off: {why}"));
    let late = |_| failed("it took too long".to_owned());
    recorder.first_byte();
    let mut rest = begun.rest;
    let Some(mut next) =
        tokio::time::timeout_at(deadline, rest.chunk()).await.map_err(late)?.map_err(|error| failed(reason(&error)))?
    else {
        // Most answers come in one piece, which nobody needs to copy.
        return Ok(begun.first);
    };
    let mut body = BytesMut::from(&begun.first[..]);
    let mut room = None;
    loop {
        if body.len() + next.len() > ANSWER_BYTES_MAX {
            return Err(failed(format!("its answer is larger than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&next);
        if body.len() > SMALL_BYTES {
            // Large responses share the room of all bodies.
            if room.is_none() {
                room = Some(recorder.room()?);
            }
            if let Some(room) = &mut room {
                room.grow(body.len())?;
            }
        }
        let more = tokio::time::timeout_at(deadline, rest.chunk()).await.map_err(late)?;
        match more.map_err(|error| failed(reason(&error)))? {
            Some(more) => next = more,
            None => return Ok(body.freeze()),
        }
    }
}

/// A provider that says no usage leaves the input to the router's own bound.
fn counted(usage: Usage, reply: &Reply) -> Usage {
    let said = usage.input + usage.cache_read + usage.cache_write + usage.output > 0;
    if said { usage } else { Usage { input: reply.head.input_at_most, ..usage } }
}

/// An error that says that a request is too long, in the words by which the client acts on it.
fn too_long(client: Client, event: &Event) -> Option<Event> {
    let Event::Error { message, .. } = event else { return None };
    let message = Overflow::of(400, message)?.words(client);
    Some(Event::Error { kind: "invalid_request_error".to_owned(), message })
}

struct Translating {
    rest: reqwest::Response,
    decoder: Box<dyn Decoder>,
    writing: Writing,
    deadline: tokio::time::Instant,
    cut: CancellationToken,
}

/// Events on their way to the client.
struct Writing {
    client: Client,
    writer: Writer,
    recorder: Recorder,
    /// Events that are ready.
    ready: VecDeque<Bytes>,
    over: bool,
}

/// A stream, translated as it comes.
pub(super) fn translate(
    begun: Begun,
    recorder: Recorder,
    upstream: Api,
    names: &Names,
    reply: &Reply,
    deadline: std::time::Instant,
) -> Response {
    let mut translating = Translating {
        rest: begun.rest,
        decoder: upstream.decoder(names.clone()),
        writing: Writing {
            client: reply.client,
            writer: Writer::new(reply.client, reply.head.clone()),
            recorder,
            ready: VecDeque::new(),
            over: false,
        },
        deadline: tokio::time::Instant::from_std(deadline),
        cut: reply.cut.clone(),
    };
    translating.push(&begun.first);
    let body = futures_util::stream::unfold(translating, |mut translating| async move {
        let piece = translating.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(piece), translating))
    });
    stream_of(Body::from_stream(body))
}

impl Writing {
    fn write(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Start { usage, .. } => {
                    self.recorder.first_byte();
                    self.recorder.so_far(*usage);
                }
                Event::Delta(text) => self.recorder.produced(text.len()),
                Event::End { usage, .. } => {
                    self.recorder.done(*usage);
                    self.over = true;
                }
                Event::Error { kind, message } => {
                    tracing::warn!("{message}");
                    self.recorder.failed(fault(kind));
                    self.over = true;
                }
                Event::Open(_) | Event::Signature(_) | Event::Close | Event::Ping => {}
            }
        }
        let mut out = String::new();
        for event in events {
            match too_long(self.client, event) {
                Some(said) => self.writer.write(&[said], &mut out),
                None => self.writer.write(std::slice::from_ref(event), &mut out),
            }
        }
        if events.iter().any(|event| matches!(event, Event::Error { .. }))
            && let Cow::Owned(hidden) = outside::hide(&out)
        {
            out = hidden;
        }
        if !out.is_empty() {
            self.ready.push_back(Bytes::from(out));
        }
    }
}

impl Translating {
    fn push(&mut self, bytes: &[u8]) {
        let mut events = Vec::new();
        self.decoder.push(bytes, &mut events);
        self.writing.write(&events);
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(ready) = self.writing.ready.pop_front() {
                return Some(ready);
            }
            if self.writing.over {
                return None;
            }
            match next_of(&mut self.rest, self.deadline, &self.cut).await {
                Next::Silence => self.writing.write(&[Event::Ping]),
                Next::Bytes(bytes) => self.push(&bytes),
                Next::End => {
                    let mut events = Vec::new();
                    self.decoder.finish(&mut events);
                    self.writing.write(&events);
                    self.writing.over = true;
                }
                Next::Broken(why) => self.broke(&why),
            }
        }
    }

    fn broke(&mut self, why: &str) {
        let error = Event::Error { kind: "api_error".to_owned(), message: why.to_owned() };
        self.writing.write(&[error]);
        self.writing.over = true;
    }
}
