//! What tests share.

pub mod editor;
pub mod generate;
pub mod redis;
pub mod router;
pub mod upstream;
