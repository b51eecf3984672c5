//! Members of a pool that are asked a second time, because the first one is later than it usually is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::lang::input::WHOLE;
use crate::proxy::admit::{self, Part};
use crate::proxy::attempts::target::{Answer, Target, Tried};
use crate::proxy::handle::Notes;
use crate::state::store::Grant;

/// How a race of two members of a pool went.
pub(super) struct Raced {
    /// The answer with the place of the attempt that gave it.
    pub(super) tried: Tried<(Answer, usize)>,
    /// The second one was asked too.
    pub(super) both: bool,
}

/// Asks the next member of the pool too when the first one is later than it usually is; the first answer wins, and the
/// other call is given up.
pub(super) async fn race(first: Target<'_>, grant: Option<Grant>, after: Duration, notes: &Notes) -> Raced {
    let second = Target { index: first.index + 1, ..first };
    let (one_overtaken, other_overtaken) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let mut one = std::pin::pin!(first.answer(grant, notes, Arc::clone(&one_overtaken)));
    if let Ok(tried) = tokio::time::timeout(after, &mut one).await {
        return Raced { tried: tried.map(|answer| (answer, first.index)), both: false };
    }
    let may = first.app.hedges.may(first.pool_name(), first.hedge_share());
    let granted = if may {
        let Target { app, active, call, decided, .. } = first;
        admit::ask(app, active, call, decided, second.index, Part::Later).await.granted.ok()
    } else {
        None
    };
    let Some(grant) = granted else {
        return Raced { tried: one.await.map(|answer| (answer, first.index)), both: false };
    };
    tracing::info!(request = %first.call.id, model = %second.card().full_name(), "asked too, because the first is late");
    let mut other = std::pin::pin!(second.answer(grant, notes, Arc::clone(&other_overtaken)));
    let tried = tokio::select! {
        tried = &mut one => match tried {
            Ok(answer) => {
                other_overtaken.store(true, Ordering::Relaxed);
                Ok((answer, first.index))
            }
            Err(_) => other.await.map(|answer| (answer, second.index)),
        },
        tried = &mut other => match tried {
            Ok(answer) => {
                one_overtaken.store(true, Ordering::Relaxed);
                Ok((answer, second.index))
            }
            Err(_) => one.await.map(|answer| (answer, first.index)),
        },
    };
    Raced { tried, both: true }
}

/// How many calls each pool made, and how many of them twice.
#[derive(Debug, Clone, Default)]
pub(in crate::proxy) struct Hedges(Arc<Mutex<HashMap<String, (u64, u64)>>>);

/// Nobody is late before this: what machines and networks do in passing is no reason to pay twice.
const HEDGE_AFTER_MIN: Duration = Duration::from_millis(50);
/// Calls that are counted before a pool hedges at all, so that its share means something.
const CALLS_MIN: u64 = 10;

impl Hedges {
    /// A pool makes a call.
    fn call(&self, pool: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = all.entry(pool.to_owned()).or_default();
        counts.0 += 1;
        // Long ago does not count for ever.
        if counts.0 > 10_000 {
            *counts = (counts.0 / 2, counts.1 / 2);
        }
    }

    /// Whether a pool may make one more call twice, with a share in millionths; if so, it does.
    fn may(&self, pool: &str, share: i64) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (calls, twice) = all.entry(pool.to_owned()).or_default();
        let most = u128::from(*calls) * u128::from(share.unsigned_abs());
        let may = *calls >= CALLS_MIN && u128::from(*twice + 1) * u128::from(WHOLE.unsigned_abs()) <= most;
        *twice += u64::from(may);
        may
    }
}

impl Target<'_> {
    fn pool_name(&self) -> &str {
        self.pool().map_or("", |pool| pool.name.as_str())
    }

    fn hedge_share(self) -> i64 {
        self.pool().and_then(|pool| pool.hedge).unwrap_or(0)
    }

    /// How long the target is waited for before the next member of its pool is asked too; none where that is not wanted, or
    /// not known yet.
    pub(super) fn hedged(self) -> Option<Duration> {
        let pool = self.pool().filter(|pool| pool.hedge.is_some())?;
        if self.active.dry_run {
            return None;
        }
        self.app.hedges.call(&pool.name);
        let next = self.decided.decision.attempts.get(self.index + 1)?;
        if next.pool != self.decided.decision.attempts[self.index].pool {
            return None;
        }
        let usual = self.app.state.health.usual_at_most(&self.card().full_name())?;
        Some(usual.max(HEDGE_AFTER_MIN))
    }
}
