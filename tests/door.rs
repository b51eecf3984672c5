//! Who may come in: hosts, origins and content types, as browsers and programs send them. `door.mjs` drives a real
//! browser through the same doors.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::support::router::{Answer, Folder, Router};

const RULES: &str = "default { route model else \"echo-1\" }";
const OPEN: &str = r#"{"models": {"echo-1": {"provider": "echo"}}}"#;
const KEYED: &str = r#"{"models": {"echo-1": {"provider": "echo"}}, "security": {"authentication": {"keys": [{"name": "one", "key": "router-key-one"}]}}}"#;

fn body() -> String {
    json!({"model": "echo-1", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}).to_string()
}

fn ask(router: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let body = if method == "POST" { body() } else { String::new() };
    router.connect().request(method, path, headers, &body)
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn a_name_that_is_rebound_to_this_machine_reads_nothing() {
    let router = Router::start(OPEN, RULES);
    for path in ["/", "/health", "/api/stats", "/v1/models", "/metrics", "/nowhere"] {
        for host in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "0.0.0.0", "192.168.1.5", "", "a@localhost"]
        {
            let answer = ask(&router, "GET", path, &[("host", host)]);
            assert_eq!(answer.status, 421, "{host} {path}: {answer:?}");
        }
        for host in ["localhost", "LOCALHOST.:1", "127.0.0.1:9", "[::1]:8080"] {
            assert!(ask(&router, "GET", path, &[("host", host)]).status < 421, "{host} {path}");
        }
    }
    let told = ask(&router, "POST", "/v1/messages", &[JSON, ("host", "host.docker.internal:8080")]);
    assert!(
        told.json()["error"]["message"].as_str().unwrap().contains(r#""router": {"hosts": ["host.docker.internal"]}"#),
        "{told:?}"
    );
    // HTTP asks for exactly one; a second one may be meant for somebody else.
    assert_eq!(ask(&router, "GET", "/health", &[("host", "localhost"), ("host", "evil.example")]).status, 400);
    assert_eq!(raw(&router, "GET /health HTTP/1.1\r\nconnection: close\r\n\r\n"), 400);
    // A target in absolute form names a host, too.
    let absolute = "GET http://evil.example/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(raw(&router, absolute), 421);
}

/// The status of the response to bytes as they are.
fn raw(router: &Router, request: &str) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", router.port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_listed_host_is_let_in_and_the_line_is_that_of_the_configuration() {
    let folder = Folder::new();
    folder.file("my.route", RULES);
    folder.file("router.toml", "[models.echo-1]\nprovider = \"echo\"\n[router]\nhosts = [\"host.docker.internal\"]\n");
    let router = Router::start_in(folder, &["--rules", "my.route"], &[]);
    for host in ["host.docker.internal", "Host.Docker.Internal.:8080", "localhost"] {
        assert_eq!(ask(&router, "GET", "/health", &[("host", host)]).status, 200, "{host}");
    }
    let told = ask(&router, "GET", "/health", &[("host", "other")]);
    assert!(told.body.contains("hosts = [") && told.body.contains("[router]"), "{told:?}");
}

