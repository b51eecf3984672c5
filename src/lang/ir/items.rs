//! Items: their names first (`declare`), their contents then (`define`).

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::input::WHOLE;
use crate::lang::ir::resolve::{NEST_MAX, Resolver, default_rule};
use crate::lang::ir::scope::Meaning;
use crate::lang::ir::{
    Atom, Budget, BudgetId, BudgetScope, Condition, Label, LabelId, LabelLine, Period, Pool, PoolId, PoolMember, Rule,
    Slot, Sticky, Strategy,
};
use crate::lang::schema::types::Type;
use crate::lang::schema::{fields, suggest};
use crate::lang::syntax::tree::{self, Bound, Item, ItemKind, Literal, Name};

pub(super) const STRATEGIES: [(&str, Strategy); 5] = [
    ("weighted", Strategy::Weighted),
    ("round_robin", Strategy::RoundRobin),
    ("least_busy", Strategy::LeastBusy),
    ("fastest", Strategy::Fastest),
    ("cheapest", Strategy::Cheapest),
];
/// The largest share of its calls that a pool may make twice, in millionths: more would double what it costs.
const HEDGE_MAX: i64 = WHOLE / 2;

pub(super) const STICKIES: [(&str, Sticky); 3] =
    [("session", Sticky::Session), ("user", Sticky::User), ("key", Sticky::Key)];
pub(super) const PERIODS: [(&str, Period); 4] =
    [("hour", Period::Hour), ("day", Period::Day), ("week", Period::Week), ("month", Period::Month)];

impl<'t> Resolver<'t> {
    /// Makes an item's name known.
    pub(super) fn declare(&mut self, item: &'t Item, built_in: bool) {
        let (name, meaning) = match &item.kind {
            ItemKind::Let(name, bound) => (name, Meaning::Let(bound)),
            ItemKind::Budget(budget) => (&budget.name, Meaning::Budget(self.declare_budget(budget))),
            ItemKind::Label(label) => (&label.name, Meaning::Label(self.declare_label(label))),
            ItemKind::Pool(pool) => (&pool.name, Meaning::Pool(self.declare_pool(pool))),
            ItemKind::Rule(rule) => (&rule.name, Meaning::Rule),
            ItemKind::Adjust(rule) => (&rule.name, Meaning::Adjust),
            ItemKind::Use(_) | ItemKind::Default(_) | ItemKind::Test(_) => return,
        };
        let of_field = matches!(meaning, Meaning::Let(_) | Meaning::Budget(_) | Meaning::Label(_) | Meaning::Pool(_))
            && fields::find(&name.text).is_some();
        if of_field {
            let message = format!("`{}` is the name of a field", name.text);
            self.report(Diagnostic::new(&codes::NAME_OF_FIELD, name.span(), message).help("give it another name"));
        }
        if let Some(earlier) = self.scope.define(&name.text, name.span(), meaning, built_in) {
            let message = format!("`{}` is defined twice", name.text);
            let problem = Diagnostic::new(&codes::DUPLICATE_NAME, name.span(), message);
            self.report(problem.related(earlier, "it is defined here first"));
        }
    }

    fn declare_budget(&mut self, budget: &tree::Budget) -> BudgetId {
        let id = BudgetId(u32::try_from(self.program.budgets.len()).unwrap_or(u32::MAX));
        self.program.budgets.push(Budget {
            name: budget.name.text.clone(),
            span: budget.name.span(),
            amount: 0,
            period: Period::Day,
            scope: BudgetScope::All,
            hard: budget.hard,
        });
        id
    }

