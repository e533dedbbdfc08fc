//! How something was signed, and whether it was.

use std::fmt::{Display, Formatter};

use x509_parser::oid_registry::asn1_rs::Oid;

use super::Hash;
use crate::format::signature::Encoding;

/// How it was signed. Without a hash the message itself takes the place of its digest:
/// the PKCS#11 mechanisms `CKM_ECDSA` and `CKM_RSA_PKCS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// ECDSA.
    Ecdsa(Option<Hash>),
    /// RSA PKCS#1 v1.5: over a DigestInfo, without a hash over the bytes as they are.
    Pkcs1(Option<Hash>),
    /// RSA-PSS, with the same hash in its mask.
    Pss {
        /// The hash.
        hash: Hash,
        /// Bytes of salt; without it any number.
        salt: Option<usize>,
    },
    /// Ed25519.
    Ed25519,
}

/// Does a signature fit?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It does.
    Valid(Fit),
    /// It was not made by this key, over these bytes, in this way.
    Invalid,
    /// Nobody can tell, or we cannot.
    NotDecidable(Reason),
}

/// How a signature fitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// How it was signed.
    pub scheme: Scheme,
    /// How it is written.
    pub encoding: Encoding,
}

/// Why a signature could not be decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A curve whose OID or domain parameters are not in our table.
    #[error("the key is on a curve that is not known here")]
    UnknownCurve,
    /// No point of the curve, or no RSA modulus or exponent.
    #[error("the public key is damaged: it is not a key of its kind")]
    BadKey,
    /// RSA beyond 16384 bits, or an exponent beyond 33.
    #[error("the RSA key is too large")]
    KeyTooLarge,
    /// A key that is neither RSA nor Ed25519 nor on a curve of our table.
    #[error("the key is of a kind or on a curve that is not known here")]
    UnknownKey,
    /// A signature algorithm (this OID) that is not known here.
    #[error("the signature algorithm {0} is not known here")]
    UnknownAlgorithm(String),
    /// RSA-PSS with an unknown hash, or with two different ones.
    #[error("the parameters of the RSA-PSS signature are not known here")]
    PssParameters,
    /// A certificate that names two signature algorithms, inside and outside.
    #[error("the certificate names two different algorithms for its signature")]
    Contradiction,
    /// Ed25519 signs messages, not digests.
    #[error("Ed25519 signs the message itself, its digest is not enough")]
    MessageNeeded,
}

impl Outcome {
    /// Does it fit?
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        matches!(self, Self::Valid(_))
    }
}

impl Display for Scheme {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ecdsa(Some(hash)) => write!(out, "ECDSA with {}", hash.name()),
            Self::Ecdsa(None) => out.write_str("ECDSA over the bytes as they are"),
            Self::Pkcs1(Some(hash)) => write!(out, "RSA PKCS#1 v1.5 with {}", hash.name()),
            Self::Pkcs1(None) => out.write_str("RSA PKCS#1 v1.5 over the bytes as they are"),
            Self::Pss { hash, .. } => write!(out, "RSA-PSS with {}", hash.name()),
            Self::Ed25519 => out.write_str("Ed25519"),
        }
    }
}

impl Reason {
    /// An algorithm by its OID content.
    pub(super) fn algorithm(oid: &[u8]) -> Self {
        Self::UnknownAlgorithm(Oid::new(oid.into()).to_id_string())
    }
}
