//! Anthropic Messages requests to chats.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::wire::Client;
use crate::wire::chat::{
    BadBody, Block, Chat, Mark, Media, Message, Role, Thinking, Tool, ToolChoice, last_marks, read, words,
};
use crate::wire::text::Str;

#[derive(serde::Deserialize)]
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
    system: Option<Content<'a>>,
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

#[derive(serde::Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    role: Str<'a>,
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
}

#[derive(serde::Deserialize)]
struct RawChoice<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(default)]
    disable_parallel_tool_use: bool,
}

#[derive(serde::Deserialize)]
struct RawThinking<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    budget_tokens: Option<u64>,
}

#[derive(serde::Deserialize)]
struct OutputConfig<'a> {
    #[serde(borrow, default)]
    effort: Option<Str<'a>>,
    #[serde(borrow, default)]
    format: Option<OutputFormat<'a>>,
}

#[derive(serde::Deserialize)]
struct OutputFormat<'a> {
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
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

#[derive(serde::Deserialize)]
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
    let raw: Body<'_> = read(body).map_err(|problem| located(body).unwrap_or(problem))?;
    let mut cached = Vec::new();
    let mut tools = Vec::new();
    for (index, written) in raw.tools.unwrap_or_default().into_iter().enumerate() {
        let (tool, is_cached) = tool(written)?;
        tools.push(tool);
        cached.extend(is_cached.then_some(Mark::Tool(index)));
    }
    let mut system = Vec::new();
    if let Some(written) = raw.system {
        for (block, is_cached) in written.0 {
            let Block::Text(text) = block else { continue };
            cached.extend(is_cached.then_some(Mark::System(system.len())));
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
        let content = message.content.unwrap_or_default().0;
        let mut blocks = Vec::with_capacity(content.len());
        for (at, (block, is_cached)) in content.into_iter().enumerate() {
            blocks.push(block);
            cached.extend(is_cached.then_some(Mark::Block(index, at)));
        }
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
        cached: last_marks(cached),
    })
}

/// The members of an object that are texts.
pub(crate) fn texts_of(raw: &RawValue) -> Vec<(Str<'_>, Str<'_>)> {
    // Pairs, in a sequence: a map type would sort or copy them.
    struct Texts<'a>(Vec<(Str<'a>, Str<'a>)>);
    impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Pairs;
            impl<'de> Visitor<'de> for Pairs {
                type Value = Texts<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
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

/// What is wrong with the content of a message, and where: only asked when something is.
fn located(body: &[u8]) -> Option<BadBody> {
    #[derive(serde::Deserialize)]
    struct Loose<'a> {
        #[serde(borrow)]
        messages: Vec<LooseMessage<'a>>,
        #[serde(borrow, default)]
        system: Option<&'a RawValue>,
    }
    #[derive(serde::Deserialize)]
    struct LooseMessage<'a> {
        #[serde(borrow, default)]
        content: Option<&'a RawValue>,
    }
    let loose: Loose<'_> = serde_json::from_slice(body).ok()?;
    let contents =
        loose.messages.iter().enumerate().map(|(at, message)| (format!("messages.{at}.content"), message.content));
    let mut all = std::iter::once(("system".to_owned(), loose.system)).chain(contents);
    all.find_map(|(place, content)| {
        let error = serde_json::from_str::<Option<Content<'_>>>(content?.get()).err()?;
        Some(BadBody(format!("{place}: {}", words(&error))))
    })
}

/// A content: a string, or a list of blocks; each with whether a cache is wanted up to it. It is read in one go, because
/// it is most of a body.
#[derive(Default)]
struct Content<'a>(Vec<(Block<'a>, bool)>);

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Blocks;
        impl<'de> Visitor<'de> for Blocks {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of blocks")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content(vec![(Block::Text(text.into()), false)]))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content(vec![(Block::Text(Str(text.to_owned().into())), false)]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let _level = Level::enter().map_err(Error::custom)?;
                let mut blocks = Vec::new();
                while let Some(OneBlock(block, is_cached)) = list.next_element()? {
                    blocks.push((block, is_cached));
                }
                Ok(Content(blocks))
            }
        }
        deserializer.deserialize_any(Blocks)
    }
}

/// The most levels of content within content: a document in the result of a tool in a message is three.
const LEVELS_MAX: u8 = 8;

thread_local! {
    /// How many levels deep the content is that is read now.
    static LEVEL: Cell<u8> = const { Cell::new(0) };
}

/// A level of content, until it is dropped. What was captured is read by a parser of its own, which begins to count anew,
/// so that parsers cannot limit this by themselves.
struct Level;

impl Level {
    fn enter() -> Result<Self, String> {
        let level = LEVEL.get();
        if level >= LEVELS_MAX {
            return Err(format!("content is nested more than {LEVELS_MAX} levels deep"));
        }
        LEVEL.set(level + 1);
        Ok(Self)
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        LEVEL.set(LEVEL.get().saturating_sub(1));
    }
}

/// A block, and whether a cache is wanted up to it.
struct OneBlock<'a>(Block<'a>, bool);

/// The kinds of blocks whose members are known.
const KINDS: &[&str] = &["text", "image", "document", "tool_use", "tool_result", "thinking"];

