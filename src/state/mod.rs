//! WHAT CHANGES WHILE RUNNING. Small handles: clones share what is inside, methods lock, change and return.

pub mod cache;
pub mod clock;
pub mod facts;
pub mod health;
pub mod ledger;
pub mod limits;
pub mod names;
pub mod outside;
pub mod private;
pub mod rotating;
pub mod seal;
pub mod sessions;
pub mod store;
pub mod usage;

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// What was lately seen of each model.
    pub health: health::Health,
    /// What was spent.
    pub ledger: ledger::Ledger,
    /// Conversations.
    pub sessions: sessions::Sessions,
    /// Requests and tokens in their windows.
    pub limits: limits::Limits,
    /// The newest requests.
    pub rows: usage::Rows,
}
