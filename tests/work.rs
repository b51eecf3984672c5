//! Work that stays linear: what is read of a text is counted, whatever the text is made of.

use claude_router::features::files::in_text;
use claude_router::features::tables::INJECTED;
use claude_router::features::work::without_injected;

use crate::support::generate::Random;

/// The most that scans may look at, for each byte of a text.
const STEPS_PER_BYTE: usize = 6;

/// Bytes that the scans of a prompt look at.
fn steps(text: &str) -> usize {
    let mut steps = 0;
    without_injected(text, &mut steps);
    in_text(text, |_| {}, &mut steps);
    steps
}

/// Pieces that adversarial texts are made of, each repeated and mixed.
fn pieces() -> Vec<String> {
    let mut pieces: Vec<String> = [
        "'", "\"", "`", "'a ", "\"a ", "`a ", "' ", "``` ", "```\n", "<", "</", "< ", "<x>", "a", "a/", "a/b.rs ",
        "./", "\\", "(", "@", "*", ".", ":1", "\n", "é", "😀", "://", "word ",
    ]
    .map(str::to_owned)
    .to_vec();
    for name in INJECTED {
        pieces.extend([format!("<{name}>"), format!("<{name} "), format!("</{name}"), format!("</{name}>")]);
    }
    pieces
}

/// What `without_injected` is held to: the definition, written without a thought for its cost.
fn naive(text: &str) -> String {
    let Some(at) = text.find('<') else { return text.to_owned() };
    let (before, tail) = text.split_at(at);
    let opened = INJECTED
        .iter()
        .find(|name| tail[1..].strip_prefix(**name).is_some_and(|rest| rest.starts_with('>') || rest.starts_with(' ')));
    let closed = opened.and_then(|name| {
        let close = format!("</{name}>");
        tail.find(&close).map(|end| &tail[end + close.len()..])
    });
    match closed {
        Some(rest) => format!("{before}{}", naive(rest)),
        None => format!("{before}<{}", naive(&tail[1..])),
    }
}

#[test]
fn scans_of_a_prompt_look_at_each_byte_a_few_times() {
    let pieces = pieces();
    for (n, piece) in pieces.iter().enumerate() {
        let other = &pieces[(n * 7 + 3) % pieces.len()];
        for pattern in [piece.clone(), format!("{piece}{other}"), format!("{other} {piece}\n")] {
            let text = pattern.repeat(1_000_000 / pattern.len());
            // Open at the beginning, closed at the end, and the other way round.
            for text in [text.clone(), format!("<system-reminder>{text}"), format!("{text}</system-reminder>")] {
                let steps = steps(&text);
                assert!(steps <= STEPS_PER_BYTE * text.len(), "{pattern:?}: {steps} of {}", text.len());
            }
        }
    }
}

#[test]
fn ten_times_as_long_is_ten_times_the_work() {
    for pattern in ["<system-reminder>", "<ide_selection ", "'", "`a \"b 'c ", "word ", "a/b.rs "] {
        let [short, long] = [1_000_000, 10_000_000].map(|n| steps(&pattern.repeat(n / pattern.len())));
        assert!(long <= short * 11, "{pattern}: {short}, {long}");
    }
}

#[test]
fn what_agents_inject_is_what_its_definition_says() {
    let pieces = pieces();
    let mut random = Random(7);
    for _ in 0..20_000 {
        let text: String = (0..random.below(12)).map(|_| pieces[random.below(pieces.len())].as_str()).collect();
        assert_eq!(without_injected(&text, &mut ()), naive(&text), "{text:?}");
    }
}
