//! What becomes of a request, gathered on its way and written as one row of usage when nobody holds it any more: the answer
//! is whole then, or the client has gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::lang::diagnostic::secret;
use crate::lang::ir::Setting;
use crate::proxy::App;
use crate::proxy::decide::Decided;
use crate::proxy::gate::Place;
use crate::state::store::Note;
use crate::state::usage::{Attempt, NOBODY, Outcome, Row, Tokens};

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Tally(Arc<Gathered>);

struct Gathered {
    app: App,
    started: Duration,
    row: Mutex<Row>,
    /// The places that the request takes until it is over.
    places: Mutex<Vec<Place>>,
}

impl std::fmt::Debug for Gathered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathered").finish_non_exhaustive()
    }
}

/// How an answer went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) tokens: Tokens,
    /// In nano-dollars; none where the price is not known.
    pub(super) cost: Option<i64>,
    pub(super) first_byte: Option<Duration>,
    pub(super) outcome: Outcome,
}

impl Tally {
    pub(super) fn begin(app: &App, id: &str, key: Option<String>) -> Self {
        let row = Row {
            id: id.to_owned(),
            at_ms: app.clock.unix_ms(),
            key,
            user: None,
            session: None,
            rule: NOBODY.to_owned(),
            model: None,
            tokens: Tokens::default(),
            cost: Some(0),
            first_byte_ms: None,
            total_ms: 0,
            outcome: Outcome::Rejected,
            status: 0,
            attempts: Vec::new(),
            tags: Vec::new(),
        };
        let started = app.clock.instant();
        Self(Arc::new(Gathered { app: app.clone(), started, row: Mutex::new(row), places: Mutex::default() }))
    }

    fn with(&self, change: impl FnOnce(&mut Row)) {
        change(&mut self.0.row.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The request takes a place until it is over.
    pub(super) fn holds(&self, place: Place) {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner).push(place);
    }

    /// It was decided.
    pub(super) fn decided(&self, decided: &Decided) {
        let hidden = |text: &str| secret::hide(text).into_owned();
        let tags = decided.effective.first().map(|effective| {
            let tags = effective.settings.iter().filter_map(|held| match &held.setting {
                Setting::Tag(tag) => Some(tag.clone()),
                _ => None,
            });
            tags.collect()
        });
        self.with(|row| {
            row.rule.clone_from(&decided.rule);
            row.user = decided.user.as_deref().map(hidden);
            row.session = decided.session.as_deref().map(hidden);
            row.tags = tags.unwrap_or_default();
        });
    }

    /// A call to a provider is over; `answered` where its answer went to the client, or as much of it as there was.
    pub(super) fn attempt(&self, attempt: Attempt, answered: Option<Answered>) {
        self.with(|row| {
            row.model = Some(attempt.model.clone());
            match answered {
                Some(answered) => {
                    row.tokens = answered.tokens;
                    row.cost = row.cost.and_then(|cost| Some(cost.saturating_add(answered.cost?)));
                    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                    row.first_byte_ms = answered.first_byte.map(millis);
                    row.outcome = answered.outcome;
                }
                None => {
                    row.outcome = Outcome::Failed;
                    row.cost = row.cost.map(|cost| cost.saturating_add(attempt.cost));
                }
            }
            row.attempts.push(attempt);
        });
    }

    /// The answer came out of the cache.
    pub(super) fn cached(&self, model: &str) {
        self.with(|row| (row.model, row.outcome) = (Some(model.to_owned()), Outcome::Cached));
    }

    /// The status that the client is given.
    pub(super) fn status(&self, status: u16) {
        self.with(|row| row.status = status);
    }

    /// What was tried so far, for the trace.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.0.row.lock().unwrap_or_else(PoisonError::into_inner).attempts.clone()
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        let row = self.row.get_mut().unwrap_or_else(PoisonError::into_inner);
        let total = self.app.clock.instant().saturating_sub(self.started);
        row.total_ms = u64::try_from(total.as_millis()).unwrap_or(u64::MAX);
        if row.status == 0 {
            row.outcome = Outcome::ClientGone;
        }
        self.app.metrics.add(row);
        self.app.store.note(Note::Usage(Box::new(std::mem::take(row))));
    }
}
