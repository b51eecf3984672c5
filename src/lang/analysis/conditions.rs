//! What can be said of a condition by itself: whether it ever holds or always does, which of its parts have no effect,
//! and whether a single test can hold at all.

use crate::lang::analysis::Analysis;
use crate::lang::analysis::domain::{self, Presence};
use crate::lang::analysis::query::{Answer, Query, Truth};
use crate::lang::analysis::situation::Situation;
use crate::lang::analysis::strings::form::Form;
use crate::lang::analysis::strings::{Found, Test as StringTest, Wish, find};
use crate::lang::analysis::variable::{Map, Variable};
use crate::lang::input::{Fact, Feature};
use crate::lang::ir::{Atom, AtomId, Condition, Member, Slot, SlotId, Test, TextTest};
use crate::lang::plan::Plan;
use crate::lang::source::Span;

/// When a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// For no request.
    Never,
    /// For every request.
    Always,
    /// For some.
    Sometimes,
    /// It is not known.
    Unknown,
}

/// A part of a condition that has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// Where it stands.
    pub site: Span,
    /// Wherever it matters it holds; else, wherever it matters it does not.
    pub holds: bool,
    /// Whether what it says is decided by the other parts, and not by itself alone.
    pub by_others: bool,
}

/// A negative test by which a condition holds where its field is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Absent {
    /// Where it stands.
    pub site: Span,
    /// The field that is absent.
    pub slot: SlotId,
    /// A request without it for which the condition holds.
    pub situation: Option<Situation>,
}

