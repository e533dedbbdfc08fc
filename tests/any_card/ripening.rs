//! Right today, old tomorrow, nothing being changed: entries that grow behind their old beginning (from OpenSC 0.24 on).

use super::*;

#[test]
fn a_tcos_card_is_told_while_everything_is_right() {
    if !kinds().any(|kind| kind == Kind::Tcos) {
        return;
    }
    let (stand, mut card) = Stand::with_file_card(Kind::Tcos, &["one", "two"]);
    let host = host(&stand);
    host.configure("");
    host.pkcs15_list();
    check(&host, &[]).0.ok();
    card.renew(0, 40);
    let (output, report) = check(&host, &[]);
    assert_eq!(output.code(), 1, "{output}");
    let told = convicted(&report);
    assert_eq!(told.keys().collect::<Vec<_>>(), ["ripening-entry"], "{output}");
    let finding =
        report["findings"].as_array().unwrap().iter().find(|one| one["id"] == "ripening-entry").unwrap();
    assert!(finding["summary"].as_str().unwrap().contains("reading number 2"), "{finding:#}");
    for word in ["It holds the certificate", "the card holds"] {
        assert!(finding["summary"].as_str().unwrap().contains(word), "{finding:#}");
    }
    // The view is right still, and was not made worse by looking.
    assert_eq!(shown(&host.with_cache_copy().pkcs15_list()), real(&card));
    ours(&host, &["flush"]).ok();
    for _ in 0..4 {
        assert_eq!(shown(&host.pkcs15_list()), real(&card));
    }
    check(&host, &[]).0.ok();
    // Without the flush it turns.
    card.renew(0, 40);
    host.pkcs15_list();
    let (output, report) = check(&host, &[]);
    assert_eq!(convicted(&report).keys().collect::<Vec<_>>(), ["stale-certificate"], "{output}");
    ours(&host, &["flush"]).ok();
    assert_eq!(shown(&host.pkcs15_list()), real(&card));
}

/// Each with its own number; and one beside an entry that is old already.
#[test]
fn of_several_that_turn_at_different_readings_none_is_missed() {
    // Before, a CAC is read anew at each listing.
    if stand::opensc_version() < Version::of(24) {
        return;
    }
    let (stand, mut card) = Stand::with_file_card(Kind::Cac, &["one", "two"]);
    let host = host(&stand);
    host.configure("");
    host.pkcs15_list();
    card.renew(0, 300);
    card.renew(1, 0);
    let told = || {
        let (output, report) = check(&host, &[]);
        assert_eq!(output.code(), 1, "{output}");
        let findings = report["findings"].as_array().unwrap().iter();
        let ripening = findings.filter(|finding| finding["id"] == "ripening-entry");
        let turns = |finding: &Value| {
            let summary = finding["summary"].as_str().unwrap();
            let (_, rest) = summary.split_once("reading number ").unwrap_or_else(|| panic!("{summary}"));
            rest.split(' ').next().unwrap().parse::<usize>().unwrap()
        };
        let mut turns: Vec<usize> = ripening.map(turns).collect();
        turns.sort_unstable();
        (convicted(&report), turns)
    };
    let (named, turns) = told();
    assert_eq!(named.keys().collect::<Vec<_>>(), ["ripening-entry"]);
    assert_eq!(named["ripening-entry"].len(), 2);
    let [first, second] = turns[..] else { panic!("{turns:?}") };
    assert!(1 < first && first < second, "{turns:?}");
    // The longer one is old by now, and the other one is told beside it.
    for _ in 1..first {
        host.pkcs15_list();
    }
    let (named, turns) = told();
    assert!(named.contains_key("stale-certificate") && named["ripening-entry"].len() == 1, "{named:?}");
    assert_eq!(turns, [second - first + 1]);
    ours(&host, &["flush"]).ok();
    for _ in 0..9 {
        assert_eq!(shown(&host.pkcs15_list()), real(&card));
    }
}

/// OpenSC finds a truncated entry too short, reads the card, and puts that behind it; the next reading takes the beginning and
/// what follows for one certificate. The list may look right then.
#[test]
fn a_truncated_entry_is_told_before_it_turns() {
    if !kinds().any(|kind| kind == Kind::Tcos) {
        return;
    }
    for gone in [1, 200] {
        let (stand, card) = Stand::with_file_card(Kind::Tcos, &["one", "two"]);
        let host = host(&stand);
        host.configure("");
        let listing = host.pkcs15_list();
        let ids: Vec<String> = listing.certificates().iter().filter_map(|one| one.id.clone()).collect();
        let read = |host: &Host| -> Vec<String> {
            ids.iter().map(|id| host.run(&["pkcs15-tool", "--read-certificate", id]).stdout).collect()
        };
        let expected = read(&host.live());
        let name = host.cache_names().into_iter().find(|name| name.ends_with("DF01C000")).unwrap();
        let entry = host.cache().join(&name);
        let whole = std::fs::read(&entry).unwrap();
        std::fs::write(&entry, &whole[..whole.len() - gone]).unwrap();
        let (output, report) = check(&host, &[]);
        assert_eq!(
            convicted(&report),
            [("ripening-entry".to_owned(), vec![name.clone()])].into(),
            "{output}"
        );
        assert_eq!(output.code(), 1, "{output}");
        let summary = report["findings"][0]["summary"].as_str().unwrap();
        assert!(summary.contains("only the beginning") && summary.contains("reading number 2"), "{summary}");
        // What it says comes true.
        let copy = host.with_cache_copy();
        assert_eq!(shown(&copy.pkcs15_list()), real(&card));
        assert_ne!(read(&copy), expected, "{gone}");
        ours(&host, &["flush"]).ok();
        assert!(!entry.exists());
        for _ in 0..3 {
            assert_eq!(shown(&host.pkcs15_list()), real(&card));
        }
        assert_eq!(read(&host), expected);
        check(&host, &[]).0.ok();
        // What is empty becomes what the card holds.
        std::fs::write(&entry, b"").unwrap();
        check(&host, &[]).0.ok();
        host.pkcs15_list();
        assert_eq!(read(&host), expected);
    }
}
