//! After `config disable-cache` the installed OpenSC says of itself that it does not cache:
//! `pkcs15-tool` and the PKCS#11 module, with a card, for every fixture that can be edited.

use std::collections::BTreeMap;
use std::path::Path;

use crate::stand::{Host, PIN, SO_PIN, Stand};

/// What the two programs say: `use_file_cache=N`, or none if they did not come that far.
fn said(host: &Host) -> [Option<char>; 2] {
    let host = host.clone().env("OPENSC_DEBUG", "9");
    [&["pkcs15-tool", "-D"][..], &["pkcs11-tool", "-O"][..]].map(|command| {
        let output = host.run(command);
        let after = output.stderr.split("use_file_cache=").nth(1);
        after.and_then(|rest| rest.chars().next())
    })
}

/// What is not edited, because OpenSC cannot parse it.
const DROPPED: &[&str] = &[
    "brace-without-key",
    "c-comment",
    "closed-once-too-often",
    "comma-for-semicolon",
    "comment-before-value",
    "comment-of-ini",
    "comment-of-sql",
    "conflict",
    "empty-line-before-value",
    "glued-block",
    "ini",
    "json",
    "names-without-comma",
    "no-break-space-before-brace",
    "operator-of-make",
    "seventeen-blocks",
    "slash-comment",
    "comment-before-setting",
    "comment-behind-brace",
    "comment-behind-setting",
    "comment-behind-value",
    "comment-of-several-lines",
    "slash-comment-with-setting",
    "template-jinja",
    "two-equals",
    "xml",
    "yaml",
];

/// What is not edited, because a program that the edit concerns dies of it, which command shows.
const DEADLY: &[(&str, &[&str])] = &[
    ("comment-before-brace", &["opensc-tool", "-i"]),
    ("comment-before-equals", &["pkcs15-tool", "-D"]),
    ("comment-before-name", &["opensc-tool", "-i"]),
    ("empty-line-before-brace", &["opensc-tool", "-i"]),
    ("empty-line-before-equals", &["pkcs15-tool", "-D"]),
    ("empty-line-before-name", &["opensc-tool", "-i"]),
    ("trap-in-foreign-app", &["pkcs15-init", "--sanity-check"]),
];

/// Each refusal is right: OpenSC drops the file whole, or dies.
fn is_refused_rightly(name: &str, host: &Host) {
    if let Some((_, words)) = DEADLY.iter().find(|(known, _)| *known == name) {
        let died = host.run(words);
        return assert_eq!(died.code(), 139, "{name}: {died}");
    }
    assert!(DROPPED.contains(&name), "{name} was not edited");
    let tool = host.clone().env("OPENSC_DEBUG", "9").run(&["opensc-tool", "-i"]);
    assert!(tool.stderr.contains("scconf_parse failed"), "{name}: {tool}");
}

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let is_long = std::env::var_os("STALECARD_LONG").is_some();
    let mut fixtures: Vec<_> =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
            })
            .collect();
    fixtures.sort();
    // What is about other settings gains the same block as an empty file.
    let is_about_caching = |text: &[u8]| String::from_utf8_lossy(text).to_lowercase().contains("cach");
    fixtures.retain(|(_, text)| text.is_empty() || is_long || is_about_caching(text));
    fixtures
}

