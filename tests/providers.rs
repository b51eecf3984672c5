//! What each provider is sent and what clients get of its answers: recorded requests and answers below `tests/cases/wire/`,
//! and properties over all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use claude_router::wire::event::{Event, Opened, Stop, assemble};
use claude_router::wire::ids::Names;
use claude_router::wire::patch::Changes;
use claude_router::wire::provider::TABLE;
use claude_router::wire::reply::{self, Head, Writer};
use claude_router::wire::wanted::{Dialect, Target, Wanted};
use claude_router::wire::{Api, Client, loss, request};
use serde_json::{Value, json};

use crate::support::generate::Random;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/wire");
const CLIENTS: [Client; 3] = [Client::Messages, Client::Completions, Client::Responses];

/// The folder of an API's answers.
fn folder(api: Api) -> &'static str {
    match api {
        Api::Messages => "messages",
        Api::Completions => "completions",
        Api::Responses => "responses",
        Api::Gemini => "gemini",
        Api::Ollama => "ollama",
        Api::Generate => "generate",
    }
}

pub fn head() -> Head {
    Head {
        id: "rtr_1".to_owned(),
        model: "m".to_owned(),
        created: 1,
        input_at_most: 9,
        stream_usage: true,
        text_tools: Vec::new(),
    }
}

pub fn target(api: Api) -> Target<'static> {
    Target { reasoning: api == Api::Responses, window: Some(16_384), ..Target::of(api) }
}

/// A request as a provider is sent it, and what it lost.
pub fn sent(client: Client, body: &str, target: &Target<'_>) -> (Value, Vec<String>) {
    let chat = request::decode(client, body.as_bytes()).unwrap_or_else(|error| panic!("{}: {body}", error.0));
    let mut wanted = Wanted::of(&chat, &Changes::default(), target);
    let mut lost = std::mem::take(&mut wanted.lost);
    lost.extend(loss::of(&chat, target));
    let body = (target.api.row().encode)(&chat, &wanted, target).body;
    (serde_json::from_str(&body).unwrap(), lost)
}

/// Events of a stream that comes in pieces.
pub fn decode(api: Api, pieces: &[&[u8]]) -> Vec<Event> {
    let mut decoder = api.decoder(Names::default().seeded("seed"));
    let mut events = Vec::new();
    pieces.iter().for_each(|piece| decoder.push(piece, &mut events));
    decoder.finish(&mut events);
    events
}

pub fn written(client: Client, events: &[Event]) -> String {
    let mut out = String::new();
    Writer::new(client, head()).write(events, &mut out);
    out
}

/// Every recorded answer of an API, streamed or not.
fn answers(api: Api) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(Path::new(CASES).join(folder(api))).unwrap().flatten().map(|entry| entry.path()).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn is_stream(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension != "json")
}

fn events_of(api: Api, path: &Path) -> Vec<Event> {
    let bytes = std::fs::read(path).unwrap();
    if is_stream(path) { decode(api, &[&bytes]) } else { api.decode_whole(&bytes, &Names::default().seeded("seed")) }
}

// --- golden files ------------------------------------------------------------------------------------------------------

