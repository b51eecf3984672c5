//! A default of the configuration beside one of the rule files.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;

/// A default that never serves.
pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W464",
        name: "idle-default",
        severity: Severity::Warning,
        doc: "The default of the configuration's sections (`routing`, `loadBalancing`) never serves, because a rule file has one: take one of them out.",
        bad: "",
        good: "default { route \"gpt-5\" }",
    },
    check: |context, found| {
        let Some(span) = context.checked.idle_default else { return };
        let message = "this default never serves, because a rule file has one";
        let problem = Diagnostic::new(LINT.code, span, message);
        let problem = match &context.program().default {
            Some(default) => problem.related(default.span, "it is this one that serves"),
            None => problem,
        };
        found.push(problem.help("take one of them out"));
    },
};
