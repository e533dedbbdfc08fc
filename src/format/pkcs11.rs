//! Public keys on curves as PKCS#11 tells them: `CKA_EC_PARAMS` and `CKA_EC_POINT`.
//!
//! The parameters are DER: the curve's OID, its name, or all its numbers. The point is to be an OCTET STRING; some modules
//! tell it bare, some as the BIT STRING that it is in certificates.

use super::curve::by_oid;
use super::key::PublicKey;
use super::tlv::{Element, encode, first};

const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// What may stand in the parameters for each of the two: the OIDs of RFC 8410 and of GnuPG, and the name.
const ED25519: [&[u8]; 3] =
    [&[0x2B, 0x65, 0x70], &[0x2B, 0x06, 0x01, 0x04, 0x01, 0xDA, 0x47, 0x0F, 0x01], b"edwards25519"];
const X25519: [&[u8]; 3] =
    [&[0x2B, 0x65, 0x6E], &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01], b"curve25519"];

/// The key of these parameters with this point; none if they are not understood.
#[must_use]
pub fn key_of_point(parameters: &[u8], point: &[u8]) -> Option<PublicKey> {
    let curve = first(parameters).filter(|element| element.rest.is_empty())?;
    if ED25519.contains(&curve.value) {
        return Some(PublicKey::from_ed25519(bare(point, &[32]).try_into().ok()?));
    }
    if X25519.contains(&curve.value) {
        return Some(PublicKey::from_x25519(bare(point, &[32]).try_into().ok()?));
    }
    // Whole, or compressed.
    let lengths = by_oid(curve.value).map(|curve| [1 + 2 * curve.prime.len(), 1 + curve.prime.len()]);
    let point = bare(point, lengths.as_ref().map_or(&[], <[usize; 2]>::as_slice));
    let algorithm = encode(0x30, &[encode(0x06, EC_PUBLIC_KEY), parameters.to_vec()].concat());
    let bits = encode(0x03, &[&[0], point].concat());
    let (key, _) = PublicKey::from_spki(&encode(0x30, &[algorithm, bits].concat())).ok()?;
    Some(key)
}

/// The point without what it is wrapped in. A bare one, which is of one of these lengths, begins as an OCTET STRING does.
fn bare<'p>(point: &'p [u8], lengths: &[usize]) -> &'p [u8] {
    if lengths.contains(&point.len()) {
        return point;
    }
    match first(point) {
        Some(
            Element { tag: 0x04, value, rest: [], .. }
            | Element { tag: 0x03, value: [0, value @ ..], rest: [], .. },
        ) => value,
        _ => point,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use hex_literal::hex;

    use super::*;

    const PRIME256V1: &[u8] = &hex!("2A8648CE3D030107");

    #[test]
    fn a_point_is_the_same_however_it_is_wrapped() {
        // Bare it looks like an OCTET STRING: 0x3F bytes follow the second.
        let point = [&[4][..], &[0x3F; 64]].concat();
        let wanted = PublicKey::Ec { curve_oid: PRIME256V1.to_vec(), point: point.clone() };
        let parameters = encode(0x06, PRIME256V1);
        for told in [point.clone(), encode(0x04, &point), encode(0x03, &[&[0][..], &point].concat())] {
            assert_eq!(key_of_point(&parameters, &told), Some(wanted.clone()));
        }
    }

    #[test]
    fn a_curve_of_edwards_has_oids_and_a_name() {
        for parameters in [encode(0x06, ED25519[0]), encode(0x06, ED25519[1]), encode(0x13, ED25519[2])] {
            let key = key_of_point(&parameters, &encode(0x04, &[7; 32])).unwrap();
            assert_eq!(key.ed25519(), Some(&[7; 32]));
        }
        let key = key_of_point(&encode(0x06, X25519[0]), &[9; 32]).unwrap();
        assert_eq!(key.x25519(), Some(&[9; 32]));
    }

    #[test]
    fn what_is_not_understood_is_no_key() {
        assert_eq!(key_of_point(b"", &[4; 65]), None);
        assert_eq!(key_of_point(&hex!("0608"), &[4; 65]), None);
        assert_eq!(key_of_point(&encode(0x06, ED25519[0]), &[4; 31]), None);
    }
}
