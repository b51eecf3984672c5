//! The names of a program: one space over all its files.

use std::cell::Cell;
use std::collections::HashMap;

use crate::lang::ir::{BudgetId, Kind, LabelId, PoolId, Unused};
use crate::lang::source::Span;
use crate::lang::syntax::tree::Bound;

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning<'t> {
    Let(&'t Bound),
    Budget(BudgetId),
    Label(LabelId),
    Pool(PoolId),
    Rule,
    Adjust,
}

impl Meaning<'_> {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Let(_) => Kind::Let,
            Self::Budget(_) => Kind::Budget,
            Self::Label(_) => Kind::Label,
            Self::Pool(_) => Kind::Pool,
            Self::Rule => Kind::Rule,
            Self::Adjust => Kind::Adjust,
        }
    }
}

#[derive(Debug)]
struct Symbol<'t> {
    meaning: Meaning<'t>,
    span: Span,
    used: Cell<bool>,
    /// Of the prelude: no lint asks whether it is used.
    built_in: bool,
}

/// Every name.
#[derive(Debug, Default)]
pub(super) struct Scope<'t> {
    symbols: HashMap<&'t str, Symbol<'t>>,
}

impl<'t> Scope<'t> {
    /// Adds a name; gives the place of the one that has it already.
    pub(super) fn define(&mut self, name: &'t str, span: Span, meaning: Meaning<'t>, built_in: bool) -> Option<Span> {
        if let Some(earlier) = self.symbols.get(name) {
            return Some(earlier.span);
        }
        self.symbols.insert(name, Symbol { meaning, span, used: Cell::new(false), built_in });
        None
    }

    /// What a name stands for; it is used from now on.
    pub(super) fn find(&self, name: &str) -> Option<Meaning<'t>> {
        let symbol = self.symbols.get(name)?;
        symbol.used.set(true);
        Some(symbol.meaning)
    }

    /// What a name stands for, without using it.
    pub(super) fn find_quietly(&self, name: &str) -> Option<Meaning<'t>> {
        self.symbols.get(name).map(|symbol| symbol.meaning)
    }

    /// Whether something used a name.
    pub(super) fn is_used(&self, name: &str) -> bool {
        self.symbols.get(name).is_some_and(|symbol| symbol.used.get())
    }

    /// The names of some kinds, for suggestions.
    pub(super) fn names(&self, kinds: &[Kind]) -> Vec<&'t str> {
        let wanted = self.symbols.iter().filter(|(_, symbol)| kinds.contains(&symbol.meaning.kind()));
        let mut names: Vec<&'t str> = wanted.map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    }

    /// Lets, budgets, labels and pools that nothing used, in the order of the text.
    pub(super) fn unused(&self) -> Vec<Unused> {
        let mut found: Vec<Unused> = self
            .symbols
            .iter()
            .filter(|(_, symbol)| !symbol.used.get() && !symbol.built_in)
            .map(|(name, symbol)| Unused { name: (*name).to_owned(), span: symbol.span, kind: symbol.meaning.kind() })
            .filter(|unused| matches!(unused.kind, Kind::Let | Kind::Budget | Kind::Label | Kind::Pool))
            .collect();
        found.sort_by_key(|unused| unused.span);
        found
    }
}
