//! A conversation as the APIs of other makers want it: the results of tools directly behind the message that called them,
//! in the order of its calls, whatever order and messages they came in.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use crate::wire::chat::{Block, Chat, Role, referenced};

/// What stands for a result without content.
pub const NO_OUTPUT: &str = "(no output)";

/// A turn. Blocks come with their place in the request: message and block.
#[derive(Debug)]
pub enum Turn<'c, 'a> {
    /// Rules in the middle of the conversation.
    System(&'c [Block<'a>]),
    /// What a person says; a result of a tool stands here only when nobody called for it.
    User(Vec<((usize, usize), &'c Block<'a>)>),
    /// What a model says.
    Assistant(&'c [Block<'a>]),
    /// What tools answered to the turn before.
    Results(Vec<Answered<'c, 'a>>),
}

/// What a tool answered.
#[derive(Debug)]
pub struct Answered<'c, 'a> {
    /// The call.
    pub id: &'c str,
    /// The tool that was called.
    pub name: &'c str,
    /// The answer; empty when there is none.
    pub blocks: &'c [Block<'a>],
    /// It failed.
    pub is_error: bool,
}

impl Answered<'_, '_> {
    /// The answer as text, with what says that it failed.
    pub fn text(&self) -> String {
        let text = plain(self.blocks);
        match (text.is_empty(), self.is_error) {
            (true, _) => NO_OUTPUT.to_owned(),
            (false, true) => format!("Error: {text}"),
            (false, false) => text,
        }
    }

    /// The images and documents of the answer.
    pub fn media(&self) -> impl Iterator<Item = &Block<'_>> {
        self.blocks.iter().filter(|block| matches!(block, Block::Image(_) | Block::Document { .. }))
    }
}

/// The turns of a chat, oldest first. None is empty.
pub fn turns<'c, 'a>(chat: &'c Chat<'a>) -> Vec<Turn<'c, 'a>> {
    // Every result, in its order, and where those of an id stand.
    let mut results: Vec<Found<'c, 'a>> = Vec::new();
    let mut by_id: HashMap<&'c str, VecDeque<usize>> = HashMap::new();
    for (at, message) in chat.messages.iter().enumerate().filter(|(_, message)| message.role == Role::User) {
        for block in &message.blocks {
            if let Block::ToolResult { id, blocks, is_error } = block {
                by_id.entry(&**id).or_default().push_back(results.len());
                results.push(Found { at, blocks, is_error: *is_error, is_taken: false });
            }
        }
    }
    let mut made = Vec::new();
    let mut next_result = 0;
    for (at, message) in chat.messages.iter().enumerate() {
        match message.role {
            Role::System => made.push(Turn::System(&message.blocks)),
            Role::Assistant => {
                if !message.blocks.is_empty() {
                    made.push(Turn::Assistant(&message.blocks));
                }
                let is_last = at + 1 == chat.messages.len();
                let mut answers = Vec::new();
                for block in &message.blocks {
                    let Block::ToolUse { id, name, .. } = block else { continue };
                    let of_id = by_id.get_mut(&**id);
                    // Those that stand before the call answered another one.
                    let found = of_id.and_then(|places| {
                        while places.front().is_some_and(|place| results[*place].at <= at) {
                            places.pop_front();
                        }
                        places.pop_front()
                    });
                    let (blocks, is_error) = match found.and_then(|place| results.get_mut(place)) {
                        Some(result) => {
                            result.is_taken = true;
                            (result.blocks, result.is_error)
                        }
                        // A call that nobody answered is refused, unless the conversation ends with it.
                        None if is_last => continue,
                        None => (&[][..], false),
                    };
                    answers.push(Answered { id, name, blocks, is_error });
                }
                if !answers.is_empty() {
                    made.push(Turn::Results(answers));
                }
            }
            Role::User => {
                let mut own = Vec::new();
                for (index, block) in message.blocks.iter().enumerate() {
                    if matches!(block, Block::ToolResult { .. }) {
                        let is_taken = results.get(next_result).is_some_and(|result| result.is_taken);
                        next_result += 1;
                        if is_taken {
                            continue;
                        }
                    }
                    own.push(((at, index), block));
                }
                if !own.is_empty() {
                    made.push(Turn::User(own));
                }
            }
        }
    }
    made
}

/// A result as it stands in the conversation.
struct Found<'c, 'a> {
    /// Its message.
    at: usize,
    blocks: &'c [Block<'a>],
    is_error: bool,
    /// A call has taken it.
    is_taken: bool,
}

/// The texts of some blocks; what is no text, image or call is given as the JSON that it is.
pub fn plain(blocks: &[Block<'_>]) -> String {
    let texts: Vec<Cow<'_, str>> = blocks.iter().filter_map(text_of).collect();
    texts.join("\n")
}

/// What a block says in words.
pub fn text_of<'c>(block: &'c Block<'_>) -> Option<Cow<'c, str>> {
    match block {
        Block::Text(text) if !text.is_empty() => Some(Cow::Borrowed(text)),
        Block::Other { kind, raw } if &**kind != "redacted_thinking" => Some(match referenced(kind, raw) {
            Some(tool) => Cow::Owned(format!("The tool `{tool}` can be called now.")),
            None => Cow::Borrowed(&**raw),
        }),
        Block::Text(_)
        | Block::Other { .. }
        | Block::Image(_)
        | Block::Document { .. }
        | Block::ToolUse { .. }
        | Block::ToolResult { .. }
        | Block::Thinking { .. } => None,
    }
}

/// Rules in the middle of a conversation, for models that take none there.
pub fn reminder(blocks: &[Block<'_>]) -> Option<String> {
    let text = plain(blocks);
    (!text.is_empty()).then(|| format!("<system-reminder>\n{text}\n</system-reminder>"))
}
