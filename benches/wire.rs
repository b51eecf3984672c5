//! What translation costs: MB of a body or a stream each second, in each direction.
//! `cargo bench --bench wire`; docs/benchmarks.md says how to read it.
#![allow(clippy::allow_attributes, reason = "which of these apply differs by build")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::pedantic, reason = "a benchmark stops when something is wrong")]

use claude_router::wire::ids::Names;
use claude_router::wire::patch::{self, Changes};
use claude_router::wire::reply::{Head, Writer};
use claude_router::wire::wanted::{Target, Wanted};
use claude_router::wire::{Api, Client, request};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

const APIS: &[Api] = &[Api::Messages, Api::Completions, Api::Responses, Api::Gemini, Api::Ollama];
const SIZE: usize = 1 << 20;

/// A conversation of an agent, about as large as asked: prompts, calls of tools, results with code in them.
fn conversation(size: usize) -> String {
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

fn translated(body: &str, api: Api) -> String {
    let chat = request::decode(Client::Messages, body.as_bytes()).unwrap();
    let target = Target::of(api);
    let wanted = Wanted::of(&chat, &Changes::default(), &target);
    (api.row().encode)(&chat, &wanted, &target).body
}

/// A request of 1 MB that came as Messages.
mod requests {
    use super::*;

    /// What the others are measured by: the body read into a tree, twice.
    #[divan::bench]
    fn parsed_twice(bencher: Bencher<'_, '_>) {
        let body = conversation(SIZE);
        bencher.counter(BytesCount::of_str(&body)).bench_local(|| {
            black_box(serde_json::from_str::<Value>(&body).unwrap());
            black_box(serde_json::from_str::<Value>(&body).unwrap());
        });
    }

    #[divan::bench]
    fn read(bencher: Bencher<'_, '_>) {
        let body = conversation(SIZE);
        bencher.counter(BytesCount::of_str(&body)).bench_local(|| {
            black_box(request::decode(Client::Messages, black_box(body.as_bytes())).unwrap().messages.len());
        });
    }

    #[divan::bench(args = APIS)]
    fn translated(bencher: Bencher<'_, '_>, api: Api) {
        let body = conversation(SIZE);
        bencher.counter(BytesCount::of_str(&body)).bench_local(|| super::translated(black_box(&body), api));
    }

    #[divan::bench]
    fn forwarded_with_another_model(bencher: Bencher<'_, '_>) {
        let body = conversation(SIZE);
        let changes = Changes { model: Some("claude-haiku-4-5".to_owned()), ..Changes::default() };
        bencher.counter(BytesCount::of_str(&body)).bench_local(|| {
            patch::body(Client::Messages, black_box(body.as_bytes()), &changes, &Target::of(Api::Messages)).unwrap()
        });
    }
}

/// A stream of about 1 MB, in pieces of some hundred bytes as they come from the network: read, and written for a client.
mod streams {
    use super::*;

    fn stream(api: Api) -> Vec<u8> {
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

    fn run(bencher: Bencher<'_, '_>, api: Api, client: Client) {
        let bytes = stream(api);
        bencher.counter(BytesCount::new(bytes.len())).bench_local(|| {
            let mut decoder = api.decoder(Names::default());
            let mut writer = Writer::new(client, Head::default());
            let mut written = 0;
            for piece in bytes.chunks(400) {
                let (mut events, mut out) = (Vec::new(), String::new());
                decoder.push(piece, &mut events);
                writer.write(&events, &mut out);
                written += out.len();
            }
            assert!(written > SIZE / 10);
            written
        });
    }

    #[divan::bench(args = APIS)]
    fn to_messages(bencher: Bencher<'_, '_>, api: Api) {
        run(bencher, api, Client::Messages);
    }

    #[divan::bench(args = APIS)]
    fn to_completions(bencher: Bencher<'_, '_>, api: Api) {
        run(bencher, api, Client::Completions);
    }

    #[divan::bench(args = APIS)]
    fn to_responses(bencher: Bencher<'_, '_>, api: Api) {
        run(bencher, api, Client::Responses);
    }
}
