//! The IR: names resolved, types and units checked, lets inlined, negation pushed inward to single tests, equal tests
//! shared as atoms. It is what both evaluators, the lints and the analysis read.

mod actions;
mod condition;
pub mod interval;
mod items;
mod label;
pub mod load;
mod models;
mod ordered;
mod resolve;
mod scope;
mod tests;
mod texts;
mod value;

use std::sync::Arc;

use crate::lang::catalogue::{Catalogue, ModelId};
use crate::lang::input::{Fact, Feature};
use crate::lang::ir::interval::Intervals;
use crate::lang::schema::fields::{Cost, FieldId, Read};
use crate::lang::schema::glob::Glob;
use crate::lang::schema::types::Type;
use crate::lang::source::{Sources, Span};

pub use resolve::resolve;

/// How a pool takes a member, as written.
pub const STRATEGY_WORDS: [&str; 5] = firsts(&items::STRATEGIES);
/// What keeps its member, as written behind `sticky`.
pub const STICKY_WORDS: [&str; 3] = firsts(&items::STICKIES);
/// The windows of budgets, as written behind `per`.
pub const PERIOD_WORDS: [&str; 4] = firsts(&items::PERIODS);

const fn firsts<T, const N: usize>(table: &'static [(&'static str, T); N]) -> [&'static str; N] {
    let (mut words, mut at) = ([""; N], 0);
    while at < N {
        words[at] = table[at].0;
        at += 1;
    }
    words
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);
        impl $name {
            /// Its place in the list of its kind.
            pub fn index(self) -> usize { self.0 as usize }
        }
    )*};
}
ids! {
    /// An atom of a program.
    AtomId,
    /// A slot of a program.
    SlotId,
    /// A label of a program.
    LabelId,
    /// A budget of a program.
    BudgetId,
    /// A pool of a program.
    PoolId
}

/// A resolved program.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Its texts.
    pub sources: Arc<Sources>,
    /// The models that it may route to.
    pub catalogue: Arc<Catalogue>,
    /// What atoms ask about, each once.
    pub slots: Vec<Slot>,
    /// The tests of its conditions, each once.
    pub atoms: Vec<Atom>,
    /// Its labels, and those of the prelude; of the latter, only what is asked about has conditions.
    pub labels: Vec<Label>,
    /// Its budgets.
    pub budgets: Vec<Budget>,
    /// Its pools.
    pub pools: Vec<Pool>,
    /// In the order in which they are asked.
    pub rules: Vec<Rule>,
    /// What is done when no rule decides.
    pub default: Option<Rule>,
    /// In the order in which they apply.
    pub adjusts: Vec<Rule>,
    /// Its tests.
    pub tests: Vec<TestItem>,
    /// Names that nothing uses, for the lints.
    pub unused: Vec<Unused>,
    /// Lists of text patterns as they were written, for the lints.
    pub lists: Vec<PatternList>,
}

/// A field with what it is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Slot {
    /// A row of the table of fields.
    Field(FieldId, Argument),
    /// The line of a label that wins, by its place among the label's lines.
    Label(LabelId),
}

/// What a field is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Argument {
    /// Nothing.
    None,
    /// A name.
    Text(String),
    /// A model.
    Model(ModelId),
    /// The member of a pool that would be taken.
    Pool(PoolId),
    /// A budget.
    Budget(BudgetId),
}

impl Slot {
    /// The type of its values.
    pub fn ty(&self) -> Type {
        match self {
            Self::Field(field, _) => field.row().ty,
            Self::Label(_) => Type::Class,
        }
    }

    /// Whether it can be absent.
    pub fn can_be_absent(&self) -> bool {
        match self {
            Self::Field(field, _) => field.row().absent.is_some(),
            Self::Label(_) => false,
        }
    }

    /// Whether it is the same for every request of the moment, or read of the request without any work.
    pub fn is_free(&self) -> bool {
        match self {
            Self::Field(field, _) => field.row().cost == Cost::Free,
            Self::Label(_) => false,
        }
    }

    /// The feature that it reads, if it reads one.
    pub fn feature(&self) -> Option<Feature> {
        match self {
            Self::Field(field, _) => match field.row().read {
                Read::Feature(feature) => Some(feature),
                Read::Fact(_) => None,
            },
            Self::Label(_) => None,
        }
    }

    /// The fact that it reads, if it reads one.
    pub fn fact(&self) -> Option<Fact> {
        match self {
            Self::Field(field, _) => match field.row().read {
                Read::Fact(fact) => Some(fact),
                Read::Feature(_) => None,
            },
            Self::Label(_) => None,
        }
    }
}

/// One test, with two truth values: on something absent it is false.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Atom {
    /// An ordered value is there and in the set.
    Within(SlotId, Intervals),
    /// Two ordered values are there, and the first is less, or less or equal, or equal.
    Compare(SlotId, Order, SlotId),
    /// A text.
    Text(SlotId, TextTest),
    /// Two texts are there and the same but for case.
    SameText(SlotId, SlotId),
    /// A set holds something.
    Holds(SlotId, Member),
}

