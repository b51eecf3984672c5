//! A situation that the analysis imagined as a request and a moment that `router explain` takes. What the request's body
//! can say it says; the rest is given beside it. Before it is shown it is read back and decided as any other request.

use serde_json::{Value as Json, json};

use crate::features::tokens::Counter;
use crate::lang::analysis::situation::{MAX_TOKENS, MODEL, PROMPT, Situation, Value};
use crate::lang::analysis::variable::{Owned, Variable};
use crate::lang::catalogue::{Catalogue, Found};
use crate::lang::diagnostic::Witness;
use crate::lang::eval::{self, decision::Decision, trace::slot_name};
use crate::lang::input::{Bounds, Fact, Facts, Feature, Features, Input, NUMBER};
use crate::lang::ir::{Argument, BudgetId, Condition, Given, GivenValue, PoolId, Slot};
use crate::lang::plan::Plan;
use crate::lang::schema::fields::{Read, of_read};
use crate::lang::schema::text::quote;
use crate::lang::source::Span;
use crate::tools::given::{With, give_facts};
use crate::tools::request::{self, Recorded};
use crate::wire::Client;

/// The most images or documents that stand in a body.
const BLOCKS_MAX: i64 = 3;
/// Below it, whether a count reaches a threshold depends on the words of a short prompt.
const FEW_TOKENS: i64 = 1_000 * NUMBER;
/// A picture of one point.
const POINT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A situation as a request, and what was decided of it.
#[derive(Debug)]
pub struct Shown {
    /// As diagnostics carry it.
    pub witness: Witness,
    /// What the evaluator decides.
    pub decision: Decision,
}

/// Makes a request of a situation, reads it back and decides it. None when it does not read back as it was imagined.
/// Less is said than the situation says where it is decided alike, and `also` holds. `program` says which of the programs
/// of the analysis the plan is.
pub fn show(
    plan: &Plan,
    program: usize,
    situation: &Situation,
    also: &[&Condition],
    counter: &Counter,
) -> Option<Shown> {
    let alike = |decision: &Decision| (decision.decided, decision.action, decision.attempts.clone());
    let decided = |situation: &Situation| {
        let facts = situation.facts(&plan.program, program);
        let input = Input { request: situation, facts: &facts };
        let held: Vec<bool> = also.iter().map(|condition| eval::holds(plan, &input, condition)).collect();
        (alike(&eval::decide(plan, &input)), held)
    };
    let wanted = decided(situation);
    show_as_it_is(plan, program, &situation.clone().simplified(&|other| decided(other) == wanted), counter)
}

/// The same, with all that the situation says.
pub fn show_as_it_is(plan: &Plan, program: usize, situation: &Situation, counter: &Counter) -> Option<Shown> {
    let recorded = recorded(situation);
    let imagined_facts = situation.facts(&plan.program, program);
    let imagined = Input { request: situation, facts: &imagined_facts };
    let expected = eval::decide(plan, &imagined);
    let catalogue = &plan.program.catalogue;
    let decided = request::with_features(&recorded, catalogue, counter, None, |features, _| {
        let given = given(plan, program, situation, features);
        let with = With::new(features, &given);
        // As `explain` starts from: what a test would fix is given, where the program asks for it.
        let (budgets, pools) = (plan.program.budgets.len(), plan.program.pools.len());
        let mut facts = Facts { bucket: None, ..Facts::of_tests(budgets, pools) };
        give_facts(&mut facts, &given, &plan.program);
        let decision = eval::decide(plan, &Input { request: &with, facts: &facts });
        (given, decision)
    });
    let (given, decision) = decided.ok()?;
    let same = (decision.decided, decision.action) == (expected.decided, expected.action)
        && decision.attempts == expected.attempts;
    if !same {
        return None;
    }
    let what_if = given.iter().map(|given| written(plan, given, "=")).collect();
    let request = if recorded.headers.is_empty() {
        String::from_utf8_lossy(&recorded.body).into_owned()
    } else {
        let headers: serde_json::Map<String, Json> =
            recorded.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let body: Json = serde_json::from_slice(&recorded.body).ok()?;
        json!({"path": "/v1/messages", "headers": headers, "body": body}).to_string()
    };
    let given = told(&[(plan, program)], situation);
    let shows = outcome(plan, &decision);
    Some(Shown { witness: Witness { given, request, what_if, shows }, decision })
}

