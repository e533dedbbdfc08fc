//! What people hand in as "the public key": a file in any of the usual forms, or the
//! point as `pkcs11-tool` and `openssl` print it.
//!
//! PEM or DER: SubjectPublicKeyInfo, certificate, certificate request, PKCS#1 key. Binary
//! or hexadecimal (with blanks, colons and line breaks as it was copied): a point, bare or
//! in the OCTET STRING or BIT STRING around it that PKCS#11 and X.509 have.

use super::container::{self, Container};
use super::curve::{self, Curve};
use super::key::PublicKey;
pub use super::pem::MAX_STRUCTURES;
use super::pem::{self, Block};
use super::tlv::{Walk, first};
use super::x509;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

/// No key, and no certificate with a key, is longer.
const MAX_LENGTH: usize = 1 << 20;
/// A key as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A whole public key.
    Key(PublicKey),
    /// A point on a curve that is not named, compressed or not.
    Point(Vec<u8>),
}

/// Why there is no public key in what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GivenError {
    /// Longer than any key or certificate.
    #[error("is longer than 1 MiB: not a public key")]
    TooLong,
    /// PEM of a private key.
    #[error("holds a private key: give its public key (openssl pkey -pubout)")]
    Private,
    /// Something else that we know by name.
    #[error("is {0}: not a public key")]
    Other(Container),
    /// Nothing we know.
    #[error(
        "is neither a public key nor a certificate (PEM or DER), nor a point of an elliptic curve in hexadecimal"
    )]
    NotAKey,
}

/// The DER structures of a file: each PEM block, or in a file that is not PEM each SEQUENCE after
/// the other. A file that begins with neither is one structure.
///
/// # Errors
/// [`GivenError::TooLong`].
pub fn structures(bytes: &[u8]) -> Result<Vec<Block>, GivenError> {
    Ok(parts(bytes)?.0)
}

/// The same, and what in the file is none, or is damaged: in words.
///
/// # Errors
/// [`GivenError::TooLong`].
pub fn parts(bytes: &[u8]) -> Result<(Vec<Block>, Vec<String>), GivenError> {
    if bytes.len() > MAX_LENGTH {
        return Err(GivenError::TooLong);
    }
    let text = container::as_text(bytes);
    let (mut blocks, damaged) = pem::parts(&text);
    let mut left: Vec<String> = damaged
        .iter()
        .map(|label| {
            let label = crate::text::escape(label.as_bytes());
            format!("a PEM block {label} that is cut off or whose Base64 is damaged")
        })
        .collect();
    if blocks.is_empty() && left.is_empty() {
        // Base64 without armour.
        let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let decoded = if digits.starts_with(b"M") { BASE64.decode(&digits).ok() } else { None };
        let source = decoded.as_deref().unwrap_or(bytes);
        let rest = sequences(source, &mut blocks);
        // A card's file is filled up with zeros.
        if !blocks.is_empty() && blocks.len() < MAX_STRUCTURES && rest.iter().any(|&byte| byte != 0) {
            left.push(format!(
                "{} bytes after the last structure, which are cut off or no structure",
                rest.len()
            ));
        }
    }
    if blocks.is_empty() {
        blocks.push(Block { label: String::new(), contents: bytes.to_vec() });
    }
    Ok((blocks, left))
}

/// Each SEQUENCE after the other, line breaks between them left out; what remains.
fn sequences<'b>(bytes: &'b [u8], blocks: &mut Vec<Block>) -> &'b [u8] {
    let mut rest = bytes;
    while blocks.len() < MAX_STRUCTURES {
        let Some(element) = first(rest).filter(|element| element.tag == 0x30) else { break };
        rest = element.rest.trim_ascii_start();
        blocks.push(Block { label: String::new(), contents: element.raw.to_vec() });
    }
    rest
}

/// The public key in a file or an argument; of several the first.
///
/// # Errors
/// [`GivenError`].
pub fn public_key(bytes: &[u8]) -> Result<Given, GivenError> {
    let blocks = structures(bytes)?;
    for block in &blocks {
        if let Some(given) = in_binary(&block.contents) {
            return Ok(given);
        }
    }
    let labels: Vec<&str> = pem::labels(bytes).collect();
    if labels.iter().any(|label| label.contains("PRIVATE KEY")) {
        return Err(GivenError::Private);
    }
    let given = if labels.is_empty() { in_hexadecimal(bytes) } else { None };
    given.ok_or_else(|| Container::of(bytes).map_or(GivenError::NotAKey, GivenError::Other))
}

fn in_hexadecimal(text: &[u8]) -> Option<Given> {
    let separator = |byte: &u8| byte.is_ascii_whitespace() || *byte == b':';
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let digits: Vec<u8> = text.iter().copied().filter(|byte| !separator(byte)).collect();
    in_binary(&HEXLOWER_PERMISSIVE.decode(&digits).ok()?)
}

