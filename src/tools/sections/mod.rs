//! The JSON sections that route (`routing`, `routingRules`, `loadBalancing`, `costOptimization`, `intelligentRouting`) as
//! the tree of a `.route` file, so that all that reads rules reads them too. They serve as a second tier behind the rule
//! files, and `router import` prints them.

mod build;
mod expression;
pub(in crate::tools) mod names;
pub(in crate::tools) mod node;

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::ir::load::Tier;
use crate::lang::source::{Source, SourceId, Span};
use crate::lang::syntax::tree::{
    Budget, Comparison, File, Item, ItemKind, Label, LabelLine, ModelName, Operator, Place, Pool, Rule, Target,
};
use crate::tools::sections::names::{Names, word};
use crate::tools::sections::node::{Kind, Node};

/// The sections that become rules.
pub const NAMES: [&str; 5] = ["routing", "routingRules", "loadBalancing", "costOptimization", "intelligentRouting"];
/// How much of an expression is told, in characters.
const SHOWN_CHARS_MAX: usize = 120;
/// What the names of the tier begin with, so that they never meet those of rule files.
const PREFIX: &str = "config.";

/// The tier of a configuration, whose text is JSON with comments, or TOML. Reading it is for when the program is read.
pub fn tier(source: Source, is_toml: bool) -> Tier {
    Tier { source, read: if is_toml { read_toml } else { read_json } }
}

fn read_json(source: &Source, id: SourceId) -> (File, Vec<Diagnostic>) {
    read(Node::of_json(&source.text, id), id)
}

fn read_toml(source: &Source, id: SourceId) -> (File, Vec<Diagnostic>) {
    read(Node::of_toml(&source.text, id), id)
}

fn read(node: Option<Node>, id: SourceId) -> (File, Vec<Diagnostic>) {
    let wrong = |span, words: &str| Diagnostic::new(&codes::BAD_SECTION, span, words);
    let Some(node) = node else {
        return (File::default(), vec![wrong(Span::new(id, 0..0), "the configuration cannot be read")]);
    };
    let made = translate(&node, PREFIX);
    let problems = made.notes.iter().filter(|note| note.is_wrong).map(|note| {
        let problem = wrong(note.span, &format!("{}: {}", note.place, note.words));
        match &note.help {
            Some(help) => problem.help(help.clone()),
            None => problem,
        }
    });
    let problems = problems.collect();
    (File { language: None, items: made.items.into_iter().map(|made| made.item).collect() }, problems)
}

/// What sections become.
#[derive(Debug, Default)]
pub(in crate::tools) struct Translated {
    /// In the order in which a rule file holds them.
    pub(in crate::tools) items: Vec<Made>,
    /// What is not carried out, or is otherwise than it seems.
    pub(in crate::tools) notes: Vec<Note>,
}

/// An item, and which section it is of.
#[derive(Debug)]
pub(in crate::tools) struct Made {
    pub(in crate::tools) item: Item,
    pub(in crate::tools) origin: String,
}

/// Something to be said about a section.
#[derive(Debug)]
pub(in crate::tools) struct Note {
    /// Its path: `routingRules[2].condition`.
    pub(in crate::tools) place: String,
    pub(in crate::tools) words: String,
    /// Whoever serves it refuses it.
    is_wrong: bool,
    help: Option<String>,
    span: Span,
}

/// Turns the sections of a configuration into items whose names begin with `prefix`.
pub(in crate::tools) fn translate(root: &Node, prefix: &'static str) -> Translated {
    let mut writer = Writer { prefix, ..Writer::default() };
    let routing = root.get("routing");
    let balanced = balancing(root, routing, &mut writer);
    routing_rules(root, &mut writer);
    costs(root, routing, &mut writer);
    intents(root, &mut writer);
    default(root, routing, balanced, &mut writer);
    let mut items = writer.first;
    items.extend(writer.rules);
    Translated { items, notes: writer.notes }
}

/// Items as they are made: what rules need first, then the rules.
#[derive(Debug, Default)]
struct Writer {
    prefix: &'static str,
    names: Names,
    first: Vec<Made>,
    rules: Vec<Made>,
    notes: Vec<Note>,
}

