//! `orphan-entry`: a cache entry stands for an object that is not on the card
//!
//! The key or object was deleted, but its cache files stay. Nothing shows them
//! while the slot is empty, because the card's list of keys is always read from
//! the card. The next key in that slot is born stale: OpenSC shows it with the
//! ID and public key of the deleted one.
//!
//! This is how most stale caches begin: delete, re-initialise, generate anew.
//!
//! Cure: `stalecard flush` after deleting keys and before generating new ones, on
//! every host that has seen the old keys.

use super::case::Case;
use crate::finding::{Finding, Id};
use crate::snapshot::EfPath;
use crate::view::{fid, prefix, referenced, split};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for lens in case.lenses.iter().filter(|lens| !lens.is_former()) {
        for (file, entry) in lens.cached.entries() {
            let (kind, number) = split(file);
            // The device key's description never belongs to a user's key.
            if (kind, number) == (prefix::PRIVATE_KEY, 0) || is_listed(case, file) {
                continue;
            }
            sink.push(case.entry_finding(
                Id::OrphanEntry,
                lens,
                entry,
                Some(file),
                format!("The cache entry of file {file} stands for an object that is not on the card."),
                "The next object in that slot is shown with the old one's content.".to_owned(),
            ));
        }
    }
}

/// Does the card list the object that this file belongs to? Files that no list
/// decides about count as listed.
#[must_use]
pub fn is_listed(case: &Case<'_>, file: EfPath) -> bool {
    let (kind, number) = split(file);
    let listed = |file: EfPath| file.fid().is_some_and(|fid| case.card.key_list.contains(&fid));
    match kind {
        prefix::PRIVATE_KEY | prefix::CERTIFICATE => listed(fid(prefix::KEY, number)),
        prefix::CA_DESCRIPTION | prefix::DATA_DESCRIPTION => listed(file),
        prefix::CA_CERTIFICATE | prefix::DATA => {
            listed(file)
                || case
                    .card
                    .key_list
                    .iter()
                    .filter_map(|&slot| case.on_card(slot.into()))
                    .flat_map(referenced)
                    .any(|fid| file == fid.into())
        }
        _ => true,
    }
}
