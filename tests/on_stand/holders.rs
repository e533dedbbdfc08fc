//! Who still holds the old view: real programs that have loaded OpenSC and wait, each in the process
//! namespace of its stand.

use crate::covered;
use crate::schema;
use crate::stand;
use crate::text;
use std::time::{Duration, Instant};

use crate::stand::{Host, Output, PIN, Running, SO_PIN, Stand, secret};
use serde_json::Value;

const FINDING: &str = "process-holds-old-view";

/// A host whose cache is stale: its key was replaced elsewhere.
fn stale(host: &Host) {
    covered::stale(host);
    host.stalecard(&["check"]).exits(1);
}

/// A pkcs11-tool that has read the card and waits for what it is to sign.
fn waiting(stand: &Stand, host: &Host) -> Running {
    waiting_behind(stand, host, &[])
}

/// The same with another module.
fn waiting_behind(stand: &Stand, host: &Host, module: &[&str]) -> Running {
    let pipe = host.home().join(format!("to-be-signed-{}", stand.card().stats().verify));
    let pipe = pipe.to_str().unwrap();
    host.run(&["mkfifo", pipe]).ok();
    let before = stand.card().stats().verify;
    let sign = ["--login", "--pin", PIN, "--sign", "--mechanism", "ECDSA", "--input-file", pipe];
    let running = host.spawn(&[&["pkcs11-tool"], module, &sign].concat());
    let end = Instant::now() + Duration::from_secs(30);
    while stand.card().stats().verify == before {
        assert!(Instant::now() < end, "waited in vain for the login");
        std::thread::sleep(Duration::from_millis(10));
    }
    running
}

fn report(output: &Output) -> Value {
    let report = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output}"));
    schema::is_output(&report);
    report
}

/// The findings about processes.
fn holders(report: &Value) -> Vec<Value> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["id"] == FINDING).cloned().collect()
}

/// Those that speak for it, and not only say that there is a program.
fn check(host: &Host) -> Vec<Value> {
    let mut found = holders(&report(&host.stalecard(&["check", "--format", "json"])));
    found.retain(|finding| finding["severity"] != "info");
    found
}

/// What a program printed, without its line breaks.
fn said(output: &Output) -> String {
    output.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sound keys are not all: what still holds the old view after the flush is a finding of `verify`, too.
#[test]
fn verify_names_a_program_that_may_hold_the_old_view() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    let pipe = host.home().join("to-be-hashed");
    let pipe = pipe.to_str().unwrap();
    host.run(&["mkfifo", pipe]).ok();
    // Without a login, which would keep ours away.
    let _running = host.spawn(&["pkcs11-tool", "--hash", "--mechanism", "SHA256", "--input-file", pipe]);
    let end = Instant::now() + Duration::from_secs(30);
    while check(&host).is_empty() {
        assert!(Instant::now() < end, "waited in vain for the program");
        std::thread::sleep(Duration::from_millis(50));
    }
    host.stalecard(&["flush"]).ok();
    let file = stand.dir().join("pin");
    secret(&file, PIN);
    let output =
        host.stalecard(&["verify", "--pin-file", file.to_str().unwrap(), "--format", "json"]).exits(1);
    let report = report(&output);
    assert!(!holders(&report).is_empty() && report["verdict"]["state"] == "stale", "{output}");
    assert_eq!(report["keys"][0]["conclusion"], "sound", "{output}");
}

