//! PIN safety, counted by the card: one try for each run at most, and nobody else's login ends.

use super::*;

/// A card with keys, and how many tries its PIN has.
fn scene(keys: usize) -> (Stand, Host) {
    let stand = Stand::start();
    let host = initialised(&stand, "alpha");
    for number in 0..keys {
        host.keypairgen("EC:prime256v1", &["--id", &format!("{:02}", 10 + number)]);
    }
    stand.card().reset_stats();
    (stand, host)
}

fn tries(stand: &Stand) -> u64 {
    stand.card().dump()["user_tries"].as_u64().unwrap()
}

#[test]
fn one_verify_and_one_logout() {
    let (stand, host) = scene(3);
    verify(&stand, &host, &[]).ok();
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.verify_wrong, stats.signatures, stats.writes), (1, 0, 3, 0), "{stats:?}");
    assert_eq!((tries(&stand), &stand.card().dump()["logged_in"]), (3, &Value::from(false)));
    let log = stand.card().apdu_log();
    assert!(
        log.iter().any(|line| line.starts_with("> 00200081 06") || line.contains("0020008106")),
        "{log:?}"
    );
}

#[test]
fn a_wrong_pin_costs_one_try_and_the_last_but_one_is_kept() {
    let (stand, host) = scene(1);
    let wrong = pin_file(&stand, "999999");
    let attempt = |more: &[&str]| host.stalecard(&[&["verify", "--pin-file", &wrong], more].concat());
    let output = attempt(&[]).exits(3);
    assert!(output.stdout.contains("wrong PIN (63C2): 2 tries left"), "{output}");
    assert_eq!((tries(&stand), stand.card().stats().verify), (2, 1));
    attempt(&[]).exits(3);
    assert_eq!((tries(&stand), stand.card().stats().verify), (1, 2));
    // Now it refuses, again and again, and nothing is sent.
    for _ in 0..3 {
        let output = attempt(&[]).exits(3);
        assert!(output.stdout.contains("1 of its tries left"), "{output}");
        // The right PIN is not risked either: nobody knows that it is right.
        verify(&stand, &host, &[]).exits(3);
    }
    assert_eq!((tries(&stand), stand.card().stats().verify), (1, 2));
    // Who accepts the risk gets all tries back with the right one.
    verify(&stand, &host, &["--min-tries", "1"]).ok();
    assert_eq!(tries(&stand), 3);
}

#[test]
fn a_blocked_pin_is_left_alone() {
    let (stand, host) = scene(1);
    let wrong = pin_file(&stand, "999999");
    for _ in 0..3 {
        host.stalecard(&["verify", "--pin-file", &wrong, "--min-tries", "1"]).exits(3);
    }
    assert_eq!((tries(&stand), stand.card().stats().verify), (0, 3));
    let output = verify(&stand, &host, &["--min-tries", "1"]).exits(3);
    assert!(output.stdout.contains("the user PIN is blocked"), "{output}");
    assert_eq!(stand.card().stats().verify, 3);
}

#[test]
fn what_is_no_pin_is_not_sent() {
    let (stand, host) = scene(1);
    for pin in ["12345", "12345678901234567"] {
        let file = pin_file(&stand, pin);
        let output = host.stalecard(&["verify", "--pin-file", &file]).exits(2);
        assert!(output.stderr.contains("nothing was sent"), "{output}");
        assert!(!output.stderr.contains(pin) && !output.stdout.contains(pin), "{output}");
    }
    for content in ["", "\n", "648219\n648219\n", &"1".repeat(300)] {
        let file = stand.dir().join("odd");
        std::fs::write(&file, content).unwrap();
        host.stalecard(&["verify", "--pin-file", file.to_str().unwrap()]).exits(2);
    }
    // Nobody to ask: no terminal on the stand.
    let output = host.stalecard(&["verify"]).exits(2);
    assert!(output.stderr.contains("there is no terminal to ask for it"), "{output}");
    assert_eq!((tries(&stand), stand.card().stats().verify), (3, 0));
    // A pipe will do.
    let program = env!("CARGO_BIN_EXE_stalecard");
    host.sh(&format!("printf {PIN} | {program} verify --pin-file /dev/fd/0")).ok();
}

