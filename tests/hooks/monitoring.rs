//! `check --format nagios` and `--format prometheus`, and `--timeout`.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::stand::{PIN, SO_PIN, Stand};
use super::{fixture, stalecard, text};

/// The state and the performance data of a line of a plugin.
#[track_caller]
fn plugin(said: &str) -> (String, Vec<(String, String)>) {
    let (line, steps) = said.split_once('\n').unwrap();
    assert!(
        line.matches('|').count() == 1 && !steps.contains('|'),
        "one line has the performance data: {said}"
    );
    for (number, step) in (1..).zip(steps.lines()) {
        assert!(step.starts_with(&format!("{number}. ")), "{said}");
    }
    text::harmless(said);
    let (words, performance) = line.split_once(" | ").unwrap();
    let state = words.strip_prefix("STALECARD ").unwrap().split(" - ").next().unwrap().to_owned();
    let values = performance.split(' ').map(|value| {
        let (name, value) = value.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    });
    (state, values.collect())
}

#[test]
fn states_and_exit_codes_of_the_plugin() {
    for (snapshot, options, expected, code, critical, warning) in [
        ("seed-beta-stale", &[][..], "CRITICAL", 2, "2;;0;0", "1;0;;0"),
        ("seed-alpha-flushed", &[], "WARNING", 1, "0;;0;0", "1;0;;0"),
        ("seed-alpha-flushed", &["--fail-on", "error"], "OK", 0, "0;;0;0", "1;0;;0"),
        ("five-keys-hardly-recorded", &[], "UNKNOWN", 3, "0;;0;0", "1;0;;0"),
    ] {
        let file = fixture(&format!("{snapshot}.json"));
        let (exit, said) =
            stalecard(&[&["check", "--format", "nagios", "--snapshot", &file], options].concat());
        let (state, performance) = plugin(&said);
        assert_eq!((state.as_str(), exit), (expected, code), "{said}");
        let value = |name: &str| performance.iter().find(|(known, _)| known == name).unwrap().1.clone();
        assert_eq!((value("critical").as_str(), value("warning").as_str()), (critical, warning), "{said}");
        let time = value("time");
        assert!(time.strip_suffix("s;;;0").unwrap().parse::<f64>().unwrap() >= 0.0, "{said}");
    }
    // What cannot be done at all is UNKNOWN too: 2 would be an alarm.
    for arguments in [&["--snapshot", "/nonexistent"][..], &["--bogus"], &["--timeout", "0"]] {
        let (code, said) = stalecard(&[&["check", "--format", "nagios"], arguments].concat());
        assert!(code == 3 && said.starts_with("STALECARD UNKNOWN - "), "{code} {said}");
    }
    assert_eq!(stalecard(&["check", "--bogus"]).0, 2);
}

/// The first line may be all that is read: it says whose caches it is about, and each cure with what that cures.
#[test]
fn the_first_line_says_whose_and_what_cures_which() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/snapshots");
    let mut told = 0;
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.to_str().unwrap();
        if !name.ends_with(".json") || name.ends_with(".check.json") {
            continue;
        }
        let (_, said) = stalecard(&["check", "--format", "nagios", "--snapshot", name]);
        let line = said.split(" | ").next().unwrap();
        if line.starts_with("STALECARD UNKNOWN") {
            continue;
        }
        let facts = std::fs::read(&file).unwrap();
        let facts: serde_json::Value = serde_json::from_slice(&facts).unwrap();
        let user = facts["user"]["name"].as_str().unwrap();
        assert!(line.contains(&format!(" {user}")), "{}: {said}", file.display());
        for part in line.split("; ").filter(|part| part.contains("cache-cannot-notice-change")) {
            assert!(!part.contains("stalecard flush"), "{}: {said}", file.display());
            told += 1;
        }
    }
    assert!(told > 0);
}

