//! The built binary against a local server for each kind of provider: addresses, keys, streams, errors, and conversations
//! that go on after a restart.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::router::{Folder, Router};
use crate::support::upstream::{Asked, Reply, Upstream};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/wire");

fn case(name: &str) -> String {
    std::fs::read_to_string(Path::new(CASES).join(name)).unwrap()
}

/// A recorded stream as a server of its kind sends it: NDJSON has another media type than events.
fn recorded(name: &str) -> Reply {
    if name.ends_with(".ndjson") {
        return Reply::Whole {
            status: 200,
            headers: vec![("content-type", "application/x-ndjson".to_owned())],
            body: case(name),
        };
    }
    Reply::stream(&case(name))
}

fn ask(stream: bool) -> Value {
    json!({"model": "x", "max_tokens": 100, "stream": stream, "messages": [{"role": "user", "content": "say hi"}]})
}

fn provider(upstream: &Upstream, kind: &str, path: &str, more: Value) -> Value {
    let mut entry = json!({"kind": kind, "baseUrl": format!("{}{path}", upstream.url()), "apiKey": "sk-own", "models": {"own": {"contextWindow": 90_000, "supports": ["tools", "images", "thinking", "documents"]}}});
    for (name, value) in more.as_object().unwrap() {
        entry[name] = value.clone();
    }
    json!({"providers": {"mine": entry}})
}

const TO_OWN: &str = "default { route \"mine/own\" }";

fn serve(kind: &str, path: &str, more: Value, reply: Reply) -> (Upstream, Router) {
    let upstream = Upstream::always(reply);
    let router = Router::start(&provider(&upstream, kind, path, more).to_string(), TO_OWN);
    (upstream, router)
}

/// What a kind of provider is asked: path and key.
fn address(asked: &Asked) -> (String, String) {
    let keys = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];
    let key = keys.iter().find_map(|name| Some(format!("{name}: {}", asked.header(name)?)));
    (asked.path.clone(), key.unwrap_or_default())
}

#[test]
fn trap_17_68_each_kind_is_called_once_at_its_address_with_its_key() {
    let bearer = "authorization: Bearer sk-own";
    let generate = json!({"models": {"own": {"contextWindow": 9_000, "endpoint": "/api/generate"}}});
    let version = json!({"apiVersion": "2025-01-01"});
    for (kind, base, more, recorded_as, path, key) in [
        ("anthropic", "/v1", json!({}), "messages/text.sse", "/v1/messages", "x-api-key: sk-own"),
        ("openai", "/v1", json!({}), "completions/text.sse", "/v1/chat/completions", bearer),
        ("openai-responses", "/v1", json!({}), "responses/text.sse", "/v1/responses", bearer),
        (
            "gemini",
            "/v1beta",
            json!({}),
            "gemini/text.sse",
            "/v1beta/models/own:streamGenerateContent?alt=sse",
            "x-goog-api-key: sk-own",
        ),
        ("ollama", "", json!({}), "ollama/text.ndjson", "/api/chat", bearer),
        ("ollama", "/v1/", json!({}), "ollama/text.ndjson", "/api/chat", bearer),
        ("ollama", "", generate, "generate/text.ndjson", "/api/generate", bearer),
        ("openrouter", "/api/v1", json!({}), "completions/text.sse", "/api/v1/chat/completions", bearer),
        (
            "azure-openai",
            "/openai/v1",
            json!({}),
            "completions/text.sse",
            "/openai/v1/chat/completions",
            "api-key: sk-own",
        ),
        (
            "azure-openai",
            "",
            version,
            "completions/text.sse",
            "/openai/deployments/own/chat/completions?api-version=2025-01-01",
            "api-key: sk-own",
        ),
        ("openai-compatible", "/v1", json!({}), "completions/text.sse", "/v1/chat/completions", bearer),
    ] {
        let (upstream, router) = serve(kind, base, more, recorded(recorded_as));
        let answer = router.messages(&ask(true));
        assert_eq!((answer.status, answer.text().as_str()), (200, "Hello"), "{kind} {answer:?}");
        assert_eq!(answer.events().last().unwrap().0, "message_stop");
        assert_eq!(address(&upstream.the_request()), (path.to_owned(), key.to_owned()), "{kind}");
    }
}

