//! One canonical layout. What it writes is compared with what was there, word by word, and where words differ (in
//! parentheses) read again: it never changes a meaning, and never loses a comment.

use crate::lang::diagnostic::{Diagnostic, any_error};
use crate::lang::source::{Source, SourceId};
use crate::lang::syntax::tree::File;
use crate::lang::syntax::{self, print};

/// Why a file is left as it is.
#[derive(Debug)]
pub enum Refused {
    /// It does not parse.
    Broken(Vec<Diagnostic>),
    /// What would be written does not mean the same: a mistake of the formatter.
    Changed,
}

/// How often a layout is laid out again, so that comments come to rest.
const TIMES_MAX: usize = 8;

/// The text of a file in its canonical layout.
pub fn format(source: &Source) -> Result<String, Refused> {
    let id = SourceId::default();
    let (tree, problems) = syntax::parse(source, id);
    if any_error(&problems) {
        return Err(Refused::Broken(problems));
    }
    let comments = syntax::comments(source, id);
    let mut printed = print::file(&tree, source, &comments);
    for _ in 0..TIMES_MAX {
        if !printed.has_moved {
            break;
        }
        let text = Source::new(source.name.clone(), printed.text);
        let (again, _) = syntax::parse(&text, id);
        printed = print::file(&again, &text, &syntax::comments(&text, id));
        if printed.text == text.text {
            break;
        }
    }
    let written = Source::new(source.name.clone(), printed.text);
    let kept = syntax::comments(&written, id);
    let same = comments.iter().map(|comment| &comment.text).eq(kept.iter().map(|comment| &comment.text));
    if !same || !(syntax::same_words(source, &written) || parses_to(&written, &tree)) {
        return Err(Refused::Changed);
    }
    Ok(written.text)
}

fn parses_to(written: &Source, tree: &File) -> bool {
    let (again, found) = syntax::parse(written, SourceId::default());
    !any_error(&found) && again == *tree
}
