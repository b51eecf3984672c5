//! Why a decision came about: of each earlier rule the first test that failed, of the deciding one every test, with what
//! was seen. It reads what the decision learnt, and learns nothing more for rules that were ruled out.

use std::borrow::Cow;

use crate::lang::eval::state::{State, Truth, Work};
use crate::lang::input::Bounds;
use crate::lang::ir::{Argument, Atom, Condition, Member, Pattern, Rule, Slot, SlotId, Test, TextTest};
use crate::lang::plan::Plan;
use crate::lang::schema::fields::Cost;
use crate::lang::schema::fold;
use crate::lang::schema::types::Type;
use crate::lang::source::Span;

/// How many characters of context stand on each side of a word that matched.
const CONTEXT_CHARS: usize = 20;
/// The longest value that is shown, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// Why a decision came about.
#[derive(Debug, Clone)]
pub struct Trace {
    /// In the order of evaluation; the deciding rule is among them, the default is not.
    pub rules: Vec<RuleTrace>,
    /// The fields that were learnt, as they are known.
    pub fields: Vec<(String, Seen)>,
    /// What the decision took.
    pub work: Work,
}

/// What became of a rule.
#[derive(Debug, Clone)]
pub struct RuleTrace {
    /// Its place.
    pub index: usize,
    /// It holds.
    pub matched: bool,
    /// The tests that say why: of a rule that holds those that hold, else the first that fails.
    pub because: Vec<Because>,
}

/// A test and what was seen.
#[derive(Debug, Clone)]
pub struct Because {
    /// The words of the source.
    pub span: Span,
    /// A `not` stands before its words.
    pub outer_not: bool,
    /// The let or label that stands between.
    pub via: Option<String>,
    /// It holds, its own `not` counted.
    pub held: bool,
    /// What was seen, in words.
    pub value: String,
}

/// A field's value, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Not there.
    Absent,
    /// An ordered value, in its type.
    Value(Type, i64),
    /// Of a count: between these.
    Between(i64, i64),
    /// A class, or a shortened text.
    Text(String),
    /// Members.
    Set(Vec<String>),
}

pub(super) fn of(state: &mut State<'_>, winner: Option<usize>, work: Work, all: bool) -> Trace {
    let program = &state.plan.program;
    let end = if all { program.rules.len() } else { winner.map_or(program.rules.len(), |index| index + 1) };
    let mut rules = Vec::with_capacity(end);
    for (index, rule) in program.rules.iter().take(end).enumerate() {
        let behind = winner.is_some_and(|winner| index > winner);
        let matched = Some(index) == winner || (behind && state.resolve(&rule.when));
        rules.push(rule_trace(state, index, rule, matched));
    }
    let fields = fields(state);
    Trace { rules, fields, work }
}

fn rule_trace(state: &mut State<'_>, index: usize, rule: &Rule, matched: bool) -> RuleTrace {
    let because = if matched {
        let mut held = Vec::new();
        holding(state, &rule.when, &mut held);
        held
    } else {
        failing(state, &rule.when).into_iter().collect()
    };
    RuleTrace { index, matched, because }
}

/// Every test of a condition that holds and makes it hold.
fn holding(state: &mut State<'_>, condition: &Condition, found: &mut Vec<Because>) {
    match condition {
        Condition::Always(_) => {}
        Condition::Test(test) => {
            if state.resolve_test(test) {
                found.push(because(state, test, true));
            }
        }
        Condition::And(parts) => parts.iter().for_each(|part| holding(state, part, found)),
        Condition::Or(parts) => {
            // One part is enough; one that is known already is taken before one that would have to be learnt.
            let known = parts.iter().find(|part| state.truth(part) == Truth::Is(true));
            let taken = known.or_else(|| parts.iter().find(|part| state.resolve(part)));
            if let Some(part) = taken {
                holding(state, part, found);
            }
        }
    }
}

/// The first test that fails, among those that are known to.
fn failing(state: &State<'_>, condition: &Condition) -> Option<Because> {
    match condition {
        Condition::Always(_) => None,
        Condition::Test(test) => (state.test(test) == Truth::Is(false)).then(|| because(state, test, false)),
        Condition::And(parts) => {
            let failed = parts.iter().find(|part| state.truth(part) == Truth::Is(false));
            failed.and_then(|part| failing(state, part))
        }
        Condition::Or(parts) => parts.first().and_then(|part| failing(state, part)),
    }
}