/// What was decided, in a few words.
fn outcome(plan: &Plan, decision: &Decision) -> String {
    let name = crate::tools::test::decided_name(plan, decision);
    let by = if matches!(decision.decided, eval::decision::Decided::Rule(_)) {
        format!("rule {name}")
    } else {
        format!("the {name}")
    };
    match (decision.attempts.first(), &decision.rejection) {
        (Some(attempt), _) => format!("{by} decides: {}", plan.program.catalogue.card(attempt.model).name),
        (None, Some(rejection)) => format!("{by} decides: {} {}", rejection.status, rejection.message),
        (None, None) => format!("{by} decides"),
    }
}

// --- the request -------------------------------------------------------------------------------------------------------

fn feature(situation: &Situation, feature: Feature) -> Option<&Value> {
    situation.get(&Variable::Feature(feature, None))
}

fn ordinal(situation: &Situation, of: Feature) -> Option<i64> {
    match feature(situation, of) {
        Some(Value::Ordinal(value)) => Some(*value),
        Some(Value::Absent | Value::Text(_) | Value::Set(_)) | None => None,
    }
}

fn text(situation: &Situation, of: Feature) -> Option<&str> {
    match feature(situation, of) {
        Some(Value::Text(text)) => Some(text),
        Some(Value::Absent | Value::Ordinal(_) | Value::Set(_)) | None => None,
    }
}

/// A request with as much of a situation as a body and headers can say.
fn recorded(situation: &Situation) -> Recorded {
    let mut content = vec![json!({"type": "text", "text": text(situation, Feature::Prompt).unwrap_or(PROMPT)})];
    let blocks = |of| ordinal(situation, of).map_or(0, |count| count / NUMBER).min(BLOCKS_MAX);
    for _ in 0..blocks(Feature::Images) {
        content.push(json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": POINT}}));
    }
    for _ in 0..blocks(Feature::Documents) {
        content.push(json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}));
    }
    let content = if content.len() == 1 { content[0]["text"].clone() } else { Json::from(content) };
    let mut body = json!({
        "model": text(situation, Feature::Model).unwrap_or(MODEL),
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": content}],
    });
    if let Some(system) = text(situation, Feature::System).filter(|text| !text.is_empty()) {
        body["system"] = json!(system);
    }
    match feature(situation, Feature::MaxTokens) {
        Some(Value::Ordinal(tokens)) => body["max_tokens"] = json!(tokens / NUMBER),
        Some(Value::Absent) => drop(body.as_object_mut().and_then(|body| body.remove("max_tokens"))),
        Some(Value::Text(_) | Value::Set(_)) | None => {}
    }
    if ordinal(situation, Feature::Stream) == Some(1) {
        body["stream"] = json!(true);
    }
    if let Some(Value::Set(tools)) =
        feature(situation, Feature::Tools).filter(|tools| **tools != Value::Set(Vec::new()))
    {
        let tool = |name: &String| json!({"name": name, "input_schema": {"type": "object"}});
        body["tools"] = tools.iter().map(tool).collect();
    }
    if ordinal(situation, Feature::Thinking) == Some(1) {
        let budget = ordinal(situation, Feature::ThinkingBudget).map_or(MAX_TOKENS, |budget| budget / NUMBER);
        body["thinking"] = json!({"type": "enabled", "budget_tokens": budget});
    }
    let headers = situation.values().filter_map(|(variable, value)| match (variable, value) {
        (Variable::Feature(Feature::Header, Some(name)), Value::Text(text)) => Some((name.clone(), text.clone())),
        _ => None,
    });
    Recorded { client: Client::Messages, headers: headers.collect(), body: body.to_string().into_bytes() }
}

// --- what is given beside it -------------------------------------------------------------------------------------------

/// What the request does not say as it was imagined, of all that the program asks about.
fn given(plan: &Plan, program: usize, situation: &Situation, features: &dyn Features) -> Vec<Given> {
    let mut found: Vec<Given> = Vec::new();
    let mut give = |slot: Slot, value: GivenValue| {
        if !found.iter().any(|known: &Given| known.slot == slot) {
            found.push(Given { slot, value, span: Span::default() });
        }
    };
    for (variable, value) in situation.values() {
        let Some(slot) = slot_of(plan, program, variable) else { continue };
        if !says(features, variable, value) {
            give(slot, given_value(value));
        }
    }
    // What the program asks about and nothing was imagined of is as in the minimal request.
    let facts = situation.facts(&plan.program, program);
    for slot in &plan.program.slots {
        let Slot::Field(field, argument) = slot else { continue };
        match field.row().read {
            Read::Fact(Fact::Time) => give(slot.clone(), GivenValue::Ordinal(facts.minute)),
            Read::Fact(Fact::Date) => give(slot.clone(), GivenValue::Ordinal(facts.day)),
            Read::Fact(Fact::Weekday) => give(slot.clone(), GivenValue::Ordinal(facts.weekday)),
            Read::Fact(Fact::Bucket) => give(slot.clone(), GivenValue::Ordinal(0)),
            Read::Feature(feature) => {
                let name = if let Argument::Text(name) = argument { Some(name.as_str()) } else { None };
                if let Some(value) = imagined_otherwise(plan, situation, features, feature, name) {
                    give(slot.clone(), value);
                }
            }
            Read::Fact(_) => {}
        }
    }
    // What is given of a pool is given to its members, and a date moves the weekday: those come first.
    found.sort_by_key(|given| match &given.slot {
        Slot::Field(_, Argument::Pool(_)) => 0,
        slot if slot.fact() == Some(Fact::Weekday) => 2,
        _ => 1,
    });
    found
}

