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

/// A PIN is sent only if a wrong one would leave what is to be kept: two tries, or one with `--min-tries 1`.
#[test]
fn a_pin_is_not_sent_when_a_wrong_one_would_leave_fewer_than_min_tries() {
    let (stand, host) = scene(1);
    let wrong = pin_file(&stand, "999999");
    let attempt = |more: &[&str]| host.stalecard(&[&["verify", "--pin-file", &wrong], more].concat());
    let state = || (tries(&stand), stand.card().stats().verify);
    // Four would have to be left.
    let output = attempt(&["--min-tries", "3"]).exits(3);
    assert!(said(&output).contains("has 3 tries left, a wrong one would leave 2"), "{output}");
    assert!(said(&output).contains("--min-tries 2 accepts the risk"), "{output}");
    assert_eq!(state(), (3, 0));
    let output = attempt(&[]).exits(3);
    assert!(output.stdout.contains("wrong PIN (63C2): 2 tries left"), "{output}");
    assert_eq!(state(), (2, 1));
    // Now it refuses, again and again, and nothing is sent.
    for _ in 0..3 {
        let output = attempt(&[]).exits(3);
        assert!(
            said(&output).contains("has 2 tries left, a wrong one would leave 1, and this keeps at least 2"),
            "{output}"
        );
        assert!(said(&output).contains("--min-tries 1 accepts the risk"), "{output}");
        // The right PIN is not risked either: nobody knows that it is right.
        verify(&stand, &host, &[]).exits(3);
    }
    assert_eq!(state(), (2, 1));
    // Who accepts the risk gets down to the last one, and never further.
    attempt(&["--min-tries", "1"]).exits(3);
    assert_eq!(state(), (1, 2));
    for more in [&[][..], &["--min-tries", "1"]] {
        for output in [attempt(more), verify(&stand, &host, more)] {
            assert!(said(&output.exits(3)).contains("the last try is never spent here"));
        }
    }
    assert!(attempt(&["--min-tries", "0"]).exits(2).stderr.contains("--min-tries"));
    assert_eq!(state(), (1, 2));
    // As the message says.
    host.pkcs11_login(&["-O"]).ok();
    assert_eq!(tries(&stand), 3);
    verify(&stand, &host, &[]).ok();
}

#[test]
fn a_blocked_pin_is_left_alone() {
    let (stand, host) = scene(1);
    for _ in 0..3 {
        host.run(&["pkcs15-tool", "--verify-pin", "--auth-id", "01", "--pin", "999999"]);
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
    let long = "1".repeat(300);
    let odd: [(&[u8], &str); 16] = [
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"648219\n648219\n", "more than one line"),
        (b"648219\n\n", "more than one line"),
        (b"\n648219", "more than one line"),
        (long.as_bytes(), "more than 256 bytes"),
        (b"\xEF\xBB\xBF648219\n", "byte order mark of UTF-8"),
        (b"\xFF\xFE6\x004\x008\x002\x001\x009\x00\r\x00\n\x00", "byte order mark of UTF-16"),
        (b"\xFE\xFF\x006\x004\x008\x002\x001\x009\x00\n", "byte order mark of UTF-16"),
        (b"6\x004\x008\x002\x001\x009\x00", "as UTF-16 has"),
        (b"648219\x00", "NUL byte at character 7 of 7"),
        (b"648219 \n", "ends with a blank"),
        (b"\t648219\n", "begins with a blank"),
        (b"64821\xC3\xA4\n", "outside ASCII at character 6 of 7"),
        (b"64821\xE4\n", "outside ASCII at character 6 of 6"),
        (b"648\x1B219\n", "control character at character 4 of 7"),
    ];
    let file = stand.dir().join("odd");
    for (content, why) in odd {
        stand::secret(&file, content);
        let output = host.stalecard(&["verify", "--pin-file", file.to_str().unwrap()]).exits(2);
        assert!(
            output.stderr.contains(why) && output.stderr.contains("nothing was sent"),
            "{content:02X?}: {output}"
        );
        assert!(!format!("{}{}", output.stdout, output.stderr).contains("6482"), "{output}");
    }
    for (path, why) in
        [("/", "it is a directory"), ("/dev/zero", "it is a device"), ("/no/such", "No such file")]
    {
        let output = host.stalecard(&["verify", "--pin-file", path]).exits(2);
        assert!(output.stderr.contains(why), "{output}");
    }
    // What others can read is no secret, unless somebody says that it does not matter.
    let read_by_others = |mode: u32| {
        stand::secret(&file, PIN);
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let output = host.stalecard(&["verify", "--pin-file", file.to_str().unwrap()]).exits(2);
        let says = output.stderr.contains(&format!("chmod 600 {}", file.display()));
        assert!(says && output.stderr.contains("nothing was sent"), "{mode:o}: {output}");
    };
    [0o644, 0o640, 0o604, 0o660].into_iter().for_each(read_by_others);
    // Nobody to ask: no terminal on the stand.
    let output = host.stalecard(&["verify"]).exits(2);
    assert!(output.stderr.contains("there is no terminal to ask for it"), "{output}");
    assert_eq!((tries(&stand), stand.card().stats().verify), (3, 0));
    // A pipe will do.
    let program = env!("CARGO_BIN_EXE_stalecard");
    host.sh(&format!("printf {PIN} | {program} verify --pin-file /dev/fd/0")).ok();
    let output = host.sh(&format!("printf '{PIN} ' | {program} verify --pin-file /dev/fd/0")).exits(2);
    assert!(output.stderr.contains("ends with a blank"), "{output}");
    // The end of a line is none of the PIN.
    for end in ["\n", "\r\n"] {
        stand::secret(&file, format!("{PIN}{end}"));
        host.stalecard(&["verify", "--pin-file", file.to_str().unwrap()]).ok();
    }
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    host.stalecard(&["verify", "--insecure-pin-file", "--pin-file", file.to_str().unwrap()]).ok();
    assert_eq!(stand.card().stats().verify_wrong, 0);
}

