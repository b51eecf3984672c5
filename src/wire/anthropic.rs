//! The Anthropic Messages API: requests to it, answers of it, and answers to clients that speak it.
//!
//! Source: the published API reference, and what its SDK accepts (`anthropic` for Python, 2.12).

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::wire::chat::{Block, Chat, Media, Role, Thinking, ToolChoice};
use crate::wire::event::{Answer, Decoder, Event, Opened, Stop, Usage};
use crate::wire::ids::clean_id;
use crate::wire::patch::Changes;
use crate::wire::sse::{Message, Reader};

/// The least thinking budget that the API takes, in tokens.
const THINKING_MIN: u64 = 1_024;

/// The error type of a status.
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

/// The body of an error.
pub fn error_body(kind: &str, message: &str, request_id: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}).to_string()
}

// --- requests --------------------------------------------------------------------------------------------------------

/// A request of a chat that came by another API.
pub fn encode(chat: &Chat<'_>, changes: &Changes, output_max: u64) -> String {
    let mut body = Map::new();
    let model = changes.model.clone().unwrap_or_else(|| chat.model.to_string());
    body.insert("model".to_owned(), model.into());
    let max_tokens = changes.max_tokens.or(chat.max_tokens).unwrap_or(output_max);
    body.insert("max_tokens".to_owned(), max_tokens.into());
    let system: Vec<String> = changes
        .system_before
        .iter()
        .cloned()
        .chain(chat.system.iter().map(|text| text.to_string()))
        .chain(changes.system_after.iter().cloned())
        .filter(|text| !text.is_empty())
        .collect();
    if !system.is_empty() {
        let blocks: Vec<Value> = system.iter().map(|text| json!({"type": "text", "text": text})).collect();
        body.insert("system".to_owned(), blocks.into());
    }
    body.insert("messages".to_owned(), messages(chat).into());
    tools(chat, &mut body);
    parameters(chat, changes, max_tokens, &mut body);
    if chat.stream {
        body.insert("stream".to_owned(), true.into());
    }
    Value::Object(body).to_string()
}

fn parameters(chat: &Chat<'_>, changes: &Changes, max_tokens: u64, body: &mut Map<String, Value>) {
    let temperature = changes.temperature.or(chat.temperature).map(|value| value.min(1.0));
    if let Some(value) = temperature {
        body.insert("temperature".to_owned(), value.into());
    }
    if let Some(value) = changes.top_p.or(chat.top_p).filter(|_| temperature.is_none()) {
        body.insert("top_p".to_owned(), value.into());
    }
    if let Some(value) = changes.top_k.or(chat.top_k) {
        body.insert("top_k".to_owned(), value.into());
    }
    let stop = changes.stop.clone().unwrap_or_else(|| chat.stop.iter().map(|text| text.to_string()).collect());
    if !stop.is_empty() {
        body.insert("stop_sequences".to_owned(), stop.into());
    }
    let budget = match (changes.thinking, chat.thinking) {
        (Some(budget), _) => budget,
        (None, Thinking::On(budget)) => budget,
        (None, Thinking::Off | Thinking::Unsaid) => None,
    };
    if let Some(budget) =
        budget.map(|budget| budget.min(max_tokens.saturating_sub(1))).filter(|budget| *budget >= THINKING_MIN)
    {
        body.insert("thinking".to_owned(), json!({"type": "enabled", "budget_tokens": budget}));
    }
    if let Some(user) = &chat.user {
        body.insert("metadata".to_owned(), json!({"user_id": &**user}));
    }
}

