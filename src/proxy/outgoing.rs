//! The request to a provider: the client's own bytes where it speaks the same API, a translation where it does not.

use std::borrow::Cow;
use std::ops::Range;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use crate::config::Secret;
use crate::config::providers::{Kind, Provider};
use crate::lang::catalogue::Card;
use crate::lang::eval::Effective;
use crate::lang::input::NUMBER;
use crate::lang::ir::Setting;
use crate::proxy::call::Call;
use crate::proxy::decide::Decided;
use crate::proxy::failure::Failure;
use crate::proxy::headers;
use crate::wire::chat::BadBody;
use crate::wire::ids::Names;
use crate::wire::patch::{self, Changes};
use crate::wire::provider::azure;
use crate::wire::refused::{self, Refused};
use crate::wire::wanted::{Target, Wanted};
use crate::wire::{Api, Client, loss, request};

/// The version of the API that translated requests speak.
pub(super) const ANTHROPIC_VERSION: &str = "2023-06-01";

/// A request to a provider.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The API that it speaks, and its answer too.
    pub(super) api: Api,
    /// Names of tools that were shortened.
    pub(super) names: Names,
    /// What the request lost on its way.
    pub(super) lost: Vec<String>,
}

impl Outgoing {
    /// The headers of one call, with one of the provider's keys.
    pub(super) fn headers_with_key(&self, provider: &Provider, place: usize) -> HeaderMap {
        let mut headers = self.headers.clone();
        with_key(&mut headers, provider, place);
        headers
    }

    /// Without what the provider does not take; whether anything changed.
    pub(super) fn leave_out(&mut self, refused: &[Refused]) -> bool {
        let body = refused::without(&self.body, refused);
        let flags = headers::text(&self.headers, "anthropic-beta").and_then(|flags| refused::betas(flags, refused));
        let changed = body.is_some() || flags.is_some();
        if let Some(body) = body {
            self.body = body.into();
        }
        match flags {
            Some(flags) if flags.is_empty() => drop(self.headers.remove("anthropic-beta")),
            Some(flags) => {
                if let Ok(flags) = HeaderValue::try_from(flags) {
                    self.headers.insert("anthropic-beta", flags);
                }
            }
            None => {}
        }
        changed
    }
}

/// Puts one of a provider's keys into headers, unless its own headers or the rules said it already.
pub(super) fn with_key(headers: &mut HeaderMap, provider: &Provider, place: usize) {
    let Some(key) = provider.keys.get(place).map(Secret::reveal) else { return };
    let (name, value) = match provider.kind {
        Kind::Anthropic => ("x-api-key", key.to_owned()),
        Kind::Gemini => ("x-goog-api-key", key.to_owned()),
        Kind::AzureOpenAi => (azure::KEY_HEADER, key.to_owned()),
        _ => ("authorization", format!("Bearer {key}")),
    };
    if let Ok(mut value) = HeaderValue::try_from(value) {
        value.set_sensitive(true);
        headers.entry(HeaderName::from_static(name)).or_insert(value);
    }
}

/// The API that a model is called by.
fn api_of(provider: &Provider, card: &Card) -> Api {
    provider.kind.api_of(card.calling.endpoint.as_deref()).unwrap_or(Api::Completions)
}

/// The model that is asked, as the wire formats know it.
fn target<'c>(provider: &Provider, card: &'c Card, api: Api, window: Option<u64>) -> Target<'c> {
    Target {
        api,
        dialect: provider.dialect,
        reasoning: card.reasoning,
        thinking: card.thinking,
        output_max: card.output_max,
        window,
        refuses: &card.calling.refuses,
        efforts: &card.calling.efforts,
    }
}

/// The least window that a server is told to hold, in tokens.
const WINDOW_MIN: u64 = 8_192;
/// The answer that room is kept for in a window, in tokens.
const ANSWER_ROOM: u64 = 8_192;

/// The window that a server has to hold for a request: one of a few sizes, because it loads its model again for another.
fn window(card: &Card, input_at_most: u64) -> u64 {
    let needed = input_at_most.saturating_add(ANSWER_ROOM.min(card.output_max)).max(WINDOW_MIN);
    needed.checked_next_power_of_two().unwrap_or(u64::MAX).min(card.window)
}

/// What a request is made from besides its call.
pub(super) struct Making<'m> {
    pub(super) effective: &'m Effective,
    pub(super) max_tokens: Option<u64>,
    /// The model that was asked for.
    pub(super) asked: &'m str,
    /// Where that stands in the body.
    pub(super) asked_at: Option<&'m Range<usize>>,
    pub(super) input_at_most: u64,
}

