//! Conversations: which model answered last, what its cache holds, which member a sticky pool took.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::state::store::Answered;

/// The most conversations that are remembered.
const SESSIONS_MAX: usize = 10_000;
/// How long a provider's cache is taken to live after its last use, in milliseconds.
const CACHE_MS: i64 = 5 * 60 * 1_000;

#[derive(Debug, Default)]
struct Session {
    last_used: i64,
    /// `provider/model` that answered last.
    model: Option<String>,
    /// Input tokens of the last call on each model, and when it was.
    held: HashMap<String, (u64, i64)>,
}

/// All conversations, and what pools remember.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    sessions: Arc<Mutex<HashMap<String, Session>>>,
    /// The member that a pool took for an id, by the pool's name and the id, and when; the number is the newest's.
    kept: Arc<Mutex<Kept>>,
    turns: Arc<Mutex<HashMap<String, u64>>>,
}

#[derive(Debug, Default)]
struct Kept {
    members: HashMap<(String, String), (u64, String)>,
    serial: u64,
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
    pub fn known(&self, session: &str, now_ms: i64) -> Known {
        let all = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(session) = all.get(session) else { return Known::default() };
        let live = session.held.iter().filter(|(_, (_, when))| now_ms.saturating_sub(*when) < CACHE_MS);
        Known {
            model: session.model.clone(),
            cached: live.map(|(model, (tokens, _))| (model.clone(), *tokens)).collect(),
        }
    }

    /// A model answered a conversation. What is older than what is known already is no news.
    pub fn answered(&self, answered: &Answered) {
        let mut all = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SESSIONS_MAX && !all.contains_key(&answered.session) {
            let mut ages: Vec<i64> = all.values().map(|session| session.last_used).collect();
            ages.sort_unstable();
            let old = ages[ages.len() / 4];
            all.retain(|_, session| session.last_used > old);
        }
        let known = all.entry(answered.session.clone()).or_default();
        if known.last_used > answered.at_ms {
            return;
        }
        known.last_used = answered.at_ms;
        known.model = Some(answered.model.clone());
        known.held.retain(|_, (_, when)| answered.at_ms.saturating_sub(*when) < CACHE_MS);
        known.held.insert(answered.model.clone(), (answered.tokens, answered.at_ms));
    }

    /// The member that a pool keeps for an id.
    pub fn kept(&self, pool: &str, id: &str) -> Option<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.members.get(&(pool.to_owned(), id.to_owned())).map(|(_, model)| model.clone())
    }

    /// A pool took a member for an id.
    pub fn keep(&self, pool: &str, id: &str, model: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.serial += 1;
        let serial = kept.serial;
        if kept.members.len() >= SESSIONS_MAX {
            let old = serial.saturating_sub(SESSIONS_MAX as u64 * 3 / 4);
            kept.members.retain(|_, (serial, _)| *serial > old);
        }
        kept.members.insert((pool.to_owned(), id.to_owned()), (serial, model.to_owned()));
    }

    /// The turn of a pool, without taking it.
    pub fn turn(&self, pool: &str) -> u64 {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).get(pool).copied().unwrap_or(0)
    }

    /// Takes a pool's turn.
    pub fn take_turn(&self, pool: &str) -> u64 {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(pool.to_owned()).or_insert(0);
        *turn += 1;
        *turn - 1
    }

    /// A pool's turn, as a store knows it.
    pub fn put_turn(&self, pool: &str, turn: u64) {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).insert(pool.to_owned(), turn);
    }

    /// The turns of all pools.
    pub fn turns(&self) -> Vec<(String, u64)> {
        let all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(pool, turn)| (pool.clone(), *turn)).collect()
    }
}
