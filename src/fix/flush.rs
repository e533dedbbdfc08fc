//! Taking cache entries away: what is proven stale, or what was named.

use super::caches::{Agreed, Repair, Subject, look_for_holders};
use crate::error::{Error, Exit};
use crate::finding::doubtful_since;
use crate::judge::ending::is_unread;
use crate::observe::CacheOwners;
use crate::repair::flush::{Scope, flush_plan, is_named};
use crate::repair::{Applied, Outcome, Plan};
use crate::snapshot::{Gap, GapKind, Snapshot};
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
    /// What is found now.
    pub after: Verdict,
    /// Since when this host may have signed for a key that is gone (RFC 3339).
    pub doubtful_since: Option<String>,
    /// Why it is no success whatever was moved.
    pub error: Option<Error>,
    /// How the run ends otherwise.
    pub exit: Exit,
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
    let mut repair = Repair::new(*agreed)?;
    let mut unread = None;
    let mut failed = false;
    let mut without_card = None;
    let mut since: Option<String> = None;
    let observed = subject.each(&mut |snapshot| {
        missing.retain(|name| !is_here(snapshot, name));
        let done = repair.user(snapshot, &|snapshot, verdict, caller| {
            // Without a card nothing is proven stale, and damage alone is no reason here.
            if is_stale && is_unread(verdict, false) && !verdict.compared {
                return Plan::default();
            }
            flush_plan(snapshot, verdict, *scope, caller)
        })?;
        if unread.is_none() {
            let is_unread = is_stale && is_unread(&done.before, false);
            unread = Some(is_unread);
            if is_unread && !done.before.compared {
                without_card = Some((snapshot.host.clone(), done.before));
                return Err(Error::NoCardToFlush);
            }
        }
        // RFC 3339 in UTC: the earlier one is the lesser.
        since = since.take().into_iter().chain(doubtful_since(&done.before.findings)).min();
        let bad = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_) | Outcome::Changed(_));
        failed |= done.steps.iter().any(|(.., outcome)| bad(outcome));
        repair.add(snapshot, done.after);
        Ok(())
    });
    let mut snapshot = match (observed, without_card) {
        (Err(error), Some((host, after))) => {
            let exit = error.exit();
            return Ok(Flushed {
                host,
                changed: false,
                operations: Vec::new(),
                after,
                doubtful_since: None,
                error: Some(error),
                exit,
            });
        }
        (observed, _) => observed?,
    };
    let changed = repair.changed();
    let (operations, mut after, _) = repair.end();
    if changed && !agreed.dry_run {
        look_for_holders(&mut snapshot, &mut after)?;
    }
    // Whoever asks for others' caches has to know that one could not be looked at.
    let is_missing = |gap: &Gap| gap.asked_for && gap.kind == GapKind::Cache;
    let gaps = subject.whose != CacheOwners::Caller && after.coverage.iter().any(is_missing);
    let exit = match (failed, unread == Some(true) || gaps) {
        (true, _) => Exit::Failed,
        (false, true) => Exit::NotRead,
        (false, false) => Exit::Clean,
    };
    let error = missing.first().map(|name| Error::NoSuchEntry((*name).clone()));
    Ok(Flushed { host: snapshot.host, changed, operations, after, doubtful_since: since, error, exit })
}

/// Takes of one user's caches what is proven stale, and safe to take, and nothing else; gives what is found then.
///
/// # Errors
/// When nothing could be moved at all.
pub fn flush_proven(snapshot: &mut Snapshot) -> Result<(Verdict, Vec<Applied>), Error> {
    let mut repair = Repair::new(Agreed::default())?;
    let done = repair.user(snapshot, &|snapshot, verdict, caller| {
        // Without a card nothing is proven stale.
        if verdict.compared { flush_plan(snapshot, verdict, Scope::Stale, caller) } else { Plan::default() }
    })?;
    let (operations, ..) = repair.end();
    Ok((done.after, operations))
}

/// Is an entry of this name or path in one of the caches?
fn is_here(snapshot: &Snapshot, name: &String) -> bool {
    let name = std::slice::from_ref(name);
    snapshot.caches.iter().any(|dir| dir.entries.iter().any(|entry| is_named(dir, entry, name)))
}
