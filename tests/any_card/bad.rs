//! What goes wrong: a clear word, exit code 3, nothing left behind.

use super::*;
use crate::stand::{Family, Options, PIN, SO_PIN};
use std::time::{Duration, Instant};

fn unread(stand: &Stand, host: &Host) -> String {
    let (output, report) = check(host, &[]);
    assert_eq!(output.code(), 3, "{output}");
    assert_eq!(left_behind(stand), Vec::<String>::new());
    assert_eq!(report["verdict"]["state"], "unread", "{output}");
    gaps(&report).join("\n")
}

/// A card that no driver takes costs one ask, and is never called healthy.
#[test]
fn a_card_that_opensc_does_not_support_is_said_to_be_one() {
    let switches = ["--atr", "3B0211223344"];
    let stand = Stand::with(Options { family: Family::Piv, switches: &switches, ..Options::default() });
    let host = host(&stand).env("OPENSC_DRIVER", "tcos");
    let told = unread(&stand, &host);
    assert!(told.contains("OpenSC shows nothing of it: pkcs15-tool lists no card"), "{told}");
}

#[test]
fn a_card_that_goes_meanwhile_is_gone() {
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    stand.card().fault("die-at 20");
    let told = unread(&stand, &host);
    assert!(told.contains("not in the reader any more") || told.contains("SCARD_"), "{told}");
}

#[test]
fn a_configuration_that_kills_opensc_is_told() {
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one"]);
    let host = host(&stand);
    host.configure("app default\n\n{\n\tframework pkcs15 {\n\t\tuse_file_caching = public;\n\t}\n}\n");
    let (output, report) = check(&host, &[]);
    let told = gaps(&report).join("\n");
    assert!(told.contains("OpenSC could not be asked"), "{told}\n{output}");
    assert_eq!(left_behind(&stand), Vec::<String>::new());
}

/// A tool that hangs, in a place of its own in front of the real one: it is waited for as long as there is time.
#[test]
fn a_tool_that_hangs_or_dies_is_left() {
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one"]);
    let host = host(&stand);
    host.caching("public");
    if !Host::can_switch_users() || stand::opensc_root().is_some() {
        return;
    }
    let fake = Path::new("/usr/local/bin/pkcs15-tool");
    assert!(!fake.exists());
    for (script, expected) in [
        ("sleep 300", "did not end within"),
        ("kill -SEGV $$", "crashed"),
        ("head -c 6000000 /dev/zero", "printed more than"),
        ("echo 'PKCS#15 Card [x]:'; exit 7", "exit code 7"),
        ("exit 0", "lists no card"),
    ] {
        let output = check_with_pkcs15_tool(&host, script, &["--timeout", "30"]);
        let report = document(&output);
        let told = gaps(&report).join("\n");
        assert!(output.code() == 3 && told.contains(expected), "{script}: {output}");
    }
    assert!(!fake.exists());
}

/// A check where this script stands before the real tool.
fn check_with_pkcs15_tool(host: &Host, script: &str, options: &[&str]) -> Output {
    let inside = r#"mount -t tmpfs -o mode=0755 none /usr/local/bin && printf '#!/bin/sh\n%s\n' "$1" >/usr/local/bin/pkcs15-tool &&
        chmod 755 /usr/local/bin/pkcs15-tool && shift && exec "$@""#;
    let program = [env!("CARGO_BIN_EXE_stalecard"), "check", "--format", "json"];
    host.run(&[&["unshare", "-m", "sh", "-c", inside, "sh", script], &program[..], options].concat())
}

/// Beside a card that is read, too: what was begun and came to nothing is not called right. A card that no driver takes is no gap.
#[test]
fn a_card_that_could_not_be_asked_is_told_beside_one_that_is_read() {
    if !Host::can_switch_users() || stand::opensc_root().is_some() {
        return;
    }
    let stand = Stand::start();
    let host = host(&stand);
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let mut card = stand.file_card("beside", Kind::Belpic, 1, &["one"]);
    card.put_into(&stand, 1);
    check(&host, &[]).0.ok();
    for (script, code, expected) in [
        ("kill -SEGV $$", 3, "crashed"),
        ("exit 7", 0, "lists no card"),
        ("echo 'PKCS#15 Card [x]:'; exit 7", 3, "exit code 7"),
    ] {
        let output = check_with_pkcs15_tool(&host, script, &[]);
        let told = gaps(&document(&output)).join("\n");
        assert!(output.code() == code && told.contains(expected), "{script}: {output}");
    }
}

