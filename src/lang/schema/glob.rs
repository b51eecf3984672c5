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
        let mut now = self.begin();
        let mut next = now.clone();
        let mut before = None;
        for c in folded.chars() {
            self.walk(&mut now, &mut next, before, c);
            std::mem::swap(&mut now, &mut next);
            before = Some(c);
        }
        self.accepts(&now)
    }

    /// The places of the pattern in which a walk over a text begins.
    pub fn begin(&self) -> Vec<bool> {
        let mut places = vec![false; self.parts.len() + 1];
        self.enter(&mut places, 0);
        places
    }

    /// The places that a folded character leads to; `before` is the one before it.
    pub fn walk(&self, now: &mut [bool], next: &mut [bool], before: Option<char>, c: char) {
        if self.path && before == Some('/') {
            self.enter(now, 0);
        }
        next.fill(false);
        for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| now[*at]) {
            let slash = self.path && c == '/';
            match part {
                Part::Plain(plain) if *plain == c => self.enter(next, at + 1),
                Part::One if !slash => self.enter(next, at + 1),
                Part::Some if !slash => self.enter(next, at),
                Part::All => self.enter(next, at),
                Part::Components => {
                    next[at] = true;
                    if slash {
                        self.enter(next, at + 1);
                    }
                }
                Part::Plain(_) | Part::One | Part::Some => {}
            }
        }
    }

    /// Whether the text may end in these places.
    pub fn accepts(&self, places: &[bool]) -> bool {
        places[self.parts.len()]
    }

    /// The characters that it names.
    pub fn chars(&self) -> impl Iterator<Item = char> + '_ {
        self.parts.iter().filter_map(|part| if let Part::Plain(c) = part { Some(*c) } else { None })
    }

    /// The longest runs of characters that it names: each stands in every text that it takes.
    pub fn runs(&self) -> Vec<String> {
        let runs = self.parts.split(|part| !matches!(part, Part::Plain(_)));
        let run = |run: &[Part]| {
            run.iter().filter_map(|part| if let Part::Plain(c) = part { Some(*c) } else { None }).collect::<String>()
        };
        runs.map(run).filter(|run| !run.is_empty()).collect()
    }

    /// A text that it takes: a letter where any character may stand, nothing where nothing need stand.
    pub fn sample(&self) -> String {
        let part = |part: &Part| match part {
            Part::Plain(c) => Some(*c),
            Part::One => Some('a'),
            Part::Some if self.path => Some('a'),
            Part::Some | Part::All | Part::Components => None,
        };
        self.parts.iter().filter_map(part).collect()
    }

    /// The whole text that it takes, when it takes only one.
    pub fn only(&self) -> Option<String> {
        let plain = !self.path && self.parts.iter().all(|part| matches!(part, Part::Plain(_)));
        plain.then(|| self.sample())
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
