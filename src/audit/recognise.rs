//! What bytes are, by their content: DER and BER structures one after the other, whatever stands in a file. What is text
//! is no matter of this file.
//!
//! Every length is held against what is there, containers within containers are looked at down to [`MOST_DEPTH`], and of a
//! container no more than [`cms::MOST`] parts.

use super::artefact::{Artefact, Offer, digest};
use super::{closed, of_containers, of_x509};
use crate::format::ca_index;
use crate::format::container::Container;
use crate::format::key::PublicKey;
use crate::format::tlv::{encode, first, header};
use crate::format::{ber, cms, cvc, jose, ocsp, x509};

/// Containers within containers.
pub const MOST_DEPTH: u8 = 8;
/// Structures of one binary file that are looked at.
const MOST_STRUCTURES: usize = 10_000;

/// Something that was recognised.
#[derive(Debug)]
pub enum Found {
    /// A signed artefact.
    Artefact(Box<Artefact>),
    /// A public key.
    Key(Offer),
    /// What is signed and may be anything that a file may be: to be looked through like one, so deep and no deeper.
    Content {
        /// The bytes.
        bytes: Vec<u8>,
        /// Containers within containers that may follow.
        depth: u8,
    },
    /// A signed artefact that cannot be computed with, and why.
    NotComputed(String),
    /// What may hold signed artefacts and is not opened, by name.
    NotOpened(&'static str),
    /// A certificate that a CA has noted.
    Noted {
        /// Its serial number.
        serial: Vec<u8>,
        /// End of its validity, Unix seconds.
        until: i64,
        /// What the CA has noted of it.
        state: ca_index::State,
        /// Its subject, as it is written.
        subject: Vec<u8>,
    },
}

impl Found {
    /// The same, within what is signed. `None` of what counts for nothing there.
    pub fn within(mut self) -> Option<Self> {
        match &mut self {
            Self::Artefact(artefact) => artefact.signatures.iter_mut().for_each(|one| one.is_inner = true),
            // What a CA has noted stands in a file of its own.
            Self::Noted { .. } => return None,
            Self::Content { .. } | Self::Key(_) | Self::NotComputed(_) | Self::NotOpened(_) => {}
        }
        Some(self)
    }
}

/// Where what is found goes.
pub type Sink<'s> = dyn FnMut(Found) + 's;

/// Structures one after the other. `is_certain`: by its armour it is one, so that what does not decode is said; `depth`:
/// containers within containers that are looked at. What follows that is none?
pub fn structures<'b>(bytes: &'b [u8], is_certain: bool, depth: u8, sink: &mut Sink<'_>) -> &'b [u8] {
    let mut rest = bytes;
    for _ in 0..MOST_STRUCTURES {
        match first(rest) {
            _ if rest.starts_with(&[0x30, 0x80]) => {
                let Some((der, tail)) = ber::definite(rest) else {
                    unreadable(is_certain || looks_like_cms(rest), sink);
                    return rest;
                };
                structure(&der, depth, sink);
                rest = tail;
            }
            Some(element) if matches!(element.tag, 0x30 | 0x67 | 0x7F21) => {
                let is_known = structure(element.raw, depth, sink);
                if !is_known && rest.len() == bytes.len() {
                    unreadable(is_certain, sink);
                    return rest;
                }
                rest = element.rest;
            }
            // Its armour says what it is.
            _ if rest.len() == bytes.len() && (is_certain || is_cut_off(rest)) => {
                unreadable(true, sink);
                return rest;
            }
            // A card's file is filled up with zeros, a text editor adds the end of a line.
            _ => return rest,
        }
        rest = rest.trim_ascii_start();
    }
    if !rest.is_empty() {
        sink(Found::NotComputed(format!("only its first {MOST_STRUCTURES} structures were looked at")));
    }
    &[]
}

fn unreadable(is_certain: bool, sink: &mut Sink<'_>) {
    if is_certain {
        sink(Found::NotComputed("it does not decode: damaged, cut off or nested too deeply".to_owned()));
    }
}

/// May what begins like this be signed, if there are so many bytes of it?
#[must_use]
pub fn may_be_signed(start: &[u8], length: u64) -> bool {
    let fits = header(start).is_some_and(|head| {
        let end = (head.size as u64).saturating_add(head.length as u64);
        matches!(head.tag, 0x30 | 0x67 | 0x7F21) && (head.indefinite || (end <= length && end > 64))
    });
    let within = |head: &[u8]| {
        header(head).is_some_and(|inner| matches!(inner.tag, 0x06 | 0x30 | 0x7F21 | 0x7F4E | 0x0A))
    };
    fits && header(start).and_then(|head| start.get(head.size..)).is_some_and(within)
}

/// Does it begin like signed data, or like a certificate with its version, and ends too early?
fn is_cut_off(bytes: &[u8]) -> bool {
    /// SEQUENCE of unknown length, then version 3.
    const VERSION: &[u8] = &[0xA0, 3, 2, 1];
    let Some(head) = header(bytes).filter(|head| head.tag == 0x30 && !head.indefinite) else { return false };
    let inner = bytes.get(head.size..).unwrap_or_default();
    let is_cut = bytes.len() - head.size < head.length;
    let is_data = inner.starts_with(&[6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2]);
    let body = header(inner).filter(|body| body.tag == 0x30).and_then(|body| inner.get(body.size..));
    is_cut && (is_data || body.is_some_and(|body| body.starts_with(VERSION)))
}

/// Does it begin like CMS in BER?
fn looks_like_cms(bytes: &[u8]) -> bool {
    bytes.get(2..).and_then(first).is_some_and(|oid| {
        oid.tag == 0x06 && oid.value.starts_with(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7])
    })
}

