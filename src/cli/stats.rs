//! `router stats`: usage, cost and rule hits as tables.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::Value;

use crate::cli::running;
use crate::cli::{Ended, Failed, Out, Shared};
use crate::config::Environment;
use crate::config::service::StoreKind;
use crate::state::clock::Clock;
use crate::state::outside;
use crate::state::store::journal;
use crate::state::usage::{BY, By, Sums, Totals};
use crate::traffic::report::usd;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The router on this port, where several run.
    #[arg(long)]
    port: Option<u16>,
    /// What rows are made of: model, provider, rule, key, user, session, tag, day, outcome.
    #[arg(long, default_value = "model")]
    by: String,
    /// Since when: `24h`, `7d`, `2026-01-31`.
    #[arg(long, default_value = "30d")]
    since: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// One row of the table.
struct Line {
    group: String,
    cells: [String; 6],
    cost: f64,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let known: Vec<&str> = BY.iter().map(|(_, word)| *word).collect();
    let by = BY.iter().find(|(_, word)| *word == arguments.by).map(|(by, _)| *by);
    let by = by.ok_or_else(|| Failed(format!("--by: `{}` is none of {}", arguments.by, known.join(", "))))?;
    let running = running::all(environment)?;
    let is_meant = |running: &&running::Running| arguments.port.is_none_or(|port| running.port == port);
    let groups = match running.iter().find(is_meant) {
        Some(running) => {
            let path = format!("/api/stats?by={}&since={}", arguments.by, arguments.since);
            running::ask(running, &path, environment)?["groups"].clone()
        }
        // Nobody has to run for what is written down.
        None => written(by, arguments, shared, environment, out)?,
    };
    if arguments.json {
        out.print(&outside::lines(&format!("{groups}\n")));
        return Ok(ExitCode::SUCCESS);
    }
    out.print(&table(&arguments.by, &groups));
    Ok(ExitCode::SUCCESS)
}

fn written(
    by: By,
    arguments: &Arguments,
    shared: &Shared,
    environment: &Environment,
    out: &Out,
) -> Result<Value, Failed> {
    let configuration = shared.configuration(environment, out)?;
    let clock = Clock::of_system(configuration.timezone.as_deref());
    let since = clock.since(&arguments.since);
    let since = since
        .ok_or_else(|| Failed(format!("--since: `{}` is no time: write `24h`, `7d` or a date", arguments.since)))?;
    let StoreKind::Sqlite { path, .. } = &configuration.store.kind else {
        return Err(Failed("no router runs, and its store is no file that could be read".to_owned()));
    };
    if !path.is_file() {
        return Err(Failed(format!("no router runs, and there is no {} yet", path.display())));
    }
    let totals: Totals = journal::totals_of(path, by, since, &clock).map_err(Failed)?;
    let value = |sums: &Sums| {
        serde_json::json!({
            "requests": sums.requests, "failed": sums.failed, "input_tokens": sums.tokens.input,
            "output_tokens": sums.tokens.output, "cache_read_tokens": sums.tokens.cache_read,
            "cache_write_tokens": sums.tokens.cache_write, "cost_usd": usd(sums.cost),
            "mean_ms": sums.total_ms.checked_div(sums.requests).unwrap_or(0),
        })
    };
    Ok(totals.iter().map(|(group, sums)| (group.clone(), value(sums))).collect::<serde_json::Map<_, _>>().into())
}

fn table(by: &str, groups: &Value) -> String {
    let mut lines: Vec<Line> = groups
        .as_object()
        .into_iter()
        .flatten()
        .map(|(group, sums)| {
            let number = |name: &str| sums[name].as_f64().unwrap_or(0.0);
            let input = number("input_tokens") + number("cache_read_tokens") + number("cache_write_tokens");
            let cost = number("cost_usd");
            let cells = [
                format!("{}", number("requests")),
                format!("{}", number("failed")),
                format!("{input}"),
                format!("{}", number("output_tokens")),
                format!("${cost:.4}"),
                format!("{} ms", number("mean_ms")),
            ];
            Line { group: outside::one_line(group).into_owned(), cells, cost }
        })
        .collect();
    if lines.is_empty() {
        return "nothing was asked yet\n".to_owned();
    }
    // Days are read in their order, everything else by what it costs.
    if by != "day" {
        lines.sort_by(|one, other| other.cost.total_cmp(&one.cost));
    }
    let heads = ["requests", "failed", "input", "output", "cost", "mean"];
    let first = lines.iter().map(|line| line.group.chars().count()).max().unwrap_or(0).max(by.len());
    let width =
        |column: usize| lines.iter().map(|line| line.cells[column].len()).max().unwrap_or(0).max(heads[column].len());
    let mut text = format!("{by:first$}");
    for (column, head) in heads.iter().enumerate() {
        let _ = write!(text, "  {head:>0$}", width(column));
    }
    text.push('\n');
    for line in &lines {
        let _ = write!(text, "{:first$}", line.group);
        for (column, cell) in line.cells.iter().enumerate() {
            let _ = write!(text, "  {cell:>0$}", width(column));
        }
        text.push('\n');
    }
    text
}
