//! A check in `unless`, in check mode, in a timer or in monitoring only looks, also where it finds
//! something; and so does a watch that is not told to flush. Every system call is traced.

use super::stand::{Host, PIN, SO_PIN, Stand};
use super::{traced, watch::Watch};

/// A host whose cache holds a key that was replaced elsewhere; the baseline is of the old one, too.
fn stale(stand: &Stand) -> Host {
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = host.keypairgen("EC:prime256v1", &[]).id;
    host.pkcs15_list();
    host.stalecard(&["snapshot", "--baseline", "-o", "DENK0200834.toml"]).ok();
    host.live().delete_object("privkey", &old);
    host.live().keypairgen("EC:prime256v1", &[]);
    host
}

#[test]
fn a_check_in_unless_writes_nothing() {
    let stand = Stand::start();
    let host = stale(&stand);
    let before = (host.cache_files(), host.sh("ls -lAR --full-time").ok().stdout);
    let trace = stand.dir().join("trace");
    // Puppet's and make's way: a shell asks, and only the exit code counts.
    let traced = |command: &str| {
        let above = traced::strace(&trace).join(" ");
        let output = host.sh(&format!("{above} {} {command}", env!("CARGO_BIN_EXE_stalecard")));
        (output, traced::calls(&trace))
    };
    for (command, codes) in [
        ("check --against DENK0200834.toml", &[1][..]),
        ("check --against . --format json", &[1]),
        ("check --offline --against .", &[0, 1]),
        ("check --format nagios --timeout 30", &[2]),
        ("check --format prometheus", &[1]),
        // As the timer does it. What other users of this machine have is not the test's business.
        ("check --all-users --timeout 120", &[1, 3]),
        ("flush --dry-run", &[0]),
        ("fix --dry-run", &[0]),
        ("config disable-cache --dry-run", &[0]),
        ("compare /dev/null", &[3]),
    ] {
        let (output, calls) = traced(command);
        assert!(codes.contains(&output.code()), "{output}");
        assert_eq!(calls.leaving_something, [""; 0], "{command}");
        assert!(calls.text.contains("openat("), "{}", calls.text);
    }
    assert_eq!((host.cache_files(), host.sh("ls -lAR --full-time").ok().stdout), before);
    // Whoever writes is seen.
    for command in ["check --format prometheus --output metrics.prom", "flush"] {
        assert!(!traced(command).1.leaving_something.is_empty(), "{command}");
    }
}

#[test]
fn a_watch_that_is_not_told_to_flush_writes_nothing() {
    let stand = Stand::start();
    let host = stale(&stand);
    let trace = stand.dir().join("trace");
    let mut watch = Watch::start_under(&host, &traced::strace(&trace).join(" "), &[]);
    stand.card().eject();
    watch.until("removed");
    stand.card().insert(stand.card().first());
    let inserted = watch.until("inserted");
    assert_eq!(inserted["findings"][0]["id"], "stale-key-id", "{inserted:#}");
    host.run(&["opensc-tool", "-n"]).ok();
    watch.until("released");
    let before = host.cache_files();
    std::fs::write(host.cache().join("somebody-else-writes"), "").unwrap();
    watch.until("cache-changed");
    std::fs::remove_file(host.cache().join("somebody-else-writes")).unwrap();
    let said = watch.stop();
    assert!(!said.contains("\"changed\":true"), "{said}");
    let calls = traced::calls(&trace);
    assert_eq!(calls.leaving_something, [""; 0]);
    assert!(
        calls.text.contains("inotify_add_watch") && calls.text.contains(".cache/opensc"),
        "{}",
        calls.text
    );
    assert_eq!(host.cache_files(), before);
}
