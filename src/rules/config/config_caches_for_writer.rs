//! `config-caches-for-writer`: a tool that changes cards reads them from its cache
//!
//! `pkcs15-init` reads the directories of a card before it writes to them. From a
//! cache it reads old ones: a PIN that it has just stored is not there,
//! `--generate-key` fails with "Requested object not found", and what it then
//! writes may take objects off the card. Its cache is on because the configuration
//! switches caching on for all programs, or for it. The file that Red Hat ships
//! keeps it off with a block of its own, `app pkcs15-init`. It is said where the
//! file is judged by itself (`config lint`), and by `check` where a card is there
//! that it can harm: one whose lists are files that `pkcs15-init` writes back, and
//! that does not signal change to this OpenSC.
//!
//! Cure: `stalecard config disable-cache --app pkcs15-init`; other programs go on
//! as they did.

use crate::case::config::ConfigCase;
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::opensc::program::PKCS15_INIT;
use crate::opensc::{Caching, Outcome};

/// Applies the rule to one configuration.
pub fn apply(case: &ConfigCase<'_>, sink: &mut Vec<Finding>) {
    if !case.harms {
        return;
    }
    let mut writers = case.rows.iter().filter(|row| row.program.app_name.eq_ignore_ascii_case(PKCS15_INIT));
    // With a card that nothing but this setting caches.
    let caches = writers.find_map(|row| match &row.other {
        Outcome::Runs(effective) if matches!(effective.caching, Caching::Public | Caching::All) => {
            Some((row, effective.use_file_caching.as_ref()?))
        }
        Outcome::Runs(_) | Outcome::Crashes(_) => None,
    });
    let Some((row, written)) = caches else { return };
    let mut finding = case.finding(
        Id::ConfigCachesForWriter,
        vec![row.program.label.clone()],
        format!("{} caches, and it changes cards.", row.program.label),
        "It reads old directories before it writes: it does not find what it has just made (\"Requested object not \
         found\"), and may take objects off the card."
            .to_owned(),
    );
    finding.evidence.push(case.source(&written.at.range(), "decides for it, too", None));
    let what = format!("gives {PKCS15_INIT} a block of its own");
    finding.fix.push(Remedy::new(what, Deed::SwitchCachingOffFor(PKCS15_INIT)));
    sink.push(finding);
}
