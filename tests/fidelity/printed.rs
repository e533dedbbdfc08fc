//! What the real tools print, and what they should print of a view: one line of
//! text for each object, so that a disagreement can be read.

use crate::stand::listing::{Kind, Pkcs11Listing, Pkcs11Object, Pkcs15Listing, Pkcs15Object};
use stalecard::format::key::PublicKey;
use stalecard::format::pkcs15::{KeyType, Value};
use stalecard::view::pkcs11::{Item, project};
use stalecard::view::{Class, Object, View};
use std::fmt::Write as _;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// 0.23 counts bytes: a P-521 key has 528 bits.
fn bits(key: &PublicKey) -> u32 {
    let bits = key.bits() as u32;
    if matches!(key, PublicKey::Ec { .. }) { bits.next_multiple_of(8) } else { bits }
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

/// How many objects of a class `pkcs15-tool -D` prints; the others it finds all the same when it is asked for their ID.
const PRINTED: usize = 32;

/// What `pkcs15-tool -D` should print of a view.
pub fn expected_pkcs15(view: &View) -> Vec<String> {
    let rank = |object: &&Object| match object.class {
        Class::PrivateKey { .. } => 0,
        Class::PublicKey { .. } => 1,
        Class::Certificate { .. } => 2,
        Class::Data { .. } | Class::Pin(_) => 3,
    };
    let mut objects: Vec<&Object> = view.objects.iter().collect();
    objects.sort_by_key(rank);
    let classes = objects.chunk_by(|a, b| rank(a) == rank(b));
    classes.flat_map(|class| class.iter().take(PRINTED)).copied().map(expected_pkcs15_object).collect()
}

fn expected_pkcs15_object(object: &Object) -> String {
    let label = text(&object.label);
    let id = hex(&object.id);
    let auth = if object.auth_id.is_empty() { "-".to_owned() } else { hex(&object.auth_id) };
    match &object.class {
        Class::PrivateKey { reference, key_type, bits, usage, access, flags, native, .. } => format!(
            "Private {} Key [{label}] flags=0x{flags:02X} usage=0x{usage:02X} access=0x{access:02X} bits={:?} \
             ref={:?} native={} auth={auth} id={id}",
            if *key_type == KeyType::Rsa { "RSA" } else { "EC" },
            u32::try_from(*bits).ok(),
            reference.map(u32::from),
            if *native { "yes" } else { "no" },
        ),
        Class::PublicKey { entry: Some(entry), .. } => format!(
            "Public {} Key [{label}] flags=0x{:02X} usage=0x{:02X} access=0x{:02X} bits={:?} id={id} value={}",
            if entry.key_type == KeyType::Rsa { "RSA" } else { "EC" },
            entry.flags,
            entry.usage,
            entry.access,
            u32::try_from(entry.bits).ok(),
            if entry.path.is_some() { "-" } else { "<absent>" },
        ),
        Class::PublicKey { key: Some(key), entry: None } => {
            let (name, usage) =
                if matches!(key, PublicKey::Rsa { .. }) { ("RSA", "0x51") } else { ("EC", "0x40") };
            format!(
                "Public {name} Key [{label}] flags=0x00 usage={usage} access=0x02 bits={:?} id={id} value=<present>",
                Some(bits(key))
            )
        }
        Class::PublicKey { key: None, entry: None } | Class::Pin(_) => String::new(),
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
        // Of such a key nothing is known here but that it is there.
        "Public Key" if key_type == "EC_EDWARDS" => format!(
            "Public Key EC_EDWARDS [{label}] id={id} usage={} bits=Some(0) point=- params=-",
            object.usage.as_deref().unwrap_or("-")
        ),
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

/// What `pkcs11-tool -O` should print of a view.
pub fn expected_pkcs11(view: &View, login: bool) -> Vec<String> {
    project(view).iter().filter(|item| login || !item.private).map(expected_pkcs11_item).collect()
}

fn words(usage: u32, names: &[(u32, &str)]) -> String {
    let set: Vec<&str> =
        names.iter().filter(|(bit, _)| usage & 1 << bit != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "none".to_owned() } else { set.join(", ") }
}

const PUBLIC_USAGES: &[(u32, &str)] = &[(0, "encrypt"), (6, "verify"), (4, "wrap"), (8, "derive")];

fn expected_pkcs11_item(item: &Item<'_>) -> String {
    let object = item.object;
    let (label, id) = (text(&item.label), hex(&object.id));
    match (&object.class, item.public_key()) {
        (Class::PrivateKey { key_type, .. }, _) => format!(
            "Private Key {} [{label}] id={id} usage={}",
            if *key_type == KeyType::Rsa { "RSA" } else { "EC" },
            words(
                // Non-repudiation is a way to sign.
                item.usage | item.usage >> 7 & 1 << 2,
                &[(1, "decrypt"), (2, "sign"), (9, "non-repudiation"), (5, "unwrap"), (8, "derive")]
            ),
        ),
        (_, Some(key)) => {
            let usage = match (&object.class, key) {
                (Class::PublicKey { entry: Some(entry), .. }, _) => words(entry.usage, PUBLIC_USAGES),
                _ if item.from_certificate => "encrypt, verify".to_owned(),
                (_, PublicKey::Rsa { .. }) => "encrypt, verify, wrap".to_owned(),
                _ => "verify".to_owned(),
            };
            let (name, point, params) = match key {
                PublicKey::Ec { curve_oid, point } => {
                    ("EC", hex(point), format!("06{:02x}{}", curve_oid.len(), hex(curve_oid)))
                }
                PublicKey::Other(_) => ("EC_EDWARDS", "-".to_owned(), "-".to_owned()),
                _ => ("RSA", "-".to_owned(), "-".to_owned()),
            };
            format!(
                "Public Key {name} [{label}] id={id} usage={usage} bits={:?} point={point} params={params}",
                Some(bits(key))
            )
        }
        (Class::Certificate { certificate, .. }, None) => format!(
            "Certificate [{label}] id={id} serial={}",
            certificate.as_ref().map_or_else(|| "-".to_owned(), |found| digits(&hex(&found.serial)))
        ),
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
            "Public Key RSA [{label}] id={id} usage={} bits=Some(0) point=- params=-",
            words(entry.usage, PUBLIC_USAGES)
        ),
        (Class::PublicKey { .. } | Class::Pin(_), None) => String::new(),
    }
}
