//! A request whose body has not been read. When it is refused before that, the body is read and discarded behind the
//! response: a connection that closes over unread bytes is reset, and its client never sees why.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt as _;

use crate::proxy::tasks::Tasks;

/// The most of a body that is discarded, in bytes: whoever sends more is cut off.
const DISCARDED_BYTES_MAX: usize = 16 << 20;
/// How long a body is discarded.
const DISCARDED_FOR: Duration = Duration::from_secs(3);

/// A request whose body has not been read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) head: Parts,
    pub(super) body: UnreadBody,
}

impl Unread {
    pub(super) fn new(request: Request<Body>, tasks: &Tasks) -> Self {
        let (head, body) = request.into_parts();
        Self { head, body: UnreadBody { body, tasks: tasks.clone() } }
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }
}

/// The body of a request. What is left of it when this is dropped is discarded in the background.
#[derive(Debug)]
pub(super) struct UnreadBody {
    pub(super) body: Body,
    tasks: Tasks,
}

impl Drop for UnreadBody {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            let body = std::mem::take(&mut self.body);
            self.tasks.spawn_idle(async move {
                let _ = tokio::time::timeout(DISCARDED_FOR, discard(body)).await;
            });
        }
    }
}

async fn discard(mut body: Body) {
    let mut size = 0;
    while let Some(Ok(frame)) = body.frame().await {
        size += frame.data_ref().map_or(0, bytes::Bytes::len);
        if size > DISCARDED_BYTES_MAX {
            return;
        }
    }
}
