//! Whose signature it is: of the key that is named, of another one, or of one that is not known here.
//!
//! The keys that an artefact names are tried first. Only where none of them made it is it asked who did: the
//! makers that were found before, then for ECDSA the keys that the signature itself gives, for all others the keys that
//! are known. What cannot be computed is neither yes nor no.

use std::borrow::Cow;
use std::cell::Cell;

use super::artefact::{Authority, Claimed, Names, Over};
use super::attempt::Attempt;
use super::hashed::Hashed;
use super::judgement::{Ground, Judgement, Maker};
use super::makers::{MOST_TRIED, Makers};
use super::ring::{Held, Identified, MOST_OF_NAME, Named, Ring, is_identifier_of};
use crate::case::attribution::{Verdict, how};
use crate::case::claim::Claim;
use crate::crypto::{self, Fit, Outcome, Reason, Scheme, Signed};
use crate::format::curve::{self, Curve};
use crate::format::key::PublicKey;
use crate::format::signature::readings;

/// Said of what would be more.
const TOO_MUCH_WORK: &str =
    "not computed: the signatures of this file take more work than is done for one file";

/// Said where more keys have one name than are tried.
const TOO_MANY_KEYS: &str = "not computed: more keys have the name of its issuer than are tried";

/// What is asked with.
pub struct Asked {
    /// The keys.
    pub ring: Ring,
    /// Who is looked for beyond those that are named.
    pub makers: Makers,
}

impl Asked {
    /// Nothing asked yet.
    pub fn new(ring: Ring) -> Self {
        Self { ring, makers: Makers::default() }
    }

    /// Whose signature is this? `left`: what is left of the work for its file; `over`: what is signed.
    pub fn judge(&self, claimed: &Claimed, over: &[u8], left: &Cell<u64>) -> Judgement {
        self.judge_signed(claimed, &Signed::message(over), left)
    }

    /// The same, where others may be over the same.
    pub fn judge_signed(&self, claimed: &Claimed, signed: &Signed<'_>, left: &Cell<u64>) -> Judgement {
        let named = self.ring.named(&claimed.names);
        let exact = match &claimed.names {
            Names::Keys(keys) => keys.first().cloned(),
            names => match names.own() {
                Some((key, Claim::OwnKey)) => Some(key.clone()),
                // A key of the same name that is not the one that is asked for is not named.
                _ => named
                    .first()
                    .filter(|one| one.identified <= Identified::Unsaid)
                    .and_then(|one| Some(self.ring.get(one.key)?.key.clone())),
            },
        };
        let scheme = match &claimed.scheme {
            Ok(scheme) => *scheme,
            Err(_) if named.is_empty() && exact.is_none() => return Judgement::new(Verdict::IssuerNotKnown),
            Err(reason) => return Judgement::open(format!("cannot be checked: {reason}")),
        };
        let attempt = Attempt { ring: &self.ring, claimed, scheme, signed, left };
        let case = Case { asked: self, claimed, attempt };
        let mut judgement = case.judge(&named, exact.as_ref());
        judgement.named = judgement.named.or(exact);
        judgement
    }
}

