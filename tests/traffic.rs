//! Recorded traffic: what the proxy writes down, and what becomes of it when it is routed again.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::router::{Folder, Router, run, run_with_input};
use crate::support::upstream::{Reply, Upstream};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/traffic");
const SECRET: &str = "sk-ant-abcdefghijklmnopqrstuvwx0123456789";

fn claude(stream: bool) -> Reply {
    let usage = json!({"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20});
    if !stream {
        return Reply::json(
            200,
            json!({"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "stop_sequence": null, "usage": usage}),
        );
    }
    let start = json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage}});
    let end = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 7}});
    Reply::stream(&format!(
        "event: message_start\ndata: {start}\n\nevent: message_delta\ndata: {end}\n\nevent: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
    ))
}

const RULES: &str = "rule code { when prompt contains \"implement\" route \"openai/gpt-4o\" else \"anthropic/claude-sonnet-4-5\" }\nrule refused { when prompt contains \"forbidden\" reject 403 \"no\" }\ndefault { route \"anthropic/claude-sonnet-4-5\" }\n";

/// A router that records some calls, stopped; what it wrote.
fn recorded(record: Value) -> (Folder, String) {
    let anthropic = Upstream::new(|asked| claude(asked.json()["stream"] == true));
    let openai = Upstream::always(Reply::json(500, json!({"error": {"message": "broken", "type": "server_error"}})));
    let folder = Folder::new();
    let configuration = json!({
        "anthropic": {"apiKey": "sk-provider", "baseUrl": anthropic.url()},
        "openai": {"apiKey": "sk-provider", "baseUrl": format!("{}/v1", openai.url())},
        "record": record,
    });
    folder.file("router.json", configuration.to_string());
    folder.file("my.route", RULES);
    let path = folder.0.clone();
    let mut router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    let ask = |prompt: &str, stream: bool| {
        let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 100, "stream": stream, "metadata": {"user_id": "{\"account_uuid\":\"ann\",\"session_id\":\"s-1\"}"}, "messages": [{"role": "user", "content": prompt}]});
        let headers = [("x-api-key", "client-secret"), ("authorization", "Bearer client-secret"), ("x-team", "core")];
        // With line ends between its parts, as some clients send it.
        router.connect().request("POST", "/v1/messages", &headers, &format!("{body:#}"))
    };
    assert_eq!(ask("say hi", false).status, 200);
    assert_eq!(ask(&format!("implement it with {SECRET}"), true).status, 200);
    assert_eq!(ask("forbidden", false).status, 403);
    assert_eq!(router.post("/v1/messages", "{").status, 400);
    router.ask_to_stop();
    assert!(router.wait());
    let text = std::fs::read_to_string(path.join("log/traffic.jsonl")).unwrap_or_default();
    let folder = Folder::new();
    folder.file("traffic.jsonl", &text);
    folder.file("my.route", RULES);
    (folder, text)
}

