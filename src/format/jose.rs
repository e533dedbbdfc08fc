//! JSON Web Signatures (RFC 7515) in their three forms, with payloads as they are, too (RFC 7797), and JSON Web Keys (RFC 7517), as far as public keys and
//! signatures go.

use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::Value;

use super::curve::{Curve, table};
use super::key::PublicKey;

/// More signatures, keys or certificates than this in one object are not looked at.
pub const MOST: usize = 1_000;

/// All of an Ed448 key but its 57 bytes (RFC 8410).
const ED448: &[u8] = &[0x30, 0x43, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x71, 0x03, 0x3A, 0x00];

/// A signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What is signed before the payload: the header and a dot.
    pub before: Vec<u8>,
    /// The payload, as it is signed; none if it is elsewhere.
    pub payload: Option<Arc<[u8]>>,
    /// Is the payload signed in Base64url, and not as it is?
    pub is_encoded: bool,
    /// "ES256" and the like.
    pub algorithm: String,
    /// The signature.
    pub signature: Vec<u8>,
    /// The key that the header carries.
    pub key: Option<PublicKey>,
    /// The certificates that the header carries, the signer's first; empty where one is no Base64.
    pub certificates: Vec<Vec<u8>>,
    /// Are there more of them than are looked at?
    pub is_cut: bool,
    /// Does the header carry a key or certificates, and none of them can be read?
    pub is_key_unread: bool,
    /// What the header calls the key.
    pub key_id: Option<String>,
}

impl Signed {
    /// All that is signed, if it is in it.
    #[must_use]
    pub fn over(&self) -> Option<Vec<u8>> {
        Some([self.before.as_slice(), self.payload.as_deref()?].concat())
    }

    /// What the payload is, if it is in it.
    #[must_use]
    pub fn content(&self) -> Option<Vec<u8>> {
        let payload = self.payload.as_deref()?;
        if self.is_encoded { decoded(payload) } else { Some(payload.to_vec()) }
    }
}

/// A key, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub key: PublicKey,
    /// What it is called.
    pub key_id: Option<String>,
}

/// The signature in three parts with dots between them. `None` if it is none.
#[must_use]
pub fn compact(text: &[u8]) -> Option<Signed> {
    let mut parts = text.split(|&byte| byte == b'.');
    let [header, payload, signature] = [parts.next()?, parts.next()?, parts.next()?];
    if parts.next().is_some() || !is_header(header) {
        return None;
    }
    signed(header, Some(Arc::from(payload)), &Value::Null, decoded(signature)?)
}

/// Does text begin as a header does: with a brace, and a name or a blank behind it?
#[must_use]
pub fn is_header(text: &[u8]) -> bool {
    [b"eyJ", b"eyA", b"eyB", b"ewo", b"ewk", b"ew0", b"ewp"].iter().any(|start| text.starts_with(*start))
}

/// Base64url, with the signs at its end that RFC 7515 leaves out and some write.
#[must_use]
pub fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    BASE64URL_NOPAD.decode(text.get(..end)?).ok()
}

fn signed(header: &[u8], payload: Option<Arc<[u8]>>, open: &Value, signature: Vec<u8>) -> Option<Signed> {
    let protected: Value = match header {
        [] => Value::Null,
        header => serde_json::from_slice(&decoded(header)?).ok()?,
    };
    let member = |name: &str| protected.get(name).or_else(|| open.get(name));
    let algorithm = member("alg")?.as_str()?.to_owned();
    // What is encrypted has another header.
    if member("enc").is_some() {
        return None;
    }
    let chain = member("x5c").and_then(Value::as_array);
    let is_cut = chain.is_some_and(|chain| chain.len() > MOST);
    let certificate = |one: &Value| BASE64.decode(one.as_str()?.as_bytes()).ok();
    // Whoever stands first is the signer, though it cannot be read.
    let certificates: Vec<_> =
        chain.into_iter().flatten().take(MOST).map(|one| certificate(one).unwrap_or_default()).collect();
    let key = member("jwk").and_then(key).map(|one| one.key);
    let is_carried = member("jwk").is_some() || member("x5c").is_some();
    Some(Signed {
        before: [header, b"."].concat(),
        // An empty payload is one that is elsewhere (RFC 7515, appendix F).
        payload: payload.filter(|payload| !payload.is_empty()),
        // Only what is signed can say so (RFC 7797, 6).
        is_encoded: protected.get("b64").and_then(Value::as_bool) != Some(false),
        algorithm,
        signature,
        is_cut,
        is_key_unread: is_carried && key.is_none() && certificates.iter().all(Vec::is_empty),
        key,
        certificates,
        key_id: member("kid").and_then(Value::as_str).map(ToOwned::to_owned),
    })
}

/// The signatures of an object with a payload (RFC 7515, 7.2). Empty if it has none.
#[must_use]
pub fn object(value: &Value) -> Vec<Signed> {
    let payload: Option<Arc<[u8]>> =
        value.get("payload").and_then(Value::as_str).map(|payload| Arc::from(payload.as_bytes()));
    parts(value).iter().filter_map(|one| part(one, payload.clone())).collect()
}

/// What says of itself to be a signature in an object, as far as it is looked at.
fn parts(value: &Value) -> &[Value] {
    match value.get("signatures").and_then(Value::as_array) {
        Some(parts) => parts.get(..MOST).unwrap_or(parts),
        None => std::slice::from_ref(value),
    }
}

