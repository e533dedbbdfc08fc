//! What is given in place of a bare signature, a certificate or a key, and is something else: told by its
//! shape, so that it can be refused by its name. Nothing of it is opened.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use flate2::read::DeflateDecoder;

use super::key::PublicKey;
use super::pem;
use super::tlv::{Element, first, tagged};
use super::x509;

/// The arc of PKCS#7 and CMS content types.
const PKCS7: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07];

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// PKCS#7 and CMS.
    Cms,
    /// Keys and certificates under a password (RFC 7292).
    Pkcs12,
    /// RFC 5755, 4.1.
    AttributeCertificate,
    /// RFC 9810, 5.1.
    Cmp,
    /// RFC 4211, 3.
    Crmf,
    /// PROTOCOL.sshsig of OpenSSH.
    OpenSshSignature,
    /// A public key in a line, as OpenSSH writes it.
    OpenSshKey,
    /// PROTOCOL.key of OpenSSH.
    OpenSshPrivateKey,
    /// PROTOCOL.krl of OpenSSH.
    OpenSshRevocationList,
    /// RFC 9580.
    OpenPgp,
    /// RFC 5280, 5.1.
    Crl,
    /// RFC 5280, 4.1.
    Certificate,
    /// PKCS#10.
    Request,
    /// As browsers made it.
    Spkac,
    /// BSI TR-03110.
    CardVerifiable,
    /// In any form that is not encrypted as a whole.
    PrivateKey,
    /// PKCS#8.
    EncryptedPrivateKey,
    /// A SubjectPublicKeyInfo.
    PublicKey,
    /// RFC 6960.
    Ocsp,
    /// Its answer.
    Timestamp,
    /// Its question.
    TimestampRequest,
    /// RFC 7515.
    Jws,
    /// RFC 9052.
    Cose,
    /// RFC 8551.
    Smime,
    /// Of OpenBSD, and its like.
    Signify,
    /// Whatever is in it.
    Xml,
    /// XML-DSig.
    XmlSignature,
    /// Signed or not.
    Pdf,
    /// JKS.
    JavaKeyStore,
    /// JAR, ODF and the like, too.
    Zip,
}

impl Container {
    /// What the bytes are, if they are one of these.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let bytes = &*as_text(bytes);
        if let Some(known) = armoured(bytes).or_else(|| binary(bytes)) {
            return Some(known);
        }
        // Base64 without armour.
        let digits: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        BASE64.decode(&digits).ok().and_then(|decoded| binary(&decoded))
    }

    /// Its name, with an article.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cms => "a CMS (PKCS#7) structure",
            Self::Pkcs12 => "a PKCS#12 key store",
            Self::AttributeCertificate => "an attribute certificate",
            Self::Cmp => "a CMP message",
            Self::Crmf => "a certificate request in CRMF",
            Self::OpenSshSignature => "an OpenSSH signature",
            Self::OpenSshKey => "an OpenSSH public key",
            Self::OpenSshPrivateKey => "an OpenSSH private key",
            Self::OpenSshRevocationList => "an OpenSSH key revocation list",
            Self::OpenPgp => "an OpenPGP message",
            Self::Crl => "a certificate revocation list (CRL)",
            Self::Certificate => "an X.509 certificate",
            Self::Request => "a certificate request",
            Self::Spkac => "a certificate request (SPKAC)",
            Self::CardVerifiable => "a card-verifiable certificate or request",
            Self::PrivateKey => "a private key",
            Self::EncryptedPrivateKey => "an encrypted private key",
            Self::PublicKey => "a public key",
            Self::Ocsp => "an OCSP response",
            Self::Timestamp => "a timestamp (RFC 3161)",
            Self::TimestampRequest => "a timestamp request (RFC 3161)",
            Self::Jws => "a JSON Web Signature (JWS)",
            Self::Cose => "a COSE signature",
            Self::Smime => "an S/MIME message",
            Self::Signify => "a signature of signify or minisign",
            Self::Xml => "an XML document",
            Self::XmlSignature => "an XML signature",
            Self::Pdf => "a PDF document",
            Self::JavaKeyStore => "a Java key store",
            Self::Zip => "a ZIP archive",
        }
    }

    /// May there be certificates in it?
    #[must_use]
    pub const fn holds_certificates(self) -> bool {
        matches!(self, Self::Cms | Self::Pkcs12)
    }
}

