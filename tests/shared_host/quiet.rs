//! Users who mean no harm: whose caches are found, what consent it takes, and what stays.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use crate::scene::{PREFIX, findings, inside};
use crate::support::tree;

#[test]
fn every_cache_of_the_host_is_found_with_its_user() {
    inside("quiet::every_cache_of_the_host_is_found_with_its_user", |scene| {
        scene.user("plain");
        let home = Path::new("/home/boxed");
        scene.user("boxed");
        for place in [
            "snap/firefox/common/.cache/opensc",
            "snap/firefox/4173/.cache/opensc",
            ".var/app/org.mozilla.firefox/cache/opensc",
            ".eid/cache",
        ] {
            fs::create_dir_all(home.join(place)).unwrap();
        }
        scene.give("boxed", home);
        fs::create_dir_all("/var/lib/sss/opensc").unwrap();
        fs::create_dir_all("/var/lib/ca/.cache/opensc").unwrap();
        scene.user_at("ca", Path::new("/var/lib/ca"));
        scene.give("ca", Path::new("/var/lib/ca"));
        scene.user_at("nobody", Path::new("/nonexistent"));
        fs::create_dir_all("/var/lib/shared").unwrap();
        scene.configure(
            "app default { framework pkcs15 { use_file_caching = public; } }\n\
             app one { framework pkcs15 { file_cache_dir = /var/lib/shared; } }\n\
             app two { framework pkcs15 { file_cache_dir = below; } }\n",
        );
        let (code, report) = scene.json(&["ls", "--offline", "--all-users"]);
        assert_eq!(code, 0, "{report:#}");
        let caches = report["caches"].as_array().unwrap();
        let mut seen: Vec<_> = caches
            .iter()
            .map(|cache| {
                let text = |name: &str| cache[name].as_str().unwrap_or("-").to_owned();
                (text("path"), text("user"), text("origin"), text("use_today"))
            })
            .collect();
        seen.sort();
        let row = |path: &str, user: &str, origin: &str, used: &str| {
            (path.to_owned(), user.to_owned(), origin.to_owned(), used.to_owned())
        };
        let theirs = "in-use";
        assert_eq!(
            seen,
            [
                row("/home/boxed/.cache/opensc", "boxed", "default", theirs),
                row("/home/boxed/.eid/cache", "boxed", "former", "dormant"),
                row("/home/boxed/.var/app/org.mozilla.firefox/cache/opensc", "boxed", "sandbox", "unknown"),
                row("/home/boxed/snap/firefox/4173/.cache/opensc", "boxed", "sandbox", "unknown"),
                row("/home/boxed/snap/firefox/common/.cache/opensc", "boxed", "sandbox", "unknown"),
                row("/home/plain/.cache/opensc", "plain", "default", theirs),
                row("/var/lib/ca/.cache/opensc", "ca", "default", theirs),
                row("/var/lib/shared", "-", "configured", "dormant"),
                row("/var/lib/sss/opensc", "-", "service", "unknown"),
            ]
        );
        let gaps = report["coverage"].to_string();
        assert!(gaps.contains("file_cache_dir = below") && gaps.contains("XDG_CACHE_HOME"), "{gaps}");

        // A snapshot of all is judged like the host itself.
        let file = "/mnt/snapshot.json";
        assert!(scene.stalecard(&["snapshot", "--offline", "--all-users", "-o", file]).status.success());
        let (_, again) = scene.json(&["ls", "--snapshot", file]);
        assert_eq!(again["caches"], report["caches"]);
        let (code, one) = scene.json(&["ls", "--offline", "--user", "ca"]);
        assert_eq!((code, one["caches"].as_array().unwrap().len()), (0, 1));
        let (code, named) = scene.json(&["ls", "--offline", "--cache-dir", "/var/lib/shared"]);
        assert_eq!((code, &named["caches"][0]["path"]), (0, &"/var/lib/shared".into()));
        assert_eq!(scene.json(&["ls", "--offline", "--cache-dir", "/var/lib/none"]).0, 3);
        assert_eq!(scene.stalecard(&["ls", "--user", "stranger"]).status.code(), Some(2));
    });
}

