//! Both views against both tools, line by line.

use crate::printed::{self, without_paths};
use crate::stand::listing::{Pkcs11Listing, Pkcs15Listing};
use crate::stand::{Host, opensc_version};
use stalecard::finding::Finding;
use stalecard::judge::{judge, tokens};
use stalecard::opensc::Version;
use stalecard::snapshot::Snapshot;
use stalecard::verdict::Verdict;
use stalecard::view::View;

#[track_caller]
pub fn same_as_pkcs15(what: &str, view: &View, version: Version, listing: &str) {
    assert_eq!(view.unknown, [], "{what}");
    let listing = Pkcs15Listing::parse(listing).unwrap_or_else(|| panic!("{what}: no card in {listing}"));
    let (ours, theirs) =
        (without_paths(printed::expected_pkcs15(view, version)), without_paths(printed::pkcs15(&listing)));
    assert!(
        ours == theirs,
        "{what}: stalecard says\n{}\nOpenSC\n{}",
        differing(&ours, &theirs),
        differing(&theirs, &ours)
    );
}

#[track_caller]
pub fn same_as_pkcs11(what: &str, view: &View, version: Version, login: bool, listing: &str) {
    same_objects(what, &printed::expected_pkcs11(view, login, version), listing);
}

/// Of the tokens of one card, this one.
#[track_caller]
pub fn same_objects(what: &str, ours: &[String], listing: &str) {
    let theirs = printed::pkcs11(&Pkcs11Listing::parse(listing));
    assert!(
        ours == theirs,
        "{what}: stalecard says\n{}\nOpenSC\n{}",
        differing(ours, &theirs),
        differing(&theirs, ours)
    );
}

/// The lines, those that the other side has not, marked.
fn differing(lines: &[String], others: &[String]) -> String {
    lines.iter().map(|line| format!("{} {line}\n", if others.contains(line) { ' ' } else { '!' })).collect()
}

pub fn snapshot(host: &Host) -> Snapshot {
    let before = host.cache_files();
    let output = host.stalecard(&["snapshot"]);
    assert_eq!(output.code(), 0, "{output}");
    assert_eq!(host.cache_files(), before, "stalecard has changed the cache");
    serde_json::from_str(&output.stdout).unwrap()
}

/// Looks first, then holds both views against the tools, each on a copy of the cache of its own.
#[track_caller]
pub fn both_views_hold(host: &Host) -> Verdict {
    let snapshot = snapshot(host);
    let cases = tokens(&snapshot).cases;
    assert_eq!(cases.len(), 1, "{:#?}", snapshot.coverage);
    let case = &cases[0];
    let cache_view = case.cache_views.iter().find(|cache_view| cache_view.in_use()).expect("a cache in use");
    let (live, version) = (host.live(), opensc_version());
    let list15 = |host: &Host| host.run(&["pkcs15-tool", "-D"]).ok().stdout;
    same_as_pkcs15("live, pkcs15-tool -D", &case.live, version, &list15(&live));
    same_as_pkcs15(
        "through the cache, pkcs15-tool -D",
        &cache_view.shown,
        version,
        &list15(&host.with_cache_copy()),
    );
    for login in [false, true] {
        let list11 = |host: &Host| {
            if login { host.pkcs11_login(&["-O"]) } else { host.run(&["pkcs11-tool", "-O"]) }.ok().stdout
        };
        same_as_pkcs11("live, pkcs11-tool -O", &case.live, version, login, &list11(&live));
        same_as_pkcs11(
            "through the cache, pkcs11-tool -O",
            &cache_view.shown,
            version,
            login,
            &list11(&host.with_cache_copy()),
        );
    }
    judge(&snapshot)
}

pub fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{} {}\n", finding.id.name(), finding.summary)).collect()
}
