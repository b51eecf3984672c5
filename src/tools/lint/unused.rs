//! Names that nothing uses.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::ir::Kind;
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;
use crate::tools::lint::edit::without_item;

/// A let that nothing uses.
pub(super) static LET: Lint = Lint {
    code: &Code {
        id: "W401",
        name: "unused-let",
        severity: Severity::Warning,
        doc: "A let that nothing uses: take it out, or use it.",
        bad: "let small = \"gpt-5-mini\"\ndefault { route \"gpt-5\" }",
        good: "let small = \"gpt-5-mini\"\ndefault { route small }",
    },
    check: |context, found| check(context, Kind::Let, LET.code, found),
};

/// A label that nothing uses.
pub(super) static LABEL: Lint = Lint {
    code: &Code {
        id: "W402",
        name: "unused-label",
        severity: Severity::Warning,
        doc: "A label that no condition asks about.",
        bad: "label size { big when tokens > 9k small otherwise }\ndefault { route \"gpt-5\" }",
        good: "label size { big when tokens > 9k small otherwise }\nrule r { when size is small route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check: |context, found| check(context, Kind::Label, LABEL.code, found),
};

/// A pool that nothing uses.
pub(super) static POOL: Lint = Lint {
    code: &Code {
        id: "W403",
        name: "unused-pool",
        severity: Severity::Warning,
        doc: "A pool that no rule routes to.",
        bad: "pool p cheapest sticky session { \"gpt-5\" \"claude-sonnet-4-6\" }\ndefault { route \"gpt-5\" }",
        good: "pool p cheapest sticky session { \"gpt-5\" \"claude-sonnet-4-6\" }\ndefault { route p }",
    },
    check: |context, found| check(context, Kind::Pool, POOL.code, found),
};

/// A budget that nothing uses.
pub(super) static BUDGET: Lint = Lint {
    code: &Code {
        id: "W404",
        name: "unused-budget",
        severity: Severity::Warning,
        doc: "A budget that is not hard and that no condition asks about limits nothing.",
        bad: "budget daily = $10 per day\ndefault { route \"gpt-5\" }",
        good: "budget daily = $10 per day\nrule r { when daily.used > 90% route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check: |context, found| check(context, Kind::Budget, BUDGET.code, found),
};

fn check(context: &Context<'_>, kind: Kind, code: &'static Code, found: &mut Vec<Diagnostic>) {
    for unused in context.program().unused.iter().filter(|unused| unused.kind == kind) {
        let hard = context.program().budgets.iter().any(|budget| budget.hard && budget.name == unused.name);
        if kind == Kind::Budget && hard {
            continue;
        }
        let message = format!("nothing uses the {} `{}`", kind.word(), unused.name);
        let problem = Diagnostic::new(code, unused.span, message).help("take it out, or use it");
        found.push(match without_item(context.checked, unused.span) {
            Some(edit) => problem.fix(edit.span, edit.text),
            None => problem,
        });
    }
}
