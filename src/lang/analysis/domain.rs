//! What an ordered variable can be at all: its least and greatest value, in which steps, and whether it can be absent.

use crate::lang::analysis::variable::Variable;
use crate::lang::analysis::world::World;
use crate::lang::catalogue::{Catalogue, ModelId};
use crate::lang::input::{DOLLAR, Fact, Feature, NUMBER, SECOND, WHOLE};
use crate::lang::ir::BudgetScope;
use crate::lang::schema::fields::{Read, of_read};
use crate::lang::schema::types::Type;

/// The last day that a date names: 9999-12-31.
const DAY_MAX: i64 = 2_932_896;
/// The steps of `bucket`, in millionths.
const BUCKET_STEP: i64 = WHOLE / 10_000;
/// The greatest whole number, in the unit of numbers.
const WHOLE_MAX: i64 = i64::MAX / NUMBER * NUMBER;

/// The values of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Domain {
    pub(super) low: i64,
    pub(super) high: i64,
    /// Values are `low` plus a multiple of it.
    pub(super) step: i64,
    pub(super) presence: Presence,
}

/// Whether a variable is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Always,
    Sometimes,
    Never,
}

impl Domain {
    fn new(low: i64, high: i64, step: i64, presence: Presence) -> Self {
        Self { low, high, step, presence }
    }

    /// The least value at or above one.
    pub(super) fn up(&self, value: i64) -> i64 {
        if value <= self.low {
            return self.low;
        }
        let over = self.over(value);
        if over == 0 { value } else { value.saturating_add(self.step - over) }
    }

    /// The greatest value at or below one.
    pub(super) fn down(&self, value: i64) -> i64 {
        if value >= self.high {
            return self.high;
        }
        value - self.over(value)
    }

    /// How far a value is above the next lower one of the domain.
    fn over(&self, value: i64) -> i64 {
        let over = (i128::from(value) - i128::from(self.low)).rem_euclid(i128::from(self.step));
        i64::try_from(over).unwrap_or(0)
    }
}

/// The domain of an ordered variable; none of one that is a text or a set.
pub(super) fn of(world: &World<'_>, variable: &Variable) -> Option<Domain> {
    let catalogue = world.catalogue();
    let always = |low, high, step| Some(Domain::new(low, high, step, Presence::Always));
    match variable {
        Variable::Feature(feature, _) => of_feature(*feature),
        Variable::Moment(Fact::Time) => always(0, 24 * 60 - 1, 1),
        Variable::Moment(Fact::Weekday) => always(0, 6, 1),
        Variable::Moment(_) => always(0, DAY_MAX, 1),
        Variable::Bucket(_) => always(0, WHOLE - BUCKET_STEP, BUCKET_STEP),
        Variable::SessionModel => None,
        Variable::Model(fact, model) => Some(of_model(catalogue, *fact, *model)),
        Variable::Pool(fact, pool) => {
            let members = world.members(pool);
            let each: Vec<Domain> = members.iter().map(|model| of_model(catalogue, *fact, *model)).collect();
            let presence = match each.first() {
                None => Presence::Never,
                Some(first) if each.iter().all(|one| one.presence == first.presence) => first.presence,
                Some(_) => Presence::Sometimes,
            };
            let high = each.iter().map(|one| one.high).max().unwrap_or(0);
            Some(Domain::new(0, high, 1, presence))
        }
        Variable::Spent(budget) => {
            let each = matches!(
                world.budget(budget).map(|budget| &budget.scope),
                Some(BudgetScope::EachKey | BudgetScope::EachUser | BudgetScope::EachSession)
            );
            Some(Domain::new(0, i64::MAX, 1, if each { Presence::Sometimes } else { Presence::Always }))
        }
        Variable::Target => {
            let last = i64::try_from(catalogue.models.len()).unwrap_or(i64::MAX) - 1;
            Some(Domain::new(0, last, 1, if last < 0 { Presence::Never } else { Presence::Always }))
        }
    }
}

/// The steps in which values of a variable are told rather than in its own: cents, seconds, tenths.
pub(super) fn round_step(variable: &Variable) -> i64 {
    match variable {
        Variable::Spent(_) => DOLLAR / 100,
        Variable::Model(fact, _) | Variable::Pool(fact, _) => match fact {
            Fact::Cost | Fact::SwitchCost => DOLLAR / 100,
            Fact::Latency => SECOND,
            Fact::Errors => WHOLE / 100,
            _ => 1,
        },
        Variable::Feature(Feature::Temperature, _) => NUMBER / 10,
        Variable::Bucket(_) => WHOLE / 100,
        Variable::Feature(..) | Variable::Moment(_) | Variable::SessionModel | Variable::Target => 1,
    }
}

fn of_feature(feature: Feature) -> Option<Domain> {
    let row = of_read(Read::Feature(feature)).row();
    let presence = if row.absent.is_some() { Presence::Sometimes } else { Presence::Always };
    match row.ty {
        // A client may ask for any temperature, whatever becomes of it.
        Type::Number if feature == Feature::Temperature => Some(Domain::new(i64::MIN + 1, i64::MAX, 1, presence)),
        Type::Number => Some(Domain::new(0, WHOLE_MAX, NUMBER, presence)),
        Type::Bool => Some(Domain::new(0, 1, 1, presence)),
        Type::Member(closed) => {
            let last = i64::try_from(closed.members.len()).unwrap_or(i64::MAX) - 1;
            Some(Domain::new(0, last, 1, presence))
        }
        Type::Money
        | Type::Percent
        | Type::Duration
        | Type::Time
        | Type::Date
        | Type::Class
        | Type::Text
        | Type::Paths
        | Type::Texts => None,
    }
}

fn of_model(catalogue: &Catalogue, fact: Fact, model: ModelId) -> Domain {
    let prices = catalogue.models.get(model.0 as usize).and_then(|card| card.prices);
    let is_free = prices.is_some_and(|prices| prices.input == 0 && prices.output == 0);
    match fact {
        Fact::Cost => {
            let presence = if prices.is_some() { Presence::Always } else { Presence::Never };
            Domain::new(0, if is_free { 0 } else { i64::MAX }, 1, presence)
        }
        // What it costs to stay is nothing, also where no price is known.
        Fact::SwitchCost => {
            let priced = prices.is_some_and(|prices| prices.input > prices.cache_read);
            Domain::new(0, if priced { i64::MAX } else { 0 }, 1, Presence::Sometimes)
        }
        Fact::Healthy => Domain::new(0, 1, 1, Presence::Always),
        Fact::Errors => Domain::new(0, WHOLE, 1, Presence::Sometimes),
        _ => Domain::new(0, i64::MAX, 1, Presence::Sometimes),
    }
}
