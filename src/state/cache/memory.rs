//! Answers in memory, of so many bytes at most; what was used longest ago goes first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::state::cache::Key;

/// What an entry takes besides its bytes, about.
const OVERHEAD: usize = 200;

#[derive(Debug)]
struct Entry {
    packed: Vec<u8>,
    until: i64,
    used: u64,
}

#[derive(Debug, Default)]
struct Entries {
    all: HashMap<Key, Entry>,
    by_use: BTreeMap<u64, Key>,
    bytes: usize,
    serial: u64,
}

/// Answers in memory.
#[derive(Debug)]
pub struct Memory {
    bytes_max: usize,
    entries: Mutex<Entries>,
}

impl Entries {
    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.all.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.packed.len() + OVERHEAD;
        }
    }
}

impl Memory {
    /// Of so many bytes at most.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, entries: Mutex::default() }
    }

    pub(super) fn find(&self, key: &Key, now: i64) -> Option<Vec<u8>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.all.get(key)?.until <= now {
            entries.remove(key);
            return None;
        }
        entries.serial += 1;
        let serial = entries.serial;
        let entry = entries.all.get_mut(key)?;
        let before = std::mem::replace(&mut entry.used, serial);
        let packed = entry.packed.clone();
        entries.by_use.remove(&before);
        entries.by_use.insert(serial, *key);
        Some(packed)
    }

    pub(super) fn keep(&self, key: Key, packed: Vec<u8>, until: i64) {
        let size = packed.len() + OVERHEAD;
        if size > self.bytes_max {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(&key);
        while entries.bytes + size > self.bytes_max {
            let Some((_, oldest)) = entries.by_use.pop_first() else { break };
            entries.remove(&oldest);
        }
        entries.serial += 1;
        let used = entries.serial;
        entries.bytes += size;
        entries.by_use.insert(used, key);
        entries.all.insert(key, Entry { packed, until, used });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first_and_what_is_old_is_not_found() {
        let memory = Memory::new(3 * (100 + OVERHEAD));
        let key = |n: u8| [n; 32];
        (1..=3).for_each(|n| memory.keep(key(n), vec![n; 100], 10));
        assert!(memory.find(&key(1), 0).is_some());
        memory.keep(key(4), vec![4; 100], 10);
        let there = |n| memory.find(&key(n), 0).is_some();
        assert_eq!([there(1), there(2), there(3), there(4)], [true, false, true, true]);
        assert!(memory.find(&key(1), 10).is_none());
        memory.keep(key(5), vec![5; 10_000], 10);
        assert!(memory.find(&key(5), 0).is_none() && there(3));
    }
}
