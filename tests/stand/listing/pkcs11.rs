//! `pkcs11-tool -O`, and what `pkcs11-tool --keypairgen` prints (the same blocks).

use super::{Block, blocks, number};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkcs11Object {
    /// `Private Key`, `Public Key`, `Certificate`, `Data`, `Secret Key`, `Profile`.
    pub class: String,
    /// `EC`, `RSA`, …; keys only.
    pub key_type: Option<String>,
    pub label: String,
    /// Lower-case hex.
    pub id: Option<String>,
    /// The point itself (`04…`), without the OCTET STRING the attribute wraps it in.
    pub ec_point: Option<String>,
    /// DER, as printed.
    pub ec_params: Option<String>,
    /// Of the public key: field or modulus.
    pub bits: Option<u32>,
    pub usage: Option<String>,
    pub application: Option<String>,
    /// Everything, as printed.
    pub block: Block,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pkcs11Listing {
    /// In the order printed, without the profile objects OpenSC adds.
    pub objects: Vec<Pkcs11Object>,
}

impl Pkcs11Listing {
    pub fn parse(text: &str) -> Self {
        let objects = blocks(text).into_iter().filter_map(object);
        Self { objects: objects.filter(|object| object.class != "Profile").collect() }
    }

    pub fn of(&self, class: &str) -> Vec<&Pkcs11Object> {
        self.objects.iter().filter(|object| object.class == class).collect()
    }

    pub fn private_keys(&self) -> Vec<&Pkcs11Object> {
        self.of("Private Key")
    }

    pub fn public_keys(&self) -> Vec<&Pkcs11Object> {
        self.of("Public Key")
    }

    pub fn certificates(&self) -> Vec<&Pkcs11Object> {
        self.of("Certificate")
    }

    pub fn data(&self) -> Vec<&Pkcs11Object> {
        self.of("Data")
    }
}

/// Heads: `Public Key Object; EC  EC_POINT 256 bits`, `Public Key Object; RSA 2048 bits`, `Private Key Object; EC`,
/// `Certificate Object; type = X.509 cert`, `Data object 3475076544`, `Profile object 785089360`.
fn object(block: Block) -> Option<Pkcs11Object> {
    let at = block.head.find(" Object").or_else(|| block.head.find(" object"))?;
    let class = block.head[..at].to_owned();
    let detail: Vec<&str> =
        block.head[at + " object".len()..].trim_start_matches(';').split_whitespace().collect();
    let is_key = class.ends_with("Key");
    let bits =
        detail.iter().position(|&word| word == "bits").and_then(|at| number(detail.get(at.checked_sub(1)?)?));
    // pkcs11-tool prints labels as they are, data object labels in quotes.
    let unquoted = |text: &str| {
        let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        inner.unwrap_or(text).to_owned()
    };
    Some(Pkcs11Object {
        key_type: detail.first().filter(|_| is_key).map(|&word| word.to_owned()),
        label: block.get("label").map(unquoted).unwrap_or_default(),
        id: block.get("ID").map(id),
        ec_point: block
            .get("EC_POINT")
            .or_else(|| block.get("EC Point"))
            .map(|hex| unwrap_octet_string(&hex.replace(' ', "")).to_owned()),
        ec_params: block.get("EC_PARAMS").or_else(|| block.get("EC Params")).map(parameters),
        bits,
        usage: block.owned("Usage"),
        application: block.get("application").map(unquoted),
        class,
        block,
    })
}

/// `47`; `71 (0x47)` or `47:11` from 0.27 on.
fn id(text: &str) -> String {
    let hex = text.split_once("(0x").and_then(|(_, rest)| rest.strip_suffix(')'));
    hex.unwrap_or(text).replace(':', "").to_lowercase()
}

/// `06052b81040022`; with ` (OID 1.3.132.0.34)` from 0.26 on; `06:05:2b:81:04:00:22 ("secp384r1" …)` from 0.27 on.
fn parameters(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().replace(':', "")
}

/// Strips tag and length of an OCTET STRING (hex) that holds exactly an uncompressed point.
fn unwrap_octet_string(hex: &str) -> &str {
    ["04", "0481", "0482"]
        .iter()
        .zip([2, 2, 4])
        .find_map(|(&tag, digits)| {
            let rest = hex.strip_prefix(tag)?;
            let length = usize::from_str_radix(rest.get(..digits)?, 16).ok()?;
            let content = rest.get(digits..)?;
            (content.len() == 2 * length && content.starts_with("04")).then_some(content)
        })
        .unwrap_or(hex)
}
