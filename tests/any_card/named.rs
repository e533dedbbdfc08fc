//! Objects of a card that OpenSC alone reads go by the names that `show` tells, for `flush`, too; and what was named is taken whether
//! that cures anything or not.

use super::*;
use std::collections::BTreeSet;

fn stale() -> (Stand, Host, FileCard) {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    card.renew_all(0);
    (stand, host, card)
}

/// The names of the entries that a flush of this moves, or would.
fn moved(output: &Output) -> BTreeSet<String> {
    let report = document(output);
    let operations = report["operations"].as_array().unwrap().iter();
    let steps = operations.flat_map(|operation| operation["steps"].as_array().unwrap());
    let moved = steps.filter(|step| step["outcome"] == "moved");
    moved.map(|step| step["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_flush_takes_the_names_that_show_takes() {
    let (_stand, host, _card) = stale();
    let all: BTreeSet<String> = host.cache_names().into_iter().collect();
    let first = || all.iter().filter(|name| name.ends_with("DF005038")).cloned().collect::<BTreeSet<_>>();
    for name in ["45", "one"] {
        ours(&host, &["show", name]).ok();
        let flushed = ours(&host, &["flush", name, "--dry-run", "--format", "json"]).ok();
        assert_eq!(moved(&flushed), first(), "{name}: {flushed}");
    }
    let label = "BELPIC";
    ours(&host, &["show", label]).ok();
    let flushed = ours(&host, &["flush", label, "--dry-run", "--format", "json"]).ok();
    assert_eq!(moved(&flushed), all, "{flushed}");
    ours(&host, &["flush", "4711deadbeef", "--dry-run"]).exits(2);
}

#[test]
fn what_is_named_goes_with_refill_as_it_goes_without() {
    let (_stand, host, _card) = stale();
    let name = host.cache_names().into_iter().find(|name| name.ends_with("DF005038")).unwrap();
    for options in [&[][..], &["--refill"]] {
        let flushed =
            ours(&host, &[&["flush", name.as_str(), "--dry-run", "--format", "json"], options].concat());
        assert_eq!((flushed.code(), moved(&flushed).len()), (0, 1), "{options:?}: {flushed}");
    }
    let flushed = ours(&host, &["flush", &name, "--refill", "--format", "json"]);
    assert_eq!(moved(&flushed), BTreeSet::from([name]), "{flushed}");
}
