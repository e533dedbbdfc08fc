//! What is typed, to each command that takes a name.

use super::{json, on_snapshot};
use crate::stand::{Host, PIN, SO_PIN, Stand, secret};

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
        ("pkcs11:objct=k9", "is object meant?"),
        ("pkcs11:slot-id=5", "--reader names a reader"),
        ("pkcs11:manufacturer=foo;object=Private%20Key", "which is \"www.CardContact.de\""),
        ("pkcs11:id=%3", "percent sign"),
    ] {
        let (code, _, said) = show(typed);
        assert!(code == Some(2) && said.contains(expected), "{typed}: {code:?} {said}");
    }
    // An entry as a check shows it.
    let (code, objects, said) = show("c401");
    assert!(code == Some(0) && objects > 0, "{said}");
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
        (&["ls", "--serial", "nobody"], 3),
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

/// The files of a rehearsed flush by this name, without what their names have in common.
fn rehearsed(host: &Host, name: &str) -> Vec<String> {
    let output = host.stalecard(&["flush", name, "--dry-run", "--format", "json"]);
    let document = json(output.stdout.as_bytes());
    let steps = document["operations"].as_array().into_iter().flatten();
    let steps = steps.flat_map(|operation| operation["steps"].as_array().unwrap());
    let mut files: Vec<String> =
        steps.map(|step| step["name"].as_str().unwrap().rsplit('_').next().unwrap().to_owned()).collect();
    files.sort();
    // What has no entry is done already; what nothing is called is an error.
    let is_unknown = output.stdout.contains("nothing is called");
    assert_eq!(output.code(), if is_unknown { 2 } else { 0 }, "{name}: {output}");
    assert!(files.is_empty() || !is_unknown, "{name}: {output}");
    files
}

/// It was "ambiguous", or the key, depending on what was cached.
#[test]
fn a_label_that_key_and_token_share_names_the_key_whatever_is_cached() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let keys = [alpha.keypairgen("EC:prime256v1", &[]).id, {
        alpha.keypairgen("EC:prime256v1", &["--label", "HSM-H1"]).id
    }];
    assert_ne!(keys[0], keys[1]);
    alpha.pkcs15_list();
    let cached = rehearsed(&alpha, "HSM-H1");
    assert!(cached.contains(&"C402".to_owned()) && !cached.contains(&"C401".to_owned()), "{cached:?}");
    // The label that the PKCS#11 module makes of it is the token's alone.
    assert!(rehearsed(&alpha, "HSM-H1 (UserPIN)").contains(&"C401".to_owned()));
    assert!(alpha.cache_names().iter().any(|name| name.ends_with("_C402")));
    for name in alpha.cache_names().iter().filter(|name| name.ends_with("_C402") || name.ends_with("_CE02")) {
        std::fs::remove_file(alpha.cache().join(name)).unwrap();
    }
    // Nothing of the key is cached any more: its label still is no token's.
    assert_eq!(rehearsed(&alpha, "HSM-H1"), [""; 0]);
    let shown = json(alpha.stalecard(&["show", "HSM-H1", "--format", "json"]).stdout.as_bytes());
    let shown = shown["objects"].as_array().unwrap();
    assert!(!shown.is_empty() && shown.iter().all(|object| object["reference"] == 2), "{shown:?}");
}

/// Faults 17 and 32: by its label only the description of a key was moved, and its old public key stayed under the new ID; `1`,
/// the token's label, its serial number and the name of its file were refused.
#[test]
fn a_flush_takes_a_key_whole_and_a_token_whole_by_whatever_name() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = alpha.keypairgen("EC:prime256v1", &[]).id;
    alpha.pkcs15_list();
    let live = alpha.live();
    live.delete_object("privkey", &old);
    let new = live.keypairgen("EC:prime256v1", &[]).id;
    let escaped: String =
        old.as_bytes().chunks(2).map(|pair| format!("%{}", std::str::from_utf8(pair).unwrap())).collect();
    let (hex, uri) = (format!("0x{old}"), format!("pkcs11:id={escaped}"));
    let of_caches: [&str; 9] =
        ["1", "Private Key", old.as_str(), hex.as_str(), &old[..12], "C401", "CE01", "CC01", uri.as_str()];
    let of_token = ["DENK0200834", "denk0200834", "pkcs11:serial=DENK0200834"];
    let key = ["C401", "CE01"];
    for name in of_caches.into_iter().chain([new.as_str()]) {
        assert_eq!(rehearsed(&alpha, name), key, "{name}");
    }
    for name in of_token.into_iter().chain(["HSM-H1"]) {
        assert_eq!(rehearsed(&alpha, name), ["C400", "C401", "CE01"], "{name}");
    }
    // By name or path it is that file, and nothing else.
    let file = alpha.cache_names().into_iter().find(|name| name.ends_with("_C401")).unwrap();
    assert_eq!(rehearsed(&alpha, &file), ["C401"]);
    // What nothing is called moves nothing.
    for name in ["2", "HSM-H2", "C402", "DENK0200835"] {
        assert_eq!(rehearsed(&alpha, name), [] as [&str; 0], "{name}");
    }
    // Without the card the caches tell.
    stand.card().eject();
    stand.card().wait_removed();
    for name in of_caches {
        assert_eq!(rehearsed(&alpha, name), key, "{name}");
    }
    for name in of_token {
        assert_eq!(rehearsed(&alpha, name).len(), 3, "{name}");
    }
    // What two tokens have is an error that lists both.
    let other = alpha.with_cache_copy();
    for name in other.cache_names() {
        let content = std::fs::read(other.cache().join(&name)).unwrap();
        std::fs::write(other.cache().join(name.replace("DENK0200834", "DENK0200999")), content).unwrap();
    }
    for name in ["1", "C401", "Private Key"] {
        let output = other.stalecard(&["flush", name]).exits(2);
        assert!(output.stderr.contains("could be any of these"), "{output}");
        assert!(
            ["DENK0200834", "DENK0200999"].iter().all(|serial| output.stderr.contains(serial)),
            "{output}"
        );
    }
    assert_eq!(rehearsed(&other, "DENK0200999").len(), 3);
    // And it does what was rehearsed.
    alpha.stalecard(&["flush", "Private Key"]).ok();
    assert_eq!(alpha.cache_names().len(), 1, "{:?}", alpha.cache_names());
}

/// What a shell offers for the last of these words.
fn offered(host: &Host, words: &[&str]) -> Vec<String> {
    let index = words.len().to_string();
    let host = host.clone().env("STALECARD_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", &index);
    let host = host.env("_CLAP_IFS", "\n");
    let said = host.stalecard(&[&["--", "stalecard"], words].concat()).ok();
    said.stdout.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn a_shell_completes_readers_and_what_can_be_undone() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    assert_eq!(offered(&alpha, &["undo", ""]), [""; 0]);
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &[]);
    alpha.pkcs15_list();
    for command in [&["check", "--reader", ""][..], &["flush", "--reader", ""]] {
        let readers = offered(&alpha, command);
        assert!(readers.iter().any(|name| name.contains(alpha.reader())), "{command:?}: {readers:?}");
    }
    alpha.stalecard(&["flush", "--all"]).ok();
    let list = json(alpha.stalecard(&["quarantine", "list", "--format", "json"]).stdout.as_bytes());
    let operation = list["operations"][0]["id"].as_str().unwrap();
    assert_eq!(offered(&alpha, &["undo", ""]), [operation]);
    alpha.stalecard(&["undo", operation]).ok();
    assert_eq!(offered(&alpha, &["undo", ""]), [""; 0]);
}
