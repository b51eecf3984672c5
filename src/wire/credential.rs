//! Which headers, query parameters and values carry a credential. One table for everything that forwards, records or shows
//! them.

use std::borrow::Cow;

/// How a header of a client's request is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderClass {
    /// A well-known header that goes on to a provider of the client's own API.
    Known,
    /// A header that nothing is known of: it goes on unless its value is a credential.
    Unknown,
    /// It concerns the connection between the client and the router, or the browser that sends it.
    Hop,
    /// Its name says that it carries a credential.
    Credential,
}

/// Returns the class of a header by its name in lower case. The names that clients send with nearly every request are
/// decided by a few comparisons: those that begin with the same letter stand together.
pub fn header_class(name: &str) -> HeaderClass {
    use HeaderClass::{Hop, Known};
    let class = match name.as_bytes().first() {
        Some(b'a') => match name {
            "accept" | "accept-language" | "anthropic-beta" | "anthropic-version" => Some(Known),
            "anthropic-dangerous-direct-browser-access" => Some(Known),
            "accept-encoding" | "alt-used" => Some(Hop),
            _ => None,
        },
        Some(b'c') => match name {
            "content-type" => Some(Known),
            "connection" | "content-length" | "content-encoding" => Some(Hop),
            "cf-connecting-ip" | "cf-connecting-ipv6" => Some(Hop),
            _ => None,
        },
        Some(b'x') => match name.strip_prefix("x-stainless-") {
            Some(rest) => OF_SDK.contains(&rest).then_some(Known),
            None => match name {
                "x-app" | "x-claude-code-session-id" => Some(Known),
                "x-debug" | "x-real-ip" | "x-client-ip" | "x-cluster-client-ip" | "x-original-forwarded-for" => {
                    Some(Hop)
                }
                _ => None,
            },
        },
        _ => match name {
            "user-agent" | "idempotency-key" => Some(Known),
            "host" | "expect" | "fastly-client-ip" | "fly-client-ip" | "forwarded" | "http2-settings" => Some(Hop),
            "keep-alive" | "max-forwards" | "origin" | "proxy-connection" | "referer" | "te" | "trailer" => Some(Hop),
            "transfer-encoding" | "true-client-ip" | "upgrade" | "via" => Some(Hop),
            _ => None,
        },
    };
    class.unwrap_or_else(|| class_by_pattern(name))
}

/// What stands behind `x-stainless-` in the headers of the SDKs of Anthropic and OpenAI.
const OF_SDK: &[&str] = &[
    "arch",
    "async",
    "helper",
    "helper-method",
    "lang",
    "os",
    "package-version",
    "poll-helper",
    "raw-response",
    "read-timeout",
    "retry-count",
    "runtime",
    "runtime-version",
    "timeout",
];

/// What names begin with that concern the connection, or the router itself.
const HOP_PREFIXES: &[&str] = &["sec-", "x-forwarded-", "x-router-", "proxy-", "access-control-"];

fn class_by_pattern(name: &str) -> HeaderClass {
    if name.starts_with("x-claude-code-") {
        return HeaderClass::Unknown;
    }
    if names_credential(name) {
        return HeaderClass::Credential;
    }
    if HOP_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) { HeaderClass::Hop } else { HeaderClass::Unknown }
}

/// Headers of services that stand before an API and authenticate there.
const CREDENTIAL_PREFIXES: &[&str] =
    &["cf-access-", "x-amz-", "ocp-apim-", "helicone-", "x-portkey-", "x-litellm-", "x-goog-iam-"];

/// Whether a name in lower case, with dashes, says that its value is a credential.
fn names_credential(name: &str) -> bool {
    if name.ends_with("idempotency-key") {
        return false;
    }
    if name.ends_with("-key") || CREDENTIAL_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return true;
    }
    // `anthropic-…-tokens` counts tokens and holds none.
    let counts = name.starts_with("anthropic-");
    let bytes = name.as_bytes();
    (0..bytes.len()).any(|at| {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest.first() {
            Some(b'a') => {
                rest.starts_with(b"auth")
                    || rest.starts_with(b"api-key")
                    || rest.starts_with(b"apikey")
                    || rest.starts_with(b"access-key")
            }
            Some(b'c') => rest.starts_with(b"credential") || rest.starts_with(b"cookie"),
            Some(b'j') => rest.starts_with(b"jwt"),
            Some(b'p') => rest.starts_with(b"password") || rest.starts_with(b"passwd"),
            Some(b's') => rest.starts_with(b"secret"),
            Some(b't') => rest.starts_with(b"token") && !(counts && rest.starts_with(b"tokens")),
            _ => false,
        }
    })
}

/// Whether a query parameter is a credential, by its name as it is written in the address.
pub fn is_credential_parameter(name: &str) -> bool {
    let decoded = percent_decoded(name);
    let folded = String::from_utf8_lossy(&decoded).to_ascii_lowercase().replace('_', "-");
    matches!(folded.as_str(), "key" | "sig" | "signature" | "pass" | "pwd")
        || matches!(header_class(&folded), HeaderClass::Credential)
}

