//! Every key that is known: those of cards, caches and whatever the user named first, then those of the files that are
//! audited; and under which names, identifiers and references they may be asked for.
//!
//! Of end-entity certificates only so many keys are kept, so that the memory that an audit takes does not grow with a
//! CA's customers: what they sign carries their certificate nearly always.

use std::collections::HashMap;
use std::sync::OnceLock;

use data_encoding::HEXLOWER;

use super::artefact::{Authority, Names, Offer};
use super::judgement::Maker;
use crate::baseline::Known;
use crate::case::attribution::{Attributed, attributed};
use crate::case::claim::{Claim, hash_of_bits};
use crate::case::known_keys::{KnownKey, Place, PlaceKind};
use crate::crypto::{Ready, same_form};
use crate::format::curve::significant;
use crate::format::key::PublicKey;
use crate::format::x509::canonical_name;
use crate::text::hex;

/// End-entity certificates and requests whose keys are kept.
const MOST_OF_HOLDERS: usize = 16_384;
/// CA certificates and the like whose keys are kept.
const MOST_OF_ISSUERS: usize = 131_072;
/// Keys of one name or identifier that are tried.
pub const MOST_OF_NAME: usize = 16;
/// Keys and certificates of one name that are kept.
const MOST_HOLDERS_OF_NAME: usize = 1_024;
/// Places that are told of one key.
const MOST_PLACES: usize = 8;

/// A key that is known.
pub struct Held {
    /// The key, in the form by which keys are told from each other.
    pub key: PublicKey,
    /// Where it is known from, the most telling place first.
    pub places: Vec<Place>,
    /// Has it a name, by some certificate?
    pub is_called: bool,
    as_found: PublicKey,
    ready: OnceLock<Ready>,
}

impl Held {
    /// The same, ready to verify with.
    pub fn ready(&self) -> &Ready {
        self.ready.get_or_init(|| Ready::new(&self.as_found))
    }

    /// As it was found.
    pub const fn as_found(&self) -> &PublicKey {
        &self.as_found
    }

    /// Is it on a card, or named by the user?
    pub fn is_live_or_given(&self) -> bool {
        self.places.iter().any(|place| matches!(place.kind, PlaceKind::Card | PlaceKind::Given))
    }

    /// Did the user name it?
    pub fn is_given(&self) -> bool {
        self.places.iter().any(|place| place.kind == PlaceKind::Given)
    }

    /// Is it known from cards, caches or the user?
    pub fn is_own(&self) -> bool {
        self.places.iter().any(|place| place.kind != PlaceKind::File)
    }

    /// Is it known from caches and what was flushed from them alone, so that it is gone from the card?
    pub fn is_gone(&self) -> bool {
        !self.is_live_or_given() && self.places.iter().any(|place| place.kind.is_of_the_past())
    }
}

/// A key by which something may be named.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    key: usize,
    /// Its identifier, as its certificate has it.
    key_id: Option<Vec<u8>>,
    /// The issuer of its certificate in the form in which names are compared, and the serial number.
    certificate: Option<(Vec<u8>, Vec<u8>)>,
}

/// A key that is named, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Which.
    pub key: usize,
    /// Does what is asked for besides the name name it?
    pub identified: Identified,
}

/// Does what is asked for besides a name (key identifier, issuer and serial number of the certificate) name a key? The best
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identified {
    /// All that can be compared does.
    Yes,
    /// Nothing is asked for, or it has nothing to compare that with.
    Unsaid,
    /// It has another certificate: the one that is asked for may be for the same key.
    ByOtherCertificate,
    /// It has another identifier.
    No,
}

