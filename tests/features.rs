//! Features of real bodies.

use claude_router::features::tokens::Counter;
use claude_router::features::{Call, Request};
use claude_router::lang::catalogue::{Tokenizer, Vocabulary};
use claude_router::lang::input::{Feature, Features, NUMBER};
use claude_router::wire::Client;
use claude_router::wire::request::decode;
use serde_json::{Value, json};

const EXACT: Tokenizer = Tokenizer { vocabulary: Vocabulary::O200k, factor_percent: 100 };

fn with<T>(client: Client, body: &Value, headers: &[(&str, &str)], take: impl FnOnce(&Request<'_>) -> T) -> T {
    let body = body.to_string().into_bytes();
    let chat = decode(client, &body).unwrap_or_else(|error| panic!("{}", error.0));
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let call = Call { chat: &chat, body: &body, headers: &headers, key: None, tokenizer: EXACT };
    let counter = Counter::default();
    take(&Request::new(&call, &counter))
}

fn messages(messages: Value) -> Value {
    json!({"model": "m", "max_tokens": 9, "messages": messages})
}

fn text(body: &Value, feature: Feature) -> String {
    with(Client::Messages, body, &[], |request| request.text(feature, None).unwrap_or_default().into_owned())
}

fn number(body: &Value, feature: Feature) -> i64 {
    with(Client::Messages, body, &[], |request| request.ordinal(feature, &[]).map_or(-1, |bounds| bounds.low / NUMBER))
}

fn set(body: &Value, feature: Feature) -> Vec<String> {
    with(Client::Messages, body, &[], |request| request.set(feature).into_owned())
}

#[test]
fn the_prompt_is_what_a_person_wrote_last() {
    let body = messages(json!([
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": [{"type": "text", "text": "<system-reminder>\nnot this\n</system-reminder>"}, {"type": "text", "text": "  second <b>bold</b>"}, {"type": "text", "text": "<command-name>/x</command-name>line"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "result"}, {"type": "text", "text": "<system-reminder>x</system-reminder>"}]},
        {"role": "system", "content": "a system message"},
    ]));
    assert_eq!(text(&body, Feature::Prompt), "second <b>bold</b>\nline");
    assert_eq!(number(&body, Feature::Turns), 2);
    assert_eq!(number(&body, Feature::Messages), 6);
    let conversation = text(&body, Feature::Conversation);
    assert!(
        conversation.starts_with("first\nok\n")
            && conversation.contains("\nresult\n")
            && conversation.ends_with("a system message")
    );
    assert_eq!(text(&messages(json!([])), Feature::Prompt), "");
    assert_eq!(
        text(&messages(json!([{"role": "user", "content": "<system-reminder> never closed"}])), Feature::Prompt),
        "<system-reminder> never closed"
    );
}

#[test]
fn files_are_named_attached_and_touched() {
    let body = messages(json!([
        {"role": "user", "content": "old.py was before"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "0", "name": "Read", "input": {"file_path": "/before.rs"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "0", "content": "in_result.py"}]},
        {"role": "user", "content": [{"type": "text", "text": "fix `src/a b.rs` and \"lib/x.ts\", see ./docs/y.md:12, Makefile, (app.py) and @web/z.css; Node.js, e.g. and/or v1.2 https://x.io/a.py example.com/x 3.5 24/7 a/b me@x.py"}, {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "spec.pdf"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "Edit", "input": {"file_path": "after.go", "old_string": "not_this.go"}}, {"type": "tool_use", "id": "2", "name": "M", "input": {"paths": ["p1.c", "p2.c"]}}]},
    ]));
    assert_eq!(
        set(&body, Feature::Files),
        ["b.rs", "lib/x.ts", "docs/y.md", "Makefile", "app.py", "web/z.css", "spec.pdf", "after.go", "p1.c", "p2.c"]
            .map(|path| if path == "b.rs" { "b.rs".to_owned() } else { path.to_owned() })
            .iter()
            .fold(vec!["src/a".to_owned()], |mut all, path| {
                all.push(path.clone());
                all
            })
    );
    let all = set(&body, Feature::FilesAll);
    assert!(
        all.contains(&"old.py".to_owned())
            && all.contains(&"/before.rs".to_owned())
            && !all.contains(&"in_result.py".to_owned())
    );
}

