//! Opens the store that a configuration names.

use std::sync::Arc;

use crate::config::Configuration;
use crate::config::cache::Place;
use crate::config::service::{MasterKey, StoreKind};
use crate::proxy::recording::Recording;
use crate::proxy::{Active, random, tasks::Tasks};
use crate::state::State;
use crate::state::cache::folder::Folder;
use crate::state::cache::memory::Memory;
use crate::state::cache::{self, Cache};
use crate::state::clock::Clock;
use crate::state::seal::{Seal, master_of};
use crate::state::store::Store;
use crate::state::store::journal::Journal;
use crate::state::store::local::Local;
use crate::state::store::redis::{Redis, Settings};

/// The cache of answers, where somebody wants one.
pub(super) fn cache(active: &Active, clock: &Clock) -> Result<Option<Cache>, String> {
    let Some((place, compress)) = active.cache_place().filter(|_| !active.dry_run) else { return Ok(None) };
    let place = match place {
        Place::Memory(bytes) => cache::Place::Memory(Memory::new(usize::try_from(bytes).unwrap_or(usize::MAX))),
        Place::Disk(path, bytes) => {
            let folder = Folder::open(&path, bytes);
            cache::Place::Folder(folder.map_err(|error| format!("cache: {}: {error}", path.display()))?)
        }
        Place::Redis(url, prefix) => {
            let encryption = active.configuration.encryption.as_ref();
            if encryption.is_some_and(|encryption| matches!(encryption.key, MasterKey::File(_))) {
                tracing::warn!(
                    "answers in Redis are encrypted with a key of this machine: set `security.encryption.key`, so that other routers can read them"
                );
            }
            cache::Place::Redis(cache::redis::Redis::new(url.reveal(), prefix, clock.clone())?)
        }
    };
    Ok(Some(Cache::new(place, compress, seal(&active.configuration, clock)?)))
}

/// What encrypts what is written down, where that is wanted.
pub fn seal(configuration: &Configuration, clock: &Clock) -> Result<Option<Seal>, String> {
    let Some(wanted) = &configuration.encryption else { return Ok(None) };
    let master = match &wanted.key {
        MasterKey::Given(master) => *master,
        MasterKey::File(path) => master_of(path)?,
    };
    Ok(Some(Seal::new(&master, wanted.rotation, clock.clone())))
}

/// The recording of traffic, where it is wanted.
pub fn recording(active: &Active, clock: &Clock) -> Result<Option<Recording>, String> {
    let Some(wanted) = active.configuration.record.as_ref().filter(|_| !active.dry_run) else { return Ok(None) };
    Recording::open(wanted, seal(&active.configuration, clock)?).map(Some)
}

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
        StoreKind::Memory => Ok((memory(), active.configuration.store.forgets.iter().cloned().collect())),
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
