//! Which requests may come in at all: by the host that they name and, from browsers, by the page that sent them.
//!
//! Any web page that its user opens can send requests to a loopback port, and one whose name is rebound to 127.0.0.1 can
//! read the responses too. Programs send neither `origin` nor `sec-fetch-site`; browsers cannot leave them out, and
//! cannot choose `host`.
//!
//! Sources: Fetch ("CORS protocol", "`Origin` header"), Fetch Metadata (`Sec-Fetch-Site`), RFC 9110 7.2 (`Host`).

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, HOST, ORIGIN, REFERER, USER_AGENT, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::config::{Configuration, file};
use crate::proxy::App;
use crate::proxy::failure::Failure;
use crate::proxy::keys::{self, Permission};
use crate::proxy::unread::Unread;
use crate::wire::Client;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
/// How long a browser remembers the response to a preflight, in seconds.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");
/// The most bytes of a header that a message repeats.
const SHOWN_BYTES_MAX: usize = 200;

/// Lets a request in, or refuses it with the line of the configuration that would let it in.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let active = app.active();
    let configuration = &active.configuration;
    let origin = match check(configuration, &request) {
        Ok(origin) => origin,
        Err(failure) => {
            tracing::debug!(status = failure.status, "refused at the door: {}", failure.message);
            let request = Unread::new(request, &app.tasks);
            return failure.answer(Client::at(request.head.uri.path()), &app.request_id());
        }
    };
    let Some(origin) = origin else {
        drop(active);
        return next.run(request).await;
    };
    let headers = request.headers();
    let is_preflight = *request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight { preflight(headers) } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    headers.append(VARY, HeaderValue::from_static("origin"));
    response
}

/// Returns the origin that the response has to name, `None` where it names none.
fn check(configuration: &Configuration, request: &Request) -> Result<Option<HeaderValue>, Failure> {
    let headers = request.headers();
    check_host(configuration, request)?;
    let origin = check_origin(configuration, headers)?;
    let is_undeclared = *request.method() == Method::POST && !is_json(headers);
    if is_undeclared && is_of_browser(headers) {
        let message = "a browser has to declare the body: send `content-type: application/json`";
        return Err(Failure::client(415, message).with_header("accept", "application/json"));
    }
    Ok(origin)
}

// --- host --------------------------------------------------------------------------------------------------------------

/// Refuses a request whose host is not this router's. Every place that names one is looked at: the `host` header, the
/// target in absolute form, and `:authority` of HTTP/2, which hyper puts into the target.
fn check_host(configuration: &Configuration, request: &Request) -> Result<(), Failure> {
    let mut named = request.headers().get_all(HOST).iter();
    let (host, second) = (named.next(), named.next());
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    if second.is_some() || (host.is_none() && target.is_none()) {
        return Err(Failure::client(400, "expected one `host` header"));
    }
    // Whoever has a key may call the router by any name that leads to it, unless the configuration lists the names.
    if configuration.keys.is_some() && !configuration.browsers.has_hosts() {
        return Ok(());
    }
    let host = host.map(|host| host.to_str().unwrap_or_default());
    for authority in host.into_iter().chain(target) {
        if is_loopback(authority) {
            continue;
        }
        let name = host_of(authority).to_ascii_lowercase();
        if !configuration.browsers.allow_host(&name) {
            let shown = shown(&name);
            let line = line(configuration, "hosts", shown);
            let message = format!("`{shown}` is not a host name of this router; if it leads here, add {line}");
            return Err(Failure::client(421, message));
        }
    }
    Ok(())
}