fn because(state: &State<'_>, test: &Test, held: bool) -> Because {
    Because {
        span: test.span,
        outer_not: test.outer_not,
        via: test.via.as_ref().map(ToString::to_string),
        held,
        value: value(state, test),
    }
}

/// What a test saw, in words.
fn value(state: &State<'_>, test: &Test) -> String {
    let program = &state.plan.program;
    let Some(first) = test.atoms.first() else { return String::new() };
    let atom = &program.atoms[first.index()];
    if let Atom::Compare(left, _, right) | Atom::SameText(left, right) = atom {
        return format!("{} and {}", slot_value(state, *left), slot_value(state, *right));
    }
    let slot = atom.slot();
    if let Slot::Label(label) = &program.slots[slot.index()] {
        return label_value(state, slot, label.index());
    }
    let holds = |atom: &&crate::lang::ir::AtomId| state.atom(**atom) == Truth::Is(true);
    let matched: Vec<&Atom> = test.atoms.iter().filter(holds).map(|atom| &program.atoms[atom.index()]).collect();
    let shown = |atom: &Atom| match atom {
        Atom::Text(_, TextTest::Contains(pattern)) => in_context(state, slot, pattern),
        Atom::Text(_, TextTest::Matches(regex)) => matched_by(state, slot, &regex.source),
        Atom::Holds(_, member) => holder(state, slot, member),
        Atom::Within(..) | Atom::Text(..) | Atom::Compare(..) | Atom::SameText(..) => None,
    };
    let words: Vec<String> = matched.iter().take(3).filter_map(|atom| shown(atom)).collect();
    if !words.is_empty() {
        return words.join(", ");
    }
    let contains = matches!(atom, Atom::Text(_, TextTest::Contains(_) | TextTest::Matches(_)));
    if contains {
        return "none of it found".to_owned();
    }
    slot_value(state, slot)
}

/// The class that a label gives, how sure it is, and the words that it goes by.
fn label_value(state: &State<'_>, slot: SlotId, label: usize) -> String {
    let label = &state.plan.program.labels[label];
    let line = state.known_ordinal(slot).flatten().and_then(|bounds| usize::try_from(bounds.low).ok());
    let Some(line) = line.filter(|line| *line < label.lines.len()) else { return "not looked at".to_owned() };
    let class = label.class_of(line);
    let Some(when) = &label.lines[line].when else { return format!("{class} (nothing else held)") };
    let test = Plan::tests(when).into_iter().find(|test| state.test(test) == Truth::Is(true));
    let words = test.map_or_else(String::new, |test| format!(": {}", value(state, test)));
    format!("{class} ({}){words}", Type::Percent.show(label.lines[line].confidence))
}

/// What is known of a slot, in words.
fn slot_value(state: &State<'_>, id: SlotId) -> String {
    match seen(state, id) {
        Seen::Absent => match &state.plan.program.slots[id.index()] {
            Slot::Field(field, _) => format!("absent ({})", field.row().absent.unwrap_or("nothing")),
            Slot::Label(_) => "absent".to_owned(),
        },
        Seen::Value(ty, value) => ty.show(value),
        Seen::Between(low, high) if low <= high / 4 => format!("at most {}", Type::Number.show(high)),
        Seen::Between(low, high) => format!("{} to {}", Type::Number.show(low), Type::Number.show(high)),
        Seen::Text(text) => text,
        Seen::Set(members) if members.is_empty() => "none".to_owned(),
        Seen::Set(members) => shortened(&members.join(", ")),
    }
}

/// What is known of a slot.
fn seen(state: &State<'_>, id: SlotId) -> Seen {
    let slot = &state.plan.program.slots[id.index()];
    if let Slot::Label(label) = slot {
        let label = &state.plan.program.labels[label.index()];
        let line = state.known_ordinal(id).flatten().and_then(|bounds| usize::try_from(bounds.low).ok());
        let Some(line) = line else { return Seen::Absent };
        return Seen::Text(label.class_of(line).to_owned());
    }
    match slot.ty() {
        Type::Text => match state.reading.text(slot) {
            Some(text) => Seen::Text(format!("\"{}\"", shortened(&text))),
            None => Seen::Absent,
        },
        Type::Paths | Type::Texts => Seen::Set(state.reading.set(slot).into_owned()),
        ty => {
            let bounds = state.known_ordinal(id).unwrap_or_else(|| {
                let dear = state.plan.costs[id.index()] == Cost::Count;
                if dear { Some(Bounds { low: 0, high: i64::MAX }) } else { state.reading.ordinal(slot, &[]) }
            });
            match bounds {
                None => Seen::Absent,
                Some(bounds) if bounds.is_exact() => Seen::Value(ty, bounds.low),
                Some(bounds) => Seen::Between(bounds.low, bounds.high),
            }
        }
    }
}

