//! What people hand in as a bare signature: its bytes, or its digits as programs print them.
//!
//! Binary as it is (a line feed that an editor added after it is dropped where the length says so);
//! hexadecimal with blanks, colons, line breaks, after `0x`, after the name that `openssl dgst -hex` prints, or as
//! `xxd` prints it; Base64 and Base64url, padded or not. Text may be UTF-8 with a byte order mark, or UTF-16.
//! What is neither is told by its name, so that it is refused and not taken for nobody's signature.

use std::borrow::Cow;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

use super::container::{self, Container};
use super::pem;
use super::tlv::first;

/// Bytes of the longest: RSA with 16384 bits.
const LONGEST: usize = 2_048;
/// Bytes of the shortest: ECDSA on a curve of 112 bits, in DER, with small numbers.
const SHORTEST: usize = 8;

/// The signature: what it may be, the likeliest first.
///
/// # Errors
/// What it is instead, as the end of "FILE is …".
pub fn signature(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let text = container::as_text(bytes);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err("empty".to_owned());
    }
    if let Some(known) = Container::of(&text) {
        return Err(known.to_string());
    }
    if let Some(label) = pem::labels(&text).next() {
        return Err(format!("a PEM block {}", crate::text::escape(label.as_bytes())));
    }
    let is_text = std::str::from_utf8(&text)
        .is_ok_and(|text| text.chars().all(|one| !one.is_control() || one.is_ascii_whitespace()));
    let decoded = if is_text { digits(&text) } else { None };
    let found = match decoded {
        Some(decoded) => {
            if let Some(known) = Container::of(&decoded) {
                return Err(known.to_string());
            }
            vec![decoded]
        }
        None if is_text => return Err("text, and no digits of a signature".to_owned()),
        None => readings(bytes).into_iter().map(<[u8]>::to_vec).collect(),
    };
    match found.iter().map(Vec::len).max().unwrap_or_default() {
        length @ ..SHORTEST => Err(format!("{length} bytes long, which no signature is")),
        length if length > LONGEST => Err(format!("{length} bytes long, which no signature is")),
        _ => Ok(found),
    }
}

/// What the bytes may be: as they are, and without a line feed at the end, which the last byte of a signature can be as
/// well. The likelier first: RSA in whole words, r and s side by side.
fn readings(bytes: &[u8]) -> Vec<&[u8]> {
    let without = bytes.strip_suffix(b"\n").map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest));
    match without {
        Some(rest) if first(bytes).is_none_or(|one| one.tag != 0x30 || one.rest.len() > 2) => {
            let is_right = |length: usize| length.is_multiple_of(8) || length == 132;
            if is_right(rest.len()) && !is_right(bytes.len()) { vec![rest, bytes] } else { vec![bytes, rest] }
        }
        _ => vec![bytes],
    }
}

/// The bytes that the digits stand for.
fn digits(text: &[u8]) -> Option<Vec<u8>> {
    let text = dumped(text).map_or(Cow::Borrowed(text), Cow::Owned);
    let text = text.trim_ascii();
    // `openssl dgst` writes the name of the algorithm and of the file before it.
    let after = text.windows(2).rposition(|pair| pair == b"= ").and_then(|place| text.get(place + 2..));
    let named = after.filter(|_| text.starts_with(b"EC") || text.contains(&b'('));
    let text = named.unwrap_or(text);
    let bare: Vec<u8> =
        text.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b':').collect();
    let hex = bare.strip_prefix(b"0x").or_else(|| bare.strip_prefix(b"0X")).unwrap_or(&bare);
    if let Ok(decoded) = HEXLOWER_PERMISSIVE.decode(hex) {
        return Some(decoded);
    }
    // Words of a sentence are digits of Base64, too: a signature is written in lines.
    let is_prose = text.split(|byte| *byte == b'\n').any(|line| line.trim_ascii().contains(&b' '));
    if is_prose {
        return None;
    }
    [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD].iter().find_map(|form| form.decode(&bare).ok())
}

/// The digits of a dump by `xxd`, whose lines begin with their offsets.
fn dumped(text: &[u8]) -> Option<Vec<u8>> {
    let mut digits = Vec::new();
    let mut offset = 0_u64;
    for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        let (head, rest) = line.split_at_checked(8)?;
        let stated = u64::from_str_radix(std::str::from_utf8(head).ok()?, 16).ok()?;
        let rest = rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b" "))?;
        if stated != offset {
            return None;
        }
        // What is printable stands after two blanks.
        let rest = rest.trim_ascii_start();
        let end = rest.windows(2).position(|pair| pair == b"  ").unwrap_or(rest.len());
        let of_line: Vec<u8> =
            rest.get(..end)?.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        offset += HEXLOWER_PERMISSIVE.decode(&of_line).ok()?.len() as u64;
        digits.extend(of_line);
    }
    (!digits.is_empty()).then_some(digits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn digits_as_programs_print_them() {
        let whole: Vec<u8> = (0..70).map(|byte| 200 - byte).collect();
        let hex = data_encoding::HEXLOWER.encode(&whole);
        let pairs: Vec<&str> =
            hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
        let utf16: Vec<u8> =
            "\u{feff}".encode_utf16().chain(hex.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let dump: String = pairs
            .chunks(16)
            .enumerate()
            .map(|(line, pairs)| {
                let groups: Vec<String> = pairs.chunks(2).map(<[&str]>::concat).collect();
                format!("{:08x}: {:<39}  ................\n", line * 16, groups.join(" "))
            })
            .collect();
        for form in [
            whole.clone(),
            hex.clone().into_bytes(),
            hex.to_uppercase().into_bytes(),
            format!("EC-SHA2-256(data)= {hex}\n").into_bytes(),
            format!("RSA-SHA2-256(a file)= {}\n", pairs.join(":")).into_bytes(),
            format!("0x{hex}\n").into_bytes(),
            format!("\u{feff}{hex}\r\n").into_bytes(),
            BASE64.encode(&whole).into_bytes(),
            BASE64URL_NOPAD.encode(&whole).into_bytes(),
            BASE64_NOPAD.encode(&whole).into_bytes(),
            utf16,
            dump.into_bytes(),
        ] {
            assert_eq!(signature(&form), Ok(vec![whole.clone()]), "{}", String::from_utf8_lossy(&form));
        }
        let rsa = [vec![0x9A; 256], b"\n".to_vec()].concat();
        assert_eq!(signature(&rsa), Ok(vec![vec![0x9A; 256], rsa.clone()]));
        // The last byte of a signature that is whole with it.
        let ends_so = [vec![0x9A; 255], b"\n".to_vec()].concat();
        assert_eq!(signature(&ends_so), Ok(vec![ends_so.clone(), vec![0x9A; 255]]));
    }

    #[test]
    fn what_is_no_signature_is_named() {
        for (bytes, word) in [
            (&b""[..], "empty"),
            (b" \n", "empty"),
            (b"Dear all, here it is", "text"),
            (&[7; 3_000], "3000 bytes"),
            (&[1, 2, 3], "3 bytes"),
            (b"%PDF-1.7\n\xFF", "PDF"),
            (&[0x90, 0x0D, 3, 0, 8, 1, 1, 2, 3, 4, 5, 6, 7, 8, 1], "OpenPGP"),
            (&[0xA3, 2, 0x78, 0x9C, 1, 2, 3, 4, 5], "OpenPGP"),
            (b"From: a\nTo: b\nMIME-Version: 1.0\n\nx", "S/MIME"),
        ] {
            let why = signature(bytes).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }
}
