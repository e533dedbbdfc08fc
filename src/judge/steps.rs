//! The steps out of what was found, in the order in which they help: know which of two is right · take out what is stale ·
//! restart what holds it · mend what no flush cures · prove it · issue again what was signed · keep it from coming back.
//!
//! Each remedy of a finding becomes one step, the same command once for all; what follows from a flushed key is added.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::finding::{Deed, Finding, How, Remedy, Severity, Unasked, doubtful_since};
use crate::snapshot::ByteString;
use crate::text::{count, shell_option};
use crate::verdict::Verdict;
use crate::verdict::brief::{Cause, CauseKind, Purpose, Step};

/// The command that finds what was signed with a stale key.
const REISSUE: &str = "stalecard audit FOLDER";
/// The command that proves keys.
const VERIFY: &str = "stalecard verify";

/// What to do about a verdict. What cures the cause that its sentence is about, if there is one, comes first: whoever reads
/// nothing but the first line and the last does what belongs together.
#[must_use]
pub fn steps(verdict: &Verdict, causes: &[Cause], lead: Option<&Cause>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let findings = &verdict.findings;
    let mut known: BTreeSet<String> = BTreeSet::new();
    let needless = needless(verdict);
    let mut add = |step: Step| {
        if known.insert(step.call().to_owned()) {
            steps.push(step);
        }
    };
    let mut told: BTreeSet<String> = BTreeSet::new();
    for finding in findings {
        let is_needed = |remedy: &&Remedy| {
            !(is_unasked(remedy) && remedy.command().is_some_and(|command| needless.contains(&command)))
        };
        for remedy in finding.fix.iter().filter(is_needed) {
            // Hundreds of keys have one and the same.
            if remedy.command().is_none_or(|command| told.insert(command)) {
                add(of_remedy(verdict, finding, remedy));
            }
        }
    }
    let stale: Vec<&Cause> = causes
        .iter()
        .filter(|cause| cause.kind == CauseKind::Key && cause.severity >= Severity::Error)
        .collect();
    if !stale.is_empty() {
        if !findings.iter().any(Finding::is_of_running_programs) {
            add(restart_of_the_unseen());
        }
        let is_provable =
            |cause: &&&Cause| cause.token.as_ref().is_none_or(|token| !verdict.asked.contains(token));
        let provable: Vec<&Cause> = stale.iter().filter(is_provable).copied().collect();
        for step in proofs(&provable, verdict.tokens.len() > 1) {
            add(step);
        }
        if stale.iter().any(|cause| cause.severity == Severity::Critical) {
            add(reissue(doubtful_since(findings)));
        }
    }
    steps.sort_by_key(|step| step.purpose);
    let cures = lead.map(|lead| cures(verdict, lead)).unwrap_or_default();
    let is_of_configuration = lead.is_some_and(|lead| lead.kind == CauseKind::Configuration);
    let places = lead.filter(|_| is_of_configuration).map(|lead| lead.places.as_slice()).unwrap_or_default();
    let mends = |place: &usize| {
        let fix = verdict.findings.get(*place).map(|finding| finding.fix.as_slice()).unwrap_or_default();
        fix.iter().any(|remedy| remedy.deed == Deed::EditConfiguration)
    };
    if places.iter().any(mends) {
        steps.push(Step::again(Purpose::Mend, "stalecard check", "when the file is mended"));
    }
    // What is stale goes first where a mended file would bring it to light.
    let is_urgent = is_of_configuration && steps.iter().any(|step| step.purpose == Purpose::Flush);
    if is_urgent {
        return steps;
    }
    if let Some(place) = steps.iter().position(|step| cures.iter().any(|cure| cure.call() == step.call()))
        && let Some(before) = steps.get_mut(..=place)
    {
        before.rotate_right(1);
    }
    steps
}

