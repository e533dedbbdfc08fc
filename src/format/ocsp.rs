//! OCSP responses (RFC 6960, 4.2.1), as much of them as says who answered and what is signed.

use super::tlv::{Element, first, tagged};

/// id-pkix-ocsp-basic.
const BASIC: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// Answers in one response that are looked at.
const MOST_ASKED: usize = 1_000;
/// More certificates than this come with no answer.
pub const MOST_CERTIFICATES: usize = 100;

/// The basic response in an OCSP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<'a> {
    /// The basic response: body, algorithm, signature, as everything in X.509 that is signed.
    pub der: &'a [u8],
    /// Who answered.
    pub responder: Responder<'a>,
    /// When, tag and length included.
    pub produced_at: &'a [u8],
    /// About what: the certificates' identifiers, tag and length included; of very many the rest as it stands.
    pub asked: Vec<&'a [u8]>,
    /// The certificates that came with it.
    pub certificates: Vec<&'a [u8]>,
    /// Came more of them than are looked at?
    pub is_cut: bool,
}

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responder<'a> {
    /// By name, DER content.
    Name(&'a [u8]),
    /// By the SHA-1 of the bits of its key.
    KeyHash(&'a [u8]),
}

/// What the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'a> {
    /// An answer that is signed.
    Basic(Response<'a>),
    /// A refusal, which nobody signs.
    Refusal,
    /// An answer of a kind that is not known here.
    Other,
}

/// Decodes the response at the start of `bytes`. `None` if it is none.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Answer<'_>> {
    let whole = first(bytes).filter(|element| element.tag == 0x30)?;
    let status = first(whole.value).filter(|element| element.tag == 0x0A && element.value.len() == 1)?;
    if status.rest.is_empty() {
        return Some(Answer::Refusal);
    }
    let bytes = tagged(status.rest, 0xA0).and_then(|wrapped| tagged(wrapped, 0x30))?;
    let kind = first(bytes).filter(|element| element.tag == 0x06)?;
    let response = first(kind.rest).filter(|element| element.tag == 0x04)?;
    if kind.value != BASIC {
        return Some(Answer::Other);
    }
    basic(response.value).map(Answer::Basic)
}

/// Decodes a basic response by itself, as some containers hold it. `None` if it is none.
#[must_use]
pub fn basic(bytes: &[u8]) -> Option<Response<'_>> {
    let sequence = |bytes| first(bytes).filter(|element: &Element<'_>| element.tag == 0x30);
    let whole = sequence(bytes)?;
    let body = sequence(whole.value)?;
    let algorithm = sequence(body.rest)?;
    let signature = first(algorithm.rest).filter(|bits| bits.tag == 0x03)?;

    let mut next = first(body.value)?;
    // The version, if it is there.
    if next.tag == 0xA0 {
        next = first(next.rest)?;
    }
    let responder = match next.tag {
        0xA1 => Responder::Name(tagged(next.value, 0x30)?),
        0xA2 => Responder::KeyHash(tagged(next.value, 0x04)?),
        _ => return None,
    };
    let produced_at = first(next.rest).filter(|time| time.tag == 0x18)?;
    let mut asked = Vec::new();
    let mut answers = tagged(produced_at.rest, 0x30).unwrap_or_default();
    while let Some(one) = first(answers).filter(|_| asked.len() < MOST_ASKED) {
        asked.extend(first(one.value).map(|identifier| identifier.raw));
        answers = one.rest;
    }
    asked.extend(Some(answers).filter(|rest| !rest.is_empty()));
    let mut certificates = Vec::new();
    let mut rest = tagged(signature.rest, 0xA0).and_then(|list| tagged(list, 0x30)).unwrap_or_default();
    while let Some(one) = first(rest).filter(|_| certificates.len() < MOST_CERTIFICATES) {
        certificates.push(one.raw);
        rest = one.rest;
    }
    let is_cut = !rest.is_empty();
    Some(Response { der: whole.raw, responder, produced_at: produced_at.raw, asked, certificates, is_cut })
}
