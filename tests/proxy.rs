//! The built binary over real HTTP, with local servers in the providers' places.

use serde_json::{Value, json};

use crate::support::router::{Folder, Router};
use crate::support::upstream::{Reply, Upstream};

/// Rules that send everything to one model.
const TO_CLAUDE: &str = "default { route \"anthropic/claude-sonnet-4-5\" }\n";
const TO_GPT: &str = "default { route \"openai/gpt-4o\" }\n";

fn anthropic(upstream: &Upstream) -> String {
    json!({"anthropic": {"apiKey": "sk-provider", "baseUrl": upstream.url()}}).to_string()
}

fn openai(upstream: &Upstream) -> String {
    json!({"openai": {"apiKey": "sk-provider", "baseUrl": format!("{}/v1", upstream.url())}}).to_string()
}

fn ask(stream: bool) -> Value {
    json!({"model": "claude-sonnet-4-5", "max_tokens": 100, "stream": stream, "messages": [{"role": "user", "content": "say hi"}]})
}

const CLAUDE_STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grüße\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: new_kind\ndata: {\"type\":\"new_kind\",\"number\":9007199254740993}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":7}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn chunk(delta: Value, finish: Option<&str>) -> String {
    format!(
        "data: {}\n\n",
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    )
}

fn usage_chunk() -> String {
    format!(
        "data: {}\n\ndata: [DONE]\n\n",
        json!({"id": "c1", "choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 12}}})
    )
}

fn gpt_answer() -> Value {
    json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})
}

// --- the same API: byte for byte ---------------------------------------------------------------------------------------

#[test]
fn trap_63_an_anthropic_request_reaches_anthropic_byte_for_byte() {
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let router = Router::start(&anthropic(&upstream), TO_CLAUDE);
    let body = "{\"model\" : \"claude-sonnet-4-5\",\"max_tokens\":64,\"stream\":true,\n \"unknown\":{\"x\":1.0,\"n\":9007199254740993}, \"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"h\\u00e9\",\"cache_control\":{\"type\":\"ephemeral\"}}]}]}";
    let headers = [
        ("x-api-key", "client-secret"),
        ("api-key", "client-secret"),
        ("authorization", "Bearer client-secret"),
        ("anthropic-beta", "a-1,b-2"),
        ("anthropic-version", "2026-10-21"),
        ("x-stainless-lang", "python"),
    ];
    let answer = router.connect().request("POST", "/v1/messages?beta=true", &headers, body);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, CLAUDE_STREAM, "the answer is the provider's, unknown events too");
    let asked = upstream.the_request();
    assert_eq!(asked.body, body, "nothing of the body changed");
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/messages?beta=true"));
    assert_eq!(asked.header("x-api-key"), Some("sk-provider"));
    assert_eq!(asked.header("authorization"), None, "a client's credential goes nowhere");
    assert_eq!(asked.header("anthropic-beta"), Some("a-1,b-2"));
    assert_eq!(asked.header("anthropic-version"), Some("2026-10-21"));
    assert_eq!(asked.header("x-stainless-lang"), Some("python"));
    assert!(!format!("{asked:?}").contains("client-secret"));
}

#[test]
fn only_the_model_changes_where_another_one_is_taken() {
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let router = Router::start(&anthropic(&upstream), "default { route \"claude-haiku-4-5\" }");
    let body = "{\"max_tokens\":64, \"model\":\"claude-opus-4-1\" ,\"stream\":true,\"x\":1.0,\"messages\":[{\"role\":\"user\",\"content\":\"model\"}]}";
    router.post("/v1/messages", body);
    assert_eq!(upstream.the_request().body, body.replace("claude-opus-4-1", "claude-haiku-4-5"));
}

#[test]
fn trap_36_thinking_of_other_makers_is_not_sent_to_anthropic() {
    let answer = json!({"id": "c1", "model": "gpt-4o", "choices": [{"index": 0, "message": {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "Bash", "arguments": "{}"}}]}, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 9, "completion_tokens": 1}});
    let gpt = Upstream::always(Reply::json(200, answer));
    let claude = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let providers = json!({
        "openai": {"apiKey": "sk-a", "baseUrl": format!("{}/v1", gpt.url())},
        "anthropic": {"apiKey": "sk-b", "baseUrl": claude.url()},
    });
    let rules = "rule first { when turns <= 1 and not prompt contains \"claude\" route \"openai/gpt-4o\" }\ndefault { route \"claude-sonnet-4-5\" }";
    let router = Router::start(&providers.to_string(), rules);
    let said = router.messages(&ask(false)).json()["content"].clone();
    assert_eq!((&said[0]["type"], &said[1]["type"]), (&json!("thinking"), &json!("tool_use")), "{said}");
    // The client sends back what it got; the conversation goes on at Anthropic, for which nothing else changes.
    let history = |content: &str| {
        format!(
            "{{\"model\" : \"claude-sonnet-4-5\",\"max_tokens\":64,\"x\":1.0, \"messages\":[{{\"role\":\"user\",\"content\":\"a \\\"router-\\\" b\"}} ,{{ \"content\": {content}, \"role\":\"assistant\"}},{{\"role\":\"user\",\"content\":[{{\"type\":\"tool_result\",\"tool_use_id\":\"call_1\"}},{{\"type\":\"text\",\"text\":\"on, claude\"}}]}}],\"stream\":true}}"
        )
    };
    let real = "{\"type\":\"thinking\",\"thinking\":\"own\",\"signature\":\"EqQBCg==\"}";
    let own = format!("[{real},{}]", said[1]);
    router.post("/v1/messages", &history(&format!("[{real}, {} ,{}]", said[0], said[1])));
    router.post("/v1/messages", &history(&own));
    router.post("/v1/messages/count_tokens", &history(&format!("[{},{real},{}]", said[0], said[1])));
    let sent: Vec<String> = claude.asked().iter().map(|asked| asked.body.clone()).collect();
    // Between messages only the gap is lost.
    let close = |body: String| body.replace("} ,{", "},{");
    assert_eq!(sent, [close(history(&own)), history(&own), close(history(&own))]);
    // A message that was nothing else goes as a whole.
    let alone = history(&format!("[{}]", said[0]));
    router.post("/v1/messages", &alone);
    let body = claude.asked().last().unwrap().json();
    let roles: Vec<&Value> = body["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "user"]);
}

