//! The tree as text, in one canonical layout, with every comment where it was.
//!
//! What has a comment inside is broken over several lines, so that there is a line for it.

mod comments;
mod conditions;
mod rows;
mod words;

use std::cell::Cell;
use std::collections::VecDeque;

use crate::lang::source::{Source, Span};
use crate::lang::syntax::print::words::{action_words, budget_words, expect_words, given_words, target_words};
use crate::lang::syntax::tree::{
    Action, ActionKind, Bound, Comment, Expect, File, Item, ItemKind, Rule, TestItem, TestLine,
};

/// The widest line, in characters. What cannot be broken may be wider.
const WIDTH: usize = 100;
/// What a level is moved in by.
const STEP: usize = 2;

/// A file in its layout.
#[derive(Debug)]
pub struct Printed {
    /// The text.
    pub text: String,
    /// A comment stood where it has no place of its own and was moved, so that the layout may now be another one.
    pub has_moved: bool,
}

/// The text of a file.
pub fn file(file: &File, source: &Source, comments: &[Comment]) -> Printed {
    let comments = comments.iter().collect();
    let mut printer = Printer { source, comments, lines: Vec::new(), has_moved: Cell::new(false) };
    printer.file(file);
    let mut text = String::with_capacity(source.text.len() + source.text.len() / 8);
    let mut rest = printer.lines.as_slice();
    while let Some(first) = rest.first() {
        // Comments behind neighbouring lines stand below one another, where that fits.
        let n = rest.iter().take_while(|line| line.is_neighbour_of(first)).count().max(1);
        let (block, others) = rest.split_at(n);
        let column = block.iter().map(|line| width(&line.text)).max().unwrap_or(0);
        let fits = block.iter().all(|line| column + 2 + width(&line.comment) <= WIDTH);
        for line in block {
            let own = line.text.trim_end();
            text.push_str(own);
            if !line.comment.is_empty() {
                let missing = if fits { column - width(&line.text) } else { 0 };
                text.extend(std::iter::repeat_n(' ', missing + 2));
                text.push_str(&line.comment);
            }
            text.push('\n');
        }
        rest = others;
    }
    Printed { text, has_moved: printer.has_moved.get() }
}

struct Printer<'a> {
    source: &'a Source,
    /// The comments that are still to be written.
    comments: VecDeque<&'a Comment>,
    lines: Vec<Line>,
    /// See `Printed`.
    has_moved: Cell<bool>,
}

/// A line, and the comment behind it.
#[derive(Default)]
struct Line {
    text: String,
    comment: String,
}

impl Line {
    /// Whether the comments behind two lines belong below one another.
    fn is_neighbour_of(&self, other: &Self) -> bool {
        !self.comment.is_empty() && !other.comment.is_empty() && self.indent() == other.indent()
    }

    fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }

    /// Nothing can stand behind it: a comment ends it.
    fn is_closed(&self) -> bool {
        !self.comment.is_empty() || self.text.trim_start().starts_with('#')
    }
}

/// The width of some words, in characters.
fn width(words: &str) -> usize {
    if words.is_ascii() { words.len() } else { words.chars().count() }
}

