//! What a card that OpenSC was asked about holds, as far as its list tells and the certificates that it would cache today.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::asked::AskedCase;
use super::asked_blocks::Block;
use super::token_content::{TokenContent, order};
use crate::baseline::{self, Baseline, Key};
use crate::crypto::same_form;
use crate::finding::ObjectClass;
use crate::format::curve;
use crate::format::key::PublicKey;
use crate::format::x509::{self, Certificate};
use crate::snapshot::{AskedFile, EfPath};
use crate::text::hex;

/// A certificate of the card, as OpenSC lists it.
#[derive(Debug)]
pub struct Listed<'a> {
    /// What it lists.
    pub block: Block<'a>,
    /// The file that it is in.
    pub ef: EfPath,
    /// What is in there today.
    pub certificate: Certificate,
}

/// The certificates among what OpenSC lists of the card whose content it gave. Of several in one file a cached copy does
/// not tell which it is of: they are left out.
#[must_use]
pub fn certificates<'a>(case: &AskedCase<'a>) -> Vec<Listed<'a>> {
    let mut files: BTreeMap<&[u8], Vec<&AskedFile>> = BTreeMap::new();
    for file in case.fresh() {
        if let Some(path) = file.name.of_copy().and_then(|name| name.path.as_deref()) {
            files.entry(path).or_default().push(file);
        }
    }
    let mut placed: BTreeMap<Vec<u8>, Vec<Block<'a>>> = BTreeMap::new();
    for block in case.objects().filter(|block| block.is_certificate()) {
        if let Some(path) = block.path() {
            placed.entry(path).or_default().push(block);
        }
    }
    let of = |(path, blocks): (Vec<u8>, Vec<Block<'a>>)| {
        let (&[block], &[file]) = (blocks.as_slice(), files.get(path.as_slice())?.as_slice()) else {
            return None;
        };
        let certificate = x509::decode(file.content.as_ref()?.as_slice())?;
        Some(Listed { block, ef: EfPath::new(&path)?, certificate })
    };
    placed.into_iter().filter_map(of).collect()
}

/// What the card holds, in the form of a baseline.
#[must_use]
pub fn held(case: &AskedCase<'_>) -> TokenContent {
    let certificates = certificates(case);
    let mut unknown = Vec::new();
    if case.is_unstable {
        unknown.push("OpenSC lists it otherwise with a new cache than without one".to_owned());
    }
    let mut keys = Vec::new();
    for block in case.objects().filter(|block| block.class() == ObjectClass::PrivateKey) {
        let Some(id) = block.id() else { continue };
        let is_of_key = |other: &Block<'_>| other.is_certificate() && other.id().as_ref() == Some(&id);
        let known =
            certificates.iter().find(|listed| is_of_key(&listed.block)).map(|listed| &listed.certificate);
        if known.is_none() && case.objects().any(|other| is_of_key(&other)) {
            unknown.push(format!("OpenSC gives no content of the certificate with ID {id} without a PIN"));
        }
        keys.push(key(block, id, known));
    }
    keys.sort_by(|a, b| order(a).cmp(&order(b)));
    let token = case.objects().find(|block| block.is_token());
    let now = Baseline {
        schema: baseline::SCHEMA.to_owned(),
        serial: case.serial.clone(),
        label: token.map(Block::label),
        firmware: None,
        dkek_key_check_value: None,
        keys,
        written_at: None,
    };
    TokenContent { now, unknown, named_by_certificate: false }
}

fn key(block: Block<'_>, id: String, certificate: Option<&Certificate>) -> Key {
    let public = certificate.map(|certificate| &certificate.key);
    let curve = match public {
        Some(PublicKey::Ec { curve_oid, .. }) => curve::by_oid(curve_oid).map(|curve| curve.name.to_owned()),
        _ => None,
    };
    // `Private RSA Key [label]`
    let kind = block.text().split_whitespace().nth(1).filter(|kind| matches!(*kind, "RSA" | "EC"));
    let bits = || block.value("ModLength")?.parse().ok();
    Key {
        id,
        label: Some(block.label()),
        kind: kind.map(str::to_owned),
        bits: if curve.is_none() { bits() } else { None },
        curve,
        public_key_sha256: public.map(|key| hex(&same_form(key).fingerprint())),
        certificate: certificate.map(|certificate| baseline::Certificate {
            sha256: hex(&Sha256::digest(&certificate.der)),
            not_before: certificate.validity.and_then(|(from, _)| baseline::datetime(from)),
            not_after: certificate.validity.and_then(|(_, to)| baseline::datetime(to)),
        }),
        reference: block.reference(),
    }
}
