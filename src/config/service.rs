//! What there is beside providers: the store, limits, keys, and how much is taken on at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::config::file::{
    AuthenticationEntry, CompressionEntry, EncryptionEntry, File, HealthCheckEntry, KeyEntry, LimitEntry,
    PerformanceEntry, RateLimitEntry, StoreEntry,
};
use crate::config::providers::filled_or_noted;
use crate::config::{Environment, Problem, Secret};
use crate::lang::catalogue::{Catalogue, ModelId};

/// A window of limits when none is written.
const WINDOW: Duration = Duration::from_hours(1);
/// How long a call waits for Redis when nothing else is said.
const REDIS_TIMEOUT: Duration = Duration::from_millis(500);
/// What keys in Redis begin with. The braces keep all of them in one place of a cluster.
const REDIS_PREFIX: &str = "{claude-router}:";
/// How many requests are worked on at once when nothing else is said: more only cost memory.
const CONCURRENT: usize = 1_024;
/// How many wait then.
const QUEUE: usize = 1_024;
/// How long they wait.
const QUEUE_WAIT: Duration = Duration::from_secs(10);
/// The largest body that is read, in bytes, when nothing else is said: twice what Anthropic takes.
const BODY_BYTES: usize = 64 << 20;
/// Bytes of bodies that are held at once when nothing else is said.
const BODIES_BYTES: usize = 512 << 20;
/// How long a body may take to come in when nothing else is said.
const BODY_WAIT: Duration = Duration::from_mins(1);
/// The most router keys.
const KEYS_MAX: usize = 10_000;

/// Where state lives that outlives the process, or is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Which.
    pub kind: StoreKind,
    /// What calls are told while it cannot be used.
    pub on_failure: OnStoreFailure,
    /// Why it is memory, where nobody asked for that.
    pub forgets: Option<String>,
}

/// A kind of store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreKind {
    /// This process.
    Memory,
    /// A file of `SQLite`; `implied` where nobody asked for it.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// It is the default, and memory is taken where it cannot be written.
        implied: bool,
    },
    /// Redis.
    Redis {
        /// With its password, where it has one.
        url: Secret,
        /// What every key begins with.
        prefix: String,
        /// How long a call waits for it.
        timeout: Duration,
    },
}

/// What calls are told while the store cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStoreFailure {
    /// Budgets read as nothing spent, and limits let everything through.
    Allow,
    /// Budgets read as all spent, and what budgets or limits count is refused.
    Deny,
}

/// So much in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens, input and output.
    pub tokens: Option<u64>,
    /// In which they may be taken.
    pub window: Duration,
    /// Requests at the same time.
    pub concurrency: Option<usize>,
}

/// All limits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Of all requests together.
    pub global: Option<Limit>,
    /// Of each router key.
    pub per_key: Option<Limit>,
    /// Of a model.
    pub per_model: Vec<(ModelId, Limit)>,
}

/// Who may call the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterKey {
    /// As rules, limits and statistics call it.
    pub name: String,
    /// The SHA-256 of the key.
    pub hash: [u8; 32],
    /// It may read statistics, details of health, explanations.
    pub read: bool,
    /// It may send requests.
    pub write: bool,
    /// Its own limit.
    pub limit: Option<Limit>,
}

/// How much is taken on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// Requests that are worked on at once.
    pub concurrent: usize,
    /// Requests that wait for that.
    pub queue: usize,
    /// How long they wait.
    pub wait: Duration,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// Bytes of bodies that are held at once.
    pub bodies_bytes: usize,
    /// How long a body may take to come in.
    pub body_wait: Duration,
}

