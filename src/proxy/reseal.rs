//! Encrypts again what was encrypted with a key of the past, so that an old key is soon worth nothing.

use std::time::Duration;

use crate::proxy::App;
use crate::state::seal::era;

/// How often it is looked, at most.
const EVERY_MAX: Duration = Duration::from_mins(10);

/// Looks now and then, for as long as the program runs.
pub(super) async fn run(app: App) {
    // Nothing is old until keys change again.
    let mut done = None;
    loop {
        let rotation = app.active().configuration.encryption.as_ref().and_then(|encryption| encryption.rotation);
        tokio::time::sleep(rotation.unwrap_or(EVERY_MAX).min(EVERY_MAX)).await;
        let era = era(&app.clock, rotation);
        if rotation.is_none() || done.replace(era) == Some(era) {
            continue;
        }
        if let Some(recording) = app.recording.load_full() {
            recording.reseal();
        }
        if let Some(cache) = app.cache.load_full() {
            let _ = tokio::task::spawn_blocking(move || cache.reseal()).await;
        }
    }
}
