//! What another PKCS#11 module told of its tokens without a login: plain data, without an opinion.

use serde::{Deserialize, Serialize};

use super::{ByteString, Bytes};

/// A PKCS#11 module, and the tokens that it listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Provider {
    /// The module's file, links resolved.
    pub module: ByteString,
    /// What it calls itself (`CK_INFO`): manufacturer, description and version, as far as it told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// The tokens, in the order of its slots.
    pub tokens: Vec<ProviderToken>,
    /// What of it could not be read, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// A token as a module lists it (`CK_TOKEN_INFO`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderToken {
    /// The number of its slot.
    pub slot: u64,
    /// What the slot is called: most often the reader.
    pub reader: String,
    /// Its label.
    pub label: String,
    /// Its serial number.
    pub serial: String,
    /// Its keys and certificates that are shown without a login.
    pub objects: Vec<ProviderObject>,
}

/// A key or a certificate as a module lists it. Nothing secret is ever asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderObject {
    /// `CKA_CLASS`.
    pub class: ProviderClass,
    /// `CKA_ID`.
    pub id: Bytes,
    /// `CKA_LABEL`.
    pub label: ByteString,
    /// The public key as SubjectPublicKeyInfo, if it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Bytes>,
    /// The certificate (`CKA_VALUE`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Bytes>,
}

/// What kind of object it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ProviderClass {
    /// `CKO_PRIVATE_KEY`
    PrivateKey,
    /// `CKO_PUBLIC_KEY`
    PublicKey,
    /// `CKO_CERTIFICATE`
    Certificate,
    /// `CKO_SECRET_KEY`
    SecretKey,
}

impl ProviderClass {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::PrivateKey => "private key",
            Self::PublicKey => "public key",
            Self::Certificate => "certificate",
            Self::SecretKey => "secret key",
        }
    }
}
