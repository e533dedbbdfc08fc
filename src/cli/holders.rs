//! What is needed to tell which processes hold an old view.

use crate::error::Error;
use crate::finding::Finding;
use crate::host::{Caller, processes};
use crate::repair::{StateDir, newest_flush};
use crate::rules::shows_an_old_view;
use crate::snapshot::{Gap, GapKind, Snapshot};

/// Adds the processes that have OpenSC loaded, and the flushes they may have missed, to the facts
/// of this host; gives what could not be read. Root sees those of all users.
pub fn look(snapshot: &mut Snapshot) -> Result<Vec<Gap>, Error> {
    let caller = Caller::current()?;
    let gaps = flushes(snapshot, &caller)?;
    Ok(loaded(snapshot, &caller, gaps))
}

/// The same, unless there is no old view that a process could hold: then none is looked at, which
/// is most of what a check without a card would do.
pub fn look_beside(findings: &[Finding], snapshot: &mut Snapshot) -> Result<Vec<Gap>, Error> {
    let caller = Caller::current()?;
    let gaps = flushes(snapshot, &caller)?;
    if snapshot.flushed.is_empty() && gaps.is_empty() && !shows_an_old_view(findings) {
        return Ok(gaps);
    }
    Ok(loaded(snapshot, &caller, gaps))
}

fn loaded(snapshot: &mut Snapshot, caller: &Caller, gaps: Vec<Gap>) -> Vec<Gap> {
    let uid = caller.user.uid;
    snapshot.processes = processes::observe((uid != 0).then_some(uid));
    if snapshot.processes.is_empty() {
        snapshot.flushed.clear();
        return Vec::new();
    }
    gaps
}

fn flushes(snapshot: &mut Snapshot, caller: &Caller) -> Result<Vec<Gap>, Error> {
    let mut gaps = Vec::new();
    let mut unread = |why: String| {
        let what = "when the caches were flushed last".to_owned();
        gaps.push(Gap { what, why, asked_for: false, kind: GapKind::Process });
    };
    match StateDir::all(caller) {
        Ok(states) => {
            for newest in states.iter().map(newest_flush) {
                match newest {
                    Ok(flushed) => snapshot.flushed.extend(flushed),
                    Err(error) => unread(error.to_string()),
                }
            }
        }
        // Without a home there is no quarantine.
        Err(crate::repair::Error::Host(_)) => {}
        Err(error) => unread(error.to_string()),
    }
    Ok(gaps)
}
