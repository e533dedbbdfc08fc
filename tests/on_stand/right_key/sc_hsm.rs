//! A SmartCard-HSM, on which a certificate takes the place of the request that proved possession.

use super::*;
use crate::stand::{PIN, SO_PIN, Stand};

/// A key on `alpha`, whose cache knows it by its request.
fn keyed(options: &[&str]) -> (Stand, Host, String) {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM", PIN, SO_PIN, None);
    let id = alpha.keypairgen("EC:prime256v1", options).id;
    alpha.pkcs15_list();
    (stand, alpha, id)
}

/// A certificate of the key under this ID, as a CA issues it: `host` has to show the right public key.
fn issued(host: &Host, id: &str) -> Vec<u8> {
    let public = host.scratch("public", host.public_key(id).as_bytes());
    let [key, der] = [host.scratch("key", b""), host.scratch("der", b"")];
    host.sh(&format!(
        "openssl ecparam -name prime256v1 -genkey -noout -out {key} && openssl x509 -new -force_pubkey {public} \
         -subj /CN=issued -days 30 -key {key} -outform DER -out {der}",
        key = key.display(),
        public = public.display(),
        der = der.display()
    ))
    .ok();
    std::fs::read(der).unwrap()
}

/// The key is deleted and made anew on another host, and its certificate imported there.
fn re_keyed_elsewhere(stand: &Stand, old: &str, options: &[&str]) -> String {
    let beta = stand.host("beta");
    beta.delete_object("privkey", old);
    let new = beta.keypairgen("EC:prime256v1", options).id;
    let certificate = issued(&stand.host("fresh"), &new);
    beta.write_cert(&certificate, &new, "issued");
    new
}

#[test]
fn a_foreign_certificate_over_an_unchanged_key_is_not_flushed_as_stale() {
    let (stand, alpha, id) = keyed(&[]);
    let beta = stand.host("beta");
    beta.write_cert(&beta.foreign_certificate("foreign"), &id, "foreign");
    assert!(verifies(&alpha, &id) && !verifies(&stand.host("fresh"), &id));

    // The certificate leads, not the cache; and nothing calls for a flush of the right public key.
    let (code, report) = check(&alpha, &[]);
    assert_eq!(code, 1);
    assert_eq!(told(&report)[0], ["certificate-key-mismatch", "error", "manual"], "{report:#}");
    let stale = ["stale-public-key", "stale-key-id", "public-key-undecided"];
    assert!(told(&report).iter().all(|[id, ..]| !stale.contains(&id.as_str())), "{report:#}");
    let leading = finding(&report, "certificate-key-mismatch");
    assert!(leading["evidence"][0]["file"]["path"].as_str().unwrap().ends_with("_CE01"), "{leading:#}");
    assert_eq!(leading["program"], serde_json::json!(["pkcs15-tool", "opensc-pkcs11"]));
    assert!(leading["danger"].is_null());
    // Caching off would hide it just as well.
    let caching = finding(&report, "cache-cannot-notice-change");
    assert!(caching["fix"].as_array().unwrap().iter().all(|fix| fix["command"].is_null()), "{caching:#}");

    // No repair moves it, whatever was agreed to, and none says that it cured something of this key.
    let entry = |host: &Host| host.cache_names().iter().any(|name| name.ends_with("_CE01"));
    for words in [&["flush"][..], &["flush", "--guarded"], &["fix"], &["fix", "--guarded", "--unsafe"]] {
        let host = alpha.with_cache_copy();
        // A flush has done what it is for; `fix` leaves an error.
        let output = host.stalecard(words).exits(i32::from(words[0] == "fix"));
        assert!(entry(&host) && verifies(&host, &id), "{words:?}: {output}");
        assert!(!output.stdout.contains("Cured"), "{output}");
        assert_eq!(check(&host, &[]).0, 1, "{words:?}");
    }
    // Named, it goes: that is a decision of a person.
    let named = alpha.with_cache_copy();
    let name = alpha.cache_names().into_iter().find(|name| name.ends_with("_CE01")).unwrap();
    named.stalecard(&["flush", &name]).ok();
    assert!(!entry(&named) && !verifies(&named, &id));

    // A signature says the same.
    let pin = alpha.scratch("pin", PIN.as_bytes());
    let verify = alpha.stalecard(&["verify", "--pin-file", pin.to_str().unwrap(), "--format", "json"]);
    let proof = document(&verify);
    assert_eq!(proof["keys"][0]["conclusion"], "wrong-certificate");
    assert_eq!(told(&proof)[0][0], "certificate-key-mismatch", "{proof:#}");

    // Caching is off, and the right key is in a cache that nobody reads: the same.
    alpha.caching("no");
    let (code, report) = check(&alpha, &[]);
    assert_eq!((code, told(&report)[0][0].as_str()), (1, "certificate-key-mismatch"), "{report:#}");
    alpha.stalecard(&["fix"]).exits(1);
    assert!(entry(&alpha));
}

