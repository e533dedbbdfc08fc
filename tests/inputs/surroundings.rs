//! Environments, configurations and installations that are not as usual.

use std::os::unix::fs::PermissionsExt;

use crate::readers::within;
use crate::stand::{Host, PIN, SO_PIN, Stand};
use crate::support::*;

fn program<'a>(report: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    report["programs"].as_array().unwrap().iter().find(|program| program["name"] == name).unwrap()
}

/// A card with one key, and a host whose cache shows another.
fn stale(stand: &Stand) -> Host {
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &[]);
    put(&host, format!("{PREFIX}_C401"), &description(b"stale", b"\x01"));
    assert_eq!(json(&host, &["check"]).0, 1);
    host
}

#[test]
fn homes_and_caches_that_are_elsewhere_or_nowhere() {
    let stand = Stand::start();
    let host = stale(&stand);

    // Without a home OpenSC has no cache; what is looked at is the one of the user database, and that is said first.
    for nowhere in [host.clone().without_env("HOME"), host.clone().env("HOME", "")] {
        let (_, report) = json(&nowhere, &["check"]);
        assert!(
            report["verdict"]["sentence"].as_str().unwrap().starts_with("HOME is not set, "),
            "{report:#}"
        );
        assert!(!report.to_string().contains(host.cache().to_str().unwrap()), "{report:#}");
        human(&nowhere, &["quarantine", "list"]).ok();
        human(&nowhere, &["undo"]).ok();
        nowhere.pkcs15_list();
    }
    assert_eq!(host.cache_names(), ["C400", "C401"].map(|file| format!("{PREFIX}_{file}")));

    // Relative to wherever a program is started: cannot be looked at, and that is said.
    let relative = host.clone().env("HOME", "relative");
    let (code, report) = json(&relative, &["check"]);
    assert_eq!((code, errors(&report)), (3, vec![]), "{report:#}");
    assert!(gaps(&report).contains("relative to where a program is started"), "{}", gaps(&report));
    human(&relative, &["check"]).exits(3);

    // XDG_CACHE_HOME leads OpenSC away from the stale directory; as a relative path nobody knows where.
    let elsewhere = host.clone().env("XDG_CACHE_HOME", host.home().join("xdg").to_str().unwrap());
    let (code, report) = json(&elsewhere, &["check"]);
    assert_eq!((code, errors(&report)), (0, vec![]), "{report:#}");
    elsewhere.pkcs15_list();
    assert!(host.home().join("xdg/opensc").join(format!("{PREFIX}_C401")).exists());
    let (code, list) = json(&elsewhere, &["ls"]);
    assert!(code == 0 && list["entries"].to_string().contains("/xdg/opensc"), "{list:#}");
    assert_eq!(json(&host.clone().env("XDG_CACHE_HOME", ""), &["check"]).0, 1);
    assert_eq!(json(&host.clone().env("XDG_CACHE_HOME", "xdg"), &["check"]).0, 3);

    // A user the database does not know, without a home: nothing can be kept, so nothing is moved.
    if Host::can_switch_users() {
        let nobody = stand.host("nobody").for_user(4_711_000).without_env("HOME");
        human(&nobody, &["check"]).ok();
        for command in [&["quarantine", "list"][..], &["undo"]] {
            let said = human(&nobody, command).exits(2);
            assert!(said.stderr.contains("set HOME"), "{said}");
        }
    }
}

#[test]
fn configurations_that_are_missing_broken_or_deadly() {
    let stand = Stand::start();
    let host = stale(&stand);
    let conf = |text: &str| host.scratch("opensc.conf", text.as_bytes()).to_str().unwrap().to_owned();
    let fixture = |name: &str| format!("{}/fixtures/config/{name}.conf", env!("CARGO_MANIFEST_DIR"));
    let with = |path: &str| host.clone().env("OPENSC_CONF", path);
    // No configuration at all: caching is off by default, and the entry only sleeps.
    for path in [
        "/nowhere/opensc.conf".to_owned(),
        "/".to_owned(),
        String::new(),
        "/dev/null".to_owned(),
        fixture("value-unclosed-quote"),
        conf("\x1b[31m\u{202e}\x07 }}}{{{\n"),
    ] {
        let (code, report) = json(&with(&path), &["check"]);
        // What OpenSC drops whole is an error of its own.
        let dropped = report["findings"].to_string().contains("config-unreadable");
        assert_eq!(code, i32::from(dropped), "{path}: {report:#}");
        assert_eq!(errors(&report).len(), usize::from(dropped), "{path}: {report:#}");
        assert_eq!(program(&report, "pkcs15-tool")["caching"], "no", "{path}: {report:#}");
        assert!(report["findings"].to_string().contains("dormant-stale-entry"), "{path}: {report:#}");
        human(&with(&path), &["check"]).exits(i32::from(dropped));
        // The real tool agrees.
        let listed = with(&path).pkcs15_list();
        assert_ne!(listed.private_keys()[0].id.as_deref(), Some("01"), "{path}");
    }
    // OpenSC dies of it: then it shows nothing, and that is not called healthy.
    for deadly in ["comment-before-brace", "comment-before-name", "comment-before-equals"] {
        let (code, report) = json(&with(&fixture(deadly)), &["check"]);
        assert_eq!(
            (code, program(&report, "pkcs15-tool")["caching"].as_str()),
            (1, Some("crashes")),
            "{report:#}"
        );
        assert!(report["findings"].to_string().contains("config-crashes-opensc"), "{report:#}");
        assert!(gaps(&report).contains("OpenSC dies"), "{}", gaps(&report));
        let said = human(&with(&fixture(deadly)), &["check"]).exits(1);
        assert!(said.stdout.contains(deadly) && said.stdout.contains("OpenSC"), "{said}");
        assert!(!with(&fixture(deadly)).run(&["pkcs15-tool", "-D"]).success());
    }
    // What cannot be read cannot be decided.
    let pipe = host.home().join("pipe.conf");
    host.run(&["mkfifo", pipe.to_str().unwrap()]).ok();
    let mut unreadable = vec![host.clone().env("OPENSC_CONF", pipe.to_str().unwrap())];
    if Host::can_switch_users() {
        let user = host.clone().for_user(1000);
        let path = user.scratch("closed.conf", b"");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        unreadable.push(user.env("OPENSC_CONF", path.to_str().unwrap()));
    }
    for undecided in unreadable {
        let (code, report) = json(&undecided, &["check"]);
        assert_eq!(
            (code, program(&report, "pkcs15-tool")["caching"].as_str()),
            (3, Some("undecided")),
            "{report:#}"
        );
        assert!(gaps(&report).contains("! pkcs15-tool, whether it caches"), "{}", gaps(&report));
        human(&undecided, &["check"]).exits(3);
    }
}

