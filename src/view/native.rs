//! A native PKCS#15 card as OpenSC's generic code (`pkcs15.c` and its `pkcs15-*.c`) lists it.
//!
//! EF.DIR, the object directory and TokenInfo are always the card's own: they are read before the
//! serial number is known by which a copy would be named. Directory files and what they name come from
//! the cache if they may. A directory file is walked entry by entry; the first that does not decode ends
//! it, and what came before stays.

mod list;
mod listing;
mod unlisted;
mod whole;

use std::collections::BTreeMap;

use list::List;
use whole::is_whole_directory;

use super::layout::Listing;
use super::unlisted::Unlisted;
use super::{
    Behaviour, Class, Condition, Described, Draft, Layout, Named, Note, Object, Place, Read, Source, View,
};
use crate::card::application::{Application, EF_DIR, links};
use crate::card::family;
use crate::format::key::PublicKey;
use crate::format::pkcs15::{self, Directory, FLAG_PRIVATE, KeyType, Path, TokenInfo, Zeros};
use crate::format::tlv::{self, Walk};
use crate::format::x509;
use crate::naming::Maker;
use crate::opensc::cache_name::{NotCached, Serial};
use crate::opensc::{CacheName, Version, differences};
use crate::snapshot::{Card, EfPath};
use crate::text::escape;

/// OpenSC takes memory as a file needs it.
const ANY_SIZE: usize = usize::MAX;

/// The driver whose cards have a profile that leaves lastUpdate alone.
const MY_EID: &str = "myeid";

/// What a card says of itself.
struct Token {
    application: Application,
    info: Option<TokenInfo>,
    directories: Vec<(Directory, EfPath)>,
}

impl Token {
    fn of(card: &Card) -> Option<Self> {
        let application = Application::of(card)?;
        let named = pkcs15::object_directory(card.content(application.odf)?).unwrap_or_default();
        let at = |(kind, path): (Directory, Path)| Some((kind, application.directory(&path)?));
        let directories = named.into_iter().filter_map(at).collect();
        let info = card.content(application.token_info).and_then(|bytes| pkcs15::token_info(bytes).ok());
        Some(Self { application, info, directories })
    }

    fn last_update(&self, card: &Card) -> Option<String> {
        let info = self.info.as_ref()?;
        let of_file = || {
            let file = self.application.directory(info.last_update_path.as_ref()?)?;
            match card.read(file, ANY_SIZE) {
                Read::Content(bytes) => Some(Walk::new(&bytes).ok()?.optional(0x18)?.to_vec()),
                Read::Absent | Read::Failed | Read::Unknown(_) => None,
            }
        };
        String::from_utf8(info.last_update.clone().or_else(of_file)?).ok()
    }

    fn directory(&self, file: EfPath) -> Option<Directory> {
        self.directories.iter().find(|(_, path)| *path == file).map(|(kind, _)| *kind)
    }

    /// All that the directories of a card name, each with the kind of directory.
    fn named(&self, card: &Card) -> Vec<(Directory, Named)> {
        let of_directory = |(kind, file): &(Directory, EfPath)| match card.read(*file, ANY_SIZE) {
            Read::Content(bytes) => named_by(*kind, &bytes, &self.application)
                .into_iter()
                .map(|named| (*kind, named))
                .collect::<Vec<_>>(),
            Read::Absent | Read::Failed | Read::Unknown(_) => Vec::new(),
        };
        self.directories.iter().flat_map(of_directory).collect()
    }
}

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

fn reference(reference: Option<i32>) -> Option<u8> {
    u8::try_from(reference?).ok()
}

