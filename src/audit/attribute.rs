//! Whose signature it is: of the key that is named, of another one, or of one that is not known here.
//!
//! The keys that an artefact names are tried first. Only where none of them made it is it asked who did: the
//! makers that were found before, then for ECDSA the keys that the signature itself gives, for all others the keys that
//! are known. What cannot be computed is neither yes nor no.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::artefact::{Authority, Claimed, Names, Over};
use super::hashed::Hashed;
use super::judgement::{
    BY_ANOTHER, CALLED_OTHERWISE, ELSEWHERE, Judgement, Maker, NAME_ONLY, NOBODY_SAYS, NOBODYS, OTHER_BYTES,
    OTHER_CERTIFICATE, OTHER_FORM, OTHER_IDENTIFIER, REFERENCE_ONLY, ROLLOVER, SELF_ISSUED, STALE_REFERENCE,
    UNDER_ANOTHER_NAME, UNKNOWN_IDENTIFIER, UNSAID,
};
use super::ring::{Held, Identified, Named, Ring, is_identifier_of};
use crate::case::attribution::{Verdict, how};
use crate::case::claim::Claim;
use crate::crypto::{self, Fit, Outcome, Ready, Reason, Scheme, Signed};
use crate::format::curve::{self, Curve};
use crate::format::key::PublicKey;
use crate::format::signature::{Encoding, readings};

/// Signatures of which it is asked which keys they give.
const MOST_RECOVERIES: usize = 4_096;
/// Makers that are tried before that.
const MOST_SUSPECTS: usize = 8;
/// Known keys that are tried where a signature does not give its key.
const MOST_TRIED: usize = 64;
/// The work that one file may make beyond what usual keys make.
pub const WORK_OF_A_FILE: u64 = 250_000_000;

/// Said of what would be more.
const TOO_MUCH_WORK: &str =
    "not computed: the signatures of this file take more work than is done for one file";

/// What is asked with.
pub struct Asked {
    /// The keys.
    pub ring: Ring,
    /// Unknown keys that have made, or may have made, what others were named for.
    suspects: Mutex<Vec<PublicKey>>,
    recoveries: AtomicUsize,
}

