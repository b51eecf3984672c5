//! A keyword that stands twice in one list.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W406",
        name: "duplicate-keyword",
        severity: Severity::Warning,
        doc: "A pattern stands twice in one list, perhaps in another case.",
        bad: "rule r { when prompt contains any [\"fix\", \"Fix\"] route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "rule r { when prompt contains any [\"fix\", \"mend\"] route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check: |checked, found| {
        for list in &checked.program.lists {
            for (index, (pattern, span)) in list.patterns.iter().enumerate() {
                if let Some((_, first)) = list.patterns.iter().take(index).find(|(earlier, _)| earlier == pattern) {
                    let message = format!("`{}` stands in this list already", pattern.text);
                    found.push(
                        Diagnostic::new(LINT.code, *span, message).related(*first, "here").help("take one of them out"),
                    );
                }
            }
        }
    },
};
