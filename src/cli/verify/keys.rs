//! The keys of a card: each signs a fresh challenge, and the signature is checked against every
//! public key that somebody takes for its own.

use super::{Args, pin, prompt};
use crate::card::apdu::StatusWord;
use crate::card::sign::{self, Login, Order, Pin, SignError};
use crate::case::proofs::Conclusion;
use crate::cli::args::Format;
use crate::cli::output;
use crate::error::{Error, Exit};
use crate::finding::Told;
use crate::judge;
use crate::listing::signing_requests::{self, Unable};
use crate::observe::{self, Asked};
use crate::patience::undisturbed;
use crate::report::{human, json::Answer, json::Document, json::SCHEMA, proofs};
use crate::snapshot::{Card, Gap, GapKind, PinState, Snapshot, TrialOutcome};
use crate::text::{count, escape, key_reference, shell_option};
use crate::verdict::Verdict;

pub fn run(args: &Args) -> Result<Exit, Error> {
    if args.facts.offline || args.facts.snapshot.is_some() {
        let why = "a key can only sign on its card: leave out --offline and --snapshot, or name a signature with \
                   --data and --signature";
        return Err(Error::Usage(why.to_owned()));
    }
    pin::keep_from_dumps()?;
    let mut snapshot = args.facts.look(false)?;
    if let Some(place) = the_card(&mut snapshot)? {
        let orders = orders(&mut snapshot, place, args.key.as_deref())?;
        prove(&mut snapshot, place, &orders, args)?;
    }
    let mut verdict = judge::judge(&snapshot);
    let proofs = judge::proofs_of(&snapshot);
    for proof in proofs.iter().filter(|proof| proof.conclusion == Conclusion::NotDecided) {
        let what =
            format!("proof of key reference {} of token {}", key_reference(proof.reference), proof.token);
        verdict
            .coverage
            .push(gap(what, "a public key that is named for it cannot be checked here".to_owned()));
    }
    let undecided = undecided(&verdict, args.key.as_deref());
    let is_open = !undecided.is_empty();
    verdict.coverage.extend(undecided);
    verdict.findings.retain(|finding| finding.id.told() == Told::BySignature);
    match args.format {
        Format::Human => {
            let mut text = String::new();
            human::tokens(&mut text, &verdict.tokens);
            proofs::show(&mut text, &proofs);
            human::findings(&mut text, &verdict.findings, verdict.tokens.len() > 1);
            human::coverage(&mut text, &verdict.coverage);
            proofs::conclusion(&mut text, &proofs, is_open);
            output::print(&text)?;
        }
        Format::Json => {
            let document = Document {
                schema: SCHEMA,
                changed: false,
                host: &snapshot.host,
                tokens: &verdict.tokens,
                programs: &verdict.programs,
                findings: &verdict.findings,
                coverage: &verdict.coverage,
                answer: Answer::Keys { keys: &proofs },
            };
            output::print_json(&document.value())?;
        }
    }
    Ok(output::exit(&verdict, args.fail_on.severity(), false))
}

/// What no signature has decided: a public key in a cache whose key the card does not list, or that was not asked.
fn undecided(verdict: &Verdict, wanted: Option<&str>) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    for finding in verdict.findings.iter().filter(|finding| finding.is_in_doubt()) {
        let Some(object) = &finding.object else { continue };
        let id = object.id.as_ref().or(object.shown_id.as_ref()).map_or("?", String::as_str);
        let token = finding.token.as_deref().unwrap_or_default();
        let what = format!("the public key of key {id} \"{}\" of token {token} in a cache", object.label);
        let why =
            "no signature has decided whether it is stale: see public-key-undecided in `stalecard check`";
        let gap = Gap { asked_for: wanted.is_none(), ..gap(what, why.to_owned()) };
        if !gaps.contains(&gap) {
            gaps.push(gap);
        }
    }
    gaps
}

/// The place of the one card that is to sign; none if no card could be read, which is a gap already. Of one with
/// several applications it is the first; keys in the others are gaps.
fn the_card(snapshot: &mut Snapshot) -> Result<Option<usize>, Error> {
    let able: Vec<usize> =
        (0..snapshot.cards.len()).filter(|&place| snapshot.cards.get(place).is_some_and(can_sign)).collect();
    match able.as_slice() {
        [] => Ok(None),
        [place] => Ok(Some(*place)),
        [place, others @ ..] if others.iter().all(|&other| is_beside(snapshot, *place, other)) => {
            let gaps: Vec<Gap> = judge::cases(snapshot)
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
                })
                .collect();
            snapshot.coverage.extend(gaps);
            Ok(Some(*place))
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

/// What each key is to do. Keys that cannot be asked are gaps.
fn orders(snapshot: &mut Snapshot, place: usize, wanted: Option<&str>) -> Result<Vec<Order>, Error> {
    let cases = judge::cases(snapshot);
    let card = snapshot.cards.get(place);
    let case = cases.iter().find(|case| card.is_some_and(|card| std::ptr::eq(case.card, card)));
    let (mut signers, mut unable) = case.map(signing_requests::signers).unwrap_or_default();
    if let Some(wanted) = wanted {
        signers.retain(|signer| signer.is_called(wanted));
        unable.retain(|unable| unable.is_called(wanted));
        if signers.is_empty() && unable.is_empty() {
            return Err(Error::NoSuchKey(wanted.to_owned()));
        }
    }
    if signers.is_empty() && case.is_some_and(|case| case.live.private_keys().next().is_none()) {
        let token = case.map(|case| escape(case.serial.as_bytes())).unwrap_or_default();
        let why = "the card lists no private key: there is nothing to ask";
        let gap = gap(format!("signatures of token {token}"), why.to_owned());
        snapshot.coverage.push(Gap { asked_for: false, ..gap });
        return Ok(Vec::new());
    }
    let mut orders = Vec::new();
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
        snapshot.coverage.push(Gap { asked_for: !only_if_named || wanted.is_some(), ..gap });
    }
    Ok(orders)
}

