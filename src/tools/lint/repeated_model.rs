//! A chain that names a model twice.

use crate::lang::catalogue::ModelId;
use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::ir::{Outcome, Target};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;
use crate::tools::lint::edit::without_element;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W442",
        name: "repeated-model",
        severity: Severity::Warning,
        doc: "A chain comes to a model that it has tried already, by its name or as a member of a pool. The second time it is passed over.",
        bad: "default { route \"gpt-5\" else \"claude-sonnet-4-6\" else \"gpt-5\" }",
        good: "default { route \"gpt-5\" else \"claude-sonnet-4-6\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let program = context.program();
    let name = |model: ModelId| &program.catalogue.card(model).name;
    for (_, rule) in context.deciding() {
        let Some(Outcome::Route(chain)) = &rule.outcome else { continue };
        let mut seen: Vec<(ModelId, crate::lang::source::Span)> = Vec::new();
        for (target, span) in chain {
            let models: Vec<ModelId> = match target {
                Target::Model(model) => vec![*model],
                Target::Pool(pool) => program.pools[pool.index()].members.iter().map(|member| member.model).collect(),
                Target::Asked | Target::Same | Target::Unknown(_) => Vec::new(),
            };
            // A pool brings nothing new only when all of its members were there.
            let earlier: Vec<_> =
                models.iter().filter_map(|model| seen.iter().find(|(known, _)| known == model)).copied().collect();
            if !models.is_empty() && earlier.len() == models.len() {
                let what = if models.len() == 1 {
                    format!("`{}`", name(models[0]))
                } else {
                    "every member of the pool".to_owned()
                };
                let problem = Diagnostic::new(LINT.code, *span, format!("{what} stands in this chain already"));
                let problem = problem.related(earlier[0].1, "here").help("take it out");
                found.push(match without_element(context.checked.sources.get(span.source), *span) {
                    Some(edit) => problem.fix(edit.span, edit.text),
                    None => problem,
                });
            }
            seen.extend(models.into_iter().map(|model| (model, *span)));
        }
    }
    for pool in &program.pools {
        for (index, member) in pool.members.iter().enumerate() {
            if let Some(first) = pool.members[..index].iter().find(|first| first.model == member.model) {
                let message = format!("`{}` is a member of `{}` already", name(member.model), pool.name);
                found.push(
                    Diagnostic::new(LINT.code, member.span, message).related(first.span, "here").help("take it out"),
                );
            }
        }
    }
}
