//! Provider formats: streams that decode alike however they are cut, and what servers really send.

use claude_router::wire::event::{Event, Opened, Stop, assemble};
use claude_router::wire::ids::{Names, clean_id, short_name};
use claude_router::wire::overflow::Overflow;
use claude_router::wire::patch::{self, Changes};
use claude_router::wire::provider::completions;
use claude_router::wire::reply;
use claude_router::wire::request::{self, messages};
use claude_router::wire::retry;
use claude_router::wire::wanted::{Target, Wanted};
use claude_router::wire::{Api, Client};
use serde_json::{Value, json};

use crate::providers::{decode, head};
use crate::support::generate::Random;

/// Neighbouring deltas joined: where a stream is cut may move their borders, never their text.
fn openai_stream(deltas: &[Value], finish: &str) -> String {
    let mut text = String::new();
    for delta in deltas {
        text.push_str(&format!("data: {}\r\n\r\n", json!({"choices": [{"index": 0, "delta": delta}]})));
    }
    text.push_str(&format!(": OPENROUTER PROCESSING\n\ndata:{}\n\n", json!({"choices": [{"delta": {}, "finish_reason": finish}], "usage": {"prompt_tokens": 20, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 12}}})));
    text.push_str("data: [DONE]\n\n");
    text
}

fn tool(index: Option<u64>, id: &str, name: &str, arguments: &str) -> Value {
    let mut call = json!({"function": {"arguments": arguments}});
    if let Some(index) = index {
        call["index"] = json!(index);
    }
    if !id.is_empty() {
        call["id"] = json!(id);
    }
    if !name.is_empty() {
        call["function"]["name"] = json!(name);
    }
    json!({"tool_calls": [call]})
}

/// The calls of an answer: name and input.
fn calls(events: &[Event]) -> Vec<(String, String)> {
    let answer = assemble(events).unwrap();
    answer
        .parts
        .iter()
        .filter_map(|part| {
            if let Opened::ToolUse { name, .. } = &part.opened { Some((name.clone(), part.body.clone())) } else { None }
        })
        .collect()
}

