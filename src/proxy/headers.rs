//! Which headers pass through. A client's credentials never do.

use axum::http::{HeaderMap, HeaderName};

use crate::lang::diagnostic::secret::HIDDEN_VALUE;
use crate::wire::credential::{HeaderClass, header_class, is_credential_value};

/// Headers of an answer that belong to one connection.
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

/// Removes every header that carries a credential and returns their names. `is_router_key` says whether a value is a key of
/// this router.
pub(super) fn withhold(headers: &mut HeaderMap, is_router_key: impl Fn(&str) -> bool) -> Vec<HeaderName> {
    let mut withheld: Vec<HeaderName> = Vec::new();
    for (name, value) in &*headers {
        let carries = match header_class(name.as_str()) {
            HeaderClass::Known | HeaderClass::Hop => false,
            HeaderClass::Credential => true,
            HeaderClass::Unknown => {
                is_credential_value(value.as_bytes())
                    || std::str::from_utf8(value.as_bytes()).is_ok_and(|value| is_router_key(value.trim()))
            }
        };
        if carries && withheld.last() != Some(name) {
            withheld.push(name.clone());
        }
    }
    for name in &withheld {
        headers.remove(name);
    }
    withheld
}

/// Whether a header goes on to a provider of the client's own API, unless `connection` names it.
fn goes_on(name: &HeaderName) -> bool {
    matches!(header_class(name.as_str()), HeaderClass::Known | HeaderClass::Unknown)
}

/// The names that the `connection` headers list: they concern this connection alone.
fn of_connection(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all("connection").into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// The headers of a request that an upstream of the same API is sent.
pub(super) fn to_upstream(headers: &HeaderMap) -> HeaderMap {
    let open = headers.iter().filter(|(name, _)| goes_on(name));
    let mut open: HeaderMap = open.map(|(name, value)| (name.clone(), value.clone())).collect();
    of_connection(headers).for_each(|name| drop(open.remove(name)));
    open
}

/// Prefixes of headers of an answer that a provider cannot say for the router.
const ROUTER_OWN: &[&str] = &["x-router-", "access-control-"];

/// Returns the headers of a response that a client of the same API is sent. A stream has no `content-length`, because the
/// router may add events to it.
pub(super) fn to_client(headers: &HeaderMap, is_stream: bool) -> HeaderMap {
    let own = |name: &str| ROUTER_OWN.iter().any(|prefix| name.starts_with(prefix));
    let open = headers.iter().filter(|(name, _)| !NOT_RETURNED.contains(&name.as_str()) && !own(name.as_str()));
    let mut open: HeaderMap = open.map(|(name, value)| (name.clone(), value.clone())).collect();
    of_connection(headers).for_each(|name| drop(open.remove(name)));
    if is_stream {
        open.remove("content-length");
    }
    open
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

/// The headers as the features read them: folded names and values that are text, of a request whose credentials were
/// withheld.
pub(super) fn for_rules(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}

/// The headers as a recording keeps them: every name, and the values of those that go on.
pub(super) fn for_recording(headers: &HeaderMap, withheld: &[HeaderName]) -> Vec<(String, String)> {
    let listed: Vec<&str> = of_connection(headers).collect();
    let shown =
        |name: &HeaderName| goes_on(name) && !listed.iter().any(|other| name.as_str().eq_ignore_ascii_case(other));
    let sent = headers.iter().filter_map(|(name, value)| {
        Some((name.to_string(), if shown(name) { value.to_str().ok()? } else { HIDDEN_VALUE }.to_owned()))
    });
    sent.chain(withheld.iter().map(|name| (name.to_string(), HIDDEN_VALUE.to_owned()))).collect()
}
