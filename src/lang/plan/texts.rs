//! Texts: every literal of a slot in one search, whole values in one table, and from each literal the rules that it
//! makes possible. Matches overlap, so that no literal hides another.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::lang::ir::{Atom, Pattern, Program, SlotId, TextTest};
use crate::lang::plan::bits::Bits;
use crate::lang::plan::globs::Globs;
use crate::lang::plan::postings::Postings;
use crate::lang::plan::search::Literals;
use crate::lang::schema::fold;

/// What the regular expressions of a slot keep at most of what they learnt of texts, in bytes for each thread.
const REGEX_CACHES_BYTES: usize = 64 << 20;
/// What one of them keeps at most and at least, in bytes.
const REGEX_CACHE_BYTES: std::ops::RangeInclusive<usize> = 32 << 10..=2 << 20;

/// How a text slot is asked.
#[derive(Debug)]
pub struct TextPlan {
    folded: Search,
    exact: Search,
    values: HashMap<String, u32>,
    globs: Globs,
    present: Vec<u32>,
    not_empty: Vec<u32>,
    /// By atom.
    regexes: HashMap<u32, regex::Regex>,
    /// The rules that are possible then.
    pub postings: Postings,
}

/// The literals of one kind.
#[derive(Debug, Default)]
struct Search {
    literals: Literals,
    /// By literal: the atoms that it stands for.
    uses: Vec<Vec<Use>>,
    n_uses: usize,
}

#[derive(Debug)]
struct Use {
    atom: u32,
    starts_word: bool,
    ends_word: bool,
}

pub(super) fn build(program: &Program, slot: SlotId, atoms: &[usize], rules: &[u32]) -> TextPlan {
    let mut plan = TextPlan {
        folded: Search::default(),
        exact: Search::default(),
        values: HashMap::new(),
        globs: Globs::default(),
        present: Vec::new(),
        not_empty: Vec::new(),
        regexes: HashMap::new(),
        postings: Postings::new(program, slot, atoms, rules),
    };
    let (mut folded, mut exact, mut globs) = (Vec::new(), Vec::new(), Vec::new());
    let is_regex = |atom: &&usize| matches!(program.atoms[**atom], Atom::Text(_, TextTest::Matches(_)));
    let n_regexes = atoms.iter().filter(is_regex).count();
    let (least, most) = REGEX_CACHE_BYTES.into_inner();
    let cache = (REGEX_CACHES_BYTES / n_regexes.max(1)).clamp(least, most);
    for (local, atom) in (0u32..).zip(atoms) {
        let Atom::Text(_, test) = &program.atoms[*atom] else { continue };
        match test {
            TextTest::Present => plan.present.push(local),
            TextTest::NotEmpty => plan.not_empty.push(local),
            TextTest::Is(value) => {
                plan.values.insert(value.clone(), local);
            }
            TextTest::Like(glob) => globs.push((glob.clone(), local)),
            TextTest::Contains(pattern) if pattern.exact => exact.push((pattern, local)),
            TextTest::Contains(pattern) => folded.push((pattern, local)),
            TextTest::Matches(regex) => {
                let built = regex::RegexBuilder::new(&regex.source).dfa_size_limit(cache).build();
                plan.regexes.insert(local, built.expect("it was built once, when it was checked"));
            }
        }
    }
    plan.globs = Globs::new(globs);
    plan.folded = Search::new(&folded, true);
    plan.exact = Search::new(&exact, false);
    plan
}

impl TextPlan {
    /// Adds the atoms that hold for a text to `hits`, regular expressions aside; none when it is absent. Calls `new` once
    /// for each.
    pub fn scan(&self, text: Option<&str>, hits: &mut Bits, mut new: impl FnMut(u32)) {
        let Some(text) = text else { return };
        let mut hit = |atom: u32, hits: &mut Bits| {
            hits.set(atom as usize, true);
            new(atom);
        };
        self.present.iter().for_each(|atom| hit(*atom, hits));
        if !text.is_empty() {
            self.not_empty.iter().for_each(|atom| hit(*atom, hits));
        }
        if !self.exact.literals.is_empty() {
            let nfc = fold::nfc(text);
            self.exact.run(&nfc, hits, &mut hit);
        }
        let whole = !self.values.is_empty() || !self.globs.is_empty();
        if text.is_ascii() && !whole {
            return self.folded.run(text, hits, &mut hit);
        }
        let folded = fold::fold(text);
        self.folded.run(&folded, hits, &mut hit);
        if let Some(atom) = self.values.get(&folded) {
            hit(*atom, hits);
        }
        if !self.globs.is_empty() {
            self.globs.each(&folded, |atom| hit(atom, hits));
        }
    }

    /// How its literals are searched, in words; none where there are none.
    pub fn search_words(&self) -> Option<String> {
        let ways = [&self.folded, &self.exact].map(|search| search.literals.words());
        let ways: Vec<String> = ways.into_iter().flatten().collect();
        (!ways.is_empty()).then(|| ways.join(" and "))
    }

    /// Whether a regular expression matches a text.
    pub fn matches(&self, atom: u32, text: Option<&str>) -> bool {
        let regex = self.regexes.get(&atom);
        regex.is_some_and(|regex| text.is_some_and(|text| regex.is_match(&fold::nfc(text))))
    }
}

impl Search {
    fn new(patterns: &[(&Pattern, u32)], folded: bool) -> Self {
        let mut literals: Vec<&str> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut uses: Vec<Vec<Use>> = Vec::new();
        for (pattern, atom) in patterns {
            let place = *places.entry(&pattern.text).or_insert_with(|| {
                literals.push(&pattern.text);
                uses.push(Vec::new());
                literals.len() - 1
            });
            let (starts_word, ends_word) = (pattern.starts_word, pattern.ends_word);
            uses[place].push(Use { atom: *atom, starts_word, ends_word });
        }
        Self { literals: Literals::new(&literals, folded), uses, n_uses: patterns.len() }
    }

    /// Runs over a text once, or until every atom holds.
    fn run(&self, text: &str, hits: &mut Bits, hit: &mut impl FnMut(u32, &mut Bits)) {
        let mut open = self.n_uses;
        self.literals.each(text, &mut |found| {
            for used in &self.uses[found.literal as usize] {
                if hits.has(used.atom as usize) {
                    continue;
                }
                let starts = !used.starts_word || boundary(text, found.start);
                if starts && (!used.ends_word || boundary(text, found.end)) {
                    open -= 1;
                    hit(used.atom, hits);
                }
            }
            if open == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
}

/// Whether a word begins or ends at a byte of a text.
fn boundary(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let (before, after) = (at.checked_sub(1).map(|at| bytes[at]), bytes.get(at).copied());
    match (before, after) {
        (Some(a), Some(b)) if a.is_ascii() && b.is_ascii() => {
            fold::is_boundary(Some(char::from(a)), Some(char::from(b)))
        }
        (None, _) | (_, None) => true,
        _ => {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let after = text.get(at..).and_then(|text| text.chars().next());
            fold::is_boundary(before, after)
        }
    }
}
