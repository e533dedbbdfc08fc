//! Whose caches: root by way of `sudo` looks at those of whoever called it, and every verdict says whose it is about.
//! `sudo` itself is not needed: what it tells root is its variable `SUDO_UID`, sudo(8).

use std::path::Path;

use super::{found, report, said, stale};
use crate::stand::{Host, Output, PIN, Stand};

/// The number of the user in the user database that root sees.
const CA: u32 = 4711;

/// Runs our program as root, who has a home of his own, on a host with this user and the user's configuration for all.
fn as_root(root: &Host, user: &Host, sudo: bool, arguments: &[&str]) -> Output {
    let passwd = format!(
        "root:x:0:0::{}:/bin/sh\nca:x:{CA}:{CA}::{}:/bin/sh\n",
        root.home().display(),
        user.home().display()
    );
    let passwd = root.scratch("passwd", passwd.as_bytes());
    let sudo = if sudo { format!("SUDO_UID={CA} SUDO_USER=ca") } else { String::new() };
    let line = format!(
        "mount --bind {} /etc/passwd && mount --bind {} /etc/opensc/opensc.conf && exec env {sudo} {} {}",
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
        assert!(output.stdout.starts_with("FAILED  Nothing was moved: 2 files left alone"), "{output}");
        assert!(said(&output).ends_with("Next: stalecard flush --user ca --guarded"), "{output}");
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
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    crate::schema::is_snapshot(&kept);
    assert_eq!(kept["invoked_by"]["uid"], CA);
}
