//! The language alone, in a program of one's own: rules in, a decision out. No server, no network, no files.
//!
//! `cargo run --example embed --no-default-features`

use std::sync::Arc;

use claude_router::config::catalogue;
use claude_router::features::tokens::Counter;
use claude_router::lang::input::{Facts, Input};
use claude_router::lang::{compile, eval, ir::load::NoFiles, source::Source};
use claude_router::tools::request::{self, Recorded};
use claude_router::wire::Client;

const RULES: &str = r#"
rule code { when prompt contains any [word "implement*", word "fix*"] and files contains ".rs" route "gpt-5" }
default { route "gpt-5-mini" }
"#;

fn main() -> Result<(), String> {
    let catalogue = Arc::new(catalogue::alone());
    let (plan, _, problems) = compile(vec![Source::new("my.route", RULES)], &NoFiles, &catalogue);
    let plan = plan.ok_or_else(|| format!("{problems:?}"))?;
    let body = br#"{"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": "fix src/main.rs"}]}"#;
    let request = Recorded { client: Client::Messages, body: body.to_vec(), headers: Vec::new() };
    let facts = Facts::default();
    let decision = request::with_features(&request, &catalogue, &Counter::default(), None, |features, _| {
        eval::decide(&plan, &Input { request: features, facts: &facts })
    });
    let decision = decision.map_err(|error| error.0)?;
    let model = &catalogue.card(decision.attempts[0].model).name;
    std::io::Write::write_all(&mut std::io::stdout(), format!("it goes to {model}\n").as_bytes())
        .map_err(|error| error.to_string())
}
