//! Gathers the facts of this host: the only place that knows cards and files both.
//!
//! Strictly read-only. What cannot be observed becomes a gap.

mod aside;
mod files;
pub mod holders;
mod look;
mod others;
mod privacy;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use look::Look;
use privacy::Privacy;
use time::OffsetDateTime;

use crate::card::apdu::TransportError;
use crate::card::family::{self, Kind};
use crate::card::held::{Exclusive, Held};
use crate::card::readers::{self, PcscError, Slot};
use crate::card::sign::{self, Login, Order, Pin, SignError};
use crate::card::{self, Link, Reading};
use crate::error::Error;
use crate::host::{Caller, hostname};
use crate::opensc::cache_name::parse;
use crate::opensc::card_driver::Taken;
use crate::opensc::config::{Situation, Source};
use crate::opensc::differences::OTHER_DRIVER;
use crate::opensc::{Outcome, Program, Recognised, Version, cache_dir, differences, install, program};
use crate::patience::{self, SILENCE, within};
use crate::safe_fs::{Classification, observe_cache_dir};
use crate::snapshot::{
    Answer, CacheDir, CacheEntry, CacheOrigin, Card, ConfigState, Content, DirState, EfPath, Gap, GapKind,
    Name, PinState, SCHEMA, Snapshot, Withheld,
};
use crate::text::{is_typed, tame};
use crate::view::layout;

pub use aside::{COMMAND as LOOK_ASIDE, allow as allow_aside, serve as serve_aside};
pub use files::{baselines, keep, snapshot_files, write_whole};
pub use others::{Whose, as_seen_by, each_in, observe_again, observe_all, observe_each};

/// What to observe.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Which cards.
    pub cards: Cards<'a>,
    /// Ask for SO-PIN and DKEK too.
    pub status: bool,
}

/// Which cards to read.
#[derive(Debug, Clone, Copy)]
pub enum Cards<'a> {
    /// None: PC/SC is not opened.
    None,
    /// All, or the one in the reader that is named.
    In(Option<&'a str>),
}

/// How long a login may outlive the program that made it on a card that loses its power at once.
const POWER_OFF: Duration = Duration::from_millis(1500);

/// The largest snapshot file that is accepted.
const LARGEST_SNAPSHOT: u64 = 256 << 20;

/// Observes this host as the calling user.
///
/// # Errors
/// When the process runs with the rights of another user than the caller.
pub fn observe(wish: &Wish<'_>) -> Result<Snapshot, Error> {
    observe_all(wish, &Whose::Caller)
}

/// Everything but the caches. They come after the cards: what OpenSC writes in the meantime is then seen.
fn host(wish: &Wish<'_>) -> Result<Snapshot, Error> {
    let caller = Caller::current()?;
    let mut snapshot = Snapshot {
        schema: SCHEMA.to_owned(),
        taken_at: now(),
        host: hostname(),
        user: caller.user,
        opensc: Vec::new(),
        executables: BTreeMap::new(),
        configs: Vec::new(),
        cards: Vec::new(),
        caches: Vec::new(),
        others: Vec::new(),
        processes: Vec::new(),
        flushed: Vec::new(),
        coverage: Vec::new(),
    };
    if patience::was_lost() {
        snapshot.coverage.push(Gap {
            what: "the user database".to_owned(),
            why: patience::Overdue::Silent(SILENCE.as_secs()).to_string(),
            asked_for: true,
            kind: GapKind::Cache,
        });
    }
    let programs = within(SILENCE, |_| {
        let tools = program::tools();
        let found = install::find(tools.get("pkcs15-tool").map(Name::as_path));
        (tools, found)
    });
    let (tools, found) = programs.unwrap_or_else(|overdue| {
        snapshot.coverage.push(Gap {
            what: "OpenSC's programs and libraries".to_owned(),
            why: overdue.to_string(),
            asked_for: true,
            kind: GapKind::OpenSc,
        });
        Default::default()
    });
    snapshot.executables = tools;
    snapshot.opensc = found.installations;
    for (path, why) in found.problems {
        snapshot.coverage.push(Gap {
            what: format!("OpenSC library {}", Name::from(path)),
            why,
            asked_for: false,
            kind: GapKind::OpenSc,
        });
    }
    snapshot.configs = match Situation::of(&snapshot).source() {
        Source::Environment(path) | Source::Compiled(path) => vec![install::observe_config(&path)],
        Source::Unknown => Vec::new(),
    };
    if let Cards::In(reader) = wish.cards {
        let reading = with_progress("reading the card", || read_cards(&snapshot, reader, wish.status));
        snapshot.cards = reading.cards;
        snapshot.coverage.extend(reading.gaps);
    }
    snapshot.taken_at = now();
    Ok(snapshot)
}

