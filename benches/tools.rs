//! What the tools cost that people wait for: checking, proving, laying out, and a key stroke in an editor.
//! `cargo bench --bench tools`; docs/benchmarks.md says how to read it.
#![allow(clippy::allow_attributes, reason = "which of these apply differs by build")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::pedantic, reason = "a benchmark stops when something is wrong")]

use std::sync::Arc;

use claude_router::config::{self, Environment};
use claude_router::lang::ir::load::NoFiles;
use claude_router::lang::source::{Source, SourceId};
use claude_router::lang::{Checked, check, plan, syntax};
use claude_router::tools::{diff, fmt, lint};
use divan::{Bencher, black_box};
use lsp_server::{Connection, Message, Notification, Request};
use serde_json::{Value, json};

#[path = "../tests/support/generate.rs"]
#[allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "the tests use the rest")]
mod generate;
mod rule_sets;
use rule_sets::rules;

const RULES: &[usize] = &[1_000, 10_000];

fn main() {
    divan::main();
}

fn checked(text: &str) -> Checked {
    let mut catalogue = config::catalogue::alone();
    // As with a configuration, so that no lint keeps still.
    catalogue.configured = true;
    let checked = check(vec![Source::new("bench.route", text)], &NoFiles, &Arc::new(catalogue));
    assert!(!checked.problems.iter().any(|problem| problem.is_error()), "{:?}", checked.problems);
    checked
}

/// From text to the plan that decides.
mod compile {
    use super::*;

    #[divan::bench(args = RULES, sample_count = 10)]
    fn parse(bencher: Bencher<'_, '_>, n: usize) {
        let source = Source::new("bench.route", rules(n, false));
        bencher.bench_local(|| syntax::parse(black_box(&source), SourceId::default()));
    }

    #[divan::bench(args = RULES, sample_count = 10)]
    fn parse_and_compile(bencher: Bencher<'_, '_>, n: usize) {
        let text = rules(n, false);
        bencher.bench_local(|| plan::build(checked(black_box(&text)).program));
    }
}

/// Every lint with all its proofs; reading the rules is a part of it.
mod prove {
    use super::*;

    fn run(bencher: Bencher<'_, '_>, text: String) {
        bencher.bench_local(|| {
            let found = lint::run(&checked(black_box(&text)), &|_| Err(String::new()));
            assert!(found.given_up.is_empty());
            found
        });
    }

    /// Each rule has keywords of its own: nothing is found.
    #[divan::bench(args = RULES, sample_count = 3)]
    fn own_keywords(bencher: Bencher<'_, '_>, n: usize) {
        run(bencher, rules(n, false));
    }

    /// A hundred keywords for all: of many rules, most are never reached.
    #[divan::bench(args = RULES, sample_count = 3)]
    fn shared_keywords(bencher: Bencher<'_, '_>, n: usize) {
        run(bencher, rules(n, true));
    }

    /// Every field and operator at random, nested: nobody writes so, and nine of ten thousand are never reached.
    #[divan::bench(args = RULES, sample_count = 1)]
    fn random(bencher: Bencher<'_, '_>, n: usize) {
        run(bencher, generate::large_policy(&mut generate::Random(1), n));
    }
}

/// Two versions of a rule set, of which one rule differs.
#[divan::bench(args = RULES, sample_count = 3)]
fn compare(bencher: Bencher<'_, '_>, n: usize) {
    let old = rules(n, false);
    let new = old.replacen("tokens > 500 ", "tokens > 505 ", 1);
    assert_ne!(old, new);
    let [old, new] = [old, new].map(|text| plan::build(checked(&text).program));
    let counter = claude_router::features::tokens::Counter::default();
    bencher.bench_local(|| {
        let found = diff::compare(black_box(&old), black_box(&new), &counter);
        assert!(!found.is_empty());
        found
    });
}

/// One megabyte laid out, and held to its words.
#[divan::bench(sample_count = 5)]
fn fmt_1mb(bencher: Bencher<'_, '_>) {
    let mut text = rules(9_500, false);
    while text.len() < 1_000_000 {
        text.push_str("# what fills up\n");
    }
    let source = Source::new("bench.route", text);
    bencher.bench_local(|| fmt::format(black_box(&source)).unwrap());
}

/// An editor at a file of a thousand rules.
mod editor {
    use super::*;

    const URI: &str = "file:///nowhere/bench.route";

    struct Editor {
        connection: Connection,
        id: i32,
    }

    impl Editor {
        fn start() -> Self {
            let (server, connection) = Connection::memory();
            std::thread::spawn(move || claude_router::lsp::serve(&server, None, &Environment::default()).unwrap());
            let mut editor = Self { connection, id: 0 };
            editor.ask("initialize", json!({"processId": null, "rootUri": null, "capabilities": {}}));
            editor.tell("initialized", json!({}));
            let document = json!({"uri": URI, "languageId": "route", "version": 0, "text": rules(1_000, false)});
            editor.tell("textDocument/didOpen", json!({"textDocument": document}));
            editor
        }

        fn tell(&self, method: &str, params: Value) {
            self.connection.sender.send(Message::Notification(Notification::new(method.to_owned(), params))).unwrap();
        }

        fn ask(&mut self, method: &str, params: Value) -> Value {
            self.id += 1;
            let request = Request::new(self.id.into(), method.to_owned(), params);
            self.connection.sender.send(Message::Request(request)).unwrap();
            loop {
                if let Message::Response(response) = self.connection.receiver.recv().unwrap() {
                    assert_eq!(response.id, self.id.into());
                    return response.response_result.unwrap();
                }
            }
        }

        /// Types over some columns of the 500th rule.
        fn type_over(&self, from: u32, to: u32, text: &str) {
            let range = json!({"start": {"line": 500, "character": from}, "end": {"line": 500, "character": to}});
            let document = json!({"uri": URI, "version": 1});
            let change = json!({"textDocument": document, "contentChanges": [{"range": range, "text": text}]});
            self.tell("textDocument/didChange", change);
        }

        /// Waits for what is wrong, told.
        fn problems(&self) -> usize {
            loop {
                if let Message::Notification(told) = self.connection.receiver.recv().unwrap()
                    && told.method == "textDocument/publishDiagnostics"
                {
                    return told.params["diagnostics"].as_array().unwrap().len();
                }
            }
        }
    }

    /// A letter is typed, and completion asked for behind it.
    #[divan::bench(sample_count = 20)]
    fn key_stroke_and_completion(bencher: Bencher<'_, '_>) {
        let mut editor = Editor::start();
        // `rule r500 { when p...`
        bencher.bench_local(|| {
            editor.type_over(17, 18, "p");
            let place = json!({"line": 500, "character": 18});
            editor.ask("textDocument/completion", json!({"textDocument": {"uri": URI}, "position": place}))
        });
    }

    /// A letter too much is typed and taken back: what is wrong is told, twice.
    #[divan::bench(sample_count = 20)]
    fn two_key_strokes_and_their_problems(bencher: Bencher<'_, '_>) {
        let editor = Editor::start();
        while editor.problems() > 0 {}
        bencher.bench_local(|| {
            editor.type_over(17, 17, "x");
            assert!(editor.problems() > 0);
            editor.type_over(17, 18, "");
            assert_eq!(editor.problems(), 0);
        });
    }
}
