//! A class of a label that no condition asks about and that takes nothing from one that is asked about.

use std::collections::HashSet;

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::ir::{Atom, Slot};
use crate::lang::plan::Plan;
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W408",
        name: "unused-class",
        severity: Severity::Warning,
        doc: "No test tells the class from `otherwise`, and it never wins over a class that a test asks about: the conditions would be the same without it.",
        bad: "label size { big when tokens > 9k confidence 90% odd when stream confidence 50% small otherwise }\nrule r { when size is big route \"gpt-5\" }\ndefault { route \"gpt-5-mini\" }",
        good: "label size { big when tokens > 9k confidence 90% odd when stream confidence 95% small otherwise }\nrule r { when size is big route \"gpt-5\" }\ndefault { route \"gpt-5-mini\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let program = context.program();
    for (index, label) in program.labels.iter().enumerate() {
        let otherwise = label.lines.iter().position(|line| line.when.is_none());
        let Some(otherwise) = otherwise.filter(|_| !context.is_built_in(label.span)) else { continue };
        let asked = asked(context, index);
        // A label that nothing asks about is told as a whole.
        if asked.is_empty() {
            continue;
        }
        // Lines that every test sees alike are one kind of answer.
        let looks = |line: usize| asked.iter().map(|atom| holds_line(context, *atom, line)).collect::<Vec<bool>>();
        let plain = looks(otherwise);
        for (class, name) in label.classes.iter().enumerate() {
            let lines: Vec<usize> = (0..label.lines.len()).filter(|line| label.lines[*line].class == class).collect();
            let is_plain = lines.iter().all(|line| *line != otherwise && looks(*line) == plain);
            // It matters where it goes before a line that a test tells from `otherwise`.
            let goes_before = |line: usize, other: usize| {
                let (line, other) = ((label.lines[line].confidence, other), (label.lines[other].confidence, line));
                line.0 > other.0 || (line.0 == other.0 && line.1 > other.1)
            };
            let takes = lines.iter().any(|line| {
                (0..label.lines.len()).any(|other| {
                    label.lines[other].class != class && looks(other) != plain && goes_before(*line, other)
                })
            });
            if is_plain && !takes {
                let message = format!("nothing depends on the class `{name}` of `{}`", label.name);
                let problem = Diagnostic::new(LINT.code, label.lines[lines[0]].span, message);
                found.push(problem.help("ask about it, or take its lines out"));
            }
        }
    }
}

/// The atoms of the program that ask about a label: by conditions, and by what tests expect.
fn asked(context: &Context<'_>, label: usize) -> HashSet<usize> {
    let program = context.program();
    let expected = program.tests.iter().flat_map(|test| &test.expects).filter_map(|(expect, _)| match expect {
        crate::lang::ir::Expect::Condition(condition) => Some(condition),
        _ => None,
    });
    let lines = program.labels.iter().flat_map(|label| label.lines.iter().filter_map(|line| line.when.as_ref()));
    let rules = program.rules.iter().chain(&program.adjusts).map(|rule| &rule.when);
    let tests = rules.chain(lines).chain(expected).flat_map(Plan::tests);
    let atoms = tests.flat_map(|test| &test.atoms).map(|atom| atom.index());
    let of_label = |atom: &usize| match &program.atoms[*atom] {
        Atom::Within(slot, _) => matches!(&program.slots[slot.index()], Slot::Label(known) if known.index() == label),
        Atom::Compare(..) | Atom::Text(..) | Atom::SameText(..) | Atom::Holds(..) => false,
    };
    atoms.filter(of_label).collect()
}

fn holds_line(context: &Context<'_>, atom: usize, line: usize) -> bool {
    match &context.program().atoms[atom] {
        Atom::Within(_, set) => i64::try_from(line).is_ok_and(|line| set.contains(line)),
        Atom::Compare(..) | Atom::Text(..) | Atom::SameText(..) | Atom::Holds(..) => false,
    }
}
