//! The response cache on the path of a request: which answers may come out of it, and which go into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::lang::ir::Setting;
use crate::lang::schema::fold::fold;
use crate::proxy::call::Call;
use crate::proxy::decide::Decided;
use crate::proxy::failure::{Blame, Failure};
use crate::proxy::{Active, App};
use crate::state::cache::{ANSWER_BYTES_MAX, Cache, Flight, Kept, Key, Leader, Verdict};

/// How long one call waits for another one that asks the same.
const FLIGHT: Duration = Duration::from_mins(2);
/// What changes from call to call without changing the question.
const PER_CALL: &[&str] =
    &["metadata", "user", "stream", "stream_options", "prompt_cache_key", "safety_identifier", "store"];
/// What Claude Code puts first into its system prompt, other for each call.
const BILLING: &str = "x-anthropic-billing-header";

/// A request whose answer may be kept.
#[derive(Debug)]
pub(super) struct Asking {
    cache: Arc<Cache>,
    key: Key,
    ttl: Duration,
    /// Nobody else finds out the same meanwhile.
    leader: Option<Leader>,
}

/// What the cache says to a request.
pub(super) enum Found {
    /// The answer, and `provider/model` that gave it.
    Answer(Response, String),
    /// It is not there, and may be kept when it is.
    Missing(Asking),
    /// Another call that asked the same failed while this one waited for it.
    Failed(Failure),
    /// Caching is not wanted.
    Off,
}

/// How long an answer may be kept: as the rules say it for this request, else as the configuration does.
fn ttl(active: &Active, decided: &Decided) -> Option<Duration> {
    for held in decided.effective.first()?.settings.iter().rev() {
        match held.setting {
            Setting::CacheOff => return None,
            Setting::CacheFor(micros) => return Some(Duration::from_micros(u64::try_from(micros).unwrap_or(0))),
            _ => {}
        }
    }
    let settings = active.configuration.cache.as_ref()?;
    let prompt = decided.prompt.as_deref().filter(|_| !settings.rules.is_empty()).map(fold);
    let rule = settings.rules.iter().find(|(glob, _)| prompt.as_deref().is_some_and(|prompt| glob.matches(prompt)));
    Some(rule.map_or(settings.ttl, |(_, ttl)| *ttl)).filter(|ttl| !ttl.is_zero())
}

/// Looks for an answer, and waits for another call that asks the same.
pub(super) async fn find(app: &App, active: &Active, call: &Call, decided: &Decided) -> Found {
    let Some(cache) = app.cache.load_full() else { return Found::Off };
    let Some(ttl) = ttl(active, decided) else { return Found::Off };
    let Some(key) = key(active, call, decided) else { return Found::Off };
    let end = tokio::time::Instant::from_std(app.clock.moment(FLIGHT));
    loop {
        if let Some(kept) = cache.find(&key, app.clock.unix_ms()).await {
            let model = kept.model.clone();
            return Found::Answer(answer(kept), model);
        }
        match cache.flight(&key) {
            Flight::Lead(leader) => {
                // Another leader may have kept its response between the look and this moment.
                if let Some(kept) = cache.find(&key, app.clock.unix_ms()).await {
                    let model = kept.model.clone();
                    return Found::Answer(answer(kept), model);
                }
                return Found::Missing(Asking { cache, key, ttl, leader: Some(leader) });
            }
            Flight::Wait(mut other) => {
                let told = tokio::time::timeout_at(end, other.changed()).await;
                let verdict = other.borrow().clone();
                match verdict {
                    Some(Verdict::Failed(failure)) => {
                        if let Some(failure) = failure.downcast_ref::<Failure>() {
                            return Found::Failed(failure.clone());
                        }
                    }
                    Some(Verdict::NotKept) => return Found::Missing(Asking { cache, key, ttl, leader: None }),
                    // The leader left, or has kept its response: one of those who wait takes its place if need be.
                    None if told.is_ok() => {}
                    None => return Found::Missing(Asking { cache, key, ttl, leader: None }),
                }
            }
        }
    }
}

