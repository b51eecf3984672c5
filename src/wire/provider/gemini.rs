//! Gemini's `generateContent` and `streamGenerateContent`.
//!
//! Source: the published API reference, "Thought signatures", and the types of `google-genai` 3.4.

use serde_json::{Map, Value, json};

use super::schema::{WRITTEN_OUT_MAX, project};
use super::stream::Chunks;
use super::turns::{NO_OUTPUT, Turn, plain, reminder, text_of, turns};
use super::{Encoded, choice_of, count, error_of, members, schema_of, written};
use crate::wire::Api;
use crate::wire::chat::{Block, Chat, Media, Thinking, ToolChoice, object};
use crate::wire::event::{Event, Stop, Usage, broken};
use crate::wire::foreign::{self, Maker};
use crate::wire::ids::Names;
use crate::wire::loss::{stand_in, takes};
use crate::wire::wanted::{Target, Wanted};
use crate::wire::weave::{Piece, Plain, Weaver};

/// What stands for the signature of a call that another model made: the API then asks for none.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The path of a call.
pub(super) fn path(model: &str, stream: bool) -> String {
    let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    let model = model.strip_prefix("models/").unwrap_or(model);
    format!("/models/{model}:{method}")
}

// --- requests --------------------------------------------------------------------------------------------------------

/// A request of a chat.
pub fn encode(chat: &Chat<'_>, wanted: &Wanted, target: &Target<'_>) -> Encoded {
    let mut names = Names::default();
    let mut body = Map::new();
    if let Some(text) = wanted.system_text(chat) {
        body.insert("systemInstruction".to_owned(), json!({"parts": [{"text": text}]}));
    }
    body.insert("contents".to_owned(), contents(chat, &mut names).into());
    tools(chat, &mut body, &mut names);
    let generation = generation(wanted, target);
    if !generation.is_empty() {
        body.insert("generationConfig".to_owned(), generation.into());
    }
    Encoded { body: written(body), names }
}

fn generation(wanted: &Wanted, target: &Target<'_>) -> Map<String, Value> {
    let mut config = Map::new();
    let thinking = match (wanted.thinking, &wanted.effort) {
        (Thinking::Off, _) if target.efforts.is_empty() => Some(json!({"thinkingBudget": 0})),
        (Thinking::Off, _) => target.efforts.first().map(|least| json!({"thinkingLevel": least.to_uppercase()})),
        (_, Some(effort)) => Some(json!({"includeThoughts": true, "thinkingLevel": effort.to_uppercase()})),
        (Thinking::On(Some(budget)), None) if target.efforts.is_empty() => {
            Some(json!({"includeThoughts": true, "thinkingBudget": budget}))
        }
        (Thinking::On(_), None) => Some(json!({"includeThoughts": true})),
        (Thinking::Unsaid, None) => None,
    };
    let (schema, mut left) = (wanted.schema.as_ref(), WRITTEN_OUT_MAX);
    let members = [
        ("maxOutputTokens", wanted.max_tokens.map(Value::from)),
        ("temperature", wanted.temperature.map(Value::from)),
        ("topP", wanted.top_p.map(Value::from)),
        ("topK", wanted.top_k.map(Value::from)),
        ("stopSequences", (!wanted.stop.is_empty()).then(|| wanted.stop.clone().into())),
        ("responseMimeType", schema.map(|_| "application/json".into())),
        ("responseSchema", schema.map(|schema| project(schema, &mut left))),
        ("thinkingConfig", thinking),
    ];
    config.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    config
}

