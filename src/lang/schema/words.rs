//! Common words of prose, programs and their documents: what a keyword may stand inside of, and how a beginning of a word
//! may go on. Counted over the documentation of free software, by the number of documents that use a word.

use std::sync::OnceLock;

/// Sorted, one a line.
const WORDS: &str = include_str!("common_words.txt");

fn all() -> &'static [&'static str] {
    static ALL: OnceLock<Vec<&'static str>> = OnceLock::new();
    ALL.get_or_init(|| WORDS.lines().collect())
}

/// The words that hold a text, anywhere. The text is folded.
pub fn holding(text: &str) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    for at in memchr::memmem::find_iter(WORDS.as_bytes(), text.as_bytes()) {
        let start = WORDS.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
        let word = WORDS.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        if found.last() != Some(&word) && word.contains(text) {
            found.push(word);
        }
    }
    found
}

/// The shortest word that begins with a text; none when the text is a word itself.
pub fn going_on(text: &str) -> Option<&'static str> {
    let first = all().partition_point(|word| *word < text);
    let words = all().get(first..)?.iter().take_while(|word| word.starts_with(text));
    let shortest = words.min_by_key(|word| word.len())?;
    (shortest.len() > text.len()).then_some(*shortest)
}
