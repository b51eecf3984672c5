//! Anthropic Messages requests to chats.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::Client;
use crate::wire::chat::{BadBody, Block, Chat, Mark, Media, Message, Role, Thinking, Tool, ToolChoice, read, words};
use crate::wire::text::Str;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: Str<'a>,
    #[serde(borrow)]
    messages: Vec<RawMessage<'a>>,
    max_tokens: Option<u64>,
    #[serde(default)]
    stream: Option<bool>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
    #[serde(borrow, default)]
    stop_sequences: Option<Vec<Str<'a>>>,
    #[serde(borrow, default)]
    system: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    tool_choice: Option<RawChoice<'a>>,
    #[serde(borrow, default)]
    thinking: Option<RawThinking<'a>>,
    #[serde(borrow, default)]
    output_config: Option<OutputConfig<'a>>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    role: Str<'a>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawChoice<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(default)]
    disable_parallel_tool_use: bool,
}

#[derive(Deserialize)]
struct RawThinking<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    budget_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputConfig<'a> {
    #[serde(borrow, default)]
    effort: Option<Str<'a>>,
    #[serde(borrow, default)]
    format: Option<OutputFormat<'a>>,
}

#[derive(Deserialize)]
struct OutputFormat<'a> {
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawTool<'a> {
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    description: Option<Str<'a>>,
    #[serde(borrow, default)]
    input_schema: Option<&'a RawValue>,
    #[serde(borrow, rename = "type", default)]
    kind: Option<Str<'a>>,
    #[serde(default)]
    defer_loading: bool,
    #[serde(borrow, default)]
    cache_control: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawBlock<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    title: Option<Str<'a>>,
    #[serde(borrow, default)]
    id: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_use_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(default)]
    is_error: Option<bool>,
    #[serde(borrow, default)]
    thinking: Option<Str<'a>>,
    #[serde(borrow, default)]
    signature: Option<Str<'a>>,
    #[serde(borrow, default)]
    cache_control: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawSource<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    media_type: Option<Str<'a>>,
    #[serde(borrow, default)]
    data: Option<Str<'a>>,
    #[serde(borrow, default)]
    url: Option<Str<'a>>,
    #[serde(borrow, default)]
    file_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// Reads a request. Fields that are not known are left to whoever forwards the body.
pub fn decode(body: &[u8]) -> Result<Chat<'_>, BadBody> {
    let raw: Body<'_> = read(body)?;
    let mut cached = Vec::new();
    let mut tools = Vec::new();
    for (index, written) in raw.tools.unwrap_or_default().into_iter().enumerate() {
        let (tool, is_cached) = tool(written)?;
        tools.push(tool);
        cached.extend(is_cached.then_some(Mark::Tool(index)));
    }
    let mut system = Vec::new();
    if let Some(written) = raw.system {
        let (blocks, marks) = blocks(written, "system")?;
        for (index, block) in blocks.into_iter().enumerate() {
            let Block::Text(text) = block else { continue };
            cached.extend(marks.contains(&index).then_some(Mark::System(system.len())));
            system.push(text);
        }
    }
    let mut messages = Vec::with_capacity(raw.messages.len());
    for (index, message) in raw.messages.into_iter().enumerate() {
        let role = match &*message.role {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            other => {
                return Err(BadBody(format!(
                    "messages.{index}.role: `{other}` is not `user`, `assistant` or `system`"
                )));
            }
        };
        let place = format!("messages.{index}.content");
        let (blocks, marks) =
            message.content.map_or_else(|| Ok(Content::default()), |content| blocks(content, &place))?;
        cached.extend(marks.into_iter().map(|block| Mark::Block(index, block)));
        messages.push(Message { role, blocks });
    }
    let choice = raw.tool_choice;
    let output = raw.output_config;
    let metadata = raw.metadata.map(texts_of).unwrap_or_default();
    let user = metadata.iter().find(|(name, _)| &**name == "user_id").map(|(_, value)| value.clone());
    Ok(Chat {
        client: Client::Messages,
        model: raw.model,
        stream: raw.stream.unwrap_or(false),
        stream_usage: true,
        max_tokens: raw.max_tokens,
        temperature: raw.temperature,
        top_p: raw.top_p,
        top_k: raw.top_k,
        stop: raw.stop_sequences.unwrap_or_default(),
        system,
        messages,
        tools,
        one_tool_at_a_time: choice.as_ref().is_some_and(|choice| choice.disable_parallel_tool_use),
        tool_choice: choice.map_or(ToolChoice::Unsaid, tool_choice),
        thinking: raw.thinking.map_or(Thinking::Unsaid, |thinking| match &*thinking.kind {
            "disabled" => Thinking::Off,
            _ => Thinking::On(thinking.budget_tokens),
        }),
        schema: output.as_ref().and_then(|output| output.format.as_ref()).and_then(|format| format.schema),
        effort: output.and_then(|output| output.effort),
        metadata,
        user,
        cached,
    })
}

