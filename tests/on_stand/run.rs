//! `run -- COMMAND`: the real tools below it see the card and touch no cache, and for the command
//! itself it is as if it had been started without us.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::covered;
use crate::stand::listing::{Pkcs11Listing, Pkcs15Listing};
use crate::stand::{Host, Stand};

const STALECARD: &str = env!("CARGO_BIN_EXE_stalecard");

/// A host whose cache holds a key that was replaced elsewhere, and what is on the card.
fn stale() -> (Stand, Host, Host) {
    let stand = Stand::start();
    let host = stand.host("alpha");
    covered::stale(&host);
    let live = host.live();
    assert_ne!(host.pkcs15_list(), live.pkcs15_list());
    (stand, host, live)
}

fn listed(host: &Host, words: &[&str]) -> Pkcs15Listing {
    Pkcs15Listing::parse(&host.run(words).ok().stdout).expect("a listing")
}

#[test]
fn the_real_tools_list_the_card_and_leave_the_cache_alone() {
    let (stand, host, live) = stale();
    let cache = host.cache_files();
    assert!(!cache.is_empty());
    let truth = live.pkcs15_list();
    assert_eq!(listed(&host, &[STALECARD, "run", "--", "pkcs15-tool", "-D"]), truth);
    // Through a shell that uses descriptors of its own, in the background, and with nothing inherited.
    let script = "exec 3</dev/null; pkcs15-tool -D 3<&- & wait";
    assert_eq!(listed(&host, &[STALECARD, "run", "sh", "-c", script]), truth);
    let closing =
        "use POSIX; if (fork) { wait; exit $? >> 8 } POSIX::close($_) for 3 .. 1023; exec qw(pkcs15-tool -D)";
    assert_eq!(listed(&host, &[STALECARD, "run", "perl", "-e", closing]), truth);
    let module = host.run(&[STALECARD, "run", "pkcs11-tool", "-O"]).ok().stdout;
    assert_eq!(Pkcs11Listing::parse(&module), live.pkcs11_list());

    // Not only is nothing changed there, nobody even looks.
    let trace = stand.dir().join("trace");
    let strace = ["strace", "-f", "-o", trace.to_str().unwrap(), "-e", "trace=%file", STALECARD, "run"];
    host.run(&[&strace[..], &["pkcs15-tool", "-D"]].concat()).ok();
    let calls = std::fs::read_to_string(&trace).unwrap();
    assert!(calls.contains("/stalecard-run-") && calls.contains("pkcs15-tool"), "{calls}");
    let touched: Vec<&str> = calls.lines().filter(|line| line.contains(".cache/opensc")).collect();
    assert_eq!(touched, [""; 0]);
    assert_eq!(host.cache_files(), cache);
    // And without us it is stale as ever.
    assert_ne!(host.with_cache_copy().pkcs15_list(), truth);
}

/// Everything but the cache is as it was: here, where OpenSC logs.
#[test]
fn other_settings_still_hold() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    let log = host.home().join("opensc.log");
    let text = format!(
        "app default {{\n\tdebug = 3;\n\tdebug_file = {};\n\tframework pkcs15 {{\n\t\tuse_file_caching = yes;\n\t}}\n}}\n",
        log.display()
    );
    host.configure(&text);
    host.run(&[STALECARD, "run", "opensc-tool", "-i"]).ok();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("[opensc-tool]") && said.contains("sc_context_create"), "{said}");
    assert_eq!(std::fs::read_to_string(host.conf()).unwrap(), text);
}

/// Waits until the end of a command has been noticed.
fn until_gone(path: &Path) {
    let begun = std::time::Instant::now();
    while path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} is left", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The exit code, the death by a signal, the streams and the process are the command's own.
#[test]
fn the_command_is_on_its_own() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(STALECARD);
        command.arg("run").args(arguments).env("HOME", home.path()).env("XDG_STATE_HOME", home.path());
        command.env_remove("OPENSC_CONF").current_dir(home.path()).stdin(Stdio::null());
        command
    };
    let output = run(&["--", "sh", "-c", "exit 7"]).output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(7), &b""[..], &b""[..]));
    let output = run(&["sh", "-c", "kill -TERM $$"]).output().unwrap();
    assert_eq!(output.status.signal(), Some(15));
    // A pipe that is closed ends it as it would without us.
    let output = run(&["sh", "-c", "yes | head -n 1"]).output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(0), &b"y\n"[..], &b""[..]));
    let output = run(&["sh", "-c", "cat >&2; echo \"$1\"", "sh", "--an option\x1b"])
        .stdin(std::fs::File::open("/proc/self/cmdline").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"--an option\x1b\n");
    assert_eq!(output.stderr, std::fs::read("/proc/self/cmdline").unwrap());
    // A signal to us is a signal to it.
    let mut running = run(&["sleep", "60"]).spawn().unwrap();
    let name = format!("/proc/{}/environ", running.id());
    // Ours has no such variable; the command's has it as soon as it is there.
    let conf = loop {
        let environment = std::fs::read(&name).unwrap();
        let mut entries = environment.split(|&byte| byte == 0);
        if let Some(conf) = entries.find_map(|entry| entry.strip_prefix(b"OPENSC_CONF=")) {
            break String::from_utf8(conf.to_vec()).unwrap();
        }
        std::thread::yield_now();
    };
    assert!(std::fs::read_to_string(&conf).unwrap().contains("use_file_caching = no;"));
    running.kill().unwrap();
    assert_eq!(running.wait().unwrap().signal(), Some(9));
    // And nothing is left of it, even now.
    until_gone(Path::new(&conf).parent().unwrap());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_run_is_said() {
    let run = |arguments: &[&str]| {
        let output =
            Command::new(STALECARD).arg("run").args(arguments).env("OPENSC_CONF", "").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&["--", "/no/such\x1bprogram"]);
    assert_eq!(code, Some(127), "as a shell has it");
    assert!(said.starts_with("stalecard: cannot run /no/such\\x1bprogram: No such file"), "{said}");
    let (code, said) = run(&[]);
    assert!(code == Some(2) && said.contains("<COMMAND>"), "{said}");
    let (code, said) = run(&["/etc/passwd"]);
    assert!(code == Some(126) && said.contains("Permission denied"), "{said}");
}

