//! What conditions ask about, each thing by itself: budgets as what is spent of them, fields of one or two programs that
//! mean the same as one variable.

use crate::lang::catalogue::ModelId;
use crate::lang::input::{Fact, Feature, WHOLE};
use crate::lang::ir::{Argument, BudgetId, PoolId, Program, Slot};
use crate::lang::schema::fields::Read;

/// Something that a request or a moment can have any value of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variable {
    /// Of the request, by its name where it has one.
    Feature(Feature, Option<String>),
    /// `time`, `weekday`, `date`.
    Moment(Fact),
    /// `bucket("name")`; without a name, the empty one.
    Bucket(String),
    /// `session.model`.
    SessionModel,
    /// `cost`, `switch_cost`, `healthy`, `latency`, `errors` of a model.
    Model(Fact, ModelId),
    /// The same of a pool, by its name.
    Pool(Fact, Owned),
    /// What is spent of a budget.
    Spent(Owned),
    /// The model of an attempt, by its place in the catalogue.
    Target,
}

/// A pool or a budget: its name, and which of two programs' it is where they mean different things by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owned {
    /// Its name.
    pub name: String,
    /// The place of its program; none where all mean the same.
    pub program: Option<usize>,
}

/// A field as a function of a variable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct View {
    pub(super) variable: Variable,
    pub(super) map: Map,
}

/// How a field follows from its variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Map {
    /// It is the variable.
    Same,
    /// What remains of so much.
    Remaining(i64),
    /// The share that is used of so much.
    Used(i64),
}

/// Where a field reaches a value, in terms of its variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaches {
    /// Always, when it is there.
    Always,
    /// Never.
    Never,
    /// From this value of the variable on.
    From(i64),
    /// Below this value of the variable.
    Below(i64),
}

impl Map {
    /// Where the field is at least `value`.
    pub(super) fn reaches(self, value: i64) -> Reaches {
        match self {
            Self::Same => Reaches::From(value),
            Self::Remaining(_) if value <= 0 => Reaches::Always,
            Self::Remaining(amount) if value > amount => Reaches::Never,
            Self::Remaining(amount) => Reaches::Below(amount - value + 1),
            Self::Used(_) if value <= 0 => Reaches::Always,
            Self::Used(0) if value <= WHOLE => Reaches::Always,
            Self::Used(0) => Reaches::Never,
            Self::Used(amount) => {
                let least = (i128::from(value) * i128::from(amount)).div_euclid(i128::from(WHOLE));
                let exact = least * i128::from(WHOLE) == i128::from(value) * i128::from(amount);
                i64::try_from(least + i128::from(!exact)).map_or(Reaches::Never, Reaches::From)
            }
        }
    }

    /// The field's value where the variable has one.
    pub(super) fn value(self, variable: i64) -> i64 {
        match self {
            Self::Same => variable,
            Self::Remaining(amount) => amount.saturating_sub(variable).max(0),
            Self::Used(0) => WHOLE,
            Self::Used(amount) => {
                i64::try_from(i128::from(variable) * i128::from(WHOLE) / i128::from(amount)).unwrap_or(i64::MAX)
            }
        }
    }

    /// Whether the field falls when the variable rises.
    pub(super) fn falls(self) -> bool {
        matches!(self, Self::Remaining(_))
    }
}

/// What one program's slot asks about; none for a label, which follows from other slots.
pub(super) fn view(program: &Program, slot: &Slot, owner: &dyn Fn(&str) -> Owned) -> Option<View> {
    let Slot::Field(field, argument) = slot else { return None };
    let same = |variable| Some(View { variable, map: Map::Same });
    let name = if let Argument::Text(name) = argument { Some(name.clone()) } else { None };
    match field.row().read {
        Read::Feature(feature) => same(Variable::Feature(feature, name)),
        Read::Fact(fact @ (Fact::Time | Fact::Weekday | Fact::Date)) => same(Variable::Moment(fact)),
        Read::Fact(Fact::Bucket) => same(Variable::Bucket(name.unwrap_or_default())),
        Read::Fact(Fact::SessionModel) => same(Variable::SessionModel),
        Read::Fact(Fact::Target | Fact::TargetProvider) => same(Variable::Target),
        Read::Fact(fact @ (Fact::Cost | Fact::SwitchCost | Fact::Healthy | Fact::Latency | Fact::Errors)) => {
            match argument {
                Argument::Model(model) => same(Variable::Model(fact, *model)),
                Argument::Pool(pool) => same(Variable::Pool(fact, owner(pool_name(program, *pool)))),
                Argument::None | Argument::Text(_) | Argument::Budget(_) => None,
            }
        }
        Read::Fact(fact @ (Fact::Spent | Fact::Remaining | Fact::Used)) => {
            let Argument::Budget(budget) = argument else { return None };
            let known = &program.budgets[budget.index()];
            let map = match fact {
                Fact::Remaining => Map::Remaining(known.amount),
                Fact::Used => Map::Used(known.amount),
                _ => Map::Same,
            };
            Some(View { variable: Variable::Spent(owner(budget_name(program, *budget))), map })
        }
    }
}

fn pool_name(program: &Program, pool: PoolId) -> &str {
    &program.pools[pool.index()].name
}

fn budget_name(program: &Program, budget: BudgetId) -> &str {
    &program.budgets[budget.index()].name
}