/// The key in a public key's file, or in its description; `takes_bits`: its point may be a BIT STRING.
fn public_key(kind: KeyType, bytes: &[u8], takes_bits: bool) -> Option<PublicKey> {
    let spki = |bytes: &[u8]| PublicKey::from_spki(bytes).ok().map(|(key, _)| key);
    match (kind, bytes.first()?) {
        (KeyType::Rsa, 0x30) => {
            let mut numbers = Walk::new(tlv::first(bytes)?.value).ok()?;
            Some(PublicKey::rsa(numbers.optional(0x02)?, numbers.optional(0x02)?))
        }
        (KeyType::Ec, 0x30) => spki(bytes).filter(|key| matches!(key, PublicKey::Ec { .. })),
        // A point of which nothing says on what curve.
        (KeyType::Ec, 0x04) => Some(PublicKey::Other(tlv::first(bytes)?.raw.to_vec())),
        (KeyType::Ec, 0x03) if takes_bits => {
            let (_, point) = tlv::first(bytes)?.value.split_first()?;
            Some(PublicKey::Other(tlv::encode(0x04, point)))
        }
        _ => None,
    }
}

/// Its length in bits; of a bare point as many as half of it has.
fn bits(key: &PublicKey) -> usize {
    match key {
        PublicKey::Other(point) => tlv::first(point).map_or(0, |point| point.value.len() / 2 * 8),
        key => key.bits(),
    }
}

/// Does an entry of this kind of directory decode?
fn decodes(kind: Directory, entry: &[u8]) -> Result<(), tlv::TlvError> {
    match kind {
        Directory::PrivateKeys => pkcs15::private_key(entry).map(drop),
        Directory::PublicKeys => pkcs15::public_key(entry).map(drop),
        Directory::Certificates => pkcs15::certificate(entry).map(drop),
        Directory::Data => pkcs15::data_object(entry).map(drop),
        Directory::Authentication => pkcs15::pin(entry).map(drop),
        Directory::SecretKeys => pkcs15::secret_key(entry).map(drop),
    }
}

/// The tags of the entries that OpenSC lists of a kind of directory.
const fn listed_tags(kind: Directory) -> &'static [u32] {
    match kind {
        Directory::PrivateKeys | Directory::PublicKeys => &[0x30, 0xA0, 0xA4],
        Directory::SecretKeys => &[0x30, 0xA2, 0xA3, 0xA4],
        Directory::Certificates | Directory::Data | Directory::Authentication => &[0x30],
    }
}

/// All kinds of directories, the telling ones first.
const KINDS: [Directory; 6] = [
    Directory::Authentication,
    Directory::PublicKeys,
    Directory::PrivateKeys,
    Directory::SecretKeys,
    Directory::Certificates,
    Directory::Data,
];

/// What kind of directory file begins so. An RSA private key's entry passes for a public
/// one, which names no file it should not.
fn sniff(bytes: &[u8]) -> Option<Directory> {
    let first = tlv::first(bytes)?.raw;
    KINDS.into_iter().find(|kind| decodes(*kind, first).is_ok())
}

/// What kind of directory file it is, and how many entries it has; none if it is none.
#[must_use]
pub fn directory(bytes: &[u8]) -> Option<String> {
    sniff(bytes).map(|kind| counted(kind, bytes))
}

fn counted(kind: Directory, bytes: &[u8]) -> String {
    let mut count = 0_usize;
    pkcs15::directory(bytes, Zeros::End, |entry| decodes(kind, entry).map(|()| count += 1));
    format!("{}: {}", words(kind), crate::text::count(count, "entry", "entries"))
}

/// The files that a directory file names.
fn named_by(kind: Directory, bytes: &[u8], application: &Application) -> Vec<Named> {
    let at = |link: crate::card::application::Link| {
        Some(Named { file: application.file(&link.path)?, private: link.private, id: link.id })
    };
    links(kind, bytes).into_iter().filter_map(at).collect()
}

const fn words(kind: Directory) -> &'static str {
    match kind {
        Directory::PrivateKeys => "directory of private keys",
        Directory::PublicKeys => "directory of public keys",
        Directory::SecretKeys => "directory of secret keys",
        Directory::Certificates => "directory of certificates",
        Directory::Data => "directory of data objects",
        Directory::Authentication => "directory of PINs",
    }
}
