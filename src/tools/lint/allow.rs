//! `# lint: allow(CODE) why`: what silences a lint on the line or item behind it, and what is wrong with such a comment.

use crate::lang::diagnostic::{Code, Diagnostic, Severity, codes};
use crate::lang::source::{Source, SourceId, Sources, Span};
use crate::lang::syntax;
use crate::tools::lint::{Lint, all_codes};

/// A comment that silences nothing.
pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W461",
        name: "unused-allow",
        severity: Severity::Warning,
        doc: "A `# lint: allow` silences nothing: what it allowed is not there any more. Take it out, so that the next one of its kind is seen.",
        bad: "# lint: allow(W401) kept for the next quarter\nlet a = \"gpt-5\"\ndefault { route a }",
        good: "# lint: allow(W401) kept for the next quarter\nlet a = \"gpt-5\"\ndefault { route \"gpt-5\" }",
    },
    // What it looks for is known only when all others have spoken.
    check: |_, _| {},
};

/// A comment that allows something, and the lines that it speaks for.
struct Allow {
    span: Span,
    code: &'static str,
    source: SourceId,
    from: usize,
    to: usize,
    used: bool,
}

/// Takes out what is allowed. An allowance without a reason, of a code that is not there, or that silences nothing, is a
/// problem of its own.
/// Nothing is allowed in `foreign` texts. `complete` says that every lint has spoken.
pub(super) fn apply(sources: &Sources, foreign: &[SourceId], complete: bool, found: &mut Vec<Diagnostic>) {
    let mut allows = Vec::new();
    for (index, source) in (0u16..).zip(&sources.0) {
        let id = SourceId(index);
        if !foreign.contains(&id) {
            read(source, id, &mut allows, found);
        }
    }
    found.retain(|problem| {
        let line = sources.position(problem.span).line;
        let speaks = |allow: &&mut Allow| {
            let code = allow.code == problem.code.id;
            code && allow.source == problem.span.source && (allow.from..=allow.to).contains(&line)
        };
        let allow = allows.iter_mut().find(speaks).filter(|_| !problem.is_error());
        if let Some(allow) = allow {
            allow.used = true;
            return false;
        }
        true
    });
    for allow in allows.iter().filter(|allow| complete && !allow.used) {
        let message = format!("nothing here is told {}", allow.code);
        let problem = Diagnostic::new(LINT.code, allow.span, message).help("take the comment out");
        found.push(match comment_line(sources.get(allow.source), allow.span) {
            Some(line) => problem.fix(line, ""),
            None => problem,
        });
    }
}

/// Reads the allowances of a source.
fn read(source: &Source, id: SourceId, allows: &mut Vec<Allow>, found: &mut Vec<Diagnostic>) {
    let last = source.text.lines().count();
    for comment in syntax::comments(source, id) {
        let Some(rest) = comment.text.trim_start_matches('#').trim().strip_prefix("lint:").map(str::trim) else {
            continue;
        };
        let parts = rest.strip_prefix("allow(").and_then(|rest| rest.split_once(')'));
        let Some((word, why)) = parts else {
            found.push(bad(comment.span, "the word behind `lint:` is `allow(CODE)`"));
            continue;
        };
        let code = all_codes().into_iter().find(|known| known.id == word || known.name == word);
        match code {
            None => found.push(bad(comment.span, &format!("there is no code `{word}`"))),
            Some(_) if why.trim().is_empty() => found.push(bad(comment.span, "the reason is missing behind it")),
            Some(code) => {
                let from = source.position(comment.span.start as usize).line;
                let to = end_of_next(source, from, last);
                allows.push(Allow { span: comment.span, code: code.id, source: id, from, to, used: false });
            }
        }
    }
}

/// The line of a comment that stands alone on it, with its end.
fn comment_line(source: &Source, span: Span) -> Option<Span> {
    let start = source.text.get(..span.start as usize)?.rfind('\n').map_or(0, |at| at + 1);
    let alone = source.text.get(start..span.start as usize)?.trim().is_empty();
    let end =
        source.text.get(span.end as usize..)?.find('\n').map_or(source.text.len(), |at| span.end as usize + at + 1);
    alone.then(|| Span::new(span.source, start..end))
}

/// The last line of what follows a comment: of a block its closing brace, else the next line with something in it.
fn end_of_next(source: &Source, comment: usize, last: usize) -> usize {
    let is_blank = |line: usize| source.line(line).trim().is_empty() || source.line(line).trim_start().starts_with('#');
    let Some(first) = (comment + 1..=last).find(|line| !is_blank(*line)) else { return comment };
    if !source.line(first).trim_end().ends_with('{') {
        return first;
    }
    (first + 1..=last).find(|line| source.line(*line).starts_with('}')).unwrap_or(last)
}

fn bad(span: Span, message: &str) -> Diagnostic {
    Diagnostic::new(&codes::BAD_ALLOW, span, message).help("write `# lint: allow(W401) why`")
}
