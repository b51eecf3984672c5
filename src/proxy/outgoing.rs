//! The request to a provider: the client's own bytes where it speaks the same API, a translation where it does not.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use crate::config::providers::{Kind, Provider};
use crate::lang::catalogue::Card;
use crate::lang::eval::Effective;
use crate::lang::input::NUMBER;
use crate::lang::ir::Setting;
use crate::proxy::call::Call;
use crate::proxy::failure::Failure;
use crate::proxy::headers;
use crate::tools::request::chat;
use crate::wire::chat::BadBody;
use crate::wire::ids::Names;
use crate::wire::openai::Dialect;
use crate::wire::patch::{self, Changes};
use crate::wire::{Shape, anthropic, foreign, loss, openai};

/// The version of the API that translated requests speak.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// A request to a provider.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The API that it speaks, and its answer too.
    pub(super) shape: Shape,
    /// Names of tools that were shortened.
    pub(super) names: Names,
    /// What the request lost in translation.
    pub(super) lost: Vec<String>,
}

/// The API that a kind of provider speaks; none for the one that is nobody.
pub(super) fn shape_of(kind: Kind) -> Option<Shape> {
    match kind {
        Kind::Anthropic => Some(Shape::Anthropic),
        Kind::OpenAi | Kind::OpenAiCompatible => Some(Shape::OpenAi),
        Kind::Echo => None,
    }
}

/// Makes the request for an attempt.
pub(super) fn make(
    call: &Call,
    provider: &Provider,
    card: &Card,
    effective: &Effective,
    max_tokens: Option<u64>,
    asked: &str,
) -> Result<Outgoing, Failure> {
    let shape = shape_of(provider.kind).unwrap_or(Shape::OpenAi);
    let changes = changes(card, effective, max_tokens, asked);
    let dialect = Dialect { completion_tokens: provider.kind == Kind::OpenAi, reasoning: card.reasoning };
    let bad = |BadBody(message): BadBody| Failure::client(400, message);
    let broken = || Failure::client(400, "the body is not a JSON object");
    let same = call.shape == shape;
    let mut lost = Vec::new();
    let (body, names) = match (same, shape) {
        (true, Shape::Anthropic) if !changes.is_empty() || foreign::may_be_in(&call.body) => {
            (patch::messages(&call.body, &changes).ok_or_else(broken)?.into(), Names::default())
        }
        (true, Shape::Anthropic) => (call.body.clone(), Names::default()),
        (true, Shape::OpenAi) if changes.is_empty() => (call.body.clone(), Names::default()),
        (true, Shape::OpenAi) => {
            let body = patch::completions(&call.body, &changes, dialect.completion_tokens).ok_or_else(broken)?;
            (body.into(), Names::default())
        }
        (false, Shape::Anthropic) => {
            let chat = chat(call.shape, &call.body).map_err(bad)?;
            lost = loss::of(&chat, &changes, shape, dialect);
            (anthropic::encode(&chat, &changes, card.output_max).into(), Names::default())
        }
        (false, Shape::OpenAi) => {
            let chat = chat(call.shape, &call.body).map_err(bad)?;
            lost = loss::of(&chat, &changes, shape, dialect);
            let (body, names) = openai::encode(&chat, &changes, dialect);
            (body.into(), names)
        }
    };
    let headers = headers_of(call, provider, effective, shape, same);
    Ok(Outgoing {
        url: url(call, provider, shape, same, "/v1/messages", "/chat/completions"),
        headers,
        body,
        shape,
        names,
        lost,
    })
}

/// The request that asks an Anthropic provider to count.
pub(super) fn count(call: &Call, provider: &Provider, card: &Card, asked: &str) -> Result<Outgoing, Failure> {
    let changes = Changes { model: (asked != card.name).then(|| card.name.clone()), ..Changes::default() };
    let body = if changes.is_empty() && !foreign::may_be_in(&call.body) {
        call.body.clone()
    } else {
        patch::messages(&call.body, &changes)
            .ok_or_else(|| Failure::client(400, "the body is not a JSON object"))?
            .into()
    };
    let headers = headers_of(call, provider, &Effective::default(), Shape::Anthropic, true);
    let url = url(call, provider, Shape::Anthropic, true, "/v1/messages/count_tokens", "");
    Ok(Outgoing { url, headers, body, shape: Shape::Anthropic, names: Names::default(), lost: Vec::new() })
}

fn url(call: &Call, provider: &Provider, shape: Shape, same: bool, anthropic: &str, openai: &str) -> String {
    match shape {
        Shape::Anthropic => {
            let base = provider.base_url.strip_suffix("/v1").unwrap_or(&provider.base_url);
            let query = if same { call.query.as_str() } else { "" };
            format!("{base}{anthropic}{query}")
        }
        Shape::OpenAi => format!("{}{openai}", provider.base_url),
    }
}

/// Settings as changes of a body.
fn changes(card: &Card, effective: &Effective, max_tokens: Option<u64>, asked: &str) -> Changes {
    let mut changes =
        Changes { model: (asked != card.name).then(|| card.name.clone()), max_tokens, ..Changes::default() };
    #[expect(clippy::cast_precision_loss, reason = "settings are small")]
    let decimal = |value: i64| value as f64 / NUMBER as f64;
    for held in &effective.settings {
        match &held.setting {
            Setting::Temperature(value) => changes.temperature = Some(decimal(*value)),
            Setting::TopP(value) => changes.top_p = Some(decimal(*value)),
            Setting::TopK(value) => changes.top_k = Some(*value),
            Setting::ThinkingOff => changes.thinking = Some(None),
            Setting::ThinkingBudget(value) => changes.thinking = Some(Some(*value)),
            Setting::Effort(value) => changes.effort = Some(value.clone()),
            Setting::Stop(texts) => changes.stop = Some(texts.clone()),
            Setting::SystemPrepend(text) => changes.system_before.push(text.clone()),
            Setting::SystemAppend(text) => changes.system_after.push(text.clone()),
            Setting::MaxTokens(_)
            | Setting::MaxTokensCap(_)
            | Setting::Header(..)
            | Setting::TimeoutFirst(_)
            | Setting::TimeoutTotal(_)
            | Setting::Retry(_)
            | Setting::CacheOff
            | Setting::CacheFor(_)
            | Setting::Tag(_)
            | Setting::Mirror(_)
            | Setting::Transform(_) => {}
        }
    }
    changes
}

/// The headers: the client's where the API is the same, less what is a connection's or a credential; then the provider's
/// key, its own headers, and those of the rules.
fn headers_of(call: &Call, provider: &Provider, effective: &Effective, shape: Shape, same: bool) -> HeaderMap {
    let mut headers = if same { headers::to_upstream(&call.headers) } else { HeaderMap::new() };
    let mut put = |name: &str, value: &str| {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    };
    put("content-type", "application/json");
    put("accept-encoding", "identity");
    let key = provider.key.as_ref().map(crate::config::Secret::reveal);
    match (shape, key) {
        (Shape::Anthropic, key) => {
            if !same || !call.headers.contains_key("anthropic-version") {
                put("anthropic-version", ANTHROPIC_VERSION);
            }
            if let Some(key) = key {
                put("x-api-key", key);
            }
        }
        (Shape::OpenAi, Some(key)) => put("authorization", &format!("Bearer {key}")),
        (Shape::OpenAi, None) => {}
    }
    for (name, value) in &provider.headers {
        put(name, value);
    }
    for held in &effective.settings {
        if let Setting::Header(name, value) = &held.setting {
            put(name, value);
        }
    }
    headers
}
