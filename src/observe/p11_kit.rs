//! The configuration of p11-kit: which PKCS#11 modules programs find that name none (pkcs11.conf(5)).
//!
//! Hides where its files are. Only the calling user's own are looked at beside those of the host.

use std::path::{Path, PathBuf};

use crate::host::{Silent, in_folder};
use crate::opensc::install::observe_config;
use crate::patience::{Overdue, SILENCE, within};
use crate::snapshot::{ByteString, ConfigFile, P11Kit, User};

/// Where packages put their modules: p11-kit is there if this is.
const PACKAGES: &str = "/usr/share/p11-kit/modules";
/// Where the host's own files are.
const HOST: &str = "/etc/pkcs11";
/// Below the user's folder of configurations.
const USER: &str = "pkcs11";
/// More modules than anybody has, and more files beside them.
const MOST: usize = 200;
const MOST_ENTRIES: usize = 2000;

/// What stands there, none if there is no p11-kit; and which folders were not read as a whole, with why.
pub(super) fn p11_kit(user: &User) -> Result<(Option<P11Kit>, Vec<Silent>), Overdue> {
    let own = user.env.get("HOME").map(|home| home.as_path().join(".config").join(USER));
    // It passes over root's.
    let own = own.filter(|path| path.is_absolute() && user.uid != 0);
    let (names, left) = within(SILENCE, move |_| {
        let mut left = Vec::new();
        let names = Path::new(PACKAGES).is_dir().then(|| {
            let mut system = in_place(Path::new(HOST), &mut left);
            system.extend(modules(Path::new(PACKAGES), &mut left));
            (system, own.map(|own| in_place(&own, &mut left)).unwrap_or_default())
        });
        (names, left)
    })?;
    let read = |paths: Vec<PathBuf>| -> Vec<ConfigFile> {
        paths.into_iter().map(|path| observe_config(&ByteString::from(path))).collect()
    };
    Ok((names.map(|(system, user)| P11Kit { system: read(system), user: read(user) }), left))
}

/// `pkcs11.conf` and the modules beside it, as far as they are there.
fn in_place(folder: &Path, left: &mut Vec<Silent>) -> Vec<PathBuf> {
    let own = folder.join("pkcs11.conf");
    let mut found: Vec<PathBuf> = own.exists().then_some(own).into_iter().collect();
    found.extend(modules(&folder.join("modules"), left));
    found
}

fn modules(folder: &Path, left: &mut Vec<Silent>) -> Vec<PathBuf> {
    let (mut found, why) = in_folder(folder, MOST_ENTRIES);
    found.retain(|path| path.extension().is_some_and(|kind| kind == "module"));
    let surplus = found.len() > MOST;
    found.truncate(MOST);
    let too_many = || format!("it has more than {MOST} modules: only so many were read");
    left.extend(why.or_else(|| surplus.then(too_many)).map(|why| (folder.to_owned(), why)));
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_folder_of_too_many_modules_is_read_in_part_and_that_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let make = |from: usize, to: usize, kind: &str| {
            (from..to)
                .for_each(|n| std::fs::write(folder.path().join(format!("{n:05}.{kind}")), "").unwrap());
        };
        let read = || {
            let mut left = Vec::new();
            let found = modules(folder.path(), &mut left);
            (found, left.into_iter().map(|(_, why)| why).collect::<Vec<_>>())
        };
        make(0, MOST, "module");
        make(0, 50, "bak");
        let (found, left) = read();
        assert_eq!((found.len(), left.len()), (MOST, 0));
        assert!(found.is_sorted());
        make(MOST, MOST + 1, "module");
        let (found, left) = read();
        assert_eq!(found.last().unwrap(), &folder.path().join("00199.module"));
        assert!(matches!(&*left, [why] if why.contains("200 modules")), "{left:?}");
        // What is no module counts, too: somebody else chose how many there are.
        make(0, MOST_ENTRIES, "none");
        assert!(matches!(&*read().1, [why] if why.contains("2000 entries")));
        let (none, left) = in_folder(&folder.path().join("nowhere"), MOST);
        assert!(none.is_empty() && left.is_none(), "{left:?}");
    }
}
