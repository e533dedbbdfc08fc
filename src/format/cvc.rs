//! Card-verifiable certificates and certificate requests (BSI TR-03110 part 3)
//! in the shapes a SmartCard-HSM writes: an authenticated request (`67`) or a
//! certificate (`7F21`), decoded with OpenSC's order of elements.

use super::curve::{self, Curve, Parameters};
use super::key::PublicKey;
use super::tlv::{TlvError, Walk, first, integer};

/// Tag of an authenticated request.
pub const AUTHENTICATED_REQUEST: u32 = 0x67;
/// Tag of a certificate or a plain request.
pub const CERTIFICATE: u32 = 0x7F21;

/// A card-verifiable certificate or certificate request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cvc<'a> {
    /// Certification authority reference. Requests need not carry one.
    pub car: Option<&'a [u8]>,
    /// Certificate holder reference.
    pub chr: &'a [u8],
    /// The public key with its domain parameters.
    pub key: CvcKey<'a>,
    /// The signed body, tag and length included (`7F4E`).
    pub body: &'a [u8],
    /// The signature over the body: for a request the proof of possession.
    pub signature: &'a [u8],
    /// The outer signature of an authenticated request.
    pub outer: Option<Outer<'a>>,
    /// What follows the first element.
    pub rest: &'a [u8],
}

/// The outer signature of an authenticated request, made by the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outer<'a> {
    /// Reference of the signing device's certificate.
    pub car: &'a [u8],
    /// What is signed: the request and the reference, tags and lengths included.
    pub signed: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

/// The elements of `7F49`, each as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CvcKey<'a> {
    /// Algorithm, OID content.
    pub algorithm: &'a [u8],
    /// `81`: prime of the field, or RSA modulus.
    pub prime_or_modulus: Option<&'a [u8]>,
    /// `82`: first coefficient, or RSA exponent.
    pub a_or_exponent: Option<&'a [u8]>,
    /// `83`: second coefficient.
    pub b: Option<&'a [u8]>,
    /// `84`: base point.
    pub base_point: Option<&'a [u8]>,
    /// `85`: order of the base point.
    pub order: Option<&'a [u8]>,
    /// `86`: public point, uncompressed.
    pub point: Option<&'a [u8]>,
    /// `87`: cofactor.
    pub cofactor: Option<&'a [u8]>,
}

/// What a key says of its curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// All parameters, and they are this curve's.
    Curve(&'static Curve),
    /// Nothing: the parameters are those of the certificate above.
    Inherited,
    /// Parameters that are incomplete or not in the table.
    Unknown,
}

/// Decodes the first certificate or request of `bytes`.
///
/// # Errors
/// [`TlvError`] where OpenSC reports "Could not decode card verifiable certificate".
pub fn decode(bytes: &[u8]) -> Result<Cvc<'_>, TlvError> {
    let mut walk = Walk::new(bytes)?;
    if first(bytes).is_some_and(|element| element.tag == AUTHENTICATED_REQUEST) {
        let content = walk.required(AUTHENTICATED_REQUEST)?;
        let mut request = Walk::new(content)?;
        let certificate = request.required(CERTIFICATE)?;
        let car = request.required(0x42)?;
        let signed = content.get(..content.len() - request.rest().len()).unwrap_or_default();
        let signature = request.required(0x5F37)?;
        let outer = Some(Outer { car, signed, signature });
        Ok(Cvc { outer, rest: walk.rest(), ..certificate_body(certificate)? })
    } else {
        let certificate = walk.required(CERTIFICATE)?;
        Ok(Cvc { rest: walk.rest(), ..certificate_body(certificate)? })
    }
}

fn certificate_body(content: &[u8]) -> Result<Cvc<'_>, TlvError> {
    let mut walk = Walk::new(content)?;
    let body = walk.required_element(0x7F4E)?;
    let signature = walk.required(0x5F37)?;

    let mut inner = Walk::new(body.value)?;
    integer(0x5F29, inner.required(0x5F29)?)?;
    let car = inner.optional(0x42);
    let key = public_key(inner.required(0x7F49)?)?;
    let chr = inner.required(0x5F20)?;
    // OpenSC copies both references into buffers of this size.
    for (tag, reference) in [(0x42, car.unwrap_or_default()), (0x5F20, chr)] {
        if reference.len() > 20 {
            return Err(TlvError::Invalid(tag));
        }
    }
    Ok(Cvc { car, chr, key, body: body.raw, signature, outer: None, rest: &[] })
}

