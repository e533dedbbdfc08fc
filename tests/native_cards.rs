//! `stalecard` beside a native PKCS#15 card (MyEID), as people use it: the whole story once, what it costs, and
//! that it disturbs nobody.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod stand;

use serde_json::Value;
use stand::{Family, Host, Options, Stand};

fn stand() -> (Stand, Host) {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.personalise();
    (stand, maker)
}

fn findings(host: &Host) -> Vec<(String, String)> {
    let said = host.stalecard(&["check", "--format", "json"]);
    let report: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = report["findings"].as_array().unwrap().iter();
    all.map(|finding| (text(&finding["id"]), text(&finding["summary"]))).collect()
}

fn ids(host: &Host) -> Vec<String> {
    findings(host).into_iter().map(|(id, _)| id).filter(|id| id != "cache-cannot-notice-change").collect()
}

#[test]
fn a_key_that_pkcs15_init_makes_is_hidden_by_its_own_cache() {
    let (_stand, maker) = stand();
    maker.generate_key("ec/prime256v1", "45", "first");
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs15-tool", "-D"]).ok();
    office.run(&["pkcs11-tool", "-O"]).ok();
    assert_eq!(ids(&office), [""; 0]);
    maker.delete_objects("privkey,pubkey", "45");
    maker.generate_key("ec/prime256v1", "47", "second");
    let told = findings(&office);
    let hidden = told.iter().filter(|(id, summary)| id == "hidden-object" && summary.contains("ID 47"));
    let ghosts = told.iter().filter(|(id, summary)| id == "ghost-object" && summary.contains("ID 45"));
    assert_eq!((hidden.count(), ghosts.count()), (2, 2), "{told:#?}");
    // The new key has the old one's file: deleting by the old ID would destroy it.
    let said = office.stalecard(&["check"]);
    assert!(said.stdout.contains("Do not delete or re-initialise by ID 45"), "{said}");
    for command in [&["ls"][..], &["show", "47"]] {
        let said = office.stalecard(command).ok();
        assert!(said.stdout.contains("0154"), "{said}");
    }
    office.stalecard(&["flush"]).ok();
    assert_eq!(ids(&office), [""; 0]);
    assert_eq!(office.run(&["pkcs15-tool", "-D"]).ok().stdout, maker.run(&["pkcs15-tool", "-D"]).ok().stdout);
}

/// The same key ID over another key: the private key looks as before, its public key is the old one.
#[test]
fn a_key_made_anew_under_its_id_has_a_stale_public_key() {
    let (_stand, maker) = stand();
    maker.generate_key("ec/prime256v1", "45", "key");
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs15-tool", "-D"]).ok();
    maker.delete_objects("privkey,pubkey", "45");
    maker.generate_key("ec/prime256v1", "45", "key");
    let told = findings(&office);
    assert_eq!(told[0].0, "stale-public-key", "{told:#?}");
    let said = office.stalecard(&["check"]);
    assert!(said.stdout.contains("CRITICAL  stale-public-key"), "{said}");
    assert!(said.stdout.contains("50155501"), "{said}");
}

#[test]
fn a_renewed_certificate_is_told_with_both_subjects() {
    let (stand, maker) = stand();
    let certificate = |name: &str| {
        let pem = stand.dir().join(format!("{name}.pem"));
        let subject = format!("/CN={name}");
        let command =
            ["openssl", "req", "-x509", "-nodes", "-days", "3650", "-newkey", "rsa:2048", "-subj", &subject];
        maker.run(&[&command[..], &["-keyout", "/dev/null", "-out", pem.to_str().unwrap()]].concat()).ok();
        std::fs::read_to_string(pem).unwrap()
    };
    maker.store_certificate(&certificate("old holder"), "45", "card");
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs11-tool", "-O"]).ok();
    maker.delete_objects("cert", "45");
    maker.store_certificate(&certificate("new holder"), "45", "card");
    let told = findings(&office);
    let stale = told.iter().find(|(id, _)| id == "stale-certificate");
    let (_, summary) = stale.unwrap_or_else(|| panic!("{told:#?}"));
    assert!(summary.contains("CN=old holder") && summary.contains("CN=new holder"), "{summary}");
}

/// As many commands as `pkcs15-tool -D` with an empty cache, plus one file for each public part that it does
/// not read, plus the last look at the counter.
#[test]
fn a_check_costs_no_more_than_a_listing() {
    let (stand, maker) = stand();
    maker.generate_key("ec/prime256v1", "45", "key");
    let count = |run: &dyn Fn()| {
        stand.card().reset_stats();
        run();
        stand.card().stats()
    };
    let theirs = count(&|| drop(maker.run(&["pkcs15-tool", "-D"]).ok()));
    let ours = count(&|| drop(maker.stalecard(&["check"]).ok()));
    assert!(ours.apdus <= theirs.apdus, "ours {ours:?}, theirs {theirs:?}");
    assert_eq!((ours.select_aid, ours.verify, ours.writes), (0, 0, 0), "{ours:?}");
    // No file twice: every SELECT is another one.
    let log = stand.apdu_log();
    let mut selects: Vec<&String> = log
        .iter()
        .rev()
        .take(2 * usize::try_from(ours.apdus).unwrap())
        .filter(|line| line.starts_with("> 00a4"))
        .collect();
    let all = selects.len();
    selects.sort();
    selects.dedup();
    assert_eq!(selects.len(), all);
    assert!(all > 8);
}

/// Two cards with one serial number, one after the other in the same reader.
#[test]
fn two_cards_in_turn_are_told_apart() {
    let (stand, maker) = stand();
    let older = stand.card().first().twin("older");
    // Dates of last update have a resolution of one second.
    let made = last_update(&maker);
    while maker.run(&["date", "-u", "+%Y%m%d%H%M%S"]).stdout.trim() <= made.as_str() {
        std::thread::yield_now();
    }
    maker.erase_application();
    maker.create_pkcs15();
    maker.store_pin();
    maker.run(&["pkcs15-init", "--finalize"]).ok();
    maker.generate_key("ec/prime256v1", "45", "newer");
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs15-tool", "-D"]).ok();
    assert_eq!(ids(&office), [""; 0]);
    stand.card().insert(&older);
    office.run(&["pkcs15-tool", "-D"]).ok();
    assert_eq!(ids(&office), ["shared-identity", "old-generation"]);
}

fn last_update(host: &Host) -> String {
    let listing = host.run(&["pkcs15-tool", "-D"]).stdout;
    let line = listing.lines().find(|line| line.contains("Last update"));
    line.and_then(|line| line.split(": ").nth(1)).unwrap_or_default().trim_end_matches('Z').to_owned()
}
