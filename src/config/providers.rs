//! Who can be called: the table of well-known providers, and what a configuration makes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::catalogue::{built_in, card};
use crate::config::file::{File, ProviderEntry};
use crate::config::service::seconds;
use crate::config::{Environment, Problem, Secret};
use crate::lang::catalogue::{Card, Catalogue};
use crate::wire::Api;
use crate::wire::wanted::Dialect;

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI chat completions, of OpenAI itself.
    OpenAi,
    /// OpenAI Responses.
    OpenAiResponses,
    /// Gemini.
    Gemini,
    /// Ollama's own API.
    Ollama,
    /// OpenRouter.
    OpenRouter,
    /// Azure OpenAI.
    AzureOpenAi,
    /// OpenAI chat completions, of others.
    OpenAiCompatible,
    /// Nobody: the answer is the explanation.
    Echo,
}

/// As a configuration writes them.
const KINDS: &[(&str, Kind)] = &[
    ("anthropic", Kind::Anthropic),
    ("openai", Kind::OpenAi),
    ("openai-responses", Kind::OpenAiResponses),
    ("gemini", Kind::Gemini),
    ("ollama", Kind::Ollama),
    ("openrouter", Kind::OpenRouter),
    ("azure-openai", Kind::AzureOpenAi),
    ("openai-compatible", Kind::OpenAiCompatible),
    ("echo", Kind::Echo),
];

/// One row of the table of well-known providers.
struct Known {
    name: &'static str,
    /// Other names for it.
    aliases: &'static [&'static str],
    kind: Kind,
    base_url: &'static str,
    /// The variables that hold its key; none when it needs none.
    keys: &'static [&'static str],
}

const KNOWN: &[Known] = &[
    Known {
        name: "anthropic",
        aliases: &[],
        kind: Kind::Anthropic,
        base_url: "https://api.anthropic.com",
        keys: &["ANTHROPIC_API_KEY"],
    },
    Known {
        name: "openai",
        aliases: &[],
        kind: Kind::OpenAi,
        base_url: "https://api.openai.com/v1",
        keys: &["OPENAI_API_KEY"],
    },
    Known {
        name: "gemini",
        aliases: &["google"],
        kind: Kind::Gemini,
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        keys: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    },
    Known { name: "ollama", aliases: &["local"], kind: Kind::Ollama, base_url: "http://localhost:11434", keys: &[] },
    Known {
        name: "openrouter",
        aliases: &[],
        kind: Kind::OpenRouter,
        base_url: "https://openrouter.ai/api/v1",
        keys: &["OPENROUTER_API_KEY"],
    },
    Known {
        name: "groq",
        aliases: &[],
        kind: Kind::OpenAiCompatible,
        base_url: "https://api.groq.com/openai/v1",
        keys: &["GROQ_API_KEY"],
    },
    Known {
        name: "deepseek",
        aliases: &[],
        kind: Kind::OpenAiCompatible,
        base_url: "https://api.deepseek.com",
        keys: &["DEEPSEEK_API_KEY"],
    },
    Known { name: "echo", aliases: &[], kind: Kind::Echo, base_url: "", keys: &[] },
];

/// Somebody who can be called.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// How it is spoken to.
    pub kind: Kind,
    /// Where, without a slash at its end.
    pub base_url: String,
    /// Its keys, taken in turn; none where none is set.
    pub keys: Vec<Secret>,
    /// Why it cannot be called, if it cannot.
    pub not_ready: Option<String>,
    /// Nobody configured it and it needs no key, so that it may well not be there.
    pub is_implied: bool,
    /// The configuration names it.
    pub is_configured: bool,
    /// More headers of each call.
    pub headers: Vec<(String, String)>,
    /// The version of its API, where its addresses bear one (Azure).
    pub api_version: Option<String>,
    /// A request that would lose something on its way to it is refused.
    pub strict: bool,
    /// How its server differs from the letter of its API.
    pub dialect: Dialect,
    /// How long its first byte is waited for where no rule says it.
    pub timeout: Option<Duration>,
    /// The proxy that it is called through: it may hold a password.
    pub proxy: Option<Secret>,
}

