//! claude-router: decides, request by request, which model of which provider answers, and says why.
//!
//! The program in reading order: a `.route` file becomes a plan (`lang`); a request becomes features (`wire`,
//! `features`); plan and features become a decision (`lang::eval`); the decision is explained, tested and linted
//! (`tools`), or carried out (`proxy`) with what was seen so far (`state`) and what there is (`config`).
//!
//! ```
//! use std::sync::Arc;
//! use claude_router::{config, lang};
//!
//! let rules = lang::source::Source::new("my.route", r#"default { route "gpt-5" }"#);
//! let catalogue = Arc::new(config::catalogue::alone());
//! let (plan, _, problems) = lang::compile(vec![rules], &lang::ir::load::NoFiles, &catalogue);
//! assert!(plan.is_some() && problems.is_empty());
//! ```

pub mod lang;

pub mod wire;

pub mod features;

pub mod tools;

pub mod config;

#[cfg(feature = "proxy")]
pub mod state;

#[cfg(feature = "proxy")]
pub mod traffic;

#[cfg(feature = "proxy")]
pub mod lsp;

#[cfg(feature = "proxy")]
pub mod cli;

#[cfg(feature = "proxy")]
pub mod proxy;
