//! The second opinion: ECDSA in OpenSSL's numbers, with keys and nonces from the seed, so that
//! a case is the same on every run.

use stalecard::format::curve::Curve;
use stalecard::format::key::PublicKey;
use virtual_card::openssl::asn1::Asn1Object;
use virtual_card::openssl::bn::{BigNum, BigNumContext, BigNumRef};
use virtual_card::openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use virtual_card::openssl::ecdsa::EcdsaSig;
use virtual_card::openssl::pkey::Public;

use crate::random::Random;

pub struct Second {
    pub curve: &'static Curve,
    pub group: EcGroup,
    pub order: BigNum,
}

impl Second {
    pub fn on(curve: &'static Curve) -> Self {
        let group = EcGroup::from_curve_name(Asn1Object::from_str(curve.name).unwrap().nid()).unwrap();
        Self { curve, group, order: BigNum::from_slice(curve.order).unwrap() }
    }

    /// A number from 1 to the order less one.
    pub fn scalar(&self, random: &mut Random) -> BigNum {
        let mut context = BigNumContext::new().unwrap();
        let wide = BigNum::from_slice(&random.bytes(self.curve.order.len() + 8)).unwrap();
        let mut less = self.order.to_owned().unwrap();
        less.sub_word(1).unwrap();
        let mut scalar = BigNum::new().unwrap();
        scalar.nnmod(&wide, &less, &mut context).unwrap();
        scalar.add_word(1).unwrap();
        scalar
    }

    pub fn point(&self, scalar: &BigNumRef, form: PointConversionForm) -> Vec<u8> {
        let mut context = BigNumContext::new().unwrap();
        let mut point = EcPoint::new(&self.group).unwrap();
        point.mul_generator2(&self.group, scalar, &mut context).unwrap();
        point.to_bytes(&self.group, form, &mut context).unwrap()
    }

    pub fn key(&self, scalar: &BigNumRef) -> PublicKey {
        let point = self.point(scalar, PointConversionForm::UNCOMPRESSED);
        PublicKey::Ec { curve_oid: self.curve.oid.to_vec(), point }
    }

    /// r and s of a signature over what a digest begins with.
    pub fn sign(&self, secret: &BigNumRef, digest: &[u8], nonce: &BigNumRef) -> (BigNum, BigNum) {
        let mut context = BigNumContext::new().unwrap();
        let mut z = BigNum::from_slice(&digest[..digest.len().min(self.curve.order.len())]).unwrap();
        let surplus = (8 * digest.len().min(self.curve.order.len())).saturating_sub(self.curve.bits);
        let whole = z.to_owned().unwrap();
        z.rshift(&whole, i32::try_from(surplus).unwrap()).unwrap();

        let point = self.point(nonce, PointConversionForm::UNCOMPRESSED);
        let x = BigNum::from_slice(&point[1..=self.curve.prime.len()]).unwrap();
        let [mut r, mut product, mut sum, mut inverse, mut s] =
            std::array::from_fn(|_| BigNum::new().unwrap());
        r.nnmod(&x, &self.order, &mut context).unwrap();
        product.mod_mul(&r, secret, &self.order, &mut context).unwrap();
        sum.mod_add(&z, &product, &self.order, &mut context).unwrap();
        inverse.mod_inverse(nonce, &self.order, &mut context).unwrap();
        s.mod_mul(&inverse, &sum, &self.order, &mut context).unwrap();
        (r, s)
    }

    /// OpenSSL's opinion; an error, as for zero, is a no.
    pub fn verify(&self, key: &PublicKey, digest: &[u8], r: &BigNumRef, s: &BigNumRef) -> bool {
        let own = |number: &BigNumRef| number.to_owned().unwrap();
        let signature = EcdsaSig::from_private_components(own(r), own(s)).unwrap();
        self.openssl_key(key).is_some_and(|key| signature.verify(digest, &key).unwrap_or(false))
    }

    /// The key in OpenSSL, if it is on this curve.
    pub fn openssl_key(&self, key: &PublicKey) -> Option<EcKey<Public>> {
        let PublicKey::Ec { point, .. } = key else { panic!("{key:?}") };
        let mut context = BigNumContext::new().unwrap();
        let point = EcPoint::from_bytes(&self.group, point, &mut context).ok()?;
        EcKey::from_public_key(&self.group, &point).ok()
    }
}
