//! Recovery: a file that does not parse is read item by item, and an item that does not parse statement by statement.
//!
//! A statement with a mistake is reported, blanked out and left aside, and the item is parsed again without it, until
//! it parses or nothing is left. Items so mended are marked `broken`.

use pest::Parser as _;

use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::{Source, SourceId};
use crate::lang::syntax::comments::{Lexeme, lexemes};
use crate::lang::syntax::tree::File;
use crate::lang::syntax::{RouteParser, Rule as G, build, error};

/// The words that begin an item.
const ITEM_WORDS: &[&str] = &["language", "use", "let", "budget", "label", "pool", "rule", "default", "adjust", "test"];
/// The words that begin a statement inside an item.
const STATEMENT_WORDS: &[&str] =
    &["when", "route", "reject", "set", "timeout", "retry", "cache", "tag", "mirror", "transform", "given", "expect"];
/// How many mistakes of one item are reported.
const MISTAKES_MAX: usize = 20;

pub(super) fn file(source: &Source, id: SourceId) -> (File, Vec<Diagnostic>) {
    let mut whole = File::default();
    let mut problems = Vec::new();
    let starts = item_starts(&source.text);
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(source.text.len());
        let text = source.text.get(*start..end).unwrap_or_default();
        item(text, id, *start, &mut whole, &mut problems);
    }
    problems.sort_by_key(|problem| problem.span.start);
    (whole, problems)
}

/// Parses one item, and again without each statement that does not parse.
fn item(text: &str, id: SourceId, base: usize, whole: &mut File, problems: &mut Vec<Diagnostic>) {
    let mut mended = text.to_owned();
    let mut broken = false;
    let mut seen = None;
    for _ in 0..MISTAKES_MAX {
        let failure = match RouteParser::parse(G::item_only, &mended) {
            Ok(pairs) => {
                let mut builder = build::Builder::new(id, base);
                let part = builder.file(pairs);
                problems.append(&mut builder.problems);
                whole.language = part.language.or(whole.language.take());
                whole.items.extend(part.items.into_iter().map(|mut item| {
                    item.broken = broken;
                    item
                }));
                return;
            }
            Err(failure) => failure,
        };
        // Mending one mistake may leave another at the same place, which says nothing new.
        let again = seen.replace(error::at(&failure)) == Some(error::at(&failure));
        if mended.trim().is_empty() || again {
            return;
        }
        problems.push(error::diagnostic(&failure, text, id, base));
        broken = true;
        if !blank_statement(&mut mended, error::at(&failure)) {
            return;
        }
    }
}

/// Replaces the statement around a byte by blanks, a condition by `when true_`; false when there is none.
fn blank_statement(text: &mut String, at: usize) -> bool {
    let words = statement_words(text);
    let before = words.iter().rev().find(|(start, _)| *start < at);
    let Some((start, word)) = before.copied() else { return false };
    let end = words.iter().map(|(start, _)| *start).find(|next| *next >= at && *next > start);
    let close = text.rfind('}').filter(|close| *close >= at);
    let Some(end) = end.or(close) else { return false };
    // A condition stays one: a name that resolves to nothing is not looked at in a broken item.
    let keep = if word == "when" { "when _ " } else { "" };
    if end - start < keep.len() {
        return false;
    }
    let statement = text.get(start..end).unwrap_or_default();
    let blanked: String = statement.chars().flat_map(blank).collect();
    let replacement = format!("{keep}{}", blanked.get(keep.len()..).unwrap_or_default());
    if statement == replacement {
        return false;
    }
    text.replace_range(start..end, &replacement);
    true
}

/// As many blanks as a character has bytes.
fn blank(c: char) -> impl Iterator<Item = char> {
    let blank = if c == '\n' { '\n' } else { ' ' };
    std::iter::repeat_n(blank, c.len_utf8())
}

/// The places of words outside of texts and comments that begin a statement, or a closing brace.
fn statement_words(text: &str) -> Vec<(usize, &'static str)> {
    words(text)
        .filter_map(|(start, word)| Some((start, *STATEMENT_WORDS.iter().find(|known| **known == word)?)))
        .collect()
}

/// Where items begin: at the first word of a line. What stands before the first one belongs to it.
fn item_starts(text: &str) -> Vec<usize> {
    let mut starts: Vec<usize> = words(text)
        .filter(|(start, word)| {
            let line = text.get(..*start).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
            ITEM_WORDS.contains(word) && line.trim().is_empty()
        })
        .map(|(start, _)| start)
        .collect();
    let lead = text.get(..starts.first().copied().unwrap_or(text.len())).unwrap_or_default();
    if words(lead).next().is_some() || starts.is_empty() {
        starts.insert(0, 0);
    }
    starts
}

/// The words outside of texts and comments.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |at: usize| text.as_bytes().get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    lexemes(text).filter_map(move |(start, lexeme)| {
        let begins = matches!(lexeme, Lexeme::Byte(_)) && is_word(start) && (start == 0 || !is_word(start - 1));
        if !begins {
            return None;
        }
        let end = (start..=text.len()).find(|at| !is_word(*at))?;
        Some((start, text.get(start..end)?))
    })
}