#[test]
fn others_data_takes_consent_and_a_repair_is_said_once() {
    inside("quiet::others_data_takes_consent_and_a_repair_is_said_once", |scene| {
        let cache = scene.user("alice");
        let entry = format!("{PREFIX}_C401");
        scene.put("alice", &cache.join(&entry), b"no description");
        // Left behind by sudo.
        fs::write(cache.join(format!("{PREFIX}_CE01")), b"").unwrap();
        chown(cache.join(format!("{PREFIX}_CE01")), Some(0), Some(0)).unwrap();
        scene.put("alice", &cache.join(format!("{PREFIX}_CD01")), b"private-content-71");
        let before = tree(&cache);
        let fix = ["fix", "--offline", "--user", "alice"];
        let (code, report) = scene.json(&fix);
        assert_eq!((code, &report["changed"]), (0, &false.into()), "{report:#}");
        assert_eq!(tree(&cache), before);
        let results = |report: &serde_json::Value| -> Vec<(String, String)> {
            let repairs = report["repairs"].as_array().unwrap().iter();
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let mut all: Vec<_> =
                repairs.map(|repaired| (text(&repaired["id"]), text(&repaired["result"]))).collect();
            all.sort();
            all
        };
        let pair = |id: &str, result: &str| (id.to_owned(), result.to_owned());
        let files = |report: &serde_json::Value| {
            let mut all = results(report);
            all.retain(|(id, _)| !id.starts_with("config") && !id.starts_with("cache-cannot"));
            all
        };
        assert_eq!(
            files(&report),
            [
                pair("damaged-entry", "needs-guarded"),
                pair("foreign-owner", "needs-guarded"),
                pair("secret-in-cache", "needs-unsafe")
            ]
        );
        let rehearsed = [&fix[..], &["--guarded", "--dry-run"]].concat();
        let (code, dry) = scene.json(&rehearsed);
        assert_eq!((code, &dry["changed"]), (0, &true.into()));
        assert_eq!(files(&dry)[0], pair("damaged-entry", "would-try"));
        assert_eq!(tree(&cache), before);

        scene.configure("app default { framework pkcs15 { use_file_caching = no; } }\n");
        let (code, done) = scene.json(&[&fix[..], &["--guarded"]].concat());
        assert_eq!((code, &done["changed"]), (0, &true.into()), "{done:#}");
        assert_eq!(files(&done)[..2], [pair("damaged-entry", "cured"), pair("foreign-owner", "cured")]);
        assert_eq!(tree(&cache).len(), 1);
        let (code, again) = scene.json(&[&fix[..], &["--guarded"]].concat());
        assert_eq!((code, &again["changed"]), (0, &false.into()), "{again:#}");

        // One undo takes back what was taken from both owners.
        let (code, undone) = scene.json(&["undo"]);
        assert_eq!((code, &undone["changed"]), (0, &true.into()), "{undone:#}");
        assert_eq!(tree(&cache), before);

        let (_, gone) = scene.json(&[&fix[..], &["--guarded", "--unsafe"]].concat());
        assert!(files(&gone).contains(&pair("secret-in-cache", "cured")), "{gone:#}");
        assert!(tree(&cache).is_empty());
        assert!(!crate::scene::holds(Path::new("/var/lib/stalecard"), b"private-content-71"));
        let (code, purged) = scene.json(&["quarantine", "purge", "--older-than", "0h"]);
        assert_eq!((code, &purged["changed"]), (0, &true.into()));
        assert_eq!(scene.json(&["quarantine", "list"]).1["operations"], serde_json::json!([]));
    });
}

