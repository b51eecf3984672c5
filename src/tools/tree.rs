//! A compiled plan in a form that a person can read: what is learnt in which order, what each answer rules out, and the
//! rules as trees of tests.

use std::fmt::Write as _;

use crate::lang::diagnostic::secret;
use crate::lang::eval::trace::slot_name;
use crate::lang::ir::{Atom, Condition, Label, Member, Outcome, Pattern, Program, Rule, Slot, Test, TextTest};
use crate::lang::plan::bits::Bits;
use crate::lang::plan::{OrdinalPlan, Plan, Postings, SlotPlan};
use crate::lang::schema::fields::Cost;
use crate::lang::schema::text::quote;
use crate::lang::schema::types::Type;
use crate::tools::explain::{WIDTH, cut, target_words};

/// How many ranges of a field are listed.
const RANGES_SHOWN_MAX: usize = 8;
/// How many rules are named in one place.
const NAMES_SHOWN_MAX: usize = 4;
/// The column in which the cost of a test stands.
const COST_COLUMN: usize = 84;

/// The plan in words, at most 100 characters wide.
pub fn show(plan: &Plan) -> String {
    let program = &plan.program;
    let labels = || program.labels.iter().zip(&plan.label_orders).filter(|(label, _)| label.asks());
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}, {}, {}; {} of {}, each learnt once for all",
        count(program.rules.len(), "rule"),
        count(labels().count(), "label"),
        count(program.adjusts.len(), "adjust"),
        count(program.atoms.len(), "test"),
        count(program.slots.len(), "field"),
    );
    let mut slots: Vec<usize> = (0..program.slots.len()).collect();
    slots.sort_by_key(|index| (plan.costs[*index], *index));
    if !slots.is_empty() {
        text.push_str("\nwhat is asked, the cheapest first, and the rules that are still possible then\n");
    }
    for index in slots {
        field(&mut text, plan, index);
    }
    if labels().next().is_some() {
        text.push_str("\nlabels, by confidence\n");
    }
    labels().for_each(|(label, order)| label_lines(&mut text, plan, label, order));
    if !program.rules.is_empty() || program.default.is_some() {
        text.push_str("\nrules: the first that holds decides; of what it lacks the cheapest is learnt first\n");
    }
    program.rules.iter().for_each(|rule| rule_lines(&mut text, plan, rule));
    if let Some(default) = &program.default {
        let _ = writeln!(text, "  {}", cut(&format!("default{}", outcome_words(program, default)), WIDTH - 2));
    }
    if !program.adjusts.is_empty() {
        text.push_str("\nadjusts: each that holds\n");
    }
    program.adjusts.iter().for_each(|rule| rule_lines(&mut text, plan, rule));
    text.push('\n');
    secret::hide(&text).into_owned()
}

fn cost_word(cost: Cost) -> &'static str {
    match cost {
        Cost::Free => "free",
        Cost::Look => "a look",
        Cost::Read => "the newest text",
        Cost::ReadAll => "every text",
        Cost::Count => "a count",
    }
}

fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

fn row(text: &mut String, indent: usize, words: &str, then: &str) {
    let (words, room) = (cut(words, 40), WIDTH - indent - 2);
    let line = if then.is_empty() { words } else { format!("{words:<40} {then}") };
    let _ = writeln!(text, "{}{}", " ".repeat(indent), cut(&line, room));
}

// --- fields ------------------------------------------------------------------------------------------------------------

fn field(text: &mut String, plan: &Plan, index: usize) {
    let (program, slot) = (&plan.program, &plan.program.slots[index]);
    let name = slot_name(program, slot);
    let how = match &plan.slots[index] {
        SlotPlan::Ordinal(ordinal) => count(ordinal.thresholds.len() + 1, "range"),
        SlotPlan::Text(texts) => match texts.search_words() {
            Some(how) => format!("{}, literals by {how}", count(texts.postings.n_atoms(), "test")),
            None => count(texts.postings.n_atoms(), "test"),
        },
        SlotPlan::Set(members) => format!("{}, by look-up", count(members.postings.n_atoms(), "test")),
    };
    let idle = match &plan.slots[index] {
        SlotPlan::Ordinal(ordinal) => ordinal.idle,
        SlotPlan::Text(texts) => texts.postings.idle,
        SlotPlan::Set(members) => members.postings.idle,
    };
    let alone = if idle { "rules out nothing alone; " } else { "" };
    let line = format!("{name}: {}; {alone}{how}", cost_word(plan.costs[index]));
    let _ = writeln!(text, "  {}", cut(&line, WIDTH - 2));
    if idle {
        return;
    }
    match &plan.slots[index] {
        SlotPlan::Ordinal(ordinal) => ranges(text, program, slot, ordinal),
        SlotPlan::Text(texts) => found(text, plan, index, &texts.postings),
        SlotPlan::Set(members) => found(text, plan, index, &members.postings),
    }
}

