//! The keys of a card: each signs a fresh challenge, and the signature is checked against every
//! public key that somebody takes for its own.
//!
//! Hides the order that spares tries: what can be refused is refused before anybody is asked for a PIN, one PIN
//! comes after the other, and none after one that was refused.

use zeroize::Zeroizing;

use super::choice::{gap, groups, named, orders, the_card};
use crate::card::apdu::StatusWord;
use crate::card::sign::{self, Login, Order, Pin, SignError};
use crate::case::proofs::{Conclusion, Proof, beside, proofs};
use crate::error::Error;
use crate::finding::{Finding, Severity, Told};
use crate::judge::{self, Tally, judge_processes};
use crate::naming::Naming;
use crate::observe::{self, Asked, Progress};
use crate::patience::undisturbed;
use crate::snapshot::{Card, Gap, GapKind, PinState, Snapshot, TrialOutcome};
use crate::text::{escape, key_reference};
use crate::verdict::Verdict;
use crate::verdict::user_name;
use crate::view::layout;

/// Which keys are to sign, and how.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Only the key of this name.
    pub key: Option<&'a Naming>,
    /// How many tries a wrong PIN must leave.
    pub min_tries: u8,
    /// There is a PIN already: nobody is asked for anything, and it is for one PIN only.
    pub has_pin: bool,
    /// Within the login that is open on the card.
    pub existing_login: bool,
    /// A login that was left behind is ended without asking.
    pub end_login: bool,
    /// Who is told what is waited for.
    pub progress: Progress,
}

/// Which PIN is wanted.
#[derive(Debug)]
pub struct Question<'a> {
    /// Which one.
    pub pin: &'a Pin,
    /// What OpenSC calls it, where the card itself does not.
    pub pin_label: Option<&'static str>,
    /// The serial number of its token, as it was read.
    pub token: &'a str,
    /// The label of its token.
    pub label: Option<Vec<u8>>,
    /// How many tries are left, where the card tells.
    pub left: Option<u8>,
}

