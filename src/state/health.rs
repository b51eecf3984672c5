//! What the router has lately seen of each model and of each provider: outcomes, time to the first byte, calls under way. A
//! circuit breaker rests what fails, lets one call in a second try it afterwards, and gives it its share back slowly.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::lang::input::{ModelFacts, Models, WHOLE};
use crate::state::names::Names;

/// Outcomes that are remembered of a model.
const OUTCOMES_MAX: usize = 20;
/// How long an outcome counts.
const OUTCOME_AGE: Duration = Duration::from_mins(5);
/// Of this many last calls ...
const LAST: usize = 4;
/// ... so many must have failed for the breaker to open.
const FAILED: usize = 3;
/// How long it rests then; twice as long each time that it fails again.
const REST: Duration = Duration::from_secs(30);
const REST_MAX: Duration = Duration::from_mins(5);
/// The longest rest that a provider may ask for.
const ASKED_REST_MAX: Duration = Duration::from_hours(1);
/// How often one call may try what has rested.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long it takes until a model that works again has its whole share of a pool.
const RAMP: Duration = Duration::from_secs(30);
/// The share that it begins with, in millionths.
const RAMP_FROM: i64 = 100_000;
/// The weight of the newest latency in the usual one, as a divisor.
const SMOOTHING: i64 = 5;
/// How long a peak of latency takes to fade to a third (the time constant of peak-EWMA).
const FADING: Duration = Duration::from_secs(10);
/// Times to the first byte that are remembered of a model, and how many say what is usual.
const FIRSTS_MAX: usize = 100;
const FIRSTS_MIN: usize = 10;
/// The most models that are remembered.
const MODELS_MAX: usize = 10_000;

#[derive(Debug, Default)]
struct Seen {
    /// When, since the clock began, and whether it went well.
    outcomes: VecDeque<(Duration, bool)>,
    latency_us: Option<i64>,
    /// The same, but up at once and down slowly.
    peak_us: Option<(i64, Duration)>,
    in_flight: u32,
    breaker: Breaker,
    /// The newest times to the first byte, in microseconds.
    firsts: VecDeque<i64>,
}

#[derive(Debug, Default)]
enum Breaker {
    #[default]
    Closed,
    /// It works again since then.
    Recovering(Duration),
    /// Nobody is let through until then; afterwards, one call at a time tries it.
    Open { until: Duration, times: u32, why: String, tried: Option<Duration> },
}

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fault {
    /// In a word or two: `429`, `timeout`.
    pub what: String,
    /// The provider as a whole could not be reached, so that its other models cannot either.
    pub unreachable: bool,
    /// How long the provider asks to be left alone.
    pub rest: Option<Duration>,
}

/// Health of all models, by `provider/model`, and of providers, by their names.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<HashMap<String, Seen>>>);

/// What is known of a model or provider, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `closed`, `recovering`, `open`, `half_open`.
    pub breaker: &'static str,
    /// Why it is not healthy.
    pub why_not: Option<String>,
    /// Usual time to the first byte, in microseconds.
    pub latency_us: Option<i64>,
    /// Recent calls, and how many of them failed.
    pub calls: usize,
    /// See `calls`.
    pub failed: usize,
    /// Calls under way.
    pub in_flight: u32,
}

fn provider_of(model: &str) -> Option<&str> {
    model.split_once('/').map(|(provider, _)| provider)
}

impl Health {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<String, Seen>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A call begins.
    pub fn begin(&self, model: &str) {
        self.with(|all| of(all, model).in_flight += 1);
    }

    /// A call is over, however it ended.
    pub fn end(&self, model: &str) {
        self.with(|all| {
            let seen = of(all, model);
            seen.in_flight = seen.in_flight.saturating_sub(1);
        });
    }

    /// A call went well, with its first byte after so long.
    pub fn success(&self, model: &str, now: Duration, first_byte: Duration) {
        let latency = i64::try_from(first_byte.as_micros()).unwrap_or(i64::MAX);
        self.with(|all| {
            let seen = of(all, model);
            seen.latency_us = Some(seen.latency_us.map_or(latency, |usual| usual + (latency - usual) / SMOOTHING));
            seen.peak_us = Some((peak(seen.peak_us, latency, now), now));
            if seen.firsts.len() >= FIRSTS_MAX {
                seen.firsts.pop_front();
            }
            seen.firsts.push_back(latency);
            succeeded(seen, now);
            if let Some(provider) = provider_of(model) {
                succeeded(of(all, provider), now);
            }
        });
    }

    /// A call failed, by the provider's fault.
    pub fn failure(&self, model: &str, now: Duration, fault: &Fault) {
        self.with(|all| {
            failed(of(all, model), now, fault);
            if let Some(provider) = provider_of(model).filter(|_| fault.unreachable) {
                failed(of(all, provider), now, &Fault { rest: None, ..fault.clone() });
            }
        });
    }

    /// How a call of another replica went, some time ago.
    pub fn heard(&self, model: &str, when: Duration, good: bool, first_byte: Duration) {
        if good {
            self.success(model, when, first_byte);
        } else {
            self.failure(model, when, &Fault::default());
        }
    }

