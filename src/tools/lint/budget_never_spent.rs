//! A budget that nothing can be charged to.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::ir::{BudgetScope, Outcome, Target};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W452",
        name: "budget-never-spent",
        severity: Severity::Warning,
        doc: "Nothing that the program routes to can be charged to the budget: it is for a model that no chain comes to, or every model is free. What is read of it is always as if nothing had been spent.",
        bad: "budget opus = $5 per day for model \"claude-opus-4-8\"\nrule spent { when opus.used > 90% route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "budget opus = $5 per day for model \"claude-opus-4-8\"\nrule spent { when opus.used > 90% route \"gpt-5-mini\" }\ndefault { route \"claude-opus-4-8\" else \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let program = context.program();
    // What a client asks for, or what answered last, can be any model.
    let any = context.deciding().any(|(_, rule)| {
        matches!(&rule.outcome, Some(Outcome::Route(chain)) if chain.iter().any(|(target, _)| matches!(target, Target::Asked | Target::Same | Target::Unknown(_))))
    });
    if any {
        return;
    }
    let models = context.models();
    for budget in &program.budgets {
        let why = match &budget.scope {
            BudgetScope::Model(model) if !models.contains(model) => {
                format!("no chain comes to `{}`", program.catalogue.card(*model).name)
            }
            BudgetScope::Model(_)
            | BudgetScope::All
            | BudgetScope::Key(_)
            | BudgetScope::User(_)
            | BudgetScope::EachKey
            | BudgetScope::EachUser
            | BudgetScope::EachSession => {
                let costs = models.iter().any(|model| {
                    let prices = program.catalogue.card(*model).prices;
                    prices.is_some_and(|prices| prices.input > 0 || prices.output > 0)
                });
                if costs {
                    continue;
                }
                "no model of the program costs anything".to_owned()
            }
        };
        let message = format!("nothing can be charged to the budget `{}`: {why}", budget.name);
        found.push(Diagnostic::new(LINT.code, budget.span, message).help("take it out, or route to what it is for"));
    }
}
