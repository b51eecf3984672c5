//! A configuration as data with places: the same for JSON, JSON with comments, and TOML.

use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, ast};
use serde_json::Value;
use toml_edit::{Item, Value as TomlValue};

use crate::lang::source::{SourceId, Span};

/// A value, and where it stands.
#[derive(Debug, Clone)]
pub(in crate::tools) struct Node {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(in crate::tools) enum Kind {
    Nothing,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Debug, Clone)]
pub(in crate::tools) struct Member {
    pub(super) name: String,
    /// From its name to the end of its value.
    pub(super) span: Span,
    pub(super) value: Node,
}

impl Node {
    /// Of JSON with comments. None where it is no JSON.
    pub(super) fn of_json(text: &str, source: SourceId) -> Option<Self> {
        let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default()).ok()?;
        Some(of_json(&parsed.value?, source))
    }

    /// Of TOML. None where it is no TOML.
    pub(super) fn of_toml(text: &str, source: SourceId) -> Option<Self> {
        let parsed = toml_edit::Document::parse(text).ok()?;
        Some(Self { span: Span::new(source, 0..text.len()), kind: of_table(parsed.as_table(), source) })
    }

    /// Of a value that has no places.
    pub(in crate::tools) fn of_value(value: &Value) -> Self {
        let kind = match value {
            Value::Null => Kind::Nothing,
            Value::Bool(value) => Kind::Bool(*value),
            Value::Number(number) => Kind::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Kind::Text(text.clone()),
            Value::Array(list) => Kind::List(list.iter().map(Self::of_value).collect()),
            Value::Object(members) => Kind::Object(
                members
                    .iter()
                    .map(|(name, value)| Member {
                        name: name.clone(),
                        span: Span::default(),
                        value: Self::of_value(value),
                    })
                    .collect(),
            ),
        };
        Self { span: Span::default(), kind }
    }

    pub(super) fn members(&self) -> &[Member] {
        if let Kind::Object(members) = &self.kind { members } else { &[] }
    }

    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        // Of two of one name the last one counts, as for every reader of JSON.
        self.members().iter().rev().find(|member| member.name == name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.member(name).map(|member| &member.value).filter(|value| !matches!(value.kind, Kind::Nothing))
    }

    pub(super) fn list(&self) -> &[Self] {
        if let Kind::List(list) = &self.kind { list } else { &[] }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }

    pub(super) fn number(&self) -> Option<f64> {
        if let Kind::Number(number) = self.kind { Some(number).filter(|number| number.is_finite()) } else { None }
    }

    pub(super) fn is_true(&self) -> Option<bool> {
        if let Kind::Bool(value) = self.kind { Some(value) } else { None }
    }

    /// The texts of a list with their places; none where it is no list of texts, or empty.
    pub(super) fn texts(&self) -> Option<Vec<(&str, Span)>> {
        let all: Option<Vec<_>> = self.list().iter().map(|one| Some((one.text()?, one.span))).collect();
        let all: Vec<_> = all?.into_iter().filter(|(text, _)| !text.is_empty()).collect();
        (!all.is_empty()).then_some(all)
    }

    /// The place of some bytes of a text; all of it where its words are written in another way.
    pub(super) fn part(&self, from: usize, to: usize) -> Span {
        let length = self.text().map_or(0, str::len);
        let plain = self.span.range().len() == length + 2;
        if !plain {
            return self.span;
        }
        let start = self.span.start as usize + 1;
        Span::new(self.span.source, start + from..start + to)
    }
}

fn of_json(value: &ast::Value<'_>, source: SourceId) -> Node {
    let range = value.range();
    let kind = match value {
        ast::Value::NullKeyword(_) => Kind::Nothing,
        ast::Value::BooleanLit(value) => Kind::Bool(value.value),
        ast::Value::NumberLit(number) => Kind::Number(number.value.parse().unwrap_or(f64::NAN)),
        ast::Value::StringLit(text) => Kind::Text(text.value.clone().into_owned()),
        ast::Value::Array(list) => Kind::List(list.elements.iter().map(|value| of_json(value, source)).collect()),
        ast::Value::Object(object) => Kind::Object(
            object
                .properties
                .iter()
                .map(|member| Member {
                    name: member.name.as_str().to_owned(),
                    span: Span::new(source, member.range.start..member.range.end),
                    value: of_json(&member.value, source),
                })
                .collect(),
        ),
    };
    Node { span: Span::new(source, range.start..range.end), kind }
}

fn of_table(table: &dyn toml_edit::TableLike, source: SourceId) -> Kind {
    let member = |(name, item): (&str, &Item)| {
        let value = of_toml(item, source);
        let key = table.key(name).and_then(toml_edit::Key::span);
        let start = key.map_or(value.span.start as usize, |key| key.start).min(value.span.range().end);
        Member { name: name.to_owned(), span: Span::new(source, start..value.span.range().end), value }
    };
    Kind::Object(table.iter().map(member).collect())
}

fn of_toml(item: &Item, source: SourceId) -> Node {
    let span = Span::new(source, item.span().unwrap_or_default());
    let kind = match item {
        Item::None => Kind::Nothing,
        Item::Table(table) => of_table(table, source),
        Item::ArrayOfTables(tables) => Kind::List(
            tables
                .iter()
                .map(|table| Node {
                    span: Span::new(source, table.span().unwrap_or_default()),
                    kind: of_table(table, source),
                })
                .collect(),
        ),
        Item::Value(value) => return of_toml_value(value, source),
    };
    Node { span, kind }
}

fn of_toml_value(value: &TomlValue, source: SourceId) -> Node {
    let kind = match value {
        TomlValue::String(text) => Kind::Text(text.value().clone()),
        #[expect(clippy::cast_precision_loss, reason = "numbers of a configuration are small")]
        TomlValue::Integer(number) => Kind::Number(*number.value() as f64),
        TomlValue::Float(number) => Kind::Number(*number.value()),
        TomlValue::Boolean(value) => Kind::Bool(*value.value()),
        TomlValue::Datetime(time) => Kind::Text(time.value().to_string()),
        TomlValue::Array(list) => Kind::List(list.iter().map(|value| of_toml_value(value, source)).collect()),
        TomlValue::InlineTable(table) => of_table(table, source),
    };
    Node { span: Span::new(source, value.span().unwrap_or_default()), kind }
}
