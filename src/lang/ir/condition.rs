//! Conditions: each test typed and turned into atoms, lets of conditions put in their place, `not` pushed inward.

use std::sync::Arc;

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::ir::interval::Intervals;
use crate::lang::ir::resolve::{Resolver, TESTS_MAX};
use crate::lang::ir::scope::Meaning;
use crate::lang::ir::value::{Val, ValKind};
use crate::lang::ir::{Argument, Atom, AtomId, Condition, Kind, LabelId, Slot, Test};
use crate::lang::schema::fields::{self, Argument as Takes, FIELDS, FieldId};
use crate::lang::schema::suggest;
use crate::lang::schema::types::Type;
use crate::lang::syntax::tree::{self, Bound, Comparison, FieldRef, ModelName, Operator};

/// What a test asks about.
pub(super) enum Subject<'t> {
    Slot(Slot),
    Label(LabelId),
    Confidence(LabelId),
    Let(&'t str, &'t tree::Condition),
    Constant(bool),
}

/// Atoms, all or any of which must hold.
pub(super) struct Atoms {
    pub(super) ids: Vec<AtomId>,
    pub(super) all: bool,
    /// The `not` of that.
    pub(super) flip: bool,
}

impl<'t> Resolver<'t> {
    /// Resolves a condition, or the `not` of it.
    pub(super) fn condition(&mut self, condition: &'t tree::Condition, negate: bool) -> Condition {
        if self.n_tests > TESTS_MAX {
            return Condition::Always(false);
        }
        match condition {
            tree::Condition::And(parts, _) => self.parts(parts, negate, !negate),
            tree::Condition::Or(parts, _) => self.parts(parts, negate, negate),
            tree::Condition::Not(inner, _) => self.condition(inner, !negate),
            tree::Condition::Test(test) => self.test(test, negate),
        }
    }

