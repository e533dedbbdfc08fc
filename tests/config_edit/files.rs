//! The file itself: what is kept, what is refused, what is taken back.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use stalecard::repair::config::{
    Error, Goal, Planned, Refusal, Request, Scope, Target, Written, check, plan, write,
};
use stalecard::repair::{OperationState, StateDir, UndoOutcome, UndoState, operations, undo};
use stalecard::safe_fs;
use tempfile::TempDir;

use crate::meaning::INSTALLED;

pub const OLD: &str = "app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = yes; # all\n\t}\n}\n";

/// A directory with a configuration, and a quarantine beside it.
pub struct Scene {
    pub home: TempDir,
    pub state_home: TempDir,
}

impl Scene {
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// In memory, where thousands of `fsync` cost nothing.
    pub fn in_memory() -> Self {
        let shm = Path::new("/dev/shm");
        if shm.is_dir() { Self::within(shm) } else { Self::new() }
    }

    fn within(dir: &Path) -> Self {
        let scene = Self { home: TempDir::new_in(dir).unwrap(), state_home: TempDir::new_in(dir).unwrap() };
        fs::create_dir(scene.etc()).unwrap();
        fs::set_permissions(scene.etc(), Permissions::from_mode(0o755)).unwrap();
        fs::write(scene.conf(), OLD).unwrap();
        fs::set_permissions(scene.conf(), Permissions::from_mode(0o640)).unwrap();
        scene
    }

    pub fn etc(&self) -> PathBuf {
        self.home.path().join("etc")
    }

    pub fn conf(&self) -> PathBuf {
        self.etc().join("opensc.conf")
    }

    pub fn state(&self) -> StateDir {
        StateDir::at(self.state_home.path().join("stalecard"))
    }

    pub fn text(&self) -> String {
        fs::read_to_string(self.conf()).unwrap()
    }

    /// Everything beside the configuration, by name.
    pub fn tree(&self) -> BTreeMap<String, String> {
        tree(&self.etc())
    }

    pub fn off(&self) -> Result<Written, Error> {
        off(&self.conf(), false, &self.state())
    }
}

/// A user's own, a label, and an access list: owner rw-, user 1 r--, group r--, mask r--, others ---.
const ATTRIBUTES: [(&str, &[u8]); 3] = [
    ("user.origin", b"hand"),
    ("security.selinux", b"system_u:object_r:etc_t:s0\0"),
    (
        "system.posix_acl_access",
        b"\x02\0\0\0\
          \x01\0\x06\0\xff\xff\xff\xff\
          \x02\0\x04\0\x01\0\0\0\
          \x04\0\x04\0\xff\xff\xff\xff\
          \x10\0\x04\0\xff\xff\xff\xff\
          \x20\0\0\0\xff\xff\xff\xff",
    ),
];

pub fn tree(dir: &Path) -> BTreeMap<String, String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap_or_default())
        })
        .collect()
}

pub fn new_text() -> String {
    OLD.replace("yes", "no")
}

pub fn off(path: &Path, guarded: bool, state: &StateDir) -> Result<Written, Error> {
    off_with(path, guarded, state, |request, planned, text| {
        check(request, Some(OLD.as_bytes()), text).map(|()| drop(planned.clone()))
    })
}

