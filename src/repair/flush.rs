//! What a flush takes out of the caches: a plan, not yet an action.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Finding, Safety, Unasked};
use crate::naming::is_serial;
use crate::snapshot::{ByteString, CacheDir, CacheEntry, Content, FileKind, Snapshot, Withheld};
use crate::text::{escape, shell_word};
use crate::verdict::Verdict;
use crate::view::is_private;

use super::reason::Reason;
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

/// Plans a flush by the user with the number `caller`.
#[must_use]
pub fn flush_plan(snapshot: &Snapshot, verdict: &Verdict, scope: Scope<'_>, caller: u32) -> Plan {
    let named = verdict.by_file();
    plan(snapshot, verdict, caller, |dir, entry| due(&named, dir, entry, scope))
}

/// What of a flush a person has to do, each with the reason: entries that were asked for and are no regular files.
#[must_use]
pub fn by_hand(snapshot: &Snapshot, verdict: &Verdict, scope: Scope<'_>, caller: u32) -> Vec<(Step, String)> {
    if scope == Scope::Stale {
        return Vec::new();
    }
    let named = verdict.by_file();
    let mut left = Vec::new();
    for dir in &snapshot.caches {
        for entry in dir.entries.iter().filter(|entry| entry.kind != FileKind::File) {
            if let Some(due) = due(&named, dir, entry, scope) {
                let path = shell_word(&dir.path_of(&entry.name).to_string());
                let why = format!(
                    "{} is {}, and only regular files are moved; look at it with `ls -ld {path}`, then remove it by hand",
                    entry.name,
                    entry.kind.words()
                );
                left.push((step(caller, dir, entry, due, false), why));
            }
        }
    }
    left
}

/// Plans what the findings on cache entries call for. What needs a decision of the user (a card
/// access number, a file that is not OpenSC's) is never in it.
#[must_use]
pub fn fix_plan(snapshot: &Snapshot, verdict: &Verdict, caller: u32) -> Plan {
    let named = verdict.by_file();
    plan(snapshot, verdict, caller, |dir, entry| {
        entry.name.of_copy()?;
        called_for(named.get(&(&dir.path, entry.name.bytes()))?, Unasked::ByFix)
    })
}

fn plan(
    snapshot: &Snapshot,
    verdict: &Verdict,
    caller: u32,
    due: impl Fn(&CacheDir, &CacheEntry) -> Option<Due>,
) -> Plan {
    // With caching `yes` OpenSC keeps what it read after the PIN, too.
    let keeps_private = verdict.programs.iter().any(|program| program.caching.may_keep_private());
    // What OpenSC reads without a PIN is public.
    let of_asked =
        snapshot.asks.iter().flat_map(|ask| ask.files.iter().map(move |file| (&ask.directory, file)));
    let public: BTreeSet<(&ByteString, &ByteString)> = of_asked
        .filter(|(_, file)| file.against.is_some() || file.content.is_some())
        .filter_map(|(directory, file)| Some((directory.as_ref()?, file.name.bytes())))
        .collect();
    let mut steps = Vec::new();
    for dir in &snapshot.caches {
        for entry in dir.entries.iter().filter(|entry| entry.kind == FileKind::File) {
            if let Some(due) = due(dir, entry) {
                let unread = !verdict.cache_in_use(&dir.path);
                let keeps_private = keeps_private && !public.contains(&(&dir.path, entry.name.bytes()));
                steps.push(Step { unread, ..step(caller, dir, entry, due, keeps_private) });
            }
        }
    }
    Plan { steps }
}

/// Why an entry is to be taken, and what that alone takes to be allowed.
type Due = (Reason, Safety);

/// What the findings on an entry call for. One that may be all that is left of a right public key stays, and one of which
/// nobody can tell goes with consent only.
fn called_for(findings: &[&Finding], by: Unasked) -> Option<Due> {
    if findings.iter().any(|finding| finding.holds_its_entries()) {
        return None;
    }
    let finding = findings.iter().find(|finding| finding.is_moved(by))?;
    let is_in_doubt = findings.iter().any(|finding| finding.is_in_doubt());
    let safety = if is_in_doubt { Safety::Guarded } else { Safety::Safe };
    Some((Reason::Found(finding.id), safety))
}

/// Why an entry is to be taken; `None` if it stays. Only files with an OpenSC cache
/// name are ever taken: CANs, off-card certificates and strangers have to be named
/// by hand.
fn due(
    named: &BTreeMap<(&ByteString, &ByteString), Vec<&Finding>>,
    dir: &CacheDir,
    entry: &CacheEntry,
    scope: Scope<'_>,
) -> Option<Due> {
    let found = named.get(&(&dir.path, entry.name.bytes())).map(Vec::as_slice).unwrap_or_default();
    // Who read it has to be told of later: why it was wrong says more than that somebody asked for it.
    let asked = |words: &str| -> Due {
        let found = found.iter().map(|finding| Reason::Found(finding.id)).find(Reason::was_ever_stale);
        let reason = found.unwrap_or_else(|| Reason::Asked(words.to_owned()));
        (reason, Safety::Safe)
    };
    if let Scope::Named(names) = scope {
        return is_named(dir, entry, names).then(|| asked("it was asked for by name"));
    }
    let name = entry.name.of_copy()?;
    match scope {
        Scope::All => Some(asked("all entries were asked for")),
        Scope::Serial(serial) => is_serial(&name.serial.text(), serial)
            .then(|| asked(&format!("all entries of card {} were asked for", escape(serial.as_bytes())))),
        Scope::Stale => called_for(found, Unasked::ByFlush),
        Scope::Named(_) => None,
    }
}

/// Is this one of the names or paths? They are typed as they are shown.
#[must_use]
pub fn is_named(dir: &CacheDir, entry: &CacheEntry, names: &[String]) -> bool {
    let path = dir.path_of(&entry.name);
    let typed = |known: &ByteString, name: &str| known.0 == name.as_bytes() || known.to_string() == name;
    names.iter().any(|name| typed(&entry.name, name) || typed(&path, name))
}

fn step(caller: u32, dir: &CacheDir, entry: &CacheEntry, due: Due, keeps_private: bool) -> Step {
    let (reason, at_least) = due;
    let copy = entry.name.of_copy();
    let private = match (&entry.content, copy) {
        (Content::Withheld(Withheld::Private), _) => true,
        (Content::Withheld(Withheld::Undecided), _) => keeps_private,
        (_, copy) => copy.is_some_and(|name| is_private(&[], name)),
    };
    let safety = match (private || copy.is_none(), entry.inode.uid == caller) {
        (true, _) => Safety::Unsafe,
        (false, false) => Safety::Guarded,
        (false, true) => Safety::Safe,
    };
    Step {
        // The quarantine takes files out of real directories only.
        directory: dir.real_path(),
        name: entry.name.bytes().clone(),
        expect: Precondition::of(entry),
        safety: safety.max(at_least),
        action: if private { Action::Remove } else { Action::Quarantine },
        reason,
        unread: false,
    }
}
