//! What becomes of a call, written down once, on every path: also when the client hangs up and everything is dropped.

use std::time::Duration;

use crate::lang::catalogue::Prices;
use crate::proxy::App;
use crate::proxy::recording::Entry;
use crate::state::ledger::Reservation;
use crate::wire::event::Usage;

/// One call to a provider, from its beginning to its end.
#[derive(Debug)]
pub(super) struct Recorder {
    app: App,
    /// `provider/model`.
    model: String,
    session: Option<String>,
    prices: Option<Prices>,
    reservation: Option<Reservation>,
    entry: Option<Entry>,
    started: Duration,
    first_byte: Option<Duration>,
    usage: Option<Usage>,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nobody said how it ended: the client hung up.
    Open,
    Good,
    /// By the provider's fault.
    Failed,
    /// By the request's fault, which no provider is blamed for.
    Refused,
}

impl Recorder {
    pub(super) fn begin(
        app: &App,
        model: String,
        session: Option<String>,
        prices: Option<Prices>,
        reservation: Option<Reservation>,
        entry: Option<Entry>,
    ) -> Self {
        app.state.health.begin(&model);
        let started = app.clock.instant();
        Self {
            app: app.clone(),
            model,
            session,
            prices,
            reservation,
            entry,
            started,
            first_byte: None,
            usage: None,
            outcome: Outcome::Open,
        }
    }

    /// The first byte of the answer is there.
    pub(super) fn first_byte(&mut self) {
        self.first_byte = Some(self.app.clock.instant().saturating_sub(self.started));
    }

    /// The answer is whole.
    pub(super) fn done(&mut self, usage: Usage) {
        // A provider that says nothing of its usage leaves what was set aside.
        (self.usage, self.outcome) = ((usage != Usage::default()).then_some(usage), Outcome::Good);
    }

    /// The provider failed.
    pub(super) fn failed(&mut self) {
        self.outcome = Outcome::Failed;
    }

    /// The provider refused the request, which is not its fault.
    pub(super) fn refused(&mut self) {
        self.outcome = Outcome::Refused;
    }

    fn cost(&self, usage: Usage) -> Option<i64> {
        let short = usage.cache_write.saturating_sub(usage.cache_write_long);
        Some(self.prices?.of([usage.input, usage.output, usage.cache_read, short, usage.cache_write_long]))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.app.state.health.end(&self.model);
        let now = self.app.clock.instant();
        match self.outcome {
            Outcome::Good => self.app.state.health.success(&self.model, now, self.first_byte.unwrap_or_default()),
            Outcome::Failed => self.app.state.health.failure(&self.model, now),
            Outcome::Refused | Outcome::Open => {}
        }
        if let Some(entry) = &self.entry {
            match self.outcome {
                // What broke off was the answer all the same.
                Outcome::Failed if self.first_byte.is_none() => entry.failed(&self.model),
                Outcome::Good | Outcome::Open | Outcome::Failed | Outcome::Refused => {
                    let cost = self.usage.and_then(|usage| self.cost(usage));
                    entry.answered(&self.model, self.usage, cost, self.first_byte);
                }
            }
        }
        let usage = self.usage.unwrap_or_default();
        if self.outcome == Outcome::Good
            && let Some(session) = &self.session
        {
            let input = usage.input + usage.cache_read + usage.cache_write;
            self.app.state.sessions.answered(session, &self.model, input, now);
        }
        let Some(reservation) = self.reservation.take() else { return };
        match (self.outcome, self.usage.and_then(|usage| self.cost(usage))) {
            (Outcome::Good, Some(cost)) => reservation.settle(cost),
            (Outcome::Failed | Outcome::Refused, _) if self.first_byte.is_none() => reservation.settle(0),
            // Nobody knows what a cut answer cost: what was set aside counts as spent.
            (Outcome::Good | Outcome::Failed | Outcome::Refused | Outcome::Open, _) => drop(reservation),
        }
    }
}
