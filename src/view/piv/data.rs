//! The data objects of a PIV card, in OpenSC's order: the certificates once more, with what stands around them, and what holds
//! no key.

use super::slots::{PIN, slots};
use crate::format::piv;
use crate::format::pkcs15::{self, FLAG_PRIVATE, Value};
use crate::snapshot::{Card, EfPath};
use crate::view::objects::Draft;
use crate::view::{Behaviour, Class, FILE_BUFFER, Object, Part, Place, Read, Source};

/// A data object as OpenSC lists it.
struct DataObject {
    name: &'static str,
    /// The end of its OID, behind 2.16.840.1.101.3.7.
    oid: &'static [u8],
    container: u16,
    access: Access,
}

#[derive(PartialEq, Eq)]
enum Access {
    Public,
    /// Listed whether it is there or not, and never read: no card has it.
    Unread,
    /// Behind the PIN, which the list says.
    Pin,
    /// Behind the PIN, which the list does not say.
    UnsaidPin,
}

impl Access {
    const fn is_behind_pin(&self) -> bool {
        matches!(self, Self::Pin | Self::UnsaidPin)
    }
}

/// In OpenSC's order; those of the retired keys follow.
const DATA: [DataObject; 14] = [
    data("Card Capability Container", &[1, 0x81, 0x5B, 0], 0xDB00, Access::Public),
    data("Card Holder Unique Identifier", &[2, 48, 0], 0x3000, Access::Public),
    data("Unsigned Card Holder Unique Identifier", &[2, 48, 2], 0x3010, Access::Unread),
    data("X.509 Certificate for PIV Authentication", &[2, 1, 1], 0x0101, Access::Public),
    data("Cardholder Fingerprints", &[2, 96, 16], 0x6010, Access::Pin),
    data("Printed Information", &[2, 48, 1], 0x3001, Access::Pin),
    data("Cardholder Facial Image", &[2, 96, 48], 0x6030, Access::Pin),
    data("X.509 Certificate for Digital Signature", &[2, 1, 0], 0x0100, Access::Public),
    data("X.509 Certificate for Key Management", &[2, 1, 2], 0x0102, Access::Public),
    data("X.509 Certificate for Card Authentication", &[2, 5, 0], 0x0500, Access::Public),
    data("Security Object", &[2, 0x81, 0x10, 0], 0x9000, Access::Public),
    data("Discovery Object", &[2, 96, 80], 0x6050, Access::Public),
    data("Key History Object", &[2, 96, 96], 0x6060, Access::Public),
    data("Cardholder Iris Image", &[2, 16, 21], 0x1015, Access::UnsaidPin),
];

/// What follows those of the retired keys, in versions that know secure messaging.
const MESSAGING_DATA: [DataObject; 3] = [
    data("Biometric Information Templates Group Template", &[2, 16, 22], 0x1016, Access::Public),
    data("Secure Messaging Certificate Signer", &[2, 16, 23], 0x1017, Access::Public),
    data("Pairing Code Reference Data Container", &[2, 16, 24], 0x1018, Access::UnsaidPin),
];

const fn data(name: &'static str, oid: &'static [u8], container: u16, access: Access) -> DataObject {
    DataObject { name, oid, container, access }
}

/// 2.16.840.1.101.3.7, OID content.
const ARC: [u8; 7] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x07];

/// Lists them all.
pub(super) fn list(view: &mut Draft, card: &Card, source: &dyn Source, behaviour: Behaviour) {
    let mut list = Objects { card, source, behaviour, view };
    let add = |list: &mut Objects<'_>, object: &DataObject| {
        list.add(object.name.to_owned(), object.oid, EfPath::at(object.container), &object.access);
    };
    DATA.iter().for_each(|object| add(&mut list, object));
    for (slot, number) in slots(card).filter_map(|slot| Some((slot, slot.retired_number()?))) {
        let name = format!("Retired X.509 Certificate for Key Management {number}");
        list.add(name, &[2, 16, number], slot.object(), &Access::Public);
    }
    if behaviour.lists_messaging {
        MESSAGING_DATA.iter().for_each(|object| add(&mut list, object));
    }
}

/// What OpenSC calls the one in this file, if it has a name of its own.
pub(super) fn name(file: EfPath) -> Option<&'static str> {
    known(file).map(|object| object.name)
}

/// Whether the PIN is before it.
pub(super) fn is_behind_pin(file: EfPath) -> bool {
    known(file).is_some_and(|object| object.access.is_behind_pin())
}

fn known(file: EfPath) -> Option<&'static DataObject> {
    DATA.iter().chain(&MESSAGING_DATA).find(|object| EfPath::at(object.container) == file)
}

/// Lists data objects.
struct Objects<'a> {
    card: &'a Card,
    source: &'a dyn Source,
    behaviour: Behaviour,
    view: &'a mut Draft,
}

impl Objects<'_> {
    fn add(&mut self, name: String, oid: &[u8], file: EfPath, access: &Access) {
        let read = if *access == Access::Public { self.read(file) } else { Read::Absent };
        let is_unreadable = read == Read::Failed;
        let content = match read {
            Read::Content(bytes) => Some(bytes),
            Read::Absent | Read::Failed => None,
            Read::Unknown(why) => {
                self.view.unknown.push((Place { ef: file, part: Part::Whole }, why));
                return;
            }
        };
        let flags = if access.is_behind_pin() { FLAG_PRIVATE } else { 0 };
        self.view.objects.push(Object {
            ef: file,
            part: Part::Whole,
            files: vec![file],
            label: name.clone().into_bytes(),
            id: Vec::new(),
            auth_id: if *access == Access::Pin { vec![PIN] } else { Vec::new() },
            class: Class::Data {
                application: name.into_bytes(),
                oid: Some([&ARC[..], oid].concat()),
                flags,
                path: Value::Path(pkcs15::Path {
                    bytes: file.as_slice().to_vec(),
                    ..pkcs15::Path::default()
                }),
                content,
                is_unreadable,
            },
        });
    }

    /// What the card gives OpenSC takes out of its wrapping and fails if it is another than it expects; what is in the cache
    /// it takes as it is.
    fn read(&self, file: EfPath) -> Read {
        let read = self.source.read(file, FILE_BUFFER);
        let Read::Content(bytes) = &read else { return read };
        let of_card = self.card.read(file, FILE_BUFFER) == read;
        match piv::content(bytes) {
            None if of_card => Read::Failed,
            Some([]) if of_card && self.behaviour.empty_piv_objects_fail => Read::Failed,
            Some([]) if of_card => Read::Absent,
            _ => read,
        }
    }
}
