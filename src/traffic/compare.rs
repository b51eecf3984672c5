//! Recorded traffic through two rule sets: which requests go elsewhere, and what that costs or saves, with the caches that
//! moving conversations lose.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::features::tokens::Counter;
use crate::lang::plan::Plan;
use crate::traffic::report::{self, Form, Table, Totals, dollars, grouped, usd};
use crate::traffic::simulate::{Incoming, Served, Simulation};

/// Requests that are named of each group.
const SUCH_AS_MAX: usize = 3;

/// What two rule sets make of one log.
#[derive(Debug)]
pub struct Comparison<'p> {
    plan: &'p Plan,
    counter: &'p Counter,
    sides: [Simulation<'p>; 2],
    groups: BTreeMap<(Side, Side), Group>,
    totals: [Totals; 2],
    moves: [(u64, i64); 2],
    /// What could not be read, in words.
    pub unreadable: Vec<String>,
}

/// Which rule sends a request where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Side {
    rule: String,
    target: String,
}

#[derive(Debug, Default)]
struct Group {
    totals: [Totals; 2],
    such_as: Vec<String>,
}

impl<'p> Comparison<'p> {
    /// Of an old and a new rule set over one catalogue, in a time zone.
    pub fn new(old: &'p Plan, new: &'p Plan, counter: &'p Counter, zone: Option<&str>) -> Self {
        Self {
            plan: new,
            counter,
            sides: [Simulation::new(old, zone), Simulation::new(new, zone)],
            groups: BTreeMap::new(),
            totals: [Totals::default(); 2],
            moves: [(0, 0); 2],
            unreadable: Vec::new(),
        }
    }

    /// Routes the next request through both.
    pub fn take(&mut self, incoming: &Incoming) {
        let sides = &mut self.sides;
        let served = incoming.with_features(self.plan, self.counter, |request| {
            sides.each_mut().map(|side| side.serve(incoming, request))
        });
        match served {
            Ok(served) => self.add(incoming, &served),
            Err(why) => self.unreadable.push(format!("{}: {why}", incoming.place)),
        }
    }

    fn add(&mut self, incoming: &Incoming, served: &[Served; 2]) {
        for (at, side) in served.iter().enumerate() {
            self.totals[at].add([side.input, side.cached, side.output], side.cost);
            if side.moved > 0 {
                self.moves[at].0 += 1;
                self.moves[at].1 = self.moves[at].1.saturating_add(side.moved);
            }
        }
        let [was, now] = served;
        if was.target() == now.target() {
            return;
        }
        let [was, now] = [was, now].map(|side| Side { rule: side.rule.clone(), target: side.target() });
        let group = self.groups.entry((was, now)).or_default();
        for (totals, side) in group.totals.iter_mut().zip(served) {
            totals.add([side.input, side.cached, side.output], side.cost);
        }
        if group.such_as.len() < SUCH_AS_MAX {
            group.such_as.push(incoming.line.id.clone().unwrap_or_else(|| incoming.place.clone()));
        }
    }

    /// How many requests go elsewhere.
    pub fn changed(&self) -> u64 {
        self.groups.values().map(|group| group.totals[0].requests).sum()
    }

    /// For people.
    pub fn text(&self, form: Form) -> String {
        let [was, now] = &self.totals;
        let (n, changed) = (grouped(was.requests), self.changed());
        let mut text = match changed {
            0 => format!("Of {n} recorded requests every one goes where it went"),
            _ => format!("Of {n} recorded requests {} go elsewhere", grouped(changed)),
        };
        let _ = writeln!(text, "; all together cost {}, and {} before.", now.dollars(), was.dollars());
        let [before, after] = self.moves;
        if before.0 + after.0 > 0 {
            let words = |(times, cost): (u64, i64)| match times {
                0 => "never".to_owned(),
                n => format!("{} for {}", report::times(n), dollars(cost)),
            };
            let _ = writeln!(
                text,
                "Conversations leave a model whose cache holds them {}, and {} before.",
                words(after),
                words(before)
            );
        }
        if changed == 0 {
            return text;
        }
        text.push('\n');
        let mut table = Table::new(&["was", "now", "requests", "cost before", "cost", "such as"]);
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.totals[0].requests));
        for ((was, now), group) in groups {
            let side = |side: &Side| format!("{} → {}", side.rule, side.target);
            let mut cells = vec![side(was), side(now), grouped(group.totals[0].requests)];
            cells.extend(group.totals.each_ref().map(Totals::dollars));
            cells.push(group.such_as.join(", "));
            table.row(cells);
        }
        table.write(&mut text, form);
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let side = |side: &Side| json!({"rule": side.rule, "target": side.target});
        let groups: Vec<Value> = self
            .groups
            .iter()
            .map(|((was, now), group)| {
                json!({
                    "was": side(was), "now": side(now), "requests": group.totals[0].requests,
                    "before": group.totals[0].json(), "after": group.totals[1].json(), "such_as": group.such_as,
                })
            })
            .collect();
        let moves = self.moves.map(|(times, cost)| json!({"times": times, "cost_usd": usd(cost)}));
        json!({
            "requests": self.totals[0].requests, "changed": self.changed(), "groups": groups,
            "before": self.totals[0].json(), "now": self.totals[1].json(),
            "moves_before": moves[0], "moves_now": moves[1], "unreadable": self.unreadable,
        })
    }
}
