//! A keyword that is found in the middle of other words.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::ir::Pattern;
use crate::lang::schema::{fold, words};
use crate::lang::source::Span;
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W411",
        name: "keyword-in-words",
        severity: Severity::Warning,
        doc: "A pattern without `word` is found inside of words too. This one is so short, or stands in such common words, that it hits what was not meant.",
        bad: "rule r { when prompt contains any [\"fix\", \"mend\"] route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good: "rule r { when prompt contains any [word \"fix*\", \"mend it\"] route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
    },
    check,
};

/// The longest keyword that is told whatever it stands in, in characters.
const SHORT: usize = 3;
/// How many words are named.
const NAMED_MAX: usize = 5;
/// What a word becomes by its grammar: a keyword at its beginning means those too.
const ENDINGS: &[&str] = &[
    "s", "es", "d", "ed", "r", "er", "ers", "rs", "ing", "ings", "ly", "y", "ies", "able", "ment", "ments", "ation",
    "ations", "ion", "ions", "or", "ors", "al", "ally", "ness", "ity", "ive", "ability", "ful", "less", "ize", "ized",
    "ization",
];
/// What may stand before a keyword that is long enough to be meant all the same.
const BEGINNINGS: &[&str] = &["re", "un", "mis", "pre", "non", "co", "auto", "sub", "multi", "over"];
/// How long is long enough, in bytes.
const LONG: usize = 5;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for list in &context.program().lists {
        for (pattern, span) in &list.patterns {
            if context.is_built_in(*span) || !is_word(pattern) {
                continue;
            }
            let hits = hits(&pattern.text);
            let short = pattern.text.chars().count() <= SHORT;
            if hits.is_empty() && !short {
                continue;
            }
            let named: Vec<String> = hits.iter().take(NAMED_MAX).map(|word| format!("`{word}`")).collect();
            let message = if named.is_empty() {
                format!("`{}` is short, and is found inside of other words", pattern.text)
            } else {
                format!("`{}` is also found in {}", pattern.text, named.join(", "))
            };
            let written = context.words(*span);
            let help = format!("write `word {written}`, or `word` with a `*` at the end that may go on");
            let start = Span { end: span.start, ..*span };
            found.push(Diagnostic::new(LINT.code, *span, message).help(help).suggest(start, "word "));
        }
    }
}

/// Whether a pattern is one word that may stand anywhere.
fn is_word(pattern: &Pattern) -> bool {
    let spaced = |c: char| fold::is_word_char(c) && !fold::is_unspaced(c) && c.is_alphabetic();
    !pattern.starts_word && !pattern.ends_word && pattern.text.chars().all(spaced)
}

/// The common words that hold a keyword and do not mean it.
fn hits(keyword: &str) -> Vec<&'static str> {
    let keyword = fold::fold(keyword);
    let stem = keyword.strip_suffix('e').unwrap_or(&keyword);
    let begins = |word: &str| {
        let whole = word.strip_prefix(keyword.as_str());
        let rest = whole.or_else(|| word.strip_prefix(stem));
        rest.is_some_and(|rest| {
            // `planning` doubles the last letter of `plan`.
            let doubled = keyword.chars().next_back().and_then(|last| rest.strip_prefix(last)).unwrap_or(rest);
            rest.is_empty() || ENDINGS.contains(&rest) || ENDINGS.contains(&doubled)
        })
    };
    let means = |word: &str| {
        let long = keyword.len() >= LONG;
        begins(word) || (long && BEGINNINGS.iter().any(|front| word.strip_prefix(front).is_some_and(begins)))
    };
    words::holding(&keyword).into_iter().filter(|word| !means(word)).collect()
}