#[test]
fn each_client_reaches_each_kind_streamed_and_whole() {
    for (kind, base, folder, extension) in [
        ("anthropic", "", "messages", "sse"),
        ("openai", "/v1", "completions", "sse"),
        ("openai-responses", "/v1", "responses", "sse"),
        ("gemini", "/v1beta", "gemini", "sse"),
        ("ollama", "", "ollama", "ndjson"),
        ("openrouter", "/v1", "completions", "sse"),
        ("azure-openai", "/openai/v1", "completions", "sse"),
    ] {
        let reply = move |asked: &Asked| {
            let streams = asked.path.contains("stream") || asked.json()["stream"] == true;
            if streams {
                recorded(&format!("{folder}/text.{extension}"))
            } else {
                Reply::json(200, serde_json::from_str(&case(&format!("{folder}/text.json"))).unwrap())
            }
        };
        let upstream = Upstream::new(reply);
        let router = Router::start(&provider(&upstream, kind, base, json!({})).to_string(), TO_OWN);
        for stream in [false, true] {
            let said = json!([{"role": "user", "content": "hi"}]);
            let messages = router.post(
                "/v1/messages",
                &json!({"model": "x", "max_tokens": 9, "stream": stream, "messages": said}).to_string(),
            );
            let chat = router
                .post("/v1/chat/completions", &json!({"model": "x", "stream": stream, "messages": said}).to_string());
            let responses =
                router.post("/v1/responses", &json!({"model": "x", "stream": stream, "input": "hi"}).to_string());
            if stream {
                assert_eq!((messages.text().as_str(), chat.text().as_str()), ("Hello", "Hello"), "{kind}");
                let last = responses.events().pop().unwrap();
                assert_eq!(last.0, "response.completed", "{kind} {responses:?}");
                assert_eq!(
                    responses.events().iter().filter_map(|(_, data)| data["delta"].as_str()).collect::<String>(),
                    "Hello"
                );
            } else {
                assert_eq!(messages.json()["content"][0]["text"], "Hello", "{kind}");
                assert_eq!(chat.json()["choices"][0]["message"]["content"], "Hello", "{kind}");
                assert_eq!(responses.json()["output"][0]["content"][0]["text"], "Hello", "{kind}");
                assert_eq!(messages.json()["usage"]["input_tokens"], 7);
                assert_eq!(chat.json()["usage"]["total_tokens"], 9);
                assert_eq!(responses.json()["usage"]["total_tokens"], 9);
            }
        }
    }
}

#[test]
fn trap_44_an_id_that_the_router_makes_is_none_that_a_client_refers_to() {
    let (_upstream, router) = serve("openai-compatible", "/v1", json!({}), recorded("completions/text.sse"));
    let streamed = router.messages(&ask(true)).events()[0].1["message"]["id"].clone();
    let whole = router.messages(&ask(false)).json()["id"].clone();
    for id in [streamed, whole] {
        assert!(id.as_str().unwrap().starts_with("rtr_"), "{id}");
    }
}

