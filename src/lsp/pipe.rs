//! Messages over a pair of pipes, each behind a header with its length.
//!
//! Source: the Language Server Protocol, "Base Protocol".

use std::io::{BufRead, Read as _, Write};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use lsp_server::{Connection, Message};
use lsp_types::notification::{Exit, Notification as _};

/// The largest message that is read, in bytes.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;
/// The longest line of a header, in bytes.
const HEADER_BYTES_MAX: u64 = 4_096;

/// What goes on beside a connection.
#[derive(Debug)]
pub struct Pipe {
    writing: JoinHandle<()>,
    broken: Arc<OnceLock<String>>,
}

impl Pipe {
    /// Writes what is left; says what broke the connection, if anything did. Not before the server's end of it is dropped.
    pub fn end(self) -> Result<(), String> {
        let _ = self.writing.join();
        self.broken.get().map_or(Ok(()), |why| Err(why.clone()))
    }
}

/// A connection over two pipes. An editor that goes, or that says what is no message, is gone for the server.
pub fn connect(
    mut input: impl BufRead + Send + 'static,
    mut output: impl Write + Send + 'static,
) -> (Connection, Pipe) {
    let (server, editor) = Connection::memory();
    let (sender, receiver) = (editor.sender, editor.receiver);
    let broken = Arc::new(OnceLock::new());
    let why = Arc::clone(&broken);
    std::thread::spawn(move || {
        loop {
            match read(&mut input) {
                Ok(Some(message)) => {
                    let is_last = matches!(&message, Message::Notification(told) if told.method == Exit::METHOD);
                    if sender.send(message).is_err() || is_last {
                        return;
                    }
                }
                Ok(None) => return,
                // Said before the server can see that nobody sends any more.
                Err(message) => return drop(why.set(message)),
            }
        }
    });
    let writing = std::thread::spawn(move || {
        for message in receiver {
            if message.write(&mut output).and_then(|()| output.flush()).is_err() {
                break;
            }
        }
    });
    (server, Pipe { writing, broken })
}

/// The next message; none when there are no more.
fn read(input: &mut impl BufRead) -> Result<Option<Message>, String> {
    let mut length: Option<u64> = None;
    loop {
        let mut line = Vec::new();
        input.take(HEADER_BYTES_MAX).read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if line.is_empty() {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        if line.trim().is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err("what comes is not the language server protocol: a header was expected".to_owned());
        };
        if name.trim().eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        }
    }
    let length = length.ok_or("a message has no `Content-Length`")?;
    if length > MESSAGE_BYTES_MAX {
        return Err(format!("a message is larger than {MESSAGE_BYTES_MAX} bytes"));
    }
    let mut body = Vec::new();
    input.take(length).read_to_end(&mut body).map_err(|error| error.to_string())?;
    if (body.len() as u64) < length {
        return Ok(None);
    }
    serde_json::from_slice(&body).map(Some).map_err(|error| format!("a message cannot be read: {error}"))
}
