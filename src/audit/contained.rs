//! A signature in a container (CMS, OpenSSH) over a file that is named with it.

use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Seek};

use super::artefact::{Claimed, Content, Offer};
use super::attribute::{Asked, Judgement, Maker, Verdict, WORK_OF_A_FILE, bytes_of};
use super::content::{IN_MEMORY, whole};
use super::recognise::Found;
use super::ring::Ring;
use super::{Kind, digest_of, over_content};
use crate::case::attribution::{Attributed, Attribution, attributed};
use crate::case::known_keys::{PlaceKind, known_keys};
use crate::case::tokens::Tokens;
use crate::format::key::PublicKey;

/// The signatures in a container.
pub struct Contained {
    signatures: Vec<Claimed>,
    offers: Vec<Offer>,
}

impl Contained {
    /// What is in these bytes. `None` if they are no such container, or nobody has signed in it.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (mut signatures, mut offers) = (Vec::new(), Vec::new());
        whole(bytes, &mut |found| match found {
            Found::Artefact(artefact) => {
                if matches!(artefact.kind, Kind::SignedData | Kind::SshSignature) {
                    signatures.extend(artefact.signatures);
                }
                offers.extend(artefact.offer);
            }
            Found::Key(_) | Found::NotComputed(_) | Found::NotOpened(_) | Found::Noted { .. } => {}
        });
        (!signatures.is_empty()).then_some(Self { signatures, offers })
    }

    /// Who made each of them over the content of this file? `place`: where the container is, in words.
    #[must_use]
    pub fn attribute(
        &self,
        tokens: &Tokens<'_>,
        given: &[(String, PublicKey)],
        file: &File,
        place: &str,
    ) -> Vec<Attribution> {
        let mut ring = Ring::new(known_keys(tokens, given));
        for offer in &self.offers {
            ring.add(offer.clone(), || format!("in the {place} itself"));
        }
        let asked = Asked::new(ring);
        let left = Cell::new(WORK_OF_A_FILE);
        let one = |claimed: &Claimed| {
            let judgement = match over_content(&claimed.over, file) {
                Ok(over) => asked.judge(claimed, &over, &left),
                Err(why) => Judgement::open_because(&why),
            };
            let is_content = claimed.content.as_ref().is_none_or(|content| is_digest_of(content, file));
            let judgement = match judgement.verdict {
                Verdict::Sound if !is_content => judgement.with_other_content(),
                _ => judgement,
            };
            answer(judgement, claimed, &asked.ring)
        };
        self.signatures.iter().map(one).collect()
    }
}

/// Is it this content whose digest was signed, as it is, or as mail writes the ends of its lines (RFC 8551, 3.1.1)?
fn is_digest_of(content: &Content, file: &File) -> bool {
    if digest_of(file, content.hash).is_ok_and(|digest| digest == content.digest) {
        return true;
    }
    let mut text = Vec::new();
    let mut source = file;
    let read = source.rewind().and_then(|()| source.take(IN_MEMORY).read_to_end(&mut text));
    let mut canonical = Vec::with_capacity(text.len() + text.len() / 16);
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        if number > 0 {
            canonical.extend_from_slice(b"\r\n");
        }
        canonical.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
    }
    read.is_ok() && content.hash.digest(&canonical) == content.digest
}

fn answer(judgement: Judgement, claimed: &Claimed, ring: &Ring) -> Attribution {
    let with_places = |key: &PublicKey| -> Attributed {
        let held = ring.find(key).and_then(|index| ring.get(index));
        attributed(key, held.map(|held| held.places.as_slice()).unwrap_or_default())
    };
    let maker = match &judgement.maker {
        Maker::Known(index) => ring.get(*index).map(|held| attributed(&held.key, &held.places)),
        Maker::Unknown(key) => Some(with_places(key)),
        Maker::OneOf(_) | Maker::NotFound => None,
    };
    // Of a content that is another one the key is the one that is named all the same.
    let maker = match judgement.verdict {
        Verdict::Invalid => maker.or_else(|| judgement.named.as_ref().map(with_places)),
        Verdict::Sound
        | Verdict::IssuerNotKnown
        | Verdict::NotDecided
        | Verdict::SoundUnderAnotherCertificate
        | Verdict::MadeByAnotherKey => maker,
    };
    let is_known = maker.as_ref().is_some_and(|maker| {
        maker.places.iter().any(|place| matches!(place.kind, PlaceKind::Card | PlaceKind::Given))
    });
    let is_sound = judgement.verdict == Verdict::Sound;
    let mut attribution = Attribution::new(Vec::new());
    attribution.names = judgement.named.as_ref().map(with_places);
    attribution.how = claimed.scheme.as_ref().ok().map(ToString::to_string).filter(|_| maker.is_some());
    attribution.made_by = maker;
    attribution.good = is_sound && is_known;
    attribution.is_invalid = judgement.verdict == Verdict::Invalid;
    // Over a file that somebody names, only a key that is known tells another key from another file.
    let is_told = matches!(judgement.maker, Maker::Known(_)) || bytes_of(&claimed.over).is_some();
    attribution.contradicted = judgement.verdict == Verdict::MadeByAnotherKey && is_told;
    attribution.note = judgement.why.clone();
    if is_sound && !is_known {
        let why = "It fits the key that comes with it, which is neither on a card that was read nor named with --pubkey.";
        attribution.note = Some(why.to_owned());
    }
    if let Maker::OneOf(keys) = &judgement.maker {
        attribution.candidate_keys(keys);
    }
    match judgement.verdict {
        Verdict::NotDecided => attribution.undecided.extend(judgement.why),
        Verdict::IssuerNotKnown => {
            attribution
                .undecided
                .push("the key that it names is not known here: name it with --pubkey".to_owned());
        }
        Verdict::Sound
        | Verdict::SoundUnderAnotherCertificate
        | Verdict::Invalid
        | Verdict::MadeByAnotherKey => {}
    }
    attribution
}