impl Printer<'_> {
    fn push(&mut self, indent: usize, text: &str) {
        let mut line = String::with_capacity(indent + text.len());
        line.extend(std::iter::repeat_n(' ', indent));
        line.push_str(text);
        self.lines.push(Line { text: line, comment: String::new() });
    }

    fn empty_line(&mut self) {
        self.lines.push(Line::default());
    }

    fn file(&mut self, file: &File) {
        let mut last: Option<(&Item, u32)> = None;
        let mut language = None;
        if let Some(version) = &file.language {
            self.leading(version.span().start, 0);
            self.push(0, &format!("language {}", version.raw));
            self.trailing(version.span());
            language = Some(version.span().end);
        }
        let mut index = 0;
        while index < file.items.len() {
            let item = &file.items[index];
            let start = item.place.0.start;
            let gap = match last {
                Some((last, end)) => !is_short(last) || !is_short(item) || self.gap_behind(end, start),
                None => language.is_some(),
            };
            if gap {
                self.empty_line();
            }
            self.leading(start, 0);
            let rows = self.neighbours(&file.items[index..]);
            if rows.len() > 1 {
                self.neighbour_lines(&rows);
            } else {
                self.item(item);
            }
            index += rows.len().max(1);
            last = file.items.get(index - 1).map(|item| (item, item.place.0.end));
        }
        let before = last.map(|(_, end)| end).or(language);
        if let (Some(comment), Some(end)) = (self.comments.front(), before) {
            let apart = last.is_none_or(|(item, _)| !is_short(item)) || self.blank_between(end, comment.span.start);
            if apart {
                self.empty_line();
            }
        }
        self.leading(u32::MAX, 0);
    }

    fn item(&mut self, item: &Item) {
        let span = item.place.0;
        match &item.kind {
            ItemKind::Use(path) => self.push(0, &format!("use {}", path.raw)),
            ItemKind::Let(name, bound) => {
                let lead = format!("let {} = ", name.text);
                match bound {
                    Bound::Value(value) => self.value_lines(&lead, value, "", 0, span),
                    Bound::Condition(condition) => self.condition_lines(&lead, condition, "", 0, span),
                }
            }
            ItemKind::Budget(budget) => self.push(0, &budget_words(budget)),
            ItemKind::Label(label) => {
                let ordered = if label.ordered { " ordered" } else { "" };
                self.open(&format!("label {}{ordered}", label.name.text), span);
                let last = self.label_lines(label);
                self.close(last, span);
            }
            ItemKind::Pool(pool) => {
                let sticky = pool.sticky.as_ref().map_or_else(String::new, |sticky| format!(" sticky {}", sticky.text));
                let hedge = pool.hedge.as_ref().map_or_else(String::new, |share| format!(" hedge {}", share.raw));
                self.open(&format!("pool {} {}{sticky}{hedge}", pool.name.text, pool.strategy.text), span);
                let last = self.pool_lines(pool);
                self.close(last, span);
            }
            ItemKind::Rule(rule) => self.rule("rule", rule, span),
            ItemKind::Adjust(rule) => self.rule("adjust", rule, span),
            ItemKind::Default(actions) => {
                let one = actions.iter().map(action_words).collect::<Vec<_>>().join(" ");
                let one = format!("default {{ {one} }}");
                if !self.has_comment(span) && actions.len() <= 1 && width(&one) <= WIDTH {
                    self.push(0, &one);
                } else {
                    self.open("default", span);
                    let last = self.actions(None, actions);
                    self.close(last, span);
                }
            }
            ItemKind::Test(test) => self.test(test, span),
        }
        self.trailing(span);
    }

    /// The head of an item with its opening brace, and what is said behind that.
    fn open(&mut self, head: &str, item: Span) {
        let text = self.source.text.get(item.range()).unwrap_or_default();
        let brace = text.find('{').map_or(item.end, |at| item.start + u32::try_from(at).unwrap_or(0) + 1);
        self.push(0, &format!("{head} {{"));
        self.trailing_of_open(brace);
    }

    /// The closing brace, behind the comments that stand before it.
    fn close(&mut self, last: Option<u32>, item: Span) {
        self.leading_last(last, item.end.saturating_sub(1), STEP);
        self.push(0, "}");
    }

    fn rule(&mut self, word: &str, rule: &Rule, span: Span) {
        self.open(&format!("{word} {}", rule.name.text), span);
        let when = rule.when.span();
        self.leading(when.start, STEP);
        self.condition_lines("when ", &rule.when, "", STEP, when);
        self.trailing(when);
        let last = self.actions(Some(when.end), &rule.actions);
        self.close(last, span);
    }

    /// Actions behind what ends at `last`; gives where they end.
    fn actions(&mut self, mut last: Option<u32>, actions: &[Action]) -> Option<u32> {
        for action in actions {
            let span = action.place.0;
            self.gap(last, span.start);
            self.leading(span.start, STEP);
            let words = action_words(action);
            match &action.kind {
                ActionKind::Route(chain) if self.has_comment(span) || width(&words) + STEP > WIDTH => {
                    for (index, target) in chain.iter().enumerate() {
                        let lead = if index == 0 { "route " } else { " else " };
                        self.leading_inside(target.span().start, STEP + STEP);
                        self.push(STEP, &format!("{lead}{}", target_words(target)));
                        self.trailing(target.span());
                    }
                }
                _ => self.push(STEP, &words),
            }
            self.trailing(span);
            last = Some(span.end);
        }
        last
    }

    fn test(&mut self, test: &TestItem, span: Span) {
        self.open(&format!("test {}", test.name.raw), Span { start: test.name.span().end, ..span });
        let mut last = None;
        for line in &test.lines {
            let (TestLine::Given(_, place) | TestLine::Expect(_, place)) = line;
            self.gap(last, place.0.start);
            self.leading(place.0.start, STEP);
            match line {
                TestLine::Given(parts, _) => self.given(&parts.iter().map(given_words).collect::<Vec<_>>()),
                TestLine::Expect(Expect::Condition(condition), _) => {
                    self.condition_lines("expect ", condition, "", STEP, condition.span());
                }
                TestLine::Expect(expect, _) => self.push(STEP, &format!("expect {}", expect_words(expect))),
            }
            self.trailing(place.0);
            last = Some(place.0.end);
        }
        self.close(last, span);
    }

    fn given(&mut self, parts: &[String]) {
        let one = format!("given {}", parts.join(", "));
        if width(&one) + STEP <= WIDTH || parts.len() == 1 {
            return self.push(STEP, &one);
        }
        for (index, part) in parts.iter().enumerate() {
            let lead = if index == 0 { "given " } else { "      " };
            let comma = if index + 1 < parts.len() { "," } else { "" };
            self.push(STEP, &format!("{lead}{part}{comma}"));
        }
    }
}

/// Items of one line may stand together without an empty line between.
fn is_short(item: &Item) -> bool {
    matches!(item.kind, ItemKind::Use(_) | ItemKind::Let(..) | ItemKind::Budget(_))
}