#[test]
fn images_and_documents_are_counted_inside_of_results_too() {
    let image =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A".repeat(100_000)}});
    let body = messages(
        json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [image, {"type": "text", "text": "x"}]}, image, {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}]}]),
    );
    assert_eq!((number(&body, Feature::Images), number(&body, Feature::Documents)), (2, 1));
    assert!(number(&body, Feature::Tokens) < 10_000, "base64 never counts as text");
}

#[test]
fn thinking_counts_and_every_answer_about_tokens_agrees() {
    let plain = messages(json!([{"role": "assistant", "content": [{"type": "text", "text": "x"}]}]));
    let thinking = messages(
        json!([{"role": "assistant", "content": [{"type": "thinking", "thinking": "word ".repeat(100), "signature": "s".repeat(5_000)}, {"type": "text", "text": "x"}]}]),
    );
    let more = number(&thinking, Feature::Tokens) - number(&plain, Feature::Tokens);
    assert!((100..=110).contains(&more), "{more}");
    let body = json!({"model": "m", "system": "You are it.", "tools": [{"name": "t", "input_schema": {"type": "object"}}], "messages": [{"role": "user", "content": "Hello world, this is 12345678 don't\nfn main() {}"}, {"role": "assistant", "content": "Grüße 日本"}]});
    with(Client::Messages, &body, &[], |request| {
        let exact = |feature| request.ordinal(feature, &[]).unwrap();
        let parts: i64 = [Feature::PromptTokens, Feature::SystemTokens, Feature::ToolsTokens, Feature::HistoryTokens]
            .iter()
            .map(|feature| exact(*feature).low)
            .sum();
        assert_eq!(parts, exact(Feature::Tokens).low, "the parts are the whole");
        for threshold in 0..200 {
            let bounds = request.ordinal(Feature::Tokens, &[threshold * NUMBER]).unwrap();
            let value = exact(Feature::Tokens).low;
            assert!(bounds.low <= value && value <= bounds.high, "{bounds:?} does not hold {value}");
            assert_eq!(
                bounds.low >= threshold * NUMBER,
                bounds.high >= threshold * NUMBER,
                "{threshold} is not settled"
            );
        }
    });
}

#[test]
fn both_apis_read_alike() {
    let chat = json!({"model": "gpt-5", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "look at a.py"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}, {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "r", "arguments": "{\"path\":\"b.rs\"}"}}]}, {"role": "tool", "tool_call_id": "1", "content": "done"}], "tools": [{"type": "function", "function": {"name": "r"}}], "reasoning_effort": "high", "max_completion_tokens": 5, "user": "ann"});
    with(Client::Completions, &chat, &[("user-agent", "OpenAI/Python 3.54.0")], |request| {
        assert_eq!(request.text(Feature::Prompt, None).unwrap(), "look at a.py");
        assert_eq!(request.text(Feature::System, None).unwrap(), "s");
        assert_eq!(request.text(Feature::Client, None).unwrap(), "openai-python");
        assert_eq!(request.text(Feature::User, None).unwrap(), "ann");
        assert_eq!(*request.set(Feature::Files), ["a.py", "b.rs"]);
        assert_eq!(*request.set(Feature::Tools), ["r"]);
        assert_eq!(request.ordinal(Feature::Images, &[]).unwrap().low, NUMBER);
        assert_eq!(request.ordinal(Feature::Effort, &[]).unwrap().low, 4);
        assert_eq!(request.ordinal(Feature::MaxTokens, &[]).unwrap().low, 5 * NUMBER);
        assert_eq!(request.ordinal(Feature::Api, &[]).unwrap().low, 1);
    });
}

