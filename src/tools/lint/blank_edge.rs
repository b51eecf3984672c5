//! A pattern with a blank at its end.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W413",
        name: "blank-edge",
        severity: Severity::Warning,
        doc: "The blank at the end of the pattern must be found too: the pattern misses the word at an end of the text, before a comma, and at a line end. `word` finds it there as well.",
        bad: "rule r { when prompt contains \" go \" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "rule r { when prompt contains word \"go\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for list in &context.program().lists {
        for (pattern, span) in &list.patterns {
            let text = &pattern.text;
            let blank_only = text.trim().is_empty();
            if context.is_built_in(*span) || blank_only || text.trim() == text {
                continue;
            }
            let message = format!("the pattern `{text}` has a blank at its end, which must be found too");
            let help = format!("write `word {}`", crate::lang::schema::text::quote(text.trim()));
            found.push(Diagnostic::new(LINT.code, *span, message).help(help));
        }
    }
}
