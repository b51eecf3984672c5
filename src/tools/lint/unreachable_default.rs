//! A default that no request reaches, because the rules take everything between them.

use crate::lang::analysis::Reach;
use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;
use crate::tools::lint::context::{Context, with};

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W434",
        name: "unreachable-default",
        severity: Severity::Warning,
        doc: "The rules take every request between them, so that the default is never reached. That may be meant: then the last of them can be the default.",
        bad: "rule short { when tokens < 500 route \"gpt-5-mini\" }\nrule long { when tokens >= 500 route \"gpt-5\" }\ndefault { route \"claude-sonnet-4-6\" else \"gpt-5\" }",
        good: "rule short { when tokens < 500 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let rules = &context.program().rules;
    let Some(default) = &context.program().default else { return };
    let cover = match proofs.reach(None) {
        // One rule that takes everything is told by itself.
        Reach::Never(cover) if cover.len() > 1 => cover,
        Reach::Unknown => return context.give_up("whether the default is ever reached"),
        Reach::Never(_) | Reach::Reached(_) | Reach::Impossible => return,
    };
    let names: Vec<String> = cover.iter().take(6).map(|taken| format!("`{}`", rules[taken.by].name)).collect();
    let more = if cover.len() > names.len() { " and more" } else { "" };
    let message = format!("the default is never reached: {}{more} take every request between them", names.join(", "));
    let mut problem = Diagnostic::new(LINT.code, default.span, message);
    for taken in cover.iter().take(3) {
        problem = problem.related(rules[taken.by].span, "takes a part of it");
        problem = with(problem, proofs.witness(&taken.situation));
    }
    found.push(problem.help("make the last of them the default, or narrow one"));
}
