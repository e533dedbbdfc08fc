//! What is done with each file in the two passes: its keys are gathered, then its signatures judged. What is sound takes an
//! entry in a table, at most so many; everything else is the tally's.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::artefact::{Artefact, Claimed, Kind, Over};
use super::attempt::WORK_OF_A_FILE;
use super::attribute::{Asked, is_within};
use super::files::{Came, Life, Work, open, scan};
use super::hashed::Hashed;
use super::judgement::Judgement;
use super::recognise::{Found, Sink};
use super::ring::Ring;
use super::signed_file::Elsewhere;
use super::tally::Tally;
use crate::case::attribution::Verdict;
use crate::case::known_keys::PlaceKind;
use crate::observe::Progress;
use crate::text::{count, escape};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// What was named, and what of it was read beforehand: standard input (`-`), and pipes.
#[derive(Debug, Default)]
pub struct Sources {
    /// What was named: links among it are followed.
    pub named: HashSet<PathBuf>,
    /// What came on pipes, and where that is kept.
    pub pipes: HashMap<PathBuf, File>,
    /// Follow all links.
    pub follow: bool,
}

impl Sources {
    /// Reads a file, or standard input.
    fn read(&self, path: Option<&Path>, life: &Life, sink: &mut Sink<'_>) -> io::Result<Came> {
        let of_pipe = self.pipes.get(path.unwrap_or(Path::new("-")));
        if let Some(mut file) = of_pipe {
            file.rewind()?;
            let length = file.metadata()?.len();
            return scan(file, Some(length), life, sink);
        }
        let Some(path) = path else { return Ok(Came::Special) };
        match open(path, self.follow || self.named.contains(path))? {
            Some((file, facts)) => scan(file, Some(facts.len()), life, sink),
            None => Ok(Came::Special),
        }
    }
}

/// The first pass: which keys there are.
pub struct Gather {
    ring: Mutex<Ring>,
    tally: Mutex<Tally>,
    sources: Arc<Sources>,
    told: Told,
}

impl Gather {
    /// With the keys that are known already. `now`: Unix seconds.
    pub fn new(ring: Ring, sources: Sources, progress: Progress, now: i64) -> Self {
        Self {
            ring: Mutex::new(ring),
            tally: Mutex::new(Tally::new(now)),
            sources: Arc::new(sources),
            told: Told::new(progress, "gathering keys from"),
        }
    }
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
                Found::NotComputed(_) | Found::NotOpened(_) | Found::Content { .. } => {}
            }
        };
        self.sources.read(path, life, &mut sink).unwrap_or_else(|error| Came::Failed(error.to_string()))
    }

    // Said of the second pass, which meets the same.
    fn came(&self, _: &Path, _: Came) {}

    fn tick(&self, since: Duration) {
        self.told.tick(since);
    }
}

/// Artefacts that are not sound of which it is remembered what came of them.
const MOST_JUDGED: usize = 4_096;

/// Digests of what was sound or of nobody known, in several parts so that threads do not wait for each other.
#[derive(Default)]
struct Seen([Mutex<HashSet<[u8; 16]>>; 16]);

impl Seen {
    fn part(&self, digest: &[u8; 16]) -> Option<MutexGuard<'_, HashSet<[u8; 16]>>> {
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
pub struct Judge {
    asked: Asked,
    tally: Mutex<Tally>,
    seen: Seen,
    /// What came of artefacts that are told each time that they are there.
    judged: Mutex<HashMap<[u8; 16], Judgement>>,
    sources: Arc<Sources>,
    since: Option<SystemTime>,
    told: Told,
}

impl Work for Judge {
    fn file(&self, path: Option<&Path>, life: &Life) -> Came {
        self.told.files.fetch_add(1, Ordering::Relaxed);
        if let (Some(path), Some(since)) = (path, self.since)
            && !self.sources.pipes.contains_key(path)
            && std::fs::metadata(path).is_ok_and(|facts| changed(&facts).is_some_and(|at| at < since))
        {
            return Came::Older;
        }
        let left = Cell::new(WORK_OF_A_FILE);
        let (mut place, mut is_kept) = (0, false);
        let mut sink = |found: Found| {
            life.beat();
            if life.is_left() {
                return;
            }
            match found {
                Found::Artefact(artefact) => {
                    place += 1;
                    is_kept |= self.judge(path, place, &artefact, &left);
                }
                Found::NotComputed(why) => lock(&self.tally).not_computed(&shown(path), &why),
                Found::NotOpened(what) => lock(&self.tally).not_opened(what),
                Found::Key(_) | Found::Noted { .. } => lock(&self.tally).other(),
                // It was looked through.
                Found::Content { .. } => {}
            }
        };
        let came =
            self.sources.read(path, life, &mut sink).unwrap_or_else(|error| Came::Failed(error.to_string()));
        if is_kept && place > 1 {
            lock(&self.tally).crowded(&shown(path));
        }
        came
    }

