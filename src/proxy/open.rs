//! Opens the store that a configuration names.

use std::sync::Arc;

use crate::config::service::StoreKind;
use crate::proxy::{Active, random, tasks::Tasks};
use crate::state::State;
use crate::state::clock::Clock;
use crate::state::store::Store;
use crate::state::store::journal::Journal;
use crate::state::store::local::Local;
use crate::state::store::redis::{Redis, Settings};

/// The store, and what its user should know about it. Fills the state with what the store holds.
pub async fn store(
    active: &Active,
    state: &State,
    clock: &Clock,
    tasks: &Tasks,
) -> Result<(Arc<dyn Store>, Vec<String>), String> {
    let memory = || -> Arc<dyn Store> { Arc::new(Local::new(state.clone(), clock.clone(), None)) };
    if active.dry_run {
        return Ok((memory(), Vec::new()));
    }
    match &active.configuration.store.kind {
        StoreKind::Memory => Ok((memory(), Vec::new())),
        StoreKind::Sqlite { path, implied } => {
            let (path, filled, at) = (path.clone(), state.clone(), clock.clone());
            let opening = tokio::task::spawn_blocking(move || Journal::open(&path, &filled, &at));
            match opening.await.map_err(|_| "store: opening it failed".to_owned())? {
                Ok(journal) => Ok((Arc::new(Local::new(state.clone(), clock.clone(), Some(journal))), Vec::new())),
                // Nobody asked for a file: what does not need one goes on without.
                Err(why) if *implied && !active.plan.program.budgets.iter().any(|budget| budget.hard) => {
                    Ok((memory(), vec![format!("{why}; what is spent is forgotten when the router stops")]))
                }
                Err(why) => Err(why),
            }
        }
        StoreKind::Redis { url, prefix, timeout } => {
            let settings = Settings { url: url.reveal().to_owned(), prefix: prefix.clone(), timeout: *timeout };
            let replica = format!("{:016x}", random());
            let opened = Redis::open(settings, replica, state.clone(), clock.clone(), |task| tasks.spawn_idle(task));
            let (redis, problem) = opened.await?;
            Ok((Arc::new(redis), problem.into_iter().collect()))
        }
    }
}
