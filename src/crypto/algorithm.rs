//! Signature algorithms by their OIDs and parameters, of certificates and of what else names one.

use hex_literal::hex;

use super::{Hash, Reason, Scheme};
use crate::format::key::object_id_text;
use crate::format::tlv::{TlvError, Walk, integer};

const MGF1: &[u8] = &hex!("2a864886f70d010108");
const RSASSA_PSS: &[u8] = &hex!("2a864886f70d01010a");

const fn ecdsa(hash: Hash) -> Scheme {
    Scheme::Ecdsa(Some(hash))
}

const fn pkcs1(hash: Hash) -> Scheme {
    Scheme::Pkcs1(Some(hash))
}

const fn dsa(hash: Hash) -> Scheme {
    Scheme::Dsa(Some(hash))
}

/// Signature algorithms that say all: RFC 3279, 4055, 5758, 8410, NIST's CSOR, BSI TR-03111 (r and s
/// side by side), and what some still write in OIDs that others have given up (OIW, TeleTrusT).
#[rustfmt::skip]
const SCHEMES: &[(&[u8], Scheme)] = &[
    (&hex!("2a864886f70d010104"), pkcs1(Hash::Md5)),
    (&hex!("2a864886f70d010105"), pkcs1(Hash::Sha1)),
    (&hex!("2a864886f70d01010b"), pkcs1(Hash::Sha256)),
    (&hex!("2a864886f70d01010c"), pkcs1(Hash::Sha384)),
    (&hex!("2a864886f70d01010d"), pkcs1(Hash::Sha512)),
    (&hex!("2a864886f70d01010e"), pkcs1(Hash::Sha224)),
    (&hex!("2a864886f70d01010f"), pkcs1(Hash::Sha512To224)),
    (&hex!("2a864886f70d010110"), pkcs1(Hash::Sha512To256)),
    (&hex!("2b0e030203"), pkcs1(Hash::Md5)),
    (&hex!("2b0e03021d"), pkcs1(Hash::Sha1)),
    (&hex!("2b2403030102"), pkcs1(Hash::Ripemd160)),
    (&hex!("60864801650304030d"), pkcs1(Hash::Sha3To224)),
    (&hex!("60864801650304030e"), pkcs1(Hash::Sha3To256)),
    (&hex!("60864801650304030f"), pkcs1(Hash::Sha3To384)),
    (&hex!("608648016503040310"), pkcs1(Hash::Sha3To512)),
    (&hex!("2a8648ce3d0401"), ecdsa(Hash::Sha1)),
    (&hex!("2a8648ce3d040301"), ecdsa(Hash::Sha224)),
    (&hex!("2a8648ce3d040302"), ecdsa(Hash::Sha256)),
    (&hex!("2a8648ce3d040303"), ecdsa(Hash::Sha384)),
    (&hex!("2a8648ce3d040304"), ecdsa(Hash::Sha512)),
    (&hex!("608648016503040309"), ecdsa(Hash::Sha3To224)),
    (&hex!("60864801650304030a"), ecdsa(Hash::Sha3To256)),
    (&hex!("60864801650304030b"), ecdsa(Hash::Sha3To384)),
    (&hex!("60864801650304030c"), ecdsa(Hash::Sha3To512)),
    (&hex!("04007f000701010401 01"), ecdsa(Hash::Sha1)),
    (&hex!("04007f000701010401 02"), ecdsa(Hash::Sha224)),
    (&hex!("04007f000701010401 03"), ecdsa(Hash::Sha256)),
    (&hex!("04007f000701010401 04"), ecdsa(Hash::Sha384)),
    (&hex!("04007f000701010401 05"), ecdsa(Hash::Sha512)),
    (&hex!("04007f000701010401 06"), ecdsa(Hash::Ripemd160)),
    (&hex!("2a8648ce380403"), dsa(Hash::Sha1)),
    (&hex!("2b0e03021b"), dsa(Hash::Sha1)),
    (&hex!("608648016503040301"), dsa(Hash::Sha224)),
    (&hex!("608648016503040302"), dsa(Hash::Sha256)),
    (&hex!("608648016503040303"), dsa(Hash::Sha384)),
    (&hex!("608648016503040304"), dsa(Hash::Sha512)),
    (&hex!("608648016503040305"), dsa(Hash::Sha3To224)),
    (&hex!("608648016503040306"), dsa(Hash::Sha3To256)),
    (&hex!("608648016503040307"), dsa(Hash::Sha3To384)),
    (&hex!("608648016503040308"), dsa(Hash::Sha3To512)),
    (&hex!("2b6570"), Scheme::Ed25519),
];

