//! Money under fire: hard budgets with many clients at once, routers that are killed, a Redis that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::redis::Redis;
use crate::support::router::{Folder, Router};
use crate::support::upstream::{Reply, Upstream};

/// What one answer of `cent` costs, in output tokens.
const TOKENS: u64 = 100;
const RULES: &str = "budget total = $1 per day hard\ndefault { route \"p/cent\" }";

/// A provider whose answers cost a cent: a hundred tokens at $100 a million.
fn configuration(upstream: &Upstream, more: &Value) -> String {
    let model = json!({"inputCost": 0, "outputCost": 100, "cacheReadCost": 0, "contextWindow": 100_000, "maxOutputTokens": 1_000});
    let mut all = json!({
        "timezone": "UTC",
        "providers": {"p": {"kind": "anthropic", "apiKey": "sk-p", "baseUrl": upstream.url(), "models": {"cent": model}}},
    });
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all.to_string()
}

fn answer(tokens: u64) -> Reply {
    Reply::json(
        200,
        json!({"id": "m", "type": "message", "role": "assistant", "model": "cent", "content": [{"type": "text", "text": "x"}],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 0, "output_tokens": tokens}}),
    )
}

fn ask() -> Value {
    json!({"model": "cent", "max_tokens": TOKENS, "messages": [{"role": "user", "content": "say hi"}]})
}

fn start(upstream: &Upstream, store: &Value) -> Router {
    Router::start(&configuration(upstream, &json!({"store": store})), RULES)
}

/// How many of some requests, all at once, got which status.
fn at_once(routers: &[Router], n: usize) -> (usize, usize) {
    let (good, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let gate = std::sync::Barrier::new(n);
    std::thread::scope(|scope| {
        for place in 0..n {
            let (good, refused, gate) = (&good, &refused, &gate);
            let mut connection = routers[place % routers.len()].connect();
            scope.spawn(move || {
                gate.wait();
                match connection.request("POST", "/v1/messages", &[], &ask().to_string()).status {
                    200 => good.fetch_add(1, Ordering::SeqCst),
                    402 => refused.fetch_add(1, Ordering::SeqCst),
                    other => panic!("{other}"),
                };
            });
        }
    });
    (good.into_inner(), refused.into_inner())
}

fn budget(router: &Router) -> Value {
    router.connect().request("GET", "/api/stats/costs", &[], "").json()["budgets"][0].clone()
}

#[test]
fn two_hundred_clients_get_the_last_cent_and_never_one_more() {
    let upstream = Upstream::always(answer(TOKENS));
    let router = start(&upstream, &json!({"path": "router.db"}));
    assert_eq!(at_once(std::slice::from_ref(&router), 200), (100, 100));
    assert_eq!(upstream.asked().len(), 100);
    assert_eq!(budget(&router)["spent_usd"], 1.0);
    assert_eq!(budget(&router)["set_aside_usd"], 0.0);
}

#[test]
fn nobody_is_refused_while_calls_under_way_may_leave_money() {
    // Each answer costs half of what is set aside for it: all but the last half of a cent can be spent.
    let upstream = Upstream::always(answer(TOKENS / 2));
    let router = start(&upstream, &json!({"path": "router.db"}));
    assert_eq!(at_once(std::slice::from_ref(&router), 200), (199, 1));
    assert_eq!(budget(&router)["spent_usd"], 0.995);
}

#[test]
fn three_routers_share_one_budget_in_redis() {
    let redis = Redis::start();
    let upstream = Upstream::always(answer(TOKENS));
    let routers: Vec<Router> = (0..3).map(|_| start(&upstream, &json!({"url": redis.url()}))).collect();
    assert_eq!(at_once(&routers, 200), (100, 100));
    assert_eq!(upstream.asked().len(), 100);
    let settled = || routers.iter().all(|router| budget(router)["set_aside_usd"] == 0.0);
    wait_until("the last answers are settled", settled);
    for router in &routers {
        assert_eq!(budget(router)["spent_usd"], 1.0);
    }
    let stats = routers[0].connect().request("GET", "/api/stats?by=rule", &[], "").json();
    assert_eq!(stats["outcomes"]["answered"]["requests"], 100, "{stats}");
    assert_eq!(stats["groups"]["default"]["cost_usd"], 1.0, "{stats}");
}

#[test]
fn redis_may_speak_tls_and_is_believed_only_with_a_certificate() {
    let (redis, port, certificate) = Redis::start_with_tls();
    let upstream = Upstream::always(answer(TOKENS));
    let start = |more: &str, environment: &[(&str, &str)]| {
        let folder = Folder::new();
        let all = json!({"store": {"url": format!("rediss://localhost:{port}")}, "onStoreFailure": more});
        folder.file("router.json", configuration(&upstream, &all));
        folder.file("my.route", RULES);
        Router::start_in(folder, &["--rules", "my.route"], environment)
    };
    let trusting = start("deny", &[("SSL_CERT_FILE", certificate.to_str().unwrap())]);
    assert_eq!(at_once(std::slice::from_ref(&trusting), 110), (100, 10));
    assert!(redis.says("DBSIZE").is_some_and(|answer| answer.trim() != ":0"));
    // Whoever cannot say who it is, is not asked.
    let refused = start("deny", &[]).messages(&ask());
    assert_eq!((refused.status, upstream.asked().len()), (402, 100), "{refused:?}");
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "not within 60 s: {what}");
        std::thread::yield_now();
    }
}

