//! The tree of a `.route` file: what was written, with its places. Nothing is resolved here.
//!
//! Equality of trees ignores places (see `Place`), so that a formatter can compare what it read with what it wrote.

use crate::lang::source::Span;

/// A place that does not count when trees are compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place(pub Span);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A word with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// The word as written.
    pub text: String,
    /// Where.
    pub place: Place,
}

impl Name {
    /// Where it stands.
    pub fn span(&self) -> Span {
        self.place.0
    }
}

/// A file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct File {
    /// `language 1`.
    pub language: Option<Literal>,
    /// In the order of the file.
    pub items: Vec<Item>,
}

/// A comment, without its line end.
#[derive(Debug, Clone)]
pub struct Comment {
    /// With its `#`, without blanks at its end.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// An item of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// From its keyword to its end.
    pub place: Place,
    /// Which.
    pub kind: ItemKind,
    /// A part of it did not parse and was left out: what its absence would cause is not worth a message.
    pub broken: bool,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    /// `use "path"`.
    Use(Literal),
    /// `let name = ...`.
    Let(Name, Bound),
    /// `budget name = ...`.
    Budget(Budget),
    /// `label name { ... }`.
    Label(Label),
    /// `pool name ... { ... }`.
    Pool(Pool),
    /// `rule name { ... }`.
    Rule(Rule),
    /// `default { ... }`.
    Default(Vec<Action>),
    /// `adjust name { ... }`.
    Adjust(Rule),
    /// `test "name" { ... }`.
    Test(TestItem),
}

/// What a let stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// A value.
    Value(Value),
    /// A condition; a bare name is one too until it is resolved.
    Condition(Condition),
}

/// A budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Its name.
    pub name: Name,
    /// How much.
    pub amount: Literal,
    /// `hour`, `day`, `week` or `month`.
    pub period: Name,
    /// For whom.
    pub scope: Option<Scope>,
    /// Refuses what does not fit.
    pub hard: bool,
}

/// `for key "k"`, `for each user`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    /// `key`, `user`, `model` or `session`.
    pub kind: Name,
    /// Whose; none for `each`.
    pub of: Option<ModelName>,
}

/// A label.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Its name.
    pub name: Name,
    /// Its classes are ordered.
    pub ordered: bool,
    /// Its lines.
    pub lines: Vec<LabelLine>,
}

/// A line of a label.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelLine {
    /// The class that it gives.
    pub class: Name,
    /// None for `otherwise`.
    pub when: Option<Condition>,
    /// As written.
    pub confidence: Option<Literal>,
    /// The whole line.
    pub place: Place,
}

/// A pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Its name.
    pub name: Name,
    /// How a member is taken.
    pub strategy: Name,
    /// `session`, `user` or `key`.
    pub sticky: Option<Name>,
    /// The share of calls that a second member may be asked for, when the first is slow.
    pub hedge: Option<Literal>,
    /// Its members.
    pub members: Vec<(ModelName, Option<Literal>)>,
}

/// A model, as a text or by the name of a let or a pool.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelName {
    /// `"gpt-5"`.
    Text(Literal),
    /// `frontier`.
    Name(Name),
}

impl ModelName {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Text(literal) => literal.span(),
            Self::Name(name) => name.span(),
        }
    }
}

/// A rule or an adjust.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: Name,
    /// When it holds.
    pub when: Condition,
    /// What it does.
    pub actions: Vec<Action>,
}

/// An action.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// From its keyword to its end.
    pub place: Place,
    /// Which.
    pub kind: ActionKind,
}

/// What an action is.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionKind {
    /// `route a else b`.
    Route(Vec<Target>),
    /// `reject 402 "message" retry_after 1h`.
    Reject { status: Literal, message: Literal, retry_after: Option<Literal> },
    /// `set temperature 0.3`.
    Set(Set),
    /// `timeout total 10min`.
    Timeout { total: bool, duration: Literal },
    /// `retry 2`.
    Retry(Literal),
    /// `cache 2h`, or `cache off` without a literal.
    Cache(Option<Literal>),
    /// `tag "x"`.
    Tag(Literal),
    /// `mirror "m"`.
    Mirror(ModelName),
    /// `transform "name"`.
    Transform(Literal),
}

