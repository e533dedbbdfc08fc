//! What the real tools print, and what they should print of a view: one line of
//! text for each object, so that a disagreement can be read.

use crate::stand::listing::{Kind, Pkcs11Listing, Pkcs11Object, Pkcs15Listing, Pkcs15Object};
use stalecard::format::key::PublicKey;
use stalecard::format::pkcs15::{KeyType, Value};
use stalecard::format::x509::Certificate;
use stalecard::opensc::{Version, differences};
use stalecard::view::pkcs11::{Item, project};
use stalecard::view::pkcs15::listed;
use stalecard::view::{Class, Object, View};
use std::fmt::Write as _;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Up to 0.26 bytes are counted: a P-521 key has 528 bits.
pub fn bits(key: &PublicKey, version: Version) -> u32 {
    if key.ed25519().is_some() || key.x25519().is_some() {
        // In 0.26 the bytes of the OCTET STRING count.
        return if version.minor == 26 { 272 } else { 255 };
    }
    let bits = key.bits() as u32;
    let in_bytes = matches!(key, PublicKey::Ec { .. }) && version < Version::of(27);
    if in_bytes { bits.next_multiple_of(8) } else { bits }
}

/// From 0.22 on `pkcs11-tool` prints serial numbers.
pub fn serial(certificate: Option<&Certificate>, version: Version) -> String {
    let found = certificate.filter(|_| version >= Version::of(22));
    found.map_or_else(|| "-".to_owned(), |found| digits(&hex(&found.serial)))
}

/// A label as it arrives: C strings end at NUL, output is read as UTF-8 and line by line.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The number in `[0x10C], sign, …`.
fn flags(field: Option<&str>) -> String {
    field.and_then(|field| field.split(['[', ']']).nth(1)).unwrap_or("-").to_owned()
}

/// What stands behind the AID: which is there with caching, and not without.
fn path(field: Option<&str>) -> String {
    let path = field.unwrap_or_default();
    path.rsplit("::").next().unwrap_or(path).to_owned()
}

fn digits(serial: &str) -> String {
    serial.trim_start_matches('0').to_lowercase()
}

/// Lines without the path of a certificate, which OpenSC prints of a PIV card only with caching on.
pub fn without_paths(lines: Vec<String>) -> Vec<String> {
    let neutral = |line: String| match (line.find(" path="), line.starts_with("X.509")) {
        (Some(at), true) => {
            let rest = line[at + 1..].find(' ').map_or("", |end| &line[at + 1 + end..]);
            format!("{}{rest}", &line[..at])
        }
        _ => line,
    };
    lines.into_iter().map(neutral).collect()
}

/// `pkcs15-tool -D` without the PINs.
pub fn pkcs15(listing: &Pkcs15Listing) -> Vec<String> {
    listing.objects.iter().filter(|object| object.kind != Kind::Pin).map(pkcs15_object).collect()
}

