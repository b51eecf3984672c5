//! Source texts, and places in them. Knows nothing of the language.

use std::ops::Range;

/// Which source text of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SourceId(pub u16);

/// A place in a source text: a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// The text that the place is in.
    pub source: SourceId,
    /// Its first byte.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
}

impl Span {
    /// The place of `range` in `source`.
    pub fn new(source: SourceId, range: Range<usize>) -> Self {
        let clip = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { source, start: clip(range.start), end: clip(range.end) }
    }

    /// From the beginning of this place to the end of `other`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { end: other.end.max(self.end), ..self }
    }

    /// The bytes of the place.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One text, with the name that it goes by in messages.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file's name, as messages show it.
    pub name: String,
    /// Its whole text.
    pub text: String,
    line_starts: Vec<u32>,
}

/// A line and a column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Source {
    /// A source text; the name is only shown.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts =
            std::iter::once(0).chain(ends.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX))).collect();
        Self { name: name.into(), text, line_starts }
    }

    /// Where a byte stands.
    pub fn position(&self, byte: usize) -> Position {
        let line = self.line_starts.partition_point(|start| *start as usize <= byte).max(1);
        let start = self.line_starts[line - 1] as usize;
        let before = self.text.get(start..byte).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }

    /// The text of a line, counted from 1, without its end.
    pub fn line(&self, line: usize) -> &str {
        let start = self.line_starts.get(line - 1).map_or(self.text.len(), |at| *at as usize);
        let end = self.line_starts.get(line).map_or(self.text.len(), |at| *at as usize);
        self.text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r'])
    }

    /// The line of a byte, counted from 0, and the byte that it begins with.
    pub fn line_of(&self, byte: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start as usize <= byte).max(1) - 1;
        (line, self.line_starts[line] as usize)
    }

    /// The bytes of a line, counted from 0, with its end; empty at the end of the text where there is no such line.
    pub fn line_range(&self, line: usize) -> Range<usize> {
        let at = |line: usize| self.line_starts.get(line).map_or(self.text.len(), |at| *at as usize);
        at(line)..at(line.saturating_add(1))
    }

    /// The words of a place.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }
}

/// All texts of a program, in the order in which they were read.
#[derive(Debug, Clone, Default)]
pub struct Sources(pub Vec<Source>);

impl Sources {
    /// Adds a text.
    pub fn add(&mut self, source: Source) -> SourceId {
        self.0.push(source);
        SourceId(u16::try_from(self.0.len() - 1).unwrap_or(u16::MAX))
    }

    /// The text of an id.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.0[id.0 as usize]
    }

    /// The words of a place.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source).slice(span)
    }

    /// Where a place begins.
    pub fn position(&self, span: Span) -> Position {
        self.get(span.source).position(span.start as usize)
    }
}
