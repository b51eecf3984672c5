//! From the rule that decided to the models that are tried: elements of the chain to candidates, candidates passed over
//! with a reason, pools asked for a member, hard budgets looked at last.

use crate::lang::catalogue::{Card, ModelId};
use crate::lang::eval::decision::{Action, Attempt, Decided, Decision, Reason, Rejection, Skipped};
use crate::lang::eval::effective::{self, Effective};
use crate::lang::eval::read::{Reading, bucket};
use crate::lang::eval::state::State;
use crate::lang::input::{Feature, NUMBER, WHOLE};
use crate::lang::ir::{
    Argument, BudgetId, BudgetScope, Outcome, Pool, PoolId, Rule, Setting, Slot, Sticky, Strategy, Target,
};
use crate::lang::schema::fields::{Read, of_read};
use crate::lang::schema::types::Type;

/// The least room for an answer that a target must leave, in tokens; less when less is asked for.
const ROOM_MIN: i64 = 1_024;
/// How long a client waits that a budget refused, when nothing better is known: until the next hour.
const BUDGET_RETRY_S: u64 = 3_600;

/// Makes a decision of the rule that won; none is the default.
pub(super) fn decision(state: &mut State<'_>, winner: Option<usize>) -> Decision {
    let program = &state.plan.program;
    let rule = winner.map(|index| &program.rules[index]).or(program.default.as_ref());
    let decided = winner.map_or(Decided::Default, Decided::Rule);
    match rule.and_then(|rule| rule.outcome.as_ref().map(|outcome| (rule, outcome))) {
        Some((_, Outcome::Reject { status, message, retry_after_s })) => {
            let rejection = Rejection { status: *status, message: message.clone(), retry_after_s: *retry_after_s };
            answered(decided, Action::Reject, rejection, Vec::new(), Vec::new())
        }
        Some((rule, Outcome::Route(chain))) => {
            let chain: Vec<Target> = chain.iter().map(|(target, _)| target.clone()).collect();
            route(state, winner, rule, decided, chain)
        }
        None => {
            let message = "no rule decides this request, and the program has no default".to_owned();
            answered(
                decided,
                Action::Unservable,
                Rejection { status: 400, message, retry_after_s: None },
                Vec::new(),
                Vec::new(),
            )
        }
    }
}

fn answered(
    decided: Decided,
    action: Action,
    rejection: Rejection,
    chain: Vec<Target>,
    skipped: Vec<Skipped>,
) -> Decision {
    Decision {
        decided,
        action,
        chain,
        attempts: Vec::new(),
        skipped,
        rejection: Some(rejection),
        effective: Effective::default(),
        sticky_broken: None,
    }
}

/// The candidates of a chain, sorted into those that can serve and those that are passed over.
#[derive(Default)]
struct Sorted {
    fit: Vec<Attempt>,
    unhealthy: Vec<Attempt>,
    skipped: Vec<Skipped>,
    budget: Option<BudgetId>,
    sticky_broken: Option<String>,
}

fn route(state: &mut State<'_>, winner: Option<usize>, rule: &Rule, decided: Decided, chain: Vec<Target>) -> Decision {
    let mut sorted = Sorted::default();
    for (element, target) in chain.iter().enumerate() {
        let candidates = candidates(state.reading, target, &mut sorted);
        let mut first = true;
        for (model, pool) in candidates {
            let known = |attempt: &Attempt| attempt.model == model;
            if sorted.fit.iter().any(known) || sorted.unhealthy.iter().any(known) {
                continue;
            }
            let attempt = Attempt { model, element, pool };
            let unfit = unfit(state.reading, &rule.settings, model)
                .filter(|(reason, ..)| *reason != Reason::Thinking || !turned_off(state, winner, model));
            match unfit {
                None => sorted.fit.push(attempt),
                Some((reason, detail, budget)) => {
                    if reason == Reason::Unhealthy {
                        sorted.unhealthy.push(attempt);
                    }
                    sorted.budget = budget.or(sorted.budget);
                    if first && pool.is_some() {
                        broken_stickiness(state.reading, pool, model, reason, &mut sorted);
                    }
                    let name = state.plan.program.catalogue.card(model).name.clone();
                    sorted.skipped.push(Skipped { model: name, reason, detail });
                }
            }
            first = false;
        }
    }
    finish(state, winner, decided, chain, sorted)
}

