//! What holds besides the numbered traps: bounds on whatever a client or a provider makes up, and what nobody may teach the
//! router.

use claude_router::wire::event::{Event, assemble};
use claude_router::wire::ids::{Names, short_id};
use claude_router::wire::patch::{self, Changes};
use claude_router::wire::refused::{self, Refused};
use claude_router::wire::{Api, Client};
use serde_json::{Value, json};

use crate::providers::{decode, target};
use crate::traps::{ask, chunk, end, gemini, project, sse, to, with};

#[test]
fn members_that_stand_last_are_left_out_together() {
    let body = "{\"a\":1, \"b\" : 2 ,\"c\":3}";
    let member = |name: &str| Refused::Member(vec![name.to_owned()]);
    for (names, left) in [(["b", "c"], "{\"a\":1}"), (["a", "b"], "{\"c\":3}"), (["a", "c"], "{ \"b\" : 2 }")] {
        let made = refused::without(body.as_bytes(), &names.map(member)).unwrap();
        assert_eq!(made.replace(' ', ""), left.replace(' ', ""), "{made}");
    }
    let both = json!({"model": "m", "messages": [{"role": "assistant", "content": "x", "reasoning_content": "h", "reasoning_details": [{"format": "claude-router"}]}]}).to_string();
    let (made, _) =
        patch::body(Client::Completions, both.as_bytes(), &Changes::default(), &target(Api::Completions)).unwrap();
    assert_eq!(made, "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"x\"}]}");
}

#[test]
fn nothing_follows_an_error() {
    let detail = json!({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "x"}]});
    let stream = format!("{}data: not JSON\n\n", sse(&[chunk(detail), end("stop")]));
    let events = decode(Api::Completions, &[stream.as_bytes()]);
    assert!(matches!(events.last(), Some(Event::Error { .. })), "{events:?}");
}

#[test]
fn ids_of_calls_fit_openai_and_stay_apart() {
    let long = |end: &str| format!("toolu_{}{end}", "x".repeat(60));
    assert_eq!(short_id("toolu_01"), "toolu_01");
    assert!(short_id(&long("a")).len() <= 40 && short_id(&long("a")) != short_id(&long("b")));
    let seeded = |seed: &str| {
        let part = json!([{"functionCall": {"name": "Run", "args": {}}}]);
        let mut decoder = Api::Gemini.decoder(Names::default().seeded(seed));
        let mut events = Vec::new();
        decoder.push(sse(&[gemini(part, json!("STOP"))]).as_bytes(), &mut events);
        decoder.finish(&mut events);
        format!("{:?}", assemble(&events).unwrap().parts[0].opened)
    };
    assert_ne!(seeded("1"), seeded("2"), "calls of two answers have two ids, though their provider gives none");
}

#[test]
fn every_kind_of_token_is_priced_once() {
    let usage = json!({"input_tokens": 100, "output_tokens": 50, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 300, "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}, "output_tokens_details": {"thinking_tokens": 40}});
    let body = json!({"content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": usage});
    let answer = assemble(&Api::Messages.decode_whole(body.to_string().as_bytes(), &Names::default())).unwrap();
    let cards = claude_router::config::catalogue::built_in();
    let sonnet = cards.iter().find(|card| card.name == "claude-sonnet-4-5").unwrap().prices.unwrap();
    let (all, long) = (answer.usage.cache_write, answer.usage.cache_write_long);
    assert_eq!((all, long, answer.usage.reasoning), (300, 200, 40));
    let cost = sonnet.of([answer.usage.input, answer.usage.output, answer.usage.cache_read, all - long, long]);
    // $3, $15, $0.30, $3.75 and $6 a million, in nano-dollars.
    assert_eq!(cost, 100 * 3_000 + 50 * 15_000 + 1_000 * 300 + 100 * 3_750 + 200 * 6_000);
    let said: Value =
        serde_json::from_str(&claude_router::wire::reply::whole(Client::Messages, &answer, &crate::providers::head()))
            .unwrap();
    assert_eq!(said["usage"], usage);
}

#[test]
fn what_waits_for_its_end_has_a_limit() {
    let piece = "x".repeat(1 << 20);
    let mut decoder = Api::Completions.decoder(Names::default());
    let mut events = Vec::new();
    for _ in 0..70 {
        decoder.push(
            sse(&[chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}))]).as_bytes(),
            &mut events,
        );
    }
    decoder.push(sse(&[end("tool_calls")]).as_bytes(), &mut events);
    decoder.finish(&mut events);
    let ends: Vec<&Event> =
        events.iter().filter(|event| matches!(event, Event::End { .. } | Event::Error { .. })).collect();
    assert!(matches!(ends.as_slice(), [Event::Error { message, .. }] if message.contains("too large")), "{ends:?}");
}

