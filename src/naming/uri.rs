//! PKCS#11 URIs (RFC 7512): reads those that people paste, and writes those that OpenSC's module answers to.
//!
//! What is read: `token`, `serial`, `manufacturer`, `model`, `object`, `id`, `type`. What tells of the module has to be what
//! OpenSC's says of itself, but for its version, which tells no key from another; the query (`pin-source`, `module-path`) is
//! passed over. Whatever else stands in the path would narrow what is meant, and cannot be held against anything here: it
//! is an error, and never passed over. A value may hold characters that the RFC wants escaped, because people paste blanks
//! and brackets; a broken escape and an attribute that stands there twice are errors.

use std::fmt::{self, Write};

/// Characters of a serial number that `CK_TOKEN_INFO` has room for.
pub const SERIAL_LENGTH: usize = 16;

const SCHEME: &str = "pkcs11:";
/// What a library says of itself, with what OpenSC's says (`CK_INFO`).
const OF_LIBRARY: [(&str, &str); 2] =
    [("library-manufacturer", "OpenSC Project"), ("library-description", "OpenSC smartcard framework")];
/// The attributes of a path, as the RFC has them.
const ATTRIBUTES: [&str; 13] = [
    "token",
    "serial",
    "manufacturer",
    "model",
    "object",
    "id",
    "type",
    "library-manufacturer",
    "library-description",
    "library-version",
    "slot-id",
    "slot-description",
    "slot-manufacturer",
];
/// How like a name has to be to be suggested.
const LIKE: f64 = 0.8;
/// The attribute that holds a PIN.
const PIN: &str = "pin-value=";

/// What is wrong with a URI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is longer than anything that names a key.
    #[error("it is too long for a PKCS#11 URI")]
    TooLong,
    /// A percent sign without two hex digits behind it.
    #[error("the value of {0} has a percent sign without two hex digits behind it")]
    Escape(String),
    /// An attribute stands there twice.
    #[error("it has {0} twice")]
    Twice(String),
    /// Something between two semicolons is no attribute.
    #[error("\"{0}\" in it is no attribute with a value")]
    NoAttribute(String),
    /// An attribute that the RFC does not know.
    #[error("it has an attribute \"{name}\", which is not known{}", near(name))]
    Unknown {
        /// Its name, escaped.
        name: String,
    },
    /// An attribute of slots, which cannot be compared.
    #[error(
        "{0} says which slot is meant, and that changes with the readers that are plugged in: leave it out; --reader names a \
         reader, serial= a token"
    )]
    Slot(String),
    /// The URI is of another library.
    #[error(
        "{name}=\"{value}\" names another module than OpenSC's, which calls itself \"{own}\": leave it out"
    )]
    Library {
        /// The attribute.
        name: &'static str,
        /// Its value, escaped.
        value: String,
        /// What OpenSC's says.
        own: &'static str,
    },
    /// A version that is none.
    #[error("library-version is a number, or two with a dot between them")]
    Version,
    /// A type that the RFC does not know.
    #[error("it has no type \"{0}\": there are private, public, cert, secret-key and data")]
    NoType(String),
}

/// Class of an object, as `type` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A private key.
    Private,
    /// A public key.
    Public,
    /// A certificate.
    Cert,
    /// A secret key.
    SecretKey,
    /// A data object.
    Data,
}

impl Type {
    const ALL: [Self; 5] = [Self::Private, Self::Public, Self::Cert, Self::SecretKey, Self::Data];

    /// Its name in a URI.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Cert => "cert",
            Self::SecretKey => "secret-key",
            Self::Data => "data",
        }
    }
}

/// What a URI says of a key and its token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uri {
    /// Label of the token.
    pub token: Option<Vec<u8>>,
    /// Serial number of the token.
    pub serial: Option<Vec<u8>>,
    /// Who made the token.
    pub manufacturer: Option<Vec<u8>>,
    /// The token's model.
    pub model: Option<Vec<u8>>,
    /// Label of the object.
    pub object: Option<Vec<u8>>,
    /// ID of the object.
    pub id: Option<Vec<u8>>,
    /// Its class.
    pub class: Option<Type>,
    /// The ID as it was written, if that was without a single escape.
    pub bare_id: Option<String>,
}