/// Says that it is over when the block ends, also by a failure: clients that went on would hide it.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

// --- killed at any moment ------------------------------------------------------------------------------------------------

/// Clients that ask without end until they are told to stop, or cannot.
fn load<'s>(
    scope: &'s std::thread::Scope<'s, '_>,
    port: u16,
    clients: usize,
    over: &'s AtomicBool,
    good: &'s AtomicUsize,
) {
    for _ in 0..clients {
        scope.spawn(move || {
            while !over.load(Ordering::SeqCst) {
                if raw_ask(port) == Some(200) {
                    good.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    }
}

/// One request to somebody who may die meanwhile: the status, when the whole answer came.
fn raw_ask(port: u16) -> Option<u16> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let body = ask().to_string();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split_whitespace().nth(1)?.parse().ok()?;
    text.ends_with('}').then_some(status)
}

#[test]
fn a_router_that_is_killed_at_any_moment_has_forgotten_nothing() {
    let upstream = Upstream::always(answer(TOKENS));
    let folder = Folder::new();
    let path = folder.0.join("router.db").display().to_string();
    let rules = "budget total = $100000 per month hard\ndefault { route \"p/cent\" }";
    let started = || {
        let began = Instant::now();
        let router = Router::start(&configuration(&upstream, &json!({"store": {"path": path}})), rules);
        (router, began.elapsed())
    };
    let (mut slowest, acknowledged) = (Duration::ZERO, AtomicUsize::new(0));
    for round in 0..50u64 {
        let (mut router, took) = started();
        slowest = slowest.max(took);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _over = Over(&over);
            load(scope, router.port, 4, &over, &acknowledged);
            let served = upstream.asked().len() + 1 + usize::try_from(round * 7 % 23).unwrap();
            wait_until("some calls are made", || upstream.asked().len() >= served);
            router.kill();
        });
    }
    let (router, took) = started();
    let (served, acknowledged) = (upstream.asked().len(), acknowledged.into_inner());
    let spent = budget(&router)["spent_usd"].as_f64().unwrap();
    let stats = router.connect().request("GET", "/api/stats", &[], "").json();
    let requests = |outcome: &str| stats["outcomes"][outcome]["requests"].as_u64().unwrap_or(0);
    let told = format!("{served} served, {acknowledged} acknowledged, ${spent} spent: {stats}");
    assert!((spent * 100.0).round() >= f64::from(u32::try_from(served).unwrap()), "{told}");
    assert!(requests("answered") + requests("lost") + requests("client_gone") >= acknowledged as u64, "{told}");
    assert!(slowest.max(took) < Duration::from_secs(1), "starting took {slowest:?}");
    assert_eq!(budget(&router)["set_aside_usd"], 0.0);
}

#[test]
fn what_a_replica_had_set_aside_is_settled_when_it_died() {
    let redis = Redis::start();
    let hang = Upstream::always(Reply::Hang(Vec::new()));
    let mut router = start(&hang, &json!({"url": redis.url()}));
    let mut client = router.connect();
    client.send("POST", "/v1/messages", &[], &ask().to_string());
    wait_until("the call is made", || hang.asked().len() == 1);
    assert_eq!(budget(&router)["set_aside_usd"], 0.01);
    router.kill();
    // Nobody is told that it died: it only says nothing for a while, which here ends at once.
    let replica = redis.says("SMEMBERS {claude-router}:replicas");
    assert_eq!(replica.as_deref(), Some("*1\r\n"));
    redis.says("EVAL \"for _,r in ipairs(redis.call('SMEMBERS','{claude-router}:replicas')) do redis.call('DEL','{claude-router}:alive:'..r) end\" 0");
    let other = start(&hang, &json!({"url": redis.url()}));
    assert_eq!((&budget(&other)["set_aside_usd"], &budget(&other)["spent_usd"]), (&json!(0.0), &json!(0.01)));
}

#[test]
fn a_user_with_a_name_of_megabytes_is_kept_under_a_short_one() {
    let upstream = Upstream::always(answer(TOKENS));
    let folder = Folder::new();
    let path = folder.0.join("router.db");
    let rules = "budget own = $0.01 per day for each user hard\ndefault { route \"p/cent\" }";
    let mut router = Router::start(&configuration(&upstream, &json!({"store": {"path": path}})), rules);
    let statuses = ["a", "b", "a"].map(|last| {
        let mut body = ask();
        body["metadata"] = json!({"user_id": "x".repeat(2_000_000) + last});
        router.messages(&body).status
    });
    assert_eq!(statuses, [200, 200, 402], "they are two, and each has its own cent");
    router.ask_to_stop();
    router.wait();
    let store = rusqlite::Connection::open(&path).unwrap();
    let longest = |query: &str| store.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    assert!(longest("select max(length(user)) from usage") < 200);
    assert!(longest("select max(length(whose)) from spent") < 200);
}

#[test]
fn two_routers_do_not_share_a_file() {
    let upstream = Upstream::always(answer(TOKENS));
    let folder = Folder::new();
    let path = folder.0.join("router.db").display().to_string();
    let _first = start(&upstream, &json!({"path": path}));
    let second = Folder::new();
    second.file("router.json", configuration(&upstream, &json!({"store": {"path": path}})));
    second.file("my.route", RULES);
    let ended = crate::support::router::run(&second.0, &["start", "--port", "0", "--rules", "my.route"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("another router uses it; give this one a `store.path` of its own, or share Redis"),
        "{ended:?}"
    );
}

// --- a Redis that fails --------------------------------------------------------------------------------------------------

/// Asks some routers all the time while something happens; the longest that one answer took, and how many had which status.
fn under_load(routers: &[Router], happens: impl FnOnce()) -> (Duration, std::collections::BTreeMap<u16, usize>) {
    let over = AtomicBool::new(false);
    let seen = std::sync::Mutex::new((Duration::ZERO, std::collections::BTreeMap::new()));
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for router in routers {
            for _ in 0..4 {
                let (over, seen) = (&over, &seen);
                let mut connection = router.connect();
                scope.spawn(move || {
                    while !over.load(Ordering::SeqCst) {
                        let began = Instant::now();
                        let status = connection.request("POST", "/v1/messages", &[], &ask().to_string()).status;
                        let mut seen = seen.lock().unwrap();
                        seen.0 = seen.0.max(began.elapsed());
                        *seen.1.entry(status).or_insert(0) += 1;
                    }
                });
            }
        }
        happens();
    });
    seen.into_inner().unwrap()
}