#[test]
fn settings_change_what_they_say_and_nothing_else() {
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let rules = "default { route \"claude-sonnet-4-5\" set temperature 0.3 set max_tokens at most 50 set thinking off set stop [\"END\"] set system append \"Be brief.\" set header \"x-team\" \"core\" }";
    let router = Router::start(&anthropic(&upstream), rules);
    router.post("/v1/messages", "{\"model\":\"claude-sonnet-4-5\",\"system\":[{\"type\":\"text\",\"text\":\"You are.\",\"cache_control\":{\"type\":\"ephemeral\"}}],\"max_tokens\":64,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000},\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    let asked = upstream.the_request();
    assert_eq!(
        asked.body,
        "{\"model\":\"claude-sonnet-4-5\",\"system\":[{\"type\":\"text\",\"text\":\"You are.\",\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":\"text\",\"text\":\"Be brief.\"}],\"max_tokens\":50,\"thinking\":{\"type\":\"disabled\"},\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"temperature\":0.3,\"stop_sequences\":[\"END\"]}"
    );
    assert_eq!(asked.header("x-team"), Some("core"));
}

#[test]
fn trap_62_an_anthropic_error_comes_back_byte_for_byte() {
    let error = "{\"type\":\"error\", \"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 210000 tokens > 200000 maximum\"}}";
    let upstream = Upstream::always(Reply::Whole {
        status: 400,
        headers: vec![("content-type", "application/json".to_owned()), ("x-should-retry", "false".to_owned())],
        body: error.to_owned(),
    });
    let router =
        Router::start(&anthropic(&upstream), "default { route \"claude-sonnet-4-5\" else \"claude-haiku-4-5\" }");
    let answer = router.messages(&ask(true));
    assert_eq!((answer.status, answer.body.as_str()), (400, error));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(upstream.asked().len(), 1, "a request that is wrong is wrong for every target");
}

#[test]
fn an_openai_request_reaches_an_openai_server_with_its_unknown_fields() {
    let upstream = Upstream::always(Reply::json(200, gpt_answer()));
    let router = Router::start(&openai(&upstream), TO_GPT);
    let answer = router.post(
        "/v1/chat/completions",
        "{\"model\":\"gpt-5\",\"new_field\":[1.0],\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
    );
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "hi");
    let asked = upstream.the_request();
    assert_eq!(
        asked.body,
        "{\"model\":\"gpt-4o\",\"new_field\":[1.0],\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
    );
    assert_eq!(
        (asked.path.as_str(), asked.header("authorization")),
        ("/v1/chat/completions", Some("Bearer sk-provider"))
    );
}

// --- another API: translated -------------------------------------------------------------------------------------------

#[test]
fn a_stream_is_translated_for_an_anthropic_client() {
    let stream = [
        chunk(json!({"role": "assistant", "content": ""}), None),
        chunk(json!({"content": "Let me "}), None),
        chunk(json!({"content": "look."}), None),
        chunk(json!({"tool_calls": [{"index": 0, "id": "call_a", "type": "function", "function": {"name": "read", "arguments": "{\"p"}}]}), None),
        chunk(json!({"tool_calls": [{"index": 1, "id": "call_b", "type": "function", "function": {"name": "list", "arguments": ""}}]}), None),
        chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": "\":1}"}}]}), None),
        chunk(json!({}), Some("tool_calls")),
        usage_chunk(),
    ]
    .concat();
    let upstream = Upstream::always(Reply::stream(&stream));
    let router = Router::start(&openai(&upstream), TO_GPT);
    let mut body = ask(true);
    body["system"] = json!([{"type": "text", "text": "x-anthropic-billing-header: cc_version=1;"}, {"type": "text", "text": "Be kind."}]);
    body["tools"] = json!([{"name": "read", "description": "Reads.", "input_schema": {"type": "object", "properties": {"p": {"type": "integer"}}}}, {"type": "web_search_20250305", "name": "web_search"}]);
    let answer = router.messages(&body);
    insta::assert_snapshot!(
        "openai_stream_to_anthropic",
        answer.body.replace(answer.header("x-router-request-id").unwrap().trim_start_matches("req_"), "ID")
    );
    let asked = upstream.the_request();
    insta::assert_snapshot!("anthropic_request_to_openai", serde_json::to_string_pretty(&asked.json()).unwrap());
    assert_eq!(asked.header("authorization"), Some("Bearer sk-provider"));
    assert_eq!(asked.header("x-api-key"), None);
}

