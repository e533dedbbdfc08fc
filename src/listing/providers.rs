//! What other PKCS#11 modules list of the tokens, beside what is on the cards: the same key under another ID or label,
//! another key or certificate than the card's, what is missing.
//!
//! An object is told by its public key: serial numbers and labels of tokens, slots and IDs are what modules call things,
//! each in its own way. Beside it stands what the card has, under the names that OpenSC's own module gives it.

use std::collections::BTreeSet;

use super::provided::{OnCard, ProvidedObject, ProvidedState, ProvidedToken, ProviderListing};
use crate::case::asked::AskedCase;
use crate::case::asked_blocks::Block;
use crate::case::asked_content::certificates;
use crate::case::token::Case;
use crate::case::tokens::Tokens;
use crate::crypto::same_form;
use crate::finding::ObjectClass;
use crate::format::key::PublicKey;
use crate::format::x509::{self, Certificate};
use crate::naming::{Maker, Names, TokenNames};
use crate::snapshot::{Provider, ProviderClass, ProviderObject};
use crate::text::{escape, hex};
use crate::view::{Class, Object, View, pkcs11};

/// What these modules list.
#[must_use]
pub fn providers(tokens: &Tokens<'_>) -> Vec<ProviderListing> {
    let modules = &tokens.snapshot.providers;
    if modules.is_empty() {
        return Vec::new();
    }
    let shelf = Shelf::of(tokens);
    modules.iter().map(|module| shelf.listing(module)).collect()
}

/// All that the objects and the missing of a listing go by, in their order: each by its own names and by the card's.
#[must_use]
pub fn names(listing: &ProviderListing) -> Vec<Names> {
    let own = listing.tokens.iter().flat_map(|token| token.objects.iter().map(move |object| (token, object)));
    let own = own.map(|(token, object)| {
        let card = object.card.as_ref();
        let ids = [Some(&object.id), card.and_then(|card| card.id.as_ref())];
        let labels = [Some(&object.label), card.and_then(|card| card.label.as_ref())];
        Names {
            what: format!(
                "{} \"{}\", ID {} of token {} in {}",
                object.class.words(),
                object.label,
                object.id,
                token.serial,
                listing.module
            ),
            ids: ids.into_iter().flatten().filter_map(|id| bytes(id)).collect(),
            labels: labels.into_iter().flatten().cloned().collect(),
            words: object.public_key.iter().cloned().collect(),
            token: TokenNames {
                serial: card.map_or_else(|| token.serial.clone(), |card| card.token.clone()),
                labels: vec![token.label.clone()],
                maker: Some(Maker::default()),
            },
            ..Names::default()
        }
    });
    let missing = listing.missing.iter().map(|card| Names {
        what: format!("{} of token {}", card.class.words(), card.token),
        ids: card.id.iter().filter_map(|id| bytes(id)).collect(),
        labels: card.label.iter().cloned().collect(),
        words: card.public_key.iter().cloned().collect(),
        token: TokenNames { serial: card.token.clone(), labels: Vec::new(), maker: Some(Maker::default()) },
        ..Names::default()
    });
    own.chain(missing).collect()
}

fn bytes(id: &str) -> Option<Vec<u8>> {
    data_encoding::HEXLOWER.decode(id.as_bytes()).ok().filter(|id| !id.is_empty())
}

type Fingerprint = [u8; 32];

/// Something on a card.
struct Known {
    told: OnCard,
    key: Option<Fingerprint>,
    certificate: Option<Vec<u8>>,
}

/// All that is on the cards, and what caches show that is not.
struct Shelf {
    known: Vec<Known>,
    shown_keys: BTreeSet<Fingerprint>,
    shown_certificates: BTreeSet<Vec<u8>>,
    is_read: bool,
}

fn fingerprint(key: &PublicKey) -> Fingerprint {
    same_form(key).fingerprint()
}

impl Shelf {
    fn of(tokens: &Tokens<'_>) -> Self {
        let mut shelf = Self {
            known: Vec::new(),
            shown_keys: BTreeSet::new(),
            shown_certificates: BTreeSet::new(),
            is_read: false,
        };
        for case in &tokens.cases {
            shelf.is_read = true;
            shelf.read(case);
        }
        for case in AskedCase::all(tokens).filter(|case| !case.is_unstable) {
            shelf.is_read = true;
            shelf.asked(&case);
        }
        shelf
    }

