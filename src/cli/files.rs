//! Files that commands write: whole or not at all.

use std::io::Write as _;
use std::path::Path;

use crate::cli::Failed;
use crate::state::private;

/// Writes a file beside it and moves it over, so that nobody ever reads half of one.
pub(super) fn replace(file: &Path, text: &str) -> Result<(), Failed> {
    let real = file.canonicalize()?;
    // It may hold keys, so that nobody else may read it meanwhile either.
    let (beside, mut handle) = private::create_beside(&real)?;
    handle.write_all(text.as_bytes())?;
    handle.sync_all()?;
    std::fs::set_permissions(&beside, std::fs::metadata(&real)?.permissions())?;
    std::fs::rename(&beside, &real)?;
    Ok(())
}