/// Algorithms that are not computed here, by name: those of an arc, or one.
#[rustfmt::skip]
const NAMES: &[(&[u8], &str)] = &[
    (&hex!("2a864886f70d010102"), "RSA with MD2"),
    (&hex!("2a864886f70d010103"), "RSA with MD4"),
    (&hex!("2b6571"), "Ed448"),
    (&hex!("2a8648ce3d0402"), "ECDSA with the recommended hash"),
    (&hex!("2a8648ce3d0403"), "ECDSA with a hash in its parameters"),
    (&hex!("2a811ccf55018375"), "SM2 with SM3"),
    (&hex!("2a850302"), "GOST"),
    (&hex!("2a85030701"), "GOST"),
    (&hex!("2b0601050507061e"), "RSA-PSS with SHAKE128"),
    (&hex!("2b0601050507061f"), "RSA-PSS with SHAKE256"),
    (&hex!("2b06010505070620"), "ECDSA with SHAKE128"),
    (&hex!("2b06010505070621"), "ECDSA with SHAKE256"),
    (&hex!("608648016503040311"), "ML-DSA-44"),
    (&hex!("608648016503040312"), "ML-DSA-65"),
    (&hex!("608648016503040313"), "ML-DSA-87"),
];

/// The scheme of an algorithm: OID content, and its parameters, tag and length included.
///
/// # Errors
/// [`Reason`] if it is not known here.
pub fn algorithm(oid: &[u8], parameters: &[u8]) -> Result<Scheme, Reason> {
    if oid == RSASSA_PSS {
        return pss(parameters).ok().flatten().ok_or(Reason::PssParameters);
    }
    let known = SCHEMES.iter().find(|(known, _)| *known == oid);
    known.map(|(_, scheme)| *scheme).ok_or_else(|| unknown(oid))
}

/// An algorithm that is not computed here, by its name and OID.
fn unknown(oid: &[u8]) -> Reason {
    let number = object_id_text(oid);
    let name = NAMES.iter().find(|(arc, _)| oid.starts_with(arc)).map(|(_, name)| *name);
    Reason::UnknownAlgorithm(name.map_or(number.clone(), |name| format!("{name} ({number})")))
}

/// What a key for RSA-PSS alone allows; all, if it has no parameters.
pub(super) fn pss_allowed(parameters: &[u8]) -> Result<Option<Scheme>, Reason> {
    match parameters {
        [] => Ok(None),
        _ => pss(parameters).ok().flatten().map(Some).ok_or(Reason::PssParameters),
    }
}

/// RSASSA-PSS-params (RFC 8017, A.2.3); `None` if they are in order, but not for us: an
/// unknown hash, mask or trailer.
fn pss(parameters: &[u8]) -> Result<Option<Scheme>, TlvError> {
    let mut walk = Walk::new(Walk::new(parameters)?.required(0x30)?)?;
    let hash_of = |algorithm: &[u8]| {
        let oid = Walk::new(Walk::new(algorithm)?.required(0x30)?)?.required(0x06)?;
        Ok::<_, TlvError>(Hash::by_oid(oid))
    };
    let hash = walk.optional(0xA0).map_or(Ok(Some(Hash::Sha1)), hash_of)?;
    let mask = walk.optional(0xA1).map_or(Ok(Some(Hash::Sha1)), |mask| {
        let mut mask = Walk::new(Walk::new(mask)?.required(0x30)?)?;
        let function = mask.required(0x06)?;
        let algorithm = mask.rest();
        if function == MGF1 { hash_of(algorithm) } else { Ok(None) }
    })?;
    let number = |tag, default, walk: &mut Walk<'_>| match walk.optional(tag) {
        Some(wrapped) => integer(0x02, Walk::new(wrapped)?.required(0x02)?),
        None => Ok(default),
    };
    let salt = usize::try_from(number(0xA2, 20, &mut walk)?).ok();
    let trailer = number(0xA3, 1, &mut walk)?;
    let pair = hash.zip(mask).filter(|_| trailer == 1 && salt.is_some());
    Ok(pair.map(|(hash, mask)| Scheme::Pss { hash, mask, salt }))
}
