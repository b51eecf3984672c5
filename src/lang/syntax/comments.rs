//! A reader of lexemes just fine enough to tell brackets and comments from texts, and one text from another that
//! differs in its layout alone.

use crate::lang::source::{Source, SourceId, Span};
use crate::lang::syntax::tree::Comment;

pub(super) enum Lexeme {
    /// A byte outside of texts, regular expressions and comments.
    Byte(u8),
    /// A comment, up to this byte.
    Comment(usize),
    /// A text or a regular expression.
    Quoted,
}

/// The lexemes of a text, each with its first byte.
pub(super) fn lexemes(text: &str) -> impl Iterator<Item = (usize, Lexeme)> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let first = *bytes.get(at)?;
        at += 1;
        match first {
            b'#' => {
                at = comment_end(bytes, at);
                Some((start, Lexeme::Comment(at)))
            }
            b'"' | b'/' => {
                at = quoted_end(bytes, at, first);
                Some((start, Lexeme::Quoted))
            }
            other => Some((start, Lexeme::Byte(other))),
        }
    })
}

/// The end of a comment.
fn comment_end(bytes: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end)
}

/// The end of a text or a regular expression, of which the sign at its beginning is read.
fn quoted_end(bytes: &[u8], mut at: usize, sign: u8) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\n' => break,
            b'\\' if bytes.get(at + 1).is_some_and(|next| *next != b'\n') => at += 2,
            other => {
                at += 1;
                if *other == sign {
                    break;
                }
            }
        }
    }
    at
}

/// Where the text begins that has no end on its line, which is the last one.
pub(super) fn open_text(text: &str) -> Option<usize> {
    let last = lexemes(text).filter(|(_, lexeme)| matches!(lexeme, Lexeme::Quoted)).last();
    let (start, _) = last.filter(|(start, _)| text.as_bytes()[*start] == b'"')?;
    let end = quoted_end(text.as_bytes(), start + 1, b'"');
    let closed = end > start + 1 && text.as_bytes()[end - 1] == b'"';
    (end == text.len() && !closed).then_some(start)
}

pub(super) fn find(source: &Source, id: SourceId) -> Vec<Comment> {
    let mut found = Vec::new();
    for (start, lexeme) in lexemes(&source.text) {
        if let Lexeme::Comment(end) = lexeme {
            let span = Span::new(id, start..end);
            found.push(Comment { text: source.slice(span).trim_end().to_owned(), span });
        }
    }
    found
}

/// Whether two texts have the same words and signs, whatever stands in their gaps. False may also mean that they differ
/// in a comma at the end of a list.
pub(super) fn same_words(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (words(a), words(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one == other => {}
            // A comma before the end of a list says nothing.
            (Some(","), Some(other)) if other == "]" && a.next() == Some("]") => {}
            (Some("]"), Some(",")) if b.next() == Some("]") => {}
            _ => return false,
        }
    }
}

/// The words of a text: texts and regular expressions, brackets and commas one by one, and runs of all else: two signs
/// with a gap between may mean something else than the two without.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let (start, first) = (at, *bytes.get(at)?);
            at += 1;
            match first {
                b' ' | b'\n' | b'\t' | b'\r' => continue,
                b'#' => {
                    at = comment_end(bytes, at);
                    continue;
                }
                b'"' => at = quoted_end(bytes, at, first),
                b'/' => {
                    at = quoted_end(bytes, at, first);
                    while bytes.get(at).is_some_and(u8::is_ascii_alphabetic) {
                        at += 1;
                    }
                }
                b'{' | b'}' | b'(' | b')' | b'[' | b']' | b',' => {}
                _ => {
                    while bytes.get(at).is_some_and(|byte| !b" \n\t\r#\"/{}()[],".contains(byte)) {
                        at += 1;
                    }
                }
            }
            return text.get(start..at);
        }
    })
}
