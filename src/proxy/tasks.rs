//! Work in the background, which a stop waits for.

use std::future::Future;
use std::time::Duration;

use tokio_util::task::TaskTracker;

/// Everything that runs in the background.
#[derive(Debug, Clone, Default)]
pub struct Tasks(TaskTracker);

impl Tasks {
    /// Starts something in the background.
    #[expect(clippy::disallowed_methods, reason = "this is the place that tasks are started in")]
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.0.track_future(task));
    }

    /// Starts something that goes on for as long as the program does, so that a stop does not wait for it.
    #[expect(clippy::disallowed_methods, reason = "this is the place that tasks are started in")]
    pub fn spawn_idle(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    /// Waits for all of it, but not longer than this.
    pub(super) async fn finish(&self, most: Duration) {
        self.0.close();
        let _ = tokio::time::timeout(most, self.0.wait()).await;
    }
}
