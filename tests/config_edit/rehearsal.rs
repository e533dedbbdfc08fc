//! `--dry-run` promises nothing that the edit cannot keep: it fails for the same reason, with the same words.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::command::{DISABLE, User};
use crate::files::{OLD, tree};

const NOBODY: u32 = 65534;
const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

fn own(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
}

/// Exit codes and messages of the rehearsal and of the edit, behind `via`.
fn both(user: &User, via: &[&str]) -> [(Option<i32>, String); 2] {
    [&[&DISABLE[..], &["--dry-run"]].concat(), &DISABLE[..]].map(|arguments| {
        let output = user.run(via, arguments);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    })
}

type Via = [String; 4];
type Condition = fn(&User) -> Via;

fn script(line: &str) -> Via {
    ["sh".to_owned(), "-c".to_owned(), format!("{line} && \"$@\""), "sh".to_owned()]
}

fn read_only(dir: &Path) -> Via {
    script(&format!("mount --bind {0} {0} && mount -o remount,ro,bind {0}", dir.display()))
}

fn nobody() -> Via {
    AS_NOBODY.map(str::to_owned)
}

#[test]
fn the_rehearsal_fails_as_the_edit_does() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root can make the conditions");
    }
    let cases: [(&str, Condition); 9] = [
        ("Read-only file system", |user| read_only(&user.path("etc"))),
        ("Read-only file system", |_| read_only(Path::new("/var/lib/stalecard"))),
        ("is a mount point", |user| {
            let conf = user.conf();
            script(&format!("mount --bind {0} {0}", conf.display()))
        }),
        ("2 hard links", |user| {
            fs::hard_link(user.conf(), user.path("other")).unwrap();
            script("true")
        }),
        ("belongs to user 65534; to change another user's file add --guarded", |user| {
            own(&user.conf());
            script("true")
        }),
        ("only that user or root may change it", |user| {
            chown(user.conf(), Some(1), Some(1)).unwrap();
            nobody()
        }),
        // Root's file in root's directory, and in the user's own.
        ("etc: Permission denied", |_| nobody()),
        ("cannot keep the owner of", |user| {
            own(&user.path("etc"));
            nobody()
        }),
        // Nowhere to keep the old file.
        ("the quarantine cannot be used", |user| {
            own(&user.path("etc"));
            own(&user.conf());
            chown(user.path("state"), Some(0), Some(0)).unwrap();
            fs::set_permissions(user.path("state"), Permissions::from_mode(0o755)).unwrap();
            nobody()
        }),
    ];
    for (wanted, prepare) in cases {
        let user = User::new(OLD);
        fs::set_permissions(user.path(""), Permissions::from_mode(0o755)).unwrap();
        own(&user.path("state"));
        let via = prepare(&user);
        let via: Vec<&str> = via.iter().map(String::as_str).collect();
        if via.contains(&"sh") {
            chown(user.path("state"), Some(0), Some(0)).unwrap();
        }
        let before = tree(&user.path("etc"));
        let [rehearsed, edited] = both(&user, &via);
        assert_eq!(rehearsed.0, Some(2), "{wanted}: {rehearsed:?}");
        assert!(rehearsed.1.contains(wanted), "{wanted}: {rehearsed:?}");
        assert_eq!(rehearsed, edited);
        assert_eq!(tree(&user.path("etc")), before, "{wanted}");
        assert!(tree(&user.path("state")).is_empty(), "{wanted}: {:?}", tree(&user.path("state")));
        println!("{}", edited.1.trim_end());
    }
}

/// An immutable file is not found out by trying to write into its directory.
#[test]
fn an_immutable_file() {
    let user = User::new(OLD);
    let conf = user.conf();
    let line = format!(
        "chattr +i {0} 2>/dev/null || exit 77; \"$@\"; code=$?; chattr -i {0}; exit $code",
        conf.display()
    );
    let [rehearsed, edited] = both(&user, &["sh", "-c", &line, "sh"]);
    if rehearsed.0 == Some(77) {
        return eprintln!("skipped: this user or file system has no immutable files");
    }
    assert_eq!(rehearsed.0, Some(2), "{rehearsed:?}");
    assert!(rehearsed.1.contains("cannot replace") && rehearsed.1.contains("not permitted"), "{rehearsed:?}");
    assert_eq!(rehearsed, edited);
    assert_eq!(user.text(), OLD);
}

/// Nor is an append-only one, or an append-only directory, in which a new file could be made and not be renamed.
#[test]
fn an_append_only_file_or_directory() {
    for what in ["opensc.conf", ""] {
        let user = User::new(OLD);
        let path = user.conf().with_file_name(what);
        let line = format!(
            "chattr +a {0} 2>/dev/null || exit 77; \"$@\"; code=$?; chattr -a {0}; exit $code",
            path.display()
        );
        let before = tree(&user.path("etc"));
        let [rehearsed, edited] = both(&user, &["sh", "-c", &line, "sh"]);
        if rehearsed.0 == Some(77) {
            return eprintln!("skipped: this user or file system has no append-only files");
        }
        assert_eq!(rehearsed.0, Some(2), "{what}: {rehearsed:?}");
        assert!(rehearsed.1.contains("not permitted"), "{what}: {rehearsed:?}");
        assert_eq!(rehearsed, edited);
        assert_eq!(tree(&user.path("etc")), before, "{what}");
    }
}

/// What only writing can tell, and what needs no writing at all.
#[test]
fn a_full_disk_is_found_out_by_writing_and_nothing_to_change_needs_no_permission() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root can mount a small disk");
    }
    let user = User::new(OLD);
    let etc = user.path("etc").display().to_string();
    let full = format!(
        "cp {etc}/opensc.conf /run/.stalecard-$$ && mount -t tmpfs -o size=8k,mode=755 tmpfs {etc} && \
         mv /run/.stalecard-$$ {etc}/opensc.conf && {{ head -c 64k /dev/zero >{etc}/fill 2>/dev/null || true; }} && \"$@\""
    );
    let [rehearsed, edited] = both(&user, &["sh", "-c", &full, "sh"]);
    assert_eq!((rehearsed.0, edited.0), (Some(0), Some(2)), "{edited:?}");
    assert!(
        edited.1.contains("No space left") && edited.1.contains("the configuration was not changed"),
        "{edited:?}"
    );

    let user = User::new(&OLD.replace("yes", "no"));
    let via = read_only(&user.path("etc"));
    for (code, error) in both(&user, &via.each_ref().map(String::as_str)) {
        assert_eq!(code, Some(0), "{error}");
    }
}
