//! Keys that somebody names with `--pubkey`: files in any form that is recognised here, or points in hex.

use std::io::ErrorKind;
use std::path::Path;

use super::artefact::{Kind, Name, Offer};
use super::content::whole;
use super::recognise::Found;
use super::ring::Ring;
use crate::case::known_keys::{PlaceKind, given_with, known_keys};
use crate::case::tokens::Tokens;
use crate::crypto::given;
use crate::error::Error;
use crate::format::container::Container;
use crate::format::crl;
use crate::format::given::{GivenError, structures};
use crate::format::key::PublicKey;
use crate::safe_fs::read_named;
use crate::text::escape;

/// The largest file with a key.
const LARGEST: u64 = 1 << 20;

/// Keys as they were named, and what the files that they stand in make known besides.
pub struct NamedKeys {
    keys: Vec<(String, PublicKey)>,
    offers: Vec<(String, Offer)>,
}

impl NamedKeys {
    /// Reads what was named: of a compressed point, which does not tell its curve, the keys of each; of a set of keys or
    /// certificates all.
    ///
    /// # Errors
    /// When a file cannot be read, or there is no key in it.
    pub fn read(named: &[String]) -> Result<Self, Error> {
        let (mut keys, mut offers) = (Vec::new(), Vec::new());
        for what in named {
            let (of_it, makes_known) = one(what)?;
            let short =
                if what.len() > 80 { what.get(..80).map(|start| format!("{start}…")) } else { None };
            let name = short.unwrap_or_else(|| what.clone());
            keys.extend(of_it.into_iter().map(|key| (name.clone(), key)));
            offers.extend(makes_known.into_iter().map(|offer| (name.clone(), offer)));
        }
        Ok(Self { keys, offers })
    }

    /// The keys, each with what it was called.
    #[must_use]
    pub fn keys(&self) -> &[(String, PublicKey)] {
        &self.keys
    }

    /// These and all that cards and caches make known.
    pub(super) fn ring(&self, tokens: &Tokens<'_>) -> Ring {
        let mut ring = Ring::new(known_keys(tokens, &self.keys));
        for (name, offer) in &self.offers {
            ring.add(offer.clone(), PlaceKind::Given, || given_with(name));
        }
        ring
    }
}

/// The keys that one file or argument means, and all that it makes known.
fn one(what: &str) -> Result<(Vec<PublicKey>, Vec<Offer>), Error> {
    let failed = |error: given::Error| Error::Usage(format!("--pubkey {} {error}", escape(what.as_bytes())));
    let found = match read(what) {
        Err(Error::Io { source, .. }) if is_no_path(&source) => None,
        found => Some(found?),
    };
    if let Some(found) = found {
        let InFile { offers, is_signed } = in_file(&found);
        let keys = match given::public_keys(&found) {
            // A key of OpenSSH's, keys in JSON, a bundle of certificates; not what only comes with a signature.
            Err(given::Error::Form(why)) if is_of_keys(&why, is_signed) && !offers.is_empty() => {
                offers.iter().map(|offer| offer.key.clone()).collect()
            }
            Err(given::Error::Form(GivenError::Other(Container::Crl))) => {
                return Err(Error::Usage(format!(
                    "--pubkey {} is a certificate revocation list (CRL), which holds no key: name the certificate of its issuer{}",
                    escape(what.as_bytes()),
                    issuer_of_list(&found).map(|name| format!(", {name}")).unwrap_or_default()
                )));
            }
            keys => keys.map_err(failed)?,
        };
        return Ok((keys, offers));
    }
    if !what.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') {
        return Err(Error::Usage(format!(
            "--pubkey {}: no such file, and no point in hex",
            escape(what.as_bytes())
        )));
    }
    Ok((given::public_keys(what.as_bytes()).map_err(failed)?, Vec::new()))
}

/// May it be a file of keys, though it is none in the usual forms?
fn is_of_keys(why: &GivenError, is_signed: bool) -> bool {
    match why {
        GivenError::NotAKey => true,
        GivenError::Other(Container::Cms) => !is_signed,
        GivenError::Other(known) => *known == Container::OpenSshKey,
        GivenError::TooLong | GivenError::Private => false,
    }
}

/// Whose list it is, as it is told. Escaped.
fn issuer_of_list(bytes: &[u8]) -> Option<String> {
    let structures = structures(bytes).ok()?;
    let list = structures.iter().find_map(|one| crl::decode(&one.contents))?;
    Some(Name::Distinguished(list.issuer.to_vec()).text())
}

/// What a file makes known.
#[derive(Default)]
struct InFile {
    /// Keys: its own, certificates', requests'.
    offers: Vec<Offer>,
    /// Has anybody signed data in it?
    is_signed: bool,
}

fn in_file(bytes: &[u8]) -> InFile {
    let mut file = InFile::default();
    whole(bytes, &mut |found| match found {
        Found::Artefact(artefact) => {
            file.is_signed |= matches!(artefact.kind, Kind::SignedData | Kind::TimeStamp);
            file.offers.extend(artefact.offer);
        }
        Found::Key(offer) => file.offers.push(offer),
        Found::NotComputed(_) | Found::NotOpened(_) | Found::Noted { .. } | Found::Content { .. } => {}
    });
    file
}

/// Is there nothing of this name, be it that no file could have it?
fn is_no_path(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename)
}

fn read(what: &str) -> Result<Vec<u8>, Error> {
    let path = Path::new(what);
    read_named(path, LARGEST).map_err(|source| match source.kind() {
        ErrorKind::FileTooLarge | ErrorKind::InvalidInput => {
            Error::Usage(format!("{}: {source}", escape(what.as_bytes())))
        }
        _ => Error::Io { what: "cannot read", path: path.to_owned(), source },
    })
}
