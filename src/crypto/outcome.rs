//! How something was signed, and whether it was.

use std::fmt::{Display, Formatter};

use super::Hash;
use crate::format::curve::{self, Curve};
use crate::format::key::{PublicKey, object_id_text};
use crate::format::signature::{Encoding, Flaw};

/// How it was signed. Without a hash the message itself takes the place of its digest:
/// the PKCS#11 mechanisms `CKM_ECDSA` and `CKM_RSA_PKCS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// ECDSA.
    Ecdsa(Option<Hash>),
    /// RSA PKCS#1 v1.5: over a DigestInfo, without a hash over the bytes as they are.
    Pkcs1(Option<Hash>),
    /// RSA-PSS.
    Pss {
        /// The hash.
        hash: Hash,
        /// The hash in its mask (MGF1), most often the same.
        mask: Hash,
        /// Bytes of salt; without it any number.
        salt: Option<usize>,
    },
    /// Ed25519.
    Ed25519,
    /// DSA.
    Dsa(Option<Hash>),
    /// RSA without padding: over the bytes as they are, or over their digest.
    RsaRaw(Option<Hash>),
}

/// Does a signature fit? There is no short way to yes and no: what could not be decided is a
/// third answer, and whoever asks has to say what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It does.
    Valid(Fit),
    /// This key made it, but not over these bytes, or not in this way: it opens to a block that says so.
    Otherwise(Opened),
    /// It was not made by this key, over these bytes, in this way.
    Invalid,
    /// Nobody can tell, or we cannot.
    NotDecidable(Reason),
}

/// How a signature has to be written where it stands: what is written otherwise, no program there takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Two numbers in DER (X.509, CMS).
    Der,
    /// Two numbers side by side, of a key on this curve if it is said (JWS, BSI TR-03111).
    Plain(Option<&'static Curve>),
    /// Two numbers with their lengths, of a key on this curve if it is known; more or fewer zeros do not matter (OpenSSH).
    Numbers(Option<&'static Curve>),
    /// It is not held to any.
    Any,
}

impl Form {
    /// Is a signature of this key, which fits, written as it has to be?
    #[must_use]
    pub fn admits(self, key: &PublicKey, fit: &Fit) -> bool {
        let is_pair = matches!(fit.scheme, Scheme::Ecdsa(_) | Scheme::Dsa(_));
        let is_on = |wanted: Option<&'static Curve>| match (wanted, key) {
            (Some(wanted), PublicKey::Ec { curve_oid, .. }) => curve::by_oid(curve_oid) == Some(wanted),
            _ => true,
        };
        match (self, &fit.encoding) {
            (Self::Any, _) => true,
            (Self::Der, encoding) if is_pair => *encoding == Encoding::Der,
            (Self::Numbers(curve), Encoding::Loose(flaws)) => {
                let is_harmless = |flaw: &Flaw| match flaw {
                    Flaw::SuperfluousZeros => is_pair,
                    Flaw::ZerosLeftOut => true,
                    Flaw::MissingZero | Flaw::LongLength | Flaw::Trailing(_) => false,
                };
                is_on(curve) && flaws.iter().all(is_harmless)
            }
            (Self::Numbers(curve), Encoding::Plain | Encoding::Der) => is_on(curve),
            (Self::Plain(curve), encoding) => *encoding == Encoding::Plain && is_on(curve),
            (Self::Der, encoding) => *encoding == Encoding::Plain,
        }
    }
}

/// How a signature fitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// How it was signed.
    pub scheme: Scheme,
    /// How it is written.
    pub encoding: Encoding,
}

