//! THE LANGUAGE SERVER: what editors ask about rule files, over standard input and output. What is wrong is told at each
//! key stroke; what has to be proved is worked out beside, and told when the typing pauses.
//!
//! Source: the Language Server Protocol, version 3.17.

mod actions;
mod completion;
mod documents;
mod features;
mod hover;
mod names;
mod pipe;
mod place;
mod server;

pub use pipe::{Pipe, connect};
pub use server::serve;