#[test]
fn a_key_made_anew_elsewhere_with_its_certificate_is_flushed_safely() {
    let (stand, alpha, old) = keyed(&[]);
    let new = re_keyed_elsewhere(&stand, &old, &[]);
    let (code, report) = check(&alpha, &[]);
    assert_eq!(code, 1);
    let told = told(&report);
    assert!(told.contains(&["stale-public-key", "critical", "safe"].map(str::to_owned)), "{told:?}");
    assert!(told.contains(&["stale-key-id", "critical", "safe"].map(str::to_owned)), "{told:?}");
    let fixed = document(&alpha.stalecard(&["fix", "--format", "json"]).ok());
    assert!(results(&fixed).contains(&("stale-public-key".to_owned(), "cured".to_owned())), "{fixed:#}");
    assert!(verifies(&alpha, &new));
    assert_eq!(check(&alpha, &[]).0, 0);
}

/// A fixed ID, and a certificate in the request's place: a new key with its certificate, or a foreign one over the old.
#[test]
fn with_a_fixed_id_files_cannot_tell_a_new_key_from_a_foreign_certificate() {
    for foreign in [false, true] {
        let (stand, alpha, id) = keyed(&["--id", "10"]);
        if foreign {
            let beta = stand.host("beta");
            beta.write_cert(&beta.foreign_certificate("foreign"), &id, "foreign");
        } else {
            re_keyed_elsewhere(&stand, &id, &["--id", "10"]);
        }
        assert_eq!(verifies(&alpha, &id), foreign);
        let (code, report) = check(&alpha, &[]);
        assert_eq!(code, 1);
        assert_eq!(told(&report)[0], ["public-key-undecided", "error", "guarded"], "{report:#}");
        let leading = finding(&report, "public-key-undecided");
        let said = format!("{} {}", leading["consequence"], leading["fix"]);
        for word in [
            "made anew",
            "by far the more common",
            "another key's certificate",
            "stalecard verify",
            "--against",
        ] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(leading["danger"].is_null());
        assert!(leading["evidence"][0]["shown"]["proof"].as_str().unwrap().contains("are good"));

        // Not by itself.
        for words in [&["flush"][..], &["fix"]] {
            let output = alpha.stalecard(words).exits(i32::from(words[0] == "fix"));
            assert!(alpha.cache_names().iter().any(|name| name.ends_with("_CE01")), "{output}");
            assert!(!output.stdout.contains("Cured"), "{output}");
            assert_eq!(verifies(&alpha, &id), foreign);
        }
        // A signature decides, and names the command that then helps.
        let pin = alpha.scratch("pin", PIN.as_bytes());
        let verify =
            document(&alpha.stalecard(&["verify", "--pin-file", pin.to_str().unwrap(), "--format", "json"]));
        if foreign {
            assert_eq!(told(&verify)[0][0], "certificate-key-mismatch", "{verify:#}");
        } else {
            let proven = finding(&verify, "signature-fails-with-cached-key");
            assert_eq!(proven["fix"][0]["command"], "stalecard flush --guarded");
        }
        // So does consent, and what it led to is not called a cure.
        let fixed = document(&alpha.stalecard(&["fix", "--guarded", "--format", "json"]).ok());
        assert!(
            results(&fixed).contains(&("public-key-undecided".to_owned(), "unproven".to_owned())),
            "{fixed:#}"
        );
        // Of the configuration it may be said, of the key not.
        let cured = results(&fixed).into_iter().filter(|(_, result)| result == "cured");
        assert!(cured.into_iter().all(|(id, _)| id == "cache-cannot-notice-change"), "{fixed:#}");
        assert_eq!(verifies(&alpha, &id), !foreign);
    }
}

