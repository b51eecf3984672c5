//! What leaves the router: headers, query parameters, log lines, files. Nothing secret goes out, and nothing from outside
//! passes for the router's own.

use serde_json::{Value, json};

use crate::support::router::{Answer, Folder, Router};
use crate::support::upstream::{Reply, Upstream};

const RULES: &str = "default { route \"p/m\" }";

fn good() -> Reply {
    Reply::json(
        200,
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 7}}),
    )
}

fn model() -> Value {
    json!({"contextWindow": 100_000, "maxOutputTokens": 1_000, "inputCost": 1, "outputCost": 1})
}

fn body(prompt: &str) -> String {
    json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": prompt}]}).to_string()
}

fn configuration(upstream: &Upstream, more: Value) -> String {
    let mut all = json!({"providers": {"p": {"kind": "anthropic", "baseUrl": upstream.url(), "apiKey": "provider-key-1", "models": {"m": model()}}}});
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all.to_string()
}

fn keys(entries: Value) -> Value {
    json!({"security": {"authentication": {"keys": entries}}})
}

// --- headers and query -------------------------------------------------------------------------------------------------

const GO: &[(&str, &str)] = &[
    ("anthropic-beta", "a-1"),
    ("anthropic-version", "2023-06-01"),
    ("anthropic-future-thing", "1"),
    ("anthropic-max-output-tokens", "5"),
    ("x-claude-code-session-id", "s-1"),
    ("x-claude-code-agent-token-budget", "7"),
    ("x-stainless-lang", "js"),
    ("x-stainless-newest", "1"),
    ("x-app", "cli"),
    ("user-agent", "claude-cli/2"),
    ("idempotency-key", "i-1"),
    ("accept-language", "sk-SK,sk;q=0.9"),
    ("traceparent", "00-1-1-01"),
    ("x-team", "core"),
];

const STAY: &[(&str, &str)] = &[
    ("authorization", "Bearer cnry"),
    ("proxy-authorization", "Basic cnry"),
    ("x-api-key", "cnry"),
    ("api-key", "cnry"),
    ("x-goog-api-key", "cnry"),
    ("x-router-key", "cnry"),
    ("x-router-tag", "cnry"),
    ("x-auth", "cnry"),
    ("x-session-token", "cnry"),
    ("x-my-secret", "cnry"),
    ("x-password-2", "cnry"),
    ("x-credential-id", "cnry"),
    ("x-some-key", "cnry"),
    ("cookie", "cnry=1"),
    ("cf-access-client-id", "cnry"),
    ("x-amz-date", "cnry"),
    ("ocp-apim-trace", "cnry"),
    ("helicone-user", "cnry"),
    ("x-portkey-config", "cnry"),
    ("x-litellm-tags", "cnry"),
    ("x-note-1", "sk-ant-cnry-12345"),
    ("x-note-2", "bearer cnry"),
    ("x-note-3", "eyJhbGciOiJI.eyJjbnJ5Ijox.cnry-cnry"),
    ("x-note-4", "token=ghp_cnry12345"),
    ("x-note-5", "Basic cnry"),
    ("forwarded", "for=cnry"),
    ("x-forwarded-for", "cnry"),
    ("x-forwarded-host", "cnry"),
    ("x-real-ip", "cnry"),
    ("via", "1.1 cnry"),
    ("http2-settings", "cnry"),
    ("origin", "http://127.0.0.1"),
    ("referer", "http://127.0.0.1/cnry"),
    ("sec-fetch-mode", "cors"),
    ("sec-ch-ua", "cnry"),
    ("connection", "keep-alive, x-named-once, X-Named-Twice"),
    ("x-named-once", "cnry"),
    ("x-named-twice", "cnry"),
    ("keep-alive", "timeout=5"),
    ("te", "trailers"),
    ("proxy-connection", "cnry"),
    ("x-debug", "false"),
];

