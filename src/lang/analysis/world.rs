//! The one program, or the two, that a question is about, and which of their names mean the same.

use std::collections::HashSet;

use crate::lang::analysis::variable::{Owned, View, view};
use crate::lang::catalogue::{Catalogue, ModelId};
use crate::lang::input::Input;
use crate::lang::ir::{Budget, Pool, Program, Slot, SlotId};
use crate::lang::plan::Plan;

/// Programs over one catalogue.
#[derive(Debug)]
pub(super) struct World<'p> {
    pub(super) plans: Vec<&'p Plan>,
    /// Names of pools and budgets by which the second program means something else.
    differing: HashSet<String>,
}

impl<'p> World<'p> {
    pub(super) fn of(plans: Vec<&'p Plan>) -> Self {
        let mut differing = HashSet::new();
        if let [first, second] = plans.as_slice() {
            let (first, second) = (&first.program, &second.program);
            for pool in &second.pools {
                let same = first.pools.iter().any(|other| same_pool(pool, other));
                differing.extend((!same).then(|| pool.name.clone()));
            }
            for budget in &second.budgets {
                let same = first.budgets.iter().any(|other| {
                    (&budget.name, budget.period, &budget.scope) == (&other.name, other.period, &other.scope)
                });
                differing.extend((!same).then(|| budget.name.clone()));
            }
        }
        Self { plans, differing }
    }

    pub(super) fn program(&self, index: usize) -> &'p Program {
        &self.plans[index].program
    }

    pub(super) fn catalogue(&self) -> &'p Catalogue {
        &self.plans[0].program.catalogue
    }

    /// What a slot of a program asks about.
    pub(super) fn view(&self, program: usize, slot: SlotId) -> Option<View> {
        let slot: &Slot = &self.program(program).slots[slot.index()];
        view(self.program(program), slot, &|name| self.owned(program, name))
    }

    /// A pool or a budget of a program.
    pub(super) fn owned(&self, program: usize, name: &str) -> Owned {
        let program = self.differing.contains(name).then_some(program);
        Owned { name: name.to_owned(), program }
    }

    /// The programs that may define a name.
    fn owners(&self, owned: &Owned) -> impl Iterator<Item = &'p Program> {
        let own = owned.program;
        let plans = self.plans.iter().enumerate().filter(move |(index, _)| own.is_none_or(|own| own == *index));
        plans.map(|(_, plan)| &*plan.program)
    }

    pub(super) fn budget(&self, owned: &Owned) -> Option<&'p Budget> {
        self.owners(owned).find_map(|program| program.budgets.iter().find(|budget| budget.name == owned.name))
    }

    pub(super) fn pool(&self, owned: &Owned) -> Option<&'p Pool> {
        self.owners(owned).find_map(|program| program.pools.iter().find(|pool| pool.name == owned.name))
    }

    /// The members of a pool.
    pub(super) fn members(&self, owned: &Owned) -> Vec<ModelId> {
        self.pool(owned).map_or_else(Vec::new, |pool| pool.members.iter().map(|member| member.model).collect())
    }

    /// Which rule of a program decides.
    pub(super) fn winner(&self, program: usize, input: &Input<'_>) -> Option<usize> {
        crate::lang::eval::winner(self.plans[program], input)
    }
}

/// Whether two pools are the same in all that they do.
pub(super) fn same_pool(a: &Pool, b: &Pool) -> bool {
    let members = |pool: &Pool| pool.members.iter().map(|member| (member.model, member.weight)).collect::<Vec<_>>();
    a.name == b.name && a.strategy == b.strategy && a.sticky == b.sticky && members(a) == members(b)
}