/// All keys that are known.
#[derive(Default)]
pub struct Ring {
    keys: Vec<Held>,
    by_key: HashMap<PublicKey, usize>,
    by_name: HashMap<Vec<u8>, Vec<Holder>>,
    by_id: HashMap<Vec<u8>, Vec<usize>>,
    by_certificate: HashMap<(Vec<u8>, Vec<u8>), Vec<usize>>,
    by_reference: HashMap<Vec<u8>, Vec<usize>>,
    /// Keys of which only the hash is known (SHA-256 of the SubjectPublicKeyInfo), and where from.
    by_hash: HashMap<[u8; 32], Vec<Place>>,
    holders: usize,
    issuers: usize,
    /// Were there more keys than are kept?
    pub is_full: bool,
    /// Where not all baselines were read, and why.
    pub left: Vec<(String, String)>,
}

impl Ring {
    /// With what cards, caches and the user make known.
    pub fn new(known: Vec<KnownKey>) -> Self {
        let mut ring = Self::default();
        for known in known {
            let index = ring.keys.len();
            let ids: Vec<Vec<u8>> =
                known.places.iter().filter_map(|place| HEXLOWER.decode(place.id.as_bytes()).ok()).collect();
            for id in ids {
                ring.refer(hex(&id).into_bytes(), index);
            }
            ring.identify(hash_of_bits(&known.as_found), index);
            ring.refer(thumbprint(&known.key), index);
            ring.by_key.insert(known.key.clone(), index);
            ring.keys.push(Held {
                key: known.key,
                as_found: known.as_found,
                places: known.places,
                is_called: false,
                ready: OnceLock::new(),
            });
        }
        ring
    }

    /// Adds what an artefact makes known. `place`: where, in words.
    pub fn add(&mut self, offer: Offer, kind: PlaceKind, place: impl FnOnce() -> String) {
        // Of a key that is there the names and certificates take room, too.
        let (count, most) = match offer.signs_for_others {
            true => (&mut self.issuers, MOST_OF_ISSUERS),
            false => (&mut self.holders, MOST_OF_HOLDERS),
        };
        if *count >= most {
            self.is_full = true;
            return;
        }
        *count += 1;
        let key = same_form(&offer.key);
        let index = match self.by_key.get(&key) {
            Some(index) => *index,
            None => {
                let index = self.keys.len();
                self.by_key.insert(key.clone(), index);
                self.keys.push(Held {
                    key,
                    as_found: offer.key.clone(),
                    places: Vec::new(),
                    is_called: false,
                    ready: OnceLock::new(),
                });
                self.identify(hash_of_bits(&offer.key), index);
                index
            }
        };
        if let Some(held) = self.keys.get_mut(index) {
            // A certificate tells more of a key than a request does.
            let is_better = offer.subject.is_some() && !held.is_called;
            if is_better {
                held.places.truncate(MOST_PLACES - 1);
            }
            if held.places.len() < MOST_PLACES {
                let place = Place { kind, place: place(), id: hex(&held.key.intrinsic_id()) };
                if !held.places.contains(&place) {
                    let end = held.places.len();
                    held.places.insert(if is_better { 0 } else { end }, place);
                    held.places.sort_by_key(|place| place.kind);
                }
            }
        }
        if let Some(id) = &offer.key_id {
            self.identify(id.clone(), index);
        }
        if let Some(subject) = offer.subject {
            let certificate =
                offer.certificate.as_ref().map(|(issuer, serial)| (canonical_name(issuer), serial.clone()));
            self.call(&subject, Holder { key: index, key_id: offer.key_id, certificate });
        }
        if let Some((issuer, serial)) = offer.certificate {
            // Numbers are given twice, too: by a CA that begins again, or that issues anew what was bad.
            let keys = self.by_certificate.entry((canonical_name(&issuer), serial)).or_default();
            self.is_full |= !taken(keys, index);
        }
        if let Some(holder) = offer.holder {
            self.refer(holder, index);
        }
        if let Some(called) = offer.called {
            self.refer(called.into_bytes(), index);
        }
    }

