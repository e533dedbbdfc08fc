//! `hosts-disagree`: a host shows a key that is not the card's, or hosts show different keys
//!
//! `stalecard compare` puts the snapshots of several hosts and users side by side. A card is the
//! same wherever it is read, so at most one of two different answers is right: the card's own,
//! at its newest reading. Every cache that answers otherwise is stale, also if it was right when
//! the snapshot of its host was taken. One kind of answer is not decided so: where the card holds a certificate of
//! another key under an ID that has not changed, or that is the hash of the key in the cache, somebody
//! may have written that over the key's own; then `stalecard verify` on one of the hosts decides. Where several cards have one
//! serial number (`shared-identity`), nothing is decided either: what is shown may be another of them. If no snapshot holds a reading of the card, only the
//! disagreement itself can be told.
//!
//! Do not delete keys by the ID that a stale host shows: it names the key reference, and that holds
//! the card's own key.
//!
//! Cure: `stalecard flush` on each host that is named, as the user that is named, with the card
//! in its reader; without the card `stalecard flush --serial SERIAL`, but not while a key of that token is undecided:
//! by its serial number a flush takes what may be right, too.

use std::collections::BTreeSet;

use crate::case::danger;
use crate::case::hosts::{KeyTable, Standing, StateRow, TokenTable};
use crate::finding::{Evidence, Finding, Id, ObjectClass, ObjectName, Prose, Remedy, Side, SideState};
use crate::text::{key_reference, shell_option};

/// How many holders of a state a sentence names; the table has them all.
const NAMED: usize = 10;

/// How many places a remedy names.
const FEW: usize = 3;

/// Applies the rule to one token.
pub fn apply(token: &TokenTable) -> Vec<Finding> {
    let of_key =
        |key| [stale(token, key), disputed(token, key)].into_iter().flatten().chain(undecided(token, key));
    token.keys.iter().flat_map(of_key).collect()
}

/// The states that caches have and that may be right all the same.
fn disputed(token: &TokenTable, key: &KeyTable) -> Vec<Finding> {
    let current = key.states.iter().find(|row| row.state == Standing::Current);
    let finding = |row: &StateRow| {
        if token.shared {
            return fill(shared(token, key, row), token, current, row);
        }
        let finding = Finding::new(
            Id::HostsDisagree,
            about(key, token, "another public key is shown than that of the certificate on the card: ")
                .then(&holders(row))
                .and("."),
            "Either the key was made anew and its certificate imported, or another key's certificate was written over \
             an unchanged key: these snapshots do not tell."
                .to_owned(),
        );
        fill(finding, token, current, row)
    };
    key.states.iter().filter(|row| row.state == Standing::Disputed).map(finding).collect()
}

/// What may be another card's.
fn shared(token: &TokenTable, key: &KeyTable, row: &StateRow) -> Finding {
    Finding::new(
        Id::HostsDisagree,
        about(key, token, "something else is shown than is on the card that was read last: ")
            .then(&holders(row))
            .and("."),
        "Several cards have this serial number: it may be old, or another card's. OpenSC shows whichever it cached first, \
         for all of them."
            .to_owned(),
    )
}

/// The states that only caches have.
fn stale(token: &TokenTable, key: &KeyTable) -> Vec<Finding> {
    let current = key.states.iter().find(|row| row.state == Standing::Current);
    let stale = key.states.iter().filter(|row| row.state == Standing::Stale);
    let finding = |row: &StateRow| {
        let mut finding = Finding::new(
            Id::HostsDisagree,
            about(key, token, "something else is shown than is on the card: ").then(&holders(row)).and("."),
            consequence(row, current).to_owned(),
        );
        let ids = id(row).zip(current.and_then(id));
        finding.danger = ids.and_then(|(shown, live)| danger::of_id(&shown, &live, &which(key)));
        fill(finding, token, current, row)
    };
    stale.map(finding).collect()
}

/// What it does to whoever is shown it.
fn consequence(row: &StateRow, current: Option<&StateRow>) -> &'static str {
    let key = |row: &StateRow| parts(row).into_iter().flatten().find_map(|side| side.public_key.clone());
    let differ = |of: fn(&StateRow) -> Option<String>| current.is_some_and(|current| of(current) != of(row));
    match (current.and_then(key) == key(row), differ(id)) {
        (true, _) => "Programs present the old certificate, or another name for the key.",
        (false, true) => {
            "What these users sign does not verify with the public key they see; the ID on the card gives them \
             \"object not found\"."
        }
        (false, false) => "What these users sign does not verify with the public key they see.",
    }
}

