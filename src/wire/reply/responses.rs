//! Answers to clients that speak OpenAI Responses.
//!
//! Source: the published API reference, and the types of `openai` 3.54.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Head;
use crate::wire::event::{Answer, Event, Opened, Stop, Usage};
use crate::wire::foreign;

fn usage_json(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.prompt(),
        "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt() + usage.output,
    })
}

/// How an answer that ended is called, and why it is not whole where it is not.
fn status_of(stop: Stop) -> (&'static str, Value) {
    match stop {
        Stop::MaxTokens => ("incomplete", json!({"reason": "max_output_tokens"})),
        Stop::Refusal => ("incomplete", json!({"reason": "content_filter"})),
        Stop::EndTurn | Stop::Sequence | Stop::ToolUse | Stop::Pause => ("completed", Value::Null),
    }
}

fn response(head: &Head, status: &str, incomplete: &Value, output: &[Value], usage: Option<Usage>) -> Value {
    json!({
        "id": head.id, "object": "response", "created_at": head.created, "status": status, "error": null,
        "incomplete_details": incomplete, "instructions": null, "metadata": {}, "model": head.model, "output": output,
        "parallel_tool_calls": true, "temperature": null, "tool_choice": "auto", "tools": [], "top_p": null,
        "usage": usage.map_or(Value::Null, usage_json),
    })
}

/// An item of the output, as far as it is.
#[derive(Debug)]
enum Item {
    Text {
        id: String,
        text: String,
    },
    Thinking {
        id: String,
        text: String,
        signature: String,
    },
    Call {
        id: String,
        call: String,
        name: String,
        input: String,
    },
    /// A call of a tool that takes a text.
    TextCall {
        id: String,
        call: String,
        name: String,
        input: String,
    },
}

impl Item {
    fn new(head: &Head, opened: &Opened, index: usize) -> Option<Self> {
        let rest = head.id.split_once('_').map_or(head.id.as_str(), |(_, rest)| rest);
        let id = |kind: &str| format!("{kind}_{rest}_{index}");
        Some(match opened {
            Opened::Text => Self::Text { id: id("msg"), text: String::new() },
            Opened::Thinking => Self::Thinking { id: id("rs"), text: String::new(), signature: String::new() },
            Opened::ToolUse { id: call, name } => {
                let (call, name, input) = (call.clone(), name.clone(), String::new());
                if head.text_tools.contains(&name) {
                    Self::TextCall { id: id("ctc"), call, name, input }
                } else {
                    Self::Call { id: id("fc"), call, name, input }
                }
            }
            Opened::Other { .. } => return None,
        })
    }

    fn id(&self) -> &str {
        match self {
            Self::Text { id, .. } | Self::Thinking { id, .. } | Self::Call { id, .. } | Self::TextCall { id, .. } => id,
        }
    }

    fn json(&self, is_done: bool) -> Value {
        let status = if is_done { "completed" } else { "in_progress" };
        match self {
            Self::Text { id, text } => {
                let part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
                let content = if is_done { json!([part]) } else { json!([]) };
                json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
            }
            Self::Thinking { id, text, signature } => {
                let summary = if text.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": text}]) };
                let mut item = json!({"id": id, "type": "reasoning", "summary": summary});
                if is_done && !signature.is_empty() {
                    item["encrypted_content"] = foreign::to_responses(signature).into();
                }
                item
            }
            Self::Call { id, call, name, input } => {
                let input = if is_done && input.is_empty() { "{}" } else { input };
                json!({"id": id, "type": "function_call", "status": status, "call_id": call, "name": name, "arguments": input})
            }
            Self::TextCall { id, call, name, input } => {
                json!({"id": id, "type": "custom_tool_call", "status": status, "call_id": call, "name": name, "input": text_input(input)})
            }
        }
    }
}

