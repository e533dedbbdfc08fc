//! CacheOwners login is it? PC/SC knows whether a program has the card open: then a login is left alone. If none has, it was
//! left behind, which is said as it is; and the cure that is named works.

use std::time::Instant;

use super::*;
use stand::{Family, Options, PIV_PIN, PW1, PW3};

/// How long `verify` may take to say that a login was left behind. It waited 7.5 s for nobody once, and reads the card
/// before.
const SOON: Duration = Duration::from_millis(3500);

/// A card with one key, the one who logs in to it with a real tool, and the state of its login.
struct Scene {
    stand: Stand,
    host: Host,
    pin: &'static str,
    /// A `pkcs11-tool` with this token and this way to sign.
    sign: &'static [&'static str],
}

impl Scene {
    fn new(family: Family) -> Self {
        let yubikey = ["--atr", "3BFD1300008131FE158073C021C057597562694B657940"];
        let openpgp = ["--card-version", "3.4", "--apdu", "extended"];
        let switches = match family {
            Family::Piv => &yubikey[..],
            Family::OpenPgp => &openpgp,
            _ => &[],
        };
        let stand = Stand::with(Options { family, switches, ..Options::default() });
        let host = stand.host("alpha");
        let ecdsa = &["--mechanism", "ECDSA"];
        let (host, pin, sign): (_, _, &[&str]) = match family {
            Family::ScHsm => {
                host.initialize("HSM-H1", PIN, SO_PIN, None);
                host.keypairgen("EC:prime256v1", &["--id", "10"]);
                (host, PIN, ecdsa)
            }
            Family::MyEid | Family::IsoApplet => {
                host.caching("no");
                host.personalise();
                host.generate_key("ec/prime256v1", "45", "key");
                (host, PIN, ecdsa)
            }
            Family::Piv => {
                let host = host.with_pin(PIV_PIN);
                host.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
                host.piv_renew("9a", "RSA1024", "9a");
                (host, PIV_PIN, &["--id", "01", "--mechanism", "SHA256-RSA-PKCS"])
            }
            Family::OpenPgp => {
                let host = host.with_pin(PW1);
                host.run(&["openpgp-tool", "--verify", "CHV3", "--pin", PW3, "--gen-key", "3"]).ok();
                stand.card().tamper_path(&[0xC9], Some(&[3; 20]));
                (
                    host,
                    PW1,
                    &[
                        "--token-label",
                        "OpenPGP card (User PIN)",
                        "--id",
                        "03",
                        "--mechanism",
                        "SHA256-RSA-PKCS",
                    ],
                )
            }
            Family::Files => panic!("only OpenSC reads a card of files"),
        };
        stand.card().reset_stats();
        Self { stand, host, pin, sign }
    }

    fn is_logged_in(&self) -> bool {
        let state = &self.stand.card().dump()["logged_in"];
        *state != json!(false) && *state != json!([])
    }

    /// A `pkcs11-tool` that is logged in and waits for its input.
    fn holder(&self, name: &str) -> (stand::Running, PathBuf) {
        let pipe = self.stand.dir().join(name);
        let input = pipe.to_str().unwrap();
        self.host.run(&["mkfifo", input]).ok();
        let words = ["pkcs11-tool", "--login", "--pin", self.pin, "--sign", "--input-file", input];
        let verified = self.stand.card().stats().verify;
        let running = self
            .stand
            .host("service")
            .spawn(&[&words[..], self.sign, &["--output-file", "/dev/null"]].concat());
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.stand.card().stats().verify == verified || !self.is_logged_in() {
            assert!(Instant::now() < deadline, "no login");
            std::thread::sleep(Duration::from_millis(20));
        }
        (running, pipe)
    }

    /// A card that keeps its login whatever the reader does with its power, and such a login, left behind.
    fn leave_a_login_behind(&self) {
        self.stand.card().ask("keep-session on");
        let (running, _) = self.holder("left");
        running.stop();
        assert!(self.is_logged_in());
    }

    fn verify(&self, more: &[&str]) -> Output {
        let file = pin_file(&self.stand, self.pin);
        self.stand.card().reset_stats();
        self.host.stalecard(&[&["verify", "--pin-file", &file], more].concat())
    }

