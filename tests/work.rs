//! Work that stays linear: what is read of a text is counted, whatever the text is made of.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use claude_router::features::files::in_text;
use claude_router::features::tables::INJECTED;
use claude_router::features::tokens::Counter;
use claude_router::features::work::without_injected;
use claude_router::features::{Call, Request};
use claude_router::lang::catalogue::{Tokenizer, Vocabulary};
use claude_router::lang::input::{Feature, Features as _};
use claude_router::wire::Client;
use claude_router::wire::request::decode;
use serde_json::json;

use crate::support::generate::Random;
use crate::support::router::Router;
use crate::traps::project;

/// The most that scans may look at, for each byte of a text.
const STEPS_PER_BYTE: usize = 6;

/// Bytes that the scans of a prompt look at.
fn steps(text: &str) -> usize {
    let mut steps = 0;
    without_injected(text, &mut steps);
    in_text(text, |_| {}, &mut steps);
    steps
}

/// Pieces that adversarial texts are made of, each repeated and mixed.
fn pieces() -> Vec<String> {
    let mut pieces: Vec<String> = [
        "'", "\"", "`", "'a ", "\"a ", "`a ", "' ", "``` ", "```\n", "<", "</", "< ", "<x>", "a", "a/", "a/b.rs ",
        "./", "\\", "(", "@", "*", ".", ":1", "\n", "é", "😀", "://", "word ",
    ]
    .map(str::to_owned)
    .to_vec();
    for name in INJECTED {
        pieces.extend([format!("<{name}>"), format!("<{name} "), format!("</{name}"), format!("</{name}>")]);
    }
    pieces
}

/// What `without_injected` is held to: the definition, written without a thought for its cost.
fn naive(text: &str) -> String {
    let Some(at) = text.find('<') else { return text.to_owned() };
    let (before, tail) = text.split_at(at);
    let opened = INJECTED
        .iter()
        .find(|name| tail[1..].strip_prefix(**name).is_some_and(|rest| rest.starts_with('>') || rest.starts_with(' ')));
    let closed = opened.and_then(|name| {
        let close = format!("</{name}>");
        tail.find(&close).map(|end| &tail[end + close.len()..])
    });
    match closed {
        Some(rest) => format!("{before}{}", naive(rest)),
        None => format!("{before}<{}", naive(&tail[1..])),
    }
}

#[test]
fn scans_of_a_prompt_look_at_each_byte_a_few_times() {
    let pieces = pieces();
    for (n, piece) in pieces.iter().enumerate() {
        let other = &pieces[(n * 7 + 3) % pieces.len()];
        for pattern in [piece.clone(), format!("{piece}{other}"), format!("{other} {piece}\n")] {
            let text = pattern.repeat(1_000_000 / pattern.len());
            // Open at the beginning, closed at the end, and the other way round.
            for text in [text.clone(), format!("<system-reminder>{text}"), format!("{text}</system-reminder>")] {
                let steps = steps(&text);
                assert!(steps <= STEPS_PER_BYTE * text.len(), "{pattern:?}: {steps} of {}", text.len());
            }
        }
    }
}

#[test]
fn ten_times_as_long_is_ten_times_the_work() {
    for pattern in ["<system-reminder>", "<ide_selection ", "'", "`a \"b 'c ", "word ", "a/b.rs "] {
        let [short, long] = [1_000_000, 10_000_000].map(|n| steps(&pattern.repeat(n / pattern.len())));
        assert!(long <= short * 11, "{pattern}: {short}, {long}");
    }
}

#[test]
fn what_agents_inject_is_what_its_definition_says() {
    let pieces = pieces();
    let mut random = Random(7);
    for _ in 0..20_000 {
        let text: String = (0..random.below(12)).map(|_| pieces[random.below(pieces.len())].as_str()).collect();
        assert_eq!(without_injected(&text, &mut ()), naive(&text), "{text:?}");
    }
}

/// What `/health/detailed` says of computations.
fn computing(router: &Router) -> u64 {
    router.connect().request("GET", "/health/detailed", &[], "").json()["computing"].as_u64().unwrap()
}

