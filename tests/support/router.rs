//! The built binary: run to its end, or serving on a free port of this machine.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The longest that a test waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of a test's own.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("claude-router-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The binary with an empty environment, in a folder.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_router"));
    command.current_dir(folder).env_clear().env("HOME", folder);
    command
}

/// What a command ended with.
#[derive(Debug)]
pub struct Ended {
    pub out: String,
    pub err: String,
    pub code: i32,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { out: text(output.stdout), err: text(output.stderr), code: output.status.code().unwrap_or(-1) }
    }
}

/// Runs a command in a folder.
pub fn run(folder: &Path, arguments: &[&str]) -> Ended {
    command(folder).args(arguments).stdin(Stdio::null()).output().unwrap().into()
}

/// Runs a command in a folder, with something on its standard input.
pub fn run_with_input(folder: &Path, arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = command(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let ended = child.wait_with_output().unwrap().into();
    let _ = writing.join();
    ended
}

/// A router that serves.
#[derive(Debug)]
pub struct Router {
    pub folder: Folder,
    pub port: u16,
    child: Child,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Router {
    /// Serves rules with a configuration.
    pub fn start(configuration: &str, rules: &str) -> Self {
        let folder = Folder::new();
        folder.file("router.json", configuration);
        folder.file("my.route", rules);
        Self::start_in(folder, &["--rules", "my.route"], &[])
    }

    /// Serves what is in a folder.
    pub fn start_in(folder: Folder, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(&folder.0);
        command.args(["start", "--port", "0"]).args(arguments).envs(environment.iter().copied());
        Self::start_by(folder, command)
    }

    /// Serves by a command that ends in `router start --port 0` and its arguments.
    pub fn start_by(folder: Folder, mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut err = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            text
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        let Some(port) = port else {
            let _ = child.kill();
            panic!("the router did not start: {line}{}", log.join().unwrap());
        };
        Self { folder, port, child, log: Some(log) }
    }

    /// A connection that is kept.
    pub fn connect(&self) -> Connection {
        Connection::new(self.port)
    }

    /// One request on a connection of its own.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.connect().request("POST", path, &[], body)
    }

    pub fn messages(&self, body: &serde_json::Value) -> Answer {
        self.post("/v1/messages", &body.to_string())
    }

    /// Asks the router to stop, and waits until it has; what it logged.
    pub fn stop(mut self) -> String {
        self.ask_to_stop();
        self.child.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }

    pub fn ask_to_stop(&self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process, which has no time for anything.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the process is gone.
    pub fn wait(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The body as it came.
    pub raw: Vec<u8>,
    /// When each piece of the body came, since the request was sent.
    pub pieces: Vec<(Duration, String)>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The events of a stream: name and data.
    pub fn events(&self) -> Vec<(String, serde_json::Value)> {
        let mut found = Vec::new();
        for event in self.body.split("\n\n").filter(|event| !event.trim().is_empty()) {
            let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let data = line("data:").and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
            found.push((line("event:").unwrap_or_default().to_owned(), data));
        }
        found
    }

    /// The text that the deltas of a stream spell.
    pub fn text(&self) -> String {
        let anthropic = |data: &serde_json::Value| data["delta"]["text"].as_str().map(str::to_owned);
        let openai = |data: &serde_json::Value| data["choices"][0]["delta"]["content"].as_str().map(str::to_owned);
        self.events().iter().filter_map(|(_, data)| anthropic(data).or_else(|| openai(data))).collect()
    }
}

/// A connection that is kept between requests.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

impl Connection {
    pub fn new(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream.try_clone().unwrap()), writer: stream }
    }

    /// Sends a request without waiting for its answer.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str("host: localhost\r\n");
        }
        if !headers.iter().any(|(name, _)| *name == "content-length") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let _ = self.writer.write_all(format!("{head}\r\n{body}").as_bytes());
    }

    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send(method, path, headers, body);
        self.answer(method != "HEAD")
    }

    /// Waits for the head of an answer, and the first piece of its body.
    pub fn first_piece(&mut self) -> String {
        let (_, headers) = self.head();
        assert!(headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked"));
        String::from_utf8_lossy(&self.chunk().unwrap_or_default()).into_owned()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let status = self.line();
        let status = status
            .split_whitespace()
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("no answer: `{status}`"));
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        (status, headers)
    }

    fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line(), 16).ok().filter(|size| *size > 0)?;
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk).ok()?;
        chunk.truncate(size);
        Some(chunk)
    }

    pub fn answer(&mut self, has_body: bool) -> Answer {
        let started = std::time::Instant::now();
        let (status, headers) = self.head();
        let of = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let (mut body, mut pieces) = (Vec::new(), Vec::new());
        if has_body && of("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk() {
                pieces.push((started.elapsed(), String::from_utf8_lossy(&chunk).into_owned()));
                body.extend_from_slice(&chunk);
            }
            let mut rest = String::new();
            let _ = self.reader.read_line(&mut rest);
        } else if has_body {
            body = vec![0; of("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
            self.reader.read_exact(&mut body).unwrap();
        }
        Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned(), raw: body, pieces }
    }
}
