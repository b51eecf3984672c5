//! Logs: files with a recorded request a line, and folders of request files.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::state::seal::Seal;
use crate::tools::request::BYTES_MAX;
use crate::traffic::line::Line;
use crate::traffic::sealed;
use crate::traffic::simulate::Incoming;

/// Reads the requests of some logs, one after another; each goes to `take`, and what cannot be read to `complain`. Ends
/// with an error where a log cannot be opened. What stands before the first time of a log comes at `start_ms`.
pub fn read(
    logs: &[PathBuf],
    start_ms: i64,
    seal: Option<&Seal>,
    mut take: impl FnMut(Incoming),
    mut complain: impl FnMut(String),
) -> Result<(), String> {
    let mut last_ms = start_ms;
    let mut one = |place: String, bytes: &[u8]| {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let read = sealed::open(bytes, seal).and_then(|plain| Line::read(plain.as_deref().unwrap_or(bytes)));
        match read {
            Ok((line, recorded)) => {
                // What has no time of its own comes at the same time as what stands before it.
                let time = line.time.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
                let unix_ms = time.map_or(last_ms, Timestamp::as_millisecond);
                last_ms = unix_ms;
                take(Incoming { place, line, recorded, unix_ms });
            }
            Err(why) => complain(format!("{place}: {why}")),
        }
    };
    for log in logs {
        let fail = |error: std::io::Error| format!("{}: {error}", log.display());
        if log == Path::new("-") {
            lines("standard input", std::io::stdin().lock(), &mut one).map_err(fail)?;
            continue;
        }
        for file in files(log).map_err(fail)? {
            let name = file.display().to_string();
            let open = File::open(&file).map_err(|error| format!("{name}: {error}"))?;
            if file.extension().is_some_and(|extension| extension == "json") {
                let mut bytes = Vec::new();
                open.take(BYTES_MAX).read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
                one(name, &bytes);
            } else {
                lines(&name, BufReader::new(open), &mut one).map_err(|error| format!("{name}: {error}"))?;
            }
        }
    }
    Ok(())
}

/// The files of a log: of a folder its `.json` and `.jsonl` files, by name.
fn files(log: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !log.is_dir() {
        return Ok(vec![log.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(log)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json" || extension == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Each line of a text, within its limit.
fn lines(name: &str, mut text: impl BufRead, one: &mut impl FnMut(String, &[u8])) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    for number in 1u64.. {
        bytes.clear();
        let read = text.by_ref().take(BYTES_MAX).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            break;
        }
        one(format!("{name}:{number}"), &bytes);
    }
    Ok(())
}
