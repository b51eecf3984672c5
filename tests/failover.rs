//! What clients get when providers fail: one table, and what happens around it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::router::{Folder, Router};
use crate::support::upstream::{Reply, Upstream};

fn events(names: &[&str]) -> Vec<u8> {
    let data = |name: &str| match name {
        "message_start" => {
            json!({"type": name, "message": {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1_000, "output_tokens": 1}}})
        }
        "content_block_start" => json!({"type": name, "index": 0, "content_block": {"type": "text", "text": ""}}),
        "content_block_delta" => {
            json!({"type": name, "index": 0, "delta": {"type": "text_delta", "text": "four bytes by four b"}})
        }
        "content_block_stop" => json!({"type": name, "index": 0}),
        "message_delta" => {
            json!({"type": name, "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 100}})
        }
        "error" => json!({"type": name, "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        other => json!({"type": other}),
    };
    names.iter().map(|name| format!("event: {name}\ndata: {}\n\n", data(name))).collect::<String>().into_bytes()
}

const BEGINNING: &[&str] = &["message_start", "content_block_start", "content_block_delta"];
const END: &[&str] = &["content_block_stop", "message_delta", "message_stop"];

fn good(stream: bool) -> Reply {
    if stream {
        return Reply::Stream(vec![events(BEGINNING), events(END)]);
    }
    Reply::json(200, whole())
}

fn whole() -> Value {
    json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 1_000, "output_tokens": 100}})
}

fn error(status: u16, kind: &str, retry_after: Option<&str>) -> Reply {
    let body = json!({"type": "error", "error": {"type": kind, "message": kind}});
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(retry_after.map(|seconds| ("retry-after", seconds.to_owned())));
    Reply::Whole { status, headers, body: body.to_string() }
}

fn page() -> Reply {
    let headers = vec![("content-type", "text/html".to_owned())];
    Reply::Whole { status: 200, headers, body: "<html>login</html>".to_owned() }
}

fn half() -> Reply {
    let body = whole().to_string();
    let headers = vec![("content-type", "application/json".to_owned())];
    Reply::Whole { status: 200, headers, body: body[..body.len() / 2].to_owned() }
}

/// How a provider fails, to a request for a whole answer and for a stream.
type Fault = Option<fn(bool) -> Reply>;

fn faults() -> Vec<(&'static str, Fault)> {
    vec![
        ("answers", Some(good)),
        ("refuses connections", None),
        ("resets the connection", Some(|_| Reply::Close)),
        ("hangs before the first byte", Some(|_| Reply::Hang(Vec::new()))),
        ("hangs after the beginning", Some(|_| Reply::Hang(vec![events(BEGINNING)]))),
        ("breaks off after the beginning", Some(|_| Reply::Cut(vec![events(BEGINNING)]))),
        ("breaks off before a word", Some(|_| Reply::Cut(vec![events(&["message_start"])]))),
        ("is overloaded in its stream", Some(|_| Reply::Stream(vec![events(&["message_start"]), events(&["error"])]))),
        ("is overloaded in mid-stream", Some(|_| Reply::Stream(vec![events(BEGINNING), events(&["error"])]))),
        ("answers 400", Some(|_| error(400, "invalid_request_error", None))),
        ("answers 401", Some(|_| error(401, "authentication_error", None))),
        ("answers 408", Some(|_| error(408, "timeout_error", None))),
        ("answers 429", Some(|_| error(429, "rate_limit_error", None))),
        ("answers 429, retry-after 7", Some(|_| error(429, "rate_limit_error", Some("7")))),
        ("answers 500", Some(|_| error(500, "api_error", None))),
        ("answers 529", Some(|_| error(529, "overloaded_error", None))),
        ("answers 529, retry-after 3", Some(|_| error(529, "overloaded_error", Some("3")))),
        ("answers a page", Some(|_| page())),
        ("answers half a JSON", Some(|_| half())),
    ]
}

/// $1 per million tokens in, $10 out: a good answer costs 0.2 cents.
fn provider(url: &str) -> Value {
    json!({"kind": "anthropic", "apiKey": "k", "baseUrl": url,
        "models": {"m": {"inputCost": 1, "outputCost": 10, "contextWindow": 100_000, "maxOutputTokens": 1_000}}})
}

