//! From what a user hands in to a key: what [`format::given`](crate::format::given)
//! reads, with the curve of a bare point found by asking which curve it is on.

use super::{key_on, keys_of_point};
use crate::format::curve::{self, Curve};
use crate::format::given::{self, Given};
use crate::format::key::PublicKey;

/// Why what was given is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has not the form of one.
    #[error(transparent)]
    Form(#[from] given::GivenError),
    /// A point, but not of the curve it should be on.
    #[error("is no point of the curve {}", .0)]
    NotOnCurve(&'static str),
    /// A point of no curve.
    #[error("has the length of a point, but is on none of the curves known here")]
    OnNoCurve,
    /// A compressed point, which is on several curves.
    #[error("is a point of {}: name the curve, or give the uncompressed point", .0.join(" as well as of "))]
    OnSeveralCurves(Vec<&'static str>),
}

/// The public keys that a file or an argument can mean: a compressed point is on several curves, and
/// is most likely a key on one.
///
/// # Errors
/// [`Error`], each a continuation of "the file …".
pub fn public_keys(bytes: &[u8]) -> Result<Vec<PublicKey>, Error> {
    match given::public_key(bytes)? {
        Given::Key(key) => Ok(vec![key]),
        Given::Point(point) => match keys_of_point(&point) {
            keys if keys.is_empty() => Err(Error::OnNoCurve),
            keys => Ok(keys),
        },
    }
}

/// The public key in a file or an argument. `curve` is asked about bare points only.
///
/// # Errors
/// [`Error`], each a continuation of "the file …".
pub fn public_key(bytes: &[u8], curve: Option<&'static Curve>) -> Result<PublicKey, Error> {
    let point = match given::public_key(bytes)? {
        Given::Key(key) => return Ok(key),
        Given::Point(point) => point,
    };
    if let Some(curve) = curve {
        return key_on(curve, &point).ok_or(Error::NotOnCurve(curve.name));
    }
    let mut keys = keys_of_point(&point);
    match keys.pop() {
        None => Err(Error::OnNoCurve),
        Some(key) if keys.is_empty() => Ok(key),
        Some(key) => {
            keys.push(key);
            let name = |key: &PublicKey| match key {
                PublicKey::Ec { curve_oid, .. } => curve::by_oid(curve_oid).map(|curve| curve.name),
                _ => None,
            };
            Err(Error::OnSeveralCurves(keys.iter().filter_map(name).collect()))
        }
    }
}
