//! A fresh proof from each private key of a card: what it takes, and nothing more.
//!
//! Only what a key does just now proves which private key is behind a reference today; everything else on the
//! card are files that anybody with the PIN can write. The price is a login, so the rules are strict:
//!
//! - all in one transaction ([`super::held`]), begun by asking for the state of the PIN;
//! - if somebody is logged in already there is no VERIFY and no SELECT, which would end that login; one that
//!   no program has the card open for ends when the user says so, and only while the card is ours alone;
//! - VERIFY is sent only if a wrong PIN would leave as many tries as the user wants to keep, one at the least, and never
//!   again once the card has refused it; a key that wants its PIN before each use gets the one that was
//!   right, once more at most whatever else it refuses;
//! - keys with a use counter are left alone unless they are named: a signature is a use;
//! - at the end the login that was begun here ends, whatever happened in between.
//!
//! What differs between families is behind `FamilySigner`, one file each.

#![deny(clippy::wildcard_enum_match_arm, reason = "what is sent to a card is decided for each case by name")]

mod error;
mod family;
mod iso_applet;
mod key_channel;
mod native;
mod openpgp;
mod pad;
mod piv;
mod plan;
mod sc_hsm;

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::apdu::{Response, StatusWord};
use super::held::Exclusive;
use super::native::ISO_APPLET;
use crate::snapshot::{Bytes, Card, Family, PinState, Scheme, Trial, TrialOutcome};
pub use error::SignError;
use error::tries_left;
use family::FamilySigner;
use key_channel::KeyChannel;
pub use plan::{Access, Asks, Attempt, Key, Operation, Order, Pin, Plan};

/// How often one key gets the PIN at most: once, and once more where the card says that the first is used up.
const VERIFIES: u8 = 2;

/// Most bytes in the answer of a key: an RSA key of 16384 bits.
const LONGEST_ANSWER: usize = 2048;

/// How to get in.
pub enum Login {
    /// With this PIN.
    Pin(Zeroizing<Vec<u8>>),
    /// With the PIN that the reader's pin pad asks for.
    Pad,
    /// Not at all: somebody is logged in already, and stays so.
    Existing,
    /// Not at all: these keys work for everybody.
    Free,
}

fn signer<'c>(card: &'c Card, existing: bool) -> Option<Box<dyn FamilySigner + 'c>> {
    match card.family {
        Family::SmartCardHsm => Some(Box::new(sc_hsm::ScHsm { card })),
        Family::Piv => Some(Box::new(piv::Piv { card, existing })),
        Family::OpenPgp => Some(Box::new(openpgp::OpenPgp { card, existing })),
        Family::Pkcs15 if card.driver.as_deref() == Some(ISO_APPLET) => {
            Some(Box::new(iso_applet::IsoApplet { card }))
        }
        Family::Pkcs15 => Some(Box::new(native::Native { card })),
        Family::Other => None,
    }
}

/// Can the keys of this card be asked for anything?
#[must_use]
pub fn is_known(card: &Card) -> bool {
    signer(card, false).is_some()
}

/// How a key of a card is used.
///
/// # Errors
/// Why it cannot be, in words.
pub fn plan(card: &Card, key: &Key) -> Result<Plan, String> {
    match card.family {
        Family::SmartCardHsm => sc_hsm::plan(key),
        Family::Piv => piv::plan(card, key),
        Family::OpenPgp => openpgp::plan(card, key),
        Family::Pkcs15 if card.driver.as_deref() == Some(ISO_APPLET) => iso_applet::plan(card, key),
        Family::Pkcs15 => native::plan(card, key),
        Family::Other => Err("it is on a card that this program does not know".to_owned()),
    }
}

/// The state of a PIN. Asking spends no try and ends no login.
///
/// # Errors
/// When there is no answer, or the PIN could not be used whatever it is.
pub fn pin_state(link: &mut dyn Exclusive, card: &Card, pin: &Pin) -> Result<PinState, SignError> {
    let mut signer =
        signer(card, false).ok_or(SignError::Moved("another kind of card is in the reader now"))?;
    signer.state(&mut KeyChannel { link }, Some(pin))
}

