//! What the rules on the safety of a cache look at: one directory and what lies in it, whatever
//! the cards hold.

use crate::case::token::file_evidence;
use crate::finding::{Evidence, Finding, Fix, Id};
use crate::snapshot::{CacheDir, CacheEntry, Name, User};
use crate::text::{count, shell_word};

/// Entries of no use to a repair that one finding names; somebody may make as many as he likes.
const MOST: usize = 20;

/// One cache directory under judgement.
pub struct CacheCase<'a> {
    /// Whose programs use it.
    pub user: &'a User,
    /// The directory.
    pub dir: &'a CacheDir,
    /// The programs that read it today.
    pub programs: Vec<String>,
}

impl CacheCase<'_> {
    /// A finding about the directory, with these entries as evidence and the command that helps.
    #[must_use]
    pub fn finding(
        &self,
        id: Id,
        (summary, consequence): (String, String),
        entries: &[&CacheEntry],
        (what, command): (String, Option<String>),
    ) -> Finding {
        let mut finding = Finding::new(id, summary, consequence);
        finding.program.clone_from(&self.programs);
        finding.evidence = entries
            .iter()
            .map(|entry| Evidence { file: Some(file_evidence(self.dir, entry, None)), ..Evidence::default() })
            .collect();
        finding.fix.push(Fix { what, command });
        finding
    }

    /// The directory as it is written in a command.
    #[must_use]
    pub fn path(&self) -> String {
        shell_word(&self.dir.path.to_string())
    }

    /// The command that takes just these entries out, or the first if there are more.
    #[must_use]
    pub fn flush_named(&self, entries: &[&CacheEntry], options: &str) -> Option<String> {
        let first = entries.first()?;
        let path = Name::from(self.dir.path.as_path().join(first.name.as_os_str()));
        Some(format!("stalecard flush {} {options}", shell_word(&path.to_string())))
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
