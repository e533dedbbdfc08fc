//! What is typed, to each command that takes a name.

use super::{json, on_snapshot};
use crate::stand::{PIN, SO_PIN, Stand, secret};

fn show(what: &str) -> (Option<i32>, usize, String) {
    let output = on_snapshot("seed-beta-stale", &["show", what, "--format", "json"]);
    let objects = json(&output.stdout)["objects"].as_array().map_or(0, Vec::len);
    (output.status.code(), objects, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn show_takes_every_name_of_the_seeds_key() {
    let all = show("1");
    assert!(all.0 == Some(0) && all.1 > 0, "{all:?}");
    let document = json(&on_snapshot("seed-beta-stale", &["show", "--format", "json"]).stdout);
    let key = &document["objects"][0];
    let (live, stale) =
        (key["card"]["id"].as_str().unwrap(), key["shown"][0]["side"]["id"].as_str().unwrap());
    assert_ne!(live, stale);
    let uri = key["uri"].as_str().unwrap();
    assert!(
        uri.starts_with("pkcs11:token=")
            && uri.contains("serial=DENK0200834")
            && uri.ends_with("type=private")
    );
    let colons = |id: &str| {
        id.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap()).collect::<Vec<_>>().join(":")
    };
    for id in [live, stale] {
        let spellings = [
            id.to_owned(),
            id.to_uppercase(),
            format!("0x{id}"),
            colons(id),
            colons(id).replace(':', " "),
            id[..6].to_owned(),
            format!("slot_0-id_{id}"),
            format!("%smartcard0@opensc:{id}"),
            format!("pkcs11:id=%{}", colons(id).replace(':', "%")),
        ];
        for typed in spellings {
            let (code, objects, said) = show(&typed);
            assert!(code == Some(0) && objects > 0, "{typed}: {said}");
        }
    }
    for (typed, expected) in [
        (
            "0000000000",
            "no token, key, label or cache entry is called \"0000000000\"; there is: key reference 1",
        ),
        ("pkcs11:id=03", "written id=%03"),
        ("pkcs11:id=%3", "percent sign"),
    ] {
        let (code, _, said) = show(typed);
        assert!(code == Some(2) && said.contains(expected), "{typed}: {code:?} {said}");
    }
    // A token that is there, and one that is not.
    assert_eq!(show("denk0200834").0, Some(0));
    let output = on_snapshot("seed-beta-stale", &["check", "--serial", "denk0200834"]);
    assert_eq!(output.status.code(), Some(1));
    let output = on_snapshot("seed-beta-stale", &["check", "--serial", "DENK9"]);
    let said = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("there is: DENK0200834 (") && said.contains("the caches have entries of: DENK0200834"),
        "{said}"
    );
    let output = on_snapshot("seed-beta-stale", &["check", "--reader", "Nobody's"]);
    assert_eq!(output.status.code(), Some(3));
}

/// Issue 16, item 3: `flush --serial denk0200834` said "Nothing to move" while DENK0200834 had three entries.
#[test]
fn flush_ignores_the_case_of_a_serial_number_and_says_what_there_is() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &[]);
    alpha.pkcs15_list();
    let entries = alpha.cache_names().len();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let unknown = alpha.stalecard(&["flush", "--serial", "DENK09"]);
    assert!(
        unknown.code() == 0 && words(&unknown.stdout).contains("the cards they know: DENK0200834"),
        "{unknown}"
    );
    let unknown = alpha.stalecard(&["flush", "--serial", "DENK09", "--format", "json"]);
    let document = json(unknown.stdout.as_bytes());
    assert_eq!(
        (document["serials"].to_string(), &document["changed"]),
        ("[\"DENK0200834\"]".to_owned(), &false.into())
    );
    let copy = alpha.with_cache_copy();
    let done = copy.stalecard(&["flush", "--serial", "denk0200834", "--format", "json"]);
    let document = json(done.stdout.as_bytes());
    let steps = document["operations"][0]["steps"].as_array().unwrap().len();
    assert!(done.code() == 0 && steps == entries && document.get("serials").is_none(), "{done}");
    let again = copy.stalecard(&["flush", "--serial", "denk0200834"]);
    assert!(
        again.code() == 0 && words(&again.stdout).contains("the cards they know: none at all"),
        "{again}"
    );

    // The entries of one key, by a name of it; an entry that is not there is an error that lists what is.
    let id = alpha.pkcs15_list().private_keys()[0].id.clone().unwrap();
    let by_id =
        alpha.with_cache_copy().stalecard(&["flush", &format!("0x{id}"), "--dry-run", "--format", "json"]);
    let steps = json(by_id.stdout.as_bytes())["operations"].to_string();
    assert!(by_id.code() == 0 && steps.contains("C401"), "{by_id}");
    let none = alpha.stalecard(&["flush", "DENK0200834_NODATE_FFFF"]);
    assert!(
        none.code() == 2 && none.stderr.contains("there is: ") && none.stderr.contains("_C401"),
        "{none}"
    );
    for (words, code) in [
        (&["check", "--serial", "denk0200834"][..], 0),
        (&["check", "--serial", "nobody"], 3),
        (&["check", "--reader", "nobody"], 3),
        (&["show", "nobody"], 2),
        (&["ls", "--serial", "denk0200834"], 0),
        (&["verify", "--key", "nobody", "--pin-file", "/dev/null"], 2),
    ] {
        let said = alpha.stalecard(words);
        assert_eq!(said.code(), code, "{words:?}: {said}");
    }
}

/// The stale ID of one key is the live ID of another: `verify --key` asks which is meant, and spends nothing.
#[test]
fn verify_takes_one_key_by_any_name_and_asks_where_two_are_called_so() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let first = alpha.keypairgen("EC:prime256v1", &["--label", "same"]).id;
    alpha.keypairgen("EC:prime256v1", &["--label", "same"]);
    let file = stand.dir().join("pin");
    secret(&file, PIN);
    let verify = |key: &str| {
        alpha.stalecard(&["verify", "--key", key, "--pin-file", file.to_str().unwrap(), "--format", "json"])
    };
    stand.card().reset_stats();
    let both = verify("same");
    assert!(both.code() == 2 && both.stderr.contains("could be any of these"), "{both}");
    assert!(both.stderr.contains("key reference 1") && both.stderr.contains("key reference 2"), "{both}");
    assert_eq!(stand.card().stats().verify, 0);
    let keys = json(alpha.stalecard(&["show", "1", "--format", "json"]).stdout.as_bytes());
    let uri = keys["objects"][0]["uri"].as_str().unwrap();
    for name in [format!("0x{first}"), first[..7].to_owned(), format!("slot_0-id_{first}"), uri.to_owned()] {
        let one = verify(&name);
        let document = json(one.stdout.as_bytes());
        assert_eq!((one.code(), document["keys"].as_array().unwrap().len()), (0, 1), "{name}: {one}");
    }
}
