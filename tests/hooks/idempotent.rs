//! Whoever runs it again (a playbook, a timer, an administrator) is told that nothing was changed, and nothing is.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use super::document;
use super::stand::{Host, PIN, SO_PIN, Stand};

/// A host whose cache holds a key that was replaced elsewhere.
pub fn stale(stand: &Stand) -> Host {
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &["--id", "01"]);
    make_stale(&host);
    host
}

fn make_stale(host: &Host) {
    host.pkcs15_list();
    host.live().delete_object("privkey", "01");
    host.live().keypairgen("EC:prime256v1", &["--id", "01"]);
}

/// Runs it twice: it changes something, then nothing. Gives what the first one said.
#[track_caller]
fn once(host: &Host, arguments: &[&str]) -> Value {
    let run = || document(&host.stalecard(&[arguments, &["--format", "json"]].concat()).ok().stdout);
    let first = run();
    assert_eq!(first["changed"], true, "{first:#}");
    let files = (host.cache_files(), std::fs::read(host.conf()).unwrap(), quarantined(host));
    let second = run();
    assert_eq!(second["changed"], false, "{second:#}");
    assert_eq!((host.cache_files(), std::fs::read(host.conf()).unwrap(), quarantined(host)), files);
    first
}

fn quarantined(host: &Host) -> String {
    host.stalecard(&["quarantine", "list"]).ok().stdout
}

#[test]
fn repairs_change_nothing_the_second_time() {
    let stand = Stand::start();
    let host = stale(&stand);
    once(&host, &["flush"]);
    make_stale(&host);
    once(&host, &["fix"]);
    make_stale(&host);
    once(&host, &["flush", "--serial", "DENK0200834"]);
    host.pkcs15_list();
    once(&host, &["flush", "--all"]);
    once(&host, &["config", "disable-cache"]);
    once(&host, &["config", "enable-cache"]);
    make_stale(&host);
    once(&host, &["fix", "--guarded"]);
    host.stalecard(&["check"]).ok();
}

#[test]
fn a_baseline_that_is_right_is_not_written_again() {
    let stand = Stand::start();
    let host = stale(&stand);
    let folder = stand.dir().join("baselines");
    std::fs::create_dir(&folder).unwrap();
    let in_folder = folder.join("DENK0200834.toml");
    let single = stand.dir().join("token.toml");
    for (output, file) in [(&folder, &in_folder), (&single, &single)] {
        let arguments = ["snapshot", "--baseline", "--output", output.to_str().unwrap()];
        let said = once(&host, &arguments);
        let expected = serde_json::json!([{"file": file, "token": "DENK0200834", "changed": true}]);
        assert_eq!(said["baselines"], expected);
        let state = |file: &Path| {
            let meta = std::fs::metadata(file).unwrap();
            (meta.ino(), meta.mtime_nsec(), std::fs::read(file).unwrap())
        };
        let before = state(file);
        let again = host.stalecard(&arguments).ok().stdout;
        assert!(again.starts_with(file.to_str().unwrap()) && again.contains("not touched"), "{again}");
        assert_eq!(state(file), before);
    }
    // Another key, another baseline; and a file of the same length that says something else is written, too.
    make_stale(&host);
    assert_eq!(once(&host, &["snapshot", "--baseline", "-o", single.to_str().unwrap()])["changed"], true);
    let text = std::fs::read_to_string(&single).unwrap();
    std::fs::write(&single, text.replacen("01", "02", 1)).unwrap();
    once(&host, &["snapshot", "--baseline", "-o", single.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(&single).unwrap(), text);
    // What to say of files that are not written?
    host.stalecard(&["snapshot", "--baseline", "--format", "json"]).exits(2);
}