impl fmt::Display for Container {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())
    }
}

/// UTF-16 with a byte order mark as UTF-8; without one, as Windows and xxd leave it, ASCII in it; UTF-8
/// without its mark. Anything else as it is.
#[must_use]
pub fn as_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    let read = |units: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = units.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().copied().map(unit).collect();
        String::from_utf16(&units).ok().filter(|_| rest.is_empty()).map(String::into_bytes)
    };
    let ascii = |zero: usize| {
        bytes.len() >= 16
            && bytes.len().is_multiple_of(2)
            && bytes
                .iter()
                .enumerate()
                .all(|(place, byte)| (place % 2 == zero) == (*byte == 0) && byte.is_ascii())
    };
    let decoded = match bytes {
        [0xFF, 0xFE, units @ ..] => read(units, u16::from_le_bytes),
        [0xFE, 0xFF, units @ ..] => read(units, u16::from_be_bytes),
        _ if ascii(1) => read(bytes, u16::from_le_bytes),
        _ if ascii(0) => read(bytes, u16::from_be_bytes),
        _ => None,
    };
    match (decoded, bytes.strip_prefix(b"\xEF\xBB\xBF")) {
        (Some(decoded), _) => Cow::Owned(decoded),
        (None, Some(rest)) => Cow::Borrowed(rest),
        (None, None) => Cow::Borrowed(bytes),
    }
}

/// What a PEM block of this label is.
#[must_use]
pub fn of_label(label: &str) -> Option<Container> {
    Some(match label {
        "CMS" | "PKCS7" => Container::Cms,
        "SSH SIGNATURE" => Container::OpenSshSignature,
        "OPENSSH PRIVATE KEY" => Container::OpenSshPrivateKey,
        "X509 CRL" => Container::Crl,
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Container::Certificate,
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Container::Request,
        "SSH2 PUBLIC KEY" => Container::OpenSshKey,
        label if label.starts_with("PGP ") => Container::OpenPgp,
        label if label.ends_with("PRIVATE KEY") => Container::PrivateKey,
        label if label.ends_with("PUBLIC KEY") => Container::PublicKey,
        _ => return None,
    })
}

/// PEM and its relatives, and what is text.
fn armoured(bytes: &[u8]) -> Option<Container> {
    let of_label = pem::labels(bytes).find_map(of_label);
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    of_label.or_else(|| {
        let begins = |start: &str| {
            text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
        };
        const TEXTS: [(&str, Container); 12] = [
            ("%PDF-", Container::Pdf),
            ("ssh-", Container::OpenSshKey),
            ("ecdsa-sha2-", Container::OpenSshKey),
            ("sk-ssh-", Container::OpenSshKey),
            ("sk-ecdsa-", Container::OpenSshKey),
            ("untrusted comment:", Container::Signify),
            ("MIME-Version:", Container::Smime),
            ("Content-Type:", Container::Smime),
            ("<?xml", Container::Xml),
            ("<Signature", Container::XmlSignature),
            ("<ds:Signature", Container::XmlSignature),
            ("---- BEGIN SSH2", Container::OpenSshKey),
        ];
        let of_text = TEXTS.iter().find(|(start, _)| begins(start)).map(|(_, known)| *known);
        let of_text = of_text.or_else(|| is_mail(text).then_some(Container::Smime));
        of_text.or_else(|| is_jose(text).then_some(Container::Jws))
    })
}

/// A header as mail has it, with one of the fields that S/MIME needs.
fn is_mail(text: &[u8]) -> bool {
    let header = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    header.take_while(|line| !line.is_empty()).take(200).any(|line| {
        [&b"mime-version:"[..], b"content-type:"]
            .iter()
            .any(|field| line.get(..field.len()).is_some_and(|start| start.eq_ignore_ascii_case(field)))
    })
}