/// One structure. Is it known?
fn structure(der: &[u8], depth: u8, sink: &mut Sink<'_>) -> bool {
    let Some(whole) = first(der) else { return false };
    if whole.tag != 0x30 {
        let is_cvc = cvc::decode(der).is_ok();
        if is_cvc {
            sink(of_containers::of_cvc(der).map_or_else(damaged, artefact_found));
        }
        return is_cvc;
    }
    let Some(inner) = first(whole.value) else { return false };
    match inner.tag {
        0x06 => signed_data(der, depth, sink),
        0x0A => response(der, sink),
        0x30 => x509_structure(der, depth, sink),
        _ => closed(der, sink),
    }
}

/// Something that is named and not opened?
fn closed(der: &[u8], sink: &mut Sink<'_>) -> bool {
    let name = closed::of_structure(der);
    name.into_iter().for_each(|name| sink(Found::NotOpened(name)));
    name.is_some()
}

fn artefact_found(artefact: Artefact) -> Found {
    Found::Artefact(Box::new(artefact))
}

fn damaged() -> Found {
    Found::NotComputed("its signature cannot be taken out of it".to_owned())
}

fn x509_structure(der: &[u8], depth: u8, sink: &mut Sink<'_>) -> bool {
    if x509::decode(der).is_some() {
        sink(of_x509::of_certificate(der).map_or_else(damaged, artefact_found));
        return true;
    }
    if let Some(list) = of_x509::of_list(der) {
        sink(artefact_found(list));
        return true;
    }
    if let Some(request) = of_x509::of_request(der).or_else(|| of_x509::of_spkac(der)) {
        sink(artefact_found(request));
        return true;
    }
    let whole = first(der).map(|whole| whole.value).unwrap_or_default();
    let second = first(whole).and_then(|one| first(one.rest));
    // A time stamp: a status, then signed data.
    if let Some(token) = second.filter(|token| token.tag == 0x30)
        && first(token.value).is_some_and(|oid| oid.tag == 0x06)
        && signed_data(token.raw, depth, sink)
    {
        return true;
    }
    if let Some(basic) = ocsp::basic(der) {
        basic_response(basic, sink);
        return true;
    }
    if x509::signed(der).is_ok() {
        let why = match Container::of(der) {
            Some(Container::AttributeCertificate) => {
                "attribute certificates (RFC 5755) are not computed here"
            }
            _ => "it has the form of what X.509 signs, and is none of the kinds known here",
        };
        sink(Found::NotComputed(why.to_owned()));
        return true;
    }
    match PublicKey::from_spki(der) {
        Ok((key, _)) => {
            sink(Found::Key(Offer::bare(key)));
            true
        }
        Err(_) => closed(der, sink),
    }
}

