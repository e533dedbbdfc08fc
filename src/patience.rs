//! How long looking may take: in all, and without a sign of life of what is looked at.
//!
//! A file system of the network or of FUSE, a directory service behind the user database and the PC/SC
//! service may never answer, and a call into them cannot be interrupted. Whatever may hang is therefore
//! done in a thread of its own ([`within`]). Who waits goes on when nothing has moved for a while, or when
//! the time that was given for the whole command is over; the thread is left behind and dies with the
//! process. Only looking is bounded like this, never a change.
//!
//! What hangs where nobody has thought of it ends the whole process, some time after the time for the command is over
//! ([`begin`]); but never while something is changed, or a person is waited for ([`undisturbed`]).
//!
//! The system may give no further thread (too little memory, too many processes). So all that this program starts are
//! started here ([`aside`]), and whoever wants one has a way without it: nobody waits for what never began.

use std::io::{Error, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a file system, the user database or the PC/SC service may be without a sign of life.
pub const SILENCE: Duration = Duration::from_secs(10);

/// What the guard has to know.
static STATE: Mutex<State> = Mutex::new(State { end: None, undisturbed: 0 });
/// Told whenever that changes: the guard sleeps until there is something to look at.
static CHANGED: Condvar = Condvar::new();
/// Somebody is there who ends the process.
static IS_GUARDED: AtomicBool = AtomicBool::new(false);
/// The first that was not waited for any longer, or not begun: why.
static WHY: Mutex<Option<Overdue>> = Mutex::new(None);
/// Who else is told when the process is ended.
static LAST_WORDS: OnceLock<fn(&str)> = OnceLock::new();
/// Something was not waited for any longer.
static OVERDUE: AtomicBool = AtomicBool::new(false);
/// How long after the end of the time the process is ended: what is read in time has to be judged and printed, too.
const FAREWELL: Duration = SILENCE;
/// How long the last word may take.
const LAST_WORD: Duration = Duration::from_millis(500);

struct State {
    /// The time there is for looking, and when that is over.
    end: Option<(Duration, Instant)>,
    /// How many changes are under way, or persons waited for. Who holds the lock, and sees none, may end the process.
    undisturbed: usize,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The system starts no further thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the system starts no thread for it: there is too little memory, or there are too many processes (ulimit -a tells \
     the limits)"
)]
pub struct NoThread;

impl From<NoThread> for Error {
    fn from(why: NoThread) -> Self {
        Self::other(why)
    }
}

/// Does this in a thread of its own, which nobody waits for and which dies with the process. `thread::spawn` would panic
/// where the system gives none.
///
/// # Errors
/// [`NoThread`]: nothing was begun.
pub fn aside(work: impl FnOnce() + Send + 'static) -> Result<(), NoThread> {
    thread::Builder::new().spawn(work).map(drop).map_err(|_| NoThread)
}

/// If the process has to be ended for want of time, this is told why, too, once. It may not wait for anything: nobody may begin
/// a change any more, or a time without disturbance.
pub fn at_the_end(tell: fn(&str)) {
    let _ = LAST_WORDS.set(tell);
}

/// From now on this is the time there is for looking. The process ends some time after it, if it has not by then.
pub fn begin(limit: Duration) {
    static GUARD: Once = Once::new();
    GUARD.call_once(|| IS_GUARDED.store(aside(guard).is_ok(), Ordering::Relaxed));
    state().end = end_of(limit);
    CHANGED.notify_all();
    *WHY.lock().unwrap_or_else(PoisonError::into_inner) = None;
    OVERDUE.store(false, Ordering::Relaxed);
}

/// Gives the same time once more: something was done meanwhile that is not looking, such as a repair, or a PIN
/// that somebody typed.
pub fn anew() {
    state().begin_anew();
    CHANGED.notify_all();
}

impl State {
    fn begin_anew(&mut self) {
        self.end = self.end.and_then(|(limit, _)| end_of(limit));
    }

