//! What `pkcs15-tool -D` lists of a view.
//!
//! As watched with 0.21 to 0.27: class by class, PINs, private keys, public keys, secret keys, certificates and data
//! objects, each class in the order in which the card's objects are found; of a class the first 32. A
//! data object that names no PIN it reads, and where that fails for another reason than that there is no such
//! file, the list of data objects ends. A certificate that cannot be read or parsed ends nothing. What is not in the list the
//! tool finds all the same when it is asked for its ID.

use super::{Class, Object, View};
use crate::text::escape;

/// The most objects of a class that are listed.
pub const MOST: usize = 32;

/// Why an object is not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omitted<'v> {
    /// The list of its class is full.
    Full,
    /// The list of data objects ends at this one, which cannot be read.
    Behind(&'v Object),
}

impl Omitted<'_> {
    /// As the end of "not listed by pkcs15-tool: …".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Full => format!("its list ends after {MOST} of a class"),
            Self::Behind(last) => {
                format!("its list of data objects ends at \"{}\", which cannot be read", escape(&last.label))
            }
        }
    }
}

/// The objects of a view in the order of the list, each with the reason why it is not listed, if it is not.
#[must_use]
pub fn list(view: &View) -> Vec<(&Object, Option<Omitted<'_>>)> {
    let mut objects: Vec<&Object> = view.objects.iter().collect();
    objects.sort_by_key(|object| rank(object));
    let classes = objects.chunk_by(|a, b| rank(a) == rank(b));
    classes.flat_map(|class| of_class(class)).collect()
}

/// The objects that are listed.
pub fn listed(view: &View) -> impl Iterator<Item = &Object> {
    list(view).into_iter().filter(|(_, omitted)| omitted.is_none()).map(|(object, _)| object)
}

fn of_class<'v>(class: &[&'v Object]) -> Vec<(&'v Object, Option<Omitted<'v>>)> {
    let mut end = None;
    class
        .iter()
        .enumerate()
        .map(|(place, object)| {
            let omitted = if place < MOST { end } else { end.or(Some(Omitted::Full)) };
            if end.is_none() && is_last(object) {
                end = Some(Omitted::Behind(object));
            }
            (*object, omitted)
        })
        .collect()
}

const fn rank(object: &Object) -> u8 {
    match object.class {
        Class::Pin(_) => 0,
        Class::PrivateKey { .. } => 1,
        Class::PublicKey { .. } => 2,
        Class::SecretKey(_) => 3,
        Class::Certificate { .. } => 4,
        Class::Data { .. } => 5,
    }
}

/// Does the list of data objects end here?
fn is_last(object: &Object) -> bool {
    matches!(object.class, Class::Data { is_unreadable: true, .. }) && object.auth_id.is_empty()
}
