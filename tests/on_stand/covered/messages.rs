//! What is said where nothing could be read: what happened, and what to do next.

use super::{check, found, said};
use crate::stand::{Family, Host, Options, Stand, opensc_version};

/// In a container "install and start pcscd" is wrong: the readers are the host's.
#[test]
fn without_a_service_in_a_container_the_hosts_has_to_come_in() {
    if !Host::can_switch_users() {
        return println!("not root: no mounts");
    }
    let stand = Stand::with(Options { inserted: false, ..Options::default() });
    let host = stand.host("alpha");
    let without_service = |mark: &str| {
        let program = env!("CARGO_BIN_EXE_stalecard");
        let line = format!("mount -t tmpfs tmpfs /run && {mark} && exec {program} check");
        host.run(&["unshare", "--mount", "sh", "-c", &line]).exits(3)
    };
    let output = without_service("touch /run/.containerenv");
    assert!(said(&output).contains("no PC/SC service in this container (SCARD_E_NO_SERVICE)"), "{output}");
    assert!(said(&output).contains("-v /run/pcscd:/run/pcscd"), "{output}");
    assert!(!said(&output).contains("install"), "{output}");
    if !std::path::Path::new("/.dockerenv").exists() {
        let output = without_service("true");
        assert!(said(&output).contains("apt install pcscd"), "{output}");
    }
}

/// A card that is not read: whom to ask which driver it is, the setting, and how to see it all the same.
#[test]
fn of_a_card_that_is_not_read_it_is_said_what_to_do_next() {
    let stand = Stand::with(Options {
        switches: &["--atr", "3BF81300008131FE454A434F5076323431B7"],
        ..Options::default()
    });
    let host = stand.host("alpha");
    let output = host.stalecard(&["check", "--no-ask"]).exits(3);
    for word in ["opensc-tool -n", "OPENSC_DRIVER=NAME", "card_drivers", "stalecard run -- pkcs15-tool -D"] {
        assert!(said(&output).contains(word), "{word}: {output}");
    }
    // The way that is named leads there.
    let driver = host.run(&["opensc-tool", "-n"]).ok();
    assert!(driver.stdout.contains("SmartCard-HSM"), "{driver}");
    let output = host.clone().env("OPENSC_DRIVER", "sc-hsm").stalecard(&["check"]);
    assert!(said(&output).contains("DENK0200834"), "{output}");
    let output = host.stalecard(&["run", "--", "pkcs15-tool", "-D"]).ok();
    assert!(output.stdout.contains("DENK0200834"), "{output}");
}

/// A MyEID counts its changes; OpenSC before 0.24 does not look.
#[test]
fn a_counter_that_opensc_does_not_look_at_is_no_card_that_never_signals() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.personalise();
    let host = stand.host("alpha");
    let (code, report) = check(&host, &[]);
    let looks = stalecard::opensc::differences::names_hold_counter(opensc_version());
    let told = found(&report, "cache-cannot-notice-change");
    assert_eq!((code, told.is_empty()), (0, looks), "{report:#}");
    if let [finding] = &told[..] {
        let text = finding.to_string();
        assert!(!text.contains("never signals") && text.contains("0.24.0"), "{text}");
        assert!(finding["fix"].to_string().contains("upgrade OpenSC to 0.24.0 or later"), "{finding}");
    }
}
