//! The elliptic curves a SmartCard-HSM can hold, with their domain parameters
//! (FIPS 186-4, SEC 2, RFC 5639). Certificate requests carry parameters, listings
//! want a name.
//!
//! Up to 0.26 OpenSC recognises a request's curve by the prime alone; from 0.27 by
//! the first coefficient too, byte for byte with its length, which is what tells the
//! twisted brainpool curves (`t1`) from the others, and what makes a coefficient
//! without its padding unknown. To prove a signature all parameters must agree.

mod named;
pub mod table;

pub use named::Curve;

use table::{IN_REQUESTS, SECP224R1};

/// Domain parameters as a key or a certificate carries them: big-endian numbers,
/// padded or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// Prime of the field.
    pub prime: &'a [u8],
    /// First coefficient.
    pub a: &'a [u8],
    /// Second coefficient.
    pub b: &'a [u8],
    /// Base point, uncompressed.
    pub base_point: &'a [u8],
    /// Order of the base point.
    pub order: &'a [u8],
    /// Cofactor, if it is given.
    pub cofactor: Option<&'a [u8]>,
}

/// All curves.
pub fn all() -> impl Iterator<Item = &'static Curve> {
    IN_REQUESTS.iter().copied().chain([&SECP224R1])
}

/// The first curve that OpenSC recognises by this prime, and by this first coefficient if one is given.
#[must_use]
pub fn by_prime(prime: &[u8], a: Option<&[u8]>) -> Option<&'static Curve> {
    IN_REQUESTS.iter().copied().find(|curve| curve.prime == prime && a.is_none_or(|a| curve.a == a))
}

/// The curve with this OID content.
#[must_use]
pub fn by_oid(oid: &[u8]) -> Option<&'static Curve> {
    all().find(|curve| curve.oid == oid)
}

/// The curve with this name: OpenSSL's, SECG's or NIST's, in upper or lower case.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Curve> {
    let lower = name.to_ascii_lowercase();
    let usual = match lower.as_str() {
        "secp192r1" | "p-192" => "prime192v1",
        "p-224" => "secp224r1",
        "secp256r1" | "p-256" => "prime256v1",
        "p-384" => "secp384r1",
        "p-521" => "secp521r1",
        other => other,
    };
    all().find(|curve| curve.name.eq_ignore_ascii_case(usual))
}

/// The curve with exactly these domain parameters.
#[must_use]
pub fn by_parameters(given: &Parameters<'_>) -> Option<&'static Curve> {
    all().find(|curve| {
        let pairs = [
            (given.prime, curve.prime),
            (given.a, curve.a),
            (given.b, curve.b),
            (given.order, curve.order),
            (given.cofactor.unwrap_or(&[1]), &[1]),
        ];
        given.base_point == curve.base_point
            && pairs.iter().all(|(given, known)| significant(given) == significant(known))
    })
}

/// A big-endian number without its leading zeros.
#[must_use]
pub fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Does OpenSC know the curve when a certificate names it? The twisted ones since they are
/// recognised in requests too. Without its curve it does not take a certificate at all.
#[must_use]
pub fn is_known_by_name(oid: &[u8], twisted: bool) -> bool {
    by_oid(oid).is_some_and(|curve| twisted || !curve.name.ends_with("t1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twisted_curves_need_the_coefficient() {
        for curve in IN_REQUESTS.iter().copied() {
            assert_eq!(by_prime(curve.prime, Some(curve.a)), Some(curve));
            assert!(by_prime(curve.prime, None).is_some_and(|found| !found.name.ends_with("t1")));
        }
        assert_eq!(by_prime(&[7], None), None);
        assert_eq!(by_prime(SECP224R1.prime, None), None);
    }

    #[test]
    fn curves_have_several_names() {
        for (name, usual) in [("secp256r1", "prime256v1"), ("P-192", "prime192v1"), ("P-521", "secp521r1")] {
            assert_eq!(by_name(name).map(|curve| curve.name), Some(usual));
        }
        assert_eq!(by_name("P-255"), None);
    }

    #[test]
    fn every_curve_is_found_by_its_parameters_padded_or_not() {
        for curve in all() {
            assert_eq!(by_oid(curve.oid), Some(curve));
            assert_eq!(by_name(&curve.name.to_uppercase()), Some(curve));
            let length = curve.bits.div_ceil(8);
            let numbers = [curve.prime, curve.a, curve.b, curve.order];
            assert!(numbers.iter().all(|number| number.len() == length), "{}", curve.name);
            assert_eq!(curve.base_point.len(), 1 + 2 * length);

            let padded = numbers.map(|number| [&[0; 3], number].concat());
            let [prime, a, b, order] = padded.each_ref().map(Vec::as_slice);
            let given =
                Parameters { prime, a, b, base_point: curve.base_point, order, cofactor: Some(&[0, 1]) };
            assert_eq!(by_parameters(&given), Some(curve));
            let minimal = Parameters {
                prime: significant(prime),
                a: significant(a),
                b: significant(b),
                order: significant(order),
                cofactor: None,
                ..given
            };
            assert_eq!(by_parameters(&minimal), Some(curve));
            for wrong in [
                Parameters { prime: b, ..given },
                Parameters { a: prime, ..given },
                Parameters { b: prime, ..given },
                Parameters { base_point: curve.base_point.get(1..).unwrap_or_default(), ..given },
                Parameters { order: prime, ..given },
                Parameters { cofactor: Some(&[4]), ..given },
            ] {
                assert_eq!(by_parameters(&wrong), None);
            }
        }
    }
}
