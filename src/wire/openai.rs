//! The OpenAI chat completions API, and all that are compatible with it: requests to it, answers of it, and answers to
//! clients that speak it.
//!
//! Source: the published API reference; what servers that call themselves compatible really send.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::wire::chat::{Block, Chat, Media, Role, Thinking, ToolChoice, referenced};
use crate::wire::event::{Answer, Decoder, Event, Opened, Stop, Usage};
use crate::wire::foreign::signature;
use crate::wire::ids::{Names, clean_id, hex};
use crate::wire::patch::Changes;
use crate::wire::sse::{Message, Reader};

/// How one server differs from another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dialect {
    /// It wants `max_completion_tokens`.
    pub completion_tokens: bool,
    /// The model reasons: it takes an effort, and no temperature.
    pub reasoning: bool,
}

/// The first words of the block that Claude Code bills by: it changes, and would keep every other cache from working.
const BILLING_HEADER: &str = "x-anthropic-billing-header";
/// The most texts that end an answer.
pub const STOP_MAX: usize = 4;
/// What stands for a result without content.
const NO_OUTPUT: &str = "(no output)";

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

// --- requests --------------------------------------------------------------------------------------------------------

/// A request of a chat that came by another API; with the names of tools that had to be shortened.
pub fn encode(chat: &Chat<'_>, changes: &Changes, dialect: Dialect) -> (String, Names) {
    let mut names = Names::default();
    let mut body = Map::new();
    let model = changes.model.clone().unwrap_or_else(|| chat.model.to_string());
    body.insert("model".to_owned(), model.into());
    body.insert("messages".to_owned(), messages(chat, changes, &mut names).into());
    tools(chat, &mut body, &mut names);
    parameters(chat, changes, dialect, &mut body);
    if chat.stream {
        body.insert("stream".to_owned(), true.into());
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    (Value::Object(body).to_string(), names)
}

fn parameters(chat: &Chat<'_>, changes: &Changes, dialect: Dialect, body: &mut Map<String, Value>) {
    if let Some(tokens) = changes.max_tokens.or(chat.max_tokens) {
        let name = if dialect.completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        body.insert(name.to_owned(), tokens.into());
    }
    if !dialect.reasoning {
        let numbers =
            [("temperature", changes.temperature.or(chat.temperature)), ("top_p", changes.top_p.or(chat.top_p))];
        for (name, value) in numbers {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.into());
            }
        }
    }
    let stop = changes.stop.clone().unwrap_or_else(|| chat.stop.iter().map(|text| text.to_string()).collect());
    if !stop.is_empty() && !dialect.reasoning {
        body.insert("stop".to_owned(), stop.into_iter().take(STOP_MAX).collect::<Vec<_>>().into());
    }
    let off = changes.thinking == Some(None) || (changes.thinking.is_none() && chat.thinking == Thinking::Off);
    let effort = changes.effort.clone().or_else(|| chat.effort.as_ref().map(|effort| effort.to_string()));
    if let Some(effort) = effort.filter(|_| dialect.reasoning && !off) {
        let effort = match effort.as_str() {
            "none" => "minimal",
            "xhigh" | "max" => "high",
            other => other,
        };
        body.insert("reasoning_effort".to_owned(), effort.into());
    }
    if let Some(schema) = chat.schema.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok()) {
        let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}});
        body.insert("response_format".to_owned(), format);
    }
}

fn tools(chat: &Chat<'_>, body: &mut Map<String, Value>, names: &mut Names) {
    let mut offered: Vec<Value> = Vec::new();
    for tool in chat.offered() {
        let schema = tool.schema.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_else(|| json!({}));
        let mut function = json!({"name": names.shorten(&tool.name), "parameters": schema});
        if let Some(description) = &tool.description {
            function["description"] = (**description).into();
        }
        offered.push(json!({"type": "function", "function": function}));
    }
    if offered.is_empty() {
        return;
    }
    let offers = |name: &str| chat.offered().any(|tool| &*tool.name == name);
    let choice = match &chat.tool_choice {
        ToolChoice::Unsaid | ToolChoice::Auto => None,
        ToolChoice::Any => Some(json!("required")),
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Tool(name) if offers(name) => {
            Some(json!({"type": "function", "function": {"name": names.shorten(name)}}))
        }
        ToolChoice::Tool(_) => None,
    };
    body.insert("tools".to_owned(), offered.into());
    if let Some(choice) = choice {
        body.insert("tool_choice".to_owned(), choice);
    }
    if chat.one_tool_at_a_time {
        body.insert("parallel_tool_calls".to_owned(), false.into());
    }
}

