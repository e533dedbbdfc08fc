//! From the files of a key list to objects.

use super::super::objects::Draft;
use super::super::{Behaviour, Class, FILE_BUFFER, Object, Part, Place, Read, Source, View, x509_as};
use super::buffer::{DESCRIPTION_BUFFER, KEY_BUFFER};
use crate::format::cvc;
use crate::format::key::PublicKey;
use crate::format::pkcs15::{self, KeyType, Value};
use crate::format::sc_hsm::{fid, file_of, is_private, prefix, split};
use crate::snapshot::{EfPath, Fid};

/// Access flags that OpenSC gives a key whose description has none (`pkcs15-syn.c`):
/// sensitive, always sensitive, never extractable, local.
const DEFAULT_ACCESS: u32 = 0x1D;

/// Lists the objects of a key list.
#[must_use]
pub fn decode(key_list: &[Fid], source: &dyn Source, behaviour: Behaviour) -> View {
    let mut view = Draft::default();
    for ef in key_list.iter().copied().map(EfPath::from) {
        let (prefix, number) = split(ef);
        let result = match prefix {
            prefix::KEY if number == 0 && !behaviour.shows_device_key => Ok(()),
            prefix::KEY => key(&mut view, number, source, behaviour),
            prefix::CA_DESCRIPTION => ca_certificate(&mut view, ef, source, behaviour),
            prefix::DATA_DESCRIPTION => data(&mut view, ef, key_list, source),
            _ => Ok(()),
        };
        if let Err(why) = result {
            view.unknown.push((Place::whole(ef), why));
        }
    }
    view.view(&[1])
}

fn key(view: &mut Draft, number: u8, source: &dyn Source, behaviour: Behaviour) -> Result<(), String> {
    let ef = fid(prefix::KEY, number).into();
    let description = fid(prefix::PRIVATE_KEY, number).into();
    let bytes = match source.read(description, KEY_BUFFER) {
        Read::Content(bytes) => bytes,
        // A missing description is an optional file: OpenSC goes on with an empty one.
        Read::Absent | Read::Failed => Vec::new(),
        Read::Unknown(why) => return Err(why),
    };
    let Ok(entry) = pkcs15::private_key(&bytes) else { return Ok(()) };
    let bits = match (entry.key_type, entry.bits) {
        (KeyType::Ec, 528) if behaviour.rounds_521 => 521,
        (_, bits) => bits,
    };
    view.objects.push(Object {
        ef,
        part: Part::PrivateKey,
        files: vec![description],
        label: entry.common.label.clone(),
        id: entry.id.clone(),
        // Whatever the entry says.
        auth_id: vec![1],
        class: Class::PrivateKey {
            reference: Some(number),
            key_type: entry.key_type,
            bits,
            usage: entry.usage,
            access: if entry.access == 0 { DEFAULT_ACCESS } else { entry.access },
            flags: entry.common.flags | pkcs15::FLAG_PRIVATE,
            native: entry.native,
            path: None,
        },
    });

    let file = fid(prefix::CERTIFICATE, number).into();
    let content = match source.read(file, KEY_BUFFER) {
        Read::Content(content) => content,
        Read::Absent | Read::Failed => return Ok(()),
        Read::Unknown(why) => return Err(why),
    };
    // OpenSC reads both files into one buffer and looks at its first byte: of an
    // empty certificate file that is still the first byte of the description.
    let class = match content.first().or_else(|| bytes.first()) {
        Some(0x67) => match request_key(&content, behaviour) {
            Some(key) => Class::PublicKey { key: Some(key), entry: None },
            None => return Ok(()),
        },
        Some(0x30) => {
            Class::Certificate { certificate: x509_as(&content, behaviour), authority: false, flags: 0 }
        }
        _ => return Ok(()),
    };
    view.objects.push(Object {
        ef,
        part: Part::Public,
        files: vec![description, file],
        label: entry.common.label,
        id: entry.id,
        auth_id: Vec::new(),
        class,
    });
    Ok(())
}

/// The public key of a request, if this OpenSC can make anything of it.
pub(super) fn request_key(bytes: &[u8], behaviour: Behaviour) -> Option<PublicKey> {
    let request = cvc::decode(bytes).ok()?;
    if request.car.is_none() && !behaviour.car_optional {
        return None;
    }
    request.key.public_key(behaviour.matches_coefficient)
}

fn ca_certificate(
    view: &mut Draft,
    ef: EfPath,
    source: &dyn Source,
    behaviour: Behaviour,
) -> Result<(), String> {
    let bytes = match source.read(ef, DESCRIPTION_BUFFER) {
        Read::Content(bytes) => bytes,
        Read::Absent | Read::Failed => Vec::new(),
        Read::Unknown(why) => return Err(why),
    };
    let Ok(entry) = pkcs15::certificate(&bytes) else { return Ok(()) };
    let mut files = vec![ef];
    let certificate = match entry.value {
        Value::Direct(der) => x509_as(&der, behaviour),
        Value::Path(path) => match file_of(&path.bytes) {
            Some(file) => {
                files.push(file);
                match source.read(file, FILE_BUFFER) {
                    Read::Content(content) => x509_as(&content, behaviour),
                    Read::Absent | Read::Failed => None,
                    Read::Unknown(why) => return Err(why),
                }
            }
            None => None,
        },
    };
    let class = Class::Certificate { certificate, authority: entry.authority, flags: entry.common.flags };
    let (label, auth_id) = (entry.common.label, entry.common.auth_id);
    view.objects.push(Object { ef, part: Part::Whole, files, label, id: entry.id, auth_id, class });
    Ok(())
}

fn data(view: &mut Draft, ef: EfPath, key_list: &[Fid], source: &dyn Source) -> Result<(), String> {
    let bytes = match source.read(ef, DESCRIPTION_BUFFER) {
        Read::Content(bytes) => bytes,
        Read::Absent | Read::Failed => Vec::new(),
        Read::Unknown(why) => return Err(why),
    };
    let Ok(entry) = pkcs15::data_object(&bytes) else { return Ok(()) };
    let mut files = vec![ef];
    let mut is_unreadable = false;
    let content = match &entry.value {
        Value::Direct(content) => Some(content.clone()),
        Value::Path(path) => match file_of(&path.bytes) {
            Some(file) if entry.common.flags & pkcs15::FLAG_PRIVATE == 0 && !is_private(file) => {
                files.push(file);
                match source.read(file, FILE_BUFFER) {
                    Read::Content(content) => Some(content),
                    Read::Absent => None,
                    Read::Failed => {
                        is_unreadable = true;
                        None
                    }
                    Read::Unknown(why) => return Err(why),
                }
            }
            // Said to be public, and the card gives it only after the PIN.
            Some(file) => {
                let is_there = file.fid().is_some_and(|fid| key_list.contains(&fid));
                is_unreadable = entry.common.flags & pkcs15::FLAG_PRIVATE == 0 && is_there;
                None
            }
            None => None,
        },
    };
    view.objects.push(Object {
        ef,
        part: Part::Whole,
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
            is_unreadable,
        },
    });
    Ok(())
}
