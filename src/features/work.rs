//! How much of a text is looked at: what is said to be linear is held to it by counting.

pub use super::prompt::without_injected;

/// Is told how many bytes a scan looked at.
pub trait Meter {
    /// Adds to what was looked at.
    fn scanned(&mut self, bytes: usize);
}

/// Nobody wants to know, and nothing is counted.
impl Meter for () {
    #[inline]
    fn scanned(&mut self, _: usize) {}
}

impl Meter for usize {
    fn scanned(&mut self, bytes: usize) {
        *self += bytes;
    }
}
