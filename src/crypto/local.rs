//! The curves that no crate has in the current generation of the elliptic-curve
//! crates, stamped out with their macros: the numbers are the table's, the
//! arithmetic is `primefield`'s and `primeorder`'s.
//!
//! P-192 and P-224 have crates of their own (`p192`, `p224`), so far as release
//! candidates; when they are released, their two lines go.

// What the field macros write is not ours to lint.
#![allow(deprecated, clippy::unwrap_used, unused_qualifications, reason = "expansions of the field macros")]

use elliptic_curve::bigint::{Odd, U192, U256, U384, U512};
use elliptic_curve::consts::{U24, U28, U40, U64};
use primefield::ByteOrder::BigEndian;
use primeorder::{mul_backend, point_arithmetic};

use crate::format::curve::table;

/// A number of the table in hexadecimal, padded to `N` digits.
#[expect(clippy::indexing_slicing, reason = "runs in the compiler")]
const fn digits<const N: usize>(number: &[u8]) -> [u8; N] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'0'; N];
    let start = N - 2 * number.len();
    let mut at = 0;
    while at < number.len() {
        text[start + 2 * at] = DIGITS[(number[at] >> 4) as usize];
        text[start + 2 * at + 1] = DIGITS[(number[at] & 15) as usize];
        at += 1;
    }
    text
}

