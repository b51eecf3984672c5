//! A call as it came in: read whole, within its limit.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};

use crate::proxy::failure::Failure;
use crate::wire::Client;

/// The largest body that is read, in bytes: twice what Anthropic takes.
pub(super) const BODY_BYTES_MAX: usize = 64 << 20;

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) client: Client,
    pub(super) headers: HeaderMap,
    /// With its `?`.
    pub(super) query: String,
    pub(super) body: Bytes,
    /// The client wants to know how its request was decided.
    pub(super) debug: bool,
}

/// Reads a call.
pub(super) async fn read(id: String, client: Client, request: Request<Body>) -> Result<Call, Failure> {
    let (head, body) = request.into_parts();
    let encoding = head.headers.get("content-encoding").and_then(|value| value.to_str().ok()).unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        return Err(Failure::client(415, format!("a body in the encoding `{encoding}` is not read; send it plain")));
    }
    let said = head
        .headers
        .get("content-length")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    let too_large = || Failure::client(413, format!("the body is larger than {BODY_BYTES_MAX} bytes"));
    if said.is_some_and(|said| said > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    let read = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = read.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            too_large()
        } else {
            Failure::client(400, "the body could not be read to its end")
        }
    })?;
    let debug = head.headers.get("x-debug").is_some_and(|value| value == "true" || value == "1");
    let query = head.uri.query().map_or_else(String::new, |query| format!("?{query}"));
    Ok(Call { id, client, headers: head.headers, query, body: body.to_bytes(), debug })
}
