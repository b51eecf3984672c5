//! OpenAI chat completions, and all that are compatible with it: requests to it and answers of it.
//!
//! Source: the published API reference; what servers that call themselves compatible really send.

use serde_json::{Map, Value, json};

use super::stream::Chunks;
use super::turns::{Answered, Turn, plain, reminder, text_of, turns};
use super::{Encoded, choice_of, count, error_of, members, openrouter, schema_of, written};
use crate::wire::Api;
use crate::wire::chat::{Block, Chat, Mark, Media, ToolChoice, object};
use crate::wire::event::{Event, Stop, Usage, broken};
use crate::wire::ids::{Names, short_id};
use crate::wire::loss::{stand_in, takes};
use crate::wire::wanted::{Dialect, Target, Wanted};
use crate::wire::weave::{Piece, Plain, Weaver};

// --- requests --------------------------------------------------------------------------------------------------------

/// A request of a chat that came by another API.
pub fn encode(chat: &Chat<'_>, wanted: &Wanted, target: &Target<'_>) -> Encoded {
    let mut names = Names::default();
    let mut body = Map::new();
    body.insert("model".to_owned(), wanted.model.clone().into());
    body.insert("messages".to_owned(), messages(chat, wanted, target, &mut names).into());
    tools(chat, wanted, target, &mut body, &mut names);
    parameters(chat, wanted, target, &mut body);
    if chat.stream {
        body.insert("stream".to_owned(), true.into());
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    Encoded { body: written(body), names }
}

fn parameters(chat: &Chat<'_>, wanted: &Wanted, target: &Target<'_>, body: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    let longest = if target.dialect.openai { "max_completion_tokens" } else { "max_tokens" };
    put(longest, wanted.max_tokens.map(Value::from));
    put("temperature", wanted.temperature.map(Value::from));
    put("top_p", wanted.top_p.map(Value::from));
    put("prompt_cache_key", wanted.cache_key.clone().map(Value::from));
    put("stop", (!wanted.stop.is_empty()).then(|| wanted.stop.clone().into()));
    let schema = wanted.schema.as_ref();
    put(
        "response_format",
        schema.map(|schema| json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}})),
    );
    if !target.dialect.openrouter {
        put("reasoning_effort", wanted.effort.clone().map(Value::from));
        return;
    }
    openrouter::parameters(chat, wanted, body);
}

fn tools(chat: &Chat<'_>, wanted: &Wanted, target: &Target<'_>, body: &mut Map<String, Value>, names: &mut Names) {
    let mut offered: Vec<Value> = Vec::new();
    for (place, tool) in chat.offered() {
        let mut function = members([("name", names.shorten(&tool.name).into()), ("parameters", schema_of(tool))]);
        if let Some(description) = &tool.description {
            function["description"] = (**description).into();
        }
        let mut made = json!({"type": "function", "function": function});
        if target.dialect.openrouter && chat.cached.contains(&Mark::Tool(place)) {
            made["cache_control"] = json!({"type": "ephemeral"});
        }
        offered.push(made);
    }
    if offered.is_empty() {
        return;
    }
    let choice = match choice_of(chat) {
        ToolChoice::Unsaid | ToolChoice::Auto => None,
        ToolChoice::Any => Some(json!("required")),
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Tool(name) => Some(json!({"type": "function", "function": {"name": names.shorten(name)}})),
    };
    body.insert("tools".to_owned(), offered.into());
    if let Some(choice) = choice {
        body.insert("tool_choice".to_owned(), choice);
    }
    if wanted.one_tool_at_a_time {
        body.insert("parallel_tool_calls".to_owned(), false.into());
    }
}

fn messages(chat: &Chat<'_>, wanted: &Wanted, target: &Target<'_>, names: &mut Names) -> Vec<Value> {
    let mut made: Vec<Value> = Vec::new();
    let system = wanted.system(chat);
    if target.dialect.openrouter && system.iter().any(|(_, is_cached)| *is_cached) {
        let parts: Vec<Value> = system.iter().map(|(text, is_cached)| text_part(text, *is_cached)).collect();
        made.push(members([("role", "system".into()), ("content", parts.into())]));
    } else if let Some(text) = wanted.system_text(chat) {
        made.push(json!({"role": "system", "content": text}));
    }
    // What a person says, and what tools show besides their text, is one message up to the next one of a model.
    let mut said: Vec<Value> = Vec::new();
    for turn in turns(chat) {
        match turn {
            Turn::System(blocks) if !target.takes_rules_anywhere() => {
                said.extend(reminder(blocks).map(|text| text_part(&text, false)));
            }
            Turn::System(blocks) => {
                user(&mut said, &mut made);
                let text = plain(blocks);
                if !text.is_empty() {
                    made.push(json!({"role": "system", "content": text}));
                }
            }
            Turn::Assistant(blocks) => {
                user(&mut said, &mut made);
                made.extend(assistant(blocks, target.dialect, names));
            }
            Turn::User(blocks) => {
                let mark = |(message, block): (usize, usize)| {
                    target.dialect.openrouter && chat.cached.contains(&Mark::Block(message, block))
                };
                said.extend(blocks.into_iter().filter_map(|(place, block)| part(block, mark(place))));
            }
            Turn::Results(results) => {
                for result in &results {
                    let id = short_id(result.id).into();
                    made.push(members([
                        ("role", "tool".into()),
                        ("tool_call_id", id),
                        ("content", result.text().into()),
                    ]));
                }
                said.extend(results.iter().flat_map(Answered::media).filter_map(|block| part(block, false)));
            }
        }
    }
    user(&mut said, &mut made);
    made
}