impl Asked {
    /// Whose signature is this, if what is signed is in the artefact itself? A content that is signed by its digest may be
    /// elsewhere all the same ([`Claimed::detached`]). `hashed`: of the same artefact.
    pub fn judge_whole<'c>(
        &self,
        claimed: &'c Claimed,
        hashed: &mut Hashed<'c>,
        left: &Cell<u64>,
    ) -> Option<Judgement> {
        let judgement = match &claimed.over {
            Over::Bytes(bytes) => self.judge_signed(claimed, hashed.of(bytes), left),
            Over::Joined(_, shared) => match left.get().checked_sub(shared.len() as u64) {
                Some(rest) => {
                    left.set(rest);
                    self.judge(claimed, &bytes_of(&claimed.over)?, left)
                }
                None => Judgement::open(TOO_MUCH_WORK),
            },
            Over::Content | Over::SshFile { .. } | Over::Payload { .. } => return None,
        };
        Some(judgement.with_content(claimed, |content| match (&content.bytes, &content.digest) {
            (Some(bytes), Some(digest)) => hashed.of(bytes).digest_by(Some(content.hash)) == digest,
            _ => true,
        }))
    }

    /// How the key that made it did so, in words, if that is known.
    pub fn how(
        &self,
        claimed: &Claimed,
        signed: &Signed<'_>,
        maker: &Maker,
        left: &Cell<u64>,
    ) -> Option<String> {
        let scheme = claimed.scheme.clone().ok()?;
        let attempt = Attempt { ring: &self.ring, claimed, scheme, signed, left };
        match attempt.with_maker(maker) {
            Outcome::Valid(fit) => Some(how(&fit, true)),
            Outcome::Otherwise(opened) => Some(opened.to_string()),
            Outcome::Invalid | Outcome::NotDecidable(_) => None,
        }
    }
}

/// One signature.
struct Case<'a> {
    asked: &'a Asked,
    claimed: &'a Claimed,
    attempt: Attempt<'a>,
}