#[test]
fn a_program_that_was_there_before_the_flush_is_named_until_it_ends() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    assert_eq!(check(&host), [] as [Value; 0]);
    let tool = waiting(&stand, &host);
    // It reads the stale cache.
    let [finding] = &check(&host)[..] else { panic!("{:?}", check(&host)) };
    assert_eq!((&finding["severity"], &finding["safety"]), (&"error".into(), &"manual".into()));
    let process = &finding["processes"][0];
    assert!(process["pid"].as_u64().unwrap() > 1);
    assert!(process["modules"].to_string().contains("opensc-pkcs11.so"), "{finding}");
    assert!(finding["summary"].as_str().unwrap().contains("the cache that it reads is stale"), "{finding}");

    let output = host.stalecard(&["flush"]).ok();
    text::readable(&output.stdout);
    let pid = process["pid"].to_string();
    let spoken = said(&output);
    assert!(
        spoken.contains(&format!("1. end and start /usr/bin/pkcs11-tool (process {pid}): pid {pid}")),
        "{output}"
    );
    assert!(spoken.contains("Next: end and start /usr/bin/pkcs11-tool"), "{output}");

    // Again, and by every other repair: nothing is left to be moved, and who holds the old view is named, not "only you can".
    for (words, word, code) in [
        (&["flush"][..], "SAME", 0),
        (&["flush", "--dry-run"], "SAME", 0),
        (&["fix"], "STALE", 1),
        (&["fix", "--dry-run"], "SAME", 0),
    ] {
        let output = host.stalecard(words).exits(code);
        let spoken = said(&output);
        assert!(spoken.starts_with(word), "{output}");
        assert!(spoken.contains("it may hold the old view"), "{output}");
        assert!(spoken.contains(&format!("/usr/bin/pkcs11-tool (process {pid})")), "{output}");
        assert!(spoken.contains("Next: end and start /usr/bin/pkcs11-tool"), "{output}");
        assert!(!spoken.contains("only you can") && !spoken.contains("still holds"), "{output}");
        assert!(!words.contains(&"fix") || spoken.contains("process-holds-old-view"), "{output}");
    }

    // The card and its cache are well, and still somebody does not know.
    let output = host.stalecard(&["check"]).exits(1);
    text::readable(&output.stdout);
    assert!(said(&output).contains("was running before the cache was flushed"), "{output}");
    // What began after the flush is not named.
    let newer = waiting(&stand, &host);
    let [finding] = &check(&host)[..] else { panic!("{:?}", check(&host)) };
    assert_eq!(finding["processes"].as_array().unwrap().len(), 1, "{finding}");
    assert_eq!(finding["processes"][0]["pid"].to_string(), pid);
    // A snapshot says the same, and so does undo: what is back is stale again, for both.
    let file = host.home().join("snapshot.json");
    host.stalecard(&["snapshot", "--output", file.to_str().unwrap()]).ok();
    schema::is_snapshot(&serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap());
    let again = host.stalecard(&["check", "--format", "json", "--snapshot", file.to_str().unwrap()]).exits(1);
    let here = host.stalecard(&["check", "--format", "json"]).exits(1);
    assert_eq!(holders(&report(&again)), holders(&report(&here)));
    assert_eq!(holders(&report(&here)).len(), 2, "and a note of the newer one");
    tool.stop();
    assert_eq!(check(&host), [] as [Value; 0]);
    host.stalecard(&["undo", "--force"]).ok();
    let [finding] = &check(&host)[..] else { panic!("{:?}", check(&host)) };
    assert!(finding["summary"].as_str().unwrap().contains("is stale"), "{finding}");
    newer.stop();
    assert_eq!(check(&host), [] as [Value; 0]);
}

/// Without a cache nothing is stale in one, and a program that reads none is noted, not accused.
#[test]
fn a_program_that_reads_no_cache_is_not_named() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    host.configure(
        "app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = yes;\n\t}\n}\n\
         app opensc-pkcs11 {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n",
    );
    let _tool = waiting(&stand, &host);
    let report = report(&host.stalecard(&["check", "--format", "json"]).exits(1));
    assert!(report["findings"].to_string().contains("stale-key-id"), "{report}");
    let [note] = &holders(&report)[..] else { panic!("{report}") };
    assert_eq!(note["severity"], "info", "{note}");
    // Of a cache that was emptied on request nobody has found that it was stale.
    host.stalecard(&["flush", "--all"]).ok();
    let report = self::report(&host.stalecard(&["check", "--format", "json"]).exits(0));
    assert_eq!(holders(&report)[0]["severity"], "info", "{report}");
}

