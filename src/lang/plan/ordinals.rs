//! Ordered values: the thresholds of a slot cut its values into cells, and each cell knows the rules that are possible
//! in it. One binary search answers all comparisons on the slot at once (Lakshman and Stiliadis, 1998: bit vectors).

use crate::lang::ir::{Atom, Program, SlotId};
use crate::lang::plan::Plan;
use crate::lang::plan::bits::Bits;
use crate::lang::plan::possible::{Assumed, truth};

/// The most cells of one slot that have a vector of their own; beyond it, neighbours share one.
const VECTORS_MAX: usize = 4_096;

/// How an ordered slot is asked.
#[derive(Debug)]
pub struct OrdinalPlan {
    /// Ascending; the cell of a value is the number of thresholds at or below it.
    pub thresholds: Vec<i64>,
    /// Cells that share a vector.
    per_vector: usize,
    vectors: Vec<Bits>,
    /// The rules that are possible when the slot is absent.
    pub absent: Bits,
    /// No rule is ever ruled out by it.
    pub idle: bool,
}

impl OrdinalPlan {
    /// The cell of a value.
    pub fn cell(&self, value: i64) -> usize {
        self.thresholds.partition_point(|threshold| *threshold <= value)
    }

    /// The rules that are possible in a cell, or a few more.
    pub fn vector(&self, cell: usize) -> &Bits {
        &self.vectors[cell / self.per_vector]
    }
}

pub(super) fn build(program: &Program, slot: SlotId, atoms: &[usize], rules: &[u32]) -> OrdinalPlan {
    let n_rules = program.rules.len();
    let mut thresholds: Vec<i64> = Vec::new();
    for atom in atoms {
        if let Atom::Within(_, set) = &program.atoms[*atom] {
            thresholds.extend(set.thresholds());
        }
    }
    thresholds.sort_unstable();
    thresholds.dedup();
    let n_cells = thresholds.len() + 1;
    // Where each rule begins or ceases to be possible, by cell.
    let mut changes: Vec<Vec<(u32, bool)>> = vec![Vec::new(); n_cells];
    let mut absent = Bits::all(n_rules);
    for rule in rules {
        let condition = &program.rules[*rule as usize].when;
        let possible = |assumed| truth(program, condition, slot, assumed) != Some(false);
        absent.set(*rule as usize, possible(Assumed::Nothing));
        let mut own: Vec<i64> = own_thresholds(program, *rule, slot);
        own.sort_unstable();
        own.dedup();
        let mut before = true;
        for start in std::iter::once(i64::MIN).chain(own) {
            let now = possible(Assumed::Value(start));
            if now != before {
                let cell = thresholds.partition_point(|threshold| *threshold <= start);
                changes[cell].push((*rule, now));
                before = now;
            }
        }
    }
    let idle = changes.iter().all(Vec::is_empty) && absent == Bits::all(n_rules);
    let per_vector = n_cells.div_ceil(VECTORS_MAX);
    let mut vectors = Vec::with_capacity(n_cells.div_ceil(per_vector));
    let mut now = Bits::all(n_rules);
    for (cell, changes) in changes.iter().enumerate() {
        for (rule, possible) in changes {
            now.set(*rule as usize, *possible);
        }
        if cell % per_vector == 0 {
            vectors.push(now.clone());
        } else if let Some(shared) = vectors.last_mut() {
            changes.iter().filter(|(_, possible)| *possible).for_each(|(rule, _)| shared.set(*rule as usize, true));
        }
    }
    OrdinalPlan { thresholds, per_vector, vectors, absent, idle }
}

fn own_thresholds(program: &Program, rule: u32, slot: SlotId) -> Vec<i64> {
    let mut own = Vec::new();
    for test in Plan::tests(&program.rules[rule as usize].when) {
        for atom in &test.atoms {
            if let Atom::Within(of, set) = &program.atoms[atom.index()]
                && *of == slot
            {
                own.extend(set.thresholds());
            }
        }
    }
    own
}