/// Marks that providers and services give their keys. A key is longer than its mark.
const KEY_MARKS: &[&str] = &[
    "sk-",
    "sk_",
    "rk_live_",
    "rk_test_",
    "AIza",
    "ya29.",
    "gsk_",
    "xai-",
    "hf_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "pplx-",
    "nvapi-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxs-",
    "fw_",
    "csk-",
    "tgp_v1_",
];
/// The least bytes of a key behind its mark.
const KEY_REST_MIN: usize = 5;

/// Whether a word has the form of a key or token that a provider issues.
fn is_key(word: &[u8]) -> bool {
    let marked = |mark: &&str| {
        let rest = word.strip_prefix(mark.as_bytes());
        rest.is_some_and(|rest| rest.len() >= KEY_REST_MIN)
    };
    KEY_MARKS.iter().any(marked) || is_aws_key(word) || is_json_web_token(word)
}

fn is_aws_key(word: &[u8]) -> bool {
    let rest = word.strip_prefix(b"AKIA").or_else(|| word.strip_prefix(b"ASIA"));
    rest.is_some_and(|rest| {
        rest.len() == 16 && rest.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    })
}

fn is_json_web_token(word: &[u8]) -> bool {
    let of_base64 = |part: &[u8]| part.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let mut parts = word.split(|byte| *byte == b'.');
    let (head, body, signature) = (parts.next(), parts.next(), parts.next());
    let long = |part: Option<&[u8]>, least: usize| part.is_some_and(|part| part.len() >= least && of_base64(part));
    word.starts_with(b"eyJ") && long(head, 8) && long(body, 4) && long(signature, 4) && parts.next().is_none()
}

/// Whether a value is a credential by its form, or holds one.
pub fn is_credential_value(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    has_scheme(value, b"bearer ") || has_scheme(value, b"basic ") || holds_key(value)
}

/// Whether one of the words of a value has the form of a key that a provider issues.
pub fn holds_key(value: &[u8]) -> bool {
    let ends_word = |byte: &u8| {
        byte.is_ascii_whitespace()
            || matches!(byte, b',' | b';' | b':' | b'=' | b'"' | b'\'' | b'{' | b'}' | b'(' | b')' | b'&' | b'?')
    };
    value.split(ends_word).any(is_key)
}

fn has_scheme(value: &[u8], scheme: &[u8]) -> bool {
    value.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)) && value.len() > scheme.len()
}

/// Returns a query with its `?` and without parameters that carry a credential; `is_secret` knows more values. An empty
/// text when nothing remains.
pub fn open_query(query: &str, is_secret: impl Fn(&str) -> bool) -> String {
    let carries = |member: &&str| {
        let (name, value) = member.split_once('=').unwrap_or((member, ""));
        let decoded = percent_decoded(value);
        let known = || std::str::from_utf8(&decoded).is_ok_and(&is_secret);
        is_credential_parameter(name) || is_credential_value(&decoded) || known()
    };
    let open: Vec<&str> = query.trim_start_matches('?').split('&').filter(|member| !carries(member)).collect();
    let joined = open.join("&");
    if joined.is_empty() { joined } else { format!("?{joined}") }
}

/// Returns a part of an address with its escapes read.
pub fn percent_decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = digit(bytes.get(at + 1)).zip(digit(bytes.get(at + 2)));
        match (byte, escaped.and_then(|(high, low)| u8::try_from(high << 4 | low).ok())) {
            (b'%', Some(value)) => {
                decoded.push(value);
                at += 3;
            }
            (b'+', _) => {
                decoded.push(b' ');
                at += 1;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials_are_known_and_names_of_settings_are_not() {
        for name in [
            "authorization",
            "proxy-authorization",
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "x-router-key",
            "anthropic-auth-token",
            "x-claude-secret",
            "x-session-token",
            "cookie",
            "cf-access-client-id",
            "x-amz-date",
            "x-forwarded-access-token",
        ] {
            assert_eq!(header_class(name), HeaderClass::Credential, "{name}");
        }
        for name in
            ["x-anything", "anthropic-future", "anthropic-max-tokens", "x-claude-code-token-budget", "traceparent"]
        {
            assert_eq!(header_class(name), HeaderClass::Unknown, "{name}");
        }
        for name in ["sec-fetch-site", "x-forwarded-for", "x-router-tag", "via", "http2-settings"] {
            assert_eq!(header_class(name), HeaderClass::Hop, "{name}");
        }
    }

    #[test]
    fn values_are_credentials_by_their_form() {
        for value in [
            "sk-ant-oat01-abcdef",
            " Bearer anything",
            "bearer x",
            "Basic dTpw",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcd-_ef",
            "token=ghp_abcdefgh",
            "AKIAABCDEFGHIJKLMNOP",
            "{\"k\":\"gsk_abcdef\"}",
        ] {
            assert!(is_credential_value(value.as_bytes()), "{value}");
        }
        for value in ["sk-SK,sk;q=0.9", "a.b.c", "eyJ", "bearer", "task-123456", "claude-sonnet-4-5", "AKIA"] {
            assert!(!is_credential_value(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn a_query_keeps_what_is_no_credential() {
        let open = |query| open_query(query, |value| value == "own key");
        assert_eq!(open("?key=a&api_key=b&beta=true"), "?beta=true");
        assert_eq!(open("?%6bey=a&x=Bearer%20abc&y=own+key&z=1"), "?z=1");
        assert_eq!(open("?access_token=1"), "");
        assert_eq!(open("?beta=true"), "?beta=true");
    }
}
