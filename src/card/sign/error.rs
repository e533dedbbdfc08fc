//! Why nothing was signed, in words: what happened, and what to do next.

use crate::card::apdu::{StatusWord, TransportError};
use crate::card::readers::PcscError;
use crate::snapshot::Scheme;

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// No talk with the card.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No service to talk over.
    #[error(transparent)]
    Service(#[from] PcscError),
    /// Somebody else's login.
    #[error(
        "another program is logged in to this card (PIN status 9000), and a login of our own would end that one: \
         run this again when it is done, or sign within its login with --use-existing-login"
    )]
    LoggedIn,
    /// A login that nobody has the card open for.
    #[error(
        "a login is open on this card (PIN status 9000), but no program has the card open: it was left behind by one \
         that ended. --end-login ends it (the application is selected anew) and goes on with a PIN; \
         --use-existing-login signs within it"
    )]
    LeftBehind,
    /// Somebody else's login, perhaps.
    #[error(
        "another program has this card open, and such a card does not tell whether that one is logged in: close \
         it (gpg's scdaemon, a browser) and run this again, or sign within its login with --use-existing-login"
    )]
    Undecided,
    /// `--use-existing-login` without one.
    #[error("nobody is logged in to this card ({0}): leave out --use-existing-login")]
    NobodyLoggedIn(String),
    /// Too few tries.
    #[error(
        "the user PIN has {}, a wrong one would leave {}, and this keeps at least {keep}: nothing was sent. A login \
         with the right PIN elsewhere (pkcs11-tool --login) gives all tries back{}",
        tries_left(Some(*left)), left.saturating_sub(1), way_out(*left, *keep)
    )]
    TooFewTries {
        /// Tries left.
        left: u8,
        /// Tries that a wrong PIN must leave.
        keep: u8,
    },
    /// No try left.
    #[error(
        "the user PIN is blocked, no try is left: pkcs15-tool --unblock-pin, with the SO-PIN or PUK of the card, \
         or its maker's own tool gives it new ones"
    )]
    Blocked,
    /// No PIN.
    #[error("the card has no user PIN to log in with: initialise it first")]
    NoPin,
    /// Nobody knows how many tries there are.
    #[error(
        "the card does not tell how many tries its PIN has left ({0}): a PIN is sent only where they can be counted"
    )]
    Uncounted(StatusWord),
    /// Sent as it is typed the right PIN would be a wrong one.
    #[error("the card wants its PIN in a form that this program does not send ({0}): nothing was sent")]
    Form(&'static str),
    /// One at a time.
    #[error("these keys want different PINs, and one login is for one: nothing was sent")]
    SeveralPins,
    /// Not a PIN.
    #[error(
        "a PIN of this card has {least} to {most} characters, this one {length}: nothing was sent to the card"
    )]
    NotAPin {
        /// Its length.
        length: usize,
        /// Of the shortest.
        least: usize,
        /// Of the longest.
        most: usize,
    },
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
    /// The application is not there.
    #[error("the application that was read does not answer any more ({0})")]
    NoApplication(StatusWord),
    /// Another card, or other keys.
    #[error("{0}: nothing was signed, run this again")]
    Moved(&'static str),
    /// This kind of card proves its keys otherwise.
    #[error(
        "{0} is nothing that a card of this kind is asked for: this is a fault of stalecard, please report it"
    )]
    NotAsked(&'static str),
    /// The end was not clean.
    #[error("the login could not be ended ({0}): take the card out of the reader")]
    NoLogout(StatusWord),
}

/// Of what a card of another kind is asked for.
pub(super) const fn not_asked(scheme: Scheme) -> SignError {
    SignError::NotAsked(match scheme {
        Scheme::Ecdsa => "ECDSA",
        Scheme::RsaPkcs1Sha256 => "RSA PKCS#1 v1.5",
        Scheme::Ecdh => "ECDH",
        Scheme::Ed25519 => "Ed25519",
        Scheme::X25519 => "X25519",
        Scheme::RsaDecipher => "deciphering with RSA",
    })
}

/// Tries that are left, in words.
pub(super) fn tries_left(left: Option<u8>) -> String {
    match left {
        Some(1) => "1 try left".to_owned(),
        Some(left) => format!("{left} tries left"),
        None => "how many tries are left is not known".to_owned(),
    }
}

/// Fewer tries may be kept, as long as it is not none.
fn way_out(left: u8, keep: u8) -> String {
    match left.saturating_sub(1) {
        0 => "; the last try is never spent here".to_owned(),
        kept if kept < keep => format!("; --min-tries {kept} accepts the risk"),
        _ => String::new(),
    }
}