/// What somebody wrote down when the token was made decides, too.
#[test]
fn a_baseline_that_names_the_key_decides() {
    let (stand, alpha, id) = keyed(&["--id", "10"]);
    let old = stand.dir().join("old.toml");
    let new = stand.dir().join("new.toml");
    let baseline = |host: &Host, file: &std::path::Path| {
        host.stalecard(&["snapshot", "--baseline", "-o", file.to_str().unwrap()]).ok();
    };
    baseline(&alpha, &old);
    re_keyed_elsewhere(&stand, &id, &["--id", "10"]);
    baseline(&stand.host("fresh"), &new);
    let (_, report) = check(&alpha, &["--against", new.to_str().unwrap()]);
    assert_eq!(told(&report)[0], ["stale-public-key", "critical", "guarded"], "{report:#}");
    assert_eq!(finding(&report, "stale-public-key")["fix"][0]["command"], "stalecard flush --guarded");
    let (_, report) = check(&alpha, &["--against", old.to_str().unwrap()]);
    assert!(told(&report).iter().any(|[id, ..]| id == "certificate-key-mismatch"), "{report:#}");
    assert!(told(&report).iter().all(|[id, ..]| id != "public-key-undecided"), "{report:#}");
}

/// The request is gone and nothing took its place: the cache has the last copy of the key's own public key.
#[test]
fn the_last_copy_of_a_public_key_is_not_flushed_as_a_ghost() {
    let (stand, alpha, id) = keyed(&[]);
    stand.card().tamper(0xCE01, None);
    let (code, report) = check(&alpha, &[]);
    assert_eq!(code, 1);
    assert!(told(&report).iter().all(|[id, ..]| id != "ghost-object"), "{report:#}");
    assert_eq!(told(&report)[0][0], "key-without-public-part", "{report:#}");
    for words in [["flush"], ["fix"]] {
        let output = alpha.stalecard(&words).exits(i32::from(words[0] == "fix"));
        assert!(!output.stdout.contains("Cured"), "{output}");
        assert!(verifies(&alpha, &id), "{output}");
    }
}

/// Nobody has to be warned of an ID that names one key only.
#[test]
fn there_is_no_danger_where_both_ids_are_equal() {
    let (stand, alpha, id) = keyed(&["--id", "10"]);
    let beta = stand.host("beta");
    beta.delete_object("privkey", &id);
    beta.keypairgen("EC:prime256v1", &["--id", "10"]);
    let (_, report) = check(&alpha, &[]);
    assert_eq!(told(&report)[0], ["stale-public-key", "critical", "safe"], "{report:#}");
    assert!(
        report["findings"].as_array().unwrap().iter().all(|finding| finding["danger"].is_null()),
        "{report:#}"
    );
}

