//! How two programs decide differently: every pair of effects of which some request has one before and the other after,
//! each with such a request, or the proof that there is no more.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::lang::analysis::Analysis;
use crate::lang::analysis::effect::Effect;
use crate::lang::analysis::query::{Answer, Query, Truth};
use crate::lang::analysis::situation::{Situation, Value};
use crate::lang::analysis::variable::Variable;
use crate::lang::catalogue::ModelId;
use crate::lang::eval::naive;
use crate::lang::eval::read::Reading;
use crate::lang::input::Input;
use crate::lang::ir::Rule;
use crate::lang::plan::Plan;

/// The most pairs of effects that are told.
const GROUPS_MAX: usize = 200;
/// The most pairs of rules that are told of one pair of effects.
const PAIRS_MAX: usize = 12;
/// The most steps of the solver for one question about two whole programs.
const STEPS_MAX: u64 = 50_000_000;

/// How two programs differ in what they decide.
#[derive(Debug)]
pub struct Difference {
    /// By effect before and effect after.
    pub groups: Vec<Group>,
    /// Adjusts that hold for other requests, or set something else.
    pub adjusts: Vec<AdjustChange>,
    /// Nothing else differs: that is proved. Otherwise the search was given up.
    pub is_complete: bool,
}

/// Requests that had one effect and now have another.
#[derive(Debug)]
pub struct Group {
    /// What became of them.
    pub was: Effect,
    /// What becomes of them.
    pub now: Effect,
    /// Pairs of rules, each with a request.
    pub pairs: Vec<Pair>,
    /// There are more pairs than these.
    pub has_more: bool,
}

/// A request, and the rules that decide it before and after; none is the default.
#[derive(Debug)]
pub struct Pair {
    /// In the old program.
    pub was: Option<usize>,
    /// In the new one.
    pub now: Option<usize>,
    /// The request and the moment.
    pub situation: Situation,
}

/// An adjust that changed.
#[derive(Debug)]
pub struct AdjustChange {
    /// Its name.
    pub name: String,
    /// How.
    pub kind: AdjustKind,
}

/// How an adjust changed.
#[derive(Debug)]
pub enum AdjustKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It sets something else.
    Sets,
    /// It stands at another place among the others, which decides which of them wins.
    Moved,
    /// It holds for other requests, such as this one on this model; it does now, or it did.
    Holds {
        /// The request and the moment.
        situation: Box<Situation>,
        /// The model that it is sent to.
        target: ModelId,
        /// It holds now.
        now: bool,
    },
}

/// The rules of a program in a query.
struct Encoded {
    /// The rule's condition; the default, which always holds, comes last.
    holds: Vec<Truth>,
    /// The rule is the one that decides; the default comes last.
    decides: Vec<Truth>,
    /// By effect: one of its rules decides.
    by_effect: BTreeMap<usize, Truth>,
    effects: Vec<usize>,
}

/// The rules that are in one program alone, as the one that decides. Those in both are the same in condition and effect,
/// and stand in one order; which ones are taken for it does not matter for what follows.
fn lone(old: &Encoded, new: &Encoded) -> Vec<Truth> {
    let keys = |of: &Encoded| of.holds.iter().copied().zip(of.effects.iter().copied()).collect::<Vec<_>>();
    let (old_keys, new_keys) = (keys(old), keys(new));
    let mut places: HashMap<(Truth, usize), VecDeque<usize>> = HashMap::new();
    for (at, key) in new_keys.iter().enumerate() {
        places.entry(*key).or_default().push_back(at);
    }
    // Each rule of the old program with its equal in the new one, and of these the longest run that is in order there:
    // by its length, where the shortest tail of such a run stands.
    let mut matched: Vec<(usize, usize, Option<usize>)> = Vec::new();
    let mut tails: Vec<usize> = Vec::new();
    for (at, key) in old_keys.iter().enumerate() {
        let Some(place) = places.get_mut(key).and_then(VecDeque::pop_front) else { continue };
        let length = tails.partition_point(|tail| matched[*tail].1 < place);
        let before = length.checked_sub(1).map(|last| tails[last]);
        matched.push((at, place, before));
        match tails.get_mut(length) {
            Some(tail) => *tail = matched.len() - 1,
            None => tails.push(matched.len() - 1),
        }
    }
    let (mut in_both, mut next) = ((HashSet::new(), HashSet::new()), tails.last().copied());
    while let Some(at) = next {
        let (old_place, new_place, before) = matched[at];
        in_both.0.insert(old_place);
        in_both.1.insert(new_place);
        next = before;
    }
    let alone = |of: &Encoded, both: &HashSet<usize>| {
        (0..of.decides.len()).filter(|at| !both.contains(at)).map(|at| of.decides[at]).collect::<Vec<_>>()
    };
    alone(old, &in_both.0).into_iter().chain(alone(new, &in_both.1)).collect()
}

