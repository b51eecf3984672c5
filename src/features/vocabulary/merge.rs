//! Byte pair encoding of one piece: of all neighbours that are a token together, those of the lowest rank become one, the
//! first of them where several have it, until none are (Sennrich, Haddow, Birch 2016, as tiktoken does it).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::features::vocabulary::Ranks;

/// Up to this many bytes all pairs are looked through each time, which is faster then.
const SHORT: usize = 96;

/// How many tokens a piece of two bytes or more is.
pub(super) fn count(ranks: &Ranks, piece: &[u8]) -> usize {
    if piece.len() <= SHORT {
        return short(ranks, piece);
    }
    // Between two bytes that stand side by side in no token, no token can be: both sides are counted by themselves.
    let (mut counted, mut from) = (0, 0);
    for (at, pair) in piece.windows(2).enumerate() {
        if !ranks.side_by_side(pair[0], pair[1]) {
            counted += part(ranks, &piece[from..=at]);
            from = at + 1;
        }
    }
    counted + part(ranks, &piece[from..])
}

/// How many tokens a part of a piece is, one byte or more.
fn part(ranks: &Ranks, bytes: &[u8]) -> usize {
    match bytes.len() {
        1 => 1,
        2..=SHORT => short(ranks, bytes),
        _ => long(ranks, bytes),
    }
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
    for (pair, bytes) in pairs.iter_mut().zip(piece.windows(2)) {
        *pair = ranks.pair(bytes[0], bytes[1]);
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

/// A token, by the byte that it begins at.
struct Token {
    end: u32,
    /// Where the one before it begins.
    before: u32,
    /// The rank of it with the next one; none where it is no token any more.
    pair: u32,
}

/// The same with a heap, in n log n.
fn long(ranks: &Ranks, piece: &[u8]) -> usize {
    let mut tokens: Vec<Token> = Vec::with_capacity(piece.len());
    tokens.extend((0..).zip(piece).map(|(from, _)| Token { end: from + 1, before: from.max(1) - 1, pair: NONE }));
    // The lowest rank first, and of those the first place: both in one number.
    let key = |rank: u32, from: u32| Reverse(u64::from(rank) << 32 | u64::from(from));
    let mut offers = Vec::with_capacity(piece.len());
    for ((from, bytes), token) in (0..).zip(piece.windows(2)).zip(&mut tokens) {
        token.pair = ranks.pair(bytes[0], bytes[1]);
        if token.pair != NONE {
            offers.push(key(token.pair, from));
        }
    }
    let mut heap = BinaryHeap::from(offers);
    let mut n = piece.len();
    while let Some(Reverse(lowest)) = heap.pop() {
        let half = |half: u64| u32::try_from(half).unwrap_or(NONE);
        let (rank, from) = (half(lowest >> 32), half(lowest & u64::from(u32::MAX)));
        // What one of the two has become part of meanwhile is no pair any more.
        if tokens[from as usize].pair != rank {
            continue;
        }
        let middle = tokens[from as usize].end;
        let to = tokens[middle as usize].end;
        tokens[middle as usize].pair = NONE;
        tokens[from as usize].end = to;
        tokens[from as usize].pair = NONE;
        n -= 1;
        let mut offer = |tokens: &mut [Token], from: u32, to: u32| {
            let rank = ranks.rank(&piece[from as usize..to as usize]);
            tokens[from as usize].pair = rank;
            if rank != NONE {
                heap.push(key(rank, from));
            }
        };
        if let Some(next) = tokens.get_mut(to as usize) {
            next.before = from;
            let end = next.end;
            offer(&mut tokens, from, end);
        }
        if from > 0 {
            let before = tokens[from as usize].before;
            offer(&mut tokens, before, to);
        }
    }
    n
}
