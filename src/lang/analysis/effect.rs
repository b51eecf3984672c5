//! What a rule does, without its name and without the names of its program's pools: what two rules, of one program or of
//! two, can be compared by.

use crate::lang::catalogue::ModelId;
use crate::lang::ir::{Outcome, Program, Rule, Setting, Sticky, Strategy, Target};

/// What becomes of a request that a rule decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Effect {
    /// Where it goes, or how it is answered.
    pub ends: Ends,
    /// What else is set, in an order that does not depend on how it was written where that makes no difference.
    pub settings: Vec<Setting>,
}

/// Where a request goes, or how it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ends {
    /// Along a chain.
    Route(Vec<Step>),
    /// With a rejection.
    Reject(u16, String, Option<u64>),
    /// Nowhere: there is no default.
    Nowhere,
}

/// An element of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// A model.
    Model(ModelId),
    /// A pool, by all that it is.
    Pool {
        /// Its name, which stickiness and hashes go by.
        name: String,
        /// How it takes a member.
        strategy: Strategy,
        /// What keeps its member.
        sticky: Option<Sticky>,
        /// Its members and their weights.
        members: Vec<(ModelId, i64)>,
    },
    /// What was asked for.
    Asked,
    /// What answered last.
    Same,
    /// A model that nobody knows.
    Unknown(String),
}

impl Effect {
    /// Of a rule of a program.
    pub fn of(program: &Program, rule: &Rule) -> Self {
        let ends = match &rule.outcome {
            Some(Outcome::Route(chain)) => {
                Ends::Route(without_repeats(chain.iter().map(|(target, _)| step(program, target))))
            }
            Some(Outcome::Reject { status, message, retry_after_s }) => {
                Ends::Reject(*status, message.clone(), *retry_after_s)
            }
            None => Ends::Nowhere,
        };
        let mut settings: Vec<Setting> = rule.settings.iter().map(|(setting, _)| setting.clone()).collect();
        settings.sort_by_key(rank);
        Self { ends, settings }
    }

    /// Of what is done when no rule decides.
    pub fn of_default(program: &Program) -> Self {
        program
            .default
            .as_ref()
            .map_or(Self { ends: Ends::Nowhere, settings: Vec::new() }, |rule| Self::of(program, rule))
    }
}

/// What brings no model that was not tried already is passed over.
fn without_repeats(chain: impl Iterator<Item = Step>) -> Vec<Step> {
    let mut tried: Vec<ModelId> = Vec::new();
    let mut brings_new = |step: &Step| {
        let models: Vec<ModelId> = match step {
            Step::Model(model) => vec![*model],
            Step::Pool { members, .. } => members.iter().map(|(model, _)| *model).collect(),
            Step::Asked | Step::Same | Step::Unknown(_) => return true,
        };
        let new = models.iter().any(|model| !tried.contains(model));
        tried.extend(models);
        new
    };
    chain.filter(|step| brings_new(step)).collect()
}

fn step(program: &Program, target: &Target) -> Step {
    match target {
        Target::Model(model) => Step::Model(*model),
        Target::Pool(pool) => {
            let pool = &program.pools[pool.index()];
            Step::Pool {
                name: pool.name.clone(),
                strategy: pool.strategy,
                sticky: pool.sticky,
                members: pool.members.iter().map(|member| (member.model, member.weight)).collect(),
            }
        }
        Target::Asked => Step::Asked,
        Target::Same => Step::Same,
        Target::Unknown(name) => Step::Unknown(name.clone()),
    }
}

/// Settings of different ranks do not bear on one another; those of one rank stay in the order in which they stand.
fn rank(setting: &Setting) -> u8 {
    match setting {
        Setting::Temperature(_) => 0,
        Setting::TopP(_) => 1,
        Setting::TopK(_) => 2,
        Setting::MaxTokens(_) | Setting::MaxTokensCap(_) => 3,
        Setting::ThinkingOff | Setting::ThinkingBudget(_) => 4,
        Setting::Effort(_) => 5,
        Setting::Stop(_) => 6,
        Setting::Header(..) => 7,
        Setting::SystemPrepend(_) | Setting::SystemAppend(_) => 8,
        Setting::TimeoutFirst(_) => 9,
        Setting::TimeoutTotal(_) => 10,
        Setting::Retry(_) => 11,
        Setting::CacheOff | Setting::CacheFor(_) => 12,
        Setting::Tag(_) => 13,
        Setting::Mirror(_) => 14,
        Setting::Transform(_) => 15,
    }
}
