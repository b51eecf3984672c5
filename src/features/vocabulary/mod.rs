//! The vocabularies of OpenAI's models, counted exactly as tiktoken counts and much faster: whole pieces are looked up
//! first, most of them are one token, and how many tokens others are is remembered.
//!
//! `o200k.ranks` and `cl100k.ranks` hold the tokens in the order of their ranks, each as one byte of length and its bytes.
//! A test holds them to tiktoken-rs byte for byte, and counts to its counts.

mod classes;
mod merge;
mod split;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::FxHasher;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::features::vocabulary::split::NextEnd;
use crate::lang::catalogue::Vocabulary;

/// The longest piece that is counted as one, in bytes; longer ones are cut, so that no text takes longer than others. The
/// count is tiktoken's as long as there is a place in each so many bytes at which no token can be.
pub const PIECE_BYTES_MAX: usize = 2_048;
/// Pieces whose counts are remembered, a power of two.
const REMEMBERED: usize = 1 << 15;

/// A vocabulary that was loaded.
#[derive(Debug)]
pub struct Counts {
    ranks: Ranks,
    next: NextEnd,
    /// By a hash of a piece: the rest of the hash, and how many tokens it is.
    remembered: Box<[AtomicU64]>,
    seed: u64,
}

static O200K: OnceLock<Counts> = OnceLock::new();
static CL100K: OnceLock<Counts> = OnceLock::new();

impl Counts {
    /// A vocabulary, which the first call loads for all threads: about ten milliseconds.
    pub fn of(vocabulary: Vocabulary) -> &'static Self {
        match vocabulary {
            Vocabulary::O200k => O200K.get_or_init(|| Self::new(include_bytes!("o200k.ranks"), split::o200k)),
            Vocabulary::Cl100k => CL100K.get_or_init(|| Self::new(include_bytes!("cl100k.ranks"), split::cl100k)),
        }
    }

    /// Whether it is loaded.
    pub fn is_loaded(vocabulary: Vocabulary) -> bool {
        match vocabulary {
            Vocabulary::O200k => O200K.get().is_some(),
            Vocabulary::Cl100k => CL100K.get().is_some(),
        }
    }

    fn new(packed: &'static [u8], next: NextEnd) -> Self {
        let remembered = (0..REMEMBERED).map(|_| AtomicU64::new(0)).collect();
        Self { ranks: Ranks::new(packed), next, remembered, seed: RandomState::new().build_hasher().finish() }
    }

    /// The tokens of a text.
    pub fn count(&self, text: &str) -> u64 {
        let (mut counted, mut start) = (0, 0);
        while start < text.len() {
            let end = (self.next)(text, start).max(start + 1);
            let piece = &text.as_bytes()[start..end.min(text.len())];
            counted += if piece.len() <= PIECE_BYTES_MAX { self.piece(piece) } else { self.long_piece(piece) };
            start = end;
        }
        counted
    }

    #[inline]
    fn piece(&self, piece: &[u8]) -> u64 {
        if piece.len() == 1 || self.ranks.rank(piece) != u32::MAX {
            return 1;
        }
        self.several(piece)
    }

    /// A piece that is cut: where no token can be if there is such a place in time, anywhere otherwise.
    fn long_piece(&self, piece: &[u8]) -> u64 {
        let (mut counted, mut rest) = (0, piece);
        while let Some((part, _)) = rest.split_at_checked(PIECE_BYTES_MAX) {
            let apart = part.windows(2).rposition(|pair| !self.ranks.side_by_side(pair[0], pair[1]));
            let (part, behind) = rest.split_at(apart.map_or(PIECE_BYTES_MAX, |at| at + 1));
            counted += self.piece(part);
            rest = behind;
        }
        counted + if rest.is_empty() { 0 } else { self.piece(rest) }
    }

    /// How many tokens a piece is that is not one.
    fn several(&self, piece: &[u8]) -> u64 {
        const COUNT: u64 = 0xFFFF;
        let hash = xxh3_64_with_seed(piece, self.seed);
        let place = usize::try_from(hash).unwrap_or(0) & (REMEMBERED - 1);
        // The low bits say the place; those above the count tell pieces apart.
        let known = self.remembered[place].load(Ordering::Relaxed);
        if known != 0 && (known ^ hash) & !COUNT == 0 {
            return known & COUNT;
        }
        let counted = u64::try_from(merge::count(&self.ranks, piece)).unwrap_or(COUNT);
        self.remembered[place].store((hash & !COUNT) | (counted & COUNT), Ordering::Relaxed);
        counted
    }
}

