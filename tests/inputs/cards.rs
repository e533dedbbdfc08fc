//! Cards of another kind, empty, fresh from the factory, and with hostile text on them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::stand::{Options, PIN, SO_PIN, Stand};
use crate::support::*;

/// Commands to a card since some moment.
fn commands(stand: &Stand, since: usize) -> Vec<String> {
    stand.apdu_log().into_iter().skip(since).filter(|line| line.starts_with('>')).collect()
}

#[test]
fn a_card_of_another_kind_is_seen_and_never_spoken_to_if_asking_is_forbidden() {
    // A JCOP card, and the ATR that OpenSC tries all its SmartCard-HSM commands on.
    for atr in ["3BF81300008131FE454A434F5076323431B7", "3B80800101"] {
        let stand = Stand::with(Options { switches: &["--atr", atr], ..Options::default() });
        let host = stand.host("alpha");
        put(&host, format!("{PREFIX}_C401"), &description(b"old", b"\x01"));
        let before = (tree(host.home()), stand.apdu_log().len());
        for arguments in
            [&["check"][..], &["check", "--reader", "0"], &["show"], &["check", "--serial", SERIAL]]
        {
            let arguments = &[arguments, &["--no-ask"]].concat();
            let said = human(&host, arguments).exits(3);
            let words = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains("seen, not read") && words.contains(&atr.to_lowercase()), "{said}");
            assert!(!said.stdout.contains("what is on the card:"), "{said}");
            let (code, report) = json(&host, arguments);
            assert!(code == 3 && gaps(&report).contains("! card in reader Virtual PCD 00 00"), "{report:#}");
        }
        host.stalecard(&["snapshot", "--no-ask"]).exits(3);
        human(&host, &["ls", "--no-ask"]).exits(0);
        let flush = human(&host, &["flush", "--no-ask"]).exits(3);
        assert!(flush.stdout.starts_with("UNREAD  Nothing was moved"), "{flush}");
        assert_eq!(commands(&stand, before.1), Vec::<String>::new());
        assert_eq!(tree(host.home()), before.0);

        // Beside a card that can be read it is only told.
        stand.second_card(&["--serial", "DENK0200999"]);
        let (code, report) = json(&host, &["check", "--no-ask"]);
        assert_eq!((code, report["tokens"].as_array().unwrap().len()), (0, 2), "{report:#}");
        assert!(gaps(&report).contains("  card in reader Virtual PCD 00 00"), "{}", gaps(&report));
        let (code, _) = json(&host, &["check", "--reader", "0", "--no-ask"]);
        assert_eq!(code, 3);
        assert_eq!(commands(&stand, before.1), Vec::<String>::new());
    }
}

#[test]
fn a_factory_fresh_card_and_an_empty_one() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    let (code, report) = json(&host, &["check"]);
    assert_eq!((code, gaps(&report).as_str()), (0, ""), "{report:#}");
    assert_eq!(
        (&report["tokens"][0]["serial"], &report["tokens"][0]["objects"]),
        (&SERIAL.into(), &"none".into())
    );
    let said = human(&host, &["show"]).ok();
    assert!(said.stdout.contains("not initialised"), "{said}");

    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let (code, report) = json(&host, &["check"]);
    assert_eq!((code, &report["tokens"][0]["label"]), (0, &"HSM-H1".into()));
    // The token is there, although nothing is on it.
    let said = human(&host, &["show", SERIAL]).ok();
    assert!(said.stdout.contains("HSM-H1"), "{said}");
    let said = human(&host, &["show", "1"]).exits(2);
    assert!(said.stderr.contains("\"1\""), "{said}");
    let nothing = human(&host, &["flush"]).ok();
    assert!(nothing.stdout.contains("Nothing to move"), "{nothing}");
}

