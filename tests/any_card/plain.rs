//! A card whose answer to reset names no driver: which application it has is found as OpenSC finds it, while nobody else has
//! it, and then it is read as any other.

use super::*;
use crate::stand::{Family, Options, PIV_PIN};

/// A Nitrokey 3.
const NITROKEY: &str = "3B8F01805D4E6974726F6B657900000000006A";
/// Any other Java card: J3R180.
const JAVA: &str = "3BD518FF8191FE1FC38073C8211309";

const PIV: &str = "> 00a4040009a000000308";
const ISO_APPLET: &str = "> 00a404000cf276a288bcfba69d34f31001";
const OPENPGP: &str = "> 00a4040006d27600012401";

fn selects(stand: &Stand, since: usize) -> [usize; 3] {
    let log = stand.apdu_log();
    let begins = |with: &str| log[since..].iter().filter(|line| line.starts_with(with)).count();
    [PIV, ISO_APPLET, OPENPGP].map(begins)
}

fn family(report: &Value) -> Vec<String> {
    report["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| token["family"].as_str().unwrap().to_owned())
        .collect()
}

fn is_read(host: &Host, stand: &Stand, expected: &str, selected: [usize; 3]) {
    let since = stand.apdu_log().len();
    let (output, report) = check(host, &[]);
    assert_eq!((output.code(), family(&report)), (0, vec![expected.to_owned()]), "{output}");
    assert_eq!(gaps(&report), Vec::<String>::new(), "{output}");
    assert_eq!(selects(stand, since), selected, "{output}");
    // OpenSC takes it for the same.
    let (output, report) = check(host, &["--ask"]);
    assert_eq!((output.code(), gaps(&report)), (0, Vec::new()), "{output}");
}

#[test]
fn piv_on_any_card_is_read() {
    for atr in [NITROKEY, JAVA] {
        let stand =
            Stand::with(Options { family: Family::Piv, switches: &["--atr", atr], ..Options::default() });
        let host = host(&stand).with_pin(PIV_PIN);
        host.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
        host.piv_renew("9a", "ECCP256", "one");
        host.caching("public");
        host.pkcs15_list();
        is_read(&host, &stand, "PIV card", [1, 0, 0]);
        host.live().piv_renew("9a", "ECCP256", "two");
        assert_eq!(check(&host, &[]).0.code(), 1);
    }
}

#[test]
fn openpgp_on_any_card_is_read() {
    let switches = ["--atr", NITROKEY];
    let stand = Stand::with(Options { family: Family::OpenPgp, switches: &switches, ..Options::default() });
    let host = host(&stand);
    host.live().openpgp_generate_ec(1, "prime256v1");
    host.caching("public");
    host.pkcs15_list();
    is_read(&host, &stand, "OpenPGP card", [1, 1, 1]);
}

/// Somebody has it open: no application is selected, and it is said why it is not read; so it is with a setting that names
/// a driver, which ended that program's login before.
#[test]
fn a_plain_card_that_somebody_has_is_left_alone() {
    if stand::opensc_root().is_some() {
        return;
    }
    let stand =
        Stand::with(Options { family: Family::Piv, switches: &["--atr", JAVA], ..Options::default() });
    let host = host(&stand).with_pin(PIV_PIN);
    host.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
    let pipe = host.home().join("typed");
    host.run(&["mkfifo", pipe.to_str().unwrap()]).ok();
    // There is no master file to begin in.
    let script = format!("exec opensc-explorer --mf '' < {}", pipe.display());
    let holder = host.spawn(&["sh", "-c", &script]);
    let typed = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let held = || {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !host.run(&["opensc-tool", "-l"]).stdout.contains("Yes") || stand.card().stats().apdus == 0 {
            assert!(std::time::Instant::now() < end);
        }
    };
    held();
    for driver in [None, Some("PIV-II"), Some("openpgp"), Some("isoApplet")] {
        let host = match driver {
            Some(driver) => host.clone().env("OPENSC_DRIVER", driver),
            None => host.clone(),
        };
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let (output, report) = loop {
            let since = stand.apdu_log().len();
            let seen = check(&host, &[]);
            if selects(&stand, since) == [0, 0, 0] {
                break seen;
            }
            assert!(std::time::Instant::now() < end, "it was selected all the same: {}", seen.0);
        };
        assert_eq!(output.code(), 3, "{driver:?}: {output}");
        let told = gaps(&report).join("\n");
        assert!(told.contains("has the card open"), "{driver:?}: {told}");
    }
    // Whoever forbids asks forbids that, too; a setting that names it is believed while nobody has it.
    for driver in ["PIV-II", "openpgp", "isoApplet"] {
        let host = host.clone().env("OPENSC_DRIVER", driver);
        let since = stand.apdu_log().len();
        let told = gaps(&check(&host, &["--no-ask"]).1).join("\n");
        assert!(told.contains("another program has it open"), "{driver}: {told}");
        assert_eq!(selects(&stand, since), [0, 0, 0], "{driver}");
    }
    drop(typed);
    holder.stop();
    let since = stand.apdu_log().len();
    let told = gaps(&check(&host, &["--no-ask"]).1).join("\n");
    assert!(told.contains("that this program does not know"), "{told}");
    assert_eq!(selects(&stand, since), [0, 0, 0]);
}

/// The IsoApplet.
#[test]
fn the_iso_applet_on_any_card_is_read() {
    let stand =
        Stand::with(Options { family: Family::IsoApplet, switches: &["--atr", JAVA], ..Options::default() });
    let host = host(&stand);
    host.live().env("OPENSC_DRIVER", "isoApplet").personalise_isoapplet();
    let since = stand.apdu_log().len();
    let (output, report) = check(&host, &[]);
    assert_eq!((output.code(), gaps(&report), family(&report).len()), (0, Vec::new(), 1), "{output}");
    assert_eq!(selects(&stand, since), [1, 1, 0], "{output}");
}

/// A card that a driver of OpenSC knows by its answer to reset is never asked for anything.
#[test]
fn a_card_that_opensc_knows_is_asked_for_no_application() {
    for kind in [Kind::Belpic, Kind::EstEid2018, Kind::Dnie, Kind::CardOs] {
        let (stand, _card) = Stand::with_file_card(kind, &["one"]);
        let host = host(&stand);
        let since = stand.apdu_log().len();
        check(&host, &["--no-ask"]);
        assert_eq!(selects(&stand, since), [0, 0, 0], "{kind:?}");
        assert!(!stand.apdu_log()[since..].iter().any(|line| line.starts_with("> ")), "{kind:?}");
    }
}
