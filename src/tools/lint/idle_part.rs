//! A part of a condition that changes nothing.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::plan::Plan;
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;
use crate::tools::lint::edit::{standing, without_part};

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W435",
        name: "idle-part",
        severity: Severity::Warning,
        doc: "A part of the condition has no effect: the condition holds for the same requests without it, or without all that its `and` or `or` joins.",
        bad: "rule r { when tokens > 100 and tokens > 50 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "rule r { when tokens > 100 and tokens < 5k route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check,
};

/// The most work for all conditions together: each part is held against all parts of its condition. Some seconds.
const WORK_MAX: usize = 4_000_000;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let mut left = WORK_MAX;
    for place in context.conditions() {
        let n_tests = Plan::tests(place.when).len();
        let Some(rest) = n_tests.checked_mul(n_tests).and_then(|work| left.checked_sub(work)) else {
            context.give_up(format!("whether every part of the condition of `{}` has an effect", place.name));
            continue;
        };
        left = rest;
        for idle in proofs.analysis.idle_parts(place.when) {
            let words = context.words(idle.site);
            let standing = standing(context.checked, idle.site, idle.holds);
            // Of what is written, a `not` before it left out.
            let holds = idle.holds != standing.is_some_and(|standing| standing.is_negated);
            let why = match (idle.by_others, holds) {
                (true, true) => "wherever it matters, the other parts settle that it holds",
                (true, false) => "wherever it matters, the other parts settle that it fails",
                (false, true) => "it always holds",
                (false, false) => "it never holds",
            };
            let (what, help) = match standing.and_then(|standing| standing.settles) {
                None => ("has no effect".to_owned(), "take it out".to_owned()),
                Some(word) => {
                    let when = if word == "and" { "never" } else { "always" };
                    (
                        format!("makes all of its `{word}` {when} hold"),
                        format!("mend it, or take out all of its `{word}`"),
                    )
                }
            };
            let message = format!("`{words}` {what} in `{}`: {why}", place.name);
            let problem = Diagnostic::new(LINT.code, idle.site, message).help(help);
            found.push(match without_part(context.checked, idle.site, idle.holds) {
                Some(edit) => problem.fix(edit.span, edit.text),
                None => problem,
            });
        }
    }
}
