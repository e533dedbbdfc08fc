//! One rule for exit codes where settings leave a card without a driver, whatever its family: 1 where no program takes it or
//! where a name means nothing, 0 where the settings do what they say for one program, 3 where only the card could tell.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{errors, flat};
use crate::stand::{PIN, SO_PIN, Stand};

/// A recorded card of each family, OpenSC's driver for it, and whether its answer to reset tells that it is its card. Where it
/// does not, what a list of other drivers makes of it only the card could tell.
const CARDS: [(&str, &str, bool); 4] = [
    ("five-keys", "sc-hsm", true),
    ("myeid-fresh", "myeid", true),
    ("piv-stale", "PIV-II", false),
    ("openpgp-stale", "openpgp", false),
];

/// What `check` says of a recorded card under this configuration, in this format, and its exit code.
fn check(card: &str, text: &str, format: &str) -> (Option<i32>, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/snapshots/{card}.json"));
    let mut snapshot: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    // The drivers are asked about, and not the caches.
    snapshot["caches"] = json!([]);
    snapshot["configs"][0]["state"] = json!({ "text": data_encoding::HEXLOWER.encode(text.as_bytes()) });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("snapshot.json");
    std::fs::write(&file, snapshot.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
    let output = command.args(["check", "--format", format, "--snapshot"]).arg(&file).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// The exit code, what is said of drivers (severity of `token-not-visible`), and what was not looked at.
fn checked(card: &str, text: &str) -> (Option<i32>, Vec<String>, usize) {
    let (code, said) = check(card, text, "json");
    let report: Value = serde_json::from_str(&said).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let said = findings.filter(|finding| finding["id"] == "token-not-visible");
    let said = said.map(|finding| finding["severity"].as_str().unwrap().to_owned()).collect();
    let gaps = report["coverage"].as_array().unwrap().iter();
    let open = gaps.filter(|gap| gap["what"].as_str().unwrap().contains("what it shows of the card"));
    (code, said, open.count())
}

#[test]
fn settings_that_leave_a_card_without_a_driver_have_one_rule_for_exit_codes() {
    for (card, driver, told) in CARDS {
        let everywhere = |value: &str| checked(card, &format!("app default {{ card_drivers = {value}; }}"));
        // What it takes anyway, and OpenSC's own list.
        for value in [driver, "internal"] {
            assert_eq!(everywhere(value), (Some(0), vec![], 0), "{card}: {value}");
        }
        // Nobody takes it: no driver of this list does, or none of these names is one.
        let nobody = ["piv", "default"].into_iter().chain(told.then_some("cardos"));
        for value in nobody {
            let (code, said, open) = everywhere(value);
            assert_eq!((code, open), (Some(1), 0), "{card}: {value}");
            assert!(
                !said.is_empty() && said.iter().all(|severity| severity == "error"),
                "{card}: {value}: {said:?}"
            );
        }
        // The drivers of old cards, and of others, ask the card.
        for value in ["old", "cardos"].into_iter().take(if told { 1 } else { 2 }) {
            let (code, said, open) = everywhere(value);
            assert_eq!((code, said), (Some(3), vec![]), "{card}: {value}");
            assert!(open > 0, "{card}: {value}");
        }
        // One program does as it is told, and the others see the card.
        let (code, said, open) = checked(card, "app pkcs15-tool { card_drivers = cardos; }");
        let does = if told { (Some(0), vec!["info".to_owned()]) } else { (Some(3), vec![]) };
        assert_eq!(((code, said), open > 0), (does, !told), "{card}");
        // A name that means nothing is a mistake, even for one program.
        let (code, said, _) = checked(card, "app pkcs15-tool { card_drivers = piv; }");
        assert_eq!((code, said), (Some(1), vec!["error".to_owned()]), "{card}");
    }
}

/// A PC/SC library of its own may know other readers than the usual one.
#[test]
fn a_program_with_a_pcsc_library_of_its_own_is_not_called_healthy() {
    let text = "app opensc-pkcs11 { reader_driver pcsc { provider_library = /opt/vendor/libpcsclite.so; } }";
    let (code, said) = check("five-keys", text, "json");
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, Some(3), "{said}");
    let gaps: Vec<&Value> = report["coverage"].as_array().unwrap().iter().collect();
    let of_library = |gap: &&&Value| gap["why"].as_str().unwrap().contains("/opt/vendor/libpcsclite.so");
    let told: Vec<&str> = gaps.iter().filter(of_library).map(|gap| gap["what"].as_str().unwrap()).collect();
    assert_eq!(told, ["opensc-pkcs11, which readers it sees"], "{said}");
    // The usual one said outright, or in a block that nothing reads, changes nothing.
    for text in [
        "app opensc-pkcs11 { reader_driver pcsc { provider_library = libpcsclite.so.1; } }",
        "app opensc-pkcs11 { provider_library = /opt/vendor/libpcsclite.so; }",
    ] {
        assert_eq!(check("five-keys", text, "json").0, Some(0), "{text}");
    }
}

/// Nobody is to be called for it, but not all is clear either.
#[test]
fn monitoring_is_not_told_that_all_is_clear_where_one_program_misses_the_card() {
    let clear = "is what is on the card, ";
    let (code, said) = check("five-keys", "", "nagios");
    assert!(code == Some(0) && said.starts_with("STALECARD OK - ") && said.contains(clear), "{said}");
    let (code, said) = check("five-keys", "app pkcs15-tool { card_drivers = cardos; }", "nagios");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("STALECARD OK - ") && !said.contains(clear) && said.contains("pkcs15-tool"),
        "{said}"
    );
    // Caching on, and nothing stale: a risk, and no alarm.
    let (code, said) =
        check("five-keys", "app default { framework pkcs15 { use_file_caching = yes; } }", "nagios");
    assert_eq!(code, Some(0), "{said}");
    let (_, usual) =
        check("five-keys", "app default { framework pkcs15 { use_file_caching = yes; } }", "text");
    assert_eq!(usual.starts_with("RISK"), !said.contains(clear), "{said}\n{usual}");
}

