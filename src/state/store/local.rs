//! The store of a router that is alone: state is this process's memory, and a journal keeps it where there is one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::state::State;
use crate::state::clock::Clock;
use crate::state::ledger::NoRoom;
use crate::state::limits;
use crate::state::store::journal::Journal;
use crate::state::store::{Admission, Ask, Denied, Note, Settled, Store};
use crate::state::usage::{self, By, Totals};

/// Memory, and a journal.
#[derive(Debug)]
pub struct Local {
    state: State,
    clock: Clock,
    journal: Option<Journal>,
    /// Told whenever a call is over, for those who wait for room in a budget.
    settled: Arc<Notify>,
}

impl Local {
    /// Of some state, which the journal has filled already.
    pub fn new(state: State, clock: Clock, journal: Option<Journal>) -> Self {
        Self { state, clock, journal, settled: Arc::default() }
    }

    fn try_once(&self, ask: &Ask) -> Result<(), Denied> {
        let denied = |denied: limits::Denied| Denied::Limit(denied.charge, denied.retry_after);
        self.state.limits.charge(&ask.charges, ask.now).map_err(denied)?;
        let reserved = self.state.ledger.reserve(&ask.claims, ask.amount, ask.now / 1_000_000_000);
        reserved.map_err(|no_room| {
            ask.charges.iter().for_each(|charge| self.state.limits.correct(charge, 0));
            match no_room {
                NoRoom::Spent(claim) => Denied::Spent(claim),
                NoRoom::SetAside(claim) => Denied::SetAside(claim),
            }
        })
    }

    async fn admitted(&self, ask: &Ask) -> Result<Option<u64>, Denied> {
        let end = tokio::time::Instant::from_std(self.clock.moment(ask.patience));
        loop {
            // Listening begins before looking, so that nothing is missed between the two.
            let settled = self.settled.notified();
            match self.try_once(ask) {
                Ok(()) => break,
                Err(Denied::SetAside(claim)) => {
                    if tokio::time::timeout_at(end, settled).await.is_err() {
                        return Err(Denied::SetAside(claim));
                    }
                }
                Err(denied) => return Err(denied),
            }
        }
        let turn = ask.pool.as_ref().map(|pool| self.state.sessions.take_turn(pool));
        let Some(journal) = &self.journal else { return Ok(turn) };
        let mut undo = Undo { store: self, ask: Some(ask) };
        journal.reserve(ask).await.map_err(Denied::Unreachable)?;
        undo.ask = None;
        Ok(turn)
    }
}

/// Gives back what was taken: the journal failed, or the client went while it was written.
struct Undo<'u> {
    store: &'u Local,
    ask: Option<&'u Ask>,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let Some(ask) = self.ask else { return };
        self.store.note(Note::Settle(Settled::undone(ask)));
    }
}

impl Store for Local {
    fn name(&self) -> &'static str {
        if self.journal.is_some() { "sqlite" } else { "memory" }
    }

    fn down(&self) -> Option<String> {
        self.journal.as_ref().and_then(Journal::down)
    }

    fn admit<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Admission> {
        Box::pin(async move { Admission { verdict: self.admitted(ask).await, seen: None } })
    }

    fn note(&self, note: Note) {
        match &note {
            Note::Settle(settled) => {
                self.state.ledger.settle(&settled.claims, settled.amount, settled.cost);
                settled.used.iter().for_each(|(charge, used)| self.state.limits.correct(charge, *used));
                self.settled.notify_waiters();
            }
            Note::Usage(row) => self.state.rows.push((**row).clone()),
            Note::Session(answered) => self.state.sessions.answered(answered),
            Note::Kept { pool, id, model } => self.state.sessions.keep(pool, id, model),
            Note::Outcome { .. } => return,
        }
        if let Some(journal) = &self.journal {
            journal.note(note);
        }
    }

    fn totals(&self, by: By, since_ms: i64) -> BoxFuture<'_, Result<Totals, String>> {
        if let Some(journal) = &self.journal {
            return Box::pin(journal.totals(by, since_ms, self.clock.clone()));
        }
        let mut totals = Totals::new();
        let day = |ms| self.clock.day(ms);
        self.state.rows.each_since(since_ms, |row| usage::add(&mut totals, by, row, &day));
        Box::pin(std::future::ready(Ok(totals)))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(journal) = &self.journal {
                journal.close(Duration::from_secs(10)).await;
            }
        })
    }
}