impl Kind {
    /// The API that it speaks; none for the one that is nobody.
    pub fn api(self) -> Option<Api> {
        match self {
            Self::Anthropic => Some(Api::Messages),
            Self::OpenAi | Self::AzureOpenAi | Self::OpenRouter | Self::OpenAiCompatible => Some(Api::Completions),
            Self::OpenAiResponses => Some(Api::Responses),
            Self::Gemini => Some(Api::Gemini),
            Self::Ollama => Some(Api::Ollama),
            Self::Echo => None,
        }
    }

    /// The API that a model of it is called by: `endpoint` is the path that a configuration gives the model.
    pub fn api_of(self, endpoint: Option<&str>) -> Option<Api> {
        match (self, endpoint) {
            (Self::Ollama | Self::OpenAiCompatible, Some("/api/generate")) => Some(Api::Generate),
            (Self::Ollama | Self::OpenAiCompatible, Some("/api/chat")) => Some(Api::Ollama),
            (Self::OpenAi | Self::OpenAiCompatible, Some("/v1/responses" | "/responses")) => Some(Api::Responses),
            (Self::Ollama, Some("/v1/chat/completions" | "/chat/completions")) => Some(Api::Completions),
            _ => self.api(),
        }
    }
}

/// Servers whose thinking models refuse a call of a tool that comes back without what they thought.
const ECHOES: &[&str] = &["deepseek.com", "moonshot.ai", "moonshot.cn", "kimi.com"];

fn dialect(kind: Kind, base_url: &str) -> Dialect {
    Dialect {
        openai: matches!(kind, Kind::OpenAi | Kind::AzureOpenAi),
        openrouter: kind == Kind::OpenRouter,
        echoes_thinking: kind == Kind::OpenAiCompatible && ECHOES.iter().any(|host| base_url.contains(host)),
    }
}

impl Provider {
    /// Whether it can be called.
    pub fn is_ready(&self) -> bool {
        self.not_ready.is_none()
    }
}

/// Every provider and every model of a configuration.
pub(super) fn resolve(
    file: &File,
    configured: bool,
    environment: &Environment,
) -> Result<(Vec<Provider>, Catalogue), Problem> {
    let entries = entries(file)?;
    let strict = file.router.as_ref().and_then(|router| router.strict).unwrap_or(false);
    let mut models: Vec<Card> = built_in();
    let mut providers = Vec::new();
    for known in KNOWN {
        let entry = entries.get(known.name).cloned();
        providers.push(provider(known.name, Some(known), entry, strict, environment)?);
    }
    for (name, entry) in &entries {
        if !KNOWN.iter().any(|known| known.name == name) {
            providers.push(provider(name, None, Some(entry.clone()), strict, environment)?);
        }
        for (model, written) in entry.models.iter().flatten() {
            let base = models.iter().find(|card| card.provider == *name && card.name == *model).cloned();
            models.push(card(name, model, written, base.as_ref())?);
        }
    }
    let names = providers.iter().map(|provider| provider.name.clone()).collect();
    let order: Vec<String> = file.provider_order.iter().flatten().map(|name| canonical(name).to_owned()).collect();
    for name in &order {
        if !providers.iter().any(|provider| provider.name == *name) {
            return Err(Problem(format!("providerOrder: no provider is called `{name}`")));
        }
    }
    Ok((providers, Catalogue::new(models, names, order, configured)))
}

/// The name that a provider goes by in rules: `google` is `gemini`, `local` is `ollama`.
pub fn canonical(name: &str) -> &str {
    KNOWN.iter().find(|known| known.aliases.contains(&name)).map_or(name, |known| known.name)
}

/// The sections that are a provider's, with the names that they stand under.
fn sections(file: &File) -> impl Iterator<Item = (&'static str, &ProviderEntry)> {
    let sections = [
        ("anthropic", &file.anthropic),
        ("openai", &file.openai),
        ("google", &file.google),
        ("local", &file.local),
        ("openrouter", &file.openrouter),
    ];
    sections.into_iter().filter_map(|(name, entry)| Some((name, entry.as_ref()?)))
}

/// The path of the entry that a provider has in a file, or would have.
pub fn section_of(file: &File, provider: &str) -> Vec<String> {
    let wanted = canonical(provider);
    if let Some((name, _)) = sections(file).find(|(name, _)| canonical(name) == wanted) {
        return vec![name.to_owned()];
    }
    let known = file.providers.iter().flatten().map(|(name, _)| name.as_str()).find(|name| canonical(name) == wanted);
    vec!["providers".to_owned(), known.unwrap_or(provider).to_owned()]
}

