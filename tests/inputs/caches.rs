//! Cache directories that are not what OpenSC made.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::stand::{Host, Options, PIN, SO_PIN, Stand};
use crate::support::*;

const USER: u32 = 1000;

/// A card with two keys, and the cache of a host that has listed them.
fn two_keys(stand: &Stand) -> Host {
    let host = stand.host("alpha").with_time_limit(Duration::from_secs(20));
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &["--label", "one"]);
    host.keypairgen("EC:prime256v1", &["--label", "two"]);
    host.pkcs15_list();
    host
}

#[test]
fn what_is_no_file_is_neither_opened_nor_followed_nor_moved() {
    let stand = Stand::start();
    let host = two_keys(&stand);
    let secret = host.home().join("secret");
    std::fs::write(&secret, "the content of a file outside").unwrap();
    let at = |file: &str| host.cache().join(format!("{PREFIX}_{file}"));
    let replace = |file: &str| {
        let path = at(file);
        let _ = std::fs::remove_file(&path);
        path
    };
    host.run(&["mkfifo", replace("C401").to_str().unwrap()]).ok();
    symlink(&secret, replace("CE01")).unwrap();
    let _socket = UnixListener::bind(replace("C402")).unwrap();
    std::fs::File::create(replace("CE02")).unwrap().set_len(1 << 30).unwrap();
    std::fs::create_dir(replace("C403")).unwrap();
    // Of keys that are not on the card.
    host.run(&["mkfifo", replace("C404").to_str().unwrap()]).ok();
    symlink("/dev/zero", replace("CE04")).unwrap();
    symlink("nowhere", replace("CE05")).unwrap();
    if Host::can_switch_users() {
        host.run(&["mknod", replace("C406").to_str().unwrap(), "c", "1", "5"]).ok();
    }
    let before = tree(host.home());

    let (code, report) = json(&host, &["check"]);
    // OpenSC would wait for ever at the pipe, and what it shows of that key was not compared.
    assert_eq!(code, 1, "{report:#}");
    assert!(!errors(&report).is_empty() && report.to_string().contains("OpenSC hangs on "), "{report:#}");
    let told = gaps(&report);
    assert!(told.contains("! EF CC01") && told.contains("is a named pipe"), "{told}");
    // The socket does not open and the big file does not fit: OpenSC reads the card.
    assert!(!told.contains("CC02"), "{told}");
    for arguments in [&["check"][..], &["check", "--offline"], &["ls"], &["show"]] {
        human(&host, arguments);
    }
    let (_, list) = json(&host, &["ls"]);
    let entry = |file: &str| {
        let name = format!("{PREFIX}_{file}");
        list["entries"].as_array().unwrap().iter().find(|e| e["name"] == name.as_str()).cloned().unwrap()
    };
    assert_eq!(entry("CE02")["object"], "too big, not read");
    for file in ["C401", "CE01", "C402", "C403", "CE04"] {
        assert_eq!(
            (&entry(file)["object"], &entry(file)["state"]),
            (&"not a regular file, not read".into(), &"unknown".into())
        );
    }
    let kept = snapshot(&host).to_string();
    assert!(!kept.contains(&data_encoding::HEXLOWER.encode(b"the content")) && kept.len() < 100_000);
    assert_eq!(tree(host.home()), before);

    // A pipe away, a link there: the same answer, and no hanging tools.
    std::fs::remove_file(at("C401")).unwrap();
    let (code, report) = json(&host, &["check"]);
    // Another pipe has the name of a file, too.
    assert!(code == 1 && gaps(&report).contains("is a symbolic link"), "{report:#}");

    let before = tree(host.home());
    // What is too large to be copied stays, if the quarantine is on another file system: the rehearsal knows.
    let rehearsed = host.stalecard(&["flush", "--all", "--dry-run"]);
    assert_eq!(tree(host.home()), before);
    let flushed = human(&host, &["flush", "--all"]);
    assert_eq!(rehearsed.code(), flushed.code(), "{rehearsed}{flushed}");
    assert!(std::fs::read(&secret).is_ok(), "{flushed}");
    for file in ["CE01", "C402", "C403", "C404", "CE04", "CE05"] {
        assert!(at(file).symlink_metadata().is_ok(), "{file}: {flushed}");
    }
}

