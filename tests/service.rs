//! The service: started, asked, restarted and stopped by the command line; its log and its figures.

use serde_json::{Value, json};

use crate::support::router::{Folder, Router, run};
use crate::support::upstream::{Reply, Upstream};

fn good() -> Reply {
    Reply::json(
        200,
        json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "x"}],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 1_000, "output_tokens": 100}}),
    )
}

fn configuration(upstream: &Upstream, more: &Value) -> String {
    let model = json!({"inputCost": 1, "outputCost": 10, "contextWindow": 100_000, "maxOutputTokens": 1_000});
    let mut all = json!({
        "timezone": "UTC",
        "providers": {"p": {"kind": "anthropic", "apiKey": "sk-provider-secret", "baseUrl": upstream.url(), "models": {"m": model}}},
    });
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all.to_string()
}

fn ask() -> Value {
    json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "say hi"}]})
}

/// Ends what a test started in the background, however the test ends.
struct Ends<'f>(&'f Folder);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let _ = run(&self.0.0, &["stop"]);
    }
}

/// Stops a text from saying what differs from run to run.
fn steady(text: &str, folder: &Folder) -> String {
    let mut text = text.replace(&folder.0.display().to_string(), "FOLDER");
    for (before, word) in [
        ("http://127.0.0.1:", "PORT"),
        ("process ", "PID"),
        (" port ", "PORT"),
        ("--port ", "PORT"),
        ("for 0:00:", "TIME"),
    ] {
        let mut from = 0;
        while let Some(place) = text[from..].find(before).map(|place| from + place + before.len()) {
            let end = text[place..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |end| place + end);
            text.replace_range(place..end, word);
            from = place;
        }
    }
    text
}

#[test]
fn a_router_in_the_background_is_asked_restarted_and_stopped() {
    let upstream = Upstream::always(good());
    let folder = Folder::new();
    folder.file("router.json", configuration(&upstream, &json!({})));
    folder.file("my.route", "budget daily = $5 per day\nrule hello { when prompt contains \"hi\" route \"p/m\" tag \"greeting\" }\ndefault { route \"p/m\" }");
    let mut told = String::new();
    let mut say = |arguments: &[&str]| {
        let ended = run(&folder.0, arguments);
        let all = format!("$ router {}\n{}{}({})\n\n", arguments.join(" "), ended.out, ended.err, ended.code);
        told.push_str(&steady(&all, &folder));
        ended.out
    };
    let _ends = Ends(&folder);
    say(&["status"]);
    say(&["stop"]);
    say(&["stats"]);
    let started = say(&["start", "--detach", "--port", "0", "--rules", "my.route"]);
    let port: u16 = started.split_whitespace().nth(4).unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let mut client = crate::support::router::Connection::new(port);
    assert_eq!(client.request("POST", "/v1/messages", &[], &ask().to_string()).status, 200);
    say(&["status"]);
    say(&["health"]);
    say(&["env"]);
    say(&["env", "--shell", "fish"]);
    say(&["stats", "--by", "tag"]);
    say(&["stats", "--by", "weather"]);
    say(&["restart"]);
    // What was spent is still there, on the same port.
    let mut client = crate::support::router::Connection::new(port);
    let costs = client.request("GET", "/api/stats/costs", &[], "").json();
    assert_eq!(costs["budgets"][0]["spent_usd"], 0.002, "{costs}");
    let logs = run(&folder.0, &["logs"]).out;
    assert!(logs.contains("listening on") && logs.contains("answered"), "{logs}");
    say(&["stop"]);
    // Nobody has to run for what is written down. (How long it took is another matter each time.)
    let stats = run(&folder.0, &["stats", "--by", "rule", "--json"]).out;
    assert_eq!(serde_json::from_str::<Value>(&stats).unwrap()["hello"]["cost_usd"], 0.002, "{stats}");
    say(&["health"]);
    // How wide the last column is depends on how long something took.
    let told = told.lines().map(|line| {
        let end = line.find("$0.0020").map(|place| place + 7).or_else(|| line.find("cost ").map(|place| place + 4));
        end.map_or(line, |end| &line[..end])
    });
    insta::assert_snapshot!(told.collect::<Vec<&str>>().join("\n"));
}