/// On a busy host a tool now and then sees no card where there is one: it is run once more, and no more often than that.
#[test]
fn a_tool_that_sees_no_card_once_is_run_again() {
    if !Host::can_switch_users() || stand::opensc_root().is_some() {
        return;
    }
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    for (fails, code) in [("1", 0), ("2", 0), ("3", 0), ("1|2", 3), ("2|3", 3), ("5", 0)] {
        let script = format!(
            r#"n=$(cat "$0.n" 2>/dev/null || echo 0); n=$((n + 1)); echo $n >"$0.n"
            case $n in {fails}) echo "Failed to connect to card: Card not present" >&2; exit 1;; esac
            exec /usr/bin/pkcs15-tool "$@""#
        );
        let inside = r#"mount -t tmpfs -o mode=0755 none /usr/local/bin && printf '#!/bin/sh\n%s\n' "$1" >/usr/local/bin/pkcs15-tool &&
            chmod 755 /usr/local/bin/pkcs15-tool && shift && exec "$@""#;
        let program = env!("CARGO_BIN_EXE_stalecard");
        let output = host
            .run(&["unshare", "-m", "sh", "-c", inside, "sh", &script, program, "check", "--format", "json"]);
        let told = gaps(&document(&output)).join("\n");
        assert_eq!(output.code(), code, "{fails}: {output}");
        assert_eq!(told.contains("Card not present"), code == 3, "{fails}: {told}");
        assert_eq!(left_behind(&stand), Vec::<String>::new());
    }
}

/// A tool that might have to be stopped within a transaction is not begun.
#[test]
fn without_time_for_a_whole_list_it_is_not_asked() {
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one"]);
    let host = host(&stand);
    host.caching("public");
    stand.card().reset_stats();
    let output = ours(&host, &["check", "--format", "json", "--timeout", "20"]).exits(3);
    let told = gaps(&document(&output)).join("\n");
    assert!(told.contains("too little time is left") && told.contains("--timeout 60 or more"), "{output}");
    assert_eq!(stand.card().stats().apdus, 0, "{output}");
    assert_eq!(left_behind(&stand), Vec::<String>::new());
}

/// Whoever ends it by a signal leaves nothing behind, neither files nor a reset of the card.
#[test]
fn who_ends_it_leaves_nothing_behind() {
    // It is ended itself, not what starts it where the other suite's tools are.
    if stand::opensc_root().is_some() {
        return;
    }
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    stand.card().fault("wait-at 12 3000");
    let running = host.spawn(&[env!("CARGO_BIN_EXE_stalecard"), "check"]);
    let end = Instant::now() + Duration::from_secs(30);
    while left_behind(&stand).is_empty() || stand.card().stats().apdus < 8 {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(20));
    }
    running.stop();
    while !left_behind(&stand).is_empty() {
        assert!(Instant::now() < end, "{:?}", left_behind(&stand));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(host.cache_names().is_empty());
}

/// At whatever moment it is ended, also while it begins: no directory is left, not even an empty one.
#[test]
fn whenever_it_is_ended_nothing_is_left_behind() {
    if stand::opensc_root().is_some() {
        return;
    }
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    let begun = Instant::now();
    check(&host, &[]).0.ok();
    let whole = begun.elapsed();
    for part in 0..12 {
        let running = host.spawn(&[env!("CARGO_BIN_EXE_stalecard"), "check"]);
        std::thread::sleep(whole * part / 12);
        running.stop();
    }
    let end = Instant::now() + Duration::from_secs(30);
    while !left_behind(&stand).is_empty() {
        assert!(Instant::now() < end, "{:?}", left_behind(&stand));
        std::thread::sleep(Duration::from_millis(50));
    }
    check(&host, &[]).0.ok();
}

