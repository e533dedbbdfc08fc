//! The label of a PIV token: OpenSC takes it from the first certificate, and so from its cache.

use super::{check, found, said};
use crate::stand::{Family, Options, PIV_PIN, Stand, YUBIKEY};

/// Seen: the certificate of slot 9A has another name, and `--token-label` finds no slot under it.
#[test]
fn the_label_of_a_piv_token_is_stale_like_anything_else() {
    let stand = Stand::with(Options { family: Family::Piv, switches: &YUBIKEY, ..Options::default() });
    let host = stand.host("alpha").with_pin(PIV_PIN);
    host.piv(&["--action", "set-chuid"]).ok();
    host.piv_renew("9a", "ECCP256", "old holder");
    host.pkcs15_list();
    let file = host.home().join("baseline.toml");
    let baseline = file.to_str().unwrap();
    host.stalecard(&["snapshot", "--baseline", "--output", baseline]).ok();
    let (_, report) = check(&host, &[]);
    assert_eq!(
        (&report["tokens"][0]["label"], found(&report, "stale-object").len()),
        (&"old holder".into(), 0)
    );

    host.piv_renew("9a", "ECCP256", "new holder");
    // What the user saw.
    let copy = host.with_cache_copy();
    let by_label = |name: &str| {
        let output = copy.run(&["pkcs11-tool", "--token-label", name, "-O"]);
        output.success() && output.stdout.contains("Certificate Object")
    };
    let slots = copy.run(&["pkcs11-tool", "-L"]).ok();
    assert!(slots.stdout.contains("old holder") && !slots.stdout.contains("new holder"), "{slots}");
    assert!(by_label("old holder") && !by_label("new holder"), "{slots}");

    let (code, report) = check(&host, &[]);
    let labels: Vec<_> = found(&report, "stale-object")
        .into_iter()
        .filter(|finding| finding["object"]["class"] == "token")
        .collect();
    let [finding] = &labels[..] else { panic!("{report:#}") };
    assert_eq!((code, &finding["evidence"][0]["shown"]["label"]), (1, &"old holder".into()), "{finding}");
    assert_eq!(finding["evidence"][0]["card"]["label"], "new holder", "{finding}");
    let token = &report["tokens"][0];
    assert_eq!((&token["label"], &token["shown_label"]), (&"new holder".into(), &"old holder".into()));
    let shown = host.stalecard(&["show"]);
    assert!(said(&shown).contains("shown label \"old holder\""), "{shown}");
    assert!(said(&shown).contains("but for a label that is the name on a certificate"), "{shown}");

    // A baseline tells of the certificate, and of no token that was initialised again.
    let (_, report) = check(&host, &["--against", baseline]);
    let told: Vec<String> = found(&report, "baseline-mismatch").iter().map(ToString::to_string).collect();
    assert!(!told.is_empty() && told.iter().all(|text| !text.contains("initialised again")), "{told:?}");

    host.stalecard(&["flush", "--guarded"]).ok();
    let (_, report) = check(&host, &[]);
    assert_eq!(found(&report, "stale-object").len(), 0, "{report:#}");
    let fresh = host.with_cache_copy().run(&["pkcs11-tool", "-L"]).ok();
    assert!(fresh.stdout.contains("new holder"), "{fresh}");
    assert_eq!(check(&host, &[]).1["tokens"][0]["shown_label"], "new holder");
}
