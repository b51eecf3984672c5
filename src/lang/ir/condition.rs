//! Conditions: each test typed and turned into atoms, lets of conditions put in their place, `not` pushed inward.

use std::sync::Arc;

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::ir::interval::Intervals;
use crate::lang::ir::resolve::{Resolver, TESTS_MAX};
use crate::lang::ir::scope::Meaning;
use crate::lang::ir::value::{Members, Val, ValKind};
use crate::lang::ir::{
    Argument, Atom, AtomId, Condition, Kind, LabelId, Member, Order, Pattern, PatternList, Regex, Slot, Test, TextTest,
};
use crate::lang::schema::fields::{self, Argument as Takes, FIELDS, FieldId};
use crate::lang::schema::fold;
use crate::lang::schema::glob::Glob;
use crate::lang::schema::suggest;
use crate::lang::schema::text::{self, Char};
use crate::lang::schema::types::Type;
use crate::lang::source::Span;
use crate::lang::syntax::tree::{self, Bound, Comparison, FieldRef, ModelName, Operator, Quantifier};

/// The largest compiled regular expression, in bytes.
pub(crate) const REGEX_BYTES_MAX: usize = 1 << 20;

/// What a test asks about.
pub(super) enum Subject<'t> {
    Slot(Slot),
    Label(LabelId),
    Confidence(LabelId),
    Let(&'t str, &'t tree::Condition),
    Constant(bool),
}

/// Atoms, all or any of which must hold.
struct Atoms {
    ids: Vec<AtomId>,
    all: bool,
    flip: bool,
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
        let inner = self.condition(condition, negated);
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
        let help = suggest::help(name, known.iter().map(String::as_str));
        let problem = Diagnostic::new(&codes::UNKNOWN_FIELD, field.name.span(), format!("unknown field `{name}`"));
        self.report(problem.maybe_help(help));
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

    fn wrong_operator(&mut self, test: &tree::Test, what: &str, help: &str) {
        let message = format!("the operator does not work on `{}`, which is {what}", test.field.name.text);
        let problem = Diagnostic::new(&codes::WRONG_OPERATOR, test.place.0, message);
        self.report(if help.is_empty() { problem } else { problem.help(help) });
    }

    fn mismatch(&mut self, expected: &str, found: &Val<'_>, help: Option<String>) {
        let problem =
            Diagnostic::new(&codes::TYPE_MISMATCH, found.span, format!("expected {expected}, found {}", found.words()));
        self.report(problem.maybe_help(help));
    }

