//! One object of a token: its class with what belongs to that alone, and the place by which it is the same in two views.

use crate::finding::ObjectClass;
use crate::format::key::PublicKey;
use crate::format::pkcs15::{KeyType, Value};
use crate::format::x509::Certificate;
use crate::snapshot::EfPath;

/// Where an object stands. What stands in one place in two views of a card is the same object,
/// whatever it looks like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The entry of the key list, the container, or the directory file.
    pub ef: EfPath,
    /// Which of the EF's objects.
    pub part: Part,
}

/// Which of the objects of a EF.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The only one; or all of them.
    Whole,
    /// The private key of a key's EF.
    PrivateKey,
    /// What is public of it: a public key, or a certificate in its place.
    Public,
    /// The certificate beside a public key.
    Certificate,
    /// An entry of a directory file that holds many: told from the others by its class and its
    /// ID (or its name, without one), and by its number among those that have all this in common.
    Entry(ObjectClass, Vec<u8>, usize),
}

impl Part {
    /// Does it stand in the EF of one key, whose description it shares?
    #[must_use]
    pub const fn is_of_key(&self) -> bool {
        matches!(self, Self::PrivateKey | Self::Public | Self::Certificate)
    }
}

impl Place {
    /// The whole EF.
    #[must_use]
    pub const fn whole(ef: EfPath) -> Self {
        Self { ef, part: Part::Whole }
    }

    /// What is shown or hidden together: a key's EF, but one entry of a directory file.
    #[must_use]
    pub fn unit(&self) -> Self {
        match self.part {
            Part::Entry(..) => self.clone(),
            _ => Self::whole(self.ef),
        }
    }

    /// Is the other place this one, or a part of it?
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.ef == other.ef && (self.part == Part::Whole || self.part == other.part)
    }
}

/// One object of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Which entry of the key list it comes from (`CC01`, `C801`), or which directory file (`50154402`).
    pub ef: EfPath,
    /// Which of the EF's objects it is.
    pub part: Part,
    /// The files it was made of.
    pub files: Vec<EfPath>,
    /// Label.
    pub label: Vec<u8>,
    /// ID (`CKA_ID`); empty for data objects.
    pub id: Vec<u8>,
    /// ID of the PIN that protects it, if it names one.
    pub auth_id: Vec<u8>,
    /// The rest depends on its class.
    pub class: Class,
}

/// The class of an object and what belongs to it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// A private key.
    PrivateKey {
        /// Key reference, the number of the key on the card; none if the card tells none.
        reference: Option<u8>,
        /// RSA or EC.
        key_type: KeyType,
        /// Modulus or field length in bits as shown.
        bits: i32,
        /// Usage flags.
        usage: u32,
        /// Access flags.
        access: u32,
        /// Object flags.
        flags: u32,
        /// Native flag.
        native: bool,
        /// Where it is, if the card tells.
        path: Option<EfPath>,
    },
    /// A public key.
    PublicKey {
        /// The key. `None` if it could not be made out: OpenSC lists it all the same.
        key: Option<PublicKey>,
        /// What its description says; none if it has none of its own (as one that was made
        /// from a certificate request).
        entry: Option<PublicKeyEntry>,
    },
    /// An X.509 certificate. `None` if its bytes do not parse: OpenSC lists it
    /// but nothing can use it.
    Certificate {
        /// The certificate.
        certificate: Option<Certificate>,
        /// A certificate authority's?
        authority: bool,
        /// Object flags.
        flags: u32,
    },
    /// A secret key: what is said of it, for nobody gets to see itself.
    SecretKey(SecretKey),
    /// A PIN, or another way to authenticate.
    Pin(Pin),
    /// A data object.
    Data {
        /// Application name.
        application: Vec<u8>,
        /// Application OID, DER content.
        oid: Option<Vec<u8>>,
        /// Object flags.
        flags: u32,
        /// Where the content is.
        path: Value,
        /// The content, if it is public and was read.
        content: Option<Vec<u8>>,
        /// There is something that cannot be read: `pkcs15-tool -D` ends its list of data objects there. A file that
        /// does not exist does it no harm.
        is_unreadable: bool,
    },
}

/// What the description of a secret key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretKey {
    /// Its type, as OpenSC calls it.
    pub key_type: &'static str,
    /// Length in bits.
    pub bits: i32,
    /// Usage flags.
    pub usage: u32,
    /// Access flags.
    pub access: u32,
    /// Object flags.
    pub flags: u32,
    /// Native flag.
    pub native: bool,
    /// Key reference.
    pub reference: i32,
    /// Where it is, if its description tells.
    pub path: Option<EfPath>,
}

/// What the description of a PIN says (PKCS#15 `PinAttributes`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Object flags.
    pub object_flags: u32,
    /// PIN flags.
    pub flags: u32,
    /// Its type: 0 BCD, 1 ASCII digits, 2 UTF-8, 3 half nibble BCD, 4 ISO 9564-1.
    pub kind: i32,
    /// Least, stored and greatest length.
    pub lengths: [i32; 3],
    /// Reference in VERIFY.
    pub reference: i32,
    /// Pad character.
    pub pad: Option<u8>,
    /// Where it is, if it tells.
    pub path: Option<EfPath>,
}

/// What the description of a public key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeyEntry {
    /// RSA or EC.
    pub key_type: KeyType,
    /// Modulus or field length in bits as shown.
    pub bits: i32,
    /// Usage flags.
    pub usage: u32,
    /// Access flags.
    pub access: u32,
    /// Object flags.
    pub flags: u32,
    /// Native flag.
    pub native: bool,
    /// Key reference.
    pub reference: Option<u8>,
    /// Where it is, unless it stands in the description itself.
    pub path: Option<EfPath>,
}

impl Class {
    /// Which class it is, without what belongs to it.
    #[must_use]
    pub const fn kind(&self) -> ObjectClass {
        match self {
            Self::PrivateKey { .. } => ObjectClass::PrivateKey,
            Self::PublicKey { .. } => ObjectClass::PublicKey,
            Self::Certificate { .. } => ObjectClass::Certificate,
            Self::SecretKey(_) => ObjectClass::SecretKey,
            Self::Pin(_) => ObjectClass::Pin,
            Self::Data { .. } => ObjectClass::Data,
        }
    }

    /// The name of the class as people use it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }
}

impl Object {
    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { ef: self.ef, part: self.part.clone() }
    }

    /// Is it a certificate that is listed without content?
    #[must_use]
    pub const fn is_broken_certificate(&self) -> bool {
        matches!(self.class, Class::Certificate { certificate: None, .. })
    }

    /// Is it a private key?
    #[must_use]
    pub const fn is_private_key(&self) -> bool {
        matches!(self.class, Class::PrivateKey { .. })
    }

    /// The public key behind a public key or certificate object.
    #[must_use]
    pub const fn public_key(&self) -> Option<&PublicKey> {
        match &self.class {
            Class::PublicKey { key, .. } => key.as_ref(),
            Class::Certificate { certificate: Some(certificate), .. } => Some(&certificate.key),
            _ => None,
        }
    }
}
