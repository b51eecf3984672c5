//! What can be done about a problem: fixes that change no decision, suggestions, and silence with a reason.

use std::collections::HashMap;
use std::path::Path;

use lsp_types::{
    CodeAction, CodeActionKind, Diagnostic as Told, DiagnosticRelatedInformation, DiagnosticSeverity, Location,
    NumberOrString, Range, TextEdit, Uri, WorkspaceEdit,
};

use crate::lang::Checked;
use crate::lang::diagnostic::{Diagnostic, Edit, secret};
use crate::lsp::documents::source_of;
use crate::lsp::place::{Encoding, uri};
use crate::tools::lint::fix;

/// A problem as the protocol says it.
pub(super) fn told(checked: &Checked, one: &Diagnostic, encoding: Encoding) -> Told {
    let source = checked.sources.get(one.span.source);
    let mut message = one.message.clone();
    for witness in &one.witnesses {
        message.push_str(&format!("\n{}: {}", witness.given, witness.shows));
    }
    if let Some(help) = &one.help {
        message.push_str(&format!("\n{help}"));
    }
    let related = one.related.iter().filter_map(|related| {
        let source = checked.sources.get(related.span.source);
        let location = Location { uri: uri(Path::new(&source.name))?, range: encoding.range(source, related.span) };
        Some(DiagnosticRelatedInformation { location, message: related.message.clone() })
    });
    let related: Vec<DiagnosticRelatedInformation> = related.collect();
    Told {
        range: encoding.range(source, one.span),
        severity: Some(if one.is_error() { DiagnosticSeverity::ERROR } else { DiagnosticSeverity::WARNING }),
        code: Some(NumberOrString::String(one.code.id.to_owned())),
        source: Some("router".to_owned()),
        message: secret::hide(&message).into_owned(),
        related_information: (!related.is_empty()).then_some(related),
        ..Told::default()
    }
}

/// The actions for the lines of a range of a file.
pub(super) fn of(
    checked: &Checked,
    problems: &[Diagnostic],
    path: &Path,
    range: Range,
    encoding: Encoding,
) -> Vec<CodeAction> {
    let Some(file) = source_of(checked, path) else { return Vec::new() };
    let source = checked.sources.get(file);
    // Whole lines: nobody wants to hit a word to mend it.
    let lines = range.start.line as usize..=range.end.line as usize;
    let mut found = Vec::new();
    let touches =
        |one: &&Diagnostic| one.span.source == file && lines.contains(&source.line_of(one.span.start as usize).0);
    for one in problems.iter().filter(touches) {
        let problem = told(checked, one, encoding);
        let what = one.help.as_deref().unwrap_or("mend it");
        for (edits, preferred) in [(&one.fix, true), (&one.suggestion, false)] {
            if let Some(edit) = workspace_edit(checked, edits, encoding) {
                let title = format!("{}: {what}", one.code.id);
                found.push(action(&title, CodeActionKind::QUICKFIX, edit, vec![problem.clone()], preferred));
            }
        }
        if !one.is_error() {
            let (line, at) = source.line_of(one.span.start as usize);
            let indent: String =
                source.text.get(at..).unwrap_or_default().chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
            let text = format!("{indent}# lint: allow({}) say why\n", one.code.id);
            let line = u32::try_from(line).unwrap_or(0);
            let place = lsp_types::Position { line, character: 0 };
            if let Some(edit) = at_place(path, Range { start: place, end: place }, text) {
                let title = format!("{}: silence it here, with a reason", one.code.id);
                found.push(action(&title, CodeActionKind::QUICKFIX, edit, vec![problem], false));
            }
        }
    }
    let all: Vec<&Diagnostic> = problems.iter().filter(|one| one.span.source == file && !one.fix.is_empty()).collect();
    if !all.is_empty() {
        let round = fix::round(&[(checked, problems)]);
        if let Some(text) = round.texts.get(&source.name)
            && let Some(edit) = at_place(path, encoding.whole(source), text.clone())
        {
            let title = "mend everything that changes no decision";
            found.push(action(title, CodeActionKind::SOURCE_FIX_ALL, edit, Vec::new(), false));
        }
    }
    found
}

fn action(title: &str, kind: CodeActionKind, edit: WorkspaceEdit, problems: Vec<Told>, preferred: bool) -> CodeAction {
    CodeAction {
        title: secret::hide(title).into_owned(),
        kind: Some(kind),
        diagnostics: (!problems.is_empty()).then_some(problems),
        edit: Some(edit),
        is_preferred: preferred.then_some(true),
        ..CodeAction::default()
    }
}

#[expect(clippy::mutable_key_type, reason = "the protocol's own type: its URIs do not change")]
fn at_place(path: &Path, range: Range, new_text: String) -> Option<WorkspaceEdit> {
    let changes = HashMap::from([(uri(path)?, vec![TextEdit { range, new_text }])]);
    Some(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() })
}

#[expect(clippy::mutable_key_type, reason = "the protocol's own type: its URIs do not change")]
fn workspace_edit(checked: &Checked, edits: &[Edit], encoding: Encoding) -> Option<WorkspaceEdit> {
    let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
    for edit in edits {
        let source = checked.sources.get(edit.span.source);
        let change = TextEdit { range: encoding.range(source, edit.span), new_text: edit.text.clone() };
        changes.entry(uri(Path::new(&source.name))?).or_default().push(change);
    }
    (!changes.is_empty()).then(|| WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() })
}