    /// What is on a card that is read here.
    fn read(&mut self, case: &Case<'_>) {
        let token = escape(case.serial.as_bytes());
        let mut add =
            |class, id: &[u8], label: &[u8], key: Option<&PublicKey>, certificate: Option<&Certificate>| {
                let key = key.map(fingerprint);
                let told = OnCard {
                    token: token.clone(),
                    class,
                    id: Some(hex(id)),
                    label: Some(escape(label)),
                    public_key: key.map(|key| hex(&key)),
                };
                self.known.push(Known { told, key, certificate: certificate.map(|one| one.der.clone()) });
            };
        let items = pkcs11::project(&case.live);
        for item in &items {
            let Some(class) = class(item.object) else { continue };
            let class = if item.from_certificate { ProviderClass::PublicKey } else { class };
            let certificate = certificate(item.object).filter(|_| !item.from_certificate);
            let key = item.lent.or_else(|| public_key(&case.live, item.object));
            add(class, &item.object.id, &item.label, key, certificate);
        }
        let places: BTreeSet<_> = items.iter().map(|item| item.object.place()).collect();
        for object in case.live.objects.iter().filter(|object| !places.contains(&object.place())) {
            let Some(class) = class(object) else { continue };
            add(class, &object.id, &object.label, public_key(&case.live, object), certificate(object));
        }
        for unlisted in &case.unlisted {
            let Some(key) = unlisted.key.as_ref().map(fingerprint) else { continue };
            let is_certificate = unlisted.class == ObjectClass::Certificate;
            let told = OnCard {
                token: token.clone(),
                class: if is_certificate { ProviderClass::Certificate } else { ProviderClass::PrivateKey },
                id: None,
                label: None,
                public_key: Some(hex(&key)),
            };
            self.known.push(Known { told, key: Some(key), certificate: None });
        }
        for object in case.cache_views.iter().flat_map(|cache| cache.shown.objects.iter()) {
            self.shown_keys.extend(object.public_key().map(fingerprint));
            self.shown_certificates.extend(certificate(object).map(|certificate| certificate.der.clone()));
        }
    }

