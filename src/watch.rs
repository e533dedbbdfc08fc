//! Waiting for the moments at which a check is worth while: a card came, a program that used
//! OpenSC let go of the cards, a cache changed.
//!
//! Hides two threads that wait (for PC/SC and for inotify) and how a burst of events becomes one
//! occurrence. PC/SC does not say when a program lets go of a card. But OpenSC reads its
//! configuration whenever a program begins to use it, and that wakes us; only from then on,
//! until no card is in use any more, is PC/SC asked again and again. While nothing happens
//! nothing runs.

mod event;
mod files;
mod hook;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::card::presence::{Lookout, Seen, in_use};
use crate::patience::{NoThread, aside};
use crate::text::escape;
use event::Event;
use files::Files;
pub use hook::{Environment, Hook};

/// How long it must be quiet before a burst is over.
const QUIET: Duration = Duration::from_millis(100);
/// How long a burst may hold up an occurrence.
const LONGEST_BURST: Duration = Duration::from_millis(500);
/// The longest rest after a check: one that took long is not repeated at once.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// A card that is still in use after this time is checked all the same: some programs never let go.
const ENOUGH: Duration = Duration::from_secs(2);
/// How long to wait before PC/SC is tried again, at first and at most. A new socket in `/run/pcscd` ends the wait.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// How often to ask whether a card is still in use, by the time it has been.
const fn pause(used: Duration) -> Duration {
    match used.as_secs() {
        0..10 => Duration::from_millis(100),
        10..300 => Duration::from_millis(500),
        _ => Duration::from_secs(10),
    }
}

/// Something that is worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occurrence {
    /// The watch has begun.
    Started,
    /// A card is in this reader now.
    Inserted(String),
    /// The card is gone from this reader.
    Removed(String),
    /// A program has used OpenSC and let go of the cards (or has had them for long).
    Released,
    /// Something was written into a cache directory.
    CacheChanged,
    /// The PC/SC service is gone, and why.
    ServiceLost(String),
    /// It is there again.
    ServiceBack,
}

impl Occurrence {
    /// The words of all kinds.
    pub const KINDS: [&'static str; 7] =
        ["started", "inserted", "removed", "released", "cache-changed", "service-lost", "service-back"];

    /// In one word, for scripts.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        let [started, inserted, removed, released, cache_changed, service_lost, service_back] = Self::KINDS;
        match self {
            Self::Started => started,
            Self::Inserted(_) => inserted,
            Self::Removed(_) => removed,
            Self::Released => released,
            Self::CacheChanged => cache_changed,
            Self::ServiceLost(_) => service_lost,
            Self::ServiceBack => service_back,
        }
    }

    /// The reader it concerns.
    #[must_use]
    #[deny(clippy::wildcard_enum_match_arm, reason = "a new occurrence is to say where it was")]
    pub fn reader(&self) -> Option<&str> {
        match self {
            Self::Inserted(reader) | Self::Removed(reader) => Some(reader),
            Self::Started
            | Self::Released
            | Self::CacheChanged
            | Self::ServiceLost(_)
            | Self::ServiceBack => None,
        }
    }
}

/// Tells of its own end, by a fault too, whoever would wait for ever.
struct Over(Sender<Event>);

impl Drop for Over {
    fn drop(&mut self) {
        // Nobody waits any more.
        let _ = self.0.send(Event::Over);
    }
}

/// Programs that use cards, until they let go.
struct Use {
    since: Instant,
    /// No check is due because of them before they let go.
    checked: bool,
}

/// Waits for occurrences.
pub struct Watch {
    events: Receiver<Event>,
    backlog: VecDeque<Event>,
    /// Tells the thread at PC/SC to try again.
    retry: Sender<()>,
    files: Option<Files>,
    due: VecDeque<Occurrence>,
    /// What is in the readers; none before they were first looked at.
    seen: Option<Vec<Seen>>,
    lost: bool,
    used: Option<Use>,
    rest: Duration,
}

impl Watch {
    /// Begins to watch; also gives why files cannot be watched, if so.
    ///
    /// # Errors
    /// When nothing can be watched.
    pub fn begin() -> Result<(Self, Option<std::io::Error>), NoThread> {
        let (tell, events) = channel();
        let (retry, retries) = channel();
        let readers = tell.clone();
        aside(move || {
            let _over = Over(readers.clone());
            watch_readers(&retries, &readers);
        })?;
        let (files, why) = match Files::watch(tell) {
            Ok(files) => (Some(files), None),
            Err(error) => (None, Some(error)),
        };
        let watch = Self {
            events,
            backlog: VecDeque::new(),
            retry,
            files,
            due: VecDeque::from([Occurrence::Started]),
            seen: None,
            lost: false,
            used: None,
            rest: QUIET,
        };
        Ok((watch, why))
    }

    /// Runs a check, which is not to be taken for somebody's use of OpenSC. It gives the cache directories and
    /// configuration files that are to be watched from then on, with what it is about.
    pub fn check<T>(&mut self, check: impl FnOnce() -> (Vec<PathBuf>, Vec<PathBuf>, T)) -> T {
        if let Some(files) = &mut self.files {
            files.forget_configurations();
        }
        let begun = Instant::now();
        let (directories, configurations, result) = check();
        self.rest = begun.elapsed().clamp(QUIET, LONGEST_REST);
        if let Some(files) = &mut self.files {
            files.set(&directories, &configurations);
        }
        // Who began during the check was not heard.
        if self.used.is_none() && in_use() {
            self.used = Some(Use { since: Instant::now(), checked: true });
        }
        result
    }

