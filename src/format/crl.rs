//! Certificate revocation lists (RFC 5280, 5.1), as much of them as says whose they are and who signed.

use super::tlv::{Element, first};
use super::x509::{Authority, authority_in, extension_in};

/// A certificate revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl<'a> {
    /// The list without anything that follows it.
    pub der: &'a [u8],
    /// The algorithm that its body names, tag and length included.
    pub algorithm: &'a [u8],
    /// Its issuer, DER content.
    pub issuer: &'a [u8],
    /// When it was made, tag and length included.
    pub this_update: &'a [u8],
    /// When the next one is due, likewise.
    pub next_update: Option<&'a [u8]>,
    /// Its number, big-endian.
    pub number: Option<&'a [u8]>,
    /// Which key of the issuer signed it.
    pub authority: Authority<'a>,
    /// Which of the issuer's lists it is: its distribution point (RFC 5280, 5.2.5) as it stands in it, and whether it is a delta
    /// (5.2.4).
    pub scope: Vec<u8>,
}

/// Decodes the list at the start of `bytes`; what follows it is ignored. `None` if it is none.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Crl<'_>> {
    let whole = first(bytes).filter(|element| element.tag == 0x30)?;
    let body = first(whole.value).filter(|element| element.tag == 0x30)?;
    let mut next = first(body.value)?;
    if next.tag == 0x02 {
        next = first(next.rest)?;
    }
    let algorithm = Some(next).filter(|element| is_algorithm(element))?;
    let issuer = first(algorithm.rest).filter(|element| element.tag == 0x30)?;
    let this_update = first(issuer.rest).filter(is_time)?;
    let next_update = first(this_update.rest).filter(is_time);
    let mut rest = next_update.map_or(this_update.rest, |time| time.rest);
    // What follows the body has to be what follows the body of anything that is signed.
    first(body.rest)
        .filter(is_algorithm)
        .and_then(|algorithm| first(algorithm.rest))
        .filter(|bits| bits.tag == 0x03)?;
    let mut extensions = None;
    while let Some(element) = first(rest) {
        if element.tag == 0xA0 {
            extensions = first(element.value).map(|list| list.value);
        }
        rest = element.rest;
    }
    let extension = |last: u8| extensions.and_then(|list| extension_in(list, &[0x55, 0x1D, last]));
    Some(Crl {
        der: whole.raw,
        algorithm: algorithm.raw,
        issuer: issuer.value,
        this_update: this_update.raw,
        next_update: next_update.map(|time| time.raw),
        number: extension(0x14)
            .and_then(|value| first(value).filter(|number| number.tag == 0x02).map(|number| number.value)),
        authority: extensions.map(authority_in).unwrap_or_default(),
        scope: [extension(0x1C).unwrap_or_default(), &[u8::from(extension(0x1B).is_some())]].concat(),
    })
}

/// AlgorithmIdentifier: a SEQUENCE that begins with an OID.
fn is_algorithm(element: &Element<'_>) -> bool {
    element.tag == 0x30 && first(element.value).is_some_and(|oid| oid.tag == 0x06 && !oid.value.is_empty())
}

fn is_time(element: &Element<'_>) -> bool {
    matches!(element.tag, 0x17 | 0x18)
}
