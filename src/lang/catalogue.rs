//! The models that can be routed to, as the configuration and the built-in data file name them. Here it is only a value:
//! names, windows, prices, abilities.

use std::collections::HashMap;

/// A model, by its place in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub u32);

/// The vocabulary that a model's tokens are counted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// OpenAI's, since gpt-4o.
    O200k,
    /// OpenAI's, of gpt-4 and gpt-3.5.
    Cl100k,
}

/// How a model's tokens are counted: exactly for OpenAI's, estimated for those of other makers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokenizer {
    /// What is counted.
    pub vocabulary: Vocabulary,
    /// What the count is multiplied by, in hundredths; more than 100 for an estimate, so that it errs high.
    pub factor_percent: u32,
}

/// Prices in nano-dollars per thousand tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prices {
    /// Input that no cache holds.
    pub input: i64,
    /// Output, reasoning with it.
    pub output: i64,
    /// Input that the provider's cache holds.
    pub cache_read: i64,
    /// Input that is written to it.
    pub cache_write: i64,
    /// Input that is written to it for an hour (Anthropic).
    pub cache_write_long: i64,
}

impl Prices {
    /// What some tokens cost, in nano-dollars: input that no cache holds, output, input that one holds, input written to
    /// it, and input written to it for an hour.
    pub fn of(self, [input, output, cache_read, cache_write, cache_write_long]: [u64; 5]) -> i64 {
        let of = |tokens: u64, price: i64| i128::from(tokens) * i128::from(price);
        let total = of(input, self.input)
            + of(output, self.output)
            + of(cache_read, self.cache_read)
            + of(cache_write, self.cache_write)
            + of(cache_write_long, self.cache_write_long);
        i64::try_from(total / 1_000).unwrap_or(i64::MAX)
    }
}

/// A model as a provider serves it.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// The name that the provider knows it by.
    pub name: String,
    /// Who serves it.
    pub provider: String,
    /// Other names for it.
    pub aliases: Vec<String>,
    /// Input and output together, in tokens.
    pub window: u64,
    /// The longest answer, in tokens.
    pub output_max: u64,
    /// None where the price is not known.
    pub prices: Option<Prices>,
    /// It sees images.
    pub images: bool,
    /// It calls tools.
    pub tools: bool,
    /// It has extended thinking.
    pub thinking: bool,
    /// It reads documents.
    pub documents: bool,
    /// It reasons before it answers, and takes no temperature.
    pub reasoning: bool,
    /// How its tokens are counted.
    pub tokenizer: Tokenizer,
    /// Its maker has retired it, or will: what comes after it, which may be empty.
    pub deprecated: Option<String>,
    /// What a request to it may hold.
    pub calling: Calling,
}

/// What a request to a model may hold, in the words of the configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calling {
    /// The path that it is called at, where it is another one than usual.
    pub endpoint: Option<String>,
    /// Parameters that it refuses.
    pub refuses: Vec<String>,
    /// The efforts that it takes, from the least to the most; empty where nobody knows.
    pub efforts: Vec<String>,
    /// Sent where neither the client nor a rule says one.
    pub temperature: Option<f64>,
}

impl Card {
    /// `provider/model`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.provider, self.name)
    }
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One model.
    One(ModelId),
    /// Several providers carry it, and nothing says which is first.
    Several(Vec<ModelId>),
    /// Nothing.
    None,
}

/// A name without the date at its end: `-20250929` or `-2025-09-29`.
fn without_date(name: &str) -> Option<&str> {
    let is_number = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let (front, last) = name.rsplit_once('-')?;
    if is_number(last, 8) {
        return Some(front);
    }
    let (front, month) = front.rsplit_once('-').filter(|(_, month)| is_number(month, 2) && is_number(last, 2))?;
    let (front, _) = front.rsplit_once('-').filter(|(_, year)| is_number(year, 4) && is_number(month, 2))?;
    Some(front)
}

/// All models, and the order of their providers.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Every model.
    pub models: Vec<Card>,
    /// Every provider that is known, also those without models.
    pub providers: Vec<String>,
    /// Which provider is first where a plain name stands for several.
    pub order: Vec<String>,
    /// A configuration was found, so that an unknown name is an error.
    pub configured: bool,
    names: HashMap<String, Vec<ModelId>>,
}

impl Catalogue {
    /// A catalogue of these models. A later card of the same provider and name wins.
    pub fn new(models: Vec<Card>, providers: Vec<String>, order: Vec<String>, configured: bool) -> Self {
        let mut kept: Vec<Card> = Vec::with_capacity(models.len());
        let mut places: HashMap<String, usize> = HashMap::new();
        for card in models {
            match places.get(&card.full_name()) {
                Some(at) => kept[*at] = card,
                None => {
                    places.insert(card.full_name(), kept.len());
                    kept.push(card);
                }
            }
        }
        let mut names: HashMap<String, Vec<ModelId>> = HashMap::new();
        for (index, card) in (0u32..).zip(&kept) {
            for name in std::iter::once(&card.name).chain(&card.aliases) {
                for name in [name.to_lowercase(), format!("{}/{}", card.provider, name).to_lowercase()] {
                    let ids = names.entry(name).or_default();
                    if !ids.contains(&ModelId(index)) {
                        ids.push(ModelId(index));
                    }
                }
            }
        }
        Self { models: kept, providers, order, configured, names }
    }

    /// The card of a model.
    pub fn card(&self, id: ModelId) -> &Card {
        &self.models[id.0 as usize]
    }

    /// What a name stands for: a plain name, an alias, or `provider/model`. Case is folded.
    pub fn find(&self, name: &str) -> Found {
        let Some(ids) = self.names.get(&name.to_lowercase()) else { return Found::None };
        let provider = name
            .split_once('/')
            .map(|(provider, _)| provider)
            .filter(|first| self.providers.iter().any(|known| known == first));
        let ids: Vec<ModelId> = ids
            .iter()
            .copied()
            .filter(|id| provider.is_none_or(|provider| self.card(*id).provider == provider))
            .collect();
        match ids.as_slice() {
            [] => Found::None,
            [one] => Found::One(*one),
            several => {
                let rank = |id: &ModelId| self.order.iter().position(|name| *name == self.card(*id).provider);
                match several.iter().filter(|id| rank(id).is_some()).min_by_key(|id| rank(id)) {
                    Some(first) => Found::One(*first),
                    None => Found::Several(several.to_vec()),
                }
            }
        }
    }

    /// What a client means by the name that it sends: also with a date at its end, a window in brackets
    /// (`[1m]`), or a comma for the slash (`openai,gpt-4o`).
    pub fn find_asked(&self, name: &str) -> Option<ModelId> {
        let name = name.split('[').next().unwrap_or(name).trim();
        let slashed = name.replacen(',', "/", 1);
        let undated = without_date(&slashed).map(str::to_owned);
        [Some(slashed), undated].into_iter().flatten().find_map(|name| match self.find(&name) {
            Found::One(id) => Some(id),
            Found::Several(ids) => ids.first().copied(),
            Found::None => None,
        })
    }

    /// The known name that is nearest to one that is not known.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let plain = self.models.iter().map(|card| card.name.as_str());
        crate::lang::schema::suggest::nearest(name, plain)
    }
}