#[test]
fn every_fixture_is_off_for_the_real_thing() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &["--label", "signer"]);
    assert_eq!(said(&alpha), [Some('2'); 2]);

    let (mut edited, mut right, mut was_on) = (0, 0, 0);
    let mut refused = Vec::new();
    let fixtures = fixtures();
    let are_there: Vec<&str> = DROPPED.iter().copied().chain(DEADLY.iter().map(|(name, _)| *name)).collect();
    let expected: std::collections::BTreeSet<&str> =
        fixtures.iter().map(|(name, _)| name.as_str()).filter(|name| are_there.contains(name)).collect();
    for (name, text) in &fixtures {
        let host = stand.host(name);
        // A directory of the machine would outlast the test, and be another card's cache in the next run.
        let own = host.home().join("shared").display().to_string();
        let text = String::from_utf8_lossy(text).replace("/var/lib/opensc/cache", &own).into_bytes();
        std::fs::write(host.conf(), &text).unwrap();
        let disabled = host.stalecard(&["config", "disable-cache"]);
        let now = std::fs::read(host.conf()).unwrap();
        if disabled.code() != 0 {
            assert_eq!((disabled.code(), &now), (2, &text), "{name}: {disabled}");
            is_refused_rightly(name, &host);
            refused.push(name.as_str());
            continue;
        }
        assert_eq!(said(&host), [Some('0'); 2], "{name}: {}", String::from_utf8_lossy(&now));
        if now == text {
            right += 1;
        } else {
            edited += 1;
            host.stalecard(&["undo"]).ok();
            assert_eq!(std::fs::read(host.conf()).unwrap(), text, "{name}");
            was_on += usize::from(said(&host) != [Some('0'); 2]);
        }
    }
    println!("{edited} edited ({was_on} were on), {right} off already, {} refused", refused.len());
    assert_eq!(refused, expected.into_iter().collect::<Vec<_>>());
    assert!(edited >= 30 && was_on >= 15, "{edited} {was_on}");
}

/// The operation of a `disable-cache`.
fn operation(host: &Host, arguments: &[&str]) -> String {
    let disabled = host.stalecard(&[&["config", "disable-cache", "--format", "json"], arguments].concat());
    let document: serde_json::Value = serde_json::from_str(&disabled.ok().stdout).unwrap();
    document["edit"]["operation"].as_str().unwrap().to_owned()
}

#[test]
fn one_program_and_back_on() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let first = alpha.keypairgen("EC:prime256v1", &["--label", "signer"]);
    let cache = alpha.home().join("own");
    alpha.configure(&format!(
        "app default {{\n  framework pkcs15 {{\n    use_file_caching = public;\n    file_cache_dir = {};\n  }}\n}}\n",
        cache.display()
    ));
    let off_for_module = operation(&alpha, &["--app", "opensc-pkcs11"]);
    assert_eq!(said(&alpha), [Some('1'), Some('0')]);
    // The settings went along: the module, switched on alone, fills the same directory.
    let off_for_all = operation(&alpha, &[]);
    assert_eq!(said(&alpha), [Some('0'); 2]);
    let entries = || -> BTreeMap<String, u64> {
        let dir = std::fs::read_dir(&cache).into_iter().flatten().flatten();
        dir.map(|e| (e.file_name().to_string_lossy().into_owned(), e.metadata().unwrap().len())).collect()
    };
    assert!(!entries().is_empty());
    // What is in there is the card's: nothing stale would come back to life.
    alpha.stalecard(&["config", "enable-cache", "--app", "opensc-pkcs11", "--value", "yes"]).ok();
    assert_eq!(said(&alpha), [Some('0'), Some('2')]);
    alpha.stalecard(&["undo"]).ok();

    // Another key in the same place: now it would.
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let second = alpha.keypairgen("EC:prime256v1", &["--label", "signer"]);
    assert_ne!(first.id, second.id);
    for wakes in [
        &["config", "enable-cache"][..],
        &["undo", &off_for_all],
        &["undo", &off_for_all, "--format", "json"],
    ] {
        let refused = alpha.stalecard(wakes);
        assert_eq!(refused.code(), 2, "{refused}");
        assert!(refused.stdout.contains("stale-key-id"), "{refused}");
        assert!(wakes.contains(&"json") || refused.stdout.contains("stalecard flush"), "{refused}");
        assert_eq!(said(&alpha), [Some('0'); 2]);
    }
    alpha.stalecard(&["flush"]).ok();
    alpha.stalecard(&["config", "enable-cache"]).ok();
    assert_eq!(said(&alpha), [Some('1'); 2]);
    alpha.stalecard(&["undo"]).ok();
    assert_eq!(said(&alpha), [Some('0'); 2]);
    alpha.stalecard(&["undo", &off_for_all]).ok();
    assert_eq!(said(&alpha), [Some('1'), Some('0')]);
    alpha.stalecard(&["undo", &off_for_module]).ok();
    assert_eq!(said(&alpha), [Some('1'); 2]);
    assert_eq!(alpha.pkcs15_list().private_keys()[0].id.as_deref(), Some(second.id.as_str()));
}
