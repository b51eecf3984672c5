//! Which settings are in effect for an attempt. Every adjust that holds applies, a later one wins over an earlier one,
//! the deciding rule's own win over all; caps hold whatever won, and of several the smallest.

use std::mem::discriminant;

use crate::lang::catalogue::ModelId;
use crate::lang::eval::state::State;
use crate::lang::ir::{Rule, Setting};

/// A setting in effect, and who set it.
#[derive(Debug, Clone, PartialEq)]
pub struct InEffect {
    /// What.
    pub setting: Setting,
    /// The rule or adjust.
    pub by: String,
    /// Those whose setting it overrode.
    pub over: Vec<String>,
}

/// All settings in effect.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effective {
    /// In the order of the table of settings, roughly: as they were first set.
    pub settings: Vec<InEffect>,
    /// The adjusts that hold.
    pub adjusts: Vec<String>,
}

impl Effective {
    /// The words for statistics.
    pub fn tags(&self) -> Vec<&str> {
        self.settings
            .iter()
            .filter_map(|setting| if let Setting::Tag(tag) = &setting.setting { Some(tag.as_str()) } else { None })
            .collect()
    }

    /// The longest answer, when it is set or capped: what was asked for is `asked`.
    pub fn max_tokens(&self, asked: Option<u64>) -> Option<u64> {
        let mut value = asked;
        let mut cap = None;
        for held in &self.settings {
            match held.setting {
                Setting::MaxTokens(tokens) => value = Some(tokens),
                Setting::MaxTokensCap(tokens) => cap = Some(tokens),
                _ => {}
            }
        }
        match (value, cap) {
            (Some(value), Some(cap)) => Some(value.min(cap)),
            (value, cap) => value.or(cap),
        }
    }
}

/// What is in effect when a rule (none is the default) decided, for an attempt on a model.
pub(super) fn of(state: &mut State<'_>, winner: Option<usize>, model: Option<ModelId>) -> Effective {
    let program = &state.plan.program;
    let mut effective = Effective::default();
    state.on_target(model);
    for adjust in &program.adjusts {
        if state.resolve(&adjust.when) {
            effective.adjusts.push(adjust.name.clone());
            apply(&mut effective, adjust);
        }
    }
    state.on_target(None);
    let rule = winner.map(|index| &program.rules[index]).or(program.default.as_ref());
    if let Some(rule) = rule {
        apply(&mut effective, rule);
    }
    effective
}

fn apply(effective: &mut Effective, rule: &Rule) {
    for (setting, _) in &rule.settings {
        let earlier = effective.settings.iter_mut().find(|held| replaces(setting, &held.setting));
        match earlier {
            Some(held) => {
                let keeps = matches!((setting, &held.setting), (Setting::MaxTokensCap(new), Setting::MaxTokensCap(old)) if old <= new);
                if keeps {
                    continue;
                }
                let before = std::mem::replace(&mut held.by, rule.name.clone());
                held.over.push(before);
                held.setting = setting.clone();
            }
            None => {
                effective.settings.push(InEffect { setting: setting.clone(), by: rule.name.clone(), over: Vec::new() });
            }
        }
    }
}

/// Whether two settings cannot both be in effect.
fn replaces(new: &Setting, old: &Setting) -> bool {
    match (new, old) {
        (Setting::Header(new, _), Setting::Header(old, _)) => new == old,
        (Setting::Tag(new), Setting::Tag(old)) => new == old,
        (Setting::SystemPrepend(_) | Setting::SystemAppend(_) | Setting::Mirror(_) | Setting::Transform(_), _) => false,
        (Setting::ThinkingOff, Setting::ThinkingBudget(_)) | (Setting::ThinkingBudget(_), Setting::ThinkingOff) => true,
        (Setting::CacheOff, Setting::CacheFor(_)) | (Setting::CacheFor(_), Setting::CacheOff) => true,
        (new, old) => discriminant(new) == discriminant(old),
    }
}