#[test]
fn work_for_a_client_that_has_gone_comes_to_its_end() {
    let router = Router::start(
        r#"{"models": {"echo-1": {"provider": "echo"}}}"#,
        "rule long { when tokens > 20M route \"echo-1\" }\ndefault { route \"echo-1\" }",
    );
    let texts: Vec<serde_json::Value> =
        (0..400).map(|n| json!({"type": "text", "text": format!("{n} 漢字 and words ").repeat(5_000)})).collect();
    let body =
        json!({"model": "echo-1", "max_tokens": 5, "messages": [{"role": "user", "content": texts}]}).to_string();
    for _ in 0..6 {
        let mut connection = router.connect();
        connection.send("POST", "/v1/messages/count_tokens", &[], &body);
    }
    let end = Instant::now() + Duration::from_secs(60);
    while computing(&router) > 0 {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    assert_eq!(
        router
            .messages(&json!({"model": "echo-1", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}))
            .status,
        200
    );
}

#[test]
fn nothing_is_read_or_counted_once_nobody_waits() {
    let body = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "look at src/main.rs ".repeat(1_000)}]});
    let body = body.to_string();
    let chat = decode(Client::Messages, body.as_bytes()).unwrap();
    let tokenizer = Tokenizer { vocabulary: Vocabulary::O200k, factor_percent: 100 };
    let call = Call { chat: &chat, body: body.as_bytes(), headers: &[], key: None, tokenizer };
    let counter = Counter::default();
    let client = Arc::new(());
    let read = |request: Request<'_>| {
        let prompt = request.text(Feature::Prompt, None).unwrap().len();
        let files = [Feature::Files, Feature::FilesAll].map(|feature| request.set(feature).len());
        let conversation = request.text(Feature::Conversation, None).unwrap().len();
        (prompt, files, conversation, request.input_tokens())
    };
    let (prompt, files, conversation, tokens) = read(Request::new(&call, &counter).watching(Arc::downgrade(&client)));
    assert!(prompt > 19_000 && files == [1, 1] && conversation > 19_000 && tokens > 4_000);
    drop(client);
    let gone = Request::new(&call, &counter).watching(Weak::new());
    // What frames a message is known without reading it.
    assert_eq!(read(gone), (0, [0, 0], 0, 4));
}

/// Content within content, as deep as `n`, in the ways that parsers do not limit by themselves.
fn nested(n: usize) -> [String; 2] {
    let ends = [
        ("{\"content\":[", "],\"type\":\"tool_result\"}"),
        ("{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[", "]}}"),
    ];
    ends.map(|(open, close)| {
        let block = format!("{}{{\"type\":\"text\",\"text\":\"x\"}}{}", open.repeat(n), close.repeat(n));
        format!("{{\"model\":\"echo-1\",\"max_tokens\":5,\"messages\":[{{\"role\":\"user\",\"content\":[{block}]}}]}}")
    })
}

#[test]
fn content_within_content_ends_no_process() {
    let router = Router::start(r#"{"models": {"echo-1": {"provider": "echo"}}}"#, "default { route \"echo-1\" }");
    for depth in [3, 8, 20, 300, 3_000, 100_000] {
        for body in nested(depth) {
            for path in ["/v1/messages", "/v1/messages/count_tokens", "/api/explain"] {
                let status = router.post(path, &body).status;
                assert!(matches!(status, 200 | 400), "{depth} {path}: {status}");
            }
        }
    }
}

#[test]
fn references_of_a_schema_are_written_out_within_bounds() {
    let properties: serde_json::Map<String, serde_json::Value> =
        (0..10_000).map(|n| (format!("p{n}"), json!({"$ref": "#/$defs/long"}))).collect();
    for long in [
        json!({"type": "string", "description": "x".repeat(20_000)}),
        json!({"type": "string", "enum": vec!["x".repeat(100); 200]}),
    ] {
        let schema = json!({"type": "object", "properties": properties, "$defs": {"long": long}});
        let size = project(&schema).to_string().len();
        assert!(size < 16_000_000, "{size}");
    }
}