fn finish(
    state: &mut State<'_>,
    winner: Option<usize>,
    decided: Decided,
    chain: Vec<Target>,
    mut sorted: Sorted,
) -> Decision {
    if sorted.fit.is_empty() && !sorted.unhealthy.is_empty() {
        sorted.fit = std::mem::take(&mut sorted.unhealthy);
        sorted.skipped.retain(|skipped| skipped.reason != Reason::Unhealthy);
    }
    let Some(first) = sorted.fit.first() else { return nothing_fits(state, decided, chain, sorted) };
    let model = first.model;
    let over = over_hard_budget(state.reading, model);
    if let Some(budget) = over {
        return refused(state, budget, chain, sorted.skipped);
    }
    let effective = effective::of(state, winner, Some(model));
    Decision {
        decided,
        action: Action::Route,
        chain,
        attempts: sorted.fit,
        skipped: sorted.skipped,
        rejection: None,
        effective,
        sticky_broken: sorted.sticky_broken,
    }
}

fn refused(state: &State<'_>, budget: BudgetId, chain: Vec<Target>, skipped: Vec<Skipped>) -> Decision {
    let known = &state.plan.program.budgets[budget.index()];
    let message = format!("the budget `{}` of {} is spent", known.name, Type::Money.show(known.amount));
    let rejection = Rejection { status: 402, message, retry_after_s: Some(BUDGET_RETRY_S) };
    answered(Decided::Budget(budget), Action::Reject, rejection, chain, skipped)
}

fn nothing_fits(state: &State<'_>, decided: Decided, chain: Vec<Target>, sorted: Sorted) -> Decision {
    if let Some(budget) = sorted.budget {
        return refused(state, budget, chain, sorted.skipped);
    }
    let each: Vec<String> =
        sorted.skipped.iter().map(|skipped| format!("{}: {}", skipped.model, skipped.detail)).collect();
    let message = format!("no target of the rule can serve this request ({})", each.join("; "));
    answered(
        decided,
        Action::Unservable,
        Rejection { status: 400, message, retry_after_s: None },
        chain,
        sorted.skipped,
    )
}

/// The models that an element of a chain stands for, in the order in which they are tried.
fn candidates(reading: Reading<'_>, target: &Target, sorted: &mut Sorted) -> Vec<(ModelId, Option<PoolId>)> {
    match target {
        Target::Model(model) => vec![(*model, None)],
        Target::Pool(pool) => order(reading, *pool).into_iter().map(|model| (model, Some(*pool))).collect(),
        Target::Asked => {
            let asked = reading.input.request.text(Feature::Model, None).unwrap_or_default();
            match reading.program.catalogue.find_asked(&asked) {
                Some(model) => vec![(model, None)],
                None => {
                    let near = reading.program.catalogue.nearest(&asked);
                    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                    let detail = format!("the model that was asked for is not known{near}");
                    let model = if asked.is_empty() { "model".to_owned() } else { asked.into_owned() };
                    sorted.skipped.push(Skipped { model, reason: Reason::Unknown, detail });
                    Vec::new()
                }
            }
        }
        Target::Unknown(name) => {
            let detail = "no provider has a model of this name".to_owned();
            sorted.skipped.push(Skipped { model: name.clone(), reason: Reason::Unknown, detail });
            Vec::new()
        }
        Target::Same => {
            let last = reading.input.facts.session_model.as_deref();
            match last.map(|name| (name, reading.program.catalogue.find_asked(name))) {
                Some((_, Some(model))) => vec![(model, None)],
                Some((name, None)) => {
                    let detail = "the model that answered last is not known any more".to_owned();
                    sorted.skipped.push(Skipped { model: name.to_owned(), reason: Reason::Unknown, detail });
                    Vec::new()
                }
                None => {
                    let detail = "nothing has answered this session yet".to_owned();
                    sorted.skipped.push(Skipped { model: "same".to_owned(), reason: Reason::FirstTurn, detail });
                    Vec::new()
                }
            }
        }
    }
}

/// Why a model cannot serve, if it cannot.
fn unfit(
    reading: Reading<'_>,
    settings: &[(Setting, crate::lang::source::Span)],
    model: ModelId,
) -> Option<(Reason, String, Option<BudgetId>)> {
    let card = reading.program.catalogue.card(model);
    let facts = reading.input.facts.model(model.0 as usize);
    let reason = |reason, detail: String| Some((reason, detail, None));
    if let Some(why) = reading.input.facts.no_key(model.0 as usize) {
        return reason(Reason::Unknown, why.to_owned());
    }
    if let Some((lacks, what)) = lacks(reading, settings, card) {
        return reason(lacks, format!("it has no {what}, and the request does"));
    }
    if let Some(detail) = too_small(reading, settings, card) {
        return reason(Reason::ContextWindow, detail);
    }
    if let Some(budget) = over_own_budget(reading, model) {
        let name = &reading.program.budgets[budget.index()].name;
        return Some((Reason::Budget, format!("its budget `{name}` is spent"), Some(budget)));
    }
    if !facts.healthy {
        return reason(Reason::Unhealthy, facts.why_not.clone().unwrap_or_else(|| "its last calls failed".to_owned()));
    }
    None
}

