//! Taking cache entries away: what is proven stale, or what was named.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::caches::{Agreed, Ended, Repair, Subject, look_for_holders};
use super::named::{Named, was_taken};
use crate::error::Error;
use crate::finding::{Doubt, Finding, Safety, Severity, Window, doubtful_since};
use crate::host::clock;
use crate::judge::ending::is_unread;
use crate::listing::cache_entries::serials;
use crate::naming::{self, is_serial};
use crate::observe::{Asking, CacheOwners, Cards, ObserveOptions, Progress, observe};
use crate::repair::flush::{Scope, by_hand, flush_plan, is_named};
use crate::repair::{Applied, Outcome, Plan, Refilled};
use crate::snapshot::{Ask, ByteString, Card, Gap, GapKind, Snapshot};
use crate::text::{shell_option, shell_word};
use crate::verdict::Verdict;

/// What to take.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Whose caches, and with which cards.
    pub subject: Subject<'a>,
    /// Which entries.
    pub scope: Scope<'a>,
    /// How far.
    pub agreed: Agreed,
}

/// What was taken.
#[derive(Debug)]
pub struct Flushed {
    /// Name of the host.
    pub host: String,
    /// Did anything change, or would it?
    pub changed: bool,
    /// What was done with each file.
    pub operations: Vec<Applied>,
    /// What was put in place of them, if that was asked for.
    pub refilled: Option<Refilled>,
    /// What is found now.
    pub after: Verdict,
    /// The serial numbers that the caches know, if they have no entry of the one that was asked for.
    pub serials: Option<Vec<String>>,
    /// When it was looked at first.
    pub checked_at: OffsetDateTime,
    /// Since when this host may have signed for a key that is gone (Unix seconds).
    pub doubtful_since: Option<i64>,
    /// Between when and when it may have.
    pub window: Option<Window>,
    /// Was only what is stale asked for, and not what was named?
    pub is_stale: bool,
    /// What was asked for, as a command.
    pub command: String,
    /// The cards of which entries were not compared, each with the command that takes them all the same.
    pub uncompared: Vec<(String, String)>,
    /// Why it is no success whatever was moved.
    pub error: Option<Error>,
    /// Something that was to be taken was not.
    pub failed: bool,
    /// Something that was asked for could not be read.
    pub unread: bool,
}

