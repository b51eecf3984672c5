//! Where state outlives the process, or is shared by several: one trait, three stores. What a call must wait for is one
//! atomic step before it (`admit`); everything after it is a note that nobody waits for.

pub mod journal;
pub mod local;
pub mod redis;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::state::ledger::{Claim, Held, Window};
use crate::state::limits::Charge;
use crate::state::usage::{By, Row, Totals};

/// What a call asks for before it is made.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// An id that no other call has, on any replica.
    pub id: String,
    /// When, in nanoseconds since 1970.
    pub now: i64,
    /// Limits that it counts against.
    pub charges: Vec<Charge>,
    /// Budgets that it counts in.
    pub claims: Vec<Claim>,
    /// What it is expected to cost, in nano-dollars.
    pub amount: i64,
    /// What it costs at most: what counts when nobody is left to say what it really cost.
    pub worst: i64,
    /// The pool whose turn it takes.
    pub pool: Option<String>,
    /// What else the rules look at, which a shared store tells.
    pub reads: Reads,
    /// How long it waits for calls under way that may leave room in a hard budget.
    pub patience: Duration,
}

/// What a decision looks at that other replicas change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Budgets' windows.
    pub windows: Vec<Window>,
    /// The conversation.
    pub session: Option<String>,
    /// Pools and whom they keep a member for.
    pub kept: Vec<(String, String)>,
    /// Pools whose turn is looked at.
    pub turns: Vec<String>,
}

impl Reads {
    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.session.is_none() && self.kept.is_empty() && self.turns.is_empty()
    }
}

/// What a shared store said of what was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What is held of each window.
    pub windows: Vec<(Window, Held)>,
    /// The models that answered the conversation, the last one last.
    pub answered: Vec<Answered>,
    /// The member that each pool keeps.
    pub kept: Vec<((String, String), Option<String>)>,
    /// The turn of each pool.
    pub turns: Vec<(String, u64)>,
}

/// What a store says to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// It may be made, with the turn of the pool that it took; or why not.
    pub verdict: Result<Option<u64>, Denied>,
    /// What others may have changed; none where there are no others.
    pub seen: Option<Seen>,
}

/// Why a call may not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// A limit is reached: the charge's place, and when it would be let through.
    Limit(usize, Duration),
    /// A hard budget is spent: the claim's place.
    Spent(usize),
    /// Calls under way hold what is left of a hard budget: the claim's place.
    SetAside(usize),
    /// The store cannot be reached.
    Unreachable(String),
}

/// What became of a call, or of a request. Nobody waits for it.
#[derive(Debug, Clone)]
pub enum Note {
    /// A call is over.
    Settle(Settled),
    /// A request is over.
    Usage(Box<Row>),
    /// A model answered a conversation.
    Session(Answered),
    /// A pool keeps a member for an id.
    Kept {
        /// The pool.
        pool: String,
        /// The conversation, user or key.
        id: String,
        /// `provider/model`.
        model: String,
    },
    /// How a call went, for the health of its model.
    Outcome {
        /// `provider/model`.
        model: String,
        /// It went well.
        good: bool,
        /// To its first byte, in microseconds.
        first_byte_us: u64,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
}

/// A call that is over.
#[derive(Debug, Clone)]
pub struct Settled {
    /// As it was admitted.
    pub id: String,
    /// Budgets that it counts in.
    pub claims: Vec<Claim>,
    /// What was set aside, in nano-dollars.
    pub amount: i64,
    /// What it cost, in nano-dollars.
    pub cost: i64,
    /// Limits, and how much it really used of them.
    pub used: Vec<(Charge, u64)>,
}

impl Settled {
    /// A call that was asked for and not made: all that it took is given back.
    fn undone(ask: &Ask) -> Self {
        Self {
            id: ask.id.clone(),
            claims: ask.claims.clone(),
            amount: ask.amount,
            cost: 0,
            used: ask.charges.iter().map(|charge| (charge.clone(), 0)).collect(),
        }
    }
}

/// A model answered a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The conversation.
    pub session: String,
    /// `provider/model`.
    pub model: String,
    /// Input tokens, which its cache now holds.
    pub tokens: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A store.
pub trait Store: Debug + Send + Sync {
    /// Its type, in a word.
    fn name(&self) -> &'static str;

    /// Whether others change it too, so that what a decision looked at may have changed.
    fn is_shared(&self) -> bool {
        false
    }

    /// Why it cannot be used at the moment, if it cannot.
    fn down(&self) -> Option<String> {
        None
    }

    /// Takes all that a call asks for, or nothing. What a hard budget sets aside outlives the process from here on.
    fn admit<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Admission>;

    /// Takes a note. Never waits.
    fn note(&self, note: Note);

    /// Sums of all rows since a moment, in milliseconds since 1970.
    fn totals(&self, by: By, since_ms: i64) -> BoxFuture<'_, Result<Totals, String>>;

    /// Waits until every note is kept.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A call that was admitted: what was set aside for it is settled, or counts as spent when this is dropped.
#[derive(Debug)]
pub struct Grant {
    store: Arc<dyn Store>,
    settled: Option<Settled>,
}

impl Grant {
    /// Of an ask that was let through.
    pub fn new(store: &Arc<dyn Store>, ask: Ask) -> Self {
        let used = ask.charges.into_iter().filter(|charge| charge.tokens).map(|charge| {
            let cost = charge.cost;
            (charge, cost)
        });
        let settled =
            Settled { id: ask.id, claims: ask.claims, amount: ask.amount, cost: ask.amount, used: used.collect() };
        Self { store: Arc::clone(store), settled: Some(settled) }
    }

    /// What is set aside, in nano-dollars.
    pub fn amount(&self) -> i64 {
        self.settled.as_ref().map_or(0, |settled| settled.amount)
    }

    /// Replaces what was set aside by what the call cost, and limits of tokens by the tokens it used.
    pub fn settle(mut self, cost: i64, tokens: Option<u64>) {
        if let Some(settled) = &mut self.settled {
            settled.cost = cost;
            if let Some(tokens) = tokens {
                settled.used.iter_mut().for_each(|(_, used)| *used = tokens);
            }
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let Some(settled) = self.settled.take() else { return };
        if !settled.claims.is_empty() || !settled.used.is_empty() {
            self.store.note(Note::Settle(settled));
        }
    }
}