    fn declare_label(&mut self, label: &tree::Label) -> LabelId {
        let id = LabelId(u32::try_from(self.program.labels.len()).unwrap_or(u32::MAX));
        let mut classes: Vec<String> = Vec::new();
        let mut lines = Vec::new();
        for line in &label.lines {
            let known = classes.iter().position(|class| *class == line.class.text);
            let class = known.unwrap_or_else(|| {
                classes.push(line.class.text.clone());
                classes.len() - 1
            });
            let confidence = self.confidence(line);
            lines.push(LabelLine { class, when: None, confidence, span: line.place.0 });
        }
        let otherwise = label.lines.iter().filter(|line| line.when.is_none()).count();
        if otherwise != 1 {
            let message = format!("the label `{}` has {otherwise} `otherwise` lines; it needs one", label.name.text);
            self.report(
                Diagnostic::new(&codes::BAD_LABEL, label.name.span(), message)
                    .help("add a line such as `general otherwise`"),
            );
        }
        self.program.labels.push(Label {
            name: label.name.text.clone(),
            span: label.name.span(),
            ordered: label.ordered,
            classes,
            lines,
        });
        id
    }

    fn confidence(&mut self, line: &tree::LabelLine) -> i64 {
        if line.when.is_none() {
            return 0;
        }
        let Some(literal) = &line.confidence else { return WHOLE };
        match self.quantity(literal, Type::Percent) {
            Some(value) if value <= WHOLE => value,
            Some(_) => {
                self.report(Diagnostic::new(&codes::BAD_LABEL, literal.span(), "a confidence is 100% at most"));
                WHOLE
            }
            None => WHOLE,
        }
    }

    fn declare_pool(&mut self, pool: &tree::Pool) -> PoolId {
        let id = PoolId(u32::try_from(self.program.pools.len()).unwrap_or(u32::MAX));
        let strategy = self.word_of(&pool.strategy, &STRATEGIES, "strategy").unwrap_or(Strategy::RoundRobin);
        let sticky = pool.sticky.as_ref().and_then(|name| self.word_of(name, &STICKIES, "kind of stickiness"));
        self.program.pools.push(Pool {
            name: pool.name.text.clone(),
            span: pool.name.span(),
            strategy,
            sticky,
            hedge: None,
            members: Vec::new(),
            written_weight: None,
        });
        id
    }

    /// The meaning of a word of a small table.
    fn word_of<T: Copy>(&mut self, word: &Name, table: &[(&str, T)], what: &str) -> Option<T> {
        let found = table.iter().find(|(known, _)| *known == word.text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known: Vec<&str> = table.iter().map(|(known, _)| *known).collect();
            let problem = Diagnostic::new(&codes::BAD_POOL, word.span(), format!("`{}` is no {what}", word.text));
            let problem = problem.help(format!("known are {}", known.join(", ")));
            let near = suggest::nearest(&word.text, known.iter().copied());
            self.report(problem.meant(near, str::to_owned));
        }
        found
    }

    /// Resolves an item's contents.
    pub(super) fn define(&mut self, item: &'t Item) {
        self.broken = item.broken;
        match &item.kind {
            ItemKind::Let(name, bound) => self.define_let(name, bound),
            ItemKind::Budget(budget) => self.define_budget(budget),
            ItemKind::Label(label) => self.define_label(label),
            ItemKind::Pool(pool) => self.define_pool(pool),
            ItemKind::Rule(rule) => {
                let mut resolved = Rule { when: self.condition(&rule.when, false), ..default_rule(rule.name.span()) };
                resolved.name.clone_from(&rule.name.text);
                self.actions(&rule.actions, &mut resolved, false);
                self.program.rules.push(resolved);
            }
            ItemKind::Adjust(rule) => {
                self.in_adjust = true;
                let mut resolved = Rule { when: self.condition(&rule.when, false), ..default_rule(rule.name.span()) };
                self.in_adjust = false;
                resolved.name.clone_from(&rule.name.text);
                self.actions(&rule.actions, &mut resolved, true);
                self.program.adjusts.push(resolved);
            }
            ItemKind::Default(actions) => {
                let mut resolved = default_rule(item.place.0);
                self.actions(actions, &mut resolved, false);
                if let Some(first) = &self.program.default {
                    let problem =
                        Diagnostic::new(&codes::TWO_DEFAULTS, item.place.0, "the program has a `default` already");
                    let problem = problem.related(first.span, "the first one is here");
                    self.report(problem);
                } else {
                    self.program.default = Some(resolved);
                }
            }
            ItemKind::Test(test) => self.define_test(test),
            ItemKind::Use(_) => {}
        }
        self.broken = false;
    }

