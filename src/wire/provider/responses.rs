//! OpenAI Responses: requests to it and answers of it. Nothing is stored there: what the model reasoned comes back with the
//! conversation, encrypted.
//!
//! Source: the published API reference, and the types of `openai` 3.54.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::stream::Chunks;
use super::turns::{Turn, plain, reminder, text_of, turns};
use super::{Encoded, choice_of, count, error_of, members, schema_of, written};
use crate::wire::Api;
use crate::wire::chat::{Block, Chat, Media, ToolChoice, object};
use crate::wire::event::{Event, Stop, Usage, broken};
use crate::wire::foreign::{self, Maker};
use crate::wire::ids::{Names, short_id};
use crate::wire::loss::{stand_in, takes};
use crate::wire::wanted::{Target, Wanted};
use crate::wire::weave::{Piece, Plain, Weaver};

/// The least answer that the API lets be asked for, in tokens: Claude Code tries a key with an answer of one.
const OUTPUT_MIN: u64 = 16;

// --- requests --------------------------------------------------------------------------------------------------------

/// A request of a chat.
pub fn encode(chat: &Chat<'_>, wanted: &Wanted, target: &Target<'_>) -> Encoded {
    let mut names = Names::default();
    let mut body = Map::new();
    body.insert("model".to_owned(), wanted.model.clone().into());
    if let Some(text) = wanted.system_text(chat) {
        body.insert("instructions".to_owned(), text.into());
    }
    body.insert("input".to_owned(), input(chat, target, &mut names).into());
    tools(chat, wanted, &mut body, &mut names);
    let schema = wanted.schema.as_ref();
    let format = schema.map(|schema| json!({"format": {"type": "json_schema", "name": "answer", "schema": schema}}));
    let members = [
        ("max_output_tokens", wanted.max_tokens.map(|tokens| tokens.max(OUTPUT_MIN).into())),
        ("temperature", wanted.temperature.map(Value::from)),
        ("top_p", wanted.top_p.map(Value::from)),
        ("reasoning", reasoning(wanted, target)),
        ("text", format),
        ("prompt_cache_key", wanted.cache_key.clone().map(Value::from)),
        ("include", target.reasoning.then(|| json!(["reasoning.encrypted_content"]))),
        ("store", Some(false.into())),
        ("stream", chat.stream.then(|| true.into())),
    ];
    body.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Encoded { body: written(body), names }
}

/// A summary of what is reasoned is the only part of it that can be read.
fn reasoning(wanted: &Wanted, target: &Target<'_>) -> Option<Value> {
    if !target.reasoning {
        return None;
    }
    let mut made = json!({});
    if let Some(effort) = &wanted.effort {
        made["effort"] = effort.as_str().into();
    }
    if matches!(wanted.thinking, crate::wire::chat::Thinking::On(_)) {
        made["summary"] = "auto".into();
    }
    made.as_object().is_some_and(|members| !members.is_empty()).then_some(made)
}

fn tools(chat: &Chat<'_>, wanted: &Wanted, body: &mut Map<String, Value>, names: &mut Names) {
    let offered: Vec<Value> = chat
        .offered()
        .map(|(_, tool)| {
            let mut made = json!({"type": "function", "name": names.shorten(&tool.name), "parameters": schema_of(tool), "strict": false});
            if let Some(description) = &tool.description {
                made["description"] = (**description).into();
            }
            made
        })
        .collect();
    let mut offered = offered;
    offered.extend(chat.searches_the_web().then(|| json!({"type": "web_search"})));
    if offered.is_empty() {
        return;
    }
    body.insert("tools".to_owned(), offered.into());
    let choice = match choice_of(chat) {
        ToolChoice::Unsaid | ToolChoice::Auto => None,
        ToolChoice::Any => Some(json!("required")),
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Tool(name) => Some(json!({"type": "function", "name": names.shorten(name)})),
    };
    if let Some(choice) = choice {
        body.insert("tool_choice".to_owned(), choice);
    }
    if wanted.one_tool_at_a_time {
        body.insert("parallel_tool_calls".to_owned(), false.into());
    }
}

