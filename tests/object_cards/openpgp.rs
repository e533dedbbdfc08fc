//! An OpenPGP card on the stand.

use crate::compare::{lines, same_as_pkcs15, same_objects, snapshot};
use crate::printed;
use crate::stand::{Family, Host, Options, PW1, PW3, Stand, opensc_version};
use stalecard::finding::{Id, Severity};
use stalecard::judge::{judge, tokens};
use stalecard::opensc::Version;
use stalecard::verdict::Verdict;
use stalecard::view::pkcs11::tokens;
use stalecard::view::{Class, View};

/// With extended lengths its answer to reset is that of a ZeitControl card, which OpenSC and stalecard know.
pub fn stand(version: &str) -> (Stand, Host) {
    let switches = ["--card-version", version, "--apdu", "extended"];
    let stand = Stand::with(Options { family: Family::OpenPgp, switches: &switches, ..Options::default() });
    let alpha = stand.host("alpha").with_pin(PW1);
    (stand, alpha)
}

/// Makes an RSA key on a card that takes extended commands, where openpgp-tool fails to write the fingerprint.
pub fn generate(stand: &Stand, host: &Host, key: u8) {
    let number = key.to_string();
    host.run(&["openpgp-tool", "--verify", "CHV3", "--pin", PW3, "--gen-key", &number]).ok();
    stand.card().tamper_path(&[0xC6 + key], Some(&[key; 20]));
}

/// What is in the token for signatures, or in the other one, which has the rest.
pub fn of_token(view: &View, version: Version, signatures: bool, login: bool) -> Vec<String> {
    let tokens = tokens(view);
    printed::expected_pkcs11_items(&tokens[usize::from(signatures)], login, version)
}

/// Looks first, then holds both views against the tools, each on a copy of the cache of its own.
#[track_caller]
fn both_views_hold(host: &Host) -> Verdict {
    let snapshot = snapshot(host);
    let cases = tokens(&snapshot).cases;
    assert_eq!(cases.len(), 1, "{:#?}", snapshot.coverage);
    let case = &cases[0];
    let cache_view = case.cache_views.iter().find(|cache_view| cache_view.in_use()).expect("a cache in use");
    let live = host.live();
    for (what, view, host) in [("live", &case.live, &live), ("cached", &cache_view.shown, host)] {
        let copy = || if what == "live" { host.clone() } else { host.with_cache_copy() };
        same_as_pkcs15(what, view, opensc_version(), &copy().run(&["pkcs15-tool", "-D"]).ok().stdout);
        for (token, signatures) in
            [("OpenPGP card (User PIN)", false), ("OpenPGP card (User PIN (sig))", true)]
        {
            for login in [false, true] {
                let ours = of_token(view, opensc_version(), signatures, login);
                if ours.is_empty() {
                    continue;
                }
                let arguments = ["-O", "--token-label", token];
                let listing = if login {
                    copy().pkcs11_login(&arguments)
                } else {
                    copy().run(&[&["pkcs11-tool"][..], &arguments].concat())
                };
                same_objects(&format!("{what}, {token}, login {login}"), &ours, &listing.ok().stdout);
            }
        }
        for object in view.objects.iter().filter(|object| matches!(object.class, Class::PublicKey { .. })) {
            let id = format!("{:02x}", object.id[0]);
            let Some(key) = object.public_key() else {
                let read = copy().run(&["pkcs15-tool", "--read-public-key", &id]);
                assert!(!read.success(), "{read}");
                continue;
            };
            let pem = copy().public_key(&id);
            let theirs: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
            let ours = data_encoding::BASE64.encode(&key.spki());
            assert_eq!(ours, theirs, "{what}, public key {id}");
        }
    }
    judge(&snapshot)
}

fn errors(verdict: &Verdict) -> Vec<Id> {
    verdict.findings.iter().filter(|f| f.severity >= Severity::Error).map(|f| f.id).collect()
}

/// Fresh; filled; keys made anew; flushed.
#[test]
fn both_views_are_what_the_tools_show_of_version_2() {
    let (stand, alpha) = stand("2.0");
    assert_eq!(errors(&both_views_hold(&alpha)), [], "an empty card");
    for key in 1..=3 {
        generate(&stand, &alpha, key);
    }
    alpha.openpgp_certificate(&alpha.issue(&alpha.live().public_key("03"), "holder"));
    assert_eq!(errors(&both_views_hold(&alpha)), [], "nothing is cached yet");
    for id in ["01", "02", "03"] {
        alpha.public_key(id);
    }
    assert_eq!(errors(&both_views_hold(&alpha)), []);

    for key in [1, 3] {
        generate(&stand, &alpha, key);
    }
    let verdict = both_views_hold(&alpha);
    // The card works out the new key 3, and its certificate is the old one's still: no flush cures that.
    let expected = [Id::StalePublicKey, Id::StalePublicKey, Id::CertificateKeyMismatch];
    assert_eq!(errors(&verdict), expected, "{}", lines(&verdict.findings));
    assert_eq!(alpha.stalecard(&["check"]).code(), 1);
    assert_eq!(alpha.stalecard(&["flush"]).code(), 0);
    assert_eq!(errors(&both_views_hold(&alpha)), [Id::CertificateKeyMismatch]);
    let renewed = alpha.issue(&alpha.live().public_key("03"), "holder");
    stand.card().tamper_path(&[0x7F, 0x21], Some(&renewed));
    assert_eq!(alpha.stalecard(&["flush"]).code(), 0);
    let verdict = both_views_hold(&alpha);
    assert_eq!(errors(&verdict), [], "{}", lines(&verdict.findings));
    for command in ["check", "ls", "show"] {
        let said = alpha.stalecard(&[command]);
        assert_eq!(said.code(), 0, "{said}");
    }
}

