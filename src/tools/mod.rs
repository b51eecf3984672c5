//! Beside the language: what people who write rules work with. Each is a function from values to values or text; files
//! and terminals are the command line's.

pub mod diff;
pub mod explain;
pub mod fmt;
pub mod given;
pub mod lint;
pub mod reference;
pub mod request;
pub mod schema;
pub mod test;
pub mod witness;
