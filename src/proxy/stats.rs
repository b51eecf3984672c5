//! `/api/stats*`, `/health/*`, `/debug/profile`: what the router knows of itself, as JSON.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::proxy::admin::json_answer;
use crate::proxy::failure::{Blame, Failure};
use crate::proxy::keys::{self, Permission};
use crate::proxy::{Active, App, metrics};
use crate::state::facts;
use crate::state::ledger::{self, Caller};
use crate::state::outside;
use crate::state::usage::{BY, By, Row, Sums, Totals};
use crate::traffic::report::usd;
use crate::wire::Client;

/// How far back statistics go when nothing else is said, in milliseconds.
const SINCE_MS: i64 = 30 * 86_400_000;

/// What may be said in the query.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// `24h`, `7d`, `2026-01-31`.
    since: Option<String>,
    /// What groups are made of.
    by: Option<String>,
}

fn sums(sums: &Sums) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "a mean of milliseconds")]
    let mean = if sums.requests == 0 { 0.0 } else { (sums.total_ms as f64 / sums.requests as f64).round() };
    json!({
        "requests": sums.requests,
        "failed": sums.failed,
        "input_tokens": sums.tokens.input,
        "output_tokens": sums.tokens.output,
        "cache_read_tokens": sums.tokens.cache_read,
        "cache_write_tokens": sums.tokens.cache_write,
        "cost_usd": usd(sums.cost),
        "unpriced_requests": sums.unpriced,
        "mean_ms": mean,
    })
}

fn groups(totals: &Totals) -> Value {
    let groups: Map<String, Value> = totals.iter().map(|(group, found)| (group.clone(), sums(found))).collect();
    groups.into()
}

/// A question about the router, of somebody who may ask it.
async fn told(app: &App, headers: &HeaderMap, answer: impl AsyncFnOnce(&Active) -> Result<Value, Failure>) -> Response {
    let active = app.active();
    let told = match keys::authenticate(&active.configuration, headers, Permission::Read) {
        Ok(_) => answer(&active).await,
        Err(failure) => Err(failure),
    };
    match told {
        Ok(value) => json_answer(StatusCode::OK, &value),
        Err(failure) => failure.answer(Client::Messages, &app.request_id()),
    }
}

fn since(app: &App, asked: &Asked) -> Result<i64, Failure> {
    let Some(text) = asked.since.as_deref() else { return Ok(app.clock.unix_ms() - SINCE_MS) };
    app.clock.since(text).ok_or_else(|| {
        Failure::client(400, format!("`since={text}` is no time: write `24h`, `7d` or a date like `2026-01-31`"))
    })
}

async fn totals(app: &App, by: By, since: i64) -> Result<Totals, Failure> {
    app.store.totals(by, since).await.map_err(|why| Failure::new(Blame::Router, 503, why))
}

/// `GET /api/stats`: sums, by whatever is asked.
pub(super) async fn all(State(app): State<App>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    told(&app, &headers, async |_| {
        let from = since(&app, &asked)?;
        let by = asked.by.as_deref().map(|word| {
            BY.iter().find(|(_, known)| *known == word).map(|(by, _)| *by).ok_or_else(|| {
                let known: Vec<&str> = BY.iter().map(|(_, word)| *word).collect();
                Failure::client(400, format!("`by={word}` is none of {}", known.join(", ")))
            })
        });
        let outcomes = totals(&app, By::Outcome, from).await?;
        let mut total = Sums::default();
        outcomes.values().for_each(|found| total.plus(found));
        let mut answer = json!({
            "since": app.clock.day(from), "store": app.store.name(), "total": sums(&total), "outcomes": groups(&outcomes),
        });
        match by.transpose()? {
            Some(by) => {
                answer["by"] = json!(asked.by);
                answer["groups"] = groups(&totals(&app, by, from).await?);
            }
            None => {
                answer["models"] = groups(&totals(&app, By::Model, from).await?);
                answer["days"] = groups(&totals(&app, By::Day, from).await?);
            }
        }
        Ok(answer)
    })
    .await
}

/// `GET /api/stats/models`.
pub(super) async fn models(State(app): State<App>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    told(&app, &headers, async |_| Ok(json!({"models": groups(&totals(&app, By::Model, since(&app, &asked)?).await?)})))
        .await
}

/// `GET /api/stats/rules`.
pub(super) async fn rules(State(app): State<App>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    told(&app, &headers, async |active| {
        let found = totals(&app, By::Rule, since(&app, &asked)?).await?;
        // A rule that nothing reached is worth knowing too.
        let program = &active.plan.program;
        let mut rules: Map<String, Value> =
            program.rules.iter().map(|rule| (rule.name.clone(), sums(&Sums::default()))).collect();
        rules.extend(found.iter().map(|(rule, found)| (rule.clone(), sums(found))));
        Ok(json!({"rules": rules}))
    })
    .await
}