    /// This name (DER content) is meant to be that of the keys that the user named without any.
    pub fn call_given(&mut self, name: &[u8]) {
        let named: Vec<usize> = self.by_name.values().flatten().map(|holder| holder.key).collect();
        let is_given = |held: &Held| held.places.iter().any(|place| place.kind == PlaceKind::Given);
        let bare = self.all().filter(|(index, held)| is_given(held) && !named.contains(index));
        for key in bare.map(|(index, _)| index).collect::<Vec<_>>() {
            self.call(name, Holder { key, key_id: None, certificate: None });
        }
    }

    /// Adds what baselines know of keys.
    pub fn note(&mut self, known: &Known) {
        self.left.extend(known.left.iter().map(|why| (known.place.clone(), why.clone())));
        for baseline in &known.baselines {
            for key in &baseline.keys {
                let hash =
                    key.public_key_sha256.as_ref().and_then(|hash| HEXLOWER.decode(hash.as_bytes()).ok());
                let Some(hash) = hash.and_then(|hash| <[u8; 32]>::try_from(hash).ok()) else { continue };
                let label = key.label.as_ref().map(|label| format!(" \"{label}\"")).unwrap_or_default();
                let place = format!("in the baseline of token {}: key{label}", baseline.serial);
                let place = Place { kind: PlaceKind::Baseline, place, id: key.id.clone() };
                self.by_hash.entry(hash).or_default().push(place);
            }
        }
    }

    /// Does a baseline know it?
    pub fn is_noted(&self, key: &PublicKey) -> bool {
        !self.by_hash.is_empty() && self.by_hash.contains_key(&same_form(key).fingerprint())
    }

    fn call(&mut self, name: &[u8], holder: Holder) {
        if let Some(held) = self.keys.get_mut(holder.key) {
            held.is_called = true;
        }
        let holders = self.by_name.entry(canonical_name(name)).or_default();
        // One name with very many keys is no CA's.
        if !holders.contains(&holder) {
            match holders.len() {
                ..MOST_HOLDERS_OF_NAME => holders.push(holder),
                _ => self.is_full = true,
            }
        }
    }

    fn identify(&mut self, id: Vec<u8>, key: usize) {
        self.is_full |= !taken(self.by_id.entry(id).or_default(), key);
    }

    fn refer(&mut self, reference: Vec<u8>, key: usize) {
        self.is_full |= !taken(self.by_reference.entry(reference).or_default(), key);
    }

    /// A key by its number.
    pub fn get(&self, index: usize) -> Option<&Held> {
        self.keys.get(index)
    }

    /// The number of a key.
    pub fn find(&self, key: &PublicKey) -> Option<usize> {
        self.by_key.get(&same_form(key)).copied()
    }

    /// A key with the places that it is known from.
    pub fn attributed(&self, key: &PublicKey) -> Attributed {
        let key = same_form(key);
        let held = self.find(&key).and_then(|index| self.get(index));
        let mut places = held.map(|held| held.places.clone()).unwrap_or_default();
        if !self.by_hash.is_empty() {
            places.extend(self.by_hash.get(&key.fingerprint()).into_iter().flatten().cloned());
            places.sort_by_key(|place| place.kind);
        }
        attributed(&key, &places)
    }

