//! This project's own JSON sections: `routing`, `routingRules`, `loadBalancing`, `costOptimization`,
//! `intelligentRouting`. Sections that say what there is stay in the configuration.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::tools::import::expression::{condition, member};
use crate::tools::import::names::word;
use crate::tools::import::{Imported, Writer, list, one_line, route, texts, without_key};

/// Sections that the configuration takes as they are.
const KEPT: &[&str] = &[
    "router",
    "models",
    "providers",
    "anthropic",
    "openai",
    "google",
    "local",
    "openrouter",
    "timezone",
    "providerOrder",
    "record",
];
/// Sections that become rules.
const ROUTING: &[&str] =
    &["routing", "routingRules", "loadBalancing", "costOptimization", "intelligentRouting", "rules"];
/// Providers of which one entry stands at the top.
const PROVIDERS: &[&str] = &["anthropic", "openai", "google", "local", "openrouter"];

pub(super) fn import(sections: &Map<String, Value>) -> Result<Imported, String> {
    if !sections.keys().any(|name| ROUTING.contains(&name.as_str()) && name != "rules") {
        return Err("it has no section that routes (`routing`, `routingRules`, `loadBalancing`, `costOptimization`, `intelligentRouting`; or `Router` and `Providers` of musistudio's claude-code-router)".to_owned());
    }
    let mut writer = Writer::default();
    let routing = sections.get("routing").and_then(Value::as_object);
    let balanced = balancing(sections, routing, &mut writer);
    let mut rules = String::new();
    std::mem::swap(&mut rules, &mut writer.text);
    routing_rules(sections, &mut writer);
    costs(sections, routing, &mut rules, &mut writer);
    intents(sections, &mut rules, &mut writer);
    default(routing, balanced.as_ref(), &mut writer);
    let (configuration, keys) = configuration(sections, &mut writer);
    Ok(Imported { rules: rules + &writer.text, configuration, notes: writer.notes, keys })
}

/// What stays in the configuration; keys that were written out are variables now.
fn configuration(sections: &Map<String, Value>, writer: &mut Writer) -> (Map<String, Value>, Vec<(String, String)>) {
    let (mut kept, mut keys) = (Map::new(), Vec::new());
    let mut hide = |entry: &mut Value, owner: &str, place: String| {
        if let Value::Object(entry) = entry
            && let Some(variable) = without_key(entry, "apiKey", owner)
        {
            keys.push((variable, place));
        }
    };
    for (name, section) in sections {
        let mut section = section.clone();
        if PROVIDERS.contains(&name.as_str()) {
            hide(&mut section, name, format!("{name}.apiKey"));
        } else if let ("providers", Value::Object(entries)) = (name.as_str(), &mut section) {
            entries.iter_mut().for_each(|(owner, entry)| hide(entry, owner, format!("providers.{owner}.apiKey")));
        } else if let ("models", Value::Object(models)) = (name.as_str(), &mut section) {
            for (model, entry) in models {
                let owner = entry.get("provider").and_then(Value::as_str).unwrap_or(model).to_owned();
                hide(entry, &owner, format!("models.{model}.apiKey"));
            }
        }
        if KEPT.contains(&name.as_str()) {
            without_endpoints(&mut section, name, writer);
            kept.insert(name.clone(), section);
        } else if name == "rules" {
            writer
                .note("`rules` named rule files; put them before the imported one in `rules` of the new configuration");
        } else if !ROUTING.contains(&name.as_str()) {
            writer.note(format!("`{name}` is no section that this version reads"));
        }
    }
    (kept, keys)
}

/// A model is called where its provider is.
fn without_endpoints(section: &mut Value, name: &str, writer: &mut Writer) {
    let providers: Vec<(String, &mut Value)> = match section {
        Value::Object(entries) if name == "providers" => {
            entries.iter_mut().map(|(owner, entry)| (format!("providers.{owner}"), entry)).collect()
        }
        section => vec![(name.to_owned(), section)],
    };
    for (place, provider) in providers {
        let Some(models) = provider.get_mut("models").and_then(Value::as_object_mut) else { continue };
        for (model, entry) in models {
            if entry.as_object_mut().is_some_and(|entry| entry.shift_remove("endpoint").is_some()) {
                writer.note(format!(
                    "`{place}.models.{}.endpoint`: a model is called where its provider is",
                    one_line(model)
                ));
            }
        }
    }
}

