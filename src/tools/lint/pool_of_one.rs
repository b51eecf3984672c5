//! A pool with a single member.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W409",
        name: "pool-of-one",
        severity: Severity::Warning,
        doc: "A pool of one member shares nothing: a `let` gives a model a name as well.",
        bad: "pool p cheapest { \"gpt-5\" }\ndefault { route p else \"claude-sonnet-4-6\" }",
        good: "let p = \"gpt-5\"\ndefault { route p else \"claude-sonnet-4-6\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for pool in context.program().pools.iter().filter(|pool| pool.members.len() == 1) {
        let message = format!("the pool `{}` has one member", pool.name);
        found.push(Diagnostic::new(LINT.code, pool.span, message).help("name the model with `let`, or add a member"));
    }
}
