//! A condition that no request fulfils.

use crate::lang::analysis::{Holds, Reach};
use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::ir::Condition;
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W432",
        name: "impossible-condition",
        severity: Severity::Warning,
        doc: "The condition never holds, whatever is asked.",
        bad: "rule r { when tokens > 500 and tokens < 100 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "rule r { when tokens < 500 and tokens > 100 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let mut say = |kind: &str, name: &str, span| {
        let message = format!("the condition of the {kind} `{name}` never holds");
        found.push(Diagnostic::new(LINT.code, span, message).help("take it out, or mend the condition"));
    };
    for (index, rule) in context.program().rules.iter().enumerate() {
        if *proofs.reach(Some(index)) == Reach::Impossible {
            say("rule", &rule.name, rule.span);
        }
    }
    for place in context.conditions().into_iter().filter(|place| place.kind != "rule") {
        let constant = matches!(place.when, Condition::Always(_));
        if !constant && proofs.analysis.holds(place.when) == Holds::Never {
            let kind = if place.kind == "line" { "line of the label" } else { place.kind };
            say(kind, place.name, place.span);
        }
    }
}
