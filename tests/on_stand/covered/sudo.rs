//! Whose caches: root by way of `sudo` looks at those of whoever called it, and every verdict says whose it is about.
//! `sudo` itself is not needed: what it tells root is its variable `SUDO_UID`, sudo(8).

use std::path::Path;

use super::{found, report, said, stale};
use crate::stand::{Host, Output, PIN, Stand};
use serde_json::Value;

/// The number of the user in the user database that root sees.
const CA: u32 = 4711;

/// Runs our program as root, who has a home of his own, on a host with this user and the user's configuration for all.
fn as_root(root: &Host, user: &Host, sudo: bool, arguments: &[&str]) -> Output {
    let sudo = if sudo { format!("SUDO_UID={CA} SUDO_USER=ca") } else { String::new() };
    as_root_with(root, user, &sudo, arguments)
}

/// The same below `env` with these words, which may end in another program.
fn as_root_with(root: &Host, user: &Host, env: &str, arguments: &[&str]) -> Output {
    let passwd = format!(
        "root:x:0:0::{}:/bin/sh\nca:x:{CA}:{CA}::{}:/bin/sh\n",
        root.home().display(),
        user.home().display()
    );
    let passwd = root.scratch("passwd", passwd.as_bytes());
    let line = format!(
        "mount --bind {} /etc/passwd && mount --bind {} /etc/opensc/opensc.conf && exec env {env} {} {}",
        passwd.display(),
        user.conf().display(),
        env!("CARGO_BIN_EXE_stalecard"),
        arguments.join(" "),
    );
    root.clone().without_env("OPENSC_CONF").run(&["unshare", "--mount", "sh", "-c", &line])
}

/// The user sees the wrong ID, and root, who was asked for help, sees nothing wrong.
#[test]
fn root_through_sudo_looks_at_the_caches_of_who_called_it() {
    if !Host::can_switch_users() || !Path::new("/etc/opensc/opensc.conf").exists() {
        return println!("not root, or no configuration to cover");
    }
    let stand = Stand::start();
    let root = stand.host("root");
    let user = stand.host("ca");
    let (old, new) = stale(&user);
    let shown = user.with_cache_copy().pkcs11_list();
    assert_eq!(shown.public_keys()[0].id.as_deref(), Some(old.as_str()));
    let user = user.for_user(CA);

    let output = as_root(&root, &user, true, &["check", "--format", "json"]).exits(1);
    let told = report(&output);
    let [finding] = &found(&told, "stale-key-id")[..] else { panic!("{output}") };
    assert_eq!((&finding["user"], &finding["object"]["id"]), (&"ca".into(), &new.as_str().into()));
    assert_eq!(told["scope"]["users"], serde_json::json!(["root", "ca"]));
    assert!(finding["fix"].to_string().contains("stalecard flush --user ca --guarded"), "{finding}");

    // `show` knows the key by the ID that the user sees, and says whose view that is.
    let output = as_root(&root, &user, true, &["show", &old]).ok();
    assert!(said(&output).contains("shown by pkcs15-tool, opensc-pkcs11 of user ca"), "{output}");
    as_root(&root, &user, false, &["show", &old]).exits(2);
    // So does `verify`, and proves that the user's view is the wrong one.
    let pin = root.scratch("pin", PIN.as_bytes());
    let verify = ["verify", "--key", &old, "--format", "json", "--pin-file", pin.to_str().unwrap()];
    let told = report(&as_root(&root, &user, true, &verify).exits(1));
    assert_eq!(told["keys"][0]["conclusion"], "stale-cache", "{told:#}");
    assert!(told["keys"][0]["tried"].to_string().contains("opensc-pkcs11 of user ca"), "{told:#}");
    assert!(told["findings"].to_string().contains("stalecard flush --user ca --guarded"), "{told:#}");
    as_root(&root, &user, false, &verify).exits(2);

    // Root's own view is sound, and it is said that it is root's, and what nobody asked for.
    let output = as_root(&root, &user, false, &["check"]).exits(0);
    let spoken = said(&output);
    assert!(spoken.contains("Looked at: root. Not asked for: other users (--all-users)."), "{output}");
    let output = as_root(&root, &user, false, &["check", "--all-users"]).exits(1);
    assert!(!said(&output).contains("Not asked for"), "{output}");

    // A repair takes consent for what is another's, and then is one; without, it is none, and does not end as one.
    for words in
        [&["flush"][..], &["flush", "--dry-run"], &["flush", "--dry-run", "--exit-code"], &["flush", "-q"]]
    {
        let output = as_root(&root, &user, true, words).exits(2);
        let moved = if words.contains(&"--dry-run") { "Nothing would be moved" } else { "Nothing was moved" };
        assert!(output.stdout.starts_with(&format!("FAILED  {moved}: 2 files left alone")), "{output}");
        // As it was typed: who pastes it is not root.
        assert!(said(&output).ends_with("Next: sudo stalecard flush --user ca --guarded"), "{output}");
        assert!(!said(&output).contains(" stalecard flush --guarded"), "{output}");
    }
    let output = as_root(&root, &user, true, &["fix"]).exits(1);
    assert!(said(&output).contains("it takes --guarded"), "{output}");
    let output = as_root(&root, &user, true, &["fix", "-q"]).exits(1);
    assert!(output.stdout.starts_with("STALE  0 of 3 findings cured."), "{output}");
    as_root(&root, &user, true, &["flush", "--guarded"]).ok();
    let output = as_root(&root, &user, true, &["check"]).exits(0);
    assert!(said(&output).contains("root and ca"), "{output}");
    let file = root.home().join("snapshot.json");
    as_root(&root, &user, true, &["snapshot", "--output", file.to_str().unwrap()]);
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    crate::schema::is_snapshot(&kept);
    assert_eq!(kept["invoked_by"]["uid"], CA);
}

