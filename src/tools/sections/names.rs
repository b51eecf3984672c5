//! Names of the language, made of names that people gave elsewhere.

use std::collections::HashSet;

use crate::lang::schema::fields;
use crate::lang::syntax::is_reserved;

/// The longest name that is made, in characters.
const LENGTH_MAX: usize = 60;

/// The names that are taken.
#[derive(Debug, Default)]
pub(in crate::tools) struct Names(HashSet<String>);

impl Names {
    /// A name that nobody has yet, as near to `wanted` as the language lets it be.
    pub(in crate::tools) fn take(&mut self, wanted: &str, kind: &str) -> String {
        let base = word(wanted, kind);
        let taken = |name: &String| self.0.contains(name) || is_reserved(name) || fields::find(name).is_some();
        let mut name = base.clone();
        for n in 2u32.. {
            if !taken(&name) {
                break;
            }
            name = format!("{base}_{n}");
        }
        self.0.insert(name.clone());
        name
    }
}

/// Letters, digits and `_`, not beginning with a digit.
pub(in crate::tools) fn word(wanted: &str, kind: &str) -> String {
    let mut made = String::new();
    for c in wanted.chars().take(LENGTH_MAX) {
        if c.is_ascii_alphanumeric() {
            made.push(c.to_ascii_lowercase());
        } else if !made.ends_with('_') && !made.is_empty() {
            made.push('_');
        }
    }
    let made = made.trim_end_matches('_');
    match made.chars().next() {
        None => kind.to_owned(),
        Some(first) if first.is_ascii_digit() => format!("{kind}_{made}"),
        Some(_) => made.to_owned(),
    }
}
