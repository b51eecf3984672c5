//! An answer as events, whatever provider it comes from. Decoders keep the grammar: a start, then blocks one at a time,
//! each closed before the next opens, then an end or an error, and nothing after it.

/// Tokens of one answer, each counted once: the input is what no cache held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Input that no cache held.
    pub input: u64,
    /// Output, reasoning with it.
    pub output: u64,
    /// Input that a cache held.
    pub cache_read: u64,
    /// Input that was written to a cache.
    pub cache_write: u64,
    /// The part of what was written that is kept for an hour.
    pub cache_write_long: u64,
    /// The part of the output that was reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// All input.
    pub fn prompt(self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The model was done.
    EndTurn,
    /// It reached the longest answer.
    MaxTokens,
    /// It wrote a text that ends answers.
    Sequence,
    /// It calls tools.
    ToolUse,
    /// It, or a filter, refused.
    Refusal,
    /// It paused, to be sent on.
    Pause,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// Text.
    Text,
    /// Thinking.
    Thinking,
    /// A call of a tool.
    ToolUse {
        /// Names the call.
        id: String,
        /// The tool.
        name: String,
    },
    /// A block of Anthropic's own that no other API has: what its tools did, thinking that nobody may read.
    Other {
        /// All of it, as JSON.
        raw: String,
    },
}

/// A step of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It begins. Usage as far as it is known.
    Start {
        /// The provider's name for the answer.
        id: Option<String>,
        /// As far as it is known.
        usage: Usage,
    },
    /// A block opens.
    Open(Opened),
    /// More of the open block: text, thinking, or the JSON of a tool's input.
    Delta(String),
    /// The signature of the open thinking block.
    Signature(String),
    /// The open block is done.
    Close,
    /// It ends.
    End {
        /// Why.
        stop: Stop,
        /// The text that ended it.
        sequence: Option<String>,
        /// All of it.
        usage: Usage,
    },
    /// It broke: the kind is one of the Anthropic error types.
    Error {
        /// `overloaded_error` and its like.
        kind: String,
        /// What happened.
        message: String,
    },
    /// The provider is alive.
    Ping,
}

/// Reads an answer as it comes, in pieces of whatever size.
pub trait Decoder: Send {
    /// Takes in a piece.
    fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>);
    /// Takes in the end of the connection: an answer that has not ended has broken.
    fn finish(&mut self, events: &mut Vec<Event>);
}

/// A whole block of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub opened: Opened,
    /// Its text, or the JSON of a tool's input.
    pub body: String,
    /// Of a thinking block.
    pub signature: String,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its blocks.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub stop: Stop,
    /// The text that ended it.
    pub sequence: Option<String>,
    /// Its tokens.
    pub usage: Usage,
}

/// The kind of an error, of the status that it came with.
pub fn error_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 | 408 => "timeout_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// The status of an error that came without one.
pub fn status_of(kind: &str) -> u16 {
    match kind {
        "overloaded_error" => 529,
        "rate_limit_error" => 429,
        _ => 502,
    }
}

/// The events of a whole answer that a decoder of streams reads as one piece.
pub fn whole(mut decoder: impl Decoder, body: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    decoder.push(body, &mut events);
    decoder.finish(&mut events);
    events
}

/// An answer that broke, by nobody's known fault.
pub fn broken(message: &str) -> Event {
    Event::Error { kind: "api_error".to_owned(), message: message.to_owned() }
}

/// Puts events together; an error when the answer broke.
pub fn assemble(events: &[Event]) -> Result<Answer, (String, String)> {
    let mut parts: Vec<Part> = Vec::new();
    for event in events {
        match event {
            Event::Start { .. } | Event::Ping | Event::Close => {}
            Event::Open(opened) => {
                parts.push(Part { opened: opened.clone(), body: String::new(), signature: String::new() });
            }
            Event::Delta(text) => {
                if let Some(part) = parts.last_mut() {
                    part.body.push_str(text);
                }
            }
            Event::Signature(text) => {
                if let Some(part) = parts.last_mut() {
                    part.signature.clone_from(text);
                }
            }
            Event::End { stop, sequence, usage } => {
                return Ok(Answer { parts, stop: *stop, sequence: sequence.clone(), usage: *usage });
            }
            Event::Error { kind, message } => return Err((kind.clone(), message.clone())),
        }
    }
    Err(("api_error".to_owned(), "the upstream's answer ended before it was whole".to_owned()))
}
