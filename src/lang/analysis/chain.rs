//! Whether a chain can be left with nobody who can serve what its rule lets through.

use crate::lang::analysis::Analysis;
use crate::lang::analysis::query::{Query, Truth};
use crate::lang::analysis::reach::Reach;
use crate::lang::analysis::situation::Situation;
use crate::lang::analysis::variable::Variable;
use crate::lang::catalogue::{Card, ModelId};
use crate::lang::input::{Feature, NUMBER};
use crate::lang::ir::{Member, Outcome, Rule, Setting, Target};

/// The room that an answer of the minimal request needs, in tokens.
const ROOM: u64 = 1_024;

/// A request that a chain cannot serve, and who could.
#[derive(Debug, Clone)]
pub struct Stranded {
    /// It comes to the rule, and every target is passed over.
    pub situation: Situation,
    /// A model of another chain of the program that could serve it.
    pub could: ModelId,
}

impl Analysis<'_> {
    /// The rule of a place; none is the default.
    fn rule_of(&self, rule: Option<usize>) -> Option<&Rule> {
        let program = self.world.program(0);
        rule.map_or(program.default.as_ref(), |rule| program.rules.get(rule))
    }

    /// Every model that a rule's chain comes to. None when it also goes to what was asked for or answered last.
    pub fn chain_models(&self, rule: Option<usize>) -> Option<Vec<ModelId>> {
        let Some(Outcome::Route(chain)) = self.rule_of(rule).and_then(|rule| rule.outcome.as_ref()) else {
            return None;
        };
        let mut models = Vec::new();
        for (target, _) in chain {
            match target {
                Target::Model(model) => models.push(*model),
                Target::Pool(pool) => {
                    let members = &self.world.program(0).pools[pool.index()].members;
                    models.extend(members.iter().map(|member| member.model));
                }
                Target::Unknown(_) => {}
                Target::Asked | Target::Same => return None,
            }
        }
        Some(models)
    }

    /// Whether a request comes to a rule that no target of its chain can serve by its size or by what it holds, while a
    /// model of `others` could.
    pub fn stranded(&self, rule: Option<usize>, others: &[ModelId]) -> Option<Stranded> {
        let own = self.chain_models(rule)?;
        let catalogue = self.world.catalogue();
        let settings = &self.rule_of(rule)?.settings;
        let no_thinking = settings.iter().any(|(setting, _)| *setting == Setting::ThinkingOff);
        for could in others.iter().filter(|other| !own.contains(other)) {
            let card = catalogue.card(*could);
            let better = |own: &ModelId| {
                let own = catalogue.card(*own);
                card.window > own.window
                    || (card.images && !own.images)
                    || (card.tools && !own.tools)
                    || (card.thinking && !own.thinking && !no_thinking)
                    || (card.documents && !own.documents)
            };
            if !own.iter().all(better) {
                continue;
            }
            let mut query = self.query();
            let mut holds = vec![match rule {
                Some(rule) => query.rule(0, rule),
                None => query.always(),
            }];
            for model in &own {
                let fits = fits(&mut query, catalogue.card(*model), no_thinking);
                holds.push(!fits);
            }
            let fits = fits(&mut query, card, no_thinking);
            holds.push(fits);
            if let Reach::Reached(situation) = self.reach_with(&mut query, rule, &holds) {
                return Some(Stranded { situation, could: *could });
            }
        }
        None
    }

    /// A first turn that comes to a rule.
    pub fn first_turn(&self, rule: Option<usize>) -> Option<Situation> {
        let mut query = self.query();
        let holds = match rule {
            Some(rule) => query.rule(0, rule),
            None => query.always(),
        };
        let answered = query.text_present(&Variable::SessionModel);
        match self.reach_with(&mut query, rule, &[holds, !answered]) {
            Reach::Reached(situation) => Some(situation),
            Reach::Impossible | Reach::Never(_) | Reach::Unknown => None,
        }
    }
}

/// A model has the window and the abilities for a request.
fn fits(query: &mut Query<'_>, card: &Card, no_thinking: bool) -> Truth {
    let of = |feature| Variable::Feature(feature, None);
    let most = i64::try_from(card.window.saturating_sub(ROOM)).unwrap_or(i64::MAX / NUMBER).saturating_mul(NUMBER);
    let mut parts = vec![!query.at_least(&of(Feature::Tokens), most.saturating_add(1))];
    for (has, feature) in [(card.images, Feature::Images), (card.documents, Feature::Documents)] {
        if !has {
            parts.push(!query.at_least(&of(feature), NUMBER));
        }
    }
    if !card.tools {
        parts.push(!query.holds(&of(Feature::Tools), &Member::Any));
    }
    if !card.thinking && !no_thinking {
        parts.push(!query.at_least(&of(Feature::Thinking), 1));
    }
    query.join(&parts, true)
}
