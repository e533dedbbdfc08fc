//! Doing what a plan says, file by file, and nothing else.
//!
//! Hides the order that makes it safe: look at every file; write the journal;
//! for each file look again, make its data durable, move it; make both
//! directories durable; complete the journal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Error;
use super::journal::{self, Journal, Planned};
use super::plan::{Action, Consent, Plan, Safety, Step};
use super::quarantine::{Locked, StateDir, file_name, section};
use crate::safe_fs::{self, Dir, Held, Moved, Opened};
use crate::snapshot::{Inode, Name};

/// What came of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The operation that [`super::undo()`] takes back; none if nothing moved.
    pub operation: Option<String>,
    /// Whether anything changed (for a rehearsal: would change).
    pub changed: bool,
    /// Each step, in the plan's order.
    pub steps: Vec<StepResult>,
}

/// What came of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// The cache directory.
    pub directory: Name,
    /// The file.
    pub name: Name,
    /// What was to be done.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The file is in the quarantine (in a rehearsal: would be).
    Moved,
    /// The file is removed and not kept (in a rehearsal: would be).
    Removed,
    /// There is no such file: nothing to do.
    AlreadyGone,
    /// It is no longer the file that was meant; it was left alone. Why.
    Changed(String),
    /// The caller did not agree to a step of this level; it was left alone.
    NeedsConsent(Safety),
    /// It could not be done. Why.
    Failed(String),
}

impl Applied {
    /// Whether a step failed: the run's exit status tells.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.outcome, Outcome::Failed(_)))
    }
}

/// Says what [`apply`] would do now, and changes nothing.
#[must_use]
pub fn rehearse(plan: &Plan, consent: &Consent) -> Applied {
    let (steps, due) = examine(plan, *consent, &mut Directories::default());
    Applied { operation: None, changed: !due.is_empty(), steps }
}

/// Does what the plan says, as far as the caller agreed.
///
/// # Errors
/// When the quarantine cannot be used (then nothing was moved), or the journal
/// could not be completed.
pub fn apply(plan: &Plan, consent: &Consent, state: &StateDir) -> Result<Applied, Error> {
    apply_at(plan, consent, state, OffsetDateTime::now_utc())
}

/// As [`apply`], with the time that one run gives to all its parts: root keeps a quarantine for
/// each owner of files, and one undo takes back what has one time.
///
/// # Errors
/// As [`apply`].
pub fn apply_at(
    plan: &Plan,
    consent: &Consent,
    state: &StateDir,
    now: OffsetDateTime,
) -> Result<Applied, Error> {
    let mut directories = Directories::default();
    let (mut steps, due) = examine(plan, *consent, &mut directories);
    let (places, files): (Vec<usize>, Vec<Planned>) = due.into_iter().unzip();
    if files.is_empty() {
        return Ok(Applied { operation: None, changed: false, steps });
    }
    let locked = state.lock()?;
    let id = run(&locked, now, files, &mut directories, |index, outcome| {
        if let Some(result) = places.get(index).and_then(|place| steps.get_mut(*place)) {
            result.outcome = outcome;
        }
    })?;
    let changed = steps.iter().any(|step| matches!(step.outcome, Outcome::Moved | Outcome::Removed));
    Ok(Applied { operation: Some(id), changed, steps })
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

fn run(
    locked: &Locked,
    now: OffsetDateTime,
    files: Vec<Planned>,
    directories: &mut Directories,
    mut report: impl FnMut(usize, Outcome),
) -> Result<String, Error> {
    let (id, operation) = locked.begin(now)?;
    let stored = section(&operation, "files")?;
    let mut journal = Journal::new(now, rustix::process::geteuid().as_raw(), files);
    journal::write(&operation, &journal)?;
    for (index, planned) in journal.files.iter_mut().enumerate() {
        let outcome = act(&planned.step, directories, &stored, index, &id);
        report(index, outcome.clone());
        planned.outcome = Some(outcome);
    }
    let mut finish = || {
        stored.sync()?;
        directories.sync()?;
        journal.finished_at = Some(OffsetDateTime::now_utc());
        journal::write(&operation, &journal)
    };
    finish().map_err(|source| Error::Unfinished { id: id.clone(), source })?;
    Ok(id)
}

/// A file that is as the plan says.
struct Seen {
    held: Held,
    directory: Inode,
}

/// Checks everything that has to be true of a step; what is not is its outcome.
fn look(step: &Step, consent: Consent, directories: &mut Directories) -> Result<Seen, Outcome> {
    let directory = directories.get(&step.directory)?;
    let inode = directory.inode().map_err(failed)?;
    // A plan's own level is not believed where it is too low.
    let mut safety = step.safety;
    if step.action == Action::Remove {
        safety = safety.max(Safety::Unsafe);
    }
    let is_others = inode.uid != rustix::process::geteuid().as_raw();
    for level in [safety, if is_others { Safety::Guarded } else { Safety::Safe }] {
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
struct Directories(BTreeMap<Name, Result<Dir, Outcome>>);

impl Directories {
    fn get(&mut self, path: &Name) -> Result<&Dir, Outcome> {
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