/// Whatever takes the cache away, in whatever order: a program that has read it is named until it ends, by check and verify.
/// Switching the cache off does not reach what is running, and an entry that was named was stale all the same.
#[test]
fn a_program_with_the_old_view_is_named_whatever_was_done_to_the_cache() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    let pin = stand.dir().join("pin");
    secret(&pin, PIN);
    let verify = ["verify", "--pin-file", pin.to_str().unwrap()];
    stale(&host);
    let home = host.home().to_owned();
    let kept = stand.dir().join("kept");
    let cp = |from: &std::path::Path, to: &std::path::Path| {
        let command = format!("rm -rf '{1}' && cp -a '{0}' '{1}'", from.display(), to.display());
        host.run(&["sh", "-c", &command]).ok();
    };
    cp(&home.join(".cache"), &kept);
    let ways: [&[&[&str]]; 6] = [
        &[&["config", "disable-cache"]],
        &[&["config", "disable-cache"], &["flush"]],
        &[&["flush"], &["config", "disable-cache"]],
        &[&["fix", "--guarded"]],
        &[&["flush", "--serial", "DENK0200834"]],
        &[&["flush", "1"]],
    ];
    for way in ways {
        host.run(&["rm", "-rf", home.join(".local/state/stalecard").to_str().unwrap()]).ok();
        cp(&kept, &home.join(".cache"));
        host.caching("yes");
        let tool = waiting(&stand, &host);
        // Which of two was first is told by whole seconds.
        std::thread::sleep(Duration::from_millis(1100));
        for words in way {
            let output = host.stalecard(words);
            assert!(output.code() <= 1, "{way:?}: {output}");
        }
        let [finding] = &check(&host)[..] else { panic!("{way:?}: {:?}", check(&host)) };
        let output = host.stalecard(&["check"]);
        // What was named, and nobody had compared, may have been right.
        let is_known = way[0].len() == 1 || way[0][0] == "config" || way[0][0] == "fix";
        let (severity, word, code) = if is_known { ("error", "STALE", 1) } else { ("warning", "RISK", 0) };
        assert!(
            finding["severity"] == severity && said(&output).starts_with(word) && output.code() == code,
            "{way:?}: {output}"
        );
        tool.stop();
        assert_eq!(check(&host), [] as [Value; 0], "{way:?}");
        host.stalecard(&verify);
    }
}

/// A program with another home, cache or configuration of its own is held against what it reads, not against what the caller
/// would.
#[test]
fn a_program_is_held_against_the_cache_of_its_own_environment() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    let elsewhere = stand.host("elsewhere");
    stale(&host);
    elsewhere.caching("yes");
    let there = waiting(&stand, &elsewhere);
    assert_eq!(check(&host), [] as [Value; 0]);
    let here = waiting(&stand, &host);
    std::thread::sleep(Duration::from_millis(1100));
    host.stalecard(&["config", "disable-cache"]);
    host.stalecard(&["flush"]);
    let [finding] = &check(&host)[..] else { panic!("{:?}", check(&host)) };
    assert_eq!(finding["processes"].as_array().map(Vec::len), Some(1), "{finding}");
    here.stop();
    assert_eq!(check(&host), [] as [Value; 0]);
    there.stop();
}

/// What a card was known to hold decides: without a cache, and on a card that tells no dates.
#[test]
fn an_earlier_snapshot_or_baseline_tells_whether_a_program_may_hold_an_old_view() {
    let stand = Stand::start();
    let host = stand.host("alpha").live();
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = host.keypairgen("EC:prime256v1", &[]);
    let early = waiting(&stand, &host);
    // Both tell whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    let folder = host.home().to_owned();
    let [snapshot, baseline] = ["earlier.json", "baseline.toml"].map(|name| folder.join(name));
    host.stalecard(&["snapshot", "--output", snapshot.to_str().unwrap()]).ok();
    host.stalecard(&["snapshot", "--baseline", "--output", baseline.to_str().unwrap()]).ok();
    std::thread::sleep(Duration::from_millis(1100));
    let late = waiting(&stand, &host);
    let against = |file: &std::path::Path, code: i32| {
        let words = ["check", "--format", "json", "--against", file.to_str().unwrap()];
        let found = holders(&report(&host.stalecard(&words).exits(code)));
        let of = |finding: &Value| {
            let severity = finding["severity"].as_str().unwrap().to_owned();
            (severity, finding["processes"].as_array().unwrap().len())
        };
        (found.iter().map(of).collect::<Vec<_>>(), found)
    };
    // Nothing has changed: of who came later that is certain.
    let note = vec![("info".to_owned(), 1)];
    assert_eq!((against(&snapshot, 0).0, against(&baseline, 0).0), (note.clone(), note));
    assert_eq!(holders(&report(&host.stalecard(&["check", "--format", "json"]).exits(0))).len(), 1);

    let other = stand.host("beta").live();
    other.delete_object("privkey", &old.id);
    other.keypairgen("EC:prime256v1", &[]);
    host.stalecard(&["check"]).exits(0);
    for file in [&snapshot, &baseline] {
        let (found, whole) = against(file, 1);
        assert_eq!(found, [("error".to_owned(), 1), ("info".to_owned(), 1)], "{whole:#?}");
        let summary = whole[0]["summary"].as_str().unwrap();
        assert!(
            summary.contains("was running when") && summary.contains("may hold the old view"),
            "{summary}"
        );
    }
    let words = ["check", "--against", snapshot.to_str().unwrap()];
    let output = host.stalecard(&words).exits(1);
    assert!(said(&output).contains("end and start /usr/bin/pkcs11-tool"), "{output}");
    drop((early, late));
}

