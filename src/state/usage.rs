//! Usage: a row for each request, and the sums that statistics are made of.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// The most rows that are kept in memory.
const ROWS_MAX: usize = 10_000;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// The answer came out of the router's cache.
    Cached,
    /// The client went before the answer was whole.
    ClientGone,
    /// The rules, a budget or a limit refused it.
    #[default]
    Rejected,
    /// A provider refused it, by its own fault.
    Refused,
    /// Providers failed.
    Failed,
    /// The router died before it was over; it counts with the most that it can have cost.
    Lost,
}

/// The words of outcomes, as statistics and stores write them.
pub const OUTCOMES: &[(Outcome, &str)] = &[
    (Outcome::Answered, "answered"),
    (Outcome::Cached, "cached"),
    (Outcome::ClientGone, "client_gone"),
    (Outcome::Rejected, "rejected"),
    (Outcome::Refused, "refused"),
    (Outcome::Failed, "failed"),
    (Outcome::Lost, "lost"),
];

impl Outcome {
    /// Its word.
    pub fn word(self) -> &'static str {
        OUTCOMES.iter().find(|(outcome, _)| *outcome == self).map_or("", |(_, word)| word)
    }
}

/// Tokens by their class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens {
    /// Read afresh.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Read from a provider's cache.
    pub cache_read: u64,
    /// Written to a provider's cache.
    pub cache_write: u64,
}

/// One call to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// `provider/model`.
    pub model: String,
    /// `answered`, or what went wrong, in a word or two: `429`, `timeout`, `connection`.
    pub outcome: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// In nano-dollars.
    pub cost: i64,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Row {
    /// The request's id.
    pub id: String,
    /// When it came, in milliseconds since 1970.
    pub at_ms: i64,
    /// The name of the router key.
    pub key: Option<String>,
    /// The end user.
    pub user: Option<String>,
    /// The conversation.
    pub session: Option<String>,
    /// The rule that decided; `default`, or `budget NAME`.
    pub rule: String,
    /// `provider/model` that answered, or was tried last.
    pub model: Option<String>,
    /// By class.
    pub tokens: Tokens,
    /// In nano-dollars, of all attempts; none where a price is not known.
    pub cost: Option<i64>,
    /// From the call to its first byte, in milliseconds.
    pub first_byte_ms: Option<u64>,
    /// From the request to the end of its answer, in milliseconds.
    pub total_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The status that the client got.
    pub status: u16,
    /// Every call that was made for it.
    pub attempts: Vec<Attempt>,
    /// The rules' tags.
    pub tags: Vec<String>,
}

impl Row {
    /// The provider's name.
    pub fn provider(&self) -> Option<&str> {
        self.model.as_deref().and_then(|model| model.split('/').next())
    }
}

/// What statistics are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// `provider/model`.
    Model,
    /// The provider.
    Provider,
    /// The rule.
    Rule,
    /// The router key.
    Key,
    /// The end user.
    User,
    /// The conversation.
    Session,
    /// The rules' tags.
    Tag,
    /// The day, in the configured time zone.
    Day,
    /// How it ended.
    Outcome,
}

/// The words of groupings.
pub const BY: &[(By, &str)] = &[
    (By::Model, "model"),
    (By::Provider, "provider"),
    (By::Rule, "rule"),
    (By::Key, "key"),
    (By::User, "user"),
    (By::Session, "session"),
    (By::Tag, "tag"),
    (By::Day, "day"),
    (By::Outcome, "outcome"),
];

/// What is said where a row has no such thing.
pub const NOBODY: &str = "-";

impl By {
    /// The groups that a row counts in. `day` writes a moment's day.
    pub fn of(self, row: &Row, day: &dyn Fn(i64) -> String) -> Vec<String> {
        let one = |text: Option<&str>| vec![text.unwrap_or(NOBODY).to_owned()];
        match self {
            Self::Model => one(row.model.as_deref()),
            Self::Provider => one(row.provider()),
            Self::Rule => one(Some(&row.rule)),
            Self::Key => one(row.key.as_deref()),
            Self::User => one(row.user.as_deref()),
            Self::Session => one(row.session.as_deref()),
            Self::Tag if row.tags.is_empty() => one(None),
            Self::Tag => row.tags.clone(),
            Self::Day => vec![day(row.at_ms)],
            Self::Outcome => one(Some(row.outcome.word())),
        }
    }
}

/// Rows added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Requests.
    pub requests: u64,
    /// Those that providers failed.
    pub failed: u64,
    /// Tokens.
    pub tokens: Tokens,
    /// In nano-dollars.
    pub cost: i64,
    /// Requests whose price is not known.
    pub unpriced: u64,
    /// Milliseconds of all of them.
    pub total_ms: u64,
}

impl Sums {
    /// Adds other sums.
    pub fn plus(&mut self, more: &Self) {
        self.requests += more.requests;
        self.failed += more.failed;
        self.tokens.input += more.tokens.input;
        self.tokens.output += more.tokens.output;
        self.tokens.cache_read += more.tokens.cache_read;
        self.tokens.cache_write += more.tokens.cache_write;
        self.cost = self.cost.saturating_add(more.cost);
        self.unpriced += more.unpriced;
        self.total_ms += more.total_ms;
    }

    /// Adds a row.
    pub fn add(&mut self, row: &Row) {
        self.requests += 1;
        self.failed += u64::from(row.outcome == Outcome::Failed);
        self.tokens.input += row.tokens.input;
        self.tokens.output += row.tokens.output;
        self.tokens.cache_read += row.tokens.cache_read;
        self.tokens.cache_write += row.tokens.cache_write;
        self.cost = self.cost.saturating_add(row.cost.unwrap_or(0));
        self.unpriced += u64::from(row.cost.is_none());
        self.total_ms += row.total_ms;
    }
}

/// Sums, by group.
pub type Totals = BTreeMap<String, Sums>;

/// Adds a row to the groups that it counts in.
pub fn add(totals: &mut Totals, by: By, row: &Row, day: &dyn Fn(i64) -> String) {
    for group in by.of(row, day) {
        totals.entry(group).or_default().add(row);
    }
}

/// The newest rows of this process.
#[derive(Debug, Clone, Default)]
pub struct Rows(Arc<Mutex<VecDeque<Row>>>);

impl Rows {
    /// Adds one.
    pub fn push(&self, row: Row) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ROWS_MAX {
            all.pop_front();
        }
        all.push_back(row);
    }

    /// Reads those since a moment, oldest first.
    pub fn each_since(&self, at_ms: i64, mut read: impl FnMut(&Row)) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|row| row.at_ms >= at_ms).for_each(&mut read);
    }
}