/// What another user's programs would read again is refused like one's own, with the entry and the command that does it.
#[test]
fn an_undo_that_wakes_another_users_entries_is_refused() {
    inside("quiet::an_undo_that_wakes_another_users_entries_is_refused", |scene| {
        let cache = scene.user("alice");
        let entry = format!("{PREFIX}_C401");
        scene.put("alice", &cache.join(&entry), b"no description");
        let before = tree(&cache);
        scene.configure("app default { framework pkcs15 { use_file_caching = no; } }\n");
        let (code, moved) = scene.json(&["flush", "--all", "--user", "alice", "--guarded"]);
        assert_eq!((code, &moved["changed"]), (0, &true.into()), "{moved:#}");
        assert!(tree(&cache).is_empty());
        scene.configure("app default { framework pkcs15 { use_file_caching = public; } }\n");
        let (code, refused) = scene.json(&["undo"]);
        let state = &refused["undo"]["state"];
        assert_eq!((code, &refused["changed"], state), (2, &false.into(), &"refused".into()), "{refused:#}");
        assert!(refused["revived"].to_string().contains(&entry), "{refused:#}");
        assert!(tree(&cache).is_empty());
        let said = scene.stalecard(&["undo"]);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let operation = refused["undo"]["operation"].as_str().unwrap();
        assert!(said.contains(&entry) && said.contains("--force") && said.contains(operation), "{said}");
        let (code, forced) = scene.json(&["undo", "--force"]);
        assert_eq!((code, &forced["undo"]["state"]), (0, &"undone".into()), "{forced:#}");
        assert_eq!(tree(&cache), before);
    });
}

#[test]
fn what_was_not_named_stays_whatever_is_asked_for() {
    inside("quiet::what_was_not_named_stays_whatever_is_asked_for", |scene| {
        let cache = scene.user("alice");
        let digits = "0123456789abcdef".repeat(4);
        let (can, number) = ("0a1b2c_20240131080000Z_CA4E", b"730194");
        let kept = [can, "lteid_can", digits.as_str(), "notes.txt", "DENK0200834_NODATE"];
        for name in kept {
            scene.put("alice", &cache.join(name), number);
        }
        let certificate = format!("{PREFIX}_CA4E");
        scene.put("alice", &cache.join(&certificate), b"x");
        for arguments in [
            &["fix", "--offline", "--all-users", "--guarded", "--unsafe"][..],
            &["flush", "--all", "--all-users", "--guarded", "--unsafe"],
            &["flush", "--serial", "0a1b2c", "--user", "alice", "--guarded", "--unsafe"],
            &["flush", "--serial", "lteid", "--user", "alice", "--guarded", "--unsafe"],
        ] {
            scene.json(arguments);
            let names: Vec<String> = tree(&cache).keys().map(ToString::to_string).collect();
            assert!(kept.iter().all(|name| names.contains(&(*name).to_owned())), "{arguments:?}: {names:?}");
        }
        assert!(!cache.join(&certificate).exists(), "a certificate 4E is an entry like others");
        let (_, report) = scene.json(&["check", "--offline", "--user", "alice"]);
        let ids: Vec<String> = findings(&report).into_iter().map(|(_, id)| id).collect();
        assert!(ids.contains(&"secret-in-cache".to_owned()) && ids.contains(&"unexpected-file".to_owned()));

        // By name, and only that one, and only with consent.
        let named = ["flush", can, "--user", "alice", "--guarded"];
        assert_eq!(scene.json(&named).1["changed"], false);
        assert_eq!(scene.json(&[&named[..], &["--unsafe"]].concat()).1["changed"], true);
        assert_eq!(tree(&cache).len(), kept.len() - 1);
        let path = cache.join("notes.txt");
        let named = ["flush", path.to_str().unwrap(), "--user", "alice", "--guarded", "--unsafe"];
        assert_eq!(scene.json(&named).1["changed"], true);
        assert_eq!(scene.stalecard(&named).status.code(), Some(0), "it is done already");
        assert_eq!(scene.json(&["undo"]).1["changed"], true);
        assert!(path.exists());

        // No word of a number anywhere.
        for arguments in
            [&["ls", "--user", "alice"][..], &["snapshot", "--user", "alice"], &["quarantine", "list"]]
        {
            let output = scene.stalecard(arguments);
            let said = [output.stdout, output.stderr].concat();
            let hex = b"373330313934";
            assert!(!said.windows(6).any(|window| window == number), "{arguments:?}");
            assert!(!said.windows(hex.len()).any(|window| window == hex), "{arguments:?}");
        }
        for entry in walkdir::WalkDir::new("/var/lib/stalecard").into_iter().flatten() {
            if entry.file_name().to_string_lossy().ends_with(".json") {
                let text = fs::read(entry.path()).unwrap();
                assert!(!text.windows(6).any(|window| window == number), "{}", entry.path().display());
            }
        }
    });
}
