//! What lies on a SmartCard-HSM and is not listed: keys, certificates and data of its key list whose descriptions say nothing.
//!
//! The card's list names the key (`CCnn`); what it is called and where it belongs, only its description (`C4nn`) tells.
//! OpenSC passes over a key without one in silence. An interrupted unwrap leaves such a key.

use super::super::unlisted::{Because, Cure, Unlisted};
use super::super::{Behaviour, Read, Source};
use super::buffer::{DESCRIPTION_BUFFER, KEY_BUFFER};
use super::list::request_key;
use crate::finding::ObjectClass;
use crate::format::key::PublicKey;
use crate::format::pkcs15;
use crate::format::sc_hsm::{fid, prefix, split};
use crate::format::x509;
use crate::snapshot::{Card, EfPath};

/// The tags of the descriptions of private keys that OpenSC lists.
const LISTED_KEYS: [u32; 3] = [0x30, 0xA0, 0xA4];

/// In the order of the key list.
pub(super) fn unlisted(card: &Card, behaviour: Behaviour) -> Vec<Unlisted> {
    let entries = card.key_list.iter().filter_map(|ef| {
        let ef = EfPath::from(*ef);
        match split(ef) {
            // The device's own, whatever is said of it.
            (prefix::KEY, 0) => None,
            (prefix::KEY, number) => key(card, ef, number, behaviour),
            (prefix::CA_DESCRIPTION, _) => described(card, ef, ObjectClass::Certificate),
            (prefix::DATA_DESCRIPTION, _) => described(card, ef, ObjectClass::Data),
            _ => None,
        }
    });
    entries.collect()
}

/// Why a description says nothing, and whether it is of something that OpenSC does not list; none if it does.
fn fault(
    read: Read,
    listed: &[u32],
    decodes: impl Fn(&[u8]) -> Result<(), String>,
) -> Option<(String, bool)> {
    match read {
        Read::Content(bytes) if bytes.is_empty() => Some(("is empty".to_owned(), false)),
        Read::Content(bytes) => {
            let error = decodes(&bytes).err()?;
            Some((format!("does not decode ({error})"), pkcs15::is_of_other_kind(&bytes, listed)))
        }
        Read::Absent => Some(("is not on the card".to_owned(), false)),
        Read::Failed => Some(("is refused by the card".to_owned(), false)),
        // Said to be unknown already.
        Read::Unknown(_) => None,
    }
}

fn key(card: &Card, ef: EfPath, number: u8, behaviour: Behaviour) -> Option<Unlisted> {
    let description = EfPath::from(fid(prefix::PRIVATE_KEY, number));
    let decodes = |bytes: &[u8]| pkcs15::private_key(bytes).map(drop).map_err(|error| error.to_string());
    let (why, is_other) = fault(card.read(description, KEY_BUFFER), &LISTED_KEYS, decodes)?;
    let because = if is_other {
        Because::Limit
    } else {
        let what = format!(
            "unwrap the key once more from its backup (sc-hsm-tool --unwrap-key FILE --key-reference {number} --force), or \
             write its description (EF {description}) anew, with the tools of the card's maker; do not generate or \
             delete a key in its place"
        );
        Because::Fault(Cure { what, missing: true })
    };
    let why = if is_other {
        format!("its description (EF {description}) is of a kind of key that OpenSC does not list")
    } else {
        format!("its description (EF {description}) {why}")
    };
    let class = if is_other { ObjectClass::SecretKey } else { ObjectClass::PrivateKey };
    Some(Unlisted {
        ef,
        class,
        reference: Some(number),
        what: format!("the {class} with key reference {number} (EF {ef})"),
        why,
        because,
        key: public(card, number, behaviour),
    })
}

/// What the card has as public of a key, description or not.
fn public(card: &Card, number: u8, behaviour: Behaviour) -> Option<PublicKey> {
    let file = fid(prefix::CERTIFICATE, number).into();
    let Read::Content(content) = card.read(file, KEY_BUFFER) else { return None };
    match content.first() {
        Some(0x30) => x509::decode(&content).map(|certificate| certificate.key),
        _ => request_key(&content, behaviour),
    }
}

/// A certificate of an authority, or data.
fn described(card: &Card, ef: EfPath, class: ObjectClass) -> Option<Unlisted> {
    let decodes = |bytes: &[u8]| {
        let entry = match split(ef).0 {
            prefix::CA_DESCRIPTION => pkcs15::certificate(bytes).map(drop),
            _ => pkcs15::data_object(bytes).map(drop),
        };
        entry.map_err(|error| error.to_string())
    };
    let read = card.read(ef, DESCRIPTION_BUFFER);
    // The list names the description itself: without it there is nothing that could be listed.
    let read = if read == Read::Absent { return None } else { read };
    let (why, is_other) = fault(read, &[0x30], decodes)?;
    let what = format!("write the {class} once more, or delete EF {ef} if nobody misses it");
    Some(Unlisted {
        ef,
        class,
        reference: None,
        what: format!("the {class} of EF {ef}"),
        why: format!("its description {why}"),
        because: if is_other { Because::Limit } else { Because::Fault(Cure { what, missing: true }) },
        key: None,
    })
}
