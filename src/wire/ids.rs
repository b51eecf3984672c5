//! Names and ids that one maker allows and another does not: shortened and cleaned so that no two become the same, and
//! the same each time.

use std::collections::HashMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The longest tool name that OpenAI takes.
const TOOL_NAME_MAX: usize = 64;
/// What is kept of a longer one, before `_` and eight digits of its hash.
const TOOL_NAME_KEPT: usize = 55;

/// The longest id of a call that OpenAI takes.
const CALL_ID_MAX: usize = 40;

/// The tools' names as they were sent, back to what the client calls them.
#[derive(Debug, Clone, Default)]
pub struct Names {
    sent: HashMap<String, String>,
    /// What ids that are made for an answer's calls begin with, so that those of two answers differ.
    seed: String,
}

impl Names {
    /// The name that a provider is sent for a tool; remembered for the way back.
    pub fn shorten(&mut self, name: &str) -> String {
        let short = short_name(name);
        if short != name {
            self.sent.insert(short.clone(), name.to_owned());
        }
        short
    }

    /// With what tells the ids of this answer's calls from those of others.
    #[must_use]
    pub fn seeded(mut self, seed: &str) -> Self {
        seed.clone_into(&mut self.seed);
        self
    }

    /// An id for the nth call of an answer, whose provider gave none.
    pub fn call_id(&self, n: usize) -> String {
        format!("call_{}_{n}", self.seed)
    }

    /// The client's name of a tool.
    pub fn restore(&self, name: &str) -> String {
        self.sent.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }
}

/// An id of a call that OpenAI takes: not longer than it allows, whoever made it.
pub fn short_id(id: &str) -> String {
    if id.len() <= CALL_ID_MAX { id.to_owned() } else { hashed(id, CALL_ID_MAX - 9) }
}

/// A tool's name that OpenAI takes: `^[a-zA-Z0-9_-]{1,64}$`.
pub fn short_name(name: &str) -> String {
    let fits = name.len() <= TOOL_NAME_MAX && !name.is_empty() && name.chars().all(is_plain);
    if fits {
        return name.to_owned();
    }
    hashed(name, TOOL_NAME_KEPT)
}

/// An id of a call that Anthropic takes: `^[a-zA-Z0-9_-]+$`.
pub fn clean_id(id: &str) -> String {
    if !id.is_empty() && id.len() <= TOOL_NAME_MAX && id.chars().all(is_plain) {
        return id.to_owned();
    }
    hashed(id, 40)
}

fn hashed(text: &str, kept: usize) -> String {
    let mut clean: String = text.chars().map(|c| if is_plain(c) { c } else { '_' }).take(kept).collect();
    clean.push('_');
    clean.push_str(&hex(&Sha256::digest(text.as_bytes()), 4));
    clean
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// The first bytes in hexadecimal.
pub fn hex(bytes: &[u8], n: usize) -> String {
    bytes.iter().take(n).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
