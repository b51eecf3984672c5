//! Answers that are kept: what comes out of the cache is what went in, and nothing goes in that is not whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::redis::Redis;
use crate::support::router::{Answer, Folder, Router};
use crate::support::upstream::{Reply, Upstream};

const RULES: &str = "default { route \"p/m\" }";

fn configuration(upstream: &Upstream, cache: &Value) -> String {
    let model = json!({"inputCost": 1, "outputCost": 10, "contextWindow": 100_000, "maxOutputTokens": 1_000});
    let mut all = json!({
        "providers": {"p": {"kind": "anthropic", "apiKey": "sk-p", "baseUrl": upstream.url(), "models": {"m": model}}},
        "store": {"type": "memory"},
    });
    if !cache.is_null() {
        all["cache"] = cache.clone();
    }
    all.to_string()
}

fn stream(word: &str) -> Vec<u8> {
    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    [
        json!({"type": "message_start", "message": {"id": word, "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 9, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 7}}),
        json!({"type": "message_stop"}),
    ]
    .map(event)
    .concat()
    .into_bytes()
}

fn whole(word: &str) -> Reply {
    Reply::json(
        200,
        json!({"id": word, "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "words ".repeat(500)}],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 9, "output_tokens": 7}}),
    )
}

/// A provider whose every answer is another one.
fn counting() -> Upstream {
    let n = AtomicUsize::new(0);
    Upstream::new(move |asked| {
        let word = format!("answer-{}", n.fetch_add(1, Ordering::SeqCst));
        if asked.json()["stream"] == true { Reply::Stream(vec![stream(&word)]) } else { whole(&word) }
    })
}

fn ask(prompt: &str, streams: bool) -> Value {
    json!({"model": "m", "max_tokens": 100, "stream": streams, "messages": [{"role": "user", "content": prompt}]})
}

fn was(answer: &Answer) -> &str {
    answer.header("x-router-cache").unwrap_or("-")
}

#[test]
fn the_same_question_is_paid_for_once() {
    let upstream = counting();
    let router = Router::start(&configuration(&upstream, &json!({})), RULES);
    for streams in [false, true] {
        let body = ask("explain it", streams);
        let first = router.messages(&body);
        // It is kept when its last byte has gone out, which the next request may be faster than.
        let mut again = body.clone();
        again["metadata"] = json!({"user_id": "somebody"});
        let second = router.messages(&again);
        assert_eq!((first.status, was(&first), was(&second)), (200, "miss", "hit"));
        assert_eq!((&first.body, !first.pieces.is_empty()), (&second.body, streams));
        assert_eq!(second.header("content-type").unwrap().starts_with("text/event-stream"), streams);
    }
    assert_eq!(upstream.asked().len(), 2);
    let mut other = ask("explain it", false);
    other["temperature"] = json!(0.5);
    assert_eq!(was(&router.messages(&other)), "miss");
    let chat = router.post(
        "/v1/chat/completions",
        &json!({"model": "m", "messages": [{"role": "user", "content": "explain it"}]}).to_string(),
    );
    assert_eq!((was(&chat), chat.json()["object"].as_str()), ("miss", Some("chat.completion")));
    let chat = router.post(
        "/v1/chat/completions",
        &json!({"messages": [{"content": "explain it", "role": "user"}], "model": "m"}).to_string(),
    );
    assert_eq!(was(&chat), "hit", "the order of members says nothing");
    let stats = router.connect().request("GET", "/api/stats", &[], "").json();
    assert_eq!(
        (&stats["outcomes"]["cached"]["requests"], &stats["outcomes"]["cached"]["cost_usd"]),
        (&json!(3), &json!(0.0))
    );
}

#[test]
fn of_many_who_ask_the_same_at_once_one_calls() {
    let gate = Arc::new(std::sync::Barrier::new(2));
    let opens = Arc::clone(&gate);
    let upstream = Upstream::new(move |_| {
        opens.wait();
        whole("only")
    });
    let router = Router::start(&configuration(&upstream, &json!({})), RULES);
    let mut clients: Vec<_> = (0..8).map(|_| router.connect()).collect();
    clients.iter_mut().for_each(|client| client.send("POST", "/v1/messages", &[], &ask("same", false).to_string()));
    let waiting = || router.connect().request("GET", "/health/detailed", &[], "").json()["requests"]["under_way"] == 8;
    let end = Instant::now() + Duration::from_secs(20);
    while !waiting() {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    gate.wait();
    let answers: Vec<Answer> = clients.iter_mut().map(|client| client.answer(true)).collect();
    assert!(answers.iter().all(|answer| answer.body == answers[0].body && answer.status == 200));
    assert_eq!(upstream.asked().len(), 1);
}

#[test]
fn what_is_not_whole_or_not_good_is_not_kept() {
    let n = Arc::new(AtomicUsize::new(0));
    let turn = Arc::clone(&n);
    let upstream = Upstream::new(move |_| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => {
            let whole = stream("cut");
            let end = memchr::memmem::find(&whole, b"event: message_stop").unwrap();
            Reply::Cut(vec![whole[..end].to_vec()])
        }
        1 => Reply::json(500, json!({"type": "error", "error": {"type": "api_error", "message": "no"}})),
        _ => Reply::Stream(vec![stream("good")]),
    });
    let router = Router::start(&configuration(&upstream, &json!({})), RULES);
    let body = ask("explain", true);
    let answers: Vec<Answer> = (0..4).map(|_| router.messages(&body)).collect();
    let seen: Vec<(u16, &str)> = answers.iter().map(|answer| (answer.status, was(answer))).collect();
    assert_eq!(seen, [(200, "miss"), (500, "-"), (200, "miss"), (200, "hit")]);
    assert!(!answers[0].body.contains("message_stop"));
}

#[test]
fn rules_say_what_is_kept_and_for_how_long() {
    let upstream = counting();
    let cache = json!({"ttl": 3600, "rules": [{"pattern": "generate*", "ttl": 0}, {"pattern": "soon*", "ttl": 0.3}]});
    let rules = "rule never { when prompt contains \"secret\" route \"p/m\" cache off }\nrule long { when prompt contains \"generate for long\" route \"p/m\" cache 2h }\ndefault { route \"p/m\" }";
    let router = Router::start(&configuration(&upstream, &cache), rules);
    let twice = |prompt: &str| {
        let answers = [router.messages(&ask(prompt, false)), router.messages(&ask(prompt, false))];
        format!("{} {}", was(&answers[0]), was(&answers[1]))
    };
    assert_eq!(twice("Generate a name"), "- -");
    assert_eq!(twice("a secret"), "- -");
    assert_eq!(twice("generate for long"), "miss hit");
    assert_eq!(twice("anything"), "miss hit");
    assert_eq!(twice("soon over"), "miss hit");
    let end = Instant::now() + Duration::from_secs(20);
    while was(&router.messages(&ask("soon over", false))) == "hit" {
        assert!(Instant::now() < end, "it is kept for ever");
        std::thread::yield_now();
    }
    // Without a section, the rules alone make one.
    let router = Router::start(
        &configuration(&upstream, &Value::Null),
        "rule r { when prompt contains \"keep\" route \"p/m\" cache 1h }\ndefault { route \"p/m\" }",
    );
    let seen: Vec<String> = ["keep", "keep", "not", "not"]
        .iter()
        .map(|prompt| was(&router.messages(&ask(prompt, false))).to_owned())
        .collect();
    assert_eq!(seen, ["miss", "hit", "-", "-"]);
}

#[test]
fn a_folder_keeps_answers_over_a_restart_within_its_size() {
    let upstream = counting();
    let kept = Folder::new();
    let path = kept.0.join("answers");
    let cache = json!({"type": "disk", "path": path, "maxSize": 3_000, "compression": true});
    let router = Router::start(&configuration(&upstream, &cache), RULES);
    let first = router.messages(&ask("explain", true));
    assert_eq!(was(&first), "miss");
    router.stop();
    let router = Router::start(&configuration(&upstream, &cache), RULES);
    let second = router.messages(&ask("explain", true));
    assert_eq!((was(&second), &second.body), ("hit", &first.body));
    for n in 0..40 {
        router.messages(&ask(&format!("explain {n}"), false));
    }
    let size: u64 = std::fs::read_dir(&path).unwrap().flatten().map(|entry| entry.metadata().unwrap().len()).sum();
    assert!(size <= 3_000, "{size}");
    // What somebody else wrote there is no answer. (The second one has waited until the first was kept.)
    assert_eq!(was(&router.messages(&ask("explain 39", false))), "hit");
    for entry in std::fs::read_dir(&path).unwrap().flatten() {
        std::fs::write(entry.path(), "garbage, and more of it").unwrap();
    }
    assert_eq!(
        (was(&router.messages(&ask("explain 39", false))), router.messages(&ask("explain 39", false)).status),
        ("miss", 200)
    );
}

#[test]
fn routers_share_answers_in_redis_and_do_without_when_it_is_gone() {
    let mut redis = Redis::start();
    let upstream = counting();
    let cache = json!({"type": "redis", "connection": {"host": "127.0.0.1", "port": redis.port}, "ttl": 3600, "keyPrefix": "test:"});
    let routers: Vec<Router> = (0..2).map(|_| Router::start(&configuration(&upstream, &cache), RULES)).collect();
    let first = routers[0].messages(&ask("explain", false));
    let end = Instant::now() + Duration::from_secs(20);
    let second = loop {
        let second = routers[1].messages(&ask("explain", false));
        if was(&second) == "hit" || Instant::now() > end {
            break second;
        }
    };
    assert_eq!((was(&first), was(&second)), ("miss", "hit"));
    redis.stop();
    for _ in 0..3 {
        assert_eq!(routers[0].messages(&ask("explain", false)).status, 200);
    }
    redis.start_again();
}
