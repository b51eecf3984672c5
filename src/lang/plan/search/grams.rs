//! Literals by how they begin: each window of some bytes of a text is looked up in a table of bits, and what may be the
//! beginning of a literal is compared. The work for a byte is the same for ten literals and for a hundred thousand.
//!
//! Literals that are shorter than a window, long, or of which many begin alike are left to others, so that no text makes it
//! slow. The wider a window is, the fewer of a text's begin a literal that does not stand there.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::lang::plan::search::Found;

/// Longer literals are left to others, in bytes.
const LONGEST: usize = 64;
/// The most literals that begin alike.
const ALIKE_MAX: usize = 4;
/// Bits in the table for each literal: of so many windows that begin nothing one is compared all the same.
const BITS_PER_LITERAL: usize = 64;

#[derive(Debug)]
pub(super) struct Grams<const GRAM: usize> {
    folded: bool,
    shift: u32,
    bits: Vec<u64>,
    /// By window: the literals that begin with it, in `literals`.
    starts: HashMap<u64, std::ops::Range<u32>, std::hash::BuildHasherDefault<rustc_hash::FxHasher>>,
    literals: Vec<(u32, Box<[u8]>)>,
}

/// The bytes that begin a text, of a width up to 8.
fn window(bytes: &[u8], width: usize) -> u64 {
    bytes.iter().take(width).fold(0, |window, byte| window << 8 | u64::from(*byte))
}

impl<const GRAM: usize> Grams<GRAM> {
    /// The bits that a window fills.
    const WINDOW: u64 = u64::MAX >> (64 - 8 * GRAM);

    /// For those of some literals that it is made for; gives the places of the others.
    pub(super) fn new(literals: &[&str], places: &[u32], folded: bool) -> (Option<Self>, Vec<u32>) {
        let mut alike: HashMap<u64, Vec<u32>> = HashMap::new();
        let mut others = Vec::new();
        for place in places {
            let literal = literals[*place as usize];
            if (GRAM..=LONGEST).contains(&literal.len()) {
                alike.entry(window(literal.as_bytes(), GRAM)).or_default().push(*place);
            } else {
                others.push(*place);
            }
        }
        let mut all: Vec<(u64, Vec<u32>)> = alike.into_iter().collect();
        all.sort_unstable();
        all.retain(|(_, places)| {
            let few = places.len() <= ALIKE_MAX;
            if !few {
                others.extend(places);
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
            starts: HashMap::default(),
            literals: Vec::new(),
        };
        for (window, places) in all {
            let bit = made.bit(window);
            made.bits[bit / 64] |= 1 << (bit % 64);
            let from = u32::try_from(made.literals.len()).unwrap_or(u32::MAX);
            made.literals.extend(places.iter().map(|place| (*place, literals[*place as usize].as_bytes().into())));
            made.starts.insert(window, from..u32::try_from(made.literals.len()).unwrap_or(u32::MAX));
        }
        (Some(made), others)
    }

    /// The bit of a window. The multiplier spreads its bytes over the upper bits (Knuth, 6.4).
    #[inline]
    fn bit(&self, window: u64) -> usize {
        usize::try_from(window.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift).unwrap_or(0)
    }

    pub(super) fn each(&self, text: &[u8], tell: &mut impl FnMut(Found) -> ControlFlow<()>) -> ControlFlow<()> {
        // Which of the two is said once, not at each byte.
        if self.folded {
            self.windows(text, |byte| byte.to_ascii_lowercase(), tell)
        } else {
            self.windows(text, |byte| byte, tell)
        }
    }

    fn windows(
        &self,
        text: &[u8],
        fold: impl Fn(u8) -> u8,
        tell: &mut impl FnMut(Found) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if text.len() < GRAM {
            return ControlFlow::Continue(());
        }
        let mut window = text.iter().take(GRAM - 1).fold(0, |window, byte| window << 8 | u64::from(fold(*byte)));
        for (start, byte) in text[GRAM - 1..].iter().enumerate() {
            window = (window << 8 | u64::from(fold(*byte))) & Self::WINDOW;
            let bit = self.bit(window);
            if self.bits[bit / 64] >> (bit % 64) & 1 != 0 {
                self.compare(text, start, window, &fold, tell)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The literals that begin at a byte.
    fn compare(
        &self,
        text: &[u8],
        start: usize,
        window: u64,
        fold: &impl Fn(u8) -> u8,
        tell: &mut impl FnMut(Found) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(range) = self.starts.get(&window) else { return ControlFlow::Continue(()) };
        for (literal, bytes) in &self.literals[range.start as usize..range.end as usize] {
            let end = start + bytes.len();
            let stands = text
                .get(start + GRAM..end)
                .is_some_and(|rest| rest.iter().zip(&bytes[GRAM..]).all(|(byte, wanted)| fold(*byte) == *wanted));
            if stands {
                tell(Found { literal: *literal, start, end })?;
            }
        }
        ControlFlow::Continue(())
    }
}
