//! Diagnostics for people: the place, the words underlined, what to do.

use std::fmt::Write as _;

use crate::lang::diagnostic::{Diagnostic, Severity, secret};
use crate::lang::source::{Sources, Span};

/// The longest part of a source line that is shown, in characters.
const LINE_CHARS_MAX: usize = 160;

/// The text of some diagnostics, in the order of their places, with a closing count.
pub fn human(sources: &Sources, found: &[Diagnostic], colour: bool) -> String {
    let mut text = String::new();
    for diagnostic in found {
        one(&mut text, sources, diagnostic, colour);
        text.push('\n');
    }
    // What looks like a secret is never shown, whatever the diagnostic is about.
    secret::hide(&text).into_owned()
}

fn one(text: &mut String, sources: &Sources, diagnostic: &Diagnostic, colour: bool) {
    let (paint, bold, plain) = match (colour, diagnostic.severity) {
        (false, _) => ("", "", ""),
        (true, Severity::Error) => ("\u{1b}[1;31m", "\u{1b}[1m", "\u{1b}[0m"),
        (true, Severity::Warning) => ("\u{1b}[1;33m", "\u{1b}[1m", "\u{1b}[0m"),
    };
    let (word, id) = (diagnostic.severity.word(), diagnostic.code.id);
    let _ = writeln!(text, "{paint}{word}[{id}]{plain}{bold}: {}{plain}", diagnostic.message);
    place(text, sources, diagnostic.span, "-->", paint, plain);
    for related in &diagnostic.related {
        let _ = writeln!(text, "  = note: {}", related.message);
        place(text, sources, related.span, ":::", "", "");
    }
    for witness in &diagnostic.witnesses {
        let _ = writeln!(text, "  = with: {}", witness.given);
        let _ = writeln!(text, "          {}", witness.shows);
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(text, "  = help: {help}");
    }
}

/// File, line and column, the line itself, and a mark under the words.
fn place(text: &mut String, sources: &Sources, span: Span, arrow: &str, paint: &str, plain: &str) {
    let source = sources.get(span.source);
    let at = source.position(span.start as usize);
    let _ = writeln!(text, " {arrow} {}:{}:{}", source.name, at.line, at.column);
    // A line may be cut in the middle of a secret.
    let line: Vec<char> = secret::hide(source.line(at.line)).chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
    let words = source.slice(span).lines().next().unwrap_or_default().chars().count();
    let first = (at.column - 1).saturating_sub(LINE_CHARS_MAX / 2);
    let shown: String = line.iter().skip(first).take(LINE_CHARS_MAX).collect();
    let blanks = at.column - 1 - first;
    let marks = words.clamp(1, LINE_CHARS_MAX - blanks.min(LINE_CHARS_MAX - 1));
    let _ = writeln!(text, "  | {}", shown.trim_end());
    let _ = writeln!(text, "  | {}{paint}{}{plain}", " ".repeat(blanks), "^".repeat(marks));
}