/// A card that takes its time does not hold up the monitoring, and nobody's login ends because of that.
#[test]
fn it_ends_by_itself_in_time() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &[]);
    let quick = host.stalecard(&["check", "--format", "nagios", "--timeout", "60"]);
    assert_eq!(plugin(&quick.stdout).0, "WARNING", "{quick}");

    stand.card().ask("latency 700");
    let before = stand.apdu_log().len();
    let slow = host.stalecard(&["check", "--format", "nagios", "--timeout", "2"]).exits(3);
    assert!(slow.stdout.starts_with("STALECARD UNKNOWN - ") && slow.stdout.contains("--timeout"), "{slow}");
    assert!(slow.duration < Duration::from_secs(5), "{slow}");
    let json = host.stalecard(&["check", "--format", "json", "--timeout", "1"]).exits(3);
    // What was not read is coverage, and everything else is said.
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(report["coverage"].to_string().contains("--timeout"), "{json}");
    stand.card().ask("latency 0");
    // The connection was closed in good order: nothing was reset.
    let log = stand.apdu_log();
    assert!(!log[before..].iter().any(|line| line.contains("reset")), "{:?}", &log[before..]);
    host.stalecard(&["check", "--timeout", "60"]).ok();
}

/// The real promtool.
fn promtool_program() -> Command {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/prometheus/usr/bin/promtool");
    Command::new(if unpacked.exists() { unpacked } else { "promtool".into() })
}

/// What the real promtool says of metrics: nothing, if all is well.
#[track_caller]
fn promtool(metrics: &[u8]) {
    let mut child = promtool_program()
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool: run tests/stand/setup");
    child.stdin.take().unwrap().write_all(metrics).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}\n{}", String::from_utf8_lossy(metrics));
}

#[test]
fn promtool_takes_the_metrics() {
    for snapshot in ["seed-beta-stale", "seed-alpha-flushed", "five-keys", "five-keys-hardly-recorded"] {
        let file = fixture(&format!("{snapshot}.json"));
        let (_, said) = stalecard(&["check", "--format", "prometheus", "--snapshot", &file]);
        promtool(said.as_bytes());
        assert!(said.contains("\nstalecard_check_timestamp_seconds 1795593600\n"), "{said}");
        let complete = u8::from(snapshot != "five-keys-hardly-recorded");
        assert!(said.contains(&format!("\nstalecard_check_complete {complete}\n")), "{said}");
    }
    let (code, said) =
        stalecard(&["check", "--format", "prometheus", "--snapshot", &fixture("seed-beta-stale.json")]);
    assert_eq!(code, 1);
    for line in [
        "stalecard_findings{severity=\"critical\"} 2",
        "stalecard_findings{severity=\"error\"} 0",
        "stalecard_token_findings{finding=\"stale-key-id\",severity=\"critical\",token=\"DENK0200834\"} 1",
    ] {
        assert!(said.contains(&format!("\n{line}\n")), "no {line} in {said}");
    }
}