/// Ends a login that was left behind: the application is selected anew, or told to forget it. The card must be
/// nobody else's meanwhile ([`super::held::HeldCard::take_alone`]).
///
/// # Errors
/// When somebody else has the card open after all, or the login is still there.
pub fn end_login(link: &mut dyn Exclusive, card: &Card, pin: &Pin) -> Result<(), SignError> {
    if link.is_shared() {
        return Err(SignError::LoggedIn);
    }
    let mut signer =
        signer(card, false).ok_or(SignError::Moved("another kind of card is in the reader now"))?;
    let channel = &mut KeyChannel { link };
    if signer.state(channel, Some(pin))? != PinState::LoggedIn {
        return Ok(());
    }
    signer.same_card(channel, &[])?;
    signer.leave(channel, &signer.references(pin))?;
    match signer.state(channel, Some(pin))? {
        PinState::LoggedIn => Err(SignError::NoLogout(StatusWord::OK)),
        PinState::Tries(_) | PinState::Blocked | PinState::NotInitialised | PinState::Other(_) => Ok(()),
    }
}

/// Logs in, asks each key, logs out. All of them are behind one PIN, or (`Free`) behind none. `card` is what was
/// read before: it must be the same still.
///
/// # Errors
/// When nothing could be signed, or the login could not be ended. At most one try of the PIN is spent.
pub fn sign(
    link: &mut dyn Exclusive,
    card: &Card,
    orders: &[Order],
    login: &Login,
    keep: u8,
) -> Result<Vec<Trial>, SignError> {
    let existing = matches!(login, Login::Existing);
    let signer =
        signer(card, existing).ok_or(SignError::Moved("another kind of card is in the reader now"))?;
    let mut pins = orders.iter().filter_map(|order| order.access.as_ref()).map(|access| &access.pin);
    let pin = pins.next();
    if !existing && pins.any(|other| Some(other) != pin) {
        // One PIN is never tried on the reference of another.
        return Err(SignError::SeveralPins);
    }
    if let (Login::Pin(typed), Some(pin)) = (login, pin) {
        let (least, most) = pin.lengths;
        if !(least..=most).contains(&typed.len()) {
            return Err(SignError::NotAPin { length: typed.len(), least, most });
        }
    }
    let mut session = Session { channel: KeyChannel { link }, signer, login, verified: BTreeSet::new() };
    let state = session.signer.state(&mut session.channel, pin)?;
    match login {
        Login::Existing if pin.is_some() => is_logged_in(state)?,
        Login::Free | Login::Existing => {}
        Login::Pin(_) | Login::Pad => is_enough(state, keep, session.channel.link.is_shared())?,
    }
    session.signer.same_card(&mut session.channel, orders)?;
    let trials = orders.iter().map(|order| session.one(order)).collect::<Result<Vec<_>, _>>();
    let ended = session.end();
    // A card that is gone has forgotten the login.
    let trials = trials?;
    ended?;
    Ok(trials)
}

/// Does the state of a PIN allow a login that keeps so many tries even if the PIN is wrong? It never may be the last one.
/// `shared`: another program has the card open.
///
/// # Errors
/// Why not.
pub fn is_enough(state: PinState, keep: u8, shared: bool) -> Result<(), SignError> {
    match state {
        PinState::LoggedIn if shared => Err(SignError::LoggedIn),
        PinState::LoggedIn => Err(SignError::LeftBehind),
        PinState::Tries(0) | PinState::Blocked => Err(SignError::Blocked),
        PinState::Tries(left) if left > keep.max(1) => Ok(()),
        PinState::Tries(left) => Err(SignError::TooFewTries { left, keep: keep.max(1) }),
        PinState::NotInitialised => Err(SignError::NoPin),
        PinState::Other(status) => Err(SignError::Uncounted(StatusWord(status))),
    }
}

fn is_logged_in(state: PinState) -> Result<(), SignError> {
    Err(SignError::NobodyLoggedIn(match state {
        PinState::LoggedIn => return Ok(()),
        PinState::Tries(left) => tries_left(Some(left)),
        PinState::Blocked => "its PIN is blocked".to_owned(),
        PinState::NotInitialised => "it has no PIN".to_owned(),
        PinState::Other(status) => StatusWord(status).to_string(),
    }))
}

/// One login, from its first command to its last.
struct Session<'a, 'd> {
    channel: KeyChannel<'a>,
    signer: Box<dyn FamilySigner + 'd>,
    login: &'a Login,
    /// References whose VERIFY the card has accepted.
    verified: BTreeSet<u8>,
}

