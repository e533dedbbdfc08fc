//! What an application sees of a view through OpenSC's PKCS#11 module.
//!
//! The module makes its objects out of the same list that `pkcs15-tool` prints,
//! but not one for one, and the differences decide whether a wrong cache entry
//! can be seen at all. As watched with 0.23:
//!
//! - Objects are made class by class: RSA private keys, RSA public keys, EC private keys,
//!   EC public keys, the same for Ed25519 and X25519, certificates, data, secret keys; there is room for
//!   128 in all, and what comes later is left out.
//! - A certificate brings a public key of its own, with its label and ID, unless
//!   a public key object has that ID already.
//! - The first certificate that does not decode ends the making of certificates:
//!   those behind it are gone, however sound.
//! - Of private keys with one ID only the first is shown, with the usages of all.
//! - Private objects are shown to whoever logs in with the PIN they name; public
//!   ones to all, but a data object that names a PIN to nobody.
//! - A private key is followed by the public key of its ID and by the certificates of its
//!   ID; a certificate by its public key and its issuer's certificate, if the token has it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Object, Place, SecretKey, View};
use crate::format::key::PublicKey;
use crate::format::pkcs15::{FLAG_PRIVATE, KeyType};
use crate::format::x509::Certificate;
use crate::text::escape;

/// The most objects the module has room for.
const MAX_OBJECTS: usize = 128;

/// An object of the PKCS#11 token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<'v> {
    /// The object of the view it is made of.
    pub object: &'v Object,
    /// The public key that came with a certificate, not the certificate itself.
    pub from_certificate: bool,
    /// A public key object whose own key cannot be made out has that of the first certificate of its ID.
    pub lent: Option<&'v PublicKey>,
    /// `CKA_LABEL`.
    pub label: Vec<u8>,
    /// `CKA_PRIVATE`: shown after login only.
    pub private: bool,
    /// PKCS#15 usage flags, of a private key only.
    pub usage: u32,
}

impl<'v> Item<'v> {
    /// `CKO_PRIVATE_KEY`, …, as `pkcs11-tool -O` names it.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match &self.object.class {
            Class::PrivateKey { .. } => "Private Key",
            Class::PublicKey { .. } => "Public Key",
            Class::Certificate { .. } if self.from_certificate => "Public Key",
            Class::Certificate { .. } => "Certificate",
            Class::Data { .. } => "Data",
            Class::SecretKey(_) => "Secret Key",
            // A PIN is a slot there, not an object.
            Class::Pin(_) => "PIN",
        }
    }

    /// The public key, of a public key object only.
    #[must_use]
    pub const fn public_key(&self) -> Option<&'v PublicKey> {
        match &self.object.class {
            Class::PublicKey { key: None, .. } => self.lent,
            Class::PublicKey { .. } => self.object.public_key(),
            Class::Certificate { .. } if self.from_certificate => self.object.public_key(),
            _ => None,
        }
    }

    /// Do both look the same to an application? Where they come from does not count.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        let certificate = |item: &Self| certificate_of(item.object).cloned();
        let head =
            |item: &Self| (item.class(), item.from_certificate, item.label.clone(), item.private, item.usage);
        if head(self) != head(other) || self.object.id != other.object.id {
            return false;
        }
        match (&self.object.class, &other.object.class) {
            (
                Class::PrivateKey { key_type, bits, access, .. },
                Class::PrivateKey { key_type: other_type, bits: other_bits, access: other_access, .. },
            ) => (key_type, bits, access) == (other_type, other_bits, other_access),
            (Class::SecretKey(key), Class::SecretKey(other_key)) => {
                let seen = |key: &SecretKey| (key.key_type, key.bits, key.usage, key.access);
                seen(key) == seen(other_key)
            }
            (Class::Certificate { .. }, Class::Certificate { .. }) if !self.from_certificate => {
                certificate(self) == certificate(other)
            }
            (
                Class::Data { application, oid, flags, content, .. },
                Class::Data {
                    application: other_application,
                    oid: other_oid,
                    flags: other_flags,
                    content: other_content,
                    ..
                },
            ) => {
                (application, oid, flags, content)
                    == (other_application, other_oid, other_flags, other_content)
            }
            _ => self.public_key() == other.public_key(),
        }
    }
}

/// The objects that are listed, token by token.
#[must_use]
pub fn project(view: &View) -> Vec<Item<'_>> {
    tokens(view).into_iter().flatten().collect()
}

