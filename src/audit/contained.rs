//! A signature in a container (CMS, OpenSSH) over a file that is named with it.

use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Seek};

use super::answer::of_contained;
use super::artefact::{Claimed, Content, Kind, Offer};
use super::attribute::{Asked, WORK_OF_A_FILE};
use super::content::{IN_MEMORY, whole};
use super::judgement::Judgement;
use super::named_keys::NamedKeys;
use super::recognise::Found;
use super::signed_file::{digest_of, over_content};
use crate::case::attribution::Attribution;
use crate::case::known_keys::PlaceKind;
use crate::case::tokens::Tokens;

/// The signatures in a container.
pub struct Contained {
    signatures: Vec<Claimed>,
    offers: Vec<Offer>,
}

impl Contained {
    /// What is in these bytes. `None` if they are no such container, or nobody has signed in it.
    ///
    /// # Errors
    /// The name of what is signed data, and not about a file as it is.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        let (mut signatures, mut offers) = (Vec::new(), Vec::new());
        let mut is_time_stamp = false;
        whole(bytes, &mut |found| match found {
            Found::Artefact(artefact) => {
                is_time_stamp |= artefact.kind == Kind::TimeStamp;
                if matches!(artefact.kind, Kind::SignedData | Kind::SshSignature) {
                    signatures.extend(artefact.signatures);
                }
                offers.extend(artefact.offer);
            }
            Found::Key(_) | Found::NotComputed(_) | Found::NotOpened(_) | Found::Noted { .. } => {}
        });
        if is_time_stamp {
            return Err("a timestamp (RFC 3161), which is about a digest of the file");
        }
        Ok((!signatures.is_empty()).then_some(Self { signatures, offers }))
    }

    /// Who made each of them over the content of this file? `place`: where the container is, in words.
    #[must_use]
    pub fn attribute(
        &self,
        tokens: &Tokens<'_>,
        named: &NamedKeys,
        file: &File,
        place: &str,
    ) -> Vec<Attribution> {
        let mut ring = named.ring(tokens);
        for offer in &self.offers {
            ring.add(offer.clone(), PlaceKind::File, || format!("in the {place} itself"));
        }
        let asked = Asked::new(ring);
        let left = Cell::new(WORK_OF_A_FILE);
        let one = |claimed: &Claimed| {
            let over = over_content(&claimed.over, file);
            let judgement = match &over {
                Ok(over) => asked.judge(claimed, over, &left),
                Err(why) => Judgement::open(why.clone()),
            };
            let judgement = judgement.with_content(claimed, |content| is_digest_of(content, file));
            let mut answer = of_contained(&judgement, claimed, &asked.ring, tokens);
            let how = |over: Vec<u8>| asked.how(claimed, &over, &judgement.maker, &left);
            answer.how = over.ok().and_then(how);
            answer
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
