//! Which keys and certificates of an OpenPGP card a version of OpenSC lists, and what it says of them.

use crate::format::openpgp::{self, CERTIFICATES, Key};
use crate::format::pkcs15::KeyType;
use crate::view::Behaviour;

/// The curves that OpenSC has in its table, OID content: NIST's and Brainpool's, and no others.
const CURVES: [&[u8]; 6] = [
    &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
    &[0x2B, 0x81, 0x04, 0x00, 0x22],
    &[0x2B, 0x81, 0x04, 0x00, 0x23],
    &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07],
    &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0B],
    &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0D],
];

const AUTHENTICATION: &str = "Authentication key";

/// What OpenSC says of a key: label, PIN, use of private and public key.
pub(super) struct Role {
    pub(super) label: &'static str,
    pub(super) pin: u8,
    pub(super) private: u32,
    pub(super) public: u32,
}

/// By number of the key.
pub(super) const fn role(number: u8, deciphers: bool) -> Role {
    match number {
        // sign, signRecover, nonRepudiation; verify, verifyRecover
        0 => Role { label: "Signature key", pin: 1, private: 0x20C, public: 0xC0 },
        // decrypt, unwrap; encrypt, wrap
        1 => Role { label: "Encryption key", pin: 2, private: 0x22, public: 0x11 },
        _ if deciphers => Role { label: AUTHENTICATION, pin: 2, private: 0x222, public: 0x51 },
        _ => Role { label: AUTHENTICATION, pin: 2, private: 0x200, public: 0x40 },
    }
}

/// How many of the certificates OpenSC looks at.
pub(super) const fn listed_certificates(behaviour: Behaviour) -> usize {
    if behaviour.openpgp_by_key { CERTIFICATES.len() } else { 1 }
}

/// Type and size as OpenSC lists them; none if it does not list such a key.
pub(super) fn kind(key: &Key, behaviour: Behaviour) -> Option<(KeyType, i32)> {
    let &algorithm = key.attributes.first()?;
    let on_25519 = |names: [&[u8]; 2]| match (names, key.curve()) {
        ([of_gnupg, _], Some(name)) if name == of_gnupg => true,
        ([_, of_rfc_8410], Some(name)) => name == of_rfc_8410 && behaviour.openpgp_knows_rfc_8410,
        (_, None) => false,
    };
    match algorithm {
        openpgp::RSA => Some((KeyType::Rsa, key.bits())),
        openpgp::ECDH | openpgp::ECDSA if !behaviour.openpgp_by_key => Some((KeyType::Ec, 0)),
        openpgp::ECDH if on_25519(openpgp::X25519) => Some((KeyType::Montgomery, behaviour.curve_25519_bits)),
        openpgp::EDDSA if behaviour.openpgp_by_key && on_25519(openpgp::ED25519) => {
            Some((KeyType::Edwards, behaviour.curve_25519_bits))
        }
        openpgp::ECDH | openpgp::ECDSA if key.curve().is_some_and(|curve| CURVES.contains(&curve)) => {
            Some((KeyType::Ec, key.bits()))
        }
        _ => None,
    }
}
