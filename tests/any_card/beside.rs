//! `--beside`: asking while the user's own programs with OpenSC have the card open, and only then.

use super::*;
use crate::stand::Running;
use std::fs::File;
use std::time::{Duration, Instant};

/// Any ordinary user.
const USER: u32 = 4711;

/// A program of the user's with OpenSC that has the card open, and does nothing.
pub struct Holder {
    _typed: File,
    pub running: Running,
}

pub fn hold(host: &Host, program: &str) -> Holder {
    let pipe = host.home().join(format!("typed-{}", program.len()));
    // One that held it before may have left it.
    let _ = std::fs::remove_file(&pipe);
    host.run(&["mkfifo", pipe.to_str().unwrap()]).ok();
    let running = host.spawn(&["sh", "-c", &format!("exec {program} < {}", pipe.display())]);
    let typed = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    Holder { _typed: typed, running }
}

/// A check, as soon as the card is seen to be in use.
pub fn when_held(host: &Host, options: &[&str]) -> (Output, Value) {
    let end = Instant::now() + Duration::from_secs(30);
    while !gaps(&check(host, &[]).1).join("\n").contains("a program has the card open") {
        assert!(Instant::now() < end);
    }
    check(host, options)
}

pub fn user(stand: &Stand) -> Option<Host> {
    // Root never asks beside anybody; and a shell of another suite's is not there to start its program.
    (Host::can_switch_users() && stand::opensc_root().is_none()).then(|| {
        let host = host(stand);
        std::fs::set_permissions(runtime(stand), std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .unwrap();
        host.for_user(USER).without_env("XDG_RUNTIME_DIR")
    })
}

#[test]
fn a_card_that_own_programs_have_open_is_asked_beside_them() {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let Some(host) = user(&stand) else { return };
    host.caching("public");
    host.pkcs15_list();
    card.renew(0, 40);
    let mut holder = hold(&host, "opensc-explorer");
    let (output, report) = when_held(&host, &["--beside"]);
    assert_eq!(output.code(), 1, "{output}");
    assert!(convicted(&report).contains_key("stale-certificate"), "{output}");
    assert!(
        output.stderr.contains("beside opensc-explore") && output.stderr.contains("waits meanwhile"),
        "{output}"
    );
    assert!(holder.running.is_running());
    // The cure is one that works while the holder has it.
    assert_eq!(report["steps"][0]["command"], "stalecard flush --beside", "{output}");
    // Without, both ways on are named.
    let told = gaps(&when_held(&host, &[]).1).join("\n");
    assert!(told.contains("yours, has OpenSC loaded") && told.contains("--beside"), "{told}");
    // The flush asks again, beside it as well.
    let flushed = ours(&host, &["flush", "--beside"]).ok();
    assert!(flushed.stdout.contains("1 file moved to the quarantine"), "{flushed}");
    assert!(holder.running.is_running());
    holder.running.stop();
}

#[test]
fn it_is_not_asked_beside_whoever_could_not_log_in_again() {
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one"]);
    let Some(host) = user(&stand) else { return };
    let refused = |why: &str| {
        when_held(&host, &[]);
        let before = stand.card().stats().apdus;
        let (output, report) = check(&host, &["--beside"]);
        assert_eq!((output.code(), stand.card().stats().apdus), (3, before), "{output}");
        let told = gaps(&report).join("\n");
        assert!(told.contains("--beside does not help") && told.contains(why), "{told}");
    };
    host.configure(
        "app default { framework pkcs15 { use_file_caching = public; use_pin_caching = false; } }",
    );
    let holder = hold(&host, "opensc-explorer");
    refused("use_pin_caching");
    host.caching("public");
    holder.running.stop();
    // Who has no OpenSC cannot send the PIN again.
    let holder = hold(&host, "scriptor");
    if holder_is_there(&host) {
        refused("without OpenSC");
    }
    holder.running.stop();
    for words in [&["check", "--beside", "--no-ask"][..], &["watch", "--beside"]] {
        ours(&host, words).exits(2);
    }
    ours(&host, &["check", "--beside", "--format", "nagios"]).exits(3);
    // Root never does.
    let root = crate::host(&stand);
    root.caching("public");
    let holder = hold(&root, "opensc-explorer");
    let told = gaps(&when_held(&root, &["--beside"]).1).join("\n");
    assert!(told.contains("not as root"), "{told}");
    holder.running.stop();
}

fn holder_is_there(host: &Host) -> bool {
    host.run(&["sh", "-c", "command -v scriptor"]).success()
}

/// A real `ssh-agent` that is logged in to the card: it stays so, and goes on signing, without anybody typing the PIN again.
#[test]
fn an_agent_goes_on_signing() {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let Some(host) = user(&stand) else { return };
    host.caching("public");
    host.pkcs15_list();
    let socket = host.home().join("agent.sock");
    let running = host.spawn(&["ssh-agent", "-D", "-a", socket.to_str().unwrap()]);
    let end = Instant::now() + Duration::from_secs(30);
    while !socket.exists() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(20));
    }
    let ask = host.scratch("ask", format!("#!/bin/sh\necho {}\n", host.pin()).as_bytes());
    std::fs::set_permissions(&ask, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let user = host.clone().env("SSH_AUTH_SOCK", socket.to_str().unwrap());
    let with_pin = user.clone().env("SSH_ASKPASS", ask.to_str().unwrap()).env("SSH_ASKPASS_REQUIRE", "force");
    with_pin.run(&["ssh-add", "-s", stand::opensc_module().to_str().unwrap()]).ok();
    let keys = user.run(&["ssh-add", "-L"]).ok().stdout;
    let public = user.scratch("key.pub", keys.lines().next().unwrap().as_bytes());
    let signs = || {
        // The agent signs with it, and nobody is there to type a PIN.
        user.run(&["ssh-add", "-T", public.to_str().unwrap()]).ok()
    };
    signs();
    card.renew(1, 40);
    let before = stand.card().stats().signatures;
    let (output, report) = when_held(&host, &["--beside"]);
    assert_eq!(output.code(), 1, "{output}");
    assert!(convicted(&report).contains_key("stale-certificate"), "{output}");
    assert!(output.stderr.contains("beside ssh-pkcs11-help"), "{output}");
    signs();
    assert!(stand.card().stats().signatures > before);
    running.stop();
}
