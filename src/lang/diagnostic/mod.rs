//! What is wrong with a policy, as data: a code, a place, a sentence, a way out.
//! Diagnostics are collected and never thrown; `render` words them for people.

pub mod codes;
pub mod render;
pub mod secret;

use crate::lang::source::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The program works; its author should look.
    Warning,
    /// The program is refused.
    Error,
}

impl Severity {
    /// `error` or `warning`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One row of the table of codes: what a kind of diagnostic means.
#[derive(Debug)]
pub struct Code {
    /// `E1xx` syntax, `E2xx` names and types, `E3xx` limits, `W4xx` lints. Never reused.
    pub id: &'static str,
    /// The name in words, as in `allow(...)` and reports.
    pub name: &'static str,
    /// How bad it is unless the place says otherwise.
    pub severity: Severity,
    /// What it means and why it matters.
    pub doc: &'static str,
    /// A program that has the mistake.
    pub bad: &'static str,
    /// The program as it should be.
    pub good: &'static str,
}

/// A second place that a diagnostic speaks of.
#[derive(Debug, Clone)]
pub struct Related {
    /// Where.
    pub span: Span,
    /// What about it.
    pub message: String,
}

/// Other words for those of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub span: Span,
    /// What stands there then.
    pub text: String,
}

/// A request, and a moment, that show what a diagnostic says. `router explain` takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// What sets it apart from a minimal request, as a `test` gives it: `prompt "fix it", tokens 9_000`.
    pub given: String,
    /// The request: a body, or one with its headers, as JSON.
    pub request: String,
    /// What the request does not say by itself, each as `--what-if` takes it.
    pub what_if: Vec<String>,
    /// What becomes of it: `rule a decides`.
    pub shows: String,
}

/// One problem.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// Its row in the table of codes.
    pub code: &'static Code,
    /// Error or warning: the code's, or a softer one.
    pub severity: Severity,
    /// The words that are wrong.
    pub span: Span,
    /// What is wrong with them.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that it speaks of.
    pub related: Vec<Related>,
    /// Requests that show it.
    pub witnesses: Vec<Witness>,
    /// Edits that mend it and cannot change a decision; none where there are none.
    pub fix: Vec<Edit>,
    /// Edits that probably mend it, and that somebody has to agree to.
    pub suggestion: Vec<Edit>,
}

impl Diagnostic {
    /// A problem of a kind, at a place.
    pub fn new(code: &'static Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity,
            span,
            message: message.into(),
            help: None,
            related: Vec::new(),
            witnesses: Vec::new(),
            fix: Vec::new(),
            suggestion: Vec::new(),
        }
    }

    /// With a help line: an action.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With a help line, where there is one.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// With a second place.
    #[must_use]
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related { span, message: message.into() });
        self
    }

    /// With a request that shows it.
    #[must_use]
    pub fn witness(mut self, witness: Witness) -> Self {
        self.witnesses.push(witness);
        self
    }

    /// With an edit that mends it and cannot change a decision.
    #[must_use]
    pub fn fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix.push(Edit { span, text: text.into() });
        self
    }

    /// With the words that were probably meant, where there are some: `words` stand in the place of the wrong ones.
    #[must_use]
    pub fn meant(self, near: Option<&str>, words: impl FnOnce(&str) -> String) -> Self {
        let Some(near) = near else { return self };
        let span = self.span;
        self.help(format!("did you mean `{near}`?")).suggest(span, words(near))
    }

    /// With an edit that probably mends it.
    #[must_use]
    pub fn suggest(mut self, span: Span, text: impl Into<String>) -> Self {
        self.suggestion.push(Edit { span, text: text.into() });
        self
    }

    /// The same, only as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether it stops the program.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Whether any of them stops the program.
pub fn any_error(found: &[Diagnostic]) -> bool {
    found.iter().any(Diagnostic::is_error)
}