fn gap(what: String, why: String) -> Gap {
    Gap { what, why, asked_for: true, kind: GapKind::Card }
}

/// Gets the PINs and the proofs, one PIN after the other. That there are none is a gap, with the reason, and no further
/// PIN is asked for.
fn prove(snapshot: &mut Snapshot, place: usize, orders: &[Order], args: &Args) -> Result<(), Error> {
    let Some(card) = snapshot.cards.get_mut(place) else { return Ok(()) };
    let groups = groups(orders, args.use_existing_login);
    let pins: Vec<&Pin> = groups.iter().filter_map(|(pin, _)| *pin).collect();
    if args.pin_file.is_some() && pins.len() > 1 {
        let names: Vec<String> = pins.iter().map(|pin| named(pin)).collect();
        return Err(Error::Usage(format!(
            "the keys of this card want {} PINs ({}), and --pin-file holds one: name a key with --key",
            pins.len(),
            names.join(", ")
        )));
    }
    let mut refused = None;
    for (pin, orders) in &groups {
        match attempt(card, *pin, orders, args) {
            Ok(()) => {}
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Refused(why)) => {
                refused = Some(why);
                break;
            }
        }
    }
    // In the order of the card again.
    let rank = |key: u8, path| orders.iter().position(|order| (order.key, order.path) == (key, path));
    card.trials.sort_by_key(|trial| rank(trial.key, trial.path));
    let token = escape(card.serial.as_deref().unwrap_or_default().as_bytes());
    for trial in &card.trials {
        if let TrialOutcome::Refused(status) = trial.outcome {
            let what = format!("proof of key reference {} of token {token}", key_reference(trial.key));
            let why = format!("the card refused it ({}): nothing is proved", StatusWord(status));
            snapshot.coverage.push(gap(what, why));
        }
    }
    if let Some(why) = refused {
        snapshot.coverage.push(gap(format!("signatures of token {token}"), why.to_string()));
    }
    Ok(())
}

/// The orders by their PIN; first those that need none. Within somebody else's login no PIN is needed.
fn groups(orders: &[Order], existing: bool) -> Vec<(Option<&Pin>, Vec<Order>)> {
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
fn named(pin: &Pin) -> String {
    match &pin.label {
        Some(label) => format!("PIN \"{}\"", escape(label)),
        None => "PIN".to_owned(),
    }
}

enum Stop {
    Refused(SignError),
    Error(Error),
}

impl From<SignError> for Stop {
    fn from(error: SignError) -> Self {
        match error {
            // Something the user typed, and no fact about the card.
            SignError::NotAPin { .. } | SignError::NobodyLoggedIn(_) => {
                Self::Error(Error::Usage(error.to_string()))
            }
            error => Self::Refused(error),
        }
    }
}

/// Keys behind one PIN, or none.
fn attempt(card: &mut Card, pin: Option<&Pin>, orders: &[Order], args: &Args) -> Result<(), Stop> {
    let Some(pin) = pin else {
        let login = if args.use_existing_login { Login::Existing } else { Login::Free };
        let mut held = observe::hold(card)?;
        let _undisturbed = undisturbed();
        return Ok(observe::prove(&mut held, card, orders, &login, args.min_tries)?);
    };
    // What can be refused is refused before anybody is asked for a PIN.
    let mut asked = observe::pin_state(card, pin)?;
    if asked.is_left_behind() {
        asked = without_the_login(card, pin, args)?;
    }
    sign::is_enough(asked.state, args.min_tries, asked.shared)?;
    let login = if let Some(file) = &args.pin_file {
        Login::Pin(pin::from_file(file).map_err(Stop::Error)?)
    } else if asked.pad {
        Login::Pad
    } else {
        let serial = card.serial.as_deref().unwrap_or_default();
        let left = match asked.state {
            PinState::Tries(left) => format!(" ({} left)", count(left.into(), "try", "tries")),
            _ => String::new(),
        };
        let question = format!("{} of token {}{left}: ", named(pin), escape(serial.as_bytes()));
        Login::Pin(prompt::pin(&question).map_err(Stop::Error)?)
    };
    let mut held = observe::hold(card)?;
    if let Login::Pad = login {
        output::note("enter the PIN on the reader's pin pad, as often as it asks");
    }
    let _undisturbed = undisturbed();
    Ok(observe::prove(&mut held, card, orders, &login, args.min_tries)?)
}

/// The state of a PIN whose login no program has the card open for, once that login is over: by itself, when the
/// card loses its power, or because the user wants it ended. Otherwise as it was.
fn without_the_login(card: &Card, pin: &Pin, args: &Args) -> Result<Asked, Stop> {
    if !args.end_login {
        observe::wait_for_power_off();
        let asked = observe::pin_state(card, pin)?;
        if !asked.is_left_behind()
            || args.pin_file.is_some()
            || !prompt::wants_login_ended().map_err(Stop::Error)?
        {
            return Ok(asked);
        }
    }
    observe::end_login(card, pin)?;
    Ok(observe::pin_state(card, pin)?)
}
