//! Which objects a program shows when something ends its list: what the views, the findings and `show` say of it, and what the
//! real tools print.

use crate::compare::{same, snapshot};
use crate::native;
use crate::play::WORDS;
use crate::stand::{Family, Host, Options, PIN, SO_PIN, Stand, opensc_version};
use stalecard::finding::{Finding, Severity};
use stalecard::judge::{judge, tokens};
use stalecard::opensc::differences;
use stalecard::view::pkcs11;
use std::fs;

/// Both views are what both tools print of them.
fn as_the_tools_print(host: &Host, words: &crate::compare::Words) {
    let observed = snapshot(host).unwrap();
    let cases = tokens(&observed).cases;
    let live = &cases[0].live;
    let shown = &cases[0].cache_views.iter().find(|cache_view| cache_view.in_use()).unwrap().shown;
    for (what, view, host) in [("live", live, host.live()), ("shown", shown, host.clone())] {
        let listed = words.run_pkcs15(&host.with_cache_copy(), None).unwrap();
        let expected = (words.expected_pkcs15)(view, opensc_version());
        same(&format!("{what}, pkcs15-tool -D"), &expected, &listed).unwrap();
        let listed = words.run_pkcs11(&host.with_cache_copy(), true, None).unwrap();
        let expected = (words.expected_pkcs11)(view, true, opensc_version());
        same(&format!("{what}, pkcs11-tool -O"), &expected, &listed).unwrap();
    }
}

fn wrong(host: &Host) -> Vec<Finding> {
    let mut found = judge(&snapshot(host).unwrap()).findings;
    // What concerns the kind of card and no entry.
    let of_card = ["cache-cannot-notice-change", "config-caches-for-writer", "shared-identity"];
    found.retain(|finding| !of_card.contains(&finding.id.name()));
    found
}

fn entry(host: &Host, file: &str) -> std::path::PathBuf {
    let name = host.cache_names().into_iter().find(|name| name.ends_with(&format!("_{file}")));
    host.cache().join(name.unwrap_or_else(|| panic!("no entry of {file}")))
}

/// What `show` says of the programs that leave an object out, by the object's label.
fn unlisted(host: &Host, label: &str) -> Vec<String> {
    let shown: serde_json::Value =
        serde_json::from_str(&host.stalecard(&["show", "--format", "json"]).stdout).unwrap();
    let objects = shown["objects"].as_array().unwrap().iter();
    let named = objects.filter(|object| {
        [&object["card"], &object["shown"][0]["side"]].iter().any(|side| side["label"] == label)
    });
    let of_object = |object: &serde_json::Value| {
        let of_cache = object["shown"][0]["unlisted"].as_array().cloned().unwrap_or_default();
        let text = |one: &serde_json::Value, name| one[name].as_str().unwrap().to_owned();
        of_cache.into_iter().map(move |one| format!("{}: {}", text(&one, "program"), text(&one, "why")))
    };
    named.flat_map(of_object).collect()
}

/// A certificate in the cache that is none: of a key, of a device's key, of an authority.
#[test]
fn one_damaged_ce00_is_one_finding_and_hides_what_the_module_hides() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &["--id", "01", "--label", "one"]);
    host.write_cert(&host.foreign_certificate("first"), "71", "first");
    host.write_cert(&host.foreign_certificate("second"), "72", "second");
    // The device's own key, as some cards have it: 0.23 and before list it, in front of all others.
    host.pkcs15_list();
    let request = fs::read(entry(&host, "CE01")).unwrap();
    let description = "a01a30020c0030080401300303072080a10a30083002040002020100";
    let description = data_encoding::HEXLOWER.decode(description.as_bytes()).unwrap();
    stand.card().tamper(0xC400, Some(&description));
    stand.card().tamper(0xCE00, Some(&request));
    fs::remove_dir_all(host.cache()).unwrap();
    host.pkcs15_list();
    as_the_tools_print(&host, &WORDS);
    assert!(wrong(&host).iter().all(|finding| finding.severity < Severity::Error));

    let lists_device_key = differences::shows_device_key(opensc_version()) == Some(true);
    let certificates = [(lists_device_key, "CE00", 2), (true, "CE01", 2), (true, "CA00", 1)];
    for (_, file, behind) in certificates.into_iter().filter(|(is_listed, ..)| *is_listed) {
        let path = entry(&host, file);
        let whole = fs::read(&path).unwrap();
        // What begins as a certificate and is none; of a certificate that begins so anyway, its half.
        let mut damaged = whole.clone();
        damaged[0] = 0x30;
        if damaged == whole {
            damaged.truncate(whole.len() / 2);
        }
        fs::write(&path, &damaged).unwrap();
        as_the_tools_print(&host, &WORDS);

        let found = wrong(&host);
        let lines = || crate::compare::lines(&found);
        let about = |finding: &&Finding| {
            let files = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
            files.into_iter().any(|known| known.path.ends_with(file))
        };
        let about: Vec<_> = found.iter().filter(about).collect();
        assert_eq!(about.len(), 1, "{file}: {}", lines());
        let errors = found.iter().filter(|finding| finding.severity >= Severity::Error).count();
        assert_eq!(errors, 1, "{file}: {}", lines());
        assert_eq!(about[0].id.name(), "damaged-entry");
        assert_eq!(about[0].program, ["pkcs15-tool", "opensc-pkcs11"]);
        // The object itself, and the card's certificates behind it, which have no wrong entry of their own.
        assert_eq!(about[0].evidence.len(), 1 + behind, "{:#?}", about[0]);
        assert_eq!(unlisted(&host, "second").len(), 1);
        assert!(unlisted(&host, "second")[0].starts_with("opensc-pkcs11: it lists no certificate behind"));
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(unlisted(&host, "second"), [""; 0]);
}

