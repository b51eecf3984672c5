//! Runs every target over its corpus, and over changed copies of it, without a fuzzing engine: what CI can do anywhere.

use std::path::Path;

use claude_router_fuzz::generate::Random;

type Target = fn(&[u8]);

const TARGETS: &[(&str, Target)] = &[
    ("parse", claude_router_fuzz::parse),
    ("fmt", claude_router_fuzz::fmt),
    ("decide", claude_router_fuzz::decide),
    ("analysis", claude_router_fuzz::analysis),
    ("import", claude_router_fuzz::import),
    ("stream_messages", claude_router_fuzz::stream_messages),
    ("stream_completions", claude_router_fuzz::stream_completions),
    ("stream_responses", claude_router_fuzz::stream_responses),
    ("stream_gemini", claude_router_fuzz::stream_gemini),
    ("stream_ollama", claude_router_fuzz::stream_ollama),
    ("request", claude_router_fuzz::request),
    ("features", claude_router_fuzz::features),
    ("config", claude_router_fuzz::config),
    ("tokens", claude_router_fuzz::tokens),
    ("work", claude_router_fuzz::work),
];
/// Recorded requests and answers that are a target's corpus too, below the tests' cases.
const RECORDED: &[(&str, &str)] = &[
    ("stream_messages", "messages"),
    ("stream_completions", "completions"),
    ("stream_responses", "responses"),
    ("stream_gemini", "gemini"),
    ("stream_ollama", "ollama"),
    ("request", "requests"),
];
/// Changed copies of each input.
const CHANGES: u64 = 60;

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/wire");
    for (name, target) in TARGETS {
        let recorded = RECORDED.iter().filter(|(target, _)| target == name).map(|(_, folder)| cases.join(folder));
        let mut paths: Vec<_> = std::iter::once(corpus.join(name))
            .chain(recorded)
            .flat_map(|folder| std::fs::read_dir(folder).expect("the corpus is there").flatten())
            .map(|entry| entry.path())
            .collect();
        paths.sort();
        assert!(!paths.is_empty(), "the corpus of {name} is empty");
        let mut runs = 0;
        for path in &paths {
            let input = std::fs::read(path).expect("the corpus can be read");
            target(&input);
            for seed in 0..CHANGES {
                target(&changed(&input, &mut Random(seed)));
            }
            runs += 1 + CHANGES;
        }
        println!("{name}: {} inputs, {runs} runs", paths.len());
    }
}

/// A copy with some bytes changed, cut out, doubled or swapped for words of the language.
fn changed(input: &[u8], random: &mut Random) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "when",
        "(",
        ")",
        "{",
        "}",
        "[",
        "\"",
        "and",
        "or",
        "not",
        "#",
        "\n",
        "data: ",
        "\\u",
        "5%",
        "$",
        "..",
        "\u{1F980}",
    ];
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(4) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            2 => drop(bytes.splice(at..end, random.pick(WORDS).bytes())),
            _ => {
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = u8::try_from(random.below(256)).unwrap_or(0))
            }
        }
    }
    bytes
}
