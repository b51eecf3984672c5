//! What goes wrong in the field, each with the behaviour that is right. The numbers are those of a list of defects that users
//! of other gateways reported; those that need the whole program stand in `proxy` and `kinds`.

use claude_router::wire::event::{Event, Opened, Stop, assemble};
use claude_router::wire::foreign::{self, Maker};
use claude_router::wire::ids::Names;
use claude_router::wire::provider::schema::{self, WRITTEN_OUT_MAX};
use claude_router::wire::refused::{self, Refused};
use claude_router::wire::wanted::{Dialect, Target};
use claude_router::wire::{Api, Client, provider};
use serde_json::{Value, json};

use crate::providers::{decode, sent, target, written};

pub fn sse(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

pub fn chunk(delta: Value) -> Value {
    json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

pub fn end(reason: &str) -> Value {
    json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": {"prompt_tokens": 10, "completion_tokens": 2}})
}

pub fn gemini(parts: Value, reason: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason}], "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 2}})
}

/// The events of a stream of Messages, by name.
fn data(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn of_type<'v>(events: &'v [Value], kind: &str) -> Vec<&'v Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

pub fn ask(messages: Value) -> Value {
    json!({"model": "m", "max_tokens": 99, "messages": messages})
}

pub fn with(mut body: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub fn to(api: Api, body: &Value) -> Value {
    sent(Client::Messages, &body.to_string(), &target(api)).0
}

/// A conversation in which a tool was called and answered.
fn called(result: Value) -> Value {
    with(
        ask(json!([
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Run", "input": {}}]},
            {"role": "user", "content": [result]},
        ])),
        json!({"tools": [{"name": "Run", "input_schema": {"type": "object"}}]}),
    )
}

pub fn project(schema: &Value) -> Value {
    schema::project(schema, &mut WRITTEN_OUT_MAX.clone())
}

const FOREIGN: [Api; 5] = [Api::Completions, Api::Responses, Api::Gemini, Api::Ollama, Api::Generate];

// --- streams -----------------------------------------------------------------------------------------------------------

#[test]
fn trap_01_a_call_that_comes_whole_has_its_arguments_in_a_delta() {
    let part = json!([{"functionCall": {"name": "Read", "args": {"file_path": "/a"}}}]);
    let events = decode(Api::Gemini, &[sse(&[gemini(part, json!("STOP"))]).as_bytes()]);
    let events = data(&written(Client::Messages, &events));
    let deltas = of_type(&events, "content_block_delta");
    assert_eq!(deltas[0]["delta"], json!({"type": "input_json_delta", "partial_json": "{\"file_path\":\"/a\"}"}));
}

#[test]
fn trap_02_arguments_that_come_only_at_the_end_are_kept() {
    let item = json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "function_call", "call_id": "c", "name": "Read", "arguments": ""}});
    let begun = json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{\"x\""});
    let done = json!({"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{\"x\":1}"});
    let end = json!({"type": "response.completed", "response": {"status": "completed", "usage": {}}});
    for events in [vec![item.clone(), done.clone(), end.clone()], vec![item, begun, done, end]] {
        let answer = assemble(&decode(Api::Responses, &[sse(&events).as_bytes()])).unwrap();
        assert_eq!((answer.parts[0].body.as_str(), answer.stop), ("{\"x\":1}", Stop::ToolUse));
    }
}

#[test]
fn trap_04_a_turn_that_calls_ends_in_tool_use_and_opens_no_empty_text() {
    let line =
        |message: Value, done: bool| format!("{}\n", json!({"message": message, "done": done, "done_reason": "stop"}));
    let call = json!({"content": "", "tool_calls": [{"function": {"name": "Read", "arguments": {}}}]});
    let text =
        format!("{}{}{}", line(json!({"content": ""}), false), line(call, false), line(json!({"content": ""}), true));
    let answer = assemble(&decode(Api::Ollama, &[text.as_bytes()])).unwrap();
    assert_eq!((answer.parts.len(), answer.stop), (1, Stop::ToolUse));
}

#[test]
fn trap_07_24_two_calls_have_two_indices() {
    let call = |id: &str| {
        chunk(json!({"tool_calls": [{"index": 0, "id": id, "function": {"name": "Run", "arguments": "{}"}}]}))
    };
    let events = decode(Api::Completions, &[sse(&[call("a"), call("b"), end("tool_calls")]).as_bytes()]);
    let messages = data(&written(Client::Messages, &events));
    let of =
        |kind: &str| -> Vec<Value> { of_type(&messages, kind).iter().map(|event| event["index"].clone()).collect() };
    assert_eq!(
        (of("content_block_start"), of("content_block_stop")),
        (vec![json!(0), json!(1)], vec![json!(0), json!(1)])
    );
    let chunks = data(&written(Client::Completions, &events));
    let indices: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
        .filter(|call| call["id"].is_string())
        .map(|call| &call["index"])
        .collect();
    assert_eq!(indices, [0, 1]);
}