#[test]
fn what_a_request_loses_in_translation_is_told() {
    let upstream = Upstream::always(Reply::json(200, gpt_answer()));
    let supports = ["tools", "images", "thinking", "documents"];
    let configuration = json!({"providers": {"mine": {"baseUrl": upstream.url(), "models": {"own": {"contextWindow": 90000, "supports": supports}}}}});
    let router = Router::start(&configuration.to_string(), "default { route \"own\" }");
    let mut body = ask(false);
    let plain = router.messages(&body);
    assert_eq!(plain.header("x-router-warnings"), None);
    body["top_k"] = json!(5);
    body["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
    body["stop_sequences"] = json!(["a", "b", "c", "d", "e"]);
    body["tools"] = json!([{"type": "web_search_20250305", "name": "web\n_süche"}, {"name": "Own", "input_schema": {"type": "object"}}]);
    body["messages"][0]["content"] = json!([
        {"type": "text", "text": "x"},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "document", "source": {"type": "url", "url": "https://127.0.0.1/a.pdf"}},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
    ]);
    let answer = router.messages(&body);
    assert_eq!(
        answer.header("x-router-warnings"),
        Some(
            "thinking is not sent; top_k is not sent; stop_sequences beyond 4 are not sent; the tool web?_s?che is not sent: only its provider runs it; images replaced by a text: 1; documents replaced by a text: 2"
        )
    );
    let sent = upstream.asked().last().unwrap().json();
    assert_eq!((sent["stop"].as_array().unwrap().len(), sent["tools"].as_array().unwrap().len()), (4, 1));
    assert!(sent["top_k"].is_null() && sent["thinking"].is_null() && sent["reasoning_effort"].is_null());
    // The other way round.
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let router = Router::start(&anthropic(&upstream), TO_CLAUDE);
    let body = json!({"model": "x", "messages": [{"role": "user", "content": "x"}], "temperature": 1.5, "top_p": 0.5, "reasoning_effort": "low", "stream": true,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}});
    let answer = router.post("/v1/chat/completions", &body.to_string());
    assert_eq!(
        answer.header("x-router-warnings"),
        Some("effort is not sent; temperature above 1 is not sent; top_p beside temperature is not sent")
    );
    let sent = upstream.the_request().json();
    assert_eq!((&sent["temperature"], &sent["top_p"]), (&json!(1.0), &Value::Null));
    assert_eq!(sent["output_config"], json!({"format": {"type": "json_schema", "schema": {"type": "object"}}}));
}