    /// Nothing that ends a login, no PIN and no signature.
    fn was_left_alone(&self) {
        let stats = self.stand.card().stats();
        assert_eq!((stats.verify, stats.select_aid, stats.signatures), (0, 0, 0), "{stats:?}");
        assert!(self.is_logged_in());
    }
}

const HELD: &str =
    "a login is open: of another program that has the card open, or left by one that has ended";
const ENDED: &str = "a login is open, left by a program that has ended: none has the card open";
const LEFT: &str = "a login is open on this card (PIN status 9000), but no program has the card open";

fn whose_login(family: Family) {
    let scene = Scene::new(family);
    // A program that has the card open: never ended, whatever was asked for.
    let (running, pipe) = scene.holder("held");
    for more in [&[][..], &["--end-login"]] {
        let output = scene.verify(more).exits(3);
        println!("{family:?}, a real holder {more:?}: {:?}", output.duration);
        assert!(said(&output).contains("another program is logged in to this card"), "{output}");
        assert!(output.duration < SOON, "{output}");
        scene.was_left_alone();
    }
    std::fs::write(pipe, [7; 32]).unwrap();
    running.finish(Duration::from_secs(30)).ok();
    assert_eq!(scene.stand.card().stats().verify_wrong, 0);

    // One that has ended: the card loses its power, and the login with it.
    let (running, _) = scene.holder("ended");
    running.stop();
    let output = scene.verify(&[]).ok();
    println!("{family:?}, an ended holder: {:?}", output.duration);
    assert!(!scene.is_logged_in());

    // A login that survives: said, left alone, and ended when the user says so.
    scene.leave_a_login_behind();
    let output = scene.verify(&[]).exits(3);
    println!("{family:?}, left behind: {:?}", output.duration);
    assert!(
        said(&output).contains(LEFT) && !said(&output).contains("another program is logged in"),
        "{output}"
    );
    assert!(output.duration < SOON, "{output}");
    scene.was_left_alone();
    let output = scene.host.stalecard(&["verify", "--use-existing-login"]).ok();
    assert!(said(&output).contains("proved sound") && scene.is_logged_in(), "{output}");
    // A program that is not logged in, but has the card open: whose the login is nobody can tell.
    let idle = idle(&scene);
    let output = scene.verify(&["--end-login"]).exits(3);
    assert!(said(&output).contains("another program is logged in to this card"), "{output}");
    scene.was_left_alone();
    drop(idle);
    let output = scene.verify(&["--end-login"]).ok();
    println!("{family:?}, ended with consent: {:?}", output.duration);
    assert!(said(&output).contains("proved sound") && !scene.is_logged_in(), "{output}");
    assert_eq!((scene.stand.card().stats().verify, scene.stand.card().stats().verify_wrong), (1, 0));
    // Where there is none to end there is nothing to ask for either.
    scene.verify(&["--end-login"]).ok();
}

/// A program that has the card open, without a login: this very test in another process.
fn idle(scene: &Scene) -> stand::Running {
    let sign = scene.stand.dir().join("open");
    let host = scene.host.clone().env(HOLD, sign.to_str().unwrap());
    let itself = std::env::current_exe().unwrap();
    let words = [itself.to_str().unwrap(), "--exact", "logins::hold_the_card", "--ignored", "--nocapture"];
    let running = host.spawn(&words);
    until("the card is open", || sign.exists());
    running
}

/// Where the helper says that it has the card open.
const HOLD: &str = "STALECARD_TEST_HOLD";

