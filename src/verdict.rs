//! What a verdict holds: the tokens and programs that were looked at, the findings, and what
//! could not be looked at.

pub mod brief;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

pub use brief::Brief;
use serde::Serialize;
use time::OffsetDateTime;

use crate::finding::{Finding, ObjectName};
use crate::snapshot::{ByteString, Gap, User};
use crate::text::escape;

/// Everything the rules say of a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// The tokens that were looked at.
    pub tokens: Vec<Token>,
    /// How programs cache.
    pub programs: Vec<ProgramState>,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub coverage: Vec<Gap>,
    /// Was at least one token read from its card?
    pub compared: bool,
    /// Entries of cards that were not read; also said in the coverage.
    pub unread: Vec<Unread>,
    /// The private keys for which the card names a public key that no file proves to be theirs.
    pub unproven: Vec<UnprovenKey>,
    /// The cards that OpenSC alone told of, by serial. Nothing of theirs is proven, and their keys are not asked to sign.
    pub asked: Vec<String>,
    /// The newest dates that the cards themselves bear.
    pub dated: Vec<Dated>,
    /// What each token was found to hold before this.
    pub earlier: Vec<Earlier>,
    /// The keys that an `ssh-agent` offers once it has read the tokens.
    pub offerable: Vec<Offerable>,
    /// Whose caches and which programs all this is about, and what nobody asked for.
    pub scope: Scope,
    /// Programs and the cache directories they read.
    pub(crate) in_use: Vec<(String, ByteString)>,
}

/// Something on a card that was not there before this date: the card changed then, or later. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// Serial of the token.
    pub token: String,
    /// What it is.
    pub what: String,
    /// Its date.
    pub at: OffsetDateTime,
}

/// A baseline or a snapshot that a token was held against. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Serial of the token.
    pub token: String,
    /// The file or directory that was named.
    pub place: String,
    /// When it was written.
    pub at: OffsetDateTime,
    /// Does the token hold what that says?
    pub is_same: bool,
}

/// The public keys of a token that an `ssh-agent` can offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offerable {
    /// Serial of the token, escaped.
    pub token: String,
    /// Each by the SHA-256 of its SubjectPublicKeyInfo, hex.
    pub keys: BTreeSet<String>,
}

/// What a verdict covers. Text is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Scope {
    /// The users whose caches were looked at: login names, or numbers. Of all users of a host those that have one.
    pub users: Vec<String>,
    /// The directories that were named, if they were: then nobody's other caches were looked at, and they are judged as if
    /// OpenSC of the first user read them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<String>,
    /// What is odd about the calling user's `HOME`, and where was looked instead, as the beginning of a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// The programs whose views were judged, as they begin now.
    pub programs: Vec<String>,
    /// What nobody asked for.
    pub not_asked_for: Vec<NotAskedFor>,
    /// Is it of a file that was recorded? Then what was not read has to be recorded once more, where it was.
    #[serde(skip)]
    pub is_recorded: bool,
}

/// What nobody asked for. It is no gap, and changes no exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotAskedFor {
    /// What it is.
    pub what: String,
    /// The command that asks for it.
    pub command: Option<String>,
    /// What that has, if it is a check, and one without it has not.
    #[serde(skip)]
    pub option: Option<&'static str>,
}

/// Entries of a card in one cache directory, about which only the card could say more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The card's serial, escaped; none: of all the cards that are not told one by one.
    pub token: Option<String>,
    /// How many.
    pub entries: usize,
    /// Where.
    pub directory: ByteString,
}

/// A private key of which no file says whether the public key on the card is its own, or of which the card says nothing at
/// all. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnprovenKey {
    /// Serial of its token.
    pub token: String,
    /// Its ID on the card, hex.
    pub id: String,
    /// Its reference.
    pub reference: Option<u8>,
    /// Does the card list it, and not only a cache?
    pub is_listed: bool,
}

