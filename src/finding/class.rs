//! What kind of object a finding is about, and what stands on a side of it: closed lists, each with its words.

use std::fmt;

use serde::{Serialize, Serializer};

/// The class of an object, in the order of their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectClass {
    /// A PIN, or another way to authenticate.
    Pin,
    /// A certificate.
    Certificate,
    /// A data object.
    Data,
    /// Nothing is shown of it.
    Hidden,
    /// What a tool describes, and begins to in no way that is known here.
    Other,
    /// A private key.
    PrivateKey,
    /// A public key.
    PublicKey,
    /// A secret key.
    SecretKey,
    /// The token as a whole.
    Token,
}

impl ObjectClass {
    /// As people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pin => "PIN",
            Self::Certificate => "certificate",
            Self::Data => "data object",
            Self::Hidden => "hidden",
            Self::Other => "object",
            Self::PrivateKey => "private key",
            Self::PublicKey => "public key",
            Self::SecretKey => "secret key",
            Self::Token => "token",
        }
    }

    /// Is it a key?
    #[must_use]
    pub const fn is_key(self) -> bool {
        matches!(self, Self::PrivateKey | Self::PublicKey | Self::SecretKey)
    }
}

impl fmt::Display for ObjectClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for ObjectClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What stands on one side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SideState {
    /// There is no such object.
    Absent,
    /// Nobody knows what is there.
    NotRead,
    /// An object of this class.
    Object(ObjectClass),
    /// An object of this class that no program lists.
    NotListed(ObjectClass),
    /// A certificate that is listed of a view, and whose bytes are none.
    Undecodable,
    /// A certificate that the card lists, and whose bytes are none.
    WithoutContent,
    /// What stands where a certificate should.
    NoCertificate,
}

impl SideState {
    /// The class of the object that is there, if one is.
    #[must_use]
    pub const fn class(self) -> Option<ObjectClass> {
        match self {
            Self::Object(class) | Self::NotListed(class) => Some(class),
            Self::Undecodable | Self::WithoutContent => Some(ObjectClass::Certificate),
            Self::Absent | Self::NotRead | Self::NoCertificate => None,
        }
    }
}

impl fmt::Display for SideState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::NotRead => f.write_str("not read"),
            Self::Object(class) => f.write_str(class.name()),
            Self::NotListed(class) => write!(f, "{class}, listed nowhere"),
            Self::Undecodable => f.write_str("certificate that does not decode"),
            Self::WithoutContent => f.write_str("certificate, its bytes are none"),
            Self::NoCertificate => f.write_str("bytes that are no certificate"),
        }
    }
}

impl Serialize for SideState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
