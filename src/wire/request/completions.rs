//! OpenAI chat completions requests to chats.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Content, choice_word, content};
use crate::wire::Client;
use crate::wire::chat::{
    BadBody, Block, Chat, Mark, Media, Message, Role, Thinking, Tool, ToolChoice, last_marks, read, words,
};
use crate::wire::text::Str;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: Str<'a>,
    #[serde(borrow)]
    messages: Vec<RawMessage<'a>>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    #[serde(borrow, default)]
    stop: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    tool_choice: Option<&'a RawValue>,
    parallel_tool_calls: Option<bool>,
    #[serde(borrow, default)]
    reasoning_effort: Option<Str<'a>>,
    #[serde(borrow, default)]
    user: Option<Str<'a>>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_format: Option<Format<'a>>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow, default)]
    json_schema: Option<Schema<'a>>,
}

#[derive(Deserialize)]
struct Schema<'a> {
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    role: Str<'a>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow, default)]
    tool_call_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Str<'a>>,
    #[serde(borrow, default)]
    reasoning_details: Option<Vec<&'a RawValue>>,
}

/// Thinking with its signature, in the form that OpenRouter made common; answers of the router give it so.
#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    signature: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow, default)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    function: Call<'a>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow, default)]
    arguments: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct RawTool<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Str<'a>>,
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow, default)]
    description: Option<Str<'a>>,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    refusal: Option<Str<'a>>,
    #[serde(borrow, default)]
    image_url: Option<ImageUrl<'a>>,
    #[serde(borrow, default)]
    file: Option<File<'a>>,
    #[serde(borrow, default)]
    cache_control: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ImageUrl<'a> {
    #[serde(borrow)]
    url: Str<'a>,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow, default)]
    filename: Option<Str<'a>>,
    #[serde(borrow, default)]
    file_data: Option<Str<'a>>,
    #[serde(borrow, default)]
    file_id: Option<Str<'a>>,
}

/// Reads a request. Fields that are not known are left to whoever forwards the body.
pub fn decode(body: &[u8]) -> Result<Chat<'_>, BadBody> {
    let raw: Body<'_> = read(body)?;
    let (mut system, mut messages): (Vec<Str<'_>>, Vec<Message<'_>>) = (Vec::new(), Vec::new());
    let mut cached = Vec::new();
    for (index, message) in raw.messages.into_iter().enumerate() {
        let place = format!("messages.{index}.content");
        let said = message.content.map_or_else(|| Ok(Content::default()), |raw| content(raw, &place, part))?;
        let is_leading = messages.is_empty() && matches!(&*message.role, "system" | "developer");
        if is_leading {
            for (block, is_cached) in said {
                let Block::Text(text) = block else { continue };
                cached.extend(is_cached.then_some(Mark::System(system.len())));
                system.push(text);
            }
            continue;
        }
        if &*message.role == "user" {
            let marked = said.iter().enumerate().filter(|(_, (_, is_cached))| *is_cached);
            cached.extend(marked.map(|(block, _)| Mark::Block(messages.len(), block)));
        }
        let mut blocks: Vec<Block<'_>> = said.into_iter().map(|(block, _)| block).collect();
        match &*message.role {
            "system" | "developer" => messages.push(Message { role: Role::System, blocks }),
            "user" => messages.push(Message { role: Role::User, blocks }),
            "assistant" => {
                let thought = thinking(message.reasoning_details.unwrap_or_default(), message.reasoning_content);
                blocks.splice(0..0, thought);
                for call in message.tool_calls.unwrap_or_default() {
                    let input =
                        call.function.arguments.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "{}".into());
                    blocks.push(Block::ToolUse { id: call.id.unwrap_or_default(), name: call.function.name, input });
                }
                messages.push(Message { role: Role::Assistant, blocks });
            }
            "tool" | "function" => {
                let id = message.tool_call_id.unwrap_or_default();
                messages.push(Message {
                    role: Role::User,
                    blocks: vec![Block::ToolResult { id, blocks, is_error: false }],
                });
            }
            other => return Err(BadBody(format!("messages.{index}.role: `{other}` is none of the known roles"))),
        }
    }
    let tool_choice = raw.tool_choice.map_or(Ok(ToolChoice::Unsaid), tool_choice)?;
    Ok(Chat {
        client: Client::Completions,
        model: raw.model,
        stream: raw.stream.unwrap_or(false),
        stream_usage: raw.stream_options.and_then(|options| options.include_usage).unwrap_or(false),
        max_tokens: raw.max_completion_tokens.or(raw.max_tokens),
        temperature: raw.temperature,
        top_p: raw.top_p,
        top_k: None,
        stop: raw.stop.map_or(Ok(Vec::new()), stops)?,
        system,
        messages,
        tools: raw.tools.unwrap_or_default().into_iter().map(tool).collect::<Result<_, _>>()?,
        tool_choice,
        one_tool_at_a_time: raw.parallel_tool_calls == Some(false),
        thinking: Thinking::Unsaid,
        effort: raw.reasoning_effort,
        metadata: raw.metadata.map(super::messages::texts_of).unwrap_or_default(),
        user: raw.user,
        schema: raw.response_format.and_then(|format| format.json_schema).and_then(|schema| schema.schema),
        cached: last_marks(cached),
    })
}