#[test]
fn trap_34_a_conversation_with_gemini_goes_on_after_a_restart() {
    let (upstream, router) = serve("gemini", "/v1beta", json!({}), recorded("gemini/thinking_and_calls.sse"));
    let answer = router.messages(&ask(true));
    let mut content: Vec<Value> = Vec::new();
    for (name, data) in answer.events() {
        match name.as_str() {
            "content_block_start" => content.push(data["content_block"].clone()),
            "content_block_delta" => {
                let (block, delta) = (content.last_mut().unwrap(), &data["delta"]);
                let join = |block: &mut Value, name: &str, more: &Value| {
                    block[name] =
                        format!("{}{}", block[name].as_str().unwrap_or_default(), more.as_str().unwrap()).into();
                };
                match delta["type"].as_str().unwrap() {
                    "text_delta" => join(block, "text", &delta["text"]),
                    "thinking_delta" => join(block, "thinking", &delta["thinking"]),
                    "signature_delta" => block["signature"] = delta["signature"].clone(),
                    _ => block["input"] = serde_json::from_str(delta["partial_json"].as_str().unwrap()).unwrap(),
                }
            }
            _ => {}
        }
    }
    let results: Vec<Value> = content
        .iter()
        .filter(|block| block["type"] == "tool_use")
        .map(|block| json!({"type": "tool_result", "tool_use_id": block["id"], "content": "ok"}))
        .collect();
    assert_eq!(results.len(), 3);
    drop(router);
    let next = json!({"model": "x", "max_tokens": 9, "messages": [{"role": "user", "content": "say hi"}, {"role": "assistant", "content": content}, {"role": "user", "content": results}]});
    let router = Router::start(&provider(&upstream, "gemini", "/v1beta", json!({})).to_string(), TO_OWN);
    router.messages(&next);
    let sent = upstream.asked().pop().unwrap().json();
    let model = &sent["contents"][1]["parts"];
    assert_eq!(
        (&model[1]["functionCall"]["name"], &model[1]["thoughtSignature"]),
        (&json!("Read"), &json!("c2lnbmF0dXJl"))
    );
    assert_eq!(sent["contents"][2]["parts"].as_array().unwrap().len(), 3);
    assert!(!sent.to_string().contains("router-"), "{sent}");
}

#[test]
fn trap_53_one_retry_without_what_was_refused_is_remembered() {
    let upstream = Upstream::new(|asked: &Asked| {
        if asked.json()["reasoning_effort"].is_null() {
            Reply::json(200, serde_json::from_str(&case("completions/text.json")).unwrap())
        } else {
            Reply::json(
                400,
                json!({"error": {"message": "Unsupported parameter: 'reasoning_effort' is not supported with this model.", "type": "invalid_request_error", "param": "reasoning_effort"}}),
            )
        }
    });
    let router = Router::start(&provider(&upstream, "openai", "/v1", json!({})).to_string(), TO_OWN);
    let body =
        json!({"model": "x", "reasoning_effort": "low", "x": 1.0, "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(router.post("/v1/chat/completions", &body.to_string()).status, 200);
    assert_eq!(upstream.asked().len(), 2);
    assert_eq!(router.post("/v1/chat/completions", &body.to_string()).status, 200);
    assert_eq!(upstream.asked().len(), 3, "the next request does without it at once");
    assert!(upstream.asked()[2].body.contains("\"x\":1.0"), "and is otherwise as it was");
    // A provider that refuses on and on is asked twice, and its own words come back.
    let stubborn = Upstream::always(Reply::json(
        400,
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": "context_management: Extra inputs are not permitted"}}),
    ));
    let router = Router::start(&provider(&stubborn, "anthropic", "", json!({})).to_string(), TO_OWN);
    let mut body = ask(false);
    body["context_management"] = json!({"edits": []});
    let answer = router.connect().request(
        "POST",
        "/v1/messages",
        &[("anthropic-beta", "context-management-2025-06-27,x-1")],
        &body.to_string(),
    );
    assert_eq!((answer.status, stubborn.asked().len()), (400, 2));
    assert_eq!(answer.json()["error"]["message"], "context_management: Extra inputs are not permitted");
    let again = &stubborn.asked()[1];
    assert_eq!(
        (again.header("anthropic-beta"), &again.json()["context_management"]),
        (Some("x-1"), &Value::Null),
        "header and body together"
    );
}

#[test]
fn trap_60_a_packed_body_is_read() {
    let (upstream, router) = serve("openai-compatible", "/v1", json!({}), recorded("completions/text.sse"));
    let body = ask(true).to_string();
    let mut packed = flate2_gzip(body.as_bytes());
    let send = |packed: &[u8], encoding: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", router.port)).unwrap();
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            packed.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(packed).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        text
    };
    assert!(send(&packed, "gzip").contains("message_stop"));
    assert_eq!(upstream.the_request().json()["messages"], json!([{"role": "user", "content": "say hi"}]));
    packed.truncate(packed.len() / 2);
    assert!(send(&packed, "gzip").starts_with("HTTP/1.1 400"));
    assert!(send(b"x", "br").starts_with("HTTP/1.1 400"));
    assert!(send(b"x", "compress").starts_with("HTTP/1.1 415"));
}

/// A gzip file of one stored block: no library is needed to write one.
fn flate2_gzip(data: &[u8]) -> Vec<u8> {
    let mut made = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    let length = u16::try_from(data.len()).unwrap();
    made.extend(length.to_le_bytes());
    made.extend((!length).to_le_bytes());
    made.extend(data);
    let crc = !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    });
    made.extend(crc.to_le_bytes());
    made.extend(u32::from(length).to_le_bytes());
    made
}

