//! A call to features: each read only when a decision asks for it, and at most once. The tables that say what an agent's
//! marks are, what it injects, and what names a file stand in `tables`.

mod agent;
pub mod files;
mod prompt;
pub mod tables;
pub mod tokens;
pub mod vocabulary;
pub mod work;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Weak;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::lang::catalogue::Tokenizer;
use crate::lang::input::{Bounds, Feature, Features, NUMBER};
use crate::lang::schema::types::EFFORT;
use crate::wire::Client;
use crate::wire::chat::{Block, Chat, Thinking};
use crate::wire::ids::hex;
use tokens::Counter;

/// What a request is read from.
#[derive(Debug)]
pub struct Call<'a> {
    /// The request.
    pub chat: &'a Chat<'a>,
    /// Its bytes.
    pub body: &'a [u8],
    /// Its headers: folded names, values as they came.
    pub headers: &'a [(String, String)],
    /// The name of the router key that authenticated.
    pub key: Option<&'a str>,
    /// How the tokens of the model that was asked for are counted.
    pub tokenizer: Tokenizer,
}

impl Call<'_> {
    /// A header, by its folded name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The features of a call.
#[derive(Debug)]
pub struct Request<'a> {
    call: &'a Call<'a>,
    counter: &'a Counter,
    /// Points at nothing any more when nobody waits for the decision.
    client: Option<Weak<()>>,
    prompt: OnceCell<prompt::Prompt>,
    conversation: OnceCell<String>,
    system: OnceCell<String>,
    files: OnceCell<Vec<String>>,
    files_all: OnceCell<Vec<String>>,
    tools: OnceCell<Vec<String>>,
    tokens: OnceCell<tokens::Parts<'a>>,
    bucket_id: OnceCell<String>,
}

impl<'a> Request<'a> {
    /// The features of a call; nothing is read yet.
    pub fn new(call: &'a Call<'a>, counter: &'a Counter) -> Self {
        Self {
            call,
            counter,
            client: None,
            prompt: OnceCell::new(),
            conversation: OnceCell::new(),
            system: OnceCell::new(),
            files: OnceCell::new(),
            files_all: OnceCell::new(),
            tools: OnceCell::new(),
            tokens: OnceCell::new(),
            bucket_id: OnceCell::new(),
        }
    }

    /// Stops reading and counting when nobody holds what `client` points at: what is not known by then stays empty.
    #[must_use]
    pub fn watching(mut self, client: Weak<()>) -> Self {
        self.client = Some(client);
        self
    }

    /// Whether nobody waits for the decision any more.
    fn is_abandoned(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.strong_count() == 0)
    }

    fn prompt(&self) -> &prompt::Prompt {
        self.prompt
            .get_or_init(|| if self.is_abandoned() { prompt::Prompt::default() } else { prompt::find(self.call.chat) })
    }

    /// Input tokens of the whole request, exactly.
    pub fn input_tokens(&self) -> u64 {
        let bounds = self.ordinal(Feature::Tokens, &[]);
        bounds.and_then(|bounds| u64::try_from(bounds.low / NUMBER).ok()).unwrap_or(0)
    }

    /// Input tokens, at most: what costs nothing to know.
    pub fn input_tokens_at_most(&self) -> u64 {
        let bounds = self.ordinal(Feature::Tokens, &[i64::MAX]);
        bounds.and_then(|bounds| u64::try_from(bounds.high / NUMBER).ok()).unwrap_or(0)
    }

    fn count(of: usize) -> Bounds {
        Bounds::exactly(i64::try_from(of).unwrap_or(i64::MAX / NUMBER).saturating_mul(NUMBER))
    }

    fn n_blocks(&self, wanted: impl Fn(&Block<'_>) -> bool) -> Bounds {
        let mut found = 0;
        self.call.chat.each_block(|_, block| found += usize::from(wanted(block)));
        Self::count(found)
    }

    fn session(&self) -> Option<String> {
        let header =
            ["x-claude-code-session-id", "x-session-id", "session_id"].iter().find_map(|name| self.call.header(name));
        header.map(str::to_owned).or_else(|| self.user_id().1)
    }

    /// The user and the session that stand in the request's user id.
    fn user_id(&self) -> (Option<String>, Option<String>) {
        let Some(id) = self.call.chat.user.as_deref() else { return (None, None) };
        if let Ok(Value::Object(parts)) = serde_json::from_str::<Value>(id) {
            let text =
                |name: &str| parts.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
            return (text("account_uuid").or_else(|| text("device_id")), text("session_id"));
        }
        match id.split_once("_session_") {
            Some((user, session)) => {
                let user = user.split("_account_").next().unwrap_or(user);
                (Some(user.to_owned()), Some(session.to_owned()))
            }
            None => (Some(id.to_owned()), None),
        }
    }

    fn conversation(&self) -> &str {
        self.conversation.get_or_init(|| {
            if self.is_abandoned() {
                return String::new();
            }
            let mut texts: Vec<&str> = Vec::new();
            for message in &self.call.chat.messages {
                for block in &message.blocks {
                    match block {
                        Block::Text(text) => texts.push(text),
                        Block::ToolResult { blocks, .. } => {
                            texts.extend(
                                blocks.iter().filter_map(|block| {
                                    if let Block::Text(text) = block { Some(&**text) } else { None }
                                }),
                            );
                        }
                        Block::Image(_)
                        | Block::Document { .. }
                        | Block::ToolUse { .. }
                        | Block::Thinking { .. }
                        | Block::Other { .. } => {}
                    }
                }
            }
            texts.retain(|text| !text.is_empty());
            texts.join("\n")
        })
    }

    fn system(&self) -> &str {
        self.system.get_or_init(|| {
            let texts: Vec<&str> =
                self.call.chat.system.iter().map(|text| &**text).filter(|text| !text.is_empty()).collect();
            texts.join("\n")
        })
    }
}

