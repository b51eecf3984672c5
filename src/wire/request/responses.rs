//! OpenAI Responses requests to chats.
//!
//! Source: the published API reference, and what Codex sends.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::completions::media_of_url;
use super::{choice_word, content};
use crate::wire::Client;
use crate::wire::chat::{BadBody, Block, Chat, Media, Message, Role, Thinking, Tool, ToolChoice, read, words};
use crate::wire::foreign::of_responses;
use crate::wire::text::Str;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: Str<'a>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    instructions: Option<Str<'a>>,
    max_output_tokens: Option<u64>,
    #[serde(default)]
    stream: Option<bool>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    #[serde(borrow, default)]
    tools: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    tool_choice: Option<&'a RawValue>,
    parallel_tool_calls: Option<bool>,
    #[serde(borrow, default)]
    reasoning: Option<Reasoning<'a>>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    user: Option<Str<'a>>,
    #[serde(borrow, default)]
    safety_identifier: Option<Str<'a>>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Reasoning<'a> {
    #[serde(borrow, default)]
    effort: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow, default)]
    format: Option<Format<'a>>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Str<'a>>,
    #[serde(borrow, default)]
    role: Option<Str<'a>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<Str<'a>>,
    #[serde(borrow, default)]
    call_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    arguments: Option<Str<'a>>,
    #[serde(borrow, default)]
    input: Option<Str<'a>>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(borrow, default)]
    summary: Option<Vec<Part<'a>>>,
    #[serde(borrow, default)]
    encrypted_content: Option<Str<'a>>,
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
    image_url: Option<Str<'a>>,
    #[serde(borrow, default)]
    file_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    file_data: Option<Str<'a>>,
    #[serde(borrow, default)]
    file_url: Option<Str<'a>>,
    #[serde(borrow, default)]
    filename: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct RawTool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    description: Option<Str<'a>>,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
}

/// Reads a request. Fields that are not known are left to whoever forwards the body.
pub fn decode(body: &[u8]) -> Result<Chat<'_>, BadBody> {
    let raw: Body<'_> = read(body)?;
    let mut conversation = Conversation::default();
    conversation.system.extend(raw.instructions.filter(|text| !text.is_empty()));
    if let Some(input) = raw.input {
        conversation.input(input)?;
    }
    let tool_choice = raw.tool_choice.map_or(Ok(ToolChoice::Unsaid), tool_choice)?;
    let metadata = raw.metadata.map(super::messages::texts_of).unwrap_or_default();
    Ok(Chat {
        client: Client::Responses,
        model: raw.model,
        stream: raw.stream.unwrap_or(false),
        stream_usage: true,
        max_tokens: raw.max_output_tokens,
        temperature: raw.temperature,
        top_p: raw.top_p,
        top_k: None,
        stop: Vec::new(),
        system: conversation.system,
        messages: conversation.messages,
        tools: raw.tools.unwrap_or_default().into_iter().map(tool).collect::<Result<_, _>>()?,
        tool_choice,
        one_tool_at_a_time: raw.parallel_tool_calls == Some(false),
        thinking: Thinking::Unsaid,
        effort: raw.reasoning.and_then(|reasoning| reasoning.effort),
        metadata,
        user: raw.user.or(raw.safety_identifier),
        schema: raw.text.and_then(|text| text.format).and_then(|format| format.schema),
        cached: Vec::new(),
    })
}

/// Whether a request leans on what its provider remembers, which nobody else knows.
pub fn leans_on_provider(body: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Marks<'a> {
        #[serde(borrow, default)]
        previous_response_id: Option<&'a RawValue>,
        #[serde(borrow, default)]
        conversation: Option<&'a RawValue>,
        #[serde(borrow, default)]
        prompt: Option<&'a RawValue>,
    }
    let marks: Marks<'_> = serde_json::from_slice(body).ok()?;
    let there = [
        ("previous_response_id", marks.previous_response_id),
        ("conversation", marks.conversation),
        ("prompt", marks.prompt),
    ];
    there.into_iter().find(|(_, value)| value.is_some()).map(|(name, _)| name)
}

/// Items as they come together to messages.
#[derive(Default)]
struct Conversation<'a> {
    system: Vec<Str<'a>>,
    messages: Vec<Message<'a>>,
}

impl<'a> Conversation<'a> {
    fn input(&mut self, input: &'a RawValue) -> Result<(), BadBody> {
        let fail = |error: serde_json::Error| BadBody(format!("input: {}", words(&error)));
        if input.get().starts_with('"') {
            let text = serde_json::from_str(input.get()).map_err(fail)?;
            self.add(Role::User, vec![Block::Text(text)]);
            return Ok(());
        }
        if !input.get().starts_with('[') {
            return Err(BadBody("input: expected a string or a list of items".to_owned()));
        }
        let items: Vec<&RawValue> = serde_json::from_str(input.get()).map_err(fail)?;
        for (index, raw) in items.into_iter().enumerate() {
            let place = format!("input.{index}");
            let item =
                serde_json::from_str(raw.get()).map_err(|error| BadBody(format!("{place}: {}", words(&error))))?;
            self.item(item, raw, &place)?;
        }
        Ok(())
    }

