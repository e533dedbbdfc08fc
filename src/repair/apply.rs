//! Doing what a plan says, file by file, and nothing else.
//!
//! Hides the order that makes it safe: look at every file; write the journal,
//! in parts if it is long, and take the room for its completion; for each file
//! look again, make its data durable, move it; make both directories durable;
//! complete the journal. A part that moved nothing is taken away again.

use std::collections::BTreeMap;

use super::Error;
use super::journal::{self, Journal, Planned};
use super::outcome::{Applied, Outcome, StepResult};
use super::plan::{Action, Consent, Plan, Safety, Step};
use super::quarantine::{Locked, Run, StateDir, file_name, section};
use crate::host::clock;
use crate::patience::undisturbed;
use crate::safe_fs::{self, Dir, HeldFile, Moved, Opened, Reserved};
use crate::snapshot::{ByteString, Inode};
use crate::text::count;

/// Says what [`apply`] would do now as far as the files are concerned, and changes nothing.
#[must_use]
pub fn rehearse(plan: &Plan, consent: &Consent) -> Applied {
    let mut directories = Directories::default();
    let (mut steps, due) = examine(plan, *consent, &mut directories);
    let mut changed = false;
    for (number, planned) in &due {
        match may_go(&planned.step, &mut directories, None) {
            Ok(()) => changed = true,
            Err(outcome) => set(&mut steps, *number, outcome),
        }
    }
    Applied { operation: None, changed, steps }
}

/// As [`rehearse`], with the quarantine that the files would go to.
///
/// # Errors
/// As [`apply`] would have, as far as that can be told without writing.
pub fn rehearse_in(plan: &Plan, consent: &Consent, state: &StateDir) -> Result<Applied, Error> {
    let mut applied = rehearse(plan, consent);
    if !applied.changed {
        return Ok(applied);
    }
    let mut directories = Directories::default();
    let (_, mut due) = examine(plan, *consent, &mut directories);
    due.retain(|(number, planned)| {
        applied.steps.get(*number).is_some_and(|step| step.outcome == intended(&planned.step))
    });
    let (places, files): (Vec<usize>, Vec<Planned>) = due.into_iter().unzip();
    let mut room = state.may_lock(journal::room_for(&files))?;
    applied.changed = false;
    for (number, planned) in places.into_iter().zip(&files) {
        let inode = planned.step.expect.inode;
        let is_copied = planned.step.action == Action::Quarantine && inode.dev != room.device;
        match may_go(&planned.step, &mut directories, Some(room.device)) {
            // Each takes room from the next one.
            Ok(()) if is_copied && !room.takes(inode.size, 1) => {
                let full = rustix::io::Errno::NOSPC.into();
                let path =
                    ByteString::from(planned.step.directory.as_path().join(planned.step.name.as_os_str()));
                let why = failed(safe_fs::Error::Io { what: "keep a copy of", path, source: full });
                set(&mut applied.steps, number, why);
            }
            Ok(()) => applied.changed = true,
            Err(outcome) => set(&mut applied.steps, number, outcome),
        }
    }
    Ok(applied)
}

/// Whether a file that is as the plan says may leave its directory, for a place on this device.
fn may_go(step: &Step, directories: &mut Directories, device: Option<u64>) -> Result<(), Outcome> {
    let directory = directories.get(&step.directory)?;
    let device = device.filter(|_| step.action == Action::Quarantine);
    directory.may_take(&step.name, device).map_err(failed)
}

fn set(steps: &mut [StepResult], number: usize, outcome: Outcome) {
    if let Some(step) = steps.get_mut(number) {
        step.outcome = outcome;
    }
}

/// Does what the plan says, as far as the caller agreed.
///
/// # Errors
/// When the quarantine cannot be used (then nothing was moved), or the journal
/// could not be completed.
pub fn apply(plan: &Plan, consent: &Consent, state: &StateDir) -> Result<Applied, Error> {
    apply_in(plan, consent, state, &mut Run::begin())
}