impl Atom {
    /// The slot that it asks first.
    pub fn slot(&self) -> SlotId {
        match self {
            Self::Within(slot, _)
            | Self::Compare(slot, ..)
            | Self::Text(slot, _)
            | Self::SameText(slot, _)
            | Self::Holds(slot, _) => *slot,
        }
    }

    /// The other slot of a comparison of two.
    pub fn other_slot(&self) -> Option<SlotId> {
        match self {
            Self::Compare(_, _, other) | Self::SameText(_, other) => Some(*other),
            Self::Within(..) | Self::Text(..) | Self::Holds(..) => None,
        }
    }
}

/// An order of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==`
    Equal,
}

/// A test of a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TextTest {
    /// It is there.
    Present,
    /// It is there and not empty.
    NotEmpty,
    /// Its whole value, folded.
    Is(String),
    /// Its whole value, by a glob.
    Like(Glob),
    /// It holds a pattern.
    Contains(Pattern),
    /// It holds a match of a regular expression.
    Matches(Regex),
}

/// A text pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern {
    /// What is searched for: in NFC, folded unless `exact`.
    pub text: String,
    /// Case counts.
    pub exact: bool,
    /// A word must begin where it begins.
    pub starts_word: bool,
    /// A word must end where it ends.
    pub ends_word: bool,
}

/// A regular expression, as the `regex` crate takes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Regex {
    /// With its flags in front.
    pub source: String,
}

/// A test of a member of a set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Member {
    /// There is any.
    Any,
    /// A path's file name ends with this, folded: `.py`.
    Extension(String),
    /// A path's file name is this, folded.
    FileName(String),
    /// A tail of a path, or a whole text.
    Glob(Glob),
    /// A whole text, folded.
    Is(String),
}

/// A condition in negation normal form.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Always or never.
    Always(bool),
    /// One test of the source.
    Test(Test),
    /// All of them.
    And(Vec<Condition>),
    /// Any of them.
    Or(Vec<Condition>),
}

/// One test as it was written: some atoms, all or any of which must hold, or the `not` of that.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// One at least.
    pub atoms: Vec<AtomId>,
    /// All must hold, not only any.
    pub all: bool,
    /// The `not` of it.
    pub negated: bool,
    /// A `not` stands before its words, perhaps at a distance.
    pub outer_not: bool,
    /// The words of the source.
    pub span: Span,
    /// Where it stands in its rule: its own words, or the name of the let that they come from.
    pub site: Span,
    /// The let that stands between, if one does.
    pub via: Option<Arc<str>>,
}

/// A label.
#[derive(Debug, Clone)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Where it is defined.
    pub span: Span,
    /// `<` and its like work on its classes.
    pub ordered: bool,
    /// Its classes, as they first appear.
    pub classes: Vec<String>,
    /// As they were written.
    pub lines: Vec<LabelLine>,
}

impl Label {
    /// Whether something is asked for it: nothing is for one of the prelude that the program does not use.
    pub fn asks(&self) -> bool {
        self.lines.iter().any(|line| line.when.is_some())
    }

    /// The class of a line.
    pub fn class_of(&self, line: usize) -> &str {
        &self.classes[self.lines[line].class]
    }
}

/// A line of a label.
#[derive(Debug, Clone)]
pub struct LabelLine {
    /// By its place among the classes.
    pub class: usize,
    /// None for `otherwise`, and where the label is not used.
    pub when: Option<Condition>,
    /// In millionths.
    pub confidence: i64,
    /// Where.
    pub span: Span,
}

/// The window of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From the full hour.
    Hour,
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
}

/// Whose calls a budget counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetScope {
    /// All.
    All,
    /// Of one key.
    Key(String),
    /// Of one user.
    User(String),
    /// Of one model.
    Model(ModelId),
    /// Of each key by itself.
    EachKey,
    /// Of each user by itself.
    EachUser,
    /// Of each session by itself.
    EachSession,
}

/// A budget.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// Where it is defined.
    pub span: Span,
    /// In nano-dollars.
    pub amount: i64,
    /// Its window.
    pub period: Period,
    /// Whose calls.
    pub scope: BudgetScope,
    /// Refuses what does not fit.
    pub hard: bool,
}

/// How a pool takes a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// By shares.
    Weighted,
    /// In turn.
    RoundRobin,
    /// The one with the fewest calls under way.
    LeastBusy,
    /// The one that answers soonest.
    Fastest,
    /// The one that costs least for this request.
    Cheapest,
}

/// What keeps its member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sticky {
    /// A conversation.
    Session,
    /// An end user.
    User,
    /// A router key.
    Key,
}

/// A pool.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Where it is defined.
    pub span: Span,
    /// How a member is taken.
    pub strategy: Strategy,
    /// What keeps its member.
    pub sticky: Option<Sticky>,
    /// The share of calls, in millionths, that a second member may be asked for, when the first byte is later than usual.
    pub hedge: Option<i64>,
    /// Its members.
    pub members: Vec<PoolMember>,
    /// The weights that were written, in millionths, added up; none where a member has none.
    pub written_weight: Option<i64>,
}