/// Root is clean and the user is not: whatever root asks for, the user is named only where the user was looked at.
#[test]
fn nobody_is_named_whose_caches_were_not_looked_at() {
    if !Host::can_switch_users() || !Path::new("/etc/opensc/opensc.conf").exists() {
        return println!("not root, or no configuration to cover");
    }
    let stand = Stand::start();
    let (root, user) = (stand.host("root"), stand.host("ca"));
    stale(&user);
    let user = user.for_user(CA);
    let sudo = format!("SUDO_UID={CA} SUDO_USER=ca");
    let cache = root.cache();
    let is_named = |told: &Value| told["scope"]["users"].as_array().unwrap().contains(&"ca".into());

    for (whom, finds) in [
        (&[][..], true),
        (&["--all-users"], true),
        (&["--user", "ca"], true),
        (&["--user", "root"], false),
        (&["--cache-dir", cache.to_str().unwrap()], false),
    ] {
        std::fs::create_dir_all(&cache).unwrap();
        let file = root.home().join("snapshot.json");
        let snapshot = [&["snapshot", "--output", file.to_str().unwrap()], whom].concat();
        as_root_with(&root, &user, &sudo, &snapshot).ok();
        let kept = ["--snapshot", file.to_str().unwrap()];
        for facts in [whom, &kept] {
            let output = as_root_with(&root, &user, &sudo, &[&["check", "--format", "json"], facts].concat());
            let told = report(&output);
            assert_eq!((is_named(&told), output.code()), (finds, i32::from(finds)), "{facts:?} {output}");
            let others = told["scope"]["not_asked_for"].as_array().unwrap();
            assert_eq!(others.is_empty(), whom == ["--all-users"], "{facts:?} {output}");
            let output = as_root_with(&root, &user, &sudo, &[&["check"], facts].concat());
            let spoken = said(&output);
            let is_told = spoken.contains(" and ca.") || spoken.contains("Looked at: ca.");
            assert_eq!(is_told, finds, "{facts:?} {output}");
        }
    }
    // A watch looks at whom it names, too.
    let output = as_root_with(&root, &user, &format!("{sudo} timeout 5"), &["watch", "--format", "json"]);
    let line = output.stdout.lines().next().unwrap_or_else(|| panic!("{output}"));
    let told: Value = serde_json::from_str(line).unwrap();
    assert!(is_named(&told), "{told:#}");
    let [finding] = &found(&told, "stale-key-id")[..] else { panic!("{told:#}") };
    assert_eq!(finding["user"], "ca");
    // Nor does it take anything of somebody else's without consent.
    let before = user.cache_files();
    let flushing = ["watch", "--flush-stale", "--format", "json"];
    let output = as_root_with(&root, &user, &format!("{sudo} timeout 5"), &flushing);
    assert!(
        output.stdout.contains("stale-key-id") && output.stdout.contains("\"changed\":false"),
        "{output}"
    );
    assert_eq!(user.cache_files(), before);
    // Who has no cache at all was looked at all the same.
    std::fs::remove_dir_all(user.home().join(".cache")).unwrap();
    let told = report(&as_root_with(&root, &user, &sudo, &["check", "--format", "json"]).exits(0));
    assert_eq!(told["scope"]["users"], serde_json::json!(["root", "ca"]));
}

