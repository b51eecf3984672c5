//! An Aho-Corasick automaton (Aho, Corasick 1975) as one table, that a text is walked through in several lanes: each step
//! waits for memory, and four steps wait at the same time. A lane goes on into the next one by the length of a literal,
//! so that nothing is lost between them.

use std::ops::ControlFlow;

use crate::lang::plan::search::Found;

const LANES: usize = 4;
/// The largest table, in bytes: what a core keeps near.
const BYTES_MAX: usize = 512 << 10;
/// Texts shorter than this are walked in one lane, in bytes.
const SHORT: usize = 128;
/// A state in which literals end.
const ENDS: u32 = 1 << 31;

#[derive(Debug)]
pub(super) struct Lanes {
    /// By byte: its column.
    columns: Box<[u8; 256]>,
    /// By state, which is the place of its first column, and column: the next state.
    table: Vec<u32>,
    /// By state divided by the columns: the literals that end there, each with its length.
    ends: Vec<Vec<(u32, u32)>>,
    n_columns: usize,
    longest: usize,
}

impl Lanes {
    /// For the literals of some places. None where the table would be too large.
    pub(super) fn new(literals: &[&str], places: &[u32], folded: bool) -> Option<Self> {
        let mut columns = Box::new([0u8; 256]);
        let mut n_columns = 1usize;
        for byte in places.iter().flat_map(|place| literals[*place as usize].bytes()) {
            if columns[usize::from(byte)] == 0 {
                // With 255 kinds of bytes there is no column left for the others.
                columns[usize::from(byte)] = u8::try_from(n_columns).ok()?;
                n_columns += 1;
            }
        }
        if folded {
            for byte in b'a'..=b'z' {
                columns[usize::from(byte.to_ascii_uppercase())] = columns[usize::from(byte)];
            }
        }
        let states_max = BYTES_MAX / size_of::<u32>() / n_columns;
        // The tree of the literals; 0 is its root, and what has no child yet.
        let mut tree: Vec<u32> = vec![0; n_columns];
        let mut ends: Vec<Vec<(u32, u32)>> = vec![Vec::new()];
        let mut longest = 0;
        for place in places {
            let literal = literals[*place as usize];
            let mut state = 0usize;
            for byte in literal.bytes() {
                let slot = state * n_columns + usize::from(columns[usize::from(byte)]);
                if tree[slot] == 0 {
                    if ends.len() >= states_max {
                        return None;
                    }
                    tree[slot] = u32::try_from(ends.len()).ok()?;
                    tree.resize(tree.len() + n_columns, 0);
                    ends.push(Vec::new());
                }
                state = tree[slot] as usize;
            }
            ends[state].push((*place, u32::try_from(literal.len()).ok()?));
            longest = longest.max(literal.len());
        }
        let table = completed(tree, &mut ends, n_columns);
        Some(Self { columns, table, ends, n_columns, longest })
    }

    /// The size of its table.
    pub(super) fn bytes(&self) -> usize {
        self.table.len() * size_of::<u32>()
    }

    pub(super) fn each(&self, text: &[u8], tell: &mut impl FnMut(Found) -> ControlFlow<()>) -> ControlFlow<()> {
        let length = text.len() / LANES;
        if text.len() < SHORT || length < 2 * self.longest {
            let mut state = 0;
            return self.walk(text, 0..text.len(), &mut state, tell);
        }
        let lanes: [&[u8]; LANES] =
            std::array::from_fn(|lane| text.get(lane * length..(lane + 1) * length).unwrap_or_default());
        let mut states = [0; LANES];
        let mut at = 0;
        loop {
            at = self.walk_all(lanes, at, &mut states);
            if at == length {
                break;
            }
            for (lane, state) in states.iter().enumerate() {
                self.tell(*state, lane * length + at, tell)?;
            }
            at += 1;
        }
        // What began in a lane and ends in the next one; the last lane goes on to the end.
        for (lane, state) in states.iter_mut().enumerate() {
            let from = (lane + 1) * length;
            let to = if lane + 1 == LANES { text.len() } else { from + self.longest - 1 };
            self.walk(text, from..to, state, tell)?;
        }
        ControlFlow::Continue(())
    }

    /// Walks all lanes on, from a byte of each to the next one at which a literal ends in some of them, or to their end;
    /// gives that byte. A function of its own so that all it needs stays in registers.
    #[inline(never)]
    fn walk_all(&self, lanes: [&[u8]; LANES], from: usize, states: &mut [u32; LANES]) -> usize {
        let (columns, table) = (&*self.columns, self.table.as_slice());
        let Some(last) = table.len().checked_sub(1) else { return lanes[0].len() };
        // The table is as long as a power of two, so that this takes off the mark of a state, and stays within.
        let step = |state: u32, byte: u8| table[(state as usize + usize::from(columns[usize::from(byte)])) & last];
        let [first, second, third, fourth] = lanes.map(|lane| lane.get(from..).unwrap_or_default());
        let [mut a, mut b, mut c, mut d] = *states;
        let mut walked = 0;
        for (((own, next), third), fourth) in first.iter().zip(second).zip(third).zip(fourth) {
            (a, b, c, d) = (step(a, *own), step(b, *next), step(c, *third), step(d, *fourth));
            if (a | b | c | d) & ENDS != 0 {
                break;
            }
            walked += 1;
        }
        *states = [a, b, c, d];
        from + walked
    }

    fn walk(
        &self,
        text: &[u8],
        range: std::ops::Range<usize>,
        state: &mut u32,
        tell: &mut impl FnMut(Found) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let start = range.start;
        for (at, byte) in text.get(range).unwrap_or_default().iter().enumerate() {
            *state = self.table[(*state & !ENDS) as usize + usize::from(self.columns[usize::from(*byte)])];
            if *state & ENDS != 0 {
                self.tell(*state, start + at, tell)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The literals that end behind a byte.
    #[inline]
    fn tell(&self, state: u32, at: usize, tell: &mut impl FnMut(Found) -> ControlFlow<()>) -> ControlFlow<()> {
        if state & ENDS == 0 {
            return ControlFlow::Continue(());
        }
        for (literal, length) in &self.ends[(state & !ENDS) as usize / self.n_columns] {
            tell(Found { literal: *literal, start: at + 1 - *length as usize, end: at + 1 })?;
        }
        ControlFlow::Continue(())
    }
}

/// The tree with the ways back, breadth first: where a state has no child, that of the longest proper ending of it.
fn completed(mut tree: Vec<u32>, ends: &mut [Vec<(u32, u32)>], n_columns: usize) -> Vec<u32> {
    let mut back = vec![0u32; ends.len()];
    let mut queue = std::collections::VecDeque::from([0u32]);
    while let Some(state) = queue.pop_front() {
        let behind = back[state as usize] as usize;
        for column in 0..n_columns {
            let slot = state as usize * n_columns + column;
            let fallback = if state == 0 { 0 } else { tree[behind * n_columns + column] };
            let child = tree[slot];
            if child == 0 {
                tree[slot] = fallback;
                continue;
            }
            back[child as usize] = fallback;
            let more = ends[fallback as usize].clone();
            ends[child as usize].extend(more);
            queue.push_back(child);
        }
    }
    // Walking many lanes wants a length that is a power of two.
    tree.resize(tree.len().next_power_of_two(), 0);
    let width = u32::try_from(n_columns).unwrap_or(u32::MAX);
    for state in &mut tree {
        let flag = if ends[*state as usize].is_empty() { 0 } else { ENDS };
        *state = (*state * width) | flag;
    }
    tree
}