fn part(part: &Value, payload: Option<Arc<[u8]>>) -> Option<Signed> {
    let header = part.get("protected").map_or(Some(""), Value::as_str)?;
    let signature = decoded(part.get("signature")?.as_str()?.as_bytes())?;
    signed(header.as_bytes(), payload, part.get("header").unwrap_or(&Value::Null), signature)
}

/// Are there signatures in an object that cannot be read?
#[must_use]
pub fn is_damaged(value: &Value) -> bool {
    let has = |part: &Value, name: &str| part.get(name).is_some_and(Value::is_string);
    let is_one = |part: &&Value| has(part, "protected") && has(part, "signature");
    parts(value).iter().filter(is_one).any(|one| part(one, None).is_none())
}

/// Are there more signatures or keys in an object than are looked at?
#[must_use]
pub fn is_cut(value: &Value) -> bool {
    let count = |name: &str| value.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    count("signatures").max(count("keys")) > MOST
}

/// The public keys of an object: it is one, or a set of them.
#[must_use]
pub fn keys(value: &Value) -> Vec<Key> {
    match value.get("keys").and_then(Value::as_array) {
        Some(keys) => keys.iter().take(MOST).filter_map(key).collect(),
        None => key(value).into_iter().collect(),
    }
}

fn key(value: &Value) -> Option<Key> {
    let number = |name: &str| decoded(value.get(name)?.as_str()?.as_bytes());
    let curve = |name: &str| -> Option<&'static Curve> {
        Some(match name {
            "P-256" => &table::SECP256R1,
            "P-384" => &table::SECP384R1,
            "P-521" => &table::SECP521R1,
            "secp256k1" => &table::SECP256K1,
            _ => return None,
        })
    };
    let name = || value.get("crv")?.as_str();
    let key = match value.get("kty")?.as_str()? {
        "RSA" => PublicKey::rsa(&number("n")?, &number("e")?),
        "EC" => {
            let curve = curve(name()?)?;
            let length = curve.bits.div_ceil(8);
            let [x, y] = [number("x")?, number("y")?];
            if x.len() != length || y.len() != length {
                return None;
            }
            PublicKey::Ec { curve_oid: curve.oid.to_vec(), point: [&[4], x.as_slice(), &y].concat() }
        }
        "OKP" if name() == Some("Ed25519") => {
            PublicKey::from_ed25519(number("x")?.as_slice().try_into().ok()?)
        }
        "OKP" if name() == Some("Ed448") => {
            PublicKey::Other([ED448, number("x").filter(|bytes| bytes.len() == 57)?.as_slice()].concat())
        }
        _ => return None,
    };
    Some(Key { key, key_id: value.get("kid").and_then(Value::as_str).map(ToOwned::to_owned) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    // RFC 7515, appendix A.3.
    const HEADER: &str = "eyJhbGciOiJFUzI1NiJ9";
    const PAYLOAD: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    #[test]
    fn the_three_forms_are_one() {
        let text = format!("{HEADER}.{PAYLOAD}.{SIGNATURE}");
        let one = compact(text.as_bytes()).unwrap();
        assert_eq!((one.algorithm.as_str(), one.signature.len()), ("ES256", 64));
        assert_eq!(one.over().as_deref(), Some(format!("{HEADER}.{PAYLOAD}").as_bytes()));
        let part = serde_json::json!({ "protected": HEADER, "signature": SIGNATURE, "payload": PAYLOAD });
        assert_eq!(object(&part), std::slice::from_ref(&one));
        let general = serde_json::json!({ "payload": PAYLOAD, "signatures": [part, part] });
        assert_eq!(object(&general), [one.clone(), one]);
        assert_eq!(compact(format!("{HEADER}..{SIGNATURE}").as_bytes()).unwrap().over(), None);
        for none in ["", "a.b.c", "eyJ.a.b", "eyJhbGciOiJFUzI1NiJ9.a", "eyJhbGciOiJFUzI1NiJ9.a.b.c"] {
            assert_eq!(compact(none.as_bytes()), None, "{none}");
        }
    }

    // RFC 7797, 4.2, but for its algorithm.
    #[test]
    fn a_payload_may_be_signed_as_it_is() {
        let header = BASE64URL_NOPAD.encode(br#"{"alg":"ES256","b64":false,"crit":["b64"]}"#);
        let part = serde_json::json!({ "protected": header, "signature": SIGNATURE, "payload": "$.02" });
        let one = object(&part).pop().unwrap();
        assert_eq!((one.is_encoded, one.over()), (false, Some(format!("{header}.$.02").into_bytes())));
        let elsewhere = compact(format!("{header}..{SIGNATURE}").as_bytes()).unwrap();
        assert_eq!((elsewhere.is_encoded, elsewhere.over()), (false, None));
        // Said beside what is signed, it is not said.
        let part = serde_json::json!({ "protected": HEADER, "header": { "b64": false }, "signature": SIGNATURE,
            "payload": PAYLOAD });
        assert!(object(&part).pop().unwrap().is_encoded);
    }

    #[test]
    fn keys_are_read_alone_and_in_sets() {
        let key = serde_json::json!({ "kty": "EC", "crv": "P-256", "kid": "one",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
        let read = keys(&serde_json::json!({ "keys": [key, { "kty": "oct", "k": "AA" }] }));
        assert_eq!(read, keys(&key));
        assert_eq!((read.len(), read[0].key_id.as_deref()), (1, Some("one")));
        assert!(keys(&serde_json::json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" })).is_empty());
    }
}
