//! Certificates and requests of one file: whose signature each of them bears, asked with the keys of all of them.

use std::cell::Cell;
use std::collections::HashMap;

use super::answer::{damaged, of_certificate};
use super::artefact::Artefact;
use super::attempt::WORK_OF_A_FILE;
use super::attribute::{Asked, bytes_of};
use super::judgement::Judgement;
use super::named_keys::NamedKeys;
use super::of_x509;
use crate::case::attribution::Attribution;
use crate::case::known_keys::PlaceKind;
use crate::case::tokens::Tokens;
use crate::crypto::Signed;

/// Certificates and requests, in the order of the file; one is `None` if its signature cannot be taken out of it.
pub struct Certificates(Vec<Option<Artefact>>);

impl Certificates {
    /// Of these structures, each of which is a certificate or a request.
    #[must_use]
    pub fn read(structures: &[Vec<u8>]) -> Self {
        let one = |der: &Vec<u8>| of_x509::of_certificate(der).or_else(|| of_x509::of_request(der));
        Self(structures.iter().map(one).collect())
    }

    /// Who made each of them?
    #[must_use]
    pub fn attribute(&self, tokens: &Tokens<'_>, named: &NamedKeys) -> Vec<Attribution> {
        let mut ring = named.ring(tokens);
        let place = |index: usize| format!("in certificate {} of the same file", index + 1);
        for (index, artefact) in self.0.iter().enumerate() {
            if let Some(offer) = artefact.as_ref().and_then(|one| one.offer.clone()) {
                ring.add(offer, PlaceKind::File, || place(index));
            }
        }
        // Who asks about one certificate and names a bare key means its issuer's.
        if let [Some(one)] = self.0.as_slice()
            && let Some(name) = one.other_issuer()
        {
            ring.call_given(name);
        }
        let asked = Asked::new(ring);
        let left = Cell::new(WORK_OF_A_FILE);
        // What is in it twice is asked once.
        let mut seen: HashMap<[u8; 16], Judgement> = HashMap::new();
        let mut answer = |index: usize, artefact: &Artefact| {
            let claimed = artefact.signatures.first()?;
            let over = bytes_of(&claimed.over)?;
            let judgement = seen.entry(artefact.digest).or_insert_with(|| asked.judge(claimed, &over, &left));
            let mut answer = of_certificate(judgement, artefact, &asked.ring, tokens, &place(index));
            answer.how = asked.how(claimed, &Signed::message(&over), &judgement.maker, &left);
            Some(answer)
        };
        let each = self.0.iter().enumerate();
        each.map(|(index, one)| one.as_ref().and_then(|one| answer(index, one)).unwrap_or_else(damaged))
            .collect()
    }
}
