//! A test on what is not known on the first turn of a session.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::eval::trace::slot_name;
use crate::lang::input::Fact;
use crate::lang::ir::Atom;
use crate::lang::plan::Plan;
use crate::tools::lint::Lint;
use crate::tools::lint::context::{Context, with};

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W423",
        name: "first-turn-test",
        severity: Severity::Warning,
        doc: "On the first turn of a session nothing has answered it yet: `session.model` and `switch_cost` are absent. A test that asks for a low `switch_cost` fails then, where moving costs nothing; a `not` on `session.model` holds then.",
        bad: "rule move { when switch_cost(\"gpt-5\") < $0.10 route \"gpt-5\" }\ndefault { route \"claude-sonnet-4-6\" else \"gpt-5\" }",
        good: "rule move { when not switch_cost(\"gpt-5\") >= $0.10 route \"gpt-5\" }\ndefault { route \"claude-sonnet-4-6\" else \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let program = context.program();
    for place in context.conditions() {
        for test in Plan::tests(place.when) {
            let [atom] = test.atoms.as_slice() else { continue };
            let Atom::Within(slot, set) = &program.atoms[atom.index()] else { continue };
            let slot = &program.slots[slot.index()];
            let low = set.contains(0) && set.ranges() != [(i64::MIN, i64::MAX)];
            if slot.fact() != Some(Fact::SwitchCost) || !low || test.negated {
                continue;
            }
            let message = format!("`{}` fails on a first turn, where moving costs nothing", context.words(test.span));
            let problem = Diagnostic::new(LINT.code, test.span, message);
            found.push(
                problem.help(format!("ask for the opposite with `not`: `not {} >= ...`", slot_name(program, slot))),
            );
        }
        for absent in proofs.analysis.absent_matters(place.when) {
            if program.slots[absent.slot.index()].fact() != Some(Fact::SessionModel) || context.is_built_in(absent.site)
            {
                continue;
            }
            let words = context.words(absent.site);
            let problem = Diagnostic::new(LINT.code, absent.site, format!("`{words}` also holds on a first turn"));
            let shown = absent.situation.as_ref().and_then(|situation| proofs.witness_of(situation, place.when));
            found.push(
                with(problem, shown).help("write `has session.model and ...`, or `not has session.model or ...`"),
            );
        }
    }
}