/// Takes the card that was read in this reader: nobody else has it until this is dropped.
///
/// # Errors
/// When it is not there any more, or others do not let go of it.
pub fn hold(card: &Card) -> Result<Held, SignError> {
    let reader = reader_of(card)?;
    Ok(with_progress("waiting for the card", || Held::take(&reader))?)
}

/// The reader of a card that was read, as it is now.
fn reader_of(card: &Card) -> Result<readers::Reader, SignError> {
    let gone = || SignError::Moved("the card that was read is not in its reader any more");
    let readers = readers::readers().map_err(|error| match error {
        PcscError::Silent(_) => error.into(),
        _ => gone(),
    })?;
    let named = |reader: &readers::Reader| reader.name() == card.reader && reader.state == Slot::Card;
    let reader = readers.into_iter().find(named);
    reader.filter(|reader| reader.atr == card.atr.as_slice()).ok_or_else(gone)
}

/// What is to be known before anybody is asked for a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// State of the PIN.
    pub state: PinState,
    /// Another program has the card open.
    pub shared: bool,
    /// The reader has a pin pad.
    pub pad: bool,
}

impl Asked {
    /// Is a login open that no program has the card open for?
    #[must_use]
    pub fn is_left_behind(&self) -> bool {
        self.state == PinState::LoggedIn && !self.shared
    }
}

/// The state of one of a card's PINs.
///
/// # Errors
/// As for [`hold`], or if the PIN could not be used whatever it is.
pub fn pin_state(card: &Card, pin: &Pin) -> Result<Asked, SignError> {
    let mut held = hold(card)?;
    let state = sign::pin_state(&mut held, card, pin)?;
    Ok(Asked { state, shared: held.is_shared(), pad: held.has_pad() })
}

/// Waits for the end of a login that no program has the card open for: pcscd takes the power from a card that
/// nobody uses, some readers' within a second.
pub fn wait_for_power_off() {
    std::thread::sleep(POWER_OFF);
}

/// Ends the login of a PIN that no program has the card open for. That is certain: the card is opened for this
/// process alone, which fails if another one has it.
///
/// # Errors
/// When another program has the card open after all, or the login is still there.
pub fn end_login(card: &Card, pin: &Pin) -> Result<(), SignError> {
    let reader = reader_of(card)?;
    let alone = |error: TransportError| if error.is_shared() { SignError::LoggedIn } else { error.into() };
    let mut held = Held::take_alone(&reader).map_err(alone)?;
    sign::end_login(&mut held, card, pin)
}

/// Has each key prove itself, and adds the answers to the facts about the card.
///
/// # Errors
/// When there is no proof; at most one try of the PIN is spent.
pub fn prove(
    held: &mut Held,
    card: &mut Card,
    orders: &[Order],
    login: &Login,
    keep: u8,
) -> Result<(), SignError> {
    let trials = with_progress("signing; a card that blinks wants to be touched", || {
        sign::sign(held, card, orders, login, keep)
    })?;
    card.trials.extend(trials);
    Ok(())
}

