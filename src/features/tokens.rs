//! Input tokens: bounds first, because most questions are settled by them, an exact count only when one is not.
//!
//! The count is the sum over blocks, each by itself, and some tokens for each message. For OpenAI's models it is that of
//! their own vocabulary (o200k or cl100k); for those of other makers it is an estimate: such a count, times a factor of
//! the model's card that makes it err high. Images and documents in base64 count as a fixed number, never as text.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::features::vocabulary::Counts;
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

/// Counts texts, and remembers the counts of long ones: a conversation repeats itself every turn.
#[derive(Debug)]
pub struct Counter {
    /// Nobody knows it, so that nobody can make two texts that go by one number.
    seed: u64,
    memo: Mutex<HashMap<(Vocabulary, u128), u32>>,
}

impl Default for Counter {
    fn default() -> Self {
        Self { seed: RandomState::new().build_hasher().finish(), memo: Mutex::default() }
    }
}

impl Counter {
    /// The tokens of a text.
    pub fn count(&self, vocabulary: Vocabulary, text: &str) -> u64 {
        if text.len() < MEMO_BYTES_MIN {
            return Counts::of(vocabulary).count(text);
        }
        let key = (vocabulary, xxh3_128_with_seed(text.as_bytes(), self.seed));
        let known = self.memo.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(count) = known {
            return u64::from(count);
        }
        let counted = Counts::of(vocabulary).count(text);
        let mut memo = self.memo.lock().unwrap_or_else(PoisonError::into_inner);
        if memo.len() >= MEMO_MAX {
            memo.clear();
        }
        memo.insert(key, u32::try_from(counted).unwrap_or(u32::MAX));
        counted
    }
}

/// The tokens of a text as tiktoken counts them: what all counts are held to, and far slower.
pub fn reference(vocabulary: Vocabulary, text: &str) -> u64 {
    let vocabulary = match vocabulary {
        Vocabulary::O200k => tiktoken_rs::o200k_base_singleton(),
        Vocabulary::Cl100k => tiktoken_rs::cl100k_base_singleton(),
    };
    vocabulary.encode_ordinary(text).len() as u64
}

/// The tokens of a vocabulary in the order of their ranks, as tiktoken has them.
pub fn reference_tokens(vocabulary: Vocabulary) -> Vec<Vec<u8>> {
    let vocabulary = match vocabulary {
        Vocabulary::O200k => tiktoken_rs::o200k_base_singleton(),
        Vocabulary::Cl100k => tiktoken_rs::cl100k_base_singleton(),
    };
    (0..).map_while(|rank| vocabulary.decode_bytes(&[rank]).ok()).collect()
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

    /// The tokens of a part, as exactly as the thresholds ask for. Nothing is counted any more once `is_abandoned` says
    /// that nobody waits for it.
    pub(super) fn bounds(
        &self,
        feature: Feature,
        asked: &[i64],
        counter: &Counter,
        prompt: &str,
        is_abandoned: &dyn Fn() -> bool,
    ) -> Bounds {
        let settled =
            |bounds: Bounds| !asked.is_empty() && asked.iter().all(|t| (bounds.low >= *t) == (bounds.high >= *t));
        let by_length = self.scaled(self.total(feature, prompt, |text| (0, text.len() as u64)));
        if settled(by_length) {
            return by_length;
        }
        let vocabulary = self.tokenizer.vocabulary;
        // Words are cheaper than loading a vocabulary, and dearer than asking one that is there.
        if !asked.is_empty() && !Counts::is_loaded(vocabulary) {
            let by_words = self.scaled(self.total(feature, prompt, |text| (words(text), text.len() as u64)));
            if settled(by_words) {
                return by_words;
            }
        }
        if !matches!(feature, Feature::PromptTokens | Feature::HistoryTokens) {
            return self.counted_until(feature, counter, settled, is_abandoned);
        }
        self.scaled(self.total(feature, prompt, |text| {
            let counted = if is_abandoned() { 0 } else { counter.count(vocabulary, text) };
            (counted, counted)
        }))
    }

    /// Counts text by text, until what is known settles what was asked.
    fn counted_until(
        &self,
        feature: Feature,
        counter: &Counter,
        settled: impl Fn(Bounds) -> bool,
        is_abandoned: &dyn Fn() -> bool,
    ) -> Bounds {
        let parts: [&[&str]; 3] = match feature {
            Feature::SystemTokens => [&self.system, &[], &[]],
            Feature::ToolsTokens => [&self.tools, &[], &[]],
            _ => [&self.messages, &self.system, &self.tools],
        };
        let mut low = if matches!(feature, Feature::SystemTokens | Feature::ToolsTokens) { 0 } else { self.fixed };
        let mut rest: u64 = parts.iter().copied().flatten().map(|text| text.len() as u64).sum();
        for text in parts.iter().copied().flatten() {
            if is_abandoned() {
                break;
            }
            let counted = counter.count(self.tokenizer.vocabulary, text);
            (low, rest) = (low + counted, rest - text.len() as u64);
            let bounds = self.scaled((low, low + rest));
            if rest > 0 && settled(bounds) {
                return bounds;
            }
        }
        self.scaled((low, low))
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
