//! Two cards with one serial number, that OpenSC alone reads, in two readers: it caches both under the same names.

use super::*;

/// Two Belgian cards with other certificates; the first one was listed.
fn twins() -> (Stand, Host, FileCard, FileCard) {
    let (stand, first) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let mut second = stand.file_card("second", Kind::Belpic, 1, &["one", "two"]);
    second.renew_all(40);
    second.put_into(&stand, 1);
    let host = host(&stand);
    host.caching("public");
    let listed = host.run(&["pkcs15-tool", "-D", "--reader", "0"]);
    assert!(!host.cache_names().is_empty(), "{listed}");
    (stand, host, first, second)
}

fn ids(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

#[test]
fn two_asked_cards_with_one_serial_are_named_and_no_flush_is_advised() {
    let (stand, host, _first, _second) = twins();
    let (output, report) = check(&host, &[]);
    assert_eq!(output.code(), 1, "{output}");
    assert!(ids(&report).contains(&"shared-identity"), "{output}");
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps[0]["command"], "stalecard config disable-cache", "{steps:#?}");
    assert!(!output.stdout.contains("\"stalecard flush"), "{output}");
    // Nothing is moved in a circle, and nobody's certificates are written for another's.
    let before = host.cache_files();
    for words in [&["flush"][..], &["flush", "--refill"], &["fix", "--refill"]] {
        let done = ours(&host, words);
        assert_ne!(done.code(), 0, "{done}");
        assert_eq!(host.cache_files(), before, "{done}");
        assert!(done.stdout.contains("stalecard config disable-cache"), "{done}");
    }
    // What is named goes, and nothing is put in its place.
    let name = before.keys().find(|name| name.ends_with("DF005038")).unwrap();
    let done = ours(&host, &["flush", name, "--refill", "--format", "json"]);
    let left = &document(&done)["refilled"]["left"];
    assert!(left[0]["why"].as_str().unwrap().contains("the same serial number"), "{done}");
    assert!(!host.cache_names().contains(name), "{done}");
    // The cure ends it.
    ours(&host, &["config", "disable-cache"]).ok();
    let (output, report) = check(&host, &[]);
    assert_eq!(output.code(), 0, "{output}");
    assert!(!ids(&report).contains(&"shared-identity"), "{output}");
    ours(&host, &["flush"]).ok();
    check(&host, &[]).0.ok();
    assert_eq!(left_behind(&stand), Vec::<String>::new());
}