#[test]
fn no_foreign_page_spends_or_reads() {
    let router = Router::start(OPEN, RULES);
    let own = format!("http://localhost:{}", router.port);
    let host = format!("localhost:{}", router.port);
    let host = ("host", host.as_str());
    let foreign: &[&[(&str, &str)]] = &[
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://localhost:1")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")],
        &[("origin", &own), ("origin", "https://evil.example")],
        &[("origin", &own), ("sec-fetch-site", "cross-site")],
    ];
    for marks in foreign {
        let with = [&[JSON, host], *marks].concat();
        for (method, path) in [
            ("POST", "/v1/messages"),
            ("POST", "/v1/chat/completions"),
            ("GET", "/api/stats"),
            ("OPTIONS", "/v1/messages"),
        ] {
            let answer = ask(&router, method, path, &with);
            assert_eq!(answer.status, 403, "{marks:?} {method} {path}: {answer:?}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{marks:?}");
        }
    }
    let fine: &[&[(&str, &str)]] = &[
        &[],
        &[("origin", &own)],
        &[("origin", &own), ("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
    ];
    for marks in fine {
        let answer = ask(&router, "POST", "/v1/messages", &[&[JSON, host], *marks].concat());
        assert_eq!(answer.status, 200, "{marks:?}: {answer:?}");
    }
    let told = ask(&router, "POST", "/v1/messages", &[JSON, ("origin", "https://app.example.com")]);
    assert!(
        told.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains(r#""router": {"cors": ["https://app.example.com"]}"#),
        "{told:?}"
    );
}

#[test]
fn a_form_of_a_web_page_is_no_request_of_a_program() {
    let router = Router::start(OPEN, RULES);
    // As `curl -d` sends it, and as nobody declares it.
    for declared in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=utf-8",
        "application/vnd.api+json",
    ] {
        assert_eq!(ask(&router, "POST", "/v1/messages", &[("content-type", declared)]).status, 200, "{declared}");
    }
    assert_eq!(ask(&router, "POST", "/v1/messages", &[]).status, 200);
    let marks =
        [("referer", "http://x/"), ("user-agent", "Mozilla/5.0"), ("sec-ch-ua", "x"), ("sec-fetch-site", "none")];
    for mark in marks {
        for declared in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain;application/json",
        ] {
            let answer = ask(&router, "POST", "/v1/messages", &[("content-type", declared), mark]);
            assert_eq!(answer.status, 415, "{mark:?} {declared}: {answer:?}");
        }
        assert_eq!(ask(&router, "POST", "/v1/messages", &[JSON, mark]).status, 200, "{mark:?}");
    }
}

#[test]
fn a_listed_page_is_let_in_and_its_browser_is_told_so() {
    let listed = r#"{"models": {"echo-1": {"provider": "echo"}}, "router": {"enableCors": true, "cors": ["app://obsidian.md", "vscode-webview://*"]}}"#;
    let router = Router::start(listed, RULES);
    for origin in ["app://obsidian.md", "vscode-webview://0f3a"] {
        let marks = [JSON, ("origin", origin), ("sec-fetch-site", "cross-site")];
        let answer = ask(&router, "POST", "/v1/messages", &marks);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(origin)), "{answer:?}");
        assert_eq!(answer.header("vary"), Some("origin"));
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "x-api-key,content-type"),
            ("access-control-request-private-network", "true"),
        ];
        let preflight = ask(&router, "OPTIONS", "/v1/messages", &asked);
        assert_eq!(
            (preflight.status, preflight.header("access-control-allow-origin")),
            (204, Some(origin)),
            "{preflight:?}"
        );
        assert_eq!(preflight.header("access-control-allow-headers"), Some("x-api-key,content-type"));
        assert_eq!(preflight.header("access-control-allow-private-network"), Some("true"));
    }
    let other = ask(&router, "GET", "/api/stats", &[("origin", "https://evil.example")]);
    assert_eq!(
        (other.status, other.header("access-control-allow-origin")),
        (403, None),
        "`enableCors` lets no other page in"
    );
}

#[test]
fn with_a_router_key_neither_name_nor_page_matters() {
    let router = Router::start(KEYED, RULES);
    let key = ("authorization", "Bearer router-key-one");
    let marks =
        [JSON, ("host", "router.example.com"), ("origin", "https://app.example.com"), ("sec-fetch-site", "cross-site")];
    assert_eq!(ask(&router, "POST", "/v1/messages", &[&marks[..], &[key]].concat()).status, 200);
    assert_eq!(ask(&router, "POST", "/v1/messages", &marks).status, 403);
    assert_eq!(
        ask(&router, "POST", "/v1/messages", &[&marks[..], &[("authorization", "Bearer wrong")]].concat()).status,
        403
    );
    assert_eq!(ask(&router, "POST", "/v1/messages", &[JSON, ("host", "router.example.com")]).status, 401);
}

#[test]
fn lists_that_would_let_everybody_in_are_refused_at_the_start() {
    let folder = Folder::new();
    folder.file("router.json", r#"{"router": {"cors": ["*"]}}"#);
    let ended = crate::support::router::run(&folder.0, &["config", "check"]);
    assert!(ended.code != 0 && format!("{}{}", ended.out, ended.err).contains("router.cors: `*`"), "{ended:?}");
}
