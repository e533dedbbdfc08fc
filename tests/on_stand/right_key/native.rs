//! A native card (MyEID), on which OpenSC writes whole directories back as it shows them.

use super::*;
use crate::stand;
use crate::stand::{Family, Options, Stand, opensc_version};

/// The IDs of the private keys that the card holds.
fn on_card(maker: &Host) -> Vec<String> {
    let listing = maker.pkcs15_list();
    let mut ids: Vec<String> = listing.private_keys().iter().filter_map(|key| key.id.clone()).collect();
    ids.sort();
    ids
}

/// A key that this host's cache hides is lost with the next one that is made here, and is not after a flush.
#[test]
fn a_hidden_key_is_lost_with_the_next_write_and_not_after_a_flush() {
    for flushed in [false, true] {
        let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
        let maker = stand.host("maker");
        maker.caching("no");
        maker.personalise();
        let office = stand.host("office");
        office.pkcs15_list();
        // From 0.24 on the names of a MyEID's entries count its changes, and nothing is hidden.
        if stalecard::opensc::differences::names_hold_counter(opensc_version()) {
            return;
        }
        maker.generate_key("ec/prime256v1", "45", "made elsewhere");
        assert_eq!(on_card(&maker), ["45"]);

        let (code, report) = check(&office, &[]);
        assert_eq!(code, 1);
        let hidden = finding(&report, "hidden-object");
        let danger = hidden["danger"].as_str().unwrap();
        assert!(danger.starts_with("Write nothing to this card from this host before the flush"), "{danger}");
        assert!(hidden["consequence"].as_str().unwrap().contains("deletes its description"), "{hidden:#}");
        let said = office.stalecard(&["explain", "hidden-object"]).ok();
        assert!(said.stdout.contains("write nothing to the card from this host before the flush"), "{said}");

        if flushed {
            office.stalecard(&["flush"]).ok();
        }
        office.generate_key("ec/prime256v1", "46", "made here");
        let left: &[&str] = if flushed { &["45", "46"] } else { &["46"] };
        assert_eq!(on_card(&maker), left);
    }
}

/// A change of a label that this host does not show is undone by what it writes next.
#[test]
fn what_a_stale_directory_hides_is_written_back() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.personalise();
    maker.generate_key("ec/prime256v1", "45", "before");
    let office = stand.host("office");
    office.pkcs15_list();
    if stalecard::opensc::differences::names_hold_counter(opensc_version()) {
        return;
    }
    maker.change_label("privkey", "45", "after");
    let (_, report) = check(&office, &[]);
    let danger = finding(&report, "stale-object")["danger"].as_str().unwrap().to_owned();
    assert!(danger.contains("Write nothing to this card"), "{danger}");
    office.generate_key("ec/prime256v1", "46", "made here");
    let labels: Vec<String> =
        maker.pkcs15_list().private_keys().iter().map(|key| key.label.clone()).collect();
    assert!(labels.contains(&"before".to_owned()) && !labels.contains(&"after".to_owned()), "{labels:?}");
}

/// On a card whose files are one to an object nothing but the object itself is written.
#[test]
fn there_is_no_such_danger_where_every_object_has_its_file() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM", stand::PIN, stand::SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &[]);
    alpha.pkcs15_list();
    let name = alpha.cache_names().into_iter().find(|name| name.ends_with("_C401")).unwrap();
    std::fs::write(alpha.cache().join(name), b"").unwrap();
    let (_, report) = check(&alpha, &[]);
    assert!(finding(&report, "hidden-object")["danger"].is_null(), "{report:#}");
}

/// Ordinary deletion elsewhere: the card says that the key's file is gone, so nothing is undecided, and the flush is safe.
#[test]
fn a_key_deleted_elsewhere_is_a_ghost_and_not_undecided() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.personalise();
    maker.generate_key("ec/prime256v1", "45", "old");
    let office = stand.host("office");
    office.pkcs15_list();
    if stalecard::opensc::differences::names_hold_counter(opensc_version()) {
        return;
    }
    maker.generate_key("ec/prime256v1", "46", "new");
    maker.delete_objects("privkey,pubkey", "45");

    let (code, report) = check(&office, &[]);
    assert_eq!(code, 1);
    let told = told(&report);
    assert!(told.iter().all(|[id, _, safety]| id != "public-key-undecided" && safety == "safe"), "{told:?}");
    finding(&report, "ghost-object");
    finding(&report, "hidden-object");
    office.stalecard(&["fix"]).ok();
    assert_eq!(check(&office, &[]).0, 0);
    assert_eq!(on_card(&office), ["46"]);
}

