//! What was spent, in nano-dollars, of each budget in its window. A call reserves its estimate before it is made and
//! settles what it really cost afterwards, so that calls at one time cannot overshoot a hard budget together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{ToSpan as _, Unit, Zoned};

use crate::lang::ir::{Budget, BudgetScope, Period};

/// The most windows that are remembered.
const WINDOWS_MAX: usize = 100_000;

/// A budget's window, of one key, user or session where it is for each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Window {
    budget: String,
    whose: String,
    /// Seconds since 1970 at which it began.
    start: i64,
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

/// All budgets.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<HashMap<Window, i64>>>);

/// Money that is set aside for a call. Dropped without being settled, it counts as spent.
#[derive(Debug)]
pub struct Reservation {
    ledger: Ledger,
    windows: Vec<Window>,
    amount: i64,
}

impl Ledger {
    /// What was spent of each budget, for a caller; none where a budget is for each of something that the caller is not.
    pub fn spent(&self, budgets: &[Budget], caller: Caller<'_>, now: &Zoned) -> Vec<Option<i64>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        budgets
            .iter()
            .map(|budget| window(budget, caller, now).map(|window| all.get(&window).copied().unwrap_or(0)))
            .collect()
    }

    /// Sets an amount aside in every budget that counts the call; the first hard one that it does not fit into otherwise.
    pub fn reserve(
        &self,
        budgets: &[Budget],
        model: u32,
        caller: Caller<'_>,
        now: &Zoned,
        amount: i64,
    ) -> Result<Reservation, usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut windows = Vec::new();
        for (index, budget) in budgets.iter().enumerate().filter(|(_, budget)| counts(budget, model, caller)) {
            let Some(window) = window(budget, caller, now) else { continue };
            let spent = all.get(&window).copied().unwrap_or(0);
            if budget.hard && amount > 0 && spent.saturating_add(amount) > budget.amount {
                return Err(index);
            }
            windows.push(window);
        }
        if all.len() > WINDOWS_MAX {
            let oldest = all.keys().map(|window| window.start).min();
            all.retain(|window, _| Some(window.start) != oldest);
        }
        for window in &windows {
            *all.entry(window.clone()).or_insert(0) += amount;
        }
        drop(all);
        Ok(Reservation { ledger: self.clone(), windows, amount })
    }
}

impl Reservation {
    /// Replaces what was set aside by what the call cost.
    pub fn settle(mut self, cost: i64) {
        let mut all = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        for window in std::mem::take(&mut self.windows) {
            let spent = all.entry(window).or_insert(0);
            *spent = spent.saturating_add(cost - self.amount).max(0);
        }
    }
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

fn window(budget: &Budget, caller: Caller<'_>, now: &Zoned) -> Option<Window> {
    let whose = match &budget.scope {
        BudgetScope::All | BudgetScope::Key(_) | BudgetScope::User(_) | BudgetScope::Model(_) => "",
        BudgetScope::EachKey => caller.key?,
        BudgetScope::EachUser => caller.user?,
        BudgetScope::EachSession => caller.session?,
    };
    Some(Window { budget: budget.name.clone(), whose: whose.to_owned(), start: start(budget.period, now) })
}

/// When the window began that now lies in.
fn start(period: Period, now: &Zoned) -> i64 {
    let began = match period {
        Period::Hour => now.round(jiff::ZonedRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Trunc)),
        Period::Day => now.start_of_day(),
        Period::Week => {
            let back = i64::from(now.weekday().to_monday_zero_offset());
            now.checked_sub(back.days()).and_then(|day| day.start_of_day())
        }
        Period::Month => now.first_of_month().and_then(|day| day.start_of_day()),
    };
    began.map_or(0, |began| began.timestamp().as_second())
}
