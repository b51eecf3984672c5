//! One question: a formula over the tests of conditions, handed to a SAT solver, whose answers are held to what ordered
//! values, texts and sets can be, until one can be imagined or none is left.
//!
//! Every answer `No` is a proof: only clauses that hold of all requests are ever added. Where a theory gives up on an
//! answer, that answer is set aside and the question ends as `Unknown` unless another one is found.

use std::cell::Cell;
use std::collections::BTreeMap;

use batsat::{Callbacks, Lit, Solver, SolverInterface as _, lbool};
use rustc_hash::FxHashMap;

use crate::lang::analysis::ordered::{Comparison, Ordered};
use crate::lang::analysis::relations::Linked;
use crate::lang::analysis::situation::Situation;
use crate::lang::analysis::strings::Known;
use crate::lang::analysis::variable::Variable;
use crate::lang::analysis::words::{Sets, Texts};
use crate::lang::analysis::world::World;
use crate::lang::ir::{Atom, AtomId, Condition, Slot, SlotId, Test};

/// The most steps of the solver for one question.
const STEPS_MAX: u64 = 200_000;
/// The most answers of the solver that the theories look at for one question.
const ROUNDS_MAX: usize = 2_000;
/// The most answers that are set aside.
const ASIDE_MAX: usize = 16;

/// What a question is answered with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// Never: these assumptions, by their places, exclude one another. None of them: it is never so by itself.
    No(Vec<usize>),
    /// For this request at this moment.
    Yes(Situation),
    /// The limit was reached, or it is beyond what can be decided.
    Unknown,
}

/// A truth that is looked for. Both are literals of the solver.
pub(super) type Truth = Lit;

/// Counts down the solver's steps.
#[derive(Debug)]
struct Limit(Cell<u64>);

impl Callbacks for Limit {
    fn stop(&self) -> bool {
        let left = self.0.get().saturating_sub(1);
        self.0.set(left);
        left == 0
    }
}

/// A question over the programs of a world.
pub(super) struct Query<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) known: &'a Known,
    solver: Solver<Limit>,
    always: Truth,
    atoms: FxHashMap<(usize, AtomId), Truth>,
    rules: FxHashMap<(usize, usize), Truth>,
    lines: FxHashMap<(usize, usize, usize), Truth>,
    /// What was joined already: equal conditions are one truth, so that equal parts of two programs are seen to be.
    joined: FxHashMap<(Vec<Truth>, bool), Truth>,
    pub(super) ordered: BTreeMap<Variable, Ordered>,
    pub(super) comparisons: Vec<Comparison>,
    pub(super) texts: Texts,
    pub(super) sets: Sets,
    pub(super) linked: Linked,
    /// Answers were set aside, so that what is left proves nothing.
    uncertain: bool,
    aside: usize,
    steps_max: u64,
}

impl std::fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query").field("atoms", &self.atoms.len()).finish_non_exhaustive()
    }
}

impl<'a> Query<'a> {
    pub(super) fn new(world: &'a World<'a>, known: &'a Known) -> Self {
        known.begin();
        let mut solver = Solver::new(batsat::SolverOpts::default(), Limit(Cell::new(STEPS_MAX)));
        let always = Lit::new(solver.new_var_default(), true);
        solver.add_clause_reuse(&mut vec![always]);
        Self {
            world,
            known,
            solver,
            always,
            atoms: FxHashMap::default(),
            rules: FxHashMap::default(),
            lines: FxHashMap::default(),
            joined: FxHashMap::default(),
            ordered: BTreeMap::new(),
            comparisons: Vec::new(),
            texts: Texts::default(),
            sets: Sets::default(),
            linked: Linked::default(),
            uncertain: false,
            aside: 0,
            steps_max: STEPS_MAX,
        }
    }

    /// Allows so many steps for this question.
    pub(super) fn limit(&mut self, steps: u64) {
        self.steps_max = steps;
        self.known.allow(steps);
    }

    // --- truths ------------------------------------------------------------------------------------------------------

    /// What is always so.
    pub(super) fn always(&self) -> Truth {
        self.always
    }

    /// What is always so, or never.
    pub(super) fn constant(&self, value: bool) -> Truth {
        if value { self.always } else { !self.always }
    }

    /// Something of which nothing is known.
    pub(super) fn fresh(&mut self) -> Truth {
        Lit::new(self.solver.new_var_default(), true)
    }

