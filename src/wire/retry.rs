//! When to try again, as providers say it: seconds, parts of them, a date, or a text in the body; as clients read it:
//! whole seconds.
//!
//! Source: RFC 9110, "Retry-After"; Google's `RetryInfo`.

use std::time::Duration;

use jiff::fmt::rfc2822;
use serde_json::Value;

/// The longest wait that a client is told, in seconds: a day.
pub const SECONDS_MAX: u64 = 86_400;
/// The longest time that the router itself waits, in seconds: an hour.
const REST_SECONDS_MAX: u64 = 3_600;

/// Returns the whole seconds to wait, from a `retry-after` header, else from the body of an error: a day at most. `now` is
/// in seconds since 1970.
pub fn after(header: Option<&str>, body: &[u8], now: i64) -> Option<u64> {
    let seconds = header.and_then(|value| of_header(value.trim(), now)).or_else(|| of_body(body));
    seconds.map(|seconds| seconds.min(SECONDS_MAX))
}

/// Returns how long the router itself rests a key or a model for a wait that a provider asked for: an hour at most.
pub fn rest(seconds: u64) -> Duration {
    Duration::from_secs(seconds.min(REST_SECONDS_MAX))
}

fn of_header(value: &str, now: i64) -> Option<u64> {
    if let Some(seconds) = whole(value) {
        return Some(seconds);
    }
    let date = rfc2822::parse(value).ok()?;
    u64::try_from(date.timestamp().as_second().saturating_sub(now)).ok().or(Some(0))
}

/// `error.details[].retryDelay`, as in `"7.5s"`.
fn of_body(body: &[u8]) -> Option<u64> {
    let read: Value = serde_json::from_slice(body).ok()?;
    let error = read.get(0).unwrap_or(&read).get("error")?;
    let details = error.get("details")?.as_array()?;
    details.iter().find_map(|detail| whole(detail.get("retryDelay")?.as_str()?.strip_suffix('s')?))
}

/// A number of seconds, a part of one counted as a whole one.
fn whole(text: &str) -> Option<u64> {
    let is_number =
        text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let seconds = text.parse::<f64>().ok().filter(|_| is_number)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and it is not negative"
    )]
    let whole = seconds.ceil() as u64;
    Some(whole)
}