    fn one(&mut self, atom: Atom) -> Atoms {
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

    fn has(&mut self, slot: Slot, test: &tree::Test) -> Option<Atoms> {
        let (ty, can_be_absent) = (slot.ty(), slot.can_be_absent());
        let closed = matches!(ty, Type::Bool | Type::Member(_) | Type::Class);
        if closed {
            self.wrong_operator(test, &ty.words(), "compare it instead");
            return None;
        }
        let id = self.slot(slot);
        let atom = match ty {
            Type::Text if can_be_absent => Atom::Text(id, TextTest::Present),
            Type::Text => Atom::Text(id, TextTest::NotEmpty),
            Type::Paths | Type::Texts => Atom::Holds(id, Member::Any),
            _ if can_be_absent => Atom::Within(id, Intervals::all()),
            _ => Atom::Within(id, Intervals::new([(1, i64::MAX)])),
        };
        Some(self.one(atom))
    }

    fn compare(&mut self, slot: Slot, sign: Comparison, value: &'t tree::Value, test: &tree::Test) -> Option<Atoms> {
        let ty = slot.ty();
        if !ty.is_ordered() {
            let help = match (sign, ty) {
                (Comparison::Equal, Type::Member(_)) => "write `is`",
                (Comparison::NotEqual, Type::Member(_)) => "write `is not`",
                _ => "",
            };
            self.wrong_operator(test, &ty.words(), help);
            return None;
        }
        if matches!((sign, ty), (Comparison::Equal | Comparison::NotEqual, Type::Member(_))) {
            self.wrong_operator(
                test,
                &ty.words(),
                if sign == Comparison::Equal { "write `is`" } else { "write `is not`" },
            );
            return None;
        }
        let value = self.value(value, &members_of(ty))?;
        if let ValKind::Field(field) = value.kind {
            return self.compare_fields(slot, sign, field, ty);
        }
        let bound = self.ordinal(&value, ty, false)?;
        let id = self.slot(slot);
        let mut atoms = self.one(Atom::Within(id, interval_of(sign, bound)));
        atoms.flip = sign == Comparison::NotEqual;
        Some(atoms)
    }

    fn compare_fields(&mut self, slot: Slot, sign: Comparison, field: &'t FieldRef, ty: Type) -> Option<Atoms> {
        let Some(Subject::Slot(other)) = self.subject(field) else { return None };
        if other.ty() != ty {
            let message = format!("`{}` is {}, compared with {}", field.name.text, other.ty().words(), ty.words());
            self.report(Diagnostic::new(&codes::TYPE_MISMATCH, field.place.0, message));
            return None;
        }
        let (left, right) = (self.slot(slot), self.slot(other));
        let atom = match sign {
            Comparison::Less => Atom::Compare(left, Order::Less, right),
            Comparison::LessOrEqual => Atom::Compare(left, Order::LessOrEqual, right),
            Comparison::Greater => Atom::Compare(right, Order::Less, left),
            Comparison::GreaterOrEqual => Atom::Compare(right, Order::LessOrEqual, left),
            Comparison::Equal | Comparison::NotEqual => Atom::Compare(left.min(right), Order::Equal, left.max(right)),
        };
        let mut atoms = self.one(atom);
        atoms.flip = sign == Comparison::NotEqual;
        Some(atoms)
    }

    /// An ordered value of a type.
    fn ordinal(&mut self, value: &Val<'t>, ty: Type, may_end_day: bool) -> Option<i64> {
        match (&value.kind, ty) {
            (ValKind::Member(index), Type::Member(_) | Type::Class) => Some(*index),
            (ValKind::Quantity(quantity), _) if quantity.ty == ty => {
                if ty == Type::Time && quantity.value == 24 * 60 && !may_end_day {
                    let problem =
                        Diagnostic::new(&codes::BAD_QUANTITY, value.span, "`24:00` stands only at the end of a range");
                    self.report(problem.help("write `00:00`"));
                    return None;
                }
                Some(quantity.value)
            }
            (ValKind::Field(field), Type::Member(closed)) => {
                self.unknown_member(field, closed.members.iter().copied());
                None
            }
            (ValKind::Field(field), _) => {
                // A word that stands for nothing is named as such; a field in the wrong place is a mismatch.
                if self.subject(field).is_some() {
                    self.mismatch(&ty.words(), value, None);
                }
                None
            }
            _ => {
                self.mismatch(&ty.words(), value, Some(format!("such as `{}`", ty.sample())));
                None
            }
        }
    }

    fn unknown_member<'a>(&mut self, field: &FieldRef, known: impl Iterator<Item = &'a str> + Clone) {
        let name = &field.name.text;
        let all: Vec<&str> = known.clone().collect();
        let help = suggest::help(name, known).unwrap_or_else(|| format!("known are {}", all.join(", ")));
        let message = format!("`{name}` is none of its members");
        self.report(Diagnostic::new(&codes::UNKNOWN_MEMBER, field.place.0, message).help(help));
    }

    /// The values of a range or a list, or of one value.
    fn intervals(&mut self, value: &Val<'t>, ty: Type) -> Option<Vec<(i64, i64)>> {
        match &value.kind {
            ValKind::List(list) => {
                let mut found = Some(Vec::new());
                for value in list {
                    match (self.intervals(value, ty), &mut found) {
                        (Some(more), Some(found)) => found.extend(more),
                        (_, found) => *found = None,
                    }
                }
                found
            }
            ValKind::Range(low, high, closed) => {
                let bounds = (self.ordinal(low, ty, false), self.ordinal(high, ty, true));
                let (Some(low), Some(high)) = bounds else { return None };
                let high = if *closed { high } else { high - 1 };
                let ranges = range(low, high, *closed, ty.circle());
                if ranges.is_none() {
                    self.report(Diagnostic::new(&codes::EMPTY_RANGE, value.span, "the range holds nothing"));
                }
                ranges
            }
            _ => self.ordinal(value, ty, false).map(|value| vec![(value, value)]),
        }
    }

