//! A rule that does what would be done without it.

use crate::lang::analysis::Reach;
use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;
use crate::tools::lint::context::{Context, with};

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W436",
        name: "idle-rule",
        severity: Severity::Warning,
        doc: "What the rule takes would be treated in the same way by what follows it, so that the rule changes nothing but the name that statistics show.",
        bad: "rule short { when tokens < 500 route \"gpt-5\" }\ndefault { route \"gpt-5\" }",
        good: "rule short { when tokens < 500 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    for (index, rule) in context.program().rules.iter().enumerate() {
        let Reach::Reached(taken) = proofs.reach(Some(index)) else { continue };
        match proofs.analysis.changes_nothing(proofs.effects(), index, taken) {
            Some(true) => {
                let message =
                    format!("`{}` changes nothing: what follows it does the same with all that it takes", rule.name);
                let problem = Diagnostic::new(LINT.code, rule.span, message);
                found.push(with(problem, proofs.witness(taken)).help("take it out, or give it a target of its own"));
            }
            Some(false) => {}
            None => context.give_up(format!("whether the rule `{}` changes anything", rule.name)),
        }
    }
}
