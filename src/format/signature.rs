//! ECDSA signatures: SEQUENCE { r, s } (RFC 3279, what PKCS#11 engines and
//! certificates hold) or both numbers side by side (BSI TR-03111 "plain", what
//! PKCS#11 itself and card-verifiable certificates hold).
//!
//! Cards do not always write DER: some put superfluous zeros before a number. So
//! everything is read that has an unmistakable meaning, and what is not DER about it
//! is said, because OpenSSL and others refuse it.

use std::fmt::{Display, Formatter};

use super::curve::significant;
use super::tlv::{encode, first};

/// One way to read a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<'a> {
    /// r, big-endian, without leading zeros.
    pub r: &'a [u8],
    /// s, likewise.
    pub s: &'a [u8],
    /// How they were written.
    pub encoding: Encoding,
}

/// How a signature is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoding {
    /// As bytes of fixed length: r and s side by side, or all of an RSA or Ed25519 signature.
    Plain,
    /// DER, as every program takes it.
    Der,
    /// SEQUENCE { r, s }, but not in DER.
    Loose(Vec<Flaw>),
}

/// What keeps a signature from being DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// More zeros before a number than its sign needs.
    SuperfluousZeros,
    /// No zero before a number whose first bit is set, which makes it negative.
    MissingZero,
    /// A length in a longer form than needed.
    LongLength,
    /// Bytes after the signature.
    Trailing(usize),
    /// Of a number of fixed length the zeros that it begins with.
    ZerosLeftOut,
}

/// The ways to read a signature for a curve whose order has this many bytes. Two are
/// possible only for a plain signature that happens to look like a SEQUENCE.
#[must_use]
pub fn readings(bytes: &[u8], order: usize) -> Vec<Reading<'_>> {
    let plain = bytes.split_at_checked(order).filter(|(r, s)| r.len() == s.len()).map(|(r, s)| Reading {
        r: significant(r),
        s: significant(s),
        encoding: Encoding::Plain,
    });
    plain.into_iter().chain(sequence(bytes)).collect()
}

/// SEQUENCE { r, s }, in DER or nearly so.
fn sequence(bytes: &[u8]) -> Option<Reading<'_>> {
    let whole = first(bytes).filter(|element| element.tag == 0x30)?;
    let r = first(whole.value).filter(|element| element.tag == 0x02)?;
    let s = first(r.rest).filter(|element| element.tag == 0x02)?;

    let mut flaws = Vec::new();
    for number in [r.value, s.value] {
        let flaw = match number {
            [] | [0, 0..=0x7F, ..] => Flaw::SuperfluousZeros,
            [0x80..=0xFF, ..] => Flaw::MissingZero,
            _ => continue,
        };
        if !flaws.contains(&flaw) {
            flaws.push(flaw);
        }
    }
    if [whole, r, s].iter().any(|element| encode(element.tag, element.value) != element.raw) {
        flaws.push(Flaw::LongLength);
    }
    let trailing = whole.rest.len() + s.rest.len();
    if trailing > 0 {
        flaws.push(Flaw::Trailing(trailing));
    }
    let encoding = if flaws.is_empty() { Encoding::Der } else { Encoding::Loose(flaws) };
    Some(Reading { r: significant(r.value), s: significant(s.value), encoding })
}

impl Display for Encoding {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain => out.write_str("plain"),
            Self::Der => out.write_str("DER"),
            Self::Loose(flaws) => {
                for (index, flaw) in flaws.iter().enumerate() {
                    let before = if index == 0 { "not quite DER: " } else { ", " };
                    write!(out, "{before}{flaw}")?;
                }
                Ok(())
            }
        }
    }
}

impl Display for Flaw {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SuperfluousZeros => out.write_str("superfluous zeros before a number"),
            Self::MissingZero => out.write_str("no zero before a number whose first bit is set"),
            Self::LongLength => out.write_str("a length in long form"),
            Self::ZerosLeftOut => out.write_str("without the zeros that it begins with"),
            Self::Trailing(1) => out.write_str("1 byte after the end"),
            Self::Trailing(count) => write!(out, "{count} bytes after the end"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn encoding(bytes: &[u8]) -> Encoding {
        let [reading] = readings(bytes, 32).try_into().unwrap();
        assert_eq!((reading.r, reading.s), (&[0x81][..], &[5][..]));
        reading.encoding
    }

    #[test]
    fn what_is_not_der_is_said() {
        assert_eq!(encoding(&[0x30, 7, 2, 2, 0, 0x81, 2, 1, 5]), Encoding::Der);
        let loose = [
            (&[0x30, 8, 2, 3, 0, 0, 0x81, 2, 1, 5][..], vec![Flaw::SuperfluousZeros]),
            (&[0x30, 9, 2, 3, 0, 0, 0x81, 2, 2, 0, 5], vec![Flaw::SuperfluousZeros]),
            (&[0x30, 6, 2, 1, 0x81, 2, 1, 5], vec![Flaw::MissingZero]),
            (&[0x30, 0x81, 7, 2, 2, 0, 0x81, 2, 1, 5], vec![Flaw::LongLength]),
            (&[0x30, 8, 2, 2, 0, 0x81, 2, 0x81, 1, 5], vec![Flaw::LongLength]),
            (&[0x30, 7, 2, 2, 0, 0x81, 2, 1, 5, 0x0A], vec![Flaw::Trailing(1)]),
            (&[0x30, 9, 2, 2, 0, 0x81, 2, 1, 5, 2, 0], vec![Flaw::Trailing(2)]),
            (
                &[0x30, 7, 2, 1, 0x81, 2, 2, 0, 5, 9],
                vec![Flaw::MissingZero, Flaw::SuperfluousZeros, Flaw::Trailing(1)],
            ),
        ];
        for (bytes, flaws) in loose {
            assert_eq!(encoding(bytes), Encoding::Loose(flaws));
        }
        assert_eq!(
            Encoding::Loose(vec![Flaw::MissingZero, Flaw::Trailing(2)]).to_string(),
            "not quite DER: no zero before a number whose first bit is set, 2 bytes after the end"
        );
    }

    #[test]
    fn plain_signatures_are_told_by_their_length() {
        let mut bytes = [0; 64];
        (bytes[31], bytes[63]) = (0x81, 5);
        assert_eq!(encoding(&bytes), Encoding::Plain);
        assert!(readings(&bytes, 28).is_empty());
        assert!(readings(&bytes, 64).is_empty());
        assert!(readings(&[], 32).is_empty());
        // A plain signature of 8 bytes that is a SEQUENCE as well.
        let both = readings(&[0x30, 6, 2, 1, 3, 2, 1, 5], 4);
        assert_eq!(both.len(), 2);
    }

    #[test]
    fn truncated_ones_are_refused() {
        let whole = [0x30, 7, 2, 2, 0, 0x81, 2, 1, 5];
        for length in 0..whole.len() {
            assert!(readings(whole.get(..length).unwrap(), 32).is_empty(), "{length}");
        }
    }
}
