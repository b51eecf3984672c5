//! Sets of texts and paths: extensions, names and whole texts in tables, globs by what they name.

use std::collections::HashMap;

use crate::lang::ir::{Atom, Member, Program, SlotId};
use crate::lang::plan::globs::Globs;
use crate::lang::plan::postings::Postings;
use crate::lang::schema::fold::fold;

/// How a set slot is asked.
#[derive(Debug)]
pub struct MemberPlan {
    any: Vec<u32>,
    extensions: HashMap<String, u32>,
    names: HashMap<String, u32>,
    whole: HashMap<String, u32>,
    globs: Globs,
    /// The rules that are possible then.
    pub postings: Postings,
}

pub(super) fn build(program: &Program, slot: SlotId, atoms: &[usize], rules: &[u32]) -> MemberPlan {
    let mut plan = MemberPlan {
        any: Vec::new(),
        extensions: HashMap::new(),
        names: HashMap::new(),
        whole: HashMap::new(),
        globs: Globs::default(),
        postings: Postings::new(program, slot, atoms, rules),
    };
    let mut globs = Vec::new();
    for (local, atom) in (0u32..).zip(atoms) {
        let Atom::Holds(_, member) = &program.atoms[*atom] else { continue };
        match member {
            Member::Any => plan.any.push(local),
            Member::Extension(text) => drop(plan.extensions.insert(text.clone(), local)),
            Member::FileName(text) => drop(plan.names.insert(text.clone(), local)),
            Member::Is(text) => drop(plan.whole.insert(text.clone(), local)),
            Member::Glob(glob) => globs.push((glob.clone(), local)),
        }
    }
    plan.globs = Globs::new(globs);
    plan
}

impl MemberPlan {
    /// The atoms that hold for a set. Calls `hit` for each, some more than once.
    pub fn scan(&self, members: &[String], mut hit: impl FnMut(u32)) {
        if !members.is_empty() {
            self.any.iter().for_each(|atom| hit(*atom));
        }
        for member in members {
            let folded = fold(member);
            if let Some(atom) = self.whole.get(&folded) {
                hit(*atom);
            }
            let name = folded.rsplit('/').next().unwrap_or(&folded);
            if let Some(atom) = self.names.get(name) {
                hit(*atom);
            }
            if !self.extensions.is_empty() {
                for (dot, _) in name.match_indices('.') {
                    if let Some(atom) = name.get(dot..).and_then(|extension| self.extensions.get(extension)) {
                        hit(*atom);
                    }
                }
            }
            if !self.globs.is_empty() {
                self.globs.each(&folded, &mut hit);
            }
        }
    }
}