impl Analysis<'_> {
    /// When a condition holds.
    pub fn holds(&self, condition: &Condition) -> Holds {
        let ever = self.ever(condition, false);
        match ever {
            Some(false) => Holds::Never,
            None => Holds::Unknown,
            Some(true) => match self.ever(condition, true) {
                Some(false) => Holds::Always,
                Some(true) => Holds::Sometimes,
                None => Holds::Unknown,
            },
        }
    }

    /// Whether a condition, or the `not` of it, ever holds; none when that is not known.
    fn ever(&self, condition: &Condition, negated: bool) -> Option<bool> {
        let mut query = self.query();
        let truth = query.condition(0, condition);
        query.require(&[if negated { !truth } else { truth }]);
        answered(&query.solve(&[]))
    }

    /// The parts of a condition that have no effect, each as it stands in its rule. A condition that holds always or
    /// never has none: that is said of all of it.
    pub fn idle_parts(&self, condition: &Condition) -> Vec<Idle> {
        let mut sites: Vec<(Span, Vec<&Test>)> = Vec::new();
        for test in Plan::tests(condition) {
            match sites.iter_mut().find(|(site, _)| *site == test.site) {
                Some((_, tests)) => tests.push(test),
                None => sites.push((test.site, vec![test])),
            }
        }
        if sites.len() < 2 {
            return Vec::new();
        }
        let mut found: Vec<Idle> = Vec::new();
        // The last of several that say the same is the one that says it again.
        for (site, tests) in sites.iter().rev() {
            let others =
                sites.iter().filter(|(other, _)| other != site && !found.iter().any(|idle| idle.site == *other));
            let mut others = others.flat_map(|(_, tests)| tests);
            let by_others = others.any(|other| tests.iter().any(|test| self.are_related(test, other)));
            if !by_others && tests.iter().all(|test| self.depends(test)) {
                continue;
            }
            let as_if = [true, false].into_iter().find(|value| self.is_same(condition, &found, *site, *value));
            found.extend(as_if.map(|holds| Idle { site: *site, holds, by_others }));
        }
        // Of a condition that never holds every part could be said to have no effect, and without it, it might hold.
        if !found.is_empty() && self.holds(condition) != Holds::Sometimes {
            return Vec::new();
        }
        found.reverse();
        found
    }

    /// Whether a condition stays the same when a part of it is replaced by a constant; those that are idle already are.
    fn is_same(&self, condition: &Condition, idle: &[Idle], site: Span, value: bool) -> bool {
        let mut query = self.query();
        let mut gone: Vec<(Span, bool)> = idle.iter().map(|idle| (idle.site, idle.holds)).collect();
        let whole = simplified(&mut query, condition, &gone);
        gone.push((site, value));
        let without = simplified(&mut query, condition, &gone);
        // Conditions have no `not` but at their tests: as if true is never less, as if false never more.
        let (more, less) = if value { (without, whole) } else { (whole, without) };
        query.require(&[more]);
        query.require(&[!less]);
        answered(&query.solve(&[])) == Some(false)
    }

    /// Whether a test holds for some requests and not for others.
    fn depends(&self, test: &Test) -> bool {
        let plain = test.atoms.iter().all(|atom| self.is_plain(&self.world.program(0).atoms[atom.index()]));
        plain || self.holds(&Condition::Test(test.clone())) == Holds::Sometimes
    }

    /// Whether a test, alone or with others of its list, is seen at once to hold for some requests and not for others.
    fn is_plain(&self, atom: &Atom) -> bool {
        match atom {
            Atom::Within(slot, set) => {
                let Some(view) = self.world.view(0, *slot).filter(|view| view.map == Map::Same) else { return false };
                let Some(domain) = domain::of(&self.world, &view.variable) else { return false };
                let [(low, high)] = set.ranges() else { return false };
                let (low, high) = (domain.up(*low), domain.down(*high));
                domain.presence != Presence::Never && low <= high && (low > domain.low || high < domain.high)
            }
            Atom::Text(slot, TextTest::Contains(pattern)) => {
                matches!(self.form(*slot), Form::Any | Form::Trimmed)
                    && pattern.text.chars().any(|c| !c.is_whitespace())
            }
            Atom::Holds(_, Member::Extension(text) | Member::FileName(text)) => !text.contains(['\\', '/']),
            Atom::Text(..) | Atom::Holds(..) | Atom::Compare(..) | Atom::SameText(..) => false,
        }
    }

    /// Whether what one test says can bear on what another one says.
    fn are_related(&self, one: &Test, other: &Test) -> bool {
        let own = self.families(one);
        self.families(other).iter().any(|family| own.contains(family))
    }

    fn families(&self, test: &Test) -> Vec<Family> {
        let program = self.world.program(0);
        let atoms = test.atoms.iter().map(|atom| &program.atoms[atom.index()]);
        let slots = atoms.flat_map(|atom| [Some(atom.slot()), atom.other_slot()]).flatten();
        slots.flat_map(|slot| self.families_of(slot)).collect()
    }

    fn families_of(&self, slot: SlotId) -> Vec<Family> {
        let program = self.world.program(0);
        if let Slot::Label(label) = &program.slots[slot.index()] {
            // All that its lines ask about.
            let lines = program.labels[label.index()].lines.iter().filter_map(|line| line.when.as_ref());
            let tests = lines.flat_map(Plan::tests).flat_map(|test| self.families(test));
            return tests.chain([Family::Label(slot)]).collect();
        }
        let Some(view) = self.world.view(0, slot) else { return Vec::new() };
        let groups = (0..GROUPS.len()).filter(|group| GROUPS[*group].contains(&kind(&view.variable)));
        groups.map(Family::Group).chain([Family::Of(view.variable.clone())]).collect()
    }

    /// Whether a line of a label ever gives its class; none when that is not known.
    pub fn line_ever(&self, label: usize, line: usize) -> Option<bool> {
        let mut query = self.query();
        let wins = query.line_wins(0, label, line);
        query.require(&[wins]);
        answered(&query.solve(&[]))
    }

    /// When a range that is asked for holds, by what its field can be at all, as long as it is there. None for other tests.
    pub fn range_holds(&self, atom: AtomId) -> Option<Holds> {
        let program = self.world.program(0);
        let Atom::Within(slot, set) = &program.atoms[atom.index()] else { return None };
        if let Slot::Label(label) = &program.slots[slot.index()] {
            let n = program.labels[label.index()].lines.len();
            let n_held = (0..n).filter(|line| i64::try_from(*line).is_ok_and(|line| set.contains(line))).count();
            return Some(match n_held {
                0 => Holds::Never,
                all if all == n => Holds::Always,
                _ => Holds::Sometimes,
            });
        }
        let view = self.world.view(0, *slot)?;
        let (low, high) = self.range(atom)?;
        let domain = domain::of(&self.world, &view.variable)?;
        // In the steps of the field, as far as its values are its own.
        let rounded = |low: i64, high: i64| {
            if view.map == Map::Same { (domain.up(low), domain.down(high)) } else { (low, high) }
        };
        let cut: Vec<(i64, i64)> = set
            .ranges()
            .iter()
            .map(|(start, end)| rounded((*start).max(low), (*end).min(high)))
            .filter(|(start, end)| start <= end)
            .collect();
        Some(match cut.as_slice() {
            [] => Holds::Never,
            [(start, end)] if *start <= low && *end >= high => Holds::Always,
            _ => Holds::Sometimes,
        })
    }

    /// The least and the greatest value of the field that an atom asks about.
    pub fn range(&self, atom: AtomId) -> Option<(i64, i64)> {
        let program = self.world.program(0);
        let view = self.world.view(0, program.atoms[atom.index()].slot())?;
        let domain = domain::of(&self.world, &view.variable)?;
        if domain.presence == Presence::Never {
            return None;
        }
        Some(match view.map {
            Map::Same => (domain.low, domain.high),
            Map::Remaining(amount) => (0, amount),
            Map::Used(_) => (0, i64::MAX),
        })
    }

    /// The negative tests of a condition by which it holds where their field is absent.
    pub fn absent_matters(&self, condition: &Condition) -> Vec<Absent> {
        let program = self.world.program(0);
        let mut found: Vec<Absent> = Vec::new();
        for test in Plan::tests(condition) {
            let Some(atom) = test.atoms.first().map(|atom| &program.atoms[atom.index()]).filter(|_| test.negated)
            else {
                continue;
            };
            // `not has F` asks for its absence.
            let asks_presence = match atom {
                Atom::Within(_, set) => set.ranges() == [(i64::MIN, i64::MAX)],
                Atom::Text(_, TextTest::Present) => true,
                Atom::Text(..) | Atom::Compare(..) | Atom::SameText(..) | Atom::Holds(..) => false,
            };
            let slots = [Some(atom.slot()), atom.other_slot()].into_iter().flatten();
            let absent = slots.into_iter().find(|slot| program.slots[slot.index()].can_be_absent());
            let Some(slot) = absent.filter(|_| !asks_presence) else { continue };
            if found.iter().any(|known| known.site == test.site) {
                continue;
            }
            let Some(view) = self.world.view(0, slot) else { continue };
            let mut query = self.query();
            let whole = query.condition(0, condition);
            let without = simplified(&mut query, condition, &[(test.site, false)]);
            let present = if program.slots[slot.index()].ty() == crate::lang::schema::types::Type::Text {
                query.text_present(&view.variable)
            } else {
                query.present(&view.variable)
            };
            [whole, !without, !present].iter().for_each(|truth| query.require(&[*truth]));
            if let Answer::Yes(situation) = query.solve(&[]) {
                found.push(Absent { site: test.site, slot, situation: Some(situation) });
            }
        }
        found
    }

    /// Whether a single test of a text or a set can hold for any request. None when it is not known, or is asked of
    /// something else.
    pub fn pattern_ever(&self, atom: AtomId) -> Option<bool> {
        let program = self.world.program(0);
        let (slot, test) = match &program.atoms[atom.index()] {
            Atom::Text(slot, test) => (slot, StringTest::Text(test)),
            Atom::Holds(slot, member) => (slot, StringTest::Member(member)),
            Atom::Within(..) | Atom::Compare(..) | Atom::SameText(..) => return None,
        };
        match find(&[Wish { test, holds: true }], self.form(*slot), &[], &self.known) {
            Found::Text(_) => Some(true),
            Found::Impossible(_) => Some(false),
            Found::Unknown => None,
        }
    }

    /// What the texts of a slot always look like, in words; nothing where they can be anything.
    pub fn form_words(&self, slot: SlotId) -> Option<&'static str> {
        self.form(slot).words()
    }

    fn form(&self, slot: SlotId) -> Form {
        match self.world.view(0, slot).map(|view| view.variable) {
            Some(Variable::Feature(feature, _)) => Form::of(feature),
            _ => Form::Any,
        }
    }
}

