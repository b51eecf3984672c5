//! Parts of the tree that no rule file was written for, each with the place of what it was made of.

use crate::lang::schema::text::quote;
use crate::lang::source::Span;
use crate::lang::syntax::tree::{
    Action, ActionKind, Condition, FieldRef, Item, ItemKind, Literal, ModelName, Name, Operator, Place, Quantifier,
    Target, Test, Value, ValueKind,
};

pub(super) fn text(words: &str, span: Span) -> Literal {
    Literal { raw: quote(words), place: Place(span) }
}

pub(super) fn quantity(raw: impl Into<String>, span: Span) -> Literal {
    Literal { raw: raw.into(), place: Place(span) }
}

pub(super) fn name(text: impl Into<String>, span: Span) -> Name {
    Name { text: text.into(), place: Place(span) }
}

pub(super) fn item(kind: ItemKind, span: Span) -> Item {
    Item { place: Place(span), kind, broken: false }
}

pub(super) fn model(words: &str, span: Span) -> ModelName {
    ModelName::Text(text(words, span))
}

pub(super) fn route(chain: Vec<Target>, span: Span) -> Vec<Action> {
    vec![Action { place: Place(span), kind: ActionKind::Route(chain) }]
}

fn field(words: &str, span: Span) -> FieldRef {
    FieldRef { name: name(words, span), argument: None, place: Place(span) }
}

pub(super) fn test(words: &str, operator: Operator, negated: bool, span: Span) -> Condition {
    Condition::Test(Test { field: field(words, span), operator, negated, place: Place(span) })
}

pub(super) fn number(raw: impl Into<String>, span: Span) -> Value {
    Value { place: Place(span), kind: ValueKind::Quantity(quantity(raw, span)) }
}

pub(super) fn words(words: &str, span: Span) -> Value {
    Value { place: Place(span), kind: ValueKind::Text(text(words, span)) }
}

/// The member of an enumeration, or the class of a label.
pub(super) fn class(words: &str, span: Span) -> Value {
    Value { place: Place(span), kind: ValueKind::Name(field(words, span)) }
}

/// `FIELD contains any [...]`.
pub(super) fn contains_any(field: &str, texts: &[(&str, Span)], span: Span) -> Condition {
    let members = texts.iter().map(|(text, span)| words(text, *span)).collect();
    let list = Value { place: Place(span), kind: ValueKind::List(members) };
    test(field, Operator::Contains(Quantifier::Any, list), false, span)
}

/// All of some conditions.
pub(super) fn all(mut parts: Vec<Condition>, span: Span) -> Option<Condition> {
    if parts.len() > 1 { Some(Condition::And(parts, Place(span))) } else { parts.pop() }
}
