//! What of a program its tests reach: rules that one of them is decided by, and conditions that came out both ways.

use std::collections::BTreeMap;

use crate::features::tokens::Counter;
use crate::lang::analysis::{Analysis, Reach};
use crate::lang::eval;
use crate::lang::eval::decision::{Decided, Decision};
use crate::lang::input::Input;
use crate::lang::ir::{Program, Test};
use crate::lang::plan::Plan;
use crate::lang::source::Span;
use crate::tools::test::Outcome;
use crate::tools::witness;

/// A test of a field, as it stands in a rule, an adjust, a label or a let.
#[derive(Debug)]
pub(super) struct Condition<'p> {
    test: &'p Test,
    of: Of,
    /// The name of the rule, adjust or label.
    name: &'p str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Rule(usize),
    Adjust,
    Label,
}

/// The conditions of a program; not those of the prelude. A file that decides nothing has none to test.
pub(super) fn conditions(program: &Program) -> Vec<Condition<'_>> {
    let mut found = Vec::new();
    if program.rules.is_empty() && program.default.is_none() {
        return found;
    }
    let mut add = |when, of, name| {
        found.extend(Plan::tests(when).into_iter().map(|test| Condition { test, of, name }));
    };
    for (index, rule) in program.rules.iter().enumerate() {
        add(&rule.when, Of::Rule(index), rule.name.as_str());
    }
    for rule in &program.adjusts {
        add(&rule.when, Of::Adjust, rule.name.as_str());
    }
    for label in &program.labels {
        for when in label.lines.iter().filter_map(|line| line.when.as_ref()) {
            add(when, Of::Label, label.name.as_str());
        }
    }
    let built_in = |span: Span| program.sources.get(span.source).name == crate::lang::ir::load::PRELUDE_NAME;
    found.retain(|condition| !built_in(condition.test.span));
    found
}

/// How the conditions came out in a test: those of the rules up to the one that decided, of the adjusts and the labels.
pub(super) fn seen(
    plan: &Plan,
    input: &Input<'_>,
    decision: &Decision,
    conditions: &[Condition<'_>],
) -> Vec<Option<bool>> {
    let last = match decision.decided {
        Decided::Rule(rule) => Some(rule),
        Decided::Default | Decided::Budget(_) => None,
    };
    let is_seen = |of: Of| match of {
        Of::Rule(rule) => last.is_none_or(|last| rule <= last),
        Of::Adjust => !decision.attempts.is_empty(),
        Of::Label => true,
    };
    let tests: Vec<&Test> =
        conditions.iter().filter(|condition| is_seen(condition.of)).map(|condition| condition.test).collect();
    let target = decision.attempts.first().map(|attempt| attempt.model);
    let mut held = eval::hold_each(plan, input, target, &tests).into_iter();
    conditions
        .iter()
        .map(|condition| {
            let held = if is_seen(condition.of) { held.next()? } else { return None };
            // What the words say, whatever stands before them.
            Some(held != condition.test.outer_not)
        })
        .collect()
}

/// What tests reach.
#[derive(Debug)]
pub struct Coverage {
    /// How many rules there are, the default among them.
    pub rules: usize,
    /// The rules that no test is decided by.
    pub untested: Vec<Untested>,
    /// How many ways there are for conditions to come out: two for each.
    pub outcomes: usize,
    /// The conditions that did not come out both ways.
    pub unseen: Vec<Unseen>,
}

/// A rule that no test is decided by.
#[derive(Debug)]
pub struct Untested {
    /// Its name, or `default`.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// What a test could give, where that is known.
    pub such_as: Option<String>,
}

/// A condition that did not come out both ways.
#[derive(Debug)]
pub struct Unseen {
    /// Its words.
    pub span: Span,
    /// The rule, adjust or label that it is in.
    pub name: String,
    /// No test saw it hold.
    pub never_held: bool,
    /// No test saw it fail.
    pub never_failed: bool,
}

impl Coverage {
    pub(super) fn of(plan: &Plan, conditions: &[Condition<'_>], outcomes: &[Outcome], counter: &Counter) -> Self {
        let program = &plan.program;
        let decided = |rule: Option<usize>| {
            outcomes.iter().filter_map(|outcome| outcome.decided.as_ref()).any(|(decision, _)| match decision.decided {
                Decided::Rule(own) => Some(own) == rule,
                Decided::Default => rule.is_none(),
                Decided::Budget(_) => false,
            })
        };
        let all = (0..program.rules.len()).map(Some).chain(program.default.as_ref().map(|_| None));
        let missing: Vec<Option<usize>> = all.clone().filter(|rule| !decided(*rule)).collect();
        // Without any test nobody asks for one of each rule.
        let proposed = if outcomes.is_empty() { &[] } else { missing.as_slice() };
        let analysis = (!proposed.is_empty()).then(|| Analysis::of(plan));
        let untested = missing.iter().map(|rule| {
            let own = rule.map_or(program.default.as_ref(), |rule| program.rules.get(rule));
            let such_as = analysis.as_ref().and_then(|analysis| match analysis.reach(*rule) {
                Reach::Reached(situation) => witness::show(plan, 0, &situation, &[], counter),
                Reach::Impossible | Reach::Never(_) | Reach::Unknown => None,
            });
            Untested {
                name: rule.map_or_else(|| "default".to_owned(), |rule| program.rules[rule].name.clone()),
                span: own.map(|rule| rule.span).unwrap_or_default(),
                such_as: such_as.map(|shown| shown.witness.given),
            }
        });
        // A let that stands in several rules is one condition.
        let mut by_place: BTreeMap<Span, (&str, bool, bool)> = BTreeMap::new();
        for (at, condition) in conditions.iter().enumerate() {
            let entry = by_place.entry(condition.test.span).or_insert((condition.name, false, false));
            for outcome in outcomes {
                match outcome.seen.get(at).copied().flatten() {
                    Some(true) => entry.1 = true,
                    Some(false) => entry.2 = true,
                    None => {}
                }
            }
        }
        let n = by_place.len() * 2;
        let unseen = by_place.into_iter().filter(|(_, (_, held, failed))| !held || !failed);
        let unseen = unseen.map(|(span, (name, held, failed))| Unseen {
            span,
            name: name.to_owned(),
            never_held: !held,
            never_failed: !failed,
        });
        Self { rules: all.count(), untested: untested.collect(), outcomes: n, unseen: unseen.collect() }
    }

    /// How many outcomes of conditions were seen.
    pub fn outcomes_seen(&self) -> usize {
        let missing = |unseen: &Unseen| usize::from(unseen.never_held) + usize::from(unseen.never_failed);
        self.outcomes - self.unseen.iter().map(missing).sum::<usize>()
    }

    /// How many rules a test is decided by.
    pub fn rules_decided(&self) -> usize {
        self.rules - self.untested.len()
    }
}

/// The share of rules and outcomes of some programs that are reached, in percent, rounded down.
pub(super) fn percent<'c>(all: impl Iterator<Item = &'c Coverage>) -> usize {
    let (mut reached, mut whole) = (0, 0);
    for coverage in all {
        reached += coverage.rules_decided() + coverage.outcomes_seen();
        whole += coverage.rules + coverage.outcomes;
    }
    (reached * 100).checked_div(whole).unwrap_or(100)
}
