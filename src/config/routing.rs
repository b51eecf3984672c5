//! The sections that route, as they are written. `tools::sections` turns them into rules, with their places; these types
//! say which keys there are.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::file::HealthCheckEntry;

/// Who answers when no rule decides.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoutingEntry {
    /// The model that answers.
    pub default_model: Option<String>,
    /// The model that answers when that one cannot.
    pub fallback_model: Option<String>,
    /// `false` switches the section `loadBalancing` off.
    pub load_balancing: Option<bool>,
    /// `false` switches the section `costOptimization` off.
    pub cost_optimization: Option<bool>,
}

/// A rule.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoutingRuleEntry {
    /// As decisions call it, behind `config.`.
    pub name: Option<String>,
    /// When it holds: all that it says.
    pub condition: Option<RuleConditionEntry>,
    /// The model that answers then.
    pub target_model: Option<String>,
    /// Rules with smaller numbers are asked first.
    pub priority: Option<f64>,
}

/// When a rule holds: all that it says.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleConditionEntry {
    /// The prompt contains any of them.
    pub message_contains: Option<Vec<String>>,
    /// A file of any of these types is named: `.py`.
    pub file_types: Option<Vec<String>>,
    /// `code`, `debug`, `documentation`, `analysis`, `creative`, `general`.
    pub task_type: Option<String>,
    /// The size of the request.
    pub token_count: Option<TokenCountEntry>,
    /// `low`, `medium`, `high`.
    pub complexity: Option<String>,
}

/// The size of a request, in tokens.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenCountEntry {
    /// At least.
    pub min: Option<u64>,
    /// At most.
    pub max: Option<u64>,
}

/// A pool that the default routes to.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadBalancingEntry {
    /// It is used.
    pub enabled: Option<bool>,
    /// `round_robin`, `weighted`, `least_busy`, `fastest`, `cheapest`.
    pub strategy: Option<String>,
    /// Its members.
    pub models: Option<Vec<String>>,
    /// Their shares.
    pub weights: Option<BTreeMap<String, f64>>,
    /// How providers are watched, where the section `healthCheck` does not say it.
    pub health_check: Option<HealthCheckEntry>,
}

/// Budgets, and rules by what a request costs.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CostOptimizationEntry {
    /// It is used.
    pub enabled: Option<bool>,
    /// What may be spent.
    pub budget: Option<BudgetEntry>,
    /// In their order.
    pub rules: Option<Vec<CostRuleEntry>>,
}

/// What may be spent; what does not fit is refused.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BudgetEntry {
    /// In an hour.
    pub hourly: Option<f64>,
    /// In a day.
    pub daily: Option<f64>,
    /// In a week.
    pub weekly: Option<f64>,
    /// In a month.
    pub monthly: Option<f64>,
    /// `USD`.
    pub currency: Option<String>,
}

/// A rule with a small expression.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CostRuleEntry {
    /// `tokenCount >= 500 && tokenCount < 2000`.
    pub condition: Option<String>,
    /// The model that answers then.
    pub model: Option<String>,
}

/// Rules by what a prompt is about.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntelligentRoutingEntry {
    /// It is used.
    pub enabled: Option<bool>,
    /// Of those that fit, the one with the highest confidence decides.
    pub rules: Option<Vec<IntentEntry>>,
}

/// What a prompt may be about.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntentEntry {
    /// As decisions call it, behind `config.`.
    pub name: Option<String>,
    /// The prompt contains any of them.
    pub patterns: Option<Vec<String>>,
    /// The model that answers then.
    pub model: Option<String>,
    /// From 0 to 1.
    pub confidence: Option<f64>,
}
