//! Anything that lies in a folder that is audited.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use stalecard::audit::{Verdict, of_bytes};

/// Whatever it was meant to be: what is found in it takes room in it, and what the keys in it have not signed is never
/// sound.
pub fn audit(data: &[u8]) {
    let found = of_bytes(data);
    // The smallest that is signed has a name, a key and a signature; a list and certificates come with another one.
    assert!(found.len() <= data.len() / 16 + 1, "{} in {} bytes", found.len(), data.len());
    let sound = found.iter().filter(|(_, verdict)| *verdict == Verdict::Sound).count();
    // Nobody changes a byte of a signed body and keeps its signature: with the key in the same bytes it takes both.
    assert!(sound == 0 || data.len() > 64);
}
