//! What only a family knows of its cards: the one door through which rules, listings and the
//! observation of caches ask for it.
//!
//! A family is one file beside this one with its decoder and its [`Layout`]. Nothing outside
//! asks which family a card is of.

use std::collections::BTreeMap;

use super::unlisted::Unlisted;
use super::{Behaviour, Object, Source, View};
use crate::format::key::PublicKey;
use crate::format::tlv;
use crate::naming::Maker;
use crate::opensc::cache_name::NotCached;
use crate::opensc::{CacheName, Version};
use crate::snapshot::{Card, EfPath};

/// Answers two questions of a [`Layout`] for one card.
pub trait Listing: Send + Sync {
    /// As [`Layout::is_listed`].
    fn is_listed(&self, file: EfPath) -> bool;

    /// As [`Layout::condition`].
    fn condition(&self, file: EfPath, bytes: &[u8]) -> Condition;
}

/// What a family knows of its cards.
pub trait Layout: Sync {
    /// Its name for people.
    fn name(&self) -> &'static str;

    /// Lists a card's objects as OpenSC would from these files.
    fn decode(&self, card: &Card, source: &dyn Source, behaviour: Behaviour) -> View;

    /// What the card holds and OpenSC lists nowhere, as far as the card shows it without a PIN.
    fn unlisted(&self, _card: &Card, _behaviour: Behaviour, _live: &View) -> Vec<Unlisted> {
        Vec::new()
    }

    /// What the card itself tells of the private key in this EF, beside its files.
    fn key_in(&self, _card: &Card, _ef: EfPath) -> KeyInPlace {
        KeyInPlace::Untold
    }

    /// The name under which a version of OpenSC looks for its copy of a file.
    ///
    /// # Errors
    /// [`NotCached`] if it never keeps one.
    fn cache_name(&self, card: &Card, version: Version, file: EfPath) -> Result<CacheName, NotCached>;

    /// The serial number as a version of OpenSC writes it into the names of its copies.
    fn serial_in_names(&self, card: &Card, _version: Version) -> Option<String> {
        card.serial.clone()
    }

    /// The size of the buffer into which OpenSC reads a file.
    fn buffer(&self, file: EfPath) -> usize;

