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

use super::numbers::{Numbers, padded, signature};

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
mod tests;
