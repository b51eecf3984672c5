//! Connections: accepted, bounded in number, in the size of their heads and in the time that those may take, and led to
//! their end when the router stops.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::proxy::silent::Silent;
use crate::proxy::{file_limit, http2};
use crate::state::clock::Clock;

/// How long requests under way are waited for when the router stops.
pub const DRAIN: Duration = Duration::from_secs(30);
/// The part of it in which streams that are cut short are told so.
const CUT: Duration = Duration::from_secs(2);
/// How long a new connection may wait before it sends its first byte.
const FIRST_BYTE_WAIT: Duration = Duration::from_secs(10);
/// How long a connection may wait for the whole head of its next request.
const HEAD_WAIT: Duration = Duration::from_secs(75);
/// The largest head of a request, in bytes.
const HEAD_BYTES: usize = 64 << 10;
/// How long nothing is accepted after the system refused a connection, as it does without free file descriptors.
const REST: Duration = Duration::from_millis(100);
/// Connections at once, beside those whose requests are worked on or wait: idle ones.
const IDLE_CONNECTIONS: usize = 8_192;
/// How long a new connection waits for the place of a silent one that was closed for it.
const EVICTION_WAIT: Duration = Duration::from_millis(250);
/// How often it is logged that connections are closed for want of places.
const LOG_EVERY: Duration = Duration::from_mins(1);
/// What a connection of HTTP/2 begins with.
const PREFACE: &[u8; 14] = b"PRI * HTTP/2.0";
/// How long a connection waits for the rest of its first bytes before it looks at them again.
const PREFACE_WAIT: Duration = Duration::from_millis(5);

/// How many requests the gate lets in: those that are worked on, and those that wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) working: usize,
    pub(super) waiting: usize,
}

/// What all connections share.
struct Listening {
    builder: http1::Builder,
    router: Router,
    silent: Silent,
}

/// Serves connections until `stop` is done, then waits for what is under way.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    places: Places,
    clock: Clock,
    stop: impl Future<Output = ()>,
    cut: CancellationToken,
    spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
) {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(HEAD_BYTES);
    let wanted = places.working.saturating_add(places.waiting).saturating_add(IDLE_CONNECTIONS);
    let most = file_limit::connections(file_limit::raise(), places.working, wanted).min(Semaphore::MAX_PERMITS);
    let connections = Arc::new(Semaphore::new(most));
    let listening = Arc::new(Listening { builder, router, silent: Silent::default() });
    let graceful = GracefulShutdown::new();
    let mut closed = Shed::default();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if is_of_client(&error) => continue,
            Err(error) => {
                closed.count(&format!("a connection cannot be accepted: {error}"), clock.instant());
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let Some(permit) = place(&connections, &listening.silent).await else {
            closed.count(&format!("{most} connections are open: new ones are closed at once"), clock.instant());
            continue;
        };
        // Without it each event of a stream may wait 40 ms for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let (listening, watcher) = (Arc::clone(&listening), graceful.watcher());
        spawn(Box::pin(async move {
            connection(&listening, stream, watcher).await;
            drop(permit);
        }));
    }
    listening.silent.evict_all();
    drop(listener);
    let mut shutdown = std::pin::pin!(graceful.shutdown());
    let (drain, end) = (DRAIN.saturating_sub(CUT), CUT);
    if tokio::time::timeout(drain, &mut shutdown).await.is_ok() {
        return;
    }
    tracing::warn!("requests are still under way after {} s: they are cut short", drain.as_secs());
    cut.cancel();
    let _ = tokio::time::timeout(end, &mut shutdown).await;
}

/// Returns a place for a connection, if need be that of the oldest connection that has not said anything.
async fn place(connections: &Arc<Semaphore>, silent: &Silent) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(connections).try_acquire_owned() {
        return Some(permit);
    }
    if !silent.evict() {
        return None;
    }
    tokio::time::timeout(EVICTION_WAIT, Arc::clone(connections).acquire_owned()).await.ok()?.ok()
}

/// Serves one connection until it ends.
async fn connection(listening: &Listening, stream: TcpStream, watcher: Watcher) {
    let (number, evicted) = listening.silent.enter();
    let spoken = tokio::select! {
        spoken = tokio::time::timeout(FIRST_BYTE_WAIT, is_http2(&stream)) => spoken.ok().and_then(Result::ok),
        _ = evicted => None,
    };
    listening.silent.leave(number);
    let router = listening.router.clone();
    match spoken {
        None => {}
        Some(true) => {
            let head_bytes = u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX);
            http2::serve(stream, router, head_bytes, HEAD_WAIT, watcher).await;
        }
        Some(false) => {
            let service = TowerToHyperService::new(router);
            let connection = listening.builder.serve_connection(TokioIo::new(stream), service);
            // A client that goes is no news.
            let _ = watcher.watch(connection).await;
        }
    }
}

/// Waits for the first bytes of a connection, and returns whether they are those of HTTP/2.
async fn is_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let n = stream.peek(&mut first).await?;
        if n == 0 || first.get(..n) != PREFACE.get(..n) {
            return Ok(false);
        }
        if n == PREFACE.len() {
            return Ok(true);
        }
        // Bytes that were only looked at are there at once the next time, so that waiting for more means to wait.
        tokio::time::sleep(PREFACE_WAIT).await;
    }
}

/// Connections that were not served, and when that was logged.
#[derive(Default)]
struct Shed {
    n: u64,
    /// By the clock of the process.
    logged: Option<Duration>,
}

impl Shed {
    /// Counts one, and logs why at most once a minute.
    fn count(&mut self, why: &str, now: Duration) {
        self.n += 1;
        if self.logged.is_none_or(|logged| now.saturating_sub(logged) >= LOG_EVERY) {
            tracing::warn!(connections = self.n, "{why}");
            *self = Self { n: 0, logged: Some(now) };
        }
    }
}

/// A client that was gone before it was taken in.
fn is_of_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
