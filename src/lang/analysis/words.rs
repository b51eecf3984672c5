//! Texts and sets: one truth for each test that is asked, held to there being a text, or members, that fit them all.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::lang::analysis::query::{Imagined, Query, Truth};
use crate::lang::analysis::situation::{MODEL, PROMPT, Situation, Value};
use crate::lang::analysis::strings::form::Form;
use crate::lang::analysis::strings::{self, Found, Kept, Test, Wish};
use crate::lang::analysis::variable::Variable;
use crate::lang::eval::naive;
use crate::lang::input::{Fact, Feature};
use crate::lang::ir::interval::Intervals;
use crate::lang::ir::{Member, SlotId, TextTest};
use crate::lang::schema::fold;

/// A text that is asked about.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) present: Truth,
    tests: Vec<(TextTest, Truth)>,
    places: FxHashMap<TextTest, usize>,
}

/// Two texts that are compared.
#[derive(Debug)]
struct Same {
    left: Variable,
    right: Variable,
    holds: Truth,
}

/// All texts.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) all: BTreeMap<Variable, Text>,
    same: Vec<Same>,
}

/// All sets.
#[derive(Debug, Default)]
pub(super) struct Sets {
    pub(super) all: BTreeMap<Variable, Vec<(Member, Truth)>>,
}

impl Texts {
    pub(super) fn truths(&self) -> impl Iterator<Item = Truth> + '_ {
        let tests = |text: &'_ Text| {
            std::iter::once(text.present).chain(text.tests.iter().map(|(_, truth)| *truth)).collect::<Vec<_>>()
        };
        self.all.values().flat_map(tests).chain(self.same.iter().map(|same| same.holds))
    }

    /// The tests of a text that an empty one does not pass.
    pub(super) fn not_of_empty(&self, variable: &Variable) -> Vec<Truth> {
        let text = self.all.get(variable);
        let tests = text.into_iter().flat_map(|text| &text.tests);
        let fails = |test: &TextTest| *test != TextTest::NotEmpty && !naive::text_holds("", test);
        tests.filter(|(test, _)| fails(test)).map(|(_, truth)| *truth).collect()
    }
}

impl Sets {
    pub(super) fn truths(&self) -> impl Iterator<Item = Truth> + '_ {
        self.all.values().flatten().map(|(_, truth)| *truth)
    }
}

fn form(variable: &Variable) -> Form {
    match variable {
        Variable::Feature(feature, _) => Form::of(*feature),
        Variable::Moment(_)
        | Variable::Bucket(_)
        | Variable::SessionModel
        | Variable::Model(..)
        | Variable::Pool(..)
        | Variable::Spent(_)
        | Variable::Target => Form::Any,
    }
}

/// What a text is where nothing is asked of it: the first of these that may be.
fn usual(variable: &Variable) -> &'static [&'static str] {
    match variable {
        Variable::Feature(Feature::Prompt | Feature::Conversation, _) => &[PROMPT, "Hi", "Good morning"],
        Variable::Feature(Feature::Model, _) => &[MODEL, "gpt-5", "claude-haiku-4-5", "some-model"],
        Variable::Feature(Feature::System, _) => &["", "You are helpful."],
        Variable::Feature(Feature::Session, _) => &["session-1", "session-2"],
        Variable::Feature(Feature::User, _) => &["ann", "bob"],
        Variable::Feature(Feature::Key, _) => &["key-1", "key-2"],
        Variable::Feature(Feature::Client, _) => &["curl", "wget"],
        Variable::SessionModel => &["gpt-5", MODEL, "gemini-2.5-pro"],
        _ => &["x", "y"],
    }
}

