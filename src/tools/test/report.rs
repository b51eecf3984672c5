//! What became of tests, as people and programs read it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::lang::diagnostic::{Diagnostic, render as words, secret};
use crate::lang::plan::Plan;
use crate::lang::source::{Sources, Span};
use crate::tools::explain::Explanation;
use crate::tools::test::coverage::{self, Coverage, Unseen};
use crate::tools::test::{Outcome, Ran};
use crate::tools::xml;

/// The most rules, and the most conditions, of a program that are listed as not reached, unless all are asked for.
const LISTED_MAX: usize = 20;

/// A form of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
    /// JUnit's XML, which CI servers show.
    Junit,
}

/// A program whose tests were run.
#[derive(Debug)]
pub struct Tested {
    /// The file that it starts from.
    pub name: String,
    /// Its texts.
    pub sources: std::sync::Arc<Sources>,
    /// What became of it; the problems of one that does not compile.
    pub ran: Result<(Plan, Ran), Vec<Diagnostic>>,
}

impl Tested {
    /// How many tests passed, and how many did not. A program that does not compile is one that did not.
    pub fn counts(&self) -> (usize, usize) {
        let Ok((_, ran)) = &self.ran else { return (0, 1) };
        let passed = ran.outcomes.iter().filter(|outcome| outcome.passed()).count();
        (passed, ran.outcomes.len() - passed)
    }

    fn coverage(&self) -> Option<&Coverage> {
        self.ran.as_ref().ok().map(|(_, ran)| &ran.coverage)
    }

    /// File, line and column.
    fn place(&self, span: Span) -> String {
        let at = self.sources.position(span);
        format!("{}:{}:{}", self.sources.get(span.source).name, at.line, at.column)
    }

