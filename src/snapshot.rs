//! The facts of one host at one moment: plain, serialisable data without opinions.
//!
//! A snapshot holds what was read from cards, cache directories and
//! configuration files, who owns them, when, and what could *not* be read and
//! why ([`Gap`]). Every rule works on it and on nothing else; a file written
//! by `stalecard snapshot` is accepted in place of the live machine.
//!
//! It never holds the content of a CAN file, of an object flagged private or of
//! a file that is not recognised as an OpenSC cache entry ([`Content::Withheld`]).

mod ask;
mod cache_name;
mod encoding;
mod process;

use std::collections::{BTreeMap, BTreeSet};

pub use ask::{Against, Ask, AskEnd, AskKind, AskedFile, Ripening};
pub use cache_name::{CacheName, EntryName, LastUpdate, Recognised, Serial};
pub use encoding::{ByteString, Bytes, EfPath, Fid, FormatError};
pub use process::{Flushed, Modules, Process, Unit};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Name and version of the snapshot's own schema.
pub const SCHEMA: &str = "stalecard-snapshot/1";

/// Everything observed on one host at one moment. Never holds the content of a CAN file, of private data or of a file
/// that is not known as a copy of a card's public file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// Always [`SCHEMA`].
    #[cfg_attr(feature = "schema", schemars(extend("const" = SCHEMA)))]
    pub schema: String,
    /// When the observation was finished (UTC).
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Rfc3339"))]
    pub taken_at: OffsetDateTime,
    /// Name of the host.
    pub host: String,
    /// The user whose OpenSC is judged.
    pub user: User,
    /// Whose caches were asked for.
    #[serde(default, skip_serializing_if = "Whose::is_caller")]
    pub whose: Whose,
    /// Who called root by way of `sudo`: root's `SUDO_UID`, as the user database knows it. The caches are looked at, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoked_by: Option<User>,
    /// The OpenSC libraries found on the host; the first is the one the tools load.
    pub opensc: Vec<Installation>,
    /// The real paths of OpenSC's own tools, by name; they name `app` blocks of their own.
    pub executables: BTreeMap<String, ByteString>,
    /// The configuration files that OpenSC would open.
    pub configs: Vec<ConfigFile>,
    /// All readers in PC/SC's order, if they were asked for: empty ones take slots, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readers: Vec<SeenReader>,
    /// Which PKCS#11 modules p11-kit knows; none if it was not looked at, or is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p11_kit: Option<P11Kit>,
    /// Cards that were read, in the order of their readers.
    pub cards: Vec<Card>,
    /// What the installed OpenSC told of cards when it was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Ask>,
    /// Cache directories, whether they exist or not.
    pub caches: Vec<CacheDir>,
    /// Those of other users of the host, if they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<UserCaches>,
    /// Processes that have OpenSC loaded, as far as they were looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<Process>,
    /// The newest flush of each user's caches that was not taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flushed: Vec<Flushed>,
    /// What flushes took out of caches and keep, if it was asked for: its keys may have made what is asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantine: Vec<Quarantined>,
    /// What could not be read, and why.
    pub coverage: Vec<Gap>,
}

/// A user and the part of the environment that changes what OpenSC does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct User {
    /// Numeric user id.
    pub uid: u32,
    /// Login name, when the user database knows it.
    pub name: Option<String>,
    /// Variables with effect on OpenSC (`HOME`, `XDG_CACHE_HOME`, `OPENSC_CONF`,
    /// `OPENSC_DRIVER`), only those that are set. Not UTF-8: escaped as in [`ByteString`].
    pub env: BTreeMap<String, ByteString>,
}

/// Whose caches an observation was asked for. What nobody asked for is no gap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// The calling user's, and those of whoever called root by way of `sudo`.
    #[default]
    Caller,
    /// Those of one user who was named.
    User,
    /// Directories that were named.
    Directories,
    /// Those of all users, and those that belong to none.
    All,
}

impl Whose {
    const fn is_caller(&self) -> bool {
        matches!(self, Self::Caller)
    }
}

