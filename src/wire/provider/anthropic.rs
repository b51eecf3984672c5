//! The Anthropic Messages API: requests to it and answers of it.
//!
//! Source: the published API reference, and what its SDK accepts (`anthropic` for Python, 2.12).

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::turns::{Answered, Turn, plain, reminder, turns};
use super::{Encoded, members, schema_of, written};
use crate::wire::Api;
use crate::wire::chat::{Block, Chat, Mark, Media, Thinking, ToolChoice, object};
use crate::wire::event::{Decoder, Event, Opened, Stop, Usage, broken};
use crate::wire::foreign;
use crate::wire::ids::{Names, clean_id};
use crate::wire::loss::{stand_in, takes};
use crate::wire::sse::{Message, Reader};
use crate::wire::wanted::{Target, Wanted};

/// The least thinking budget that the API takes, in tokens.
const THINKING_MIN: u64 = 1_024;

// --- requests --------------------------------------------------------------------------------------------------------

/// A request of a chat that came by another API.
pub fn encode(chat: &Chat<'_>, wanted: &Wanted, target: &Target<'_>) -> Encoded {
    let mut body = Map::new();
    body.insert("model".to_owned(), wanted.model.clone().into());
    let max_tokens = wanted.max_tokens.unwrap_or(target.output_max);
    body.insert("max_tokens".to_owned(), max_tokens.into());
    let system: Vec<Value> = wanted
        .system(chat)
        .into_iter()
        .map(|(text, is_cached)| marked(json!({"type": "text", "text": text}), is_cached))
        .collect();
    if !system.is_empty() {
        body.insert("system".to_owned(), system.into());
    }
    body.insert("messages".to_owned(), messages(chat).into());
    tools(chat, wanted, &mut body);
    parameters(chat, wanted, max_tokens, &mut body);
    if chat.stream {
        body.insert("stream".to_owned(), true.into());
    }
    Encoded { body: written(body), names: Names::default() }
}

fn marked(mut block: Value, is_cached: bool) -> Value {
    if is_cached {
        block["cache_control"] = json!({"type": "ephemeral"});
    }
    block
}

fn parameters(chat: &Chat<'_>, wanted: &Wanted, max_tokens: u64, body: &mut Map<String, Value>) {
    let budget = match wanted.thinking {
        Thinking::On(budget) => budget,
        Thinking::Off | Thinking::Unsaid => None,
    };
    let budget = budget.map(|budget| budget.min(max_tokens.saturating_sub(1))).filter(|budget| *budget >= THINKING_MIN);
    let mut output = Map::new();
    if let Some(effort) = &wanted.effort {
        output.insert("effort".to_owned(), effort.as_str().into());
    }
    if let Some(schema) = &wanted.schema {
        output.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
    }
    let members = [
        ("temperature", wanted.temperature.map(Value::from)),
        ("top_p", wanted.top_p.map(Value::from)),
        ("top_k", wanted.top_k.map(Value::from)),
        ("stop_sequences", (!wanted.stop.is_empty()).then(|| wanted.stop.clone().into())),
        ("thinking", budget.map(|budget| json!({"type": "enabled", "budget_tokens": budget}))),
        ("output_config", (!output.is_empty()).then_some(Value::Object(output))),
        ("metadata", chat.user.as_ref().map(|user| json!({"user_id": &**user}))),
    ];
    body.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
}

