//! A PIN from a file, and what a PIN must look like wherever it comes from: never an argument, which anybody
//! can read in the list of processes. It lives in wiped memory, and no core dump of this process is ever
//! written.
//!
//! A card counts a PIN that an editor has garbled as a wrong one. So whatever does not look as if it had been
//! typed is refused before anything is sent: marks of an encoding, other characters than ASCII, NUL and control
//! characters, blanks at an end. What is in it is said, and where, never which characters the PIN has.

use std::fs::{File, Metadata};
use std::io::{IsTerminal, Read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::text::shell_word;

/// The longest content of a PIN file, or of a line that is typed.
pub(super) const LONGEST: usize = 256;

/// The bits of a mode by which the group and everybody read.
const READ_BY_OTHERS: u32 = 0o044;

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

/// The one line of a file, which may be a pipe (`/dev/fd/N`).
///
/// # Errors
/// When it cannot be read, or what is in it is no PIN as it would be typed.
/// A regular file that others can read is refused, unless `insecure` says that it does not matter.
pub fn from_file(path: &Path, insecure: bool) -> Result<Zeroizing<Vec<u8>>, Error> {
    let shown = crate::text::escape(path.as_os_str().as_encoded_bytes());
    let failed = |why: String| Error::Pin(format!("{shown}: {why}"));
    let mut file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
    if let Some(why) = is_no_file(&file, &metadata) {
        return Err(failed(why.to_owned()));
    }
    if !insecure && metadata.is_file() && metadata.permissions().mode() & READ_BY_OTHERS != 0 {
        let word = shell_word(&shown);
        return Err(failed(format!(
            "others can read it: chmod 600 {word} (or say with --insecure-pin-file that this does not matter)"
        )));
    }
    // Of full size at once: growing would leave copies behind.
    let mut pin = Zeroizing::new(Vec::with_capacity(LONGEST + 2));
    let most = u64::try_from(LONGEST + 1).unwrap_or(u64::MAX);
    (&mut file).take(most).read_to_end(&mut pin).map_err(|error| failed(error.to_string()))?;
    if pin.len() > LONGEST {
        return Err(failed(format!(
            "a PIN file holds the PIN and nothing else, and this one has more than {LONGEST} bytes"
        )));
    }
    if pin.last() == Some(&b'\n') {
        pin.pop();
        if pin.last() == Some(&b'\r') {
            pin.pop();
        }
    }
    if pin.is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    match oddity(&pin) {
        Some(why) => Err(failed(format!("{why}: a PIN file holds the PIN and nothing else, on one line"))),
        None => Ok(pin),
    }
}

/// Why there is no PIN to be read from what was opened.
fn is_no_file(file: &File, metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Some("it is a directory")
    } else if file.is_terminal() {
        Some("it is a terminal, which would show what is typed: leave out --pin-file to be asked for the PIN")
    } else if kind.is_block_device() || kind.is_char_device() {
        Some("it is a device, and no file or pipe")
    } else {
        None
    }
}

/// What there is in a PIN that nobody types; none if there is nothing of the kind.
pub(super) fn oddity(pin: &[u8]) -> Option<String> {
    let utf_16 = "it begins with the byte order mark of UTF-16 (FF FE or FE FF); save it as plain ASCII text";
    let at = |place: usize| format!("at character {} of {}", place + 1, pin.len());
    let place = |odd: fn(&u8) -> bool| pin.iter().position(odd);
    Some(match pin {
        [0xEF, 0xBB, 0xBF, ..] => {
            "it begins with the byte order mark of UTF-8 (EF BB BF); save it without one".to_owned()
        }
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => utf_16.to_owned(),
        // Every other byte of ASCII text in UTF-16 is 00.
        [0, 1..=0xFF, ..] | [1..=0xFF, 0, ..] => {
            "it has NUL bytes between its characters, as UTF-16 has; save it as plain ASCII text".to_owned()
        }
        _ => {
            if let Some(nul) = place(|byte| *byte == 0) {
                format!("it has a NUL byte {}", at(nul))
            } else if let Some(end) = place(|byte| *byte == b'\n') {
                format!("it has more than one line (the end of a line {})", at(end))
            } else if matches!(pin.first(), Some(b' ' | b'\t')) {
                "it begins with a blank".to_owned()
            } else if matches!(pin.last(), Some(b' ' | b'\t')) {
                "it ends with a blank".to_owned()
            } else if let Some(odd) = place(|byte| !byte.is_ascii()) {
                format!("it has a character outside ASCII {}", at(odd))
            } else {
                let control = place(u8::is_ascii_control)?;
                format!("it has a control character {}", at(control))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_types_is_named_and_never_shown() {
        let odd: [(&[u8], &str); 13] = [
            (b"\xEF\xBB\xBF648219", "byte order mark of UTF-8"),
            (b"\xFF\xFE6\x004\x00", "byte order mark of UTF-16"),
            (b"\xFE\xFF\x006\x004", "byte order mark of UTF-16"),
            (b"6\x004\x008\x00", "as UTF-16 has"),
            (b"\x006\x004\x008", "as UTF-16 has"),
            (b"6482\x0019", "NUL byte at character 5 of 7"),
            (b"648219\x00", "NUL byte at character 7 of 7"),
            (b" 648219", "begins with a blank"),
            (b"648219\t", "ends with a blank"),
            (b"6482\xC3\xA419", "outside ASCII at character 5 of 8"),
            (b"6482\x7F19", "control character at character 5 of 7"),
            (b"648219\r", "control character at character 7 of 7"),
            (b"648219\n648219", "more than one line"),
        ];
        for (pin, expected) in odd {
            let said = oddity(pin).unwrap_or_default();
            assert!(said.contains(expected) && !said.contains("6482"), "{pin:02X?}: {said}");
        }
        for pin in [&b"648219"[..], b"a b!C~", b"1"] {
            assert_eq!(oddity(pin), None, "{pin:02X?}");
        }
    }
}
