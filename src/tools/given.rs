//! Features and facts with some of them given, as a `test` and `--what-if` do.

use std::borrow::Cow;

use crate::lang::eval::read::EXPECTED_OUTPUT_TOKENS;
use crate::lang::input::{Bounds, Fact, Facts, Feature, Features, WHOLE};
use crate::lang::ir::{Argument, Given, GivenValue, Program, Slot};
use crate::lang::schema::fields::Read;
use crate::lang::schema::quantity::weekday_of;

/// A request with some of its features given.
pub struct With<'a> {
    /// What is read where nothing is given.
    pub base: &'a dyn Features,
    values: Vec<(Feature, Option<&'a str>, &'a GivenValue)>,
}

impl std::fmt::Debug for With<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("With").field("values", &self.values).finish_non_exhaustive()
    }
}

impl<'a> With<'a> {
    /// Over a request; a later value wins.
    pub fn new(base: &'a dyn Features, given: &'a [Given]) -> Self {
        let mut values = Vec::new();
        for one in given.iter().rev() {
            if let (Some(feature), Slot::Field(_, argument)) = (one.slot.feature(), &one.slot) {
                let name = if let Argument::Text(name) = argument { Some(name.as_str()) } else { None };
                values.push((feature, name, &one.value));
            }
        }
        Self { base, values }
    }

    fn given(&self, feature: Feature, name: Option<&str>) -> Option<&'a GivenValue> {
        self.values
            .iter()
            .find(|(known, known_name, _)| *known == feature && *known_name == name)
            .map(|(_, _, value)| *value)
    }
}

impl Features for With<'_> {
    fn ordinal(&self, feature: Feature, asked: &[i64]) -> Option<Bounds> {
        match self.given(feature, None) {
            Some(GivenValue::Ordinal(value)) => Some(Bounds::exactly(*value)),
            Some(GivenValue::Absent | GivenValue::Text(_) | GivenValue::Set(_)) => None,
            None => self.base.ordinal(feature, asked),
        }
    }

    fn text(&self, feature: Feature, name: Option<&str>) -> Option<Cow<'_, str>> {
        match self.given(feature, name) {
            Some(GivenValue::Text(text)) => Some(Cow::Borrowed(text)),
            Some(GivenValue::Absent | GivenValue::Ordinal(_) | GivenValue::Set(_)) => None,
            None => self.base.text(feature, name),
        }
    }

    fn set(&self, feature: Feature) -> Cow<'_, [String]> {
        match self.given(feature, None) {
            Some(GivenValue::Set(members)) => Cow::Borrowed(members),
            Some(GivenValue::Absent | GivenValue::Ordinal(_) | GivenValue::Text(_)) => Cow::Borrowed(&[]),
            None => self.base.set(feature),
        }
    }

    fn bucket_id(&self) -> Cow<'_, str> {
        let session = self.given(Feature::Session, None).or_else(|| self.given(Feature::User, None));
        match session {
            Some(GivenValue::Text(text)) => Cow::Borrowed(text),
            Some(GivenValue::Absent | GivenValue::Ordinal(_) | GivenValue::Set(_)) | None => self.base.bucket_id(),
        }
    }
}

/// Gives facts their values.
pub fn give_facts(facts: &mut Facts, given: &[Given], program: &Program) {
    for one in given {
        let value = match &one.value {
            GivenValue::Ordinal(value) => Some(*value),
            GivenValue::Absent | GivenValue::Text(_) | GivenValue::Set(_) => None,
        };
        match &one.slot {
            Slot::Label(label) => {
                if let Some(line) = value.and_then(|line| usize::try_from(line).ok()) {
                    facts.given_labels.insert(0, (label.0, line));
                }
            }
            Slot::Field(field, argument) => {
                if let Read::Fact(fact) = field.row().read {
                    give_fact(facts, fact, argument, &one.value, value, program);
                }
            }
        }
    }
}

fn give_fact(
    facts: &mut Facts,
    fact: Fact,
    argument: &Argument,
    given: &GivenValue,
    value: Option<i64>,
    program: &Program,
) {
    match (fact, value) {
        (Fact::Time, Some(value)) => facts.minute = value,
        (Fact::Weekday, Some(value)) => facts.weekday = value,
        (Fact::Date, Some(value)) => {
            facts.day = value;
            facts.weekday = weekday_of(value);
        }
        (Fact::Bucket, Some(value)) => match argument {
            Argument::Text(name) => facts.named_buckets.insert(0, (name.clone(), value)),
            Argument::None | Argument::Model(_) | Argument::Pool(_) | Argument::Budget(_) => facts.bucket = Some(value),
        },
        (Fact::SessionModel, _) => {
            facts.session_model = match given {
                GivenValue::Text(name) => Some(full_name(program, name)),
                GivenValue::Absent | GivenValue::Ordinal(_) | GivenValue::Set(_) => None,
            };
        }
        (Fact::Spent | Fact::Remaining | Fact::Used, value) => give_budget(facts, fact, argument, value, program),
        (Fact::Cost | Fact::SwitchCost | Fact::Healthy | Fact::Latency | Fact::Errors, value) => {
            for model in models_of(argument, program) {
                give_model(facts, fact, model, value);
            }
        }
        (Fact::Time | Fact::Weekday | Fact::Date | Fact::Bucket | Fact::Target | Fact::TargetProvider, _) => {}
    }
}

fn full_name(program: &Program, name: &str) -> String {
    let known = program.catalogue.find_asked(name).map(|id| program.catalogue.card(id).full_name());
    known.unwrap_or_else(|| name.to_owned())
}

fn models_of(argument: &Argument, program: &Program) -> Vec<u32> {
    match argument {
        Argument::Model(model) => vec![model.0],
        Argument::Pool(pool) => program.pools[pool.index()].members.iter().map(|member| member.model.0).collect(),
        Argument::None | Argument::Text(_) | Argument::Budget(_) => Vec::new(),
    }
}

fn give_model(facts: &mut Facts, fact: Fact, model: u32, value: Option<i64>) {
    match (fact, value) {
        (Fact::Cost, Some(value)) => return facts.given_costs.insert(0, (model, value)),
        (Fact::SwitchCost, Some(value)) => return facts.given_switch_costs.insert(0, (model, value)),
        _ => {}
    }
    let known = facts.models.of_mut(model);
    match fact {
        Fact::Healthy => {
            known.healthy = value != Some(0);
            known.why_not = (!known.healthy).then(|| "given as unhealthy".to_owned());
        }
        Fact::Latency => known.latency_us = value,
        Fact::Errors => known.errors = value,
        _ => {}
    }
}

/// Spent, what remains and what is used move together.
fn give_budget(facts: &mut Facts, fact: Fact, argument: &Argument, value: Option<i64>, program: &Program) {
    let Argument::Budget(budget) = argument else { return };
    let amount = program.budgets[budget.index()].amount;
    let spent = value.map(|value| match fact {
        Fact::Remaining => amount.saturating_sub(value),
        Fact::Used => i64::try_from(i128::from(amount) * i128::from(value) / i128::from(WHOLE)).unwrap_or(i64::MAX),
        _ => value,
    });
    if facts.spent.len() <= budget.index() {
        facts.spent.resize(budget.index() + 1, Some(0));
    }
    facts.spent[budget.index()] = spent;
}

/// The body of a minimal request with a prompt.
pub fn minimal_body(model: &str, prompt: &str) -> Vec<u8> {
    serde_json::json!({
        "model": model,
        "max_tokens": EXPECTED_OUTPUT_TOKENS,
        "messages": [{"role": "user", "content": prompt}],
    })
    .to_string()
    .into_bytes()
}
