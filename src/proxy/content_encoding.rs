//! Request bodies that a client compressed: `gzip`, `deflate`, `zstd` and `br`, decompressed in bounded memory.
//!
//! Sources: RFC 9110 8.4 (`Content-Encoding`), RFC 8878 and RFC 9659 (zstd and its largest window), RFC 7932 (brotli).

use std::io::Read;
use std::sync::Weak;

use bytes::Bytes;

use crate::proxy::call::too_large;
use crate::proxy::failure::Failure;
use crate::proxy::gate::Room;

/// How much is decompressed at a time, in bytes.
const PIECE: usize = 64 << 10;
/// How much larger the decompressed body's buffer becomes at a time, at most, in bytes.
const GROWTH_MAX: usize = 4 << 20;
/// The largest window of zstd that HTTP allows, in bytes.
const ZSTD_WINDOW_MAX: u64 = 8 << 20;
/// The encodings, as `accept-encoding` lists them.
const ACCEPTED: &str = "br, zstd, gzip, deflate, identity";

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentEncoding {
    Gzip,
    Deflate,
    Zstd,
    Brotli,
}

impl ContentEncoding {
    /// Reads a `content-encoding` header; `None` where the body is not compressed.
    pub(super) fn parse(header: Option<&str>) -> Result<Option<Self>, Failure> {
        let Some(header) = header else { return Ok(None) };
        let name = header.trim().to_ascii_lowercase();
        match name.as_str() {
            "" | "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Self::Gzip)),
            "deflate" => Ok(Some(Self::Deflate)),
            "zstd" => Ok(Some(Self::Zstd)),
            "br" => Ok(Some(Self::Brotli)),
            _ => {
                let shown: String = name.chars().take(40).collect();
                let message = format!("`content-encoding: {shown}` is not supported; send one of {ACCEPTED}");
                Err(Failure::client(415, message).with_header("accept-encoding", ACCEPTED))
            }
        }
    }

    fn reader<'p>(self, compressed: &'p [u8]) -> Box<dyn Read + 'p> {
        match self {
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(compressed)),
            Self::Deflate if is_zlib(compressed) => Box::new(flate2::read::ZlibDecoder::new(compressed)),
            // Some clients send the bare format that `deflate` is named after.
            Self::Deflate => Box::new(flate2::read::DeflateDecoder::new(compressed)),
            Self::Zstd => Box::new(ZstdFrames { rest: compressed, frame: None }),
            Self::Brotli => Box::new(brotli_decompressor::Decompressor::new(compressed, PIECE)),
        }
    }

    /// Returns the decompressed body. `most` is the largest one, in bytes; `room` counts it while it grows, beside the
    /// compressed one. The work stops when nobody holds what `client` points at.
    pub(super) fn decompress(
        self,
        compressed: &[u8],
        most: usize,
        room: &mut Room,
        client: &Weak<()>,
    ) -> Result<Bytes, Failure> {
        let mut reader = self.reader(compressed);
        let (mut piece, mut plain) = (vec![0; PIECE], Vec::new());
        loop {
            let n = reader
                .read(&mut piece)
                .map_err(|_| Failure::client(400, "the body is not compressed as its `content-encoding` says"))?;
            if n == 0 {
                break;
            }
            let size = plain.len() + n;
            if size > most {
                return Err(too_large(most));
            }
            if size > plain.capacity() {
                let capacity = size.max(plain.len() + plain.len().clamp(PIECE, GROWTH_MAX)).min(most);
                room.grow(compressed.len() + capacity)?;
                plain.reserve_exact(capacity - plain.len());
            }
            plain.extend_from_slice(piece.get(..n).unwrap_or_default());
            if client.strong_count() == 0 {
                return Err(Failure::client(499, "the client has gone"));
            }
        }
        Ok(plain.into())
    }
}

/// Whether bytes begin like a stream of zlib: RFC 1950, 2.2.
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..] if method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)).is_multiple_of(31))
}

/// A sequence of zstd frames, which RFC 8878 allows one body to be.
struct ZstdFrames<'p> {
    rest: &'p [u8],
    frame: Option<ruzstd::decoding::StreamingDecoder<&'p [u8], ruzstd::decoding::FrameDecoder>>,
}

impl Read for ZstdFrames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let frame = match self.frame.take() {
                None if self.rest.is_empty() => return Ok(0),
                None => {
                    let opened =
                        ruzstd::decoding::StreamingDecoder::new_with_max_window_size(self.rest, ZSTD_WINDOW_MAX);
                    opened.map_err(|_| std::io::Error::from(std::io::ErrorKind::InvalidData))?
                }
                Some(frame) => frame,
            };
            let frame = self.frame.insert(frame);
            let n = frame.read(buffer)?;
            if n > 0 {
                return Ok(n);
            }
            if let Some(frame) = self.frame.take() {
                self.rest = frame.into_inner();
            }
        }
    }
}
