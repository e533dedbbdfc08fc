//! Which of the certificates, lists, requests and signatures in files were made by another key than they name: what
//! is to be done about what was signed through a stale view.
//!
//! Two passes over the files. The first gathers the keys that certificates make known, with their names and identifiers;
//! the second asks of each signature whether the key that it names made it, and where it did not, who did
//! (`attribute`). What is read is recognised by its content alone (`recognise`); only what is not sound is kept
//! (`tally`), so that memory does not grow with what is in order.

mod advice;
mod answer;
mod artefact;
mod attribute;
mod brief;
mod certificates;
mod contained;
mod content;
mod files;
mod judgement;
mod lines;
mod named_keys;
mod of_containers;
mod of_x509;
mod recognise;
mod ring;
mod signed_file;
mod summary;
mod tally;
mod told;

pub use crate::case::attribution::Verdict;
pub use artefact::Kind;
pub use certificates::Certificates;
pub use contained::Contained;
pub use named_keys::NamedKeys;
pub use told::{Audit, Counted, Group, Item, MissingFile, Step};

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::case::known_keys::PlaceKind;
use crate::error::{Error, Exit};
use crate::finding::Finding;
use crate::judge;
use crate::observe::{Progress, all_baselines};
use crate::patience::undisturbed;
use crate::snapshot::{Gap, Snapshot};
use crate::text::{count, escape};

use artefact::{Artefact, Claimed};
use attribute::{Asked, WORK_OF_A_FILE};
use files::{Came, Life, Where, Work, each, open, scan};
use judgement::Judgement;
use recognise::Found;
use ring::Ring;
use signed_file::signed_beside;
use tally::Tally;

/// What is to be audited.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Files and folders; `-` is standard input.
    pub paths: &'a [PathBuf],
    /// More public keys: files, or points in hex.
    pub public_keys: &'a [String],
    /// Baselines, whose keys may have made something: a file, or a directory.
    pub against: Option<&'a Path>,
    /// Judge only files that were changed since; all of them make keys known.
    pub since: Option<SystemTime>,
    /// Do not enter other file systems.
    pub one_file_system: bool,
    /// Follow symbolic links.
    pub follow: bool,
    /// Who is told that it takes long.
    pub progress: Progress,
}

/// What came of it.
#[derive(Debug)]
pub struct Audited {
    /// What was found, what to do.
    pub audit: Audit,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub coverage: Vec<Gap>,
    /// How the run ends.
    pub exit: Exit,
}

/// Audits what is in files with all keys that the snapshot and the request know.
///
/// # Errors
/// When a path is not there, standard input cannot be read, a key that was named is none, or nothing can be begun.
pub fn audit(snapshot: &Snapshot, request: &Request<'_>) -> Result<Audited, Error> {
    for path in request.paths.iter().filter(|path| path.as_os_str() != "-") {
        let failed = |source| Error::Io { what: "cannot read", path: path.clone(), source };
        std::fs::symlink_metadata(path).map_err(failed)?;
    }
    let mut ring = NamedKeys::read(request.public_keys)?.ring(&judge::tokens(snapshot));
    if let Some(path) = request.against {
        ring.note(&all_baselines(path)?);
    }
    let input =
        if request.paths.iter().any(|path| path.as_os_str() == "-") { Some(spooled()?) } else { None };

    // Whoever audits much waits for as long as it takes; what does not answer is told apart.
    let _undisturbed = undisturbed();
    let places = Where {
        paths: request.paths.to_vec(),
        one_file_system: request.one_file_system,
        follow: request.follow,
    };
    let gather = Arc::new(Gather {
        ring: Mutex::new(ring),
        tally: Mutex::new(Tally::default()),
        input,
        follow: request.follow,
        told: Told::new(request.progress, "gathering keys from"),
    });
    each(&places, &gather)?;
    let ring = std::mem::take(&mut *lock(&gather.ring));
    let judge = Arc::new(Judge {
        asked: Asked::new(ring),
        tally: Mutex::new(std::mem::take(&mut *lock(&gather.tally))),
        sound: Seen::default(),
        input: gather.input.as_ref().and_then(|file| file.try_clone().ok()),
        since: request.since,
        follow: request.follow,
        told: Told::new(request.progress, "auditing"),
    });
    each(&places, &judge)?;
    let tally = std::mem::take(&mut *lock(&judge.tally));
    Ok(summary::of(tally, &judge.asked.ring, request))
}

