//! Every word of a program that stands for something: where it is defined, and where it is used.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::lang::ir::Kind;
use crate::lang::ir::load::{PRELUDE, PRELUDE_NAME};
use crate::lang::source::{Source, SourceId, Span};
use crate::lang::syntax;
use crate::lang::syntax::tree::{
    Action, ActionKind, Bound, Condition, Expect, FieldRef, Item, ItemKind, Literal, ModelName, Operator, Target, Test,
    TestLine, Value, ValueKind,
};

/// What a word stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Word {
    /// A let, budget, label, pool, rule or adjust.
    Name(String),
    /// A class of a label.
    Class(String, String),
    /// A field, by the name of its row.
    Field(&'static str),
    /// A setting.
    Setting(String),
    /// A model, as its text says.
    Model(String),
}

/// A word at a place.
#[derive(Debug, Clone)]
pub(super) struct Occurrence {
    pub(super) word: Word,
    pub(super) span: Span,
    /// It is defined here.
    pub(super) defines: bool,
}

/// What a name is defined as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Definition<'t> {
    pub(super) kind: Kind,
    pub(super) item: &'t Item,
    pub(super) span: Span,
}

/// The names of a program, and of the prelude where the program has none of that name.
#[derive(Debug)]
pub(super) struct Names<'t> {
    pub(super) defined: HashMap<&'t str, Definition<'t>>,
}

/// The labels that every program has.
pub(super) fn prelude() -> &'static (Source, Vec<Item>) {
    static FOUND: OnceLock<(Source, Vec<Item>)> = OnceLock::new();
    FOUND.get_or_init(|| {
        let source = Source::new(PRELUDE_NAME, PRELUDE);
        // No program has so many sources.
        let (tree, _) = syntax::parse(&source, SourceId(u16::MAX));
        (source, tree.items)
    })
}

/// The name that an item defines.
pub(super) fn definition(item: &Item) -> Option<(&str, Definition<'_>)> {
    let (kind, name) = match &item.kind {
        ItemKind::Let(name, _) => (Kind::Let, name),
        ItemKind::Budget(budget) => (Kind::Budget, &budget.name),
        ItemKind::Label(label) => (Kind::Label, &label.name),
        ItemKind::Pool(pool) => (Kind::Pool, &pool.name),
        ItemKind::Rule(rule) => (Kind::Rule, &rule.name),
        ItemKind::Adjust(rule) => (Kind::Adjust, &rule.name),
        ItemKind::Use(_) | ItemKind::Default(_) | ItemKind::Test(_) => return None,
    };
    Some((&name.text, Definition { kind, item, span: name.span() }))
}

impl<'t> Names<'t> {
    pub(super) fn of(items: &'t [Item]) -> Self {
        let mut defined = HashMap::new();
        for (name, definition) in prelude().1.iter().chain(items).filter_map(definition) {
            let own = definition.span.source.0 != u16::MAX;
            // The first one counts; the prelude gives way.
            let known = defined.get(name).is_some_and(|known: &Definition<'_>| known.span.source.0 != u16::MAX);
            if !known || !own {
                defined.insert(name, definition);
            }
        }
        Self { defined }
    }

    /// The classes of a label.
    pub(super) fn classes(&self, label: &str) -> Vec<&'t str> {
        let Some(ItemKind::Label(label)) = self.defined.get(label).map(|found| &found.item.kind) else {
            return Vec::new();
        };
        let mut found: Vec<&str> = label.lines.iter().map(|line| line.class.text.as_str()).collect();
        found.dedup();
        found
    }

    /// Every word of some items that stands for something.
    pub(super) fn occurrences(&self, items: &[Item]) -> Vec<Occurrence> {
        let mut walk = Walk { names: self, found: Vec::new() };
        items.iter().for_each(|item| walk.item(item));
        walk.found
    }
}

struct Walk<'a, 't> {
    names: &'a Names<'t>,
    found: Vec<Occurrence>,
}

impl Walk<'_, '_> {
    fn add(&mut self, word: Word, span: Span, defines: bool) {
        self.found.push(Occurrence { word, span, defines });
    }

    fn item(&mut self, item: &Item) {
        if let Some((name, definition)) = definition(item) {
            self.add(Word::Name(name.to_owned()), definition.span, true);
        }
        match &item.kind {
            ItemKind::Use(_) => {}
            ItemKind::Let(_, Bound::Value(value)) => self.value(value, None),
            ItemKind::Let(_, Bound::Condition(condition)) => self.condition(condition),
            ItemKind::Budget(budget) => {
                let of_model = |name: &&crate::lang::syntax::tree::Scope| name.kind.text == "model";
                if let Some(model) = budget.scope.as_ref().filter(of_model).and_then(|scope| scope.of.as_ref()) {
                    self.model(model);
                }
            }
            ItemKind::Label(label) => {
                for line in &label.lines {
                    let class = Word::Class(label.name.text.clone(), line.class.text.clone());
                    self.add(class, line.class.span(), true);
                    if let Some(when) = &line.when {
                        self.condition(when);
                    }
                }
            }
            ItemKind::Pool(pool) => pool.members.iter().for_each(|(model, _)| self.model(model)),
            ItemKind::Rule(rule) | ItemKind::Adjust(rule) => {
                self.condition(&rule.when);
                self.actions(&rule.actions);
            }
            ItemKind::Default(actions) => self.actions(actions),
            ItemKind::Test(test) => test.lines.iter().for_each(|line| self.test_line(line)),
        }
    }