#[test]
fn traffic_is_recorded_without_secrets_and_routed_again() {
    let (folder, text) = recorded(json!({"path": "log/traffic.jsonl"}));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(!text.contains("client-secret") && !text.contains("abcdefghij") && !text.contains("sk-provider"));
    let shown = |line: &Value| {
        json!([
            line["rule"],
            line["asked"],
            line["model"],
            line["failed"],
            line["status"],
            line["usage"],
            line["session"],
            line["user"]
        ])
    };
    let usage = json!({"input": 5, "output": 7, "cache_read": 100, "cache_write": 20});
    let claude = "anthropic/claude-sonnet-4-5";
    assert_eq!(shown(&lines[0]), json!(["default", "claude-sonnet-4-5", claude, null, 200, usage, "s-1", "ann"]));
    assert_eq!(
        shown(&lines[1]),
        json!(["code", "claude-sonnet-4-5", claude, ["openai/gpt-4o"], 200, usage, "s-1", "ann"])
    );
    assert_eq!(shown(&lines[2]), json!(["refused", "claude-sonnet-4-5", null, null, 403, null, "s-1", "ann"]));
    // 5 at $3, 7 at $15, 100 at $0.30 and 20 at $3.75 a million.
    assert_eq!(lines[0]["cost_usd"], json!(0.000_225));
    assert_eq!((&lines[0]["headers"]["x-team"], &lines[0]["path"]), (&json!("core"), &json!("/v1/messages")));
    assert!(lines[1]["body"]["messages"][0]["content"].as_str().unwrap().starts_with("implement it with •"));
    assert!(lines[0]["time"].as_str().unwrap().ends_with('Z') && lines[0]["total_ms"].is_u64());

    // A line is a request that `explain` takes.
    folder.file("line.json", text.lines().nth(1).unwrap());
    let explained = run(&folder.0, &["explain", "--json", "--rules", "my.route", "line.json"]);
    assert!(explained.out.contains("\"rule\":\"code\""), "{explained:?}");

    // The same rules send everything where it went, and cost what it cost.
    let replayed = run(&folder.0, &["replay", "--format", "json", "--rules", "my.route", "traffic.jsonl"]);
    let found: Value = serde_json::from_str(&replayed.out).unwrap();
    assert_eq!((replayed.code, &found["known"], &found["elsewhere"]), (0, &json!(3), &json!([])), "{found:#}");
    assert_eq!(found["conversations"], 1);
    let piped = run_with_input(&folder.0, &["replay", "--rules", "my.route", "-"], text.as_bytes());
    assert!(piped.out.starts_with("3 requests of 1 conversation, "), "{piped:?}");

    // Other rules do not.
    folder.file("other.route", "default { route \"openai/gpt-5\" else \"claude-sonnet-4-5\" }\n");
    let differs =
        run(&folder.0, &["diff", "--format", "json", "my.route", "other.route", "--traffic", "traffic.jsonl"]);
    let found: Value = serde_json::from_str(&differs.out).unwrap();
    assert_eq!((differs.code, &found["traffic"]["changed"]), (1, &json!(3)), "{found:#}");
    let same = run(&folder.0, &["diff", "my.route", "my.route", "--traffic", "traffic.jsonl"]);
    assert_eq!(same.code, 0, "{}", same.out);
}

#[test]
fn without_bodies_no_text_is_kept() {
    let (folder, text) = recorded(json!({"enabled": true, "path": "log/traffic.jsonl", "bodies": false}));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(!text.contains("say hi") && !text.contains("implement"), "{text}");
    let fields = &lines[1]["fields"];
    assert_eq!((&fields["stream"], &fields["messages"], &fields["session"]), (&json!(true), &json!(1), &json!("s-1")));
    assert!(fields["tokens"].as_i64().unwrap() > 5 && fields["agent"].is_string(), "{fields}");
    folder.file("tokens.route", "rule a { when tokens > 5 and not stream and header(\"x-team\") is \"core\" route \"openai/gpt-4o\" }\ndefault { route \"claude-sonnet-4-5\" }\n");
    let replayed = run(&folder.0, &["replay", "--rules", "tokens.route", "traffic.jsonl"]);
    assert!(replayed.out.contains("3 requests were recorded without their bodies"), "{replayed:?}");
    let json = run(&folder.0, &["replay", "--format", "json", "--rules", "tokens.route", "traffic.jsonl"]).out;
    let found: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(found["models"]["openai/gpt-4o"]["now"]["requests"], 2, "{found:#}");
}

#[test]
fn nothing_is_recorded_where_it_is_not_wanted() {
    let (_, text) = recorded(json!({"enabled": false, "path": "log/traffic.jsonl"}));
    assert_eq!(text, "");
    let folder = Folder::new();
    folder.file("router.json", "{\"openai\": {\"apiKey\": \"sk-x\"}, \"record\": {\"path\": \"my.route/x.jsonl\"}}");
    folder.file("my.route", "default { route \"gpt-5\" }");
    let ended = run(&folder.0, &["start", "--port", "0", "--rules", "my.route"]);
    assert!(ended.code == 2 && ended.err.starts_with("router: record: my.route/x.jsonl: "), "{ended:?}");
}

