//! What OpenSC's PKCS#11 module calls its tokens and objects: `CK_TOKEN_INFO` and `CKA_LABEL`, as PKCS#11 URIs (RFC 7512)
//! that `p11tool`, libp11, pkcs11-provider and others take.
//!
//! As watched with 0.23: the label of a token is the card's with the label of the PIN in brackets behind it, unless that
//! is "PIN" or none; of 32 bytes in all the PIN's come first, and where fewer than four would be left for the card's, the
//! PIN's stand alone. The serial number is the last 16 characters of the card's.

use std::collections::BTreeMap;

use super::pkcs11::{Item, pins, tokens};
use super::{Class, Layout, Object, Place, View};
use crate::naming::uri::{SERIAL_LENGTH, Type, Uri};
use crate::snapshot::Card;

/// Room for a label in `CK_TOKEN_INFO`.
const LABEL_LENGTH: usize = 32;

/// What is left of the card's label at least, and what stands around the PIN's.
const LEAST: usize = "L... ()".len();

/// The names of a card's tokens and objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleNames {
    /// The label of each token.
    pub tokens: Vec<Vec<u8>>,
    /// The URI of each object that is listed.
    pub uris: BTreeMap<Place, Uri>,
}

impl ModuleNames {
    /// Of a view of a card.
    #[must_use]
    pub fn of(card: &Card, layout: &dyn Layout, view: &View) -> Self {
        let card_label = layout.label_by_view(card, view);
        let labels: Vec<Vec<u8>> = pins(view)
            .into_iter()
            .map(|pin| token_label(&card_label, &pin_label(layout, view, pin)))
            .collect();
        let serial = card.serial.as_deref().unwrap_or_default().as_bytes();
        let serial = serial.get(serial.len().saturating_sub(SERIAL_LENGTH)..).unwrap_or(serial);
        let mut uris = BTreeMap::new();
        for (items, label) in tokens(view).iter().zip(&labels) {
            for item in items.iter().filter(|item| !item.from_certificate) {
                let uri =
                    Uri { token: Some(label.clone()), serial: Some(serial.to_vec()), ..of_object(item) };
                // An object that is in several tokens is named by the first.
                uris.entry(item.object.place()).or_insert(uri);
            }
        }
        Self { tokens: labels, uris }
    }
}

/// The class of an object, as URIs tell it; a PIN is none.
#[must_use]
pub const fn class(object: &Object) -> Option<Type> {
    match object.class {
        Class::PrivateKey { .. } => Some(Type::Private),
        Class::PublicKey { .. } => Some(Type::Public),
        Class::Certificate { .. } => Some(Type::Cert),
        Class::SecretKey(_) => Some(Type::SecretKey),
        Class::Data { .. } => Some(Type::Data),
        Class::Pin(_) => None,
    }
}

fn of_object(item: &Item<'_>) -> Uri {
    let some = |bytes: &Vec<u8>| Some(bytes.clone()).filter(|bytes| !bytes.is_empty());
    Uri { object: some(&item.label), id: some(&item.object.id), class: class(item.object), ..Uri::default() }
}

/// The label of a PIN: of the object that describes it, where cards list them.
fn pin_label(layout: &dyn Layout, view: &View, auth_id: Option<&[u8]>) -> Vec<u8> {
    let listed = view.objects.iter().find(|object| {
        matches!(object.class, Class::Pin(_)) && auth_id.is_some_and(|auth_id| object.id == auth_id)
    });
    let known = || auth_id.and_then(|auth_id| layout.pin_label(auth_id)).unwrap_or_default();
    listed.map_or_else(|| known().as_bytes().to_vec(), |object| object.label.clone())
}

/// The label of a token of this card with this PIN.
fn token_label(card: &[u8], pin: &[u8]) -> Vec<u8> {
    let cut = |text: &[u8], length: usize| text.get(..length).unwrap_or(text).to_vec();
    if pin.is_empty() || pin == b"PIN" {
        return cut(card, LABEL_LENGTH);
    }
    if card.is_empty() || pin.len() + LEAST > LABEL_LENGTH {
        return cut(pin, LABEL_LENGTH);
    }
    let room = LABEL_LENGTH - pin.len() - " ()".len();
    [&cut(card, room), &b" ("[..], pin, b")"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_called_by_card_and_pin_as_far_as_there_is_room() {
        let label = |card: &str, pin: &str| {
            String::from_utf8_lossy(&token_label(card.as_bytes(), pin.as_bytes())).into_owned()
        };
        assert_eq!(label("HSM-H1", "UserPIN"), "HSM-H1 (UserPIN)");
        assert_eq!(label("holder", "PIN"), "holder");
        assert_eq!(label("holder", ""), "holder");
        assert_eq!(label("", "UserPIN"), "UserPIN");
        assert_eq!(label("a label of thirty-two bytes in all", ""), "a label of thirty-two bytes in a");
        assert_eq!(label("a label of thirty-two bytes", "UserPIN"), "a label of thirty-two  (UserPIN)");
        let long = "a PIN with a label of its own";
        assert_eq!(label("card", long), long);
    }
}
