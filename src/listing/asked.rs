//! What OpenSC lists of cards that are not read here, beside what it shows through each cache: as text, both sides.

use serde::Serialize;

use crate::case::asked::{AskedCache, AskedCase};
use crate::case::asked_blocks::{Block, Change};
use crate::case::tokens::Tokens;
use crate::view::layout;

/// One object as OpenSC describes it. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskedObject {
    /// Serial of the token.
    pub token: String,
    /// Its class.
    pub class: String,
    /// Its label.
    pub label: String,
    /// What OpenSC lists of the card; none: it is not there.
    pub card: Option<String>,
    /// What is shown through each cache that OpenSC answers from.
    pub shown: Vec<AskedShown>,
    /// The same everywhere?
    pub equal: bool,
}

/// What is shown through one cache directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskedShown {
    /// The programs that read it today.
    pub program: Vec<String>,
    /// The directory.
    #[cfg_attr(feature = "schema", schemars(with = "crate::snapshot::ByteString"))]
    pub directory: String,
    /// What is shown; none: nothing of it.
    pub text: Option<String>,
}

/// The objects of all cards that OpenSC alone told of.
#[must_use]
pub fn asked(tokens: &Tokens<'_>) -> Vec<AskedObject> {
    let unread = tokens.cards.iter().filter(|card| layout(card.family).is_none());
    let cases: Vec<AskedCase<'_>> = unread
        .filter_map(|card| AskedCase::of(tokens.snapshot, card))
        .filter(|case| !case.is_unstable)
        .collect();
    cases.iter().flat_map(objects).collect()
}

fn objects(case: &AskedCase<'_>) -> Vec<AskedObject> {
    let in_use: Vec<&AskedCache<'_>> =
        case.caches.iter().filter(|cache| !cache.programs.is_empty()).collect();
    let one = |block: Block<'_>, live: Option<Block<'_>>| {
        let shown: Vec<AskedShown> = in_use
            .iter()
            .map(|cache| AskedShown {
                program: cache.programs.clone(),
                directory: cache.dir.path.to_string(),
                text: through(cache, block, live).map(|block| block.text().to_owned()),
            })
            .collect();
        let card = live.map(|block| block.text().to_owned());
        AskedObject {
            token: case.serial.clone(),
            class: block.class().to_owned(),
            label: block.label(),
            equal: shown.iter().all(|shown| shown.text == card),
            card,
            shown,
        }
    };
    let mut all: Vec<AskedObject> = case.objects().map(|block| one(block, Some(block))).collect();
    for change in in_use.iter().flat_map(|cache| &cache.changes) {
        if let Change::Ghost(block) = change {
            all.push(one(*block, None));
        }
    }
    all
}

/// What is shown of an object through a cache.
fn through<'a>(cache: &AskedCache<'a>, block: Block<'a>, live: Option<Block<'a>>) -> Option<Block<'a>> {
    let found = cache.changes.iter().find_map(|change| match change {
        Change::Hidden(hidden) if Some(*hidden) == live => Some(None),
        Change::Other { live: listed, shown } if Some(*listed) == live => Some(Some(*shown)),
        Change::Ghost(ghost) if live.is_none() && *ghost == block => Some(Some(*ghost)),
        Change::Hidden(_) | Change::Other { .. } | Change::Ghost(_) => None,
    });
    found.unwrap_or(live)
}
