//! The systemd units, as systemd itself judges them without running them; and whether what their
//! sandbox takes away is really never needed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::stalecard;
use super::stand::{Host, PIN, SO_PIN, Stand};
use super::watch::Watch;

const SERVICES: [&str; 2] = ["stalecard-check.service", "stalecard-watch@.service"];

fn unit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd").join(name)
}

#[track_caller]
fn systemd_analyze(arguments: &[&str], folder: &Path) -> String {
    let output = Command::new("systemd-analyze").args(arguments).current_dir(folder).output();
    let output = output.expect("systemd-analyze: run tests/stand/setup");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

#[test]
fn services_are_hardened() {
    for name in SERVICES {
        let path = unit(name);
        let said = systemd_analyze(
            &["security", "--offline=yes", "--no-pager", path.to_str().unwrap()],
            Path::new("/"),
        );
        let verdict = said.lines().rfind(|line| line.contains("Overall exposure level")).unwrap();
        let level: f64 =
            verdict.split(": ").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        println!("{verdict}");
        assert!(level < 3.0, "{verdict}");
    }
}

/// systemd understands every line, and stalecard the command in it.
#[test]
fn units_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    for (name, instance) in [
        (SERVICES[0], SERVICES[0]),
        ("stalecard-check.timer", "stalecard-check.timer"),
        (SERVICES[1], "stalecard-watch@root.service"),
    ] {
        let text = std::fs::read_to_string(unit(name)).unwrap();
        let text = text.replace("/usr/bin/stalecard", env!("CARGO_BIN_EXE_stalecard"));
        std::fs::write(folder.path().join(instance), &text).unwrap();
        if let Some(command) = text.lines().find_map(|line| line.strip_prefix("ExecStart=")) {
            let mut words: Vec<&str> = command.split(' ').skip(1).collect();
            words.push("--help");
            let (code, said) = stalecard(&words);
            assert_eq!(code, 0, "{command}: {said}");
        }
        let said = systemd_analyze(&["verify", "--man=no", &format!("./{instance}")], folder.path());
        assert_eq!(said, "", "{instance}");
    }
}

/// The values of a setting of a unit, in order.
fn values<'a>(unit: &'a str, setting: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(setting)?.strip_prefix('=')).collect()
}

/// The system calls that a unit's filters let through, by systemd's own sets.
fn let_through(unit: &str) -> BTreeSet<String> {
    let text = systemd_analyze(&["syscall-filter", "--no-pager"], Path::new("/"));
    let mut sets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        match line.strip_prefix("    ") {
            None => name = line.trim(),
            Some(member) => sets.entry(name).or_default().push(member.trim()),
        }
    }
    fn expand(sets: &BTreeMap<&str, Vec<&str>>, name: &str, calls: &mut BTreeSet<String>) {
        match sets.get(name) {
            Some(members) => members.iter().for_each(|member| expand(sets, member, calls)),
            None => drop(calls.insert(name.to_owned())),
        }
    }
    let mut allowed = BTreeSet::new();
    // systemd adds it by itself.
    expand(&sets, "@default", &mut allowed);
    for value in values(unit, "SystemCallFilter") {
        let mut named = BTreeSet::new();
        value.trim_start_matches('~').split(' ').for_each(|name| expand(&sets, name, &mut named));
        if value.starts_with('~') {
            allowed.retain(|call| !named.contains(call));
        } else {
            allowed.append(&mut named);
        }
    }
    allowed
}

/// Fails the test for every call in a trace that the unit's sandbox would refuse.
#[track_caller]
fn is_let_through(unit: &str, trace: &Path) {
    let allowed = let_through(unit);
    let trace = std::fs::read_to_string(trace).unwrap();
    let families = values(unit, "RestrictAddressFamilies");
    let mut seen = BTreeSet::new();
    for line in trace.lines() {
        let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
        let Some((name, arguments)) = call.split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            continue;
        }
        seen.insert(name.to_owned());
        assert!(name != "socket" || families.iter().any(|family| arguments.starts_with(family)), "{line}");
        assert!(!(arguments.contains("PROT_EXEC") && arguments.contains("PROT_WRITE")), "{line}");
        assert!(!arguments.contains("CLONE_NEW"), "{line}");
    }
    let refused: Vec<&String> = seen.difference(&allowed).collect();
    assert!(
        refused.is_empty() && seen.contains("openat") && seen.contains("socket"),
        "{refused:?} of {seen:?}"
    );
    println!("{} system calls, all of them let through", seen.len());
}

/// What to put before a command so that it has no more capabilities than the unit gives, and is traced.
fn above(unit: &str, trace: &Path) -> String {
    let [capabilities] = values(unit, "CapabilityBoundingSet")[..] else { panic!("{unit}") };
    let kept: String = capabilities
        .split_whitespace()
        .map(|name| format!(",+{}", name.strip_prefix("CAP_").unwrap().to_lowercase()))
        .collect();
    format!(
        "setpriv --bounding-set=-all{kept} --inh-caps=-all --no-new-privs strace -f -qq -o {}",
        trace.display()
    )
}

fn command(unit: &str) -> &str {
    values(unit, "ExecStart")[0].strip_prefix("/usr/bin/stalecard ").unwrap()
}

/// A host whose cache holds a key that was replaced elsewhere.
fn stale(stand: &Stand) -> Host {
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &["--id", "01"]);
    host.pkcs15_list();
    replace_key(&host);
    host
}

fn replace_key(host: &Host) {
    host.live().delete_object("privkey", "01");
    host.live().keypairgen("EC:prime256v1", &["--id", "01"]);
}

#[test]
fn the_sandbox_of_the_check_takes_nothing_that_it_needs() {
    let stand = Stand::start();
    let host = stale(&stand);
    let text = std::fs::read_to_string(unit(SERVICES[0])).unwrap();
    let allowed = let_through(&text);
    assert!(allowed.contains("read") && !allowed.contains("mount") && !allowed.contains("chown"));
    let trace = stand.dir().join("trace");
    let line = format!("{} {} {}", above(&text, &trace), env!("CARGO_BIN_EXE_stalecard"), command(&text));
    let said = host.sh(&line);
    assert!(said.stdout.starts_with("STALE"), "{said}");
    is_let_through(&text, &trace);
}

#[test]
fn the_sandbox_of_the_watch_takes_nothing_that_it_needs() {
    let stand = Stand::start();
    let host = stale(&stand);
    let text = std::fs::read_to_string(unit(SERVICES[1])).unwrap();
    let trace = stand.dir().join("trace");
    let options = command(&text).strip_prefix("watch ").unwrap();
    let mut watch = Watch::start_under(&host, &above(&text, &trace), &[options]);
    host.pkcs15_list();
    watch.until("released");
    replace_key(&host);
    host.run(&["opensc-tool", "-n"]).ok();
    watch.until("released");
    stand.card().eject();
    watch.until("removed");
    let said = watch.stop();
    assert!(said.contains("\"changed\":true"), "nothing was flushed: {said}");
    is_let_through(&text, &trace);
}
