//! A signature in a container (CMS, OpenSSH) over a file that is named with it.

use std::cell::Cell;
use std::fs::File;

use super::answer::of_contained;
use super::artefact::{Claimed, Content, Kind, Offer, Over};
use super::attempt::WORK_OF_A_FILE;
use super::attribute::Asked;
use super::content::whole;
use super::hashed::Hashed;
use super::judgement::Judgement;
use super::named_keys::NamedKeys;
use super::recognise::Found;
use super::signed_file::Elsewhere;
use crate::case::attribution::Attribution;
use crate::case::known_keys::PlaceKind;
use crate::case::tokens::Tokens;
use crate::crypto::Signed;
use crate::format::container::{self, Container};

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
                // Who signed a signature, or what is within what is signed, says nothing of the file.
                let mut outer = artefact.signatures.into_iter().filter(|one| !one.is_inner).peekable();
                is_time_stamp |= artefact.kind == Kind::TimeStamp && outer.peek().is_some();
                if matches!(artefact.kind, Kind::SignedData | Kind::SshSignature) {
                    signatures.extend(outer);
                }
                offers.extend(artefact.offer);
            }
            Found::Key(_)
            | Found::NotComputed(_)
            | Found::NotOpened(_)
            | Found::Noted { .. }
            | Found::Content { .. } => {}
        });
        if is_time_stamp {
            return Err("a timestamp (RFC 3161), which is about a digest of the file");
        }
        let is_cms = || Container::of(&container::as_text(bytes)) == Some(Container::Cms);
        if signatures.is_empty() && is_cms() {
            return Err(
                "a CMS (PKCS#7) structure in which nobody has signed (a bundle of certificates, or encrypted)",
            );
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
        let elsewhere = Elsewhere::new(|| {
            file.try_clone().map_err(|error| format!("what was signed cannot be read: {error}"))
        });
        let mut hashed = Hashed::default();
        let one = |claimed: &Claimed| {
            let judged = |signed: &Signed<'_>| {
                let judgement = asked.judge_signed(claimed, signed, &left);
                let how = asked.how(claimed, signed, &judgement.maker, &left);
                (judgement, how)
            };
            let found = match &claimed.over {
                Over::Content => elsewhere.content().map(|content| judged(hashed.of(content))),
                over => elsewhere.over(over).map(|over| judged(&Signed::message(&over))),
            };
            let (judgement, how) = found.unwrap_or_else(|why| (Judgement::open(why), None));
            let is_it = |content: &Content| elsewhere.has(content).unwrap_or_default();
            let judgement = judgement.with_content(claimed, is_it);
            let mut answer = of_contained(&judgement, claimed, &asked.ring, tokens);
            answer.how = how;
            answer
        };
        self.signatures.iter().map(one).collect()
    }
}
