//! What is signed, in one form whatever it was: which bytes, how, and whose signature it says to be.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::case::claim::Claim;
use crate::crypto::{Form, Hash, Reason, Scheme};
use crate::format::key::PublicKey;
use crate::format::x509;
use crate::text::{escape, hex};

/// Kinds of artefacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An X.509 certificate of a CA.
    CaCertificate,
    /// A certificate revocation list.
    RevocationList,
    /// An X.509 certificate of whoever signs OCSP answers.
    OcspSigner,
    /// An OCSP response.
    OcspResponse,
    /// Any other X.509 certificate.
    Certificate,
    /// An OpenSSH certificate.
    SshCertificate,
    /// A card-verifiable certificate.
    CvCertificate,
    /// A certificate request (PKCS#10).
    Request,
    /// A request for a card-verifiable certificate.
    CvRequest,
    /// Signed data (CMS, PKCS#7).
    SignedData,
    /// A time stamp (RFC 3161): signed data about the digest of something else.
    TimeStamp,
    /// A JSON Web Signature.
    Jws,
    /// An OpenSSH signature over a file.
    SshSignature,
}

impl Kind {
    /// Its name, for one and for several.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::CaCertificate => ("CA certificate", "CA certificates"),
            Self::RevocationList => ("certificate revocation list", "certificate revocation lists"),
            Self::OcspSigner => ("certificate of an OCSP signer", "certificates of OCSP signers"),
            Self::OcspResponse => ("OCSP response", "OCSP responses"),
            Self::Certificate => ("certificate", "certificates"),
            Self::SshCertificate => ("OpenSSH certificate", "OpenSSH certificates"),
            Self::CvCertificate => ("card-verifiable certificate", "card-verifiable certificates"),
            Self::Request => ("certificate request", "certificate requests"),
            Self::CvRequest => ("card-verifiable request", "card-verifiable requests"),
            Self::SignedData => ("CMS signature", "CMS signatures"),
            Self::TimeStamp => ("time stamp", "time stamps"),
            Self::Jws => ("JSON Web Signature", "JSON Web Signatures"),
            Self::SshSignature => ("OpenSSH signature", "OpenSSH signatures"),
        }
    }
}

/// A signed artefact.
#[derive(Debug, Clone)]
pub struct Artefact {
    /// What it is.
    pub kind: Kind,
    /// By which it is told from others.
    pub digest: [u8; 16],
    /// Its signatures; an artefact is sound if all are.
    pub signatures: Vec<Claimed>,
    /// What people know it by.
    pub about: About,
    /// The key that it makes known.
    pub offer: Option<Offer>,
}

/// What people know an artefact by.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Serial number, big-endian.
    pub serial: Option<Vec<u8>>,
    /// Who issued it.
    pub issuer: Option<Name>,
    /// What it is about.
    pub subject: Option<Name>,
    /// When it was made, by what it says, Unix seconds.
    pub made: Option<i64>,
    /// Until when it is valid.
    pub until: Option<i64>,
    /// What it is for, besides: only what is for the same replaces it. Bytes that are compared and not told.
    pub scope: Vec<u8>,
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A distinguished name, DER content.
    Distinguished(Vec<u8>),
    /// Any other.
    Text(Vec<u8>),
}

impl Name {
    /// As it is told. Escaped.
    pub fn text(&self) -> String {
        match self {
            Self::Distinguished(der) => match x509::name(der) {
                text if !text.is_empty() => escape(text.as_bytes()),
                _ if der.is_empty() => "(an empty name)".to_owned(),
                _ => format!("(a name that does not decode: {})", hex(der.get(..64).unwrap_or(der))),
            },
            Self::Text(text) => escape(text),
        }
    }
}

/// A signature, and whose it says to be.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// What is signed.
    pub over: Over,
    /// How.
    pub scheme: Result<Scheme, Reason>,
    /// How the signature has to be written.
    pub form: Form,
    /// The signature.
    pub value: Vec<u8>,
    /// Whose it says to be.
    pub names: Names,
    /// What is signed besides, by its digest; or why that cannot be told.
    pub content: Option<Result<Content, &'static str>>,
    /// Is it on another signature, or within what is signed?
    pub is_inner: bool,
}

impl Claimed {
    /// What is signed by its digest and is not in the artefact.
    pub const fn detached(&self) -> Option<&Content> {
        match &self.content {
            Some(Ok(content)) if content.bytes.is_none() => Some(content),
            _ => None,
        }
    }
}

/// What is signed by its digest, which is among what is signed.
#[derive(Debug, Clone)]
pub struct Content {
    /// By which hash.
    pub hash: Hash,
    /// The digest; none if the content itself is what is signed.
    pub digest: Option<Vec<u8>>,
    /// The content, if it is there.
    pub bytes: Option<Arc<[u8]>>,
}

