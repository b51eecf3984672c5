//! A model without a price in a program that counts money.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W451",
        name: "price-unknown",
        severity: Severity::Warning,
        doc: "The program has budgets, and a model of it has no price: what it spends is counted by none of them, and its `cost` is absent.",
        bad: "budget daily = $10 per day hard\ndefault { route \"claude-sonnet-5\" else \"gpt-5\" }",
        good: "budget daily = $10 per day hard\ndefault { route \"claude-sonnet-4-6\" else \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let program = context.program();
    if program.budgets.is_empty() {
        return;
    }
    for (model, span) in context.named_models() {
        let card = program.catalogue.card(model);
        if card.prices.is_none() {
            let message = format!("`{}` has no price, so that no budget counts what it spends", card.name);
            let help = format!("write its `inputCost` and `outputCost` under `{}` in the configuration", card.provider);
            found.push(Diagnostic::new(LINT.code, span, message).help(help));
        }
    }
}
