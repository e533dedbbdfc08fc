//! `compare` of hosts on which it is not decided which key is right: nobody is told to flush, or to switch caching off, what
//! may be all that is left of it, and nobody is called stale who may be right.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::finding_fixture::read;
use super::text;

/// The snapshot of a fixture of this name, or of a recording.
fn snapshot(name: &str) -> Value {
    match read(name) {
        Ok(fixture) => fixture.documents().remove(0),
        Err(_) => {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/snapshots/{name}.json"));
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
        }
    }
}

/// The same on a host of this name, whose card has another serial number of the same length.
fn on(snapshot: &Value, host: &str, serial: Option<&str>) -> Value {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut text = snapshot.to_string();
    if let (Some(new), Some(old)) = (serial, snapshot["cards"][0]["serial"].as_str()) {
        assert_eq!(new.len(), old.len());
        for (old, new) in
            [(old.to_owned(), new.to_owned()), (hex(old), hex(new)), (old.to_lowercase(), new.to_lowercase())]
        {
            text = text.replace(&old, &new);
        }
    }
    let mut changed: Value = serde_json::from_str(&text).unwrap();
    changed["host"] = host.into();
    changed
}

/// What `compare` says of them, for people and for scripts.
fn compared(snapshots: &[Value]) -> (String, Value) {
    let folder = tempfile::tempdir().unwrap();
    for (number, snapshot) in snapshots.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number}.json")), snapshot.to_string()).unwrap();
    }
    let said = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
        command.arg("compare").args(more).arg(folder.path()).env_clear().env("HOME", "/nonexistent");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let screen = said(&[]);
    text::readable(&screen);
    (screen, serde_json::from_str(&said(&["--format", "json"])).unwrap())
}

/// Lines broken for the screen, joined.
fn flat(screen: &str) -> String {
    screen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What to do, in its order.
fn steps(report: &Value) -> Vec<String> {
    let words = |step: &Value| {
        [&step["what"], &step["command"]].map(|part| part.as_str().unwrap_or("").to_owned()).join(" ")
    };
    report["steps"].as_array().unwrap().iter().map(words).collect()
}

#[test]
fn caching_stays_on_where_the_cache_alone_may_hold_the_right_key() {
    let undecided = on(&snapshot("public-key-undecided"), "alpha", None);
    let healthy = on(&snapshot("seed-alpha-flushed"), "gamma", Some("DENK0200999"));
    let (screen, report) = compared(&[undecided, healthy]);
    assert!(screen.starts_with("UNDECIDED  OpenSC shows ca on alpha "), "{screen}");
    let fixes: Vec<&Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["id"] == "cache-cannot-notice-change")
        .flat_map(|finding| finding["fix"].as_array().unwrap())
        .collect();
    // One finding of each: the one waits, the other does not.
    let [waits, free]: [Vec<&&Value>; 2] =
        [true, false].map(|wanted| fixes.iter().filter(|fix| (fix["waits"] == true) == wanted).collect());
    assert_eq!((waits.len(), free.len()), (1, 1), "{report:#}");
    let what = waits[0]["what"].as_str().unwrap();
    assert!(what.starts_with("not yet (ca on alpha)") && waits[0]["command"].is_null(), "{what}");
    assert!(free[0]["what"].as_str().unwrap().contains("(ca on gamma)"), "{report:#}");
    let steps = steps(&report);
    let off: Vec<&String> = steps.iter().filter(|step| step.contains("disable-cache")).collect();
    assert!(off.len() == 1 && off[0].contains("on each other host"), "{steps:#?}");
    assert!(steps.iter().any(|step| step.starts_with("not yet (ca on alpha)")), "{steps:#?}");
    assert!(
        screen.lines().last().unwrap().starts_with("Next: have the key sign")
            || flat(&screen).contains("Next: have the key sign"),
        "{screen}"
    );
}

