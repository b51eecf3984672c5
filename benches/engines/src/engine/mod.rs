//! One file an engine: the rules as its language writes them, cheap tests first.

mod cedar;
mod cel;
mod claude_router;
mod plain;
mod regorus;
mod rhai;
mod wirefilter;
mod zen;

use crate::{Request, Rule};

/// Rules made ready in an engine.
pub trait Engine {
    /// The first rule that holds.
    fn first(&mut self, request: &Request) -> Option<usize>;
}

/// Makes rules ready; or says why that does not go.
pub type Make = fn(&[Rule]) -> Result<Box<dyn Engine>, String>;

/// All of them, by name.
pub const ALL: &[(&str, Make)] = &[
    ("claude-router", claude_router::make),
    ("plain loop, memmem", plain::make),
    ("wirefilter", wirefilter::make),
    ("zen-expression", zen::make),
    ("cel", cel::make),
    ("rhai", rhai::make),
    ("regorus", regorus::make),
    ("cedar-policy", cedar::make),
];

/// A condition of the common shape, in a language with `&&`, `||` and `==`.
pub(crate) fn condition(rule: &Rule, tokens: &str, extension: &str, contains: impl Fn(&str) -> String) -> String {
    let keywords: Vec<String> = rule.keywords.iter().map(|keyword| contains(keyword)).collect();
    let extensions: Vec<String> = rule.extensions.iter().map(|known| format!("{extension} == \"{known}\"")).collect();
    format!("{tokens} > {} && ({}) && ({})", rule.tokens_above, extensions.join(" || "), keywords.join(" || "))
}
