//! Numbers modulo an odd number, by `crypto-bigint`: what RSA and DSA are made of. Numbers
//! come and go as big-endian bytes; a number that is too large is reduced.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};

use crate::format::curve::significant;

/// An odd modulus above 1.
pub(super) struct Modulus(BoxedMontyParams);

impl Modulus {
    /// `None` if the number is even or 1: nothing of the kind is a modulus of RSA or DSA.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let digits = significant(bytes);
        let number = BoxedUint::from_be_slice_vartime(digits);
        let odd = Odd::new(number).into_option().filter(|_| digits != [1])?;
        Some(Self(BoxedMontyParams::new_vartime(odd)))
    }

    /// The base to this power, without leading zeros.
    pub fn power(&self, base: &[u8], exponent: &[u8]) -> Vec<u8> {
        let exponent = BoxedUint::from_be_slice_vartime(at_least_one(significant(exponent)));
        let bits = exponent.bit_width_vartime();
        bytes(&self.form(base).pow_bounded_exp(&exponent, bits).retrieve())
    }

    /// The product, without leading zeros.
    pub fn product(&self, one: &[u8], other: &[u8]) -> Vec<u8> {
        bytes(&self.form(one).mul(&self.form(other)).retrieve())
    }

    /// The sum of a number and this one less a small one, as an exponent of Fermat's: the
    /// modulus less `less`, without leading zeros.
    pub fn less(&self, less: u8) -> Vec<u8> {
        let less = BoxedUint::from_be_slice_truncated(&[less], self.0.bits_precision());
        bytes(&self.0.modulus().as_ref().wrapping_sub(&less))
    }

    /// The modulus less a number below it.
    pub fn less_number(&self, number: &[u8]) -> Vec<u8> {
        let number = self.remainder(number);
        bytes(&self.0.modulus().as_ref().wrapping_sub(&number))
    }

    /// The number reduced, without leading zeros.
    pub fn reduced(&self, number: &[u8]) -> Vec<u8> {
        bytes(&self.remainder(number))
    }

    fn remainder(&self, number: &[u8]) -> BoxedUint {
        let number = BoxedUint::from_be_slice_vartime(at_least_one(significant(number)));
        number.rem_vartime(self.0.modulus().as_nz_ref())
    }

    fn form(&self, number: &[u8]) -> BoxedMontyForm {
        BoxedMontyForm::new(self.remainder(number), &self.0)
    }
}

/// A number is not without digits.
const fn at_least_one(digits: &[u8]) -> &[u8] {
    if digits.is_empty() { &[0] } else { digits }
}

fn bytes(number: &BoxedUint) -> Vec<u8> {
    significant(&number.to_be_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn small_numbers() {
        let modulus = Modulus::new(&[0, 0, 35]).unwrap();
        assert_eq!(modulus.power(&[2], &[0, 10]), [9]);
        assert_eq!(
            modulus.power(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], &[1]),
            modulus.reduced(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2])
        );
        assert_eq!((modulus.power(&[70], &[3]), modulus.power(&[7], &[])), (vec![], vec![1]));
        assert_eq!(
            (modulus.product(&[6], &[7]), modulus.less(2), modulus.reduced(&[])),
            (vec![7], vec![33], vec![])
        );
        for even in [&[][..], &[0], &[1], &[0, 1], &[36]] {
            assert!(Modulus::new(even).is_none());
        }
    }
}