/// A host that does not see a key writes the directory without it, and its file stays, without a description: the cache has
/// the last copy of that.
#[test]
fn a_key_whose_file_is_still_on_the_card_is_not_flushed_as_a_ghost() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.personalise();
    let blind = stand.host("blind");
    blind.pkcs15_list();
    if stalecard::opensc::differences::names_hold_counter(opensc_version()) {
        return;
    }
    maker.generate_key("ec/prime256v1", "45", "first");
    let office = stand.host("office");
    office.pkcs15_list();
    blind.generate_key("ec/prime256v1", "46", "second");
    assert_eq!(on_card(&maker), ["46"]);

    let (code, report) = check(&office, &[]);
    assert_eq!(code, 1);
    let undecided = finding(&report, "public-key-undecided");
    assert_eq!(undecided["safety"], "guarded");
    let summary = undecided["summary"].as_str().unwrap();
    assert!(
        summary.contains("\"first\"") && summary.ends_with("the key's file is still on the card."),
        "{summary}"
    );
    // No signature can be had of it, and nothing says so.
    let commands: Vec<_> = undecided["fix"].as_array().unwrap().iter().map(|fix| &fix["command"]).collect();
    assert_eq!(commands, ["stalecard flush --guarded"]);
    let pin = office.scratch("pin", stand::PIN.as_bytes());
    let verify = office.stalecard(&["verify", "--pin-file", pin.to_str().unwrap()]);
    assert_eq!(verify.code(), 3, "{verify}");
    assert!(
        verify.stdout.contains("key 45") && !verify.stdout.contains("The key is proved sound."),
        "{verify}"
    );
    // What the card has been asked is in a snapshot, too.
    let file = stand.dir().join("snapshot.json");
    office.stalecard(&["snapshot", "-o", file.to_str().unwrap()]).ok();
    let (_, again) = check(&office, &["--snapshot", file.to_str().unwrap()]);
    assert!(
        finding(&again, "public-key-undecided")["summary"].as_str().unwrap().contains("still on the card")
    );
}

/// The key's own public key and another key's certificate under one ID: the card is wrong, whatever is cached.
#[test]
fn a_foreign_certificate_beside_the_own_public_key_is_told_of_the_card_and_not_of_the_cache() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.personalise();
    maker.generate_key("ec/prime256v1", "46", "key");
    let foreign = maker.scratch("foreign", &maker.foreign_certificate("foreign"));
    maker
        .pkcs15_init(&[
            "--store-certificate",
            foreign.to_str().unwrap(),
            "--format",
            "der",
            "--id",
            "46",
            "--auth-id",
            "01",
        ])
        .ok();
    let office = stand.host("office");
    for cached in [false, true] {
        if cached {
            office.pkcs15_list();
        }
        let (code, report) = check(&office, &[]);
        assert_eq!((code, told(&report).len()), (1, 1), "{report:#}");
        let mismatch = finding(&report, "certificate-key-mismatch");
        assert!(mismatch["summary"].as_str().unwrap().contains("contradict each other"), "{mismatch:#}");
        assert_eq!(mismatch["fix"][0]["command"].as_str().unwrap().split(' ').nth(1), Some("verify"));
        let pin = office.scratch("pin", stand::PIN.as_bytes());
        let verify = office.stalecard(&["verify", "--pin-file", pin.to_str().unwrap(), "--format", "json"]);
        let proof = document(&verify);
        assert_eq!(proof["keys"][0]["conclusion"], "wrong-certificate", "{proof:#}");
        assert_eq!(told(&proof).len(), 1, "{proof:#}");
        assert_eq!(told(&proof)[0][0], "certificate-key-mismatch");
    }
}

/// On a PIV card a certificate is all that tells of a key: without it nobody can ask the slot, and nothing says that it did.
#[test]
fn a_slot_whose_certificate_is_gone_is_not_proved_sound() {
    // One that does not tell which keys it has.
    let switches = [&stand::YUBIKEY[..], &["--strict"]].concat();
    let stand = Stand::with(Options { family: Family::Piv, switches: &switches, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.piv(&["-a", "set-chuid"]).ok();
    maker.piv_renew("9a", "ECCP256", "one");
    maker.piv_renew("9c", "ECCP256", "two");
    let office = stand.host("office");
    office.pkcs15_list();
    maker.piv(&["-a", "delete-certificate", "-s", "9a"]).ok();
    let (_, report) = check(&office, &[]);
    let undecided = finding(&report, "public-key-undecided");
    assert!(undecided["fix"].to_string().contains("no signature decides it"), "{undecided:#}");
    assert!(!undecided["fix"].to_string().contains("stalecard verify"), "{undecided:#}");
    let pin = office.scratch("pin", stand::PIV_PIN.as_bytes());
    let verify = office.stalecard(&["verify", "--pin-file", pin.to_str().unwrap()]);
    assert_eq!(verify.code(), 3, "{verify}");
    assert!(!verify.stdout.contains("The key is proved sound."), "{verify}");
}
