//! What changes something: with nothing to do, with too much asked, and with other people's files.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::stand::{Host, Options, PIN, SO_PIN, Stand};
use crate::support::*;

fn without_card() -> Stand {
    Stand::with(Options { inserted: false, ..Options::default() })
}

const OTHER: &str = "DENK0200999_NODATE_E82B0601040181C31F0201";

/// Files of two SmartCard-HSMs and of other cards, and what is never touched. Gives the names of the latter.
fn full_cache(host: &Host) -> Vec<String> {
    for prefix in [PREFIX, OTHER] {
        put(host, format!("{prefix}_C401"), &description(prefix.as_bytes(), b"\x01"));
        put(host, format!("{prefix}_CE01"), b"\x30\x80");
        put(host, format!("{prefix}_CA4E"), b"with the AID: a CA certificate");
    }
    let apart = [
        "x_20240101120000Z_CA4E".to_owned(),
        "lteid_can".to_owned(),
        "0123456789abcdef".repeat(4),
        "notes.txt".to_owned(),
        ".hidden".to_owned(),
    ];
    for name in &apart {
        put(host, name, b"123456");
    }
    let mut apart = apart.to_vec();
    apart.sort();
    apart
}

#[test]
fn nothing_was_ever_done() {
    let stand = without_card();
    let host = stand.host("alpha");
    let before = tree(host.home());
    let said = human(&host, &["quarantine", "list"]).ok();
    assert!(said.stdout.contains("empty"), "{said}");
    assert_eq!(json(&host, &["quarantine", "list"]).1["operations"], serde_json::json!([]));
    let said = human(&host, &["undo"]).ok();
    assert!(said.stdout.contains("nothing to undo"), "{said}");
    let (code, undone) = json(&host, &["undo"]);
    assert_eq!(
        (code, &undone["changed"], &undone["undo"]["state"]),
        (0, &false.into(), &"nothing-to-undo".into())
    );
    for wrong in ["20200101T000000Z-1", "WRONGID", "../../etc", "\x1b[31m", ""] {
        let said = human(&host, &["undo", wrong]).exits(2);
        assert!(said.stderr.contains("quarantine list"), "{said}");
    }
    for nothing in [&["flush", "--all"][..], &["flush", "--serial", "DENK0000000"]] {
        let said = human(&host, nothing).ok();
        assert!(said.stdout.contains("Nothing to move"), "{said}");
        assert_eq!(json(&host, nothing).1["changed"], false);
    }
    assert_eq!(tree(host.home()), before);
    for (wrong, code) in [("nonsense", 2), ("\x1b[31mred", 2), ("stale-key-id", 0)] {
        let said = human(&host, &["explain", wrong]).exits(code);
        assert!(code == 0 || said.stderr.contains("no finding is called"), "{said}");
    }
    let all = human(&host, &["explain"]).ok();
    assert!(all.stdout.lines().count() >= 13, "{all}");
}

#[test]
fn flush_takes_what_was_named_and_nothing_else() {
    let stand = without_card();
    let host = stand.host("alpha");
    let apart = full_cache(&host);
    let full = host.cache_files();

    let (code, one) = json(&host, &["flush", "--serial", "DENK0200999"]);
    assert_eq!((code, one["operations"][0]["steps"].as_array().unwrap().len()), (0, 3), "{one:#}");
    assert!(host.cache_names().iter().all(|name| !name.starts_with(OTHER)));
    assert_eq!(host.cache_names().len(), apart.len() + 3);
    let (code, again) = json(&host, &["flush", "--serial", "DENK0200999"]);
    assert_eq!((code, &again["changed"]), (0, &false.into()));

    let before = host.cache_files();
    let (code, dry) = json(&host, &["flush", "--all", "--dry-run"]);
    assert_eq!((code, &dry["changed"], &dry["dry_run"]), (0, &true.into(), &true.into()));
    assert_eq!(host.cache_files(), before);
    human(&host, &["flush", "--all"]).ok();
    assert_eq!(host.cache_names(), apart);
    let (code, again) = json(&host, &["flush", "--all", "--unsafe", "--guarded"]);
    assert_eq!((code, &again["changed"]), (0, &false.into()));
    assert_eq!(host.cache_names(), apart);

    // Back, newest first, byte for byte; and once more changes nothing.
    let (_, kept) = json(&host, &["quarantine", "list"]);
    assert_eq!(kept["operations"].as_array().unwrap().len(), 2, "{kept:#}");
    human(&host, &["quarantine", "list"]).ok();
    human(&host, &["undo"]).ok();
    assert_eq!(host.cache_files(), before);
    // Everything that there is, one after the other, until nothing is left.
    while json(&host, &["undo"]).1["undo"]["state"] == "undone" {}
    let (code, twice) = json(&host, &["undo"]);
    assert_eq!(
        (code, &twice["changed"], &twice["undo"]["state"]),
        (0, &false.into(), &"nothing-to-undo".into())
    );
    let first = one["operations"][0]["operation"].as_str().unwrap();
    json(&host, &["undo", first]);
    assert_eq!(host.cache_files(), full);
}

