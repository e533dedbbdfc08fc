//! A fresh signature from each key of a SmartCard-HSM: what it takes, and nothing more.
//!
//! Only a signature proves which private key a slot holds today; everything else on the
//! card are files that anybody with the PIN can write. The price is a login, so the rules are strict:
//!
//! - all in one transaction ([`super::held`]), begun by asking for the state of the PIN;
//! - if somebody is logged in already there is no VERIFY and no SELECT, which would end that login;
//! - VERIFY is sent once, and only while more tries are left than the user wants to keep;
//! - keys with a use counter are left alone unless they are named: a signature is a use;
//! - at the end SELECT ends the login that was begun here, whatever happened in between.
//!
//! Commands as in OpenSC's `card-sc-hsm.c`: VERIFY (00 20), SIGN (80 68) with algorithm 70 (ECDSA
//! over a given hash) or 33 (PKCS#1 v1.5, the card hashes with SHA-256).

use zeroize::Zeroizing;

use super::apdu::{Apdu, Channel, Command, Pin, Response, StatusWord, Transport, TransportError};
use super::held::Exclusive;
use super::identity::mark;
use super::read::{Shape, read_file};
use super::sc_hsm::{DEVICE_CERTIFICATE, KEY};
use crate::format::tlv;
use crate::snapshot::{Answer, Bytes, Card, PinState, Scheme, Trial, TrialOutcome};

/// Lengths of a user PIN.
pub const PIN_LENGTHS: std::ops::RangeInclusive<usize> = 6..=16;

/// Most nested templates in which a use counter is looked for.
const DEPTH: u32 = 4;

/// What is to be signed with which key.
#[derive(Debug, Clone)]
pub struct Order {
    /// Key reference.
    pub key: u8,
    /// How.
    pub scheme: Scheme,
    /// Bytes of the longest signature.
    pub length: usize,
    /// A hash for ECDSA, a message for RSA; fresh and random.
    pub challenge: Vec<u8>,
    /// The user has named this very key.
    pub named: bool,
}

/// How to get in.
pub enum Login {
    /// With this PIN.
    Pin(Zeroizing<Vec<u8>>),
    /// With the PIN that the reader's pin pad asks for.
    Pad,
    /// Not at all: somebody is logged in already, and stays so.
    Existing,
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// No talk.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Somebody else's login.
    #[error(
        "another program is logged in to this card (PIN status 9000), and a login of our own would end that one: \
         run this again when it is done, or sign within its login with --use-existing-login"
    )]
    LoggedIn,
    /// `--use-existing-login` without one.
    #[error("nobody is logged in to this card ({0}): leave out --use-existing-login")]
    NobodyLoggedIn(String),
    /// Too few tries.
    #[error(
        "the user PIN has {left} of its tries left, and this keeps at least {keep}: a login with the right PIN \
         elsewhere (pkcs11-tool --login) gives all tries back; --min-tries 1 accepts the risk"
    )]
    TooFewTries {
        /// Tries left.
        left: u8,
        /// Tries that must be there before one is risked.
        keep: u8,
    },
    /// No try left.
    #[error(
        "the user PIN is blocked (status 6983): sc-hsm-tool or pkcs15-tool --unblock-pin with the SO-PIN"
    )]
    Blocked,
    /// No PIN.
    #[error("the card has no user PIN to log in with ({0}): initialise it first")]
    NoPin(StatusWord),
    /// Not a PIN.
    #[error("a SmartCard-HSM's PIN has 6 to 16 characters, this one {0}: nothing was sent to the card")]
    NotAPin(usize),
    /// The wrong PIN.
    #[error("wrong PIN ({status}): {}", tries_left(*left))]
    WrongPin {
        /// Tries left now, if the card says.
        left: Option<u8>,
        /// What it answered.
        status: StatusWord,
    },
    /// The card does not accept the login for another reason.
    #[error("the card did not accept the login ({0})")]
    LoginRefused(StatusWord),
    /// The entry on the pin pad came to nothing.
    #[error("no PIN was entered on the reader's pin pad ({0})")]
    NoEntry(StatusWord),
    /// Another card, or other keys.
    #[error("{0}: nothing was signed, run this again")]
    Moved(&'static str),
    /// The end was not clean.
    #[error("the login could not be ended ({0}): take the card out of the reader")]
    NoLogout(StatusWord),
}

fn tries_left(left: Option<u8>) -> String {
    match left {
        Some(1) => "1 try left".to_owned(),
        Some(left) => format!("{left} tries left"),
        None => "how many tries are left is not known".to_owned(),
    }
}

/// The state of the user PIN. Asking spends no try; SELECT is sent only if nobody is logged in.
///
/// # Errors
/// When there is no answer.
pub fn pin_state(link: &mut dyn Exclusive) -> Result<PinState, SignError> {
    let mut talk = Talk { link };
    if talk.plain(Command::VerifyStatus(Pin::User))?.status.pin_state() == PinState::LoggedIn {
        return Ok(PinState::LoggedIn);
    }
    // Nobody's login ends, and now it is certainly this application that answers.
    talk.select()?;
    Ok(talk.plain(Command::VerifyStatus(Pin::User))?.status.pin_state())
}

