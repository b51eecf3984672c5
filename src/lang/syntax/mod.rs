//! Text to tree, and back: the grammar, the tree, recovery from mistakes, printing.
//!
//! Parsing never fails: what does not parse is reported and left out, so that the rest of a file is still checked.

mod build;
mod comments;
mod depth;
mod error;
mod help;
pub mod print;
mod recover;
pub mod tree;

use pest::Parser as _;

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::source::{Source, SourceId, Span};

/// The parser that pest makes of the grammar. Its `Rule` stays inside this module.
mod grammar {
    #![allow(missing_debug_implementations, unreachable_pub, reason = "pest_derive writes this code")]
    #![allow(clippy::allow_attributes, reason = "the generated code decides which of these apply")]

    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/route.pest"]
    pub(super) struct RouteParser;
}
use grammar::{RouteParser, Rule};

/// The largest source text that is read, in bytes.
pub const SOURCE_BYTES_MAX: usize = 16 << 20;

/// Parses a file. The tree holds what could be understood; the diagnostics say what could not.
pub fn parse(source: &Source, id: SourceId) -> (tree::File, Vec<Diagnostic>) {
    if let Some(problem) = too_large(source, id).or_else(|| depth::check(source, id)) {
        return (tree::File::default(), vec![problem]);
    }
    match RouteParser::parse(Rule::file, &source.text) {
        Ok(pairs) => {
            let mut builder = build::Builder::new(id, 0);
            let file = builder.file(pairs);
            (file, builder.problems)
        }
        Err(_) => recover::file(source, id),
    }
}

/// The comments of a file, in order.
pub fn comments(source: &Source, id: SourceId) -> Vec<tree::Comment> {
    comments::find(source, id)
}

/// Whether two texts differ in nothing but their gaps, and commas at the end of lists: then they parse alike. Cheaper than
/// parsing both; false says nothing.
pub fn same_words(a: &Source, b: &Source) -> bool {
    comments::same_words(&a.text, &b.text)
}

/// The words of a text as a reader steps over them, comments left out: texts, brackets and commas one by one, and runs of
/// all else.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    comments::words(text)
}

/// Where a text in quotes begins that does not end before the end of what is there: somebody is typing it.
pub fn open_text(text: &str) -> Option<usize> {
    comments::open_text(text)
}

/// Whether a word is reserved, so that it can be no name.
pub fn is_reserved(word: &str) -> bool {
    error::is_reserved(word)
}

/// Parses a literal, as `--what-if` and the like take it.
pub fn parse_value(text: &str) -> Option<tree::Value> {
    let pairs = RouteParser::parse(Rule::value_only, text).ok()?;
    build::Builder::new(SourceId::default(), 0).only_value(pairs)
}

/// Parses a field's name, with what stands in its parentheses.
pub fn parse_field(text: &str) -> Option<tree::FieldRef> {
    let pairs = RouteParser::parse(Rule::field_only, text).ok()?;
    build::Builder::new(SourceId::default(), 0).only_field(pairs)
}

fn too_large(source: &Source, id: SourceId) -> Option<Diagnostic> {
    (source.text.len() > SOURCE_BYTES_MAX).then(|| {
        Diagnostic::new(
            &codes::SOURCE_TOO_LARGE,
            Span::new(id, 0..0),
            format!("the file is larger than {SOURCE_BYTES_MAX} bytes"),
        )
        .help("split it, and join the parts with `use`")
    })
}
