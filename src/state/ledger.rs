//! What was spent, in nano-dollars, of each budget in its window. A call sets its estimate aside before it is made and
//! settles what it really cost afterwards, so that calls at one time cannot overshoot a hard budget together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{ToSpan as _, Unit, Zoned};

use crate::lang::ir::{Budget, BudgetScope, Period};

/// The most windows that are remembered.
const WINDOWS_MAX: usize = 200_000;

/// A budget's window, of one key, user or session where it is for each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// The budget's name.
    pub budget: String,
    /// Whose calls it counts: `key:`, `user:`, `session:` or `model:` with a name; empty for all.
    pub whose: String,
    /// Seconds since 1970 at which it began.
    pub start: i64,
    /// Seconds since 1970 at which it ends.
    pub ends: i64,
}

/// A window in which a call counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which.
    pub window: Window,
    /// Of a hard budget, the most that may be spent in it.
    pub limit: Option<i64>,
    /// The budget's place in the program.
    pub budget: usize,
}

/// What is held of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// What calls that are over cost.
    pub settled: i64,
    /// What is set aside for calls under way.
    pub reserved: i64,
}

/// Who calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// The router key.
    pub key: Option<&'a str>,
    /// The end user.
    pub user: Option<&'a str>,
    /// The conversation.
    pub session: Option<&'a str>,
}

/// Why nothing was set aside: the place of the claim that it does not fit into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// Calls that are over have spent it.
    Spent(usize),
    /// Calls under way may leave room when they are over.
    SetAside(usize),
}

/// All budgets.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<HashMap<Window, Held>>>);

impl Ledger {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<Window, Held>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is held of each window; nothing where there is no window.
    pub fn held(&self, windows: &[Option<Window>]) -> Vec<Option<Held>> {
        self.with(|all| {
            let held = |window: &Window| all.get(window).copied().unwrap_or_default();
            windows.iter().map(|window| window.as_ref().map(held)).collect()
        })
    }

    /// Sets an amount aside in every window, or in none. What costs nothing always fits.
    pub fn reserve(&self, claims: &[Claim], amount: i64, now: i64) -> Result<(), NoRoom> {
        self.with(|all| {
            for (index, claim) in claims.iter().enumerate() {
                let Some(limit) = claim.limit.filter(|_| amount > 0) else { continue };
                let held = all.get(&claim.window).copied().unwrap_or_default();
                if held.settled.saturating_add(amount) > limit {
                    return Err(NoRoom::Spent(index));
                }
                if held.settled.saturating_add(held.reserved).saturating_add(amount) > limit {
                    return Err(NoRoom::SetAside(index));
                }
            }
            if all.len() > WINDOWS_MAX {
                forget(all, now);
            }
            for claim in claims {
                let held = all.entry(claim.window.clone()).or_default();
                held.reserved = held.reserved.saturating_add(amount);
            }
            Ok(())
        })
    }

    /// Replaces what was set aside by what the call cost.
    pub fn settle(&self, claims: &[Claim], amount: i64, cost: i64) {
        self.with(|all| {
            for claim in claims {
                let held = all.entry(claim.window.clone()).or_default();
                held.reserved = held.reserved.saturating_sub(amount).max(0);
                held.settled = held.settled.saturating_add(cost);
            }
        });
    }

    /// What is held of a window, as a store knows it.
    pub fn put(&self, window: Window, held: Held) {
        self.with(|all| all.insert(window, held));
    }
}

/// Forgets the windows that are over; where that is not enough, those that end first.
fn forget(all: &mut HashMap<Window, Held>, now: i64) {
    all.retain(|window, held| window.ends > now || held.reserved > 0);
    if all.len() > WINDOWS_MAX {
        let mut ends: Vec<i64> = all.keys().map(|window| window.ends).collect();
        ends.sort_unstable();
        let last = ends[ends.len() / 4];
        all.retain(|window, held| window.ends > last || held.reserved > 0);
    }
}

/// When the hour, the day, the week and the month began that now lies in, and when they end: seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    hour: (i64, i64),
    day: (i64, i64),
    week: (i64, i64),
    month: (i64, i64),
}

impl Periods {
    /// Of a moment in a time zone.
    pub fn at(now: &Zoned) -> Self {
        let of = |period| bounds(period, now).unwrap_or_default();
        Self { hour: of(Period::Hour), day: of(Period::Day), week: of(Period::Week), month: of(Period::Month) }
    }

    /// Whether a moment, in seconds since 1970, lies in all of them: then they are still the same.
    pub fn hold(&self, now: i64) -> bool {
        let holds = |(start, ends): (i64, i64)| (start..ends).contains(&now);
        holds(self.hour) && holds(self.day) && holds(self.week) && holds(self.month)
    }

