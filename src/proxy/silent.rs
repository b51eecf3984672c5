//! Connections that have not sent a byte yet. When there is no place for another connection, the oldest of them goes: a
//! client that means something speaks at once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// All connections that are silent, oldest first.
#[derive(Debug, Default)]
pub(super) struct Silent(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// With what ends each of them, by being dropped.
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
}

impl Silent {
    /// Adds a connection. Returns its number and a receiver that is done when the connection has to go.
    pub(super) fn enter(&self) -> (u64, oneshot::Receiver<()>) {
        let (sender, evicted) = oneshot::channel();
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.next += 1;
        let number = queue.next;
        queue.waiting.push_back((number, sender));
        (number, evicted)
    }

    /// Removes a connection that has spoken or gone.
    pub(super) fn leave(&self, number: u64) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(place) = queue.waiting.binary_search_by_key(&number, |(number, _)| *number) {
            queue.waiting.remove(place);
        }
    }

    /// Ends the oldest silent connection. Returns whether there was one.
    pub(super) fn evict(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting.pop_front().is_some()
    }

    /// Ends all silent connections.
    pub(super) fn evict_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_silent_connection_goes_first() {
        let silent = Silent::default();
        let (first, mut one) = silent.enter();
        let (_, mut two) = silent.enter();
        let (_, mut three) = silent.enter();
        silent.leave(first);
        assert!(silent.evict());
        assert!(two.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
        assert!(three.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        silent.evict_all();
        assert!(!silent.evict());
        assert!(one.try_recv().is_err() && three.try_recv().is_err());
    }
}