/// A later reading makes it a question, though it was none when the host's own snapshot was taken.
#[test]
fn a_host_whose_key_is_in_question_since_then_does_not_switch_caching_off() {
    let mut before = on(&snapshot("seed-alpha-flushed"), "beta", None);
    let undecided = on(&snapshot("public-key-undecided"), "alpha", None);
    // The key had the same ID then, chosen by somebody.
    let of_cache = undecided["caches"].clone();
    before["cards"][0]["files"] = undecided["cards"][0]["files"].clone();
    before["cards"][0]["files"] = with_cached(&before["cards"][0]["files"], &of_cache);
    before["caches"] = of_cache;
    before["taken_at"] = "2026-11-20T08:00:00Z".into();
    let (_, report) = compared(&[before, undecided]);
    for finding in report["findings"].as_array().unwrap() {
        if finding["id"] == "cache-cannot-notice-change" {
            assert!(finding["fix"][0]["waits"] == true, "{finding:#}");
        }
    }
    let told = report["comparison"]["fleet"]["undecided"].as_array().unwrap();
    let hosts: Vec<&Value> = told.iter().map(|user| &user["host"]).collect();
    assert!(hosts.contains(&&"beta".into()), "{told:#?}");
}

/// The files of a card with the content that a cache has of them.
fn with_cached(files: &Value, caches: &Value) -> Value {
    let mut files = files.clone();
    for entry in caches[0]["entries"].as_array().unwrap() {
        let name = entry["name"].as_str().unwrap();
        for file in files.as_array_mut().unwrap() {
            let path = file["path"].as_str().unwrap().to_owned();
            if name.ends_with(&format!("_{path}")) && !file["answer"]["content"].is_null() {
                file["answer"]["content"] = entry["content"]["bytes"].clone();
            }
        }
    }
    files
}

#[test]
fn of_several_tokens_it_is_decided_first_and_flushed_then_and_not_by_serial_number() {
    let undecided = on(&snapshot("public-key-undecided"), "alpha", None);
    let stale = on(&snapshot("seed-beta-stale"), "beta", Some("DENK0200999"));
    let (screen, report) = compared(&[undecided.clone(), stale.clone()]);
    assert!(screen.starts_with("STALE  OpenSC shows ca on beta a key that is not on the card."), "{screen}");
    let told = steps(&report);
    assert!(told[0].contains("stalecard verify --serial SERIAL"), "{told:#?}");
    assert!(told[1].contains("named as stale") && told[1].contains("stalecard flush"), "{told:#?}");
    assert!(!told.iter().any(|step| step.contains("flush --serial")), "{told:#?}");
    // Where nothing is in question it may be by serial number, too.
    let other = on(&snapshot("seed-beta-stale"), "gamma", Some("DENK0200998"));
    let told = steps(&compared(&[stale, other]).1);
    assert!(told[0].contains("stalecard flush --serial SERIAL"), "{told:#?}");
}

#[test]
fn who_is_undecided_is_not_listed_as_stale() {
    let mut hosts: Vec<Value> = (0..5)
        .map(|number| {
            on(
                &snapshot("seed-alpha-flushed"),
                &format!("healthy{number}"),
                Some(&format!("DENK020099{number}")),
            )
        })
        .collect();
    hosts.push(on(&snapshot("public-key-undecided"), "alpha", None));
    let (screen, report) = compared(&hosts);
    let fleet = &report["comparison"]["fleet"];
    assert_eq!(fleet["stale"], serde_json::json!([]), "{fleet:#}");
    assert_eq!(fleet["undecided"][0]["host"], "alpha", "{fleet:#}");
    assert_eq!(fleet["next"].as_array().unwrap().len(), 5, "{fleet:#}");
    assert!(screen.contains("Stale: 0 users of 6 hosts\nUndecided: 1 user\n"), "{screen}");
    assert!(flat(&screen).contains("ca on alpha: DENK0200834, cached since 2026-"), "{screen}");
    assert!(!screen.contains("ca on alpha since"), "{screen}");
}