/// The pool of `loadBalancing`, where it is on; gives its name.
fn balancing(
    sections: &Map<String, Value>,
    routing: Option<&Map<String, Value>>,
    writer: &mut Writer,
) -> Option<String> {
    let section = sections.get("loadBalancing").and_then(Value::as_object)?;
    let is_on = |value: Option<&Value>| value.and_then(Value::as_bool).unwrap_or(true);
    if !is_on(section.get("enabled")) || !is_on(routing.and_then(|routing| routing.get("loadBalancing"))) {
        writer.note("`loadBalancing` is switched off");
        return None;
    }
    let Some(models) = texts(section.get("models")) else {
        writer.note("`loadBalancing` has no models");
        return None;
    };
    let weights = section.get("weights").and_then(Value::as_object).filter(|weights| !weights.is_empty());
    let written = section.get("strategy").and_then(Value::as_str).unwrap_or("round_robin");
    let strategy = match written.to_lowercase().replace('-', "_").as_str() {
        _ if weights.is_some() => "weighted",
        "weighted" | "random" | "weighted_random" => "weighted",
        "least_busy" | "least_connections" | "least_loaded" => "least_busy",
        "fastest" | "latency" | "least_latency" | "response_time" => "fastest",
        "cheapest" | "cost" | "least_cost" => "cheapest",
        _ => "round_robin",
    };
    if strategy != written {
        writer.note(format!("`loadBalancing.strategy` was `{}`; it is `{strategy}` now", one_line(written)));
    }
    if section.contains_key("healthCheck") {
        writer.note("`loadBalancing.healthCheck`: health is learnt from the calls themselves, and nothing is probed");
    }
    let name = writer.names.take("balanced", "pool");
    let shares = (strategy == "weighted").then(|| shares(&models, weights));
    writer
        .comment("loadBalancing. A conversation stays with its member, where its cache is; `sticky session` says so.");
    let _ = writeln!(writer.text, "pool {name} {strategy} sticky session {{");
    for (index, model) in models.iter().enumerate() {
        let share = shares.as_ref().map_or_else(String::new, |shares| format!("   {}%", shares[index]));
        let _ = writeln!(writer.text, "  {}{share}", crate::lang::schema::text::quote(model));
    }
    writer.text.push_str("}\n\n");
    Some(name)
}

/// Weights as whole percents that add up to a hundred.
fn shares(models: &[String], weights: Option<&Map<String, Value>>) -> Vec<u32> {
    let of = |model: &String| {
        let weight = weights.and_then(|weights| weights.get(model)).and_then(Value::as_f64);
        weight.filter(|weight| weight.is_finite() && *weight > 0.0).unwrap_or(if weights.is_some() { 0.0 } else { 1.0 })
    };
    let all: Vec<f64> = models.iter().map(of).collect();
    let total: f64 = all.iter().sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a hundred")]
    let mut shares: Vec<u32> =
        all.iter().map(|weight| if total > 0.0 { (weight / total * 100.0).round() as u32 } else { 0 }).collect();
    // What rounding took or gave is the first one's.
    if let Some(first) = shares.first().copied() {
        let rest: u32 = shares.iter().skip(1).sum();
        shares[0] = 100u32.saturating_sub(rest).max(u32::from(first > 0));
    }
    shares
}