/// On a terminal it asks, once, without an echo.
#[test]
fn the_prompt_asks_without_an_echo() {
    let (stand, host) = scene(1);
    let program = env!("CARGO_BIN_EXE_stalecard");
    for (pin, code, said) in
        [("111111", 3, "wrong PIN (63C2): 2 tries left"), (PIN, 0, "The key is proved sound.")]
    {
        let line = format!("{program} verify");
        // `script` is a terminal around a program, and gives its exit code.
        let words = ["script", "--quiet", "--return", "--command", &line, "/dev/null"];
        let output = host.run_with_input(&words, format!("{pin}\n").as_bytes()).exits(code);
        let said_once = output.stdout.matches("PIN of token DENK0200834 (").count() == 1;
        assert!(said_once && output.stdout.contains(said), "{output}");
        assert!(!output.stdout.contains(&format!("left): {pin}")), "{output}");
    }
    assert_eq!((tries(&stand), stand.card().stats().verify), (3, 2));
}

/// A card fresh from the factory has neither PIN nor keys.
#[test]
fn a_card_that_is_not_initialised_has_nothing_to_prove() {
    let stand = Stand::start();
    let output = verify(&stand, &stand.host("alpha"), &[]).ok();
    assert!(output.stdout.contains("No key was asked for a signature."), "{output}");
    assert_eq!(stand.card().stats().verify, 0);
}

/// Taken out at each APDU: never more than one try, and after a right PIN never fewer than all.
#[test]
fn the_card_is_pulled_at_every_apdu() {
    let (stand, host) = scene(2);
    verify(&stand, &host, &[]).ok();
    let all = stand.card().stats().apdus;
    let wrong = pin_file(&stand, "999999");
    for k in 1..=all {
        // In the short run one after the other: each way takes a second.
        let mut ways = vec![(pin_file(&stand, PIN), true), (wrong.clone(), false)];
        if !is_long() {
            ways.swap_remove(usize::from(k % 2 == 0));
        }
        for (file, right) in ways {
            stand.card().fault(&format!("die-at {k}"));
            stand.card().reset_stats();
            let before = tries(&stand);
            let output = host.stalecard(&["verify", "--pin-file", &file]);
            let stats = stand.card().stats();
            assert!(stats.verify <= 1, "{k}: {stats:?}");
            let spent = u64::from(!right) * stats.verify;
            assert!(tries(&stand) >= before - spent, "{k}: {output}");
            assert!(matches!(output.code(), 0 | 3), "{k}: {output}");
            stand.card().fault("none");
            if !stand.card().is_inserted() || output.code() == 3 {
                stand.card().insert(stand.card().first());
            }
            // All tries back, so that the next round has some to spend.
            host.pkcs11_login(&["-O"]).ok();
        }
    }
    println!("pulled at each of {all} APDUs");
    verify(&stand, &host, &[]).ok();
}

/// Killed at each APDU: the login does not stay behind, and no try is lost with the right PIN.
#[test]
fn a_verify_killed_at_any_apdu_leaves_no_login_behind() {
    let (stand, host) = scene(1);
    killed_at_every_apdu(&stand, &host, PIN, &tries);
}

/// A `pkcs11-tool` that is logged in and waits for its input.
fn logged_in(stand: &Stand, host: &Host) -> (stand::Running, PathBuf) {
    let pipe = stand.dir().join("pipe");
    host.run(&["mkfifo", pipe.to_str().unwrap()]).ok();
    let verified = stand.card().stats().verify;
    let running = host.spawn(&[
        "pkcs11-tool",
        "--login",
        "--pin",
        PIN,
        "--sign",
        "--mechanism",
        "ECDSA",
        "--input-file",
        pipe.to_str().unwrap(),
        "--output-file",
        "/dev/null",
    ]);
    while stand.card().stats().verify == verified {
        std::thread::sleep(Duration::from_millis(5));
    }
    (running, pipe)
}