/// What is signed.
#[derive(Debug, Clone)]
pub enum Over {
    /// These bytes, which others of the same artefact may share.
    Bytes(Arc<[u8]>),
    /// These, one after the other, of which others share the second.
    Joined(Vec<u8>, Arc<[u8]>),
    /// The content of another file.
    Content,
    /// What OpenSSH makes of the digest of another file.
    SshFile {
        /// What it is for.
        namespace: Vec<u8>,
        /// What else is signed.
        reserved: Vec<u8>,
        /// The hash; `None` if it is not known here.
        hash: Option<Hash>,
        /// Its name.
        hash_name: Vec<u8>,
        /// The parts that a security key puts around the message; none if it is none.
        security_key: Option<(Vec<u8>, Vec<u8>)>,
    },
    /// The content of another file as the payload of a JSON Web Signature.
    Payload {
        /// What is signed before it.
        before: Vec<u8>,
        /// Is it signed in Base64url?
        is_encoded: bool,
    },
}

/// Whose signature it says to be.
#[derive(Debug, Clone)]
pub enum Names {
    /// One of these keys.
    Keys(Vec<PublicKey>),
    /// A key of this issuer.
    Issuer {
        /// The issuer's name, DER content.
        name: Vec<u8>,
        /// Which of them.
        authority: Authority,
        /// Of a certificate: its own key, and what is claimed of it.
        own: Option<(PublicKey, Claim)>,
    },
    /// The key with this identifier.
    KeyId(Vec<u8>),
    /// The key of the certificate with this issuer (DER content) and serial number.
    Certificate(Vec<u8>, Vec<u8>),
    /// The key that is called this.
    Called(String),
    /// The holder of a card-verifiable certificate.
    Holder(Vec<u8>),
    /// Nobody.
    Nobody,
}

/// Which key of an issuer it is, by the authority key identifier (RFC 5280, 4.2.1.1): whatever is there has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authority {
    /// The identifier of the key.
    pub key_id: Option<Vec<u8>>,
    /// The issuer of its certificate, DER content.
    pub issuer: Option<Vec<u8>>,
    /// The serial number of its certificate.
    pub serial: Option<Vec<u8>>,
}

impl Authority {
    /// As it is written.
    pub fn of(authority: &x509::Authority<'_>) -> Self {
        let owned = |part: Option<&[u8]>| part.map(<[u8]>::to_vec);
        Self {
            key_id: owned(authority.key_id),
            issuer: owned(authority.issuer),
            serial: owned(authority.serial),
        }
    }

    /// Does it say which key, and not the issuer's name alone?
    pub const fn is_said(&self) -> bool {
        self.key_id.is_some() || self.issuer.is_some() || self.serial.is_some()
    }
}

impl Names {
    /// Its own key and what is claimed of it, if issuer and subject have one name.
    pub fn own(&self) -> Option<(&PublicKey, Claim)> {
        match self {
            Self::Issuer { own: Some((key, claim)), .. } if *claim != Claim::AnotherName => {
                Some((key, *claim))
            }
            _ => None,
        }
    }

    /// Its own key, if its issuer has another name.
    pub fn subject_key(&self) -> Option<&PublicKey> {
        match self {
            Self::Issuer { own: Some((key, Claim::AnotherName)), .. } => Some(key),
            _ => None,
        }
    }
}

/// A key that an artefact makes known.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The key.
    pub key: PublicKey,
    /// Its holder, a distinguished name, DER content.
    pub subject: Option<Vec<u8>>,
    /// Its identifier, as its certificate has it.
    pub key_id: Option<Vec<u8>>,
    /// Issuer and serial number of its certificate.
    pub certificate: Option<(Vec<u8>, Vec<u8>)>,
    /// The holder reference of its card-verifiable certificate.
    pub holder: Option<Vec<u8>>,
    /// What it is called in JSON.
    pub called: Option<String>,
    /// May it have signed what others name it for?
    pub signs_for_others: bool,
}

impl Offer {
    /// A key without any certificate.
    #[must_use]
    pub const fn bare(key: PublicKey) -> Self {
        Self {
            key,
            subject: None,
            key_id: None,
            certificate: None,
            holder: None,
            called: None,
            signs_for_others: true,
        }
    }
}

impl Artefact {
    /// The name (DER content) of its issuer, if it is another one than its own.
    pub fn other_issuer(&self) -> Option<&[u8]> {
        let names = &self.signatures.first()?.names;
        match names {
            Names::Issuer { name, .. } if names.subject_key().is_some() => Some(name),
            _ => None,
        }
    }
}

/// By which an artefact is told from others.
pub(super) fn digest(bytes: &[u8]) -> [u8; 16] {
    let whole: [u8; 32] = Sha256::digest(bytes).into();
    let mut short = [0; 16];
    short.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    short
}
