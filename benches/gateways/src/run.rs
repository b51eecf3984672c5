//! Starts each gateway before the provider, loads it, and prints what it cost.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::load::{self, Seen, median, percentile};

/// How long each load lasts.
const LOAD: Duration = Duration::from_secs(2);
/// How often all of it is measured, in turn.
const ROUNDS: usize = 2;
/// How long a gateway may take until it answers.
const START: Duration = Duration::from_secs(60);
/// Where some gateways believe that a provider cannot be: see conformance.sh.
const OTHER_ADDRESS: &str = "20.0.0.1";

/// A process that goes with this one, and all that it started.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        for pid in tree(self.0.id()).into_iter().rev() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.0.wait();
    }
}

/// A process and its children.
fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        let path = format!("/proc/{}/task", found[at]);
        for task in std::fs::read_dir(path).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        at += 1;
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// User and system time of a process and its children, in microseconds.
fn cpu(pid: u32) -> f64 {
    let one = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) * 1e6 / 100.0
    };
    tree(pid).into_iter().map(one).sum()
}

/// A line of a process's memory, in megabytes, its children with it.
fn memory(pid: u32, line: &str) -> f64 {
    let one = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let found = status.lines().find_map(|known| known.strip_prefix(line)).unwrap_or_default();
        found.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap_or(0.0) / 1_024.0
    };
    tree(pid).into_iter().map(one).sum()
}

/// What is measured.
struct Gateway {
    title: &'static str,
    /// What serve.sh calls it; empty for what is started here.
    name: &'static str,
    model: &'static str,
    path: &'static str,
    headers: Vec<(String, String)>,
}

fn gateways(provider: u16) -> Vec<Gateway> {
    let of = |title, name, model| Gateway { title, name, model, path: "/v1/messages", headers: Vec::new() };
    let mut portkey = of("Portkey, forwarded", "portkey", "own");
    portkey.headers = [("x-portkey-provider", "anthropic".to_owned()), ("x-portkey-custom-host", format!("http://127.0.0.1:{provider}/v1"))]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
    let mut anyllm = of("anyllm_proxy, translated", "anyllm", "own");
    anyllm.headers = vec![("x-api-key".to_owned(), "any".to_owned())];
    vec![
        of("the provider itself", "direct", "own"),
        of("bare forwarder", "forward", "own"),
        of("claude-router, forwarded", "router", "own"),
        of("claude-router, translated", "router-translated", "own"),
        anyllm,
        portkey,
        of("claude-code-router, translated", "ccr", "chat,own"),
        of("LiteLLM, translated", "litellm", "own"),
    ]
}

/// Rules on prompt, tokens and files, a hundred of them, of which none holds.
fn rules() -> String {
    let mut text = String::new();
    for rule in 0..100 {
        text += &format!("rule r{rule} {{ when prompt contains any [\"keyword {rule}\", \"another {rule}\", \"third {rule}\"] and tokens > {} and files contains any [\".e{}\"] route \"p/own\" }}\n", rule * 10, rule % 13);
    }
    text + "default { route \"p/own\" }\n"
}

fn start(gateway: &Gateway, folder: &Path, router: &str, provider: u16, port: u16) -> Option<Process> {
    let own = std::env::temp_dir().join(format!("gateways-{}-{port}", std::process::id()));
    std::fs::create_dir_all(&own).unwrap();
    let url = format!("http://127.0.0.1:{provider}");
    let mut command = match gateway.name {
        "direct" => return None,
        "forward" => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["forward", &port.to_string(), &url]);
            command
        }
        "router" | "router-translated" => {
            let (kind, base) = if gateway.name == "router" { ("anthropic", url) } else { ("openai-compatible", format!("{url}/v1")) };
            let model = json!({"contextWindow": 1_000_000, "maxOutputTokens": 1_000});
            let configuration = json!({"store": {"type": "memory"}, "providers": {"p": {"kind": kind, "apiKey": "k", "baseUrl": base, "models": {"own": model}}}});
            std::fs::write(own.join("router.json"), configuration.to_string()).unwrap();
            std::fs::write(own.join("my.route"), rules()).unwrap();
            let mut command = Command::new(router);
            command.args(["start", "--port", &port.to_string(), "--rules", "my.route", "--log-level", "error"]);
            command
        }
        name => {
            let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("serve.sh");
            let address = if name == "anyllm" { OTHER_ADDRESS } else { "127.0.0.1" };
            let mut command = Command::new(here);
            command.arg(folder).args([name, &format!("{address}:{provider}"), &port.to_string()]);
            command
        }
    };
    command.current_dir(&own).env("HOME", &own).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Some(Process(command.spawn().unwrap()))
}

fn body(model: &str, bytes: usize, streams: bool) -> String {
    let mut messages = Vec::new();
    let mut size = 0;
    // A conversation in turns of about two kilobytes, of words that are not the same each time.
    while size + 2_000 < bytes {
        let text: String = (0..330).map(|n| format!("w{:x} ", (n * 7_919 + messages.len() * 104_729) % 65_537)).collect();
        size += text.len();
        let role = if messages.len() % 2 == 0 { "user" } else { "assistant" };
        messages.push(json!({"role": role, "content": [{"type": "text", "text": text}]}));
    }
    if messages.len() % 2 == 1 {
        messages.pop();
    }
    messages.push(json!({"role": "user", "content": "please look at src/parse.rs and say hi"}));
    json!({"model": model, "max_tokens": 100, "stream": streams, "messages": messages}).to_string()
}

/// What is asked, and by how many.
struct Kind {
    title: &'static str,
    bytes: usize,
    streams: bool,
    clients: usize,
}

