//! Which card is to sign, with which keys, and behind which PINs.

use crate::card::sign::{self, Order, Pin};
use crate::case::tokens::Tokens;
use crate::error::Error;
use crate::judge;
use crate::listing::signing_requests::{self, Signer, Unable};
use crate::naming::Naming;
use crate::observe;
use crate::snapshot::{Card, Gap, GapKind, Snapshot};
use crate::text::{escape, shell_option};

/// The place of the one card that is to sign; none if no card could be read, which is a gap already. Of one with
/// several applications it is the first; keys in the others are gaps.
pub(super) fn the_card(tokens: &Tokens<'_>) -> Result<(Option<usize>, Vec<Gap>), Error> {
    let snapshot = tokens.snapshot;
    let able: Vec<usize> =
        (0..snapshot.cards.len()).filter(|&place| snapshot.cards.get(place).is_some_and(can_sign)).collect();
    match able.as_slice() {
        [] => Ok((None, Vec::new())),
        [place] => Ok((Some(*place), Vec::new())),
        [place, others @ ..] if others.iter().all(|&other| is_beside(snapshot, *place, other)) => {
            let gaps = tokens
                .cases
                .iter()
                .filter(|case| snapshot.cards.get(*place).is_some_and(|card| case.card.is_beside(card)))
                .filter(|case| case.live.private_keys().next().is_some())
                .map(|case| {
                    let token = escape(case.serial.as_bytes());
                    let why = format!(
                        "they are in another application of the card: `stalecard verify {}` asks them, if the \
                         first has another serial number",
                        shell_option("--serial", &token)
                    );
                    gap(format!("signatures of the further token {token}"), why)
                });
            Ok((Some(*place), gaps.collect()))
        }
        // A PIN must never be tried on the wrong card.
        several => {
            let serials = several.iter().filter_map(|&place| snapshot.cards.get(place)?.serial.as_deref());
            let serials: Vec<String> = serials.map(|serial| escape(serial.as_bytes())).collect();
            Err(Error::Usage(format!(
                "there are {} cards, and a PIN is for one: name it with --serial ({}) or --reader",
                several.len(),
                serials.join(", ")
            )))
        }
    }
}

fn is_beside(snapshot: &Snapshot, one: usize, other: usize) -> bool {
    let pair = snapshot.cards.get(one).zip(snapshot.cards.get(other));
    pair.is_some_and(|(one, other)| other.is_beside(one))
}

fn can_sign(card: &Card) -> bool {
    sign::is_known(card) && card.serial.is_some()
}

/// What each key is to do, and why some cannot be asked.
pub(super) fn orders(
    tokens: &Tokens<'_>,
    place: usize,
    wanted: Option<&Naming>,
) -> Result<(Vec<Order>, Vec<Gap>), Error> {
    let card = tokens.snapshot.cards.get(place);
    let case = tokens.cases.iter().find(|case| card.is_some_and(|card| std::ptr::eq(case.card, card)));
    let (mut signers, mut unable) = case.map(signing_requests::signers).unwrap_or_default();
    // Whoever called through sudo knows the keys as his own programs show them.
    let invoker = tokens.snapshot.of_invoker();
    let theirs = invoker.as_ref().map(judge::tokens);
    let theirs = theirs.iter().flat_map(|tokens| &tokens.cases).filter(|case| Some(case.card) == card);
    for other in theirs.flat_map(|case| signing_requests::signers(case).0) {
        if let Some(own) = signers.iter_mut().find(|own| own.is_same(&other)) {
            own.add(&other);
        }
    }
    if let Some(wanted) = wanted {
        let names = signers.iter().map(Signer::names).chain(unable.iter().map(Unable::names)).cloned();
        let one = wanted.one("key", &names.collect::<Vec<_>>())?;
        let signing = signers.len();
        unable = unable
            .into_iter()
            .enumerate()
            .filter(|(at, _)| signing + at == one)
            .map(|(_, key)| key)
            .collect();
        signers = signers.into_iter().enumerate().filter(|(at, _)| *at == one).map(|(_, key)| key).collect();
    }
    let without_keys = case.filter(|case| case.live.private_keys().next().is_none());
    let without_keys = without_keys.map(|case| escape(case.serial.as_bytes()));
    if let Some(token) = without_keys.filter(|_| signers.is_empty()) {
        let why = "the card lists no private key: there is nothing to ask";
        let gap = gap(format!("signatures of token {token}"), why.to_owned());
        return Ok((Vec::new(), vec![Gap { asked_for: false, ..gap }]));
    }
    let (mut orders, mut gaps) = (Vec::new(), Vec::new());
    for signer in signers {
        let random = observe::random(signing_requests::RANDOM).map_err(|source| Error::Io {
            what: "cannot get random bytes from",
            path: "the system".into(),
            source,
        })?;
        orders.push(signer.order(&random, wanted.is_some()));
    }
    for Unable { what, why, only_if_named, .. } in unable {
        let gap = gap(what, format!("it cannot be asked for a proof: {why}"));
        gaps.push(Gap { asked_for: !only_if_named || wanted.is_some(), ..gap });
    }
    Ok((orders, gaps))
}

pub(super) fn gap(what: String, why: String) -> Gap {
    Gap::new(GapKind::Card, true, what, why)
}

/// The orders by their PIN; first those that need none. Within somebody else's login no PIN is needed.
pub(super) fn groups(orders: &[Order], existing: bool) -> Vec<(Option<&Pin>, Vec<Order>)> {
    let mut groups: Vec<(Option<&Pin>, Vec<Order>)> = Vec::new();
    for order in orders {
        let pin = order.access.as_ref().map(|access| &access.pin).filter(|_| !existing);
        match groups.iter_mut().find(|(known, _)| *known == pin) {
            Some((_, group)) => group.push(order.clone()),
            None => groups.push((pin, vec![order.clone()])),
        }
    }
    groups.sort_by_key(|(pin, _)| pin.is_some());
    groups
}

/// A PIN as people know it.
#[must_use]
pub fn named(pin: &Pin) -> String {
    match &pin.label {
        Some(label) => format!("PIN \"{}\"", escape(label)),
        None => "PIN".to_owned(),
    }
}
