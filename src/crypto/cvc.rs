//! The signatures in card-verifiable certificates and requests (BSI TR-03110 part 3,
//! appendix C), as a SmartCard-HSM writes them.
//!
//! The inner signature of a request, by the new key, proves that whoever made the
//! request had the private key. The outer one, by the device's key, proves that this
//! device made it. The device's own certificates lead to a root of the manufacturer.
//! None of them proves which private key the card holds now.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::{Hash, Outcome, Reason, Scheme, Signed, keys_of_point, verify};
use crate::format::curve::table::BRAINPOOL_P256R1;
use crate::format::cvc::{Cvc, CvcKey, Domain, decode};
use crate::format::key::PublicKey;
use crate::format::tlv::TlvError;
use hex_literal::hex;

/// id-TA, the arc of the signature algorithms.
const TA: &[u8] = &hex!("04007f0007020202");

/// A device has two certificates, an emulated one two as well.
const MAX_CERTIFICATES: usize = 8;

/// Verified signatures that are remembered: those of a full card, several times over.
const MAX_REMEMBERED: usize = 4096;

/// A root of device certificates. Its key is on brainpoolP256r1 and signs with SHA-256.
#[derive(Debug, PartialEq, Eq)]
pub struct Root {
    /// Certificate holder reference.
    pub chr: &'static str,
    /// Does it stand for devices sold, not for test devices?
    pub production: bool,
    point: &'static [u8],
}

/// The roots of the SmartCard-HSM.
pub const ROOTS: [Root; 2] = [
    Root {
        chr: "DESRCACC100001",
        production: true,
        point: &hex!(
            "046d025a8026cdba245f10df1b72e9880fff746dab40a43a3d5c6bebf27707c30f6dea72430ee3287b0665c1eaa6eaa4fa26c46303001983f82bd1aa31e03da062"
        ),
    },
    Root {
        chr: "UTSRCACC100001",
        production: false,
        point: &hex!(
            "04a041feb2fd116b2ad19ca6b7eacd71c9892f941bb88d67dceec92501f070011957e22122ba6c2cf5ff02936f482e35a6129ccbba8e9383836d3106879c408ef0"
        ),
    },
];

/// A key that signs certificates or requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The key.
    pub key: PublicKey,
    /// How it signs.
    pub scheme: Scheme,
}

/// Where the certificates of a device lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// To a known root, each signature in order.
    Root(&'static Root),
    /// To the device itself, which says nothing about where it comes from: emulated ones.
    SelfSigned,
    /// To an issuer (this reference) whose certificate is neither there nor known; the
    /// signatures before are in order.
    UnknownIssuer(Vec<u8>),
    /// Nowhere: the certificate of this holder is not signed by the issuer it names.
    Broken(Vec<u8>),
    /// Nobody can tell: the signature of this holder's certificate cannot be judged.
    NotDecidable(Vec<u8>, Reason),
}

/// What EF.C_DevAut (2F02) says of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its certificate holder reference.
    pub chr: Vec<u8>,
    /// Its key, which signs the requests it makes.
    pub signer: Result<Signer, Reason>,
    /// Where its certificates lead.
    pub origin: Origin,
}

impl Signer {
    /// The key of a certificate as a signer. Where the domain parameters are left out, as in
    /// all device certificates but the root's, the curve is told by the point: it is on no other.
    ///
    /// # Errors
    /// [`Reason`] if it is on no known curve, is damaged or signs in an unknown way.
    pub fn new(key: &CvcKey<'_>) -> Result<Self, Reason> {
        let public = match (key.point, key.domain()) {
            (None, _) => key.public_key(false).ok_or(Reason::BadKey)?,
            (Some(point), Domain::Curve(curve)) => {
                PublicKey::Ec { curve_oid: curve.oid.to_vec(), point: point.to_vec() }
            }
            (Some(point), Domain::Inherited) => {
                let [key] = keys_of_point(point).try_into().map_err(|_| Reason::UnknownCurve)?;
                key
            }
            (Some(_), Domain::Unknown) => return Err(Reason::UnknownCurve),
        };
        Ok(Self { key: public, scheme: scheme(key.algorithm)? })
    }

    /// Several rules ask this of one request, and in a fleet's snapshots the same device and its requests come again and
    /// again: what was computed lately is remembered.
    fn verify(&self, signed: &[u8], signature: &[u8]) -> Outcome {
        static LATELY: Mutex<BTreeMap<[u8; 32], Outcome>> = Mutex::new(BTreeMap::new());
        let question = Sha256::new()
            .chain_update(format!("{self:?}{}:", signed.len()))
            .chain_update(signed)
            .chain_update(signature)
            .finalize();
        let question = <[u8; 32]>::from(question);
        let lately = || LATELY.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lately().get(&question) {
            return known.clone();
        }
        let outcome = verify(&self.key, self.scheme, &Signed::message(signed), signature);
        let mut lately = lately();
        if lately.len() >= MAX_REMEMBERED {
            lately.clear();
        }
        lately.insert(question, outcome.clone());
        outcome
    }
}

