//! How signatures are made that name their algorithm in other words than X.509: CMS (RFC 5652, 5.4, with RFC 3370
//! and 5753), JSON Web Signatures (RFC 7518, 3.1) and OpenSSH (RFC 4253, 5656, 8332, 8709).

use super::algorithm::algorithm;
use super::{Form, Hash, Reason, Scheme};
use crate::format::curve::table;

/// OID content, and how such a key signs with a hash.
type Key = (&'static [u8], fn(Hash) -> Scheme);

/// rsaEncryption, id-ecPublicKey and id-dsa: keys that some name in the place of an algorithm.
const KEYS: [Key; 3] = [
    (&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01], |hash| Scheme::Pkcs1(Some(hash))),
    (&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01], |hash| Scheme::Ecdsa(Some(hash))),
    (&[0x2A, 0x86, 0x48, 0xCE, 0x38, 0x04, 0x01], |hash| Scheme::Dsa(Some(hash))),
];

/// Of a signer in CMS: the hash and the algorithm that are named, OID content, and the parameters of the latter.
///
/// # Errors
/// [`Reason`] if one is not known here.
pub fn cms(digest: &[u8], oid: &[u8], parameters: &[u8]) -> Result<Scheme, Reason> {
    match KEYS.iter().find(|(key, _)| *key == oid) {
        Some((_, scheme)) => Ok(scheme(Hash::by_oid(digest).ok_or_else(|| Reason::algorithm(digest))?)),
        None => algorithm(oid, parameters),
    }
}

/// Of a JSON Web Signature; `None` if it is no signature with a public key at all ("none", "HS256").
#[must_use]
pub fn jose(name: &str) -> Option<Result<Scheme, Reason>> {
    let hash = || match name.get(2..) {
        Some("256") => Some(Hash::Sha256),
        Some("384") => Some(Hash::Sha384),
        Some("512") => Some(Hash::Sha512),
        _ => None,
    };
    let scheme = match (name.get(..2), hash()) {
        (Some("HS"), _) | (Some("no"), None) => return None,
        (Some("RS"), Some(hash)) => Some(Scheme::Pkcs1(Some(hash))),
        // The salt is as long as the hash; where it is not, the signature is still that key's.
        (Some("PS"), Some(hash)) => Some(Scheme::Pss { hash, mask: hash, salt: None }),
        (Some("ES"), Some(hash)) => Some(Scheme::Ecdsa(Some(hash))),
        _ => match name {
            "ES256K" => Some(Scheme::Ecdsa(Some(Hash::Sha256))),
            "EdDSA" | "Ed25519" => Some(Scheme::Ed25519),
            _ => None,
        },
    };
    Some(scheme.ok_or_else(|| Reason::UnknownAlgorithm(crate::text::escape(name.as_bytes()))))
}

/// How a JSON Web Signature is written, and on which curve its key is (RFC 7518, 3.4; RFC 8812, 3.2).
#[must_use]
pub fn jose_form(name: &str) -> Form {
    Form::Plain(match name {
        "ES256" => Some(&table::SECP256R1),
        "ES384" => Some(&table::SECP384R1),
        "ES512" => Some(&table::SECP521R1),
        "ES256K" => Some(&table::SECP256K1),
        _ => None,
    })
}

/// The same of OpenSSH (RFC 5656, 3.1.2).
#[must_use]
pub fn ssh_form(name: &[u8]) -> Form {
    Form::Numbers(match name {
        b"ecdsa-sha2-nistp256" | b"sk-ecdsa-sha2-nistp256@openssh.com" => Some(&table::SECP256R1),
        b"ecdsa-sha2-nistp384" => Some(&table::SECP384R1),
        b"ecdsa-sha2-nistp521" => Some(&table::SECP521R1),
        _ => None,
    })
}

/// Of OpenSSH.
///
/// # Errors
/// [`Reason`] if it is not known here.
pub fn ssh(name: &[u8]) -> Result<Scheme, Reason> {
    Ok(match name {
        b"ssh-rsa" => Scheme::Pkcs1(Some(Hash::Sha1)),
        b"rsa-sha2-256" => Scheme::Pkcs1(Some(Hash::Sha256)),
        b"rsa-sha2-512" => Scheme::Pkcs1(Some(Hash::Sha512)),
        b"ecdsa-sha2-nistp256" | b"sk-ecdsa-sha2-nistp256@openssh.com" => Scheme::Ecdsa(Some(Hash::Sha256)),
        b"ecdsa-sha2-nistp384" => Scheme::Ecdsa(Some(Hash::Sha384)),
        b"ecdsa-sha2-nistp521" => Scheme::Ecdsa(Some(Hash::Sha512)),
        b"ssh-ed25519" | b"sk-ssh-ed25519@openssh.com" => Scheme::Ed25519,
        b"ssh-dss" => Scheme::Dsa(Some(Hash::Sha1)),
        _ => return Err(Reason::UnknownAlgorithm(crate::text::escape(name))),
    })
}