    /// The time that was given, and what is left until the process has to end; none as long as it must not.
    fn left(&self) -> Option<(Duration, Duration)> {
        let (limit, end) = self.end.filter(|_| self.undisturbed == 0)?;
        let over = end.checked_add(FAREWELL)?;
        Some((limit, over.saturating_duration_since(Instant::now())))
    }
}

/// Ends the process when its time is long over.
fn guard() {
    let mut known = state();
    let limit = loop {
        known = match known.left() {
            Some((limit, left)) if left.is_zero() => break limit,
            Some((_, left)) => CHANGED.wait_timeout(known, left).unwrap_or_else(PoisonError::into_inner).0,
            None => CHANGED.wait(known).unwrap_or_else(PoisonError::into_inner),
        };
    };
    let why = format!(
        "no result within {} seconds: something does not answer, and was left; nothing was being changed at this moment",
        limit.as_secs()
    );
    // Whoever hangs may hold standard error; and if it is gone there is nobody to tell.
    let (done, told) = channel();
    let last_word = aside(move || {
        let line = format!("stalecard: {why}\n");
        let said = std::io::stderr().write_all(line.as_bytes()).is_ok();
        LAST_WORDS.get().into_iter().for_each(|tell| tell(&why));
        let _ = done.send(said);
    });
    // Without a thread for it the exit code is all that tells.
    if last_word.is_ok() {
        let _ = told.recv_timeout(LAST_WORD);
    }
    // Nobody begins a change any more: the lock is kept.
    std::process::exit(3);
}

/// As long as this lives something is changed or a person is waited for: the process is not ended for want of time,
/// which counts anew afterwards.
#[derive(Debug)]
pub struct Undisturbed(());

/// Begins such a time.
#[must_use]
pub fn undisturbed() -> Undisturbed {
    state().undisturbed += 1;
    CHANGED.notify_all();
    Undisturbed(())
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        let mut state = state();
        state.begin_anew();
        state.undisturbed = state.undisturbed.saturating_sub(1);
        drop(state);
        CHANGED.notify_all();
    }
}

fn end_of(limit: Duration) -> Option<(Duration, Instant)> {
    Some((limit, Instant::now().checked_add(limit)?))
}

/// What is left of the time; none if there is no limit.
#[must_use]
pub fn left() -> Option<Duration> {
    state().end.map(|(_, end)| end.saturating_duration_since(Instant::now()))
}

/// Was anything given up since [`begin`] because it did not answer?
#[must_use]
pub fn was_lost() -> bool {
    OVERDUE.load(Ordering::Relaxed)
}

/// Why the first of them was, as far as that was told.
#[must_use]
pub fn why_lost() -> Overdue {
    let why = *WHY.lock().unwrap_or_else(PoisonError::into_inner);
    why.unwrap_or(Overdue::Silent(SILENCE.as_secs()))
}

/// Gives it up because of this.
fn gives_up<T>(why: Overdue) -> Result<T, Overdue> {
    WHY.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    lose();
    Err(why)
}

/// Something did not answer in time.
pub fn lose() {
    OVERDUE.store(true, Ordering::Relaxed);
}

/// Why something was not waited for any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Overdue {
    /// Nothing has moved for these seconds.
    #[error(
        "it has not answered for {0} seconds and was left: see what it waits for (a server that is gone, a process \
         that is stopped), then run this again"
    )]
    Silent(u64),
    /// Its part of the time for the whole command was over.
    #[error("it did not answer in the time that there was: give it more with --timeout")]
    NoTime,
    /// It was not even begun.
    #[error(transparent)]
    NoThread(#[from] NoThread),
    /// Whoever looked at it is gone.
    #[error("looking at it broke off: this is a fault of stalecard, please report it")]
    BrokeOff,
}

/// Signs of life of a long work.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// There is one.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Does this, and waits for it as long as it gives signs of life at least once in `silence`, but not longer than
/// half of the time that is left: something else is to be looked at, too.
///
/// # Errors
/// When it was left behind.
pub fn within<T: Send + 'static>(
    silence: Duration,
    work: impl FnOnce(&Pulse) -> T + Send + 'static,
) -> Result<T, Overdue> {
    let pulse = Pulse::default();
    let its = pulse.clone();
    within_pulse(silence, &pulse, move || work(&its))
}

