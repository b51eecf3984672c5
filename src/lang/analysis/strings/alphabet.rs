//! The characters that a search for a text tries: those that the tests name, in every case that matters, and one of each
//! kind that they do not tell apart.

use std::collections::{BTreeMap, BTreeSet};

use crate::lang::schema::fold;

/// What a test can know of a character that it does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// None: the text begins here.
    Start,
    /// The border of a path's components.
    Slash,
    /// White space.
    Blank,
    /// Any other that is no word character.
    Sign,
    /// A word character.
    Word,
    /// A word character of a script without spaces.
    Unspaced,
}

impl Kind {
    pub(super) fn of(c: char) -> Self {
        if c == '/' {
            Self::Slash
        } else if c.is_whitespace() {
            Self::Blank
        } else if !fold::is_word_char(c) {
            Self::Sign
        } else if fold::is_unspaced(c) {
            Self::Unspaced
        } else {
            Self::Word
        }
    }

    /// Whether a word begins or ends between two characters, or at an end of the text.
    pub(super) fn is_boundary(self, after: Self) -> bool {
        let is_word = |kind| matches!(kind, Self::Word | Self::Unspaced);
        !is_word(self) || !is_word(after) || self == Self::Unspaced || after == Self::Unspaced
    }
}

/// A character with what tests see of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) raw: char,
    pub(super) folded: char,
    pub(super) kind: Kind,
    /// A word character as regular expressions see it.
    pub(super) is_regex_word: bool,
}

impl Letter {
    pub(super) fn of(raw: char) -> Self {
        let is_regex_word = regex_syntax::try_is_word_character(raw).unwrap_or(false);
        Self { raw, folded: fold::fold_char(raw), kind: Kind::of(raw), is_regex_word }
    }
}

/// Characters of each kind, the first of which that no test names stands for all like it.
const OTHERS: &[&[char]] = &[
    &['x', 'q', 'z', 'k', 'v', 'j', 'w', 'é', 'ø', 'þ'],
    &[' ', '\t', '\u{a0}'],
    &['.', ';', '!', '·'],
    &['あ', '水', '山'],
];

/// The letters for some characters that tests name, and some classes. With `cases`, those characters in every case.
pub(super) fn letters(named: &BTreeSet<char>, cases: bool, classes: &[&[(char, char)]]) -> Vec<Letter> {
    let mut raw: BTreeSet<char> = named.clone();
    if cases {
        raw.extend(named.iter().flat_map(|c| other_cases(*c)));
    }
    let mut found: Vec<Letter> = Vec::with_capacity(raw.len() + OTHERS.len());
    // Those of no test come first, so that the shortest text is also the plainest.
    for kind in OTHERS {
        let unnamed = kind.iter().find(|c| !raw.contains(c) && !raw.contains(&fold::fold_char(**c)));
        found.extend(unnamed.map(|c| Letter::of(*c)));
    }
    if !classes.is_empty() {
        found.extend(representatives(&raw, classes));
    }
    found.extend(raw.into_iter().map(Letter::of));
    found
}

/// One unnamed character of each set that the classes, and what is known of all characters, do not tell apart.
fn representatives(named: &BTreeSet<char>, classes: &[&[(char, char)]]) -> Vec<Letter> {
    let known = [fold::word_chars(), fold::unspaced_chars()];
    let all: Vec<&[(char, char)]> = classes.iter().copied().chain(known).collect();
    let mut borders: BTreeSet<u32> = BTreeSet::from([0]);
    for (start, end) in all.iter().flat_map(|ranges| ranges.iter()) {
        borders.extend([u32::from(*start), u32::from(*end) + 1]);
    }
    // White space, and what regular expressions call a word, change where these do.
    borders.extend((0..0x3001).filter(|c| is_other(*c) != is_other(c.wrapping_sub(1))));
    let borders: Vec<u32> = borders.into_iter().collect();
    let mut found: BTreeMap<(Vec<bool>, Kind, bool), Letter> = BTreeMap::new();
    for (at, start) in borders.iter().enumerate() {
        let end = borders.get(at + 1).copied().unwrap_or(u32::from(char::MAX) + 1);
        let chars = (*start..end.min(start + TRIED_MAX)).filter_map(char::from_u32);
        let unnamed = |c: &char| !named.contains(c) && !named.contains(&fold::fold_char(*c)) && !c.is_control();
        let Some(c) = chars.into_iter().find(unnamed) else { continue };
        let letter = Letter::of(c);
        let of_classes = all.iter().map(|ranges| within(c, ranges)).collect();
        found.entry((of_classes, letter.kind, letter.is_regex_word)).or_insert(letter);
    }
    found.into_values().collect()
}

/// How many characters of a stretch are looked at for one that no test names.
const TRIED_MAX: u32 = 512;

fn is_other(c: u32) -> u8 {
    char::from_u32(c).map_or(0, |c| {
        let letter = Letter::of(c);
        u8::from(letter.kind == Kind::Blank) * 2 + u8::from(letter.is_regex_word)
    })
}

fn within(c: char, ranges: &[(char, char)]) -> bool {
    let after = ranges.partition_point(|(start, _)| *start <= c);
    after > 0 && ranges[after - 1].1 >= c
}

/// The characters that differ from one only in case.
fn other_cases(c: char) -> Vec<char> {
    let folded = fold::fold_char(c);
    let near = c.to_uppercase().chain(c.to_lowercase()).chain(folded.to_uppercase()).chain([folded]);
    near.filter(|other| fold::fold_char(*other) == folded).collect()
}
