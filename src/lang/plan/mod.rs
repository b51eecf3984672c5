//! The plan: a program made ready for deciding. Literals become automata, thresholds become cells, and every slot gets
//! an index from what it is found to be to the rules that are still possible then. Immutable and shared.

pub mod bits;
mod globs;
mod members;
mod ordinals;
mod possible;
mod postings;
mod search;
mod texts;

use std::sync::Arc;

use crate::lang::ir::{Atom, Condition, Program, SlotId, Test};
use crate::lang::plan::bits::Bits;
use crate::lang::schema::fields::Cost;

pub use members::MemberPlan;
pub use ordinals::OrdinalPlan;
pub use postings::Postings;
pub use texts::TextPlan;

/// A program made ready for deciding.
#[derive(Debug)]
pub struct Plan {
    /// What it was made from.
    pub program: Arc<Program>,
    /// How each slot is asked.
    pub slots: Vec<SlotPlan>,
    /// Each atom's place among those of its slot, for texts and sets.
    pub local: Vec<u32>,
    /// What it costs to learn each slot; labels cost what their dearest line does.
    pub costs: Vec<Cost>,
    /// Slots that are read first, because they cost nothing.
    pub free: Vec<SlotId>,
    /// The lines of each label, those with the highest confidence first.
    pub label_orders: Vec<Vec<u32>>,
    /// How many words of 64 rules there are.
    pub n_words: usize,
}

/// How a slot is asked, by the kind of its values.
#[derive(Debug)]
pub enum SlotPlan {
    /// One value of an order; labels too.
    Ordinal(OrdinalPlan),
    /// A text.
    Text(Box<TextPlan>),
    /// A set of texts or paths.
    Set(MemberPlan),
}

/// Makes a program ready.
pub fn build(program: Arc<Program>) -> Plan {
    let n_rules = program.rules.len();
    let mut by_slot: Vec<Vec<usize>> = vec![Vec::new(); program.slots.len()];
    let mut local = vec![0u32; program.atoms.len()];
    for (index, atom) in program.atoms.iter().enumerate() {
        let alone = matches!(atom, Atom::Compare(..) | Atom::SameText(..));
        if !alone {
            let of_slot = &mut by_slot[atom.slot().index()];
            local[index] = u32::try_from(of_slot.len()).unwrap_or(u32::MAX);
            of_slot.push(index);
        }
    }
    let uses = rules_of_slots(&program);
    let mut slots = Vec::with_capacity(program.slots.len());
    for (index, slot) in program.slots.iter().enumerate() {
        let (atoms, rules) = (&by_slot[index], &uses[index]);
        let id = SlotId(u32::try_from(index).unwrap_or(u32::MAX));
        slots.push(if slot.ty().is_ordinal() {
            SlotPlan::Ordinal(ordinals::build(&program, id, atoms, rules))
        } else if slot.ty() == crate::lang::schema::types::Type::Text {
            SlotPlan::Text(Box::new(texts::build(&program, id, atoms, rules)))
        } else {
            SlotPlan::Set(members::build(&program, id, atoms, rules))
        });
    }
    let costs = costs(&program);
    let free = (0u32..).zip(&program.slots).filter(|(_, slot)| slot.is_free()).map(|(id, _)| SlotId(id)).collect();
    let label_orders = program.labels.iter().map(|label| {
        let mut order: Vec<u32> =
            (0u32..).zip(&label.lines).filter(|(_, line)| line.when.is_some()).map(|(id, _)| id).collect();
        order.sort_by_key(|line| (-label.lines[*line as usize].confidence, *line));
        order
    });
    let label_orders = label_orders.collect();
    Plan { slots, local, costs, free, label_orders, n_words: Bits::words_for(n_rules), program }
}

impl Plan {
    /// The tests of a condition, in the order of the source.
    pub fn tests(condition: &Condition) -> Vec<&Test> {
        let mut found = Vec::new();
        collect(condition, &mut found);
        found
    }

    /// The slots that any rule, label or adjust asks about.
    pub fn needs(&self) -> &[crate::lang::ir::Slot] {
        &self.program.slots
    }
}

fn collect<'c>(condition: &'c Condition, found: &mut Vec<&'c Test>) {
    match condition {
        Condition::Always(_) => {}
        Condition::Test(test) => found.push(test),
        Condition::And(parts) | Condition::Or(parts) => parts.iter().for_each(|part| collect(part, found)),
    }
}

/// The rules that ask about each slot, ascending.
fn rules_of_slots(program: &Program) -> Vec<Vec<u32>> {
    let mut uses: Vec<Vec<u32>> = vec![Vec::new(); program.slots.len()];
    for (index, rule) in (0u32..).zip(&program.rules) {
        for test in Plan::tests(&rule.when) {
            for atom in &test.atoms {
                let atom = &program.atoms[atom.index()];
                let slots = [Some(atom.slot()), atom.other_slot()];
                for slot in slots.into_iter().flatten() {
                    let rules = &mut uses[slot.index()];
                    if rules.last() != Some(&index) {
                        rules.push(index);
                    }
                }
            }
        }
    }
    uses
}

/// What it costs to learn each slot.
fn costs(program: &Program) -> Vec<Cost> {
    let row = |slot: &crate::lang::ir::Slot| match slot {
        crate::lang::ir::Slot::Field(field, _) => field.row().cost,
        crate::lang::ir::Slot::Label(_) => Cost::Look,
    };
    let mut costs: Vec<Cost> = program.slots.iter().map(row).collect();
    // Labels stand on one another at most so deep; each pass carries the cost one label further.
    for _ in 0..program.labels.len().min(64) {
        let before = costs.clone();
        for (index, slot) in program.slots.iter().enumerate() {
            if let crate::lang::ir::Slot::Label(label) = slot {
                let lines = &program.labels[label.index()].lines;
                let tests = lines.iter().filter_map(|line| line.when.as_ref()).flat_map(Plan::tests);
                let slots = tests.flat_map(|test| &test.atoms).map(|atom| program.atoms[atom.index()].slot());
                costs[index] = slots.map(|slot| before[slot.index()]).max().unwrap_or(Cost::Free).max(Cost::Look);
            }
        }
        if before == costs {
            break;
        }
    }
    costs
}