pub(super) fn store(
    file: &File,
    folder: &Path,
    environment: &Environment,
    lacks: &mut Vec<Problem>,
) -> Result<Store, Problem> {
    let on_failure = match file.on_store_failure.as_deref() {
        None | Some("allow") => OnStoreFailure::Allow,
        Some("deny") => OnStoreFailure::Deny,
        Some(other) => return Err(Problem(format!("onStoreFailure: `{other}` is neither `allow` nor `deny`"))),
    };
    let entry = file.store.clone().unwrap_or_default();
    let mut forgets = None;
    let kind = match (entry.kind.as_deref(), &entry.path, &entry.url) {
        (Some("memory"), None, None) => StoreKind::Memory,
        (Some("redis") | None, None, Some(_)) => redis(&entry, environment, lacks)?,
        (Some("redis"), None, None) => {
            return Err(Problem("store.url: Redis needs an address: redis://HOST:PORT".to_owned()));
        }
        (None | Some("sqlite"), Some(path), None) => StoreKind::Sqlite { path: folder.join(path), implied: false },
        (Some("sqlite"), None, None) => StoreKind::Sqlite { path: default_path(environment)?, implied: false },
        (None, None, None) => match default_path(environment) {
            Ok(path) => StoreKind::Sqlite { path, implied: true },
            Err(why) => {
                forgets = Some(format!("{why}; until then what is spent is forgotten when the router stops"));
                StoreKind::Memory
            }
        },
        (Some("memory" | "sqlite" | "redis"), ..) | (None, Some(_), Some(_)) => {
            let message = "store: `path` is for the type `sqlite`, `url` for `redis`, and `memory` takes neither";
            return Err(Problem(message.to_owned()));
        }
        (Some(other), ..) => return Err(Problem(format!("store.type: `{other}` is none of memory, sqlite, redis"))),
    };
    Ok(Store { kind, on_failure, forgets })
}

fn redis(entry: &StoreEntry, environment: &Environment, lacks: &mut Vec<Problem>) -> Result<StoreKind, Problem> {
    let url = filled_or_noted("store.url", entry.url.as_deref().unwrap_or_default(), environment, lacks);
    if url.as_deref().is_some_and(|url| !is_redis(url)) {
        return Err(Problem(format!("store.url: {NOT_REDIS}")));
    }
    let url = url.unwrap_or_default();
    Ok(StoreKind::Redis {
        url: Secret::new(url),
        prefix: entry.key_prefix.clone().unwrap_or_else(|| REDIS_PREFIX.to_owned()),
        timeout: entry.timeout.map_or(REDIS_TIMEOUT, Duration::from_millis),
    })
}

/// What is wrong with an address that is not one of Redis.
pub(super) const NOT_REDIS: &str = "an address of Redis begins with redis://, or rediss:// for TLS";