/// `verify` looks at the new file.
fn off_with(
    path: &Path,
    guarded: bool,
    state: &StateDir,
    verify: impl Fn(&Request<'_>, &Planned, &[u8]) -> Result<(), Refusal>,
) -> Result<Written, Error> {
    let target = Target::open(path, guarded)?;
    let name = target.path();
    let request = Request { path: &name, goal: Goal::Off, scope: &Scope::All, installed: Some(INSTALLED) };
    let planned = plan(target.text(), &request)?;
    write(&target, &planned, "test", &|text| verify(&request, &planned, text), state)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn what_is_kept() {
    let scene = Scene::new();
    if is_root() {
        chown(scene.conf(), Some(0), Some(1)).unwrap();
    }
    // What this file system and this user allow of them.
    let attributes: Vec<_> = ATTRIBUTES
        .into_iter()
        .filter(|(name, value)| {
            let file = fs::File::open(scene.conf()).unwrap();
            rustix::fs::fsetxattr(&file, *name, value, rustix::fs::XattrFlags::empty()).is_ok()
        })
        .collect();
    let before = fs::metadata(scene.conf()).unwrap();
    let written = scene.off().unwrap();
    let after = fs::metadata(scene.conf()).unwrap();
    assert_eq!(scene.text(), new_text());
    assert_eq!((before.mode(), before.uid(), before.gid()), (after.mode(), after.uid(), after.gid()));
    assert_ne!(before.ino(), after.ino(), "a reader of the old file goes on reading it");
    let backup = written.backup.unwrap();
    for path in [scene.conf(), backup.as_path().to_path_buf()] {
        assert_eq!(fs::metadata(&path).unwrap().mode(), before.mode());
        for (name, expected) in &attributes {
            let mut value = [0; 100];
            let length = rustix::fs::getxattr(&path, *name, &mut value[..]).unwrap();
            assert_eq!(&value[..length], *expected, "{name}");
        }
    }
    println!("extended attributes compared: {:?}", attributes.iter().map(|a| a.0).collect::<Vec<_>>());
    assert_eq!(fs::read_to_string(backup.as_path()).unwrap(), OLD);
    assert!(backup.to_string().contains("/opensc.conf.stalecard-20"), "{backup}");
    assert_eq!(scene.tree().len(), 2);
    let listed = operations(&scene.state()).unwrap();
    assert_eq!((listed[0].state.clone(), listed[0].edits[0].done), (OperationState::Done, true));
}

#[test]
fn through_a_symbolic_link_to_its_target() {
    let scene = Scene::new();
    fs::create_dir(scene.etc().join("real")).unwrap();
    fs::rename(scene.conf(), scene.etc().join("real/x.conf")).unwrap();
    symlink("second", scene.conf()).unwrap();
    symlink(scene.etc().join("real/x.conf"), scene.etc().join("second")).unwrap();
    let written = scene.off().unwrap();
    assert!(fs::symlink_metadata(scene.conf()).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(scene.etc().join("real/x.conf")).unwrap(), new_text());
    assert!(written.backup.unwrap().to_string().contains("/real/x.conf.stalecard-"));
    // A loop, and a link whose target is not there.
    symlink("loop", scene.etc().join("loop")).unwrap();
    assert!(Target::open(&scene.etc().join("loop"), false).is_err());
    symlink("nowhere", scene.etc().join("dangling")).unwrap();
    assert_eq!(
        Target::open(&scene.etc().join("dangling"), false).unwrap().path().as_path(),
        scene.etc().join("nowhere")
    );
}

#[test]
fn what_is_refused() {
    let scene = Scene::new();
    let refused = |error: Result<Written, Error>| error.unwrap_err();
    let before = scene.tree();
    fs::hard_link(scene.conf(), scene.home.path().join("other")).unwrap();
    assert!(matches!(refused(scene.off()), Error::HardLinks { links: 2, .. }));
    fs::remove_file(scene.home.path().join("other")).unwrap();
    for mode in [0o777, 0o1777, 0o775] {
        fs::set_permissions(scene.etc(), Permissions::from_mode(mode)).unwrap();
        let error = refused(scene.off());
        let private_group = mode == 0o775 && !is_root();
        assert!(
            matches!(error, Error::File(safe_fs::Error::Unsafe { .. })) || private_group,
            "{mode:o} {error}"
        );
    }
    fs::set_permissions(scene.etc(), Permissions::from_mode(0o755)).unwrap();
    let fifo = scene.home.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    for special in [fifo, scene.etc()] {
        assert!(matches!(
            refused(off(&special, false, &scene.state())),
            Error::File(safe_fs::Error::Special { .. })
        ));
    }
    let nowhere = scene.etc().join("missing/opensc.conf");
    assert!(matches!(refused(off(&nowhere, false, &scene.state())), Error::NoDirectory { .. }));
    fs::write(scene.etc().join("big"), vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(matches!(refused(off(&scene.etc().join("big"), false, &scene.state())), Error::TooBig { .. }));
    fs::remove_file(scene.etc().join("big")).unwrap();
    assert_eq!(scene.tree(), before);
    assert!(operations(&scene.state()).unwrap().is_empty());
}

#[test]
fn another_users_file() {
    if !is_root() {
        return eprintln!("skipped: only root can have another user's file");
    }
    let scene = Scene::new();
    for owned in [scene.etc(), scene.conf()] {
        chown(owned, Some(65534), Some(65534)).unwrap();
    }
    let refused = scene.off().unwrap_err();
    assert!(matches!(refused, Error::NeedsGuarded { uid: 65534, .. }), "{refused}");
    assert_eq!(scene.text(), OLD);
    off(&scene.conf(), true, &scene.state()).unwrap();
    assert_eq!(scene.text(), new_text());
    assert_eq!(fs::metadata(scene.conf()).unwrap().uid(), 65534);
    // Root's file in a user's directory is that user's to exchange.
    let scene = Scene::new();
    chown(scene.etc(), Some(65534), Some(65534)).unwrap();
    assert!(matches!(scene.off().unwrap_err(), Error::File(safe_fs::Error::Unsafe { .. })));
    // A link that the user placed is not followed even so.
    fs::remove_file(scene.conf()).unwrap();
    symlink("/etc/passwd", scene.conf()).unwrap();
    let error = off(&scene.conf(), true, &scene.state()).unwrap_err();
    assert!(matches!(error, Error::File(safe_fs::Error::UntrustedLink { .. })), "{error}");
}

#[test]
fn undo_brings_the_old_bytes_back() {
    let scene = Scene::new();
    let before = scene.tree();
    let written = scene.off().unwrap();
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.state, undone.changed), (UndoState::Undone, true));
    assert_eq!(undone.operation, Some(written.operation));
    assert_eq!(scene.tree(), before, "and the copy beside it is gone");
    assert_eq!(fs::metadata(scene.conf()).unwrap().mode() & 0o7777, 0o640);
    let again = undo(&scene.state(), None, false).unwrap();
    assert_eq!((again.state, again.changed), (UndoState::NothingToUndo, false));
    assert_eq!(operations(&scene.state()).unwrap()[0].state, OperationState::Undone);
}

#[test]
fn undo_does_not_overwrite_what_came_later() {
    let scene = Scene::new();
    scene.off().unwrap();
    fs::write(scene.conf(), "# mine\n").unwrap();
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.state, undone.changed), (UndoState::Conflict, false));
    assert_eq!(scene.text(), "# mine\n");
    let forced = undo(&scene.state(), None, true).unwrap();
    assert_eq!(forced.state, UndoState::Undone);
    let UndoOutcome::Replaced(kept) = &forced.files[0].outcome else { panic!("{forced:?}") };
    assert_eq!(fs::read_to_string(kept.as_path()).unwrap(), "# mine\n");
    assert_eq!(scene.text(), OLD);

    // Removed meanwhile.
    scene.off().unwrap();
    fs::remove_file(scene.conf()).unwrap();
    assert_eq!(undo(&scene.state(), None, false).unwrap().state, UndoState::Conflict);
    assert_eq!(undo(&scene.state(), None, true).unwrap().state, UndoState::Undone);
    assert_eq!(scene.text(), OLD);
    assert_eq!(fs::metadata(scene.conf()).unwrap().mode() & 0o7777, 0o640);
    // Put back by hand.
    scene.off().unwrap();
    fs::write(scene.conf(), OLD).unwrap();
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.state, &undone.files[0].outcome), (UndoState::Undone, &UndoOutcome::InPlace));
    assert_eq!(scene.tree().len(), 1, "{:?}", scene.tree());
}

