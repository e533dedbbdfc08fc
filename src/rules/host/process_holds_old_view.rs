//! `process-holds-old-view`: a running program may hold the old view
//!
//! A program that has loaded OpenSC, as a PKCS#11 module or by way of p11-kit, reads the card's
//! objects once and keeps the list until the card is taken out or the program ends: with caching off, too. A flush of
//! the cache changes nothing in it: browsers, `ssh-agent`, signing services and `p11-kit server` go
//! on with the old keys and certificates. What a program has read cannot be seen from outside, so it is said
//! that it *may* hold the old view. It is an error where what is known speaks for it:
//!
//! - the cache that it reads is stale, or was when it was flushed, and the program was there before the flush;
//! - a cache that programs read no more is stale, and the program was there before OpenSC wrote it, or before the
//!   configuration was changed: then it may have read it;
//!   (a warning where entries were flushed on request, which nobody had compared);
//! - the card itself tells that it was changed after the program was started: a certificate that was not valid yet
//!   then, or the card's date of last update;
//! - the card is not what a baseline or an earlier snapshot says (`check --against`), which was written after the program
//!   was started;
//! - your `ssh-agent` itself says which keys it offers, and of a card some are missing.
//!
//! What runs modules for `ssh-agent` is one process for all of them (OpenSSH up to 9.3), and goes on when a module is taken out
//! and added again. So the agent is asked: if it offers all keys of the card, all is well; if none, and nothing
//! else speaks for an old view, that is a note, because the module may not have been added since the card came. Where it
//! cannot be asked (another user's; one behind another socket than `SSH_AUTH_SOCK`), what would be an error is a warning, too.
//!
//! All other programs of the user that have OpenSC loaded are named in one note, because a card that was changed need not
//! tell so; unless the card is still what a baseline or snapshot says that is older than the program.
//!
//! Cure: first `stalecard flush`, then restart them. The finding names the command: for a service of systemd its
//! unit; for a module in `ssh-agent` taking it out and adding it again, in the session of that user; any other program
//! has to be ended and started by hand. Nothing is ever ended by stalecard. Behind `p11-kit server` it is a
//! `p11-kit-remote` that is named, one for each client: it ends with that client. Taking the card out and putting it
//! back helps only programs that look for that.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::case::own_cache::{OwnCache, is_among, is_of_older_configuration};
use crate::finding::{Deed, Finding, Id, Manager, Prose, Remedy, RunningProcess, Severity};
use crate::opensc::Situation;
use crate::opensc::program::{PKCS11_FILE, module_places};
use crate::snapshot::{ByteString, Flushed, Gap, GapKind, Modules, Process, Snapshot, Unit, Whose};
use crate::text::{count, escape};
use crate::verdict::{Dated, Earlier, Offerable, Token, Verdict};

/// Programs that are named one by one in the note.
const MOST: usize = 6;
/// What runs a module for one client of `p11-kit server`.
const P11_KIT: &[u8] = b"p11-kit-remote";

/// Why a process is named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason<'a> {
    /// It reads a stale cache.
    Stale,
    /// It was started before this flush of the cache that it reads, which was stale.
    Before(&'a str),
    /// It was started before the card got what is dated later.
    Dated(usize),
    /// It was started before a baseline or snapshot was written that the card is different from.
    Earlier(usize),
    /// It was started before OpenSC wrote a copy into a cache that programs read no more, and that is stale.
    Copied,
    /// It was started before the configuration was changed, by which programs read a cache no more that is stale.
    Switched,
    /// The agent that it serves does not offer all keys of this token; does more speak for an old view?
    Offers(usize, bool),
    /// It was started before this flush on request of the cache that it reads, which nobody had compared.
    Emptied(&'a str),
    /// Nothing speaks for it, and nothing against it.
    Loaded,
}

/// What an agent offers of the tokens that were read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// All their keys.
    All,
    /// Some of the keys of this one, and not all.
    Some(usize),
    /// None of this one.
    None(usize),
}

