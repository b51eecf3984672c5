//! Which headers pass through. A client's credentials never do.

use axum::http::{HeaderMap, HeaderName};

/// Headers of one connection, or that the router writes itself, or that hold the client's credentials.
const NOT_SENT: &[&str] = &[
    "accept-encoding",
    "api-key",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-debug",
    "x-goog-api-key",
];
/// Headers of a response that belong to one connection, or that describe bytes that the router may have changed.
const NOT_RETURNED: &[&str] = &[
    "alt-svc",
    "connection",
    "content-encoding",
    "etag",
    "keep-alive",
    "last-modified",
    "proxy-authenticate",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers of an answer that a client acts on, also when the body is translated.
const RETURNED_ALWAYS: &[&str] = &["retry-after", "retry-after-ms", "x-should-retry"];

/// The headers of a request that an upstream of the same API is sent.
pub(super) fn to_upstream(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| !NOT_SENT.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Returns the headers of a response that a client of the same API is sent. A stream has no `content-length`, because the
/// router may add events to it.
pub(super) fn to_client(headers: &HeaderMap, is_stream: bool) -> HeaderMap {
    let is_returned = |name: &HeaderName| {
        !(NOT_RETURNED.contains(&name.as_str()) || is_stream && *name == "content-length" || is_hop(headers, name))
    };
    headers.iter().filter(|(name, _)| is_returned(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Tells whether the upstream's `connection` header names a header, which then belongs to that connection alone.
fn is_hop(headers: &HeaderMap, name: &HeaderName) -> bool {
    let named = headers.get_all("connection").iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(name.as_str()))
}

/// The few headers of an answer that are kept when its body is translated.
pub(super) fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    let wanted = |name: &HeaderName| {
        RETURNED_ALWAYS.contains(&name.as_str()) || name.as_str().starts_with("anthropic-ratelimit-")
    };
    let kept = headers.iter().filter(|(name, _)| wanted(name));
    kept.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}

/// A header's value, where it is text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The headers as the features read them: folded names, values that are text, credentials left out.
pub(super) fn for_rules(headers: &HeaderMap) -> Vec<(String, String)> {
    let secret = ["api-key", "authorization", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization"];
    let open = headers.iter().filter(|(name, _)| !secret.contains(&name.as_str()));
    open.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}