/// Caching is off now; but OpenSC wrote the copy when the program was there already, and the card is another since.
#[test]
fn a_copy_that_nobody_reads_any_more_is_a_witness() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.live().initialize("HSM-H1", PIN, SO_PIN, None);
    let old = host.live().keypairgen("EC:prime256v1", &[]);
    host.caching("no");
    let early = waiting(&stand, &host);
    std::thread::sleep(Duration::from_millis(1100));
    host.caching("yes").pkcs15_list();
    host.caching("no");
    assert_eq!(check(&host), [] as [Value; 0]);
    let other = stand.host("beta").live();
    other.delete_object("privkey", &old.id);
    other.keypairgen("EC:prime256v1", &[]);
    let [finding] = &check(&host)[..] else { panic!("{:?}", check(&host)) };
    assert!(
        finding["summary"].as_str().unwrap().contains("when OpenSC wrote a cache that is stale now"),
        "{finding}"
    );
    assert_eq!(finding["severity"], "error");
    // Who came later has read the card as it is.
    drop(early);
    std::thread::sleep(Duration::from_millis(1100));
    let _late = waiting(&stand, &host);
    assert_eq!(check(&host), [] as [Value; 0]);
}

/// Behind a real p11-kit server it is the process that serves one client.
#[test]
fn behind_p11_kit_the_one_who_asks_for_the_client_is_named() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    let module = stand::opensc_module();
    let socket = host.home().join("p11-kit.sock");
    let socket = socket.to_str().unwrap();
    let server = host.spawn(&[
        "p11-kit",
        "server",
        "--foreground",
        "--name",
        socket,
        "--provider",
        module.to_str().unwrap(),
        "pkcs11:",
    ]);
    let end = Instant::now() + Duration::from_secs(30);
    while !std::path::Path::new(socket).exists() {
        assert!(Instant::now() < end, "waited in vain for the server");
        std::thread::sleep(Duration::from_millis(10));
    }
    let client = module.with_file_name("pkcs11/p11-kit-client.so");
    let behind = host.clone().env("P11_KIT_SERVER_ADDRESS", &format!("unix:path={socket}"));
    let tool = waiting_behind(&stand, &behind, &["--module", client.to_str().unwrap()]);
    for is_flushed in [false, true] {
        // The client here is one of OpenSC's tools, and has its library loaded whatever module it uses.
        let mut found = check(&host);
        found.retain(|finding| finding["program"] != serde_json::json!(["/usr/bin/pkcs11-tool"]));
        let [finding] = &found[..] else { panic!("{found:?}") };
        let program = finding["program"][0].as_str().unwrap();
        assert!(program.ends_with("/p11-kit-remote"), "{finding}");
        assert_eq!(finding["processes"].as_array().unwrap().len(), 1, "{finding}");
        if !is_flushed {
            host.stalecard(&["flush"]).ok();
        }
    }
    // It ends with its client.
    tool.stop();
    let end = Instant::now() + Duration::from_secs(30);
    while !check(&host).is_empty() {
        assert!(Instant::now() < end, "{:?}", check(&host));
    }
    server.stop();
}

