//! Limits, keys, and what happens when more comes than the router takes on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::router::{Folder, Router, run};
use crate::support::upstream::{Reply, Upstream};

const RULES: &str = "default { route \"p/m\" else \"p/n\" }";

fn configuration(upstream: &Upstream, more: &Value) -> String {
    let model = json!({"inputCost": 0, "outputCost": 100, "contextWindow": 100_000, "maxOutputTokens": 1_000});
    let mut all = json!({
        "providers": {"p": {"kind": "anthropic", "apiKey": "sk-p", "baseUrl": upstream.url(), "models": {"m": model, "n": model}}},
        "store": {"type": "memory"},
    });
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all.to_string()
}

fn good() -> Reply {
    Reply::json(
        200,
        json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "x"}],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 20}}),
    )
}

fn ask() -> Value {
    json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "say hi"}]})
}

fn with_key(
    router: &Router,
    method: &str,
    path: &str,
    header: (&str, &str),
    body: &str,
) -> (u16, Value, Option<String>) {
    let answer = router.connect().request(method, path, &[header], body);
    let after = answer.header("retry-after").map(str::to_owned);
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_default(), after)
}

#[test]
fn requests_are_limited_in_the_words_of_the_api_that_was_called() {
    let upstream = Upstream::always(good());
    let more = json!({"rateLimit": {"global": {"requests": 3, "window": 3600}}});
    let router = Router::start(&configuration(&upstream, &more), RULES);
    for _ in 0..3 {
        assert_eq!(router.messages(&ask()).status, 200);
    }
    let answer = router.messages(&ask());
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1200")));
    assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
    assert_eq!(answer.json()["error"]["message"], "the limit of 3 requests in 3600 s is reached: try again in 1200 s");
    let chat = router.post(
        "/v1/chat/completions",
        &json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}).to_string(),
    );
    assert_eq!((chat.status, &chat.json()["error"]["type"]), (429, &json!("rate_limit_error")), "{chat:?}");
    assert_eq!(upstream.asked().len(), 3);
}

#[test]
fn tokens_are_limited_by_what_calls_really_used() {
    let upstream = Upstream::always(good());
    let more = json!({"rateLimit": {"global": {"tokens": 400, "window": 3600}}});
    let router = Router::start(&configuration(&upstream, &more), RULES);
    // Each is expected to use over a hundred tokens, and uses thirty: what is too much is given back.
    let statuses: Vec<u16> = (0..12).map(|_| router.messages(&ask()).status).collect();
    let good = statuses.iter().filter(|status| **status == 200).count();
    assert!((9..=11).contains(&good), "{statuses:?}");
    assert!(statuses.is_sorted());
}

#[test]
fn a_model_at_its_limit_is_passed_over_for_the_next() {
    let upstream = Upstream::always(good());
    let more = json!({"rateLimit": {"perModel": {"m": {"requests": 2, "window": 3600}}}});
    let router = Router::start(&configuration(&upstream, &more), RULES);
    let models: Vec<Value> = (0..3)
        .map(|_| {
            assert_eq!(router.messages(&ask()).status, 200);
            upstream.asked().last().unwrap().json()["model"].clone()
        })
        .collect();
    assert_eq!(models, ["m", "m", "n"]);
}

