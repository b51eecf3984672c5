//! How deep brackets nest, measured before anything recursive runs.

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::source::{Source, SourceId, Span};
use crate::lang::syntax::comments::{Lexeme, lexemes};

/// The deepest nesting of brackets of all kinds together.
pub(super) const DEPTH_MAX: usize = 64;

pub(super) fn check(source: &Source, id: SourceId) -> Option<Diagnostic> {
    let mut depth = 0usize;
    for (at, lexeme) in lexemes(&source.text) {
        match lexeme {
            Lexeme::Byte(b'(' | b'[' | b'{') => depth += 1,
            Lexeme::Byte(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            Lexeme::Byte(_) | Lexeme::Comment(_) | Lexeme::Quoted => {}
        }
        if depth > DEPTH_MAX {
            let span = Span::new(id, at..at + 1);
            let message = format!("brackets nest deeper than {DEPTH_MAX}");
            return Some(Diagnostic::new(&codes::TOO_DEEP, span, message).help("name a part of it with `let`"));
        }
    }
    None
}
