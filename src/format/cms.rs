//! Signed data in the Cryptographic Message Syntax (RFC 5652, PKCS#7 1.5 of RFC 2315): who signed what, how.
//! Takes definite lengths; see [`super::ber`] for the others.

use super::tlv::{Element, Walk, encode, first, tagged};

/// pkcs7-signedData.
const SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
/// id-ct-TSTInfo.
const TIME_STAMP: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x10, 0x01, 0x04];
const MESSAGE_DIGEST: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x04];
const SIGNING_TIME: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x05];
const COUNTER_SIGNATURE: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x06];
/// More certificates, lists, signers or attributes than this are not looked at.
pub const MOST: usize = 1_000;

/// Signed data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedData<'a> {
    /// What kind of content is signed: OID content.
    pub kind: &'a [u8],
    /// What is signed; none if it is elsewhere (detached).
    pub content: Option<&'a [u8]>,
    /// Is it a time stamp (RFC 3161)?
    pub is_time_stamp: bool,
    /// The certificates that came with it.
    pub certificates: Vec<&'a [u8]>,
    /// The revocation lists that came with it.
    pub lists: Vec<&'a [u8]>,
    /// What else came with it, in the place of certificates and of lists, tag and length included: certificates of other kinds,
    /// OCSP responses.
    pub others: Vec<&'a [u8]>,
    /// The signers.
    pub signers: Vec<Signer<'a>>,
    /// Were there more of any of these than are looked at?
    pub is_cut: bool,
}

/// One signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer<'a> {
    /// Whose signature it says to be.
    pub identifier: SignerIdentifier<'a>,
    /// The hash of the content: OID content.
    pub digest: &'a [u8],
    /// What is signed beside the content, as it is signed (a SET); none if the content itself is signed.
    pub attributes: Option<Vec<u8>>,
    /// How: OID content.
    pub algorithm: &'a [u8],
    /// The parameters of the algorithm, tag and length included.
    pub parameters: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// The digest of the content that is signed, if attributes are.
    pub message_digest: Option<&'a [u8]>,
    /// When it was signed, as the signer says; tag and length included.
    pub signing_time: Option<&'a [u8]>,
    /// Who signed the signature (RFC 5652, 11.4): each a signer as [`signer`] reads it.
    pub counters: Vec<&'a [u8]>,
    /// The values of all other attributes, signed and not, tag and length included.
    pub values: Vec<&'a [u8]>,
    /// Are there attributes that are not looked at?
    pub is_cut: bool,
}

impl SignedData<'_> {
    /// Is the content signed data itself?
    #[must_use]
    pub fn is_of_signed_data(&self) -> bool {
        self.kind == SIGNED_DATA
    }
}

/// Signed data (without what says that it is such) as content of its own.
#[must_use]
pub fn wrapped(signed_data: &[u8]) -> Vec<u8> {
    let is_whole = first(signed_data).is_some_and(|one| one.tag == 0x30 && one.rest.is_empty());
    let whole = if is_whole { signed_data.to_vec() } else { encode(0x30, signed_data) };
    encode(0x30, &[encode(0x06, SIGNED_DATA), encode(0xA0, &whole)].concat())
}

/// How a signer is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerIdentifier<'a> {
    /// By the issuer (DER content) and the serial number of its certificate.
    Certificate {
        /// The issuer's name.
        issuer: &'a [u8],
        /// The serial number.
        serial: &'a [u8],
    },
    /// By the identifier of its key.
    KeyId(&'a [u8]),
}

/// What a content info holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// Signed data.
    Signed(SignedData<'a>),
    /// Something else, which carries no signature (enveloped, digested, encrypted …).
    Other,
    /// Signed data that is damaged.
    Damaged,
}

/// Decodes the ContentInfo at the start of `bytes`. `None` if it is none.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Content<'_>> {
    let whole = first(bytes).filter(|element| element.tag == 0x30)?;
    let kind = first(whole.value).filter(|element| element.tag == 0x06)?;
    // The arcs of PKCS#7 and of S/MIME's own contents.
    let arc = |arc: &[u8]| kind.value.starts_with(arc);
    if !arc(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07])
        && !arc(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x10])
    {
        return None;
    }
    if kind.value != SIGNED_DATA {
        // Attributes and the qualifiers of signature policies are named within these arcs, too, and are no contents.
        return first(kind.rest).filter(|content| content.tag == 0xA0).map(|_| Content::Other);
    }
    Some(signed_data(kind.rest).map_or(Content::Damaged, Content::Signed))
}

