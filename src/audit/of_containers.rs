//! Containers with signatures, as artefacts: CMS (RFC 5652), JSON Web Signatures (RFC 7515), OpenSSH's certificates and
//! signatures over files (PROTOCOL.certkeys, PROTOCOL.sshsig), card-verifiable certificates (BSI TR-03110).

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::artefact::{About, Artefact, Claimed, Content, Kind, Name, Names, Offer, Over, digest};
use crate::case::claim::hash_of_bits;
use crate::crypto::{self, Form, Hash, Scheme, cvc::Signer, detached};
use crate::format::key::{self, PublicKey};
use crate::format::{cms, cvc, jose, ssh, x509};

/// Who signed who signed who signed …
const MOST_DEPTH: u8 = 4;
/// Keys in certificates with one issuer and number.
const MOST_KEYS: usize = 16;

/// A signer, what it signed, and behind how many others.
type Waiting<'d> = (Cow<'d, cms::Signer<'d>>, Option<Arc<[u8]>>, u8);

/// Signed data with at least one signer, and whether everybody could be read who signed a signature in it.
#[must_use]
pub fn of_signed_data(der: &[u8], data: &cms::SignedData<'_>) -> Option<(Artefact, bool)> {
    let with_it: Vec<x509::Certificate> =
        data.certificates.iter().filter_map(|der| x509::decode(der)).collect();
    let content: Option<Arc<[u8]>> = data.content.map(Arc::from);
    let (mut signatures, mut is_whole) = (Vec::new(), true);
    let mut waiting: Vec<Waiting<'_>> =
        data.signers.iter().map(|signer| (Cow::Borrowed(signer), content.clone(), 0)).collect();
    waiting.reverse();
    while let Some((signer, content, depth)) = waiting.pop() {
        // Whoever signed the signature, and so on.
        let signature: Arc<[u8]> = signer.signature.into();
        is_whole &= !signer.is_cut;
        for &counter in &signer.counters {
            let is_too_much = depth >= MOST_DEPTH || signatures.len() + waiting.len() >= 2 * cms::MOST;
            match cms::signer(counter).filter(|_| !is_too_much) {
                Some(one) => {
                    waiting.push((Cow::Owned(one), Some(Arc::clone(&signature)), depth + 1));
                }
                None => is_whole = false,
            }
        }
        let (one, is_all) = claimed(&signer, &with_it, content.as_ref());
        is_whole &= is_all;
        signatures.push(Claimed { is_inner: depth > 0, ..one });
    }
    let first = data.signers.first()?;
    let (issuer, serial) = match first.identifier {
        cms::SignerIdentifier::Certificate { issuer, serial } => {
            (Some(Name::Distinguished(issuer.to_vec())), Some(serial.to_vec()))
        }
        cms::SignerIdentifier::KeyId(_) => (None, None),
    };
    let artefact = Artefact {
        kind: if data.is_time_stamp { Kind::TimeStamp } else { Kind::SignedData },
        digest: digest(der),
        signatures,
        about: About { serial, issuer, made: first.signing_time.and_then(x509::moment), ..About::default() },
        offer: None,
    };
    Some((artefact, is_whole))
}

/// What one signer claims over this content, and whether no certificate of it was left out; `with_it`: those that came with
/// it.
fn claimed(
    signer: &cms::Signer<'_>,
    with_it: &[x509::Certificate],
    content: Option<&Arc<[u8]>>,
) -> (Claimed, bool) {
    let is_meant = |one: &&x509::Certificate| match signer.identifier {
        cms::SignerIdentifier::Certificate { issuer, serial } => {
            one.serial == serial && x509::is_same_name(&one.raw_issuer, issuer)
        }
        cms::SignerIdentifier::KeyId(id) => {
            x509::subject_key_id(&one.der) == Some(id) || hash_of_bits(&one.key) == id
        }
    };
    let mut keys: Vec<PublicKey> = Vec::new();
    for one in with_it.iter().filter(is_meant) {
        if !keys.contains(&one.key) {
            keys.push(one.key.clone());
        }
    }
    let is_all = keys.len() <= MOST_KEYS;
    keys.truncate(MOST_KEYS);
    let names = match (keys.is_empty(), signer.identifier) {
        (false, _) => Names::Keys(keys),
        (true, cms::SignerIdentifier::Certificate { issuer, serial }) => {
            Names::Certificate(issuer.to_vec(), serial.to_vec())
        }
        (true, cms::SignerIdentifier::KeyId(id)) => Names::KeyId(id.to_vec()),
    };
    let over = match (&signer.attributes, content) {
        (Some(attributes), _) => Over::Bytes(attributes.as_slice().into()),
        (None, Some(content)) => Over::Bytes(Arc::clone(content)),
        (None, None) => Over::Content,
    };
    let hash = Hash::by_oid(signer.digest);
    // Whatever is told to be its content has to be what was signed, with attributes and without.
    let content = match (&signer.attributes, signer.message_digest, content.cloned(), hash) {
        (None, _, None, _) => None,
        (Some(_), None, ..) => Some(Err("what is signed does not name the digest of its content")),
        (_, _, _, None) => Some(Err("the hash of its content is not computed here")),
        (Some(_), Some(digest), bytes, Some(hash)) => {
            Some(Ok(Content { hash, digest: Some(digest.to_vec()), bytes }))
        }
        (None, _, Some(bytes), Some(hash)) => Some(Ok(Content { hash, digest: None, bytes: Some(bytes) })),
    };
    let claimed = Claimed {
        over,
        scheme: detached::cms(signer.digest, signer.algorithm, signer.parameters),
        form: crypto::x509::form(signer.algorithm),
        value: signer.signature.to_vec(),
        names,
        content,
        is_inner: false,
    };
    (claimed, is_all)
}

