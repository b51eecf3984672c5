//! How many requests are worked on at once: of all callers, of a key, of a model. What comes on top waits a while in a
//! bounded queue; what does not fit into that is answered at once, before anything of it is read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::service::Overload;
use crate::proxy::failure::{Blame, Failure};

/// Everybody who is in, and everybody who waits.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) settings: Overload,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Places of a key or a model, by its name and how many there are.
    named: Mutex<HashMap<(String, usize), Arc<Semaphore>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// One who waits, until it is dropped: also when the client goes.
struct Waiting<'g>(&'g Gate);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(super) fn new(settings: Overload) -> Self {
        Self {
            settings,
            places: Arc::new(Semaphore::new(settings.concurrent)),
            waiting: AtomicUsize::new(0),
            named: Mutex::default(),
        }
    }

    /// How many are in, and how many wait.
    pub(super) fn load(&self) -> (usize, usize) {
        let free = self.places.available_permits();
        (self.settings.concurrent.saturating_sub(free), self.waiting.load(Ordering::Relaxed))
    }

    /// A place among all.
    pub(super) async fn enter(&self) -> Result<Place, Failure> {
        self.place(&self.places).await.ok_or_else(|| {
            let message = format!("the router is at its limit of {} requests at once", self.settings.concurrent);
            Failure::new(Blame::Router, 503, message).with_header("retry-after", "1")
        })
    }

    /// A place among those of a key or a model.
    pub(super) async fn enter_named(&self, name: &str, places: usize) -> Result<Place, Failure> {
        let semaphore = {
            let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
            // Those whose places are all free are made again when they are wanted.
            if named.len() > 10_000 {
                named.retain(|(_, places), semaphore| semaphore.available_permits() < *places);
            }
            let made = named.entry((name.to_owned(), places)).or_insert_with(|| Arc::new(Semaphore::new(places)));
            Arc::clone(made)
        };
        self.place(&semaphore).await.ok_or_else(|| {
            let message = format!("{name} is at its limit of {places} requests at once");
            Failure::new(Blame::Router, 429, message).with_header("retry-after", "1")
        })
    }

    async fn place(&self, places: &Arc<Semaphore>) -> Option<Place> {
        let made = |permit| Place { _permit: permit };
        if let Ok(permit) = Arc::clone(places).try_acquire_owned() {
            return Some(made(permit));
        }
        let waits = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(self);
        if waits >= self.settings.queue {
            return None;
        }
        let permit = tokio::time::timeout(self.settings.wait, Arc::clone(places).acquire_owned()).await;
        permit.ok().and_then(Result::ok).map(made)
    }
}
