//! Rule files read for the compiler, which does no reading itself.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::config::Problem;
use crate::lang::ir::load::{Reader, Roots, Tier};
use crate::lang::source::Source;
use crate::lang::syntax::SOURCE_BYTES_MAX;

/// The rule set that serves when nobody names one.
pub const DEFAULT: &str = include_str!("../../rules/default.route");
/// How messages name it.
pub const DEFAULT_NAME: &str = "rules/default.route";

/// Reads the files that a program uses, below the folder of the one that it starts from.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Reader for Folder {
    fn read(&self, path: &str) -> Result<String, String> {
        let full = self.0.join(path);
        let real = full.canonicalize().map_err(|error| error.to_string())?;
        let root = if self.0.as_os_str().is_empty() { Path::new(".") } else { &self.0 };
        let root = root.canonicalize().map_err(|error| error.to_string())?;
        if !real.starts_with(&root) {
            return Err("it is outside of the program's folder".to_owned());
        }
        text_of(&full)
    }

    fn show(&self, path: &str) -> String {
        shown(&self.0.join(path))
    }
}

/// How messages name a file: relative to the working folder, where it is below that.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(here).unwrap_or(path);
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// The text of a rule file, read up to a little more than what is allowed.
pub fn text_of(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let limit = SOURCE_BYTES_MAX as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        // A file that is cut at the limit may be cut in a character; it is too large all the same.
        if error.as_bytes().len() as u64 == limit {
            "the file is too large".to_owned()
        } else {
            format!("it is not UTF-8 at byte {}", error.utf8_error().valid_up_to())
        }
    })
}

/// A request file that a test names, beside the rule file that the program starts from.
pub fn request_file(folder: &Folder, path: &str) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(folder.0.join(path)).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(crate::tools::request::BYTES_MAX).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// What a program starts from, some rule files and the tier of a configuration, and how files that it uses are read.
/// With neither it is the built-in one.
pub fn roots(paths: &[PathBuf], tier: Option<&Tier>) -> Result<(Roots, Folder), Problem> {
    if paths.is_empty() && tier.is_none() {
        return Ok((vec![Source::new(DEFAULT_NAME, DEFAULT)].into(), Folder(PathBuf::from("."))));
    }
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let text = text_of(path).map_err(|why| Problem(format!("{}: {why}", path.display())))?;
        files.push(Source::new(shown(path), text));
    }
    let folder = paths.first().and_then(|path| path.parent()).map(Path::to_path_buf).unwrap_or_default();
    Ok((Roots { files, tier: tier.cloned() }, Folder(folder)))
}