/// `GET /api/stats/costs`: by day, model and key, and how far each budget is used.
pub(super) async fn costs(State(app): State<App>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    told(&app, &headers, async |active| {
        let from = since(&app, &asked)?;
        let mut answer = json!({"since": app.clock.day(from), "currency": "USD"});
        for (by, name) in [(By::Day, "days"), (By::Model, "models"), (By::Key, "keys"), (By::Tag, "tags")] {
            let costs = totals(&app, by, from).await?;
            let costs: Map<String, Value> =
                costs.iter().map(|(group, found)| (group.clone(), json!(usd(found.cost)))).collect();
            answer[name] = costs.into();
        }
        answer["budgets"] = budgets(&app, active).await.into();
        Ok(answer)
    })
    .await
}

/// How far each budget is used that is not for each of something.
pub(super) async fn budgets(app: &App, active: &Active) -> Vec<Value> {
    let program = &active.plan.program;
    let caller = Caller::default();
    let seen = if app.store.is_shared() && !program.budgets.is_empty() {
        let reads = facts::reads(program, caller, &app.clock);
        let ask = crate::state::store::Ask { id: app.call_id(), reads, ..Default::default() };
        app.store.admit(&ask).await.seen
    } else {
        None
    };
    let windows = ledger::windows(&program.budgets, caller, &app.clock.periods());
    let held = app.state.held(program, caller, &app.clock, seen.as_ref());
    let rows = program.budgets.iter().zip(windows).zip(held).filter_map(|((budget, window), held)| {
        let (window, held) = (window?, held?);
        Some(json!({
            "name": budget.name,
            "hard": budget.hard,
            "limit_usd": usd(budget.amount),
            "spent_usd": usd(held.settled),
            "set_aside_usd": usd(held.reserved),
            "from": app.clock.stamp(window.start),
            "to": app.clock.stamp(window.ends),
        }))
    });
    rows.collect()
}

/// `GET /api/stats/performance`: how long the newest requests of this process took, by model.
pub(super) async fn performance(State(app): State<App>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    told(&app, &headers, async |_| {
        let from = since(&app, &asked)?;
        let mut by_model: std::collections::BTreeMap<String, (Vec<u64>, Vec<u64>)> = std::collections::BTreeMap::new();
        let mut add = |name: &str, row: &Row| {
            let (total, first) = by_model.entry(name.to_owned()).or_default();
            total.push(row.total_ms);
            first.extend(row.first_byte_ms);
        };
        app.state.rows.each_since(from, |row| {
            if let Some(model) = &row.model {
                add("all", row);
                add(model, row);
            }
        });
        let models: Map<String, Value> = by_model
            .into_iter()
            .map(|(name, (total, first))| {
                let value = json!({"total_ms": percentiles(total), "first_byte_ms": percentiles(first)});
                (name, value)
            })
            .collect();
        Ok(json!({"models": models}))
    })
    .await
}

fn percentiles(mut values: Vec<u64>) -> Value {
    values.sort_unstable();
    let at = |percent: usize| values.get((values.len() * percent / 100).min(values.len().saturating_sub(1)));
    json!({"n": values.len(), "p50": at(50), "p90": at(90), "p95": at(95), "p99": at(99), "max": values.last()})
}

// --- health ------------------------------------------------------------------------------------------------------------

/// `GET /health/detailed`.
pub(super) async fn detailed(State(app): State<App>, headers: HeaderMap) -> Response {
    told(&app, &headers, async |active| {
        let (at_work, waiting) = app.gate().load();
        let (down, reload) = (app.store.down(), app.reload.json());
        let providers: Map<String, Value> = active
            .configuration
            .providers
            .iter()
            .filter(|provider| provider.is_ready() && !provider.is_implied)
            .map(|provider| (provider.name.clone(), health(&app, &provider.name)))
            .collect();
        Ok(json!({
            "status": if down.is_some() || !reload["problem"].is_null() { "degraded" } else { "ok" },
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_s": app.clock.instant().as_secs(),
            "rules": active.plan.program.rules.len(),
            "requests": {"under_way": at_work, "waiting": waiting},
            "computing": app.computing.count(),
            "store": {"type": app.store.name(), "problem": down},
            "reload": reload,
            "providers": providers,
            "budgets": budgets(&app, active).await,
        }))
    })
    .await
}

