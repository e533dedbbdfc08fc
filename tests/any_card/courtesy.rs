//! What asking leaves alone: other programs, the user's files, the user's log, the card.

use super::*;
use crate::stand::{Family, Options, READER};
use std::time::{Duration, Instant};

/// A configuration that does harm if it is followed as it is.
fn harmful(host: &Host) -> String {
    let log = host.home().join("opensc.log");
    format!(
        "app default {{\n\tdebug = 9;\n\tdebug_file = {};\n\treader_driver pcsc {{\n\t\tdisconnect_action = reset;\n\
         \t\ttransaction_end_action = reset;\n\t}}\n\tframework pkcs15 {{\n\t\tuse_file_caching = public;\n\
         \t\tfile_cache_dir = {};\n\t}}\n}}\napp pkcs15-tool {{\n\tdebug_file = {}2;\n}}\n",
        log.display(),
        host.cache().display(),
        log.display()
    )
}

#[test]
fn nothing_of_anybodys_is_written_and_the_card_is_not_reset() {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.configure(&harmful(&host));
    host.pkcs15_list();
    card.renew(0, 40);
    let (before, power) = (everything(host.home()), resets(&stand));
    let (output, report) = check(&host, &[]);
    assert_eq!(output.code(), 1, "{output}");
    assert!(convicted(&report).contains_key("stale-certificate"), "{output}");
    for words in [&["ls"][..], &["show"], &["snapshot"], &["flush", "--dry-run"], &["fix", "--dry-run"]] {
        ours(&host, words);
    }
    assert_eq!(everything(host.home()), before);
    assert_eq!(resets(&stand), power);
    assert_eq!(left_behind(&stand), Vec::<String>::new());
}

/// How often the card was reset. (Newer services take its power away when nobody has it open.)
fn resets(stand: &Stand) -> usize {
    stand.apdu_log().iter().filter(|line| line.starts_with("# reset")).count()
}

/// A program that has the card open, and does nothing: `opensc-explorer` waits for what is typed.
#[test]
fn a_card_that_a_program_has_open_is_not_asked() {
    // A shell of the other suite's is not there to start its program.
    if stand::opensc_root().is_some() {
        return;
    }
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    let pipe = host.home().join("typed");
    host.run(&["mkfifo", pipe.to_str().unwrap()]).ok();
    let script = format!("exec opensc-explorer < {}", pipe.display());
    let holder = host.spawn(&["sh", "-c", &script]);
    let typed = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    let (output, report) = loop {
        let before = stand.card().stats().apdus;
        let (output, report) = check(&host, &[]);
        if stand.card().stats().apdus == before {
            break (output, report);
        }
        assert!(Instant::now() < end, "it was asked all the same: {output}");
    };
    assert_eq!(output.code(), 3, "{output}");
    let told = gaps(&report).join("\n");
    assert!(told.contains(READER) && told.contains("a program has the card open"), "{told}");
    assert!(told.contains("opensc-explorer"), "{told}");
    drop(typed);
    holder.stop();
    let end = Instant::now() + Duration::from_secs(30);
    while check(&host, &[]).0.code() != 0 {
        assert!(Instant::now() < end);
    }
}

/// GnuPG's daemon has the card for itself alone: it is named with what ends it, and that does.
#[test]
fn gnupg_that_has_a_card_for_itself_is_named_with_its_cure() {
    if stand::opensc_root().is_some() {
        return;
    }
    // One that is told by its answer to reset, and one that is not (Nitrokey 3).
    for switches in [["--card-version", "3.4"], ["--atr", "3B8F01805D4E6974726F6B657900000000006A"]] {
        let stand =
            Stand::with(Options { family: Family::OpenPgp, switches: &switches, ..Options::default() });
        gnupg_holds(&stand);
    }
}

fn gnupg_holds(stand: &Stand) {
    let host = host(stand);
    let place = host.home().join("gnupg");
    std::fs::create_dir(&place).unwrap();
    std::fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    // A reader of PC/SC's, none of its own driver's.
    std::fs::write(place.join("scdaemon.conf"), "disable-ccid\n").unwrap();
    let host = host.env("GNUPGHOME", place.to_str().unwrap());
    let learnt = host.run(&["gpg-connect-agent", "scd serialno openpgp", "/bye"]).ok();
    assert!(learnt.stdout.contains("SERIALNO D27600012401"), "{learnt}");
    for options in [&[][..], &["--ask"], &["--beside"]] {
        let before = stand.card().stats().apdus;
        let (output, report) = check(&host, options);
        assert_eq!((output.code(), stand.card().stats().apdus), (3, before), "{output}");
        let told = gaps(&report).join("\n");
        assert!(told.contains("gpgconf --kill scdaemon"), "{options:?}: {told}");
    }
    host.run(&["gpgconf", "--kill", "scdaemon"]).ok();
    let end = Instant::now() + Duration::from_secs(30);
    while check(&host, &["--ask"]).0.code() != 0 {
        assert!(Instant::now() < end);
    }
    host.run(&["gpgconf", "--kill", "all"]).ok();
}

#[test]
fn who_forbids_it_is_obeyed_and_so_are_machines() {
    let (stand, _card) = Stand::with_file_card(Kind::Starcos, &["one"]);
    let host = host(&stand);
    host.caching("public");
    for words in
        [&["check", "--no-ask"][..], &["check", "--format", "nagios"], &["check", "--format", "prometheus"]]
    {
        let before = stand.card().stats().apdus;
        let output = ours(&host, words);
        assert_eq!(stand.card().stats().apdus, before, "{output}");
        assert_ne!(output.code(), 0, "{output}");
        // Whoever reads this knows what would tell.
        if !words.contains(&"prometheus") {
            let text = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains("--ask asks it"), "{output}");
        }
    }
    let before = stand.card().stats().apdus;
    ours(&host, &["check", "--format", "nagios", "--ask"]).ok();
    assert!(stand.card().stats().apdus > before);
}

/// Somebody opens the card in the middle of a repair: nothing is done blindly, and it is said who has it.
#[test]
fn who_opens_the_card_in_the_middle_of_a_repair_is_named() {
    // A shell of the other suite's is not there to start its program.
    if stand::opensc_root().is_some() {
        return;
    }
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    card.renew(0, 40);
    stand.card().ask("latency 20");
    stand.card().reset_stats();
    let running = host.spawn(&[env!("CARGO_BIN_EXE_stalecard"), "fix", "--refill"]);
    let end = Instant::now() + Duration::from_secs(60);
    // It was asked, and is asked once more over a copy.
    while stand.card().stats().apdus < 60 {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(10));
    }
    let holder = beside::hold(&host, "opensc-explorer");
    let output = running.finish(Duration::from_secs(120));
    let text = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(matches!(output.code(), 2 | 3), "{output}");
    assert!(text.contains("a program has the card open") && text.contains("opensc-explore"), "{output}");
    holder.running.stop();
}