#[test]
fn trap_09_an_empty_part_moves_nothing() {
    let stream = sse(&[
        gemini(json!([{"text": "hm", "thought": true}]), Value::Null),
        gemini(json!([{"text": ""}]), Value::Null),
        gemini(json!([{"text": "more", "thought": true}, {"text": ""}]), json!("STOP")),
    ]);
    let answer = assemble(&decode(Api::Gemini, &[stream.as_bytes()])).unwrap();
    assert_eq!((answer.parts.len(), answer.parts[0].body.as_str()), (1, "hmmore"));
}

#[test]
fn trap_10_thinking_behind_a_call_is_a_block_of_its_own() {
    let stream = sse(&[
        chunk(json!({"reasoning_content": "one"})),
        chunk(json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "Run", "arguments": "{}"}}]})),
        chunk(json!({"reasoning_content": "two"})),
        end("tool_calls"),
    ]);
    let answer = assemble(&decode(Api::Completions, &[stream.as_bytes()])).unwrap();
    let kinds: Vec<bool> = answer.parts.iter().map(|part| part.opened == Opened::Thinking).collect();
    assert_eq!((kinds, answer.parts[2].body.as_str()), (vec![true, false, true], "two"));
}

#[test]
fn trap_11_a_delta_is_of_the_kind_of_its_block() {
    let stream = sse(&[
        chunk(json!({"content": "a"})),
        chunk(json!({"reasoning_content": "b"})),
        chunk(json!({"content": "c", "reasoning_content": "d"})),
        end("stop"),
    ]);
    let events = data(&written(Client::Messages, &decode(Api::Completions, &[stream.as_bytes()])));
    let mut open = Value::Null;
    for event in &events {
        match event["type"].as_str().unwrap() {
            "content_block_start" => open = event["content_block"]["type"].clone(),
            "content_block_delta" => {
                let is_thinking = event["delta"]["type"] != "text_delta";
                assert_eq!(open == "thinking", is_thinking, "{events:#?}");
            }
            _ => {}
        }
    }
}

#[test]
fn trap_12_thinking_opens_only_for_what_is_thought() {
    let item = |kind: &str| json!({"type": format!("response.output_item.{kind}"), "output_index": 0, "item": {"type": "reasoning", "summary": []}});
    let text = json!({"type": "response.output_text.delta", "output_index": 1, "delta": "x"});
    let end = json!({"type": "response.completed", "response": {"status": "completed", "usage": {}}});
    let answer =
        assemble(&decode(Api::Responses, &[sse(&[item("added"), item("done"), text, end]).as_bytes()])).unwrap();
    assert_eq!((answer.parts.len(), &answer.parts[0].opened), (1, &Opened::Text));
}

#[test]
fn trap_14_a_stream_made_of_a_whole_answer_signs_its_thinking() {
    let body = json!({"choices": [{"message": {"reasoning_content": "hm", "content": "x"}, "finish_reason": "stop"}]});
    let events = Api::Completions.decode_whole(body.to_string().as_bytes(), &Names::default());
    let events = data(&written(Client::Messages, &events));
    let deltas: Vec<&Value> =
        of_type(&events, "content_block_delta").iter().map(|event| &event["delta"]["type"]).collect();
    assert_eq!(deltas, ["thinking_delta", "signature_delta", "text_delta"]);
}

#[test]
fn trap_15_the_first_chunk_of_a_call_has_its_id_and_its_name() {
    let stream = sse(&[
        chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"x\""}}]})),
        chunk(json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "Run", "arguments": ":1}"}}]})),
        end("tool_calls"),
    ]);
    let chunks = data(&written(Client::Completions, &decode(Api::Completions, &[stream.as_bytes()])));
    let calls: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
        .filter(|call| !call.is_null())
        .collect();
    assert_eq!((&calls[0]["id"], &calls[0]["function"]["name"]), (&json!("a"), &json!("Run")));
    let arguments: String = calls.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert_eq!(arguments, "{\"x\":1}");
}

#[test]
fn trap_18_a_character_cut_in_two_is_whole() {
    let text = sse(&[chunk(json!({"content": "日本 🦀"})), end("stop")]);
    let bytes = text.as_bytes();
    for cut in 0..bytes.len() {
        let answer = assemble(&decode(Api::Completions, &[&bytes[..cut], &bytes[cut..]])).unwrap();
        assert_eq!(answer.parts[0].body, "日本 🦀");
    }
}

#[test]
fn trap_19_every_spelling_of_an_event_is_read() {
    let end = end("stop");
    for (before, line, rest) in [
        ("data:", "\n\n", ""),
        ("data: ", "\r\n\r\n", ""),
        ("data:", "\r\r", ""),
        ("\u{feff}data: ", "\n\n", ": comment\n\n"),
        ("id: 1\nretry: 9\nevent: x\ndata: ", "\n\n", ""),
    ] {
        let text = format!("{before}{}{line}{rest}data:{end}{line}", chunk(json!({"content": "x"})));
        assert_eq!(assemble(&decode(Api::Completions, &[text.as_bytes()])).unwrap().parts[0].body, "x", "{text:?}");
    }
    // Data on several lines is one document.
    let text = format!("data: {{\"choices\":[{{\"delta\":\ndata: {{\"content\":\"x\"}}}}]}}\n\ndata: {end}\n\n");
    assert_eq!(assemble(&decode(Api::Completions, &[text.as_bytes()])).unwrap().parts[0].body, "x");
}