    /// The next occurrence; none if it can never come.
    pub fn wait(&mut self) -> Option<Occurrence> {
        loop {
            if let Some(occurrence) = self.due.pop_front() {
                return Some(occurrence);
            }
            match self.next_event() {
                Ok(Event::Readers(seen)) => self.compare(seen),
                Ok(Event::Lost(why)) => {
                    self.lost = true;
                    self.seen = Some(Vec::new());
                    self.due.push_back(Occurrence::ServiceLost(why));
                }
                Ok(Event::Cache) => {
                    self.settle();
                    self.due.push_back(Occurrence::CacheChanged);
                }
                Ok(Event::Used) => {
                    self.used = Some(Use { since: Instant::now(), checked: false });
                    self.settle();
                    self.look_after_use();
                }
                Ok(Event::Socket) if self.lost => self.retry.send(()).ok()?,
                Ok(Event::Socket) => {}
                Err(RecvTimeoutError::Timeout) => self.look_after_use(),
                Ok(Event::Over) | Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn next_event(&mut self) -> Result<Event, RecvTimeoutError> {
        match (self.backlog.pop_front(), &self.used) {
            (Some(event), _) => Ok(event),
            (None, Some(used)) => self.events.recv_timeout(pause(used.since.elapsed())),
            (None, None) => self.events.recv().map_err(RecvTimeoutError::from),
        }
    }

    /// Is it over?
    fn look_after_use(&mut self) {
        let Some(used) = &mut self.used else { return };
        let still = in_use();
        if !still || (!used.checked && used.since.elapsed() >= ENOUGH) {
            used.checked = true;
            self.due.push_back(Occurrence::Released);
        }
        if !still {
            self.used = None;
        }
    }

    /// Lets a burst of writing or reading pass; what else happens is kept for later.
    fn settle(&mut self) {
        let begun = Instant::now();
        let rest = std::mem::replace(&mut self.rest, QUIET);
        let mut until = begun + rest;
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event @ (Event::Cache | Event::Used)) => {
                    until = (Instant::now() + QUIET).clamp(until, begun + rest + LONGEST_BURST);
                    self.backlog.push_back(event);
                }
                Ok(event) => self.backlog.push_back(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        // One check serves all of them; one that uses a card is waited for.
        if self.backlog.iter().any(|event| matches!(event, Event::Used)) {
            self.used = Some(Use { since: Instant::now(), checked: false });
        }
        self.backlog.retain(|event| !matches!(event, Event::Cache | Event::Used));
    }

    /// What has happened since the readers were looked at.
    fn compare(&mut self, now: Vec<Seen>) {
        if std::mem::take(&mut self.lost) {
            self.due.push_back(Occurrence::ServiceBack);
        }
        // What is there at the beginning is checked at the beginning.
        if let Some(before) = &self.seen {
            self.due.extend(occurrences(before, &now));
        }
        self.seen = Some(now);
    }
}

fn occurrences(before: &[Seen], now: &[Seen]) -> Vec<Occurrence> {
    let old = |reader: &str| before.iter().find(|old| old.reader == reader);
    let stayed = |new: &Seen| old(&new.reader).is_some_and(|old| old.card && old.count == new.count);
    let removed = before.iter().filter(|old| old.card);
    let removed = removed.filter(|old| !now.iter().any(|new| new.reader == old.reader && new.card));
    let inserted = now.iter().filter(|new| new.card && !stayed(new));
    removed
        .map(|old| Occurrence::Removed(old.reader.clone()))
        .chain(inserted.map(|new| Occurrence::Inserted(new.reader.clone())))
        .collect()
}

/// The thread that waits for PC/SC.
fn watch_readers(retries: &Receiver<()>, tell: &Sender<Event>) {
    let mut retry = FIRST_RETRY;
    let mut told = false;
    loop {
        let looked = Lookout::open().and_then(|mut lookout| Ok((lookout.now()?, lookout)));
        match looked {
            Ok((seen, mut lookout)) => {
                (retry, told) = (FIRST_RETRY, false);
                if tell.send(Event::Readers(seen)).is_err() {
                    return;
                }
                // A failure shows again at the next look.
                let _ = lookout.wait();
            }
            Err(error) => {
                if !told && tell.send(Event::Lost(escape(error.to_string().as_bytes()))).is_err() {
                    return;
                }
                told = true;
                if retries.recv_timeout(retry) == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
                retry = (retry * 2).min(LONGEST_RETRY);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_between_two_looks() {
        let seen = |card, count| Seen { reader: "R".into(), card, count };
        let (inserted, removed) = (Occurrence::Inserted("R".into()), Occurrence::Removed("R".into()));
        for (before, now, expected) in [
            (vec![], vec![seen(true, 1)], vec![inserted.clone()]),
            (vec![seen(false, 0)], vec![seen(true, 1)], vec![inserted.clone()]),
            (vec![seen(true, 1)], vec![seen(false, 2)], vec![removed.clone()]),
            (vec![seen(true, 1)], vec![], vec![removed]),
            // Pulled and put back between two looks.
            (vec![seen(true, 1)], vec![seen(true, 3)], vec![inserted]),
            (vec![seen(true, 1)], vec![seen(true, 1)], vec![]),
        ] {
            assert_eq!(occurrences(&before, &now), expected, "{before:?} {now:?}");
        }
    }

    #[test]
    fn the_longer_a_card_is_used_the_rarer_is_asked() {
        let pauses = [0, 9, 10, 299, 300].map(|seconds| pause(Duration::from_secs(seconds)).as_millis());
        assert_eq!(pauses, [100, 100, 500, 500, 10_000]);
    }
}