    fn parts(&mut self, parts: &'t [tree::Condition], negate: bool, all: bool) -> Condition {
        let mut kept = Vec::with_capacity(parts.len());
        for part in parts {
            match self.condition(part, negate) {
                Condition::Always(value) if value == all => {}
                Condition::Always(_) => return self.rest_checked(parts, negate, !all),
                Condition::And(inner) if all => kept.extend(inner),
                Condition::Or(inner) if !all => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match (kept.len(), all) {
            (0, _) => Condition::Always(all),
            (1, _) => kept.remove(0),
            (_, true) => Condition::And(kept),
            (_, false) => Condition::Or(kept),
        }
    }

    /// A constant settles the whole; the parts are checked all the same.
    fn rest_checked(&mut self, parts: &'t [tree::Condition], negate: bool, value: bool) -> Condition {
        for part in parts {
            self.condition(part, negate);
        }
        Condition::Always(value)
    }

    fn test(&mut self, test: &'t tree::Test, negate: bool) -> Condition {
        self.n_tests += 1;
        if self.n_tests > TESTS_MAX {
            if self.n_tests == TESTS_MAX + 1 {
                let message = format!("the program has more than {TESTS_MAX} tests with all lets in their place");
                self.report(Diagnostic::new(&codes::TOO_MANY, test.place.0, message));
            }
            return Condition::Always(false);
        }
        let Some(subject) = self.subject(&test.field) else { return Condition::Always(false) };
        let negated = negate ^ test.negated;
        let atoms = match (subject, &test.operator) {
            (Subject::Constant(value), Operator::Bare) => return Condition::Always(value ^ negated),
            (Subject::Let(name, condition), Operator::Bare) => return self.inlined(name, condition, test, negated),
            (Subject::Let(name, _), _) => {
                let message = format!("`{name}` is a condition; it stands by its bare name");
                self.report(Diagnostic::new(&codes::WRONG_OPERATOR, test.field.place.0, message));
                None
            }
            (Subject::Constant(_), _) => {
                self.wrong_operator(test, "true or false", "write its bare name");
                None
            }
            (Subject::Label(label), operator) => self.label_test(label, operator, test),
            (Subject::Confidence(label), operator) => self.confidence_test(label, operator, test),
            (Subject::Slot(slot), operator) => self.slot_test(slot, operator, test),
        };
        let Some(atoms) = atoms else { return Condition::Always(false) };
        Condition::Test(Test {
            atoms: atoms.ids,
            all: atoms.all,
            negated: negated ^ atoms.flip,
            outer_not: negate,
            span: test.place.0,
            site: self.site.unwrap_or(test.place.0),
            via: self.lets.last().map(|name| Arc::from(*name)),
        })
    }

    fn inlined(
        &mut self,
        name: &'t str,
        condition: &'t tree::Condition,
        test: &'t tree::Test,
        negated: bool,
    ) -> Condition {
        let _ = name;
        if !self.enter_let(&test.field) {
            return Condition::Always(false);
        }
        let outermost = self.site.is_none();
        self.site = self.site.or(Some(test.place.0));
        let inner = self.condition(condition, negated);
        if outermost {
            self.site = None;
        }
        self.lets.pop();
        inner
    }

    /// What a field's name stands for; none, and reported, when nothing.
    pub(super) fn subject(&mut self, field: &'t FieldRef) -> Option<Subject<'t>> {
        let name = field.name.text.as_str();
        if self.broken && name == "_" {
            return None;
        }
        match (self.scope.find(name), field.argument.is_some()) {
            (Some(Meaning::Let(bound)), false) => return self.let_subject(name, bound, field),
            (Some(Meaning::Label(label)), false) => return Some(Subject::Label(label)),
            _ => {}
        }
        if let Some(found) = self.part_subject(name) {
            return Some(found);
        }
        let Some(id) = fields::find(name).filter(|id| !id.row().name.starts_with("NAME")) else {
            self.unknown_field(field);
            return None;
        };
        if id.row().only_in_adjust() && !self.in_adjust {
            let message = format!("`{name}` is known in an `adjust` only, where a target has been taken");
            self.report(Diagnostic::new(&codes::NOT_HERE, field.place.0, message));
            return None;
        }
        let argument = self.argument(id, field)?;
        Some(Subject::Slot(Slot::Field(id, argument)))
    }

    fn let_subject(&mut self, name: &'t str, bound: &'t Bound, field: &'t FieldRef) -> Option<Subject<'t>> {
        match bound {
            Bound::Condition(condition) if !self.is_name_of_value(condition) => Some(Subject::Let(name, condition)),
            Bound::Value(tree::Value { kind: tree::ValueKind::Bool(value), .. }) => Some(Subject::Constant(*value)),
            Bound::Condition(_) | Bound::Value(_) => {
                let message = format!("`{name}` is a value; a condition tests a field");
                self.report(Diagnostic::new(&codes::WRONG_OPERATOR, field.place.0, message));
                None
            }
        }
    }

    /// `daily.used` and `task.confidence`.
    fn part_subject(&mut self, name: &str) -> Option<Subject<'t>> {
        let (whole, part) = name.rsplit_once('.')?;
        match self.scope.find(whole)? {
            Meaning::Budget(budget) => {
                let id = fields::budget_part(part)?;
                Some(Subject::Slot(Slot::Field(id, Argument::Budget(budget))))
            }
            Meaning::Label(label) => (part == "confidence").then_some(Subject::Confidence(label)),
            Meaning::Let(_) | Meaning::Pool(_) | Meaning::Rule | Meaning::Adjust => None,
        }
    }

    fn unknown_field(&mut self, field: &FieldRef) {
        let name = field.name.text.as_str();
        let mut known: Vec<String> =
            FIELDS.iter().map(|row| row.name.to_owned()).filter(|row| !row.starts_with("NAME")).collect();
        known.extend(self.scope.names(&[Kind::Let, Kind::Label]).iter().map(|name| (*name).to_owned()));
        for budget in self.scope.names(&[Kind::Budget]) {
            known.extend(["spent", "remaining", "used"].iter().map(|part| format!("{budget}.{part}")));
        }
        for label in self.scope.names(&[Kind::Label]) {
            known.push(format!("{label}.confidence"));
        }
        let near = suggest::nearest(name, known.iter().map(String::as_str));
        let problem = Diagnostic::new(&codes::UNKNOWN_FIELD, field.name.span(), format!("unknown field `{name}`"));
        self.report(problem.meant(near, str::to_owned));
    }

    fn argument(&mut self, id: FieldId, field: &'t FieldRef) -> Option<Argument> {
        let row = id.row();
        match (row.argument, &field.argument) {
            (Takes::None | Takes::MaybeText, None) => Some(Argument::None),
            (Takes::Text | Takes::MaybeText, Some(name)) => {
                let text = self.model_text(name)?;
                let folded = if row.name == "header" { text.to_ascii_lowercase() } else { text };
                Some(Argument::Text(folded))
            }
            (Takes::Model, Some(ModelName::Name(name)))
                if matches!(self.scope.find(&name.text), Some(Meaning::Pool(_))) =>
            {
                let Some(Meaning::Pool(pool)) = self.scope.find(&name.text) else { return None };
                Some(Argument::Pool(pool))
            }
            (Takes::Model, Some(name)) => self.model(name).map(Argument::Model),
            (Takes::None, Some(argument)) => {
                let message = format!("`{}` takes nothing in parentheses", row.name);
                self.report(Diagnostic::new(&codes::BAD_ARGUMENT, argument.span(), message));
                None
            }
            (Takes::Text | Takes::Model, None) => {
                let message = format!("`{}` needs to know of what", row.name);
                let problem = Diagnostic::new(&codes::BAD_ARGUMENT, field.place.0, message);
                self.report(problem.help(format!("such as `{}`", row.example)));
                None
            }
        }
    }

    pub(super) fn wrong_operator(&mut self, test: &tree::Test, what: &str, help: &str) {
        let message = format!("the operator does not work on `{}`, which is {what}", test.field.name.text);
        let problem = Diagnostic::new(&codes::WRONG_OPERATOR, test.place.0, message);
        self.report(if help.is_empty() { problem } else { problem.help(help) });
    }

    pub(super) fn mismatch(&mut self, expected: &str, found: &Val<'_>, help: Option<String>) {
        let problem =
            Diagnostic::new(&codes::TYPE_MISMATCH, found.span, format!("expected {expected}, found {}", found.words()));
        self.report(problem.maybe_help(help));
    }

    /// Something else stands where a text is expected: a bare word, most often.
    pub(super) fn no_text(&mut self, found: &Val<'_>, help: Option<String>) {
        let quoted = match &found.kind {
            ValKind::Field(field) => Some(format!("write `\"{}\"` for a text", field.name.text)),
            _ => None,
        };
        self.mismatch("a text", found, help.or(quoted));
    }

    pub(super) fn one(&mut self, atom: Atom) -> Atoms {
        Atoms { ids: vec![self.atom(atom)], all: true, flip: false }
    }

    // --- tests of one kind of subject each ----------------------------------------------------------------------

    fn slot_test(&mut self, slot: Slot, operator: &'t Operator, test: &'t tree::Test) -> Option<Atoms> {
        let ty = slot.ty();
        match operator {
            Operator::Bare if ty == Type::Bool => {
                let id = self.slot(slot);
                Some(self.one(Atom::Within(id, Intervals::new([(1, 1)]))))
            }
            Operator::Bare => {
                let help = format!("compare it, or write `has {}`", test.field.name.text);
                self.wrong_operator(test, &ty.words(), &help);
                None
            }
            Operator::Has => self.has(slot, test),
            Operator::Compare(sign, value) if ty.is_ordinal() => self.compare(slot, *sign, value, test),
            Operator::In(value) if ty.is_ordinal() => self.within(&slot, value),
            Operator::Is(value) if matches!(ty, Type::Member(_)) => self.within(&slot, value),
            Operator::Compare(sign, _) => {
                let help = match sign {
                    Comparison::NotEqual => "write `is not`",
                    Comparison::Equal => "write `is`",
                    Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => "",
                };
                self.wrong_operator(test, &ty.words(), help);
                None
            }
            Operator::In(value) | Operator::Is(value) if ty == Type::Text => self.is_text(slot, value),
            Operator::Like(value) if ty == Type::Text => self.like(slot, value),
            Operator::Matches(value) if ty == Type::Text => self.matches(slot, value),
            Operator::Contains(quantifier, value) if ty == Type::Text => self.contains_text(slot, *quantifier, value),
            Operator::Contains(quantifier, value) if matches!(ty, Type::Paths | Type::Texts) => {
                self.contains_member(slot, *quantifier, value)
            }
            Operator::In(_) | Operator::Is(_) | Operator::Like(_) | Operator::Matches(_) | Operator::Contains(..) => {
                let help = match ty {
                    Type::Paths | Type::Texts => "write `contains`",
                    Type::Bool => "write its bare name",
                    _ if ty.is_ordinal() => "write `==`, `<` and their like, or `in`",
                    _ => "",
                };
                self.wrong_operator(test, &ty.words(), help);
                None
            }
        }
    }
}
