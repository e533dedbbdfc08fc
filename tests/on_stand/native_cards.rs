//! `stalecard` beside a native PKCS#15 card (MyEID), as people use it: the whole story once, what it costs, and
//! that it disturbs nobody.

use crate::schema;
use crate::stand::{Family, Host, Options, PIN, Stand};
use serde_json::Value;
use stalecard::format::tlv::encode;

fn stand() -> (Stand, Host) {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.personalise();
    (stand, maker)
}

fn findings(host: &Host) -> Vec<(String, String)> {
    let said = host.stalecard(&["check", "--format", "json"]);
    let report: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = report["findings"].as_array().unwrap().iter();
    all.map(|finding| (text(&finding["id"]), text(&finding["summary"]))).collect()
}

fn ids(host: &Host) -> Vec<String> {
    // What concerns the kind of card and no entry.
    let of_card = ["cache-cannot-notice-change", "config-caches-for-writer"];
    findings(host).into_iter().map(|(id, _)| id).filter(|id| !of_card.contains(&id.as_str())).collect()
}

#[test]
fn a_key_that_pkcs15_init_makes_is_hidden_by_its_own_cache() {
    let (_stand, maker) = stand();
    maker.generate_key("ec/prime256v1", "45", "first");
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs15-tool", "-D"]).ok();
    office.run(&["pkcs11-tool", "-O"]).ok();
    assert_eq!(ids(&office), [""; 0]);
    maker.delete_objects("privkey,pubkey", "45");
    maker.generate_key("ec/prime256v1", "47", "second");
    let told = findings(&office);
    let hidden = told.iter().filter(|(id, summary)| id == "hidden-object" && summary.contains("ID 47"));
    let ghosts = told.iter().filter(|(id, summary)| id == "ghost-object" && summary.contains("ID 45"));
    assert_eq!((hidden.count(), ghosts.count()), (2, 2), "{told:#?}");
    // The new key has the old one's file: deleting by the old ID would destroy it.
    let said = office.stalecard(&["check"]);
    assert!(said.stdout.contains("Do not delete by the ID shown: that would hit the new key."), "{said}");
    let said = office.stalecard(&["check", "-v"]);
    assert!(said.stdout.contains("Do not delete or re-initialise by ID 45"), "{said}");
    for command in [&["ls"][..], &["show", "47"]] {
        let said = office.stalecard(command).ok();
        assert!(said.stdout.contains("0154"), "{said}");
    }
    office.stalecard(&["flush"]).ok();
    assert_eq!(ids(&office), [""; 0]);
    assert_eq!(office.run(&["pkcs15-tool", "-D"]).ok().stdout, maker.run(&["pkcs15-tool", "-D"]).ok().stdout);
}

/// The same key ID over another key: the private key looks as before, its public key is another. So it is where a host
/// that does not see a key has written another's public key over its own, and no file tells.
#[test]
fn a_key_made_anew_under_its_id_is_not_told_from_one_with_a_foreign_public_key() {
    let (_stand, maker) = stand();
    maker.generate_key("ec/prime256v1", "45", "key");
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs15-tool", "-D"]).ok();
    maker.delete_objects("privkey,pubkey", "45");
    maker.generate_key("ec/prime256v1", "45", "key");
    let told = findings(&office);
    assert_eq!(told[0].0, "public-key-undecided", "{told:#?}");
    let said = office.stalecard(&["check"]);
    assert!(said.stdout.starts_with("UNDECIDED"), "{said}");
    assert!(said.stdout.contains("50155501"), "{said}");
}

