//! Connections and bodies as an attacker sends them: silent, slow, compressed to almost nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::json;

use crate::support::router::{Folder, Router};

const RULES: &str = "default { route model else \"echo-1\" }";
const CONFIGURATION: &str = r#"{"models": {"echo-1": {"provider": "echo"}}}"#;
/// A request, and 100 MB of zeros, as brotli's own encoder compresses them.
const BROTLI_REQUEST: &str = "1b4d00908cc374a33d5f94708d2619413ba7fd76e5b7d9204931c860515a87a5ab2f38e4c029a0ac2d90cf039160030e31780d56dc1f5c8c3e4f0ad9edd5ddbd448e0ce5d383be12e8fdcef21d";
const BROTLI_BOMB: &str = "cbffff3f002400e2b14072effff8ffff078004401c1680eefd1fffffff00900088c302d0bdffe3ffff1f001200715800baf77ffcffff034002200e0b40f7fe8fffff7f004800c46101e8defff1ffff0f000980382c00ddfb3ffeffff012001108705a07bffc7ffff3f002400e2b00074effff8ffff078004401c1680eefd1fffffff00900088c302d0bdffe3ffff1f001200715800baf77ff9ffff034002200e0b40f7fe07";

fn body() -> String {
    json!({"model": "echo-1", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}).to_string()
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Sends a body as it is; returns the status of the response.
fn post(port: u16, encoding: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    String::from_utf8_lossy(&response).split(' ').nth(1).unwrap().parse().unwrap()
}

/// The most memory that a process ever had, in MB.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn bodies_are_read_however_they_are_compressed() {
    let router = Router::start(CONFIGURATION, RULES);
    let plain = body().into_bytes();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&plain).unwrap();
    let mut bare = DeflateEncoder::new(Vec::new(), Compression::default());
    bare.write_all(&plain).unwrap();
    let (one, other) = plain.split_at(plain.len() / 2);
    let forms: &[(&str, Vec<u8>)] = &[
        ("identity", plain.clone()),
        ("gzip", gzip(&plain)),
        ("X-Gzip", gzip(&plain)),
        ("gzip", [gzip(one), gzip(other)].concat()),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", bare.finish().unwrap()),
        ("zstd", zstd(&plain)),
        ("zstd", [zstd(one), zstd(other)].concat()),
        ("br", hex(BROTLI_REQUEST)),
    ];
    for (encoding, compressed) in forms {
        assert_eq!(post(router.port, encoding, compressed), 200, "{encoding} {compressed:?}");
    }
    for encoding in ["compress", "gzip, gzip", "zstd, br", "x"] {
        assert_eq!(post(router.port, encoding, &plain), 415, "{encoding}");
    }
    // Cut, or something else; a frame that wants a window of 1 GB.
    let window: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0x01, 0x00, 0x00];
    for encoding in ["gzip", "deflate", "zstd", "br"] {
        assert_eq!(post(router.port, encoding, &plain), 400, "{encoding}");
        assert_eq!(post(router.port, encoding, window), 400, "{encoding}");
    }
    assert_eq!(post(router.port, "gzip", &gzip(&plain)[..40]), 400);
    assert_eq!(post(router.port, "zstd", &zstd(&plain)[..40]), 400);
}

#[test]
fn forty_bombs_at_once_cost_what_they_may() {
    let router = Router::start(CONFIGURATION, RULES);
    let zeros = vec![b' '; 100 << 20];
    let bombs = [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros)), ("br", hex(BROTLI_BOMB))];
    std::thread::scope(|scope| {
        let sent: Vec<_> = (0..40)
            .map(|n| {
                let (encoding, bomb) = &bombs[n % bombs.len()];
                scope.spawn(|| post(router.port, encoding, bomb))
            })
            .collect();
        for status in sent {
            let status = status.join().unwrap();
            assert!(matches!(status, 413 | 503), "{status}");
        }
    });
    let peak = peak_memory(router.pid());
    assert!(peak < 700, "{peak} MB");
    // What they took is free again.
    assert_eq!(post(router.port, "gzip", &gzip(body().as_bytes())), 200);
}

#[test]
fn silent_connections_do_not_keep_others_out() {
    // The test holds the other ends.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let folder = Folder::new();
    folder.file("router.json", CONFIGURATION);
    folder.file("my.route", RULES);
    // A system that grants few files, so that the router has less than there are connections.
    let mut command = Command::new("sh");
    command.current_dir(&folder.0).env_clear().env("HOME", &folder.0).args([
        "-c",
        "ulimit -n 1024 && exec \"$0\" start --port 0 --rules my.route",
        env!("CARGO_BIN_EXE_router"),
    ]);
    let router = Router::start_by(folder, command);
    let mut silent = Vec::new();
    for n in 0..1_500 {
        silent.push(TcpStream::connect(("127.0.0.1", router.port)).unwrap());
        // Others come all the while, on connections of their own.
        if n % 100 == 0 {
            assert_eq!(router.post("/v1/messages", &body()).status, 200, "beside {n} silent connections");
        }
    }
    for _ in 0..50 {
        assert_eq!(router.post("/v1/messages", &body()).status, 200);
    }
    // The oldest ones were closed for them.
    silent[0].set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0);
    // The log says so once, and not once for each.
    let log = router.stop();
    assert!(log.matches("connections are open").count() + log.matches("cannot be accepted").count() <= 1, "{log}");
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let router = Router::start(CONFIGURATION, RULES);
    // Nothing, and the beginning of what HTTP/2 begins with.
    let streams = ["", "PRI * HT"].map(|first| {
        let mut stream = TcpStream::connect(("127.0.0.1", router.port)).unwrap();
        stream.write_all(first.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    });
    for mut stream in streams {
        let closed = stream.read(&mut [0; 16]);
        assert!(closed.as_ref().map_or(true, |n| *n == 0), "{closed:?}");
    }
}

#[test]
fn both_versions_of_http_are_spoken_on_one_port() {
    let router = Router::start(CONFIGURATION, RULES);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime.block_on(async {
        let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let url = format!("http://127.0.0.1:{}/v1/messages", router.port);
        for _ in 0..3 {
            let sent = client.post(&url).header("content-type", "application/json").body(body()).send().await.unwrap();
            assert_eq!((sent.status().as_u16(), sent.version()), (200, reqwest::Version::HTTP_2));
        }
        let foreign = client.get(format!("http://127.0.0.1:{}/health", router.port)).header("host", "evil.example");
        assert_eq!(foreign.send().await.unwrap().status().as_u16(), 421);
    });
    assert_eq!(router.post("/v1/messages", &body()).status, 200);
    // A head that comes letter by letter.
    let mut stream = TcpStream::connect(("127.0.0.1", router.port)).unwrap();
    stream.set_nodelay(true).unwrap();
    for letter in b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" {
        stream.write_all(&[*letter]).unwrap();
    }
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}
