//! Tests of texts as automata that read a text once, character by character. Their states are a few words of bits, so
//! that the product of several can be searched.

use crate::lang::analysis::strings::alphabet::{Kind, Letter};
use crate::lang::analysis::strings::regex::{Before, Machine};
use crate::lang::ir::{Member, Pattern, TextTest};
use crate::lang::schema::glob::Glob;

/// A test as an automaton.
#[derive(Debug)]
pub(super) enum Walker<'a> {
    /// A pattern that stands somewhere.
    Contains { chars: Vec<char>, pattern: &'a Pattern },
    /// The whole text, folded.
    Whole(Vec<char>),
    /// The last component of a path ends with this.
    Ending(Vec<char>),
    /// The last component of a path is this.
    Name(Vec<char>),
    /// A glob.
    Glob(&'a Glob),
    /// The text is not empty.
    NotEmpty,
    /// A regular expression.
    Regex(Machine),
}

/// What became of a pattern that is looked for, in the last word of its state.
const LOOKING: u64 = 0;
/// It ends at the last character, if a word ends there.
const PENDING: u64 = 1;
const FOUND: u64 = 2;

impl<'a> Walker<'a> {
    /// Of a text's test; none for what no automaton stands for.
    pub(super) fn of_text(test: &'a TextTest) -> Option<Self> {
        match test {
            TextTest::NotEmpty => Some(Self::NotEmpty),
            TextTest::Is(value) => Some(Self::Whole(value.chars().collect())),
            TextTest::Like(glob) => Some(Self::Glob(glob)),
            TextTest::Contains(pattern) => Some(Self::Contains { chars: pattern.text.chars().collect(), pattern }),
            TextTest::Matches(regex) => Machine::of(&regex.source).map(Self::Regex),
            TextTest::Present => None,
        }
    }

    /// Of a test of a set's member.
    pub(super) fn of_member(member: &'a Member) -> Self {
        match member {
            Member::Any => Self::NotEmpty,
            Member::Extension(text) => Self::Ending(text.chars().collect()),
            Member::FileName(text) => Self::Name(text.chars().collect()),
            Member::Glob(glob) => Self::Glob(glob),
            Member::Is(text) => Self::Whole(text.chars().collect()),
        }
    }

    /// The characters that it tells apart.
    pub(super) fn chars(&self) -> Vec<char> {
        match self {
            Self::Contains { chars, .. } | Self::Whole(chars) | Self::Ending(chars) | Self::Name(chars) => {
                chars.clone()
            }
            Self::Glob(glob) => glob.chars().collect(),
            Self::NotEmpty | Self::Regex(_) => Vec::new(),
        }
    }

    /// The classes of characters that it tells apart.
    pub(super) fn classes(&self) -> Vec<&[(char, char)]> {
        if let Self::Regex(machine) = self { machine.classes().collect() } else { Vec::new() }
    }

    /// Whether case counts for it.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::Regex(_)) || matches!(self, Self::Contains { pattern, .. } if pattern.exact)
    }

    /// How many words its state takes.
    pub(super) fn words(&self) -> usize {
        match self {
            Self::Contains { chars, .. } => chars.len().div_ceil(64) + 1,
            Self::Whole(_) | Self::Name(_) | Self::NotEmpty => 1,
            Self::Ending(chars) => (chars.len() + 1).div_ceil(64),
            Self::Glob(glob) => glob.begin().len().div_ceil(64),
            Self::Regex(machine) => machine.n_states().div_ceil(64) + 1,
        }
    }

    /// The state before the first character. `state` is zero.
    pub(super) fn begin(&self, state: &mut [u64]) {
        match self {
            Self::Glob(glob) => pack(&glob.begin(), state),
            // Of a whole text: how many characters agree so far, one added; zero when one does not.
            Self::Whole(_) | Self::Name(_) => state[0] = 1,
            Self::Ending(_) => state[0] = 1,
            Self::Contains { .. } | Self::NotEmpty | Self::Regex(_) => {}
        }
    }

    /// The state behind a character. `to` is zero.
    pub(super) fn step(&self, from: &[u64], to: &mut [u64], before: Before, letter: Letter) {
        match self {
            Self::Contains { chars, pattern } => contains_step(chars, pattern, from, to, before.kind, letter),
            Self::Regex(machine) => {
                let status = from.len() - 1;
                let next =
                    if from[status] == FOUND { None } else { machine.step(bits(&from[..status]), before, letter) };
                match next {
                    Some(states) => states.into_iter().for_each(|state| set(to, state)),
                    None => to[status] = FOUND,
                }
            }
            Self::Whole(chars) => to[0] = agree(chars, from[0], letter),
            Self::Name(chars) => {
                let fresh = if letter.kind == Kind::Slash { 1 } else { agree(chars, from[0], letter) };
                to[0] = fresh;
            }
            Self::Ending(chars) => {
                // Bit n: the last n characters are the first n of the ending. A slash begins a new component.
                set(to, 0);
                if letter.kind != Kind::Slash {
                    for (at, c) in chars.iter().enumerate() {
                        if has(from, at) && *c == letter.folded {
                            set(to, at + 1);
                        }
                    }
                }
            }
            Self::Glob(glob) => {
                let mut now = unpack(from, glob.begin().len());
                let mut next = vec![false; now.len()];
                let slash = (before.kind == Kind::Slash).then_some('/');
                glob.walk(&mut now, &mut next, slash, letter.folded);
                pack(&next, to);
            }
            Self::NotEmpty => to[0] = 1,
        }
    }

    /// Whether it holds when the text ends here.
    pub(super) fn accepts(&self, state: &[u64], last: Before) -> bool {
        match self {
            Self::Regex(machine) => {
                let status = state.len() - 1;
                state[status] == FOUND || machine.accepts(bits(&state[..status]), last)
            }
            Self::Contains { .. } => state[state.len() - 1] != LOOKING,
            Self::Whole(chars) | Self::Name(chars) => state[0] == chars.len() as u64 + 1,
            Self::Ending(chars) => has(state, chars.len()),
            Self::Glob(glob) => glob.accepts(&unpack(state, glob.begin().len())),
            Self::NotEmpty => state[0] == 1,
        }
    }

    /// Whether it holds or does not hold whatever follows; none when that is open.
    pub(super) fn settled(&self, state: &[u64]) -> Option<bool> {
        match self {
            Self::Contains { .. } | Self::Regex(_) => (state[state.len() - 1] == FOUND).then_some(true),
            Self::Whole(_) => (state[0] == 0).then_some(false),
            Self::Glob(_) => state.iter().all(|word| *word == 0).then_some(false),
            Self::NotEmpty => (state[0] == 1).then_some(true),
            Self::Name(_) | Self::Ending(_) => None,
        }
    }
}

