//! Questions on the terminal, whatever standard input and output are.
//!
//! A PIN is not echoed (`termios`, `ECHO` off), and however this ends the terminal is as it was before: a signal that
//! would end or stop the process (^C, ^\, ^Z, `kill`, a terminal that goes away) first gets the echo switched on
//! again, and then does what it always does, so that a shell sees a program that was killed by it. What the process
//! that started us had ignored stays ignored.
//!
//! The terminal's line is read by a thread of its own, since a read cannot be waited for together with a signal
//! on every system. Until the line is whole it is in the terminal's memory, not in ours.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock, atomic::AtomicBool, atomic::Ordering};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGBUS, SIGHUP, SIGINT, SIGPIPE, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP, SIGTSTP,
    SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};
use zeroize::Zeroizing;

use super::pin::{LONGEST, oddity};
use crate::error::Error;
use crate::patience::{aside, undisturbed};

/// What ends or stops a process that does not want it, and can be wanted (signal(7)): all but SIGKILL and SIGSTOP, and
/// what a fault in the program itself is told by (SIGSEGV, SIGILL, SIGFPE).
const SIGNALS: [i32; 17] = [
    SIGHUP, SIGINT, SIGQUIT, SIGTRAP, SIGABRT, SIGBUS, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGTSTP,
    SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGSYS,
];

/// More of them on Linux: SIGIO, SIGPWR, SIGSTKFLT, and those for real time. `signal_hook` does not know how they
/// end a process, so the exit code is what a shell says of them.
#[cfg(target_os = "linux")]
fn unnamed() -> impl Iterator<Item = i32> {
    use signal_hook::consts::SIGIO;
    let (power, stack) =
        if cfg!(any(target_arch = "mips", target_arch = "mips64")) { (19, 0) } else { (30, 16) };
    // Below them are those of the C library itself: two of glibc's, three of musl's.
    let first = if cfg!(target_env = "musl") { 35 } else { 34 };
    [SIGIO, power, stack].into_iter().filter(|signal| *signal > 0).chain(first..=64)
}

/// Elsewhere all have names.
#[cfg(not(target_os = "linux"))]
fn unnamed() -> impl Iterator<Item = i32> {
    std::iter::empty()
}

/// Asks for a PIN; nothing is echoed.
///
/// # Errors
/// When there is no terminal, or what was entered is no PIN.
pub fn pin(question: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let _undisturbed = undisturbed();
    let mut terminal = terminal()?;
    let failed = |error: std::io::Error| Error::Pin(format!("the terminal: {error}"));
    let line = without_echo(&mut terminal, question).map_err(failed)?;
    if line.is_empty() {
        return Err(Error::Pin("none was entered".to_owned()));
    }
    if line.len() > LONGEST {
        return Err(Error::Pin(format!("what was entered has more than {LONGEST} characters")));
    }
    match oddity(&line) {
        Some(why) => Err(Error::Pin(format!("what was entered: {why}"))),
        None => Ok(line),
    }
}

/// Asks whether a login that no program has the card open for is to be ended. Without a terminal nobody wants it.
///
/// # Errors
/// When the terminal breaks.
pub fn wants_login_ended() -> Result<bool, Error> {
    let _undisturbed = undisturbed();
    let Ok(mut terminal) = terminal() else { return Ok(false) };
    let question = "A login is open on this card, but no program has the card open: end it and log in with a PIN? [y/N] ";
    let failed = |error: std::io::Error| Error::Pin(format!("the terminal: {error}"));
    terminal.write_all(question.as_bytes()).map_err(failed)?;
    let answer = line(&mut terminal).map_err(failed)?;
    Ok(matches!(answer.as_slice(), b"y" | b"Y" | b"yes" | b"Yes"))
}

fn terminal() -> Result<File, Error> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|error| {
        // ENXIO: the process has no terminal.
        if error.raw_os_error() == Some(6) || error.kind() == ErrorKind::NotFound {
            Error::Pin("there is no terminal to ask for it: give it with --pin-file FILE".to_owned())
        } else {
            Error::Pin(format!("/dev/tty: {error}"))
        }
    })
}

