//! The files that a request speaks of: named in texts, attached, touched by tools.

use std::collections::HashSet;

use serde_json::Value;

use crate::features::prompt::{Prompt, own_text};
use crate::features::tables::{EXTENSIONS, FILE_NAMES, NOT_FILES, PATH_INPUTS};
use crate::features::work::Meter;
use crate::wire::chat::{Block, Chat, Message, Role};

/// The longest path, in bytes.
const PATH_BYTES_MAX: usize = 512;
/// The most paths that are kept of one request.
const PATHS_MAX: usize = 2_000;

/// Paths in the order in which they were found, each once.
#[derive(Default)]
struct Paths {
    found: Vec<String>,
    seen: HashSet<String>,
}

impl Paths {
    fn add(&mut self, path: &str) {
        let path = path.trim_start_matches("./").replace('\\', "/");
        if self.found.len() < PATHS_MAX && !path.is_empty() && self.seen.insert(path.clone()) {
            self.found.push(path);
        }
    }

    fn message(&mut self, message: &Message<'_>) {
        for block in &message.blocks {
            match block {
                Block::ToolUse { input, .. } => {
                    if let Ok(value) = serde_json::from_str::<Value>(input) {
                        self.input(&value);
                    }
                }
                Block::Document { title: Some(title), .. } if message.role == Role::User => self.add(title),
                Block::Text(_)
                | Block::Image(_)
                | Block::Document { .. }
                | Block::ToolResult { .. }
                | Block::Thinking { .. }
                | Block::Other { .. } => {}
            }
        }
    }

    /// The paths of a tool's input.
    fn input(&mut self, value: &Value) {
        for (name, value) in value.as_object().into_iter().flatten() {
            if !PATH_INPUTS.contains(&name.as_str()) {
                continue;
            }
            match value {
                Value::String(path) if path.len() <= PATH_BYTES_MAX => self.add(path),
                Value::Array(paths) => paths
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|path| path.len() <= PATH_BYTES_MAX)
                    .for_each(|path| self.add(path)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {}
            }
        }
    }

    fn text(&mut self, text: &str) {
        in_text(text, |path| self.add(path), &mut ());
    }
}

/// The files of the prompt and of what came after it.
pub(super) fn newest(chat: &Chat<'_>, prompt: &Prompt) -> Vec<String> {
    let mut paths = Paths::default();
    paths.text(&prompt.text);
    let first = prompt.message.unwrap_or(0);
    chat.messages.iter().skip(first).for_each(|message| paths.message(message));
    paths.found
}

/// The files of all messages.
pub(super) fn all(chat: &Chat<'_>) -> Vec<String> {
    let mut paths = Paths::default();
    for message in &chat.messages {
        if message.role == Role::User {
            paths.text(&own_text(message));
        }
        paths.message(message);
    }
    paths.found
}

/// Calls `found` for each path that a text names. `meter` is told what is looked at.
pub fn in_text(text: &str, mut found: impl FnMut(&str), meter: &mut impl Meter) {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| !c.is_whitespace()) {
        rest = rest.get(at..).unwrap_or_default();
        let quote = rest.chars().next().filter(|c| matches!(c, '`' | '"' | '\''));
        if let Some(inner) = quote.and_then(|quote| quoted(rest, quote, meter)) {
            // What stands in quotes may hold several words: each is looked at when the whole is no path.
            if let Some(path) = path_of(inner, true) {
                found(path);
                rest = rest.get(inner.len() + 2..).unwrap_or_default();
                continue;
            }
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        meter.scanned(at + end);
        if let Some(path) = path_of(word, false) {
            found(path);
        }
        rest = rest.get(end..).unwrap_or_default();
    }
}

/// What stands between a quote at the beginning and the next one on the line.
fn quoted<'t>(text: &'t str, quote: char, meter: &mut impl Meter) -> Option<&'t str> {
    // A quote that is not closed soon encloses no path.
    let inner = text.get(1..)?;
    let near = inner.as_bytes().get(..=PATH_BYTES_MAX).unwrap_or(inner.as_bytes());
    let end = near.iter().position(|byte| *byte == b'\n' || char::from(*byte) == quote);
    meter.scanned(end.unwrap_or(near.len()));
    let end = end?;
    (inner.get(end..)?.starts_with(quote) && end > 0 && end <= PATH_BYTES_MAX).then(|| inner.get(..end)).flatten()
}

/// The path that a word is, without the signs around it.
fn path_of(word: &str, quoted: bool) -> Option<&str> {
    let word = word.trim_start_matches(['(', '[', '{', '<', '"', '\'', '`', '@', '*']);
    let word = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '>', '"', '\'', '`', '*']);
    let word = without_line(word.strip_suffix("'s").unwrap_or(word));
    let bad = word.is_empty()
        || word.len() > PATH_BYTES_MAX
        || word.contains("://")
        || word.contains(['<', '>', '|', '"', '`', '(', '=', '$', '{']);
    if bad || (quoted && word.contains(char::is_whitespace)) {
        return None;
    }
    let folded = word.to_lowercase();
    if NOT_FILES.contains(&folded.as_str()) || folded.contains('@') {
        return None;
    }
    let name = folded.rsplit(['/', '\\']).next().unwrap_or(&folded);
    let known_name = FILE_NAMES.contains(&name);
    let extension = name
        .rsplit_once('.')
        .filter(|(stem, _)| !stem.is_empty() || name.starts_with('.'))
        .map(|(_, extension)| extension);
    let known_extension = extension.is_some_and(|extension| EXTENSIONS.binary_search(&extension).is_ok());
    // `v` and `s` and their like end versions and abbreviations as well: a number before them is no file.
    let is_version = name.starts_with(|c: char| c.is_ascii_digit())
        && !name.contains(|c: char| c.is_ascii_alphabetic() && !"vx".contains(c));
    let slashed = folded.contains('/') && !is_fraction(&folded) && !is_host(&folded);
    ((known_name || known_extension) && !is_version || slashed).then_some(word)
}

/// Without `:12` or `:12:5` at its end.
fn without_line(word: &str) -> &str {
    let mut word = word;
    for _ in 0..2 {
        match word.rsplit_once(':') {
            Some((front, line)) if !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit()) => word = front,
            _ => break,
        }
    }
    word
}

fn is_fraction(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit() || "/.-%".contains(c))
}

/// `example.com/x`: a name with a point before the first slash that is no folder of dots.
fn is_host(word: &str) -> bool {
    let first = word.split('/').next().unwrap_or_default();
    let ends = [".com", ".org", ".net", ".io", ".dev", ".ai", ".edu", ".gov", ".co", ".app"];
    ends.iter().any(|end| first.ends_with(end))
}
