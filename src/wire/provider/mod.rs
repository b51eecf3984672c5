//! The APIs of providers: a chat to the bytes of a request, the bytes of an answer to events. One file each, one row each.

pub mod anthropic;
pub mod azure;
pub mod completions;
pub mod gemini;
pub mod generate;
pub mod ollama;
pub mod openrouter;
pub mod responses;
pub mod schema;
mod stream;
pub mod turns;

use serde_json::{Map, Value, json};

use self::stream::Framed;

use crate::wire::Api;
use crate::wire::chat::{Chat, Tool, ToolChoice};
use crate::wire::event::{Decoder, Event, Usage, error_kind};
use crate::wire::ids::Names;
use crate::wire::wanted::{Target, Wanted};

/// A request's body, with the names of tools that had to be shortened.
#[derive(Debug)]
pub struct Encoded {
    /// JSON.
    pub body: String,
    /// Sent names, back to the client's.
    pub names: Names,
}

/// An API.
#[derive(Debug)]
pub struct Row {
    /// Which.
    pub api: Api,
    /// Its path below a provider's base URL, for a model, streamed or not.
    pub path: fn(&str, bool) -> String,
    /// A request that came by another API.
    pub encode: fn(&Chat<'_>, &Wanted, &Target<'_>) -> Encoded,
    /// A decoder of a stream, one for each answer.
    pub decoder: fn(Names) -> Box<dyn Decoder>,
    /// The events of a whole answer.
    pub whole: fn(&[u8], &Names) -> Vec<Event>,
    /// What a whole answer used, read without the rest of it, where that can be told; else `whole` tells.
    pub usage: fn(&[u8]) -> Option<Usage>,
    /// The media type of its streams.
    pub stream_type: &'static str,
}

/// Server-sent events.
const EVENTS: &str = "text/event-stream";
/// A JSON document a line.
const LINES: &str = "application/x-ndjson";

/// Every API that providers are called by.
pub const TABLE: &[Row] = &[
    Row {
        api: Api::Messages,
        path: |_, _| "/v1/messages".to_owned(),
        encode: anthropic::encode,
        decoder: |_| Box::new(anthropic::StreamDecoder::default()),
        whole: |body, _| anthropic::decode_whole(body),
        usage: anthropic::usage_of_whole,
        stream_type: EVENTS,
    },
    Row {
        api: Api::Completions,
        path: |_, _| "/chat/completions".to_owned(),
        encode: completions::encode,
        decoder: |names| Box::new(Framed::new(completions::Answers::new(names))),
        whole: completions::decode_whole,
        usage: |_| None,
        stream_type: EVENTS,
    },
    Row {
        api: Api::Responses,
        path: |_, _| "/responses".to_owned(),
        encode: responses::encode,
        decoder: |names| Box::new(Framed::new(responses::Answers::new(names))),
        whole: responses::decode_whole,
        usage: |_| None,
        stream_type: EVENTS,
    },
    Row {
        api: Api::Gemini,
        path: gemini::path,
        encode: gemini::encode,
        decoder: |names| Box::new(Framed::new(gemini::Answers::new(names))),
        whole: gemini::decode_whole,
        usage: |_| None,
        stream_type: EVENTS,
    },
    Row {
        api: Api::Ollama,
        path: |_, _| "/api/chat".to_owned(),
        encode: ollama::encode,
        decoder: |names| Box::new(ollama::StreamDecoder::new(names)),
        whole: ollama::decode_whole,
        usage: |_| None,
        stream_type: LINES,
    },
    Row {
        api: Api::Generate,
        path: |_, _| "/api/generate".to_owned(),
        encode: generate::encode,
        decoder: |names| Box::new(ollama::StreamDecoder::new(names)),
        whole: ollama::decode_whole,
        usage: |_| None,
        stream_type: LINES,
    },
];

impl Api {
    /// What this API is.
    pub fn row(self) -> &'static Row {
        // Every API has its row: a test looks.
        TABLE.iter().find(|row| row.api == self).unwrap_or(&TABLE[0])
    }

    /// A decoder of an answer, one for each answer.
    pub fn decoder(self, names: Names) -> Box<dyn Decoder> {
        (self.row().decoder)(names)
    }

    /// What a whole answer used, where that can be told without reading all of it; else `decode_whole` tells.
    pub fn usage_of_whole(self, body: &[u8]) -> Option<Usage> {
        (self.row().usage)(body)
    }

    /// The events of a whole answer.
    pub fn decode_whole(self, body: &[u8], names: &Names) -> Vec<Event> {
        (self.row().whole)(body, names)
    }
}

/// A tool's schema: an object that says nothing where the client gave none; one text where the tool takes a text.
fn schema_of(tool: &Tool<'_>) -> Value {
    if tool.takes_text {
        return json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
    }
    let read = tool.schema.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    read.filter(Value::is_object).unwrap_or_else(|| json!({"type": "object", "properties": {}}))
}

/// The choice of a tool, where it can be demanded: a tool that is not offered cannot.
fn choice_of<'c>(chat: &'c Chat<'_>) -> &'c ToolChoice<'c> {
    match &chat.tool_choice {
        ToolChoice::Tool(name) if !chat.offered().any(|(_, tool)| *tool.name == **name) => &ToolChoice::Unsaid,
        choice => choice,
    }
}

/// An object. Unlike `json!`, which copies what it is given, it takes it: bodies are large.
fn members<const N: usize>(all: [(&str, Value); N]) -> Value {
    Value::Object(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A body as text. Not by its `Display`, which passes each piece through a formatter.
fn written(body: Map<String, Value>) -> String {
    serde_json::to_string(&Value::Object(body)).unwrap_or_default()
}

/// The kind and the message of an error object.
fn error_of(error: &Value) -> (&'static str, String) {
    let code = error["code"].as_u64().or_else(|| error["status"].as_u64());
    let kind = code.and_then(|code| u16::try_from(code).ok()).map_or("api_error", error_kind);
    let overloaded = error["type"] == "overloaded_error" || error["code"] == "server_is_overloaded";
    let limited = error["code"] == "rate_limit_exceeded";
    let kind = if overloaded { "overloaded_error" } else { kind };
    let kind = if limited { "rate_limit_error" } else { kind };
    (kind, error["message"].as_str().or_else(|| error.as_str()).unwrap_or("the upstream failed").to_owned())
}

/// A number as JSON, whole where it is.
fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}
