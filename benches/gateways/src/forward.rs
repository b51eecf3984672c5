//! The bare forwarder: bytes in, bytes out, with the same axum and reqwest. What this costs nobody can save.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::serve::ListenerExt as _;

async fn pass(State((client, url)): State<(reqwest::Client, String)>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut headers = head.headers;
    for name in ["host", "connection", "transfer-encoding"] {
        headers.remove(name);
    }
    let target = format!("{url}{}", head.uri.path());
    let asked = client.request(head.method, target).headers(headers).body(reqwest::Body::wrap_stream(body.into_data_stream()));
    let answer = asked.send().await.unwrap();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    response.headers_mut().extend(answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding").map(|(name, value)| (name.clone(), value.clone())));
    *response.body_mut() = Body::from_stream(answer.bytes_stream());
    response
}

pub async fn serve(port: &str, url: &str) {
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap();
    let router = Router::new().fallback(pass).with_state((client, url.to_owned()));
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await.unwrap();
}
