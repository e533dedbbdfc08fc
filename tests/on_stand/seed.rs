//! The story that started it all, replayed with the real tools in both directions: a key made on
//! one host, deleted, the card re-initialised and re-keyed on another, and the first host that goes
//! on showing the old key. The real tools only act; what stalecard says is compared with them.

use crate::stand::{Host, PIN, SO_PIN, Stand};
use serde_json::Value;

const PREFIX: &str = "DENK0200834_NODATE_E82B0601040181C31F0201";

/// What `check --format json` says, with its exit code.
fn check(host: &Host) -> (i32, Value) {
    let output = host.stalecard(&["check", "--format", "json"]);
    let value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"));
    (output.code(), value)
}

/// Id, cache file (without the common prefix), ID shown and ID on the card of all findings at or above error.
fn errors(report: &Value) -> Vec<(String, String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut errors: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| matches!(finding["severity"].as_str(), Some("error" | "critical")))
        .map(|finding| {
            let evidence = &finding["evidence"][0];
            let path = text(&evidence["file"]["path"]);
            (
                text(&finding["id"]),
                path.rsplit_once('_').map(|(_, file)| file.to_owned()).unwrap_or_default(),
                text(&evidence["shown"]["id"]),
                text(&evidence["card"]["id"]),
            )
        })
        .collect();
    errors.sort();
    errors
}

fn names(files: &[&str]) -> Vec<String> {
    files.iter().map(|file| format!("{PREFIX}_{file}")).collect()
}

