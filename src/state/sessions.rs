//! Conversations: which model answered last, what its cache holds, which member a sticky pool took.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The most conversations that are remembered.
const SESSIONS_MAX: usize = 10_000;
/// How long a provider's cache is taken to live after its last use.
const CACHE_AGE: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
struct Session {
    last_used: Duration,
    /// `provider/model` that answered last.
    model: Option<String>,
    /// Input tokens of the last call on each model, and when it was.
    held: HashMap<String, (u64, Duration)>,
}

/// All conversations, and what sticky pools keep.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    sessions: Arc<Mutex<HashMap<String, Session>>>,
    /// The member that a pool took for an id, by the pool's name and the id.
    kept: Arc<Mutex<HashMap<(String, String), String>>>,
    turns: Arc<Mutex<HashMap<String, u64>>>,
}

/// What is known of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// `provider/model` that answered last.
    pub model: Option<String>,
    /// Input tokens that each model's cache holds.
    pub cached: Vec<(String, u64)>,
}

impl Sessions {
    /// What is known of a conversation.
    pub fn known(&self, session: &str, now: Duration) -> Known {
        let all = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(session) = all.get(session) else { return Known::default() };
        let live = session.held.iter().filter(|(_, (_, when))| now.saturating_sub(*when) < CACHE_AGE);
        Known {
            model: session.model.clone(),
            cached: live.map(|(model, (tokens, _))| (model.clone(), *tokens)).collect(),
        }
    }

    /// A model answered a conversation, with so many input tokens.
    pub fn answered(&self, session: &str, model: &str, input_tokens: u64, now: Duration) {
        let mut all = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SESSIONS_MAX && !all.contains_key(session) {
            let mut ages: Vec<Duration> = all.values().map(|session| session.last_used).collect();
            ages.sort_unstable();
            let old = ages[ages.len() / 4];
            all.retain(|_, session| session.last_used > old);
        }
        let known = all.entry(session.to_owned()).or_default();
        known.last_used = now;
        known.model = Some(model.to_owned());
        known.held.insert(model.to_owned(), (input_tokens, now));
    }

    /// The member that a pool keeps for an id.
    pub fn kept(&self, pool: &str, id: &str) -> Option<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&(pool.to_owned(), id.to_owned())).cloned()
    }

    /// A pool took a member for an id.
    pub fn keep(&self, pool: &str, id: &str, model: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= SESSIONS_MAX {
            kept.clear();
        }
        kept.insert((pool.to_owned(), id.to_owned()), model.to_owned());
    }

    /// The turn of a pool, without taking it.
    pub fn turn(&self, pool: &str) -> u64 {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).get(pool).copied().unwrap_or(0)
    }

    /// A pool's turn was taken.
    pub fn turn_taken(&self, pool: &str) {
        *self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(pool.to_owned()).or_insert(0) += 1;
    }
}