#[test]
fn trap_20_a_ping_keeps_every_client_alive() {
    let ping = [Event::Ping];
    assert_eq!(written(Client::Messages, &ping), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
    assert_eq!(
        (written(Client::Completions, &ping), written(Client::Responses, &ping)),
        (": ping\n\n".to_owned(), ": ping\n\n".to_owned())
    );
}

#[test]
fn trap_23_an_empty_delta_ends_nothing_and_a_cut_call_is_kept() {
    let call = |arguments: &str| {
        chunk(
            json!({"content": "", "tool_calls": [{"index": 0, "id": "a", "function": {"name": "Run", "arguments": arguments}}]}),
        )
    };
    let stream = sse(&[call("{\"x\""), chunk(json!({"content": ""})), call(":1, \"y"), end("length")]);
    let answer = assemble(&decode(Api::Completions, &[stream.as_bytes()])).unwrap();
    assert_eq!((answer.parts.len(), answer.parts[0].body.as_str(), answer.stop), (1, "{\"x\":1, \"y", Stop::MaxTokens));
}

#[test]
fn trap_25_26_input_is_estimated_first_and_said_at_the_end() {
    let stream = sse(&[chunk(json!({"content": "x"})), end("stop")]);
    let events = data(&written(Client::Messages, &decode(Api::Completions, &[stream.as_bytes()])));
    assert_eq!(of_type(&events, "message_start")[0]["message"]["usage"]["input_tokens"], 9, "the estimate");
    assert_eq!(of_type(&events, "message_delta")[0]["usage"]["input_tokens"], 10, "the truth");
    // Counts that a stream says several times are the last ones, never their sum.
    let twice = with(chunk(json!({"content": "y"})), json!({"usage": {"prompt_tokens": 10, "completion_tokens": 1}}));
    let events = decode(Api::Completions, &[sse(&[twice, end("stop")]).as_bytes()]);
    assert_eq!(assemble(&events).unwrap().usage.output, 2);
}

#[test]
fn trap_28_an_end_that_nobody_knows_is_an_error() {
    let reasons = ["MALFORMED_FUNCTION_CALL", "OTHER", "UNEXPECTED_TOOL_CALL", "SOMETHING_NEW"];
    for reason in reasons {
        let events = decode(Api::Gemini, &[sse(&[gemini(json!([]), json!(reason))]).as_bytes()]);
        assert!(matches!(events.last(), Some(Event::Error { message, .. }) if message.contains(reason)), "{events:?}");
    }
    let refusal = decode(Api::Gemini, &[sse(&[gemini(json!([{"text": "x"}]), json!("SAFETY"))]).as_bytes()]);
    let chunks = data(&written(Client::Completions, &refusal));
    assert!(chunks.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "content_filter"));
}

#[test]
fn trap_29_the_longest_answer_is_said_to_be_cut() {
    let line = json!({"message": {"content": "x", "tool_calls": [{"function": {"name": "Run", "arguments": {}}}]}, "done": true, "done_reason": "length"});
    assert_eq!(assemble(&decode(Api::Ollama, &[line.to_string().as_bytes()])).unwrap().stop, Stop::MaxTokens);
}

#[test]
fn trap_31_arguments_that_are_no_object_are_wrapped_and_not_dropped() {
    for (written, read) in
        [("", json!({})), ("[1]", json!({"arguments": [1]})), ("{\"x\"", json!({"arguments": "{\"x\""}))]
    {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "Run", "arguments": written}}]}, {"role": "tool", "tool_call_id": "a", "content": "y"}]});
        let (body, _) = sent(Client::Completions, &body.to_string(), &target(Api::Messages));
        assert_eq!(body["messages"][1]["content"][0]["input"], read);
    }
}

// --- replay ------------------------------------------------------------------------------------------------------------