    /// What the content of a file is as such, whatever the card holds. Without the card only what
    /// the file's place tells.
    fn condition(&self, card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Condition;

    /// Does the card list the object that this file belongs to? Files that no list decides about
    /// count as listed.
    fn is_listed(&self, card: &Card, file: EfPath) -> bool;

    /// The answers of [`Self::is_listed`] and [`Self::condition`] for many files of one card, in families where each of them takes to
    /// read its lists.
    fn listing<'c>(&self, _card: &'c Card) -> Option<Box<dyn Listing + 'c>> {
        None
    }

    /// Is this file of this application, if `others` hold further applications of the same card with the same
    /// serial number? Then names alone do not tell.
    fn owns(&self, _card: &Card, _others: &[&Card], _file: EfPath) -> bool {
        true
    }

    /// Can this file be no other application's of the same card, whether that was read or not?
    fn is_surely_own(&self, _card: &Card, _file: EfPath) -> bool {
        true
    }

    /// What a copy of a file holds, for a listing.
    fn describe(&self, card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Described;

    /// The reference of the key that this file belongs to, in families where its place tells that.
    fn key_of(&self, _file: EfPath) -> Option<u8> {
        None
    }

    /// The files that the content of this one names.
    fn names(&self, file: EfPath, bytes: &[u8]) -> Vec<Named>;

    /// The files of the private keys that the content of this one describes, in families whose keys are files.
    fn key_files(&self, _card: &Card, _file: EfPath, _bytes: &[u8]) -> Vec<EfPath> {
        Vec::new()
    }

    /// Must something say that this file is public before its content may be kept?
    fn may_be_private(&self, card: Option<&Card>, file: EfPath) -> bool;

    /// Does the card give this file only after a PIN, whatever its descriptions say?
    fn is_private(&self, _file: EfPath) -> bool {
        false
    }

    /// In which order people read objects.
    fn order(&self, object: &Object) -> (u8, u8, u8);

    /// The label of a card's token, if no cached file can change it.
    fn label(&self, card: &Card) -> Option<Vec<u8>>;

    /// The label of the token as a view of the card shows it: where it comes from files that are cached, it may be old.
    fn label_by_view(&self, card: &Card, _view: &View) -> Vec<u8> {
        self.label(card).unwrap_or_default()
    }

    /// The label of a card's token as whoever reads these files shows it, and the file that it comes from, in families whose
    /// label is in a file that OpenSC caches.
    fn label_in(&self, _card: &Card, _source: &dyn Source) -> Option<(Vec<u8>, EfPath)> {
        None
    }

    /// Who made the token, as OpenSC's PKCS#11 module tells it.
    fn maker(&self, _card: &Card) -> Maker {
        Maker { model: Some("PKCS#15 emulated"), ..Maker::default() }
    }

    /// The label of the PIN with this authentication ID, on cards of which no PINs are listed. "PIN" and none are the same.
    fn pin_label(&self, _auth_id: &[u8]) -> Option<&'static str> {
        None
    }

    /// OpenSC's name of what makes a PKCS#15 token of such a card, which has no files for that.
    fn emulation(&self) -> Option<&'static str> {
        None
    }

    /// The labels of two tokens, if a card is one for the user's PIN and another one for that of signatures.
    fn signature_pin(&self) -> Option<[&'static str; 2]> {
        None
    }

    /// Where its serial number comes from, in words.
    fn serial_source(&self) -> &'static str {
        "serial number"
    }

    /// Facts about a card for the head of a report, by name.
    fn status(&self, card: &Card) -> BTreeMap<String, String>;

    /// What of these facts can be counted, by name.
    fn numbers(&self, card: &Card) -> BTreeMap<&'static str, u32> {
        card.change_counter.map(|counter| ("change_counter", u32::from(counter))).into_iter().collect()
    }

    /// What else could not be told of a card, beside what the views do not know.
    fn notes(&self, card: &Card, version: Option<Version>, live: &View) -> Vec<Note>;

    /// The file with the certificate request for the key in this EF, in families that keep one.
    fn request(&self, _slot: EfPath) -> Option<EfPath> {
        None
    }

    /// The file with the certificate of the key by which a device vouches for the keys it makes, in families that have one.
    fn device_certificate(&self) -> Option<EfPath> {
        None
    }

    /// Is a private key the device's own, and none of its user's?
    fn is_device_key(&self, _key: &Object) -> bool {
        false
    }

    /// What the name of a cache entry tells of a card that was not read: whose it is, and what its list has.
    fn unread(&self, _name: &CacheName) -> Option<Card> {
        None
    }

    /// Does the name of a cache entry tell that OpenSC keeps to it, whatever becomes of the card's content?
    fn is_frozen(&self, _name: &CacheName) -> bool {
        false
    }

    /// Are the lists of its objects files that `pkcs15-init` reads, adds to and writes back?
    fn is_listed_in_files(&self) -> bool {
        false
    }

    /// Are IDs kept on the card, so that a key can come by another one? Else they belong to the place of a key.
    fn keeps_ids(&self) -> bool {
        true
    }

    /// Is a certificate all that tells of a key, so that nothing on the card says whose it is?
    fn knows_keys_by_certificate(&self) -> bool {
        false
    }

    /// Does the card work out a public key from the private one whenever it is asked, so that what it answers is right?
    fn computes_public_keys(&self) -> bool {
        false
    }

    /// Does OpenSC write this file anew, out of all that it shows, when it writes something of its kind?
    fn is_written_from_view(&self, _card: &Card, _file: EfPath) -> bool {
        false
    }

    /// Its serial number as a version puts it into cache file names, if that is not what the card was read with.
    fn serial(&self, card: &Card, _version: Version) -> Option<String> {
        card.serial.clone()
    }

    /// Why other cards have the same cache file names as this one for a version, if they have.
    fn shared_identity(&self, _card: &Card, _version: Version) -> Option<String> {
        None
    }

    /// When the card says that it was changed last (a GeneralizedTime), in families that keep such a date.
    fn last_update(&self, _card: &Card) -> Option<String> {
        None
    }

    /// Does a card itself say, when its content changes, that cached copies are void?
    fn signals_change(&self, card: &Card, version: Version) -> bool;
}

/// What a card itself tells of a private key in some place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyInPlace {
    /// Nothing: it tells of no keys, or did not of this one.
    Untold,
    /// There is none.
    None,
    /// This.
    Told(KeyFacts),
}

/// What a card tells of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    /// Its public half, which is the true one; none if its kind is not known here.
    pub public: Option<PublicKey>,
    /// Where it was made, and what its use takes, each in a few words.
    pub words: Vec<String>,
}