    fn within(&mut self, slot: &Slot, value: &'t tree::Value) -> Option<Atoms> {
        let ty = slot.ty();
        let value = self.value(value, &members_of(ty))?;
        let is_range = matches!(value.kind, ValKind::Range(..));
        if is_range && !ty.is_ordered() {
            self.mismatch("a list", &value, Some("write the members in brackets".to_owned()));
            return None;
        }
        if matches!(ty, Type::Bool) {
            self.mismatch("nothing behind it", &value, Some("write its bare name".to_owned()));
            return None;
        }
        let set = Intervals::new(self.intervals(&value, ty)?);
        let id = self.slot(slot.clone());
        Some(self.one(Atom::Within(id, set)))
    }

    // --- labels --------------------------------------------------------------------------------------------------

    fn label_test(&mut self, label: LabelId, operator: &'t Operator, test: &'t tree::Test) -> Option<Atoms> {
        let members = Members::Classes(label);
        let ordered = self.program.labels[label.index()].ordered;
        let (value, sign) = match operator {
            Operator::Is(value) | Operator::In(value) => (value, None),
            Operator::Compare(sign, value) if !matches!(sign, Comparison::Equal | Comparison::NotEqual) && ordered => {
                (value, Some(*sign))
            }
            Operator::Compare(Comparison::Equal, _) => {
                self.wrong_operator(test, "a label", "write `is`");
                return None;
            }
            Operator::Compare(Comparison::NotEqual, _) => {
                self.wrong_operator(test, "a label", "write `is not`");
                return None;
            }
            Operator::Compare(..) => {
                self.wrong_operator(test, "a label without an order", "write `label NAME ordered`, or use `is`");
                return None;
            }
            Operator::Bare | Operator::Has | Operator::Contains(..) | Operator::Like(_) | Operator::Matches(_) => {
                self.wrong_operator(test, "a label", "write `is`");
                return None;
            }
        };
        let value = self.value(value, &members)?;
        let is_range = matches!(value.kind, ValKind::Range(..));
        if is_range && !ordered {
            self.mismatch("a list", &value, None);
            return None;
        }
        let classes = self.classes(&value, label)?;
        let classes = match (sign, classes.as_slice()) {
            (Some(sign), [(class, _)]) => interval_of(sign, *class),
            _ => Intervals::new(classes),
        };
        Some(self.label_atom(label, |line, program| {
            classes.contains(i64::try_from(program.lines[line].class).unwrap_or(i64::MAX))
        }))
    }

    fn classes(&mut self, value: &Val<'t>, label: LabelId) -> Option<Vec<(i64, i64)>> {
        match &value.kind {
            ValKind::Member(index) => Some(vec![(*index, *index)]),
            ValKind::List(list) => {
                let found: Vec<Option<Vec<(i64, i64)>>> = list.iter().map(|value| self.classes(value, label)).collect();
                found.into_iter().collect::<Option<Vec<_>>>().map(|all| all.concat())
            }
            ValKind::Range(low, high, closed) => {
                let (low, high) = (self.classes(low, label)?, self.classes(high, label)?);
                let last = if *closed { high[0].0 } else { high[0].0 - 1 };
                if last < low[0].0 {
                    self.report(Diagnostic::new(&codes::EMPTY_RANGE, value.span, "the range holds nothing"));
                    return None;
                }
                Some(vec![(low[0].0, last)])
            }
            ValKind::Field(field) => {
                let classes = self.program.labels[label.index()].classes.clone();
                self.unknown_member(field, classes.iter().map(String::as_str));
                None
            }
            ValKind::Quantity(_)
            | ValKind::Text(_)
            | ValKind::Pattern { .. }
            | ValKind::Regex(_)
            | ValKind::Bool(_) => {
                let help = self.program.labels[label.index()].classes.join(", ");
                self.mismatch("a class", value, Some(format!("the classes are {help}")));
                None
            }
        }
    }

