//! A look into one place: a cache directory, or all that are in one home.
//!
//! Hides where else in a home OpenSC keeps caches, under those of sandboxed programs (snap, flatpak), and
//! that a place may never answer, because a server is gone or a process that plays file system is stopped:
//! then it is left after a while and becomes a gap, and the other places are looked at all the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::aside::{self, Aside};
use super::privacy::Privacy;
use crate::patience::{Overdue, Waning};
use crate::safe_fs::{self, Dir, Opened, observe_below, observe_cache_dir};
use crate::snapshot::{CacheDir, CacheOrigin, DirState, Gap, GapKind, Name};

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
    pub path: Name,
    /// Where the installed OpenSC keeps its cache, below it.
    pub default: Option<Name>,
}

/// Where to look.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Request {
    /// The cache directory at this path.
    Directory(Name, CacheOrigin),
    /// The caches in a home: those that exist.
    Home(Home),
}

/// What was seen there, and what could not be.
pub(super) type Found = (Vec<CacheDir>, Vec<Gap>);

/// Looks into places, one after the other.
pub(super) struct Look {
    privacy: Arc<Privacy>,
    patience: Waning,
    lost: bool,
    elsewhere: bool,
    aside: Option<Aside>,
}

impl Look {
    /// What is seen is kept as far as this allows.
    pub(super) fn new(privacy: &Arc<Privacy>) -> Self {
        let privacy = Arc::clone(privacy);
        Self { privacy, patience: Waning::default(), lost: false, elsewhere: aside::is_wanted(), aside: None }
    }

    /// Has a place not answered?
    pub(super) const fn has_lost(&self) -> bool {
        self.lost
    }

    /// The cache directory at this path.
    pub(super) fn at(&mut self, path: Name, origin: CacheOrigin) -> (CacheDir, Vec<Gap>) {
        let (dirs, mut gaps) = match self.look(&Request::Directory(path.clone(), origin)) {
            Ok(found) => found,
            Err(overdue) => {
                let why = overdue.to_string();
                let gaps = vec![gap(format!("cache directory {path}"), why.clone())];
                let state = DirState::Unreadable(why);
                return (CacheDir { path, origin, state, entries: Vec::new() }, gaps);
            }
        };
        let unseen = || {
            let why = "nothing came of the look".to_owned();
            gaps.push(gap(format!("cache directory {path}"), why.clone()));
            CacheDir { path, origin, state: DirState::Unreadable(why), entries: Vec::new() }
        };
        let dir = dirs.into_iter().next().unwrap_or_else(unseen);
        (dir, gaps)
    }

    /// The caches in one home: those that exist.
    pub(super) fn below(&mut self, home: Home) -> Found {
        let what = home_of(&home);
        let found = self.look(&Request::Home(home));
        found.unwrap_or_else(|overdue| (Vec::new(), vec![gap(what, overdue.to_string())]))
    }

    fn look(&mut self, request: &Request) -> Result<Found, Overdue> {
        let found = self.look_aside(request).and_then(|found| match found {
            Some(found) => Ok(found),
            None => {
                let (privacy, request) = (Arc::clone(&self.privacy), request.clone());
                self.patience.within(move |pulse| perform(request, &privacy, &|| pulse.beat()))
            }
        });
        self.lost |= found.is_err();
        found
    }

    /// In a process of its own, if that is of use here and possible.
    fn look_aside(&mut self, request: &Request) -> Result<Option<Found>, Overdue> {
        if !self.elsewhere {
            return Ok(None);
        }
        if self.aside.is_none() {
            self.aside = Aside::start(&self.privacy);
        }
        let Some(aside) = &mut self.aside else { return Ok(None) };
        let found = aside.look(request, &mut self.patience);
        if !matches!(found, Ok(Some(_))) {
            self.aside = None;
        }
        found
    }
}

/// Takes the look; `beat` is called again and again as long as it goes on.
pub(super) fn perform(request: Request, privacy: &Privacy, beat: &dyn Fn()) -> Found {
    match request {
        Request::Home(home) => in_home(&home, privacy, beat),
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

fn home_of(home: &Home) -> String {
    format!("home of user {} ({})", home.user, home.path)
}

fn in_home(place: &Home, privacy: &Privacy, beat: &dyn Fn()) -> Found {
    let home = match Dir::open_following(place.path.as_path()) {
        Ok(Some(home)) => home,
        // Most service users have none.
        Ok(None) | Err(safe_fs::Error::NotADirectory(_)) => return (Vec::new(), Vec::new()),
        Err(error) => return (Vec::new(), vec![gap(home_of(place), error.to_string())]),
    };
    let mut places = vec![(PathBuf::from(DEFAULT), CacheOrigin::Default)];
    places.push((PathBuf::from(FORMER), CacheOrigin::Former));
    if let Some(first) = place.default.as_ref().map(|path| path.as_path().to_owned()) {
        places.retain(|(path, _)| *path != first);
        places.insert(0, (first, CacheOrigin::Default));
    }
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

fn gap(what: String, why: String) -> Gap {
    Gap { what, why, asked_for: true, kind: GapKind::Cache }
}