/// What the request has and the model has not.
fn lacks(
    reading: Reading<'_>,
    settings: &[(Setting, crate::lang::source::Span)],
    card: &Card,
) -> Option<(Reason, &'static str)> {
    let request = reading.input.request;
    let some = |feature| request.ordinal(feature, &[1]).is_some_and(|bounds| bounds.low > 0);
    let off = settings.iter().any(|(setting, _)| matches!(setting, Setting::ThinkingOff));
    if !card.images && some(Feature::Images) {
        return Some((Reason::Images, "images"));
    }
    if !card.tools && !request.set(Feature::Tools).is_empty() {
        return Some((Reason::Tools, "tools"));
    }
    if !card.thinking && !off && some(Feature::Thinking) {
        return Some((Reason::Thinking, "thinking"));
    }
    (!card.documents && some(Feature::Documents)).then_some((Reason::Documents, "documents"))
}

/// Whether an adjust or the rule turns thinking off for a model.
fn turned_off(state: &mut State<'_>, winner: Option<usize>, model: ModelId) -> bool {
    let effective = effective::of(state, winner, Some(model));
    effective.settings.iter().any(|held| held.setting == Setting::ThinkingOff)
}

/// Why the input leaves too little room, if it does.
fn too_small(reading: Reading<'_>, settings: &[(Setting, crate::lang::source::Span)], card: &Card) -> Option<String> {
    let asked = reading.input.request.ordinal(Feature::MaxTokens, &[]).map(|bounds| bounds.high / NUMBER);
    let set = settings.iter().rev().find_map(|(setting, _)| match setting {
        Setting::MaxTokens(tokens) | Setting::MaxTokensCap(tokens) => i64::try_from(*tokens).ok(),
        _ => None,
    });
    let need = set.or(asked).unwrap_or(ROOM_MIN).min(ROOM_MIN);
    let window = i64::try_from(card.window).unwrap_or(i64::MAX / NUMBER);
    let most = (window - need).saturating_mul(NUMBER);
    let tokens = reading.input.request.ordinal(Feature::Tokens, &[most.saturating_add(1)])?;
    (tokens.low > most).then(|| {
        let least = Type::Number.show(tokens.low);
        let word = if tokens.is_exact() { "" } else { "at least " };
        format!(
            "{word}{least} tokens leave no room in its window of {}",
            Type::Number.show(window.saturating_mul(NUMBER))
        )
    })
}

// --- budgets -----------------------------------------------------------------------------------------------------------

fn over_own_budget(reading: Reading<'_>, model: ModelId) -> Option<BudgetId> {
    over(reading, model, |scope| *scope == BudgetScope::Model(model))
}

/// The general hard budget that a call on the model does not fit into.
fn over_hard_budget(reading: Reading<'_>, model: ModelId) -> Option<BudgetId> {
    let is = |feature, name: &str| reading.input.request.text(feature, None).is_some_and(|text| text == name);
    over(reading, model, |scope| match scope {
        BudgetScope::All | BudgetScope::EachKey | BudgetScope::EachUser | BudgetScope::EachSession => true,
        BudgetScope::Key(key) => is(Feature::Key, key),
        BudgetScope::User(user) => is(Feature::User, user),
        BudgetScope::Model(_) => false,
    })
}

fn over(reading: Reading<'_>, model: ModelId, applies: impl Fn(&BudgetScope) -> bool) -> Option<BudgetId> {
    for (index, budget) in (0u32..).zip(&reading.program.budgets) {
        if !budget.hard || !applies(&budget.scope) {
            continue;
        }
        let facts = reading.input.facts;
        let Some(Some(spent)) = facts.spent.get(index as usize) else { continue };
        // What is only set aside may come back: whoever reserves finds out.
        let spent = spent - facts.set_aside.get(index as usize).copied().unwrap_or(0);
        // Most requests fit whatever their tokens are; they are counted only when that is not sure.
        let fits = reading.cost_at_most(model).is_none_or(|most| spent.saturating_add(most) <= budget.amount);
        let cost = if fits { 0 } else { reading.cost(model).unwrap_or(0) };
        if cost > 0 && spent.saturating_add(cost) > budget.amount {
            return Some(BudgetId(index));
        }
    }
    None
}

// --- pools -------------------------------------------------------------------------------------------------------------

/// The member of a pool that would be taken: the first in its order that can serve.
pub(super) fn taken_of_pool(reading: Reading<'_>, pool: PoolId) -> Option<ModelId> {
    let order = order(reading, pool);
    let fit = order.iter().find(|model| unfit(reading, &[], **model).is_none());
    fit.or_else(|| order.first()).copied()
}

