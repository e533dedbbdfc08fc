//! Multiples of a point, kept: a key that has signed very much is asked in a third of the time.
//!
//! A product is a sum of them, one for each window of the scalar, so that nothing is doubled. Each addition is that of
//! the crate which serves the curve. What is found not to fit in this way is asked of the crate's own verification, so
//! that nothing is ever called wrong by what stands here.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use ecdsa::EcdsaCurve;
use elliptic_curve::group::{Curve as _, Group};
use elliptic_curve::ops::{Invert, Reduce};
use elliptic_curve::point::AffineCoordinates;
use elliptic_curve::{CurveArithmetic, FieldBytes, PrimeField, ProjectivePoint, Scalar};

use super::ecdsa::{Numbers, padded, signature};

/// Bits of a window.
const WINDOW: usize = 6;
/// Multiples of a window; a larger digit is a negative one and a carry.
const HALF: usize = 1 << (WINDOW - 1);
/// Signatures of a key after which its multiples are worth making: they cost as much as about ten.
const USES: u32 = 32;
/// Keys that have them at a time: of each 0.3 MB, on the longest curves four times that.
const MOST: usize = 16;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Do the numbers fit the key?
pub(super) type Quick = Box<dyn Fn(&Numbers<'_>) -> bool + Send + Sync>;

/// The multiples of one key, made when it has been asked often enough.
#[derive(Default)]
pub(super) struct Kept {
    uses: AtomicU32,
    quick: OnceLock<Option<(Quick, Place)>>,
}

impl Kept {
    /// With the multiples, if there are any by now. `make`: makes them.
    pub(super) fn quick(&self, make: impl FnOnce() -> Option<Quick>) -> Option<&Quick> {
        if self.quick.get().is_none() && self.uses.fetch_add(1, Ordering::Relaxed) < USES {
            return None;
        }
        let made = || Place::take().and_then(|place| Some((make()?, place)));
        self.quick.get_or_init(made).as_ref().map(|(quick, _)| quick)
    }
}

/// One of [`MOST`].
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let one_more = |held: usize| (held < MOST).then_some(held + 1);
        HELD.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Of each window the point's multiples from one to [`HALF`].
struct Multiples<C: CurveArithmetic>(Vec<[ProjectivePoint<C>; HALF]>);

impl<C: CurveArithmetic> Multiples<C> {
    fn new(point: ProjectivePoint<C>) -> Self {
        let windows = Scalar::<C>::NUM_BITS as usize / WINDOW + 1;
        let mut first = point;
        let row = |_| {
            let mut next = first;
            let row = std::array::from_fn(|_| {
                let this = next;
                next += &first;
                this
            });
            for _ in 0..WINDOW {
                first = first.double();
            }
            row
        };
        Self((0..windows).map(row).collect())
    }

    fn times(&self, scalar: &Scalar<C>) -> ProjectivePoint<C> {
        let number = scalar.to_repr();
        let byte = |place: usize| number.iter().rev().nth(place).copied().map_or(0, u16::from);
        let mut sum = ProjectivePoint::<C>::identity();
        let mut carry = 0;
        for (window, row) in self.0.iter().enumerate() {
            let bit = window * WINDOW;
            let bits = (byte(bit / 8) | byte(bit / 8 + 1) << 8) >> (bit % 8);
            let digit = usize::from(bits) % (2 * HALF) + carry;
            carry = usize::from(digit > HALF);
            let size = if carry == 0 { digit } else { 2 * HALF - digit };
            match size.checked_sub(1).and_then(|place| row.get(place)) {
                Some(point) if carry == 0 => sum += point,
                Some(point) => sum -= point,
                None => {}
            }
        }
        sum
    }
}

/// ECDSA (FIPS 186-4, 6.4.2) with the key of this point.
pub(super) fn quick<C>(point: ProjectivePoint<C>) -> Quick
where
    C: EcdsaCurve + CurveArithmetic,
{
    let base = Multiples::<C>::new(ProjectivePoint::<C>::generator());
    let key = Multiples::<C>::new(point);
    Box::new(move |numbers| fits(&base, &key, numbers).unwrap_or(false))
}

fn fits<C>(base: &Multiples<C>, key: &Multiples<C>, numbers: &Numbers<'_>) -> Option<bool>
where
    C: EcdsaCurve + CurveArithmetic,
{
    let (r, s) = signature::<C>(numbers)?.split_scalars();
    let reduced = |bytes: &FieldBytes<C>| <Scalar<C> as Reduce<FieldBytes<C>>>::reduce(bytes);
    let digest = reduced(&padded::<C>(numbers.digest)?);
    let inverse = *s.invert_vartime();
    let sum = base.times(&(digest * inverse)) + key.times(&(*r * inverse));
    Some(reduced(&sum.to_affine().x()) == *r)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha512};

    use super::super::ecdsa::{ALL, leftmost};
    use super::*;

    /// Numbers that fit a key are had without a private one: by recovery, which the crates do.
    #[test]
    fn whatever_fits_by_recovery_fits_by_multiples_on_every_curve() {
        for arithmetic in ALL {
            let length = arithmetic.curve.order.len();
            let mut found = 0;
            for number in 0_u8..=255 {
                let part = |what: u8| Sha512::digest([what, number]).to_vec();
                let cut = |bytes: Vec<u8>| bytes.into_iter().take(length).collect::<Vec<u8>>();
                let (r, mut s) = (cut(part(0)), cut(part(1)));
                let mut digest = part(2);
                match number % 8 {
                    0 => s = vec![1],
                    1 => digest.fill(0),
                    2 => digest.fill(0xFF),
                    3 => s = vec![0x80],
                    _ => {}
                }
                let digest = leftmost(&digest, arithmetic.curve).into_owned();
                let numbers = Numbers { digest: &digest, r: &r, s: &s };
                for point in (arithmetic.recover)(&numbers) {
                    let Some(quick) = (arithmetic.quick)(&point) else { continue };
                    assert!(quick(&numbers), "{} {number}", arithmetic.curve.name);
                    let other = leftmost(&part(3), arithmetic.curve).into_owned();
                    assert!(!quick(&Numbers { digest: &other, ..numbers }), "{}", arithmetic.curve.name);
                    found += 1;
                }
                if found >= 16 {
                    break;
                }
            }
            assert!(found >= 16, "{}: {found}", arithmetic.curve.name);
        }
    }

    #[test]
    fn only_so_many_keys_have_multiples_and_only_after_some_use() {
        let yes = || -> Option<Quick> { Some(Box::new(|_| true)) };
        let keys: Vec<Kept> = (0..3 * MOST).map(|_| Kept::default()).collect();
        let mut with = 0;
        for key in &keys {
            assert!((0..USES).all(|_| key.quick(yes).is_none()));
            with += usize::from(key.quick(yes).is_some());
        }
        assert_eq!(with, MOST);
        drop(keys);
        assert_eq!(HELD.load(Ordering::Relaxed), 0);
    }
}