/// Fresh random bytes.
///
/// # Errors
/// When the system has none.
pub fn random(length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(bytes)
}

/// Leaves only what concerns the card with this serial: itself, and its cache entries. If
/// there is no such card and cards were to be read, that is a gap.
pub fn select_serial(snapshot: &mut Snapshot, serial: &str, offline: bool) {
    snapshot.select_serial(serial, offline);
    select_entries(snapshot, serial);
}

/// Leaves only the cache entries of the card with this serial.
pub fn select_entries(snapshot: &mut Snapshot, serial: &str) {
    let others = snapshot.others.iter_mut().flat_map(|other| &mut other.caches);
    for dir in snapshot.caches.iter_mut().chain(others) {
        dir.entries.retain(|entry| match parse(&entry.name) {
            Recognised::Entry(name) => {
                // An entry may be of an older OpenSC that wrote the serial in another case.
                is_typed(&name.serial.text().to_ascii_lowercase(), &serial.to_ascii_lowercase())
            }
            _ => false,
        });
    }
}

/// Looks at these cache directories too, if they were not looked at.
pub fn observe_more_caches<'a>(snapshot: &mut Snapshot, paths: impl Iterator<Item = &'a Name>) {
    let known = |path: &Name| snapshot.caches.iter().any(|dir| dir.path == *path);
    let wanted: Vec<_> =
        paths.filter(|path| !known(path)).map(|path| (path.clone(), CacheOrigin::Configured)).collect();
    let (dirs, gaps) = look_into(wanted, &Arc::new(Privacy::of(snapshot)));
    snapshot.caches.extend(dirs);
    snapshot.coverage.extend(gaps);
}

/// An entry that is kept outside of its cache.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// The real directory of its cache.
    pub directory: &'a Name,
    /// Its name there.
    pub name: &'a Name,
    /// Where it is: a directory, and its name there.
    pub kept: (&'a Name, &'a Name),
}

/// The snapshot with entries that an undo would bring back, as if they were back already; they are read where
/// they are kept, under the same rules as in their cache. Those of directories that are not in the snapshot are
/// left out.
pub fn with_returning(snapshot: &mut Snapshot, entries: &[Kept<'_>]) {
    let privacy = Privacy::of(snapshot);
    let mut kept: BTreeMap<&Name, BTreeMap<&Name, &Kept<'_>>> = BTreeMap::new();
    for entry in entries {
        kept.entry(entry.kept.0).or_default().insert(entry.kept.1, entry);
    }
    for (place, names) in kept {
        let withheld = Classification::Withhold(Withheld::Unknown);
        let classify = |name: &Name| names.get(name).map_or(withheld, |entry| privacy.classify(entry.name));
        let (seen, _) = observe_cache_dir(place.as_path(), CacheOrigin::Configured, false, &classify);
        for mut entry in seen.entries {
            let Some(back) = names.get(&entry.name) else { continue };
            let meant = |dir: &&mut CacheDir| dir.real_path() == *back.directory;
            let Some(dir) = snapshot.caches.iter_mut().find(meant) else { continue };
            entry.name.clone_from(back.name);
            if dir.state == DirState::Missing {
                dir.state = DirState::Present(entry.inode);
            }
            dir.entries.retain(|known| known.name != entry.name);
            dir.entries.push(entry);
        }
    }
    for dir in &mut snapshot.caches {
        dir.entries.sort_by(|a, b| a.name.cmp(&b.name));
        privacy.withhold(dir);
    }
}

fn now() -> OffsetDateTime {
    let now = crate::host::clock::now();
    now.replace_nanosecond(0).unwrap_or(now)
}

fn read_cards(snapshot: &Snapshot, reader: Option<&str>, status: bool) -> Reading {
    let version = Situation::of(snapshot).version();
    let caches = caches(snapshot, &Arc::new(Privacy::for_links())).0;
    let newest = version.unwrap_or(differences::HEAD);
    let options = card::Options {
        read_c400: version.is_some_and(|version| differences::shows_device_key(version) != Some(false)),
        status,
        cached_links: &|card| cached_links(&caches, card, newest),
        cached_keys: &|card| cached_keys(&caches, card, newest),
    };
    card::read_all(reader, &options, &|atr| kind(snapshot, atr))
}

/// As what a card is read: as what its ATR tells, or, if no program's OpenSC takes it for that, as what the
/// first one takes it for that names a driver which can be read.
fn kind(snapshot: &Snapshot, atr: &[u8]) -> Kind {
    let usual = family::of_atr(atr);
    let configuration = Situation::of(snapshot).configuration();
    let taken = Program::judged(&snapshot.executables)
        .map(|program| configuration.driver(&program, atr, usual.driver).taken)
        .into_iter()
        .filter_map(|taken| if let Taken::By(name) = taken { family::of_driver(&name) } else { None })
        .collect::<Vec<_>>();
    let may_be = |kind: &&Kind| usual.may_be(**kind) && !family::is_never(atr, **kind);
    let wanted = || taken.iter().find(may_be).copied();
    if taken.contains(&usual) { usual } else { wanted().unwrap_or(usual) }
}

/// The cached copies of a card's files, each with its file.
fn copies<'c>(
    caches: &'c [CacheDir],
    card: &'c Card,
    version: Version,
) -> impl Iterator<Item = (EfPath, &'c [u8])> {
    let of_entry = move |entry: &'c CacheEntry| {
        let (Recognised::Entry(name), Content::Bytes(bytes)) = (parse(&entry.name), &entry.content) else {
            return None;
        };
        let layout = layout(card.family)?;
        let of_card = |file: &EfPath| layout.cache_name(card, version, *file).as_ref() == Ok(&name);
        name.ef().filter(of_card).map(|file| (file, bytes.as_slice()))
    };
    caches.iter().flat_map(|dir| &dir.entries).filter_map(of_entry)
}