#[test]
fn a_start_that_fails_says_why() {
    let folder = Folder::new();
    folder.file("my.route", "default { route \"gpt-5\" ");
    let ended = run(&folder.0, &["start", "--detach", "--port", "0", "--rules", "my.route"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("the rules do not compile") && ended.err.contains("the router ended at once"),
        "{ended:?}"
    );
}

#[test]
fn the_log_is_set_aside_when_it_is_full_and_holds_no_secret() {
    let upstream = Upstream::always(good());
    let logging = json!({"level": "debug", "format": "json", "outputs": ["file"],
        "file": {"path": "logs/router.log", "maxSize": "4KB", "maxFiles": 2, "compress": true},
        "metrics": {"interval": 0.05}});
    let folder = Folder::new();
    folder.file("router.json", configuration(&upstream, &json!({"logging": logging, "store": {"type": "memory"}})));
    folder.file("my.route", "default { route \"p/m\" }");
    let mut router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    let mut connection = router.connect();
    for _ in 0..60 {
        let headers = [("authorization", "Bearer client-secret"), ("x-api-key", "client-secret")];
        assert_eq!(connection.request("POST", "/v1/messages", &headers, &ask().to_string()).status, 200);
    }
    let path = router.folder.0.join("logs");
    let read = |name: &str| {
        let bytes = std::fs::read(path.join(name)).unwrap();
        if !name.ends_with(".gz") {
            return String::from_utf8(bytes).unwrap();
        }
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text).unwrap();
        text
    };
    router.ask_to_stop();
    router.wait();
    let mut names: Vec<String> =
        std::fs::read_dir(&path).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["router.log", "router.log.1.gz", "router.log.2.gz"]);
    let all: String = names.iter().map(|name| read(name)).collect();
    for line in all.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string());
    }
    assert!(all.contains("\"message\":\"answered\"") && !all.contains("secret"));
}

#[test]
fn figures_are_served_for_prometheus() {
    let upstream = Upstream::always(good());
    let rules = "budget daily = $5 per day\nrule hello { when prompt contains \"hi\" route \"p/m\" }\ndefault { route \"p/m\" }";
    let more = json!({"store": {"type": "memory"}, "logging": {"metrics": {"endpoint": "/figures"}}});
    let router = Router::start(&configuration(&upstream, &more), rules);
    for _ in 0..3 {
        router.messages(&ask());
    }
    router.post("/v1/messages", "{}");
    let answer = router.connect().request("GET", "/figures", &[], "");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let mut series = std::collections::BTreeSet::new();
    for line in answer.body.lines() {
        if line.starts_with('#') {
            let mut words = line.split(' ').skip(1);
            assert!(matches!(words.next(), Some("HELP" | "TYPE")), "{line}");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        value.parse::<f64>().unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(series.insert(name.to_owned()), "twice: {line}");
    }
    let wanted = [
        "claude_router_requests_total{rule=\"hello\",outcome=\"answered\"} 3",
        "claude_router_requests_total{rule=\"-\",outcome=\"rejected\"} 1",
        "claude_router_attempts_total{model=\"p/m\",outcome=\"answered\"} 3",
        "claude_router_cost_dollars_total{model=\"p/m\"} 0.006",
        "gen_ai_client_token_usage_sum{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"p\",gen_ai_request_model=\"m\",gen_ai_token_type=\"input\"} 3000",
        "gen_ai_client_token_usage_bucket{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"p\",gen_ai_request_model=\"m\",gen_ai_token_type=\"output\",le=\"256\"} 3",
        "gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"p\",gen_ai_request_model=\"m\"} 3",
        "claude_router_budget_spent_dollars{budget=\"daily\"} 0.006",
        "claude_router_model_healthy{model=\"p/m\"} 1",
        "claude_router_store_up 1",
    ];
    for line in wanted {
        assert!(answer.body.lines().any(|known| known.starts_with(line)), "{line} is not in\n{}", answer.body);
    }
    assert_eq!(router.connect().request("GET", "/metrics", &[], "").status, 404);
}

#[test]
fn completions_are_there_for_shells() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(&folder.0, &["completions", shell]);
        assert!(ended.code == 0 && ended.out.contains("explain") && ended.out.contains("detach"), "{shell}: {ended:?}");
    }
}

