//! Which of two public keys for one private key is right: the one that a cache names, or the one that the card names.
//!
//! The card is not always the truth: whoever has the PIN can write another key's certificate there, on a
//! SmartCard-HSM over the request that proved which key it is. What is proven outranks where it was read:
//! a fresh signature; what the card works out from the key itself, or tells of it; a proof of possession; an ID that is the hash of the
//! key. But a proof is about the key that it names: where the key's ID on the card is the hash of what the card holds, what a
//! cache holds is history. An ID that is no hash says nothing, because it can be changed. Where no file tells, that is the answer, and the types make every rule and every repair hear it.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::cache_view::{CacheView, Discrepancy};
use crate::case::dispute::{Dispute, Right};
use crate::case::possession::{Device, Possession, possession, possession_in};
use crate::case::proofs::{fits, is_certificate, named_by_card, told_by_card, trial_of};
use crate::case::token::{Case, file_evidence};
use crate::case::unlisted::{is_kept, is_refuted};
use crate::crypto::same_form;
use crate::finding::{Deed, Evidence, Finding, How, Id, Remedy, Safety, Unasked};
use crate::format::key::PublicKey;
use crate::format::pkcs15::KeyType;
use crate::snapshot::{Answer, EfPath, TrialOutcome};
use crate::text::{escape, hex};
use crate::verdict::UnprovenKey;
use crate::view::difference::Kind;
use crate::view::{Class, Object, Place, Read, Source};

/// All disputes of one cache, by the place of the object that is shown.
#[must_use]
pub fn disputes(case: &Case<'_>, cache_view: &CacheView<'_>) -> BTreeMap<Place, Dispute> {
    let device = Device::of(case);
    let mut disputes = BTreeMap::new();
    for difference in cache_view.discrepancies().filter(|difference| !difference.is_of_damage()) {
        if !disputes.contains_key(difference.place)
            && let Some(dispute) = dispute(case, cache_view, device.as_ref(), &difference)
        {
            disputes.insert(difference.place.clone(), dispute);
        }
    }
    disputes
}

fn dispute(
    case: &Case<'_>,
    cache_view: &CacheView<'_>,
    device: Option<&Device>,
    difference: &Discrepancy<'_>,
) -> Option<Dispute> {
    let shown = difference.shown?;
    if *difference.kind == Kind::Ghost && is_kept(&case.unlisted, &case.live, &cache_view.shown, shown) {
        let right = Right::Cache("the card holds it, and nothing there describes it any more".to_owned());
        return Some(Dispute { right: right.clone(), by_files: right });
    }
    if *difference.kind == Kind::Ghost && is_unseen(case, cache_view, shown) {
        return Some(Dispute { right: Right::Undecided, by_files: Right::Undecided });
    }
    let cached = shown.public_key()?;
    let key = case.live.private_key_of(difference.live.unwrap_or(shown))?;
    let live = difference.live.and_then(Object::public_key);
    let on_card: Vec<&PublicKey> = named_by_card(case, key).filter_map(Object::public_key).collect();
    // Something else of the key is another; or the object is gone, and its key is named by another one.
    if live.map_or_else(|| on_card.contains(&cached), |live| live == cached) {
        return None;
    }
    let question = Question { case, cache_view, device, key, shown, cached, live, object: difference.live };
    let by_files = question.by_files();
    let right = question.by_signature().unwrap_or_else(|| by_files.clone());
    Some(Dispute { right, by_files })
}

/// What the card said of the file of a private key that it does not list; none if it was not asked.
fn key_file<'c>(case: &'c Case<'_>, key: &Object) -> Option<&'c Answer> {
    let Class::PrivateKey { path: Some(path), .. } = key.class else { return None };
    case.card.files.iter().find(|file| file.path == path).map(|file| &file.answer)
}

/// Is the file of this private key, which the card does not list, on the card all the same?
#[must_use]
pub fn is_left_behind(case: &Case<'_>, key: &Object) -> bool {
    matches!(key_file(case, key), Some(Answer::NotRead(_)))
}