#[test]
fn a_directory_that_cannot_be_read_or_is_none() {
    let stand = Stand::start();
    let host = two_keys(&stand);
    let path = host.cache().to_str().unwrap().to_owned();
    // A file in its place: OpenSC has no cache then.
    let file = stand.host("file");
    std::fs::create_dir_all(file.home().join(".cache")).unwrap();
    std::fs::write(file.cache(), "not a directory").unwrap();
    for command in ["check", "ls", "show"] {
        let said = human(&file, &[command]).exits(3);
        assert!(said.stdout.contains("is not a directory"), "{said}");
    }
    human(&file, &["flush"]).exits(3);
    assert_eq!(std::fs::read(file.cache()).unwrap(), b"not a directory");

    // A link to a directory: OpenSC follows it, and so do we, to look and to repair.
    let real = host.home().join("real");
    std::fs::rename(host.cache(), &real).unwrap();
    symlink("../real", host.cache()).unwrap();
    host.stalecard(&["check"]).ok();
    std::fs::write(real.join(format!("{PREFIX}_C401")), description(b"stale", b"\x01")).unwrap();
    let (code, report) = json(&host, &["check"]);
    assert_eq!((code, errors(&report).first().map(String::as_str)), (1, Some("stale-key-id")));
    let said = human(&host, &["ls"]).ok();
    assert!(said.stdout.contains("symbolic link to ../real"), "{said}");
    let (code, flushed) = json(&host, &["flush"]);
    assert_eq!((code, &flushed["changed"]), (0, &true.into()), "{flushed:#}");
    assert!(!real.join(format!("{PREFIX}_C401")).exists() && real.join(format!("{PREFIX}_CE01")).exists());
    assert_eq!(json(&host, &["check"]).0, 0);
    std::fs::remove_file(host.cache()).unwrap();
    std::fs::rename(&real, host.cache()).unwrap();

    if Host::can_switch_users() {
        let user = host.clone().for_user(USER);
        let closed = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(host.cache(), closed.clone()).unwrap();
        for command in ["check", "ls", "show"] {
            let said = human(&user, &[command]).exits(3);
            assert!(said.stdout.contains(&path) && said.stdout.contains("ermission denied"), "{said}");
            assert!(!said.stdout.contains("what is on the card:"), "{said}");
        }
        assert_eq!(json(&user, &["check"]).0, 3);
        human(&user, &["flush"]).exits(3);
        std::fs::set_permissions(host.cache(), std::fs::Permissions::from_mode(0o755)).unwrap();
        // One entry of somebody else's that may not be read: OpenSC cannot either.
        let entry = host.cache().join(format!("{PREFIX}_CE02"));
        std::fs::set_permissions(&entry, closed).unwrap();
        std::os::unix::fs::chown(&entry, Some(0), Some(0)).unwrap();
        let (code, report) = json(&user, &["check"]);
        assert!(code == 3 && gaps(&report).contains("CE02"), "{report:#}");
    }
}

