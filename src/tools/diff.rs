//! How two rule sets decide differently, as a review reads it: what went where, and where it goes now, each with a request
//! that shows it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::features::tokens::Counter;
use crate::lang::analysis::Analysis;
use crate::lang::analysis::difference::{AdjustChange, AdjustKind, Difference, Pair};
use crate::lang::analysis::effect::{Effect, Ends, Step};
use crate::lang::analysis::situation::Situation;
use crate::lang::catalogue::Catalogue;
use crate::lang::diagnostic::Witness;
use crate::lang::eval;
use crate::lang::input::Input;
use crate::lang::ir::{Budget, BudgetScope, Program};
use crate::lang::plan::Plan;
use crate::lang::schema::text::quote;
use crate::lang::schema::types::Type;
use crate::tools::explain::setting_words;
use crate::tools::lint::witness_json;
use crate::tools::witness::{self, model_name};

/// How two rule sets differ.
#[derive(Debug)]
pub struct Diff {
    /// Requests that are decided differently, by what became of them and what becomes of them.
    pub groups: Vec<Group>,
    /// Rules that are gone, and rules that are new, by name.
    pub rules: (Vec<String>, Vec<String>),
    /// Changes of adjusts, in words, with a request where one shows it.
    pub adjusts: Vec<(String, Option<Witness>)>,
    /// Changes of budgets, in words.
    pub budgets: Vec<String>,
    /// Nothing else is decided differently: that is proved.
    pub is_complete: bool,
}

/// Requests that had one effect and now have another.
#[derive(Debug)]
pub struct Group {
    /// What became of them, in words.
    pub was: String,
    /// What becomes of them, in words.
    pub now: String,
    /// Each with a request.
    pub changes: Vec<Change>,
    /// There are more pairs of rules than these.
    pub has_more: bool,
}

/// A request that is decided differently.
#[derive(Debug)]
pub struct Change {
    /// The rule that decided it; `default` too.
    pub was: String,
    /// The rule that decides it now.
    pub now: String,
    /// The request, as the new rules take it.
    pub witness: Witness,
    /// What the old rules need to be told beside it, where that is something else.
    pub what_if_before: Vec<String>,
}

/// Compares two rule sets over one catalogue.
pub fn compare(old: &Plan, new: &Plan, counter: &Counter) -> Diff {
    let analysis = Analysis::of_two(old, new);
    let Difference { groups, adjusts, is_complete } = analysis.difference();
    let catalogue = &new.program.catalogue;
    let mut unshown = false;
    let mut told = Vec::new();
    for group in groups {
        let changes: Vec<Change> = group.pairs.iter().filter_map(|pair| change(old, new, pair, counter)).collect();
        unshown |= changes.len() < group.pairs.len();
        if changes.is_empty() {
            continue;
        }
        let differs = |a: &Effect, b: &Effect| effect_words(catalogue, a, Some(b));
        told.push(Group {
            was: differs(&group.was, &group.now),
            now: differs(&group.now, &group.was),
            changes,
            has_more: group.has_more,
        });
    }
    Diff {
        groups: told,
        rules: rule_names(&old.program, &new.program),
        adjusts: adjusts.iter().map(|change| adjust_words(new, change, counter)).collect(),
        budgets: budget_changes(&old.program, &new.program),
        is_complete: is_complete && !unshown,
    }
}

fn change(old: &Plan, new: &Plan, pair: &Pair, counter: &Counter) -> Option<Change> {
    let decided = |situation: &Situation| {
        [(old, 0), (new, 1)].map(|(plan, program)| {
            let facts = situation.facts(&plan.program, program);
            eval::winner(plan, &Input { request: situation, facts: &facts })
        })
    };
    let situation = pair.situation.clone().simplified(&|other| decided(other) == [pair.was, pair.now]);
    let before = witness::show_as_it_is(old, 0, &situation, counter)?;
    let mut after = witness::show_as_it_is(new, 1, &situation, counter)?;
    after.witness.given = witness::told(&[(new, 1), (old, 0)], &situation);
    let name = |program: &Program, rule: Option<usize>| {
        rule.map_or_else(|| "default".to_owned(), |rule| program.rules[rule].name.clone())
    };
    let other = before.witness.what_if != after.witness.what_if;
    Some(Change {
        was: name(&old.program, pair.was),
        now: name(&new.program, pair.now),
        what_if_before: if other { before.witness.what_if } else { Vec::new() },
        witness: after.witness,
    })
}

