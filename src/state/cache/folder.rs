//! Answers in a folder, a file each: the time until which it holds, then the answer. Files are written beside and moved into
//! place, so that nobody reads half of one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::state::cache::{Key, name};
use crate::state::private;

/// Answers in a folder.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    bytes_max: u64,
    /// About: other routers may share the folder.
    bytes: Arc<AtomicU64>,
}

impl Folder {
    /// Opens a folder, and makes it where there is none.
    pub fn open(path: &Path, bytes_max: u64) -> std::io::Result<Self> {
        private::own_folder(path)?;
        let bytes = files(path).iter().map(|(_, _, size)| size).sum();
        Ok(Self { path: path.to_owned(), bytes_max, bytes: Arc::new(AtomicU64::new(bytes)) })
    }

    fn file(&self, key: &Key) -> PathBuf {
        self.path.join(format!("{}.answer", name(key)))
    }

    pub(super) async fn find(&self, key: &Key, now: i64) -> Option<Vec<u8>> {
        let path = self.file(key);
        let mut read = tokio::fs::read(&path).await.ok()?;
        let until = read.first_chunk::<8>().map(|until| i64::from_be_bytes(*until))?;
        if until <= now {
            let _ = tokio::fs::remove_file(&path).await;
            return None;
        }
        read.drain(..8);
        Some(read)
    }

    pub(super) async fn keep(&self, key: Key, packed: Vec<u8>, until: i64) {
        let (folder, path) = (self.clone(), self.file(&key));
        let writing = tokio::task::spawn_blocking(move || folder.write(&path, &packed, until));
        if let Ok(Err(error)) = writing.await {
            tracing::warn!("an answer cannot be kept: {error}");
        }
    }

    fn write(&self, path: &Path, packed: &[u8], until: i64) -> std::io::Result<()> {
        let size = packed.len() as u64 + 8;
        if size > self.bytes_max {
            return Ok(());
        }
        if self.bytes.fetch_add(size, Ordering::Relaxed) + size > self.bytes_max {
            self.make_room(size);
        }
        let mut bytes = until.to_be_bytes().to_vec();
        bytes.extend_from_slice(packed);
        private::replace(path, &bytes)
    }

    /// Goes through all answers, and changes them.
    pub(super) fn change_all(&self, change: impl Fn(&Key, &[u8]) -> Change) {
        for (_, path, _) in files(&self.path) {
            let Some((key, read)) = key_of(&path).zip(std::fs::read(&path).ok()) else { continue };
            let Some((until, packed)) = read.split_first_chunk::<8>() else { continue };
            match change(&key, packed) {
                Change::Keep => {}
                Change::Delete => {
                    let _ = std::fs::remove_file(&path);
                }
                Change::Replace(packed) => {
                    if let Err(error) = self.write(&path, &packed, i64::from_be_bytes(*until)) {
                        tracing::warn!("an answer cannot be written again: {error}");
                    }
                }
            }
        }
    }

    /// Deletes the oldest files, until a tenth of the room is free and the new one fits.
    fn make_room(&self, size: u64) {
        let mut all = files(&self.path);
        all.sort();
        let mut bytes: u64 = all.iter().map(|(_, _, size)| size).sum();
        let wanted = (self.bytes_max - self.bytes_max / 10).saturating_sub(size);
        for (_, path, size) in all {
            if bytes <= wanted {
                break;
            }
            if std::fs::remove_file(path).is_ok() {
                bytes -= size;
            }
        }
        self.bytes.store(bytes + size, Ordering::Relaxed);
    }
}

/// What becomes of an answer.
pub(super) enum Change {
    Keep,
    Delete,
    Replace(Vec<u8>),
}

/// The key of a file's name.
fn key_of(path: &Path) -> Option<Key> {
    let name = path.file_name()?.to_str()?.strip_suffix(".answer")?;
    let mut key = [0; 32];
    if name.len() != 2 * key.len() {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(name.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}

/// When each file was written, and its size.
fn files(path: &Path) -> Vec<(std::time::SystemTime, PathBuf, u64)> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let answers = entries.filter(|entry| {
        let path = entry.path();
        path.extension().is_some_and(|extension| extension == "answer" || extension == "new")
    });
    answers
        .filter_map(|entry| {
            let data = entry.metadata().ok()?;
            Some((data.modified().ok()?, entry.path(), data.len()))
        })
        .collect()
}
