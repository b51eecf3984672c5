//! A negative test that also holds where the field is absent.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::eval::trace::slot_name;
use crate::lang::input::Fact;
use crate::tools::lint::Lint;
use crate::tools::lint::context::{Context, with};

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W422",
        name: "negative-on-absent",
        severity: Severity::Warning,
        doc: "A test on something absent is false, so that its `not` is true: the rule also takes requests in which the field is not there at all.",
        bad: "rule r { when user is not \"ann\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "rule r { when has user and user is not \"ann\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let program = context.program();
    for place in context.conditions() {
        for absent in proofs.analysis.absent_matters(place.when) {
            let slot = &program.slots[absent.slot.index()];
            // What holds on a first turn is told by itself.
            if matches!(slot.fact(), Some(Fact::SessionModel | Fact::SwitchCost)) || context.is_built_in(absent.site) {
                continue;
            }
            let name = slot_name(program, slot);
            let words = context.words(absent.site);
            let message = format!("`{words}` also holds where there is no `{name}`");
            let problem = Diagnostic::new(LINT.code, absent.site, message);
            let help = format!("write `has {name} and ...`, or `not has {name} or ...` if that is meant");
            let shown = absent.situation.as_ref().and_then(|situation| proofs.witness_of(situation, place.when));
            found.push(with(problem, shown).help(help));
        }
    }
}
