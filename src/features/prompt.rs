//! What a person wrote: the newest text that is a person's own, and how many messages have one.

use crate::features::tables::INJECTED;
use crate::features::work::Meter;
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
            let own = without_injected(text, &mut ());
            if !own.trim().is_empty() {
                texts.push(own);
            }
        }
    }
    texts.join("\n").trim().to_owned()
}

fn has_own_text(message: &Message<'_>) -> bool {
    message
        .blocks
        .iter()
        .any(|block| matches!(block, Block::Text(text) if !without_injected(text, &mut ()).trim().is_empty()))
}

/// Returns a text without the elements that agents inject. One that is never closed is a person's.
///
/// Linear in the text: where each element is closed for the last time is found once, so that no search for a closing tag
/// ever runs to the end of the text in vain. `meter` is told what is looked at.
pub fn without_injected(text: &str, meter: &mut impl Meter) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut closings = None;
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('<')) {
        at += found;
        meter.scanned(found + 1);
        let end = injected_at(text, at).and_then(|index| {
            let closings = closings.get_or_insert_with(|| {
                meter.scanned(text.len());
                last_closings(text)
            });
            let end = end_of(text, at, index, (*closings.get(index)?)?)?;
            meter.scanned(end - at);
            Some(end)
        });
        match end {
            Some(end) => {
                kept.push_str(text.get(from..at).unwrap_or_default());
                (from, at) = (end, end);
            }
            None => at += 1,
        }
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    kept
}

/// The index in `INJECTED` of the element whose opening tag begins at a `<`.
fn injected_at(text: &str, at: usize) -> Option<usize> {
    let inside = text.get(at + 1..)?;
    INJECTED
        .iter()
        .position(|name| inside.strip_prefix(name).is_some_and(|tail| tail.starts_with('>') || tail.starts_with(' ')))
}

/// Where the last closing tag of each element of `INJECTED` begins, in one pass.
fn last_closings(text: &str) -> [Option<usize>; INJECTED.len()] {
    let mut found = [None; INJECTED.len()];
    for at in memchr::memmem::find_iter(text.as_bytes(), b"</") {
        let inside = text.get(at + 2..).unwrap_or_default();
        let closed =
            INJECTED.iter().position(|name| inside.strip_prefix(name).is_some_and(|tail| tail.starts_with('>')));
        if let Some(place) = closed.and_then(|index| found.get_mut(index)) {
            *place = Some(at);
        }
    }
    found
}

/// Where the element ends that begins at `at`; `last` is where its last closing tag begins. No search is in vain.
fn end_of(text: &str, at: usize, index: usize, last: usize) -> Option<usize> {
    if last < at {
        return None;
    }
    let close = format!("</{}>", INJECTED.get(index)?);
    let found = memchr::memmem::find(text.as_bytes().get(at..)?, close.as_bytes())?;
    Some(at + found + close.len())
}