/// The scheme of a signature algorithm (TR-03110 part 3, A.6.3 and A.6.4).
fn scheme(algorithm: &[u8]) -> Result<Scheme, Reason> {
    let pss = |hash| Scheme::Pss { hash, mask: hash, salt: None };
    Ok(match algorithm.strip_prefix(TA) {
        Some([1, 1]) => Scheme::Pkcs1(Some(Hash::Sha1)),
        Some([1, 2]) => Scheme::Pkcs1(Some(Hash::Sha256)),
        Some([1, 3]) => pss(Hash::Sha1),
        Some([1, 4]) => pss(Hash::Sha256),
        Some([1, 5]) => Scheme::Pkcs1(Some(Hash::Sha512)),
        Some([1, 6]) => pss(Hash::Sha512),
        Some([2, 1]) => Scheme::Ecdsa(Some(Hash::Sha1)),
        Some([2, 2]) => Scheme::Ecdsa(Some(Hash::Sha224)),
        Some([2, 3]) => Scheme::Ecdsa(Some(Hash::Sha256)),
        Some([2, 4]) => Scheme::Ecdsa(Some(Hash::Sha384)),
        Some([2, 5]) => Scheme::Ecdsa(Some(Hash::Sha512)),
        _ => return Err(Reason::algorithm(algorithm)),
    })
}

/// The inner signature of a request, by the key it is about: the proof of possession.
pub fn possession(request: &Cvc<'_>) -> Outcome {
    match Signer::new(&request.key) {
        Ok(signer) => signer.verify(request.body, request.signature),
        Err(reason) => Outcome::NotDecidable(reason),
    }
}

/// The outer signature of an authenticated request, by a device; `None` if it has none.
#[must_use]
pub fn made_by(request: &Cvc<'_>, device: &Signer) -> Option<Outcome> {
    let outer = request.outer.as_ref()?;
    Some(device.verify(outer.signed, outer.signature))
}

/// The signature of a certificate, by its issuer.
pub fn issued_by(certificate: &Cvc<'_>, issuer: &Signer) -> Outcome {
    issuer.verify(certificate.body, certificate.signature)
}

/// Reads EF.C_DevAut: a device's certificate and its issuer's; of an emulated device its
/// request and its self-signed certificate.
///
/// # Errors
/// [`TlvError`] if the first structure does not decode, where OpenSC refuses the card.
pub fn device(bytes: &[u8]) -> Result<Device, TlvError> {
    let first = decode(bytes)?;
    let mut all = vec![first.clone()];
    while let Some(next) = all.last().and_then(|last| decode(last.rest).ok()) {
        if all.len() == MAX_CERTIFICATES {
            break;
        }
        all.push(next);
    }
    let certificate = all.iter().find(|one| one.outer.is_none() && one.chr == first.chr).unwrap_or(&first);
    Ok(Device { chr: first.chr.to_vec(), signer: Signer::new(&first.key), origin: origin(certificate, &all) })
}

/// Climbs from a certificate to its issuer, each certificate once.
fn origin(start: &Cvc<'_>, all: &[Cvc<'_>]) -> Origin {
    let mut current = start;
    for _ in all {
        let holder = current.chr.to_vec();
        let car = current.car.unwrap_or_default();
        let root = ROOTS.iter().find(|root| root.chr.as_bytes() == car);
        let above = all.iter().find(|one| one.outer.is_none() && one.chr == car);
        let signer = match (root, above) {
            (Some(root), _) => Ok(root.signer()),
            (None, Some(above)) => Signer::new(&above.key),
            (None, None) => return Origin::UnknownIssuer(car.to_vec()),
        };
        match signer.map(|signer| issued_by(current, &signer)) {
            Ok(Outcome::Valid(_)) => {}
            Ok(Outcome::Invalid | Outcome::Otherwise(_)) => return Origin::Broken(holder),
            Ok(Outcome::NotDecidable(reason)) | Err(reason) => return Origin::NotDecidable(holder, reason),
        }
        match (root, above) {
            (Some(root), _) => return Origin::Root(root),
            (None, Some(above)) if above.chr != current.chr => current = above,
            _ => return Origin::SelfSigned,
        }
    }
    Origin::SelfSigned
}

impl Root {
    fn signer(&self) -> Signer {
        let key = PublicKey::Ec { curve_oid: BRAINPOOL_P256R1.oid.to_vec(), point: self.point.to_vec() };
        Signer { key, scheme: Scheme::Ecdsa(Some(Hash::Sha256)) }
    }
}
