//! What it costs to learn the features of a request, and to count tokens of texts of every kind.
//! `cargo bench --bench features`; docs/benchmarks.md says how to read it.
#![allow(clippy::allow_attributes, reason = "which of these apply differs by build")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::pedantic, reason = "a benchmark stops when something is wrong")]

use claude_router::config;
use claude_router::features::tokens::{Counter, reference};
use claude_router::lang::catalogue::Vocabulary;
use claude_router::lang::input::{Feature, Features, NUMBER};
use claude_router::tools::request::with_features;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

#[path = "../tests/support/generate.rs"]
#[allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "the tests use the rest")]
mod generate;
mod inputs;
mod rule_sets;
use inputs::{SIZE, TEXTS, body, text};

fn main() {
    divan::main();
}

/// Counting the tokens of 1 MB, nothing of it known.
mod count {
    use super::*;

    #[divan::bench(args = TEXTS, sample_count = 10)]
    fn cold(bencher: Bencher<'_, '_>, kind: &str) {
        let text = text(kind, SIZE);
        Counter::default().count(Vocabulary::O200k, "the vocabulary is there");
        bencher
            .counter(BytesCount::of_str(&text))
            .bench_local(|| Counter::default().count(Vocabulary::O200k, black_box(&text)));
    }

    #[divan::bench(args = TEXTS)]
    fn known(bencher: Bencher<'_, '_>, kind: &str) {
        let text = text(kind, SIZE);
        let counter = Counter::default();
        counter.count(Vocabulary::O200k, &text);
        bencher.counter(BytesCount::of_str(&text)).bench_local(|| counter.count(Vocabulary::O200k, black_box(&text)));
    }

    /// What it is held to, on a hundredth of the text.
    #[divan::bench(args = ["prose", "code", "json", "chinese", "base64"], sample_count = 10)]
    fn tiktoken(bencher: Bencher<'_, '_>, kind: &str) {
        let text = text(kind, SIZE / 100);
        assert_eq!(Counter::default().count(Vocabulary::O200k, &text), reference(Vocabulary::O200k, &text));
        bencher.counter(BytesCount::of_str(&text)).bench_local(|| reference(Vocabulary::O200k, black_box(&text)));
    }
}

/// From the bytes of a body to one feature of it.
mod learn {
    use super::*;

    const BYTES: &[usize] = &[2_000, 100_000, 800_000];

    fn learn(bencher: Bencher<'_, '_>, bytes: usize, of: impl Fn(&dyn Features)) {
        let recorded = body(bytes);
        let catalogue = config::catalogue::alone();
        let counter = Counter::default();
        bencher.counter(BytesCount::new(recorded.body.len())).bench_local(|| {
            with_features(black_box(&recorded), &catalogue, &counter, None, |features, _| of(features)).unwrap();
        });
    }

    #[divan::bench(args = BYTES)]
    fn nothing(bencher: Bencher<'_, '_>, bytes: usize) {
        learn(bencher, bytes, |_| ());
    }

    #[divan::bench(args = BYTES)]
    fn prompt(bencher: Bencher<'_, '_>, bytes: usize) {
        learn(bencher, bytes, |features| {
            black_box(features.text(Feature::Prompt, None).is_some());
        });
    }

    #[divan::bench(args = BYTES)]
    fn conversation(bencher: Bencher<'_, '_>, bytes: usize) {
        learn(bencher, bytes, |features| {
            black_box(features.text(Feature::Conversation, None).is_some());
        });
    }

    #[divan::bench(args = BYTES)]
    fn files(bencher: Bencher<'_, '_>, bytes: usize) {
        learn(bencher, bytes, |features| {
            black_box(features.set(Feature::Files).len());
        });
    }

    #[divan::bench(args = BYTES)]
    fn tokens_at_most_two_million(bencher: Bencher<'_, '_>, bytes: usize) {
        learn(bencher, bytes, |features| {
            black_box(features.ordinal(Feature::Tokens, &[2_000_000 * NUMBER]).is_some());
        });
    }

    #[divan::bench(args = BYTES)]
    fn tokens_next_turn(bencher: Bencher<'_, '_>, bytes: usize) {
        learn(bencher, bytes, |features| {
            black_box(features.ordinal(Feature::Tokens, &[]).is_some());
        });
    }
}
