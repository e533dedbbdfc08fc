//! Reading a PIV card (NIST SP 800-73-4): what OpenSC's driver reads, and nothing twice.
//!
//! Every object is read that everybody may read. What takes a PIN (fingerprints, printed
//! information, images) is never asked for. The certificate inside of an object is kept
//! as a file of its own, as OpenSC knows it.
//!
//! Two things are read that OpenSC does not look at, because somebody who misses a key may have to be told of them:
//! certificates of retired keys that the key history passes over, and which keys there are (GET METADATA), where
//! the card tells.
//!
//! Whether somebody is logged in is asked (VERIFY without data) only of cards that are known to
//! answer that: old YubiKeys and others do not. While somebody is, no transaction is held, see
//! [`super::pcsc`].

use super::apdu::{Channel, Command, PIV_AID, Pin, Transport};
use super::family;
use super::objects::{Application, Walk};
use super::scan_error::{ScanError, Stop, until_it_rests};
use crate::format::piv::{self, CHUID, DISCOVERY, Object, Slot, Tag};
use crate::format::tlv::{first, tagged};
use crate::snapshot::{Answer, Bytes, Card, EfPath, Family, Gap, KeyMetadata};
use crate::text::hex;

/// The serial number that OpenSC gives every card without a usable CHUID.
pub const NO_SERIAL: &str = "00000000";

const APPLICATION: Application = Application {
    card: "a PIV card",
    select: Command::SelectPiv,
    witness: Command::PivObject(DISCOVERY.tag),
    is_witness: is_discovery,
};

/// Reads the whole card, public objects only.
///
/// # Errors
/// When there is nothing that could be called a reading of this card.
pub fn scan(transport: &mut dyn Transport, reader: &str, atr: &[u8]) -> Result<(Card, Vec<Gap>), ScanError> {
    until_it_rests(transport, |channel| attempt(channel, reader, atr))
}

/// One walk through the card.
fn attempt(channel: &mut Channel<'_>, reader: &str, atr: &[u8]) -> Result<(Card, Vec<Gap>), Stop> {
    let mut walk = Walk::begin(channel, reader, &APPLICATION)?;
    if walk.was_selected && family::answers_empty_verify(atr) {
        walk.status(Command::VerifyStatus(Pin::Piv))?;
    }
    let mut history = None;
    let mut chuid = None;
    for object in piv::PUBLIC {
        let content = read(&mut walk, object)?;
        if object == CHUID {
            chuid = content;
        } else if object == piv::KEY_HISTORY {
            history = content;
        }
    }
    let (on_card, _) = history.as_deref().map(piv::key_history).unwrap_or_default();
    for slot in piv::SLOTS.into_iter().chain([piv::MESSAGING]).chain(piv::retired(on_card)) {
        read_slot(&mut walk, slot)?;
    }
    read_hidden(&mut walk, on_card)?;
    let keys = read_keys(&mut walk, atr)?;
    // A card that was swapped for its twin, or filled anew, has another CHUID.
    walk.check()?;
    let again = walk.read(None, Command::PivObject(CHUID.tag), "CHUID", is_object)?;
    let again = if let Answer::Content(Bytes(bytes)) = again { Some(bytes) } else { None };
    if again != chuid {
        return Err(Stop::Moved("its CHUID is not the one the scan began with"));
    }
    let serial = chuid.as_deref().and_then(|chuid| piv::serial(chuid, false)).map(hex);
    let card = Card {
        reader: reader.to_owned(),
        atr: Bytes(atr.to_vec()),
        family: Family::Piv,
        driver: Some("PIV-II".to_owned()),
        serial: Some(serial.unwrap_or_else(|| NO_SERIAL.to_owned())),
        application: None,
        change_counter: None,
        key_list: Vec::new(),
        files: walk.files,
        status: None,
        keys,
        trials: Vec::new(),
    };
    Ok((card, walk.gaps))
}

/// An object that is no certificate.
fn read(walk: &mut Walk<'_, '_>, object: Object) -> Result<Option<Vec<u8>>, Stop> {
    let path = EfPath::at(object.container);
    let answer = walk.read(None, Command::PivObject(object.tag), &format!("object {path}"), is_object)?;
    Ok(walk.add(path, answer))
}

/// The object of a slot and the certificate in it.
fn read_slot(walk: &mut Walk<'_, '_>, slot: Slot) -> Result<(), Stop> {
    let what = match slot.reference {
        0 => "certificate for secure messaging (5FC122)".to_owned(),
        reference => format!("certificate of slot {reference:02X}"),
    };
    let answer = walk.read(None, Command::PivObject(Tag::Usual(slot.tag)), &what, is_object)?;
    let certificate = match &answer {
        Answer::Content(bytes) => match piv::certificate(bytes.as_slice()) {
            Ok(Some(certificate)) => Answer::Content(Bytes(certificate)),
            Ok(None) => Answer::Absent,
            Err(error) => {
                walk.gap(&what, &format!("it cannot be decompressed ({error}), and OpenSC does not list it"));
                Answer::Absent
            }
        },
        answer => answer.clone(),
    };
    walk.add(slot.object(), answer);
    walk.add(slot.certificate(), certificate);
    Ok(())
}

/// The certificates of retired keys behind those that the key history counts; most often there are none.
fn read_hidden(walk: &mut Walk<'_, '_>, counted: u8) -> Result<(), Stop> {
    for slot in piv::retired(piv::RETIRED).skip(counted.into()) {
        let what = format!("certificate of slot {:02X}", slot.reference);
        let command = Command::PivObject(Tag::Usual(slot.tag));
        match walk.read_recorded(None, command, &what, is_object)? {
            Some(Answer::Content(object)) => {
                let certificate = piv::certificate(object.as_slice()).ok().flatten();
                walk.add(slot.object(), Answer::Content(object));
                let certificate = certificate.map_or(Answer::Absent, |bytes| Answer::Content(Bytes(bytes)));
                walk.add(slot.certificate(), certificate);
            }
            Some(_) => {}
            None => break,
        }
    }
    Ok(())
}

/// What a YubiKey tells of each key; none if it is an older one, or another card.
fn read_keys(walk: &mut Walk<'_, '_>, atr: &[u8]) -> Result<Option<Vec<KeyMetadata>>, Stop> {
    if !family::may_tell_keys(atr) {
        return Ok(None);
    }
    let slots = piv::SLOTS.into_iter().chain(piv::retired(piv::RETIRED)).map(|slot| slot.reference);
    let mut keys = Vec::new();
    for (number, key) in slots.chain([piv::ATTESTATION]).enumerate() {
        let what = format!("what the card tells of key {key:02X}");
        match walk.read_recorded(None, Command::PivMetadata(key), &what, is_metadata)? {
            Some(Answer::Absent) => {}
            // It knows no such command.
            None | Some(Answer::Refused(_)) if number == 0 => return Ok(None),
            Some(answer) => keys.push(KeyMetadata { key, answer }),
            None => {}
        }
    }
    Ok(Some(keys))
}

/// Elements to the last byte.
fn is_metadata(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(element) = first(rest) {
        rest = element.rest;
    }
    rest.is_empty()
}

/// One whole element: whatever came in between, nothing is missing.
fn is_object(bytes: &[u8]) -> bool {
    bytes.is_empty() || first(bytes).is_some()
}

/// The discovery object names the application.
pub(super) fn is_discovery(bytes: &[u8]) -> bool {
    first(bytes).is_some_and(|element| element.tag == 0x7E)
        && piv::content(bytes)
            .and_then(|content| tagged(content, 0x4F))
            .is_some_and(|aid| aid.starts_with(&PIV_AID))
}
