//! The keys of a card: each signs a fresh challenge, and the signature is checked against every
//! public key that somebody takes for its own.

use std::time::Duration;

use serde_json::json;

use super::{Args, pin};
use crate::card::sc_hsm_sign::{Login, Order, SignError};
use crate::cli::args::Format;
use crate::cli::output;
use crate::error::{Error, Exit};
use crate::finding::Id;
use crate::observe;
use crate::report::{human, json::Document, json::SCHEMA, proofs};
use crate::rules::{self, judge};
use crate::snapshot::{Card, Gap, GapKind, PinState, Snapshot};
use crate::text::{count, escape};

/// The findings that a signature proves; `check` has the others.
const ABOUT_SIGNATURES: [Id; 3] =
    [Id::SignatureFailsWithCachedKey, Id::SignatureFailsWithLiveKey, Id::CertificateKeyMismatch];

/// How long a login may outlive the program that made it: pcscd takes the power from a card that nobody
/// uses, some readers' at once, others' after five seconds.
const LOGIN_ENDS: [Duration; 2] = [Duration::from_millis(1500), Duration::from_secs(6)];

pub fn run(args: &Args) -> Result<Exit, Error> {
    if args.facts.offline || args.facts.snapshot.is_some() {
        let why = "a key can only sign on its card: leave out --offline and --snapshot, or name a signature with \
                   --data and --signature";
        return Err(Error::Usage(why.to_owned()));
    }
    pin::keep_from_dumps()?;
    let mut snapshot = args.facts.look(false)?;
    if let Some(place) = the_card(&snapshot)? {
        let orders = orders(&snapshot, place, args.key.as_deref())?;
        prove(&mut snapshot, place, &orders, args)?;
    }
    let mut verdict = judge(&snapshot);
    let proofs = rules::proofs_of(&snapshot);
    verdict.findings.retain(|finding| ABOUT_SIGNATURES.contains(&finding.id));
    match args.format {
        Format::Human => {
            let mut text = String::new();
            human::tokens(&mut text, &verdict.tokens);
            proofs::show(&mut text, &proofs);
            human::findings(&mut text, &verdict.findings);
            human::coverage(&mut text, &verdict.coverage);
            proofs::conclusion(&mut text, &proofs);
            output::print(&text)?;
        }
        Format::Json => {
            let document = Document {
                schema: SCHEMA,
                command: "verify",
                changed: false,
                host: &snapshot.host,
                tokens: &verdict.tokens,
                programs: &verdict.programs,
                findings: &verdict.findings,
                coverage: &verdict.coverage,
            };
            output::print_json(&document.with(json!({ "keys": proofs })))?;
        }
    }
    Ok(output::exit(&verdict, args.fail_on.severity(), false))
}

/// The place of the one card that is to sign; none if no card could be read, which is a gap already.
fn the_card(snapshot: &Snapshot) -> Result<Option<usize>, Error> {
    let able: Vec<usize> =
        (0..snapshot.cards.len()).filter(|&place| snapshot.cards.get(place).is_some_and(can_sign)).collect();
    match able.as_slice() {
        [] => Ok(None),
        [place] => Ok(Some(*place)),
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

fn can_sign(card: &Card) -> bool {
    card.family == crate::snapshot::Family::SmartCardHsm && card.serial.is_some()
}

/// What each key is to sign.
fn orders(snapshot: &Snapshot, place: usize, wanted: Option<&str>) -> Result<Vec<Order>, Error> {
    let card = snapshot.cards.get(place);
    let cases = rules::cases(snapshot);
    let case = cases.iter().find(|case| card.is_some_and(|card| std::ptr::eq(case.card, card)));
    let mut orders = Vec::new();
    for signer in case.map(rules::signers).unwrap_or_default() {
        let named = wanted.is_some_and(|wanted| signer.is_called(wanted));
        if wanted.is_some() && !named {
            continue;
        }
        let challenge = observe::random(signer.challenge).map_err(|source| Error::Io {
            what: "cannot get random bytes from",
            path: "the system".into(),
            source,
        })?;
        orders.push(Order {
            key: signer.reference,
            scheme: signer.scheme,
            length: signer.signature,
            challenge,
            named,
        });
    }
    match wanted {
        Some(wanted) if orders.is_empty() => Err(Error::NoSuchKey(wanted.to_owned())),
        _ => Ok(orders),
    }
}

/// Gets the PIN and the signatures. That there are none is a gap, with the reason.
fn prove(snapshot: &mut Snapshot, place: usize, orders: &[Order], args: &Args) -> Result<(), Error> {
    let Some(card) = snapshot.cards.get_mut(place) else { return Ok(()) };
    if orders.is_empty() {
        return Ok(());
    }
    match attempt(card, orders, args) {
        Ok(()) => {}
        Err(Stop::Error(error)) => return Err(error),
        Err(Stop::Refused(why)) => {
            let serial = card.serial.as_deref().unwrap_or_default();
            snapshot.coverage.push(Gap {
                what: format!("signatures of token {}", escape(serial.as_bytes())),
                why: why.to_string(),
                asked_for: true,
                kind: GapKind::Card,
            });
        }
    }
    Ok(())
}

enum Stop {
    Refused(SignError),
    Error(Error),
}

impl From<SignError> for Stop {
    fn from(error: SignError) -> Self {
        match error {
            // Something the user typed, and no fact about the card.
            SignError::NotAPin(_) | SignError::NobodyLoggedIn(_) => {
                Self::Error(Error::Usage(error.to_string()))
            }
            error => Self::Refused(error),
        }
    }
}

fn attempt(card: &mut Card, orders: &[Order], args: &Args) -> Result<(), Stop> {
    if args.use_existing_login {
        let mut held = observe::hold(card)?;
        return Ok(observe::prove(&mut held, card, orders, &Login::Existing, args.min_tries)?);
    }
    // What can be refused is refused before anybody is asked for a PIN.
    let known = card.status.as_ref().and_then(|status| status.user_pin);
    let waits = if known == Some(PinState::LoggedIn) { LOGIN_ENDS.as_slice() } else { &[] };
    let (state, pad) = observe::pin_state(card, waits)?;
    let tries = match state {
        PinState::LoggedIn => return Err(SignError::LoggedIn.into()),
        PinState::Blocked | PinState::Tries(0) => return Err(SignError::Blocked.into()),
        PinState::Tries(left) if left < args.min_tries => {
            return Err(SignError::TooFewTries { left, keep: args.min_tries }.into());
        }
        PinState::Tries(left) => Some(left),
        PinState::NotInitialised | PinState::Other(_) => None,
    };
    let login = if let Some(file) = &args.pin_file {
        Login::Pin(pin::from_file(file).map_err(Stop::Error)?)
    } else if pad {
        Login::Pad
    } else {
        let serial = card.serial.as_deref().unwrap_or_default();
        let left = tries.map(|left| format!(" ({} left)", count(left.into(), "try", "tries")));
        let question = format!("PIN of token {}{}: ", escape(serial.as_bytes()), left.unwrap_or_default());
        Login::Pin(pin::ask(&question).map_err(Stop::Error)?)
    };
    let mut held = observe::hold(card)?;
    if let Login::Pad = login {
        output::note("enter the PIN on the reader's pin pad");
    }
    Ok(observe::prove(&mut held, card, orders, &login, args.min_tries)?)
}
