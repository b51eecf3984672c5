//! A chain that can be left with nobody who can serve what its rule lets through.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::eval::decision::Action;
use crate::lang::ir::{Outcome, Rule};
use crate::lang::schema::text::quote;
use crate::lang::source::Span;
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;
use crate::tools::witness::model_name;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W441",
        name: "stranded-chain",
        severity: Severity::Warning,
        doc: "A request comes to the rule that no target of its chain can serve, by its size or by what it holds (images, tools, thinking, documents), while another model of the program could. It is answered with an error.",
        bad: "rule code { when prompt contains word \"implement*\" route \"gpt-5\" }\ndefault { route \"gemini-2.5-pro\" }",
        good: "rule code { when prompt contains word \"implement*\" route \"gpt-5\" else \"gemini-2.5-pro\" }\ndefault { route \"gemini-2.5-pro\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let models = context.models();
    let catalogue = &context.program().catalogue;
    for (index, rule) in context.deciding() {
        let Some(stranded) = proofs.analysis.stranded(index, &models) else { continue };
        let shown = proofs.show(&stranded.situation).filter(|shown| shown.decision.action == Action::Unservable);
        let Some(shown) = shown else { continue };
        let could = model_name(catalogue, stranded.could);
        let mut reasons: Vec<&str> = shown.decision.skipped.iter().map(|skipped| skipped.reason.word()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let message = format!(
            "`{}` can get a request that nobody of its chain can serve ({}), and `{could}` could",
            rule.name,
            reasons.join(", ")
        );
        let problem = Diagnostic::new(LINT.code, chain_span(rule), message).witness(shown.witness);
        let problem = problem.help(format!("add `else \"{could}\"`, or a rule before it that takes such requests"));
        found.push(match &rule.outcome {
            Some(Outcome::Route(chain)) if let Some((_, last)) = chain.last() => {
                problem.suggest(Span { start: last.end, ..*last }, format!(" else {}", quote(&could)))
            }
            Some(Outcome::Route(_) | Outcome::Reject { .. }) | None => problem,
        });
    }
}

/// Where the chain of a rule begins.
fn chain_span(rule: &Rule) -> Span {
    match &rule.outcome {
        Some(Outcome::Route(chain)) => chain.first().map_or(rule.span, |(_, span)| *span),
        Some(Outcome::Reject { .. }) | None => rule.span,
    }
}
