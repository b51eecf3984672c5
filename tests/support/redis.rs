//! A real Redis on a port of its own, which goes with its test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::router::Folder;

#[derive(Debug)]
pub struct Redis {
    pub port: u16,
    _folder: Folder,
    child: Child,
}

impl Redis {
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = Folder::new();
        let child = spawn(port, &folder);
        let redis = Self { port, _folder: folder, child };
        redis.wait();
        redis
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.says("PING").is_some_and(|answer| answer.starts_with("+PONG")) {
            assert!(Instant::now() < end, "Redis does not start");
            std::thread::yield_now();
        }
    }

    /// The first line of the answer to a command.
    pub fn says(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        Some(line)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn signal(&self, name: &str) {
        Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
    }

    /// It is there, and answers nobody.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
        self.wait();
    }

    /// It is gone, with all it knew but what it wrote.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        self.child.wait().unwrap();
    }

    /// It comes back, with what it wrote.
    pub fn start_again(&mut self) {
        self.child = spawn(self.port, &self._folder);
        self.wait();
    }
}

fn spawn(port: u16, folder: &Folder) -> Child {
    let port = port.to_string();
    // Everything is written at once, so that a restart forgets nothing.
    let options =
        ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    let mut command = Command::new("redis-server");
    command.args(options).current_dir(&folder.0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("`redis-server` is installed: ./test does it")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