impl Diff {
    /// Whether nothing differs, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.adjusts.is_empty() && self.budgets.is_empty()
    }

    fn summary(&self) -> String {
        let n = self.groups.len();
        let rest = if self.is_complete { "" } else { "; there may be more: the search was given up" };
        match (n, self.is_complete) {
            (0, true) => "every request is decided as before".to_owned(),
            (0, false) => "no request was found that is decided differently; the search was given up".to_owned(),
            (1, true) => "one kind of request is decided differently, and no other".to_owned(),
            (_, true) => format!("{n} kinds of requests are decided differently, and no others"),
            (1, false) => format!("one kind of request is decided differently{rest}"),
            (_, false) => format!("{n} kinds of requests are decided differently{rest}"),
        }
    }

    /// For people at a terminal.
    pub fn human(&self, colour: bool) -> String {
        let (bold, dim, plain) = if colour { ("\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m") } else { ("", "", "") };
        let mut text = format!("{}\n", self.summary());
        for group in &self.groups {
            let _ = writeln!(text, "\n{bold}was {}\nnow {}{plain}", group.was, group.now);
            for change in &group.changes {
                let _ = writeln!(text, "  {}", change.rules());
                let _ = writeln!(text, "    {dim}{}{plain}", change.witness.given);
            }
            if group.has_more {
                let _ = writeln!(text, "  and more");
            }
        }
        self.rest(&mut text, |text, title| {
            let _ = writeln!(text, "\n{bold}{title}{plain}");
        });
        text
    }

    /// For a pull request.
    pub fn markdown(&self) -> String {
        let mut text = format!("**{}**\n", self.summary());
        if !self.groups.is_empty() {
            text.push_str("\n| was | now | rules | such as |\n|---|---|---|---|\n");
        }
        let cell = |words: &str| words.replace('|', "\\|").replace('\n', " ");
        for group in &self.groups {
            for (index, change) in group.changes.iter().enumerate() {
                let (was, now) =
                    if index == 0 { (cell(&group.was), cell(&group.now)) } else { (String::new(), String::new()) };
                let given = cell(&change.witness.given).replace('`', "'");
                let _ = writeln!(text, "| {was} | {now} | {} | `{given}` |", change.rules());
            }
            if group.has_more {
                let _ = writeln!(text, "| | | and more | |");
            }
        }
        self.rest(&mut text, |text, title| {
            let _ = writeln!(text, "\n### {title}\n");
        });
        text
    }

    /// What both forms say alike behind the groups.
    fn rest(&self, text: &mut String, title: impl Fn(&mut String, &str)) {
        let mut list = |name: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                title(text, name);
                for line in lines {
                    let _ = writeln!(text, "- {line}");
                }
            }
        };
        let adjusts = self.adjusts.iter().map(|(words, witness)| match witness {
            Some(witness) => format!("{words}, as with `{}`", witness.given),
            None => words.clone(),
        });
        list("Adjusts", adjusts.collect());
        list("Budgets", self.budgets.clone());
        let (gone, new) = &self.rules;
        let mut rules = Vec::new();
        rules.extend((!gone.is_empty()).then(|| format!("gone: {}", gone.join(", "))));
        rules.extend((!new.is_empty()).then(|| format!("new: {}", new.join(", "))));
        list("Rules", rules);
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let groups: Vec<Value> = self
            .groups
            .iter()
            .map(|group| {
                let changes: Vec<Value> = group
                    .changes
                    .iter()
                    .map(|change| {
                        json!({
                            "was": change.was, "now": change.now, "witness": witness_json(&change.witness),
                            "what_if_before": change.what_if_before,
                        })
                    })
                    .collect();
                json!({"was": group.was, "now": group.now, "changes": changes, "has_more": group.has_more})
            })
            .collect();
        let adjusts: Vec<Value> = self
            .adjusts
            .iter()
            .map(|(words, shown)| json!({"change": words, "witness": shown.as_ref().map(witness_json)}))
            .collect();
        json!({
            "complete": self.is_complete, "groups": groups, "adjusts": adjusts, "budgets": self.budgets,
            "rules": {"gone": self.rules.0, "new": self.rules.1},
        })
    }
}

impl Change {
    fn rules(&self) -> String {
        if self.was == self.now { self.now.clone() } else { format!("{} → {}", self.was, self.now) }
    }
}

// --- words -------------------------------------------------------------------------------------------------------------

