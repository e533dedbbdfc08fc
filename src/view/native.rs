//! A native PKCS#15 card as OpenSC's generic code (`pkcs15.c` and its `pkcs15-*.c`) lists it.
//!
//! EF.DIR, the object directory and TokenInfo are always the card's own: they are read before the
//! serial number is known by which a copy would be named. Directory files and what they name come from
//! the cache if they may. A directory file is walked entry by entry; the first that does not decode ends
//! it, and what came before stays.

mod key;
mod kinds;
mod list;
mod listing;
mod token;
mod unlisted;
mod whole;

use std::collections::BTreeMap;

use key::public_key;
pub use kinds::directory;
use kinds::{counted, named_by, sniff};
use list::List;
use token::{ANY_SIZE, Token};

use super::layout::Listing;
use super::objects::Draft;
use super::unlisted::Unlisted;
use super::{Behaviour, Class, Condition, Described, Layout, Named, Note, Object, Place, Read, Source, View};
use crate::card::application::{Application, EF_DIR};
use crate::card::family;
use crate::format::pkcs15::{self, Directory, FLAG_PRIVATE, KeyType, Zeros};
use crate::format::x509;
use crate::naming::Maker;
use crate::opensc::cache_name::{NotCached, Serial};
use crate::opensc::{CacheName, Version, differences};
use crate::snapshot::{Card, EfPath};
use crate::text::escape;

/// The driver whose cards have a profile that leaves lastUpdate alone.
const MY_EID: &str = "myeid";

/// The layout of a native PKCS#15 card.
pub struct Native;