fn answer(kept: Kept) -> Response {
    let mut response = Response::new(Body::from(kept.body));
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(kept.content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert("x-router-cache", HeaderValue::from_static("hit"));
    response
}

/// Everything that an answer depends on: who is asked by which API in which form, what the rules set, and the body without
/// what changes per call, its members in order. None of a body that is no object.
fn key(active: &Active, call: &Call, decided: &Decided) -> Option<Key> {
    let attempt = decided.decision.attempts.first()?;
    let mut body: Value = serde_json::from_slice(&call.body).ok()?;
    let members = body.as_object_mut()?;
    members.retain(|name, _| !PER_CALL.contains(&name.as_str()));
    if let Some(system) = members.get_mut("system").and_then(Value::as_array_mut) {
        system.retain(|block| !block["text"].as_str().is_some_and(|text| text.starts_with(BILLING)));
    }
    // The model that was asked for is none of the answer's business, the one that is asked is.
    members.shift_remove("model");
    body.sort_all_objects();
    let mut hash = Sha256::new();
    let settings: Vec<String> =
        decided.effective.first()?.settings.iter().map(|held| format!("{:?}", held.setting)).collect();
    let head =
        (call.client.path(), decided.stream, active.names.of(attempt.model), settings, decided.max_tokens.first());
    hash.update(serde_json::to_vec(&head).ok()?);
    // A key of the router may see what another one may not.
    hash.update(call.key.as_deref().unwrap_or_default().as_bytes());
    hash.update([0]);
    hash.update(serde_json::to_vec(&body).ok()?);
    Some(hash.finalize().into())
}

/// An answer on its way to the client, of which a copy is made.
struct Copying {
    app: App,
    /// None when it has been kept.
    asking: Option<Asking>,
    /// How long the answer is, where its head says it: nobody asks for more than that.
    length: Option<usize>,
    content_type: String,
    model: String,
    /// Set when the answer came to its good end.
    whole: Arc<AtomicBool>,
    body: BodyDataStream,
    copy: Vec<u8>,
}

impl Asking {
    /// Tells those who wait that this request failed: its failure is theirs.
    pub(super) fn failed(self, failure: &Failure) {
        if let Some(leader) = self.leader {
            leader.end(Verdict::Failed(Arc::new(failure.clone())));
        }
    }

    /// Tells those who wait that the response is not kept.
    pub(super) fn not_kept(self) {
        if let Some(leader) = self.leader {
            leader.end(Verdict::NotKept);
        }
    }

    /// Keeps an answer once all of it has come, and came to a good end.
    pub(super) fn copy(self, app: &App, response: Response, model: String, whole: Arc<AtomicBool>) -> Response {
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or("application/json").to_owned();
        let (mut head, body) = response.into_parts();
        head.headers.insert("x-router-cache", HeaderValue::from_static("miss"));
        let length = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let length = length.or_else(|| body.size_hint().exact().and_then(|exact| usize::try_from(exact).ok()));
        let body = body.into_data_stream();
        let copying = Copying {
            app: app.clone(),
            asking: Some(self),
            length,
            content_type,
            model,
            whole,
            body,
            copy: Vec::new(),
        };
        let stream = futures_util::stream::unfold(Some(copying), |copying| async move {
            let mut copying = copying?;
            match copying.body.next().await {
                Some(Ok(piece)) => {
                    copying.take(&piece);
                    Some((Ok::<Bytes, axum::Error>(piece), Some(copying)))
                }
                Some(Err(error)) => Some((Err(error), None)),
                None => {
                    copying.keep();
                    None
                }
            }
        });
        Response::from_parts(head, Body::from_stream(stream))
    }
}

impl Copying {
    fn take(&mut self, piece: &Bytes) {
        if self.copy.len() <= ANSWER_BYTES_MAX {
            self.copy.extend_from_slice(piece);
        }
        if self.length == Some(self.copy.len()) {
            self.keep();
        }
    }

    fn keep(&mut self) {
        let Some(asking) = self.asking.take() else { return };
        if !self.whole.load(Ordering::Relaxed) {
            let message = "the same request of another client broke off";
            return asking.failed(&Failure::new(Blame::Upstream, 502, message));
        }
        if self.copy.len() > ANSWER_BYTES_MAX {
            return asking.not_kept();
        }
        let app = self.app.clone();
        let (content_type, model) = (self.content_type.clone(), self.model.clone());
        let kept = Kept { content_type, model, body: std::mem::take(&mut self.copy) };
        let tasks = app.tasks.clone();
        tasks.spawn(async move {
            asking.cache.keep(asking.key, &kept, asking.ttl, app.clock.unix_ms()).await;
            // Only now the others look.
            drop(asking.leader);
        });
    }
}
