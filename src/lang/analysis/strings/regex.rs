//! A regular expression as an automaton over the characters of a text (Thompson, 1968), searched for anywhere. Ends of
//! lines and ASCII's own word borders are left out: an expression with them is only tried.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::lang::analysis::strings::alphabet::{Kind, Letter};

/// The most states of an expression.
const STATES_MAX: usize = 512;

/// An expression.
#[derive(Debug)]
pub(super) struct Machine {
    states: Vec<State>,
    start: usize,
}

#[derive(Debug)]
enum State {
    /// A character of these ranges leads on.
    Chars(Vec<(char, char)>, usize),
    /// Any of these.
    Split(Vec<usize>),
    /// Only where this holds.
    Look(Border, usize),
    Match,
}

#[derive(Debug, Clone, Copy)]
enum Border {
    Start,
    End,
    Word,
    NoWord,
}

/// What stands before a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Before {
    pub(super) kind: Kind,
    /// A word character as regular expressions see it.
    pub(super) is_word: bool,
}

impl Machine {
    /// The automaton of an expression; none when it is too large, or has something that is left out.
    pub(super) fn of(source: &str) -> Option<Self> {
        let hir = regex_syntax::parse(source).ok()?;
        let mut machine = Self { states: vec![State::Match], start: 0 };
        machine.start = machine.add(&hir, 0)?;
        Some(machine)
    }

    /// The states of a part that leads to `next`; its first one.
    fn add(&mut self, hir: &Hir, next: usize) -> Option<usize> {
        match hir.kind() {
            HirKind::Empty => Some(next),
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0).ok()?;
                let chars: Vec<char> = text.chars().collect();
                chars.iter().rev().try_fold(next, |next, c| self.state(State::Chars(vec![(*c, *c)], next)))
            }
            HirKind::Class(Class::Unicode(class)) => {
                let ranges = class.ranges().iter().map(|range| (range.start(), range.end())).collect();
                self.state(State::Chars(ranges, next))
            }
            HirKind::Class(Class::Bytes(_)) => None,
            HirKind::Look(look) => {
                let border = match look {
                    Look::Start => Border::Start,
                    Look::End => Border::End,
                    Look::WordUnicode => Border::Word,
                    Look::WordUnicodeNegate => Border::NoWord,
                    _ => return None,
                };
                self.state(State::Look(border, next))
            }
            HirKind::Capture(capture) => self.add(&capture.sub, next),
            HirKind::Concat(parts) => parts.iter().rev().try_fold(next, |next, part| self.add(part, next)),
            HirKind::Alternation(parts) => {
                let firsts: Option<Vec<usize>> = parts.iter().map(|part| self.add(part, next)).collect();
                self.state(State::Split(firsts?))
            }
            HirKind::Repetition(repetition) => {
                let mut first = match repetition.max {
                    None => {
                        let again = self.state(State::Split(Vec::new()))?;
                        let part = self.add(&repetition.sub, again)?;
                        self.states[again] = State::Split(vec![part, next]);
                        again
                    }
                    Some(max) => {
                        let mut first = next;
                        for _ in repetition.min..max {
                            let part = self.add(&repetition.sub, first)?;
                            first = self.state(State::Split(vec![part, next]))?;
                        }
                        first
                    }
                };
                for _ in 0..repetition.min {
                    first = self.add(&repetition.sub, first)?;
                }
                Some(first)
            }
        }
    }

    fn state(&mut self, state: State) -> Option<usize> {
        self.states.push(state);
        (self.states.len() <= STATES_MAX).then(|| self.states.len() - 1)
    }

    /// How many states there are.
    pub(super) fn n_states(&self) -> usize {
        self.states.len()
    }

    /// The classes of characters that it tells apart.
    pub(super) fn classes(&self) -> impl Iterator<Item = &[(char, char)]> {
        self.states.iter().filter_map(|state| if let State::Chars(ranges, _) = state { Some(&**ranges) } else { None })
    }

    /// The states that are reached from some, and from the start, without a character, where `after` stands behind.
    fn closure(&self, from: impl Iterator<Item = usize>, before: Before, after: Option<Letter>) -> Vec<bool> {
        let mut there = vec![false; self.states.len()];
        let mut open: Vec<usize> = from.chain([self.start]).collect();
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut there[at], true) {
                continue;
            }
            match &self.states[at] {
                State::Split(next) => open.extend(next),
                State::Look(border, next) => {
                    let other = after.is_some_and(|letter| letter.is_regex_word);
                    let holds = match border {
                        Border::Start => before.kind == Kind::Start,
                        Border::End => after.is_none(),
                        Border::Word => before.is_word != other,
                        Border::NoWord => before.is_word == other,
                    };
                    open.extend(holds.then_some(*next));
                }
                State::Chars(..) | State::Match => {}
            }
        }
        there
    }

    /// The states behind a character; none once the expression has matched.
    pub(super) fn step(&self, from: impl Iterator<Item = usize>, before: Before, letter: Letter) -> Option<Vec<usize>> {
        let there = self.closure(from, before, Some(letter));
        if there[0] {
            return None;
        }
        let holds = |ranges: &[(char, char)]| {
            let after = ranges.partition_point(|(start, _)| *start <= letter.raw);
            after > 0 && ranges[after - 1].1 >= letter.raw
        };
        let steps = self.states.iter().zip(&there).filter(|(_, there)| **there);
        let mut next: Vec<usize> = steps
            .filter_map(|(state, _)| match state {
                State::Chars(ranges, next) if holds(ranges) => Some(*next),
                State::Chars(..) | State::Split(_) | State::Look(..) | State::Match => None,
            })
            .collect();
        next.sort_unstable();
        next.dedup();
        Some(next)
    }

    /// Whether it matches when the text ends here.
    pub(super) fn accepts(&self, from: impl Iterator<Item = usize>, before: Before) -> bool {
        self.closure(from, before, None)[0]
    }
}
