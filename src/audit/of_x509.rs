//! What X.509 and its relatives sign, as artefacts: certificates, revocation lists (RFC 5280), requests (RFC 2986; SPKAC), OCSP
//! responses (RFC 6960).

use super::artefact::{About, Artefact, Authority, Claimed, Kind, Name, Names, Offer, Over, digest};
use crate::case::claim::{Claim, claim, hash_of_bits};
use crate::crypto::x509 as signatures;
use crate::format::key::PublicKey;
use crate::format::{crl, ocsp, x509};
use crate::text::hex;

/// What X.509 signs, under the names that are given.
fn claimed(der: &[u8], names: Names) -> Option<Claimed> {
    let signed = x509::signed(der).ok()?;
    let (over, value) = (Over::Bytes(signed.body.into()), signed.signature.to_vec());
    let (scheme, form) = (signatures::scheme(&signed), signatures::form(signed.algorithm));
    Some(Claimed { over, scheme, form, value, names, content: None, is_inner: false })
}

/// A certificate.
#[must_use]
pub fn of_certificate(der: &[u8]) -> Option<Artefact> {
    let one = x509::decode(der)?;
    let authority = Authority::of(&x509::authority(&one.der));
    let claim = claim(&one);
    let is_self_issued = claim != Claim::AnotherName;
    let names =
        Names::Issuer { name: one.raw_issuer.clone(), authority, own: Some((one.key.clone(), claim)) };
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
            // For another key it replaces nothing.
            scope: [x509::scope(&one.der), one.key.spki()].concat(),
        },
        offer: Some(Offer {
            key_id: x509::subject_key_id(&one.der).map(<[u8]>::to_vec),
            key: one.key,
            subject: Some(one.raw_subject),
            certificate: Some((one.raw_issuer, one.serial)),
            holder: None,
            called: None,
            signs_for_others: kind != Kind::Certificate || is_self_issued || signs,
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
        about: About { subject: Some(Name::Distinguished(one.raw_subject)), ..About::default() },
        offer: Some(Offer { signs_for_others: false, ..Offer::bare(one.key) }),
    })
}

/// A public key and a challenge, signed with the key (SPKAC): another form of a request.
#[must_use]
pub fn of_spkac(der: &[u8]) -> Option<Artefact> {
    let (der, key) = x509::decode_spkac(der).ok()?;
    Some(Artefact {
        kind: Kind::Request,
        digest: digest(der),
        signatures: vec![claimed(der, Names::Keys(vec![key.clone()]))?],
        about: About::default(),
        offer: Some(Offer { signs_for_others: false, ..Offer::bare(key) }),
    })
}

/// A revocation list.
#[must_use]
pub fn of_list(der: &[u8]) -> Option<Artefact> {
    let list = crl::decode(der)?;
    let authority = Authority::of(&list.authority);
    let names = Names::Issuer { name: list.issuer.to_vec(), authority, own: None };
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
            scope: list.scope,
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
            let issuer = || Names::Issuer { name: name.to_vec(), authority: Authority::default(), own: None };
            let names = if keys.is_empty() { issuer() } else { Names::Keys(keys) };
            (names, Name::Distinguished(name.to_vec()))
        }
        ocsp::Responder::KeyHash(hash) => {
            let key = with_it.map(|one| one.key).find(|key| hash_of_bits(key) == hash);
            let names = key.map_or_else(|| Names::KeyId(hash.to_vec()), |key| Names::Keys(vec![key]));
            (names, Name::Text(format!("key {}", hex(hash)).into_bytes()))
        }
    };
    Some(Artefact {
        kind: Kind::OcspResponse,
        digest: digest(response.der),
        signatures: vec![claimed(response.der, names)?],
        about: About {
            issuer: Some(issuer),
            made: x509::moment(response.produced_at),
            scope: response.asked.concat(),
            ..About::default()
        },
        offer: None,
    })
}