#[test]
fn a_request_as_each_provider_is_sent_it() {
    insta::glob!(CASES, "requests/*.json", |path| {
        let body = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let client = CLIENTS.into_iter().find(|client| name.contains(folder(client.api()))).unwrap();
        let mut all: Vec<(String, Target<'_>)> =
            TABLE.iter().map(|row| (folder(row.api).to_owned(), target(row.api))).collect();
        let openrouter = Dialect { openrouter: true, ..Dialect::default() };
        all.push(("openrouter".to_owned(), Target { dialect: openrouter, ..target(Api::Completions) }));
        let openai = Dialect { openai: true, ..Dialect::default() };
        all.push(("openai".to_owned(), Target { dialect: openai, reasoning: true, ..target(Api::Completions) }));
        for (api, target) in all {
            let (body, lost) = sent(client, &body, &target);
            let shown = format!("{}\n\nlost: {lost:#?}", serde_json::to_string_pretty(&body).unwrap());
            insta::with_settings!({snapshot_suffix => format!("{name}-{api}"), omit_expression => true}, {
                insta::assert_snapshot!("request", shown);
            });
        }
    });
}

#[test]
fn an_answer_as_events() {
    for row in TABLE {
        for path in answers(row.api) {
            let events = events_of(row.api, &path);
            let shown: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
            let name = format!("{}-{}", folder(row.api), path.file_name().unwrap().to_string_lossy());
            insta::with_settings!({snapshot_suffix => name, omit_expression => true}, {
                insta::assert_snapshot!("events", shown.join("\n"));
            });
        }
    }
}

#[test]
fn an_answer_as_each_client_gets_it() {
    let events = events_of(Api::Messages, &Path::new(CASES).join("messages/thinking_and_calls.sse"));
    for client in CLIENTS {
        let whole: Value = serde_json::from_str(&reply::whole(client, &assemble(&events).unwrap(), &head())).unwrap();
        let shown = format!("{}\n\n{}", written(client, &events), serde_json::to_string_pretty(&whole).unwrap());
        insta::with_settings!({snapshot_suffix => folder(client.api()), omit_expression => true}, {
            insta::assert_snapshot!("answer", shown);
        });
    }
}

// --- properties --------------------------------------------------------------------------------------------------------

#[test]
fn every_stream_decodes_the_same_however_it_is_cut() {
    for row in TABLE {
        for path in answers(row.api).into_iter().filter(|path| is_stream(path)) {
            let bytes = std::fs::read(&path).unwrap();
            let whole = decode(row.api, &[&bytes]);
            for cut in 0..=bytes.len() {
                assert_eq!(decode(row.api, &[&bytes[..cut], &bytes[cut..]]), whole, "{} cut at {cut}", path.display());
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(decode(row.api, &single), whole);
        }
    }
}

#[test]
fn trap_21_a_stream_that_is_cut_off_never_ends_well() {
    for row in TABLE {
        for path in answers(row.api).into_iter().filter(|path| is_stream(path)) {
            let bytes = std::fs::read(&path).unwrap();
            let whole = decode(row.api, &[&bytes]);
            for cut in 0..bytes.len() {
                let events = decode(row.api, &[&bytes[..cut]]);
                let ends =
                    events.iter().filter(|event| matches!(event, Event::End { .. } | Event::Error { .. })).count();
                assert_eq!(ends, 1, "{} cut off at {cut}", path.display());
                if let (Some(Event::End { stop, .. }), Some(Event::End { stop: wanted, .. })) =
                    (events.last(), whole.last())
                {
                    // Only after the provider said why it ends, and then for that reason.
                    assert_eq!(stop, wanted, "{} cut off at {cut}", path.display());
                }
            }
        }
    }
}

#[test]
fn a_streamed_answer_and_a_whole_one_say_the_same() {
    for row in TABLE {
        let text = |extension: &str| Path::new(CASES).join(folder(row.api)).join(format!("text.{extension}"));
        let streamed = if row.stream_type.contains("event-stream") { text("sse") } else { text("ndjson") };
        let (whole, streamed) = (events_of(row.api, &text("json")), events_of(row.api, &streamed));
        let (whole, streamed) = (assemble(&whole).unwrap(), assemble(&streamed).unwrap());
        assert_eq!((&whole.parts[0].body, whole.stop), (&"Hello".to_owned(), Stop::EndTurn), "{:?}", row.api);
        assert_eq!(whole, streamed, "the same blocks, the same end, the same total: {:?}", row.api);
        assert_eq!((whole.usage.input, whole.usage.output), (7, 2));
    }
}

/// Whether a stream of Messages keeps its grammar.
fn is_legal(text: &str) {
    let (mut open, mut next, mut deltas, mut stage): (Option<Value>, u64, usize, usize) = (None, 0, 0, 0);
    for event in text.split("\n\n").filter(|event| !event.is_empty()) {
        let (name, data) = event.split_once("\ndata: ").unwrap_or_else(|| panic!("{event}"));
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(name.strip_prefix("event: ").unwrap(), data["type"], "every event says its type twice");
        match data["type"].as_str().unwrap() {
            "message_start" => {
                assert_eq!(stage, 0, "{text}");
                assert!(data["message"]["usage"]["input_tokens"].as_u64() > Some(0), "{text}");
                stage = 1;
            }
            "content_block_start" => {
                assert_eq!((stage, &open, &data["index"]), (1, &None, &json!(next)), "{text}");
                (open, deltas) = (Some(data["content_block"]["type"].clone()), 0);
                next += 1;
            }
            "content_block_delta" => {
                let fits = match data["delta"]["type"].as_str().unwrap() {
                    "text_delta" => json!("text"),
                    "thinking_delta" | "signature_delta" => json!("thinking"),
                    "input_json_delta" => json!("tool_use"),
                    other => panic!("{other}"),
                };
                let is_own = open.as_ref().is_some_and(|open| open == "server_tool_use");
                assert!(open.as_ref() == Some(&fits) || is_own, "{fits} in {open:?}: {text}");
                assert_eq!(data["index"], json!(next - 1));
                deltas += 1;
            }
            "content_block_stop" => {
                assert_eq!(data["index"], json!(next - 1));
                let kind = open.take().unwrap();
                assert!(
                    deltas > 0 || !matches!(kind.as_str(), Some("text" | "thinking" | "tool_use")),
                    "an empty block: {text}"
                );
            }
            "message_delta" => {
                assert_eq!((stage, &open), (1, &None), "{text}");
                assert!(data["usage"]["output_tokens"].is_u64() && data["delta"]["stop_reason"].is_string(), "{text}");
                stage = 2;
            }
            "message_stop" => {
                assert_eq!(stage, 2, "{text}");
                stage = 3;
            }
            "error" => stage = 3,
            "ping" => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(stage, 3, "{text}");
}

#[test]
fn trap_67_every_stream_keeps_the_grammar_of_messages() {
    for row in TABLE {
        for path in answers(row.api) {
            let events = events_of(row.api, &path);
            is_legal(&written(Client::Messages, &events));
        }
    }
    // Nor does anything that a decoder might say bring the encoder to break it.
    let mut random = Random(11);
    for _ in 0..500 {
        let mut events: Vec<Event> = (0..random.below(30)).map(|_| any_event(&mut random)).collect();
        events.push(Event::Error { kind: "api_error".to_owned(), message: "x".to_owned() });
        let text = written(Client::Messages, &events);
        let without_empty: Vec<&str> = text.split("\n\n").collect();
        let (mut open, mut next) = (false, 0);
        for event in without_empty.iter().filter_map(|event| event.split_once("\ndata: ")).map(|(_, data)| data) {
            let data: Value = serde_json::from_str(event).unwrap();
            match data["type"].as_str().unwrap() {
                "content_block_start" => {
                    assert!(!open && data["index"] == json!(next));
                    (open, next) = (true, next + 1);
                }
                "content_block_delta" => assert!(open && data["index"] == json!(next - 1)),
                "content_block_stop" => open = !std::mem::replace(&mut open, false) && panic!("closed twice"),
                _ => {}
            }
        }
    }
}

fn any_event(random: &mut Random) -> Event {
    match random.below(9) {
        0 => Event::Start { id: None, usage: Default::default() },
        1 => Event::Open(Opened::Text),
        2 => Event::Open(Opened::Thinking),
        3 => Event::Open(Opened::ToolUse { id: "a".to_owned(), name: "b".to_owned() }),
        4 | 5 => Event::Delta("d".to_owned()),
        6 => Event::Signature("s".to_owned()),
        7 => Event::Close,
        _ => Event::Ping,
    }
}

#[test]
fn an_answer_goes_through_another_router_unchanged() {
    // What a client is sent can be read as the answer of a provider: routers can stand behind routers.
    for row in TABLE {
        for path in answers(row.api) {
            let events = events_of(row.api, &path);
            let Ok(mut answer) = assemble(&events) else { continue };
            answer.parts.retain(|part| !matches!(part.opened, Opened::Other { .. }));
            let events: Vec<Event> =
                events.into_iter().filter(|event| !matches!(event, Event::Open(Opened::Other { .. }))).collect();
            for client in CLIENTS {
                let streamed = decode(client.api(), &[written(client, &events).as_bytes()]);
                let whole = reply::whole(client, &answer, &head());
                let whole = client.api().decode_whole(whole.as_bytes(), &Names::default());
                // Arguments that were cut are no object, which a whole answer has to give.
                let both = if answer.stop == Stop::MaxTokens { vec![streamed] } else { vec![streamed, whole] };
                for again in both {
                    let again =
                        assemble(&again).unwrap_or_else(|(_, why)| panic!("{why}: {client:?} {}", path.display()));
                    let said = |answer: &claude_router::wire::event::Answer| -> BTreeMap<String, String> {
                        let mut all = BTreeMap::new();
                        for part in &answer.parts {
                            let kind = match &part.opened {
                                Opened::Text => "text".to_owned(),
                                Opened::Thinking => "thinking".to_owned(),
                                Opened::ToolUse { id, name } => format!("{name} {id}"),
                                Opened::Other { .. } => continue,
                            };
                            // Cut arguments stay as they are; whole ones may be spelt otherwise.
                            let read = serde_json::from_str::<Value>(&part.body).map(|value| value.to_string());
                            let body = if kind.contains(' ') && part.body.is_empty() {
                                "{}".to_owned()
                            } else {
                                part.body.clone()
                            };
                            let body = if kind.contains(' ') { read.unwrap_or(body) } else { body };
                            all.entry(kind).or_insert_with(String::new).push_str(&body);
                        }
                        all.retain(|_, body| !body.is_empty());
                        all
                    };
                    assert_eq!(said(&again), said(&answer), "{client:?} {}", path.display());
                    assert_eq!(
                        (again.usage.prompt(), again.usage.output),
                        (answer.usage.prompt(), answer.usage.output)
                    );
                    assert_eq!(again.usage.reasoning, answer.usage.reasoning);
                    assert_eq!(again.stop, answer.stop, "{client:?} {}", path.display());
                }
            }
        }
    }
}

/// A conversation in which every block bears a mark of its own: its body, and the marks in the order of the conversation.
fn conversation(random: &mut Random) -> (Value, Vec<String>) {
    let (mut marks, mut messages, mut n) = (Vec::new(), Vec::new(), 0);
    let mut mark = |marks: &mut Vec<String>, what: &str| {
        n += 1;
        let made = format!("{what}-é{n}-mark");
        marks.push(made.clone());
        made
    };
    for turn in 0..=random.below(4) {
        let mut said = vec![json!({"type": "text", "text": mark(&mut marks, "user")})];
        if random.below(3) == 0 {
            said.push(json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": format!("aW1n{turn}")}}));
        }
        messages.push(json!({"role": "user", "content": said}));
        if random.below(4) == 0 {
            messages.push(json!({"role": "system", "content": mark(&mut marks, "system")}));
        }
        let mut blocks = vec![json!({"type": "text", "text": mark(&mut marks, "assistant")})];
        let calls = random.below(4);
        for call in 0..calls {
            blocks.push(json!({"type": "tool_use", "id": format!("toolu_{turn}_{call}"), "name": "Run", "input": {"x": mark(&mut marks, "call")}}));
        }
        messages.push(json!({"role": "assistant", "content": blocks}));
        let mut results: Vec<Value> = (0..calls)
            .map(|call| json!({"type": "tool_result", "tool_use_id": format!("toolu_{turn}_{call}"), "content": mark(&mut marks, "result")}))
            .collect();
        // Results come in any order, and in several messages.
        for at in (1..results.len()).rev() {
            results.swap(at, random.below(at + 1));
        }
        for some in results.chunks(2) {
            messages.push(json!({"role": "user", "content": some}));
        }
    }
    messages.push(json!({"role": "user", "content": mark(&mut marks, "last")}));
    let tools = json!([{"name": "Run", "input_schema": {"type": "object", "properties": {"x": {"type": "string"}}}}]);
    (json!({"model": "m", "max_tokens": 99, "tools": tools, "messages": messages}), marks)
}

#[test]
fn every_block_that_a_provider_can_express_arrives_once_and_in_its_place() {
    let mut random = Random(5);
    for _ in 0..200 {
        let (body, marks) = conversation(&mut random);
        for row in TABLE.iter().filter(|row| row.api != Api::Generate) {
            let (sent, _) = sent(Client::Messages, &body.to_string(), &target(row.api));
            let text = sent.to_string();
            let places: Vec<usize> = marks
                .iter()
                .map(|mark| {
                    assert_eq!(text.matches(mark.as_str()).count(), 1, "{mark} in {:?}: {text}", row.api);
                    text.find(mark.as_str()).unwrap()
                })
                .collect();
            assert!(places.is_sorted(), "{:?}: {text}", row.api);
            let images = body.to_string().matches("aW1n").count();
            assert_eq!(text.matches("aW1n").count(), images, "{:?}", row.api);
        }
    }
}

#[test]
fn a_conversation_comes_back_from_the_apis_of_clients_as_it_was() {
    let mut random = Random(8);
    for _ in 0..100 {
        let (body, _) = conversation(&mut random);
        let first = sent(Client::Messages, &body.to_string(), &target(Api::Messages)).0;
        for client in [Client::Completions, Client::Responses] {
            let there = sent(Client::Messages, &body.to_string(), &target(client.api())).0;
            let (back, lost) = sent(client, &there.to_string(), &target(Api::Messages));
            assert_eq!(lost, Vec::<String>::new());
            assert_eq!(back["messages"], first["messages"], "{client:?}");
            assert_eq!(back["tools"], first["tools"]);
        }
    }
}
