//! A part of a condition that changes nothing.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;
use crate::tools::lint::edit::without_part;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W435",
        name: "idle-part",
        severity: Severity::Warning,
        doc: "A part of the condition has no effect: the condition holds for the same requests without it.",
        bad: "rule r { when tokens > 100 and tokens > 50 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "rule r { when tokens > 100 and tokens < 5k route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    for place in context.conditions() {
        for idle in proofs.analysis.idle_parts(place.when) {
            let words = context.words(idle.site);
            let value = if idle.holds { "holds" } else { "fails" };
            let why = if idle.by_others {
                format!("wherever it matters, the other parts settle that it {value}")
            } else if idle.holds {
                "it always holds".to_owned()
            } else {
                "it never holds".to_owned()
            };
            let message = format!("`{words}` has no effect in `{}`: {why}", place.name);
            let problem = Diagnostic::new(LINT.code, idle.site, message).help("take it out");
            found.push(match without_part(context.checked, idle.site, idle.holds) {
                Some(edit) => problem.fix(edit.span, edit.text),
                None => problem,
            });
        }
    }
}
