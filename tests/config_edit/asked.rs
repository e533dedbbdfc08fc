//! `undo` asks what `enable-cache` asks: whether stale entries would come back to life.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::command::{DISABLE, ENABLE, User};
use crate::files::{OLD, new_text};

const ENTRY: &str = "DENK0200834_NODATE_E82B0601040181C31F0201_C401";

const RECORDED: &[u8] = include_bytes!(
    "../../fixtures/recordings/sc-hsm/5-keys-cache/DENK0200834_NODATE_E82B0601040181C31F0201_C401"
);

/// An entry of a card that cannot be read.
fn entry(user: &User, dir: &str) -> PathBuf {
    fs::create_dir_all(user.path(dir)).unwrap();
    let path = user.path(dir).join(ENTRY);
    fs::write(&path, RECORDED).unwrap();
    path
}

#[test]
fn what_disable_cache_put_to_sleep_is_not_woken_by_undo() {
    let user = User::new(OLD);
    let entry = entry(&user, "cache/opensc");
    let (_, done) = user.json(&DISABLE);
    let id = done["edit"]["operation"].as_str().unwrap().to_owned();
    let kept = user.path("etc");
    let before: Vec<_> = fs::read_dir(&kept).unwrap().map(|e| e.unwrap().file_name()).collect();

    let (code, refused) = user.json(&["undo"]);
    assert_eq!((code, &refused["changed"], &refused["undo"]["state"]), (2, &json!(false), &json!("refused")));
    assert_eq!(refused["undo"]["files"][0]["outcome"], "waiting");
    let directory = user.path("cache/opensc");
    assert_eq!(
        refused["revived"],
        json!([{"directory": directory, "name": ENTRY, "why": "its card was not read"}])
    );
    assert_eq!(user.text(), new_text());
    let after: Vec<_> = fs::read_dir(&kept).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(before, after, "nothing moved");
    let (code, out, _) = user.stalecard(&["undo"]);
    assert_eq!(code, 2);
    crate::text::readable(&out);
    // The flush that is advised becomes the newest operation: the edit has to be named then.
    assert!(out.contains(ENTRY) && out.contains(&format!("`stalecard undo {id}`")), "{out}");

    user.stalecard(&["flush", "--all"]);
    assert!(!entry.exists());
    let (code, undone) = user.json(&["undo", &id]);
    assert_eq!((code, &undone["changed"], &undone["revived"]), (0, &json!(true), &json!([])), "{undone}");
    assert!(undone["notes"].to_string().contains("other users"), "{undone}");
    assert_eq!(user.text(), OLD);
    let (code, again) = user.json(&["undo", &id]);
    assert_eq!((code, &again["undo"]["state"], &again["notes"]), (0, &json!("already-undone"), &json!([])));
}