    fn actions(&mut self, actions: &[Action]) {
        for action in actions {
            match &action.kind {
                ActionKind::Route(chain) => chain.iter().for_each(|target| self.target(target)),
                ActionKind::Mirror(model) => self.model(model),
                ActionKind::Set(set) => self.set(set),
                ActionKind::Reject { .. }
                | ActionKind::Timeout { .. }
                | ActionKind::Retry(_)
                | ActionKind::Cache(_)
                | ActionKind::Tag(_)
                | ActionKind::Transform(_) => {}
            }
        }
    }

    fn set(&mut self, set: &crate::lang::syntax::tree::Set) {
        self.add(Word::Setting(set.setting.text.clone()), set.setting.span(), false);
        set.values.iter().for_each(|value| self.value(value, None));
    }

    fn target(&mut self, target: &Target) {
        if let Target::Named(model) = target {
            self.model(model);
        }
    }

    fn model(&mut self, model: &ModelName) {
        match model {
            ModelName::Text(literal) => self.model_text(literal),
            ModelName::Name(name) => self.add(Word::Name(name.text.clone()), name.span(), false),
        }
    }

    fn model_text(&mut self, literal: &Literal) {
        self.add(Word::Model(literal.inner().to_owned()), literal.span(), false);
    }

    fn test_line(&mut self, line: &TestLine) {
        match line {
            TestLine::Given(parts, _) => {
                for given in parts {
                    self.field(&given.field, None);
                    if let Some(value) = &given.value {
                        self.value(value, Some(&given.field));
                    }
                }
            }
            TestLine::Expect(expect, _) => match expect {
                Expect::Rule { rule: Some(name), .. } => {
                    self.add(Word::Name(name.text.clone()), name.span(), false);
                }
                Expect::Route(target) => self.target(target),
                Expect::Set(set) => self.set(set),
                Expect::Condition(condition) => self.condition(condition),
                Expect::Rule { rule: None, .. } | Expect::Reject(_) | Expect::Unservable => {}
            },
        }
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::And(parts, _) | Condition::Or(parts, _) => parts.iter().for_each(|part| self.condition(part)),
            Condition::Not(inner, _) => self.condition(inner),
            Condition::Test(test) => self.test(test),
        }
    }

    fn test(&mut self, test: &Test) {
        self.field(&test.field, None);
        match &test.operator {
            Operator::Bare | Operator::Has => {}
            Operator::Compare(_, value)
            | Operator::In(value)
            | Operator::Is(value)
            | Operator::Contains(_, value)
            | Operator::Like(value)
            | Operator::Matches(value) => self.value(value, Some(&test.field)),
        }
    }

    /// A value, of the field that it is compared with.
    fn value(&mut self, value: &Value, of: Option<&FieldRef>) {
        match &value.kind {
            ValueKind::Name(field) => self.field(field, of),
            ValueKind::List(members) => members.iter().for_each(|member| self.value(member, of)),
            ValueKind::Range { low, high, .. } => {
                self.value(low, of);
                self.value(high, of);
            }
            ValueKind::Text(literal) => {
                let is_model =
                    of.is_some_and(|field| matches!(field.name.text.as_str(), "model" | "session.model" | "target"));
                // A let of a text may be one of a model.
                if is_model || of.is_none() {
                    self.model_text(literal);
                }
            }
            ValueKind::Quantity(_) | ValueKind::Pattern { .. } | ValueKind::Regex(_) | ValueKind::Bool(_) => {}
        }
    }

    /// A field, a name, or a class of the label that it is compared with.
    fn field(&mut self, field: &FieldRef, of: Option<&FieldRef>) {
        if let Some(argument) = &field.argument {
            self.model(argument);
        }
        let (text, span) = (field.name.text.as_str(), field.name.span());
        if let Some(label) = of.map(|of| of.name.text.as_str())
            && self.names.classes(label).contains(&text)
        {
            return self.add(Word::Class(label.to_owned(), text.to_owned()), span, false);
        }
        if self.names.defined.contains_key(text) {
            return self.add(Word::Name(text.to_owned()), span, false);
        }
        if let Some(row) = row_of(text) {
            return self.add(Word::Field(row), span, false);
        }
        // `daily.used`, `task.confidence`
        if let Some((name, part)) = text.split_once('.')
            && self.names.defined.contains_key(name)
        {
            let end = span.start + u32::try_from(name.len()).unwrap_or(0);
            self.add(Word::Name(name.to_owned()), Span { end, ..span }, false);
            if let Some(row) = row_of(&format!("NAME.{part}")) {
                self.add(Word::Field(row), Span { start: end + 1, ..span }, false);
            }
        }
    }
}

fn row_of(name: &str) -> Option<&'static str> {
    crate::lang::schema::fields::find(name).map(|id| id.row().name)
}