impl Query<'_> {
    // --- texts -------------------------------------------------------------------------------------------------------

    /// A text is there.
    pub(super) fn text_present(&mut self, variable: &Variable) -> Truth {
        self.text_of(variable).present
    }

    fn text_of(&mut self, variable: &Variable) -> &mut Text {
        if !self.texts.all.contains_key(variable) {
            let can_be_absent = match variable {
                Variable::Feature(feature, _) => {
                    use crate::lang::schema::fields::{Read, of_read};
                    of_read(Read::Feature(*feature)).row().absent.is_some()
                }
                _ => true,
            };
            let present = if can_be_absent { self.fresh() } else { self.constant(true) };
            let text = Text { present, tests: Vec::new(), places: FxHashMap::default() };
            self.texts.all.insert(variable.clone(), text);
        }
        self.texts.all.get_mut(variable).expect("it was put there above")
    }

    /// A text is there and a test holds for it.
    pub(super) fn text(&mut self, variable: &Variable, test: &TextTest) -> Truth {
        let text = self.text_of(variable);
        let present = text.present;
        if *test == TextTest::Present {
            return present;
        }
        if let Some(place) = text.places.get(test) {
            return text.tests[*place].1;
        }
        // A text is rather there than empty, where nothing says otherwise.
        let truth = if *test == TextTest::NotEmpty { self.rather() } else { self.fresh() };
        self.implies(truth, present);
        let text = self.text_of(variable);
        text.places.insert(test.clone(), text.tests.len());
        text.tests.push((test.clone(), truth));
        // What was found impossible for another question need not be found out again.
        for contradiction in self.known.contradictions(form(variable), &Kept::Text(test.clone())) {
            let text = &self.texts.all[variable];
            let of = |kept: &Kept| {
                let Kept::Text(test) = kept else { return None };
                text.places.get(test).map(|place| text.tests[*place].1)
            };
            let clause: Option<Vec<Truth>> = contradiction
                .iter()
                .map(|(test, holds)| of(test).map(|truth| if *holds { !truth } else { truth }))
                .collect();
            if let Some(clause) = clause {
                self.require(&clause.into_iter().chain([!present]).collect::<Vec<Truth>>());
            }
        }
        truth
    }

    pub(super) fn text_atom(&mut self, program: usize, slot: SlotId, test: &TextTest) -> Truth {
        if let Some(values) = self.target_values(program, slot) {
            let holds = |value: &String| *test == TextTest::Present || naive::text_holds(value, test);
            return self.target_in(&values, holds);
        }
        match self.world.view(program, slot) {
            Some(view) => self.text(&view.variable, test),
            None => self.constant(false),
        }
    }

    /// What a slot of `adjust` is for each model of the catalogue.
    fn target_values(&self, program: usize, slot: SlotId) -> Option<Vec<String>> {
        let fact = self.slot(program, slot).fact()?;
        let models = &self.world.catalogue().models;
        match fact {
            Fact::Target => Some(models.iter().map(|card| card.name.clone()).collect()),
            Fact::TargetProvider => Some(models.iter().map(|card| card.provider.clone()).collect()),
            _ => None,
        }
    }

    /// The target is one of those models.
    fn target_in(&mut self, values: &[String], holds: impl Fn(&String) -> bool) -> Truth {
        let places = (0i64..).zip(values).filter(|(_, value)| holds(value)).map(|(place, _)| (place, place));
        let view = crate::lang::analysis::variable::View {
            variable: Variable::Target,
            map: crate::lang::analysis::variable::Map::Same,
        };
        self.within(&view, &Intervals::new(places))
    }

    pub(super) fn same_text(&mut self, program: usize, left: SlotId, right: SlotId) -> Truth {
        match (self.target_values(program, left), self.target_values(program, right)) {
            (Some(left), Some(right)) => {
                let both: Vec<String> =
                    left.iter().zip(&right).map(|(left, right)| fold::same(left, right).to_string()).collect();
                self.target_in(&both, |same| same == "true")
            }
            (Some(values), None) => self.same_as_target(program, &values, right),
            (None, Some(values)) => self.same_as_target(program, &values, left),
            (None, None) => {
                let (Some(left), Some(right)) = (self.world.view(program, left), self.world.view(program, right))
                else {
                    return self.constant(false);
                };
                self.same_variables(left.variable, right.variable)
            }
        }
    }

    fn same_as_target(&mut self, program: usize, values: &[String], other: SlotId) -> Truth {
        let mut different: Vec<&String> = values.iter().collect();
        different.sort_unstable();
        different.dedup();
        let mut ways = Vec::with_capacity(different.len());
        for value in different {
            let target = self.target_in(values, |known| known == value);
            let text = self.text_atom(program, other, &TextTest::Is(fold::fold(value)));
            ways.push(self.join(&[target, text], true));
        }
        self.join(&ways, false)
    }

    fn same_variables(&mut self, left: Variable, right: Variable) -> Truth {
        let present = [self.text_present(&left), self.text_present(&right)];
        if left == right {
            return present[0];
        }
        let (left, right) = if left < right { (left, right) } else { (right, left) };
        if let Some(known) = self.texts.same.iter().find(|same| same.left == left && same.right == right) {
            return known.holds;
        }
        let holds = self.fresh();
        present.iter().for_each(|present| self.implies(holds, *present));
        self.texts.same.push(Same { left, right, holds });
        holds
    }

    pub(super) fn imagine_texts(&mut self, situation: &mut Situation) -> Result<(), Imagined> {
        let mut left: Vec<Variable> = self.texts.all.keys().cloned().collect();
        while let Some(first) = left.first().cloned() {
            if !self.is_true(self.texts.all[&first].present) {
                situation.set(first, Value::Absent);
                left.remove(0);
                continue;
            }
            let (group, equal) = self.equal_to(&first);
            left.retain(|variable| !group.contains(variable));
            self.imagine_group(&group, &equal, situation)?;
        }
        Ok(())
    }

    /// The texts that are the same as one, and the truths that say so.
    fn equal_to(&self, first: &Variable) -> (Vec<Variable>, Vec<Truth>) {
        let (mut group, mut truths) = (vec![first.clone()], Vec::new());
        loop {
            let more = self
                .texts
                .same
                .iter()
                .find(|same| self.is_true(same.holds) && group.contains(&same.left) != group.contains(&same.right));
            let Some(same) = more else { break };
            let other = if group.contains(&same.left) { &same.right } else { &same.left };
            group.push(other.clone());
            truths.push(same.holds);
        }
        (group, truths)
    }

    fn imagine_group(
        &mut self,
        group: &[Variable],
        equal: &[Truth],
        situation: &mut Situation,
    ) -> Result<(), Imagined> {
        let mut wishes: Vec<Wish<'_>> = Vec::new();
        let mut truths: Vec<Truth> = Vec::new();
        for variable in group {
            let text = &self.texts.all[variable];
            for (test, truth) in &text.tests {
                wishes.push(Wish { test: Test::Text(test), holds: self.is_true(*truth) });
                truths.push(*truth);
            }
        }
        let n_asked = truths.len();
        // What is not the same as another text that is known already.
        let others = self.different_from(group, situation);
        for (test, truth) in &others {
            wishes.push(Wish { test: Test::Text(test), holds: false });
            truths.push(*truth);
        }
        let forms: Vec<Form> = group.iter().map(form).filter(|form| *form != Form::Any).collect();
        let the_form = forms.first().copied().unwrap_or(Form::Any);
        let found = strings::find(&wishes, the_form, usual(&group[0]), self.known);
        let present: Vec<Truth> = group.iter().map(|variable| self.texts.all[variable].present).collect();
        let as_they_are: Vec<Truth> =
            truths.iter().map(|truth| if self.is_true(*truth) { *truth } else { !*truth }).collect();
        let by_case = |at: &usize| match wishes[*at].test {
            Test::Text(TextTest::Contains(pattern)) => pattern.exact,
            Test::Text(TextTest::Matches(_)) => true,
            Test::Text(_) | Test::Member(_) => false,
        };
        let beyond = |truths: &[Truth]| truths.iter().chain(equal).chain(&present).copied().collect::<Vec<Truth>>();
        match found {
            Found::Text(text) if forms.iter().all(|form| form.takes(&text)) => {
                for variable in group {
                    situation.set(variable.clone(), Value::Text(text.clone()));
                }
                Ok(())
            }
            // Only texts that are the same to the letter were tried, and one's case may differ from another's; or what
            // another text happens to be stands in the way.
            Found::Impossible(core) if core.iter().any(|at| *at >= n_asked || (group.len() > 1 && by_case(at))) => {
                Err(Imagined::Beyond(beyond(&as_they_are)))
            }
            Found::Impossible(core) => {
                let mut clause: Vec<Truth> = core.iter().map(|at| !as_they_are[*at]).collect();
                clause.extend(equal.iter().chain(&present).map(|truth| !*truth));
                Err(Imagined::Conflict(clause))
            }
            Found::Text(_) | Found::Unknown => Err(Imagined::Beyond(beyond(&as_they_are))),
        }
    }

    /// For each text that is known already and not the same as those of a group: a test for it.
    fn different_from(&self, group: &[Variable], situation: &Situation) -> Vec<(TextTest, Truth)> {
        let mut found = Vec::new();
        for same in self.texts.same.iter().filter(|same| !self.is_true(same.holds)) {
            let other = match (group.contains(&same.left), group.contains(&same.right)) {
                (true, false) => &same.right,
                (false, true) => &same.left,
                (true, true) | (false, false) => continue,
            };
            if let Some(Value::Text(text)) = situation.get(other) {
                found.push((TextTest::Is(fold::fold(text)), same.holds));
            }
        }
        found
    }

    // --- sets --------------------------------------------------------------------------------------------------------

    /// A set holds something.
    pub(super) fn holds(&mut self, variable: &Variable, member: &Member) -> Truth {
        let known = self.sets.all.get(variable).and_then(|set| set.iter().find(|(known, _)| known == member));
        if let Some((_, truth)) = known {
            return *truth;
        }
        let truth = self.fresh();
        self.sets.all.entry(variable.clone()).or_default().push((member.clone(), truth));
        for contradiction in self.known.contradictions(form(variable), &Kept::Member(member.clone())) {
            // Of a set it is one only where it says that there is a member at all.
            if contradiction.iter().filter(|(_, holds)| *holds).count() != 1 {
                continue;
            }
            let set = &self.sets.all[variable];
            let clause: Option<Vec<Truth>> = contradiction
                .iter()
                .map(|(kept, holds)| {
                    let Kept::Member(member) = kept else { return None };
                    let truth = set.iter().find(|(known, _)| known == member)?.1;
                    Some(if *holds { !truth } else { truth })
                })
                .collect();
            if let Some(clause) = clause {
                self.require(&clause);
            }
        }
        truth
    }

    pub(super) fn imagine_sets(&mut self, situation: &mut Situation) -> Result<(), Imagined> {
        let files = Variable::Feature(Feature::Files, None);
        let all_files = Variable::Feature(Feature::FilesAll, None);
        for variable in self.sets.all.keys() {
            let own = &self.sets.all[variable];
            // What is among the newest files is among all of them.
            let wider = if *variable == files { self.sets.all.get(&all_files) } else { None };
            let unwished: Vec<&(Member, Truth)> =
                own.iter().chain(wider.into_iter().flatten()).filter(|(_, truth)| !self.is_true(*truth)).collect();
            let mut members: Vec<String> = Vec::new();
            for (member, truth) in own.iter().filter(|(_, truth)| self.is_true(*truth)) {
                let mut wishes = vec![Wish { test: Test::Member(member), holds: true }];
                wishes.extend(unwished.iter().map(|(member, _)| Wish { test: Test::Member(member), holds: false }));
                let as_they_are: Vec<Truth> =
                    std::iter::once(*truth).chain(unwished.iter().map(|(_, truth)| !*truth)).collect();
                match strings::find(&wishes, form(variable), &[], self.known) {
                    Found::Text(text) => members.push(text),
                    // That there is a member at all is what the first wish says, also where the others suffice.
                    Found::Impossible(core) => {
                        let others = core.iter().filter(|at| **at != 0).map(|at| !as_they_are[*at]);
                        return Err(Imagined::Conflict(std::iter::once(!*truth).chain(others).collect()));
                    }
                    Found::Unknown => return Err(Imagined::Beyond(as_they_are)),
                }
            }
            members.sort();
            members.dedup();
            situation.set(variable.clone(), Value::Set(members));
        }
        if let (Some(Value::Set(newest)), Some(Value::Set(all))) = (situation.get(&files), situation.get(&all_files)) {
            let mut all: Vec<String> = all.iter().chain(newest).cloned().collect();
            all.sort();
            all.dedup();
            situation.set(all_files, Value::Set(all));
        }
        Ok(())
    }
}
