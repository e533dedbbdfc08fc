//! The objects of a view in the order in which OpenSC finds them, and what nothing is known of.
//!
//! Hides that nobody searches for them: whoever writes a card, a cache or a snapshot chooses how many there are, so
//! they are put in order once, when a view is made, and found by place, EF and ID from then on. They do not change after that.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Deref;

use super::object::{Class, Object, Part, Place};
use crate::finding::ObjectClass;
use crate::format::key::PublicKey;
use crate::snapshot::EfPath;

/// A token as a program shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Objects in the order OpenSC finds them.
    pub objects: Objects,
    /// Places about which nothing can be said, and why.
    pub unknown: Unknown,
    /// Authentication IDs of the PINs with which users log in, on cards of which no PINs are listed.
    pub pins: &'static [u8],
}

/// The objects of a view.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    list: Vec<Object>,
    /// All of them, by EF and part.
    by_place: Positions,
    /// Private keys by EF, and those of directory files by ID.
    private_by_ef: Positions,
    private_by_id: Positions,
    /// What names a public key, likewise.
    public_by_ef: Positions,
    public_by_id: Positions,
    /// Certificates by ID, wherever they are; and by the files they were made of.
    certificates_by_id: Positions,
    certificates_by_files: Positions,
    by_public_key: Positions,
}

/// Where some of the objects are, in another order than theirs. Equals keep theirs.
#[derive(Debug, Clone, Default)]
struct Positions(Vec<usize>);

impl Positions {
    fn of<T>(list: &[T], is_wanted: impl Fn(&T) -> bool, order: impl Fn(&T, &T) -> Ordering) -> Self {
        let mut wanted: Vec<(usize, &T)> =
            list.iter().enumerate().filter(|(_, one)| is_wanted(one)).collect();
        wanted.sort_by(|(_, a), (_, b)| order(a, b));
        Self(wanted.into_iter().map(|(at, _)| at).collect())
    }

    /// The positions of those that this says are equal to what is looked for: others are less or greater, as in the order.
    fn equal<T>(&self, list: &[T], compared: impl Fn(&T) -> Ordering) -> &[usize] {
        let order = |at: &usize| list.get(*at).map_or(Ordering::Greater, &compared);
        let start = self.0.partition_point(|at| order(at) == Ordering::Less);
        let rest = self.0.get(start..).unwrap_or_default();
        let end = rest.partition_point(|at| order(at) == Ordering::Equal);
        rest.get(..end).unwrap_or_default()
    }
}

impl From<Vec<Object>> for Objects {
    fn from(list: Vec<Object>) -> Self {
        let by_ef = |a: &Object, b: &Object| a.ef.cmp(&b.ef);
        let by_id = |a: &Object, b: &Object| a.id.cmp(&b.id);
        let is_public = |object: &Object| object.public_key().is_some();
        let is_certificate = |object: &Object| matches!(object.class, Class::Certificate { .. });
        let has_id = |object: &Object| matches!(object.part, Part::Entry(..)) && !object.id.is_empty();
        Self {
            by_place: Positions::of(&list, |_| true, |a, b| (a.ef, &a.part).cmp(&(b.ef, &b.part))),
            private_by_ef: Positions::of(&list, Object::is_private_key, by_ef),
            private_by_id: Positions::of(&list, |object| object.is_private_key() && has_id(object), by_id),
            public_by_ef: Positions::of(&list, is_public, by_ef),
            public_by_id: Positions::of(&list, |object| is_public(object) && has_id(object), by_id),
            certificates_by_id: Positions::of(
                &list,
                |object| is_certificate(object) && is_public(object) && !object.id.is_empty(),
                by_id,
            ),
            certificates_by_files: Positions::of(&list, is_certificate, |a, b| {
                (a.ef, &a.files).cmp(&(b.ef, &b.files))
            }),
            by_public_key: Positions::of(&list, is_public, |a, b| a.public_key().cmp(&b.public_key())),
            list,
        }
    }
}

impl FromIterator<Object> for Objects {
    fn from_iter<T: IntoIterator<Item = Object>>(objects: T) -> Self {
        Vec::from_iter(objects).into()
    }
}

impl Deref for Objects {
    type Target = [Object];

    fn deref(&self) -> &[Object] {
        &self.list
    }
}

impl<'o> IntoIterator for &'o Objects {
    type Item = &'o Object;
    type IntoIter = std::slice::Iter<'o, Object>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl PartialEq for Objects {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for Objects {}

impl Objects {
    fn some<'o>(&'o self, positions: &'o [usize]) -> impl Iterator<Item = &'o Object> {
        positions.iter().filter_map(|at| self.list.get(*at))
    }
}

impl View {
    /// The key reference of the private key that an object is or belongs to.
    #[must_use]
    pub fn reference(&self, object: &Object) -> Option<u8> {
        match self.private_key_of(object)?.class {
            Class::PrivateKey { reference, .. } => reference,
            _ => None,
        }
    }

    /// Where among the objects the one in this place is.
    #[must_use]
    pub fn position(&self, place: &Place) -> Option<usize> {
        let here = |object: &Object| (object.ef, &object.part).cmp(&(place.ef, &place.part));
        self.objects.by_place.equal(&self.objects, here).first().copied()
    }

    /// The object in one place.
    #[must_use]
    pub fn at(&self, place: &Place) -> Option<&Object> {
        self.objects.get(self.position(place)?)
    }

    /// The objects of one EF, by their parts.
    pub fn of_ef(&self, ef: EfPath) -> impl Iterator<Item = &Object> {
        self.objects.some(self.objects.by_place.equal(&self.objects, |object| object.ef.cmp(&ef)))
    }