impl Session<'_, '_> {
    /// One key.
    fn one(&mut self, order: &Order) -> Result<Trial, SignError> {
        let skipped = |why| {
            let first = order.attempts.first();
            Trial {
                key: order.key,
                path: order.path,
                scheme: first.map_or(Scheme::Ecdsa, |attempt| attempt.scheme),
                challenge: Bytes(first.map(|attempt| attempt.challenge.clone()).unwrap_or_default()),
                outcome: TrialOutcome::Skipped(why),
            }
        };
        if !order.named
            && let Some(why) = self.signer.spares(&mut self.channel, order)?
        {
            return Ok(skipped(why));
        }
        let always = order.access.as_ref().is_some_and(|access| access.asks == Asks::Always);
        if always && matches!(self.login, Login::Existing) {
            let why = "it wants its PIN before each signature, and --use-existing-login sends none";
            return Ok(skipped(why.to_owned()));
        }
        let attempts = self.signer.fitting(&mut self.channel, order)?;
        // A PIN that was sent just now is not wanted once more.
        let mut is_fresh = false;
        let mut verifies = VERIFIES;
        if let Some(access) = &order.access
            && (always || !self.verified.contains(&access.reference))
        {
            self.log_in(access)?;
            is_fresh = true;
            verifies -= 1;
        }
        let mut trial = skipped("there is nothing that it could be asked for".to_owned());
        for (place, attempt) in attempts.iter().enumerate() {
            let mut answer = self.signer.ask(&mut self.channel, order, attempt)?;
            // The PIN was right a moment ago, and this key wants it once more.
            let wants_more =
                |access: &&Access| access.asks != Asks::Once && self.verified.contains(&access.reference);
            if answer.status == StatusWord::SECURITY_STATUS
                && !is_fresh
                && verifies > 0
                && let Some(access) = order.access.as_ref().filter(wants_more)
            {
                verifies -= 1;
                self.log_in(access)?;
                answer = self.signer.ask(&mut self.channel, order, attempt)?;
            }
            is_fresh = false;
            let signed = answer.status == StatusWord::OK && (1..=LONGEST_ANSWER).contains(&answer.data.len());
            // The likeliest attempt is what a refusal is told of: the others are probes.
            if signed || place == 0 {
                trial.scheme = attempt.scheme;
                trial.challenge = Bytes(attempt.challenge.clone());
                trial.outcome = match answer.status {
                    _ if signed => TrialOutcome::Signed(Bytes(answer.data)),
                    StatusWord(status) => TrialOutcome::Refused(status),
                };
            }
            // A key of another kind would not have asked for more rights.
            if matches!(answer.status, StatusWord::OK | StatusWord::SECURITY_STATUS | StatusWord::BLOCKED) {
                break;
            }
        }
        Ok(trial)
    }

    /// One VERIFY. A second one follows only if the card has accepted the first.
    fn log_in(&mut self, access: &Access) -> Result<(), SignError> {
        let answer = match self.login {
            Login::Pin(typed) => self.channel.verify(access, typed)?,
            Login::Pad => self.channel.verify_on_pad(access)?,
            Login::Existing | Login::Free => return Ok(()),
        };
        let status = Response::parse(answer)?.status;
        match (self.login, status.pin_state()) {
            (_, PinState::LoggedIn) => {
                self.verified.insert(access.reference);
                Ok(())
            }
            (_, PinState::Tries(left)) => Err(SignError::WrongPin { left: Some(left), status }),
            (_, PinState::Blocked) => Err(SignError::WrongPin { left: Some(0), status }),
            (_, PinState::Other(0x6982)) => {
                Err(SignError::WrongPin { left: self.signer.tries_after(&mut self.channel), status })
            }
            // 6400: time is up, 6401: cancelled (PC/SC part 10, 2.5.2).
            (Login::Pad, _) => Err(SignError::NoEntry(status)),
            (
                Login::Pin(_) | Login::Existing | Login::Free,
                PinState::NotInitialised | PinState::Other(_),
            ) => Err(SignError::LoginRefused(status)),
        }
    }

    /// Ends what was begun here.
    fn end(&mut self) -> Result<(), SignError> {
        if self.verified.is_empty() {
            return Ok(());
        }
        self.signer.leave(&mut self.channel, &self.verified)
    }
}
