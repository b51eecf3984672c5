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
        let child = spawn(port, &folder, &[]);
        let redis = Self { port, _folder: folder, child };
        redis.wait();
        redis
    }

    /// One that speaks TLS on a second port; gives that, and the certificate that says who it is.
    pub fn start_with_tls() -> (Self, u16, std::path::PathBuf) {
        let [port, tls] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        let folder = Folder::new();
        let make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
        let made = Command::new("sh").args(["-c", make]).current_dir(&folder.0).output().unwrap();
        assert!(made.status.success(), "`openssl` is installed: {made:?}");
        let tls_port = tls.to_string();
        let options = [
            ["--tls-port", tls_port.as_str()],
            ["--tls-cert-file", "cert.pem"],
            ["--tls-key-file", "key.pem"],
            ["--tls-ca-cert-file", "cert.pem"],
            ["--tls-auth-clients", "no"],
        ];
        let child = spawn(port, &folder, &options.concat());
        let certificate = folder.0.join("cert.pem");
        let redis = Self { port, _folder: folder, child };
        redis.wait();
        (redis, tls, certificate)
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
        self.child = spawn(self.port, &self._folder, &[]);
        self.wait();
    }
}

fn spawn(port: u16, folder: &Folder, more: &[&str]) -> Child {
    let port = port.to_string();
    // Everything is written at once, so that a restart forgets nothing.
    let options =
        ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    let mut command = Command::new("redis-server");
    command
        .args(options)
        .args(more)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("`redis-server` is installed: ./test does it")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