/// The members of an object that are texts.
pub(crate) fn texts_of(raw: &RawValue) -> Vec<(Str<'_>, Str<'_>)> {
    // Pairs, in a sequence: a map type would sort or copy them.
    struct Texts<'a>(Vec<(Str<'a>, Str<'a>)>);
    impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Pairs;
            impl<'de> serde::de::Visitor<'de> for Pairs {
                type Value = Texts<'de>;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut found = Vec::new();
                    while let Some((name, value)) = map.next_entry::<Str<'de>, &'de RawValue>()? {
                        if let Ok(text) = serde_json::from_str::<Str<'de>>(value.get()) {
                            found.push((name, text));
                        }
                    }
                    Ok(Texts(found))
                }
            }
            deserializer.deserialize_map(Pairs)
        }
    }
    serde_json::from_str::<Texts<'_>>(raw.get()).map(|texts| texts.0).unwrap_or_default()
}

/// A tool, and whether a cache is wanted up to it.
fn tool(raw: &RawValue) -> Result<(Tool<'_>, bool), BadBody> {
    let read: RawTool<'_> =
        serde_json::from_str(raw.get()).map_err(|error| BadBody(format!("tools: {}", words(&error))))?;
    let server = read.kind.filter(|kind| &**kind != "custom");
    let name = read.name.or_else(|| server.clone()).unwrap_or_default();
    let is_cached = read.cache_control.is_some();
    let tool = Tool {
        name,
        description: read.description,
        schema: read.input_schema,
        server,
        takes_text: false,
        deferred: read.defer_loading,
        raw,
    };
    Ok((tool, is_cached))
}

fn tool_choice(raw: RawChoice<'_>) -> ToolChoice<'_> {
    match (&*raw.kind, raw.name) {
        ("any", _) => ToolChoice::Any,
        ("none", _) => ToolChoice::None,
        ("tool", Some(name)) => ToolChoice::Tool(name),
        _ => ToolChoice::Auto,
    }
}

/// Blocks, and those of them up to which a cache is wanted.
type Content<'a> = (Vec<Block<'a>>, Vec<usize>);

/// A content: a string, or a list of blocks.
fn blocks<'a>(content: &'a RawValue, place: &str) -> Result<Content<'a>, BadBody> {
    let fail = |error: serde_json::Error| BadBody(format!("{place}: {}", words(&error)));
    match content.get().as_bytes().first() {
        Some(b'"') => Ok((vec![Block::Text(serde_json::from_str(content.get()).map_err(fail)?)], Vec::new())),
        Some(b'[') => {
            let raw: Vec<&RawValue> = serde_json::from_str(content.get()).map_err(fail)?;
            let (mut blocks, mut marks) = (Vec::with_capacity(raw.len()), Vec::new());
            for (index, raw) in raw.into_iter().enumerate() {
                let (block, is_cached) = block(raw, place)?;
                blocks.push(block);
                marks.extend(is_cached.then_some(index));
            }
            Ok((blocks, marks))
        }
        Some(b'n') => Ok(Content::default()),
        _ => Err(BadBody(format!("{place}: expected a string or a list of blocks"))),
    }
}

/// A block, and whether a cache is wanted up to it.
fn block<'a>(raw: &'a RawValue, place: &str) -> Result<(Block<'a>, bool), BadBody> {
    let read: RawBlock<'a> =
        serde_json::from_str(raw.get()).map_err(|error| BadBody(format!("{place}: {}", words(&error))))?;
    let kind = read.kind;
    let is_cached = read.cache_control.is_some();
    let block = match &*kind {
        "text" => Block::Text(read.text.unwrap_or_default()),
        "image" => match read.source.and_then(media) {
            Some(media) => Block::Image(media),
            None => Block::Other { kind, raw },
        },
        "document" => match read.source.and_then(media) {
            Some(media) => Block::Document { media, title: read.title },
            None => Block::Other { kind, raw },
        },
        "tool_use" => Block::ToolUse {
            id: read.id.unwrap_or_default(),
            name: read.name.unwrap_or_default(),
            input: read.input.map_or("{}", RawValue::get).into(),
        },
        "tool_result" => Block::ToolResult {
            id: read.tool_use_id.unwrap_or_default(),
            blocks: read.content.map_or_else(|| Ok(Content::default()), |content| blocks(content, place))?.0,
            is_error: read.is_error.unwrap_or(false),
        },
        "thinking" => {
            Block::Thinking { text: read.thinking.unwrap_or_default(), signature: read.signature.unwrap_or_default() }
        }
        _ => Block::Other { kind, raw },
    };
    Ok((block, is_cached))
}

fn media(raw: &RawValue) -> Option<Media<'_>> {
    let read: RawSource<'_> = serde_json::from_str(raw.get()).ok()?;
    match &*read.kind {
        "base64" => Some(Media::Base64 { media_type: read.media_type?, data: read.data? }),
        "url" => read.url.map(Media::Url),
        "file" => read.file_id.map(Media::File),
        "text" => read.data.map(Media::Text),
        "content" => {
            let (parts, _) = blocks(read.content?, "source").ok()?;
            let texts: Vec<&str> = parts
                .iter()
                .filter_map(|block| if let Block::Text(text) = block { Some(&**text) } else { None })
                .collect();
            Some(Media::Text(Str(texts.join("\n").into())))
        }
        _ => None,
    }
}