#[test]
fn trap_33_34_a_signature_goes_home_and_stands_in_no_id() {
    let part = json!([{"functionCall": {"name": "Run", "args": {}}, "thoughtSignature": "c2ln"}, {"functionCall": {"name": "Run", "args": {}}}]);
    let events = decode(Api::Gemini, &[sse(&[gemini(part, json!("STOP"))]).as_bytes()]);
    let answer = assemble(&events).unwrap();
    let Opened::ToolUse { id, .. } = &answer.parts[1].opened else { panic!("{answer:?}") };
    assert!(!id.contains("c2ln"));
    // As each client sends it back, another router, which remembers nothing, gives it to Gemini again.
    for client in [Client::Messages, Client::Completions, Client::Responses] {
        let said: Value =
            serde_json::from_str(&claude_router::wire::reply::whole(client, &answer, &crate::providers::head()))
                .unwrap();
        let history = match client {
            Client::Messages => {
                ask(json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": said["content"]}]))
            }
            Client::Completions => ask(json!([{"role": "user", "content": "x"}, said["choices"][0]["message"]])),
            Client::Responses => {
                let items = said["output"].as_array().unwrap();
                json!({"model": "m", "input": items})
            }
        };
        let (body, _) = sent(client, &history.to_string(), &target(Api::Gemini));
        let model = body["contents"].as_array().unwrap().iter().find(|content| content["role"] == "model").unwrap();
        assert_eq!(model["parts"][0]["thoughtSignature"], "c2ln", "{client:?} {body}");
        assert_eq!(model["parts"][1]["thoughtSignature"], Value::Null);
    }
    // A call that another model made is sent with what the API takes instead.
    let other = to(Api::Gemini, &called(json!({"type": "tool_result", "tool_use_id": "t1", "content": "y"})));
    assert_eq!(other["contents"][1]["parts"][0]["thoughtSignature"], "skip_thought_signature_validator");
}

#[test]
fn trap_35_36_what_a_maker_signed_goes_to_that_maker_alone() {
    let signatures = [
        ("EqQBCg==".to_owned(), Api::Messages),
        (foreign::seal(Maker::Gemini, "R2Vt"), Api::Gemini),
        (foreign::seal(Maker::Responses, "T3Bl"), Api::Responses),
    ];
    let blocks: Vec<Value> = signatures
        .iter()
        .map(|(signature, _)| json!({"type": "thinking", "thinking": "", "signature": signature}))
        .collect();
    let mut content = blocks;
    content.push(json!({"type": "tool_use", "id": "t1", "name": "Run", "input": {}}));
    let body = ask(
        json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": content}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "y"}]}]),
    );
    for (_, own) in &signatures {
        let text = to(*own, &body).to_string();
        for (held, api) in [("EqQBCg==", Api::Messages), ("R2Vt", Api::Gemini), ("T3Bl", Api::Responses)] {
            assert_eq!(text.contains(held), api == *own, "{held} to {own:?}: {text}");
        }
    }
    // Empty and signed is kept, empty and unsigned is not.
    let unsigned = ask(
        json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": ""}, {"type": "text", "text": "y"}]}]),
    );
    assert_eq!(to(Api::Messages, &unsigned)["messages"][1]["content"].as_array().unwrap().len(), 1);
}

#[test]
fn trap_37_38_results_stand_behind_their_calls_in_their_order() {
    let body = ask(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "A", "input": {}}, {"type": "tool_use", "id": "b", "name": "B", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "b", "content": "of b"}, {"type": "text", "text": "between"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "of a"}]},
    ]));
    let completions = to(Api::Completions, &body);
    let said: Vec<&Value> =
        completions["messages"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
    assert_eq!(said, [&json!("x"), &Value::Null, &json!("of a"), &json!("of b"), &json!("between")]);
    let gemini = to(Api::Gemini, &body);
    let names: Vec<&Value> = gemini["contents"][2]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["functionResponse"]["name"])
        .collect();
    assert_eq!(names, [&json!("A"), &json!("B"), &Value::Null]);
    // A call that nobody answered gets a result only where there is none at all.
    let open = ask(
        json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "A", "input": {}}]}, {"role": "user", "content": "stop that"}]),
    );
    let completions = to(Api::Completions, &open);
    assert_eq!(
        (&completions["messages"][2]["role"], &completions["messages"][2]["content"]),
        (&json!("tool"), &json!("(no output)"))
    );
    assert!(!to(Api::Completions, &body).to_string().contains("(no output)"));
}

#[test]
fn trap_39_41_a_result_is_never_silent() {
    for api in FOREIGN {
        let unknown = to(
            api,
            &called(json!({"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "hologram", "depth": 3}]})),
        )
        .to_string();
        assert!(unknown.contains("hologram"), "{api:?} {unknown}");
        for nothing in [json!([]), json!(""), Value::Null] {
            let empty =
                to(api, &called(json!({"type": "tool_result", "tool_use_id": "t1", "content": nothing}))).to_string();
            assert!(empty.contains("(no output)"), "{api:?} {empty}");
        }
        let failed =
            to(api, &called(json!({"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": "gone"})))
                .to_string();
        assert!(failed.contains("Error: gone") || failed.contains("{\"error\":\"gone\"}"), "{api:?} {failed}");
    }
}

#[test]
fn trap_42_no_text_is_empty_and_no_message_either() {
    let body = ask(json!([
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "x"}]},
        {"role": "assistant", "content": [{"type": "text", "text": ""}]},
        {"role": "user", "content": "y"},
    ]));
    for api in [Api::Completions, Api::Responses, Api::Gemini, Api::Ollama, Api::Messages] {
        let text = to(api, &body).to_string();
        assert!(
            !text.contains("\"text\":\"\"") && !text.contains("[]") && !text.contains("\"content\":\"\""),
            "{api:?} {text}"
        );
    }
    let roles = to(Api::Gemini, &body);
    assert_eq!(roles["contents"].as_array().unwrap().len(), 1, "neighbours of one role are joined");
}

