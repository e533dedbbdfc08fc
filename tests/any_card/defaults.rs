//! Without any setting it depends on the driver of a card whether OpenSC caches: `check` says of it what OpenSC does.

use super::*;
use crate::stand::{PIN, SO_PIN, opensc_version};

/// The word for each program.
fn caching(report: &Value) -> Vec<(String, String)> {
    let word = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    report["programs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (word(one, "name"), word(one, "caching")))
        .collect()
}

fn both(word: &str) -> Vec<(String, String)> {
    ["pkcs15-tool", "opensc-pkcs11"].map(|program| (program.to_owned(), word.to_owned())).into()
}

/// What `config show` says: the default for cards of drivers that are not in OpenSC's list, and of those that are.
fn defaults(host: &Host) -> [String; 2] {
    let report = document(&ours(host, &["config", "show", "--format", "json"]).ok());
    let program = &report["config"]["programs"][0];
    ["caching", "caching_by_default_list"].map(|name| program[name].as_str().unwrap().to_owned())
}

#[test]
fn what_the_default_is_for_a_card_is_what_opensc_does() {
    let has_list = opensc_version() >= Version::of(24);
    for kind in [Kind::Belpic, Kind::Starcos] {
        let (stand, _card) = Stand::with_file_card(kind, &["one", "two"]);
        let host = host(&stand);
        host.configure("");
        let expected = if has_list { ["no", "public"] } else { ["no", "no"] };
        assert_eq!(defaults(&host), expected);
        // Before anything was cached only the driver tells, and that is OpenSC's to know.
        let open = if has_list { "undecided" } else { "no" };
        for options in [&[][..], &["--no-ask"]] {
            assert_eq!(caching(&check(&host, options).1), both(open), "{kind:?} {options:?}");
        }
        host.pkcs15_list();
        let is_cached = !host.cache_names().is_empty();
        assert_eq!(is_cached, has_list && kind == Kind::Belpic);
        let (output, report) = check(&host, &[]);
        assert_eq!(output.code(), 0, "{output}");
        assert_eq!(caching(&report), both(if is_cached { "public" } else { open }), "{kind:?} {output}");
        // A setting tells, whatever the driver.
        for (setting, word) in [("no", "no"), ("public", "public"), ("yes", "yes")] {
            host.caching(setting);
            let (output, report) = check(&host, &[]);
            assert_eq!(caching(&report), both(word), "{kind:?} {output}");
        }
    }
}

/// Beside a card that is read each has its own line.
#[test]
fn each_card_has_its_own_line_where_they_differ() {
    if opensc_version() < Version::of(24) {
        return;
    }
    let stand = Stand::start();
    let host = host(&stand);
    host.configure("");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let mut card = stand.file_card("beside", Kind::Belpic, 1, &["one"]);
    card.put_into(&stand, 1);
    let (output, report) = check(&host, &[]);
    let all = caching(&report);
    assert_eq!(all.len(), 4, "{output}");
    let of = |name: &str| all.iter().find(|(own, _)| own == name).map(|(_, word)| word.as_str());
    assert_eq!(of("pkcs15-tool"), Some("no"), "{output}");
    let beside = all.iter().find(|(name, _)| name.starts_with("pkcs15-tool (card "));
    assert_eq!(beside.map(|(_, word)| word.as_str()), Some("undecided"), "{output}");
}
