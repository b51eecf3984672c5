//! A keyword that another one of its list contains, so that the longer one adds nothing.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::ir::Pattern;
use crate::lang::schema::fold;
use crate::tools::lint::Lint;
use crate::tools::lint::edit::without_member;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W407",
        name: "contained-keyword",
        severity: Severity::Warning,
        doc: "Wherever the longer pattern is found, the shorter one of the same list is found too, so that the longer one adds nothing.",
        bad: "rule r { when prompt contains any [\"implement\", \"implement it\"] route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "rule r { when prompt contains any [\"implement\", \"write code\"] route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check: |context, found| {
        for list in context.program().lists.iter().filter(|list| list.any) {
            for (longer, span) in &list.patterns {
                let shorter = list.patterns.iter().find(|(shorter, _)| shorter != longer && contains(longer, shorter));
                if let Some((shorter, first)) = shorter {
                    let message =
                        format!("`{}` adds nothing: wherever it is found, `{}` is found", longer.text, shorter.text);
                    let problem = Diagnostic::new(LINT.code, *span, message).related(*first, "the shorter one");
                    let problem = problem.help("take the longer one out");
                    found.push(match without_member(context.checked.sources.get(span.source), *span) {
                        Some(edit) => problem.fix(edit.span, edit.text),
                        None => problem,
                    });
                }
            }
        }
    },
};

/// Whether every text that holds the first pattern holds the second.
fn contains(longer: &Pattern, shorter: &Pattern) -> bool {
    if shorter.exact && !longer.exact {
        return false;
    }
    let text = if shorter.exact { longer.text.clone() } else { fold::fold(&longer.text) };
    text.match_indices(shorter.text.as_str()).any(|(at, _)| {
        let end = at + shorter.text.len();
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(end..).and_then(|text| text.chars().next());
        let starts = !shorter.starts_word || edge(before, shorter.text.chars().next(), longer.starts_word);
        let ends = !shorter.ends_word || edge(after, shorter.text.chars().next_back(), longer.ends_word);
        starts && ends
    })
}

/// Whether a word surely ends there: inside of the longer text by its neighbour, at its edge by its own boundary.
fn edge(neighbour: Option<char>, own: Option<char>, at_edge: bool) -> bool {
    match neighbour {
        Some(_) => fold::is_boundary(neighbour, own),
        None => at_edge,
    }
}