/// The cache directories of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserCaches {
    /// Whose programs use them. Of the environment only `HOME` is known.
    pub user: User,
    /// The directories that exist.
    pub caches: Vec<CacheDir>,
}

/// One installed OpenSC library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Installation {
    /// The library file (`libopensc.so.N`), links resolved.
    pub library: ByteString,
    /// The version it carries, for example `0.23.0`.
    pub version: Option<String>,
    /// The configuration path compiled into it.
    pub config_path: Option<ByteString>,
}

/// A configuration file as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigFile {
    /// Its path as OpenSC would open it.
    pub path: ByteString,
    /// What was there.
    pub state: ConfigState,
}

/// What was found in the place of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ConfigState {
    /// The file's bytes.
    Text(Bytes),
    /// There is no such file: OpenSC runs with its built-in defaults.
    Missing,
    /// It is there but could not be read, and why.
    Unreadable(String),
}

/// A reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SeenReader {
    /// Its name.
    pub name: String,
    /// Is there a card in it?
    pub card: bool,
}

/// The configuration of p11-kit (pkcs11.conf(5)): `pkcs11.conf` and the files `*.module`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct P11Kit {
    /// Of the host.
    pub system: Vec<ConfigFile>,
    /// The user's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user: Vec<ConfigFile>,
}

/// One card as it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyMetadata {
    /// Key reference.
    pub key: u8,
    /// The answer.
    pub answer: Answer,
}

/// What came of asking a key for a fresh signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CardFile {
    /// Where it is.
    pub path: EfPath,
    /// The answer.
    pub answer: Answer,
}

/// What a card said when a file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// One cache directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheDir {
    /// Its path.
    pub path: ByteString,
    /// Why it is looked at.
    pub origin: CacheOrigin,
    /// What was found there.
    pub state: DirState,
    /// Its entries, sorted by name.
    pub entries: Vec<CacheEntry>,
}

impl CacheDir {
    /// The path of one of its entries.
    #[must_use]
    pub fn path_of(&self, entry: &ByteString) -> ByteString {
        ByteString::from(self.path.as_path().join(entry.as_os_str()))
    }

    /// Where its entries really are.
    #[must_use]
    pub fn real_path(&self) -> ByteString {
        match &self.state {
            DirState::Symlink(target) => {
                let parent = self.path.as_path().parent().unwrap_or(self.path.as_path());
                ByteString::from(parent.join(target.as_path()))
            }
            _ => self.path.clone(),
        }
    }
}

/// What one operation took out of one cache directory, and keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quarantined {
    /// The operation, as `undo` takes it.
    pub operation: String,
    /// The directory, with the entries that are kept.
    pub directory: CacheDir,
}

/// Why a directory counts as an OpenSC cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CacheOrigin {
    /// The directory OpenSC uses by default in the user's environment.
    Default,
    /// `file_cache_dir` of a configuration file.
    Configured,
    /// `~/.eid/cache`, used up to OpenSC 0.21.
    Former,
    /// Of a program in a sandbox (snap, flatpak), which has an OpenSC and a configuration of its own.
    Sandbox,
    /// Of a system service with a place of its own (SSSD).
    Service,
    /// Named on the command line.
    Named,
}

/// What is in the place of a cache directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DirState {
    /// A directory.
    Present(Inode),
    /// Nothing.
    Missing,
    /// A symbolic link to this target; OpenSC follows it.
    Symlink(ByteString),
    /// Could not be read, and why.
    Unreadable(String),
}

/// Owner, mode and identity of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inode {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Number of hard links.
    pub nlink: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits (07777).
    #[cfg_attr(feature = "schema", schemars(range(max = 4095)))]
    pub mode: u32,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of content, Unix seconds.
    pub mtime: i64,
}

/// One entry of a cache directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheEntry {
    /// File name, and what it means.
    #[cfg_attr(feature = "schema", schemars(with = "ByteString"))]
    pub name: EntryName,
    /// Kind of file.
    pub kind: FileKind,
    /// Owner, size, times.
    pub inode: Inode,
    /// Its content, or why it is not here.
    pub content: Content,
}