/// Signed data, and what came with it.
fn signed_data(der: &[u8], depth: u8, sink: &mut Sink<'_>) -> bool {
    // Definite outside does not say that it is so inside.
    let made_definite = ber::definite(der).map(|(made, _)| made);
    let der = made_definite.as_deref().unwrap_or(der);
    match cms::decode(der) {
        None => return false,
        Some(cms::Content::Other) => sink(Found::NotOpened("encrypted or other CMS structures")),
        Some(cms::Content::Damaged) => sink(damaged()),
        Some(cms::Content::Signed(data)) => {
            if data.is_cut {
                let most = cms::MOST;
                sink(Found::NotComputed(format!(
                    "of its signers, certificates and lists only the first {most} were looked at"
                )));
            }
            // Certificates and lists come in the same form, signed by nobody.
            if let Some((artefact, is_whole)) = of_containers::of_signed_data(der, &data) {
                sink(artefact_found(artefact));
                if !is_whole {
                    sink(damaged());
                }
            }
            within(&data, depth, sink);
            for der in data.certificates {
                sink(of_x509::of_certificate(der).map_or_else(damaged, artefact_found));
            }
            for der in data.lists {
                sink(of_x509::of_list(der).map_or_else(damaged, artefact_found));
            }
        }
    }
    true
}

/// Nothing that is signed is shorter.
const LEAST: usize = 64;

/// What stands within signed data: its content, what came beside certificates and lists, and what signers have attached to their
/// signatures (time stamps, certificates and answers for later).
fn within(data: &cms::SignedData<'_>, depth: u8, sink: &mut Sink<'_>) {
    let is_long = |der: &&[u8]| der.len() >= LEAST;
    let counters = with_counters(&data.signers);
    let attached = data.signers.iter().chain(&counters).flat_map(|signer| signer.values.iter().copied());
    let content = data.content.filter(|_| !data.is_time_stamp).filter(is_long);
    let mut parts = attached.chain(data.others.iter().copied()).filter(is_long).peekable();
    if content.is_none() && parts.peek().is_none() {
        return;
    }
    let Some(depth) = depth.checked_sub(1) else { return sink(too_deep()) };
    let sink: &mut Sink<'_> = &mut |found| found.within().into_iter().for_each(&mut *sink);
    parts.for_each(|part| hunt(part, depth, MOST_LEVELS, sink));
    let is_complete = |content: &[u8]| {
        first(content).and_then(|whole| first(whole.value)).is_some_and(|inner| inner.tag == 0x06)
    };
    match content {
        Some(content) if data.is_of_signed_data() && !is_complete(content) => {
            let is_read = signed_data(&cms::wrapped(content), depth, sink);
            if !is_read {
                sink(damaged());
            }
        }
        Some(content) => sink(Found::Content { bytes: content.to_vec(), depth }),
        None => {}
    }
}

/// What is nested further than is looked at.
pub fn too_deep() -> Found {
    Found::NotComputed("what is signed within it is nested too deeply".to_owned())
}

/// Who signed the signatures of these, and who signed theirs.
fn with_counters<'d>(signers: &[cms::Signer<'d>]) -> Vec<cms::Signer<'d>> {
    let mut all = Vec::new();
    let mut waiting: Vec<&[u8]> = signers.iter().flat_map(|signer| signer.counters.iter().copied()).collect();
    // Of more it is told where the signatures are taken.
    while let Some(der) = waiting.pop().filter(|_| all.len() < 2 * cms::MOST) {
        if let Some(signer) = cms::signer(der) {
            waiting.extend(&signer.counters);
            all.push(signer);
        }
    }
    all
}