#[test]
fn another_card_with_the_same_serial_number_makes_no_host_stale() {
    let twins = on(&snapshot("shared-identity"), "alpha", None);
    let other = on(&snapshot("openpgp-stale"), "beta", None);
    let (screen, report) = compared(&[twins, other]);
    assert!(screen.starts_with("UNDECIDED  OpenSC shows "), "{screen}");
    assert!(flat(&screen).contains("other cards have its serial number, too"), "{screen}");
    assert!(flat(&screen).contains("DISPUTED: old, or of another card with this serial number"), "{screen}");
    assert_eq!(report["comparison"]["fleet"]["stale"], serde_json::json!([]), "{report:#}");
    assert_eq!(report["comparison"]["tokens"][0]["shared"], true, "{report:#}");
    let told = steps(&report);
    assert!(told.iter().any(|step| step.contains("a serial number of its own")), "{told:#?}");
    // No cache is right for both: off with it.
    assert!(told.iter().any(|step| step.contains("stalecard config disable-cache")), "{told:#?}");
    assert!(!told.iter().any(|step| step.contains("not yet")), "{told:#?}");
    assert!(
        !told.iter().any(|step| step.contains("stalecard flush") || step.contains("stalecard verify")),
        "{told:#?}"
    );
}

/// Two hosts may have one name; where it is one host, only its older snapshot is to be left out.
#[test]
fn who_is_stale_in_an_older_snapshot_alone_is_told_how_to_compare_without_it() {
    let mut old = on(&snapshot("seed-beta-stale"), "alpha", None);
    old["taken_at"] = "2026-11-24T08:00:00Z".into();
    let mut new = on(&snapshot("seed-alpha-flushed"), "alpha", None);
    new["taken_at"] = "2026-11-26T08:00:00Z".into();
    let words = "without the older snapshots of ca on alpha, if those are of the same host: compare again";
    let told = steps(&compared(&[old.clone(), new.clone()]).1);
    assert_eq!(told.last().unwrap().trim(), words, "{told:#?}");
    // Not of whoever is so in the newest.
    old["taken_at"] = "2026-11-27T08:00:00Z".into();
    let told = steps(&compared(&[old, new]).1);
    assert!(!told.iter().any(|step| step.contains("without the older")), "{told:#?}");
}

/// What stands in a folder under the name of a snapshot is told of, whatever it is.
#[test]
fn links_and_pipes_in_a_folder_are_named_and_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.json"), snapshot("seed-beta-stale").to_string()).unwrap();
    std::os::unix::fs::symlink("a.json", at("link.json")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe.json"), 0o600.into()).unwrap();
    let said = |words: &[&str], code: i32| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
        let output =
            command.args(words).arg(folder.path()).env_clear().env("HOME", "/nonexistent").output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let report: Value = serde_json::from_str(&said(&["compare", "--format", "json"], 1)).unwrap();
    let gaps = report["coverage"].as_array().unwrap();
    for name in ["link.json", "pipe.json"] {
        let is_it = |gap: &&Value| gap["what"].as_str().unwrap().ends_with(name) && gap["asked_for"] == false;
        assert_eq!(gaps.iter().filter(is_it).count(), 1, "{gaps:#?}");
    }
    assert_eq!(report["comparison"]["snapshots"], 1, "{report:#}");
    assert!(said(&["compare"], 1).contains("\nNot looked at: 2 things. More: -v\n"));
    // One that cannot be read is what somebody asked for, and there may be more.
    std::fs::write(at("broken.json"), "{").unwrap();
    let screen = flat(&said(&["compare"], 1));
    assert!(
        screen.contains("1 snapshot of 1 token compared. Not everything could be read: there may be more."),
        "{screen}"
    );
    assert_eq!(screen.matches("broken.json").count(), 2, "{screen}");
}

/// A report on snapshots that tell nothing ends as their comparison does.
#[test]
fn a_report_on_cards_that_nobody_has_read_ends_with_3() {
    let mut unread = on(&snapshot("seed-alpha-flushed"), "alpha", None);
    unread["cards"] = serde_json::json!([]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.json"), unread.to_string()).unwrap();
    for command in ["compare", "report"] {
        let mut stalecard = Command::new(env!("CARGO_BIN_EXE_stalecard"));
        let output = stalecard
            .arg(command)
            .arg(folder.path())
            .env_clear()
            .env("HOME", "/nonexistent")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{command}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("UNREAD"), "{command}: {output:?}");
    }
}
