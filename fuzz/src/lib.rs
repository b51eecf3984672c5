//! What the fuzz targets hold the program to; `replay` runs the same over the corpora.

use std::sync::{Arc, OnceLock};

use claude_router::config;
use claude_router::features::files::in_text;
use claude_router::features::tokens::{Counter, reference};
use claude_router::features::work::without_injected;
use claude_router::features::vocabulary::{Counts, PIECE_BYTES_MAX};
use claude_router::lang::analysis::{Analysis, Reach};
use claude_router::lang::catalogue::{Catalogue, Vocabulary};
use claude_router::lang::eval::{self, naive};
use claude_router::lang::input::{Facts, Feature, Input};
use claude_router::lang::ir::load::{NoFiles, Roots};
use claude_router::lang::source::{Source, SourceId};
use claude_router::lang::syntax;
use claude_router::lang::{check, compile, diagnostic::render};
use claude_router::tools::request::{Recorded, with_features};
use claude_router::tools::{fmt as formatter, import as importer, lint};
use claude_router::wire::event::{Event, assemble};
use claude_router::wire::ids::Names;
use claude_router::wire::patch::{self, Changes};
use claude_router::wire::refused::{self, Refused};
use claude_router::wire::reply::{self, Head, Writer};
use claude_router::wire::wanted::{Dialect, Target, Wanted};
use claude_router::wire::{Api, Client, loss, provider, request};

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

/// The rules of a text that is a program, or else of a generated one, and what else to draw from the same bytes.
fn policy(data: &[u8]) -> (String, generate::Random) {
    let seed = data.iter().take(8).fold(0u64, |seed, byte| seed << 8 | u64::from(*byte));
    let mut random = generate::Random(seed);
    match std::str::from_utf8(data) {
        Ok(text) if text.contains("default") => (text.to_owned(), random),
        _ => (generate::policy(&mut random), random),
    }
}

/// The plan decides as the naive evaluator does: of a generated rule set, or of the text itself.
pub fn decide(data: &[u8]) {
    let (text, mut random) = policy(data);
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

/// What the analysis claims of rules is so: its requests are decided by them, and no request by those that it says nothing
/// reaches.
pub fn analysis(data: &[u8]) {
    let (text, mut random) = policy(data);
    let (Some(plan), _, _) = compile(vec![Source::new("f.route", text)], &NoFiles, catalogue()) else { return };
    let analysis = Analysis::of(&plan);
    let mut never = Vec::new();
    for rule in 0..plan.program.rules.len().min(50) {
        match analysis.reach(Some(rule)) {
            Reach::Reached(situation) => {
                let facts = situation.facts(&plan.program, 0);
                let input = Input { request: &situation, facts: &facts };
                assert_eq!(naive::winner(&plan.program, &input), Some(rule), "{situation:?}");
            }
            Reach::Never(_) | Reach::Impossible => never.push(rule),
            Reach::Unknown => {}
        }
    }
    for _ in 0..16 {
        let mut request = generate::request(&mut random);
        let (budgets, pools) = (plan.program.budgets.len(), plan.program.pools.len());
        let mut facts = generate::facts(&mut random, budgets, catalogue().models.len(), pools);
        generate::realistic(&mut request, &mut facts);
        let winner = naive::winner(&plan.program, &Input { request: &request, facts: &facts });
        assert!(winner.is_none_or(|winner| !never.contains(&winner)), "{winner:?} decides {request:?}");
    }
}

/// Any configuration is imported as rules that parse, or refused.
pub fn import(data: &[u8]) {
    let Ok(configuration) = serde_json::from_slice(data) else { return };
    if let Ok(made) = importer::import(&configuration, "config.json", "imported.route") {
        let (_, problems) = syntax::parse(&Source::new("i.route", made.rules.as_str()), SourceId::default());
        assert!(problems.is_empty(), "{problems:?}\n{}", made.rules);
    }
}

/// A stream decodes alike however it is cut, nothing follows its end, and every client can be written what it says.
fn stream(api: Api, data: &[u8]) {
    let decode = |pieces: &[&[u8]]| {
        let mut decoder = api.decoder(Names::default());
        let mut events = Vec::new();
        pieces.iter().for_each(|piece| decoder.push(piece, &mut events));
        decoder.finish(&mut events);
        events
    };
    let whole = decode(&[data]);
    let at =
        data.iter().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte))) % (data.len() + 1);
    assert_eq!(decode(&[&data[..at], &data[at..]]), whole);
    let end = whole.iter().position(|event| matches!(event, Event::End { .. } | Event::Error { .. }));
    assert_eq!(end, whole.len().checked_sub(1), "{whole:?}");
    let answer = assemble(&whole);
    for client in CLIENTS {
        Writer::new(client, Head::default()).write(&whole, &mut String::new());
        if let Ok(answer) = &answer {
            let body = reply::whole(client, answer, &Head::default());
            assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
        }
    }
    let read = assemble(&api.decode_whole(data, &Names::default()));
    // What reads less may read what is broken elsewhere.
    if let (Some(usage), Ok(answer)) = (api.usage_of_whole(data), read) {
        assert_eq!(answer.usage, usage);
    }
}