/// The members of a pool, the one that its strategy takes first.
fn order(reading: Reading<'_>, id: PoolId) -> Vec<ModelId> {
    let pool = &reading.program.pools[id.index()];
    let facts = reading.input.facts;
    let mut members: Vec<usize> = (0..pool.members.len()).collect();
    if members.is_empty() {
        return Vec::new();
    }
    let fact = |member: &usize| facts.model(pool.members[*member].model.0 as usize);
    let turn = facts.turns.get(id.index()).copied().unwrap_or(0);
    let n_members = members.len() as u64;
    let place = |n: u64| usize::try_from(n % n_members).unwrap_or(0);
    match pool.strategy {
        Strategy::Weighted => members.rotate_left(by_weight(reading, pool, turn)),
        Strategy::RoundRobin => members.rotate_left(place(turn)),
        Strategy::LeastBusy => {
            // Chance decides between those that are busy alike.
            members.rotate_left(place(facts.spread.unwrap_or(0)));
            members.sort_by_key(|member| fact(member).in_flight);
        }
        Strategy::Fastest => by_speed(&mut members, facts.spread, |member| {
            let seen = fact(member);
            let peak = seen.peak_us.or(seen.latency_us).unwrap_or(0);
            peak.saturating_mul(i64::from(seen.in_flight) + 1)
        }),
        Strategy::Cheapest => {
            members.sort_by_cached_key(|member| reading.cost(pool.members[*member].model).unwrap_or(i64::MAX));
        }
    }
    if let Some(spread) = facts.spread {
        // Who comes back from a rest has its place only now and then.
        members.sort_by_key(|member| drawn(spread, *member) >= fact(member).share);
    }
    let kept = facts
        .sticky
        .get(id.index())
        .copied()
        .flatten()
        .and_then(|model| members.iter().position(|member| pool.members[*member].model.0 == model));
    if let Some(place) = kept {
        let member = members.remove(place);
        members.insert(0, member);
    }
    members.into_iter().map(|member| pool.members[member].model).collect()
}

/// The fastest of two that chance takes comes first, then the other, then the rest by speed: always taking the fastest of
/// all would send everybody to one place. Where nothing is left to chance, by speed alone.
fn by_speed(members: &mut [usize], spread: Option<u64>, time: impl Fn(&usize) -> i64) {
    members.sort_by_cached_key(&time);
    let Some(spread) = spread.filter(|_| members.len() > 2) else { return };
    let n = members.len() as u64;
    let (one, other) = (spread % n, spread / n % (n - 1));
    let other = other + u64::from(other >= one);
    let mut chosen = [one, other].map(|place| usize::try_from(place).unwrap_or(0));
    chosen.sort_unstable();
    // They are in the order of their speed already.
    members[..=chosen[0]].rotate_right(1);
    members[1..=chosen[1]].rotate_right(1);
}

/// A number below the whole that is another one for each request and member (`SplitMix64`).
fn drawn(spread: u64, member: usize) -> i64 {
    let mut drawn = spread.wrapping_add(member as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    i64::try_from((drawn ^ (drawn >> 31)) % WHOLE.unsigned_abs()).unwrap_or(0)
}

/// The member that a point among the weights falls on: the same for the same conversation, user or key; else turn by turn
/// another one, smoothly, because the points are the multiples of the golden ratio, which fill the circle evenly.
fn by_weight(reading: Reading<'_>, pool: &Pool, turn: u64) -> usize {
    let total: i64 = pool.members.iter().map(|member| member.weight).sum();
    if total == 0 {
        return 0;
    }
    let id = pool.sticky.and_then(|sticky| sticky_id(reading, sticky));
    let point = match id {
        Some(id) => {
            u128::try_from(bucket(&pool.name, &id)).unwrap_or(0) * u128::try_from(total).unwrap_or(0) / 1_000_000
        }
        None => {
            let share = u128::from(turn.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            (share * u128::try_from(total).unwrap_or(0)) >> 64
        }
    };
    let point = i64::try_from(point).unwrap_or(0);
    let mut sum = 0;
    let found = pool.members.iter().position(|member| {
        sum += member.weight;
        point < sum
    });
    found.unwrap_or(0)
}

/// What keeps its member.
fn sticky_id(reading: Reading<'_>, sticky: Sticky) -> Option<String> {
    let feature = match sticky {
        Sticky::Session => Feature::Session,
        Sticky::User => Feature::User,
        Sticky::Key => Feature::Key,
    };
    let slot = Slot::Field(of_read(Read::Feature(feature)), Argument::None);
    reading.text(&slot).map(std::borrow::Cow::into_owned)
}

fn broken_stickiness(reading: Reading<'_>, pool: Option<PoolId>, model: ModelId, reason: Reason, sorted: &mut Sorted) {
    let Some(pool) = pool else { return };
    let kept = reading.input.facts.sticky.get(pool.index()).copied().flatten();
    if kept == Some(model.0) {
        let name = &reading.program.catalogue.card(model).name;
        sorted.sticky_broken = Some(format!("{name} was kept until now: {}", reason.word()));
    }
}