fn input(chat: &Chat<'_>, target: &Target<'_>, names: &mut Names) -> Vec<Value> {
    let message = |role: &str, parts: Vec<Value>| {
        members([("type", "message".into()), ("role", role.into()), ("content", parts.into())])
    };
    let mut items = Vec::new();
    for turn in turns(chat) {
        match turn {
            Turn::System(blocks) if !target.takes_rules_anywhere() => {
                items.extend(
                    reminder(blocks).map(|text| message("user", vec![json!({"type": "input_text", "text": text})])),
                );
            }
            Turn::System(blocks) => {
                let text = plain(blocks);
                if !text.is_empty() {
                    items.push(message("developer", vec![json!({"type": "input_text", "text": text})]));
                }
            }
            Turn::User(blocks) => {
                let parts: Vec<Value> = blocks.into_iter().filter_map(|(_, block)| part(block)).collect();
                if !parts.is_empty() {
                    items.push(message("user", parts));
                }
            }
            Turn::Assistant(blocks) => assistant(blocks, names, &mut items),
            Turn::Results(results) => {
                for result in results {
                    let media: Vec<Value> = result.media().filter_map(part).collect();
                    let text = result.text();
                    let output = if media.is_empty() {
                        text.into()
                    } else {
                        let mut parts = vec![json!({"type": "input_text", "text": text})];
                        parts.extend(media);
                        Value::from(parts)
                    };
                    let (kind, id) = ("function_call_output".into(), short_id(result.id).into());
                    items.push(members([("type", kind), ("call_id", id), ("output", output)]));
                }
            }
        }
    }
    items
}

/// A model's message: what it reasoned, said and called are items of their own, in their order.
fn assistant(blocks: &[Block<'_>], names: &mut Names, items: &mut Vec<Value>) {
    for block in blocks {
        match block {
            Block::Thinking { text, signature } => {
                let Some(encrypted) = foreign::opened(signature, Maker::Responses) else { continue };
                let summary =
                    if text.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": &**text}]) };
                items.push(json!({"type": "reasoning", "summary": summary, "encrypted_content": encrypted}));
            }
            Block::ToolUse { id, name, input } => {
                let arguments = if serde_json::from_str::<Map<String, Value>>(input).is_ok() {
                    (**input).to_owned()
                } else {
                    object(input).to_string()
                };
                items.push(json!({"type": "function_call", "call_id": short_id(id), "name": names.shorten(name), "arguments": arguments}));
            }
            other => {
                if let Some(text) = text_of(other) {
                    let part = json!({"type": "output_text", "text": text});
                    items.push(json!({"type": "message", "role": "assistant", "content": [part]}));
                }
            }
        }
    }
}

fn part(block: &Block<'_>) -> Option<Value> {
    let data_url = |media_type: &str, data: &str| format!("data:{media_type};base64,{data}");
    let text = |text: &str| json!({"type": "input_text", "text": text});
    Some(match block {
        Block::Image(media) if !takes(Api::Responses, media, true) => text(&stand_in(media, true)),
        Block::Document { media, .. } if !takes(Api::Responses, media, false) => text(&stand_in(media, false)),
        Block::Image(Media::Base64 { media_type, data }) => {
            json!({"type": "input_image", "image_url": data_url(media_type, data), "detail": "auto"})
        }
        Block::Image(Media::Url(url)) => json!({"type": "input_image", "image_url": &**url, "detail": "auto"}),
        Block::Document { media: Media::Url(url), .. } => json!({"type": "input_file", "file_url": &**url}),
        Block::Document { media: Media::Text(content), .. } => text(content),
        Block::Document { media: Media::Base64 { media_type, data }, title } => {
            let name = title.as_deref().unwrap_or("document.pdf");
            json!({"type": "input_file", "filename": name, "file_data": data_url(media_type, data)})
        }
        Block::ToolResult { blocks, .. } => text(&plain(blocks)),
        other => text(&text_of(other)?),
    })
}

// --- answers ---------------------------------------------------------------------------------------------------------

fn usage_of(value: &Value) -> Usage {
    let cached = count(&value["input_tokens_details"]["cached_tokens"]);
    Usage {
        input: count(&value["input_tokens"]).saturating_sub(cached),
        output: count(&value["output_tokens"]),
        cache_read: cached,
        cache_write: 0,
        cache_write_long: 0,
        reasoning: count(&value["output_tokens_details"]["reasoning_tokens"]),
    }
}

/// The events of a whole answer.
pub fn decode_whole(body: &[u8], names: &Names) -> Vec<Event> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return vec![broken("the upstream's answer is not JSON")];
    };
    let mut events = Vec::new();
    let mut decoder = Answers::new(names.clone());
    if value["output"].is_array() {
        decoder.weaver.start(value["id"].as_str(), usage_of(&value["usage"]), &mut events);
        for (index, item) in value["output"].as_array().into_iter().flatten().enumerate() {
            decoder.item_done(Some(index as u64), item, &mut events);
        }
    }
    decoder.end(&value, &mut events);
    events
}

/// What a stream of the API, or a whole answer, says as events.
#[derive(Debug)]
pub(super) struct Answers {
    weaver: Weaver,
    /// Whether text of the item at hand was sent already, piece by piece: by the place of the item.
    sent: HashSet<u64>,
}

impl Answers {
    /// For one answer; `names` are those that the request shortened.
    pub(super) fn new(names: Names) -> Self {
        Self { weaver: Weaver::new(names), sent: HashSet::new() }
    }

