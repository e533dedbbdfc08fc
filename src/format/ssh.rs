//! What OpenSSH writes: public keys (RFC 4253, 6.6; RFC 5656, 3.1; RFC 8709), certificates (PROTOCOL.certkeys) and
//! signatures (PROTOCOL.sshsig); and which keys an agent says that it has (draft-miller-ssh-agent, 4.4). Fields with their
//! length before them; every length is looked at.

use data_encoding::BASE64;

use super::curve::table;
use super::key::PublicKey;
use super::tlv::encode;

/// An agent's answer to the question which keys it has: SSH_AGENT_IDENTITIES_ANSWER.
const IDENTITIES: u8 = 12;
/// The beginning of a signature.
pub const SIGNATURE_MAGIC: &[u8] = b"SSHSIG";
const CERTIFICATE_SUFFIX: &str = "-cert-v01@openssh.com";

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// What is signed: all before the signature.
    pub body: &'a [u8],
    /// Serial number.
    pub serial: u64,
    /// Is it a host's, not a user's?
    pub is_host: bool,
    /// The name that the CA gave it.
    pub key_id: &'a [u8],
    /// For whom it is good, as it stands in it.
    pub principals: &'a [u8],
    /// Valid from and to, Unix seconds.
    pub validity: (u64, u64),
    /// The key that it is for.
    pub key: PublicKey,
    /// The CA's key.
    pub authority: PublicKey,
    /// The signature.
    pub signature: Signed<'a>,
}

/// A signature over a file (`ssh-keygen -Y sign`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSignature<'a> {
    /// The key that it names.
    pub key: PublicKey,
    /// What it is for.
    pub namespace: &'a [u8],
    /// What else is signed.
    pub reserved: &'a [u8],
    /// The hash of the message: "sha256" or "sha512".
    pub hash: &'a [u8],
    /// The signature.
    pub signature: Signed<'a>,
}

/// A signature with the name of its algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<'a> {
    /// "ecdsa-sha2-nistp256" and the like.
    pub algorithm: &'a [u8],
    /// The signature as everybody else writes it: ECDSA in DER, others as they are.
    pub bytes: Vec<u8>,
    /// Of a security key: its flags and its counter, which are signed with the message.
    pub counted: &'a [u8],
    /// Of a security key: what it is registered for.
    pub application: Vec<u8>,
}

/// What a signature over a file is made over, for a message with this digest.
#[must_use]
pub fn signed_body(namespace: &[u8], reserved: &[u8], hash: &[u8], digest: &[u8]) -> Vec<u8> {
    let mut body = SIGNATURE_MAGIC.to_vec();
    for field in [namespace, reserved, hash, digest] {
        // Read with a length of four bytes, so it has no longer one.
        body.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        body.extend_from_slice(field);
    }
    body
}

/// Reads fields one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(field)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.bytes(8)?.try_into().ok()?))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.bytes(length)
    }
}

/// The fields of a key behind its type, and what a security key is registered for.
fn key_fields(kind: &[u8], fields: &mut Fields<'_>) -> Option<(PublicKey, Vec<u8>)> {
    let mut application = Vec::new();
    let key = match kind {
        b"ssh-rsa" => {
            let exponent = fields.string()?;
            PublicKey::rsa(fields.string()?, exponent)
        }
        b"ssh-ed25519" | b"sk-ssh-ed25519@openssh.com" => {
            PublicKey::from_ed25519(fields.string()?.try_into().ok()?)
        }
        b"ssh-dss" => {
            let numbers = [fields.string()?, fields.string()?, fields.string()?];
            let public = fields.string()?;
            let parameters = encode(0x30, &numbers.map(|number| encode(0x02, number)).concat());
            let dsa = encode(0x06, &[0x2A, 0x86, 0x48, 0xCE, 0x38, 0x04, 0x01]);
            let bits = [&[0], encode(0x02, public).as_slice()].concat();
            let spki = [encode(0x30, &[dsa, parameters].concat()), encode(0x03, &bits)].concat();
            PublicKey::Other(encode(0x30, &spki))
        }
        _ => {
            let curve = fields.string()?;
            let point = fields.string()?;
            let name =
                kind.strip_prefix(b"sk-").and_then(|rest| rest.strip_suffix(b"@openssh.com")).unwrap_or(kind);
            if name.strip_prefix(b"ecdsa-sha2-")? != curve {
                return None;
            }
            let curve = match curve {
                b"nistp256" => &table::SECP256R1,
                b"nistp384" => &table::SECP384R1,
                b"nistp521" => &table::SECP521R1,
                _ => return None,
            };
            PublicKey::Ec { curve_oid: curve.oid.to_vec(), point: point.to_vec() }
        }
    };
    if kind.starts_with(b"sk-") {
        application = fields.string()?.to_vec();
    }
    Some((key, application))
}

/// A public key in its binary form, and what a security key is registered for.
fn key(blob: &[u8]) -> Option<(PublicKey, Vec<u8>)> {
    let mut fields = Fields(blob);
    let kind = fields.string()?;
    key_fields(kind, &mut fields)
}

/// The public key in its binary form.
#[must_use]
pub fn public_key(blob: &[u8]) -> Option<PublicKey> {
    key(blob).map(|(key, _)| key)
}