/// What ties fields together.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Family {
    Of(Variable),
    Label(SlotId),
    Group(usize),
}

/// The kinds of variables between which `relations` says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Feature(Feature),
    Fact(Fact),
    Spent,
    Other,
}

const fn of(feature: Feature) -> Kind {
    Kind::Feature(feature)
}

/// Kinds of which one bears on another: a group for each relation.
const GROUPS: &[&[Kind]] = &[
    &[
        of(Feature::Tokens),
        of(Feature::SystemTokens),
        of(Feature::ToolsTokens),
        of(Feature::HistoryTokens),
        Kind::Fact(Fact::Cost),
    ],
    &[of(Feature::Turns), of(Feature::Messages), of(Feature::Prompt), of(Feature::PromptTokens)],
    &[
        of(Feature::Messages),
        of(Feature::Images),
        of(Feature::Documents),
        of(Feature::Conversation),
        of(Feature::Files),
        of(Feature::FilesAll),
    ],
    &[of(Feature::Files), of(Feature::FilesAll)],
    &[of(Feature::System), of(Feature::SystemTokens)],
    &[of(Feature::Prompt), of(Feature::Conversation)],
    &[of(Feature::WebSearch), of(Feature::Tools), of(Feature::ToolsTokens)],
    &[of(Feature::Thinking), of(Feature::ThinkingBudget)],
    &[Kind::Fact(Fact::SessionModel), Kind::Fact(Fact::SwitchCost)],
    &[Kind::Fact(Fact::Date), Kind::Fact(Fact::Weekday)],
    &[of(Feature::Key), of(Feature::User), of(Feature::Session), Kind::Spent],
    &[Kind::Fact(Fact::Healthy)],
    &[Kind::Fact(Fact::Latency)],
    &[Kind::Fact(Fact::Errors)],
];

