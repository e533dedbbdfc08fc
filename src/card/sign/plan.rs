//! How a key is used: the way to it, what it can be asked for, and what it is asked.

use crate::format::pkcs15::KeyType;
use crate::snapshot::{EfPath, Scheme};

/// A private key as the card describes it.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Key reference.
    pub reference: Option<u8>,
    /// The file it is in, on cards with files.
    pub path: Option<EfPath>,
    /// RSA or EC.
    pub key_type: KeyType,
    /// Bits of modulus or field.
    pub bits: usize,
    /// PKCS#15 usage flags.
    pub usage: u32,
}

impl Key {
    /// Bytes of modulus or field.
    pub(super) const fn bytes(&self) -> usize {
        self.bits.div_ceil(8)
    }
}

/// What a card wants to see before a key works, and what the key can do then.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The PIN; none: the key works for everybody.
    pub access: Option<Access>,
    /// What it can be asked for: the likeliest first, the rest for the case that the card refuses that
    /// as nothing for a key of this kind.
    pub operations: Vec<Operation>,
}

/// One thing that a key can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// What.
    pub scheme: Scheme,
    /// Bits of the key's modulus or field.
    pub bits: usize,
    /// Bytes of a hash that the card takes for ECDSA.
    pub digest: usize,
    /// For ECDSA the card takes no hash: it hashes what it gets, with SHA-1.
    pub hashed: bool,
}

/// The way to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The PIN.
    pub pin: Pin,
    /// Reference in the VERIFY that opens this key.
    pub reference: u8,
    /// How often.
    pub asks: Asks,
}

/// How often a key wants its PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Once for a login.
    Once,
    /// Once for a login as far as the card says. A key that wants more than that refuses, and gets the PIN again.
    OnceOrMore,
    /// Before each use.
    Always,
}

/// A PIN of a card: one secret, one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Reference by which its state is asked for.
    pub reference: u8,
    /// Its label, where a card may have several.
    pub label: Option<Vec<u8>>,
    /// Least and greatest length.
    pub lengths: (usize, usize),
    /// What it is filled up with, and to which length.
    pub pad: Option<(u8, usize)>,
}

/// What one key is to be asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// Key reference.
    pub key: u8,
    /// Its file, on cards with files.
    pub path: Option<EfPath>,
    /// The way to it.
    pub access: Option<Access>,
    /// One after the other, until the card does not refuse.
    pub attempts: Vec<Attempt>,
    /// The user has named this very key.
    pub named: bool,
}

/// One question to a key.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What it is to do.
    pub scheme: Scheme,
    /// Bits of the modulus or field of a key that can.
    pub bits: usize,
    /// What the answer is held against: fresh and random.
    pub challenge: Vec<u8>,
    /// What follows from it for the card: the hash, the DigestInfo, the point, the cryptogram.
    pub data: Vec<u8>,
}

impl Attempt {
    /// Is what the card gets hashed there first?
    pub(super) fn is_hashed(&self) -> bool {
        self.scheme == Scheme::Ecdsa && self.data != self.challenge
    }
}