#[test]
#[ignore = "the other process of a test"]
fn hold_the_card() {
    let Some(sign) = std::env::var_os(HOLD) else { return };
    let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
    let reader = std::ffi::CString::new(stand::READER).unwrap();
    let _card = context.connect(&reader, pcsc::ShareMode::Shared, pcsc::Protocols::ANY).unwrap();
    std::fs::write(sign, "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn whose_login_it_is_on_a_smartcard_hsm() {
    whose_login(Family::ScHsm);
}

#[test]
fn whose_login_it_is_on_a_myeid() {
    whose_login(Family::MyEid);
}

#[test]
fn whose_login_it_is_on_a_piv_card() {
    whose_login(Family::Piv);
}

#[test]
fn whose_login_it_is_on_an_openpgp_card() {
    whose_login(Family::OpenPgp);
}

/// A login left behind is no program's in what the reading commands say, either.
#[test]
fn reading_commands_say_whose_login_it_is() {
    let scene = Scene::new(Family::ScHsm);
    let words = || {
        let output = scene.host.stalecard(&["check", "--format", "json"]).ok();
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        report["tokens"][0]["status"]["user PIN"].as_str().unwrap().to_owned()
    };
    let (running, _) = scene.holder("held");
    assert_eq!(words(), HELD);
    running.stop();
    scene.leave_a_login_behind();
    scene.stand.card().reset_stats();
    assert_eq!(words(), ENDED);
    let show = scene.host.stalecard(&["show"]).ok();
    assert!(said(&show).contains(ENDED), "{show}");
    let snapshot = scene.host.stalecard(&["snapshot"]).ok();
    assert!(snapshot.stdout.contains("\"in_use\": false"), "{snapshot}");
    schema::is_snapshot(&serde_json::from_str(&snapshot.stdout).unwrap());
    scene.was_left_alone();
    let idle = idle(&scene);
    assert_eq!(words(), HELD);
    drop(idle);
    scene.was_left_alone();
}

/// What `sc-hsm-tool --initialize` leaves behind on a card that keeps its login.
#[test]
fn a_card_that_was_initialised_just_now() {
    for keeps in ["off", "on"] {
        let scene = Scene::new(Family::ScHsm);
        scene.stand.card().ask(&format!("keep-session {keeps}"));
        scene.host.initialize("HSM-H1", PIN, SO_PIN, None);
        scene.host.keypairgen("EC:prime256v1", &["--id", "10"]);
        let output = scene.verify(&[]);
        println!("keep-session {keeps}: {} after {:?}", output.code(), output.duration);
        assert!(!said(&output).contains("another program"), "{output}");
        if output.code() != 0 {
            assert!(said(&output.exits(3)).contains(LEFT));
            scene.verify(&["--end-login"]).ok();
        }
        assert_eq!(scene.stand.card().stats().verify_wrong, 0);
    }
    let scene = Scene::new(Family::ScHsm);
    scene.stand.card().ask("keep-session on");
    scene.host.initialize("HSM-H1", PIN, SO_PIN, None);
    let output = scene.host.stalecard(&["show"]).ok();
    println!("{output}");
    assert!(!said(&output).contains("another program"), "{output}");
}

/// What the tools that fill a card leave behind on one that keeps its login.
#[test]
fn a_card_that_was_filled_just_now() {
    for family in [Family::MyEid, Family::Piv, Family::OpenPgp] {
        let scene = Scene::new(family);
        scene.stand.card().ask("keep-session on");
        match family {
            Family::MyEid => drop(scene.host.generate_key("ec/prime256v1", "46", "new")),
            Family::Piv => drop(scene.host.piv(&["--action", "verify-pin", "--pin", PIV_PIN]).ok()),
            _ => drop(scene.host.run(&["openpgp-tool", "--verify", "CHV1", "--pin", PW1]).ok()),
        }
        let was_open = scene.is_logged_in();
        let output = scene.verify(&[]);
        println!("{family:?}, open {was_open}: {} after {:?}", output.code(), output.duration);
        assert!(!said(&output).contains("another program"), "{output}");
        if was_open {
            assert!(said(&output.exits(3)).contains(LEFT));
            scene.was_left_alone();
        }
        assert!(said(&scene.verify(&["--end-login"]).ok()).contains("proved sound"));
        assert!(!scene.is_logged_in());
    }
}

/// On a terminal the question is asked, and no is the answer of whoever says nothing.
#[test]
fn on_a_terminal_the_user_is_asked() {
    let scene = Scene::new(Family::ScHsm);
    scene.leave_a_login_behind();
    let line = format!("{} verify", env!("CARGO_BIN_EXE_stalecard"));
    let words = ["script", "--quiet", "--return", "--command", &line, "/dev/null"];
    for answer in ["\n", "n\n", "no\n"] {
        let output = scene.host.run_with_input(&words, answer.as_bytes()).exits(3);
        assert!(said(&output).contains("end it and log in with a PIN? [y/N]"), "{output}");
        assert!(said(&output).contains(LEFT) && scene.is_logged_in(), "{output}");
    }
    let output = scene.host.run_with_input(&words, format!("y\n{PIN}\n").as_bytes()).ok();
    assert!(said(&output).contains("proved sound") && !scene.is_logged_in(), "{output}");
}
