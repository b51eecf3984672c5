//! Tests of ordered values: whether they are there, comparisons, ranges and lists.

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::ir::condition::{Atoms, Subject};
use crate::lang::ir::interval::Intervals;
use crate::lang::ir::resolve::Resolver;
use crate::lang::ir::value::{Members, Val, ValKind};
use crate::lang::ir::{Atom, Member, Order, Slot, TextTest};
use crate::lang::schema::suggest;
use crate::lang::schema::types::Type;
use crate::lang::syntax::tree::{self, Comparison, FieldRef};

impl<'t> Resolver<'t> {
    pub(super) fn has(&mut self, slot: Slot, test: &tree::Test) -> Option<Atoms> {
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

    pub(super) fn compare(
        &mut self,
        slot: Slot,
        sign: Comparison,
        value: &'t tree::Value,
        test: &tree::Test,
    ) -> Option<Atoms> {
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

    pub(super) fn compare_fields(
        &mut self,
        slot: Slot,
        sign: Comparison,
        field: &'t FieldRef,
        ty: Type,
    ) -> Option<Atoms> {
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
    pub(super) fn ordinal(&mut self, value: &Val<'t>, ty: Type, may_end_day: bool) -> Option<i64> {
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

    pub(super) fn unknown_member<'a>(&mut self, field: &FieldRef, known: impl Iterator<Item = &'a str> + Clone) {
        let name = &field.name.text;
        let all: Vec<&str> = known.clone().collect();
        let message = format!("`{name}` is none of its members");
        let problem = Diagnostic::new(&codes::UNKNOWN_MEMBER, field.place.0, message);
        let problem = problem.help(format!("known are {}", all.join(", ")));
        self.report(problem.meant(suggest::nearest(name, known), str::to_owned));
    }

    /// The values of a range or a list, or of one value.
    pub(super) fn intervals(&mut self, value: &Val<'t>, ty: Type) -> Option<Vec<(i64, i64)>> {
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

    pub(super) fn within(&mut self, slot: &Slot, value: &'t tree::Value) -> Option<Atoms> {
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
pub(super) fn interval_of(sign: Comparison, bound: i64) -> Intervals {
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
