//! Who has a card open: as far as that can be told without privilege, the processes that have PC/SC's library loaded.
//!
//! PC/SC tells that a card is in use and not by whom. Of other users' processes nothing is said but that there are some.

use std::io::Read;
use std::path::Path;

use crate::host::processes::{is_below, stat, uid};
use crate::patience::{SILENCE, within};
use crate::text::escape;

/// Names of the libraries through which programs talk to cards.
const PCSC: &[u8] = b"/libpcsclite";
const OPENSC: &[u8] = b"/libopensc.so";
/// The card daemon of GnuPG, which keeps a card for itself.
const SCDAEMON: &str = "scdaemon";
/// Most processes looked at, and most bytes of what one maps.
const MOST: usize = 100_000;
const LARGEST_MAPS: u64 = 4 << 20;
/// Holders that are named.
const NAMED: usize = 3;

/// Who it is, and what to do: the end of a sentence.
pub(super) fn who(is_exclusive: bool, hints: bool) -> String {
    let found = within(SILENCE, |pulse| look(&|| pulse.beat())).unwrap_or_default();
    let mut named: Vec<String> = Vec::new();
    for Holder { name, pid, is_own, has_opensc } in found.iter().take(NAMED) {
        let own = if *is_own { ", yours" } else { "" };
        let opensc = if *has_opensc { ", has OpenSC loaded" } else { "" };
        named.push(format!("{} (pid {pid}{own}{opensc})", escape(name.as_bytes())));
    }
    let more = found.len().saturating_sub(named.len());
    let who = match (named.is_empty(), more) {
        (true, _) => "a program of another user, or one that cannot be seen".to_owned(),
        (false, 0) => named.join(", "),
        (false, more) => format!("{} or one of {more} others", named.join(", ")),
    };
    let how = if is_exclusive { "for itself alone" } else { "open" };
    let end = if found.iter().any(|holder| holder.name == SCDAEMON) {
        "gpgconf --kill scdaemon ends GnuPG's"
    } else {
        "end it"
    };
    // Beside own programs with OpenSC it may be asked, if that is said.
    let may_be_beside = |holder: &Holder| holder.is_own && holder.has_opensc;
    let is_root = rustix::process::geteuid().is_root();
    let beside = if hints && !is_exclusive && !is_root && !found.is_empty() && found.iter().all(may_be_beside)
    {
        "; or ask beside it, which makes it wait for a moment: --beside"
    } else {
        ""
    };
    format!("a program has the card {how}, perhaps {who}: {end}, then run this again{beside}")
}

/// A process that may have a card.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    name: String,
    pid: u32,
    is_own: bool,
    has_opensc: bool,
}

fn look(beat: &dyn Fn()) -> Vec<Holder> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let own = (std::process::id(), rustix::process::geteuid().as_raw());
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<Holder> = Vec::new();
    for pid in pids.take(MOST).filter(|pid| *pid != own.0 && !is_below(*pid, own.0)) {
        beat();
        found.extend(holder(&Path::new("/proc").join(pid.to_string()), pid, own.1));
    }
    found.sort();
    found
}

fn holder(dir: &Path, pid: u32, caller: u32) -> Option<Holder> {
    let owner = uid(&std::fs::read(dir.join("status")).ok()?)?;
    if caller != 0 && owner != caller {
        return None;
    }
    let mut maps = Vec::new();
    std::fs::File::open(dir.join("maps")).ok()?.take(LARGEST_MAPS).read_to_end(&mut maps).ok()?;
    let has = |library: &[u8]| memchr::memmem::find(&maps, library).is_some();
    let has_opensc = has(OPENSC);
    let is_holder = has_opensc || has(PCSC);
    let (name, _) = stat(&std::fs::read(dir.join("stat")).ok()?)?;
    // The service itself is nobody who uses a card.
    let name = || String::from_utf8_lossy(&name).into_owned();
    // The keeper of the private directory is this program, started by its file in /proc.
    let exe = |dir: &Path| std::fs::read_link(dir.join("exe")).ok();
    if name() == "exe" && exe(dir) == exe(Path::new("/proc/self")) {
        return None;
    }
    (is_holder && name() != "pcscd").then(|| Holder {
        name: name(),
        pid,
        is_own: owner == caller,
        has_opensc,
    })
}
