//! THE LANGUAGE. Text in, decision out: source → tree → IR → plan → decision. No I/O, no clock, no HTTP, no environment,
//! and no panic on any input. Each module uses only those that stand before it here.

pub mod source;

pub mod diagnostic;

pub mod syntax;

pub mod input;

pub mod catalogue;
pub mod schema;

pub mod ir;

pub mod plan;

pub mod eval;

pub mod analysis;

use std::sync::Arc;

use catalogue::Catalogue;
use diagnostic::Diagnostic;
use ir::load::{Reader, Roots};
use source::Sources;

/// What became of a program: its texts, what is wrong with it, and what could be made of it.
#[derive(Debug)]
pub struct Checked {
    /// The texts that places are in.
    pub sources: Arc<Sources>,
    /// What was written, item by item; what the prelude adds is not among it.
    pub items: Vec<syntax::tree::Item>,
    /// Resolved as far as it could be.
    pub program: Arc<ir::Program>,
    /// Every problem, in the order of the text.
    pub problems: Vec<Diagnostic>,
    /// The text of the prelude, which every program has.
    pub prelude: source::SourceId,
    /// The text of the second tier, where there is one. It is no rule file: nothing is mended or allowed in it.
    pub tier: Option<source::SourceId>,
    /// The default of the tier, where that of a rule file serves.
    pub idle_default: Option<source::Span>,
}

/// Parses and resolves a program, and stops there: what a lint needs. Reports every problem.
pub fn check(roots: impl Into<Roots>, reader: &dyn Reader, catalogue: &Arc<Catalogue>) -> Checked {
    let mut loaded = ir::load::load(roots.into(), reader);
    let (program, found) = ir::resolve(&loaded, catalogue);
    let mut problems = std::mem::take(&mut loaded.problems);
    problems.extend(found);
    problems.sort_by_key(|problem| (problem.span, problem.code.id));
    Checked {
        sources: Arc::clone(&loaded.sources),
        items: loaded.items,
        program: Arc::new(program),
        problems,
        prelude: loaded.prelude_source,
        tier: loaded.tier,
        idle_default: loaded.idle_default,
    }
}

/// Compiles a program; there is a plan only when no problem is an error.
pub fn compile(
    roots: impl Into<Roots>,
    reader: &dyn Reader,
    catalogue: &Arc<Catalogue>,
) -> (Option<plan::Plan>, Arc<Sources>, Vec<Diagnostic>) {
    let checked = check(roots, reader, catalogue);
    let whole = !diagnostic::any_error(&checked.problems);
    (whole.then(|| plan::build(checked.program)), checked.sources, checked.problems)
}