/// A program with settings of its own that reads the cache alone shows what is stale in it: the module that browsers load, or
/// a tool that reads the card as PKCS#15 has it. What reads no such file is not said to show it.
#[test]
fn a_program_whose_own_settings_cache_shows_what_is_stale() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = host.keypairgen("EC:prime256v1", &["--id", "01"]);
    host.caching("yes").pkcs15_list();
    let live = host.live();
    live.delete_object("privkey", &old.id);
    live.keypairgen("EC:prime256v1", &[]);
    let module = "/usr/lib/x86_64-linux-gnu/onepin-opensc-pkcs11.so";
    for (program, is_shown) in
        [("onepin-opensc-pkcs11", true), ("pkcs15-crypt", true), ("sc-hsm-tool", false)]
    {
        host.configure(&format!(
            "app default {{\n\tframework pkcs15 {{\n\t\tuse_file_caching = no;\n\t}}\n}}\n\
             app {program} {{\n\tframework pkcs15 {{\n\t\tuse_file_caching = public;\n\t}}\n}}\n"
        ));
        let (code, errors) = errors(&host);
        assert_eq!((code, !errors.is_empty()), (i32::from(is_shown), is_shown), "{program}: {errors:?}");
        let said = flat(&host.stalecard(&["check", "-v"]));
        assert_eq!(said.starts_with("STALE"), is_shown, "{said}");
    }
    // The real module agrees; the other one shows the card.
    host.configure(
        "app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n\
         app onepin-opensc-pkcs11 {\n\tframework pkcs15 {\n\t\tuse_file_caching = public;\n\t}\n}\n",
    );
    let ids = |words: &[&str]| host.run(&[&["pkcs11-tool"], words, &["-O"]].concat()).ok().stdout;
    assert!(ids(&["--module", module]).contains("ID:         01"));
    assert!(!ids(&[]).contains("ID:         01"));
}