fn tools(chat: &Chat<'_>, body: &mut Map<String, Value>) {
    let offered: Vec<Value> = chat
        .tools
        .iter()
        .filter(|tool| tool.server.is_none() || tool.schema.is_some())
        .map(|tool| {
            let schema = tool
                .schema
                .and_then(|raw| serde_json::from_str(raw.get()).ok())
                .unwrap_or_else(|| json!({"type": "object", "properties": {}}));
            let mut made = json!({"name": &*tool.name, "input_schema": schema});
            if let Some(description) = &tool.description {
                made["description"] = (**description).into();
            }
            made
        })
        .collect();
    if offered.is_empty() {
        return;
    }
    body.insert("tools".to_owned(), offered.into());
    let mut choice = match &chat.tool_choice {
        ToolChoice::Unsaid if chat.one_tool_at_a_time => json!({"type": "auto"}),
        ToolChoice::Unsaid => return,
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::Any => json!({"type": "any"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Tool(name) => json!({"type": "tool", "name": &**name}),
    };
    if chat.one_tool_at_a_time && !matches!(chat.tool_choice, ToolChoice::None) {
        choice["disable_parallel_tool_use"] = true.into();
    }
    body.insert("tool_choice".to_owned(), choice);
}

/// The messages: neighbours of one role joined, results of tools before other content of their turn.
fn messages(chat: &Chat<'_>) -> Vec<Value> {
    let mut made: Vec<(&'static str, Vec<Value>)> = Vec::new();
    for message in &chat.messages {
        let role = if message.role == Role::Assistant { "assistant" } else { "user" };
        let blocks: Vec<Value> = message.blocks.iter().filter_map(block).collect();
        match made.last_mut() {
            Some((last, content)) if *last == role => content.extend(blocks),
            _ => made.push((role, blocks)),
        }
    }
    for (_, content) in &mut made {
        content.sort_by_key(|block| block["type"] != "tool_result");
    }
    made.into_iter()
        .filter(|(_, content)| !content.is_empty())
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect()
}

fn block(block: &Block<'_>) -> Option<Value> {
    Some(match block {
        Block::Text(text) if text.is_empty() => return None,
        Block::Text(text) => json!({"type": "text", "text": &**text}),
        Block::Image(media) => json!({"type": "image", "source": source(media)}),
        Block::Document { media, title } => {
            let mut made = json!({"type": "document", "source": source(media)});
            if let Some(title) = title {
                made["title"] = (**title).into();
            }
            made
        }
        Block::ToolUse { id, name, input } => {
            let read: Value = serde_json::from_str(input).unwrap_or_else(|_| json!({"arguments": &**input}));
            let input = if read.is_object() { read } else { json!({"arguments": read}) };
            json!({"type": "tool_use", "id": clean_id(id), "name": &**name, "input": input})
        }
        Block::ToolResult { id, blocks, is_error } => {
            let content: Vec<Value> = blocks.iter().filter_map(self::block).collect();
            let mut made = json!({"type": "tool_result", "tool_use_id": clean_id(id), "content": content});
            if *is_error {
                made["is_error"] = true.into();
            }
            made
        }
        Block::Thinking { .. } => return None,
        Block::Other { raw, .. } => json!({"type": "text", "text": raw.get()}),
    })
}

fn source(media: &Media<'_>) -> Value {
    match media {
        Media::Base64 { media_type, data } => json!({"type": "base64", "media_type": &**media_type, "data": &**data}),
        Media::Url(url) => json!({"type": "url", "url": &**url}),
        Media::File(id) => json!({"type": "file", "file_id": &**id}),
        Media::Text(text) => json!({"type": "text", "media_type": "text/plain", "data": &**text}),
    }
}

// --- answers of the API ------------------------------------------------------------------------------------------------

fn usage_of(value: &Value, usage: &mut Usage) {
    let count = |name: &str, was: u64| value[name].as_u64().unwrap_or(was);
    usage.input = count("input_tokens", usage.input);
    usage.output = count("output_tokens", usage.output);
    usage.cache_read = count("cache_read_input_tokens", usage.cache_read);
    usage.cache_write = count("cache_creation_input_tokens", usage.cache_write);
}

fn stop_of(word: &str) -> Stop {
    match word {
        "max_tokens" | "model_context_window_exceeded" => Stop::MaxTokens,
        "stop_sequence" => Stop::Sequence,
        "tool_use" => Stop::ToolUse,
        "refusal" => Stop::Refusal,
        "pause_turn" => Stop::Pause,
        _ => Stop::EndTurn,
    }
}

fn stop_word(stop: Stop) -> &'static str {
    match stop {
        Stop::EndTurn => "end_turn",
        Stop::MaxTokens => "max_tokens",
        Stop::Sequence => "stop_sequence",
        Stop::ToolUse => "tool_use",
        Stop::Refusal => "refusal",
        Stop::Pause => "pause_turn",
    }
}

/// The events of a whole answer.
pub fn decode_whole(body: &[u8]) -> Vec<Event> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return vec![broken("the upstream's answer is not JSON")];
    };
    if value["type"] == "error" {
        return vec![error_event(&value)];
    }
    let mut usage = Usage::default();
    usage_of(&value["usage"], &mut usage);
    let mut events = vec![Event::Start { id: value["id"].as_str().map(str::to_owned), usage }];
    for block in value["content"].as_array().into_iter().flatten() {
        let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
        match block["type"].as_str() {
            Some("text") => events.extend([Event::Open(Opened::Text), Event::Delta(text("text")), Event::Close]),
            Some("thinking") => {
                events.extend([
                    Event::Open(Opened::Thinking),
                    Event::Delta(text("thinking")),
                    Event::Signature(text("signature")),
                    Event::Close,
                ]);
            }
            Some("tool_use") => {
                let opened = Opened::ToolUse { id: text("id"), name: text("name") };
                events.extend([Event::Open(opened), Event::Delta(block["input"].to_string()), Event::Close]);
            }
            _ => {}
        }
    }
    let Some(stop) = value["stop_reason"].as_str() else {
        events.push(broken("the upstream's answer does not say why it ended"));
        return events;
    };
    events.push(Event::End {
        stop: stop_of(stop),
        sequence: value["stop_sequence"].as_str().map(str::to_owned),
        usage,
    });
    events
}