/// On a terminal it asks, once, without an echo.
#[test]
fn the_prompt_asks_without_an_echo() {
    let (stand, host) = scene(1);
    let program = env!("CARGO_BIN_EXE_stalecard");
    for (pin, code, said) in [("111111", 3, "wrong PIN (63C2): 2 tries left"), (PIN, 0, "proved sound")] {
        let line = format!("{program} verify");
        // `script` is a terminal around a program, and gives its exit code.
        let words = ["script", "--quiet", "--return", "--command", &line, "/dev/null"];
        let output = host.run_with_input(&words, format!("{pin}\n").as_bytes()).exits(code);
        let said_once =
            output.stdout.matches("PIN \"UserPIN\" of token \"HSM-H1\", DENK0200834 (").count() == 1;
        assert!(said_once && output.stdout.contains(said), "{output}");
        assert!(!output.stdout.contains(&format!("left): {pin}")), "{output}");
        // All tries back.
        host.pkcs11_login(&["-O"]).ok();
    }
    assert_eq!((tries(&stand), stand.card().stats().verify_wrong), (3, 1));
    for (typed, why) in [("64\t8219 ", "ends with a blank"), ("6482\u{e4}19", "outside ASCII")] {
        let line = format!("{program} verify");
        let words = ["script", "--quiet", "--return", "--command", &line, "/dev/null"];
        let output = host.run_with_input(&words, format!("{typed}\n").as_bytes()).exits(2);
        assert!(output.stdout.contains(why) && output.stdout.contains("nothing was sent"), "{output}");
    }
    assert_eq!((tries(&stand), stand.card().stats().verify_wrong), (3, 1));
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

/// The device's own key, which OpenSC up to 0.23 lists where its description can be read (a pico-hsm's can): it is
/// named, and nobody misses its proof who has not asked for it.
#[test]
fn the_device_key_that_opensc_lists_is_not_left_out_silently() {
    let (stand, _) = scene(1);
    let mut description = bytes(&stand.card().dump(), "C401");
    let id = description.windows(3).position(|bytes| bytes == [4, 1, 0x10]).unwrap();
    description[id + 2] = 0x30;
    stand.card().tamper(0xC400, Some(&description));
    // One that has not cached that there was none.
    let host = stand.host("beta");
    let listed = host.pkcs15_list().private_keys().len();
    let (code, report) = verdict(&stand, &host, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned()]), "{report}");
    let coverage = report["coverage"].to_string();
    let is_named = coverage.contains("key reference 0") && coverage.contains("it is the device's own key");
    println!("OpenSC lists {listed} keys; named: {is_named}");
    assert_eq!(is_named, listed == 2, "{report}");
    if is_named {
        for name in ["0", "30"] {
            let output = host.stalecard(&["verify", "--key", name]).exits(3);
            assert!(said(&output).contains("it is the device's own key"), "{name}: {output}");
        }
    }
    assert_eq!((stand.card().stats().verify, stand.card().stats().signatures), (1, 1));
}