/// The fields that were learnt.
fn fields(state: &State<'_>) -> Vec<(String, Seen)> {
    let mut found = Vec::new();
    for (index, slot) in (0u32..).zip(&state.plan.program.slots) {
        let id = SlotId(index);
        if !state.is_known(id) {
            continue;
        }
        found.push((slot_name(&state.plan.program, slot), seen(state, id)));
        if let Slot::Label(label) = slot
            && let Some(Some(bounds)) = state.known_ordinal(id)
        {
            let label = &state.plan.program.labels[label.index()];
            let line = usize::try_from(bounds.low).unwrap_or(0);
            found
                .push((format!("{}.confidence", label.name), Seen::Value(Type::Percent, label.lines[line].confidence)));
        }
    }
    found
}

/// A slot as it is written.
pub fn slot_name(program: &crate::lang::ir::Program, slot: &Slot) -> String {
    match slot {
        Slot::Label(label) => program.labels[label.index()].name.clone(),
        Slot::Field(field, argument) => {
            let name = field.row().name;
            match argument {
                Argument::None => name.to_owned(),
                Argument::Text(text) => format!("{name}({})", crate::lang::schema::text::quote(text)),
                Argument::Model(model) => format!("{name}(\"{}\")", program.catalogue.card(*model).name),
                Argument::Pool(pool) => format!("{name}({})", program.pools[pool.index()].name),
                Argument::Budget(budget) => name.replace("NAME", &program.budgets[budget.index()].name),
            }
        }
    }
}

/// The words that a pattern matched, with some context.
fn in_context(state: &State<'_>, slot: SlotId, pattern: &Pattern) -> Option<String> {
    let text = state.reading.text(&state.plan.program.slots[slot.index()])?;
    let nfc = fold::nfc(&text);
    // One character folds to one character, so that places in the folded text are places in the text.
    let folded: Cow<'_, str> = if pattern.exact { Cow::Borrowed(&nfc) } else { Cow::Owned(fold::fold(&nfc)) };
    let at = fold::find(&folded, &pattern.text, pattern.starts_word, pattern.ends_word)?;
    let start = folded.get(..at)?.chars().count();
    Some(context(&nfc, start, pattern.text.chars().count()))
}

fn matched_by(state: &State<'_>, slot: SlotId, source: &str) -> Option<String> {
    let text = state.reading.text(&state.plan.program.slots[slot.index()])?;
    let nfc = fold::nfc(&text);
    let found = regex::Regex::new(source).ok()?.find(&nfc)?;
    let start = nfc.get(..found.start())?.chars().count();
    Some(context(&nfc, start, found.as_str().chars().count().min(VALUE_CHARS_MAX)))
}

/// Some characters of a text with their neighbours, on one line, the words themselves in brackets.
fn context(text: &str, start: usize, length: usize) -> String {
    let first = start.saturating_sub(CONTEXT_CHARS);
    let one_line = |c: char| if c.is_control() { ' ' } else { c };
    let mut chars = text.chars().skip(first).map(one_line);
    let before: String = chars.by_ref().take(start - first).collect();
    let word: String = chars.by_ref().take(length).collect();
    let mut after: String = chars.by_ref().take(CONTEXT_CHARS).collect();
    if chars.next().is_some() {
        after.push('…');
    }
    let lead = if first > 0 { "…" } else { "" };
    format!("\"{lead}{before}[{word}]{after}\"")
}

/// The member of a set that holds.
fn holder(state: &State<'_>, slot: SlotId, member: &Member) -> Option<String> {
    let set = state.reading.set(&state.plan.program.slots[slot.index()]);
    set.iter().find(|text| super::naive::member_is(text, member)).map(|text| shortened(text))
}

fn shortened(text: &str) -> String {
    let one_line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(VALUE_CHARS_MAX + 1).collect();
    if one_line.chars().count() <= VALUE_CHARS_MAX {
        return one_line;
    }
    let kept: String = one_line.chars().take(VALUE_CHARS_MAX - 1).collect();
    format!("{kept}…")
}
