//! Where literals stand in a text, every one of them and all at once. Which way depends on how many there are: few are a
//! table that several places of the text are walked through at the same time, many are told apart by how they begin or end, and
//! what fits neither is the Aho-Corasick automaton of the crate, which tests hold the other two to.

mod grams;
mod lanes;

use std::ops::ControlFlow;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::lang::plan::search::grams::Grams;
use crate::lang::plan::search::lanes::Lanes;

/// Up to this many bytes of literals the crate's automaton is a table that needs one look a byte; beyond, a smaller, slower one.
const DFA_BYTES_MAX: usize = 24_000;
/// The most literals of one automaton of the crate's. Building it takes a time that grows with their square: 0.1 s for so
/// many, 14 s for ten times as many, where all of them overlap.
const AUTOMATON_LITERALS_MAX: usize = 10_000;

/// A search for some literals.
#[derive(Debug, Default)]
pub(super) struct Literals {
    lanes: Option<Lanes>,
    wide: Option<Grams<8>>,
    narrow: Option<Grams<5>>,
    rest: Vec<(AhoCorasick, Vec<u32>)>,
}

/// A literal that was found, and the bytes that it stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) literal: u32,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Literals {
    /// For literals that are not empty. Where `folded`, they are in small letters, and capital ASCII letters of a text are
    /// the same as small ones.
    pub(super) fn new(literals: &[&str], folded: bool) -> Self {
        let all: Vec<u32> = (0..u32::try_from(literals.len()).unwrap_or(u32::MAX)).collect();
        if all.is_empty() {
            return Self::default();
        }
        if let Some(lanes) = Lanes::new(literals, &all, folded) {
            return Self { lanes: Some(lanes), ..Self::default() };
        }
        let (wide, others) = Grams::new(literals, &all, folded);
        let mut made = Self { wide, ..Self::default() };
        if others.is_empty() {
            return made;
        }
        made.lanes = Lanes::new(literals, &others, folded);
        if made.lanes.is_some() {
            return made;
        }
        let (narrow, others) = Grams::new(literals, &others, folded);
        made.narrow = narrow;
        if others.is_empty() {
            return made;
        }
        made.lanes = Lanes::new(literals, &others, folded);
        if made.lanes.is_none() {
            let parts = others.chunks(AUTOMATON_LITERALS_MAX);
            made.rest = parts.map(|places| (automaton(literals, places, folded), places.to_vec())).collect();
        }
        made
    }

    /// Whether there is nothing to search for.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_none() && self.wide.is_none() && self.narrow.is_none() && self.rest.is_empty()
    }

    /// The ways that it is made of, in words; none where there is nothing to search for.
    pub(super) fn words(&self) -> Option<String> {
        let mut ways = Vec::new();
        if let Some(lanes) = &self.lanes {
            ways.push(format!("a table of {} KiB in four lanes", lanes.bytes().div_ceil(1 << 10)));
        }
        if self.wide.is_some() {
            ways.push("windows of 8 bytes".to_owned());
        }
        if self.narrow.is_some() {
            ways.push("windows of 5 bytes".to_owned());
        }
        match self.rest.len() {
            0 => {}
            1 => ways.push("an automaton".to_owned()),
            n => ways.push(format!("{n} automata")),
        }
        (!ways.is_empty()).then(|| ways.join(", "))
    }

    /// Tells of every place of every literal, in no order and some of them twice, until it is told to stop.
    pub(super) fn each(&self, text: &str, tell: &mut impl FnMut(Found) -> ControlFlow<()>) {
        let _ = self.try_each(text, tell);
    }

    fn try_each(&self, text: &str, tell: &mut impl FnMut(Found) -> ControlFlow<()>) -> ControlFlow<()> {
        if let Some(lanes) = &self.lanes {
            lanes.each(text.as_bytes(), tell)?;
        }
        if let Some(grams) = &self.wide {
            grams.each(text.as_bytes(), tell)?;
        }
        if let Some(grams) = &self.narrow {
            grams.each(text.as_bytes(), tell)?;
        }
        for (automaton, places) in &self.rest {
            for found in automaton.find_overlapping_iter(text) {
                let literal = places[found.pattern().as_usize()];
                tell(Found { literal, start: found.start(), end: found.end() })?;
            }
        }
        ControlFlow::Continue(())
    }
}

fn automaton(literals: &[&str], places: &[u32], folded: bool) -> AhoCorasick {
    let texts: Vec<&str> = places.iter().map(|place| literals[*place as usize]).collect();
    let bytes: usize = texts.iter().map(|literal| literal.len()).sum();
    let kind = if bytes <= DFA_BYTES_MAX { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
    let built = AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .ascii_case_insensitive(folded)
        .kind(Some(kind))
        .build(&texts);
    built.expect("the sources' size keeps literals far below what an automaton holds")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Random(u64);

    impl Random {
        fn below(&mut self, n: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap() % n
        }

        fn word(&mut self, letters: &str, most: usize) -> String {
            let letters: Vec<char> = letters.chars().collect();
            (0..=self.below(most)).map(|_| letters[self.below(letters.len())]).collect()
        }
    }

    fn found(literals: &[&str], folded: bool, text: &str) -> Vec<Found> {
        let mut all = Vec::new();
        Literals::new(literals, folded).each(text, &mut |found| {
            all.push(found);
            ControlFlow::Continue(())
        });
        all.sort_unstable();
        all.dedup();
        all
    }

    fn by_the_crate(literals: &[&str], folded: bool, text: &str) -> Vec<Found> {
        let automaton = AhoCorasick::builder().ascii_case_insensitive(folded).build(literals).unwrap();
        let mut all: Vec<Found> = automaton
            .find_overlapping_iter(text)
            .map(|found| Found {
                literal: u32::try_from(found.pattern().as_usize()).unwrap(),
                start: found.start(),
                end: found.end(),
            })
            .collect();
        all.sort_unstable();
        all
    }

    /// Literals and texts of a few letters, so that everything meets and overlaps.
    #[test]
    fn every_way_of_searching_finds_what_the_crate_finds() {
        let mut random = Random(7);
        for (letters, literals, longest) in
            [("ab", 3, 4), ("ab", 40, 9), ("abcdefgh", 400, 12), ("abcdefghijklmnop", 6_000, 14), ("äbc", 200, 70)]
        {
            for folded in [false, true] {
                for _ in 0..12 {
                    let mut words: Vec<String> = (0..literals).map(|_| random.word(letters, longest)).collect();
                    words.sort_unstable();
                    words.dedup();
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    let mut text = random.word(letters, 3_000);
                    for _ in 0..5 {
                        text.push_str(words[random.below(words.len())]);
                        text.push_str(&random.word(letters, 30));
                    }
                    if folded {
                        text = text
                            .chars()
                            .map(|c| if random.below(2) == 0 { c.to_ascii_uppercase() } else { c })
                            .collect();
                    }
                    assert_eq!(
                        found(&words, folded, &text),
                        by_the_crate(&words, folded, &text),
                        "{words:?} in {text}"
                    );
                }
            }
        }
    }

    #[test]
    fn literals_that_begin_alike_and_texts_that_are_full_of_them_are_searched_in_time() {
        let words: Vec<String> = (0..20_000).map(|n| format!("{}{n}", "a".repeat(40))).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let text = "a".repeat(300_000) + "7";
        let all = found(&words, true, &text);
        assert_eq!(all, by_the_crate(&words, true, &text));
        assert_eq!(all.len(), 1);
    }
}
