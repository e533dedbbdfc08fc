//! `config-differs-between-programs`: programs of one host cache differently
//!
//! Every program may have an `app` block of its own. Then `pkcs15-tool` may show a
//! key as it is on the card while every PKCS#11 application shows an old one, or
//! the reverse, and what is found with one program says nothing about another. It
//! is a risk, not a mistake by itself. That a tool which changes cards does not
//! cache while the others do is right, and not reported: so is the file that Red
//! Hat ships, in which caching is on for all programs except `pkcs15-init`.
//!
//! Cure: one `framework pkcs15` block, in `app default`, and beside it none but
//! the ones that keep such tools from caching.

use crate::case::config::{ConfigCase, Row, labels};
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::opensc::config::Written;
use crate::opensc::{CacheLocation, Caching, Effective, Outcome};

/// Programs that do the same.
struct Group<'a> {
    rows: Vec<&'a Row>,
    effective: [&'a Effective; 2],
}

/// Applies the rule to one configuration.
pub fn apply(case: &ConfigCase<'_>, sink: &mut Vec<Finding>) {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for row in &case.rows {
        let (Outcome::Runs(other), Outcome::Runs(listed)) = (&row.other, &row.listed) else { continue };
        let effective = [&**other, &**listed];
        // What is not known is not different.
        if effective.iter().any(|effective| matches!(effective.caching, Caching::Undecided(_))) {
            continue;
        }
        // A guard.
        if row.program.is_writer() && effective.iter().all(|effective| effective.caching == Caching::No) {
            continue;
        }
        match groups.iter_mut().find(|group| does(&group.effective) == does(&effective)) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { rows: vec![row], effective }),
        }
    }
    if groups.len() < 2 {
        return;
    }
    let parts: Vec<String> = groups.iter().map(|group| describe(case, group)).collect();
    let mut finding = case.finding(
        Id::ConfigDiffersBetweenPrograms,
        labels(groups.iter().flat_map(|group| group.rows.iter().copied())),
        format!("Programs of this host cache differently: {}.", parts.join("; ")),
        "One program may show what another does not: what is seen with one says nothing about the other."
            .to_owned(),
    );
    for group in &groups {
        let [other, _] = group.effective;
        let written = other.use_file_caching.as_ref().or(other.file_cache_dir.as_ref());
        let at = written.map(|written| written.at).or(other.block.as_ref().map(|block| block.at));
        if let Some(at) = at {
            let who = format!("decides for {}", case.who(&labels(group.rows.iter().copied())));
            finding.evidence.push(case.source(&at.range(), &who, None));
        }
    }
    finding.fix.push(Remedy::new(
        "keep one framework pkcs15 block, in app default, beside those that keep tools like pkcs15-init from caching, \
         unless the difference is meant",
        Deed::EditConfiguration,
    ));
    sink.push(finding);
}

/// What a group has in common: caching with either kind of card, and where it caches if it does.
fn does<'a>(effective: &[&'a Effective; 2]) -> [(&'a Caching, Option<&'a CacheLocation>); 2] {
    effective.map(|one| (&one.caching, (one.caching != Caching::No).then_some(&one.cache_dir)))
}

fn describe(case: &ConfigCase<'_>, group: &Group<'_>) -> String {
    let who = case.who(&labels(group.rows.iter().copied()));
    let [other, listed] = group.effective;
    let word = |effective: &Effective| match &effective.caching {
        Caching::No => "off",
        Caching::Public => "on (public)",
        Caching::All => "on",
        Caching::Undecided(_) => "undecided",
    };
    let caching = if other.caching == listed.caching {
        word(other).to_owned()
    } else {
        format!("{}, {} for cards that are cached by default", word(other), word(listed))
    };
    let dir = match (&other.file_cache_dir, &listed.caching) {
        (_, Caching::No) => String::new(),
        (Some(written @ Written { value: Some(_), .. }), _) => format!(" in {}", ConfigCase::value(written)),
        _ => " in the default directory".to_owned(),
    };
    format!("{who}: {caching}{dir}")
}
