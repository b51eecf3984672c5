//! A provider's server on this machine: it speaks HTTP/1.1 exactly as it is told to, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// An answer of one piece.
    Whole { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// A stream in pieces.
    Stream(Vec<Vec<u8>>),
    /// A stream in pieces, then the connection is cut.
    Cut(Vec<Vec<u8>>),
    /// A stream in pieces, then nothing until the client goes; then it says so.
    Hang(Vec<Vec<u8>>),
    /// Bytes as they are, then the connection is closed.
    Raw(Vec<u8>),
    /// The connection is closed without a word.
    Close,
}

impl Reply {
    pub fn json(status: u16, body: serde_json::Value) -> Self {
        Self::Whole { status, headers: vec![("content-type", "application/json".to_owned())], body: body.to_string() }
    }

    pub fn stream(text: &str) -> Self {
        Self::Stream(vec![text.as_bytes().to_vec()])
    }
}

/// A running server; it goes when the test does.
#[derive(Debug)]
pub struct Upstream {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    gone: Mutex<Receiver<()>>,
}

impl Upstream {
    /// A server that answers each request with what `reply` says.
    pub fn new(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (gone_sender, gone) = channel();
        let (reply, seen) = (Arc::new(reply), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (reply, seen, gone) = (Arc::clone(&reply), Arc::clone(&seen), gone_sender.clone());
                std::thread::spawn(move || connection(stream, &*reply, &seen, &gone));
            }
        });
        Self { address, asked, gone: Mutex::new(gone) }
    }

    /// A server that answers everything alike.
    pub fn always(reply: Reply) -> Self {
        Self::new(move |_| reply.clone())
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The only request.
    #[track_caller]
    pub fn the_request(&self) -> Asked {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "the upstream was asked {} times", asked.len());
        asked.remove(0)
    }

    /// Waits until a hanging request was given up by the router.
    pub fn wait_until_given_up(&self) {
        self.gone.lock().unwrap().recv_timeout(std::time::Duration::from_secs(20)).expect("the router ends the call");
    }
}

fn connection(stream: TcpStream, reply: &dyn Fn(&Asked) -> Reply, seen: &Mutex<Vec<Asked>>, gone: &Sender<()>) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(asked) = read_request(&mut reader) {
        let reply = reply(&asked);
        seen.lock().unwrap().push(asked);
        match reply {
            Reply::Whole { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                if writer.write_all(format!("{head}\r\n{body}").as_bytes()).is_err() {
                    return;
                }
            }
            Reply::Stream(pieces) => {
                if !pieces_out(&mut writer, &pieces) || writer.write_all(b"0\r\n\r\n").is_err() {
                    return;
                }
            }
            Reply::Cut(pieces) => {
                pieces_out(&mut writer, &pieces);
                return;
            }
            Reply::Hang(pieces) => {
                pieces_out(&mut writer, &pieces);
                // The router's side closes when its client is gone.
                let mut rest = [0u8; 64];
                while reader.read(&mut rest).is_ok_and(|n| n > 0) {}
                let _ = gone.send(());
                return;
            }
            Reply::Raw(bytes) => {
                let _ = writer.write_all(&bytes);
                return;
            }
            Reply::Close => return,
        }
    }
}

fn pieces_out(writer: &mut TcpStream, pieces: &[Vec<u8>]) -> bool {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    if writer.write_all(head.as_bytes()).is_err() {
        return false;
    }
    for piece in pieces {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        if writer.write_all(&chunk).is_err() || writer.flush().is_err() {
            return false;
        }
    }
    true
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap_or(0));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
