//! Limits of requests and tokens in a window, by the generic cell rate algorithm (GCRA, ITU-T I.371): a limit is one
//! number, the time at which everything that was taken is paid off. A window's worth may come at once, then as much as
//! the window pays off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The most limits that are remembered: one a key, and a few more.
const LIMITS_MAX: usize = 100_000;

/// So many units in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests or tokens; at least one.
    pub units: u64,
    /// In which they may be taken.
    pub window: Duration,
}

/// What a call takes of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The limit, as the state knows it.
    pub id: String,
    /// The limit.
    pub rate: Rate,
    /// Units.
    pub cost: u64,
    /// It counts tokens, so that what was taken too much is given back.
    pub tokens: bool,
}

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// The charge's place.
    pub charge: usize,
    /// When the call would be let through.
    pub retry_after: Duration,
}

impl Rate {
    /// What some units take of the window, in nanoseconds. More than the window holds counts as all of it: what is larger
    /// than a limit is let through alone, not never.
    fn nanos(self, units: u64) -> i64 {
        let units = u128::from(units.min(self.units));
        let nanos = self.window.as_nanos().saturating_mul(units) / u128::from(self.units.max(1));
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }

    /// The same in microseconds.
    pub fn micros(self, units: u64) -> i64 {
        self.nanos(units) / 1_000
    }

    fn window_nanos(self) -> i64 {
        i64::try_from(self.window.as_nanos()).unwrap_or(i64::MAX)
    }
}

/// All limits: when each is paid off, in nanoseconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct Limits(Arc<Mutex<HashMap<String, i64>>>);

impl Limits {
    /// Takes all charges, or none. `now` is in nanoseconds since 1970.
    pub fn charge(&self, charges: &[Charge], now: i64) -> Result<(), Denied> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut worst: Option<Denied> = None;
        for (place, charge) in charges.iter().enumerate() {
            let paid = all.get(&charge.id).map_or(now, |paid| *paid.max(&now));
            let over = paid
                .saturating_add(charge.rate.nanos(charge.cost))
                .saturating_sub(now)
                .saturating_sub(charge.rate.window_nanos());
            if over > 0 {
                let retry_after = Duration::from_nanos(u64::try_from(over).unwrap_or(0));
                if worst.is_none_or(|worst| worst.retry_after < retry_after) {
                    worst = Some(Denied { charge: place, retry_after });
                }
            }
        }
        if let Some(denied) = worst {
            return Err(denied);
        }
        if all.len() > LIMITS_MAX {
            all.retain(|_, paid| *paid > now);
        }
        for charge in charges {
            let paid = all.entry(charge.id.clone()).or_insert(now);
            *paid = (*paid).max(now).saturating_add(charge.rate.nanos(charge.cost));
        }
        Ok(())
    }

    /// Corrects what a call took when it is known what it used.
    pub fn correct(&self, charge: &Charge, used: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(paid) = all.get_mut(&charge.id) {
            *paid = paid.saturating_add(charge.rate.nanos(used)).saturating_sub(charge.rate.nanos(charge.cost));
        }
    }

    /// The limits that are not paid off, and when they will be.
    pub fn unpaid(&self, now: i64) -> Vec<(String, i64)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(_, paid)| **paid > now).map(|(id, paid)| (id.clone(), *paid)).collect()
    }

    /// When a limit is paid off, as a store knows it.
    pub fn put(&self, id: String, paid: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, paid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn charge(units: u64, cost: u64) -> Charge {
        let rate = Rate { units, window: Duration::from_mins(1) };
        Charge { id: "x".to_owned(), rate, cost, tokens: true }
    }

    #[test]
    fn a_window_may_come_at_once_and_then_as_it_is_paid_off() {
        let limits = Limits::default();
        let one = [charge(6, 1)];
        for _ in 0..6 {
            limits.charge(&one, 0).unwrap();
        }
        assert_eq!(limits.charge(&one, 0).unwrap_err().retry_after, Duration::from_secs(10));
        limits.charge(&one, 10 * SECOND).unwrap();
        assert_eq!(limits.charge(&one, 11 * SECOND).unwrap_err().retry_after, Duration::from_secs(9));
        for _ in 0..6 {
            limits.charge(&one, 100 * SECOND).unwrap();
        }
    }

    #[test]
    fn what_is_larger_than_the_limit_is_let_through_alone() {
        let limits = Limits::default();
        limits.charge(&[charge(100, 5_000)], 0).unwrap();
        assert!(limits.charge(&[charge(100, 1)], 0).is_err());
        limits.correct(&charge(100, 5_000), 40);
        limits.charge(&[charge(100, 60)], 0).unwrap();
    }

    #[test]
    fn a_call_that_one_limit_denies_takes_nothing_of_the_others() {
        let limits = Limits::default();
        let other = Charge { id: "y".to_owned(), ..charge(1, 1) };
        limits.charge(&[charge(10, 1), other.clone()], 0).unwrap();
        for _ in 0..3 {
            assert_eq!(limits.charge(&[charge(10, 1), other.clone()], 0).unwrap_err().charge, 1);
        }
        limits.charge(&[charge(10, 9)], 0).unwrap();
    }
}
