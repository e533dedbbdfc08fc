//! The extended attributes of a file that takes the place of another: labels of SELinux, access lists, and what users set.
//!
//! Hides which of them a copy has already, which only the system itself may set, and what another file system cannot hold.

use std::fs::File;

use rustix::io::Errno;

use super::held::HeldFile;

/// Linux allows no larger attribute, and no longer list of them.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
const MAX_ATTRIBUTE: usize = 64 << 10;

/// Without its access list the group of a file would have the rights that the list gives to all whom it names.
const ACCESS_LIST: &[u8] = b"system.posix_acl_access";

/// Without which attributes the copy is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Without {
    /// It has to have all.
    None,
    /// On another file system, without those that it does not hold, and those of the system's own (`security.`) that may
    /// not be set by whoever asks: there the system's policy gives the file a label.
    Unheld,
}

impl Without {
    /// May the attribute be left out that the system refuses so?
    fn allows(self, name: &[u8], refusal: Errno) -> bool {
        self == Self::Unheld
            && match refusal {
                Errno::NOTSUP => name != ACCESS_LIST,
                Errno::PERM | Errno::ACCESS => name.starts_with(b"security."),
                _ => false,
            }
    }
}

/// Labels, access lists and the like. What the new file has already is not set again: that may be
/// forbidden where having it is not.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(super) fn copy(from: &HeldFile, to: &File, without: Without) -> Result<(), Errno> {
    use rustix::fs::{XattrFlags, flistxattr, fsetxattr};
    let mut list = vec![0_u8; MAX_ATTRIBUTE];
    let length = match flistxattr(&from.file, list.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => return Ok(()),
        Err(e) => return Err(e),
    };
    let names = list.get(..length).unwrap_or_default().split(|b| *b == 0).filter(|name| !name.is_empty());
    for name in names {
        let Some(value) = attribute(&from.file, name)? else { continue };
        if attribute(to, name).ok().flatten().as_ref() == Some(&value) {
            continue;
        }
        match fsetxattr(to, name, &value, XattrFlags::empty()) {
            Err(e) if !without.allows(name, e) => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// Elsewhere there are none that programs set.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(super) const fn copy(_from: &HeldFile, _to: &File, _without: Without) -> Result<(), Errno> {
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn attribute(file: &File, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    let mut value = vec![0_u8; MAX_ATTRIBUTE];
    match rustix::fs::fgetxattr(file, name, value.as_mut_slice()) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_left_out_on_another_file_system() {
        for (name, refusal, is_allowed) in [
            (&b"security.selinux"[..], Errno::NOTSUP, true),
            (b"security.selinux", Errno::PERM, true),
            (b"security.ima", Errno::ACCESS, true),
            (b"user.note", Errno::NOTSUP, true),
            (b"user.note", Errno::PERM, false),
            (b"user.note", Errno::NOSPC, false),
            (b"security.selinux", Errno::NOSPC, false),
            (ACCESS_LIST, Errno::NOTSUP, false),
        ] {
            assert_eq!(Without::Unheld.allows(name, refusal), is_allowed, "{name:?} {refusal}");
            assert!(!Without::None.allows(name, refusal));
        }
    }
}