fn messages(chat: &Chat<'_>, changes: &Changes, names: &mut Names) -> Vec<Value> {
    let mut made: Vec<Value> = Vec::new();
    let own =
        chat.system.iter().map(|text| &**text).filter(|text| !text.starts_with(BILLING_HEADER) && !text.is_empty());
    let system: Vec<&str> = changes
        .system_before
        .iter()
        .map(String::as_str)
        .chain(own)
        .chain(changes.system_after.iter().map(String::as_str))
        .collect();
    if !system.is_empty() {
        made.push(json!({"role": "system", "content": system.join("\n\n")}));
    }
    for message in &chat.messages {
        match message.role {
            Role::System => {
                let text = plain(&message.blocks);
                if !text.is_empty() {
                    made.push(json!({"role": "system", "content": text}));
                }
            }
            Role::Assistant => assistant(&message.blocks, names, &mut made),
            Role::User => user(&message.blocks, &mut made),
        }
    }
    regroup(made)
}

fn assistant(blocks: &[Block<'_>], names: &mut Names, made: &mut Vec<Value>) {
    let mut calls: Vec<Value> = Vec::new();
    for block in blocks {
        if let Block::ToolUse { id, name, input } = block {
            let function = json!({"name": names.shorten(name), "arguments": &**input});
            calls.push(json!({"id": &**id, "type": "function", "function": function}));
        }
    }
    let text = plain(blocks);
    if text.is_empty() && calls.is_empty() {
        return;
    }
    let mut message = json!({"role": "assistant", "content": if text.is_empty() { Value::Null } else { text.into() }});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    made.push(message);
}

fn user(blocks: &[Block<'_>], made: &mut Vec<Value>) {
    let mut parts: Vec<Value> = Vec::new();
    for block in blocks {
        match block {
            Block::ToolResult { id, blocks, is_error } => {
                let text = plain(blocks);
                let text = match (text.is_empty(), is_error) {
                    (true, _) => NO_OUTPUT.to_owned(),
                    (false, true) => format!("Error: {text}"),
                    (false, false) => text,
                };
                made.push(json!({"role": "tool", "tool_call_id": &**id, "content": text}));
                parts.extend(
                    blocks
                        .iter()
                        .filter(|block| matches!(block, Block::Image(_) | Block::Document { .. }))
                        .filter_map(part),
                );
            }
            other => parts.extend(part(other)),
        }
    }
    match parts.as_slice() {
        [] => {}
        [Value::Object(one)] if one.get("type") == Some(&Value::from("text")) => {
            made.push(json!({"role": "user", "content": one["text"].clone()}));
        }
        _ => made.push(json!({"role": "user", "content": parts})),
    }
}

fn part(block: &Block<'_>) -> Option<Value> {
    Some(match block {
        Block::Text(text) if text.is_empty() => return None,
        Block::Text(text) => json!({"type": "text", "text": &**text}),
        Block::Image(Media::Base64 { media_type, data }) => {
            json!({"type": "image_url", "image_url": {"url": format!("data:{};base64,{}", &**media_type, &**data)}})
        }
        Block::Image(Media::Url(url)) => json!({"type": "image_url", "image_url": {"url": &**url}}),
        Block::Image(Media::File(_) | Media::Text(_)) => json!({"type": "text", "text": "[image omitted]"}),
        Block::Document { media: Media::Text(text), .. } => json!({"type": "text", "text": &**text}),
        Block::Document { media: Media::Base64 { media_type, data }, title } => {
            let name = title.as_deref().unwrap_or("document.pdf");
            let data = format!("data:{};base64,{}", &**media_type, &**data);
            json!({"type": "file", "file": {"filename": name, "file_data": data}})
        }
        Block::Document { media: Media::Url(url), .. } => {
            json!({"type": "text", "text": format!("[document: {}]", &**url)})
        }
        Block::Document { media: Media::File(_), .. } => json!({"type": "text", "text": "[document omitted]"}),
        Block::Thinking { .. } | Block::ToolUse { .. } => return None,
        Block::ToolResult { .. } => return None,
        Block::Other { raw, .. } => json!({"type": "text", "text": raw.get()}),
    })
}

/// The texts of some blocks; what is no text, image or call is given as the JSON that it is.
fn plain(blocks: &[Block<'_>]) -> String {
    let mut texts: Vec<Cow<'_, str>> = Vec::new();
    for block in blocks {
        match block {
            Block::Text(text) if !text.is_empty() => texts.push(Cow::Borrowed(text)),
            Block::Other { kind, raw } if &**kind != "redacted_thinking" => {
                texts.push(match referenced(kind, raw) {
                    Some(tool) => Cow::Owned(format!("The tool `{tool}` can be called now.")),
                    None => Cow::Borrowed(raw.get()),
                });
            }
            Block::Text(_)
            | Block::Other { .. }
            | Block::Image(_)
            | Block::Document { .. }
            | Block::ToolUse { .. }
            | Block::ToolResult { .. }
            | Block::Thinking { .. } => {}
        }
    }
    texts.join("\n")
}

/// Results of tools directly behind the message that called them, in the order of its calls.
fn regroup(made: Vec<Value>) -> Vec<Value> {
    let (mut results, mut rest): (Vec<Option<Value>>, Vec<Value>) = (Vec::new(), Vec::new());
    for message in made {
        if message["role"] == "tool" { results.push(Some(message)) } else { rest.push(message) }
    }
    if results.is_empty() {
        return rest;
    }
    let mut grouped = Vec::with_capacity(rest.len() + results.len());
    for message in rest {
        let calls: Vec<Value> =
            message["tool_calls"].as_array().into_iter().flatten().map(|call| call["id"].clone()).collect();
        grouped.push(message);
        for id in calls {
            let answer =
                results.iter_mut().find(|result| result.as_ref().is_some_and(|result| result["tool_call_id"] == id));
            grouped.extend(answer.and_then(Option::take));
        }
    }
    // A result whose call is gone says what it says as a user's text: a tool message alone would be refused.
    for orphan in results.into_iter().flatten() {
        grouped.push(json!({"role": "user", "content": orphan["content"]}));
    }
    grouped
}

// --- answers of the API ------------------------------------------------------------------------------------------------

fn usage_of(value: &Value) -> Option<Usage> {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let details = &value["prompt_tokens_details"];
    let (cached, written) = (count(&details["cached_tokens"]), count(&details["cache_write_tokens"]));
    value.is_object().then(|| Usage {
        input: count(&value["prompt_tokens"]).saturating_sub(cached + written),
        output: count(&value["completion_tokens"]),
        cache_read: cached,
        cache_write: written,
    })
}

fn stop_of(word: &str, has_tools: bool) -> Option<Stop> {
    match word {
        "length" | "max_tokens" => Some(Stop::MaxTokens),
        "content_filter" => Some(Stop::Refusal),
        "error" => None,
        _ if has_tools => Some(Stop::ToolUse),
        _ => Some(Stop::EndTurn),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn error_event(error: &Value) -> Event {
    let code = error["code"].as_u64().or_else(|| error["status"].as_u64());
    let kind = code.and_then(|code| u16::try_from(code).ok()).map_or("api_error", super::anthropic::error_kind);
    let overloaded = error["type"] == "overloaded_error" || error["code"] == "server_is_overloaded";
    let kind = if overloaded { "overloaded_error" } else { kind };
    let message = error["message"].as_str().or_else(|| error.as_str()).unwrap_or("the upstream failed").to_owned();
    Event::Error { kind: kind.to_owned(), message }
}

fn broken(message: &str) -> Event {
    Event::Error { kind: "api_error".to_owned(), message: message.to_owned() }
}

/// The events of a whole answer.
pub fn decode_whole(body: &[u8], names: &Names) -> Vec<Event> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return vec![broken("the upstream's answer is not JSON")];
    };
    if !value["error"].is_null() {
        return vec![error_event(&value["error"])];
    }
    let mut decoder = StreamDecoder::new(names.clone());
    let mut events = Vec::new();
    let mut chunk = value.clone();
    let Some(choice) = chunk["choices"].as_array_mut().and_then(|choices| choices.first_mut()) else {
        return vec![broken("the upstream's answer has no choices")];
    };
    choice["delta"] = choice["message"].take();
    for (index, call) in choice["delta"]["tool_calls"].as_array_mut().into_iter().flatten().enumerate() {
        call["index"] = index.into();
    }
    decoder.chunk(&chunk, &mut events);
    decoder.finish(&mut events);
    events
}

/// A call of a tool as it comes together.
#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking,
    /// The first call of the answer, which is passed on as it comes.
    Tool,
}

/// A stream of the API, as events. The first call of a tool is passed on as it comes; further ones, and text between
/// them, wait until it is done, because a client reads one block at a time.
#[derive(Debug)]
pub struct StreamDecoder {
    reader: Reader,
    names: Names,
    open: Open,
    started: bool,
    done: bool,
    calls: Vec<Call>,
    late_text: String,
    thinking: String,
    finish: Option<String>,
    usage: Usage,
    used_ids: Vec<String>,
}

impl StreamDecoder {
    /// For one answer; `names` are those that the request shortened.
    pub fn new(names: Names) -> Self {
        Self {
            reader: Reader::default(),
            names,
            open: Open::Nothing,
            started: false,
            done: false,
            calls: Vec::new(),
            late_text: String::new(),
            thinking: String::new(),
            finish: None,
            usage: Usage::default(),
            used_ids: Vec::new(),
        }
    }

    fn message(&mut self, message: &Message, events: &mut Vec<Event>) {
        if self.done {
            return;
        }
        if message.data.trim() == "[DONE]" {
            self.end(events);
            return;
        }
        match serde_json::from_str::<Value>(&message.data) {
            Ok(value) => self.chunk(&value, events),
            Err(_) => self.fail("the upstream sent an event that is not JSON", events),
        }
    }

    fn chunk(&mut self, value: &Value, events: &mut Vec<Event>) {
        if !value["error"].is_null() {
            self.done = true;
            events.push(error_event(&value["error"]));
            return;
        }
        if let Some(usage) = usage_of(&value["usage"]) {
            self.usage = usage;
        }
        if !std::mem::replace(&mut self.started, true) {
            let usage = Usage { output: 0, ..self.usage };
            events.push(Event::Start { id: value["id"].as_str().map(str::to_owned), usage });
        }
        let Some(choice) = value["choices"].as_array().and_then(|choices| choices.first()) else { return };
        let delta = &choice["delta"];
        let thinking =
            [&delta["reasoning_content"], &delta["reasoning"]].into_iter().map(text_of).find(|text| !text.is_empty());
        if let Some(text) = thinking {
            self.text(Open::Thinking, &text, events);
        }
        for text in [text_of(&delta["content"]), text_of(&delta["refusal"])] {
            self.text(Open::Text, &text, events);
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            self.call(call, events);
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish = Some(reason.to_owned());
        }
    }

    fn text(&mut self, kind: Open, text: &str, events: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        if !self.calls.is_empty() {
            if kind == Open::Text {
                self.late_text.push_str(text);
            }
            return;
        }
        if self.open != kind {
            self.close(events);
            self.open = kind;
            events.push(Event::Open(if kind == Open::Thinking { Opened::Thinking } else { Opened::Text }));
        }
        if kind == Open::Thinking {
            self.thinking.push_str(text);
        }
        events.push(Event::Delta(text.to_owned()));
    }

    fn call(&mut self, delta: &Value, events: &mut Vec<Event>) {
        let index = delta["index"].as_u64();
        let id = delta["id"].as_str().unwrap_or_default();
        let name = delta["function"]["name"].as_str().unwrap_or_default();
        let arguments = match &delta["function"]["arguments"] {
            Value::String(text) => text.clone(),
            object @ Value::Object(_) => object.to_string(),
            _ => String::new(),
        };
        let same = |call: &Call| match (index, id.is_empty()) {
            (_, false) if !call.id.is_empty() => call.id == id,
            (Some(index), _) => call.index == Some(index),
            (None, _) => true,
        };
        let place = match self.calls.iter().rposition(same) {
            Some(place) => place,
            None => {
                self.calls.push(Call { index, ..Call::default() });
                self.calls.len() - 1
            }
        };
        let call = &mut self.calls[place];
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        call.arguments.push_str(&arguments);
        if place == 0 && !self.calls[0].name.is_empty() {
            self.first_call(&arguments, events);
        }
    }

    /// Passes on the first call: its start with all that waited for its name, then each piece.
    fn first_call(&mut self, piece: &str, events: &mut Vec<Event>) {
        if self.open == Open::Tool {
            if !piece.is_empty() {
                events.push(Event::Delta(piece.to_owned()));
            }
            return;
        }
        self.close(events);
        self.open = Open::Tool;
        let opened = self.opened(0);
        events.push(Event::Open(opened));
        if !self.calls[0].arguments.is_empty() {
            events.push(Event::Delta(self.calls[0].arguments.clone()));
        }
    }

    /// A call's block, under an id that Anthropic takes and that no other call has.
    fn opened(&mut self, place: usize) -> Opened {
        let call = &self.calls[place];
        let mut id = if call.id.is_empty() {
            format!("call_{place}_{}", hex(call.name.as_bytes(), 6))
        } else {
            clean_id(&call.id)
        };
        while self.used_ids.contains(&id) {
            id.push_str("_2");
        }
        self.used_ids.push(id.clone());
        Opened::ToolUse { id, name: self.names.restore(&call.name) }
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        match self.open {
            Open::Nothing => return,
            Open::Thinking => events.push(Event::Signature(signature(&self.thinking))),
            Open::Text | Open::Tool => {}
        }
        if self.open == Open::Thinking {
            self.thinking.clear();
        }
        self.open = Open::Nothing;
        events.push(Event::Close);
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        if self.done {
            return;
        }
        let has_tools = self.calls.iter().any(|call| !call.name.is_empty());
        let stop = match self.finish.as_deref() {
            Some(reason) => stop_of(reason, has_tools),
            None if has_tools => Some(Stop::ToolUse),
            None => Some(Stop::EndTurn),
        };
        let Some(stop) = stop else {
            self.fail("the upstream broke off its answer", events);
            return;
        };
        let streamed = usize::from(self.open == Open::Tool);
        self.close(events);
        for place in streamed..self.calls.len() {
            if self.calls[place].name.is_empty() {
                continue;
            }
            let opened = self.opened(place);
            let arguments = std::mem::take(&mut self.calls[place].arguments);
            events.extend([Event::Open(opened), Event::Delta(arguments), Event::Close]);
        }
        let late = std::mem::take(&mut self.late_text);
        if !late.is_empty() {
            events.extend([Event::Open(Opened::Text), Event::Delta(late), Event::Close]);
        }
        self.done = true;
        events.push(Event::End { stop, sequence: None, usage: self.usage });
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
        if self.finish.is_some() {
            self.end(events);
        } else if !self.done {
            self.fail("the upstream's stream ended before it was whole", events);
        }
    }
}

// --- answers to clients ------------------------------------------------------------------------------------------------

fn stop_word(stop: Stop) -> &'static str {
    match stop {
        Stop::EndTurn | Stop::Sequence | Stop::Pause => "stop",
        Stop::MaxTokens => "length",
        Stop::ToolUse => "tool_calls",
        Stop::Refusal => "content_filter",
    }
}

fn usage_json(usage: Usage) -> Value {
    let prompt = usage.input + usage.cache_read + usage.cache_write;
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
    })
}

