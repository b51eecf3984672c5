//! The targets of a decision, tried in order until one answers. What failed before its first byte is given to the next at
//! once; only the same target is waited for.

mod hedge;
mod target;

use std::sync::Arc;

use axum::response::Response;

use crate::lang::eval::decision::{Action, Reason};
use crate::proxy::admit::{self, Admission, Part};
use crate::proxy::attempts::hedge::race;
use crate::proxy::attempts::target::Target;
use crate::proxy::call::Call;
use crate::proxy::decide::Decided;
use crate::proxy::failure::{Blame, Failure};
use crate::proxy::handle::Notes;
use crate::proxy::{Active, App};
use crate::state::facts::sticky_id;
use crate::state::store::Note;
use crate::wire::Client;
use crate::wire::overflow::Overflow;

pub(super) use hedge::Hedges;

/// Follows the chain until a target answers.
pub(super) async fn follow(
    app: &App,
    active: &Arc<Active>,
    call: &Call,
    decided: &Decided,
    admission: Option<Admission>,
    notes: &mut Notes,
) -> Result<Response, Failure> {
    let mut first = match admission.map(|admission| admission.granted) {
        // Who is over a limit is told so, whatever the rules say.
        Some(Err(refused)) if decided.decision.attempts.is_empty() => return Err(refused.failure),
        granted => granted,
    };
    if decided.decision.rejection.is_some() {
        return Err(rejected(decided, call.client));
    }
    for skipped in decided.decision.skipped.iter().filter(|skipped| skipped.reason == Reason::Unknown) {
        tracing::warn!(request = %call.id, model = %skipped.model, "passed over: {}", skipped.detail);
    }
    let mut last: Option<Failure> = None;
    // The largest window that the request did not fit into.
    let mut too_small: Option<u64> = None;
    let n = decided.decision.attempts.len();
    let mut next = 0;
    while next < n {
        let index = next;
        next += 1;
        let attempt = &decided.decision.attempts[index];
        let card = active.plan.program.catalogue.card(attempt.model);
        if too_small.is_some_and(|window| card.window <= window) {
            continue;
        }
        let granted = match first.take() {
            Some(granted) => granted,
            None if active.dry_run => Ok(None),
            None => admit::ask(app, active, call, decided, index, Part::Later).await.granted,
        };
        let target = Target { app, active, call, decided, index };
        let tried = match (granted, target.hedged()) {
            (Ok(grant), Some(after)) => {
                let raced = Box::pin(race(target, grant, after, notes)).await;
                if raced.both {
                    next += 1;
                }
                raced.tried
            }
            (Ok(grant), None) => target.answer(grant, notes, Arc::default()).await.map(|answer| (answer, index)),
            (Err(refused), _) => Err((refused.failure, refused.try_next)),
        };
        match tried {
            Ok(((response, lost), index)) => {
                let card = active.plan.program.catalogue.card(decided.decision.attempts[index].model);
                notes.lost = lost;
                notes.target = Some((card.provider.clone(), card.name.clone()));
                tracing::info!(request = %call.id, rule = %decided.rule, asked = shown(&decided.asked), model = %card.full_name(), "answered");
                keep(app, active, call, decided, index);
                // What is kept is what the first target of the decision answered.
                return Ok(match notes.asking.take() {
                    Some(asking) if index > 0 => {
                        asking.not_kept();
                        response
                    }
                    Some(asking) => asking.copy(app, response, card.full_name(), Arc::clone(&notes.whole)),
                    None => response,
                });
            }
            Err((failure, try_next)) => {
                notes.target = Some((card.provider.clone(), card.name.clone()));
                tracing::warn!(request = %call.id, model = %card.full_name(), "{}", failure.message);
                if failure.is_too_long {
                    // Only a larger window can do better.
                    too_small = too_small.max(Some(card.window));
                } else if !try_next {
                    return Err(failure);
                }
                last = Some(failure);
            }
        }
    }
    let failure = last.unwrap_or_else(|| Failure::new(Blame::Rules, 500, "the rules name no target"));
    Err(failure)
}

/// The longest name of a model that is logged as a client sent it, in characters.
const ASKED_CHARS_MAX: usize = 200;

/// A name that a client sent, as it is logged: as a text in quotes, so that it cannot pass for other fields.
fn shown(asked: &str) -> &str {
    asked.char_indices().nth(ASKED_CHARS_MAX).map_or(asked, |(end, _)| asked.get(..end).unwrap_or_default())
}

/// What a client gets whom the rules send to nobody.
fn rejected(decided: &Decided, client: Client) -> Failure {
    let Some(rejection) = &decided.decision.rejection else {
        return Failure::new(Blame::Rules, 500, "the rules name no target");
    };
    let blame = if decided.decision.action == Action::Unservable { Blame::Client } else { Blame::Rules };
    let is_too_long = decided.decision.action == Action::Unservable
        && !decided.decision.skipped.is_empty()
        && decided.decision.skipped.iter().all(|skipped| skipped.reason == Reason::ContextWindow);
    let mut failure = if is_too_long {
        Failure::too_long(blame, &Overflow::known(rejection.message.clone()), client)
    } else {
        Failure::new(blame, rejection.status, rejection.message.clone())
    };
    if let Some(after) = rejection.retry_after_s {
        failure = failure.with_header("retry-after", after.to_string());
    }
    if rejection.status == 402 { failure.with_header("x-should-retry", "false") } else { failure }
}

/// Remembers whom a sticky pool took.
fn keep(app: &App, active: &Active, call: &Call, decided: &Decided, index: usize) {
    let attempt = &decided.decision.attempts[index];
    let Some(pool) = attempt.pool.map(|pool| &active.plan.program.pools[pool.index()]) else { return };
    let Some(id) = pool.sticky.and_then(|sticky| sticky_id(sticky, decided.caller(call))) else { return };
    let model = active.names.of(attempt.model);
    if app.state.sessions.kept(&pool.name, id).as_deref() != Some(model) {
        app.store.note(Note::Kept { pool: pool.name.clone(), id: id.to_owned(), model: model.to_owned() });
    }
}
