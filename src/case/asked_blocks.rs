//! The blocks of text in which OpenSC's tools describe objects, side by side.
//!
//! What they mean to people is read in them (what kind of object, its name, ID and place), nothing more: whether two are
//! the same is decided by the whole text.

use std::collections::BTreeMap;

use data_encoding::{HEXLOWER_PERMISSIVE, HEXUPPER};

use crate::finding::{ObjectClass, ObjectName, Side, SideState};

/// One block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    text: &'a str,
}

/// In what a list differs from the card's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// Listed of the card, and not shown.
    Hidden(Block<'a>),
    /// Shown, and not listed of the card.
    Ghost(Block<'a>),
    /// Listed and shown, and not the same.
    Other {
        /// Of the card.
        live: Block<'a>,
        /// As it is shown.
        shown: Block<'a>,
    },
}

/// How the tools begin the description of an object, and what it is.
const CLASSES: [(&str, ObjectClass); 11] = [
    ("X.509 Certificate", ObjectClass::Certificate),
    ("Certificate Object", ObjectClass::Certificate),
    ("Private Key Object", ObjectClass::PrivateKey),
    ("Private ", ObjectClass::PrivateKey),
    ("Public Key Object", ObjectClass::PublicKey),
    ("Public ", ObjectClass::PublicKey),
    ("Secret ", ObjectClass::SecretKey),
    ("PIN [", ObjectClass::Pin),
    ("Data object", ObjectClass::Data),
    ("Reading data object", ObjectClass::Data),
    (TOKEN, ObjectClass::Token),
];
const TOKEN: &str = "PKCS#15 Card";

impl<'a> Block<'a> {
    /// Of this text.
    #[must_use]
    pub const fn of(text: &'a str) -> Self {
        Self { text }
    }

    /// The whole text.
    #[must_use]
    pub const fn text(self) -> &'a str {
        self.text
    }

    fn first(self) -> &'a str {
        self.text.lines().next().unwrap_or_default()
    }

    /// What kind of object it is.
    #[must_use]
    pub fn class(self) -> ObjectClass {
        let known = CLASSES.iter().find(|(begin, _)| self.text.starts_with(begin));
        known.map_or(ObjectClass::Other, |(_, class)| *class)
    }

    /// Is it about the token as a whole?
    #[must_use]
    pub fn is_token(self) -> bool {
        self.text.starts_with(TOKEN)
    }

    /// Its name.
    #[must_use]
    pub fn label(self) -> String {
        let first = self.first();
        let between = |open: char, close: char| {
            let begin = first.find(open)? + open.len_utf8();
            let end = first.rfind(close)?;
            first.get(begin..end)
        };
        let label = between('[', ']').or_else(|| between('\'', '\'')).or_else(|| self.value("label"));
        label.unwrap_or_default().trim_matches('\'').trim().to_owned()
    }

    /// What stands behind a name, as `ID : 45`.
    #[must_use]
    pub fn value(self, name: &str) -> Option<&'a str> {
        self.text.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Is it a certificate?
    #[must_use]
    pub fn is_certificate(self) -> bool {
        self.class() == ObjectClass::Certificate
    }

    /// Where it lies, as it stands in cache names (without the master file).
    #[must_use]
    pub fn path(self) -> Option<Vec<u8>> {
        let told = self.value("Path")?.rsplit("::").next().unwrap_or_default().to_ascii_uppercase();
        let below = told.strip_prefix("3F00").unwrap_or(&told);
        HEXUPPER.decode(below.as_bytes()).ok().filter(|path| !path.is_empty())
    }

    /// Does it lie in the file with this path?
    #[must_use]
    pub fn is_at(self, path: &[u8]) -> bool {
        self.path().is_some_and(|told| told == path)
    }

    /// The key reference: `130 (0x82)`.
    #[must_use]
    pub fn reference(self) -> Option<u8> {
        self.value("Key ref")?.split_whitespace().next()?.parse().ok()
    }

    /// As the object of a finding; `other`: as it is on the other side.
    #[must_use]
    pub fn object(self, other: Option<Self>) -> ObjectName {
        ObjectName {
            class: self.class(),
            reference: None,
            label: self.label(),
            id: self.id(),
            shown_id: other.and_then(Self::id),
        }
    }

    /// Its ID, hex.
    #[must_use]
    pub fn id(self) -> Option<String> {
        let id = self.value("ID")?;
        let bytes = HEXLOWER_PERMISSIVE.decode(id.as_bytes()).ok().filter(|bytes| !bytes.is_empty())?;
        Some(crate::text::hex(&bytes))
    }

    /// One side: the lines that the other does not have.
    #[must_use]
    pub fn side(self, other: Option<Self>) -> Side {
        let others: Vec<&str> = other.map(|other| other.text.lines().skip(1).collect()).unwrap_or_default();
        let lines = self.text.lines().skip(1).map(str::trim);
        let own = lines.filter(|line| !others.iter().any(|other| other.trim() == *line));
        Side {
            state: Some(SideState::Object(self.class())),
            id: self.id(),
            label: Some(self.label()),
            attributes: own.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect(),
            ..Side::default()
        }
    }
}

