//! The section `logging`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Problem;
use crate::config::file::{File, LoggingEntry};

/// The largest log file when nothing else is said, in bytes.
const MAX_SIZE: u64 = 100 << 20;
/// How many full ones are kept then.
const MAX_FILES: u32 = 10;

/// How much is logged, how, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// `info`, or by module: `info,claude_router::proxy=debug`.
    pub level: String,
    /// JSON, a line each.
    pub json: bool,
    /// To standard error.
    pub console: bool,
    /// To a file.
    pub file: Option<LogFile>,
    /// Where figures are served for Prometheus; none where they are not.
    pub metrics: Option<String>,
    /// How often figures are logged.
    pub figures: Option<Duration>,
}

/// A file that is set aside when it is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// The file.
    pub path: PathBuf,
    /// The largest file, in bytes.
    pub max_size: u64,
    /// How many full ones are kept.
    pub max_files: u32,
    /// Full ones are packed.
    pub compress: bool,
}

pub(super) fn logging(file: &File, folder: &Path) -> Result<Logging, Problem> {
    let entry: LoggingEntry = file.logging.clone().unwrap_or_default();
    let router = file.router.clone().unwrap_or_default();
    let json = match entry.format.as_deref() {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => return Err(Problem(format!("logging.format: `{other}` is neither `text` nor `json`"))),
    };
    let (mut console, mut to_file) = (entry.outputs.is_none(), entry.outputs.is_none() && entry.file.is_some());
    for output in entry.outputs.iter().flatten() {
        match output.as_str() {
            "console" => console = true,
            "file" => to_file = true,
            other => return Err(Problem(format!("logging.outputs: `{other}` is neither `console` nor `file`"))),
        }
    }
    let written = entry.file.unwrap_or_default();
    let log_file = LogFile {
        path: folder.join(written.path.as_deref().unwrap_or("router.log")),
        max_size: written.max_size.as_ref().map_or(Ok(MAX_SIZE), bytes)?,
        max_files: written.max_files.unwrap_or(MAX_FILES),
        compress: written.compress.unwrap_or(false),
    };
    let metrics = entry.metrics.unwrap_or_default();
    let path = metrics.endpoint.unwrap_or_else(|| "/metrics".to_owned());
    if !path.starts_with('/') {
        return Err(Problem(format!("logging.metrics.endpoint: `{path}` does not begin with a slash")));
    }
    let figures = match metrics.interval {
        Some(seconds) if metrics.enabled != Some(false) => {
            let wrong = || Problem(format!("logging.metrics.interval: {seconds} is not a time in seconds"));
            Some(Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(wrong)?)
        }
        _ => None,
    };
    Ok(Logging {
        level: entry.level.or(router.log_level).unwrap_or_else(|| "info".to_owned()),
        json,
        console,
        file: to_file.then_some(log_file),
        metrics: (metrics.enabled != Some(false)).then_some(path),
        figures,
    })
}

/// A size: a number of bytes, or a text like `100MB`.
fn bytes(value: &serde_json::Value) -> Result<u64, Problem> {
    let wrong =
        || Problem(format!("logging.file.maxSize: {value} is no size: write a number of bytes, or `\"100MB\"`"));
    if let Some(bytes) = value.as_u64() {
        return Ok(bytes);
    }
    let text = value.as_str().ok_or_else(wrong)?.trim().to_ascii_uppercase();
    let units: &[(&str, u64)] = &[("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("B", 1)];
    let (number, unit) =
        units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).unwrap_or((&text, 1));
    number
        .trim()
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(wrong)
}