/// Takes what is asked for, and looks again. Without a card nothing is proven stale: then nothing is done, and what
/// is found stays as it was.
///
/// # Errors
/// When nothing could be observed or moved at all. What was moved before is told all the same.
pub fn flush(request: &Request<'_>) -> Result<Flushed, Error> {
    let Request { subject, scope, agreed } = request;
    let is_stale = matches!(scope, Scope::Stale);
    let mut missing: Vec<&String> = match scope {
        Scope::Named(names) => names.iter().collect(),
        Scope::Stale | Scope::Serial(_) | Scope::All => Vec::new(),
    };
    let mut repair = Repair::new(*agreed, subject.wish.asking, subject.wish.progress)?;
    let mut is_first = true;
    let mut failed = false;
    let mut without_card = None;
    let mut cards = Read::default();
    let mut known = BTreeSet::new();
    let mut has_entries = false;
    let mut since: Option<i64> = None;
    let mut doubt = Doubt::default();
    let observed = subject.each(&mut |snapshot| {
        let mut entries = Vec::new();
        if let Scope::Named(named) = scope {
            let here = Named::of(snapshot);
            let with_cards = OnceCell::new();
            known.extend(here.known());
            for name in *named {
                if is_here(snapshot, name) {
                    missing.retain(|other| *other != name);
                    continue;
                }
                let mut meant = here.meant(name)?;
                if meant.as_ref().is_none_or(Vec::is_empty) {
                    // What the caches do not tell, a card may.
                    let with_cards = with_cards.get_or_init(|| {
                        let (cards, asks) = cards.get(subject);
                        Named::of(&Snapshot { cards, asks, ..snapshot.clone() })
                    });
                    meant = with_cards.meant(name)?.or(meant);
                }
                if meant.is_some() || was_taken(name)? {
                    missing.retain(|other| *other != name);
                }
                entries.extend(meant.unwrap_or_default());
            }
            entries.extend_from_slice(named);
        }
        if let Scope::Serial(serial) = scope {
            let here = serials(snapshot);
            has_entries |= here.iter().any(|known| is_serial(known.as_bytes(), serial));
            known.extend(here);
        }
        let scope = if entries.is_empty() { *scope } else { Scope::Named(&entries) };
        let planner = |snapshot: &Snapshot, verdict: &Verdict, caller| {
            // Without a card nothing is proven stale, and damage alone is no reason here.
            if is_stale && is_unread(verdict, false) && !verdict.compared {
                return Plan::default();
            }
            flush_plan(snapshot, verdict, scope, caller)
        };
        let done = if is_stale {
            repair.user(snapshot, &planner)?
        } else {
            repair.named(snapshot, &planner, &|snapshot, verdict, caller| {
                by_hand(snapshot, verdict, scope, caller)
            })?
        };
        // A look at the card's side of the first user says for all that there is no card.
        if std::mem::take(&mut is_first)
            && is_stale
            && is_unread(&done.before, false)
            && !done.before.compared
        {
            without_card = Some((snapshot.host.clone(), snapshot.taken_at, done.before));
            return Err(Error::NoCardToFlush);
        }
        since = since.into_iter().chain(doubtful_since(&done.before.findings)).min();
        doubt.add(&done.before.findings);
        let found = done.before.by_file();
        let bad = |(directory, name, outcome): &(ByteString, ByteString, Outcome)| match outcome {
            Outcome::Failed(_) | Outcome::Changed(_) => true,
            Outcome::NeedsConsent(level) => {
                // A linked directory was to be repaired where it really is.
                let dir = snapshot.caches.iter().find(|dir| dir.real_path() == *directory);
                let path = dir.map_or(directory, |dir| &dir.path);
                is_due(scope, *level, found.get(&(path, name)).map(Vec::as_slice).unwrap_or_default())
            }
            Outcome::Moved | Outcome::Removed | Outcome::AlreadyGone => false,
        };
        failed |= done.steps.iter().any(bad);
        repair.add(snapshot, done.after);
        Ok(())
    });
    let mut snapshot = match (observed, without_card) {
        (Err(error), Some((host, checked_at, after))) => {
            return Ok(Flushed {
                host,
                changed: false,
                operations: Vec::new(),
                uncompared: uncompared(request, &after),
                refilled: None,
                after,
                serials: None,
                checked_at,
                doubtful_since: None,
                window: None,
                is_stale,
                command: command(request),
                error: Some(error),
                failed: false,
                unread: true,
            });
        }
        (observed, _) => observed?,
    };
    let changed = repair.changed();
    let flushed_at = (changed && !agreed.dry_run).then(|| clock::now().unix_timestamp());
    let Ended { operations, refilled, mut after, .. } = repair.end();
    // Also if nothing was to be moved: who held the old view before the last flush may do so still.
    look_for_holders(&mut snapshot, &mut after)?;
    // Whoever asks for others' caches has to know that one could not be looked at; of what is named nothing else has to be read.
    let is_missing =
        |gap: &Gap| is_stale || (gap.kind == GapKind::Cache && subject.whose != CacheOwners::Caller);
    let unread = after.coverage.iter().any(|gap| gap.asked_for && is_missing(gap));
    let known: Vec<String> = known.into_iter().collect();
    let error = missing
        .first()
        .map(|name| Error::NoSuchEntry { name: (*name).clone(), known: naming::there_is(&known) });
    let is_unknown = matches!(scope, Scope::Serial(_)) && !has_entries;
    let serials = is_unknown.then_some(known);
    let checked_at = snapshot.taken_at;
    Ok(Flushed {
        host: snapshot.host,
        changed,
        operations,
        uncompared: if is_stale { uncompared(request, &after) } else { Vec::new() },
        refilled,
        after,
        serials,
        doubtful_since: since,
        window: doubt.window(flushed_at),
        checked_at,
        is_stale,
        command: command(request),
        failed: failed || error.is_some(),
        error,
        unread,
    })
}