/// Whether an authority names this machine by itself: `localhost`, or a loopback address, with or without a port.
fn is_loopback(authority: &str) -> bool {
    let host = host_of(authority);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Returns the host of an authority: without its port, the brackets of an address and a trailing dot. What is not one
/// is returned as it is, and equals no name.
fn host_of(authority: &str) -> &str {
    if let Some(inner) = authority.strip_prefix('[') {
        return match inner.split_once(']') {
            Some((address, port)) if port.is_empty() || is_port(port) => address,
            _ => authority,
        };
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host)
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

// --- browsers ----------------------------------------------------------------------------------------------------------

/// Refuses a request that a foreign page sent, unless a router key came with it: no page knows one that its user did not
/// give it. Returns the origin where `router.cors` lists it.
fn check_origin(configuration: &Configuration, headers: &HeaderMap) -> Result<Option<HeaderValue>, Failure> {
    let origin = headers.get(ORIGIN);
    if origin.is_none() && !headers.contains_key(SEC_FETCH_SITE) {
        return Ok(None);
    }
    let text = origin.map(|origin| origin.to_str().unwrap_or("null"));
    let is_single = headers.get_all(ORIGIN).iter().count() < 2;
    if let Some(text) = text.filter(|text| is_single && configuration.browsers.allow_origin(text)) {
        return Ok(HeaderValue::try_from(text).ok());
    }
    let site_is_own = headers.get_all(SEC_FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none");
    let origin_is_own = text.is_none_or(|origin| is_own(origin, headers));
    if is_single && site_is_own && origin_is_own {
        return Ok(None);
    }
    let has_key = configuration.keys.is_some();
    if has_key && keys::authenticate(configuration, headers, Permission::Any).is_ok() {
        return Ok(None);
    }
    let message = match text {
        Some("null") => {
            "a web page without an origin (a local file, a sandboxed frame) may not use this router: serve it from an address, and list that in `router.cors`".to_owned()
        }
        Some(origin) => {
            let (shown, line) = (shown(origin), line(configuration, "cors", shown(origin)));
            format!("web pages of `{shown}` may not use this router; if they are yours, add {line}")
        }
        None => "web pages of other sites may not use this router; list the origin of yours in `router.cors`".to_owned(),
    };
    Err(Failure::client(403, message))
}

/// Whether an origin is the one that the request was sent to.
fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let (port, authority) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://")) {
        (Some(authority), _) => (":80", authority),
        (_, Some(authority)) => (":443", authority),
        _ => return false,
    };
    let plain = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    plain(authority) == plain(host)
}

/// Whether a browser sent a request: programs set none of these.
fn is_of_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN)
        || headers.contains_key(REFERER)
        || headers.keys().any(|name| name.as_str().starts_with("sec-"))
        || headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}

/// Whether the body is declared as JSON: `application/json`, or a type that ends in `+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(declared) = headers.get(CONTENT_TYPE) else { return false };
    if declared == "application/json" {
        return true;
    }
    let kind = declared.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
        || kind.len().checked_sub(5).and_then(|at| kind.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case("+json"))
}

/// The response to a preflight of a listed origin.
fn preflight(asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, HEAD, OPTIONS"));
    let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or_else(|| HeaderValue::from_static("content-type")));
    headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    if asked.contains_key(REQUEST_PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    response
}

// --- messages ----------------------------------------------------------------------------------------------------------

/// The line that lets a request in, in the form of the configuration file.
fn line(configuration: &Configuration, member: &str, value: &str) -> String {
    let is_toml = configuration.path.as_deref().is_some_and(file::is_toml);
    if is_toml {
        format!("`{member} = [\"{value}\"]` to the section `[router]` of the configuration")
    } else {
        format!("`\"router\": {{\"{member}\": [\"{value}\"]}}` to the configuration")
    }
}

/// The start of a header's text that a message repeats.
fn shown(text: &str) -> &str {
    let end = (0..=SHOWN_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_however_it_is_written() {
        let own = [
            "localhost",
            "LocalHost.",
            "localhost:8080",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:1",
        ];
        for authority in own {
            assert!(is_loopback(authority), "{authority}");
        }
        let foreign = [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "0.0.0.0",
            "10.0.0.1",
            "[::]",
            "[::1",
            "[::1]x",
            "localhost@evil.example",
            "evil.example@localhost:80x",
            "localhost:80:80",
            "2130706433",
            "0x7f.1",
        ];
        for authority in foreign {
            assert!(!is_loopback(authority), "{authority}");
        }
    }
}