    fn confidence_test(&mut self, label: LabelId, operator: &'t Operator, test: &'t tree::Test) -> Option<Atoms> {
        let (set, flip) = match operator {
            Operator::Compare(sign, value) => {
                let value = self.value(value, &Members::None)?;
                let bound = self.ordinal(&value, Type::Percent, false)?;
                (interval_of(*sign, bound), *sign == Comparison::NotEqual)
            }
            Operator::In(value) => {
                let value = self.value(value, &Members::None)?;
                (Intervals::new(self.intervals(&value, Type::Percent)?), false)
            }
            Operator::Has => (Intervals::new([(1, i64::MAX)]), false),
            Operator::Bare | Operator::Is(_) | Operator::Contains(..) | Operator::Like(_) | Operator::Matches(_) => {
                self.wrong_operator(test, "a percentage", "compare it");
                return None;
            }
        };
        let mut atoms = self.label_atom(label, |line, program| set.contains(program.lines[line].confidence));
        atoms.flip = flip;
        Some(atoms)
    }

    /// The atom that holds when the winning line of a label is one of those.
    fn label_atom(&mut self, label: LabelId, takes: impl Fn(usize, &crate::lang::ir::Label) -> bool) -> Atoms {
        let known = &self.program.labels[label.index()];
        let lines: Vec<(i64, i64)> = (0..known.lines.len())
            .filter(|line| takes(*line, known))
            .filter_map(|line| i64::try_from(line).ok().map(|line| (line, line)))
            .collect();
        let id = self.slot(Slot::Label(label));
        self.one(Atom::Within(id, Intervals::new(lines)))
    }

    // --- texts and sets --------------------------------------------------------------------------------------------

    fn is_text(&mut self, slot: Slot, value: &'t tree::Value) -> Option<Atoms> {
        let value = self.value(value, &Members::None)?;
        if let ValKind::Field(field) = value.kind {
            return self.same_text(slot, field);
        }
        let values = match value.kind {
            ValKind::List(list) => list,
            _ => vec![value],
        };
        let id = self.slot(slot.clone());
        let mut ids = Vec::with_capacity(values.len());
        for value in values {
            let ValKind::Text(chars) = &value.kind else {
                let help = matches!(value.kind, ValKind::Pattern { .. })
                    .then(|| "a pattern stands behind `contains`".to_owned());
                self.mismatch("a text", &value, help);
                return None;
            };
            let plain = text::plain(chars);
            self.check_provider(&slot, &plain, value.span);
            ids.push(self.atom(Atom::Text(id, TextTest::Is(fold::fold(&plain)))));
        }
        Some(Atoms { ids, all: false, flip: false })
    }

    fn same_text(&mut self, slot: Slot, field: &'t FieldRef) -> Option<Atoms> {
        let Some(Subject::Slot(other)) = self.subject(field) else { return None };
        if other.ty() != Type::Text {
            let message = format!("`{}` is {}, compared with a text", field.name.text, other.ty().words());
            self.report(Diagnostic::new(&codes::TYPE_MISMATCH, field.place.0, message));
            return None;
        }
        let (left, right) = (self.slot(slot), self.slot(other));
        Some(self.one(Atom::SameText(left.min(right), left.max(right))))
    }

    /// `target.provider is "opena"` names a provider that nobody is.
    fn check_provider(&mut self, slot: &Slot, name: &str, span: Span) {
        let is_provider = slot.fact() == Some(crate::lang::input::Fact::TargetProvider);
        if is_provider && !self.catalogue.providers.iter().any(|known| known == name) {
            let help = suggest::help(name, self.catalogue.providers.iter().map(String::as_str));
            let problem = Diagnostic::new(&codes::UNKNOWN_PROVIDER, span, format!("no provider is called `{name}`"))
                .maybe_help(help);
            let softened = if self.catalogue.configured { problem } else { problem.as_warning() };
            self.report(softened);
        }
    }