/// What programs show that root starts elsewhere is looked at, whatever `HOME` is here, and it is said at once.
#[test]
fn the_home_of_the_user_database_counts_where_home_is_none_of_ones_own() {
    if !Host::can_switch_users() || !Path::new("/etc/opensc/opensc.conf").exists() {
        return println!("not root, or no configuration to cover");
    }
    let stand = Stand::start();
    let (root, user) = (stand.host("root"), stand.host("ca"));
    stale(&root);
    let user = user.for_user(CA);
    let foreign = format!("HOME={}", user.home().display());
    for (home, begins) in [
        ("-u HOME", "HOME is not set, "),
        ("HOME=", "HOME is not set, "),
        ("HOME=/nonexistent", "HOME /nonexistent does not exist, "),
        ("HOME=/dev/null", "HOME /dev/null does not exist, "),
        (&foreign, &format!("{} is the home of ca, ", foreign.replace('=', " "))),
    ] {
        let output = as_root_with(&root, &user, home, &["check", "--format", "json"]).exits(1);
        let told = report(&output);
        let sentence = told["verdict"]["sentence"].as_str().unwrap();
        assert!(
            sentence.starts_with(begins) && sentence.contains(" a key that is not on the card"),
            "{sentence}"
        );
        assert!(sentence.contains(&format!("{} was looked at as that of root: ", root.home().display())));
        let [finding] = &found(&told, "stale-key-id")[..] else { panic!("{output}") };
        assert!(finding["user"].is_null(), "{finding:#}");
        let is_theirs = home == foreign;
        assert_eq!(told["scope"]["users"].as_array().unwrap().contains(&"ca".into()), is_theirs, "{output}");
        let output = as_root_with(&root, &user, home, &["check", "--format", "nagios"]).exits(2);
        assert!(output.stdout.contains("stale-key-id"), "{output}");
        // Whoever is named is meant with the home that everybody knows.
        let output =
            as_root_with(&root, &user, home, &["check", "--user", "root", "--format", "json"]).exits(1);
        let told = report(&output);
        assert!(told["scope"]["home"].is_null(), "{output}");
        assert_eq!(found(&told, "stale-key-id").len(), 1, "{output}");
    }
    // What the first line calls for is what the last one does, and then all is well.
    let next = "stalecard flush";
    let output = as_root_with(&root, &user, "-u HOME", &["check"]).exits(1);
    assert!(output.stdout.trim_end().ends_with(next), "{output}");
    as_root_with(&root, &user, "-u HOME", &["flush"]).ok();
    as_root_with(&root, &user, "-u HOME", &["check"]).exits(0);
}

/// Through sudo with the user's `HOME` kept: the user's cache stays the user's, and nobody is told to take it away.
#[test]
fn nobody_is_told_to_take_what_lies_in_anothers_home() {
    if !Host::can_switch_users() || !Path::new("/etc/opensc/opensc.conf").exists() {
        return println!("not root, or no configuration to cover");
    }
    let stand = Stand::start();
    let (root, user) = (stand.host("root"), stand.host("ca"));
    stale(&user);
    let user = user.for_user(CA);
    let home = user.home().display();
    for env in [format!("HOME={home} SUDO_UID={CA}"), format!("HOME={home}")] {
        let output = as_root_with(&root, &user, &env, &["check", "--format", "json"]).exits(1);
        let told = report(&output);
        let [finding] = &found(&told, "stale-key-id")[..] else { panic!("{output}") };
        assert_eq!(finding["user"], "ca", "{finding:#}");
        assert_eq!(told["scope"]["users"], serde_json::json!(["root", "ca"]), "{output}");
        assert!(!output.stdout.contains("chown"), "{output}");
    }
    // What root left in the user's own home is given back, and only that.
    let give = |to: u32| root.sh(&format!("chown -R {to} {}", user.cache().display())).ok();
    give(0);
    let output = as_root_with(&root, &user, "", &["check", "--user", "ca", "--format", "json"]).exits(1);
    assert!(output.stdout.contains(&format!("chown {CA} ")), "{output}");
    give(CA + 1);
    let output = as_root_with(&root, &user, "", &["check", "--user", "ca", "--format", "json"]).exits(1);
    assert_eq!(found(&report(&output), "foreign-owner").len(), 1, "{output}");
    assert!(!output.stdout.contains("chown"), "{output}");
}

