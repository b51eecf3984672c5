//! The configuration file as it is written. A key that is not known is an error, never silence.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use crate::config::routing::{
    CostOptimizationEntry, IntelligentRoutingEntry, LoadBalancingEntry, RoutingEntry, RoutingRuleEntry,
};
use crate::config::{Problem, jsonc};

/// The largest configuration file, in bytes.
pub(super) const BYTES_MAX: usize = 4 << 20;

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
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
    /// Where usage, budgets, limits, counters and sessions live.
    pub store: Option<StoreEntry>,
    /// What calls are told while the store cannot be used: `allow` or `deny`.
    pub on_store_failure: Option<String>,
    /// Requests and tokens in a window.
    pub rate_limit: Option<RateLimitEntry>,
    /// Who may call.
    pub security: Option<SecurityEntry>,
    /// How much is taken on at once.
    pub performance: Option<PerformanceEntry>,
    /// How providers are watched.
    pub health_check: Option<HealthCheckEntry>,
    /// Answers that are kept.
    pub cache: Option<CacheEntry>,
    /// How much is logged, how, and where.
    pub logging: Option<LoggingEntry>,
    /// Who answers when no rule decides.
    pub routing: Option<RoutingEntry>,
    /// Rules, by their priority.
    pub routing_rules: Option<Vec<RoutingRuleEntry>>,
    /// A pool that the default routes to.
    pub load_balancing: Option<LoadBalancingEntry>,
    /// Budgets, and rules by what a request costs.
    pub cost_optimization: Option<CostOptimizationEntry>,
    /// Rules by what a prompt is about.
    pub intelligent_routing: Option<IntelligentRoutingEntry>,
}

impl File {
    /// Whether a section routes.
    pub fn routes(&self) -> bool {
        self.routing.is_some()
            || self.routing_rules.is_some()
            || self.load_balancing.is_some()
            || self.cost_optimization.is_some()
            || self.intelligent_routing.is_some()
    }
}

/// How much is logged, how, and where.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoggingEntry {
    /// `error`, `warn`, `info`, `debug`, `trace`, also by module.
    pub level: Option<String>,
    /// `text`, `json`.
    pub format: Option<String>,
    /// `console`, `file`.
    pub outputs: Option<Vec<String>>,
    /// The file.
    pub file: Option<LogFileEntry>,
    /// Figures.
    pub metrics: Option<MetricsEntry>,
}

/// A log file.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogFileEntry {
    /// The file.
    pub path: Option<String>,
    /// The largest file: a number of bytes, or `100MB`.
    pub max_size: Option<serde_json::Value>,
    /// How many full ones are kept.
    pub max_files: Option<u32>,
    /// Full ones are packed.
    pub compress: Option<bool>,
}

/// Figures.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricsEntry {
    /// They are served for Prometheus.
    pub enabled: Option<bool>,
    /// How often they are logged too, in seconds.
    pub interval: Option<f64>,
    /// Where they are served.
    pub endpoint: Option<String>,
}

/// Answers that are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CacheEntry {
    /// They are.
    pub enabled: Option<bool>,
    /// `memory`, `disk`, `redis`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Where Redis is.
    pub connection: Option<ConnectionEntry>,
    /// The folder of `disk`.
    pub path: Option<String>,
    /// How long an answer is kept, in seconds.
    pub ttl: Option<f64>,
    /// What keys in Redis begin with.
    pub key_prefix: Option<String>,
    /// They are kept compressed.
    pub compression: Option<bool>,
    /// How much is kept in memory or on the disk, in bytes.
    pub max_size: Option<u64>,
    /// Other times for some prompts; the first pattern that fits counts.
    pub rules: Option<Vec<CacheRuleEntry>>,
}

/// Where Redis is.
#[derive(Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionEntry {
    /// Its whole address, instead of its parts.
    pub url: Option<String>,
    /// The machine.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The password.
    pub password: Option<String>,
    /// The number of the database.
    pub db: Option<u32>,
}

