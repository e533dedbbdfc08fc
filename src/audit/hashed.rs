//! What several signatures of one artefact are over is hashed once, and held once.

use std::sync::Arc;

use crate::crypto::Signed;

/// Of one artefact, what its signatures are over.
#[derive(Default)]
pub struct Hashed<'a> {
    /// What several share.
    shared: Option<(&'a Arc<[u8]>, Signed<'a>)>,
    /// What was asked for last, of what is one signature's own.
    own: Option<(&'a Arc<[u8]>, Signed<'a>)>,
}

impl<'a> Hashed<'a> {
    /// These bytes, with the digests of them that are known.
    pub fn of(&mut self, bytes: &'a Arc<[u8]>) -> &Signed<'a> {
        let place = if Arc::strong_count(bytes) > 1 { &mut self.shared } else { &mut self.own };
        if place.as_ref().is_some_and(|(known, _)| !Arc::ptr_eq(known, bytes)) {
            *place = None;
        }
        &place.get_or_insert_with(|| (bytes, Signed::message(bytes))).1
    }
}
