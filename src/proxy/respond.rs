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
use crate::proxy::upstream::{ANSWER_BYTES_MAX, Begun, reason, word_of};
use crate::state::health::Fault;
use crate::state::outside;
use crate::wire::event::{Answer, Decoder, Event, Usage, assemble, status_of};
use crate::wire::ids::Names;
use crate::wire::overflow::Overflow;
use crate::wire::reply::{self, Head, Writer};
use crate::wire::{Api, Client};

/// How long a stream may be silent before the client is told that it is alive.
const PING: Duration = Duration::from_secs(15);

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
        Ok(Err(_)) => Next::Broken("it took too long".to_owned()),
        Ok(Ok(Err(error))) => Next::Broken(reason(&error)),
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

/// How much of the end of a stream says whether an event is whole, in bytes.
const TAIL: usize = 4;

struct Passing {
    /// The last bytes that were given on.
    tail: Vec<u8>,
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
    let headers = headers::to_client(&begun.headers);
    let passing = Passing {
        tail: Vec::new(),
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
    let (status, headers) = (begun.status, headers::to_client(&begun.headers));
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
            return Err(Failure::new(Blame::Upstream, 502, "the upstream answered with something that is no JSON"));
        }
        // An API may grow answers that are not known here: only what says that it is an error is one.
        Err((kind, message)) if says_error(&body) => {
            return Err(Failure::new(Blame::Upstream, status_of(&kind), message));
        }
        Err(_) => recorder.done_somehow(),
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    *response.headers_mut() = headers;
    Ok(response)
}

/// What is wrong with a whole answer, where all of it is there already: another target may do better.
pub(super) fn wrong(begun: &Begun, upstream: Api, names: &Names) -> Option<Failure> {
    let length = headers::text(&begun.headers, "content-length")?.parse::<usize>().ok()?;
    if begun.first.len() != length {
        return None;
    }
    let (kind, message) = assemble(&upstream.decode_whole(&begun.first, names)).err()?;
    Some(Failure::new(Blame::Upstream, status_of(&kind), message))
}

fn says_error(body: &[u8]) -> bool {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    value["type"] == "error" || !value["error"].is_null()
}

impl Passing {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let next = match self.first.take() {
            Some(first) if !first.is_empty() => Next::Bytes(first),
            Some(_) | None => loop {
                match next_of(&mut self.rest, self.deadline, &self.cut).await {
                    // Only between events: within one it would break what is forwarded.
                    Next::Silence if self.is_between_events() => return Some(self.ping()),
                    Next::Silence => {}
                    next => break next,
                }
            },
        };
        match next {
            Next::Bytes(bytes) => {
                let says_error = self.observe(&bytes);
                Some(if says_error { outside::hide_bytes(&bytes).map_or(bytes, Bytes::from) } else { bytes })
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

    fn is_between_events(&self) -> bool {
        self.tail.ends_with(b"\n\n") || self.tail.ends_with(b"\n\r\n")
    }

    fn ping(&self) -> Bytes {
        let mut out = String::new();
        Writer::new(self.client, Head::default()).write(&[Event::Ping], &mut out);
        Bytes::from(out)
    }

    /// Reads along; returns whether an error is said.
    fn observe(&mut self, bytes: &Bytes) -> bool {
        let end = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
        self.tail.extend_from_slice(end);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
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
        if self.ended {
            return None;
        }
        self.take(&events);
        // What was given on lacks its last words, though clients take it for an end.
        self.recorder.not_to_be_kept();
        let message = events
            .iter()
            .rev()
            .find_map(|event| if let Event::Error { message, .. } = event { Some(message) } else { None })?;
        let message = why.map_or_else(|| message.clone(), |why| format!("the upstream broke off: {why}"));
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
        assemble(&events).map_err(|(kind, message)| Failure::new(Blame::Upstream, status_of(&kind), message))?;
    recorder.done(answer.usage);
    let answer = Answer { usage: counted(answer.usage, reply), ..answer };
    Ok(whole(reply, &answer))
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
    loop {
        if body.len() + next.len() > ANSWER_BYTES_MAX {
            return Err(failed(format!("its answer is larger than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&next);
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
    client: Client,
    rest: reqwest::Response,
    decoder: Box<dyn Decoder>,
    writer: Writer,
    recorder: Recorder,
    /// Events that are ready.
    ready: VecDeque<Bytes>,
    over: bool,
    deadline: tokio::time::Instant,
    cut: CancellationToken,
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
        client: reply.client,
        rest: begun.rest,
        decoder: upstream.decoder(names.clone()),
        writer: Writer::new(reply.client, reply.head.clone()),
        recorder,
        ready: VecDeque::new(),
        over: false,
        deadline: tokio::time::Instant::from_std(deadline),
        cut: reply.cut.clone(),
    };
    if begun.is_stream {
        translating.push(&begun.first);
    } else {
        // A stream was asked for and a whole answer came: it is streamed all the same.
        translating.decoder =
            Box::new(WholeDecoder { seen: begun.first.to_vec(), api: upstream, names: names.clone() });
    }
    let body = futures_util::stream::unfold(translating, |mut translating| async move {
        let piece = translating.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(piece), translating))
    });
    stream_of(Body::from_stream(body))
}

impl Translating {
    fn push(&mut self, bytes: &[u8]) {
        let mut events = Vec::new();
        self.decoder.push(bytes, &mut events);
        self.write(&events);
    }

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

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            if self.over {
                return None;
            }
            match next_of(&mut self.rest, self.deadline, &self.cut).await {
                Next::Silence => self.write(&[Event::Ping]),
                Next::Bytes(bytes) => self.push(&bytes),
                Next::End => {
                    let mut events = Vec::new();
                    self.decoder.finish(&mut events);
                    self.write(&events);
                    self.over = true;
                }
                Next::Broken(why) => self.broke(&why),
            }
        }
    }

    fn broke(&mut self, why: &str) {
        let error = Event::Error { kind: "api_error".to_owned(), message: format!("the upstream broke off: {why}") };
        self.write(&[error]);
        self.over = true;
    }
}

/// A whole answer that stands in for a stream.
struct WholeDecoder {
    seen: Vec<u8>,
    api: Api,
    names: Names,
}

impl Decoder for WholeDecoder {
    fn push(&mut self, bytes: &[u8], _: &mut Vec<Event>) {
        if self.seen.len() + bytes.len() <= ANSWER_BYTES_MAX {
            self.seen.extend_from_slice(bytes);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        events.extend(self.api.decode_whole(&self.seen, &self.names));
    }
}
