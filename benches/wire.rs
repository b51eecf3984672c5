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
use serde_json::Value;

#[path = "../tests/support/generate.rs"]
#[allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "the tests use the rest")]
mod generate;
mod inputs;
mod rule_sets;
use inputs::{SIZE, conversation, stream};

fn main() {
    divan::main();
}

const APIS: &[Api] = &[Api::Messages, Api::Completions, Api::Responses, Api::Gemini, Api::Ollama];

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