#[test]
fn a_renewed_certificate_is_told_with_both_subjects() {
    let (stand, maker) = stand();
    let certificate = |name: &str| {
        let pem = stand.dir().join(format!("{name}.pem"));
        let subject = format!("/CN={name}");
        let command =
            ["openssl", "req", "-x509", "-nodes", "-days", "3650", "-newkey", "rsa:2048", "-subj", &subject];
        maker.run(&[&command[..], &["-keyout", "/dev/null", "-out", pem.to_str().unwrap()]].concat()).ok();
        std::fs::read_to_string(pem).unwrap()
    };
    maker.store_certificate(&certificate("old holder"), "45", "card");
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs11-tool", "-O"]).ok();
    maker.delete_objects("cert", "45");
    maker.store_certificate(&certificate("new holder"), "45", "card");
    let told = findings(&office);
    let stale = told.iter().find(|(id, _)| id == "stale-certificate");
    let (_, summary) = stale.unwrap_or_else(|| panic!("{told:#?}"));
    assert!(summary.contains("CN=old holder") && summary.contains("CN=new holder"), "{summary}");
}

/// As many commands as `pkcs15-tool -D` with an empty cache, plus one file for each public part that it does
/// not read, plus the last look at the counter.
#[test]
fn a_check_costs_no_more_than_a_listing() {
    let (stand, maker) = stand();
    maker.generate_key("ec/prime256v1", "45", "key");
    let count = |run: &dyn Fn()| {
        stand.card().reset_stats();
        run();
        stand.card().stats()
    };
    let theirs = count(&|| drop(maker.run(&["pkcs15-tool", "-D"]).ok()));
    let ours = count(&|| drop(maker.stalecard(&["check"]).ok()));
    assert!(ours.apdus <= theirs.apdus, "ours {ours:?}, theirs {theirs:?}");
    assert_eq!((ours.select_aid, ours.verify, ours.writes), (0, 0, 0), "{ours:?}");
    // No file twice: every SELECT is another one.
    let log = stand.apdu_log();
    let mut selects: Vec<&String> = log
        .iter()
        .rev()
        .take(2 * usize::try_from(ours.apdus).unwrap())
        .filter(|line| line.starts_with("> 00a4"))
        .collect();
    let all = selects.len();
    selects.sort();
    selects.dedup();
    assert_eq!(selects.len(), all);
    assert!(all > 8);
}

/// A certificate's description (CDF), its file, and the files of an application with nothing else in it.
fn application(directory: u16, name: &str, serial: &[u8], certificate: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let at = |fid: u16| [directory.to_be_bytes(), fid.to_be_bytes()].concat();
    let named = |fid: u16| encode(0x30, &encode(0x04, &[&[0x3F, 0x00], at(fid).as_slice()].concat()));
    let serial = if serial.is_empty() { Vec::new() } else { encode(0x04, serial) };
    let info = [encode(0x02, &[0]), serial, encode(0x80, name.as_bytes()), encode(0x03, &[0, 0])].concat();
    let label = encode(0x30, &encode(0x0C, name.as_bytes()));
    let id = encode(0x30, &encode(0x04, &[0x61]));
    let entry = encode(0x30, &[label, id, encode(0xA1, &encode(0x30, &named(0x4500)))].concat());
    vec![
        (at(0x5031), encode(0xA4, &named(0x4403))),
        (at(0x5032), encode(0x30, &info)),
        (at(0x4403), entry),
        (at(0x4500), certificate.to_vec()),
    ]
}

/// Applications beside the one that `pkcs15-init` made: EF.DIR names them.
fn with_applications(stand: &Stand, applications: &[(u16, &str, &[u8], &[u8])]) {
    let dir = stand.card().dump()["files"]["3F002F00"].as_str().unwrap().to_owned();
    let mut dir = data_encoding::HEXLOWER.decode(dir.as_bytes()).unwrap();
    dir.truncate(2 + usize::from(dir[1]));
    for &(directory, name, serial, certificate) in applications {
        let [high, low] = directory.to_be_bytes();
        let aid = encode(0x4F, &[0xA0, 0, 0, 0, 0x63, high, low]);
        dir.extend(encode(0x61, &[aid, encode(0x51, &[0x3F, 0x00, high, low])].concat()));
        for (path, content) in application(directory, name, serial, certificate) {
            stand.card().tamper_path(&path, Some(&content));
        }
    }
    stand.card().tamper_path(&[0x2F, 0x00], Some(&dir));
}

