//! A value that falls between two rules whose ranges were meant to meet.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::eval::trace::slot_name;
use crate::tools::lint::Lint;
use crate::tools::lint::context::{Context, with};

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W437",
        name: "boundary-gap",
        severity: Severity::Warning,
        doc: "One rule ends below a value and the next begins above it, and neither takes the value itself: one of the two signs should be `<=` or `>=`.",
        bad: "rule short { when tokens < 500 route \"gpt-5-mini\" }\nrule long { when tokens > 500 route \"gpt-5\" }\ndefault { route \"claude-sonnet-4-6\" else \"gpt-5\" }",
        good: "rule short { when tokens < 500 route \"gpt-5-mini\" }\nrule long { when tokens > 600 route \"gpt-5\" }\ndefault { route \"claude-sonnet-4-6\" else \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let program = context.program();
    for border in proofs.borders().iter().filter(|border| !border.both) {
        let slot = &program.slots[border.slot.index()];
        let value = slot.ty().show(border.value);
        let name = slot_name(program, slot);
        let (below, above) = (&program.rules[border.below.0].name, &program.rules[border.above.0].name);
        let Some(shown) = proofs.witness(&border.situation) else { continue };
        let sides = [&border.lower, &border.higher].map(|side| proofs.witness(side));
        let message = format!("{name} of exactly {value} falls between `{below}` and `{above}`");
        let mut problem = Diagnostic::new(LINT.code, border.above.1, message)
            .related(border.below.1, format!("`{below}` ends below it"))
            .witness(shown);
        for side in sides {
            problem = with(problem, side);
        }
        found.push(problem.help("write `<=` or `>=` on the side that it belongs to"));
    }
}
