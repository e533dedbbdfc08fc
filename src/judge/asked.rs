//! Cards that OpenSC was asked about: the verdict on those that are not read here, and for those that are whether both say
//! the same.

use std::collections::BTreeSet;

use crate::case::asked::{AskedCache, AskedCase, Standing};
use crate::case::asked_blocks::Block;
use crate::case::tokens::Tokens;
use crate::finding::{Finding, Id, ObjectClass, Shows};
use crate::rules;
use crate::snapshot::{ByteString, Card, Gap, GapKind, Snapshot};
use crate::text::{count, escape};
use crate::verdict::Token;
use crate::view::layout;

/// Names of entries that are told.
const MOST: usize = 4;

/// What is said of the cards that OpenSC was asked about.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) findings: Vec<Finding>,
    pub(super) coverage: Vec<Gap>,
    /// Programs and the directories that they answer from.
    pub(super) in_use: Vec<(String, ByteString)>,
    /// The cards that were compared, by serial.
    pub(super) tokens: Vec<String>,
}

/// Judges them. `own`: what is said of the cards that are read here.
pub(super) fn apply(of: &Tokens<'_>, own: &[Finding]) -> Asked {
    let mut asked = Asked::default();
    let mut seen: Vec<&Card> = Vec::new();
    for card in of.cards.iter().copied() {
        // Applications of one card are listed together.
        if seen.iter().any(|known| known.reader == card.reader && known.atr == card.atr) {
            continue;
        }
        seen.push(card);
        let Some(case) = AskedCase::of(of.snapshot, card) else {
            asked.coverage.extend(untold(of, card));
            continue;
        };
        if layout(card.family).is_some() {
            asked.coverage.extend(disagreement(&case, own));
        } else {
            asked.one(&case);
        }
    }
    asked
}

impl Asked {
    fn one(&mut self, case: &AskedCase<'_>) {
        let reader = escape(case.card.reader.as_bytes());
        if case.is_unstable {
            self.coverage.push(gap(
                format!("what OpenSC shows of the card in reader {reader}"),
                "with a new cache OpenSC lists this card otherwise than without one, so its entries tell nothing; with \
                 caching off it is right (stalecard config disable-cache)"
                    .to_owned(),
                true,
            ));
            return;
        }
        self.tokens.push(case.serial.clone());
        self.findings.extend(rules::of_asked(case));
        for cache in &case.caches {
            let directory = &cache.dir.path;
            if cache.undecided > 0 {
                self.coverage.push(gap(
                    format!(
                        "{} of card {} in {directory}",
                        count(cache.undecided, "cache entry", "cache entries"),
                        case.serial
                    ),
                    "OpenSC writes no such file today without a PIN: whether it is stale cannot be told"
                        .to_owned(),
                    false,
                ));
            }
            if !cache.changes.is_empty() && cache.guilty().next().is_none() {
                self.coverage.push(gap(
                    format!("why OpenSC shows card {} otherwise through {directory}", case.serial),
                    format!(
                        "{}, and no entry of it is to blame; look at both lists with stalecard show",
                        count(cache.changes.len(), "object differs", "objects differ")
                    ),
                    true,
                ));
            }
            for program in &cache.programs {
                self.in_use.push((program.clone(), directory.clone()));
            }
        }
    }
}

/// That nothing tells of a card that is not read here, where nobody has said so.
fn untold(of: &Tokens<'_>, card: &Card) -> Option<Gap> {
    let what = format!("card in reader {}", escape(card.reader.as_bytes()));
    let is_said = of.snapshot.coverage.iter().any(|gap| gap.what == what);
    let is_new = of.is_first && layout(card.family).is_none() && !is_said;
    let why = "not read here, and what OpenSC tells of it is not there, or not all of it".to_owned();
    is_new.then(|| gap(what, why, true))
}

/// Do both say the same of the entries? What OpenSC tells is held against what is decoded here.
fn disagreement(case: &AskedCase<'_>, own: &[Finding]) -> Option<Gap> {
    if case.is_unstable {
        return None;
    }
    let of_entries = |is: fn(Id) -> bool| -> BTreeSet<_> {
        let told = |finding: &&Finding| is(finding.id) && finding.token.as_ref() == Some(&case.serial);
        let files = own
            .iter()
            .filter(told)
            .flat_map(|finding| finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref()));
        files.map(|file| (file.directory.clone(), file.name.clone())).collect()
    };
    // Which of two public keys is the key's is another question than whether an entry is what the card holds.
    let mine =
        of_entries(|id| id != Id::PublicKeyUndecided && matches!(id.shows(), Shows::OldView | Shows::Unsure));
    // Of what is not the card's though it is right (another key's certificate lies over the key) a finding of its own tells.
    let named = of_entries(|_| true);
    let in_use = || case.caches.iter().filter(|cache| !cache.programs.is_empty());
    let of = |is: fn(Standing<'_>) -> bool| -> BTreeSet<_> {
        let named = |cache: &'_ AskedCache<'_>| {
            let meant = cache.entries.iter().filter(|entry| is(entry.standing));
            meant.map(|entry| (cache.dir.path.clone(), entry.entry.name.bytes().clone())).collect::<Vec<_>>()
        };
        in_use().flat_map(named).collect()
    };
    let theirs = of(|standing| matches!(standing, Standing::Stale | Standing::Damaged));
    // What no list of OpenSC's was answered from it says nothing about: it lists the first token of a card only.
    let right = of(|standing| standing == Standing::Right);
    let only_mine: Vec<_> = mine.intersection(&right).collect();
    let only_theirs: Vec<_> = theirs.difference(&named).collect();
    if only_mine.is_empty() && only_theirs.is_empty() {
        return None;
    }
    let names = |all: Vec<&(ByteString, ByteString)>| {
        let mut names: Vec<String> = all.iter().take(MOST).map(|(_, name)| name.to_string()).collect();
        if all.len() > MOST {
            names.push(format!("{} more", all.len() - MOST));
        }
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let why = format!(
        "of the entries one calls stale and the other does not: by what stalecard decodes {}; by what OpenSC lists {}. \
         Please report it with a snapshot",
        names(only_mine),
        names(only_theirs)
    );
    Some(gap(format!("a second opinion on card {}: they disagree", case.serial), why, true))
}

/// The head of a report on a card that is not read here, with what OpenSC lists of it.
pub(super) fn token(token: Token, snapshot: &Snapshot, card: &Card) -> Token {
    let Some(case) = AskedCase::of(snapshot, card).filter(|_| layout(card.family).is_none()) else {
        return token;
    };
    let objects: Vec<Block<'_>> = case.objects().collect();
    let mut classes: Vec<(ObjectClass, usize)> = Vec::new();
    for block in objects.iter().filter(|block| !block.is_token()) {
        match classes.iter_mut().find(|(class, _)| *class == block.class()) {
            Some((_, number)) => *number += 1,
            None => classes.push((block.class(), 1)),
        }
    }
    let told = classes.iter().map(|(class, number)| count(*number, class.name(), &format!("{class}s")));
    let number = |class: ObjectClass| {
        classes.iter().find(|(known, _)| *known == class).map_or(0, |(_, number)| *number)
    };
    Token {
        family: "another kind of card, as OpenSC lists it".to_owned(),
        label: objects.iter().find(|block| block.is_token()).map(|block| block.label()),
        objects: Some(told.collect::<Vec<_>>().join(", ")),
        private_keys: Some(number(ObjectClass::PrivateKey)),
        ..token
    }
}

fn gap(what: String, why: String, asked_for: bool) -> Gap {
    Gap::new(GapKind::Card, asked_for, what, why)
}