/// `host` shows `old`, the card has `new`: everything the seed's author saw, then the cure.
fn stale_and_cured(host: &Host, old: &str, new: &str) {
    let listed = host.with_cache_copy();
    assert_eq!(listed.pkcs15_list().private_keys()[0].id.as_deref(), Some(old));
    assert_eq!(listed.pkcs11_list().public_keys()[0].id.as_deref(), Some(old));
    let (signed, signature) = listed.engine_sign(old, b"Sample Data");
    signed.ok();
    assert!(!listed.openssl_verify(&listed.public_key(old), b"Sample Data", &signature));

    let before = host.cache_files();
    let (code, report) = check(host);
    assert_eq!(code, 1);
    let finding = |id: &str, file: &str| (id.to_owned(), file.to_owned(), old.to_owned(), new.to_owned());
    assert_eq!(errors(&report), [finding("stale-key-id", "C401"), finding("stale-public-key", "CE01")]);
    for finding in report["findings"].as_array().unwrap().iter().filter(|f| f["severity"] == "critical") {
        let danger = finding["danger"].as_str().unwrap();
        assert!(danger.starts_with(&format!("Do not delete or re-initialise by ID {old}")), "{danger}");
        assert_eq!(finding["fix"][0]["command"], "stalecard flush");
        assert_eq!(finding["program"], serde_json::json!(["pkcs15-tool", "opensc-pkcs11"]));
    }
    assert_eq!(host.cache_files(), before, "check changed the cache");

    let dry = host.stalecard(&["flush", "--dry-run", "--format", "json"]).ok();
    assert_eq!(serde_json::from_str::<Value>(&dry.stdout).unwrap()["changed"], true);
    assert_eq!(host.cache_files(), before, "a dry run changed the cache");

    let flushed: Value =
        serde_json::from_str(&host.stalecard(&["flush", "--format", "json"]).ok().stdout).unwrap();
    assert_eq!(flushed["changed"], true);
    let moved: Vec<_> = flushed["operations"][0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(moved, names(&["C401", "CE01"]));
    assert_eq!(host.cache_names(), names(&["C400"]));
    let operation = flushed["operations"][0]["operation"].as_str().unwrap();

    // Directly taken back: byte for byte, and stale again. Then flushed for good.
    host.stalecard(&["undo", operation]).ok();
    assert_eq!(host.cache_files(), before);
    assert_eq!(check(host).0, 1);
    let again: Value =
        serde_json::from_str(&host.stalecard(&["flush", "--format", "json"]).ok().stdout).unwrap();
    let operation = again["operations"][0]["operation"].as_str().unwrap().to_owned();

    assert_eq!(host.pkcs15_list().private_keys()[0].id.as_deref(), Some(new));
    assert_eq!(host.pkcs11_list().public_keys()[0].id.as_deref(), Some(new));
    let (signed, signature) = host.engine_sign(new, b"Sample Data");
    signed.ok();
    assert!(host.openssl_verify(&host.public_key(new), b"Sample Data", &signature));
    let (code, report) = check(host);
    assert_eq!((code, errors(&report)), (0, vec![]));

    // The real tools have filled the cache again: what was taken out is old now.
    let filled = host.cache_files();
    let nothing: Value =
        serde_json::from_str(&host.stalecard(&["flush", "--format", "json"]).ok().stdout).unwrap();
    assert_eq!(nothing["changed"], false);
    let conflict = host.stalecard(&["undo", &operation]).exits(2);
    assert!(conflict.stdout.contains("CONFLICT"), "{conflict}");
    assert_eq!(host.cache_files(), filled);
}

#[test]
fn the_seeds_story_in_both_directions() {
    let stand = Stand::start();
    let (alpha, beta) = (stand.host("alpha"), stand.host("beta"));

    alpha.initialize("HSM-H1", PIN, SO_PIN, Some(1));
    let first = alpha.keypairgen("EC:prime256v1", &[]).id;
    assert_eq!(alpha.pkcs15_list().private_keys().len(), 1);
    alpha.delete_object("privkey", &first);
    alpha.initialize("HSM-H1", PIN, SO_PIN, Some(1));
    assert_eq!(alpha.pkcs15_list().private_keys().len(), 0);

    // Nothing is shown wrong yet, but what the next key will be shown as is there already.
    let (code, report) = check(&alpha);
    assert_eq!((code, errors(&report)), (0, vec![]));
    let orphans = report["findings"].as_array().unwrap().iter().filter(|f| f["id"] == "orphan-entry").count();
    assert_eq!(orphans, 2);

    let second = beta.keypairgen("EC:prime256v1", &[]).id;
    assert_eq!(beta.pkcs15_list().private_keys()[0].id.as_deref(), Some(second.as_str()));
    assert_eq!(check(&beta).0, 0);
    stale_and_cured(&alpha, &first, &second);

    // Alpha deletes it and makes another: now beta is the stale one.
    alpha.delete_object("privkey", &second);
    alpha.stalecard(&["flush"]).ok();
    let third = alpha.keypairgen("EC:prime256v1", &[]).id;
    assert_eq!(alpha.pkcs15_list().private_keys()[0].id.as_deref(), Some(third.as_str()));
    assert_eq!(check(&alpha).0, 0);
    stale_and_cured(&beta, &second, &third);
}

/// Deleting the old key by its stale ID destroys the live one: why every finding warns of it.
#[test]
fn the_danger_line_is_true() {
    let stand = Stand::start();
    let (alpha, beta) = (stand.host("alpha"), stand.host("beta"));
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = alpha.keypairgen("EC:prime256v1", &[]).id;
    alpha.pkcs15_list();
    alpha.live().delete_object("privkey", &old);
    beta.keypairgen("EC:prime256v1", &[]);
    assert_eq!(check(&alpha).0, 1);
    alpha.delete_object("privkey", &old);
    assert_eq!(stand.host("gamma").live().pkcs15_list().private_keys().len(), 0);
}

/// Delete, flush, re-key elsewhere: fresh. Delete, no flush, re-key elsewhere: stale.
#[test]
fn a_flush_after_deleting_prevents_it() {
    let stand = Stand::start();
    let (flushing, careless) = (stand.host("flushing"), stand.host("careless"));
    flushing.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = flushing.keypairgen("EC:prime256v1", &[]).id;
    flushing.pkcs15_list();
    careless.pkcs15_list();
    flushing.live().delete_object("privkey", &old);
    flushing.stalecard(&["flush"]).ok();
    let new = stand.host("elsewhere").keypairgen("EC:prime256v1", &[]).id;

    assert_eq!(check(&flushing).0, 0);
    assert_eq!(flushing.pkcs15_list().private_keys()[0].id.as_deref(), Some(new.as_str()));
    assert_eq!(check(&careless).0, 1);
    assert_eq!(careless.pkcs15_list().private_keys()[0].id.as_deref(), Some(old.as_str()));
}

/// Who follows the steps in their order never has OpenSC show what is stale: a file that is dropped, or of which OpenSC dies,
/// keeps the old entries from being read only until it is mended.
#[test]
fn mending_a_configuration_brings_nothing_stale_to_light() {
    let caching = "framework pkcs15 {\n\t\tuse_file_caching = yes;\n\t}\n}\n";
    let mended = format!("app default {{\n\t{caching}");
    for broken in
        [format!("// caching\napp default {{\n\t{caching}"), format!("app default\n\n{{\n\t{caching}")]
    {
        let stand = Stand::start();
        let (alpha, beta) = (stand.host("alpha"), stand.host("beta").live());
        alpha.initialize("HSM-H1", PIN, SO_PIN, None);
        let old = alpha.keypairgen("EC:prime256v1", &[]).id;
        alpha.pkcs15_list();
        beta.delete_object("privkey", &old);
        let new = beta.keypairgen("EC:prime256v1", &[]).id;
        alpha.configure(&broken);
        let (code, report) = check(&alpha);
        assert_eq!((code, &report["verdict"]["state"]), (1, &"configuration".into()), "{report}");
        let steps = report["steps"].as_array().unwrap();
        assert_eq!(steps[0]["command"], "stalecard flush", "{report}");
        assert_eq!(steps.last().unwrap()["command"], "stalecard check", "{report}");
        assert!(
            report["verdict"]["sentence"].as_str().unwrap().contains("Flush before you mend it"),
            "{report}"
        );
        alpha.stalecard(&["flush"]);
        alpha.configure(&mended);
        let listed = format!("{:?}", alpha.pkcs15_list());
        assert!(listed.contains(&new) && !listed.contains(&old), "{listed}");
    }
}

/// An entry that may not be followed may hold anything: of the one beside it nothing is said that hangs on it.
#[test]
fn beside_an_entry_that_cannot_be_read_nothing_is_said_of_listings() {
    let stand = Stand::start();
    let (alpha, beta) = (stand.host("alpha"), stand.host("beta").live());
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = alpha.keypairgen("EC:prime256v1", &[]).id;
    alpha.pkcs15_list();
    beta.delete_object("privkey", &old);
    beta.keypairgen("EC:prime256v1", &[]);
    let entry = alpha.cache().join(format!("{PREFIX}_C401"));
    let aside = stand.dir().join("aside");
    std::fs::rename(&entry, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &entry).unwrap();
    let (_, report) = check(&alpha);
    let findings = report["findings"].as_array().unwrap();
    let of_request = |finding: &&Value| finding["evidence"][0]["file"]["card_file"] == "CE01";
    let finding = findings.iter().find(of_request).unwrap_or_else(|| panic!("{report}"));
    let said = format!("{} {}", finding["summary"], finding["consequence"]);
    assert!(said.contains("not decided") && !said.contains("No listing"), "{said}");
    assert!(!said.contains("no listing"), "{said}");
    assert_ne!(report["verdict"]["state"], "sound", "{report}");
}
