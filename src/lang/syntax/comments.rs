//! A reader of lexemes just fine enough to tell brackets and comments from texts.

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
                at = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end);
                Some((start, Lexeme::Comment(at)))
            }
            b'"' | b'/' => {
                while let Some(byte) = bytes.get(at) {
                    match byte {
                        b'\n' => break,
                        b'\\' if bytes.get(at + 1).is_some_and(|next| *next != b'\n') => at += 2,
                        other => {
                            at += 1;
                            if *other == first {
                                break;
                            }
                        }
                    }
                }
                Some((start, Lexeme::Quoted))
            }
            other => Some((start, Lexeme::Byte(other))),
        }
    })
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