/// Whether an address is one of Redis.
pub(super) fn is_redis(url: &str) -> bool {
    ["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme))
}

/// The file that state lives in when nothing else is said.
fn default_path(environment: &Environment) -> Result<PathBuf, Problem> {
    Ok(state_folder(environment)?.join("router.db"))
}

/// Where the router keeps what it writes: `$XDG_STATE_HOME/claude-router`, else `~/.local/state/claude-router`.
pub fn state_folder(environment: &Environment) -> Result<PathBuf, Problem> {
    let base = match (environment.get("XDG_STATE_HOME"), environment.get("HOME"), environment.get("LOCALAPPDATA")) {
        (Some(state), ..) => PathBuf::from(state),
        (None, Some(home), _) => Path::new(home).join(".local/state"),
        (None, None, Some(local)) => PathBuf::from(local),
        (None, None, None) => {
            return Err(Problem("HOME is not set: say where the store is, with `store.path`".to_owned()));
        }
    };
    Ok(base.join("claude-router"))
}

pub(super) fn seconds(name: &str, value: f64) -> Result<Duration, Problem> {
    let wrong = || Problem(format!("{name}: {value} is not a time in seconds"));
    Duration::try_from_secs_f64(value).ok().filter(|time| !time.is_zero()).ok_or_else(wrong)
}

fn limit(name: &str, entry: &LimitEntry) -> Result<Limit, Problem> {
    let window = entry.window.map_or(Ok(WINDOW), |window| seconds(&format!("{name}.window"), window))?;
    let zero = [("requests", entry.requests == Some(0)), ("tokens", entry.tokens == Some(0))];
    if let Some((what, _)) = zero.iter().find(|(_, zero)| *zero) {
        return Err(Problem(format!("{name}.{what}: a limit of 0 would let nothing through")));
    }
    if entry.concurrency == Some(0) {
        return Err(Problem(format!("{name}.concurrency: a limit of 0 would let nothing through")));
    }
    if entry.requests.is_none() && entry.tokens.is_none() && entry.concurrency.is_none() {
        return Err(Problem(format!("{name}: say `requests`, `tokens` or `concurrency`")));
    }
    Ok(Limit { requests: entry.requests, tokens: entry.tokens, window, concurrency: entry.concurrency })
}

pub(super) fn limits(entry: Option<&RateLimitEntry>, catalogue: &Catalogue) -> Result<Limits, Problem> {
    let Some(entry) = entry.filter(|entry| entry.enabled.unwrap_or(true)) else { return Ok(Limits::default()) };
    let one = |name: &str, entry: &Option<LimitEntry>| entry.as_ref().map(|entry| limit(name, entry)).transpose();
    let mut per_model = Vec::new();
    for (model, entry) in entry.per_model.iter().flatten() {
        let id = catalogue.find_asked(model).ok_or_else(|| {
            let near = catalogue.nearest(model).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            Problem(format!("rateLimit.perModel: no provider has a model `{model}`{near}"))
        })?;
        per_model.push((id, limit(&format!("rateLimit.perModel.{model}"), entry)?));
    }
    Ok(Limits {
        global: one("rateLimit.global", &entry.global)?,
        per_key: one("rateLimit.perKey", &entry.per_key)?,
        per_model,
    })
}

/// The keys that may call the router; none where everybody who reaches it may.
pub(super) fn keys(
    entry: Option<&AuthenticationEntry>,
    limits: &Limits,
    environment: &Environment,
    lacks: &mut Vec<Problem>,
) -> Result<Option<Vec<RouterKey>>, Problem> {
    let Some(entry) = entry.filter(|entry| entry.enabled.unwrap_or(true)) else { return Ok(None) };
    const AT: &str = "security.authentication";
    if let Some(other) = entry.kind.as_deref().filter(|kind| *kind != "bearer") {
        return Err(Problem(format!("{AT}.type: `{other}` is not `bearer`")));
    }
    let written = entry.keys.as_deref().unwrap_or_default();
    if written.is_empty() {
        return Err(Problem(format!("{AT}.keys: without a key nobody could call the router")));
    }
    if written.len() > KEYS_MAX {
        return Err(Problem(format!("{AT}.keys: more than {KEYS_MAX} keys")));
    }
    let mut keys: Vec<RouterKey> = Vec::new();
    for (place, entry) in written.iter().enumerate() {
        let at = format!("{AT}.keys[{place}]");
        let key = key(&at, place, entry, limits, environment, lacks)?;
        if keys.iter().any(|known| known.name == key.name) {
            return Err(Problem(format!("{at}.name: two keys are called `{}`", key.name)));
        }
        if keys.iter().any(|known| known.hash == key.hash) {
            return Err(Problem(format!("{at}: the same key stands there twice")));
        }
        keys.push(key);
    }
    Ok(Some(keys))
}

fn key(
    at: &str,
    place: usize,
    entry: &KeyEntry,
    limits: &Limits,
    environment: &Environment,
    lacks: &mut Vec<Problem>,
) -> Result<RouterKey, Problem> {
    let hash = match (&entry.key, &entry.key_hash) {
        (Some(key), None) => {
            let key = filled_or_noted(&format!("{at}.key"), key, environment, lacks);
            if key.as_ref().is_some_and(String::is_empty) {
                return Err(Problem(format!("{at}.key: an empty key would let everybody in")));
            }
            // A key that is not known is no key: each has another digest, and none lets anybody in.
            let bytes = key.unwrap_or_else(|| format!("{at} is not set"));
            Sha256::digest(bytes.as_bytes()).into()
        }
        (None, Some(hash)) => {
            let known = filled_or_noted(&format!("{at}.keyHash"), hash, environment, lacks);
            let bytes = known.map_or_else(|| Some(Sha256::digest(at.as_bytes()).into()), |hash| hex(&hash));
            bytes.ok_or_else(|| Problem(format!("{at}.keyHash: a SHA-256 has 64 hexadecimal digits")))?
        }
        _ => return Err(Problem(format!("{at}: say `key` or `keyHash`, one of them"))),
    };
    let (mut read, mut write) = (false, false);
    match &entry.permissions {
        None => (read, write) = (true, true),
        Some(words) => {
            for word in words {
                match word.as_str() {
                    "read" => read = true,
                    "write" => write = true,
                    _ => return Err(Problem(format!("{at}.permissions: `{word}` is neither `read` nor `write`"))),
                }
            }
        }
    }
    let limit = match entry.rate_limit {
        Some(0) => return Err(Problem(format!("{at}.rateLimit: a limit of 0 would let nothing through"))),
        requests => requests.map(|requests| Limit {
            requests: Some(requests),
            tokens: None,
            window: limits.per_key.map_or(WINDOW, |limit| limit.window),
            concurrency: None,
        }),
    };
    // Names are shown everywhere, so that a name is never made of the key.
    let name = entry.name.clone().unwrap_or_else(|| format!("key-{}", place + 1));
    Ok(RouterKey { name, hash, read, write, limit })
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .trim()
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

pub(super) fn overload(entry: Option<&PerformanceEntry>) -> Result<Overload, Problem> {
    let entry = entry.cloned().unwrap_or_default();
    let wait = entry.queue_wait.map_or(Ok(QUEUE_WAIT), |wait| seconds("performance.queueWait", wait))?;
    let concurrent = entry.max_concurrent.unwrap_or(CONCURRENT);
    if concurrent == 0 {
        return Err(Problem("performance.maxConcurrent: 0 would let nothing through".to_owned()));
    }
    let body_wait = entry.body_timeout.map_or(Ok(BODY_WAIT), |wait| seconds("performance.bodyTimeout", wait))?;
    let body_bytes = entry.max_body_size.unwrap_or(BODY_BYTES);
    let bodies_bytes = entry.max_body_total.unwrap_or(BODIES_BYTES.max(body_bytes));
    if bodies_bytes < body_bytes {
        return Err(Problem("performance.maxBodyTotal: it is less than a single body may have".to_owned()));
    }
    Ok(Overload { body_wait, bodies_bytes, concurrent, queue: entry.max_queue.unwrap_or(QUEUE), wait, body_bytes })
}

/// Connections and threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Idle connections that are kept to each provider.
    pub idle_connections: usize,
    /// How long a connection may take.
    pub connect: Duration,
    /// Threads; none is one for each core.
    pub workers: Option<usize>,
}

/// How long a connection to a provider may take when nothing else is said.
const CONNECT: Duration = Duration::from_secs(10);
/// Idle connections that are kept to each provider when nothing else is said.
const IDLE_CONNECTIONS: usize = 256;
/// The most threads.
const WORKERS_MAX: u64 = 1_024;

pub(super) fn tuning(entry: Option<&PerformanceEntry>) -> Result<Tuning, Problem> {
    let entry = entry.cloned().unwrap_or_default();
    let pool = entry.connection_pool.unwrap_or_default();
    let idle = if pool.keep_alive == Some(false) { 0 } else { pool.max_connections.unwrap_or(IDLE_CONNECTIONS) };
    let clustering = entry.clustering.unwrap_or_default();
    let workers = match &clustering.workers {
        _ if clustering.enabled == Some(false) => None,
        None => None,
        Some(serde_json::Value::String(word)) if word == "auto" => None,
        Some(value) => {
            let n = value.as_u64().filter(|n| (1..=WORKERS_MAX).contains(n)).and_then(|n| usize::try_from(n).ok());
            let wrong = || {
                Problem(format!("performance.clustering.workers: {value} is neither a number of threads nor `auto`"))
            };
            Some(n.ok_or_else(wrong)?)
        }
    };
    Ok(Tuning { idle_connections: idle, connect: pool.timeout.map_or(CONNECT, Duration::from_millis), workers })
}

/// How answers are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// How hard it is tried, from 1 to 9.
    pub level: u32,
    /// From how many bytes on.
    pub threshold: u16,
}

