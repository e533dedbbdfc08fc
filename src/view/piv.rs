//! A PIV card as OpenSC's `PIV-II` emulation (`pkcs15-piv.c`) lists it.
//!
//! A key is listed if the certificate of its slot can be read, and what is said of the key
//! is taken from that certificate: one stale file, and type, size, usage and public key are the old
//! ones. Which retired keys are looked at says the key history, which OpenSC always reads from the
//! card. The data objects are listed with what stands around the certificates, a second copy.

mod data;
mod key;
mod slots;
mod unlisted;

use std::collections::BTreeMap;

use super::objects::Draft;
use super::unlisted::Unlisted;
use super::{
    Behaviour, Class, Condition, Described, FILE_BUFFER, KeyInPlace, Layout, Named, Note, Object, Place,
    Read, Source, View,
};
use crate::format::piv::{self, MESSAGING, Slot};
use crate::format::x509::{self, Certificate};
use crate::naming::Maker;
use crate::opensc::cache_name::{NotCached, Serial};
use crate::opensc::{CacheName, Version};
use crate::snapshot::{Card, EfPath};
use crate::text::escape;
use slots::{PIN, chuid, history, id, key_in, serial, slots};

/// The layout of a PIV card.
pub struct Piv;

impl Layout for Piv {
    fn name(&self) -> &'static str {
        "PIV card"
    }

    fn decode(&self, card: &Card, source: &dyn Source, behaviour: Behaviour) -> View {
        let mut view = Draft::default();
        for slot in slots(card).filter(|slot| behaviour.lists_messaging || *slot != MESSAGING) {
            if let Err(why) = key::list(&mut view, card, slot, source, behaviour) {
                view.unknown.push((Place::whole(slot.object()), why));
            }
        }
        data::list(&mut view, card, source, behaviour);
        view.view(&[PIN])
    }

    fn unlisted(&self, card: &Card, behaviour: Behaviour, live: &View) -> Vec<Unlisted> {
        unlisted::unlisted(card, behaviour, live)
    }

    fn key_in(&self, card: &Card, ef: EfPath) -> KeyInPlace {
        key_in(card, ef)
    }

    fn cache_name(&self, card: &Card, version: Version, file: EfPath) -> Result<CacheName, NotCached> {
        let serial = serial(card, version).into_bytes();
        CacheName::generate(version, &Serial::Text(serial), None, None, None, file.as_slice())
    }

    fn serial_in_names(&self, card: &Card, version: Version) -> Option<String> {
        Some(serial(card, version))
    }

    fn buffer(&self, _file: EfPath) -> usize {
        FILE_BUFFER
    }

    fn condition(&self, _card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Condition {
        if bytes.is_empty() {
            return Condition::Empty;
        }
        let is_certificate = Slot::of(file).is_some_and(|slot| slot.certificate() == file);
        let decodes =
            if is_certificate { x509::decode(bytes).is_some() } else { piv::content(bytes).is_some() };
        Condition::of_element(bytes, decodes)
    }

    fn is_listed(&self, card: &Card, file: EfPath) -> bool {
        Slot::of(file).is_none_or(|slot| slots(card).any(|known| known == slot))
    }

    fn describe(&self, _card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Described {
        let Some(slot) = Slot::of(file) else {
            let words = data::name(file).map_or_else(|| format!("file {file}"), str::to_owned);
            return Described { words, ..Described::default() };
        };
        let words = match slot.reference {
            0 => "certificate for secure messaging".to_owned(),
            reference => format!("certificate of slot {reference:02X}"),
        };
        let found = if slot.certificate() == file {
            x509::decode(bytes)
        } else {
            piv::certificate(bytes).ok().flatten().and_then(|certificate| x509::decode(&certificate))
        };
        match found {
            Some(certificate) => Described {
                words: format!("{words}, {}", escape(certificate.subject().as_bytes())),
                id: Some(vec![id(slot)]),
                key: Some(certificate.key),
                ..Described::default()
            },
            None => Described { words: format!("{words}: not a certificate"), ..Described::default() },
        }
    }

    fn names(&self, _file: EfPath, _bytes: &[u8]) -> Vec<Named> {
        Vec::new()
    }

    fn may_be_private(&self, _card: Option<&Card>, file: EfPath) -> bool {
        let is_public = |object: &piv::Object| EfPath::at(object.container) == file;
        Slot::of(file).is_none() && !piv::PUBLIC.iter().any(is_public)
    }

    fn is_private(&self, file: EfPath) -> bool {
        data::is_behind_pin(file)
    }

    /// Keys first, by number.
    fn order(&self, object: &Object) -> (u8, u8, u8) {
        let number = Slot::of(object.ef).map_or(u8::MAX, id);
        (u8::from(!object.part.is_of_key()), number, 0)
    }

    fn label(&self, card: &Card) -> Option<Vec<u8>> {
        Some(self.label_in(card, card)?.0)
    }

    fn maker(&self, _card: &Card) -> Maker {
        Maker {
            manufacturer: Some(b"piv_II".to_vec()),
            model: Some("PKCS#15 emulated"),
            elsewhere: Some(("Yubico", "YubiKey")),
        }
    }

    /// The name on the first certificate.
    fn label_in(&self, card: &Card, source: &dyn Source) -> Option<(Vec<u8>, EfPath)> {
        let first = slots(card).find_map(|slot| match source.read(slot.certificate(), FILE_BUFFER) {
            Read::Content(bytes) => Some((x509::decode(&bytes)?, slot.certificate())),
            Read::Absent | Read::Failed | Read::Unknown(_) => None,
        });
        let (certificate, file) = first?;
        Some((certificate.common_name().unwrap_or_else(|| b"PIV_II".to_vec()), file))
    }

    fn label_by_view(&self, _card: &Card, view: &View) -> Vec<u8> {
        let first = view.objects.iter().find_map(|object| match &object.class {
            Class::Certificate { certificate, .. } => certificate.as_ref(),
            _ => None,
        });
        first.and_then(Certificate::common_name).unwrap_or_else(|| b"PIV_II".to_vec())
    }

    fn emulation(&self) -> Option<&'static str> {
        Some("PIV-II")
    }

    fn status(&self, _card: &Card) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn notes(&self, card: &Card, _version: Option<Version>, live: &View) -> Vec<Note> {
        let (_, elsewhere) = history(card);
        let note = |what: String, why: &str| Note { what, why: why.to_owned(), asked_for: false };
        let off_card = (elsewhere > 0).then(|| {
            note(
                format!("{elsewhere} certificates of retired keys"),
                "the card says that they are kept elsewhere, as files that the user puts into the cache directory",
            )
        });
        // Somebody who sees no key at all may have made one.
        let is_silent = card.keys.is_none() && live.private_keys().next().is_none();
        let bare = is_silent.then(|| {
            note(
                "keys without a certificate".to_owned(),
                "OpenSC lists no key of such a card without one, and this card does not tell which keys it has",
            )
        });
        off_card.into_iter().chain(bare).collect()
    }

    fn keeps_ids(&self) -> bool {
        false
    }

    fn knows_keys_by_certificate(&self) -> bool {
        true
    }

    fn serial(&self, card: &Card, version: Version) -> Option<String> {
        Some(serial(card, version))
    }

    fn shared_identity(&self, card: &Card, version: Version) -> Option<String> {
        if serial(card, version).bytes().any(|digit| digit != b'0') {
            return None;
        }
        let has_guid = piv::serial(&chuid(card), true).is_some();
        let why = if has_guid {
            "its FASC-N is zeros, as that of many cards, and this version of OpenSC does not look at the GUID beside it"
        } else {
            "it has no CHUID that tells it from others, and every such card counts as this one"
        };
        Some(why.to_owned())
    }

    /// Nothing on such a card ever changes the names of cache files.
    fn signals_change(&self, _card: &Card, _version: Version) -> bool {
        false
    }
}