#[test]
fn each_application_of_a_card_is_a_token() {
    let (stand, maker) = stand();
    maker.generate_key("ec/prime256v1", "45", "key");
    let [old, new] = ["old holder", "new holder"].map(|name| maker.foreign_certificate(name));
    with_applications(&stand, &[(0x5016, "seal", &[0x0A, 0x0B], &old), (0x5017, "archive", &[], &old)]);
    let office = maker.with_cache_copy();
    office.caching("yes");
    for aid in ["A0000000635015", "A0000000635016", "A0000000635017"] {
        office.run(&["pkcs15-tool", "-D", "--aid", aid]);
    }
    office.run(&["pkcs11-tool", "-O"]).ok();
    // Three tokens, two of them with one serial number: nothing is taken for the other's.
    assert_eq!(ids(&office), [""; 0]);
    let said = office.stalecard(&["check"]).ok().stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains(
            "what is on the card: MyEID, 00000000000000000001, 1 key; seal, 0a0b, 0 keys; archive, "
        ),
        "{said}"
    );
    let said = office.stalecard(&["check", "-v"]).ok().stdout;
    for token in ["Token 00000000000000000001 MyEID", "Token 0a0b seal", "Token 00000000000000000001 archive"]
    {
        let bare = said.replace('"', "");
        assert!(bare.contains(token), "{said}");
    }
    assert!(said.contains("pkcs15-tool --aid A0000000635016"), "{said}");

    // A renewed certificate in the second.
    stand.card().tamper_path(&[0x50, 0x16, 0x45, 0x00], Some(&new));
    assert_eq!(ids(&office), ["stale-certificate"; 1]);
    let said = office.stalecard(&["check"]).stdout;
    assert!(said.contains("Token seal, 0a0b "), "{said}");
    let told = findings(&office);
    assert!(told.iter().any(|(_, summary)| summary.contains("CN=new holder")), "{told:#?}");
    let report: Value =
        serde_json::from_str(&office.stalecard(&["check", "--format", "json"]).stdout).unwrap();
    let stale = report["findings"].as_array().unwrap().iter().find(|one| one["id"] == "stale-certificate");
    assert_eq!(stale.unwrap()["token"], "0a0b");
    assert_eq!(report["tokens"].as_array().unwrap().len(), 3);
    schema::is_output(&report);
    let snapshot: Value = serde_json::from_str(&office.stalecard(&["snapshot"]).ok().stdout).unwrap();
    schema::is_snapshot(&snapshot);
    assert_eq!(snapshot["cards"][1]["application"], "a0000000635016");
    let alone = office.stalecard(&["check", "-v", "--serial", "0a0b"]);
    assert!(alone.stdout.contains("stale-certificate") && !alone.stdout.contains("archive"), "{alone}");
    for named in ["--reader=0", "--serial=00000000000000000001"] {
        let said = office.stalecard(&["check", "-v", named]);
        assert!(said.stdout.contains("archive"), "{said}");
    }
    office.stalecard(&["flush"]).ok();
    assert_eq!(ids(&office), [""; 0]);

    // The PIN is for the first; that the others have no private keys goes without saying.
    let pin = office.scratch("pin", PIN.as_bytes());
    let proved = office.stalecard(&["verify", "--pin-file", pin.to_str().unwrap()]);
    assert!(proved.success(), "{proved}");
    // Of a key in the second, with the PIN that its description names, it is said where it is; by its serial number
    // that token is asked.
    let key = "a032300e0c0565636b657903020780040101300e04014503020520030203b8020101a110300e300804063f0050154b0102020100";
    let user = "302b300a0c0475736572030206c03003040101a11830160302020c0a01010201040201080201088001010401ff";
    let odf = "a40a300804063f0050164403a00a300804063f0050164402a80a300804063f0050164401";
    for (path, content) in [("50165031", odf), ("50164402", key), ("50164401", user)] {
        let [path, content] =
            [path, content].map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap());
        stand.card().tamper_path(&path, Some(&content));
    }
    for (named, told) in [(None, 1), (Some("0a0b"), 0)] {
        stand.card().reset_stats();
        let mut command = vec!["verify", "--pin-file", pin.to_str().unwrap()];
        command.extend(named.into_iter().flat_map(|serial| ["--serial", serial]));
        let proved = office.stalecard(&command);
        let stats = stand.card().stats();
        assert_eq!((stats.signatures, stats.verify, stats.verify_wrong), (1, 1, 0), "{proved}");
        assert_eq!(proved.stdout.matches("signatures of the further token 0a0b").count(), told, "{proved}");
    }
    let drawer = office.home().join("baselines");
    std::fs::create_dir(&drawer).unwrap();
    office.stalecard(&["snapshot", "--baseline", "--output", drawer.to_str().unwrap()]).ok();
    let mut written: Vec<_> =
        std::fs::read_dir(&drawer).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    written.sort();
    assert_eq!(written, ["00000000000000000001.toml", "0a0b.toml"]);
    office.stalecard(&["check", "--against", drawer.to_str().unwrap()]).ok();
}