/// The shapes of real requests of Claude Code: what each must be taken for.
#[test]
fn the_parts_of_claude_code_are_told_apart() {
    let shapes: Vec<Value> = serde_json::from_str(include_str!("cases/claude_code_shapes.json")).unwrap();
    assert!(shapes.len() > 20);
    for shape in &shapes {
        let systems = shape["system_block_chars"].as_array().cloned().unwrap_or_default();
        let first = if systems.len() > 2 {
            "x-anthropic-billing-header: cc_version=2.1;"
        } else {
            "You are Claude Code, Anthropic's official CLI for Claude."
        };
        let attributed =
            if shape["is_subagent"] == true { format!("{first} cc_is_subagent=true;") } else { first.to_owned() };
        let mut system: Vec<Value> = systems
            .iter()
            .map(|size| json!({"type": "text", "text": "s".repeat(usize::try_from(size.as_u64().unwrap()).unwrap())}))
            .collect();
        if let Some(block) = system.first_mut() {
            *block = json!({"type": "text", "text": attributed});
        }
        let tools: Vec<Value> = shape["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| {
                if name == "web_search" {
                    json!({"type": "web_search_20250305", "name": name})
                } else {
                    json!({"name": name, "input_schema": {"type": "object"}})
                }
            })
            .collect();
        let roles = shape["message_roles"].as_array().unwrap().iter();
        let messages: Vec<Value> =
            roles.map(|role| json!({"role": role, "content": [{"type": "text", "text": "words"}]})).collect();
        let body = json!({"model": shape["model"], "max_tokens": shape["max_tokens"], "system": system, "tools": tools, "messages": messages, "stream": shape["stream"]});
        let agent =
            with(Client::Messages, &body, &[("user-agent", shape["user_agent"].as_str().unwrap())], |request| {
                request.ordinal(Feature::Agent, &[]).unwrap().low
            });
        let names = ["main", "sub", "background", "other"];
        assert_eq!(names[usize::try_from(agent).unwrap()], shape["agent"].as_str().unwrap(), "{shape}");
    }
}

#[test]
fn claude_code_says_who_and_where() {
    let body = json!({"model": "m", "system": "x\nWorking directory: /home/ann/site\ny", "metadata": {"user_id": "{\"account_uuid\":\"ann\",\"session_id\":\"s-1\"}", "team": "core"}, "messages": [{"role": "user", "content": "This session is being continued from a previous conversation that ran out of context."}]});
    with(
        Client::Messages,
        &body,
        &[("user-agent", "claude-cli/2.1.330 (external, cli)"), ("x-claude-code-agent-type", "Explore")],
        |request| {
            let text = |feature, name| request.text(feature, name).map(std::borrow::Cow::into_owned);
            assert_eq!(text(Feature::User, None).as_deref(), Some("ann"));
            assert_eq!(text(Feature::Session, None).as_deref(), Some("s-1"));
            assert_eq!(text(Feature::Project, None).as_deref(), Some("/home/ann/site"));
            assert_eq!(text(Feature::AgentType, None).as_deref(), Some("Explore"));
            assert_eq!(text(Feature::Metadata, Some("team")).as_deref(), Some("core"));
            assert_eq!(request.ordinal(Feature::Compacted, &[]).unwrap().low, 1);
            assert_eq!(request.bucket_id(), "s-1");
        },
    );
    let old = json!({"model": "m", "metadata": {"user_id": "user_ab12_account__session_5f3c"}, "messages": []});
    with(Client::Messages, &old, &[], |request| {
        assert_eq!(request.text(Feature::User, None).unwrap(), "user_ab12");
        assert_eq!(request.text(Feature::Session, None).unwrap(), "5f3c");
    });
}