#[test]
fn names_of_cards_that_no_card_should_have() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    // Text that is a serial number, however odd: shown, compared, never a command.
    for (chr, serial, shown) in [
        (&b"ABCDEFGHIJKLMNOPQRST"[..], &b"ABCDEFGHIJKLMNO"[..], "ABCDEFGHIJKLMNO"),
        (b"AB 00001", b"AB ", "AB "),
        (b"\x1b[2J\x0700001", b"\x1b[2J\x07", "\\x1b[2J\\x07"),
        (b"\xc2\x9b\xe2\x80\xaeX00001", b"\xc2\x9b\xe2\x80\xaeX", "\\u{9b}\\u{202e}X"),
        (b"x;id>y'00001", b"x;id>y'", "x;id>y'"),
        (b"--all00001", b"--all", "--all"),
        (b"a\\b00001", b"a\\b", "a\\\\b"),
    ] {
        stand.card().tamper(0x2F02, Some(&device_certificate(chr)));
        let name = [serial, b"_NODATE_E82B0601040181C31F0201_C409"].concat();
        let _ = std::fs::remove_dir_all(host.cache());
        put(&host, OsStr::from_bytes(&name), b"");
        let (code, report) = json(&host, &["check"]);
        assert_eq!((code, &report["tokens"][0]["serial"]), (0, &shown.into()), "{report:#}");
        let orphan = report["findings"].as_array().unwrap().iter().find(|f| f["id"] == "orphan-entry");
        assert_eq!(orphan.unwrap()["token"], shown);
        human(&host, &["check"]).ok();
        human(&host, &["ls"]).ok();
        let (code, list) = json(&host, &["ls", &format!("--serial={shown}")]);
        assert_eq!((code, list["entries"].as_array().unwrap().len()), (0, 1), "{list:#}");

        // What it says is to be run can be copied into a shell as it stands, and does just that.
        let truncated = description(b"x", b"\x01");
        std::fs::write(host.cache().join(OsStr::from_bytes(&name)), &truncated[..9]).unwrap();
        let (_, report) = json(&host, &["check", "--offline"]);
        let damaged =
            report["findings"].as_array().unwrap().iter().find(|f| f["id"] == "damaged-entry").unwrap();
        let command = damaged["fix"][0]["command"].as_str().unwrap();
        let path =
            format!("PATH={}:$PATH", Path::new(env!("CARGO_BIN_EXE_stalecard")).parent().unwrap().display());
        let done = host.sh(&format!("{path}; {command}")).ok();
        decent(&done);
        assert_eq!(host.cache_names(), Vec::<String>::new(), "`{command}` did not do it: {done}");
        assert!(!host.home().join("y").exists());
    }
    // No serial number OpenSC could name files by: then nothing was compared.
    for chr in [&b"SHORT"[..], b"", b"a/b/../c00001", b"../../x00001", b"abc\0defgh", b"\xff\xfe\xfd00001"] {
        stand.card().tamper(0x2F02, Some(&device_certificate(chr)));
        let said = human(&host, &["check"]).exits(3);
        assert!(said.stdout.starts_with("UNREAD"), "{said}");
        let why = if chr.contains(&b'/') { "do not make a file name" } else { "evice certificate (2F02)" };
        let words = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words.matches(why).count(), 1, "{said}");
    }
    for broken in [&b"\x7f"[..], b"\x7f\x21\x82\xff\xff", &[0x30; 300], &[0xFF; 1500], b""] {
        stand.card().tamper(0x2F02, Some(broken).filter(|bytes| !bytes.is_empty()));
        let said = human(&host, &["check"]).exits(3);
        assert!(said.stdout.contains("2F02"), "{said}");
    }
}

#[test]
fn labels_that_would_act_on_a_terminal() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &[]);
    host.pkcs15_list();
    let labels: [&[u8]; 5] = [
        b"\x1b]0;owned\x07\x1b[31mred\r\nSHA-256 0000\x7f",
        "\u{202e}desrever\u{200b}\u{2066}\u{9b}31m\u{feff}\u{e0041}".as_bytes(),
        b"\xff\xfe not text \x80\x9b",
        &[b'W'; 200],
        b"' ; rm -rf ~ \" $(id) `id` \\x1b",
    ];
    for label in labels {
        stand.card().tamper(0xC401, Some(&description(label, label)));
        let info = [tlv(&[2], &[0]), tlv(&[4], b"x"), tlv(&[0x0C], label), tlv(&[0x80], label)].concat();
        stand.card().tamper(0x2F03, Some(&tlv(&[0x30], &info)));
        for arguments in [&["check"][..], &["ls"], &["show"], &["flush", "--dry-run"]] {
            human(&host, arguments);
            json(&host, arguments);
        }
        let (code, report) = json(&host, &["check"]);
        assert_eq!((code, errors(&report).first().map(String::as_str)), (1, Some("stale-key-id")));
        snapshot(&host);
        // The same label in the cache.
        put(&host, format!("{PREFIX}_C401"), &description(label, b"\x01"));
        human(&host, &["ls"]).ok();
        human(&host, &["show"]).ok();
    }
}