impl Writer {
    fn name(&mut self, wanted: &str, kind: &str) -> String {
        format!("{}{}", self.prefix, self.names.take(wanted, kind))
    }

    /// Something that is told to whoever imports it.
    fn told(&mut self, place: impl Into<String>, span: Span, words: impl Into<String>) {
        self.note(place.into(), span, words.into(), false, None);
    }

    /// Something that cannot be carried out.
    fn wrong(&mut self, place: impl Into<String>, span: Span, words: impl Into<String>) {
        self.note(place.into(), span, words.into(), true, None);
    }

    fn note(&mut self, place: String, span: Span, words: String, is_wrong: bool, help: Option<String>) {
        self.notes.push(Note { place, words, is_wrong, help, span });
    }

    fn rule(
        &mut self,
        origin: String,
        name: (&str, Span),
        when: crate::lang::syntax::tree::Condition,
        model: (&str, Span),
    ) {
        let own = build::name(self.name(name.0, "rule"), name.1);
        let target = Target::Named(build::model(model.0, model.1));
        let rule = Rule { name: own, when, actions: build::route(vec![target], model.1) };
        self.rules.push(Made { item: build::item(ItemKind::Rule(rule), name.1), origin });
    }
}

/// A section is on unless it says that it is not.
fn is_on(value: Option<&Node>) -> bool {
    value.and_then(Node::is_true).unwrap_or(true)
}

/// How pools are written by those who call them otherwise.
const STRATEGIES: &[(&str, &str)] = &[
    ("round_robin", "round_robin"),
    ("weighted", "weighted"),
    ("random", "weighted"),
    ("weighted_random", "weighted"),
    ("least_busy", "least_busy"),
    ("least_connections", "least_busy"),
    ("least_loaded", "least_busy"),
    ("fastest", "fastest"),
    ("latency", "fastest"),
    ("least_latency", "fastest"),
    ("response_time", "fastest"),
    ("cheapest", "cheapest"),
    ("cost", "cheapest"),
    ("least_cost", "cheapest"),
];

/// The pool of `loadBalancing`, where it is on; gives its name.
fn balancing(root: &Node, routing: Option<&Node>, writer: &mut Writer) -> Option<ModelName> {
    const AT: &str = "loadBalancing";
    let member = root.member(AT)?;
    let section = &member.value;
    if !is_on(section.get("enabled")) || !is_on(routing.and_then(|routing| routing.get(AT))) {
        writer.told(AT, member.span, "it is switched off");
        return None;
    }
    let Some(models) = section.get("models").and_then(Node::texts) else {
        writer.wrong(AT, member.span, "it has no `models`");
        return None;
    };
    let weights = section.get("weights").filter(|weights| !weights.members().is_empty());
    for weight in weights.map(Node::members).unwrap_or_default() {
        if !models.iter().any(|(model, _)| *model == weight.name) {
            writer.wrong(
                format!("{AT}.weights"),
                weight.span,
                format!("`{}` is none of its `models`", one_line(&weight.name)),
            );
        }
    }
    let strategy = strategy(section, weights.is_some(), writer);
    let name = build::name(writer.name("balanced", "pool"), member.span);
    let shares = (strategy == "weighted").then(|| shares(&models, weights));
    let members = models.iter().enumerate().map(|(index, (model, span))| {
        let share = shares.as_ref().map(|shares| build::quantity(format!("{}%", shares[index]), *span));
        (build::model(model, *span), share)
    });
    let pool = Pool {
        name: name.clone(),
        strategy: build::name(strategy, section.member("strategy").map_or(member.span, |member| member.span)),
        sticky: Some(build::name("session", member.span)),
        hedge: None,
        members: members.collect(),
    };
    let origin = "loadBalancing. A conversation stays with its member, where its cache is; `sticky session` says so.";
    writer.first.push(Made { item: build::item(ItemKind::Pool(pool), member.span), origin: origin.to_owned() });
    Some(ModelName::Name(name))
}