/// The text in the input of a tool that takes one.
fn text_input(input: &str) -> String {
    let read = serde_json::from_str::<Value>(input).ok();
    read.and_then(|read| read["input"].as_str().map(str::to_owned)).unwrap_or_else(|| input.to_owned())
}

/// The body of a whole answer.
pub fn answer(answer: &Answer, head: &Head) -> String {
    let mut output = Vec::new();
    for part in &answer.parts {
        let Some(mut item) = Item::new(head, &part.opened, output.len()) else { continue };
        match &mut item {
            Item::Text { text, .. } => text.clone_from(&part.body),
            Item::Thinking { text, signature, .. } => {
                text.clone_from(&part.body);
                signature.clone_from(&part.signature);
            }
            Item::Call { input, .. } | Item::TextCall { input, .. } => input.clone_from(&part.body),
        }
        output.push(item.json(true));
    }
    let (status, incomplete) = status_of(answer.stop);
    response(head, status, &incomplete, &output, Some(answer.usage)).to_string()
}

/// The event that a stream breaks with.
pub fn error_event(code: &str, message: &str) -> String {
    let event = json!({"type": "error", "code": code, "message": message, "param": null, "sequence_number": 0});
    format!("event: error\ndata: {event}\n\n")
}

/// Writes events as a stream of the API. An item is open or none is: pieces belong to that one alone.
#[derive(Debug)]
pub struct StreamEncoder {
    head: Head,
    started: bool,
    done: bool,
    /// The next event's number.
    number: u64,
    open: Option<Item>,
    output: Vec<Value>,
    /// How much is kept for the last event, in bytes.
    kept: usize,
}

/// How much is kept for the last event, which holds all of the answer, in bytes.
const KEPT_MAX: usize = 64 << 20;
/// What an item takes besides what it says, about, in bytes.
const ITEM_BYTES: usize = 256;