/// The members of the blocks that are known.
#[derive(Default)]
struct Members<'a> {
    text: Option<Str<'a>>,
    source: Option<&'a RawValue>,
    title: Option<Str<'a>>,
    id: Option<Str<'a>>,
    name: Option<Str<'a>>,
    input: Option<&'a RawValue>,
    tool_use_id: Option<Str<'a>>,
    content: Option<Content<'a>>,
    is_error: Option<bool>,
    thinking: Option<Str<'a>>,
    signature: Option<Str<'a>>,
    is_cached: bool,
}

impl<'a> Members<'a> {
    /// Takes in a member, by what reads its value.
    fn read<R: Reader<'a>>(&mut self, name: &str, value: R) -> Result<(), R::Error> {
        match name {
            "text" => self.text = value.read()?,
            "source" => self.source = value.read()?,
            "title" => self.title = value.read()?,
            "id" => self.id = value.read()?,
            "name" => self.name = value.read()?,
            "input" => self.input = value.read()?,
            "tool_use_id" => self.tool_use_id = value.read()?,
            "content" => self.content = value.read()?,
            "is_error" => self.is_error = value.read()?,
            "thinking" => self.thinking = value.read()?,
            "signature" => self.signature = value.read()?,
            "cache_control" => self.is_cached = value.read::<Option<IgnoredAny>>()?.is_some(),
            _ => drop(value.read::<IgnoredAny>()?),
        }
        Ok(())
    }

    fn block(self, kind: Str<'a>) -> Block<'a> {
        match &*kind {
            "text" => Block::Text(self.text.unwrap_or_default()),
            "tool_use" => Block::ToolUse {
                id: self.id.unwrap_or_default(),
                name: self.name.unwrap_or_default(),
                input: self.input.map_or("{}", RawValue::get).into(),
            },
            "tool_result" => Block::ToolResult {
                id: self.tool_use_id.unwrap_or_default(),
                blocks: self.content.unwrap_or_default().0.into_iter().map(|(block, _)| block).collect(),
                is_error: self.is_error.unwrap_or(false),
            },
            "thinking" => Block::Thinking {
                text: self.thinking.unwrap_or_default(),
                signature: self.signature.unwrap_or_default(),
            },
            _ => match (self.source.and_then(media), &*kind) {
                (Some(media), "image") => Block::Image(media),
                (Some(media), _) => Block::Document { media, title: self.title },
                // Where its bytes are is said in a way that nobody knows.
                (None, _) => {
                    let source = self.source.map_or("null", RawValue::get);
                    let raw = format!("{{\"type\":\"{}\",\"source\":{source}}}", &*kind);
                    Block::Other { kind, raw: Str(raw.into()) }
                }
            },
        }
    }
}

/// Where the value of a member is read of: what is being parsed, or what was set aside.
trait Reader<'a> {
    type Error;
    fn read<T: Deserialize<'a>>(self) -> Result<T, Self::Error>;
}

struct Next<'m, A>(&'m mut A);

impl<'de, A: MapAccess<'de>> Reader<'de> for Next<'_, A> {
    type Error = A::Error;

    fn read<T: Deserialize<'de>>(self) -> Result<T, A::Error> {
        self.0.next_value()
    }
}

impl<'a> Reader<'a> for &'a RawValue {
    type Error = serde_json::Error;

    fn read<T: Deserialize<'a>>(self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.get())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for OneBlock<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = OneBlock<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a block")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut members, mut kind): (Members<'de>, Option<Str<'de>>) = (Members::default(), None);
                // What stands before the type, and all of a block that is not known.
                let mut aside: Vec<(Str<'de>, &'de RawValue)> = Vec::new();
                while let Some(name) = map.next_key::<Str<'de>>()? {
                    let is_known = kind.as_ref().is_some_and(|kind| KINDS.contains(&&**kind));
                    if is_known && &*name != "type" {
                        members.read(&name, Next(&mut map))?;
                        continue;
                    }
                    let value: &RawValue = map.next_value()?;
                    if &*name == "type" {
                        kind = Some(serde_json::from_str(value.get()).map_err(A::Error::custom)?);
                    }
                    aside.push((name, value));
                }
                let kind = kind.ok_or_else(|| A::Error::missing_field("type"))?;
                if !KINDS.contains(&&*kind) {
                    let is_cached = aside.iter().any(|(name, _)| &**name == "cache_control");
                    let inside: Vec<String> =
                        aside.iter().map(|(name, value)| format!("{}:{}", Value::from(&**name), value.get())).collect();
                    let raw = Str(format!("{{{}}}", inside.join(",")).into());
                    return Ok(OneBlock(Block::Other { kind, raw }, is_cached));
                }
                for (name, value) in aside {
                    members.read(&name, value).map_err(A::Error::custom)?;
                }
                let is_cached = members.is_cached;
                Ok(OneBlock(members.block(kind), is_cached))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

fn media(raw: &RawValue) -> Option<Media<'_>> {
    let read: RawSource<'_> = serde_json::from_str(raw.get()).ok()?;
    match &*read.kind {
        "base64" => Some(Media::Base64 { media_type: read.media_type?, data: read.data? }),
        "url" => read.url.map(Media::Url),
        "file" => read.file_id.map(Media::File),
        "text" => read.data.map(Media::Text),
        "content" => {
            let Content(parts) = serde_json::from_str(read.content?.get()).ok()?;
            let texts: Vec<&str> = parts
                .iter()
                .filter_map(|(block, _)| if let Block::Text(text) = block { Some(&**text) } else { None })
                .collect();
            Some(Media::Text(Str(texts.join("\n").into())))
        }
        _ => None,
    }
}
