//! Another PKCS#11 module, loaded into this process, and what it lists without a login.
//!
//! Only a child that is there for nothing else calls this: a module is foreign code, and may end, stop or break the process
//! that loads it. It is never logged in to, no session may write, and of keys nothing is asked for but what is public.

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::Error;
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;

use crate::format::key::PublicKey;
use crate::format::pkcs11::key_of_point;
use crate::format::x509;
use crate::snapshot::{ByteString, Bytes, Provider, ProviderClass, ProviderObject, ProviderToken};

/// The most tokens of a module, and objects of a token, that are looked at.
const MOST_TOKENS: usize = 64;
const MOST_OBJECTS: usize = 1024;
/// The largest attribute that is taken: a certificate with many names.
const LARGEST: usize = 64 << 10;

/// Loads a module and lists its tokens.
///
/// # Errors
/// In a few words, why it could not.
pub fn list(module: &Path) -> Result<Provider, String> {
    let loaded = Pkcs11::new(module).map_err(|why| words(&why))?;
    // A module that is unloaded may break the process, too: it stays to the end.
    std::mem::forget(loaded.clone());
    // Some take no word on threads.
    loaded
        .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
        .or_else(|_| loaded.initialize(CInitializeArgs::new(CInitializeFlags::empty())))
        .map_err(|why| words(&why))?;
    let provider = listed(&loaded, module);
    let _ = loaded.finalize();
    provider
}

fn listed(loaded: &Pkcs11, module: &Path) -> Result<Provider, String> {
    let library = loaded.get_library_info().ok().map(|info| {
        let version = info.library_version();
        let name = [trimmed(info.manufacturer_id()), trimmed(info.library_description())].join(" ");
        format!("{} {}.{}", name.trim(), version.major(), version.minor())
    });
    let mut provider = Provider { module: module.into(), library, tokens: Vec::new(), left: Vec::new() };
    let slots = loaded.get_slots_with_token().map_err(|why| words(&why))?;
    if slots.len() > MOST_TOKENS {
        provider.left.push(format!("only {MOST_TOKENS} of its {} tokens were looked at", slots.len()));
    }
    for &slot in slots.iter().take(MOST_TOKENS) {
        match token(loaded, slot, &mut provider.left) {
            Ok(token) => provider.tokens.push(token),
            Err(why) => provider.left.push(format!("its slot {}: {}", slot.id(), words(&why))),
        }
    }
    Ok(provider)
}

fn token(loaded: &Pkcs11, slot: Slot, left: &mut Vec<String>) -> Result<ProviderToken, Error> {
    let reader = loaded.get_slot_info(slot).map(|info| trimmed(info.slot_description()));
    let info = loaded.get_token_info(slot)?;
    let mut token = ProviderToken {
        slot: slot.id(),
        reader: reader.unwrap_or_default(),
        label: trimmed(info.label()),
        serial: trimmed(info.serial_number()),
        objects: Vec::new(),
    };
    let session = loaded.open_ro_session(slot)?;
    let found: Result<Vec<ObjectHandle>, Error> = session.iter_objects(&[])?.take(MOST_OBJECTS + 1).collect();
    let found = found?;
    if found.len() > MOST_OBJECTS {
        left.push(format!("its slot {}: there are more than {MOST_OBJECTS} objects", slot.id()));
    }
    token.objects = found.iter().take(MOST_OBJECTS).filter_map(|&handle| object(&session, handle)).collect();
    Ok(token)
}

/// A key or a certificate; none if it is something else.
fn object(session: &Session, handle: ObjectHandle) -> Option<ProviderObject> {
    let asked = session.get_attributes(handle, &[AttributeType::Class]).ok()?;
    let class = match asked.first()? {
        Attribute::Class(ObjectClass::PRIVATE_KEY) => ProviderClass::PrivateKey,
        Attribute::Class(ObjectClass::PUBLIC_KEY) => ProviderClass::PublicKey,
        Attribute::Class(ObjectClass::CERTIFICATE) => ProviderClass::Certificate,
        Attribute::Class(ObjectClass::SECRET_KEY) => ProviderClass::SecretKey,
        _ => return None,
    };
    let certificate = match class {
        ProviderClass::Certificate => bytes(session, handle, AttributeType::Value),
        _ => None,
    };
    let key = match class {
        ProviderClass::Certificate => {
            certificate.as_deref().and_then(x509::decode).map(|certificate| certificate.key)
        }
        ProviderClass::PublicKey | ProviderClass::PrivateKey => key(session, handle),
        ProviderClass::SecretKey => None,
    };
    Some(ProviderObject {
        class,
        id: Bytes(bytes(session, handle, AttributeType::Id).unwrap_or_default()),
        label: ByteString(bytes(session, handle, AttributeType::Label).unwrap_or_default()),
        key: key.map(|key| Bytes(key.spki())),
        certificate: certificate.map(Bytes),
    })
}

/// The public key of a key, in whichever way it is told.
fn key(session: &Session, handle: ObjectHandle) -> Option<PublicKey> {
    let of = |attribute| bytes(session, handle, attribute).filter(|bytes| !bytes.is_empty());
    let asked = session.get_attributes(handle, &[AttributeType::KeyType]).unwrap_or_default();
    let told = match asked.first() {
        Some(Attribute::KeyType(KeyType::RSA)) => of(AttributeType::Modulus)
            .zip(of(AttributeType::PublicExponent))
            .map(|(modulus, exponent)| PublicKey::rsa(&modulus, &exponent)),
        Some(Attribute::KeyType(KeyType::EC | KeyType::EC_EDWARDS | KeyType::EC_MONTGOMERY)) => {
            of(AttributeType::EcParams)
                .zip(of(AttributeType::EcPoint))
                .and_then(|(parameters, point)| key_of_point(&parameters, &point))
        }
        _ => None,
    };
    told.or_else(|| PublicKey::from_spki(&of(AttributeType::PublicKeyInfo)?).ok().map(|(key, _)| key))
}

/// An attribute that is bytes, if it is there and not too long.
fn bytes(session: &Session, handle: ObjectHandle, attribute: AttributeType) -> Option<Vec<u8>> {
    let info = session.get_attribute_info(handle, &[attribute]).ok()?;
    let Some(AttributeInfo::Available(1..=LARGEST)) = info.first() else { return None };
    match session.get_attributes(handle, &[attribute]).ok()?.pop()? {
        Attribute::Id(value)
        | Attribute::Label(value)
        | Attribute::Value(value)
        | Attribute::Modulus(value)
        | Attribute::PublicExponent(value)
        | Attribute::EcParams(value)
        | Attribute::EcPoint(value)
        | Attribute::PublicKeyInfo(value) => Some(value),
        _ => None,
    }
}

/// Some fill up with zeros what is to be filled up with blanks.
fn trimmed(text: &str) -> String {
    text.trim_end_matches('\0').trim().to_owned()
}

fn words(why: &Error) -> String {
    match why {
        Error::LibraryLoading(why) => format!("it cannot be loaded: {why}"),
        Error::MissingSymbol(name) => format!("it is no PKCS#11 module: it has no {name}"),
        Error::NullFunctionPointer => "it lacks a function that every PKCS#11 module has".to_owned(),
        Error::Pkcs11(code, function) => format!("C_{function:?} fails with {code:?}"),
        why => why.to_string(),
    }
}
