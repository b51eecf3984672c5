//! The moment, as rules see it: what is known of the models, the conversation and the budgets.

use crate::lang::input::Facts;
use crate::lang::ir::{Pool, Program, Sticky, Strategy};
use crate::lang::plan::Plan;
use crate::state::State;
use crate::state::clock::Clock;
use crate::state::ledger::{self, Caller, Held, Window};
use crate::state::names::Names;
use crate::state::store::{Reads, Seen};

impl State {
    /// The moment of a call. `names` are those of the plan's catalogue; `seen` is what a shared store
    /// said of it, which wins over what is known here.
    pub fn facts(&self, plan: &Plan, names: &Names, caller: Caller<'_>, clock: &Clock, seen: Option<&Seen>) -> Facts {
        let (now, elapsed) = (clock.now(), clock.instant());
        let program = &plan.program;
        let known = caller.session.map(|session| self.sessions.known(session, clock.unix_ms())).unwrap_or_default();
        let catalogue = &program.catalogue;
        let mut models = self.health.facts(names, elapsed);
        for (name, tokens) in &known.cached {
            if let Some(model) = names.id(name) {
                models.of_mut(model).cached_tokens = *tokens;
            }
        }
        let sticky = program.pools.iter().map(|pool| {
            let id = sticky_id(pool.sticky?, caller)?;
            let said = seen.and_then(|seen| seen.kept.iter().find(|((name, of), _)| *name == pool.name && of == id));
            let model = match said {
                Some((_, model)) => model.clone(),
                None => self.sessions.kept(&pool.name, id),
            }?;
            let place = pool.members.iter().find(|member| catalogue.card(member.model).full_name() == model)?;
            Some(place.model.0)
        });
        let turns = program.pools.iter().map(|pool| {
            let said = seen.and_then(|seen| seen.turns.iter().find(|(name, _)| *name == pool.name));
            said.map_or_else(|| self.sessions.turn(&pool.name), |(_, turn)| *turn)
        });
        let held = self.held(program, caller, clock, seen);
        Facts {
            minute: now.minute,
            weekday: now.weekday,
            day: now.day,
            bucket: None,
            session_model: known.model.clone(),
            spent: held.iter().map(|held| held.map(|held| held.settled.saturating_add(held.reserved))).collect(),
            set_aside: held.iter().map(|held| held.map_or(0, |held| held.reserved)).collect(),
            models,
            turns: turns.collect(),
            sticky: sticky.collect(),
            ..Facts::default()
        }
    }

    /// What is held of the window of each budget.
    pub fn held(&self, program: &Program, caller: Caller<'_>, clock: &Clock, seen: Option<&Seen>) -> Vec<Option<Held>> {
        if program.budgets.is_empty() {
            return Vec::new();
        }
        let windows = ledger::windows(&program.budgets, caller, &clock.periods());
        let mut held = self.ledger.held(&windows);
        for (window, held) in windows.iter().zip(&mut held) {
            let said = window.as_ref().and_then(|window| seen?.windows.iter().find(|(known, _)| known == window));
            if let Some((_, said)) = said {
                *held = Some(*said);
            }
        }
        held
    }
}

/// What a decision about a caller's call looks at that other replicas change.
pub fn reads(program: &Program, caller: Caller<'_>, clock: &Clock) -> Reads {
    let windows: Vec<Window> = if program.budgets.is_empty() {
        Vec::new()
    } else {
        ledger::windows(&program.budgets, caller, &clock.periods()).into_iter().flatten().collect()
    };
    let kept =
        program.pools.iter().filter_map(|pool| Some((pool.name.clone(), sticky_id(pool.sticky?, caller)?.to_owned())));
    let turns = program.pools.iter().filter(|pool| takes_turns(pool)).map(|pool| pool.name.clone());
    Reads { windows, session: caller.session.map(str::to_owned), kept: kept.collect(), turns: turns.collect() }
}

/// Whether a pool's members are taken by a counter.
pub fn takes_turns(pool: &Pool) -> bool {
    match pool.strategy {
        Strategy::RoundRobin | Strategy::Weighted => true,
        Strategy::LeastBusy | Strategy::Fastest | Strategy::Cheapest => false,
    }
}

/// What a sticky pool keeps its member for.
pub fn sticky_id(sticky: Sticky, caller: Caller<'_>) -> Option<&str> {
    match sticky {
        Sticky::Session => caller.session,
        Sticky::User => caller.user,
        Sticky::Key => caller.key,
    }
}
