//! Whose caches to look at: the caller's, another user's, those of the whole host, or
//! directories that were named.
//!
//! Hides where else on a host OpenSC keeps caches: in SSSD's state directory, wherever a configuration
//! says `file_cache_dir`. Homes belong to others: they are entered by handle (`safe_fs`), never walked by
//! path, where a link could be put in the way. One user after the other is looked at and handed over, so
//! that a host with ten thousand takes no more memory than its largest cache.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ask::Asker;
use super::caches::caches;
use super::host::{ObserveOptions, host};
use super::look::Look;
use super::places::Home;
use super::privacy::Privacy;
use crate::error::Error;
use crate::host::{Account, Caller, account, accounts, invoker, owner_of_home};
use crate::opensc::cache_dir::CacheLocation;
use crate::opensc::config::Situation;
use crate::opensc::{cache_dir, differences, install};
use crate::scconf;
use crate::snapshot::{
    ByteString, CacheDir, CacheOrigin, ConfigState, DirState, Gap, GapKind, Snapshot, User, UserCaches, Whose,
};

/// Where SSSD's `p11_child` keeps OpenSC's cache: `XDG_CACHE_HOME` is SSSD's state directory there
/// (since the change of July 2026).
const SSSD_CACHE: &str = "/var/lib/sss/opensc";

/// Whose caches to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheOwners {
    /// The calling user's.
    Caller,
    /// The user's with this name.
    User(String),
    /// Those of all users, and those that belong to no home.
    All,
    /// These directories, as the calling user's OpenSC would read them.
    Directories(Vec<PathBuf>),
}

impl CacheOwners {
    /// As the snapshot records it.
    const fn kind(&self) -> Whose {
        match self {
            Self::Caller => Whose::Caller,
            Self::User(_) => Whose::User,
            Self::All => Whose::All,
            Self::Directories(_) => Whose::Directories,
        }
    }
}

/// Observes this host as the calling user.
///
/// # Errors
/// When the process runs with the rights of another user than the caller.
pub fn observe(options: &ObserveOptions<'_>) -> Result<Snapshot, Error> {
    observe_all(options, &CacheOwners::Caller)
}

/// Observes the host and hands it over once for each user, with that user's caches alone. The
/// first is the calling user unless another is named; the answer is the first snapshot.
///
/// # Errors
/// When the caller cannot be served, a named user does not exist, or `each` says so.
pub fn observe_each(
    options: &ObserveOptions<'_>,
    whose: &CacheOwners,
    each: &mut dyn FnMut(&mut Snapshot) -> Result<(), Error>,
) -> Result<Snapshot, Error> {
    let mut snapshot = host(options)?;
    snapshot.whose = whose.kind();
    // Nothing is told of a home, or of who called sudo, that were not asked for.
    let home = snapshot.home.take();
    let mut asker = Asker::new(options.asking, options.progress);
    let each = &mut |snapshot: &mut Snapshot| {
        asker.ask(snapshot);
        each(snapshot)
    };
    match whose {
        CacheOwners::Caller => {
            snapshot.home = home;
            own(&mut snapshot);
            let beside = beside_the_caller(&mut snapshot);
            if !beside.is_empty() {
                observe_more_configs(&mut snapshot);
                snapshot.coverage.push(environment_gap());
            }
            each(&mut snapshot)?;
            and_others(&mut snapshot, &beside, Named::Yes, each)?;
        }
        CacheOwners::User(name) => {
            of_user(&mut snapshot, name)?;
            each(&mut snapshot)?;
        }
        CacheOwners::Directories(paths) => {
            of_directories(&mut snapshot, paths)?;
            each(&mut snapshot)?;
        }
        CacheOwners::All => {
            let accounts = accounts();
            observe_more_configs(&mut snapshot);
            own(&mut snapshot);
            without_a_home(&mut snapshot);
            let (mut accounts, silent) = accounts.unwrap_or_else(|error| {
                snapshot.coverage.push(gap(&ByteString::from("the user database"), error.to_string()));
                Default::default()
            });
            for (home, why) in silent {
                snapshot
                    .coverage
                    .push(gap(&ByteString::from(format!("home {}", ByteString::from(home)).as_str()), why));
            }
            // Whom only a directory service knows may be in no list.
            let sudo = invoker(snapshot.user.uid).ok().flatten();
            accounts.extend(sudo.filter(|sudo| accounts.iter().all(|known| known.home != sudo.home)));
            snapshot.coverage.push(environment_gap());
            each(&mut snapshot)?;
            let what = format!("looking at the caches of {} users", accounts.len());
            options.progress.during(&what, || and_others(&mut snapshot, &accounts, Named::No, each))?;
        }
    }
    Ok(snapshot)
}

