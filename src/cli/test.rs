//! `router test`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{Ended, Out, Shared};
use crate::config::{Environment, find, rules};
use crate::features::tokens::Counter;
use crate::lang::diagnostic::render;
use crate::lang::plan::Plan;
use crate::tools::explain::Explanation;
use crate::tools::test::{self, Outcome};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Rule files, and folders of them; what serves when there is none.
    paths: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let configuration = shared.configuration(environment, out)?;
    let mut programs: Vec<Vec<PathBuf>> = Vec::new();
    for path in &arguments.paths {
        programs.extend(find::programs(path)?.into_iter().map(|file| vec![file]));
    }
    if arguments.paths.is_empty() {
        programs.push(shared.rule_files(&configuration)?);
    }
    let counter = Counter::default();
    let (mut passed, mut failed) = (0usize, 0usize);
    for files in &programs {
        let (roots, reader) = rules::roots(files)?;
        let name = roots.first().map_or_else(String::new, |root| root.name.clone());
        let (plan, sources, problems) = crate::lang::compile(roots, &reader, &configuration.catalogue);
        let Some(plan) = plan else {
            out.complain(&render::human(&sources, &problems, false));
            failed += 1;
            continue;
        };
        let (good, bad) = program(&plan, &name, &reader.0, &counter, shared.verbose, out);
        passed += good;
        failed += bad;
    }
    out.print(&format!("{passed} passed, {failed} failed\n"));
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Runs the tests of one program; how many passed, and how many did not.
fn program(plan: &Plan, name: &str, folder: &Path, counter: &Counter, verbose: bool, out: &Out) -> (usize, usize) {
    let read = |path: &str| {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(folder.join(path)).map_err(|error| error.to_string())?;
        std::io::Read::read_to_end(&mut std::io::Read::take(file, crate::tools::request::BYTES_MAX), &mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    };
    let (mut passed, mut failed) = (0, 0);
    let mut decided: BTreeSet<String> = BTreeSet::new();
    for index in 0..plan.program.tests.len() {
        let outcome = test::run(plan, index, counter, &read);
        if let Some((decision, _)) = &outcome.decided {
            decided.insert(test::decided_name(plan, decision));
        }
        if outcome.passed() {
            passed += 1;
        } else {
            failed += 1;
        }
        let words = words(plan, &outcome, verbose);
        out.print(&words);
    }
    let untested: Vec<&str> =
        plan.program.rules.iter().map(|rule| rule.name.as_str()).filter(|rule| !decided.contains(*rule)).collect();
    if !untested.is_empty() {
        out.print(&format!("{name}: no test is decided by {}\n", untested.join(", ")));
    }
    (passed, failed)
}

/// A test in words: nothing of one that passed, unless asked for.
fn words(plan: &Plan, outcome: &Outcome, verbose: bool) -> String {
    let test = &plan.program.tests[outcome.index];
    let sources = &plan.program.sources;
    let place = |span| {
        let at = sources.position(span);
        format!("{}:{}:{}", sources.get(span.source).name, at.line, at.column)
    };
    let mut text = String::new();
    if outcome.passed() {
        if verbose {
            let _ = writeln!(text, "ok      {}", test.name);
        }
    } else {
        let _ = writeln!(text, "FAILED  {} ({})", test.name, place(test.span));
    }
    if let Some(why) = &outcome.broken {
        let _ = writeln!(text, "  {why}");
    }
    for failure in &outcome.failures {
        let words = sources.slice(failure.span).split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "  {}: {words}\n    but {}", place(failure.span), failure.found);
    }
    if let (false, Some((decision, trace))) = (outcome.passed(), &outcome.decided) {
        let explanation = Explanation { request: "the request", plan, decision, trace, cost: None, microseconds: None };
        for line in explanation.human(false).lines() {
            let _ = writeln!(text, "  | {line}");
        }
    }
    for note in &outcome.notes {
        let _ = writeln!(text, "note    {}: {note}", test.name);
    }
    text
}