impl Layout for Native {
    fn name(&self) -> &'static str {
        "PKCS#15 card"
    }

    fn decode(&self, card: &Card, source: &dyn Source, behaviour: Behaviour) -> View {
        let mut view = Draft::default();
        let Some(token) = Token::of(card) else { return view.view(&[]) };
        for (kind, file) in &token.directories {
            match source.read(*file, ANY_SIZE) {
                Read::Content(bytes) => {
                    let mut list = List {
                        application: &token.application,
                        source,
                        behaviour,
                        ef: *file,
                        view: &mut view,
                    };
                    pkcs15::directory(&bytes, behaviour.zeros_in_directories, |entry| list.add(*kind, entry));
                }
                Read::Absent | Read::Failed => {}
                Read::Unknown(why) => view.unknown.push((Place::whole(*file), why)),
            }
        }
        view.view(&[])
    }

    fn unlisted(&self, card: &Card, behaviour: Behaviour, live: &View) -> Vec<Unlisted> {
        unlisted::unlisted(card, behaviour, live)
    }

    fn cache_name(&self, card: &Card, version: Version, file: EfPath) -> Result<CacheName, NotCached> {
        let token = Token::of(card).ok_or(NotCached::NoSerial)?;
        let serial = self.serial_in_names(card, version).ok_or(NotCached::NoSerial)?;
        if [EF_DIR, token.application.odf, token.application.token_info].contains(&file) {
            return Err(NotCached::Version);
        }
        let serial = Serial::Text(serial.into_bytes());
        let last_update = token.last_update(card);
        let (date, counter) = (last_update.as_deref(), card.change_counter);
        CacheName::generate(version, &serial, date, counter, file.aid(), file.as_slice())
    }

    /// The card's own number is written in upper case by every version.
    fn serial_in_names(&self, card: &Card, version: Version) -> Option<String> {
        let serial = card.serial.as_ref()?;
        let is_kept = differences::token_info_serial_is_lower_case(version);
        Some(if is_kept { serial.clone() } else { serial.to_uppercase() })
    }

    fn buffer(&self, _file: EfPath) -> usize {
        ANY_SIZE
    }

    fn condition(&self, card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Condition {
        match card {
            _ if bytes.is_empty() => Condition::Empty,
            Some(card) => listing::Named::of(card).condition(file, bytes),
            None => Condition::Whole,
        }
    }

    fn is_listed(&self, card: &Card, file: EfPath) -> bool {
        listing::Named::of(card).is_listed(file)
    }

    fn listing<'c>(&self, card: &'c Card) -> Option<Box<dyn Listing + 'c>> {
        Some(Box::new(listing::Named::of(card)))
    }

    /// Of a card with several applications, read or not, only what is in the own directory is known to be one's own.
    fn is_surely_own(&self, card: &Card, file: EfPath) -> bool {
        let several = Application::all(card.content(EF_DIR)).len() > 1;
        !several || Application::of(card).is_some_and(|application| application.holds(file).is_some())
    }

    /// What is in an application's directory is its own; what is in none is everybody's.
    fn owns(&self, card: &Card, others: &[&Card], file: EfPath) -> bool {
        let depth = |card: &Card| Application::of(card).and_then(|application| application.holds(file));
        let beside = |other: &&&Card| other.is_beside(card) && other.serial == card.serial;
        let own = depth(card);
        others.iter().filter(beside).all(|other| depth(other) <= own)
    }

    fn describe(&self, card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Described {
        let plain = |words: String| Described { words, ..Described::default() };
        let kind = card.and_then(Token::of).and_then(|token| token.directory(file)).or_else(|| sniff(bytes));
        if let Some(kind) = kind {
            return plain(counted(kind, bytes));
        }
        if bytes.is_empty() {
            return plain(format!("file {file}: empty"));
        }
        if let Some(certificate) = x509::decode(bytes) {
            return Described {
                words: format!("certificate, {}", escape(certificate.subject().as_bytes())),
                key: Some(certificate.key),
                ..Described::default()
            };
        }
        match [KeyType::Rsa, KeyType::Ec].iter().find_map(|kind| public_key(*kind, bytes, true)) {
            Some(key) => Described {
                words: format!("public key, {}", key.describe()),
                key: Some(key),
                ..Described::default()
            },
            None => plain(format!("file {file}")),
        }
    }

    /// Directory files are known by their content here; the file that holds it does not tell.
    fn names(&self, file: EfPath, bytes: &[u8]) -> Vec<Named> {
        // The directory that a directory file is in stands for that of its application.
        let base = file.as_slice();
        let dir = [&[0x3F, 0x00], base.get(..base.len().saturating_sub(2)).unwrap_or_default()].concat();
        let aid = file.aid().unwrap_or_default();
        let Some(application) = Application::below(&dir, aid) else { return Vec::new() };
        sniff(bytes).map(|kind| named_by(kind, bytes, &application)).unwrap_or_default()
    }

    fn key_files(&self, card: &Card, file: EfPath, bytes: &[u8]) -> Vec<EfPath> {
        let mut files = Vec::new();
        if let Some(token) =
            Token::of(card).filter(|token| token.directory(file) == Some(Directory::PrivateKeys))
        {
            pkcs15::directory(bytes, Zeros::Skipped, |entry| {
                pkcs15::private_key(entry).map(|key| files.extend(token.application.file(&key.path)))
            });
        }
        files
    }

    fn may_be_private(&self, card: Option<&Card>, file: EfPath) -> bool {
        card.and_then(Token::of).is_none_or(|token| token.directory(file).is_none())
    }

    fn order(&self, object: &Object) -> (u8, u8, u8) {
        let rank = match object.class {
            Class::Pin(_) => 0,
            Class::PrivateKey { .. } => 1,
            Class::PublicKey { .. } => 2,
            Class::SecretKey(_) => 3,
            Class::Certificate { .. } => 4,
            Class::Data { .. } => 5,
        };
        (rank, 0, 0)
    }

    fn label(&self, card: &Card) -> Option<Vec<u8>> {
        Token::of(card)?.info?.label
    }

    fn maker(&self, card: &Card) -> Maker {
        let told = Token::of(card).and_then(|token| token.info?.manufacturer);
        Maker { manufacturer: told.filter(|name| !name.is_empty()), model: Some("PKCS#15"), elsewhere: None }
    }

    fn status(&self, card: &Card) -> BTreeMap<String, String> {
        let mut status = BTreeMap::new();
        if let Some(application) = &card.application {
            let aid = application.hex().to_uppercase();
            status.insert("application".to_owned(), format!("{aid} (pkcs15-tool --aid {aid})"));
        }
        if let Some(driver) = &card.driver {
            status.insert("driver".to_owned(), escape(driver.as_bytes()));
        }
        let Some(token) = Token::of(card) else { return status };
        if let Some(date) = token.last_update(card) {
            status.insert("last update".to_owned(), escape(date.as_bytes()));
        }
        if let Some(counter) = card.change_counter {
            status.insert("change counter".to_owned(), counter.to_string());
        }
        let manufacturer = token.info.and_then(|info| info.manufacturer);
        if let Some(name) = manufacturer.filter(|name| !name.is_empty()) {
            status.insert("manufacturer".to_owned(), escape(&name));
        }
        status
    }

    fn notes(&self, _card: &Card, _version: Option<Version>, live: &View) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut note =
            |what: String, why: &str| notes.push(Note { what, why: why.to_owned(), asked_for: false });
        let private = |object: &&Object| match &object.class {
            Class::Data { content: None, flags, .. }
            | Class::Certificate { certificate: None, flags, .. } => flags & FLAG_PRIVATE != 0,
            _ => false,
        };
        for object in live.objects.iter().filter(private) {
            note(
                format!("content of {} \"{}\" ({})", object.class.name(), escape(&object.label), object.ef),
                "private: it takes the PIN to read it from the card",
            );
        }
        notes
    }

    /// A directory is encoded anew from the objects in memory (`sc_pkcs15init_update_any_df`).
    fn is_written_from_view(&self, card: &Card, file: EfPath) -> bool {
        Token::of(card).is_some_and(|token| token.directory(file).is_some())
    }

    /// Zeros are nobody's number, and every card of the IsoApplet has two bytes of them.
    fn shared_identity(&self, card: &Card, _version: Version) -> Option<String> {
        let serial = card.serial.as_deref()?;
        let constant = serial.bytes().all(|digit| digit == b'0');
        constant.then(|| "it is the same for all cards of this kind".to_owned())
    }

    fn last_update(&self, card: &Card) -> Option<String> {
        Token::of(card)?.last_update(card)
    }

    /// By its counter; or by lastUpdate, which OpenSC moves with every change but on a MyEID, whatever driver
    /// reads that.
    fn is_listed_in_files(&self) -> bool {
        true
    }

    fn signals_change(&self, card: &Card, version: Version) -> bool {
        let dated = || Token::of(card).is_some_and(|token| token.last_update(card).is_some());
        if card.driver.as_deref() == Some(MY_EID) {
            card.change_counter.is_some() && differences::names_hold_counter(version)
        } else {
            dated() && family::of_atr(card.atr.as_slice()).driver != Some(MY_EID)
        }
    }
}
