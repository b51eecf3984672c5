//! The section `cache`: answers that are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::file::{CacheEntry, ConnectionEntry};
use crate::config::providers::filled_or_noted;
use crate::config::service::{NOT_REDIS, is_redis, state_folder};
use crate::config::{Environment, Problem, Secret};
use crate::lang::schema::glob::Glob;
use crate::lang::schema::text::Char;

/// How long an answer is kept when nothing else is said.
const TTL: Duration = Duration::from_hours(1);
/// How much is kept in memory when nothing else is said, in bytes.
const MEMORY_BYTES: u64 = 64 << 20;
/// How much is kept on the disk when nothing else is said, in bytes.
const DISK_BYTES: u64 = 1 << 30;
/// What keys in Redis begin with when nothing else is said.
const PREFIX: &str = "claude-router:";
const REDIS_PORT: u16 = 6379;

/// Answers that are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Cache {
    /// Where.
    pub place: Place,
    /// How long.
    pub ttl: Duration,
    /// Compressed.
    pub compress: bool,
    /// Other times for some prompts.
    pub rules: Vec<(Glob, Duration)>,
}

/// Where answers are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this process, of so many bytes.
    Memory(u64),
    /// In a folder, of so many bytes.
    Disk(PathBuf, u64),
    /// In Redis: its address, and what keys begin with.
    Redis(Secret, String),
}

/// What serves where rules ask for a cache and no configuration does.
pub fn for_rules_alone() -> Place {
    Place::Memory(MEMORY_BYTES)
}

pub(super) fn cache(
    entry: Option<&CacheEntry>,
    folder: &Path,
    environment: &Environment,
    lacks: &mut Vec<Problem>,
) -> Result<Option<Cache>, Problem> {
    let Some(entry) = entry.filter(|entry| entry.enabled.unwrap_or(true)) else { return Ok(None) };
    let place = match entry.kind.as_deref() {
        None if entry.connection.is_some() => redis(entry, environment, lacks)?,
        None | Some("memory") => Place::Memory(entry.max_size.unwrap_or(MEMORY_BYTES)),
        Some("disk") => {
            let path = match &entry.path {
                Some(path) => folder.join(path),
                None => state_folder(environment)?.join("cache"),
            };
            Place::Disk(path, entry.max_size.unwrap_or(DISK_BYTES))
        }
        Some("redis") => redis(entry, environment, lacks)?,
        Some(other) => return Err(Problem(format!("cache.type: `{other}` is none of memory, disk, redis"))),
    };
    let mut rules = Vec::new();
    for rule in entry.rules.iter().flatten() {
        let chars = crate::lang::schema::fold::fold(&rule.pattern);
        let chars = chars.chars().map(|c| match c {
            '*' => Char::Star,
            '?' => Char::Question,
            other => Char::Plain(other),
        });
        let chars: Vec<Char> = chars.collect();
        rules.push((Glob::of_text(&chars), seconds("cache.rules.ttl", rule.ttl)?));
    }
    let ttl = entry.ttl.map_or(Ok(TTL), |ttl| seconds("cache.ttl", ttl))?;
    Ok(Some(Cache { place, ttl, compress: entry.compression.unwrap_or(true), rules }))
}

fn seconds(name: &str, value: f64) -> Result<Duration, Problem> {
    Duration::try_from_secs_f64(value).map_err(|_| Problem(format!("{name}: {value} is not a time in seconds")))
}

fn redis(entry: &CacheEntry, environment: &Environment, lacks: &mut Vec<Problem>) -> Result<Place, Problem> {
    let connection = entry.connection.clone().unwrap_or_default();
    let ConnectionEntry { url, host, port, password, db } = connection;
    let mut fill = |name: &str, text: &str| {
        filled_or_noted(&format!("cache.connection.{name}"), text, environment, lacks).unwrap_or_default()
    };
    let url = match url {
        Some(url) => Some(fill("url", &url)).filter(|url| !url.is_empty()),
        None => {
            let host = host.as_deref().map_or_else(|| "localhost".to_owned(), |host| fill("host", host));
            let password = password.as_deref().map(|password| fill("password", password));
            let password = password.filter(|password| !password.is_empty());
            let user = password.map_or_else(String::new, |password| format!(":{}@", escaped(&password)));
            Some(format!("redis://{user}{host}:{}/{}", port.unwrap_or(REDIS_PORT), db.unwrap_or(0)))
        }
    };
    if url.as_deref().is_some_and(|url| !is_redis(url)) {
        return Err(Problem(format!("cache.connection.url: {NOT_REDIS}")));
    }
    let prefix = entry.key_prefix.clone().unwrap_or_else(|| PREFIX.to_owned());
    Ok(Place::Redis(Secret::new(url.unwrap_or_default()), prefix))
}

/// A password as an address can hold it.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
