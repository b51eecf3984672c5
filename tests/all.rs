//! All tests that go through a boundary of the program: text in, text out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "tests say what is wrong by stopping"
)]
#![allow(clippy::allow_attributes, reason = "which of these apply differs by build")]

mod cli;
mod features;
mod language;
mod property;
mod proxy;
mod support;
mod wire;
