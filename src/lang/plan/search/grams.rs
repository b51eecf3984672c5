//! Literals by a part of them: each window of some bytes of a text is looked up in a table of bits, and where it is a part that
//! some literal is known by, that literal is compared. The work for a byte is the same for ten literals and for a hundred
//! thousand. A literal is known by how it begins, by how it ends or by its middle, by what fewest others have.
//!
//! Literals that are shorter than a window, long, or of which many are alike are left to others, so that no text makes it
//! slow. The wider a window is, the fewer of a text's belong to a literal that does not stand there.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::lang::plan::search::Found;

/// Longer literals are left to others, in bytes.
const LONGEST: usize = 64;
/// The most literals that are known by the same part.
const ALIKE_MAX: usize = 4;
/// Bits in the table for each literal: of so many windows that are no part of any one is compared all the same.
const BITS_PER_LITERAL: usize = 64;

#[derive(Debug)]
pub(super) struct Grams<const GRAM: usize> {
    folded: bool,
    shift: u32,
    bits: Vec<u64>,
    /// By window: the literals that are known by it, in `literals`.
    known_by: HashMap<u64, std::ops::Range<u32>, std::hash::BuildHasherDefault<rustc_hash::FxHasher>>,
    literals: Vec<Known>,
}

/// A literal, and where in it the window stands that it is known by.
#[derive(Debug)]
struct Known {
    literal: u32,
    offset: usize,
    bytes: Box<[u8]>,
}

/// The bytes that begin a text, of a width up to 8.
fn window(bytes: &[u8], width: usize) -> u64 {
    bytes.iter().take(width).fold(0, |window, byte| window << 8 | alike(*byte))
}

/// A byte in a window. Capital letters are as small ones there, and some signs as others: what a window is found for is
/// compared byte by byte afterwards.
#[inline]
fn alike(byte: u8) -> u64 {
    u64::from(byte | 0x20)
}

impl<const GRAM: usize> Grams<GRAM> {
    /// The bits that a window fills.
    const WINDOW: u64 = u64::MAX >> (64 - 8 * GRAM);

    /// For those of some literals that it is made for; gives the places of the others.
    pub(super) fn new(literals: &[&str], places: &[u32], folded: bool) -> (Option<Self>, Vec<u32>) {
        let fits = |place: &&u32| (GRAM..=LONGEST).contains(&literals[**place as usize].len());
        let parts = |place: u32| {
            let bytes = literals[place as usize].as_bytes();
            let last = bytes.len() - GRAM;
            [0, last, last / 2].map(|offset| (window(&bytes[offset..], GRAM), offset))
        };
        let mut uses: HashMap<u64, u32> = HashMap::new();
        for place in places.iter().filter(fits) {
            parts(*place).iter().for_each(|(window, _)| *uses.entry(*window).or_default() += 1);
        }
        let mut others: Vec<u32> = places.iter().filter(|place| !fits(place)).copied().collect();
        let mut alike: HashMap<u64, Vec<(u32, usize)>> = HashMap::new();
        for place in places.iter().filter(fits) {
            let rarest = parts(*place).into_iter().min_by_key(|(window, _)| uses[window]);
            if let Some((window, offset)) = rarest {
                alike.entry(window).or_default().push((*place, offset));
            }
        }
        let mut all: Vec<(u64, Vec<(u32, usize)>)> = alike.into_iter().collect();
        all.sort_unstable();
        all.retain(|(_, known)| {
            let few = known.len() <= ALIKE_MAX;
            if !few {
                others.extend(known.iter().map(|(place, _)| place));
            }
            few
        });
        others.sort_unstable();
        if all.is_empty() {
            return (None, others);
        }
        let n_bits = (all.len() * BITS_PER_LITERAL).next_power_of_two().max(1 << 12);
        let mut made = Self {
            folded,
            shift: u64::BITS - n_bits.trailing_zeros(),
            bits: vec![0; n_bits / 64],
            known_by: HashMap::default(),
            literals: Vec::new(),
        };
        for (window, known) in all {
            let bit = made.bit(window);
            made.bits[bit / 64] |= 1 << (bit % 64);
            let from = u32::try_from(made.literals.len()).unwrap_or(u32::MAX);
            made.literals.extend(known.into_iter().map(|(literal, offset)| {
                let bytes = literals[literal as usize].as_bytes().into();
                Known { literal, offset, bytes }
            }));
            made.known_by.insert(window, from..u32::try_from(made.literals.len()).unwrap_or(u32::MAX));
        }
        (Some(made), others)
    }

    /// The bit of a window. The multiplier spreads its bytes over the upper bits (Knuth, 6.4).
    #[inline]
    fn bit(&self, window: u64) -> usize {
        usize::try_from(window.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift).unwrap_or(0)
    }

    pub(super) fn each(&self, text: &[u8], tell: &mut impl FnMut(Found) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut window = window(text, GRAM - 1);
        let mut at = GRAM - 1;
        while let Some(last) = self.next(text, at, &mut window) {
            self.compare(text, last + 1 - GRAM, window, tell)?;
            at = last + 1;
        }
        ControlFlow::Continue(())
    }

    /// Moves the window on, by one byte at least, to where a literal may be known by it; gives the place of its last byte.
    /// A function of its own so that all it needs stays in registers.
    #[inline(never)]
    fn next(&self, text: &[u8], from: usize, window: &mut u64) -> Option<usize> {
        let bits = self.bits.as_slice();
        let last = bits.len().checked_sub(1)?;
        let mut moved = *window;
        for (at, byte) in text.get(from..)?.iter().enumerate() {
            moved = (moved << 8 | alike(*byte)) & Self::WINDOW;
            let bit = self.bit(moved);
            // There are as many as a power of two, so that this stays within.
            if bits[(bit / 64) & last] >> (bit % 64) & 1 != 0 {
                *window = moved;
                return Some(from + at);
            }
        }
        None
    }

    /// The literals that are known by the window that begins at a byte.
    fn compare(
        &self,
        text: &[u8],
        start: usize,
        window: u64,
        tell: &mut impl FnMut(Found) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(range) = self.known_by.get(&window) else { return ControlFlow::Continue(()) };
        for Known { literal, offset, bytes } in &self.literals[range.start as usize..range.end as usize] {
            let Some(start) = start.checked_sub(*offset) else { continue };
            let end = start + bytes.len();
            let Some(there) = text.get(start..end) else { continue };
            if there == &**bytes || self.folded && there.eq_ignore_ascii_case(bytes) {
                tell(Found { literal: *literal, start, end })?;
            }
        }
        ControlFlow::Continue(())
    }
}
