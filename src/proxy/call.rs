//! A call as it came in: read whole, within its limit.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use crate::config::Configuration;
use crate::proxy::content_encoding::ContentEncoding;
use crate::proxy::failure::Failure;
use crate::proxy::gate::{Gate, Room};
use crate::proxy::unread::{Unread, UnreadBody};
use crate::proxy::{headers, keys};
use crate::state::outside;
use crate::wire::Client;
use crate::wire::credential::open_query;

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) client: Client,
    /// The name of the router key that it came with.
    pub(super) key: Option<String>,
    pub(super) headers: HeaderMap,
    /// With its `?`.
    pub(super) query: String,
    pub(super) body: Bytes,
    /// Names of headers that carried a credential. None of them is sent on.
    pub(super) withheld: Vec<HeaderName>,
    /// The client wants to know how its request was decided, and its key may read that.
    pub(super) debug: bool,
    /// The client may read explanations.
    pub(super) may_read: bool,
    /// The room that the body takes, among all bodies.
    pub(super) _room: Room,
}

impl Call {
    /// Withholds what nothing behind this point may see: credentials in headers and in the query, and a trace from a key that
    /// may not read. The caller's own credential for a provider is among what is withheld.
    pub(super) fn guarded(mut self, configuration: &Configuration) -> Self {
        let keys = configuration.keys.as_deref().unwrap_or_default();
        let is_router_key =
            |value: &str| !keys.is_empty() && (keys::find(keys, value).is_some() || outside::holds_secret(value));
        self.withheld.extend(headers::withhold(&mut self.headers, is_router_key));
        if !self.query.is_empty() {
            self.query = open_query(&self.query, is_router_key);
        }
        self.may_read = self.key.as_ref().is_none_or(|name| keys.iter().any(|key| key.name == *name && key.read));
        self.debug &= self.may_read;
        self
    }
}

pub(super) fn too_large(most: usize) -> Failure {
    Failure::client(413, format!("the body is larger than {most} bytes"))
}

/// What a client has to send in a second, on average, once the time for small bodies is over, in bytes.
const BYTES_PER_SECOND_MIN: usize = 32 << 10;

/// Reads a call, within the limits of the gate.
pub(super) async fn read(
    id: String,
    client: Client,
    key: Option<String>,
    request: Unread,
    gate: &Gate,
) -> Result<Call, Failure> {
    let most = gate.settings.body_bytes;
    let Unread { mut head, body } = request;
    let encoding = ContentEncoding::parse(head.headers.get("content-encoding").and_then(|value| value.to_str().ok()))?;
    let said = head
        .headers
        .get("content-length")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if said.is_some_and(|said| said > most) {
        return Err(too_large(most));
    }
    let mut room = gate.room()?;
    let mut body = whole(body, most, said, gate.settings.body_wait, &mut room).await?;
    if let Some(encoding) = encoding {
        head.headers.remove("content-encoding");
        let place = gate.enter_decompression().await;
        let client = Arc::new(());
        let (watched, compressed) = (Arc::downgrade(&client), body);
        // Decompressing may take long; other requests do not wait for it.
        let decompressing = tokio::task::spawn_blocking(move || {
            let plain = encoding.decompress(&compressed, most, &mut room, &watched);
            drop(place);
            (plain, room)
        });
        let failed = |_| Failure::client(400, "the body could not be decompressed");
        let (plain, counted) = decompressing.await.map_err(failed)?;
        (body, room) = (plain?, counted);
        room.shrink(body.len());
    }
    let debug = head.headers.get("x-debug").is_some_and(|value| value == "true" || value == "1");
    let query = head.uri.query().map_or_else(String::new, |query| format!("?{query}"));
    Ok(Call {
        id,
        client,
        key,
        headers: head.headers,
        query,
        body,
        withheld: Vec::new(),
        debug,
        may_read: true,
        _room: room,
    })
}

/// Reads a body that may have `most` bytes and has to come in at some pace. `said` is its `content-length`.
async fn whole(
    mut unread: UnreadBody,
    most: usize,
    said: Option<usize>,
    wait: Duration,
    room: &mut Room,
) -> Result<Bytes, Failure> {
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    let mut size = 0;
    let began = tokio::time::Instant::now();
    loop {
        let more = u64::try_from(size / BYTES_PER_SECOND_MIN).unwrap_or(u64::MAX);
        let until = began + wait + Duration::from_secs(more);
        let next = tokio::time::timeout_at(until, unread.body.frame()).await;
        let next = next.map_err(|_| Failure::client(408, "timed out reading the request body"))?;
        let Some(frame) = next else { break };
        let frame = frame.map_err(|_| Failure::client(400, "the request body ended early"))?;
        let Ok(piece) = frame.into_data() else { continue };
        size += piece.len();
        if size > most {
            return Err(too_large(most));
        }
        room.grow(size)?;
        if piece.is_empty() {
            continue;
        }
        // Most bodies come in one piece, which is not copied.
        match first.take() {
            None if all.is_empty() => first = Some(piece),
            before => {
                if all.is_empty() {
                    all.reserve(said.unwrap_or(size).max(size));
                }
                before.iter().for_each(|before| all.extend_from_slice(before));
                all.extend_from_slice(&piece);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}
