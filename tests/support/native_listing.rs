//! What the real tools print of a native PKCS#15 card, and what they should print of a view: one
//! line of text for each object, so that a disagreement can be read.

use crate::listing::{Kind, Pkcs11Listing, Pkcs11Object, Pkcs15Listing, Pkcs15Object};
use stalecard::format::key::PublicKey;
use stalecard::format::pkcs15::{KeyType, Value};
use stalecard::opensc::Version;
use stalecard::snapshot::EfPath;
use stalecard::view::pkcs11::{Item, project, user_pin};
use stalecard::view::pkcs15::listed;
use stalecard::view::{Class, Object, View};
use std::fmt::Write as _;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The number in `[0x10C], sign, …`.
fn flags(field: Option<&str>) -> String {
    field.and_then(|field| field.split(['[', ']']).nth(1)).unwrap_or("-").to_owned()
}

fn path(file: Option<EfPath>) -> String {
    file.map_or_else(|| "-".to_owned(), |file| format!("3f00{}", file.to_string().to_lowercase()))
}

fn digits(serial: &str) -> String {
    serial.trim_start_matches('0').to_lowercase()
}

fn name(kind: KeyType) -> &'static str {
    if kind == KeyType::Rsa { "RSA" } else { "EC" }
}

/// Up to 0.26 bytes are counted: a P-521 key has 528 bits.
fn bits(key: &PublicKey, version: Version) -> u32 {
    let bits = key.bits() as u32;
    let in_bytes = matches!(key, PublicKey::Ec { .. }) && version < Version::of(27);
    if in_bytes { bits.next_multiple_of(8) } else { bits }
}

/// `pkcs15-tool -D`.
pub fn pkcs15(listing: &Pkcs15Listing) -> Vec<String> {
    listing.objects.iter().map(pkcs15_object).collect()
}

fn pkcs15_object(object: &Pkcs15Object) -> String {
    let get = |name| object.block.get(name);
    let head = &object.block.head;
    let id = object.id.as_deref().unwrap_or("-");
    let auth = object.auth_id.as_deref().unwrap_or("-");
    let path = object.path.as_deref().unwrap_or("-");
    let object_flags = flags(get("Object Flags"));
    match object.kind {
        Kind::Pin => format!(
            "{head} flags={object_flags} id={id} auth={auth} pin={} {} pad={} ref={:?}",
            flags(get("Flags")),
            get("Length").unwrap_or("-"),
            get("Pad char").unwrap_or("-"),
            object.key_ref,
        ),
        Kind::PrivateKey => format!(
            "{head} flags={object_flags} usage={} access={} bits={:?} ref={:?} native={} path={path} auth={auth} \
             id={id}",
            flags(get("Usage")),
            flags(get("Access Flags")),
            object.bits,
            object.key_ref,
            get("Native").unwrap_or("-"),
        ),
        Kind::PublicKey => format!(
            "{head} flags={object_flags} usage={} access={} bits={:?} ref={:?} native={} path={path} id={id}",
            flags(get("Usage")),
            flags(get("Access Flags")),
            object.bits,
            object.key_ref,
            get("Native").unwrap_or("-"),
        ),
        Kind::SecretKey => format!(
            "{head} flags={object_flags} usage={} access={} size={} ref={} native={} path={path} id={id}",
            flags(get("Usage")),
            flags(get("Access Flags")),
            get("Size").unwrap_or("-"),
            get("Key ref").and_then(|number| number.split(' ').next()).unwrap_or("-"),
            get("Native").unwrap_or("-"),
        ),
        Kind::Certificate => format!(
            "{head} flags={object_flags} authority={} path={} id={id} serial={}",
            get("Authority").unwrap_or("-"),
            // Printed even if there is none.
            if path.is_empty() { "-" } else { path },
            get("Encoded serial").map_or_else(
                || "-".to_owned(),
                |serial| digits(serial.split_whitespace().nth(2).unwrap_or_default())
            ),
        ),
        Kind::Data => format!(
            "{head} application={} path={} auth={auth} data={}",
            get("applicationName").unwrap_or("-"),
            if path.is_empty() { "-" } else { path },
            object
                .block
                .fields
                .iter()
                .find(|(name, _)| name.starts_with("Data ("))
                .map_or_else(|| "-".to_owned(), |(_, value)| value.replace(' ', "").to_lowercase()),
        ),
        _ => format!("unexpected: {object:?}"),
    }
}

