//! Deciding: plan and input to a decision, one pure function. `explain`, `test`, the proxy and the benchmarks call the
//! same one; `naive` reads the IR rule by rule and is what this is held to.

mod chain;
pub mod decision;
mod effective;
pub mod naive;
pub mod read;
mod state;
pub mod trace;

use crate::lang::catalogue::ModelId;
use crate::lang::eval::decision::{Decided, Decision};
use crate::lang::eval::state::State;
use crate::lang::eval::trace::Trace;
use crate::lang::input::Input;
use crate::lang::ir::Test;
use crate::lang::plan::Plan;

pub use effective::{Effective, InEffect};

/// Decides.
pub fn decide(plan: &Plan, input: &Input<'_>) -> Decision {
    let mut state = State::new(plan, input);
    let winner = state.winner();
    chain::decision(&mut state, winner)
}

/// Decides, and says how it came about. With `all`, rules behind the one that decided are evaluated too.
pub fn explain(plan: &Plan, input: &Input<'_>, all: bool) -> (Decision, Trace) {
    let mut state = State::new(plan, input);
    let winner = state.winner();
    let work = state.work();
    let decision = chain::decision(&mut state, winner);
    let trace = trace::of(&mut state, winner, work, all);
    (decision, trace)
}

/// The rule that decides, by its place; none is the default.
pub fn winner(plan: &Plan, input: &Input<'_>) -> Option<usize> {
    State::new(plan, input).winner()
}

/// The first rule that holds behind another one; none is the default. What would decide if that rule and all before it
/// were not there.
pub fn winner_behind(plan: &Plan, input: &Input<'_>, rule: usize) -> Option<usize> {
    State::new(plan, input).winner_from(rule + 1)
}

/// The line of a label that wins, for the property that holds this to the naive evaluator.
pub fn label_line(plan: &Plan, input: &Input<'_>, label: usize) -> usize {
    State::new(plan, input).label_line(label)
}

/// What is in effect for one attempt of a decision: settings, and the adjusts that gave them.
pub fn effective(plan: &Plan, input: &Input<'_>, decision: &Decision, attempt: usize) -> Effective {
    let mut state = State::new(plan, input);
    let winner = match decision.decided {
        Decided::Rule(index) => Some(index),
        Decided::Default | Decided::Budget(_) => None,
    };
    effective::of(&mut state, winner, decision.attempts.get(attempt).map(|attempt| attempt.model))
}

/// Whether a condition holds for an input.
pub fn holds(plan: &Plan, input: &Input<'_>, condition: &crate::lang::ir::Condition) -> bool {
    State::new(plan, input).resolve(condition)
}

/// Which of some tests hold, for an attempt on a model where they ask about the target.
pub fn hold_each(plan: &Plan, input: &Input<'_>, target: Option<ModelId>, tests: &[&Test]) -> Vec<bool> {
    let mut state = State::new(plan, input);
    state.on_target(target);
    tests.iter().map(|test| state.resolve_test(test)).collect()
}

/// What a request is expected to cost on a model, in nano-dollars; none where its price is not known.
pub fn cost(plan: &Plan, input: &Input<'_>, model: ModelId) -> Option<i64> {
    read::Reading { program: &plan.program, input, target: None }.cost(model)
}