/// What `--cache-dir` names is judged as the own OpenSC would read it, and nothing is said of what programs read today.
#[test]
fn a_copy_that_is_named_is_judged_like_the_cache_it_is_a_copy_of() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    let copy = host.home().join("copy");
    host.sh("cp -a .cache/opensc copy").ok();
    let named = ["--cache-dir", copy.to_str().unwrap()];
    let errors = |told: &Value| -> Vec<String> {
        let findings = told["findings"].as_array().unwrap().iter();
        findings.map(|finding| format!("{} {}", finding["id"], finding["severity"])).collect()
    };
    for caching in ["yes", "no"] {
        host.caching(caching);
        let ((code, own), (as_named, told)) = (super::check(&host, &[]), super::check(&host, &named));
        assert_eq!((code, errors(&own)), (as_named, errors(&told)), "{caching} {told:#}");
        assert_eq!(told["verdict"]["state"], own["verdict"]["state"], "{told:#}");
    }
    host.caching("yes");
    host.sh("rm -r .cache").ok();
    let (code, told) = super::check(&host, &named);
    assert_eq!((code, &told["scope"]["directories"]), (1, &serde_json::json!([copy])), "{told:#}");
    let sentence = told["verdict"]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with(&format!("OpenSC, reading {},", copy.display())), "{sentence}");
    let spoken = said(&host.stalecard(&[&["check"], &named[..]].concat()));
    assert!(spoken.contains(&format!("Looked at: {}.", copy.display())), "{spoken}");
    host.stalecard(&[&["flush"], &named[..]].concat()).ok();
    assert_eq!(super::check(&host, &named).0, 0);
}

/// Two users are shown two old keys: each row says whose, and no step does what another one does already.
#[test]
fn of_several_users_each_row_says_whose_and_no_step_comes_twice() {
    if !Host::can_switch_users() || !Path::new("/etc/opensc/opensc.conf").exists() {
        return println!("not root, or no configuration to cover");
    }
    let stand = Stand::start();
    let (root, user) = (stand.host("root"), stand.host("ca"));
    let (of_root, _) = stale(&root);
    let (of_user, live) = stale(&user);
    // Some of it is root's, as after a program that was run through sudo.
    let user = user.for_user(CA);
    root.sh(&format!("chown 0 {}/*_C401", user.cache().display())).ok();
    for whom in [&[][..], &["--all-users"]] {
        let output = as_root(&root, &user, true, &[&["check"], whom].concat()).exits(1);
        let spoken = said(&output);
        for (id, name) in [(&of_root, "root"), (&of_user, "ca")] {
            assert!(spoken.contains(&format!("OpenSC shows {id} to {name} ")), "{output}");
        }
        assert_eq!(spoken.matches(&*live).count(), 1, "{output}");
        assert!(spoken.contains("old public key of each"), "{output}");
        let output = as_root(&root, &user, true, &[&["check", "--format", "json"], whom].concat()).exits(1);
        let told = report(&output);
        let steps = told["steps"].as_array().unwrap().iter();
        let flushes: Vec<String> = steps
            .clone()
            .filter(|step| step["purpose"] == "flush")
            .map(|step| {
                let words: std::collections::BTreeSet<&str> =
                    step["command"].as_str().unwrap().split(' ').collect();
                format!("{words:?}")
            })
            .collect();
        assert_eq!(flushes.len(), 2, "{output}");
        let users = flushes.iter().filter(|words| words.contains("\"ca\"")).count();
        assert_eq!(users, 1, "{output}");
        let restarts = steps.filter(|step| step["purpose"] == "restart").count();
        assert_eq!(restarts, 1, "{output}");
    }
}