#[test]
fn trap_43_every_text_of_an_answer_is_kept() {
    let body = json!({"content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}], "stop_reason": "end_turn", "usage": {}});
    let answer = assemble(&Api::Messages.decode_whole(body.to_string().as_bytes(), &Names::default())).unwrap();
    let whole: Value = serde_json::from_str(&claude_router::wire::reply::whole(
        Client::Completions,
        &answer,
        &crate::providers::head(),
    ))
    .unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], "one two");
}

#[test]
fn trap_46_rules_in_the_middle_are_never_a_models_words() {
    let body = ask(
        json!([{"role": "user", "content": "x"}, {"role": "system", "content": "the rules"}, {"role": "user", "content": "y"}]),
    );
    for api in FOREIGN {
        let text = to(api, &body).to_string();
        assert_eq!(text.matches("the rules").count(), 1, "{api:?} {text}");
        assert!(!text.contains("assistant") && !text.contains("\"model\",\"parts\""), "{api:?} {text}");
    }
    let openai = Target { dialect: Dialect { openai: true, ..Dialect::default() }, ..target(Api::Completions) };
    let there =
        |target: &Target<'_>| sent(Client::Messages, &body.to_string(), target).0["messages"][1]["role"].clone();
    assert_eq!(there(&openai), "system");
    let refuses = ["system_messages".to_owned()];
    assert_eq!(
        sent(Client::Messages, &body.to_string(), &Target { refuses: &refuses, ..openai }).0["messages"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn trap_47_an_image_in_a_result_is_seen() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aW1n"}});
    let body = called(
        json!({"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "see"}, image]}),
    );
    for api in FOREIGN.into_iter().filter(|api| *api != Api::Generate) {
        let text = to(api, &body).to_string();
        assert_eq!(text.matches("aW1n").count(), 1, "{api:?} {text}");
    }
    let completions = to(Api::Completions, &body);
    assert_eq!(
        (&completions["messages"][2]["content"], &completions["messages"][3]["content"][0]["type"]),
        (&json!("see"), &json!("image_url"))
    );
}

// --- requests ----------------------------------------------------------------------------------------------------------

#[test]
fn trap_48_a_schema_is_said_in_what_gemini_takes() {
    let cases = [
        (
            json!({"$schema": "s", "type": "object", "additionalProperties": false, "propertyNames": {}, "properties": {"a": {"type": "string", "format": "uri"}}, "required": ["a", "b"]}),
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
        ),
        (
            json!({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9}),
            json!({"type": "integer", "minimum": 1, "maximum": 8}),
        ),
        (json!({"type": "number", "exclusiveMinimum": 0}), json!({"type": "number"})),
        (json!({"type": ["string", "null"]}), json!({"type": "string", "nullable": true})),
        (json!({"type": ["string", "integer"]}), json!({"anyOf": [{"type": "string"}, {"type": "integer"}]})),
        (json!({"const": "x"}), json!({"type": "string", "enum": ["x"]})),
        (
            json!({"type": "integer", "enum": [1, 2], "description": "Which."}),
            json!({"type": "integer", "description": "Which. One of: 1, 2."}),
        ),
        (json!({"oneOf": [{"type": "null"}, {"type": "string"}]}), json!({"type": "string", "nullable": true})),
        (
            json!({"anyOf": [{"const": "a", "type": "string"}, {"const": "b", "type": "string"}]}),
            json!({"type": "string", "enum": ["a", "b"]}),
        ),
        (
            json!({"allOf": [{"type": "string"}, {"pattern": "a"}, {"minLength": 2}]}),
            json!({"type": "string", "pattern": "a", "minLength": 2}),
        ),
        (json!({"type": "array"}), json!({"type": "array", "items": {"type": "string"}})),
        (json!({"$ref": "#/$defs/p", "$defs": {"p": {"type": "string"}}}), json!({"type": "string"})),
        (json!(true), json!({})),
    ];
    for (schema, wanted) in cases {
        assert_eq!(project(&schema), wanted, "{schema}");
    }
    // What refers to itself has an end.
    let endless = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
    assert!(project(&endless).to_string().len() < 10_000);
    for tools in [json!({"type": "object"}), json!({"type": "object", "properties": {}})] {
        let body = with(
            ask(json!([{"role": "user", "content": "x"}])),
            json!({"tools": [{"name": "Run", "input_schema": tools}]}),
        );
        assert_eq!(to(Api::Gemini, &body)["tools"][0]["functionDeclarations"][0], json!({"name": "Run"}));
    }
}

#[test]
fn trap_49_a_schema_keeps_all_of_its_words_elsewhere() {
    let schema = json!({"$schema": "s", "type": "object", "x-own": [1.0], "properties": {"n": {"type": "integer", "maximum": 9_007_199_254_740_991u64}}});
    let body = with(
        ask(json!([{"role": "user", "content": "x"}])),
        json!({"tools": [{"name": "Run", "input_schema": schema}]}),
    );
    assert_eq!(to(Api::Completions, &body)["tools"][0]["function"]["parameters"], schema);
    assert_eq!(to(Api::Responses, &body)["tools"][0]["parameters"], schema);
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "Run", "parameters": schema}}]});
    assert_eq!(
        sent(Client::Completions, &chat.to_string(), &target(Api::Messages)).0["tools"][0]["input_schema"],
        schema
    );
}