#[test]
fn private_data_needs_a_word_more_and_is_not_kept() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let secret = b"a secret of the owner";
    put(&host, format!("{PREFIX}_CD01"), secret);
    // Said to be private by the entry beside it; by the card; and of a card nobody can tell of.
    put(&host, format!("{PREFIX}_C902"), &data_description("two", true, 0xCF02));
    put(&host, format!("{PREFIX}_CF02"), secret);
    stand.card().tamper(0xC903, Some(&data_description("three", true, 0xCF03)));
    put(&host, format!("{PREFIX}_CF03"), secret);
    put(&host, "0123456789_NODATE_A000000308000010000100_5FC1", secret);
    let private = [
        "0123456789_NODATE_A000000308000010000100_5FC1".to_owned(),
        format!("{PREFIX}_CD01"),
        format!("{PREFIX}_CF02"),
        format!("{PREFIX}_CF03"),
    ];
    let said = human(&host, &["flush", "--all"]).ok();
    assert!(said.stdout.contains("--unsafe"), "{said}");
    assert_eq!(host.cache_names(), private);
    let (code, removed) = json(&host, &["flush", "--all", "--unsafe"]);
    assert_eq!((code, &removed["changed"]), (0, &true.into()));
    assert_eq!(host.cache_names(), Vec::<String>::new());
    let (code, undone) = json(&host, &["undo"]);
    assert_eq!(code, 0, "{undone:#}");
    for name in &private {
        assert!(!host.cache_names().contains(name), "{name} came back: {undone:#}");
    }
    // With caching `public` the other card's file cannot be private.
    put(&host, &private[0], b"public");
    host.caching("public");
    human(&host, &["flush", "--all"]).ok();
    assert_eq!(host.cache_names(), Vec::<String>::new());
}

#[test]
fn other_peoples_files_need_a_word_more() {
    if !Host::can_switch_users() {
        return;
    }
    let stand = without_card();
    let user = stand.host("alpha");
    let apart = full_cache(&user);
    let user = user.for_user(1000);
    std::fs::set_permissions(user.cache(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let before = tree(&user.cache());
    // Root in the user's home, as after sudo.
    let root = stand.host("alpha");
    let said = human(&root, &["flush", "--all"]).exits(2);
    assert!(said.stdout.contains("--guarded") && said.stdout.contains("Nothing was moved"), "{said}");
    assert_eq!(json(&root, &["flush", "--all"]).1["changed"], false);
    assert_eq!(tree(&user.cache()), before);

    let (code, flushed) = json(&root, &["flush", "--all", "--guarded"]);
    assert_eq!((code, &flushed["changed"]), (0, &true.into()), "{flushed:#}");
    assert_eq!(root.cache_names(), apart);
    let operation = flushed["operations"][0]["operation"].as_str().unwrap();
    let said = human(&root, &["quarantine", "list"]).ok();
    assert!(said.stdout.contains(operation), "root does not see what it took: {said}");
    let (code, undone) = json(&root, &["undo"]);
    assert_eq!((code, &undone["changed"]), (0, &true.into()), "{undone:#}");
    let entries = |tree: &std::collections::BTreeMap<Vec<u8>, String>| {
        tree.iter().skip(1).map(|(name, seen)| (name.clone(), seen.clone())).collect::<Vec<_>>()
    };
    assert_eq!(entries(&tree(&user.cache())), entries(&before), "as it was, owner and times too");

    // Files of two owners in one run: each of their quarantines has its part, and one undo brings all back.
    std::os::unix::fs::chown(user.cache().join(format!("{OTHER}_C401")), Some(1001), Some(1001)).unwrap();
    let before = tree(&user.cache());
    let (_, flushed) = json(&root, &["flush", "--all", "--guarded"]);
    assert_eq!(root.cache_names(), apart);
    assert_eq!(flushed["operations"].as_array().unwrap().len(), 2, "{flushed:#}");
    human(&root, &["undo"]).ok();
    let (_, kept) = json(&root, &["quarantine", "list"]);
    assert_eq!(entries(&tree(&user.cache())), entries(&before), "{kept:#}");
    assert_eq!(user.cache().join(format!("{OTHER}_C401")).metadata().unwrap().uid(), 1001);

    // The user's own are the user's own to flush; another's in between stays.
    let said = human(&user, &["flush", "--all"]);
    assert_eq!(user.cache_names().len(), apart.len() + 1, "{said}");
    human(&user, &["undo"]).ok();
}