impl std::fmt::Debug for ConnectionEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionEntry").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Another time for some prompts.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CacheRuleEntry {
    /// A glob that the whole prompt matches; case is ignored.
    pub pattern: String,
    /// In seconds; 0 keeps nothing.
    pub ttl: f64,
}

/// Where state lives.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreEntry {
    /// `memory`, `sqlite`, `redis`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The file of `SQLite`.
    pub path: Option<String>,
    /// The address of Redis.
    pub url: Option<String>,
    /// What every key in Redis begins with.
    pub key_prefix: Option<String>,
    /// How long a call waits for Redis, in milliseconds.
    pub timeout: Option<u64>,
}

/// Limits.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimitEntry {
    /// They hold.
    pub enabled: Option<bool>,
    /// Of all requests together.
    pub global: Option<LimitEntry>,
    /// Of each router key.
    pub per_key: Option<LimitEntry>,
    /// Of a model.
    pub per_model: Option<BTreeMap<String, LimitEntry>>,
}

/// So much in a window.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitEntry {
    /// Requests in the window.
    pub requests: Option<u64>,
    /// Tokens in the window, input and output.
    pub tokens: Option<u64>,
    /// In seconds.
    pub window: Option<f64>,
    /// Requests at the same time.
    pub concurrency: Option<usize>,
}

/// Who may call, and what is kept secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecurityEntry {
    /// Who may call.
    pub authentication: Option<AuthenticationEntry>,
    /// Whether what the router writes down is encrypted.
    pub encryption: Option<EncryptionEntry>,
}

/// Whether what the router writes down is encrypted.
#[derive(Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EncryptionEntry {
    /// It is.
    pub enabled: Option<bool>,
    /// `AES-256-GCM`.
    pub algorithm: Option<String>,
    /// Another key is taken after so many seconds.
    pub key_rotation: Option<f64>,
    /// The master key, 64 hexadecimal digits; without it there is a file with one.
    pub key: Option<String>,
    /// The file with the master key.
    pub key_file: Option<String>,
}

impl std::fmt::Debug for EncryptionEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptionEntry").field("key_rotation", &self.key_rotation).finish_non_exhaustive()
    }
}

/// Who may call.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthenticationEntry {
    /// Only who has a key may.
    pub enabled: Option<bool>,
    /// `bearer`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The keys.
    pub keys: Option<Vec<KeyEntry>>,
}

/// A key of the router.
#[derive(Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyEntry {
    /// As rules, limits and statistics call it.
    pub name: Option<String>,
    /// The key itself.
    pub key: Option<String>,
    /// Its SHA-256, in hexadecimal digits.
    pub key_hash: Option<String>,
    /// `write` may send requests, `read` may read statistics, health and explanations; both unless said.
    pub permissions: Option<Vec<String>>,
    /// Requests in the window of `rateLimit.perKey`, or in an hour.
    pub rate_limit: Option<u64>,
}

impl std::fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How much is taken on at once.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PerformanceEntry {
    /// Requests that are worked on at once.
    pub max_concurrent: Option<usize>,
    /// Requests that wait for that.
    pub max_queue: Option<usize>,
    /// How long they wait, in seconds.
    pub queue_wait: Option<f64>,
    /// The largest body, in bytes.
    pub max_body_size: Option<usize>,
    /// Connections to each provider.
    pub connection_pool: Option<ConnectionPoolEntry>,
    /// Threads.
    pub clustering: Option<ClusteringEntry>,
    /// Answers are packed for clients that take them so.
    pub compression: Option<CompressionEntry>,
    /// How long a body may take to come in, in seconds.
    pub body_timeout: Option<f64>,
    /// Bytes of bodies that are held at once.
    pub max_body_total: Option<usize>,
}

/// Answers are packed for clients that take them so; streams never are.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompressionEntry {
    /// They are.
    pub enabled: Option<bool>,
    /// How hard it is tried, from 1 to 9.
    pub level: Option<u32>,
    /// From how many bytes on.
    pub threshold: Option<u16>,
}

