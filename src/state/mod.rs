//! WHAT CHANGES WHILE RUNNING. Small handles: clones share what is inside, methods lock, change and return.

pub mod clock;
pub mod health;
pub mod ledger;
pub mod sessions;