/// The commands that are no step of their own, because another one does all that they do.
fn needless(verdict: &Verdict) -> BTreeSet<String> {
    type Whose<'v> = (Option<&'v String>, Option<&'v String>);
    let mut known: BTreeMap<Whose<'_>, BTreeMap<String, &Remedy>> = BTreeMap::new();
    let all = || verdict.findings.iter().flat_map(|finding| &finding.fix);
    // What also takes what is in doubt is not to be typed before that is decided.
    let in_doubt = |remedy: &&Remedy| remedy.moves() == Some(Unasked::InDoubt);
    let doubtful: BTreeSet<String> = all().filter(in_doubt).filter_map(Remedy::command).collect();
    for remedy in all().filter(|remedy| is_unasked(remedy)) {
        if let Some(command) = remedy.command() {
            let whose = (remedy.user.as_ref(), remedy.cache_dir.as_ref());
            known.entry(whose).or_default().entry(command).or_insert(remedy);
        }
    }
    let mut needless = BTreeSet::new();
    for of_one in known.values() {
        for (command, remedy) in of_one {
            let takes_all = |other: &str| {
                is_of_flush(remedy) || files(verdict, Some(command)).is_subset(&files(verdict, Some(other)))
            };
            let covers = |(other, by): (&String, &&Remedy)| {
                other != command && !doubtful.contains(other) && by.does(remedy) && takes_all(other)
            };
            if of_one.iter().any(covers) {
                needless.insert(command.clone());
            }
        }
    }
    needless
}

/// Is it a command that takes what is stale, and whatever else, without being told which?
fn is_unasked(remedy: &Remedy) -> bool {
    is_of_flush(remedy) || remedy.moves() == Some(Unasked::ByFix)
}

fn is_of_flush(remedy: &Remedy) -> bool {
    remedy.moves() == Some(Unasked::ByFlush)
}

/// What cures one cause.
#[must_use]
pub fn cures(verdict: &Verdict, cause: &Cause) -> Vec<Step> {
    let findings = cause.places.iter().filter_map(|place| verdict.findings.get(*place));
    findings
        .flat_map(|finding| finding.fix.iter().map(|remedy| of_remedy(verdict, finding, remedy)))
        .collect()
}

/// Programs that hold what they read, and that nobody saw.
#[must_use]
pub fn restart_of_the_unseen() -> Step {
    Step::by_hand(
        Purpose::Restart,
        "restart programs that have the card open: they keep the old list",
        "when programs that have the card open were restarted",
    )
}

/// What was signed with a stale key has to be found; `since`: when the oldest of the stale files was cached (Unix seconds).
#[must_use]
pub fn reissue(since: Option<i64>) -> Step {
    let what = if since.is_some() { "finds bad ones" } else { "finds what must be issued again" };
    Step { since, ..Step::new(Purpose::Reissue, Some(REISSUE.to_owned()), what) }
}

/// Have the keys sign.
#[must_use]
pub fn proof() -> Step {
    Step::new(Purpose::Verify, Some(VERIFY.to_owned()), "asks for the PIN, proves the keys")
}

/// Have the keys of these tokens sign.
fn proofs(stale: &[&Cause], several: bool) -> Vec<Step> {
    let what = if stale.len() == 1 {
        "asks for the PIN, proves the key"
    } else {
        "asks for the PIN, proves the keys"
    };
    let tokens: BTreeSet<&String> = stale.iter().filter_map(|cause| cause.token.as_ref()).collect();
    let of = |command: String| Step::new(Purpose::Verify, Some(command), what);
    if stale.is_empty() {
        Vec::new()
    } else if several {
        tokens
            .iter()
            .map(|token| of(format!("stalecard verify {}", shell_option("--serial", token))))
            .collect()
    } else {
        vec![of(VERIFY.to_owned())]
    }
}

