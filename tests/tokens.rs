//! Counts of tokens are those of tiktoken-rs, whatever the text.

use claude_router::features::tokens::{Counter, reference, reference_tokens};
use claude_router::features::vocabulary::{Counts, PIECE_BYTES_MAX, tokens};
use claude_router::lang::catalogue::Vocabulary;

use crate::support::generate::Random;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BOTH: [(Vocabulary, &str); 2] = [(Vocabulary::O200k, "o200k"), (Vocabulary::Cl100k, "cl100k")];

#[test]
fn the_vocabularies_are_those_of_tiktoken_byte_for_byte() {
    for (vocabulary, name) in BOTH {
        let wanted = reference_tokens(vocabulary);
        assert!(wanted.len() > 100_000);
        if tokens(vocabulary).eq(wanted.iter().map(Vec::as_slice)) {
            continue;
        }
        let packed: Vec<u8> = wanted
            .iter()
            .flat_map(|token| [&[u8::try_from(token.len()).unwrap()], token.as_slice()].concat())
            .collect();
        let made = format!("{ROOT}/target/{name}.ranks");
        std::fs::write(&made, packed).unwrap();
        panic!("{name} is another one: look at it, and copy {made} to src/features/vocabulary/");
    }
}

#[track_caller]
fn same(text: &str) {
    for (vocabulary, name) in BOTH {
        let (own, theirs) = (Counts::of(vocabulary).count(text), reference(vocabulary, text));
        assert_eq!(own, theirs, "{name}: {text:?}");
    }
}

/// Every text of this repository that a person wrote.
fn texts(folder: &std::path::Path, found: &mut Vec<String>) {
    for path in std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules", ".git", "corpus"].contains(&name.as_str()) {
            texts(&path, found);
        } else if path.is_file() {
            found.extend(std::fs::read_to_string(&path).ok().filter(|text| text.len() < 300_000));
        }
    }
}

#[test]
fn counts_are_those_of_tiktoken_on_all_texts_of_the_repository() {
    let mut found = Vec::new();
    texts(std::path::Path::new(ROOT), &mut found);
    assert!(found.iter().map(String::len).sum::<usize>() > 2_000_000);
    // One of each two hundred lines would hide where they differ.
    let all: Vec<String> = found.iter().flat_map(|text| pieces(text, 20_000)).collect();
    let halves = all.split_at(all.len() / 2);
    std::thread::scope(|scope| {
        for half in [halves.0, halves.1] {
            scope.spawn(move || half.iter().for_each(|text| same(text)));
        }
    });
}

/// A text in pieces of about so many bytes.
fn pieces(text: &str, bytes: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if all.last().unwrap().len() > bytes {
            all.push(String::new());
        }
        all.last_mut().unwrap().push_str(line);
    }
    all
}

/// What texts are made of at random: everything that a pattern tells apart, and what stands beside it.
const BITS: &[&str] = &[
    "a",
    "b",
    "the",
    "The",
    "THE",
    "thE",
    "aB",
    "Ab",
    "ABc",
    "é",
    "É",
    "ß",
    "日",
    "本語",
    "ǅ",
    "ʰ",
    "ª",
    "\u{301}",
    "\u{93E}",
    "क",
    "'s",
    "'S",
    "'t",
    "'re",
    "'VE",
    "'ll",
    "'LL",
    "'d",
    "'x",
    "'",
    "'ſ",
    "’s",
    "1",
    "23",
    "4567",
    "Ⅷ",
    "²",
    "٣",
    " ",
    "  ",
    "   ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "\u{a0}",
    "\u{2003}",
    "\u{85}",
    "\u{2028}",
    ".",
    ",",
    "...",
    "/",
    "//",
    "-",
    "--",
    "=",
    "(",
    ")",
    "{",
    "}",
    "\"",
    "_",
    "__",
    "🦀",
    "👩‍👩‍👧",
    "$",
    "€",
    "+",
    "\u{200d}",
    "\u{0}",
    "\u{7f}",
    "\u{fffd}",
    "İ",
    "K",
    "word",
    " word",
    " Word",
    "camelCase",
    "snake_case",
    "HTTPServer",
    "x86_64",
    "!important",
    "</div>",
    "\u{e000}",
];

#[test]
fn counts_are_those_of_tiktoken_on_texts_made_at_random() {
    std::thread::scope(|scope| {
        for seed in 0..2 {
            scope.spawn(move || {
                let mut random = Random(seed + 1);
                for _ in 0..15_000 {
                    let n = 1 + random.below(12);
                    let text: String = (0..n).map(|_| random.pick(BITS)).collect();
                    same(&text);
                }
                for _ in 0..1_500 {
                    let n = 1 + random.below(60);
                    let text: String =
                        (0..n).map(|_| char::from_u32(random.below(0x3000) as u32).unwrap_or('x')).collect();
                    same(&text);
                }
            });
        }
    });
}

#[test]
fn long_pieces_are_merged_as_short_ones_are() {
    let mut random = Random(5);
    for length in [2, 3, 50, 95, 96, 97, 98, 200, 1_000, PIECE_BYTES_MAX - 1, PIECE_BYTES_MAX] {
        // The last ones have bytes side by side that stand so in no token.
        for letters in [
            "a",
            "ab",
            "abcdefghijklmnopqrstuvwxyz",
            "=-",
            "日本語文字",
            "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
            "😀🙏☃⅋",
        ] {
            let all: Vec<char> = letters.chars().collect();
            let mut text = String::new();
            while text.len() < length {
                text.push(all[random.below(all.len())]);
            }
            let end = (0..=length).rev().find(|end| text.is_char_boundary(*end)).unwrap();
            same(&text[..end]);
        }
    }
}

/// Between some of their bytes no token can be, so that they may be cut there.
#[test]
fn long_runs_of_characters_that_form_few_words_are_counted_to_the_last_token() {
    let mut random = Random(6);
    for (first, last) in [('\u{4e00}', '\u{5200}'), ('!', '/'), ('\u{1f600}', '\u{1f64f}'), ('\u{ac00}', '\u{d7a3}')] {
        let all: Vec<char> = (first..=last).collect();
        let text: String = (0..8_000).map(|_| all[random.below(all.len())]).collect();
        assert!(text.len() > 3 * PIECE_BYTES_MAX);
        same(&text);
    }
}

#[test]
fn no_text_takes_long_and_what_is_counted_is_remembered() {
    let counter = Counter::default();
    for hostile in ["a", " ", "-", "=", "🦀", "\t", "A", "\u{301}", "ab=", "\n", "'", "9"] {
        let text = hostile.repeat(2_000_000 / hostile.len());
        let counted = counter.count(Vocabulary::O200k, &text);
        assert!(counted > 0 && counter.count(Vocabulary::O200k, &text) == counted, "{hostile:?}");
    }
}
