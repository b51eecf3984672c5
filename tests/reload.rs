//! What a reload must never do: let somebody in, lose a rule, mix two revisions, or keep anybody waiting.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::router::{Folder, Router};
use crate::support::upstream::{Reply, Upstream};

const KEY: (&str, &str) = ("x-api-key", "router-key-one");
const LONGEST: Duration = Duration::from_secs(60);

fn configuration(n: usize) -> String {
    json!({
        "models": {"echo-1": {"provider": "echo"}},
        "security": {"authentication": {"keys": [{"name": "one", "key": "router-key-one"}]}},
        "rateLimit": {"global": {"requests": 1_000_000 + n}},
    })
    .to_string()
}

fn rules(n: usize) -> String {
    format!("rule r{n} {{ when prompt contains \"never said\" route \"echo-1\" }}\ndefault {{ route \"echo-1\" }}\n")
}

fn body() -> String {
    json!({"model": "echo-1", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}).to_string()
}

fn status(router: &Router, headers: &[(&str, &str)]) -> u16 {
    router.connect().request("POST", "/v1/messages", headers, &body()).status
}

fn detailed(router: &Router) -> Value {
    router.connect().request("GET", "/health/detailed", &[KEY], "").json()
}

/// Waits until `/health/detailed` is as it has to be.
#[track_caller]
fn wait_for(router: &Router, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + LONGEST;
    loop {
        let health = detailed(router);
        if wanted(&health) {
            return health;
        }
        assert!(Instant::now() < end, "not within {LONGEST:?}: {what}: {}", health["reload"]);
        std::thread::yield_now();
    }
}

fn failed(health: &Value) -> bool {
    health["reload"]["state"] == "failed"
}

fn ok_after(before: &Value) -> impl Fn(&Value) -> bool + use<> {
    let succeeded = before["reload"]["succeeded"].as_u64().unwrap();
    move |health| health["reload"]["state"] == "ok" && health["reload"]["succeeded"].as_u64().unwrap() > succeeded
}

fn rename(folder: &Folder, name: &str, text: &str) {
    let beside = folder.file(&format!("{name}.new"), text);
    std::fs::rename(beside, folder.0.join(name)).unwrap();
}

/// Lays out a folder as Kubernetes mounts a ConfigMap: links to a link to the revision, which is swapped.
fn mount(folder: &Folder, n: usize, configuration: &str, rules: &str) {
    let revision = format!("..revision_{n}");
    folder.file(&format!("{revision}/router.json"), configuration);
    folder.file(&format!("{revision}/my.route"), rules);
    let _ = std::fs::remove_file(folder.0.join("..data_tmp"));
    std::os::unix::fs::symlink(&revision, folder.0.join("..data_tmp")).unwrap();
    std::fs::rename(folder.0.join("..data_tmp"), folder.0.join("..data")).unwrap();
    for name in ["router.json", "my.route"] {
        let _ = std::os::unix::fs::symlink(format!("..data/{name}"), folder.0.join(name));
    }
}

#[test]
fn a_hundred_changes_under_load_never_let_anybody_in() {
    let folder = Folder::new();
    mount(&folder, 0, &configuration(0), &rules(0));
    let router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    assert_eq!(status(&router, &[]), 401, "without a key");
                    assert_eq!(status(&router, &[KEY]), 200, "with a key");
                    served.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for n in 1..=100 {
            let seen = served.load(Ordering::SeqCst);
            match n % 5 {
                0 => mount(&router.folder, n, &configuration(n), &rules(n)),
                1 => rename(&router.folder, "router.json", &configuration(n)),
                2 => std::fs::write(router.folder.0.join("my.route"), rules(n)).unwrap(),
                3 => drop(std::fs::remove_file(router.folder.0.join(if n % 2 == 0 {
                    "router.json"
                } else {
                    "my.route"
                }))),
                _ => std::fs::write(router.folder.0.join("router.json"), &configuration(n)[..40]).unwrap(),
            }
            // Each change is seen by requests.
            while served.load(Ordering::SeqCst) < seen + 4 {
                std::thread::yield_now();
            }
        }
        over.store(true, Ordering::SeqCst);
    });
    let before = detailed(&router);
    for name in ["router.json", "my.route"] {
        let _ = std::fs::remove_file(router.folder.0.join(name));
    }
    mount(&router.folder, 101, &configuration(101), &rules(101));
    wait_for(&router, "the last revision serves", ok_after(&before));
    let explained = router.connect().request("POST", "/api/explain", &[KEY], &body());
    assert!(explained.body.contains("r101"), "{}", explained.body);
    assert_eq!(status(&router, &[]), 401);
}

