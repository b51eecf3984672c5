//! A decision in words, and as JSON: the same facts both ways.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::lang::catalogue::ModelId;
use crate::lang::diagnostic::secret;
use crate::lang::eval::decision::{Decided, Decision};
use crate::lang::eval::trace::{Because, RuleTrace, Seen, Trace};
use crate::lang::input::{DOLLAR, NUMBER, SECOND, WHOLE};
use crate::lang::ir::{Program, Rule, Setting, Target};
use crate::lang::plan::Plan;
use crate::lang::schema::types::Type;
use crate::lang::source::Sources;
use crate::tools::test::decided_name;

/// The widest line of the human form, in characters.
pub(super) const WIDTH: usize = 100;
/// How many earlier rules the human form lists.
const RULES_SHOWN_MAX: usize = 40;

/// What is explained.
#[derive(Debug)]
pub struct Explanation<'a> {
    /// What the request is called.
    pub request: &'a str,
    /// What decided.
    pub plan: &'a Plan,
    /// What was decided.
    pub decision: &'a Decision,
    /// Why.
    pub trace: &'a Trace,
    /// What it is expected to cost, in nano-dollars.
    pub cost: Option<i64>,
    /// What deciding took; none where it would differ each time.
    pub microseconds: Option<f64>,
}

// --- words -------------------------------------------------------------------------------------------------------------

/// A setting as it is written.
pub fn setting_words(setting: &Setting) -> String {
    let (name, value) = setting_pair(setting);
    format!("{name} {}", if let Value::String(text) = &value { text.clone() } else { value.to_string() })
}

/// A setting's name and value.
fn setting_pair(setting: &Setting) -> (String, Value) {
    let number = |value: i64| {
        #[expect(clippy::cast_precision_loss, reason = "settings are small")]
        let number = value as f64 / NUMBER as f64;
        if number.fract() == 0.0 { json!(value / NUMBER) } else { json!(number) }
    };
    let seconds = |value: &i64| json!(Type::Duration.show(*value));
    let (name, value) = match setting {
        Setting::Temperature(value) => ("temperature", number(*value)),
        Setting::TopP(value) => ("top_p", number(*value)),
        Setting::TopK(value) => ("top_k", json!(value)),
        Setting::MaxTokens(value) => ("max_tokens", json!(value)),
        Setting::MaxTokensCap(value) => ("max_tokens", json!(format!("at most {value}"))),
        Setting::ThinkingOff => ("thinking", json!("off")),
        Setting::ThinkingBudget(value) => ("thinking", json!(value)),
        Setting::Effort(value) => ("effort", json!(value)),
        Setting::Stop(texts) => ("stop", json!(texts)),
        Setting::Header(name, value) => return (format!("header:{name}"), json!(value)),
        Setting::SystemPrepend(text) => ("system prepend", json!(text)),
        Setting::SystemAppend(text) => ("system append", json!(text)),
        Setting::TimeoutFirst(value) => ("timeout", seconds(value)),
        Setting::TimeoutTotal(value) => ("timeout total", seconds(value)),
        Setting::Retry(n) => ("retry", json!(n)),
        Setting::CacheOff => ("cache", json!("off")),
        Setting::CacheFor(value) => ("cache", seconds(value)),
        Setting::Tag(tag) => ("tag", json!(tag)),
        Setting::Mirror(_) => ("mirror", Value::Null),
        Setting::Transform(name) => ("transform", json!(name)),
    };
    (name.to_owned(), value)
}

/// An element of a chain as it is written.
pub(super) fn target_words(program: &Program, target: &Target) -> String {
    match target {
        Target::Model(model) => program.catalogue.card(*model).name.clone(),
        Target::Pool(pool) => program.pools[pool.index()].name.clone(),
        Target::Asked => "model".to_owned(),
        Target::Same => "same".to_owned(),
        Target::Unknown(name) => name.clone(),
    }
}

