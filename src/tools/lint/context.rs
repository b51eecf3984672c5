//! What a lint sees: the program, and what can be proved of it, each worked out when the first lint asks.

use std::cell::OnceCell;
use std::collections::HashSet;

use crate::features::tokens::Counter;
use crate::lang::Checked;
use crate::lang::analysis::situation::Situation;
use crate::lang::analysis::{Analysis, Border, Effects, Reach};
use crate::lang::catalogue::ModelId;
use crate::lang::diagnostic::{Diagnostic, Witness};
use crate::lang::ir::{Condition, Outcome, Program, Rule, Setting, Target, Test};
use crate::lang::plan::Plan;
use crate::lang::source::{SourceId, Span};
use crate::tools::witness::{self, Shown};

/// Reads a request file that a test names.
pub type ReadRequest<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// What a lint sees.
pub struct Context<'a> {
    /// The program as it was read.
    pub checked: &'a Checked,
    /// What can be proved of it; none when it does not compile.
    pub proofs: Option<Proofs<'a>>,
    /// Reads the request files of its tests.
    pub read: ReadRequest<'a>,
    /// Questions that were given up, in words.
    pub given_up: &'a std::cell::RefCell<Vec<String>>,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("proofs", &self.proofs).finish_non_exhaustive()
    }
}

/// A condition and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// What it is of: `rule`, `adjust`, `line`.
    pub kind: &'static str,
    /// The name of that.
    pub name: &'a str,
    /// The name's place.
    pub span: Span,
    /// The condition.
    pub when: &'a Condition,
}

impl<'a> Context<'a> {
    /// The program.
    pub fn program(&self) -> &'a Program {
        &self.checked.program
    }

    /// The words of a place.
    pub fn words(&self, span: Span) -> String {
        self.checked.sources.slice(span).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether a place is in the prelude that every program has, which no lint speaks of.
    pub fn is_built_in(&self, span: Span) -> bool {
        span.source == self.checked.prelude
    }

    /// The source of the prelude.
    pub fn prelude(&self) -> SourceId {
        self.checked.prelude
    }

    /// Every rule, and the default; not the adjusts.
    pub fn deciding(&self) -> impl Iterator<Item = (Option<usize>, &'a Rule)> {
        let program = self.program();
        let rules = program.rules.iter().enumerate().map(|(index, rule)| (Some(index), rule));
        rules.chain(program.default.as_ref().map(|rule| (None, rule)))
    }

    /// The conditions of all rules, adjusts and lines of labels.
    pub fn conditions(&self) -> Vec<Place<'a>> {
        let program = self.program();
        let of_rule = |kind| move |rule: &'a Rule| Place { kind, name: &rule.name, span: rule.span, when: &rule.when };
        let rules = program.rules.iter().map(of_rule("rule"));
        let adjusts = program.adjusts.iter().map(of_rule("adjust"));
        let lines = program.labels.iter().filter(|label| !self.is_built_in(label.span)).flat_map(|label| {
            label.lines.iter().filter_map(move |line| {
                let when = line.when.as_ref()?;
                Some(Place { kind: "line", name: &label.name, span: line.span, when })
            })
        });
        rules.chain(adjusts).chain(lines).collect()
    }

    /// Every test of every condition, each place once.
    pub fn tests(&self) -> Vec<&'a Test> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for place in self.conditions() {
            for test in Plan::tests(place.when) {
                if !self.is_built_in(test.span) && seen.insert(test.span) {
                    found.push(test);
                }
            }
        }
        found
    }

    /// Every model that stands in a chain, a pool or a mirror, with its place.
    pub fn named_models(&self) -> Vec<(ModelId, Span)> {
        let program = self.program();
        let mut found = Vec::new();
        for rule in program.rules.iter().chain(&program.adjusts).chain(program.default.as_ref()) {
            if let Some(Outcome::Route(chain)) = &rule.outcome {
                for (target, span) in chain {
                    if let Target::Model(model) = target {
                        found.push((*model, *span));
                    }
                }
            }
            for (setting, span) in &rule.settings {
                if let Setting::Mirror(model) = setting {
                    found.push((*model, *span));
                }
            }
        }
        found.extend(
            program.pools.iter().flat_map(|pool| pool.members.iter().map(|member| (member.model, member.span))),
        );
        found
    }

    /// The same, each model once.
    pub fn models(&self) -> Vec<ModelId> {
        let mut found: Vec<ModelId> = self.named_models().into_iter().map(|(model, _)| model).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Notes that a question was given up.
    pub fn give_up(&self, question: impl Into<String>) {
        self.given_up.borrow_mut().push(question.into());
    }
}

/// What can be proved.
#[derive(Debug)]
pub struct Proofs<'p> {
    /// The program, ready for deciding.
    pub plan: &'p Plan,
    /// The analysis of it.
    pub analysis: Analysis<'p>,
    /// Counts tokens for requests that are shown.
    pub counter: Counter,
    reach: OnceCell<(Vec<Reach>, Reach)>,
    effects: OnceCell<Effects>,
    borders: OnceCell<Vec<Border>>,
}

impl<'p> Proofs<'p> {
    /// Of a plan.
    pub fn of(plan: &'p Plan) -> Self {
        let (analysis, counter) = (Analysis::of(plan), Counter::default());
        Self { plan, analysis, counter, reach: OnceCell::new(), effects: OnceCell::new(), borders: OnceCell::new() }
    }

    /// Whether a rule is reached; without one, whether the default is.
    pub fn reach(&self, rule: Option<usize>) -> &Reach {
        let all = self.reach.get_or_init(|| {
            let rules = (0..self.plan.program.rules.len()).map(|rule| self.analysis.reach(Some(rule)));
            (rules.collect(), self.analysis.reach(None))
        });
        rule.map_or(&all.1, |rule| &all.0[rule])
    }

    /// What the rules do.
    pub fn effects(&self) -> &Effects {
        self.effects.get_or_init(|| self.analysis.effects())
    }

    /// The values that fall between two rules, or are taken by both.
    pub fn borders(&self) -> &[Border] {
        self.borders.get_or_init(|| self.analysis.borders())
    }

    /// A situation as a request, decided once more; none when it cannot be shown as one.
    pub fn show(&self, situation: &Situation) -> Option<Shown> {
        witness::show(self.plan, 0, situation, &[], &self.counter)
    }

    /// The same, only what a diagnostic carries.
    pub fn witness(&self, situation: &Situation) -> Option<Witness> {
        self.show(situation).map(|shown| shown.witness)
    }

    /// The same, of a situation for which a condition holds, whoever decides.
    pub fn witness_of(&self, situation: &Situation, condition: &Condition) -> Option<Witness> {
        witness::show(self.plan, 0, situation, &[condition], &self.counter).map(|shown| shown.witness)
    }
}

/// With a request that shows it, where it can be shown.
pub(super) fn with(problem: Diagnostic, witness: Option<Witness>) -> Diagnostic {
    match witness {
        Some(witness) => problem.witness(witness),
        None => problem,
    }
}
