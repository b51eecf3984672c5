//! A rule that takes every request, so that nothing behind it is reached.

use crate::lang::analysis::Holds;
use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W433",
        name: "always-true",
        severity: Severity::Warning,
        doc: "The condition holds for every request, so that nothing behind the rule is ever reached. What is to happen otherwise stands in `default`.",
        bad: "rule everything { when tokens >= 0 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "default { route \"gpt-5-mini\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let rules = &context.program().rules;
    for (index, rule) in rules.iter().enumerate() {
        // What comes behind a rule that takes everything is reached by nobody.
        let next = if index + 1 < rules.len() { Some(index + 1) } else { None };
        let may_be = !matches!(proofs.reach(next), crate::lang::analysis::Reach::Reached(_));
        if may_be && proofs.analysis.holds(&rule.when) == Holds::Always {
            let behind = rules.len() - index - 1;
            let what = match behind {
                0 => "the default is".to_owned(),
                1 => "one rule and the default are".to_owned(),
                n => format!("{n} rules and the default are"),
            };
            let message = format!("`{}` takes every request, so that {what} never reached", rule.name);
            found.push(Diagnostic::new(LINT.code, rule.span, message).help("narrow it, or make it the `default`"));
        }
    }
}
