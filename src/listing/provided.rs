//! A PKCS#11 module as `show --provider` tells of it: plain data, made in [`super::providers`].

use serde::Serialize;

use crate::snapshot::ProviderClass;

/// A module and what it lists. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderListing {
    /// The module's file.
    #[cfg_attr(feature = "schema", schemars(with = "crate::snapshot::ByteString"))]
    pub module: String,
    /// What it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// Its tokens.
    pub tokens: Vec<ProvidedToken>,
    /// What is on the cards and of which it lists nothing without a login, one for each key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<OnCard>,
}

/// A token as a module lists it. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProvidedToken {
    /// The number of its slot.
    pub slot: u64,
    /// What the slot is called: most often the reader.
    pub reader: String,
    /// Its label.
    pub label: String,
    /// Its serial number.
    pub serial: String,
    /// What it lists without a login.
    pub objects: Vec<ProvidedObject>,
}

/// An object as a module lists it. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProvidedObject {
    /// Its class.
    pub class: ProviderClass,
    /// `CKA_ID`, hex.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Hex"))]
    pub id: String,
    /// `CKA_LABEL`.
    pub label: String,
    /// Key type with curve or size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// SHA-256 of the SubjectPublicKeyInfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Sha256>"))]
    pub public_key: Option<String>,
    /// Serial number of a certificate, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Hex>"))]
    pub certificate_serial: Option<String>,
    /// How it stands to what is on the cards.
    pub state: ProvidedState,
    /// What of its names is another one there: "id", "label".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<&'static str>,
    /// What is on the card: the same key, or what has this ID there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<OnCard>,
}

/// How an object of a module stands to what is on the cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ProvidedState {
    /// The same, under the same names.
    Same,
    /// The same key or certificate, under another ID or label.
    OtherName,
    /// Another certificate than the card's, of the same key.
    OtherCertificate,
    /// It is not on the card, and one of OpenSC's caches has it.
    Stale,
    /// It is not on the card, which has another key under this ID.
    OtherKey,
    /// It is on no card that was read.
    NotOnCard,
    /// Whether it is cannot be told: no public key is told, or no card was read.
    NotCompared,
}

/// Something on a card, as OpenSC's own module names it. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OnCard {
    /// Serial of the token.
    pub token: String,
    /// Its class.
    pub class: ProviderClass,
    /// Its ID, hex; none if OpenSC lists no such object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Hex>"))]
    pub id: Option<String>,
    /// Its label; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Sha256>"))]
    pub public_key: Option<String>,
}

impl ProviderListing {
    /// Does it list what is on the cards, under whatever names?
    #[must_use]
    pub fn is_right(&self) -> bool {
        let mut states = self.tokens.iter().flat_map(|token| &token.objects).map(|object| object.state);
        states.all(|state| {
            use ProvidedState::{NotCompared, NotOnCard, OtherName, Same};
            matches!(state, Same | OtherName | NotOnCard | NotCompared)
        })
    }

    /// Leaves only what is meant of it, by the places of [`super::providers::names`].
    pub fn keep(&mut self, mut is_meant: impl FnMut() -> bool) {
        for token in &mut self.tokens {
            token.objects.retain(|_| is_meant());
        }
        self.missing.retain(|_| is_meant());
        self.tokens.retain(|token| !token.objects.is_empty());
    }
}
