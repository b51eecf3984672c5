//! The reference: a direct reading of the language, rule by rule, with no index, no automaton and no order of its own.
//! It shares with the other evaluator only how a slot is read.

use crate::lang::eval::read::Reading;
use crate::lang::input::Input;
use crate::lang::ir::{Atom, AtomId, Condition, Label, Member, Order, Pattern, Program, Slot, SlotId, TextTest};
use crate::lang::schema::fold;

/// The rule that decides, by its place; none is the default.
pub fn winner(program: &Program, input: &Input<'_>) -> Option<usize> {
    let reading = Reading { program, input, target: None };
    program.rules.iter().position(|rule| holds(reading, &rule.when))
}

/// Whether a condition holds.
pub fn holds(reading: Reading<'_>, condition: &Condition) -> bool {
    match condition {
        Condition::Always(value) => *value,
        Condition::And(parts) => parts.iter().all(|part| holds(reading, part)),
        Condition::Or(parts) => parts.iter().any(|part| holds(reading, part)),
        Condition::Test(test) => {
            let mut atoms = test.atoms.iter().map(|atom| atom_holds(reading, *atom));
            let held = if test.all { atoms.all(|held| held) } else { atoms.any(|held| held) };
            held != test.negated
        }
    }
}

/// The line of a label that wins.
pub fn label_line(reading: Reading<'_>, label: &Label) -> usize {
    let mut best: Option<usize> = None;
    for (index, line) in label.lines.iter().enumerate() {
        let held = line.when.as_ref().is_some_and(|when| holds(reading, when));
        if held && best.is_none_or(|best| line.confidence > label.lines[best].confidence) {
            best = Some(index);
        }
    }
    best.or_else(|| label.lines.iter().position(|line| line.when.is_none())).unwrap_or(0)
}

fn ordinal(reading: Reading<'_>, slot: SlotId) -> Option<i64> {
    match &reading.program.slots[slot.index()] {
        Slot::Label(label) => {
            let given = reading.input.facts.given_labels.iter().find(|(known, _)| *known == label.0);
            let line =
                given.map_or_else(|| label_line(reading, &reading.program.labels[label.index()]), |(_, line)| *line);
            i64::try_from(line).ok()
        }
        field @ Slot::Field(..) => reading.ordinal(field, &[]).map(|bounds| bounds.low),
    }
}

fn atom_holds(reading: Reading<'_>, atom: AtomId) -> bool {
    let slot_of = |slot: &SlotId| &reading.program.slots[slot.index()];
    match &reading.program.atoms[atom.index()] {
        Atom::Within(slot, set) => ordinal(reading, *slot).is_some_and(|value| set.contains(value)),
        Atom::Compare(left, order, right) => match (ordinal(reading, *left), ordinal(reading, *right)) {
            (Some(left), Some(right)) => match order {
                Order::Less => left < right,
                Order::LessOrEqual => left <= right,
                Order::Equal => left == right,
            },
            (None, _) | (_, None) => false,
        },
        Atom::SameText(left, right) => match (reading.text(slot_of(left)), reading.text(slot_of(right))) {
            (Some(left), Some(right)) => fold::fold(&left) == fold::fold(&right),
            (None, _) | (_, None) => false,
        },
        Atom::Text(slot, test) => reading.text(slot_of(slot)).is_some_and(|text| text_holds(&text, test)),
        Atom::Holds(slot, member) => {
            let set = reading.set(slot_of(slot));
            set.iter().any(|text| member_is(text, member))
        }
    }
}

/// Whether a test holds for a text that is there.
pub fn text_holds(text: &str, test: &TextTest) -> bool {
    match test {
        TextTest::Present => true,
        TextTest::NotEmpty => !text.is_empty(),
        TextTest::Is(value) => fold::fold(text) == *value,
        TextTest::Like(glob) => glob.matches(&fold::fold(text)),
        TextTest::Contains(pattern) => contains(text, pattern),
        TextTest::Matches(regex) => {
            regex::Regex::new(&regex.source).is_ok_and(|regex| regex.is_match(&fold::nfc(text)))
        }
    }
}

/// Tries every place of the text.
fn contains(text: &str, pattern: &Pattern) -> bool {
    let text = if pattern.exact { fold::nfc(text).into_owned() } else { fold::fold(text) };
    let chars: Vec<char> = text.chars().collect();
    let wanted: Vec<char> = pattern.text.chars().collect();
    (0..=chars.len().saturating_sub(wanted.len())).any(|start| {
        let end = start + wanted.len();
        let before = start.checked_sub(1).map(|at| chars[at]);
        chars.get(start..end) == Some(&wanted)
            && (!pattern.starts_word || fold::is_boundary(before, chars.get(start).copied()))
            && (!pattern.ends_word || fold::is_boundary(chars.get(end - 1).copied(), chars.get(end).copied()))
    })
}

/// Whether a member of a set is what is looked for.
pub fn member_is(text: &str, member: &Member) -> bool {
    let folded = fold::fold(text);
    let name = folded.rsplit('/').next().unwrap_or(&folded).to_owned();
    match member {
        Member::Any => true,
        Member::Extension(extension) => name.ends_with(extension.as_str()),
        Member::FileName(wanted) => name == *wanted,
        Member::Glob(glob) => glob.matches(&folded),
        Member::Is(wanted) => folded == *wanted,
    }
}
