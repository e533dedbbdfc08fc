//! Who has a card open: as far as that can be told without privilege, the processes that have PC/SC's library loaded.
//!
//! PC/SC tells that a card is in use and not by whom. Of other users' processes nothing is said but that there are some.

use std::io::Read;
use std::path::Path;

use crate::host::processes::{stat, uid};
use crate::patience::{SILENCE, within};
use crate::text::escape;

/// Names of the libraries through which programs talk to cards.
const LIBRARIES: [&[u8]; 2] = [b"/libpcsclite", b"/libopensc.so"];
/// The card daemon of GnuPG, which keeps a card for itself.
const SCDAEMON: &str = "scdaemon";
/// Most processes looked at, and most bytes of what one maps.
const MOST: usize = 100_000;
const LARGEST_MAPS: u64 = 4 << 20;
/// Holders that are named.
const NAMED: usize = 3;

/// Who it is, and what to do: the end of a sentence.
pub(super) fn who(is_exclusive: bool) -> String {
    let found = within(SILENCE, |pulse| look(&|| pulse.beat())).unwrap_or_default();
    let mut named: Vec<String> = Vec::new();
    for (name, pid) in found.iter().take(NAMED) {
        named.push(format!("{} (pid {pid})", escape(name.as_bytes())));
    }
    let more = found.len().saturating_sub(named.len());
    let who = match (named.is_empty(), more) {
        (true, _) => "a program of another user, or one that cannot be seen".to_owned(),
        (false, 0) => named.join(", "),
        (false, more) => format!("{} or one of {more} others", named.join(", ")),
    };
    let how = if is_exclusive { "for itself alone" } else { "open" };
    let end = if found.iter().any(|(name, _)| name == SCDAEMON) {
        "gpgconf --kill scdaemon ends GnuPG's"
    } else {
        "end it"
    };
    format!("a program has the card {how}, perhaps {who}: {end}, then run this again")
}

fn look(beat: &dyn Fn()) -> Vec<(String, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let own = (std::process::id(), rustix::process::geteuid().as_raw());
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<(String, u32)> = Vec::new();
    for pid in pids.take(MOST).filter(|pid| *pid != own.0) {
        beat();
        found.extend(holder(&Path::new("/proc").join(pid.to_string()), own.1).map(|name| (name, pid)));
    }
    found.sort();
    found
}

fn holder(dir: &Path, caller: u32) -> Option<String> {
    let owner = uid(&std::fs::read(dir.join("status")).ok()?)?;
    if caller != 0 && owner != caller {
        return None;
    }
    let mut maps = Vec::new();
    std::fs::File::open(dir.join("maps")).ok()?.take(LARGEST_MAPS).read_to_end(&mut maps).ok()?;
    let is_holder = LIBRARIES.iter().any(|library| memchr::memmem::find(&maps, library).is_some());
    let (name, _) = stat(&std::fs::read(dir.join("stat")).ok()?)?;
    // The service itself is nobody who uses a card.
    (is_holder && name != b"pcscd").then(|| String::from_utf8_lossy(&name).into_owned())
}