/// Three parts in Base64url, the first of them JSON; or JSON itself with a payload and signatures.
fn is_jose(text: &[u8]) -> bool {
    let mut parts = text.trim_ascii_end().split(|&byte| byte == b'.');
    let header = parts.next().and_then(|header| BASE64URL_NOPAD.decode(header).ok());
    let compact = header.is_some_and(|json| json.starts_with(b"{")) && parts.count() == 2;
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    compact || (text.starts_with(b"{") && has(b"\"protected\"") && has(b"\"signature"))
}

fn binary(bytes: &[u8]) -> Option<Container> {
    match bytes {
        [0xFE, 0xED, 0xFE, 0xED, ..] => return Some(Container::JavaKeyStore),
        [b'P', b'K', 3, 4, ..] => return Some(Container::Zip),
        [b'S', b'S', b'H', b'S', b'I', b'G', ..] => return Some(Container::OpenSshSignature),
        _ if is_openpgp_signature(bytes) => return Some(Container::OpenPgp),
        _ if is_revocation_list_of_openssh(bytes) => return Some(Container::OpenSshRevocationList),
        _ if is_cose(bytes) => return Some(Container::Cose),
        // BER with an indefinite length, as only CMS has.
        [0x30, 0x80, rest @ ..] => {
            return first(rest)
                .filter(|oid| oid.tag == 0x06 && oid.value.starts_with(PKCS7))
                .map(|_| Container::Cms);
        }
        _ => {}
    }
    let whole = first(bytes)?;
    match whole.tag {
        0x30 => of_sequence(&whole),
        0x67 | 0x7F21 => super::cvc::decode(bytes).is_ok().then_some(Container::CardVerifiable),
        _ => None,
    }
}

fn of_sequence(whole: &Element<'_>) -> Option<Container> {
    let one = first(whole.value)?;
    let two = first(one.rest);
    let tags = (one.tag, two.as_ref().map(|two| two.tag));
    let oid = |element: &Element<'_>| tagged(element.value, 0x06).is_some_and(|oid| !oid.is_empty());
    match tags {
        (0x06, _) if one.value.starts_with(PKCS7) => Some(Container::Cms),
        (0x0A, None | Some(0xA0)) => Some(Container::Ocsp),
        // A status, then a token.
        (0x30, Some(0x30))
            if two
                .as_ref()
                .is_some_and(|two| tagged(two.value, 0x06).is_some_and(|oid| oid.starts_with(PKCS7))) =>
        {
            Some(Container::Timestamp)
        }
        (0x02, Some(0x30)) => of_version(one.value, two?.value),
        (0x02, Some(0x02 | 0x04)) if numbers(whole.value) > 8 || tags.1 == Some(0x04) => {
            Some(Container::PrivateKey)
        }
        (0x30, Some(0x04)) if oid(&one) => Some(Container::EncryptedPrivateKey),
        (0x30, Some(0x03)) if PublicKey::from_spki(whole.raw).is_ok() => Some(Container::PublicKey),
        (0x30, Some(0x30)) if x509::decode(whole.raw).is_some() => Some(Container::Certificate),
        (0x30, Some(0x30)) if x509::decode_request(whole.raw).is_ok() => Some(Container::Request),
        (0x30, Some(0x30)) if is_crl(&one) => Some(Container::Crl),
        (0x30, Some(0x30)) if x509::decode_spkac(whole.raw).is_ok() => Some(Container::Spkac),
        (0x30, Some(0x30)) if is_attribute_certificate(&one) => Some(Container::AttributeCertificate),
        (0x30, Some(0xA0..=0xBA)) if is_cmp_header(&one) => Some(Container::Cmp),
        (0x30, _) if is_crmf(&one) => Some(Container::Crmf),
        _ => None,
    }
}

/// What begins with a version (these bytes) and a SEQUENCE (this content).
fn of_version(version: &[u8], content: &[u8]) -> Option<Container> {
    match (version, first(content)?) {
        ([3], inner) if inner.tag == 0x06 && inner.value.starts_with(PKCS7) => Some(Container::Pkcs12),
        ([0 | 1], inner) if inner.tag == 0x06 => Some(Container::PrivateKey),
        ([1], inner) if inner.tag == 0x30 && first(inner.rest).is_some_and(|digest| digest.tag == 0x04) => {
            Some(Container::TimestampRequest)
        }
        _ => None,
    }
}

