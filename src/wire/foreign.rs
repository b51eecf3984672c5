//! What makers leave in a conversation for themselves: a signature of thinking that clients send back. What other makers
//! than Anthropic want back is sealed in a signature that says whose it is, so that it returns to that maker after a
//! restart too, and to nobody else: Anthropic refuses it ("Invalid `signature` in `thinking` block"). On the way there it
//! is left out, and every other byte stays as it was.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::wire::ids::hex;
use crate::wire::patch::Patch;
use crate::wire::text::Str;

/// What the router's signatures begin with: no provider's do.
const ISSUER: &str = "router-";

/// A maker that wants something back with the next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// The thought signature of a call.
    Gemini,
    /// The encrypted reasoning of OpenAI's Responses.
    Responses,
    /// OpenRouter's `reasoning_details`.
    OpenRouter,
    /// Anthropic's own signature, in a conversation by OpenAI's Responses.
    Anthropic,
}

const MAKERS: &[(Maker, &str)] = &[
    (Maker::Gemini, "gemini-"),
    (Maker::Responses, "openai-"),
    (Maker::OpenRouter, "openrouter-"),
    (Maker::Anthropic, "anthropic-"),
];

/// A signature that holds what a maker wants back.
pub fn seal(maker: Maker, data: &str) -> String {
    let name = MAKERS.iter().find(|(known, _)| *known == maker).map_or("", |(_, name)| *name);
    format!("{ISSUER}{name}{data}")
}

/// What a signature holds for a maker; none when it is of another one.
pub fn opened(signature: &str, maker: Maker) -> Option<&str> {
    let name = MAKERS.iter().find(|(known, _)| *known == maker).map(|(_, name)| *name)?;
    signature.strip_prefix(ISSUER)?.strip_prefix(name)
}

/// A signature as the `encrypted_content` of OpenAI's Responses: what that API made itself stands as it made it, so that
/// its own bytes can go straight back to it.
pub fn to_responses(signature: &str) -> String {
    match opened(signature, Maker::Responses) {
        Some(encrypted) => encrypted.to_owned(),
        None if is_own(signature) => signature.to_owned(),
        None => seal(Maker::Anthropic, signature),
    }
}

/// The signature that an `encrypted_content` stands for.
pub fn of_responses(encrypted: &str) -> String {
    match opened(encrypted, Maker::Anthropic) {
        Some(signature) => signature.to_owned(),
        None if is_own(encrypted) => encrypted.to_owned(),
        None => seal(Maker::Responses, encrypted),
    }
}

/// Whether a signature was made here.
pub fn is_own(signature: &str) -> bool {
    signature.starts_with(ISSUER)
}

/// The signature of thinking that another maker than Anthropic did.
pub fn signature(thinking: &str) -> String {
    signature_of(&Sha256::digest(thinking.as_bytes()))
}

/// The same, of the hash of what was thought.
pub fn signature_of(hash: &[u8]) -> String {
    format!("{ISSUER}{}", hex(hash, 12))
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    signature: Option<Str<'a>>,
}

/// Whether a body may hold thinking of other makers, or such as the router itself gave to its client: no more than a search,
/// because most bodies hold none.
pub fn may_be_in(body: &[u8]) -> bool {
    const WORD: &[u8] = b"router";
    memchr::memmem::find_iter(body, WORD).any(|at| {
        let (before, behind) = (&body[..at], &body[at + WORD.len()..]);
        (before.ends_with(b"\"") && behind.starts_with(b"-"))
            || (before.ends_with(b"\"claude-") && behind.starts_with(b"\""))
    })
}

/// The `input` of a Responses request without the reasoning of other makers. None when there is nothing to leave out.
pub fn items_left_out(input: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow, rename = "type", default)]
        kind: Option<Str<'a>>,
        #[serde(borrow, default)]
        encrypted_content: Option<Str<'a>>,
    }
    let all: Vec<&RawValue> = may_be_in(input.as_bytes()).then(|| serde_json::from_str(input).ok())??;
    let is_foreign = |item: &&RawValue| {
        let read = serde_json::from_str::<Item<'_>>(item.get());
        read.is_ok_and(|item| {
            item.kind.as_deref() == Some("reasoning") && item.encrypted_content.is_some_and(|held| is_own(&held))
        })
    };
    let own: Vec<&str> = all.iter().filter(|item| !is_foreign(item)).map(|item| item.get()).collect();
    (own.len() < all.len()).then(|| format!("[{}]", own.join(",")))
}

/// The `messages` of a chat completions request without the thinking that the router gave to its client, which other
/// servers do not know. None when there is nothing to leave out.
pub fn details_left_out(messages: &str) -> Option<String> {
    let given = |text: &str| memchr::memmem::find(text.as_bytes(), b"\"claude-router\"").is_some();
    let all: Vec<&RawValue> = given(messages).then(|| serde_json::from_str(messages).ok())??;
    let made: Vec<String> = all
        .into_iter()
        .map(|message| {
            let Some(mut patch) = Patch::new(message.get().as_bytes()).filter(|_| given(message.get())) else {
                return message.get().to_owned();
            };
            patch.remove("reasoning_details");
            patch.remove("reasoning_content");
            patch.apply()
        })
        .collect();
    Some(format!("[{}]", made.join(",")))
}

/// The `messages` of an Anthropic request without the thinking of other makers; a message that was nothing else is left
/// out. None when there is nothing to leave out.
pub fn left_out(messages: &str) -> Option<String> {
    let all: Vec<&RawValue> = serde_json::from_str(messages).ok()?;
    let mut kept: Vec<String> = Vec::with_capacity(all.len());
    let mut found = false;
    for message in all {
        match own_alone(message.get()) {
            None => kept.push(message.get().to_owned()),
            Some(without) => {
                found = true;
                kept.extend(without);
            }
        }
    }
    found.then(|| format!("[{}]", kept.join(",")))
}

/// A message without the thinking of other makers: none when it has none, nothing when it is nothing else.
#[expect(clippy::option_option, reason = "the outer says whether anything changes, the inner what is left")]
fn own_alone(message: &str) -> Option<Option<String>> {
    if !may_be_in(message.as_bytes()) {
        return None;
    }
    let content = serde_json::from_str::<Message<'_>>(message).ok()?.content.get();
    let blocks: Vec<&RawValue> = serde_json::from_str(content).ok()?;
    let is_foreign = |block: &RawValue| {
        let read = serde_json::from_str::<Block<'_>>(block.get());
        read.is_ok_and(|block| {
            &*block.kind == "thinking" && block.signature.is_some_and(|signature| is_own(&signature))
        })
    };
    let own: Vec<&str> = blocks.iter().filter(|block| !is_foreign(block)).map(|block| block.get()).collect();
    if own.len() == blocks.len() {
        return None;
    }
    if own.is_empty() {
        return Some(None);
    }
    let start = content.as_ptr() as usize - message.as_ptr() as usize;
    let (front, back) = (message.get(..start)?, message.get(start + content.len()..)?);
    Some(Some(format!("{front}[{}]{back}", own.join(","))))
}
