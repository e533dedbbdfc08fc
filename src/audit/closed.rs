//! What may hold signatures and is not opened, or not computed here: it is named, so that nobody takes it for looked at.
//! Told by its beginning or its end, as the formats have it; what else is in it does not matter.

use memchr::memmem;

use crate::format::container::{self, Container};

/// Documents with signatures of XML.
pub const XML: &str = "XML signatures";

/// What a whole file is, if its beginning or its end tells.
pub fn of_file(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes {
        [b'P', b'K', 3, 4, ..] => "ZIP archives",
        [0x1F, 0x8B, ..] => "gzip archives",
        [0xFE, 0xED, 0xFE, 0xED, ..] | [0xCE, 0xCE, 0xCE, 0xCE, ..] => "Java key stores",
        [b'B', b'Z', b'h', ..] => "bzip2 archives",
        [0xFD, b'7', b'z', b'X', b'Z', ..] => "xz archives",
        [0x28, 0xB5, 0x2F, 0xFD, ..] => "zstd archives",
        [b'7', b'z', 0xBC, 0xAF, ..] => "7z archives",
        [0xED, 0xAB, 0xEE, 0xDB, ..] => "RPM packages",
        bytes if bytes.get(257..262) == Some(b"ustar") => "tar archives",
        bytes if bytes.starts_with(b"!<arch>\ndebian-binary") => "Debian packages",
        bytes if bytes.starts_with(b"%PDF-") => "PDF documents",
        bytes if bytes.ends_with(b"~Module signature appended~\n") => "signed modules of Linux",
        bytes if is_signed_program(bytes) => "signed programs for Windows",
        bytes if container::is_revocation_list_of_openssh(bytes) => "OpenSSH key revocation lists",
        bytes if container::is_cose(bytes) => "COSE signatures",
        bytes if container::is_openpgp_signature(bytes) || container::is_openpgp_key(bytes) => {
            "OpenPGP messages and keys"
        }
        _ => return None,
    })
}

/// What a structure of DER is that is none of those that are looked at.
pub fn of_structure(der: &[u8]) -> Option<&'static str> {
    Some(match Container::of(der)? {
        Container::Pkcs12 => "PKCS#12 key stores",
        Container::Cmp => "CMP messages",
        Container::Crmf => "certificate requests in CRMF",
        _ => return None,
    })
}

/// What a text is that is one thing as a whole.
pub fn of_text(text: &[u8]) -> Option<&'static str> {
    let text = text.trim_ascii_start();
    if text.starts_with(b"untrusted comment:") {
        return Some("signatures and keys of signify and minisign");
    }
    let has = |word: &[u8]| memmem::find(text, word).is_some();
    let is_signed = || has(b"http://www.w3.org/2000/09/xmldsig#") && has(b"SignatureValue>");
    (text.starts_with(b"<") && is_signed()).then_some(XML)
}

/// What a line of text is.
pub fn of_line(line: &[u8]) -> Option<&'static str> {
    /// The digits of a type of record.
    const MOST: usize = 5;
    // In a zone (RFC 4034, 3.2) the type that is signed follows, then the algorithm and how many labels.
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.find(|word| *word == b"RRSIG")?;
    let is_type = words.next()?.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let is_number = |word: &[u8]| word.len() <= MOST && word.iter().all(u8::is_ascii_digit);
    (is_type && is_number(words.next()?) && is_number(words.next()?)).then_some("DNSSEC signatures")
}

/// A program for Windows with a table of certificates (Authenticode): the fifth data directory of its optional header.
fn is_signed_program(bytes: &[u8]) -> bool {
    let number = |place: usize, size: usize| -> Option<usize> {
        let digits = bytes.get(place..place.checked_add(size)?)?;
        Some(digits.iter().rev().fold(0, |number, &digit| number << 8 | usize::from(digit)))
    };
    let table = || -> Option<usize> {
        let header = number(0x3C, 4)?;
        bytes.get(header..header.checked_add(4)?).filter(|magic| *magic == b"PE\0\0")?;
        let directories = match number(header + 24, 2)? {
            0x10B => header + 24 + 96,
            0x20B => header + 24 + 112,
            _ => return None,
        };
        number(directories + 4 * 8 + 4, 4)
    };
    bytes.starts_with(b"MZ") && table().is_some_and(|size| size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_if_they_are_signed() {
        let mut program = vec![0; 512];
        program.splice(..2, *b"MZ");
        program.splice(0x3C..0x40, [0x80, 0, 0, 0]);
        program.splice(0x80..0x84, *b"PE\0\0");
        program.splice(0x98..0x9A, [0x0B, 2]);
        assert_eq!(of_file(&program), None);
        let size = 0x98 + 112 + 36;
        program.splice(size..size + 2, [0, 9]);
        assert_eq!(of_file(&program), Some("signed programs for Windows"));
        program.truncate(0x99);
        assert_eq!(of_file(&program), None);
        assert_eq!(of_file(b"MZ"), None);
    }

    #[test]
    fn lines_of_a_zone_are_signatures_and_those_about_them_are_not() {
        let line =
            b"example.com. 3600 IN RRSIG A 13 2 3600 20261230000000 20261201000000 1 example.com. AAAA";
        assert_eq!(of_line(line), Some("DNSSEC signatures"));
        for none in [&b"an RRSIG is a record"[..], b"RRSIG", b"", b"RRSIG A thirteen 2"] {
            assert_eq!(of_line(none), None);
        }
    }

    #[test]
    fn texts_are_told_by_what_makes_them_signed() {
        assert_eq!(
            of_text(b"untrusted comment: x\nRWQ"),
            Some("signatures and keys of signify and minisign")
        );
        let signed =
            b"<a><Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignatureValue>x</SignatureValue>";
        assert_eq!(of_text(signed), Some("XML signatures"));
        assert_eq!(of_text(b"<a>http://www.w3.org/2000/09/xmldsig#</a>"), None);
        assert_eq!(of_text(b""), None);
    }
}
