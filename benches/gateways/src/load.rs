//! Clients that ask again as soon as they are answered, over connections that they keep.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What one client measured.
#[derive(Default, Clone)]
pub struct Seen {
    /// Of each request, from its first byte to the last one of its answer, in microseconds.
    pub micros: Vec<f64>,
    /// Of each stream, from its first event to its last one, in microseconds.
    pub spread: Vec<f64>,
    pub errors: usize,
}

pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// A request as bytes.
pub fn request(port: u16, path: &str, headers: &[(String, String)], body: &str) -> Vec<u8> {
    let mut text = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    (text + "\r\n" + body).into_bytes()
}

/// Asks with so many clients for a while.
pub async fn run(port: u16, request: &[u8], clients: usize, time: Duration) -> Seen {
    let request: Arc<[u8]> = request.into();
    let end = Instant::now() + time;
    let tasks: Vec<_> = (0..clients).map(|_| tokio::spawn(client(port, Arc::clone(&request), end))).collect();
    let mut all = Seen::default();
    for task in tasks {
        let seen = task.await.unwrap();
        all.micros.extend(seen.micros);
        all.spread.extend(seen.spread);
        all.errors += seen.errors;
    }
    all
}

async fn client(port: u16, request: Arc<[u8]>, end: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut stream: Option<TcpStream> = None;
    let mut buffer = vec![0; 64 << 10];
    while Instant::now() < end || seen.micros.is_empty() && seen.errors < 3 {
        if stream.is_none() {
            stream = TcpStream::connect(("127.0.0.1", port)).await.ok();
            if let Some(stream) = &stream {
                let _ = stream.set_nodelay(true);
            }
        }
        let Some(open) = &mut stream else {
            seen.errors += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let began = Instant::now();
        let asked = tokio::time::timeout(Duration::from_secs(60), ask(open, &request, &mut buffer)).await;
        match asked {
            Ok(Ok((200, spread, stays))) => {
                seen.micros.push(began.elapsed().as_secs_f64() * 1e6);
                seen.spread.extend(spread.map(|spread| spread.as_secs_f64() * 1e6));
                if !stays {
                    stream = None;
                }
            }
            _ => {
                seen.errors += 1;
                stream = None;
            }
        }
    }
    seen
}

/// Sends a request and reads its answer; gives the status, the time between the first and the last piece of a body in
/// chunks, and whether the connection stays.
async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> std::io::Result<(u16, Option<Duration>, bool)> {
    stream.write_all(request).await?;
    let mut read = Vec::with_capacity(8 << 10);
    let gone = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let head_end = loop {
        let n = stream.read(buffer).await?;
        if n == 0 {
            return Err(gone());
        }
        read.extend_from_slice(&buffer[..n]);
        if let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&read[..head_end]).to_ascii_lowercase();
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let stays = header("connection:") != Some("close");
    let mut body = read.split_off(head_end);
    if let Some(length) = header("content-length:").and_then(|length| length.parse::<usize>().ok()) {
        let mut got = body.len();
        while got < length {
            let n = stream.read(buffer).await?;
            if n == 0 {
                return Err(gone());
            }
            got += n;
        }
        return Ok((status, None, stays));
    }
    let first = Instant::now();
    loop {
        if body.ends_with(b"0\r\n\r\n") && (body.len() == 5 || body[..body.len() - 5].ends_with(b"\r\n")) {
            return Ok((status, Some(first.elapsed()), stays));
        }
        let n = stream.read(buffer).await?;
        if n == 0 {
            return if stays { Err(gone()) } else { Ok((status, Some(first.elapsed()), false)) };
        }
        // Only the end is looked at.
        let keep = body.len().min(64);
        body.drain(..body.len() - keep);
        body.extend_from_slice(&buffer[..n]);
    }
}
