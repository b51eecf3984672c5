//! OpenRouter: chat completions, with reasoning as an object that comes back with the conversation, and the marks of
//! Anthropic's cache.
//!
//! Source: the published API reference, "Reasoning tokens" and "Prompt caching".

use serde_json::{Map, Value, json};

use crate::wire::chat::{Block, Chat, Thinking};
use crate::wire::foreign::{self, Maker};
use crate::wire::wanted::Wanted;

/// What its requests say beyond OpenAI's.
pub(super) fn parameters(chat: &Chat<'_>, wanted: &Wanted, body: &mut Map<String, Value>) {
    let reasoning = match (wanted.thinking, &wanted.effort) {
        (_, Some(effort)) => Some(json!({"effort": effort})),
        (Thinking::On(Some(budget)), None) => Some(json!({"max_tokens": budget})),
        (Thinking::On(None), None) => Some(json!({"enabled": true})),
        (Thinking::Off, None) => Some(json!({"enabled": false})),
        (Thinking::Unsaid, None) => None,
    };
    if let Some(reasoning) = reasoning {
        body.insert("reasoning".to_owned(), reasoning);
    }
    if let Some(k) = wanted.top_k {
        body.insert("top_k".to_owned(), k.into());
    }
    if chat.searches_the_web() {
        body.insert("plugins".to_owned(), json!([{"id": "web"}]));
    }
    body.insert("usage".to_owned(), json!({"include": true}));
}

/// What it wants back of a message, of the signatures of its thinking.
pub(super) fn details(blocks: &[Block<'_>]) -> Option<Value> {
    let mut all: Vec<Value> = Vec::new();
    for block in blocks {
        let Block::Thinking { signature, .. } = block else { continue };
        let held = foreign::opened(signature, Maker::OpenRouter);
        let read = held.and_then(|data| serde_json::from_str::<Vec<Value>>(data).ok());
        all.extend(read.into_iter().flatten());
    }
    (!all.is_empty()).then(|| all.into())
}

/// Puts pieces of reasoning details together as they come in a stream: texts of one place are joined.
pub(super) fn gather(gathered: &mut Vec<Value>, pieces: &[Value]) {
    for piece in pieces {
        let same = |known: &&mut Value| known["index"] == piece["index"] && known["type"] == piece["type"];
        let known = gathered.iter_mut().rev().find(same).filter(|_| !piece["index"].is_null());
        let (Some(known), Value::Object(fields)) = (known, piece) else {
            gathered.push(piece.clone());
            continue;
        };
        for (name, value) in fields {
            let joined = match (&known[name], value) {
                (Value::String(front), Value::String(back)) if matches!(name.as_str(), "text" | "summary" | "data") => {
                    Value::from(format!("{front}{back}"))
                }
                (was, Value::Null) => was.clone(),
                (_, value) => value.clone(),
            };
            known[name] = joined;
        }
    }
}

/// The signature that holds them.
pub(super) fn seal(gathered: &mut Vec<Value>) -> Option<String> {
    let all = std::mem::take(gathered);
    (!all.is_empty()).then(|| foreign::seal(Maker::OpenRouter, &Value::from(all).to_string()))
}
