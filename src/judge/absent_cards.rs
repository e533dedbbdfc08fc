//! Cache entries of cards that were not read: not inserted, or not looked at.
//!
//! Whether such an entry is stale only its card can tell, which goes into the
//! coverage; whether it is whole can be seen from its bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::crowd::Crowd;
use crate::case::token::file_evidence;
use crate::finding::{Deed, Evidence, Finding, How, Id, Remedy, Severity, Unasked};
use crate::opensc::cache_name::CacheName;
use crate::snapshot::{ByteString, CacheDir, CacheEntry, Content, Snapshot};
use crate::text::escape;
use crate::verdict::Unread;
use crate::view::{Condition, layout_of};

/// What can be said of cards that are not there.
#[derive(Default)]
pub struct AbsentCards {
    /// Findings.
    pub findings: Vec<Finding>,
    /// What cannot be said.
    pub unread: Vec<Unread>,
}

/// Looks at the entries of every card that is not in the snapshot. `in_use` names
/// programs and the directories they read.
#[must_use]
pub fn apply(snapshot: &Snapshot, in_use: &[(String, ByteString)]) -> AbsentCards {
    let mut absent = AbsentCards::default();
    let serials = snapshot.cards.iter().filter_map(|card| card.serial.as_ref());
    let read: BTreeSet<Vec<u8>> = serials.map(|serial| serial.as_bytes().to_ascii_lowercase()).collect();
    for dir in &snapshot.caches {
        let mut cards: BTreeMap<Vec<u8>, Vec<(&CacheEntry, &CacheName)>> = BTreeMap::new();
        for entry in &dir.entries {
            if let Some(name) = entry.name.of_copy() {
                cards.entry(name.serial.text().into_owned()).or_default().push((entry, name));
            }
        }
        let mut crowd = Crowd::new(dir);
        for (serial, entries) in cards {
            if !read.contains(&serial.to_ascii_lowercase()) {
                let programs: Vec<String> = in_use
                    .iter()
                    .filter(|(_, path)| *path == dir.path)
                    .map(|(name, _)| name.clone())
                    .collect();
                one_card(&mut absent, &mut crowd, snapshot.user.uid, dir, &serial, &entries, &programs);
            }
        }
        crowd.end(&mut absent.findings);
    }
    absent
}

fn one_card(
    absent: &mut AbsentCards,
    crowd: &mut Crowd<'_>,
    uid: u32,
    dir: &CacheDir,
    serial: &[u8],
    entries: &[(&CacheEntry, &CacheName)],
    programs: &[String],
) {
    let token = escape(serial);
    absent.unread.push(Unread { token: token.clone(), entries: entries.len(), directory: dir.path.clone() });
    for (entry, name) in entries {
        let (Some(file), Content::Bytes(bytes), Some((layout, _))) =
            (name.ef(), &entry.content, layout_of(&[], name))
        else {
            continue;
        };
        let what = match layout.condition(None, file, bytes.as_slice()) {
            Condition::Undecodable => "does not decode".to_owned(),
            Condition::Trailing(rest) => format!("has {rest} bytes after its first element"),
            Condition::Empty | Condition::Whole => continue,
        };
        crowd.add(&mut absent.findings, entry, || {
            let mut finding = Finding::new(
                Id::DamagedEntry,
                format!("The cache entry of file {file} of card {token} {what}."),
                "Only with the card can be said whether a listing is wrong because of it.".to_owned(),
            );
            finding.severity = Severity::Warning;
            finding.token = Some(token.clone());
            finding.program = programs.to_vec();
            finding.evidence.push(Evidence {
                file: Some(file_evidence(dir, entry, Some(file))),
                first_difference: None,
                shown: None,
                card: None,
                source: None,
            });
            finding.fix.push(Remedy::new(
                "remove all cache entries of this card; OpenSC fetches them again",
                Deed::Move { how: How::FlushCard(token.clone()), unasked: Unasked::ByFlush },
            ));
            if entry.inode.uid != uid {
                finding.takes_consent();
            }
            finding
        });
    }
    let frozen = entries
        .iter()
        .any(|(_, name)| layout_of(&[], name).is_some_and(|(layout, _)| layout.is_frozen(name)));
    if frozen && !programs.is_empty() {
        absent.findings.push(crate::rules::token::cache_cannot_notice_change::finding(
            &token,
            programs.to_vec(),
            None,
        ));
    }
}
