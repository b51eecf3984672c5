//! The shortest text that some tests take and others do not: a search through the product of their automata, which
//! either finds one, or has seen every state and proves that there is none.

use std::collections::{BTreeSet, HashSet};

use crate::lang::analysis::strings::alphabet::{Kind, Letter, letters};
use crate::lang::analysis::strings::form::{BEGINNING, Form};
use crate::lang::analysis::strings::regex::Before;
use crate::lang::analysis::strings::walker::Walker;
use crate::lang::schema::fold;

/// The most states that are looked at.
const STATES_MAX: usize = 20_000;

/// What a search ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shortest {
    Text(String),
    None,
    /// The limit was reached.
    Unknown,
}

struct Node {
    state: Box<[u64]>,
    last: Before,
    /// The node before, and the character between; none at the root.
    from: Option<(u32, char)>,
}

/// Searches for a text of a form. Each automaton stands with whether it must take the text. `work` is told each bit of
/// work, and says when it is too much.
pub(super) fn shortest(walkers: &[(&Walker<'_>, bool)], form: Form, work: &dyn Fn(usize) -> bool) -> Shortest {
    let mut named: BTreeSet<char> = walkers.iter().flat_map(|(walker, _)| walker.chars()).collect();
    named.extend(form.chars());
    let cases = walkers.iter().any(|(walker, _)| walker.is_exact());
    if !cases {
        named = named.into_iter().map(fold::fold_char).collect();
    }
    let classes: Vec<&[(char, char)]> = walkers.iter().flat_map(|(walker, _)| walker.classes()).collect();
    let letters: Vec<Letter> =
        letters(&named, cases, &classes).into_iter().filter(|letter| form.has(*letter)).collect();
    let widths: Vec<usize> = walkers.iter().map(|(walker, _)| walker.words()).collect();
    let n_words: usize = widths.iter().sum();

    let mut root = vec![0u64; n_words + 1];
    each(&widths, |index, range| walkers[index].0.begin(&mut root[range]));
    root[n_words] = BEGINNING;
    let start = Before { kind: Kind::Start, is_word: false };
    let mut nodes = vec![Node { state: root.into_boxed_slice(), last: start, from: None }];
    let mut seen: HashSet<(Box<[u64]>, Before)> = HashSet::new();
    let mut at = 0;
    while at < nodes.len() {
        let node = &nodes[at];
        let whole = form.may_end(node.state[n_words], node.last.kind)
            && all(&widths, |index, range| walkers[index].0.accepts(&node.state[range], node.last) == walkers[index].1);
        if whole {
            return Shortest::Text(text_of(&nodes, at));
        }
        if nodes.len() > STATES_MAX || !work(letters.len() * (1 + n_words)) {
            return Shortest::Unknown;
        }
        for letter in &letters {
            let node = &nodes[at];
            let Some(place) = form.step(node.state[n_words], node.last.kind, *letter) else { continue };
            let mut next = vec![0u64; n_words + 1];
            each(&widths, |index, range| {
                walkers[index].0.step(&node.state[range.clone()], &mut next[range], node.last, *letter);
            });
            next[n_words] = place;
            let hopeless =
                !all(&widths, |index, range| walkers[index].0.settled(&next[range]) != Some(!walkers[index].1));
            if hopeless {
                continue;
            }
            let next = next.into_boxed_slice();
            let last = Before { kind: letter.kind, is_word: letter.is_regex_word };
            if seen.insert((next.clone(), last)) {
                let before = u32::try_from(at).unwrap_or(u32::MAX);
                nodes.push(Node { state: next, last, from: Some((before, letter.raw)) });
            }
        }
        at += 1;
    }
    Shortest::None
}

/// Calls `visit` with each automaton and the words of its state.
fn each(widths: &[usize], mut visit: impl FnMut(usize, std::ops::Range<usize>)) {
    let mut start = 0;
    for (index, width) in widths.iter().enumerate() {
        visit(index, start..start + width);
        start += width;
    }
}

fn all(widths: &[usize], mut holds: impl FnMut(usize, std::ops::Range<usize>) -> bool) -> bool {
    let mut every = true;
    each(widths, |index, range| every = every && holds(index, range));
    every
}

fn text_of(nodes: &[Node], end: usize) -> String {
    let mut chars = Vec::new();
    let mut at = end;
    while let Some((before, c)) = nodes[at].from {
        chars.push(c);
        at = before as usize;
    }
    chars.iter().rev().collect()
}
