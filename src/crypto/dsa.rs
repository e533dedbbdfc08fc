//! DSA signatures (FIPS 186-4, section 4.7), with the arithmetic of `crypto-bigint`. Cards do not
//! make them; certificates of old are signed so. Limits are OpenSSL's.

use super::Reason;
use super::modular::Modulus;
use crate::format::curve::significant;
use crate::format::key::DsaNumbers;
use crate::format::signature::Reading;

/// Bytes of the largest prime.
const MAX_PRIME: usize = 10_000 / 8;
/// Bytes of the orders that there are.
const ORDERS: [usize; 3] = [20, 28, 32];

/// A key to compute with.
pub(super) struct Key {
    prime: Modulus,
    order: Modulus,
    order_digits: Vec<u8>,
    generator: Vec<u8>,
    public: Vec<u8>,
}

/// The key to compute with.
pub(super) fn key(numbers: &DsaNumbers<'_>) -> Result<Key, Reason> {
    let [prime, order] = [numbers.prime, numbers.order].map(significant);
    if prime.len() > MAX_PRIME {
        return Err(Reason::KeyTooLarge);
    }
    let whole = order.first().is_some_and(|first| first & 0x80 != 0);
    let lengths = ORDERS.contains(&order.len()) && whole && order.len() < prime.len();
    let moduli = Modulus::new(prime).zip(Modulus::new(order)).filter(|_| lengths);
    let (prime, order_modulus) = moduli.ok_or(Reason::BadKey)?;
    let [generator, public] = [numbers.generator, numbers.public].map(|number| prime.reduced(number));
    if [&generator, &public].iter().any(|number| number.is_empty() || number.as_slice() == [1]) {
        return Err(Reason::BadKey);
    }
    Ok(Key { prime, order: order_modulus, order_digits: order.to_vec(), generator, public })
}

impl Key {
    /// Bytes of each number of a signature.
    pub const fn length(&self) -> usize {
        self.order_digits.len()
    }

    /// Do the numbers fit the digest, of which the leftmost bits count?
    pub fn verify(&self, digest: &[u8], numbers: &Reading<'_>) -> bool {
        let (r, s) = (numbers.r, numbers.s);
        let below = |number: &[u8]| {
            !number.is_empty()
                && (number.len(), number) < (self.order_digits.len(), self.order_digits.as_slice())
        };
        if !below(r) || !below(s) {
            return false;
        }
        let digest = digest.get(..self.length()).unwrap_or(digest);
        // The order is prime: Fermat gives the inverse.
        let inverse = self.order.power(s, &self.order.less(2));
        let [one, other] = [digest, r].map(|number| self.order.product(number, &inverse));
        let product = self
            .prime
            .product(&self.prime.power(&self.generator, &one), &self.prime.power(&self.public, &other));
        significant(&self.order.reduced(&product)) == r
    }
}
