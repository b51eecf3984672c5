//! A text in the pieces that a vocabulary counts by themselves: what the patterns of tiktoken match, one after another,
//! without a regular expression. The patterns stand above the functions; each alternative is tried in its order.

use crate::features::vocabulary::classes::{LETTER, LOWER, NEWLINE, NUMBER, SPACE, UPPER, at};

/// Where the piece that begins at a byte ends.
pub(super) type NextEnd = fn(&str, usize) -> usize;

// [^\r\n\p{L}\p{N}]?U*L+(?i:'s|'t|'re|'ve|'m|'ll|'d)?     U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
// [^\r\n\p{L}\p{N}]?U+L*(?i:'s|'t|'re|'ve|'m|'ll|'d)?     L = [\p{Ll}\p{Lm}\p{Lo}\p{M}]
// \p{N}{1,3}
//  ?[^\s\p{L}\p{N}]+[\r\n/]*
// \s*[\r\n]+
// \s+(?!\S)
// \s+
pub(super) fn o200k(text: &str, start: usize) -> usize {
    let Some((first, width)) = at(text, start) else { return start };
    let behind = start + width;
    // What may stand before a word: no letter, no number, no end of a line.
    let is_prefix = first & (LETTER | NUMBER | NEWLINE) == 0;
    let is_word = first & (UPPER | LOWER) != 0;
    let capitals_then_small =
        || is_prefix.then(|| word(text, behind)).flatten().or_else(|| is_word.then(|| word(text, start)).flatten());
    let capitals =
        || is_prefix.then(|| upper(text, behind)).flatten().or_else(|| is_word.then(|| upper(text, start)).flatten());
    if let Some(end) = capitals_then_small().or_else(capitals) {
        return contraction(text, end).unwrap_or(end);
    }
    numbers(text, start, first)
        .or_else(|| signs(text, start, first, width, b"\r\n/"))
        .unwrap_or_else(|| spaces(text, start, false))
}

// '(?i:[sdmt]|ll|ve|re)
// [^\r\n\p{L}\p{N}]?+\p{L}++
// \p{N}{1,3}+
//  ?[^\s\p{L}\p{N}]++[\r\n]*+
// \s++$
// \s*[\r\n]
// \s+(?!\S)
// \s
pub(super) fn cl100k(text: &str, start: usize) -> usize {
    let Some((first, width)) = at(text, start) else { return start };
    if let Some(end) = contraction(text, start) {
        return end;
    }
    // The prefix is possessive: once taken, it is not given back.
    let from = if first & (LETTER | NUMBER | NEWLINE) == 0 { start + width } else { start };
    let end = run(text, from, LETTER);
    if end > from {
        return end;
    }
    numbers(text, start, first)
        .or_else(|| signs(text, start, first, width, b"\r\n"))
        .unwrap_or_else(|| spaces(text, start, true))
}

/// Where a run of a class ends.
#[inline]
fn run(text: &str, from: usize, class: u8) -> usize {
    let mut end = from;
    while let Some((known, width)) = at(text, end) {
        if known & class == 0 {
            break;
        }
        end += width;
    }
    end
}

/// `U*L+`, with as many of U as leave one for L.
#[inline]
fn word(text: &str, from: usize) -> Option<usize> {
    // Where the last character ended that L would take too.
    let mut last = None;
    let mut end = from;
    while let Some((class, width)) = at(text, end) {
        if class & UPPER == 0 {
            break;
        }
        end += width;
        if class & LOWER != 0 {
            last = Some(end);
        }
    }
    let small = run(text, end, LOWER);
    if small > end { Some(small) } else { last }
}

/// `U+L*`, where `U*L+` found nothing.
fn upper(text: &str, from: usize) -> Option<usize> {
    let end = run(text, from, UPPER);
    (end > from).then_some(end)
}

/// `'s` and its like, of any case. The long s is an s too.
#[inline]
fn contraction(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'\'') {
        return None;
    }
    let letter = |n: usize| bytes.get(at + n).map(u8::to_ascii_lowercase);
    match (letter(1)?, letter(2)) {
        (b's' | b'd' | b'm' | b't', _) => Some(at + 2),
        (b'l', Some(b'l')) | (b'v' | b'r', Some(b'e')) => Some(at + 3),
        (0xC5, Some(0xBF)) => Some(at + 3),
        _ => None,
    }
}

/// `\p{N}{1,3}`
#[inline]
fn numbers(text: &str, start: usize, first: u8) -> Option<usize> {
    if first & NUMBER == 0 {
        return None;
    }
    let mut end = start;
    for _ in 0..3 {
        match at(text, end) {
            Some((class, width)) if class & NUMBER != 0 => end += width,
            _ => break,
        }
    }
    Some(end)
}

/// ` ?[^\s\p{L}\p{N}]+` and what of `tail` follows.
#[inline]
fn signs(text: &str, start: usize, first: u8, width: usize, tail: &[u8]) -> Option<usize> {
    let bytes = text.as_bytes();
    let from = if bytes[start] == b' ' { start + width } else { start };
    if from == start && first & (SPACE | LETTER | NUMBER) != 0 {
        return None;
    }
    let mut end = from;
    while let Some((class, width)) = at(text, end) {
        if class & (SPACE | LETTER | NUMBER) != 0 {
            break;
        }
        end += width;
    }
    if end == from {
        return None;
    }
    while bytes.get(end).is_some_and(|byte| tail.contains(byte)) {
        end += 1;
    }
    Some(end)
}

/// White space: up to its last end of a line; else all of it but what stands before a word; else one. At the end of the
/// text all of it, where that comes first.
fn spaces(text: &str, start: usize, end_first: bool) -> usize {
    let (mut end, mut last, mut newline) = (start, start, None);
    while let Some((class, width)) = at(text, end) {
        if class & SPACE == 0 {
            break;
        }
        last = end;
        end += width;
        if class & NEWLINE != 0 {
            newline = Some(end);
        }
    }
    let is_at_end = end == text.len();
    match newline {
        Some(newline) if !(end_first && is_at_end) => newline,
        Some(_) => end,
        None if is_at_end || last == start => end,
        None => last,
    }
}
