//! What hosts and users show of one token, side by side: what the rule on hosts that disagree looks at.

use std::rc::Rc;

use serde::Serialize;

use crate::finding::Side;
use crate::snapshot::EfPath;

/// One user in a snapshot. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "HostSource"))]
pub struct Source {
    /// Name of the host.
    pub host: String,
    /// The user.
    pub user: String,
    /// When it was taken.
    pub taken_at: String,
    /// The same, Unix seconds.
    #[serde(skip)]
    pub taken: i64,
}

/// One token.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenTable {
    /// Its serial.
    pub serial: String,
    /// Its label, if a card was read.
    pub label: Option<String>,
    /// The newest reading of the card: what it is.
    pub read_by: Option<Source>,
    /// Several cards have this serial number: what one of them holds tells nothing of another. Absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Its keys and certificates.
    #[serde(rename = "slots")]
    pub keys: Vec<KeyTable>,
}

impl TokenTable {
    /// The states of its keys that stand so to the card.
    pub fn rows(&self, wanted: Standing) -> impl Iterator<Item = &StateRow> {
        self.keys.iter().flat_map(|key| &key.states).filter(move |row| row.state == wanted)
    }

    /// Has somebody a state of it that stands so to the card?
    #[must_use]
    pub fn has(&self, wanted: Standing) -> bool {
        self.rows(wanted).next().is_some()
    }

    /// Is it known what the card is, and does nobody show anything else?
    #[must_use]
    pub fn is_as_it_should_be(&self) -> bool {
        let mut rows = self.keys.iter().flat_map(|key| &key.states);
        self.read_by.is_some()
            && rows.all(|row| match row.state {
                Standing::Current | Standing::Former => true,
                Standing::Stale | Standing::Disputed | Standing::Unknown | Standing::Orphan => false,
            })
    }
}

/// One key, certificate or data object, by the EF that it comes from.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyTable {
    /// The EF that it comes from.
    #[serde(rename = "slot")]
    pub ef: EfPath,
    /// Key reference, for keys.
    pub reference: Option<u8>,
    /// The ID that OpenSC lists for it, of a card that it alone reads: its certificates do not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Hex>"))]
    pub id: Option<String>,
    /// What is or was there: what is on the card first.
    pub states: Vec<StateRow>,
}

/// How a state of one stands to the newest reading of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is what the card is.
    Current,
    /// It is what a card was when it was read earlier.
    Former,
    /// Only caches show it.
    Stale,
    /// Only caches show it, and no file tells whether they or the card name the right public key.
    Disputed,
    /// No card was read.
    Unknown,
    /// The card has nothing there.
    Orphan,
}

/// One state of one, and who has it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateRow {
    /// How it stands to the card.
    pub state: Standing,
    /// The private key.
    pub private: Option<Rc<Side>>,
    /// The public key.
    pub public: Option<Rc<Side>>,
    /// The certificate.
    pub certificate: Option<Rc<Side>>,
    /// The snapshots that read this from the card.
    pub read_by: Vec<Source>,
    /// Whose caches show it.
    pub shown_by: Vec<Shown>,
}

/// Whose cache shows something.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ShownBy"))]
pub struct Shown {
    /// Host, user, when.
    #[serde(flatten)]
    pub source: Source,
    /// The programs that read this cache.
    pub programs: Vec<String>,
    /// When the oldest of the entries was written: not read from the card since.
    pub since: String,
    /// The same, Unix seconds.
    #[serde(skip)]
    pub written: i64,
}
