//! A call as it came in: read whole, within its limit.

use std::io::Read as _;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};

use crate::proxy::failure::Failure;
use crate::wire::Client;

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
    /// The client wants to know how its request was decided.
    pub(super) debug: bool,
}

fn too_large(most: usize) -> Failure {
    Failure::client(413, format!("the body is larger than {most} bytes"))
}

/// Reads a call, of so many bytes at most.
pub(super) async fn read(
    id: String,
    client: Client,
    key: Option<String>,
    request: Request<Body>,
    most: usize,
) -> Result<Call, Failure> {
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
    let read = Limited::new(body, most).collect().await;
    let body = read.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            too_large(most)
        } else {
            Failure::client(400, "the body could not be read to its end")
        }
    })?;
    let body = match encoding {
        None => body.to_bytes(),
        Some(encoding) => {
            head.headers.remove("content-encoding");
            // Unpacking may take long; other requests do not wait for it.
            let unpacking = tokio::task::spawn_blocking(move || encoding.unpack(&body.to_bytes(), most));
            unpacking.await.map_err(|_| Failure::client(400, "the body could not be unpacked"))??
        }
    };
    let debug = head.headers.get("x-debug").is_some_and(|value| value == "true" || value == "1");
    let query = head.uri.query().map_or_else(String::new, |query| format!("?{query}"));
    Ok(Call { id, client, key, headers: head.headers, query, body, debug })
}