/// Several hosts: the newest reading of the card does not make a cache stale that has the right public key.
#[test]
fn hosts_side_by_side_do_not_take_a_foreign_certificate_for_the_truth() {
    let (stand, alpha, id) = keyed(&[]);
    let [first, second] =
        ["alpha.json", "beta.json"].map(|name| stand.dir().join(name).to_str().unwrap().to_owned());
    alpha.stalecard(&["snapshot", "-o", &first]).ok();
    let beta = stand.host("beta");
    beta.write_cert(&beta.foreign_certificate("foreign"), &id, "foreign");
    stand.host("fresh").stalecard(&["snapshot", "-o", &second]).ok();
    let compared = document(&alpha.stalecard(&["compare", &first, &second, "--format", "json"]).exits(1));
    let disputed = finding(&compared, "hosts-disagree");
    assert!(disputed["consequence"].as_str().unwrap().contains("another key's certificate"), "{disputed:#}");
    assert!(disputed["fix"][0]["what"].as_str().unwrap().contains("stalecard verify"), "{disputed:#}");
    let states = compared["comparison"]["tokens"][0]["slots"][0]["states"].to_string();
    assert!(states.contains("\"disputed\"") && !states.contains("\"stale\""), "{states}");
}

/// The ID of the unchanged key is set to something that is no hash, and a foreign certificate written under it.
#[test]
fn an_id_that_was_changed_to_no_hash_does_not_make_the_old_proof_history() {
    let (stand, alpha, id) = keyed(&[]);
    let beta = stand.host("beta");
    beta.caching("no");
    beta.pkcs11_login(&["--set-id", "4242", "--type", "privkey", "--id", &id]).ok();
    beta.write_cert(&beta.foreign_certificate("foreign"), "4242", "foreign");
    assert!(verifies(&alpha, &id));
    let (code, report) = check(&alpha, &[]);
    assert_eq!(code, 1);
    assert_eq!(finding(&report, "public-key-undecided")["safety"], "guarded", "{report:#}");
    assert!(told(&report).iter().all(|[id, ..]| id != "stale-public-key"), "{report:#}");
    for words in [&["flush"][..], &["fix"]] {
        let output = alpha.stalecard(words).exits(i32::from(words[0] == "fix"));
        assert!(!output.stdout.contains("Cured"), "{output}");
        let entry = alpha.cache_names().into_iter().find(|name| name.ends_with("_CE01"));
        assert!(entry.is_some() && verifies(&alpha, "4242"), "{output}");
    }
}

/// Caching off would hide the last copy of the right public key: that is refused, and what is hidden all the same goes by
/// no flush that was not agreed to.
#[test]
fn caching_is_not_switched_off_over_the_last_copy_of_a_right_public_key() {
    for options in [&[][..], &["--id", "10"]] {
        let (stand, alpha, id) = keyed(options);
        let beta = stand.host("beta");
        beta.write_cert(&beta.foreign_certificate("foreign"), &id, "foreign");
        let why = if options.is_empty() { "certificate-key-mismatch" } else { "public-key-undecided" };
        let before = std::fs::read(alpha.conf()).unwrap();
        let refused = alpha.stalecard(&["config", "disable-cache", "--format", "json"]);
        assert_eq!(refused.code(), 2, "{refused}");
        let said = document(&refused);
        assert_eq!(said["edit"]["refused"], true);
        assert_eq!(said["edit"]["held"].as_array().unwrap().len(), 1, "{said:#}");
        assert!(said["edit"]["held"][0]["name"].as_str().unwrap().ends_with("_CE01"));
        assert_eq!(said["edit"]["held"][0]["why"], why);
        let words = alpha.stalecard(&["config", "disable-cache"]);
        assert!(words.stdout.contains("stalecard verify") && words.stdout.contains("--force"), "{words}");
        assert_eq!(std::fs::read(alpha.conf()).unwrap(), before);
        assert!(verifies(&alpha, &id));
        alpha.stalecard(&["fix", "--guarded", "--dry-run"]).ok();

        // What is stale beside it goes, and the way back is open.
        alpha.stalecard(&["flush"]).ok();
        alpha.stalecard(&["config", "disable-cache", "--force"]).ok();
        assert!(!verifies(&alpha, &id));
        let (_, report) = check(&alpha, &[]);
        assert!(told(&report).iter().all(|[.., safety]| safety != "safe"), "{report:#}");
        assert_ne!(finding(&report, why)["safety"], "safe");
        let output = alpha.stalecard(&["flush"]).ok();
        assert!(alpha.cache_names().iter().any(|name| name.ends_with("_CE01")), "{output}");
        let undo: &[&str] = if options.is_empty() { &["undo"] } else { &["undo", "--force"] };
        alpha.stalecard(undo).ok();
        assert!(verifies(&alpha, &id));
    }
}

