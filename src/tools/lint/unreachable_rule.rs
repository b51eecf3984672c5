//! A rule that no request reaches, because earlier ones take everything that it would.

use crate::lang::analysis::Reach;
use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;
use crate::tools::lint::context::{Context, with};

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W431",
        name: "unreachable-rule",
        severity: Severity::Warning,
        doc: "No request reaches the rule: wherever its condition holds, an earlier rule decides. Move it up, narrow the earlier ones, or take it out.",
        bad: "rule large { when tokens > 100k route \"gemini-2.5-pro\" }\nrule larger { when tokens > 500k route \"gpt-4.1\" else \"gemini-2.5-flash\" }\ndefault { route \"gpt-5\" else \"gemini-2.5-pro\" }",
        good: "rule larger { when tokens > 500k route \"gpt-4.1\" else \"gemini-2.5-flash\" }\nrule large { when tokens > 100k route \"gemini-2.5-pro\" }\ndefault { route \"gpt-5\" else \"gemini-2.5-pro\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let rules = &context.program().rules;
    for (index, rule) in rules.iter().enumerate() {
        let cover = match proofs.reach(Some(index)) {
            Reach::Never(cover) => cover,
            Reach::Unknown => {
                context.give_up(format!("whether the rule `{}` is ever reached", rule.name));
                continue;
            }
            Reach::Reached(_) | Reach::Impossible => continue,
        };
        let names: Vec<String> = cover.iter().map(|taken| format!("`{}`", rules[taken.by].name)).collect();
        let message = match names.as_slice() {
            [one] => format!("`{}` is never reached: {one} takes everything that it would", rule.name),
            several => {
                format!("`{}` is never reached: {} together take everything that it would", rule.name, listed(several))
            }
        };
        let mut problem = Diagnostic::new(LINT.code, rule.span, message);
        let share = if cover.len() == 1 { "takes all of it" } else { "takes a part of it" };
        for taken in cover.iter().take(SHOWN_MAX) {
            problem = problem.related(rules[taken.by].span, share);
            problem = with(problem, proofs.witness_of(&taken.situation, &rule.when));
        }
        found.push(problem.help("move it up, narrow what stands before it, or take it out"));
    }
}

/// The most covering rules that are shown one by one.
const SHOWN_MAX: usize = 6;

/// `a, b and c`; of many the first ones.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>();
    let rest = names.len() - shown.len();
    match (shown.split_last(), rest) {
        (Some((last, front)), 0) => format!("{} and {last}", front.join(", ")),
        _ => format!("{} and {rest} more", shown.join(", ")),
    }
}
