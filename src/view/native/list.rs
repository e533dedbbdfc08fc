//! From the entries of one directory file to objects.

use super::super::objects::Draft;
use super::super::{Behaviour, Class, Object, Pin, Place, PublicKeyEntry, Read, SecretKey, Source, x509_as};
use super::key::{bits, public_key, reference};
use crate::card::application::Application;
use crate::format::key::PublicKey;
use crate::format::pkcs15::{self, Directory, FLAG_PRIVATE, KeyType, Path, Value};
use crate::format::tlv;
use crate::snapshot::EfPath;

/// Makes objects of the entries of one directory file.
pub(super) struct List<'a> {
    pub application: &'a Application,
    pub source: &'a dyn Source,
    pub behaviour: Behaviour,
    pub ef: EfPath,
    pub view: &'a mut Draft,
}

/// What an entry becomes.
struct Made {
    label: Vec<u8>,
    id: Vec<u8>,
    auth_id: Vec<u8>,
    class: Class,
    /// The file that holds its value.
    file: Option<EfPath>,
    /// Why its value is not known.
    unknown: Option<String>,
}

impl List<'_> {
    pub fn add(&mut self, kind: Directory, entry: &[u8]) -> Result<(), tlv::TlvError> {
        let made = match kind {
            Directory::PrivateKeys => self.private_key(pkcs15::private_key(entry)?),
            Directory::PublicKeys => self.public_key(pkcs15::public_key(entry)?),
            Directory::Certificates => self.certificate(pkcs15::certificate(entry)?),
            Directory::Data => self.data(pkcs15::data_object(entry)?),
            Directory::Authentication => self.pin(pkcs15::pin(entry)?),
            Directory::SecretKeys => self.secret_key(pkcs15::secret_key(entry)?),
        };
        // Data have no ID: their names tell them apart.
        let identity = match &made.class {
            Class::Data { application, .. } => [application.as_slice(), &[0], &made.label].concat(),
            _ => made.id.clone(),
        };
        let part = self.view.entry(self.ef, made.class.kind(), identity);
        if let Some(why) = made.unknown {
            self.view.unknown.push((Place { ef: self.ef, part }, why));
            return Ok(());
        }
        self.view.objects.push(Object {
            ef: self.ef,
            part,
            files: std::iter::once(self.ef).chain(made.file).collect(),
            label: made.label,
            id: made.id,
            auth_id: made.auth_id,
            class: made.class,
        });
        Ok(())
    }

    fn private_key(&self, entry: pkcs15::PrivateKeyEntry) -> Made {
        let common = entry.common;
        let private = common.flags & FLAG_PRIVATE != 0;
        let by_rule = private && common.auth_id.is_empty();
        Made {
            label: common.label,
            id: entry.id,
            auth_id: if by_rule { common.use_auth_id } else { common.auth_id },
            class: Class::PrivateKey {
                reference: reference(entry.key_reference),
                key_type: entry.key_type,
                bits: entry.bits,
                usage: entry.usage,
                access: entry.access,
                flags: common.flags,
                native: entry.native,
                path: self.application.file(&entry.path),
            },
            file: None,
            unknown: None,
        }
    }

    fn public_key(&self, entry: pkcs15::PublicKeyEntry) -> Made {
        let private = entry.common.flags & FLAG_PRIVATE != 0;
        let value = self.value(&entry.value, private);
        let takes_bits = self.behaviour.takes_bits_for_point;
        let key = value.content.as_deref().and_then(|content| match (entry.key_type, &entry.value) {
            // In a description there is no room for the name of its curve.
            (KeyType::Ec, Value::Direct(_)) if content.first() == Some(&0x30) => None,
            (key_type, _) => public_key(key_type, content, takes_bits),
        });
        // The length of an EC key is that of the key in its file.
        let bits = match &key {
            Some(PublicKey::Ec { .. } | PublicKey::Other(_)) if value.file.is_some() => {
                key.as_ref().and_then(|key| i32::try_from(bits(key)).ok()).unwrap_or(0)
            }
            _ => entry.bits,
        };
        let described = PublicKeyEntry {
            key_type: entry.key_type,
            bits,
            usage: entry.usage,
            access: entry.access,
            flags: entry.common.flags,
            native: entry.native,
            reference: reference(entry.key_reference),
            path: value.file,
        };
        Made {
            label: entry.common.label,
            id: entry.id,
            auth_id: entry.common.auth_id,
            class: Class::PublicKey { key, entry: Some(described) },
            file: value.file,
            unknown: value.unknown,
        }
    }

    fn secret_key(&self, entry: pkcs15::SecretKeyEntry) -> Made {
        let path = match &entry.value {
            Value::Path(path) => self.application.file(path),
            Value::Direct(_) => None,
        };
        Made {
            label: entry.common.label,
            id: entry.id,
            auth_id: entry.common.auth_id,
            class: Class::SecretKey(SecretKey {
                key_type: entry.key_type,
                bits: entry.bits,
                usage: entry.usage,
                access: entry.access,
                flags: entry.common.flags,
                native: entry.native,
                reference: entry.key_reference,
                path,
            }),
            file: None,
            unknown: None,
        }
    }

    fn certificate(&self, entry: pkcs15::CertificateEntry) -> Made {
        let flags = entry.common.flags;
        let value = self.value(&entry.value, flags & FLAG_PRIVATE != 0);
        let certificate = value.content.as_deref().and_then(|content| x509_as(content, self.behaviour));
        Made {
            label: entry.common.label,
            id: entry.id,
            auth_id: entry.common.auth_id,
            class: Class::Certificate { certificate, authority: entry.authority, flags },
            file: value.file,
            unknown: value.unknown,
        }
    }

    fn data(&self, entry: pkcs15::DataEntry) -> Made {
        let flags = entry.common.flags;
        let value = self.value(&entry.value, flags & FLAG_PRIVATE != 0);
        Made {
            label: entry.common.label,
            id: Vec::new(),
            auth_id: entry.common.auth_id,
            class: Class::Data {
                application: entry.application,
                oid: entry.application_oid,
                flags,
                path: match (entry.value, value.file) {
                    (Value::Path(path), Some(file)) if file.aid().is_none() => {
                        let bytes = [&[0x3F, 0x00], file.as_slice()].concat();
                        Value::Path(Path { bytes, ..path })
                    }
                    (value, _) => value,
                },
                content: value.content,
                is_unreadable: value.is_unreadable,
            },
            file: value.file,
            unknown: value.unknown,
        }
    }

    fn pin(&self, entry: pkcs15::PinEntry) -> Made {
        Made {
            label: entry.common.label,
            id: entry.id,
            auth_id: entry.common.auth_id,
            class: Class::Pin(Pin {
                object_flags: entry.common.flags,
                flags: entry.flags,
                kind: entry.kind,
                lengths: entry.lengths,
                reference: entry.reference,
                pad: entry.pad,
                path: entry.path.and_then(|path| self.application.file(&path)),
            }),
            file: None,
            unknown: None,
        }
    }

    /// The value of an object; of a private one nobody gets to see it.
    fn value(&self, value: &Value, private: bool) -> Content {
        let path = match value {
            Value::Direct(content) => {
                return Content { content: Some(content.clone()), ..Content::default() };
            }
            Value::Path(path) => path,
        };
        let file = self.application.file(path);
        let read = match file {
            Some(file) if !private => self.source.read_part(file, path.part),
            _ => Read::Absent,
        };
        let is_unreadable = read == Read::Failed;
        let (content, unknown) = match read {
            Read::Content(content) => (Some(content), None),
            Read::Absent | Read::Failed => (None, None),
            Read::Unknown(why) => (None, Some(why)),
        };
        Content { content, is_unreadable, file, unknown }
    }
}

/// The value of an object.
#[derive(Default)]
struct Content {
    content: Option<Vec<u8>>,
    is_unreadable: bool,
    file: Option<EfPath>,
    unknown: Option<String>,
}
