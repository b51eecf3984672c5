//! What one decision costs: rules × text, cold and warm. `cargo bench`; docs/benchmarks.md says how to read it.
#![allow(clippy::allow_attributes, reason = "which of these apply differs by build")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::pedantic, reason = "a benchmark stops when something is wrong")]

use std::sync::Arc;

use claude_router::config;
use claude_router::features::tokens::Counter;
use claude_router::lang::eval::{self, naive};
use claude_router::lang::input::{Facts, Feature, Input, NUMBER};
use claude_router::lang::plan::Plan;
use claude_router::lang::{compile, ir::load::NoFiles, source::Source};
use claude_router::tools::request::{Recorded, with_features};
use claude_router::wire::Client;
use divan::{Bencher, black_box};

#[path = "../tests/support/generate.rs"]
#[allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "the tests use the rest")]
mod generate;
mod rule_sets;
use generate::{Fixed, Random};
use rule_sets::{rules, word};

const RULES: &[usize] = &[10, 100, 1_000, 10_000];

fn main() {
    divan::main();
}

fn plan(text: String) -> Plan {
    let catalogue = Arc::new(config::catalogue::alone());
    let (plan, _, problems) = compile(vec![Source::new("bench.route", text)], &NoFiles, &catalogue);
    plan.unwrap_or_else(|| panic!("{:?}", problems.first()))
}

/// A request whose features are known already. `hit` is the rule whose first keyword stands in the prompt.
fn known(prompt_bytes: usize, hit: Option<usize>) -> Fixed {
    let mut random = Random(7);
    let mut prompt = String::new();
    while prompt.len() < prompt_bytes {
        prompt.push_str(&format!("{} ", word(1_000_000 + random.below(5_000)).replace('a', "w")));
    }
    if let Some(rule) = hit {
        prompt.push_str(&word(rule * 3));
    }
    let mut fixed = Fixed::default();
    fixed.texts.insert((Feature::Prompt, None), prompt);
    fixed.texts.insert((Feature::Model, None), "gpt-5".to_owned());
    let files = hit.map_or_else(|| vec!["a.zz".to_owned()], |rule| vec![format!("a.e{}", rule % 13)]);
    fixed.sets.insert(Feature::Files, files);
    fixed.ordinals.insert(Feature::Tokens, 20_000 * NUMBER);
    fixed
}

fn decide_known(bencher: Bencher<'_, '_>, n: usize, shared: bool, prompt_bytes: usize, hit: Option<usize>) {
    let plan = plan(rules(n, shared));
    let request = known(prompt_bytes, hit);
    let facts = Facts::default();
    let input = Input { request: &request, facts: &facts };
    assert_eq!(eval::winner(&plan, &input), naive::winner(&plan.program, &input));
    bencher.bench_local(|| eval::decide(black_box(&plan), black_box(&input)));
}

/// `decide` alone: features known, hardly any text.
mod alone {
    use super::*;

    #[divan::bench(args = RULES)]
    fn first_match(bencher: Bencher<'_, '_>, n: usize) {
        decide_known(bencher, n, false, 16, Some(0));
    }

    #[divan::bench(args = RULES)]
    fn last_match(bencher: Bencher<'_, '_>, n: usize) {
        decide_known(bencher, n, false, 16, Some(n - 1));
    }

    #[divan::bench(args = RULES)]
    fn no_match(bencher: Bencher<'_, '_>, n: usize) {
        decide_known(bencher, n, false, 16, None);
    }

    #[divan::bench(args = RULES)]
    fn no_match_shared_keywords(bencher: Bencher<'_, '_>, n: usize) {
        decide_known(bencher, n, true, 16, None);
    }
}

/// With the scan of a prompt of 2 KB.
mod prompt_2kb {
    use super::*;

    #[divan::bench(args = RULES)]
    fn last_match(bencher: Bencher<'_, '_>, n: usize) {
        decide_known(bencher, n, false, 2_000, Some(n - 1));
    }

    #[divan::bench(args = RULES)]
    fn no_match(bencher: Bencher<'_, '_>, n: usize) {
        decide_known(bencher, n, false, 2_000, None);
    }

    #[divan::bench(args = RULES)]
    fn naive_no_match(bencher: Bencher<'_, '_>, n: usize) {
        let plan = plan(rules(n, false));
        let request = known(2_000, None);
        let facts = Facts::default();
        let input = Input { request: &request, facts: &facts };
        bencher.bench_local(|| naive::winner(black_box(&plan.program), black_box(&input)));
    }
}

/// The body of a conversation of about so many bytes.
fn body(bytes: usize) -> Recorded {
    let mut random = Random(3);
    let mut messages = Vec::new();
    let mut size = 0;
    while size < bytes {
        let text: String = (0..150).map(|_| format!("{} ", word(random.below(4_000)))).collect();
        size += text.len() + 40;
        let role = if messages.len() % 2 == 0 { "user" } else { "assistant" };
        messages.push(serde_json::json!({"role": role, "content": [{"type": "text", "text": text}]}));
    }
    messages.push(serde_json::json!({"role": "user", "content": "please look at src/parse.rs"}));
    let body = serde_json::json!({"model": "gpt-5", "max_tokens": 1_000, "messages": messages}).to_string();
    Recorded { client: Client::Messages, body: body.into_bytes(), headers: Vec::new() }
}

fn decide_body(bencher: Bencher<'_, '_>, rules: String, bytes: usize, warm: bool) {
    let plan = plan(rules);
    let recorded = body(bytes);
    let facts = Facts::default();
    let catalogue = &plan.program.catalogue;
    let decide = |counter: &Counter| {
        let decided = with_features(&recorded, catalogue, counter, None, |request, _| {
            eval::decide(&plan, &Input { request, facts: &facts })
        });
        decided.unwrap_or_else(|error| panic!("{}", error.0))
    };
    let kept = Counter::default();
    decide(&kept);
    if warm {
        bencher.bench(|| decide(black_box(&kept)))
    } else {
        bencher.bench(|| decide(black_box(&Counter::default())))
    }
}

/// From the bytes of a body to the decision, with 1,000 rules.
mod bodies {
    use super::*;

    const BYTES: &[usize] = &[2_000, 100_000, 800_000];

    fn bounded() -> String {
        rules(1_000, false).replace("tokens > ", "tokens > 900")
    }

    fn everything() -> String {
        rules(1_000, false).replace("prompt contains", "conversation contains").replace(
            "default {",
            "rule count { when tokens in [123, 4_567, 23_456, 234_567] route \"gpt-5\" }\ndefault {",
        )
    }

    #[divan::bench(args = BYTES)]
    fn tokens_settled_by_bounds(bencher: Bencher<'_, '_>, bytes: usize) {
        decide_body(bencher, bounded(), bytes, false);
    }

    #[divan::bench(args = BYTES, sample_count = 10)]
    fn everything_cold(bencher: Bencher<'_, '_>, bytes: usize) {
        decide_body(bencher, everything(), bytes, false);
    }

    #[divan::bench(args = BYTES)]
    fn everything_next_turn(bencher: Bencher<'_, '_>, bytes: usize) {
        decide_body(bencher, everything(), bytes, true);
    }
}

/// Reading and compiling a rule set.
#[divan::bench(args = RULES, sample_count = 5)]
fn compile_rules(bencher: Bencher<'_, '_>, n: usize) {
    let text = rules(n, false);
    bencher.bench(|| plan(black_box(text.clone())));
}