/// The paths at which a file names a model.
pub fn places_of(file: &File, provider: &str, model: &str) -> Vec<Vec<String>> {
    let wanted = canonical(provider);
    let own = |name: &str, entry: &ProviderEntry| {
        canonical(name) == wanted && entry.models.as_ref().is_some_and(|models| models.contains_key(model))
    };
    let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let mut places: Vec<Vec<String>> = sections(file)
        .filter(|(name, entry)| own(name, entry))
        .map(|(name, _)| path(&[name, "models", model]))
        .collect();
    let entries = file.providers.iter().flatten().filter(|(name, entry)| own(name, entry));
    places.extend(entries.map(|(name, _)| path(&["providers", name, "models", model])));
    let short = file.models.iter().flatten();
    let short = short.filter(|(name, entry)| *name == model && canonical(&entry.provider) == wanted);
    places.extend(short.map(|(name, _)| path(&["models", name])));
    places
}

/// The entries of all sections, by the providers' names.
fn entries(file: &File) -> Result<BTreeMap<String, ProviderEntry>, Problem> {
    let mut entries: BTreeMap<String, ProviderEntry> = BTreeMap::new();
    let sections = sections(file).map(|(name, entry)| (name.to_owned(), entry.clone()));
    for (name, entry) in sections.chain(file.providers.clone().unwrap_or_default()) {
        let name = canonical(&name).to_owned();
        if entries.insert(name.clone(), entry).is_some() {
            return Err(Problem(format!("the provider `{name}` is configured twice")));
        }
    }
    for (name, model) in file.models.iter().flatten() {
        let entry = entries.entry(canonical(&model.provider).to_owned()).or_default();
        entry.api_key = entry.api_key.take().or_else(|| model.api_key.clone());
        entry.base_url = entry.base_url.take().or_else(|| model.endpoint.as_deref().map(base_of));
        entry.models.get_or_insert_default().entry(name.clone()).or_default();
    }
    Ok(entries)
}

/// An endpoint without the path of the API.
fn base_of(endpoint: &str) -> String {
    let tails =
        ["/v1/messages", "/chat/completions", "/messages", "/models", "/responses", "/api/generate", "/api/chat"];
    let tail = tails.iter().find_map(|tail| endpoint.strip_suffix(tail));
    tail.unwrap_or(endpoint).to_owned()
}

fn provider(
    name: &str,
    known: Option<&Known>,
    entry: Option<ProviderEntry>,
    strict: bool,
    environment: &Environment,
) -> Result<Provider, Problem> {
    let is_implied = entry.is_none() && known.is_some_and(|known| known.keys.is_empty());
    let is_configured = entry.is_some();
    let entry = entry.unwrap_or_default();
    let kind = match (&entry.kind, known) {
        (Some(word), _) => KINDS.iter().find(|(known, _)| known == word).map(|(_, kind)| *kind).ok_or_else(|| {
            let kinds: Vec<&str> = KINDS.iter().map(|(word, _)| *word).collect();
            Problem(format!("providers.{name}.kind: `{word}` is none of {}", kinds.join(", ")))
        })?,
        (None, Some(known)) => guessed(known.kind, entry.base_url.as_deref()),
        (None, None) => Kind::OpenAiCompatible,
    };
    let base_url = match (&entry.base_url, known) {
        (Some(url), _) => filled(url, environment)
            .map_err(|missing| Problem(format!("providers.{name}.baseUrl: {missing} is not set")))?,
        (None, Some(known)) => known.base_url.to_owned(),
        (None, None) => return Err(Problem(format!("providers.{name}: `baseUrl` is missing"))),
    };
    let base_url = base_of_kind(kind, base_url.trim_end_matches('/')).to_owned();
    let is_url = base_url.starts_with("http://") || base_url.starts_with("https://");
    if kind != Kind::Echo && !is_url {
        return Err(Problem(format!("providers.{name}.baseUrl: `{base_url}` does not begin with http:// or https://")));
    }
    let (keys, not_ready) = keys_of(&entry, known, environment);
    let mut headers = Vec::new();
    for (header, value) in entry.headers.iter().flatten() {
        let value = filled(value, environment)
            .map_err(|missing| Problem(format!("providers.{name}.headers.{header}: {missing} is not set")))?;
        headers.push((header.to_ascii_lowercase(), value));
    }
    let timeout = entry.timeout.map(|time| seconds(&format!("providers.{name}.timeout"), time)).transpose()?;
    let proxy = entry.proxy.as_deref().map(|proxy| {
        let filled = filled(proxy, environment);
        let filled = filled.map_err(|missing| Problem(format!("providers.{name}.proxy: {missing} is not set")))?;
        let known = ["http://", "https://"].iter().any(|scheme| filled.starts_with(scheme));
        let wrong = || Problem(format!("providers.{name}.proxy: a proxy begins with http:// or https://"));
        known.then(|| Secret::new(filled)).ok_or_else(wrong)
    });
    Ok(Provider {
        timeout,
        proxy: proxy.transpose()?,
        name: name.to_owned(),
        kind,
        dialect: dialect(kind, &base_url),
        base_url,
        keys,
        not_ready,
        is_implied,
        is_configured,
        headers,
        api_version: entry.api_version.clone(),
        strict: entry.strict.unwrap_or(strict),
    })
}

