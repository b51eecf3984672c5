//! Values: literals read, lets of values put in their place, lists spliced.

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::ir::LabelId;
use crate::lang::ir::resolve::{NEST_MAX, Resolver};
use crate::lang::ir::scope::Meaning;
use crate::lang::schema::quantity::{self, Quantity};
use crate::lang::schema::text::{self, Char};
use crate::lang::schema::types::{Closed, Type};
use crate::lang::source::Span;
use crate::lang::syntax::tree::{self, Bound, Condition, FieldRef, Literal, Operator, Value, ValueKind};

/// The longest list, with all that is spliced into it.
const LIST_MAX: usize = 20_000;

/// The words that are members where a value is expected: they win over lets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Members {
    None,
    Closed(&'static Closed),
    Classes(LabelId),
}

/// A value with all lets in place.
#[derive(Debug, Clone)]
pub(super) struct Val<'t> {
    pub(super) span: Span,
    pub(super) kind: ValKind<'t>,
}

#[derive(Debug, Clone)]
pub(super) enum ValKind<'t> {
    Quantity(Quantity),
    Text(Vec<Char>),
    Pattern {
        word: bool,
        exact: bool,
        chars: Vec<Char>,
    },
    Regex(&'t Literal),
    Bool(bool),
    /// A member of the set that was expected, by its index among the members.
    Member(i64),
    /// A name that is no let of a value: a field, or nothing that is known.
    Field(&'t FieldRef),
    List(Vec<Val<'t>>),
    Range(Box<Val<'t>>, Box<Val<'t>>, bool),
}

impl Val<'_> {
    /// How messages call it.
    pub(super) fn words(&self) -> String {
        match &self.kind {
            ValKind::Quantity(quantity) => quantity.ty.words(),
            ValKind::Text(_) => "a text".to_owned(),
            ValKind::Pattern { .. } => "a text pattern".to_owned(),
            ValKind::Regex(_) => "a regular expression".to_owned(),
            ValKind::Bool(_) => "true or false".to_owned(),
            ValKind::Member(_) => "a member".to_owned(),
            ValKind::Field(field) => format!("`{}`", field.name.text),
            ValKind::List(_) => "a list".to_owned(),
            ValKind::Range(..) => "a range".to_owned(),
        }
    }
}

impl<'t> Resolver<'t> {
    /// The place of a word among the members that are expected.
    pub(super) fn member(&self, members: Members, word: &str) -> Option<i64> {
        let index = match members {
            Members::None => None,
            Members::Closed(closed) => closed.members.iter().position(|member| *member == word),
            Members::Classes(label) => {
                self.program.labels[label.index()].classes.iter().position(|class| class == word)
            }
        };
        index.and_then(|index| i64::try_from(index).ok())
    }

    /// A value with all lets in place; none when something in it was wrong and reported.
    pub(super) fn value(&mut self, value: &'t Value, members: &Members) -> Option<Val<'t>> {
        let span = value.span();
        let kind = match &value.kind {
            ValueKind::Quantity(literal) => ValKind::Quantity(self.any_quantity(literal)?),
            ValueKind::Text(literal) => ValKind::Text(self.text_chars(literal)?),
            ValueKind::Pattern { word, exact, text } => {
                ValKind::Pattern { word: *word, exact: *exact, chars: self.text_chars(text)? }
            }
            ValueKind::Regex(literal) => ValKind::Regex(literal),
            ValueKind::Bool(value) => ValKind::Bool(*value),
            ValueKind::Name(field) => return self.named(field, members),
            ValueKind::List(list) => ValKind::List(self.list(list, members, span)?),
            ValueKind::Range { low, high, closed } => {
                let (low, high) = (self.value(low, members)?, self.value(high, members)?);
                ValKind::Range(Box::new(low), Box::new(high), *closed)
            }
        };
        Some(Val { span, kind })
    }

    /// A member, a let of a value, or else a field.
    fn named(&mut self, field: &'t FieldRef, members: &Members) -> Option<Val<'t>> {
        let span = field.place.0;
        let plain = field.argument.is_none();
        if let Some(index) = self.member(*members, &field.name.text).filter(|_| plain) {
            return Some(Val { span, kind: ValKind::Member(index) });
        }
        let Some(Meaning::Let(bound)) = self.scope.find(&field.name.text).filter(|_| plain) else {
            return Some(Val { span, kind: ValKind::Field(field) });
        };
        if !self.enter_let(field) {
            return None;
        }
        let found = match bound {
            Bound::Value(value) => self.value(value, members),
            Bound::Condition(Condition::Test(test)) if matches!(test.operator, Operator::Bare) => {
                self.named(&test.field, members)
            }
            Bound::Condition(_) => {
                let message = format!("`{}` is a condition, where a value is expected", field.name.text);
                self.report(Diagnostic::new(&codes::TYPE_MISMATCH, span, message));
                None
            }
        };
        self.lets.pop();
        found.map(|found| Val { span, ..found })
    }

    /// Steps into a let; false, and reported, when it needs itself.
    pub(super) fn enter_let(&mut self, field: &'t FieldRef) -> bool {
        let name = field.name.text.as_str();
        if self.lets.contains(&name) || self.lets.len() >= NEST_MAX {
            let message = if self.lets.contains(&name) {
                format!("`{name}` needs itself")
            } else {
                format!("lets stand more than {NEST_MAX} deep on one another")
            };
            self.report(Diagnostic::new(&codes::CIRCLE, field.name.span(), message));
            return false;
        }
        self.lets.push(name);
        true
    }

    /// Whether a let's bare name is that of a value, not of a condition.
    pub(super) fn is_name_of_value(&mut self, condition: &'t Condition) -> bool {
        let Condition::Test(test) = condition else { return false };
        if !matches!(test.operator, Operator::Bare) || test.field.argument.is_some() {
            return false;
        }
        let Some(Meaning::Let(bound)) = self.scope.find(&test.field.name.text) else { return false };
        if !self.enter_let(&test.field) {
            return true;
        }
        let is_value = match bound {
            Bound::Value(_) => true,
            Bound::Condition(condition) => self.is_name_of_value(condition),
        };
        self.lets.pop();
        is_value
    }

    fn list(&mut self, list: &'t [Value], members: &Members, span: Span) -> Option<Vec<Val<'t>>> {
        let mut found = Vec::new();
        let mut whole = true;
        for value in list {
            match self.value(value, members) {
                Some(Val { kind: ValKind::List(spliced), .. }) => found.extend(spliced),
                Some(value) => found.push(value),
                None => whole = false,
            }
            if found.len() > LIST_MAX {
                self.report(Diagnostic::new(&codes::TOO_MANY, span, format!("a list has at most {LIST_MAX} members")));
                return None;
            }
        }
        if found.is_empty() && whole {
            self.report(Diagnostic::new(&codes::EMPTY_LIST, span, "the list is empty"));
            return None;
        }
        whole.then_some(found)
    }

    /// A literal of whatever type.
    pub(super) fn any_quantity(&mut self, literal: &Literal) -> Option<Quantity> {
        match quantity::parse(&literal.raw) {
            Ok(quantity) => Some(quantity),
            Err(wrong) => {
                let problem = Diagnostic::new(&codes::BAD_QUANTITY, literal.span(), wrong.message);
                self.report(problem.maybe_help(wrong.help));
                None
            }
        }
    }

    /// A literal of one type, in its unit.
    pub(super) fn quantity(&mut self, literal: &Literal, ty: Type) -> Option<i64> {
        let quantity = self.any_quantity(literal)?;
        if quantity.ty == ty {
            return Some(quantity.value);
        }
        let message = format!("expected {}, found {}", ty.words(), quantity.ty.words());
        self.report(
            Diagnostic::new(&codes::TYPE_MISMATCH, literal.span(), message).help(format!("such as `{}`", ty.sample())),
        );
        None
    }

    /// The characters of a text, its escapes read.
    pub(super) fn text_chars(&mut self, literal: &Literal) -> Option<Vec<Char>> {
        match text::chars(literal.inner()) {
            Ok(chars) => Some(chars),
            Err(bad) => {
                let span = literal.span();
                let start = span.start as usize + 1 + bad.start;
                let problem = Diagnostic::new(
                    &codes::BAD_ESCAPE,
                    Span::new(span.source, start..start + (bad.end - bad.start)),
                    bad.message,
                );
                self.report(problem.help("known are \\\" \\\\ \\n \\t \\u{...} \\* \\?"));
                None
            }
        }
    }

    /// A text as it is.
    pub(super) fn plain_text(&mut self, literal: &Literal) -> Option<String> {
        self.text_chars(literal).map(|chars| text::plain(&chars))
    }

    /// The text of a name in the place of a text: quoted, or a let of one.
    pub(super) fn model_text(&mut self, name: &tree::ModelName) -> Option<String> {
        match name {
            tree::ModelName::Text(literal) => self.plain_text(literal),
            tree::ModelName::Name(name) => self.let_text(name),
        }
    }
}
