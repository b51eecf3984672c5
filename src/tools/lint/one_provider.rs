//! A chain of several models that all have one provider.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::ir::{Outcome, Target};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W443",
        name: "one-provider",
        severity: Severity::Warning,
        doc: "Every model of the chain has the same provider, so that none is left when that provider is down.",
        bad: "default { route \"gpt-5\" else \"gpt-5-mini\" }",
        good: "default { route \"gpt-5\" else \"gemini-2.5-flash\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let program = context.program();
    for (index, rule) in context.deciding() {
        let Some(Outcome::Route(chain)) = &rule.outcome else { continue };
        let Some((_, last)) = chain.last() else { continue };
        let unknown = chain.iter().any(|(target, _)| matches!(target, Target::Unknown(_)));
        let models = context.proofs.as_ref().and_then(|proofs| proofs.analysis.chain_models(index));
        let Some(models) = models.filter(|models| models.len() > 1 && !unknown) else { continue };
        let provider = &program.catalogue.card(models[0]).provider;
        if models.iter().all(|model| program.catalogue.card(*model).provider == *provider) {
            let message = format!("every model of the chain of `{}` is served by {provider}", rule.name);
            found.push(Diagnostic::new(LINT.code, *last, message).help("add `else` and a model of another provider"));
        }
    }
}
