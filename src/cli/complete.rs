//! What shells offer for words that only this host knows: serial numbers, IDs and labels in the calling user's caches,
//! readers, operations, users, programs. No card is read: nobody waits for a card at the Tab key.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;

use crate::card::readers::{Reader, readers};
use crate::fix::quarantine;
use crate::host::accounts;
use crate::listing::cache_entries::{names, serials};
use crate::observe::{Asking, Cards, ObserveOptions, Progress, observe};
use crate::opensc::program;
use crate::patience;
use crate::repair::OperationState;
use crate::snapshot::Snapshot;
use crate::text::hex;

/// The variable by which the scripts that `generate` writes ask for completions.
pub const VARIABLE: &str = "STALECARD_COMPLETE";

/// Nobody waits longer for a list.
const LONGEST: Duration = Duration::from_secs(3);

/// Answers a shell that asks for completions of what may be typed, and ends then; otherwise does nothing.
pub fn answer(typed: fn() -> Command) {
    CompleteEnv::with_factory(typed).var(VARIABLE).complete();
}

fn host() -> Option<Snapshot> {
    patience::begin(LONGEST);
    observe(&ObserveOptions {
        cards: Cards::None,
        status: false,
        asking: Asking::Never,
        progress: Progress::new(|_| {}),
    })
    .ok()
}

fn candidates(all: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    all.into_iter().map(CompletionCandidate::new).collect()
}

/// The serial numbers that the caches know.
pub fn known_serials() -> Vec<CompletionCandidate> {
    candidates(host().map(|host| serials(&host)).unwrap_or_default())
}

/// The IDs and labels of keys in the caches.
pub fn known_keys() -> Vec<CompletionCandidate> {
    let host = host();
    let all = host.iter().flat_map(names).flat_map(|(_, names)| {
        let ids: Vec<String> = names.ids.iter().map(|id| hex(id)).collect();
        ids.into_iter().chain(names.labels)
    });
    candidates(all.filter(|name| !name.is_empty()).collect::<BTreeSet<_>>())
}

/// Both: what `show` takes.
pub fn known_names() -> Vec<CompletionCandidate> {
    known_serials().into_iter().chain(known_keys()).collect()
}

/// The readers, by name: without a card of theirs being touched.
pub fn known_readers() -> Vec<CompletionCandidate> {
    patience::begin(LONGEST);
    candidates(readers().unwrap_or_default().iter().map(Reader::shown))
}

/// The operations that can be taken back, the newest first.
pub fn operations() -> Vec<CompletionCandidate> {
    patience::begin(LONGEST);
    let all = quarantine::list().unwrap_or_default().into_iter();
    let open = all.filter(|one| one.state != OperationState::Undone).map(|one| one.id);
    // A shell sorts them otherwise, where it can be told not to.
    open.enumerate().map(|(place, id)| CompletionCandidate::new(id).display_order(Some(place))).collect()
}

/// The users of this host.
pub fn users() -> Vec<CompletionCandidate> {
    patience::begin(LONGEST);
    candidates(
        accounts().map(|(accounts, _)| accounts).unwrap_or_default().into_iter().map(|account| account.name),
    )
}

/// The programs that a configuration has a block for.
pub fn programs() -> Vec<CompletionCandidate> {
    patience::begin(LONGEST);
    candidates(program::tools().into_keys().chain([program::PKCS11.to_owned()]))
}