/// Tokens and their ranks.
#[derive(Debug)]
pub(in crate::features) struct Ranks {
    packed: &'static [u8],
    /// By a hash: the upper half of it, and the rank plus one; 0 where nothing is.
    slots: Vec<(u32, u32)>,
    /// By rank: where the token begins in what is packed.
    starts: Vec<u32>,
    longest: usize,
    /// By two bytes: the rank of the token that they are, or whether they stand side by side in one at all.
    pairs: Box<[u32]>,
}

/// Of two bytes: no token, but a part of one.
const PART: u32 = u32::MAX;
/// Of two bytes: nowhere in a token.
const APART: u32 = u32::MAX - 1;

impl Ranks {
    fn new(packed: &'static [u8]) -> Self {
        let mut starts = Vec::with_capacity(packed.len() / 7);
        let (mut at, mut longest) = (0, 0);
        while let Some(length) = packed.get(at) {
            starts.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
            longest = longest.max(usize::from(*length));
            at += 1 + usize::from(*length);
        }
        let n_slots = (starts.len() * 2).next_power_of_two();
        let pairs = vec![APART; 1 << 16].into();
        let mut ranks = Self { packed, slots: vec![(0, 0); n_slots], starts, longest, pairs };
        for rank in 0..u32::try_from(ranks.starts.len()).unwrap_or(0) {
            let token = ranks.token(rank);
            for pair in token.windows(2) {
                let known = &mut ranks.pairs[both(pair[0], pair[1])];
                *known = match (token.len(), *known) {
                    (2, _) => rank,
                    (_, APART) => PART,
                    (_, known) => known,
                };
            }
            let hash = hash(token);
            let mut place = ranks.place(hash);
            while ranks.slots[place].1 != 0 {
                place = (place + 1) & (n_slots - 1);
            }
            ranks.slots[place] = (upper(hash), rank + 1);
        }
        ranks
    }

    #[inline]
    fn place(&self, hash: u64) -> usize {
        usize::try_from(hash & 0xFFFF_FFFF).unwrap_or(0) & (self.slots.len() - 1)
    }

    #[inline]
    fn token(&self, rank: u32) -> &'static [u8] {
        let start = self.starts[rank as usize] as usize;
        let length = usize::from(self.packed[start - 1]);
        &self.packed[start..start + length]
    }

    /// The rank of two bytes; the highest number where they are no token.
    #[inline]
    pub(super) fn pair(&self, first: u8, second: u8) -> u32 {
        match self.pairs[both(first, second)] {
            APART => u32::MAX,
            rank => rank,
        }
    }

    /// Whether some token has these two bytes side by side.
    #[inline]
    pub(super) fn side_by_side(&self, first: u8, second: u8) -> bool {
        self.pairs[both(first, second)] != APART
    }

    /// The rank of a token; the highest number where it is none.
    #[inline]
    pub(super) fn rank(&self, token: &[u8]) -> u32 {
        if token.len() > self.longest {
            return u32::MAX;
        }
        let hash = hash(token);
        let mut place = self.place(hash);
        loop {
            let (upper_half, rank) = self.slots[place];
            if rank == 0 {
                return u32::MAX;
            }
            if upper_half == upper(hash) && self.token(rank - 1) == token {
                return rank - 1;
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }
}

#[inline]
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// Two bytes as one number.
#[inline]
fn both(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

#[inline]
fn upper(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(0)
}

/// The tokens of a vocabulary, in the order of their ranks.
pub fn tokens(vocabulary: Vocabulary) -> impl Iterator<Item = &'static [u8]> {
    let mut rest: &'static [u8] = Counts::of(vocabulary).ranks.packed;
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_first()?;
        let (token, tail) = tail.split_at_checked(usize::from(*length))?;
        rest = tail;
        Some(token)
    })
}
