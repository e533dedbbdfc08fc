//! What a flush takes out of the caches: a plan, not yet an action.

use std::collections::BTreeMap;

use crate::finding::{Id, Safety};
use crate::opensc::cache_name::Serial;
use crate::opensc::{Recognised, cache_name};
use crate::rules::Verdict;
use crate::snapshot::{CacheDir, CacheEntry, Content, FileKind, Name, Snapshot, Withheld};
use crate::text::{escape, is_typed};
use crate::view::is_private;

use super::{Action, Plan, Precondition, Step};

/// Which entries to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// What is proven stale of the cards that were read, and orphans.
    Stale,
    /// All recognised entries of one card.
    Serial(&'a str),
    /// All recognised entries.
    All,
    /// Those with these names or paths, whatever they are.
    Named(&'a [String]),
}

/// The findings whose entries a plain flush removes.
pub const FLUSHED: &[Id] = &[
    Id::StaleKeyId,
    Id::StalePublicKey,
    Id::StaleCertificate,
    Id::StaleObject,
    Id::HiddenObject,
    Id::GhostObject,
    Id::DamagedEntry,
    Id::DormantStaleEntry,
    Id::OrphanEntry,
];

/// The findings whose entries `fix` removes besides: proven to be of no use, or to be where they
/// should not be.
const FIXED: &[Id] = &[Id::OldGeneration, Id::ForeignOwner, Id::SecretInCache];

/// Plans a flush by the user with the number `caller`.
#[must_use]
pub fn flush_plan(snapshot: &Snapshot, verdict: &Verdict, scope: Scope<'_>, caller: u32) -> Plan {
    let named = verdict.by_file();
    plan(snapshot, verdict, caller, |dir, entry| reason(&named, dir, entry, scope))
}

/// Plans what the findings on cache entries call for. What needs a decision of the user (a card
/// access number, a file that is not OpenSC's) is never in it.
#[must_use]
pub fn fix_plan(snapshot: &Snapshot, verdict: &Verdict, caller: u32) -> Plan {
    let named = verdict.by_file();
    plan(snapshot, verdict, caller, |dir, entry| {
        let Recognised::Entry(_) = cache_name::parse(&entry.name) else { return None };
        let ids = named.get(&(&dir.path, &entry.name))?;
        let called_for = |id: &&Id| FLUSHED.contains(id) || FIXED.contains(id);
        ids.iter().find(called_for).map(|id| id.name().to_owned())
    })
}

fn plan(
    snapshot: &Snapshot,
    verdict: &Verdict,
    caller: u32,
    reason: impl Fn(&CacheDir, &CacheEntry) -> Option<String>,
) -> Plan {
    // With caching `yes` OpenSC keeps what it read after the PIN, too.
    let keeps_private = verdict.programs.iter().any(|program| matches!(program.caching, "yes" | "undecided"));
    let mut steps = Vec::new();
    for dir in &snapshot.caches {
        for entry in dir.entries.iter().filter(|entry| entry.kind == FileKind::File) {
            if let Some(reason) = reason(dir, entry) {
                let unread = !verdict.cache_in_use(&dir.path);
                steps.push(Step { unread, ..step(caller, dir, entry, reason, keeps_private) });
            }
        }
    }
    Plan { steps }
}

/// Why an entry is to be taken; `None` if it stays. Only files with an OpenSC cache
/// name are ever taken: CANs, off-card certificates and strangers have to be named
/// by hand.
fn reason(
    named: &BTreeMap<(&Name, &Name), Vec<Id>>,
    dir: &CacheDir,
    entry: &CacheEntry,
    scope: Scope<'_>,
) -> Option<String> {
    if let Scope::Named(names) = scope {
        return is_named(dir, entry, names).then(|| "it was asked for by name".to_owned());
    }
    let Recognised::Entry(name) = cache_name::parse(&entry.name) else { return None };
    match scope {
        Scope::All => Some("all entries were asked for".to_owned()),
        Scope::Serial(serial) => {
            let of_card = match &name.serial {
                Serial::Text(text) => is_typed(text, serial),
                Serial::Uid(uid) => format!("uid-{}", crate::text::hex(uid)).eq_ignore_ascii_case(serial),
            };
            of_card.then(|| format!("all entries of card {} were asked for", escape(serial.as_bytes())))
        }
        Scope::Stale => {
            let ids = named.get(&(&dir.path, &entry.name))?;
            ids.iter().find(|id| FLUSHED.contains(id)).map(|id| id.name().to_owned())
        }
        Scope::Named(_) => None,
    }
}

/// Is this one of the names or paths? They are typed as they are shown.
#[must_use]
pub fn is_named(dir: &CacheDir, entry: &CacheEntry, names: &[String]) -> bool {
    let path = Name::from(dir.path.as_path().join(entry.name.as_os_str()));
    let typed = |known: &Name, name: &str| known.0 == name.as_bytes() || known.to_string() == name;
    names.iter().any(|name| typed(&entry.name, name) || typed(&path, name))
}

fn step(caller: u32, dir: &CacheDir, entry: &CacheEntry, reason: String, keeps_private: bool) -> Step {
    let recognised = matches!(cache_name::parse(&entry.name), Recognised::Entry(_));
    let private = match (&entry.content, cache_name::parse(&entry.name)) {
        (Content::Withheld(Withheld::Private), _) => true,
        (Content::Withheld(Withheld::Undecided), _) => keeps_private,
        (_, Recognised::Entry(name)) => is_private(&[], &name),
        _ => false,
    };
    let safety = match (private || !recognised, entry.inode.uid == caller) {
        (true, _) => Safety::Unsafe,
        (false, false) => Safety::Guarded,
        (false, true) => Safety::Safe,
    };
    Step {
        // The quarantine takes files out of real directories only.
        directory: dir.real_path(),
        name: entry.name.clone(),
        expect: Precondition::of(entry),
        safety,
        action: if private { Action::Remove } else { Action::Quarantine },
        reason,
        unread: false,
    }
}
