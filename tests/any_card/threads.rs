//! Three public threads, each as it began and as it ends with us. Since 0.24 the cards of these people are cached without
//! any configuration; where OpenSC does not do so of itself it is told to.

use super::*;

/// A Spanish identity card on a host that has listed it.
fn listed_dnie() -> (Stand, FileCard, Host) {
    let (stand, card) = Stand::with_file_card(Kind::Dnie, &["CertAutenticacion", "CertFirmaDigital"]);
    let host = host(&stand);
    let version = stand::opensc_version();
    if (Version::of(24)..Version::of(27)).contains(&version) {
        host.configure("");
    } else {
        host.caching("public");
    }
    host.pkcs15_list();
    (stand, card, host)
}

/// Both certificates are told, the tool that people use shows the old ones, and one command brings the new ones.
fn is_cured(card: &FileCard, host: &Host, old: &[String]) {
    assert_eq!(shown(&host.with_cache_copy().pkcs15_list()), old, "the complaint");
    let (output, report) = check(host, &[]);
    assert_eq!(output.code(), 1, "{output}");
    assert_eq!(convicted(&report)["stale-certificate"].len(), card.len(), "{output}");
    let text = ours(host, &["check"]);
    assert!(text.stdout.starts_with("STALE") && text.stdout.contains("stalecard flush"), "{text}");
    ours(host, &["flush"]).ok();
    assert_eq!(shown(&host.pkcs15_list()), real(card));
    check(host, &[]).0.ok();
}

#[test]
fn issue_3276_a_prolonged_dnie_shows_only_the_expired_certificate() {
    let (_stand, card, host) = listed_dnie();
    let (old, mut card) = (real(&card), card);
    card.renew_all(0);
    is_cured(&card, &host, &old);
}

#[test]
fn issue_3475_a_dnie_renewed_twice_shows_the_first_certificates() {
    let (_stand, card, host) = listed_dnie();
    let (old, mut card) = (real(&card), card);
    card.renew_all(40);
    card.renew_all(40);
    is_cured(&card, &host, &old);
}

#[test]
fn issue_3593_only_wiping_the_cache_helped_and_now_only_the_stale_entries_go() {
    let (_stand, card, host) = listed_dnie();
    let (old, mut card) = (real(&card), card);
    card.renew_all(-40);
    let before = host.cache_files();
    is_cured(&card, &host, &old);
    let kept = host.cache_files();
    let directories = before
        .iter()
        .filter(|(name, _)| name.ends_with("34") || name.ends_with("35") || name.ends_with("37"));
    for (name, content) in directories {
        assert_eq!(kept.get(name), Some(content), "{name}");
    }
}
