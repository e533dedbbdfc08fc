//! The way out: standard output for results, standard error for complaints.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::error::{Error, Exit};
use crate::log;
use crate::observe::Progress;
use crate::patience::undisturbed;
use crate::report::json::{Document, Failed, Failure};
use crate::text;

/// How complaints and what is waited for are told: nothing of the latter if nobody wants to hear it, and in ASCII where
/// the terminal shows nothing else. As it was typed, once.
static MANNER: OnceLock<Manner> = OnceLock::new();

/// How it is told.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Nobody wants to hear what is waited for.
    pub is_quiet: bool,
    /// The terminal shows nothing but ASCII.
    pub is_ascii: bool,
    /// Whoever types the next command is not root, though this process is.
    pub by_sudo: bool,
}

/// Once, before anything is told.
pub fn tell_so(manner: Manner) {
    let _ = MANNER.set(manner);
}

/// As the terminal shows it.
fn shown(text: &str) -> String {
    if MANNER.get().is_some_and(|manner| manner.is_ascii) { text::in_ascii(text) } else { text.to_owned() }
}

/// Prints text made for people; colour only on a terminal.
pub fn print(text: &str) -> Result<(), Error> {
    // Whoever reads it may take their time (a pager).
    let _undisturbed = undisturbed();
    let shown = shown(text);
    // A document has no styles, and looking for them takes longer than making it.
    if shown.contains('\x1b') {
        written(anstream::stdout().lock().write_all(shown.as_bytes()))
    } else {
        written(std::io::stdout().lock().write_all(shown.as_bytes()))
    }
}

/// A document was printed: no other may follow it.
static HAS_ANSWERED: AtomicBool = AtomicBool::new(false);

/// Prints a command's document.
pub fn print_json(document: &Document<'_>) -> Result<(), Error> {
    let text = json_text("the document", &document.value()?)?;
    HAS_ANSWERED.store(true, Ordering::Relaxed);
    let _undisturbed = undisturbed();
    written(std::io::stdout().lock().write_all(text.as_bytes()))
}

/// The same of a document that may be very large: written as it is made, its members in the order in which they are declared.
pub fn stream_json(document: &Document<'_>) -> Result<(), Error> {
    // What cannot be written is an error before the first byte.
    serde_json::to_writer(std::io::sink(), document).map_err(Error::unwritable("the document"))?;
    HAS_ANSWERED.store(true, Ordering::Relaxed);
    let _undisturbed = undisturbed();
    let mut out = InAscii(std::io::BufWriter::new(std::io::stdout().lock()));
    let made = serde_json::to_writer_pretty(&mut out, document).map_err(std::io::Error::from);
    written(made.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()))
}

/// Writes JSON on, with what acts on a terminal as `\uNNNN`. It gets whole characters, because JSON is made of such pieces.
struct InAscii<W: Write>(W);