/// Different states of a card that nobody has read.
fn undecided(token: &TokenTable, key: &KeyTable) -> Option<Finding> {
    let unknown: Vec<&StateRow> = key.states.iter().filter(|row| row.state == Standing::Unknown).collect();
    let (first, _) = unknown.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let each: Vec<Prose> = unknown.iter().map(|row| holders(row).and(": ").and(&words(row))).collect();
    let finding = Finding::new(
        Id::HostsDisagree,
        about(key, token, "different things are shown. ").then(&Prose::join(&each, "; ")).and("."),
        "At most one of them is right; no snapshot holds a reading of the card, which alone could tell."
            .to_owned(),
    );
    Some(fill(finding, token, None, first))
}

fn about(key: &KeyTable, token: &TokenTable, what: &str) -> Prose {
    format!("For {} of token {} {what}", which(key), token.serial).into()
}

fn fill(mut finding: Finding, token: &TokenTable, card: Option<&StateRow>, row: &StateRow) -> Finding {
    finding.token = Some(token.serial.clone());
    let side = |row: &StateRow| parts(row).into_iter().flatten().next().cloned().unwrap_or_default();
    let shown = side(row);
    finding.object = Some(ObjectName {
        class: shown.state.and_then(SideState::class).unwrap_or(ObjectClass::Hidden),
        reference: None,
        label: shown.label.clone().unwrap_or_default(),
        id: card.and_then(id),
        shown_id: id(row),
    });
    let none = [None; 3];
    for (shown, card) in parts(row).into_iter().zip(card.map_or(none, parts)) {
        if shown != card {
            finding.evidence.push(Evidence {
                shown: Some(shown.cloned().unwrap_or_else(Side::absent)),
                card: card
                    .cloned()
                    .or_else(|| matches!(row.state, Standing::Stale | Standing::Disputed).then(Side::absent)),
                ..Evidence::default()
            });
        }
    }
    finding.fix.push(Remedy::by_hand(cure(token, row.state)));
    finding
}

fn cure(token: &TokenTable, state: Standing) -> String {
    let serial = shell_option("--serial", &token.serial);
    match state {
        Standing::Disputed if token.shared => {
            "give each of the cards a serial number of its own, or switch caching off where both are used"
                .to_owned()
        }
        Standing::Disputed => format!("have the key sign, on one of the hosts: stalecard verify {serial}"),
        Standing::Stale if token.has(Standing::Disputed) => {
            format!("{}: stalecard flush, with the card in its reader", places(token, state))
        }
        Standing::Stale | Standing::Current | Standing::Former | Standing::Unknown | Standing::Orphan => {
            format!(
                "{}: stalecard flush (card in the reader), or stalecard flush {serial}",
                places(token, state)
            )
        }
    }
}

/// Where something is to be done about all that a token has of such states: whoever reads only that has to know.
fn places(token: &TokenTable, state: Standing) -> String {
    let rows = token.keys.iter().flat_map(|key| &key.states).filter(|row| row.state == state);
    let shown = rows.flat_map(|row| &row.shown_by).map(|shown| &shown.source);
    let places: BTreeSet<(&String, &String)> = shown.map(|source| (&source.host, &source.user)).collect();
    let told: Vec<String> = places.iter().map(|(host, user)| format!("on {host}, as {user}")).collect();
    match told.len() {
        1..=FEW => told.join(", and "),
        _ => "on each host that is named, as the user that is named".to_owned(),
    }
}

fn parts(row: &StateRow) -> [Option<&Side>; 3] {
    [row.private.as_deref(), row.public.as_deref(), row.certificate.as_deref()]
}

fn which(key: &KeyTable) -> String {
    match key.reference {
        Some(reference) => format!("key reference {}", key_reference(reference)),
        None => format!("EF {}", key.ef),
    }
}

fn id(row: &StateRow) -> Option<String> {
    parts(row).into_iter().flatten().next()?.id.clone()
}

fn words(row: &StateRow) -> String {
    let id = id(row).map(|id| format!("ID {id}"));
    let key = parts(row)
        .into_iter()
        .flatten()
        .find_map(|side| Some(format!("public key {}", side.public_key.as_ref()?)));
    let parts: Vec<String> = [id, key].into_iter().flatten().collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn holders(row: &StateRow) -> Prose {
    let name = |shown: &crate::case::hosts::Shown| {
        let who = format!("{} ({})", shown.source.host, shown.source.user);
        Prose::from(who).and(", not read from the card since ").at(shown.written)
    };
    let mut names: Vec<Prose> = row.shown_by.iter().take(NAMED).map(name).collect();
    if let Some(more) = row.shown_by.len().checked_sub(NAMED).filter(|&more| more > 0) {
        names.push(format!("and {more} more, see the table").into());
    }
    Prose::join(&names, "; ")
}