/// The same for a call into the system: to be left behind is one more of its failures.
///
/// # Errors
/// Its own, or [`ErrorKind::TimedOut`].
pub fn answered<T: Send + 'static>(
    work: impl FnOnce(&Pulse) -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    within(SILENCE, work).unwrap_or_else(|overdue| Err(Error::new(ErrorKind::TimedOut, overdue)))
}

/// As [`within`], with signs of life that come from elsewhere.
fn within_pulse<T: Send + 'static, W: FnOnce() -> T + Send + 'static>(
    silence: Duration,
    pulse: &Pulse,
    work: W,
) -> Result<T, Overdue> {
    let (done, result) = channel();
    let (hand, given) = channel::<W>();
    let end = left().and_then(|left| Instant::now().checked_add(left / 2));
    let begun = aside(move || {
        if let Ok(work) = given.recv() {
            // Nobody listens any more: it came too late.
            drop(done.send(work()));
        }
    });
    match begun {
        // It takes it, or is gone, which the result tells.
        Ok(()) => drop(hand.send(work)),
        // What hangs now ends the process in the end.
        Err(NoThread) if state().left().is_some() && IS_GUARDED.load(Ordering::Relaxed) => return Ok(work()),
        Err(why) => return gives_up(why.into()),
    }
    loop {
        let left = end.map_or(silence, |end| end.saturating_duration_since(Instant::now()));
        let (seen, limit) = (pulse.count(), silence.min(left));
        match result.recv_timeout(limit) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) if limit == silence && pulse.count() != seen => {}
            Err(RecvTimeoutError::Disconnected) => return gives_up(Overdue::BrokeOff),
            Err(RecvTimeoutError::Timeout) if limit < silence => return gives_up(Overdue::NoTime),
            Err(RecvTimeoutError::Timeout) => return gives_up(Overdue::Silent(silence.as_secs())),
        }
    }
}

/// Patience with several that may all wait for the same server: the more have not answered, the less there is for
/// the next one. Whoever is well answers at once.
#[derive(Debug, Default)]
pub struct Waning(u32);

/// What is left of it in the end.
const LEAST: Duration = Duration::from_millis(250);

impl Waning {
    /// How long the next one may be silent.
    #[must_use]
    pub fn silence(&self) -> Duration {
        SILENCE.checked_div(1 << self.0.min(16)).unwrap_or(LEAST).max(LEAST)
    }

    /// As [`within`], as long as there is patience.
    ///
    /// # Errors
    /// As there.
    pub fn within<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Pulse) -> T + Send + 'static,
    ) -> Result<T, Overdue> {
        let pulse = Pulse::default();
        let its = pulse.clone();
        self.within_pulse(&pulse, move || work(&its))
    }

    /// The same, with signs of life that come from elsewhere.
    ///
    /// # Errors
    /// As there.
    pub fn within_pulse<T: Send + 'static>(
        &mut self,
        pulse: &Pulse,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overdue> {
        let result = within_pulse(self.silence(), pulse, work);
        self.0 += u32::from(result.is_err());
        result
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn who_moves_is_waited_for_and_who_does_not_is_left() {
        let step = Duration::from_millis(200);
        let moving = within(step, move |pulse| {
            for _ in 0..8 {
                thread::sleep(step / 4);
                pulse.beat();
            }
            7
        });
        assert_eq!(moving, Ok(7));
        assert_eq!(within(step, move |_| thread::sleep(step * 50)), Err(Overdue::Silent(0)));
        assert!(was_lost());
    }

    /// A panic is no silence, and is not waited for.
    #[test]
    fn who_breaks_off_is_not_waited_for() {
        let begun = Instant::now();
        let broken = within(SILENCE, |_| std::panic::resume_unwind(Box::new("a fault")));
        assert_eq!(broken, Err::<(), _>(Overdue::BrokeOff));
        assert!(begun.elapsed() < SILENCE);
    }
}