/// Has the snapshot be about a user who is named, and about that user's caches alone.
fn of_user(snapshot: &mut Snapshot, name: &str) -> Result<(), Error> {
    let account = account(name)
        .map_err(|why| Error::Overdue { what: "the user database", why })?
        .ok_or_else(|| Error::NoSuchUser(name.to_owned()))?;
    if account.uid == snapshot.user.uid {
        snapshot.user = Caller::at_login(&account, snapshot.user.clone());
        own(snapshot);
    } else {
        observe_more_configs(snapshot);
        snapshot.coverage.push(environment_gap());
        let mut look = Look::new(&Arc::new(Privacy::of(snapshot)));
        snapshot.user = account.user();
        snapshot.home = owner_of_home(&account);
        let (caches, gaps) = of_account(snapshot, &account, &mut look);
        snapshot.caches = caches;
        snapshot.coverage.extend(gaps);
    }
    Ok(())
}

/// Has it be about directories that are named.
fn of_directories(snapshot: &mut Snapshot, paths: &[PathBuf]) -> Result<(), Error> {
    let mut look = Look::new(&Arc::new(Privacy::of(snapshot)));
    for path in paths {
        let path = std::path::absolute(path).map_err(|source| Error::Io {
            what: "cannot find",
            path: path.clone(),
            source,
        })?;
        let (dir, mut gaps) = look.at(path.into(), CacheOrigin::Named);
        if dir.state == DirState::Missing {
            gaps.push(gap(&dir.path, "there is no such directory".to_owned()));
        }
        snapshot.caches.push(dir);
        snapshot.coverage.extend(gaps);
    }
    Ok(())
}

/// Who is looked at without being named, beside the calling user: whose home `HOME` is, and who called `sudo`.
fn beside_the_caller(snapshot: &mut Snapshot) -> Vec<Account> {
    match invoker(snapshot.user.uid) {
        Ok(account) => snapshot.invoked_by = account.as_ref().map(Account::user),
        Err(why) => {
            let what = ByteString::from("the caches of the user who called sudo");
            snapshot.coverage.push(gap(&what, why.to_string()));
        }
    }
    let owner = snapshot.home.as_ref().and_then(|home| home.owner.as_ref());
    let mut accounts: Vec<Account> = Vec::new();
    for account in owner.into_iter().chain(&snapshot.invoked_by).filter_map(Account::of) {
        if !accounts.contains(&account) {
            accounts.push(account);
        }
    }
    accounts
}

/// Were these users meant? Then each is handed over, whether there is a cache or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Yes,
    No,
}

/// The facts of a host as each of these users has them, as far as they can be known, without caches. Whoever is in
/// no user database is left out.
#[must_use]
pub fn as_seen_by(snapshot: &Snapshot, users: &BTreeSet<u32>) -> Vec<Snapshot> {
    if users.is_empty() {
        return Vec::new();
    }
    let mut host = Snapshot { caches: Vec::new(), others: Vec::new(), ..snapshot.clone() };
    observe_more_configs(&mut host);
    let (accounts, _) = accounts().unwrap_or_default();
    let meant = accounts.iter().filter(|account| users.contains(&account.uid));
    meant.map(|account| Snapshot { user: account.user(), ..host.clone() }).collect()
}

