//! What a look into one place sees: into a cache directory, or into a home with all that are in it.
//!
//! Hides where else in a home OpenSC keeps caches, under those of sandboxed programs (snap, flatpak).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::privacy::Privacy;
use crate::safe_fs::{self, Dir, Opened, observe_below, observe_cache_dir};
use crate::snapshot::{ByteString, CacheDir, CacheOrigin, DirState, Gap, GapKind};

/// What OpenSC puts below a cache home, and up to 0.21 below a home.
const CACHE: &str = "cache/opensc";
const DEFAULT: &str = ".cache/opensc";
const FORMER: &str = ".eid/cache";
/// More sandboxed programs than anybody has.
const MAX_SANDBOXES: usize = 1000;

/// The home of somebody else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Home {
    /// Whose.
    pub user: String,
    /// Where.
    pub path: ByteString,
    /// Where the installed OpenSC keeps its cache, below it.
    pub default: Option<ByteString>,
}

/// Where to look.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Request {
    /// The cache directory at this path.
    Directory(ByteString, CacheOrigin),
    /// The caches in a home: those that exist.
    Home(Home),
    /// Those of its sandboxed programs alone.
    Sandboxes(Home),
}

/// What was seen there, and what could not be.
pub(super) type Found = (Vec<CacheDir>, Vec<Gap>);

/// Takes the look; `beat` is called again and again as long as it goes on.
pub(super) fn perform(request: Request, privacy: &Privacy, beat: &dyn Fn()) -> Found {
    match request {
        Request::Home(home) => {
            let mut own = vec![
                (PathBuf::from(DEFAULT), CacheOrigin::Default),
                (PathBuf::from(FORMER), CacheOrigin::Former),
            ];
            if let Some(first) = home.default.as_ref().map(|path| path.as_path().to_owned()) {
                own.retain(|(path, _)| *path != first);
                own.insert(0, (first, CacheOrigin::Default));
            }
            in_home(&home, own, privacy, beat)
        }
        Request::Sandboxes(home) => in_home(&home, Vec::new(), privacy, beat),
        Request::Directory(path, origin) => {
            let (mut dir, gaps) = observe_cache_dir(path.as_path(), origin, true, &|name| {
                beat();
                privacy.classify(name)
            });
            privacy.withhold(&mut dir);
            (vec![dir], gaps)
        }
    }
}

/// Those in these places, and those of sandboxed programs.
fn in_home(
    place: &Home,
    mut places: Vec<(PathBuf, CacheOrigin)>,
    privacy: &Privacy,
    beat: &dyn Fn(),
) -> Found {
    let home = match Dir::open_following(place.path.as_path()) {
        Ok(Some(home)) => home,
        // Most service users have none.
        Ok(None) | Err(safe_fs::Error::NotADirectory(_)) => return (Vec::new(), Vec::new()),
        Err(error) => return (Vec::new(), vec![gap(home_of(place), error.to_string())]),
    };
    let mut gaps = Vec::new();
    places.extend(sandboxes(&home, &mut gaps).into_iter().map(|path| (path, CacheOrigin::Sandbox)));
    let mut found = Vec::new();
    for (path, origin) in places {
        let (mut dir, missing) = observe_below(&home, &path, origin, &|name| {
            beat();
            privacy.classify(name)
        });
        privacy.withhold(&mut dir);
        gaps.extend(missing);
        if dir.state != DirState::Missing {
            found.push(dir);
        }
    }
    (found, gaps)
}

/// The places of sandboxed programs below a home: a snap has a home for each revision and one for
/// all (`~/snap/NAME/common`), a flatpak has a cache home (`~/.var/app/ID/cache`).
fn sandboxes(home: &Dir, gaps: &mut Vec<Gap>) -> Vec<PathBuf> {
    let mut list = |path: &Path| -> Vec<PathBuf> {
        let listed = match home.open_below(path) {
            Ok(Opened::Dir(dir)) => dir.list(MAX_SANDBOXES).map(|listing| listing.names),
            Ok(Opened::Missing | Opened::Symlink(_)) | Err(safe_fs::Error::NotADirectory(_)) => {
                return Vec::new();
            }
            Err(error) => Err(error),
        };
        match listed {
            Ok(names) => names.into_iter().map(|name| path.join(name.as_os_str())).collect(),
            Err(error) => {
                gaps.push(gap(home.path_of(&path.into()).to_string(), error.to_string()));
                Vec::new()
            }
        }
    };
    let mut places: Vec<PathBuf> =
        list(Path::new(".var/app")).into_iter().map(|app| app.join(CACHE)).collect();
    for snap in list(Path::new("snap")) {
        for revision in list(&snap) {
            // `current` is a link to one of the others.
            if revision.file_name().is_some_and(|name| name != "current") {
                places.extend([revision.join(DEFAULT), revision.join(FORMER)]);
            }
        }
    }
    places
}

pub(super) fn home_of(home: &Home) -> String {
    format!("home of user {} ({})", home.user, home.path)
}

pub(super) fn gap(what: String, why: String) -> Gap {
    Gap::new(GapKind::Cache, true, what, why)
}