/// Was it asked for that this be taken, so that it is no success without? What was named, yes; what another user has to agree to,
/// too, and what is shown wrong; not what nobody can tell to be stale, nor what is private and does no harm.
fn is_due(scope: Scope<'_>, level: Safety, found: &[&Finding]) -> bool {
    match scope {
        Scope::Named(_) | Scope::Serial(_) => true,
        Scope::Stale | Scope::All if found.iter().any(|finding| finding.is_in_doubt()) => false,
        Scope::Stale | Scope::All => {
            level == Safety::Guarded || found.iter().any(|finding| finding.severity >= Severity::Error)
        }
    }
}

/// The cards of which entries were not compared, each with the command that takes them without.
fn uncompared(request: &Request<'_>, after: &Verdict) -> Vec<(String, String)> {
    let serials: BTreeSet<&String> = after.unread.iter().filter_map(|unread| unread.token.as_ref()).collect();
    let of = |serial: &String| (serial.clone(), of_scope(request, Scope::Serial(serial)));
    serials.into_iter().map(of).collect()
}

/// What was asked for, as it is typed.
fn command(request: &Request<'_>) -> String {
    of_scope(request, request.scope)
}

fn of_scope(request: &Request<'_>, scope: Scope<'_>) -> String {
    let mut words = vec!["stalecard flush".to_owned()];
    match scope {
        Scope::Stale => {}
        Scope::All => words.push("--all".to_owned()),
        Scope::Serial(serial) => words.push(shell_option("--serial", serial)),
        Scope::Named(names) => words.extend(names.iter().map(|name| shell_word(name))),
    }
    match &request.subject.whose {
        CacheOwners::Caller => {}
        CacheOwners::All => words.push("--all-users".to_owned()),
        CacheOwners::User(name) => words.push(shell_option("--user", name)),
        CacheOwners::Directories(dirs) => {
            words.extend(dirs.iter().map(|dir| shell_option("--cache-dir", &dir.to_string_lossy())));
        }
    }
    if request.agreed.refill {
        words.push("--refill".to_owned());
    }
    if request.agreed.consent.allows(Safety::Guarded) {
        words.push("--guarded".to_owned());
    }
    words.join(" ")
}

/// What was taken of one user's caches without being asked each time.
#[derive(Debug)]
pub struct Proven {
    /// What is found now.
    pub after: Verdict,
    /// What was done with each file.
    pub operations: Vec<Applied>,
    /// What was put in place of them, if that was asked for.
    pub refilled: Option<Refilled>,
}

/// Takes of one user's caches what is proven stale, and safe to take, and nothing else; with `refill` what OpenSC itself
/// would write is put in place of it.
///
/// # Errors
/// When nothing could be moved at all.
pub fn flush_proven(snapshot: &mut Snapshot, refill: bool) -> Result<Proven, Error> {
    let agreed = Agreed { refill, ..Agreed::default() };
    let mut repair = Repair::new(agreed, Asking::Never, Progress::NONE)?;
    let done = repair.user(snapshot, &|snapshot, verdict, caller| {
        // Without a card nothing is proven stale.
        if verdict.compared { flush_plan(snapshot, verdict, Scope::Stale, caller) } else { Plan::default() }
    })?;
    let Ended { operations, refilled, .. } = repair.end();
    Ok(Proven { after: done.after, operations, refilled })
}

/// The cards of this host, read when they are first asked for.
#[derive(Default)]
struct Read(Option<(Vec<Card>, Vec<Ask>)>);

impl Read {
    /// None, if they cannot be read: then nothing is called by what they tell.
    fn get(&mut self, subject: &Subject<'_>) -> (Vec<Card>, Vec<Ask>) {
        let read = || {
            let wish = ObserveOptions { cards: Cards::In(None), ..subject.wish };
            observe(&wish).map(|snapshot| (snapshot.cards, snapshot.asks)).unwrap_or_default()
        };
        self.0.get_or_insert_with(read).clone()
    }
}

/// Is an entry of this name or path in one of the caches?
fn is_here(snapshot: &Snapshot, name: &String) -> bool {
    let name = std::slice::from_ref(name);
    snapshot.caches.iter().any(|dir| dir.entries.iter().any(|entry| is_named(dir, entry, name)))
}
