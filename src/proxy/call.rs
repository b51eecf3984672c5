//! A call as it came in: read whole, within its limit.

use std::io::Read as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Request};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use crate::config::Configuration;
use crate::proxy::failure::Failure;
use crate::proxy::gate::{Gate, Room};
use crate::proxy::{headers, keys};
use crate::state::outside;
use crate::wire::Client;
use crate::wire::credential::open_query;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    /// What a header says; none where the body is as it is.
    fn of(header: Option<&str>) -> Result<Option<Self>, Failure> {
        let word = header.unwrap_or("identity").trim().to_ascii_lowercase();
        match word.as_str() {
            "" | "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Self::Gzip)),
            "deflate" => Ok(Some(Self::Deflate)),
            _ => {
                let message = format!("a body in the encoding `{word}` is not read; send it as gzip or plain");
                Err(Failure::client(415, message).with_header("accept-encoding", "gzip, deflate, identity"))
            }
        }
    }

    /// A body as it was before it was packed, within its limit.
    fn unpack(self, packed: &[u8], most: usize) -> Result<Bytes, Failure> {
        let mut plain = Vec::new();
        let limit = most as u64 + 1;
        let read = match self {
            Self::Gzip => flate2::read::MultiGzDecoder::new(packed).take(limit).read_to_end(&mut plain),
            Self::Deflate => flate2::read::ZlibDecoder::new(packed).take(limit).read_to_end(&mut plain),
        };
        if plain.len() > most {
            return Err(too_large(most));
        }
        read.map_err(|_| Failure::client(400, "the body is not packed as its `content-encoding` says"))?;
        Ok(plain.into())
    }
}

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

fn too_large(most: usize) -> Failure {
    Failure::client(413, format!("the body is larger than {most} bytes"))
}

/// What a client has to send in a second, on average, once the time for small bodies is over, in bytes.
const BYTES_PER_SECOND_MIN: usize = 32 << 10;

/// Reads a call, within the limits of the gate.
pub(super) async fn read(
    id: String,
    client: Client,
    key: Option<String>,
    request: Request<Body>,
    gate: &Gate,
) -> Result<Call, Failure> {
    let most = gate.settings.body_bytes;
    let (mut head, body) = request.into_parts();
    let encoding = Encoding::of(head.headers.get("content-encoding").and_then(|value| value.to_str().ok()))?;
    let said = head
        .headers
        .get("content-length")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if said.is_some_and(|said| said > most) {
        return Err(too_large(most));
    }
    let mut room = gate.room()?;
    let body = whole(body, most, gate.settings.body_wait, &mut room).await?;
    let body = match encoding {
        None => body,
        Some(encoding) => {
            head.headers.remove("content-encoding");
            // Unpacking may take long; other requests do not wait for it.
            let unpacking = tokio::task::spawn_blocking(move || encoding.unpack(&body, most));
            let body = unpacking.await.map_err(|_| Failure::client(400, "the body could not be unpacked"))??;
            room.grow(body.len())?;
            body
        }
    };
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

/// A body as it comes in: of so many bytes at most, and not slower than it may be.
async fn whole(mut body: Body, most: usize, wait: Duration, room: &mut Room) -> Result<Bytes, Failure> {
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut size = 0;
    let began = tokio::time::Instant::now();
    loop {
        let more = u64::try_from(size / BYTES_PER_SECOND_MIN).unwrap_or(u64::MAX);
        let until = began + wait + Duration::from_secs(more);
        let next = tokio::time::timeout_at(until, body.frame()).await;
        let next = next.map_err(|_| Failure::client(408, "the body does not come in; send it again"))?;
        let Some(frame) = next else { break };
        let frame = frame.map_err(|_| Failure::client(400, "the body could not be read to its end"))?;
        let Ok(piece) = frame.into_data() else { continue };
        size += piece.len();
        if size > most {
            return Err(too_large(most));
        }
        room.grow(size)?;
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    match pieces.len() {
        0 | 1 => Ok(pieces.pop().unwrap_or_default()),
        _ => {
            let mut all = BytesMut::with_capacity(size);
            pieces.iter().for_each(|piece| all.extend_from_slice(piece));
            Ok(all.freeze())
        }
    }
}