fn in_binary(bytes: &[u8]) -> Option<Given> {
    point(bytes).or_else(|| structure(bytes).map(Given::Key))
}

/// A point, bare or in what PKCS#11 and X.509 put around it, or the 32 bytes of an Ed25519
/// key in the same.
fn point(bytes: &[u8]) -> Option<Given> {
    let bare = |bytes: &[u8]| {
        let coordinates = match bytes.first()? {
            2 | 3 => 1,
            4 | 6 | 7 => 2,
            _ => return None,
        };
        let length = |curve: &Curve| 1 + coordinates * curve.bits.div_ceil(8);
        curve::all().any(|curve| length(curve) == bytes.len()).then(|| Given::Point(bytes.to_vec()))
    };
    let edwards = |bytes: &[u8]| Some(Given::Key(PublicKey::from_ed25519(bytes.try_into().ok()?)));
    bare(bytes).or_else(|| {
        let wrapper = first(bytes).filter(|element| element.rest.is_empty())?;
        let content = match wrapper.tag {
            0x04 => wrapper.value,
            0x03 => wrapper.value.strip_prefix(&[0])?,
            _ => return None,
        };
        bare(content).or_else(|| edwards(content))
    })
}

fn structure(bytes: &[u8]) -> Option<PublicKey> {
    let key = PublicKey::from_spki(bytes).ok().map(|(key, _)| key);
    let key = key.or_else(|| Some(x509::decode(bytes)?.key));
    let key = key.or_else(|| Some(x509::decode_request(bytes).ok()?.key));
    let key = key.or_else(|| pkcs1(bytes))?;
    Some(key.named().unwrap_or(key))
}

/// `RSAPublicKey` (RFC 8017, A.1.1). A private key begins with a version and has more numbers.
fn pkcs1(bytes: &[u8]) -> Option<PublicKey> {
    let mut numbers = Walk::new(first(bytes).filter(|whole| whole.tag == 0x30)?.value).ok()?;
    let [modulus, exponent] = [numbers.optional(0x02)?, numbers.optional(0x02)?];
    let plausible = numbers.rest().is_empty() && modulus.len() >= 64;
    plausible.then(|| PublicKey::rsa(modulus, exponent))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    // What the seed's thread shows for the key made on beta.
    const EC_POINT: &str = "044104a2d3a474f9e2c07997e221654b1357f9407440b6bab16a279c566486c2591ce6a6085da7d9d480d8d23a8f884db47d9701db49c622beba9280dddf38680731fe";

    #[test]
    fn points_bare_wrapped_compressed_and_as_they_are_copied() {
        let wrapped = HEXLOWER_PERMISSIVE.decode(EC_POINT.as_bytes()).unwrap();
        let bare = wrapped.get(2..).unwrap().to_vec();
        let expected = Ok(Given::Point(bare.clone()));
        assert_eq!(public_key(EC_POINT.as_bytes()), expected);
        assert_eq!(public_key(&wrapped), expected);
        assert_eq!(public_key(&bare), expected);
        assert_eq!(public_key(&[&[0x03, 0x42, 0x00], bare.as_slice()].concat()), expected);
        let printed: Vec<String> = bare.iter().map(|byte| format!("{byte:02X}")).collect();
        let printed = format!("    {}:\r\n    {}\n", printed[..15].join(":"), printed[15..].join(":"));
        assert_eq!(public_key(printed.as_bytes()), expected);
        let compressed = [&[0x02], bare.get(1..33).unwrap()].concat();
        assert_eq!(public_key(&compressed), Ok(Given::Point(compressed.clone())));

        for cut in [&wrapped[..66], &bare[..64], &bare[1..], &[], &[4], &EC_POINT.as_bytes()[1..]] {
            assert_eq!(public_key(cut), Err(GivenError::NotAKey));
        }
    }

    #[test]
    fn keys_in_der_and_in_hexadecimal() {
        let keys = [
            PublicKey::rsa(&[0xC5; 128], &[1, 0, 1]),
            PublicKey::Ec { curve_oid: curve::table::SECP256R1.oid.to_vec(), point: vec![4; 65] },
            PublicKey::from_ed25519(&[7; 32]),
        ];
        for key in keys {
            let spki = key.spki();
            assert_eq!(public_key(&spki), Ok(Given::Key(key.clone())));
            assert_eq!(public_key(HEXLOWER_PERMISSIVE.encode(&spki).as_bytes()), Ok(Given::Key(key)));
        }
        let edwards = [&[0x04, 0x20], [7; 32].as_slice()].concat();
        assert_eq!(public_key(&edwards), Ok(Given::Key(PublicKey::from_ed25519(&[7; 32]))));
        assert_eq!(public_key(&vec![b'0'; MAX_LENGTH + 1]), Err(GivenError::TooLong));
    }
}
