//! All tests that go through a boundary of the program: text in, text out.
#![allow(clippy::allow_attributes, reason = "which of these apply differs by build")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::string_slice, reason = "a test says what is wrong by stopping")]
#![allow(clippy::disallowed_methods, clippy::pedantic, reason = "tests take the system as it is")]
#![allow(unreachable_pub, missing_debug_implementations, reason = "the modules are one program")]

mod analysis;
mod architecture;
mod bounds;
mod budgets;
mod cache;
mod catalogue;
mod cli;
mod connections;
mod diff;
mod docs;
mod door;
mod editors;
mod failover;
mod features;
mod import;
mod kinds;
mod language;
mod limits;
mod lint;
mod lsp;
mod private_files;
mod property;
mod providers;
mod proxy;
mod reload;
mod responses;
mod sealed;
mod secrets;
mod sections;
mod service;
mod shared;
mod support;
mod tokens;
mod traffic;
mod traps;
mod wire;
mod work;