/// `routingRules`, by priority and then as listed.
fn routing_rules(sections: &Map<String, Value>, writer: &mut Writer) {
    let rules = sections.get("routingRules").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut sorted: Vec<(usize, &Value)> = rules.iter().enumerate().collect();
    let priority = |rule: &Value| rule.get("priority").and_then(Value::as_i64).unwrap_or(i64::MAX);
    sorted.sort_by_key(|(_, rule)| priority(rule));
    for (index, rule) in sorted {
        let place = format!("routingRules[{index}]");
        let text = |member: &str| rule.get(member).and_then(Value::as_str);
        let Some(target) = text("targetModel") else {
            writer.note(format!("`{place}` has no `targetModel`"));
            continue;
        };
        let name = text("name").unwrap_or("rule");
        let priority = rule.get("priority").map_or_else(String::new, |priority| format!(", priority {priority}"));
        match rule_condition(rule.get("condition"), &place, writer) {
            Ok(when) => writer.rule(&format!("{place}{priority}"), name, &when, &[route(&[target.to_owned()])]),
            Err(why) => writer.note(format!("`{place}` (`{}`): {why}", one_line(name))),
        }
    }
}

/// The condition of a rule: its parts joined by `and`, each list `any` of it.
fn rule_condition(condition: Option<&Value>, place: &str, writer: &mut Writer) -> Result<String, String> {
    let members = condition.and_then(Value::as_object).ok_or("it has no condition")?;
    let mut parts = Vec::new();
    for (name, value) in members {
        match name.as_str() {
            "messageContains" => {
                let words = texts(Some(value)).ok_or("`messageContains` is no list of texts")?;
                parts.push(format!("prompt contains any {}", list(&words)));
            }
            "fileTypes" => {
                let types = texts(Some(value)).ok_or("`fileTypes` is no list of texts")?;
                let dotted =
                    |name: &String| if name.starts_with(['.', '*']) { name.clone() } else { format!(".{name}") };
                parts.push(format!("files contains any {}", list(&types.iter().map(dotted).collect::<Vec<_>>())));
            }
            "taskType" | "complexity" => {
                let field = if name == "taskType" { "task" } else { "complexity" };
                parts.push(format!("{field} is {}", member(field, value.as_str().unwrap_or_default())?));
            }
            "tokenCount" => {
                let bound = |member: &str| value.get(member).and_then(Value::as_u64);
                parts.extend(bound("min").map(|min| format!("tokens >= {min}")));
                parts.extend(bound("max").map(|max| format!("tokens <= {max}")));
            }
            other => writer
                .note(format!("`{place}.condition.{}` is nothing that a request is known by here", one_line(other))),
        }
    }
    if parts.is_empty() { Err("nothing is left of its condition".to_owned()) } else { Ok(parts.join(" and ")) }
}

/// Budgets and rules of `costOptimization`.
fn costs(
    sections: &Map<String, Value>,
    routing: Option<&Map<String, Value>>,
    before: &mut String,
    writer: &mut Writer,
) {
    let Some(section) = sections.get("costOptimization").and_then(Value::as_object) else { return };
    let is_on = |value: Option<&Value>| value.and_then(Value::as_bool).unwrap_or(true);
    if !is_on(section.get("enabled")) || !is_on(routing.and_then(|routing| routing.get("costOptimization"))) {
        writer.note("`costOptimization` is switched off");
        return;
    }
    let budget = section.get("budget").and_then(Value::as_object);
    for (member, period) in [("daily", "day"), ("monthly", "month"), ("hourly", "hour"), ("weekly", "week")] {
        let amount = budget.and_then(|budget| budget.get(member)).and_then(Value::as_f64);
        let Some(amount) = amount.filter(|amount| amount.is_finite() && *amount > 0.0 && *amount < 1e9) else {
            continue;
        };
        let name = writer.names.take(member, "budget");
        let _ = writeln!(
            before,
            "# costOptimization.budget.{member}: what does not fit is refused; without `hard` rules alone would read it."
        );
        let _ = writeln!(before, "budget {name} = ${amount:.2} per {period} hard\n");
    }
    if let Some(currency) = budget.and_then(|budget| budget.get("currency")).and_then(Value::as_str)
        && !currency.eq_ignore_ascii_case("usd")
    {
        writer.note(format!(
            "`costOptimization.budget.currency` was `{}`; the amounts are dollars now",
            one_line(currency)
        ));
    }
    let rules = section.get("rules").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (index, rule) in rules.iter().enumerate() {
        let place = format!("costOptimization.rules[{index}]");
        let text = |member: &str| rule.get(member).and_then(Value::as_str);
        let (Some(written), Some(model)) = (text("condition"), text("model")) else {
            writer.note(format!("`{place}` has no `condition` or no `model`"));
            continue;
        };
        match condition(written) {
            Ok(when) => {
                let origin = format!("{place}: {}", one_line(written));
                writer.rule(&origin, &format!("cost_{}", index + 1), &when, &[route(&[model.to_owned()])]);
            }
            Err(why) => writer.note(format!("`{place}` (`{}`): {why}", one_line(written))),
        }
    }
}