#[test]
fn headers_of_this_hop_and_credentials_stay_and_everything_else_goes_on() {
    let upstream = Upstream::always(good());
    let router = Router::start(&configuration(&upstream, json!({"router": {"cors": ["http://127.0.0.1"]}})), RULES);
    let sent: Vec<(&str, &str)> =
        GO.iter().chain(STAY).chain(&[("content-type", "application/json")]).copied().collect();
    let path = "/v1/messages?key=cnry&api_key=cnry&beta=true&%61ccess_token=cnry&note=sk-cnry-12345";
    let answer = router.connect().request("POST", path, &sent, &body("hi"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = upstream.the_request();
    assert_eq!(asked.path, "/v1/messages?beta=true");
    for (name, value) in GO {
        assert_eq!(asked.header(name), Some(*value), "{name}");
    }
    for (name, _) in STAY.iter().filter(|(name, _)| *name != "x-api-key") {
        assert_eq!(asked.header(name), None, "{name}");
    }
    assert_eq!(asked.header("x-api-key"), Some("provider-key-1"));
    assert!(!format!("{asked:?}").contains("cnry"), "{asked:?}");
}

#[test]
fn a_provider_of_another_api_is_sent_only_what_its_row_names_and_what_was_set() {
    let answer = json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 1}});
    let upstream = Upstream::always(Reply::json(200, answer));
    let configuration = json!({"router": {"cors": ["http://127.0.0.1"]}, "providers": {"p": {"baseUrl": upstream.url(), "apiKey": "provider-key-1", "headers": {"X-Own-Token": "own"}, "models": {"m": model()}}}});
    let rules = "default { route \"p/m\" set header \"x-set-secret\" \"set\" }";
    let router = Router::start(&configuration.to_string(), rules);
    let sent: Vec<(&str, &str)> =
        GO.iter().chain(STAY).chain(&[("content-type", "application/json")]).copied().collect();
    assert_eq!(router.connect().request("POST", "/v1/messages?beta=true", &sent, &body("hi")).status, 200);
    let asked = upstream.the_request();
    let mut names: Vec<&str> = asked.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "x-own-token",
        "x-set-secret",
    ];
    assert_eq!(names, expected);
    assert_eq!((asked.header("x-set-secret"), asked.header("x-own-token")), (Some("set"), Some("own")));
    assert!(!asked.path.contains("beta"), "{}", asked.path);
}

#[test]
fn what_is_set_goes_to_a_provider_of_the_same_api_whatever_its_name_is() {
    let upstream = Upstream::always(good());
    let mut all: Value = serde_json::from_str(&configuration(&upstream, json!({}))).unwrap();
    all["providers"]["p"]["headers"] = json!({"cf-access-client-secret": "own"});
    let router = Router::start(&all.to_string(), "default { route \"p/m\" set header \"x-amz-note\" \"set\" }");
    let sent = [("cf-access-client-secret", "cnry"), ("x-amz-note", "cnry")];
    assert_eq!(router.connect().request("POST", "/v1/messages", &sent, &body("hi")).status, 200);
    let asked = upstream.the_request();
    assert_eq!((asked.header("cf-access-client-secret"), asked.header("x-amz-note")), (Some("own"), Some("set")));
}

#[test]
fn rules_and_explanations_see_no_credential() {
    let upstream = Upstream::always(good());
    let rules = "rule leak { when header(\"x-session-token\") contains \"nry\" or header(\"x-note\") contains \"nry\" or header(\"authorization\") contains \"nry\" reject 418 \"seen\" }\nrule team { when header(\"x-team\") is \"core\" route \"p/m\" }\ndefault { reject 400 \"none\" }";
    let router = Router::start(&configuration(&upstream, json!({})), rules);
    let sent = [
        ("x-session-token", "cnry"),
        ("x-note", "sk-ant-cnry-12345"),
        ("authorization", "Bearer cnry"),
        ("x-team", "core"),
        ("x-debug", "true"),
    ];
    let answer = router.connect().request("POST", "/v1/messages", &sent, &body("hi"));
    assert_eq!((answer.status, answer.header("x-router-rule")), (200, Some("team")));
    assert!(!format!("{answer:?}").contains("cnry"), "{answer:?}");
    let headers: serde_json::Map<String, Value> =
        sent.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let asked: Value = serde_json::from_str(&body("hi")).unwrap();
    let envelope = json!({"path": "/v1/messages", "headers": headers, "body": asked});
    let explained = router.post("/api/explain", &envelope.to_string());
    assert_eq!((explained.status, &explained.json()["rule"]), (200, &json!("team")), "{explained:?}");
    assert!(!explained.body.contains("cnry"), "{explained:?}");
}