#[test]
fn somebody_elses_login_survives() {
    let (stand, host) = scene(2);
    let (running, pipe) = logged_in(&stand, &stand.host("service"));
    stand.card().reset_stats();
    let output = verify(&stand, &host, &[]).exits(3);
    assert!(output.stdout.contains("another program is logged in to this card"), "{output}");
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.select_aid, stats.signatures), (0, 0, 0), "{stats:?}");
    // Within that login, without a PIN.
    let (code, report) = {
        let output = host.stalecard(&["verify", "--use-existing-login", "--format", "json"]);
        (output.code(), document(&output))
    };
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); 2]), "{report}");
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.select_aid, stats.signatures), (0, 0, 2), "{stats:?}");
    // And the service signs as if nobody had been there.
    std::fs::write(pipe, [7; 32]).unwrap();
    running.finish(Duration::from_secs(30)).ok();
    // OpenSC would have sent the PIN again had the login been lost.
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.signatures), (0, 3), "{stats:?}");
    // Its login outlives it for a moment, which is not another program's.
    verify(&stand, &host, &[]).ok();
    let output = host.stalecard(&["verify", "--use-existing-login"]).exits(2);
    assert!(output.stderr.contains("nobody is logged in to this card"), "{output}");
}

#[test]
fn keys_with_a_use_counter_are_left_alone_unless_named() {
    let (stand, host) = scene(2);
    stand.card().ask("uses 1 5");
    let (code, report) = verdict(&stand, &host, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["not-signed".to_owned(), "sound".to_owned()]));
    assert!(report["keys"][0]["signed"].as_str().unwrap().contains("it has a use counter (5 left)"));
    assert_eq!(stand.card().dump()["uses"]["1"], 5);
    let (_, report) = verdict(&stand, &host, &["--key", "1"]);
    assert_eq!(conclusions(&report), ["sound"]);
    assert_eq!(stand.card().dump()["uses"]["1"], 4);
    stand.card().ask("uses 1 0");
    let (_, report) = verdict(&stand, &host, &["--key", "10"]);
    assert!(report["keys"][0]["signed"].as_str().unwrap().contains("6A84"), "{report}");
}

/// Cards of other kinds are named, and get nothing.
#[test]
fn a_card_that_is_not_read_is_not_verified() {
    let switches = ["--atr", "3B80800101"];
    let stand = Stand::with(stand::Options { switches: &switches, ..stand::Options::default() });
    let output = verify(&stand, &stand.host("alpha"), &[]).exits(3);
    let why = "a card that this program does not know (ATR 3b80800101): seen, not read";
    assert!(said(&output).contains(why), "{output}");
    assert_eq!(stand.card().stats().apdus, 0);
}

/// With two cards a PIN could go to the wrong one.
#[test]
fn of_two_cards_one_must_be_named() {
    let (stand, host) = scene(1);
    stand.second_card(&["--serial", "DENK0300001"]);
    let output = verify(&stand, &host, &[]).exits(2);
    assert!(output.stderr.contains("DENK0200834") && output.stderr.contains("DENK0300001"), "{output}");
    assert_eq!(stand.card().stats().verify, 0);
    verify(&stand, &host, &["--serial", "DENK0200834"]).ok();
    verify(&stand, &host, &["--key", "no such key", "--serial", "DENK0200834"]).exits(2);
}

/// No snapshot, no output and no list of processes ever holds the PIN.
#[test]
fn the_pin_stays_where_it_is() {
    let (stand, host) = scene(1);
    let file = pin_file(&stand, PIN);
    stand.card().ask("latency 60");
    let running =
        host.spawn(&[env!("CARGO_BIN_EXE_stalecard"), "verify", "--pin-file", &file, "--format", "json"]);
    let signatures = stand.card().stats().signatures;
    let mut seen = String::new();
    while stand.card().stats().signatures == signatures {
        let arguments = host.sh("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'");
        seen += &arguments.stdout;
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = running.finish(Duration::from_secs(60)).ok();
    assert!(seen.contains("verify"), "the process was never seen");
    for text in [&seen, &output.stdout, &output.stderr] {
        assert!(!text.contains(&format!("\n{PIN}")) && !text.contains(&format!("={PIN}")), "{text}");
    }
    let snapshot = host.stalecard(&["snapshot"]).ok();
    assert!(
        !snapshot.stdout.contains("3634383231 39") && !snapshot.stdout.contains("363438323139"),
        "{snapshot}"
    );
}
