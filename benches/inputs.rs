//! What the benchmarks work on, the same at every run: requests, conversations, streams and texts.
#![allow(dead_code, unreachable_pub, reason = "each benchmark is a program of its own")]

use claude_router::lang::input::{Feature, NUMBER};
use claude_router::tools::request::Recorded;
use claude_router::wire::{Api, Client};
use serde_json::{Value, json};

use crate::generate::{Fixed, Random};
use crate::rule_sets::word;

/// How large conversations and streams are, in bytes.
pub const SIZE: usize = 1 << 20;

/// A request whose features are known already. `hit` is the rule whose first keyword stands in the prompt.
pub fn known(prompt_bytes: usize, hit: Option<usize>) -> Fixed {
    let mut random = Random(7);
    let mut prompt = String::new();
    while prompt.len() < prompt_bytes {
        prompt.push_str(&format!("{} ", word(1_000_000 + random.below(5_000)).replace('a', "w")));
    }
    if let Some(rule) = hit {
        prompt.push_str(&word(rule * 3));
    }
    let mut fixed = Fixed::default();
    fixed.texts.insert((Feature::Prompt, None), prompt);
    fixed.texts.insert((Feature::Model, None), "gpt-5".to_owned());
    let files = hit.map_or_else(|| vec!["a.zz".to_owned()], |rule| vec![format!("a.e{}", rule % 13)]);
    fixed.sets.insert(Feature::Files, files);
    fixed.ordinals.insert(Feature::Tokens, 20_000 * NUMBER);
    fixed
}

/// The body of a conversation of about so many bytes.
pub fn body(bytes: usize) -> Recorded {
    let mut random = Random(3);
    let mut messages = Vec::new();
    let mut size = 0;
    while size < bytes {
        let text: String = (0..150).map(|_| format!("{} ", word(random.below(4_000)))).collect();
        size += text.len() + 40;
        let role = if messages.len() % 2 == 0 { "user" } else { "assistant" };
        messages.push(json!({"role": role, "content": [{"type": "text", "text": text}]}));
    }
    messages.push(json!({"role": "user", "content": "please look at src/parse.rs"}));
    let body = json!({"model": "gpt-5", "max_tokens": 1_000, "messages": messages}).to_string();
    Recorded { client: Client::Messages, body: body.into_bytes(), headers: Vec::new() }
}

/// A conversation of an agent, about as large as asked: prompts, calls of tools, results with code in them.
pub fn conversation(size: usize) -> String {
    let code = "fn main() {\n    println!(\"{}\", \"quoted\\ttext\");\n}\n".repeat(40);
    let mut messages: Vec<Value> = vec![json!({"role": "user", "content": "fix it"})];
    let mut length = 0;
    while length < size {
        let id = format!("toolu_{}", messages.len());
        messages.push(json!({"role": "assistant", "content": [{"type": "text", "text": "I look."}, {"type": "tool_use", "id": id, "name": "Read", "input": {"file_path": "/src/main.rs"}}]}));
        messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": code}]}]}));
        length += code.len() + 200;
    }
    let tools: Vec<Value> = (0..20).map(|n| json!({"name": format!("tool_{n}"), "description": "Does something.", "input_schema": {"type": "object", "properties": {"file_path": {"type": "string"}, "limit": {"type": "integer"}}}})).collect();
    json!({"model": "claude-sonnet-4-6", "max_tokens": 32000, "stream": true, "tools": tools, "messages": messages})
        .to_string()
}

/// A stream of about 1 MB in an API.
pub fn stream(api: Api) -> Vec<u8> {
    let mut text = String::new();
    let word = "some words and \"code\"; ";
    let sse = |text: &mut String, value: Value| text.push_str(&format!("data: {value}\n\n"));
    let named = |text: &mut String, value: Value| {
        text.push_str(&format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap()))
    };
    if api == Api::Messages {
        named(&mut text, json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 9}}}));
        named(
            &mut text,
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        );
    }
    while text.len() < SIZE {
        match api {
            Api::Messages => named(&mut text, json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}})),
            Api::Completions => sse(&mut text, json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": null}]})),
            Api::Responses => named(&mut text, json!({"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": word, "sequence_number": 1})),
            Api::Gemini => sse(&mut text, json!({"candidates": [{"content": {"role": "model", "parts": [{"text": word}]}, "index": 0}], "usageMetadata": {"promptTokenCount": 9}})),
            Api::Ollama | Api::Generate => text.push_str(&format!("{}\n", json!({"model": "m", "created_at": "2026-11-01T00:00:00Z", "message": {"role": "assistant", "content": word}, "done": false}))),
        }
    }
    text.into_bytes()
}

/// About so many bytes of a kind of text.
pub fn text(kind: &str, bytes: usize) -> String {
    let mut random = Random(11);
    let filled = |unit: &str| {
        let mut made = unit.repeat(bytes / unit.len() + 1);
        let end = (0..=bytes).rev().find(|end| made.is_char_boundary(*end)).unwrap_or(0);
        made.truncate(end);
        made
    };
    let mut drawn = |alphabet: &[char]| -> String {
        let mut made = String::with_capacity(bytes + 4);
        while made.len() < bytes {
            made.push(alphabet[random.below(alphabet.len())]);
        }
        made
    };
    let letters = |from: char, to: char| (from..=to).collect::<Vec<char>>();
    match kind {
        "prose" => filled(include_str!("../docs/guide/operating.md")),
        "code" => filled(include_str!("../src/lang/eval/state.rs")),
        "json" => filled(include_str!("../src/config/models.json")),
        "chinese" => drawn(&letters('\u{4e00}', '\u{5200}')),
        "base64" => drawn(&[letters('a', 'z'), letters('A', 'Z'), letters('0', '9')].concat()),
        "one_letter" => filled("a"),
        "spaces" => filled(" "),
        "dashes" => filled("-"),
        "punctuation" => drawn(&letters('!', '/')),
        "emoji" => drawn(&letters('\u{1f600}', '\u{1f64f}')),
        "tabs" => filled("\t"),
        other => unreachable!("no text is called {other}"),
    }
}

/// The kinds of text: what people and agents write, and what was made to be slow.
pub const TEXTS: [&str; 11] =
    ["prose", "code", "json", "chinese", "base64", "one_letter", "spaces", "dashes", "punctuation", "emoji", "tabs"];
