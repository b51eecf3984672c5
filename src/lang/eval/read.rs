//! What a slot is, read of the request or of the moment. Both evaluators read here, and only here.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::lang::catalogue::{Card, ModelId, Prices};
use crate::lang::eval::chain;
use crate::lang::input::{Bounds, Fact, Feature, Input, NUMBER, WHOLE};
use crate::lang::ir::{Argument, Program, Slot};
use crate::lang::schema::fields::Read;

/// The longest answer that an estimate of costs expects, in tokens; what is asked for, if that is less.
pub const EXPECTED_OUTPUT_TOKENS: i64 = 1_024;

/// What is asked: a program's slots, of an input, on a target where there is one.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The program.
    pub program: &'a Program,
    /// What it is asked of.
    pub input: &'a Input<'a>,
    /// The model of this attempt, in adjusts.
    pub target: Option<ModelId>,
}

impl<'a> Reading<'a> {
    /// An ordered slot that is no label; none when it is absent. `asked` as in `Features::ordinal`.
    pub fn ordinal(self, slot: &Slot, asked: &[i64]) -> Option<Bounds> {
        let Slot::Field(field, argument) = slot else { return None };
        match field.row().read {
            Read::Feature(feature) => self.input.request.ordinal(feature, asked),
            Read::Fact(fact) => self.fact(fact, argument).map(Bounds::exactly),
        }
    }

