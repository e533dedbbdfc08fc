//! `foreign-owner`: a cache directory or an entry belongs to somebody else
//!
//! OpenSC that was run through `sudo` with the user's `HOME` leaves files of root
//! in the user's cache. The user's own programs read and believe them, but can
//! never refresh them: they stay stale until somebody removes them. A whole
//! directory that belongs to another user is worse: its owner decides what is
//! shown.
//!
//! Cure for entries: `stalecard fix --guarded` moves them to the quarantine;
//! OpenSC fetches them from the card again. Cure for a directory that root left in
//! the user's own home: give it back with `chown`. One of anybody else stays that
//! user's: start the programs with their own `HOME`, or have its owner take it away.

use crate::case::cache::{self, CacheCase, entries};
use crate::finding::{Deed, Finding, Id, Remedy, Safety};
use crate::snapshot::{CacheEntry, CacheOrigin, Content, DirState, FileKind, Withheld};

/// Applies the rule to one cache directory.
pub fn apply(case: &CacheCase<'_>, sink: &mut Vec<Finding>) {
    let DirState::Present(inode) = &case.dir.state else { return };
    let in_a_home =
        matches!(case.dir.origin, CacheOrigin::Default | CacheOrigin::Former | CacheOrigin::Sandbox);
    let (owner, user) = (inode.uid, case.user.uid);
    let name = |uid: u32| cache::owner([case.user], uid);
    if in_a_home && owner != user {
        let texts = (
            format!("{} belongs to {}, not to {}.", case.dir.path, name(owner), name(user)),
            "Its owner decides what OpenSC shows; the user's own programs cannot refresh it.".to_owned(),
        );
        // What root's programs left in somebody's own home is that user's; what anybody else has is never taken away.
        let is_left_by_root = owner == 0 && case.is_own_home;
        let fix = if is_left_by_root {
            let deed = Deed::ChangeOwner(user, case.dir.path.to_string());
            Remedy::new("give the directory to the user", deed)
        } else {
            Remedy::by_hand(format!(
                "start programs of {} with a HOME of their own, or ask {} to take the directory away",
                name(user),
                name(owner)
            ))
        };
        let mut finding = case.finding(Id::ForeignOwner, texts, &[], fix);
        finding.safety = Safety::Manual;
        sink.push(finding);
    }
    // In a sticky directory that several users share, each refreshes his own.
    let is_own = |uid: u32| uid == owner || inode.mode & 0o1000 != 0 && uid == user;
    let foreign = |entry: &&CacheEntry| entry.kind == FileKind::File && !is_own(entry.inode.uid);
    let foreign: Vec<&CacheEntry> = case.dir.entries.iter().filter(foreign).collect();
    if foreign.is_empty() {
        return;
    }
    let texts = (
        format!("{} holds {} of another owner than its own.", case.dir.path, entries(foreign.len())),
        "OpenSC believes what is in them, but the user's programs cannot refresh it.".to_owned(),
    );
    // A repair removes private data, with consent to that alone, and takes what is no copy of a card's file by name alone.
    let is_private = |entry: &CacheEntry| entry.content == Content::Withheld(Withheld::Private);
    let copies = || foreign.iter().filter(|entry| entry.name.of_copy().is_some());
    let (fix, safety) = match foreign.first() {
        Some(first) if copies().next().is_none() => {
            (case.flush_named("move it to the quarantine", first), Safety::Unsafe)
        }
        _ if copies().all(|entry| is_private(entry)) => {
            (CacheCase::fix("remove them, keeping nothing", Safety::Unsafe), Safety::Unsafe)
        }
        _ => (CacheCase::fix("move them to the quarantine", Safety::Guarded), Safety::Guarded),
    };
    let mut finding = case.finding(Id::ForeignOwner, texts, &foreign, fix);
    finding.safety = safety;
    sink.push(finding);
}
