//! How texts are compared: NFC, simple case folding, word characters. One character folds to one character.
//!
//! Sources: Unicode's `CaseFolding.txt` (simple folding), as the tables of `regex-syntax` hold it; UAX #15 for NFC.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, HirKind};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// The text in NFC.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.nfc().collect())
}

/// The text in NFC with its case folded.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    nfc(text).chars().map(fold_char).collect()
}

/// The character that stands for all that differ from it only in case.
pub fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    fold_table().get(&c).copied().unwrap_or(c)
}

/// Whether two texts are the same but for case and composition.
pub fn same(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() { a.eq_ignore_ascii_case(b) } else { fold(a) == fold(b) }
}

fn fold_table() -> &'static HashMap<char, char> {
    static TABLE: OnceLock<HashMap<char, char>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = HashMap::new();
        for c in '\u{80}'..=char::MAX {
            let changes = !c.to_lowercase().eq(std::iter::once(c)) || !c.to_uppercase().eq(std::iter::once(c));
            if changes {
                let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
                class.case_fold_simple();
                let mut all = class.ranges().iter().flat_map(|range| range.start()..=range.end());
                let ascii = all.clone().find(char::is_ascii_lowercase);
                if let Some(first) = ascii.or_else(|| all.next()) {
                    table.insert(c, first);
                }
            }
        }
        table
    })
}

/// Letters, marks, decimal digits, joiners and `_`.
pub fn is_word_char(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    within(c, word_chars())
}

/// The ranges of word characters, in order.
pub fn word_chars() -> &'static [(char, char)] {
    static RANGES: OnceLock<Vec<(char, char)>> = OnceLock::new();
    RANGES.get_or_init(|| ranges(r"[\p{L}\p{M}\p{Nd}\u{200C}\u{200D}_]"))
}

/// Han, kana with its long mark, Thai: beside such a character every place is a word boundary.
pub fn is_unspaced(c: char) -> bool {
    if c.is_ascii() {
        return false;
    }
    within(c, unspaced_chars())
}

/// The ranges of characters of scripts without spaces, in order.
pub fn unspaced_chars() -> &'static [(char, char)] {
    static RANGES: OnceLock<Vec<(char, char)>> = OnceLock::new();
    RANGES.get_or_init(|| ranges(r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}]"))
}

/// Whether a word ends between two neighbours.
pub fn is_boundary(before: Option<char>, after: Option<char>) -> bool {
    let (Some(a), Some(b)) = (before, after) else { return true };
    !(is_word_char(a) && is_word_char(b)) || is_unspaced(a) || is_unspaced(b)
}

/// Where a text holds another one first: as a byte. With `starts`, only where a word begins; with `ends`, where one ends.
pub fn find(text: &str, wanted: &str, starts: bool, ends: bool) -> Option<usize> {
    let (first, last) = (wanted.chars().next(), wanted.chars().next_back());
    let mut from = 0;
    // One place may overlap the next.
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(wanted)).map(|at| from + at) {
        let before = || text.get(..at).and_then(|text| text.chars().next_back());
        let after = || text.get(at + wanted.len()..).and_then(|text| text.chars().next());
        if (!starts || is_boundary(before(), first)) && (!ends || is_boundary(last, after())) {
            return Some(at);
        }
        from = at + first.map_or(1, char::len_utf8);
    }
    None
}

fn ranges(class: &str) -> Vec<(char, char)> {
    let hir = regex_syntax::parse(class).expect("the classes above are written rightly");
    let HirKind::Class(regex_syntax::hir::Class::Unicode(class)) = hir.into_kind() else { return Vec::new() };
    class.ranges().iter().map(|range| (range.start(), range.end())).collect()
}

fn within(c: char, ranges: &[(char, char)]) -> bool {
    let after = ranges.partition_point(|(start, _)| *start <= c);
    after > 0 && ranges[after - 1].1 >= c
}
