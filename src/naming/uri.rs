//! PKCS#11 URIs (RFC 7512): reads those that people paste, and writes those that OpenSC's module answers to.
//!
//! What is read: `token`, `serial`, `object`, `id`, `type`. What other attributes say of the module, its slots and its
//! version tells no key from another, and a URI of another module for the same token names the same key: they are passed
//! over, as are vendors' and the query (`pin-source`, `module-path`). A value may hold characters that the RFC wants
//! escaped, because people paste blanks and brackets; a broken escape and an attribute that stands there twice are errors.

use std::fmt::{self, Write};

/// Characters of a serial number that `CK_TOKEN_INFO` has room for.
pub const SERIAL_LENGTH: usize = 16;

const SCHEME: &str = "pkcs11:";
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
                _ => drop(read()?),
            }
        }
        Ok(uri)
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
        let Self { token, serial, object, id, class, .. } = self;
        let id = id.as_ref().map(|id| escaped_id(id));
        let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| escaped_text(bytes));
        let class = class.map(|class| class.name().to_owned());
        let all = [
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