/// How hard packing is tried when nothing else is said.
const COMPRESSION_LEVEL: u32 = 6;
/// From how many bytes on answers are packed then: what is smaller fits into a packet as it is.
const COMPRESSION_THRESHOLD: u16 = 1_024;

pub(super) fn compression(entry: Option<&CompressionEntry>) -> Result<Option<Compression>, Problem> {
    let Some(entry) = entry.filter(|entry| entry.enabled.unwrap_or(true)) else { return Ok(None) };
    let level = entry.level.unwrap_or(COMPRESSION_LEVEL);
    if !(1..=9).contains(&level) {
        return Err(Problem(format!("performance.compression.level: {level} is none of 1 to 9")));
    }
    Ok(Some(Compression { level, threshold: entry.threshold.unwrap_or(COMPRESSION_THRESHOLD) }))
}

/// How what is written down is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// Where the master key is.
    pub key: MasterKey,
    /// Another key is derived of it after this time.
    pub rotation: Option<Duration>,
}

/// Where a master key is.
#[derive(Clone, PartialEq, Eq)]
pub enum MasterKey {
    /// It is this one.
    Given([u8; 32]),
    /// In a file, which is made where there is none.
    File(PathBuf),
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Given(_) => f.write_str("(hidden)"),
            Self::File(path) => path.fmt(f),
        }
    }
}

