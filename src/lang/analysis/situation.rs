//! A request and a moment as an analysis imagines them: some variables have the values that a claim is about, all others
//! are as in the minimal request that a `test` starts from.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::lang::analysis::variable::{Owned, Variable};
use crate::lang::input::{Bounds, Fact, Facts, Feature, Features, NUMBER};
use crate::lang::ir::{Pool, Program};
use crate::lang::schema::quantity::weekday_of;

/// The prompt of the minimal request.
pub const PROMPT: &str = "Hello";
/// The model that it asks for.
pub const MODEL: &str = "claude-sonnet-4-5";
/// The longest answer that it asks for.
pub const MAX_TOKENS: i64 = 1_024;

/// A value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// It is not there.
    Absent,
    /// An ordered value, in the unit of its type.
    Ordinal(i64),
    /// A text.
    Text(String),
    /// The members of a set.
    Set(Vec<String>),
}

/// A request and a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Situation {
    values: BTreeMap<Variable, Value>,
    /// The members of the pools that something is said about.
    pools: BTreeMap<Owned, Vec<u32>>,
}

impl Situation {
    /// Every variable that has a value of its own.
    pub fn values(&self) -> impl Iterator<Item = (&Variable, &Value)> {
        self.values.iter()
    }

    /// The value of a variable that has one of its own.
    pub fn get(&self, variable: &Variable) -> Option<&Value> {
        self.values.get(variable)
    }

    /// Without what is said of one variable.
    #[must_use]
    pub fn without(&self, variable: &Variable) -> Self {
        let mut other = self.clone();
        other.values.remove(variable);
        other
    }

    /// With as little said as keeps something so.
    #[must_use]
    pub fn simplified(self, keeps: &dyn Fn(&Self) -> bool) -> Self {
        let mut simplest = self;
        for variable in simplest.values.keys().rev().cloned().collect::<Vec<_>>() {
            let other = simplest.without(&variable);
            if keeps(&other) {
                simplest = other;
            }
        }
        simplest
    }

    /// Gives a variable a value.
    pub fn set(&mut self, variable: Variable, value: Value) {
        self.values.insert(variable, value);
    }

    /// Says who the members of a pool are, so that what is said of it can be said of them.
    pub(super) fn know(&mut self, owned: Owned, pool: &Pool) {
        self.pools.insert(owned, pool.members.iter().map(|member| member.model.0).collect());
    }

    fn feature(&self, feature: Feature, name: Option<&str>) -> Option<&Value> {
        self.values.get(&Variable::Feature(feature, name.map(str::to_owned)))
    }

    /// A text that is there, by default that of the minimal request.
    fn text_of(&self, feature: Feature) -> Option<&str> {
        match self.feature(feature, None) {
            Some(Value::Text(text)) => Some(text),
            Some(Value::Absent | Value::Ordinal(_) | Value::Set(_)) => None,
            None => match feature {
                Feature::Prompt => Some(PROMPT),
                Feature::Conversation => self.text_of(Feature::Prompt),
                Feature::System => Some(""),
                Feature::Model => Some(MODEL),
                _ => None,
            },
        }
    }

    /// An ordered feature of the minimal request.
    fn usual(&self, feature: Feature) -> Option<i64> {
        let length = |feature| self.text_of(feature).map_or(0, str::len);
        let tokens = |bytes: usize| i64::try_from(bytes.div_ceil(4)).unwrap_or(0) * NUMBER;
        let has_prompt = length(Feature::Prompt) > 0;
        match feature {
            Feature::MaxTokens => Some(MAX_TOKENS * NUMBER),
            Feature::Tokens => Some(tokens(length(Feature::Prompt) + length(Feature::System)) + 4 * NUMBER),
            Feature::PromptTokens => Some(tokens(length(Feature::Prompt))),
            Feature::SystemTokens => Some(tokens(length(Feature::System))),
            Feature::HistoryTokens => Some(4 * NUMBER),
            Feature::Messages => Some(NUMBER),
            Feature::Turns => Some(i64::from(has_prompt) * NUMBER),
            Feature::Effort | Feature::Temperature | Feature::ThinkingBudget => None,
            Feature::Api
            | Feature::Stream
            | Feature::ToolsTokens
            | Feature::Images
            | Feature::Documents
            | Feature::Thinking
            | Feature::WebSearch
            | Feature::Agent
            | Feature::Compacted => Some(0),
            Feature::Client
            | Feature::Model
            | Feature::Prompt
            | Feature::System
            | Feature::Conversation
            | Feature::Files
            | Feature::FilesAll
            | Feature::Tools
            | Feature::AgentType
            | Feature::Project
            | Feature::Session
            | Feature::User
            | Feature::Key
            | Feature::Header
            | Feature::Metadata => None,
        }
    }

