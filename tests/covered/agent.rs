//! Programs that still hold the old view: with OpenSC's default configuration, which caches no file of a PIV card, too.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::stand::{Family, Host, Options, PIV_PIN, Running, Stand, YUBIKEY, opensc_module, opensc_root};
use crate::{check, found};

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
    let ask = host.scratch("ask", format!("#!/bin/sh\necho {PIV_PIN}\n").as_bytes());
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
    host.piv_renew("9a", "RSA2048", "holder");
    let (first, user) = agent(&host);
    let module = opensc_module();
    user.run(&["ssh-add", "-s", module.to_str().unwrap()]).ok();
    let old = offered(&user);
    let (code, report) = check(&host, &[]);
    let [note] = &found(&report, FINDING)[..] else { panic!("{report}") };
    assert_eq!((code, &note["severity"]), (0, &"info".into()), "{note}");

    // The certificate's date has seconds.
    std::thread::sleep(Duration::from_millis(1100));
    host.piv_renew("9a", "RSA2048", "holder");
    assert_eq!(offered(&user), old, "the agent asks the card again");
    let (code, report) = check(&host, &[]);
    let [finding] = &found(&report, FINDING)[..] else { panic!("{report}") };
    assert_eq!((code, &finding["severity"]), (0, &"warning".into()), "{finding}");
    let summary = finding["summary"].as_str().unwrap();
    assert!(summary.contains("ssh-pkcs11-help") && summary.contains("may hold the old view"), "{summary}");

    // The command that is named does it.
    let command = finding["fix"][0]["command"].as_str().unwrap();
    user.sh(command).ok();
    assert_ne!(offered(&user), old);
    // Another agent, which was started since.
    drop(first);
    let (_second, user) = agent(&host);
    user.run(&["ssh-add", "-s", module.to_str().unwrap()]).ok();
    let output = host.stalecard(&["check"]).exits(0);
    let spoken = crate::said(&output);
    assert!(spoken.contains("a program that is started now"), "{output}");
}
