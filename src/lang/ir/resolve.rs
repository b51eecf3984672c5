//! Loaded items to a program: first every name, then what each stands for. Nothing stops at the first mistake.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::lang::catalogue::Catalogue;
use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::ir::load::Loaded;
use crate::lang::ir::scope::Scope;
use crate::lang::ir::{Atom, AtomId, Program, Regex, Rule, Slot, SlotId};
use crate::lang::source::Span;
use crate::lang::syntax::tree::{Item, ItemKind};

/// The most rules and adjusts of a program.
pub(super) const RULES_MAX: usize = 50_000;
/// The most single tests of a program, with all lets in their place.
pub(super) const TESTS_MAX: usize = 1_000_000;
/// The deepest chain of lets or labels that need one another.
pub(super) const NEST_MAX: usize = 64;

/// What the parts of the resolver share.
pub(super) struct Resolver<'t> {
    pub(super) program: Program,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) scope: Scope<'t>,
    /// The lets that are being resolved, outermost first.
    pub(super) lets: Vec<&'t str>,
    /// Where the outermost let of a condition stands that is being put in its place.
    pub(super) site: Option<Span>,
    /// Inside of an `adjust`, or of a test.
    pub(super) in_adjust: bool,
    /// Inside of an item whose parts are missing.
    pub(super) broken: bool,
    /// Single tests so far.
    pub(super) n_tests: usize,
    /// The regular expressions so far.
    pub(super) regexes: HashSet<Regex>,
    /// What they count for, in bytes.
    pub(super) regex_bytes: usize,
    slot_ids: HashMap<Slot, SlotId>,
    atom_ids: HashMap<Atom, AtomId>,
}

/// Resolves a program. Reports every problem; the program is whole only when none is an error.
pub fn resolve(loaded: &Loaded, catalogue: &Arc<Catalogue>) -> (Program, Vec<Diagnostic>) {
    let program =
        Program { sources: Arc::clone(&loaded.sources), catalogue: Arc::clone(catalogue), ..Program::default() };
    let mut resolver = Resolver {
        program,
        catalogue: Arc::clone(catalogue),
        problems: Vec::new(),
        scope: Scope::default(),
        lets: Vec::new(),
        site: None,
        in_adjust: false,
        broken: false,
        n_tests: 0,
        regexes: HashSet::new(),
        regex_bytes: 0,
        slot_ids: HashMap::new(),
        atom_ids: HashMap::new(),
    };
    let prelude = resolver.prelude_in_use(loaded);
    let n_rules =
        loaded.items.iter().filter(|item| matches!(item.kind, ItemKind::Rule(_) | ItemKind::Adjust(_))).count();
    if n_rules > RULES_MAX {
        let span = loaded.items.last().map_or_else(Span::default, |item| item.place.0);
        let message = format!("the program has {n_rules} rules; at most {RULES_MAX} are read");
        resolver.problems.push(Diagnostic::new(&codes::TOO_MANY, span, message));
        return (resolver.program, resolver.problems);
    }
    for item in &loaded.items {
        resolver.declare(item, false);
    }
    for item in &prelude {
        resolver.declare(item, true);
    }
    for item in &loaded.items {
        resolver.define(item);
    }
    resolver.define_used(prelude);
    resolver.label_circles();
    resolver.default_there(loaded);
    resolver.finish()
}

impl<'t> Resolver<'t> {
    /// The prelude's items without the labels that the program defines itself.
    fn prelude_in_use<'l>(&self, loaded: &'l Loaded) -> Vec<&'l Item> {
        let _ = self;
        let own: HashSet<&str> = loaded
            .items
            .iter()
            .filter_map(
                |item| if let ItemKind::Label(label) = &item.kind { Some(label.name.text.as_str()) } else { None },
            )
            .collect();
        let replaced =
            |item: &Item| matches!(&item.kind, ItemKind::Label(label) if own.contains(label.name.text.as_str()));
        loaded.prelude.iter().filter(|item| !replaced(item)).collect()
    }

    /// Defines what is used of the prelude. A label that nothing asks about stays without conditions, so that no text is
    /// searched for it.
    fn define_used(&mut self, prelude: Vec<&'t Item>) {
        let mut rest = prelude;
        loop {
            let is_used =
                |item: &&Item| !matches!(&item.kind, ItemKind::Label(label) if !self.scope.is_used(&label.name.text));
            let (used, unused): (Vec<&Item>, Vec<&Item>) = rest.into_iter().partition(is_used);
            if used.is_empty() {
                return;
            }
            // One label may ask about another.
            used.into_iter().for_each(|item| self.define(item));
            rest = unused;
        }
    }

    /// The slot of a field, the same one for the same field.
    pub(super) fn slot(&mut self, slot: Slot) -> SlotId {
        if let Some(id) = self.slot_ids.get(&slot) {
            return *id;
        }
        let id = SlotId(u32::try_from(self.program.slots.len()).unwrap_or(u32::MAX));
        self.program.slots.push(slot.clone());
        self.slot_ids.insert(slot, id);
        id
    }

    /// The atom of a test, the same one for the same test.
    pub(super) fn atom(&mut self, atom: Atom) -> AtomId {
        if let Some(id) = self.atom_ids.get(&atom) {
            return *id;
        }
        let id = AtomId(u32::try_from(self.program.atoms.len()).unwrap_or(u32::MAX));
        self.program.atoms.push(atom.clone());
        self.atom_ids.insert(atom, id);
        id
    }

    pub(super) fn report(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    /// A file that holds rules needs a default somewhere in its program.
    fn default_there(&mut self, loaded: &Loaded) {
        let last = loaded.items.iter().rev().find(|item| matches!(item.kind, ItemKind::Rule(_)));
        let broken_default = loaded.items.iter().any(|item| matches!(item.kind, ItemKind::Default(_)));
        let unread = loaded.problems.iter().any(Diagnostic::is_error);
        if self.program.default.is_none() && !broken_default && !unread {
            let Some(Item { kind: ItemKind::Rule(rule), .. }) = last else { return };
            let problem = Diagnostic::new(&codes::NO_DEFAULT, rule.name.span(), "the program has no `default`")
                .help("add `default { route \"...\" }` behind the last rule");
            self.report(problem);
        }
    }

    fn finish(mut self) -> (Program, Vec<Diagnostic>) {
        self.program.unused = self.scope.unused();
        self.problems.sort_by_key(|problem| (problem.span, problem.code.id));
        self.problems.dedup_by(|a, b| a.span == b.span && a.code.id == b.code.id && a.message == b.message);
        (self.program, self.problems)
    }
}

/// The default as a rule: it always holds.
pub(super) fn default_rule(span: Span) -> Rule {
    Rule {
        name: "default".to_owned(),
        span,
        when: crate::lang::ir::Condition::Always(true),
        outcome: None,
        settings: Vec::new(),
    }
}