impl Explanation<'_> {
    fn sources(&self) -> &Sources {
        &self.plan.program.sources
    }

    fn model_words(&self, model: ModelId) -> String {
        let card = self.plan.program.catalogue.card(model);
        format!("{} ({})", card.name, card.provider)
    }

    fn rule(&self) -> Option<&Rule> {
        match self.decision.decided {
            Decided::Rule(index) => self.plan.program.rules.get(index),
            Decided::Default => self.plan.program.default.as_ref(),
            Decided::Budget(_) => None,
        }
    }

    /// The words of a test on one line.
    fn test_words(&self, because: &Because) -> String {
        let words = self.sources().slice(because.span);
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        if because.outer_not { format!("not {words}") } else { words }
    }

    /// For people.
    pub fn human(&self, colour: bool) -> String {
        let (bold, dim, good, bad, plain) = if colour {
            ("\u{1b}[1m", "\u{1b}[2m", "\u{1b}[32m", "\u{1b}[31m", "\u{1b}[0m")
        } else {
            ("", "", "", "", "")
        };
        let mut text = String::new();
        let by = match self.decision.decided {
            Decided::Rule(_) => format!("rule {}", decided_name(self.plan, self.decision)),
            Decided::Default | Decided::Budget(_) => format!("the {}", decided_name(self.plan, self.decision)),
        };
        let outcome = match (self.decision.attempts.first(), &self.decision.rejection) {
            (Some(attempt), _) => format!("goes to {}", self.model_words(attempt.model)),
            (None, Some(rejection)) => format!("is answered with {}: {}", rejection.status, rejection.message),
            (None, None) => "goes nowhere".to_owned(),
        };
        let _ = writeln!(text, "{bold}{} {outcome}{plain}", self.request);
        let place = self.rule().map_or_else(String::new, |rule| {
            let at = self.sources().position(rule.span);
            format!(" ({}:{}:{})", self.sources().get(rule.span.source).name, at.line, at.column)
        });
        let _ = writeln!(text, "decided by {by}{place}\n");
        let winner = self.trace.rules.iter().find(|rule| self.is_winner(rule));
        if let Some(winner) = winner {
            let _ = writeln!(text, "because");
            let width = winner
                .because
                .iter()
                .map(|because| self.test_words(because).chars().count())
                .max()
                .unwrap_or(0)
                .min(WIDTH / 2);
            for because in &winner.because {
                self.line(&mut text, &format!("  {good}✓{plain} "), because, width);
            }
            text.push('\n');
        }
        self.earlier(&mut text, bad, good, dim, plain);
        self.rest(&mut text);
        secret::hide(&text).into_owned()
    }

    fn is_winner(&self, rule: &RuleTrace) -> bool {
        self.decision.decided == Decided::Rule(rule.index)
    }

    fn line(&self, text: &mut String, lead: &str, because: &Because, width: usize) {
        let via = because.via.as_ref().map_or_else(String::new, |via| format!(" (by {via})"));
        let words = cut(&self.test_words(because), WIDTH - 8);
        let value = format!("{}{via}", because.value);
        if words.chars().count() > width || 6 + width + value.chars().count() > WIDTH {
            let _ = writeln!(text, "{lead}{words}");
            let _ = writeln!(text, "      {}", cut(&value, WIDTH - 6));
        } else {
            let _ = writeln!(text, "{lead}{words:<width$}  {value}");
        }
    }

    fn earlier(&self, text: &mut String, bad: &str, good: &str, dim: &str, plain: &str) {
        let others: Vec<&RuleTrace> = self.trace.rules.iter().filter(|rule| !self.is_winner(rule)).collect();
        if others.is_empty() {
            return;
        }
        let _ = writeln!(text, "why not another rule");
        let hidden = others.len().saturating_sub(RULES_SHOWN_MAX);
        if hidden > 0 {
            let _ = writeln!(text, "  {dim}… {hidden} more before these; --json lists all{plain}");
        }
        for rule in others.iter().skip(hidden) {
            let name = &self.plan.program.rules[rule.index].name;
            let mark = if rule.matched { format!("{good}✓{plain}") } else { format!("{bad}✗{plain}") };
            match rule.because.first() {
                Some(because) => {
                    let via = because.via.as_ref().map_or_else(String::new, |via| format!(", by {via}"));
                    let test = cut(&self.test_words(because), WIDTH / 2);
                    let line = format!("{name}: {test} — {}{via}", because.value);
                    let _ = writeln!(text, "  {mark} {}", cut(&line, WIDTH - 4));
                }
                None => {
                    let _ = writeln!(text, "  {mark} {name}");
                }
            }
        }
        text.push('\n');
    }

    fn rest(&self, text: &mut String) {
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<12} {}", cut(value, WIDTH - 13));
        };
        if let Some(first) = self.decision.attempts.first() {
            let then: Vec<String> =
                self.decision.attempts.iter().skip(1).map(|attempt| self.model_words(attempt.model)).collect();
            let element = self
                .decision
                .chain
                .get(first.element)
                .map_or_else(String::new, |target| target_words(&self.plan.program, target));
            let taken = self.plan.program.catalogue.card(first.model).name.clone();
            let pool = if element == taken { taken } else { format!("{taken}, of {element}") };
            row("target", &if then.is_empty() { pool } else { format!("{pool}; then {}", then.join(", ")) });
        }
        for skipped in &self.decision.skipped {
            row("passed over", &format!("{}: {} ({})", skipped.model, skipped.detail, skipped.reason.word()));
        }
        if let Some(broken) = &self.decision.sticky_broken {
            row("sticky", broken);
        }
        for held in &self.decision.effective.settings {
            let over = if held.over.is_empty() { String::new() } else { format!(", over {}", held.over.join(", ")) };
            row("set", &format!("{} (by {}{over})", setting_words(&held.setting), held.by));
        }
        if let Some(cost) = self.cost {
            row("cost", &format!("about {}", Type::Money.show(rounded(cost))));
        }
        let work = &self.trace.work;
        let tokens = match work.tokens.word() {
            "none" => "tokens not needed",
            "bounded" => "tokens bounded, not counted",
            _ => "tokens counted",
        };
        let time = self.microseconds.map_or_else(String::new, |time| format!("{time:.1} µs, "));
        row("decision", &format!("{time}{} bytes of text searched, {tokens}", work.bytes_scanned));
    }

    // --- JSON ----------------------------------------------------------------------------------------------------------

    /// For programs: see the JSON Schema in the documentation.
    pub fn json(&self) -> Value {
        let location = self.rule().map(|rule| {
            let at = self.sources().position(rule.span);
            json!({"file": self.sources().get(rule.span.source).name, "line": at.line, "column": at.column})
        });
        let route = self.decision.attempts.first().map(|attempt| {
            let card = self.plan.program.catalogue.card(attempt.model);
            let chain: Vec<String> = self.decision.chain.iter().map(|target| target_words(&self.plan.program, target)).collect();
            let fallback: Vec<&String> = chain.iter().skip(attempt.element + 1).collect();
            json!({"target": chain.get(attempt.element), "model": card.name, "provider": card.provider, "chain": chain, "fallback": fallback})
        });
        let reject = self.decision.rejection.as_ref().map(|rejection| {
            json!({"status": rejection.status, "message": rejection.message, "retry_after_s": rejection.retry_after_s})
        });
        let skipped: Vec<Value> = self
            .decision
            .skipped
            .iter()
            .map(|skipped| json!({"model": skipped.model, "reason": skipped.reason.word(), "detail": skipped.detail}))
            .collect();
        let mut evaluation =
            json!({"tokens": self.trace.work.tokens.word(), "bytes_scanned": self.trace.work.bytes_scanned});
        if let Some(time) = self.microseconds {
            evaluation["microseconds"] = json!((time * 10.0).round() / 10.0);
        }
        let mut explained = json!({
            "request": self.request,
            "rule": decided_name(self.plan, self.decision),
            "location": location,
            "action": self.decision.action.word(),
            "route": route,
            "reject": reject,
            "set": self.set_json(),
            "adjusts": self.decision.effective.adjusts,
            "tags": self.decision.effective.tags(),
            "skipped": skipped,
            "trace": self.trace.rules.iter().map(|rule| self.rule_json(rule)).collect::<Vec<_>>(),
            "fields": self.fields_json(),
            "cost": {"estimate_usd": self.cost.map(dollars)},
            "evaluation": evaluation,
        });
        hide_secrets(&mut explained);
        explained
    }

    fn set_json(&self) -> Value {
        let mut set = Map::new();
        if let Some(tokens) = self.decision.effective.max_tokens(None) {
            set.insert("max_tokens".to_owned(), json!(tokens));
        }
        for held in &self.decision.effective.settings {
            let other = matches!(held.setting, Setting::MaxTokens(_) | Setting::MaxTokensCap(_) | Setting::Tag(_));
            if !other {
                let (name, value) = setting_pair(&held.setting);
                set.insert(name, value);
            }
        }
        Value::Object(set)
    }

    fn rule_json(&self, rule: &RuleTrace) -> Value {
        let each = |because: &Because| {
            let mut made = json!({"test": self.test_words(because), "value": because.value, "held": because.held});
            if let Some(via) = &because.via {
                made["via"] = json!(via);
            }
            made
        };
        let name = &self.plan.program.rules[rule.index].name;
        let because = if rule.matched {
            json!(rule.because.iter().map(each).collect::<Vec<_>>())
        } else {
            rule.because.first().map_or(Value::Null, each)
        };
        json!({"rule": name, "matched": rule.matched, "because": because})
    }

    fn fields_json(&self) -> Value {
        let mut fields = Map::new();
        for (name, seen) in &self.trace.fields {
            let value = match seen {
                Seen::Absent => Value::Null,
                Seen::Value(ty, value) => value_json(*ty, *value),
                Seen::Between(low, high) => {
                    let mut bounds = Map::new();
                    if *low > NUMBER {
                        bounds.insert("at_least".to_owned(), json!(low / NUMBER));
                    }
                    bounds.insert("at_most".to_owned(), json!(high / NUMBER));
                    Value::Object(bounds)
                }
                Seen::Text(text) => json!(text.trim_matches('"')),
                Seen::Set(members) => json!(members),
            };
            fields.insert(name.clone(), value);
        }
        Value::Object(fields)
    }
}

