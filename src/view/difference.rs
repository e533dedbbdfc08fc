//! The difference of two views of one token, object by object.
//!
//! Objects are matched by the entry of the key list they come from, never by ID
//! or label: those are what a stale cache gets wrong.

use super::{Class, Object, View, prefix, split};
use crate::snapshot::EfPath;

/// One way in which what is shown is not what is on the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<'v> {
    /// Which entry of the key list it concerns.
    pub slot: EfPath,
    /// The file whose content makes the difference.
    pub file: EfPath,
    /// In what they differ.
    pub kind: Kind,
    /// The object on the card.
    pub live: Option<&'v Object>,
    /// The object shown.
    pub shown: Option<&'v Object>,
}

/// In what an object shown differs from the card's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The ID of a key.
    KeyId,
    /// The public key of a key pair.
    PublicKey,
    /// The certificate.
    Certificate,
    /// Other attributes, by name.
    Attributes(Vec<&'static str>),
    /// Not shown at all.
    Hidden,
    /// Shown, but not on the card.
    Ghost,
}

/// Compares two views; slots that either side knows nothing about are left out.
#[must_use]
pub fn compare<'v>(live: &'v View, shown: &'v View) -> Vec<Difference<'v>> {
    let mut slots: Vec<EfPath> = Vec::new();
    for object in live.objects.iter().chain(&shown.objects) {
        if !slots.contains(&object.slot) {
            slots.push(object.slot);
        }
    }
    let unknown = |slot| live.unknown.iter().chain(&shown.unknown).any(|(fid, _)| *fid == slot);
    slots
        .into_iter()
        .filter(|&slot| !unknown(slot))
        .flat_map(|slot| compare_slot(slot, live, shown))
        .collect()
}

fn compare_slot<'v>(slot: EfPath, live: &'v View, shown: &'v View) -> Vec<Difference<'v>> {
    let pick = |view: &'v View, private: bool| {
        view.slot(slot).find(|object| matches!(object.class, Class::PrivateKey { .. }) == private)
    };
    let mut found = Found { slot, differences: Vec::new() };
    let (live_private, shown_private) = (pick(live, true), pick(shown, true));
    found.main(live_private, shown_private);
    // Without its private key OpenSC does not even look at the public part: that
    // one is gone goes without saying.
    if split(slot).0 != prefix::KEY || live_private.is_some() == shown_private.is_some() {
        found.main(pick(live, false), pick(shown, false));
    }
    found.differences
}

struct Found<'v> {
    slot: EfPath,
    differences: Vec<Difference<'v>>,
}

impl<'v> Found<'v> {
    fn main(&mut self, live: Option<&'v Object>, shown: Option<&'v Object>) {
        match (live, shown) {
            (None, None) => {}
            (Some(object), None) => self.push(Kind::Hidden, content_file(object), live, shown),
            (None, Some(object)) => self.push(Kind::Ghost, content_file(object), live, shown),
            (Some(on_card), Some(object)) => self.both(on_card, object),
        }
    }

    fn both(&mut self, on_card: &'v Object, object: &'v Object) {
        let (live, shown) = (Some(on_card), Some(object));
        let key = split(self.slot).0 == prefix::KEY;
        let description = description_file(object);
        let private = matches!(object.class, Class::PrivateKey { .. });
        if key && private && on_card.id != object.id {
            self.push(Kind::KeyId, description, live, shown);
        }
        // The public part of a key takes ID and label from the private key's
        // description: reported there.
        let mut attributes = Vec::new();
        if private || !key {
            if on_card.label != object.label {
                attributes.push("label");
            }
            if on_card.auth_id != object.auth_id {
                attributes.push("authentication ID");
            }
            if !key && on_card.id != object.id {
                attributes.push("ID");
            }
            attributes.extend(class_attributes(&on_card.class, &object.class));
        }
        if !attributes.is_empty() {
            self.push(Kind::Attributes(attributes), description, live, shown);
        }
        self.content(on_card, object);
    }

    /// Compares what the second file of an object holds.
    fn content(&mut self, on_card: &'v Object, object: &'v Object) {
        let (live, shown) = (Some(on_card), Some(object));
        let file = content_file(object);
        match (&on_card.class, &object.class) {
            (Class::PrivateKey { .. }, _) => {}
            (Class::Data { content: a, .. }, Class::Data { content: b, .. }) => {
                if a != b {
                    self.push(Kind::Attributes(vec!["content"]), file, live, shown);
                }
            }
            (a, b) => {
                let keys_differ = on_card.public_key() != object.public_key();
                let key = split(self.slot).0 == prefix::KEY;
                if key && keys_differ {
                    self.push(Kind::PublicKey, file, live, shown);
                }
                match (a, b) {
                    (
                        Class::Certificate { certificate: a, .. },
                        Class::Certificate { certificate: b, .. },
                    ) if a != b => self.push(Kind::Certificate, file, live, shown),
                    (a, b) if std::mem::discriminant(a) != std::mem::discriminant(b) => {
                        self.push(Kind::Attributes(vec!["class"]), file, live, shown);
                    }
                    _ => {}
                }
            }
        }
    }

    fn push(&mut self, kind: Kind, file: EfPath, live: Option<&'v Object>, shown: Option<&'v Object>) {
        self.differences.push(Difference { slot: self.slot, file, kind, live, shown });
    }
}

/// The file that describes an object.
fn description_file(object: &Object) -> EfPath {
    object.files.first().copied().unwrap_or(object.slot)
}

/// The file that holds an object's value, or describes it if it has no other.
fn content_file(object: &Object) -> EfPath {
    object.files.last().copied().unwrap_or(object.slot)
}

fn class_attributes(live: &Class, shown: &Class) -> Vec<&'static str> {
    let mut names = Vec::new();
    let mut note = |differs: bool, name| {
        if differs {
            names.push(name);
        }
    };
    match (live, shown) {
        (
            Class::PrivateKey { key_type, bits, usage, access, flags, native, .. },
            Class::PrivateKey {
                key_type: shown_type,
                bits: shown_bits,
                usage: shown_usage,
                access: shown_access,
                flags: shown_flags,
                native: shown_native,
                ..
            },
        ) => {
            note(key_type != shown_type, "key type");
            note(bits != shown_bits, "key size");
            note(usage != shown_usage, "usage");
            note(access != shown_access, "access flags");
            note(flags != shown_flags || native != shown_native, "flags");
        }
        (
            Class::Certificate { authority, flags, .. },
            Class::Certificate { authority: shown_authority, flags: shown_flags, .. },
        ) => {
            note(authority != shown_authority, "authority flag");
            note(flags != shown_flags, "flags");
        }
        (
            Class::Data { application, oid, flags, path, .. },
            Class::Data {
                application: shown_application,
                oid: shown_oid,
                flags: shown_flags,
                path: shown_path,
                ..
            },
        ) => {
            note(application != shown_application, "application name");
            note(oid != shown_oid, "application OID");
            note(flags != shown_flags, "flags");
            note(path != shown_path, "path");
        }
        _ => {}
    }
    names
}