/// A user sees his own processes; root those of everybody whose caches root has flushed.
#[test]
fn other_users_processes_are_roots_business() {
    if !Host::can_switch_users() {
        println!("not root: nothing to switch");
        return;
    }
    let stand = Stand::start();
    let root = stand.host("root");
    stale(&root);
    let other = root.with_cache_copy().for_user(4711);
    let tool = waiting(&stand, &other);
    assert_eq!(check(&root), [] as [Value; 0]);
    let [finding] = &check(&other)[..] else { panic!("{:?}", check(&other)) };
    assert!(finding["summary"].as_str().unwrap().contains("of user 4711 has OpenSC loaded"), "{finding}");
    // After the other user's flush root still knows nothing of it: it stands in that user's journal.
    let output = other.stalecard(&["flush"]).ok();
    assert!(said(&output).contains("Next: end and start /usr/bin/pkcs11-tool"), "{output}");
    assert_eq!(check(&root), [] as [Value; 0]);
    tool.stop();
}

/// A service is named with the command that restarts it; what cannot be looked into is said.
#[test]
fn services_are_named_with_their_command() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("snapshot.json");
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/snapshots/seed-alpha-back.json");
    let mut snapshot: Value = serde_json::from_str(&std::fs::read_to_string(fixture).unwrap()).unwrap();
    let process = |pid: u32, uid: u32, program: &str, unit: Value, modules: Value| {
        let mut process = serde_json::json!({
            "pid": pid, "uid": uid, "user": null, "program": program, "modules": modules,
            "started_at": "2026-11-24T08:00:00Z", "unit": unit,
        });
        if unit.is_null() {
            process.as_object_mut().unwrap().remove("unit");
        }
        process
    };
    let unit = |name: &str, of_user: bool| serde_json::json!({ "name": name, "of_user": of_user });
    let loaded = || serde_json::json!({ "loaded": ["/usr/lib/opensc-pkcs11.so"] });
    snapshot["processes"] = serde_json::json!([
        process(10, 1000, "/usr/sbin/signd", unit("signd@ca.service", false), loaded()),
        process(11, 1000, "/usr/sbin/signd", unit("signd@ca.service", false), loaded()),
        process(12, 1000, "/usr/bin/agent", unit("a\\x2db.service", true), loaded()),
        process(13, 33, "/usr/sbin/apache2", unit("agent.service", true), loaded()),
        process(14, 1000, "/usr/bin/ssh-agent", Value::Null, "unknown".into()),
        process(15, 34, "/usr/sbin/later", Value::Null, loaded()),
        process(16, 33, "/tmp/\\x1b[2J", Value::Null, loaded()),
    ]);
    snapshot["flushed"] = serde_json::json!([
        { "uid": 33, "operation": "20261124T090000Z-1", "at": "2026-11-24T09:00:00Z", "stale": ["/var/www/.cache/opensc"] },
        { "uid": 34, "operation": "20261124T070000Z-1", "at": "2026-11-24T07:00:00Z" },
    ]);
    schema::is_snapshot(&snapshot);
    let judge = |snapshot: &Value| {
        std::fs::write(&file, snapshot.to_string()).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stalecard"));
        let output = command.args(["check", "-v", "--snapshot"]).arg(&file).output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        text::harmless(&out);
        out.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let said = judge(&snapshot);
    for expected in [
        "/usr/sbin/signd (2 processes, 10, 11) of user 1000, service signd@ca.service, has OpenSC loaded, and the \
         cache that it reads is stale.",
        "Cure: systemctl restart signd@ca.service",
        "Cure: systemctl --user restart 'a\\x2db.service'",
        "/usr/sbin/apache2 (process 13) of user 33, service agent.service, was running before the cache was flushed \
         (20261124T090000Z-1)",
        "Cure: systemctl --user --machine=33@.host restart agent.service",
        "Cure: end and start /tmp/\\x1b[2J (process 16)",
        "/usr/bin/ssh-agent (process 14): whether it holds the old view only root can see",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(!said.contains("later"), "{said}");
    snapshot["processes"][2]["unit"]["name"] = "x;\u{1b}[2J\u{202e}$(id).service".into();
    judge(&snapshot);
}