#[test]
fn strict_refuses_what_would_be_lost_and_takes_the_next_target() {
    let strict = Upstream::always(Reply::json(200, serde_json::from_str(&case("completions/text.json")).unwrap()));
    let mut body = ask(false);
    body["top_k"] = json!(5);
    let configuration = provider(&strict, "openai-compatible", "/v1", json!({"strict": true}));
    let router = Router::start(&configuration.to_string(), TO_OWN);
    assert_eq!(router.messages(&ask(false)).status, 200, "what loses nothing is served");
    let answer = router.messages(&body);
    assert_eq!((answer.status, strict.asked().len()), (400, 1));
    assert_eq!(answer.json()["error"]["message"], "strict: on its way to mine/own, top_k is not sent");
    let claude = Upstream::always(Reply::json(200, serde_json::from_str(&case("messages/text.json")).unwrap()));
    let mut configuration = configuration;
    configuration["anthropic"] = json!({"apiKey": "k", "baseUrl": claude.url()});
    let router = Router::start(&configuration.to_string(), "default { route \"mine/own\" else \"claude-sonnet-4-5\" }");
    assert_eq!((router.messages(&body).status, claude.asked().len()), (200, 1));
}

#[test]
fn what_was_lost_stands_in_the_trace() {
    let (_upstream, router) = serve(
        "openai-compatible",
        "/v1",
        json!({}),
        Reply::json(200, serde_json::from_str(&case("completions/text.json")).unwrap()),
    );
    let mut body = ask(false);
    body["top_k"] = json!(5);
    let answer = router.connect().request("POST", "/v1/messages", &[("x-debug", "true")], &body.to_string());
    let trace: Value = serde_json::from_str(answer.header("x-router-trace").unwrap()).unwrap();
    assert_eq!(trace["warnings"], json!(["top_k is not sent"]));
}