/// The body of a whole answer. `created` is in seconds since 1970.
pub fn answer(answer: &Answer, id: &str, model: &str, created: i64) -> String {
    let (mut text, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
    for part in &answer.parts {
        match &part.opened {
            Opened::Text => text.push_str(&part.body),
            Opened::Thinking => thinking.push_str(&part.body),
            Opened::ToolUse { id, name } => {
                let arguments = if part.body.is_empty() { "{}" } else { &part.body };
                calls.push(json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}));
            }
        }
    }
    let mut message = json!({"role": "assistant", "content": if text.is_empty() { Value::Null } else { text.into() }, "refusal": null});
    if !thinking.is_empty() {
        message["reasoning_content"] = thinking.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    json!({
        "id": id, "object": "chat.completion", "created": created, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": stop_word(answer.stop), "logprobs": null}],
        "usage": usage_json(answer.usage),
    })
    .to_string()
}

/// Writes events as a stream of the API.
#[derive(Debug)]
pub struct StreamEncoder {
    id: String,
    model: String,
    created: i64,
    with_usage: bool,
    started: bool,
    done: bool,
    open: Open,
    n_calls: usize,
}

impl StreamEncoder {
    /// For one answer, under the name of the model that gives it.
    pub fn new(id: String, model: String, created: i64, with_usage: bool) -> Self {
        Self { id, model, created, with_usage, started: false, done: false, open: Open::Nothing, n_calls: 0 }
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
                    Opened::Thinking => Open::Thinking,
                    Opened::ToolUse { .. } => Open::Tool,
                };
                if let Opened::ToolUse { id, name } = opened {
                    let function = json!({"name": name, "arguments": ""});
                    let call = json!({"index": self.n_calls, "id": id, "type": "function", "function": function});
                    self.delta(&json!({"tool_calls": [call]}), out);
                    self.n_calls += 1;
                }
            }
            Event::Delta(text) if !text.is_empty() => match self.open {
                Open::Nothing => {}
                Open::Text => self.delta(&json!({"content": text}), out),
                Open::Thinking => self.delta(&json!({"reasoning_content": text}), out),
                Open::Tool => {
                    let call = json!({"index": self.n_calls.saturating_sub(1), "function": {"arguments": text}});
                    self.delta(&json!({"tool_calls": [call]}), out);
                }
            },
            Event::Delta(_) | Event::Signature(_) => {}
            Event::Close => self.open = Open::Nothing,
            Event::End { stop, usage, .. } => {
                self.start(out);
                self.chunk(
                    &json!([{"index": 0, "delta": {}, "finish_reason": stop_word(*stop), "logprobs": null}]),
                    None,
                    out,
                );
                if self.with_usage {
                    self.chunk(&json!([]), Some(*usage), out);
                }
                out.push_str("data: [DONE]\n\n");
                self.done = true;
            }
            Event::Error { kind, message } => {
                let error = json!({"error": {"message": message, "type": kind, "param": null, "code": null}});
                out.push_str(&format!("data: {error}\n\n"));
                self.done = true;
            }
        }
    }

    fn start(&mut self, out: &mut String) {
        if !std::mem::replace(&mut self.started, true) {
            self.delta(&json!({"role": "assistant", "content": ""}), out);
        }
    }

    fn delta(&self, delta: &Value, out: &mut String) {
        self.chunk(&json!([{"index": 0, "delta": delta, "finish_reason": null, "logprobs": null}]), None, out);
    }

    fn chunk(&self, choices: &Value, usage: Option<Usage>, out: &mut String) {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model, "choices": choices,
        });
        if self.with_usage {
            chunk["usage"] = usage.map_or(Value::Null, usage_json);
        }
        out.push_str(&format!("data: {chunk}\n\n"));
    }
}
