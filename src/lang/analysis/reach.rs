//! Whether a rule is ever reached. Rules before it are only looked at when they take what was found for it: a situation
//! in which the rule holds is looked for and decided; the rule that decides it instead is excluded, and so on, until the
//! rule itself decides or nothing is left.

use crate::lang::analysis::Analysis;
use crate::lang::analysis::query::{Answer, Query, Truth};
use crate::lang::analysis::situation::Situation;

/// The most earlier rules that are excluded for one question.
const BLOCKERS_MAX: usize = 1_000;
/// The most rules of a cover that are tried without each other, to name only those that matter.
const SHRINK_MAX: usize = 32;

/// Whether a rule is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Reach {
    /// In this situation it decides.
    Reached(Situation),
    /// Its condition never holds.
    Impossible,
    /// Its condition holds only where earlier rules do: these together take all of it.
    Never(Vec<Taken>),
    /// It is not known.
    Unknown,
}

/// An earlier rule, and what it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The rule, by its place.
    pub by: usize,
    /// The later rule holds there too, and the earlier one decides.
    pub situation: Situation,
}

impl Analysis<'_> {
    /// Whether a rule is ever reached; without one, whether the default is.
    pub fn reach(&self, rule: Option<usize>) -> Reach {
        let mut query = self.query();
        let holds = match rule {
            Some(rule) => query.rule(0, rule),
            None => query.always(),
        };
        self.reach_with(&mut query, rule, &[holds])
    }

    /// Whether a rule is reached while some more holds. `Impossible` and `Never` are said of all of it together.
    pub(super) fn reach_with(&self, query: &mut Query<'_>, rule: Option<usize>, holds: &[Truth]) -> Reach {
        let n_rules = self.world.program(0).rules.len();
        let own = rule.unwrap_or(n_rules);
        holds.iter().for_each(|truth| query.require(&[*truth]));
        let mut blockers: Vec<Taken> = Vec::new();
        let mut assumptions: Vec<Truth> = Vec::new();
        while blockers.len() <= BLOCKERS_MAX {
            match query.solve(&assumptions) {
                Answer::Unknown => return Reach::Unknown,
                Answer::No(core) if core.is_empty() => return Reach::Impossible,
                Answer::No(core) => return Reach::Never(cover(query, &assumptions, &blockers, core)),
                Answer::Yes(situation) => {
                    let winner = self.winner(0, &situation).unwrap_or(n_rules);
                    if winner == own {
                        return Reach::Reached(situation);
                    }
                    let new = winner < own && !blockers.iter().any(|taken| taken.by == winner);
                    if new {
                        assumptions.push(!query.rule(0, winner));
                        blockers.push(Taken { by: winner, situation });
                    } else {
                        // What was found is not what the evaluator sees: it is outside of what the theories know.
                        let answer = query.answer();
                        if !query.set_aside(&answer) {
                            return Reach::Unknown;
                        }
                    }
                }
            }
        }
        Reach::Unknown
    }
}

/// The earlier rules that a proof needs, as few as can be.
fn cover(query: &mut Query<'_>, assumptions: &[Truth], blockers: &[Taken], core: Vec<usize>) -> Vec<Taken> {
    let mut kept = core;
    if kept.len() <= SHRINK_MAX {
        for at in kept.clone() {
            let fewer: Vec<Truth> =
                kept.iter().filter(|other| **other != at).map(|other| assumptions[*other]).collect();
            if matches!(query.solve(&fewer), Answer::No(_)) {
                kept.retain(|other| *other != at);
            }
        }
    }
    kept.iter().map(|at| blockers[*at].clone()).collect()
}