    /// The private keys.
    pub fn private_keys(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|object| object.is_private_key())
    }

    /// Is there a private key in this EF?
    #[must_use]
    pub fn has_private_key(&self, ef: EfPath) -> bool {
        !self.objects.private_by_ef.equal(&self.objects, |object| object.ef.cmp(&ef)).is_empty()
    }

    /// The private key that an object belongs to: of its EF, or of its ID.
    #[must_use]
    pub fn private_key_of(&self, object: &Object) -> Option<&Object> {
        let Objects { private_by_ef, private_by_id, .. } = &self.objects;
        self.objects.some(related(&self.objects, object, private_by_ef, private_by_id)).next()
    }

    /// The objects that name a public key for a private key: those of its EF, or of its ID.
    pub fn public_parts<'v>(&'v self, key: &'v Object) -> impl Iterator<Item = &'v Object> {
        let Objects { public_by_ef, public_by_id, .. } = &self.objects;
        self.objects.some(related(&self.objects, key, public_by_ef, public_by_id))
    }

    /// All that names a public key for a private key: its own public parts and certificates with its ID, but no public
    /// key of which there is only the certificate that is listed beside it (PIV).
    pub fn named_for(&self, key: &Object) -> impl Iterator<Item = &Object> {
        let Objects { public_by_ef, public_by_id, certificates_by_id, .. } = &self.objects;
        let own = related(&self.objects, key, public_by_ef, public_by_id);
        let of_id = certificates_by_id.equal(&self.objects, |object| object.id.cmp(&key.id));
        let mut positions = [own, of_id].concat();
        positions.sort_unstable();
        positions.dedup();
        let objects = positions.into_iter().filter_map(|at| self.objects.get(at));
        objects.filter(|object| !self.is_taken_from_certificate(object))
    }

    /// Is it a public key of which there is only the certificate that is listed beside it?
    fn is_taken_from_certificate(&self, object: &Object) -> bool {
        let beside = |other: &Object| (other.ef, &other.files).cmp(&(object.ef, &object.files));
        matches!(object.class, Class::PublicKey { .. })
            && !self.objects.certificates_by_files.equal(&self.objects, beside).is_empty()
    }

    /// All objects with this public key.
    pub fn with_public_key(&self, key: &PublicKey) -> impl Iterator<Item = &Object> {
        let of_key =
            self.objects.by_public_key.equal(&self.objects, |object| object.public_key().cmp(&Some(key)));
        self.objects.some(of_key)
    }

    /// Is nothing known of this place?
    #[must_use]
    pub fn is_unknown(&self, place: &Place) -> bool {
        self.unknown.holds(place)
    }
}

/// What belongs to an object: of a key's EF what is in there, of entries of directory files those of its ID.
fn related<'o>(
    objects: &[Object],
    object: &Object,
    by_ef: &'o Positions,
    by_id: &'o Positions,
) -> &'o [usize] {
    match object.part {
        Part::PrivateKey | Part::Public | Part::Certificate => {
            by_ef.equal(objects, |other| other.ef.cmp(&object.ef))
        }
        Part::Entry(..) if !object.id.is_empty() => by_id.equal(objects, |other| other.id.cmp(&object.id)),
        Part::Entry(..) | Part::Whole => &[],
    }
}

/// The places about which nothing can be said, each with the reason.
#[derive(Debug, Clone, Default)]
pub struct Unknown {
    list: Vec<(Place, String)>,
    by_place: Positions,
}

impl From<Vec<(Place, String)>> for Unknown {
    fn from(list: Vec<(Place, String)>) -> Self {
        Self { by_place: Positions::of(&list, |_| true, |(a, _), (b, _)| a.cmp(b)), list }
    }
}

impl Deref for Unknown {
    type Target = [(Place, String)];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

impl<'o> IntoIterator for &'o Unknown {
    type Item = &'o (Place, String);
    type IntoIter = std::slice::Iter<'o, (Place, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl PartialEq for Unknown {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for Unknown {}

impl Unknown {
    /// Does it cover this place, or a part of it?
    fn holds(&self, place: &Place) -> bool {
        let holds = |compared: &dyn Fn(&Place) -> Ordering| {
            !self.by_place.equal(&self.list, |(known, _)| compared(known)).is_empty()
        };
        match place.part {
            Part::Whole => holds(&|known| known.ef.cmp(&place.ef)),
            _ => holds(&|known| known.cmp(place)) || holds(&|known| known.cmp(&Place::whole(place.ef))),
        }
    }
}

/// A view while a decoder makes it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Objects in the order OpenSC finds them.
    pub(super) objects: Vec<Object>,
    /// Places about which nothing can be said, and why.
    pub(super) unknown: Vec<(Place, String)>,
    /// How many entries of directory files have all in common by which they are told apart.
    alike: BTreeMap<(EfPath, ObjectClass, Vec<u8>), usize>,
}

impl Draft {
    /// The next entry of a directory file with this class and identity.
    pub(super) fn entry(&mut self, ef: EfPath, class: ObjectClass, identity: Vec<u8>) -> Part {
        let number = self.alike.entry((ef, class, identity.clone())).or_default();
        let part = Part::Entry(class, identity, *number);
        *number += 1;
        part
    }

    /// The view. `pins`: see [`View::pins`].
    pub(super) fn view(self, pins: &'static [u8]) -> View {
        View { objects: self.objects.into(), unknown: self.unknown.into(), pins }
    }
}
