//! The configuration file as it is written. A key that is not known is an error, never silence.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use crate::config::{Problem, jsonc};

/// The largest configuration file, in bytes.
const BYTES_MAX: usize = 4 << 20;

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Where the router listens.
    pub router: Option<Router>,
    /// One model each, with a provider of its own.
    pub models: Option<BTreeMap<String, ShortModel>>,
    /// Providers, by name.
    pub providers: Option<BTreeMap<String, ProviderEntry>>,
    /// Anthropic.
    pub anthropic: Option<ProviderEntry>,
    /// OpenAI.
    pub openai: Option<ProviderEntry>,
    /// Google.
    pub google: Option<ProviderEntry>,
    /// Models of this machine.
    pub local: Option<ProviderEntry>,
    /// OpenRouter.
    pub openrouter: Option<ProviderEntry>,
    /// The rule files, one program in list order.
    pub rules: Option<Vec<String>>,
    /// The time zone of rules and budgets.
    pub timezone: Option<String>,
    /// Which provider is first where a plain name stands for several.
    pub provider_order: Option<Vec<String>>,
    /// Whether traffic is recorded, for `router replay` and `router diff --traffic`.
    pub record: Option<RecordEntry>,
}

/// How traffic is recorded.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordEntry {
    /// It is.
    pub enabled: Option<bool>,
    /// The file that lines are added to.
    pub path: Option<String>,
    /// Whole bodies are kept; without them no text of a request is.
    pub bodies: Option<bool>,
    /// The largest file, in bytes; one that is full is set aside.
    pub max_size: Option<u64>,
    /// How many files that are full are kept.
    pub max_files: Option<u32>,
}

/// Where the router listens.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Router {
    /// The port.
    pub port: Option<u16>,
    /// The address; this machine alone unless said.
    pub host: Option<String>,
    /// How much is logged.
    pub log_level: Option<String>,
    /// Browsers of other origins may call.
    pub enable_cors: Option<bool>,
    /// A request that would lose something in translation is refused; without it, the client is told what was lost.
    pub strict: Option<bool>,
}

/// One model with a provider of its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShortModel {
    /// Whose.
    pub provider: String,
    /// Its key.
    pub api_key: Option<String>,
    /// Where it is called: with or without the path of the API.
    pub endpoint: Option<String>,
}

/// A provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderEntry {
    /// `anthropic`, `openai`, `openai-responses`, `gemini`, `ollama`, `openrouter`, `azure-openai`, `openai-compatible`.
    pub kind: Option<String>,
    /// Its key.
    pub api_key: Option<String>,
    /// Where it is called.
    pub base_url: Option<String>,
    /// More headers of each call.
    pub headers: Option<BTreeMap<String, String>>,
    /// The version of its API, where its addresses bear one (Azure).
    pub api_version: Option<String>,
    /// A request that would lose something on its way to it is refused, whatever `router.strict` says.
    pub strict: Option<bool>,
    /// Its models.
    pub models: Option<BTreeMap<String, ModelEntry>>,
}

/// A model of a provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelEntry {
    /// The window, in tokens.
    pub context_window: Option<u64>,
    /// The window too, as older files write it.
    pub max_tokens: Option<u64>,
    /// The longest answer, in tokens.
    pub max_output_tokens: Option<u64>,
    /// A default.
    pub temperature: Option<f64>,
    /// In dollars, input and output alike.
    pub cost_per_token: Option<f64>,
    /// In dollars per million tokens.
    pub input_cost: Option<f64>,
    /// In dollars per million tokens.
    pub output_cost: Option<f64>,
    /// In dollars per million tokens.
    pub cache_read_cost: Option<f64>,
    /// In dollars per million tokens.
    pub cache_write_cost: Option<f64>,
    /// In dollars per million tokens, of what is kept for an hour.
    pub cache_write_long_cost: Option<f64>,
    /// It sees images.
    pub supports_images: Option<bool>,
    /// `tools`, `images`, `thinking`, `documents`.
    pub supports: Option<Vec<String>>,
    /// What it is good at, for people.
    pub specialization: Option<String>,
    /// Other names.
    pub aliases: Option<Vec<String>>,
    /// `o200k` or `cl100k`.
    pub tokenizer: Option<String>,
    /// What its count of tokens is multiplied by.
    pub token_factor: Option<f64>,
    /// It reasons before it answers.
    pub reasoning: Option<bool>,
    /// The path that it is called at, where it is another one than its provider's kind says: `/api/generate`.
    pub endpoint: Option<String>,
    /// Parameters that it refuses, so that they are not sent.
    pub refuses: Option<Vec<String>>,
    /// The efforts that it takes, from the least to the most.
    pub efforts: Option<Vec<String>>,
    /// Its maker has retired it, or will: what comes after it, which may be empty.
    pub deprecated: Option<String>,
}

/// Reads a file; `name` is how messages call it.
pub fn parse(text: &str, name: &str) -> Result<File, Problem> {
    read(text, name)
}

/// The JSON of a file, whatever it says.
pub fn value(path: &Path) -> Result<serde_json::Value, Problem> {
    let name = path.display().to_string();
    let fail = |error: std::io::Error| Problem(format!("{name}: {error}"));
    let (mut text, limit) = (String::new(), BYTES_MAX as u64 + 1);
    std::fs::File::open(path).map_err(fail)?.take(limit).read_to_string(&mut text).map_err(fail)?;
    read(&text, &name)
}

fn read<T: serde::de::DeserializeOwned>(text: &str, name: &str) -> Result<T, Problem> {
    if text.len() > BYTES_MAX {
        return Err(Problem(format!("{name}: the file is larger than {BYTES_MAX} bytes")));
    }
    let plain = jsonc::plain(text);
    serde_json::from_str(&plain).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        let help = unknown_key_help(&message).unwrap_or_default();
        Problem(format!("{name}:{line}:{column}: {message}{help}"))
    })
}

/// "Did you mean", for a key that is not known.
fn unknown_key_help(message: &str) -> Option<String> {
    let mut words = message.strip_prefix("unknown field `")?.split('`');
    let wrong = words.next()?;
    let known: Vec<&str> = words.skip(1).step_by(2).collect();
    let near = crate::lang::schema::suggest::nearest(wrong, known.iter().copied())?;
    Some(format!("; did you mean `{near}`?"))
}