    /// What OpenSC lists of a card that is not: keys are known as far as their certificates are.
    fn asked(&mut self, case: &AskedCase<'_>) {
        let listed = certificates(case);
        for block in case.objects() {
            let class = match block.class() {
                ObjectClass::PrivateKey => ProviderClass::PrivateKey,
                ObjectClass::PublicKey => ProviderClass::PublicKey,
                ObjectClass::Certificate => ProviderClass::Certificate,
                ObjectClass::SecretKey => ProviderClass::SecretKey,
                ObjectClass::Pin
                | ObjectClass::Data
                | ObjectClass::Hidden
                | ObjectClass::Other
                | ObjectClass::Token => continue,
            };
            let is_of_it = |other: Block<'_>| match class {
                ProviderClass::Certificate => other == block,
                _ => block.id().is_some() && other.id() == block.id(),
            };
            let certificate = listed.iter().find(|listed| is_of_it(listed.block)).map(|one| &one.certificate);
            let key = certificate.map(|certificate| fingerprint(&certificate.key));
            let told = OnCard {
                token: case.serial.clone(),
                class,
                id: block.id(),
                label: Some(block.label()),
                public_key: key.map(|key| hex(&key)),
            };
            let own = certificate.filter(|_| class == ProviderClass::Certificate);
            self.known.push(Known { told, key, certificate: own.map(|one| one.der.clone()) });
        }
        for cache in &case.caches {
            for one in &listed {
                if let Some(shown) = cache.certificate_at(one.ef, &one.certificate) {
                    self.shown_keys.insert(fingerprint(&shown.key));
                    self.shown_certificates.insert(shown.der.clone());
                }
            }
        }
    }

    fn listing(&self, provider: &Provider) -> ProviderListing {
        let tokens: Vec<ProvidedToken> = provider
            .tokens
            .iter()
            .map(|token| ProvidedToken {
                slot: token.slot,
                reader: escape(token.reader.as_bytes()),
                label: escape(token.label.as_bytes()),
                serial: escape(token.serial.as_bytes()),
                objects: token.objects.iter().map(|object| self.object(object)).collect(),
            })
            .collect();
        let listed = tokens.iter().flat_map(|token| &token.objects);
        let mut seen: BTreeSet<String> = listed.filter_map(|object| object.public_key.clone()).collect();
        // What OpenSC lists nowhere is told elsewhere; and of each key once.
        let is_missing = |known: &&Known| {
            known.told.id.is_some()
                && known.told.public_key.as_ref().is_some_and(|key| seen.insert(key.clone()))
        };
        let missing = self.known.iter().filter(is_missing).map(|known| known.told.clone()).collect();
        ProviderListing {
            module: provider.module.to_string(),
            library: provider.library.as_deref().map(|library| escape(library.as_bytes())),
            tokens,
            missing,
        }
    }

    fn object(&self, object: &ProviderObject) -> ProvidedObject {
        let certificate =
            object.certificate.as_ref().and_then(|certificate| x509::decode(certificate.as_slice()));
        let key = object.key.as_ref().and_then(|key| PublicKey::from_spki(key.as_slice()).ok());
        let key = key.map(|(key, _)| same_form(&key));
        let print = key.as_ref().map(PublicKey::fingerprint);
        let der = certificate.as_ref().map(|certificate| certificate.der.as_slice());
        let (id, label) = (hex(object.id.as_slice()), escape(&object.label.0));
        let (state, differs, card) = self.compared(object.class, &id, &label, print, der);
        ProvidedObject {
            class: object.class,
            id,
            label,
            key: key.as_ref().map(PublicKey::describe),
            public_key: print.map(|print| hex(&print)),
            certificate_serial: certificate.map(|certificate| hex(&certificate.serial)),
            state,
            differs,
            card: card.map(|known| known.told.clone()),
        }
    }

    /// How something stands to what is on the cards.
    fn compared(
        &self,
        class: ProviderClass,
        id: &str,
        label: &str,
        key: Option<Fingerprint>,
        certificate: Option<&[u8]>,
    ) -> (ProvidedState, Vec<&'static str>, Option<&Known>) {
        let (Some(key), true) = (key, self.is_read) else {
            return (ProvidedState::NotCompared, Vec::new(), None);
        };
        let same_key: Vec<&Known> = self.known.iter().filter(|known| known.key == Some(key)).collect();
        let differs = |known: &&Known| -> Vec<&'static str> {
            // Of an object of another class only the ID can be the same.
            let names = [
                ("id", known.told.id.as_deref().is_some_and(|own| own != id)),
                (
                    "label",
                    known.told.class == class && known.told.label.as_deref().is_some_and(|own| own != label),
                ),
            ];
            names.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
        };
        let nearest = |all: &[&'_ Known]| -> Option<usize> {
            let order =
                |known: &Known| (known.told.class != class, known.told.id.is_none(), differs(&known).len());
            (0..all.len()).min_by_key(|&at| all.get(at).map(|known| order(known)))
        };
        if let Some(known) = nearest(&same_key).and_then(|at| same_key.get(at).copied()) {
            let of_certificate = || same_key.iter().filter(|known| known.certificate.is_some());
            let is_other = certificate.is_some_and(|own| {
                of_certificate().count() > 0
                    && of_certificate().all(|known| known.certificate.as_deref() != Some(own))
            });
            let differs = differs(&known);
            let state = match () {
                () if is_other && certificate.is_some_and(|own| self.shown_certificates.contains(own)) => {
                    ProvidedState::Stale
                }
                () if is_other => ProvidedState::OtherCertificate,
                () if differs.is_empty() => ProvidedState::Same,
                () => ProvidedState::OtherName,
            };
            return (state, differs, Some(known));
        }
        let has_id = |known: &&Known| !id.is_empty() && known.told.id.as_deref() == Some(id);
        let under_id: Vec<&Known> = self.known.iter().filter(has_id).collect();
        let card = nearest(&under_id).and_then(|at| under_id.get(at).copied());
        let is_other = card.is_some_and(|known| known.key.is_some());
        let state = match () {
            () if self.shown_keys.contains(&key) => ProvidedState::Stale,
            () if is_other => ProvidedState::OtherKey,
            () => ProvidedState::NotOnCard,
        };
        (state, Vec::new(), card)
    }
}