#[test]
fn what_is_gone_empty_or_broken_leaves_the_old_and_says_so() {
    let folder = Folder::new();
    folder.file("router.json", configuration(0));
    folder.file("my.route", format!("use \"part.route\"\n{}", rules(0)));
    folder.file("part.route", "let x = \"echo-1\"\n");
    let router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    let path = |name: &str| router.folder.0.join(name);
    let gone = |name: &'static str| move |folder: &Folder| std::fs::remove_file(folder.0.join(name)).unwrap();
    let text = |name: &'static str, text: &'static str| move |folder: &Folder| drop(folder.file(name, text));
    let pipe = |folder: &Folder| {
        std::fs::remove_file(folder.0.join("router.json")).unwrap();
        assert!(Command::new("mkfifo").arg(folder.0.join("router.json")).status().unwrap().success());
    };
    let directory = |folder: &Folder| {
        std::fs::remove_file(folder.0.join("my.route")).unwrap();
        std::fs::create_dir(folder.0.join("my.route")).unwrap();
    };
    type Fault<'f> = (&'f str, &'f dyn Fn(&Folder));
    let faults: [Fault<'_>; 10] = [
        ("router.json: it is empty", &text("router.json", "{ /* soon */ }")),
        ("router.json", &gone("router.json")),
        ("router.json: it is empty", &text("router.json", " \n")),
        ("router.json", &text("router.json", "{\"security\": {")),
        ("router.json: it is not a regular file", &pipe),
        ("my.route", &gone("my.route")),
        ("my.route: there is no rule in it", &text("my.route", "# soon\n")),
        ("do not compile", &text("my.route", "rule x {")),
        ("my.route: it is not a regular file", &directory),
        ("part.route", &gone("part.route")),
    ];
    for (says, fault) in faults {
        let before = detailed(&router);
        // Something better may appear, which the start would have preferred or found next: nobody asked for it.
        router.folder.file("router.toml", "[models.echo-1]\nprovider = \"echo\"\n");
        fault(&router.folder);
        let health = wait_for(&router, says, failed);
        let problem = health["reload"]["problem"].as_str().unwrap();
        assert!(problem.contains(says), "{says}: {problem}");
        assert_eq!(health["status"], "degraded");
        assert_eq!((status(&router, &[]), status(&router, &[KEY])), (401, 200), "{says}");
        let told = crate::support::router::command(&router.folder.0)
            .args(["status", "--port", &router.port.to_string()])
            .env("ROUTER_KEY", KEY.1)
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&told.stdout).contains("what changed is not served"), "{told:?}");
        let metrics = router.connect().request("GET", "/metrics", &[KEY], "").body;
        assert!(metrics.contains("claude_router_reload_ok 0"), "{metrics}");
        for name in ["router.json", "my.route"] {
            let _ = std::fs::remove_dir(path(name));
            let _ = std::fs::remove_file(path(name));
        }
        router.folder.file("router.json", configuration(1));
        router.folder.file("part.route", "let x = \"echo-1\"\n");
        router.folder.file("my.route", format!("use \"part.route\"\n{}", rules(1)));
        wait_for(&router, "it is mended", ok_after(&before));
    }
}

