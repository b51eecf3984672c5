//! Sets of small numbers, 64 to a word.

/// A set of numbers below a fixed bound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bits(Box<[u64]>);

impl Bits {
    /// The words that `n` numbers take.
    pub fn words_for(n: usize) -> usize {
        n.div_ceil(64)
    }

    /// None of `n` numbers.
    pub fn none(n: usize) -> Self {
        Self(vec![0; Self::words_for(n)].into_boxed_slice())
    }

    /// All of `n` numbers.
    pub fn all(n: usize) -> Self {
        let mut bits = Self(vec![u64::MAX; Self::words_for(n)].into_boxed_slice());
        if let (Some(last), rest @ 1..) = (bits.0.last_mut(), n % 64) {
            *last = (1 << rest) - 1;
        }
        bits
    }

    /// Its words.
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    /// Whether it holds a number.
    pub fn has(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Adds a number or takes it away.
    pub fn set(&mut self, number: usize, there: bool) {
        if let Some(word) = self.0.get_mut(number / 64) {
            let bit = 1 << (number % 64);
            if there { *word |= bit } else { *word &= !bit }
        }
    }

    /// Its numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let words = (0u32..).step_by(64).zip(&self.0);
        words.flat_map(|(first, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first + bit))
    }

    /// Takes away what another has not.
    pub fn keep(&mut self, other: &Self) {
        for (word, kept) in self.0.iter_mut().zip(&other.0) {
            *word &= kept;
        }
    }

    /// Adds all of another's.
    pub fn add_all(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}