impl Features for Request<'_> {
    fn ordinal(&self, feature: Feature, asked: &[i64]) -> Option<Bounds> {
        let chat = self.call.chat;
        let number =
            |value: u64| Bounds::exactly(i64::try_from(value).unwrap_or(i64::MAX / NUMBER).saturating_mul(NUMBER));
        let truth = |value: bool| Some(Bounds::exactly(i64::from(value)));
        match feature {
            Feature::Api => Some(Bounds::exactly(match chat.client {
                Client::Messages => 0,
                Client::Completions => 1,
                Client::Responses => 2,
            })),
            Feature::Stream => truth(chat.stream),
            Feature::MaxTokens => chat.max_tokens.map(number),
            Feature::Temperature => chat.temperature.map(decimal),
            Feature::Effort => {
                let word = chat.effort.as_deref()?;
                let index = EFFORT.members.iter().position(|member| *member == word)?;
                i64::try_from(index).ok().map(Bounds::exactly)
            }
            Feature::Tokens
            | Feature::PromptTokens
            | Feature::SystemTokens
            | Feature::ToolsTokens
            | Feature::HistoryTokens => {
                let parts =
                    self.tokens.get_or_init(|| tokens::Parts::of(chat, self.prompt().message, self.call.tokenizer));
                Some(parts.bounds(feature, asked, self.counter, &self.prompt().text, &|| self.is_abandoned()))
            }
            Feature::Messages => Some(Self::count(chat.messages.len())),
            Feature::Turns => Some(Self::count(self.prompt().turns)),
            Feature::Images => Some(self.n_blocks(|block| matches!(block, Block::Image(_)))),
            Feature::Documents => Some(self.n_blocks(|block| matches!(block, Block::Document { .. }))),
            Feature::Thinking => truth(matches!(chat.thinking, Thinking::On(_))),
            Feature::ThinkingBudget => match chat.thinking {
                Thinking::On(budget) => budget.map(number),
                Thinking::Off | Thinking::Unsaid => None,
            },
            Feature::WebSearch => truth(chat.searches_the_web()),
            Feature::Agent => i64::try_from(agent::of(self.call) as usize).ok().map(Bounds::exactly),
            Feature::Compacted => truth(agent::compacted(self.call)),
            Feature::Client
            | Feature::Model
            | Feature::Prompt
            | Feature::System
            | Feature::Conversation
            | Feature::Files
            | Feature::FilesAll
            | Feature::Tools
            | Feature::AgentType
            | Feature::Project
            | Feature::Session
            | Feature::User
            | Feature::Key
            | Feature::Header
            | Feature::Metadata => None,
        }
    }

    fn text(&self, feature: Feature, name: Option<&str>) -> Option<Cow<'_, str>> {
        match feature {
            Feature::Client => agent::client(self.call).map(Cow::Owned),
            Feature::Model => Some(Cow::Borrowed(&self.call.chat.model)),
            Feature::Prompt => Some(Cow::Borrowed(&self.prompt().text)),
            Feature::System => Some(Cow::Borrowed(self.system())),
            Feature::Conversation => Some(Cow::Borrowed(self.conversation())),
            Feature::AgentType => self.call.header("x-claude-code-agent-type").map(Cow::Borrowed),
            Feature::Project => agent::project(self.call).map(Cow::Owned),
            Feature::Session => self.session().map(Cow::Owned),
            Feature::User => self.user_id().0.map(Cow::Owned),
            Feature::Key => self.call.key.map(Cow::Borrowed),
            Feature::Header => self.call.header(name?).map(Cow::Borrowed),
            Feature::Metadata => {
                let name = name?;
                let found = self.call.chat.metadata.iter().find(|(known, _)| &**known == name);
                found.map(|(_, value)| Cow::Borrowed(&**value))
            }
            Feature::Api
            | Feature::Stream
            | Feature::MaxTokens
            | Feature::Temperature
            | Feature::Effort
            | Feature::Tokens
            | Feature::PromptTokens
            | Feature::SystemTokens
            | Feature::ToolsTokens
            | Feature::HistoryTokens
            | Feature::Messages
            | Feature::Turns
            | Feature::Files
            | Feature::FilesAll
            | Feature::Tools
            | Feature::Images
            | Feature::Documents
            | Feature::Thinking
            | Feature::ThinkingBudget
            | Feature::WebSearch
            | Feature::Agent
            | Feature::Compacted => None,
        }
    }

    fn set(&self, feature: Feature) -> Cow<'_, [String]> {
        if self.is_abandoned() {
            return Cow::Borrowed(&[]);
        }
        let found = match feature {
            Feature::Files => self.files.get_or_init(|| files::newest(self.call.chat, self.prompt())),
            Feature::FilesAll => self.files_all.get_or_init(|| files::all(self.call.chat)),
            Feature::Tools => {
                self.tools.get_or_init(|| self.call.chat.tools.iter().map(|tool| tool.name.to_string()).collect())
            }
            _ => return Cow::Borrowed(&[]),
        };
        Cow::Borrowed(found)
    }

    fn bucket_id(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.bucket_id.get_or_init(|| {
            let known = self.session().or_else(|| self.user_id().0);
            known.unwrap_or_else(|| hex(&Sha256::digest(self.call.body), 32))
        }))
    }
}

/// A decimal of JSON, in billionths.
fn decimal(value: f64) -> Bounds {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and nine digits behind the point are what is compared"
    )]
    let scaled = (value * NUMBER as f64).round() as i64;
    Bounds::exactly(scaled)
}