/// Whether a request says a value by itself, without anything being counted.
fn says(features: &dyn Features, variable: &Variable, value: &Value) -> bool {
    let Variable::Feature(feature, name) = variable else { return false };
    if is_count(*feature) {
        return false;
    }
    match value {
        Value::Ordinal(value) => features.ordinal(*feature, &[]) == Some(Bounds::exactly(*value)),
        Value::Text(text) => features.text(*feature, name.as_deref()).as_deref() == Some(text),
        Value::Set(members) => features.set(*feature).as_ref() == members.as_slice(),
        Value::Absent => {
            features.ordinal(*feature, &[]).is_none() && features.text(*feature, name.as_deref()).is_none()
        }
    }
}

fn is_count(feature: Feature) -> bool {
    matches!(
        feature,
        Feature::Tokens | Feature::PromptTokens | Feature::SystemTokens | Feature::ToolsTokens | Feature::HistoryTokens
    )
}

/// What was imagined of a feature, where the request says something else.
fn imagined_otherwise(
    plan: &Plan,
    situation: &Situation,
    features: &dyn Features,
    feature: Feature,
    name: Option<&str>,
) -> Option<GivenValue> {
    if is_count(feature) {
        let few = plan.program.atoms.iter().any(|atom| match atom {
            crate::lang::ir::Atom::Within(slot, set) => {
                plan.program.slots[slot.index()].feature() == Some(feature)
                    && set.thresholds().any(|threshold| threshold < FEW_TOKENS)
            }
            crate::lang::ir::Atom::Compare(left, _, right) => {
                [left, right].iter().any(|slot| plan.program.slots[slot.index()].feature() == Some(feature))
            }
            _ => false,
        });
        let imagined = situation.ordinal(feature, &[]).map(|bounds| GivenValue::Ordinal(bounds.low));
        return imagined.filter(|_| few);
    }
    let row = of_read(Read::Feature(feature)).row();
    if row.ty.is_ordinal() {
        let (own, read) = (situation.ordinal(feature, &[]), features.ordinal(feature, &[]));
        return (own != read).then(|| own.map_or(GivenValue::Absent, |bounds| GivenValue::Ordinal(bounds.low)));
    }
    if row.ty == crate::lang::schema::types::Type::Text {
        let (own, read) = (situation.text(feature, name), features.text(feature, name));
        return (own != read).then(|| own.map_or(GivenValue::Absent, |text| GivenValue::Text(text.into_owned())));
    }
    let (own, read) = (situation.set(feature), features.set(feature));
    (own != read).then(|| GivenValue::Set(own.into_owned()))
}

fn given_value(value: &Value) -> GivenValue {
    match value {
        Value::Absent => GivenValue::Absent,
        Value::Ordinal(value) => GivenValue::Ordinal(*value),
        Value::Text(text) => GivenValue::Text(text.clone()),
        Value::Set(members) => GivenValue::Set(members.clone()),
    }
}

/// The field that gives a variable its value; none where nothing in the program can.
fn slot_of(plan: &Plan, index: usize, variable: &Variable) -> Option<Slot> {
    let program = &plan.program;
    let is_own = |owned: &Owned| owned.program.is_none_or(|own| own == index);
    let slot = |read, argument| Some(Slot::Field(of_read(read), argument));
    match variable {
        Variable::Feature(feature, name) => {
            slot(Read::Feature(*feature), name.clone().map_or(Argument::None, Argument::Text))
        }
        Variable::Moment(fact) => slot(Read::Fact(*fact), Argument::None),
        Variable::Bucket(name) if name.is_empty() => slot(Read::Fact(Fact::Bucket), Argument::None),
        Variable::Bucket(name) => slot(Read::Fact(Fact::Bucket), Argument::Text(name.clone())),
        Variable::SessionModel => slot(Read::Fact(Fact::SessionModel), Argument::None),
        Variable::Model(fact, model) => slot(Read::Fact(*fact), Argument::Model(*model)),
        Variable::Pool(fact, owned) if is_own(owned) => {
            let place = program.pools.iter().position(|pool| pool.name == owned.name)?;
            slot(Read::Fact(*fact), Argument::Pool(PoolId(u32::try_from(place).ok()?)))
        }
        Variable::Spent(owned) if is_own(owned) => {
            let place = program.budgets.iter().position(|budget| budget.name == owned.name)?;
            slot(Read::Fact(Fact::Spent), Argument::Budget(BudgetId(u32::try_from(place).ok()?)))
        }
        Variable::Pool(..) | Variable::Spent(_) | Variable::Target => None,
    }
}