    /// The value that an ordered variable has when nothing is said of it, or rather has when it has to be there.
    pub fn usual_of(&self, variable: &Variable) -> Option<i64> {
        match variable {
            Variable::Feature(Feature::Temperature, _) => Some(NUMBER),
            Variable::Feature(feature, _) => self.usual(*feature),
            Variable::Moment(Fact::Time) => Some(12 * 60),
            Variable::Moment(Fact::Weekday) => Some(2),
            Variable::Moment(_) => Some(Facts::of_tests(0, 0).day),
            Variable::Model(Fact::Healthy, _) | Variable::Pool(Fact::Healthy, _) => Some(1),
            Variable::Model(Fact::Cost, _) | Variable::Pool(Fact::Cost, _) => Some(0),
            Variable::Bucket(_) | Variable::Spent(_) | Variable::Target => Some(0),
            Variable::SessionModel | Variable::Model(..) | Variable::Pool(..) => None,
        }
    }

    /// The moment, for one of the programs that the situation was found for.
    pub fn facts(&self, program: &Program, index: usize) -> Facts {
        let mut facts = Facts::of_tests(program.budgets.len(), program.pools.len());
        let mut sorted: Vec<(&Variable, &Value)> = self.values.iter().collect();
        // What is said of a pool is said of its members first, and of each member then.
        sorted.sort_by_key(|(variable, _)| !matches!(variable, Variable::Pool(..)));
        for (variable, value) in sorted {
            match (variable, value) {
                (Variable::Moment(Fact::Time), Value::Ordinal(minute)) => facts.minute = *minute,
                (Variable::Moment(Fact::Weekday), Value::Ordinal(weekday)) => facts.weekday = *weekday,
                (Variable::Moment(_), Value::Ordinal(day)) => {
                    facts.day = *day;
                    let given = self.values.contains_key(&Variable::Moment(Fact::Weekday));
                    if !given {
                        facts.weekday = weekday_of(*day);
                    }
                }
                (Variable::Bucket(name), Value::Ordinal(share)) if name.is_empty() => facts.bucket = Some(*share),
                (Variable::Bucket(name), Value::Ordinal(share)) => facts.named_buckets.push((name.clone(), *share)),
                (Variable::SessionModel, Value::Text(name)) => facts.session_model = Some(full_name(program, name)),
                (Variable::Spent(owned), value) => {
                    let place = program.budgets.iter().position(|budget| budget.name == owned.name);
                    if let Some(place) = place.filter(|_| owned.program.is_none_or(|own| own == index)) {
                        facts.spent[place] = if let Value::Ordinal(spent) = value { Some(*spent) } else { None };
                    }
                }
                (Variable::Model(fact, model), value) => of_model(&mut facts, *fact, model.0, value),
                (Variable::Pool(fact, owned), value) => {
                    for model in self.pools.get(owned).into_iter().flatten() {
                        of_model(&mut facts, *fact, *model, value);
                    }
                }
                (
                    Variable::Feature(..)
                    | Variable::Moment(_)
                    | Variable::Bucket(_)
                    | Variable::SessionModel
                    | Variable::Target,
                    _,
                ) => {}
            }
        }
        facts
    }
}

/// `provider/model` of a model's plain name.
fn full_name(program: &Program, name: &str) -> String {
    let known = program.catalogue.models.iter().find(|card| card.name == name);
    known.map_or_else(|| format!("?/{name}"), crate::lang::catalogue::Card::full_name)
}

fn of_model(facts: &mut Facts, fact: Fact, model: u32, value: &Value) {
    let number = if let Value::Ordinal(number) = value { Some(*number) } else { None };
    let known = facts.models.of_mut(model);
    match (fact, number) {
        (Fact::Healthy, Some(healthy)) => known.healthy = healthy != 0,
        (Fact::Latency, number) => known.latency_us = number,
        (Fact::Errors, number) => known.errors = number,
        (Fact::Cost, Some(cost)) => facts.given_costs.insert(0, (model, cost)),
        (Fact::SwitchCost, Some(cost)) => facts.given_switch_costs.insert(0, (model, cost)),
        _ => {}
    }
}

impl Features for Situation {
    fn ordinal(&self, feature: Feature, _asked: &[i64]) -> Option<Bounds> {
        match self.feature(feature, None) {
            Some(Value::Ordinal(value)) => Some(Bounds::exactly(*value)),
            Some(Value::Absent | Value::Text(_) | Value::Set(_)) => None,
            None => self.usual(feature).map(Bounds::exactly),
        }
    }

    fn text(&self, feature: Feature, name: Option<&str>) -> Option<Cow<'_, str>> {
        if name.is_none() {
            return self.text_of(feature).map(Cow::Borrowed);
        }
        match self.feature(feature, name) {
            Some(Value::Text(text)) => Some(Cow::Borrowed(text)),
            Some(Value::Absent | Value::Ordinal(_) | Value::Set(_)) | None => None,
        }
    }

    fn set(&self, feature: Feature) -> Cow<'_, [String]> {
        match self.feature(feature, None) {
            Some(Value::Set(members)) => Cow::Borrowed(members),
            Some(Value::Absent | Value::Ordinal(_) | Value::Text(_)) => Cow::Borrowed(&[]),
            // What the prompt's files are, all files are.
            None if feature == Feature::FilesAll => self.set(Feature::Files),
            None => Cow::Borrowed(&[]),
        }
    }

    fn bucket_id(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }
}