/// Logs in, signs with each key, logs out. `card` is what was read before: it must be the same still.
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
    let mut talk = Talk { link };
    let state = talk.plain(Command::VerifyStatus(Pin::User))?.status;
    if let Login::Existing = login {
        if state.pin_state() != PinState::LoggedIn {
            return Err(SignError::NobodyLoggedIn(state.to_string()));
        }
        talk.same_card(card)?;
        return orders.iter().map(|order| talk.one(order)).collect();
    }
    if state.pin_state() == PinState::LoggedIn {
        return Err(SignError::LoggedIn);
    }
    if let Login::Pin(pin) = login
        && !PIN_LENGTHS.contains(&pin.len())
    {
        return Err(SignError::NotAPin(pin.len()));
    }
    talk.select()?;
    // Now it is certainly this application that answers.
    let state = talk.plain(Command::VerifyStatus(Pin::User))?.status;
    match state.pin_state() {
        PinState::Tries(left) if left >= keep.max(1) => {}
        PinState::Tries(0) | PinState::Blocked => return Err(SignError::Blocked),
        PinState::Tries(left) => return Err(SignError::TooFewTries { left, keep }),
        PinState::LoggedIn => return Err(SignError::LoggedIn),
        PinState::NotInitialised | PinState::Other(_) => return Err(SignError::NoPin(state)),
    }
    talk.same_card(card)?;
    talk.log_in(login)?;
    let trials = orders.iter().map(|order| talk.one(order)).collect::<Result<Vec<_>, _>>();
    // A card that is gone has forgotten the login.
    let ended = talk.select();
    let trials = trials?;
    ended?;
    Ok(trials)
}

struct Talk<'a> {
    link: &'a mut dyn Exclusive,
}

/// The same link for the commands that only read.
impl Transport for Talk<'_> {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        if !super::apdu::is_on_the_list(apdu) {
            return Err(TransportError::NotOnTheList);
        }
        self.link.transmit(Zeroizing::new(apdu.to_vec()))
    }
}

impl Talk<'_> {
    /// A command that only reads.
    fn plain(&mut self, command: Command) -> Result<Response, TransportError> {
        Channel::new(self).send(command)
    }

    /// SELECT: makes sure of the application, and ends any login.
    fn select(&mut self) -> Result<(), SignError> {
        match self.plain(Command::SelectScHsm)?.status {
            StatusWord::OK => Ok(()),
            status => Err(SignError::NoLogout(status)),
        }
    }

    /// Is it the card that was read, with the keys it had then?
    fn same_card(&mut self, card: &Card) -> Result<(), SignError> {
        let mut channel = Channel::new(self);
        let device = read_file(&mut channel, DEVICE_CERTIFICATE, Shape::Elements(2), false)?;
        let known =
            card.files.iter().find(|file| file.path == DEVICE_CERTIFICATE.into()).map(|file| &file.answer);
        let own = |answer: &Answer| match answer {
            Answer::Content(bytes) => mark(bytes.as_slice()),
            _ => None,
        };
        if own(&device.answer).is_none() || known.and_then(own) != own(&device.answer) {
            return Err(SignError::Moved("another card is in the reader now"));
        }
        let listed = self.plain(Command::EnumerateObjects)?.data;
        let fids = listed.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
        // A long list is cut here and was read whole before.
        if !fids.eq(card.key_list.iter().map(|fid| fid.0).take(listed.len() / 2)) {
            return Err(SignError::Moved("the card's key list is not the one that was read before"));
        }
        Ok(())
    }

    /// One VERIFY, never a second.
    fn log_in(&mut self, login: &Login) -> Result<(), SignError> {
        let answer = match login {
            Login::Pin(pin) => {
                let mut apdu = Zeroizing::new(Vec::with_capacity(5 + pin.len()));
                apdu.extend([0x00, 0x20, 0x00, Pin::User.reference()]);
                apdu.push(u8::try_from(pin.len()).map_err(|_| SignError::NotAPin(pin.len()))?);
                apdu.extend(pin.iter());
                self.link.transmit(apdu)?
            }
            Login::Pad => self.link.verify_on_pad(pad_structure())?,
            Login::Existing => return Ok(()),
        };
        let status = Response::parse(answer)?.status;
        match (login, status.pin_state()) {
            (_, PinState::LoggedIn) => Ok(()),
            (_, PinState::Tries(left)) => Err(SignError::WrongPin { left: Some(left), status }),
            (_, PinState::Blocked) => Err(SignError::WrongPin { left: Some(0), status }),
            // 6400: time is up, 6401: cancelled (PC/SC part 10, 2.5.2).
            (Login::Pad, _) => Err(SignError::NoEntry(status)),
            _ => Err(SignError::LoginRefused(status)),
        }
    }

    /// One signature.
    fn one(&mut self, order: &Order) -> Result<Trial, SignError> {
        let outcome = match self.use_counter(order.key)? {
            Some(left) if !order.named => TrialOutcome::Skipped(format!(
                "it has a use counter ({left} left), and a signature is a use: stalecard verify --key {}",
                order.key
            )),
            _ => self.signature(order)?,
        };
        Ok(Trial { key: order.key, scheme: order.scheme, challenge: Bytes(order.challenge.clone()), outcome })
    }

    fn signature(&mut self, order: &Order) -> Result<TrialOutcome, SignError> {
        let algorithm = match order.scheme {
            Scheme::Ecdsa => 0x70,
            Scheme::RsaPkcs1Sha256 => 0x33,
        };
        // OpenSC asks for 512 bytes in extended form; the short one does for most.
        let long = order.length > 256;
        let apdu = Apdu {
            header: [0x80, 0x68, order.key, algorithm],
            data: &order.challenge,
            ne: if long { 0x0400 } else { 0x0100 },
        };
        let first = self.link.transmit(Zeroizing::new(apdu.encode(long)))?;
        let response = Channel::new(self).finish(Response::parse(first)?)?;
        Ok(match response.status {
            StatusWord::OK if response.data.len() <= 2048 => TrialOutcome::Signed(Bytes(response.data)),
            StatusWord(sw) => TrialOutcome::Refused(sw),
        })
    }

    /// Uses that a key has left, where the card tells: SELECT of the key answers with tag 90 (newer
    /// firmware, pico-hsm).
    fn use_counter(&mut self, key: u8) -> Result<Option<u32>, SignError> {
        let apdu = Apdu { header: [0x00, 0xA4, 0x00, 0x00], data: &[KEY, key], ne: 256 };
        let first = self.link.transmit(Zeroizing::new(apdu.encode(false)))?;
        let response = Channel::new(self).finish(Response::parse(first)?)?;
        Ok(if response.status == StatusWord::OK { counter_in(&response.data, DEPTH) } else { None })
    }
}