    fn like(&mut self, slot: Slot, value: &'t tree::Value) -> Option<Atoms> {
        let value = self.value(value, &Members::None)?;
        let ValKind::Text(chars) = &value.kind else {
            self.mismatch("a text", &value, None);
            return None;
        };
        let id = self.slot(slot);
        Some(self.one(Atom::Text(id, TextTest::Like(Glob::of_text(chars)))))
    }

    fn matches(&mut self, slot: Slot, value: &'t tree::Value) -> Option<Atoms> {
        let value = self.value(value, &Members::None)?;
        let ValKind::Regex(literal) = value.kind else {
            let help = matches!(value.kind, ValKind::Text(_)).then(|| "write it between slashes: `/.../`".to_owned());
            self.mismatch("a regular expression", &value, help);
            return None;
        };
        let regex = self.regex(literal)?;
        let id = self.slot(slot);
        Some(self.one(Atom::Text(id, TextTest::Matches(regex))))
    }

    fn regex(&mut self, literal: &tree::Literal) -> Option<Regex> {
        let (body, flags) = literal.raw.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'))?;
        let folded = match flags {
            "" => false,
            "i" => true,
            other => {
                let problem = Diagnostic::new(&codes::BAD_REGEX, literal.span(), format!("`{other}` is no flag"));
                self.report(problem.help("known is `i`, which ignores case"));
                return None;
            }
        };
        let body = body.replace("\\/", "/");
        let source = if folded { format!("(?i){body}") } else { body };
        match regex::RegexBuilder::new(&source).size_limit(REGEX_BYTES_MAX).build() {
            Ok(_) => Some(Regex { source }),
            Err(error) => {
                let why = error.to_string();
                let last = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.report(Diagnostic::new(
                    &codes::BAD_REGEX,
                    literal.span(),
                    format!("the regular expression does not work: {last}"),
                ));
                None
            }
        }
    }

    fn contains_text(&mut self, slot: Slot, quantifier: Quantifier, value: &'t tree::Value) -> Option<Atoms> {
        let values = self.operands(quantifier, value)?;
        let id = self.slot(slot);
        let mut patterns = Vec::with_capacity(values.len());
        for value in &values {
            patterns.push((self.pattern(value)?, value.span));
        }
        let ids = patterns
            .iter()
            .map(|(pattern, _)| self.atom(Atom::Text(id, TextTest::Contains(pattern.clone()))))
            .collect();
        let any = matches!(quantifier, Quantifier::Any | Quantifier::None);
        if patterns.len() > 1 {
            self.program.lists.push(PatternList { patterns, any });
        }
        Some(Atoms { ids, all: quantifier == Quantifier::All, flip: quantifier == Quantifier::None })
    }