/// The kind of a well-known provider at an address of one's own: what is called `local` need not be Ollama.
fn guessed(kind: Kind, base_url: Option<&str>) -> Kind {
    let path_of_openai = |url: &&str| {
        let url = url.trim_end_matches('/');
        url.ends_with("/openai") || (url.ends_with("/v1") && !url.contains(":11434"))
    };
    match (kind, base_url.filter(path_of_openai)) {
        (Kind::Ollama, Some(_)) => Kind::OpenAiCompatible,
        (Kind::Gemini, Some(url)) if url.trim_end_matches('/').ends_with("/openai") => Kind::OpenAiCompatible,
        (kind, _) => kind,
    }
}

/// A base URL without what the paths of a kind say themselves.
fn base_of_kind(kind: Kind, url: &str) -> &str {
    match kind {
        Kind::Anthropic => url.strip_suffix("/v1").unwrap_or(url),
        Kind::Ollama => ["/v1", "/api"].iter().find_map(|tail| url.strip_suffix(tail)).unwrap_or(url),
        _ => url,
    }
}

/// A provider's keys, or why there is none. Of several, those that are not set are left out.
fn keys_of(entry: &ProviderEntry, known: Option<&Known>, environment: &Environment) -> (Vec<Secret>, Option<String>) {
    let written: Vec<&String> = entry.api_key.iter().chain(entry.api_keys.iter().flatten()).collect();
    if !written.is_empty() {
        let (mut keys, mut missing) = (Vec::new(), None);
        for text in written {
            match filled(text, environment) {
                Ok(key) => keys.push(Secret::new(key)),
                Err(name) => missing = missing.or(Some(format!("{name} is not set"))),
            }
        }
        let missing = missing.filter(|_| keys.is_empty());
        return (keys, missing);
    }
    let Some(known) = known.filter(|known| !known.keys.is_empty()) else { return (Vec::new(), None) };
    match known.keys.iter().find_map(|name| environment.get(name)) {
        Some(key) => (vec![Secret::new(key)], None),
        // A provider of one's own at another address may well need no key.
        None if entry.base_url.is_some() => (Vec::new(), None),
        None => (Vec::new(), Some(format!("{} is not set", known.keys[0]))),
    }
}

/// A text with its variables filled in. One that is missing is noted, and nothing is served with the text then.
pub(super) fn filled_or_noted(
    at: &str,
    text: &str,
    environment: &Environment,
    lacks: &mut Vec<Problem>,
) -> Option<String> {
    filled(text, environment).map_err(|missing| lacks.push(Problem(format!("{at}: {missing} is not set")))).ok()
}

/// A text with `${NAME}` and `${NAME:-default}` filled in; the name of a variable that is missing.
pub(super) fn filled(text: &str, environment: &Environment) -> Result<String, String> {
    let mut made = String::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("${") {
        made.push_str(before);
        let Some((inside, after)) = tail.split_once('}') else {
            made.push_str("${");
            rest = tail;
            continue;
        };
        let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
        match environment.get(name).or(default) {
            Some(value) => made.push_str(value),
            None => return Err(name.to_owned()),
        }
        rest = after;
    }
    made.push_str(rest);
    Ok(made)
}
