//! A model that its maker has taken out of service, or is about to.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W444",
        name: "deprecated-model",
        severity: Severity::Warning,
        doc: "The catalogue says that the model is deprecated: its maker has retired it, or will. Take what comes after it.",
        bad: "default { route \"claude-3-opus\" else \"gpt-5\" }",
        good: "default { route \"claude-opus-4-8\" else \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let program = context.program();
    for (model, span) in context.named_models() {
        let card = program.catalogue.card(model);
        let Some(instead) = &card.deprecated else { continue };
        let problem = Diagnostic::new(LINT.code, span, format!("`{}` is deprecated", card.name));
        found.push(if instead.is_empty() { problem } else { problem.help(format!("take `{instead}`")) });
    }
}
