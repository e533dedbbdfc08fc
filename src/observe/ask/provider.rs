//! What other PKCS#11 modules list of the cards: each is loaded by a child of this program, under the rules of an ask.
//!
//! A module talks to whatever cards there are: so all of them have to be idle, before and after. It gets a home of its own;
//! one that is OpenSC's, or loads OpenSC's, a private configuration and a copy of the cache that applications read, so that
//! it shows what it would show them. What it breaks is the child; what it prints is no answer.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use super::entries::{self, Which};
use super::idle::{Idle, Stop};
use super::place::{Copy, Place, Room};
use super::run::{Ran, run_own};
use super::setting::{Setting, reads_as_module};
use super::{listing, trust};
use crate::card::module;
use crate::card::readers::{Slot, readers};
use crate::observe::aside;
use crate::observe::progress::Progress;
use crate::snapshot::{EntryName, Gap, GapKind, Provider, Snapshot};
use crate::text::escape;

/// The hidden command that makes a process load a module.
pub const COMMAND: &str = "list-module";

/// What stands behind an answer that is whole: a module may end its process at any time, in whatever way.
const END: &[u8] = b"\ndone\n";

/// Has the tokens of these modules listed; what comes of it goes into the snapshot.
pub fn ask_providers(snapshot: &mut Snapshot, modules: &[PathBuf], progress: Progress) {
    if modules.is_empty() {
        return;
    }
    let setting = Setting::of(snapshot);
    let mut place = None;
    for module in modules {
        let shown = escape(module.as_os_str().as_encoded_bytes());
        let what = format!("loading the PKCS#11 module {shown}");
        let (told, left) = progress.during(&what, || {
            let mut left = Vec::new();
            (one(snapshot, &setting, &mut place, module, &mut left), left)
        });
        let gap = |what: String, why: String| Gap::new(GapKind::OpenSc, true, what, why);
        let name = format!("PKCS#11 module {shown}");
        snapshot
            .coverage
            .extend(left.into_iter().map(|why| gap(format!("{name}: the copy of the cache"), why)));
        match told {
            Ok(provider) => {
                let left = provider.left.iter().cloned();
                snapshot.coverage.extend(left.map(|why| gap(name.clone(), why)));
                snapshot.providers.push(provider);
            }
            Err(why) => snapshot.coverage.push(gap(name, why)),
        }
    }
}

fn one(
    snapshot: &Snapshot,
    setting: &Setting,
    place: &mut Option<Place>,
    module: &Path,
    left: &mut Vec<String>,
) -> Result<Provider, String> {
    // A copy of this program loads it.
    if !aside::is_the_program() {
        return Err("only the program itself can have it loaded".to_owned());
    }
    let module = std::path::absolute(module).map_err(|why| why.to_string())?;
    let no_place = |why: std::io::Error| format!("there is no private directory: {why}");
    if place.is_none() {
        *place = Some(Place::new().map_err(no_place)?);
    }
    let Some(place) = place else { return Err("there is no private directory".to_owned()) };
    let mut moved = String::new();
    for _ in 0..2 {
        let seen = readers().map_err(|why| why.to_string())?;
        let cards: Vec<(String, &[u8])> = seen
            .iter()
            .filter(|reader| reader.state == Slot::Card)
            .map(|reader| (reader.name(), reader.atr.as_slice()))
            .collect();
        let idle: Result<Vec<Idle<'_>>, Stop> =
            cards.iter().map(|(reader, atr)| Idle::begin(reader, atr, None)).collect();
        let idle = idle.map_err(not_idle)?;
        let room = room(snapshot, place, left)?;
        let configuration = setting.configuration_of_all(&room.cache)?;
        let configuration = room.configure(&configuration).map_err(no_place)?;
        let name = module.display().to_string();
        let arguments = [COMMAND.as_ref(), "--".as_ref(), module.as_os_str()];
        let ran = run_own(&name, &arguments, &room, &configuration)?;
        match idle.iter().try_for_each(Idle::is_still) {
            Ok(()) => return answer(&ran),
            Err(Stop::Failed(why)) => return Err(why),
            Err(Stop::Moved(why) | Stop::Held(why, _)) => moved = why,
        }
    }
    Err(format!("what it told does not count: {moved}, twice; run this again"))
}

