//! `test` items: what they give and what they expect.

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::input::{Fact, WHOLE};
use crate::lang::ir::condition::Subject;
use crate::lang::ir::resolve::Resolver;
use crate::lang::ir::scope::Meaning;
use crate::lang::ir::value::{Members, Val, ValKind};
use crate::lang::ir::{Expect, Given, GivenValue, Slot, TestItem};
use crate::lang::schema::quantity::Quantity;
use crate::lang::schema::text;
use crate::lang::schema::types::Type;
use crate::lang::syntax::tree;

impl<'t> Resolver<'t> {
    pub(super) fn define_test(&mut self, test: &'t tree::TestItem) {
        let name = self.plain_text(&test.name).unwrap_or_default();
        let mut item = TestItem { name, span: test.name.span(), request: None, given: Vec::new(), expects: Vec::new() };
        for line in &test.lines {
            match line {
                tree::TestLine::Given(parts, _) => parts.iter().for_each(|part| self.given_part(part, &mut item)),
                tree::TestLine::Expect(expect, place) => {
                    if let Some(expect) = self.expected(expect) {
                        item.expects.push((expect, place.0));
                    }
                }
            }
        }
        if item.expects.is_empty() && !self.broken {
            let problem = Diagnostic::new(&codes::BAD_TEST, test.name.span(), "the test expects nothing");
            self.report(problem.help("add `expect rule ...`"));
        }
        self.program.tests.push(item);
    }

    fn given_part(&mut self, given: &'t tree::Given, item: &mut TestItem) {
        if given.field.name.text == "request" && given.field.argument.is_none() {
            match given.value.as_ref().map(|value| &value.kind) {
                Some(tree::ValueKind::Text(literal)) => item.request = self.plain_text(literal),
                _ => {
                    self.report(Diagnostic::new(&codes::BAD_TEST, given.field.place.0, "`given request` names a file"));
                }
            }
            return;
        }
        if let Some(given) = self.given(given) {
            item.given.push(given);
        }
    }

    /// A field and the value given to it.
    pub(super) fn given(&mut self, given: &'t tree::Given) -> Option<Given> {
        let span = given.field.place.0;
        let slot = match self.subject(&given.field)? {
            Subject::Slot(slot) => slot,
            Subject::Label(label) => Slot::Label(label),
            Subject::Confidence(_) | Subject::Let(..) | Subject::Constant(_) => {
                let message = format!("`{}` cannot be given: it follows from other fields", given.field.name.text);
                self.report(Diagnostic::new(&codes::BAD_TEST, span, message));
                return None;
            }
        };
        let Some(value) = &given.value else {
            if !slot.can_be_absent() {
                let message = format!("`{}` is never absent", given.field.name.text);
                self.report(Diagnostic::new(&codes::BAD_TEST, span, message));
                return None;
            }
            return Some(Given { slot, value: GivenValue::Absent, span });
        };
        let value = self.given_value(&slot, value)?;
        Some(Given { slot, value, span })
    }

    fn given_value(&mut self, slot: &Slot, value: &'t tree::Value) -> Option<GivenValue> {
        let ty = slot.ty();
        let members = match (slot, ty) {
            (Slot::Label(label), _) => Members::Classes(*label),
            (_, Type::Member(closed)) => Members::Closed(closed),
            _ => Members::None,
        };
        let value = self.value(value, &members)?;
        match (&value.kind, ty) {
            (ValKind::Text(chars), Type::Text) => Some(GivenValue::Text(text::plain(chars))),
            (ValKind::Text(_) | ValKind::List(_), Type::Paths | Type::Texts) => {
                let list = match &value.kind {
                    ValKind::List(list) => list.clone(),
                    _ => vec![value.clone()],
                };
                let texts = list
                    .iter()
                    .map(|value| if let ValKind::Text(chars) = &value.kind { Some(text::plain(chars)) } else { None });
                match texts.collect::<Option<Vec<String>>>() {
                    Some(texts) => Some(GivenValue::Set(texts)),
                    None => self.bad_given(&value, ty),
                }
            }
            (ValKind::Bool(value), Type::Bool) => Some(GivenValue::Ordinal(i64::from(*value))),
            (ValKind::Member(class), Type::Class) => self.line_of_class(slot, *class),
            (ValKind::Member(index), Type::Member(_)) => Some(GivenValue::Ordinal(*index)),
            (ValKind::Quantity(Quantity { ty: given, value: amount }), _) if *given == ty => {
                self.in_domain(slot, *amount, &value).map(GivenValue::Ordinal)
            }
            _ => self.bad_given(&value, ty),
        }
    }

    fn bad_given(&mut self, value: &Val<'_>, ty: Type) -> Option<GivenValue> {
        let message = format!("expected {}, found {}", ty.words(), value.words());
        self.report(
            Diagnostic::new(&codes::TYPE_MISMATCH, value.span, message).help(format!("such as `{}`", ty.sample())),
        );
        None
    }

    /// The first line of a label that gives the class.
    fn line_of_class(&self, slot: &Slot, class: i64) -> Option<GivenValue> {
        let Slot::Label(label) = slot else { return None };
        let lines = &self.program.labels[label.index()].lines;
        let line = lines.iter().position(|line| i64::try_from(line.class) == Ok(class))?;
        i64::try_from(line).ok().map(GivenValue::Ordinal)
    }

    /// A value that the field can have.
    fn in_domain(&mut self, slot: &Slot, amount: i64, value: &Val<'_>) -> Option<i64> {
        let whole = slot.feature().is_some()
            && slot.ty() == Type::Number
            && slot.feature() != Some(crate::lang::input::Feature::Temperature);
        let fine = whole && amount % crate::lang::input::NUMBER != 0;
        let bucket = slot.fact() == Some(Fact::Bucket) && amount >= WHOLE;
        let midnight = slot.ty() == Type::Time && amount >= 24 * 60;
        if fine || bucket || midnight {
            self.report(Diagnostic::new(&codes::BAD_TEST, value.span, "the field never has this value"));
            return None;
        }
        Some(amount)
    }

    fn expected(&mut self, expect: &'t tree::Expect) -> Option<Expect> {
        match expect {
            tree::Expect::Rule { negated, rule } => {
                let name = match rule {
                    None => "default".to_owned(),
                    Some(name) => self.rule_name(name)?,
                };
                Some(if *negated { Expect::NotRule(name) } else { Expect::Rule(name) })
            }
            tree::Expect::Route(target) => self.target(target).map(Expect::Route),
            tree::Expect::Set(set) => self.set(set).map(Expect::Set),
            tree::Expect::Reject(status) => self.status(status).map(Expect::Reject),
            tree::Expect::Unservable => Some(Expect::Unservable),
            tree::Expect::Condition(condition) => Some(Expect::Condition(self.condition(condition, false))),
        }
    }

    fn rule_name(&mut self, name: &tree::Name) -> Option<String> {
        match self.scope.find(&name.text) {
            Some(Meaning::Rule) => Some(name.text.clone()),
            _ => {
                let near =
                    crate::lang::schema::suggest::nearest(&name.text, self.scope.names(&[crate::lang::ir::Kind::Rule]));
                let problem =
                    Diagnostic::new(&codes::UNKNOWN_NAME, name.span(), format!("there is no rule `{}`", name.text));
                let problem = problem.meant(near, str::to_owned);
                self.report(problem);
                None
            }
        }
    }
}
