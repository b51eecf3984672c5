//! The built-in catalogue: a data file of well-known models, and how an entry of a configuration becomes a card.

use serde::Deserialize;

use crate::config::Problem;
use crate::config::file::ModelEntry;
use crate::lang::catalogue::{Calling, Card, Catalogue, Prices, Tokenizer, Vocabulary};
use crate::wire::wanted::PARAMETERS;

const DATA: &str = include_str!("models.json");
/// What the data file, and a model of a configuration, may hold.
pub const SCHEMA: &str = include_str!("models.schema.json");
/// The window of a model about which nothing else is known, in tokens.
const WINDOW: u64 = 128_000;
/// The longest answer of such a model, in tokens.
const OUTPUT: u64 = 8_192;
/// The factor of a count for a model whose vocabulary is not known, in hundredths: it errs high.
const FACTOR_PERCENT: u32 = 115;

#[derive(Deserialize)]
struct Data {
    models: Vec<Built>,
}

#[derive(Deserialize)]
struct Built {
    provider: String,
    name: String,
    #[serde(flatten)]
    entry: ModelEntry,
}

/// The cards of the built-in catalogue.
pub fn built_in() -> Vec<Card> {
    let data: Data = serde_json::from_str(DATA).expect("a test reads the data file");
    data.models
        .iter()
        .map(|built| card(&built.provider, &built.name, &built.entry, None).expect("a test reads the data file"))
        .collect()
}

/// The built-in catalogue alone, for programs that have no configuration.
pub fn alone() -> Catalogue {
    let models = built_in();
    let mut providers: Vec<String> = models.iter().map(|card| card.provider.clone()).collect();
    providers.dedup();
    Catalogue::new(models, providers, Vec::new(), false)
}

/// The card of an entry: what it does not say is as in `base`, else as for a model nobody knows.
pub fn card(provider: &str, name: &str, entry: &ModelEntry, base: Option<&Card>) -> Result<Card, Problem> {
    let place = |what: &str| format!("{provider}.models.{name}.{what}");
    let window = entry.context_window.or(entry.max_tokens).or(base.map(|card| card.window)).unwrap_or(WINDOW);
    let mut card = base.cloned().unwrap_or_else(|| Card {
        name: name.to_owned(),
        provider: provider.to_owned(),
        aliases: Vec::new(),
        window,
        output_max: OUTPUT.min(window),
        prices: None,
        images: false,
        tools: true,
        thinking: false,
        documents: false,
        reasoning: false,
        tokenizer: Tokenizer { vocabulary: Vocabulary::O200k, factor_percent: FACTOR_PERCENT },
        deprecated: None,
        calling: Calling::default(),
    });
    (card.name, card.provider) = (name.to_owned(), provider.to_owned());
    card.window = window;
    card.output_max = entry.max_output_tokens.unwrap_or(card.output_max).min(window);
    card.aliases.extend(entry.aliases.iter().flatten().cloned());
    card.prices = prices(entry, card.prices);
    card.images = entry.supports_images.unwrap_or(card.images);
    card.reasoning = entry.reasoning.unwrap_or(card.reasoning);
    card.deprecated = entry.deprecated.clone().or(card.deprecated);
    card.calling = calling(entry, &card.calling, &place)?;
    if let Some(supports) = &entry.supports {
        (card.images, card.tools, card.thinking, card.documents) = (false, false, false, false);
        for word in supports {
            match word.as_str() {
                "images" => card.images = true,
                "tools" => card.tools = true,
                "thinking" => card.thinking = true,
                "documents" => card.documents = true,
                other => {
                    return Err(Problem(format!(
                        "{}: `{other}` is none of tools, images, thinking, documents",
                        place("supports")
                    )));
                }
            }
        }
    }
    if let Some(word) = &entry.tokenizer {
        let vocabulary = match word.as_str() {
            "o200k" => Vocabulary::O200k,
            "cl100k" => Vocabulary::Cl100k,
            other => return Err(Problem(format!("{}: `{other}` is neither o200k nor cl100k", place("tokenizer")))),
        };
        card.tokenizer = Tokenizer { vocabulary, factor_percent: 100 };
    }
    if let Some(factor) = entry.token_factor {
        card.tokenizer.factor_percent =
            whole(factor * 100.0).and_then(|percent| u32::try_from(percent).ok()).unwrap_or(100);
    }
    Ok(card)
}

/// What a request to the model may hold.
fn calling(entry: &ModelEntry, base: &Calling, place: &dyn Fn(&str) -> String) -> Result<Calling, Problem> {
    let is_known = |name: &&String| PARAMETERS.iter().any(|(known, _)| known == name);
    if let Some(wrong) = entry.refuses.iter().flatten().find(|name| !is_known(name)) {
        let known: Vec<&str> = PARAMETERS.iter().map(|(name, _)| *name).collect();
        return Err(Problem(format!("{}: `{wrong}` is none of {}", place("refuses"), known.join(", "))));
    }
    Ok(Calling {
        endpoint: entry.endpoint.clone().or_else(|| base.endpoint.clone()),
        refuses: entry.refuses.clone().unwrap_or_else(|| base.refuses.clone()),
        efforts: entry.efforts.clone().unwrap_or_else(|| base.efforts.clone()),
        temperature: entry.temperature.or(base.temperature),
    })
}

fn prices(entry: &ModelEntry, base: Option<Prices>) -> Option<Prices> {
    // Dollars per million tokens are thousandths of nano-dollars per thousand tokens.
    let per_million = |cost: f64| whole(cost * 1_000_000.0);
    if let Some(cost) = entry.cost_per_token {
        let price = whole(cost * 1_000_000_000_000.0)?;
        return Some(Prices {
            input: price,
            output: price,
            cache_read: price,
            cache_write: price,
            cache_write_long: price,
        });
    }
    let input = entry.input_cost.and_then(per_million).or(base.map(|prices| prices.input))?;
    let output = entry.output_cost.and_then(per_million).or(base.map(|prices| prices.output)).unwrap_or(input);
    let given = entry.input_cost.is_none().then_some(base).flatten();
    let cache_read =
        entry.cache_read_cost.and_then(per_million).or(given.map(|prices| prices.cache_read)).unwrap_or(input);
    let cache_write =
        entry.cache_write_cost.and_then(per_million).or(given.map(|prices| prices.cache_write)).unwrap_or(input);
    let given_long = entry.cache_write_long_cost.and_then(per_million);
    // Who charges more for writing charges twice the input for an hour of it.
    let usual = if cache_write > input { input.saturating_mul(2).max(cache_write) } else { cache_write };
    let own = entry.cache_write_cost.is_none().then_some(given).flatten();
    let cache_write_long = given_long.or(own.map(|prices| prices.cache_write_long)).unwrap_or(usual);
    Some(Prices { input, output, cache_read, cache_write, cache_write_long })
}

/// The nearest whole number that is not below zero.
fn whole(value: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "what does not fit is cut off, and checked first")]
    let rounded = value.round() as i64;
    (value.is_finite() && value >= 0.0).then_some(rounded)
}
