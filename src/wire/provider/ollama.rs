//! Ollama's own chat API, and the answers of both of its APIs: a JSON document a line.
//!
//! Source: "API" of ollama's documentation, and its server's types of 2026-08.

use serde_json::{Map, Value, json};

use super::turns::{Answered, Turn, plain, reminder, text_of, turns};
use super::{Encoded, count, error_of, members, schema_of, written};
use crate::wire::Api;
use crate::wire::chat::{Block, Chat, Media, Thinking, ToolChoice, object};
use crate::wire::event::{Decoder, Event, Stop, Usage, whole};
use crate::wire::ids::Names;
use crate::wire::lines::Reader;
use crate::wire::loss::{stand_in, takes};
use crate::wire::wanted::{Target, Wanted};
use crate::wire::weave::{Piece, Plain, Weaver};

// --- requests --------------------------------------------------------------------------------------------------------

/// A request of a chat.
pub fn encode(chat: &Chat<'_>, wanted: &Wanted, target: &Target<'_>) -> Encoded {
    let mut names = Names::default();
    let mut body = Map::new();
    body.insert("model".to_owned(), wanted.model.clone().into());
    body.insert("messages".to_owned(), messages(chat, wanted, target, &mut names).into());
    // It knows no choice of a tool: none means that none is offered.
    let tools: Vec<Value> = if matches!(chat.tool_choice, ToolChoice::None) {
        Vec::new()
    } else {
        chat.offered().map(|(_, tool)| tool_json(tool, &mut names)).collect()
    };
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    common(chat, wanted, target, &mut body);
    Encoded { body: written(body), names }
}

/// What both of its APIs take.
pub(super) fn common(chat: &Chat<'_>, wanted: &Wanted, target: &Target<'_>, body: &mut Map<String, Value>) {
    body.insert("stream".to_owned(), chat.stream.into());
    let think = match (wanted.thinking, &wanted.effort) {
        _ if !target.thinking => None,
        (Thinking::Off, _) => Some(json!(false)),
        (_, Some(effort)) => Some(json!(effort)),
        (Thinking::On(_), None) => Some(json!(true)),
        (Thinking::Unsaid, None) => None,
    };
    let members = [
        ("num_predict", wanted.max_tokens.map(Value::from)),
        ("temperature", wanted.temperature.map(Value::from)),
        ("top_p", wanted.top_p.map(Value::from)),
        ("top_k", wanted.top_k.map(Value::from)),
        ("stop", (!wanted.stop.is_empty()).then(|| wanted.stop.clone().into())),
        // Without it the server cuts long prompts to a few thousand tokens, and says nothing.
        ("num_ctx", target.window.map(Value::from)),
    ];
    let options: Map<String, Value> =
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if !options.is_empty() {
        body.insert("options".to_owned(), options.into());
    }
    if let Some(think) = think {
        body.insert("think".to_owned(), think);
    }
    if let Some(schema) = &wanted.schema {
        body.insert("format".to_owned(), schema.clone());
    }
}

fn tool_json(tool: &crate::wire::chat::Tool<'_>, names: &mut Names) -> Value {
    let mut function = members([("name", names.shorten(&tool.name).into()), ("parameters", schema_of(tool))]);

    if let Some(description) = &tool.description {
        function["description"] = (**description).into();
    }
    json!({"type": "function", "function": function})
}

fn messages(chat: &Chat<'_>, wanted: &Wanted, target: &Target<'_>, names: &mut Names) -> Vec<Value> {
    let mut made: Vec<Value> = Vec::new();
    made.extend(wanted.system_text(chat).map(|text| json!({"role": "system", "content": text})));
    for turn in turns(chat) {
        match turn {
            Turn::System(blocks) if !target.takes_rules_anywhere() => {
                made.extend(reminder(blocks).map(|text| json!({"role": "user", "content": text})));
            }
            Turn::System(blocks) => {
                let text = plain(blocks);
                if !text.is_empty() {
                    made.push(json!({"role": "system", "content": text}));
                }
            }
            Turn::User(blocks) => made.extend(said("user", blocks.into_iter().map(|(_, block)| block))),
            Turn::Assistant(blocks) => {
                let calls: Vec<Value> = blocks.iter().filter_map(|block| call(block, names)).collect();
                let text = plain(blocks);
                if text.is_empty() && calls.is_empty() {
                    continue;
                }
                let mut message = members([("role", "assistant".into()), ("content", text.into())]);
                let thinking: String = blocks
                    .iter()
                    .filter_map(|block| if let Block::Thinking { text, .. } = block { Some(&**text) } else { None })
                    .collect();
                if !thinking.is_empty() && target.thinking {
                    message["thinking"] = thinking.into();
                }
                if !calls.is_empty() {
                    message["tool_calls"] = calls.into();
                }
                made.push(message);
            }
            Turn::Results(results) => {
                for result in &results {
                    let name = names.shorten(result.name);
                    let (role, text) = ("tool".into(), result.text().into());
                    made.push(members([
                        ("role", role),
                        ("content", text),
                        ("tool_name", name.into()),
                        ("tool_call_id", result.id.into()),
                    ]));
                }
                made.extend(said("user", results.iter().flat_map(Answered::media)));
            }
        }
    }
    made
}

