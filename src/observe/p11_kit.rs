//! The configuration of p11-kit: which PKCS#11 modules programs find that name none (pkcs11.conf(5)).
//!
//! Hides where its files are. Only the calling user's own are looked at beside those of the host.

use std::path::{Path, PathBuf};

use crate::opensc::install::observe_config;
use crate::patience::{Overdue, SILENCE, within};
use crate::snapshot::{ByteString, ConfigFile, P11Kit, User};

/// Where packages put their modules: p11-kit is there if this is.
const PACKAGES: &str = "/usr/share/p11-kit/modules";
/// Where the host's own files are.
const HOST: &str = "/etc/pkcs11";
/// Below the user's folder of configurations.
const USER: &str = "pkcs11";
/// More modules than anybody has.
const MOST: usize = 200;

/// What stands there; none if there is no p11-kit.
pub(super) fn p11_kit(user: &User) -> Result<Option<P11Kit>, Overdue> {
    let own = user.env.get("HOME").map(|home| home.as_path().join(".config").join(USER));
    // It passes over root's.
    let own = own.filter(|path| path.is_absolute() && user.uid != 0);
    let names = within(SILENCE, move |_| {
        Path::new(PACKAGES).is_dir().then(|| {
            let mut system = in_folder(Path::new(HOST));
            system.extend(modules(Path::new(PACKAGES)));
            (system, own.map(|own| in_folder(&own)).unwrap_or_default())
        })
    })?;
    let read = |paths: Vec<PathBuf>| -> Vec<ConfigFile> {
        paths.into_iter().map(|path| observe_config(&ByteString::from(path))).collect()
    };
    Ok(names.map(|(system, user)| P11Kit { system: read(system), user: read(user) }))
}

/// `pkcs11.conf` and the modules beside it, as far as they are there.
fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let own = folder.join("pkcs11.conf");
    let mut found: Vec<PathBuf> = own.exists().then_some(own).into_iter().collect();
    found.extend(modules(&folder.join("modules")));
    found
}

fn modules(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_module = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "module");
    let mut found: Vec<PathBuf> = entries.filter(is_module).take(MOST).collect();
    found.sort();
    found
}
