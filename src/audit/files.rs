//! Files and folders, each read by as many threads as there are processors, none of them held in memory as a whole
//! if it is large.
//!
//! Links are not followed unless that is asked for, and only regular files are opened, without waiting (a pipe
//! would be waited at for ever). A file system that does not answer is left with the thread that waits for it: the other
//! threads go on, and the file is named.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use walkdir::WalkDir;

use super::closed;
use super::content::{IN_MEMORY, Large, LargeText, large, opened, whole};
use super::lines::{Lines, MOST_LINE, TOO_LARGE};
use super::recognise::{Found, MOST_DEPTH, Sink};
use crate::patience::{NoThread, SILENCE, aside, lose};

/// Threads at most, and threads that may be left behind.
const MOST_THREADS: usize = 64;
/// The one that finds the files.
const WALKER: usize = 0;
/// Files handed on at a time.
const BATCH: usize = 64;
/// What is looked at of a large file before it is decided what it is.
const START: usize = 4_096;
const PIECE: usize = 1 << 16;

/// Which files.
#[derive(Debug, Clone)]
pub struct Where {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Do not enter other file systems.
    pub one_file_system: bool,
    /// Follow symbolic links.
    pub follow: bool,
    /// Of the paths those that are pipes, which were read beforehand.
    pub pipes: Vec<PathBuf>,
}

/// What came of a file or a folder.
#[derive(Debug)]
pub enum Came {
    /// It was looked at.
    Read,
    /// It is nothing to be opened: a pipe, a device, a socket.
    Special,
    /// A symbolic link that was not followed.
    Link,
    /// It is on a file system that the kernel makes up, where to read is to act.
    Kernels,
    /// It was not changed since.
    Older,
    /// It is large, and does not begin like anything signed.
    Passed,
    /// It could not be looked at, and why.
    Failed(String),
}

/// Signs of life of one thread, and what it is at.
#[derive(Debug, Default)]
pub struct Life {
    beats: AtomicU64,
    at: Mutex<Option<PathBuf>>,
    is_left: AtomicBool,
}

impl Life {
    /// There is one.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    fn at(&self, path: Option<&Path>) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = path.map(Path::to_owned);
        self.beat();
    }

    fn path(&self) -> Option<PathBuf> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has whoever waited for it gone on?
    pub fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Relaxed)
    }
}

/// What is done with each file.
pub trait Work: Send + Sync + 'static {
    /// The file itself; `None` is standard input.
    fn file(&self, path: Option<&Path>, life: &Life) -> Came;
    /// What came of it.
    fn came(&self, path: &Path, came: Came);
    /// From time to time.
    fn tick(&self, since: Duration);
}

/// Tells of the end of a thread, by a fault too.
struct Ended(Sender<(usize, bool)>, usize);

impl Drop for Ended {
    fn drop(&mut self) {
        // Nobody waits for it any more.
        let _ = self.0.send((self.1, std::thread::panicking()));
    }
}

