//! Places, as the protocol counts them and as sources do.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use lsp_types::{Position, PositionEncodingKind, Range, Uri};

use crate::lang::source::{Source, Span};
use crate::tools::uri_of;

/// How a client counts columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16,
}

impl Encoding {
    /// Bytes, where the client offers it: they need no counting.
    pub(super) fn of(offered: Option<&[PositionEncodingKind]>) -> Self {
        let utf8 = offered.is_some_and(|kinds| kinds.contains(&PositionEncodingKind::UTF8));
        if utf8 { Self::Utf8 } else { Self::Utf16 }
    }

    pub(super) fn kind(self) -> PositionEncodingKind {
        match self {
            Self::Utf8 => PositionEncodingKind::UTF8,
            Self::Utf16 => PositionEncodingKind::UTF16,
        }
    }

    fn width(self, text: &str) -> usize {
        match self {
            Self::Utf8 => text.len(),
            Self::Utf16 => text.encode_utf16().count(),
        }
    }

    /// Where a byte stands.
    pub(super) fn position(self, source: &Source, byte: usize) -> Position {
        let (line, start) = source.line_of(byte);
        let before = source.text.get(start..byte).unwrap_or_default();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position { line: number(line), character: number(self.width(before)) }
    }

    /// The byte that a position stands at; the end of its line where it is past that.
    pub(super) fn offset(self, source: &Source, position: Position) -> usize {
        let range = source.line_range(position.line as usize);
        let line = source.text.get(range.clone()).unwrap_or_default();
        let line = line.trim_end_matches(['\n', '\r']);
        let wanted = position.character as usize;
        let mut seen = 0;
        for (at, c) in line.char_indices() {
            if seen >= wanted {
                return range.start + at;
            }
            seen += match self {
                Self::Utf8 => c.len_utf8(),
                Self::Utf16 => c.len_utf16(),
            };
        }
        range.start + line.len()
    }

    pub(super) fn range(self, source: &Source, span: Span) -> Range {
        Range { start: self.position(source, span.start as usize), end: self.position(source, span.end as usize) }
    }

    /// All of a text.
    pub(super) fn whole(self, source: &Source) -> Range {
        Range { start: Position::default(), end: self.position(source, source.text.len()) }
    }
}

/// The path of a file's URI.
pub(super) fn path_of(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let path = rest.get(rest.find('/')?..)?;
    let mut bytes = Vec::with_capacity(path.len());
    let mut left = path.bytes();
    while let Some(byte) = left.next() {
        let escaped = |left: &mut std::str::Bytes<'_>| {
            let digits = [left.next()?, left.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
        };
        bytes.push(if byte == b'%' { escaped(&mut left)? } else { byte });
    }
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

/// The URI of a file.
pub(super) fn uri(path: &Path) -> Option<Uri> {
    Uri::from_str(&uri_of(&path.display().to_string())).ok()
}
