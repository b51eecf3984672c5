//! Ordered values, order-encoded: for each threshold that is asked about one truth, "it is there and at least so much",
//! each of which implies the ones below it. Comparisons of two values are held to the intervals that an answer leaves.

use std::collections::BTreeMap;

use crate::lang::analysis::domain::{self, Domain, Presence};
use crate::lang::analysis::query::{Imagined, Query, Truth};
use crate::lang::analysis::situation::{Situation, Value};
use crate::lang::analysis::variable::{Map, Reaches, Variable, View};
use crate::lang::input::{Fact, Feature, NUMBER};
use crate::lang::ir::Order;
use crate::lang::ir::interval::Intervals;
use crate::lang::schema::quantity::weekday_of;

/// What a tokenizer's rounding may add to the sum of the parts of a request's tokens.
const PARTS_SLACK: i64 = 3 * NUMBER;

/// An ordered variable.
#[derive(Debug, Clone)]
pub(super) struct Ordered {
    pub(super) domain: Domain,
    pub(super) present: Truth,
    /// By threshold: it is there and at least so much.
    pub(super) steps: BTreeMap<i64, Truth>,
}

impl Ordered {
    pub(super) fn truths(&self) -> impl Iterator<Item = Truth> + '_ {
        std::iter::once(self.present).chain(self.steps.values().copied())
    }
}

/// Two fields that are compared: when both are there, exactly one of these holds.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    left: View,
    right: View,
    less: Truth,
    equal: Truth,
    greater: Truth,
}

impl Comparison {
    pub(super) fn truths(&self) -> impl Iterator<Item = Truth> + '_ {
        [self.less, self.equal, self.greater].into_iter()
    }
}

/// The values that an answer leaves to a variable or a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    low: i64,
    high: i64,
}

