//! The same work as `decide`, `features` and `wire`, counted in instructions, which a noisy machine does not change.
//! `benches/instructions.sh` runs each case under callgrind and compares with benches/instructions.txt.
#![allow(clippy::allow_attributes, reason = "which of these apply differs by build")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::pedantic, reason = "a benchmark stops when something is wrong")]
#![allow(clippy::print_stdout, reason = "the names of the cases are what it is asked for")]

use std::hint::black_box;
use std::sync::Arc;

use claude_router::config;
use claude_router::features::tokens::Counter;
use claude_router::lang::catalogue::Vocabulary;
use claude_router::lang::eval;
use claude_router::lang::input::{Facts, Input};
use claude_router::lang::plan::Plan;
use claude_router::lang::{compile, ir::load::NoFiles, source::Source};
use claude_router::tools::request::with_features;
use claude_router::wire::ids::Names;
use claude_router::wire::patch::{self, Changes};
use claude_router::wire::reply::{Head, Writer};
use claude_router::wire::wanted::{Target, Wanted};
use claude_router::wire::{Api, Client, request};

#[path = "../tests/support/generate.rs"]
#[allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "the tests use the rest")]
mod generate;
mod inputs;
mod rule_sets;
use inputs::{SIZE, TEXTS, body, conversation, known, stream, text};
use rule_sets::rules;

/// Work that is made ready, and can be done again and again.
type Work = Box<dyn FnMut()>;
/// A case: its name, and what makes it ready.
type Case = (String, Box<dyn FnOnce() -> Work>);

/// How often the work is done while instructions are counted.
const TIMES: usize = 4;

fn main() {
    let mut cases = cases();
    match std::env::args().nth(1).as_deref() {
        // `cargo bench` and `cargo test --benches` pass flags.
        None => cases.iter().for_each(|(name, _)| println!("{name}")),
        Some(flag) if flag.starts_with('-') => {}
        Some(wanted) => {
            let at = cases.iter().position(|(name, _)| name == wanted).expect("a case is called so");
            let mut work = (cases.swap_remove(at).1)();
            work();
            (0..TIMES).for_each(|_| measured(&mut *work));
        }
    }
}

/// What callgrind looks at.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

fn plan(text: String) -> Plan {
    let catalogue = Arc::new(config::catalogue::alone());
    let (plan, _, problems) = compile(vec![Source::new("bench.route", text)], &NoFiles, &catalogue);
    plan.unwrap_or_else(|| panic!("{:?}", problems.first()))
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut case = |name: String, ready: Box<dyn FnOnce() -> Work>| cases.push((name, ready));
    for n in [10, 100, 1_000, 10_000] {
        for (name, bytes, hit) in
            [("alone", 16, Some(n - 1)), ("2 KB", 2_000, Some(n - 1)), ("2 KB, nowhere", 2_000, None)]
        {
            case(format!("decide: {n} rules, {name}"), Box::new(move || decide(n, bytes, hit)));
        }
    }
    case(
        "compile: 1000 rules".to_owned(),
        Box::new(|| {
            let text = rules(1_000, false);
            Box::new(move || drop(black_box(plan(text.clone()))))
        }),
    );
    for (bytes, size) in [(2_000, "2 KB"), (100_000, "100 KB"), (800_000, "800 KB")] {
        let bounded = || rules(1_000, false).replace("tokens > ", "tokens > 900").replace("gpt-5", "gpt-4.1");
        let all = || {
            let count = "rule count { when tokens in [123, 4_567, 23_456, 234_567] route \"gpt-5\" }\ndefault {";
            rules(1_000, false).replace("prompt contains", "conversation contains").replace("default {", count)
        };
        case(format!("body: {size}, tokens settled by bounds"), Box::new(move || decide_body(bounded(), bytes, false)));
        case(format!("body: {size}, everything, cold"), Box::new(move || decide_body(all(), bytes, false)));
        case(format!("body: {size}, everything, next turn"), Box::new(move || decide_body(all(), bytes, true)));
    }
    for kind in TEXTS {
        case(
            format!("count: 100 KB of {kind}"),
            Box::new(move || {
                let text = text(kind, 100_000);
                Box::new(move || {
                    black_box(Counter::default().count(Vocabulary::O200k, black_box(&text)));
                })
            }),
        );
    }
    for api in [Api::Messages, Api::Completions, Api::Responses, Api::Gemini, Api::Ollama] {
        case(
            format!("request: 1 MB to {}", format!("{api:?}").to_lowercase()),
            Box::new(move || {
                let body = conversation(SIZE);
                Box::new(move || {
                    let chat = request::decode(Client::Messages, body.as_bytes()).unwrap();
                    let target = Target::of(api);
                    let wanted = Wanted::of(&chat, &Changes::default(), &target);
                    black_box((api.row().encode)(&chat, &wanted, &target).body);
                })
            }),
        );
        case(
            format!("stream: 1 MB of {} to messages", format!("{api:?}").to_lowercase()),
            Box::new(move || {
                let bytes = stream(api);
                Box::new(move || {
                    let mut decoder = api.decoder(Names::default());
                    let mut writer = Writer::new(Client::Messages, Head::default());
                    for piece in bytes.chunks(400) {
                        let (mut events, mut out) = (Vec::new(), String::new());
                        decoder.push(piece, &mut events);
                        writer.write(&events, &mut out);
                        black_box(out);
                    }
                })
            }),
        );
    }
    case(
        "request: 1 MB forwarded with another model".to_owned(),
        Box::new(|| {
            let body = conversation(SIZE);
            let changes = Changes { model: Some("claude-haiku-4-5".to_owned()), ..Changes::default() };
            Box::new(move || {
                let target = Target::of(Api::Messages);
                black_box(patch::body(Client::Messages, black_box(body.as_bytes()), &changes, &target).unwrap());
            })
        }),
    );
    cases
}

fn decide(n: usize, bytes: usize, hit: Option<usize>) -> Work {
    let plan = plan(rules(n, false));
    let request = known(bytes, hit);
    let facts = Facts::default();
    Box::new(move || {
        let input = Input { request: &request, facts: &facts };
        black_box(eval::decide(black_box(&plan), black_box(&input)));
    })
}

fn decide_body(rules: String, bytes: usize, warm: bool) -> Work {
    let plan = plan(rules);
    let recorded = body(bytes);
    let facts = Facts::default();
    let kept = Counter::default();
    Box::new(move || {
        let fresh = Counter::default();
        let counter = if warm { &kept } else { &fresh };
        let decided = with_features(&recorded, &plan.program.catalogue, counter, None, |request, _| {
            eval::decide(&plan, &Input { request, facts: &facts })
        });
        drop(black_box(decided));
    })
}
