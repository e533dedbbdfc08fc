//! What is no regular file under the name of a cache entry: OpenSC follows a link, waits at a named pipe, takes what a device gives,
//! and reads the card where there is a directory or a socket. Nothing of it is copied for an ask, so nothing is said to be right.

use super::*;
use crate::stand::{Family, Options, PIV_PIN, YUBIKEY};
use std::os::unix::fs::symlink;
use std::time::Duration;

/// A Belgian card with both certificates renewed after OpenSC cached them; the names of their entries.
fn stale() -> (Stand, Host, FileCard, Vec<String>) {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    card.renew_all(0);
    let names = host.cache_names().into_iter();
    let names: Vec<String> =
        names.filter(|name| name.ends_with("DF005038") || name.ends_with("DF005039")).collect();
    assert_eq!(names.len(), 2, "{:?}", host.cache_names());
    (stand, host, card, names)
}

fn serial(name: &str) -> &str {
    name.split('_').next().unwrap()
}

fn text(output: &Output) -> String {
    output.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_stale_entry_that_is_a_symbolic_link_is_not_called_right() {
    let (stand, host, card, names) = stale();
    let [linked, other] = names.as_slice() else { panic!("{names:?}") };
    let target = host.home().join("elsewhere");
    std::fs::rename(host.cache().join(linked), &target).unwrap();
    symlink(&target, host.cache().join(linked)).unwrap();
    let says = |report: &Value| {
        let told = gaps(report).join("\n");
        assert!(told.contains(linked.as_str()) && told.contains("a symbolic link"), "{told}");
        assert!(told.contains("remove it by hand"), "{told}");
    };
    // The other one is told; once it is gone nothing is said to be right all the same.
    let (output, report) = check(&host, &[]);
    assert_eq!(convicted(&report)["stale-certificate"], std::slice::from_ref(other), "{output}");
    says(&report);
    let flushed = ours(&host, &["flush", "--format", "json"]).exits(3);
    says(&document(&flushed));
    let flushed = ours(&host, &["flush"]).exits(3);
    assert!(flushed.stdout.starts_with("UNREAD"), "{flushed}");
    let (output, report) = check(&host, &[]);
    assert_eq!((output.code(), report["verdict"]["state"].as_str()), (3, Some("unread")), "{output}");
    says(&report);
    let nagios = ours(&host, &["check", "--ask", "--format", "nagios"]).exits(3);
    assert!(nagios.stdout.contains("a symbolic link"), "{nagios}");
    ours(&host, &["fix"]).exits(3);
    // What was named and stays is no success, and what to do is said.
    for words in
        [&["flush", linked.as_str()][..], &["flush", "--serial", serial(linked)], &["flush", "--all"]]
    {
        let flushed = ours(&host, words).exits(2);
        assert!(flushed.stdout.starts_with("FAILED"), "{flushed}");
        let text = text(&flushed);
        assert!(text.contains("a symbolic link") && text.contains("remove it by hand"), "{flushed}");
        assert!(host.cache().join(linked).is_symlink() && target.exists(), "{flushed}");
    }
    std::fs::remove_file(host.cache().join(linked)).unwrap();
    assert_eq!(shown(&host.pkcs15_list()), real(&card));
    check(&host, &[]).0.ok();
    assert_eq!(left_behind(&stand), Vec::<String>::new());
}

/// With caching off nobody follows it.
#[test]
fn a_link_that_no_program_follows_is_no_gap() {
    let (_stand, host, _card, names) = stale();
    for name in &names {
        std::fs::remove_file(host.cache().join(name)).unwrap();
    }
    symlink("/nonexistent", host.cache().join(&names[0])).unwrap();
    host.caching("no");
    let (output, report) = check(&host, &[]);
    assert_eq!((output.code(), gaps(&report)), (0, Vec::new()), "{output}");
}

#[test]
fn a_named_pipe_at_which_opensc_hangs_is_an_error() {
    let (_stand, host, _card, names) = stale();
    let pipe = host.cache().join(&names[0]);
    let make = || {
        let _ = std::fs::remove_file(&pipe);
        host.run(&["mkfifo", pipe.to_str().unwrap()]).ok();
    };
    make();
    let real = host.clone().with_time_limit(Duration::from_secs(5)).run(&["pkcs15-tool", "-D"]);
    assert!(real.timed_out, "the real tool does not hang: {real}");
    let (output, report) = check(&host, &[]);
    assert_eq!(output.code(), 1, "{output}");
    assert_eq!(convicted(&report)["unexpected-file"], [names[0].clone()], "{output}");
    let finding =
        report["findings"].as_array().unwrap().iter().find(|one| one["id"] == "unexpected-file").unwrap();
    assert!(finding["summary"].as_str().unwrap().contains("OpenSC hangs on"), "{finding:#}");
    assert!(finding["fix"][0]["what"].as_str().unwrap().contains("rm "), "{finding:#}");
    // A repair of the rest is no cure, and says so.
    for words in [&["fix", "--refill"][..], &["flush"]] {
        let done = ours(&host, words);
        assert!(matches!(done.code(), 1..=3) && !done.stdout.starts_with("DONE"), "{done}");
        assert!(text(&done).contains("named pipe"), "{done}");
    }
    std::fs::remove_file(&pipe).unwrap();
    check(&host, &[]).0.ok();
}

/// What cannot be opened is no reason for the real tool not to read the card; a device is.
#[test]
fn a_directory_or_a_socket_is_passed_over_and_a_device_is_not() {
    let (_stand, host, card, names) = stale();
    for name in &names {
        std::fs::remove_file(host.cache().join(name)).unwrap();
    }
    let place = host.cache().join(&names[0]);
    std::fs::create_dir(&place).unwrap();
    assert_eq!(shown(&host.with_cache_copy().pkcs15_list()), real(&card));
    let (output, report) = check(&host, &[]);
    assert_eq!((output.code(), gaps(&report)), (0, Vec::new()), "{output}");
    std::fs::remove_dir(&place).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(&place);
    if socket.is_ok() {
        let (output, report) = check(&host, &[]);
        assert_eq!((output.code(), gaps(&report)), (0, Vec::new()), "{output}");
        std::fs::remove_file(&place).unwrap();
    }
    let made = host.run(&["mknod", place.to_str().unwrap(), "c", "1", "3"]);
    if made.code() == 0 {
        let (output, report) = check(&host, &[]);
        assert_eq!(output.code(), 3, "{output}");
        assert!(gaps(&report).join("\n").contains("a device"), "{output}");
        std::fs::remove_file(&place).unwrap();
    }
}

/// A PIV card may say that certificates of retired keys are kept in the cache directory: OpenSC opens the file that it names,
/// whether it caches or not, and waits at a named pipe for ever.
#[test]
fn a_pipe_under_the_name_of_a_stored_certificate_holds_opensc_and_is_an_error() {
    let stand = Stand::with(Options { family: Family::Piv, switches: &YUBIKEY, ..Options::default() });
    let host = host(&stand).with_pin(PIV_PIN);
    host.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
    let name = "AB".repeat(32);
    let url = format!("http://certificates.example/{name}");
    let mut history = vec![0xC1, 1, 0, 0xC2, 1, 1, 0xF3, u8::try_from(url.len()).unwrap()];
    history.extend(url.bytes());
    history.extend([0xFE, 0]);
    stand.card().tamper_path(&[0x5F, 0xC1, 0x0C], Some(&history));
    host.pkcs15_list();
    std::fs::create_dir_all(host.cache()).unwrap();
    let pipe = host.cache().join(&name);
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    for setting in ["public", "no"] {
        host.caching(setting);
        let listing = host.clone().with_time_limit(Duration::from_secs(5)).run(&["pkcs15-tool", "-D"]);
        assert!(listing.timed_out, "{setting}: {listing}");
        let (output, report) = check(&host, &["--no-ask"]);
        let told = convicted(&report);
        assert_eq!(told.get("unexpected-file"), Some(&vec![name.clone()]), "{setting}: {output}");
        assert_eq!(output.code(), 1, "{setting}: {output}");
        let finding = report["findings"].as_array().unwrap().iter();
        let finding = finding.clone().find(|one| one["id"] == "unexpected-file").unwrap();
        assert!(finding["summary"].as_str().unwrap().contains("OpenSC hangs on"), "{finding:#}");
        assert!(!finding["program"].as_array().unwrap().is_empty(), "{finding:#}");
    }
    // No version of OpenSC that is installed here looks for a number of that name.
    std::fs::rename(&pipe, host.cache().join("lteid_can")).unwrap();
    assert_eq!(convicted(&check(&host, &["--no-ask"]).1).get("unexpected-file"), None);
    host.run(&["pkcs15-tool", "-D"]).ok();
}
