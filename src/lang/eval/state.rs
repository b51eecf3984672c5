//! What is known so far of one request, and how more is learnt: the cheapest thing that the first undecided rule needs,
//! and after each the rules that it rules out at once.

use std::collections::HashMap;

use crate::lang::catalogue::ModelId;
use crate::lang::eval::read::Reading;
use crate::lang::input::{Bounds, Input};
use crate::lang::ir::{Atom, AtomId, Condition, Order, Program, Slot, SlotId, Test, TextTest};
use crate::lang::plan::bits::Bits;
use crate::lang::plan::{OrdinalPlan, Plan, Postings, SlotPlan};
use crate::lang::schema::fields::Cost;
use crate::lang::schema::fold;

/// The most cells whose vectors are joined, when a value is known up to a bound only.
const JOINED_CELLS_MAX: usize = 64;

/// What is known of a slot.
#[derive(Debug, Clone)]
enum Known {
    Nothing,
    /// None when it is absent.
    Ordinal(Option<Bounds>),
    /// The atoms that hold, of a text or a set.
    Hits(Bits),
}

/// A truth value, or what is missing for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    Is(bool),
    Open(Need),
}

/// What is missing, and what it costs to learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    cost: Cost,
    what: Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Slot(SlotId),
    /// A comparison of two slots, or a regular expression.
    Atom(AtomId),
}

/// What was done for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Bytes of texts that were searched.
    pub bytes_scanned: usize,
    /// How tokens were learnt.
    pub tokens: TokenWork,
}

/// How tokens were learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum TokenWork {
    /// Nobody asked.
    #[default]
    None,
    /// Bounds settled what was asked.
    Bounded,
    /// They were counted.
    Counted,
}

impl TokenWork {
    /// `none`, `bounded`, `counted`.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bounded => "bounded",
            Self::Counted => "counted",
        }
    }
}

pub(super) struct State<'a> {
    pub(super) plan: &'a Plan,
    pub(super) reading: Reading<'a>,
    slots: Vec<Known>,
    alone: HashMap<AtomId, bool>,
    /// The rules that are still possible, by all that the known slots say.
    possible: Bits,
    bytes_scanned: usize,
    token_work: TokenWork,
}

impl<'a> State<'a> {
    pub(super) fn new(plan: &'a Plan, input: &'a Input<'a>) -> Self {
        let reading = Reading { program: &plan.program, input, target: None };
        Self {
            plan,
            reading,
            slots: vec![Known::Nothing; plan.slots.len()],
            alone: HashMap::new(),
            possible: Bits::all(plan.program.rules.len()),
            bytes_scanned: 0,
            token_work: TokenWork::None,
        }
    }

