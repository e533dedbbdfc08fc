//! `pkcs15-tool -D`.

use super::{Block, between, blocks, number};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Pin,
    PrivateKey,
    PublicKey,
    SecretKey,
    Certificate,
    Data,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkcs15Object {
    pub kind: Kind,
    /// `EC`, `RSA`, …; keys only.
    pub key_type: Option<String>,
    pub label: String,
    /// Lower-case hex.
    pub id: Option<String>,
    pub auth_id: Option<String>,
    /// Of a key; for a PIN its reference.
    pub key_ref: Option<u32>,
    /// `FieldLength` or `ModLength`.
    pub bits: Option<u32>,
    /// As printed: `[0x10C], sign, signRecover, derive`.
    pub usage: Option<String>,
    pub path: Option<String>,
    pub tries_left: Option<u32>,
    /// Everything, as printed.
    pub block: Block,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pkcs15Listing {
    pub label: String,
    pub serial: String,
    pub manufacturer: String,
    /// In the order printed.
    pub objects: Vec<Pkcs15Object>,
}

impl Pkcs15Listing {
    /// `None` if the text holds no card at all (the tool failed).
    pub fn parse(text: &str) -> Option<Self> {
        let mut listing: Option<Self> = None;
        for block in blocks(text) {
            if block.head.starts_with("PKCS#15 Card") {
                listing = Some(Self {
                    label: between(&block.head, '[', ']').unwrap_or_default().to_owned(),
                    serial: block.owned("Serial number").unwrap_or_default(),
                    manufacturer: block.owned("Manufacturer ID").unwrap_or_default(),
                    objects: Vec::new(),
                });
            } else if let Some(listing) = &mut listing {
                listing.objects.push(object(block));
            }
        }
        listing
    }

    pub fn of(&self, kind: Kind) -> Vec<&Pkcs15Object> {
        self.objects.iter().filter(|object| object.kind == kind).collect()
    }

    pub fn pins(&self) -> Vec<&Pkcs15Object> {
        self.of(Kind::Pin)
    }

    pub fn private_keys(&self) -> Vec<&Pkcs15Object> {
        self.of(Kind::PrivateKey)
    }

    pub fn public_keys(&self) -> Vec<&Pkcs15Object> {
        self.of(Kind::PublicKey)
    }

    pub fn certificates(&self) -> Vec<&Pkcs15Object> {
        self.of(Kind::Certificate)
    }

    pub fn data(&self) -> Vec<&Pkcs15Object> {
        self.of(Kind::Data)
    }
}

fn object(block: Block) -> Pkcs15Object {
    let words: Vec<&str> =
        block.head.split(['[', '\'']).next().unwrap_or_default().split_whitespace().collect();
    let kind = match words.as_slice() {
        ["PIN"] => Kind::Pin,
        ["Private", ..] => Kind::PrivateKey,
        ["Public", ..] => Kind::PublicKey,
        ["Secret", ..] => Kind::SecretKey,
        ["X.509", ..] => Kind::Certificate,
        ["Data", ..] => Kind::Data,
        _ => Kind::Other,
    };
    let is_key = matches!(kind, Kind::PrivateKey | Kind::PublicKey | Kind::SecretKey);
    let label = match kind {
        Kind::Data => between(&block.head, '\'', '\''),
        _ => between(&block.head, '[', ']'),
    };
    let first_number = |names: &[&str]| names.iter().find_map(|name| number(block.get(name)?));
    Pkcs15Object {
        kind,
        key_type: words.get(1).filter(|_| is_key).map(|&word| word.to_owned()),
        label: label.unwrap_or_default().to_owned(),
        id: block.get("ID").map(str::to_lowercase),
        auth_id: block.get("Auth ID").map(str::to_lowercase),
        key_ref: first_number(&["Key ref", "Reference"]),
        bits: first_number(&["FieldLength", "ModLength"]),
        usage: block.owned("Usage"),
        path: block.owned("Path"),
        tries_left: first_number(&["Tries left"]),
        block,
    }
}