/// What is in these bytes, and what came of each, with no keys but those that are in them.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> Vec<(Kind, Verdict)> {
    let mut ring = Ring::default();
    let mut artefacts = Vec::new();
    content::whole(bytes, &mut |found| match found {
        Found::Artefact(artefact) => artefacts.push(artefact),
        Found::Key(offer) => ring.add(offer, PlaceKind::File, String::new),
        Found::NotComputed(_) | Found::NotOpened(_) | Found::Noted { .. } => {}
    });
    for offer in artefacts.iter().filter_map(|artefact| artefact.offer.clone()) {
        ring.add(offer, PlaceKind::File, String::new);
    }
    let asked = Asked::new(ring);
    let left = Cell::new(WORK_OF_A_FILE);
    let of_signature = |claimed: &Claimed| {
        asked.judge_whole(claimed, &left).map_or(Verdict::NotDecided, |judgement| judgement.verdict)
    };
    artefacts
        .iter()
        .flat_map(|one| one.signatures.iter().map(|claimed| (one.kind, of_signature(claimed))))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Standard input in a file without a name: it is read twice.
fn spooled() -> Result<File, Error> {
    let failed = |source| Error::Io { what: "cannot keep", path: "standard input".into(), source };
    let spool = || -> io::Result<File> {
        let mut name = [0_u8; 16];
        rustix::rand::getrandom(&mut name, rustix::rand::GetRandomFlags::empty())?;
        let path = std::env::temp_dir().join(format!("stalecard-{}", crate::text::hex(&name)));
        let mut options = File::options();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(&path)?;
        io::copy(&mut io::stdin().lock(), &mut file)?;
        file.flush()?;
        Ok(file)
    };
    spool().map_err(failed)
}

/// Says from time to time how far it is.
struct Told {
    progress: Progress,
    what: &'static str,
    files: AtomicU64,
    last: AtomicU64,
}

impl Told {
    fn new(progress: Progress, what: &'static str) -> Self {
        Self { progress, what, files: AtomicU64::new(0), last: AtomicU64::new(0) }
    }

    fn tick(&self, since: Duration) {
        /// Seconds between two words.
        const PAUSE: u64 = 5;
        let (now, last) = (since.as_secs(), self.last.load(Ordering::Relaxed));
        if now >= last + PAUSE {
            self.last.store(now, Ordering::Relaxed);
            let files = usize::try_from(self.files.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
            self.progress.tell(&format!("{} {}", self.what, count(files, "file", "files")));
        }
    }
}

/// How a file is called.
fn shown(path: Option<&Path>) -> String {
    path.map_or_else(|| "standard input".to_owned(), |path| escape(path.as_os_str().as_encoded_bytes()))
}

/// Reads a file, or standard input.
fn read(
    path: Option<&Path>,
    input: Option<&File>,
    follow: bool,
    life: &Life,
    sink: &mut recognise::Sink<'_>,
) -> io::Result<Came> {
    match path {
        Some(path) => match open(path, follow)? {
            Some((file, facts)) => scan(file, Some(facts.len()), life, sink),
            None => Ok(Came::Special),
        },
        None => match input {
            Some(mut file) => {
                file.rewind()?;
                let length = file.metadata()?.len();
                scan(file, Some(length), life, sink)
            }
            None => Ok(Came::Special),
        },
    }
}

/// The first pass: which keys there are.
struct Gather {
    ring: Mutex<Ring>,
    tally: Mutex<Tally>,
    input: Option<File>,
    follow: bool,
    told: Told,
}

impl Work for Gather {
    fn file(&self, path: Option<&Path>, life: &Life) -> Came {
        self.told.files.fetch_add(1, Ordering::Relaxed);
        let mut sink = |found: Found| {
            life.beat();
            if life.is_left() {
                return;
            }
            match found {
                Found::Artefact(artefact) => {
                    let kind = artefact.kind.words().0;
                    if let Some(offer) = artefact.offer {
                        lock(&self.ring).add(offer, PlaceKind::File, || format!("{kind} {}", shown(path)));
                    }
                }
                Found::Key(offer) => {
                    lock(&self.ring).add(offer, PlaceKind::File, || format!("public key {}", shown(path)));
                }
                Found::Noted { serial, until, state, subject } => {
                    lock(&self.tally).noted(serial, until, state, &subject, path);
                }
                Found::NotComputed(_) | Found::NotOpened(_) => {}
            }
        };
        read(path, self.input.as_ref(), self.follow, life, &mut sink)
            .unwrap_or_else(|error| Came::Failed(error.to_string()))
    }