fn of_remedy(verdict: &Verdict, finding: &Finding, remedy: &Remedy) -> Step {
    let command = remedy.command();
    let step = |purpose, what: String| Step::new(purpose, command.clone(), what);
    match &remedy.deed {
        Deed::Move { how, unasked } => {
            let purpose = if *unasked == Unasked::InDoubt { Purpose::Mend } else { Purpose::Flush };
            let what = if *unasked == Unasked::InDoubt {
                "only if that proves the card's key".to_owned()
            } else {
                moved(verdict, command.as_deref())
            };
            let gives = (*how != How::Fix).then(|| remedy.agreed_to());
            Step { gives, ..step(purpose, what) }
        }
        Deed::WriteCertificate | Deed::Restore | Deed::HoldAgainst => {
            step(Purpose::Decide, remedy.what.clone())
        }
        Deed::Prove(_) => {
            // Of one token there is nothing to choose.
            let command = if verdict.tokens.len() == 1 { Some(VERIFY.to_owned()) } else { command.clone() };
            Step::new(Purpose::Decide, command, "asks for the PIN, tells which key is right")
        }
        Deed::Check => step(Purpose::Look, remedy.what.clone()),
        Deed::SwitchCachingOff if remedy.waits => step(Purpose::Prevent, remedy.what.clone()),
        Deed::SwitchCachingOff => step(Purpose::Prevent, recurrence(verdict)),
        Deed::RestartService { .. } | Deed::ReloadAgent(_) => step(Purpose::Restart, held(finding)),
        Deed::RestartProgram(_) => step(Purpose::Restart, format!("{}: {}", remedy.what, held(finding))),
        Deed::EditConfiguration
        | Deed::SwitchCachingOffFor(_)
        | Deed::ChangeOwner(..)
        | Deed::CloseToOthers(_)
        | Deed::ByHand => {
            let is_doubtful = finding.is_in_doubt() || finding.holds_its_entries();
            // One of several ways to keep it from coming back.
            let prevents = finding.fix.iter().any(|other| other.deed == Deed::SwitchCachingOff);
            let purpose = match (is_doubtful, prevents) {
                (true, _) => Purpose::Decide,
                (false, true) => Purpose::Prevent,
                (false, false) => Purpose::Mend,
            };
            step(purpose, placed(finding, remedy))
        }
    }
}

/// What is to be edited, with the place: whoever reads nothing else has to know in which file.
fn placed(finding: &Finding, remedy: &Remedy) -> String {
    let place = finding.evidence.iter().find_map(|evidence| evidence.source.as_ref());
    match place.filter(|place| remedy.deed == Deed::EditConfiguration && !remedy.what.contains(&place.file)) {
        Some(place) => format!("{} ({}:{}:{})", remedy.what, place.file, place.line, place.column),
        None => remedy.what.clone(),
    }
}

/// The files that a command takes: of the findings that name it, and of those that name what it does as well.
fn files<'v>(verdict: &'v Verdict, command: Option<&str>) -> BTreeSet<(&'v ByteString, &'v ByteString)> {
    let is_own = |remedy: &Remedy| remedy.moves().is_some() && remedy.command().as_deref() == command;
    let all = verdict.findings.iter().flat_map(|finding| &finding.fix);
    let own = all.clone().find(|remedy| is_of_flush(remedy) && is_own(remedy));
    let is_taken =
        |remedy: &Remedy| is_own(remedy) || own.is_some_and(|own| is_of_flush(remedy) && own.does(remedy));
    let takes = |finding: &&Finding| finding.fix.iter().any(is_taken);
    let of = |finding: &'v Finding| {
        let told = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
        told.map(|file| (&file.directory, &file.name))
            .chain(finding.crowd.iter().map(|(directory, name)| (directory, name)))
    };
    verdict.findings.iter().filter(takes).flat_map(of).collect()
}

/// How many files a command takes.
fn moved(verdict: &Verdict, command: Option<&str>) -> String {
    let files = files(verdict, command);
    match files.len() {
        0 => "moves the files; undo: stalecard undo".to_owned(),
        number => format!("moves {}; undo: stalecard undo", count(number, "file", "files")),
    }
}

/// Why caching is to be switched off, and where it is on.
fn recurrence(verdict: &Verdict) -> String {
    let at =
        verdict.programs.iter().filter(|program| program.caching.is_on()).find_map(|one| one.set_at.as_ref());
    let short = |at: &String| {
        Path::new(at).file_name().map_or_else(|| at.clone(), |name| name.to_string_lossy().into_owned())
    };
    // What is not there does not come back.
    let is_there = verdict.findings.iter().any(|finding| {
        finding.severity >= Severity::Error && finding.fix.iter().any(|remedy| remedy.moves().is_some())
    });
    let or = if is_there { "or it comes back" } else { "or it goes stale" };
    at.map_or_else(|| or.to_owned(), |at| format!("{or} ({})", short(at)))
}

/// Who holds the old view.
fn held(finding: &Finding) -> String {
    let pids: Vec<String> = finding.processes.iter().take(3).map(|holder| holder.pid.to_string()).collect();
    let more = if finding.processes.len() > pids.len() { " and others" } else { "" };
    let pid = if finding.processes.len() == 1 { "pid" } else { "pids" };
    format!("{pid} {}{more} may still hold the old list", pids.join(", "))
}