/// One more character that agrees; zero when it does not.
fn agree(chars: &[char], so_far: u64, letter: Letter) -> u64 {
    let next = usize::try_from(so_far).ok().and_then(|at| at.checked_sub(1)).and_then(|at| chars.get(at));
    if next == Some(&letter.folded) { so_far + 1 } else { 0 }
}

/// Bit n - 1: the last n characters are the first n of the pattern, which began where a word may begin.
fn contains_step(chars: &[char], pattern: &Pattern, from: &[u64], to: &mut [u64], before: Kind, letter: Letter) {
    let status = from.len() - 1;
    let ended_word = from[status] == PENDING && last_kind(chars).is_boundary(letter.kind);
    if from[status] == FOUND || ended_word {
        to[status] = FOUND;
        return;
    }
    let own = if pattern.exact { letter.raw } else { letter.folded };
    let may_begin = !pattern.starts_word || before == Kind::Start || before.is_boundary(letter.kind);
    for (at, c) in chars.iter().enumerate() {
        let reached = if at == 0 { may_begin } else { has(from, at - 1) };
        if reached && *c == own {
            set(to, at);
        }
    }
    if has(to, chars.len() - 1) {
        to[status] = if pattern.ends_word { PENDING } else { FOUND };
        if to[status] == FOUND {
            to[..status].fill(0);
        }
    }
}

fn last_kind(chars: &[char]) -> Kind {
    chars.last().map_or(Kind::Start, |c| Kind::of(*c))
}

fn has(words: &[u64], bit: usize) -> bool {
    words[bit / 64] >> (bit % 64) & 1 == 1
}

fn set(words: &mut [u64], bit: usize) {
    words[bit / 64] |= 1 << (bit % 64);
}

/// The bits that are set.
fn bits(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    (0..words.len() * 64).filter(|bit| has(words, *bit))
}

fn pack(places: &[bool], words: &mut [u64]) {
    places.iter().enumerate().filter(|(_, there)| **there).for_each(|(bit, _)| set(words, bit));
}

fn unpack(words: &[u64], n: usize) -> Vec<bool> {
    (0..n).map(|bit| has(words, bit)).collect()
}
