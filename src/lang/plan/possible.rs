//! Whether a rule can still hold when one slot is known and nothing else: three-valued evaluation (Kleene).

use crate::lang::ir::{Atom, AtomId, Condition, Program, SlotId, Test};

/// What one slot is assumed to be.
#[derive(Clone, Copy)]
pub(super) enum Assumed {
    /// An ordered value.
    Value(i64),
    /// Absent; of texts and sets: nothing that is asked about it holds.
    Nothing,
}

/// The truth of a condition; none when it depends on other slots.
pub(super) fn truth(program: &Program, condition: &Condition, slot: SlotId, assumed: Assumed) -> Option<bool> {
    match condition {
        Condition::Always(value) => Some(*value),
        Condition::Test(test) => test_truth(program, test, slot, assumed),
        Condition::And(parts) => all(parts.iter().map(|part| truth(program, part, slot, assumed)), true),
        Condition::Or(parts) => all(parts.iter().map(|part| truth(program, part, slot, assumed)), false),
    }
}

/// `and` when `neutral` is true, `or` when it is false.
fn all(parts: impl Iterator<Item = Option<bool>>, neutral: bool) -> Option<bool> {
    let mut result = Some(neutral);
    for part in parts {
        match part {
            Some(value) if value != neutral => return Some(value),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

fn test_truth(program: &Program, test: &Test, slot: SlotId, assumed: Assumed) -> Option<bool> {
    let atoms = test.atoms.iter().map(|atom| atom_truth(program, *atom, slot, assumed));
    all(atoms, test.all).map(|value| value ^ test.negated)
}

fn atom_truth(program: &Program, atom: AtomId, slot: SlotId, assumed: Assumed) -> Option<bool> {
    match &program.atoms[atom.index()] {
        Atom::Within(of, set) if *of == slot => Some(match assumed {
            Assumed::Value(value) => set.contains(value),
            Assumed::Nothing => false,
        }),
        // A regular expression is asked by itself, when it is needed.
        Atom::Text(_, crate::lang::ir::TextTest::Matches(_)) => None,
        Atom::Text(of, _) | Atom::Holds(of, _) if *of == slot => Some(false),
        Atom::Within(..) | Atom::Compare(..) | Atom::Text(..) | Atom::SameText(..) | Atom::Holds(..) => None,
    }
}
