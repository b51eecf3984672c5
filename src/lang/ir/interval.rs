//! Sets of ordered values: sorted, disjoint ranges, in one canonical form, so that equal sets are equal atoms.

/// A set of `i64`s.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Intervals(Vec<(i64, i64)>);

impl Intervals {
    /// The union of some ranges, first and last value with them; ranges that hold nothing are left out.
    pub fn new(ranges: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut sorted: Vec<(i64, i64)> = ranges.into_iter().filter(|(low, high)| low <= high).collect();
        sorted.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::with_capacity(sorted.len());
        for (low, high) in sorted {
            match merged.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                Some(_) | None => merged.push((low, high)),
            }
        }
        Self(merged)
    }

    /// Everything.
    pub fn all() -> Self {
        Self(vec![(i64::MIN, i64::MAX)])
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> &[(i64, i64)] {
        &self.0
    }

    /// Whether it holds a value.
    pub fn contains(&self, value: i64) -> bool {
        let after = self.0.partition_point(|(low, _)| *low <= value);
        after > 0 && self.0[after - 1].1 >= value
    }

    /// Whether all, or none, of the values between two are in it; nothing when it depends.
    pub fn contains_all(&self, low: i64, high: i64) -> Option<bool> {
        let after = self.0.partition_point(|(start, _)| *start <= low);
        let covering = after.checked_sub(1).map(|at| self.0[at]).filter(|(_, end)| *end >= low);
        match covering {
            Some((_, end)) => (end >= high).then_some(true),
            None => self.0.get(after).is_none_or(|(start, _)| *start > high).then_some(false),
        }
    }

    /// The values at which membership changes: `t` such that `t - 1` and `t` differ.
    pub fn thresholds(&self) -> impl Iterator<Item = i64> + '_ {
        let starts = self.0.iter().map(|(low, _)| *low).filter(|low| *low > i64::MIN);
        let ends = self.0.iter().filter(|(_, high)| *high < i64::MAX).map(|(_, high)| high + 1);
        starts.chain(ends)
    }
}
