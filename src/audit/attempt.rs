//! One signature held against one key after the other, with no more work than is done for one file.

use std::cell::Cell;

use super::artefact::Claimed;
use super::judgement::Maker;
use super::ring::{Held, Ring};
use crate::crypto::{self, Fit, Outcome, Ready, Reason, Scheme, Signed};
use crate::format::key::PublicKey;
use crate::format::signature::Encoding;

/// The work that one file may make beyond what usual keys make.
pub const WORK_OF_A_FILE: u64 = 250_000_000;

/// A signature that can be computed with.
pub struct Attempt<'a> {
    /// The keys.
    pub ring: &'a Ring,
    /// The signature.
    pub claimed: &'a Claimed,
    /// How it is made.
    pub scheme: Scheme,
    /// What is signed.
    pub signed: &'a Signed<'a>,
    /// What is left of the work for its file.
    pub left: &'a Cell<u64>,
}

impl Attempt<'_> {
    /// With a key that is not among those of the ring.
    pub fn with(&self, key: &PublicKey) -> Outcome {
        self.verify(key, None)
    }

    /// With a key of the ring, by its number.
    pub fn with_held(&self, key: usize) -> Outcome {
        match self.ring.get(key) {
            Some(held) => self.verify(held.as_found(), Some(held)),
            None => Outcome::Invalid,
        }
    }

    /// With whoever has made it.
    pub fn with_maker(&self, maker: &Maker) -> Outcome {
        match maker {
            Maker::Known(index) => self.with_held(*index),
            Maker::Unknown(key) => self.with(key),
            Maker::OneOf(_) | Maker::NotFound => Outcome::Invalid,
        }
    }

    /// The key of a certificate whose issuer has another name, if it made it.
    pub fn subject_key(&self) -> Option<Maker> {
        let key = self.claimed.names.subject_key()?;
        let maker = self.ring.find(key).map_or_else(|| Maker::Unknown(key.clone()), Maker::Known);
        matches!(self.with_maker(&maker), Outcome::Valid(_)).then_some(maker)
    }

    fn verify(&self, key: &PublicKey, ready: Option<&Held>) -> Outcome {
        let Some(left) = self.left.get().checked_sub(crypto::dear_work(key)) else {
            return Outcome::NotDecidable(Reason::TooMuchWork);
        };
        self.left.set(left);
        let ask = |value: &[u8]| match ready {
            Some(held) => held.ready().verify(self.scheme, self.signed, value),
            None => Ready::new(key).verify(self.scheme, self.signed, value),
        };
        let outcome = ask(&self.claimed.value);
        // RSA may be written as a number, with other zeros before it than are due.
        if outcome == Outcome::Invalid
            && let Some((value, flaw)) = crypto::at_length(key, &self.claimed.value)
            && let Outcome::Valid(Fit { scheme, .. }) = ask(&value)
        {
            return Outcome::Valid(Fit { scheme, encoding: Encoding::Loose(vec![flaw]) });
        }
        outcome
    }
}
