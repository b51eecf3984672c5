//! The grammar of a stream of Anthropic Messages, as types: each stage offers what may follow it and nothing else. A delta
//! outside of its block, an index used twice, an end without a beginning or without its usage cannot be written.
//!
//! ```text
//! Fresh ─start─► Between ─text | thinking | tool | other─► (the block: deltas) ─close─► Between ─end─► Ended
//! ```

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Nothing was sent.
#[derive(Debug, Default)]
pub struct Fresh(());

/// The message began, and no block is open.
#[derive(Debug)]
pub struct Between {
    next: usize,
}

/// A text is open.
#[derive(Debug)]
pub struct Text {
    index: usize,
}

/// Thinking is open.
#[derive(Debug)]
pub struct Thinking {
    index: usize,
}

/// The call of a tool is open.
#[derive(Debug)]
pub struct Tool {
    index: usize,
    is_empty: bool,
}

/// A block of Anthropic's own is open.
#[derive(Debug)]
pub struct Other {
    index: usize,
}

/// Nothing follows.
#[derive(Debug, Default)]
pub struct Ended(());

fn write(out: &mut String, name: &str, data: &Value) {
    let _ = write!(out, "event: {name}\ndata: {data}\n\n");
}

/// A delta with one text in it: most of all that is ever written, so that no tree is built for it.
fn delta(out: &mut String, index: usize, kind: &str, member: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let text = serde_json::to_string(text).unwrap_or_default();
    let _ = write!(
        out,
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{{\"type\":\"{kind}\",\"{member}\":{text}}}}}\n\n"
    );
}

fn close(out: &mut String, index: usize) -> Between {
    let _ = write!(out, "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":{index}}}\n\n");
    Between { next: index + 1 }
}

/// The upstream is alive. May stand anywhere.
pub fn ping(out: &mut String) {
    out.push_str("event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

/// Ends a stream at whatever stage: what is open stays open, and clients know that it is not whole.
pub fn error(kind: &str, message: &str, out: &mut String) -> Ended {
    write(out, "error", &json!({"type": "error", "error": {"type": kind, "message": message}}));
    Ended(())
}

impl Fresh {
    /// The message begins.
    pub fn start(self, id: &str, model: &str, usage: &Value, out: &mut String) -> Between {
        let message = json!({
            "id": id, "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": usage,
        });
        write(out, "message_start", &json!({"type": "message_start", "message": message}));
        Between { next: 0 }
    }
}

impl Between {
    fn open(self, block: &Value, out: &mut String) -> usize {
        let event = json!({"type": "content_block_start", "index": self.next, "content_block": block});
        write(out, "content_block_start", &event);
        self.next
    }

    /// A text opens.
    pub fn text(self, out: &mut String) -> Text {
        Text { index: self.open(&json!({"type": "text", "text": ""}), out) }
    }

    /// Thinking opens.
    pub fn thinking(self, out: &mut String) -> Thinking {
        Thinking { index: self.open(&json!({"type": "thinking", "thinking": "", "signature": ""}), out) }
    }

    /// The call of a tool opens.
    pub fn tool(self, id: &str, name: &str, out: &mut String) -> Tool {
        let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
        Tool { index: self.open(&block, out), is_empty: true }
    }

    /// A block of Anthropic's own, as it stands.
    pub fn other(self, raw: &str, out: &mut String) -> Other {
        Other { index: self.open(&serde_json::from_str(raw).unwrap_or_default(), out) }
    }

    /// The message ends, with all of its usage.
    pub fn end(self, stop: &str, sequence: Option<&str>, usage: &Value, out: &mut String) -> Ended {
        let delta = json!({"stop_reason": stop, "stop_sequence": sequence});
        write(out, "message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage}));
        write(out, "message_stop", &json!({"type": "message_stop"}));
        Ended(())
    }
}

impl Text {
    /// More of it.
    pub fn delta(&self, text: &str, out: &mut String) {
        delta(out, self.index, "text_delta", "text", text);
    }

    /// It is done.
    pub fn close(self, out: &mut String) -> Between {
        close(out, self.index)
    }
}

impl Thinking {
    /// More of it.
    pub fn delta(&self, text: &str, out: &mut String) {
        delta(out, self.index, "thinking_delta", "thinking", text);
    }

    /// It is done, and signed: clients drop the turn without it.
    pub fn close(self, signature: &str, out: &mut String) -> Between {
        delta(out, self.index, "signature_delta", "signature", signature);
        close(out, self.index)
    }
}

impl Tool {
    /// More of its input.
    #[must_use]
    pub fn delta(self, json: &str, out: &mut String) -> Self {
        delta(out, self.index, "input_json_delta", "partial_json", json);
        Self { is_empty: self.is_empty && json.is_empty(), ..self }
    }

    /// It is done: a call without input has an empty one.
    pub fn close(self, out: &mut String) -> Between {
        if self.is_empty {
            delta(out, self.index, "input_json_delta", "partial_json", "{}");
        }
        close(out, self.index)
    }
}

impl Other {
    /// More of its input.
    pub fn delta(&self, json: &str, out: &mut String) {
        delta(out, self.index, "input_json_delta", "partial_json", json);
    }

    /// It is done.
    pub fn close(self, out: &mut String) -> Between {
        close(out, self.index)
    }
}
