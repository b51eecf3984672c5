//! Problems as people and programs read them.

use serde_json::{Value, json};

use crate::lang::diagnostic::{Diagnostic, Severity, render as words};
use crate::lang::source::{Sources, Span};

/// A form of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// A JSON list.
    Json,
    /// Annotations of GitHub's workflows.
    Github,
}

/// Problems of some programs, in a form.
pub fn render(programs: &[(&Sources, &[Diagnostic])], format: Format, colour: bool) -> String {
    match format {
        Format::Human => human(programs, colour),
        Format::Json => {
            let all: Vec<Value> =
                programs.iter().flat_map(|(sources, found)| found.iter().map(|one| json_of(sources, one))).collect();
            format!("{:#}\n", Value::from(all))
        }
        Format::Github => {
            programs.iter().flat_map(|(sources, found)| found.iter().map(|one| github(sources, one))).collect()
        }
    }
}

fn human(programs: &[(&Sources, &[Diagnostic])], colour: bool) -> String {
    let mut text: String = programs.iter().map(|(sources, found)| words::human(sources, found, colour)).collect();
    let n = |wanted: Severity| {
        programs.iter().flat_map(|(_, found)| found.iter()).filter(|one| one.severity == wanted).count()
    };
    let counts: Vec<String> = [(n(Severity::Error), "error"), (n(Severity::Warning), "warning")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if !counts.is_empty() {
        text.push_str(&counts.join(", "));
        text.push('\n');
    }
    text
}

fn json_of(sources: &Sources, one: &Diagnostic) -> Value {
    let source = sources.get(one.span.source);
    let (start, end) = (source.position(one.span.start as usize), source.position(one.span.end as usize));
    let related: Vec<Value> = one
        .related
        .iter()
        .map(|related| {
            let at = sources.position(related.span);
            json!({"file": file(sources, related.span), "line": at.line, "column": at.column, "message": related.message})
        })
        .collect();
    json!({
        "code": one.code.id, "name": one.code.name, "severity": one.severity.word(), "message": one.message, "help": one.help,
        "file": source.name, "line": start.line, "column": start.column, "end_line": end.line, "end_column": end.column,
        "related": related, "fix": one.fix,
    })
}

fn file(sources: &Sources, span: Span) -> &str {
    &sources.get(span.source).name
}

fn github(sources: &Sources, one: &Diagnostic) -> String {
    let at = sources.position(one.span);
    let escaped = |text: &str| text.replace('%', "%25").replace('\n', "%0A");
    let help = one.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
    format!(
        "::{} file={},line={},col={},title={}::{}\n",
        one.severity.word(),
        file(sources, one.span),
        at.line,
        at.column,
        one.code.id,
        escaped(&format!("{}{help}", one.message)),
    )
}
