//! Texts that tests take: whether there is one that some hold for and others do not, and which. First the words
//! themselves are tried, one behind another; where that does not do, the product of the tests' automata is searched,
//! which is exact.

mod alphabet;
pub(super) mod form;
mod regex;
mod sample;
mod search;
mod walker;

use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::lang::eval::naive;
use crate::lang::ir::{Member, TextTest};
use crate::lang::schema::fold;
use form::Form;
use search::Shortest;
use walker::Walker;

/// What stands between words that are put together, the plainest first.
const JOINTS: &[&str] = &[" ", ", ", " and ", " … ", "\n", ""];
/// How often the search is narrowed before it is given up.
const ROUNDS_MAX: usize = 64;
/// The most tests of one proof that are tried without each other, to name only those that matter.
const SHRINK_MAX: usize = 8;
/// The most texts that are remembered of one test.
const TEXTS_MAX: usize = 8;
/// The most wishes of a contradiction that is remembered.
const CONTRADICTION_MAX: usize = 8;

/// A test of a text, or of a member of a set.
#[derive(Debug, Clone, Copy)]
pub(super) enum Test<'a> {
    Text(&'a TextTest),
    Member(&'a Member),
}

/// A test, and whether it is to hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) test: Test<'a>,
    pub(super) holds: bool,
}

/// What a search for a text ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A text.
    Text(String),
    /// There is none: these wishes, by their places, exclude one another.
    Impossible(Vec<usize>),
    /// It is not known whether there is one.
    Unknown,
}

/// A test as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Kept {
    Text(TextTest),
    Member(Member),
}

/// The most work that goes into one question, in steps of its automata and looks at its tests.
const WORK_MAX: u64 = 10_000_000;
/// The most work that goes into all questions about a program together.
const WORK_IN_ALL_MAX: u64 = 1_000_000_000;

/// What was found out once, and holds for every question: expressions compiled, texts that were found for a test, and
/// wishes that exclude one another; and how much work is left.
#[derive(Debug)]
pub(super) struct Known {
    left: Cell<u64>,
    left_in_all: Cell<u64>,
    regexes: RefCell<FxHashMap<String, Option<Rc<::regex::Regex>>>>,
    texts: RefCell<FxHashMap<Kept, Vec<String>>>,
    contradictions: RefCell<Contradictions>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            left: Cell::new(WORK_MAX),
            left_in_all: Cell::new(WORK_IN_ALL_MAX),
            regexes: RefCell::default(),
            texts: RefCell::default(),
            contradictions: RefCell::default(),
        }
    }
}

#[derive(Debug, Default)]
struct Contradictions {
    all: Vec<Rc<[(Kept, bool)]>>,
    of_test: FxHashMap<(Form, Kept), Vec<usize>>,
}

impl Known {
    /// A new question is asked.
    pub(super) fn begin(&self) {
        self.left.set(WORK_MAX.min(self.left_in_all.get()));
    }

    /// Allows this question more work than others, and all of them together too.
    pub(super) fn allow(&self, work: u64) {
        self.left_in_all.set(self.left_in_all.get().max(work));
        self.left.set(work);
    }

    /// Does some work; false when there was too much of it.
    pub(super) fn work(&self, steps: usize) -> bool {
        let steps = steps as u64;
        self.left.set(self.left.get().saturating_sub(steps));
        self.left_in_all.set(self.left_in_all.get().saturating_sub(steps));
        self.left.get() > 0
    }

    fn regex(&self, source: &str) -> Option<Rc<::regex::Regex>> {
        let mut all = self.regexes.borrow_mut();
        all.entry(source.to_owned()).or_insert_with(|| ::regex::Regex::new(source).ok().map(Rc::new)).clone()
    }

    fn texts_of(&self, test: Test<'_>) -> Vec<String> {
        self.texts.borrow().get(&test.kept()).cloned().unwrap_or_default()
    }

