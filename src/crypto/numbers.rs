//! The numbers of an ECDSA signature, as the crates take them.

use ecdsa::{EcdsaCurve, Signature};
use elliptic_curve::{CurveArithmetic, FieldBytes};

/// The numbers that a signature relates to a key: big-endian, of the digest the leftmost bits.
pub(super) struct Numbers<'n> {
    pub digest: &'n [u8],
    pub r: &'n [u8],
    pub s: &'n [u8],
}

/// A number with zeros in front, as long as the order; `None` if it is longer.
pub(super) fn padded<C: EcdsaCurve>(number: &[u8]) -> Option<FieldBytes<C>> {
    let mut padded = FieldBytes::<C>::default();
    let start = padded.len().checked_sub(number.len())?;
    padded.get_mut(start..)?.copy_from_slice(number);
    Some(padded)
}

/// r and s as a signature on this curve; `None` if one is zero or not below the order.
pub(super) fn signature<C>(numbers: &Numbers<'_>) -> Option<Signature<C>>
where
    C: EcdsaCurve + CurveArithmetic,
{
    let (r, s) = (padded::<C>(numbers.r)?, padded::<C>(numbers.s)?);
    Some(Signature::from_scalars(r, s).ok()?.normalize_s())
}