/// Curves, and a certificate for each key.
#[test]
fn both_views_are_what_the_tools_show_of_version_3() {
    let (stand, alpha) = stand("3.4");
    alpha.openpgp_generate_ec(1, "prime256v1");
    alpha.openpgp_generate_ec(2, "secp384r1");
    generate(&stand, &alpha, 3);
    for (number, id) in [(None, "03"), (Some(1), "02"), (Some(2), "01")] {
        let tag = [Some(0x7F), Some(0x21), number].into_iter().flatten().collect::<Vec<u8>>();
        stand.card().tamper_path(&tag, Some(&alpha.issue(&alpha.live().public_key(id), id)));
    }
    assert_eq!(errors(&both_views_hold(&alpha)), [], "nothing is cached yet");
    alpha.run(&["pkcs11-tool", "-O"]).ok();
    for id in ["01", "02", "03"] {
        alpha.public_key(id);
    }
    assert_eq!(errors(&both_views_hold(&alpha)), []);
    generate(&stand, &alpha, 3);
    let verdict = both_views_hold(&alpha);
    let expected = [Id::StalePublicKey, Id::CertificateKeyMismatch];
    assert_eq!(errors(&verdict), expected, "{}", lines(&verdict.findings));
}

/// A key that has become one of another type: OpenSC cannot make anything of the old public key.
#[test]
fn both_views_are_what_the_tools_show_of_a_key_of_another_type() {
    let (stand, alpha) = stand("3.4");
    alpha.openpgp_generate_ec(1, "prime256v1");
    alpha.public_key("01");
    generate(&stand, &alpha, 1);
    let verdict = both_views_hold(&alpha);
    assert_eq!(errors(&verdict), [Id::StalePublicKey], "{}", lines(&verdict.findings));
}

/// An authentication key on a curve.
#[test]
fn both_views_are_what_the_tools_show_of_an_authentication_key_on_a_curve() {
    let (_stand, alpha) = stand("3.4");
    alpha.openpgp_generate_ec(3, "prime256v1");
    assert_eq!(errors(&both_views_hold(&alpha)), []);
    alpha.public_key("03");
    assert_eq!(errors(&both_views_hold(&alpha)), []);
}

/// Reading makes no key, asks for no PIN and selects once.
#[test]
fn a_reading_is_polite() {
    let (stand, alpha) = stand("3.4");
    generate(&stand, &alpha, 1);
    let keys = alpha.live().public_key("01");
    stand.card().insert(stand.card().first());
    stand.card().reset_stats();
    let said = alpha.stalecard(&["check"]);
    let stats = stand.card().stats();
    assert_eq!((stats.select_aid, stats.verify, stats.writes, said.code()), (1, 0, 0, 0), "{stats:?} {said}");
    assert_eq!(alpha.live().public_key("01"), keys);
}

/// Objects for private use are listed if they hold something, and what they hold is nobody's business: not that of a
/// snapshot, and not that of a cache into which `pkcs15-tool` has written it.
#[test]
fn objects_for_private_use_are_listed_and_not_kept() {
    let (stand, alpha) = stand("3.4");
    generate(&stand, &alpha, 3);
    for number in 1..=4 {
        stand.card().tamper_path(&[1, number], Some(b"geheim"));
    }
    let verdict = both_views_hold(&alpha);
    assert!(verdict.findings.iter().all(|finding| finding.severity < Severity::Error));
    let said = alpha.stalecard(&["ls"]).ok().stdout + &alpha.stalecard(&["show", "PrivDO1"]).ok().stdout;
    assert!(said.contains("PrivDO1") && !said.contains("PrivDO3"), "{said}");

    let read =
        ["pkcs15-tool", "--read-data-object", "PrivDO1", "--verify-pin", "--auth-id", "02", "--pin", PW1];
    alpha.run(&read).ok();
    let cached = alpha.cache_files();
    assert!(
        cached.iter().any(|(name, content)| name.ends_with("_0101") && content == b"geheim"),
        "{cached:?}"
    );
    let snapshot = snapshot(&alpha);
    let text = serde_json::to_string(&snapshot).unwrap();
    assert!(!text.contains(&data_encoding::HEXLOWER.encode(b"geheim")), "{text}");
    let found = judge(&snapshot).findings;
    assert!(found.iter().any(|finding| finding.id == Id::SecretInCache), "{}", lines(&found));
}
