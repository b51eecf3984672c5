//! Ollama's `/api/generate`: one prompt in, one text out. A conversation is written as a dialogue; tools have no place.
//!
//! Source: "API" of ollama's documentation. Its answers are read by `ollama`.

use serde_json::{Map, Value};

use super::ollama::{common, text_and_images};
use super::turns::{Turn, plain, turns};
use super::{Encoded, written};
use crate::wire::chat::Chat;
use crate::wire::ids::Names;
use crate::wire::wanted::{Target, Wanted};

/// A request of a chat.
pub fn encode(chat: &Chat<'_>, wanted: &Wanted, target: &Target<'_>) -> Encoded {
    let mut body = Map::new();
    body.insert("model".to_owned(), wanted.model.clone().into());
    if let Some(text) = wanted.system_text(chat) {
        body.insert("system".to_owned(), text.into());
    }
    let (mut lines, mut images): (Vec<(&'static str, String)>, Vec<Value>) = (Vec::new(), Vec::new());
    for turn in turns(chat) {
        let (who, (text, more)) = match turn {
            Turn::System(blocks) => ("System", (plain(blocks), Vec::new())),
            Turn::User(blocks) => ("User", text_and_images(blocks.into_iter().map(|(_, block)| block))),
            Turn::Assistant(blocks) => ("Assistant", (plain(blocks), Vec::new())),
            Turn::Results(results) => {
                let texts: Vec<String> = results.iter().map(super::turns::Answered::text).collect();
                ("Tool", (texts.join("\n"), Vec::new()))
            }
        };
        images.extend(more);
        if !text.is_empty() {
            lines.push((who, text));
        }
    }
    // One message alone is the prompt as it stands.
    let prompt = match lines.as_slice() {
        [("User", text)] => text.clone(),
        several => {
            let said: Vec<String> = several.iter().map(|(who, text)| format!("{who}: {text}")).collect();
            format!("{}\n\nAssistant:", said.join("\n\n"))
        }
    };
    body.insert("prompt".to_owned(), prompt.into());
    if !images.is_empty() {
        body.insert("images".to_owned(), images.into());
    }
    common(chat, wanted, target, &mut body);
    Encoded { body: written(body), names: Names::default() }
}