/// Kind of a directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Named pipe.
    Fifo,
    /// Socket.
    Socket,
    /// Block or character device.
    Device,
}

/// The content of a cache entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// The file's bytes.
    Bytes(Bytes),
    /// Never read or never kept, and why.
    Withheld(Withheld),
    /// Could not be read, and why.
    Unreadable(String),
}

/// Why the content of an entry is not part of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Withheld {
    /// A card access number.
    Can,
    /// Data that the card gives only after the PIN.
    Private,
    /// The name is not an OpenSC cache name.
    Unknown,
    /// Not a regular file.
    NotAFile,
    /// Larger than OpenSC ever reads.
    TooBig,
    /// Whether it is private cannot be told: of a card of another kind, or a data object that
    /// nothing describes.
    Undecided,
}

/// Something that could not be observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// What was to be observed ("reader …", "cache directory …").
    pub what: String,
    /// Why it was not, and what would help.
    pub why: String,
    /// True if the user asked for just this: the exit status tells.
    pub asked_for: bool,
    /// Kind of gap, for the exit status.
    pub kind: GapKind,
}

/// What kind of thing is missing from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum GapKind {
    /// No PC/SC service, no reader, no card, or a card that could not be read.
    Card,
    /// A cache directory or entry.
    Cache,
    /// OpenSC's library or configuration.
    OpenSc,
    /// A running process.
    Process,
    /// A snapshot among several.
    Snapshot,
    /// Who made a signature.
    Signature,
}

impl Snapshot {
    /// The same host as whoever called root by way of `sudo` sees it, with that user's caches; none if nobody did, or there
    /// are none.
    #[must_use]
    pub fn of_invoker(&self) -> Option<Self> {
        let invoker = self.invoked_by.as_ref()?.uid;
        let own = self.others.iter().find(|other| other.user.uid == invoker)?;
        let (user, caches) = (own.user.clone(), own.caches.clone());
        let (others, coverage) = (Vec::new(), Vec::new());
        Some(Self { user, caches, others, coverage, ..self.clone() })
    }

    /// Leaves only the cards with these serial numbers.
    pub fn select_cards(&mut self, serials: &BTreeSet<String>) {
        self.cards.retain(|card| card.serial.as_ref().is_some_and(|known| serials.contains(known)));
        let readers: Vec<String> = self
            .cards
            .iter()
            .map(|card| format!("reader {}", crate::text::escape(card.reader.as_bytes())))
            .collect();
        // What went wrong with other cards was not asked for any more.
        if !readers.is_empty() {
            self.coverage.retain(|gap| {
                gap.kind != GapKind::Card
                    || !gap.what.contains("reader ")
                    || readers.iter().any(|reader| gap.what.ends_with(reader))
            });
        }
    }

    /// Leaves only what is in this reader (its name, or its number among those that hold
    /// a card); if there is nothing, that is a gap.
    pub fn select_reader(&mut self, reader: &str) {
        let mut known: Vec<String> =
            self.cards.iter().map(|card| crate::text::escape(card.reader.as_bytes())).collect();
        known.dedup();
        let named = |card: &Card| crate::text::is_typed(card.reader.as_bytes(), reader);
        if self.cards.iter().any(named) {
            self.cards.retain(named);
        } else {
            let mut readers: Vec<String> = self.cards.iter().map(|card| card.reader.clone()).collect();
            readers.dedup();
            let name = reader.parse::<usize>().ok().and_then(|number| readers.get(number));
            self.cards.retain(|card| Some(&card.reader) == name);
        }
        if self.cards.is_empty() {
            self.coverage.push(Gap {
                what: format!("reader {}", crate::text::escape(reader.as_bytes())),
                why: format!(
                    "the snapshot has no card from this reader; {}",
                    crate::naming::there_is(&known)
                ),
                asked_for: true,
                kind: GapKind::Card,
            });
        }
    }
}