#[test]
fn trap_50_51_thinking_that_contradicts_itself_is_put_right() {
    let body = |thinking: Value, more: Value| {
        with(with(ask(json!([{"role": "user", "content": "x"}])), json!({"thinking": thinking})), more)
    };
    let budget = body(json!({"type": "enabled", "budget_tokens": 4000}), json!({"max_tokens": 2000}));
    assert_eq!(to(Api::Messages, &budget)["thinking"]["budget_tokens"], 1999);
    let small = body(json!({"type": "enabled", "budget_tokens": 4000}), json!({"max_tokens": 500}));
    assert_eq!(to(Api::Messages, &small)["thinking"], Value::Null);
    let both = body(json!({"type": "disabled"}), json!({"output_config": {"effort": "high"}}));
    let reasoning = Target { reasoning: true, ..target(Api::Completions) };
    assert_eq!(sent(Client::Messages, &both.to_string(), &reasoning).0["reasoning_effort"], Value::Null);
}

#[test]
fn trap_52_thinking_goes_back_where_it_is_asked_for_and_nowhere_else() {
    let body = with(
        ask(json!([
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "router-1"}, {"type": "tool_use", "id": "t1", "name": "Run", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "y"}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "so", "signature": "router-2"}, {"type": "text", "text": "z"}]},
            {"role": "user", "content": "w"},
        ])),
        json!({}),
    );
    let echoes =
        Target { dialect: Dialect { echoes_thinking: true, ..Dialect::default() }, ..target(Api::Completions) };
    let (there, _) = sent(Client::Messages, &body.to_string(), &echoes);
    assert_eq!(
        (&there["messages"][1]["reasoning_content"], &there["messages"][3]["reasoning_content"]),
        (&json!("hm"), &Value::Null)
    );
    let plain = to(Api::Completions, &body).to_string();
    assert!(!plain.contains("hm") && !plain.contains("reasoning"), "{plain}");
}

#[test]
fn trap_53_what_a_provider_refuses_by_name_is_left_out() {
    let member = |path: &[&str]| Refused::Member(path.iter().map(|part| (*part).to_owned()).collect());
    let beta = |flag: &str| Refused::Beta(flag.to_owned());
    let cases: [(&str, Vec<Refused>); 15] = [
        (
            "context_management: Extra inputs are not permitted",
            vec![member(&["context_management"]), beta("context-management-")],
        ),
        (
            "tools.0.custom.defer_loading: Extra inputs are not permitted",
            vec![member(&["tools", "custom", "defer_loading"]), beta("advanced-tool-use-")],
        ),
        (
            "Unexpected value(s) `context-1m-2025-08-07`, `x-1` for the `anthropic-beta` header. Please consult",
            vec![beta("context-1m-2025-08-07"), beta("x-1")],
        ),
        ("Unsupported parameter: 'temperature' is not supported with this model.", vec![member(&["temperature"])]),
        (
            "Unsupported value: 'temperature' does not support 0.3 with this model. Only the default (1) value is supported.",
            vec![member(&["temperature"])],
        ),
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            vec![Refused::Renamed { from: "max_tokens".to_owned(), to: "max_completion_tokens".to_owned() }],
        ),
        (
            "Unsupported parameter: 'reasoning.summary' is not supported with this model.",
            vec![member(&["reasoning", "summary"])],
        ),
        ("Unrecognized request argument supplied: prompt_cache_key", vec![member(&["prompt_cache_key"])]),
        ("Unknown parameter: 'messages[2].reasoning_content'.", vec![member(&["messages", "reasoning_content"])]),
        (
            "[{'type': 'extra_forbidden', 'loc': ('body', 'top_k'), 'msg': 'Extra inputs are not permitted', 'input': 5}]",
            vec![member(&["top_k"])],
        ),
        (
            "Invalid JSON payload received. Unknown name \"thinkingLevel\" at 'generation_config.thinking_config': Cannot find field.",
            vec![member(&["generationConfig", "thinkingConfig", "thinkingLevel"])],
        ),
        ("property 'stream_options' is unsupported", vec![member(&["stream_options"])]),
        ("\"llama3.2\" does not support thinking", vec![member(&["think"])]),
        ("Unsupported parameter: 'messages' is not supported", vec![]),
        ("max_tokens: must be at least 1", vec![]),
    ];
    for (message, wanted) in &cases {
        assert_eq!(refused::named(400, message), *wanted, "{message}");
        assert_eq!(refused::named(500, message), []);
    }
    // A value that is refused says nothing of others, unless there is only one.
    let value = "Unsupported value: 'reasoning_effort' does not support 'xhigh' with this model.";
    assert_eq!(refused::lasting(value, &refused::named(400, value)), []);
    for (message, wanted) in cases.iter().filter(|(_, wanted)| !matches!(wanted.first(), Some(Refused::Beta(_)))) {
        assert_eq!(refused::lasting(message, wanted), *wanted);
    }
    let body = "{\"model\":\"m\", \"top_k\" : 5,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}},{\"type\":\"tool_use\",\"input\":{\"ttl\":3}}]}]}";
    assert_eq!(refused::without(body.as_bytes(), &[member(&["top_k"])]).unwrap(), body.replace("\"top_k\" : 5,", ""));
    let less = refused::without(body.as_bytes(), &[member(&["messages", "content", "text", "cache_control", "ttl"])])
        .unwrap_or_default();
    assert!(less.contains("{\"ttl\":3}") && !less.contains("1h"), "what is the client's own stays: {less}");
    assert_eq!(refused::without(body.as_bytes(), &[member(&["absent"]), beta("x")]), None);
    assert_eq!(
        refused::betas("a-1, context-management-2025-06-27,b", &[beta("context-management-"), beta("b")]),
        Some("a-1".to_owned())
    );
    assert_eq!(refused::betas("a-1,b", &[beta("c")]), None);
}