/// The objects of each token, in the order in which they are found. A card is a token for each PIN that users log in
/// with.
#[must_use]
pub fn tokens(view: &View) -> Vec<Vec<Item<'_>>> {
    let mut module = Module::of(view);
    let mut tokens: Vec<Vec<Item<'_>>> = pins(view).into_iter().map(|pin| module.private(pin)).collect();
    if let Some(first) = tokens.first_mut() {
        module.public(first);
    }
    tokens
}

/// The authentication ID of the PIN of each token, in their order.
#[must_use]
pub fn pins(view: &View) -> Vec<Option<&[u8]>> {
    let pins: Vec<Option<&[u8]>> = view.pins.chunks(1).map(Some).collect();
    if pins.is_empty() { vec![user_pin(view)] } else { pins }
}

/// Why an object is in no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omitted<'v> {
    /// There is no room for it.
    Full,
    /// It is a certificate whose bytes are none.
    Broken,
    /// It is a certificate behind this one, whose bytes are none.
    Behind(&'v Object),
    /// A private key before it has its ID.
    Merged,
    /// It is private, and no token has its PIN.
    OtherPin,
    /// It is public, and names a PIN all the same.
    NamesPin,
}

impl Omitted<'_> {
    /// As the end of "not listed by opensc-pkcs11: …".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Full => format!("it has room for {MAX_OBJECTS} objects of a card in all"),
            Self::Broken => "its bytes are no certificate".to_owned(),
            Self::Behind(broken) => {
                format!("it lists no certificate behind \"{}\", whose bytes are none", escape(&broken.label))
            }
            Self::Merged => "a private key before it has the same ID".to_owned(),
            Self::OtherPin => "it is private, and no token has its PIN".to_owned(),
            Self::NamesPin => "it is public, and names a PIN all the same".to_owned(),
        }
    }
}

/// The objects that are in no token, with the reason. A PIN is a token, not an object of one.
#[must_use]
pub fn omitted(view: &View) -> Vec<(&Object, Omitted<'_>)> {
    let made = Module::of(view);
    let address = |object: &Object| std::ptr::from_ref(object).addr();
    let is_made: BTreeSet<usize> = made.made.iter().map(|made| address(made.object)).collect();
    let is_listed: BTreeSet<usize> = project(view).iter().map(|item| address(item.object)).collect();
    let mut broken: Option<&Object> = None;
    let mut found = Vec::new();
    for object in &view.objects {
        if matches!(object.class, Class::Pin(_)) || is_listed.contains(&address(object)) {
            continue;
        }
        let why = match broken {
            _ if is_made.contains(&address(object)) && object.is_private_key() => {
                match made.private_key(&object.id) {
                    Some(first) if !std::ptr::eq(first.object, object) => Omitted::Merged,
                    _ => Omitted::OtherPin,
                }
            }
            _ if is_made.contains(&address(object)) && is_private(object) => Omitted::OtherPin,
            _ if is_made.contains(&address(object)) => Omitted::NamesPin,
            Some(broken) if matches!(object.class, Class::Certificate { .. }) => Omitted::Behind(broken),
            None if ends_certificates(object) => {
                broken = Some(object);
                Omitted::Broken
            }
            _ => Omitted::Full,
        };
        found.push((object, why));
    }
    found
}

/// The certificate whose bytes are none and with which the list of certificates ends, if there is one, and those behind it.
#[must_use]
pub fn broken(view: &View) -> Option<(&Object, Vec<&Object>)> {
    let omitted = omitted(view);
    let (broken, _) = omitted.iter().find(|(_, why)| matches!(why, Omitted::Broken))?;
    let behind = omitted.iter().filter(|(_, why)| matches!(why, Omitted::Behind(_)));
    Some((broken, behind.map(|(object, _)| *object).collect()))
}

/// Does the making of certificates end here? A private one is read only when somebody asks for its value.
const fn ends_certificates(object: &Object) -> bool {
    match &object.class {
        Class::Certificate { certificate, flags, .. } => certificate.is_none() && *flags & FLAG_PRIVATE == 0,
        _ => false,
    }
}

/// The authentication ID of the PIN that the first slot asks for, on cards that list their PINs: the first
/// that is not a security officer's.
#[must_use]
pub fn user_pin(view: &View) -> Option<&[u8]> {
    const SO_PIN: u32 = 1 << 7;
    view.objects.iter().find_map(|object| match &object.class {
        Class::Pin(pin) if pin.flags & SO_PIN == 0 => Some(object.id.as_slice()),
        _ => None,
    })
}

