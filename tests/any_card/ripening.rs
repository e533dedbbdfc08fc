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