    fn item(&mut self, item: Item<'a>, raw: &'a RawValue, place: &str) -> Result<(), BadBody> {
        let call = item.call_id.or(item.id).unwrap_or_default();
        match item.kind.as_deref().unwrap_or("message") {
            "message" => {
                let blocks = item.content.map_or(Ok(Vec::new()), |content| parts(content, place))?;
                match item.role.as_deref().unwrap_or("user") {
                    "system" | "developer" if self.messages.is_empty() => {
                        let texts = blocks.into_iter();
                        self.system.extend(
                            texts.filter_map(|block| if let Block::Text(text) = block { Some(text) } else { None }),
                        );
                    }
                    "system" | "developer" => self.add(Role::System, blocks),
                    "user" => self.add(Role::User, blocks),
                    "assistant" => self.add(Role::Assistant, blocks),
                    other => return Err(BadBody(format!("{place}.role: `{other}` is none of the known roles"))),
                }
            }
            "function_call" => {
                let input = item.arguments.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "{}".into());
                let name = item.name.unwrap_or_default();
                self.add(Role::Assistant, vec![Block::ToolUse { id: call, name, input }]);
            }
            "custom_tool_call" => {
                let text = serde_json::json!({"input": item.input.as_deref().unwrap_or_default()}).to_string();
                let name = item.name.unwrap_or_default();
                self.add(Role::Assistant, vec![Block::ToolUse { id: call, name, input: Str(text.into()) }]);
            }
            "function_call_output" | "custom_tool_call_output" => {
                let blocks = item.output.map_or(Ok(Vec::new()), |output| parts(output, place))?;
                self.add(Role::User, vec![Block::ToolResult { id: call, blocks, is_error: false }]);
            }
            "reasoning" => {
                let texts: Vec<Str<'a>> = item.summary.into_iter().flatten().filter_map(|part| part.text).collect();
                let text = Str(texts.iter().map(|text| &**text).collect::<Vec<_>>().join("\n\n").into());
                let encrypted = item.encrypted_content.filter(|encrypted| !encrypted.is_empty());
                let signature = encrypted.map(|encrypted| Str(of_responses(&encrypted).into())).unwrap_or_default();
                if !text.is_empty() || !signature.is_empty() {
                    self.add(Role::Assistant, vec![Block::Thinking { text, signature }]);
                }
            }
            kind => {
                let role = if kind.ends_with("_output") { Role::User } else { Role::Assistant };
                let kind = item.kind.unwrap_or_default();
                self.add(role, vec![Block::Other { kind, raw: raw.get().into() }]);
            }
        }
        Ok(())
    }

    /// Items of one speaker are one message: calls at the same time stand in one.
    fn add(&mut self, role: Role, blocks: Vec<Block<'a>>) {
        match self.messages.last_mut() {
            Some(last) if last.role == role && role != Role::System => last.blocks.extend(blocks),
            _ => self.messages.push(Message { role, blocks }),
        }
    }
}

fn tool(raw: &RawValue) -> Result<Tool<'_>, BadBody> {
    let read: RawTool<'_> =
        serde_json::from_str(raw.get()).map_err(|error| BadBody(format!("tools: {}", words(&error))))?;
    let (takes_text, is_function) = (&*read.kind == "custom", &*read.kind == "function");
    let server = (!takes_text && !is_function).then(|| read.kind.clone());
    Ok(Tool {
        name: read.name.unwrap_or(read.kind),
        description: read.description,
        schema: read.parameters,
        server,
        takes_text,
        deferred: false,
        raw,
    })
}

fn tool_choice(raw: &RawValue) -> Result<ToolChoice<'_>, BadBody> {
    if let Some(choice) = choice_word(raw)? {
        return Ok(choice);
    }
    let read: Option<RawTool<'_>> =
        serde_json::from_str(raw.get()).map_err(|error| BadBody(format!("tool_choice: {}", words(&error))))?;
    Ok(read.and_then(|choice| choice.name).map_or(ToolChoice::Auto, ToolChoice::Tool))
}

/// A content: a string, or a list of parts.
fn parts<'a>(raw: &'a RawValue, place: &str) -> Result<Vec<Block<'a>>, BadBody> {
    let read = content(raw, place, |raw| Ok((part(raw)?, false)))?;
    Ok(read.into_iter().map(|(block, _)| block).collect())
}

fn part(raw: &RawValue) -> Result<Block<'_>, serde_json::Error> {
    let read: Part<'_> = serde_json::from_str(raw.get())?;
    Ok(match &*read.kind {
        "input_text" | "output_text" | "text" => Block::Text(read.text.unwrap_or_default()),
        "refusal" => Block::Text(read.refusal.unwrap_or_default()),
        "input_image" => match (read.image_url, read.file_id) {
            (Some(url), _) => Block::Image(media_of_url(url)),
            (None, Some(id)) => Block::Image(Media::File(id)),
            (None, None) => Block::Other { kind: read.kind, raw: raw.get().into() },
        },
        "input_file" => {
            let media = match (read.file_data, read.file_url, read.file_id) {
                (Some(data), ..) => media_of_url(data),
                (None, Some(url), _) => Media::Url(url),
                (None, None, id) => Media::File(id.unwrap_or_default()),
            };
            Block::Document { media, title: read.filename }
        }
        _ => Block::Other { kind: read.kind, raw: raw.get().into() },
    })
}
