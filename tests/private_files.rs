//! What the router writes down: no secret is in it, and nobody but its owner may read it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::router::{Answer, Connection, Folder, Router, run};
use crate::support::upstream::{Asked, Reply, Upstream};

fn model() -> Value {
    json!({"contextWindow": 100_000, "maxOutputTokens": 1_000, "inputCost": 1, "outputCost": 1})
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        }
        found.push(path);
    }
}

// --- secrets -----------------------------------------------------------------------------------------------------------

/// Secrets without a form that would give them away; every one holds this word.
const CANARY: &str = "cnry";

/// Repeats every credential of a request, as some providers do.
fn echo(asked: &Asked) -> String {
    let headers = asked.headers.iter().filter(|(name, _)| name != "host");
    headers.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
}

fn echoing(asked: &Asked) -> Reply {
    let said = echo(asked);
    let error = json!({"type": "error", "error": {"type": said, "message": said}});
    if asked.body.contains("stream error") {
        let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}});
        let open = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
        let text = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}});
        let events = [("message_start", start), ("content_block_start", open), ("content_block_delta", text)];
        let mut pieces: Vec<Vec<u8>> =
            events.iter().map(|(name, data)| format!("event: {name}\ndata: {data}\n\n").into_bytes()).collect();
        pieces.push(format!("event: error\ndata: {error}\n\n").into_bytes());
        return Reply::Stream(pieces);
    }
    if asked.body.contains("plain page") {
        return Reply::Whole { status: 502, headers: vec![("content-type", "text/plain".to_owned())], body: said };
    }
    let status = [401, 403, 400, 429, 500].into_iter().find(|status| asked.body.contains(&format!("fail {status}")));
    match status {
        Some(status) => Reply::json(status, error),
        None => Reply::json(
            200,
            json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 7}}),
        ),
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn no_secret_is_in_anything_that_the_router_writes_or_says() {
    for format in ["text", "json"] {
        let (anthropic, other) = (Upstream::new(echoing), Upstream::new(echoing));
        let port = |upstream: &Upstream| upstream.address.port();
        let configuration = json!({
            "providers": {
                "p": {
                    "kind": "anthropic", "apiKey": "cnry-provider-key-1", "models": {"m": model()},
                    "baseUrl": format!("http://me:cnry-password@127.0.0.1:{}", port(&anthropic)),
                    "headers": {"x-extra-token": "cnry \"quoted\" token"},
                },
                "q": {"apiKey": "${Q_KEY}", "baseUrl": other.url(), "models": {"n": model()}},
            },
            "security": {"authentication": {"keys": [
                {"name": "a", "key": "cnry-router-key-1"},
                {"name": "hashed", "keyHash": sha256("cnry-hashed-key-2")},
            ]}},
            "store": {"path": "state/router.db"},
            "cache": {"type": "disk", "path": "state/cache", "compression": false},
            "record": {"path": "state/traffic.jsonl"},
            "logging": {"level": "trace", "format": format, "outputs": ["console", "file"], "file": {"path": "state/r.log"}},
        });
        let folder = Folder::new();
        folder.file("router.json", configuration.to_string());
        let rules = "rule q { when header(\"x-team\") is \"q\" route \"q/n\" else \"p/m\" set header \"x-set-secret\" \"cnry-of-the-rules\" }\ndefault { route \"p/m\" else \"q/n\" }";
        folder.file("my.route", rules);
        let arguments = ["--rules", "my.route"];
        let router = Router::start_in(folder, &arguments, &[("Q_KEY", "cnry-other-key-2")]);
        let mut answers: Vec<Answer> = Vec::new();
        // A key is known from its first use on.
        answers.push(router.connect().request("GET", "/health/detailed", &[("x-api-key", "cnry-hashed-key-2")], ""));
        let mut ask = |method: &str, path: &str, more: &[(&str, &str)], body: &str| {
            let mut headers = vec![
                ("x-router-key", "cnry-router-key-1"),
                ("authorization", "Bearer sk-ant-oat01-cnry-of-the-caller"),
                ("x-note", "token=ghp_cnry1234"),
                ("x-custom-secret", "cnry-header"),
                ("cookie", "cnry-cookie=1"),
                ("x-debug", "true"),
            ];
            headers.extend(more);
            answers.push(router.connect().request(method, path, &headers, body));
        };
        let prompts = [
            "hi",
            "hi",
            "fail 401",
            "fail 403",
            "fail 400",
            "fail 429",
            "fail 500",
            "plain page",
            "stream error",
            "my key is cnry-router-key-1",
            "a key of a digest is cnry-hashed-key-2",
        ];
        for prompt in prompts {
            for team in [&[][..], &[("x-team", "q")][..]] {
                let stream = prompt.starts_with("stream");
                let body = json!({"model": "m", "max_tokens": 10, "stream": stream, "messages": [{"role": "user", "content": prompt}]});
                ask("POST", "/v1/messages?key=cnry-in-the-query&beta=true", team, &body.to_string());
                ask("POST", "/v1/chat/completions?api_key=cnry-in-the-query", team, &body.to_string());
            }
        }
        ask("POST", "/v1/messages", &[("content-encoding", "cnry-router-key-1")], "{}");
        ask("POST", "/v1/messages", &[], "{\"model\": \"cnry-router-key-1\", \"messages\": []}");
        ask("GET", "/cnry-router-key-1", &[], "");
        for path in ["/health/detailed", "/health/models", "/metrics", "/api/stats?by=model", "/api/stats/performance"]
        {
            ask("GET", path, &[], "");
        }
        assert!(answers.iter().filter(|answer| answer.status == 200).count() > 6, "{answers:#?}");
        for answer in answers {
            assert!(!format!("{answer:?}").contains(CANARY), "{format}: {answer:#?}");
        }
        let paths = {
            let mut found = Vec::new();
            files(&router.folder.0, &mut found);
            found
        };
        router.ask_to_stop();
        let mut router = router;
        router.wait();
        let mut looked_at = Vec::new();
        for path in paths.iter().filter(|path| path.is_file()) {
            let name = path.strip_prefix(&router.folder.0).unwrap().display().to_string();
            if name != "router.json" && name != "my.route" {
                let bytes = std::fs::read(path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                let near =
                    text.find(CANARY).map(|at| text.chars().skip(at.saturating_sub(200)).take(400).collect::<String>());
                assert!(near.is_none(), "{format}: {name}: {near:?}");
                looked_at.push(name);
            }
        }
        for needed in ["state/router.db", "state/traffic.jsonl", "state/r.log"] {
            assert!(looked_at.iter().any(|name| name == needed), "{looked_at:?}");
        }
        assert!(looked_at.iter().any(|name| name.starts_with("state/cache/")), "{looked_at:?}");
        let recorded = std::fs::read_to_string(router.folder.0.join("state/traffic.jsonl")).unwrap();
        let line: Value = serde_json::from_str(recorded.lines().next().unwrap()).unwrap();
        let names = ["x-router-key", "authorization", "x-note", "x-custom-secret", "cookie", "host"];
        assert_eq!(names.map(|name| line["headers"][name].as_str()), [Some("(hidden)"); 6], "{line:#}");
        let log = router.stop();
        assert!(!log.contains(CANARY), "{format}: {log}");
        assert!(
            anthropic
                .asked()
                .iter()
                .chain(&other.asked())
                .all(|asked| !format!("{asked:?}").contains("router-key-1\""))
        );
    }
}

#[test]
fn a_part_of_a_key_that_a_provider_masked_itself_stays() {
    let said = "Incorrect API key provided: sk-proj-****abcd. You can find your API key at https://example.com.";
    let upstream = Upstream::always(Reply::json(
        401,
        json!({"type": "error", "error": {"type": "authentication_error", "message": said}}),
    ));
    let configuration = json!({"providers": {"p": {"kind": "anthropic", "baseUrl": upstream.url(), "apiKey": "sk-proj-1234567890123456abcd", "models": {"m": model()}}}});
    let router = Router::start(&configuration.to_string(), "default { route \"p/m\" }");
    let answer =
        router.messages(&json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}));
    assert!(answer.body.contains("sk-proj-****abcd"), "{answer:?}");
}

