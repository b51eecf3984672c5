//! What state costs: CPU time of the router for one small request, forwarded, with each store and with limits, beside the
//! same without. `cargo bench --bench proxy`; Linux only, because it reads /proc. Redis is measured where `redis-server` is.
#![allow(clippy::allow_attributes, reason = "which of these apply differs by build")]
#![allow(
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

/// Requests of one measurement.
const REQUESTS: usize = 6_000;
/// Connections that ask at one time.
const CLIENTS: usize = 16;
/// How often each setting is measured, in turn with the others.
const ROUNDS: usize = 5;

/// A process that goes with this one.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Setting {
    name: &'static str,
    folder: PathBuf,
    router: Process,
    port: u16,
    micros: Vec<f64>,
    millis: Vec<f64>,
}

/// User and system time of a process so far, in microseconds.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks * 1e6 / 100.0
}

fn start(name: &'static str, folder: &Path, configuration: &Value, rules: &str) -> Setting {
    let folder = folder.join(name.replace(' ', "_"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("router.json"), configuration.to_string()).unwrap();
    std::fs::write(folder.join("my.route"), rules).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_router"));
    command.current_dir(&folder).env_clear().env("HOME", &folder);
    command.args(["start", "--port", "0", "--rules", "my.route", "--log-level", "error"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
    Setting { name, folder, router: Process(child), port, micros: Vec::new(), millis: Vec::new() }
}

async fn load(port: u16, key: Option<&str>) -> f64 {
    let url = format!("http://127.0.0.1:{port}/v1/messages");
    let body = json!({"model": "m", "max_tokens": 100, "metadata": {"user_id": "user_a_account_b_session_00000000-0000-4000-8000-000000000001"},
        "messages": [{"role": "user", "content": "please say hi to everybody"}]})
    .to_string();
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(CLIENTS).build().unwrap();
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|_| {
        let (client, url, body, key) = (client.clone(), url.clone(), body.clone(), key.map(str::to_owned));
        tokio::spawn(async move {
            for _ in 0..REQUESTS / CLIENTS {
                let mut request = client.post(&url).body(body.clone());
                if let Some(key) = &key {
                    request = request.bearer_auth(key);
                }
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 200);
                answer.bytes().await.unwrap();
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    began.elapsed().as_secs_f64() * 1e3 * CLIENTS as f64 / REQUESTS as f64
}

async fn upstream() -> String {
    let answer = json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 20}})
    .to_string();
    let serve = post(move || {
        let answer = answer.clone();
        async move { Response::builder().header("content-type", "application/json").body(Body::from(answer)).unwrap() }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/messages", serve)).await });
    format!("http://{address}")
}

fn redis(folder: &Path) -> Option<(Process, u16)> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]).current_dir(folder);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().ok()?;
    let end = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() && Instant::now() < end {
        std::thread::yield_now();
    }
    Some((Process(child), port))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[tokio::main]
async fn main() {
    let folder = std::env::temp_dir().join(format!("claude-router-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = upstream().await;
    let redis = redis(&folder);
    let model = json!({"inputCost": 1, "outputCost": 1, "contextWindow": 100_000, "maxOutputTokens": 1_000});
    let with = |more: Value| {
        let mut all =
            json!({"providers": {"p": {"kind": "anthropic", "apiKey": "k", "baseUrl": url, "models": {"m": model}}}});
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        all
    };
    let limits = |store: Value| {
        let limit =
            json!({"requests": 1_000_000_000u64, "tokens": 1_000_000_000_000u64, "window": 3600, "concurrency": 1_000});
        with(json!({
            "store": store,
            "rateLimit": {"global": limit, "perKey": limit, "perModel": {"m": limit}},
            "security": {"authentication": {"keys": [{"name": "bench", "key": "key"}]}},
        }))
    };
    let plain = "default { route \"p/m\" }";
    let soft =
        "budget daily = $1000000 per day\nbudget each = $100000 per month for each key\ndefault { route \"p/m\" }";
    let hard = "budget daily = $1000000 per day hard\nbudget each = $100000 per month for each key hard\ndefault { route \"p/m\" }";
    let memory = json!({"type": "memory"});
    let file = json!({"path": "router.db"});
    let mut settings = vec![
        start("memory", &folder, &with(json!({"store": memory})), plain),
        start("sqlite", &folder, &with(json!({"store": file})), plain),
        start("sqlite, limits, budgets", &folder, &limits(file.clone()), soft),
        start("sqlite, limits, hard budgets", &folder, &limits(file), hard),
    ];
    if let Some((_, port)) = &redis {
        let store = json!({"url": format!("redis://127.0.0.1:{port}")});
        settings.push(start("redis, limits, hard budgets", &folder, &limits(store), hard));
    }
    for round in 0..=ROUNDS {
        for setting in &mut settings {
            let pid = setting.router.0.id();
            let key = setting.name.contains("limits").then_some("key");
            let before = cpu(pid);
            let millis = load(setting.port, key).await;
            let micros = (cpu(pid) - before) / REQUESTS as f64;
            // The first round warms connections and caches.
            if round > 0 {
                setting.micros.push(micros);
                setting.millis.push(millis);
            }
        }
    }
    let base = median(&settings[0].micros);
    println!("{:<30} {:>14} {:>8} {:>12}", "state", "CPU a request", "ratio", "latency");
    for setting in &settings {
        let (micros, millis) = (median(&setting.micros), median(&setting.millis));
        println!("{:<30} {micros:>11.0} µs {:>8.2} {millis:>9.2} ms", setting.name, micros / base);
    }
    println!("{REQUESTS} requests on {CLIENTS} connections, medians of {ROUNDS} rounds in turn");
    let folders: Vec<PathBuf> = settings.iter().map(|setting| setting.folder.clone()).collect();
    drop(settings);
    folders.iter().for_each(|folder| drop(std::fs::remove_dir_all(folder)));
    let _ = std::fs::remove_dir_all(folder);
}