/// What an RSA signature opens to under its key, if that is no chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// A block of PKCS#1 v1.5 with a digest of other bytes by this hash.
    OtherDigest(Hash),
    /// The same with the digest of these bytes, by another hash or in a DigestInfo of another form.
    ThisDigest(Hash),
    /// A block of PKCS#1 v1.5 with something else, of this many bytes.
    Content(usize),
    /// A block of RSA-PSS with this hash in its mask, over other bytes or with another hash or salt.
    Pss(Hash),
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
    /// RSA beyond 16384 bits, or beyond 3072 with an exponent beyond 64; DSA beyond 10000.
    #[error("the key is too large")]
    KeyTooLarge,
    /// A kind of key (this one) whose signatures are not computed here.
    #[error("{0} is not computed here")]
    NotComputed(&'static str),
    /// A key of a kind that is not known here.
    #[error("the key is of a kind that is not known here")]
    UnknownKey,
    /// A signature algorithm (this OID) that is not known here.
    #[error("the signature algorithm {0} is not computed here")]
    UnknownAlgorithm(String),
    /// RSA-PSS with an unknown hash or trailer, or with parameters that are none.
    #[error("the parameters of the RSA-PSS signature are not known here")]
    PssParameters,
    /// A key for RSA-PSS alone, which allows other parameters than the signature has.
    #[error("the key allows other parameters of RSA-PSS than the signature has")]
    PssForbidden,
    /// What names two signature algorithms, inside and outside.
    #[error("it names two different algorithms for its signature")]
    Contradiction,
    /// A certificate or request whose signature cannot be taken out of it.
    #[error("what carries the signature is damaged")]
    Damaged,
    /// A DSA key whose parameters are those of its issuer (RFC 3279, 2.3.2).
    #[error("the key has no parameters of its own: it inherits those of its issuer")]
    InheritedParameters,
    /// An RSA signature that opens to what looks like a padding that is not computed here.
    #[error("it opens to what looks like {0}, which is not computed here")]
    OtherPadding(&'static str),
    /// One file would cost more than it is worth.
    #[error("not computed: the keys of this file take more work than is done for one file")]
    TooMuchWork,
    /// Ed25519 signs messages, not digests.
    #[error("Ed25519 signs the message itself, its digest is not enough")]
    MessageNeeded,
    /// Ed25519 needs all of a message at once.
    #[error(
        "Ed25519 signs the message itself, and this one is larger than the {} MiB that are held in memory for it",
        super::IN_MEMORY >> 20
    )]
    MessageTooLarge,
}

impl Display for Scheme {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ecdsa(Some(hash)) => write!(out, "ECDSA with {}", hash.name()),
            Self::Ecdsa(None) => out.write_str("ECDSA over the bytes as they are"),
            Self::Pkcs1(Some(hash)) => write!(out, "RSA PKCS#1 v1.5 with {}", hash.name()),
            Self::Pkcs1(None) => out.write_str("RSA PKCS#1 v1.5 over the bytes as they are"),
            Self::Pss { hash, mask, .. } if hash == mask => write!(out, "RSA-PSS with {}", hash.name()),
            Self::Pss { hash, mask, .. } => {
                write!(out, "RSA-PSS with {}, and {} in its mask", hash.name(), mask.name())
            }
            Self::Ed25519 => out.write_str("Ed25519"),
            Self::Dsa(Some(hash)) => write!(out, "DSA with {}", hash.name()),
            Self::Dsa(None) => out.write_str("DSA over the bytes as they are"),
            Self::RsaRaw(Some(hash)) => write!(out, "RSA without padding over the {} digest", hash.name()),
            Self::RsaRaw(None) => out.write_str("RSA without padding over the bytes as they are"),
        }
    }
}

impl Display for Opened {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OtherDigest(hash) => {
                write!(out, "RSA PKCS#1 v1.5 with the {} digest of other bytes", hash.name())
            }
            Self::ThisDigest(hash) => {
                write!(
                    out,
                    "RSA PKCS#1 v1.5 with the {} digest of these bytes, but not in the form that is due",
                    hash.name()
                )
            }
            Self::Content(bytes) => {
                write!(out, "RSA PKCS#1 v1.5 with {bytes} bytes that are not the digest of these ones")
            }
            Self::Pss(hash) => write!(
                out,
                "RSA-PSS with {} in its mask, but over other bytes or with another hash or salt",
                hash.name()
            ),
        }
    }
}

impl Reason {
    /// An algorithm by its OID content.
    pub(super) fn algorithm(oid: &[u8]) -> Self {
        Self::UnknownAlgorithm(object_id_text(oid))
    }
}
