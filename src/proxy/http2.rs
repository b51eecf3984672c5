//! Connections of HTTP/2, which hyper keeps open for as long as their client answers pings: one on which nothing happens
//! is closed like a connection of HTTP/1.1.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http2::Builder;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;

/// Requests at once on one connection.
const STREAMS_MAX: u32 = 256;
/// How often a client is asked whether it is still there, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// What happens on a connection.
#[derive(Debug, Default)]
struct Activity {
    /// Requests whose responses have not been sent whole.
    open: AtomicUsize,
    /// All requests so far.
    all: AtomicUsize,
}

/// One request, until its response has been sent.
struct Open(Arc<Activity>);

impl Open {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Ordering::Relaxed);
        activity.all.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of a response, which holds its request open.
struct Sending {
    body: Body,
    _open: Open,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Serves a connection until its client leaves, or nothing has happened on it for `idle`.
pub(super) async fn serve(stream: TcpStream, router: Router, head_bytes: u32, idle: Duration, watcher: Watcher) {
    let activity = Arc::<Activity>::default();
    let (inner, counted) = (TowerToHyperService::new(router), Arc::clone(&activity));
    let service = service_fn(move |request: Request<Incoming>| {
        let (open, response) = (Open::new(&counted), inner.call(request));
        async move { response.await.map(|response| response.map(|body| Sending { body, _open: open })) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(head_bytes)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(watcher.watch(connection));
    let mut before = 0;
    loop {
        tokio::select! {
            _ = &mut connection => return,
            () = tokio::time::sleep(idle) => {}
        }
        let all = activity.all.load(Ordering::Relaxed);
        if activity.open.load(Ordering::Relaxed) == 0 && all == before {
            return;
        }
        before = all;
    }
}