#[test]
fn trap_22_62_an_error_before_the_stream_keeps_its_status() {
    for (kind, base, reply, status, message) in [
        (
            "gemini",
            "/v1beta",
            Reply::json(
                429,
                json!([{"error": {"code": 429, "message": "Quota.", "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "7s"}]}}]),
            ),
            429,
            "mine answered 429: Quota.",
        ),
        (
            "ollama",
            "",
            Reply::json(404, json!({"error": "model 'own' not found"})),
            404,
            "mine answered 404: model 'own' not found",
        ),
        (
            "openrouter",
            "/v1",
            Reply::json(402, json!({"error": {"code": 402, "message": "Insufficient credits"}})),
            402,
            "mine answered 402: Insufficient credits",
        ),
        (
            "openai-responses",
            "/v1",
            Reply::stream(&case("responses/rate_limit_in_its_middle.sse")),
            429,
            "mine: Rate limit reached.",
        ),
    ] {
        let (_upstream, router) = serve(kind, base, json!({}), reply);
        let answer = router.messages(&ask(true));
        assert_eq!((answer.status, answer.json()["error"]["message"].as_str()), (status, Some(message)), "{kind}");
        assert_eq!(answer.header("retry-after"), (kind == "gemini").then_some("7"));
    }
}

#[test]
fn trap_61_what_is_too_long_in_a_stream_is_said_as_the_client_knows_it() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    let error = "data: {\"error\":{\"message\":\"This model's maximum context length is 100 tokens. However, your messages resulted in 200 tokens.\",\"code\":400}}\n\n";
    let (_upstream, router) = serve(
        "openai-compatible",
        "/v1",
        json!({}),
        Reply::Stream(vec![text.as_bytes().to_vec(), error.as_bytes().to_vec()]),
    );
    let events = router.messages(&ask(true)).events();
    let (name, data) = events.last().unwrap();
    assert_eq!(
        (name.as_str(), &data["error"]),
        ("error", &json!({"type": "invalid_request_error", "message": "prompt is too long: 200 tokens > 100 maximum"}))
    );
}

#[test]
fn ollama_is_told_how_large_a_window_it_needs() {
    let (upstream, router) = serve(
        "ollama",
        "",
        json!({"models": {"own": {"contextWindow": 40_000, "supports": ["tools"]}}}),
        Reply::json(200, serde_json::from_str(&case("ollama/text.json")).unwrap()),
    );
    router.messages(&ask(false));
    let mut long = ask(false);
    long["messages"][0]["content"] = "word ".repeat(20_000).into();
    router.messages(&long);
    let windows: Vec<Value> = upstream.asked().iter().map(|asked| asked.json()["options"]["num_ctx"].clone()).collect();
    assert_eq!(windows, [json!(16_384), json!(40_000)], "a power of two, and never more than the model holds");
    assert!(upstream.asked()[0].json()["think"].is_null(), "a model that does not think is not told to");
}

#[test]
fn a_responses_client_is_served_in_its_own_words() {
    let call = "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"function\":{\"name\":\"apply_patch\",\"arguments\":\"{\\\"input\\\":\\\"*** Begin\\\"}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
    let (upstream, router) = serve("openai-compatible", "/v1", json!({}), Reply::stream(call));
    let body: Value = serde_json::from_str(&case("requests/codex.responses.json")).unwrap();
    let events = router.post("/v1/responses", &body.to_string()).events();
    let done = &events.last().unwrap().1["response"];
    assert_eq!(
        (&done["output"][0]["type"], &done["output"][0]["input"]),
        (&json!("custom_tool_call"), &json!("*** Begin")),
        "a tool that takes a text is given one"
    );
    let sent = upstream.the_request().json();
    assert_eq!(sent["tools"][1]["function"]["parameters"]["required"], json!(["input"]));
    // What only its provider remembers cannot be asked of another.
    let answer = router
        .post("/v1/responses", &json!({"model": "x", "input": "go on", "previous_response_id": "resp_1"}).to_string());
    assert_eq!(answer.status, 400);
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("previous_response_id"), "{answer:?}");
    // At OpenAI's own Responses its bytes go through.
    let (upstream, router) = serve("openai-responses", "/v1", json!({}), Reply::stream(&case("responses/text.sse")));
    let body = "{\"model\":\"own\",\"stream\":true,\"previous_response_id\":\"resp_1\",\"x\":1.0,\"input\":[{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"router-gemini-x\"},{\"role\":\"user\",\"content\":\"hi\"}]}";
    let answer = router.post("/v1/responses", body);
    assert_eq!(answer.body, case("responses/text.sse"));
    assert_eq!(
        upstream.the_request().body,
        body.replace("{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"router-gemini-x\"},", ""),
        "but for what another maker reasoned"
    );
}

#[test]
fn trap_66_69_models_are_listed_at_once_and_large_windows_by_name() {
    let folder = Folder::new();
    folder.file("my.route", "default { route \"gemini-2.5-pro\" }");
    let router = Router::start_in(folder, &["--rules", "my.route"], &[("GEMINI_API_KEY", "k")]);
    let answer = router.connect().request(
        "GET",
        "/v1/models?limit=1000",
        &[("x-api-key", "a"), ("authorization", "Bearer a")],
        "",
    );
    let ids: Vec<Value> = answer.json()["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert!(ids.contains(&json!("gemini-2.5-pro")) && ids.contains(&json!("gemini-2.5-pro[1m]")), "{ids:?}");
    assert!(!ids.iter().any(|id| id.as_str().unwrap().contains("claude")), "what nobody could serve is not listed");
    assert!(answer.json()["data"][0]["description"].is_string());
    assert_eq!(router.connect().request("HEAD", "/api/hello", &[], "").status, 200);
}

#[test]
fn trap_30_counting_takes_the_system_prompt_and_the_tools_too() {
    let (_upstream, router) = serve("openai-compatible", "/v1", json!({}), Reply::Close);
    let count = |more: Value| {
        let mut body = json!({"model": "x", "messages": [{"role": "user", "content": "x"}]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = router.post("/v1/messages/count_tokens", &body.to_string());
        assert_eq!(answer.header("x-router-tokens"), Some("estimate"));
        answer.json()["input_tokens"].as_u64().unwrap()
    };
    let words = "word ".repeat(500);
    let (plain, system, tools) = (
        count(json!({})),
        count(json!({"system": words})),
        count(json!({"tools": [{"name": "Run", "description": words, "input_schema": {"type": "object"}}]})),
    );
    assert!(system > plain + 500 && tools > plain + 500, "{plain} {system} {tools}");
}

#[test]
fn the_catalogue_and_the_configuration_hold_what_the_schema_says() {
    let text = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config").join(name)).unwrap()
    };
    let schema: Value = serde_json::from_str(&text("models.schema.json")).unwrap();
    let known = schema["$defs"]["model"]["properties"].as_object().unwrap();
    let models: Value = serde_json::from_str(&text("models.json")).unwrap();
    for model in models["models"].as_array().unwrap() {
        for (name, value) in model.as_object().unwrap() {
            let member = &known[name];
            let allowed = member["items"]["enum"].as_array().or(member["enum"].as_array());
            let values: Vec<&Value> = value.as_array().map_or_else(|| vec![value], |values| values.iter().collect());
            assert!(
                allowed.is_none_or(|allowed| values.iter().all(|value| allowed.contains(value))),
                "{name} of {model}"
            );
        }
    }
    let parameters: Vec<&str> = claude_router::wire::wanted::PARAMETERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(known["refuses"]["items"]["enum"], json!(parameters));
    // And the configuration takes each of them.
    let mut model: Value = known
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "provider" | "name"))
        .map(|(name, member)| (name.clone(), member["examples"][0].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    model["endpoint"] = json!("/v1/chat/completions");
    let upstream = Upstream::always(Reply::json(200, serde_json::from_str(&case("completions/text.json")).unwrap()));
    let configuration =
        json!({"providers": {"mine": {"baseUrl": format!("{}/v1", upstream.url()), "models": {"own": model}}}});
    let router = Router::start(&configuration.to_string(), TO_OWN);
    let mut body = ask(false);
    assert_eq!(router.messages(&body).status, 200);
    assert_eq!(upstream.the_request().json()["temperature"], Value::Null, "it refuses what it would get by default");
    let configuration = json!({"providers": {"mine": {"baseUrl": format!("{}/v1", upstream.url()), "models": {"own": {"contextWindow": 9000, "temperature": 0.7}}}}});
    let router = Router::start(&configuration.to_string(), TO_OWN);
    router.messages(&body);
    body["temperature"] = json!(0.2);
    router.messages(&body);
    router.post("/v1/chat/completions", "{\"model\":\"own\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    let sent: Vec<Value> = upstream.asked()[1..].iter().map(|asked| asked.json()["temperature"].clone()).collect();
    assert_eq!(sent, [json!(0.7), json!(0.2), json!(0.7)]);
}