/// As [`apply`], as a part of a run: root keeps a quarantine for each owner of files, and one undo
/// takes back what one run did.
///
/// # Errors
/// As [`apply`].
pub fn apply_in(plan: &Plan, consent: &Consent, state: &StateDir, run: &mut Run) -> Result<Applied, Error> {
    let mut directories = Directories::default();
    let (mut steps, due) = examine(plan, *consent, &mut directories);
    if due.is_empty() {
        return Ok(Applied { operation: None, changed: false, steps });
    }
    let _undisturbed = undisturbed();
    let locked = state.lock()?;
    let mut operation = None;
    for part in prepare(&locked, run, due, state.limit())? {
        let (id, is_kept) = part.run(&locked, run, &mut directories, &mut steps)?;
        operation = operation.or(is_kept.then_some(id));
    }
    let changed = steps.iter().any(|step| matches!(step.outcome, Outcome::Moved | Outcome::Removed));
    Ok(Applied { operation, changed, steps })
}

/// How each step would end, and the steps (by their number) that would act.
fn examine(
    plan: &Plan,
    consent: Consent,
    directories: &mut Directories,
) -> (Vec<StepResult>, Vec<(usize, Planned)>) {
    let mut due = Vec::new();
    let mut results = Vec::new();
    for (number, step) in plan.steps.iter().enumerate() {
        let outcome = match look(step, consent, directories) {
            Ok(Seen { directory, .. }) => {
                let directory_owner = (directory.uid, directory.gid);
                due.push((number, Planned { step: step.clone(), directory_owner, outcome: None }));
                intended(step)
            }
            Err(outcome) => outcome,
        };
        let Step { directory, name, action, reason, .. } = step.clone();
        results.push(StepResult { directory, name, action, reason, outcome });
    }
    (results, due)
}

/// One operation, written down before anything moves.
struct Part {
    id: String,
    operation: Dir,
    stored: Dir,
    journal: Journal,
    room: Reserved,
    /// The step in the plan of each file.
    places: Vec<usize>,
}

