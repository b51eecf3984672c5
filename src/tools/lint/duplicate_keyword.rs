//! A keyword that stands twice in one list.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;
use crate::tools::lint::edit::without_member;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W406",
        name: "duplicate-keyword",
        severity: Severity::Warning,
        doc: "A pattern stands twice in one list, perhaps in another case.",
        bad: "rule r { when prompt contains any [word \"fix\", word \"Fix\"] route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "rule r { when prompt contains any [word \"fix\", word \"mend\"] route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check: |context, found| {
        for list in &context.program().lists {
            for (index, (pattern, span)) in list.patterns.iter().enumerate() {
                if let Some((_, first)) = list.patterns.iter().take(index).find(|(earlier, _)| earlier == pattern) {
                    let message = format!("`{}` stands in this list already", pattern.text);
                    let problem = Diagnostic::new(LINT.code, *span, message).related(*first, "here");
                    let problem = problem.help("take one of them out");
                    found.push(match without_member(context.checked.sources.get(span.source), *span) {
                        Some(edit) => problem.fix(edit.span, edit.text),
                        None => problem,
                    });
                }
            }
        }
    },
};