/// How deep an attribute nests what it holds.
const MOST_LEVELS: u8 = 16;

/// Whatever is signed in an attribute, wherever it stands in it. `depth`: of what is signed; `levels`: of DER.
fn hunt(der: &[u8], depth: u8, levels: u8, sink: &mut Sink<'_>) {
    let Some(whole) = first(der) else { return };
    let is_known = match whole.tag {
        0x30 => structure(whole.raw, depth, sink),
        0xA0..=0xAF => structure(&encode(0x30, whole.value), depth, sink),
        _ => false,
    };
    // Tagged values, sequences and strings of such.
    if is_known || !matches!(whole.tag, 0x04 | 0x30 | 0x31 | 0xA0..=0xAF) {
        return;
    }
    let mut rest = whole.value;
    for looked in 0.. {
        let Some(one) = first(rest) else { return };
        let is_long = one.raw.len() >= LEAST;
        match levels.checked_sub(1).filter(|_| looked < cms::MOST) {
            Some(levels) if is_long => hunt(one.raw, depth, levels, sink),
            None if is_long => {
                return sink(Found::NotComputed(
                    "not all that a signer has attached was looked at".to_owned(),
                ));
            }
            _ => {}
        }
        rest = one.rest;
    }
}

fn response(der: &[u8], sink: &mut Sink<'_>) -> bool {
    match ocsp::decode(der) {
        None => return false,
        // Nobody has signed it.
        Some(ocsp::Answer::Refusal) => {}
        Some(ocsp::Answer::Other) => {
            sink(Found::NotComputed("an OCSP response of a kind that is not known here".to_owned()));
        }
        Some(ocsp::Answer::Basic(basic)) => {
            basic_response(basic, sink);
        }
    }
    true
}

fn basic_response(basic: ocsp::Response<'_>, sink: &mut Sink<'_>) {
    sink(of_x509::of_response(&basic).map_or_else(damaged, artefact_found));
    if basic.is_cut {
        let most = ocsp::MOST_CERTIFICATES;
        sink(Found::NotComputed(format!("of the certificates in it only the first {most} were looked at")));
    }
    for der in basic.certificates {
        sink(of_x509::of_certificate(der).map_or_else(damaged, artefact_found));
    }
}

/// A signature of OpenSSH without its armour.
pub fn ssh_signature(bytes: &[u8]) -> Found {
    of_containers::of_ssh_signature(bytes).map_or_else(damaged, artefact_found)
}

/// JSON Web Signatures over one payload, and the certificates in their headers; and whatever is signed in the payload.
pub fn jws(all: &[jose::Signed], depth: u8, sink: &mut Sink<'_>) {
    let payload = all.first().and_then(|one| one.payload.as_deref()).unwrap_or_default();
    let named = digest(payload);
    all.iter().for_each(|one| one_jws(one, &named, sink));
    let content = all.first().and_then(jose::Signed::content).filter(|bytes| bytes.len() >= LEAST);
    match (content, depth.checked_sub(1)) {
        (Some(bytes), Some(depth)) => sink(Found::Content { bytes, depth }),
        (Some(_), None) => sink(too_deep()),
        (None, _) => {}
    }
}

fn one_jws(signed: &jose::Signed, payload: &[u8], sink: &mut Sink<'_>) {
    let Some(artefact) = of_containers::of_jws(signed, payload) else { return };
    if signed.is_key_unread {
        let why = "a JSON Web Signature whose header carries a key or certificates that cannot be read here: of a kind that is \
                   not known, or damaged";
        return sink(Found::NotComputed(why.to_owned()));
    }
    sink(artefact_found(artefact));
    for der in &signed.certificates {
        sink(of_x509::of_certificate(der).map_or_else(damaged, artefact_found));
    }
    if signed.is_cut {
        let most = jose::MOST;
        sink(Found::NotComputed(format!(
            "of the certificates in its header only the first {most} were looked at"
        )));
    }
}
