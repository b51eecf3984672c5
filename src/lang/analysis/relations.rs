//! What is always so between fields, whatever a request says: an image stands in a message, a part has no more tokens
//! than the whole, a session that nothing answered yet has no model to move from.
//!
//! Every clause here holds of every request and moment that the router can see; one that did not would make a proof
//! wrong. What is only usual stands in `situation`.

use std::collections::HashSet;

use crate::lang::analysis::query::{Query, Truth};
use crate::lang::analysis::variable::{Owned, Variable};
use crate::lang::catalogue::ModelId;
use crate::lang::input::{Fact, Feature, NUMBER};
use crate::lang::ir::{BudgetScope, Member, TextTest};
use crate::lang::schema::fold;

/// The longest answer that an estimate of costs expects, in tokens.
const OUTPUT_TOKENS: i64 = crate::lang::eval::read::EXPECTED_OUTPUT_TOKENS;

/// What was said to the solver already.
#[derive(Debug, Default)]
pub(super) struct Linked {
    said: HashSet<(u8, Variable, i64)>,
}

/// A feature without a name.
fn of(feature: Feature) -> Variable {
    Variable::Feature(feature, None)
}

impl Query<'_> {
    /// Says what is always so of all that is asked about, until nothing new is to be said.
    pub(super) fn link(&mut self) {
        loop {
            let before = self.linked.said.len();
            self.link_parts();
            self.link_messages();
            self.link_counts();
            self.link_offers();
            self.link_files();
            self.link_sessions();
            self.link_costs();
            self.link_pools();
            self.link_budgets();
            if self.linked.said.len() == before {
                return;
            }
        }
    }

    /// Whether something is said for the first time.
    fn first(&mut self, kind: u8, variable: &Variable, value: i64) -> bool {
        self.linked.said.insert((kind, variable.clone(), value))
    }

    fn asked(&self, feature: Feature) -> bool {
        let variable = of(feature);
        self.ordered.contains_key(&variable)
            || self.texts.all.contains_key(&variable)
            || self.sets.all.contains_key(&variable)
    }

    fn some(&mut self, feature: Feature) -> Truth {
        self.at_least(&of(feature), NUMBER)
    }

    /// `small` is never more than `large`.
    fn at_most(&mut self, small: Feature, large: Feature) {
        if !self.asked(small) || !self.asked(large) {
            return;
        }
        let (small, large) = (of(small), of(large));
        let steps: Vec<i64> =
            self.ordered.get(&small).map(|known| known.steps.keys().copied().collect()).unwrap_or_default();
        for step in steps {
            if self.first(1, &small, step) {
                let (less, more) = (self.at_least(&small, step), self.at_least(&large, step));
                self.implies(less, more);
            }
        }
    }

    fn link_parts(&mut self) {
        for part in [Feature::SystemTokens, Feature::ToolsTokens, Feature::HistoryTokens] {
            self.at_most(part, Feature::Tokens);
        }
        self.at_most(Feature::Turns, Feature::Messages);
    }

    /// What a message must be there for.
    fn link_messages(&mut self) {
        if !self.asked(Feature::Messages) {
            return;
        }
        let message = self.some(Feature::Messages);
        for feature in [Feature::Images, Feature::Documents] {
            if self.asked(feature) && self.first(2, &of(feature), 0) {
                let some = self.some(feature);
                self.implies(some, message);
            }
        }
        for feature in [Feature::Prompt, Feature::Conversation] {
            if self.asked(feature) && self.first(2, &of(feature), 0) {
                let filled = self.text(&of(feature), &TextTest::NotEmpty);
                self.implies(filled, message);
            }
        }
        for feature in [Feature::Files, Feature::FilesAll] {
            if self.asked(feature) && self.first(2, &of(feature), 0) {
                let any = self.holds(&of(feature), &Member::Any);
                self.implies(any, message);
            }
        }
    }

    /// A text is empty exactly when it has no tokens; a prompt makes a turn and a conversation.
    fn link_counts(&mut self) {
        for (text, count) in [(Feature::Prompt, Feature::PromptTokens), (Feature::System, Feature::SystemTokens)] {
            if self.asked(text) && self.asked(count) && self.first(3, &of(text), 0) {
                let filled = self.text(&of(text), &TextTest::NotEmpty);
                let some = self.some(count);
                self.implies(filled, some);
                self.implies(some, filled);
            }
        }
        if self.asked(Feature::Prompt) && self.asked(Feature::Turns) && self.first(4, &of(Feature::Prompt), 0) {
            let filled = self.text(&of(Feature::Prompt), &TextTest::NotEmpty);
            let turn = self.some(Feature::Turns);
            self.implies(filled, turn);
        }
        if self.asked(Feature::Prompt) && self.asked(Feature::Conversation) && self.first(5, &of(Feature::Prompt), 0) {
            let prompt = self.text(&of(Feature::Prompt), &TextTest::NotEmpty);
            let conversation = self.text(&of(Feature::Conversation), &TextTest::NotEmpty);
            self.implies(prompt, conversation);
        }
        for feature in [Feature::Prompt, Feature::System, Feature::Conversation] {
            let variable = of(feature);
            let matters =
                self.linked.said.iter().any(|(kind, known, _)| *kind >= 2 && *kind <= 5 && *known == variable);
            if !matters {
                continue;
            }
            let filled = self.text(&variable, &TextTest::NotEmpty);
            let tests = self.texts.not_of_empty(&variable);
            let n = i64::try_from(tests.len()).unwrap_or(i64::MAX);
            if self.first(6, &variable, n) {
                tests.into_iter().for_each(|test| self.implies(test, filled));
            }
        }
    }

    /// A search tool is a tool, tools have tokens, a budget for thinking asks for thinking.
    fn link_offers(&mut self) {
        if self.asked(Feature::WebSearch) && self.asked(Feature::Tools) && self.first(7, &of(Feature::Tools), 0) {
            let search = self.at_least(&of(Feature::WebSearch), 1);
            let any = self.holds(&of(Feature::Tools), &Member::Any);
            self.implies(search, any);
        }
        if self.asked(Feature::ToolsTokens) && self.asked(Feature::Tools) && self.first(7, &of(Feature::Tools), 1) {
            let some = self.some(Feature::ToolsTokens);
            let any = self.holds(&of(Feature::Tools), &Member::Any);
            self.implies(some, any);
            self.implies(any, some);
        }
        let budget = of(Feature::ThinkingBudget);
        if self.asked(Feature::ThinkingBudget) && self.asked(Feature::Thinking) && self.first(7, &budget, 0) {
            let (given, asked) = (self.present(&budget), self.at_least(&of(Feature::Thinking), 1));
            self.implies(given, asked);
        }
    }

    /// What is among the newest files is among all files. The rest of it is the theory's of sets.
    fn link_files(&mut self) {
        let (newest, all) = (of(Feature::Files), of(Feature::FilesAll));
        let (Some(of_newest), Some(of_all)) = (self.sets.all.get(&newest), self.sets.all.get(&all)) else { return };
        let both: Vec<(Truth, Truth)> = of_newest
            .iter()
            .filter_map(|(member, truth)| {
                let wide = of_all.iter().find(|(other, _)| other == member)?;
                Some((*truth, wide.1))
            })
            .collect();
        let n = i64::try_from(both.len()).unwrap_or(i64::MAX);
        if self.first(8, &newest, n) {
            both.into_iter().for_each(|(narrow, wide)| self.implies(narrow, wide));
        }
    }

    /// Moving a session costs something only when it has been somewhere.
    fn link_sessions(&mut self) {
        let moves: Vec<ModelId> = self
            .ordered
            .keys()
            .filter_map(|variable| match variable {
                Variable::Model(Fact::SwitchCost, model) => Some(*model),
                _ => None,
            })
            .collect();
        if moves.is_empty() || !self.texts.all.contains_key(&Variable::SessionModel) {
            return;
        }
        for model in moves {
            let variable = Variable::Model(Fact::SwitchCost, model);
            if !self.first(9, &variable, 0) {
                continue;
            }
            let there = self.present(&variable);
            let session = self.text_present(&Variable::SessionModel);
            self.implies(there, session);
            let catalogue = self.world.catalogue();
            let card = catalogue.card(model);
            if card.prices.is_some() {
                self.implies(session, there);
            }
            let alone = catalogue.models.iter().filter(|other| other.name == card.name).count() == 1;
            if alone {
                let stays = self.text(&Variable::SessionModel, &TextTest::Is(fold::fold(&card.name)));
                let costs = self.at_least(&variable, 1);
                self.require(&[!stays, !costs]);
            }
        }
    }

    /// An estimate grows with the tokens: between the price of the cheapest and of the dearest token each, and at most
    /// the longest expected answer more.
    fn link_costs(&mut self) {
        let tokens = of(Feature::Tokens);
        if !self.ordered.contains_key(&tokens) {
            return;
        }
        let costs: Vec<(ModelId, Vec<i64>)> = self
            .ordered
            .iter()
            .filter_map(|(variable, known)| match variable {
                Variable::Model(Fact::Cost, model) => Some((*model, known.steps.keys().copied().collect())),
                _ => None,
            })
            .collect();
        let counts: Vec<i64> =
            self.ordered.get(&tokens).map(|known| known.steps.keys().copied().collect()).unwrap_or_default();
        for (model, steps) in costs {
            let variable = Variable::Model(Fact::Cost, model);
            let Some(prices) = self.world.catalogue().card(model).prices else { continue };
            let (cheapest, dearest) = (prices.input.min(prices.cache_read), prices.input.max(prices.cache_read));
            for step in steps.into_iter().filter(|_| dearest > 0) {
                if self.first(10, &variable, step) {
                    let rest = i128::from(step) * 1_000 - i128::from(OUTPUT_TOKENS) * i128::from(prices.output);
                    let least = rest.div_euclid(i128::from(dearest)).max(0) * i128::from(NUMBER);
                    let least = i64::try_from(least).unwrap_or(i64::MAX);
                    let (costs, has) = (self.at_least(&variable, step), self.at_least(&tokens, least));
                    self.implies(costs, has);
                }
            }
            for count in counts.iter().filter(|_| cheapest > 0) {
                if self.first(11, &variable, *count) {
                    let least = i128::from(count / NUMBER) * i128::from(cheapest) / 1_000;
                    let least = i64::try_from(least).unwrap_or(i64::MAX);
                    let (has, costs) = (self.at_least(&tokens, *count), self.at_least(&variable, least));
                    self.implies(has, costs);
                }
            }
        }
    }

    /// What is said of a pool is so of the member that would be taken: of one at least, and of the pool when of all.
    fn link_pools(&mut self) {
        let pools: Vec<(Fact, Owned, Vec<i64>)> = self
            .ordered
            .iter()
            .filter_map(|(variable, known)| match variable {
                Variable::Pool(fact, owned) => {
                    // Below all thresholds stands whether it is there at all.
                    let steps = std::iter::once(known.domain.low).chain(known.steps.keys().copied());
                    Some((*fact, owned.clone(), steps.collect()))
                }
                _ => None,
            })
            .collect();
        for (fact, owned, steps) in pools {
            let variable = Variable::Pool(fact, owned.clone());
            for step in steps {
                if !self.first(12, &variable, step) {
                    continue;
                }
                let whole = self.at_least(&variable, step);
                let members = self.world.members(&owned);
                let members: Vec<Truth> =
                    members.into_iter().map(|model| self.at_least(&Variable::Model(fact, model), step)).collect();
                let (all, any) = (self.join(&members, true), self.join(&members, false));
                self.implies(all, whole);
                self.implies(whole, any);
            }
        }
    }

    /// A budget for each key is there when a key is.
    fn link_budgets(&mut self) {
        let budgets: Vec<_> = self
            .ordered
            .keys()
            .filter_map(|variable| if let Variable::Spent(owned) = variable { Some(owned.clone()) } else { None })
            .collect();
        for owned in budgets {
            let feature = match self.world.budget(&owned).map(|budget| &budget.scope) {
                Some(BudgetScope::EachKey) => Feature::Key,
                Some(BudgetScope::EachUser) => Feature::User,
                Some(BudgetScope::EachSession) => Feature::Session,
                _ => continue,
            };
            let variable = Variable::Spent(owned);
            if self.texts.all.contains_key(&of(feature)) && self.first(13, &variable, 0) {
                let (there, known) = (self.present(&variable), self.text_present(&of(feature)));
                self.implies(there, known);
                self.implies(known, there);
            }
        }
    }
}