/// Who has the PINs.
pub trait PinSource {
    /// The PIN.
    ///
    /// # Errors
    /// When there is none.
    fn pin(&mut self, question: &Question<'_>) -> Result<Zeroizing<Vec<u8>>, Error>;
    /// Is the login that was left behind on the card to be ended?
    ///
    /// # Errors
    /// When nobody can be asked.
    fn wants_login_ended(&mut self) -> Result<bool, Error>;
    /// The PIN is to be entered on the reader's own pad now.
    fn pin_goes_to_pad(&mut self);
}

/// Has the keys of the one card prove themselves, and adds their answers to the facts.
///
/// # Errors
/// When it is not clear which card or key is meant, or there is no PIN; at most one try of a PIN is spent.
pub fn prove(
    snapshot: &mut Snapshot,
    request: &Request<'_>,
    source: &mut dyn PinSource,
) -> Result<(), Error> {
    let tokens = judge::tokens(snapshot);
    let (place, mut gaps) = the_card(&tokens)?;
    let Some(place) = place else { return Ok(()) };
    let (orders, unable) = orders(&tokens, place, request.key)?;
    drop(tokens);
    gaps.extend(unable);
    snapshot.coverage.extend(gaps);
    ask(snapshot, place, &orders, request, source)
}

/// What the answers prove.
#[derive(Debug)]
pub struct Proved {
    /// The verdict on signatures. Where they are all there and speak against nothing, what else is wrong here, too: a sound
    /// key is not all.
    pub verdict: Verdict,
    /// All that is found here, of which a flush takes more than what a signature was held against.
    pub whole: Verdict,
    /// Each key.
    pub proofs: Vec<Proof>,
    /// Something is left that no signature has decided.
    pub is_open: bool,
}

/// What the answers prove, where all keys were asked or the `wanted` one.
#[must_use]
pub fn proved(snapshot: &Snapshot, wanted: Option<&Naming>) -> Proved {
    let mut tally = Tally::new(Some(snapshot.user.uid));
    let (mut proofs, verdict) = of_user(&mut tally, snapshot);
    tally.add(snapshot, verdict);
    if let Some(invoker) = snapshot.of_invoker() {
        let (more, verdict) = of_user(&mut tally, &invoker);
        beside(&mut proofs, more, &user_name(&invoker.user));
        tally.add(&invoker, verdict);
    }
    let (mut verdict, _) = tally.verdict();
    for proof in proofs.iter().filter(|proof| proof.conclusion == Conclusion::NotDecided) {
        let what =
            format!("proof of key reference {} of token {}", key_reference(proof.reference), proof.token);
        verdict
            .coverage
            .push(gap(what, "a public key that is named for it cannot be checked here".to_owned()));
    }
    let undecided = undecided(&verdict, wanted);
    let is_open = !undecided.is_empty();
    verdict.coverage.extend(undecided);
    judge_processes(snapshot, &mut verdict);
    let whole = verdict.clone();
    let is_by_signature = |finding: &Finding| finding.id.told() == Told::BySignature;
    // Where no key signed, or something stays open, that is what came of it.
    let is_whole = !proofs.is_empty() && !is_open && !verdict.findings.iter().any(is_by_signature);
    let is_told =
        |finding: &Finding| is_by_signature(finding) || (is_whole && finding.severity >= Severity::Error);
    verdict.findings.retain(is_told);
    Proved { verdict, whole, proofs, is_open }
}

/// What the answers prove as one user sees the keys.
fn of_user(tally: &mut Tally, snapshot: &Snapshot) -> (Vec<Proof>, Verdict) {
    let tokens = tally.tokens(snapshot);
    (tokens.cases.iter().flat_map(proofs).collect(), tally.judge_tokens(&tokens))
}

/// What no signature has decided: a public key in a cache whose key the card does not list, or that was not asked.
fn undecided(verdict: &Verdict, wanted: Option<&Naming>) -> Vec<Gap> {
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

/// Gets the PINs and the proofs, one PIN after the other. That there are none is a gap, with the reason, and no further
/// PIN is asked for.
fn ask(
    snapshot: &mut Snapshot,
    place: usize,
    orders: &[Order],
    request: &Request<'_>,
    source: &mut dyn PinSource,
) -> Result<(), Error> {
    let Some(card) = snapshot.cards.get_mut(place) else { return Ok(()) };
    let groups = groups(orders, request.existing_login);
    let pins: Vec<&Pin> = groups.iter().filter_map(|(pin, _)| *pin).collect();
    if request.has_pin && pins.len() > 1 {
        let names: Vec<String> = pins.iter().map(|pin| named(pin)).collect();
        return Err(Error::Usage(format!(
            "the keys of this card want {} PINs ({}), and --pin-file holds one: name a key with --key",
            pins.len(),
            names.join(", ")
        )));
    }
    let mut refused = None;
    for (pin, orders) in &groups {
        match attempt(card, *pin, orders, request, source) {
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
        let what = format!("signatures of token {token}");
        snapshot.coverage.push(Gap { kind: GapKind::Signature, ..gap(what, why.to_string()) });
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
            SignError::NotAPin { .. } | SignError::NobodyLoggedIn(_) => {
                Self::Error(Error::Usage(error.to_string()))
            }
            error => Self::Refused(error),
        }
    }
}

/// Keys behind one PIN, or none.
fn attempt(
    card: &mut Card,
    pin: Option<&Pin>,
    orders: &[Order],
    request: &Request<'_>,
    source: &mut dyn PinSource,
) -> Result<(), Stop> {
    let Some(pin) = pin else {
        let login = if request.existing_login { Login::Existing } else { Login::Free };
        let mut held = observe::hold(card, request.progress)?;
        let _undisturbed = undisturbed();
        return Ok(observe::prove(&mut held, card, orders, &login, request.min_tries, request.progress)?);
    };
    // What can be refused is refused before anybody is asked for a PIN.
    let mut asked = observe::pin_state(card, pin, request.progress)?;
    if asked.is_left_behind() {
        asked = without_the_login(card, pin, request, source)?;
    }
    sign::is_enough(asked.state, request.min_tries, asked.shared)?;
    let login = if asked.pad && !request.has_pin {
        Login::Pad
    } else {
        let token = card.serial.as_deref().unwrap_or_default();
        let left = if let PinState::Tries(left) = asked.state { Some(left) } else { None };
        let layout = layout(card.family);
        let label = layout.and_then(|layout| layout.label(card)).filter(|label| !label.is_empty());
        let pin_label = layout.filter(|_| pin.label.is_none()).and_then(|layout| layout.pin_label(&[]));
        Login::Pin(source.pin(&Question { pin, pin_label, token, label, left }).map_err(Stop::Error)?)
    };
    let mut held = observe::hold(card, request.progress)?;
    if let Login::Pad = login {
        source.pin_goes_to_pad();
    }
    let _undisturbed = undisturbed();
    Ok(observe::prove(&mut held, card, orders, &login, request.min_tries, request.progress)?)
}

/// The state of a PIN whose login no program has the card open for, once that login is over: by itself, when the
/// card loses its power, or because the user wants it ended. Otherwise as it was.
fn without_the_login(
    card: &Card,
    pin: &Pin,
    request: &Request<'_>,
    source: &mut dyn PinSource,
) -> Result<Asked, Stop> {
    if !request.end_login {
        observe::wait_for_power_off();
        let asked = observe::pin_state(card, pin, request.progress)?;
        if !asked.is_left_behind() || request.has_pin || !source.wants_login_ended().map_err(Stop::Error)? {
            return Ok(asked);
        }
    }
    observe::end_login(card, pin)?;
    Ok(observe::pin_state(card, pin, request.progress)?)
}
