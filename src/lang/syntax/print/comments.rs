//! Where comments go: a comment on a line of its own stays before what it stood before, one behind something stays
//! behind it. Empty lines between things are kept, one of each run.

use crate::lang::source::Span;
use crate::lang::syntax::print::Printer;

impl Printer<'_> {
    /// Whether an empty line stands between two places.
    pub(super) fn blank_between(&self, from: u32, to: u32) -> bool {
        let between = self.source.text.get(from as usize..to as usize).unwrap_or_default();
        let mut lines = between.split('\n').skip(1).peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_some() && line.trim().is_empty() {
                return true;
            }
        }
        false
    }

    /// The first comment that is left, if it starts before a place, or the place.
    fn first_of(&self, place: u32) -> u32 {
        self.comments.front().map_or(place, |comment| comment.span.start.min(place))
    }

    /// Whether an empty line stands behind a place, before the next thing or the comments above it.
    pub(super) fn gap_behind(&self, end: u32, next: u32) -> bool {
        self.blank_between(end, self.first_of(next))
    }

    /// An empty line, where one stands behind the last thing.
    pub(super) fn gap(&mut self, end: Option<u32>, next: u32) {
        if end.is_some_and(|end| self.gap_behind(end, next)) {
            self.empty_line();
        }
    }

    /// The comments before a place, each on a line of its own.
    pub(super) fn leading(&mut self, before: u32, indent: usize) {
        let mut last: Option<u32> = None;
        while let Some(comment) = self.comments.pop_front_if(|comment| comment.span.start < before) {
            self.gap_between_comments(last, comment.span.start);
            last = Some(comment.span.end);
            self.push(indent, &comment.text);
        }
        if before != u32::MAX {
            self.gap_between_comments(last, before);
        }
    }

    /// The same inside of something, where no empty lines stand.
    pub(super) fn leading_inside(&mut self, before: u32, indent: usize) {
        while let Some(comment) = self.comments.pop_front_if(|comment| comment.span.start < before) {
            self.push(indent, &comment.text);
        }
    }

    fn gap_between_comments(&mut self, last: Option<u32>, next: u32) {
        if last.is_some_and(|end| self.blank_between(end, next)) {
            self.empty_line();
        }
    }

    /// The comments before a closing bracket.
    pub(super) fn leading_last(&mut self, last: Option<u32>, close: u32, indent: usize) {
        if self.comments.front().is_some_and(|comment| comment.span.start < close) {
            self.gap(last, close);
            let empty = self.lines.len();
            self.leading(close, indent);
            // Nothing follows that an empty line could set apart.
            if self.lines.len() > empty && self.lines.last().is_some_and(|line| line.text.is_empty()) {
                self.lines.pop();
            }
        }
    }

    /// The comments that stand in a thing or behind it, on the line where it ends.
    pub(super) fn trailing(&mut self, span: Span) {
        let end = self.line_end(span.end);
        while let Some(comment) = self.comments.front() {
            let start = comment.span.start;
            let is_next = start < end && (start < span.end || self.only_closes(span.end, start));
            let Some(comment) = self.comments.pop_front_if(|_| is_next) else { break };
            self.behind_last_line(&comment.text);
        }
    }

    /// Whether a comment stands behind a member of a list, on its line.
    pub(super) fn is_followed_by_comment(&self, member: Span) -> bool {
        let next = self.comments.front().map(|comment| comment.span.start);
        next.is_some_and(|start| start < self.line_end(member.end) && self.only_closes(member.end, start))
    }

    /// Whether nothing but commas and closing brackets stands between two places.
    fn only_closes(&self, from: u32, to: u32) -> bool {
        let between = self.source.text.get(from as usize..to as usize).unwrap_or_default();
        between.chars().all(|c| c.is_whitespace() || matches!(c, ',' | ')' | ']' | '}'))
    }

    /// A comment behind an opening bracket, where nothing else stands between.
    pub(super) fn trailing_of_open(&mut self, open: u32) {
        let end = self.line_end(open);
        let is_next = |comment: &mut &crate::lang::syntax::tree::Comment| {
            let between = self.source.text.get(open as usize..comment.span.start as usize);
            comment.span.start < end && between.is_some_and(|between| between.trim().is_empty())
        };
        if let Some(comment) = self.comments.pop_front_if(is_next) {
            self.behind_last_line(&comment.text);
        }
    }

    /// Puts a comment behind what was written last; on a line of its own where a comment stands there already.
    fn behind_last_line(&mut self, text: &str) {
        match self.lines.last_mut() {
            Some(line) if !line.is_closed() => line.comment.push_str(text),
            last => {
                let indent = last.map_or(0, |line| line.indent());
                self.push(indent, text);
            }
        }
    }

    /// Where the line of a place ends.
    fn line_end(&self, place: u32) -> u32 {
        let rest = self.source.text.get(place as usize..).unwrap_or_default();
        rest.find('\n').map_or(u32::MAX, |at| place + u32::try_from(at).unwrap_or(0))
    }

    /// Whether a comment stands inside of a thing.
    pub(super) fn has_comment(&self, span: Span) -> bool {
        let mut up_to = self.comments.iter().take_while(|comment| comment.span.end <= span.end);
        let found = up_to.any(|comment| comment.span.start >= span.start);
        self.has_moved.set(self.has_moved.get() || found);
        found
    }

    /// Whether a comment stands alone on its line.
    pub(super) fn own_line(&self, comment: Span) -> bool {
        let before = self.source.text.get(..comment.start as usize).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        before.get(line..).is_some_and(|before| before.trim().is_empty())
    }
}