    /// Something of which nothing is known, and which is tried as true first.
    pub(super) fn rather(&mut self) -> Truth {
        Lit::new(self.solver.new_var(lbool::TRUE, true), true)
    }

    /// One of these holds.
    pub(super) fn require(&mut self, any: &[Truth]) {
        if !any.contains(&self.always) {
            self.solver.add_clause_reuse(&mut any.to_vec());
        }
    }

    /// The first implies the second.
    pub(super) fn implies(&mut self, first: Truth, second: Truth) {
        self.require(&[!first, second]);
    }

    /// All of some truths, or any of them.
    pub(super) fn join(&mut self, parts: &[Truth], all: bool) -> Truth {
        let (neutral, other) = (self.constant(all), self.constant(!all));
        let mut kept: Vec<Truth> = Vec::with_capacity(parts.len());
        for part in parts {
            if *part == other || kept.contains(&!*part) {
                return other;
            }
            if *part != neutral && !kept.contains(part) {
                kept.push(*part);
            }
        }
        match kept.as_slice() {
            [] => neutral,
            [one] => *one,
            _ => {
                kept.sort_unstable();
                if let Some(known) = self.joined.get(&(kept.clone(), all)) {
                    return *known;
                }
                let whole = self.fresh();
                self.joined.insert((kept.clone(), all), whole);
                // For `all`: whole → each part, and all parts → whole; for `any` the same with everything negated.
                let sign = |truth: Truth| if all { truth } else { !truth };
                let mut last: Vec<Truth> = vec![sign(whole)];
                for part in &kept {
                    self.require(&[!sign(whole), sign(*part)]);
                    last.push(!sign(*part));
                }
                self.require(&last);
                whole
            }
        }
    }

    /// A condition of a program.
    pub(super) fn condition(&mut self, program: usize, condition: &Condition) -> Truth {
        match condition {
            Condition::Always(value) => self.constant(*value),
            Condition::Test(test) => self.test(program, test),
            Condition::And(parts) | Condition::Or(parts) => {
                let parts: Vec<Truth> = parts.iter().map(|part| self.condition(program, part)).collect();
                self.join(&parts, matches!(condition, Condition::And(_)))
            }
        }
    }

    /// The condition of a rule.
    pub(super) fn rule(&mut self, program: usize, rule: usize) -> Truth {
        if let Some(known) = self.rules.get(&(program, rule)) {
            return *known;
        }
        let when = &self.world.program(program).rules[rule].when;
        let truth = self.condition(program, when);
        self.rules.insert((program, rule), truth);
        truth
    }

    pub(super) fn test(&mut self, program: usize, test: &Test) -> Truth {
        let atoms: Vec<Truth> = test.atoms.iter().map(|atom| self.atom(program, *atom)).collect();
        let joined = self.join(&atoms, test.all);
        if test.negated { !joined } else { joined }
    }

    fn atom(&mut self, program: usize, id: AtomId) -> Truth {
        if let Some(known) = self.atoms.get(&(program, id)) {
            return *known;
        }
        let atom: &'a Atom = &self.world.program(program).atoms[id.index()];
        let truth = self.atom_of(program, atom);
        self.atoms.insert((program, id), truth);
        truth
    }

    fn atom_of(&mut self, program: usize, atom: &'a Atom) -> Truth {
        match atom {
            Atom::Within(slot, set) => match &self.world.program(program).slots[slot.index()] {
                Slot::Label(label) => {
                    let label = label.index();
                    let n = self.world.program(program).labels[label].lines.len();
                    let wanted = (0..n).filter(|line| i64::try_from(*line).is_ok_and(|line| set.contains(line)));
                    let lines: Vec<Truth> = wanted.map(|line| self.line_wins(program, label, line)).collect();
                    self.join(&lines, false)
                }
                Slot::Field(..) => match self.world.view(program, *slot) {
                    Some(view) => self.within(&view, set),
                    None => self.constant(false),
                },
            },
            Atom::Compare(left, order, right) => {
                match (self.world.view(program, *left), self.world.view(program, *right)) {
                    (Some(left), Some(right)) => self.compare(&left, *order, &right),
                    (None, _) | (_, None) => self.constant(false),
                }
            }
            Atom::Text(slot, test) => self.text_atom(program, *slot, test),
            Atom::SameText(left, right) => self.same_text(program, *left, *right),
            Atom::Holds(slot, member) => match self.world.view(program, *slot) {
                Some(view) => self.holds(&view.variable, member),
                None => self.constant(false),
            },
        }
    }