fn a_redis_that_fails(policy: &str) -> (Duration, std::collections::BTreeMap<u16, usize>, usize, f64) {
    let mut redis = Redis::start();
    let upstream = Upstream::always(answer(TOKENS));
    let rules = "budget total = $100000 per month hard\ndefault { route \"p/cent\" }";
    let more = json!({"store": {"url": redis.url(), "timeout": 200}, "onStoreFailure": policy});
    let routers: Vec<Router> = (0..2).map(|_| Router::start(&configuration(&upstream, &more), rules)).collect();
    let asked = || upstream.asked().len();
    let answers = |router: &Router| router.messages(&ask()).status == 200;
    let is_down =
        |router: &Router| router.connect().request("GET", "/health/detailed", &[], "").json()["status"] == "degraded";
    let (longest, statuses) = under_load(&routers, || {
        let some = asked() + 50;
        wait_until("some calls are made", || asked() >= some);
        redis.pause();
        wait_until("the pause is noticed", || routers.iter().all(is_down));
        redis.resume();
        wait_until("Redis answers again", || !routers.iter().any(is_down) && routers.iter().all(answers));
        redis.stop();
        wait_until("the stop is noticed", || routers.iter().all(is_down));
        redis.start_again();
        wait_until("Redis is back", || !routers.iter().any(is_down) && routers.iter().all(answers));
        let some = asked() + 50;
        wait_until("some more calls are made", || asked() >= some);
    });
    wait_until("all is settled", || budget(&routers[0])["set_aside_usd"] == 0.0);
    let spent = budget(&routers[0])["spent_usd"].as_f64().unwrap();
    (longest, statuses, asked(), spent)
}