    /// The values behind `contains`: one, or a list behind `any`, `all`, `none`.
    fn operands(&mut self, quantifier: Quantifier, value: &'t tree::Value) -> Option<Vec<Val<'t>>> {
        let value = self.value(value, &Members::None)?;
        match value.kind {
            ValKind::List(_) if quantifier == Quantifier::One => {
                let problem = Diagnostic::new(&codes::TYPE_MISMATCH, value.span, "expected one value, found a list");
                self.report(problem.help("write `contains any [...]` or `contains all [...]`"));
                None
            }
            ValKind::List(list) => Some(list),
            _ => Some(vec![value]),
        }
    }

    fn pattern(&mut self, value: &Val<'_>) -> Option<Pattern> {
        let (word, exact, chars) = match &value.kind {
            ValKind::Text(chars) => (false, false, chars.as_slice()),
            ValKind::Pattern { word, exact, chars } => (*word, *exact, chars.as_slice()),
            _ => {
                self.mismatch("a text", value, None);
                return None;
            }
        };
        let (mut starts_word, mut ends_word, mut inner) = (word, word, chars);
        if word && inner.first() == Some(&Char::Star) {
            (starts_word, inner) = (false, &inner[1..]);
        }
        if word && inner.last() == Some(&Char::Star) {
            (ends_word, inner) = (false, &inner[..inner.len() - 1]);
        }
        let complaint = if inner.is_empty() {
            Some("the pattern is empty")
        } else if word && inner.contains(&Char::Star) {
            Some("in a `word` pattern a `*` stands at an end only")
        } else {
            None
        };
        if let Some(message) = complaint {
            self.report(
                Diagnostic::new(&codes::BAD_PATTERN, value.span, message).help("write `\\*` for the character"),
            );
            return None;
        }
        let plain = text::plain(inner);
        let text = if exact { fold::nfc(&plain).into_owned() } else { fold::fold(&plain) };
        // An end that is no word character needs no boundary.
        let starts_word = starts_word && text.chars().next().is_some_and(fold::is_word_char);
        let ends_word = ends_word && text.chars().next_back().is_some_and(fold::is_word_char);
        Some(Pattern { text, exact, starts_word, ends_word })
    }

    fn contains_member(&mut self, slot: Slot, quantifier: Quantifier, value: &'t tree::Value) -> Option<Atoms> {
        let values = self.operands(quantifier, value)?;
        let paths = slot.ty() == Type::Paths;
        let id = self.slot(slot);
        let mut ids = Vec::with_capacity(values.len());
        for value in &values {
            let ValKind::Text(chars) = &value.kind else {
                let help = matches!(value.kind, ValKind::Pattern { .. })
                    .then(|| "a member of a set is a plain text or a glob".to_owned());
                self.mismatch("a text", value, help);
                return None;
            };
            if chars.is_empty() {
                self.report(Diagnostic::new(&codes::BAD_PATTERN, value.span, "the text is empty"));
                return None;
            }
            ids.push(self.atom(Atom::Holds(id, member(chars, paths))));
        }
        Some(Atoms { ids, all: quantifier == Quantifier::All, flip: quantifier == Quantifier::None })
    }
}

/// What a text means as a member of a set.
fn member(chars: &[Char], paths: bool) -> Member {
    let glob = chars.iter().any(|c| matches!(c, Char::Star | Char::Question));
    let plain = fold::fold(&text::plain(chars));
    match (paths, glob) {
        (true, glob) if glob || plain.contains('/') => Member::Glob(Glob::of_path(chars)),
        (true, _) if plain.starts_with('.') => Member::Extension(plain),
        (true, _) => Member::FileName(plain),
        (false, true) => Member::Glob(Glob::of_text(chars)),
        (false, false) => Member::Is(plain),
    }
}

fn members_of(ty: Type) -> Members {
    match ty {
        Type::Member(closed) => Members::Closed(closed),
        Type::Number
        | Type::Money
        | Type::Percent
        | Type::Duration
        | Type::Time
        | Type::Date
        | Type::Bool
        | Type::Class
        | Type::Text
        | Type::Paths
        | Type::Texts => Members::None,
    }
}

/// The values for which a comparison holds; of `!=`, those for which `==` does.
fn interval_of(sign: Comparison, bound: i64) -> Intervals {
    let range = match sign {
        Comparison::Less => (i64::MIN, bound.saturating_sub(1)),
        Comparison::LessOrEqual => (i64::MIN, bound),
        Comparison::Greater => (bound.saturating_add(1), i64::MAX),
        Comparison::GreaterOrEqual => (bound, i64::MAX),
        Comparison::Equal | Comparison::NotEqual => (bound, bound),
    };
    Intervals::new([range])
}

/// A range, first and last value with it; on a circle it may pass the end. None when it holds nothing.
fn range(low: i64, high: i64, closed: bool, circle: Option<i64>) -> Option<Vec<(i64, i64)>> {
    match circle {
        _ if low <= high => Some(vec![(low, high)]),
        // `22:00..22:00` holds nothing, on a circle too: `high` was moved back by one.
        Some(size) if closed || high + 1 != low => Some(vec![(low, size - 1), (0, high)]),
        Some(_) | None => None,
    }
}
