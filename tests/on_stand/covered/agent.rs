//! Programs that still hold the old view: with OpenSC's default configuration, which caches no file of a PIV card, too.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::{check, found};
use crate::stand::{
    Family, Host, Options, PIN, PIV_PIN, Running, SO_PIN, Stand, YUBIKEY, opensc_module, opensc_root,
};

const FINDING: &str = "process-holds-old-view";

/// A real `ssh-agent` on this host, and the host as programs see it that use the agent.
fn agent(host: &Host) -> (Running, Host) {
    let socket = host.home().join("agent.sock");
    let _ = std::fs::remove_file(&socket);
    let agent = host.spawn(&["ssh-agent", "-D", "-a", socket.to_str().unwrap()]);
    let end = Instant::now() + Duration::from_secs(30);
    while !socket.exists() {
        assert!(Instant::now() < end, "waited in vain for the agent");
        std::thread::sleep(Duration::from_millis(10));
    }
    let ask = host.scratch("ask", format!("#!/bin/sh\necho {}\n", host.pin()).as_bytes());
    std::fs::set_permissions(&ask, PermissionsExt::from_mode(0o755)).unwrap();
    let user = host.clone().env("SSH_AUTH_SOCK", socket.to_str().unwrap());
    (agent, user.env("SSH_ASKPASS", ask.to_str().unwrap()).env("SSH_ASKPASS_REQUIRE", "force"))
}

/// The keys that the agent offers.
fn offered(user: &Host) -> Vec<String> {
    let output = user.run(&["ssh-add", "-L"]).ok();
    output.stdout.lines().filter_map(|line| Some(line.split(' ').nth(1)?.to_owned())).collect()
}

/// Seen: slot 9A got a new key and certificate, `ssh-agent` went on with the old key, and all was well.
#[test]
fn an_agent_offers_the_old_key_of_a_card_that_was_keyed_anew() {
    if opensc_root().is_some() {
        return println!("the agent is this system's");
    }
    let stand = Stand::with(Options { family: Family::Piv, switches: &YUBIKEY, ..Options::default() });
    let host = stand.host("alpha").with_pin(PIV_PIN);
    host.configure("app default {\n}\n");
    host.piv(&["--action", "set-chuid"]).ok();
    host.piv_renew("9a", "ECCP256", "holder");
    let (first, user) = agent(&host);
    let module = opensc_module();
    user.run(&["ssh-add", "-s", module.to_str().unwrap()]).ok();
    let old = offered(&user);
    // Who can ask the agent knows that it offers all keys of the card.
    let (code, report) = check(&user, &[]);
    assert_eq!((code, found(&report, FINDING).len()), (0, 0), "{report}");
    let (code, report) = check(&host, &[]);
    let [note] = &found(&report, FINDING)[..] else { panic!("{report}") };
    assert_eq!((code, &note["severity"]), (0, &"info".into()), "{note}");

    // The certificate's date has seconds.
    std::thread::sleep(Duration::from_millis(1100));
    host.piv_renew("9a", "ECCP256", "holder");
    assert_eq!(offered(&user), old, "the agent asks the card again");
    let (code, report) = check(&host, &[]);
    let [finding] = &found(&report, FINDING)[..] else { panic!("{report}") };
    assert_eq!((code, &finding["severity"]), (0, &"warning".into()), "{finding}");
    let summary = finding["summary"].as_str().unwrap();
    assert!(summary.contains("ssh-pkcs11-help") && summary.contains("may hold the old view"), "{summary}");
    let (code, report) = check(&user, &[]);
    let [finding] = &found(&report, FINDING)[..] else { panic!("{report}") };
    assert_eq!((code, &finding["severity"]), (1, &"error".into()), "{finding}");
    let summary = finding["summary"].as_str().unwrap();
    assert!(summary.contains("does not offer the key of card"), "{summary}");
    let output = user.stalecard(&["check"]).exits(1);
    assert!(super::said(&output).contains("Next: ssh-add -e"), "{output}");

    // The command that is named does it.
    let command = finding["fix"][0]["command"].as_str().unwrap();
    user.sh(command).ok();
    assert_ne!(offered(&user), old);
    // The process is the same, and holds the new view.
    let output = user.stalecard(&["check"]).exits(0);
    assert!(super::said(&output).starts_with("OK"), "{output}");
    // A second key, of which the agent has not heard; and no key at all.
    host.piv_renew("9c", "ECCP256", "signer");
    let (code, report) = check(&user, &[]);
    let [finding] = &found(&report, FINDING)[..] else { panic!("{report}") };
    assert!(
        code == 1 && finding["summary"].as_str().unwrap().contains("offers 1 of the 2 keys"),
        "{finding}"
    );
    user.run(&["ssh-add", "-e", module.to_str().unwrap()]).ok();
    let (code, report) = check(&user, &[]);
    assert_eq!((code, found(&report, FINDING).len()), (0, 0), "{report}");
    // Another agent, which was started since.
    drop(first);
    let (_second, user) = agent(&host);
    user.run(&["ssh-add", "-s", module.to_str().unwrap()]).ok();
    let output = host.stalecard(&["check"]).exits(0);
    let spoken = super::said(&output);
    assert!(spoken.contains("a program that is started now"), "{output}");
}

/// A SmartCard-HSM tells no dates: that its key is not offered is a note, because nobody may have added the module since the card
/// came. What the card was known to hold before decides.
#[test]
fn what_an_agent_does_not_offer_is_a_note_until_the_card_is_known_to_have_changed() {
    if opensc_root().is_some() {
        return println!("the agent is this system's");
    }
    let stand = Stand::start();
    let host = stand.host("alpha").live();
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = host.keypairgen("EC:prime256v1", &["--id", "01"]);
    let (_agent, user) = agent(&host);
    user.run(&["ssh-add", "-s", opensc_module().to_str().unwrap()]).ok();
    assert_eq!((offered(&user).len(), found(&check(&user, &[]).1, FINDING).len()), (1, 0));
    std::thread::sleep(Duration::from_millis(1100));
    let file = host.home().join("earlier.json");
    user.stalecard(&["snapshot", "--output", file.to_str().unwrap()]).ok();

    let other = stand.host("beta").live();
    other.delete_object("privkey", &old.id);
    other.keypairgen("EC:prime256v1", &["--id", "01"]);
    let (code, report) = check(&user, &[]);
    let [note] = &found(&report, FINDING)[..] else { panic!("{report:#}") };
    assert_eq!((code, &note["severity"]), (0, &"info".into()), "{note}");
    assert!(note["summary"].as_str().unwrap().contains("does not offer the key of card"), "{note}");
    let (code, report) = check(&user, &["--against", file.to_str().unwrap()]);
    let [finding] = &found(&report, FINDING)[..] else { panic!("{report:#}") };
    assert_eq!((code, &finding["severity"]), (1, &"error".into()), "{finding}");
    assert!(finding["summary"].as_str().unwrap().ends_with("it may hold the old view."), "{finding}");
    // The command that is named does it.
    user.sh(finding["fix"][0]["command"].as_str().unwrap()).ok();
    assert_eq!(found(&check(&user, &[]).1, FINDING).len(), 0);
}