/// What the bytes of an entry are as such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: OpenSC's mark for a file that it did not find.
    Empty,
    /// One whole element of the right kind.
    Whole,
    /// A whole element, and so many bytes in which further whole elements stand: what was appended to it. What a card
    /// itself leaves behind an element, padding or the tail of a longer one, is none.
    Trailing(usize),
    /// Not what this file should hold.
    Undecodable,
}

impl Condition {
    /// Of a file that holds one element, which decodes or not.
    #[must_use]
    pub fn of_element(bytes: &[u8], decodes: bool) -> Self {
        match tlv::first(bytes).map(|element| element.rest) {
            Some(rest) if decodes && are_elements(rest) => Self::Trailing(rest.len()),
            Some(_) if decodes => Self::Whole,
            Some(_) | None => Self::Undecodable,
        }
    }
}

/// Whole elements from the first byte to the last, one at least.
fn are_elements(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(element) =
        tlv::first(rest).filter(|element| !matches!(element.raw.first(), Some(0 | 0xFF)))
    {
        rest = element.rest;
    }
    !bytes.is_empty() && rest.is_empty()
}

/// What a file holds, for a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// In words; text is escaped.
    pub words: String,
    /// ID of the key or certificate.
    pub id: Option<Vec<u8>>,
    /// Label.
    pub label: Option<Vec<u8>>,
    /// The public key in it.
    pub key: Option<PublicKey>,
}

/// A file that the content of another one names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Where it is.
    pub file: EfPath,
    /// Is it said to be private?
    pub private: bool,
    /// The ID of its object; empty if it has none.
    pub id: Vec<u8>,
}

/// Something that could not be told of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Of what.
    pub what: String,
    /// Why.
    pub why: String,
    /// Does it leave open what was asked?
    pub asked_for: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    /// What only these rooms may know: what a family is called, and what its files are.
    const BEHIND_THE_WALL: [&str; 7] =
        ["view", "card", "format", "opensc", "crypto", "snapshot", "snapshot.rs"];

    /// What nobody else says in code. An observation asks what a card is to be read as ([`crate::card::family`]), and
    /// does not say it.
    const FAMILIES: [&str; 11] = [
        "family::smartcardhsm",
        "family::pkcs15",
        "family::piv",
        "family::openpgp",
        "family::other",
        "sc_hsm",
        "sc-hsm",
        "schsm",
        "piv-ii",
        "myeid",
        "isoapplet",
    ];
    /// Modules of families, and numbers of a SmartCard-HSM's files.
    const PLACES: [&str; 9] = [
        "::piv",
        "::openpgp",
        "::native",
        "\"piv\"",
        "\"openpgp\"",
        "smartcard-hsm",
        "0xcc",
        "0x2f0",
        " 2f0",
    ];

    #[test]
    fn nobody_in_front_of_the_wall_names_a_family() {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        let mut files = 0;
        for entry in walkdir::WalkDir::new(source) {
            let path = entry.unwrap().into_path();
            let below = path.strip_prefix(source).unwrap();
            let room = below.iter().next().unwrap_or_default().to_str().unwrap();
            if path.is_dir() || BEHIND_THE_WALL.contains(&room) {
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            // Comments are for people, and manuals speak of cards by name.
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                let line = line.to_ascii_lowercase();
                let named = FAMILIES.iter().chain(&PLACES).find(|word| line.contains(*word));
                assert_eq!(named, None, "{}: {line}", below.display());
            }
        }
        assert!(files > 90, "{files}");
    }

    /// A family that is new is met by the compiler wherever one is told from another: no arm is for whatever else there
    /// may be.
    #[test]
    fn no_match_on_a_family_has_an_arm_for_the_others() {
        let mut matches = 0;
        for entry in walkdir::WalkDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")) {
            let path = entry.unwrap().into_path();
            if path.is_dir() {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let mut lines = text.lines();
            while let Some(head) = lines.by_ref().find(|line| line.ends_with("family {")) {
                if !head.contains("match ") {
                    continue;
                }
                matches += 1;
                let indent = head.len() - head.trim_start().len();
                let arms = lines.by_ref().take_while(|line| line.len() - line.trim_start().len() > indent);
                for arm in arms.filter(|line| line.len() - line.trim_start().len() == indent + 4) {
                    assert!(!arm.trim_start().starts_with("_ "), "{}: {head} {arm}", path.display());
                }
            }
        }
        // How it is read, how it signs and by what plan, how it is listed.
        assert_eq!(matches, 4);
    }
}
