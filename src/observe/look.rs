//! Looks into places, one after the other.
//!
//! Hides that a place may never answer, because a server is gone or a process that plays file system is stopped:
//! then it is left after a while and becomes a gap, and the other places are looked at all the same.

use std::sync::Arc;

use super::aside::{self, Aside};
use super::places::{Found, Home, Request, gap, home_of, perform};
use super::privacy::Privacy;
use crate::patience::{Overdue, Waning};
use crate::snapshot::{ByteString, CacheDir, CacheOrigin, DirState, Gap};

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
    pub(super) fn at(&mut self, path: ByteString, origin: CacheOrigin) -> (CacheDir, Vec<Gap>) {
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

    /// The caches of sandboxed programs in one home.
    pub(super) fn sandboxes(&mut self, home: Home) -> Found {
        let what = home_of(&home);
        let found = self.look(&Request::Sandboxes(home));
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