fn broken(message: &str) -> Event {
    Event::Error { kind: "api_error".to_owned(), message: message.to_owned() }
}

fn error_event(value: &Value) -> Event {
    Event::Error {
        kind: value["error"]["type"].as_str().unwrap_or("api_error").to_owned(),
        message: value["error"]["message"].as_str().unwrap_or("the upstream failed").to_owned(),
    }
}

/// A stream of the API, as events.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    reader: Reader,
    usage: Usage,
    stop: Option<(Stop, Option<String>)>,
    /// The open block is one that is passed on.
    open: bool,
    done: bool,
}

impl StreamDecoder {
    fn message(&mut self, message: &Message, events: &mut Vec<Event>) {
        if self.done {
            return;
        }
        let Ok(value) = serde_json::from_str::<Value>(&message.data) else {
            self.fail("the upstream sent an event that is not JSON", events);
            return;
        };
        match value["type"].as_str() {
            Some("message_start") => {
                usage_of(&value["message"]["usage"], &mut self.usage);
                let id = value["message"]["id"].as_str().map(str::to_owned);
                events.push(Event::Start { id, usage: self.usage });
            }
            Some("content_block_start") => self.block_start(&value["content_block"], events),
            Some("content_block_delta") if self.open => {
                let delta = &value["delta"];
                let text = |name: &str| delta[name].as_str().unwrap_or_default().to_owned();
                match delta["type"].as_str() {
                    Some("text_delta") => events.push(Event::Delta(text("text"))),
                    Some("thinking_delta") => events.push(Event::Delta(text("thinking"))),
                    Some("input_json_delta") => events.push(Event::Delta(text("partial_json"))),
                    Some("signature_delta") => events.push(Event::Signature(text("signature"))),
                    _ => {}
                }
            }
            Some("content_block_stop") if self.open => {
                self.open = false;
                events.push(Event::Close);
            }
            Some("message_delta") => {
                usage_of(&value["usage"], &mut self.usage);
                if let Some(stop) = value["delta"]["stop_reason"].as_str() {
                    self.stop = Some((stop_of(stop), value["delta"]["stop_sequence"].as_str().map(str::to_owned)));
                }
            }
            Some("message_stop") => self.end(events),
            Some("error") => {
                self.done = true;
                events.push(error_event(&value));
            }
            Some("ping") => events.push(Event::Ping),
            _ => {}
        }
    }

    fn block_start(&mut self, block: &Value, events: &mut Vec<Event>) {
        let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
        let opened = match block["type"].as_str() {
            Some("text") => Opened::Text,
            Some("thinking") => Opened::Thinking,
            Some("tool_use") => Opened::ToolUse { id: text("id"), name: text("name") },
            _ => return,
        };
        self.open = true;
        events.push(Event::Open(opened));
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        let Some((stop, sequence)) = self.stop.take() else {
            self.fail("the upstream's stream does not say why it ended", events);
            return;
        };
        self.done = true;
        events.push(Event::End { stop, sequence, usage: self.usage });
    }

    fn fail(&mut self, message: &str, events: &mut Vec<Event>) {
        self.done = true;
        events.push(broken(message));
    }
}

impl Decoder for StreamDecoder {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let mut messages = Vec::new();
        let read = self.reader.push(bytes, |message| messages.push(message));
        messages.iter().for_each(|message| self.message(message, events));
        if read.is_err() && !self.done {
            self.fail("the upstream sent an event that is too large", events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        // A cut after `message_delta` is an end that clients accept.
        if !self.done && self.stop.is_some() {
            self.end(events);
        } else if !self.done {
            self.fail("the upstream's stream ended before it was whole", events);
        }
    }
}

// --- answers to clients ------------------------------------------------------------------------------------------------

fn usage_json(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
    })
}

/// The body of a whole answer.
pub fn answer(answer: &Answer, id: &str, model: &str) -> String {
    let content: Vec<Value> = answer
        .parts
        .iter()
        .map(|part| match &part.opened {
            Opened::Text => json!({"type": "text", "text": part.body}),
            Opened::Thinking => json!({"type": "thinking", "thinking": part.body, "signature": part.signature}),
            Opened::ToolUse { id, name } => {
                json!({"type": "tool_use", "id": id, "name": name, "input": input(&part.body)})
            }
        })
        .collect();
    json!({
        "id": id, "type": "message", "role": "assistant", "model": model, "content": content,
        "stop_reason": stop_word(answer.stop), "stop_sequence": answer.sequence, "usage": usage_json(answer.usage),
    })
    .to_string()
}

