//! The copy of an edited file in the quarantine: its name there, how it is known again, and how large it may be.

use sha2::{Digest, Sha256};

use crate::snapshot::{ByteString, Bytes};

/// Larger than any configuration; OpenSC's own example has 50 kB.
pub(super) const MAX_TEXT: u64 = 1 << 20;

/// The name of an old text in the quarantine.
pub(in crate::repair) fn kept_name(index: usize) -> ByteString {
    ByteString::from(format!("edit-{index}").as_str())
}

pub(super) fn digest(text: &[u8]) -> Bytes {
    Bytes(Sha256::digest(text).to_vec())
}