    /// Checks a let by itself, so that one that nothing uses is checked too.
    fn define_let(&mut self, name: &'t Name, bound: &'t Bound) {
        let known = matches!(self.scope.find_quietly(&name.text), Some(Meaning::Let(own)) if std::ptr::eq(own, bound));
        if !known {
            return;
        }
        self.lets.push(&name.text);
        match bound {
            Bound::Value(value) => {
                self.value(value, &super::value::Members::None);
            }
            Bound::Condition(condition) => {
                if !self.is_name_of_value(condition) {
                    let in_adjust = std::mem::replace(&mut self.in_adjust, true);
                    self.condition(condition, false);
                    self.in_adjust = in_adjust;
                }
            }
        }
        self.lets.pop();
    }

    fn define_budget(&mut self, budget: &tree::Budget) {
        let Some(Meaning::Budget(id)) = self.scope.find_quietly(&budget.name.text) else { return };
        let amount = self.quantity(&budget.amount, Type::Money).unwrap_or(0);
        let period = self.word_of(&budget.period, &PERIODS, "window of a budget").unwrap_or(Period::Day);
        let scope = budget.scope.as_ref().map_or(BudgetScope::All, |scope| self.budget_scope(scope));
        let known = &mut self.program.budgets[id.index()];
        (known.amount, known.period, known.scope) = (amount, period, scope);
    }

    fn budget_scope(&mut self, scope: &tree::Scope) -> BudgetScope {
        match (scope.kind.text.as_str(), &scope.of) {
            ("key", None) => BudgetScope::EachKey,
            ("user", None) => BudgetScope::EachUser,
            ("session", None) => BudgetScope::EachSession,
            ("key", Some(of)) => BudgetScope::Key(self.model_text(of).unwrap_or_default()),
            ("user", Some(of)) => BudgetScope::User(self.model_text(of).unwrap_or_default()),
            ("model", Some(of)) => self.model(of).map_or(BudgetScope::All, BudgetScope::Model),
            (kind, of) => {
                let each =
                    if of.is_none() { "each key`, `each user` or `each session" } else { "key`, `user` or `model" };
                let problem =
                    Diagnostic::new(&codes::SYNTAX, scope.kind.span(), format!("a budget is not for `{kind}`"));
                self.report(problem.help(format!("write `for {each}`")));
                BudgetScope::All
            }
        }
    }

    fn define_label(&mut self, label: &'t tree::Label) {
        let Some(Meaning::Label(id)) = self.scope.find_quietly(&label.name.text) else { return };
        if self.program.labels[id.index()].span != label.name.span() {
            return;
        }
        for (index, line) in label.lines.iter().enumerate() {
            let when = line.when.as_ref().map(|when| self.condition(when, false));
            self.program.labels[id.index()].lines[index].when = when;
        }
    }