/// What `pkcs15-tool -D` should print of a view.
pub fn expected_pkcs15(view: &View) -> Vec<String> {
    listed(view).map(expected_pkcs15_object).collect()
}

fn expected_pkcs15_object(object: &Object) -> String {
    let label = text(&object.label);
    let id = hex(&object.id);
    let auth = if object.auth_id.is_empty() { "-".to_owned() } else { hex(&object.auth_id) };
    match &object.class {
        Class::Pin(pin) => {
            let [least, stored, most] = pin.lengths;
            format!(
                "PIN [{label}] flags=0x{:02X} id={id} auth={auth} pin=0x{:02X} min_len:{least}, max_len:{most}, \
                 stored_len:{stored} pad=0x{:02X} ref={:?}",
                pin.object_flags,
                pin.flags,
                pin.pad.unwrap_or(0),
                u32::try_from(pin.reference).ok(),
            )
        }
        Class::PrivateKey { reference, key_type, bits, usage, access, flags, native, path: file } => format!(
            "Private {} Key [{label}] flags=0x{flags:02X} usage=0x{usage:02X} access=0x{access:02X} bits={:?} \
             ref={:?} native={} path={} auth={auth} id={id}",
            name(*key_type),
            u32::try_from(*bits).ok(),
            reference.map(u32::from),
            if *native { "yes" } else { "no" },
            path(*file),
        ),
        Class::PublicKey { entry: Some(entry), .. } => format!(
            "Public {} Key [{label}] flags=0x{:02X} usage=0x{:02X} access=0x{:02X} bits={:?} ref={:?} native={} \
             path={} id={id}",
            name(entry.key_type),
            entry.flags,
            entry.usage,
            entry.access,
            // Of an EC key without value no length is printed.
            u32::try_from(entry.bits).ok().filter(|&bits| bits > 0 || entry.key_type == KeyType::Rsa),
            entry.reference.map(u32::from),
            if entry.native { "yes" } else { "no" },
            path(entry.path),
        ),
        Class::PublicKey { entry: None, .. } => "a public key without description".to_owned(),
        Class::SecretKey(key) => format!(
            "Secret {} Key [{label}] flags=0x{:02X} usage=0x{:02X} access=0x{:02X} size={} bits ref={} native={} \
             path={} id={id}",
            key.key_type,
            key.flags,
            key.usage,
            key.access,
            key.bits,
            key.reference,
            if key.native { "yes" } else { "no" },
            path(key.path),
        ),
        Class::Certificate { certificate, authority, flags } => format!(
            "X.509 Certificate [{label}] flags=0x{flags:02X} authority={} path={} id={id} serial={}",
            if *authority { "yes" } else { "no" },
            path(object.files.get(1).copied()),
            certificate.as_ref().map_or_else(|| "-".to_owned(), |found| digits(&hex(&found.serial))),
        ),
        Class::Data { application, path, content, .. } => format!(
            "Data object '{label}' application={} path={} auth={auth} data={}",
            text(application),
            match path {
                Value::Path(path) => hex(&path.bytes),
                Value::Direct(_) => "-".to_owned(),
            },
            match content {
                Some(content) if object.auth_id.is_empty() => hex(content),
                _ => "-".to_owned(),
            },
        ),
    }
}

/// `pkcs11-tool -O`, with or without login.
pub fn pkcs11(listing: &Pkcs11Listing) -> Vec<String> {
    listing.objects.iter().map(pkcs11_object).collect()
}