/// Is it, or does it belong to, a private key that the card does not list and may hold all the same? Where there is no key
/// without its certificate, that may be what is gone; where OpenSC writes directories back as a host shows them, its
/// description. Not if another key is where it was.
fn is_unseen(case: &Case<'_>, cache_view: &CacheView<'_>, shown: &Object) -> bool {
    let key = if shown.is_private_key() { Some(shown) } else { cache_view.shown.private_key_of(shown) };
    let Some(key) = key.filter(|_| shown.is_private_key() || shown.public_key().is_some()) else {
        return false;
    };
    if case.live.private_keys().any(|live| live.place() == key.place())
        || is_refuted(case.layout, case.card, shown)
    {
        return false;
    }
    let place = |key: &Object| match key.class {
        Class::PrivateKey { path, .. } => path,
        _ => None,
    };
    // Where keys are files, the card has said whether this one's is there.
    if key_file(case, key) == Some(&Answer::Absent) {
        return false;
    }
    let has_heir = place(key).is_some() && case.live.private_keys().any(|live| place(live) == place(key));
    case.layout.knows_keys_by_certificate()
        || (!has_heir && case.layout.is_written_from_view(case.card, key.ef))
}

/// Two public keys for one private key.
struct Question<'q> {
    case: &'q Case<'q>,
    cache_view: &'q CacheView<'q>,
    device: Option<&'q Device>,
    /// The private key on the card.
    key: &'q Object,
    shown: &'q Object,
    cached: &'q PublicKey,
    live: Option<&'q PublicKey>,
    object: Option<&'q Object>,
}

impl Question<'_> {
    /// A fresh signature is the last word.
    fn by_signature(&self) -> Option<Right> {
        let trial = trial_of(self.case, self.key)?;
        let TrialOutcome::Signed(signature) = &trial.outcome else { return None };
        let fits = |key: &PublicKey| fits(key, trial, signature.as_slice());
        match (fits(self.cached), self.live.map(fits)) {
            (_, Some(Some(true))) => Some(Right::Card),
            (Some(true), _) => {
                let why = "what the key made just now verifies with the cached one";
                Some(Right::Cache(why.to_owned()))
            }
            // Neither is the key's: no repair of the cache cures it, and none harms.
            (Some(false), None | Some(Some(false))) => Some(Right::Undecided),
            // What cannot be computed here says nothing.
            (None, _) | (Some(false), Some(None)) => None,
        }
    }

    fn by_files(&self) -> Right {
        if self.case.layout.computes_public_keys() {
            return Right::Card;
        }
        if let Some(told) = told_by_card(self.case, self.key) {
            let is_own = |public: &PublicKey| same_form(public) == same_form(&told);
            return match (is_own(self.cached), self.live.map(is_own)) {
                (_, Some(true)) | (false, None) => Right::Card,
                (true, _) => Right::Cache("the card itself tells the cached one for this key".to_owned()),
                // As with a signature that fits neither.
                (false, Some(false)) => Right::Undecided,
            };
        }
        if self.is_proved_on_card() {
            return Right::Card;
        }
        match (self.is_named(self.cached), self.live.is_some_and(|live| self.is_named(live))) {
            (true, false) => return Right::Cache(self.by_id()),
            (false, true) => return Right::Card,
            (true, true) | (false, false) => {}
        }
        match (self.can_be(self.cached), self.live.is_some_and(|live| self.can_be(live))) {
            (false, true) => return Right::Card,
            (true, false) if self.live.is_some() => {
                return Right::Cache(
                    "the key's description on the card fits the cached one alone".to_owned(),
                );
            }
            _ => {}
        }
        if self.case.layout.request(self.key.ef).is_none() {
            match self.by_own_objects() {
                Right::Undecided => {}
                right => return right,
            }
        }
        // Another key is in its place. Another ID alone says nothing: whoever has the PIN gives an unchanged key any.
        if self.shown_key().is_some_and(|described| is_elsewhere(described, self.key)) {
            return Right::Card;
        }
        Right::Undecided
    }

    /// What the public key's own object says of a certificate, and the other way round. Alone neither proves anything: a host
    /// that does not see a key writes another's public key over its own.
    fn by_own_objects(&self) -> Right {
        let own = |object: &&Object| !is_certificate(object);
        let on_card: Vec<&Object> = named_by_card(self.case, self.key).collect();
        let Some(card) = on_card.iter().copied().find(own).and_then(Object::public_key) else {
            return Right::Undecided;
        };
        let shown = self.cache_view.shown.public_parts(self.shown_key().unwrap_or(self.key)).find(own);
        let shows_it = shown.and_then(Object::public_key) == Some(card);
        let agree = on_card.len() > 1 && on_card.iter().all(|object| object.public_key() == Some(card));
        if card == self.cached {
            Right::Cache("the key's own public key on the card is the same as in the cache".to_owned())
        } else if self.live == Some(card) && (shows_it || agree) {
            Right::Card
        } else {
            Right::Undecided
        }
    }

    /// The private key that is shown with the public one in question.
    fn shown_key(&self) -> Option<&Object> {
        self.cache_view.shown.private_key_of(self.shown)
    }

    /// The request on the card is good, and nobody has copied it from another key's place.
    fn is_proved_on_card(&self) -> bool {
        let Some(request) = self.object.filter(|object| !is_certificate(object)) else { return false };
        // What cannot be computed here is a request all the same, and those are written when keys are made.
        let is_good = |state: Possession| state.is_proved() || matches!(state, Possession::NotDecidable(_));
        self.live.is_some()
            && self.case.layout.request(self.key.ef).is_some()
            && !is_elsewhere_too(self.case, request)
            && is_good(possession(self.case, self.device, self.key))
    }

    /// Was the key's ID on the card made from this public key?
    fn is_named(&self, public: &PublicKey) -> bool {
        is_id_of(self.key, public)
    }

    fn by_id(&self) -> String {
        let id = hex(&self.key.id);
        let proof = self.case.layout.request(self.key.ef).and_then(|file| {
            let Read::Content(bytes) = self.cache_view.cached.read(file, self.case.layout.buffer(file))
            else {
                return None;
            };
            Some(possession_in(self.device, Some(&bytes))).filter(Possession::is_proved)
        });
        let also =
            proof.map(|_| ", and its request in the cache has proved possession of it").unwrap_or_default();
        format!("the key's ID on the card, {id}, is the hash of the cached one{also}")
    }

    /// Does the private key's description on the card fit this public key, as far as it says something of its own?
    fn can_be(&self, public: &PublicKey) -> bool {
        let Class::PrivateKey { key_type, bits, .. } = self.key.class else { return true };
        let kind = match public {
            PublicKey::Rsa { .. } => KeyType::Rsa,
            PublicKey::Ec { .. } => KeyType::Ec,
            PublicKey::Other(_) => return true,
        };
        let round = |bits: usize| bits.next_multiple_of(8);
        let size = usize::try_from(bits).ok().filter(|&bits| bits > 0);
        self.case.layout.knows_keys_by_certificate()
            || (kind == key_type && size.is_none_or(|size| round(size) == round(public.bits())))
    }
}

