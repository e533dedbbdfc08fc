//! The virtual MyEID card lives its life with the real tools: it behaves as the recorded one did,
//! its signatures hold, and `pkcs15-init` leaves its own cache stale on it.

use crate::stand;
use crate::stand::{Family, Host, Options, PIN, Stand, generate_key};
use stalecard::opensc::Version;
use std::path::PathBuf;

fn stand() -> Stand {
    Stand::with(Options { family: Family::MyEid, ..Options::default() })
}

/// A personalised card and a host with caching off, which has made it so.
fn personalised() -> (Stand, Host) {
    let stand = stand();
    let maker = stand.host("maker");
    maker.caching("no");
    maker.personalise();
    (stand, maker)
}

fn recordings() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings/myeid")
}

fn recorded(name: &str) -> String {
    let path = recordings().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A listing without what differs from card to card: when it was made, its keys, handles.
fn masked(listing: &str) -> String {
    let changing = ["Last update", "EC_POINT:", "Profile object"];
    let lines = listing.lines().map(|line| {
        let name = changing.iter().find(|name| line.trim_start().starts_with(**name));
        name.map_or_else(|| line.to_owned(), |name| format!("({name})"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Each command with its answer's length, and the whole answer of a SELECT: sizes, kinds, access conditions.
fn exchange(lines: &[String]) -> Vec<String> {
    let (mut exchange, mut command) = (Vec::new(), "");
    for line in lines {
        if let Some(bytes) = line.strip_prefix("> ") {
            command = bytes;
        } else if let Some(answer) = line.strip_prefix("< ") {
            let whole = command.starts_with("00a4");
            let answer = if whole { answer.to_owned() } else { format!("{} bytes", answer.len() / 2) };
            exchange.push(format!("{command} {answer}"));
        }
    }
    exchange
}

/// Names without lastUpdate, and sizes.
fn entries(host: &Host) -> Vec<(String, usize)> {
    host.cache_files().into_iter().map(|(name, content)| (without_date(&name), content.len())).collect()
}

fn recorded_entries(name: &str) -> Vec<(String, usize)> {
    let directory = std::fs::read_dir(recordings().join(name)).unwrap().map(Result::unwrap);
    let sized = directory.map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (without_date(&name), std::fs::read(entry.path()).unwrap().len())
    });
    let mut entries: Vec<_> = sized.collect();
    entries.sort();
    entries
}

fn without_date(name: &str) -> String {
    let fields: Vec<&str> = name.split('_').collect();
    let [serial, date, path] = fields[..] else { panic!("{name}") };
    assert!(date.len() == 15 && date.ends_with('Z'), "{name}");
    format!("{serial}_{path}")
}

#[test]
fn the_recorded_story_can_be_told_again() {
    let (stand, maker) = personalised();
    let reader = stand.host("reader");
    let list = |host: &Host, name: &str| {
        assert_eq!(
            masked(&host.run(&["pkcs15-tool", "-D"]).ok().stdout),
            masked(&recorded(&format!("{name}.txt")))
        );
    };
    let list_pkcs11 = |host: &Host, name: &str| {
        assert_eq!(
            masked(&host.run(&["pkcs11-tool", "-O"]).ok().stdout),
            masked(&recorded(&format!("{name}.txt")))
        );
    };
    let same_exchange = |from: usize, name: &str| {
        let then: Vec<String> = recorded(&format!("{name}.apdus")).lines().map(str::to_owned).collect();
        assert_eq!(exchange(&stand.apdu_log()[from..]), exchange(&then), "{name}");
    };

    maker.generate_key("ec/prime256v1", "45", "sign-ec");
    maker.store_certificate(&recorded("cert-A.pem"), "45", "cert-A");
    maker.generate_key("rsa/2048", "46", "sign-rsa");
    for (host, name) in [(&maker, "1-live"), (&reader, "1-cached-cold"), (&reader, "1-cached-warm")] {
        let before = stand.apdu_log().len();
        list(host, name);
        same_exchange(before, name);
    }
    list_pkcs11(&maker, "1-live-pkcs11");
    assert_eq!(entries(&reader), recorded_entries("1-cache"));

    maker.delete_objects("privkey,pubkey,cert", "45");
    maker.generate_key("ec/prime256v1", "47", "sign-ec-2");
    maker.store_certificate(&recorded("cert-B.pem"), "47", "cert-B");
    for (host, name) in [(&maker, "2-live"), (&reader, "2-cached")] {
        let before = stand.apdu_log().len();
        list(host, name);
        same_exchange(before, name);
    }
    list_pkcs11(&maker, "2-live-pkcs11");
    list_pkcs11(&reader, "2-cached-pkcs11");
    assert_eq!(entries(&reader), recorded_entries("2-cache"));
}

/// What `check` says of a host on which `pkcs15-init` caches comes true there; with Red Hat's guard neither is the case.
#[test]
fn a_writing_tool_that_caches_is_told_of_where_it_does_harm() {
    let stand = stand();
    let told = |host: &Host| {
        let checked = host.with_cache_copy().stalecard(&["check", "--format", "json"]);
        let report: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|finding| finding["id"] == "config-caches-for-writer")
    };
    let guarded = stand.host("guarded");
    guarded.configure(include_str!("../../fixtures/config/redhat-public.conf"));
    guarded.personalise();
    guarded.generate_key("ec/prime256v1", "45", "first");
    assert!(told(&guarded).is_none());

    let caches = stand.host("caches");
    let signals_change = told(&caches).is_none();
    // From 0.24 on the card's counter of changes is a part of the names.
    assert_eq!(
        signals_change,
        stand::opensc().version.unwrap().parse::<Version>().unwrap() >= Version::of(24)
    );
    caches.pkcs15_list();
    guarded.live().generate_key("ec/prime256v1", "46", "second");
    let keys = |host: &Host| host.live().pkcs15_list().private_keys().len();
    assert_eq!(keys(&guarded), 2);
    let third = caches.pkcs15_init(&generate_key("ec/prime256v1", "47", "third"));
    let lost = !third.success() || keys(&guarded) < 3;
    assert_eq!(lost, !signals_change, "{third}");
    if let Some(finding) = told(&caches) {
        assert_eq!(finding["fix"][0]["command"], "stalecard config disable-cache --app pkcs15-init");
        let fixed = ["config", "disable-cache", "--app", "pkcs15-init"];
        caches.stalecard(&fixed).ok();
        assert!(told(&caches).is_none());
        let before = keys(&guarded);
        caches.generate_key("ec/prime256v1", "48", "fourth");
        assert_eq!(keys(&guarded), before + 1);
    }
}

#[test]
fn pkcs15_init_leaves_its_own_cache_stale() {
    let stand = stand();
    let alpha = stand.host("alpha");
    let pins = |host: &Host| host.pkcs15_list().pins().len();
    alpha.personalise();
    assert_eq!((pins(&alpha), pins(&alpha.live())), (1, 2), "the new PIN is not listed");
    let refused = alpha.pkcs15_init(&generate_key("ec/prime256v1", "45", "key"));
    assert!(!refused.success() && refused.stderr.contains("Requested object not found"), "{refused}");

    let live = alpha.live();
    live.generate_key("ec/prime256v1", "45", "key");
    assert_eq!(live.pkcs15_list().private_keys().len(), 1);
    assert_eq!(alpha.pkcs15_list().private_keys().len(), 0, "{}", alpha.cache().display());
    assert_eq!(alpha.pkcs11_list().public_keys().len(), 0);
    // The directory files as they were before anything was in them.
    let empty = alpha.cache_files().into_iter().find(|(name, _)| name.ends_with("_50154402")).unwrap().1;
    assert!(empty.len() == 1530 && empty.iter().all(|byte| *byte == 0xFF));

    // A key made with caching on is stale on the spot.
    std::fs::remove_dir_all(alpha.cache()).unwrap();
    alpha.generate_key("rsa/2048", "46", "second");
    assert_eq!((alpha.pkcs15_list().private_keys().len(), live.pkcs15_list().private_keys().len()), (1, 2));
}

#[test]
fn signatures_of_every_kind_of_key_hold() {
    let (stand, maker) = personalised();
    for (key_type, id) in [("ec/prime256v1", "45"), ("ec/secp384r1", "47"), ("ec/secp521r1", "48")] {
        maker.generate_key(key_type, id, key_type);
        let signature = maker.sign(id, b"data");
        let key = maker.public_key(id);
        assert!(maker.openssl_verify(&key, b"data", &signature), "{key_type}");
        assert!(!maker.openssl_verify(&key, b"other", &signature), "{key_type}");
    }
    maker.generate_key("rsa/2048", "46", "rsa");
    stand.card().reset_stats();
    for id in ["45", "46"] {
        let (output, signature) = maker.engine_sign(id, b"data");
        output.ok();
        assert!(maker.openssl_verify(&maker.public_key(id), b"data", &signature), "{id}");
    }
    let stats = stand.card().stats();
    assert_eq!((stats.signatures, stats.verify_wrong, stats.writes), (2, 0, 0), "{stats:?}");
}

#[test]
fn objects_come_change_and_go() {
    let (stand, maker) = personalised();
    let changes = || stand.card().dump()["changes"].as_u64().unwrap();
    let labels =
        || -> Vec<String> { maker.pkcs15_list().objects.into_iter().map(|object| object.label).collect() };
    let pins = ["Security Officer PIN", "user"];
    let mut counted = changes();
    let mut grew = |what: &str| {
        let now = changes();
        assert!(now > std::mem::replace(&mut counted, now), "{what}");
    };

    let key = maker.keypairgen("EC:prime256v1", &["--label", "by the module", "--id", "50"]);
    grew("generation");
    assert!(maker.openssl_verify(&maker.public_key("50"), b"data", &maker.sign("50", b"data")));
    maker.change_label("privkey", "50", "renamed");
    grew("a label");
    maker.store_data(b"public", "open", false);
    maker.store_data(b"secret", "closed", true);
    maker.write_data(b"more", "by the module", true);
    grew("data");
    let file = maker.scratch("key", &[0x5A; 16]);
    let secret = ["--store-secret-key", file.to_str().unwrap(), "--secret-key-algorithm", "aes/128"];
    maker.pkcs15_init(&[&secret[..], &["--auth-id", "01", "--id", "70", "--label", "aes"]].concat()).ok();
    grew("a secret key");
    assert_eq!(
        labels(),
        [&pins[..], &["renamed", "by the module", "aes", "open", "closed", "by the module"]].concat()
    );
    assert_eq!(key.id, "50");
    let read = |label: &str| maker.run(&["pkcs15-tool", "--read-data-object", label, "--raw"]);
    assert_eq!(read("open").ok().raw, b"public");
    assert!(!maker.sh("echo | pkcs15-tool --read-data-object closed --raw").stdout.contains("secret"));

    maker.delete_object("privkey", "50");
    maker.delete_data("closed");
    grew("deletion");
    assert_eq!(labels(), [&pins[..], &["by the module", "aes", "open", "by the module"]].concat());

    maker.erase_application();
    grew("erasure");
    let gone = maker.run(&["pkcs15-tool", "-D"]);
    assert!(!gone.success() && gone.stderr.contains("PKCS#15 binding failed"), "{gone}");
    maker.personalise();
    assert_eq!(labels(), pins);
    let info = maker.run(&["opensc-tool", "--send-apdu", "00:CA:01:A0:14"]).ok().stdout;
    let counter: String = changes().to_be_bytes()[6..].iter().map(|byte| format!(" {byte:02X}")).collect();
    assert!(info.contains(&format!(" 01{counter} ")), "{info}");
}

#[test]
fn tries_are_counted_and_a_reset_ends_the_login() {
    let (stand, maker) = personalised();
    let card = stand.card();
    let tries = || card.dump()["tries"]["1"].as_u64();
    let verify = |pin: &str| maker.run(&["pkcs15-tool", "--verify-pin", "--auth-id", "01", "--pin", pin]);
    assert_eq!(tries(), Some(3));
    assert!(!verify("000000").success());
    assert_eq!(tries(), Some(2));
    card.insert(card.first());
    assert_eq!(tries(), Some(2), "the counter is kept without power");
    verify(PIN).ok();
    assert_eq!(tries(), Some(3));
    for _ in 0..3 {
        verify("000000");
    }
    assert_eq!(tries(), Some(0));
    assert!(!verify(PIN).success(), "a blocked PIN");
    maker
        .run(&["pkcs15-tool", "--unblock-pin", "--auth-id", "01", "--puk", stand::PUK, "--new-pin", PIN])
        .ok();
    verify(PIN).ok();
    assert_eq!((card.stats().verify_wrong, tries()), (5, Some(3)));

    let login = format!("00:20:00:01:08:{}", "36:34:38:32:31:39:FF:FF");
    maker.run(&["opensc-tool", "--send-apdu", &login]).ok();
    maker.run(&["opensc-tool", "--reset"]).ok();
    assert_eq!(card.dump()["logged_in"], serde_json::json!([]));
}

#[test]
fn the_card_can_be_tampered_with_and_carried() {
    let (stand, maker) = personalised();
    let card = stand.card();
    maker.generate_key("ec/prime256v1", "45", "key");
    let twin = card.first().twin("twin");
    let other = stand.new_card("other", &["--serial", "00112233445566778899"]);
    let path = [0x50, 0x15, 0x44, 0x02];
    card.tamper_path(&path, Some(&[0xFF; 1530]));
    assert_eq!(maker.pkcs15_list().private_keys().len(), 0);
    card.insert(&twin);
    assert_eq!(maker.pkcs15_list().private_keys().len(), 1);
    assert!(card.dump()["files"]["3F0050154402"].is_string());
    card.tamper_path(&path, None);
    assert!(!card.dump()["files"]["3F0050154402"].is_string());
    assert!(card.try_ask("tamper 50154402 -").is_err());
    card.insert(&other);
    maker.personalise();
    assert_eq!(maker.pkcs15_list().serial, "00112233445566778899");
}
