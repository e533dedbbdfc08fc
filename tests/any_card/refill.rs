//! `--refill`: after a flush the next listing is neither stale nor slow. What is put into the cache is what the real tools
//! write there, whatever the card; an undo takes it away again; what is private is not put there; and where the card cannot be
//! asked, the flush stands.

use super::*;
use crate::stand::{Family, Options, PIN, SO_PIN, YUBIKEY};
use std::collections::BTreeSet;

/// How many commands `pkcs15-tool -D` sends the card on this host.
pub fn cost(stand: &Stand, host: &Host) -> u64 {
    stand.card().reset_stats();
    host.run(&["pkcs15-tool", "-D"]);
    stand.card().stats().apdus
}

/// The same, word for word.
pub fn view(host: &Host) -> String {
    host.run(&["pkcs15-tool", "-D"]).stdout
}

/// What it costs when the cache is warm, and what is shown with a new one: another host with the same settings, which lists
/// twice.
pub fn warm(stand: &Stand, host: &Host) -> (u64, String) {
    let other = host.with_cache_copy();
    for name in other.cache_names() {
        std::fs::remove_file(other.cache().join(name)).unwrap();
    }
    let shown = view(&other);
    (cost(stand, &other), shown)
}

/// The names of what was put in place.
pub fn placed(report: &Value) -> BTreeSet<String> {
    let entries = report["refilled"]["entries"].as_array().unwrap().iter();
    let placed = entries.filter(|entry| entry["outcome"] == "placed");
    placed.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

/// Flushes a stale cache with `--refill`: rehearsed, done, taken back byte for byte, and done again. Then the next listing is as
/// cheap as one with a warm cache, shows the card, and finds nothing to write.
pub fn is_filled_anew(stand: &Stand, host: &Host, command: &[&str]) {
    let before = everything(&host.cache());
    let rights = rights(host);
    let run = |more: &[&str]| {
        let output = ours(host, &[command, &["--refill", "--format", "json"], more].concat());
        (document(&output), output)
    };
    let (dry, output) = run(&["--dry-run"]);
    output.ok();
    assert_eq!(everything(&host.cache()), before, "a rehearsal changed the cache");
    let (report, output) = run(&[]);
    assert_eq!(report["refilled"]["left"], serde_json::json!([]), "{output}");
    let put = placed(&report);
    assert_eq!(placed(&dry), put, "{output}");
    assert!(!put.is_empty(), "{output}");
    let filled = host.cache_files();
    for name in &put {
        assert!(filled.contains_key(name), "{name}");
    }
    // All of it goes back with one undo, by whatever name.
    let operation = report["refilled"]["operations"][0].as_str().unwrap();
    ours(host, &["undo", "--dry-run", operation]).ok();
    ours(host, &["undo", operation]).ok();
    assert_eq!(content(&everything(&host.cache())), content(&before), "{output}");
    let (again, output) = run(&[]);
    assert_eq!((placed(&again), host.cache_files()), (put, filled.clone()), "{output}");
    assert_eq!(left_behind(stand), Vec::<String>::new());
    // Nothing is left to be done.
    let (idle, output) = run(&[]);
    assert_eq!(
        (&idle["changed"], host.cache_files()),
        (&serde_json::json!(false), filled.clone()),
        "{output}"
    );
    for (name, mode) in self::rights(host) {
        assert!(rights.values().any(|known| *known == mode), "{name}: {mode:o}");
    }

    let (warm, new) = warm(stand, host);
    assert_eq!(cost(stand, host), warm, "a listing with a warm cache costs {warm}\n{output}");
    assert_eq!(host.cache_files(), filled, "the listing had something to write");
    assert_eq!(view(host), new, "{output}");
    // With caching off OpenSC prints other paths of a PIV card's certificates.
    assert!(new == view(&host.live()) || new.contains("piv_II"), "{output}");
}

fn content(all: &BTreeMap<String, (u64, Vec<u8>)>) -> BTreeMap<&String, &Vec<u8>> {
    all.iter().map(|(name, (_, content))| (name, content)).collect()
}

fn rights(host: &Host) -> BTreeMap<String, u32> {
    use std::os::unix::fs::MetadataExt;
    let of = |name: String| {
        let found = std::fs::symlink_metadata(host.cache().join(&name)).unwrap();
        (name, found.mode() & 0o7777)
    };
    host.cache_names().into_iter().map(of).collect()
}

#[test]
fn a_card_that_is_not_read_here_is_listed_as_quickly_as_before() {
    // Nothing of a JPKI card is cached; the entries of a CAC are not what serves it (below).
    for kind in kinds().filter(|kind| !matches!(kind, Kind::Cac | Kind::Jpki)) {
        let (stand, mut card) = Stand::with_file_card(kind, &["one", "two"]);
        let host = host(&stand);
        host.caching("public");
        host.pkcs15_list();
        card.renew(0, 40);
        println!("{kind:?}");
        is_filled_anew(&stand, &host, &["flush"]);
        assert_eq!(shown(&host.pkcs15_list()), real(&card), "{kind:?}");
        check(&host, &[]).0.ok();
    }
}

#[test]
fn a_certificate_that_came_and_one_that_went_are_filled_in_by_fix() {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("yes");
    host.pkcs15_list();
    assert!(card.add("three"));
    is_filled_anew(&stand, &host, &["fix"]);
    assert!(card.remove(2));
    is_filled_anew(&stand, &host, &["fix"]);
    assert_eq!(shown(&host.pkcs15_list()), real(&card));
}

/// What grows at each reading and is not answered from is not put there.
#[test]
fn what_would_ripen_is_left_to_opensc() {
    if stand::opensc_version() < Version::of(24) {
        return;
    }
    let (stand, mut card) = Stand::with_file_card(Kind::Cac, &["one", "two"]);
    let host = host(&stand);
    host.configure("");
    for _ in 0..8 {
        host.pkcs15_list();
    }
    card.renew_all(40);
    let output = ours(&host, &["flush", "--refill", "--format", "json"]).ok();
    let report = document(&output);
    assert_eq!(
        (placed(&report), &report["changed"]),
        (BTreeSet::new(), &serde_json::json!(true)),
        "{output}"
    );
    assert_eq!(shown(&host.pkcs15_list()), real(&card));
}

#[test]
fn a_smartcard_hsm_is_filled_anew() {
    let stand = Stand::start();
    let host = host(&stand);
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = host.keypairgen("EC:prime256v1", &[]);
    host.keypairgen("EC:prime256v1", &[]);
    for caching in ["yes", "public"] {
        host.caching(caching);
        host.pkcs15_list();
        host.pkcs11_list();
        let live = host.live();
        let shown = live.pkcs15_list();
        let first = shown.private_keys()[0].id.clone().unwrap_or_else(|| old.id.clone());
        live.delete_object("privkey", &first);
        live.keypairgen("EC:prime256v1", &[]);
        is_filled_anew(&stand, &host, &["flush"]);
        // What the module alone reads and had been there, too.
        assert_eq!(host.pkcs11_list().public_keys().len(), 2);
        ours(&host, &["check", "--no-ask"]).ok();
    }
}

#[test]
fn a_piv_card_is_filled_anew() {
    let switches = YUBIKEY;
    let stand = Stand::with(Options { family: Family::Piv, switches: &switches, ..Options::default() });
    let host = host(&stand);
    let live = host.live();
    live.piv_renew("9a", "ECCP256", "one");
    live.piv_renew("9c", "ECCP256", "two");
    host.pkcs15_list();
    live.piv_renew("9c", "ECCP256", "three");
    is_filled_anew(&stand, &host, &["flush"]);
}

#[test]
fn a_myeid_is_filled_anew() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let host = host(&stand);
    let live = host.live();
    live.personalise();
    live.generate_key("ec/prime256v1", "01", "one");
    host.pkcs15_list();
    live.generate_key("ec/prime256v1", "02", "two");
    // From 0.24 on its changes are noticed, and the old entries are left alone.
    if stand::opensc_version() < Version::of(24) {
        is_filled_anew(&stand, &host, &["flush"]);
    }
}

