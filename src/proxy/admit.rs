//! What a call takes before it is made: of the limits, of the budgets, of its pool's turn. One step, asked of the store.

use std::time::Duration;

use crate::config::service::{Limit, OnStoreFailure};
use crate::lang::eval::decision::Attempt;
use crate::proxy::call::Call;
use crate::proxy::decide::Decided;
use crate::proxy::failure::{Blame, Failure};
use crate::proxy::{Active, App};
use crate::state::facts::{self, takes_turns};
use crate::state::ledger::{self, Caller};
use crate::state::limits::{Charge, Rate};
use crate::state::store::{Ask, Denied, Grant, Reads, Seen};

/// How long a call waits for money that calls under way hold.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the limits of everybody, of a key and of a model are called by.
const ALL: &str = "all";
const KEY: &str = "key:";
const MODEL: &str = "model:";
/// What limits of tokens expect of an answer that asks for more, in tokens.
const EXPECTED_OUTPUT: u64 = 1_000;

/// A call that may be made, or why not.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) granted: Result<Option<Grant>, Refused>,
    /// The turn of the pool that it took.
    pub(super) turn: Option<u64>,
    /// What others may have changed since the decision.
    pub(super) seen: Option<Seen>,
}

/// Why it may not be made.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) failure: Failure,
    /// Another target may be let through.
    pub(super) try_next: bool,
}

/// What is asked for besides the attempt's own budgets and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The first of a request: it counts as a request, and a shared store says what it knows.
    First,
    /// The same, but the request has been counted.
    FirstAgain,
    /// After another one failed.
    Later,
}

/// Asks for an attempt; without one, for the request alone.
pub(super) async fn ask(
    app: &App,
    active: &Active,
    call: &Call,
    decided: &Decided,
    index: usize,
    part: Part,
) -> Admission {
    let caller = decided.caller(call);
    let program = &active.plan.program;
    let attempt = decided.decision.attempts.get(index);
    let budgets = &program.budgets;
    let claims = match attempt {
        Some(attempt) if !budgets.is_empty() => ledger::claims(budgets, attempt.model.0, caller, &app.clock.periods()),
        _ => Vec::new(),
    };
    let counts = part == Part::First;
    let charges = charges(active, call, decided, attempt.map(|attempt| (attempt, index)), counts);
    let pool = attempt.and_then(|attempt| attempt.pool).map(|pool| &program.pools[pool.index()]);
    let pool = pool.filter(|pool| counts && takes_turns(pool)).map(|pool| pool.name.clone());
    let shared = app.store.is_shared();
    let reads = if shared && counts { facts::reads(program, caller, &app.clock) } else { Reads::default() };
    if claims.is_empty() && charges.is_empty() && pool.is_none() && (!active.reads_shared || reads.is_empty()) {
        return Admission { granted: Ok(None), turn: None, seen: None };
    }
    let asked = Ask {
        id: app.call_id(),
        now: app.clock.unix_nanos(),
        charges,
        claims,
        amount: decided.costs.get(index).copied().unwrap_or(0),
        worst: decided.worst.get(index).copied().unwrap_or(0),
        pool,
        reads,
        patience: PATIENCE,
    };
    let admission = app.store.admit(&asked).await;
    let (turn, granted) = match admission.verdict {
        Ok(turn) => (turn, Ok(Some(Grant::new(&app.store, asked)))),
        Err(Denied::Unreachable(why)) => (None, without_store(active, &asked, &why)),
        Err(denied) => (None, Err(refused(active, &asked, &denied))),
    };
    Admission { granted, turn, seen: admission.seen }
}

/// What becomes of a call whose store cannot be reached.
fn without_store(active: &Active, asked: &Ask, why: &str) -> Result<Option<Grant>, Refused> {
    let counts = !asked.claims.is_empty() || !asked.charges.is_empty();
    match active.configuration.store.on_failure {
        OnStoreFailure::Deny if counts => {
            let message = format!("what budgets and limits count cannot be known now, so that it is refused: {why}");
            let failure = Failure::new(Blame::Router, 503, message).with_header("retry-after", "1");
            Err(Refused { failure, try_next: false })
        }
        OnStoreFailure::Deny | OnStoreFailure::Allow => Ok(None),
    }
}

