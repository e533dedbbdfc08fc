//! A card as it answered: its files with what it said when each was read, and what it tells of its keys. What was refused,
//! is private or was not asked for is kept as such, with the reason.

use serde::{Deserialize, Serialize};

use super::{Bytes, EfPath, Fid};

/// One card as it answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Card {
    /// Name of the reader.
    pub reader: String,
    /// Answer to reset.
    pub atr: Bytes,
    /// Which family's protocol was spoken.
    pub family: Family,
    /// Short name of the OpenSC driver that takes such a card, if that is known: it decides whether
    /// cards are cached without any setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// AID of the application that was read, if it is a further one of the card (EF.DIR), which OpenSC shows as
    /// a token of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Bytes>,
    /// The serial as OpenSC (from 0.20 on) puts it into cache file names.
    pub serial: Option<String>,
    /// The change counter that MyEID and OsEID cards keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_counter: Option<u16>,
    /// SmartCard-HSM: the answer of ENUMERATE OBJECTS, in the card's order.
    pub key_list: Vec<Fid>,
    /// Every file that was asked for.
    pub files: Vec<CardFile>,
    /// Status of a SmartCard-HSM; nothing of it is cached by OpenSC.
    pub status: Option<ScHsmStatus>,
    /// What the card itself tells of its keys beside its files (GET METADATA of a YubiKey), of those that it has; none if
    /// it tells nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<KeyMetadata>>,
    /// Signatures that its keys made when they were asked to (`verify`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<Trial>,
}

impl Card {
    /// Is the other another application of the same card?
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        self.reader == other.reader && self.atr == other.atr && self.application != other.application
    }

    /// What the card gave as the content of a file.
    #[must_use]
    pub fn content(&self, path: EfPath) -> Option<&[u8]> {
        self.files.iter().find(|file| file.path == path).and_then(|file| match &file.answer {
            Answer::Content(bytes) => Some(bytes.as_slice()),
            _ => None,
        })
    }
}

/// What a card tells of one of its keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyMetadata {
    /// Key reference.
    pub key: u8,
    /// The answer.
    pub answer: Answer,
}

/// What came of asking a key for a fresh signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Trial {
    /// Key reference.
    pub key: u8,
    /// The file it is in, on cards with files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<EfPath>,
    /// How it was to sign.
    pub scheme: Scheme,
    /// What it was to sign: fresh and random.
    pub challenge: Bytes,
    /// What the card answered.
    pub outcome: TrialOutcome,
}

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// ECDSA; the challenge is the hash.
    Ecdsa,
    /// RSA PKCS#1 v1.5 over the SHA-256 of the challenge.
    RsaPkcs1Sha256,
    /// A secret shared with the key whose private number the challenge is.
    Ecdh,
    /// Ed25519; the challenge is the message.
    Ed25519,
    /// A secret shared on Curve25519 with the key whose private number the challenge is.
    X25519,
    /// Deciphers what was made of the challenge and the public key: see [`crate::crypto::cryptogram`].
    RsaDecipher,
}

/// The end of one [`Trial`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TrialOutcome {
    /// A signature, as the card gave it.
    Signed(Bytes),
    /// The card refused with this status word.
    Refused(u16),
    /// It was not asked, and why.
    Skipped(String),
}

/// Card family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// SmartCard-HSM and compatible (Nitrokey HSM, pico-hsm).
    SmartCardHsm,
    /// A card with PKCS#15 files (ISO 7816-15) that OpenSC reads as they are.
    Pkcs15,
    /// PIV (NIST SP 800-73).
    Piv,
    /// OpenPGP card.
    OpenPgp,
    /// Anything else: seen, not read.
    Other,
}

/// The status of a SmartCard-HSM as `sc-hsm-tool` tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScHsmStatus {
    /// Firmware version (major, minor), known only if the applet was selected.
    pub firmware: Option<(u8, u8)>,
    /// State of the user PIN (reference 81).
    pub user_pin: Option<PinState>,
    /// State of the SO-PIN (reference 88).
    pub so_pin: Option<PinState>,
    /// The device key encryption key.
    pub dkek: Option<Dkek>,
    /// If a login was open: had another program the card open afterwards (`SCARD_STATE_INUSE`)?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_use: Option<bool>,
}

/// What a VERIFY without data said of a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PinState {
    /// A login with it is open (status 9000): another program's, or left behind by one that ended.
    LoggedIn,
    /// Tries left (status 63Cx).
    Tries(u8),
    /// Blocked (status 6983).
    Blocked,
    /// Not set: the card is not initialised, or the transport PIN stands (6984, 6A88).
    NotInitialised,
    /// Any other status word.
    Other(u16),
}

/// DKEK status of a SmartCard-HSM.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Dkek {
    /// Number of shares the card was initialised for.
    pub shares: u8,
    /// Shares still missing.
    pub outstanding: u8,
    /// Key check value, 8 bytes; zeros while shares are missing.
    pub check_value: Bytes,
}

/// One file of a card and what the card said when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CardFile {
    /// Where it is.
    pub path: EfPath,
    /// The answer.
    pub answer: Answer,
}

/// What a card said when a file was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The whole content.
    Content(Bytes),
    /// There is no such file (6A82).
    Absent,
    /// There is content, which is private: it is not kept.
    Withheld,
    /// The card refused with this status word.
    Refused(u16),
    /// Not asked for, and why (private data, for example).
    NotRead(String),
}
