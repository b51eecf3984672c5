//! THE TABLE of lints. A lint is one file: its bad and good example are its documentation and its test.

mod contained_keyword;
mod duplicate_keyword;
mod pool_weights;
mod report;
mod unused;

use crate::lang::Checked;
use crate::lang::diagnostic::{Code, Diagnostic, codes};
use crate::lang::source::{SourceId, Sources, Span};
use crate::lang::syntax;

pub use report::{Format, render};

/// A lint.
#[derive(Debug)]
pub struct Lint {
    /// What it finds, with a bad and a good example.
    pub code: &'static Code,
    /// Looks for it.
    pub check: fn(&Checked, &mut Vec<Diagnostic>),
}

/// Every lint.
pub static LINTS: &[&Lint] = &[
    &unused::LET,
    &unused::LABEL,
    &unused::POOL,
    &unused::BUDGET,
    &pool_weights::LINT,
    &duplicate_keyword::LINT,
    &contained_keyword::LINT,
];

/// Every code that a program can be told, those of the language and those of lints.
pub fn all_codes() -> Vec<&'static Code> {
    codes::CODES.iter().copied().chain(LINTS.iter().map(|lint| lint.code)).collect()
}

/// Everything that is wrong with a program: what does not compile, and what lints find, without what is allowed.
pub fn run(checked: &Checked) -> Vec<Diagnostic> {
    let mut found = checked.problems.clone();
    // What did not parse may use any name.
    let unread = found.iter().any(|problem| problem.code.id == codes::SYNTAX.id);
    for lint in LINTS.iter().filter(|lint| !unread || !lint.code.name.starts_with("unused-")) {
        (lint.check)(checked, &mut found);
    }
    allow(&checked.sources, &mut found);
    found.sort_by_key(|problem| (problem.span, problem.code.id));
    found
}

/// `# lint: allow(CODE) why`: the code, and the lines that it speaks for.
struct Allow {
    source: SourceId,
    code: String,
    from: usize,
    to: usize,
}

/// Takes out what is allowed; an allowance without a reason, or of a code that is not there, is a problem of its own.
fn allow(sources: &Sources, found: &mut Vec<Diagnostic>) {
    let mut allows = Vec::new();
    for (index, source) in (0u16..).zip(&sources.0) {
        let id = SourceId(index);
        for comment in syntax::comments(source, id) {
            let Some(rest) = comment.text.trim_start_matches('#').trim().strip_prefix("lint:").map(str::trim) else {
                continue;
            };
            let parts = rest.strip_prefix("allow(").and_then(|rest| rest.split_once(')'));
            let Some((code, why)) = parts else {
                found.push(bad_allow(comment.span, "the word behind `lint:` is `allow(CODE)`"));
                continue;
            };
            let known = all_codes().iter().any(|known| known.id == code || known.name == code);
            if !known {
                found.push(bad_allow(comment.span, &format!("there is no code `{code}`")));
            } else if why.trim().is_empty() {
                found.push(bad_allow(comment.span, "the reason is missing behind it"));
            } else {
                let from = source.position(comment.span.start as usize).line;
                allows.push(Allow { source: id, code: code.to_owned(), from, to: end_of_next(source, from) });
            }
        }
    }
    found.retain(|problem| {
        let line = sources.position(problem.span).line;
        problem.is_error()
            || !allows.iter().any(|allow| {
                let code = allow.code == problem.code.id || allow.code == problem.code.name;
                code && allow.source == problem.span.source && (allow.from..=allow.to).contains(&line)
            })
    });
}

/// The last line of what follows a comment: of a block its closing brace, else the next line with something in it.
fn end_of_next(source: &crate::lang::source::Source, comment: usize) -> usize {
    let last = source.text.lines().count();
    let is_blank = |line: usize| source.line(line).trim().is_empty() || source.line(line).trim_start().starts_with('#');
    let Some(first) = (comment + 1..=last).find(|line| !is_blank(*line)) else { return comment };
    if !source.line(first).trim_end().ends_with('{') {
        return first;
    }
    (first + 1..=last).find(|line| source.line(*line).starts_with('}')).unwrap_or(last)
}

fn bad_allow(span: Span, message: &str) -> Diagnostic {
    Diagnostic::new(&codes::BAD_ALLOW, span, message).help("write `# lint: allow(W401) why`")
}

/// The text of `lint --explain CODE`.
pub fn explain(code: &str) -> Option<String> {
    let all = all_codes();
    let code = all.iter().find(|known| known.id.eq_ignore_ascii_case(code) || known.name == code)?;
    let indented = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let mut text = format!("{} {} ({})\n\n{}\n", code.id, code.name, code.severity.word(), code.doc);
    if !code.bad.is_empty() {
        text.push_str(&format!("\nwrong:\n\n{}", indented(code.bad)));
    }
    text.push_str(&format!("\nright:\n\n{}", indented(code.good)));
    Some(text)
}