const KINDS: &[Kind] = &[
    Kind { title: "small, 1", bytes: 0, streams: false, clients: 1 },
    Kind { title: "small, 32", bytes: 0, streams: false, clients: 32 },
    Kind { title: "small, 256", bytes: 0, streams: false, clients: 256 },
    Kind { title: "streamed, 16", bytes: 0, streams: true, clients: 16 },
    Kind { title: "streamed, 1", bytes: 0, streams: true, clients: 1 },
    Kind { title: "100 KB, 4", bytes: 100_000, streams: false, clients: 4 },
    Kind { title: "800 KB, 2", bytes: 800_000, streams: false, clients: 2 },
];

#[derive(Default)]
struct Row {
    /// By kind: CPU time a request, median latency, requests a second, spread of streams; of each round.
    cells: Vec<[Vec<f64>; 4]>,
    beside: Vec<f64>,
    errors: usize,
    start: f64,
    idle: f64,
    peak: f64,
}

pub async fn all(router: &str, folder: &str, names: &[&str]) {
    let router = std::fs::canonicalize(router).unwrap().display().to_string();
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| PathBuf::from(folder));
    let provider = free_port();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let provider_process = Process(command.args(["provider", &provider.to_string()]).spawn().unwrap());
    let mut rows: Vec<(Gateway, Row)> = gateways(provider)
        .into_iter()
        .filter(|gateway| names.is_empty() || gateway.name == "direct" || names.contains(&gateway.name))
        .map(|gateway| (gateway, Row::default()))
        .collect();
    for round in 0..ROUNDS {
        for (gateway, row) in &mut rows {
            eprintln!("round {} of {ROUNDS}: {}", round + 1, gateway.title);
            measure(gateway, row, &folder, &router, provider, provider_process.0.id()).await;
        }
    }
    print(&rows);
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn measure(gateway: &Gateway, row: &mut Row, folder: &Path, router: &str, provider: u16, provider_pid: u32) {
    let port = if gateway.name == "direct" { provider } else { free_port() };
    let began = Instant::now();
    let process = start(gateway, folder, router, provider, port);
    let pid = process.as_ref().map_or(provider_pid, |process| process.0.id());
    let request = |kind: &Kind| load::request(port, gateway.path, &gateway.headers, &body(gateway.model, kind.bytes, kind.streams));
    let first = request(&KINDS[0]);
    while load::run(port, &first, 1, Duration::ZERO).await.micros.is_empty() {
        if began.elapsed() > START {
            eprintln!("{} does not answer", gateway.title);
            row.errors += 1;
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    row.start = began.elapsed().as_secs_f64();
    row.idle = memory(pid, "VmRSS:");
    // What is made at the first requests is not what requests cost.
    load::run(port, &first, 8, Duration::from_millis(500)).await;
    row.cells.resize_with(KINDS.len(), Default::default);
    for (cells, kind) in row.cells.iter_mut().zip(KINDS) {
        let request = request(kind);
        load::run(port, &request, kind.clients.min(4), Duration::from_millis(200)).await;
        let (before, began) = (cpu(pid), Instant::now());
        let seen: Seen = load::run(port, &request, kind.clients, LOAD).await;
        let (spent, took) = (cpu(pid) - before, began.elapsed().as_secs_f64());
        let n = seen.micros.len() as f64;
        row.errors += seen.errors;
        cells[0].push(spent / n);
        cells[1].push(median(&seen.micros));
        cells[2].push(n / took);
        cells[3].push(median(&seen.spread));
    }
    // A small request in the company of three clients with large ones.
    let large = request(&KINDS[6]);
    let company = tokio::spawn(async move { load::run(port, &large, 3, LOAD).await });
    let seen = load::run(port, &first, 1, LOAD - Duration::from_millis(500)).await;
    row.errors += company.await.unwrap().errors + seen.errors;
    row.beside.push(percentile(&seen.micros, 50));
    row.peak = row.peak.max(memory(pid, "VmHWM:"));
}

fn print(rows: &[(Gateway, Row)]) {
    let heads = |what: &str| {
        println!("\n### {what}\n");
        let titles: Vec<&str> = KINDS.iter().map(|kind| kind.title).collect();
        println!("| | {} |\n|---|{}", titles.join(" | "), "---|".repeat(KINDS.len()));
    };
    let table = |what: &str, place: usize, direct: bool| {
        heads(what);
        for (gateway, row) in rows.iter().filter(|(gateway, _)| direct || gateway.name != "direct") {
            let cells: Vec<String> = row
                .cells
                .iter()
                .zip(&rows.iter().find(|(gateway, _)| gateway.name == "forward").map_or(&rows[0], |row| row).1.cells)
                .map(|(cell, bare)| {
                    let (own, bare) = (median(&cell[place]), median(&bare[place]));
                    if own.is_nan() { "–".to_owned() } else { format!("{own:.0} ({:.2})", own / bare) }
                })
                .collect();
            println!("| {} | {} |", gateway.title, cells.join(" | "));
        }
    };
    table("CPU time a request, in microseconds (of the bare forwarder's)", 0, false);
    table("latency, median, in microseconds", 1, true);
    table("requests a second", 2, true);
    println!("\n### the rest\n");
    println!("| | a stream's first event to its last, µs | a small request beside three clients with 800 KB, µs | start, s | memory idle, MB | peak, MB | errors |\n|---|---|---|---|---|---|---|");
    for (gateway, row) in rows {
        let spread = row.cells.get(4).map_or(f64::NAN, |cell| median(&cell[3]));
        println!("| {} | {spread:.0} | {:.0} | {:.3} | {:.0} | {:.0} | {} |", gateway.title, median(&row.beside), row.start, row.idle, row.peak, row.errors);
    }
}