/// The public keys in an agent's answer, those of kinds that are not known here left out; none if it is no such answer.
#[must_use]
pub fn identities(answer: &[u8]) -> Option<Vec<PublicKey>> {
    let mut fields = Fields(answer);
    if fields.bytes(1)? != [IDENTITIES] {
        return None;
    }
    let mut keys = Vec::new();
    // Each takes bytes, so there are no more than were answered.
    for _ in 0..fields.number()? {
        keys.extend(public_key(fields.string()?));
        fields.string()?;
    }
    Some(keys)
}

fn signed<'a>(blob: &'a [u8], application: Vec<u8>) -> Option<Signed<'a>> {
    let mut fields = Fields(blob);
    let algorithm = fields.string()?;
    let bytes = fields.string()?;
    let is_ecdsa = algorithm.strip_prefix(b"sk-").unwrap_or(algorithm).starts_with(b"ecdsa-");
    let bytes = if is_ecdsa {
        let mut numbers = Fields(bytes);
        let [r, s] = [numbers.string()?, numbers.string()?];
        encode(0x30, &[encode(0x02, r), encode(0x02, s)].concat())
    } else if algorithm == b"ssh-dss" {
        let (r, s) = bytes.split_at_checked(20).filter(|(_, s)| s.len() == 20)?;
        let number = |digits: &[u8]| encode(0x02, &[&[0], digits].concat());
        encode(0x30, &[number(r), number(s)].concat())
    } else {
        bytes.to_vec()
    };
    Some(Signed { algorithm, bytes, counted: fields.0, application })
}

/// A certificate in its binary form. `None` if it is none.
#[must_use]
pub fn certificate(blob: &[u8]) -> Option<Certificate<'_>> {
    let mut fields = Fields(blob);
    let kind = fields.string()?.strip_suffix(CERTIFICATE_SUFFIX.as_bytes())?;
    let nonce = fields.string()?;
    if nonce.len() > 1_024 {
        return None;
    }
    // The types of security keys have their own end.
    let whole = if kind.starts_with(b"sk-") { [kind, b"@openssh.com"].concat() } else { kind.to_vec() };
    let (own_key, _) = key_fields(&whole, &mut fields)?;
    let serial = fields.long()?;
    let is_host = fields.number()? == 2;
    let key_id = fields.string()?;
    let principals = fields.string()?;
    let validity = (fields.long()?, fields.long()?);
    for _ in 0..3 {
        fields.string()?;
    }
    let (authority, application) = key(fields.string()?)?;
    let body = blob.get(..blob.len().checked_sub(fields.0.len())?)?;
    let signature = signed(fields.string()?, application)?;
    fields.0.is_empty().then_some(Certificate {
        body,
        serial,
        is_host,
        key_id,
        principals,
        validity,
        key: own_key,
        authority,
        signature,
    })
}

/// A signature over a file, without its armour. `None` if it is none.
#[must_use]
pub fn signature(bytes: &[u8]) -> Option<FileSignature<'_>> {
    let mut fields = Fields(bytes.strip_prefix(SIGNATURE_MAGIC)?);
    if fields.number()? != 1 {
        return None;
    }
    let (key, application) = key(fields.string()?)?;
    let [namespace, reserved, hash] = [fields.string()?, fields.string()?, fields.string()?];
    Some(FileSignature { key, namespace, reserved, hash, signature: signed(fields.string()?, application)? })
}

/// The binary form of the key or certificate in a line: behind its type, which may stand behind options, as in
/// `authorized_keys` and `known_hosts`.
#[must_use]
pub fn of_line(line: &[u8]) -> Option<Vec<u8>> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let kind = words.find(|word| is_type(word))?;
    let blob = BASE64.decode(words.next()?).ok()?;
    (Fields(&blob).string()? == kind).then_some(blob)
}

/// Is it the name of a type of keys or certificates?
fn is_type(word: &[u8]) -> bool {
    let bare =
        word.strip_suffix(CERTIFICATE_SUFFIX.as_bytes()).or_else(|| word.strip_suffix(b"@openssh.com"));
    let bare = bare.unwrap_or(word);
    matches!(bare, b"ssh-rsa" | b"ssh-ed25519" | b"ssh-dss" | b"sk-ssh-ed25519" | b"sk-ecdsa-sha2-nistp256")
        || bare
            .strip_prefix(b"ecdsa-sha2-")
            .is_some_and(|curve| matches!(curve, b"nistp256" | b"nistp384" | b"nistp521"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn string(content: &[u8]) -> Vec<u8> {
        [&u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
    }

    #[test]
    fn an_agent_tells_its_keys_and_a_broken_answer_none() {
        let rsa = [string(b"ssh-rsa"), string(&[1, 0, 1]), string(&[0, 0xC1, 7])].concat();
        let other = string(b"ssh-unheard-of");
        let entry = |blob: &[u8]| [string(blob), string(b"comment")].concat();
        let answer = [&[12, 0, 0, 0, 2][..], &entry(&other), &entry(&rsa)].concat();
        assert_eq!(identities(&answer), Some(vec![PublicKey::rsa(&[0xC1, 7], &[1, 0, 1])]));
        for length in 0..answer.len() {
            assert_eq!(identities(answer.get(..length).unwrap()), None, "{length}");
        }
        // More are promised than there are; another answer.
        assert_eq!(identities(&[12, 0xFF, 0xFF, 0xFF, 0xFF]), None);
        assert_eq!(identities(&[5]), None);
        assert_eq!(identities(&[12, 0, 0, 0, 0]), Some(Vec::new()));
    }
}
