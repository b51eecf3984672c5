//! THE TABLES of the language: fields, types, units, settings, patterns of text. Whatever can be a row is a row here.

pub mod fields;
pub mod fold;
pub mod glob;
pub mod quantity;
pub mod settings;
pub mod suggest;
pub mod text;
pub mod types;
pub mod words;