/// A member of a pool.
#[derive(Debug, Clone)]
pub struct PoolMember {
    /// Which.
    pub model: ModelId,
    /// Its share, scaled so that all add up to a million or so; 1 where no weights are.
    pub weight: i64,
    /// Where.
    pub span: Span,
}

/// A rule, an adjust or the default.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name; `default` for the default.
    pub name: String,
    /// Where its name stands.
    pub span: Span,
    /// When it holds.
    pub when: Condition,
    /// What becomes of the request; none in an adjust, or when it was wrong.
    pub outcome: Option<Outcome>,
    /// What else it does.
    pub settings: Vec<(Setting, Span)>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It goes to the first of these that can serve it.
    Route(Vec<(Target, Span)>),
    /// It is answered at once.
    Reject {
        /// From 400 to 599.
        status: u16,
        /// What the client reads.
        message: String,
        /// When it may try again.
        retry_after_s: Option<u64>,
    },
}

/// An element of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A model.
    Model(ModelId),
    /// A pool.
    Pool(PoolId),
    /// What was asked for.
    Asked,
    /// What answered this session last.
    Same,
    /// A model that nobody knows: only without a configuration, where that is no error.
    Unknown(String),
}

/// One thing that a rule sets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Setting {
    /// In billionths.
    Temperature(i64),
    /// In billionths.
    TopP(i64),
    /// As it is.
    TopK(u64),
    /// The longest answer, in tokens.
    MaxTokens(u64),
    /// A cap on it.
    MaxTokensCap(u64),
    /// No extended thinking.
    ThinkingOff,
    /// Extended thinking with this budget, in tokens.
    ThinkingBudget(u64),
    /// A member of `effort`.
    Effort(String),
    /// Texts that end the answer.
    Stop(Vec<String>),
    /// A header of the call: its folded name, its value.
    Header(String, String),
    /// Put before the system prompt.
    SystemPrepend(String),
    /// Put behind it.
    SystemAppend(String),
    /// To the first byte, in microseconds.
    TimeoutFirst(i64),
    /// To the last byte, in microseconds.
    TimeoutTotal(i64),
    /// More attempts on one target.
    Retry(u32),
    /// Not from the response cache.
    CacheOff,
    /// Kept in the response cache, in microseconds.
    CacheFor(i64),
    /// A word for statistics.
    Tag(String),
    /// A copy goes to this model.
    Mirror(ModelId),
    /// A plugin of the configuration.
    Transform(String),
}

/// A `test` item.
#[derive(Debug, Clone)]
pub struct TestItem {
    /// Its name.
    pub name: String,
    /// Where.
    pub span: Span,
    /// The request file that it starts from, beside the rule file.
    pub request: Option<String>,
    /// What is given, in order.
    pub given: Vec<Given>,
    /// What is expected.
    pub expects: Vec<(Expect, Span)>,
}

/// A slot and the value that is given to it.
#[derive(Debug, Clone)]
pub struct Given {
    /// Which.
    pub slot: Slot,
    /// Its value.
    pub value: GivenValue,
    /// Where.
    pub span: Span,
}

/// A value that a test gives.
#[derive(Debug, Clone, PartialEq)]
pub enum GivenValue {
    /// It is absent.
    Absent,
    /// An ordered value; of a label, a line that gives the class.
    Ordinal(i64),
    /// A text.
    Text(String),
    /// The members of a set.
    Set(Vec<String>),
}

/// What a test expects.
#[derive(Debug, Clone)]
pub enum Expect {
    /// The rule that decides, by name; `default` too.
    Rule(String),
    /// A rule that does not decide.
    NotRule(String),
    /// The target taken: a model, a pool.
    Route(Target),
    /// A value in effect.
    Set(Setting),
    /// A rejection with this status.
    Reject(u16),
    /// Nothing can serve.
    Unservable,
    /// A condition.
    Condition(Condition),
}

/// A name that nothing uses.
#[derive(Debug, Clone)]
pub struct Unused {
    /// The name.
    pub name: String,
    /// Where it is defined.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `let`
    Let,
    /// `budget`
    Budget,
    /// `label`
    Label,
    /// `pool`
    Pool,
    /// `rule`
    Rule,
    /// `adjust`
    Adjust,
}

impl Kind {
    /// As written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Let => "let",
            Self::Budget => "budget",
            Self::Label => "label",
            Self::Pool => "pool",
            Self::Rule => "rule",
            Self::Adjust => "adjust",
        }
    }
}

/// The patterns of one `contains`, as written.
#[derive(Debug, Clone)]
pub struct PatternList {
    /// What is searched.
    pub slot: SlotId,
    /// Each with its place.
    pub patterns: Vec<(Pattern, Span)>,
    /// Any of them, so that one contained in another adds nothing.
    pub any: bool,
}