fn pkcs11_object(object: &Pkcs11Object) -> String {
    let id = object.id.as_deref().unwrap_or("-");
    let label = &object.label;
    let key_type = object.key_type.as_deref().unwrap_or("-");
    match object.class.as_str() {
        "Private Key" => format!("Private Key {key_type} [{label}] id={id}"),
        "Secret Key" => format!("Secret Key [{label}] id={id}"),
        "Public Key" => format!(
            "Public Key {key_type} [{label}] id={id} bits={:?} point={} params={}",
            object.bits,
            object.ec_point.as_deref().unwrap_or("-"),
            // "not available"
            object.ec_params.as_deref().filter(|params| *params != "not").unwrap_or("-"),
        ),
        "Certificate" => format!(
            "Certificate [{label}] id={id} serial={}",
            object.block.get("serial").map_or_else(|| "-".to_owned(), digits)
        ),
        _ => format!(
            "{} [{label}] application={} flags={}",
            object.class,
            object.application.as_deref().unwrap_or("-"),
            object.block.get("flags").unwrap_or("-")
        ),
    }
}

/// Without a user PIN that is listed nobody can log in, nor with one whose description was damaged: OpenSC finds the right
/// PIN too short for it, or sends it in another form. (MyEID; IsoApplet.)
pub fn can_log_in(view: &View) -> bool {
    let id = user_pin(view);
    view.objects.iter().any(|object| match &object.class {
        Class::Pin(pin) if Some(object.id.as_slice()) == id => {
            let as_made = [([4, 8, 8], Some(0xFF)), ([4, 16, 16], Some(0x00))];
            as_made.contains(&(pin.lengths, pin.pad)) && (pin.kind, pin.reference) == (1, 1)
        }
        _ => false,
    })
}

/// What `pkcs11-tool -O` should print of a view.
pub fn expected_pkcs11(view: &View, login: bool, version: Version) -> Vec<String> {
    let items = project(view);
    let shown = items.iter().filter(|item| login || !item.private);
    shown.map(|item| expected_pkcs11_item(item, version)).collect()
}

fn expected_pkcs11_item(item: &Item<'_>, version: Version) -> String {
    let object = item.object;
    let (label, id) = (text(&item.label), hex(&object.id));
    match (&object.class, item.public_key()) {
        (Class::PrivateKey { key_type, .. }, _) => {
            format!("Private Key {} [{label}] id={id}", name(*key_type))
        }
        (Class::SecretKey(_), _) => format!("Secret Key [{label}] id={id}"),
        // A point without curve: of what length it is 0.27 does not guess.
        (_, Some(PublicKey::Other(point))) => format!(
            "Public Key EC [{label}] id={id} bits={:?} point={} params=-",
            (version < Version::of(27)).then(|| (point.len() as u32 - 2) / 2 * 8),
            hex(&point[2..]),
        ),
        (_, Some(key)) => {
            let (name, point, params) = match key {
                PublicKey::Ec { curve_oid, point } => {
                    ("EC", hex(point), format!("06{:02x}{}", curve_oid.len(), hex(curve_oid)))
                }
                _ => ("RSA", "-".to_owned(), "-".to_owned()),
            };
            format!(
                "Public Key {name} [{label}] id={id} bits={:?} point={point} params={params}",
                Some(bits(key, version))
            )
        }
        // From 0.22 on `pkcs11-tool` prints serial numbers.
        (Class::Certificate { certificate, .. }, None) => {
            let found = certificate.as_ref().filter(|_| version >= Version::of(22));
            let serial = found.map_or_else(|| "-".to_owned(), |found| digits(&hex(&found.serial)));
            format!("Certificate [{label}] id={id} serial={serial}")
        }
        (Class::Data { application, flags, .. }, None) => {
            let mut names = Vec::new();
            if flags & 3 == 0 {
                names.push("<empty>");
            }
            if flags & 2 != 0 {
                names.push("modifiable");
            }
            if flags & 1 != 0 {
                names.push("private");
            }
            format!("Data [{label}] application={} flags={}", text(application), names.join(" "))
        }
        // Without value it passes for an RSA key of no length, which from 0.27 on is not printed.
        (Class::PublicKey { .. }, None) => {
            let bits = (version < Version::of(27)).then_some(0);
            format!("Public Key RSA [{label}] id={id} bits={bits:?} point=- params=-")
        }
        (Class::Pin(_), None) => "a PIN".to_owned(),
    }
}