const fn class(object: &Object) -> Option<ProviderClass> {
    match object.class {
        Class::PrivateKey { .. } => Some(ProviderClass::PrivateKey),
        Class::PublicKey { .. } => Some(ProviderClass::PublicKey),
        Class::Certificate { .. } => Some(ProviderClass::Certificate),
        Class::SecretKey(_) => Some(ProviderClass::SecretKey),
        Class::Data { .. } | Class::Pin(_) => None,
    }
}

/// Its public key; of a private key the one that is named for it.
fn public_key<'v>(view: &'v View, object: &'v Object) -> Option<&'v PublicKey> {
    let named = || view.named_for(object).find_map(Object::public_key);
    object.public_key().or_else(|| object.is_private_key().then(named).flatten())
}

const fn certificate(object: &Object) -> Option<&Certificate> {
    match &object.class {
        Class::Certificate { certificate, .. } => certificate.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: Option<&str>, label: &str, key: u8, certificate: Option<&[u8]>) -> Known {
        let class = if certificate.is_some() { ProviderClass::Certificate } else { ProviderClass::PublicKey };
        let told = OnCard {
            token: "T".to_owned(),
            class,
            id: id.map(str::to_owned),
            label: id.map(|_| label.to_owned()),
            public_key: Some(hex(&[key; 32])),
        };
        Known { told, key: Some([key; 32]), certificate: certificate.map(<[u8]>::to_vec) }
    }

    /// A card with a key and its certificate, and a key that OpenSC lists nowhere; a cache with one that is gone.
    fn shelf() -> Shelf {
        Shelf {
            known: vec![
                known(Some("01"), "key", 1, None),
                known(Some("01"), "certificate", 1, Some(b"new")),
                known(None, "", 2, None),
            ],
            shown_keys: BTreeSet::from([[1; 32], [9; 32]]),
            shown_certificates: BTreeSet::from([b"new".to_vec(), b"cached".to_vec()]),
            is_read: true,
        }
    }

    fn compared(id: &str, label: &str, key: u8) -> (ProvidedState, Vec<&'static str>) {
        let shelf = shelf();
        let (state, differs, _) = shelf.compared(ProviderClass::PublicKey, id, label, Some([key; 32]), None);
        (state, differs)
    }

    #[test]
    fn the_same_key_is_known_under_any_name() {
        assert_eq!(compared("01", "key", 1), (ProvidedState::Same, vec![]));
        assert_eq!(compared("0a", "key", 1), (ProvidedState::OtherName, vec!["id"]));
        assert_eq!(compared("01", "x", 1), (ProvidedState::OtherName, vec!["label"]));
        assert_eq!(compared("0a", "x", 1), (ProvidedState::OtherName, vec!["id", "label"]));
        // What OpenSC lists nowhere has no name to differ from.
        assert_eq!(compared("19", "x", 2), (ProvidedState::Same, vec![]));
    }

    #[test]
    fn another_key_is_told_by_where_it_is() {
        assert_eq!(compared("01", "key", 9).0, ProvidedState::Stale);
        assert_eq!(compared("01", "key", 8).0, ProvidedState::OtherKey);
        assert_eq!(compared("02", "key", 8).0, ProvidedState::NotOnCard);
        let shelf = Shelf { is_read: false, ..shelf() };
        let of = |key| shelf.compared(ProviderClass::PublicKey, "01", "key", key, None).0;
        assert_eq!((of(Some([1; 32])), of(None)), (ProvidedState::NotCompared, ProvidedState::NotCompared));
    }

    #[test]
    fn another_certificate_of_the_same_key_is_no_other_name() {
        let shelf = shelf();
        let of = |bytes: &[u8]| {
            shelf.compared(ProviderClass::Certificate, "01", "certificate", Some([1; 32]), Some(bytes)).0
        };
        assert_eq!(of(b"new"), ProvidedState::Same);
        assert_eq!(of(b"cached"), ProvidedState::Stale);
        assert_eq!(of(b"other"), ProvidedState::OtherCertificate);
    }
}
