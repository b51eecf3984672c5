//! Byte pair encoding of one piece: of all neighbours that are a token together, those of the lowest rank become one, the
//! first of them where several have it, until none are (Sennrich, Haddow, Birch 2016, as tiktoken does it).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::features::vocabulary::Ranks;

/// Up to this many bytes all pairs are looked through each time, which is faster then.
const SHORT: usize = 96;

/// How many tokens a piece of two bytes or more is.
pub(super) fn count(ranks: &Ranks, piece: &[u8]) -> usize {
    if piece.len() <= SHORT { short(ranks, piece) } else { long(ranks, piece) }
}

const NONE: u32 = u32::MAX;

fn short(ranks: &Ranks, piece: &[u8]) -> usize {
    // Where each token begins, and the rank of it with the next one; the last two begin nothing.
    let mut starts = [0u8; SHORT + 1];
    let mut pairs = [NONE; SHORT + 1];
    let mut n = piece.len();
    for (at, start) in starts.iter_mut().enumerate().take(n + 1) {
        *start = u8::try_from(at).unwrap_or(u8::MAX);
    }
    let rank = |from: u8, to: u8| ranks.rank(&piece[usize::from(from)..usize::from(to)]);
    for at in 0..n - 1 {
        pairs[at] = rank(starts[at], starts[at + 2]);
    }
    loop {
        let (mut best, mut place) = (NONE, 0);
        for (at, pair) in pairs[..n - 1].iter().enumerate() {
            if *pair < best {
                (best, place) = (*pair, at);
            }
        }
        if best == NONE {
            return n;
        }
        starts.copy_within(place + 2..=n, place + 1);
        pairs.copy_within(place + 1..n, place);
        n -= 1;
        if n == 1 {
            return 1;
        }
        pairs[n - 1] = NONE;
        if place + 2 <= n {
            pairs[place] = rank(starts[place], starts[place + 2]);
        }
        if place > 0 {
            pairs[place - 1] = rank(starts[place - 1], starts[place + 1]);
        }
    }
}

/// The same with a heap, in n log n.
fn long(ranks: &Ranks, piece: &[u8]) -> usize {
    let length = piece.len();
    // By where a token begins: where it ends, and where the one before begins. What is no beginning any more ends at 0.
    let mut ends: Vec<usize> = (1..=length).collect();
    let mut befores: Vec<usize> = (0..length).map(|at| at.saturating_sub(1)).collect();
    let mut heap = BinaryHeap::with_capacity(length);
    let offer = |heap: &mut BinaryHeap<Reverse<(u32, usize, usize)>>, from: usize, to: usize| {
        let rank = ranks.rank(&piece[from..to]);
        if rank != NONE {
            heap.push(Reverse((rank, from, to)));
        }
    };
    for from in 0..length - 1 {
        offer(&mut heap, from, from + 2);
    }
    let mut n = length;
    while let Some(Reverse((_, from, to))) = heap.pop() {
        let middle = ends[from];
        // What one of the two has become part of meanwhile is no pair any more.
        if middle == 0 || middle >= to || ends[middle] != to {
            continue;
        }
        (ends[from], ends[middle]) = (to, 0);
        n -= 1;
        if to < length {
            befores[to] = from;
            offer(&mut heap, from, ends[to]);
        }
        if from > 0 {
            offer(&mut heap, befores[from], to);
        }
    }
    n
}
