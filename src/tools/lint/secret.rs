//! A key or a token that stands in a rule file, where everybody who reads the rules reads it.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::source::{SourceId, Span};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W462",
        name: "secret",
        severity: Severity::Warning,
        doc: "What looks like a key or a token stands in the rule file, which others read and version control keeps. Keys belong in the environment; treat this one as known to others.",
        bad: "default { route \"gpt-5\" set header \"x-upstream-key\" \"sk-proj-abcdefghijklmnopqrstuvwx0123456789\" }",
        good: "default { route \"gpt-5\" set header \"x-team\" \"core\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (index, source) in (0u16..).zip(&context.checked.sources.0) {
        let id = SourceId(index);
        if id == context.prelude() {
            continue;
        }
        for range in crate::lang::diagnostic::secret::find(&source.text) {
            let problem = Diagnostic::new(LINT.code, Span::new(id, range), "this looks like a secret");
            found.push(problem.help("take it out, and replace the key: it has been read"));
        }
    }
}
