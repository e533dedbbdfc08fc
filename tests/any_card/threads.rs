//! Three public threads, each as it began and as it ends with us. Since 0.24 the cards of these people are cached without
//! any configuration; where OpenSC does not do so of itself it is told to.

use super::*;
use crate::stand::Stand;

/// A Spanish identity card whose certificates were renewed `times` at the police station, on a host that knows the old ones.
fn renewed_dnie(times: usize) -> (Stand, FileCard, Host) {
    let (stand, mut card) = Stand::with_file_card(Kind::Dnie, &["CertAutenticacion", "CertFirmaDigital"]);
    let host = stand.host("desktop");
    let version = stand::opensc_version();
    if (Version::of(24)..Version::of(27)).contains(&version) {
        host.configure("");
    } else {
        host.caching("public");
    }
    host.pkcs15_list();
    for _ in 0..times {
        card.renew_all(40);
    }
    (stand, card, host)
}

/// Both certificates are told, the tool that people use shows the old ones, and one command brings the new ones.
fn is_cured(card: &FileCard, host: &Host, old: &[String]) {
    assert_eq!(shown(&host.with_cache_copy().pkcs15_list()), old, "the complaint");
    let (output, report) = check(host, &[]);
    assert_eq!(output.code(), 1, "{output}");
    assert_eq!(convicted(&report)["stale-certificate"].len(), card.len(), "{output}");
    let text = host.stalecard(&["check"]);
    assert!(text.stdout.starts_with("STALE") && text.stdout.contains("stalecard flush"), "{text}");
    host.stalecard(&["flush"]).ok();
    assert_eq!(shown(&host.pkcs15_list()), real(card));
    check(host, &[]).0.ok();
}

#[test]
fn issue_3276_a_prolonged_dnie_shows_only_the_expired_certificate() {
    let (_stand, card, host) = renewed_dnie(0);
    let (old, mut card) = (real(&card), card);
    card.renew_all(0);
    is_cured(&card, &host, &old);
}

#[test]
fn issue_3475_a_dnie_renewed_twice_shows_the_first_certificates() {
    let (_stand, card, host) = renewed_dnie(0);
    let (old, mut card) = (real(&card), card);
    card.renew_all(40);
    card.renew_all(40);
    is_cured(&card, &host, &old);
}

#[test]
fn issue_3593_only_wiping_the_cache_helped_and_now_only_the_stale_entries_go() {
    let (_stand, card, host) = renewed_dnie(0);
    let (old, mut card) = (real(&card), card);
    card.renew_all(-40);
    let before = host.cache_files();
    is_cured(&card, &host, &old);
    let kept = host.cache_files();
    let directories = before.iter().filter(|(name, _)| name.contains("_5015503"));
    for (name, content) in directories {
        assert_eq!(kept.get(name), Some(content), "{name}");
    }
}