    /// The slot of an atom is the target, whose values are the catalogue's.
    pub(super) fn slot(&self, program: usize, slot: SlotId) -> &'a Slot {
        &self.world.program(program).slots[slot.index()]
    }

    /// A line of a label is the one that wins: it holds, and none that goes before it does.
    pub(super) fn line_wins(&mut self, program: usize, label: usize, line: usize) -> Truth {
        if let Some(known) = self.lines.get(&(program, label, line)) {
            return *known;
        }
        let plan = self.world.plans[program];
        let lines = &plan.program.labels[label].lines;
        let mut parts = Vec::new();
        for other in &plan.label_orders[label] {
            let other = *other as usize;
            let Some(when) = &lines[other].when else { continue };
            let holds = self.condition(program, when);
            if other == line {
                parts.push(holds);
                break;
            }
            parts.push(!holds);
        }
        let first_otherwise = lines.iter().position(|line| line.when.is_none()).unwrap_or(0);
        let truth = match &lines[line].when {
            None if line != first_otherwise => self.constant(false),
            Some(_) | None => self.join(&parts, true),
        };
        self.lines.insert((program, label, line), truth);
        truth
    }

    // --- solving -----------------------------------------------------------------------------------------------------

    /// Looks for a situation in which everything that is required holds, and every assumption.
    pub(super) fn solve(&mut self, assumptions: &[Truth]) -> Answer {
        self.solver.cb_mut().0.set(self.steps_max);
        for _ in 0..ROUNDS_MAX {
            self.link();
            let before = self.solver.num_decisions();
            let solved = self.solver.solve_limited(assumptions);
            let steps = usize::try_from(self.solver.num_decisions() - before).unwrap_or(usize::MAX);
            if !self.known.work(steps) {
                return Answer::Unknown;
            }
            if solved == lbool::FALSE {
                return if self.uncertain { Answer::Unknown } else { Answer::No(self.core(assumptions)) };
            }
            if solved != lbool::TRUE {
                return Answer::Unknown;
            }
            match self.imagine() {
                Imagined::Situation(situation) => return Answer::Yes(situation),
                Imagined::Conflict(clause) => self.require(&clause),
                Imagined::Beyond(answer) => {
                    if !self.set_aside(&answer) {
                        return Answer::Unknown;
                    }
                }
            }
        }
        Answer::Unknown
    }

    /// Excludes an answer that nothing is known of. False when too many were.
    pub(super) fn set_aside(&mut self, answer: &[Truth]) -> bool {
        self.uncertain = true;
        self.aside += 1;
        let clause: Vec<Truth> = answer.iter().map(|truth| !*truth).collect();
        self.require(&clause);
        self.aside <= ASIDE_MAX && !clause.is_empty()
    }

    /// The assumptions, by their places, that the last `No` rests on.
    fn core(&self, assumptions: &[Truth]) -> Vec<usize> {
        let core = self.solver.unsat_core();
        (0..assumptions.len())
            .filter(|at| core.contains(&!assumptions[*at]) || core.contains(&assumptions[*at]))
            .collect()
    }

    /// Whether a truth holds in the last answer of the solver.
    pub(super) fn is_true(&self, truth: Truth) -> bool {
        self.solver.value_lit(truth) == lbool::TRUE
    }

    /// The tests of the last answer that decide what it is, as they stand in it.
    pub(super) fn answer(&self) -> Vec<Truth> {
        let all = self.texts.truths().chain(self.sets.truths()).chain(self.ordered.values().flat_map(Ordered::truths));
        all.chain(self.comparisons.iter().flat_map(Comparison::truths))
            .map(|truth| if self.is_true(truth) { truth } else { !truth })
            .collect()
    }

    /// Makes a situation of the last answer, or says why none can be.
    fn imagine(&mut self) -> Imagined {
        let mut situation = Situation::default();
        let imagined = self
            .imagine_ordered(&mut situation)
            .and_then(|()| self.imagine_texts(&mut situation))
            .and_then(|()| self.imagine_sets(&mut situation));
        match imagined {
            Ok(()) => Imagined::Situation(situation),
            Err(imagined) => imagined,
        }
    }
}

/// What became of an answer of the solver.
#[derive(Debug)]
pub(super) enum Imagined {
    Situation(Situation),
    /// It contradicts what is always so: this clause, which the solver did not know.
    Conflict(Vec<Truth>),
    /// It is not known whether it can be; it is made of these.
    Beyond(Vec<Truth>),
}