#[test]
fn full_files_are_set_aside() {
    let anthropic = Upstream::new(|_| claude(false));
    let folder = Folder::new();
    let configuration = json!({
        "anthropic": {"apiKey": "sk-provider", "baseUrl": anthropic.url()},
        "record": {"path": "t.jsonl", "maxSize": 1_500, "maxFiles": 2},
    });
    folder.file("router.json", configuration.to_string());
    folder.file("my.route", "default { route \"anthropic/claude-sonnet-4-5\" }\n");
    let path = folder.0.clone();
    let mut router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    for n in 0..12 {
        let body = json!({"model": "x", "max_tokens": 1, "messages": [{"role": "user", "content": format!("number {n} {}", "x".repeat(300))}]});
        assert_eq!(router.messages(&body).status, 200);
    }
    router.ask_to_stop();
    assert!(router.wait());
    let mut last = String::new();
    for name in ["t.jsonl.2", "t.jsonl.1", "t.jsonl"] {
        let text = std::fs::read_to_string(path.join(name)).unwrap();
        assert!(!text.is_empty() && text.len() <= 1_500 && text.ends_with('\n'), "{name}: {} bytes", text.len());
        last.push_str(&text);
    }
    assert!(!path.join("t.jsonl.3").exists() && last.contains("number 11 ") && !last.contains("number 0 "));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(path.join("t.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_log_reads_as_tables() {
    let folder = Folder::new();
    folder.file("router.json", "{\"timezone\": \"UTC\"}");
    for name in ["old.route", "new.route", "week.jsonl"] {
        folder.file(name, std::fs::read(Path::new(CASES).join(name)).unwrap());
    }
    let mut told = String::new();
    for form in ["human", "markdown"] {
        let replay = run(&folder.0, &["replay", "--format", form, "--rules", "new.route", "week.jsonl"]);
        assert_eq!((replay.err.as_str(), replay.code), ("", 0));
        told.push_str(&format!("=== replay, {form}\n{}\n", replay.out));
        let diff = run(&folder.0, &["diff", "--format", form, "old.route", "new.route", "--traffic", "week.jsonl"]);
        assert_eq!((diff.err.as_str(), diff.code), ("", 1));
        told.push_str(&format!("=== diff, {form}\n{}\n", diff.out));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_routed() {
    let folder = Folder::new();
    folder.file("my.route", "default { route \"gpt-5\" }\n");
    folder.file("bad.jsonl", "not json\n\n{\"body\": {\"model\": 5}}\n{\"model\":\"x\",\"messages\":[]}\n{\"time\":\"yesterday\",\"fields\":{\"tokens\":\"many\"}}\n[1]\n{\"usage\":{\"input\":-1},\"body\":{}}\n\u{0}\n");
    let ended = run(&folder.0, &["replay", "--rules", "my.route", "bad.jsonl"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.starts_with("2 requests"), "{ended:?}");
    for line in [1, 3, 6, 7, 8] {
        assert!(ended.err.contains(&format!("bad.jsonl:{line}: ")), "{line}: {}", ended.err);
    }
    let missing = run(&folder.0, &["replay", "--rules", "my.route", "none.jsonl"]);
    assert_eq!((missing.code, missing.out.as_str()), (2, ""));
    assert!(missing.err.starts_with("router: none.jsonl: "), "{missing:?}");
    folder.file("empty.jsonl", "");
    let empty = run(&folder.0, &["replay", "--rules", "my.route", "empty.jsonl"]);
    assert_eq!((empty.code, empty.out.lines().next()), (0, Some("0 requests")));
}