struct Seen {
    client: String,
    tried: String,
    cost: String,
}

fn one(fault: Fault, stream: bool, rules: &str) -> Seen {
    let bad = fault.map(|fault| Upstream::new(move |asked| fault(asked.json()["stream"] == true)));
    let closed = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let other = Upstream::new(move |asked| good(asked.json()["stream"] == true));
    let url = bad.as_ref().map_or_else(closed, Upstream::url);
    let configuration =
        json!({"providers": {"p": provider(&url), "q": provider(&other.url())}, "store": {"path": "r.db"}});
    let folder = Folder::new();
    folder.file("router.json", configuration.to_string());
    folder.file("my.route", rules);
    let path = folder.0.join("r.db");
    let mut router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    let body =
        json!({"model": "m", "max_tokens": 100, "stream": stream, "messages": [{"role": "user", "content": "say hi"}]});
    let answer = router.messages(&body);
    let mut client = answer.status.to_string();
    if answer.status == 200 {
        let end = answer.events().last().map(|(name, data)| match name.as_str() {
            "error" => {
                format!(" {}: {}", data["error"]["type"].as_str().unwrap(), data["error"]["message"].as_str().unwrap())
            }
            name => format!(" ... {name}"),
        });
        client.push_str(&end.filter(|_| stream).unwrap_or_default());
    } else {
        let error = &answer.json()["error"];
        let _ = write!(client, " {}: {}", error["type"].as_str().unwrap(), error["message"].as_str().unwrap());
    }
    if let Some(seconds) = answer.header("retry-after") {
        let _ = write!(client, ", retry-after {seconds}");
    }
    router.ask_to_stop();
    assert!(router.wait(), "the router stops well");
    let store = rusqlite::Connection::open(path).unwrap();
    let row = store.query_row("select attempts, cost from usage", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?))
    });
    let (attempts, cost) = row.unwrap();
    let attempts: Vec<Value> = serde_json::from_str(&attempts).unwrap();
    let tried = attempts.iter().map(|attempt| {
        format!("{} {}", attempt["model"].as_str().unwrap().replace("/m", ""), attempt["outcome"].as_str().unwrap())
    });
    let mut client = client.replace("127.0.0.1", "HOST");
    if let Some(place) = client.find("HOST:") {
        let digits =
            client[place + 5..].find(|c: char| !c.is_ascii_digit()).map_or(client.len(), |end| place + 5 + end);
        client.replace_range(place + 5..digits, "PORT");
    }
    let cost = cost.map_or("unknown".to_owned(), |cost| format!("{:.4} cents", cost as f64 / 1e7));
    Seen { client, tried: tried.collect::<Vec<String>>().join(", "), cost }
}