/// A JSON Web Signature. `None` if it is none with a public key. `payload`: the digest of its payload.
#[must_use]
pub fn of_jws(signed: &jose::Signed, payload: &[u8]) -> Option<Artefact> {
    let scheme = detached::jose(&signed.algorithm)?;
    let certificate = signed.certificates.first().and_then(|der| x509::decode(der));
    let names = match (&signed.key, certificate, &signed.key_id) {
        (_, Some(certificate), _) => Names::Keys(vec![certificate.key]),
        (Some(key), None, _) => Names::Keys(vec![key.clone()]),
        (None, None, Some(called)) => Names::Called(called.clone()),
        (None, None, None) => Names::Nobody,
    };
    // "EdDSA" is for two curves (RFC 8037, 3.1).
    let is_448 = matches!(&names, Names::Keys(keys) if keys.iter().any(|key| key.kind() == key::Kind::Ed448));
    let scheme = if is_448 { Err(crypto::Reason::NotComputed("Ed448")) } else { scheme };
    let over = match &signed.payload {
        Some(payload) => Over::Joined(signed.before.clone(), Arc::clone(payload)),
        None => Over::Payload { before: signed.before.clone(), is_encoded: signed.is_encoded },
    };
    Some(Artefact {
        kind: Kind::Jws,
        digest: digest(&[&signed.before, payload, &signed.signature].concat()),
        signatures: vec![Claimed {
            over,
            scheme,
            form: detached::jose_form(&signed.algorithm),
            value: signed.signature.clone(),
            names,
            content: None,
            is_inner: false,
        }],
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
            over: Over::Bytes(over.into()),
            scheme: detached::ssh(one.signature.algorithm),
            form: detached::ssh_form(one.signature.algorithm),
            value: one.signature.bytes.clone(),
            names: Names::Keys(vec![one.authority]),
            content: None,
            is_inner: false,
        }],
        about: About {
            serial: Some(one.serial.to_be_bytes().to_vec()),
            issuer: None,
            subject: Some(Name::Text(one.key_id.to_vec())),
            made: time(one.validity.0),
            until: time(one.validity.1),
            scope: [&[u8::from(one.is_host)], one.principals, &one.key.spki()].concat(),
        },
        offer: Some(Offer { signs_for_others: false, ..Offer::bare(one.key) }),
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
            form: detached::ssh_form(one.signature.algorithm),
            value: one.signature.bytes.clone(),
            names: Names::Keys(vec![one.key.clone()]),
            content: None,
            is_inner: false,
        }],
        about: About { subject: Some(Name::Text(one.namespace.to_vec())), ..About::default() },
        offer: Some(Offer { signs_for_others: false, ..Offer::bare(one.key) }),
    })
}

/// A card-verifiable certificate or request; `bytes`: all of it.
#[must_use]
pub fn of_cvc(bytes: &[u8]) -> Option<Artefact> {
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
    let bytes_of = |bytes: &[u8]| Over::Bytes(bytes.into());
    let value = |value: &[u8]| value.to_vec();
    let mut signatures = vec![Claimed {
        over: bytes_of(one.body),
        scheme: scheme.clone(),
        form: Form::Any,
        value: value(one.signature),
        names,
        content: None,
        is_inner: false,
    }];
    if let Some(outer) = &one.outer {
        // The device signs with its own key, whose scheme its certificate tells; they all have one.
        let (over, value) = (bytes_of(outer.signed), value(outer.signature));
        let scheme = Ok(Scheme::Ecdsa(Some(Hash::Sha256)));
        let names = Names::Holder(outer.car.to_vec());
        signatures.push(Claimed {
            over,
            scheme,
            form: Form::Any,
            value,
            names,
            content: None,
            is_inner: false,
        });
    }
    Some(Artefact {
        kind: if is_request { Kind::CvRequest } else { Kind::CvCertificate },
        digest: digest(bytes.get(..bytes.len() - one.rest.len())?),
        signatures,
        about: About {
            issuer: one.car.map(|car| Name::Text(car.to_vec())),
            subject: Some(Name::Text(one.chr.to_vec())),
            scope: key.as_ref().map(PublicKey::spki).unwrap_or_default(),
            ..About::default()
        },
        offer: key.map(|key| Offer {
            // What a request wants to be called nobody has certified: some cards call it what they are called themselves.
            holder: (!is_request).then(|| one.chr.to_vec()),
            signs_for_others: !is_request,
            ..Offer::bare(key)
        }),
    })
}