#[test]
fn a_file_that_was_not_there() {
    let scene = Scene::new();
    fs::remove_file(scene.conf()).unwrap();
    let written = off_with(&scene.conf(), false, &scene.state(), |_, _, _| Ok(())).unwrap();
    assert_eq!(written.backup, None);
    assert_eq!(fs::metadata(scene.conf()).unwrap().mode() & 0o7777, 0o644);
    assert!(scene.text().contains("use_file_caching = no;"));
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.state, undone.changed), (UndoState::Undone, true));
    assert!(scene.tree().is_empty());
    assert_eq!(undo(&scene.state(), None, false).unwrap().state, UndoState::NothingToUndo);
}

#[test]
fn a_broken_promise_puts_the_old_file_back() {
    let broken = |request: &Request<'_>, _: &Planned, _: &[u8]| {
        Err(Refusal::NotReached {
            path: request.path.clone(),
            program: "x".into(),
            version: INSTALLED,
            what: "it is on".into(),
        })
    };
    let scene = Scene::new();
    let before = scene.tree();
    let error = off_with(&scene.conf(), false, &scene.state(), broken).unwrap_err();
    assert!(matches!(error, Error::Restored { .. }), "{error}");
    assert!(error.to_string().contains("it is on") && error.to_string().contains("put back"), "{error}");
    assert_eq!(scene.tree(), before);
    fs::remove_file(scene.conf()).unwrap();
    assert!(off_with(&scene.conf(), false, &scene.state(), broken).is_err());
    assert!(scene.tree().is_empty());
    assert!(operations(&scene.state()).unwrap().is_empty());
    // Somebody was faster.
    fs::write(scene.conf(), OLD).unwrap();
    let target = Target::open(&scene.conf(), false).unwrap();
    let name = target.path();
    let request = Request { path: &name, goal: Goal::Off, scope: &Scope::All, installed: None };
    let planned = plan(target.text(), &request).unwrap();
    fs::write(scene.conf(), "# mine\n").unwrap();
    let error = write(&target, &planned, "test", &|_| Ok(()), &scene.state()).unwrap_err();
    assert!(matches!(error, Error::File(safe_fs::Error::Swapped(_))), "{error}");
    assert_eq!(scene.tree(), BTreeMap::from([("opensc.conf".to_owned(), "# mine\n".to_owned())]));
}