    fn words(&self, span: Span) -> String {
        self.sources.slice(span).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The share of rules and outcomes of conditions that tests reach, in percent.
pub fn percent(tested: &[Tested]) -> usize {
    coverage::percent(tested.iter().filter_map(Tested::coverage))
}

/// What became of the tests of some programs, in a form. `all` lists what passed too, and all that is not reached.
pub fn render(tested: &[Tested], format: Format, all: bool) -> String {
    let text = match format {
        Format::Human => human(tested, all),
        Format::Json => format!("{:#}\n", json_of(tested)),
        Format::Junit => junit(tested),
    };
    secret::hide(&text).into_owned()
}

// --- for people --------------------------------------------------------------------------------------------------------

fn human(tested: &[Tested], all: bool) -> String {
    let mut text = String::new();
    let (mut passed, mut failed) = (0, 0);
    for one in tested {
        let (good, bad) = one.counts();
        (passed, failed) = (passed + good, failed + bad);
        match &one.ran {
            Err(problems) => text.push_str(&words::human(&one.sources, problems, false)),
            Ok((plan, ran)) => {
                for outcome in &ran.outcomes {
                    test_lines(&mut text, one, plan, outcome, all);
                }
                coverage_lines(&mut text, one, &ran.coverage, all);
            }
        }
    }
    let coverages = || tested.iter().filter_map(Tested::coverage);
    let (rules, of): (usize, usize) =
        (coverages().map(Coverage::rules_decided).sum(), coverages().map(|c| c.rules).sum());
    let (seen, outcomes): (usize, usize) =
        (coverages().map(Coverage::outcomes_seen).sum(), coverages().map(|c| c.outcomes).sum());
    let percent = percent(tested);
    let _ = writeln!(text, "{passed} passed, {failed} failed");
    let _ = writeln!(text, "reached: {rules} of {of} rules, {seen} of {outcomes} outcomes of conditions ({percent}%)");
    text
}

fn test_lines(text: &mut String, tested: &Tested, plan: &Plan, outcome: &Outcome, all: bool) {
    let test = &plan.program.tests[outcome.index];
    if outcome.passed() {
        if all {
            let _ = writeln!(text, "ok      {}", test.name);
        }
    } else {
        let _ = writeln!(text, "FAILED  {} ({})", test.name, tested.place(test.span));
    }
    if let Some(why) = &outcome.broken {
        let _ = writeln!(text, "  {why}");
    }
    for failure in &outcome.failures {
        let _ = writeln!(text, "  {}: {}", tested.place(failure.span), tested.words(failure.span));
        let _ = writeln!(text, "    but {}", failure.found);
        if let Some(why) = &failure.why {
            let _ = writeln!(text, "    {why}");
        }
    }
    if let (false, Some((decision, trace))) = (outcome.passed(), &outcome.decided) {
        let explanation = Explanation { request: "the request", plan, decision, trace, cost: None, microseconds: None };
        for line in explanation.human(false).lines() {
            let _ = writeln!(text, "{}", format!("  | {line}").trim_end());
        }
    }
    for note in &outcome.notes {
        let _ = writeln!(text, "note    {}: {note}", test.name);
    }
}

fn coverage_lines(text: &mut String, tested: &Tested, coverage: &Coverage, all: bool) {
    let shown = if all { usize::MAX } else { LISTED_MAX };
    let more = |text: &mut String, n: usize, of: &str| {
        if n > shown {
            let _ = writeln!(text, "{}: and {} more {of} (--verbose lists all)", tested.name, n - shown);
        }
    };
    for untested in coverage.untested.iter().take(shown) {
        let such_as =
            untested.such_as.as_ref().map_or_else(String::new, |given| format!(", such as one with `{given}`"));
        let _ = writeln!(text, "{}: no test is decided by `{}`{such_as}", tested.place(untested.span), untested.name);
    }
    more(text, coverage.untested.len(), "rules");
    for unseen in coverage.unseen.iter().take(shown) {
        let (place, words) = (tested.place(unseen.span), tested.words(unseen.span));
        let _ = writeln!(text, "{place}: in `{}`, {} `{words}`", unseen.name, never(unseen));
    }
    more(text, coverage.unseen.len(), "conditions");
}

fn never(unseen: &Unseen) -> &'static str {
    match (unseen.never_held, unseen.never_failed) {
        (true, false) => "no test saw it hold:",
        (false, true) => "no test saw it fail:",
        _ => "no test saw it at all:",
    }
}

// --- for programs ------------------------------------------------------------------------------------------------------

fn json_of(tested: &[Tested]) -> Value {
    let programs: Vec<Value> = tested.iter().map(program_json).collect();
    let (passed, failed) = tested.iter().map(Tested::counts).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    json!({"passed": passed, "failed": failed, "percent": percent(tested), "programs": programs})
}

fn place_json(tested: &Tested, span: Span) -> Value {
    let at = tested.sources.position(span);
    json!({"file": tested.sources.get(span.source).name, "line": at.line, "column": at.column})
}

fn program_json(tested: &Tested) -> Value {
    let (plan, ran) = match &tested.ran {
        Ok((plan, ran)) => (plan, ran),
        Err(problems) => return json!({"file": tested.name, "error": words::human(&tested.sources, problems, false)}),
    };
    let tests = ran.outcomes.iter().map(|outcome| {
        let test = &plan.program.tests[outcome.index];
        let failures = outcome.failures.iter().map(|failure| {
            json!({
                "location": place_json(tested, failure.span), "expected": tested.words(failure.span), "found": failure.found,
                "why": failure.why,
            })
        });
        let explained = outcome.decided.as_ref().filter(|_| !outcome.passed()).map(|(decision, trace)| {
            Explanation { request: "the request", plan, decision, trace, cost: None, microseconds: None }.json()
        });
        json!({
            "name": test.name, "location": place_json(tested, test.span), "passed": outcome.passed(), "error": outcome.broken,
            "failures": failures.collect::<Vec<_>>(), "notes": outcome.notes, "explanation": explained,
        })
    });
    let coverage = &ran.coverage;
    let untested = coverage.untested.iter().map(|untested| {
        json!({"rule": untested.name, "location": place_json(tested, untested.span), "such_as": untested.such_as})
    });
    let unseen = coverage.unseen.iter().map(|unseen| {
        json!({
            "condition": tested.words(unseen.span), "in": unseen.name, "location": place_json(tested, unseen.span),
            "held": !unseen.never_held, "failed": !unseen.never_failed,
        })
    });
    json!({
        "file": tested.name, "tests": tests.collect::<Vec<_>>(),
        "coverage": {
            "rules": {"decided": coverage.rules_decided(), "of": coverage.rules, "missing": untested.collect::<Vec<_>>()},
            "conditions": {"seen": coverage.outcomes_seen(), "of": coverage.outcomes, "missing": unseen.collect::<Vec<_>>()},
        },
    })
}

/// A suite a program, a case a test.
fn junit(tested: &[Tested]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for one in tested {
        let (passed, failed) = one.counts();
        let name = xml(&one.name);
        let n = passed + failed;
        let _ = writeln!(text, "  <testsuite name=\"{name}\" tests=\"{n}\" failures=\"{failed}\">");
        match &one.ran {
            Err(problems) => {
                let why = xml(&words::human(&one.sources, problems, false));
                let _ = writeln!(text, "    <testcase classname=\"{name}\" name=\"it compiles\">");
                let _ = writeln!(text, "      <failure message=\"it does not compile\">{why}</failure>");
                text.push_str("    </testcase>\n");
            }
            Ok((plan, ran)) => {
                for outcome in &ran.outcomes {
                    let test = xml(&plan.program.tests[outcome.index].name);
                    let _ = write!(text, "    <testcase classname=\"{name}\" name=\"{test}\"");
                    if outcome.passed() {
                        text.push_str("/>\n");
                        continue;
                    }
                    let mut lines = String::new();
                    test_lines(&mut lines, one, plan, outcome, false);
                    let first = outcome.failures.first();
                    let message = first.map(|failure| format!("{}: but {}", one.words(failure.span), failure.found));
                    let message = message.or_else(|| outcome.broken.clone()).unwrap_or_default();
                    let _ = writeln!(text, ">\n      <failure message=\"{}\">{}</failure>", xml(&message), xml(&lines));
                    text.push_str("    </testcase>\n");
                }
            }
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}