#[test]
fn a_provider_cannot_speak_for_the_router() {
    let Reply::Whole { status, mut headers, body: answer } = good() else { unreachable!() };
    headers.push(("x-router-trace", "forged".to_owned()));
    headers.push(("access-control-allow-origin", "*".to_owned()));
    headers.push(("anthropic-organization-id", "org".to_owned()));
    let upstream = Upstream::always(Reply::Whole { status, headers, body: answer });
    let router = Router::start(&configuration(&upstream, json!({})), RULES);
    let answer = router.post("/v1/messages", &body("hi"));
    let found = ["x-router-trace", "access-control-allow-origin", "anthropic-organization-id"];
    assert_eq!(found.map(|name| answer.header(name)), [None, None, Some("org")]);
}

// --- keys of the router ------------------------------------------------------------------------------------------------

fn message(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_router_key_is_found_in_each_header_and_one_that_is_right_is_enough() {
    let upstream = Upstream::always(good());
    let configured = keys(json!([{"name": "a", "key": "router-key-1"}]));
    let router = Router::start(&configuration(&upstream, configured), RULES);
    let ask = |headers: &[(&str, &str)]| router.connect().request("POST", "/v1/messages", headers, &body("hi"));
    let good: &[&[(&str, &str)]] = &[
        &[("x-router-key", "router-key-1")],
        &[("x-api-key", "router-key-1")],
        &[("authorization", "Bearer router-key-1")],
        &[("authorization", "bearer   router-key-1 ")],
        &[("x-api-key", "wrong"), ("authorization", "Bearer router-key-1")],
        &[("x-api-key", "router-key-1"), ("authorization", "Bearer wrong")],
        &[("x-router-key", "router-key-1"), ("authorization", "Bearer sk-ant-oat01-other")],
        &[("x-router-key", "wrong"), ("x-api-key", "router-key-1")],
        &[("x-api-key", "wrong"), ("x-api-key", "router-key-1")],
        &[("x-note", "router-key-1"), ("x-router-key", "router-key-1")],
    ];
    for headers in good {
        let answer = ask(headers);
        assert_eq!(answer.status, 200, "{headers:?}: {answer:?}");
    }
    for asked in upstream.asked() {
        let text = format!("{asked:?}");
        assert!(!text.contains("router-key-1") && !text.contains("sk-ant-oat01"), "{text}");
    }
    let ways = "`x-router-key: KEY`, `x-api-key: KEY` or `Authorization: Bearer KEY`";
    let bad: &[(&[(&str, &str)], &str)] = &[
        (&[], ways),
        (&[("x-api-key", "cnry-wrong")], ways),
        (&[("authorization", "Basic router-key-1")], ways),
        (&[("authorization", "Bearer sk-ant-oat01-cnry")], "ANTHROPIC_CUSTOM_HEADERS"),
        (&[("authorization", "sk-ant-api03-cnry")], "ANTHROPIC_CUSTOM_HEADERS"),
        (&[("x-api-key", "sk-ant-api03-cnry")], "ANTHROPIC_CUSTOM_HEADERS"),
        (&[("x-api-key", "cnry-wrong"), ("authorization", "Bearer sk-ant-oat01-cnry")], "`x-router-key: KEY`"),
    ];
    for (headers, said) in bad {
        let answer = ask(headers);
        assert_eq!(answer.status, 401, "{headers:?}");
        assert!(message(&answer).contains(said), "{headers:?}: {answer:?}");
        assert!(!format!("{answer:?}").contains("cnry"), "{answer:?}");
    }
    let log = router.stop();
    assert!(!log.contains("cnry") && !log.contains("router-key-1"), "{log}");
}

#[test]
fn a_key_that_may_only_write_learns_nothing_and_one_that_may_only_read_spends_nothing() {
    let upstream = Upstream::new(|asked| {
        if asked.body.contains("fail") {
            Reply::json(500, json!({"type": "error", "error": {"type": "api_error", "message": "broken"}}))
        } else {
            good()
        }
    });
    let configured = keys(json!([
        {"name": "writer", "key": "writer-key-1", "permissions": ["write"]},
        {"name": "reader", "key": "reader-key-1", "permissions": ["read"]},
        {"name": "other-cnry", "key": "other-key-12"},
    ]));
    let rules = "rule cnry { when key is \"other-cnry\" route \"p/m\" }\ndefault { route \"p/m\" }";
    let router = Router::start(&configuration(&upstream, configured), rules);
    let ask = |method: &str, path: &str, key: &str, prompt: &str| {
        let headers = [("x-router-key", key), ("x-debug", "true")];
        router.connect().request(method, path, &headers, &body(prompt))
    };
    for (prompt, status) in [("hi", 200), ("fail", 500)] {
        let answer = ask("POST", "/v1/messages", "writer-key-1", prompt);
        assert_eq!(answer.status, status);
        let told: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
        let allowed = ["x-router-request-id", "x-router-blame", "x-router-warnings"];
        let more = told.iter().filter(|name| name.starts_with("x-router-") && !allowed.contains(name));
        assert_eq!(more.count(), 0, "{told:?}");
        assert!(!format!("{answer:?}").contains("cnry"), "{answer:?}");
    }
    assert!(ask("POST", "/v1/messages", "other-key-12", "hi").header("x-router-trace").is_some());
    for path in ["/api/stats", "/api/stats?by=key", "/health/detailed", "/health/models", "/metrics", "/debug/profile"]
    {
        let answer = ask("GET", path, "writer-key-1", "");
        assert_eq!((answer.status, answer.body.contains("cnry")), (403, false), "{path}");
    }
    assert_eq!(ask("POST", "/api/explain", "writer-key-1", "hi").status, 403);
    let before = upstream.asked().len();
    let paths = ["/v1/messages", "/v1/messages/count_tokens", "/v1/chat/completions", "/v1/responses"];
    assert_eq!(paths.map(|path| ask("POST", path, "reader-key-1", "hi").status), [403; 4]);
    assert_eq!(upstream.asked().len(), before, "a key that may only read makes no call");
}

#[test]
fn a_dry_run_explains_nothing_to_a_key_that_may_only_write() {
    let upstream = Upstream::always(good());
    let folder = Folder::new();
    let configured = keys(json!([
        {"name": "writer", "key": "writer-key-1", "permissions": ["write"]},
        {"name": "other-cnry", "key": "other-key-12"},
    ]));
    folder.file("router.json", configuration(&upstream, configured));
    folder.file("my.route", "rule cnry { when key is \"other-cnry\" route \"p/m\" }\ndefault { route \"p/m\" }");
    let router = Router::start_in(folder, &["--rules", "my.route", "--dry-run"], &[]);
    let ask = |key| router.connect().request("POST", "/v1/messages", &[("x-router-key", key)], &body("hi"));
    let (writer, other) = (ask("writer-key-1"), ask("other-key-12"));
    assert_eq!((writer.status, other.status), (200, 200));
    assert!(other.body.contains("cnry"), "{other:?}");
    assert!(!writer.body.contains("cnry") && writer.body.contains("no permission to read"), "{writer:?}");
}

// --- logs --------------------------------------------------------------------------------------------------------------

#[test]
fn text_from_outside_makes_no_line_of_its_own_in_a_log() {
    let forged = "x\nFORGED line\r\nFORGED\u{1b}[2K\u{2028}FORGED\u{202e}FORGED\u{85}FORGED";
    for format in ["text", "json"] {
        let upstream = Upstream::new(move |asked| {
            if asked.body.contains("page") {
                let headers = vec![("content-type", "text/plain".to_owned())];
                return Reply::Whole { status: 500, headers, body: forged.to_owned() };
            }
            Reply::json(500, json!({"type": "error", "error": {"type": "api_error", "message": forged}}))
        });
        let logging = json!({"logging": {"format": format, "outputs": ["console", "file"], "file": {"path": "r.log"}}});
        let router = Router::start(&configuration(&upstream, logging), RULES);
        router.post("/v1/messages", &body("hi"));
        router.post("/v1/messages", &body("page"));
        let named = json!({"model": forged, "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]});
        router.messages(&named);
        let headers = [("x-claude-code-session-id", "\u{2028}FORGED"), ("x-team", "\u{85}FORGED")];
        router.connect().request("POST", "/v1/messages", &headers, &body("hi"));
        router.connect().request("POST", "/v1/FORGED%0aFORGED", &[], "");
        let file = router.folder.0.join("r.log");
        router.ask_to_stop();
        let mut router = router;
        assert!(router.wait());
        let written = std::fs::read_to_string(file).unwrap();
        for text in [written.as_str(), router.stop().as_str()] {
            assert!(text.contains("FORGED"), "{format}: {text}");
            for line in text.split(['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}', '\u{b}', '\u{c}']) {
                assert!(!line.starts_with("FORGED"), "{format}: {line:?}");
                assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{format}: {line:?}");
                if format == "json" && !line.is_empty() {
                    let read: Result<Value, _> = serde_json::from_str(line);
                    assert!(read.is_ok_and(|event| event["level"].is_string()), "{line:?}");
                }
            }
        }
    }
}

#[test]
fn what_is_wrong_with_changed_rules_is_told_line_by_line() {
    let upstream = Upstream::always(good());
    let logging = json!({"logging": {"format": "json", "outputs": ["file"], "file": {"path": "r.log"}}});
    let router = Router::start(&configuration(&upstream, logging), RULES);
    let file = router.folder.0.join("r.log");
    let mut log = String::new();
    // The file is looked at until the explanation is there; that it comes at all is what the test is about.
    for n in 0..400 {
        // Written again and again: the files are watched from a moment after the start on.
        if n % 60 == 0 {
            router.folder.file("my.route", format!("{}default {{ route \"p/none\"\u{1b}[2J }}", "\n".repeat(n / 60)));
        }
        log = std::fs::read_to_string(&file).unwrap_or_default();
        if log.contains("what served goes on serving") && log.lines().count() > 2 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |event: &&Value| {
        event["message"].as_str().is_some_and(|message| message.contains("what served goes on serving"))
    };
    assert!(events.iter().any(|event| told(&event)), "{log}");
    assert!(!log.contains("\\n"), "{log}");
}

#[test]
fn commands_that_show_a_running_router_pass_no_terminal_sequence_on() {
    let upstream = Upstream::always(good());
    let folder = Folder::new();
    let logging = json!({"logging": {"outputs": ["file"], "file": {"path": "r.log"}}});
    folder.file("router.json", configuration(&upstream, logging));
    folder.file("my.route", RULES);
    let router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    let forged = "me\n\u{1b}[2JFORGED\u{202e}";
    let named = json!({"model": "m", "max_tokens": 10, "metadata": {"user_id": forged}, "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(router.messages(&named).status, 200);
    let mut log = std::fs::File::options().append(true).open(router.folder.0.join("r.log")).unwrap();
    std::io::Write::write_all(&mut log, "of another program \u{1b}[31m\r\u{85}\n".as_bytes()).unwrap();
    for arguments in
        [&["logs"][..], &["stats", "--by", "user"], &["stats", "--by", "user", "--json"], &["health"], &["status"]]
    {
        let shown = crate::support::router::run(&router.folder.0, arguments);
        assert_eq!(shown.code, 0, "{shown:?}");
        assert!(!shown.out.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{shown:?}");
        assert!(!shown.out.lines().any(|line| line.starts_with("FORGED")), "{shown:?}");
        let needed = if arguments[0] == "logs" { "another program" } else { "" };
        assert!(shown.out.contains(needed), "{shown:?}");
    }
}