pub(super) fn encryption(
    entry: Option<&EncryptionEntry>,
    folder: &Path,
    environment: &Environment,
    lacks: &mut Vec<Problem>,
) -> Result<Option<Encryption>, Problem> {
    let Some(entry) = entry.filter(|entry| entry.enabled.unwrap_or(true)) else { return Ok(None) };
    const AT: &str = "security.encryption";
    if let Some(other) = entry.algorithm.as_deref().filter(|name| !name.eq_ignore_ascii_case("AES-256-GCM")) {
        return Err(Problem(format!("{AT}.algorithm: `{other}` is not `AES-256-GCM`")));
    }
    let rotation = entry.key_rotation.map(|time| seconds(&format!("{AT}.keyRotation"), time)).transpose()?;
    if rotation.is_some_and(|rotation| rotation < Duration::from_secs(1)) {
        return Err(Problem(format!("{AT}.keyRotation: keys change after a second at the earliest")));
    }
    let key = match (&entry.key, &entry.key_file) {
        (Some(_), Some(_)) => return Err(Problem(format!("{AT}: say `key` or `keyFile`, one of them"))),
        (Some(key), None) => {
            let key = filled_or_noted(&format!("{AT}.key"), key, environment, lacks);
            // What is not known encrypts nothing: without it nothing is served.
            let bytes = key.map_or(Some([0; 32]), |key| hex(&key));
            let wrong =
                || Problem(format!("{AT}.key: a key has 64 hexadecimal digits, as `openssl rand -hex 32` prints"));
            MasterKey::Given(bytes.ok_or_else(wrong)?)
        }
        (None, Some(path)) => MasterKey::File(folder.join(path)),
        (None, None) => MasterKey::File(state_folder(environment)?.join("encryption.key")),
    };
    Ok(Some(Encryption { key, rotation }))
}

/// How providers are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthCheck {
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

pub(super) fn health_check(entry: Option<&HealthCheckEntry>) -> Result<Option<HealthCheck>, Problem> {
    let Some(entry) = entry.filter(|entry| entry.enabled.unwrap_or(true)) else { return Ok(None) };
    Ok(Some(HealthCheck {
        interval: entry.interval.map_or(Ok(Duration::from_mins(1)), |time| seconds("healthCheck.interval", time))?,
        timeout: entry.timeout.map_or(Ok(Duration::from_secs(10)), |time| seconds("healthCheck.timeout", time))?,
    }))
}
