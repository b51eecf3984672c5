//! One canonical layout. What it writes is read again and compared with what was there: it never changes a meaning, and
//! never loses a comment.

use crate::lang::diagnostic::{Diagnostic, any_error};
use crate::lang::source::{Source, SourceId};
use crate::lang::syntax::{self, print};

/// Why a file is left as it is.
#[derive(Debug)]
pub enum Refused {
    /// It does not parse.
    Broken(Vec<Diagnostic>),
    /// What would be written does not mean the same: a mistake of the formatter.
    Changed,
}

/// The text of a file in its canonical layout.
pub fn format(source: &Source) -> Result<String, Refused> {
    let id = SourceId::default();
    let (tree, problems) = syntax::parse(source, id);
    if any_error(&problems) {
        return Err(Refused::Broken(problems));
    }
    let comments = syntax::comments(source, id);
    let text = print::file(&tree, source, &comments);
    let written = Source::new(source.name.clone(), text);
    let (again, found) = syntax::parse(&written, id);
    let mut before: Vec<&str> = comments.iter().map(|comment| comment.text.as_str()).collect();
    let kept = syntax::comments(&written, id);
    let mut after: Vec<&str> = kept.iter().map(|comment| comment.text.as_str()).collect();
    before.sort_unstable();
    after.sort_unstable();
    if any_error(&found) || again != tree || before != after {
        return Err(Refused::Changed);
    }
    Ok(written.text)
}
