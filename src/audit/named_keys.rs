//! A key that somebody names with `--pubkey`: a file in any form that is recognised here, or a point in hex.

use std::io::ErrorKind;
use std::path::Path;

use super::artefact::Offer;
use super::content::whole;
use super::recognise::Found;
use crate::case::attribution::Issuer;
use crate::case::known_keys::PlaceKind;
use crate::crypto::given;
use crate::error::Error;
use crate::format::container;
use crate::format::given::{GivenError, structures};
use crate::format::key::PublicKey;
use crate::format::x509;
use crate::safe_fs::read_named;
use crate::text::escape;

/// The largest file with a key.
const LARGEST: u64 = 1 << 20;

/// A key as it was named, with its name: of a compressed point, which does not tell its curve, one for each; of a set of
/// keys or certificates all.
///
/// # Errors
/// When the file cannot be read, or there is no key in it.
pub fn public_keys(what: &str) -> Result<Vec<(String, PublicKey)>, Error> {
    let failed = |error: given::Error| Error::Usage(format!("--pubkey {} {error}", escape(what.as_bytes())));
    let found = match read(what) {
        Err(Error::Io { source, .. }) if is_no_path(&source) => None,
        found => Some(found?),
    };
    let keys = if let Some(found) = found {
        match given::public_keys(&found) {
            // A key of OpenSSH's, or keys in JSON; not what only comes with a signature.
            Err(given::Error::Form(why)) if is_of_keys(&why) && !in_file(&found).is_empty() => {
                in_file(&found).into_iter().map(|offer| offer.key).collect()
            }
            keys => keys.map_err(failed)?,
        }
    } else if what.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') {
        given::public_keys(what.as_bytes()).map_err(failed)?
    } else {
        return Err(Error::Usage(format!(
            "--pubkey {}: no such file, and no point in hex",
            escape(what.as_bytes())
        )));
    };
    let short = if what.len() > 80 { what.get(..80).map(|start| format!("{start}…")) } else { None };
    let name = short.unwrap_or_else(|| what.to_owned());
    Ok(keys.into_iter().map(|key| (name.clone(), key)).collect())
}

/// The certificates in a file that was named, as issuers'.
#[must_use]
pub fn issuers(what: &str) -> Vec<Issuer> {
    let Ok(bytes) = read(what) else { return Vec::new() };
    let blocks = structures(&bytes).unwrap_or_default();
    let certificates = blocks.iter().filter_map(|block| x509::decode(&block.contents));
    let place = format!("given with --pubkey {}", escape(what.as_bytes()));
    certificates.map(|one| Issuer::of(&one, PlaceKind::Given, place.clone())).collect()
}

/// What a file that was named makes known, and what it is called.
pub(super) fn offers(what: &str) -> Vec<(String, Offer)> {
    let name = escape(what.as_bytes());
    let found = read(what).map(|bytes| in_file(&bytes)).unwrap_or_default();
    found.into_iter().map(|offer| (name.clone(), offer)).collect()
}

/// May it be a file of keys, though it is none in the usual forms?
fn is_of_keys(why: &GivenError) -> bool {
    match why {
        GivenError::NotAKey => true,
        GivenError::Other(name) => *name == container::OPENSSH_KEY,
        GivenError::TooLong | GivenError::Private => false,
    }
}

/// The keys that a file makes known: its own, certificates', requests'.
fn in_file(bytes: &[u8]) -> Vec<Offer> {
    let mut offers = Vec::new();
    whole(bytes, &mut |found| match found {
        Found::Artefact(artefact) => offers.extend(artefact.offer),
        Found::Key(offer) => offers.push(offer),
        Found::NotComputed(_) | Found::NotOpened(_) | Found::Noted { .. } => {}
    });
    offers
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
