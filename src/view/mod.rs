//! Files and decoder make the list of objects that a program shows.
//!
//! One decoder over two file sources: [`decode`] walks a SmartCard-HSM's key
//! list the way OpenSC's `sc-hsm` emulation does and asks a [`Source`] for every
//! file. Over the card's files the result is the **live view**; over the cache,
//! with the card behind it, it is the **OpenSC view**. The quirks are OpenSC's
//! own: an empty file hides its object, only the first element of a file
//! counts, a certificate request becomes a public key, an X.509 certificate a
//! certificate, anything else nothing.

pub mod cached;
pub mod difference;
pub mod pkcs11;

use crate::format::pkcs15::{self, KeyType, Value};
use crate::format::x509::{self, Certificate};
use crate::format::{cvc, key::PublicKey};
use crate::snapshot::{Answer, Card, EfPath, Fid};

/// Prefixes of a SmartCard-HSM's file identifiers.
pub mod prefix {
    /// Key object; never readable.
    pub const KEY: u8 = 0xCC;
    /// Description of a private key.
    pub const PRIVATE_KEY: u8 = 0xC4;
    /// Certificate request or certificate of a key.
    pub const CERTIFICATE: u8 = 0xCE;
    /// Description of a CA certificate.
    pub const CA_DESCRIPTION: u8 = 0xC8;
    /// CA certificate.
    pub const CA_CERTIFICATE: u8 = 0xCA;
    /// Description of a data object.
    pub const DATA_DESCRIPTION: u8 = 0xC9;
    /// Data that need the PIN.
    pub const PRIVATE_DATA: u8 = 0xCD;
    /// Public data.
    pub const DATA: u8 = 0xCF;
}

/// Device certificate of a SmartCard-HSM.
pub const DEVICE_CERTIFICATE: EfPath = EfPath::at(0x2F02);
/// TokenInfo of a SmartCard-HSM.
pub const TOKEN_INFO: EfPath = EfPath::at(0x2F03);

/// How many bytes OpenSC's buffer holds for the description and the certificate of a key.
pub const KEY_BUFFER: usize = 4096;
/// The same for descriptions of certificates and data.
pub const DESCRIPTION_BUFFER: usize = 512;
/// The most OpenSC reads of any other file.
pub const FILE_BUFFER: usize = 65_535;

/// Access flags that OpenSC gives a key whose description has none (`pkcs15-syn.c`):
/// sensitive, always sensitive, never extractable, local.
const DEFAULT_ACCESS: u32 = 0x1D;

/// Gives the content of a card's files to the decoder.
pub trait Source {
    /// The content of a file as a program gets it into a buffer of this size.
    fn read(&self, fid: EfPath, buffer: usize) -> Read;
}

/// What a program gets when it reads a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// These bytes, possibly none.
    Content(Vec<u8>),
    /// An error: there is no such file, or the card refused.
    Failed,
    /// Not known: the file was not read when the snapshot was taken.
    Unknown(String),
}

/// What differs between OpenSC versions in the way a SmartCard-HSM is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// The device key (`CC00`) is listed if `C400` exists (up to 0.23).
    pub shows_device_key: bool,
    /// A request without the inner authority reference decodes (0.23 on).
    pub car_optional: bool,
    /// Field length 528 is shown as 521 (0.26 on).
    pub rounds_521: bool,
    /// A curve is recognised by prime and coefficient (0.27 on), not by prime alone.
    pub matches_coefficient: bool,
}

/// A token as a program shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Objects in the order OpenSC finds them.
    pub objects: Vec<Object>,
    /// Slots about which nothing can be said, and why.
    pub unknown: Vec<(EfPath, String)>,
}

/// One object of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Which entry of the key list it comes from: `CC01`, `C801`, `C901`.
    pub slot: EfPath,
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
        /// Key reference, the number of the key on the card.
        reference: u8,
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
    },
    /// A public key made from a certificate request.
    PublicKey(PublicKey),
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
    },
}

impl Class {
    /// The name of the class as people use it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PrivateKey { .. } => "private key",
            Self::PublicKey(_) => "public key",
            Self::Certificate { .. } => "certificate",
            Self::Data { .. } => "data object",
        }
    }
}

impl Object {
    /// The public key behind a public key or certificate object.
    #[must_use]
    pub const fn public_key(&self) -> Option<&PublicKey> {
        match &self.class {
            Class::PublicKey(key) => Some(key),
            Class::Certificate { certificate: Some(certificate), .. } => Some(&certificate.key),
            _ => None,
        }
    }
}

