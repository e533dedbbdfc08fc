//! What is said of a fault of this program itself: a panic.
//!
//! It may come when there is no memory left, or in a thread that holds a lock. The usual report of a panic takes a lock and
//! memory; where there is none, whoever asks for that waits for the lock, and for ever. This one takes neither.

use std::fmt::Write;
use std::panic::{PanicHookInfo, UnwindSafe, catch_unwind, set_hook};

use crate::error::Exit;
use crate::text::acts;

/// Longest report, in bytes.
const LONGEST: usize = 1024;

/// From now on panics are told like this.
pub fn begin() {
    set_hook(Box::new(tell));
}

/// How this ended. A panic is an internal error, and ends like one, not with the language's own code: `instead` may say so to
/// scripts, if it can.
pub fn caught(work: impl FnOnce() -> Exit + UnwindSafe, instead: impl FnOnce() + UnwindSafe) -> Exit {
    catch_unwind(work).unwrap_or_else(|_| {
        // It is the last that there is to say, also if it fails.
        let _ = catch_unwind(instead);
        Exit::Failed
    })
}

fn tell(fault: &PanicHookInfo<'_>) {
    let mut line = Line { bytes: [0; LONGEST], length: 0 };
    let payload = fault.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let what = text.unwrap_or("it gives no reason");
    // What does not fit is left out.
    let _ = write!(line, "stalecard panicked; this is a fault of its own, please report it: {what}");
    if let Some(at) = fault.location() {
        let _ = write!(line, " ({}:{}:{})", at.file(), at.line(), at.column());
    }
    line.end();
    // Nowhere to say that it could not be written.
    let _ = rustix::io::write(std::io::stderr(), line.bytes.get(..line.length).unwrap_or_default());
}

/// Text in a place that is there already, fit for a terminal.
struct Line {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Line {
    fn add(&mut self, bytes: &[u8], most: usize) -> std::fmt::Result {
        let end = self.length + bytes.len();
        let room = self.bytes.get_mut(self.length..end).filter(|_| end <= most).ok_or(std::fmt::Error)?;
        room.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    fn end(&mut self) {
        // There is room for it.
        let _ = self.add(b"\n", LONGEST);
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            let shown = if acts(character) { '?' } else { character };
            self.add(shown.encode_utf8(&mut [0; 4]).as_bytes(), LONGEST - 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    #[allow(clippy::panic, reason = "a fault of its own is what is asked for")]
    fn a_panic_ends_as_an_internal_error() {
        static SAID: AtomicUsize = AtomicUsize::new(0);
        let say = || {
            let _ = SAID.fetch_add(1, Ordering::Relaxed);
        };
        assert_eq!(caught(|| panic!("a fault"), say), Exit::Failed);
        assert_eq!(caught(|| Exit::Findings, say), Exit::Findings);
        assert_eq!(SAID.load(Ordering::Relaxed), 1);
        assert_eq!(caught(|| panic!("a fault"), || panic!("another")), Exit::Failed);
    }

    #[test]
    fn a_report_fits_into_its_place_and_is_fit_for_a_terminal() {
        let said = |text: &str| {
            let mut line = Line { bytes: [0; LONGEST], length: 0 };
            let _ = line.write_str(text);
            line.end();
            String::from_utf8(line.bytes.get(..line.length).unwrap().to_vec()).unwrap()
        };
        assert_eq!(said("é\u{1b}[2J"), "é?[2J\n");
        let long = said(&"é".repeat(LONGEST));
        assert!(long.len() <= LONGEST && long.ends_with("é\n"), "{}", long.len());
    }
}
