//! The configuration: what there is. Its types, where it is found, and the only reader of the environment.

pub mod browsers;
pub mod cache;
pub mod catalogue;
pub mod edit;
pub mod file;
pub mod find;
mod jsonc;
pub mod logging;
pub mod providers;
pub mod routing;
pub mod rules;
pub mod secrets;
pub mod service;
pub mod sources;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::file::File;
use crate::config::providers::Provider;
use crate::lang::catalogue::Catalogue;
use crate::lang::ir::load::Tier;
use crate::lang::source::Source;
use crate::tools::sections;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The environment, taken once.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, Secret>);

impl Environment {
    /// Of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the reader of the environment")]
    pub fn of_process() -> Self {
        let vars =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self(vars.map(|(name, value)| (name, Secret(value))).collect())
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::reveal).filter(|value| !value.is_empty())
    }

    /// With a variable, for tests.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), Secret::new(value));
        self
    }
}

/// The configuration as it is used.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The file that it was read of; none for the built-in one.
    pub path: Option<PathBuf>,
    /// Where the router listens.
    pub host: String,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// How much is logged, how, and where.
    pub logging: logging::Logging,
    /// Which web pages and host names may reach the router.
    pub browsers: browsers::Browsers,
    /// Everybody who can be called.
    pub providers: Vec<Provider>,
    /// Every model that can be routed to.
    pub catalogue: Arc<Catalogue>,
    /// The rule files that it names.
    pub rules: Vec<PathBuf>,
    /// Its sections that route: a second tier behind all rule files.
    pub tier: Option<Tier>,
    /// The time zone of `time`, `weekday`, `date` and budgets; none is the system's.
    pub timezone: Option<String>,
    /// How traffic is recorded; none where it is not.
    pub record: Option<Record>,
    /// Where state lives.
    pub store: service::Store,
    /// Requests and tokens in a window.
    pub limits: service::Limits,
    /// The keys that may call; none where everybody who reaches the router may.
    pub keys: Option<Vec<service::RouterKey>>,
    /// How much is taken on at once.
    pub overload: service::Overload,
    /// Connections and threads.
    pub tuning: service::Tuning,
    /// How providers are watched; none where only calls say how they are.
    pub health_check: Option<service::HealthCheck>,
    /// How answers are packed; none where they are not.
    pub compression: Option<service::Compression>,
    /// How what is written down is encrypted; none where it is not.
    pub encryption: Option<service::Encryption>,
    /// Answers that are kept; none where only rules ask for it.
    pub cache: Option<cache::Cache>,
    /// Every secret that it resolves to: hidden wherever text leaves the router.
    pub secrets: Vec<Secret>,
    /// Variables that are not set and without which nothing can be served; of providers, each says its own.
    pub lacks: Vec<Problem>,
}

/// How traffic is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The file that lines are added to.
    pub path: PathBuf,
    /// Whole bodies are kept; without them no text of a request is.
    pub bodies: bool,
    /// The largest file, in bytes; one that is full is set aside.
    pub max_size: u64,
    /// How many files that are full are kept.
    pub max_files: u32,
}

