//! What one decision costs: rules × text, cold and warm. `cargo bench`; docs/benchmarks.md says how to read it.
#![allow(clippy::allow_attributes, reason = "which of these apply differs by build")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::pedantic, reason = "a benchmark stops when something is wrong")]

use std::sync::Arc;

use claude_router::config;
use claude_router::features::tokens::Counter;
use claude_router::lang::eval::{self, naive};
use claude_router::lang::input::{Facts, Input};
use claude_router::lang::plan::Plan;
use claude_router::lang::{compile, ir::load::NoFiles, source::Source};
use claude_router::tools::request::with_features;
use divan::{Bencher, black_box};

#[path = "../tests/support/generate.rs"]
#[allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "the tests use the rest")]
mod generate;
mod inputs;
mod rule_sets;
use inputs::{body, known};
use rule_sets::rules;

const RULES: &[usize] = &[10, 100, 1_000, 10_000];

fn main() {
    divan::main();
}

fn plan(text: String) -> Plan {
    let catalogue = Arc::new(config::catalogue::alone());
    let (plan, _, problems) = compile(vec![Source::new("bench.route", text)], &NoFiles, &catalogue);
    plan.unwrap_or_else(|| panic!("{:?}", problems.first()))
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

    /// Windows are of a million tokens.
    fn bounded() -> String {
        rules(1_000, false).replace("tokens > ", "tokens > 900").replace("gpt-5", "gpt-4.1")
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

    /// Whether it fits the window of the target is not settled by bounds: 800 KB are counted until it is.
    #[divan::bench(args = BYTES)]
    fn window_between_the_bounds(bencher: Bencher<'_, '_>, bytes: usize) {
        decide_body(bencher, bounded().replace("gpt-4.1", "gpt-5"), bytes, false);
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
