//! `router explain`.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::cli::{Ended, Failed, Out, Shared};
use crate::config::{Configuration, Environment};
use crate::features::tokens::Counter;
use crate::lang::eval;
use crate::lang::input::{Facts, Input};
use crate::lang::ir::Given;
use crate::lang::plan::Plan;
use crate::lang::schema::types::Type;
use crate::lang::schema::{fields, text};
use crate::lang::source::Source;
use crate::lang::syntax;
use crate::state::clock::Clock;
use crate::tools::explain::Explanation;
use crate::tools::given::{With, give_facts};
use crate::tools::request::{self, BYTES_MAX, Recorded};
use crate::wire::Client;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Request files: bodies, or recorded requests; `-` is standard input.
    #[arg(required_unless_present = "tree")]
    requests: Vec<PathBuf>,
    /// One JSON object a request.
    #[arg(long)]
    json: bool,
    /// Evaluate also the rules behind the one that decided.
    #[arg(long)]
    all: bool,
    /// What a field would be: `tokens=200k`, `daily.used=95%`, `files=a.py,b.rs`, `temperature=none`.
    #[arg(long, value_name = "FIELD=VALUE")]
    what_if: Vec<String>,
    /// A request header: `x-team: core`.
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// Which API a body is for, where its form does not tell.
    #[arg(long, value_parser = ["messages", "chat", "responses"])]
    api: Option<String>,
    /// Print the compiled plan: what is learnt in which order, what each answer rules out, and the rules as trees.
    #[arg(long, conflicts_with = "json")]
    tree: bool,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let configuration = shared.configuration(environment, out)?;
    let what_if = what_if_source(&arguments.what_if)?;
    let plan = shared.plan(&configuration, what_if, out)?;
    if arguments.tree {
        out.print(&crate::tools::tree::show(&plan));
    }
    let given: Vec<Given> = plan
        .program
        .tests
        .iter()
        .filter(|test| plan.program.sources.get(test.span.source).name == WHAT_IF)
        .flat_map(|test| test.given.clone())
        .collect();
    let clock = Clock::of_system(configuration.timezone.as_deref());
    let counter = Counter::default();
    let mut failed = false;
    for path in &arguments.requests {
        let explained = one(path, arguments, &configuration, &plan, &given, &clock, &counter, out);
        if let Err(why) = explained {
            failed = true;
            let name = path.display().to_string();
            if arguments.json {
                out.print(&format!("{}\n", json!({"request": name, "error": why})));
            } else {
                out.complain(&format!("{name}: {why}\n"));
            }
        }
    }
    Ok(ExitCode::from(u8::from(failed)))
}

#[expect(clippy::too_many_arguments, reason = "each is one thing that the explanation is made of")]
fn one(
    path: &Path,
    arguments: &Arguments,
    configuration: &Configuration,
    plan: &Plan,
    given: &[Given],
    clock: &Clock,
    counter: &Counter,
    out: &Out,
) -> Result<(), String> {
    let client = arguments.api.as_deref().map(|api| match api {
        "chat" => Client::Completions,
        "responses" => Client::Responses,
        _ => Client::Messages,
    });
    let mut recorded: Recorded = request::read(&bytes_of(path)?, client).map_err(|error| error.0)?;
    for header in &arguments.header {
        let (name, value) = header.split_once(':').ok_or_else(|| format!("`{header}` is not `name: value`"))?;
        recorded.headers.insert(0, (name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut facts = facts_now(plan, clock);
    give_facts(&mut facts, given, &plan.program);
    let name = path.display().to_string();
    let text = request::with_features(&recorded, &configuration.catalogue, counter, None, |features, _| {
        let with = With::new(features, given);
        let input = Input { request: &with, facts: &facts };
        let started = clock.instant();
        let decision = eval::decide(plan, &input);
        let microseconds = clock.instant().saturating_sub(started).as_secs_f64() * 1e6;
        let (_, trace) = eval::explain(plan, &input, arguments.all);
        let cost = decision.attempts.first().and_then(|attempt| eval::cost(plan, &input, attempt.model));
        let explanation = Explanation {
            request: &name,
            plan,
            decision: &decision,
            trace: &trace,
            cost,
            microseconds: Some(microseconds),
        };
        if arguments.json { format!("{}\n", explanation.json()) } else { explanation.human(out.colour) }
    });
    out.print(&text.map_err(|error| error.0)?);
    Ok(())
}

/// The moment, for a router that has seen nothing yet.
fn facts_now(plan: &Plan, clock: &Clock) -> Facts {
    let now = clock.now();
    Facts {
        minute: now.minute,
        weekday: now.weekday,
        day: now.day,
        bucket: None,
        ..Facts::of_tests(plan.program.budgets.len(), plan.program.pools.len())
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let limit = BYTES_MAX + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(format!("the request is larger than {BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

const WHAT_IF: &str = "--what-if";

/// `--what-if` as a test of the language, so that names and values are those of the rules.
fn what_if_source(given: &[String]) -> Result<Option<Source>, Failed> {
    if given.is_empty() {
        return Ok(None);
    }
    let mut lines = String::new();
    for one in given {
        let (field, value) =
            one.split_once('=').ok_or_else(|| Failed(format!("--what-if `{one}`: write FIELD=VALUE")))?;
        let (field, value) = (field.trim(), value.trim());
        let read =
            syntax::parse_field(field).ok_or_else(|| Failed(format!("--what-if `{one}`: `{field}` is not a field")))?;
        if value == "none" {
            let _ = writeln!(lines, "  given no {field}");
            continue;
        }
        let ty = fields::find(&read.name.text).map(|id| id.row().ty);
        let literal = match ty {
            Some(Type::Text) if !value.starts_with('"') => text::quote(value),
            Some(Type::Paths | Type::Texts) if !value.starts_with(['"', '[']) => {
                let members: Vec<String> = value.split(',').map(|member| text::quote(member.trim())).collect();
                format!("[{}]", members.join(", "))
            }
            _ => value.to_owned(),
        };
        if syntax::parse_value(&literal).is_none() {
            return Err(Failed(format!("--what-if `{one}`: `{value}` is not a value")));
        }
        let _ = writeln!(lines, "  given {field} {literal}");
    }
    Ok(Some(Source::new(WHAT_IF, format!("test \"what if\" {{\n{lines}  expect stream or not stream\n}}\n"))))
}