fn strategy(section: &Node, has_weights: bool, writer: &mut Writer) -> &'static str {
    let Some(member) = section.member("strategy") else {
        return if has_weights { "weighted" } else { "round_robin" };
    };
    let written = member.value.text().unwrap_or_default();
    let folded = written.to_lowercase().replace('-', "_");
    let place = "loadBalancing.strategy";
    let Some((_, known)) = STRATEGIES.iter().find(|(word, _)| *word == folded) else {
        let words = format!("`{}` is no strategy", one_line(written));
        let help = format!("known are {}", crate::lang::ir::STRATEGY_WORDS.join(", "));
        writer.note(place.to_owned(), member.span, words, true, Some(help));
        return "round_robin";
    };
    // Turns by weight are what `weighted` takes: it deals them out evenly.
    let strategy = if has_weights && *known == "round_robin" { "weighted" } else { known };
    if strategy != written {
        writer.told(place, member.span, format!("it was `{}`; it is `{strategy}` now", one_line(written)));
    }
    strategy
}

/// Weights as whole percents that add up to a hundred.
fn shares(models: &[(&str, Span)], weights: Option<&Node>) -> Vec<u32> {
    let of = |(model, _): &(&str, Span)| {
        let weight = weights.and_then(|weights| weights.get(model)).and_then(Node::number);
        weight.filter(|weight| *weight > 0.0).unwrap_or(if weights.is_some() { 0.0 } else { 1.0 })
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
fn routing_rules(root: &Node, writer: &mut Writer) {
    let rules = root.get("routingRules").map(Node::list).unwrap_or_default();
    let mut sorted: Vec<(usize, &Node)> = rules.iter().enumerate().collect();
    let priority = |rule: &Node| rule.get("priority").and_then(Node::number);
    sorted.sort_by(|(_, a), (_, b)| {
        let [a, b] = [priority(a), priority(b)].map(|priority| priority.unwrap_or(f64::INFINITY));
        a.total_cmp(&b)
    });
    for (index, rule) in sorted {
        let place = format!("routingRules[{index}]");
        let Some(target) = rule.get("targetModel") else {
            writer.wrong(&place, rule.span, "it has no `targetModel`");
            continue;
        };
        let name = rule.get("name");
        let named = name.and_then(Node::text).unwrap_or("rule");
        let origin = priority(rule).map_or_else(|| place.clone(), |priority| format!("{place}, priority {priority}"));
        match rule_condition(rule, &place, writer) {
            Ok(when) => writer.rule(
                origin,
                (named, name.map_or(rule.span, |name| name.span)),
                when,
                (target.text().unwrap_or_default(), target.span),
            ),
            Err((span, why)) => writer.wrong(&place, span, format!("{why} (`{}`)", one_line(named))),
        }
    }
}

/// A condition, or what about it is wrong, and where.
type Read = Result<crate::lang::syntax::tree::Condition, (Span, String)>;

/// The condition of a rule: its parts joined by `and`, each list `any` of it.
fn rule_condition(rule: &Node, place: &str, writer: &mut Writer) -> Read {
    let condition = rule.member("condition").ok_or((rule.span, "it has no condition".to_owned()))?;
    let mut parts = Vec::new();
    for member in condition.value.members() {
        let (value, span) = (&member.value, member.span);
        let fail = |why: String| (span, why);
        match member.name.as_str() {
            "messageContains" => {
                let words = value.texts().ok_or_else(|| fail("`messageContains` is no list of texts".to_owned()))?;
                parts.push(build::contains_any("prompt", &words, span));
            }
            "fileTypes" => {
                let types = value.texts().ok_or_else(|| fail("`fileTypes` is no list of texts".to_owned()))?;
                let dotted =
                    |name: &str| if name.starts_with(['.', '*']) { name.to_owned() } else { format!(".{name}") };
                let types: Vec<(String, Span)> = types.iter().map(|(name, span)| (dotted(name), *span)).collect();
                let types: Vec<(&str, Span)> = types.iter().map(|(name, span)| (name.as_str(), *span)).collect();
                parts.push(build::contains_any("files", &types, span));
            }
            "taskType" | "complexity" => {
                let field = if member.name == "taskType" { "task" } else { "complexity" };
                let class = expression::member(field, value.text().unwrap_or_default()).map_err(fail)?;
                parts.push(build::test(field, Operator::Is(build::class(class, value.span)), false, span));
            }
            "tokenCount" => {
                for (bound, sign) in [("min", Comparison::GreaterOrEqual), ("max", Comparison::LessOrEqual)] {
                    let Some(member) = value.member(bound) else { continue };
                    let Some(number) = member.value.number() else { continue };
                    let value = build::number(number.to_string(), member.value.span);
                    parts.push(build::test("tokens", Operator::Compare(sign, value), false, member.span));
                }
            }
            other => writer.wrong(
                format!("{place}.condition.{}", one_line(other)),
                span,
                "nothing that a request is known by here",
            ),
        }
    }
    build::all(parts, condition.span).ok_or((condition.span, "nothing is left of its condition".to_owned()))
}

/// The windows of budgets as configurations call them.
const PERIODS: [(&str, &str); 4] = [("daily", "day"), ("monthly", "month"), ("hourly", "hour"), ("weekly", "week")];

/// An amount with its cents, and with more digits where it has more: nothing is rounded away.
fn money(dollars: f64) -> String {
    let cents = format!("{dollars:.2}");
    if cents.parse() == Ok(dollars) { format!("${cents}") } else { format!("${dollars}") }
}

/// Budgets and rules of `costOptimization`.
fn costs(root: &Node, routing: Option<&Node>, writer: &mut Writer) {
    const AT: &str = "costOptimization";
    let Some(member) = root.member(AT) else { return };
    let section = &member.value;
    if !is_on(section.get("enabled")) || !is_on(routing.and_then(|routing| routing.get(AT))) {
        writer.told(AT, member.span, "it is switched off");
        return;
    }
    let budget = section.get("budget");
    for (window, period) in PERIODS {
        let Some(amount) = budget.and_then(|budget| budget.member(window)) else { continue };
        let place = format!("{AT}.budget.{window}");
        let Some(dollars) = amount.value.number().filter(|dollars| *dollars > 0.0 && *dollars < 1e9) else {
            writer.wrong(&place, amount.span, "it is no amount of money");
            continue;
        };
        let budget = Budget {
            name: build::name(writer.name(window, "budget"), amount.span),
            amount: build::quantity(money(dollars), amount.value.span),
            period: build::name(period, amount.span),
            scope: None,
            hard: true,
        };
        let origin = format!("{place}: what does not fit is refused; without `hard` rules alone would read it.");
        writer.first.push(Made { item: build::item(ItemKind::Budget(budget), amount.span), origin });
    }
    if let Some(currency) = budget.and_then(|budget| budget.get("currency"))
        && !currency.text().unwrap_or_default().eq_ignore_ascii_case("usd")
    {
        let words = format!("the amounts are dollars, and not `{}`", one_line(currency.text().unwrap_or_default()));
        writer.wrong(format!("{AT}.budget.currency"), currency.span, words);
    }
    for (index, rule) in section.get("rules").map(Node::list).unwrap_or_default().iter().enumerate() {
        let place = format!("{AT}.rules[{index}]");
        let (Some(condition), Some(model)) = (rule.get("condition"), rule.get("model")) else {
            writer.wrong(&place, rule.span, "it has no `condition` or no `model`");
            continue;
        };
        let written: String = one_line(condition.text().unwrap_or_default()).chars().take(SHOWN_CHARS_MAX).collect();
        match expression::condition(condition) {
            Ok(when) => writer.rule(
                format!("{place}: {written}"),
                (&format!("cost_{}", index + 1), condition.span),
                when,
                (model.text().unwrap_or_default(), model.span),
            ),
            Err((span, why)) => writer.wrong(&place, span, format!("{why} (`{written}`)")),
        }
    }
}

/// The label of `intelligentRouting`, and a rule for each of its classes.
fn intents(root: &Node, writer: &mut Writer) {
    const AT: &str = "intelligentRouting";
    let Some(member) = root.member(AT) else { return };
    let section = &member.value;
    if !is_on(section.get("enabled")) {
        writer.told(AT, member.span, "it is switched off");
        return;
    }
    let mut classes = Names::default();
    let label = writer.name("intent", "label");
    let other = classes.take("other", "class");
    let (mut lines, mut found) = (Vec::new(), Vec::new());
    for (index, rule) in section.get("rules").map(Node::list).unwrap_or_default().iter().enumerate() {
        let place = format!("{AT}.rules[{index}]");
        let patterns = rule.member("patterns").and_then(|member| Some((member.value.texts()?, member.span)));
        let (Some(model), Some((patterns, patterns_at))) = (rule.get("model"), patterns) else {
            writer.wrong(&place, rule.span, "it has no `model` or no `patterns`");
            continue;
        };
        let name = rule.get("name");
        let (named, named_at) = (name.and_then(Node::text).unwrap_or("task"), name.map_or(rule.span, |name| name.span));
        let class = build::name(classes.take(&word(named, "class"), "class"), named_at);
        let confidence = rule.get("confidence").and_then(|confidence| {
            let share = confidence.number().filter(|share| (0.0..=1.0).contains(share));
            if share.is_none() {
                writer.wrong(format!("{place}.confidence"), confidence.span, "it is no share from 0 to 1");
            }
            Some(build::quantity(format!("{}%", percent(share?)), confidence.span))
        });
        lines.push(LabelLine {
            class: class.clone(),
            when: Some(build::contains_any("prompt", &patterns, patterns_at)),
            confidence,
            place: Place(rule.span),
        });
        found.push((place, (named, named_at), (class.text.clone(), patterns_at), model));
    }
    if found.is_empty() {
        return;
    }
    let place = Place(member.span);
    lines.push(LabelLine { class: build::name(other, member.span), when: None, confidence: None, place });
    let item = Label { name: build::name(label.clone(), member.span), ordered: false, lines };
    let origin = "intelligentRouting: of the classes that fit the one with the highest confidence wins.".to_owned();
    writer.first.push(Made { item: build::item(ItemKind::Label(item), member.span), origin });
    for (place, name, (class, at), model) in found {
        let is = Operator::Is(build::class(&class, at));
        let when = build::test(&label, is, false, at);
        writer.rule(place, name, when, (model.text().unwrap_or_default(), model.span));
    }
}

/// A share as a percentage without needless digits.
fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The default: the pool of `loadBalancing` or `routing.defaultModel`, then `routing.fallbackModel`.
fn default(root: &Node, routing: Option<&Node>, balanced: Option<ModelName>, writer: &mut Writer) {
    let model = |member: &str| {
        let node = routing.and_then(|routing| routing.get(member))?;
        Some((node.text()?, node.span))
    };
    let (first, fallback) = (model("defaultModel"), model("fallbackModel"));
    let mut chain = Vec::new();
    let origin = match (&balanced, first) {
        (Some(_), _) => "loadBalancing, then routing.fallbackModel",
        (None, Some(_)) => "routing.defaultModel, then routing.fallbackModel",
        (None, None) => "There was no routing.defaultModel: what the client asks for",
    };
    let span =
        balanced.as_ref().map(ModelName::span).or(first.map(|(_, span)| span)).or(fallback.map(|(_, span)| span));
    match (balanced, first) {
        (Some(pool), first) => {
            chain.push(Target::Named(pool));
            if let Some((first, span)) = first {
                let words = format!("`{}` gives way to `loadBalancing`", one_line(first));
                writer.told("routing.defaultModel", span, words);
            }
        }
        (None, Some((first, span))) => chain.push(Target::Named(build::model(first, span))),
        (None, None) => chain.push(Target::Asked(Place(fallback.map_or(root.span, |(_, span)| span)))),
    }
    let is_pool = matches!(chain.first(), Some(Target::Named(ModelName::Name(_))));
    if let Some((model, span)) = fallback.filter(|(model, _)| is_pool || first.is_none_or(|(first, _)| first != *model))
    {
        chain.push(Target::Named(build::model(model, span)));
    }
    // Where nothing says what the default is, there is none to be told about: the place is empty.
    let span = span.unwrap_or(Span { end: root.span.start, ..root.span });
    let item = build::item(ItemKind::Default(build::route(chain, span)), span);
    writer.rules.push(Made { item, origin: origin.to_owned() });
}

/// Words on one line.
pub(in crate::tools) fn one_line(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether a value is an object that has a section that routes.
pub(in crate::tools) fn routes(node: &Node) -> bool {
    matches!(&node.kind, Kind::Object(members) if members.iter().any(|member| NAMES.contains(&member.name.as_str())))
}
