//! A provider of both APIs that answers at once, and costs next to nothing: what gateways are measured before.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use axum::routing::post;
use axum::serve::ListenerExt as _;

/// Events of a stream that carry text.
pub const EVENTS: usize = 50;

const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"own","content":[{"type":"text","text":"Hello there, how are you?"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":8}}"#;
const COMPLETION: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"own","choices":[{"index":0,"message":{"role":"assistant","content":"Hello there, how are you?"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":8,"total_tokens":18}}"#;

fn messages_stream() -> String {
    let event = |name: &str, data: &str| format!("event: {name}\ndata: {data}\n\n");
    let mut text = event("message_start", r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"own","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":1}}}"#);
    text += &event("content_block_start", r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#);
    for _ in 0..EVENTS {
        text += &event("content_block_delta", r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some more words "}}"#);
    }
    text += &event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#);
    text += &event("message_delta", r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":150}}"#);
    text + &event("message_stop", r#"{"type":"message_stop"}"#)
}

fn completions_stream() -> String {
    let chunk = |delta: &str, reason: &str| format!("data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"own\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{reason}}}]}}\n\n");
    let mut text = chunk(r#"{"role":"assistant","content":""}"#, "null");
    for _ in 0..EVENTS {
        text += &chunk(r#"{"content":"some more words "}"#, "null");
    }
    text += &chunk("{}", "\"stop\"");
    text += "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"own\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":150,\"total_tokens\":160}}\n\n";
    text + "data: [DONE]\n\n"
}

fn answer(body: &Bytes, whole: &'static str, stream: &'static [Bytes]) -> Response {
    let streams = [&b"\"stream\":true"[..], b"\"stream\": true"].iter().any(|words| memchr::memmem::find(body, words).is_some());
    let response = Response::builder();
    if !streams {
        return response.header(CONTENT_TYPE, "application/json").body(Body::from(whole)).unwrap();
    }
    // Each event is a piece of its own, as providers send them.
    let events = futures_util::stream::iter(stream.iter().cloned().map(Ok::<_, std::io::Error>));
    response.header(CONTENT_TYPE, "text/event-stream").body(Body::from_stream(events)).unwrap()
}

fn events(text: String) -> &'static [Bytes] {
    let text: &'static str = text.leak();
    let all: Vec<Bytes> = text.split_inclusive("\n\n").map(|event| Bytes::from_static(event.as_bytes())).collect();
    all.leak()
}

pub async fn serve(port: &str) {
    let (messages, completions) = (events(messages_stream()), events(completions_stream()));
    let message = post(async move |body: Bytes| answer(&body, MESSAGE, messages));
    let completion = post(async move |body: Bytes| answer(&body, COMPLETION, completions));
    let router = Router::new()
        .route("/v1/messages", message)
        .route("/v1/chat/completions", completion)
        .layer(axum::extract::DefaultBodyLimit::disable());
    let listener = tokio::net::TcpListener::bind(format!("0.0.0.0:{port}")).await.unwrap();
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await.unwrap();
}
