//! `stalecard` beside a plain Java Card with the IsoApplet: only where OpenSC's settings tell what it is, with one SELECT at most and
//! nobody's login lost; what is stale is told and cured.

use std::time::{Duration, Instant};

use crate::stand::{Family, Host, Options, PIN, Stand, generate_key_under};
use serde_json::Value;

const SELECT: &str = "> 00a404000cf276a288bcfba69d34f31001";

/// A personalised card, and a host with caching off that has made it so.
fn stand() -> (Stand, Host) {
    let stand = Stand::with(Options { family: Family::IsoApplet, ..Options::default() });
    let maker = stand.host("maker").env("OPENSC_DRIVER", "isoApplet");
    maker.caching("no");
    maker.personalise_isoapplet();
    (stand, maker)
}

fn generate(maker: &Host, kind: &str, id: &str) {
    maker.pkcs15_init(&generate_key_under("FF", kind, id, id)).ok();
}

fn report(host: &Host) -> Value {
    let said = host.stalecard(&["check", "--no-ask", "--format", "json"]);
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn ids(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap()).collect()
}

fn commands(stand: &Stand, since: usize) -> Vec<String> {
    stand.apdu_log()[since..].iter().filter(|line| line.starts_with("> ")).cloned().collect()
}

/// OpenSC asks such a card for one application after the other; stalecard for nothing, and OpenSC only if that is not forbidden.
#[test]
fn a_card_that_nothing_tells_is_left_alone() {
    let (stand, maker) = stand();
    let plain = maker.without_env("OPENSC_DRIVER");
    let before = stand.apdu_log().len();
    let said = plain.stalecard(&["check", "--no-ask"]).exits(3);
    assert!(said.stdout.contains("that this program does not know"), "{said}");
    assert_eq!(commands(&stand, before), [""; 0]);
    // With a setting for one program only, the other is not spoken for.
    plain.configure("app pkcs15-tool { card_drivers = isoApplet; }");
    let report = report(&plain);
    let gaps: Vec<&str> =
        report["coverage"].as_array().unwrap().iter().map(|gap| gap["what"].as_str().unwrap()).collect();
    assert!(gaps.iter().any(|gap| gap.starts_with("opensc-pkcs11, what it shows of the card")), "{gaps:?}");
    assert!(!gaps.iter().any(|gap| gap.starts_with("pkcs15-tool")), "{gaps:?}");
}

/// A card without the applet, or whatever else the settings name, is not asked for anything else, and is none that was to
/// be read: the settings were made for another card.
#[test]
fn a_card_that_is_not_what_the_settings_say() {
    let switches = &["--atr", "3B80800101"];
    let stand = Stand::with(Options { family: Family::Piv, switches, ..Options::default() });
    let host = stand.host("host").env("OPENSC_DRIVER", "isoApplet");
    let said = host.stalecard(&["check", "--no-ask"]).exits(3);
    assert!(said.stdout.contains("that this program does not know"), "{said}");
    let selects = commands(&stand, 0).into_iter().filter(|line| line.starts_with("> 00a40400"));
    assert_eq!(selects.collect::<Vec<_>>(), [format!("{SELECT}00")]);
    let host = host.without_env("OPENSC_DRIVER");
    for driver in ["default", "sc-hsm", "openpgp"] {
        host.configure(&format!("app default {{ card_drivers = {driver}; enable_default_driver = yes; }}"));
        let said = host.stalecard(&["check", "--no-ask"]).exits(3);
        assert!(
            said.stdout.starts_with("UNREAD") && said.stdout.contains("that this program does not know"),
            "{said}"
        );
        let said = host.stalecard(&["check", "-v", "--no-ask"]).exits(3);
        let words = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("that this program does not know"), "{driver}: {said}");
        let gives = format!("gives it to OpenSC's driver {driver}");
        assert!(said.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(&gives), "{said}");
    }
}

/// As many commands as `pkcs15-tool -D` with an empty cache, and those for the two public keys that it does not read.
#[test]
fn a_check_costs_no_more_than_a_listing() {
    let (stand, maker) = stand();
    generate(&maker, "ec/prime256v1", "45");
    generate(&maker, "rsa/2048", "46");
    let count = |run: &dyn Fn()| {
        stand.card().reset_stats();
        run();
        stand.card().stats()
    };
    let theirs = count(&|| drop(maker.run(&["pkcs15-tool", "-D"]).ok()));
    let ours = count(&|| drop(maker.stalecard(&["check"])));
    let of_public_keys = 2 + 3;
    assert!(ours.apdus <= theirs.apdus + of_public_keys, "ours {ours:?}, theirs {theirs:?}");
    assert!(ours.select_aid <= 1 && ours.verify == 0 && ours.writes == 0, "{ours:?}");
}

/// Somebody is logged in: the applet is selected, and is not selected again.
#[test]
fn somebody_elses_login_survives() {
    let (stand, maker) = stand();
    generate(&maker, "rsa/2048", "46");
    let pipe = stand.dir().join("pipe");
    let input = pipe.to_str().unwrap();
    maker.run(&["mkfifo", input]).ok();
    let mut words = vec!["pkcs11-tool", "--login", "--pin", PIN, "--sign", "--id", "46"];
    words.extend(["--mechanism", "RSA-PKCS", "--input-file", input, "--output-file", "/dev/null"]);
    stand.card().reset_stats();
    let running = maker.spawn(&words);
    let deadline = Instant::now() + Duration::from_secs(30);
    while stand.card().stats().verify == 0 {
        assert!(Instant::now() < deadline, "no login");
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = stand.apdu_log().len();
    // What it is nobody but a setting says, and to select its application would end the login.
    let output = maker.stalecard(&["check", "--format", "json"]).exits(3);
    assert!(output.stdout.contains("pkcs11-tool"), "{output}");
    assert!(!commands(&stand, before).iter().any(|command| command.starts_with(SELECT)));
    std::fs::write(pipe, [7; 32]).unwrap();
    running.finish(Duration::from_secs(30)).ok();
    assert_eq!(stand.card().stats().signatures, 1);
}

/// `lastUpdate` is in the names of cached files, and `pkcs15-init` moves it; whoever leaves it as it is, or a second card
/// of the same second, is shown from the old files. All such cards have the serial number 0000.
#[test]
fn what_does_not_move_last_update_is_found_stale() {
    let (stand, maker) = stand();
    generate(&maker, "ec/prime256v1", "45");
    let file = |path: &str| {
        let content = stand.card().dump()["files"][path].as_str().unwrap().to_owned();
        data_encoding::HEXLOWER.decode(content.as_bytes()).unwrap()
    };
    let info = file("3F0050155032");
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs15-tool", "-D"]).ok();
    assert_eq!(ids(&report(&office)), ["shared-identity"]);
    maker.delete_objects("privkey,pubkey", "45");
    generate(&maker, "ec/prime256v1", "47");
    stand.card().tamper_path(&[0x50, 0x15, 0x50, 0x32], Some(&info));
    let told = report(&office);
    for id in ["hidden-object", "ghost-object", "shared-identity"] {
        assert!(ids(&told).contains(&id), "{id}: {told}");
    }
    assert!(office.run(&["pkcs15-tool", "-D"]).stdout.contains("ID             : 45"));
    office.stalecard(&["flush"]).ok();
    assert_eq!(ids(&report(&office)), ["shared-identity"]);
    assert_eq!(office.run(&["pkcs15-tool", "-D"]).ok().stdout, maker.run(&["pkcs15-tool", "-D"]).ok().stdout);
}
