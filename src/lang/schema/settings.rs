//! What `set` can set: one row each.

use crate::lang::input::NUMBER;

/// The values that a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A number from the first to the last, in the unit of numbers.
    Number { low: i64, high: i64, whole: bool },
    /// The same, or `at most N`.
    Cap,
    /// `off` or a number of tokens.
    Thinking,
    /// A member of `effort`.
    Effort,
    /// A list of texts.
    Texts,
    /// Two texts: a header's name and value.
    Header,
    /// `prepend "..."` or `append "..."`.
    Edit,
}

/// One row.
#[derive(Debug)]
pub struct SettingRow {
    /// As written behind `set`.
    pub name: &'static str,
    /// What stands behind it.
    pub takes: Takes,
    /// What it does.
    pub doc: &'static str,
    /// An action that uses it.
    pub example: &'static str,
}

/// Every setting.
pub static SETTINGS: &[SettingRow] = &[
    SettingRow {
        name: "temperature",
        takes: Takes::Number { low: 0, high: 2 * NUMBER, whole: false },
        doc: "How freely the model chooses its words.",
        example: "set temperature 0.3",
    },
    SettingRow {
        name: "top_p",
        takes: Takes::Number { low: 0, high: NUMBER, whole: false },
        doc: "The share of probability that words are chosen from.",
        example: "set top_p 0.9",
    },
    SettingRow {
        name: "top_k",
        takes: Takes::Number { low: NUMBER, high: 1_000_000 * NUMBER, whole: true },
        doc: "How many words are chosen from. Dropped for providers that have no such parameter.",
        example: "set top_k 40",
    },
    SettingRow {
        name: "max_tokens",
        takes: Takes::Cap,
        doc: "The longest answer, in tokens; `at most` caps whatever was asked for.",
        example: "set max_tokens at most 4096",
    },
    SettingRow {
        name: "thinking",
        takes: Takes::Thinking,
        doc: "Extended thinking: `off`, or its budget in tokens.",
        example: "set thinking off",
    },
    SettingRow { name: "effort", takes: Takes::Effort, doc: "The reasoning effort.", example: "set effort low" },
    SettingRow { name: "stop", takes: Takes::Texts, doc: "Texts that end the answer.", example: "set stop [\"END\"]" },
    SettingRow {
        name: "header",
        takes: Takes::Header,
        doc: "A header of the call to the provider.",
        example: "set header \"x-team\" \"core\"",
    },
    SettingRow {
        name: "system",
        takes: Takes::Edit,
        doc: "Puts a text before or behind the system prompt.",
        example: "set system append \"Answer in English.\"",
    },
];

/// The row of a name.
pub fn find(name: &str) -> Option<&'static SettingRow> {
    SETTINGS.iter().find(|row| row.name == name)
}
