//! What was decided.

use crate::lang::catalogue::ModelId;
use crate::lang::eval::effective::Effective;
use crate::lang::ir::{BudgetId, PoolId, Target};

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// A rule, by its place.
    Rule(usize),
    /// The default.
    Default,
    /// A hard budget that the request does not fit into.
    Budget(BudgetId),
}

/// What becomes of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It goes to the first attempt that answers.
    Route,
    /// It is answered at once, with `reject`.
    Reject,
    /// Nothing of the chain can serve it; it is answered with `reject`.
    Unservable,
}

impl Action {
    /// As in `explain --json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Reject => "reject",
            Self::Unservable => "unservable",
        }
    }
}

/// Why a target was passed over: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The input leaves too little room.
    ContextWindow,
    /// It sees no images.
    Images,
    /// It calls no tools.
    Tools,
    /// It has no extended thinking.
    Thinking,
    /// It reads no documents.
    Documents,
    /// Its last calls failed.
    Unhealthy,
    /// Its own hard budget is spent.
    Budget,
    /// It is not known, or cannot be called for want of a key.
    Unknown,
    /// `same`, with nothing before it.
    FirstTurn,
}

impl Reason {
    /// As in `explain --json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::ContextWindow => "context_window",
            Self::Images => "images",
            Self::Tools => "tools",
            Self::Thinking => "thinking",
            Self::Documents => "documents",
            Self::Unhealthy => "unhealthy",
            Self::Budget => "budget",
            Self::Unknown => "unknown",
            Self::FirstTurn => "first_turn",
        }
    }
}

/// A target that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its name.
    pub model: String,
    /// Why.
    pub reason: Reason,
    /// Why, in words.
    pub detail: String,
}

/// A model to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which.
    pub model: ModelId,
    /// The element of the chain that it comes from, by its place.
    pub element: usize,
    /// The pool that it is a member of.
    pub pool: Option<PoolId>,
}

/// An answer given at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// From 400 to 599.
    pub status: u16,
    /// What the client reads.
    pub message: String,
    /// When it may try again.
    pub retry_after_s: Option<u64>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Who decided.
    pub decided: Decided,
    /// What becomes of the request.
    pub action: Action,
    /// The chain as written.
    pub chain: Vec<Target>,
    /// The models to try, in order.
    pub attempts: Vec<Attempt>,
    /// The targets that were passed over, in order.
    pub skipped: Vec<Skipped>,
    /// For rejections and what cannot be served.
    pub rejection: Option<Rejection>,
    /// Settings in effect for the first attempt.
    pub effective: Effective,
    /// Why a sticky pool did not keep its member.
    pub sticky_broken: Option<String>,
}
