//! All that a decision may see: the features of the request, and the facts of the moment.
//!
//! Ordered values are `i64`s in the unit of their type (see `schema::types`): numbers in billionths, money in
//! nano-dollars, percent in millionths of the whole, durations in microseconds, times in minutes, dates in days since
//! 1970-01-01, members of closed sets and classes by their index, bools as 0 and 1.

use std::borrow::Cow;
use std::sync::Arc;

/// One whole number in the unit of `Number`.
pub const NUMBER: i64 = 1_000_000_000;
/// One dollar in the unit of `Money`.
pub const DOLLAR: i64 = 1_000_000_000;
/// The whole (100%) in the unit of `Percent`.
pub const WHOLE: i64 = 1_000_000;
/// One second in the unit of `Duration`.
pub const SECOND: i64 = 1_000_000;

/// An ordered value, known exactly (`low == high`) or up to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// It is this at least.
    pub low: i64,
    /// It is this at most.
    pub high: i64,
}

impl Bounds {
    /// Known exactly.
    pub fn exactly(value: i64) -> Self {
        Self { low: value, high: value }
    }

    /// Whether nothing about it is left open.
    pub fn is_exact(self) -> bool {
        self.low == self.high
    }
}

/// What can be read of a request. `schema::fields` says what each one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// `api`
    Api,
    /// `client`
    Client,
    /// `model`
    Model,
    /// `stream`
    Stream,
    /// `max_tokens`
    MaxTokens,
    /// `temperature`
    Temperature,
    /// `effort`
    Effort,
    /// `tokens`
    Tokens,
    /// `prompt.tokens`
    PromptTokens,
    /// `system.tokens`
    SystemTokens,
    /// `tools.tokens`
    ToolsTokens,
    /// `history.tokens`
    HistoryTokens,
    /// `prompt`
    Prompt,
    /// `system`
    System,
    /// `conversation`
    Conversation,
    /// `messages`
    Messages,
    /// `turns`
    Turns,
    /// `files`
    Files,
    /// `files.all`
    FilesAll,
    /// `tools`
    Tools,
    /// `images`
    Images,
    /// `documents`
    Documents,
    /// `thinking`
    Thinking,
    /// `thinking.budget`
    ThinkingBudget,
    /// `web_search`
    WebSearch,
    /// `agent`
    Agent,
    /// `agent.type`
    AgentType,
    /// `compacted`
    Compacted,
    /// `project`
    Project,
    /// `session`
    Session,
    /// `user`
    User,
    /// `key`
    Key,
    /// `header("...")`
    Header,
    /// `metadata("...")`
    Metadata,
}

/// What changes while the router runs. `schema::fields` says what each one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    /// `session.model`
    SessionModel,
    /// `time`
    Time,
    /// `weekday`
    Weekday,
    /// `date`
    Date,
    /// `bucket`
    Bucket,
    /// `cost("m")`
    Cost,
    /// `switch_cost("m")`
    SwitchCost,
    /// `healthy("m")`
    Healthy,
    /// `latency("m")`
    Latency,
    /// `errors("m")`
    Errors,
    /// `NAME.spent`
    Spent,
    /// `NAME.remaining`
    Remaining,
    /// `NAME.used`
    Used,
    /// `target`
    Target,
    /// `target.provider`
    TargetProvider,
}

/// The request, read as far as somebody asks. Every answer is the same however often and in whatever order it is asked.
pub trait Features {
    /// An ordered feature; none when it is absent. `asked` are the thresholds that matter, ascending: the answer may be
    /// any bound that lies on one side of each of them (`value < t`, or `value >= t`). Without thresholds it is exact.
    fn ordinal(&self, feature: Feature, asked: &[i64]) -> Option<Bounds>;

    /// A text, by its name where the feature has one (`header`); none when it is absent.
    fn text(&self, feature: Feature, name: Option<&str>) -> Option<Cow<'_, str>>;

    /// The members of a set.
    fn set(&self, feature: Feature) -> Cow<'_, [String]>;

    /// What `bucket` hashes: the session, else the user, else the SHA-256 of the body.
    fn bucket_id(&self) -> Cow<'_, str>;
}

/// What the router has lately seen of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFacts {
    /// It may be tried.
    pub healthy: bool,
    /// Why it is not healthy, for people.
    pub why_not: Option<String>,
    /// Usual time to the first byte, in microseconds.
    pub latency_us: Option<i64>,
    /// The same, but up at once and down slowly.
    pub peak_us: Option<i64>,
    /// Share of recent calls that failed, in millionths.
    pub errors: Option<i64>,
    /// Its share of what it would have of a pool, in millionths: less than the whole while it comes back from a rest.
    pub share: i64,
    /// Calls under way.
    pub in_flight: u32,
    /// Input tokens of this session that its cache holds.
    pub cached_tokens: u64,
}