#[test]
fn force_wakes_them_and_says_so() {
    let user = User::new(OLD);
    entry(&user, "cache/opensc");
    assert_eq!(user.json(&DISABLE).0, 0);
    let (code, out, _) = user.stalecard(&["undo", "--force"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("comes alive again") && out.contains(ENTRY) && out.contains("is undone"), "{out}");
    assert_eq!(user.text(), OLD);
}

#[test]
fn a_conflict_is_told_first() {
    let user = User::new(OLD);
    entry(&user, "cache/opensc");
    assert_eq!(user.json(&DISABLE).0, 0);
    fs::write(user.conf(), "# mine\n").unwrap();
    let (code, undone) = user.json(&["undo"]);
    assert_eq!((code, &undone["undo"]["state"]), (2, &json!("conflict")));
    assert_eq!(user.text(), "# mine\n");
}

/// Nothing is asked where nothing is switched on: an edit that had switched caching on, one of a file that
/// OpenSC does not read here, and one of a program that goes on caching all the same.
#[test]
fn nothing_is_asked_where_nothing_wakes() {
    let undone = |user: &User| {
        let (code, undone) = user.json(&["undo"]);
        assert_eq!((code, &undone["undo"]["state"]), (0, &json!("undone")), "{undone}");
        undone["revived"].clone()
    };
    let user = User::new(&new_text());
    entry(&user, "cache/opensc");
    assert_eq!(user.json(&[&ENABLE[..], &["--force"]].concat()).0, 0);
    assert_eq!(undone(&user), json!([]));

    let other = user.path("etc/other.conf");
    fs::write(&other, OLD).unwrap();
    assert_eq!(user.json(&[&DISABLE[..], &["--file", other.to_str().unwrap()]].concat()).0, 0);
    assert_eq!(undone(&user), json!([]));

    // With caching on as it was, the entries are shown already; nothing new comes of `yes` for `public`.
    let user = User::new(&OLD.replace("yes", "public"));
    entry(&user, "cache/opensc");
    let (code, done) = user.json(&[&ENABLE[..], &["--value", "yes"]].concat());
    assert_eq!((code, &done["changed"]), (0, &Value::Bool(true)), "{done}");
    assert_eq!(undone(&user), json!([]));
}

/// A program of its own, with a cache of its own: both commands look there too.
#[test]
fn a_block_of_its_own_has_a_cache_of_its_own() {
    let user = User::new(&new_text());
    let text = format!(
        "{}app pkcs15-init {{\n\tframework pkcs15 {{\n\t\tuse_file_caching = no;\n\t\tfile_cache_dir = {};\n\t}}\n}}\n",
        new_text(),
        user.path("own").display()
    );
    fs::write(user.conf(), &text).unwrap();
    entry(&user, "own");
    let enable = [&ENABLE[..], &["--app", "pkcs15-init"]].concat();
    let (code, refused) = user.json(&enable);
    assert_eq!((code, &refused["edit"]["refused"]), (2, &json!(true)), "{refused}");
    assert_eq!(refused["edit"]["revived"][0]["directory"], json!(user.path("own")));
    assert_eq!(user.text(), text);
    // The cache of all others stays asleep, and is not in the way.
    fs::remove_file(user.path("own").join(ENTRY)).unwrap();
    entry(&user, "cache/opensc");
    assert_eq!(user.json(&enable).0, 0);
    assert_eq!(user.json(&[&DISABLE[..], &["--app", "pkcs15-init"]].concat()).0, 0);
    assert_eq!(user.text(), text);
    fs::write(user.path("own").join(ENTRY), RECORDED).unwrap();
    let (code, refused) = user.json(&["undo"]);
    assert_eq!((code, refused["revived"].as_array().unwrap().len()), (2, 1), "{refused}");
    assert_eq!(user.text(), text);
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let user = User::new(
        "app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t\tfile_cache_dir = cache;\n\t}\n}\n",
    );
    let (code, done) = user.json(&ENABLE);
    assert_eq!((code, &done["changed"]), (0, &json!(true)));
    let notes = done["edit"]["notes"].to_string();
    assert!(notes.contains("was not looked at for pkcs15-tool and ") && notes.contains("relative"), "{done}");
    assert_eq!(notes.matches("was not looked at").count(), 1, "{done}");

    // A cache that is open to nobody, and nothing of a directory.
    let user = User::new(&new_text());
    fs::remove_dir(user.path("cache/opensc")).unwrap();
    fs::write(user.path("cache/opensc"), b"x").unwrap();
    let (code, done) = user.json(&ENABLE);
    assert_eq!((code, &done["changed"]), (0, &json!(true)));
    assert!(done["edit"]["notes"].to_string().contains("could not be looked at"), "{done}");
}

/// What `fix` took and switched off in one run comes back in one; what it brings back with it is asked about, and
/// what lay in the cache besides.
#[test]
fn a_fix_is_taken_back_whole_or_not_at_all() {
    let user = User::new(OLD);
    let taken = entry(&user, "cache/opensc");
    fs::write(&taken, b"old").unwrap();
    let fix = ["fix", "--offline", "--guarded"];
    let (code, fixed) = user.json(&fix);
    assert_eq!((code, &fixed["changed"]), (0, &json!(true)), "{fixed:#}");
    assert!(!taken.exists() && user.text() == new_text(), "{fixed:#}");
    // In one stroke caching would be on, and the entry would be there for it.
    let (code, refused) = user.json(&["undo"]);
    assert_eq!((code, &refused["changed"], &refused["undo"]["state"]), (2, &json!(false), &json!("refused")));
    assert_eq!(refused["revived"][0]["name"], ENTRY, "{refused:#}");
    assert!(!taken.exists() && user.text() == new_text(), "nothing moved");
    let (code, undone) = user.json(&["undo", "--force"]);
    assert_eq!((code, &undone["undo"]["state"]), (0, &json!("undone")), "{undone:#}");
    assert!(taken.exists() && user.text() == OLD);

    assert_eq!(user.json(&fix).0, 0);
    let came = taken.with_file_name(ENTRY.replace("C401", "C402"));
    fs::write(&came, RECORDED).unwrap();
    let (code, refused) = user.json(&["undo"]);
    assert_eq!((code, &refused["changed"], &refused["undo"]["state"]), (2, &json!(false), &json!("refused")));
    assert!(!taken.exists() && user.text() == new_text(), "nothing moved");
    let (code, undone) = user.json(&["undo", "--force"]);
    assert_eq!((code, &undone["undo"]["state"]), (0, &json!("undone")), "{undone:#}");
    assert!(taken.exists() && user.text() == OLD);
}

/// A user whose configuration is root's is told what an edit would be, and that it takes root.
#[test]
fn fix_rehearses_nothing_that_was_not_agreed_to() {
    let user = User::new(OLD);
    fs::write(entry(&user, "cache/opensc"), b"old").unwrap();
    let line =
        format!("mount --bind {0} {0} && mount -o remount,ro,bind {0} && \"$@\"", user.path("etc").display());
    let run = |arguments: &[&str]| user.run(&["sh", "-c", &line, "sh"], arguments).status.code();
    if rustix::process::geteuid().is_root() {
        assert_eq!(run(&["fix", "--offline", "--dry-run"]), Some(0));
        assert_eq!(run(&["fix", "--offline", "--dry-run", "--guarded"]), Some(2));
    }
}
