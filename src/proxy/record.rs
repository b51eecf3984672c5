//! What becomes of a call to a provider, written down once, on every path: also when the client hangs up and everything is
//! dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::lang::catalogue::Prices;
use crate::proxy::App;
use crate::proxy::failure::Failure;
use crate::proxy::gate::Place;
use crate::proxy::gate::Room;
use crate::proxy::recording::Entry;
use crate::proxy::tally::{Answered, Tally};
use crate::state::health::Fault;
use crate::state::store::{self, Grant, Note};
use crate::state::usage::{self, Attempt, Tokens};
use crate::wire::event::Usage;

/// Bytes of an answer that make a token, about, where nobody counted them: what broke off.
const BYTES_PER_TOKEN: u64 = 4;

/// What a call is.
#[derive(Debug)]
pub(super) struct Calling {
    /// `provider/model`.
    pub(super) model: String,
    pub(super) session: Option<String>,
    pub(super) prices: Option<Prices>,
    /// Input tokens at most, where the provider says nothing.
    pub(super) input_at_most: u64,
    pub(super) grant: Option<Grant>,
    pub(super) entry: Option<Entry>,
    pub(super) tally: Option<Tally>,
    /// Set when the answer came to its good end.
    pub(super) whole: Arc<AtomicBool>,
    /// Set when another call of the same request answered first.
    pub(super) overtaken: Arc<AtomicBool>,
    /// The place that it takes among the calls of its model.
    pub(super) _place: Option<Place>,
}

/// One call to a provider, from its beginning to its end.
#[derive(Debug)]
pub(super) struct Recorder {
    app: App,
    calling: Calling,
    started: Duration,
    first_byte: Option<Duration>,
    usage: Option<Usage>,
    /// Usage as it was said before the end.
    so_far: Usage,
    /// Bytes of text, thinking and input of tools so far.
    produced: u64,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// Nobody said how it ended: the client hung up.
    Open,
    Good,
    /// By the provider's fault.
    Failed(Fault),
    /// By the request's fault, which no provider is blamed for; in a word.
    Refused(String),
}

impl Recorder {
    pub(super) fn begin(app: &App, calling: Calling) -> Self {
        app.state.health.begin(&calling.model);
        Self {
            app: app.clone(),
            calling,
            started: app.clock.instant(),
            first_byte: None,
            usage: None,
            so_far: Usage::default(),
            produced: 0,
            outcome: Outcome::Open,
        }
    }

    /// Returns room for a response among all bodies.
    pub(super) fn room(&self) -> Result<Room, Failure> {
        self.app.gate().room()
    }

    /// The first byte of the answer is there.
    pub(super) fn first_byte(&mut self) {
        if self.first_byte.is_none() {
            self.first_byte = Some(self.app.clock.instant().saturating_sub(self.started));
        }
    }

    /// Usage as far as it is known.
    pub(super) fn so_far(&mut self, usage: Usage) {
        self.so_far = usage;
    }

    /// More of the answer is there, in bytes.
    pub(super) fn produced(&mut self, bytes: usize) {
        self.produced += bytes as u64;
    }

    /// The answer is there, in a form that nobody here knows.
    pub(super) fn done_somehow(&mut self) {
        self.outcome = Outcome::Good;
    }

    /// What the client was given is not what another one should be.
    pub(super) fn not_to_be_kept(&mut self) {
        self.calling.whole.store(false, Ordering::Relaxed);
    }

    /// The answer is whole.
    pub(super) fn done(&mut self, usage: Usage) {
        self.calling.whole.store(true, Ordering::Relaxed);
        // A provider that says nothing of its usage leaves what was set aside.
        (self.usage, self.outcome) = ((usage != Usage::default()).then_some(usage), Outcome::Good);
    }

    /// The provider failed.
    pub(super) fn failed(&mut self, fault: Fault) {
        self.outcome = Outcome::Failed(fault);
    }

    /// The provider refused the request, which is not its fault.
    pub(super) fn refused(&mut self, what: String) {
        self.outcome = Outcome::Refused(what);
    }

    fn cost(&self, usage: Usage) -> Option<i64> {
        let short = usage.cache_write.saturating_sub(usage.cache_write_long);
        let tokens = [usage.input, usage.output, usage.cache_read, short, usage.cache_write_long];
        Some(self.calling.prices?.of(tokens))
    }