/// The ranges of an ordered field, neighbours that leave the same rules as one.
fn ranges(text: &mut String, program: &Program, slot: &Slot, ordinal: &OrdinalPlan) {
    let mut merged: Vec<(usize, usize, &Bits)> = Vec::new();
    for cell in 0..=ordinal.thresholds.len() {
        let vector = ordinal.vector(cell);
        match merged.last_mut() {
            Some((_, last, same)) if *same == vector => *last = cell,
            Some(_) | None => merged.push((cell, cell, vector)),
        }
    }
    for (first, last, vector) in merged.iter().take(RANGES_SHOWN_MAX) {
        let low = first.checked_sub(1).map(|at| ordinal.thresholds[at]);
        let high = ordinal.thresholds.get(*last).copied();
        let words = range_words(program, slot, low, high);
        // Below the first member of a set there is nothing.
        if !words.is_empty() {
            row(text, 4, &words, &rules_words(program, vector));
        }
    }
    more(text, merged.len().saturating_sub(RANGES_SHOWN_MAX));
    if slot.can_be_absent() {
        row(text, 4, "absent", &rules_words(program, &ordinal.absent));
    }
}

fn more(text: &mut String, n: usize) {
    if n > 0 {
        let _ = writeln!(text, "    … {n} more");
    }
}