/// Runs [`child`] in `role` behind a line of shell, as root in mounts of its own.
fn run_inside(scene: &Scene, role: &str, setup: &str) -> Output {
    let line = format!("set -e; {setup}; exec $VIA \"$0\" --exact files::child --nocapture --test-threads=1");
    Command::new("unshare")
        .args(["--mount", "sh", "-c", &line])
        .arg(std::env::current_exe().unwrap())
        .env("STALECARD_EDIT_ROLE", role)
        .env("STALECARD_EDIT_ETC", scene.etc())
        .env("STALECARD_EDIT_STATE", scene.state_home.path().join("stalecard"))
        .env("ETC", scene.etc())
        .env("STATE", scene.state_home.path())
        .output()
        .unwrap()
}

/// Not a test by itself: an edit under conditions made by the parent.
#[test]
fn child() {
    let Ok(role) = std::env::var("STALECARD_EDIT_ROLE") else { return };
    let path = |variable| PathBuf::from(std::env::var_os(variable).unwrap());
    let (etc, state) = (path("STALECARD_EDIT_ETC"), path("STALECARD_EDIT_STATE"));
    let before = tree(&etc);
    let result = off(&etc.join("opensc.conf"), false, &StateDir::at(state.clone()));
    match role.as_str() {
        "works" => drop(result.unwrap()),
        wanted => {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
            assert_eq!(tree(&etc), before, "nothing changed, no debris");
            let kept = operations(&StateDir::at(state.clone())).map(|kept| kept.len());
            assert!(matches!(kept, Ok(0) | Err(_)), "{kept:?}");
            let names: Vec<String> =
                if state.is_dir() { tree(&state).into_keys().collect() } else { Vec::new() };
            assert!(names.iter().all(|name| name == "lock"), "{names:?}");
            println!("as it should: {error}");
        }
    }
}

#[test]
fn no_room_no_writing_no_permission() {
    if !is_root() {
        return eprintln!("skipped: only root can mount a small disk");
    }
    const COPY: &str = "cp $ETC/opensc.conf /tmp/.stalecard-edit-$$; mount -t tmpfs -o SIZE,mode=755 tmpfs $ETC; \
                        mv /tmp/.stalecard-edit-$$ $ETC/opensc.conf";
    let fill = |pages: u32| {
        format!("; head -c 1M /dev/zero >$ETC/fill 2>/dev/null || truncate -s -{} $ETC/fill", pages * 4096)
    };
    let small = |pages| COPY.replace("SIZE", "size=64k") + &fill(pages);
    for (role, setup) in [
        // No room for the copy; room for the copy but not for the new file; room for both.
        ("No space left", small(0)),
        ("No space left", small(1)),
        ("works", small(2)),
        ("Read-only file system", COPY.replace("SIZE", "size=64k") + "; mount -o remount,ro $ETC"),
        // The quarantine is full or read-only: nothing is begun.
        ("No space left", "mount -t tmpfs -o size=16k,nr_inodes=3 tmpfs $STATE; chmod 700 $STATE".to_owned()),
        ("Read-only file system", "mount -t tmpfs -o ro tmpfs $STATE".to_owned()),
        (
            "Permission denied",
            "chmod 755 $ETC $ETC/.. $STATE; chmod 644 $ETC/opensc.conf; chown 65534 $STATE; \
             VIA='setpriv --reuid=65534 --regid=65534 --clear-groups'"
                .to_owned(),
        ),
    ] {
        let scene = Scene::new();
        let output = run_inside(&scene, role, &setup);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{setup}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("1 passed"), "{said}");
        said.lines().filter(|line| line.contains("as it should")).for_each(|line| println!("{line}"));
    }
}