/// The units ([`Place::unit`]) of which the module shows something different in the two views.
#[must_use]
pub fn differing(live: &View, shown: &View) -> Vec<Place> {
    let (live, shown) = (by_unit(live), by_unit(shown));
    let mut units: Vec<Place> = live.keys().chain(shown.keys()).cloned().collect();
    units.sort_unstable();
    units.dedup();
    units.retain(|unit| {
        let live = live.get(unit).cloned().unwrap_or_default();
        !alike(live, shown.get(unit).map_or(&[], Vec::as_slice))
    });
    units
}

fn by_unit(view: &View) -> BTreeMap<Place, Vec<Item<'_>>> {
    let mut units: BTreeMap<Place, Vec<Item<'_>>> = BTreeMap::new();
    for item in project(view) {
        units.entry(item.object.place().unit()).or_default().push(item);
    }
    units
}

/// Are these the same objects, in whatever order?
fn alike(mut left: Vec<Item<'_>>, right: &[Item<'_>]) -> bool {
    let same_number = left.len() == right.len();
    same_number
        && right.iter().all(|item| match left.iter().position(|other| other.looks_like(item)) {
            Some(place) => {
                left.swap_remove(place);
                true
            }
            None => false,
        })
}

const fn certificate_of(object: &Object) -> Option<&Certificate> {
    match &object.class {
        Class::Certificate { certificate, .. } => certificate.as_ref(),
        _ => None,
    }
}

/// An object as the module makes it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Made<'v> {
    object: &'v Object,
    from_certificate: bool,
}

struct Module<'v> {
    made: Vec<Made<'v>>,
    /// What stands in any token.
    seen: Vec<Made<'v>>,
    /// The token that is being made.
    shown: Vec<Item<'v>>,
}

impl<'v> Module<'v> {
    /// All that is made of a view, and nothing of it in a token yet.
    fn of(view: &'v View) -> Self {
        let mut module = Self { made: Vec::new(), seen: Vec::new(), shown: Vec::new() };
        // What is neither RSA nor Ed25519 is made together with EC.
        let turn = |key_type: KeyType| match key_type {
            KeyType::Rsa => 0,
            KeyType::Ec | KeyType::Other => 1,
            KeyType::Edwards => 2,
            KeyType::Montgomery => 3,
        };
        for now in 0..=3 {
            module.make(view, |object| match object.class {
                Class::PrivateKey { key_type, .. } => turn(key_type) == now,
                _ => false,
            });
            module.make(view, |object| match &object.class {
                Class::PublicKey { entry: Some(entry), .. } => turn(entry.key_type) == now,
                Class::PublicKey { key, entry: None } => {
                    now == if matches!(key, Some(PublicKey::Rsa { .. })) { 0 } else { 1 }
                }
                _ => false,
            });
        }
        module.make_certificates(view);
        module.make(view, |object| matches!(object.class, Class::Data { .. }));
        module.make(view, |object| matches!(object.class, Class::SecretKey(_)));
        module
    }

    fn make(&mut self, view: &'v View, wanted: impl Fn(&Object) -> bool) {
        for object in view.objects.iter().filter(|object| wanted(object)) {
            self.add(Made { object, from_certificate: false });
        }
    }

    fn add(&mut self, made: Made<'v>) {
        if self.made.len() < MAX_OBJECTS {
            self.made.push(made);
        }
    }

    fn make_certificates(&mut self, view: &'v View) {
        let is_certificate = |object: &&Object| matches!(object.class, Class::Certificate { .. });
        for object in view.objects.iter().filter(is_certificate) {
            if ends_certificates(object) {
                return;
            }
            self.add(Made { object, from_certificate: false });
            if self.public_key(&object.id).is_none() {
                self.add(Made { object, from_certificate: true });
            }
        }
    }