#[test]
fn tools_images_and_results_go_both_ways() {
    let upstream = Upstream::always(Reply::json(200, gpt_answer()));
    let router = Router::start(&openai(&upstream), TO_GPT);
    let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 10, "messages": [
        {"role": "user", "content": [{"type": "text", "text": "what is this"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "looking"}, {"type": "tool_use", "id": "t1", "name": "a", "input": {"n": 1.0}}, {"type": "tool_use", "id": "t2", "name": "b", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t2", "is_error": true, "content": "no"}, {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "yes"}, {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}]}, {"type": "text", "text": "go on"}]},
        {"role": "system", "content": "be brief"},
    ]});
    let answer = router.messages(&body).json();
    assert_eq!(answer["content"], json!([{"type": "text", "text": "hi"}]));
    assert_eq!(
        (&answer["stop_reason"], &answer["usage"]["input_tokens"], &answer["model"]),
        (&json!("end_turn"), &json!(9), &json!("gpt-4o"))
    );
    insta::assert_snapshot!(
        "conversation_to_openai",
        serde_json::to_string_pretty(&upstream.the_request().json()["messages"]).unwrap()
    );
}

#[test]
fn an_openai_client_is_answered_by_anthropic() {
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let router = Router::start(&anthropic(&upstream), TO_CLAUDE);
    let body = json!({"model": "gpt-5", "stream": true, "stream_options": {"include_usage": true}, "messages": [
        {"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "functions.a:0", "type": "function", "function": {"name": "a", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "functions.a:0", "content": "done"}],
        "tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "object", "properties": {}}}}]});
    let answer = router.post("/v1/chat/completions", &body.to_string());
    assert_eq!(answer.text(), "Grüße");
    assert!(answer.body.ends_with("data: [DONE]\n\n"), "{}", answer.body);
    let usage = answer.events().iter().rev().find_map(|(_, data)| data["usage"].as_object().cloned()).unwrap();
    assert_eq!((usage["prompt_tokens"].clone(), usage["completion_tokens"].clone()), (json!(5), json!(7)));
    insta::assert_snapshot!(
        "openai_request_to_anthropic",
        serde_json::to_string_pretty(&upstream.the_request().json()).unwrap()
    );
}

#[test]
fn trap_16_a_whole_answer_to_a_stream_request_is_streamed() {
    let upstream = Upstream::always(Reply::json(200, gpt_answer()));
    let router = Router::start(&openai(&upstream), TO_GPT);
    let answer = router.messages(&ask(true));
    assert_eq!(answer.text(), "hi");
    assert_eq!(answer.events().last().unwrap().0, "message_stop");
}

// --- failures ----------------------------------------------------------------------------------------------------------

/// A chain whose first target fails in some way, and whose second answers.
#[track_caller]
fn falls_back(first: Reply) {
    let (bad, good) = (Upstream::always(first), Upstream::always(Reply::stream(CLAUDE_STREAM)));
    let configuration = json!({
        "anthropic": {"apiKey": "k", "baseUrl": good.url()},
        "openai": {"apiKey": "k", "baseUrl": bad.url()},
    });
    let router =
        Router::start(&configuration.to_string(), "default { route \"gpt-4o\" else \"claude-sonnet-4-5\" timeout 2s }");
    let answer = router.messages(&ask(true));
    assert_eq!((answer.status, answer.body.as_str()), (200, CLAUDE_STREAM));
    assert_eq!(bad.asked().len(), 1);
}

#[test]
fn the_chain_is_followed_when_a_target_refuses() {
    for status in [401, 404, 408, 429, 500, 503, 529] {
        falls_back(Reply::json(status, json!({"error": {"message": "no", "type": "x"}})));
    }
}

#[test]
fn trap_61_what_is_too_long_goes_to_a_larger_window_or_is_said_as_the_client_knows_it() {
    let message = "This model's maximum context length is 128000 tokens. However, your messages resulted in 150000 tokens. Please reduce the length of the messages.";
    let small =
        Upstream::always(Reply::json(400, json!({"error": {"message": message, "code": "context_length_exceeded"}})));
    let large = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let configuration = json!({
        "anthropic": {"apiKey": "k", "baseUrl": large.url()},
        "openai": {"apiKey": "k", "baseUrl": small.url()},
        "providers": {"tiny": {"baseUrl": small.url(), "models": {"tiny": {"contextWindow": 9000}}}},
    });
    let start = |rules: &str| Router::start(&configuration.to_string(), rules);
    // 128,000 tokens, then 9,000, then 200,000: the second one is not asked.
    let router = start("default { route \"gpt-4o\" else \"tiny\" else \"claude-sonnet-4-5\" }");
    let answer = router.messages(&ask(true));
    assert_eq!((answer.status, answer.body.as_str()), (200, CLAUDE_STREAM));
    assert_eq!((small.asked().len(), large.asked().len()), (1, 1));
    // Nobody larger: in the words of the client's API, so that Claude Code compacts.
    let router = start("default { route \"gpt-4o\" else \"tiny\" retry 2 }");
    let answer = router.messages(&ask(true));
    assert_eq!((answer.status, small.asked().len()), (400, 2), "{}", answer.body);
    let error = &answer.json()["error"];
    assert_eq!(
        (&error["type"], &error["message"]),
        (&json!("invalid_request_error"), &json!("prompt is too long: 150000 tokens > 128000 maximum"))
    );
    // What is known before anybody is asked is said so too, without numbers that nobody counted.
    let router = start("default { route \"tiny\" }");
    let mut long = ask(true);
    long["messages"][0]["content"] = json!("so many words ".repeat(20_000));
    let answer = router.messages(&long);
    let told = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(answer.status == 400 && told.starts_with("prompt is too long: no target of the rule"), "{told}");
    long["messages"][0]["role"] = json!("user");
    let answer = router.post("/v1/chat/completions", &long.to_string());
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("context_length_exceeded")));
}

#[test]
fn trap_65_a_client_is_told_how_long_to_wait() {
    let details = json!([{"error": {"code": 429, "message": "quota", "details": [{"retryDelay": "41.2s"}]}}]);
    let upstream = Upstream::always(Reply::json(429, details));
    let router = Router::start(&openai(&upstream), TO_GPT);
    let answer = router.messages(&ask(true));
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("42")));
    assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
}

#[test]
fn the_chain_is_followed_when_a_target_closes_the_connection() {
    falls_back(Reply::Close);
}

#[test]
fn the_chain_is_followed_when_a_target_hangs() {
    falls_back(Reply::Hang(Vec::new()));
}

#[test]
fn the_chain_is_followed_when_a_target_answers_a_page() {
    falls_back(Reply::Whole {
        status: 200,
        headers: vec![("content-type", "text/html".to_owned())],
        body: "<html>".to_owned(),
    });
}

#[test]
fn the_chain_is_followed_when_a_stream_begins_with_an_error() {
    falls_back(Reply::stream("data: {\"error\":{\"message\":\"overloaded\",\"code\":529}}\n\n"));
}

#[test]
fn when_every_target_fails_the_last_one_says_why() {
    let upstream = Upstream::always(Reply::Whole {
        status: 429,
        headers: vec![("retry-after", "7".to_owned())],
        body: "<html>slow down</html>".to_owned(),
    });
    let router = Router::start(&openai(&upstream), TO_GPT);
    let answer = router.messages(&ask(true));
    assert_eq!(
        (answer.status, answer.header("retry-after"), answer.header("x-router-blame")),
        (429, Some("7"), Some("upstream"))
    );
    assert_eq!(
        answer.json()["error"],
        json!({"type": "rate_limit_error", "message": "openai answered 429: a page of HTML"})
    );
}

#[test]
fn nobody_to_reach_is_said_in_the_clients_shape() {
    let configuration = json!({"openai": {"apiKey": "k", "baseUrl": "http://127.0.0.1:9"}}).to_string();
    let router = Router::start(&configuration, TO_GPT);
    let anthropic = router.messages(&ask(true));
    assert_eq!((anthropic.status, &anthropic.json()["type"]), (502, &json!("error")));
    let openai = router.post("/v1/chat/completions", "{\"model\":\"gpt-4o\",\"messages\":[]}");
    assert!(
        openai.json()["error"]["message"].as_str().unwrap().contains("openai cannot be reached"),
        "{}",
        openai.body
    );
}

#[test]
fn a_translated_stream_that_breaks_ends_with_an_error_and_never_as_success() {
    let piece = chunk(json!({"content": "half"}), None).into_bytes();
    let upstream = Upstream::always(Reply::Cut(vec![piece]));
    let router = Router::start(&openai(&upstream), TO_GPT);
    let answer = router.messages(&ask(true));
    let (last, data) = answer.events().pop().unwrap();
    assert_eq!((last.as_str(), &data["error"]["type"]), ("error", &json!("api_error")));
    assert!(!answer.body.contains("message_stop"));
    // And without the stream, the client gets an error.
    assert_eq!(router.messages(&ask(false)).status, 502);
}

#[test]
fn a_forwarded_stream_that_breaks_ends_with_an_error() {
    let half = CLAUDE_STREAM.split_inclusive("\n\n").take(3).collect::<String>().into_bytes();
    let upstream = Upstream::always(Reply::Cut(vec![half]));
    let router = Router::start(&anthropic(&upstream), TO_CLAUDE);
    let answer = router.messages(&ask(true));
    assert_eq!(answer.text(), "Grüße");
    assert_eq!(answer.events().last().unwrap().0, "error");
}

#[test]
fn retry_tries_the_same_target_again() {
    let upstream = Upstream::new({
        let n = std::sync::atomic::AtomicUsize::new(0);
        move |_| {
            if n.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2 {
                Reply::json(500, json!({}))
            } else {
                Reply::stream(CLAUDE_STREAM)
            }
        }
    });
    let router = Router::start(&anthropic(&upstream), "default { route \"claude-sonnet-4-5\" retry 2 }");
    assert_eq!(router.messages(&ask(true)).body, CLAUDE_STREAM);
    assert_eq!(upstream.asked().len(), 3);
}

#[test]
fn a_model_that_keeps_failing_is_passed_over() {
    let bad = Upstream::always(Reply::json(500, json!({})));
    let good = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let configuration =
        json!({"openai": {"apiKey": "k", "baseUrl": bad.url()}, "anthropic": {"apiKey": "k", "baseUrl": good.url()}})
            .to_string();
    let router = Router::start(&configuration, "default { route \"gpt-4o\" else \"claude-sonnet-4-5\" }");
    (0..6).for_each(|_| assert_eq!(router.messages(&ask(true)).status, 200));
    assert_eq!(bad.asked().len(), 3, "after three failures it rests");
    let explained = router.post("/api/explain", &ask(true).to_string()).json();
    assert_eq!(
        explained["skipped"][0],
        json!({"model": "gpt-4o", "reason": "unhealthy", "detail": "3 of the last 3 calls failed"})
    );
}

// --- bad input ---------------------------------------------------------------------------------------------------------

#[test]
fn a_bad_request_is_refused_in_the_callers_shape_and_the_router_goes_on() {
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let router = Router::start(&anthropic(&upstream), TO_CLAUDE);
    let cases = [
        ("", "not valid JSON"),
        ("{nope", "not valid JSON"),
        ("[]", "does not fit"),
        ("{\"model\":\"x\",\"messages\":[],\"max_tokens\":-1}", "expected a whole number"),
        ("{\"model\":\"x\",\"messages\":[null]}", "expected an object"),
        ("{\"model\":\"x\"}", "missing field `messages`"),
        ("{\"model\":\"x\",\"messages\":5}", "does not fit"),
        ("{\"model\":\"x\",\"messages\":[{\"role\":\"king\",\"content\":\"x\"}]}", "messages.0.role: `king`"),
        ("{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}", "surrogate"),
        ("{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":7}]}", "messages.0.content"),
    ];
    for (body, wanted) in cases {
        let answer = router.post("/v1/messages", body);
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!((answer.status, &answer.json()["error"]["type"]), (400, &json!("invalid_request_error")), "{body}");
        assert!(message.contains(wanted), "`{body}` gave `{message}`");
        assert!(!message.contains("struct ") && !message.contains("u64"), "`{message}` names a type of ours");
        let chat = router.post("/v1/chat/completions", body);
        assert!(chat.json()["error"]["param"].is_null() && chat.status == 400, "{}", chat.body);
    }
    let deep = format!("{{\"model\":\"x\",\"messages\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(router.post("/v1/messages", &deep).status, 400);
    assert_eq!(router.messages(&ask(true)).body, CLAUDE_STREAM);
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let router = Router::start(&anthropic(&upstream), TO_CLAUDE);
    let mut connection = router.connect();
    connection.send("POST", "/v1/messages", &[("content-length", "104857600")], "");
    let answer = connection.answer(true);
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (413, &json!("request_too_large")));
}