/// The alerts that are shipped fire on what they are for, say what to do, and ask for nothing that is not exported.
#[test]
fn the_alerts_fire_on_what_the_metrics_say() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = promtool_program()
        .arg("test")
        .arg("rules")
        .arg(here.join("tests/hooks/alerts.yml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
    assert!(told.status.success(), "{said}");
    let rules = std::fs::read_to_string(here.join("packaging/monitoring/prometheus.rules.yml")).unwrap();
    let (_, metrics) =
        stalecard(&["check", "--format", "prometheus", "--snapshot", &fixture("seed-beta-stale.json")]);
    let wanted: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "))
        .flat_map(|expression| expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| word.starts_with("stalecard_"))
        .collect();
    assert_eq!(wanted.len(), 5, "{wanted:?}");
    for metric in wanted {
        assert!(metrics.contains(&format!("\n# TYPE {metric} gauge\n")), "{metric}");
    }
}

/// Every recipe for a monitoring looks at all users, and root runs nothing but that to the letter.
#[test]
fn every_recipe_for_a_monitoring_covers_all_users() {
    let shipped = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)).unwrap()
    };
    let sudoers = shipped("monitoring/sudoers");
    let allowed = sudoers.lines().find_map(|line| line.split_once("NOPASSWD: ")).unwrap().1;
    assert!(!allowed.contains(['*', '?', '[']), "{allowed}");
    let nagios = shipped("monitoring/nagios.cfg");
    assert!(nagios.contains(&format!("command_line sudo -n {allowed}\n")), "{nagios}");
    let icinga = shipped("monitoring/icinga2.conf").replace("\", \"", " ");
    assert!(icinga.contains(&format!("\"sudo -n {allowed}\"")), "{icinga}");
    for text in [allowed, &shipped("systemd/stalecard-check.service")] {
        assert!(text.contains("check") && text.contains("--all-users"), "{text}");
    }
    // The plugin takes these arguments: nothing but what it finds decides.
    let words: Vec<&str> = allowed.split(' ').skip(1).collect();
    let file = fixture("five-keys.json");
    let (code, said) = stalecard(&[&words[..], &["--snapshot", &file]].concat());
    assert!(said.starts_with("STALECARD ") && code != 2, "{code} {said}");
}

/// Labels of cards are hostile: quotes, backslashes, bars, ends of line.
#[test]
fn what_a_card_says_breaks_neither_format() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(fixture("seed-beta-stale.json")).unwrap();
    // The reader's name, the token's label and its serial.
    let text = text
        .replace("Virtual PCD 00 00", "a\\\"|b\\\\\\n{x=\\\"1\\\"} 2")
        .replace("4853 4d2d4831".replace(' ', "").as_str(), "22 7c 5c 0a 7d 31".replace(' ', "").as_str());
    let file = folder.path().join("hostile.json");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let (_, said) = stalecard(&["check", "--format", "prometheus", "--snapshot", file]);
    promtool(said.as_bytes());
    assert!(said.contains("reader=\"a\\\"|b"), "{said}");
    let (_, said) = stalecard(&["check", "--format", "nagios", "--snapshot", file]);
    plugin(&said);
}

/// The collector reads at any moment: it must see the old file or the new one, and may read it.
#[test]
fn the_metrics_file_is_replaced_whole() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("stalecard.prom");
    let write = |snapshot: &str, target: &Path| {
        Command::new("sh")
            .args(["-c", "umask 077; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_stalecard"), "check"])
            .args(["--format", "prometheus", "--snapshot", &fixture(snapshot), "--output"])
            .arg(target)
            .output()
            .unwrap()
    };
    let output = write("seed-beta-stale.json", &target);
    assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{output:?}");
    let before = std::fs::metadata(&target).unwrap();
    assert_eq!(before.permissions().mode() & 0o777, 0o644);
    let mut reader = std::fs::File::open(&target).unwrap();
    assert_eq!(write("seed-alpha-flushed.json", &target).status.code(), Some(0));
    assert_ne!(std::fs::metadata(&target).unwrap().ino(), before.ino());
    let mut old = String::new();
    std::io::Read::read_to_string(&mut reader, &mut old).unwrap();
    assert!(old.contains("stalecard_findings{severity=\"critical\"} 2"), "{old}");
    promtool(&std::fs::read(&target).unwrap());
    // Nothing is left beside it, and nothing that is no file is replaced.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(write("five-keys.json", &pipe).status.code(), Some(2));
}

/// What cannot be printed was not told: UNKNOWN, and not CRITICAL, whatever it would have been.
#[test]
fn nagios_that_cannot_print_is_unknown() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for more in [&["--offline"][..], &["--snapshot", "/nonexistent"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
        command.args(["check", "--format", "nagios"]).args(more).stdout(full());
        assert_eq!(command.output().unwrap().status.code(), Some(3), "{more:?}");
    }
}
