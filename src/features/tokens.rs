//! Input tokens: bounds first, because most questions are settled by them, an exact count only when one is not.
//!
//! The count is the sum over blocks, each by itself, and some tokens for each message. For OpenAI's models it is that of
//! their own vocabulary (o200k or cl100k); for those of other makers it is an estimate: such a count, times a factor of
//! the model's card that makes it err high. Images and documents in base64 count as a fixed number, never as text.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::lang::catalogue::{Tokenizer, Vocabulary};
use crate::lang::input::{Bounds, Feature, NUMBER};
use crate::wire::chat::{Block, Chat, Media};

/// Tokens that frame a message.
const MESSAGE_TOKENS: u64 = 4;
/// Tokens of an image: the most that Anthropic counts for one.
const IMAGE_TOKENS: u64 = 1_600;
/// Tokens of a document that is no text: about two pages.
const DOCUMENT_TOKENS: u64 = 3_000;
/// Counts that are remembered.
const MEMO_MAX: usize = 65_536;
/// Texts shorter than this are counted again rather than remembered, in bytes.
const MEMO_BYTES_MIN: usize = 256;
/// The longest text that is given to the vocabulary at once, in bytes; longer ones are cut where a token always ends.
const CHUNK_BYTES: usize = 16_384;
/// The longest run without such a place; longer ones are cut all the same, so that no text takes longer than others.
const RUN_BYTES_MAX: usize = 2_048;

/// Counts texts, and remembers the counts of long ones: a conversation repeats itself every turn.
#[derive(Debug, Default)]
pub struct Counter {
    memo: Mutex<HashMap<(Vocabulary, [u8; 16]), u32>>,
}

impl Counter {
    /// The tokens of a text.
    pub fn count(&self, vocabulary: Vocabulary, text: &str) -> u64 {
        if text.len() < MEMO_BYTES_MIN {
            return count(vocabulary, text);
        }
        let digest = Sha256::digest(text.as_bytes());
        let mut key = [0u8; 16];
        key.copy_from_slice(&digest[..16]);
        let key = (vocabulary, key);
        let known = self.memo.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(count) = known {
            return u64::from(count);
        }
        let counted = count(vocabulary, text);
        let mut memo = self.memo.lock().unwrap_or_else(PoisonError::into_inner);
        if memo.len() >= MEMO_MAX {
            memo.clear();
        }
        memo.insert(key, u32::try_from(counted).unwrap_or(u32::MAX));
        counted
    }
}

fn count(vocabulary: Vocabulary, text: &str) -> u64 {
    let vocabulary = match vocabulary {
        Vocabulary::O200k => tiktoken_rs::o200k_base_singleton(),
        Vocabulary::Cl100k => tiktoken_rs::cl100k_base_singleton(),
    };
    chunks(text).map(|chunk| vocabulary.encode_ordinary(chunk).len() as u64).sum()
}

/// A text in pieces that no token spans: cut where a line ends and a letter or a digit begins the next.
fn chunks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = chunk_end(rest);
        let (chunk, tail) = rest.split_at(end);
        rest = tail;
        Some(chunk)
    })
}

fn chunk_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut last_cut = 0;
    let mut run_start = 0;
    for at in 1..bytes.len() {
        let (before, now) = (bytes[at - 1], bytes[at]);
        let cut = before == b'\n' && now.is_ascii_alphanumeric();
        // A letter behind a blank is where a run of one kind ends: only longer runs are dangerous.
        let is_break = before.is_ascii_whitespace() != now.is_ascii_whitespace();
        if is_break {
            run_start = at;
        }
        if cut {
            last_cut = at;
        }
        if at >= CHUNK_BYTES && last_cut > 0 {
            return last_cut;
        }
        if at - run_start >= RUN_BYTES_MAX && text.is_char_boundary(at) {
            return at;
        }
    }
    bytes.len()
}

/// The texts of a request, by part.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    tokenizer: Tokenizer,
    system: Vec<&'a str>,
    tools: Vec<&'a str>,
    messages: Vec<&'a str>,
    /// Tokens of what is no text.
    fixed: u64,
}