/// Does the work for each file.
///
/// # Errors
/// When there is no thread to find files, or none to read them: nothing was looked at.
pub fn each<W: Work>(places: &Where, work: &Arc<W>) -> Result<(), NoThread> {
    let (send, receive) = sync_channel::<Vec<PathBuf>>(16);
    let receive = Arc::new(Mutex::new(receive));
    let (ended, ends) = channel();
    let mut threads: Vec<Arc<Life>> = Vec::new();
    let start = |threads: &mut Vec<Arc<Life>>, body: Box<dyn FnOnce(&Life) + Send>| -> Result<(), NoThread> {
        let life = Arc::new(Life::default());
        let (own, ended, number) = (Arc::clone(&life), ended.clone(), threads.len());
        aside(move || {
            let _ended = Ended(ended, number);
            body(&own);
        })?;
        threads.push(life);
        Ok(())
    };
    let reader = || {
        let (work, receive) = (Arc::clone(work), Arc::clone(&receive));
        Box::new(move |life: &Life| read_all(&*work, &receive, life)) as Box<dyn FnOnce(&Life) + Send>
    };
    let (walked, walker) = (places.clone(), Arc::clone(work));
    start(&mut threads, Box::new(move |life: &Life| walk(&walked, &*walker, &send, life)))?;
    start(&mut threads, reader())?;
    // The more the better, but one is enough.
    let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    for _ in 1..count {
        if start(&mut threads, reader()).is_err() {
            break;
        }
    }
    let (mut running, mut is_walking) = (threads.len(), true);
    let begun = Instant::now();
    let mut seen: Vec<(u64, Instant)> = Vec::new();
    while running > 0 {
        let mut lost = 0;
        match ends.recv_timeout(Duration::from_millis(250)) {
            Ok((number, is_fault)) => {
                is_walking &= number != WALKER;
                if let Some(life) = threads.get(number).filter(|life| !life.is_left()) {
                    if is_fault {
                        life.is_left.store(true, Ordering::Relaxed);
                        let path = life.path().unwrap_or_default();
                        let why = "stalecard broke off at it: this is a fault of stalecard, please report it";
                        work.came(&path, Came::Failed(why.to_owned()));
                        // What was found until then is read; a reader is replaced.
                        running -= usize::from(number == WALKER);
                        lost += usize::from(number != WALKER);
                    } else {
                        running -= 1;
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        work.tick(begun.elapsed());
        seen.resize(threads.len(), (0, Instant::now()));
        let mut is_stuck = false;
        for (number, (life, (beats, when))) in threads.iter().zip(&mut seen).enumerate() {
            let now = life.beats.load(Ordering::Relaxed);
            if now != *beats {
                (*beats, *when) = (now, Instant::now());
            } else if !life.is_left() && when.elapsed() >= SILENCE {
                // Who waits for the next file waits for another thread, which is looked at itself.
                if let Some(path) = life.path() {
                    life.is_left.store(true, Ordering::Relaxed);
                    lose();
                    work.came(
                        &path,
                        Came::Failed("it has not answered for 10 seconds and was left".to_owned()),
                    );
                    lost += 1;
                    is_stuck |= number == WALKER;
                }
            }
        }
        for _ in 0..lost {
            running -= 1;
            if threads.len() < 2 * MOST_THREADS {
                running += usize::from(start(&mut threads, reader()).is_ok());
            }
        }
        // The walk itself hangs, and everybody else waits for it.
        if is_stuck {
            break;
        }
        if lost > 0 && is_walking && running == 1 {
            let path = places.paths.first().cloned().unwrap_or_default();
            work.came(&path, Came::Failed(format!("not all of it was read: {NoThread}")));
            break;
        }
    }
    Ok(())
}

fn walk<W: Work>(places: &Where, work: &W, send: &SyncSender<Vec<PathBuf>>, life: &Life) {
    let mut batch = Vec::with_capacity(BATCH);
    for root in &places.paths {
        life.at(Some(root));
        if root.as_os_str() == "-" {
            batch.push(root.clone());
            continue;
        }
        if let Some(why) = not_to_be_read(root, places) {
            work.came(root, Came::Failed(why.to_owned()));
            continue;
        }
        let mut walk = WalkDir::new(root)
            .follow_links(places.follow)
            .same_file_system(places.one_file_system)
            .into_iter();
        while let Some(entry) = walk.next() {
            if life.is_left() {
                return;
            }
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {
                    life.at(Some(entry.path()));
                    if is_the_kernels(entry.path()) {
                        // On another device the walk goes into none, and what would be skipped is what holds it.
                        if !places.one_file_system {
                            walk.skip_current_dir();
                        }
                        work.came(entry.path(), Came::Kernels);
                    }
                }
                // Whoever names a link or a pipe means what is behind it; a folder behind it is walked through.
                Ok(entry) if entry.depth() == 0 && !entry.path().is_dir() => {
                    batch.push(entry.into_path());
                    life.beat();
                }
                Ok(entry) if entry.depth() == 0 && entry.file_type().is_symlink() => life.beat(),
                Ok(entry) if entry.file_type().is_file() => {
                    batch.push(entry.into_path());
                    life.beat();
                }
                Ok(entry) if entry.file_type().is_symlink() => work.came(entry.path(), Came::Link),
                Ok(entry) => work.came(entry.path(), Came::Special),
                // What leads back to a folder that is being walked through is there already.
                Err(error) if error.loop_ancestor().is_some() => {
                    work.came(error.path().unwrap_or(root), Came::Link);
                }
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_owned();
                    // What was named is meant, and has not been looked at.
                    let is_loop = path != *root
                        && error.io_error().and_then(io::Error::raw_os_error)
                            == Some(rustix::io::Errno::LOOP.raw_os_error());
                    let why = error
                        .into_io_error()
                        .map_or_else(|| "it cannot be read".to_owned(), |error| error.to_string());
                    work.came(&path, if is_loop { Came::Link } else { Came::Failed(why) });
                }
            }
            if batch.len() == BATCH {
                life.at(None);
                if send.send(std::mem::take(&mut batch)).is_err() {
                    return;
                }
                life.at(Some(root));
            }
        }
    }
    life.at(None);
    // Nobody takes it any more.
    let _ = send.send(batch);
}

/// Why something that was named is not read, if it is not.
fn not_to_be_read(root: &Path, places: &Where) -> Option<&'static str> {
    let facts = std::fs::metadata(root).ok()?;
    if places.pipes.iter().any(|pipe| pipe == root) {
        None
    } else if !facts.is_file() && !facts.is_dir() {
        Some("it is a pipe, a device or a socket, and was not opened; standard input is -")
    } else {
        is_the_kernels(root).then_some(
            "it is on a file system that the kernel makes up (proc, sysfs and the like), where to read is to act: not read",
        )
    }
}

/// Is it on a file system that the kernel makes up?
fn is_the_kernels(path: &Path) -> bool {
    /// By their numbers (linux/magic.h): proc, sysfs, debugfs, tracefs, both of control groups, securityfs, configfs, bpf, pstore,
    /// efivarfs, selinuxfs, devpts, mqueue, binfmt_misc, fusectl.
    const NUMBERS: [u64; 16] = [
        0x9FA0,
        0x6265_6572,
        0x6462_6720,
        0x7472_6163,
        0x0027_E0EB,
        0x6367_7270,
        0x7363_6673,
        0x6265_6570,
        0xCAFE_4A11,
        0x6165_676C,
        0xDE5E_81E4,
        0xF97C_FF8C,
        0x1CD1,
        0x1980_0202,
        0x4249_4E4D,
        0x6573_5543,
    ];
    let kind = rustix::fs::statfs(path).map(|facts| u64::try_from(facts.f_type).unwrap_or_default());
    kind.is_ok_and(|kind| NUMBERS.contains(&kind))
}

fn read_all<W: Work>(work: &W, receive: &Mutex<Receiver<Vec<PathBuf>>>, life: &Life) {
    loop {
        let batch = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return };
        for path in batch {
            life.at(Some(&path));
            let is_input = path.as_os_str() == "-";
            let came = work.file(Some(&path).filter(|_| !is_input).map(PathBuf::as_path), life);
            if life.is_left() {
                return;
            }
            work.came(&path, came);
        }
        life.at(None);
    }
}

