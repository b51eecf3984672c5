//! A pattern that no text of its field can match.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::ir::{Atom, Member, TextTest};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W412",
        name: "pattern-never-matches",
        severity: Severity::Warning,
        doc: "No text that the field can have matches the pattern: a prompt has no blanks at its ends, a path is written with `/`, a client is one word in lower case.",
        bad: "rule r { when client contains exact \"Claude\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "rule r { when client contains \"claude\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let program = context.program();
    for test in context.tests() {
        for atom in &test.atoms {
            if proofs.analysis.pattern_ever(*atom) != Some(false) {
                continue;
            }
            let atom = &program.atoms[atom.index()];
            let (words, own) = match atom {
                Atom::Text(_, TextTest::Contains(pattern)) => (pattern.text.clone(), Some(pattern)),
                Atom::Text(_, TextTest::Is(value)) => (value.clone(), None),
                Atom::Holds(_, Member::Extension(text) | Member::FileName(text) | Member::Is(text)) => {
                    (text.clone(), None)
                }
                Atom::Text(_, TextTest::Matches(regex)) => (format!("/{}/", regex.source), None),
                Atom::Text(..) | Atom::Holds(..) => ("the glob".to_owned(), None),
                Atom::Within(..) | Atom::Compare(..) | Atom::SameText(..) => continue,
            };
            let lists = program.lists.iter().filter(|list| list.slot == atom.slot());
            let written = lists.flat_map(|list| &list.patterns).find(|(pattern, span)| {
                Some(pattern) == own && test.span.start <= span.start && span.end <= test.span.end
            });
            let span = written.map_or(test.span, |(_, span)| *span);
            let message = format!("`{words}` never matches");
            let problem = Diagnostic::new(LINT.code, span, message);
            found.push(match proofs.analysis.form_words(atom.slot()) {
                Some(why) => problem.help(format!("write it as the field is: {why}")),
                None => problem.help("take it out"),
            });
        }
    }
}
