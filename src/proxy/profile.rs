//! Where the time of the newest requests went, by stage.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

/// The requests that are remembered.
const REQUESTS_MAX: usize = 2_000;

/// A stage of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// For a place among the requests that are worked on.
    Queue,
    /// The body from the client.
    Read,
    /// Body to features to decision, all in all.
    Decide,
    /// The plan alone, within `Decide`.
    Plan,
    /// Limits and budgets, at the store.
    Admit,
    /// Making the request for the provider.
    Translate,
    /// From the call to its first byte.
    Upstream,
}

const STAGES: &[(Stage, &str)] = &[
    (Stage::Queue, "queue"),
    (Stage::Read, "read"),
    (Stage::Decide, "decide"),
    (Stage::Plan, "plan"),
    (Stage::Admit, "admit"),
    (Stage::Translate, "translate"),
    (Stage::Upstream, "upstream"),
];

#[derive(Debug, Default)]
struct Ring {
    /// Microseconds, by stage.
    times: [Vec<u32>; STAGES.len()],
    next: [usize; STAGES.len()],
}

/// All stages.
#[derive(Debug, Clone, Default)]
pub(super) struct Profile(Arc<Mutex<Ring>>);

impl Profile {
    /// A stage took so long.
    pub(super) fn took(&self, stage: Stage, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = stage as usize;
        if ring.times[place].len() < REQUESTS_MAX {
            ring.times[place].push(micros);
        } else {
            let next = ring.next[place];
            ring.times[place][next] = micros;
            ring.next[place] = (next + 1) % REQUESTS_MAX;
        }
    }

    /// Percentiles, by stage.
    pub(super) fn report(&self) -> Value {
        let times = {
            let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            ring.times.clone()
        };
        let stages: Map<String, Value> = STAGES
            .iter()
            .zip(times)
            .map(|((_, name), mut times)| {
                times.sort_unstable();
                let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
                let value = json!({"n": times.len(), "p50": at(50), "p90": at(90), "p99": at(99), "max": times.last()});
                ((*name).to_owned(), value)
            })
            .collect();
        json!({"unit": "microseconds", "requests_max": REQUESTS_MAX, "stages": stages})
    }
}
