//! What somebody writes who needs it once: a loop over the rules, and a searcher for each keyword.

use memchr::memmem::Finder;

use crate::engine::Engine;
use crate::{Request, Rule};

struct Plain(Vec<(i64, [String; 2], Vec<Finder<'static>>)>);

pub(super) fn make(rules: &[Rule]) -> Result<Box<dyn Engine>, String> {
    let finder = |keyword: &String| Finder::new(keyword.as_bytes()).into_owned();
    let made = rules
        .iter()
        .map(|rule| (rule.tokens_above, rule.extensions.clone(), rule.keywords.iter().map(finder).collect()));
    Ok(Box::new(Plain(made.collect())))
}

impl Engine for Plain {
    fn first(&mut self, request: &Request) -> Option<usize> {
        self.0.iter().position(|(above, extensions, finders)| {
            request.tokens > *above
                && extensions.contains(&request.extension)
                && finders.iter().any(|finder| finder.find(request.folded.as_bytes()).is_some())
        })
    }
}
