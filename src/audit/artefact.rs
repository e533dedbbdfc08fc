//! What is signed, in one form whatever it was: which bytes, how, and whose signature it says to be.

use sha2::{Digest, Sha256};

use crate::case::attribution::{self, claim};
use crate::crypto::{Hash, Reason, Scheme, detached, x509 as signatures};
use crate::format::key::PublicKey;
use crate::format::{cms, crl, cvc, jose, ocsp, ssh, x509};

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
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A distinguished name, DER content.
    Distinguished(Vec<u8>),
    /// Any other.
    Text(Vec<u8>),
}

/// A signature, and whose it says to be.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// What is signed.
    pub over: Over,
    /// How.
    pub scheme: Result<Scheme, Reason>,
    /// The signature.
    pub value: Vec<u8>,
    /// Whose it says to be.
    pub names: Names,
    /// What is signed besides, by its digest.
    pub content: Option<Content>,
}

/// What is signed by its digest, which is among what is signed.
#[derive(Debug, Clone)]
pub struct Content {
    /// By which hash.
    pub hash: Hash,
    /// The digest.
    pub digest: Vec<u8>,
    /// The content, if it is there.
    pub bytes: Option<Vec<u8>>,
}

/// What is signed.
#[derive(Debug, Clone)]
pub enum Over {
    /// These bytes.
    Bytes(Vec<u8>),
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
    /// Nothing that is here, and that could be elsewhere in files.
    Nowhere(&'static str),
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
        /// The identifier of the key.
        key_id: Option<Vec<u8>>,
        /// If the issuer has the name of the subject: its key, and what is claimed of it.
        own: Option<(PublicKey, attribution::Claim)>,
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

fn digest(bytes: &[u8]) -> [u8; 16] {
    let whole: [u8; 32] = Sha256::digest(bytes).into();
    let mut short = [0; 16];
    short.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    short
}

/// What X.509 signs, under the names that are given.
fn claimed(der: &[u8], names: Names) -> Option<Claimed> {
    let signed = x509::signed(der).ok()?;
    let (over, value) = (Over::Bytes(signed.body.to_vec()), signed.signature.to_vec());
    Some(Claimed { over, scheme: signatures::scheme(&signed), value, names, content: None })
}

/// A certificate.
#[must_use]
pub fn of_certificate(der: &[u8]) -> Option<Artefact> {
    let one = x509::decode(der)?;
    let authority = x509::authority(&one.der);
    let claim = claim(&one);
    let is_self_issued = claim != attribution::Claim::AnotherName;
    let names = Names::Issuer {
        name: one.raw_issuer.clone(),
        key_id: authority.key_id.map(<[u8]>::to_vec),
        own: is_self_issued.then(|| (one.key.clone(), claim)),
    };
    // keyCertSign and cRLSign.
    let signs = x509::key_usage(&one.der).is_some_and(|usage| usage & (1 << 5 | 1 << 6) != 0);
    let is_authority = x509::is_authority(&one.der);
    let is_ocsp = x509::is_for_ocsp(&one.der);
    let kind = match is_authority {
        Some(true) => Kind::CaCertificate,
        None if is_self_issued && !is_ocsp => Kind::CaCertificate,
        _ if is_ocsp => Kind::OcspSigner,
        _ => Kind::Certificate,
    };
    Some(Artefact {
        kind,
        digest: digest(&one.der),
        signatures: vec![claimed(&one.der, names)?],
        about: About {
            serial: Some(one.serial.clone()),
            issuer: Some(Name::Distinguished(one.raw_issuer.clone())),
            subject: Some(Name::Distinguished(one.raw_subject.clone())),
            made: one.validity.map(|(from, _)| from),
            until: one.validity.map(|(_, until)| until),
        },
        offer: Some(Offer {
            key_id: x509::subject_key_id(&one.der).map(<[u8]>::to_vec),
            key: one.key,
            subject: Some(one.raw_subject),
            certificate: Some((one.raw_issuer, one.serial)),
            holder: None,
            called: None,
            signs_for_others: kind != Kind::Certificate || is_self_issued || signs || is_authority.is_none(),
        }),
    })
}

/// A certificate request.
#[must_use]
pub fn of_request(der: &[u8]) -> Option<Artefact> {
    let one = x509::decode_request(der).ok()?;
    Some(Artefact {
        kind: Kind::Request,
        digest: digest(&one.der),
        signatures: vec![claimed(&one.der, Names::Keys(vec![one.key.clone()]))?],
        about: About { subject: Some(Name::Text(one.subject.clone().into_bytes())), ..About::default() },
        offer: Some(Offer { signs_for_others: false, ..Offer::bare(one.key) }),
    })
}

/// A revocation list.
#[must_use]
pub fn of_list(der: &[u8]) -> Option<Artefact> {
    let list = crl::decode(der)?;
    let key_id = list.authority.key_id.map(<[u8]>::to_vec);
    let names = Names::Issuer { name: list.issuer.to_vec(), key_id, own: None };
    Some(Artefact {
        kind: Kind::RevocationList,
        digest: digest(list.der),
        signatures: vec![claimed(list.der, names)?],
        about: About {
            serial: list.number.map(<[u8]>::to_vec),
            issuer: Some(Name::Distinguished(list.issuer.to_vec())),
            subject: None,
            made: x509::moment(list.this_update),
            until: list.next_update.and_then(x509::moment),
        },
        offer: None,
    })
}

/// An OCSP response.
#[must_use]
pub fn of_response(response: &ocsp::Response<'_>) -> Option<Artefact> {
    let with_it = response.certificates.iter().filter_map(|der| x509::decode(der));
    let (names, issuer) = match response.responder {
        ocsp::Responder::Name(name) => {
            let keys: Vec<PublicKey> =
                with_it.filter(|one| x509::is_same_name(&one.raw_subject, name)).map(|one| one.key).collect();
            let issuer = || Names::Issuer { name: name.to_vec(), key_id: None, own: None };
            let names = if keys.is_empty() { issuer() } else { Names::Keys(keys) };
            (names, Name::Distinguished(name.to_vec()))
        }
        ocsp::Responder::KeyHash(hash) => {
            let key = with_it.map(|one| one.key).find(|key| attribution::hash_of_bits(key) == hash);
            let names = key.map_or_else(|| Names::KeyId(hash.to_vec()), |key| Names::Keys(vec![key]));
            (names, Name::Text(format!("key {}", crate::text::hex(hash)).into_bytes()))
        }
    };
    Some(Artefact {
        kind: Kind::OcspResponse,
        digest: digest(response.der),
        signatures: vec![claimed(response.der, names)?],
        about: About { issuer: Some(issuer), made: x509::moment(response.produced_at), ..About::default() },
        offer: None,
    })
}

/// Signed data with at least one signer.
#[must_use]
pub fn of_signed_data(der: &[u8], data: &cms::SignedData<'_>) -> Option<Artefact> {
    let with_it: Vec<x509::Certificate> =
        data.certificates.iter().filter_map(|der| x509::decode(der)).collect();
    let one = |signer: &cms::Signer<'_>| {
        let key = with_it.iter().find(|one| match signer.who {
            cms::Who::Certificate { issuer, serial } => {
                one.serial == serial && x509::is_same_name(&one.raw_issuer, issuer)
            }
            cms::Who::KeyId(id) => {
                x509::subject_key_id(&one.der) == Some(id) || attribution::hash_of_bits(&one.key) == id
            }
        });
        let names = match (key, signer.who) {
            (Some(one), _) => Names::Keys(vec![one.key.clone()]),
            (None, cms::Who::Certificate { issuer, serial }) => {
                Names::Certificate(issuer.to_vec(), serial.to_vec())
            }
            (None, cms::Who::KeyId(id)) => Names::KeyId(id.to_vec()),
        };
        let over = match (&signer.attributes, data.content) {
            (Some(attributes), _) => Over::Bytes(attributes.clone()),
            (None, Some(content)) => Over::Bytes(content.to_vec()),
            (None, None) => Over::Content,
        };
        let hash = Hash::by_oid(signer.digest);
        let content = signer.message_digest.zip(hash).map(|(digest, hash)| Content {
            hash,
            digest: digest.to_vec(),
            bytes: data.content.map(<[u8]>::to_vec),
        });
        Claimed {
            over,
            scheme: detached::cms(signer.digest, signer.algorithm, signer.parameters),
            value: signer.signature.to_vec(),
            names,
            content,
        }
    };
    let first = data.signers.first()?;
    let (issuer, serial) = match first.who {
        cms::Who::Certificate { issuer, serial } => {
            (Some(Name::Distinguished(issuer.to_vec())), Some(serial.to_vec()))
        }
        cms::Who::KeyId(_) => (None, None),
    };
    Some(Artefact {
        kind: Kind::SignedData,
        digest: digest(der),
        signatures: data.signers.iter().map(one).collect(),
        about: About { serial, issuer, made: first.signing_time.and_then(x509::moment), ..About::default() },
        offer: None,
    })
}

/// A JSON Web Signature. `None` if it is none with a public key.
#[must_use]
pub fn of_jws(signed: &jose::Signed) -> Option<Artefact> {
    let scheme = detached::jose(&signed.algorithm)?;
    let certificate = signed.certificates.first().and_then(|der| x509::decode(der));
    let names = match (&signed.key, certificate, &signed.key_id) {
        (_, Some(certificate), _) => Names::Keys(vec![certificate.key]),
        (Some(key), None, _) => Names::Keys(vec![key.clone()]),
        (None, None, Some(called)) => Names::Called(called.clone()),
        (None, None, None) => Names::Nobody,
    };
    let over = match &signed.over {
        Some(over) => Over::Bytes(over.clone()),
        None => Over::Nowhere("its payload is not in it"),
    };
    Some(Artefact {
        kind: Kind::Jws,
        digest: digest(&[signed.over.as_deref().unwrap_or_default(), &signed.signature].concat()),
        signatures: vec![Claimed { over, scheme, value: signed.signature.clone(), names, content: None }],
        about: About {
            subject: signed.key_id.as_ref().map(|id| Name::Text(id.clone().into_bytes())),
            ..About::default()
        },
        offer: signed.key.clone().map(|key| Offer { signs_for_others: false, ..Offer::bare(key) }),
    })
}

/// What a security key signs around a message, if it is one.
fn around(signed: &ssh::Signed<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    signed
        .algorithm
        .starts_with(b"sk-")
        .then(|| (Sha256::digest(&signed.application).to_vec(), signed.counted.to_vec()))
}

/// An OpenSSH certificate.
#[must_use]
pub fn of_ssh_certificate(blob: &[u8]) -> Option<Artefact> {
    let one = ssh::certificate(blob)?;
    let over = match around(&one.signature) {
        Some((application, counted)) => [application, counted, Sha256::digest(one.body).to_vec()].concat(),
        None => one.body.to_vec(),
    };
    let time = |seconds: u64| i64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    Some(Artefact {
        kind: Kind::SshCertificate,
        digest: digest(blob),
        signatures: vec![Claimed {
            over: Over::Bytes(over),
            scheme: detached::ssh(one.signature.algorithm),
            value: one.signature.bytes.clone(),
            names: Names::Keys(vec![one.authority]),
            content: None,
        }],
        about: About {
            serial: Some(one.serial.to_be_bytes().to_vec()),
            issuer: None,
            subject: Some(Name::Text(one.key_id.to_vec())),
            made: time(one.validity.0),
            until: time(one.validity.1),
        },
        offer: None,
    })
}

/// An OpenSSH signature over a file.
#[must_use]
pub fn of_ssh_signature(bytes: &[u8]) -> Option<Artefact> {
    let one = ssh::signature(bytes)?;
    let hash = match one.hash {
        b"sha256" => Some(Hash::Sha256),
        b"sha512" => Some(Hash::Sha512),
        _ => None,
    };
    let over = Over::SshFile {
        namespace: one.namespace.to_vec(),
        reserved: one.reserved.to_vec(),
        hash,
        hash_name: one.hash.to_vec(),
        security_key: around(&one.signature),
    };
    Some(Artefact {
        kind: Kind::SshSignature,
        digest: digest(bytes),
        signatures: vec![Claimed {
            over,
            scheme: detached::ssh(one.signature.algorithm),
            value: one.signature.bytes.clone(),
            names: Names::Keys(vec![one.key.clone()]),
            content: None,
        }],
        about: About { subject: Some(Name::Text(one.namespace.to_vec())), ..About::default() },
        offer: Some(Offer { signs_for_others: false, ..Offer::bare(one.key) }),
    })
}

/// A card-verifiable certificate or request; `bytes`: all of it.
#[must_use]
pub fn of_cvc(bytes: &[u8]) -> Option<Artefact> {
    use crate::crypto::cvc::Signer;
    let one = cvc::decode(bytes).ok()?;
    let own = Signer::new(&one.key);
    let (key, scheme) = match own {
        Ok(signer) => (Some(signer.key), Ok(signer.scheme)),
        Err(reason) => (None, Err(reason)),
    };
    // Certificates say for what (CHAT) and when; requests do not.
    let is_request = one.outer.is_some() || !one.body.windows(2).any(|tag| tag == [0x7F, 0x4C]);
    let is_own = is_request || one.car == Some(one.chr);
    let names = match (&key, one.car) {
        (Some(key), _) if is_own => Names::Keys(vec![key.clone()]),
        (_, Some(car)) if !is_own => Names::Holder(car.to_vec()),
        _ => Names::Nobody,
    };
    let bytes_of = |bytes: &[u8]| Over::Bytes(bytes.to_vec());
    let value = |value: &[u8]| value.to_vec();
    let mut signatures = vec![Claimed {
        over: bytes_of(one.body),
        scheme: scheme.clone(),
        value: value(one.signature),
        names,
        content: None,
    }];
    if let Some(outer) = &one.outer {
        // The device signs with its own key, whose scheme its certificate tells; they all have one.
        let (over, value) = (bytes_of(outer.signed), value(outer.signature));
        let scheme = Ok(Scheme::Ecdsa(Some(Hash::Sha256)));
        let names = Names::Holder(outer.car.to_vec());
        signatures.push(Claimed { over, scheme, value, names, content: None });
    }
    Some(Artefact {
        kind: if is_request { Kind::CvRequest } else { Kind::CvCertificate },
        digest: digest(bytes.get(..bytes.len() - one.rest.len())?),
        signatures,
        about: About {
            issuer: one.car.map(|car| Name::Text(car.to_vec())),
            subject: Some(Name::Text(one.chr.to_vec())),
            ..About::default()
        },
        offer: key.map(|key| Offer {
            holder: Some(one.chr.to_vec()),
            signs_for_others: !is_request,
            ..Offer::bare(key)
        }),
    })
}
