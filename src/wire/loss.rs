//! What a request loses on its way into another API: the encoders leave it out, and the client is told so.

use crate::wire::Shape;
use crate::wire::chat::{Block, Chat, Media, Thinking};
use crate::wire::openai::{Dialect, STOP_MAX};
use crate::wire::patch::Changes;

/// What cannot be said in the API of a target, in the client's words. Empty when everything arrives.
pub fn of(chat: &Chat<'_>, changes: &Changes, target: Shape, dialect: Dialect) -> Vec<String> {
    let mut lost = Vec::new();
    match target {
        Shape::OpenAi => openai(chat, changes, dialect, &mut lost),
        Shape::Anthropic => anthropic(chat, changes, &mut lost),
    }
    lost
}

fn openai(chat: &Chat<'_>, changes: &Changes, dialect: Dialect, lost: &mut Vec<String>) {
    let n_stop = changes.stop.as_ref().map_or(chat.stop.len(), Vec::len);
    let thinks = match (changes.thinking, chat.thinking) {
        (Some(wanted), _) => wanted.is_some(),
        (None, asked) => matches!(asked, Thinking::On(_)),
    };
    let parameters = [
        ("top_k", changes.top_k.or(chat.top_k).is_some()),
        ("temperature", dialect.reasoning && changes.temperature.or(chat.temperature).is_some()),
        ("top_p", dialect.reasoning && changes.top_p.or(chat.top_p).is_some()),
        ("stop_sequences", dialect.reasoning && n_stop > 0),
        ("thinking", !dialect.reasoning && thinks),
        ("effort", !dialect.reasoning && (changes.effort.is_some() || chat.effort.is_some())),
    ];
    lost.extend(parameters.iter().filter(|(_, is_lost)| *is_lost).map(|(name, _)| format!("{name} is not sent")));
    if !dialect.reasoning && n_stop > STOP_MAX {
        lost.push(format!("stop_sequences beyond {STOP_MAX} are not sent"));
    }
    for tool in chat.tools.iter().filter(|tool| tool.server.is_some()) {
        lost.push(format!("the tool {} is not sent: only its provider runs it", &*tool.name));
    }
    let (mut images, mut documents) = (0, 0);
    chat.each_block(|_, block| match block {
        Block::Image(Media::File(_)) => images += 1,
        Block::Document { media: Media::File(_) | Media::Url(_), .. } => documents += 1,
        _ => {}
    });
    let named = [(images, "images"), (documents, "documents")].into_iter().filter(|(n, _)| *n > 0);
    lost.extend(named.map(|(n, what)| format!("{what} given by reference are not sent: {n}")));
}

fn anthropic(chat: &Chat<'_>, changes: &Changes, lost: &mut Vec<String>) {
    let temperature = changes.temperature.or(chat.temperature);
    let parameters = [
        ("response_format", chat.schema.is_some()),
        ("reasoning_effort", changes.effort.is_some() || chat.effort.is_some()),
        ("top_p beside temperature", temperature.is_some() && changes.top_p.or(chat.top_p).is_some()),
        ("temperature above 1", temperature.is_some_and(|value| value > 1.0)),
    ];
    lost.extend(parameters.iter().filter(|(_, is_lost)| *is_lost).map(|(name, _)| format!("{name} is not sent")));
}