impl<'p> Analysis<'p> {
    /// Of two programs over one catalogue.
    pub fn of_two(old: &'p Plan, new: &'p Plan) -> Self {
        Self { world: super::world::World::of(vec![old, new]), known: super::strings::Known::default() }
    }

    /// How the second program decides differently from the first.
    pub fn difference(&self) -> Difference {
        let mut query = self.query();
        query.limit(STEPS_MAX);
        let mut numbers: HashMap<Effect, usize> = HashMap::new();
        let mut known: Vec<Effect> = Vec::new();
        let mut number = |effect: Effect| {
            *numbers.entry(effect.clone()).or_insert_with(|| {
                known.push(effect);
                known.len() - 1
            })
        };
        let [old, new] = [0, 1].map(|program| self.encode(&mut query, program, &mut number));
        let mut ways: Vec<Truth> = Vec::new();
        for (effect, was) in &old.by_effect {
            let parts = match new.by_effect.get(effect) {
                Some(still) => vec![*was, !*still],
                None => vec![*was],
            };
            ways.push(query.join(&parts, true));
        }
        query.require(&ways);
        // It follows, and saves the solver from finding it out: where neither decision is by a rule that is new or gone,
        // the first of the rules that are in both takes the request before and after.
        query.require(&lone(&old, &new));
        let mut groups: BTreeMap<(usize, usize), Group> = BTreeMap::new();
        let mut is_complete = false;
        while groups.len() < GROUPS_MAX {
            match self.differing(&mut query, (&old, &new), &[]) {
                Some(Ok(pair)) => {
                    let place = |encoded: &Encoded, rule: Option<usize>| rule.unwrap_or(encoded.effects.len() - 1);
                    let key = (old.effects[place(&old, pair.was)], new.effects[place(&new, pair.now)]);
                    let group = Group {
                        was: known[key.0].clone(),
                        now: known[key.1].clone(),
                        pairs: vec![pair],
                        has_more: false,
                    };
                    let group = self.more_pairs(&mut query, (&old, &new), key, group);
                    query.require(&[!old.by_effect[&key.0], !new.by_effect[&key.1]]);
                    groups.insert(key, group);
                }
                Some(Err(())) => {
                    is_complete = true;
                    break;
                }
                None => break,
            }
        }
        let adjusts = self.adjust_changes();
        Difference { groups: groups.into_values().collect(), adjusts, is_complete }
    }

    fn encode(&self, query: &mut Query<'_>, program: usize, number: &mut dyn FnMut(Effect) -> usize) -> Encoded {
        let known = self.world.program(program);
        let mut open = query.always();
        let (mut holds, mut decides, mut effects) = (Vec::new(), Vec::new(), Vec::new());
        for (index, rule) in known.rules.iter().enumerate() {
            let own = query.rule(program, index);
            holds.push(own);
            decides.push(query.join(&[open, own], true));
            open = query.join(&[open, !own], true);
            effects.push(number(Effect::of(known, rule)));
        }
        holds.push(query.always());
        decides.push(open);
        effects.push(number(Effect::of_default(known)));
        let mut rules: BTreeMap<usize, Vec<Truth>> = BTreeMap::new();
        for (effect, truth) in effects.iter().zip(&decides) {
            rules.entry(*effect).or_default().push(*truth);
        }
        let by_effect = rules.into_iter().map(|(effect, rules)| (effect, query.join(&rules, false))).collect();
        Encoded { holds, decides, by_effect, effects }
    }

