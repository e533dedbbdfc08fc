//! What root runs, follows or loads: only what nobody else could have put there.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Is it root who asks?
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The file itself, links resolved, if all of the way to it belongs to root and nobody else can change it. Into a directory
/// that is sticky others may put files of their own, and not touch root's.
///
/// # Errors
/// The place that somebody else can change; or why it cannot be looked at.
pub(super) fn roots(path: &Path) -> Result<PathBuf, String> {
    let shown = |path: &Path, why: std::io::Error| format!("{}: {why}", path.display());
    let real = path.canonicalize().map_err(|why| shown(path, why))?;
    for place in real.ancestors() {
        let found = std::fs::symlink_metadata(place).map_err(|why| shown(place, why))?;
        let is_sticky = found.is_dir() && found.mode() & 0o1000 != 0;
        if found.uid() != 0 || (found.mode() & 0o022 != 0 && !is_sticky) {
            return Err(place.display().to_string());
        }
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    /// A file below two directories of root's own, in a place that anybody may write to.
    fn scene() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let upper = dir.path().canonicalize().unwrap().join("upper");
        let lower = upper.join("lower");
        std::fs::create_dir_all(&lower).unwrap();
        let file = lower.join("module.so");
        std::fs::write(&file, "x").unwrap();
        for (path, mode) in [(dir.path(), 0o755), (&upper, 0o755), (&lower, 0o755), (&file, 0o644)] {
            set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        (dir, upper, file)
    }

    #[test]
    fn what_only_root_can_change_is_roots() {
        // Whose files are looked at cannot be made by anybody else.
        if !is_root() {
            return;
        }
        let (dir, upper, file) = scene();
        assert_eq!(roots(&file), Ok(file.clone()));
        let link = dir.path().join("link.so");
        symlink(&file, &link).unwrap();
        assert_eq!(roots(&link), Ok(file.clone()));
        // Sticky: nobody but root can replace what is root's.
        set_permissions(&upper, Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(roots(&file), Ok(file));
    }

    #[test]
    fn what_somebody_else_can_change_anywhere_on_the_way_is_not() {
        if !is_root() {
            return;
        }
        let (_dir, upper, file) = scene();
        let lower = file.parent().unwrap().to_owned();
        for (place, usual) in [(&file, 0o644), (&lower, 0o755), (&upper, 0o755)] {
            let refused = Err(place.display().to_string());
            for mode in [0o020, 0o002] {
                set_permissions(place, Permissions::from_mode(usual | mode)).unwrap();
                assert_eq!(roots(&file), refused, "{mode:o}");
            }
            set_permissions(place, Permissions::from_mode(usual)).unwrap();
            chown(place, Some(4711), None).unwrap();
            assert_eq!(roots(&file), refused);
            chown(place, Some(0), None).unwrap();
        }
        assert_eq!(roots(&file), Ok(file.clone()));
        // A link of root's to what is somebody else's.
        let link = upper.join("link.so");
        symlink(&file, &link).unwrap();
        chown(&file, Some(4711), None).unwrap();
        assert_eq!(roots(&link), Err(file.display().to_string()));
    }

    #[test]
    fn what_is_not_there_is_said_so() {
        let told = roots(Path::new("/nowhere/at/all.so")).unwrap_err();
        assert!(told.contains("/nowhere/at/all.so") && told.contains("os error 2"), "{told}");
    }
}
