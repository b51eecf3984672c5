//! The requests of clients: bodies of three APIs to chats.

pub mod completions;
pub mod messages;
pub mod responses;

use serde_json::value::RawValue;

use crate::wire::Client;
use crate::wire::chat::{BadBody, Block, Chat, ToolChoice, words};
use crate::wire::text::Str;

/// Reads a body.
pub fn decode(client: Client, body: &[u8]) -> Result<Chat<'_>, BadBody> {
    match client {
        Client::Messages => messages::decode(body),
        Client::Completions => completions::decode(body),
        Client::Responses => responses::decode(body),
    }
}

/// A choice of a tool that is a word of OpenAI's; none when it is an object.
fn choice_word(raw: &RawValue) -> Result<Option<ToolChoice<'_>>, BadBody> {
    if !raw.get().starts_with('"') {
        return Ok(None);
    }
    let word: Str<'_> =
        serde_json::from_str(raw.get()).map_err(|error| BadBody(format!("tool_choice: {}", words(&error))))?;
    Ok(Some(match &*word {
        "required" => ToolChoice::Any,
        "none" => ToolChoice::None,
        _ => ToolChoice::Auto,
    }))
}

/// Blocks, each with whether a cache is wanted up to it.
type Content<'a> = Vec<(Block<'a>, bool)>;

/// A content of OpenAI's: a string, or a list of parts, each read by `part`.
fn content<'a>(
    raw: &'a RawValue,
    place: &str,
    part: impl Fn(&'a RawValue) -> Result<(Block<'a>, bool), serde_json::Error>,
) -> Result<Content<'a>, BadBody> {
    let fail = |error: serde_json::Error| BadBody(format!("{place}: {}", words(&error)));
    match raw.get().as_bytes().first() {
        Some(b'"') => Ok(vec![(Block::Text(serde_json::from_str(raw.get()).map_err(fail)?), false)]),
        Some(b'[') => {
            let parts: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(fail)?;
            parts.into_iter().map(|raw| part(raw).map_err(fail)).collect()
        }
        Some(b'n') => Ok(Vec::new()),
        _ => Err(BadBody(format!("{place}: expected a string or a list of parts"))),
    }
}