/// What a prompt waits for.
enum Event {
    Line(std::io::Result<Zeroizing<Vec<u8>>>),
    Signal(i32),
}

fn without_echo(terminal: &mut File, question: &str) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let (events, waiting) = channel();
    let prompting = Prompting::begin(events.clone())?;
    let mut silent = Silent::of(terminal.try_clone()?)?;
    terminal.write_all(question.as_bytes())?;
    let mut reading = terminal.try_clone()?;
    aside(move || {
        let read = catch_unwind(AssertUnwindSafe(|| line(&mut reading)));
        // Nobody listens any more if a signal has ended it.
        let _ = events.send(Event::Line(read.unwrap_or_else(|_| Err(ErrorKind::Other.into()))));
    })?;
    let line = loop {
        match waiting.recv() {
            Ok(Event::Line(line)) => break line,
            Ok(Event::Signal(signal)) => {
                silent.end();
                let _ = terminal.write_all(b"\n");
                // Ends or stops the process, as the signal would have done.
                if unnamed().any(|unnamed| unnamed == signal) {
                    low_level::exit(128 + signal);
                }
                low_level::emulate_default_handler(signal)?;
                // It goes on (fg).
                silent = Silent::of(terminal.try_clone()?)?;
                terminal.write_all(question.as_bytes())?;
            }
            Err(_) => break Err(ErrorKind::UnexpectedEof.into()),
        }
    };
    silent.end();
    drop(prompting);
    let _ = terminal.write_all(b"\n");
    line
}

/// One line, without its end.
fn line(terminal: &mut File) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // Of full size at once: growing would leave copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    let mut byte = Zeroizing::new([0]);
    loop {
        match terminal.read(byte.as_mut_slice()) {
            Ok(0) => return Ok(line),
            Ok(_) if *byte == *b"\n" => return Ok(line),
            Ok(_) if line.len() <= LONGEST => line.extend(byte.iter()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A terminal that does not show what is typed, until this ends.
struct Silent {
    terminal: File,
    /// None: it has ended.
    before: Option<Termios>,
}

impl Silent {
    fn of(terminal: File) -> std::io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        silent.local_modes.insert(LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(&terminal, OptionalActions::Now, &silent)?;
        Ok(Self { terminal, before: Some(before) })
    }

    fn end(&mut self) {
        if let Some(before) = self.before.take() {
            // If the terminal is gone there is nothing to restore.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &before);
        }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.end();
    }
}

/// Signals come as events, until this ends; then they do what they always do.
struct Prompting {
    signals: signal_hook::iterator::Handle,
    over: &'static AtomicBool,
}

impl Prompting {
    fn begin(events: Sender<Event>) -> std::io::Result<Self> {
        // A handler of signal-hook stays for good; it does what the system would where no prompt is open.
        static OVER: OnceLock<Arc<AtomicBool>> = OnceLock::new();
        let wanted = wanted();
        if OVER.get().is_none() {
            let over = OVER.get_or_init(|| Arc::new(AtomicBool::new(true)));
            for &signal in &wanted {
                if unnamed().any(|unnamed| unnamed == signal) {
                    flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(over))?;
                } else {
                    flag::register_conditional_default(signal, Arc::clone(over))?;
                }
            }
        }
        let over = OVER.get_or_init(Arc::default);
        let mut signals = Signals::new(&wanted)?;
        let handle = signals.handle();
        over.store(false, Ordering::SeqCst);
        aside(move || {
            for signal in &mut signals {
                if events.send(Event::Signal(signal)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { signals: handle, over })
    }
}

impl Drop for Prompting {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.signals.close();
    }
}

/// The signals that this process does not ignore (`SigIgn` in proc_pid_status(5); elsewhere it is taken to ignore none).
fn wanted() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    SIGNALS.into_iter().chain(unnamed()).filter(|signal| mask >> (signal - 1) & 1 == 0).collect()
}
