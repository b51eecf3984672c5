//! THE TABLE of lints. A lint is one file: its bad and good example are its documentation and its test.

mod allow;
mod always_true;
mod blank_edge;
mod boundary_gap;
mod boundary_overlap;
mod budget_never_spent;
mod class_never_wins;
mod contained_keyword;
mod context;
mod deprecated_model;
mod duplicate_keyword;
mod edit;
mod first_turn_test;
pub mod fix;
mod idle_default;
mod idle_part;
mod idle_rule;
mod impossible_condition;
mod keyword_in_words;
mod negative_on_absent;
mod not_sticky;
mod one_provider;
mod out_of_domain;
mod pattern_never_matches;
mod pool_of_one;
mod pool_weights;
mod price_unknown;
mod repeated_model;
mod report;
mod rule_without_test;
mod same_alone;
mod secret;
mod stranded_chain;
mod unreachable_default;
mod unreachable_rule;
mod unused;
mod unused_class;

use std::cell::RefCell;
use std::sync::Arc;

use crate::lang::Checked;
use crate::lang::diagnostic::{Code, Diagnostic, any_error, codes};
use crate::lang::plan;

pub use context::{Context, Proofs, ReadRequest};
pub use report::{Format, render, witness_json};

/// A lint.
#[derive(Debug)]
pub struct Lint {
    /// What it finds, with a bad and a good example.
    pub code: &'static Code,
    /// Looks for it.
    pub check: fn(&Context<'_>, &mut Vec<Diagnostic>),
}

/// Every lint.
pub static LINTS: &[&Lint] = &[
    &unused::LET,
    &unused::LABEL,
    &unused::POOL,
    &unused::BUDGET,
    &pool_weights::LINT,
    &duplicate_keyword::LINT,
    &contained_keyword::LINT,
    &unused_class::LINT,
    &pool_of_one::LINT,
    &not_sticky::LINT,
    &keyword_in_words::LINT,
    &pattern_never_matches::LINT,
    &blank_edge::LINT,
    &out_of_domain::LINT,
    &negative_on_absent::LINT,
    &first_turn_test::LINT,
    &unreachable_rule::LINT,
    &impossible_condition::LINT,
    &always_true::LINT,
    &unreachable_default::LINT,
    &idle_default::LINT,
    &idle_part::LINT,
    &idle_rule::LINT,
    &boundary_gap::LINT,
    &boundary_overlap::LINT,
    &class_never_wins::LINT,
    &stranded_chain::LINT,
    &repeated_model::LINT,
    &one_provider::LINT,
    &deprecated_model::LINT,
    &same_alone::LINT,
    &price_unknown::LINT,
    &budget_never_spent::LINT,
    &allow::LINT,
    &secret::LINT,
    &rule_without_test::LINT,
];

/// Every code that a program can be told, those of the language and those of lints.
pub fn all_codes() -> Vec<&'static Code> {
    codes::CODES.iter().copied().chain(LINTS.iter().map(|lint| lint.code)).collect()
}

/// What a program was told.
#[derive(Debug, Default)]
pub struct Findings {
    /// The problems, in the order of the text.
    pub problems: Vec<Diagnostic>,
    /// Questions that were given up, in words: nothing is said about them.
    pub given_up: Vec<String>,
}

/// Everything that is wrong with a program: what does not compile, and what lints find, without what is allowed.
/// `read` gives the request files of its tests.
pub fn run(checked: &Checked, read: ReadRequest<'_>) -> Findings {
    let mut found = checked.problems.clone();
    // What did not parse may use any name.
    let unread = found.iter().any(|problem| problem.code.id == codes::SYNTAX.id);
    let whole = !any_error(&found);
    let plan = whole.then(|| plan::build(Arc::clone(&checked.program)));
    let given_up = RefCell::default();
    let context = Context { checked, proofs: plan.as_ref().map(Proofs::of), read, given_up: &given_up };
    for lint in LINTS.iter().filter(|lint| !unread || !lint.code.name.starts_with("unused-")) {
        (lint.check)(&context, &mut found);
    }
    found.retain(|problem| problem.is_error() || problem.span.source != checked.prelude);
    settle(&mut found);
    // What is no rule file is not mended as one.
    for problem in found.iter_mut().filter(|problem| Some(problem.span.source) == checked.tier) {
        problem.fix.clear();
    }
    let foreign: Vec<_> = checked.tier.into_iter().chain([checked.prelude]).collect();
    allow::apply(&checked.sources, &foreign, whole, &mut found);
    found.sort_by_key(|problem| (problem.span, problem.code.id));
    found.dedup_by(|a, b| a.span == b.span && a.code.id == b.code.id && a.message == b.message);
    Findings { problems: found, given_up: given_up.into_inner() }
}

/// Of what several lints say of one place, what says it best is kept.
fn settle(found: &mut Vec<Diagnostic>) {
    // A test that can never hold, or always does, has no effect because of that.
    let by_itself: Vec<_> = found
        .iter()
        .filter(|problem| [out_of_domain::LINT.code.id, pattern_never_matches::LINT.code.id].contains(&problem.code.id))
        .map(|problem| problem.span)
        .collect();
    let holds = |problem: &Diagnostic| {
        by_itself.iter().any(|span| {
            span.source == problem.span.source && problem.span.start <= span.start && span.end <= problem.span.end
        })
    };
    found.retain(|problem| problem.code.id != idle_part::LINT.code.id || !holds(problem));
}

/// The text of `lint --explain CODE`.
pub fn explain(code: &str) -> Option<String> {
    let all = all_codes();
    let code = all.iter().find(|known| known.id.eq_ignore_ascii_case(code) || known.name == code)?;
    let indented = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let mut text = format!("{} {} ({})\n\n{}\n", code.id, code.name, code.severity.word(), code.doc);
    if !code.bad.is_empty() {
        text.push_str(&format!("\nwrong:\n\n{}", indented(code.bad)));
    }
    text.push_str(&format!("\nright:\n\n{}", indented(code.good)));
    Some(text)
}