#[test]
fn names_that_no_card_file_has() {
    let stand = Stand::with(Options { inserted: false, ..Options::default() });
    let host = stand.host("alpha");
    let aid = "E82B0601040181C31F0201";
    let strange: Vec<Vec<u8>> = vec![
        format!("../{aid}").into_bytes(),
        format!("..x_NODATE_{aid}_C401").into_bytes(),
        format!("a..b_NODATE_{aid}_C401").into_bytes(),
        format!("DENK\n0200834_NODATE_{aid}_C401").into_bytes(),
        format!("\x1b[2J\x1b]0;x\x07_NODATE_{aid}_C401").into_bytes(),
        format!("\u{202e}\u{9b}31m_NODATE_{aid}_C401").into_bytes(),
        [b"\xff\xfe\x80", format!("_NODATE_{aid}_C401").as_bytes()].concat(),
        format!("x;touch y;_NODATE_{aid}_C401").into_bytes(),
        format!("$(touch y)_NODATE_{aid}_C401").into_bytes(),
        format!("x_NODATE_{aid}_C4011").into_bytes(),
        format!("x_NODATE_{aid}_c401").into_bytes(),
        vec![b'x'; 255],
        b"-rf".to_vec(),
        b" ".to_vec(),
        b"\\x41".to_vec(),
        b"opensc.conf\r".to_vec(),
    ];
    std::fs::create_dir_all(host.cache()).unwrap();
    let mut made = 0;
    for name in strange.iter().filter(|name| !name.contains(&b'/')) {
        std::fs::write(host.cache().join(OsStr::from_bytes(name)), b"not to be lost").unwrap();
        made += 1;
    }
    human(&host, &["ls"]).ok();
    human(&host, &["check", "--offline"]).ok();
    let (code, list) = json(&host, &["ls", "--offline"]);
    assert_eq!((code, list["entries"].as_array().unwrap().len()), (0, made));
    // A name that is shown is one that comes back as it was.
    for entry in list["entries"].as_array().unwrap() {
        let name =
            stalecard::snapshot::ByteString::try_from(entry["name"].as_str().unwrap().to_owned()).unwrap();
        assert!(strange.contains(&name.0), "{entry}");
    }
    human(&host, &["flush", "--all", "--dry-run"]).ok();
    let (_, flushed) = json(&host, &["flush", "--all"]);
    let moved = flushed["operations"][0]["steps"].as_array().unwrap().len();
    assert_eq!(host.cache_names().len() + moved, made, "{flushed:#}");
    // Only what is a card's file by its whole name is ever taken.
    for name in
        [&strange[1], &strange[2], &strange[9], &strange[10], &strange[11], &strange[12], &strange[14]]
    {
        assert!(host.cache().join(OsStr::from_bytes(name)).exists(), "{}", String::from_utf8_lossy(name));
    }
    assert!(!host.home().join("y").exists());
    human(&host, &["quarantine", "list"]).ok();
    human(&host, &["undo"]).ok();
    assert_eq!(host.cache_names().len(), made);
}

#[test]
fn thousands_of_entries() {
    let stand = Stand::start();
    let host = stand.host("alpha").with_time_limit(Duration::from_secs(30));
    std::fs::create_dir_all(host.cache()).unwrap();
    for number in 0..2000 {
        let name = format!("{PREFIX}_C9{:02X}{number:04X}", number % 256);
        std::fs::write(host.cache().join(name), description(b"x", b"\x01")).unwrap();
    }
    for number in 1..=255 {
        put(&host, format!("{PREFIX}_C4{number:02X}"), &description(b"x", b"\x01"));
        put(&host, format!("{PREFIX}_CE{number:02X}"), b"\x30\x80");
        put(&host, format!("DENK0200999_NODATE_E82B0601040181C31F0201_C4{number:02X}"), b"\x30\x80");
    }
    let (code, report) = json(&host, &["check"]);
    let orphans = report["findings"].as_array().unwrap().iter().filter(|f| f["id"] == "orphan-entry").count();
    assert_eq!((code, orphans), (0, 510));
    let (code, list) = json(&host, &["ls"]);
    assert_eq!((code, list["entries"].as_array().unwrap().len()), (0, 2765));
    // Who closes the pipe has seen enough.
    let program = env!("CARGO_BIN_EXE_stalecard");
    for command in ["ls", "check", "ls --offline --format json", "snapshot --offline", "explain", "--help"] {
        let said = host.sh(&format!("{{ {program} {command}; echo $? >&2; }} | head -n 1")).ok();
        decent(&said);
        assert_eq!(said.stderr.trim_end(), "0", "{said}");
        assert_eq!(said.stdout.lines().count(), 1, "{said}");
    }
}