fn signed_data(wrapped: &[u8]) -> Option<SignedData<'_>> {
    let mut walk = Walk::new(tagged(tagged(wrapped, 0xA0)?, 0x30)?).ok()?;
    walk.optional(0x02)?;
    walk.optional(0x31)?;
    let info = walk.optional(0x30)?;
    let kind = first(info).filter(|element| element.tag == 0x06)?;
    let content = match first(kind.rest) {
        None => None,
        // The value alone is hashed, whatever its tag (RFC 2315, 9.3).
        Some(wrapped) => Some(first(Some(wrapped).filter(|one| one.tag == 0xA0)?.value)?.value),
    };
    let mut is_cut = false;
    let mut others = Vec::new();
    let certificates =
        walk.optional(0xA0).map(|list| all(list, &mut others, &mut is_cut)).unwrap_or_default();
    let lists = walk.optional(0xA1).map(|list| all(list, &mut others, &mut is_cut)).unwrap_or_default();
    let signers = all(walk.optional(0x31)?, &mut others, &mut is_cut);
    let signers = signers.into_iter().map(signer).collect::<Option<Vec<_>>>()?;
    let is_time_stamp = kind.value == TIME_STAMP;
    Some(SignedData {
        kind: kind.value,
        content,
        is_time_stamp,
        certificates,
        lists,
        others,
        signers,
        is_cut,
    })
}

/// The SEQUENCEs; `others`: what else there is. `is_cut`: are there more than are looked at?
fn all<'a>(mut content: &'a [u8], others: &mut Vec<&'a [u8]>, is_cut: &mut bool) -> Vec<&'a [u8]> {
    let mut found = Vec::new();
    while let Some(one) = first(content) {
        if found.len() == MOST || others.len() == MOST {
            *is_cut = true;
            break;
        }
        let place = if one.tag == 0x30 { &mut found } else { &mut *others };
        place.push(one.raw);
        content = one.rest;
    }
    found
}

/// Decodes one signer. `None` if it is none.
#[must_use]
pub fn signer(der: &[u8]) -> Option<Signer<'_>> {
    let mut walk = Walk::new(first(der)?.value).ok()?;
    walk.optional(0x02)?;
    let identifier = match first(walk.rest())? {
        Element { tag: 0x30, .. } => {
            let mut name = Walk::new(walk.optional(0x30)?).ok()?;
            SignerIdentifier::Certificate { issuer: name.optional(0x30)?, serial: name.optional(0x02)? }
        }
        Element { tag: 0x80, .. } => SignerIdentifier::KeyId(walk.optional(0x80)?),
        _ => return None,
    };
    let digest = tagged(walk.optional(0x30)?, 0x06)?;
    let attributes = walk.optional(0xA0);
    let mut algorithm = Walk::new(walk.optional(0x30)?).ok()?;
    let oid = algorithm.optional(0x06)?;
    let signature = walk.optional(0x04)?;
    let (mut counters, mut values, mut is_cut) = (Vec::new(), Vec::new(), false);
    for mut rest in [attributes, walk.optional(0xA1)].into_iter().flatten() {
        while let Some(one) = first(rest).filter(|_| counters.len().max(values.len()) < MOST) {
            rest = one.rest;
            let Some(kind) = first(one.value) else {
                is_cut = true;
                continue;
            };
            let mut of_kind = tagged(kind.rest, 0x31).unwrap_or_default();
            while let Some(value) = first(of_kind).filter(|_| counters.len().max(values.len()) < MOST) {
                let place = if kind.value == COUNTER_SIGNATURE { &mut counters } else { &mut values };
                place.push(value.raw);
                of_kind = value.rest;
            }
            is_cut |= !of_kind.is_empty();
        }
        is_cut |= !rest.is_empty();
    }
    let attribute = |oid: &[u8]| {
        let mut rest = attributes?;
        while let Some(one) = first(rest) {
            let kind = first(one.value)?;
            if kind.value == oid {
                return first(tagged(kind.rest, 0x31)?);
            }
            rest = one.rest;
        }
        None
    };
    Some(Signer {
        identifier,
        digest,
        // Signed as the SET that they are, not under the tag that they are carried with (RFC 5652, 5.4).
        attributes: attributes.map(|content| encode(0x31, content)),
        algorithm: oid,
        parameters: algorithm.rest(),
        signature,
        message_digest: attribute(MESSAGE_DIGEST).filter(|one| one.tag == 0x04).map(|one| one.value),
        signing_time: attribute(SIGNING_TIME).map(|one| one.raw),
        counters,
        values,
        is_cut,
    })
}