impl Asked {
    /// Nothing asked yet.
    pub const fn new(ring: Ring) -> Self {
        Self { ring, suspects: Mutex::new(Vec::new()), recoveries: AtomicUsize::new(0) }
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
        let case = Case { asked: self, claimed, scheme, signed, left };
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
        let case = Case { asked: self, claimed, scheme, signed, left };
        let outcome = match maker {
            Maker::Known(index) => case.held(*index),
            Maker::Unknown(key) => case.verify(key, None),
            Maker::OneOf(_) | Maker::NotFound => return None,
        };
        match outcome {
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
    scheme: Scheme,
    signed: &'a Signed<'a>,
    left: &'a Cell<u64>,
}

impl Case<'_> {
    fn verify(&self, key: &PublicKey, ready: Option<&Held>) -> Outcome {
        let Some(left) = self.left.get().checked_sub(crypto::dear_work(key)) else {
            return Outcome::NotDecidable(Reason::TooMuchWork);
        };
        self.left.set(left);
        let ask = |value: &[u8]| match ready {
            Some(held) => held.ready().verify(self.scheme, self.signed, value),
            None => Ready::new(key).verify(self.scheme, self.signed, value),
        };
        let outcome = ask(&self.claimed.value);
        // RSA may be written as a number, with other zeros before it than are due.
        if outcome == Outcome::Invalid
            && let Some((value, flaw)) = crypto::at_length(key, &self.claimed.value)
            && let Outcome::Valid(Fit { scheme, .. }) = ask(&value)
        {
            return Outcome::Valid(Fit { scheme, encoding: Encoding::Loose(vec![flaw]) });
        }
        outcome
    }

    fn held(&self, key: usize) -> Outcome {
        match self.asked.ring.get(key) {
            Some(held) => self.verify(held.as_found(), Some(held)),
            None => Outcome::Invalid,
        }
    }

    fn judge(&self, named: &[Named], exact: Option<&PublicKey>) -> Judgement {
        let mut undecided: Option<Reason> = None;
        let mut invalid: Option<Maker> = None;
        let mut malformed: Option<Maker> = None;
        let mut elsewhere: Option<Judgement> = None;
        // Keys that are named and were not read in the first pass: more than are kept, or changed since.
        let ring = &self.asked.ring;
        let direct: Vec<&PublicKey> = match &self.claimed.names {
            Names::Keys(keys) => keys.iter().filter(|key| ring.find(key).is_none()).take(16).collect(),
            names => {
                names.own().map(|(key, _)| key).filter(|key| ring.find(key).is_none()).into_iter().collect()
            }
        };
        let outcomes =
            named.iter().map(|one| (one.identified, Maker::Known(one.key), self.held(one.key))).chain(
                direct
                    .iter()
                    .map(|key| (Identified::Yes, Maker::Unknown((*key).clone()), self.verify(key, None))),
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
                        Judgement::new(Verdict::NotDecided).why(OTHER_CERTIFICATE)
                    } else {
                        Judgement::new(Verdict::SoundUnderAnotherCertificate).why(ELSEWHERE)
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
            return Judgement { maker, ..Judgement::new(Verdict::Invalid) }.why(OTHER_FORM);
        }
        if let Some(maker) = invalid {
            return Judgement { maker, ..Judgement::new(Verdict::Invalid) }.why(OTHER_BYTES);
        }
        let is_known = !named.is_empty() || !direct.is_empty();
        if !is_known {
            return self.by_nobody_named();
        }
        if self.is_nobodys(named, exact) {
            return Judgement::new(Verdict::Invalid).why(NOBODYS);
        }
        let maker = self.maker(named, exact);
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
            return Judgement { maker, ..Judgement::new(Verdict::NotDecided).why(STALE_REFERENCE) };
        }
        let is_by_another = self.claimed.names.own().is_some() && !self.is_own(&maker);
        let judgement = Judgement { maker, ..Judgement::new(Verdict::Sound) };
        if is_by_another { judgement.why(ROLLOVER) } else { judgement }
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
                if is_gone && is_here {
                    return by_another(maker, undecided);
                }
                let words = if matches!(maker, Maker::Known(_)) { BY_ANOTHER } else { UNSAID };
                return Judgement { maker, ..Judgement::new(Verdict::NotDecided).why(words) };
            }
            Some((_, Claim::SameName)) if !is_exact => {
                return Judgement { maker, ..Judgement::new(Verdict::IssuerNotKnown).why(SELF_ISSUED) };
            }
            Some((_, Claim::SameName | Claim::AnotherName)) | None => {}
        }
        match authority.is_said() {
            true if self.is_by_key(authority, named) => by_another(maker, undecided),
            // It says which key of that name, and that is none that is known here.
            true if !is_exact => {
                Judgement { maker, ..Judgement::new(Verdict::IssuerNotKnown).why(OTHER_IDENTIFIER) }
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
        let words = if is_name { NAME_ONLY } else { REFERENCE_ONLY };
        match judgement.verdict {
            Verdict::MadeByAnotherKey if !is_decided => {
                Judgement { verdict: Verdict::NotDecided, ..judgement }.why(words)
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
        let by_own = self.subject_key();
        // Whoever makes a certificate with the key in it can write any issuer's name into it.
        if let Some(maker) = by_own {
            return Judgement { maker, ..Judgement::new(Verdict::IssuerNotKnown).why(UNDER_ANOTHER_NAME) };
        }
        let mut own = ring.all().filter(|(_, held)| held.is_own()).take(MOST_TRIED);
        let found = own.find_map(|(index, _)| match self.held(index) {
            Outcome::Valid(fit) => Some((Maker::Known(index), fit)),
            _ => None,
        });
        let Some((maker, fit)) = found else { return Judgement::new(Verdict::IssuerNotKnown) };
        let held = match &maker {
            Maker::Known(index) => ring.get(*index),
            Maker::Unknown(_) | Maker::OneOf(_) | Maker::NotFound => None,
        };
        let is_identified =
            |wanted: &[u8]| held.is_some_and(|held| is_identifier_of(wanted, held.as_found()));
        let open = |words| Judgement::new(Verdict::NotDecided).why(words);
        // That a key is known here does not say that it should have made this: a stale cache has the one that should.
        let judgement = match &self.claimed.names {
            Names::KeyId(id) if is_identified(id) => Judgement::new(Verdict::Sound),
            Names::Issuer { authority: Authority { key_id: Some(id), .. }, .. } if is_identified(id) => {
                match held.is_some_and(|held| held.is_called) {
                    false => Judgement::new(Verdict::Sound),
                    true => open(CALLED_OTHERWISE),
                }
            }
            Names::Issuer { authority: Authority { key_id: Some(_), .. }, .. } | Names::KeyId(_) => {
                open(UNKNOWN_IDENTIFIER)
            }
            _ => open(NOBODY_SAYS),
        };
        if judgement.verdict == Verdict::Sound && !self.is_well_written(&maker, &fit) {
            return Judgement { maker, ..Judgement::new(Verdict::Invalid) }.why(OTHER_FORM);
        }
        Judgement { maker, ..judgement }
    }

    /// The key of a certificate whose issuer has another name, if it made it.
    fn subject_key(&self) -> Option<Maker> {
        let ring = &self.asked.ring;
        let key = self.claimed.names.subject_key()?;
        let (maker, outcome) = match ring.find(key) {
            Some(index) => (Maker::Known(index), self.held(index)),
            None => (Maker::Unknown(key.clone()), self.verify(key, None)),
        };
        matches!(outcome, Outcome::Valid(_)).then_some(maker)
    }

    /// Is it what no key on the curves of those that it names makes: r or s zero, or not below the order, though as short?
    fn is_nobodys(&self, named: &[Named], exact: Option<&PublicKey>) -> bool {
        let Scheme::Ecdsa(_) = self.scheme else { return false };
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

    /// Who made it, if none of those did that it names?
    fn maker(&self, named: &[Named], exact: Option<&PublicKey>) -> Maker {
        let ring = &self.asked.ring;
        if let Some(maker) = self.subject_key() {
            return maker;
        }
        if let Scheme::Ecdsa(hash) = self.scheme {
            if let Some(key) = self.suspect() {
                return ring.find(&key).map_or(Maker::Unknown(key), Maker::Known);
            }
            let mut curves: Vec<&'static Curve> = Vec::new();
            let of_named = named.iter().filter_map(|one| Some(&ring.get(one.key)?.key));
            let of_own =
                ring.all().filter(|(_, held)| held.is_own()).take(MOST_TRIED).map(|(_, held)| &held.key);
            for key in exact.into_iter().chain(of_named).chain(of_own) {
                if let PublicKey::Ec { curve_oid, .. } = key
                    && let Some(curve) = curve::by_oid(curve_oid)
                    && !curves.contains(&curve)
                {
                    curves.push(curve);
                }
            }
            if self.asked.recoveries.fetch_add(1, Ordering::Relaxed) >= MOST_RECOVERIES {
                return Maker::NotFound;
            }
            let digest = self.signed.digest_by(hash);
            let keys: Vec<PublicKey> = curves
                .iter()
                .take(4)
                .flat_map(|curve| crypto::recover(curve, digest, &self.claimed.value))
                .collect();
            if let Some((index, key)) = keys.iter().find_map(|key| Some((ring.find(key)?, key))) {
                self.suspect_all(std::slice::from_ref(key));
                return Maker::Known(index);
            }
            if let Some(key) = keys.iter().find(|key| ring.is_noted(key)) {
                self.suspect_all(std::slice::from_ref(key));
                return Maker::Unknown(key.clone());
            }
            self.suspect_all(&keys);
            return if keys.is_empty() { Maker::NotFound } else { Maker::OneOf(keys) };
        }
        let tried = ring.all().filter(|(index, _)| !named.iter().any(|one| one.key == *index));
        let mut could = tried.filter(|(_, held)| self.could_have(held.as_found())).take(MOST_TRIED);
        could
            .find(|(index, _)| matches!(self.held(*index), Outcome::Valid(_) | Outcome::Otherwise(_)))
            .map_or(Maker::NotFound, |(index, _)| Maker::Known(index))
    }

    /// Has the key the kind and the length for it?
    fn could_have(&self, key: &PublicKey) -> bool {
        !matches!(key, PublicKey::Ec { .. }) && !crypto::is_excluded(key, &self.claimed.value)
    }

    /// The one of those that gave other signatures that gave this one, too.
    fn suspect(&self) -> Option<PublicKey> {
        let suspects = self.asked.suspects.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = suspects.into_iter().find(|key| matches!(self.verify(key, None), Outcome::Valid(_)))?;
        // The likeliest one first from now on.
        let mut suspects = self.asked.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        suspects.retain(|key| *key != found);
        suspects.insert(0, found.clone());
        Some(found)
    }

    fn suspect_all(&self, keys: &[PublicKey]) {
        let mut suspects = self.asked.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if suspects.len() >= MOST_SUSPECTS {
                suspects.pop();
            }
            let place = suspects.len().min(MOST_SUSPECTS / 2);
            suspects.insert(place, key.clone());
        }
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
