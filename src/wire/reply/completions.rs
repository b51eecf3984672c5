//! Answers to clients that speak OpenAI chat completions.
//!
//! Source: the published API reference; `reasoning_content` and `reasoning_details` as `DeepSeek` and OpenRouter made them
//! common.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Head;
use crate::wire::event::{Answer, Event, Opened, Stop, Usage};

/// The body of an error; `code` is the API's word for what a program can do something about.
pub fn error_body(status: u16, message: &str, code: Option<&str>) -> String {
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
}

fn stop_word(stop: Stop) -> &'static str {
    match stop {
        Stop::EndTurn | Stop::Sequence | Stop::Pause => "stop",
        Stop::MaxTokens => "length",
        Stop::ToolUse => "tool_calls",
        Stop::Refusal => "content_filter",
    }
}

fn usage_json(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt(),
        "completion_tokens": usage.output,
        "total_tokens": usage.prompt() + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    })
}

/// Thinking with its signature, for clients that send it back: the next turn needs it.
fn detail(text: &str, signature: &str, index: usize) -> Value {
    json!({"type": "reasoning.text", "text": text, "signature": signature, "format": "claude-router", "index": index})
}

/// The body of a whole answer.
pub fn answer(answer: &Answer, head: &Head) -> String {
    let (mut text, mut thinking, mut calls, mut details) = (String::new(), String::new(), Vec::new(), Vec::new());
    for part in &answer.parts {
        match &part.opened {
            Opened::Text => text.push_str(&part.body),
            Opened::Thinking => {
                thinking.push_str(&part.body);
                details.push(detail(&part.body, &part.signature, details.len()));
            }
            Opened::ToolUse { id, name } => {
                let arguments = if part.body.is_empty() { "{}" } else { &part.body };
                calls.push(json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}));
            }
            Opened::Other { .. } => {}
        }
    }
    let mut message = json!({"role": "assistant", "content": if text.is_empty() { Value::Null } else { text.into() }, "refusal": null});
    if !thinking.is_empty() {
        message["reasoning_content"] = thinking.into();
    }
    if !details.is_empty() {
        message["reasoning_details"] = details.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    json!({
        "id": head.id, "object": "chat.completion", "created": head.created, "model": head.model,
        "choices": [{"index": 0, "message": message, "finish_reason": stop_word(answer.stop), "logprobs": null}],
        "usage": usage_json(answer.usage),
    })
    .to_string()
}

/// What is open in the stream to a client: a delta is of that, or of nothing.
#[derive(Debug)]
enum Open {
    Nothing,
    Text,
    Thinking(usize),
    /// The nth call.
    Call(Call),
}

/// A call whose first chunk, with its id and name, was written: only there more of it can be.
#[derive(Debug)]
struct Call {
    index: usize,
}

/// Writes events as a stream of the API.
#[derive(Debug)]
pub struct StreamEncoder {
    head: Head,
    /// What every chunk begins with, up to its choices.
    prefix: String,
    started: bool,
    done: bool,
    open: Open,
    n_calls: usize,
    n_thoughts: usize,
}

impl StreamEncoder {
    /// For one answer.
    pub fn new(head: Head) -> Self {
        let words =
            json!({"id": head.id, "object": "chat.completion.chunk", "created": head.created, "model": head.model});
        let prefix = words.to_string().trim_end_matches('}').to_owned();
        Self { head, prefix, started: false, done: false, open: Open::Nothing, n_calls: 0, n_thoughts: 0 }
    }

    /// The bytes of an event.
    pub fn encode(&mut self, event: &Event, out: &mut String) {
        if self.done {
            return;
        }
        match event {
            Event::Start { .. } => self.start(out),
            Event::Ping => out.push_str(": ping\n\n"),
            Event::Open(opened) => {
                self.start(out);
                self.open = match opened {
                    Opened::Text => Open::Text,
                    Opened::Thinking => Open::Thinking(self.n_thoughts),
                    Opened::ToolUse { id, name } => Open::Call(self.call(id, name, out)),
                    Opened::Other { .. } => Open::Nothing,
                };
            }
            Event::Delta(text) if !text.is_empty() => match &self.open {
                Open::Nothing => {}
                Open::Text => self.text("content", text, out),
                Open::Thinking(_) => self.text("reasoning_content", text, out),
                Open::Call(call) => {
                    let call = json!({"index": call.index, "function": {"arguments": text}});
                    self.delta(&json!({"tool_calls": [call]}), out);
                }
            },
            Event::Signature(signature) => {
                if let Open::Thinking(index) = self.open {
                    self.delta(&json!({"reasoning_details": [detail("", signature, index)]}), out);
                    self.n_thoughts += 1;
                }
            }
            Event::Delta(_) => {}
            Event::Close => self.open = Open::Nothing,
            Event::End { stop, usage, .. } => {
                self.start(out);
                let choice = json!({"index": 0, "delta": {}, "finish_reason": stop_word(*stop), "logprobs": null});
                self.chunk(&format!("[{choice}]"), None, out);
                if self.head.stream_usage {
                    self.chunk("[]", Some(*usage), out);
                }
                out.push_str("data: [DONE]\n\n");
                self.done = true;
            }
            Event::Error { kind, message } => {
                let error = json!({"error": {"message": message, "type": kind, "param": null, "code": null}});
                let _ = write!(out, "data: {error}\n\n");
                self.done = true;
            }
        }
    }

    fn start(&mut self, out: &mut String) {
        if !std::mem::replace(&mut self.started, true) {
            self.delta(&json!({"role": "assistant", "content": ""}), out);
        }
    }

    fn call(&mut self, id: &str, name: &str, out: &mut String) -> Call {
        let call = Call { index: self.n_calls };
        let function = json!({"name": name, "arguments": ""});
        self.delta(
            &json!({"tool_calls": [{"index": call.index, "id": id, "type": "function", "function": function}]}),
            out,
        );
        self.n_calls += 1;
        call
    }

    fn text(&self, member: &str, text: &str, out: &mut String) {
        let text = serde_json::to_string(text).unwrap_or_default();
        self.raw_delta(&format!("{{\"{member}\":{text}}}"), out);
    }

    fn delta(&self, delta: &Value, out: &mut String) {
        self.raw_delta(&delta.to_string(), out);
    }

    fn raw_delta(&self, delta: &str, out: &mut String) {
        let choices = format!("[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null,\"logprobs\":null}}]");
        self.chunk(&choices, None, out);
    }

    fn chunk(&self, choices: &str, usage: Option<Usage>, out: &mut String) {
        let _ = write!(out, "data: {},\"choices\":{choices}", self.prefix);
        if self.head.stream_usage {
            let _ = write!(out, ",\"usage\":{}", usage.map_or(Value::Null, usage_json));
        }
        out.push_str("}\n\n");
    }
}
