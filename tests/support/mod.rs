//! What tests share.

pub mod generate;
pub mod router;
pub mod upstream;
