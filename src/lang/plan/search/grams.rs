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
    bytes.iter().take(width).fold(0, |window, byte| window << 8 | u64::from(*byte))
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

    /// The literals that are known by the window that begins at a byte.
    fn compare(
        &self,
        text: &[u8],
        start: usize,
        window: u64,
        fold: &impl Fn(u8) -> u8,
        tell: &mut impl FnMut(Found) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(range) = self.known_by.get(&window) else { return ControlFlow::Continue(()) };
        for Known { literal, offset, bytes } in &self.literals[range.start as usize..range.end as usize] {
            let Some(start) = start.checked_sub(*offset) else { continue };
            let end = start + bytes.len();
            let stands = text
                .get(start..end)
                .is_some_and(|there| there.iter().zip(bytes).all(|(byte, wanted)| fold(*byte) == *wanted));
            if stands {
                tell(Found { literal: *literal, start, end })?;
            }
        }
        ControlFlow::Continue(())
    }
}