impl Case<'_> {
    fn judge(&self, all: &[Named], exact: Option<&PublicKey>) -> Judgement {
        let (named, others) = all.split_at(all.len().min(MOST_OF_NAME));
        let mut undecided: Option<Reason> = None;
        let mut invalid: Option<Maker> = None;
        let mut malformed: Option<Maker> = None;
        let mut elsewhere: Option<Judgement> = None;
        // Keys that are named and were not read in the first pass: more than are kept, or changed since.
        let ring = &self.asked.ring;
        let direct: Vec<&PublicKey> = match &self.claimed.names {
            Names::Keys(keys) => keys.iter().filter(|key| ring.find(key).is_none()).collect(),
            names => {
                names.own().map(|(key, _)| key).filter(|key| ring.find(key).is_none()).into_iter().collect()
            }
        };
        let outcomes = named
            .iter()
            .map(|one| (one.identified, Maker::Known(one.key), self.attempt.with_held(one.key)))
            .chain(
                direct
                    .iter()
                    .map(|key| (Identified::Yes, Maker::Unknown((*key).clone()), self.attempt.with(key))),
            );
        let is_exact = named.iter().any(|one| one.identified == Identified::Yes);
        for (identified, maker, outcome) in outcomes {
            match outcome {
                Outcome::Valid(fit) if !self.is_well_written(&maker, &fit) => {
                    malformed = malformed.or(Some(maker));
                }
                Outcome::Valid(_) if identified > Identified::Unsaid && !self.is_own(&maker) => {
                    // The certificate that it names may be another one of the same key, as long as it is not here.
                    let is_open = identified == Identified::ByOtherCertificate && !is_exact;
                    let judgement = if is_open {
                        Judgement::new(Verdict::NotDecided).why(Ground::OtherCertificate)
                    } else {
                        Judgement::new(Verdict::SoundUnderAnotherCertificate).why(Ground::Elsewhere)
                    };
                    elsewhere.get_or_insert(Judgement { maker, ..judgement });
                }
                Outcome::Valid(_) => return self.sound(maker, named),
                Outcome::Otherwise(_) => invalid = invalid.or(Some(maker)),
                Outcome::Invalid => {}
                Outcome::NotDecidable(reason) => undecided = Some(reason),
            }
        }
        if let Some(judgement) = elsewhere {
            return judgement;
        }
        if let Some(maker) = malformed {
            return Judgement { maker, ..Judgement::new(Verdict::Invalid) }.why(Ground::OtherForm);
        }
        if let Some(maker) = invalid {
            return Judgement { maker, ..Judgement::new(Verdict::Invalid) }.why(Ground::OtherBytes);
        }
        let is_known = !named.is_empty() || !direct.is_empty();
        if !is_known {
            return self.by_nobody_named();
        }
        if self.is_nobodys(named, exact) {
            return Judgement::new(Verdict::Invalid).why(Ground::Nobodys);
        }
        let maker = self.asked.makers.find(&self.attempt, named, exact);
        // Of very many with one name not all are tried before it is asked who made it.
        match &maker {
            Maker::Known(index) => {
                if let Some(one) = others.iter().find(|one| one.key == *index) {
                    return self.judge(std::slice::from_ref(one), exact);
                }
            }
            Maker::NotFound if others.iter().any(|one| one.identified <= Identified::Unsaid) => {
                return Judgement::open(TOO_MANY_KEYS);
            }
            Maker::Unknown(_) | Maker::OneOf(_) | Maker::NotFound => {}
        }
        match &self.claimed.names {
            Names::Issuer { authority, .. } => self.of_issuer(authority, named, maker, undecided),
            names if self.asked.ring.is_by_key(names, named) => by_another(maker, undecided),
            _ => self.of_name_only(named, by_another(maker, undecided)),
        }
    }

    /// Is the signature that this key made written as it has to be?
    fn is_well_written(&self, maker: &Maker, fit: &Fit) -> bool {
        let key = match maker {
            Maker::Known(index) => self.asked.ring.get(*index).map(|held| &held.key),
            Maker::Unknown(key) => Some(key),
            Maker::OneOf(_) | Maker::NotFound => None,
        };
        key.is_none_or(|key| self.claimed.form.admits(key, fit))
    }

    /// By the key that it names, or by the one of its name that should have made it.
    fn sound(&self, maker: Maker, named: &[Named]) -> Judgement {
        let ring = &self.asked.ring;
        // A key that is gone was called the same: then the host that made this may have meant that one.
        let is_gone = |one: &Named| ring.get(one.key).is_some_and(Held::is_gone);
        let is_shared = match &maker {
            Maker::Known(index) => {
                let mut others = named.iter().filter(|one| one.key != *index);
                !ring.get(*index).is_some_and(Held::is_gone) && others.any(is_gone)
            }
            Maker::Unknown(_) | Maker::OneOf(_) | Maker::NotFound => false,
        };
        if is_shared
            && matches!(self.claimed.names, Names::Called(_))
            && !ring.is_by_key(&self.claimed.names, named)
        {
            return Judgement { maker, ..Judgement::new(Verdict::NotDecided).why(Ground::StaleReference) };
        }
        let is_by_another = self.claimed.names.own().is_some() && !self.is_own(&maker);
        let judgement = Judgement { maker, ..Judgement::new(Verdict::Sound) };
        if is_by_another { judgement.why(Ground::Rollover) } else { judgement }
    }

    /// Is it the key of the artefact itself, whose issuer has its name?
    fn is_own(&self, maker: &Maker) -> bool {
        let Some((own, _)) = self.claimed.names.own() else { return false };
        match maker {
            Maker::Known(index) => self.asked.ring.find(own) == Some(*index),
            Maker::Unknown(key) => key == own,
            Maker::OneOf(_) | Maker::NotFound => false,
        }
    }

    /// None of the keys of its issuer's name made it.
    fn of_issuer(
        &self,
        authority: &Authority,
        named: &[Named],
        maker: Maker,
        undecided: Option<Reason>,
    ) -> Judgement {
        let is_exact = named.iter().any(|one| one.identified == Identified::Yes);
        match self.claimed.names.own() {
            Some((_, Claim::OwnKey)) => return by_another(maker, undecided),
            Some((own_key, Claim::Unsaid)) => {
                let is_gone = self
                    .asked
                    .ring
                    .find(own_key)
                    .and_then(|index| self.asked.ring.get(index))
                    .is_some_and(Held::is_gone);
                let is_here = match &maker {
                    Maker::Known(index) => self.asked.ring.get(*index).is_some_and(Held::is_own),
                    Maker::Unknown(_) | Maker::OneOf(_) | Maker::NotFound => false,
                };
                let is_computed = undecided.is_none() || matches!(maker, Maker::Known(_) | Maker::Unknown(_));
                if is_gone && is_here || !is_computed {
                    return by_another(maker, undecided);
                }
                let ground =
                    if matches!(maker, Maker::Known(_)) { Ground::ByAnother } else { Ground::Unsaid };
                return Judgement { maker, ..Judgement::new(Verdict::NotDecided).why(ground) };
            }
            Some((_, Claim::SameName)) if !is_exact => {
                return Judgement {
                    maker,
                    ..Judgement::new(Verdict::IssuerNotKnown).why(Ground::SelfIssued)
                };
            }
            Some((_, Claim::SameName | Claim::AnotherName)) | None => {}
        }
        match authority.is_said() {
            true if self.is_by_key(authority, named) => by_another(maker, undecided),
            // It says which key of that name, and that is none that is known here.
            true if !is_exact => {
                Judgement { maker, ..Judgement::new(Verdict::IssuerNotKnown).why(Ground::OtherIdentifier) }
            }
            _ => self.of_name_only(named, by_another(maker, undecided)),
        }
    }

    /// Is the identifier that it carries made of one of these keys, whichever certificate of that it names besides? One that was
    /// chosen the CA may have given to others, before and after, as it may have its name and its numbers.
    fn is_by_key(&self, authority: &Authority, named: &[Named]) -> bool {
        let of_key = |id: &[u8], one: &Named| {
            let held = self.asked.ring.get(one.key);
            one.identified != Identified::No && held.is_some_and(|held| is_identifier_of(id, held.as_found()))
        };
        authority.key_id.as_ref().is_some_and(|id| named.iter().any(|one| of_key(id, one)))
    }

    /// A name or a number was all that told which key it should be, and others may have had it, before or elsewhere: it is
    /// decided only where the maker is told, or the user has said which key it should be. That the maker is known under
    /// another name tells nothing: it may have had this one, too.
    #[deny(
        clippy::wildcard_enum_match_arm,
        reason = "a new verdict is to say whether a name is enough for it"
    )]
    fn of_name_only(&self, named: &[Named], judgement: Judgement) -> Judgement {
        let ring = &self.asked.ring;
        let is_told = match &judgement.maker {
            Maker::Known(index) => ring.get(*index).is_some_and(|held| {
                held.is_own() || ring.is_noted(&held.key) || self.is_subject_key(&held.key)
            }),
            Maker::Unknown(key) => self.is_subject_key(key) || ring.is_noted(key),
            Maker::OneOf(_) | Maker::NotFound => false,
        };
        let is_given = |one: &Named| ring.get(one.key).is_some_and(Held::is_given);
        let is_decided = is_told || named.iter().any(is_given);
        let is_name = matches!(&self.claimed.names, Names::Issuer { authority, .. } if !authority.is_said());
        let ground = if is_name { Ground::NameOnly } else { Ground::ReferenceOnly };
        match judgement.verdict {
            Verdict::MadeByAnotherKey if !is_decided => {
                Judgement { verdict: Verdict::NotDecided, ..judgement }.why(ground)
            }
            Verdict::Sound
            | Verdict::IssuerNotKnown
            | Verdict::NotDecided
            | Verdict::SoundUnderAnotherCertificate
            | Verdict::Invalid
            | Verdict::MadeByAnotherKey => judgement,
        }
    }

    fn is_subject_key(&self, key: &PublicKey) -> bool {
        self.claimed.names.subject_key().is_some_and(|own| crypto::same_form(own) == crypto::same_form(key))
    }

    /// Nobody that it names is known here. A key on a card can have made it all the same.
    fn by_nobody_named(&self) -> Judgement {
        let ring = &self.asked.ring;
        let by_own = self.attempt.subject_key();
        // Whoever makes a certificate with the key in it can write any issuer's name into it.
        if let Some(maker) = by_own {
            return Judgement {
                maker,
                ..Judgement::new(Verdict::IssuerNotKnown).why(Ground::UnderAnotherName)
            };
        }
        let mut own = ring.all().filter(|(_, held)| held.is_own());
        let found =
            own.by_ref().take(MOST_TRIED).find_map(|(index, _)| match self.attempt.with_held(index) {
                Outcome::Valid(fit) => Some((Maker::Known(index), fit)),
                _ => None,
            });
        if found.is_none() && own.next().is_some() {
            self.asked.makers.cuts();
        }
        let Some((maker, fit)) = found else { return Judgement::new(Verdict::IssuerNotKnown) };
        let held = match &maker {
            Maker::Known(index) => ring.get(*index),
            Maker::Unknown(_) | Maker::OneOf(_) | Maker::NotFound => None,
        };
        let is_identified =
            |wanted: &[u8]| held.is_some_and(|held| is_identifier_of(wanted, held.as_found()));
        let open = |ground| Judgement::new(Verdict::NotDecided).why(ground);
        // That a key is known here does not say that it should have made this: a stale cache has the one that should.
        let judgement = match &self.claimed.names {
            Names::KeyId(id) if is_identified(id) => Judgement::new(Verdict::Sound),
            Names::Issuer { authority: Authority { key_id: Some(id), .. }, .. } if is_identified(id) => {
                match held.is_some_and(|held| held.is_called) {
                    false => Judgement::new(Verdict::Sound),
                    true => open(Ground::CalledOtherwise),
                }
            }
            Names::Issuer { authority: Authority { key_id: Some(_), .. }, .. } | Names::KeyId(_) => {
                open(Ground::UnknownIdentifier)
            }
            _ => open(Ground::NobodySays),
        };
        if judgement.verdict == Verdict::Sound && !self.is_well_written(&maker, &fit) {
            return Judgement { maker, ..Judgement::new(Verdict::Invalid) }.why(Ground::OtherForm);
        }
        Judgement { maker, ..judgement }
    }

    /// Is it what no key on the curves of those that it names makes: r or s zero, or not below the order, though as short?
    fn is_nobodys(&self, named: &[Named], exact: Option<&PublicKey>) -> bool {
        let Scheme::Ecdsa(_) = self.attempt.scheme else { return false };
        let of_named = named.iter().filter_map(|one| Some(&self.asked.ring.get(one.key)?.key));
        let mut curves = exact.into_iter().chain(of_named).filter_map(|key| match key {
            PublicKey::Ec { curve_oid, .. } => curve::by_oid(curve_oid),
            PublicKey::Rsa { .. } | PublicKey::Other(_) => None,
        });
        let Some(first) = curves.next() else { return false };
        let is_nobodys_on = |curve: &Curve| {
            let order = curve::significant(curve.order);
            let is_none =
                |number: &[u8]| number.is_empty() || (number.len() == order.len() && number >= order);
            let readings = readings(&self.claimed.value, order.len());
            !readings.is_empty() && readings.iter().all(|one| is_none(one.r) || is_none(one.s))
        };
        is_nobodys_on(first) && curves.all(is_nobodys_on)
    }
}

/// The keys that it names did not make it, as far as that could be computed.
fn by_another(maker: Maker, undecided: Option<Reason>) -> Judgement {
    match (undecided, &maker) {
        (Some(reason), Maker::NotFound | Maker::OneOf(_)) => Judgement {
            maker,
            ..Judgement::open(format!("cannot be checked with the key that it names: {reason}"))
        },
        _ => Judgement { maker, ..Judgement::new(Verdict::MadeByAnotherKey) },
    }
}

/// What is signed, where it is in the artefact itself.
pub fn bytes_of(over: &Over) -> Option<Cow<'_, [u8]>> {
    match over {
        Over::Bytes(bytes) => Some(bytes.as_ref().into()),
        Over::Joined(before, shared) => Some([before.as_slice(), shared].concat().into()),
        Over::Content | Over::SshFile { .. } | Over::Payload { .. } => None,
    }
}

/// Is what is signed in the artefact itself?
pub const fn is_within(over: &Over) -> bool {
    matches!(over, Over::Bytes(_) | Over::Joined(..))
}