fn refused(active: &Active, asked: &Ask, denied: &Denied) -> Refused {
    let budget = |claim: usize| {
        let claim = &asked.claims[claim];
        (&active.plan.program.budgets[claim.budget].name, claim.window.whose.starts_with("model:"))
    };
    match denied {
        Denied::Limit(charge, after) => {
            let charge = &asked.charges[*charge];
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            let message = format!("the limit of {} is reached: try again in {seconds} s", words(charge));
            let failure = Failure::new(Blame::Rules, 429, message).with_header("retry-after", seconds.to_string());
            Refused { failure, try_next: charge.id.starts_with(MODEL) }
        }
        Denied::Spent(claim) => {
            let message = format!("the budget `{}` is spent", budget(*claim).0);
            let failure = Failure::new(Blame::Rules, 402, message).with_header("x-should-retry", "false");
            Refused { failure, try_next: true }
        }
        Denied::SetAside(claim) => {
            let message = format!("calls under way hold what is left of the budget `{}`", budget(*claim).0);
            let failure = Failure::new(Blame::Rules, 402, message).with_header("retry-after", "5");
            Refused { failure, try_next: true }
        }
        Denied::Unreachable(why) => Refused { failure: Failure::new(Blame::Router, 503, why.clone()), try_next: false },
    }
}

/// A limit in words: `1000 requests in 3600 s`, and whose.
fn words(charge: &Charge) -> String {
    let (whose, what) = charge.id.rsplit_once(':').unwrap_or(("", &charge.id));
    let whose = match (whose.strip_prefix(KEY), whose.strip_prefix(MODEL)) {
        (Some(""), _) => " of one key".to_owned(),
        (Some(key), _) => format!(" of the key `{key}`"),
        (None, Some(model)) => format!(" of {model}"),
        (None, None) => String::new(),
    };
    format!("{} {what} in {} s{whose}", charge.rate.units, charge.rate.window.as_secs_f64())
}

// --- limits ------------------------------------------------------------------------------------------------------------

/// The limits that an attempt counts against: those of everybody and of its key when the request is counted, those of its
/// model whenever it is tried.
fn charges(
    active: &Active,
    call: &Call,
    decided: &Decided,
    attempt: Option<(&Attempt, usize)>,
    counts: bool,
) -> Vec<Charge> {
    let limits = &active.configuration.limits;
    let mut charges = Vec::new();
    let tokens = tokens(decided, attempt.map(|(_, index)| index));
    if counts {
        if let Some(limit) = &limits.global {
            add(&mut charges, ALL, limit, tokens);
        }
        if let Some(key) = &call.key {
            let own = active.configuration.keys.iter().flatten().find(|known| known.name == *key);
            let limit = own.and_then(|key| key.limit);
            // A key's own number of requests stands in for everybody's.
            let shared = limits.per_key.map(|shared| match limit {
                Some(own) => Limit { requests: own.requests, ..shared },
                None => shared,
            });
            if let Some(limit) = shared.or(limit) {
                add(&mut charges, &format!("{KEY}{key}"), &limit, tokens);
            }
        } else if let Some(limit) = &limits.per_key {
            // Without authentication everybody is the same caller.
            add(&mut charges, KEY, limit, tokens);
        }
    }
    if let Some((attempt, _)) = attempt {
        let name = active.names.of(attempt.model);
        for (_, limit) in limits.per_model.iter().filter(|(model, _)| *model == attempt.model) {
            add(&mut charges, &format!("{MODEL}{name}"), limit, tokens);
        }
    }
    charges
}

/// Tokens that an attempt is expected to use; a request that nobody is asked for uses none.
fn tokens(decided: &Decided, index: Option<usize>) -> u64 {
    let Some(index) = index else { return 0 };
    let output = decided.longest.get(index).copied().unwrap_or(0);
    decided.input_at_most.saturating_add(output.min(EXPECTED_OUTPUT))
}

fn add(charges: &mut Vec<Charge>, whose: &str, limit: &Limit, tokens: u64) {
    let kinds = [(limit.requests, "requests", 1, false), (limit.tokens, "tokens", tokens, true)];
    for (units, what, cost, tokens) in kinds {
        let Some(units) = units.filter(|_| cost > 0) else { continue };
        charges.push(Charge {
            id: format!("{whose}:{what}"),
            rate: Rate { units, window: limit.window },
            cost,
            tokens,
        });
    }
}

impl Decided {
    /// Who calls.
    pub(super) fn caller<'c>(&'c self, call: &'c Call) -> Caller<'c> {
        Caller { key: call.key.as_deref(), user: self.user.as_deref(), session: self.session.as_deref() }
    }
}