/// The values from one on and below another one.
fn range_words(program: &Program, slot: &Slot, low: Option<i64>, high: Option<i64>) -> String {
    let ty = slot.ty();
    let members: Option<Vec<String>> = match (slot, ty) {
        (Slot::Label(label), _) => {
            let label = &program.labels[label.index()];
            Some((0..label.lines.len()).map(|line| label.class_of(line).to_owned()).collect())
        }
        (Slot::Field(..), Type::Member(closed)) => {
            Some(closed.members.iter().map(|&member| member.to_owned()).collect())
        }
        (Slot::Field(..), Type::Bool) => Some(vec!["false".to_owned(), "true".to_owned()]),
        (Slot::Field(..), _) => None,
    };
    if let Some(members) = members {
        let place = |value: i64| usize::try_from(value).unwrap_or(0).min(members.len());
        let of = &members[low.map_or(0, place)..high.map_or(members.len(), place)];
        let mut of = of.to_vec();
        of.dedup();
        return of.join(", ");
    }
    // Of two neighbours the one is shown that people write: `> 8000` and not `>= 8000.000000001`.
    let shown = |value: i64| {
        let (before, at) = (ty.show(value.saturating_sub(1)), ty.show(value));
        if before.len() < at.len() { (before, true) } else { (at, false) }
    };
    let above = low.map(shown).map(|(shown, over)| format!("{} {shown}", if over { ">" } else { ">=" }));
    let below = high.map(shown).map(|(shown, over)| format!("{} {shown}", if over { "<=" } else { "<" }));
    match (above, below) {
        (Some(above), Some(below)) => format!("{above}, {below}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "any".to_owned(),
    }
}

/// What may be found in a text or a set, by the rules that it makes possible.
fn found(text: &mut String, plan: &Plan, slot: usize, postings: &Postings) {
    let program = &plan.program;
    row(text, 4, "nothing of it", &rules_words(program, &postings.base));
    let of_slot = program.atoms.iter().zip(&plan.local).filter(|(atom, _)| atom.slot().index() == slot);
    let mut words = vec![None; postings.n_atoms()];
    for (atom, local) in of_slot {
        if let (Some(place), Some(said)) = (words.get_mut(*local as usize), atom_words(atom)) {
            *place = Some(said);
        }
    }
    // What leads to the same rules makes one row.
    let mut rows: Vec<(Vec<u32>, Vec<String>)> = Vec::new();
    for (atom, said) in words.into_iter().enumerate() {
        let (rules, Some(said)) = (postings.rules(atom), said) else { continue };
        match rows.last_mut() {
            _ if rules.is_empty() => {}
            Some((same, all)) if *same == rules => all.push(said),
            Some(_) | None => rows.push((rules, vec![said])),
        }
    }
    for (rules, said) in rows.iter().take(RANGES_SHOWN_MAX) {
        let shown = said.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(", ");
        let what = if said.len() > 2 { format!("{}, … {} in all", cut(&shown, 24), said.len()) } else { shown };
        let names: Vec<&str> = rules.iter().map(|rule| program.rules[*rule as usize].name.as_str()).collect();
        row(text, 4, &what, &format!("also {}", names_words(&names)));
    }
    more(text, rows.len().saturating_sub(RANGES_SHOWN_MAX));
}

/// What a test of a text or a set looks for.
fn atom_words(atom: &Atom) -> Option<String> {
    let said = match atom {
        Atom::Text(_, TextTest::Present) => "there at all".to_owned(),
        Atom::Text(_, TextTest::NotEmpty) | Atom::Holds(_, Member::Any) => "anything".to_owned(),
        Atom::Text(_, TextTest::Is(value)) | Atom::Holds(_, Member::Is(value)) => quote(value),
        Atom::Text(_, TextTest::Like(glob)) | Atom::Holds(_, Member::Glob(glob)) => {
            format!("a glob with {}", quote(&glob.runs().join("…")))
        }
        Atom::Text(_, TextTest::Contains(pattern)) => pattern_words(pattern),
        Atom::Holds(_, Member::Extension(name) | Member::FileName(name)) => quote(name),
        Atom::Text(_, TextTest::Matches(_)) | Atom::Within(..) | Atom::Compare(..) | Atom::SameText(..) => return None,
    };
    Some(said)
}

/// A pattern as it is written.
fn pattern_words(pattern: &Pattern) -> String {
    let text = quote(&pattern.text);
    let exact = if pattern.exact { "exact " } else { "" };
    let inner = text.trim_matches('"');
    match (pattern.starts_word, pattern.ends_word) {
        (true, true) => format!("{exact}word {text}"),
        (true, false) => format!("{exact}word \"{inner}*\""),
        (false, true) => format!("{exact}word \"*{inner}\""),
        (false, false) => format!("{exact}{text}"),
    }
}

fn rules_words(program: &Program, bits: &Bits) -> String {
    let (mut there, mut gone) = (Vec::new(), Vec::new());
    for (index, rule) in program.rules.iter().enumerate() {
        if bits.has(index) { &mut there } else { &mut gone }.push(rule.name.as_str());
    }
    match (there.len(), gone.len()) {
        (_, 0) => "every rule".to_owned(),
        (0, _) => "no rule".to_owned(),
        (there_len, gone_len) if gone_len < there_len => format!("all but {}", names_words(&gone)),
        _ => names_words(&there),
    }
}

fn names_words(names: &[&str]) -> String {
    match names.len() {
        n if n <= NAMES_SHOWN_MAX => names.join(", "),
        n => format!("{} and {} more", names[..NAMES_SHOWN_MAX].join(", "), n - NAMES_SHOWN_MAX),
    }
}

// --- rules -------------------------------------------------------------------------------------------------------------

fn label_lines(text: &mut String, plan: &Plan, label: &Label, order: &[u32]) {
    let _ = writeln!(text, "  {}", cut(&label.name, WIDTH - 2));
    for line in order {
        let line = &label.lines[*line as usize];
        let confidence = Type::Percent.show(line.confidence);
        let _ = writeln!(text, "    {}", cut(&format!("{} {confidence}", label.classes[line.class]), WIDTH - 4));
        if let Some(when) = &line.when {
            condition(text, plan, when, 6);
        }
    }
    if let Some(otherwise) = label.lines.iter().find(|line| line.when.is_none()) {
        let _ = writeln!(text, "    {}", cut(&format!("{} otherwise", label.classes[otherwise.class]), WIDTH - 4));
    }
}

fn rule_lines(text: &mut String, plan: &Plan, rule: &Rule) {
    let head = format!("{}{}", rule.name, outcome_words(&plan.program, rule));
    let _ = writeln!(text, "  {}", cut(&head, WIDTH - 2));
    condition(text, plan, &rule.when, 4);
}

fn outcome_words(program: &Program, rule: &Rule) -> String {
    match &rule.outcome {
        None => String::new(),
        Some(Outcome::Reject { status, .. }) => format!(" → answered with {status}"),
        Some(Outcome::Route(chain)) => {
            let chain: Vec<String> = chain.iter().map(|(element, _)| target_words(program, element)).collect();
            format!(" → {}", chain.join(", else "))
        }
    }
}

fn condition(text: &mut String, plan: &Plan, when: &Condition, indent: usize) {
    match when {
        Condition::Always(value) => {
            let _ = writeln!(text, "{}{}", " ".repeat(indent), if *value { "always" } else { "never" });
        }
        Condition::Test(test) => test_line(text, plan, test, indent),
        Condition::And(parts) | Condition::Or(parts) => {
            let word = if matches!(when, Condition::And(_)) { "all of" } else { "any of" };
            let _ = writeln!(text, "{}{word}", " ".repeat(indent));
            parts.iter().for_each(|part| condition(text, plan, part, indent + 2));
        }
    }
}

fn test_line(text: &mut String, plan: &Plan, test: &Test, indent: usize) {
    let words = plan.program.sources.slice(test.span).split_whitespace().collect::<Vec<_>>().join(" ");
    let via = test.via.as_ref().map_or_else(String::new, |via| format!(" (by {via})"));
    let line = format!("{}{words}{via}", if test.outer_not { "not " } else { "" });
    let atoms = test.atoms.iter().map(|atom| &plan.program.atoms[atom.index()]);
    let slots = atoms.flat_map(|atom: &Atom| [Some(atom.slot()), atom.other_slot()]).flatten();
    let cost = slots.map(|slot| plan.costs[slot.index()]).max().unwrap_or(Cost::Free);
    let indent = indent.min(COST_COLUMN / 2);
    let width = COST_COLUMN - indent - 1;
    let _ = writeln!(text, "{}{:<width$} {}", " ".repeat(indent), cut(&line, width), cost_word(cost));
}