impl<'a> Parts<'a> {
    pub(super) fn of(chat: &'a Chat<'a>, _prompt: Option<usize>, tokenizer: Tokenizer) -> Self {
        let mut parts = Self {
            tokenizer,
            system: chat.system.iter().map(|text| &**text).collect(),
            tools: chat.tools.iter().map(|tool| tool.raw.get()).collect(),
            messages: Vec::new(),
            fixed: MESSAGE_TOKENS * chat.messages.len() as u64,
        };
        for message in &chat.messages {
            message.blocks.iter().for_each(|block| parts.block(block));
        }
        parts
    }

    fn block(&mut self, block: &'a Block<'a>) {
        match block {
            Block::Text(text) | Block::Thinking { text, .. } => self.messages.push(text),
            Block::Image(_) => self.fixed += IMAGE_TOKENS,
            Block::Document { media: Media::Text(text), .. } => self.messages.push(text),
            Block::Document { .. } => self.fixed += DOCUMENT_TOKENS,
            Block::ToolUse { name, input, .. } => self.messages.extend([&**name, &**input]),
            Block::ToolResult { blocks, .. } => blocks.iter().for_each(|block| self.block(block)),
            Block::Other { kind, .. } if &**kind == "redacted_thinking" => {}
            Block::Other { raw, .. } => self.messages.push(raw),
        }
    }

    /// The tokens of a part, as exactly as the thresholds ask for.
    pub(super) fn bounds(&self, feature: Feature, asked: &[i64], counter: &Counter, prompt: &str) -> Bounds {
        let settled =
            |bounds: Bounds| !asked.is_empty() && asked.iter().all(|t| (bounds.low >= *t) == (bounds.high >= *t));
        let by_length = self.scaled(self.total(feature, prompt, |text| (0, text.len() as u64)));
        if settled(by_length) {
            return by_length;
        }
        if !asked.is_empty() {
            let by_words = self.scaled(self.total(feature, prompt, |text| (words(text), text.len() as u64)));
            if settled(by_words) {
                return by_words;
            }
        }
        let vocabulary = self.tokenizer.vocabulary;
        self.scaled(self.total(feature, prompt, |text| {
            let counted = counter.count(vocabulary, text);
            (counted, counted)
        }))
    }

    /// Least and most of a part, each text measured by itself. The history is all but the other three.
    fn total(&self, feature: Feature, prompt: &str, measure: impl Fn(&str) -> (u64, u64)) -> (u64, u64) {
        let sum = |texts: &[&str]| {
            texts.iter().map(|text| measure(text)).fold((0, 0), |total, one| (total.0 + one.0, total.1 + one.1))
        };
        let plus = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
        match feature {
            Feature::PromptTokens => measure(prompt),
            Feature::SystemTokens => sum(&self.system),
            Feature::ToolsTokens => sum(&self.tools),
            Feature::HistoryTokens => {
                let (all, prompt) = (plus(sum(&self.messages), (self.fixed, self.fixed)), measure(prompt));
                (all.0.saturating_sub(prompt.1), all.1.saturating_sub(prompt.0))
            }
            _ => {
                let texts = plus(plus(sum(&self.system), sum(&self.tools)), sum(&self.messages));
                plus(texts, (self.fixed, self.fixed))
            }
        }
    }

    fn scaled(&self, (low, high): (u64, u64)) -> Bounds {
        let factor = u64::from(self.tokenizer.factor_percent);
        let scale = |tokens: u64| {
            let tokens = (tokens.saturating_mul(factor)).div_ceil(100);
            i64::try_from(tokens).unwrap_or(i64::MAX / NUMBER).saturating_mul(NUMBER)
        };
        Bounds { low: scale(low), high: scale(high) }
    }
}

/// Tokens that a text has at least: no token spans two runs of letters, a contraction aside, or more than three digits.
/// Bytes that are no ASCII count as letters, which only makes it less.
fn words(text: &str) -> u64 {
    let (mut found, mut digits, mut before) = (0u64, 0u64, b' ');
    for byte in text.bytes() {
        let letter = byte.is_ascii_alphabetic() || byte >= 0x80;
        let after_letter = before.is_ascii_alphabetic() || before >= 0x80;
        found += u64::from(letter && byte < 0x80 && !after_letter && before != b'\'');
        if byte.is_ascii_digit() {
            found += u64::from(digits.is_multiple_of(3) && before < 0x80);
            digits += 1;
        } else {
            digits = 0;
        }
        before = byte;
    }
    found
}
