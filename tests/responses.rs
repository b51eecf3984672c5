//! Responses of providers that look like successes and are none: each reaches the second target, and is told as a failure
//! when there is none. Bounds of streams.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::router::{Answer, Router};
use crate::support::upstream::{Reply, Upstream};

fn reply(status: u16, media: &str, body: &str) -> Reply {
    Reply::Whole { status, headers: vec![("content-type", media.to_owned())], body: body.to_owned() }
}

fn redirect(status: u16) -> Reply {
    let location = "https://user:hidden-password@elsewhere.example/v1/messages?key=hidden-query".to_owned();
    Reply::Whole { status, headers: vec![("location", location)], body: String::new() }
}

/// A body that is announced as longer than it is.
fn cut(body: &str) -> Reply {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len() + 10
    );
    Reply::Raw(head.into_bytes())
}

fn bad() -> Vec<(&'static str, Reply)> {
    let json = |body: &str| reply(200, "application/json", body);
    vec![
        ("301", redirect(301)),
        ("302", redirect(302)),
        ("304", redirect(304)),
        ("307", redirect(307)),
        ("308", redirect(308)),
        ("204", Reply::Raw(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())),
        ("205", reply(205, "application/json", "")),
        ("empty", json("")),
        ("empty stream", reply(200, "text/event-stream", "")),
        ("list", json("[]")),
        ("null", json("null")),
        ("object", json("{}")),
        ("text", json("\"text\"")),
        ("number", json("1")),
        ("error", json(r#"{"error": {"message": "no", "type": "x"}}"#)),
        ("error text", json(r#"{"error": "no"}"#)),
        ("error list", json(r#"[{"error": {"message": "no", "code": 500}}]"#)),
        ("half", json(r#"{"id": "m", "choices": [{"mess"#)),
        ("cut", cut(r#"{"id": "m"}"#)),
        (
            "page",
            reply(200, "text/html", "<html><title>Log in</title> sk-ant-api03-aaaaaaaaaaaaaaaaaaaaaaaaaaaa</html>"),
        ),
        ("page as JSON", json("<!doctype html><p>Log in")),
        ("plain text", reply(200, "text/plain", "Log in")),
        (
            "events of nothing",
            reply(200, "text/event-stream", "data: null\n\ndata: []\n\ndata: {}\n\ndata: [DONE]\n\n"),
        ),
        (
            "event of an error",
            reply(
                200,
                "text/event-stream",
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"no\"}}\n\n",
            ),
        ),
        ("lines of nothing", reply(200, "application/x-ndjson", "{}\n")),
        (
            "packed",
            Reply::Whole {
                status: 200,
                headers: vec![("content-type", "application/json".to_owned()), ("content-encoding", "br".to_owned())],
                body: "{}".to_owned(),
            },
        ),
    ]
}

const KINDS: [&str; 5] = ["anthropic", "openai", "openai-responses", "gemini", "ollama"];
const PATHS: [&str; 3] = ["/v1/messages", "/v1/chat/completions", "/v1/responses"];

fn request(path: &str, stream: bool) -> String {
    let mut body = json!({"model": "p/m", "stream": stream, "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}]});
    if path.ends_with("responses") {
        body = json!({"model": "p/m", "stream": stream, "input": "hi"});
    }
    body.to_string()
}

fn good(stream: bool) -> Reply {
    let whole = json!({"id": "m", "object": "chat.completion", "choices": [{"index": 0,
        "message": {"role": "assistant", "content": "second"}, "finish_reason": "stop"}]});
    let chunk = json!({"id": "m", "object": "chat.completion.chunk", "choices": [{"index": 0,
        "delta": {"role": "assistant", "content": "second"}, "finish_reason": "stop"}]});
    if stream { Reply::stream(&format!("data: {chunk}\n\ndata: [DONE]\n\n")) } else { Reply::json(200, whole) }
}

fn provider(kind: &str, upstream: &Upstream) -> Value {
    let model = json!({"contextWindow": 100_000});
    json!({"kind": kind, "baseUrl": upstream.url(), "apiKey": "k", "models": {"m": model}})
}

fn configuration(kind: &str, first: &Upstream, second: &Upstream) -> String {
    json!({"providers": {"p": provider(kind, first), "q": provider("openai", second)}}).to_string()
}

#[test]
fn what_is_no_response_reaches_the_second_target_and_is_a_failure_without_one() {
    let mut wrong = Vec::new();
    std::thread::scope(|scope| {
        let running: Vec<_> = KINDS.iter().map(|kind| scope.spawn(|| failures(kind))).collect();
        running.into_iter().for_each(|one| wrong.extend(one.join().unwrap()));
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn failures(kind: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, bad) in bad() {
        let first = Upstream::always(bad);
        let second = Upstream::new(|asked| good(asked.json()["stream"] == true));
        let alone = Router::start(&configuration(kind, &first, &second), "default { route \"p/m\" }");
        let both = Router::start(&configuration(kind, &first, &second), "default { route \"p/m\" else \"q/m\" }");
        for path in PATHS {
            for stream in [false, true] {
                let told = alone.post(path, &request(path, stream));
                let case = format!("{kind} {path} stream {stream}: {name}");
                if told.status < 400 || told.body.contains("hidden-") || told.body.contains("sk-ant-") {
                    wrong.push(format!("{case}: alone {} {}", told.status, told.body));
                }
                let helped = both.post(path, &request(path, stream));
                if helped.status != 200 || !helped.body.contains("second") {
                    wrong.push(format!("{case}: both {} {}", helped.status, helped.body));
                }
            }
        }
    }
    wrong
}

#[test]
fn a_redirect_names_the_address_to_configure_and_is_not_followed() {
    let upstream = Upstream::always(redirect(308));
    let router = Router::start(&configuration("openai", &upstream, &upstream), "default { route \"p/m\" }");
    let told = router.post(PATHS[1], &request(PATHS[1], false));
    assert_eq!(told.status, 502);
    let message = told.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("https://elsewhere.example/v1/messages") && message.contains("baseUrl"), "{message}");
    assert_eq!(upstream.asked().len(), 1);
}

#[test]
fn a_whole_response_is_streamed_to_a_client_that_asked_for_a_stream() {
    let upstream = Upstream::always(good(false));
    let router = Router::start(&configuration("openai", &upstream, &upstream), "default { route \"p/m\" }");
    for path in PATHS {
        let told = router.post(path, &request(path, true));
        assert!(told.header("content-type").unwrap().starts_with("text/event-stream"), "{told:?}");
        assert!(told.body.contains("second"), "{told:?}");
    }
}

#[test]
fn a_stream_is_returned_without_headers_of_the_connection_to_the_provider() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let upstream = Upstream::always(Reply::Whole {
        status: 200,
        headers: vec![
            ("content-type", "text/event-stream".to_owned()),
            ("connection", "keep-alive, x-of-this-hop".to_owned()),
            ("x-of-this-hop", "1".to_owned()),
            ("x-kept", "1".to_owned()),
            ("etag", "\"1\"".to_owned()),
        ],
        body: body.to_owned(),
    });
    let router = Router::start(&configuration("openai", &upstream, &upstream), "default { route \"p/m\" }");
    let told = router.post(PATHS[1], &request(PATHS[1], true));
    assert_eq!(told.body, body);
    let there = |name: &str| told.header(name).is_some();
    assert_eq!(["content-length", "x-of-this-hop", "etag", "x-kept"].map(there), [false, false, false, true]);
}

#[test]
fn absurd_waits_are_ignored_or_bounded() {
    let cases = [
        ("-1", None),
        ("NaN", None),
        ("1e309", None),
        ("", None),
        ("999999999999999999999999", Some("86400")),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Sat, 01 Jan 2400 00:00:00 GMT", Some("86400")),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some("0")),
    ];
    for (sent, told) in cases {
        let headers = vec![("content-type", "application/json".to_owned()), ("retry-after", sent.to_owned())];
        let upstream =
            Upstream::always(Reply::Whole { status: 429, headers, body: r#"{"error":{"message":"slow"}}"#.to_owned() });
        let router = Router::start(&configuration("openai", &upstream, &upstream), "default { route \"p/m\" }");
        let answer: Answer = router.post(PATHS[1], &request(PATHS[1], false));
        assert_eq!((answer.status, answer.header("retry-after")), (429, told), "{sent}");
    }
}

/// A provider that sends one line without end, until the router closes the connection.
fn endless() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut byte = [0u8; 4_096];
        while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
            let n = stream.read(&mut byte).unwrap();
            seen.extend_from_slice(&byte[..n]);
        }
        let first = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\ndata: ";
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        stream.write_all(format!("{head}{first}").as_bytes()).unwrap();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..1_024 {
            if stream.write_all(&piece).is_err() {
                return;
            }
        }
    });
    port
}

#[test]
fn a_line_without_end_ends_with_an_error_and_takes_no_memory() {
    for path in &PATHS[..2] {
        let port = endless();
        let configuration = json!({"providers": {"p": {"kind": "openai", "baseUrl": format!("http://127.0.0.1:{port}"),
            "apiKey": "k", "models": {"m": {"contextWindow": 100_000}}}}});
        let router = Router::start(&configuration.to_string(), "default { route \"p/m\" }");
        let told = router.post(path, &request(path, true));
        let last = told.events().pop().unwrap().1;
        assert!(last["error"]["message"].is_string(), "{last}");
        let status = std::fs::read_to_string(format!("/proc/{}/status", router.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < 200 << 10, "{path}: {peak} kB");
    }
}

#[test]
fn a_redis_that_refuses_is_told_as_what_it_is() {
    let redis = crate::support::redis::Redis::start();
    let url = |rest: &str| format!("redis://{rest}127.0.0.1:{}", redis.port);
    let told = |url: &str| {
        let upstream = Upstream::always(good(false));
        let mut all: Value = serde_json::from_str(&configuration("openai", &upstream, &upstream)).unwrap();
        all["store"] = json!({"url": url});
        let folder = crate::support::router::Folder::new();
        folder.file("router.json", all.to_string());
        folder.file("my.route", "default { route \"p/m\" }");
        let mut command = crate::support::router::command(&folder.0);
        command.args(["start", "--port", "0", "--rules", "my.route"]).stdout(std::process::Stdio::piped());
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        let out = std::io::BufReader::new(child.stdout.take().unwrap());
        // The address, then the warning.
        let warning = out.lines().nth(1).unwrap().unwrap();
        let _ = child.kill();
        let _ = child.wait();
        warning
    };
    assert!(told(&format!("{}/99", url(""))).contains("Redis has no database with the number in `store.url`"));
    redis.says("CONFIG SET requirepass hidden-right");
    let log = told(&url(":hidden-wrong@"));
    assert!(log.contains("Redis refused the password of `store.url`") && !log.contains("hidden-"), "{log}");
    assert!(told(&url("")).contains("Redis wants a password, and `store.url` has none"));
}