/// Applies the rule to a snapshot, given what else is known of it. Also what it could not look at.
pub fn apply(snapshot: &Snapshot, verdict: &Verdict) -> (Vec<Finding>, Vec<Gap>) {
    let stale: BTreeSet<(&ByteString, u32)> = verdict
        .findings
        .iter()
        .filter(|finding| finding.shows_an_old_view())
        .flat_map(|finding| &finding.evidence)
        .filter_map(|evidence| evidence.file.as_ref())
        .map(|file| (&file.directory, file.owner))
        .collect();
    let configuration = Situation::of(snapshot).configuration();
    let mut groups: BTreeMap<_, Vec<&Process>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for process in &snapshot.processes {
        let before = |flushed: &&Flushed| flushed.uid == process.uid && process.started_at < flushed.at;
        let flushed = || snapshot.flushed.iter().filter(before);
        let own = process.uid == snapshot.user.uid && !stale.is_empty()
            || stale.iter().any(|(_, owner)| *owner == process.uid);
        if process.modules == Modules::Unknown && !process.serves_an_agent() {
            if flushed().next().is_some() || own {
                unknown.push(process);
            }
            continue;
        }
        let cache = OnceCell::new();
        let cache = || cache.get_or_init(|| OwnCache::of(snapshot, &configuration, process));
        let in_stale = |dir: &ByteString| stale.iter().any(|(known, _)| *known == dir);
        // What a configuration says that was written later is not what the program began with.
        let newest = |of: fn(&Flushed) -> &Vec<ByteString>| {
            let may_have_read = |flushed: &&Flushed| {
                let is_meant = |dir: &ByteString| is_among(snapshot, dir, of(flushed));
                let is_older = || is_of_older_configuration(snapshot, process) != Some(false);
                !of(flushed).is_empty()
                    && (cache().reads(&is_meant) || is_older() && cache().may_read(&is_meant))
            };
            flushed().filter(may_have_read).max_by_key(|flushed| flushed.at)
        };
        let dated = || verdict.dated.iter().position(|dated| process.started_at < dated.at);
        let earlier =
            || verdict.earlier.iter().position(|earlier| !earlier.is_same && process.started_at < earlier.at);
        let copied = || verdict.findings.iter().any(|finding| is_copied_later(finding, process));
        let switched = || {
            let is_dormant = |dir: &ByteString| {
                verdict.findings.iter().any(|finding| is_dormant_in(finding, process, snapshot, dir))
            };
            is_of_older_configuration(snapshot, process) == Some(true) && cache().may_read(&is_dormant)
        };
        let known = if own && cache().reads(&in_stale) {
            Some(Reason::Stale)
        } else if let Some(flushed) = newest(|flushed| &flushed.stale) {
            Some(Reason::Before(&flushed.operation))
        } else if let Some(place) = dated() {
            Some(Reason::Dated(place))
        } else if let Some(place) = earlier() {
            Some(Reason::Earlier(place))
        } else if copied() {
            Some(Reason::Copied)
        } else if switched() {
            Some(Reason::Switched)
        } else {
            newest(|flushed| &flushed.asked).map(|flushed| Reason::Emptied(&flushed.operation))
        };
        let is_noted = verdict.compared && is_covered(snapshot, process) && !is_unchanged(verdict, process);
        let reason = match (offer(verdict, process), known) {
            (Some(Offer::Some(place)), _) => Reason::Offers(place, true),
            (Some(Offer::None(place)), known) => Reason::Offers(place, known.is_some()),
            (None, Some(reason)) => reason,
            (None, None) if is_noted => Reason::Loaded,
            (Some(Offer::All), _) | (None, None) => continue,
        };
        let unit = service(process).map(|unit| (unit.of_user, &unit.name));
        groups.entry((process.uid, unit, &process.program, reason)).or_default().push(process);
    }
    let is_note = |reason: &Reason<'_>| *reason == Reason::Loaded;
    let named = groups.iter().filter(|((.., reason), _)| !is_note(reason));
    let mut findings: Vec<Finding> =
        named.filter_map(|((.., reason), group)| finding(snapshot, verdict, *reason, group)).collect();
    let rest: Vec<&[&Process]> = groups
        .iter()
        .filter(|((.., reason), _)| is_note(reason))
        .map(|(_, group)| group.as_slice())
        .collect();
    findings.extend(note(snapshot, &rest));
    (findings, gap(&unknown).into_iter().collect())
}

/// What the agent offers that a process serves; none if nobody knows, or there is nothing that it could offer.
fn offer(verdict: &Verdict, process: &Process) -> Option<Offer> {
    let offered = process.offers.as_ref()?;
    let is_offered = |key: &&String| offered.contains(*key);
    let tokens = verdict.offerable.iter().enumerate().filter(|(_, token)| !token.keys.is_empty());
    let number = |token: &Offerable| token.keys.iter().filter(is_offered).count();
    let counted: Vec<(usize, usize, usize)> =
        tokens.map(|(place, token)| (place, number(token), token.keys.len())).collect();
    if counted.is_empty() {
        return None;
    }
    let some = counted.iter().find(|(_, offered, all)| *offered > 0 && offered < all);
    let none = counted.iter().find(|(_, offered, _)| *offered == 0);
    Some(match (some, none) {
        // Who offers nothing at all shows nothing old.
        _ if offered.is_empty() => Offer::All,
        (Some((place, ..)), _) => Offer::Some(*place),
        (None, Some((place, ..))) => Offer::None(*place),
        (None, None) => Offer::All,
    })
}

