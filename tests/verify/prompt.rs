//! The PIN prompt on a terminal of its own (`script`): whatever ends it, the terminal echoes afterwards, and a shell sees
//! a program that was killed by the signal that it was sent.

use std::io::Write;
use std::time::Instant;

use super::*;

/// A shell on a terminal that runs `verify`, and then says how it ended and how its terminal is.
struct Session<'s> {
    host: &'s Host,
    running: stand::Running,
    keys: std::fs::File,
    screen: PathBuf,
}

impl<'s> Session<'s> {
    /// Waits for the prompt.
    fn start(stand: &Stand, host: &'s Host, name: &str, before: &str) -> Self {
        let [keys, screen, shell] =
            ["keys", "screen", "sh"].map(|what| stand.dir().join(format!("{name}.{what}")));
        // The trap keeps the shell alive; its child has the signal's own effect again.
        let script = format!(
            "trap : INT QUIT\nstty echo\n{before}sh -c 'echo pid=$$; exec {} verify'\necho code=$?\nstty -a\necho over\n",
            env!("CARGO_BIN_EXE_stalecard")
        );
        std::fs::write(&shell, script).unwrap();
        host.run(&["mkfifo", keys.to_str().unwrap()]).ok();
        let line = format!(
            "exec script --quiet --return --flush --command 'exec sh {}' /dev/null <{} >{} 2>&1",
            shell.display(),
            keys.display(),
            screen.display()
        );
        let running = host.spawn(&["sh", "-c", &line]);
        let keys = std::fs::OpenOptions::new().write(true).open(keys).unwrap();
        let session = Self { host, running, keys, screen };
        session.until("the prompt", "left): ");
        session
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.screen).unwrap_or_default()).into_owned()
    }

    fn until(&self, what: &str, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.screen().contains(text) {
            assert!(
                Instant::now() < deadline,
                "{}: waited in vain for {what}:\n{}",
                self.screen.display(),
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn pid(&self) -> String {
        let screen = self.screen();
        screen.split("pid=").nth(1).unwrap().lines().next().unwrap().trim().to_owned()
    }

    fn kill(&self, signal: &str) {
        self.host.sh(&format!("kill -{signal} {}", self.pid())).ok();
    }

    /// How the program ended, and what the shell's terminal was like then.
    fn end(self) -> (i32, String) {
        self.until("the end", "\nover");
        drop(self.keys);
        let screen = String::from_utf8_lossy(&std::fs::read(&self.screen).unwrap()).into_owned();
        self.running.finish(Duration::from_secs(60));
        let code = screen.split("code=").nth(1).unwrap().lines().next().unwrap().trim().parse().unwrap();
        (code, screen)
    }
}

fn scene() -> (Stand, Host) {
    let stand = Stand::start();
    let host = initialised(&stand, "alpha");
    host.keypairgen("EC:prime256v1", &["--id", "10"]);
    stand.card().reset_stats();
    (stand, host)
}

/// `stty -a` says `-echo` of a terminal that does not.
fn echoes(screen: &str) -> bool {
    let modes = screen.split("code=").nth(1).unwrap_or_default();
    let words: Vec<&str> = modes.split([' ', '\r', '\n', ';']).collect();
    assert!(words.contains(&"icanon"), "{screen}");
    words.contains(&"echo")
}

#[test]
fn a_signal_at_the_prompt_leaves_a_terminal_that_echoes() {
    let (stand, host) = scene();
    // ^C and ^\ as they are typed, the others as they are sent.
    for (name, key, code) in [("interrupt", b"\x03", 130), ("quit", b"\x1C", 131)] {
        let mut session = Session::start(&stand, &host, name, "");
        session.keys.write_all(b"648").unwrap();
        session.keys.write_all(key).unwrap();
        let (ended, screen) = session.end();
        assert_eq!((ended, echoes(&screen)), (code, true), "{name}: {screen}");
        assert!(!screen.contains("648"), "{name}: {screen}");
    }
    for (name, code) in [("TERM", 143), ("HUP", 129), ("INT", 130), ("USR1", 138), ("ALRM", 142)] {
        let session = Session::start(&stand, &host, name, "");
        session.kill(name);
        let (ended, screen) = session.end();
        assert_eq!((ended, echoes(&screen)), (code, true), "{name}: {screen}");
    }
    let dump = stand.card().dump();
    assert_eq!((stand.card().stats().verify, &dump["user_tries"]), (0, &json!(3)));
}

/// Those that hardly anybody sends end it, too, and not the echo.
#[test]
fn a_rare_signal_at_the_prompt_leaves_a_terminal_that_echoes() {
    let (stand, host) = scene();
    for number in [5, 6, 7, 16, 24, 26, 27, 29, 30, 31, 34, 35, 64] {
        let name = number.to_string();
        let session = Session::start(&stand, &host, &name, "ulimit -c 0\n");
        session.kill(&name);
        let (ended, screen) = session.end();
        assert_eq!((ended, echoes(&screen)), (128 + number, true), "{name}: {screen}");
    }
    assert_eq!(stand.card().stats().verify, 0);
}

/// What whoever started it has ignored stays ignored, and the prompt goes on.
#[test]
fn an_ignored_signal_stays_ignored_at_the_prompt() {
    let (stand, host) = scene();
    let mut session = Session::start(&stand, &host, "nohup", "trap '' HUP\n");
    session.kill("HUP");
    std::thread::sleep(Duration::from_millis(300));
    session.keys.write_all(format!("{PIN}\n").as_bytes()).unwrap();
    let (code, screen) = session.end();
    assert_eq!((code, echoes(&screen)), (0, true), "{screen}");
    assert!(screen.contains("proved sound") && !screen.contains(PIN), "{screen}");
}

/// Stopped (^Z) the terminal echoes; going on it asks again, without.
#[test]
fn a_stop_at_the_prompt_gives_the_echo_back_until_it_goes_on() {
    let (stand, host) = scene();
    let mut session = Session::start(&stand, &host, "stop", "");
    session.kill("TSTP");
    let state = format!("grep '^State:' /proc/{}/status", session.pid());
    let deadline = Instant::now() + Duration::from_secs(10);
    while !host.sh(&state).stdout.contains("stopped") {
        assert!(Instant::now() < deadline, "{}", host.sh(&state));
        std::thread::sleep(Duration::from_millis(20));
    }
    session.keys.write_all(b"seen").unwrap();
    session.until("the echo", "seen");
    // What was typed meanwhile is taken back (^U).
    session.keys.write_all(b"\x15").unwrap();
    session.kill("CONT");
    let deadline = Instant::now() + Duration::from_secs(10);
    while session.screen().matches("left): ").count() < 2 {
        assert!(Instant::now() < deadline, "{}", session.screen());
        std::thread::sleep(Duration::from_millis(20));
    }
    session.keys.write_all(format!("{PIN}\n").as_bytes()).unwrap();
    let (code, screen) = session.end();
    assert_eq!((code, echoes(&screen)), (0, true), "{screen}");
    assert!(screen.contains("proved sound") && !screen.contains(PIN), "{screen}");
}

/// Once the prompt is over a signal does what it always does.
#[test]
fn a_signal_after_the_prompt_ends_the_program() {
    let (stand, host) = scene();
    let mut session = Session::start(&stand, &host, "after", "");
    stand.card().ask("latency 300");
    session.keys.write_all(format!("{PIN}\n").as_bytes()).unwrap();
    let verified = Instant::now() + Duration::from_secs(30);
    while stand.card().stats().verify == 0 {
        assert!(Instant::now() < verified, "no login");
        std::thread::sleep(Duration::from_millis(5));
    }
    session.kill("TERM");
    let (code, screen) = session.end();
    stand.card().ask("latency 0");
    assert_eq!((code, echoes(&screen)), (143, true), "{screen}");
}