    fn keep_text(&self, test: Test<'_>, text: &str) {
        let mut all = self.texts.borrow_mut();
        let texts = all.entry(test.kept()).or_default();
        if texts.len() < TEXTS_MAX && !texts.iter().any(|known| known == text) {
            texts.push(text.to_owned());
        }
    }

    fn keep_contradiction(&self, form: Form, wishes: &[Wish<'_>], core: &[usize]) {
        if core.len() > CONTRADICTION_MAX {
            return;
        }
        let tests: Rc<[(Kept, bool)]> = core.iter().map(|at| (wishes[*at].test.kept(), wishes[*at].holds)).collect();
        let mut known = self.contradictions.borrow_mut();
        let place = known.all.len();
        for (test, _) in tests.iter() {
            known.of_test.entry((form, test.clone())).or_default().push(place);
        }
        known.all.push(tests);
    }

    /// The wishes that exclude one another and that a test has a part in.
    pub(super) fn contradictions(&self, form: Form, test: &Kept) -> Vec<Rc<[(Kept, bool)]>> {
        let known = self.contradictions.borrow();
        let places = known.of_test.get(&(form, test.clone()));
        places.into_iter().flatten().map(|place| Rc::clone(&known.all[*place])).collect()
    }
}

impl Test<'_> {
    fn kept(self) -> Kept {
        match self {
            Self::Text(test) => Kept::Text(test.clone()),
            Self::Member(member) => Kept::Member(member.clone()),
        }
    }

    fn holds(self, text: &Candidate<'_>, known: &Known) -> bool {
        match self {
            Self::Text(TextTest::Matches(regex)) => {
                known.regex(&regex.source).is_some_and(|regex| regex.is_match(&text.nfc))
            }
            Self::Text(TextTest::Contains(pattern)) => {
                let own: &str = if pattern.exact { &text.nfc } else { &text.folded };
                fold::find(own, &pattern.text, pattern.starts_word, pattern.ends_word).is_some()
            }
            Self::Text(TextTest::Is(value)) => text.folded == *value,
            Self::Text(TextTest::Like(glob)) => glob.matches(&text.folded),
            Self::Text(test @ (TextTest::Present | TextTest::NotEmpty)) => naive::text_holds(text.raw, test),
            Self::Member(member) => naive::member_is(text.raw, member),
        }
    }
}

/// A text that is tried, with the forms in which tests see it.
struct Candidate<'t> {
    raw: &'t str,
    nfc: Cow<'t, str>,
    folded: String,
}

impl<'t> Candidate<'t> {
    fn of(raw: &'t str) -> Self {
        Self { raw, nfc: fold::nfc(raw), folded: fold::fold(raw) }
    }
}