fn value_json(ty: Type, value: i64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "what is shown need not be exact to the last bit")]
    let ratio = |unit: i64| value as f64 / unit as f64;
    match ty {
        Type::Number if value % NUMBER == 0 => json!(value / NUMBER),
        Type::Number => json!(ratio(NUMBER)),
        Type::Money => json!(ratio(DOLLAR)),
        Type::Percent => json!(ratio(WHOLE / 100)),
        Type::Duration => json!(ratio(SECOND)),
        Type::Bool => json!(value != 0),
        Type::Time | Type::Date | Type::Member(_) | Type::Class | Type::Text | Type::Paths | Type::Texts => {
            json!(ty.show(value))
        }
    }
}

/// Dollars, to a millionth.
fn dollars(cost: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let dollars = rounded(cost) as f64 / DOLLAR as f64;
    dollars
}

/// To a millionth of a dollar.
fn rounded(cost: i64) -> i64 {
    (cost + 500) / 1_000 * 1_000
}

/// A text that fits.
pub(super) fn cut(text: &str, width: usize) -> String {
    // Half of a secret would not look like one.
    let text = secret::hide(text);
    if text.chars().count() <= width {
        return text.into_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Takes out of all texts what looks like a secret.
fn hide_secrets(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(hidden) = secret::hide(text) {
                *text = hidden;
            }
        }
        Value::Array(parts) => parts.iter_mut().for_each(hide_secrets),
        Value::Object(fields) => fields.values_mut().for_each(hide_secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
