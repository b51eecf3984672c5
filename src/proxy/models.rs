//! `GET /v1/models`: the models that can be routed to, in a form that both APIs' clients read.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use crate::config::providers::Kind;
use crate::lang::catalogue::Card;
use crate::proxy::App;
use crate::proxy::admin::json_answer;
use crate::proxy::failure::Failure;
use crate::proxy::keys::{self, Permission};
use crate::wire::Client;

/// When a model was made is not known here; the field must be there.
const CREATED: &str = "2025-01-01T00:00:00Z";
const CREATED_UNIX: i64 = 1_735_689_600;

/// From this window on a model is listed once more, with `[1m]` at the end of its name.
const LARGE_WINDOW: u64 = 1_000_000;

fn large(mut entry: Value) -> Value {
    for name in ["id", "display_name"] {
        entry[name] = format!("{}[1m]", entry[name].as_str().unwrap_or_default()).into();
    }
    entry
}

fn entry(card: &Card) -> Value {
    json!({
        "type": "model", "object": "model", "id": card.name, "display_name": format!("{} ({})", card.name, card.provider),
        "created_at": CREATED, "created": CREATED_UNIX, "owned_by": card.provider,
        "description": format!("{} tokens of context, {} of output, by {}", card.window, card.output_max, card.provider),
        "context_window": card.window, "max_output_tokens": card.output_max,
    })
}

fn entries(app: &App) -> Vec<Value> {
    let active = app.active();
    let configuration = &active.configuration;
    let callable = |card: &&Card| {
        let provider = configuration.provider(&card.provider);
        provider.is_some_and(|provider| {
            provider.kind != Kind::Echo && (active.dry_run || (provider.is_ready() && !provider.is_implied))
        })
    };
    let mut all = Vec::new();
    for card in configuration.catalogue.models.iter().filter(callable) {
        all.push(entry(card));
        // Claude Code takes every window for 200,000 tokens that a name does not say otherwise of.
        all.extend((card.window >= LARGE_WINDOW).then(|| large(entry(card))));
    }
    all
}

/// All of them.
pub(super) async fn list(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Err(failure) = keys::authenticate(&app.active().configuration, &headers, Permission::Any) {
        return failure.answer(Client::Messages, &app.request_id());
    }
    let data = entries(&app);
    let id = |value: Option<&Value>| value.map_or(Value::Null, |value| value["id"].clone());
    let (first, last) = (id(data.first()), id(data.last()));
    json_answer(
        StatusCode::OK,
        &json!({"object": "list", "data": data, "has_more": false, "first_id": first, "last_id": last}),
    )
}

/// One of them.
pub(super) async fn one(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if let Err(failure) = keys::authenticate(&app.active().configuration, &headers, Permission::Any) {
        return failure.answer(Client::Messages, &app.request_id());
    }
    let found = app
        .active()
        .configuration
        .catalogue
        .find_asked(&id)
        .map(|model| entry(app.active().configuration.catalogue.card(model)));
    match found {
        Some(entry) => json_answer(StatusCode::OK, &entry),
        None => {
            Failure::client(404, format!("no provider has a model `{id}`")).answer(Client::Messages, &app.request_id())
        }
    }
}
