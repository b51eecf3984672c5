//! The moment, as rules see it: what is known of the models, the conversation and the budgets.

use crate::lang::input::{Facts, ModelFacts};
use crate::lang::ir::{Pool, Sticky};
use crate::lang::plan::Plan;
use crate::state::State;
use crate::state::clock::Clock;
use crate::state::ledger::Caller;

impl State {
    /// The moment of a call. `names` holds `provider/model` of each model of the catalogue.
    pub fn facts(&self, plan: &Plan, names: &[String], caller: Caller<'_>, clock: &Clock) -> Facts {
        let (now, elapsed) = (clock.now(), clock.instant());
        let known = caller.session.map(|session| self.sessions.known(session, elapsed)).unwrap_or_default();
        let catalogue = &plan.program.catalogue;
        let models = self.health.facts(names, elapsed).into_iter().zip(names).map(|(seen, name)| {
            let cached = known.cached.iter().find(|(model, _)| model == name).map_or(0, |(_, tokens)| *tokens);
            ModelFacts { cached_tokens: cached, ..seen }
        });
        let sticky = plan.program.pools.iter().map(|pool| {
            let model = self.sessions.kept(&pool.name, sticky_id(pool.sticky?, caller)?)?;
            let place = pool.members.iter().find(|member| catalogue.card(member.model).full_name() == model)?;
            Some(place.model.0)
        });
        Facts {
            minute: now.minute,
            weekday: now.weekday,
            day: now.day,
            bucket: None,
            session_model: known.model.clone(),
            spent: self.ledger.spent(&plan.program.budgets, caller, &clock.zoned()),
            models: models.collect(),
            turns: plan.program.pools.iter().map(|pool| self.sessions.turn(&pool.name)).collect(),
            sticky: sticky.collect(),
            ..Facts::default()
        }
    }

    /// A pool's member answered: its turn is over, and who is sticky keeps it.
    pub fn taken(&self, pool: &Pool, caller: Caller<'_>, model: &str) {
        self.sessions.turn_taken(&pool.name);
        if let Some(id) = pool.sticky.and_then(|sticky| sticky_id(sticky, caller)) {
            self.sessions.keep(&pool.name, id, model);
        }
    }
}

/// What a sticky pool keeps its member for.
fn sticky_id(sticky: Sticky, caller: Caller<'_>) -> Option<&str> {
    match sticky {
        Sticky::Session => caller.session,
        Sticky::User => caller.user,
        Sticky::Key => caller.key,
    }
}