#[test]
fn only_who_has_a_key_may_call_and_each_has_a_limit_of_its_own() {
    let upstream = Upstream::always(good());
    let hash = sha256("second-secret");
    let more = json!({
        "security": {"authentication": {"enabled": true, "type": "bearer", "keys": [
            {"name": "ci", "key": "${CI_KEY}", "rateLimit": 2},
            {"name": "team", "keyHash": hash},
            {"name": "watcher", "key": "read-secret", "permissions": ["read"]},
        ]}},
        "rateLimit": {"perKey": {"requests": 4, "window": 3600}},
    });
    let folder = Folder::new();
    folder.file("router.json", configuration(&upstream, &more));
    folder.file("my.route", "rule ci { when key is \"ci\" route \"p/n\" }\ndefault { route \"p/m\" }");
    let router = Router::start_in(folder, &["--rules", "my.route"], &[("CI_KEY", "first-secret")]);
    let body = ask().to_string();
    let send = |header| with_key(&router, "POST", "/v1/messages", header, &body);
    let (status, answer, _) = send(("x-other", "1"));
    assert_eq!((status, &answer["error"]["type"]), (401, &json!("authentication_error")));
    assert_eq!(send(("x-api-key", "wrong")).0, 401);
    assert_eq!(send(("authorization", "Basic first-secret")).0, 401);
    let ci = ("authorization", "Bearer first-secret");
    assert_eq!([send(ci).0, send(ci).0, send(ci).0], [200, 200, 429]);
    assert_eq!(upstream.asked()[0].json()["model"], "n", "rules see the key's name");
    let team = ("x-api-key", "second-secret");
    assert_eq!([send(team).0, send(team).0, send(team).0, send(team).0, send(team).0], [200, 200, 200, 200, 429]);
    let watcher = ("x-api-key", "read-secret");
    let (status, answer, _) = send(watcher);
    assert_eq!((status, &answer["error"]["message"]), (403, &json!("the key `watcher` has no permission to write")));
    let get = |path, header| with_key(&router, "GET", path, header, "").0;
    for path in ["/api/stats", "/api/stats/costs", "/health/detailed", "/health/models", "/debug/profile"] {
        assert_eq!((get(path, watcher), get(path, ("x-other", "1"))), (200, 401), "{path}");
    }
    assert_eq!(
        (get("/health", ("x-other", "1")), get("/v1/models", watcher), get("/v1/models", ("a", "b"))),
        (200, 200, 401)
    );
    let (_, stats, _) = with_key(&router, "GET", "/api/stats?by=key", watcher, "");
    assert_eq!(stats["groups"]["ci"]["requests"], 3, "{stats}");
    // The provider gets its own key, and nobody else's; no secret is in the log.
    for asked in upstream.asked() {
        assert_eq!(asked.header("x-api-key"), Some("sk-p"));
        assert!(!format!("{asked:?}").contains("secret"));
    }
    let log = router.stop();
    assert!(!log.contains("secret"), "{log}");
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn only_with_keys_others_are_listened_to() {
    let upstream = Upstream::always(good());
    let folder = Folder::new();
    folder.file("my.route", RULES);
    let open = json!({"router": {"host": "0.0.0.0"}});
    folder.file("router.json", configuration(&upstream, &open));
    let ended = run(&folder.0, &["start", "--port", "0", "--rules", "my.route"]);
    assert_eq!(ended.code, 2);
    assert_eq!(
        ended.err,
        "router: `0.0.0.0` can be reached by others, and nobody would have to authenticate; set keys in `security.authentication`, or listen on 127.0.0.1\n"
    );
    let mut closed = open;
    closed["security"] = json!({"authentication": {"keys": [{"key": "abc"}]}});
    folder.file("router.json", configuration(&upstream, &closed));
    let router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    assert_eq!(router.messages(&ask()).status, 401);
}

#[test]
fn a_configuration_that_is_wrong_says_where_and_what_would_be_right() {
    let cases = [
        json!({"store": {"type": "redis"}}),
        json!({"store": {"type": "sqlit"}}),
        json!({"store": {"type": "memory", "path": "x"}}),
        json!({"store": {"url": "http://x"}}),
        json!({"onStoreFailure": "maybe"}),
        json!({"rateLimit": {"global": {"requests": 0}}}),
        json!({"rateLimit": {"global": {"window": 60}}}),
        json!({"rateLimit": {"perKey": {"requests": 1, "window": 0}}}),
        json!({"rateLimit": {"perModel": {"claude-sonet-4-5": {"requests": 1}}}}),
        json!({"rateLimit": {"perkey": {"requests": 1}}}),
        json!({"security": {"authentication": {"keys": []}}}),
        json!({"security": {"authentication": {"type": "basic", "keys": [{"key": "secret-a"}]}}}),
        json!({"security": {"authentication": {"keys": [{"key": "secret-a"}, {"key": "secret-a"}]}}}),
        json!({"security": {"authentication": {"keys": [{"keyHash": "abc"}]}}}),
        json!({"security": {"authentication": {"keys": [{"key": "secret-a", "permissions": ["admin"]}]}}}),
        json!({"performance": {"maxConcurrent": 0}}),
        json!({"performance": {"clustering": {"workers": "many"}}}),
        json!({"healthCheck": {"interval": -1}}),
    ];
    let mut told = String::new();
    let folder = Folder::new();
    for case in &cases {
        folder.file("router.json", case.to_string());
        let ended = run(&folder.0, &["config"]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{case}");
        told.push_str(&format!("{case}\n    {}", ended.err));
    }
    insta::assert_snapshot!(told.replace("secret-a", "KEY"));
}

/// A provider that answers when it is let go.
fn holding() -> (Upstream, std::sync::Arc<AtomicBool>) {
    let hold = std::sync::Arc::new(AtomicBool::new(true));
    let held = std::sync::Arc::clone(&hold);
    let upstream = Upstream::new(move |_| {
        while held.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        good()
    });
    (upstream, hold)
}

#[test]
fn what_is_too_much_is_refused_at_once_and_the_rest_goes_on() {
    let (upstream, hold) = holding();
    let more = json!({"performance": {"maxConcurrent": 3, "maxQueue": 2, "queueWait": 30}});
    let router = Router::start(&configuration(&upstream, &more), RULES);
    let body = ask().to_string();
    let state = || router.connect().request("GET", "/health/detailed", &[], "").json()["requests"].clone();
    let wait_for = |wanted: Value| {
        let end = Instant::now() + Duration::from_secs(20);
        while state() != wanted {
            assert!(Instant::now() < end, "{}", state());
            std::thread::yield_now();
        }
    };
    let mut under_way: Vec<_> = (0..3).map(|_| router.connect()).collect();
    under_way.iter_mut().for_each(|client| client.send("POST", "/v1/messages", &[], &body));
    wait_for(json!({"under_way": 3, "waiting": 0}));
    let mut waiting: Vec<_> = (0..2).map(|_| router.connect()).collect();
    waiting.iter_mut().for_each(|client| client.send("POST", "/v1/messages", &[], &body));
    wait_for(json!({"under_way": 3, "waiting": 2}));
    let refused = router.messages(&ask());
    assert_eq!(
        (refused.status, refused.header("retry-after"), refused.header("x-router-blame")),
        (503, Some("1"), Some("router"))
    );
    // One who waits may go, and leaves its place.
    waiting.pop();
    wait_for(json!({"under_way": 3, "waiting": 1}));
    hold.store(false, Ordering::SeqCst);
    for client in under_way.iter_mut().chain(&mut waiting) {
        assert_eq!(client.answer(true).status, 200);
    }
    wait_for(json!({"under_way": 0, "waiting": 0}));
}

#[test]
fn calls_of_one_key_at_one_time_are_limited() {
    let upstream = Upstream::always(Reply::Hang(Vec::new()));
    let more = json!({
        "rateLimit": {"perKey": {"concurrency": 1}},
        "security": {"authentication": {"keys": [{"name": "a", "key": "ka"}, {"name": "b", "key": "kb"}]}},
        "performance": {"maxQueue": 0},
    });
    let router = Router::start(&configuration(&upstream, &more), RULES);
    let body = ask().to_string();
    let mut first = router.connect();
    first.send("POST", "/v1/messages", &[("x-api-key", "ka")], &body);
    let end = Instant::now() + Duration::from_secs(20);
    while upstream.asked().is_empty() && Instant::now() < end {
        std::thread::yield_now();
    }
    let (status, answer, _) = with_key(&router, "POST", "/v1/messages", ("x-api-key", "ka"), &body);
    assert_eq!((status, &answer["error"]["message"]), (429, &json!("key a is at its limit of 1 requests at once")));
    let mut other = router.connect();
    other.send("POST", "/v1/messages", &[("x-api-key", "kb")], &body);
    while upstream.asked().len() < 2 && Instant::now() < end {
        std::thread::yield_now();
    }
    assert_eq!(upstream.asked().len(), 2);
}

#[test]
fn a_rejected_request_uses_no_tokens() {
    let upstream = Upstream::always(good());
    let more = json!({"rateLimit": {"global": {"tokens": 2_000, "window": 3600}}});
    let rules = "rule no { when prompt contains \"forbidden\" reject 403 \"no\" }\ndefault { route \"p/m\" }";
    let router = Router::start(&configuration(&upstream, &more), rules);
    let mut long = ask();
    long["messages"][0]["content"] = json!("forbidden ".repeat(800));
    for _ in 0..5 {
        assert_eq!(router.messages(&long).status, 403);
    }
    assert_eq!(router.messages(&ask()).status, 200);
}

#[test]
fn a_body_that_does_not_come_in_gives_its_place_back() {
    let upstream = Upstream::always(good());
    let more = json!({"performance": {"maxConcurrent": 2, "bodyTimeout": 0.3}});
    let router = Router::start(&configuration(&upstream, &more), RULES);
    let body = ask().to_string();
    let mut slow: Vec<_> = (0..2).map(|_| router.connect()).collect();
    for client in &mut slow {
        client.send("POST", "/v1/messages", &[("content-length", "100000")], "{\"model\"");
    }
    // All places are taken; this one waits for the others to be given up.
    let answer = router.connect().request("POST", "/v1/messages", &[], &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    for client in &mut slow {
        let answer = client.answer(true);
        assert_eq!(answer.status, 408);
        assert_eq!(answer.json()["error"]["message"], "timed out reading the request body");
    }
    assert_eq!(upstream.asked().len(), 1);
}

#[test]
fn bodies_and_heads_take_no_more_room_than_there_is() {
    let (upstream, hold) = holding();
    let more = json!({"performance": {"maxBodySize": 100_000, "maxBodyTotal": 120_000}});
    let router = Router::start(&configuration(&upstream, &more), RULES);
    let mut large = ask();
    large["messages"][0]["content"] = json!("word ".repeat(18_000));
    let large = large.to_string();
    let mut first = router.connect();
    first.send("POST", "/v1/messages", &[], &large);
    let end = Instant::now() + Duration::from_secs(20);
    while upstream.asked().is_empty() && Instant::now() < end {
        std::thread::yield_now();
    }
    let refused = router.connect().request("POST", "/v1/messages", &[], &large);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert_eq!(refused.json()["error"]["message"], "the router holds as many bytes of requests as it may");
    let long = "x".repeat(80_000);
    let refused = router.connect().request("POST", "/v1/messages", &[("x-long", &long)], "{}");
    assert_eq!(refused.status, 431);
    hold.store(false, Ordering::SeqCst);
    assert_eq!(first.answer(true).status, 200);
    assert_eq!(router.connect().request("POST", "/v1/messages", &[], &large).status, 200);
}

#[test]
fn answers_are_packed_for_those_who_take_them_and_streams_never() {
    let long = "many words ".repeat(500);
    let said = long.clone();
    let upstream = Upstream::new(move |asked| {
        if asked.json()["stream"] == true {
            let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
            let events = [
                json!({"type": "message_start", "message": {"id": "x", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": said}}),
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}),
                json!({"type": "message_stop"}),
            ];
            return Reply::Stream(vec![events.map(event).concat().into_bytes()]);
        }
        let mut answer = json!({"id": "x", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": said}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}});
        if asked.json()["max_tokens"] == 1 {
            answer["content"] = json!([]);
        }
        Reply::json(200, answer)
    });
    let more = json!({"performance": {"compression": {"enabled": true, "level": 6, "threshold": 1024}}});
    let router = Router::start(&configuration(&upstream, &more), RULES);
    let send = |change: &dyn Fn(&mut Value), takes: &str| {
        let mut body = ask();
        body["max_tokens"] = json!(100);
        change(&mut body);
        router.connect().request("POST", "/v1/messages", &[("accept-encoding", takes)], &body.to_string())
    };
    let packed = send(&|_| {}, "gzip, br");
    assert_eq!(packed.header("content-encoding"), Some("gzip"), "{:?}", packed.headers);
    assert!(packed.raw.len() < 1_000 && packed.header("vary").is_some_and(|vary| vary.contains("accept-encoding")));
    let mut plain = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed.raw.as_slice()), &mut plain).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&plain).unwrap()["content"][0]["text"], long);
    for (answer, what) in [
        (send(&|_| {}, "identity"), "nobody asked"),
        (send(&|body| body["max_tokens"] = json!(1), "gzip"), "small"),
        (send(&|body| body["stream"] = json!(true), "gzip"), "a stream"),
    ] {
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{what}");
    }
}

/// The memory of a process, in megabytes.
fn memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap_or(0.0) / 1_024.0
}

#[test]
fn four_times_too_much_is_shed_and_memory_stays() {
    let upstream = Upstream::always(good());
    let more = json!({"performance": {"maxConcurrent": 16, "maxQueue": 16, "queueWait": 0.2}});
    let router = Router::start(&configuration(&upstream, &more), RULES);
    let (good, shed, over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let mut body = ask();
    body["messages"][0]["content"] = json!("words and words ".repeat(2_000));
    let body = body.to_string();
    std::thread::scope(|scope| {
        for _ in 0..128 {
            let (good, shed, over, body) = (&good, &shed, &over, &body);
            let mut connection = router.connect();
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    match connection.request("POST", "/v1/messages", &[], body).status {
                        200 => good.fetch_add(1, Ordering::SeqCst),
                        503 => shed.fetch_add(1, Ordering::SeqCst),
                        other => panic!("{other}"),
                    };
                }
            });
        }
        let end = Instant::now() + Duration::from_secs(60);
        while (good.load(Ordering::SeqCst) < 1_000 || shed.load(Ordering::SeqCst) < 1_000) && Instant::now() < end {
            std::thread::yield_now();
        }
        over.store(true, Ordering::SeqCst);
    });
    let peak = memory(router.pid());
    let told = format!("{good:?} answered, {shed:?} shed, {peak} MB");
    assert!(good.into_inner() >= 1_000 && shed.into_inner() >= 1_000, "{told}");
    assert!(peak < 150.0, "{told}");
}