/// The label of `intelligentRouting`, and a rule for each of its classes.
fn intents(sections: &Map<String, Value>, before: &mut String, writer: &mut Writer) {
    let Some(section) = sections.get("intelligentRouting").and_then(Value::as_object) else { return };
    if !section.get("enabled").and_then(Value::as_bool).unwrap_or(true) {
        writer.note("`intelligentRouting` is switched off");
        return;
    }
    let rules = section.get("rules").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let (mut lines, mut classes) = (String::new(), super::names::Names::default());
    let label = writer.names.take("intent", "label");
    let mut found = Vec::new();
    let other = classes.take("other", "class");
    for (index, rule) in rules.iter().enumerate() {
        let place = format!("intelligentRouting.rules[{index}]");
        let text = |member: &str| rule.get(member).and_then(Value::as_str);
        let (Some(model), Some(patterns)) = (text("model"), texts(rule.get("patterns"))) else {
            writer.note(format!("`{place}` has no `model` or no `patterns`"));
            continue;
        };
        let name = text("name").unwrap_or("task");
        let class = classes.take(&word(name, "class"), "class");
        let confidence = rule.get("confidence").and_then(Value::as_f64).filter(|share| (0.0..=1.0).contains(share));
        let confidence = confidence.map_or_else(String::new, |share| format!(" confidence {}%", percent(share)));
        let _ = writeln!(lines, "  {class} when prompt contains any {}{confidence}", list(&patterns));
        found.push((place, name.to_owned(), class, model.to_owned()));
    }
    if found.is_empty() {
        return;
    }
    let _ = writeln!(before, "# intelligentRouting: of the classes that fit the one with the highest confidence wins.");
    let _ = writeln!(before, "label {label} {{\n{lines}  {other} otherwise\n}}\n");
    for (place, name, class, model) in found {
        writer.rule(&place, &name, &format!("{label} is {class}"), &[route(&[model])]);
    }
}

/// A share as a percentage without needless digits.
fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn default(routing: Option<&Map<String, Value>>, balanced: Option<&String>, writer: &mut Writer) {
    let text =
        |member: &str| routing.and_then(|routing| routing.get(member)).and_then(Value::as_str).map(str::to_owned);
    let (first, fallback) = (text("defaultModel"), text("fallbackModel"));
    let quote = |model: &String| crate::lang::schema::text::quote(model);
    let mut chain: Vec<String> = Vec::new();
    chain.extend(balanced.cloned());
    if balanced.is_none() {
        chain.push(first.as_ref().map_or_else(|| "model".to_owned(), quote));
    }
    chain.extend(
        fallback.as_ref().filter(|fallback| Some(*fallback) != first.as_ref() || balanced.is_some()).map(quote),
    );
    if let (Some(first), Some(_)) = (&first, &balanced) {
        writer.note(format!("`routing.defaultModel` (`{}`) gives way to `loadBalancing`", one_line(first)));
    }
    let origin = match (&first, &balanced) {
        (_, Some(_)) => "loadBalancing, then routing.fallbackModel",
        (Some(_), None) => "routing.defaultModel, then routing.fallbackModel",
        (None, None) => "There was no routing.defaultModel: what the client asks for",
    };
    writer.default_rule(origin, &[format!("route {}", chain.join(" else "))]);
}