/// What becomes of a request, in words. A pool that is another one in `beside` under the same name is told with its
/// members.
pub fn effect_words(catalogue: &Catalogue, effect: &Effect, beside: Option<&Effect>) -> String {
    let mut words = match &effect.ends {
        Ends::Route(chain) => {
            let steps: Vec<String> = chain.iter().map(|step| step_words(catalogue, step, beside)).collect();
            steps.join(" else ")
        }
        Ends::Reject(status, message, after) => {
            let after = after.map_or_else(String::new, |after| format!(", retry after {after} s"));
            format!("rejected with {status} {}{after}", quote(message))
        }
        Ends::Nowhere => "nowhere".to_owned(),
    };
    for setting in &effect.settings {
        let _ = write!(words, ", {}", setting_words(setting));
    }
    words
}

fn step_words(catalogue: &Catalogue, step: &Step, beside: Option<&Effect>) -> String {
    match step {
        Step::Model(model) => model_name(catalogue, *model),
        Step::Asked => "model".to_owned(),
        Step::Same => "same".to_owned(),
        Step::Unknown(name) => name.clone(),
        Step::Pool { name, strategy, sticky, members } => {
            let others = match beside.map(|effect| &effect.ends) {
                Some(Ends::Route(chain)) => chain.as_slice(),
                Some(Ends::Reject(..) | Ends::Nowhere) | None => &[],
            };
            let is_other = others
                .iter()
                .any(|other| matches!(other, Step::Pool { name: known, .. } if known == name) && other != step);
            if !is_other {
                return name.clone();
            }
            let total: i64 = members.iter().map(|(_, weight)| weight).sum();
            let each: Vec<String> = members
                .iter()
                .map(|(model, weight)| {
                    let share = weight.saturating_mul(100).checked_div(total).unwrap_or(0);
                    let weighted = *strategy == crate::lang::ir::Strategy::Weighted;
                    let share = if weighted { format!(" {share}%") } else { String::new() };
                    format!("{}{share}", model_name(catalogue, *model))
                })
                .collect();
            let sticky = sticky.map_or("", |_| ", sticky");
            format!("{name} ({}{sticky})", each.join(", "))
        }
    }
}

fn rule_names(old: &Program, new: &Program) -> (Vec<String>, Vec<String>) {
    let missing = |of: &Program, from: &Program| {
        let names = of.rules.iter().map(|rule| rule.name.clone());
        names.filter(|name| !from.rules.iter().any(|rule| rule.name == *name)).collect()
    };
    (missing(old, new), missing(new, old))
}

fn adjust_words(new: &Plan, change: &AdjustChange, counter: &Counter) -> (String, Option<Witness>) {
    let name = &change.name;
    match &change.kind {
        AdjustKind::Added => (format!("`{name}` is new"), None),
        AdjustKind::Removed => (format!("`{name}` is gone"), None),
        AdjustKind::Sets => (format!("`{name}` sets something else"), None),
        AdjustKind::Moved => (format!("`{name}` stands at another place among the adjusts"), None),
        AdjustKind::Holds { situation, target, now } => {
            let to = model_name(&new.program.catalogue, *target);
            let verb = if *now { "now also holds" } else { "does not hold any more" };
            let shown = witness::show_as_it_is(new, 1, situation, counter).map(|shown| shown.witness);
            (format!("`{name}` {verb} for an attempt on {to}"), shown)
        }
    }
}

fn budget_changes(old: &Program, new: &Program) -> Vec<String> {
    let mut found = Vec::new();
    for budget in &old.budgets {
        match new.budgets.iter().find(|other| other.name == budget.name) {
            None => found.push(format!("`{}` is gone ({})", budget.name, budget_words(old, budget))),
            Some(other) => {
                let (was, now) = (budget_words(old, budget), budget_words(new, other));
                found.extend((was != now).then(|| format!("`{}`: {was} → {now}", budget.name)));
            }
        }
    }
    let added = new.budgets.iter().filter(|budget| !old.budgets.iter().any(|other| other.name == budget.name));
    found.extend(added.map(|budget| format!("`{}` is new ({})", budget.name, budget_words(new, budget))));
    found
}

fn budget_words(program: &Program, budget: &Budget) -> String {
    use crate::lang::ir::Period;
    let period = match budget.period {
        Period::Hour => "hour",
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
    };
    let scope = match &budget.scope {
        BudgetScope::All => String::new(),
        BudgetScope::Key(key) => format!(" for key {}", quote(key)),
        BudgetScope::User(user) => format!(" for user {}", quote(user)),
        BudgetScope::Model(model) => format!(" for model {}", quote(&program.catalogue.card(*model).name)),
        BudgetScope::EachKey => " for each key".to_owned(),
        BudgetScope::EachUser => " for each user".to_owned(),
        BudgetScope::EachSession => " for each session".to_owned(),
    };
    let hard = if budget.hard { " hard" } else { "" };
    format!("{} per {period}{scope}{hard}", Type::Money.show(budget.amount))
}