const CLIENTS: [Client; 3] = [Client::Messages, Client::Completions, Client::Responses];

/// A stream of Anthropic Messages.
pub fn stream_messages(data: &[u8]) {
    stream(Api::Messages, data);
}

/// A stream of chat completions.
pub fn stream_completions(data: &[u8]) {
    stream(Api::Completions, data);
}

/// A stream of Responses.
pub fn stream_responses(data: &[u8]) {
    stream(Api::Responses, data);
}

/// A stream of Gemini.
pub fn stream_gemini(data: &[u8]) {
    stream(Api::Gemini, data);
}

/// A stream of Ollama.
pub fn stream_ollama(data: &[u8]) {
    stream(Api::Ollama, data);
}

/// Any body that is a request becomes a request of every provider; what is left out of it or of its header is JSON still.
pub fn request(data: &[u8]) {
    for client in CLIENTS {
        let Ok(chat) = request::decode(client, data) else { continue };
        for row in provider::TABLE {
            for dialect in [
                Dialect::default(),
                Dialect { openai: true, ..Dialect::default() },
                Dialect { openrouter: true, echoes_thinking: true, ..Dialect::default() },
            ] {
                let target = Target { dialect, reasoning: dialect.openai, ..Target::of(row.api) };
                let wanted = Wanted::of(&chat, &Changes::default(), &target);
                let body = (row.encode)(&chat, &wanted, &target).body;
                assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
                loss::of(&chat, &target);
                let member = Refused::Member(vec!["messages".to_owned(), "content".to_owned()]);
                if let Some(less) = refused::without(data, &[member]) {
                    assert!(serde_json::from_str::<serde_json::Value>(&less).is_ok(), "{less}");
                }
                let changes = Changes { model: Some("m".to_owned()), ..Changes::default() };
                if let Some((forwarded, _)) = patch::body(client, data, &changes, &target) {
                    assert!(serde_json::from_str::<serde_json::Value>(&forwarded).is_ok(), "{forwarded}");
                    let place = patch::place_of(data, &chat.model);
                    let hardly = patch::hardly(client, data, &changes, &target, place.as_ref());
                    if let Some(hardly) = hardly {
                        assert_eq!(String::from_utf8_lossy(&hardly), forwarded);
                    }
                }
            }
        }
    }
}

/// Any body is read or refused, and bounds hold the count.
pub fn features(data: &[u8]) {
    for client in CLIENTS {
        let recorded = Recorded { client, body: data.to_vec(), headers: Vec::new() };
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

/// Any configuration is read without a panic, and its sections become a program of which what is wrong can be shown. A
/// change of one that can be read leaves one that can be read.
pub fn config(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let is_toml = first % 2 == 1;
    let path = std::path::Path::new(if is_toml { "f.toml" } else { "f.json" });
    let environment = config::Environment::default().with("HOME", "/nowhere");
    let Ok(read) = config::Configuration::of_text(text, path, &environment) else { return };
    let roots = Roots { files: Vec::new(), tier: read.tier };
    let checked = check(roots, &NoFiles, &read.catalogue);
    render::human(&checked.sources, &lint::run(&checked, &|_| Err(String::new())).problems, true);
    let place = ["providers", "fuzzed", "models", "m"].map(str::to_owned);
    let value = serde_json::json!({"contextWindow": 1_000});
    let Ok(with) = config::edit::apply(text, is_toml, &place, &config::edit::Change::Set(&value)) else { return };
    let file = config::file::parse(&with, &path.display().to_string()).expect("a changed file can be read");
    assert!(!config::providers::places_of(&file, "fuzzed", "m").is_empty(), "{with}");
    let without = config::edit::apply(&with, is_toml, &place, &config::edit::Change::Remove).expect("it was there");
    let file = config::file::parse(&without, &path.display().to_string()).expect("a changed file can be read");
    assert!(config::providers::places_of(&file, "fuzzed", "m").is_empty(), "{without}");
}

/// Counts of tokens are those of tiktoken.
pub fn tokens(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > PIECE_BYTES_MAX {
        return;
    }
    for vocabulary in [Vocabulary::O200k, Vocabulary::Cl100k] {
        assert_eq!(Counts::of(vocabulary).count(text), reference(vocabulary, text), "{text:?}");
    }
}

/// Scans of a prompt look at each byte a few times, whatever stands in it.
pub fn work(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut steps = 0;
    without_injected(text, &mut steps);
    in_text(text, |_| {}, &mut steps);
    assert!(steps <= 6 * text.len(), "{steps} of {}", text.len());
}