#[test]
fn what_a_client_gets_when_a_provider_fails() {
    let mut table = String::new();
    let settings = "timeout 700ms timeout total 1500ms";
    let alone = format!("default {{ route \"p/m\" {settings} }}");
    let with_other = format!("default {{ route \"p/m\" else \"q/m\" {settings} }}");
    let mut cases = Vec::new();
    for (name, rules) in [("alone", &alone), ("with another target behind it", &with_other)] {
        for stream in [false, true] {
            for (fault, reply) in faults() {
                cases.push((
                    format!("{name}, {}", if stream { "streamed" } else { "whole" }),
                    fault,
                    reply,
                    stream,
                    rules,
                ));
            }
        }
    }
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let mut found = Vec::new();
        for some in cases.chunks(8) {
            let running: Vec<_> =
                some.iter().map(|(_, _, reply, stream, rules)| scope.spawn(|| one(*reply, *stream, rules))).collect();
            found.extend(running.into_iter().map(|case| case.join().unwrap()));
        }
        found
    });
    let mut before = String::new();
    for ((part, fault, ..), seen) in cases.iter().zip(seen) {
        if *part != before {
            let _ = writeln!(table, "\n# {part}");
            before.clone_from(part);
        }
        let _ = writeln!(
            table,
            "{fault}\n    client  {}\n    tried   {}\n    cost    {}",
            seen.client, seen.tried, seen.cost
        );
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_client_that_hangs_up_ends_the_call_at_once_and_pays_for_what_was_produced() {
    let upstream = Upstream::always(Reply::Hang(vec![events(BEGINNING)]));
    let folder = Folder::new();
    let configuration = json!({"providers": {"p": provider(&upstream.url())}, "store": {"path": "r.db"}});
    folder.file("router.json", configuration.to_string());
    folder.file("my.route", "budget b = $1 per day hard\ndefault { route \"p/m\" }");
    let router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    let mut client = router.connect();
    let body =
        json!({"model": "m", "max_tokens": 100, "stream": true, "messages": [{"role": "user", "content": "say hi"}]});
    client.send("POST", "/v1/messages", &[], &body.to_string());
    client.first_piece();
    let left = Instant::now();
    drop(client);
    upstream.wait_until_given_up();
    let took = left.elapsed();
    assert!(took < Duration::from_millis(1_000), "the call goes on for {took:?} (100 ms on a machine of its own)");
    // A thousand tokens in, as the provider said; 20 bytes out are five tokens.
    let spent =
        || router.connect().request("GET", "/api/stats/costs", &[], "").json()["budgets"][0]["spent_usd"].clone();
    let end = Instant::now() + Duration::from_secs(10);
    while spent() == 0.0 && Instant::now() < end {
        std::thread::yield_now();
    }
    assert_eq!(spent(), 0.001_05);
}

#[test]
fn the_same_target_is_tried_again_after_what_it_asks_for_and_another_one_at_once() {
    let upstream = Upstream::new({
        let n = std::sync::atomic::AtomicUsize::new(0);
        move |_| match n.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => error(529, "overloaded_error", Some("1")),
            _ => Reply::json(200, whole()),
        }
    });
    let configuration = json!({"providers": {"p": provider(&upstream.url())}}).to_string();
    let router = Router::start(&configuration, "default { route \"p/m\" retry 1 }");
    let began = Instant::now();
    let body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "say hi"}]});
    assert_eq!(router.messages(&body).status, 200);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(upstream.asked().len(), 2);
    // Who asks for longer than anybody waits is left alone: the client is told when.
    let upstream = Upstream::always(error(429, "rate_limit_error", Some("60")));
    let configuration = json!({"providers": {"p": provider(&upstream.url())}}).to_string();
    let router = Router::start(&configuration, "default { route \"p/m\" retry 5 }");
    let answer = router.messages(&body);
    assert_eq!((answer.status, answer.header("retry-after"), upstream.asked().len()), (429, Some("60"), 1));
}

#[test]
fn keys_are_taken_in_turn_and_one_that_fails_rests() {
    let upstream = Upstream::new(|asked| match asked.header("x-api-key") {
        Some("k2") => error(429, "rate_limit_error", Some("60")),
        Some("k3") => error(401, "authentication_error", None),
        _ => Reply::json(200, whole()),
    });
    let mut p = provider(&upstream.url());
    p["apiKeys"] = json!(["k1", "k2", "k3", "${NOT_SET}"]);
    p.as_object_mut().unwrap().remove("apiKey");
    let router = Router::start(&json!({"providers": {"p": p}}).to_string(), "default { route \"p/m\" }");
    let body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "say hi"}]});
    for _ in 0..4 {
        assert_eq!(router.messages(&body).status, 200);
    }
    let keys: Vec<String> =
        upstream.asked().iter().map(|asked| asked.header("x-api-key").unwrap().to_owned()).collect();
    assert_eq!(keys, ["k1", "k2", "k3", "k1", "k1", "k1"]);
    // A limited key is its own matter: the model is as healthy as before.
    let health = router.connect().request("GET", "/health/models", &[], "").json();
    assert_eq!(health["models"]["p/m"]["healthy"], true, "{health}");
}