#[test]
fn rules_and_configuration_that_change_all_the_time_lose_no_request() {
    let upstream = Upstream::always(good());
    let folder = Folder::new();
    let write = |folder: &Folder, n: usize| {
        let more =
            json!({"performance": {"maxConcurrent": 64 + n % 2}, "rateLimit": {"global": {"requests": 1_000_000 + n}}});
        let put = |name: &str, text: String| {
            let new = folder.0.join(format!("{name}.new"));
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, folder.0.join(name)).unwrap();
        };
        put("router.json", configuration(&upstream, &more));
        put("my.route", format!("rule r{n} {{ when tokens > {n} route \"p/n\" }}\ndefault {{ route \"p/m\" }}"));
    };
    write(&folder, 1);
    let router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    let (good, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (good, over) = (&good, &over);
            let mut connection = router.connect();
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let answer = connection.request("POST", "/v1/messages", &[], &ask().to_string());
                    assert_eq!(answer.status, 200, "{answer:?}");
                    good.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // The pause is what is tested: a change every tenth of a second, for three seconds.
        for n in 2..32 {
            write(&router.folder, n);
            std::thread::sleep(Duration::from_millis(100));
        }
        over.store(true, Ordering::SeqCst);
    });
    assert!(good.into_inner() > 100);
    assert!(router.stop().contains("configuration and rules were read again"));
}
