//! What can be proved of a program: whether a rule is ever reached, whether a part of a condition has an effect, where two
//! programs decide differently. A claim that something can happen comes with a situation that shows it, which was
//! decided by the evaluator; a claim that it cannot is a proof. Where neither is found, the answer is that it is unknown.
//!
//! In goes a plan, or two; out come claims. The solver is a SAT solver; what ordered values, texts and sets can be is held
//! to its answers one by one (lazily, after Nieuwenhuis, Oliveras and Tinelli, "Solving SAT and SAT Modulo Theories", 2006).

mod chain;
mod conditions;
pub mod difference;
mod domain;
pub mod effect;
mod idle_rule;
mod ladder;
mod ordered;
mod query;
mod reach;
mod relations;
pub mod situation;
mod strings;
pub mod variable;
mod words;
mod world;

use crate::lang::analysis::query::Query;
use crate::lang::analysis::strings::Known;
use crate::lang::analysis::world::World;
use crate::lang::input::Input;
use crate::lang::plan::Plan;
use situation::Situation;

pub use chain::Stranded;
pub use conditions::{Absent, Holds, Idle};
pub use idle_rule::Effects;
pub use ladder::Border;
pub use reach::{Reach, Taken};

/// An analysis of a program, or of two over one catalogue.
#[derive(Debug)]
pub struct Analysis<'p> {
    world: World<'p>,
    known: Known,
}

impl<'p> Analysis<'p> {
    /// Of a program.
    pub fn of(plan: &'p Plan) -> Self {
        Self { world: World::of(vec![plan]), known: Known::default() }
    }

    fn query(&self) -> Query<'_> {
        Query::new(&self.world, &self.known)
    }

    /// Which rule of a program decides in a situation; none is the default.
    fn winner(&self, program: usize, situation: &Situation) -> Option<usize> {
        let plan = self.world.plans[program];
        let facts = situation.facts(&plan.program, program);
        self.world.winner(program, &Input { request: situation, facts: &facts })
    }
}