/// Writes down everything that is to be done, and takes the room to write down how it ended.
fn prepare(
    locked: &Locked,
    run: &mut Run,
    due: Vec<(usize, Planned)>,
    limit: u64,
) -> Result<Vec<Part>, Error> {
    let parts = journal::split(due, limit).map_err(|e| safe_fs::Error::Io {
        what: "write a journal in",
        path: locked.dir.path().clone(),
        source: e.into(),
    })?;
    let mut prepared: Vec<Part> = Vec::new();
    let mut failed = None;
    for part in parts {
        let (places, files): (Vec<usize>, Vec<Planned>) = part.into_iter().unzip();
        let begun = locked.begin(run).and_then(|(id, operation)| {
            let journal = Journal::new(run.began(), rustix::process::geteuid().as_raw(), files);
            let made = section(&operation, "files")
                .and_then(|stored| Ok((stored, journal::begin(&operation, &journal)?)));
            match made {
                Ok((stored, room)) => Ok(Part { id, operation, stored, journal, room, places }),
                Err(error) => {
                    locked.discard(run, &operation, &id, None);
                    Err(error.into())
                }
            }
        });
        match begun {
            Ok(part) => prepared.push(part),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let Some(error) = failed else { return Ok(prepared) };
    for part in prepared.iter().rev() {
        locked.discard(run, &part.operation, &part.id, None);
    }
    Err(error)
}

impl Part {
    /// Does what is written down; says whether anything is kept of it.
    fn run(
        mut self,
        locked: &Locked,
        run: &mut Run,
        directories: &mut Directories,
        steps: &mut [StepResult],
    ) -> Result<(String, bool), Error> {
        for (index, (planned, place)) in self.journal.files.iter_mut().zip(&self.places).enumerate() {
            let outcome = act(&planned.step, directories, &self.stored, index, &self.id);
            set(steps, *place, outcome.clone());
            planned.outcome = Some(outcome);
        }
        let done = |planned: &&Planned| matches!(planned.outcome, Some(Outcome::Moved | Outcome::Removed));
        let done = self.journal.files.iter().filter(done).count();
        let Self { id, operation, stored, mut journal, room, .. } = self;
        if done == 0 && locked.discard(run, &operation, &id, None) {
            return Ok((id, false));
        }
        let finish = || {
            stored.sync()?;
            directories.sync()?;
            journal.finished_at = Some(clock::now());
            journal::finish(&operation, room, &mut journal)
        };
        let what = count(done, "cache entry was", "cache entries were");
        finish().map_err(|source| Error::Unfinished { id: id.clone(), what, source })?;
        Ok((id, true))
    }
}

/// A file that is as the plan says.
struct Seen {
    held: HeldFile,
    directory: Inode,
}

/// Checks everything that has to be true of a step; what is not is its outcome.
fn look(step: &Step, consent: Consent, directories: &mut Directories) -> Result<Seen, Outcome> {
    let directory = directories.get(&step.directory)?;
    let inode = directory.inode().map_err(failed)?;
    let me = rustix::process::geteuid().as_raw();
    // In a sticky directory each entry is its owner's, whose the directory may be.
    let is_ones_own = inode.uid == me
        || inode.mode & 0o1000 != 0
            && directory
                .facts(&step.name)
                .is_ok_and(|facts| facts.is_some_and(|facts| facts.inode.uid == me));
    // A plan's own level is not believed where it is too low.
    let mut safety = step.safety;
    if step.action == Action::Remove {
        safety = safety.max(Safety::Unsafe);
    }
    for level in [safety, if is_ones_own { Safety::Safe } else { Safety::Guarded }] {
        if !consent.allows(level) {
            return Err(Outcome::NeedsConsent(level));
        }
    }
    let held = match directory.hold(&step.name) {
        Ok(Some(held)) => held,
        Ok(None) => return Err(Outcome::AlreadyGone),
        Err(safe_fs::Error::Special { kind, .. }) => {
            return Err(Outcome::Changed(format!("it is now {}", safe_fs::kind_words(kind))));
        }
        Err(error @ safe_fs::Error::Swapped(_)) => return Err(Outcome::Changed(error.to_string())),
        Err(error) => return Err(failed(error)),
    };
    let links = held.facts().inode.nlink;
    if links != 1 {
        let why = format!(
            "the file has {links} hard links and may be needed elsewhere; remove this one by hand \
             (after an interrupted repair: `stalecard undo` first)"
        );
        return Err(Outcome::Failed(why));
    }
    match held.differs(&step.expect.inode, step.expect.sha256.as_ref()).map_err(failed)? {
        Some(why) => Err(Outcome::Changed(why.to_string())),
        None => Ok(Seen { held, directory: inode }),
    }
}

fn act(step: &Step, directories: &mut Directories, stored: &Dir, index: usize, id: &str) -> Outcome {
    // Consent was asked before the journal was written.
    let everything = Consent::safe().and_guarded().and_unsafe();
    let held = match look(step, everything, directories) {
        Ok(seen) => seen.held,
        Err(outcome) => return outcome,
    };
    let directory = match directories.get(&step.directory) {
        Ok(directory) => directory,
        Err(outcome) => return outcome,
    };
    let changed = || Outcome::Changed("it was exchanged or written at this moment".to_string());
    match step.action {
        Action::Remove => match directory.remove_file(&step.name, &held) {
            Ok(true) => Outcome::Removed,
            Ok(false) => changed(),
            Err(error) => failed(error),
        },
        Action::Quarantine => {
            let (to, tag, sha256) = (file_name(index), format!("{id}-{index}"), step.expect.sha256.as_ref());
            match directory.move_file(&step.name, &held, stored, &to, sha256, &tag) {
                Ok(Moved::Done) => Outcome::Moved,
                Ok(Moved::Changed) => changed(),
                Ok(Moved::Exists) => Outcome::Failed(format!("{} exists already", stored.path_of(&to))),
                Err(error) => failed(error),
            }
        }
    }
}

/// The directories of a plan, each opened once.
#[derive(Default)]
struct Directories(BTreeMap<ByteString, Result<Dir, Outcome>>);

impl Directories {
    fn get(&mut self, path: &ByteString) -> Result<&Dir, Outcome> {
        let opened = self.0.entry(path.clone()).or_insert_with(|| match Dir::open(path.as_path()) {
            Ok(Opened::Dir(dir)) => Ok(dir),
            Ok(Opened::Missing) => Err(Outcome::AlreadyGone),
            Ok(Opened::Symlink(target)) => Err(Outcome::Failed(format!(
                "the directory is a symbolic link to {target}, which was not followed; \
                 repair the directory it leads to"
            ))),
            Err(error) => Err(failed(error)),
        });
        opened.as_ref().map_err(Clone::clone)
    }

    fn sync(&self) -> Result<(), safe_fs::Error> {
        self.0.values().filter_map(|opened| opened.as_ref().ok()).try_for_each(Dir::sync)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn failed(error: safe_fs::Error) -> Outcome {
    Outcome::Failed(error.to_string())
}

const fn intended(step: &Step) -> Outcome {
    match step.action {
        Action::Quarantine => Outcome::Moved,
        Action::Remove => Outcome::Removed,
    }
}