// --- files -------------------------------------------------------------------------------------------------------------

/// A router whose umask takes nothing away.
struct Careless {
    child: Child,
    port: u16,
}

impl Careless {
    fn start(folder: &Path) -> Self {
        let script = "umask 000; exec \"$0\" start --port 0 --rules my.route";
        let mut child = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_router")])
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("{line}")) }
    }
}

impl Drop for Careless {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn too_open(folder: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = vec![folder.to_owned()];
    files(folder, &mut found);
    let mode = |path: &PathBuf| std::fs::symlink_metadata(path).map_or(0, |data| data.permissions().mode());
    let open = found.iter().filter(|path| !path.is_symlink() && mode(path) & 0o077 != 0);
    open.map(|path| format!("{:o} {}", mode(path) & 0o777, path.display())).collect()
}

#[cfg(unix)]
#[test]
fn whatever_the_umask_is_nobody_else_can_read_the_state_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let upstream = Upstream::new(echoing);
    let folder = Folder::new();
    let state = folder.0.join(".local/state/claude-router");
    let relative = ".local/state/claude-router";
    let configuration = json!({
        "providers": {"p": {"kind": "anthropic", "baseUrl": upstream.url(), "apiKey": "key", "models": {"m": model()}}},
        "cache": {"type": "disk"},
        "security": {"encryption": {"enabled": true}},
        "record": {"path": format!("{relative}/traffic.jsonl"), "maxSize": 3_000, "maxFiles": 2},
        "logging": {"outputs": ["file"], "level": "trace", "file": {"path": format!("{relative}/log/r.log"), "maxSize": 3_000, "maxFiles": 2, "compress": true}},
    });
    folder.file("router.json", configuration.to_string());
    folder.file("my.route", "budget b = $100 per day hard\ndefault { route \"p/m\" }");
    // What an older version or a careless hand left behind.
    for name in ["router.db", "router.db.lock", "running/1.json", "old/deep/file", "log/r.log", "router.out"] {
        let path = folder.file(&format!("{relative}/{name}"), "");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).unwrap();
    }
    for name in ["", "running", "old", "old/deep", "log"] {
        std::fs::set_permissions(state.join(name), std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let outside = folder.file("outside", "untouched");
    std::fs::set_permissions(&outside, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink(&outside, state.join("old/link")).unwrap();
    let router = Careless::start(&folder.0);
    assert_eq!(too_open(&state), Vec::<String>::new(), "at the start");
    for n in 0..30 {
        let body =
            json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": format!("hi {n}")}]});
        let answer = Connection::new(router.port).request("POST", "/v1/messages", &[], &body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(too_open(&state), Vec::<String>::new(), "after request {n}");
    }
    let mut all = Vec::new();
    files(&state, &mut all);
    let name = |path: &PathBuf| path.strip_prefix(&state).unwrap().display().to_string();
    let all: Vec<String> = all.iter().map(name).collect();
    for needed in ["router.db", "router.db-wal", "router.db-shm", "router.db.lock", "encryption.key", "log/r.log.1.gz"]
    {
        assert!(all.iter().any(|name| name == needed), "{needed}: {all:?}");
    }
    for needed in ["traffic.jsonl", "cache/", "running/"] {
        assert!(all.iter().any(|name| name.starts_with(needed)), "{needed}: {all:?}");
    }
    let data = std::fs::metadata(&outside).unwrap();
    assert_eq!(data.permissions().mode() & 0o777, 0o644, "a link leads nowhere else");
}

#[cfg(unix)]
#[test]
fn a_link_that_somebody_planted_is_not_written_through() {
    let folder = Folder::new();
    let state = folder.0.join(".local/state/claude-router");
    std::fs::create_dir_all(state.join("running")).unwrap();
    let upstream = Upstream::new(echoing);
    let configuration = json!({"providers": {"p": {"kind": "anthropic", "baseUrl": upstream.url(), "apiKey": "key", "models": {"m": model()}}}, "store": {"type": "sqlite"}});
    folder.file("router.json", configuration.to_string());
    folder.file("my.route", "default { route \"p/m\" }");
    let target = folder.0.join("elsewhere");
    for name in ["router.db", "router.db.lock"] {
        let _ = std::fs::remove_file(state.join(name));
        std::os::unix::fs::symlink(&target, state.join(name)).unwrap();
        let ended = run(&folder.0, &["start", "--port", "0", "--rules", "my.route"]);
        assert_eq!((ended.code, target.exists()), (2, false), "{name}: {ended:?}");
        std::fs::remove_file(state.join(name)).unwrap();
    }
    let victim = folder.file("victim", "untouched");
    std::os::unix::fs::symlink(&victim, state.join("router.out")).unwrap();
    let ended = run(&folder.0, &["start", "--detach", "--port", "0", "--rules", "my.route"]);
    assert!(ended.code == 2 && ended.err.contains("symbolic link"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "untouched");
}

#[test]
fn only_one_module_creates_files_of_the_router_itself() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    for part in ["state", "proxy", "traffic"] {
        files(&src.join(part), &mut all);
    }
    all.extend(["cli/running.rs", "cli/service.rs", "cli/files.rs"].map(|file| src.join(file)));
    let ways =
        ["File::create", "fs::write(", "OpenOptions", "File::options", "create_dir", "DirBuilder", "set_permissions"];
    for file in all.iter().filter(|file| file.is_file() && !file.ends_with("state/private.rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        for way in ways {
            // A configuration keeps the permissions that its owner gave it.
            let allowed = way == "set_permissions" && file.ends_with("cli/files.rs");
            assert!(allowed || !text.contains(way), "{} uses {way}: use `state::private`", file.display());
        }
    }
}

#[test]
fn a_secret_that_a_reload_brings_is_hidden_and_the_one_before_it_too() {
    let upstream = Upstream::new(|asked| {
        let said = format!("no {}, no cnry-key-number-1, no cnry-key-number-2", echo(asked));
        Reply::json(400, json!({"type": "error", "error": {"type": "invalid_request_error", "message": said}}))
    });
    let configuration = |key: &str| {
        json!({"providers": {"p": {"kind": "anthropic", "baseUrl": upstream.url(), "apiKey": key, "models": {"m": model()}}}}).to_string()
    };
    let router = Router::start(&configuration("cnry-key-number-1"), "default { route \"p/m\" }");
    let body = json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
    let before = router.messages(&body);
    assert!(!before.body.contains("cnry-key-number-1") && before.body.contains("cnry-key-number-2"), "{before:?}");
    let mut after = before;
    for n in 0..400 {
        // Written again and again: the files are watched from a moment after the start on.
        if n % 60 == 0 {
            router.folder.file("router.json", configuration("cnry-key-number-2") + &" ".repeat(n / 60));
        }
        after = router.messages(&body);
        if upstream.asked().last().is_some_and(|asked| asked.header("x-api-key") == Some("cnry-key-number-2")) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    assert!(after.status == 400 && !after.body.contains(CANARY), "{after:?}");
}