impl View {
    /// The objects of one slot of the key list.
    pub fn slot(&self, slot: EfPath) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(move |object| object.slot == slot)
    }

    /// The private keys.
    pub fn private_keys(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|object| matches!(object.class, Class::PrivateKey { .. }))
    }
}

/// A file identifier of a SmartCard-HSM: prefix and number.
#[must_use]
pub const fn fid(prefix: u8, number: u8) -> EfPath {
    EfPath::at(u16::from_be_bytes([prefix, number]))
}

/// Prefix and number of a file identifier.
#[must_use]
pub const fn split(file: EfPath) -> (u8, u8) {
    match file.fid() {
        Some(fid) => {
            let [prefix, number] = fid.0.to_be_bytes();
            (prefix, number)
        }
        None => (0, 0),
    }
}

/// Lists a SmartCard-HSM's objects as OpenSC would from these files.
#[must_use]
pub fn decode(key_list: &[Fid], source: &dyn Source, behaviour: Behaviour) -> View {
    let mut view = View { objects: Vec::new(), unknown: Vec::new() };
    for slot in key_list.iter().copied().map(EfPath::from) {
        let (prefix, number) = split(slot);
        let result = match prefix {
            prefix::KEY if number == 0 && !behaviour.shows_device_key => Ok(()),
            prefix::KEY => key(&mut view, number, source, behaviour),
            prefix::CA_DESCRIPTION => ca_certificate(&mut view, slot, source, behaviour),
            prefix::DATA_DESCRIPTION => data(&mut view, slot, source),
            _ => Ok(()),
        };
        if let Err(why) = result {
            view.unknown.push((slot, why));
        }
    }
    view
}

fn key(view: &mut View, number: u8, source: &dyn Source, behaviour: Behaviour) -> Result<(), String> {
    let slot = fid(prefix::KEY, number);
    let description = fid(prefix::PRIVATE_KEY, number);
    let bytes = match source.read(description, KEY_BUFFER) {
        Read::Content(bytes) => bytes,
        // A missing description is an optional file: OpenSC goes on with an empty one.
        Read::Failed => Vec::new(),
        Read::Unknown(why) => return Err(why),
    };
    let Ok(entry) = pkcs15::private_key(&bytes) else { return Ok(()) };
    let bits = match (entry.key_type, entry.bits) {
        (KeyType::Ec, 528) if behaviour.rounds_521 => 521,
        (_, bits) => bits,
    };
    view.objects.push(Object {
        slot,
        files: vec![description],
        label: entry.common.label.clone(),
        id: entry.id.clone(),
        // Whatever the entry says.
        auth_id: vec![1],
        class: Class::PrivateKey {
            reference: number,
            key_type: entry.key_type,
            bits,
            usage: entry.usage,
            access: if entry.access == 0 { DEFAULT_ACCESS } else { entry.access },
            flags: entry.common.flags | pkcs15::FLAG_PRIVATE,
            native: entry.native,
        },
    });

    let file = fid(prefix::CERTIFICATE, number);
    let content = match source.read(file, KEY_BUFFER) {
        Read::Content(content) => content,
        Read::Failed => return Ok(()),
        Read::Unknown(why) => return Err(why),
    };
    // OpenSC reads both files into one buffer and looks at its first byte: of an
    // empty certificate file that is still the first byte of the description.
    let class = match content.first().or_else(|| bytes.first()) {
        Some(0x67) => match request_key(&content, behaviour) {
            Some(key) => Class::PublicKey(key),
            None => return Ok(()),
        },
        Some(0x30) => {
            Class::Certificate { certificate: x509_as(&content, behaviour), authority: false, flags: 0 }
        }
        _ => return Ok(()),
    };
    view.objects.push(Object {
        slot,
        files: vec![description, file],
        label: entry.common.label,
        id: entry.id,
        auth_id: Vec::new(),
        class,
    });
    Ok(())
}

/// The certificate, if this OpenSC can make anything of it.
fn x509_as(bytes: &[u8], behaviour: Behaviour) -> Option<Certificate> {
    // The twisted curves came into both tables together.
    x509::decode(bytes).filter(|certificate| certificate.is_understood(behaviour.matches_coefficient))
}

fn request_key(bytes: &[u8], behaviour: Behaviour) -> Option<PublicKey> {
    let request = cvc::decode(bytes).ok()?;
    if request.car.is_none() && !behaviour.car_optional {
        return None;
    }
    request.key.public_key(behaviour.matches_coefficient)
}