impl UnprovenKey {
    /// Is a finding about this key, or what belongs to it?
    #[must_use]
    pub fn concerns(&self, finding: &Finding) -> bool {
        let is_object = |object: &ObjectName| {
            object.id.as_ref().or(object.shown_id.as_ref()) == Some(&self.id)
                || (object.reference.is_some() && object.reference == self.reference)
        };
        finding.token.as_ref() == Some(&self.token) && finding.object.as_ref().is_some_and(is_object)
    }
}

/// A user: login name, or number where there is none. Escaped.
#[must_use]
pub fn user_name(user: &User) -> String {
    user.name.as_ref().map_or_else(|| user.uid.to_string(), |name| escape(name.as_bytes()))
}

impl Verdict {
    /// Which findings name which file as their evidence, in the order of the findings. Made once,
    /// because a cache directory may hold as many entries as somebody likes.
    #[must_use]
    pub fn by_file(&self) -> BTreeMap<(&ByteString, &ByteString), Vec<&Finding>> {
        let mut named: BTreeMap<_, Vec<&Finding>> = BTreeMap::new();
        for finding in &self.findings {
            let told = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
            let told = told.map(|file| (&file.directory, &file.name));
            for file in told.chain(finding.crowd.iter().map(|(directory, name)| (directory, name))) {
                let findings = named.entry(file).or_default();
                if findings.last().is_none_or(|last| !std::ptr::eq(*last, finding)) {
                    findings.push(finding);
                }
            }
        }
        named
    }

    /// Worst first; of what is equally bad first what forbids to repair the rest.
    pub(crate) fn sort(&mut self) {
        let follows = |finding: &Finding| !(finding.holds_its_entries() || finding.is_in_doubt());
        self.findings.sort_by_key(|finding| (Reverse(finding.severity), follows(finding), finding.id));
    }

    /// Does any program read this cache directory today?
    #[must_use]
    pub fn cache_in_use(&self, directory: &ByteString) -> bool {
        self.in_use.iter().any(|(_, path)| path == directory)
    }

    /// The programs that read this cache directory today.
    #[must_use]
    pub fn programs_of(&self, directory: &ByteString) -> Vec<&str> {
        let reading = self.in_use.iter().filter(|(_, path)| path == directory);
        reading.map(|(program, _)| program.as_str()).collect()
    }
}

/// A token, as shown at the head of a report. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Token {
    /// Reader.
    pub reader: String,
    /// Family of the card.
    pub family: String,
    /// Answer to reset, hex.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Hex"))]
    pub atr: String,
    /// Serial as in cache file names.
    pub serial: Option<String>,
    /// Label.
    pub label: Option<String>,
    /// The label that programs show, where it comes from a file that OpenSC caches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown_label: Option<String>,
    /// Firmware and PIN status: names and values; all of it live.
    pub status: BTreeMap<String, String>,
    /// What of it can be counted, for scripts: tries that are left, shares of the DKEK, parts of the version.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<&'static str, u32>,
    /// How many objects of which class are on the card.
    pub objects: Option<String>,
    /// How many private keys are on the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_keys: Option<usize>,
}

/// Whether a program caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CachingState {
    /// It does not.
    No,
    /// What a card gives without a PIN.
    Public,
    /// Everything, private data too.
    Yes,
    /// It could not be told.
    Undecided,
    /// The configuration kills it.
    Crashes,
}

impl CachingState {
    /// In one word, the same as in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Public => "public",
            Self::Yes => "yes",
            Self::Undecided => "undecided",
            Self::Crashes => "crashes",
        }
    }

    /// Does it cache anything?
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::Public | Self::Yes)
    }

    /// May it keep what it read after a PIN?
    #[must_use]
    pub const fn may_keep_private(self) -> bool {
        matches!(self, Self::Yes | Self::Undecided)
    }
}

/// How a program caches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProgramState {
    /// Its name.
    pub name: String,
    /// Whether it does.
    pub caching: CachingState,
    /// The same in words, with its origin.
    pub caching_text: String,
    /// The line of a configuration that says so, as `FILE:LINE:COLUMN`, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_at: Option<String>,
    /// Its cache directory, if caching is not off.
    pub cache_dir: Option<String>,
    /// The OpenSC version it was judged for.
    pub opensc: Option<String>,
}