fn pkcs15_object(object: &Pkcs15Object) -> String {
    let get = |name| object.block.get(name);
    let head = &object.block.head;
    match object.kind {
        Kind::PrivateKey => format!(
            "{head} flags={} usage={} access={} bits={:?} ref={:?} native={} auth={} id={}",
            flags(get("Object Flags")),
            flags(get("Usage")),
            flags(get("Access Flags")),
            object.bits,
            object.key_ref,
            get("Native").unwrap_or("-"),
            object.auth_id.as_deref().unwrap_or("-"),
            object.id.as_deref().unwrap_or("-"),
        ),
        Kind::PublicKey => format!(
            "{head} flags={} usage={} access={} bits={:?} id={} value={}",
            flags(get("Object Flags")),
            flags(get("Usage")),
            flags(get("Access Flags")),
            object.bits,
            object.id.as_deref().unwrap_or("-"),
            get("DirectValue").unwrap_or("-"),
        ),
        Kind::Certificate => format!(
            "{head} flags={} authority={} path={} id={} serial={}",
            flags(get("Object Flags")),
            get("Authority").unwrap_or("-"),
            path(object.path.as_deref()),
            object.id.as_deref().unwrap_or("-"),
            get("Encoded serial").map_or_else(
                || "-".to_owned(),
                |serial| digits(serial.split_whitespace().nth(2).unwrap_or_default())
            ),
        ),
        Kind::Data => format!(
            "{head} application={} path={} auth={} data={}",
            get("applicationName").unwrap_or("-"),
            path(object.path.as_deref()),
            object.auth_id.as_deref().unwrap_or("-"),
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
pub fn expected_pkcs15(view: &View, version: Version) -> Vec<String> {
    listed(view).map(|object| expected_pkcs15_object(object, version)).collect()
}

fn type_name(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Rsa => "RSA",
        KeyType::Edwards => "EDDSA",
        KeyType::Montgomery => "XEDDSA",
        KeyType::Ec | KeyType::Other => "EC",
    }
}

fn expected_pkcs15_object(object: &Object, version: Version) -> String {
    let label = text(&object.label);
    let id = hex(&object.id);
    let auth = if object.auth_id.is_empty() { "-".to_owned() } else { hex(&object.auth_id) };
    match &object.class {
        Class::PrivateKey { reference, key_type, bits, usage, access, flags, native, .. } => format!(
            "Private {} Key [{label}] flags=0x{flags:02X} usage=0x{usage:02X} access=0x{access:02X} bits={:?} \
             ref={:?} native={} auth={auth} id={id}",
            type_name(*key_type),
            u32::try_from(*bits).ok(),
            reference.map(u32::from),
            if *native { "yes" } else { "no" },
        ),
        Class::PublicKey { entry: Some(entry), .. } => format!(
            "Public {} Key [{label}] flags=0x{:02X} usage=0x{:02X} access=0x{:02X} bits={:?} id={id} value={}",
            type_name(entry.key_type),
            entry.flags,
            entry.usage,
            entry.access,
            // A length that is not known 0.21 does not print of a public key.
            u32::try_from(entry.bits).ok().filter(|bits| *bits > 0 || version >= Version::of(22)),
            if entry.path.is_some() { "-" } else { "<absent>" },
        ),
        Class::PublicKey { key: Some(key), entry: None } => {
            let (name, usage) = match key {
                PublicKey::Rsa { .. } => ("RSA", "0x51"),
                _ if differences::ec_public_key_derives(version) == Some(true) => ("EC", "0x140"),
                _ => ("EC", "0x40"),
            };
            format!(
                "Public {name} Key [{label}] flags=0x00 usage={usage} access=0x02 bits={:?} id={id} value=<present>",
                // Here bytes are counted in every version.
                Some(bits(key, Version::of(26)))
            )
        }
        Class::PublicKey { key: None, entry: None } | Class::SecretKey(_) | Class::Pin(_) => String::new(),
        Class::Certificate { certificate, authority, flags } => format!(
            "X.509 Certificate [{label}] flags=0x{flags:02X} authority={} path={} id={id} serial={}",
            if *authority { "yes" } else { "no" },
            object.files.last().map(|file| file.to_string().to_lowercase()).unwrap_or_default(),
            certificate.as_ref().map_or_else(|| "-".to_owned(), |found| digits(&hex(&found.serial))),
        ),
        Class::Data { application, path, content, .. } => format!(
            "Data object '{label}' application={} path={} auth={auth} data={}",
            text(application),
            match path {
                Value::Path(path) => hex(&path.bytes),
                _ => String::new(),
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
        "Private Key" => {
            format!(
                "Private Key {key_type} [{label}] id={id} usage={}",
                object.usage.as_deref().unwrap_or("-")
            )
        }
        "Public Key" => format!(
            "Public Key {key_type} [{label}] id={id} usage={} bits={:?} point={} params={}",
            object.usage.as_deref().unwrap_or("-"),
            object.bits,
            object.ec_point.as_deref().unwrap_or("-"),
            object.ec_params.as_deref().unwrap_or("-"),
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

/// What `pkcs11-tool -O` should print of all tokens of a view.
pub fn expected_pkcs11(view: &View, login: bool, version: Version) -> Vec<String> {
    expected_pkcs11_items(&project(view), login, version)
}

/// The same of one of them.
pub fn expected_pkcs11_items(items: &[Item<'_>], login: bool, version: Version) -> Vec<String> {
    let shown = items.iter().filter(|item| login || !item.private);
    shown.map(|item| expected_pkcs11_item(item, version)).collect()
}

/// What a key may be used for, as `pkcs11-tool` says it; what it says of recovering from 0.26 on only.
fn words(usage: u32, names: &[(u32, &str)], version: Version) -> String {
    let says = |name: &str| version >= Version::of(26) || !name.ends_with("Recover");
    let set: Vec<&str> = names
        .iter()
        .filter(|(bit, name)| usage & 1 << bit != 0 && says(name))
        .map(|(_, name)| *name)
        .collect();
    if set.is_empty() { "none".to_owned() } else { set.join(", ") }
}

const PRIVATE_USAGES: &[(u32, &str)] =
    &[(1, "decrypt"), (2, "sign"), (3, "signRecover"), (9, "non-repudiation"), (5, "unwrap"), (8, "derive")];
const PUBLIC_USAGES: &[(u32, &str)] =
    &[(0, "encrypt"), (6, "verify"), (7, "verifyRecover"), (4, "wrap"), (8, "derive")];

fn expected_pkcs11_item(item: &Item<'_>, version: Version) -> String {
    let object = item.object;
    let (label, id) = (text(&item.label), hex(&object.id));
    match (&object.class, item.public_key()) {
        (Class::PrivateKey { key_type, .. }, _) => format!(
            "Private Key {} [{label}] id={id} usage={}",
            match key_type {
                KeyType::Edwards => "EC_EDWARDS",
                KeyType::Montgomery => "EC_MONTGOMERY",
                _ => type_name(*key_type),
            },
            words(
                // Non-repudiation is a way to sign.
                item.usage | item.usage >> 7 & 1 << 2,
                PRIVATE_USAGES,
                version
            ),
        ),
        (_, Some(key)) => {
            let usage = match (&object.class, key) {
                (Class::PublicKey { entry: Some(entry), .. }, _) => {
                    words(entry.usage, PUBLIC_USAGES, version)
                }
                // encrypt, verify, verifyRecover
                _ if item.from_certificate => words(0xC1, PUBLIC_USAGES, version),
                (_, PublicKey::Rsa { .. }) => "encrypt, verify, wrap".to_owned(),
                _ if differences::ec_public_key_derives(version) == Some(true) => "verify, derive".to_owned(),
                _ => "verify".to_owned(),
            };
            let (name, point, params) = match key {
                PublicKey::Ec { curve_oid, point } => {
                    ("EC", hex(point), format!("06{:02x}{}", curve_oid.len(), hex(curve_oid)))
                }
                PublicKey::Other(spki) => {
                    let name = if key.ed25519().is_some() { "EC_EDWARDS" } else { "EC_MONTGOMERY" };
                    // Up to 0.26 an OCTET STRING, unless the key begins like one; the name of the curve from the
                    // algorithm of RFC 8410.
                    let point = &spki[12..];
                    let frame = if version < Version::of(27) && point[0] != 4 { "0420" } else { "" };
                    (name, format!("{frame}{}", hex(point)), hex(&spki[4..9]))
                }
                _ => ("RSA", "-".to_owned(), "-".to_owned()),
            };
            format!(
                "Public Key {name} [{label}] id={id} usage={usage} bits={:?} point={point} params={params}",
                Some(bits(key, version))
            )
        }
        (Class::Certificate { certificate, .. }, None) => {
            format!("Certificate [{label}] id={id} serial={}", serial(certificate.as_ref(), version))
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
        // Without value it passes for an RSA key of no length.
        (Class::PublicKey { entry: Some(entry), .. }, None) => format!(
            "Public Key RSA [{label}] id={id} usage={} bits={:?} point=- params=-",
            words(entry.usage, PUBLIC_USAGES, version),
            if version < Version::of(27) { Some(0) } else { None }
        ),
        (Class::PublicKey { .. } | Class::SecretKey(_) | Class::Pin(_), None) => String::new(),
    }
}