#[test]
fn no_client_teaches_the_router_to_leave_out_what_others_say() {
    let member = |path: &[&str]| Refused::Member(path.iter().map(|part| (*part).to_owned()).collect());
    // What a provider repeats of a client's words is not its own.
    for echo in [
        "messages.0.content.0: Input tag 'metadata: Extra inputs are not permitted' found",
        "Invalid value 'Unknown parameter: 'thinking''",
        "tools.0.name: 'x' does not match",
    ] {
        assert_eq!(refused::named(400, echo), [], "{echo}");
    }
    // A member that a client made up below a mark of a cache bears the name of what carries the words.
    assert_eq!(refused::named(400, "messages.0.content.0.text.cache_control.text: Extra inputs are not permitted"), []);
    // Others are taken out at their place alone, in all elements of a list.
    let body = json!({"messages": [{"role": "user", "foo": 1, "content": [{"type": "text", "text": "said", "foo": 2, "cache_control": {"type": "ephemeral", "foo": 3}}, {"type": "tool_use", "input": {"foo": 4}}]}], "foo": 5});
    let less = |path: &[&str]| {
        refused::without(body.to_string().as_bytes(), &[member(path)])
            .map(|less| serde_json::from_str::<Value>(&less).unwrap().to_string())
    };
    let gone = |n: u64| body.to_string().replace(&format!(",\"foo\":{n}"), "");
    assert_eq!(less(&["messages", "foo"]), Some(gone(1)));
    assert_eq!(less(&["messages", "content", "text", "foo"]), Some(gone(2)));
    assert_eq!(less(&["messages", "content", "text", "cache_control", "foo"]), Some(gone(3)));
    assert_eq!(less(&["foo"]), Some(gone(5)));
    assert_eq!(less(&["messages", "content", "cache_control", "bar"]), None);
    // A flag that nobody knows takes its member along once, and teaches only the flag.
    let named = refused::named(400, "Unexpected value(s) `context-management-x` for the `anthropic-beta` header.");
    assert_eq!(named.len(), 2);
    assert_eq!(refused::lasting("", &named), [Refused::Beta("context-management-x".to_owned())]);
}

#[test]
fn a_schema_made_to_be_endless_ends() {
    let size = |schema: &Value| project(schema).to_string().len();
    let tree = json!({"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}, "c": {"items": {"$ref": "#"}, "type": "array"}}});
    assert!(size(&tree) < 1_000, "{}", project(&tree));
    // Each of these refers twice to the next.
    let mut levels = serde_json::Map::new();
    for n in 0..40 {
        let next = json!({"$ref": format!("#/$defs/l{}", n + 1)});
        levels.insert(format!("l{n}"), json!({"type": "object", "properties": {"a": next, "b": next}}));
    }
    let doubling = json!({"$ref": "#/$defs/l0", "$defs": levels});
    assert!(size(&doubling) < 10_000_000);
    // And so do many of them in one request.
    let tools: Vec<Value> = (0..500).map(|n| json!({"name": format!("tool_{n}"), "input_schema": {"type": "object", "properties": {"x": doubling}, "$defs": doubling["$defs"]}})).collect();
    let body = with(ask(json!([{"role": "user", "content": "x"}])), json!({"tools": tools}));
    assert!(to(Api::Gemini, &body).to_string().len() < 20_000_000);
}

#[test]
fn a_conversation_of_many_calls_costs_what_it_is_long() {
    // A hundred thousand calls with their results, in the worst order: quadratic work would take hours.
    let n = 100_000;
    let calls: Vec<Value> =
        (0..n).map(|n| json!({"type": "tool_use", "id": format!("t{n}"), "name": "Run", "input": {}})).collect();
    let results: Vec<Value> = (0..n).rev().map(|n| json!({"type": "tool_result", "tool_use_id": format!("t{n}"), "content": "x", "cache_control": {"type": "ephemeral"}})).collect();
    let tools: Vec<Value> = (0..2_000)
        .map(|n| json!({"name": format!("tool_{n}"), "defer_loading": true, "input_schema": {"type": "object"}}))
        .collect();
    let body = with(
        ask(
            json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": calls}, {"role": "user", "content": results}]),
        ),
        json!({"tools": tools}),
    );
    let completions = to(Api::Completions, &body);
    assert_eq!(completions["messages"].as_array().unwrap().len(), n + 2);
    assert_eq!(completions["messages"][2]["tool_call_id"], "t0");
}

#[test]
fn an_answer_of_more_calls_than_there_are_is_an_error() {
    let call = |n: usize| {
        chunk(
            json!({"tool_calls": [{"index": n, "id": "same", "function": {"name": "Run", "arguments": "{}"}}, {"index": n, "id": format!("c{n}"), "function": {"name": "Run", "arguments": "{}"}}]}),
        )
    };
    let stream: String = (0..20_000).map(|n| sse(&[call(n)])).collect();
    let events = decode(Api::Completions, &[stream.as_bytes()]);
    assert!(matches!(events.last(), Some(Event::Error { message, .. }) if message.contains("too large")));
}
