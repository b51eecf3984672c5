//! Everything that is no model's answer: liveness, probes, paths that are not there.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

use crate::proxy::App;
use crate::proxy::failure::Failure;
use crate::proxy::unread::Unread;
use crate::state::outside;
use crate::wire::Client;

/// A JSON answer.
pub(super) fn json_answer(status: StatusCode, value: &serde_json::Value) -> Response {
    let text = value.to_string();
    let mut response = Response::new(Body::from(outside::hide_known(&text).into_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

/// `HEAD /`, `HEAD /api/hello`: the router is there.
pub(super) async fn hello(State(app): State<App>) -> Response {
    let version = env!("CARGO_PKG_VERSION");
    json_answer(StatusCode::OK, &json!({"name": "claude-router", "version": version, "instance": app.instance()}))
}

/// `GET /health`.
pub(super) async fn health(State(app): State<App>) -> Response {
    let active = app.active();
    let rules = active.plan.program.rules.len();
    json_answer(
        StatusCode::OK,
        &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION"), "rules": rules, "dry_run": active.dry_run}),
    )
}

/// A path that is not served.
pub(super) async fn not_found(State(app): State<App>, request: Request) -> Response {
    let request = Unread::new(request, &app.tasks);
    let path = request.head.uri.path();
    let message = format!("the router serves no `{} {path}`", request.head.method);
    Failure::client(404, message).answer(Client::at(path), &app.request_id())
}

/// A path that is served by another method.
pub(super) async fn wrong_method(State(app): State<App>, request: Request) -> Response {
    let request = Unread::new(request, &app.tasks);
    let path = request.head.uri.path();
    let message = format!("`{path}` is not served by {}", request.head.method);
    Failure::client(405, message).answer(Client::at(path), &app.request_id())
}
