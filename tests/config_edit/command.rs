//! The commands as they are typed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::files::{OLD, new_text};

/// A user with an `OPENSC_CONF`, a cache and a quarantine, and no PC/SC service.
pub struct User {
    home: TempDir,
}

impl User {
    pub fn new(conf: &str) -> Self {
        let user = Self { home: TempDir::new().unwrap() };
        for dir in ["etc", "state", "cache/opensc"] {
            fs::create_dir_all(user.path(dir)).unwrap();
        }
        fs::set_permissions(user.path("state"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        fs::write(user.conf(), conf).unwrap();
        user
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    pub fn conf(&self) -> PathBuf {
        self.path("etc/opensc.conf")
    }

    pub fn text(&self) -> String {
        fs::read_to_string(self.conf()).unwrap()
    }

    pub fn run(&self, via: &[&str], arguments: &[&str]) -> Output {
        let program = env!("CARGO_BIN_EXE_stalecard");
        // Root's quarantine has a fixed place, which is covered, not touched.
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("unshare");
            let line = "mount -t tmpfs tmpfs /var/lib && mkdir -m 700 /var/lib/stalecard && \
                        mount --bind \"$0\" /var/lib/stalecard && exec \"$@\"";
            command.args(["--mount", "sh", "-c", line]).arg(self.path("state"));
            command.args(via).arg(program);
            command
        } else if let Some((first, rest)) = via.split_first() {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", self.home.path())
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("OPENSC_CONF", self.conf())
            .env("PCSCLITE_CSOCK_NAME", self.path("no-pcscd"))
            .output()
            .unwrap()
    }

    /// Exit code, standard output and error.
    pub fn stalecard(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.run(&[], arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Exit code and output, which is held to the schema.
    pub fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, out, error) = self.stalecard(&[arguments, &["--format", "json"]].concat());
        let value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out} {error}"));
        crate::schema::is_output(&value);
        (code, value)
    }
}

pub const DISABLE: [&str; 2] = ["config", "disable-cache"];
pub const ENABLE: [&str; 2] = ["config", "enable-cache"];

#[test]
fn off_and_off_again_and_back() {
    let user = User::new(OLD);
    let (code, out, _) = user.stalecard(&[&DISABLE[..], &["--dry-run", "--diff"]].concat());
    assert_eq!(code, 0);
    assert!(out.contains("-\t\tuse_file_caching = yes; # all\n+\t\tuse_file_caching = no; # all\n"), "{out}");
    assert!(out.contains("would be edited") && out.contains("on (yes) -> off"), "{out}");
    let (code, dry) = user.json(&[&DISABLE[..], &["--dry-run"]].concat());
    assert_eq!((code, &dry["changed"], &dry["edit"]["operation"]), (0, &Value::Bool(true), &Value::Null));
    assert_eq!(user.text(), OLD);

    let (code, done) = user.json(&DISABLE);
    assert_eq!((code, &done["changed"]), (0, &Value::Bool(true)));
    assert_eq!(done["command"], "config disable-cache");
    assert_eq!(done["edit"]["changes"], serde_json::json!([{"at": "3:22", "old": "yes", "new": "no"}]));
    assert_eq!(user.text(), new_text());
    let backup = done["edit"]["backup"].as_str().unwrap();
    assert_eq!(fs::read_to_string(backup).unwrap(), OLD);
    let changed = fs::metadata(user.conf()).unwrap().modified().unwrap();

    let (code, again) = user.json(&DISABLE);
    assert_eq!((code, &again["changed"]), (0, &Value::Bool(false)));
    let (_, out, _) = user.stalecard(&DISABLE);
    assert!(out.contains("nothing to change"), "{out}");
    assert_eq!(fs::metadata(user.conf()).unwrap().modified().unwrap(), changed);

    let (code, out, error) = user.stalecard(&["undo"]);
    assert_eq!(code, 0, "{out} {error}");
    assert_eq!(user.text(), OLD);
    assert!(!Path::new(backup).exists());
    let (_, out, _) = user.stalecard(&["quarantine", "list"]);
    assert!(out.contains("undone") && out.contains("opensc.conf (config disable-cache)"), "{out}");
}

/// `fix` says before and after that `--guarded` edits the configuration, and which file; so does its help.
#[test]
fn a_fix_says_that_it_edits_the_configuration() {
    let user = User::new(OLD);
    fs::write(user.path("cache/opensc/DENK0200834_NODATE_E82B0601040181C31F0201_C401"), b"old").unwrap();
    let fix = |more: &[&str]| user.stalecard(&[&["fix", "--offline"], more].concat());
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let about =
        "It edits the configuration, for every program and user, as `stalecard config disable-cache` does.";
    let conf = user.conf();
    let conf = conf.to_str().unwrap();

    let (_, help, _) = user.stalecard(&["fix", "--help"]);
    assert!(words(&help).contains("also the edit of opensc.conf"), "{help}");
    let (_, without, _) = fix(&["--dry-run"]);
    let told = words(&without);
    assert!(told.contains("Left alone: it takes --guarded") && told.contains(about), "{without}");
    assert!(!without.contains("would be edited"), "{without}");
    let (code, rehearsed, _) = fix(&["--dry-run", "--guarded"]);
    let told = words(&rehearsed);
    assert_eq!(code, 0, "{rehearsed}");
    assert!(told.contains(&format!("would be edited: {conf}")), "{rehearsed}");
    assert!(told.contains("on (yes) -> off") && !told.contains("it takes --guarded"), "{rehearsed}");
    assert_eq!(user.text(), OLD);
    let (code, done, _) = fix(&["--guarded"]);
    assert_eq!(code, 0, "{done}");
    assert!(words(&done).contains(&format!(" edited: {conf}")), "{done}");
    assert_eq!(user.text(), new_text());
}

/// Every member of what an edit says is in the schema, and the schema would miss each.
#[test]
fn the_schema_tells_all_of_an_edit() {
    let user = User::new(OLD);
    let told = |arguments: &[&str]| {
        let (_, document) = user.json(arguments);
        crate::schema::is_told_exactly(&document, "/edit", &["diff"])
    };
    fs::write(user.path("cache/opensc/DENK0200834_NODATE_E82B0601040181C31F0201_C401"), b"old").unwrap();
    let mut members = told(&[&DISABLE[..], &["--diff", "--dry-run"]].concat());
    members += told(&[&DISABLE[..], &["--app", "opensc-pkcs11"]].concat());
    members += told(&[&DISABLE[..], &["--diff"]].concat());
    members += told(&DISABLE);
    members += told(&ENABLE);
    let (code, listed) = user.json(&["quarantine", "list"]);
    assert_eq!(code, 0);
    members += crate::schema::is_told_exactly(&listed, "/operations/0/edits", &[]);
    let (_, refused) = user.json(&["undo"]);
    members += crate::schema::is_told_exactly(&refused, "/undo", &[]);
    members += crate::schema::is_told_exactly(&refused, "/revived", &[]);
    println!("{members} members left out, renamed and mistaken");
    assert!(members > 100, "{members}");
}

/// What a configuration says reaches no terminal as it is, and the columns stay columns.
#[test]
fn a_block_called_an_escape_sequence() {
    let hostile =
        "app \"\x1b[31mX\u{202e}\u{9b}\" { framework pkcs15 { use_file_caching = \"yes\x1b[2J\"; } }\n";
    let user = User::new(hostile);
    for arguments in [&DISABLE[..], &ENABLE[..]] {
        let dry = [arguments, &["--dry-run", "--diff"]].concat();
        let (code, out, error) = user.stalecard(&dry);
        crate::text::harmless(&out.replace('\t', " "));
        assert_eq!((code, error.as_str()), (0, ""));
        assert!(out.contains("\\x1b[31mX"), "{out}");
        let output = user.run(&[], &[&dry[..], &["--format", "json"]].concat());
        crate::text::harmless(&String::from_utf8(output.stdout).unwrap());
    }
}

#[test]
fn what_cannot_be_edited_says_where_and_what_to_do() {
    let user = User::new("app default\n\n{ }\n");
    let (code, out, error) = user.stalecard(&DISABLE);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        error.contains("opensc.conf:1:1") && error.contains("without the comment or empty line at 2:1"),
        "{error}"
    );
    // As a check says it, and in that order: mended, the file lets programs see what is stale.
    let order =
        ["First `stalecard flush`", "Then write the statement on one line"].map(|what| error.find(what));
    assert!(order[0].is_some() && order[0] < order[1], "{error}");
    let user = User::new(OLD);
    let (code, _, error) = user.stalecard(&[&DISABLE[..], &["--exe", "/bin/sh"]].concat());
    assert!(code == 2 && error.contains("--app NAME") || code == 0, "{error}");
    let (code, _, error) = user.stalecard(&[&DISABLE[..], &["--app", "x", "--exe", "/bin/sh"]].concat());
    assert_eq!(code, 2, "{error}");
    let (code, out, error) = user.stalecard(&[&DISABLE[..], &["--file", "/dev/null"]].concat());
    assert!(code == 2 && error.contains("a device"), "{out} {error}");
    let nowhere = user.path("none/opensc.conf");
    let (code, _, error) = user.stalecard(&[&DISABLE[..], &["--file", nowhere.to_str().unwrap()]].concat());
    assert!(code == 2 && error.contains("make the directory first"), "{error}");
}

#[test]
fn one_program_and_another_file() {
    let user = User::new(OLD);
    let (code, done) = user.json(&[&DISABLE[..], &["--app", "opensc-pkcs11", "--diff"]].concat());
    assert_eq!((code, &done["changed"]), (0, &Value::Bool(true)));
    assert!(
        user.text().starts_with(OLD) && user.text().contains("app opensc-pkcs11 {\n\tframework"),
        "{}",
        user.text()
    );
    assert!(done["edit"]["diff"].as_str().unwrap().contains("+app opensc-pkcs11 {\n"));
    let other = user.path("etc/new.conf");
    let (code, done) = user.json(&[&DISABLE[..], &["--file", other.to_str().unwrap()]].concat());
    assert_eq!(
        (code, &done["changed"], &done["edit"]["created"]),
        (0, &Value::Bool(true), &Value::Bool(true))
    );
    assert!(done["edit"]["notes"].to_string().contains("OpenSC reads"), "{done}");
    assert_eq!(
        fs::read_to_string(&other).unwrap(),
        "app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n"
    );
}

#[test]
fn on_only_when_nothing_stale_comes_alive() {
    let user = User::new(&new_text());
    let entry = user.path("cache/opensc/DENK0200834_NODATE_E82B0601040181C31F0201_C401");
    fs::write(&entry, b"old").unwrap();
    let (code, refused) = user.json(&ENABLE);
    assert_eq!(
        (code, &refused["changed"], &refused["edit"]["refused"]),
        (2, &Value::Bool(false), &Value::Bool(true))
    );
    assert_eq!(refused["edit"]["revived"].as_array().unwrap().len(), 1);
    assert_eq!(user.text(), new_text());
    let (code, out, _) = user.stalecard(&[&ENABLE[..], &["--dry-run"]].concat());
    assert!(code == 2 && out.contains("_C401") && out.contains("stalecard flush"), "{out}");

    let (code, forced) = user.json(&[&ENABLE[..], &["--force", "--value", "yes"]].concat());
    assert_eq!((code, &forced["changed"]), (0, &Value::Bool(true)));
    assert_eq!(user.text(), OLD);
    let (code, _, error) = user.stalecard(&["undo"]);
    assert_eq!(code, 0, "{error}");
    fs::remove_file(&entry).unwrap();
    // A stranger's file is not a cache entry.
    fs::write(user.path("cache/opensc/notes.txt"), b"x").unwrap();
    let (code, done) = user.json(&ENABLE);
    assert_eq!((code, &done["changed"]), (0, &Value::Bool(true)), "{done}");
    assert_eq!(user.text(), OLD.replace("yes", "public"));
    let (code, again) = user.json(&ENABLE);
    assert_eq!((code, &again["changed"]), (0, &Value::Bool(false)));
}

#[test]
fn success_is_said_after_everything_is_on_the_disk() {
    let user = User::new(OLD);
    let log = user.path("log");
    let via = [
        "strace",
        "-f",
        "-qq",
        "-y",
        "-e",
        "trace=fsync,renameat,renameat2,write",
        "-o",
        log.to_str().unwrap(),
    ];
    assert!(user.run(&via, &DISABLE).status.success());
    let log = fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let at = |what: &dyn Fn(&str) -> bool| {
        lines.iter().rposition(|line| what(line)).unwrap_or_else(|| panic!("{log}"))
    };
    let renamed = at(&|l| l.contains("rename") && l.contains("/etc>, \"opensc.conf\""));
    let synced = at(&|l| l.contains("fsync") && l.contains("/etc>"));
    let said = lines.iter().position(|l| l.contains("write(1<")).unwrap();
    let last_sync = at(&|l| l.contains("fsync("));
    assert!(renamed < synced && synced < said && last_sync < said, "{log}");
}
