//! A pool that moves conversations between providers whose prompt caches are lost by it.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::source::Span;
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W410",
        name: "not-sticky",
        severity: Severity::Warning,
        doc: "The pool takes a member for each request anew, so that a conversation moves from one to another, and what its provider has cached of it is paid for again at the full price. `sticky session` keeps it where it is.",
        bad: "pool p weighted { \"gpt-5\" 50% \"claude-sonnet-4-6\" 50% }\ndefault { route p }",
        good: "pool p weighted sticky session { \"gpt-5\" 50% \"claude-sonnet-4-6\" 50% }\ndefault { route p }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let program = context.program();
    for pool in program.pools.iter().filter(|pool| pool.sticky.is_none() && pool.members.len() > 1) {
        let caching = pool.members.iter().filter_map(|member| {
            let card = program.catalogue.card(member.model);
            card.prices.filter(|prices| prices.cache_read < prices.input).map(|_| card.name.as_str())
        });
        let caching: Vec<&str> = caching.collect();
        if caching.len() < 2 {
            continue;
        }
        let message = format!(
            "`{}` moves conversations between models whose providers cache prompts ({})",
            pool.name,
            caching.join(", ")
        );
        let problem = Diagnostic::new(LINT.code, pool.span, message).help("write `sticky session` behind the strategy");
        let text = &context.checked.sources.get(pool.span.source).text;
        let brace =
            text.get(pool.span.end as usize..).and_then(|rest| rest.find('{')).and_then(|at| u32::try_from(at).ok());
        found.push(match brace.map(|at| pool.span.end + at) {
            Some(at) => problem.suggest(Span { start: at, end: at, ..pool.span }, "sticky session "),
            None => problem,
        });
    }
}
