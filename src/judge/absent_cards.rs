//! Cache entries of cards that were not read: not inserted, or not looked at.
//!
//! Whether such an entry is stale only its card can tell, which goes into the
//! coverage; whether it is whole can be seen from its bytes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::case::crowd::{Crowd, ONE_BY_ONE};
use crate::finding::Finding;
use crate::opensc::cache_name::CacheName;
use crate::rules::token::{cache_cannot_notice_change, damaged_entry};
use crate::snapshot::{ByteString, CacheDir, CacheEntry, Snapshot};
use crate::text::{count, escape};
use crate::verdict::Unread;
use crate::view::layout_of;

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
        let copies = dir.entries.iter().filter_map(|entry| Some((entry, entry.name.of_copy()?)));
        let mut copies: Vec<_> = copies.map(|(entry, name)| (name.serial.text(), entry, name)).collect();
        copies.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let readers = in_use.iter().filter(|(_, path)| *path == dir.path);
        let programs = readers.map(|(name, _)| name.clone()).collect();
        let mut place = Place {
            dir,
            uid: snapshot.user.uid,
            programs,
            crowd: Crowd::new(dir),
            unread: Vec::new(),
            rest: None,
            frozen: Frozen::default(),
        };
        for copies in copies.chunk_by(|(a, ..), (b, ..)| a == b) {
            let serial = copies.first().map(|(serial, ..)| serial.as_ref()).unwrap_or_default();
            if !read.contains(&serial.to_ascii_lowercase()) {
                place.card(serial, copies, &mut absent.findings);
            }
        }
        place.end(&mut absent);
    }
    absent
}

/// One directory, to which somebody may have written entries of as many cards as he likes.
struct Place<'a> {
    dir: &'a CacheDir,
    uid: u32,
    programs: Vec<String>,
    crowd: Crowd<'a>,
    unread: Vec<Unread>,
    /// Of cards that are not told one by one.
    rest: Option<Unread>,
    frozen: Frozen,
}

/// The cards of a directory whose changes cannot be noticed.
#[derive(Default)]
struct Frozen {
    told: usize,
    rest: Option<Finding>,
}

impl Place<'_> {
    fn card(
        &mut self,
        serial: &[u8],
        copies: &[(Cow<'_, [u8]>, &CacheEntry, &CacheName)],
        sink: &mut Vec<Finding>,
    ) {
        if self.unread.len() < ONE_BY_ONE {
            let token = Some(escape(serial));
            let directory = self.dir.path.clone();
            self.unread.push(Unread { token, entries: copies.len(), directory });
        } else {
            let rest = || Unread { token: None, entries: 0, directory: self.dir.path.clone() };
            self.rest.get_or_insert_with(rest).entries += copies.len();
        }
        let (dir, uid, programs) = (self.dir, self.uid, &self.programs);
        for (_, entry, name) in copies {
            let Some((file, what)) = damaged_entry::by_itself(name, &entry.content) else { continue };
            self.crowd.add(sink, entry, || {
                damaged_entry::of_absent(dir, uid, programs, &escape(serial), (entry, file), &what)
            });
        }
        let frozen =
            |name: &CacheName| layout_of(&[], name).is_some_and(|(layout, _)| layout.is_frozen(name));
        if !programs.is_empty() && copies.iter().any(|(_, _, name)| frozen(name)) {
            self.frozen
                .add(sink, || cache_cannot_notice_change::finding(&escape(serial), programs.clone(), None));
        }
    }

    fn end(self, absent: &mut AbsentCards) {
        absent.unread.extend(self.unread);
        absent.unread.extend(self.rest);
        self.crowd.end(&mut absent.findings);
        self.frozen.end(self.dir, &mut absent.findings);
    }
}

impl Frozen {
    /// Adds the finding about a card; it is only made where it is told.
    fn add(&mut self, sink: &mut Vec<Finding>, finding: impl FnOnce() -> Finding) {
        if self.told < ONE_BY_ONE {
            self.told += 1;
            sink.push(finding());
        } else if let Some(rest) = &mut self.rest {
            rest.more += 1;
        } else {
            self.rest = Some(Finding { token: None, ..finding() });
        }
    }

    /// Adds what stands for all that were not told.
    fn end(self, dir: &CacheDir, sink: &mut Vec<Finding>) {
        if let Some(mut rest) = self.rest {
            let more = count(rest.number(), "more card is", "more cards are");
            rest.summary =
                format!("{more} like this in {}, beside the {ONE_BY_ONE} told one by one.", dir.path).into();
            sink.push(rest);
        }
    }
}
