//! Problems as people and programs read them.

use serde_json::{Value, json};

use crate::lang::diagnostic::{Code, Diagnostic, Edit, Severity, Witness, render as words, secret};
use crate::lang::ir::load::PRELUDE_NAME;
use crate::lang::source::{Sources, Span};
use crate::tools::{uri_of, xml};

/// A form of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// A JSON list.
    Json,
    /// Annotations of GitHub's workflows.
    Github,
    /// SARIF 2.1.0, which code hosts show beside the lines.
    Sarif,
    /// JUnit's XML, which CI servers show as tests.
    Junit,
}

/// Problems of some programs, in a form. What looks like a secret is in none of them.
pub fn render(programs: &[(&Sources, &[Diagnostic])], format: Format, colour: bool) -> String {
    let text = match format {
        Format::Human => human(programs, colour),
        Format::Json => {
            let all: Vec<Value> =
                programs.iter().flat_map(|(sources, found)| found.iter().map(|one| json_of(sources, one))).collect();
            format!("{:#}\n", Value::from(all))
        }
        Format::Sarif => sarif(programs),
        Format::Junit => junit(programs),
        Format::Github => {
            programs.iter().flat_map(|(sources, found)| found.iter().map(|one| github(sources, one))).collect()
        }
    };
    secret::hide(&text).into_owned()
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
    let edits = |edits: &[Edit]| -> Value {
        let all: Vec<Value> = edits.iter().map(|edit| edit_json(sources, edit)).collect();
        if all.is_empty() { Value::Null } else { Value::from(all) }
    };
    let witnesses = one.witnesses.iter().map(witness_json);
    json!({
        "code": one.code.id, "name": one.code.name, "severity": one.severity.word(), "message": one.message, "help": one.help,
        "file": source.name, "line": start.line, "column": start.column, "end_line": end.line, "end_column": end.column,
        "related": related, "witnesses": witnesses.collect::<Vec<_>>(),
        "fix": edits(&one.fix), "suggestion": edits(&one.suggestion),
    })
}

/// A witness as JSON: its request is one that `router explain` takes.
pub fn witness_json(witness: &Witness) -> Value {
    let request: Value = serde_json::from_str(&witness.request).unwrap_or(Value::Null);
    json!({"given": witness.given, "request": request, "what_if": witness.what_if, "shows": witness.shows})
}

fn edit_json(sources: &Sources, edit: &Edit) -> Value {
    let source = sources.get(edit.span.source);
    let (start, end) = (source.position(edit.span.start as usize), source.position(edit.span.end as usize));
    json!({
        "file": source.name, "line": start.line, "column": start.column, "end_line": end.line, "end_column": end.column,
        "text": edit.text,
    })
}

/// Source: the OASIS standard "Static Analysis Results Interchange Format", version 2.1.0.
fn sarif(programs: &[(&Sources, &[Diagnostic])]) -> String {
    let codes = super::all_codes();
    let rule = |code: &&Code| {
        json!({
            "id": code.id, "name": code.name, "shortDescription": {"text": code.doc},
            "help": {"text": super::explain(code.id).unwrap_or_default()},
            "defaultConfiguration": {"level": code.severity.word()},
        })
    };
    let rules: Vec<Value> = codes.iter().map(rule).collect();
    let mut results = Vec::new();
    for (sources, found) in programs {
        for one in *found {
            let related = one.related.iter().map(|related| {
                json!({"physicalLocation": sarif_place(sources, related.span), "message": {"text": related.message}})
            });
            let mut result = json!({
                "ruleId": one.code.id, "ruleIndex": codes.iter().position(|code| code.id == one.code.id),
                "level": one.severity.word(), "message": {"text": with_help(one)},
                "locations": [{"physicalLocation": sarif_place(sources, one.span)}],
                "relatedLocations": related.collect::<Vec<_>>(),
            });
            if !one.fix.is_empty() {
                result["fixes"] = json!([{
                    "description": {"text": one.help.as_deref().unwrap_or("mend it")},
                    "artifactChanges": one.fix.iter().map(|edit| sarif_change(sources, edit)).collect::<Vec<_>>(),
                }]);
            }
            if !one.witnesses.is_empty() {
                result["properties"] = json!({"witnesses": one.witnesses.iter().map(witness_json).collect::<Vec<_>>()});
            }
            results.push(result);
        }
    }
    let driver = json!({"name": "router lint", "version": env!("CARGO_PKG_VERSION"), "rules": rules});
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    });
    format!("{log:#}\n")
}

fn sarif_place(sources: &Sources, span: Span) -> Value {
    json!({"artifactLocation": {"uri": uri_of(&sources.get(span.source).name)}, "region": sarif_region(sources, span)})
}

fn sarif_region(sources: &Sources, span: Span) -> Value {
    let source = sources.get(span.source);
    let (start, end) = (source.position(span.start as usize), source.position(span.end as usize));
    json!({"startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column})
}

fn sarif_change(sources: &Sources, edit: &Edit) -> Value {
    let replacement =
        json!({"deletedRegion": sarif_region(sources, edit.span), "insertedContent": {"text": edit.text}});
    json!({
        "artifactLocation": {"uri": uri_of(&sources.get(edit.span.source).name)}, "replacements": [replacement],
    })
}

/// What is wrong, a request that shows it, and what to do, in one line.
fn with_help(one: &Diagnostic) -> String {
    let mut text = one.message.clone();
    if let Some(witness) = one.witnesses.first() {
        text.push_str(&format!("; {}: {}", witness.given, witness.shows));
    }
    if let Some(help) = &one.help {
        text.push_str(&format!(" ({help})"));
    }
    text
}

/// One test case a file, failed by each of its problems.
fn junit(programs: &[(&Sources, &[Diagnostic])]) -> String {
    let (mut cases, mut n, mut failed) = (String::new(), 0, 0);
    for (sources, found) in programs {
        let own_files = |(_, source): &(usize, &crate::lang::source::Source)| source.name != PRELUDE_NAME;
        for (index, source) in sources.0.iter().enumerate().filter(own_files) {
            let own: Vec<&Diagnostic> = found.iter().filter(|one| one.span.source.0 as usize == index).collect();
            let name = xml(&source.name);
            n += 1;
            failed += usize::from(!own.is_empty());
            cases.push_str(&format!("    <testcase classname=\"router lint\" name=\"{name}\">\n"));
            for one in own {
                let at = sources.position(one.span);
                let (kind, message) = (format!("{} {}", one.code.id, one.severity.word()), xml(&with_help(one)));
                let (line, column) = (at.line, at.column);
                let open = format!("<failure type=\"{kind}\" message=\"{message}\">");
                cases.push_str(&format!("      {open}{name}:{line}:{column}: {message}</failure>\n"));
            }
            cases.push_str("    </testcase>\n");
        }
    }
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
    let suite = format!("  <testsuite name=\"router lint\" tests=\"{n}\" failures=\"{failed}\">\n");
    format!("{head}{suite}{cases}  </testsuite>\n</testsuites>\n")
}

fn file(sources: &Sources, span: Span) -> &str {
    &sources.get(span.source).name
}

fn github(sources: &Sources, one: &Diagnostic) -> String {
    let at = sources.position(one.span);
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    format!(
        "::{} file={},line={},col={},title={}::{}\n",
        one.severity.word(),
        property(file(sources, one.span)),
        at.line,
        at.column,
        one.code.id,
        escaped(&with_help(one)),
    )
}
