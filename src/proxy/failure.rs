//! A request that failed: whose fault it is, and the one place where that becomes an answer.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use crate::state::outside;
use crate::wire::overflow::Overflow;
use crate::wire::refused::Refused;
use crate::wire::{Client, reply};

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The request is wrong.
    Client,
    /// A rule or a budget refuses it.
    Rules,
    /// A provider failed.
    Upstream,
    /// The router itself cannot, or not now.
    Router,
}

impl Blame {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Client => "request",
            Self::Rules => "rules",
            Self::Upstream => "upstream",
            Self::Router => "router",
        }
    }
}

/// Why a request failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) blame: Blame,
    pub(super) status: u16,
    pub(super) message: String,
    /// Headers of the answer: `retry-after` and its like.
    pub(super) headers: Vec<(String, String)>,
    /// A provider's own body, given on byte for byte: it is in the client's shape already.
    pub(super) body: Option<Bytes>,
    /// The request is too long for the model.
    pub(super) is_too_long: bool,
    /// What the provider would not have in the request.
    pub(super) refused: Vec<Refused>,
}

impl Failure {
    /// Creates a failure. Secrets in its message are hidden: providers repeat what they were sent.
    pub(super) fn new(blame: Blame, status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            blame,
            status,
            message: match outside::hide(&message) {
                Cow::Borrowed(_) => message,
                Cow::Owned(hidden) => hidden,
            },
            headers: Vec::new(),
            body: None,
            is_too_long: false,
            refused: Vec::new(),
        }
    }

    pub(super) fn client(status: u16, message: impl Into<String>) -> Self {
        Self::new(Blame::Client, status, message)
    }

    /// The request is too long for the model: said so that clients know what to do.
    pub(super) fn too_long(blame: Blame, overflow: &Overflow, client: Client) -> Self {
        Self { is_too_long: true, ..Self::new(blame, 400, overflow.words(client)) }
    }

    pub(super) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The answer, in the client's own shape.
    pub(super) fn answer(self, client: Client, request_id: &str) -> Response {
        let message = &self.message;
        let code = self.is_too_long.then_some("context_length_exceeded");
        let body = match self.body {
            Some(body) => Body::from(outside::hide_bytes(&body).map_or(body, Bytes::from)),
            None => Body::from(reply::error_body(client, self.status, message, code, request_id)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let fixed = [
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x-router-blame".to_owned(), self.blame.word().to_owned()),
        ];
        for (name, value) in self.headers.into_iter().chain(fixed) {
            if let (Ok(name), Ok(value)) = (axum::http::HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
