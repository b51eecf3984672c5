//! A file that grows, and is set aside when it is full: `name`, `name.1`, the oldest last; packed with gzip where wanted.

use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use crate::state::private;

/// How a file is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// The largest file, in bytes.
    pub max_size: u64,
    /// How many full ones are kept.
    pub max_files: u32,
    /// Full ones are packed.
    pub compress: bool,
}

/// The file that is written.
#[derive(Debug)]
pub struct Rotating {
    settings: Settings,
    file: File,
    size: u64,
}

impl Rotating {
    /// Opens the file, and makes it and its folder where there are none. Only its owner may read it.
    pub fn open(settings: Settings) -> std::io::Result<Self> {
        private::create_folder_of(&settings.path)?;
        let file = private::append(&settings.path)?;
        let size = file.metadata()?.len();
        Ok(Self { settings, file, size })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.settings.path
    }

    /// Adds a line, with its end, in one write: whoever reads meanwhile sees whole lines.
    pub fn add(&mut self, line: &[u8]) -> std::io::Result<()> {
        let length = line.len() as u64;
        if self.size > 0 && self.size + length > self.settings.max_size {
            self.set_aside()?;
        }
        self.file.write_all(line)?;
        self.size += length;
        Ok(())
    }

    /// Goes through all lines of the file and of those that were set aside and are not packed, and writes those anew for
    /// which there is another text, with its end. A file is written beside and moved over.
    pub fn change_all(&mut self, change: impl Fn(&str) -> Option<String>) -> std::io::Result<()> {
        let path = self.settings.path.clone();
        let aside = (1..=self.settings.max_files).map(|n| numbered(&path, n, ""));
        for file in std::iter::once(path.clone()).chain(aside).filter(|file| file.is_file()) {
            let mut changed = false;
            let (beside, writing) = private::create_beside(&file)?;
            let mut written = std::io::BufWriter::new(writing);
            let mut lines = std::io::BufReader::new(File::open(&file)?);
            let mut line = String::new();
            while lines.read_line(&mut line)? > 0 {
                let other = change(&line);
                changed |= other.is_some();
                written.write_all(other.as_deref().unwrap_or(&line).as_bytes())?;
                line.clear();
            }
            written.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
            if changed { std::fs::rename(&beside, &file)? } else { std::fs::remove_file(&beside)? }
        }
        *self = Self::open(self.settings.clone())?;
        Ok(())
    }

    fn set_aside(&mut self) -> std::io::Result<()> {
        let (path, most) = (self.settings.path.clone(), self.settings.max_files);
        if most == 0 {
            std::fs::remove_file(&path)?;
        }
        for n in (1..=most).rev() {
            let from = |packed: &str| if n == 1 { path.clone() } else { numbered(&path, n - 1, packed) };
            for packed in ["", ".gz"] {
                if from(packed).is_file() && (n > 1 || packed.is_empty()) {
                    // Of one number there is one file, packed or not.
                    for other in ["", ".gz"] {
                        let _ = std::fs::remove_file(numbered(&path, n, other));
                    }
                    std::fs::rename(from(packed), numbered(&path, n, packed))?;
                }
            }
        }
        if self.settings.compress && most > 0 {
            pack(&numbered(&path, 1, ""), &numbered(&path, 1, ".gz"))?;
        }
        *self = Self::open(self.settings.clone())?;
        Ok(())
    }
}

fn numbered(path: &Path, n: u32, packed: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}{packed}"));
    PathBuf::from(name)
}

fn pack(from: &Path, to: &Path) -> std::io::Result<()> {
    let (beside, packed) = private::create_beside(to)?;
    let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::default());
    std::io::copy(&mut File::open(from)?, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    std::fs::rename(&beside, to)?;
    std::fs::remove_file(from)
}
