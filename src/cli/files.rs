//! Files that commands write: whole or not at all.

use std::io::Write as _;
use std::path::Path;

use crate::cli::Failed;

/// Writes a file beside it and moves it over, so that nobody ever reads half of one.
pub(super) fn replace(file: &Path, text: &str) -> Result<(), Failed> {
    let real = file.canonicalize()?;
    let mut beside = real.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = std::path::PathBuf::from(beside);
    let mut handle = std::fs::File::create(&beside)?;
    handle.write_all(text.as_bytes())?;
    handle.sync_all()?;
    std::fs::set_permissions(&beside, std::fs::metadata(&real)?.permissions())?;
    std::fs::rename(&beside, &real)?;
    Ok(())
}
