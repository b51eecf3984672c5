//! A comparison with a value that the field never has.

use crate::lang::analysis::Holds;
use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::eval::trace::slot_name;
use crate::lang::ir::{Atom, Slot};
use crate::lang::schema::types::Type;
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W421",
        name: "out-of-domain",
        severity: Severity::Warning,
        doc: "The value is outside of what the field can be, so that the test always holds, or never.",
        bad: "rule r { when bucket < 120% route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "rule r { when bucket < 20% route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let program = context.program();
    for test in context.tests() {
        let [atom] = test.atoms.as_slice() else { continue };
        let Atom::Within(slot, set) = &program.atoms[atom.index()] else { continue };
        let slot = &program.slots[slot.index()];
        // `has F` and bare fields ask no value.
        if set.ranges() == [(i64::MIN, i64::MAX)] || slot.ty() == Type::Bool {
            continue;
        }
        let Some(holds) = proofs.analysis.range_holds(*atom) else { continue };
        // Said of the words, before which a `not` may stand.
        let fate = match (holds, test.negated != test.outer_not) {
            (Holds::Always, false) | (Holds::Never, true) => "always holds",
            (Holds::Always, true) | (Holds::Never, false) => "never holds",
            (Holds::Sometimes | Holds::Unknown, _) => continue,
        };
        let name = slot_name(program, slot);
        let message = format!("`{}` {fate}", context.words(test.span));
        let problem = Diagnostic::new(LINT.code, test.span, message);
        let help = match (slot, proofs.analysis.range(*atom)) {
            (Slot::Label(_), _) => Some(format!("what `{name}` can be is what its lines say")),
            (Slot::Field(..), Some((low, high))) => {
                let (low, high) = (slot.ty().show(low), slot.ty().show(high));
                Some(format!("`{name}` is from {low} to {high}"))
            }
            (Slot::Field(..), None) => None,
        };
        found.push(problem.maybe_help(help));
    }
}