    // Said of the second pass, which meets the same.
    fn came(&self, _: &Path, _: Came) {}

    fn tick(&self, since: Duration) {
        self.told.tick(since);
    }
}

/// Digests of what was sound, in several parts so that threads do not wait for each other.
#[derive(Default)]
struct Seen([Mutex<std::collections::HashSet<[u8; 16]>>; 16]);

impl Seen {
    fn part(
        &self,
        digest: &[u8; 16],
    ) -> Option<std::sync::MutexGuard<'_, std::collections::HashSet<[u8; 16]>>> {
        let [first, ..] = digest;
        Some(lock(self.0.get(usize::from(first & 15))?))
    }

    fn has(&self, digest: &[u8; 16]) -> bool {
        self.part(digest).is_some_and(|part| part.contains(digest))
    }

    fn add(&self, digest: [u8; 16]) {
        /// Of each part; more are judged as often as they come.
        const MOST: usize = 1 << 18;
        if let Some(mut part) = self.part(&digest).filter(|part| part.len() < MOST) {
            part.insert(digest);
        }
    }
}

/// The second pass: whose signatures they are.
struct Judge {
    asked: Asked,
    tally: Mutex<Tally>,
    sound: Seen,
    input: Option<File>,
    since: Option<SystemTime>,
    follow: bool,
    told: Told,
}

impl Work for Judge {
    fn file(&self, path: Option<&Path>, life: &Life) -> Came {
        self.told.files.fetch_add(1, Ordering::Relaxed);
        if let (Some(path), Some(since)) = (path, self.since)
            && std::fs::metadata(path).and_then(|facts| facts.modified()).is_ok_and(|changed| changed < since)
        {
            return Came::Older;
        }
        let left = Cell::new(WORK_OF_A_FILE);
        let mut place = 0;
        let mut sink = |found: Found| {
            life.beat();
            if life.is_left() {
                return;
            }
            match found {
                Found::Artefact(artefact) => {
                    place += 1;
                    self.judge(path, place, &artefact, &left);
                }
                Found::NotComputed(why) => lock(&self.tally).not_computed(&shown(path), &why),
                Found::NotOpened(what) => lock(&self.tally).not_opened(what),
                Found::Key(_) | Found::Noted { .. } => lock(&self.tally).other(),
            }
        };
        read(path, self.input.as_ref(), self.follow, life, &mut sink)
            .unwrap_or_else(|error| Came::Failed(error.to_string()))
    }

    fn came(&self, path: &Path, came: Came) {
        lock(&self.tally).came(&shown(Some(path)), came);
    }

    fn tick(&self, since: Duration) {
        self.told.tick(since);
    }
}

impl Judge {
    /// Judges one artefact: by the worst of its signatures.
    fn judge(&self, path: Option<&Path>, place: usize, artefact: &Artefact, left: &Cell<u64>) {
        if self.sound.has(&artefact.digest) {
            lock(&self.tally).again(artefact);
            return;
        }
        let mut worst: Option<Judgement> = None;
        for (number, claimed) in artefact.signatures.iter().enumerate() {
            let judgement = self.signature(path, claimed, left);
            // The device that has made a request is hardly ever known, and nobody asks.
            let is_device = artefact.kind == Kind::CvRequest && number > 0;
            if is_device && judgement.verdict == Verdict::IssuerNotKnown {
                continue;
            }
            if worst.as_ref().is_none_or(|worst| judgement.verdict > worst.verdict) {
                worst = Some(judgement);
            }
        }
        let Some(judgement) = worst else { return };
        if judgement.verdict == Verdict::Sound {
            self.sound.add(artefact.digest);
        }
        lock(&self.tally).judged(&shown_if(&judgement, path), place, artefact, judgement);
    }

    fn signature(&self, path: Option<&Path>, claimed: &Claimed, left: &Cell<u64>) -> Judgement {
        if let Some(judgement) = self.asked.judge_whole(claimed, left) {
            return judgement;
        }
        match path.map(|path| signed_beside(path, &claimed.over, self.follow)) {
            Some(Ok(bytes)) => self.asked.judge(claimed, &bytes, left).of_what_is_beside(),
            Some(Err(why)) => Judgement::open(why),
            None => Judgement::open("what was signed is not in it"),
        }
    }
}

/// What is sound needs no name.
fn shown_if(judgement: &Judgement, path: Option<&Path>) -> String {
    if judgement.verdict == Verdict::Sound { String::new() } else { shown(path) }
}