    fn define_pool(&mut self, pool: &tree::Pool) {
        let Some(Meaning::Pool(id)) = self.scope.find_quietly(&pool.name.text) else { return };
        let weighted = self.program.pools[id.index()].strategy == Strategy::Weighted;
        let mut members = Vec::new();
        for (name, weight) in &pool.members {
            let model = self.model(name);
            let share = weight.as_ref().map(|literal| self.share(literal, weighted));
            if let Some(model) = model {
                members.push((model, share, name.span()));
            }
        }
        if pool.members.is_empty() && !self.broken {
            let message = format!("the pool `{}` has no members", pool.name.text);
            self.report(Diagnostic::new(&codes::BAD_POOL, pool.name.span(), message));
        }
        let hedge = pool.hedge.as_ref().and_then(|literal| {
            let share = self.quantity(literal, Type::Percent)?;
            if !(1..=HEDGE_MAX).contains(&share) {
                let message =
                    format!("a pool hedges from above 0% up to {} of its calls", Type::Percent.show(HEDGE_MAX));
                self.report(Diagnostic::new(&codes::BAD_POOL, literal.span(), message));
                return None;
            }
            Some(share)
        });
        self.program.pools[id.index()].hedge = hedge;
        let complete = members.len() == pool.members.len();
        let written: i64 = members.iter().filter_map(|(_, share, _)| *share).sum();
        let open = i64::try_from(members.iter().filter(|(_, share, _)| share.is_none()).count()).unwrap_or(i64::MAX);
        let rest = WHOLE - written;
        if weighted && complete && (rest < 0 || (rest == 0 && open > 0)) {
            let message = match rest {
                0 => format!("the weights of `{}` leave nothing for the members without one", pool.name.text),
                _ => {
                    format!("the weights of `{}` add up to {}, over 100%", pool.name.text, Type::Percent.show(written))
                }
            };
            self.report(Diagnostic::new(&codes::BAD_POOL, pool.name.span(), message));
        }
        let known = &mut self.program.pools[id.index()];
        known.written_weight = (weighted && open == 0 && !members.is_empty()).then_some(written);
        known.members = members
            .into_iter()
            .map(|(model, share, span)| PoolMember {
                model,
                weight: share.unwrap_or(rest.max(0) / open.max(1)).max(0),
                span,
            })
            .collect();
        if !weighted {
            known.members.iter_mut().for_each(|member| member.weight = 1);
        }
    }

    fn share(&mut self, literal: &Literal, weighted: bool) -> i64 {
        if !weighted {
            let problem = Diagnostic::new(&codes::BAD_POOL, literal.span(), "only a `weighted` pool has weights");
            self.report(problem.help("call the pool `weighted`, or take the weights out"));
        }
        let share = self.quantity(literal, Type::Percent).unwrap_or(0);
        if share == 0 && weighted {
            self.report(Diagnostic::new(&codes::BAD_POOL, literal.span(), "a weight is above 0%"));
        }
        share
    }

    /// Labels that need themselves, or stand too deep on one another.
    pub(super) fn label_circles(&mut self) {
        let needs: Vec<Vec<usize>> = self.program.labels.iter().map(|label| self.labels_of(label)).collect();
        let mut heights: Vec<usize> = vec![0; needs.len()];
        for _ in 0..=NEST_MAX {
            let next: Vec<usize> =
                needs.iter().map(|of| of.iter().map(|label| heights[*label] + 1).max().unwrap_or(0)).collect();
            if next == heights {
                return;
            }
            heights = next;
        }
        for (index, height) in heights.iter().enumerate().filter(|(_, height)| **height > NEST_MAX) {
            let label = &self.program.labels[index];
            let message = format!("the label `{}` needs itself, or stands on {height} others", label.name);
            let problem = Diagnostic::new(&codes::CIRCLE, label.span, message);
            self.report(problem);
        }
    }

    fn labels_of(&self, label: &Label) -> Vec<usize> {
        let mut found = Vec::new();
        for line in &label.lines {
            if let Some(when) = &line.when {
                self.labels_in(when, &mut found);
            }
        }
        found
    }

    fn labels_in(&self, condition: &Condition, found: &mut Vec<usize>) {
        match condition {
            Condition::Always(_) => {}
            Condition::And(parts) | Condition::Or(parts) => parts.iter().for_each(|part| self.labels_in(part, found)),
            Condition::Test(test) => {
                for atom in &test.atoms {
                    let atom: &Atom = &self.program.atoms[atom.index()];
                    if let Slot::Label(label) = &self.program.slots[atom.slot().index()] {
                        found.push(label.index());
                    }
                }
            }
        }
    }
}