/// Connections to each provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionPoolEntry {
    /// Idle connections that are kept to each provider.
    pub max_connections: Option<usize>,
    /// How long a connection may take, in milliseconds.
    pub timeout: Option<u64>,
    /// Connections are used again.
    pub keep_alive: Option<bool>,
}

/// Threads.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusteringEntry {
    /// `workers` holds.
    pub enabled: Option<bool>,
    /// How many threads, or `auto`.
    pub workers: Option<serde_json::Value>,
}

/// How providers are watched.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheckEntry {
    /// They are.
    pub enabled: Option<bool>,
    /// How often, in seconds.
    pub interval: Option<f64>,
    /// How long an answer may take, in seconds.
    pub timeout: Option<f64>,
}

/// How traffic is recorded.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Router {
    /// The port.
    pub port: Option<u16>,
    /// The address; this machine alone unless said.
    pub host: Option<String>,
    /// How much is logged.
    pub log_level: Option<String>,
    /// Allows the router's own pages only, as without it: list the origins of other pages in `cors`.
    pub enable_cors: Option<bool>,
    /// The origins whose web pages may send requests, as in `https://app.example.com` or `vscode-webview://*`.
    pub cors: Option<Vec<String>>,
    /// Host names beside `localhost` and loopback addresses that clients may call the router by.
    pub hosts: Option<Vec<String>>,
    /// A request that would lose something in translation is refused; without it, the client is told what was lost.
    pub strict: Option<bool>,
}

/// One model with a provider of its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderEntry {
    /// `anthropic`, `openai`, `openai-responses`, `gemini`, `ollama`, `openrouter`, `azure-openai`, `openai-compatible`.
    pub kind: Option<String>,
    /// Its key.
    pub api_key: Option<String>,
    /// Several keys, taken in turn; one that fails rests.
    pub api_keys: Option<Vec<String>>,
    /// Where it is called.
    pub base_url: Option<String>,
    /// More headers of each call.
    pub headers: Option<BTreeMap<String, String>>,
    /// The version of its API, where its addresses bear one (Azure).
    pub api_version: Option<String>,
    /// How long its first byte is waited for where no rule says it, in seconds.
    pub timeout: Option<f64>,
    /// The proxy that it is called through: `http://HOST:PORT`.
    pub proxy: Option<String>,
    /// A request that would lose something on its way to it is refused, whatever `router.strict` says.
    pub strict: Option<bool>,
    /// Its models.
    pub models: Option<BTreeMap<String, ModelEntry>>,
}

/// A model of a provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "proxy", derive(schemars::JsonSchema))]
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

/// Whether a file says nothing at all; `name` says whether it is TOML.
pub fn is_empty(text: &str, name: &str) -> bool {
    text.trim().is_empty()
        || read::<BTreeMap<String, serde_json::Value>>(text, name).is_ok_and(|members| members.is_empty())
}

/// The JSON of a file, whatever it says.
pub fn value(path: &Path) -> Result<serde_json::Value, Problem> {
    let name = path.display().to_string();
    let fail = |error: std::io::Error| Problem(format!("{name}: {error}"));
    let (mut text, limit) = (String::new(), BYTES_MAX as u64 + 1);
    std::fs::File::open(path).map_err(fail)?.take(limit).read_to_string(&mut text).map_err(fail)?;
    read(&text, &name)
}

/// Whether a file is TOML, by its name.
pub fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

fn read<T: serde::de::DeserializeOwned>(text: &str, name: &str) -> Result<T, Problem> {
    if text.len() > BYTES_MAX {
        return Err(Problem(format!("{name}: the file is larger than {BYTES_MAX} bytes")));
    }
    if is_toml(Path::new(name)) {
        return read_toml(text, name);
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

fn read_toml<T: serde::de::DeserializeOwned>(text: &str, name: &str) -> Result<T, Problem> {
    toml_edit::de::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let message = error.message().trim().replace('\n', ", ");
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
