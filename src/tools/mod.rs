//! Beside the language: what people who write rules work with. Each is a function from values to values or text; files
//! and terminals are the command line's.

pub mod diff;
pub mod explain;
pub mod fmt;
pub mod given;
pub mod import;
pub mod lint;
pub mod reference;
pub mod request;
pub mod schema;
pub mod sections;
pub mod test;
pub mod tree;
pub mod witness;

/// A text as XML holds it, between tags and in attributes.
pub(crate) fn xml(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '&' => made.push_str("&amp;"),
            '"' => made.push_str("&quot;"),
            '\n' => made.push_str("&#10;"),
            // XML has no place for these, not even as numbers.
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => made.push(' '),
            c => made.push(c),
        }
    }
    made
}

/// A file's name as a URI (RFC 3986), relative where the name is.
pub(crate) fn uri_of(name: &str) -> String {
    let mut made = String::from(if name.starts_with('/') { "file://" } else { "" });
    for byte in name.bytes() {
        match byte {
            b'\\' => made.push('/'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => made.push(char::from(byte)),
            other => made.push_str(&format!("%{other:02X}")),
        }
    }
    made
}