const ANTHROPIC: &str = "\u{feff}event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":9}}}\r\n\r\n: c\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"日本\"}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"signature_delta\",\"signature\":\"S\"}}\n\ndata: {\"type\":\"content_block_stop\"}\n\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\"}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"ü\\\":1}\"}}\n\ndata: {\"type\":\"content_block_stop\"}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":5}}\n\ndata: {\"type\":\"message_stop\"}\n\n";

#[test]
fn a_stream_decodes_the_same_however_it_is_cut() {
    let openai = openai_stream(
        &[
            json!({"reasoning_content": "häm"}),
            json!({"content": "日本 🦀"}),
            tool(Some(0), "a", "f", "{\"ö\""),
            tool(Some(1), "b", "g", ""),
            tool(Some(0), "", "", ":1}"),
            json!({"content": "late"}),
        ],
        "tool_calls",
    );
    for (api, text) in [(Api::Messages, ANTHROPIC), (Api::Completions, openai.as_str())] {
        let bytes = text.as_bytes();
        let whole = decode(api, &[bytes]);
        assert!(matches!(whole.last(), Some(Event::End { stop: Stop::ToolUse, .. })), "{whole:?}");
        for cut in 0..=bytes.len() {
            assert_eq!(decode(api, &[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(api, &single), whole);
        // Cut off before its end it is a failure, wherever: never a success.
        for cut in 0..bytes.len() {
            let broken = decode(api, &[&bytes[..cut]]);
            let ends = matches!(broken.last(), Some(Event::End { .. }));
            let said = text
                .get(..cut)
                .is_none_or(|text| text.contains("stop_reason\":\"") || text.contains("finish_reason\":\""));
            assert!(!ends || said, "cut off at {cut} it ends well");
        }
    }
}

#[test]
fn trap_05_06_arguments_of_interleaved_calls_stay_apart() {
    let mut random = Random(7);
    for _ in 0..200 {
        let wanted: Vec<String> =
            (0..4).map(|n| format!("{{\"n\":{n},\"x\":\"{}\"}}", "é".repeat(random.below(5)))).collect();
        let mut left: Vec<Vec<char>> = wanted.iter().map(|text| text.chars().collect()).collect();
        let mut deltas: Vec<Value> = (0..4).map(|n| tool(Some(n), &format!("c{n}"), &format!("f{n}"), "")).collect();
        while left.iter().any(|rest| !rest.is_empty()) {
            let n = random.below(4);
            let take = (random.below(4) + 1).min(left[n].len());
            let piece: String = left[n].drain(..take).collect();
            deltas.push(tool(Some(n as u64), "", "", &piece));
        }
        let events = decode(Api::Completions, &[openai_stream(&deltas, "tool_calls").as_bytes()]);
        let wanted: Vec<(String, String)> =
            wanted.into_iter().enumerate().map(|(n, text)| (format!("f{n}"), text)).collect();
        assert_eq!(calls(&events), wanted);
        legal(&events);
    }
}

/// Written for an Anthropic client, blocks open and close one at a time, with indices 0, 1, 2 and so on.
fn legal(events: &[Event]) {
    let mut encoder = reply::messages::StreamEncoder::new(head());
    let mut text = String::new();
    events.iter().for_each(|event| encoder.encode(event, &mut text));
    let (mut open, mut next, mut deltas) = (None, 0, 0);
    for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let data: Value = serde_json::from_str(line).unwrap();
        match data["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!((open, &data["index"]), (None, &json!(next)), "{text}");
                (open, deltas) = (Some(next), 0);
                next += 1;
            }
            "content_block_delta" => {
                assert_eq!(data["index"], json!(open.unwrap()));
                deltas += 1;
            }
            "content_block_stop" => {
                assert!(deltas > 0, "a block without a delta: {text}");
                open = None;
            }
            _ => {}
        }
    }
    assert_eq!(open, None);
}

#[test]
fn trap_08_calls_that_share_an_index_are_told_apart_by_their_ids() {
    let events = decode(
        Api::Completions,
        &[openai_stream(&[tool(Some(0), "a", "f", "{}"), tool(Some(0), "b", "g", "{\"x\":1}")], "tool_calls")
            .as_bytes()],
    );
    assert_eq!(calls(&events), [("f".to_owned(), "{}".to_owned()), ("g".to_owned(), "{\"x\":1}".to_owned())]);
    legal(&events);
}

#[test]
fn trap_01_31_a_call_without_arguments_has_an_empty_object() {
    let events = decode(Api::Completions, &[openai_stream(&[tool(None, "", "f", "")], "stop").as_bytes()]);
    legal(&events);
    let body: Value = serde_json::from_str(&reply::messages::answer(&assemble(&events).unwrap(), &head())).unwrap();
    assert_eq!(
        (&body["content"][0]["input"], &body["stop_reason"]),
        (&json!({}), &json!("tool_use")),
        "trap 4: a call ends in tool_use"
    );
}

#[test]
fn trap_03_a_delta_with_text_and_a_call_keeps_both() {
    let mut both = tool(Some(0), "a", "f", "{}");
    both["content"] = json!("text");
    let answer = assemble(&decode(Api::Completions, &[openai_stream(&[both], "tool_calls").as_bytes()])).unwrap();
    assert_eq!((answer.parts[0].body.as_str(), answer.parts.len()), ("text", 2));
}

#[test]
fn trap_13_thinking_is_signed_and_closed_before_the_text() {
    let events = decode(
        Api::Completions,
        &[openai_stream(&[json!({"reasoning": "hm"}), json!({"content": "yes"})], "stop").as_bytes()],
    );
    let answer = assemble(&events).unwrap();
    assert_eq!((&answer.parts[0].opened, answer.parts[0].signature.starts_with("router-")), (&Opened::Thinking, true));
    assert_eq!(answer.parts[1].body, "yes");
    legal(&events);
}

#[test]
fn trap_27_cached_tokens_are_counted_once_both_ways() {
    let events = decode(Api::Completions, &[openai_stream(&[json!({"content": "x"})], "stop").as_bytes()]);
    let usage = assemble(&events).unwrap().usage;
    assert_eq!((usage.input, usage.cache_read, usage.output), (8, 12, 4));
    let back: Value = serde_json::from_str(&reply::completions::answer(&assemble(&events).unwrap(), &head())).unwrap();
    assert_eq!((&back["usage"]["prompt_tokens"], &back["usage"]["total_tokens"]), (&json!(20), &json!(24)));
}

#[test]
fn trap_28_29_length_and_filters_win() {
    let stop = |finish: &str| {
        assemble(&decode(Api::Completions, &[openai_stream(&[tool(Some(0), "a", "f", "{}")], finish).as_bytes()]))
            .unwrap()
            .stop
    };
    assert_eq!(
        (stop("length"), stop("content_filter"), stop("stop"), stop("")),
        (Stop::MaxTokens, Stop::Refusal, Stop::ToolUse, Stop::ToolUse)
    );
}

#[test]
fn trap_21_errors_in_a_stream_are_errors() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"error\":{\"message\":\"out\",\"code\":503}}\n\ndata: [DONE]\n\n";
    let events = decode(Api::Completions, &[text.as_bytes()]);
    assert_eq!(events.last(), Some(&Event::Error { kind: "overloaded_error".to_owned(), message: "out".to_owned() }));
    assert!(!events.iter().any(|event| matches!(event, Event::End { .. })));
}

#[test]
fn trap_32_45_ids_and_names_are_cleaned_so_that_no_two_become_the_same() {
    let ids = ["functions.Bash:0", "functions_Bash_0", "functions.Bash_0", "call_x|fc_y", "ok-1", ""];
    let clean: Vec<String> = ids.iter().map(|id| clean_id(id)).collect();
    for (index, id) in clean.iter().enumerate() {
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') && !id.is_empty());
        assert_eq!(clean_id(id), *id, "cleaning twice is cleaning once");
        assert!(!clean[..index].contains(id));
    }
    let long = format!("mcp__{}", "x".repeat(90));
    let mut names = Names::default();
    let short = names.shorten(&long);
    assert!(short.len() <= 64 && short == short_name(&long) && names.restore(&short) == long);
}

#[test]
fn a_name_at_its_place_is_what_a_patch_of_the_whole_body_gives() {
    let model = |name: &str| Changes { model: Some(name.to_owned()), ..Changes::default() };
    let refuses = ["temperature".to_owned()];
    let plain = Target::of(Api::Messages);
    let picky = Target { refuses: &refuses, ..Target::of(Api::Messages) };
    let body = |model: &str, more: &str| {
        format!(
            "{{ \"max_tokens\" : 5,{more}\n \"model\":  \"{model}\" , \"messages\": [{{\"role\": \"user\", \"content\": \"hi\"}}]}}"
        )
    };
    for (body, changes, target, alone) in [
        (body("a", ""), model("b"), &plain, true),
        (body("a/é", ""), model("a \"quoted\" name"), &plain, true),
        (body("a", ""), Changes::default(), &plain, true),
        (body("a", ""), model("b"), &picky, true),
        (body("a", "\"temperature\": 1,"), model("b"), &picky, false),
        (body("a", "\"temperature\": 1,"), model("b"), &plain, true),
        (body("\\u0061", ""), model("b"), &plain, false),
        (body("a", ""), Changes { max_tokens: Some(3), ..model("b") }, &plain, false),
        (body("a", ""), Changes { system_after: vec!["x".to_owned()], ..model("b") }, &plain, false),
    ] {
        let chat = request::decode(Client::Messages, body.as_bytes()).unwrap();
        let place = patch::place_of(body.as_bytes(), &chat.model);
        let hardly = patch::hardly(Client::Messages, body.as_bytes(), &changes, target, place.as_ref());
        assert_eq!(hardly.is_some(), alone, "{body}");
        let (whole, _) = patch::body(Client::Messages, body.as_bytes(), &changes, target).unwrap();
        assert!(hardly.is_none_or(|hardly| *hardly == *whole.as_bytes()), "{body}");
    }
    assert_eq!(patch::place_of(b"\"elsewhere\"", "a"), None);
    // What the router gave to its client is taken out again, also where nothing else changes.
    let given = json!({"model": "a", "messages": [{"role": "assistant", "content": "hi", "reasoning_content": "hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm", "format": "claude-router"}]}]});
    let (given, target) = (given.to_string(), Target::of(Api::Completions));
    for changes in [Changes::default(), model("b")] {
        assert!(patch::hardly(Client::Completions, given.as_bytes(), &changes, &target, None).is_none());
        let (body, _) = patch::body(Client::Completions, given.as_bytes(), &changes, &target).unwrap();
        assert!(!body.contains("reasoning"), "{body}");
    }
}

