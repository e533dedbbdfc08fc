//! `process-holds-old-view`: a running program read the old view
//!
//! A program that has loaded OpenSC, as a PKCS#11 module or by way of p11-kit, reads the card's
//! objects once and keeps the list until the card is taken out or the program ends. A flush of
//! the cache changes nothing in it: browsers, signing services and `p11-kit server` go
//! on with the old keys and certificates. Two kinds of programs are named: those that were
//! running before the caches of their user were flushed, and those that are running while the
//! cache that they read is stale. That they use this card cannot be seen from outside; when
//! they do, they hold the old view.
//!
//! Cure: first `stalecard flush`, then restart them. The finding names the command, for a
//! service of systemd; any other program has to be ended and started by hand. Nothing is
//! ever ended by stalecard. Behind `p11-kit server` it is a `p11-kit-remote` that is named, one
//! for each client: it ends with that client. Taking the card out and putting it back
//! helps only programs that look for that.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Deed, Finding, Holder, Id, Manager, Remedy, Shows};
use crate::opensc::differences::OTHER_DRIVER;
use crate::opensc::{Caching, Outcome, Program, Situation};
use crate::snapshot::{ByteString, Flushed, Gap, GapKind, Modules, Process, Snapshot, Unit};
use crate::text::{count, escape};

/// Why a process is named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason<'a> {
    /// It was started before this flush.
    Before(&'a str),
    /// It reads a stale cache.
    Stale,
}

/// Is a cache stale that programs read? Then it matters which of them are running.
#[must_use]
pub fn shows_an_old_view(findings: &[Finding]) -> bool {
    findings.iter().any(is_seen)
}

fn is_seen(finding: &Finding) -> bool {
    finding.id.shows() == Shows::OldView && !finding.program.is_empty()
}

/// Applies the rule to a snapshot, given what else was found in it. Also what it could not look at.
pub fn apply(snapshot: &Snapshot, findings: &[Finding]) -> (Vec<Finding>, Vec<Gap>) {
    let stale: BTreeSet<(&ByteString, u32)> = findings
        .iter()
        .filter(|finding| is_seen(finding))
        .flat_map(|finding| &finding.evidence)
        .filter_map(|evidence| evidence.file.as_ref())
        .map(|file| (&file.directory, file.owner))
        .collect();
    let mut groups: BTreeMap<_, Vec<&Process>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for process in &snapshot.processes {
        let before = |flushed: &&Flushed| flushed.uid == process.uid && process.started_at < flushed.at;
        let flushed = snapshot.flushed.iter().filter(before).max_by_key(|flushed| flushed.at);
        let own = process.uid == snapshot.user.uid && !stale.is_empty()
            || stale.iter().any(|(_, owner)| *owner == process.uid);
        let reason = match (&process.modules, flushed) {
            (Modules::Unknown, flushed) => {
                if flushed.is_some() || own {
                    unknown.push(process);
                }
                continue;
            }
            (Modules::Loaded(_), _) if own && reads(snapshot, process, &stale) => Reason::Stale,
            (Modules::Loaded(_), Some(flushed)) => Reason::Before(&flushed.operation),
            (Modules::Loaded(_), None) => continue,
        };
        let unit = service(process).map(|unit| (unit.of_user, &unit.name));
        groups.entry((process.uid, unit, &process.program, reason)).or_default().push(process);
    }
    let findings = groups.iter().filter_map(|((.., reason), group)| finding(snapshot, *reason, group));
    (findings.collect(), gap(&unknown).into_iter().collect())
}

/// Does a program read one of these caches, as far as its user's environment tells? That of another
/// user is not known: then any stale cache of his may be the one.
fn reads(snapshot: &Snapshot, process: &Process, stale: &BTreeSet<(&ByteString, u32)>) -> bool {
    let program = Program::of_executable(process.program.clone());
    let other = process.uid != snapshot.user.uid;
    match Situation::of(snapshot).outcome(&program, Some(OTHER_DRIVER)) {
        Outcome::Runs(effective) => {
            matches!(effective.caching, Caching::Public | Caching::All)
                && (other
                    || effective
                        .cache_dir
                        .path()
                        .is_some_and(|path| stale.iter().any(|(dir, _)| *dir == path)))
        }
        Outcome::Crashes(_) => false,
    }
}

fn finding(snapshot: &Snapshot, reason: Reason<'_>, group: &[&Process]) -> Option<Finding> {
    let first = group.first()?;
    let program = first.program.to_string();
    let user = match &first.user {
        Some(name) => format!("user {}", escape(name.as_bytes())),
        None => format!("user {}", first.uid),
    };
    let part = service(first).map(|unit| format!(", service {},", unit.name)).unwrap_or_default();
    let who = format!("{program} ({}) of {user}{part}", numbers(group));
    let (summary, consequence) = match reason {
        Reason::Before(operation) => (
            format!("{who} was running before the cache was flushed ({operation}) and has OpenSC loaded."),
            "What it read of the card before, it still shows and uses: the flush does not reach it.",
        ),
        Reason::Stale => (
            format!("{who} has OpenSC loaded, and the cache that it reads is stale."),
            "What it has read, or will read, is the old view; after a flush it has to be restarted too.",
        ),
    };
    let mut finding = Finding::new(Id::ProcessHoldsOldView, summary, consequence.to_owned());
    finding.program.push(program.clone());
    finding.processes = group.iter().map(|process| holder(process)).collect();
    finding.fix.push(match service(first) {
        Some(unit) => {
            let manager = match (unit.of_user, first.uid == snapshot.user.uid) {
                (false, _) => Manager::System,
                (true, true) => Manager::Caller,
                (true, false) => Manager::User(first.uid),
            };
            let deed = Deed::RestartService { unit: unit.name.clone(), manager };
            Remedy::new(format!("restart {}", unit.name), deed)
        }
        None => {
            let pids = group.iter().map(|process| process.pid).collect();
            let what = format!("end and start {program} ({})", numbers(group));
            Remedy::new(what, Deed::RestartProgram(pids))
        }
    });
    Some(finding)
}

/// The service of a process; a snapshot of somebody else may name anything.
fn service(process: &Process) -> Option<&Unit> {
    process.unit.as_ref().filter(|unit| unit.is_sound())
}

fn holder(process: &Process) -> Holder {
    Holder {
        pid: process.pid,
        uid: process.uid,
        user: process.user.as_ref().map(|name| escape(name.as_bytes())),
        unit: service(process).map(|unit| unit.name.clone()),
        modules: match &process.modules {
            Modules::Loaded(files) => files.iter().map(ToString::to_string).collect(),
            Modules::Unknown => Vec::new(),
        },
    }
}

/// `process 7`, `processes 7, 8, 9 and 4 others`.
fn numbers(group: &[&Process]) -> String {
    let some: Vec<String> = group.iter().take(3).map(|process| process.pid.to_string()).collect();
    match group.len() {
        1 => format!("process {}", some.join("")),
        all @ (2 | 3) => format!("{all} processes, {}", some.join(", ")),
        all => format!("{all} processes, {} and others", some.join(", ")),
    }
}

/// Processes that only root may look into.
fn gap(unknown: &[&Process]) -> Option<Gap> {
    let first = unknown.first()?;
    let others = match unknown.len() {
        1 => String::new(),
        all => format!(" and {}", count(all - 1, "other", "others")),
    };
    Some(Gap {
        what: format!("{} (process {}){others}", first.program, first.pid),
        why: "whether it holds the old view only root can see; when in doubt restart it".to_owned(),
        asked_for: false,
        kind: GapKind::Process,
    })
}
