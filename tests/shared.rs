//! What requests share: one response for many that ask alike, the keys of a provider, limits, and the files of the process.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::router::{Answer, Connection, Folder, Router};
use crate::support::upstream::{Reply, Upstream};

const RULES: &str = "default { route \"p/m\" }";

fn configuration(upstream: &Upstream, more: Value) -> String {
    let mut all = json!({
        "providers": {"p": {"kind": "anthropic", "apiKeys": ["key-one-1", "key-two-2"], "baseUrl": upstream.url(), "models": {"m": {}}}},
        "store": {"type": "memory"},
    });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all.to_string()
}

fn body() -> String {
    json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "the same"}]}).to_string()
}

fn good() -> Reply {
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    Reply::json(
        200,
        json!({"id": "x", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn", "usage": usage}),
    )
}

fn wait_for(what: &str, wanted: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !wanted() {
        assert!(Instant::now() < end, "not within a minute: {what}");
        std::thread::yield_now();
    }
}

/// A provider that answers with `reply` when it is let go, and counts what it is asked.
fn held(reply: Reply) -> (Upstream, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (hold, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (held, counted) = (Arc::clone(&hold), Arc::clone(&asked));
    let upstream = Upstream::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        while held.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        reply.clone()
    });
    (upstream, hold, asked)
}

fn under_way(router: &Router) -> u64 {
    router.connect().request("GET", "/health/detailed", &[], "").json()["requests"]["under_way"].as_u64().unwrap()
}

/// Sends the same request `n` times, the first one before all others.
fn ask_alike(router: &Router, asked: &AtomicUsize, n: u64) -> Vec<Connection> {
    let mut clients: Vec<Connection> = (0..n).map(|_| router.connect()).collect();
    clients[0].send("POST", "/v1/messages", &[], &body());
    wait_for("the first is asked", || asked.load(Ordering::SeqCst) == 1);
    clients[1..].iter_mut().for_each(|client| client.send("POST", "/v1/messages", &[], &body()));
    wait_for("all are in", || under_way(router) == n);
    clients
}

#[test]
fn one_takes_the_place_of_a_leader_that_leaves_and_the_rest_go_on_waiting() {
    let (upstream, hold, asked) = held(good());
    let router = Router::start(&configuration(&upstream, json!({"cache": {"type": "memory"}})), RULES);
    let mut clients = ask_alike(&router, &asked, 5);
    drop(clients.remove(0));
    wait_for("another one asks", || asked.load(Ordering::SeqCst) == 2);
    hold.store(false, Ordering::SeqCst);
    for client in &mut clients {
        assert_eq!(client.answer(true).status, 200);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "one for all who waited");
}

#[test]
fn a_failure_is_shared_by_those_who_waited_for_it() {
    let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "no such thing"}});
    let (upstream, hold, asked) = held(Reply::json(400, error));
    let router = Router::start(&configuration(&upstream, json!({"cache": {"type": "memory"}})), RULES);
    let mut clients = ask_alike(&router, &asked, 5);
    hold.store(false, Ordering::SeqCst);
    let answers: Vec<Answer> = clients.iter_mut().map(|client| client.answer(true)).collect();
    assert!(answers.iter().all(|answer| answer.status == 400), "{answers:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn counting_tokens_takes_the_next_key_and_part_in_limits_and_wants_a_whole_count() {
    let count = |router: &Router| router.post("/v1/messages/count_tokens", &body());
    let upstream = Upstream::new(|asked| match asked.header("x-api-key") {
        Some("key-one-1") => {
            Reply::json(401, json!({"type": "error", "error": {"type": "authentication_error", "message": "no"}}))
        }
        _ => Reply::json(200, json!({"input_tokens": 4_321})),
    });
    let router = Router::start(&configuration(&upstream, json!({"rateLimit": {"global": {"requests": 2}}})), RULES);
    for _ in 0..2 {
        assert_eq!(count(&router).json(), json!({"input_tokens": 4_321}));
    }
    assert_eq!(count(&router).status, 429);
    let keys: Vec<String> =
        upstream.asked().iter().map(|asked| asked.header("x-api-key").unwrap().to_owned()).collect();
    assert_eq!(keys, ["key-one-1", "key-two-2", "key-two-2"], "a key that is refused rests");
    for bad in [
        Reply::json(200, json!([])),
        Reply::json(200, json!({"input_tokens": "x"})),
        Reply::json(500, json!({})),
        Reply::Close,
    ] {
        let upstream = Upstream::always(bad);
        let router = Router::start(&configuration(&upstream, json!({})), RULES);
        let counted = count(&router);
        assert_eq!((counted.status, counted.header("x-router-tokens")), (200, Some("estimate")), "{counted:?}");
    }
}

#[test]
fn a_shortage_of_files_is_the_routers_own_fault() {
    let (upstream, hold, asked) = held(good());
    let folder = Folder::new();
    folder.file("router.json", configuration(&upstream, json!({})));
    folder.file("my.route", RULES);
    let mut command = Command::new("sh");
    command.current_dir(&folder.0).env_clear().env("HOME", &folder.0).args([
        "-c",
        "ulimit -n 1024 && exec \"$0\" start --port 0 --rules my.route",
        env!("CARGO_BIN_EXE_router"),
    ]);
    let router = Router::start_by(folder, command);
    let mut clients: Vec<Connection> = (0..12).map(|_| router.connect()).collect();
    // All are accepted before the process may open nothing more.
    for client in &mut clients {
        assert_eq!(client.request("GET", "/health", &[], "").status, 200);
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", router.pid())).unwrap().count();
    let limit = format!("--nofile={}:1024", open + 4);
    assert!(Command::new("prlimit").args(["--pid", &router.pid().to_string(), &limit]).status().unwrap().success());
    clients.iter_mut().for_each(|client| client.send("POST", "/v1/messages", &[], &body()));
    wait_for("some reach the provider", || asked.load(Ordering::SeqCst) > 0);
    let limit = "--nofile=1024:1024";
    let refused: Vec<Answer> = {
        // Those that have no place are answered while the others are held.
        let (sender, receiver) = std::sync::mpsc::channel();
        for mut client in clients {
            let sender = sender.clone();
            std::thread::spawn(move || sender.send(client.answer(true)));
        }
        let first = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        hold.store(false, Ordering::SeqCst);
        std::iter::once(first).chain(receiver.iter().take(11)).filter(|answer| answer.status != 200).collect()
    };
    assert!(!refused.is_empty());
    for answer in &refused {
        assert_eq!((answer.status, answer.header("x-router-blame")), (503, Some("router")), "{answer:?}");
        assert!(answer.header("retry-after").is_some());
    }
    assert!(Command::new("prlimit").args(["--pid", &router.pid().to_string(), limit]).status().unwrap().success());
    // Nobody else is to blame, so that nobody rests.
    assert_eq!(router.post("/v1/messages", &body()).status, 200);
    let health = router.connect().request("GET", "/health/models", &[], "").json();
    assert_eq!(health["models"]["p/m"]["healthy"], true, "{health}");
}