    fn of(&self, period: Period) -> (i64, i64) {
        match period {
            Period::Hour => self.hour,
            Period::Day => self.day,
            Period::Week => self.week,
            Period::Month => self.month,
        }
    }
}

/// The window of each budget, for a caller; none where a budget is for each of something that the caller is not.
pub fn windows(budgets: &[Budget], caller: Caller<'_>, now: &Periods) -> Vec<Option<Window>> {
    budgets.iter().map(|budget| window(budget, caller, now)).collect()
}

/// The windows that a call on a model counts in.
pub fn claims(budgets: &[Budget], model: u32, caller: Caller<'_>, now: &Periods) -> Vec<Claim> {
    let counted = budgets.iter().enumerate().filter(|(_, budget)| counts(budget, model, caller));
    let claims = counted.filter_map(|(place, budget)| {
        let window = window(budget, caller, now)?;
        Some(Claim { window, limit: budget.hard.then_some(budget.amount), budget: place })
    });
    claims.collect()
}

/// Whether a budget counts a call on a model.
fn counts(budget: &Budget, model: u32, caller: Caller<'_>) -> bool {
    match &budget.scope {
        BudgetScope::All | BudgetScope::EachKey | BudgetScope::EachUser | BudgetScope::EachSession => true,
        BudgetScope::Key(key) => caller.key == Some(key),
        BudgetScope::User(user) => caller.user == Some(user),
        BudgetScope::Model(id) => id.0 == model,
    }
}

fn window(budget: &Budget, caller: Caller<'_>, now: &Periods) -> Option<Window> {
    let whose = match &budget.scope {
        BudgetScope::All => String::new(),
        BudgetScope::Key(key) => format!("key:{key}"),
        BudgetScope::User(user) => format!("user:{user}"),
        BudgetScope::Model(_) => "model:".to_owned(),
        BudgetScope::EachKey => format!("key:{}", caller.key?),
        BudgetScope::EachUser => format!("user:{}", caller.user?),
        BudgetScope::EachSession => format!("session:{}", caller.session?),
    };
    let (start, ends) = now.of(budget.period);
    Some(Window { budget: budget.name.clone(), whose, start, ends })
}

/// When the window began that now lies in, and when it ends: seconds since 1970.
fn bounds(period: Period, now: &Zoned) -> Result<(i64, i64), jiff::Error> {
    let seconds = |zoned: &Zoned| zoned.timestamp().as_second();
    let (start, ends) = match period {
        Period::Hour => {
            let start = now.round(jiff::ZonedRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Trunc))?;
            let ends = start.checked_add(1.hour())?;
            (start, ends)
        }
        Period::Day => {
            let start = now.start_of_day()?;
            let ends = start.tomorrow()?.start_of_day()?;
            (start, ends)
        }
        Period::Week => {
            let back = i64::from(now.weekday().to_monday_zero_offset());
            let start = now.checked_sub(back.days())?.start_of_day()?;
            let ends = start.checked_add(7.days())?.start_of_day()?;
            (start, ends)
        }
        Period::Month => {
            let start = now.first_of_month()?.start_of_day()?;
            let ends = start.checked_add(1.month())?.start_of_day()?;
            (start, ends)
        }
    };
    Ok((seconds(&start), seconds(&ends)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Zoned {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_as_long_as_its_time_zone_makes_it() {
        let hours = |text: &str| {
            let (start, ends) = bounds(Period::Day, &at(text)).unwrap();
            (ends - start) / 3600
        };
        assert_eq!(hours("2025-03-30T12:00[Europe/Berlin]"), 23);
        assert_eq!(hours("2025-10-26T12:00[Europe/Berlin]"), 25);
        assert_eq!(hours("2025-10-27T12:00[Europe/Berlin]"), 24);
    }

    #[test]
    fn the_hour_that_comes_twice_has_two_windows_of_an_hour() {
        let first = bounds(Period::Hour, &at("2025-10-26T02:30+02:00[Europe/Berlin]")).unwrap();
        let second = bounds(Period::Hour, &at("2025-10-26T02:30+01:00[Europe/Berlin]")).unwrap();
        assert_eq!((first.1 - first.0, second.1 - second.0), (3600, 3600));
        assert_eq!(first.1, second.0);
    }

    #[test]
    fn a_week_begins_on_monday_and_a_month_on_its_first_day() {
        let start = |period, text: &str| bounds(period, &at(text)).unwrap().0;
        let monday = at("2025-03-24T00:00[Europe/Berlin]").timestamp().as_second();
        assert_eq!(start(Period::Week, "2025-03-30T23:59[Europe/Berlin]"), monday);
        let first = at("2025-10-01T00:00[Europe/Berlin]").timestamp().as_second();
        assert_eq!(start(Period::Month, "2025-10-31T23:59[Europe/Berlin]"), first);
    }
}