    /// A provider answered a check, or did not.
    pub fn checked(&self, provider: &str, now: Duration, good: bool) {
        self.with(|all| {
            let seen = of(all, provider);
            if good {
                succeeded(seen, now);
            } else {
                failed(seen, now, &Fault { what: "health check".to_owned(), ..Fault::default() });
            }
        });
    }

    /// What rules see of some models. Of what has rested, one asker a second is told that it is healthy: its call tries it.
    pub fn facts(&self, names: &Names, now: Duration) -> Models {
        self.with(|all| {
            // What was never called is as it is by default; of what was called there is little.
            let called = all.iter_mut().filter_map(|(name, seen)| Some((names.id(name)?, facts(seen, now))));
            let mut found: Models = called.collect();
            // A provider rests with all of its models.
            let resting = |(name, seen): &(&String, &mut Seen)| {
                matches!(seen.breaker, Breaker::Open { .. }) && !name.contains('/')
            };
            for (provider, seen) in all.iter_mut().filter(resting) {
                let serves =
                    |model: &str| model.strip_prefix(provider.as_str()).is_some_and(|rest| rest.starts_with('/'));
                let mut models = (0u32..).zip(names.iter()).filter(|(_, name)| serves(name)).peekable();
                if models.peek().is_none() {
                    continue;
                }
                let Some(why) = why_not(seen, now) else { continue };
                for (model, _) in models {
                    let model = found.of_mut(model);
                    if model.healthy {
                        (model.healthy, model.why_not) = (false, Some(format!("its provider: {why}")));
                    }
                }
            }
            found
        })
    }

    /// The time that the first byte of 95 of 100 calls is there in; none where too few were made.
    pub fn usual_at_most(&self, model: &str) -> Option<Duration> {
        let mut firsts: Vec<i64> = self.with(|all| Some(all.get(model)?.firsts.iter().copied().collect()))?;
        if firsts.len() < FIRSTS_MIN {
            return None;
        }
        firsts.sort_unstable();
        let place = firsts.len() * 95 / 100;
        Some(Duration::from_micros(u64::try_from(firsts[place.min(firsts.len() - 1)]).unwrap_or(0)))
    }

    /// What is known of a model or provider; none where nothing is.
    pub fn report(&self, name: &str, now: Duration) -> Option<Report> {
        self.with(|all| {
            let seen = all.get_mut(name)?;
            forget_old(seen, now);
            let (breaker, why_not) = match &seen.breaker {
                Breaker::Closed => ("closed", None),
                Breaker::Recovering(since) if now.saturating_sub(*since) >= RAMP => ("closed", None),
                Breaker::Recovering(_) => ("recovering", None),
                Breaker::Open { until, why, .. } if now < *until => ("open", Some(why.clone())),
                Breaker::Open { why, .. } => ("half_open", Some(why.clone())),
            };
            Some(Report {
                breaker,
                why_not,
                latency_us: seen.latency_us,
                calls: seen.outcomes.len(),
                failed: seen.outcomes.iter().filter(|(_, good)| !good).count(),
                in_flight: seen.in_flight,
            })
        })
    }
}

fn of<'s>(all: &'s mut HashMap<String, Seen>, name: &str) -> &'s mut Seen {
    if !all.contains_key(name) {
        if all.len() >= MODELS_MAX {
            all.retain(|_, seen| seen.in_flight > 0);
        }
        all.insert(name.to_owned(), Seen::default());
    }
    all.get_mut(name).expect("it was put there if it was not")
}

/// A peak that fades: what is slower than it replaces it at once, what is faster only as time goes by.
fn peak(before: Option<(i64, Duration)>, latency: i64, now: Duration) -> i64 {
    let Some((before, when)) = before else { return latency };
    if latency >= before {
        return latency;
    }
    let faded = (-now.saturating_sub(when).as_secs_f64() / FADING.as_secs_f64()).exp();
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "microseconds of a call")]
    let peak = (before as f64 * faded + latency as f64 * (1.0 - faded)) as i64;
    peak
}

fn forget_old(seen: &mut Seen, now: Duration) {
    seen.outcomes.retain(|(when, _)| now.saturating_sub(*when) < OUTCOME_AGE);
}

fn facts(seen: &mut Seen, now: Duration) -> ModelFacts {
    forget_old(seen, now);
    let total = i64::try_from(seen.outcomes.len()).unwrap_or(0);
    let failed = i64::try_from(seen.outcomes.iter().filter(|(_, good)| !good).count()).unwrap_or(0);
    let why_not = why_not(seen, now);
    ModelFacts {
        healthy: why_not.is_none(),
        why_not,
        latency_us: seen.latency_us,
        peak_us: seen.peak_us.map(|(peak, _)| peak),
        errors: (total > 0).then(|| failed * WHOLE / total.max(1)),
        in_flight: seen.in_flight,
        share: share(&seen.breaker, now),
        ..ModelFacts::default()
    }
}

