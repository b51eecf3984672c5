//! Files that are their owner's alone. Everything that the router writes by itself goes through here: folders are made with
//! mode 0700 and files with mode 0600 from the first byte, whatever the umask is.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How deep folders inside of the state folder are looked at.
const DEPTH_MAX: usize = 8;

/// Creates a folder and the folders above it where they are missing. Folders that are there stay as they are.
pub fn create_folder(path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Creates the folder that a file is to stand in.
pub fn create_folder_of(file: &Path) -> Result<()> {
    file.parent().map_or(Ok(()), create_folder)
}

/// Creates a folder that belongs to the router alone, or takes others' permissions away from one that is there.
pub fn own_folder(path: &Path) -> Result<()> {
    create_folder(path)?;
    tighten_path(path, 0o700)
}

/// Takes others' permissions away from a folder and everything in it. Links are not followed, and what cannot be changed
/// stays: the first error is returned when all was looked at.
pub fn tighten_all(folder: &Path) -> Result<()> {
    let mut first = tighten_path(folder, 0o700);
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            let done = if kind.is_file() {
                tighten_path(&path, 0o600)
            } else if kind.is_dir() {
                if depth < DEPTH_MAX {
                    open.push((path.clone(), depth + 1));
                }
                tighten_path(&path, 0o700)
            } else {
                Ok(())
            };
            // A file may be gone by now.
            if done.as_ref().is_err_and(|error| error.kind() != ErrorKind::NotFound) {
                first = first.and(done);
            }
        }
    }
    first
}

fn options() -> OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Creates a file that is not there yet; a link in its place is an error.
pub fn create_new(path: &Path) -> Result<File> {
    options().write(true).create_new(true).open(path)
}

/// Creates an empty file where there is none. One that is there is made private where it is the user's own; a link that leads
/// nowhere is an error.
pub fn ensure(path: &Path) -> Result<()> {
    match create_new(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            tighten(&options().read(true).open(path)?);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Opens a file to add to its end, and creates it where there is none. One that is there is made private.
pub fn append(path: &Path) -> Result<File> {
    match options().append(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        opened => return opened,
    }
    let file = options().append(true).open(path)?;
    tighten(&file);
    Ok(file)
}

/// Opens a file to add to its end as [`append`] does, unless a link stands in its place.
pub fn append_no_link(path: &Path) -> Result<File> {
    if std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_symlink()) {
        return Err(Error::new(ErrorKind::InvalidInput, "it is a symbolic link"));
    }
    append(path)
}

/// Creates a file beside another one, to be moved over it: its path and the file.
pub fn create_beside(path: &Path) -> Result<(PathBuf, File)> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    loop {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}-{serial}.new", std::process::id()));
        let beside = PathBuf::from(beside);
        match create_new(&beside) {
            Ok(file) => return Ok((beside, file)),
            // A process that had the same number once left it behind.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Replaces a file: nobody reads half of it.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let (beside, mut file) = create_beside(path)?;
    let written = file.write_all(bytes).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// Takes others' permissions away from an open file. A file that is not the user's own stays as its owner wants it.
#[cfg(unix)]
fn tighten(file: &File) {
    use std::os::unix::fs::PermissionsExt as _;
    if file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o077 != 0) {
        let _ = file.set_permissions(std::fs::Permissions::from_mode(0o600));
    }
}

#[cfg(not(unix))]
fn tighten(_: &File) {}

#[cfg(unix)]
fn tighten_path(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if std::fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn tighten_path(_: &Path, _: u32) -> Result<()> {
    Ok(())
}
