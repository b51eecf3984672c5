//! Borders at which one rule ends and another begins: a value that falls between the two, or that both take.

use std::collections::BTreeMap;

use crate::lang::analysis::Analysis;
use crate::lang::analysis::domain;
use crate::lang::analysis::query::{Answer, Query, Truth};
use crate::lang::analysis::situation::{Situation, Value};
use crate::lang::analysis::variable::{Map, Variable};
use crate::lang::eval;
use crate::lang::input::Input;
use crate::lang::ir::{Atom, Condition, SlotId, Test};
use crate::lang::plan::Plan;
use crate::lang::schema::types::Type;
use crate::lang::source::Span;

/// How often a situation is looked for at one border.
const ROUNDS_MAX: usize = 20;
/// The most borders that are looked at.
const BORDERS_MAX: usize = 2_000;

/// A value at a border that is taken by neither, or by both, of the rules beside it.
#[derive(Debug, Clone)]
pub struct Border {
    /// The rule below the border and its test.
    pub below: (usize, Span),
    /// The rule above it and its test.
    pub above: (usize, Span),
    /// The field.
    pub slot: SlotId,
    /// The value.
    pub value: i64,
    /// Both rules hold for it, else neither.
    pub both: bool,
    /// With the value.
    pub situation: Situation,
    /// The same a step lower, where the rule below decides.
    pub lower: Situation,
    /// The same a step higher, where the rule above decides.
    pub higher: Situation,
}

/// One end of a range that a rule takes.
#[derive(Debug, Clone, Copy)]
struct End {
    rule: usize,
    span: Span,
}

/// The ends of the ranges of a field: where some stop, and where some begin.
type Ends = (BTreeMap<i64, Vec<End>>, BTreeMap<i64, Vec<End>>);

impl Analysis<'_> {
    /// The borders of a program at which a single value falls between two rules, or is taken by both.
    pub fn borders(&self) -> Vec<Border> {
        let mut fields: BTreeMap<SlotId, Ends> = BTreeMap::new();
        for (rule, known) in self.world.program(0).rules.iter().enumerate() {
            for test in Plan::tests(&known.when) {
                self.note_ends(rule, test, &mut fields);
            }
        }
        let mut found = Vec::new();
        let mut looked_at = 0;
        for (slot, (stops, starts)) in &fields {
            let Some(variable) = self.world.view(0, *slot).map(|view| view.variable) else { continue };
            let Some(step) = domain::of(&self.world, &variable).map(|domain| domain.step) else { continue };
            for (last, below) in stops {
                let gap = starts.get(&last.saturating_add(2 * step)).map(|above| (above, last + step, false));
                let overlap = starts.get(last).map(|above| (above, *last, true));
                for (above, value, both) in gap.into_iter().chain(overlap) {
                    for (below, above) in below.iter().flat_map(|below| above.iter().map(move |above| (below, above))) {
                        looked_at += 1;
                        if below.rule != above.rule && looked_at <= BORDERS_MAX {
                            found.extend(self.border(*slot, &variable, step, (*below, *above), value, both));
                        }
                    }
                }
            }
        }
        found
    }

    /// Notes where a test's range stops or begins, in the steps of its field.
    fn note_ends(&self, rule: usize, test: &Test, fields: &mut BTreeMap<SlotId, Ends>) {
        let [atom] = test.atoms.as_slice() else { return };
        let Atom::Within(slot, set) = &self.world.program(0).atoms[atom.index()] else { return };
        let ty = self.world.program(0).slots[slot.index()].ty();
        let is_ladder = matches!(ty, Type::Number | Type::Money | Type::Percent | Type::Duration | Type::Date);
        let Some(view) = self.world.view(0, *slot).filter(|view| is_ladder && view.map == Map::Same) else { return };
        let Some(domain) = domain::of(&self.world, &view.variable) else { return };
        let [(low, high)] = set.ranges() else { return };
        if test.negated {
            return;
        }
        let (stops, starts) = fields.entry(*slot).or_default();
        let end = End { rule, span: test.span };
        match (*low, *high) {
            (i64::MIN, high) if high < domain.high => stops.entry(domain.down(high)).or_default().push(end),
            (low, i64::MAX) if low > domain.low => starts.entry(domain.up(low)).or_default().push(end),
            _ => {}
        }
    }

    /// A situation at a border that is decided as the border says, if there is one.
    fn border(
        &self,
        slot: SlotId,
        variable: &Variable,
        step: i64,
        (below, above): (End, End),
        value: i64,
        both: bool,
    ) -> Option<Border> {
        let program = self.world.program(0);
        let (under, over) = (value - step, value + step);
        let mut query = self.query();
        // Both rules hold but for the field itself, each on its side of the border.
        let holds = [
            self.at(&mut query, &program.rules[below.rule].when, variable, under),
            self.at(&mut query, &program.rules[above.rule].when, variable, over),
        ];
        holds.iter().for_each(|truth| query.require(&[*truth]));
        for _ in 0..ROUNDS_MAX {
            let situation = match query.solve(&[]) {
                Answer::Yes(situation) => situation,
                Answer::No(_) | Answer::Unknown => return None,
            };
            let with = |value: i64| {
                let mut other = situation.clone();
                other.set(variable.clone(), Value::Ordinal(value));
                other
            };
            let sides = [(under, below.rule), (over, above.rule)];
            let wrong = sides.into_iter().find_map(|(value, rule)| {
                let winner = self.winner(0, &with(value));
                (winner != Some(rule)).then_some((value, rule, winner))
            });
            if let Some((value, rule, winner)) = wrong {
                // An earlier rule takes it on that side: not that one then.
                let earlier = winner.filter(|winner| *winner < rule)?;
                let taken = self.at(&mut query, &program.rules[earlier].when, variable, value);
                query.require(&[!taken]);
                continue;
            }
            let middle = with(value);
            let winner = self.winner(0, &middle);
            let plan = self.world.plans[0];
            let facts = middle.facts(program, 0);
            let input = Input { request: &middle, facts: &facts };
            let held = |rule: usize| eval::holds(plan, &input, &program.rules[rule].when);
            let as_said = if both {
                held(below.rule) && held(above.rule)
            } else {
                winner != Some(below.rule) && winner != Some(above.rule)
            };
            let named = |end: End| (end.rule, end.span);
            return as_said.then(|| Border {
                below: named(below),
                above: named(above),
                slot,
                value,
                both,
                lower: with(under),
                higher: with(over),
                situation: middle,
            });
        }
        None
    }

    /// A condition while a variable has a value.
    fn at(&self, query: &mut Query<'_>, condition: &Condition, variable: &Variable, value: i64) -> Truth {
        match condition {
            Condition::Always(value) => query.constant(*value),
            Condition::And(parts) | Condition::Or(parts) => {
                let all = matches!(condition, Condition::And(_));
                let parts: Vec<Truth> = parts.iter().map(|part| self.at(query, part, variable, value)).collect();
                query.join(&parts, all)
            }
            Condition::Test(test) => {
                let own = test.atoms.first().and_then(|atom| match &self.world.program(0).atoms[atom.index()] {
                    Atom::Within(slot, set) => {
                        let view = self.world.view(0, *slot).filter(|view| view.variable == *variable)?;
                        Some(set.contains(view.map.value(value)) != test.negated)
                    }
                    Atom::Compare(..) | Atom::Text(..) | Atom::SameText(..) | Atom::Holds(..) => None,
                });
                match own {
                    Some(holds) => query.constant(holds),
                    None => query.test(0, test),
                }
            }
        }
    }
}