/// A card that refuses to read an empty file: `pkcs15-tool -D` says "EF offset too large", and ends.
#[test]
fn an_empty_data_object_ends_the_list_of_one_program() {
    let stand = Stand::with(Options { family: Family::IsoApplet, ..Options::default() });
    let host = stand.host("alpha").with_pin("1234");
    host.configure(concat!(
        "app default {\n\tcard_drivers = isoApplet;\n\tframework pkcs15 { use_file_caching = yes; }\n}\n",
        "app pkcs15-init { framework pkcs15 { use_file_caching = no; } }\n"
    ));
    host.personalise_isoapplet();
    for (label, content) in [("before", &b"one"[..]), ("empty", b""), ("behind", b"three")] {
        host.store_data(content, label, false).ok();
    }
    host.pkcs15_list();
    as_the_tools_print(&host, &native::WORDS);
    assert_eq!(wrong(&host).iter().filter(|finding| finding.severity >= Severity::Error).count(), 0);
    let ends = "pkcs15-tool: its list of data objects ends at \"empty\", which cannot be read";
    assert_eq!(unlisted(&host, "behind"), [ends]);
    assert_eq!(unlisted(&host, "before"), [""; 0]);
    let check = host.stalecard(&["check"]);
    assert!(
        !check.stdout.contains("refused ("),
        "an empty object is nothing that was not looked at: {check}"
    );

    // What is old behind the end, `pkcs15-tool` does not show; applications do.
    let observed = snapshot(&host).unwrap();
    let live = &tokens(&observed).cases[0].live;
    let file = |label: &str| {
        let object = live.objects.iter().find(|object| object.label == label.as_bytes()).unwrap();
        object.files.last().unwrap().to_string()
    };
    let name = entry(&host, &file("before"));
    let name = name.to_str().unwrap().replace(&file("before"), &file("behind"));
    fs::write(name, b"old").unwrap();
    as_the_tools_print(&host, &native::WORDS);
    let found = wrong(&host);
    let errors: Vec<_> = found.iter().filter(|finding| finding.severity >= Severity::Error).collect();
    assert_eq!(errors.len(), 1, "{}", crate::compare::lines(&found));
    assert_eq!(errors[0].program, ["opensc-pkcs11"]);
    assert!(pkcs11::project(live).iter().any(|item| item.label == b"behind"));
}

/// A copy is old, not damaged, if the card's file was once so: a request where a certificate is now, and the reverse; a
/// longer entry over a shorter one.
#[test]
fn a_stale_but_intact_entry_is_no_damaged_entry() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &["--id", "01", "--label", "a long label of the first key"]);
    host.keypairgen("rsa:1024", &["--id", "02", "--label", "two"]);
    host.write_cert(&host.foreign_certificate("authority"), "71", "authority");
    host.write_data(b"some content", "data", false);
    let mut former: Vec<std::collections::BTreeMap<String, Vec<u8>>> = Vec::new();
    let mut keep = || {
        let _ = fs::remove_dir_all(host.cache());
        host.pkcs15_list();
        host.run(&["pkcs11-tool", "-O"]);
        former.push(host.cache_files());
    };
    keep();
    let live = host.live();
    live.write_cert(&host.foreign_certificate("of key"), "01", "short");
    live.write_cert(&host.foreign_certificate("of the other key"), "02", "longer than before");
    keep();
    live.delete_object("privkey", "01");
    live.keypairgen("rsa:1024", &["--id", "01", "--label", "anew"]);
    live.delete_object("cert", "71");
    live.write_cert(&host.foreign_certificate("another"), "72", "another");
    keep();
    for now in 0..former.len() {
        for old in &former[..now] {
            for (name, content) in old.iter().filter(|(name, _)| !name.ends_with("_C400")) {
                if !former[2].contains_key(name) {
                    continue;
                }
                for (other, as_it_is) in &former[2] {
                    fs::write(host.cache().join(other), as_it_is).unwrap();
                }
                fs::write(host.cache().join(name), content).unwrap();
                let found = wrong(&host);
                let lines = crate::compare::lines(&found);
                assert!(found.iter().all(|finding| finding.id.name() != "damaged-entry"), "{name}: {lines}");
                assert!(content == &former[2][name] || !found.is_empty(), "{name}: not a word");
            }
        }
    }
}

/// A directory hides all that it describes, and is one entry.
#[test]
fn a_damaged_directory_is_one_finding_about_all_that_it_hides() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let host = stand.host("alpha");
    host.configure(concat!(
        "app default { framework pkcs15 { use_file_caching = yes; } }\n",
        "app pkcs15-init { framework pkcs15 { use_file_caching = no; } }\n"
    ));
    host.personalise();
    for id in ["01", "02", "03"] {
        host.generate_key("ec/prime256v1", id, &format!("key {id}"));
    }
    host.pkcs15_list();
    host.run(&["pkcs11-tool", "-O"]);
    assert_eq!(wrong(&host).iter().filter(|finding| finding.severity >= Severity::Error).count(), 0);
    // Behind its first entry; and in it.
    let path = entry(&host, "50154402");
    let whole = fs::read(&path).unwrap();
    let first = 2 + usize::from(whole[1]);
    for (length, hidden) in [(first + 9, 2), (9, 3)] {
        fs::write(&path, &whole[..length]).unwrap();
        as_the_tools_print(&host, &native::WORDS);
        let found = wrong(&host);
        let errors: Vec<_> = found.iter().filter(|finding| finding.severity >= Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{}", crate::compare::lines(&found));
        assert_eq!((errors[0].id.name(), errors[0].evidence.len()), ("damaged-entry", hidden));
        assert!(
            errors[0].summary.contains(&format!("none of {hidden} private keys")),
            "{}",
            errors[0].summary
        );
    }
}