#[test]
fn trap_54_55_marks_of_caches_are_kept_where_they_count() {
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    let mut body = ask(json!([{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": mark}]}]));
    body["system"] = json!([{"type": "text", "text": "s", "cache_control": mark}]);
    body["tools"] = json!([{"name": "Run", "input_schema": {"type": "object"}, "cache_control": mark}]);
    let openrouter = Target { dialect: Dialect { openrouter: true, ..Dialect::default() }, ..target(Api::Completions) };
    let text = sent(Client::Messages, &body.to_string(), &openrouter).0.to_string();
    assert_eq!(
        (text.matches("\"cache_control\":{\"type\":\"ephemeral\"}").count(), text.matches("ttl").count()),
        (3, 0),
        "{text}"
    );
    assert!(!to(Api::Completions, &body).to_string().contains("cache_control"));
    // A client of chat completions has them too.
    let chat = json!({"model": "m", "messages": [{"role": "system", "content": [{"type": "text", "text": "s", "cache_control": mark}]}, {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": mark}]}]});
    let text = sent(Client::Completions, &chat.to_string(), &target(Api::Messages)).0.to_string();
    assert_eq!(text.matches("cache_control").count(), 2, "{text}");
}

#[test]
fn trap_56_64_what_changes_with_each_request_stays_out_of_caches() {
    let body = |nonce: &str| {
        with(
            ask(json!([{"role": "user", "content": "x"}])),
            json!({"system": [{"type": "text", "text": format!("x-anthropic-billing-header: cc_version=2; cch={nonce};")}, {"type": "text", "text": "rules"}], "metadata": {"user_id": "u_session_1"}}),
        )
    };
    for row in provider::TABLE {
        let (one, other) = (to(row.api, &body("aaaaa")), to(row.api, &body("bbbbb")));
        assert_eq!(one, other, "{:?}", row.api);
        assert!(one.to_string().contains("rules"));
    }
    let openai = Target { dialect: Dialect { openai: true, ..Dialect::default() }, ..target(Api::Completions) };
    let key = |body: &Value| sent(Client::Messages, &body.to_string(), &openai).0["prompt_cache_key"].clone();
    assert_eq!(key(&body("a")), key(&body("b")), "a session has one key");
    assert!(key(&body("a")).as_str().is_some_and(|key| key.len() <= 64 && !key.contains("session")));
}

#[test]
fn trap_57_a_search_goes_to_the_providers_own_or_is_told() {
    let search = |choice: Value, more: bool| {
        let mut tools = vec![json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 8})];
        tools.extend(more.then(|| json!({"name": "Run", "input_schema": {"type": "object"}})));
        with(ask(json!([{"role": "user", "content": "x"}])), json!({"tools": tools, "tool_choice": choice}))
    };
    let auto = json!({"type": "auto"});
    let of = |target: &Target<'_>, more: bool| sent(Client::Messages, &search(auto.clone(), more).to_string(), target);
    let (responses, lost) = of(&target(Api::Responses), true);
    assert_eq!((&responses["tools"][1], lost.len()), (&json!({"type": "web_search"}), 0));
    let (gemini, lost) = of(&target(Api::Gemini), false);
    assert_eq!((&gemini["tools"], lost.len()), (&json!([{"googleSearch": {}}]), 0));
    assert_eq!(of(&target(Api::Gemini), true).1.len(), 1, "beside other tools it has no place");
    let openrouter = Target { dialect: Dialect { openrouter: true, ..Dialect::default() }, ..target(Api::Completions) };
    assert_eq!(of(&openrouter, true).0["plugins"], json!([{"id": "web"}]));
    let forced = search(json!({"type": "tool", "name": "web_search"}), true);
    let (completions, lost) = sent(Client::Messages, &forced.to_string(), &target(Api::Completions));
    assert_eq!((&completions["tool_choice"], lost.len()), (&Value::Null, 2), "{lost:?}");
}

#[test]
fn trap_58_tools_have_the_published_shape_both_ways() {
    let schema = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    let claude = with(
        ask(json!([{"role": "user", "content": "x"}])),
        json!({"tools": [{"name": "Run", "description": "d", "input_schema": schema, "strict": true}], "tool_choice": {"type": "any"}}),
    );
    let completions = to(Api::Completions, &claude);
    let function = json!({"type": "function", "function": {"name": "Run", "parameters": schema, "description": "d"}});
    assert_eq!((&completions["tools"], &completions["tool_choice"]), (&json!([function]), &json!("required")));
    let chat = with(completions.clone(), json!({"tool_choice": {"type": "function", "function": {"name": "Run"}}}));
    let (back, _) = sent(Client::Completions, &chat.to_string(), &target(Api::Messages));
    assert_eq!(back["tools"], json!([{"name": "Run", "input_schema": schema, "description": "d"}]));
    assert_eq!(back["tool_choice"], json!({"type": "tool", "name": "Run"}));
}

#[test]
fn trap_59_a_model_is_sent_what_it_takes() {
    let body = with(
        ask(json!([{"role": "user", "content": "x"}])),
        json!({"temperature": 0.5, "top_p": 0.5, "top_k": 5, "stop_sequences": ["E"], "output_config": {"effort": "xhigh"}}),
    );
    let efforts = ["low".to_owned(), "medium".to_owned(), "high".to_owned()];
    let gpt5 = Target {
        dialect: Dialect { openai: true, ..Dialect::default() },
        reasoning: true,
        efforts: &efforts,
        ..target(Api::Completions)
    };
    let (body5, _) = sent(Client::Messages, &body.to_string(), &gpt5);
    assert_eq!((&body5["max_completion_tokens"], &body5["reasoning_effort"]), (&json!(99), &json!("high")));
    assert!(
        ["max_tokens", "temperature", "top_p", "stop", "top_k"].iter().all(|name| body5[*name].is_null()),
        "{body5}"
    );
    let refuses = ["temperature".to_owned(), "top_p".to_owned(), "top_k".to_owned()];
    let chat = json!({"model": "m", "temperature": 0.5, "top_p": 0.5, "messages": [{"role": "user", "content": "x"}]});
    let (claude5, lost) =
        sent(Client::Completions, &chat.to_string(), &Target { refuses: &refuses, ..target(Api::Messages) });
    assert!(claude5["temperature"].is_null() && claude5["top_p"].is_null());
    assert_eq!(lost, ["temperature is not sent", "top_p is not sent"]);
    // With tools an effort is refused by some, so that every request of an agent would fail.
    let refuses = ["effort_with_tools".to_owned()];
    let tools = with(body, json!({"tools": [{"name": "Run", "input_schema": {"type": "object"}}]}));
    let (agent, _) = sent(Client::Messages, &tools.to_string(), &Target { refuses: &refuses, ..gpt5 });
    assert!(agent["reasoning_effort"].is_null());
}

#[test]
fn a_model_is_not_asked_for_what_its_api_refuses() {
    let body = |thinking: Value| {
        with(ask(json!([{"role": "user", "content": "x"}])), json!({"thinking": thinking, "max_tokens": 1}))
    };
    let plain = Target { thinking: false, ..target(Api::Gemini) };
    let (sent_body, lost) = sent(Client::Messages, &body(json!({"type": "adaptive"})).to_string(), &plain);
    assert_eq!(
        (&sent_body["generationConfig"]["thinkingConfig"], lost),
        (&Value::Null, vec!["thinking is not sent".to_owned()])
    );
    let (sent_body, lost) = sent(Client::Messages, &body(json!({"type": "disabled"})).to_string(), &plain);
    assert_eq!((&sent_body["generationConfig"]["thinkingConfig"], lost.len()), (&Value::Null, 0));
    assert_eq!(to(Api::Responses, &body(json!({"type": "disabled"})))["max_output_tokens"], 16, "it takes no less");
}

#[test]
fn trap_60_a_hundred_tools_lose_no_message() {
    let tools: Vec<Value> =
        (0..155).map(|n| json!({"name": format!("tool_{n}"), "input_schema": {"type": "object"}})).collect();
    let body = with(ask(json!([{"role": "user", "content": "the message"}])), json!({"tools": tools}));
    for api in FOREIGN {
        assert!(to(api, &body).to_string().contains("the message"), "{api:?}");
    }
}