fn public_key(content: &[u8]) -> Result<CvcKey<'_>, TlvError> {
    let mut walk = Walk::new(content)?;
    Ok(CvcKey {
        algorithm: walk.required(0x06)?,
        prime_or_modulus: walk.optional(0x81),
        a_or_exponent: walk.optional(0x82),
        b: walk.optional(0x83),
        base_point: walk.optional(0x84),
        order: walk.optional(0x85),
        point: walk.optional(0x86),
        cofactor: walk.optional(0x87),
    })
}

impl CvcKey<'_> {
    /// The public key as OpenSC understands it: with a point it is an EC key, on
    /// the curve whose prime (and, if `match_a`, first coefficient) it carries;
    /// without one it is an RSA key. `None` if the curve is not in OpenSC's
    /// table or a part is missing.
    #[must_use]
    pub fn public_key(&self, match_a: bool) -> Option<PublicKey> {
        match (self.point, self.prime_or_modulus, self.a_or_exponent) {
            (Some(point), Some(prime), a) if !point.is_empty() => {
                let curve = curve::by_prime(prime, if match_a { Some(a?) } else { None })?;
                Some(PublicKey::Ec { curve_oid: curve.oid.to_vec(), point: point.to_vec() })
            }
            (_, Some(modulus), Some(exponent)) => {
                Some(PublicKey::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
            }
            _ => None,
        }
    }

    /// The curve of an EC key, by all domain parameters.
    #[must_use]
    pub fn domain(&self) -> Domain {
        match (self.prime_or_modulus, self.a_or_exponent, self.b, self.base_point, self.order) {
            (Some(prime), Some(a), Some(b), Some(base_point), Some(order)) => {
                curve::by_parameters(&Parameters { prime, a, b, base_point, order, cofactor: self.cofactor })
                    .map_or(Domain::Unknown, Domain::Curve)
            }
            (None, None, None, None, None) if self.cofactor.is_none() => Domain::Inherited,
            _ => Domain::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use data_encoding::{HEXLOWER as HEX, HEXUPPER};
    use sha2::{Digest, Sha256};

    fn hex(text: &str) -> Vec<u8> {
        HEX.decode(text.as_bytes()).unwrap()
    }

    // Written by an emulated SmartCard-HSM for OpenSC 0.23.
    const P256: &str = "678201e67f2182018c7f4e8201445f29010042095554434130303030317f4982011d060a04007f000702020202038120ffffffff00000001000000000000000000000000ffffffffffffffffffffffff8220ffffffff00000001000000000000000000000000fffffffffffffffffffffffc83205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b8441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f58520ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551864104ccee3f1671de33efc2d2ddcd0cd18cbb5a9e5ccf299773034dd3f8cc6d44b42df753ad375819f312d29a5eb2a0a116921173429319b1f93fc2fc7889dd8f49a28701015f201045535049434f48534d545230303030315f374042c769e0b982a55a4e495d3cdb87b654dfe6de126e6933c01f80e7a238d42683dce711c00ea1a68a0fe99071b6e94b752e2c4d2bf26af121c28f45b6b99cb18a421045535049434f48534d545230303030315f37408a3b3e60dd34064ac90bb3951166669dfeaebae8ea1771a4638ca37c111587ac50c52333f6c995163de0300dedd929332314d4d70c801d52928fa2e8b81f9f6a";
    const RSA1024: &str = "6782019c7f218201427f4e81ba5f29010042095554434130303030317f498194060a04007f00070202020102818180ba78fcd56d5f80b5ca916274b86bf16de1fc1e922ae0ccafbf0c9e8318c1222aebd48c03e17948d8a649181b5308c5af9dde6c9ecb940386bf4a2697aafb05bafc150f1cae7f29e07b9a3febfe12f8921a7d8ec4ab34a956156ba0e906f08f8f744e6d069e9249edfeaa10dd29105ba8a43c3ee69d4b219f7b77ad8f78bb8f5382030100015f201045535049434f48534d545230303030315f378180a118a5ad9665d284b44d23180098e7b060d5f6ca6871969d4075b146177c3e92ed2c862d9900c859d0512a465e0bd06303490fdf0c52a2799a09d38c701e1985b4ca6ee277b2c018546152f0286b1ef253d143e6a569d4a55f0b5726e39a29aa993db3c760ebac21c4af05ca6a71b31efceb4a67496cf32e93d784fe8a596698421045535049434f48534d545230303030315f37400fe639db45ee3c58eadf55649f0cfd78854f567e4a7a1d51aa3bb81e2ea45c359b78621ec547378913d6ac8e2e19b93e34082694992e440c558fe650ebc8511d";
    // EF 2F02 of a Nitrokey HSM 2, firmware 4.1, from a public test file.
    const NITROKEY: &str = "7F2181E47F4E819D5F290100420D444544494E4B303430303030317F494F060A04007F00070202020203864104854A608E6F7B27D4B990C0EEA68F6C1D738E0E38CC9C6D1CEEDE55C0583F0B7B37363551A876B8EC2B0DB88545ADFE418ABECD555C128BE81A5C6A0361FCA1DF5F201044454E4B3034303431343430303030307F4C10060B2B0601040181C31F0301015301005F25060206000502085F24060301000502075F3740A4D5D47D41451FCFAC7C8766EEBA2871CAA8086C6E789AF752A7968CF3310852962F428EEE0F209FBB6EB928E6DEFF8AA3CC97F4B8EDC000131683AAF291968F7F2181E47F4E819D5F290100420E44455352434143433130303030317F494F060A04007F0007020202020386410441BEF11216285DE54D35BAE22FC4953E99EDD7D0294B45CF578AA8545E5F5BBB8F8AF9150E936F7F77777B1EECC58F2D823FE520EBC430964889A4463A7EB2425F200D444544494E4B303430303030317F4C10060B2B0601040181C31F0301015301805F25060204010003005F240603020100020965005F3740039567AA4930C8327D651E45B133B71E90F2C134EB385162B96913C0AB3AC265110860CDAD312F970C2A652DA8B31BE8A8FAEA5B87CD146D517937D8B8771122";

    #[test]
    fn request_with_a_p256_key() {
        let bytes = hex(P256);
        let request = decode(&bytes).unwrap();
        assert_eq!((request.car, request.chr), (Some(&b"UTCA00001"[..]), &b"ESPICOHSMTR00001"[..]));
        assert_eq!(
            HEX.encode(&Sha256::digest(request.body)),
            "27e7beed6cb665b882df30d04ea00808c7eb03f740d045f8f6250f5a9535142e"
        );
        let outer = request.outer.unwrap();
        assert_eq!(outer.car, b"ESPICOHSMTR00001");
        assert_eq!(outer.signed.len(), 419);
        assert_eq!(
            HEX.encode(&Sha256::digest(outer.signed)),
            "10364156f4e7c126f80d5e3175a4c477391ad1bc8dc5f936cecd362d7fdba580"
        );
        let key = request.key.public_key(true).unwrap();
        assert_eq!(
            HEX.encode(&key.fingerprint()),
            "058fef5a6d72948611702acf1c64870caca63c37394bf4ce7684358cc1c52162"
        );
        assert_eq!(HEX.encode(&key.intrinsic_id()), "750b580c0e6b0a94c4f9fff44ecd2510717f8d7c");
        assert_eq!(request.key.domain(), Domain::Curve(&curve::table::SECP256R1));
        assert_eq!(CvcKey { order: None, ..request.key.clone() }.domain(), Domain::Unknown);
        assert_eq!(CvcKey { a_or_exponent: request.key.b, ..request.key }.domain(), Domain::Unknown);
    }

    #[test]
    fn request_with_an_rsa_key() {
        let bytes = hex(RSA1024);
        let key = decode(&bytes).unwrap().key.public_key(false).unwrap();
        assert_eq!(
            HEX.encode(&key.fingerprint()),
            "02ef8af56d28a5115fd4407cbf60f4ecdc6037980e9963ac18f68e647a4b2d55"
        );
        assert_eq!(HEX.encode(&key.intrinsic_id()), "d977f584cf6e5668777238538ea9db22dfbd6781");
        assert_eq!(key.bits(), 1024);
    }

    #[test]
    fn device_certificate_without_domain_parameters() {
        let bytes = HEXUPPER.decode(NITROKEY.as_bytes()).unwrap();
        assert_eq!(
            HEX.encode(&Sha256::digest(&bytes)),
            "1b7763b72b871f37a4cc43808b72d65a915a488420fa18c0137f8389260d9aa4"
        );
        let device = decode(&bytes).unwrap();
        assert_eq!(device.chr, b"DENK040414400000");
        assert_eq!(device.key.public_key(false), None);
        assert_eq!(device.key.domain(), Domain::Inherited);
        let issuer = decode(device.rest).unwrap();
        assert_eq!((issuer.chr, device.car), (&b"DEDINK0400001"[..], Some(issuer.chr)));
    }

    #[test]
    fn every_truncation_is_refused() {
        for whole in [hex(P256), hex(RSA1024)] {
            for length in 0..whole.len() {
                assert!(decode(whole.get(..length).unwrap()).is_err(), "{length}");
            }
        }
    }
}