impl StreamEncoder {
    /// For one answer.
    pub fn new(head: Head) -> Self {
        Self { head, started: false, done: false, number: 0, open: None, output: Vec::new(), kept: 0 }
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
                self.kept += ITEM_BYTES;
                self.start(out);
                self.close(out);
                self.open = Item::new(&self.head, opened, self.output.len());
                self.opened(out);
            }
            Event::Delta(text) => {
                self.kept += text.len();
                if self.kept > KEPT_MAX {
                    let message = "the answer is larger than what can be given whole".to_owned();
                    self.encode(&Event::Error { kind: "api_error".to_owned(), message }, out);
                    return;
                }
                self.delta(text, out);
            }
            Event::Signature(text) => {
                if let Some(Item::Thinking { signature, .. }) = &mut self.open {
                    signature.clone_from(text);
                }
            }
            Event::Close => self.close(out),
            Event::End { stop, usage, .. } => {
                self.start(out);
                self.close(out);
                let (status, incomplete) = status_of(*stop);
                let whole = response(&self.head, status, &incomplete, &self.output, Some(*usage));
                self.write(&format!("response.{status}"), json!({"response": whole}), out);
                self.done = true;
            }
            Event::Error { kind, message } => {
                self.start(out);
                let code = match kind.as_str() {
                    "overloaded_error" => "server_is_overloaded",
                    "rate_limit_error" => "rate_limit_exceeded",
                    "invalid_request_error" => "invalid_prompt",
                    _ => "server_error",
                };
                let mut whole = response(&self.head, "failed", &Value::Null, &self.output, None);
                whole["error"] = json!({"code": code, "message": message});
                self.write("response.failed", json!({"response": whole}), out);
                self.done = true;
            }
        }
    }

    fn start(&mut self, out: &mut String) {
        if !std::mem::replace(&mut self.started, true) {
            let begun = response(&self.head, "in_progress", &Value::Null, &[], None);
            self.write("response.created", json!({"response": begun}), out);
            self.write("response.in_progress", json!({"response": begun}), out);
        }
    }

    fn opened(&mut self, out: &mut String) {
        let Some(item) = &self.open else { return };
        let (json, id, place) = (item.json(false), item.id().to_owned(), self.output.len());
        let (is_text, is_thinking) = (matches!(item, Item::Text { .. }), matches!(item, Item::Thinking { .. }));
        self.write("response.output_item.added", json!({"output_index": place, "item": json}), out);
        if is_text {
            let part = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
            let event = json!({"item_id": id, "output_index": place, "content_index": 0, "part": part});
            self.write("response.content_part.added", event, out);
        }
        if is_thinking {
            let part = json!({"type": "summary_text", "text": ""});
            let event = json!({"item_id": id, "output_index": place, "summary_index": 0, "part": part});
            self.write("response.reasoning_summary_part.added", event, out);
        }
    }

    fn delta(&mut self, piece: &str, out: &mut String) {
        let place = self.output.len();
        if piece.is_empty() {
            return;
        }
        let (name, event) = match &mut self.open {
            None => return,
            Some(Item::Text { id, text }) => {
                text.push_str(piece);
                let event =
                    json!({"item_id": id, "output_index": place, "content_index": 0, "delta": piece, "logprobs": []});
                ("response.output_text.delta", event)
            }
            Some(Item::Thinking { id, text, .. }) => {
                text.push_str(piece);
                let event = json!({"item_id": id, "output_index": place, "summary_index": 0, "delta": piece});
                ("response.reasoning_summary_text.delta", event)
            }
            Some(Item::Call { id, input, .. }) => {
                input.push_str(piece);
                let event = json!({"item_id": id, "output_index": place, "delta": piece});
                ("response.function_call_arguments.delta", event)
            }
            // Its text stands within JSON, whose pieces are no pieces of the text.
            Some(Item::TextCall { input, .. }) => {
                input.push_str(piece);
                return;
            }
        };
        self.write(name, event, out);
    }

    fn close(&mut self, out: &mut String) {
        let Some(item) = self.open.take() else { return };
        let (whole, place) = (item.json(true), self.output.len());
        match &item {
            Item::Text { id, text } => {
                let at = json!({"item_id": id, "output_index": place, "content_index": 0});
                self.write("response.output_text.done", with(&at, json!({"text": text, "logprobs": []})), out);
                let part = json!({"part": whole["content"][0]});
                self.write("response.content_part.done", with(&at, part), out);
            }
            Item::Thinking { id, text, .. } => {
                let at = json!({"item_id": id, "output_index": place, "summary_index": 0});
                self.write("response.reasoning_summary_text.done", with(&at, json!({"text": text})), out);
                let part = json!({"part": {"type": "summary_text", "text": text}});
                self.write("response.reasoning_summary_part.done", with(&at, part), out);
            }
            Item::Call { id, .. } => {
                let event = json!({"item_id": id, "output_index": place, "name": whole["name"], "arguments": whole["arguments"]});
                self.write("response.function_call_arguments.done", event, out);
            }
            Item::TextCall { id, .. } => {
                let at = json!({"item_id": id, "output_index": place});
                self.write("response.custom_tool_call_input.delta", with(&at, json!({"delta": whole["input"]})), out);
                self.write("response.custom_tool_call_input.done", with(&at, json!({"input": whole["input"]})), out);
            }
        }
        self.write("response.output_item.done", json!({"output_index": place, "item": whole}), out);
        self.output.push(whole);
    }

    fn write(&mut self, name: &str, event: Value, out: &mut String) {
        let event = with(&json!({"type": name, "sequence_number": self.number}), event);
        self.number += 1;
        let _ = write!(out, "event: {name}\ndata: {event}\n\n");
    }
}

/// The members of two objects.
fn with(front: &Value, back: Value) -> Value {
    let mut all = front.clone();
    if let (Value::Object(all), Value::Object(back)) = (&mut all, back) {
        all.extend(back);
    }
    all
}