/// The files of the private keys that cached copies describe and the card does not.
fn cached_keys(caches: &[CacheDir], card: &Card, version: Version) -> Vec<EfPath> {
    let Some(layout) = layout(card.family) else { return Vec::new() };
    let described = |(file, bytes): (EfPath, &[u8])| layout.key_files(card, file, bytes);
    let on_card = card.files.iter().filter_map(|file| Some((file.path, card.content(file.path)?)));
    let listed: BTreeSet<EfPath> = on_card.flat_map(described).collect();
    let cached: BTreeSet<EfPath> = copies(caches, card, version).flat_map(described).collect();
    cached.difference(&listed).copied().collect()
}

/// The files that the cached descriptions of a card's objects name, each with the file of that
/// description. An old one can name another file than the card's own, and that one OpenSC then
/// reads from the card.
fn cached_links(caches: &[CacheDir], card: &Card, version: Version) -> Vec<Link> {
    let Some(layout) = layout(card.family) else { return Vec::new() };
    let of_copy = |(file, bytes): (EfPath, &[u8])| -> Vec<Link> {
        let named = layout.names(file, bytes);
        named.into_iter().filter(|named| !named.private).map(|named| (file, named.file)).collect()
    };
    copies(caches, card, version).flat_map(of_copy).collect()
}

