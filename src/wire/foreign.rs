//! What other makers' answers leave in a conversation: their thinking bears a signature of the router's own making, which
//! clients send back and Anthropic refuses ("Invalid `signature` in `thinking` block"). It is left out on the way there,
//! and every other byte stays as it was.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::wire::ids::hex;
use crate::wire::text::Str;

/// What the router's signatures begin with: no provider's do.
const ISSUER: &str = "router-";

/// The signature of thinking that another maker than Anthropic did.
pub fn signature(thinking: &str) -> String {
    format!("{ISSUER}{}", hex(&Sha256::digest(thinking.as_bytes()), 12))
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

/// Whether a body may hold thinking of other makers: no more than a search, because most bodies hold none.
pub fn may_be_in(body: &[u8]) -> bool {
    memchr::memmem::find(body, b"\"router-").is_some()
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
            &*block.kind == "thinking" && block.signature.is_some_and(|signature| signature.starts_with(ISSUER))
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
