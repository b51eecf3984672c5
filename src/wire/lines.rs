//! JSON documents, one on each line, read as bytes: a character cut in two by the network is whole again before anybody
//! decodes it.

use crate::wire::sse::{EVENT_BYTES_MAX, TooLarge};

/// Cuts bytes into lines.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    /// A line was too large: nothing is read after it.
    is_too_large: bool,
}

impl Reader {
    /// Takes in a piece; gives each line that it completes and that is not empty.
    pub fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) -> Result<(), TooLarge> {
        if self.is_too_large {
            return Err(TooLarge);
        }
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (front, tail) = rest.split_at(end);
            self.line.extend_from_slice(front);
            rest = tail.get(1..).unwrap_or_default();
            self.give(&mut line);
        }
        self.line.extend_from_slice(rest);
        if self.line.len() > EVENT_BYTES_MAX {
            *self = Self { line: Vec::new(), is_too_large: true };
            return Err(TooLarge);
        }
        Ok(())
    }

    /// The end of all bytes: the last line needs no end of its own.
    pub fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        self.give(&mut line);
    }

    fn give(&mut self, line: &mut impl FnMut(&[u8])) {
        if !self.line.trim_ascii().is_empty() {
            line(self.line.trim_ascii());
        }
        self.line.clear();
    }
}
