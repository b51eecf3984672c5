//! The number of files, connections among them, that the process may have open.

/// What is kept free for the program's own files: the store, logs, recordings, rule files.
const OWN_FILES: u64 = 128;
/// Idle connections to providers that are reckoned with.
const IDLE_UPSTREAM: u64 = 384;
/// The fewest client connections that are allowed, however few files the system grants.
const CONNECTIONS_MIN: u64 = 16;

/// Raises the limit of open files to the hard limit of the system, and returns it; `None` where the system has no such
/// limit or does not say.
#[cfg(unix)]
pub(super) fn raise() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let before = limit.current;
        limit.current = limit.maximum;
        if setrlimit(Resource::Nofile, limit).is_err() {
            return before;
        }
    }
    limit.current
}

#[cfg(not(unix))]
pub(super) fn raise() -> Option<u64> {
    None
}

/// Returns how many client connections fit into a limit of files beside those to providers, of which there are as many
/// as requests that are worked on.
pub(super) fn connections(limit: Option<u64>, requests: usize, wanted: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    let reserved = OWN_FILES + IDLE_UPSTREAM + u64::try_from(requests).unwrap_or(u64::MAX / 4);
    // Where files are scarce, clients and providers share them.
    let fitting = limit.saturating_sub(reserved).max(limit.saturating_sub(OWN_FILES) / 2).max(CONNECTIONS_MIN);
    usize::try_from(fitting).unwrap_or(usize::MAX).min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_connections_leave_room_for_providers_and_files() {
        assert_eq!(connections(None, 1_024, 9_000), 9_000);
        assert_eq!(connections(Some(1_048_576), 1_024, 9_000), 9_000);
        assert_eq!(connections(Some(4_096), 1_024, 9_000), 2_560);
        assert_eq!(connections(Some(1_024), 1_024, 9_000), 448);
        assert_eq!(connections(Some(20), 1_024, 9_000), 16);
    }
}
