//! The private keys of a token that can be asked for a proof, and what each is asked.
//!
//! What kind of proof a key can give its family says ([`sign::plan`]). What is sent to it follows from
//! random bytes and, where a key deciphers, from the public keys that somebody takes for its own.

use crate::card::sign::{self, Access, Attempt, Key, Operation, Order};
use crate::case::proofs::{named_by_card, shown_for};
use crate::case::token::{Case, which_key};
use crate::crypto::{self, Hash};
use crate::format::curve::{self, Curve};
use crate::format::key::PublicKey;
use crate::naming::uri::Type;
use crate::naming::{Names, TokenNames};
use crate::snapshot::{EfPath, Scheme};
use crate::text::{escape, hex};
use crate::view::pkcs11_names::ModuleNames;
use crate::view::{Class, Object};

/// Random bytes that one key needs: a hash as long as the largest one.
pub const RANDOM: usize = 64;

/// Bytes of a message to be signed, and of a private number on Curve25519.
const MESSAGE: usize = 32;

/// A private key on a card that can be asked.
#[derive(Debug, Clone)]
pub struct Signer {
    reference: u8,
    path: Option<EfPath>,
    access: Option<Access>,
    operations: Vec<Operation>,
    /// Public keys that somebody takes for its own.
    publics: Vec<PublicKey>,
    names: Names,
}

/// A private key that cannot be asked.
#[derive(Debug, Clone)]
pub struct Unable {
    /// Which one.
    pub what: String,
    /// Why.
    pub why: String,
    /// Only who names it asks for it.
    pub only_if_named: bool,
    names: Names,
}

/// The keys of a token that can be asked, and those that cannot.
#[must_use]
pub fn signers(case: &Case<'_>) -> (Vec<Signer>, Vec<Unable>) {
    let (mut able, mut unable) = (Vec::new(), Vec::new());
    for object in case.live.private_keys() {
        let only_if_named = case.layout.is_device_key(object);
        match if only_if_named { Err(device_key(case)) } else { signer(case, object) } {
            Ok(signer) => able.push(signer),
            Err(why) => {
                let token = escape(case.serial.as_bytes());
                let which = which_key(&case.live, object);
                let what = format!("{which} \"{}\" of token {token}", escape(&object.label));
                unable.push(Unable { what, why, only_if_named, names: names(case, object) });
            }
        }
    }
    (able, unable)
}

/// Why a device's own key is not asked, which OpenSC up to 0.23 lists where its description can be read.
fn device_key(case: &Case<'_>) -> String {
    let certificate = case.layout.device_certificate();
    let certificate = certificate.map(|file| format!(" (its certificate is EF {file})")).unwrap_or_default();
    format!(
        "it is the device's own key, which vouches for the device and its keys{certificate}, and no user's"
    )
}

fn signer(case: &Case<'_>, object: &Object) -> Result<Signer, String> {
    let Class::PrivateKey { reference, key_type, bits, usage, path, .. } = object.class else {
        return Err("it is no private key".to_owned());
    };
    let bits = usize::try_from(bits).unwrap_or(0);
    let key = Key { reference, path, key_type, bits, usage };
    let plan = sign::plan(case.card, &key)?;
    // The number of a file is as good a name as any where the description has none.
    let reference = reference.or_else(|| path?.as_slice().last().copied()).ok_or("it has no reference")?;
    let shown = case.cache_views.iter().flat_map(|cache_view| shown_for(cache_view, object));
    let mut publics: Vec<PublicKey> =
        named_by_card(case, object).chain(shown).filter_map(Object::public_key).cloned().collect();
    publics.dedup();
    let mut operations = plan.operations;
    // What the description says comes first; then what the other public keys are that somebody takes for its own.
    if let Some((_, others)) = operations.split_first_mut() {
        others.sort_by_key(|operation| !publics.iter().any(|key| is_of(operation, key)));
    }
    let signer =
        Signer { reference, path, access: plan.access, operations, publics, names: names(case, object) };
    // Whether there is anything to ask does not depend on the random bytes.
    match signer.order(&[0x5A; RANDOM], false).attempts.as_slice() {
        [] => Err("no public key is known that it could be asked with, or no curve of its size".to_owned()),
        _ => Ok(signer),
    }
}

/// Could the private half of this public key do that?
fn is_of(operation: &Operation, key: &PublicKey) -> bool {
    let is_rsa = matches!(operation.scheme, Scheme::RsaPkcs1Sha256 | Scheme::RsaDecipher);
    is_rsa == matches!(key, PublicKey::Rsa { .. }) && operation.bits == key.bits()
}