#[test]
fn a_configuration_may_be_toml_and_is_checked() {
    let folder = Folder::new();
    folder.file("router.toml", "timezone = \"UTC\"\n[router]\nport = 8081\n[openai]\napiKey = \"${OPENAI_API_KEY}\"\n[rateLimit.global]\nrequests = 10\n");
    let ended = run(&folder.0, &["config", "check"]);
    assert_eq!(
        (ended.code, ended.out.as_str(), ended.err.as_str()),
        (
            0,
            "warning: provider openai: OPENAI_API_KEY is not set\nrouter.toml is right: 1 rules, 0 budgets, 2 providers that can be called, 1 without a key\n",
            ""
        )
    );
    folder.file("router.toml", "[router]\nport = 8081\n\n[rateLimit]\nperkey = { requests = 1 }\n");
    let ended = run(&folder.0, &["config", "check"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.starts_with("router: router.toml:5:1: unknown field `perkey`"), "{ended:?}");
    assert!(ended.err.ends_with("did you mean `perKey`?\n"), "{ended:?}");
    folder.file("router.toml", "[router\n");
    assert!(run(&folder.0, &["config", "check"]).err.starts_with("router: router.toml:1:8: "));
}

#[test]
fn the_schema_knows_every_section_and_says_what_it_is() {
    let folder = Folder::new();
    let schema: Value = serde_json::from_str(&run(&folder.0, &["config", "schema"]).out).unwrap();
    let sections = schema["properties"].as_object().unwrap();
    for name in
        ["router", "providers", "rateLimit", "store", "cache", "security", "logging", "performance", "healthCheck"]
    {
        assert!(sections[name]["description"].is_string(), "{name}");
    }
    assert_eq!(schema["additionalProperties"], false);
    // What it names, the reader takes; what it does not name, the reader refuses by the same list.
    folder.file("router.json", "{\"nobody\": 1}");
    let refused = run(&folder.0, &["config"]).err;
    for name in sections.keys() {
        assert!(refused.contains(&format!("`{name}`")), "{name} in {refused}");
    }
}

#[test]
fn models_are_asked_by_the_path_that_requests_take() {
    let upstream = Upstream::new(|asked| match asked.json()["model"].as_str() {
        Some("m") => good(),
        _ => {
            Reply::json(404, json!({"type": "error", "error": {"type": "not_found_error", "message": "no such model"}}))
        }
    });
    let folder = Folder::new();
    let mut written: Value = serde_json::from_str(&configuration(&upstream, &json!({}))).unwrap();
    written["providers"]["p"]["models"]["gone"] = json!({"contextWindow": 1_000});
    folder.file("router.json", written.to_string());
    let ended = run(&folder.0, &["models", "test"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let lines: Vec<&str> = ended.out.lines().collect();
    assert!(lines[0].starts_with("p/gone  fails with 404: no such model"), "{ended:?}");
    assert!(lines[1].starts_with("p/m     answers in ") && lines[1].ends_with(" ms: x"), "{ended:?}");
    assert_eq!(run(&folder.0, &["models", "test", "m"]).code, 0);
    assert!(run(&folder.0, &["models", "test", "mm"]).err.contains("no provider has a model `mm`"));
    let listed = run(&folder.0, &["models", "list"]).out;
    assert_eq!(listed, "p/gone       1000 tokens  price unknown\np/m        100000 tokens  $1 in, $10 out a million\n");
    // Asking leaves nothing behind.
    assert!(!folder.0.join(".local").exists());
}