/// A finding about a dispute: what the cache has as evidence, with what proves it, and no repair yet.
#[must_use]
pub fn leading(
    case: &Case<'_>,
    cache_view: &CacheView<'_>,
    id: Id,
    difference: &Discrepancy<'_>,
    summary: String,
    consequence: String,
) -> Finding {
    let mut finding = case.finding(id, cache_view, difference, summary, consequence);
    finding.fix.clear();
    let request = case.layout.request(difference.place.ef);
    let device = Device::of(case);
    let proof = |content: Option<&[u8]>| Some(possession_in(device.as_ref(), content).words());
    if let (Some(file), Some(evidence)) = (request, finding.evidence.first_mut()) {
        let cached = match cache_view.cached.read(file, case.layout.buffer(file)) {
            Read::Content(bytes) => bytes,
            Read::Absent | Read::Failed | Read::Unknown(_) => Vec::new(),
        };
        evidence.shown.iter_mut().for_each(|side| side.proof = proof(Some(&cached)));
        let card = evidence.card.iter_mut().filter(|side| side.public_key.is_some());
        card.for_each(|side| side.proof = proof(case.on_card(file)));
    }
    // Whatever else the public key is shown with. The description of the private key is no part of the question.
    let of_key = difference
        .shown
        .and_then(|shown| cache_view.shown.private_key_of(shown))
        .filter(|key| key.files.len() == 1);
    let description = of_key.and_then(|key| key.files.first()).filter(|_| request.is_some());
    for (file, entry) in difference.shown.iter().flat_map(|shown| cache_view.cached_files(shown)) {
        let evidence = Evidence {
            first_difference: case.first_difference(entry, file),
            file: Some(file_evidence(cache_view.dir, entry, Some(file))),
            ..Evidence::default()
        };
        let known = finding.evidence.iter().any(|known| {
            known.file.as_ref().map(|file| &file.path) == evidence.file.as_ref().map(|file| &file.path)
        });
        if !known && Some(&file) != description {
            finding.evidence.push(evidence);
        }
    }
    finding
}

/// A flush that looks again, and takes what no file proves stale.
#[must_use]
pub fn for_those_who_know(what: &str, unasked: Unasked) -> Remedy {
    Remedy::new(what, Deed::Move { how: How::Flush, unasked }).with(Safety::Guarded)
}