#[test]
fn a_check_finds_out_that_a_provider_is_back() {
    let up = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_up = std::sync::Arc::clone(&up);
    let upstream = Upstream::new(move |asked| {
        if !is_up.load(std::sync::atomic::Ordering::SeqCst) {
            return Reply::Close;
        }
        if asked.path == "/v1/models" { Reply::json(200, json!({"data": []})) } else { Reply::json(200, whole()) }
    });
    let configuration = json!({
        "providers": {"p": provider(&upstream.url())}, "healthCheck": {"interval": 0.05, "timeout": 1},
    });
    let router = Router::start(&configuration.to_string(), "default { route \"p/m\" }");
    let breaker = || {
        let health = router.connect().request("GET", "/health/detailed", &[], "").json();
        health["providers"]["p"]["breaker"].as_str().unwrap().to_owned()
    };
    let wait_for = |wanted: &[&str]| {
        let end = Instant::now() + Duration::from_secs(20);
        while !wanted.contains(&breaker().as_str()) {
            assert!(Instant::now() < end, "{}", breaker());
            std::thread::yield_now();
        }
    };
    wait_for(&["open"]);
    up.store(true, std::sync::atomic::Ordering::SeqCst);
    wait_for(&["recovering", "closed"]);
    let asked = upstream.asked();
    let check = asked.last().unwrap();
    assert_eq!(
        (check.method.as_str(), check.path.as_str(), check.header("x-api-key")),
        ("GET", "/v1/models", Some("k"))
    );
}

#[test]
fn a_pool_asks_a_second_member_when_the_first_is_later_than_usual() {
    let slow = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_slow = std::sync::Arc::clone(&slow);
    let p = Upstream::new(move |_| {
        if is_slow.load(std::sync::atomic::Ordering::SeqCst) { Reply::Hang(Vec::new()) } else { good(true) }
    });
    let q = Upstream::always(good(true));
    let configuration = json!({"providers": {"p": provider(&p.url()), "q": provider(&q.url())}}).to_string();
    let rules =
        "budget b = $1 per day hard\npool both round_robin hedge 10% { \"p/m\" \"q/m\" }\ndefault { route both }";
    let router = Router::start(&configuration, rules);
    let body =
        json!({"model": "m", "max_tokens": 100, "stream": true, "messages": [{"role": "user", "content": "say hi"}]});
    let send = || router.connect().request("POST", "/v1/messages", &[("x-debug", "true")], &body.to_string());
    for _ in 0..40 {
        assert_eq!(send().status, 200);
    }
    slow.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = send();
    assert_eq!((answer.status, answer.header("x-router-provider")), (200, Some("q")));
    assert!(answer.body.contains("message_stop"));
    p.wait_until_given_up();
    let trace: Value = serde_json::from_str(answer.header("x-router-trace").unwrap()).unwrap();
    let tried: Vec<&str> =
        trace["attempts"].as_array().unwrap().iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
    assert_eq!(tried, ["overtaken"]);
    // Never for more than its share: 10% of some fifty calls are five, and one was made.
    let mut clients: Vec<_> = (0..12).map(|_| router.connect()).collect();
    clients.iter_mut().for_each(|client| client.send("POST", "/v1/messages", &[], &body.to_string()));
    let end = Instant::now() + Duration::from_secs(20);
    let made = || p.asked().len() + q.asked().len();
    while made() < 41 + 12 + 4 && Instant::now() < end {
        std::thread::yield_now();
    }
    drop(clients);
    let twice = made() - 41 - 12;
    assert!((4..=5).contains(&twice), "{twice} calls of 53 were made twice");
}

#[test]
fn a_provider_may_be_called_through_a_proxy_and_has_a_patience_of_its_own() {
    let proxy = Upstream::new(|asked| good(asked.json()["stream"] == true));
    let mut through = provider("http://provider.invalid");
    through["proxy"] = json!(proxy.url());
    let silent = Upstream::always(Reply::Hang(Vec::new()));
    let mut hasty = provider(&silent.url());
    hasty["timeout"] = json!(0.2);
    let configuration = json!({"providers": {"p": hasty, "q": through}, "store": {"type": "memory"}});
    let router = Router::start(&configuration.to_string(), "default { route \"p/m\" else \"q/m\" }");
    let body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "say hi"}]});
    let answer = router.connect().request("POST", "/v1/messages", &[("x-debug", "true")], &body.to_string());
    assert_eq!((answer.status, answer.header("x-router-provider")), (200, Some("q")), "{}", answer.body);
    assert_eq!(proxy.asked().len(), 1);
}
