//! Who is told that something takes long. This crate prints nothing by itself: its caller hands in where to say it.

use std::sync::mpsc;
use std::time::Duration;

/// How long nothing is said.
const QUIET: Duration = Duration::from_secs(1);

/// What is told what is waited for, in a few words.
#[derive(Debug, Clone, Copy)]
pub struct Progress(fn(&str));

impl Progress {
    /// Tells nobody.
    pub const NONE: Self = Self(|_| {});

    /// Calls this function with what is waited for, from another thread.
    #[must_use]
    pub const fn new(tell: fn(&str)) -> Self {
        Self(tell)
    }

    /// Says what is waited for.
    pub(crate) fn tell(self, what: &str) {
        (self.0)(what);
    }

    /// Does something that may take long, and says what, if it takes longer than a second.
    pub(super) fn during<T>(self, what: &str, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let (done, waiting) = mpsc::channel::<()>();
            let teller = move || {
                if waiting.recv_timeout(QUIET) == Err(mpsc::RecvTimeoutError::Timeout) {
                    (self.0)(what);
                }
            };
            // Without a thread for it nothing is said.
            let _ = std::thread::Builder::new().spawn_scoped(scope, teller);
            let result = work();
            drop(done);
            result
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn what_takes_long_is_told_and_what_does_not_is_not() {
        static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let told = || TOLD.lock().unwrap().clone();
        let progress = Progress::new(|what| TOLD.lock().unwrap().push(what.to_owned()));
        assert_eq!(progress.during("quick", || 1), 1);
        assert!(told().is_empty());
        // It is told while the work still goes on: otherwise this would never end.
        progress.during("slow", || {
            while told().is_empty() {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        assert_eq!(told(), ["slow"]);
    }
}