/// What else is wrong with an entry does not call for its flush as long as it may hold the right public key.
pub fn heed(findings: &mut [Finding]) {
    let mut held: BTreeMap<String, bool> = BTreeMap::new();
    for finding in findings.iter() {
        let is_kept = finding.holds_its_entries();
        if is_kept || finding.is_in_doubt() {
            for file in finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref()) {
                *held.entry(file.path.clone()).or_default() |= is_kept;
            }
        }
    }
    if held.is_empty() {
        return;
    }
    for finding in findings.iter_mut().filter(|f| !f.holds_its_entries() && !f.is_in_doubt()) {
        let files = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
        let Some(is_kept) = files.filter_map(|file| held.get(&file.path)).max() else { continue };
        // Other entries that it names are taken all the same.
        let moved = finding.fix.iter().find(|remedy| remedy.moves().is_some());
        let (safety, remedy) = if *is_kept {
            let what = "none yet: the same cache entry holds what is right, or left, of its key; see the finding about that";
            let deed = moved.map_or(Deed::ByHand, |remedy| remedy.deed.clone());
            (Safety::Manual, Remedy::new(what, deed).waiting())
        } else {
            let what =
                "first decide which public key is right, see public-key-undecided; then move the entries";
            let unasked = moved.and_then(Remedy::moves).unwrap_or(Unasked::Never);
            (Safety::Guarded, for_those_who_know(what, unasked))
        };
        finding.safety = finding.safety.max(safety);
        finding.fix = vec![remedy];
    }
}

/// Does the description of a key that is shown speak of another place than where the card's key is?
fn is_elsewhere(shown: &Object, live: &Object) -> bool {
    place(shown) != place(live)
}

/// The number and the file by which the description of a key finds it.
const fn place(key: &Object) -> (Option<u8>, Option<EfPath>) {
    match key.class {
        Class::PrivateKey { reference, path, .. } => (reference, path),
        _ => (None, None),
    }
}

/// Is a key's ID the one that OpenSC makes from this public key?
#[must_use]
pub fn is_id_of(key: &Object, public: &PublicKey) -> bool {
    key.id == public.intrinsic_id()
}

/// The private keys for which the card names no public key, or one that nothing proves to be theirs; and those that a cache
/// shows and the card does not list, about which it names nothing.
#[must_use]
pub fn unproven(case: &Case<'_>) -> Vec<UnprovenKey> {
    let device = Device::of(case);
    let on_card: BTreeSet<_> = case.live.private_keys().map(|key| (&key.id, place(key))).collect();
    let in_use = case.cache_views.iter().filter(|cache_view| cache_view.in_use());
    let shown = in_use.flat_map(|cache_view| {
        let keys = cache_view.shown.private_keys().filter(|key| !on_card.contains(&(&key.id, place(key))));
        keys.map(|key| (key, cache_view.shown.reference(key), false))
    });
    let listed = case.live.private_keys().filter(|key| !is_proven(case, device.as_ref(), key));
    let keys = listed.map(|key| (key, case.live.reference(key), true)).chain(shown);
    let keys: BTreeSet<_> =
        keys.map(|(key, reference, is_listed)| (hex(&key.id), reference, is_listed)).collect();
    let token = escape(case.serial.as_bytes());
    let named = |(id, reference, is_listed)| UnprovenKey { token: token.clone(), id, reference, is_listed };
    keys.into_iter().map(named).collect()
}

/// Is the public key that the card names for a key known to be the key's?
fn is_proven(case: &Case<'_>, device: Option<&Device>, key: &Object) -> bool {
    let named: Vec<&Object> = named_by_card(case, key).collect();
    let Some(public) = named.first().and_then(|object| object.public_key()) else { return false };
    if named.iter().any(|object| object.public_key() != Some(public)) {
        return false;
    }
    if let Some(trial) = trial_of(case, key)
        && let TrialOutcome::Signed(signature) = &trial.outcome
        && let Some(fits) = fits(public, trial, signature.as_slice())
    {
        return fits;
    }
    if let Some(told) = told_by_card(case, key) {
        return same_form(&told) == same_form(public);
    }
    let own = named.iter().find(|object| !is_certificate(object));
    is_id_of(key, public)
        || own.is_some_and(|own| {
            case.layout.computes_public_keys()
                || (possession(case, device, key).is_proved() && !is_elsewhere_too(case, own))
        })
}

/// Is the same public key that of another key, too? Then its request was copied to one of them; or, on a native card, a
/// host that did not see one of them has written the other's public key into its file.
fn is_elsewhere_too(case: &Case<'_>, own: &Object) -> bool {
    let Some(public) = own.public_key() else { return false };
    let is_other =
        |object: &Object| if own.part.is_of_key() { object.ef != own.ef } else { object.id != own.id };
    case.live.with_public_key(public).any(is_other)
}