/// Tag 90 with four bytes, in whatever templates.
fn counter_in(bytes: &[u8], depth: u32) -> Option<u32> {
    let mut rest = bytes;
    while let Some(element) = tlv::first(rest) {
        match element.tag {
            0x90 if element.value.len() == 4 => {
                return Some(u32::from_be_bytes(element.value.try_into().ok()?));
            }
            0x62 | 0x6F | 0xA5 if depth > 0 => {
                if let Some(found) = counter_in(element.value, depth - 1) {
                    return Some(found);
                }
            }
            _ => {}
        }
        rest = element.rest;
    }
    None
}

/// `PIN_VERIFY_STRUCTURE` (PC/SC part 10, 2.5.2): ASCII digits, left justified, no padding, of the
/// length that the user types; the command is VERIFY of the user PIN.
fn pad_structure() -> Vec<u8> {
    const SECONDS: u8 = 30;
    let (shortest, longest) = (*PIN_LENGTHS.start(), *PIN_LENGTHS.end());
    let bound = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let mut structure = vec![
        SECONDS, // bTimerOut
        SECONDS, // bTimerOut2
        0x82,    // bmFormatString: bytes, left justified, ASCII
        0x00,    // bmPINBlockString: no length in the command, no fixed size
        0x00,    // bmPINLengthFormat
        bound(longest),
        bound(shortest), // wPINMaxExtraDigit, little-endian: shortest, longest
        0x02,            // bEntryValidationCondition: the confirmation key
        0x01,            // bNumberMessage
        0x09,
        0x04, // wLangId: English
        0x00, // bMsgIndex
        0x00,
        0x00,
        0x00, // bTeoPrologue
    ];
    let command = [0x00, 0x20, 0x00, Pin::User.reference(), 0x00];
    structure.extend(u32::try_from(command.len()).unwrap_or(0).to_le_bytes());
    structure.extend(command);
    structure
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn use_counters_in_the_answer_to_select() {
        // An FCP without, one with in A5 (pico-hsm), one with on its own.
        assert_eq!(counter_in(b"\x6F\x06\x81\x02\x00\x00\x82\x00", DEPTH), None);
        assert_eq!(
            counter_in(b"\x6F\x0E\x81\x02\x00\x00\xA5\x08\x90\x04\x00\x00\x00\x07\x91\x00", DEPTH),
            Some(7)
        );
        assert_eq!(counter_in(b"\x62\x06\x90\x04\x00\x00\x01\x00", DEPTH), Some(256));
        // Lies about lengths, and templates without end.
        assert_eq!(counter_in(b"\x62\x7F\x90\x04", DEPTH), None);
        let deep = (0..40).fold(b"\x90\x04\0\0\0\x01".to_vec(), |inner, _| {
            [&[0xA5, u8::try_from(inner.len()).unwrap()], inner.as_slice()].concat()
        });
        assert_eq!(counter_in(&deep, DEPTH), None);
    }

    #[test]
    fn the_pin_pad_is_told_the_lengths_and_the_command() {
        let structure = pad_structure();
        assert_eq!(structure.len(), 19 + 5);
        assert_eq!(structure[5..7], [16, 6]);
        assert_eq!(structure[15..], [5, 0, 0, 0, 0x00, 0x20, 0x00, 0x81, 0x00]);
    }
}
