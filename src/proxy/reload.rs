//! Configuration and rules are read again when their files change, or on SIGHUP. What is wrong is reported, and what
//! served goes on serving.
//!
//! A change is seen by the identity of the files that the paths lead to, so that renames and swapped symbolic links are
//! seen as well. Two revisions are never mixed: the files are looked at before and after they are read, and read again
//! when they differ.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::proxy::{Active, App};
use crate::state::outside;

/// How often the files are looked at. Looking works on every file system, also where a folder is mounted or swapped.
const EVERY: Duration = Duration::from_millis(500);
/// How long a path may lead nowhere before that is reported: editors and deployments replace files.
const GONE_LOOKS: u32 = 2;
/// How often files that change while they are read are read again at once.
const REPEATS_MAX: usize = 5;
/// A file that is younger than this may change once more without another time of change.
const YOUNG: Duration = Duration::from_millis(100);

/// The identity of a file, without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: Duration,
}

impl Stamp {
    /// Returns the stamp of what a path leads to; `None` where it leads nowhere.
    fn new(path: &Path) -> Option<Self> {
        let data = std::fs::metadata(path).ok()?;
        let modified = data.modified().ok()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        #[cfg(unix)]
        let (device, inode) = {
            use std::os::unix::fs::MetadataExt as _;
            (data.dev(), data.ino())
        };
        #[cfg(not(unix))]
        let (device, inode) = (0, 0);
        Some(Self { device, inode, size: data.len(), modified })
    }
}

/// The paths that are watched, and what they led to.
#[derive(Debug, Default)]
struct Watched {
    paths: Vec<PathBuf>,
    stamps: Vec<Option<Stamp>>,
}

impl Watched {
    fn new(mut paths: Vec<PathBuf>) -> Self {
        paths.sort();
        paths.dedup();
        let stamps = paths.iter().map(|path| Stamp::new(path)).collect();
        Self { paths, stamps }
    }

    /// The same paths, looked at now.
    fn again(&self) -> Self {
        Self::new(self.paths.clone())
    }

    /// Whether a path that led to a file leads nowhere now.
    fn lacks(&self, now: &Self) -> bool {
        self.stamps.iter().zip(&now.stamps).any(|(before, now)| before.is_some() && now.is_none())
    }

    /// Whether a file changed since a moment of the system's clock, or so shortly before it that another change may have
    /// left the same stamp. Files from the future are no younger than others.
    fn changed_since(&self, moment: Duration, now: Duration) -> bool {
        let (from, to) = (moment.saturating_sub(YOUNG), now.saturating_add(YOUNG));
        self.stamps.iter().flatten().any(|stamp| stamp.modified >= from && stamp.modified <= to)
    }
}

/// How the last reload went.
#[derive(Debug, Default)]
pub(super) struct Report(Mutex<State>);

#[derive(Debug, Clone, Default)]
struct State {
    /// Reloads that succeeded, and those that failed.
    succeeded: u64,
    failed: u64,
    /// When, in seconds since 1970.
    succeeded_at: Option<i64>,
    /// What is wrong now.
    problem: Option<String>,
}

impl Report {
    fn state(&self) -> State {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, problem: Option<&str>, now: i64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.problem = problem.map(|problem| outside::hide(problem).into_owned());
        if problem.is_none() {
            state.succeeded += 1;
            state.succeeded_at = Some(now);
        } else {
            state.failed += 1;
        }
    }

    /// As `/health/detailed` shows it.
    pub(super) fn json(&self) -> Value {
        let state = self.state();
        json!({
            "state": if state.problem.is_some() { "failed" } else { "ok" },
            "problem": state.problem,
            "succeeded": state.succeeded,
            "failed": state.failed,
            "last_success": state.succeeded_at,
        })
    }

    /// Reloads that succeeded, that failed, and whether the last one succeeded, for the metrics.
    pub(super) fn counts(&self) -> (u64, u64, bool) {
        let state = self.state();
        (state.succeeded, state.failed, state.problem.is_none())
    }
}

/// Reads everything; the paths that were looked for are added, also where reading fails.
pub type Load = dyn Fn(&mut Vec<PathBuf>) -> Result<Active, String> + Send + Sync;

/// Watches some files, and serves what `load` returns when one of them changes. `began` is when they began to be read, by
/// the system's clock.
pub async fn watch(app: App, load: std::sync::Arc<Load>, files: Vec<PathBuf>, began: Duration) {
    let mut asked = Asked::new();
    let mut watched = Watched::new(files);
    let (mut gone, mut is_young) = (0, watched.changed_since(began, now(&app)));
    loop {
        let is_asked = tokio::select! {
            () = tokio::time::sleep(EVERY) => false,
            () = asked.next() => true,
        };
        let before = watched;
        let looking = tokio::task::spawn_blocking(move || {
            let now = before.again();
            (before, now)
        });
        let Ok((before, current)) = looking.await else { return };
        let has_changed = before.stamps != current.stamps;
        gone = if before.lacks(&current) { gone + 1 } else { 0 };
        if !is_asked && ((!has_changed && !is_young) || (gone > 0 && gone < GONE_LOOKS)) {
            watched = before;
            continue;
        }
        gone = 0;
        let (to, load) = (app.clone(), std::sync::Arc::clone(&load));
        // Reading and compiling never keeps a request waiting.
        let reading = tokio::task::spawn_blocking(move || reload(&to, &*load, current));
        let Ok(current) = reading.await else {
            tracing::error!("reading the files again failed; they are read again when the router restarts");
            return;
        };
        is_young = current.changed_since(now(&app), now(&app));
        watched = current;
    }
}

/// The system's clock, which stamps files.
fn now(app: &App) -> Duration {
    Duration::from_millis(u64::try_from(app.clock.unix_ms()).unwrap_or(0))
}

/// Reads the files until they are the same before and after, and serves them. Returns what has to be watched now.
fn reload(app: &App, load: &Load, mut before: Watched) -> Watched {
    let kept = before.paths.clone();
    for _ in 0..REPEATS_MAX {
        let mut touched = Vec::new();
        let loaded = load(&mut touched);
        // What served is still watched where something is wrong, so that its return is seen.
        touched.extend(loaded.is_err().then(|| kept.clone()).into_iter().flatten());
        let after = Watched::new(touched);
        let is_same = after.paths == before.paths && after.stamps == before.stamps;
        if !is_same {
            before = after;
            continue;
        }
        match loaded {
            Ok(active) => {
                let rules = active.plan.program.rules.len();
                app.replace(active);
                app.reload.add(None, app.clock.unix_seconds());
                tracing::info!(rules, "configuration and rules were read again");
            }
            Err(why) => {
                app.reload.add(Some(&why), app.clock.unix_seconds());
                // Of an explanation with several lines each is an event: an event never makes a second line.
                let (first, rest) = why.split_once('\n').unwrap_or((&why, ""));
                tracing::error!("what changed is wrong, what served goes on serving: {first}");
                rest.lines().for_each(|line| tracing::error!("{line}"));
            }
        }
        return after;
    }
    // They change all the while: the next look sees them as changed again.
    before.stamps.iter_mut().for_each(|stamp| *stamp = None);
    before
}

/// SIGHUP, where there is one.
struct Asked(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl Asked {
    #[cfg(unix)]
    fn new() -> Self {
        Self(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok())
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self()
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