/// Why nobody is let through, if nobody is.
fn why_not(seen: &mut Seen, now: Duration) -> Option<String> {
    let Breaker::Open { until, why, tried, .. } = &mut seen.breaker else { return None };
    let may_try = now >= *until && tried.is_none_or(|tried| now.saturating_sub(tried) >= PROBE_EVERY);
    if may_try {
        *tried = Some(now);
        return None;
    }
    Some(why.clone())
}

/// The share of its weight that a model has in pools, in millionths.
fn share(breaker: &Breaker, now: Duration) -> i64 {
    let Breaker::Recovering(since) = breaker else { return WHOLE };
    let ramp = i64::try_from(RAMP.as_micros()).unwrap_or(1);
    let gone = i64::try_from(now.saturating_sub(*since).as_micros()).unwrap_or(ramp).min(ramp);
    RAMP_FROM + (WHOLE - RAMP_FROM) * gone / ramp
}

fn remember(seen: &mut Seen, now: Duration, good: bool) {
    if seen.outcomes.len() >= OUTCOMES_MAX {
        seen.outcomes.pop_front();
    }
    seen.outcomes.push_back((now, good));
}

fn succeeded(seen: &mut Seen, now: Duration) {
    remember(seen, now, true);
    if matches!(seen.breaker, Breaker::Open { .. }) {
        seen.breaker = Breaker::Recovering(now);
    }
}

fn failed(seen: &mut Seen, now: Duration, fault: &Fault) {
    remember(seen, now, false);
    let last = seen.outcomes.len().min(LAST);
    let failed_lately = seen.outcomes.iter().rev().take(LAST).filter(|(_, good)| !good).count();
    let asked = fault.rest.map(|rest| rest.min(ASKED_REST_MAX));
    let many = format!("{failed_lately} of the last {last} calls failed");
    let why = |times: u32| match asked {
        Some(rest) => format!("it answered {} and asks to be left alone for {} s", fault.what, rest.as_secs()),
        None if times > 0 => format!("{many}, and it failed again"),
        None => many.clone(),
    };
    let rest = |times: u32| asked.unwrap_or_else(|| (REST * 2u32.saturating_pow(times.min(8))).min(REST_MAX));
    match &mut seen.breaker {
        Breaker::Closed | Breaker::Recovering(_) => {
            if failed_lately >= FAILED || asked.is_some() {
                seen.breaker = Breaker::Open { until: now + rest(0), times: 0, why: why(0), tried: None };
            }
        }
        Breaker::Open { until, times, why: known, tried } => {
            if now >= *until {
                // The call that tried it failed.
                *times += 1;
                (*until, *known, *tried) = (now + rest(*times), why(*times), None);
            } else if asked.is_some() {
                (*until, *known) = ((*until).max(now + rest(*times)), why(*times));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: &str = "p/m";

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn healthy(health: &Health, model: &str, now: u64) -> bool {
        health.facts(&[model.to_owned()].into_iter().collect(), at(now)).of(0).healthy
    }

    #[test]
    fn three_failures_of_four_open_the_breaker_and_one_call_a_second_tries_it_later() {
        let health = Health::default();
        let fault = Fault { what: "500".to_owned(), ..Fault::default() };
        (1..=3).for_each(|second| health.failure(M, at(second), &fault));
        assert!(!healthy(&health, M, 4) && !healthy(&health, M, 32));
        assert!(healthy(&health, M, 33), "one may try");
        assert!(!healthy(&health, M, 33), "and only one");
        assert!(healthy(&health, M, 34), "a second later another one, should the first never have called");
        health.failure(M, at(35), &fault);
        assert!(!healthy(&health, M, 94), "it rests twice as long when it fails again");
        assert!(healthy(&health, M, 95));
        health.success(M, at(96), at(1));
        assert!(healthy(&health, M, 96));
        let share = |now| health.facts(&[M.to_owned()].into_iter().collect(), at(now)).of(0).share;
        assert_eq!((share(96), share(111), share(126)), (100_000, 550_000, WHOLE), "and comes back slowly");
    }

    #[test]
    fn a_provider_that_asks_for_rest_gets_it_at_once() {
        let health = Health::default();
        health.failure(M, at(1), &Fault { what: "429".to_owned(), rest: Some(at(7)), ..Fault::default() });
        assert!(!healthy(&health, M, 7));
        assert!(healthy(&health, M, 8));
    }

    #[test]
    fn a_provider_that_cannot_be_reached_rests_with_all_of_its_models() {
        let health = Health::default();
        let fault = Fault { what: "connection".to_owned(), unreachable: true, rest: None };
        (1..=3).for_each(|second| health.failure(M, at(second), &fault));
        assert!(!healthy(&health, "p/other", 4));
        assert!(healthy(&health, "q/m", 4));
        health.checked("p", at(40), true);
        assert!(healthy(&health, "p/other", 40));
    }

    #[test]
    fn a_peak_rises_at_once_and_fades() {
        let second = 1_000_000;
        assert_eq!(peak(Some((second, at(0))), 5 * second, at(1)), 5 * second);
        let faded = peak(Some((5 * second, at(1))), second, at(11));
        assert!((2 * second..3 * second).contains(&faded), "{faded}");
    }
}
