//! Where a PIN comes from: a file, a prompt, never an argument, which anybody can read in the
//! list of processes. It lives in wiped memory, and no core dump of this process is ever written.

use std::io::{ErrorKind, Read};
use std::path::Path;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use zeroize::Zeroizing;

use crate::error::Error;

/// The longest content of a PIN file.
const LONGEST: u64 = 256;

/// Keeps what this process knows from core dumps and debuggers of the same user.
///
/// # Errors
/// When the system refuses: then no PIN is asked for.
pub fn keep_from_dumps() -> Result<(), Error> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
        .map_err(|error| Error::Pin(format!("memory cannot be kept from core dumps ({error})")))
}

/// The first line of a file, which may be a pipe (`/dev/fd/N`).
///
/// # Errors
/// When it cannot be read, is empty or too long.
pub fn from_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let shown = crate::text::escape(path.as_os_str().as_encoded_bytes());
    let failed = |why: String| Error::Pin(format!("{shown}: {why}"));
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    // Of full size at once: growing would leave copies behind.
    let mut pin = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or(256) + 1));
    file.take(LONGEST + 1).read_to_end(&mut pin).map_err(|error| failed(error.to_string()))?;
    let end = pin.iter().position(|&byte| byte == b'\n').unwrap_or(pin.len());
    if pin.len() as u64 > LONGEST || pin.get(end + 1..).is_some_and(|rest| !rest.is_empty()) {
        return Err(failed("a PIN file holds the PIN and nothing else, on one line".to_owned()));
    }
    pin.truncate(end);
    if pin.last() == Some(&b'\r') {
        pin.pop();
    }
    if pin.is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    Ok(pin)
}

/// Asks on the terminal, whatever standard input and output are; nothing is echoed.
///
/// # Errors
/// When there is no terminal, or nothing was entered.
pub fn ask(question: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let typed = rpassword::prompt_password(question).map_err(|error| {
        // ENXIO: the process has no terminal.
        if error.raw_os_error() == Some(6) || error.kind() == ErrorKind::NotFound {
            Error::Pin("there is no terminal to ask for it: give it with --pin-file FILE".to_owned())
        } else {
            Error::Pin(error.to_string())
        }
    })?;
    let pin = Zeroizing::new(typed.into_bytes());
    if pin.is_empty() { Err(Error::Pin("none was entered".to_owned())) } else { Ok(pin) }
}
