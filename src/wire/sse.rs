//! Server-sent events, read as bytes: a character cut in two by the network is whole again before anybody decodes it.
//!
//! Source: the HTML standard, "Server-sent events", "Interpreting an event stream".

/// The largest event, in bytes.
pub const EVENT_BYTES_MAX: usize = 32 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its name, where it has one.
    pub event: Option<String>,
    /// Its data, lines joined.
    pub data: String,
}

/// An event is larger than what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// Cuts bytes into events.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    data: Vec<u8>,
    event: Option<String>,
    has_data: bool,
    /// The last byte was `\r`, so that a `\n` belongs to it.
    after_return: bool,
    begun: bool,
    /// An event was too large: nothing is read after it.
    is_too_large: bool,
}

/// Returns where the last whole event of some bytes ends, `None` where none does.
pub fn end_of_events(bytes: &[u8]) -> Option<usize> {
    let ends = [&b"\n\n"[..], b"\n\r\n", b"\r\r"];
    ends.into_iter().filter_map(|end| Some(memchr::memmem::rfind(bytes, end)? + end.len())).max()
}

impl Reader {
    /// Takes in a piece; gives each event that it completes.
    pub fn push(&mut self, mut bytes: &[u8], mut event: impl FnMut(Message)) -> Result<(), TooLarge> {
        if self.is_too_large {
            return Err(TooLarge);
        }
        while let Some(first) = bytes.first() {
            if self.after_return && *first == b'\n' {
                bytes = &bytes[1..];
                self.after_return = false;
                continue;
            }
            self.after_return = false;
            let end = memchr::memchr2(b'\n', b'\r', bytes);
            let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.line.extend_from_slice(line);
            if self.line.len() + self.data.len() > EVENT_BYTES_MAX {
                *self = Self { is_too_large: true, ..Self::default() };
                return Err(TooLarge);
            }
            let Some((end, rest)) = rest.split_first() else { return Ok(()) };
            self.after_return = *end == b'\r';
            bytes = rest;
            let line = std::mem::take(&mut self.line);
            if let Some(message) = self.line_done(&line) {
                event(message);
            }
        }
        Ok(())
    }

    fn line_done(&mut self, line: &[u8]) -> Option<Message> {
        let line = if std::mem::replace(&mut self.begun, true) {
            line
        } else {
            line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
        };
        if line.is_empty() {
            let event = self.event.take();
            let data = std::mem::take(&mut self.data);
            let there = std::mem::replace(&mut self.has_data, false);
            return there.then(|| Message { event, data: String::from_utf8_lossy(&data).into_owned() });
        }
        let (name, value) = match memchr::memchr(b':', line) {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &b""[..]),
        };
        match name {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.event = Some(String::from_utf8_lossy(value).into_owned()),
            _ => {}
        }
        None
    }
}
