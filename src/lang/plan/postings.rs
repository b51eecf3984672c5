//! From what holds of a text or a set to the rules that are still possible then.

use std::collections::HashMap;

use crate::lang::ir::{Program, SlotId};
use crate::lang::plan::Plan;
use crate::lang::plan::bits::Bits;
use crate::lang::plan::possible::{Assumed, truth};

/// The rules that each atom of a slot makes possible.
#[derive(Debug)]
pub struct Postings {
    /// The rules that are possible when nothing holds.
    pub base: Bits,
    by_atom: Vec<Rules>,
    /// No rule is ever ruled out.
    pub idle: bool,
}

/// Some rules, ascending.
#[derive(Debug)]
enum Rules {
    /// One by one.
    Few(Vec<u32>),
    /// So many that all words of a set are sooner joined.
    Many(Bits),
}

impl Postings {
    /// Of a slot: its atoms, and the rules that ask about it.
    pub(super) fn new(program: &Program, slot: SlotId, atoms: &[usize], rules: &[u32]) -> Self {
        let n_rules = program.rules.len();
        let places: HashMap<usize, usize> = atoms.iter().enumerate().map(|(local, atom)| (*atom, local)).collect();
        let mut base = Bits::all(n_rules);
        let mut lists: Vec<Vec<u32>> = vec![Vec::new(); atoms.len()];
        for rule in rules {
            let condition = &program.rules[*rule as usize].when;
            if truth(program, condition, slot, Assumed::Nothing) != Some(false) {
                continue;
            }
            base.set(*rule as usize, false);
            for test in Plan::tests(condition).iter().filter(|test| !test.negated) {
                for local in test.atoms.iter().filter_map(|atom| places.get(&atom.index())) {
                    let list = &mut lists[*local];
                    if list.last() != Some(rule) {
                        list.push(*rule);
                    }
                }
            }
        }
        let idle = base == Bits::all(n_rules);
        let by_atom = lists.into_iter().map(|list| {
            if list.len() <= base.words().len() {
                return Rules::Few(list);
            }
            let mut many = Bits::none(n_rules);
            list.iter().for_each(|rule| many.set(*rule as usize, true));
            Rules::Many(many)
        });
        Self { by_atom: by_atom.collect(), base, idle }
    }

    /// How many atoms there are.
    pub fn n_atoms(&self) -> usize {
        self.by_atom.len()
    }

    /// Takes away the rules that are not possible when some atoms hold and no others.
    pub fn narrow(&self, possible: &mut Bits, atoms: &[u32]) {
        if atoms.is_empty() {
            return possible.keep(&self.base);
        }
        let mut all = self.base.clone();
        for atom in atoms {
            match &self.by_atom[*atom as usize] {
                Rules::Few(list) => list.iter().for_each(|rule| all.set(*rule as usize, true)),
                Rules::Many(many) => all.add_all(many),
            }
        }
        possible.keep(&all);
    }

    /// The rules that an atom makes possible, ascending.
    pub fn rules(&self, atom: usize) -> Vec<u32> {
        match &self.by_atom[atom] {
            Rules::Few(list) => list.clone(),
            Rules::Many(many) => many.iter().collect(),
        }
    }
}