/// An empty text makes the field macros refuse to compile.
const fn text(digits: &[u8]) -> &str {
    match std::str::from_utf8(digits) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// A prime field in Montgomery form. `$generator` is wanted for square roots where the prime
/// is 1 modulo 4 (P-224), and any number without a root will do: here the smallest.
macro_rules! prime_field {
    ($field:ident, $uint:ident, $number:expr, $generator:literal) => {
        const MODULUS: &str = text(&digits::<{ $uint::BITS as usize / 4 }>($number));

        primefield::monty_field_params! {
            name: Params,
            modulus: MODULUS,
            uint: $uint,
            byte_order: BigEndian,
            multiplicative_generator: $generator,
            doc: "Montgomery parameters"
        }
        primefield::monty_field_element! { name: $field, params: Params, uint: $uint, doc: "Field element" }
        primefield::monty_field_arithmetic! { name: $field, params: Params, uint: $uint }
    };
}

/// The two fields of a curve, which it shares with its twist. Where the order has a length
/// that no `Uint` has, the next longer one is taken.
macro_rules! fields {
    ($module:ident, $table:ident, $uint:ident, $base:literal, $scalar:literal) => {
        mod $module {
            pub mod base {
                use super::super::*;
                use elliptic_curve::PrimeField;
                use elliptic_curve::subtle::{Choice, ConstantTimeEq, CtOption};

                prime_field!(FieldElement, $uint, table::$table.prime, $base);

                impl elliptic_curve::ops::BatchInvert for FieldElement {}
            }

            pub mod scalar {
                use super::super::*;
                use elliptic_curve::PrimeField;
                use elliptic_curve::ops::Reduce;
                use elliptic_curve::scalar::{FromUintUnchecked, IsHigh};
                use elliptic_curve::subtle::{Choice, ConstantTimeEq, ConstantTimeGreater, CtOption};

                prime_field!(Scalar, $uint, table::$table.order, $scalar);
                primeorder::wnaf::impl_wnaf_size_for_scalar!(Scalar);

                pub const ORDER: Odd<$uint> = Odd::<$uint>::from_be_hex(MODULUS);

                impl AsRef<Scalar> for Scalar {
                    fn as_ref(&self) -> &Scalar {
                        self
                    }
                }

                impl FromUintUnchecked for Scalar {
                    type Uint = $uint;

                    fn from_uint_unchecked(uint: $uint) -> Self {
                        Self::from_uint_unchecked(uint)
                    }
                }

                impl IsHigh for Scalar {
                    fn is_high(&self) -> Choice {
                        self.to_canonical().ct_gt(&ORDER.as_ref().shr_vartime(1))
                    }
                }

                // `primefield::monty_field_reduce!` does not fit where the `Uint` is longer.
                impl Reduce<$uint> for Scalar {
                    fn reduce(number: &$uint) -> Self {
                        Self::from_uint_unchecked(*number)
                    }
                }

                type Bytes = primefield::MontyFieldBytes<Params, { <$uint>::LIMBS }>;

                impl Reduce<Bytes> for Scalar {
                    fn reduce(bytes: &Bytes) -> Self {
                        Self::from_uint_unchecked($uint::from_be_slice_truncated(bytes, $uint::BITS))
                    }
                }
            }
        }
    };
}

/// A curve over two [`fields`].
macro_rules! curve {
    ($curve:ident, $table:ident, $module:ident, $uint:ident, $bytes:ident) => {
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $curve;

        impl elliptic_curve::Curve for $curve {
            type FieldBytesSize = $bytes;
            type Uint = $uint;
            const ORDER: Odd<$uint> = $module::scalar::ORDER;
        }

        impl elliptic_curve::PrimeCurve for $curve {}

        impl elliptic_curve::point::PointCompression for $curve {
            const COMPRESS_POINTS: bool = false;
        }

        impl elliptic_curve::CurveArithmetic for $curve {
            type AffinePoint = primeorder::AffinePoint<$curve>;
            type ProjectivePoint = primeorder::ProjectivePoint<$curve>;
            type Scalar = $module::scalar::Scalar;
        }

        impl elliptic_curve::hazmat::FieldArithmetic for $curve {
            type FieldElement = $module::base::FieldElement;
        }

        impl elliptic_curve::PrimeCurveArithmetic for $curve {
            type CurveGroup = primeorder::ProjectivePoint<$curve>;
        }

        impl primeorder::PrimeCurveParams for $curve {
            type PointArithmetic = point_arithmetic::EquationAIsGeneric;
            type Backend = mul_backend::VariableOnly;

            const EQUATION_A: $module::base::FieldElement = $curve::number(table::$table.a);
            const EQUATION_B: $module::base::FieldElement = $curve::number(table::$table.b);
            const GENERATOR: ($module::base::FieldElement, $module::base::FieldElement) = {
                let (_, coordinates) = table::$table.base_point.split_at(1);
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                ($curve::number(x), $curve::number(y))
            };
        }

        impl $curve {
            const fn number(bytes: &[u8]) -> $module::base::FieldElement {
                const DIGITS: usize = 2 * table::$table.prime.len();
                $module::base::FieldElement::from_hex_vartime(text(&digits::<DIGITS>(bytes)))
            }
        }

        impl ecdsa::EcdsaCurve for $curve {
            const NORMALIZE_S: bool = false;
        }

        const _: () = {
            use $module::scalar::Scalar;
            elliptic_curve::scalar_impls!($curve, Scalar);
        };
    };
}

fields!(p192, SECP192R1, U192, 11, 3);
curve!(Secp192r1, SECP192R1, p192, U192, U24);

fields!(p224, SECP224R1, U256, 11, 2);
curve!(Secp224r1, SECP224R1, p224, U256, U28);

fields!(k192, SECP192K1, U192, 3, 2);
curve!(Secp192k1, SECP192K1, k192, U192, U24);

fields!(bp192, BRAINPOOL_P192R1, U192, 3, 7);
curve!(BrainpoolP192r1, BRAINPOOL_P192R1, bp192, U192, U24);
curve!(BrainpoolP192t1, BRAINPOOL_P192T1, bp192, U192, U24);

fields!(bp224, BRAINPOOL_P224R1, U256, 3, 3);
curve!(BrainpoolP224r1, BRAINPOOL_P224R1, bp224, U256, U28);
curve!(BrainpoolP224t1, BRAINPOOL_P224T1, bp224, U256, U28);

fields!(bp320, BRAINPOOL_P320R1, U384, 5, 3);
curve!(BrainpoolP320r1, BRAINPOOL_P320R1, bp320, U384, U40);
curve!(BrainpoolP320t1, BRAINPOOL_P320T1, bp320, U384, U40);

fields!(bp512, BRAINPOOL_P512R1, U512, 2, 7);
curve!(BrainpoolP512r1, BRAINPOOL_P512R1, bp512, U512, U64);
curve!(BrainpoolP512t1, BRAINPOOL_P512T1, bp512, U512, U64);
