//! A disk that becomes full at every point on the way: what is said is true, and what moved can come back.
//!
//! Each case runs once more in a mount namespace, with a small file system under the quarantine, under the cache,
//! or under both.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use stalecard::repair::{Consent, Outcome, StateDir, UndoState, apply, operations, rehearse_in, undo};
use stalecard::snapshot::ByteString;

use crate::support::{is_root, observe, plan_of, tree};

const INSIDE: &str = "STALECARD_TEST_FULL_DISK";
const ENTRIES: usize = 6;

/// Where the small file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Small {
    Quarantine,
    Both,
}

#[test]
fn every_fill_level_is_told_truly_and_taken_back() {
    if !is_root() {
        return eprintln!("skipped: only root can mount a small disk");
    }
    let test = "full_disk::every_fill_level_is_told_truly_and_taken_back";
    if std::env::var_os(INSIDE).is_none() {
        let output = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        eprintln!("{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "failed inside");
        return;
    }
    let mut levels = [0; 4];
    for small in [Small::Quarantine, Small::Both] {
        // Pages left; and then files left.
        for left in 0..16 {
            levels[0] += 1;
            levels[1] += usize::from(at_level(small, Left::Pages(left)));
        }
        for left in 0..16 {
            levels[2] += 1;
            levels[3] += usize::from(at_level(small, Left::Files(left)));
        }
    }
    eprintln!(
        "{} levels of pages ({} of them moved something), {} of files ({})",
        levels[0], levels[1], levels[2], levels[3]
    );
    assert!(levels[1] > 4 && levels[1] < levels[0] && levels[3] > 4 && levels[3] < levels[2], "{levels:?}");
}

#[derive(Debug, Clone, Copy)]
enum Left {
    Pages(usize),
    Files(usize),
}

struct World {
    disk: PathBuf,
    cache: PathBuf,
    state: PathBuf,
}

/// Whether anything moved.
fn at_level(small: Small, left: Left) -> bool {
    let at = format!("{small:?} {left:?}");
    let world = World::new(small);
    let before = tree(&world.cache);
    let plan = plan_of(&observe(&world.cache).0);
    let state = StateDir::at(world.state.clone());
    world.leave(left);
    let rehearsed = rehearse_in(&plan, &Consent::safe(), &state);
    assert_eq!(tree(&world.cache), before, "{at}");
    let moved = match apply(&plan, &Consent::safe(), &state) {
        Err(error) => {
            assert!(error.to_string().contains("No space left"), "{at}: {error}");
            assert!(!error.to_string().contains("changed"), "{at}: {error}");
            assert_eq!(tree(&world.cache), before, "{at}: nothing moved");
            assert!(listed(&state).is_empty(), "{at}: and no operation says so");
            0
        }
        Ok(applied) => {
            let moved: Vec<&ByteString> = applied
                .steps
                .iter()
                .filter(|step| step.outcome == Outcome::Moved)
                .map(|step| &step.name)
                .collect();
            let now = tree(&world.cache);
            for (name, seen) in &before {
                assert_eq!(now.get(name) == Some(seen), !moved.contains(&name), "{at}: {name}: {applied:?}");
            }
            assert_eq!(applied.changed, !moved.is_empty(), "{at}");
            assert_eq!(applied.operation.is_some(), !moved.is_empty(), "{at}: {applied:?}");
            assert_eq!(listed(&state).values().sum::<usize>(), moved.len(), "{at}");
            moved.len()
        }
    };
    // What the rehearsal promised held, and what it refused did not work, unless a bound was only near.
    match &rehearsed {
        Err(error) => assert!(error.to_string().contains("No space left"), "{at}: {error}"),
        // The copies are counted one by one, and each may want for room alone.
        Ok(promised) => assert!(promised.changed || promised.failed() && moved == 0, "{at}: {promised:?}"),
    }
    assert!(moved == 0 || rehearsed.is_ok(), "{at}: refused, and {moved} were moved");
    // The disk is full to the brim now, and the undo has to do with what there is.
    world.fill();
    if moved > 0 {
        let undone = undo(&state, None, false);
        match &undone {
            Ok(undone) => {
                let whole = tree(&world.cache) == before;
                assert_eq!(undone.state == UndoState::Undone, whole, "{at}: {undone:?}");
                assert!(whole, "{at}: {undone:?}");
            }
            Err(error) => {
                assert!(error.to_string().contains("could not be written down"), "{at}: {error}");
                assert_eq!(tree(&world.cache), before, "{at}: {error}");
            }
        }
        // Repeated on the same disk it changes nothing and is content.
        let again = undo(&state, None, false).unwrap();
        let is_over = matches!(again.state, UndoState::AlreadyUndone | UndoState::NothingToUndo);
        assert!(is_over && !again.changed, "{at}: {again:?}");
        assert_eq!(tree(&world.cache), before, "{at}");
    }
    // With room again everything works.
    world.make_room();
    assert_eq!(tree(&world.cache), before, "{at}");
    let applied = apply(&plan_of(&observe(&world.cache).0), &Consent::safe(), &state).unwrap();
    assert!(applied.changed && !applied.failed(), "{at}: {applied:?}");
    assert_eq!(undo(&state, None, false).unwrap().state, UndoState::Undone, "{at}");
    assert_eq!(tree(&world.cache), before, "{at}");
    world.end();
    moved > 0
}

/// The operations that can be undone, with what they keep.
fn listed(state: &StateDir) -> BTreeMap<String, usize> {
    operations(state)
        .map_or_else(|_| BTreeMap::new(), |all| all.into_iter().map(|one| (one.id, one.kept_files)).collect())
}

impl World {
    fn new(small: Small) -> Self {
        let disk = PathBuf::from("/mnt");
        mount(&disk, "size=128k,nr_inodes=60,mode=0755");
        let place = if small == Small::Both {
            disk.join("home")
        } else {
            let home = PathBuf::from("/srv");
            mount(&home, "size=1m,mode=0755");
            home.join("home")
        };
        let cache = place.join("cache");
        fs::create_dir_all(&cache).unwrap();
        for number in 0..ENTRIES {
            fs::write(
                cache.join(format!("DENK0200834_NODATE_E82B0601040181C31F0201_C40{number}")),
                vec![7; 900],
            )
            .unwrap();
        }
        fs::write(disk.join("filler"), b"").unwrap();
        let state = disk.join("state");
        fs::create_dir(&state).unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
        Self { disk, cache, state }
    }

    fn filler(&self) -> PathBuf {
        self.disk.join("filler")
    }

    fn fill(&self) {
        let mut file = fs::File::options().append(true).open(self.filler()).unwrap();
        while file.write(&[1; 4096]).is_ok_and(|written| written > 0) {}
    }

    fn leave(&self, left: Left) {
        match left {
            Left::Pages(pages) => {
                self.fill();
                let file = fs::File::options().write(true).open(self.filler()).unwrap();
                let size = file.metadata().unwrap().len();
                file.set_len(size - 4096 * pages as u64).unwrap();
            }
            Left::Files(files) => {
                let mut made = Vec::new();
                for number in 0.. {
                    let path = self.disk.join(format!("file-{number}"));
                    if fs::write(&path, b"").is_err() {
                        break;
                    }
                    made.push(path);
                }
                for path in made.iter().rev().take(files) {
                    fs::remove_file(path).unwrap();
                }
            }
        }
    }

    fn make_room(&self) {
        for entry in fs::read_dir(&self.disk).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("fil") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    fn end(&self) {
        for place in [self.disk.as_path(), Path::new("/srv")] {
            let _ = Command::new("umount").arg(place).stderr(std::process::Stdio::null()).status();
        }
    }
}

fn mount(place: &Path, options: &str) {
    let status =
        Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(place).status().unwrap();
    assert!(status.success());
}