    fn came(&self, path: &Path, came: Came) {
        lock(&self.tally).came(&shown(Some(path)), came);
    }

    fn tick(&self, since: Duration) {
        self.told.tick(since);
    }
}

impl Judge {
    /// With what the first pass has found; `since`: of files that were changed since.
    pub fn new(gather: &Gather, since: Option<SystemTime>) -> Self {
        Self {
            asked: Asked::new(std::mem::take(&mut *lock(&gather.ring))),
            tally: Mutex::new(std::mem::take(&mut *lock(&gather.tally))),
            seen: Seen::default(),
            judged: Mutex::default(),
            sources: Arc::clone(&gather.sources),
            since,
            told: Told::new(gather.told.progress, "auditing"),
        }
    }

    /// What it asks with.
    pub const fn asked(&self) -> &Asked {
        &self.asked
    }

    /// What came of it.
    pub fn tally(&self) -> Tally {
        std::mem::take(&mut *lock(&self.tally))
    }

    /// Judges one artefact: by the worst of its signatures. Is a record of it kept?
    fn judge(&self, path: Option<&Path>, place: usize, artefact: &Artefact, left: &Cell<u64>) -> bool {
        if self.seen.has(&artefact.digest) {
            lock(&self.tally).again(artefact);
            return false;
        }
        let known = lock(&self.judged).get(&artefact.digest).cloned();
        if let Some(judgement) = known {
            return lock(&self.tally).judged(&shown(path), place, artefact, judgement);
        }
        let mut worst: Option<Judgement> = None;
        let elsewhere = Elsewhere::beside(path, self.sources.follow);
        let mut hashed = Hashed::default();
        for (number, claimed) in artefact.signatures.iter().enumerate() {
            let judgement = self.signature(&elsewhere, claimed, &mut hashed, left);
            // The device that has made a request is hardly ever known, and nobody asks.
            let is_device = artefact.kind == Kind::CvRequest && number > 0;
            if is_device && judgement.verdict == Verdict::IssuerNotKnown {
                continue;
            }
            if worst.as_ref().is_none_or(|worst| judgement.verdict > worst.verdict) {
                worst = Some(judgement);
            }
        }
        let Some(judgement) = worst else { return false };
        // Beside another file the same signature may come to something else.
        let is_whole = |one: &Claimed| is_within(&one.over) && one.detached().is_none();
        if artefact.signatures.iter().all(is_whole) {
            match judgement.verdict {
                Verdict::Sound | Verdict::IssuerNotKnown => self.seen.add(artefact.digest),
                Verdict::NotDecided
                | Verdict::SoundUnderAnotherCertificate
                | Verdict::Invalid
                | Verdict::MadeByAnotherKey => {
                    let mut judged = lock(&self.judged);
                    if judged.len() < MOST_JUDGED {
                        judged.insert(artefact.digest, judgement.clone());
                    }
                }
            }
        }
        lock(&self.tally).judged(&shown_if(&judgement, path), place, artefact, judgement)
    }

    fn signature<'c>(
        &self,
        elsewhere: &'c Elsewhere<'_>,
        claimed: &'c Claimed,
        hashed: &mut Hashed<'c>,
        left: &Cell<u64>,
    ) -> Judgement {
        if let Some(judgement) = self.asked.judge_whole(claimed, hashed, left) {
            return match claimed.detached() {
                Some(content) => judgement.with_content_beside(elsewhere.has(content)),
                None => judgement,
            };
        }
        let judged = match &claimed.over {
            Over::Content => {
                elsewhere.content().map(|content| self.asked.judge_signed(claimed, hashed.of(content), left))
            }
            over => elsewhere.over(over).map(|over| self.asked.judge(claimed, &over, left)),
        };
        judged.map_or_else(Judgement::open, Judgement::of_what_is_beside)
    }
}

/// When a file was changed: its content, or its place and its owner. Who copies or moves one keeps the former, and not the latter.
fn changed(facts: &Metadata) -> Option<SystemTime> {
    let seconds = Duration::from_secs(u64::try_from(facts.ctime()).unwrap_or_default());
    let nanoseconds = Duration::from_nanos(u64::try_from(facts.ctime_nsec()).unwrap_or_default());
    Some(facts.modified().ok()?.max(SystemTime::UNIX_EPOCH + seconds + nanoseconds))
}

/// What is sound needs no name.
fn shown_if(judgement: &Judgement, path: Option<&Path>) -> String {
    if judgement.verdict == Verdict::Sound { String::new() } else { shown(path) }
}