/// Opens a regular file, without waiting for anything.
pub fn open(path: &Path, follow: bool) -> io::Result<Option<(File, Metadata)>> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let facts = file.metadata()?;
    Ok(facts.is_file().then_some((file, facts)))
}

/// Looks through what is read. `length`: how much there is, as far as it is known.
pub fn scan(
    mut source: impl Read,
    length: Option<u64>,
    life: &Life,
    sink: &mut Sink<'_>,
) -> io::Result<Came> {
    let mut start = Vec::new();
    let most = if length.is_some_and(|length| length > IN_MEMORY) { START as u64 } else { IN_MEMORY };
    fill(&mut source, &mut start, most, life)?;
    let is_large =
        start.len() as u64 == most && (most < IN_MEMORY || fill(&mut source, &mut start, 1, life)? > 0);
    if !is_large {
        whole(&start, sink);
        return Ok(Came::Read);
    }
    if let Some(name) = closed::of_file(&start) {
        sink(Found::NotOpened(name));
        return Ok(Came::Read);
    }
    match large(&start, length.unwrap_or(u64::MAX)) {
        Large::Structure => Ok(Came::Failed(TOO_LARGE.to_owned())),
        Large::Wide => {
            let why = "it is text in UTF-16, and larger than 16 MiB: too large to be looked at";
            Ok(Came::Failed(why.to_owned()))
        }
        Large::Other => Ok(Came::Passed),
        Large::Text => lines(source, start, life, sink),
    }
}

/// Reads so many bytes more, if they are there. How many it were?
fn fill(source: &mut impl Read, into: &mut Vec<u8>, most: u64, life: &Life) -> io::Result<u64> {
    let mut all = 0;
    while all < most {
        let read = source.take((most - all).min(1 << 20)).read_to_end(into)? as u64;
        life.beat();
        all += read;
        if read == 0 {
            break;
        }
    }
    Ok(all)
}

/// Text of any length, line by line. `pending`: what of it was read already.
fn lines(mut source: impl Read, mut pending: Vec<u8>, life: &Life, sink: &mut Sink<'_>) -> io::Result<Came> {
    let sink: &mut Sink<'_> = &mut |found| opened(found, sink);
    let (mut lines, mut whole) = (Lines::new(MOST_DEPTH), LargeText::new(&pending));
    let mut is_cut = false;
    let mut piece = vec![0; PIECE];
    // Until there no line ends.
    let mut searched = 0;
    loop {
        let mut begin = 0;
        while let Some(end) = pending.get(searched..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let end = searched + end;
            if let Some(line) = pending.get(begin..end).filter(|_| !is_cut) {
                whole.line(line);
                lines.line(line, sink);
            }
            is_cut = false;
            begin = end + 1;
            searched = begin;
        }
        pending.drain(..begin);
        if pending.len() > MOST_LINE {
            whole.line(&pending);
            if !is_cut {
                lines.cut(&pending, sink);
            }
            pending.clear();
            is_cut = true;
        }
        searched = pending.len();
        let count = source.read(&mut piece)?;
        life.beat();
        if count == 0 {
            break;
        }
        pending.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    if !is_cut {
        whole.line(&pending);
        lines.line(&pending, sink);
    }
    lines.end(sink);
    whole.end(sink);
    Ok(Came::Read)
}