    /// What an answer used that did not come to its end, as far as anybody can tell; none before its first byte.
    fn cut(&self) -> Option<Usage> {
        self.first_byte?;
        let mut usage = self.so_far;
        if usage.input + usage.cache_read + usage.cache_write == 0 {
            usage.input = self.calling.input_at_most;
        }
        usage.output = usage.output.max(self.produced.div_ceil(BYTES_PER_TOKEN));
        Some(usage)
    }

    fn tell_health(&self, now: Duration) {
        let (model, health) = (&self.calling.model, &self.app.state.health);
        health.end(model);
        let first_byte = self.first_byte.unwrap_or_default();
        let good = match &self.outcome {
            Outcome::Good => {
                health.success(model, now, first_byte);
                true
            }
            Outcome::Failed(fault) => {
                health.failure(model, now, fault);
                false
            }
            Outcome::Refused(_) | Outcome::Open => return,
        };
        if self.app.store.is_shared() {
            self.app.store.note(Note::Outcome {
                model: model.clone(),
                good,
                first_byte_us: u64::try_from(first_byte.as_micros()).unwrap_or(u64::MAX),
                at_ms: self.app.clock.unix_ms(),
            });
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let now = self.app.clock.instant();
        self.tell_health(now);
        let never_began = self.first_byte.is_none();
        let overtaken = self.calling.overtaken.load(Ordering::Relaxed);
        let usage = match &self.outcome {
            Outcome::Good => self.usage,
            Outcome::Open | Outcome::Failed(_) => self.cut(),
            Outcome::Refused(_) => None,
        };
        let known = usage.and_then(|usage| self.cost(usage));
        let model = self.calling.model.clone();
        if let Some(entry) = &self.calling.entry {
            match self.outcome {
                // What broke off was the answer all the same.
                Outcome::Failed(_) if never_began => entry.failed(&model),
                Outcome::Open if overtaken => {}
                _ => entry.answered(&model, usage, known, self.first_byte),
            }
        }
        if self.outcome == Outcome::Good
            && let Some(session) = self.calling.session.take()
        {
            let usage = usage.unwrap_or_default();
            let tokens = usage.input + usage.cache_read + usage.cache_write;
            let at_ms = self.app.clock.unix_ms();
            self.app.store.note(Note::Session(store::Answered { session, model: model.clone(), tokens, at_ms }));
        }
        // What failed before its first byte cost nothing. What nobody knows the cost of costs what was set aside.
        let free = never_began && matches!(self.outcome, Outcome::Failed(_) | Outcome::Refused(_));
        let set_aside = self.calling.grant.as_ref().map_or(0, Grant::amount);
        let settled = if free { 0 } else { known.unwrap_or(set_aside) };
        if let Some(grant) = self.calling.grant.take() {
            let used = usage.map(|usage| usage.input + usage.cache_read + usage.cache_write + usage.output);
            grant.settle(settled, if free { Some(0) } else { used });
        }
        let Some(tally) = &self.calling.tally else { return };
        let ms = u64::try_from(now.saturating_sub(self.started).as_millis()).unwrap_or(u64::MAX);
        let (word, answered) = match &self.outcome {
            Outcome::Good => ("answered".to_owned(), Some(usage::Outcome::Answered)),
            Outcome::Open if overtaken => ("overtaken".to_owned(), None),
            Outcome::Open => ("client gone".to_owned(), Some(usage::Outcome::ClientGone)),
            Outcome::Failed(fault) if never_began => (fault.what.clone(), None),
            Outcome::Failed(fault) => (fault.what.clone(), Some(usage::Outcome::Failed)),
            Outcome::Refused(what) => (what.clone(), Some(usage::Outcome::Refused)),
        };
        let priced = free || known.is_some() || set_aside > 0;
        let answered = answered.map(|outcome| Answered {
            tokens: usage.map_or(Tokens::default(), |usage| Tokens {
                input: usage.input,
                output: usage.output,
                cache_read: usage.cache_read,
                cache_write: usage.cache_write,
            }),
            cost: priced.then_some(settled),
            first_byte: self.first_byte,
            outcome,
        });
        tally.attempt(Attempt { model, outcome: word, ms, cost: settled }, answered);
    }
}
