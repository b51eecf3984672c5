//! What tests share.

#[allow(unreachable_pub, missing_debug_implementations, reason = "the fuzzer uses it too")]
pub mod generate;
pub mod router;
pub mod upstream;