fn stops(raw: &RawValue) -> Result<Vec<Str<'_>>, BadBody> {
    let fail = |error: serde_json::Error| BadBody(format!("stop: {}", words(&error)));
    match raw.get().as_bytes().first() {
        Some(b'"') => Ok(vec![serde_json::from_str(raw.get()).map_err(fail)?]),
        Some(b'n') => Ok(Vec::new()),
        _ => serde_json::from_str(raw.get()).map_err(fail),
    }
}

fn tool(raw: &RawValue) -> Result<Tool<'_>, BadBody> {
    let read: RawTool<'_> =
        serde_json::from_str(raw.get()).map_err(|error| BadBody(format!("tools: {}", words(&error))))?;
    Ok(match read.function {
        Some(function) => Tool {
            name: function.name,
            description: function.description,
            schema: function.parameters,
            server: None,
            takes_text: false,
            deferred: false,
            raw,
        },
        None => {
            let name = read.name.or_else(|| read.kind.clone()).unwrap_or_default();
            Tool { name, description: None, schema: None, server: read.kind, takes_text: false, deferred: false, raw }
        }
    })
}

fn tool_choice(raw: &RawValue) -> Result<ToolChoice<'_>, BadBody> {
    if let Some(choice) = choice_word(raw)? {
        return Ok(choice);
    }
    let read: Option<RawTool<'_>> =
        serde_json::from_str(raw.get()).map_err(|error| BadBody(format!("tool_choice: {}", words(&error))))?;
    Ok(read.and_then(|choice| choice.function).map_or(ToolChoice::Auto, |function| ToolChoice::Tool(function.name)))
}

/// The thinking of a message: what bears a signature, else the text alone.
fn thinking<'a>(details: Vec<&'a RawValue>, text: Option<Str<'a>>) -> Vec<Block<'a>> {
    let read = details.into_iter().filter_map(|raw| serde_json::from_str::<Detail<'a>>(raw.get()).ok());
    let signed = read.filter(|detail| &*detail.kind == "reasoning.text").filter_map(|detail| {
        Some(Block::Thinking { text: detail.text.unwrap_or_default(), signature: detail.signature? })
    });
    let signed: Vec<Block<'a>> = signed.collect();
    if signed.is_empty() {
        return text.map(|text| Block::Thinking { text, signature: Str::default() }).into_iter().collect();
    }
    signed
}

/// A part, and whether a cache is wanted up to it.
fn part(raw: &RawValue) -> Result<(Block<'_>, bool), serde_json::Error> {
    let read: Part<'_> = serde_json::from_str(raw.get())?;
    let is_cached = read.cache_control.is_some();
    let block = match (&*read.kind, read.image_url, read.file) {
        ("text", ..) => Block::Text(read.text.unwrap_or_default()),
        ("refusal", ..) => Block::Text(read.refusal.unwrap_or_default()),
        ("image_url", Some(image), _) => Block::Image(media_of_url(image.url)),
        ("file", _, Some(file)) => {
            let media = match (file.file_data, file.file_id) {
                (Some(data), _) => media_of_url(data),
                (None, id) => Media::File(id.unwrap_or_default()),
            };
            Block::Document { media, title: file.filename }
        }
        _ => Block::Other { kind: read.kind, raw: raw.get().into() },
    };
    Ok((block, is_cached))
}

/// A `data:` URL is the bytes themselves.
pub(super) fn media_of_url(url: Str<'_>) -> Media<'_> {
    let split = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match split {
        Some((media_type, data)) => {
            Media::Base64 { media_type: Str(media_type.to_owned().into()), data: Str(data.to_owned().into()) }
        }
        None => Media::Url(url),
    }
}
