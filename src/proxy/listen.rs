//! Connections: taken in, bounded in number, in the size of their heads and in the time that those may take, and led to
//! their end when the router stops.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How long requests under way are waited for when the router stops.
pub const DRAIN: Duration = Duration::from_secs(30);
/// How long a connection may wait for the whole head of its next request.
const HEAD_WAIT: Duration = Duration::from_secs(75);
/// The largest head of a request, in bytes.
const HEAD_BYTES: usize = 64 << 10;
/// How long nobody is let in after the system refused a connection, as it does without free file descriptors.
const REST: Duration = Duration::from_millis(100);
/// Connections at once, beside those whose requests are worked on or wait: idle ones.
const IDLE_CONNECTIONS: usize = 8_192;

/// Serves connections until `stop` is done, then waits for what is under way; `places` is how many requests can be in.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    places: usize,
    stop: impl Future<Output = ()>,
    spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT).max_buf_size(HEAD_BYTES);
    let head_bytes = u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(head_bytes);
    let builder = Arc::new(builder);
    let connections = Arc::new(Semaphore::new(places.saturating_add(IDLE_CONNECTIONS).min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if is_of_client(&error) => continue,
            Err(error) => {
                tracing::error!("a connection cannot be taken in: {error}");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        // Without it each event of a stream may wait 40 ms for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let watched = graceful.watch(connection);
        spawn(Box::pin(async move {
            // A client that goes is no news.
            let _ = watched.await;
            drop(permit);
        }));
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(DRAIN) => tracing::warn!("requests were still under way after {} s", DRAIN.as_secs()),
    }
}

/// A client that was gone before it was taken in.
fn is_of_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