/// The directories that OpenSC uses, or used, as this user.
fn caches(snapshot: &Snapshot, privacy: &Arc<Privacy>) -> (Vec<CacheDir>, Vec<Gap>) {
    let situation = Situation::of(snapshot);
    let configuration = situation.configuration();
    let mut wanted: Vec<(Name, CacheOrigin)> = Vec::new();
    let mut add = |path: Option<Name>, origin| {
        let known = |path: &Name| wanted.iter().any(|(known, _)| known == path);
        if let Some(path) = path.filter(|path| path.as_path().is_absolute() && !known(path)) {
            wanted.push((path, origin));
        }
    };
    for program in Program::judged(&snapshot.executables) {
        // The directory does not depend on the driver.
        if let Outcome::Runs(effective) = configuration.outcome(&program, Some(OTHER_DRIVER)) {
            let origin = match effective.file_cache_dir {
                Some(_) => CacheOrigin::Configured,
                None => CacheOrigin::Default,
            };
            add(effective.cache_dir.path().cloned(), origin);
        }
    }
    // Where OpenSC would look without any configuration: an entry there comes
    // alive when a setting goes.
    let version = situation.version().unwrap_or(differences::HEAD);
    add(cache_dir::cache_dir(version, &snapshot.user.env, None).path().cloned(), CacheOrigin::Default);
    add(cache_dir::former(&snapshot.user.env), CacheOrigin::Former);

    look_into(wanted, privacy)
}

fn look_into(wanted: Vec<(Name, CacheOrigin)>, privacy: &Arc<Privacy>) -> (Vec<CacheDir>, Vec<Gap>) {
    let mut gaps = Vec::new();
    let mut dirs = Vec::new();
    let mut look = Look::new(privacy);
    for (path, origin) in wanted {
        let (dir, missing) = look.at(path, origin);
        dirs.push(dir);
        gaps.extend(missing);
    }
    (dirs, gaps)
}

/// Runs something that may take long; after a second says so on standard error.
fn with_progress<T>(what: &str, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (done, waiting) = mpsc::channel::<()>();
        scope.spawn(move || {
            if waiting.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
                // If standard error is gone there is nobody to tell.
                let _ = std::io::stderr().write_all(format!("stalecard: {what} …\n").as_bytes());
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Reads a snapshot file.
///
/// # Errors
/// [`Error::Io`], or [`Error::NotASnapshot`] if it is not one or too large.
pub fn load(path: &Path) -> Result<Snapshot, Error> {
    let bad = |why: String| Error::NotASnapshot { path: path.to_owned(), why };
    let text = files::read_text(path, LARGEST_SNAPSHOT)?.map_err(bad)?;
    parse_snapshot(&text).map_err(bad)
}

/// Reads the text of a snapshot file.
///
/// # Errors
/// Why it is none.
pub fn parse_snapshot(text: &str) -> Result<Snapshot, String> {
    let mut snapshot: Snapshot = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if snapshot.schema != SCHEMA {
        let schema = crate::text::escape(snapshot.schema.as_bytes());
        return Err(format!("its schema is \"{schema}\", not \"{SCHEMA}\""));
    }
    tame_words(&mut snapshot);
    Ok(snapshot)
}

/// What an honest snapshot says in words is fit to be shown; this one may come from anywhere.
fn tame_words(snapshot: &mut Snapshot) {
    let words = |text: &mut String| *text = tame(text);
    words(&mut snapshot.host);
    for gap in &mut snapshot.coverage {
        words(&mut gap.what);
        words(&mut gap.why);
    }
    for config in &mut snapshot.configs {
        if let ConfigState::Unreadable(why) = &mut config.state {
            words(why);
        }
    }
    for answer in snapshot.cards.iter_mut().flat_map(|card| &mut card.files).map(|file| &mut file.answer) {
        if let Answer::NotRead(why) = answer {
            words(why);
        }
    }
    let others = snapshot.others.iter_mut().flat_map(|other| &mut other.caches);
    for dir in snapshot.caches.iter_mut().chain(others) {
        if let DirState::Unreadable(why) = &mut dir.state {
            words(why);
        }
        for entry in &mut dir.entries {
            if let Content::Unreadable(why) = &mut entry.content {
                words(why);
            }
        }
    }
}

/// Writes a snapshot file: mode 0600, whole or not at all.
///
/// # Errors
/// [`Error::Io`].
pub fn save(snapshot: &Snapshot, path: &Path) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(snapshot).unwrap_or_default() + "\n";
    write_whole(path, text.as_bytes(), 0o600)
}