/// Everything about all users in one snapshot, for a file.
///
/// # Errors
/// As [`observe_each`].
pub fn observe_all(options: &ObserveOptions<'_>, whose: &CacheOwners) -> Result<Snapshot, Error> {
    let mut others = Vec::new();
    let mut coverage = Vec::new();
    let mut is_first = true;
    let mut snapshot = observe_each(options, whose, &mut |snapshot| {
        if !std::mem::take(&mut is_first) {
            coverage.append(&mut snapshot.coverage);
            // Who was named was looked at, and whoever reads the snapshot is to know it.
            if !snapshot.caches.is_empty() || snapshot.whose == Whose::Caller {
                let caches = std::mem::take(&mut snapshot.caches);
                others.push(UserCaches { user: snapshot.user.clone(), caches });
            }
        }
        Ok(())
    })?;
    snapshot.others = others;
    snapshot.coverage.append(&mut coverage);
    Ok(snapshot)
}

/// Hands a snapshot over once for each user in it; coverage comes with the first.
///
/// # Errors
/// When `each` says so.
pub fn each_in(
    snapshot: &mut Snapshot,
    each: &mut dyn FnMut(&mut Snapshot) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut others = std::mem::take(&mut snapshot.others);
    each(snapshot)?;
    let home = snapshot.home.take();
    let first = (snapshot.user.clone(), std::mem::take(&mut snapshot.caches));
    let coverage = std::mem::take(&mut snapshot.coverage);
    for other in &mut others {
        snapshot.user = other.user.clone();
        snapshot.caches = std::mem::take(&mut other.caches);
        each(snapshot)?;
        other.caches = std::mem::take(&mut snapshot.caches);
    }
    (snapshot.user, snapshot.caches) = first;
    snapshot.coverage = coverage;
    snapshot.home = home;
    snapshot.others = others;
    Ok(())
}

fn own(snapshot: &mut Snapshot) {
    let (caches, gaps) = caches(snapshot, &Arc::new(Privacy::of(snapshot)));
    snapshot.caches = caches;
    snapshot.coverage.extend(gaps);
}

/// Hands over the caches of these users, too; the snapshot stays the first user's.
fn and_others(
    snapshot: &mut Snapshot,
    accounts: &[Account],
    named: Named,
    each: &mut dyn FnMut(&mut Snapshot) -> Result<(), Error>,
) -> Result<(), Error> {
    let first = (snapshot.user.clone(), std::mem::take(&mut snapshot.caches));
    let (coverage, home) = (std::mem::take(&mut snapshot.coverage), snapshot.home.take());
    others(snapshot, accounts, &first, named, each)?;
    (snapshot.user, snapshot.caches) = first;
    (snapshot.coverage, snapshot.home) = (coverage, home);
    Ok(())
}

fn others(
    snapshot: &mut Snapshot,
    accounts: &[Account],
    (own, known): &(User, Vec<CacheDir>),
    named: Named,
    each: &mut dyn FnMut(&mut Snapshot) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut look = Look::new(&Arc::new(Privacy::of(snapshot)));
    let known: Vec<&ByteString> = known.iter().map(|dir| &dir.path).collect();
    for account in accounts {
        let user = account.user();
        if account.uid == own.uid && user.env.get("HOME") == own.env.get("HOME") {
            continue;
        }
        snapshot.user = user;
        let (mut caches, mut gaps) = of_account(snapshot, account, &mut look);
        caches.retain(|dir| !known.contains(&&dir.path));
        // What a user may not read is nothing that the user's programs would show, whatever HOME says.
        let is_only_of_home = own.uid != 0 && named == Named::Yes;
        gaps.iter_mut().for_each(|gap| gap.asked_for &= !is_only_of_home);
        if named == Named::No && caches.is_empty() && gaps.is_empty() {
            continue;
        }
        snapshot.caches = caches;
        snapshot.coverage = gaps;
        each(snapshot)?;
    }
    Ok(())
}