    /// The public key object with this ID; those that came with certificates are not asked.
    fn public_key(&self, id: &[u8]) -> Option<Made<'v>> {
        let is_key = |made: &&Made<'_>| matches!(made.object.class, Class::PublicKey { .. });
        self.made.iter().filter(is_key).find(|made| made.object.id == id).copied()
    }

    /// The private key that is shown for this ID.
    fn private_key(&self, id: &[u8]) -> Option<Made<'v>> {
        let is_key = |made: &&Made<'_>| matches!(made.object.class, Class::PrivateKey { .. });
        self.made.iter().filter(is_key).find(|made| made.object.id == id).copied()
    }

    /// What the private keys with this ID may be used for, taken together.
    fn usage(&self, id: &[u8]) -> u32 {
        let of = |made: &Made<'_>| match made.object.class {
            Class::PrivateKey { usage, .. } if made.object.id == id => usage,
            _ => 0,
        };
        self.made.iter().map(of).fold(0, |all, usage| all | usage)
    }

    /// The token of a PIN: what it protects, and what belongs to that.
    fn private(&mut self, pin: Option<&[u8]>) -> Vec<Item<'v>> {
        for made in self.made.clone() {
            let is_reached = pin == Some(made.object.auth_id.as_slice());
            if is_private(made.object) && is_reached && !made.from_certificate {
                self.list(made);
            }
        }
        std::mem::take(&mut self.shown)
    }

    /// What everybody may see and is in no token yet goes to the first.
    fn public(&mut self, first: &mut Vec<Item<'v>>) {
        self.shown = std::mem::take(first);
        for made in self.made.clone() {
            let readable = made.object.auth_id.is_empty() || !matches!(made.object.class, Class::Data { .. });
            let is_new = !made.from_certificate && !self.seen.contains(&made);
            if !is_private(made.object) && readable && is_new {
                self.list(made);
            }
        }
        *first = std::mem::take(&mut self.shown);
    }

    fn lent(&self, object: &Object) -> Option<&'v PublicKey> {
        let certificates = self.certificates();
        certificates.iter().find(|made| made.object.id == object.id)?.object.public_key()
    }

    /// Lists an object, then what belongs to it.
    fn list(&mut self, made: Made<'v>) {
        let Made { object, from_certificate } = made;
        let known =
            |item: &Item<'_>| std::ptr::eq(item.object, object) && item.from_certificate == from_certificate;
        let is_private_key = matches!(object.class, Class::PrivateKey { .. });
        let merged = is_private_key && self.private_key(&object.id) != Some(made);
        if merged || self.shown.iter().any(known) {
            return;
        }
        self.seen.push(made);
        self.shown.push(Item {
            object,
            from_certificate,
            lent: self.lent(object),
            label: label(object),
            private: is_private(object) && !from_certificate,
            usage: if is_private_key { self.usage(&object.id) } else { 0 },
        });
        match &object.class {
            Class::PrivateKey { .. } => {
                if let Some(key) = self.public_key(&object.id) {
                    self.list(key);
                }
                for certificate in self.certificates() {
                    if certificate.object.id == object.id {
                        self.list(certificate);
                    }
                }
            }
            Class::Certificate { .. } if !from_certificate => {
                match self.public_key(&object.id) {
                    Some(key) => self.list(key),
                    None => {
                        let own = Made { object, from_certificate: true };
                        if self.made.contains(&own) {
                            self.list(own);
                        }
                    }
                }
                if let Some(issuer) = self.issuer(object) {
                    self.list(issuer);
                }
            }
            _ => {}
        }
    }

    fn certificates(&self) -> Vec<Made<'v>> {
        let is_certificate = |made: &&Made<'_>| {
            matches!(made.object.class, Class::Certificate { .. }) && !made.from_certificate
        };
        self.made.iter().filter(is_certificate).copied().collect()
    }

    /// The first other certificate whose subject is this one's issuer.
    fn issuer(&self, object: &Object) -> Option<Made<'v>> {
        let issuer = &certificate_of(object)?.raw_issuer;
        self.certificates().into_iter().find(|made| {
            !issuer.is_empty()
                && !std::ptr::eq(made.object, object)
                && certificate_of(made.object).is_some_and(|other| other.raw_subject == *issuer)
        })
    }
}

const fn is_private(object: &Object) -> bool {
    match object.class {
        Class::PrivateKey { flags, .. } | Class::Certificate { flags, .. } | Class::Data { flags, .. } => {
            flags & FLAG_PRIVATE != 0
        }
        Class::SecretKey(ref key) => key.flags & FLAG_PRIVATE != 0,
        Class::PublicKey { .. } | Class::Pin(_) => false,
    }
}

/// The label, or the common name of a certificate without one.
fn label(object: &Object) -> Vec<u8> {
    let name = certificate_of(object).and_then(Certificate::common_name);
    if object.label.is_empty() { name.unwrap_or_default() } else { object.label.clone() }
}
