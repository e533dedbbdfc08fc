//! A native card (MyEID), on which OpenSC writes whole directories back as it shows them.

use super::*;
use stand::{Family, Options, Stand, opensc_version};

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