/// A `set`, with its arguments as they stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// What is set.
    pub setting: Name,
    /// The values behind it, words such as `at`, `most`, `off` among them.
    pub values: Vec<Value>,
}

/// An element of a route's chain.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// `model`: what was asked for.
    Asked(Place),
    /// `same`: what answered this session last.
    Same(Place),
    /// A model or a pool.
    Named(ModelName),
}

impl Target {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Asked(place) | Self::Same(place) => place.0,
            Self::Named(name) => name.span(),
        }
    }
}

/// A `test` item.
#[derive(Debug, Clone, PartialEq)]
pub struct TestItem {
    /// Its name, a text.
    pub name: Literal,
    /// Its lines.
    pub lines: Vec<TestLine>,
}

/// A line of a test.
#[derive(Debug, Clone, PartialEq)]
pub enum TestLine {
    /// `given a, b`.
    Given(Vec<Given>, Place),
    /// `expect ...`.
    Expect(Expect, Place),
}

/// One thing given.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// What.
    pub field: FieldRef,
    /// Its value; none for `no field`.
    pub value: Option<Value>,
}

/// One thing expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Expect {
    /// `rule r`, `not rule r`; none is the default.
    Rule { negated: bool, rule: Option<Name> },
    /// `route t`.
    Route(Target),
    /// `set temperature 0.3`.
    Set(Set),
    /// `reject 402`.
    Reject(Literal),
    /// `unservable`.
    Unservable,
    /// A condition.
    Condition(Condition),
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of them.
    And(Vec<Condition>, Place),
    /// Any of them.
    Or(Vec<Condition>, Place),
    /// Not.
    Not(Box<Condition>, Place),
    /// A test of one field.
    Test(Test),
}

impl Condition {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Self::And(_, place) | Self::Or(_, place) | Self::Not(_, place) => place.0,
            Self::Test(test) => test.place.0,
        }
    }
}

/// A test of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What is tested.
    pub field: FieldRef,
    /// How.
    pub operator: Operator,
    /// The operator is negated: `not in`, `is not`.
    pub negated: bool,
    /// The whole test.
    pub place: Place,
}

/// A field as written.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRef {
    /// `prompt.tokens`.
    pub name: Name,
    /// What stands in parentheses.
    pub argument: Option<ModelName>,
    /// All of it.
    pub place: Place,
}

/// How a field is tested.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// By its bare name.
    Bare,
    /// `has F`.
    Has,
    /// `<` and its like.
    Compare(Comparison, Value),
    /// `in`.
    In(Value),
    /// `is`.
    Is(Value),
    /// `contains`.
    Contains(Quantifier, Value),
    /// `like`.
    Like(Value),
    /// `matches`.
    Matches(Value),
}

/// A sign of comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Comparison {
    /// As written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }
}

/// How many members of the list of a `contains`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// No word: one pattern.
    One,
    /// `any`
    Any,
    /// `all`
    All,
    /// `none`
    None,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Where.
    pub place: Place,
    /// Which.
    pub kind: ValueKind,
}

impl Value {
    /// Where it stands.
    pub fn span(&self) -> Span {
        self.place.0
    }
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueKind {
    /// `60k`, `$5`, `90%`, `30s`, `18:30`, `2026-01-31`.
    Quantity(Literal),
    /// `"text"`.
    Text(Literal),
    /// `word exact "text"`.
    Pattern { word: bool, exact: bool, text: Literal },
    /// `/re/i`.
    Regex(Literal),
    /// `true`.
    Bool(bool),
    /// A member, a let, a field.
    Name(FieldRef),
    /// `[a, b]`.
    List(Vec<Value>),
    /// `a..b`, `a..=b`.
    Range { low: Box<Value>, high: Box<Value>, closed: bool },
}

/// A literal exactly as written: quotes, escapes and units with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Literal {
    /// As written.
    pub raw: String,
    /// Where.
    pub place: Place,
}

impl Literal {
    /// Where it stands.
    pub fn span(&self) -> Span {
        self.place.0
    }

    /// The words between the quotes of a text, escapes unread.
    pub fn inner(&self) -> &str {
        self.raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&self.raw)
    }
}