/// Is it about a stale copy, in a cache of this user that no program reads, that OpenSC wrote after the process was started? Then
/// the card was changed later still.
fn is_copied_later(finding: &Finding, process: &Process) -> bool {
    let files = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
    finding.id == Id::DormantStaleEntry
        && files
            .into_iter()
            .any(|file| file.owner == process.uid && file.inode.mtime > process.started_at.unix_timestamp())
}

/// Is it about a stale copy, in this cache of the process's user, that no program reads?
fn is_dormant_in(finding: &Finding, process: &Process, snapshot: &Snapshot, dir: &ByteString) -> bool {
    let mut files = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
    finding.id == Id::DormantStaleEntry
        && files.any(|file| {
            file.owner == process.uid && is_among(snapshot, dir, std::slice::from_ref(&file.directory))
        })
}

/// Is each token still what was written down before the process was started?
fn is_unchanged(verdict: &Verdict, process: &Process) -> bool {
    let is_known = |token: &Token| {
        verdict.earlier.iter().any(|earlier| {
            earlier.is_same
                && Some(&earlier.token) == token.serial.as_ref()
                && earlier.at <= process.started_at
        })
    };
    !verdict.tokens.is_empty() && verdict.tokens.iter().all(is_known)
}

/// Is a process of a user whose caches are looked at?
fn is_covered(snapshot: &Snapshot, process: &Process) -> bool {
    let invoker = snapshot.invoked_by.as_ref().map(|user| user.uid);
    snapshot.whose == Whose::All || process.uid == snapshot.user.uid || invoker == Some(process.uid)
}

fn finding(
    snapshot: &Snapshot,
    verdict: &Verdict,
    reason: Reason<'_>,
    group: &[&Process],
) -> Option<Finding> {
    let who = who(group)?;
    let first = group.first()?;
    let read_before =
        "What it read of the card before, it still shows and uses, whether files are cached or not.";
    let (summary, consequence): (Prose, _) = match reason {
        Reason::Before(operation) => (
            format!(
                "{who} was running before the cache was flushed ({operation}) and has OpenSC loaded: it may hold the old view."
            )
            .into(),
            "What it read of the card before, it still shows and uses: the flush does not reach it.",
        ),
        Reason::Stale => (
            format!("{who} has OpenSC loaded, and the cache that it reads is stale.").into(),
            "What it has read, or will read, is the old view; after a flush it has to be restarted too.",
        ),
        Reason::Dated(place) => {
            let Dated { token, what, at } = verdict.dated.get(place)?;
            (
                Prose::from(format!("{who} was running before card {token} was changed ({what}, "))
                    .at(at.unix_timestamp())
                    .and(") and has OpenSC loaded: it may hold the old view."),
                read_before,
            )
        }
        Reason::Earlier(place) => {
            let Earlier { token, place, at, .. } = verdict.earlier.get(place)?;
            (
                Prose::from(format!("{who} was running when {place} was written ("))
                    .at(at.unix_timestamp())
                    .and(&format!("), of which card {token} is different now, and has OpenSC loaded: "))
                    .and("it may hold the old view."),
                read_before,
            )
        }
        Reason::Copied => (
            format!(
                "{who} was running when OpenSC wrote a cache that is stale now, and has OpenSC loaded: it may hold the old \
                 view."
            )
            .into(),
            "That no program reads the cache any more does not reach what is running.",
        ),
        Reason::Emptied(operation) => (
            format!(
                "{who} was running before entries of the cache that it reads were flushed on request ({operation}), which \
                 nobody had compared with the card: it may hold an old view."
            )
            .into(),
            "What it read of the card before, it still shows and uses: the flush does not reach it.",
        ),
        Reason::Switched => (
            format!(
                "{who} was running before the configuration was changed, and the cache that it may have read is stale: it \
                 may hold the old view."
            )
            .into(),
            "That no program reads the cache any more does not reach what is running.",
        ),
        Reason::Offers(place, is_known) => {
            let Offerable { token, keys } = verdict.offerable.get(place)?;
            let offers = |key: &&String| first.offers.iter().flatten().any(|offered| offered == *key);
            let number = keys.iter().filter(offers).count();
            let what = match (number, keys.len()) {
                (_, 1) => "does not offer the key".to_owned(),
                (0, all) => format!("offers none of the {all} keys"),
                (some, all) => format!("offers {some} of the {all} keys"),
            };
            let may = if is_known { ": it may hold the old view" } else { "" };
            (
                format!("{who} serves an ssh-agent that {what} of card {token}{may}.").into(),
                if is_known {
                    read_before
                } else {
                    "It holds an old view, or has not read this card since it was put in."
                },
            )
        }
        Reason::Loaded => return None,
    };
    let mut finding = Finding::new(Id::ProcessHoldsOldView, summary, consequence.to_owned());
    let is_asked = matches!(reason, Reason::Offers(..));
    if let Reason::Offers(_, false) = reason {
        finding.severity = Severity::Info;
    } else if let Reason::Emptied(_) = reason {
        finding.severity = Severity::Warning;
    } else if first.serves_an_agent() && !is_asked && reason != Reason::Stale {
        finding.severity = Severity::Warning;
        finding.consequence.push_str(" Whether the module was added again since only its user can ask it.");
    }
    finding.program.push(first.program.to_string());
    finding.processes = group.iter().map(|process| holder(process)).collect();
    finding.fix.extend(restart(snapshot, group));
    Some(finding)
}