#[test]
fn usage_alone_is_that_of_the_whole_answer_or_not_told() {
    let usage = json!({"input_tokens": 9, "output_tokens": 7, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3,
        "cache_creation": {"ephemeral_1h_input_tokens": 4}, "output_tokens_details": {"thinking_tokens": 2}, "service_tier": "standard"});
    let answer = |ty: Value, stop: Value, usage: Value| json!({"id": "m", "type": ty, "content": [{"type": "text", "text": "hi"}], "stop_reason": stop, "usage": usage});
    let few = json!({"input_tokens": 1, "cache_creation": null});
    let odd = json!({"input_tokens": "many", "output_tokens": 2});
    for (whole, told) in [
        (answer(json!("message"), json!("end_turn"), usage), true),
        (answer(json!("message"), json!("end_turn"), few), true),
        (answer(json!("message"), json!("end_turn"), odd), false),
        (answer(json!("message"), json!("end_turn"), Value::Null), false),
        (answer(json!("message"), Value::Null, json!({})), false),
        (answer(json!("completion"), json!("stop"), json!({})), false),
        (json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}), false),
    ] {
        let bytes = whole.to_string();
        let alone = Api::Messages.usage_of_whole(bytes.as_bytes());
        assert_eq!(alone.is_some(), told, "{whole}");
        let read = assemble(&Api::Messages.decode_whole(bytes.as_bytes(), &Names::default()));
        assert!(alone.is_none_or(|usage| read.is_ok_and(|answer| answer.usage == usage)), "{whole}");
    }
}