/// A text of a form for which all wishes come true. `usual` is what the field is where nobody wishes anything.
pub(super) fn find(wishes: &[Wish<'_>], form: Form, usual: &[&str], known: &Known) -> Found {
    let found = find_anew(wishes, form, usual, known);
    if let Found::Impossible(core) = &found {
        known.keep_contradiction(form, wishes, core);
    }
    found
}

fn find_anew(wishes: &[Wish<'_>], form: Form, usual: &[&str], known: &Known) -> Found {
    let fits = |text: &str| form.takes(text) && unmet(wishes, &Candidate::of(text), known).next().is_none();
    let wanted: Vec<usize> = (0..wishes.len()).filter(|at| wishes[*at].holds).collect();
    if !known.work(wishes.len() * (wanted.len() + 4)) {
        return Found::Unknown;
    }
    let plain = usual.iter().copied().chain([""]);
    if let Some(text) = plain.into_iter().find(|text| fits(text)) {
        return Found::Text(text.to_owned());
    }
    let mut pieces: Vec<String> = Vec::new();
    let filler = |at: usize| matches!(wishes[at].test, Test::Text(TextTest::NotEmpty) | Test::Member(Member::Any));
    for at in wanted.iter().filter(|at| wanted.len() == 1 || !filler(**at)) {
        let test = wishes[*at].test;
        let candidates = || sample::word(test).into_iter().chain([sample::of(test)]).chain(known.texts_of(test));
        if wanted.len() == 1
            && let Some(text) = candidates().find(|text| fits(text))
        {
            return Found::Text(text);
        }
        let clean = |piece: &String| {
            let piece = Candidate::of(piece);
            test.holds(&piece, known) && !wishes.iter().any(|wish| !wish.holds && wish.test.holds(&piece, known))
        };
        if let Some(piece) = candidates().find(clean) {
            pieces.push(piece);
            continue;
        }
        // By itself it does not do, or says what is not wished: either another text for it is found, or that is the
        // contradiction.
        match exactly(wishes, form, known, &|wish| wish == *at || !wishes[wish].holds) {
            Found::Text(better) => {
                known.keep_text(test, &better);
                pieces.push(better);
            }
            impossible @ Found::Impossible(_) => return impossible,
            Found::Unknown => pieces.push(sample::of(test)),
        }
    }
    pieces.dedup();
    let joined = JOINTS.iter().map(|joint| pieces.join(joint)).find(|text| fits(text));
    joined.map_or_else(|| exactly(wishes, form, known, &|_| true), Found::Text)
}

/// The wishes that a text does not fulfil.
fn unmet<'w>(wishes: &'w [Wish<'_>], text: &'w Candidate<'_>, known: &'w Known) -> impl Iterator<Item = usize> + 'w {
    (0..wishes.len()).filter(move |at| wishes[*at].test.holds(text, known) != wishes[*at].holds)
}

/// Searches, with only as many wishes at a time as it takes.
fn exactly(wishes: &[Wish<'_>], form: Form, known: &Known, counts: &dyn Fn(usize) -> bool) -> Found {
    let walker = |at: usize| match wishes[at].test {
        Test::Text(test) => Walker::of_text(test),
        Test::Member(member) => Some(Walker::of_member(member)),
    };
    let mut active: Vec<(usize, Walker<'_>)> = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let text = match run(&active, wishes, form, known, &|_| true) {
            Shortest::Text(text) => text,
            Shortest::None => return Found::Impossible(shrunk(&active, wishes, form, known)),
            Shortest::Unknown => return Found::Unknown,
        };
        let open: Vec<usize> = unmet(wishes, &Candidate::of(&text), known).filter(|at| counts(*at)).collect();
        // What is wished for comes first: without it the search would only evade.
        let next = open.iter().find(|at| wishes[**at].holds).or_else(|| open.first());
        let Some(next) = next else {
            return if form.takes(&text) { Found::Text(text) } else { Found::Unknown };
        };
        let again = active.iter().any(|(at, _)| at == next);
        let Some(walker) = walker(*next).filter(|_| !again) else { return Found::Unknown };
        active.push((*next, walker));
    }
    Found::Unknown
}

/// The shortest text for the active wishes that are kept.
fn run(
    active: &[(usize, Walker<'_>)],
    wishes: &[Wish<'_>],
    form: Form,
    known: &Known,
    kept: &dyn Fn(usize) -> bool,
) -> Shortest {
    let kept = active.iter().filter(|(at, _)| kept(*at));
    let walkers: Vec<(&Walker<'_>, bool)> = kept.map(|(at, walker)| (walker, wishes[*at].holds)).collect();
    search::shortest(&walkers, form, &|steps| known.work(steps))
}

/// The wishes that exclude one another, without those that have no part in it.
fn shrunk(active: &[(usize, Walker<'_>)], wishes: &[Wish<'_>], form: Form, known: &Known) -> Vec<usize> {
    let mut kept: Vec<usize> = active.iter().map(|(at, _)| *at).collect();
    if kept.len() > SHRINK_MAX {
        return kept;
    }
    for (at, _) in active {
        if run(active, wishes, form, known, &|other| other != *at && kept.contains(&other)) == Shortest::None {
            kept.retain(|other| other != at);
        }
    }
    kept
}