impl Record {
    fn of(entry: &file::RecordEntry, folder: &std::path::Path) -> Option<Self> {
        // Whoever writes the section wants it, unless they say that they do not.
        entry.enabled.unwrap_or(true).then(|| Self {
            path: folder.join(entry.path.as_deref().unwrap_or("traffic.jsonl")),
            bodies: entry.bodies.unwrap_or(true),
            max_size: entry.max_size.unwrap_or(256 << 20),
            max_files: entry.max_files.unwrap_or(4),
        })
    }
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(pub String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

/// The port when nothing else is said.
pub const PORT: u16 = 8080;

impl Configuration {
    /// Reads the configuration that was found, or the built-in one.
    pub fn load(path: Option<PathBuf>, environment: &Environment) -> Result<Self, Problem> {
        let Some(path) = path else { return Self::of(File::default(), None, environment) };
        let text = std::fs::read_to_string(&path).map_err(|error| Problem(format!("{}: {error}", path.display())))?;
        Self::of_text(&text, &path, environment)
    }

    /// Reads a configuration that stands, or is to stand, in a file.
    pub fn of_text(text: &str, path: &std::path::Path, environment: &Environment) -> Result<Self, Problem> {
        let file = file::parse(text, &path.display().to_string())?;
        let source = || Source::new(rules::shown(path), text);
        let tier = file.routes().then(|| sections::tier(source(), file::is_toml(path)));
        Ok(Self { tier, ..Self::of(file, Some(path.to_owned()), environment)? })
    }

    fn of(file: File, path: Option<PathBuf>, environment: &Environment) -> Result<Self, Problem> {
        let router = file.router.clone().unwrap_or_default();
        let port = match (router.port, environment.get("ROUTER_PORT")) {
            (_, Some(port)) => port.parse().map_err(|_| Problem(format!("ROUTER_PORT: `{port}` is not a port")))?,
            (Some(port), None) => port,
            (None, None) => PORT,
        };
        let folder = path.as_ref().and_then(|path| path.parent().map(PathBuf::from)).unwrap_or_default();
        let rules = file.rules.iter().flatten().map(|rule| folder.join(rule)).collect();
        if let Some(zone) = &file.timezone {
            jiff::tz::TimeZone::get(zone).map_err(|_| Problem(format!("timezone: `{zone}` is not a time zone")))?;
        }
        let (providers, catalogue) = providers::resolve(&file, path.is_some(), environment)?;
        let mut lacks = Vec::new();
        let store = service::store(&file, &folder, environment, &mut lacks)?;
        let limits = service::limits(file.rate_limit.as_ref(), &catalogue)?;
        let authentication = file.security.as_ref().and_then(|security| security.authentication.as_ref());
        let keys = service::keys(authentication, &limits, environment, &mut lacks)?;
        let browsers = browsers::Browsers::new(&router)?;
        let overload = service::overload(file.performance.as_ref())?;
        let tuning = service::tuning(file.performance.as_ref())?;
        let balancing = file.load_balancing.as_ref().filter(|section| section.enabled != Some(false));
        let checks = file.health_check.as_ref().or(balancing.and_then(|section| section.health_check.as_ref()));
        let health_check = service::health_check(checks)?;
        let encryption = file.security.as_ref().and_then(|security| security.encryption.as_ref());
        let encryption = service::encryption(encryption, &folder, environment, &mut lacks)?;
        let compression = file.performance.as_ref().and_then(|performance| performance.compression.as_ref());
        let compression = service::compression(compression)?;
        let logging = logging::logging(&file, &folder)?;
        let cache = cache::cache(file.cache.as_ref(), &folder, environment, &mut lacks)?;
        let secrets = secrets::secrets(&file, environment, &providers, &store, cache.as_ref());
        Ok(Self {
            browsers,
            secrets,
            lacks,
            compression,
            encryption,
            cache,
            store,
            limits,
            keys,
            overload,
            tuning,
            health_check,
            path,
            host: router.host.unwrap_or_else(|| "127.0.0.1".to_owned()),
            port,
            logging,
            providers,
            catalogue: Arc::new(catalogue),
            rules,
            tier: None,
            record: file.record.as_ref().and_then(|entry| Record::of(entry, &folder)),
            timezone: file.timezone,
        })
    }

    /// A provider, by its name.
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Refuses to be reached by others without keys at an address that the router listens on.
    pub fn check_reach(&self, host: &str) -> Result<(), Problem> {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        let is_loopback = host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback());
        if is_loopback || self.keys.is_some() {
            return Ok(());
        }
        let message = format!("`{host}` can be reached by others, and nobody would have to authenticate");
        Err(Problem(format!("{message}; set keys in `security.authentication`, or listen on 127.0.0.1")))
    }

    /// The settings that differ and count only from the next start on.
    pub fn needs_restart(&self, next: &Self) -> Vec<&'static str> {
        let differs = [
            ("router.host", self.host != next.host),
            ("router.port", self.port != next.port),
            ("store", self.store.kind != next.store.kind),
            ("timezone", self.timezone != next.timezone),
            ("logging", self.logging != next.logging),
            ("performance.clustering, performance.connectionPool", self.tuning != next.tuning),
            ("performance.compression", self.compression != next.compression),
        ];
        differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    /// Refuses what nothing can be served with.
    pub fn can_serve(&self) -> Result<(), Problem> {
        self.lacks.first().map_or(Ok(()), |lack| Err(lack.clone()))
    }

    /// Whether there is nobody to call: no key is set, and no configuration names a provider that needs none.
    pub fn is_without_keys(&self) -> bool {
        !self.providers.iter().any(|provider| provider.is_ready() && !provider.is_implied)
    }
}
