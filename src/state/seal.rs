//! What the router writes down, encrypted: AES-256-GCM (NIST SP 800-38D), with a key for each stretch of time that is
//! derived from one master key (HKDF-SHA-256, RFC 5869). A stretch is named in what was encrypted with its key, so that
//! replicas agree on keys without a word, and what is older stays readable.
//!
//! `CR1`, the stretch in 8 bytes with the highest first, 12 bytes of nonce, the text, 16 bytes of tag.

use std::path::Path;
use std::time::Duration;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::state::clock::Clock;
use crate::state::private;

const MAGIC: &[u8; 3] = b"CR1";
const HEAD: usize = MAGIC.len() + 8;

/// A master key, in bytes.
pub type Master = [u8; 32];

/// Encrypts and decrypts.
#[derive(Debug, Clone)]
pub struct Seal {
    master: Prk,
    rotation: Option<Duration>,
    clock: Clock,
}

impl Seal {
    /// With a master key; every `rotation` another key is taken.
    pub fn new(master: &Master, rotation: Option<Duration>, clock: Clock) -> Self {
        Self { master: Salt::new(HKDF_SHA256, b"claude-router at rest").extract(master), rotation, clock }
    }

    /// The stretch of time that is now.
    fn era(&self) -> u64 {
        era(&self.clock, self.rotation)
    }

    fn key(&self, era: u64) -> Option<LessSafeKey> {
        let info = [b"era".as_slice(), &era.to_be_bytes()];
        let okm = self.master.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(okm)))
    }

    /// Encrypts. It can be read only where `place` is the same: what was written for one place is worth nothing in another.
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let era = self.era();
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = Vec::with_capacity(HEAD + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(MAGIC);
        sealed.extend_from_slice(&era.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        let mut text = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key(era)?.seal_in_place_append_tag(nonce, Aad::from(bound(era, place)), &mut text).ok()?;
        sealed.append(&mut text);
        Some(sealed)
    }

    /// Decrypts; none where it was not encrypted with this master key for this place, or was changed.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let era = era_of(sealed)?;
        let (nonce, text) = sealed.get(HEAD..)?.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.key(era)?.open_in_place(nonce, Aad::from(bound(era, place)), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    /// Whether something was encrypted with a key of the past.
    pub fn is_old(&self, sealed: &[u8]) -> bool {
        era_of(sealed).is_some_and(|era| era != self.era())
    }
}

/// The number of the stretch of time that is now, where keys change so often.
pub fn era(clock: &Clock, rotation: Option<Duration>) -> u64 {
    let seconds = rotation.map_or(u64::MAX, |rotation| rotation.as_secs().max(1));
    u64::try_from(clock.unix_seconds()).unwrap_or(0) / seconds
}

/// Whether this was encrypted at all.
pub fn is_sealed(bytes: &[u8]) -> bool {
    era_of(bytes).is_some()
}

fn era_of(sealed: &[u8]) -> Option<u64> {
    let (era, _) = sealed.strip_prefix(MAGIC.as_slice())?.split_first_chunk::<8>()?;
    Some(u64::from_be_bytes(*era))
}

/// What is not encrypted and yet cannot be changed.
fn bound(era: u64, place: &[u8]) -> Vec<u8> {
    [MAGIC.as_slice(), &era.to_be_bytes(), place].concat()
}

/// The master key of a file, which is made where there is none. Only its owner may read it.
pub fn master_of(path: &Path) -> Result<Master, String> {
    let fail = |error: &std::io::Error| format!("security.encryption: {}: {error}", path.display());
    private::create_folder_of(path).map_err(|error| fail(&error))?;
    let mut master = [0; 32];
    SystemRandom::new().fill(&mut master).map_err(|_| "security.encryption: no random numbers".to_owned())?;
    // Written beside and linked into place: of several routers that start at once one wins, and nobody reads half a key.
    if path.exists() {
        private::ensure(path).map_err(|error| fail(&error))?;
    } else {
        let (beside, mut file) = private::create_beside(path).map_err(|error| fail(&error))?;
        let written = std::io::Write::write_all(&mut file, &master)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::hard_link(&beside, path));
        let _ = std::fs::remove_file(&beside);
        if let Err(error) = written.as_ref()
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(fail(error));
        }
    }
    let read = std::fs::read(path).map_err(|error| fail(&error))?;
    read.try_into().map_err(|_| format!("security.encryption: {}: a key is 32 bytes", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Seal {
        Seal::new(&[7; 32], Some(Duration::from_mins(1)), Clock::that_is_set(None, seconds * 1_000))
    }

    #[test]
    fn what_was_sealed_opens_in_its_place_and_nowhere_else_and_outlives_its_key() {
        let sealed = at(0).seal(b"here", b"a secret").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(at(0).open(b"here", &sealed).unwrap(), b"a secret");
        assert_eq!(at(0).open(b"there", &sealed), None);
        assert_eq!(at(1_000).open(b"here", &sealed).unwrap(), b"a secret");
        assert!(!at(59).is_old(&sealed) && at(60).is_old(&sealed));
        assert_ne!(at(60).seal(b"here", b"a secret").unwrap()[3..11], sealed[3..11]);
        assert_eq!(Seal::new(&[8; 32], None, Clock::that_is_set(None, 0)).open(b"here", &sealed), None);
    }

    #[test]
    fn what_was_changed_or_cut_does_not_open() {
        let sealed = at(0).seal(b"here", b"a secret").unwrap();
        for byte in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[byte] ^= 1;
            assert_eq!(at(0).open(b"here", &changed), None, "byte {byte}");
            assert_eq!(at(0).open(b"here", &sealed[..byte]), None, "byte {byte}");
        }
    }
}
