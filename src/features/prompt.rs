//! What a person wrote: the newest text that is a person's own, and how many messages have one.

use crate::features::tables::INJECTED;
use crate::wire::chat::{Block, Chat, Message, Role};

/// What a person wrote.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    /// Trimmed; may be empty.
    pub(super) text: String,
    /// The message that it stands in.
    pub(super) message: Option<usize>,
    /// Messages in which a person wrote or attached something.
    pub(super) turns: usize,
}

pub(super) fn find(chat: &Chat<'_>) -> Prompt {
    let mut prompt = Prompt::default();
    for (index, message) in chat.messages.iter().enumerate().rev() {
        if message.role != Role::User {
            continue;
        }
        let needs_text = prompt.message.is_none();
        let attached = message.blocks.iter().any(|block| matches!(block, Block::Image(_) | Block::Document { .. }));
        let text = if needs_text { own_text(message) } else { String::new() };
        let wrote = if needs_text { !text.is_empty() } else { has_own_text(message) };
        prompt.turns += usize::from(attached || wrote);
        if needs_text && wrote {
            prompt.text = text;
            prompt.message = Some(index);
        }
    }
    prompt
}

/// The texts of a message that a person wrote, joined by line ends and trimmed.
pub(super) fn own_text(message: &Message<'_>) -> String {
    let mut texts: Vec<String> = Vec::new();
    for block in &message.blocks {
        if let Block::Text(text) = block {
            let own = without_injected(text);
            if !own.trim().is_empty() {
                texts.push(own);
            }
        }
    }
    texts.join("\n").trim().to_owned()
}

fn has_own_text(message: &Message<'_>) -> bool {
    message.blocks.iter().any(|block| matches!(block, Block::Text(text) if !without_injected(text).trim().is_empty()))
}

/// A text without the elements that agents inject. One that is never closed is a person's.
fn without_injected(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tail) = rest.split_at(at);
        kept.push_str(before);
        match injected_at(tail) {
            Some(length) => rest = tail.get(length..).unwrap_or_default(),
            None => {
                kept.push('<');
                rest = tail.get(1..).unwrap_or_default();
            }
        }
    }
    kept.push_str(rest);
    kept
}

/// The length of an injected element that a text begins with.
fn injected_at(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('<')?;
    let name = INJECTED
        .iter()
        .find(|name| inside.strip_prefix(**name).is_some_and(|tail| tail.starts_with('>') || tail.starts_with(' ')))?;
    let close = format!("</{name}>");
    text.find(&close).map(|at| at + close.len())
}