impl Query<'_> {
    /// A variable is there.
    pub(super) fn present(&mut self, variable: &Variable) -> Truth {
        let never = self.constant(false);
        self.ordered_of(variable).map_or(never, |ordered| ordered.present)
    }

    fn ordered_of(&mut self, variable: &Variable) -> Option<&Ordered> {
        if !self.ordered.contains_key(variable) {
            let domain = domain::of(self.world, variable)?;
            let present = match domain.presence {
                Presence::Always => self.constant(true),
                Presence::Never => self.constant(false),
                Presence::Sometimes => self.fresh(),
            };
            self.ordered.insert(variable.clone(), Ordered { domain, present, steps: BTreeMap::new() });
        }
        self.ordered.get(variable)
    }

    /// A variable is there and at least so much.
    pub(super) fn at_least(&mut self, variable: &Variable, value: i64) -> Truth {
        let never = self.constant(false);
        let Some(ordered) = self.ordered_of(variable) else { return never };
        let (domain, present) = (ordered.domain, ordered.present);
        if value <= domain.low {
            return present;
        }
        if value > domain.high {
            return never;
        }
        let value = domain.up(value);
        if let Some(known) = ordered.steps.get(&value) {
            return *known;
        }
        let below = ordered.steps.range(..value).next_back().map(|(_, truth)| *truth);
        let above = ordered.steps.range(value..).next().map(|(_, truth)| *truth);
        let truth = self.fresh();
        self.implies(truth, below.unwrap_or(present));
        if let Some(above) = above {
            self.implies(above, truth);
        }
        if let Some(ordered) = self.ordered.get_mut(variable) {
            ordered.steps.insert(value, truth);
        }
        truth
    }

    /// A field is there and at least so much.
    pub(super) fn reaches(&mut self, view: &View, value: i64) -> Truth {
        match view.map.reaches(value) {
            Reaches::Always => self.present(&view.variable),
            Reaches::Never => self.constant(false),
            Reaches::From(from) => self.at_least(&view.variable, from),
            Reaches::Below(end) => {
                let parts = [self.present(&view.variable), !self.at_least(&view.variable, end)];
                self.join(&parts, true)
            }
        }
    }

    /// A field is there and in a set.
    pub(super) fn within(&mut self, view: &View, set: &Intervals) -> Truth {
        let mut ranges = Vec::with_capacity(set.ranges().len());
        for (low, high) in set.ranges() {
            let mut parts = vec![self.present(&view.variable)];
            if *low > i64::MIN {
                parts.push(self.reaches(view, *low));
            }
            if *high < i64::MAX {
                parts.push(!self.reaches(view, high + 1));
            }
            ranges.push(self.join(&parts, true));
        }
        self.join(&ranges, false)
    }

    /// A comparison of two fields.
    pub(super) fn compare(&mut self, left: &View, order: Order, right: &View) -> Truth {
        if left.variable == right.variable {
            return self.compare_with_itself(left, order, right);
        }
        let turned = left > right;
        let (first, second) = if turned { (right, left) } else { (left, right) };
        let comparison = self.comparison(first, second);
        let less = if turned { comparison.greater } else { comparison.less };
        match order {
            Order::Less => less,
            Order::Equal => comparison.equal,
            Order::LessOrEqual => self.join(&[less, comparison.equal], false),
        }
    }

    fn comparison(&mut self, left: &View, right: &View) -> Comparison {
        if let Some(known) = self.comparisons.iter().find(|known| known.left == *left && known.right == *right) {
            return known.clone();
        }
        let present = [self.present(&left.variable), self.present(&right.variable)];
        let both = self.join(&present, true);
        let [less, equal, greater] = [self.fresh(), self.fresh(), self.fresh()];
        self.require(&[!both, less, equal, greater]);
        for truth in [less, equal, greater] {
            self.implies(truth, both);
        }
        for (one, other) in [(less, equal), (less, greater), (equal, greater)] {
            self.require(&[!one, !other]);
        }
        let made = Comparison { left: left.clone(), right: right.clone(), less, equal, greater };
        self.comparisons.push(made.clone());
        made
    }

    /// Two fields of one variable, of which the first does not fall while the second rises: one crosses the other once.
    fn compare_with_itself(&mut self, left: &View, order: Order, right: &View) -> Truth {
        let (rising, falling) = if left.map.falls() { (right, left) } else { (left, right) };
        let present = self.present(&left.variable);
        if left.map == right.map {
            let holds = self.constant(order != Order::Less);
            return self.join(&[present, holds], true);
        }
        // The least value at which the rising one has reached, or passed, the falling one.
        let least = |passed: bool| {
            let (mut low, mut high) = (0i64, i64::MAX);
            while low < high {
                let middle = low + (high - low) / 2;
                let (rising, falling) = (rising.map.value(middle), falling.map.value(middle));
                if rising > falling || (!passed && rising == falling) {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            low
        };
        let reached = self.at_least(&left.variable, least(false));
        let passed = self.at_least(&left.variable, least(true));
        let left_is_falling = left.map.falls();
        let holds = match (order, left_is_falling) {
            (Order::Less, false) => !reached,
            (Order::LessOrEqual, false) => !passed,
            (Order::Less, true) => passed,
            (Order::LessOrEqual, true) => reached,
            (Order::Equal, _) => self.join(&[reached, !passed], true),
        };
        self.join(&[present, holds], true)
    }

    // --- answers -----------------------------------------------------------------------------------------------------

    /// The values that the last answer leaves to a variable that is there.
    fn cell(&self, variable: &Variable) -> Option<Cell> {
        let ordered = self.ordered.get(variable)?;
        if !self.is_true(ordered.present) {
            return None;
        }
        let low = ordered.steps.iter().rev().find(|(_, truth)| self.is_true(**truth)).map(|(value, _)| *value);
        let high = ordered.steps.iter().find(|(_, truth)| !self.is_true(**truth)).map(|(value, _)| *value);
        Some(Cell {
            low: low.unwrap_or(ordered.domain.low),
            high: high.map_or(ordered.domain.high, |high| ordered.domain.down(high - 1)),
        })
    }

    pub(super) fn imagine_ordered(&mut self, situation: &mut Situation) -> Result<(), Imagined> {
        let mut cells: BTreeMap<Variable, Cell> = BTreeMap::new();
        let variables: Vec<Variable> = self.ordered.keys().cloned().collect();
        for variable in &variables {
            match self.cell(variable) {
                Some(cell) => drop(cells.insert(variable.clone(), cell)),
                None => situation.set(variable.clone(), Value::Absent),
            }
            if let Variable::Pool(_, owned) = variable
                && let Some(pool) = self.world.pool(owned)
            {
                situation.know(owned.clone(), pool);
            }
        }
        self.imagine_pools(&mut cells)?;
        self.imagine_comparisons(&mut cells)?;
        self.imagine_calendar(&mut cells)?;
        self.imagine_parts(&mut cells)?;
        let taken = |variable: &Variable, cell: Cell| {
            let usual = situation.usual_of(variable).unwrap_or(cell.low);
            if (cell.low..=cell.high).contains(&usual) {
                return usual;
            }
            // At the near end, or at a round value beside it.
            let round = domain::round_step(variable);
            if usual < cell.low {
                let near = cell.low.div_euclid(round).saturating_add(1).saturating_mul(round);
                if cell.low % round == 0 || near > cell.high { cell.low } else { near }
            } else {
                let near = cell.high.div_euclid(round).saturating_mul(round);
                if near < cell.low { cell.high } else { near }
            }
        };
        let mut values: BTreeMap<Variable, i64> =
            cells.iter().map(|(variable, cell)| (variable.clone(), taken(variable, *cell))).collect();
        // A pool is what one of its members is: those that can be are what it is.
        for (variable, value) in values.clone() {
            let Variable::Pool(fact, owned) = &variable else { continue };
            for model in self.world.members(owned) {
                let member = Variable::Model(*fact, model);
                if cells.get(&member).is_some_and(|cell| (cell.low..=cell.high).contains(&value)) {
                    values.insert(member, value);
                }
            }
        }
        for (variable, value) in values {
            situation.set(variable, Value::Ordinal(value));
        }
        Ok(())
    }

    /// What a pool is, one of its members is.
    fn imagine_pools(&mut self, cells: &mut BTreeMap<Variable, Cell>) -> Result<(), Imagined> {
        for (variable, cell) in cells.clone() {
            let Variable::Pool(fact, owned) = &variable else { continue };
            let members: Vec<Variable> =
                self.world.members(owned).into_iter().map(|model| Variable::Model(*fact, model)).collect();
            let common = |member: &Variable| {
                let other = cells.get(member)?;
                let both = Cell { low: cell.low.max(other.low), high: cell.high.min(other.high) };
                (both.low <= both.high).then_some(both)
            };
            if let Some(both) = members.iter().find_map(common) {
                cells.insert(variable, both);
                continue;
            }
            let mut clause = vec![!self.at_least(&variable, cell.low)];
            if cell.high < i64::MAX {
                clause.push(self.at_least(&variable, cell.high + 1));
            }
            for member in members {
                let view = View { variable: member, map: Map::Same };
                clause.push(self.within(&view, &Intervals::new([(cell.low, cell.high)])));
            }
            return Err(Imagined::Conflict(clause));
        }
        Ok(())
    }

    /// A date and a weekday fit each other.
    fn imagine_calendar(&mut self, cells: &mut BTreeMap<Variable, Cell>) -> Result<(), Imagined> {
        let (date, weekday) = (Variable::Moment(Fact::Date), Variable::Moment(Fact::Weekday));
        let (Some(days), Some(week)) = (cells.get(&date).copied(), cells.get(&weekday).copied()) else { return Ok(()) };
        let usual = Situation::default().usual_of(&date).unwrap_or(0).clamp(days.low, days.high);
        // Any seven days in a row have every weekday.
        let near = (usual..=days.high.min(usual + 6)).chain(days.low.max(usual - 6)..usual);
        let fits = |day: &i64| (week.low..=week.high).contains(&weekday_of(*day));
        if let Some(day) = near.into_iter().find(fits) {
            cells.insert(date, Cell { low: day, high: day });
            cells.insert(weekday, Cell { low: weekday_of(day), high: weekday_of(day) });
            return Ok(());
        }
        let clause = [
            !self.at_least(&date, days.low),
            self.at_least(&date, days.high + 1),
            !self.at_least(&weekday, week.low),
            self.at_least(&weekday, week.high + 1),
        ];
        Err(Imagined::Conflict(clause.to_vec()))
    }

    /// The parts of a request have no more tokens than the whole.
    fn imagine_parts(&mut self, cells: &mut BTreeMap<Variable, Cell>) -> Result<(), Imagined> {
        let of = |feature| Variable::Feature(feature, None);
        let whole = of(Feature::Tokens);
        let Some(most) = cells.get(&whole).copied() else { return Ok(()) };
        let parts = [of(Feature::SystemTokens), of(Feature::ToolsTokens), of(Feature::HistoryTokens)];
        let lows: Vec<(&Variable, i64)> =
            parts.iter().filter_map(|part| cells.get(part).map(|cell| (part, cell.low))).collect();
        let least = lows.iter().fold(0i64, |sum, (_, low)| sum.saturating_add(*low));
        if least.saturating_sub(PARTS_SLACK) > most.high {
            let mut clause = vec![self.at_least(&whole, least - PARTS_SLACK)];
            for (part, low) in lows {
                clause.push(!self.at_least(part, low));
            }
            return Err(Imagined::Conflict(clause));
        }
        let prompt = cells.get(&of(Feature::PromptTokens)).map_or(0, |cell| cell.low);
        let wanted = least.saturating_add(prompt).clamp(most.low, most.high);
        cells.insert(whole, Cell { low: wanted, high: most.high });
        Ok(())
    }

    /// Gives compared fields values in their order, the least that there are.
    fn imagine_comparisons(&mut self, cells: &mut BTreeMap<Variable, Cell>) -> Result<(), Imagined> {
        let held: Vec<(View, View, Truth, bool)> = self
            .comparisons
            .iter()
            .filter_map(|known| {
                let (left, right) = (known.left.clone(), known.right.clone());
                if self.is_true(known.less) {
                    Some((left, right, known.less, true))
                } else if self.is_true(known.greater) {
                    Some((right, left, known.greater, true))
                } else {
                    self.is_true(known.equal).then_some((left, right, known.equal, false))
                }
            })
            .collect();
        if held.is_empty() {
            return Ok(());
        }
        let mut nodes: BTreeMap<View, i64> = BTreeMap::new();
        for view in held.iter().flat_map(|(left, right, ..)| [left, right]) {
            let Some(cell) = cells.get(&view.variable) else { continue };
            nodes.insert(view.clone(), lowest(view.map, *cell));
        }
        // Each pass carries the least values one comparison further; a circle of `<` never comes to rest.
        let everything: Vec<Truth> = held.iter().map(|(_, _, truth, _)| !*truth).collect();
        for pass in 0..=nodes.len() {
            let mut moved = false;
            for (left, right, _, strict) in &held {
                let (low, high) = (nodes[left], nodes[right]);
                let least = self.rounded(right, low.saturating_add(i64::from(*strict)));
                if least > high {
                    nodes.insert(right.clone(), least);
                    moved = true;
                }
                if !strict && nodes[right] > low {
                    let least = self.rounded(left, nodes[right]);
                    nodes.insert(left.clone(), least);
                    moved = true;
                }
            }
            if !moved {
                break;
            }
            if pass == nodes.len() {
                // A circle with a `<` in it: the comparisons contradict one another, whatever the values.
                return Err(Imagined::Conflict(everything));
            }
        }
        for (view, value) in &nodes {
            let Some(cell) = cells.get(&view.variable).copied() else { continue };
            if *value > highest(view.map, cell) {
                return Err(self.over_bounds(&nodes, cells, everything));
            }
        }
        let mut taken: Vec<&Variable> = Vec::new();
        for (view, value) in &nodes {
            let Some(cell) = cells.get(&view.variable).copied() else { continue };
            let base = match view.map {
                Map::Same => *value,
                Map::Remaining(amount) => amount.saturating_sub(*value).clamp(cell.low, cell.high),
                Map::Used(_) => match view.map.reaches(*value) {
                    Reaches::From(from) => from.clamp(cell.low, cell.high),
                    Reaches::Always | Reaches::Never | Reaches::Below(_) => cell.low,
                },
            };
            if view.map.value(base) != *value || taken.contains(&&view.variable) {
                return Err(Imagined::Beyond(self.answer()));
            }
            taken.push(&view.variable);
            cells.insert(view.variable.clone(), Cell { low: base, high: base });
        }
        Ok(())
    }

    /// The least value of a field at or above one.
    fn rounded(&self, view: &View, value: i64) -> i64 {
        match (view.map, self.ordered.get(&view.variable)) {
            (Map::Same, Some(ordered)) => ordered.domain.up(value),
            _ => value,
        }
    }

    /// The clause of comparisons that push a field over its bounds: they, or the least values that they began from, or
    /// the bound.
    fn over_bounds(
        &mut self,
        nodes: &BTreeMap<View, i64>,
        cells: &BTreeMap<Variable, Cell>,
        everything: Vec<Truth>,
    ) -> Imagined {
        let mut clause = everything;
        for view in nodes.keys() {
            let Some(cell) = cells.get(&view.variable).copied() else { continue };
            let (low, high) = (cell.low, cell.high);
            clause.push(!self.at_least(&view.variable, low));
            if let Some(ordered) = self.ordered.get(&view.variable)
                && high < ordered.domain.high
            {
                clause.push(self.at_least(&view.variable, high + 1));
            }
        }
        Imagined::Conflict(clause)
    }
}

/// The least value of a field whose variable is in a cell.
fn lowest(map: Map, cell: Cell) -> i64 {
    if map.falls() { map.value(cell.high) } else { map.value(cell.low) }
}

/// The greatest value of a field whose variable is in a cell.
fn highest(map: Map, cell: Cell) -> i64 {
    if map.falls() { map.value(cell.low) } else { map.value(cell.high) }
}