#[test]
fn a_whole_answer_and_a_stream_give_the_same() {
    let whole = json!({"id": "c", "choices": [{"message": {"role": "assistant", "content": "hi", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]}, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 20, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 12}}});
    let events = Api::Completions.decode_whole(whole.to_string().as_bytes(), &Names::default());
    let streamed = decode(
        Api::Completions,
        &[openai_stream(&[json!({"content": "hi"}), tool(Some(0), "a", "f", "{\"x\":1}")], "tool_calls").as_bytes()],
    );
    assert_eq!(assemble(&events), assemble(&streamed));
}

#[test]
fn trap_61_what_is_too_long_is_said_with_the_numbers_of_the_provider() {
    let told = |message: &str, client: Client| Overflow::of(400, message).map(|overflow| overflow.words(client));
    let too_long = |input: u64, limit: u64| format!("prompt is too long: {input} tokens > {limit} maximum");
    let lower = |input: u64, output: u64, limit: u64| {
        format!(
            "input length and `max_tokens` exceed context limit: {input} + {output} > {limit}, decrease input length or `max_tokens` and try again"
        )
    };
    for (message, words) in [
        ("prompt is too long: 210000 tokens > 200000 maximum", too_long(210_000, 200_000)),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again", lower(190_000, 20_000, 200_000)),
        ("This model's maximum context length is 128000 tokens. However, your messages resulted in 150000 tokens. Please reduce the length of the messages.", too_long(150_000, 128_000)),
        ("This model's maximum context length is 65536 tokens. However, you requested 70000 tokens (62000 in the messages, 8000 in the completion). Please reduce the length of the messages or completion.", lower(62_000, 8_000, 65_536)),
        ("This model's maximum context length is 4097 tokens, however you requested 9000 tokens (8000 in your prompt; 1000 for the completion).", too_long(8_000, 4_097)),
        ("This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens (98000 of text input, 10000 of tool input, 32000 in the output). Please reduce the length of either one.", lower(108_000, 32_000, 131_072)),
        ("Requested token count exceeds the model's maximum context length of 262144 tokens. You requested a total of 262462 tokens: 230462 tokens from the input messages and 32000 tokens for the completion.", lower(230_462, 32_000, 262_144)),
        ("'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 40960 tokens and your request has 12000 input tokens (32000 > 40960 - 12000).", lower(12_000, 32_000, 40_960)),
        ("Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens. Please reduce the length of the messages.", too_long(300_000, 272_000)),
        ("This model's maximum prompt length is 131072 but the request contains 537812 tokens.", too_long(537_812, 131_072)),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", too_long(1_200_000, 1_048_576)),
        ("request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it", too_long(5_000, 4_096)),
        ("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", too_long(40_000, 32_768)),
        ("the request exceeds the available context size. try increasing the context size or enable context shift", "prompt is too long: the request exceeds the available context size. try increasing the context size or enable context shift".to_owned()),
        ("Your input exceeds the context window of this model. Please adjust your input and try again.", "prompt is too long: Your input exceeds the context window of this model. Please adjust your input and try again.".to_owned()),
    ] {
        assert_eq!(told(message, Client::Messages), Some(words), "{message}");
    }
    for other in [
        "max_tokens is too large",
        "Rate limit reached on tokens per minute: Limit 6000, Requested 20000",
        "too many tools",
        "",
    ] {
        assert_eq!(told(other, Client::Messages), None, "{other}");
    }
    assert_eq!(Overflow::of(429, "prompt is too long: 2 tokens > 1 maximum"), None);
    // A client of the other API reads it in that one's words.
    assert_eq!(
        told("prompt is too long: 210000 tokens > 200000 maximum", Client::Completions).unwrap(),
        "This model's maximum context length is 200000 tokens. However, your messages resulted in 210000 tokens. Please reduce the length of the messages or completion."
    );
    // Numbers beyond all measure are no number.
    let huge = "prompt is too long: 99999999999999999999999 tokens > 1 maximum";
    assert_eq!(told(huge, Client::Messages).unwrap(), huge);
}

