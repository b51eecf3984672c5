//! Text on its way out of the router: known secrets are hidden by value, and what came from outside cannot make lines or
//! terminal sequences of its own.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use aho_corasick::{AhoCorasick, MatchKind};
use arc_swap::ArcSwapOption;

use crate::lang::diagnostic::secret;

/// The least bytes of a secret that is hidden by value: what is shorter occurs in texts by chance.
const SECRET_BYTES_MIN: usize = 8;

/// The most keys of callers that are remembered.
const CALLERS_MAX: usize = 256;

/// What is hidden, in the whole process: a log line does not know which configuration it belongs to.
static KNOWN: ArcSwapOption<AhoCorasick> = ArcSwapOption::const_empty();

/// The secrets that are searched for.
static SECRETS: Mutex<Secrets> =
    Mutex::new(Secrets { configured: Vec::new(), before: Vec::new(), callers: Vec::new() });

#[derive(Debug)]
struct Secrets {
    configured: Vec<String>,
    /// The secrets of the configuration before: requests under way may still use them.
    before: Vec<String>,
    /// Keys of which the configuration knows the digest alone, as callers sent them.
    callers: Vec<String>,
}

impl Secrets {
    fn publish(&self) {
        let all = self.configured.iter().chain(&self.before).chain(&self.callers).flat_map(|secret| forms(secret));
        if let Ok(search) = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(all) {
            KNOWN.store(Some(Arc::new(search)));
        }
    }
}

/// Replaces the secrets of the configuration. Those that were known until now are hidden until the next time.
pub fn know(secrets: impl IntoIterator<Item = String>) {
    let mut configured: Vec<String> = secrets.into_iter().filter(|secret| is_searchable(secret)).collect();
    configured.sort_unstable();
    configured.dedup();
    let mut known = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    if known.configured != configured {
        known.before = std::mem::replace(&mut known.configured, configured);
        known.publish();
    }
}

/// Whether a secret can be searched for: digits alone would be found in numbers.
fn is_searchable(secret: &str) -> bool {
    secret.len() >= SECRET_BYTES_MIN && !secret.bytes().all(|byte| byte.is_ascii_digit())
}

/// Adds the key of a caller, which was found to be right.
pub fn know_caller(key: &str) {
    if !is_searchable(key) || holds_secret(key) {
        return;
    }
    let mut known = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    if known.callers.len() < CALLERS_MAX {
        known.callers.push(key.to_owned());
        known.publish();
    }
}

/// The forms that a secret is written in: as it is, and as a string of JSON.
fn forms(secret: &str) -> impl Iterator<Item = String> {
    let json = serde_json::to_string(secret).unwrap_or_default();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default().to_owned();
    let other = (json != secret && !json.is_empty()).then_some(json);
    std::iter::once(secret.to_owned()).chain(other)
}

/// Whether a text holds a known secret.
pub fn holds_secret(text: &str) -> bool {
    KNOWN.load().as_ref().is_some_and(|known| known.is_match(text))
}

/// Returns a text without known secrets.
pub fn hide_known(text: &str) -> Cow<'_, str> {
    let known = KNOWN.load();
    let Some(known) = known.as_ref().filter(|known| known.is_match(text)) else { return Cow::Borrowed(text) };
    let mut hidden = String::with_capacity(text.len());
    known.replace_all_with(text, &mut hidden, |_, _, into| {
        into.push_str(secret::HIDDEN_VALUE);
        true
    });
    Cow::Owned(hidden)
}

/// Returns a text without known secrets and without what looks like one.
pub fn hide(text: &str) -> Cow<'_, str> {
    match hide_known(text) {
        Cow::Borrowed(text) => secret::hide(text),
        Cow::Owned(text) => Cow::Owned(secret::hide(&text).into_owned()),
    }
}

/// Returns bytes without known secrets and without what looks like one, where they hold any.
pub fn hide_bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    match hide(&text) {
        Cow::Borrowed(_) => None,
        Cow::Owned(hidden) => Some(hidden.into_bytes()),
    }
}

/// Whether a character could end a line, steer a terminal, or turn the direction of the text around it.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Returns a text on one line: characters that end lines, steer terminals or change directions are written as escapes,
/// which are valid inside of a string of JSON too.
pub fn one_line(text: &str) -> Cow<'_, str> {
    // Without a way out of the loop, so that many bytes are looked at in one step.
    let plain = text.bytes().fold(true, |plain, byte| plain & (b' '..0x7f).contains(&byte));
    if plain || !text.chars().any(is_active) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if is_active(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    line.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => line.push(c),
        }
    }
    Cow::Owned(line)
}

/// Returns a text of several lines in which nothing but its line ends is active.
pub fn lines(text: &str) -> Cow<'_, str> {
    let active = |c: char| c != '\n' && is_active(c);
    if !text.chars().any(active) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(one_line).collect();
    Cow::Owned(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_active_is_escaped_and_the_rest_stays() {
        assert!(matches!(one_line("h\u{e9} \u{4f60}\u{597d} \u{1f600} plain"), Cow::Borrowed(_)));
        assert_eq!(
            one_line("a\nb\r\tc\u{1b}[31m\u{2028}\u{202e}\u{85}\u{7f}"),
            "a\\nb\\r\\tc\\u001b[31m\\u2028\\u202e\\u0085\\u007f"
        );
        assert_eq!(one_line("\u{e0041}"), "\\udb40\\udc41");
        assert_eq!(lines("a\nb\u{1b}\n"), "a\nb\\u001b\n");
    }
}
