//! A record of one run for a bug report (`--log FILE`), written as it happens so that it is whole up to a crash.
//!
//! Hides whether anybody wants one: without a file nothing is formatted. What may stand in it whoever writes decides; the
//! only one that handles secrets is `card`, which masks them (`card/traced.rs`).

use std::io::Write;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

struct Log {
    begun: Instant,
    file: Mutex<Box<dyn Write + Send>>,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// From now on everything goes to this file. Only the first call counts.
pub fn begin(file: Box<dyn Write + Send>) {
    let _ = LOG.set(Log { begun: Instant::now(), file: Mutex::new(file) });
}

/// Writes a line with the time since the beginning, if there is a log. What does not act on a terminal is all that gets in.
pub fn line(text: impl FnOnce() -> String) {
    let Some(log) = LOG.get() else { return };
    let line = format!("{:9.3} {}\n", log.begun.elapsed().as_secs_f64(), crate::text::tame(&text()));
    // A log that cannot be written must not keep anybody from the result.
    if let Ok(mut file) = log.file.lock() {
        let _ = file.write_all(line.as_bytes()).and_then(|()| file.flush());
    }
}