/// All of which nothing more is known, in one.
fn note(snapshot: &Snapshot, groups: &[&[&Process]]) -> Option<Finding> {
    let mut names: Vec<String> = groups.iter().take(MOST).filter_map(|group| who(group)).collect();
    let (last, single) = (names.pop()?, groups.len() == 1);
    let more = groups.len().checked_sub(MOST).filter(|more| *more > 0);
    let all = match more {
        Some(more) => {
            format!("{}, {last} and {}", names.join(", "), count(more, "other program", "other programs"))
        }
        None if names.is_empty() => last,
        None => format!("{} and {last}", names.join(", ")),
    };
    let have = if single { "has" } else { "have" };
    let mut finding = Finding::new(
        Id::ProcessHoldsOldView,
        format!(
            "{all} {have} OpenSC loaded: what was read of a card before it was changed is still shown there."
        ),
        "Whether this card was read there, and changed since, cannot be seen from outside.".to_owned(),
    );
    finding.severity = Severity::Info;
    finding.processes = groups.iter().copied().flatten().map(|process| holder(process)).collect();
    finding.program = groups.iter().filter_map(|group| Some(group.first()?.program.to_string())).collect();
    finding.program.dedup();
    for group in groups.iter().take(MOST) {
        let Some(remedy) = restart(snapshot, group) else { continue };
        let how = remedy.command().map_or_else(String::new, |command| format!(": {command}"));
        finding.fix.push(Remedy::by_hand(format!("if in doubt {}{how}", remedy.what)));
    }
    Some(finding)
}

/// `/usr/bin/x (process 7) of user ca, service x.service,`
fn who(group: &[&Process]) -> Option<String> {
    let first = group.first()?;
    let user = match &first.user {
        Some(name) => format!("user {}", escape(name.as_bytes())),
        None => format!("user {}", first.uid),
    };
    let part = service(first).map(|unit| format!(", service {},", unit.name)).unwrap_or_default();
    Some(format!("{} ({}) of {user}{part}", first.program, numbers(group)))
}

/// What makes the processes of a group read the card again.
fn restart(snapshot: &Snapshot, group: &[&Process]) -> Option<Remedy> {
    let first = group.first()?;
    if first.serves_an_agent() {
        let module = agents_module(snapshot, first)?;
        let what = "take the module out of ssh-agent and add it again, in the session of its user";
        return Some(Remedy::new(what, Deed::ReloadAgent(module)));
    }
    Some(match service(first) {
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
            let numbers = numbers(group);
            let what = if file_name(&first.program) == P11_KIT {
                format!(
                    "end the program that asks p11-kit server: {} ({numbers}) ends with it",
                    first.program
                )
            } else {
                format!("end and start {} ({numbers})", first.program)
            };
            Remedy::new(what, Deed::RestartProgram(pids))
        }
    })
}

fn file_name(path: &ByteString) -> &[u8] {
    path.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// The path of the module that an agent has loaded, as it is shown; where none of its files is known to be one, because it
/// cannot be looked into or has another name, that of the installed library.
fn agents_module(snapshot: &Snapshot, process: &Process) -> Option<String> {
    let loaded = match &process.modules {
        Modules::Loaded(files) => files.iter().find(|file| file_name(file).ends_with(PKCS11_FILE.as_bytes())),
        Modules::Unknown => None,
    };
    let installed = || module_places(&snapshot.opensc.first()?.library).into_iter().next();
    loaded.cloned().or_else(installed).map(|path| path.to_string())
}

/// The service of a process; a snapshot of somebody else may name anything.
fn service(process: &Process) -> Option<&Unit> {
    process.unit.as_ref().filter(|unit| unit.is_sound())
}

fn holder(process: &Process) -> RunningProcess {
    RunningProcess {
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
    Some(Gap::new(
        GapKind::Process,
        false,
        format!("{} (process {}){others}", first.program, first.pid),
        "whether it holds the old view only root can see; when in doubt restart it".to_owned(),
    ))
}
