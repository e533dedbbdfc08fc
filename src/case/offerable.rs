//! The keys of a token that an `ssh-agent` offers once it has read them: the public keys that applications are shown, of
//! the kinds that OpenSSH takes from a PKCS#11 module (RSA, and the NIST curves of RFC 5656).

use super::token::Case;
use crate::crypto::same_form;
use crate::format::curve::table;
use crate::format::key::PublicKey;
use crate::text::{escape, hex};
use crate::verdict::Offerable;
use crate::view::pkcs11::{Item, project};

/// Those of the card, whatever a cache has.
#[must_use]
pub fn offerable(case: &Case<'_>) -> Offerable {
    let items = project(&case.live);
    let keys = items.iter().filter_map(Item::public_key).filter(|key| is_taken(key));
    Offerable {
        token: escape(case.serial.as_bytes()),
        keys: keys.map(|key| hex(&same_form(key).fingerprint())).collect(),
    }
}

fn is_taken(key: &PublicKey) -> bool {
    match key {
        PublicKey::Rsa { .. } => true,
        PublicKey::Ec { curve_oid, .. } => [&table::SECP256R1, &table::SECP384R1, &table::SECP521R1]
            .iter()
            .any(|curve| curve.oid == curve_oid),
        PublicKey::Other(_) => false,
    }
}