/// A tool's input: an object, whatever the provider made of it.
fn input(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => value,
        Ok(other) if !other.is_null() => json!({"arguments": other}),
        Err(_) if !text.trim().is_empty() => json!({"arguments": text}),
        Ok(_) | Err(_) => json!({}),
    }
}

/// What is open in the stream to a client: the type keeps a delta from standing where it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking,
    Tool { empty: bool },
}

/// Writes events as a stream of the API.
#[derive(Debug)]
pub struct StreamEncoder {
    id: String,
    model: String,
    /// What `message_start` says when the provider says its input only at the end.
    estimate: u64,
    started: bool,
    done: bool,
    open: Open,
    next_index: usize,
}

impl StreamEncoder {
    /// For one answer, under the name of the model that gives it.
    pub fn new(id: String, model: String, estimate: u64) -> Self {
        Self { id, model, estimate, started: false, done: false, open: Open::Nothing, next_index: 0 }
    }

    /// The bytes of an event.
    pub fn encode(&mut self, event: &Event, out: &mut String) {
        if self.done {
            return;
        }
        match event {
            Event::Start { usage, .. } => self.start(*usage, out),
            Event::Ping => write(out, "ping", &json!({"type": "ping"})),
            Event::Open(opened) => self.open(opened, out),
            Event::Delta(text) => self.delta(text, out),
            Event::Signature(signature) => {
                if self.open == Open::Thinking {
                    self.write_delta(&json!({"type": "signature_delta", "signature": signature}), out);
                }
            }
            Event::Close => self.close(out),
            Event::End { stop, sequence, usage } => {
                self.start(*usage, out);
                self.close(out);
                let delta = json!({"stop_reason": stop_word(*stop), "stop_sequence": sequence});
                write(
                    out,
                    "message_delta",
                    &json!({"type": "message_delta", "delta": delta, "usage": usage_json(*usage)}),
                );
                write(out, "message_stop", &json!({"type": "message_stop"}));
                self.done = true;
            }
            Event::Error { kind, message } => {
                write(out, "error", &json!({"type": "error", "error": {"type": kind, "message": message}}));
                self.done = true;
            }
        }
    }

    fn start(&mut self, usage: Usage, out: &mut String) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let known = usage.input + usage.cache_read + usage.cache_write > 0;
        let usage = if known { usage } else { Usage { input: self.estimate, ..usage } };
        let message = json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": usage_json(usage),
        });
        write(out, "message_start", &json!({"type": "message_start", "message": message}));
    }

    fn open(&mut self, opened: &Opened, out: &mut String) {
        self.start(Usage::default(), out);
        self.close(out);
        let (open, block) = match opened {
            Opened::Text => (Open::Text, json!({"type": "text", "text": ""})),
            Opened::Thinking => (Open::Thinking, json!({"type": "thinking", "thinking": "", "signature": ""})),
            Opened::ToolUse { id, name } => {
                (Open::Tool { empty: true }, json!({"type": "tool_use", "id": id, "name": name, "input": {}}))
            }
        };
        self.open = open;
        let index = self.next_index;
        write(
            out,
            "content_block_start",
            &json!({"type": "content_block_start", "index": index, "content_block": block}),
        );
        self.next_index += 1;
    }

    fn delta(&mut self, text: &str, out: &mut String) {
        if text.is_empty() {
            return;
        }
        let delta = match self.open {
            Open::Nothing => return,
            Open::Text => json!({"type": "text_delta", "text": text}),
            Open::Thinking => json!({"type": "thinking_delta", "thinking": text}),
            Open::Tool { .. } => {
                self.open = Open::Tool { empty: false };
                json!({"type": "input_json_delta", "partial_json": text})
            }
        };
        self.write_delta(&delta, out);
    }

    fn write_delta(&self, delta: &Value, out: &mut String) {
        let index = self.next_index.saturating_sub(1);
        write(out, "content_block_delta", &json!({"type": "content_block_delta", "index": index, "delta": delta}));
    }

    fn close(&mut self, out: &mut String) {
        if self.open == Open::Nothing {
            return;
        }
        if self.open == (Open::Tool { empty: true }) {
            self.write_delta(&json!({"type": "input_json_delta", "partial_json": "{}"}), out);
        }
        self.open = Open::Nothing;
        let index = self.next_index.saturating_sub(1);
        write(out, "content_block_stop", &json!({"type": "content_block_stop", "index": index}));
    }
}

fn write(out: &mut String, name: &str, data: &Value) {
    let _ = write!(out, "event: {name}\ndata: {data}\n\n");
}