#[test]
fn while_redis_is_gone_calls_are_refused_where_that_is_the_policy() {
    let (longest, statuses, asked, spent) = a_redis_that_fails("deny");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    let codes: Vec<u16> = statuses.keys().copied().collect();
    assert!(codes.iter().all(|code| matches!(code, 200 | 402 | 503)), "{statuses:?}");
    assert!(codes.len() > 1, "some calls came while Redis was gone: {statuses:?}");
    // Every call that was made was admitted first, so that every cent is there.
    assert_eq!((spent * 100.0).round(), asked as f64, "{statuses:?}");
}

#[test]
fn while_redis_is_gone_calls_go_on_where_that_is_the_policy() {
    let (longest, statuses, asked, spent) = a_redis_that_fails("allow");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    assert_eq!(statuses.keys().copied().collect::<Vec<u16>>(), [200], "{statuses:?}");
    assert!((spent * 100.0).round() <= asked as f64 && spent > 0.5, "{spent} of {asked}");
}

#[test]
fn sessions_turns_and_health_are_one_for_all_replicas() {
    let redis = Redis::start();
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let good = Upstream::always(answer(TOKENS));
    let other = Upstream::new(move |_| {
        if fails.load(Ordering::SeqCst) {
            Reply::json(500, json!({"error": {"message": "no"}}))
        } else {
            answer(TOKENS)
        }
    });
    let model = json!({"inputCost": 0, "outputCost": 100, "contextWindow": 100_000});
    let provider = |upstream: &Upstream| json!({"kind": "anthropic", "apiKey": "k", "baseUrl": upstream.url(), "models": {"m": model}});
    let configuration =
        json!({"providers": {"p": provider(&good), "q": provider(&other)}, "store": {"url": redis.url()}});
    let rules = "pool both round_robin { \"p/m\" \"q/m\" }\nrule on { when turns > 1 route same else both }\ndefault { route both }";
    let routers: Vec<Router> = (0..3).map(|_| Router::start(&configuration.to_string(), rules)).collect();
    let send = |router: &Router, turns: usize, session: &str| {
        let mut messages = vec![json!({"role": "user", "content": "hi"})];
        for _ in 1..turns {
            messages.push(json!({"role": "assistant", "content": "x"}));
            messages.push(json!({"role": "user", "content": "go on"}));
        }
        let body = json!({"model": "m", "max_tokens": TOKENS, "messages": messages, "metadata": {"user_id": format!("user_a_account_b_session_{session}")}});
        let answer = router.connect().request("POST", "/v1/messages", &[("x-debug", "true")], &body.to_string());
        answer.header("x-router-provider").unwrap().to_owned()
    };
    let id = |n: u32| format!("00000000-0000-4000-8000-{n:012}");
    // One turn for all: whoever is asked, the two take turns.
    let taken: Vec<String> = (0..6).map(|n| send(&routers[n % 3], 1, &id(u32::try_from(n).unwrap()))).collect();
    assert_eq!(taken, ["p", "q", "p", "q", "p", "q"]);
    // A conversation goes on where it was, whoever is asked.
    for n in 0..6u32 {
        let first = &taken[n as usize];
        wait_until("the session is known", || send(&routers[(n as usize + 1) % 3], 2, &id(n)) == *first);
    }
    // What one sees failing, all rest.
    failing.store(true, Ordering::SeqCst);
    for n in 100..112 {
        send(&routers[0], 1, &id(n));
    }
    let health = |router: &Router| {
        router.connect().request("GET", "/health/models", &[], "").json()["models"]["q/m"]["breaker"] == "open"
    };
    wait_until("every replica knows", || routers.iter().all(health));
}