/// Where there is no room for the private directory the next place is taken; where there is none anywhere each is named.
#[test]
fn a_full_disk_is_passed_over_and_all_of_them_are_told() {
    if !Host::can_switch_users() || stand::opensc_root().is_some() {
        return;
    }
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    let before = host.cache_files();
    // Wherever it was built: that may lie among the temporary files, too.
    let program = stand.dir().join("stalecard");
    std::fs::copy(env!("CARGO_BIN_EXE_stalecard"), &program).unwrap();
    let program = program.to_str().unwrap();
    let small = "mount -t tmpfs -o size=16k,mode=1777 none";
    let runtime = format!(r#"{small} "$XDG_RUNTIME_DIR" && chmod 0700 "$XDG_RUNTIME_DIR""#);
    let memory = format!("{small} /dev/shm");
    // The stand itself is among the temporary files.
    let dir = stand.dir().display();
    let rest = format!(
        "mount --bind {dir} /mnt && {small} /tmp && mkdir -p {dir} && mount --bind /mnt {dir} && {small} /var/tmp"
    );
    let run = |mounts: &[&str], variable: &str| {
        let inside = format!(
            r#"{} && {variable} "$1" check --format json; code=$?
            ls -A "$XDG_RUNTIME_DIR" >&2; exit $code"#,
            mounts.join(" && ")
        );
        let output = host.run(&["unshare", "-m", "sh", "-c", &inside, "sh", program]);
        assert!(!output.stderr.contains("stalecard-ask"), "left behind: {output}");
        (output.code(), gaps(&document(&output)).join("\n"), output)
    };
    for full in [&[runtime.as_str()][..], &[memory.as_str(), runtime.as_str()]] {
        let (code, told, output) = run(full, "");
        assert_eq!((code, told.as_str()), (0, ""), "{output}");
    }
    let all = [rest.as_str(), memory.as_str(), runtime.as_str()];
    let (code, told, output) = run(&all, "");
    assert_eq!(code, 3, "{output}");
    for place in ["/dev/shm", "/tmp", "/var/tmp"] {
        assert!(told.contains(&format!("{place}: only ")), "{told}");
    }
    assert!(told.contains("TMPDIR"), "{told}");
    // A place of one's own that is named, and one in which others could exchange what is there.
    let own = host.home().join("aside");
    std::fs::create_dir(&own).unwrap();
    let variable = format!("TMPDIR={}", own.display());
    for (mode, expected) in [(0o700, 0), (0o777, 3)] {
        std::fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let (code, _, output) = run(&all, &variable);
        assert_eq!(code, expected, "{mode:o}: {output}");
    }
    assert_eq!(host.cache_files(), before);
}

/// Facts of which somebody has taken what OpenSC told are no verdict.
#[test]
fn a_snapshot_without_its_asks_is_unread_and_says_so() {
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    let file = host.home().join("taken.json");
    ours(&host, &["snapshot", "-o", file.to_str().unwrap()]).ok();
    let whole: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for kept in ["", "shown", "live", "fresh"] {
        let mut facts = whole.clone();
        facts["asks"].as_array_mut().unwrap().retain(|ask| ask["kind"] == kept);
        std::fs::write(&file, facts.to_string()).unwrap();
        let output = ours(&host, &["check", "--snapshot", file.to_str().unwrap()]).exits(3);
        assert!(output.stdout.starts_with("UNREAD"), "{kept}: {output}");
    }
}

/// The PC/SC service ends in the middle of a list.
#[test]
fn a_service_that_ends_meanwhile_is_told() {
    if stand::opensc_root().is_some() {
        return;
    }
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    stand.card().fault("wait-at 12 2000");
    let running = host.spawn(&[env!("CARGO_BIN_EXE_stalecard"), "check", "--format", "json"]);
    let end = Instant::now() + Duration::from_secs(30);
    while stand.card().stats().apdus < 11 {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(20));
    }
    host.sh("for pid in /proc/[0-9]*; do test \"$(cat $pid/comm 2>/dev/null)\" = pcscd && kill -9 \"${pid#/proc/}\"; done; true");
    let output = running.finish(Duration::from_secs(120));
    let told = gaps(&document(&output)).join("\n");
    assert!(output.code() == 3 && told.contains("SCARD_E_NO_SERVICE"), "{told}\n{output}");
    assert_eq!(left_behind(&stand), Vec::<String>::new());
}