fn call(block: &Block<'_>, names: &mut Names) -> Option<Value> {
    let Block::ToolUse { id, name, input } = block else { return None };
    Some(json!({"id": &**id, "function": {"name": names.shorten(name), "arguments": object(input)}}))
}

/// A message: its texts, and its images beside them; none when it says nothing.
fn said<'c, 'a: 'c>(role: &str, blocks: impl Iterator<Item = &'c Block<'a>>) -> Option<Value> {
    let (text, images) = text_and_images(blocks);
    if text.is_empty() && images.is_empty() {
        return None;
    }
    let mut message = members([("role", role.into()), ("content", text.into())]);
    if !images.is_empty() {
        message["images"] = images.into();
    }
    Some(message)
}

/// The texts of blocks as one, and their images as bare base64.
pub(super) fn text_and_images<'c, 'a: 'c>(blocks: impl Iterator<Item = &'c Block<'a>>) -> (String, Vec<Value>) {
    let (mut texts, mut images): (Vec<String>, Vec<Value>) = (Vec::new(), Vec::new());
    for block in blocks {
        match block {
            Block::Image(Media::Base64 { data, .. }) => images.push((**data).into()),
            Block::Image(media) => texts.push(stand_in(media, true)),
            Block::Document { media: Media::Text(text), .. } => texts.push((**text).to_owned()),
            Block::Document { media, .. } if !takes(Api::Ollama, media, false) => texts.push(stand_in(media, false)),
            Block::ToolResult { blocks, .. } => texts.push(plain(blocks)),
            other => texts.extend(text_of(other).map(std::borrow::Cow::into_owned)),
        }
    }
    (texts.join("\n"), images)
}

// --- answers ---------------------------------------------------------------------------------------------------------

/// The events of a whole answer.
pub fn decode_whole(body: &[u8], names: &Names) -> Vec<Event> {
    whole(StreamDecoder::new(names.clone()), body)
}

/// A stream of either API, as events.
#[derive(Debug)]
pub struct StreamDecoder {
    reader: Reader,
    weaver: Weaver,
    n_calls: u64,
}

impl StreamDecoder {
    /// For one answer; `names` are those that the request shortened.
    pub fn new(names: Names) -> Self {
        Self { reader: Reader::default(), weaver: Weaver::new(names), n_calls: 0 }
    }

    fn line(&mut self, line: &[u8], events: &mut Vec<Event>) {
        if self.weaver.is_done() {
            return;
        }
        let Ok(value) = serde_json::from_slice::<Value>(line) else {
            self.weaver.fail("api_error", "the upstream sent a line that is not JSON", events);
            return;
        };
        if !value["error"].is_null() {
            let (kind, message) = error_of(&value["error"]);
            self.weaver.fail(kind, &message, events);
            return;
        }
        self.weaver.start(None, Usage::default(), events);
        let message = &value["message"];
        for thinking in [&message["thinking"], &value["thinking"]] {
            self.weaver.text(Plain::Thinking, thinking.as_str().unwrap_or_default(), events);
        }
        for text in [&message["content"], &value["response"]] {
            self.weaver.text(Plain::Text, text.as_str().unwrap_or_default(), events);
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            let arguments = match &function["arguments"] {
                Value::String(text) => text.clone(),
                object @ Value::Object(_) => object.to_string(),
                _ => "{}".to_owned(),
            };
            let piece = Piece {
                index: Some(self.n_calls),
                id: call["id"].as_str().unwrap_or_default(),
                name: function["name"].as_str().unwrap_or_default(),
                arguments: "",
            };
            self.n_calls += 1;
            self.weaver.call_done(piece, Some(&arguments), events);
        }
        if value["done"] == true {
            let usage = Usage {
                input: count(&value["prompt_eval_count"]),
                output: count(&value["eval_count"]),
                ..Usage::default()
            };
            match value["done_reason"].as_str() {
                Some("length") => self.weaver.end(Stop::MaxTokens, usage, events),
                Some("load" | "unload") => {
                    self.weaver.fail("api_error", "the upstream loaded its model and answered nothing", events);
                }
                _ if self.weaver.has_calls() => self.weaver.end(Stop::ToolUse, usage, events),
                _ => self.weaver.end(Stop::EndTurn, usage, events),
            }
        }
    }
}

impl Decoder for StreamDecoder {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let read = self.reader.push(bytes, |line| lines.push(line.to_vec()));
        lines.iter().for_each(|line| self.line(line, events));
        if read.is_err() {
            self.weaver.fail("api_error", "the upstream sent a line that is too large", events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        self.reader.finish(|line| lines.push(line.to_vec()));
        lines.iter().for_each(|line| self.line(line, events));
        self.weaver.fail("api_error", "the upstream's stream ended before it was whole", events);
    }
}