#[test]
fn a_secret_key_is_listed_and_compared() {
    let (stand, maker) = stand();
    let key = maker.scratch("key", &[0x5A; 16]);
    let store = ["--store-secret-key", key.to_str().unwrap(), "--secret-key-algorithm", "aes/128"];
    maker.pkcs15_init(&[&store[..], &["--auth-id", "01", "--id", "70", "--label", "aes"]].concat()).ok();
    // The same key, described as one that is not private.
    let kind = encode(0x30, &encode(0x30, &encode(0x04, &[0x3F, 0x00, 0x50, 0x15, 0x4D, 0x01])));
    let parts = [
        encode(0x30, &encode(0x0C, b"aes")),
        encode(0x30, &[encode(0x04, &[0x70]), encode(0x03, &[6, 0xC0])].concat()),
        encode(0xA1, &kind),
    ];
    stand.card().tamper_path(&[0x50, 0x15, 0x44, 0x07], Some(&encode(0x30, &parts.concat())));
    let office = maker.with_cache_copy();
    office.caching("yes");
    assert!(office.run(&["pkcs15-tool", "-D"]).ok().stdout.contains("Secret Generic Key [aes]"));
    office.run(&["pkcs11-tool", "-O"]).ok();
    assert_eq!(ids(&office), [""; 0]);
    // Its file is asked for by nobody, whatever the cached directory says.
    let report: Value =
        serde_json::from_str(&office.stalecard(&["check", "--format", "json"]).ok().stdout).unwrap();
    assert_eq!(report["coverage"], serde_json::json!([]));
    assert!(report["tokens"][0]["objects"].as_str().unwrap().contains("1 secret key"), "{report}");
    stand.card().tamper_path(&[0x50, 0x15, 0x44, 0x07], Some(&[0xFF; 8]));
    assert!(!maker.run(&["pkcs15-tool", "-D"]).ok().stdout.contains("Secret"));
    assert_eq!(ids(&office), ["ghost-object"; 1]);
}

