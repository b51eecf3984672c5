//! A chain of `same` alone, which a first turn has nobody behind.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::eval::decision::Action;
use crate::lang::ir::{Outcome, Target};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W445",
        name: "same-alone",
        severity: Severity::Warning,
        doc: "`same` is whoever answered the session last. On a first turn nobody has, so that a chain without anything else cannot serve it.",
        bad: "rule stay { when has tools route same }\ndefault { route \"gpt-5\" }",
        good: "rule stay { when has tools route same else \"gpt-5\" }\ndefault { route \"gpt-5\" else \"claude-sonnet-4-6\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    for (index, rule) in context.deciding() {
        let Some(Outcome::Route(chain)) = &rule.outcome else { continue };
        if !chain.iter().all(|(target, _)| *target == Target::Same) {
            continue;
        }
        let Some(first) = proofs.analysis.first_turn(index) else { continue };
        let Some(shown) = proofs.show(&first).filter(|shown| shown.decision.action == Action::Unservable) else {
            continue;
        };
        let message = format!("on a first turn nobody is behind `same`, and `{}` has nothing else", rule.name);
        found.push(
            Diagnostic::new(LINT.code, chain[0].1, message).witness(shown.witness).help("write `same else \"...\"`"),
        );
    }
}
