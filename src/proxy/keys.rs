//! Keys: those of the router, by which callers are known, and those of a provider, which are taken in turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};

use crate::config::Configuration;
use crate::config::service::RouterKey;
use crate::proxy::failure::{Blame, Failure};
use crate::state::outside;
use crate::wire::credential::holds_key;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    /// Read statistics, details of health, explanations.
    Read,
    /// Send requests.
    Write,
    /// Either will do.
    Any,
}

/// The most values that are compared with the keys of the router.
const CANDIDATES_MAX: usize = 16;

/// Returns the key of a caller, or `None` where nobody needs one. A key is looked for in `x-router-key`, `x-api-key` and
/// `Authorization`, in every value of each; one that is right is enough.
pub(super) fn authenticate<'c>(
    configuration: &'c Configuration,
    headers: &HeaderMap,
    permission: Permission,
) -> Result<Option<&'c RouterKey>, Failure> {
    let Some(keys) = &configuration.keys else { return Ok(None) };
    let found = candidates(headers).take(CANDIDATES_MAX).find_map(|sent| {
        let key = find(keys, sent)?;
        outside::know_caller(sent);
        Some(key)
    });
    let key = found.ok_or_else(|| unknown(headers))?;
    let may = match permission {
        Permission::Read => key.read,
        Permission::Write => key.write,
        Permission::Any => key.read || key.write,
    };
    if !may {
        let lacks = if permission == Permission::Read { "read" } else { "write" };
        let message = format!("the key `{}` has no permission to {lacks}", key.name);
        return Err(Failure::new(Blame::Client, 403, message).with_header("x-should-retry", "false"));
    }
    Ok(Some(key))
}

/// Returns the key that a text is. Every key is compared whole, so that the time says nothing about which one it nearly was.
pub(super) fn find<'c>(keys: &'c [RouterKey], sent: &str) -> Option<&'c RouterKey> {
    let hash: [u8; 32] = Sha256::digest(sent.as_bytes()).into();
    let mut found = None;
    for key in keys {
        if same(&key.hash, &hash) {
            found = Some(key);
        }
    }
    found
}

/// The values that may be a key of the router, in the order in which they are looked at.
fn candidates(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let plain = |name: &str| headers.get_all(name).into_iter().filter_map(text_of);
    let bearer = headers.get_all("authorization").into_iter().filter_map(text_of).filter_map(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    plain("x-router-key").chain(plain("x-api-key")).chain(bearer).filter(|key| !key.is_empty())
}

fn text_of(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok().map(str::trim)
}

/// The failure of a request without a key that the router knows. It repeats nothing of what was sent.
fn unknown(headers: &HeaderMap) -> Failure {
    const WAYS: &str = "`x-router-key: KEY`, `x-api-key: KEY` or `Authorization: Bearer KEY`";
    let names = ["x-router-key", "x-api-key", "authorization", "api-key", "x-goog-api-key"];
    let any = |is: fn(&HeaderValue) -> bool| names.iter().any(|name| headers.get_all(*name).into_iter().any(is));
    let message = if any(|value| holds_key(value.as_bytes())) {
        "the credential in this request is one of a provider, and this router needs a key of its own: send it as \
         `x-router-key: KEY` (Claude Code: `ANTHROPIC_CUSTOM_HEADERS=\"x-router-key: KEY\"`)"
            .to_owned()
    } else if any(|value| !value.is_empty()) {
        format!("the router does not know this key: send one of the router's own keys as {WAYS}")
    } else {
        format!("this router needs a key of its own: send it as {WAYS}")
    };
    Failure::new(Blame::Client, 401, message)
        .with_header("www-authenticate", "Bearer")
        .with_header("x-should-retry", "false")
}

fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let differs = one.iter().zip(other).fold(0u8, |differs, (one, other)| differs | (one ^ other));
    std::hint::black_box(differs) == 0
}

/// How long a key rests that its provider does not accept.
const REFUSED_REST: Duration = Duration::from_mins(5);
/// How long a key rests that has reached a limit, when its provider does not say.
const LIMITED_REST: Duration = Duration::from_secs(30);

/// Whose turn it is among the keys of each provider, and which ones rest.
#[derive(Debug, Clone, Default)]
pub(super) struct Keyring(Arc<Mutex<HashMap<String, Turns>>>);

#[derive(Debug, Default)]
struct Turns {
    next: usize,
    /// Until when each rests.
    rests: Vec<Duration>,
}

impl Keyring {
    /// The key to take next, by its place: one that does not rest, else the one that rested longest.
    pub(super) fn take(&self, provider: &str, keys: usize, now: Duration) -> usize {
        if keys < 2 {
            return 0;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = all.entry(provider.to_owned()).or_default();
        turns.rests.resize(keys, Duration::ZERO);
        let order = (0..keys).map(|step| (turns.next + step) % keys);
        let awake = order.clone().find(|place| turns.rests[*place] <= now);
        let taken = awake.or_else(|| order.min_by_key(|place| turns.rests[*place])).unwrap_or(0);
        turns.next = (taken + 1) % keys;
        taken
    }

    /// A key failed with a status; whether another one may do better right now.
    pub(super) fn failed(
        &self,
        provider: &str,
        keys: usize,
        place: usize,
        status: u16,
        asked: Option<Duration>,
        now: Duration,
    ) -> bool {
        let rest = match status {
            401 | 403 => REFUSED_REST,
            429 => asked.unwrap_or(LIMITED_REST),
            _ => return false,
        };
        if keys < 2 {
            return false;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = all.entry(provider.to_owned()).or_default();
        turns.rests.resize(keys, Duration::ZERO);
        turns.rests[place] = now + rest;
        turns.rests.iter().any(|until| *until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_take_turns_and_one_that_failed_rests() {
        let ring = Keyring::default();
        let second = Duration::from_secs;
        let take = |now| ring.take("p", 3, second(now));
        assert_eq!([take(0), take(0), take(0), take(0)], [0, 1, 2, 0]);
        assert!(ring.failed("p", 3, 1, 429, Some(second(9)), second(1)));
        assert_eq!([take(2), take(2), take(2)], [2, 0, 2]);
        assert_eq!([take(10), take(10)], [0, 1]);
        assert!(!ring.failed("p", 3, 0, 500, None, second(11)), "a failing server is not its key's fault");
    }
}
