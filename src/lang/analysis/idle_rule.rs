//! Whether a rule changes nothing: whatever it takes, what follows would do the same with it.

use std::collections::HashMap;

use crate::lang::analysis::Analysis;
use crate::lang::analysis::effect::Effect;
use crate::lang::analysis::query::{Answer, Truth};
use crate::lang::analysis::situation::Situation;
use crate::lang::eval;
use crate::lang::input::Input;

/// The most rounds for one rule.
const ROUNDS_MAX: usize = 200;
/// The most rules of another effect that one round looks at.
const OTHERS_MAX: usize = 500;

/// What each rule of a program does, equal effects by one number; the default comes last.
#[derive(Debug)]
pub struct Effects(Vec<usize>);

impl Analysis<'_> {
    /// What the rules do.
    pub fn effects(&self) -> Effects {
        let program = self.world.program(0);
        let mut numbers: HashMap<Effect, usize> = HashMap::new();
        let rules = program.rules.iter().map(|rule| Effect::of(program, rule));
        let all = rules.chain([Effect::of_default(program)]).map(|effect| {
            let next = numbers.len();
            *numbers.entry(effect).or_insert(next)
        });
        Effects(all.collect())
    }

    /// Whether what follows a rule would do the same with everything that the rule takes; none when it is not known.
    /// `taken` is something that it takes.
    pub fn changes_nothing(&self, effects: &Effects, rule: usize, taken: &Situation) -> Option<bool> {
        let own = effects.0[rule];
        let same = |other: usize| effects.0[other] == own;
        let n_rules = self.world.program(0).rules.len();
        let next = |situation: &Situation| {
            let plan = self.world.plans[0];
            let facts = situation.facts(&plan.program, 0);
            eval::winner_behind(plan, &Input { request: situation, facts: &facts }, rule).unwrap_or(n_rules)
        };
        if !(rule + 1..=n_rules).any(same) || !same(next(taken)) {
            return Some(false);
        }
        let mut query = self.query();
        let holds = query.rule(0, rule);
        query.require(&[holds]);
        for _ in 0..ROUNDS_MAX {
            let situation = match query.solve(&[]) {
                Answer::No(_) => return Some(true),
                Answer::Unknown => return None,
                Answer::Yes(situation) => situation,
            };
            let winner = self.winner(0, &situation).unwrap_or(n_rules);
            if winner < rule {
                let earlier = query.rule(0, winner);
                query.require(&[!earlier]);
                continue;
            }
            if winner > rule {
                let answer = query.answer();
                if !query.set_aside(&answer) {
                    return None;
                }
                continue;
            }
            let follows = next(&situation);
            if !same(follows) {
                return Some(false);
            }
            // Wherever that one follows, something of another effect has to come before it.
            let others: Vec<usize> = (rule + 1..follows).filter(|other| !same(*other)).collect();
            if others.len() > OTHERS_MAX {
                return None;
            }
            let mut clause: Vec<Truth> = others.into_iter().map(|other| query.rule(0, other)).collect();
            if follows < n_rules {
                clause.push(!query.rule(0, follows));
            }
            query.require(&clause);
        }
        None
    }
}
