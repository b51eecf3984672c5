//! What the router has lately seen of each model: outcomes, time to the first byte, calls under way.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::lang::input::ModelFacts;

/// Outcomes that are remembered of a model.
const OUTCOMES_MAX: usize = 20;
/// How long an outcome counts.
const OUTCOME_AGE: Duration = Duration::from_mins(5);
/// Of this many last calls ...
const LAST: usize = 4;
/// ... so many must have failed for a model to be unhealthy.
const FAILED: usize = 3;
/// How long after its last failure a model is tried again.
const REST: Duration = Duration::from_secs(30);
/// The weight of the newest latency in the usual one, as a divisor.
const SMOOTHING: i64 = 5;

#[derive(Debug, Default)]
struct Seen {
    /// When, since the clock began, and whether it went well.
    outcomes: VecDeque<(Duration, bool)>,
    latency_us: Option<i64>,
    in_flight: u32,
}

/// Health of all models, by `provider/model`.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<HashMap<String, Seen>>>);

impl Health {
    fn with<T>(&self, model: &str, change: impl FnOnce(&mut Seen) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(model.to_owned()).or_default())
    }

    /// A call begins.
    pub fn begin(&self, model: &str) {
        self.with(model, |seen| seen.in_flight += 1);
    }

    /// A call is over, however it ended.
    pub fn end(&self, model: &str) {
        self.with(model, |seen| seen.in_flight = seen.in_flight.saturating_sub(1));
    }

    /// A call went well, with its first byte after so long.
    pub fn success(&self, model: &str, now: Duration, first_byte: Duration) {
        let latency = i64::try_from(first_byte.as_micros()).unwrap_or(i64::MAX);
        self.with(model, |seen| {
            seen.latency_us = Some(seen.latency_us.map_or(latency, |usual| usual + (latency - usual) / SMOOTHING));
            outcome(seen, now, true);
        });
    }

    /// A call failed, by the provider's fault.
    pub fn failure(&self, model: &str, now: Duration) {
        self.with(model, |seen| outcome(seen, now, false));
    }

    /// What rules see of some models.
    pub fn facts(&self, models: &[String], now: Duration) -> Vec<ModelFacts> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        models
            .iter()
            .map(|model| all.get_mut(model).map_or_else(ModelFacts::default, |seen| facts(seen, now)))
            .collect()
    }
}

fn facts(seen: &mut Seen, now: Duration) -> ModelFacts {
    seen.outcomes.retain(|(when, _)| now.saturating_sub(*when) < OUTCOME_AGE);
    let total = i64::try_from(seen.outcomes.len()).unwrap_or(0);
    let failed = i64::try_from(seen.outcomes.iter().filter(|(_, good)| !good).count()).unwrap_or(0);
    let last: Vec<&(Duration, bool)> = seen.outcomes.iter().rev().take(LAST).collect();
    let failed_lately = last.iter().filter(|(_, good)| !good).count();
    let resting = last.first().is_some_and(|(when, good)| !good && now.saturating_sub(*when) < REST);
    let healthy = !(failed_lately >= FAILED && resting);
    ModelFacts {
        healthy,
        why_not: (!healthy).then(|| format!("{failed_lately} of the last {} calls failed", last.len())),
        latency_us: seen.latency_us,
        errors: (total > 0).then(|| failed * crate::lang::input::WHOLE / total.max(1)),
        in_flight: seen.in_flight,
        ..ModelFacts::default()
    }
}

fn outcome(seen: &mut Seen, now: Duration, good: bool) {
    if seen.outcomes.len() >= OUTCOMES_MAX {
        seen.outcomes.pop_front();
    }
    seen.outcomes.push_back((now, good));
}