    fn event(&mut self, value: &Value, events: &mut Vec<Event>) {
        let place = value["output_index"].as_u64();
        let delta = value["delta"].as_str().unwrap_or_default();
        match value["type"].as_str().unwrap_or_default() {
            "response.created" => {
                self.weaver.start(value["response"]["id"].as_str(), Usage::default(), events);
            }
            "response.output_item.added" => {
                let item = &value["item"];
                if item["type"] == "function_call" {
                    self.weaver.call(piece(place, item, item["arguments"].as_str().unwrap_or_default()), events);
                }
            }
            "response.output_text.delta" | "response.refusal.delta" => {
                self.text(Plain::Text, place, delta, events);
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.text(Plain::Thinking, place, delta, events);
            }
            // Parts of a summary are paragraphs.
            "response.reasoning_summary_part.added" if value["summary_index"].as_u64() > Some(0) => {
                self.text(Plain::Thinking, place, "\n\n", events);
            }
            "response.function_call_arguments.delta" => {
                self.weaver.call(Piece { index: place, arguments: delta, ..Piece::default() }, events);
            }
            "response.function_call_arguments.done" => {
                let piece = Piece { index: place, ..Piece::default() };
                self.weaver.call_done(piece, value["arguments"].as_str(), events);
            }
            "response.output_item.done" => self.item_done(place, &value["item"], events),
            "response.completed" | "response.incomplete" | "response.failed" => self.end(&value["response"], events),
            "error" => {
                let error = if value["error"].is_object() { &value["error"] } else { value };
                let (kind, message) = error_of(error);
                self.weaver.fail(kind, &message, events);
            }
            _ => {}
        }
    }

    fn text(&mut self, kind: Plain, place: Option<u64>, text: &str, events: &mut Vec<Event>) {
        if !text.is_empty() {
            self.sent.extend(place);
        }
        self.weaver.text(kind, text, events);
    }

    /// An item that is whole: what of it did not come in pieces follows.
    fn item_done(&mut self, place: Option<u64>, item: &Value, events: &mut Vec<Event>) {
        let is_sent = place.is_some_and(|place| self.sent.contains(&place));
        match item["type"].as_str().unwrap_or_default() {
            "function_call" => self.weaver.call_done(piece(place, item, ""), item["arguments"].as_str(), events),
            "message" => {
                for part in item["content"].as_array().into_iter().flatten().filter(|_| !is_sent) {
                    let text = part["text"].as_str().or_else(|| part["refusal"].as_str()).unwrap_or_default();
                    self.weaver.text(Plain::Text, text, events);
                }
                self.weaver.plain_done(events);
            }
            "reasoning" => {
                let parts = |name: &str| -> Vec<&str> {
                    item[name].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
                };
                let mut texts = parts("summary");
                if texts.is_empty() {
                    texts = parts("content");
                }
                if !is_sent {
                    self.weaver.text(Plain::Thinking, &texts.join("\n\n"), events);
                }
                match item["encrypted_content"].as_str() {
                    Some(encrypted) => self.weaver.sign(foreign::seal(Maker::Responses, encrypted), events),
                    None => self.weaver.plain_done(events),
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, response: &Value, events: &mut Vec<Event>) {
        if !response["error"].is_null() {
            let (kind, message) = error_of(&response["error"]);
            self.weaver.fail(kind, &message, events);
            return;
        }
        let usage = usage_of(&response["usage"]);
        let reason = response["incomplete_details"]["reason"].as_str();
        let refused =
            |item: &Value| item["content"].as_array().into_iter().flatten().any(|part| part["type"] == "refusal");
        let is_refusal = response["output"].as_array().into_iter().flatten().any(refused);
        let stop = match (response["status"].as_str(), reason) {
            (Some("incomplete"), Some("content_filter")) => Stop::Refusal,
            (Some("incomplete"), _) => Stop::MaxTokens,
            (Some("completed") | None, _) if self.weaver.has_calls() => Stop::ToolUse,
            (Some("completed"), _) if is_refusal => Stop::Refusal,
            (Some("completed"), _) => Stop::EndTurn,
            _ => {
                self.weaver.fail("api_error", "the upstream's answer does not say why it ended", events);
                return;
            }
        };
        self.weaver.end(stop, usage, events);
    }
}

fn piece<'v>(place: Option<u64>, item: &'v Value, arguments: &'v str) -> Piece<'v> {
    Piece {
        index: place,
        id: item["call_id"].as_str().unwrap_or_default(),
        name: item["name"].as_str().unwrap_or_default(),
        arguments,
    }
}

impl Chunks for Answers {
    fn weaver(&mut self) -> &mut Weaver {
        &mut self.weaver
    }

    fn chunk(&mut self, value: &Value, events: &mut Vec<Event>) {
        self.event(value, events);
    }

    fn over(&mut self, events: &mut Vec<Event>) {
        self.weaver.fail("api_error", "the upstream's stream ended before it was whole", events);
    }
}