/// How many INTEGERs there are in a row.
fn numbers(mut content: &[u8]) -> usize {
    let mut count = 0;
    while let Some(number) = first(content).filter(|element| element.tag == 0x02) {
        content = number.rest;
        count += 1;
    }
    count
}

/// A body of version, algorithm, name and a time (RFC 5280, 5.1).
fn is_crl(body: &Element<'_>) -> bool {
    let mut tags = Vec::new();
    let mut rest = body.value;
    while let Some(element) = first(rest).filter(|_| tags.len() < 4) {
        rest = element.rest;
        tags.push(element.tag);
    }
    let tags = tags.strip_prefix(&[0x02]).unwrap_or(&tags);
    matches!(tags, [0x30, 0x30, 0x17 | 0x18, ..])
}

/// A body of a second version, a holder, and an issuer under a tag (RFC 5755, 4.1).
fn is_attribute_certificate(body: &Element<'_>) -> bool {
    let version = first(body.value).filter(|version| version.tag == 0x02 && version.value == [1]);
    let holder = version.and_then(|version| first(version.rest)).filter(|holder| holder.tag == 0x30);
    holder.and_then(|holder| first(holder.rest)).is_some_and(|issuer| issuer.tag == 0xA0)
}

/// A version, then sender and recipient as general names (RFC 9810, 5.1.1).
fn is_cmp_header(header: &Element<'_>) -> bool {
    let is_name = |element: &Element<'_>| matches!(element.tag, 0x81 | 0x82 | 0x86 | 0xA0..=0xA8);
    let version =
        first(header.value).filter(|version| version.tag == 0x02 && matches!(version.value, [1..=3]));
    let sender = version.and_then(|version| first(version.rest)).filter(is_name);
    sender.and_then(|sender| first(sender.rest)).is_some_and(|recipient| is_name(&recipient))
}

/// A request with its number and a template, all of whose parts have tags (RFC 4211, 3 and 5).
fn is_crmf(message: &Element<'_>) -> bool {
    let request = first(message.value).filter(|request| request.tag == 0x30);
    let number = request.and_then(|request| first(request.value)).filter(|number| number.tag == 0x02);
    let template = number.and_then(|number| first(number.rest)).filter(|template| template.tag == 0x30);
    template
        .and_then(|template| first(template.value))
        .is_some_and(|part| matches!(part.tag, 0x80..=0x8A | 0xA0..=0xAA))
}

/// PROTOCOL.krl of OpenSSH.
#[must_use]
pub fn is_revocation_list_of_openssh(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SSHKRL\n\0")
}

/// COSE_Sign1 with its tag (RFC 9052, 4.2): four parts, the first and the last of them strings of bytes, the last as long
/// as signatures are. No bare signature ends like this.
#[must_use]
pub fn is_cose(bytes: &[u8]) -> bool {
    let ends = |head: &[u8], length: usize| {
        let start = bytes.len().checked_sub(head.len() + length);
        start.and_then(|start| bytes.get(start..)).is_some_and(|end| end.starts_with(head))
    };
    let is_end = || {
        ends(&[0x58, 64], 64)
            || ends(&[0x58, 96], 96)
            || ends(&[0x58, 132], 132)
            || [256, 384, 512].into_iter().any(|length: u16| {
                let [high, low] = length.to_be_bytes();
                ends(&[0x59, high, low], usize::from(length))
            })
    };
    matches!(bytes, [0xD2, 0x84, 0x40..=0x5B, ..]) && is_end()
}

/// Does it inflate to what begins with a packet of a signature or of what is signed?
fn is_packet(deflated: &[u8]) -> bool {
    let mut start = [0; 3];
    let is_read = DeflateDecoder::new(deflated).read_exact(&mut start).is_ok();
    is_read && matches!(start, [0x90 | 0xC4, 0x0D, 3] | [0xA8..=0xAB | 0xCB, _, _] | [0x88 | 0x89 | 0xC2, ..])
}

