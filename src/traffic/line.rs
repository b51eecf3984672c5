//! A line of a recording: a request, what was decided, and what became of it. `router explain` takes one as a request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::lang::diagnostic::secret;
use crate::tools::request::{self, Recorded};
use crate::traffic::fields::Kept;

/// A request that was recorded, in the order in which its line is written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// When it came: RFC 3339, to the millisecond, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The router's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The rule that decided it; `default`, or `budget NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The model that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// `provider/model` that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `provider/model` of those that failed before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// The HTTP status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What the provider counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Tokens>,
    /// What it cost, in dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Until the first byte of the answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// Until its last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<u64>,
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The end user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The path that was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its headers: every name, and the values of those that went on to a provider.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What rules can ask about, where bodies are not recorded: no text of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Kept>,
    /// The body, without what looks like a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<RawValue>>,
}

/// Tokens of a call, as its provider counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// Input that no cache held.
    pub input: u64,
    /// Output.
    pub output: u64,
    /// Input that a cache held.
    pub cache_read: u64,
    /// Input that was written to one.
    pub cache_write: u64,
}

impl Tokens {
    /// All input.
    pub fn all_input(self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }
}

impl Line {
    /// Reads a line, a request file, or a bare body.
    pub fn read(bytes: &[u8]) -> Result<(Self, Option<Recorded>), String> {
        let mut line: Self = serde_json::from_slice(bytes).map_err(|error| format!("it is not valid JSON: {error}"))?;
        if line.body.is_some() {
            let recorded = request::read(bytes, None).map_err(|error| error.0)?;
            return Ok((line, Some(recorded)));
        }
        if let Some(fields) = &mut line.fields {
            fields.headers.clone_from(&line.headers);
            fields.headers.retain(|name, value| request::is_seen_by_rules(name, value));
            return Ok((line, None));
        }
        // A bare body: its own `model` is what it asks for, and nothing is known of what became of it.
        let recorded = request::read(bytes, None).map_err(|error| error.0)?;
        crate::wire::request::decode(recorded.client, &recorded.body).map_err(|error| error.0)?;
        Ok((Self::default(), Some(recorded)))
    }

    /// As it is written, with its line end.
    pub fn written(&self) -> String {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// A body on one line, without what looks like a secret. None when it is not valid JSON.
pub fn body_of(bytes: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(bytes).ok()?;
    // In valid JSON a line end is white space: inside of a text it would be escaped.
    let text = secret::hide(text).replace(['\n', '\r'], " ");
    RawValue::from_string(text).ok()
}