fn kind(variable: &Variable) -> Kind {
    match variable {
        Variable::Feature(feature, _) => Kind::Feature(*feature),
        Variable::Moment(fact) | Variable::Model(fact, _) | Variable::Pool(fact, _) => Kind::Fact(*fact),
        Variable::SessionModel => Kind::Fact(Fact::SessionModel),
        Variable::Spent(_) => Kind::Spent,
        Variable::Bucket(_) | Variable::Target => Kind::Other,
    }
}

fn answered(answer: &Answer) -> Option<bool> {
    match answer {
        Answer::No(_) => Some(false),
        Answer::Yes(_) => Some(true),
        Answer::Unknown => None,
    }
}

/// A condition some of whose parts are replaced by constants.
fn simplified(query: &mut Query<'_>, condition: &Condition, gone: &[(Span, bool)]) -> Truth {
    match condition {
        Condition::Always(value) => query.constant(*value),
        Condition::Test(test) => match gone.iter().find(|(site, _)| *site == test.site) {
            Some((_, value)) => query.constant(*value),
            None => query.test(0, test),
        },
        Condition::And(parts) | Condition::Or(parts) => {
            let all = matches!(condition, Condition::And(_));
            let parts: Vec<Truth> = parts.iter().map(|part| simplified(query, part, gone)).collect();
            query.join(&parts, all)
        }
    }
}
