//! Whether a flush will cure what OpenSC shows of a card that it alone reads: tried on a copy before anything is moved.
//!
//! OpenSC is asked once more, over copies of the caches without the entries that are to go; what it shows then has to be what
//! it lists of the card. Where it is not, the entries are left where they are.

use std::collections::BTreeSet;

use crate::case::asked::AskedCase;
use crate::judge::tokens;
use crate::observe::{Asking, Progress, ask_again};
use crate::repair::{Plan, Step};
use crate::snapshot::{AskEnd, ByteString, Bytes, Snapshot};

/// An entry: its real directory, and its name there.
type Entry = (ByteString, ByteString);

/// The entries of one card in one cache that are to go.
struct Share {
    reader: String,
    atr: Bytes,
    directory: ByteString,
    entries: BTreeSet<Entry>,
}

/// The plan without what would not cure, and those steps with the reason.
pub(super) fn proven(
    snapshot: &Snapshot,
    plan: Plan,
    asking: Asking,
    progress: Progress,
) -> (Plan, Vec<(Step, String)>) {
    let planned: BTreeSet<Entry> =
        plan.steps.iter().map(|step| (step.directory.clone(), step.name.clone())).collect();
    let shares = shares(snapshot, &planned);
    if shares.is_empty() {
        return (plan, Vec::new());
    }
    let mut trial = snapshot.clone();
    without(&mut trial, &planned);
    let is_told = ask_again(&mut trial, asking, progress);
    let after = tokens(&trial);
    let cases: Vec<AskedCase<'_>> = AskedCase::all(&after).collect();
    let why_not = |share: &Share| -> Option<String> {
        let case = cases.iter().find(|case| case.card.reader == share.reader && case.card.atr == share.atr);
        let Some(case) = case.filter(|case| is_told && !case.is_unstable) else {
            let why = untold(&trial, share).map(|why| format!(": {why}")).unwrap_or_default();
            return Some(format!(
                "OpenSC does not tell what it would show without it, and nothing was moved{why}"
            ));
        };
        let cache = case.caches.iter().find(|cache| cache.dir.path == share.directory);
        let is_wrong =
            cache.is_some_and(|cache| !cache.changes.is_empty() || cache.guilty().next().is_some());
        is_wrong.then(|| {
            "without it OpenSC still shows something else than the card (tried on a copy): this would not cure it, and \
             nothing was moved"
                .to_owned()
        })
    };
    let mut refused: Vec<(Step, String)> = Vec::new();
    let mut sound = Plan::default();
    let verdicts: Vec<(&Share, String)> =
        shares.iter().filter_map(|share| Some((share, why_not(share)?))).collect();
    for step in plan.steps {
        let entry = (step.directory.clone(), step.name.clone());
        match verdicts.iter().find(|(share, _)| share.entries.contains(&entry)) {
            Some((_, why)) => refused.push((step, why.clone())),
            None => sound.steps.push(step),
        }
    }
    (sound, refused)
}

/// Why OpenSC told nothing of the card, in words: who has it, say.
fn untold<'a>(trial: &'a Snapshot, share: &Share) -> Option<&'a String> {
    let of_card = trial.asks.iter().filter(|ask| ask.reader == share.reader && ask.atr == share.atr);
    let mut ends = of_card.map(|ask| &ask.ended);
    ends.find_map(|end| match end {
        AskEnd::ListsNothing(why) | AskEnd::Failed(why) | AskEnd::NotIdle(why) | AskEnd::Restless(why) => {
            Some(why)
        }
        AskEnd::Done | AskEnd::NoProgram => None,
    })
}

/// Takes entries out of the facts.
pub(super) fn without(snapshot: &mut Snapshot, entries: &BTreeSet<Entry>) {
    for dir in &mut snapshot.caches {
        let real = dir.real_path();
        dir.entries.retain(|entry| !entries.contains(&(real.clone(), entry.name.bytes().clone())));
    }
}

/// What is planned of the cards that OpenSC was asked about, and is shown from somewhere.
fn shares(snapshot: &Snapshot, planned: &BTreeSet<Entry>) -> Vec<Share> {
    let tokens = tokens(snapshot);
    let mut shares = Vec::new();
    for case in AskedCase::all(&tokens) {
        for cache in case.caches.iter().filter(|cache| !cache.programs.is_empty()) {
            let real = cache.dir.real_path();
            let entries = cache.entries.iter().map(|one| (real.clone(), one.entry.name.bytes().clone()));
            let entries: BTreeSet<Entry> = entries.filter(|entry| planned.contains(entry)).collect();
            if !entries.is_empty() {
                let card = case.card;
                let directory = cache.dir.path.clone();
                shares.push(Share { reader: card.reader.clone(), atr: card.atr.clone(), directory, entries });
            }
        }
    }
    shares
}
