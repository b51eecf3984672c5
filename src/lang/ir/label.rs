//! Tests of labels: of their classes, and of how sure they are.

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::ir::condition::Atoms;
use crate::lang::ir::interval::Intervals;
use crate::lang::ir::ordered::interval_of;
use crate::lang::ir::resolve::Resolver;
use crate::lang::ir::value::{Members, Val, ValKind};
use crate::lang::ir::{Atom, LabelId, Slot};
use crate::lang::schema::types::Type;
use crate::lang::syntax::tree::{self, Comparison, Operator};

impl<'t> Resolver<'t> {
    pub(super) fn label_test(&mut self, label: LabelId, operator: &'t Operator, test: &'t tree::Test) -> Option<Atoms> {
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

    pub(super) fn classes(&mut self, value: &Val<'t>, label: LabelId) -> Option<Vec<(i64, i64)>> {
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

    pub(super) fn confidence_test(
        &mut self,
        label: LabelId,
        operator: &'t Operator,
        test: &'t tree::Test,
    ) -> Option<Atoms> {
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
    pub(super) fn label_atom(
        &mut self,
        label: LabelId,
        takes: impl Fn(usize, &crate::lang::ir::Label) -> bool,
    ) -> Atoms {
        let known = &self.program.labels[label.index()];
        let lines: Vec<(i64, i64)> = (0..known.lines.len())
            .filter(|line| takes(*line, known))
            .filter_map(|line| i64::try_from(line).ok().map(|line| (line, line)))
            .collect();
        let id = self.slot(Slot::Label(label));
        self.one(Atom::Within(id, Intervals::new(lines)))
    }
}
