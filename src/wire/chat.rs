//! One chat, whatever API it came by: what features read and what providers' requests are made from. It borrows from
//! the body that it was read of.

use std::collections::HashSet;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::wire::Client;
use crate::wire::text::Str;

/// A request.
#[derive(Debug, Clone)]
pub struct Chat<'a> {
    /// The API that was called.
    pub client: Client,
    /// The model that was asked for.
    pub model: Str<'a>,
    /// A stream is wanted.
    pub stream: bool,
    /// A last event with the usage is wanted (OpenAI).
    pub stream_usage: bool,
    /// The longest answer.
    pub max_tokens: Option<u64>,
    /// As asked.
    pub temperature: Option<f64>,
    /// As asked.
    pub top_p: Option<f64>,
    /// As asked.
    pub top_k: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<Str<'a>>,
    /// The system prompt's blocks.
    pub system: Vec<Str<'a>>,
    /// The messages, oldest first.
    pub messages: Vec<Message<'a>>,
    /// The tools offered.
    pub tools: Vec<Tool<'a>>,
    /// Which tool is to be called.
    pub tool_choice: ToolChoice<'a>,
    /// Not more than one tool at a time.
    pub one_tool_at_a_time: bool,
    /// Extended thinking.
    pub thinking: Thinking,
    /// The reasoning effort as asked.
    pub effort: Option<Str<'a>>,
    /// The texts of the request's metadata.
    pub metadata: Vec<(Str<'a>, Str<'a>)>,
    /// The end user.
    pub user: Option<Str<'a>>,
    /// The JSON schema that the answer must follow.
    pub schema: Option<&'a RawValue>,
    /// Where the client wants its provider's cache to end, in the order of the request: the last few that it says.
    pub cached: Vec<Mark>,
}

/// A place up to which a provider's cache is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A tool.
    Tool(usize),
    /// A block of the system prompt.
    System(usize),
    /// A block of a message.
    Block(usize, usize),
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The rules of the conversation, also in its middle.
    System,
    /// A person, or a program in a person's place; also the results of tools.
    User,
    /// A model.
    Assistant,
}

/// A message.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub blocks: Vec<Block<'a>>,
}

/// A part of a message.
#[derive(Debug, Clone)]
pub enum Block<'a> {
    /// A text.
    Text(Str<'a>),
    /// An image.
    Image(Media<'a>),
    /// A document.
    Document {
        /// What it is.
        media: Media<'a>,
        /// Its name.
        title: Option<Str<'a>>,
    },
    /// A model calls a tool.
    ToolUse {
        /// Names the call.
        id: Str<'a>,
        /// The tool.
        name: Str<'a>,
        /// A JSON object, or what should have been one.
        input: Str<'a>,
    },
    /// What a tool answered.
    ToolResult {
        /// The call.
        id: Str<'a>,
        /// The answer.
        blocks: Vec<Block<'a>>,
        /// It failed.
        is_error: bool,
    },
    /// A model's thinking.
    Thinking {
        /// May be empty.
        text: Str<'a>,
        /// What its maker wants back with it; may be empty.
        signature: Str<'a>,
    },
    /// Anything else, as it stands.
    Other {
        /// Its `type`.
        kind: Str<'a>,
        /// All of it, as JSON.
        raw: Str<'a>,
    },
}

/// Where the bytes of an image or a document are.
#[derive(Debug, Clone)]
pub enum Media<'a> {
    /// In the request.
    Base64 {
        /// `image/png`.
        media_type: Str<'a>,
        /// In base64.
        data: Str<'a>,
    },
    /// Somewhere else.
    Url(Str<'a>),
    /// At the provider.
    File(Str<'a>),
    /// A document that is text.
    Text(Str<'a>),
}

/// A tool.
#[derive(Debug, Clone)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Str<'a>,
    /// What it does.
    pub description: Option<Str<'a>>,
    /// A JSON schema of its input; none for server tools.
    pub schema: Option<&'a RawValue>,
    /// `web_search_20250305` and its like: run by the provider.
    pub server: Option<Str<'a>>,
    /// Its input is a text, not an object (OpenAI's custom tools).
    pub takes_text: bool,
    /// Not to be offered before it is asked for.
    pub deferred: bool,
    /// All of it.
    pub raw: &'a RawValue,
}

/// Which tool is to be called.
#[derive(Debug, Clone, Default)]
pub enum ToolChoice<'a> {
    /// Nothing was said.
    #[default]
    Unsaid,
    /// Any or none.
    Auto,
    /// One at least.
    Any,
    /// None.
    None,
    /// This one.
    Tool(Str<'a>),
}

/// Extended thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Thinking {
    /// Nothing was said.
    #[default]
    Unsaid,
    /// It is not wanted.
    Off,
    /// It is wanted; with a budget in tokens where one was given.
    On(Option<u64>),
}

impl<'a> Chat<'a> {
    /// Every block of every message, those inside of tool results too, with the role of its message.
    pub fn each_block(&self, mut visit: impl FnMut(Role, &Block<'a>)) {
        for message in &self.messages {
            for block in &message.blocks {
                visit(message.role, block);
                if let Block::ToolResult { blocks, .. } = block {
                    blocks.iter().for_each(|block| visit(message.role, block));
                }
            }
        }
    }
}

impl<'a> Chat<'a> {
    /// The tools that a model can be offered which neither runs tools of its own provider nor searches for others, with
    /// their places: a deferred one once it was found or called; all of them where the provider would have had to search.
    pub fn offered(&self) -> impl Iterator<Item = (usize, &Tool<'a>)> {
        let mut loaded: HashSet<String> = HashSet::new();
        if self.tools.iter().any(|tool| tool.deferred) {
            self.each_block(|_, block| match block {
                Block::ToolUse { name, .. } => drop(loaded.insert(name.to_string())),
                Block::Other { kind, raw } => loaded.extend(referenced(kind, raw)),
                _ => {}
            });
        }
        let searches =
            self.tools.iter().any(|tool| tool.server.as_ref().is_some_and(|kind| kind.starts_with(TOOL_SEARCH)));
        self.tools.iter().enumerate().filter(move |(_, tool)| {
            let is_there = !tool.deferred || searches || loaded.contains(&*tool.name);
            tool.server.is_none() && is_there
        })
    }
}

impl Chat<'_> {
    /// A search of the web that the provider does is among the tools.
    pub fn searches_the_web(&self) -> bool {
        self.tools.iter().any(Tool::is_web_search)
    }
}

/// How many marks of a cache Anthropic takes; what stands before them is covered by them.
const MARKS_MAX: usize = 4;

/// The marks that count, of all that a request bears.
pub(crate) fn last_marks(mut all: Vec<Mark>) -> Vec<Mark> {
    all.drain(..all.len().saturating_sub(MARKS_MAX));
    all
}

impl Tool<'_> {
    /// A search of the web that the provider does.
    pub fn is_web_search(&self) -> bool {
        self.server.as_ref().is_some_and(|kind| kind.starts_with("web_search"))
    }
}