/// One damaged or empty file is one finding, which names that file and not the intact one beside it, and says what is shown.
#[test]
fn a_damaged_description_or_an_empty_value_is_one_finding_that_names_its_file() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM", PIN, SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &["--id", "10"]);
    alpha.keypairgen("rsa:2048", &["--id", "11"]);
    alpha.write_cert(&alpha.foreign_certificate("ca"), "aa", "CA");
    alpha.write_data(b"Sample Data", "data", false);
    alpha.pkcs15_list();
    alpha.pkcs11_list();
    for (file, content, id, says) in [
        ("_C800", &[0xFF; 40][..], "damaged-entry", "shows no certificate"),
        ("_C800", &[], "hidden-object", "does not show it"),
        ("_C900", &[0xFF; 40], "damaged-entry", "shows no data object"),
        ("_C900", &[], "hidden-object", "does not show it"),
        (
            "_CA00",
            &[],
            "damaged-entry",
            "is empty, and the card's file is not; because of it OpenSC shows a certificate without content",
        ),
        (
            "_CA00",
            &[0xFF; 40],
            "damaged-entry",
            "does not decode; because of it OpenSC shows a certificate without content",
        ),
        (
            "_CE02",
            &[],
            "damaged-entry",
            "is empty, and the card's file is not; because of it OpenSC shows a certificate without content",
        ),
    ] {
        let host = alpha.with_cache_copy();
        let name = host.cache_names().into_iter().find(|name| name.ends_with(file)).unwrap();
        std::fs::write(host.cache().join(&name), content).unwrap();
        let (code, report) = check(&host, &[]);
        let all = report["findings"].as_array().unwrap();
        let about: Vec<_> =
            all.iter().filter(|finding| finding["evidence"].to_string().contains(".cache")).collect();
        assert_eq!((code, about.len()), (1, 1), "{file}: {report:#}");
        assert_eq!(about[0]["id"], id, "{file}: {report:#}");
        assert!(about[0]["summary"].as_str().unwrap().contains(says), "{file}: {report:#}");
        assert!(
            about[0]["evidence"][0]["file"]["path"].as_str().unwrap().ends_with(file),
            "{file}: {report:#}"
        );
        host.stalecard(&["flush"]).ok();
        assert_eq!(check(&host, &[]).0, 0);
    }
}

/// Whoever deletes by what is shown deletes what is in the slot now: told, where that is something else.
#[test]
fn a_slot_of_a_certificate_or_data_object_that_was_taken_again_is_a_danger() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM", PIN, SO_PIN, None);
    alpha.write_cert(&alpha.foreign_certificate("old"), "aa", "old");
    alpha.write_data(b"old content", "old data", false);
    alpha.pkcs15_list();
    alpha.pkcs11_list();
    let beta = stand.host("beta");
    beta.caching("no");
    beta.delete_object("cert", "aa");
    beta.delete_data("old data");
    beta.write_cert(&beta.foreign_certificate("new"), "bb", "new");
    beta.write_data(b"new content", "new data", false);
    let (_, report) = check(&alpha, &[]);
    let danger = |id: &str| finding(&report, id)["danger"].as_str().unwrap_or_default().to_owned();
    assert!(
        danger("stale-certificate").starts_with("Do not delete by ID aa: it names EF C800"),
        "{report:#}"
    );
    let all = report["findings"].as_array().unwrap();
    let of_data = all.iter().filter_map(|finding| finding["danger"].as_str());
    let of_data: Vec<_> = of_data.filter(|danger| danger.contains("data object \"old data\"")).collect();
    assert!(!of_data.is_empty(), "{report:#}");
    // It is what it says: the live object goes.
    alpha.delete_object("cert", "aa");
    assert!(stand.host("fresh").pkcs15_list().certificates().is_empty());
}