#[test]
fn a_key_file_that_is_gone_or_a_pipe_leaves_the_old() {
    let mut encrypted: Value = serde_json::from_str(&configuration(0)).unwrap();
    encrypted["security"]["encryption"] = json!({"keyFile": "key"});
    encrypted["record"] = json!({"path": "a.jsonl"});
    let folder = Folder::new();
    folder.file("router.json", encrypted.to_string());
    folder.file("my.route", rules(0));
    let router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    let key = router.folder.0.join("key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    encrypted["record"] = json!({"path": "b.jsonl"});
    rename(&router.folder, "router.json", &encrypted.to_string());
    wait_for(&router, "the key file is gone", failed);
    assert!(!key.exists(), "no reload makes a key");
    assert!(Command::new("mkfifo").arg(&key).status().unwrap().success());
    signal(&router, "-HUP");
    wait_for(&router, "a pipe", |health| {
        health["reload"]["problem"].as_str().is_some_and(|why| why.contains("regular file"))
    });
    let before = detailed(&router);
    std::fs::remove_file(&key).unwrap();
    router.folder.file("key", kept);
    wait_for(&router, "it is mended", ok_after(&before));
    assert_eq!((status(&router, &[]), status(&router, &[KEY])), (401, 200));
}

#[test]
fn keys_are_not_taken_off_a_listener_that_others_reach() {
    let folder = Folder::new();
    folder.file("router.json", configuration(0));
    folder.file("my.route", rules(0));
    let router = Router::start_in(folder, &["--rules", "my.route", "--host", "0.0.0.0"], &[]);
    assert_eq!(status(&router, &[]), 401);
    rename(&router.folder, "router.json", r#"{"models": {"echo-1": {"provider": "echo"}}}"#);
    let health = wait_for(&router, "it is refused", failed);
    assert!(health["reload"]["problem"].as_str().unwrap().contains("nobody would have to authenticate"), "{health}");
    assert_eq!((status(&router, &[]), status(&router, &[KEY])), (401, 200));
}

fn signal(router: &Router, name: &str) {
    assert!(Command::new("kill").args([name, &router.pid().to_string()]).status().unwrap().success());
}

#[test]
fn sighup_reads_everything_again_and_what_needs_a_restart_is_said() {
    let folder = Folder::new();
    folder.file("router.json", configuration(0));
    folder.file("my.route", rules(0));
    let router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    let before = detailed(&router);
    signal(&router, "-HUP");
    wait_for(&router, "SIGHUP", ok_after(&before));
    let before = detailed(&router);
    let mut changed: Value = serde_json::from_str(&configuration(0)).unwrap();
    changed["router"] = json!({"port": 1});
    changed["performance"] = json!({"clustering": {"workers": 3}});
    rename(&router.folder, "router.json", &changed.to_string());
    wait_for(&router, "the change", ok_after(&before));
    let log = router.stop();
    for setting in ["`router.port` changed", "`performance.clustering, performance.connectionPool` changed"] {
        assert!(log.contains(setting), "{setting}: {log}");
    }
}

/// A provider whose stream never ends, and a router before it.
fn endless() -> (Upstream, Router) {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n";
    let upstream = Upstream::new(|_| Reply::Hang(vec![start.as_bytes().to_vec()]));
    let configuration = json!({"anthropic": {"apiKey": "k", "baseUrl": upstream.url(), "models": {"m": {}}}});
    let router = Router::start(&configuration.to_string(), "default { route \"anthropic/m\" }");
    (upstream, router)
}

/// Asks for the stream that never ends; returns its connection when it has begun.
fn begin(router: &Router) -> TcpStream {
    let body = json!({"model": "m", "max_tokens": 10, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let body = body.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", router.port)).unwrap();
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("message_start") {
        let mut piece = [0; 4_096];
        let n = stream.read(&mut piece).unwrap();
        assert!(n > 0, "{seen:?}");
        seen.extend_from_slice(&piece[..n]);
    }
    stream
}

#[test]
fn a_second_signal_ends_at_once() {
    let (_upstream, mut router) = endless();
    let _stream = begin(&router);
    signal(&router, "-TERM");
    // Nothing is accepted any more: the first signal has arrived.
    let end = Instant::now() + LONGEST;
    while TcpStream::connect(("127.0.0.1", router.port)).is_ok() {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    let asked = Instant::now();
    signal(&router, "-TERM");
    router.wait();
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[test]
fn a_stop_ends_in_time_whatever_is_under_way_and_tells_streams_that_are_cut() {
    let (_upstream, mut router) = endless();
    let mut stream = begin(&router);
    let asked = Instant::now();
    signal(&router, "-TERM");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("event: error") && rest.contains("the router is stopping"), "{rest}");
    assert!(router.wait());
    assert!(asked.elapsed() < Duration::from_secs(35), "{:?}", asked.elapsed());
}