/// A configuration that kills OpenSC would kill the command half-way; it is not even begun.
#[test]
fn a_deadly_configuration_stops_it_beforehand() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.configure("app default\n\n{\n}\n");
    let output = host.stalecard(&["run", "--", "sh", "-c", "echo begun"]).exits(2);
    assert!(output.stdout.is_empty() && output.stderr.contains("2:1"), "{output}");
}

/// What the user may not read is no configuration for OpenSC, and so none here.
#[test]
fn a_configuration_for_other_eyes_counts_for_nothing() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.configure("app default {\n\tdebug = 0;\n}\n");
    let said = |host: &Host| host.run(&[STALECARD, "run", "sh", "-c", "cat \"$OPENSC_CONF\""]).ok().stdout;
    assert!(said(&host).contains("debug = 0;"));
    std::fs::set_permissions(host.conf(), Permissions::from_mode(0o600)).unwrap();
    if Host::can_switch_users() {
        let other = said(&host.for_user(4711));
        assert!(other.contains("use_file_caching = no;") && !other.contains("debug"), "{other}");
    }
}

/// Programs that the kernel lets nobody look into, and those of other users and groups: they see what all others see.
#[test]
fn programs_of_others_and_undumpable_ones_read_it_too() {
    if !Host::can_switch_users() {
        return eprintln!("skipped: needs root");
    }
    let (stand, host, live) = stale();
    let truth = live.pkcs15_list();
    // What runs as somebody else uses the cache in the home that HOME names, all the same.
    let cache = host.cache();
    for path in [host.home(), cache.parent().unwrap(), &cache] {
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    let shared = stand.dir().join("setgid-tool");
    std::fs::copy("/usr/bin/pkcs15-tool", &shared).unwrap();
    std::os::unix::fs::chown(&shared, Some(0), Some(12)).unwrap();
    std::fs::set_permissions(&shared, Permissions::from_mode(0o2755)).unwrap();
    let shared = shared.to_str().unwrap();
    let other = ["setpriv", "--reuid", "4711", "--regid", "4711", "--clear-groups"];
    for command in [
        &[shared, "-D"][..],
        &["setpriv", "--reuid", "4711", "--regid", "4711", "--clear-groups", shared, "-D"],
        &[&other[..], &["pkcs15-tool", "-D"]].concat(),
        &["sh", "-c", "setpriv --reuid 4711 --clear-groups pkcs15-tool -D; exit $?"],
        &["runuser", "-u", "nobody", "--", "pkcs15-tool", "-D"],
    ] {
        // Without us it is a stale listing, so the test sees the difference.
        let plain = host.with_cache_copy();
        assert_ne!(Pkcs15Listing::parse(&plain.run(&["pkcs15-tool", "-D"]).ok().stdout).unwrap(), truth);
        assert_eq!(listed(&host, &[&[STALECARD, "run", "--"][..], command].concat()), truth, "{command:?}");
    }
}

#[test]
fn ignored_signals_stay_ignored_and_nothing_is_left_of_any_end() {
    let home = tempfile::tempdir().unwrap();
    let sh = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", STALECARD]).env("HOME", home.path()).env("OPENSC_CONF", "");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let ignored = |trap: &str| {
        let said = sh(&format!("{trap} exec \"$1\" run -- grep SigIgn /proc/self/status"));
        u64::from_str_radix(said.split_whitespace().last().unwrap(), 16).unwrap()
    };
    // Whoever runs the test may ignore some, too: a shell's background does.
    let before = ignored("");
    for (signals, mask) in [("HUP", 1), ("INT QUIT", 6), ("HUP TERM USR1", 0x4201), ("TSTP", 0x8_0000)] {
        assert_eq!(ignored(&format!("trap '' {signals};")), before | mask, "{signals}");
    }
    // The signals of a terminal go to everybody in the group.
    for signal in ["TERM", "INT", "HUP", "KILL"] {
        let conf = sh(&format!(
            "setsid \"$1\" run -- sh -c 'echo \"$OPENSC_CONF\"; kill -{signal} 0; kill -KILL $$'; true"
        ));
        let conf = Path::new(conf.trim());
        assert!(conf.ends_with("opensc.conf"), "{conf:?}");
        until_gone(conf.parent().unwrap());
    }
    // The command has no children but its own.
    let children = sh("exec \"$1\" run -- sh -c 'cat /proc/$$/task/$$/children; echo .'");
    assert!(children.trim() == "." || children.split_whitespace().count() == 2, "{children}");
}

#[test]
fn a_command_that_drops_the_variable_is_not_begun() {
    for command in [&["sudo", "true"][..], &["su", "-", "nobody", "-c", "true"], &["env", "-i", "true"]] {
        let mut run = Command::new(STALECARD);
        let output = run.args(["run", "--"]).args(command).env("OPENSC_CONF", "").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains("nothing was started"), "{said}");
    }
}