fn not_idle(stop: Stop) -> String {
    match stop {
        Stop::Held(why, _) => format!("it is loaded only while nobody has a card open: {why}"),
        Stop::Moved(why) | Stop::Failed(why) => why,
    }
}

/// A room with a copy of the cache that applications of OpenSC's module read.
fn room(snapshot: &Snapshot, place: &mut Place, left: &mut Vec<String>) -> Result<Room, String> {
    let mut files: Vec<(EntryName, Vec<u8>)> = Vec::new();
    left.clear();
    for dir in snapshot.caches.iter().filter(|dir| reads_as_module(snapshot, dir)) {
        let (read, why) = entries::read(dir, &Which::All);
        files.extend(read);
        left.extend(why.map(|why| format!("{}: {why}", dir.path)));
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files.dedup_by(|a, b| a.0 == b.0);
    let copies: Vec<Copy<'_>> = files
        .iter()
        .map(|(name, content): &(EntryName, Vec<u8>)| (name.bytes(), content.as_slice()))
        .collect();
    place.room(&copies).map_err(|why| format!("the private directory cannot be used: {why}"))
}

/// What a child said; nothing that is not whole counts.
fn answer(ran: &Ran) -> Result<Provider, String> {
    let said = listing::complaint(&ran.stderr);
    let Some(text) = ran.stdout.strip_suffix(END) else {
        return Err(match (ran.status.signal(), ran.status.code()) {
            (Some(signal), _) => format!("it broke the process that had loaded it (signal {signal}){said}"),
            (None, code) => {
                let code = code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
                format!("it ended the process that had loaded it{code}, before all was told{said}")
            }
        });
    };
    let told: Result<Provider, String> =
        serde_json::from_slice(text).map_err(|_| "its answer cannot be read".to_owned())?;
    told.map_err(|why| escape(why.as_bytes()))
}

/// What such a child does: loads a module, and tells what it lists. What the module prints goes where complaints go.
pub fn serve(module: &Path) {
    let pipe = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3);
    let Ok(pipe) = pipe else { return };
    if rustix::stdio::dup2_stdout(std::io::stderr()).is_err() {
        return;
    }
    let told = real(module).and_then(|module| module::list(&module));
    let Ok(text) = serde_json::to_vec(&told) else { return };
    // Nobody to tell it to: then nobody waits for it, either.
    let _ = std::fs::File::from(pipe).write_all(&[text.as_slice(), END].concat());
}

/// The file of a module, links resolved; as root only if nobody else can change it: it runs with all of root's rights.
fn real(module: &Path) -> Result<PathBuf, String> {
    let missing = |why: std::io::Error| format!("it cannot be looked at: {why}");
    let real = module.canonicalize().map_err(missing)?;
    if !std::fs::symlink_metadata(&real).map_err(missing)?.is_file() {
        return Err("it is no file".to_owned());
    }
    if trust::is_root() {
        trust::roots(&real).map_err(|place| {
            format!("{place} can be changed by others than root, so root does not load it")
        })?;
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::snapshot::ByteString;

    fn ran(status: i32, stdout: &[u8]) -> Ran {
        let status = std::process::ExitStatus::from_raw(status);
        Ran { status, stdout: stdout.to_vec(), stderr: b"a line\nthe last\n".to_vec() }
    }

    #[test]
    fn only_an_answer_with_its_end_counts() {
        let provider = Provider {
            module: ByteString::from("/m.so"),
            library: None,
            tokens: Vec::new(),
            left: Vec::new(),
        };
        let told: Result<Provider, String> = Ok(provider.clone());
        let text = serde_json::to_vec(&told).unwrap();
        let whole = [text.as_slice(), END].concat();
        // However the process ends after that.
        assert_eq!(answer(&ran(139, &whole)), Ok(provider));
        assert_eq!(
            answer(&ran(139, &text)).unwrap_err(),
            "it broke the process that had loaded it (signal 11): the last"
        );
        assert_eq!(
            answer(&ran(0, b"")).unwrap_err(),
            "it ended the process that had loaded it with exit code 0, before all was told: the last"
        );
        let refused: Result<Provider, String> = Err("no\x1bway".to_owned());
        let text = [serde_json::to_vec(&refused).unwrap().as_slice(), END].concat();
        assert_eq!(answer(&ran(0, &text)).unwrap_err(), "no\\x1bway");
        assert!(answer(&ran(0, b"{}\ndone\n")).is_err());
    }
}