#[test]
fn no_opensc_installed() {
    let stand = Stand::start();
    let host = stale(&stand);
    // Its libraries and tools are left out of a second view of the directories they lie in. The rest is linked to.
    let hide = r#"
        mkdir -p "$HIDE"
        for dir in /usr/lib/*-linux-gnu /usr/lib64 /usr/bin; do
            case $(ls "$dir" 2>/dev/null) in *opensc*|*pkcs15-*) ;; *) continue ;; esac
            name=$(echo "$dir" | tr / _)
            old=$HIDE/old$name new=$HIDE/new$name
            mkdir -p "$old"
            mount --bind "$dir" "$old"
            if [ ! -d "$new" ]; then
                mkdir "$new"
                ln -s "$old"/* "$new"
                rm -f "$new"/*opensc* "$new"/pkcs15-* "$new"/pkcs11-tool
            fi
            mount --bind "$new" "$dir"
        done"#;
    let host = host.env("HIDE", stand.dir().join("hide").to_str().unwrap());
    let gone = within(&host, hide, &["check", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&gone.stdout).unwrap();
    crate::schema::is_output(&report);
    assert_eq!((gone.code(), &report["programs"]), (0, &serde_json::json!([])), "{gone}");
    assert!(gaps(&report).contains("no libopensc was found"), "{gone}");
    // The entry is still wrong, but there is nobody to show it.
    assert!(
        report["findings"].to_string().contains("dormant-stale-entry") && errors(&report).is_empty(),
        "{gone}"
    );
    for command in ["check", "ls", "show"] {
        let said = within(&host, hide, &[command]).exits(0);
        assert!(said.stdout.contains("no libopensc was found"), "{said}");
    }
    within(&host, hide, &["flush"]).exits(0);
    assert_eq!(host.cache_names(), [format!("{PREFIX}_C400")]);
}

#[test]
fn nowhere_to_write() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    put(&host, format!("{PREFIX}_C401"), &description(b"x", b"\x01"));
    let program = env!("CARGO_BIN_EXE_stalecard");
    for command in [
        "check",
        "ls",
        "show",
        "ls --format json",
        "snapshot",
        "explain",
        "quarantine list",
        "--help",
        "-h",
        "--version",
        "check --help",
        "config show --help",
        "config show",
        "config lint",
        "fix --dry-run --offline",
        "undo",
    ] {
        let full = host.sh(&format!("{program} {command} >/dev/full")).exits(2);
        assert!(full.stderr.contains("standard output"), "{full}");
        host.sh(&format!("{program} {command} >&-")).exits(0);
        host.sh(&format!("{program} {command} >/dev/null 2>&-")).exits(0);
    }
    // A pipe, a link or a directory is not replaced; nor a device, which is not tried here: a test that
    // fails must not cost the machine its /dev/null.
    host.run(&["mkfifo", "pipe"]).ok();
    std::os::unix::fs::symlink("nowhere", host.home().join("link")).unwrap();
    let before = tree(host.home());
    for path in ["/nowhere/x.json", ".", "/", "pipe", "link"] {
        let said = human(&host, &["snapshot", "--output", path]).exits(2);
        assert!(said.stderr.contains(&format!("cannot write {path}")), "{said}");
    }
    assert_eq!(tree(host.home()), before);
    // What was there is replaced as a whole, and is private afterwards.
    let out = host.home().join("out.json");
    std::fs::write(&out, "old").unwrap();
    std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o666)).unwrap();
    host.stalecard(&["snapshot", "-o", "out.json"]).ok();
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o7777, 0o600);
    let files = std::fs::read_dir(host.home()).unwrap().filter(|e| e.as_ref().unwrap().path().is_file());
    assert_eq!(files.count(), 1, "nothing half-written is left");
}