/// Root fills another user's cache with consent only, and what is put there is that user's.
#[test]
fn another_user_s_cache_takes_consent() {
    if !Host::can_switch_users() || stand::opensc_root().is_some() {
        return;
    }
    use std::os::unix::fs::MetadataExt;
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let user = stand.host("user").for_user(4711);
    user.caching("public");
    user.pkcs15_list();
    card.renew(0, 40);
    let root = host(&stand);
    root.configure(&format!(
        "app default {{ framework pkcs15 {{ use_file_caching = public; file_cache_dir = {}; }} }}",
        user.cache().display()
    ));
    let command = ["flush", "--refill", "--format", "json"];
    let output = ours(&root, &command);
    assert_eq!(placed(&document(&output)), BTreeSet::new(), "{output}");
    let output = ours(&root, &[&command[..], &["--guarded"]].concat()).ok();
    let put = placed(&document(&output));
    assert!(!put.is_empty(), "{output}");
    let directory = std::fs::metadata(user.cache()).unwrap();
    for name in &put {
        let found = std::fs::symlink_metadata(user.cache().join(name)).unwrap();
        assert_eq!((found.uid(), found.gid()), (directory.uid(), directory.gid()), "{name}");
    }
    let (warm, _) = warm(&stand, &user);
    assert_eq!(cost(&stand, &user), warm);
    assert_eq!(shown(&user.pkcs15_list()), real(&card));
}