    fn program(&self) -> &'a Program {
        &self.plan.program
    }

    pub(super) fn work(&self) -> Work {
        Work { bytes_scanned: self.bytes_scanned, tokens: self.token_work }
    }

    /// The same knowledge, for an attempt on a model: what speaks of the target is forgotten.
    pub(super) fn on_target(&mut self, target: Option<ModelId>) {
        self.reading.target = target;
        for (known, slot) in self.slots.iter_mut().zip(&self.plan.program.slots) {
            let of_target = matches!(slot, Slot::Field(field, _) if field.row().only_in_adjust());
            if of_target {
                *known = Known::Nothing;
            }
        }
    }

    /// The first rule that holds.
    pub(super) fn winner(&mut self) -> Option<usize> {
        self.winner_from(0)
    }

    /// The first rule that holds, from one on.
    pub(super) fn winner_from(&mut self, first: usize) -> Option<usize> {
        for slot in &self.plan.free {
            self.learn_slot(*slot, &[]);
        }
        let rules = &self.plan.program.rules;
        for word in first / 64..self.plan.n_words {
            let mut asked = if word == first / 64 { u64::MAX << (first % 64) } else { u64::MAX };
            loop {
                let open = self.possible.words()[word] & asked;
                if open == 0 {
                    break;
                }
                let index = word * 64 + open.trailing_zeros() as usize;
                match self.truth(&rules[index].when) {
                    Truth::Is(true) => return Some(index),
                    Truth::Is(false) => asked &= !(open & open.wrapping_neg()),
                    Truth::Open(need) => self.learn(need, &rules[index].when),
                }
            }
        }
        None
    }

    /// Whether a condition holds, whatever it takes to know.
    pub(super) fn resolve(&mut self, condition: &Condition) -> bool {
        loop {
            match self.truth(condition) {
                Truth::Is(value) => return value,
                Truth::Open(need) => self.learn(need, condition),
            }
        }
    }

    /// Whether a test holds, whatever it takes to know.
    pub(super) fn resolve_test(&mut self, test: &Test) -> bool {
        loop {
            match self.test(test) {
                Truth::Is(value) => return value,
                Truth::Open(need) => self.learn_for(need, &[test]),
            }
        }
    }

    // --- truth -----------------------------------------------------------------------------------------------------

    /// The truth of a condition by what is known.
    pub(super) fn truth(&self, condition: &Condition) -> Truth {
        match condition {
            Condition::Always(value) => Truth::Is(*value),
            Condition::Test(test) => self.test(test),
            Condition::And(parts) => join(parts.iter().map(|part| self.truth(part)), true),
            Condition::Or(parts) => join(parts.iter().map(|part| self.truth(part)), false),
        }
    }

    /// The truth of a test by what is known.
    pub(super) fn test(&self, test: &Test) -> Truth {
        match join(test.atoms.iter().map(|atom| self.atom(*atom)), test.all) {
            Truth::Is(value) => Truth::Is(value ^ test.negated),
            open @ Truth::Open(_) => open,
        }
    }

    /// The truth of an atom by what is known.
    pub(super) fn atom(&self, id: AtomId) -> Truth {
        let open = |slot: SlotId, what| Truth::Open(Need { cost: self.plan.costs[slot.index()], what });
        match &self.program().atoms[id.index()] {
            Atom::Within(slot, set) => match &self.slots[slot.index()] {
                Known::Ordinal(None) => Truth::Is(false),
                Known::Ordinal(Some(bounds)) => match set.contains_all(bounds.low, bounds.high) {
                    Some(value) => Truth::Is(value),
                    None => open(*slot, Missing::Slot(*slot)),
                },
                Known::Nothing | Known::Hits(_) => open(*slot, Missing::Slot(*slot)),
            },
            Atom::Text(slot, TextTest::Matches(_)) => match self.alone.get(&id) {
                Some(value) => Truth::Is(*value),
                None => open(*slot, Missing::Atom(id)),
            },
            Atom::Text(slot, _) | Atom::Holds(slot, _) => match &self.slots[slot.index()] {
                Known::Hits(hits) => Truth::Is(hits.has(self.plan.local[id.index()] as usize)),
                Known::Nothing | Known::Ordinal(_) => open(*slot, Missing::Slot(*slot)),
            },
            Atom::Compare(left, _, right) | Atom::SameText(left, right) => match self.alone.get(&id) {
                Some(value) => Truth::Is(*value),
                None => {
                    let dearer =
                        if self.plan.costs[left.index()] < self.plan.costs[right.index()] { right } else { left };
                    open(*dearer, Missing::Atom(id))
                }
            },
        }
    }

    // --- learning --------------------------------------------------------------------------------------------------

    fn learn(&mut self, need: Need, condition: &Condition) {
        match need.what {
            Missing::Atom(_) => self.learn_for(need, &[]),
            Missing::Slot(slot) if self.plan.costs[slot.index()] != Cost::Count => self.learn_for(need, &[]),
            Missing::Slot(_) => self.learn_for(need, &Plan::tests(condition)),
        }
    }

    /// Learns what is missing; of a count, enough for some tests.
    fn learn_for(&mut self, need: Need, tests: &[&Test]) {
        match need.what {
            Missing::Atom(atom) => self.learn_atom(atom),
            Missing::Slot(slot) => {
                let mut asked: Vec<i64> = Vec::new();
                for atom in tests.iter().flat_map(|test| &test.atoms) {
                    if let Atom::Within(of, set) = &self.program().atoms[atom.index()]
                        && *of == slot
                    {
                        asked.extend(set.thresholds());
                    }
                }
                asked.sort_unstable();
                asked.dedup();
                self.learn_slot(slot, &asked);
            }
        }
    }

    fn learn_atom(&mut self, id: AtomId) {
        let program = self.program();
        let held = match &program.atoms[id.index()] {
            Atom::Compare(left, order, right) => {
                let (left, right) = (self.exactly(*left), self.exactly(*right));
                match (left, right, order) {
                    (Some(left), Some(right), Order::Less) => left < right,
                    (Some(left), Some(right), Order::LessOrEqual) => left <= right,
                    (Some(left), Some(right), Order::Equal) => left == right,
                    (None, _, _) | (_, None, _) => false,
                }
            }
            Atom::SameText(left, right) => {
                let (left, right) = (&program.slots[left.index()], &program.slots[right.index()]);
                match (self.reading.text(left), self.reading.text(right)) {
                    (Some(left), Some(right)) => fold::same(&left, &right),
                    (None, _) | (_, None) => false,
                }
            }
            Atom::Text(slot, _) => {
                let text = self.reading.text(&program.slots[slot.index()]);
                self.bytes_scanned += text.as_deref().map_or(0, str::len);
                let SlotPlan::Text(plan) = &self.plan.slots[slot.index()] else { return };
                plan.matches(self.plan.local[id.index()], text.as_deref())
            }
            Atom::Within(..) | Atom::Holds(..) => false,
        };
        self.alone.insert(id, held);
    }

    /// An ordered slot to its last digit.
    pub(super) fn exactly(&mut self, slot: SlotId) -> Option<i64> {
        if let Known::Ordinal(Some(bounds)) = &self.slots[slot.index()]
            && bounds.is_exact()
        {
            return Some(bounds.low);
        }
        self.learn_slot(slot, &[]);
        match &self.slots[slot.index()] {
            Known::Ordinal(bounds) => bounds.map(|bounds| bounds.low),
            Known::Nothing | Known::Hits(_) => None,
        }
    }

    fn learn_slot(&mut self, id: SlotId, asked: &[i64]) {
        let slot = &self.program().slots[id.index()];
        let plan: &'a Plan = self.plan;
        match &plan.slots[id.index()] {
            SlotPlan::Ordinal(ordinal) => {
                let learnt = match slot {
                    Slot::Label(label) => {
                        Some(Bounds::exactly(i64::try_from(self.label_line(label.index())).unwrap_or(0)))
                    }
                    Slot::Field(..) => self.reading.ordinal(slot, asked),
                };
                let bounds = narrowed(&self.slots[id.index()], learnt);
                if plan.costs[id.index()] == Cost::Count && !matches!(slot, Slot::Label(_)) {
                    let work = match bounds {
                        None => TokenWork::None,
                        Some(bounds) if bounds.is_exact() => TokenWork::Counted,
                        Some(_) => TokenWork::Bounded,
                    };
                    self.token_work = self.token_work.max(work);
                }
                self.slots[id.index()] = Known::Ordinal(bounds);
                self.rule_out(ordinal, bounds);
            }
            SlotPlan::Text(text) => {
                let value = self.reading.text(slot);
                self.bytes_scanned += value.as_deref().map_or(0, str::len);
                let hits = self.hits(&text.postings, |hits, new| text.scan(value.as_deref(), hits, new));
                self.slots[id.index()] = Known::Hits(hits);
            }
            SlotPlan::Set(members) => {
                let value = self.reading.set(slot);
                let hits = self.hits(&members.postings, |hits, new| {
                    members.scan(&value, |atom| {
                        hits.set(atom as usize, true);
                        new(atom);
                    });
                });
                self.slots[id.index()] = Known::Hits(hits);
            }
        }
    }

    /// The atoms that a search tells of; takes in what they rule out.
    fn hits(&mut self, postings: &Postings, search: impl FnOnce(&mut Bits, &mut dyn FnMut(u32))) -> Bits {
        let mut hits = Bits::none(postings.n_atoms());
        let mut found = Vec::new();
        search(&mut hits, &mut |atom| found.push(atom));
        if !postings.idle {
            postings.narrow(&mut self.possible, &found);
        }
        hits
    }

    /// Takes in what an ordered value rules out.
    fn rule_out(&mut self, ordinal: &'a OrdinalPlan, bounds: Option<Bounds>) {
        if ordinal.idle {
            return;
        }
        let Some(bounds) = bounds else {
            return self.possible.keep(&ordinal.absent);
        };
        let (first, last) = (ordinal.cell(bounds.low), ordinal.cell(bounds.high));
        if first == last {
            self.possible.keep(ordinal.vector(first));
        } else if last - first < JOINED_CELLS_MAX {
            let mut joined = ordinal.vector(first).clone();
            (first + 1..=last).for_each(|cell| joined.add_all(ordinal.vector(cell)));
            self.possible.keep(&joined);
        }
    }

    /// The line of a label that wins: of those that hold, the one with the highest confidence, the earlier on a tie.
    pub(super) fn label_line(&mut self, label: usize) -> usize {
        let plan: &'a Plan = self.plan;
        if let Some((_, line)) =
            self.reading.input.facts.given_labels.iter().find(|(known, _)| *known as usize == label)
        {
            return *line;
        }
        let lines = &plan.program.labels[label].lines;
        for line in &plan.label_orders[label] {
            let when = lines[*line as usize].when.as_ref();
            if when.is_some_and(|when| self.resolve(when)) {
                return *line as usize;
            }
        }
        lines.iter().position(|line| line.when.is_none()).unwrap_or(0)
    }

    /// What is known of an ordered slot; none when nothing is.
    pub(super) fn known_ordinal(&self, slot: SlotId) -> Option<Option<Bounds>> {
        match &self.slots[slot.index()] {
            Known::Ordinal(bounds) => Some(*bounds),
            Known::Nothing | Known::Hits(_) => None,
        }
    }

    /// Whether anything is known of a slot.
    pub(super) fn is_known(&self, slot: SlotId) -> bool {
        !matches!(self.slots[slot.index()], Known::Nothing)
    }
}

/// What was known before and what was learnt now, together: an answer says no more than what was asked.
fn narrowed(known: &Known, learnt: Option<Bounds>) -> Option<Bounds> {
    let Known::Ordinal(Some(before)) = known else { return learnt };
    learnt.map(|now| Bounds { low: now.low.max(before.low), high: now.high.min(before.high) })
}

/// `and` when `neutral` is true, `or` when it is false; of what is missing, the cheapest.
fn join(parts: impl Iterator<Item = Truth>, neutral: bool) -> Truth {
    let mut missing: Option<Need> = None;
    for part in parts {
        match part {
            Truth::Is(value) if value != neutral => return Truth::Is(value),
            Truth::Is(_) => {}
            Truth::Open(need) => {
                if missing.is_none_or(|known| need.cost < known.cost) {
                    missing = Some(need);
                }
            }
        }
    }
    missing.map_or(Truth::Is(neutral), Truth::Open)
}