fn tools(chat: &Chat<'_>, body: &mut Map<String, Value>, names: &mut Names) {
    let mut left = WRITTEN_OUT_MAX;
    let declared: Vec<Value> = chat
        .offered()
        .map(|(_, tool)| {
            let mut made = json!({"name": names.shorten(&tool.name)});
            if let Some(description) = &tool.description {
                made["description"] = (**description).into();
            }
            let parameters = project(&schema_of(tool), &mut left);
            // An object without properties is refused; a function without parameters is not.
            if parameters["properties"].as_object().is_some_and(|properties| !properties.is_empty()) {
                made["parameters"] = parameters;
            }
            made
        })
        .collect();
    if declared.is_empty() {
        // A search stands beside no other tool.
        if chat.searches_the_web() {
            body.insert("tools".to_owned(), json!([{"googleSearch": {}}]));
        }
        return;
    }
    body.insert("tools".to_owned(), Value::from(vec![members([("functionDeclarations", declared.into())])]));
    let calling = match choice_of(chat) {
        ToolChoice::Unsaid | ToolChoice::Auto => return,
        ToolChoice::Any => json!({"mode": "ANY"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Tool(name) => json!({"mode": "ANY", "allowedFunctionNames": [names.shorten(name)]}),
    };
    body.insert("toolConfig".to_owned(), json!({"functionCallingConfig": calling}));
}

/// The contents: neighbours of one role joined, none empty.
fn contents(chat: &Chat<'_>, names: &mut Names) -> Vec<Value> {
    let mut made: Vec<(&'static str, Vec<Value>)> = Vec::new();
    let mut add = |role: &'static str, parts: Vec<Value>| {
        if parts.is_empty() {
            return;
        }
        match made.last_mut() {
            Some((last, content)) if *last == role => content.extend(parts),
            _ => made.push((role, parts)),
        }
    };
    let mut last_is_model = false;
    for turn in turns(chat) {
        last_is_model = matches!(turn, Turn::Assistant(_));
        match turn {
            Turn::System(blocks) => {
                add("user", reminder(blocks).map(|text| json!({"text": text})).into_iter().collect());
            }
            Turn::User(blocks) => add("user", blocks.into_iter().filter_map(|(_, block)| part(block)).collect()),
            Turn::Assistant(blocks) => add("model", model(blocks, names)),
            Turn::Results(results) => {
                let mut parts: Vec<Value> = Vec::new();
                for result in &results {
                    let text = plain(result.blocks);
                    let text = if text.is_empty() { NO_OUTPUT.to_owned() } else { text };
                    let response = members([(if result.is_error { "error" } else { "output" }, text.into())]);
                    let name = names.shorten(result.name);
                    let answered = members([("id", result.id.into()), ("name", name.into()), ("response", response)]);
                    parts.push(members([("functionResponse", answered)]));
                }
                parts.extend(results.iter().flat_map(super::turns::Answered::media).filter_map(part));
                add("user", parts);
            }
        }
    }
    if last_is_model {
        // What a model began is not continued; it is asked to go on.
        add("user", vec![json!({"text": "Continue."})]);
    }
    made.into_iter().map(|(role, parts)| members([("role", role.into()), ("parts", parts.into())])).collect()
}

/// A model's message. The signature that stands in its thinking belongs to the first call behind it; calls that another
/// model made have none.
fn model(blocks: &[Block<'_>], names: &mut Names) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut signature: Option<&str> = None;
    let mut is_first = true;
    for block in blocks {
        match block {
            Block::Thinking { signature: held, .. } => {
                signature = foreign::opened(held, Maker::Gemini).filter(|held| !held.is_empty()).or(signature);
            }
            Block::ToolUse { id, name, input } => {
                let mut part =
                    json!({"functionCall": {"id": &**id, "name": names.shorten(name), "args": object(input)}});
                let first = std::mem::replace(&mut is_first, false).then_some(NO_SIGNATURE);
                if let Some(signature) = signature.take().or(first) {
                    part["thoughtSignature"] = signature.into();
                }
                parts.push(part);
            }
            other => parts.extend(part(other)),
        }
    }
    parts
}

fn part(block: &Block<'_>) -> Option<Value> {
    Some(match block {
        Block::Image(media) if !takes(Api::Gemini, media, true) => json!({"text": stand_in(media, true)}),
        Block::Document { media, .. } if !takes(Api::Gemini, media, false) => json!({"text": stand_in(media, false)}),
        Block::Image(Media::Base64 { media_type, data })
        | Block::Document { media: Media::Base64 { media_type, data }, .. } => {
            json!({"inlineData": {"mimeType": &**media_type, "data": &**data}})
        }
        Block::Document { media: Media::Text(text), .. } if text.is_empty() => return None,
        Block::Document { media: Media::Text(text), .. } => json!({"text": &**text}),
        Block::ToolResult { blocks, .. } => json!({"text": plain(blocks)}),
        other => members([("text", text_of(other)?.into())]),
    })
}

// --- answers ---------------------------------------------------------------------------------------------------------

fn usage_of(value: &Value) -> Option<Usage> {
    let cached = count(&value["cachedContentTokenCount"]);
    let thoughts = count(&value["thoughtsTokenCount"]);
    let prompt = count(&value["promptTokenCount"]) + count(&value["toolUsePromptTokenCount"]);
    value.is_object().then(|| Usage {
        input: prompt.saturating_sub(cached),
        output: count(&value["candidatesTokenCount"]) + thoughts,
        cache_read: cached,
        cache_write: 0,
        cache_write_long: 0,
        reasoning: thoughts,
    })
}

/// Why an answer ended; an error where it did not end well.
fn stop_of(reason: &str, has_tools: bool) -> Result<Stop, String> {
    match reason {
        "MAX_TOKENS" => Ok(Stop::MaxTokens),
        "STOP" if has_tools => Ok(Stop::ToolUse),
        "STOP" => Ok(Stop::EndTurn),
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Ok(Stop::Refusal),
        other => Err(format!("the upstream ended its answer with {other}")),
    }
}

/// The events of a whole answer.
pub fn decode_whole(body: &[u8], names: &Names) -> Vec<Event> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return vec![broken("the upstream's answer is not JSON")];
    };
    let mut events = Vec::new();
    let mut decoder = Answers::new(names.clone());
    // A stream that was not asked for as events is a list of its chunks.
    match &value {
        Value::Array(chunks) => chunks.iter().for_each(|chunk| decoder.said(chunk, &mut events)),
        one => decoder.said(one, &mut events),
    }
    decoder.over(&mut events);
    events
}

/// What a stream of the API, or a whole answer, says as events.
#[derive(Debug)]
pub(super) struct Answers {
    weaver: Weaver,
    finish: Option<String>,
    blocked: bool,
    n_calls: u64,
    usage: Usage,
}

impl Answers {
    /// For one answer; `names` are those that the request shortened.
    pub(super) fn new(names: Names) -> Self {
        Self { weaver: Weaver::new(names), finish: None, blocked: false, n_calls: 0, usage: Usage::default() }
    }

    fn said(&mut self, value: &Value, events: &mut Vec<Event>) {
        let value = value.get(0).unwrap_or(value);
        if !value["error"].is_null() {
            let (kind, message) = error_of(&value["error"]);
            let kind = if value["error"]["status"] == "RESOURCE_EXHAUSTED" { "rate_limit_error" } else { kind };
            self.weaver.fail(kind, &message, events);
            return;
        }
        if let Some(usage) = usage_of(&value["usageMetadata"]) {
            self.usage = usage;
        }
        self.weaver.start(value["responseId"].as_str(), self.usage, events);
        if let Some(reason) = value["promptFeedback"]["blockReason"].as_str() {
            self.blocked = true;
            self.weaver.text(Plain::Text, &format!("The provider blocked this prompt: {reason}."), events);
        }
        let Some(candidate) = value["candidates"].as_array().and_then(|candidates| candidates.first()) else { return };
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            self.part(part, events);
        }
        if let Some(reason) = candidate["finishReason"].as_str() {
            self.finish = Some(reason.to_owned());
        }
    }

    fn part(&mut self, part: &Value, events: &mut Vec<Event>) {
        let call = &part["functionCall"];
        if call.is_object() {
            if let Some(signature) = part["thoughtSignature"].as_str() {
                self.weaver.sign(foreign::seal(Maker::Gemini, signature), events);
            }
            let arguments = if call["args"].is_object() { call["args"].to_string() } else { "{}".to_owned() };
            let piece = Piece {
                index: Some(self.n_calls),
                id: call["id"].as_str().unwrap_or_default(),
                name: call["name"].as_str().unwrap_or_default(),
                arguments: "",
            };
            self.n_calls += 1;
            self.weaver.call_done(piece, Some(&arguments), events);
            return;
        }
        let text = part["text"].as_str().unwrap_or_default();
        let kind = if part["thought"] == true { Plain::Thinking } else { Plain::Text };
        self.weaver.text(kind, text, events);
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        let stop = match self.finish.as_deref() {
            _ if self.blocked => Ok(Stop::Refusal),
            Some(reason) => stop_of(reason, self.weaver.has_calls()),
            None => Err("the upstream's stream ended before it was whole".to_owned()),
        };
        match stop {
            Ok(stop) => self.weaver.end(stop, self.usage, events),
            Err(message) => self.weaver.fail("api_error", &message, events),
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

    fn over(&mut self, events: &mut Vec<Event>) {
        self.end(events);
    }
}
