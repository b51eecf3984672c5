//! Asks each provider now and then whether it is there, by a call that costs nothing: its list of models.

use std::time::Duration;

use crate::config::providers::{Kind, Provider};
use crate::proxy::App;
use crate::proxy::outgoing::with_key;

/// How often it is looked whether somebody wants checks, while nobody does.
const IDLE: Duration = Duration::from_secs(5);

/// The list of a provider's models.
fn url(provider: &Provider) -> Option<String> {
    let path = match provider.kind {
        Kind::Anthropic => "/v1/models",
        Kind::OpenAi | Kind::OpenAiResponses | Kind::OpenRouter | Kind::OpenAiCompatible | Kind::Gemini => "/models",
        Kind::Ollama => "/api/tags",
        // Its list of deployments has a door of its own.
        Kind::AzureOpenAi | Kind::Echo => return None,
    };
    Some(format!("{}{path}", provider.base_url))
}

/// Checks all providers that somebody configured, for as long as the program runs.
pub(super) async fn run(app: App) {
    loop {
        let active = app.active();
        let Some(settings) = active.configuration.health_check.filter(|_| !active.dry_run) else {
            tokio::time::sleep(IDLE).await;
            continue;
        };
        let wanted =
            active.configuration.providers.iter().filter(|provider| provider.is_ready() && !provider.is_implied);
        let checks = wanted.filter_map(|provider| Some(check(&app, provider, url(provider)?, settings.timeout)));
        futures_util::future::join_all(checks).await;
        tokio::time::sleep(settings.interval).await;
    }
}

async fn check(app: &App, provider: &Provider, url: String, timeout: Duration) {
    let mut headers = axum::http::HeaderMap::new();
    with_key(&mut headers, provider, 0);
    if provider.kind == Kind::Anthropic {
        let version = axum::http::HeaderValue::from_static(crate::proxy::outgoing::ANTHROPIC_VERSION);
        headers.insert("anthropic-version", version);
    }
    let Ok(client) = app.client_of(provider) else { return };
    let asked = client.get(url).headers(headers).timeout(timeout).send().await;
    // A provider that refuses the key is there all the same.
    let good = asked.is_ok_and(|response| !response.status().is_server_error());
    app.state.health.checked(&provider.name, app.clock.instant(), good);
}
