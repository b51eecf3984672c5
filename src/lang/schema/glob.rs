//! Globs: of whole texts (`like`) and of the tails of paths. A set of places in the pattern walks over the text once, so
//! that no glob costs more than the product of the two lengths.

use crate::lang::schema::fold::fold;
use crate::lang::schema::text::Char;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Plain(char),
    /// One character; in paths not `/`.
    One,
    /// Any number of characters; in paths not `/`.
    Some,
    /// `**` of paths: any number of any characters.
    All,
    /// `**/` of paths: any number of whole components.
    Components,
}

/// A compiled glob. Case is folded, texts are compared in NFC.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    parts: Vec<Part>,
    path: bool,
}

impl Glob {
    /// A glob of whole texts.
    pub fn of_text(chars: &[Char]) -> Self {
        Self { parts: parts(chars, false), path: false }
    }

    /// A glob of the tails of paths; a leading `/` says nothing.
    pub fn of_path(chars: &[Char]) -> Self {
        Self { parts: parts(chars, true), path: true }
    }

    /// Whether the glob takes the text. `folded` must come from `fold`.
    pub fn matches(&self, folded: &str) -> bool {
        let mut now = vec![false; self.parts.len() + 1];
        let mut next = now.clone();
        self.enter(&mut now, 0);
        let mut before = None;
        for c in folded.chars() {
            if self.path && before == Some('/') {
                self.enter(&mut now, 0);
            }
            next.fill(false);
            for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| now[*at]) {
                let slash = self.path && c == '/';
                match part {
                    Part::Plain(plain) if *plain == c => self.enter(&mut next, at + 1),
                    Part::One if !slash => self.enter(&mut next, at + 1),
                    Part::Some if !slash => self.enter(&mut next, at),
                    Part::All => self.enter(&mut next, at),
                    Part::Components => {
                        next[at] = true;
                        if slash {
                            self.enter(&mut next, at + 1);
                        }
                    }
                    Part::Plain(_) | Part::One | Part::Some => {}
                }
            }
            std::mem::swap(&mut now, &mut next);
            before = Some(c);
        }
        now[self.parts.len()]
    }

    /// Marks a place, and those that are reached from it without a character.
    fn enter(&self, places: &mut [bool], at: usize) {
        let mut at = at;
        places[at] = true;
        while matches!(self.parts.get(at), Some(Part::Some | Part::All | Part::Components)) {
            at += 1;
            places[at] = true;
        }
    }
}

fn parts(chars: &[Char], path: bool) -> Vec<Part> {
    let mut found = Vec::new();
    let mut rest = chars;
    if path && rest.first() == Some(&Char::Plain('/')) {
        rest = &rest[1..];
    }
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            Char::Question => found.push(Part::One),
            Char::Star if path && tail.first() == Some(&Char::Star) => {
                rest = &tail[1..];
                let component = rest.first() == Some(&Char::Plain('/'));
                if component {
                    rest = &rest[1..];
                }
                found.push(if component { Part::Components } else { Part::All });
            }
            Char::Star => found.push(Part::Some),
            Char::Plain(c) => found.extend(fold(&c.to_string()).chars().map(Part::Plain)),
        }
    }
    found
}