/// A card's own tools make no such files; OpenSC's driver has no command to read them, and nobody sees what is in them.
#[test]
fn what_becomes_a_file_of_records_is_gone_for_opensc_and_for_us() {
    let (stand, maker) = stand();
    let certificate = maker.foreign_certificate("holder");
    with_applications(&stand, &[(0x5016, "seal", &[0x0A, 0x0B], &certificate)]);
    let office = maker.with_cache_copy();
    office.caching("yes");
    let list = |host: &Host| host.run(&["pkcs15-tool", "-D", "--aid", "A0000000635016"]).ok().stdout;
    assert!(list(&office).contains("X.509 Certificate [seal]"));
    let records: Vec<&[u8]> = certificate.chunks(120).collect();
    let directory = application(0x5016, "seal", &[], &certificate).swap_remove(2).1;
    for descriptor in [0x02, 0x04, 0x05, 0x06] {
        stand.card().records(&[0x50, 0x16, 0x45, 0x00], descriptor, &records);
        // Live it is an entry without a certificate; the copy still has one.
        assert!(
            list(&maker).contains("X.509 Certificate [seal]") && !list(&maker).contains("Encoded serial")
        );
        assert!(list(&office).contains("Encoded serial"));
        assert_eq!(ids(&office), ["stale-certificate", "key-not-listed"]);
        stand.card().records(&[0x50, 0x16, 0x44, 0x03], descriptor, &[&directory]);
        assert!(!list(&maker).contains("X.509"), "{descriptor:02x}");
        assert_eq!(ids(&office), ["ghost-object", "orphan-entry"]);
        let said = office.stalecard(&["check"]);
        assert!(!said.stdout.contains("what is on the card:"), "{said}");
        let said = office.stalecard(&["check", "-v"]);
        let words = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("a file of records, which OpenSC does not read"), "{said}");
        stand.card().tamper_path(&[0x50, 0x16, 0x44, 0x03], Some(&directory));
    }
    // EF.DIR as well: then it names no application, and the usual one is where it always is.
    let dir = stand.card().dump()["files"]["3F002F00"].as_str().unwrap().to_owned();
    let dir = data_encoding::HEXLOWER.decode(dir.as_bytes()).unwrap();
    stand.card().records(&[0x2F, 0x00], 0x02, &[&dir]);
    let applications = maker.run(&["pkcs15-tool", "--list-applications"]).stdout;
    assert!(!applications.contains("AID"), "{applications}");
    let report: Value =
        serde_json::from_str(&maker.stalecard(&["check", "--format", "json"]).ok().stdout).unwrap();
    assert_eq!(report["tokens"].as_array().unwrap().len(), 1, "{report}");
    maker.run(&["pkcs15-tool", "-D"]).ok();
}

/// Two cards with one serial number, one after the other in the same reader.
#[test]
fn two_cards_in_turn_are_told_apart() {
    let (stand, maker) = stand();
    let older = stand.card().first().twin("older");
    // Dates of last update have a resolution of one second.
    let made = last_update(&maker);
    while maker.run(&["date", "-u", "+%Y%m%d%H%M%S"]).stdout.trim() <= made.as_str() {
        std::thread::yield_now();
    }
    maker.erase_application();
    maker.create_pkcs15();
    maker.store_pin();
    maker.run(&["pkcs15-init", "--finalize"]).ok();
    maker.generate_key("ec/prime256v1", "45", "newer");
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs15-tool", "-D"]).ok();
    assert_eq!(ids(&office), [""; 0]);
    stand.card().insert(&older);
    office.run(&["pkcs15-tool", "-D"]).ok();
    assert_eq!(ids(&office), ["shared-identity", "old-generation"]);
}

fn last_update(host: &Host) -> String {
    let listing = host.run(&["pkcs15-tool", "-D"]).stdout;
    let line = listing.lines().find(|line| line.contains("Last update"));
    line.and_then(|line| line.split(": ").nth(1)).unwrap_or_default().trim_end_matches('Z').to_owned()
}

/// Applications that share a serial number share the names of cache files. What one of them lists, wherever it is, is no
/// orphan of the other; nor is what may belong to one that was not read.
#[test]
fn nothing_of_another_application_is_an_orphan() {
    let (stand, maker) = stand();
    let certificate = maker.foreign_certificate("holder");
    // Its certificate is in the first one's directory.
    with_applications(&stand, &[(0x5016, "seal", &[], &certificate)]);
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs15-tool", "-D", "--aid", "A0000000635016"]).ok();
    let name = office.cache_names().into_iter().find(|name| name.ends_with("_50164500")).unwrap();
    let prefix = name.strip_suffix("_50164500").unwrap();
    let put = |file: &str| {
        let path = office.cache().join(format!("{prefix}_{file}"));
        std::fs::write(path, &certificate).unwrap();
    };
    // Outside of both directories, and of an application that is known by its AID only.
    put("4401");
    put("A0000000635099_4401");
    assert!(!ids(&office).contains(&"orphan-entry".to_owned()), "{:?}", ids(&office));
    // In its own directory it is one.
    put("50164777");
    assert_eq!(ids(&office).iter().filter(|id| *id == "orphan-entry").count(), 1, "{:?}", ids(&office));
}