/// Makes the request for an attempt.
pub(super) fn make(call: &Call, provider: &Provider, card: &Card, making: &Making<'_>) -> Result<Outgoing, Failure> {
    let api = api_of(provider, card);
    let changes = changes(card, making.effective, making.max_tokens, making.asked);
    let target = target(provider, card, api, Some(window(card, making.input_at_most)));
    let same = call.client.api() == api;
    let (body, names, lost, stream) = if same {
        let (body, lost) = forwarded(call, &changes, &target, making.asked_at)?;
        (body, Names::default(), lost, false)
    } else {
        if let Some(member) = leans_on_provider(call) {
            let message = format!(
                "`{member}` names what one provider remembers: {} is another; send the whole conversation",
                card.full_name()
            );
            return Err(Failure::client(400, message));
        }
        let chat =
            request::decode(call.client, &call.body).map_err(|BadBody(message)| Failure::client(400, message))?;
        let mut wanted = Wanted::of(&chat, &changes, &target);
        let mut lost = std::mem::take(&mut wanted.lost);
        lost.extend(loss::of(&chat, &target));
        let encoded = (api.row().encode)(&chat, &wanted, &target);
        let names = encoded.names.seeded(call.id.trim_start_matches("req_"));
        (encoded.body.into(), names, lost, chat.stream)
    };
    let headers = headers_of(call, provider, making.effective, api, same);
    let url = url(call, provider, api, same, &card.name, stream);
    Ok(Outgoing { url, headers, body, api, names, lost })
}

/// The client's own bytes, changed where they must be.
fn forwarded(
    call: &Call,
    changes: &Changes,
    target: &Target<'_>,
    model: Option<&Range<usize>>,
) -> Result<(Bytes, Vec<String>), Failure> {
    match patch::hardly(call.client, &call.body, changes, target, model) {
        Some(Cow::Borrowed(_)) => return Ok((call.body.clone(), Vec::new())),
        Some(Cow::Owned(body)) => return Ok((body.into(), Vec::new())),
        None => {}
    }
    let made = patch::body(call.client, &call.body, changes, target);
    let (body, lost) = made.ok_or_else(|| Failure::client(400, "the body is not a JSON object"))?;
    Ok((body.into(), lost))
}

fn leans_on_provider(call: &Call) -> Option<&'static str> {
    if call.client == Client::Responses { request::responses::leans_on_provider(&call.body) } else { None }
}

/// The request that asks an Anthropic provider to count.
pub(super) fn count(call: &Call, provider: &Provider, card: &Card, decided: &Decided) -> Result<Outgoing, Failure> {
    let changes = Changes { model: (decided.asked != card.name).then(|| card.name.clone()), ..Changes::default() };
    let (body, lost) =
        forwarded(call, &changes, &target(provider, card, Api::Messages, None), decided.asked_at.as_ref())?;
    let headers = headers_of(call, provider, &Effective::default(), Api::Messages, true);
    let url = format!("{}/v1/messages/count_tokens{}", provider.base_url, call.query);
    Ok(Outgoing { url, headers, body, api: Api::Messages, names: Names::default(), lost })
}

fn url(call: &Call, provider: &Provider, api: Api, same: bool, model: &str, stream: bool) -> String {
    let path = (api.row().path)(model, stream);
    match provider.kind {
        Kind::AzureOpenAi => azure::url(&provider.base_url, &path, model, provider.api_version.as_deref()),
        Kind::Anthropic if same => format!("{}{path}{}", provider.base_url, call.query),
        _ => format!("{}{path}", provider.base_url),
    }
}

/// Settings as changes of a body.
fn changes(card: &Card, effective: &Effective, max_tokens: Option<u64>, asked: &str) -> Changes {
    let mut changes =
        Changes { model: (asked != card.name).then(|| card.name.clone()), max_tokens, ..Changes::default() };
    changes.temperature_default = card.calling.temperature;
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
/// own, and those of the rules. Its key is put there before each call (`headers_with_key`).
fn headers_of(call: &Call, provider: &Provider, effective: &Effective, api: Api, same: bool) -> HeaderMap {
    let mut headers = if same { headers::to_upstream(&call.headers) } else { HeaderMap::new() };
    let own_version = headers.contains_key("anthropic-version");
    let mut put = |name: &str, value: &str| {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    };
    put("content-type", "application/json");
    put("accept-encoding", "identity");
    if api == Api::Messages && !own_version {
        put("anthropic-version", ANTHROPIC_VERSION);
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
