//! The difference of two views of one token, object by object.
//!
//! Objects are matched by their place. On most cards that is the ef they come from, never ID
//! or label: those are what a stale cache gets wrong. A directory file holds many objects, and
//! there is nothing but class and ID to know one of them again by: what is found on one side
//! only is then a ghost, or hidden.

use super::{Class, Object, Part, Place, View};
use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::same_form;
use crate::snapshot::EfPath;

/// One way in which what is shown is not what is on the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<'v> {
    /// Which object it concerns.
    pub place: Place,
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
    /// It is an object of another class.
    Class,
    /// Other attributes, by name.
    Attributes(Vec<&'static str>),
    /// Not shown at all.
    Hidden,
    /// Shown, but not on the card.
    Ghost,
}

/// Compares two views; places that either side knows nothing about are left out.
#[must_use]
pub fn compare<'v>(live: &'v View, shown: &'v View) -> Vec<Difference<'v>> {
    let mut seen: BTreeSet<Place> = BTreeSet::new();
    let objects = live.objects.iter().chain(&shown.objects);
    let mut places: Vec<Place> = objects.map(Object::place).collect();
    places.retain(|place| seen.insert(place.clone()));
    // What one ef holds is told together.
    let order: BTreeMap<EfPath, usize> =
        places.iter().rev().map(|place| place.ef).zip((0..).map(|n: usize| usize::MAX - n)).collect();
    places.sort_by_key(|place| {
        (order.get(&place.ef).copied(), place.part.is_of_key().then(|| place.part.clone()))
    });
    places
        .into_iter()
        .filter(|place| !live.is_unknown(place) && !shown.is_unknown(place))
        .flat_map(|place| compare_place(place, live, shown))
        .collect()
}

fn compare_place<'v>(place: Place, live: &'v View, shown: &'v View) -> Vec<Difference<'v>> {
    let has_key = |view: &View| view.has_private_key(place.ef);
    // Without its private key OpenSC does not even look at the public part: that
    // one is gone goes without saying.
    let follows = place.part.is_of_key() && place.part != Part::PrivateKey;
    if follows && has_key(live) != has_key(shown) {
        return Vec::new();
    }
    let (on_card, object) = (live.at(&place), shown.at(&place));
    let mut found = Found { place, differences: Vec::new() };
    found.main(on_card, object);
    found.differences
}

struct Found<'v> {
    place: Place,
    differences: Vec<Difference<'v>>,
}

impl<'v> Found<'v> {
    fn main(&mut self, live: Option<&'v Object>, shown: Option<&'v Object>) {
        match (live, shown) {
            (None, None) => {}
            (Some(object), None) => self.push(Kind::Hidden, deciding_file(object), live, shown),
            (None, Some(object)) => self.push(Kind::Ghost, deciding_file(object), live, shown),
            (Some(on_card), Some(object)) => self.both(on_card, object),
        }
    }

    fn both(&mut self, on_card: &'v Object, object: &'v Object) {
        let (live, shown) = (Some(on_card), Some(object));
        let description = description_file(object);
        let private_key = self.place.part == Part::PrivateKey;
        if private_key && on_card.id != object.id {
            self.push(Kind::KeyId, description, live, shown);
        }
        // The public part of a key's ef takes ID and label from the private key's
        // description: reported there.
        let mut attributes = Vec::new();
        if private_key || !self.place.part.is_of_key() {
            if on_card.label != object.label {
                attributes.push("label");
            }
            if on_card.auth_id != object.auth_id {
                attributes.push("authentication ID");
            }
            if !private_key && on_card.id != object.id {
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
            (Class::Data { content: a, .. }, Class::Data { content: b, .. }) => {
                if a != b {
                    self.push(Kind::Attributes(vec!["content"]), file, live, shown);
                }
            }
            (Class::PrivateKey { .. } | Class::SecretKey(_) | Class::Pin(_), _) => {}
            (a, b) => {
                let both_keys = matches!((a, b), (Class::PublicKey { .. }, Class::PublicKey { .. }));
                let of_key = both_keys || self.place.part == Part::Public;
                if of_key && on_card.public_key().map(same_form) != object.public_key().map(same_form) {
                    self.push(Kind::PublicKey, file, live, shown);
                }
                match (a, b) {
                    (
                        Class::Certificate { certificate: a, .. },
                        Class::Certificate { certificate: b, .. },
                    ) if a != b => self.push(Kind::Certificate, file, live, shown),
                    (a, b) if std::mem::discriminant(a) != std::mem::discriminant(b) => {
                        self.push(Kind::Class, file, live, shown);
                    }
                    _ => {}
                }
            }
        }
    }

    fn push(&mut self, kind: Kind, file: EfPath, live: Option<&'v Object>, shown: Option<&'v Object>) {
        self.differences.push(Difference { place: self.place.clone(), file, kind, live, shown });
    }
}

/// The file that describes an object.
fn description_file(object: &Object) -> EfPath {
    object.files.first().copied().unwrap_or(object.ef)
}

/// The file that holds an object's value, or describes it if it has no other.
fn content_file(object: &Object) -> EfPath {
    object.files.last().copied().unwrap_or(object.ef)
}

/// The file that decides whether an object is there at all.
fn deciding_file(object: &Object) -> EfPath {
    match object.part {
        // Without its value it is listed all the same.
        Part::Entry(..) | Part::Whole => description_file(object),
        _ => content_file(object),
    }
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
            Class::PrivateKey { reference, key_type, bits, usage, access, flags, native, path },
            Class::PrivateKey {
                reference: shown_reference,
                key_type: shown_type,
                bits: shown_bits,
                usage: shown_usage,
                access: shown_access,
                flags: shown_flags,
                native: shown_native,
                path: shown_path,
            },
        ) => {
            note(reference != shown_reference, "key reference");
            note(path != shown_path, "path");
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
        (Class::PublicKey { entry, .. }, Class::PublicKey { entry: shown_entry, .. }) => {
            note(entry != shown_entry, "description");
        }
        (Class::SecretKey(key), Class::SecretKey(shown_key)) => note(key != shown_key, "description"),
        (Class::Pin(pin), Class::Pin(shown_pin)) => note(pin != shown_pin, "description"),
        _ => {}
    }
    names
}