/// What the provider's own search for tools is called, without its version.
const TOOL_SEARCH: &str = "tool_search_tool";

/// The tool that a block says was found.
pub fn referenced(kind: &str, raw: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Reference<'a> {
        #[serde(borrow)]
        tool_name: Str<'a>,
    }
    let read = (kind == "tool_reference").then(|| serde_json::from_str::<Reference<'_>>(raw).ok())??;
    Some(read.tool_name.to_string())
}

/// The input of a call as an object, whatever a client made of it.
pub fn object(input: &str) -> Value {
    match serde_json::from_str(input) {
        Ok(value @ Value::Object(_)) => value,
        Ok(other) if !other.is_null() => json!({"arguments": other}),
        Err(_) if !input.trim().is_empty() => json!({"arguments": input}),
        Ok(_) | Err(_) => json!({}),
    }
}

/// A body that is not a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadBody(pub String);

/// How the reader calls what it expects, and how a client would.
const EXPECTED: &[(&str, &str)] =
    &[("u64", "a whole number"), ("f64", "a number"), ("a boolean", "true or false"), ("a sequence", "a list")];

/// What is wrong with a document, in words that say it: no name of a type stands in them.
pub(crate) fn words(error: &serde_json::Error) -> String {
    let message = error.to_string();
    if message.contains("hex escape") || message.contains("surrogate") {
        return format!("half of a surrogate pair stands alone ({message})");
    }
    let Some((front, rest)) = message.split_once("expected ") else { return message };
    let (what, place) = rest.split_once(" at line ").unwrap_or((rest, ""));
    let known = EXPECTED.iter().find(|(name, _)| *name == what).map(|(_, words)| *words);
    let what = if what.starts_with("struct ") { "an object" } else { known.unwrap_or(what) };
    if place.is_empty() { format!("{front}expected {what}") } else { format!("{front}expected {what} at line {place}") }
}

/// Reads a JSON document into borrowed types, with a message for the client when it does not fit.
pub(crate) fn read<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, BadBody> {
    let text = std::str::from_utf8(body)
        .map_err(|error| BadBody(format!("the body is not UTF-8 at byte {}", error.valid_up_to())))?;
    serde_json::from_str(text).map_err(|error| {
        let message = words(&error);
        let kind = if error.is_data() { "the body does not fit" } else { "the body is not valid JSON" };
        BadBody(format!("{kind}: {message}"))
    })
}