fn tools(chat: &Chat<'_>, wanted: &Wanted, body: &mut Map<String, Value>) {
    let offered: Vec<Value> = chat
        .tools
        .iter()
        .enumerate()
        .filter(|(_, tool)| tool.server.is_none())
        .map(|(index, tool)| {
            let mut made = members([("name", (&*tool.name).into()), ("input_schema", schema_of(tool))]);
            if made["input_schema"]["type"] != "object" {
                made["input_schema"]["type"] = "object".into();
            }
            if let Some(description) = &tool.description {
                made["description"] = (**description).into();
            }
            marked(made, chat.cached.contains(&Mark::Tool(index)))
        })
        .collect();
    if offered.is_empty() {
        return;
    }
    body.insert("tools".to_owned(), offered.into());
    let mut choice = match &chat.tool_choice {
        ToolChoice::Unsaid if wanted.one_tool_at_a_time => json!({"type": "auto"}),
        ToolChoice::Unsaid => return,
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::Any => json!({"type": "any"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Tool(name) => json!({"type": "tool", "name": &**name}),
    };
    if wanted.one_tool_at_a_time && !matches!(chat.tool_choice, ToolChoice::None) {
        choice["disable_parallel_tool_use"] = true.into();
    }
    body.insert("tool_choice".to_owned(), choice);
}

/// The messages: neighbours of one role joined, results of tools before other content of their turn.
fn messages(chat: &Chat<'_>) -> Vec<Value> {
    let mut made: Vec<(&'static str, Vec<Value>)> = Vec::new();
    let mut add = |role: &'static str, blocks: Vec<Value>| match made.last_mut() {
        _ if blocks.is_empty() => {}
        Some((last, content)) if *last == role => content.extend(blocks),
        _ => made.push((role, blocks)),
    };
    for turn in turns(chat) {
        match turn {
            // Which of its models take rules here is not known to all of its servers.
            Turn::System(blocks) => add("user", reminder(blocks).map(|said| text(&said)).into_iter().collect()),
            Turn::User(blocks) => {
                let is_cached = |(message, block): (usize, usize)| chat.cached.contains(&Mark::Block(message, block));
                let own = blocks.into_iter().filter_map(|(at, own)| Some(marked(block(own)?, is_cached(at))));
                add("user", own.collect());
            }
            Turn::Assistant(blocks) => add("assistant", blocks.iter().filter_map(block).collect()),
            Turn::Results(results) => add("user", results.iter().map(result).collect()),
        }
    }
    made.into_iter().map(|(role, content)| members([("role", role.into()), ("content", content.into())])).collect()
}

fn result(answered: &Answered<'_, '_>) -> Value {
    let content: Vec<Value> = answered.blocks.iter().filter_map(block).collect();
    let (kind, id) = ("tool_result".into(), clean_id(answered.id).into());
    let mut made = members([("type", kind), ("tool_use_id", id), ("content", content.into())]);
    if answered.is_error {
        made["is_error"] = true.into();
    }
    made
}

fn text(said: &str) -> Value {
    json!({"type": "text", "text": said})
}

fn block(block: &Block<'_>) -> Option<Value> {
    Some(match block {
        Block::Text(said) if said.is_empty() => return None,
        Block::Text(said) => text(said),
        Block::Image(media) if !takes(Api::Messages, media, true) => text(&stand_in(media, true)),
        Block::Document { media, .. } if !takes(Api::Messages, media, false) => text(&stand_in(media, false)),
        Block::Image(media) => json!({"type": "image", "source": source(media)}),
        Block::Document { media, title } => {
            let mut made = json!({"type": "document", "source": source(media)});
            if let Some(title) = title {
                made["title"] = (**title).into();
            }
            made
        }
        Block::ToolUse { id, name, input } => {
            json!({"type": "tool_use", "id": clean_id(id), "name": &**name, "input": object(input)})
        }
        // A result that nobody called for would be refused.
        Block::ToolResult { blocks, .. } => text(&plain(blocks)),
        // Thinking that Anthropic did not sign is refused.
        Block::Thinking { signature, .. } if signature.is_empty() || foreign::is_own(signature) => return None,
        Block::Thinking { text, signature } => {
            json!({"type": "thinking", "thinking": &**text, "signature": &**signature})
        }
        Block::Other { raw, .. } => text(raw),
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

// --- answers ---------------------------------------------------------------------------------------------------------

fn usage_of(value: &Value, usage: &mut Usage) {
    let count = |name: &str, was: u64| value[name].as_u64().unwrap_or(was);
    usage.input = count("input_tokens", usage.input);
    usage.output = count("output_tokens", usage.output);
    usage.cache_read = count("cache_read_input_tokens", usage.cache_read);
    usage.cache_write = count("cache_creation_input_tokens", usage.cache_write);
    let long = value["cache_creation"]["ephemeral_1h_input_tokens"].as_u64();
    usage.cache_write_long = long.unwrap_or(usage.cache_write_long).min(usage.cache_write);
    usage.reasoning = value["output_tokens_details"]["thinking_tokens"].as_u64().unwrap_or(usage.reasoning);
}

/// What a whole answer used, read without the rest of it. None where it is an error, broke, or is not as the API has it:
/// then `decode_whole` says what it is.
pub fn usage_of_whole(body: &[u8]) -> Option<Usage> {
    /// What an answer has besides its content, as long as each part has the type that the API gives it.
    #[derive(serde::Deserialize)]
    struct Whole<'a> {
        #[serde(borrow, rename = "type")]
        ty: Cow<'a, str>,
        #[serde(borrow)]
        stop_reason: Cow<'a, str>,
        usage: Counts,
    }
    #[derive(serde::Deserialize)]
    struct Counts {
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
        cache_read_input_tokens: Option<u64>,
        cache_creation_input_tokens: Option<u64>,
        cache_creation: Option<Written>,
        output_tokens_details: Option<Details>,
    }
    #[derive(serde::Deserialize)]
    struct Written {
        ephemeral_1h_input_tokens: Option<u64>,
    }
    #[derive(serde::Deserialize)]
    struct Details {
        thinking_tokens: Option<u64>,
    }
    let whole: Whole<'_> = serde_json::from_slice(body).ok()?;
    if whole.ty != "message" || whole.stop_reason.is_empty() {
        return None;
    }
    let counts = whole.usage;
    let cache_write = counts.cache_creation_input_tokens.unwrap_or(0);
    Some(Usage {
        input: counts.input_tokens.unwrap_or(0),
        output: counts.output_tokens.unwrap_or(0),
        cache_read: counts.cache_read_input_tokens.unwrap_or(0),
        cache_write,
        cache_write_long: counts
            .cache_creation
            .and_then(|part| part.ephemeral_1h_input_tokens)
            .unwrap_or(0)
            .min(cache_write),
        reasoning: counts.output_tokens_details.and_then(|part| part.thinking_tokens).unwrap_or(0),
    })
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

/// The events of a whole answer.
pub fn decode_whole(body: &[u8]) -> Vec<Event> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return vec![broken("the upstream's answer is not JSON")];
    };
    if value["type"] == "error" || !value["error"].is_null() {
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
            _ => events.extend([Event::Open(Opened::Other { raw: block.to_string() }), Event::Close]),
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

fn error_event(value: &Value) -> Event {
    Event::Error {
        kind: value["error"]["type"].as_str().unwrap_or("api_error").to_owned(),
        message: value["error"]["message"]
            .as_str()
            .or_else(|| value["error"].as_str())
            .unwrap_or("the upstream failed")
            .to_owned(),
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
            _ => Opened::Other { raw: block.to_string() },
        };
        if std::mem::replace(&mut self.open, true) {
            events.push(Event::Close);
        }
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