    /// A text slot; none when it is absent.
    pub fn text(self, slot: &Slot) -> Option<Cow<'a, str>> {
        let Slot::Field(field, argument) = slot else { return None };
        let name = if let Argument::Text(name) = argument { Some(name.as_str()) } else { None };
        match field.row().read {
            Read::Feature(feature) => self.input.request.text(feature, name),
            Read::Fact(Fact::SessionModel) => {
                let full = self.input.facts.session_model.as_deref()?;
                Some(Cow::Borrowed(full.split_once('/').map_or(full, |(_, model)| model)))
            }
            Read::Fact(Fact::Target) => self.target.map(|model| Cow::Borrowed(self.card(model).name.as_str())),
            Read::Fact(Fact::TargetProvider) => {
                self.target.map(|model| Cow::Borrowed(self.card(model).provider.as_str()))
            }
            Read::Fact(_) => None,
        }
    }

    /// A set slot.
    pub fn set(self, slot: &Slot) -> Cow<'a, [String]> {
        match slot.feature() {
            Some(feature) => self.input.request.set(feature),
            None => Cow::Borrowed(&[]),
        }
    }

    fn card(self, model: ModelId) -> &'a Card {
        self.program.catalogue.card(model)
    }

    fn fact(self, fact: Fact, argument: &Argument) -> Option<i64> {
        let facts = self.input.facts;
        match fact {
            Fact::Time => Some(facts.minute),
            Fact::Weekday => Some(facts.weekday),
            Fact::Date => Some(facts.day),
            Fact::Bucket => Some(self.bucket(argument)),
            Fact::Cost => self.model(argument).and_then(|model| self.cost(model)),
            Fact::SwitchCost => self.model(argument).and_then(|model| self.switch_cost(model)),
            Fact::Healthy => self.model(argument).map(|model| i64::from(facts.model(model.0 as usize).healthy)),
            Fact::Latency => self.model(argument).and_then(|model| facts.model(model.0 as usize).latency_us),
            Fact::Errors => self.model(argument).and_then(|model| facts.model(model.0 as usize).errors),
            Fact::Spent | Fact::Remaining | Fact::Used => self.budget(fact, argument),
            Fact::SessionModel | Fact::Target | Fact::TargetProvider => None,
        }
    }

    /// The model that is asked about; of a pool, the member that would be taken.
    fn model(self, argument: &Argument) -> Option<ModelId> {
        match argument {
            Argument::Model(model) => Some(*model),
            Argument::Pool(pool) => chain::taken_of_pool(self, *pool),
            Argument::None | Argument::Text(_) | Argument::Budget(_) => None,
        }
    }

    fn bucket(self, argument: &Argument) -> i64 {
        let name = if let Argument::Text(name) = argument { name.as_str() } else { "" };
        if let Some((_, fixed)) = self.input.facts.named_buckets.iter().find(|(known, _)| known == name) {
            return *fixed;
        }
        self.input.facts.bucket.unwrap_or_else(|| bucket(name, &self.input.request.bucket_id()))
    }

    fn budget(self, fact: Fact, argument: &Argument) -> Option<i64> {
        let Argument::Budget(id) = argument else { return None };
        let spent = self.input.facts.spent.get(id.index()).copied().unwrap_or(Some(0))?;
        let amount = self.program.budgets[id.index()].amount;
        match fact {
            Fact::Spent => Some(spent),
            Fact::Remaining => Some((amount - spent).max(0)),
            _ if amount == 0 => Some(WHOLE),
            _ => i64::try_from(i128::from(spent) * i128::from(WHOLE) / i128::from(amount)).ok(),
        }
    }

    /// Input tokens, exactly.
    fn tokens(self) -> i64 {
        self.input.request.ordinal(Feature::Tokens, &[]).map_or(0, |bounds| bounds.low / NUMBER)
    }

    /// What this request would cost on a model, in nano-dollars: what its cache holds at the cache's price.
    pub fn cost(self, model: ModelId) -> Option<i64> {
        if let Some((_, given)) = self.input.facts.given_costs.iter().find(|(id, _)| *id == model.0) {
            return Some(*given);
        }
        let prices = self.card(model).prices?;
        let free = prices.input == 0 && prices.output == 0;
        if free {
            return Some(0);
        }
        Some(self.cost_of(model, prices, self.tokens()))
    }

    /// The same, at most: by a bound of the tokens that costs nothing to know.
    pub fn cost_at_most(self, model: ModelId) -> Option<i64> {
        let given = self.input.facts.given_costs.iter().any(|(id, _)| *id == model.0);
        if given {
            return self.cost(model);
        }
        let prices = self.card(model).prices?;
        let most = self.input.request.ordinal(Feature::Tokens, &[i64::MAX]).map_or(0, |bounds| bounds.high / NUMBER);
        Some(self.cost_of(model, prices, most))
    }

    fn cost_of(self, model: ModelId, prices: Prices, tokens: i64) -> i64 {
        let cached = self.cached(model).min(tokens);
        let asked = self.input.request.ordinal(Feature::MaxTokens, &[]).map(|bounds| bounds.high / NUMBER);
        let output = asked.unwrap_or(EXPECTED_OUTPUT_TOKENS).min(EXPECTED_OUTPUT_TOKENS);
        let total = i128::from(tokens - cached) * i128::from(prices.input)
            + i128::from(cached) * i128::from(prices.cache_read)
            + i128::from(output) * i128::from(prices.output);
        i64::try_from(total / 1_000).unwrap_or(i64::MAX)
    }

    /// What moving this session to a model adds, because the cache of the one that it is on is lost.
    pub fn switch_cost(self, model: ModelId) -> Option<i64> {
        if let Some((_, given)) = self.input.facts.given_switch_costs.iter().find(|(id, _)| *id == model.0) {
            return Some(*given);
        }
        let current = self.input.facts.session_model.as_deref()?;
        if self.card(model).full_name() == current {
            return Some(0);
        }
        let prices = self.card(model).prices?;
        let held = self.program.catalogue.find_asked(current).map_or(0, |id| self.cached(id));
        let lost = if held == 0 { 0 } else { (held.min(self.tokens()) - self.cached(model)).max(0) };
        let per_token = (prices.input - prices.cache_read).max(0);
        i64::try_from(i128::from(lost) * i128::from(per_token) / 1_000).ok()
    }

    fn cached(self, model: ModelId) -> i64 {
        i64::try_from(self.input.facts.model(model.0 as usize).cached_tokens).unwrap_or(0)
    }
}

/// The bucket of an id under a name, in millionths: SHA-256 of the name, a zero byte and the id, its first eight bytes
/// as a big-endian number, modulo 10,000, in hundredths of a percent.
pub fn bucket(name: &str, id: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update(name.as_bytes());
    hash.update([0]);
    hash.update(id.as_bytes());
    let digest = hash.finalize();
    let first = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    i64::try_from(first % 10_000).unwrap_or(0) * (WHOLE / 10_000)
}
