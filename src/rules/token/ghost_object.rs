//! `ghost-object`: OpenSC shows an object that is gone from the card
//!
//! The object's file was deleted from the card, or is there in another form, but
//! it is still answered from the cache.
//!
//! What you see: a deleted certificate, public key or data object comes back with
//! every listing; deleting it again fails or hits something else.
//!
//! Do not delete a key that is gone by its ID: cards give the file of a deleted key to
//! the next one, and then that ID stands for the new key.
//!
//! Cure: `stalecard flush`, then restart programs that had the card open.

use crate::case::asked::AskedCase;
use crate::case::asked_blocks::Change;
use crate::case::danger;
use crate::case::token::{Case, key_severity};
use crate::finding::{Finding, Id, ObjectName, Side};
use crate::snapshot::EfPath;
use crate::text::{escape, hex};
use crate::view::difference::Kind;
use crate::view::{Class, Object, View};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for cache_view in &case.cache_views {
        for difference in cache_view.seen() {
            let (Kind::Ghost, Some(shown)) = (difference.kind, difference.shown) else { continue };
            if difference.is_of_damage() || difference.is_held() {
                continue;
            }
            let id = if shown.id.is_empty() { String::new() } else { format!(", ID {}", hex(&shown.id)) };
            let heir = heir(&case.live, shown);
            let mut finding = case.finding(
                Id::GhostObject,
                cache_view,
                &difference,
                format!(
                    "OpenSC shows the {} \"{}\" (EF {}{id}); the card has no such object.",
                    shown.class.name(),
                    escape(&shown.label),
                    difference.place.ef
                ),
                match heir {
                    Some(_) => "What programs sign with it is signed by another key, and does not verify.",
                    None => "Programs offer an object that cannot be used.",
                }
                .to_owned(),
            );
            if let Some((file, heir)) = heir {
                finding.severity = key_severity(case, heir);
                finding.danger =
                    danger::of_deleting(case, cache_view, shown, heir, &format!("key file {file}"));
            }
            sink.push(finding);
        }
    }
}

/// Applies it to one card that OpenSC was asked about.
pub fn of_asked(case: &AskedCase<'_>, sink: &mut Vec<Finding>) {
    for cache in &case.caches {
        let guilty = cache.descriptions();
        for change in cache.changes.iter().filter(|_| !guilty.is_empty()) {
            let Change::Ghost(shown) = change else { continue };
            let object = shown.object(Some(*shown));
            sink.push(case.finding(
                Id::GhostObject,
                cache,
                Some(ObjectName { id: None, ..object }),
                cache.evidence(&guilty, Some((shown.side(None), Side::absent()))),
                format!(
                    "OpenSC shows the {} \"{}\"; the card has no such object.",
                    shown.class(),
                    shown.label()
                ),
                "Programs offer an object that cannot be used.",
            ));
        }
    }
}

/// The key that has the file of a private key that is gone.
fn heir<'v>(live: &'v View, gone: &Object) -> Option<(EfPath, &'v Object)> {
    let file = |key: &Object| match key.class {
        Class::PrivateKey { path, .. } => path,
        _ => None,
    };
    let place = file(gone)?;
    live.private_keys().find(|key| file(key) == Some(place)).map(|key| (place, key))
}
