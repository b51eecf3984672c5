//! Answers that are kept, so that the same question is not paid for twice: in memory, in a folder, or in Redis.

pub mod folder;
pub mod memory;
pub mod redis;

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use tokio::sync::watch;

use crate::state::cache::folder::{Change, Folder};
use crate::state::cache::memory::Memory;
use crate::state::cache::redis::Redis;
use crate::state::seal::{self, Seal};

/// The largest answer that is kept, in bytes.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Smaller answers are not compressed, in bytes.
const COMPRESS_FROM: usize = 1_024;
/// What an answer begins with that was written by another version of this.
const VERSION: u8 = 1;

/// What an answer is found by: the SHA-256 of everything that it depends on.
pub type Key = [u8; 32];

/// The key as a name.
pub fn name(key: &Key) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An answer as the client was given it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// `application/json`, `text/event-stream; charset=utf-8`.
    pub content_type: String,
    /// `provider/model` that gave it.
    pub model: String,
    /// Byte for byte.
    pub body: Vec<u8>,
}

/// Where answers are kept.
#[derive(Debug)]
pub enum Place {
    /// This process.
    Memory(Memory),
    /// A folder.
    Folder(Folder),
    /// Redis.
    Redis(Redis),
}

/// The cache.
#[derive(Debug)]
pub struct Cache {
    place: Place,
    compress: bool,
    /// What encrypts what leaves this process.
    seal: Option<Seal>,
    under_way: Arc<Mutex<HashMap<Key, watch::Receiver<Option<Verdict>>>>>,
}

/// Whoever finds out an answer that others wait for, until it is dropped.
#[derive(Debug)]
pub struct Leader {
    key: Key,
    under_way: Arc<Mutex<HashMap<Key, watch::Receiver<Option<Verdict>>>>>,
    /// Dropped with this, which is what the others hear.
    sender: watch::Sender<Option<Verdict>>,
}

/// What those who wait are told besides that the leader is gone.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Its call failed: this is how, as whoever leads knows it.
    Failed(Arc<dyn std::any::Any + Send + Sync>),
    /// Its response is not kept: each asks for itself.
    NotKept,
}

impl Leader {
    /// Tells those who wait now how it ended, and no longer leads.
    pub fn end(self, verdict: Verdict) {
        let _ = self.sender.send(Some(verdict));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Who finds an answer out.
#[derive(Debug)]
pub enum Flight {
    /// Nobody does yet: it is yours.
    Lead(Leader),
    /// Somebody does: wait for it.
    Wait(watch::Receiver<Option<Verdict>>),
}

impl Cache {
    /// A cache in a place.
    pub fn new(place: Place, compress: bool, seal: Option<Seal>) -> Self {
        Self { place, compress, seal, under_way: Arc::default() }
    }

    /// What encrypts what leaves this process, where something does: in memory nothing is at rest.
    fn seal(&self) -> Option<&Seal> {
        self.seal.as_ref().filter(|_| !matches!(self.place, Place::Memory(_)))
    }

    /// Encrypts what was encrypted with a key of the past again, and deletes what was not encrypted. Blocks.
    pub fn reseal(&self) {
        if let (Some(seal), Place::Folder(folder)) = (self.seal(), &self.place) {
            folder.change_all(|key, packed| match seal::is_sealed(packed) {
                true if !seal.is_old(packed) => Change::Keep,
                true => seal
                    .open(key, packed)
                    .and_then(|plain| seal.seal(key, &plain))
                    .map_or(Change::Delete, Change::Replace),
                false => Change::Delete,
            });
        }
    }

    /// An answer that is kept. `now` is in milliseconds since 1970.
    pub async fn find(&self, key: &Key, now: i64) -> Option<Kept> {
        let packed = match &self.place {
            Place::Memory(memory) => memory.find(key, now),
            Place::Folder(folder) => folder.find(key, now).await,
            Place::Redis(redis) => redis.find(key).await,
        }?;
        match self.seal() {
            Some(seal) => unpack(&seal.open(key, &packed)?),
            None => unpack(&packed),
        }
    }

    /// Keeps an answer for a while. What cannot be kept is left: a cache is no promise.
    pub async fn keep(&self, key: Key, kept: &Kept, ttl: Duration, now: i64) {
        let mut packed = pack(kept, self.compress);
        if let Some(seal) = self.seal() {
            let Some(sealed) = seal.seal(&key, &packed) else { return };
            packed = sealed;
        }
        let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let until = now.saturating_add(ttl_ms);
        match &self.place {
            Place::Memory(memory) => memory.keep(key, packed, until),
            Place::Folder(folder) => folder.keep(key, packed, until).await,
            Place::Redis(redis) => redis.keep(&key, packed, ttl_ms).await,
        }
    }

    /// Who finds out the answer of a key.
    pub fn flight(&self, key: &Key) -> Flight {
        let mut all = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = all.get(key) {
            return Flight::Wait(waiting.clone());
        }
        let (sender, receiver) = watch::channel(None);
        all.insert(*key, receiver);
        Flight::Lead(Leader { key: *key, under_way: Arc::clone(&self.under_way), sender })
    }
}

/// Version, whether it is compressed, then two texts with their lengths, then the body.
fn pack(kept: &Kept, compress: bool) -> Vec<u8> {
    let compress = compress && kept.body.len() >= COMPRESS_FROM;
    let mut packed = vec![VERSION, u8::from(compress)];
    for text in [&kept.content_type, &kept.model] {
        let length = u16::try_from(text.len()).unwrap_or(0);
        packed.extend_from_slice(&length.to_be_bytes());
        packed.extend_from_slice(text.as_bytes().get(..usize::from(length)).unwrap_or_default());
    }
    if compress {
        let mut encoder = DeflateEncoder::new(packed, Compression::fast());
        let written = encoder.write_all(&kept.body);
        return written.and_then(|()| encoder.finish()).unwrap_or_default();
    }
    packed.extend_from_slice(&kept.body);
    packed
}

/// None of what this version did not write.
fn unpack(packed: &[u8]) -> Option<Kept> {
    let (head, mut rest) = packed.split_at_checked(2)?;
    if head[0] != VERSION {
        return None;
    }
    let mut text = || {
        let (length, after) = rest.split_at_checked(2)?;
        let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes([length[0], length[1]])))?;
        rest = after;
        String::from_utf8(text.to_vec()).ok()
    };
    let (content_type, model) = (text()?, text()?);
    let body = if head[1] == 1 {
        let mut body = Vec::new();
        let limit = ANSWER_BYTES_MAX as u64 + 1;
        DeflateDecoder::new(rest).take(limit).read_to_end(&mut body).ok()?;
        (body.len() <= ANSWER_BYTES_MAX).then_some(body)?
    } else {
        rest.to_vec()
    };
    Some(Kept { content_type, model, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_as_it_was_and_nothing_else_does() {
        for body in [Vec::new(), b"short".to_vec(), b"long ".repeat(1_000)] {
            let kept = Kept { content_type: "application/json".to_owned(), model: "p/m".to_owned(), body };
            for compress in [false, true] {
                let packed = pack(&kept, compress);
                assert_eq!(unpack(&packed).as_ref(), Some(&kept));
                for end in 0..packed.len().min(30) {
                    let _ = unpack(&packed[..end]);
                }
            }
        }
        assert_eq!(unpack(&[9, 0, 0, 0, 0, 0]), None);
    }
}