fn ca_certificate(
    view: &mut View,
    slot: EfPath,
    source: &dyn Source,
    behaviour: Behaviour,
) -> Result<(), String> {
    let bytes = match source.read(slot, DESCRIPTION_BUFFER) {
        Read::Content(bytes) => bytes,
        Read::Failed => Vec::new(),
        Read::Unknown(why) => return Err(why),
    };
    let Ok(entry) = pkcs15::certificate(&bytes) else { return Ok(()) };
    let mut files = vec![slot];
    let certificate = match entry.value {
        Value::Direct(der) => x509_as(&der, behaviour),
        Value::Path(path) => match file_of(&path) {
            Some(file) => {
                files.push(file);
                match source.read(file, FILE_BUFFER) {
                    Read::Content(content) => x509_as(&content, behaviour),
                    Read::Failed => None,
                    Read::Unknown(why) => return Err(why),
                }
            }
            None => None,
        },
    };
    let class = Class::Certificate { certificate, authority: entry.authority, flags: entry.common.flags };
    let (label, auth_id) = (entry.common.label, entry.common.auth_id);
    view.objects.push(Object { slot, files, label, id: entry.id, auth_id, class });
    Ok(())
}

fn data(view: &mut View, slot: EfPath, source: &dyn Source) -> Result<(), String> {
    let bytes = match source.read(slot, DESCRIPTION_BUFFER) {
        Read::Content(bytes) => bytes,
        Read::Failed => Vec::new(),
        Read::Unknown(why) => return Err(why),
    };
    let Ok(entry) = pkcs15::data_object(&bytes) else { return Ok(()) };
    let mut files = vec![slot];
    let content = match &entry.value {
        Value::Direct(content) => Some(content.clone()),
        Value::Path(path) => match file_of(path) {
            Some(file) if entry.common.flags & pkcs15::FLAG_PRIVATE == 0 && !is_private(file) => {
                files.push(file);
                match source.read(file, FILE_BUFFER) {
                    Read::Content(content) => Some(content),
                    Read::Failed => None,
                    Read::Unknown(why) => return Err(why),
                }
            }
            _ => None,
        },
    };
    view.objects.push(Object {
        slot,
        files,
        label: entry.common.label,
        id: Vec::new(),
        auth_id: entry.common.auth_id,
        class: Class::Data {
            application: entry.application,
            oid: entry.application_oid,
            flags: entry.common.flags,
            path: entry.value,
            content,
        },
    });
    Ok(())
}

/// The file that a path of a SmartCard-HSM's entry names.
#[must_use]
pub fn file_of(path: &[u8]) -> Option<EfPath> {
    match path {
        [high, low] => Some(fid(*high, *low)),
        _ => None,
    }
}

/// The files that the descriptions on a card point to and that may be read
/// without the PIN: what a scan has to read besides the key list's own files.
#[must_use]
pub fn referenced(description: &[u8]) -> Vec<Fid> {
    let (value, private) = match (pkcs15::certificate(description), pkcs15::data_object(description)) {
        (Ok(entry), _) => (entry.value, false),
        (_, Ok(entry)) => (entry.value, entry.common.flags & pkcs15::FLAG_PRIVATE != 0),
        _ => return Vec::new(),
    };
    match value {
        Value::Path(path) if !private => {
            file_of(&path).filter(|&file| !is_private(file)).and_then(EfPath::fid).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The files that belong to one entry of the key list by their number.
#[must_use]
pub fn files_of(slot: EfPath) -> Vec<EfPath> {
    let (kind, number) = split(slot);
    match kind {
        prefix::KEY => vec![fid(prefix::PRIVATE_KEY, number), fid(prefix::CERTIFICATE, number)],
        prefix::CA_DESCRIPTION | prefix::DATA_DESCRIPTION => vec![slot],
        _ => Vec::new(),
    }
}

/// True for the files that a SmartCard-HSM gives only after the PIN.
#[must_use]
pub const fn is_private(file: EfPath) -> bool {
    matches!(split(file).0, prefix::PRIVATE_DATA | prefix::KEY)
}

/// The card's own files.
impl Source for Card {
    fn read(&self, fid: EfPath, buffer: usize) -> Read {
        match self.files.iter().find(|file| file.path == fid).map(|file| &file.answer) {
            Some(Answer::Content(bytes)) => {
                let bytes = bytes.as_slice();
                Read::Content(bytes.get(..buffer).unwrap_or(bytes).to_vec())
            }
            Some(Answer::Absent | Answer::Refused(_)) => Read::Failed,
            Some(Answer::NotRead(why)) => Read::Unknown(why.clone()),
            None => Read::Unknown(format!("file {fid} was not read")),
        }
    }
}

#[cfg(test)]
mod tests;