/// A signature packet, or one of those that a signed message begins with (RFC 9580, 4.2 and 5.2) whose length and version are in order.
#[must_use]
pub fn is_openpgp_signature(bytes: &[u8]) -> bool {
    let body = match bytes {
        // One-pass signature: version 3, kind, hash, algorithm, key, whether it is the last.
        [0x90 | 0xC4, 0x0D, 3, 0x00 | 0x01, 1..=14, 1 | 3 | 16..=28, rest @ ..] if rest.len() >= 9 => {
            return true;
        }
        [0xA3, 1, deflated @ ..] => return is_packet(deflated),
        [0xA3, 2, 0x78, flags, ..] if (0x7800 + u16::from(*flags)) % 31 == 0 => return true,
        [0xA3, 3, b'B', b'Z', b'h', ..] => return true,
        [0x88, length, body @ ..] if usize::from(*length) <= body.len() => body,
        [0x89, high, low, body @ ..] if usize::from(u16::from_be_bytes([*high, *low])) <= body.len() => body,
        [0xC2, length @ 0..=191, body @ ..] if usize::from(*length) <= body.len() => body,
        [0xC2, high @ 192..=223, low, body @ ..]
            if (usize::from(*high) - 192) * 256 + usize::from(*low) + 192 <= body.len() =>
        {
            body
        }
        _ => return false,
    };
    // Version, then what it is over, for version 4 a hash that there is.
    matches!(body, [4..=6, 0x00..=0x50, 1 | 3 | 16..=28, 1..=14, ..] | [3, 5, ..])
}

/// Is it a key of OpenPGP in binary (RFC 9580, 5.5.2): a packet with a version, a time and an algorithm that there is?
#[must_use]
pub fn is_openpgp_key(bytes: &[u8]) -> bool {
    let (length, body) = match bytes {
        [0x98, length, body @ ..] | [0xC6, length @ 0..=191, body @ ..] => (usize::from(*length), body),
        [0x99, high, low, body @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), body),
        [0xC6, high @ 192..=223, low, body @ ..] => {
            ((usize::from(*high) - 192) * 256 + usize::from(*low) + 192, body)
        }
        _ => return false,
    };
    (12..=body.len()).contains(&length)
        && matches!(body, [4 | 6, _, _, _, _, 1..=3 | 16..=19 | 22 | 25..=28, ..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn bare_signatures_are_no_containers() {
        let der = [0x30, 7, 2, 2, 0, 0x81, 2, 1, 5];
        assert_eq!(Container::of(&der), None);
        for length in [0, 1, 64, 128, 256] {
            for first in 0..=255 {
                let mut bytes = vec![0x5A; length];
                if let Some(lead) = bytes.first_mut() {
                    *lead = first;
                }
                assert_eq!(Container::of(&bytes), None, "{first:02x} {length}");
            }
        }
        assert_eq!(Container::of(b"MEUCIQ rubbish"), None);
    }

    #[test]
    fn what_is_not_der_is_told_by_its_beginning() {
        for (text, expected) in [
            (
                &b"-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----"[..],
                Container::OpenSshSignature,
            ),
            (b"SSHSIG\0\0\0\x01", Container::OpenSshSignature),
            (b"-----BEGIN PGP SIGNATURE-----\n\niQ", Container::OpenPgp),
            (&[0x88, 4, 4, 0, 22, 8], Container::OpenPgp),
            (b"eyJhbGciOiJFUzI1NiJ9.e30.c2ln", Container::Jws),
            (b"{\"payload\": \"\", \"protected\": \"\", \"signature\": \"\"}", Container::Jws),
            (b"ssh-ed25519 AAAA comment", Container::OpenSshKey),
            (b"untrusted comment: signature", Container::Signify),
            (&[0x30, 0x80, 6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2, 0xA0, 0x80], Container::Cms),
            (&[0x30, 11, 6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2], Container::Cms),
            (b"MAsGCSqGSIb3DQEHAg==\n", Container::Cms),
            (&[0x30, 3, 0x0A, 1, 0], Container::Ocsp),
        ] {
            assert_eq!(Container::of(text), Some(expected));
        }
    }
}