#[test]
fn trap_40_deferred_tools_are_offered_once_they_were_found() {
    let tool = |name: &str, deferred: bool| json!({"name": name, "input_schema": {"type": "object"}, "defer_loading": deferred});
    let search = json!({"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"});
    let offered = |tools: Value, choice: &str| {
        let body = json!({"model": "m", "max_tokens": 9, "tools": tools, "tool_choice": {"type": "tool", "name": choice}, "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "ToolSearch", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "tool_reference", "tool_name": "Found"}]}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t2", "name": "Called", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t2", "content": "done"}]},
        ]});
        let body = body.to_string();
        let chat = messages::decode(body.as_bytes()).unwrap();
        let wanted = Wanted::of(&chat, &Changes::default(), &Target::of(Api::Completions));
        serde_json::from_str::<Value>(&completions::encode(&chat, &wanted, &Target::of(Api::Completions)).body).unwrap()
    };
    let names = |sent: &Value| -> Vec<String> {
        let tools = sent["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = [tool("ToolSearch", false), tool("Found", true), tool("Called", true), tool("Placeholder", true)];
    let sent = offered(json!(all), "Placeholder");
    assert_eq!(names(&sent), ["ToolSearch", "Found", "Called"]);
    assert_eq!(sent["tool_choice"], Value::Null, "what is not offered cannot be demanded");
    assert_eq!(sent["messages"][2]["content"], "The tool `Found` can be called now.");
    assert_eq!(offered(json!(all), "Found")["tool_choice"]["function"]["name"], "Found");
    // Where the provider would have searched, nobody can find them: all are offered.
    let sent = offered(json!([search, tool("A", true), tool("B", false)]), "A");
    assert_eq!(
        (names(&sent), &sent["tool_choice"]["function"]["name"]),
        (vec!["A".to_owned(), "B".to_owned()], &json!("A"))
    );
}

#[test]
fn trap_65_a_time_to_wait_is_in_whole_seconds() {
    let body =
        |delay: &str| json!({"error": {"code": 429, "details": [{"@type": "x"}, {"retryDelay": delay}]}}).to_string();
    let now = 1_445_412_450;
    for (header, body, seconds) in [
        (Some("7"), String::new(), Some(7)),
        (Some(" 0 "), String::new(), Some(0)),
        (Some("0.25"), body("9s"), Some(1)),
        (Some("Wed, 21 Oct 2015 07:28:00 GMT"), String::new(), Some(30)),
        (Some("Wed, 21 Oct 2015 07:00:00 GMT"), String::new(), Some(0)),
        (None, body("7.5s"), Some(8)),
        (Some("soon"), format!("[{}]", body("3s")), Some(3)),
        (Some("-4"), body("never"), None),
        (Some("1e300"), String::new(), None),
        (Some("99999999999"), "not json".to_owned(), Some(86_400)),
        (None, "[]".to_owned(), None),
    ] {
        assert_eq!(retry::after(header, body.as_bytes(), now), seconds, "{header:?} {body}");
    }
}