fn names(case: &Case<'_>, object: &Object) -> Names {
    let place = object.place();
    let all = case.cache_views.iter().flat_map(|cache_view| cache_view.shown.objects.iter());
    // What is public of a key goes by an ID, too.
    let here =
        all.filter(|object| object.ef == place.ef && (place.part.is_of_key() || object.part == place.part));
    let shown = case.cache_views.iter().flat_map(|cache_view| shown_for(cache_view, object));
    let mut ids: Vec<Vec<u8>> =
        std::iter::once(object).chain(here).chain(shown).map(|object| object.id.clone()).collect();
    ids.retain(|id| !id.is_empty());
    ids.sort();
    ids.dedup();
    let label = escape(&object.label);
    let spoken: Vec<String> = ids.iter().map(|id| hex(id)).collect();
    let names = [ModuleNames::of(case.card, case.layout, &case.live)];
    let shown = case.cache_views.iter().map(|view| ModuleNames::of(case.card, case.layout, &view.shown));
    let tokens = names.into_iter().chain(shown).flat_map(|names| names.tokens);
    let own = case.layout.label(case.card);
    Names {
        what: format!("{} \"{label}\", ID {}", which_key(&case.live, object), spoken.join(" or ")),
        reference: case.live.reference(object),
        ids,
        labels: vec![label],
        words: Vec::new(),
        class: Some(Type::Private),
        token: TokenNames {
            serial: case.serial.to_owned(),
            labels: own.into_iter().chain(tokens).map(|label| escape(&label)).collect(),
            maker: Some(case.layout.maker(case.card)),
        },
    }
}

impl Unable {
    /// All that the key goes by.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }
}

impl Signer {
    /// Adds what another user takes for this key's, and calls it.
    pub fn add(&mut self, other: &Self) {
        for key in &other.publics {
            if !self.publics.contains(key) {
                self.publics.push(key.clone());
            }
        }
        self.names.add(other.names.clone());
    }

    /// Is it the same key of the card?
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.reference, self.path) == (other.reference, other.path)
    }

    /// All that the key goes by: IDs in any view, label, reference.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// What this key is to do with these [`RANDOM`] bytes.
    #[must_use]
    pub fn order(&self, random: &[u8], named: bool) -> Order {
        Order {
            key: self.reference,
            path: self.path,
            access: self.access.clone(),
            attempts: self.operations.iter().flat_map(|operation| self.attempts(operation, random)).collect(),
            named,
        }
    }

    fn attempts(&self, operation: &Operation, random: &[u8]) -> Vec<Attempt> {
        let first = |length: usize| random.get(..length).unwrap_or(random).to_vec();
        let attempt =
            |challenge, data| Attempt { scheme: operation.scheme, bits: operation.bits, challenge, data };
        match operation.scheme {
            Scheme::Ecdsa if operation.hashed => {
                let message = first(MESSAGE);
                vec![attempt(Hash::Sha1.digest(&message), message)]
            }
            Scheme::Ecdsa => vec![attempt(first(operation.digest), first(operation.digest))],
            Scheme::Ed25519 => vec![attempt(first(MESSAGE), first(MESSAGE))],
            Scheme::X25519 => {
                let number = first(MESSAGE);
                let point = crypto::x25519_of(&number);
                point.map(|point| attempt(number, point.to_vec())).into_iter().collect()
            }
            Scheme::RsaPkcs1Sha256 => {
                let message = first(MESSAGE);
                let info = Hash::Sha256.digest_info(&Hash::Sha256.digest(&message));
                vec![attempt(message, info)]
            }
            Scheme::Ecdh => {
                let Some(curve) = self.curve(operation.bits) else { return Vec::new() };
                // One byte shorter than the order it is below it.
                let number = first(curve.order.len() - 1);
                let point = crypto::point_of(curve, &number);
                point.map(|point| attempt(number, point)).into_iter().collect()
            }
            // What is enciphered for one key another cannot decipher: one question for each.
            Scheme::RsaDecipher => {
                let challenge = first(MESSAGE);
                let made = self.publics.iter().filter_map(|key| crypto::cryptogram(key, &challenge));
                made.map(|cryptogram| attempt(challenge.clone(), cryptogram)).collect()
            }
        }
    }

    /// The curve of this size that somebody says the key is on; without that the usual one.
    fn curve(&self, bits: usize) -> Option<&'static Curve> {
        let named = self.publics.iter().filter_map(|key| match key {
            PublicKey::Ec { curve_oid, .. } => curve::by_oid(curve_oid),
            _ => None,
        });
        named.chain(curve::all()).find(|curve| curve.bits == bits)
    }
}
