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
mod attempt;
mod attribute;
mod brief;
mod certificates;
mod closed;
mod contained;
mod content;
mod files;
mod hashed;
mod judgement;
mod lines;
mod mail;
mod makers;
mod named_keys;
mod objects;
mod of_containers;
mod of_x509;
mod passes;
mod recognise;
mod request;
mod ring;
mod signed_file;
mod summary;
mod tally;
mod told;

pub use crate::case::attribution::Verdict;
pub use artefact::Kind;
pub use certificates::Certificates;
pub use contained::Contained;
pub use judgement::{Ground, Why};
pub use named_keys::NamedKeys;
pub use request::Request;
pub use told::{Audit, Audited, Counted, Group, Item, MissingFile, Step};

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use crate::case::known_keys::PlaceKind;
use crate::error::Error;
use crate::judge;
use crate::observe::all_baselines;
use crate::patience::undisturbed;
use crate::snapshot::Snapshot;

use attempt::WORK_OF_A_FILE;
use attribute::Asked;
use files::{Where, each};
use hashed::Hashed;
use passes::{Gather, Judge, Sources};
use recognise::Found;
use ring::Ring;

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
    let mut pipes = HashMap::new();
    let mut paths = Vec::new();
    for path in request.paths {
        if is_pipe(path) {
            // It is read once, whoever names it twice.
            if pipes.contains_key(path) {
                continue;
            }
            pipes.insert(path.clone(), spooled(path)?);
        }
        paths.push(path.clone());
    }

    // Whoever audits much waits for as long as it takes; what does not answer is told apart.
    let _undisturbed = undisturbed();
    let places = Where {
        paths,
        one_file_system: request.one_file_system,
        follow: request.follow,
        pipes: pipes.keys().cloned().collect(),
    };
    let named = request.paths.iter().cloned().collect();
    let sources = Sources { named, pipes, follow: request.follow };
    let gather = Arc::new(Gather::new(ring, sources, request.progress, request.now));
    each(&places, &gather)?;
    let judge = Arc::new(Judge::new(&gather, request.since));
    each(&places, &judge)?;
    Ok(summary::of(judge.tally(), judge.asked(), request))
}

/// What is in these bytes, and what came of each, with no keys but those that are in them.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> Vec<(Kind, Verdict)> {
    let mut ring = Ring::default();
    let mut artefacts = Vec::new();
    content::whole(bytes, &mut |found| match found {
        Found::Artefact(artefact) => artefacts.push(artefact),
        Found::Key(offer) => ring.add(offer, PlaceKind::File, String::new),
        Found::NotComputed(_) | Found::NotOpened(_) | Found::Noted { .. } | Found::Content { .. } => {}
    });
    for offer in artefacts.iter().filter_map(|artefact| artefact.offer.clone()) {
        ring.add(offer, PlaceKind::File, String::new);
    }
    let asked = Asked::new(ring);
    let left = Cell::new(WORK_OF_A_FILE);
    let mut verdicts = Vec::new();
    for one in &artefacts {
        let mut hashed = Hashed::default();
        for claimed in &one.signatures {
            let judgement = asked.judge_whole(claimed, &mut hashed, &left);
            let verdict = judgement.map_or(Verdict::NotDecided, |judgement| judgement.verdict);
            let is_open = verdict == Verdict::Sound && claimed.detached().is_some();
            verdicts.push((one.kind, if is_open { Verdict::NotDecided } else { verdict }));
        }
    }
    verdicts
}

/// Is it standard input, or a pipe that whoever called has opened: `/dev/stdin`, and what a shell makes of `<(…)`?
fn is_pipe(path: &Path) -> bool {
    let is_open = || {
        ["/dev/stdin", "/dev/fd", "/proc/self/fd"].iter().any(|place| path.starts_with(place))
            && std::fs::metadata(path).is_ok_and(|facts| facts.file_type().is_fifo())
    };
    path.as_os_str() == "-" || is_open()
}

/// What comes on a pipe, in a file without a name: it is read twice.
fn spooled(path: &Path) -> Result<File, Error> {
    let is_input = path.as_os_str() == "-";
    let named = if is_input { Path::new("standard input") } else { path };
    let failed = |source| Error::Io { what: "cannot keep", path: named.to_owned(), source };
    let spool = || -> io::Result<File> {
        let mut name = [0_u8; 16];
        rustix::rand::getrandom(&mut name, rustix::rand::GetRandomFlags::empty())?;
        let path = std::env::temp_dir().join(format!("stalecard-{}", crate::text::hex(&name)));
        let mut options = File::options();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(&path)?;
        if is_input {
            io::copy(&mut io::stdin().lock(), &mut file)?;
        } else {
            io::copy(&mut File::open(named)?, &mut file)?;
        }
        file.flush()?;
        Ok(file)
    };
    spool().map_err(failed)
}