    /// Whoever made a signature, and if that is not told the keys that could have.
    pub fn made_by<'m>(&self, maker: &'m Maker) -> (Option<Attributed>, &'m [PublicKey]) {
        match maker {
            Maker::Known(index) => (self.get(*index).map(|held| self.attributed(&held.key)), &[]),
            Maker::Unknown(key) => (Some(self.attributed(key)), &[]),
            Maker::OneOf(keys) => (None, keys),
            Maker::NotFound => (None, &[]),
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (usize, &Held)> {
        self.keys.iter().enumerate()
    }

    /// The keys that an artefact names, those first that it names most exactly. Of one name there may be very many.
    pub fn named(&self, names: &Names) -> Vec<Named> {
        let plain = |keys: &[usize]| -> Vec<Named> {
            keys.iter().map(|&key| Named { key, identified: Identified::Yes }).collect()
        };
        match names {
            Names::Keys(keys) => plain(&keys.iter().filter_map(|key| self.find(key)).collect::<Vec<_>>()),
            Names::KeyId(id) => plain(self.by_id.get(id).map(Vec::as_slice).unwrap_or_default()),
            Names::Certificate(issuer, serial) => {
                let keys = self.by_certificate.get(&(canonical_name(issuer), serial.clone()));
                plain(keys.map(Vec::as_slice).unwrap_or_default())
            }
            Names::Called(name) => {
                plain(self.by_reference.get(name.as_bytes()).map(Vec::as_slice).unwrap_or_default())
            }
            Names::Holder(name) => plain(self.by_reference.get(name).map(Vec::as_slice).unwrap_or_default()),
            Names::Nobody => Vec::new(),
            // Whoever says that it is self-signed names its own key, whatever others have its name and identifier.
            Names::Issuer { own: Some((own, Claim::OwnKey)), .. } => {
                plain(&self.find(own).into_iter().collect::<Vec<_>>())
            }
            Names::Issuer { name, authority, .. } => self.of_issuer(name, authority, names.own()),
        }
    }

    /// Is it the key itself that is named, by what is made of it, and no name or number that others may have, too?
    pub fn is_by_key(&self, names: &Names, named: &[Named]) -> bool {
        let mut keys = named.iter().filter_map(|one| self.keys.get(one.key));
        match names {
            // Holder references are given once (BSI TR-03110, part 3, A.6.1).
            Names::Keys(_) | Names::Holder(_) => true,
            Names::KeyId(id) => keys.any(|held| is_identifier_of(id, held.as_found())),
            Names::Called(name) => keys.any(|held| thumbprint(&held.key) == name.as_bytes()),
            Names::Issuer { .. } | Names::Certificate(..) | Names::Nobody => false,
        }
    }

    fn of_issuer(&self, name: &[u8], authority: &Authority, own: Option<(&PublicKey, Claim)>) -> Vec<Named> {
        // That neither has a name says nothing.
        let holders = if name.is_empty() { None } else { self.by_name.get(&canonical_name(name)) };
        let holders = holders.map(Vec::as_slice).unwrap_or_default();
        let issuer = authority.issuer.as_deref().map(canonical_name);
        let mut named: Vec<Named> = Vec::new();
        for holder in holders {
            let Some(held) = self.keys.get(holder.key) else { continue };
            let key = holder.key;
            let one = Named { key, identified: identified(held, holder, authority, issuer.as_deref()) };
            // Of several certificates of one key that counts which fits best.
            match named.iter_mut().find(|one| one.key == key) {
                Some(other) => {
                    other.identified = other.identified.min(one.identified);
                }
                None => named.push(one),
            }
        }
        // A card's or a cache's key has no name: its identifier is all that an artefact can name it by. One that has a
        // name is not its key: identifiers are the same elsewhere, by chance and by copying.
        if let Some(keys) = authority.key_id.as_ref().and_then(|id| self.by_id.get(id)) {
            for &key in keys {
                let is_called = self.keys.get(key).is_none_or(|held| held.is_called);
                if !is_called && !named.iter().any(|one| one.key == key) {
                    named.push(Named { key, identified: Identified::Yes });
                }
            }
        }
        named.sort_by_key(|one| one.identified);
        // Its own key comes first where it may be meant, however many others have the name, and last where it is not.
        if let Some((own, claim)) = own.and_then(|(key, claim)| Some((self.find(key)?, claim))) {
            let place = named.iter().position(|one| one.key == own);
            let one = place.map(|place| named.remove(place));
            match claim {
                Claim::OwnKey | Claim::Unsaid => {
                    let unsaid = Named { key: own, identified: Identified::Unsaid };
                    named.insert(0, one.unwrap_or(unsaid));
                }
                Claim::SameName | Claim::AnotherName => named.extend(one),
            }
        }
        named
    }
}

/// Takes a key among those of one identifier, number or reference, if there are not too many.
fn taken(keys: &mut Vec<usize>, key: usize) -> bool {
    let is_there = keys.contains(&key);
    let fits = keys.len() < MOST_OF_NAME;
    if !is_there && fits {
        keys.push(key);
    }
    is_there || fits
}

/// Is it one of the identifiers that CAs make of a key (RFC 5280, 4.2.1.2; RFC 7093, 2)?
pub fn is_identifier_of(id: &[u8], key: &PublicKey) -> bool {
    use sha2::{Digest, Sha256};
    let bits = key.bits_of_spki();
    let short = Sha256::digest(&bits);
    let whole = Sha256::digest(key.spki());
    let hash = hash_of_bits(key);
    // The shorter one of RFC 5280: four bits that say so, and the last 60.
    let shorter = hash.get(12..).map(|end| {
        end.iter().zip(0..).map(|(byte, at)| match at {
            0 => byte & 0x0F | 0x40,
            _ => *byte,
        })
    });
    id == hash
        || (id.len() == 8 && shorter.is_some_and(|shorter| shorter.eq(id.iter().copied())))
        || short.get(..20) == Some(id)
        || *id == *short
        || *id == *whole
        || whole.get(..20) == Some(id)
}

/// Is this the key that is asked for? `issuer`: of its certificate, in the form in which names are compared.
fn identified(held: &Held, holder: &Holder, authority: &Authority, issuer: Option<&[u8]>) -> Identified {
    let by_key = authority.key_id.as_ref().and_then(|wanted| match &holder.key_id {
        _ if hash_of_bits(held.as_found()) == *wanted => Some(true),
        Some(own) => Some(own == wanted),
        None => None,
    });
    let (own_issuer, own_serial) =
        holder.certificate.as_ref().map(|(issuer, serial)| (issuer, serial)).unzip();
    let by_issuer = issuer.zip(own_issuer).map(|(wanted, own)| wanted == own);
    let by_serial =
        authority.serial.as_ref().zip(own_serial).map(|(wanted, own)| is_same_number(wanted, own));
    let all = [by_key, by_issuer, by_serial];
    if by_key == Some(false) {
        Identified::No
    } else if all.contains(&Some(false)) {
        Identified::ByOtherCertificate
    } else if all.contains(&Some(true)) {
        Identified::Yes
    } else {
        Identified::Unsaid
    }
}

/// Are two INTEGERs (content) the same, though one of them has more zeros before it?
fn is_same_number(one: &[u8], other: &[u8]) -> bool {
    let is_negative = |number: &[u8]| number.first().is_some_and(|lead| lead & 0x80 != 0);
    is_negative(one) == is_negative(other) && significant(one) == significant(other)
}

/// A key's thumbprint (RFC 7638), as JSON Web Signatures often call it.
fn thumbprint(key: &PublicKey) -> Vec<u8> {
    use crate::format::curve::{self, table};
    use data_encoding::BASE64URL_NOPAD as BASE64URL;
    use sha2::{Digest, Sha256};
    let text = match key {
        PublicKey::Rsa { modulus, exponent } => {
            format!(
                r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
                BASE64URL.encode(exponent),
                BASE64URL.encode(modulus)
            )
        }
        PublicKey::Ec { curve_oid, point } => {
            let name = match curve::by_oid(curve_oid) {
                Some(curve) if *curve == table::SECP256R1 => "P-256",
                Some(curve) if *curve == table::SECP384R1 => "P-384",
                Some(curve) if *curve == table::SECP521R1 => "P-521",
                _ => return key.fingerprint().to_vec(),
            };
            let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len().saturating_sub(1) / 2);
            format!(
                r#"{{"crv":"{name}","kty":"EC","x":"{}","y":"{}"}}"#,
                BASE64URL.encode(x),
                BASE64URL.encode(y)
            )
        }
        PublicKey::Other(_) => match key.ed25519() {
            Some(bytes) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, BASE64URL.encode(bytes)),
            None => return key.fingerprint().to_vec(),
        },
    };
    BASE64URL.encode(&Sha256::digest(text)).into_bytes()
}