#[test]
fn a_block_of_an_unknown_type_is_forwarded_to_its_own_api_and_told_to_others() {
    let block = json!({"type": "hologram", "data": [1, 2]});
    let mut body = ask(true);
    body["messages"][0]["content"] = json!([{"type": "text", "text": "see"}, block]);
    let claude = Upstream::always(Reply::stream(CLAUDE_STREAM));
    Router::start(&anthropic(&claude), TO_CLAUDE).messages(&body);
    assert_eq!(claude.the_request().json()["messages"][0]["content"][1], block);
    let gpt = Upstream::always(Reply::json(200, gpt_answer()));
    Router::start(&openai(&gpt), TO_GPT).messages(&body);
    assert!(gpt.the_request().body.contains("hologram"), "nothing is lost without a word");
}

#[test]
fn paths_and_methods_that_are_not_served_are_refused_in_shape() {
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let router = Router::start(&anthropic(&upstream), TO_CLAUDE);
    let mut connection = router.connect();
    for path in ["/", "/api/hello"] {
        assert_eq!(connection.request("HEAD", path, &[], "").status, 200);
    }
    let unknown = connection.request("GET", "/v1/nope", &[], "");
    assert_eq!((unknown.status, &unknown.json()["error"]["type"]), (404, &json!("not_found_error")));
    assert_eq!(connection.request("GET", "/v1/messages", &[], "").status, 405);
    let models = connection.request("GET", "/v1/models?limit=1000", &[], "").json();
    assert!(
        models["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|model| model["id"] == "claude-sonnet-4-5" && model["context_window"] == 200_000)
    );
    assert!(!models.to_string().contains("gpt-5"), "only what can be routed to is listed");
    assert_eq!(connection.request("GET", "/health", &[], "").json()["status"], "ok");
}

// --- decisions -----------------------------------------------------------------------------------------------------------

#[test]
fn x_debug_says_how_it_was_decided() {
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let router = Router::start(
        &anthropic(&upstream),
        "rule greeting { when prompt contains word \"hi\" route \"claude-haiku-4-5\" tag \"tiny\" }\ndefault { route \"claude-sonnet-4-5\" }",
    );
    let answer = router.connect().request("POST", "/v1/messages", &[("x-debug", "true")], &ask(true).to_string());
    assert_eq!(
        (answer.header("x-router-rule"), answer.header("x-router-model"), answer.header("x-router-provider")),
        (Some("greeting"), Some("claude-haiku-4-5"), Some("anthropic"))
    );
    let trace: Value = serde_json::from_str(answer.header("x-router-trace").unwrap()).unwrap();
    assert_eq!((&trace["rule"], &trace["tags"]), (&json!("greeting"), &json!(["tiny"])));
    assert!(upstream.the_request().header("x-debug").is_none());
    let plain = router.messages(&ask(true));
    assert!(plain.header("x-router-rule").is_none() && plain.header("x-router-request-id").is_some());
}

#[test]
fn rejections_and_budgets_answer_at_once() {
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let rules = "budget total = $0.000_1 per day hard\nrule no { when stream reject 403 \"no streams\" retry_after 90s }\ndefault { route \"claude-opus-4-1\" }";
    let router = Router::start(&anthropic(&upstream), rules);
    let rejected = router.messages(&ask(true));
    assert_eq!(
        (rejected.status, rejected.header("retry-after"), rejected.header("x-router-blame")),
        (403, Some("90"), Some("rules"))
    );
    assert_eq!(rejected.json()["error"], json!({"type": "permission_error", "message": "no streams"}));
    let refused = router.messages(&ask(false));
    assert_eq!(
        (refused.status, refused.header("x-should-retry"), &refused.json()["error"]["type"]),
        (402, Some("false"), &json!("billing_error"))
    );
    assert!(upstream.asked().is_empty());
}

#[test]
fn what_calls_cost_is_seen_by_rules() {
    let answer = json!({"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 1_000_000, "output_tokens": 100_000}});
    let upstream = Upstream::always(Reply::json(200, answer));
    let rules = "budget daily = $10 per day\nrule spent { when daily.used >= 45% reject 403 \"enough\" }\ndefault { route \"claude-sonnet-4-5\" }";
    let router = Router::start(&anthropic(&upstream), rules);
    assert_eq!(router.messages(&ask(false)).status, 200);
    // 1,000,000 at $3 and 100,000 at $15 a million are $4.50.
    assert_eq!(router.messages(&ask(false)).status, 403);
    let explained = router.post("/api/explain", &ask(false).to_string()).json();
    assert_eq!(explained["fields"]["daily.used"], 45.0);
}

#[test]
fn a_conversation_stays_on_the_model_that_answered_it() {
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let rules = "rule stay { when has session.model route same }\nrule opus { when prompt contains \"opus\" route \"claude-opus-4-1\" }\ndefault { route \"claude-sonnet-4-5\" }";
    let router = Router::start(&anthropic(&upstream), rules);
    let mut body = ask(true);
    body["messages"][0]["content"] = json!("opus please");
    let mut connection = router.connect();
    let session = [("x-claude-code-session-id", "s-1")];
    connection.request("POST", "/v1/messages", &session, &body.to_string());
    connection.request("POST", "/v1/messages", &session, &ask(true).to_string());
    connection.request("POST", "/v1/messages", &[("x-claude-code-session-id", "s-2")], &ask(true).to_string());
    let models: Vec<Value> = upstream.asked().iter().map(|asked| asked.json()["model"].clone()).collect();
    assert_eq!(models, [json!("claude-opus-4-1"), json!("claude-opus-4-1"), json!("claude-sonnet-4-5")]);
}

#[test]
fn count_tokens_is_asked_of_a_provider_that_counts_and_estimated_otherwise() {
    let counting = Upstream::always(Reply::json(200, json!({"input_tokens": 777})));
    let router = Router::start(&anthropic(&counting), TO_CLAUDE);
    let body = json!({"model": "claude-opus-4-1", "messages": [{"role": "user", "content": "foo"}], "tools": [{"name": "t", "input_schema": {"type": "object"}}]});
    assert_eq!(
        router.post("/v1/messages/count_tokens?beta=true", &body.to_string()).json(),
        json!({"input_tokens": 777})
    );
    let asked = counting.the_request();
    assert_eq!(
        (asked.path.as_str(), &asked.json()["model"]),
        ("/v1/messages/count_tokens?beta=true", &json!("claude-sonnet-4-5"))
    );
    let other = Upstream::always(Reply::Close);
    let answer = Router::start(&openai(&other), TO_GPT).post("/v1/messages/count_tokens", &body.to_string());
    assert!(answer.json()["input_tokens"].as_u64().unwrap() > 10);
    assert_eq!(answer.header("x-router-tokens"), Some("estimate"));
    assert!(other.asked().is_empty());
}

#[test]
fn without_any_key_the_answer_is_the_explanation() {
    let router = Router::start_in(Folder::new(), &[], &[]);
    let streamed = router.messages(&ask(true));
    assert!(
        streamed.text().starts_with("this request goes to claude-sonnet-4-5 (anthropic)\ndecided by the default"),
        "{}",
        streamed.text()
    );
    let whole = router
        .post("/v1/chat/completions", "{\"model\":\"gpt-5\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}")
        .json();
    assert!(whole["choices"][0]["message"]["content"].as_str().unwrap().contains("goes to gpt-5 (openai)"));
}

// --- time and connections ------------------------------------------------------------------------------------------------

#[test]
fn a_streamed_answer_on_a_kept_connection_does_not_stall() {
    let pieces: Vec<Vec<u8>> = std::iter::once(CLAUDE_STREAM.split_inclusive("\n\n").take(2).collect::<String>())
        .chain((0..32).map(|n| format!("event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{n} \"}}}}\n\n")))
        .chain(std::iter::once(CLAUDE_STREAM.split_inclusive("\n\n").skip(3).collect()))
        .map(String::into_bytes)
        .collect();
    let upstream = Upstream::always(Reply::Stream(pieces));
    let router = Router::start(&anthropic(&upstream), TO_CLAUDE);
    let mut connection = router.connect();
    let body = ask(true).to_string();
    let mut times: Vec<u128> = (0..9)
        .map(|_| {
            let answer = connection.request("POST", "/v1/messages", &[], &body);
            assert_eq!(answer.events().len(), 38);
            let (first, last) = (answer.pieces.first().unwrap().0, answer.pieces.last().unwrap().0);
            (last - first).as_millis()
        })
        .collect();
    times.sort_unstable();
    // Nagle's algorithm against delayed acknowledgements costs 40 ms in every stream; the median says whether it is there.
    assert!(times[4] < 35, "first to last event took {times:?} ms");
}

#[test]
fn a_client_that_hangs_up_ends_the_upstream_call() {
    for begun in [Vec::new(), vec![CLAUDE_STREAM.split_inclusive("\n\n").next().unwrap().as_bytes().to_vec()]] {
        let has_begun = !begun.is_empty();
        let upstream = Upstream::always(Reply::Hang(begun));
        let router = Router::start(&anthropic(&upstream), TO_CLAUDE);
        let mut connection = router.connect();
        connection.send("POST", "/v1/messages", &[], &ask(true).to_string());
        if has_begun {
            assert!(connection.first_piece().contains("message_start"));
        } else {
            while upstream.asked().is_empty() {
                std::thread::yield_now();
            }
        }
        drop(connection);
        upstream.wait_until_given_up();
    }
}

#[test]
fn a_stop_lets_what_is_under_way_end() {
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let upstream = Upstream::new(move |_| {
        let _ = gate.lock().unwrap().recv_timeout(std::time::Duration::from_secs(20));
        Reply::stream(CLAUDE_STREAM)
    });
    let mut router = Router::start(&anthropic(&upstream), TO_CLAUDE);
    let mut connection = router.connect();
    let port = router.port;
    connection.send("POST", "/v1/messages", &[], &ask(true).to_string());
    // Another connection is answered: the first one is surely being read by now or was before.
    router.connect().request("GET", "/health", &[], "");
    router.ask_to_stop();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
        std::thread::yield_now();
    }
    open.send(()).unwrap();
    assert_eq!(connection.answer(true).body, CLAUDE_STREAM);
    drop(connection);
    assert!(router.wait(), "it ends well");
}

#[test]
fn changed_rules_serve_from_the_next_request_and_wrong_ones_do_not() {
    let upstream = Upstream::always(Reply::stream(CLAUDE_STREAM));
    let router = Router::start(&anthropic(&upstream), TO_CLAUDE);
    let rule = |router: &Router| {
        router.post("/api/explain", &ask(true).to_string()).json()["rule"].as_str().unwrap().to_owned()
    };
    assert_eq!(rule(&router), "default");
    router.folder.file("my.route", "rule hello { when prompt contains \"hi\" route \"claude-haiku-4-5\" }\ndefault { route \"claude-sonnet-4-5\" }");
    while rule(&router) != "hello" {
        std::thread::yield_now();
    }
    router.folder.file("my.route", "rule hello { when nonsense route }");
    // The old rules go on; then right ones are taken in again.
    assert_eq!(rule(&router), "hello");
    router.folder.file("my.route", "rule bye { when prompt contains \"hi\" route \"claude-haiku-4-5\" }\ndefault { route \"claude-sonnet-4-5\" }\n");
    while rule(&router) != "bye" {
        std::thread::yield_now();
    }
}

#[test]
fn secrets_are_never_shown() {
    let configuration = json!({"anthropic": {"apiKey": "${MY_KEY}", "baseUrl": "http://127.0.0.1:9"}}).to_string();
    let folder = Folder::new();
    folder.file("router.json", &configuration);
    folder.file("my.route", TO_CLAUDE);
    let router =
        Router::start_in(folder, &["--rules", "my.route", "--log-level", "trace"], &[("MY_KEY", "sk-very-secret")]);
    let headers = [("x-api-key", "client-secret"), ("x-debug", "true")];
    let answer = router.connect().request("POST", "/v1/messages", &headers, &ask(true).to_string());
    let log = router.stop();
    for text in [format!("{answer:?}"), log] {
        assert!(!text.contains("sk-very-secret") && !text.contains("client-secret"), "{text}");
    }
}

#[test]
fn a_provider_that_says_no_usage_still_costs_what_was_set_aside() {
    let stream = [chunk(json!({"content": "x"}), Some("stop")), "data: [DONE]\n\n".to_owned()].concat();
    let upstream = Upstream::always(Reply::stream(&stream));
    let rules = "budget daily = $1 per day\nrule spent { when daily.spent > $0 reject 403 \"spent\" }\ndefault { route \"openai/gpt-4o\" }";
    let router = Router::start(&openai(&upstream), rules);
    let ask = "{\"model\":\"gpt-4o\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
    assert_eq!(router.post("/v1/chat/completions", ask).status, 200);
    assert_eq!(router.post("/v1/chat/completions", ask).status, 403);
}

#[test]
fn a_hard_budget_refuses_what_does_not_fit() {
    let answer = json!({"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 66_000}});
    let upstream = Upstream::always(Reply::json(200, answer));
    // Each call is expected to cost a little over 1.5 cents and costs 99; the first three use all of it.
    let router = Router::start(
        &anthropic(&upstream),
        "budget total = $2.97 per day hard\ndefault { route \"claude-sonnet-4-5\" }",
    );
    let body = ask(false).to_string();
    let statuses: Vec<u16> = (0..4).map(|_| router.post("/v1/messages", &body).status).collect();
    assert_eq!(statuses, [200, 200, 200, 402]);
}

#[test]
fn a_model_that_nobody_knows_is_passed_over_with_its_name() {
    let folder = Folder::new();
    folder.file("my.route", "default { route \"gtp-5\" else \"echo\" }");
    let router = Router::start_in(folder, &["--rules", "my.route"], &[("OPENAI_API_KEY", "k")]);
    let answer = router.messages(&ask(false)).json();
    let text = answer["content"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("this request goes to echo (echo)")
            && text.contains("gtp-5: no provider has a model of this name (unknown)"),
        "{text}"
    );
}
