//! Lines of recordings that are encrypted: `{"sealed":"..."}`, in base64 what `state::seal` makes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::state::seal::Seal;

/// What lines are encrypted for.
const PLACE: &[u8] = b"traffic";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed<'l> {
    #[serde(borrow)]
    sealed: &'l str,
}

/// A line, encrypted, with its line end.
pub fn line(line: &str, seal: &Seal) -> String {
    let sealed = seal.seal(PLACE, line.trim_end().as_bytes()).unwrap_or_default();
    format!("{{\"sealed\":\"{}\"}}\n", STANDARD.encode(sealed))
}

/// What a line holds that may be encrypted; none where it is not. An error says why it cannot be read.
pub fn open(line: &[u8], seal: Option<&Seal>) -> Result<Option<Vec<u8>>, String> {
    let Ok(sealed) = serde_json::from_slice::<Sealed<'_>>(line) else { return Ok(None) };
    let Some(seal) = seal else {
        return Err("it is encrypted; take the configuration that it was recorded with, by --config".to_owned());
    };
    let bytes = STANDARD.decode(sealed.sealed).map_err(|_| "it is encrypted, and damaged".to_owned())?;
    seal.open(PLACE, &bytes).map(Some).ok_or_else(|| "it is encrypted with another key, or damaged".to_owned())
}

/// A line as it is to be written again: none where it may stay. What is not encrypted is.
pub fn again(old: &str, seal: &Seal) -> Option<String> {
    let Ok(sealed) = serde_json::from_str::<Sealed<'_>>(old) else {
        return (!old.trim().is_empty()).then(|| line(old, seal));
    };
    let bytes = STANDARD.decode(sealed.sealed).ok().filter(|bytes| seal.is_old(bytes))?;
    let plain = seal.open(PLACE, &bytes)?;
    Some(line(std::str::from_utf8(&plain).ok()?, seal))
}
