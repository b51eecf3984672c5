//! What the fuzz targets hold the program to; `replay` runs the same over the corpora.

use std::sync::{Arc, OnceLock};

use claude_router::config;
use claude_router::features::tokens::Counter;
use claude_router::lang::catalogue::Catalogue;
use claude_router::lang::eval::{self, naive};
use claude_router::lang::input::{Facts, Feature, Input};
use claude_router::lang::ir::load::NoFiles;
use claude_router::lang::source::Source;
use claude_router::lang::{check, compile, diagnostic::render};
use claude_router::tools::request::{Recorded, with_features};
use claude_router::tools::{fmt as formatter, lint};
use claude_router::wire::Shape;
use claude_router::wire::event::{Event, assemble};
use claude_router::wire::ids::Names;

#[path = "../../tests/support/generate.rs"]
pub mod generate;

fn catalogue() -> &'static Arc<Catalogue> {
    static CATALOGUE: OnceLock<Arc<Catalogue>> = OnceLock::new();
    CATALOGUE.get_or_init(|| Arc::new(config::catalogue::alone()))
}

/// Any text is read without a panic, and what is wrong with it can be shown.
pub fn parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let checked = check(vec![Source::new("f.route", text)], &NoFiles, catalogue());
    render::human(&checked.sources, &lint::run(&checked, &|_| Err(String::new())).problems, true);
}

/// Formatting twice is formatting once, and never changes a meaning.
pub fn fmt(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match formatter::format(&Source::new("f.route", text)) {
        Ok(once) => {
            let twice = formatter::format(&Source::new("f.route", once.clone())).expect("what was formatted parses");
            assert_eq!(once, twice);
        }
        Err(formatter::Refused::Broken(_)) => {}
        Err(formatter::Refused::Changed) => panic!("the layout would change the meaning of {text}"),
    }
}

/// The plan decides as the naive evaluator does: of a generated rule set, or of the text itself.
pub fn decide(data: &[u8]) {
    let seed = data.iter().take(8).fold(0u64, |seed, byte| seed << 8 | u64::from(*byte));
    let mut random = generate::Random(seed);
    let text = match std::str::from_utf8(data) {
        Ok(text) if text.contains("default") => text.to_owned(),
        _ => generate::policy(&mut random),
    };
    let (Some(plan), _, _) = compile(vec![Source::new("f.route", text)], &NoFiles, catalogue()) else { return };
    for _ in 0..8 {
        let request = generate::request(&mut random);
        let facts = generate::facts(
            &mut random,
            plan.program.budgets.len(),
            catalogue().models.len(),
            plan.program.pools.len(),
        );
        let input = Input { request: &request, facts: &facts };
        assert_eq!(eval::winner(&plan, &input), naive::winner(&plan.program, &input));
        let (decision, _) = eval::explain(&plan, &input, true);
        assert_eq!(decision, eval::decide(&plan, &input));
    }
}

/// A stream decodes alike however it is cut, and nothing follows its end.
pub fn stream(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    for shape in [Shape::Anthropic, Shape::OpenAi] {
        let decode = |pieces: &[&[u8]]| {
            let mut decoder = shape.decoder(Names::default());
            let mut events = Vec::new();
            pieces.iter().for_each(|piece| decoder.push(piece, &mut events));
            decoder.finish(&mut events);
            events
        };
        let whole = decode(&[data]);
        let at = usize::from(*cut) * data.len() / 255;
        assert_eq!(decode(&[&data[..at], &data[at..]]), whole);
        let end = whole.iter().position(|event| matches!(event, Event::End { .. } | Event::Error { .. }));
        assert!(end.is_none_or(|end| end + 1 == whole.len()), "{whole:?}");
        let _ = assemble(&whole);
    }
}

/// Any body is read or refused, and bounds hold the count.
pub fn features(data: &[u8]) {
    for shape in [Shape::Anthropic, Shape::OpenAi] {
        let recorded = Recorded { shape, body: data.to_vec(), headers: Vec::new() };
        let _ = with_features(&recorded, catalogue(), &Counter::default(), None, |request, _| {
            for feature in [
                Feature::Prompt,
                Feature::Conversation,
                Feature::System,
                Feature::Project,
                Feature::Session,
                Feature::User,
            ] {
                request.text(feature, None);
            }
            for feature in [Feature::Files, Feature::FilesAll, Feature::Tools] {
                request.set(feature);
            }
            let exact = request.ordinal(Feature::Tokens, &[]).expect("tokens are always there");
            let bounds = request.ordinal(Feature::Tokens, &[i64::MAX]).expect("tokens are always there");
            assert!(bounds.low <= exact.low && exact.high <= bounds.high);
        });
    }
    let _ = Facts::default();
}