    /// A request that the programs decide differently, under some assumptions. An error when there is none more; nothing
    /// when that is not known.
    fn differing(
        &self,
        query: &mut Query<'_>,
        (old, new): (&Encoded, &Encoded),
        assumptions: &[Truth],
    ) -> Option<Result<Pair, ()>> {
        loop {
            let situation = match query.solve(assumptions) {
                Answer::No(_) => return Some(Err(())),
                Answer::Unknown => return None,
                Answer::Yes(situation) => situation,
            };
            let [was, now] = [0, 1].map(|program| self.winner(program, &situation));
            let effects =
                [old.effects[was.unwrap_or(old.effects.len() - 1)], new.effects[now.unwrap_or(new.effects.len() - 1)]];
            if effects[0] != effects[1] {
                return Some(Ok(Pair { was, now, situation }));
            }
            let answer = query.answer();
            if !query.set_aside(&answer) {
                return None;
            }
        }
    }

    /// The other pairs of rules of a group.
    fn more_pairs(
        &self,
        query: &mut Query<'_>,
        (old, new): (&Encoded, &Encoded),
        (was, now): (usize, usize),
        mut group: Group,
    ) -> Group {
        let own = [old.by_effect[&was], new.by_effect[&now]];
        loop {
            let last = group.pairs.last().expect("a group begins with a pair");
            let place =
                |encoded: &Encoded, rule: Option<usize>| encoded.decides[rule.unwrap_or(encoded.decides.len() - 1)];
            query.require(&[!place(old, last.was), !place(new, last.now)]);
            match self.differing(query, (old, new), &own) {
                Some(Ok(_)) if group.pairs.len() >= PAIRS_MAX => {
                    group.has_more = true;
                    return group;
                }
                Some(Ok(pair)) => {
                    let repeats = group.pairs.iter().any(|known| (known.was, known.now) == (pair.was, pair.now));
                    if repeats {
                        return group;
                    }
                    group.pairs.push(pair);
                }
                Some(Err(())) | None => return group,
            }
        }
    }

    // --- adjusts -----------------------------------------------------------------------------------------------------

    fn adjust_changes(&self) -> Vec<AdjustChange> {
        let [old, new] = [0, 1].map(|program| &self.world.program(program).adjusts);
        let find = |list: &'_ [Rule], name: &str| list.iter().position(|rule| rule.name == name);
        let mut found = Vec::new();
        let mut last = None;
        for (index, rule) in old.iter().enumerate() {
            let change = |kind| AdjustChange { name: rule.name.clone(), kind };
            let Some(at) = find(new, &rule.name) else {
                found.push(change(AdjustKind::Removed));
                continue;
            };
            if last.is_some_and(|last| at < last) {
                found.push(change(AdjustKind::Moved));
            }
            last = last.max(Some(at));
            let effects = [
                Effect::of(self.world.program(0), rule).settings,
                Effect::of(self.world.program(1), &new[at]).settings,
            ];
            if effects[0] != effects[1] {
                found.push(change(AdjustKind::Sets));
            }
            found.extend([false, true].into_iter().find_map(|now| self.adjust_holds(index, at, now)).map(change));
        }
        let added = new.iter().filter(|rule| find(old, &rule.name).is_none());
        found.extend(added.map(|rule| AdjustChange { name: rule.name.clone(), kind: AdjustKind::Added }));
        found
    }

    /// A request and a model for which an adjust holds now and did not, or the other way round.
    fn adjust_holds(&self, was: usize, is: usize, now: bool) -> Option<AdjustKind> {
        let mut query = self.query();
        let [before, after] = [(0, was), (1, is)].map(|(program, adjust)| {
            let when = &self.world.program(program).adjusts[adjust].when;
            query.condition(program, when)
        });
        query.require(&[if now { after } else { before }]);
        query.require(&[if now { !before } else { !after }]);
        // Any model, where the conditions ask for none.
        let _ = query.at_least(&Variable::Target, 0);
        let Answer::Yes(situation) = query.solve(&[]) else { return None };
        let target = match situation.get(&Variable::Target) {
            Some(Value::Ordinal(place)) => ModelId(u32::try_from(*place).ok()?),
            _ => ModelId(0),
        };
        let held = [(0, was), (1, is)].map(|(index, adjust)| {
            let program = self.world.program(index);
            let facts = situation.facts(program, index);
            let input = Input { request: &situation, facts: &facts };
            naive::holds(Reading { program, input: &input, target: Some(target) }, &program.adjusts[adjust].when)
        });
        (held == [!now, now]).then(|| AdjustKind::Holds { situation: Box::new(situation), target, now })
    }
}