impl<W: Write> Write for InAscii<W> {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let text = std::str::from_utf8(piece).map_err(std::io::Error::other)?;
        self.0.write_all(in_ascii_where_it_acts(text).as_bytes()).map(|()| piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Prints, in the place of the document of a command that failed, one that says why.
pub fn print_failure(command: Option<&str>, failure: Failure) {
    if HAS_ANSWERED.load(Ordering::Relaxed) {
        return;
    }
    let host = crate::host::hostname();
    // It was said on standard error, too; there is nobody else to tell.
    let _ = print_value("the document", &Failed::new(command, &host, failure));
}

/// The same when the process is ended for want of time: it waits for nobody.
pub fn print_last(message: &str) {
    if HAS_ANSWERED.swap(true, Ordering::Relaxed) {
        return;
    }
    let failure = Failure { message: message.to_owned(), exit_code: Exit::NotRead.code() };
    let document = serde_json::to_value(Failed::new(None, &crate::host::hostname(), failure)).ok();
    if let Some(text) = document.and_then(|document| json_text("the document", &document).ok()) {
        // Nowhere to say that it could not be written.
        let _ = rustix::io::write(std::io::stdout(), text.as_bytes());
    }
}

/// Is standard output meant, where a file is named?
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Prints anything as JSON.
pub fn print_value(what: &'static str, value: &impl Serialize) -> Result<(), Error> {
    // By way of a value: its members are in order then.
    let value = serde_json::to_value(value).map_err(Error::unwritable(what))?;
    let text = json_text(what, &value)?;
    let _undisturbed = undisturbed();
    written(std::io::stdout().lock().write_all(text.as_bytes()))
}

/// The same in one line, without its end.
pub fn json_line(document: &Document<'_>) -> Result<String, Error> {
    Ok(in_ascii_where_it_acts(&document.value()?.to_string()))
}

/// JSON as it is printed. What acts on a terminal is written as `\uNNNN`, which is the same JSON.
pub fn json_text(what: &'static str, value: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value).map_err(Error::unwritable(what))?;
    Ok(in_ascii_where_it_acts(&text) + "\n")
}

fn in_ascii_where_it_acts(json: &str) -> String {
    // Mostly there is nothing to do.
    let is_plain = |byte: &u8| matches!(byte, b'\n' | b' '..=b'~');
    if json.as_bytes().iter().all(is_plain) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && text::acts(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Somebody who closes the pipe has seen enough: no failure.
pub fn written(result: std::io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Io { what: "cannot write to", path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}

/// Says on standard error why something failed. The reason may quote what a file held.
pub fn complain(why: &str) {
    log::line(|| why.to_owned());
    let why = text::tame(why);
    let why = if MANNER.get().is_some_and(|manner| manner.by_sudo) { text::by_sudo(&why) } else { why };
    // If standard error is gone there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "stalecard: {}", shown(&why));
}

/// Says on standard error what is waited for.
pub const PROGRESS: Progress = Progress::new(|what| {
    if MANNER.get().is_some_and(|manner| manner.is_quiet) {
        return;
    }
    // In one stroke, from a thread of its own. If standard error is gone there is nobody to tell.
    let _ = std::io::stderr().write_all(shown(&format!("stalecard: {what} …\n")).as_bytes());
});

/// Says on standard error what somebody has to do now.
pub fn note(what: &str) {
    // If standard error is gone there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "stalecard: {}", shown(what));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_no_json_is_no_empty_document_either() {
        let unspeakable = std::collections::BTreeMap::from([((), 1)]);
        for text in [json_text("it", &unspeakable), print_value("it", &unspeakable).map(|()| String::new())] {
            assert!(matches!(text, Err(Error::Unwritable { what: "it", .. })), "{text:?}");
        }
    }

    #[test]
    fn nothing_below_this_room_prints() {
        let mut files = 0;
        for entry in walkdir::WalkDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")) {
            let path = entry.unwrap().into_path();
            if path.is_dir() || path.components().any(|part| part.as_os_str() == "cli") {
                continue;
            }
            files += 1;
            // What a hook of `watch` prints goes where complaints go: that is no print of ours.
            let source = std::fs::read_to_string(&path)
                .unwrap()
                .replace(".stdout(Stdio::from(std::io::stderr()))", "")
                // So does what a module prints, in the child that has loaded it and answers through the pipe alone.
                .replace("fcntl_dupfd_cloexec(std::io::stdout(), 3)", "")
                .replace("dup2_stdout(std::io::stderr())", "")
                // The last words of a process that nothing answers any more: no command is left to say them.
                .replace("std::io::stderr().write_all(line.as_bytes())", "");
            for way in ["print!", "println!", "dbg!", "io::stdout", "io::stderr", "stdout()", "stderr()"] {
                assert!(!source.contains(way), "{} has {way}", path.display());
            }
        }
        assert!(files > 100);
    }

    #[test]
    fn json_stays_the_same_json_without_what_acts() {
        let value = serde_json::json!({ "label": "a\u{202e}\u{9b}\u{7f}\u{e0041}\x1b\n\"ü\\" });
        let text = in_ascii_where_it_acts(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && text::acts(c)), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        let mut streamed = InAscii(Vec::new());
        serde_json::to_writer_pretty(&mut streamed, &value).unwrap();
        assert_eq!(String::from_utf8(streamed.0).unwrap(), text);
    }
}
