//! What is needed to tell which processes hold an old view.

use crate::crypto::same_form;
use crate::error::Error;
use crate::finding::Finding;
use crate::host::processes::is_below;
use crate::host::{Caller, agent, processes};
use crate::patience::{SILENCE, within};
use crate::repair::{StateDir, newest_flushes};
use crate::snapshot::{Gap, GapKind, Process, Snapshot};
use crate::text::hex;
use crate::verdict::Verdict;

/// Adds the processes that have OpenSC loaded, and the flushes they may have missed, to the facts
/// of this host; gives what could not be read. Root sees those of all users.
pub fn look(snapshot: &mut Snapshot) -> Result<Vec<Gap>, Error> {
    let caller = Caller::current()?;
    let gaps = flushes(snapshot, &caller);
    Ok(loaded(snapshot, &caller, gaps))
}

/// The same, unless no card was compared and there is no old view that a process could hold: then none is looked at, which
/// is most of what a check without a card would do.
pub fn look_beside(verdict: &Verdict, snapshot: &mut Snapshot) -> Result<Vec<Gap>, Error> {
    let caller = Caller::current()?;
    let gaps = flushes(snapshot, &caller);
    let is_nothing_old = snapshot.flushed.is_empty()
        && gaps.is_empty()
        && !verdict.findings.iter().any(Finding::shows_an_old_view);
    if is_nothing_old && !verdict.compared {
        return Ok(gaps);
    }
    Ok(loaded(snapshot, &caller, gaps))
}

fn loaded(snapshot: &mut Snapshot, caller: &Caller, mut gaps: Vec<Gap>) -> Vec<Gap> {
    let uid = caller.user.uid;
    snapshot.processes = processes::observe((uid != 0).then_some(uid)).unwrap_or_else(|overdue| {
        gaps.push(gap("the running processes", overdue.to_string(), true));
        Vec::new()
    });
    gaps.extend(agents(snapshot, uid));
    if snapshot.processes.is_empty() {
        snapshot.flushed.clear();
        gaps.retain(|gap| gap.asked_for);
    }
    gaps
}

/// Adds what the calling user's agent offers to the processes that serve it.
fn agents(snapshot: &mut Snapshot, uid: u32) -> Option<Gap> {
    let serves = |process: &Process| process.serves_an_agent() && process.uid == uid;
    let helpers: Vec<u32> =
        snapshot.processes.iter().filter(|process| serves(process)).map(|process| process.pid).collect();
    if helpers.is_empty() {
        return None;
    }
    let of_agent = helpers.clone();
    let keys = match agent::offered(move |agent| of_agent.iter().any(|helper| is_below(*helper, agent))) {
        Ok(keys) => keys?,
        Err(overdue) => return Some(gap("which keys ssh-agent offers", overdue.to_string(), false)),
    };
    let prints: Vec<String> = keys.iter().map(|key| hex(&same_form(key).fingerprint())).collect();
    for process in snapshot.processes.iter_mut().filter(|process| helpers.contains(&process.pid)) {
        process.offers = Some(prints.clone());
    }
    None
}

fn flushes(snapshot: &mut Snapshot, caller: &Caller) -> Vec<Gap> {
    const WHAT: &str = "when the caches were flushed last";
    let owner = caller.clone();
    let newest = within(SILENCE, move |pulse| {
        let states = match StateDir::all(&owner) {
            Ok(states) => states,
            // Without a home there is no quarantine.
            Err(crate::repair::Error::Host(_)) => Vec::new(),
            Err(error) => return vec![Err(error.to_string())],
        };
        let newest = states.iter().inspect(|_| pulse.beat()).map(newest_flushes);
        newest.map(|newest| newest.map_err(|error| error.to_string())).collect()
    });
    let mut gaps = Vec::new();
    let newest = newest.unwrap_or_else(|overdue| {
        gaps.push(gap(WHAT, overdue.to_string(), true));
        Vec::new()
    });
    for newest in newest {
        match newest {
            Ok(flushed) => snapshot.flushed.extend(flushed),
            Err(why) => gaps.push(gap(WHAT, why, false)),
        }
    }
    gaps
}

fn gap(what: &str, why: String, asked_for: bool) -> Gap {
    Gap::new(GapKind::Process, asked_for, what.to_owned(), why)
}
