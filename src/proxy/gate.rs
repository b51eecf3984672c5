//! How many requests are worked on at once: of all callers, of a key, of a model. What comes on top waits a while in a
//! bounded queue; what does not fit into that is answered at once, before anything of it is read.

use std::collections::HashMap;
use std::num::NonZero;
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
    /// Room for bodies, in pieces.
    room: Arc<Semaphore>,
    /// Bodies that may be decompressed at once: each takes a processor, and memory beside its room.
    decompressions: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Places of a key or a model, by its name and how many there are.
    named: Mutex<HashMap<(String, usize), Arc<Semaphore>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Room for bodies is given in pieces of so many bytes.
const PIECE: usize = 4_096;

/// The room of a body, until it is dropped.
#[derive(Debug)]
pub(super) struct Room {
    held: OwnedSemaphorePermit,
    bytes: usize,
}

impl Room {
    /// Takes more of it, so that there is room for so many bytes.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Failure> {
        self.bytes = self.bytes.max(bytes);
        let pieces = self.bytes.div_ceil(PIECE).saturating_sub(self.held.num_permits());
        if pieces == 0 {
            return Ok(());
        }
        let semaphore = Arc::clone(self.held.semaphore());
        let more = u32::try_from(pieces).ok().and_then(|pieces| semaphore.try_acquire_many_owned(pieces).ok());
        let more = more.ok_or_else(|| {
            let message = "the router holds as many bytes of requests as it may";
            Failure::new(Blame::Router, 503, message).with_header("retry-after", "1")
        })?;
        self.held.merge(more);
        Ok(())
    }

    /// Gives back what is held beyond so many bytes.
    pub(super) fn shrink(&mut self, bytes: usize) {
        self.bytes = bytes;
        let spare = self.held.num_permits().saturating_sub(bytes.div_ceil(PIECE));
        drop(self.held.split(spare));
    }
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
            room: Arc::new(Semaphore::new((settings.bodies_bytes / PIECE).min(Semaphore::MAX_PERMITS))),
            decompressions: Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get))),
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

    /// Room for a body, none of it taken yet.
    pub(super) fn room(&self) -> Result<Room, Failure> {
        let held = Arc::clone(&self.room).try_acquire_many_owned(0);
        let held = held.map_err(|_| Failure::new(Blame::Router, 503, "the router holds too many requests"))?;
        Ok(Room { held, bytes: 0 })
    }

    /// A place among the bodies that are decompressed.
    pub(super) async fn enter_decompression(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.decompressions).acquire_owned().await.ok()
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