impl Uri {
    /// Does a text begin as a URI does?
    #[must_use]
    pub fn is_meant(typed: &str) -> bool {
        typed.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Error`].
    pub fn parse(typed: &str) -> Result<Self, Error> {
        let path = typed.get(SCHEME.len()..).unwrap_or_default().trim_end();
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let mut uri = Self::default();
        let mut known: Vec<&str> = Vec::new();
        for attribute in path.split(';').filter(|attribute| !attribute.is_empty()) {
            let shown = || without_pin(&crate::text::escape(attribute.as_bytes()));
            let (name, value) = attribute.split_once('=').ok_or_else(|| Error::NoAttribute(shown()))?;
            if known.contains(&name) {
                return Err(Error::Twice(crate::text::escape(name.as_bytes())));
            }
            known.push(name);
            let read = || unescape(value).ok_or_else(|| Error::Escape(crate::text::escape(name.as_bytes())));
            match name {
                "token" => uri.token = Some(read()?),
                "serial" => uri.serial = Some(read()?),
                "manufacturer" => uri.manufacturer = Some(read()?),
                "model" => uri.model = Some(read()?),
                "object" => uri.object = Some(read()?),
                "id" => {
                    uri.id = Some(read()?);
                    uri.bare_id = Some(value.to_owned()).filter(|value| !value.contains('%'));
                }
                "type" => {
                    let class = Type::ALL.into_iter().find(|class| class.name() == value);
                    let none = || Error::NoType(crate::text::escape(value.as_bytes()));
                    uri.class = Some(class.ok_or_else(none)?);
                }
                "library-version" => {
                    let is_number = |part: &str| {
                        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
                    };
                    if value.split('.').count() > 2 || !value.split('.').all(is_number) {
                        return Err(Error::Version);
                    }
                }
                _ if name.starts_with("slot-") && ATTRIBUTES.contains(&name) => {
                    return Err(Error::Slot(name.to_owned()));
                }
                _ => {
                    let library = OF_LIBRARY.into_iter().find(|(known, _)| *known == name);
                    let unknown = || Error::Unknown { name: crate::text::escape(name.as_bytes()) };
                    let (name, own) = library.ok_or_else(unknown)?;
                    let value = read()?;
                    if value.trim_ascii_end() != own.as_bytes() {
                        return Err(Error::Library { name, value: crate::text::escape(&value), own });
                    }
                }
            }
        }
        Ok(uri)
    }
}

/// The attribute that was meant, if one is much like it.
fn near(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let likeness = |known: &&str| strsim::jaro_winkler(known, &name);
    let best = ATTRIBUTES.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match best.filter(|known| likeness(known) >= LIKE) {
        Some(known) => format!(": is {known} meant?"),
        None => format!("; there are {}", ATTRIBUTES.get(..7).unwrap_or_default().join(", ")),
    }
}

/// The same text with the values of `pin-value`, wherever in it they stand, left out: people paste whole URIs, and what was
/// typed is told in errors.
#[must_use]
pub fn without_pin(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let (mut out, mut from) = (String::new(), 0);
    while let Some(at) = lower.get(from..).and_then(|rest| rest.find(PIN)).map(|at| from + at + PIN.len()) {
        let rest = text.get(at..).unwrap_or_default();
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push_str("(left out)");
        from = at + rest.find(['&', ';', '?']).unwrap_or(rest.len());
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// As it is pasted: every character that means something to a URI, a shell or a terminal is escaped, the ID all through.
impl fmt::Display for Uri {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, serial, manufacturer, model, object, id, class, .. } = self;
        let id = id.as_ref().map(|id| escaped_id(id));
        let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| escaped_text(bytes));
        let class = class.map(|class| class.name().to_owned());
        let all = [
            ("model", text(model)),
            ("manufacturer", text(manufacturer)),
            ("token", text(token)),
            ("serial", text(serial)),
            ("id", id),
            ("object", text(object)),
            ("type", class),
        ];
        let all: Vec<String> =
            all.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
        write!(out, "{SCHEME}{}", all.join(";"))
    }
}

/// An ID as it stands in a URI.
#[must_use]
pub fn escaped_id(id: &[u8]) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02x}");
        text
    })
}

/// A text as it stands in a URI.
#[must_use]
pub fn escaped_text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02x}");
        }
        text
    })
}

fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        rest = others;
        if first == b'%' {
            let (digits, others) = others.split_at_checked(2)?;
            bytes.extend(data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok()?);
            rest = others;
        } else {
            bytes.push(first);
        }
    }
    Some(bytes)
}