/// What is known of a model that nobody has seen.
static UNSEEN: ModelFacts = ModelFacts {
    healthy: true,
    why_not: None,
    latency_us: None,
    peak_us: None,
    errors: None,
    share: WHOLE,
    in_flight: 0,
    cached_tokens: 0,
};

impl Default for ModelFacts {
    fn default() -> Self {
        UNSEEN.clone()
    }
}

/// What is known of the models of a plan, by their ids. Only those that were seen take room: of a catalogue of a hundred
/// that are few, and each request makes one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Models(Vec<(u32, ModelFacts)>);

impl Models {
    /// What is known of a model.
    pub fn of(&self, model: u32) -> &ModelFacts {
        self.0.iter().find(|(known, _)| *known == model).map_or(&UNSEEN, |(_, facts)| facts)
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, model: u32) -> &mut ModelFacts {
        let at = self.0.iter().position(|(known, _)| *known == model).unwrap_or_else(|| {
            self.0.push((model, ModelFacts::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// Those that were seen.
    pub fn seen(&self) -> impl Iterator<Item = &(u32, ModelFacts)> {
        self.0.iter()
    }
}

impl FromIterator<(u32, ModelFacts)> for Models {
    /// Each model once.
    fn from_iter<T: IntoIterator<Item = (u32, ModelFacts)>>(all: T) -> Self {
        Self(all.into_iter().collect())
    }
}

/// The moment: taken once a request. Lists are by the ids of the plan that is asked; what is missing reads as unused.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Minutes since midnight, in the configured time zone.
    pub minute: i64,
    /// From Monday, 0.
    pub weekday: i64,
    /// Days since 1970-01-01.
    pub day: i64,
    /// What `bucket` is, whatever the request: tests fix it. In millionths.
    pub bucket: Option<i64>,
    /// `bucket("name")`, fixed by name.
    pub named_buckets: Vec<(String, i64)>,
    /// The model that answered this session last, as `provider/model`.
    pub session_model: Option<String>,
    /// Spent of each budget in its window, in nano-dollars; none where the budget is for each key, say, and there is none.
    pub spent: Vec<Option<i64>>,
    /// How much of that is only set aside for calls under way, by budget: it may come back.
    pub set_aside: Vec<i64>,
    /// Of each model.
    pub models: Models,
    /// Why each model cannot be called at all, for people: no key is set. The same for every request, so it is shared.
    pub no_key: Option<Arc<Vec<Option<String>>>>,
    /// A counter for `round_robin` and `weighted` pools, by pool.
    pub turns: Vec<u64>,
    /// The member that each sticky pool took for this session, user or key before.
    pub sticky: Vec<Option<u32>>,
    /// Spreads requests where chance does: any number, other for each request; none where nothing is left to chance.
    pub spread: Option<u64>,
    /// `cost("m")` and `switch_cost("m")` as a test gives them, by model: wins over the estimate.
    pub given_costs: Vec<(u32, i64)>,
    /// The same for `switch_cost`.
    pub given_switch_costs: Vec<(u32, i64)>,
    /// The lines of labels as a test gives them, by label.
    pub given_labels: Vec<(u32, usize)>,
}

impl Facts {
    /// Of a model, by its id in the plan.
    pub fn model(&self, index: usize) -> &ModelFacts {
        self.models.of(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Why a model cannot be called at all.
    pub fn no_key(&self, index: usize) -> Option<&str> {
        self.no_key.as_ref()?.get(index)?.as_deref()
    }

    /// The moment that tests start from: Wednesday 2025-01-15 at 12:00, nothing spent, all healthy, bucket 0%.
    pub fn of_tests(budgets: usize, pools: usize) -> Self {
        Self {
            minute: 12 * 60,
            weekday: 2,
            day: 20_103,
            bucket: Some(0),
            spent: vec![Some(0); budgets],
            turns: vec![0; pools],
            sticky: vec![None; pools],
            ..Self::default()
        }
    }
}

/// All that a decision may see.
pub struct Input<'a> {
    /// The request.
    pub request: &'a dyn Features,
    /// The moment.
    pub facts: &'a Facts,
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("facts", self.facts).finish_non_exhaustive()
    }
}
