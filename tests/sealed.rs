//! What the router writes down is encrypted where that is wanted: cached answers and recorded requests.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::router::{Folder, Router, run};
use crate::support::upstream::{Reply, Upstream};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn upstream() -> Upstream {
    Upstream::always(Reply::json(
        200,
        json!({"id": "x", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "an open answer"}],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 9, "output_tokens": 7}}),
    ))
}

fn configuration(upstream: &Upstream, encryption: &Value) -> Value {
    json!({
        "providers": {"p": {"kind": "anthropic", "apiKey": "sk-p", "baseUrl": upstream.url(), "models": {"m": {}}}},
        "store": {"type": "memory"},
        "cache": {"type": "disk", "path": "answers"},
        "record": {"path": "traffic.jsonl"},
        "security": {"encryption": encryption},
        "routing": {"defaultModel": "p/m"},
    })
}

fn ask(prompt: &str) -> Value {
    json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": prompt}]})
}

/// The only answer that is kept.
fn answer_file(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder.join("answers")).ok()?.flatten().map(|entry| entry.path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "answer"))
}

/// Everything below a folder that somebody could read.
fn all_bytes(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            all.extend(all_bytes(&path));
        } else if path.file_name().is_some_and(|name| name != "router.json") {
            all.extend(std::fs::read(&path).unwrap_or_default());
        }
    }
    all
}

fn holds(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|part| part == words.as_bytes())
}

#[test]
fn nothing_that_is_written_down_can_be_read_without_the_key() {
    let upstream = upstream();
    let folder = Folder::new();
    folder.file(
        "router.json",
        configuration(&upstream, &json!({"algorithm": "AES-256-GCM", "keyRotation": 86_400})).to_string(),
    );
    let path = folder.0.clone();
    let router = Router::start_in(folder, &[], &[]);
    assert_eq!(router.messages(&ask("a question of mine")).header("x-router-cache"), Some("miss"));
    assert_eq!(router.messages(&ask("a question of mine")).header("x-router-cache"), Some("hit"));
    router.ask_to_stop();
    let mut router = router;
    assert!(router.wait());
    let written = all_bytes(&path);
    assert!(!holds(&written, "open answer") && !holds(&written, "question of mine"));
    let key = path.join(".local/state/claude-router/encryption.key");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    // With the key it is there: for the next router, and for `replay`.
    let replayed = run(&path, &["replay", "traffic.jsonl", "--format", "json"]);
    let replayed: Value = serde_json::from_str(&replayed.out).unwrap_or_else(|_| panic!("{replayed:?}"));
    assert_eq!(replayed["requests"], 1, "{replayed}");
    std::fs::remove_file(&key).unwrap();
    let unreadable = run(&path, &["replay", "traffic.jsonl"]);
    assert_eq!(unreadable.code, 1);
    assert!(unreadable.err.contains("traffic.jsonl:1: it is encrypted; take the configuration"), "{unreadable:?}");
    std::fs::write(&key, [1; 32]).unwrap();
    assert!(run(&path, &["replay", "traffic.jsonl"]).err.contains("it is encrypted with another key, or damaged"));
}

#[test]
fn old_keys_are_soon_worth_nothing_and_what_was_open_is_closed() {
    let upstream = upstream();
    let folder = Folder::new();
    let encryption = json!({"key": "${ENCRYPTION_KEY}", "keyRotation": 1});
    folder.file("router.json", configuration(&upstream, &encryption).to_string());
    let open = json!({"path": "/v1/messages", "body": ask("an older question")}).to_string();
    folder.file("traffic.jsonl", format!("{open}\n"));
    let path = folder.0.clone();
    let router = Router::start_in(folder, &[], &[("ENCRYPTION_KEY", KEY)]);
    router.messages(&ask("hello"));
    let end = Instant::now() + Duration::from_secs(30);
    let wait_for = |what: &str, is_so: &dyn Fn() -> bool| {
        while !is_so() {
            assert!(Instant::now() < end, "{what}");
            std::thread::yield_now();
        }
    };
    wait_for("an answer is kept", &|| answer_file(&path).is_some());
    let read = || std::fs::read(answer_file(&path).unwrap()).unwrap_or_default();
    let first = read();
    assert_eq!(&first[8..11], b"CR1");
    // The time for which it holds stays, and all else is another.
    wait_for("it is encrypted again", &|| read().get(11..19).is_some_and(|era| era != &first[11..19]));
    assert_eq!(read()[..8], first[..8]);
    assert_eq!(router.messages(&ask("hello")).header("x-router-cache"), Some("hit"));
    wait_for("what was open is closed", &|| {
        !holds(&std::fs::read(path.join("traffic.jsonl")).unwrap_or_default(), "older")
    });
    router.ask_to_stop();
    let mut router = router;
    assert!(router.wait());
    let mut replay = crate::support::router::command(&path);
    let replayed =
        replay.args(["replay", "traffic.jsonl", "--format", "json"]).env("ENCRYPTION_KEY", KEY).output().unwrap();
    let replayed: Value = serde_json::from_slice(&replayed.stdout).unwrap();
    assert_eq!(replayed["requests"], 2, "{replayed}");
}

#[test]
fn a_key_that_is_none_is_refused_and_one_that_is_missing_when_it_is_needed() {
    let folder = Folder::new();
    for (encryption, why) in [
        (json!({"key": "abc"}), "security.encryption.key: a key has 64 hexadecimal digits"),
        (json!({"algorithm": "ROT13"}), "security.encryption.algorithm: `ROT13` is not `AES-256-GCM`"),
        (json!({"keyRotation": 0}), "security.encryption.keyRotation: 0 is not a time"),
        (json!({"key": KEY, "keyFile": "x"}), "security.encryption: say `key` or `keyFile`"),
    ] {
        folder.file("router.json", json!({"security": {"encryption": encryption}}).to_string());
        let ended = run(&folder.0, &["config", "check"]);
        assert!(ended.code == 2 && ended.err.contains(why), "{ended:?}");
        assert!(!ended.err.contains(KEY));
    }
    folder.file("router.json", json!({"security": {"encryption": {"key": "${NO_SUCH}"}}}).to_string());
    let ended = run(&folder.0, &["config", "check"]);
    assert!(
        ended.code == 0
            && ended.out.starts_with(
                "warning: security.encryption.key: NO_SUCH is not set, and without it nothing can be served\n"
            ),
        "{ended:?}"
    );
    let ended = run(&folder.0, &["start", "--port", "0"]);
    assert_eq!((ended.code, ended.err.as_str()), (2, "router: security.encryption.key: NO_SUCH is not set\n"));
    folder.file("router.json", json!({"security": {"encryption": {"keyFile": "short"}}, "record": {}, "providers": {"p": {"kind": "ollama", "baseUrl": "http://127.0.0.1:9", "models": {"m": {}}}}}).to_string());
    folder.file("short", "abc");
    let ended = run(&folder.0, &["start", "--port", "0"]);
    assert!(ended.code == 2 && ended.err.ends_with("a key is 32 bytes\n"), "{ended:?}");
}