/// In what one list differs from another: the blocks that are not the same, those of one object together.
#[must_use]
pub fn changes<'a>(live: &'a [String], shown: &'a [String]) -> Vec<Change<'a>> {
    let mut number: BTreeMap<&str, i64> = BTreeMap::new();
    live.iter().for_each(|text| *number.entry(text).or_default() += 1);
    shown.iter().for_each(|text| *number.entry(text).or_default() -= 1);
    let only = |sign: i64| {
        let of = move |(text, count): (&&'a str, &i64)| {
            std::iter::repeat_n(Block::of(text), usize::try_from(count * sign).unwrap_or(0))
        };
        number.iter().flat_map(of).collect::<Vec<_>>()
    };
    let (mut live, mut shown) = (only(1), only(-1));
    let mut changes = Vec::new();
    // What has the same name first, then what lies in the same place.
    let is_same: [fn(Block<'_>, Block<'_>) -> bool; 2] = [
        |one, other| one.first() == other.first(),
        |one, other| {
            one.class() == other.class()
                && one.value("Path").is_some_and(|path| other.value("Path") == Some(path))
        },
    ];
    for is_same in is_same {
        live.retain(|live| match shown.iter().position(|shown| is_same(*live, *shown)) {
            Some(at) => {
                changes.push(Change::Other { live: *live, shown: shown.remove(at) });
                false
            }
            None => true,
        });
    }
    changes.extend(live.into_iter().map(Change::Hidden));
    changes.extend(shown.into_iter().map(Change::Ghost));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "X.509 Certificate [Signature]\n  Path             : 3f00df005039\n  ID               : 03\n  \
                               Encoded serial   : 02 10 10";

    #[test]
    fn a_block_tells_what_people_call_an_object() {
        let block = Block::of(LISTED);
        assert_eq!((block.class(), block.label().as_str()), (ObjectClass::Certificate, "Signature"));
        assert!(block.is_at(&[0xDF, 0, 0x50, 0x39]) && !block.is_at(&[0x50, 0x39]));
        assert_eq!(block.object(None).id.as_deref(), Some("03"));
        let module =
            Block::of("Certificate Object; type = X.509 cert\n  label:      My: label\n  ID:         0a");
        assert_eq!((module.label().as_str(), module.id().as_deref()), ("My: label", Some("0a")));
        assert!(Block::of("PKCS#15 Card [BELPIC]:\n  Serial number : 1").is_token());
        assert_eq!(Block::of("").label(), "");
    }

    #[test]
    fn lists_are_compared_as_they_are() {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let renewed = LISTED.replace("10 10", "10 11");
        let moved = LISTED.replace("Signature", "Other name");
        let live = list(&[LISTED, "PIN [a]", "PIN [a]", "Data object 'x'"]);
        assert_eq!(changes(&live, &live), []);
        let shown = list(&[&renewed, "PIN [a]", "Private RSA Key [b]", "Data object 'x'"]);
        let told = changes(&live, &shown);
        let [Change::Other { .. }, Change::Hidden(hidden), Change::Ghost(ghost)] = told.as_slice() else {
            unreachable!("{told:?}")
        };
        assert_eq!((hidden.class(), ghost.class()), (ObjectClass::Pin, ObjectClass::PrivateKey));
        let other = list(&[&moved, "PIN [a]", "PIN [a]", "Data object 'x'"]);
        assert!(matches!(changes(&live, &other).as_slice(), [Change::Other { .. }]));
    }
}