/// `GET /health/models`: each model that can be called.
pub(super) async fn health_of_models(State(app): State<App>, headers: HeaderMap) -> Response {
    told(&app, &headers, async |active| {
        let models = active.names.iter().zip(&*active.not_ready).filter(|(name, why)| {
            let provider = name.split('/').next().and_then(|name| active.configuration.provider(name));
            why.is_none() && provider.is_some_and(|provider| !provider.is_implied)
        });
        let models: Map<String, Value> = models.map(|(name, _)| (name.to_owned(), health(&app, name))).collect();
        Ok(json!({"models": models}))
    })
    .await
}

fn health(app: &App, name: &str) -> Value {
    let Some(report) = app.state.health.report(name, app.clock.instant()) else {
        return json!({"healthy": true, "breaker": "closed", "calls": 0});
    };
    json!({
        "healthy": report.why_not.is_none(),
        "why_not": report.why_not,
        "breaker": report.breaker,
        "calls": report.calls,
        "failed": report.failed,
        "in_flight": report.in_flight,
        "usual_first_byte_ms": report.latency_us.map(|us| us / 1_000),
    })
}

// --- where the time goes -----------------------------------------------------------------------------------------------

/// `GET /debug/profile`: where the time of the newest requests went.
pub(super) async fn profile(State(app): State<App>, headers: HeaderMap) -> Response {
    told(&app, &headers, async |_| Ok(app.profile.report())).await
}

// --- figures -----------------------------------------------------------------------------------------------------------

/// `GET /metrics`: for Prometheus.
pub(super) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let active = app.active();
    if let Err(failure) = keys::authenticate(&active.configuration, &headers, Permission::Read) {
        return failure.answer(Client::Messages, &app.request_id());
    }
    let text = app.metrics.text(&gauges(&app, &active).await);
    let mut response = Response::new(axum::body::Body::from(outside::hide_known(&text).into_owned()));
    let kind = axum::http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert("content-type", kind);
    response
}

/// Figures of the moment: name, help, labels and value.
async fn gauges(app: &App, active: &Active) -> Vec<(&'static str, &'static str, String, f64)> {
    #[expect(clippy::cast_precision_loss, reason = "figures are approximate")]
    let number = |n: usize| n as f64;
    let (at_work, waiting) = app.gate().load();
    let version = metrics::label("version", env!("CARGO_PKG_VERSION"));
    let mut gauges = vec![
        ("claude_router_build_info", "The version.", version, 1.0),
        ("claude_router_requests_under_way", "Requests that are worked on.", String::new(), number(at_work)),
        ("claude_router_requests_waiting", "Requests that wait for a place.", String::new(), number(waiting)),
        (
            "claude_router_store_up",
            "Whether the store can be used.",
            String::new(),
            f64::from(u8::from(app.store.down().is_none())),
        ),
    ];
    let now = app.clock.instant();
    let (succeeded, failed, is_ok) = app.reload.counts();
    #[expect(clippy::cast_precision_loss, reason = "nobody reloads 2^52 times")]
    let reloads = [("succeeded", succeeded as f64), ("failed", failed as f64)];
    for (outcome, n) in reloads {
        let label = metrics::label("outcome", outcome);
        gauges.push(("claude_router_reloads", "Reloads of configuration and rules, by outcome.", label, n));
    }
    let ok = f64::from(u8::from(is_ok));
    gauges.push(("claude_router_reload_ok", "Whether the files serve as they are now.", String::new(), ok));
    for name in active.names.iter() {
        if let Some(report) = app.state.health.report(name, now) {
            let healthy = f64::from(u8::from(report.why_not.is_none()));
            gauges.push((
                "claude_router_model_healthy",
                "Whether a model may be called.",
                metrics::label("model", name),
                healthy,
            ));
        }
    }
    let budgets = budgets(app, active).await;
    for (figure, help, member) in [
        ("claude_router_budget_spent_dollars", "What was spent in the budget's window.", "spent_usd"),
        ("claude_router_budget_limit_dollars", "What may be spent in it.", "limit_usd"),
    ] {
        for budget in &budgets {
            let name = budget["name"].as_str().unwrap_or_default();
            gauges.push((figure, help, metrics::label("budget", name), budget[member].as_f64().unwrap_or(0.0)));
        }
    }
    gauges
}

/// Logs sums of the newest requests now and then, where the configuration says how often.
pub(super) async fn log_figures(app: App) {
    loop {
        let Some(every) = app.active().configuration.logging.figures else {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            continue;
        };
        let from = app.clock.unix_ms();
        tokio::time::sleep(every).await;
        let mut sums = Sums::default();
        app.state.rows.each_since(from, |row| sums.add(row));
        let (tokens, cost) = (sums.tokens, usd(sums.cost));
        let (input, output) = (tokens.input + tokens.cache_read + tokens.cache_write, tokens.output);
        tracing::info!(requests = sums.requests, failed = sums.failed, input, output, cost_usd = cost, "figures");
    }
}
