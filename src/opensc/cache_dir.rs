//! Where OpenSC keeps its cache (`ctx.c`, `sc_get_cache_dir`, on Linux and the BSDs).
//!
//! `file_cache_dir` of the effective block is taken as it stands: no `~`, no
//! variables, and a relative path hangs on each program's working directory.
//! Without it the environment decides, and without `HOME` there is no cache.

use std::collections::BTreeMap;

use super::{Version, differences};
use crate::snapshot::ByteString;

/// Where a program's cache is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheLocation {
    /// In this directory.
    At {
        /// Its path as OpenSC would use it.
        path: ByteString,
        /// It hangs on the working directory of each program.
        relative: bool,
        /// It comes from `file_cache_dir`.
        configured: bool,
    },
    /// There is none: reads miss, writes are ignored.
    Nowhere(String),
    /// Cannot be told, and why.
    Undecided(String),
}

/// Longest path OpenSC keeps (`PATH_MAX` with its final NUL); the rest is cut off silently.
const PATH_MAX: usize = 4096;

/// The cache directory of a program: `configured` is the value of its `file_cache_dir`.
#[must_use]
pub fn cache_dir(
    version: Version,
    env: &BTreeMap<String, ByteString>,
    configured: Option<&[u8]>,
) -> CacheLocation {
    let configured = configured.filter(|_| differences::has_cache_dir_setting(version));
    if let Some(path) = configured {
        if path.len() >= PATH_MAX && version < Version::of(20) {
            return CacheLocation::Nowhere("file_cache_dir is too long".into());
        }
        // An empty one makes every name begin with the `/` that follows it.
        let kept = if path.is_empty() { b"/" } else { path.get(..PATH_MAX - 1).unwrap_or(path) };
        return at(kept.to_vec(), true);
    }
    let home = env.get("HOME");
    if !differences::cache_follows_xdg(version) {
        return match home {
            Some(home) => at(join(home, b".eid/cache"), false),
            None => CacheLocation::Nowhere("HOME is not set".into()),
        };
    }
    match (env.get("XDG_CACHE_HOME"), home) {
        (Some(xdg), _) if !xdg.0.is_empty() => at(join(xdg, b"opensc"), false),
        (_, Some(home)) if !home.0.is_empty() => at(join(home, b".cache/opensc"), false),
        (_, Some(_)) => CacheLocation::Nowhere("HOME is empty".into()),
        (_, None) => CacheLocation::Nowhere("HOME is not set".into()),
    }
}

/// The directory used up to 0.21. Nothing moves it or deletes it at an upgrade.
#[must_use]
pub fn former(env: &BTreeMap<String, ByteString>) -> Option<ByteString> {
    env.get("HOME").filter(|home| !home.0.is_empty()).map(|home| ByteString(join(home, b".eid/cache")))
}

impl CacheLocation {
    /// The path, if there is one.
    #[must_use]
    pub const fn path(&self) -> Option<&ByteString> {
        match self {
            Self::At { path, .. } => Some(path),
            Self::Nowhere(_) | Self::Undecided(_) => None,
        }
    }
}

fn at(path: Vec<u8>, configured: bool) -> CacheLocation {
    CacheLocation::At { relative: !path.starts_with(b"/"), path: ByteString(path), configured }
}

fn join(dir: &ByteString, below: &[u8]) -> Vec<u8> {
    let mut path = dir.0.clone();
    path.push(b'/');
    path.extend_from_slice(below);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
        pairs.iter().map(|(k, v)| ((*k).to_string(), ByteString::from(*v))).collect()
    }

    fn path(minor: u16, pairs: &[(&str, &str)], configured: Option<&[u8]>) -> Option<String> {
        cache_dir(Version::of(minor), &env(pairs), configured).path().map(ToString::to_string)
    }

    #[test]
    fn the_environment_decides_per_generation() {
        let home = [("HOME", "/home/u"), ("XDG_CACHE_HOME", "/x")];
        assert_eq!(path(21, &home, None).as_deref(), Some("/home/u/.eid/cache"));
        assert_eq!(path(22, &home, None).as_deref(), Some("/x/opensc"));
        let empty = [("HOME", "/home/u"), ("XDG_CACHE_HOME", "")];
        assert_eq!(path(23, &empty, None).as_deref(), Some("/home/u/.cache/opensc"));
        assert_eq!(path(23, &[("XDG_CACHE_HOME", "/x")], None).as_deref(), Some("/x/opensc"));
        assert_eq!(path(21, &[("HOME", "")], None).as_deref(), Some("/.eid/cache"));
        assert_eq!(path(23, &[("HOME", "")], None), None);
        assert_eq!(path(21, &[], None), None);
        assert_eq!(path(23, &[], None), None);
        assert_eq!(former(&env(&home)).map(|n| n.to_string()).as_deref(), Some("/home/u/.eid/cache"));
        assert_eq!(former(&env(&[])), None);
    }

    #[test]
    fn file_cache_dir_is_taken_as_it_stands() {
        let dir = |text: &[u8]| cache_dir(Version::of(23), &env(&[]), Some(text));
        let at = |path: &str, relative| CacheLocation::At { path: path.into(), relative, configured: true };
        assert_eq!(dir(b"/var/lib/opensc"), at("/var/lib/opensc", false));
        assert_eq!(dir(b"~/cache"), at("~/cache", true));
        assert_eq!(dir(b"$HOME/c"), at("$HOME/c", true));
        assert_eq!(dir(b""), at("/", false));
        assert_eq!(dir(&[b'x'; 5000]).path().map(|n| n.0.len()), Some(4095));
        assert_eq!(path(15, &[("HOME", "/h")], Some(b"/c")).as_deref(), Some("/h/.eid/cache"));
    }
}
