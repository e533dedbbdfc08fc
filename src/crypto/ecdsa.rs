//! ECDSA (FIPS 186-4, SEC 1) on every curve of the table, and points on them.
//!
//! One generic function each over the traits of the elliptic-curve crates; which
//! crate serves a curve is one line here. s and n - s are the same to all of them:
//! cards do not normalise it, and `k256` takes the lower one only.

use std::borrow::Cow;

use ecdsa::signature::hazmat::PrehashVerifier;
use ecdsa::{EcdsaCurve, RecoveryId, VerifyingKey};
use elliptic_curve::group::Curve as _;
use elliptic_curve::point::DecompressPoint;
use elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, PrimeField, ProjectivePoint, Scalar};

use super::local;
use super::multiples::{self, Quick};
use super::numbers::{Numbers, padded, signature};
use crate::format::curve::{Curve, table};

/// An uncompressed point.
type Point = Vec<u8>;

/// What can be computed on one curve.
pub(super) struct Arithmetic {
    /// The curve.
    pub curve: &'static Curve,
    /// The point, uncompressed, if the bytes are one of this curve.
    pub point: fn(&[u8]) -> Option<Point>,
    /// Do the numbers fit the key with this point?
    pub verify: fn(&[u8], &Numbers<'_>) -> bool,
    /// The same with what is kept of the key with this point, if it is one of this curve.
    pub quick: fn(&[u8]) -> Option<Quick>,
    /// All points that the numbers fit.
    pub recover: fn(&Numbers<'_>) -> Vec<Point>,
    /// A point times a number, if both are of this curve and the result is a point again.
    pub multiply: fn(&[u8], &[u8]) -> Option<Point>,
}

/// The arithmetic of a curve.
pub(super) fn on(curve: &Curve) -> Option<&'static Arithmetic> {
    ALL.iter().find(|arithmetic| arithmetic.curve == curve)
}

pub(super) const ALL: &[Arithmetic] = &[
    Arithmetic::of::<local::Secp192r1>(&table::SECP192R1),
    Arithmetic::of::<local::Secp224r1>(&table::SECP224R1),
    Arithmetic::of::<p256::NistP256>(&table::SECP256R1),
    Arithmetic::of::<p384::NistP384>(&table::SECP384R1),
    Arithmetic::of::<p521::NistP521>(&table::SECP521R1),
    Arithmetic::of::<local::Secp192k1>(&table::SECP192K1),
    Arithmetic::of::<k256::Secp256k1>(&table::SECP256K1),
    Arithmetic::of::<local::BrainpoolP192r1>(&table::BRAINPOOL_P192R1),
    Arithmetic::of::<local::BrainpoolP224r1>(&table::BRAINPOOL_P224R1),
    Arithmetic::of::<bp256::BrainpoolP256r1>(&table::BRAINPOOL_P256R1),
    Arithmetic::of::<local::BrainpoolP320r1>(&table::BRAINPOOL_P320R1),
    Arithmetic::of::<bp384::BrainpoolP384r1>(&table::BRAINPOOL_P384R1),
    Arithmetic::of::<local::BrainpoolP512r1>(&table::BRAINPOOL_P512R1),
    Arithmetic::of::<local::BrainpoolP192t1>(&table::BRAINPOOL_P192T1),
    Arithmetic::of::<local::BrainpoolP224t1>(&table::BRAINPOOL_P224T1),
    Arithmetic::of::<bp256::BrainpoolP256t1>(&table::BRAINPOOL_P256T1),
    Arithmetic::of::<local::BrainpoolP320t1>(&table::BRAINPOOL_P320T1),
    Arithmetic::of::<bp384::BrainpoolP384t1>(&table::BRAINPOOL_P384T1),
    Arithmetic::of::<local::BrainpoolP512t1>(&table::BRAINPOOL_P512T1),
];

impl Arithmetic {
    const fn of<C>(curve: &'static Curve) -> Self
    where
        C: EcdsaCurve + CurveArithmetic,
        AffinePoint<C>: DecompressPoint<C> + FromSec1Point<C> + ToSec1Point<C>,
        FieldBytesSize<C>: ModulusSize,
    {
        Self {
            curve,
            point: point::<C>,
            verify: verify::<C>,
            quick: quick::<C>,
            recover: recover::<C>,
            multiply: multiply::<C>,
        }
    }
}

/// The key of a point, which may be compressed or hybrid (X9.62: whole, and its sign told as well), but
/// is never the one at infinity.
fn key<C>(bytes: &[u8]) -> Option<VerifyingKey<C>>
where
    C: EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    match *bytes.first()? {
        2..=4 => VerifyingKey::from_sec1_bytes(bytes).ok(),
        hybrid @ (6 | 7) if bytes.last()? & 1 == hybrid & 1 => {
            let whole = [&[4], bytes.get(1..)?].concat();
            VerifyingKey::from_sec1_bytes(&whole).ok()
        }
        _ => None,
    }
}

fn point<C>(bytes: &[u8]) -> Option<Point>
where
    C: EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    Some(key::<C>(bytes)?.to_sec1_point(false).as_bytes().to_vec())
}

fn multiply<C>(point: &[u8], number: &[u8]) -> Option<Point>
where
    C: EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let scalar = Option::<Scalar<C>>::from(Scalar::<C>::from_repr(padded::<C>(number)?))?;
    let product = ProjectivePoint::<C>::from(*key::<C>(point)?.as_affine()) * scalar;
    let product = product.to_affine().to_sec1_point(false).as_bytes().to_vec();
    // The point at infinity has no coordinates.
    (product.len() > 1).then_some(product)
}

fn verify<C>(point: &[u8], numbers: &Numbers<'_>) -> bool
where
    C: EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let pair = key::<C>(point).zip(signature(numbers));
    pair.is_some_and(|(key, signature)| key.verify_prehash(numbers.digest, &signature).is_ok())
}

fn quick<C>(point: &[u8]) -> Option<Quick>
where
    C: EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    Some(multiples::quick::<C>(ProjectivePoint::<C>::from(*key::<C>(point)?.as_affine())))
}

fn recover<C>(numbers: &Numbers<'_>) -> Vec<Point>
where
    C: EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: DecompressPoint<C> + FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let Some(signature) = signature::<C>(numbers) else { return Vec::new() };
    let mut points = Vec::new();
    for id in (0..=RecoveryId::MAX).filter_map(RecoveryId::from_byte) {
        let Ok(key) = VerifyingKey::recover_from_prehash(numbers.digest, &signature, id) else { continue };
        // The crate leaves it to the caller to verify.
        let point = key.to_sec1_point(false).as_bytes().to_vec();
        if key.verify_prehash(numbers.digest, &signature).is_ok() && !points.contains(&point) {
            points.push(point);
        }
    }
    points
}

/// The leftmost bits of a digest, as many as the order of the curve has (FIPS 186-4, 6.4).
/// The crates cut at bytes, which on P-521 is not enough.
pub(super) fn leftmost<'d>(digest: &'d [u8], curve: &Curve) -> Cow<'d, [u8]> {
    let length = curve.bits.div_ceil(8);
    let surplus = 8 * length - curve.bits;
    match digest.get(..length) {
        None => digest.into(),
        Some(cut) if surplus == 0 => cut.into(),
        Some(cut) => {
            let above = std::iter::once(0).chain(cut.iter().copied());
            above.zip(cut).map(|(above, &byte)| (above << (8 - surplus)) | (byte >> surplus)).collect()
        }
    }
}
