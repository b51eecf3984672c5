//! Rules and configuration taken in again when their files change. What is wrong is reported, and the old stays.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::proxy::{Active, App};

/// How often the files are looked at. Looking works on every file system, also where a folder is mounted or swapped.
const EVERY: Duration = Duration::from_millis(500);

/// What is known of a file without reading it.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(path: &PathBuf) -> Stamp {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

/// Watches some files, and makes what serves anew with `load` when one changes.
pub async fn watch(
    app: App,
    load: impl Fn() -> Result<(Active, Vec<PathBuf>), String> + Send + 'static,
    files: Vec<PathBuf>,
) {
    let mut files = files;
    let mut before: Vec<Stamp> = files.iter().map(stamp).collect();
    loop {
        tokio::time::sleep(EVERY).await;
        let now: Vec<Stamp> = files.iter().map(stamp).collect();
        if now == before {
            continue;
        }
        before = now;
        match load() {
            Ok((active, watched)) => {
                tracing::info!(rules = active.plan.program.rules.len(), "the rules were read again");
                app.replace(active);
                files = watched;
                before = files.iter().map(stamp).collect();
            }
            // Of an explanation with several lines each is an event: an event never makes a second line.
            Err(why) => {
                let (first, rest) = why.split_once('\n').unwrap_or((&why, ""));
                tracing::error!("what changed is wrong, so that the old stays: {first}");
                rest.lines().for_each(|line| tracing::error!("{line}"));
            }
        }
    }
}