/// The configurations that others' programs read, and those of every OpenSC on the host.
fn observe_more_configs(snapshot: &mut Snapshot) {
    let paths: Vec<ByteString> =
        snapshot.opensc.iter().filter_map(|found| found.config_path.clone()).collect();
    for path in paths {
        if snapshot.configs.iter().all(|known| known.path != path) {
            snapshot.configs.push(install::observe_config(&path));
        }
    }
}

/// The caches in one home: those that exist.
fn of_account(snapshot: &Snapshot, account: &Account, look: &mut Look) -> (Vec<CacheDir>, Vec<Gap>) {
    let default = default_below(snapshot, &account.home).map(ByteString::from);
    look.below(Home { user: account.name.clone(), path: account.home.as_path().into(), default })
}

/// Where the installed OpenSC keeps this user's cache, relative to the home.
fn default_below(snapshot: &Snapshot, home: &Path) -> Option<PathBuf> {
    let version = Situation::of(snapshot).version().unwrap_or(differences::HEAD);
    match cache_dir::cache_dir(version, &snapshot.user.env, None) {
        CacheLocation::At { path, .. } => path.as_path().strip_prefix(home).ok().map(Path::to_path_buf),
        CacheLocation::Nowhere(_) | CacheLocation::Undecided(_) => None,
    }
}

/// Adds the caches that belong to no home.
fn without_a_home(snapshot: &mut Snapshot) {
    let mut places: Vec<(ByteString, CacheOrigin)> = vec![(SSSD_CACHE.into(), CacheOrigin::Service)];
    let version = Situation::of(snapshot).version().unwrap_or(differences::HEAD);
    for config in &snapshot.configs {
        let ConfigState::Text(text) = &config.state else { continue };
        let Ok(document) = scconf::parse(text.as_slice(), differences::dialect(version)) else { continue };
        for (path, at) in configured(&document) {
            if path.as_path().is_absolute() {
                places.push((path, CacheOrigin::Configured));
            } else {
                let what =
                    ByteString::from(format!("file_cache_dir = {path} in {}:{at}", config.path).as_str());
                let why = "it is relative to wherever a program is started, so the caches may be anywhere";
                snapshot.coverage.push(Gap { asked_for: false, ..gap(&what, why.to_owned()) });
            }
        }
    }
    let mut look = Look::new(&Arc::new(Privacy::of(snapshot)));
    for (path, origin) in places {
        if snapshot.caches.iter().all(|known| known.path != path) {
            let (dir, gaps) = look.at(path, origin);
            snapshot.coverage.extend(gaps);
            if dir.state != DirState::Missing {
                snapshot.caches.push(dir);
            }
        }
    }
}

/// Every `file_cache_dir` of any program, whether it is effective or not.
fn configured(document: &scconf::Document) -> Vec<(ByteString, scconf::Position)> {
    let mut found = Vec::new();
    for app in document.root().all_blocks().filter(|block| block.key.is("app")) {
        for framework in app.body.all_blocks().filter(|block| block.key.is("framework")) {
            if let Ok(Some(setting)) = framework.body.setting("file_cache_dir")
                && let Some(word) = setting.first
            {
                found.push((ByteString(word.value.clone()), document.position(word.range.start)));
            }
        }
    }
    found
}

fn gap(what: &ByteString, why: String) -> Gap {
    Gap::new(GapKind::Cache, true, what.to_string(), why)
}

fn environment_gap() -> Gap {
    Gap::new(
        GapKind::OpenSc,
        false,
        "the environment of other users' programs".to_owned(),
        "of OPENSC_CONF and XDG_CACHE_HOME nothing is known for them; they were taken as not set".to_owned(),
    )
}
