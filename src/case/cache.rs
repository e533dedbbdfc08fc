//! What the rules on the safety of a cache look at: one directory and what lies in it, whatever
//! the cards hold.

use crate::case::crowd::name_entries;
use crate::finding::{Deed, Finding, How, Id, Remedy, Safety, Unasked};
use crate::opensc::Version;
use crate::snapshot::{CacheDir, CacheEntry, User};
use crate::text::{count, escape, shell_word};

/// Entries of no use to a repair that one finding names; somebody may make as many as he likes.
const MOST: usize = 20;

/// One cache directory under judgement.
pub struct CacheCase<'a> {
    /// Whose programs use it.
    pub user: &'a User,
    /// Is the home that it may lie in that user's, and nobody else's?
    pub is_own_home: bool,
    /// The directory.
    pub dir: &'a CacheDir,
    /// The programs that read it today.
    pub programs: Vec<String>,
    /// The programs whose directory it is, whether they cache or not.
    pub opened_by: Vec<String>,
    /// The version of OpenSC, if it is known.
    pub version: Option<Version>,
}

impl CacheCase<'_> {
    /// A finding about the directory, with these entries as evidence and what helps.
    #[must_use]
    pub fn finding(
        &self,
        id: Id,
        (summary, consequence): (String, String),
        entries: &[&CacheEntry],
        remedy: Remedy,
    ) -> Finding {
        let mut finding = Finding::new(id, summary, consequence);
        finding.program.clone_from(&self.programs);
        finding.place = Some(self.dir.path.to_string());
        name_entries(&mut finding, self.dir, entries);
        finding.fix.push(remedy);
        finding
    }

    /// The directory as it is written in a command.
    #[must_use]
    pub fn path(&self) -> String {
        shell_word(&self.dir.path.to_string())
    }

    /// What OpenSC did not put there goes only when it is named: this entry.
    #[must_use]
    pub fn flush_named(&self, what: &str, entry: &CacheEntry) -> Remedy {
        let how = How::FlushEntry(self.dir.path_of(&entry.name).to_string());
        Remedy::new(what, Deed::Move { how, unasked: Unasked::Never }).with(Safety::Unsafe)
    }

    /// What `fix` takes with this consent.
    #[must_use]
    pub fn fix(what: &str, consent: Safety) -> Remedy {
        Remedy::new(what, Deed::Move { how: How::Fix, unasked: Unasked::ByFix }).with(consent)
    }
}

/// Whose a directory or a file is: by name, as far as one of these users has the number. Escaped.
#[must_use]
pub fn owner<'a>(users: impl IntoIterator<Item = &'a User>, uid: u32) -> String {
    let name = users.into_iter().filter(|user| user.uid == uid).find_map(|user| user.name.as_ref());
    match name {
        Some(name) => escape(name.as_bytes()),
        None if uid == 0 => "root".to_owned(),
        None => format!("user {uid}"),
    }
}

/// `3 entries` of a cache.
#[must_use]
pub fn entries(number: usize) -> String {
    count(number, "entry", "entries")
}

/// The first of many entries, and a sentence about the others.
#[must_use]
pub fn few<'a, 'e>(found: &'a [&'e CacheEntry]) -> (&'a [&'e CacheEntry], String) {
    match found.split_at_checked(MOST) {
        Some((few, others)) if !others.is_empty() => (few, format!(" {} are not shown.", others.len())),
        _ => (found, String::new()),
    }
}