// --- words -------------------------------------------------------------------------------------------------------------

/// One thing that is given, as `--what-if` takes it, or with a blank between as a test does.
fn written(plan: &Plan, given: &Given, between: &str) -> String {
    let name = field_name(plan, &given.slot);
    let quoted =
        |members: &[String]| format!("[{}]", members.iter().map(|member| quote(member)).collect::<Vec<_>>().join(", "));
    match &given.value {
        GivenValue::Absent if between == "=" => format!("{name}=none"),
        GivenValue::Absent => format!("no {name}"),
        GivenValue::Ordinal(value) => format!("{name}{between}{}", given.slot.ty().show(*value)),
        GivenValue::Text(text) => format!("{name}{between}{}", quote(text)),
        GivenValue::Set(members) => format!("{name}{between}{}", quoted(members)),
    }
}

/// A field as rules write it. A model whose plain name several providers carry goes by its full one.
fn field_name(plan: &Plan, slot: &Slot) -> String {
    if let Slot::Field(field, Argument::Model(model)) = slot {
        return format!("{}({})", field.row().name, quote(&model_name(&plan.program.catalogue, *model)));
    }
    slot_name(&plan.program, slot)
}

/// The name that rules can use for a model.
pub fn model_name(catalogue: &Catalogue, model: crate::lang::catalogue::ModelId) -> String {
    let card = catalogue.card(model);
    if catalogue.find(&card.name) == Found::One(model) { card.name.clone() } else { card.full_name() }
}

/// What sets a situation apart from the minimal request, as a test gives it, in the words of the first program that has
/// any for it.
pub fn told(plans: &[(&Plan, usize)], situation: &Situation) -> String {
    let usual = Situation::default();
    let mut parts: Vec<String> = Vec::new();
    let mut values: Vec<(&Variable, &Value)> = situation.values().collect();
    // What people wrote comes first.
    values.sort_by_key(|(variable, _)| match variable {
        Variable::Feature(Feature::Prompt, _) => 0,
        Variable::Feature(Feature::Files, _) => 1,
        _ => 2,
    });
    for (variable, value) in values {
        if is_usual(&usual, situation, variable, value) {
            continue;
        }
        let named = plans.iter().find_map(|(plan, program)| Some((plan, slot_of(plan, *program, variable)?)));
        if let Some((plan, slot)) = named {
            parts.push(written(plan, &Given { slot, value: given_value(value), span: Span::default() }, " "));
        }
    }
    if parts.is_empty() { format!("given prompt {}", quote(PROMPT)) } else { format!("given {}", parts.join(", ")) }
}

/// Whether a variable has the value that it has anyway.
fn is_usual(usual: &Situation, own: &Situation, variable: &Variable, value: &Value) -> bool {
    match (variable, value) {
        (Variable::Feature(Feature::FilesAll, _), Value::Set(members)) => own.set(Feature::Files).as_ref() == members,
        (Variable::Feature(Feature::Conversation, _), Value::Text(text)) => {
            own.text(Feature::Prompt, None).as_deref() == Some(text)
        }
        (Variable::Feature(feature, _), Value::Ordinal(value)) => {
            !is_count(*feature) && usual.ordinal(*feature, &[]) == Some(Bounds::exactly(*value))
        }
        (Variable::Feature(feature, name), Value::Text(text)) => {
            usual.text(*feature, name.as_deref()).as_deref() == Some(text)
        }
        (Variable::Feature(feature, _), Value::Set(members)) => usual.set(*feature).as_ref() == members,
        (Variable::Feature(feature, name), Value::Absent) => {
            usual.ordinal(*feature, &[]).is_none() && usual.text(*feature, name.as_deref()).is_none()
        }
        (_, Value::Ordinal(value)) => usual.usual_of(variable) == Some(*value),
        (Variable::SessionModel | Variable::Model(..) | Variable::Pool(..), Value::Absent) => true,
        (_, Value::Absent | Value::Text(_) | Value::Set(_)) => false,
    }
}
