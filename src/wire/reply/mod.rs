//! Answers to clients: events to the bytes of three APIs, streamed or whole, and errors in their words.

pub mod completions;
pub mod grammar;
pub mod messages;
pub mod responses;

use crate::wire::Client;
use crate::wire::event::{Answer, Event, error_kind};

/// What an answer says of itself, and what it needs to know of its request.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// Names the answer.
    pub id: String,
    /// The model that answers.
    pub model: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Input tokens at most, where the provider says them only at the end.
    pub input_at_most: u64,
    /// A last event with the usage is wanted (chat completions).
    pub stream_usage: bool,
    /// The tools whose input is a text (Responses).
    pub text_tools: Vec<String>,
}

/// Writes events as a stream.
#[derive(Debug)]
pub enum Writer {
    /// Of Anthropic Messages.
    Messages(messages::StreamEncoder),
    /// Of chat completions.
    Completions(completions::StreamEncoder),
    /// Of Responses.
    Responses(responses::StreamEncoder),
}

impl Writer {
    /// For one answer.
    pub fn new(client: Client, head: Head) -> Self {
        match client {
            Client::Messages => Self::Messages(messages::StreamEncoder::new(head)),
            Client::Completions => Self::Completions(completions::StreamEncoder::new(head)),
            Client::Responses => Self::Responses(responses::StreamEncoder::new(head)),
        }
    }

    /// The bytes of some events.
    pub fn write(&mut self, events: &[Event], out: &mut String) {
        for event in events {
            match self {
                Self::Messages(encoder) => encoder.encode(event, out),
                Self::Completions(encoder) => encoder.encode(event, out),
                Self::Responses(encoder) => encoder.encode(event, out),
            }
        }
    }
}

/// The body of a whole answer.
pub fn whole(client: Client, answer: &Answer, head: &Head) -> String {
    match client {
        Client::Messages => messages::answer(answer, head),
        Client::Completions => completions::answer(answer, head),
        Client::Responses => responses::answer(answer, head),
    }
}

/// The body of an error; `code` is OpenAI's word for what a program can do something about.
pub fn error_body(client: Client, status: u16, message: &str, code: Option<&str>, request_id: &str) -> String {
    match client {
        Client::Messages => messages::error_body(error_kind(status), message, request_id),
        Client::Completions | Client::Responses => completions::error_body(status, message, code),
    }
}

/// The last event of a stream that breaks, where what came before it was forwarded as it was.
pub fn stream_error(client: Client, message: &str) -> String {
    let mut out = String::new();
    match client {
        Client::Messages => drop(grammar::error("api_error", message, &mut out)),
        Client::Completions => out = format!("data: {}\n\n", completions::error_body(502, message, None)),
        Client::Responses => out = responses::error_event("server_error", message),
    }
    out
}
