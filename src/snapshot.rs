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
mod cache;
mod cache_name;
mod card;
mod encoding;
mod process;
mod provider;

use std::collections::{BTreeMap, BTreeSet};

pub use ask::{Against, Ask, AskEnd, AskKind, AskTool, AskedFile, Ripening};
pub use cache::{
    CacheDir, CacheEntry, CacheOrigin, Content, DirState, FileKind, Inode, LARGEST_ENTRY, Quarantined,
    Withheld,
};
pub use cache_name::{CacheName, EntryName, LastUpdate, Recognised, Serial};
pub use card::{
    Answer, Card, CardFile, Dkek, Family, KeyMetadata, PinState, ScHsmStatus, Scheme, Trial, TrialOutcome,
};
pub use encoding::{ByteString, Bytes, EfPath, Fid, FormatError};
pub use process::{Flushed, Modules, Process, Unit};
pub use provider::{Provider, ProviderClass, ProviderObject, ProviderToken};
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
    /// What is odd about the calling user's `HOME`, if something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<OddHome>,
    /// Who called root by way of `sudo`: root's `SUDO_UID`, as the user database knows it. The caches are looked at, too:
    /// it is only told where the calling user's own were asked for.
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
    /// What other PKCS#11 modules told of their tokens, if they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Provider>,
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
    /// `OPENSC_DRIVER`), only those that are set; for a `HOME` that is odd what was taken in its place. Not UTF-8: escaped as
    /// in [`ByteString`].
    pub env: BTreeMap<String, ByteString>,
}

/// A `HOME` that is not the calling user's: that of the user database is taken in its place, because programs that are
/// started elsewhere have that one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OddHome {
    /// What is wrong with it.
    pub state: HomeState,
    /// What the variable says, if it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<ByteString>,
    /// What was taken in its place, if the user database knows a home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<ByteString>,
    /// Whose home it is, if another user's. The caches in it are looked at as that user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<User>,
}

/// What is wrong with a `HOME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HomeState {
    /// Not set, or empty.
    Unset,
    /// There is no such directory.
    Missing,
    /// It is another user's home.
    Foreign,
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
    /// The directories that exist; none of a user who called root by way of `sudo` and has none.
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
    /// Since when the file is as it is: what programs read that were started before is not known.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub changed_at: Option<OffsetDateTime>,
}

impl ConfigFile {
    /// A file of which nothing more is known.
    #[must_use]
    pub const fn new(path: ByteString, state: ConfigState) -> Self {
        Self { path, state, changed_at: None }
    }
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
    /// The reader whose card it concerns, if it concerns one; snapshots of older versions say so in `what` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
}

impl Gap {
    /// Of no card in particular.
    #[must_use]
    pub const fn new(kind: GapKind, asked_for: bool, what: String, why: String) -> Self {
        Self { what, why, asked_for, kind, reader: None }
    }

    /// Of the card in this reader.
    #[must_use]
    pub fn in_reader(self, reader: &str) -> Self {
        Self { reader: Some(reader.to_owned()), ..self }
    }

    /// Does it concern the card in this reader, as far as the card itself was to be read?
    #[must_use]
    pub fn is_of_card_in(&self, reader: &str) -> bool {
        self.kind == GapKind::Card && self.reader.as_deref() == Some(reader)
    }
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
        let is_theirs = |other: &&UserCaches| other.user.uid == invoker && !other.caches.is_empty();
        let own = self.others.iter().find(is_theirs)?;
        let (user, caches) = (own.user.clone(), own.caches.clone());
        let (others, coverage) = (Vec::new(), Vec::new());
        Some(Self { user, caches, others, coverage, ..self.clone() })
    }

    /// Leaves only the cards with these serial numbers.
    pub fn select_cards(&mut self, serials: &BTreeSet<String>) {
        let readers = self.readers.iter().map(|reader| &reader.name);
        let known: BTreeSet<String> =
            readers.chain(self.cards.iter().map(|card| &card.reader)).cloned().collect();
        self.cards.retain(|card| card.serial.as_ref().is_some_and(|known| serials.contains(known)));
        let chosen: BTreeSet<String> = self.cards.iter().map(|card| card.reader.clone()).collect();
        // What went wrong with other cards was not asked for any more.
        if !chosen.is_empty() {
            self.coverage.retain(|gap| {
                gap.kind != GapKind::Card
                    || reader_of(gap, &known).is_none_or(|reader| chosen.contains(reader))
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
            self.coverage.push(Gap::new(
                GapKind::Card,
                true,
                format!("reader {}", crate::text::escape(reader.as_bytes())),
                format!("the snapshot has no card from this reader; {}", crate::naming::there_is(&known)),
            ));
        }
    }
}

/// The reader whose card a gap concerns. A version that only wrote it into the sentence ended that with its name; what ends
/// with the name of no reader that the snapshot knows may concern any card.
fn reader_of<'a>(gap: &'a Gap, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let is_at_the_end = |name: &&String| {
        let told = format!("reader {}", crate::text::escape(name.as_bytes()));
        gap.what.ends_with(&told)
    };
    let told = || known.iter().filter(is_at_the_end).max_by_key(|name| name.len());
    gap.reader.as_ref().or_else(told).map(String::as_str)
}