fn assistant(blocks: &[Block<'_>], dialect: Dialect, names: &mut Names) -> Option<Value> {
    let mut calls: Vec<Value> = Vec::new();
    let mut thinking = String::new();
    for block in blocks {
        match block {
            Block::ToolUse { id, name, input } => {
                let read = serde_json::from_str::<Value>(input).is_ok_and(|value| value.is_object());
                let arguments = if read { (**input).to_owned() } else { object(input).to_string() };
                let function = members([("name", names.shorten(name).into()), ("arguments", arguments.into())]);
                calls.push(json!({"id": short_id(id), "type": "function", "function": function}));
            }
            Block::Thinking { text, .. } => thinking.push_str(text),
            _ => {}
        }
    }
    let text = plain(blocks);
    if text.is_empty() && calls.is_empty() {
        return None;
    }
    let content = if text.is_empty() { Value::Null } else { text.into() };
    let mut message = members([("role", "assistant".into()), ("content", content)]);
    if dialect.echoes_thinking && !calls.is_empty() {
        message["reasoning_content"] = thinking.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    if let Some(details) = openrouter::details(blocks).filter(|_| dialect.openrouter) {
        message["reasoning_details"] = details;
    }
    Some(message)
}

fn user(parts: &mut Vec<Value>, made: &mut Vec<Value>) {
    let content = match parts.as_mut_slice() {
        [] => return,
        // One text alone is the content itself.
        [Value::Object(one)] if one.len() == 2 && one.get("type") == Some(&Value::from("text")) => one["text"].take(),
        _ => std::mem::take(parts).into(),
    };
    parts.clear();
    made.push(members([("role", "user".into()), ("content", content)]));
}

fn text_part(text: &str, is_cached: bool) -> Value {
    let mut part = json!({"type": "text", "text": text});
    if is_cached {
        part["cache_control"] = json!({"type": "ephemeral"});
    }
    part
}

fn part(block: &Block<'_>, is_cached: bool) -> Option<Value> {
    let data_url = |media_type: &str, data: &str| format!("data:{media_type};base64,{data}");
    Some(match block {
        Block::Image(media) if !takes(Api::Completions, media, true) => text_part(&stand_in(media, true), is_cached),
        Block::Document { media, .. } if !takes(Api::Completions, media, false) => {
            text_part(&stand_in(media, false), is_cached)
        }
        Block::Image(Media::Base64 { media_type, data }) => {
            json!({"type": "image_url", "image_url": {"url": data_url(media_type, data)}})
        }
        Block::Image(Media::Url(url)) => json!({"type": "image_url", "image_url": {"url": &**url}}),
        Block::Document { media: Media::Text(text), .. } => text_part(text, is_cached),
        Block::Document { media: Media::Base64 { media_type, data }, title } => {
            let name = title.as_deref().unwrap_or("document.pdf");
            json!({"type": "file", "file": {"filename": name, "file_data": data_url(media_type, data)}})
        }
        // A result that nobody called for: a message of a tool would be refused.
        Block::ToolResult { blocks, .. } => text_part(&plain(blocks), is_cached),
        other => text_part(&text_of(other)?, is_cached),
    })
}

// --- answers ---------------------------------------------------------------------------------------------------------

fn usage_of(value: &Value) -> Option<Usage> {
    let details = &value["prompt_tokens_details"];
    let (cached, written) = (count(&details["cached_tokens"]), count(&details["cache_write_tokens"]));
    value.is_object().then(|| Usage {
        input: count(&value["prompt_tokens"]).saturating_sub(cached + written),
        output: count(&value["completion_tokens"]),
        cache_read: cached,
        cache_write: written,
        cache_write_long: 0,
        reasoning: count(&value["completion_tokens_details"]["reasoning_tokens"]),
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

fn texts_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// The events of a whole answer.
pub fn decode_whole(body: &[u8], names: &Names) -> Vec<Event> {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return vec![broken("the upstream's answer is not JSON")];
    };
    if value["error"].is_null() {
        let choices = value.get_mut("choices").and_then(Value::as_array_mut);
        let Some(choice) = choices.and_then(|choices| choices.first_mut()).and_then(Value::as_object_mut) else {
            return vec![broken("the upstream's answer has no choices")];
        };
        let mut message = choice.remove("message").unwrap_or_default();
        let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
        for (index, call) in calls.into_iter().flatten().filter_map(Value::as_object_mut).enumerate() {
            call.insert("index".to_owned(), index.into());
        }
        choice.insert("delta".to_owned(), message);
    }
    let mut events = Vec::new();
    let mut decoder = Answers::new(names.clone());
    decoder.said(&value, &mut events);
    decoder.over(&mut events);
    events
}

/// What a stream of the API, or a whole answer, says as events.
#[derive(Debug)]
pub(super) struct Answers {
    weaver: Weaver,
    details: Vec<Value>,
    finish: Option<String>,
    /// Something was said: text, thinking, or a tool call.
    has_content: bool,
    usage: Usage,
}

impl Answers {
    /// For one answer; `names` are those that the request shortened.
    pub(super) fn new(names: Names) -> Self {
        Self {
            weaver: Weaver::new(names),
            details: Vec::new(),
            finish: None,
            has_content: false,
            usage: Usage::default(),
        }
    }

    fn said(&mut self, value: &Value, events: &mut Vec<Event>) {
        let choice = value["choices"].as_array().and_then(|choices| choices.first());
        // OpenRouter says within the choice what broke.
        let error = [Some(&value["error"]), choice.map(|choice| &choice["error"])];
        if let Some(error) = error.into_iter().flatten().find(|error| !error.is_null()) {
            let (kind, message) = error_of(error);
            self.weaver.fail(kind, &message, events);
            return;
        }
        if let Some(usage) = usage_of(&value["usage"]) {
            self.usage = usage;
        }
        self.weaver.start(value["id"].as_str(), self.usage, events);
        let Some(choice) = choice else { return };
        let delta = &choice["delta"];
        let thinking =
            [&delta["reasoning_content"], &delta["reasoning"]].into_iter().map(texts_of).find(|text| !text.is_empty());
        if let Some(text) = thinking {
            self.has_content = true;
            self.weaver.text(Plain::Thinking, &text, events);
        }
        if let Some(pieces) = delta["reasoning_details"].as_array() {
            openrouter::gather(&mut self.details, pieces);
        }
        for text in [texts_of(&delta["content"]), texts_of(&delta["refusal"])] {
            if !text.is_empty() {
                self.has_content = true;
                self.sign(events);
                self.weaver.text(Plain::Text, &text, events);
            }
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            self.sign(events);
            let arguments = match &call["function"]["arguments"] {
                Value::String(text) => text.clone(),
                object @ Value::Object(_) => object.to_string(),
                _ => String::new(),
            };
            let piece = Piece {
                index: call["index"].as_u64(),
                id: call["id"].as_str().unwrap_or_default(),
                name: call["function"]["name"].as_str().unwrap_or_default(),
                arguments: &arguments,
            };
            self.weaver.call(piece, events);
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish = Some(reason.to_owned());
        }
    }

    /// What OpenRouter wants back belongs to the thinking before it.
    fn sign(&mut self, events: &mut Vec<Event>) {
        if let Some(signature) = openrouter::seal(&mut self.details) {
            self.weaver.sign(signature, events);
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        let has_tools = self.weaver.has_calls();
        let stop = match self.finish.as_deref() {
            Some(reason) => stop_of(reason, has_tools),
            None if has_tools => Some(Stop::ToolUse),
            None if self.has_content => Some(Stop::EndTurn),
            None => {
                self.weaver.fail("api_error", "the upstream's stream ended before it said anything", events);
                return;
            }
        };
        self.sign(events);
        match stop {
            Some(stop) => self.weaver.end(stop, self.usage, events),
            None => self.weaver.fail("api_error", "the upstream broke off its answer", events),
        }
    }
}

impl Chunks for Answers {
    fn weaver(&mut self) -> &mut Weaver {
        &mut self.weaver
    }

    fn chunk(&mut self, value: &Value, events: &mut Vec<Event>) {
        self.said(value, events);
    }

    fn done(&mut self, events: &mut Vec<Event>) {
        self.end(events);
    }

    fn over(&mut self, events: &mut Vec<Event>) {
        if self.finish.is_some() {
            self.end(events);
        } else {
            self.weaver.fail("api_error", "the upstream's stream ended before it was whole", events);
        }
    }
}