/// Another program has the card: the flush stands, and it is said what fills the cache.
#[test]
fn beside_another_program_the_flush_stands() {
    // A shell of the other suite's is not there to start its program.
    if stand::opensc_root().is_some() {
        return;
    }
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    let entries = host.cache_names();
    card.renew(0, 40);
    // By name no card is needed to tell what goes.
    let name = entries.iter().find(|name| name.ends_with("5038")).unwrap_or(&entries[0]).clone();
    let mut holder = beside::hold(&host, "opensc-explorer");
    assert!(holder.running.is_running());
    beside::when_held(&host, &[]);
    let output = ours(&host, &["flush", &name, "--refill", "--format", "json"]).ok();
    let report = document(&output);
    assert_eq!((placed(&report), host.cache_names().len()), (BTreeSet::new(), entries.len() - 1), "{output}");
    let left = &report["refilled"]["left"][0];
    assert!(left["why"].as_str().unwrap().contains("only while nobody has the card"), "{output}");
    ours(&host, &["undo"]).ok();
    let output = ours(&host, &["flush", &name, "--refill"]).ok();
    let text = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("not filled: card in reader") && text.contains("The next listing fills it"),
        "{output}"
    );
    holder.running.stop();
    assert_eq!(shown(&host.pkcs15_list()), real(&card));
}

/// With entries left that only a signature could decide, OpenSC would go on showing what the card does not: nothing is filled.
#[test]
fn where_something_is_left_that_is_wrong_nothing_is_filled() {
    let stand = Stand::start();
    let host = host(&stand);
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = host.keypairgen("EC:prime256v1", &[]);
    host.pkcs15_list();
    host.pkcs11_list();
    let live = host.live();
    live.delete_object("privkey", &old.id);
    let new = live.keypairgen("EC:prime256v1", &[]);
    live.write_cert(&live.foreign_certificate("x"), &new.id, "x");
    let output = ours(&host, &["flush", "--refill", "--format", "json"]);
    let report = document(&output);
    assert_eq!(
        (placed(&report), &report["changed"]),
        (BTreeSet::new(), &serde_json::json!(true)),
        "{output}"
    );
    assert!(report["refilled"]["left"][0]["why"].as_str().unwrap().contains("still show"), "{output}");
    assert_eq!(output.code(), ours(&host, &["flush"]).code(), "as a flush ends");
}
