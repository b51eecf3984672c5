//! Parts of the tree on one line.

use crate::lang::syntax::tree::{
    Action, ActionKind, Budget, Condition, Expect, FieldRef, Given, ModelName, Operator, Quantifier, Set, Target, Test,
    Value, ValueKind,
};

pub(super) fn budget_words(budget: &Budget) -> String {
    let mut words = format!("budget {} = {} per {}", budget.name.text, budget.amount.raw, budget.period.text);
    if let Some(scope) = &budget.scope {
        match &scope.of {
            Some(of) => words.push_str(&format!(" for {} {}", scope.kind.text, model_words(of))),
            None => words.push_str(&format!(" for each {}", scope.kind.text)),
        }
    }
    if budget.hard {
        words.push_str(" hard");
    }
    words
}

pub(super) fn model_words(model: &ModelName) -> String {
    match model {
        ModelName::Text(literal) => literal.raw.clone(),
        ModelName::Name(name) => name.text.clone(),
    }
}

pub(super) fn target_words(target: &Target) -> String {
    match target {
        Target::Asked(_) => "model".to_owned(),
        Target::Same(_) => "same".to_owned(),
        Target::Named(name) => model_words(name),
    }
}

pub(super) fn action_words(action: &Action) -> String {
    match &action.kind {
        ActionKind::Route(chain) => {
            format!("route {}", chain.iter().map(target_words).collect::<Vec<_>>().join(" else "))
        }
        ActionKind::Reject { status, message, retry_after } => {
            let after = retry_after.as_ref().map_or_else(String::new, |after| format!(" retry_after {}", after.raw));
            format!("reject {} {}{after}", status.raw, message.raw)
        }
        ActionKind::Set(set) => set_words(set),
        ActionKind::Timeout { total, duration } => {
            format!("timeout {}{}", if *total { "total " } else { "" }, duration.raw)
        }
        ActionKind::Retry(n) => format!("retry {}", n.raw),
        ActionKind::Cache(time) => format!("cache {}", time.as_ref().map_or("off", |time| &time.raw)),
        ActionKind::Tag(tag) => format!("tag {}", tag.raw),
        ActionKind::Mirror(model) => format!("mirror {}", model_words(model)),
        ActionKind::Transform(name) => format!("transform {}", name.raw),
    }
}

pub(super) fn set_words(set: &Set) -> String {
    let values: Vec<String> = set.values.iter().map(value_words).collect();
    format!("set {} {}", set.setting.text, values.join(" "))
}

pub(super) fn given_words(given: &Given) -> String {
    match &given.value {
        None => format!("no {}", field_words(&given.field)),
        Some(value) => format!("{} {}", field_words(&given.field), value_words(value)),
    }
}

pub(super) fn expect_words(expect: &Expect) -> String {
    match expect {
        Expect::Rule { negated, rule } => {
            let not = if *negated { "not " } else { "" };
            format!("{not}rule {}", rule.as_ref().map_or("default", |rule| &rule.text))
        }
        Expect::Route(target) => format!("route {}", target_words(target)),
        Expect::Set(set) => set_words(set),
        Expect::Reject(status) => format!("reject {}", status.raw),
        Expect::Unservable => "unservable".to_owned(),
        Expect::Condition(condition) => condition_words(condition, false),
    }
}

/// A condition on one line; inside of another one, `and` and `or` stand in parentheses.
pub(super) fn condition_words(condition: &Condition, inside: bool) -> String {
    let join = |parts: &[Condition], word: &str| {
        let words: Vec<String> = parts.iter().map(|part| condition_words(part, true)).collect();
        let joined = words.join(&format!(" {word} "));
        if inside { format!("({joined})") } else { joined }
    };
    match condition {
        Condition::And(parts, _) => join(parts, "and"),
        Condition::Or(parts, _) => join(parts, "or"),
        Condition::Not(inner, _) => format!("not {}", condition_words(inner, true)),
        Condition::Test(test) => test_words(test),
    }
}

pub(super) fn test_words(test: &Test) -> String {
    let field = field_words(&test.field);
    let not = if test.negated { "not " } else { "" };
    match &test.operator {
        Operator::Bare => field,
        Operator::Has => format!("has {field}"),
        Operator::Compare(sign, value) => format!("{field} {} {}", sign.sign(), value_words(value)),
        Operator::In(value) => format!("{field} {not}in {}", value_words(value)),
        Operator::Is(value) => format!("{field} is {not}{}", value_words(value)),
        Operator::Contains(quantifier, value) => {
            let word = match quantifier {
                Quantifier::One => "",
                Quantifier::Any => "any ",
                Quantifier::All => "all ",
                Quantifier::None => "none ",
            };
            format!("{field} {not}contains {word}{}", value_words(value))
        }
        Operator::Like(value) => format!("{field} {not}like {}", value_words(value)),
        Operator::Matches(value) => format!("{field} {not}matches {}", value_words(value)),
    }
}

pub(super) fn field_words(field: &FieldRef) -> String {
    match &field.argument {
        None => field.name.text.clone(),
        Some(argument) => format!("{}({})", field.name.text, model_words(argument)),
    }
}

pub(super) fn value_words(value: &Value) -> String {
    match &value.kind {
        ValueKind::Quantity(literal) | ValueKind::Text(literal) | ValueKind::Regex(literal) => literal.raw.clone(),
        ValueKind::Pattern { word, exact, text } => {
            format!("{}{}{}", if *word { "word " } else { "" }, if *exact { "exact " } else { "" }, text.raw)
        }
        ValueKind::Bool(value) => value.to_string(),
        ValueKind::Name(field) => field_words(field),
        ValueKind::List(members) => format!("[{}]", members.iter().map(value_words).collect::<Vec<_>>().join(", ")),
        ValueKind::Range { low, high, closed } => {
            format!("{}{}{}", value_words(low), if *closed { "..=" } else { ".." }, value_words(high))
        }
    }
}
