//! OpenAI chat completions requests to chats.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::Shape;
use crate::wire::chat::{BadBody, Block, Chat, Media, Message, Role, Thinking, Tool, ToolChoice, read, words};
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
    for (index, message) in raw.messages.into_iter().enumerate() {
        let place = format!("messages.{index}.content");
        let mut blocks = message.content.map_or(Ok(Vec::new()), |content| parts(content, &place))?;
        match &*message.role {
            "system" | "developer" if messages.is_empty() => {
                system.extend(
                    blocks
                        .into_iter()
                        .filter_map(|block| if let Block::Text(text) = block { Some(text) } else { None }),
                );
            }
            "system" | "developer" => messages.push(Message { role: Role::System, blocks }),
            "user" => messages.push(Message { role: Role::User, blocks }),
            "assistant" => {
                if let Some(text) = message.reasoning_content {
                    blocks.insert(0, Block::Thinking { text });
                }
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
        shape: Shape::OpenAi,
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
        metadata: raw.metadata.map(crate::wire::messages::texts_of).unwrap_or_default(),
        user: raw.user,
        schema: raw.response_format.and_then(|format| format.json_schema).and_then(|schema| schema.schema),
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
            deferred: false,
            raw,
        },
        None => {
            let name = read.name.or_else(|| read.kind.clone()).unwrap_or_default();
            Tool { name, description: None, schema: None, server: read.kind, deferred: false, raw }
        }
    })
}

fn tool_choice(raw: &RawValue) -> Result<ToolChoice<'_>, BadBody> {
    if raw.get().starts_with('"') {
        let word: Str<'_> =
            serde_json::from_str(raw.get()).map_err(|error| BadBody(format!("tool_choice: {}", words(&error))))?;
        return Ok(match &*word {
            "required" => ToolChoice::Any,
            "none" => ToolChoice::None,
            _ => ToolChoice::Auto,
        });
    }
    let read: Option<RawTool<'_>> =
        serde_json::from_str(raw.get()).map_err(|error| BadBody(format!("tool_choice: {}", words(&error))))?;
    Ok(read.and_then(|choice| choice.function).map_or(ToolChoice::Auto, |function| ToolChoice::Tool(function.name)))
}

/// A content: a string, or a list of parts.
fn parts<'a>(content: &'a RawValue, place: &str) -> Result<Vec<Block<'a>>, BadBody> {
    let fail = |error: serde_json::Error| BadBody(format!("{place}: {}", words(&error)));
    match content.get().as_bytes().first() {
        Some(b'"') => Ok(vec![Block::Text(serde_json::from_str(content.get()).map_err(fail)?)]),
        Some(b'[') => {
            let raw: Vec<&RawValue> = serde_json::from_str(content.get()).map_err(fail)?;
            raw.into_iter().map(|raw| part(raw).map_err(fail)).collect()
        }
        Some(b'n') => Ok(Vec::new()),
        _ => Err(BadBody(format!("{place}: expected a string or a list of parts"))),
    }
}

fn part(raw: &RawValue) -> Result<Block<'_>, serde_json::Error> {
    let read: Part<'_> = serde_json::from_str(raw.get())?;
    Ok(match (&*read.kind, read.image_url, read.file) {
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
        _ => Block::Other { kind: read.kind, raw },
    })
}

/// A `data:` URL is the bytes themselves.
fn media_of_url(url: Str<'_>) -> Media<'_> {
    let split = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match split {
        Some((media_type, data)) => {
            Media::Base64 { media_type: Str(media_type.to_owned().into()), data: Str(data.to_owned().into()) }
        }
        None => Media::Url(url),
    }
}
